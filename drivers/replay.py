"""A recording as a device: the one door from the drivers to the recordings, because a recording is a device."""

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from isactrack.drivers.device import Device, DeviceInfo, DeviceStats
from isactrack.drivers.url import DeviceUrl, parse_speed
from isactrack.errors import ConfigError, DeviceTimeoutError, IsacError, RecordingError
from isactrack.events import Event
from isactrack.frame import Frame
from isactrack.geometry import RoomOutline
from isactrack.recordings.folder import open_recording
from isactrack.recordings.reader import Recording
from isactrack.sensor import Sensor
from isactrack.source import Source
from isactrack.truth import Truth


def open_url(url: DeviceUrl) -> "ReplayDevice":
    """Open ``file://run.h5``, or a recording that is a folder: ``file://run1?stream=left`` or ``file://run1/left``.

    Options: ``speed`` (1 is the recorded pace, ``max`` as fast as frames are taken), ``start`` (first frame, from 0),
    ``stream`` (name of the device, where the folder has several).
    """
    options = url.take(speed=None, start=0, stream=None)
    stream = options["stream"]
    return ReplayDevice(
        Path(url.target).expanduser(),
        speed=parse_speed(url.text, options["speed"]),
        start=int(options["start"] or 0),
        stream=None if stream is None else str(stream),
    )


class ReplayDevice(Device):
    """Plays a recording as the device that it was made from.

    Parameters
    ----------
    path
        The recording, a file or a folder.
    speed
        Device seconds a wall-clock second; infinite means as fast as frames are taken.
    start
        Index of the first frame.
    stream
        Stream of a folder that has several.
    """

    def __init__(self, path: Path, *, speed: float = math.inf, start: int = 0, stream: str | None = None) -> None:
        self._recording: Recording = open_recording(path, stream)
        super().__init__(pose=self._recording.pose)
        try:
            _check_frames(self._recording, start)
        except IsacError:
            self._recording.close()
            raise
        self._speed = speed
        self._first = start
        self._next = start
        self._began_s = 0.0
        self._stopped = threading.Event()
        self._stats = DeviceStats()
        self._row_of_counter: dict[int, int] = {}

    @property
    def info(self) -> DeviceInfo:
        """The recording, and the device that it was made from."""
        header = self._recording.header
        return DeviceInfo(
            url=f"file://{self._recording.path}",
            model=header.device_model,
            source=Source.REPLAY,
            origin=self._recording.origin,
            serial_number=header.serial_number,
            firmware=header.firmware,
        )

    @property
    def closed_cleanly(self) -> bool:
        """Whether the recording was ended on purpose, see `Recording`."""
        return self._recording.closed_cleanly

    @property
    def recording(self) -> Recording:
        """What is played; it is closed with the device."""
        return self._recording

    @property
    def recorded_events(self) -> list[Event]:
        """What happened while the recording was made, markers among it."""
        return list(self._recording.events)

    @property
    def profile_text(self) -> str:
        """The profile that the recorded device was given."""
        return self._recording.profile_text

    @property
    def room(self) -> RoomOutline | None:
        """Walls of the room, as far as they were known when this was recorded."""
        return self._recording.room

    @property
    def stats(self) -> DeviceStats:
        """Counters since the last start, those of the recording as far as it was played."""
        return replace(self._stats)

    @property
    def frame_count(self) -> int:
        """Frames from the first one on."""
        return len(self._recording) - self._first

    def truth(self, frame: Frame) -> Truth | None:
        """Return the truth that was recorded with a frame of this device."""
        row = self._row_of_counter.get(frame.counter)
        return None if row is None else self._recording.truth(row)

    def _configure(self, profile: str | None) -> Sensor:
        if profile is not None:
            raise ConfigError(
                "a recording runs the profile that it was made with and takes no other",
                "leave the profile out; the recorded one is in `isactrack info`",
            )
        return self._recording.sensor

    def _start(self) -> None:
        self._next = self._first
        self._stats = DeviceStats()
        self._row_of_counter.clear()
        self._stopped.clear()
        self._began_s = time.monotonic()

    def _read(self, timeout_s: float | None) -> Frame | None:
        if self._next >= len(self._recording) or self._stopped.is_set():
            return None
        frame = self._recording.frame(self._next)
        times = self._recording.device_time_s
        since_first_s = float(times[self._next] - times[self._first])
        # Paced against the start, not against the last frame, so that a recording does not drift.
        wait_s = self._began_s + since_first_s / self._speed - time.monotonic()
        allowed_s = wait_s if timeout_s is None else min(wait_s, timeout_s)
        if allowed_s > 0.0 and self._stopped.wait(allowed_s):
            return None
        if allowed_s < wait_s:
            raise DeviceTimeoutError(
                f"the next recorded frame comes only in {wait_s - allowed_s:.3f} s", "wait longer or replay faster"
            )
        self._row_of_counter[frame.counter] = self._next
        self._count(frame)
        self._next += 1
        return frame

    def _count(self, frame: Frame) -> None:
        counters = self._recording.counters
        skipped = frame.counter - int(counters[self._next - 1]) - 1 if self._next > self._first else 0
        self._stats.frames += 1
        self._stats.incomplete_frames += not frame.complete
        self._stats.missing_frames += skipped
        self._stats.lost_bytes += frame.lost_bytes + skipped * self.sensor.frame_bytes

    def _stop(self) -> None:
        self._stopped.set()

    def _close(self) -> None:
        self._recording.close()


def _check_frames(recording: Recording, start: int) -> None:
    """Refuse a recording whose frames, from `start` on, are not in the order in which a device yields them."""
    if not 0 <= start <= len(recording):
        raise ConfigError(
            f"start={start} is not in a recording of {len(recording)} frames", f"use 0 to {len(recording)}"
        )
    for name, column in (("counter", recording.counters), ("device time", recording.device_time_s)):
        back = np.flatnonzero(~(np.diff(column[start:]) > 0))
        if back.size:
            row = start + int(back[0]) + 1
            raise RecordingError(
                f"the frames of {recording.path} are not in order: the {name} goes from {column[row - 1]} to "
                f"{column[row]} at frame {row}",
                f"the file joins several runs or is damaged: `isactrack validate` checks it; what follows can be "
                f"replayed with start={row}",
            )
