"""Read a recording that is a folder: one stream a device, each a row of segments that reads as one recording."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError, RecordingError
from isactrack.events import Event, SidePacket
from isactrack.frame import Frame
from isactrack.recordings import locks, schema
from isactrack.recordings.clocks import ClockEstimate, StreamOffset, clock_offset, estimate_clock
from isactrack.recordings.manifest import (
    PART_SUFFIX,
    Manifest,
    Segment,
    Stream,
    is_stream_folder,
    read_manifest,
)
from isactrack.recordings.reader import Recording
from isactrack.truth import Truth

MAX_OPEN_SEGMENTS = 4
"""Segments of a stream that are open at the same time."""

_SEGMENT_FILE = re.compile(r"\d{6,}\.h5(\.part)?")
_COLUMNS = ("counters", "device_time_s", "host_monotonic_ns", "host_utc_ns", "frame_lost_bytes")


def open_recording(path: str | Path, stream: str | None = None) -> Recording:
    """Open a recording: a file, the folder of one stream, or a folder with one stream, or with `stream` any folder.

    Parameters
    ----------
    path
        E.g. ``walk.h5``, ``run1`` or ``run1/left``.
    stream
        Stream of a folder that has several.

    Raises
    ------
    RecordingError
        If there is no such recording, it is of a newer schema, cut too short or damaged.
    ConfigError
        If the folder has several streams and none, or one that is not there, was asked for.
    """
    path = Path(path)
    if not path.is_dir():
        if stream is not None:
            raise ConfigError(f"{path} is one file and has no stream {stream!r}", "leave the stream out")
        return Recording(path)
    if is_stream_folder(path):
        if stream not in (None, path.absolute().name):
            raise ConfigError(f"{path} is one stream and has no stream {stream!r}", "leave the stream out")
        return StreamRecording(path)
    names = [one.name for one in read_manifest(path).streams]
    return StreamRecording(path / _chosen(path, names, stream))


def _chosen(path: Path, names: list[str], stream: str | None) -> str:
    if not names:
        raise RecordingError(f"{path} has no stream: nothing was recorded", "record anew")
    if stream is None:
        if len(names) > 1:
            raise ConfigError(
                f"{path} has {len(names)} streams: {', '.join(names)}", f"choose one, e.g. {path / names[0]}"
            )
        return names[0]
    if stream not in names:
        raise ConfigError(f"{path} has no stream {stream!r}", f"it has {', '.join(names)}")
    return stream


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment as it was found.

    Attributes
    ----------
    path
        The file.
    entry
        What the manifest says of it.
    first_row, frames
        Rows of the stream that it holds.
    """

    path: Path
    entry: Segment
    first_row: int
    frames: int


