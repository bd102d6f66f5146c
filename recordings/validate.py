"""Check that a recording can be trusted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import RecordingError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import BlockFlag, Frame
from isactrack.ofdm import OfdmSensor
from isactrack.recordings import schema
from isactrack.recordings.reader import Recording
from isactrack.sensor import require_ofdm

RATE_CHECK = "frame rate"
RATE_TOLERANCE = 0.01
"""Relative deviation of the frame rate from the profile's that passes."""
TICK_TOLERANCE = 1e-4
"""Relative deviation of the sample clock from the count of blocks that passes: two crystals are not further apart."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question put to a file.

    Attributes
    ----------
    name
        What is asked.
    passed
        The answer; None if it could not be asked or does not apply.
    detail
        One sentence with the values that matter.
    """

    name: str
    passed: bool | None
    detail: str


def validate_recording(path: str | Path, *, max_loss: float = 0.01) -> list[Check]:
    """Check a recording, every frame of it; a file that cannot be opened is a failed check, not an error.

    Parameters
    ----------
    path
        The file.
    max_loss
        Lost bytes over all bytes that should have come, 0 to 1, that still pass.
    """
    try:
        recording = Recording(path)
    except RecordingError as error:
        detail = f"{error} ({error.hint})" if error.hint else str(error)
        return [Check("opens", False, detail)] + [Check(name, None, "the file does not open") for name in _names()]
    with recording:
        return check_recording(recording, max_loss=max_loss)


def check_recording(recording: Recording, *, max_loss: float) -> list[Check]:
    """Check an open recording; see `validate_recording`."""
    checks = [Check("opens", True, f"{len(recording)} frames, {recording.duration_s:.3f} s")]
    for name, check in _CHECKS.items():
        checks.append(_asked(name, check, recording))
    if isinstance(recording.sensor, OfdmSensor):
        checks += [_asked(name, check, recording) for name, check in _BLOCK_CHECKS.items()]
    checks += _check_frames(recording)
    checks.append(_check_loss(recording, max_loss))
    return checks


_Answer = tuple[bool | None, str]


def _names() -> list[str]:
    return [*_CHECKS, _READABLE, _MASKS, _HOLES, _LOSS]


def _asked(name: str, check: Callable[[Recording], _Answer], recording: Recording) -> Check:
    passed, detail = check(recording)
    return Check(name, passed, detail)


def _check_version(recording: Recording) -> _Answer:
    return True, f"schema version {recording.schema_version}, written by isactrack {recording.package_version}"


def _check_source(recording: Recording) -> _Answer:
    return (
        True,
        f"{recording.source}, first from {recording.origin}: {recording.header.device_model or 'unnamed device'}",
    )


def _check_closed(recording: Recording) -> _Answer:
    if recording.closed_cleanly:
        return True, recording.stop_reason
    return False, f"the recording was not closed or its end is missing; {len(recording)} frames recovered"


def _check_lengths(recording: Recording) -> _Answer:
    lengths = recording.dataset_lengths
    text = ", ".join(f"{name} {length}" for name, length in lengths.items())
    if not recording.closed_cleanly:
        return None, f"the tables of an unclosed recording are longer than what was written: {text}"
    return set(lengths.values()) == {len(recording)}, text


def _check_sample_size(recording: Recording) -> _Answer:
    sensor = recording.sensor
    axes = ("loop", "tx", "rx", "sample") if isinstance(sensor, FmcwSensor) else sensor.word_axes[:-1]
    return True, f"{sensor.frame_bytes} bytes a frame, ({', '.join(axes)}) = {sensor.cube_shape}"


def _check_counters(recording: Recording) -> _Answer:
    wrong = np.flatnonzero(np.diff(recording.counters) <= 0)
    if wrong.size:
        return False, f"the counter does not grow after frame {wrong[0]}, {wrong.size} times in all"
    return True, f"{recording.missing_frames} frames missing in between"


