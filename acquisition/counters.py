"""What a session counts of the frames it takes."""

import threading
import time
from collections import deque

from isactrack.frame import Frame
from isactrack.sensor import Sensor

RATE_WINDOW_S = 2.0
"""Time over which the frame rate is averaged; longer for devices with slow frames."""
_MAX_ARRIVALS = 10_000


class Counters:
    """Counts, losses and rate of a stream of frames; one thread takes frames, any thread reads.

    Parameters
    ----------
    sensor
        The sensor that sends them.
    first_counter
        Counter of the first frame if none is missing; None if any may be the first.

    Attributes
    ----------
    frames, incomplete, missing
        Frames taken, those of them with lost bytes, and those that the device's counter jumped over.
    unusable
        Frames taken that the device says must not be believed.
    flags
        How many frames have each flag, by its name in small letters; only flags that there were.
    lost_bytes
        Bytes that did not arrive, missing frames included.
    frame_bytes, nominal_rate_hz
        Size and rate of the frames that the sensor should send.
    missing_at_end
        Those of the missing frames that should have come after the last one: a recording does not show them.
    first_time_s
        Device time of the first frame.
    """

    def __init__(self, sensor: Sensor, first_counter: int | None = 0) -> None:
        self.frames = 0
        self.incomplete = 0
        self.missing = 0
        self.missing_at_end = 0
        self.unusable = 0
        self.flags: dict[str, int] = {}
        self.lost_bytes = 0
        self.frame_bytes = sensor.frame_bytes
        self.nominal_rate_hz = 1.0 / sensor.frame_period_s
        self.first_time_s = 0.0
        self._last_counter = None if first_counter is None else first_counter - 1
        self._started_s: float | None = None
        self._ended_s: float | None = None
        self._window_s = max(RATE_WINDOW_S, 4.0 * sensor.frame_period_s)
        self._arrivals_s: deque[float] = deque(maxlen=_MAX_ARRIVALS)
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Start the clock."""
        self._started_s = time.monotonic()

    def end(self) -> None:
        """Stop the clock."""
        self._ended_s = time.monotonic()

    def take(self, frame: Frame) -> None:
        """Count a frame."""
        if self.frames == 0:
            self.first_time_s = frame.device_time_s
        missing = 0 if self._last_counter is None else max(0, frame.counter - self._last_counter - 1)
        self._last_counter = frame.counter
        self.missing += missing
        self.incomplete += not frame.complete
        if frame.block is not None and frame.block.flags:
            self.unusable += not frame.usable
            names = [flag.name.lower() for flag in frame.block.flags if flag.name]
            # A new dictionary each time: another thread may be reading the old one.
            self.flags = {**self.flags, **{name: self.flags.get(name, 0) + 1 for name in names}}
        self.lost_bytes += frame.lost_bytes + missing * self.frame_bytes
        with self._lock:
            self._arrivals_s.append(time.monotonic())
        self.frames += 1

    def expect(self, frame_count: int | None) -> None:
        """Count what is missing at the end of a stream that should have had this many frames, if that is known."""
        if frame_count is not None and self._last_counter is not None:
            missing = max(0, frame_count - self._last_counter - 1)
            self.missing += missing
            self.missing_at_end += missing
            self.lost_bytes += missing * self.frame_bytes

    @property
    def due(self) -> int:
        """Frames that should have come by now, taken or missing."""
        return self.frames + self.missing

    @property
    def lost_share(self) -> float:
        """Lost bytes over all bytes that should have come, 0 to 1."""
        due_bytes = self.due * self.frame_bytes
        return self.lost_bytes / due_bytes if due_bytes else 0.0

    def elapsed_s(self) -> float:
        """Return the time since `begin`, up to `end`."""
        if self._started_s is None:
            return 0.0
        return (self._ended_s or time.monotonic()) - self._started_s

    def rate_hz(self) -> float:
        """Return the frame rate over the last seconds before now, or before `end`."""
        since_s = (self._ended_s or time.monotonic()) - self._window_s
        with self._lock:
            recent = [arrival_s for arrival_s in self._arrivals_s if arrival_s >= since_s]
        if len(recent) < 2 or recent[-1] <= recent[0]:
            return 0.0
        return (len(recent) - 1) / (recent[-1] - recent[0])
