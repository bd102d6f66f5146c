"""Save what is whole of a recording that was cut, damaged, or never closed, in a new file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from isactrack.errors import RecordingError
from isactrack.recordings import locks, schema
from isactrack.recordings.header import set_text
from isactrack.recordings.reader import Recording
from isactrack.recordings.validate import AS_DELIVERED, validate_recording
from isactrack.recordings.writer import RecordingWriter, sync_folder

_REPORT_BYTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What a repair found and did.

    Attributes
    ----------
    path
        The recording.
    output
        The repaired copy; None if there was nothing to repair.
    reasons
        Checks that the recording failed.
    frames, damaged_frames, unordered_frames
        Frames in the copy; frames left out because they cannot be read or their checksum does not match; and those
        left out because counter or time contradict the frames around them.
    events, damaged_events, side_packets, damaged_side_packets
        Likewise.
    """

    path: Path
    output: Path | None
    reasons: tuple[str, ...]
    frames: int
    damaged_frames: int
    unordered_frames: int
    events: int
    damaged_events: int
    side_packets: int
    damaged_side_packets: int


def default_output(path: Path) -> Path:
    """Return where `repair_recording` writes if it is not told: beside the file."""
    return path.with_name(f"{path.stem}-repaired{path.suffix}")


def repair_recording(path: str | Path, output: str | Path | None = None) -> RepairReport:
    """Copy everything that is whole into a new recording that passes `validate_recording`.

    Nothing is invented: frames that are damaged are left out and counted as missing. The loss may therefore be more
    than is allowed, and the frame rate is what it was. The copy appears under its name when it is complete; the
    original is not touched. A recording with nothing to repair is not copied.

    Parameters
    ----------
    path
        The recording.
    output
        The file to make; None for `default_output`.

    Raises
    ------
    RecordingError
        If the recording does not open at all or is being recorded, or the copy exists already or cannot be written.
    """
    path = Path(path)
    output = default_output(path) if output is None else Path(output)
    if path.is_file():
        locks.check_not_recorded(path)
    with Recording(path) as recording:
        reasons = _faults(path)
        if not reasons:
            return _report(recording, None, reasons, _Kept.everything(recording))
        if output.exists():
            raise RecordingError(f"{output} exists already", "choose another name, or move it away")
        kept = _Kept.whole(recording)
        _write_copy(recording, output, kept)
        return _report(recording, output, reasons, kept)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Rows of what is copied, and the frames that were whole."""

    whole_frames: int
    frames: list[int]
    events: list[int]
    side_packets: list[int]

    @classmethod
    def everything(cls, recording: Recording) -> "_Kept":
        counts = (len(recording), recording.event_frame_rows.size, recording.side_packet_count)
        return cls(len(recording), *(list(range(count)) for count in counts))

    @classmethod
    def whole(cls, recording: Recording) -> "_Kept":
        frames = [k for k in range(len(recording)) if _reads(recording.frame, k)]
        return cls(
            len(frames),
            _in_order(recording, frames),
            [k for k in range(recording.event_frame_rows.size) if _reads(recording.event, k)],
            [k for k in range(recording.side_packet_count) if _reads(recording.side_packet, k)],
        )


def _report(recording: Recording, output: Path | None, reasons: tuple[str, ...], kept: _Kept) -> RepairReport:
    return RepairReport(
        path=recording.path,
        output=output,
        reasons=reasons,
        frames=len(kept.frames),
        damaged_frames=len(recording) - kept.whole_frames,
        unordered_frames=kept.whole_frames - len(kept.frames),
        events=len(kept.events),
        damaged_events=recording.event_frame_rows.size - len(kept.events),
        side_packets=len(kept.side_packets),
        damaged_side_packets=recording.side_packet_count - len(kept.side_packets),
    )


def _faults(path: Path) -> tuple[str, ...]:
    """Return the failed checks that a copy can mend."""
    checks = validate_recording(path, max_loss=1.0)
    return tuple(check.name for check in checks if check.passed is False and check.name not in AS_DELIVERED)


def _reads(read: Any, index: int) -> bool:
    try:
        read(index)
    except RecordingError:
        return False
    return True


def _in_order(recording: Recording, frames: list[int]) -> list[int]:
    """Return the most frames of which counters and both times grow."""
    rows = np.array(frames, dtype=np.int64)
    rows = rows[np.isfinite(recording.device_time_s[rows])]
    rows = rows[longest_growing(recording.counters[rows], strictly=True)]
    rows = rows[longest_growing(recording.device_time_s[rows], strictly=True)]
    rows = rows[longest_growing(recording.host_monotonic_ns[rows], strictly=False)]
    return [int(row) for row in rows]


def longest_growing(values: NDArray[Any], *, strictly: bool) -> NDArray[np.int64]:
    """Return the indices of a longest growing subsequence of `values` (n,); patience sorting, n log n steps."""
    side: Literal["left", "right"] = "left" if strictly else "right"
    ends = np.empty_like(values)  # ends[k]: the least last value of a growing subsequence of length k + 1
    at = np.empty(values.size, dtype=np.int64)  # its place
    before = np.full(values.size, -1, dtype=np.int64)
    length = 0
    for index, value in enumerate(values):
        k = int(np.searchsorted(ends[:length], value, side))
        ends[k], at[k] = value, index
        before[index] = at[k - 1] if k else -1
        length = max(length, k + 1)
    chain = np.empty(length, dtype=np.int64)
    index = int(at[length - 1]) if length else -1
    for k in reversed(range(length)):
        chain[k] = index
        index = int(before[index])
    return chain


def _write_copy(recording: Recording, output: Path, kept: _Kept) -> None:
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        with RecordingWriter(temporary, recording.header) as writer:
            _copy(recording, writer, kept)
            writer.close(_stop_reason(recording, kept))
        _stamp(temporary, recording, kept)
        if output.exists():  # it came while the copy was written
            raise RecordingError(f"{output} exists already", "choose another name, or move it away")
        temporary.replace(output)
        sync_folder(output.parent)
    except OSError as error:
        raise RecordingError(
            f"cannot write {output}: {error.strerror or error}", "check the permissions and the free space"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _copy(recording: Recording, writer: RecordingWriter, kept: _Kept) -> None:
    for packet in kept.side_packets:
        writer.add_side_packet(recording.side_packet(packet))
    events = iter(sorted(kept.events, key=lambda index: int(recording.event_frame_rows[index])))
    event = next(events, None)
    for row in kept.frames:
        while event is not None and recording.event_frame_rows[event] <= row:
            writer.add_event(recording.event(event))
            event = next(events, None)
        writer.append(recording.frame(row), recording.truth(row))
    while event is not None:
        writer.add_event(recording.event(event))
        event = next(events, None)


def _stop_reason(recording: Recording, kept: _Kept) -> str:
    """Return the reason of the original; frames that were left out at the end make no jump of the counter."""
    reason = recording.stop_reason if recording.closed_cleanly else "recovered, it was not closed"
    last = kept.frames[-1] if kept.frames else -1
    left_out = len(recording) - 1 - last
    return f"frames missing at the end: {left_out}; {reason}" if left_out else reason


def _stamp(path: Path, recording: Recording, kept: _Kept) -> None:
    """Write into the closed copy what it was made of."""
    left_out = sorted(set(range(len(recording))) - set(kept.frames))
    report = f"{len(kept.frames)} frames kept; rows left out: {_spans(left_out) or 'none'}"
    with h5py.File(path, "r+", libver=("v110", "latest")) as file:
        set_text(file.attrs, "created_utc", recording.created_utc)
        set_text(file.attrs, schema.REPAIRED_FROM, recording.uuid)
        set_text(file.attrs, schema.REPAIR_REPORT, report[:_REPORT_BYTES])
    with path.open("r+b") as written:
        os.fsync(written.fileno())


def _spans(rows: Sequence[int]) -> str:
    """Return rows as text, e.g. ``3, 7-9``."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in _runs(rows))


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = None
    for k, row in enumerate(rows):
        first = row if first is None else first
        if k + 1 == len(rows) or rows[k + 1] != row + 1:
            yield first, row
            first = None