def _check_times(recording: Recording) -> _Answer:
    device, host = recording.device_time_s, recording.host_monotonic_ns
    if not np.isfinite(device).all():
        return False, f"the device time of frame {np.flatnonzero(~np.isfinite(device))[0]} is not a number"
    wrong = np.flatnonzero(np.diff(device) <= 0.0)
    if wrong.size:
        return False, f"the device time does not grow after frame {wrong[0]}, {wrong.size} times in all"
    # UTC is left out: a host may set its clock while it records.
    wrong = np.flatnonzero(np.diff(host) < 0)
    if wrong.size:
        return False, f"the host's monotonic clock runs back after frame {wrong[0]}, {wrong.size} times in all"
    return True, f"{recording.duration_s:.3f} s on the device's clock"


def _check_rate(recording: Recording) -> _Answer:
    sensor = recording.sensor
    if isinstance(sensor, OfdmSensor) and not sensor.periodic:
        return None, "packets that come when they come have no rate"
    if len(recording) < 2:
        return None, "a rate needs two frames"
    periods = int(recording.counters[-1] - recording.counters[0])
    elapsed_s = float(recording.device_time_s[-1] - recording.device_time_s[0])
    nominal_hz = 1.0 / sensor.frame_period_s
    if periods <= 0 or not elapsed_s > 0.0:
        return None, "counters or times are damaged"
    rate_hz = periods / elapsed_s
    return abs(
        rate_hz / nominal_hz - 1.0
    ) <= RATE_TOLERANCE, f"{rate_hz:.4g} Hz, the profile asks for {nominal_hz:.4g} Hz"


def _check_truth(recording: Recording) -> _Answer:
    rows = recording.truth_frame_rows
    if not rows.size:
        return None, "no true states in the file"
    # Rows behind the last whole frame of an unclosed recording belong to frames that were lost with it.
    orphans = np.flatnonzero((rows < 0) | (rows >= len(recording)))
    if orphans.size and recording.closed_cleanly:
        return False, f"{orphans.size} true states refer to frames that are not there, first {rows[orphans[0]]}"
    known = np.unique(rows[(rows >= 0) & (rows < len(recording))])
    timeless = [row for row in known if recording.truth(int(row)) is None]
    if timeless:
        return False, f"the true states of frame {timeless[0]} have no time, {len(timeless)} frames in all"
    return True, f"{rows.size} states"


def _check_filters(recording: Recording) -> _Answer:
    return True, f"samples: {recording.compression}"  # others do not open


def _check_events(recording: Recording) -> _Answer:
    rows = recording.event_frame_rows
    if not rows.size:
        return None, "no events in the file"
    try:
        events = recording.events
    except RecordingError as error:
        return False, str(error)
    wrong = np.flatnonzero(np.diff(rows, prepend=0) < 0)
    if wrong.size:
        return False, f"event {wrong[0]} refers to an earlier frame than the one before it, {wrong.size} times in all"
    # Events behind the last whole frame of an unclosed recording belong to frames that were lost with it.
    if recording.closed_cleanly and rows[-1] > len(recording):
        return False, f"event {rows.size - 1} refers to frame {rows[-1]}, which is not there"
    return True, f"{len(events)} events"


def _check_side_packets(recording: Recording) -> _Answer:
    if not recording.side_packet_count:
        return None, "no packets beside the frames"
    damaged: list[str] = []
    for index in range(recording.side_packet_count):
        try:
            recording.side_packet(index)
        except RecordingError as error:
            damaged.append(str(error))
    if damaged:
        return False, f"{len(damaged)} packets cannot be read: {damaged[0]}"
    return True, f"{recording.side_packet_count} packets, every checksum matches"


def _check_missing(recording: Recording) -> _Answer:
    if recording.schema_version == 1:
        return None, "schema version 1 has no table of losses"
    losses = recording.losses
    found = losses[losses["missing_frames"] != 0]
    gaps = np.diff(recording.counters) - 1
    rows = np.flatnonzero(gaps > 0) + 1
    wanted = np.column_stack([rows, recording.counters[rows] - gaps[rows - 1], gaps[rows - 1]])
    listed = np.column_stack([found["frame_row"], found["counter"], found["missing_frames"]])
    if not np.array_equal(wanted, listed):
        return False, f"the counters jump {len(wanted)} times, the table of losses has {len(listed)} runs, or others"
    return True, f"{len(listed)} runs of missing frames"


