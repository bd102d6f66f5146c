"""Write one stream of a recording as a row of segments, each a complete recording.

The next segment is created while the present one is being written, and the last one is closed, hashed and entered into
the manifest while the next one is: a worker thread does both. What is left for the thread that brings the frames is to
flush one file and go on with another.
"""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from isactrack.errors import ConfigError, IsacError, RecordingError
from isactrack.events import Event, SidePacket
from isactrack.frame import Frame
from isactrack.recordings import filters
from isactrack.recordings.clocks import estimate_clock, lower_envelope
from isactrack.recordings.header import RecordingHeader
from isactrack.recordings.manifest import (
    DEFAULT_STREAM,
    PART_SUFFIX,
    ManifestFile,
    Segment,
    Stream,
    check_stream_name,
    describe_segment,
    segment_name,
)
from isactrack.recordings.reader import Recording
from isactrack.recordings.writer import RecordingWriter, sync_folder
from isactrack.truth import Truth


@dataclass(slots=True)
class _OpenSegment:
    """A segment that is not finished: its writer, its place in the stream, and its first frame's device time."""

    writer: RecordingWriter
    number: int
    first_time_s: float | None = None


class SegmentedWriter:
    """A stream under construction, in segments of a limited size or length.

    Parameters
    ----------
    manifest
        Manifest of the folder, see `create_folder`.
    header
        What is known before the first frame; its `stream` names the folder of the segments, `DEFAULT_STREAM` if it is
        empty.
    segment_bytes
        Size that the file of a segment does not pass by much; None for no limit. A segment has one frame at least.
    segment_s
        Length of a segment on the device's clock; None for no limit.
    flush_interval_s, compression
        See `RecordingWriter`.

    Raises
    ------
    ConfigError
        If the name makes no folder, a limit is not positive, or the compression is not known.
    RecordingError
        If the stream is there already, or cannot be created.
    """

    def __init__(
        self,
        manifest: ManifestFile,
        header: RecordingHeader,
        *,
        segment_bytes: int | None = None,
        segment_s: float | None = None,
        flush_interval_s: float = 0.5,
        compression: str = filters.BITSHUFFLE_LZ4,
    ) -> None:
        name = header.stream or DEFAULT_STREAM
        check_stream_name(name)
        for what, limit in (("size", segment_bytes), ("length", segment_s)):
            if limit is not None and not limit > 0:
                raise ConfigError(f"segments of the {what} {limit} are impossible", f"give a positive {what}")
        self._manifest = manifest
        self._header = replace(header, stream=name)
        self._path = manifest.folder / name
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._flush_interval_s = flush_interval_s
        self._compression = compression
        self._stream = Stream.of(self._header, name)
        self._frame_bytes = header.sensor.frame_bytes
        self._frames = 0  # of the segments before the present one
        self._closed = False
        # Only the worker touches the stream's entry and `_points`, one job after the other.
        self._points: list[tuple[np.ndarray[tuple[int], np.dtype[np.float64]],
                                 np.ndarray[tuple[int], np.dtype[np.int64]]]] = []  # fmt: skip
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="isactrack-segments")
        self._jobs: deque[Future[None]] = deque()
        try:
            self._create_folder()
            self._segment = self._worker.submit(self._create, 0).result()
        except BaseException:
            self._worker.shutdown()
            with suppress(OSError):
                self._path.rmdir()
            raise
        self._next = self._prepare()

    @property
    def path(self) -> Path:
        """Folder of the stream."""
        return self._path

    @property
    def frames_written(self) -> int:
        """Frames appended so far."""
        return self._frames + self._segment.writer.frames_written

    @property
    def bytes_written(self) -> int:
        """Bytes of samples appended so far."""
        return self.frames_written * self._frame_bytes

    def append(self, frame: Frame, truth: Truth | None = None) -> None:
        """Add a frame, and where the targets really are if that is known, to this segment or a new one.

        Raises
        ------
        ConfigError, RecordingError
            See `RecordingWriter.append`; also if an earlier segment could not be finished.
        """
        self._check()
        if self._is_full(frame):
            self._roll()
        self._segment.writer.append(frame, truth)
        if self._segment.first_time_s is None:
            self._segment.first_time_s = frame.device_time_s

    def add_event(self, event: Event) -> None:
        """Add an event to this segment; RecordingError as for `append`."""
        self._check()
        self._segment.writer.add_event(event)

    def add_side_packet(self, packet: SidePacket) -> None:
        """Add a packet that came beside the frames to this segment; RecordingError as for `append`."""
        self._check()
        self._segment.writer.add_side_packet(packet)

    def flush(self) -> None:
        """Make every frame so far safe from the death of this process; RecordingError if that fails."""
        self._check()
        self._segment.writer.flush()

    def close(self, reason: str = "finished") -> None:
        """Finish the last segment and the manifest; nothing happens if the stream is closed.

        Raises
        ------
        RecordingError
            If a segment or the manifest could not be written; everything else is finished all the same.
        """
        if self._closed:
            return
        self._closed = True
        segment, following = self._segment, self._next
        self._jobs.append(self._worker.submit(self._finish, segment, reason))
        self._jobs.append(self._worker.submit(self._discard, following))
        self._jobs.append(self._worker.submit(self._end, reason))
        self._worker.shutdown()
        failures = [error for job in self._jobs if (error := job.exception()) is not None]
        if failures:
            raise _as_recording_error(self._path, failures[0]) from failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.close("interrupted" if issubclass(kind, KeyboardInterrupt) else f"{kind.__name__}: {error}")

    # --- from one segment to the next --------------------------------------------------------------------------------

    def _is_full(self, frame: Frame) -> bool:
        segment = self._segment
        if segment.first_time_s is None:
            return False
        if self._segment_s is not None:
            # Half a period of play: the times of a device are multiples of its period only up to rounding.
            since_s = frame.device_time_s - segment.first_time_s + self._header.sensor.frame_period_s / 2.0
            if since_s >= self._segment_s:
                return True
        if self._segment_bytes is None:
            return False
        return segment.writer.path.stat().st_size + self._frame_bytes > self._segment_bytes

    def _roll(self) -> None:
        last = self._segment
        last.writer.flush()  # whoever asks for a flush from now on asks the next file
        try:
            following = self._next.result()
        except RecordingError:  # there may be room now that was not there when it was tried
            following = self._worker.submit(self._create, last.number + 1).result()
        self._frames += last.writer.frames_written
        self._segment = following
        self._next = self._prepare()
        reason = f"continued in {segment_name(following.number)}"
        self._jobs.append(self._worker.submit(self._finish, last, reason))

    def _prepare(self) -> "Future[_OpenSegment]":
        return self._worker.submit(self._create, self._segment.number + 1)

    def _check(self) -> None:
        if self._closed:
            raise RecordingError(f"the recording {self._path} is closed", "start a new one to record on")
        while self._jobs and self._jobs[0].done():
            error = self._jobs[0].exception()
            if error is not None:  # it stays, for `close`
                raise _as_recording_error(self._path, error) from error
            self._jobs.popleft()

    # --- the worker's jobs -------------------------------------------------------------------------------------------

    def _create_folder(self) -> None:
        try:
            self._path.mkdir()
        except FileExistsError as error:
            raise RecordingError(f"{self._path} exists already", "give each device another name") from error
        except OSError as error:
            raise RecordingError(
                f"cannot create the folder {self._path}: {error.strerror}", "check the permissions and the free space"
            ) from error

    def _create(self, number: int) -> _OpenSegment:
        """Create a segment and enter it into the manifest, before it gets its first frame."""
        path = self._path / (segment_name(number) + PART_SUFFIX)
        writer = RecordingWriter(
            path, self._header, flush_interval_s=self._flush_interval_s, compression=self._compression
        )
        try:
            with Recording(path) as made:
                uuid = made.uuid
            self._set_segment(Segment(file=self._file(number), uuid=uuid))
        except BaseException:
            _remove(writer)
            raise
        return _OpenSegment(writer, number)

    def _finish(self, segment: _OpenSegment, reason: str) -> None:
        """Close a segment, give it its name when it is on the disk, and enter it with its hash."""
        part = segment.writer.path
        segment.writer.close(reason)
        with Recording(part) as recording:
            if not recording.closed_cleanly:  # its writer has given it up: `.part` says so
                return
            self._points.append(lower_envelope(recording.device_time_s, recording.host_monotonic_ns))
            entry = describe_segment(recording, self._file(segment.number), sha256="", size=0)
        path = part.with_name(segment_name(segment.number))
        part.rename(path)
        sync_folder(self._path)
        self._set_segment(replace(entry, sha256=hash_file(path), size_bytes=path.stat().st_size))

    def _discard(self, following: "Future[_OpenSegment]") -> None:
        """Remove the segment that was prepared and is not needed."""
        if following.exception() is not None:
            return
        segment = following.result()
        _remove(segment.writer)
        file = self._file(segment.number)
        self._stream = replace(self._stream, segments=tuple(s for s in self._stream.segments if s.file != file))

    def _end(self, reason: str) -> None:
        clock = None
        if self._points:
            clock = estimate_clock(*(np.concatenate(column) for column in zip(*self._points, strict=True)))
        self._stream = replace(
            self._stream, closed=True, stop_reason=reason, clock=None if clock is None else asdict(clock)
        )
        self._manifest.set_stream(self._stream)

    def _set_segment(self, segment: Segment) -> None:
        others = {one.file: one for one in self._stream.segments}
        self._stream = replace(self._stream, segments=tuple({**others, segment.file: segment}.values()))
        self._manifest.set_stream(self._stream)

    def _file(self, number: int) -> str:
        return f"{self._path.name}/{segment_name(number)}"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits; OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(writer: RecordingWriter) -> None:
    with suppress(IsacError):
        writer.close("not used")
    with suppress(OSError):
        writer.path.unlink()


def _as_recording_error(path: Path, error: BaseException) -> RecordingError:
    if isinstance(error, RecordingError):
        return RecordingError(str(error), error.hint)
    return RecordingError(
        f"cannot finish a segment of {path}: {type(error).__name__}: {error}",
        "is the disk full or unplugged? `isactrack repair` finishes what was written",
    )
