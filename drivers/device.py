"""The one contract of a device.

A device is opened by URL, configured, started, read and stopped; ``with`` closes it. Drivers implement the private
hooks; the public methods, which are the same for every device, check the order of calls and keep the promises that
`isactrack.testing.check_device` tests.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from isactrack.errors import DeviceStateError
from isactrack.events import Event, SidePacket
from isactrack.frame import Frame
from isactrack.geometry import Pose, RoomOutline
from isactrack.sensor import Sensor
from isactrack.source import Source
from isactrack.truth import Truth


class DeviceState(StrEnum):
    """Where a device stands between opening and closing."""

    OPEN = "open"
    CONFIGURED = "configured"
    STREAMING = "streaming"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """What the device says of itself, for people and for the recording.

    Attributes
    ----------
    url
        URL that opened it.
    model, serial_number, firmware
        As far as the device tells; empty if it does not.
    source
        What delivers the samples.
    origin
        Where the samples came from first: for a replay the source of what it replays, else the same as `source`.
    """

    url: str
    model: str
    source: Source
    origin: Source
    serial_number: str = ""
    firmware: str = ""


@dataclass(slots=True, kw_only=True)
class DeviceStats:
    """Counters since `start`; all of them only grow. Whoever counts hands out copies.

    Attributes
    ----------
    frames, incomplete_frames, missing_frames
        Frames delivered, those of them with lost bytes, and frames that were skipped altogether.
    lost_bytes
        Bytes that never arrived, missing frames included.
    packets, late_packets, duplicate_packets, reordered_packets, rejected_packets
        Datagrams taken, those of them that came after their frame was delivered, twice, out of order, and those that
        were no data packets of this device.
    overruns
        Frames dropped because nobody took them in time.
    card_overflows
        Reports of the card that its memory overflowed: holes that no byte count shows.
    """

    frames: int = 0
    incomplete_frames: int = 0
    missing_frames: int = 0
    lost_bytes: int = 0
    packets: int = 0
    late_packets: int = 0
    duplicate_packets: int = 0
    reordered_packets: int = 0
    rejected_packets: int = 0
    overruns: int = 0
    card_overflows: int = 0


class Device(ABC):
    """A source of frames.

    The order is ``configure``, ``start``, ``frames``, ``stop``, ``close``. `stop` and `close` may be called at any time
    and any number of times; after `stop` the device may be configured or started again.
    """

    def __init__(self, *, pose: Pose | None = None) -> None:
        self._state = DeviceState.OPEN
        self._sensor: Sensor | None = None
        self._pose = pose or Pose()

    @property
    def state(self) -> DeviceState:
        """Where the device stands."""
        return self._state

    @property
    @abstractmethod
    def info(self) -> DeviceInfo:
        """What the device says of itself."""

    @property
    def sensor(self) -> Sensor:
        """The sensor as it really runs.

        Raises
        ------
        DeviceStateError
            Before the device is configured.
        """
        if self._sensor is None:
            raise DeviceStateError(f"{self.info.url} is not configured", "call configure() first")
        return self._sensor

    @property
    def profile_text(self) -> str:
        """The profile that was sent, verbatim; empty if there is none."""
        return ""

    @property
    def pose(self) -> Pose:
        """Where the sensor stands in the room."""
        return self._pose

    @property
    def room(self) -> RoomOutline | None:
        """Walls of the room that it stands in; None where nobody knows them."""
        return None

    @property
    def stats(self) -> DeviceStats:
        """Counters since the last start."""
        return DeviceStats()

    @property
    def frame_count(self) -> int | None:
        """Frames that a run will yield, None if it is endless."""
        return None

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first; may be called in any state, from any thread."""
        return []

    def take_side_packets(self) -> list[SidePacket]:
        """Return the packets beside the frames that came since the last call, oldest first; in any state."""
        return []

    def truth(self, frame: Frame) -> Truth | None:
        """Return where the targets really are in `frame`; None for anything but a simulation or its replay."""
        return None

    def configure(self, profile: str | None = None) -> Sensor:
        """Send a profile and return the sensor as the device really runs it.

        After an error the device is as before its first configuration: what it would run is not known.

        Parameters
        ----------
        profile
            Text of the profile in the device's own language; None for its default.

        Raises
        ------
        ConfigError
            If the profile cannot work; the message names the line.
        DeviceError
            If the device refuses it or does not answer.
        """
        self._require("configure", DeviceState.OPEN, DeviceState.CONFIGURED)
        self._state, self._sensor = DeviceState.OPEN, None
        self._sensor = self._configure(profile)
        self._state = DeviceState.CONFIGURED
        return self._sensor

    def start(self) -> None:
        """Start streaming; the first frame that `frames` yields is the device's first."""
        self._require("start", DeviceState.CONFIGURED)
        self._start()
        self._state = DeviceState.STREAMING

    def read(self, timeout_s: float | None = None) -> Frame | None:
        """Return the next frame, or None at the end of the stream.

        Parameters
        ----------
        timeout_s
            Longest wait; None for the device's own deadline, a few frame periods.

        Raises
        ------
        DeviceTimeoutError
            If no frame came before the deadline although the stream has not ended.
        """
        self._require("read", DeviceState.STREAMING)
        return self._read(timeout_s)

    def frames(self) -> Iterator[Frame]:
        """Yield frames in order of their counter until the stream ends or the device is stopped."""
        self._require("frames", DeviceState.STREAMING)
        while self._state is DeviceState.STREAMING and (frame := self._read(None)) is not None:
            yield frame

    def stop(self) -> None:
        """Stop streaming; nothing happens if the device does not stream."""
        if self._state is DeviceState.STREAMING:
            self._state = DeviceState.CONFIGURED
            self._stop()

    def close(self) -> None:
        """Stop and release everything; may be called again."""
        if self._state is DeviceState.CLOSED:
            return
        try:
            self.stop()
        finally:
            self._state = DeviceState.CLOSED
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _configure(self, profile: str | None) -> Sensor:
        """Send the profile; the device is open or configured."""

    @abstractmethod
    def _start(self) -> None:
        """Start streaming; the device is configured."""

    @abstractmethod
    def _read(self, timeout_s: float | None) -> Frame | None:
        """Return the next frame, None at the end; the device is streaming."""

    @abstractmethod
    def _stop(self) -> None:
        """Stop streaming; called once for each start."""

    @abstractmethod
    def _close(self) -> None:
        """Release everything; called once."""

    def _require(self, call: str, *states: DeviceState) -> None:
        if self._state not in states:
            wanted = " or ".join(states)
            raise DeviceStateError(
                f"{call}() on a device that is {self._state}, it must be {wanted}",
                "the order is configure(), start(), frames(), stop(), close()",
            )


def host_clocks() -> tuple[int, int]:
    """Return the host's monotonic clock and UTC, nanoseconds."""
    return time.monotonic_ns(), time.time_ns()