def _check_ticks(recording: Recording) -> _Answer:
    """Ask whether the radio's sample clock goes with the count of its blocks, up to the rates of two free clocks.

    It may jump where a block says so, and where blocks are missing, of which one may have said so.
    """
    sensor, blocks = require_ofdm(recording.sensor), recording.blocks
    ticks = blocks["tick"]
    counters = recording.counters
    flagged = (blocks["flags"][1:] & BlockFlag.DISCONTINUITY) != 0
    jumped = flagged | (np.diff(counters) > 1)
    wrong = np.flatnonzero((np.diff(ticks) <= 0) & ~jumped)
    if wrong.size:
        return False, f"the tick does not grow after frame {wrong[0]}, {wrong.size} times in all"
    if not sensor.periodic:
        return True, "they grow; packets that come when they come have no period"
    stagger_s = np.array([sensor.stagger_of(int(counter)) for counter in counters])
    blocks_apart = np.diff(counters).astype(np.float64)
    expected = (blocks_apart * sensor.frame_period_s + np.diff(stagger_s)) * sensor.sample_rate_hz
    with np.errstate(invalid="ignore"):  # infinite ones, one after the other, are NaN apart, which no tick is within
        moved = np.abs(np.diff(blocks["timing_samples"]))
    allowed = TICK_TOLERANCE * np.abs(expected) + moved + 1.5  # both ends are rounded to a sample
    wrong = np.flatnonzero(~(np.abs(np.diff(ticks) - expected) <= allowed) & ~jumped)
    if wrong.size:
        row = int(wrong[0]) + 1
        return False, (
            f"the tick of frame {row} is {ticks[row] - ticks[row - 1] - expected[row - 1]:.0f} samples off the count "
            f"and the stagger of the blocks, {wrong.size} such steps in all"
        )
    return True, f"they go with the counters; {np.count_nonzero(flagged)} jumps are flagged"


def _check_flags(recording: Recording) -> _Answer:
    flags = recording.blocks["flags"]
    unknown = np.flatnonzero(flags & ~np.uint32(sum(BlockFlag)))
    if unknown.size:
        return False, f"frame {unknown[0]} has flags {flags[unknown[0]]:#x} that are not known, {unknown.size} in all"
    counts = count_flags(flags)
    return True, ", ".join(f"{name} {count}" for name, count in counts.items()) or "no block is flagged"


def _check_block_values(recording: Recording) -> _Answer:
    blocks = recording.blocks
    good = np.ones(blocks.size, dtype=np.bool_)
    for name in ("gain_db", "cfo_hz", "timing_samples"):
        good &= np.isfinite(blocks[name])
    good &= ~(blocks["noise_power"] < 0.0) & ~np.isinf(blocks["noise_power"])
    good &= blocks["clipped"] >= 0
    wrong = np.flatnonzero(~good)
    if wrong.size:
        return False, f"block {wrong[0]} has an impossible gain, offset, noise or count, {wrong.size} in all"
    return True, "gain, offsets, noise and clipped samples"


def _check_fragments(recording: Recording) -> _Answer:
    lost = recording.frame_lost_bytes > 0
    told = (recording.blocks["flags"] & (BlockFlag.LOST_FRAGMENT | BlockFlag.OVERFLOW)) != 0
    wrong = np.flatnonzero(lost & ~told)
    if wrong.size:
        return False, f"frame {wrong[0]} has holes and no flag says so, {wrong.size} in all"
    return True, f"{np.count_nonzero(lost)} blocks with holes"


