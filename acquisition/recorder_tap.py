"""A recorder behind a queue of its own: what a session records, from its start or from when somebody asks for it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from isactrack.acquisition.queues import LosslessQueue
from isactrack.errors import ConfigError, IsacError
from isactrack.events import Event, SidePacket
from isactrack.frame import Frame
from isactrack.sensor import Sensor
from isactrack.truth import Truth

FLUSH_INTERVAL_S: Final = 0.5
"""Time without a frame after which the recorder flushes."""

Item = tuple[Frame, Truth | None, int]
"""A frame, its truth, and when it arrived: host monotonic nanoseconds."""
Recorded = Item | Event | SidePacket


class Recorder(Protocol):
    """What a session asks of a file writer; `RecordingWriter` and `SegmentedWriter` of `isactrack.recordings` are."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def frames_written(self) -> int:
        """Frames in the file."""

    @property
    def bytes_written(self) -> int:
        """Bytes of samples in the file."""

    def append(self, frame: Frame, truth: Truth | None = None) -> None:
        """Write a frame."""

    def add_event(self, event: Event) -> None:
        """Write an event."""

    def add_side_packet(self, packet: SidePacket) -> None:
        """Write a packet that came beside the frames."""

    def flush(self) -> None:
        """Make the frames so far safe from the death of this process."""

    def close(self, reason: str = ...) -> None:
        """Finish the file, noting why the recording ended; nothing happens if it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLimits:
    """When a recording ends by itself.

    Attributes
    ----------
    duration_s
        Time of the device that is recorded; infinite for no limit.
    max_bytes
        Bytes of samples; None for no limit.

    Raises
    ------
    ConfigError
        If a limit is not positive.
    """

    duration_s: float = math.inf
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.duration_s > 0.0 or (self.max_bytes is not None and self.max_bytes <= 0):
            raise ConfigError("a recording of nothing was asked for", "give a positive time and size, or no limit")


class RecorderTap:
    """A recorder, its queue, and what its thread does.

    Parameters
    ----------
    recorder
        Where the frames go; it is closed at the end of `run`, whatever happens.
    capacity
        What may wait for the disk before whoever puts has to.
    reason
        Returns why the recording ended, asked at its end unless `close` says so.
    fatal
        Whether a recorder that fails ends the session too, or only the recording.
    limits
        When the recording ends by itself.
    """

    def __init__(
        self,
        recorder: Recorder,
        capacity: int,
        reason: Callable[[], str],
        *,
        fatal: bool = True,
        limits: RecordingLimits | None = None,
    ) -> None:
        self.recorder = recorder
        self.fatal = fatal
        self.error: IsacError | None = None
        self._reason = reason
        self._limits = limits or RecordingLimits()
        self._queue: LosslessQueue[Recorded] = LosslessQueue(capacity)
        self._said: str | None = None
        self._last_events: list[Event] = []
        self._began_s: float | None = None
        self._ends_s = 0.0
        self._taken_bytes = 0
        self._finished = False

    @property
    def waiting(self) -> int:
        """What waits for the disk."""
        return len(self._queue)

    @property
    def elapsed_s(self) -> float:
        """Time of the device from the first frame to the end of the newest, seconds."""
        return 0.0 if self._began_s is None else self._ends_s - self._began_s

    @property
    def finished(self) -> bool:
        """Whether the file is closed."""
        return self._finished

    def put(self, item: Recorded) -> None:
        """Hand something to the recorder, waiting for room; QueueClosedError if it takes no more."""
        self._queue.put(item)

    def put_frame(self, item: Item, sensor: Sensor) -> bool:
        """Hand over a frame and return whether there is room for another one within the limits."""
        self._queue.put(item)
        frame = item[0]
        if self._began_s is None:
            self._began_s = frame.device_time_s
        self._ends_s = frame.device_time_s + sensor.frame_period_s
        self._taken_bytes += frame.samples.nbytes
        in_time = self.elapsed_s + sensor.frame_period_s / 2.0 <= self._limits.duration_s
        fits = self._limits.max_bytes is None or self._taken_bytes + frame.samples.nbytes <= self._limits.max_bytes
        return in_time and fits

    def close(self, reason: str | None = None, events: Iterable[Event] = ()) -> None:
        """Take no more; what waits, and last events, are written, then the file is closed.

        Returns at once, however slow the disk is, and may be called again.
        """
        self._last_events.extend(events)
        if self._said is None:
            self._said = reason
        self._queue.close()

    def run(self) -> None:
        """Write what comes until `close`, then close the file; raises what the recorder raises, if that is fatal."""
        try:
            self._write()
        except Exception as error:
            self._queue.close()
            self.error = error if isinstance(error, IsacError) else unexpected("recorder", error)
            if self.fatal:
                raise
        finally:
            self._queue.close()

    def finish(self) -> None:
        """Close the file."""
        why = f"error: {self.error}" if self.error is not None and not self.fatal else self._said or self._reason()
        try:
            self.recorder.close(reason=why)
        finally:
            self._finished = True

    def _write(self) -> None:
        recorder = self.recorder
        while not self._queue.ended:
            item = self._queue.get(FLUSH_INTERVAL_S)
            if item is None:
                recorder.flush()  # a silent device must not keep the last frames from the disk
            elif isinstance(item, Event):
                recorder.add_event(item)
            elif isinstance(item, SidePacket):
                recorder.add_side_packet(item)
            else:
                frame, truth, _ = item
                recorder.append(frame, truth)
        for event in self._last_events:
            recorder.add_event(event)


def unexpected(name: str, error: Exception) -> IsacError:
    """Return an error that says which thread met a foreign one."""
    told = IsacError(f"the {name} thread failed: {type(error).__name__}: {error}", "please report this")
    told.__cause__ = error
    return told