class StreamRecording(Recording):
    """A row of segments, read as one recording.

    Segments are told apart by their identity, which the manifest has: those that are not in it are left out, those
    that were renamed still come in their order, and the frames of those that are lost are missing frames. `problems`
    says so.

    Parameters
    ----------
    path
        Folder of the stream, with the manifest in the folder above.

    Attributes
    ----------
    manifest
        The manifest of the whole folder.
    stream
        What the manifest says of this stream.
    segments
        The segments that were found, in order.
    problems
        What is wrong with the row of segments, one sentence each.

    Raises
    ------
    RecordingError
        If the manifest cannot be read, or no segment can.
    """

    manifest: Manifest
    stream: Stream
    segments: tuple[SegmentFile, ...]
    problems: tuple[str, ...]

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._kept: dict[Path, Recording] = {}
        self._opened: OrderedDict[int, Recording] = OrderedDict()
        self._closed = False
        self._load()

    def close(self) -> None:
        """Release the files; may be called again."""
        self._closed = True
        self._close_segments()

    def refresh(self) -> int:
        """Look for frames and segments that were written since, and return the number of frames now."""
        if not self.closed_cleanly:
            self._close_segments()
            self._closed = False
            self._load()
        return len(self)

    # --- one value a frame -------------------------------------------------------------------------------------------

    @property
    def counters(self) -> NDArray[np.int64]:
        """Device counters (n,) int64."""
        return self._concatenated["counters"]

    @property
    def device_time_s(self) -> NDArray[np.float64]:
        """Starts of the frames (n,) float64 on the device's clock, seconds."""
        return self._concatenated["device_time_s"]

    @property
    def host_monotonic_ns(self) -> NDArray[np.int64]:
        """Arrivals (n,) int64 on the host's monotonic clock, nanoseconds."""
        return self._concatenated["host_monotonic_ns"]

    @property
    def host_utc_ns(self) -> NDArray[np.int64]:
        """Arrivals (n,) int64 in UTC since 1970-01-01, nanoseconds."""
        return self._concatenated["host_utc_ns"]

    @property
    def frame_lost_bytes(self) -> NDArray[np.int64]:
        """Lost bytes (n,) int64 of each frame."""
        return self._concatenated["frame_lost_bytes"]

    @property
    def blocks(self) -> NDArray[Any]:
        """What a radio said of each block; see `Recording.blocks`."""
        return np.concatenate([part.blocks for part in self._parts])

    @property
    def truth_frame_rows(self) -> NDArray[np.int64]:
        """Frame (rows,) int64 of each row of the table of true states."""
        return self._concatenated["truth_frame_rows"]

    # --- beside the frames -------------------------------------------------------------------------------------------

    @property
    def event_frame_rows(self) -> NDArray[np.int64]:
        """Frames (n,) int64 that were recorded before each event."""
        return np.concatenate(
            [part.event_frame_rows + row for part, row in zip(self._parts, self._first_rows, strict=True)]
        )

    def event(self, index: int) -> Event:
        """Return one of `events`; RecordingError if it is damaged."""
        k, row = _split(index, [part.event_frame_rows.size for part in self._parts])
        return self._parts[k].event(row)

    @property
    def side_packet_count(self) -> int:
        """Packets that came beside the frames."""
        return sum(part.side_packet_count for part in self._parts)

    def side_packet(self, index: int) -> SidePacket:
        """Return one of `side_packets`; RecordingError if it is damaged, or the recording was closed."""
        k, row = _split(index, [part.side_packet_count for part in self._parts])
        return self._segment(k).side_packet(row)

    @property
    def losses(self) -> NDArray[Any]:
        """Holes in frames and runs of missing frames, those between two segments too; see `Recording.losses`."""
        tables = [np.zeros(0, dtype=schema.LOSS_TYPE)]
        next_counter: int | None = None
        for segment, part in zip(self.segments, self._parts, strict=True):
            if not len(part):
                continue
            first = int(part.counters[0])
            if next_counter is not None and first > next_counter:
                missing = first - next_counter
                gap = (segment.first_row, next_counter, missing, 0, missing * self.sensor.frame_bytes)
                tables.append(np.array([gap], dtype=schema.LOSS_TYPE))
            next_counter = int(part.counters[-1]) + 1
            table = part.losses.copy()
            table["frame_row"] += segment.first_row
            tables.append(table)
        return np.concatenate(tables)

    # --- on the disk -------------------------------------------------------------------------------------------------

    @property
    def compression(self) -> str:
        """What was done to the samples, see `Recording.compression`."""
        return self._parts[0].compression

    @property
    def file_bytes(self) -> int:
        """Size of all segments when they were opened."""
        return sum(part.file_bytes for part in self._parts)

    def compression_ratio(self) -> float | None:
        """Return the bytes of samples and masks over the bytes that they take on the disk; None without frames."""
        ratios = [(len(part), self._segment(k).compression_ratio()) for k, part in enumerate(self._parts)]
        stored = sum(frames / ratio for frames, ratio in ratios if ratio)
        return sum(frames for frames, ratio in ratios if ratio) / stored if stored else None

    # --- frames ------------------------------------------------------------------------------------------------------

    def frame(self, index: int) -> Frame:
        """Return a frame as it was appended; see `Recording.frame`."""
        k, row = self._place(index)
        return self._segment(k).frame(row)

    def truth(self, index: int) -> Truth | None:
        """Return where the targets really were in a frame; None if it was not recorded. IndexError without the row."""
        k, row = self._place(index)
        return self._segment(k).truth(row)

    # --- segments ----------------------------------------------------------------------------------------------------

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a recording with {len(self)}")
        k = int(np.searchsorted(self._first_rows, index, side="right")) - 1
        return k, index - int(self._first_rows[k])

    def _segment(self, k: int) -> Recording:
        """Return an open segment; the one that was not used for longest is closed for it."""
        if self._closed:
            raise RecordingError(f"{self._path} is closed", "open it again")
        if k not in self._opened:
            while len(self._opened) >= MAX_OPEN_SEGMENTS:
                self._opened.popitem(last=False)[1].close()
            self._opened[k] = _open_file(self.segments[k].path)
        self._opened.move_to_end(k)
        return self._opened[k]

    def _close_segments(self) -> None:
        while self._opened:
            self._opened.popitem()[1].close()

    def _load(self) -> None:
        self.manifest = read_manifest(self._path.absolute().parent)
        name = self._path.absolute().name
        stream = self.manifest.stream(name)
        if stream is None:
            raise RecordingError(
                f"{self._path} is not in the manifest beside it", "`isactrack repair` writes the manifest anew"
            )
        self.stream = stream
        problems: list[str] = []
        chosen = self._in_order(self._found(problems), problems)
        if not chosen:
            raise RecordingError(
                f"{self._path} has no segment that can be read" + (f": {problems[0]}" if problems else ""),
                "copy it again from where it was recorded",
            )
        self._parts = [part for _, part in chosen]
        rows = np.cumsum([0, *map(len, self._parts)])
        self._length, self._first_rows = int(rows[-1]), rows[:-1]
        self.problems = tuple(problems)
        self.segments = tuple(
            SegmentFile(part.path, entry, int(row), len(part))
            for (entry, part), row in zip(chosen, self._first_rows, strict=True)
        )
        self._concatenated = self._concatenate()
        first = self._parts[0]
        self.header = first.header
        self.created_utc = first.created_utc
        self.uuid = f"{self.manifest.uuid}/{name}"
        self.schema_version = first.schema_version
        self.repaired_from = ", ".join(part.repaired_from for part in self._parts if part.repaired_from)
        self.package_version = first.package_version
        self.closed_cleanly = stream.closed and not problems
        self.stop_reason = stream.stop_reason if self.closed_cleanly else ""
        lengths = [part.dataset_lengths for part in self._parts]
        self.dataset_lengths = {key: sum(one[key] for one in lengths) for key in lengths[0]}

    def _concatenate(self) -> dict[str, NDArray[Any]]:
        columns = {name: np.concatenate([getattr(part, name) for part in self._parts]) for name in _COLUMNS}
        columns["truth_frame_rows"] = np.concatenate(
            [part.truth_frame_rows + row for part, row in zip(self._parts, self._first_rows, strict=True)]
        )
        for column in columns.values():
            column.setflags(write=False)
        return columns

    def _found(self, problems: list[str]) -> dict[str, Recording]:
        """Return the segments in the folder by their identity; their files are closed, what is in memory stays."""
        found: dict[str, Recording] = {}
        listed = {entry.file.rpartition("/")[2] for entry in self.stream.segments}
        for path in segment_files(self._path):
            try:
                part = self._load_segment(path)
            except RecordingError as error:
                # One that is not in the manifest was just being created.
                if path.suffix != PART_SUFFIX or path.name.removesuffix(PART_SUFFIX) in listed:
                    problems.append(f"{path.name} cannot be read: {error}")
                continue
            if part.uuid in found:
                problems.append(f"{path.name} is a copy of {found[part.uuid].path.name}")
                continue
            found[part.uuid] = part
        return found

    def _in_order(self, found: dict[str, Recording], problems: list[str]) -> list[tuple[Segment, Recording]]:
        """Return the segments that the manifest names, in its order."""
        chosen: list[tuple[Segment, Recording]] = []
        for entry in self.stream.segments:
            name = entry.file.rpartition("/")[2]
            part = found.pop(entry.uuid, None)
            if part is None:
                problems.append(f"{name} is missing")
                continue
            if part.path.name.removesuffix(PART_SUFFIX) != name:
                problems.append(f"{name} has been renamed to {part.path.name}")
            if chosen and part.sensor != chosen[0][1].sensor:
                problems.append(f"{name} is of another sensor configuration")
                continue
            chosen.append((entry, part))
        # The segment that was prepared when the writer was killed, or is still at work: nobody misses it.
        while len(chosen) > 1 and not (self.stream.closed or len(chosen[-1][1])):
            chosen.pop()
        problems += [f"{part.path.name} is foreign: it is not in the manifest" for part in found.values() if len(part)]
        problems += [f"{part.path.name} was not closed" for _, part in chosen if not part.closed_cleanly]
        return chosen

    def _load_segment(self, path: Path) -> Recording:
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        with _open_file(path) as part:
            pass
        if part.closed_cleanly:
            self._kept[part.path] = part
        return part


