"""A part of a recording as a recording of its own."""

import os
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from isactrack.errors import ConfigError, RecordingError
from isactrack.recordings.header import set_text
from isactrack.recordings.reader import Recording
from isactrack.recordings.replacing import require_folder
from isactrack.recordings.writer import RecordingWriter, sync_folder

CUT_FROM: Final = "cut_from"
"""Attribute of a recording that was cut from another one: the identity of that."""
CUT_REPORT: Final = "cut_report"
"""Attribute that says for people which part it is."""
STAMP_PREFIX: Final = "stamp_"
"""What names of attributes begin with that say who made the cut, and with which settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReport:
    """What was cut.

    Attributes
    ----------
    path
        The new recording.
    start, stop
        Rows of the first frame in the old one, and of the one after the last.
    events, side_packets
        How many of them belong to it.
    """

    path: Path
    start: int
    stop: int
    events: int
    side_packets: int

    @property
    def frames(self) -> int:
        """Frames in the new recording."""
        return self.stop - self.start


def cut_recording(
    recording: Recording,
    path: str | Path,
    start_s: float,
    stop_s: float,
    *,
    stamp: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> CutReport:
    """Write the frames between two times, with all that belongs to them, into a recording of its own.

    Frames keep their counters, times, masks and checksums, what a radio said of each block, and their truth. Events and
    packets beside the frames come with them. The new file appears when it is complete.

    Parameters
    ----------
    recording
        An open recording.
    path
        File to write.
    start_s, stop_s
        Device times; frames that start from the first on, and before the second, are in the cut.
    stamp
        Texts that are kept as attributes, their names with `STAMP_PREFIX` before them.
    overwrite
        Whether a file that exists may be replaced.

    Raises
    ------
    ConfigError
        If no frame lies between the times.
    RecordingError
        If the file exists already or cannot be written, or a frame cannot be read.
    """
    steps = cut_steps(recording, path, start_s, stop_s, stamp=stamp, overwrite=overwrite)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: CutReport = end.value
            return report


def cut_steps(
    recording: Recording,
    path: str | Path,
    start_s: float,
    stop_s: float,
    *,
    stamp: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Generator[float, None, CutReport]:
    """Cut frame by frame: yield the share that is done; see `cut_recording`, whose report is the generator's value.

    Whoever closes the generator before its end has nothing of the new file left, and an old one as it was.
    """
    path = Path(path)
    time_s = recording.device_time_s
    rows = np.flatnonzero((time_s >= start_s) & (time_s < stop_s))
    if not rows.size:
        raise ConfigError(f"no frame of {recording.path} starts from {start_s:.3f} s to {stop_s:.3f} s", _span(time_s))
    _check_target(path, recording.path, overwrite)
    start, stop = int(rows[0]), int(rows[-1]) + 1
    events, packets = _events_of(recording, start, stop), _side_packets_of(recording, start, stop)
    report = CutReport(path=path, start=start, stop=stop, events=len(events), side_packets=len(packets))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield from _write(recording, temporary, report, events, packets)
        _stamp(temporary, recording, report, stamp or {})
        if path.exists() and not overwrite:  # it came while the cut was written
            raise RecordingError(f"{path} exists already", "choose another name, or move it away")
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RecordingError(
            f"cannot write {path}: {error.strerror or error}", "check the permissions and the free space"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return report


def _span(time_s: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return f"it is from {time_s[0]:.3f} s to {time_s[-1]:.3f} s" if time_s.size else "it has no frames"


def _check_target(path: Path, source: Path, overwrite: bool) -> None:
    require_folder(path)
    if path.resolve().is_relative_to(source.resolve()):
        raise ConfigError(f"{path} would be written over the recording, or into it", "choose another name")
    if path.exists() and not path.is_file():
        raise RecordingError(f"{path} is no regular file and cannot be replaced", "give the name of a file")
    if path.exists() and not overwrite:
        raise RecordingError(f"{path} exists already", "choose another name, or move it away")


def _events_of(recording: Recording, start: int, stop: int) -> list[int]:
    """Return the events that were recorded with rows: a session hands out those of a frame right after it."""
    rows = recording.event_frame_rows
    at_start = (rows == 0) & (start == 0)
    return [int(k) for k in np.flatnonzero(((rows > start) | at_start) & (rows <= stop))]


def _side_packets_of(recording: Recording, start: int, stop: int) -> list[int]:
    """Return the packets that came from the arrival of the first row to that of the one after the last."""
    arrival_ns = recording.host_monotonic_ns
    first = arrival_ns[start] if start else -1
    last = arrival_ns[stop] if stop < len(recording) else np.iinfo(np.int64).max
    packets = enumerate(recording.side_packets())
    return [k for k, packet in packets if first <= packet.host_monotonic_ns < last]


def _write(
    recording: Recording, path: Path, report: CutReport, events: list[int], packets: list[int]
) -> Iterator[float]:
    waiting = deque(events)  # they are in the order of their rows
    with RecordingWriter(path, recording.header, overwrite=True) as writer:
        for packet in packets:
            writer.add_side_packet(recording.side_packet(packet))
        for row in range(report.start, report.stop + 1):
            while waiting and recording.event_frame_rows[waiting[0]] <= row:
                writer.add_event(recording.event(waiting.popleft()))
            if row < report.stop:
                writer.append(recording.frame(row), recording.truth(row))
                yield (row + 1 - report.start) / report.frames
        writer.close(_stop_reason(recording, report))


def _stop_reason(recording: Recording, report: CutReport) -> str:
    """Return why the part ends: at the end of the whole as that did, with the frames that are missing there."""
    if report.stop < len(recording):
        return "cut"
    return recording.stop_reason if recording.closed_cleanly else "cut; the recording was not closed"


def _stamp(path: Path, recording: Recording, report: CutReport, stamp: Mapping[str, str]) -> None:
    """Write into the closed file what it was cut from."""
    began = datetime.fromtimestamp(recording.host_utc_ns[report.start] * 1e-9, UTC)
    time_s = recording.device_time_s
    text = (
        f"frames {report.start} to {report.stop - 1} of {len(recording)}, "
        f"from {time_s[report.start]:.6f} s to {time_s[report.stop - 1]:.6f} s of the device"
    )
    with h5py.File(path, "r+", libver=("v110", "latest")) as file:
        set_text(file.attrs, "created_utc", began.isoformat())
        set_text(file.attrs, CUT_FROM, recording.uuid)
        set_text(file.attrs, CUT_REPORT, text)
        for name, value in stamp.items():
            set_text(file.attrs, f"{STAMP_PREFIX}{name}", value)
    with path.open("r+b") as written:
        os.fsync(written.fileno())