def count_flags(flags: NDArray[np.uint32]) -> dict[str, int]:
    """Return how many blocks have each flag, by its name in lower case; flags that none has are left out."""
    counts = {str(flag.name).lower(): int(np.count_nonzero(flags & np.uint32(flag))) for flag in BlockFlag}
    return {name: count for name, count in counts.items() if count}


_CHECKS: dict[str, Callable[[Recording], _Answer]] = {
    "schema version": _check_version,
    "source given": _check_source,
    "closed cleanly": _check_closed,
    "dataset lengths agree": _check_lengths,
    "sample size fits the sensor": _check_sample_size,
    "counters grow": _check_counters,
    "times grow": _check_times,
    RATE_CHECK: _check_rate,
    "truth refers to frames": _check_truth,
    "compression known": _check_filters,
    "events in order": _check_events,
    "side packets readable": _check_side_packets,
    "missing frames listed": _check_missing,
}
_BLOCK_CHECKS: dict[str, Callable[[Recording], _Answer]] = {
    "ticks go with counters": _check_ticks,
    "block flags known": _check_flags,
    "block values possible": _check_block_values,
    "holes flagged": _check_fragments,
}
"""Of a radio only."""
AS_DELIVERED = (RATE_CHECK, *_BLOCK_CHECKS)
"""Checks of what the device delivered, which a copy of the file cannot mend."""
_READABLE, _MASKS, _HOLES, _LOSS = "frames readable", "masks agree with lost bytes", "holes listed", "loss"


@dataclass(slots=True)
class _Faults:
    """What reading the frames found: messages, and rows that contradict other parts of the file."""

    damaged: list[str] = field(default_factory=list)
    masks: list[int] = field(default_factory=list)
    holes: list[int] = field(default_factory=list)


def _check_frames(recording: Recording) -> list[Check]:
    """Read every frame once."""
    faults = _Faults()
    losses = recording.losses
    listed = losses[losses["missing_frames"] == 0]
    # Sorted, the holes of a frame are found by bisection; in a good file they are sorted already.
    listed = listed[np.lexsort((listed["first_byte"], listed["frame_row"]))]
    for index in range(len(recording)):
        try:
            frame = recording.frame(index)
        except RecordingError as error:
            faults.damaged.append(str(error))
            continue
        if frame.lost_bytes != recording.frame_lost_bytes[index]:
            faults.masks.append(index)
        rows = listed[slice(*np.searchsorted(listed["frame_row"], (index, index + 1)))]
        if not _has_holes(frame, rows["counter"].tolist(), rows[["first_byte", "lost_bytes"]].tolist()):
            faults.holes.append(index)
    orphans = np.flatnonzero((listed["frame_row"] < 0) | (listed["frame_row"] >= len(recording)))
    faults.holes += listed["frame_row"][orphans].tolist()
    return [
        Check(_READABLE, not faults.damaged, _damage_text(faults)),
        Check(
            _MASKS, not faults.masks, _contradiction(faults.masks, f"{recording.incomplete_frames} frames incomplete")
        ),
        Check(_HOLES, None, "schema version 1 has no table of losses")
        if recording.schema_version == 1
        else Check(_HOLES, not faults.holes, _contradiction(faults.holes, f"{listed.size} holes")),
    ]


def _has_holes(frame: Frame, counters: list[int], holes: list[tuple[int, int]]) -> bool:
    return schema.holes(frame.valid, frame.samples.size) == holes and all(value == frame.counter for value in counters)


def _damage_text(faults: _Faults) -> str:
    damaged = faults.damaged
    return f"{len(damaged)} frames cannot be read: {damaged[0]}" if damaged else "every checksum matches"


def _contradiction(rows: list[int], otherwise: str) -> str:
    return f"{len(rows)} frames contradict themselves, first {rows[0]}" if rows else otherwise


def _check_loss(recording: Recording, max_loss: float) -> Check:
    if not len(recording):
        return Check(_LOSS, None, "no frames")
    share = recording.lost_share
    return Check(_LOSS, share <= max_loss, f"{share:.3%} of the bytes lost, {max_loss:.3%} allowed")