class RecordingFolder:
    """All streams of a folder, on the clock of the host that recorded them.

    Parameters
    ----------
    path
        The folder.

    Attributes
    ----------
    manifest
        What it holds.

    Raises
    ------
    RecordingError
        If it is no recording, or a stream cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.manifest = read_manifest(self._path)
        self._streams: dict[str, StreamRecording] = {}
        try:
            for stream in self.manifest.streams:
                self._streams[stream.name] = StreamRecording(self._path / stream.name)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the files; may be called again."""
        for stream in self._streams.values():
            stream.close()

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def streams(self) -> Mapping[str, StreamRecording]:
        """The streams by their names, in the order of the devices."""
        return self._streams

    def clock(self, stream: str) -> ClockEstimate | None:
        """Return a stream's clock against the host's, None if it has no frames."""
        recording = self._streams[stream]
        return estimate_clock(recording.device_time_s, recording.host_monotonic_ns)

    def offsets(self) -> list[StreamOffset]:
        """Return the offset of each stream to the first, of those that have frames."""
        clocks = [(name, clock) for name in self._streams if (clock := self.clock(name)) is not None]
        return [clock_offset(*clocks[0], *other) for other in clocks[1:]]

    def aligned_time_s(self, stream: str) -> NDArray[np.float64]:
        """Return when the frames (n,) of a stream began on the clock that all streams share.

        Seconds float64 on the host's monotonic clock, as `clock` lays the device's on it, since the first frame of all.
        """
        clocks = {name: clock for name in self._streams if (clock := self.clock(name)) is not None}
        if stream not in clocks:
            return np.zeros(0)
        begin_s = min(float(clock.host_time_s(self._streams[name].device_time_s[0])) for name, clock in clocks.items())
        return clocks[stream].host_time_s(self._streams[stream].device_time_s) - begin_s


