"""A file of samples that another program captured from hardware, as a device."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from isactrack.drivers.device import Device, DeviceInfo, DeviceStats
from isactrack.errors import ConfigError
from isactrack.frame import Frame
from isactrack.sensor import Sensor
from isactrack.source import Source


class CaptureFile(Device):
    """A capture of another program; it is configured from the start, and its frames come as fast as they are read.

    Parameters
    ----------
    path
        The file.
    sensor
        What the hardware ran.
    profile_text
        The text that says so, verbatim; empty if there is none.
    """

    def __init__(self, path: Path, sensor: Sensor, profile_text: str = "") -> None:
        super().__init__()
        self._path = path
        self._capture_sensor = sensor
        self._profile_text = profile_text
        self._frames: Iterator[Frame] = iter(())
        self._stats = DeviceStats()

    @property
    def info(self) -> DeviceInfo:
        """Name of the file and the sensor's model."""
        return DeviceInfo(
            url=self._path.name, model=self._capture_sensor.model, source=Source.HARDWARE, origin=Source.HARDWARE
        )

    @property
    def profile_text(self) -> str:
        """The text of the profile, verbatim."""
        return self._profile_text

    @property
    def stats(self) -> DeviceStats:
        """Counters since the last start."""
        return replace(self._stats)

    def _configure(self, profile: str | None) -> Sensor:
        if profile is not None:
            raise ConfigError("a capture file cannot be given another profile", "open it with the right one")
        return self._capture_sensor

    def _start(self) -> None:
        self._stats = DeviceStats()
        self._frames = self._read_frames()

    def _read(self, timeout_s: float | None) -> Frame | None:
        return next(self._frames, None)

    def _stop(self) -> None:
        self._frames = iter(())

    def _close(self) -> None:
        return

    @abstractmethod
    def _read_frames(self) -> Iterator[Frame]:
        """Yield the frames from the first on, and count them in `_stats`."""