def check_folder_not_recorded(path: Path) -> None:
    """Complain about the folder of a recording into which somebody is recording.

    Raises
    ------
    RecordingError
        If a writer has one of its segments open.
    """
    for part in sorted(path.glob(f"*/*{PART_SUFFIX}")):
        locks.check_not_recorded(part)


def segment_files(folder: Path) -> list[Path]:
    """Return the files of a stream's folder that have names of segments, in the order of their numbers.

    Raises
    ------
    RecordingError
        If the folder cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if _SEGMENT_FILE.fullmatch(path.name)]
    except OSError as error:
        raise RecordingError(f"cannot read the folder {folder}: {error.strerror}", "check the permissions") from error
    return sorted(paths, key=lambda path: (int(path.name.partition(".")[0]), path.name))


def _open_file(path: Path) -> Recording:
    """Open a segment, also one that was finished, and so renamed, a moment ago."""
    if path.suffix == PART_SUFFIX and not path.exists():
        path = path.with_suffix("")
    return Recording(path)


def _split(index: int, counts: list[int]) -> tuple[int, int]:
    """Return in which of several tables a row is, and which row of that one; IndexError if it is in none."""
    if not 0 <= index < sum(counts):
        raise IndexError(f"row {index} of {sum(counts)}")
    starts = np.cumsum([0, *counts])
    k = int(np.searchsorted(starts, index, side="right")) - 1
    return k, index - int(starts[k])
