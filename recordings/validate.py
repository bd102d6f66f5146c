"""Check that a recording can be trusted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isactrack.errors import RecordingError
from isactrack.recordings.reader import Recording, open_recording

RATE_TOLERANCE = 0.01
"""Relative deviation of the frame rate from the profile's that passes."""


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
        recording = open_recording(path)
    except RecordingError as error:
        detail = f"{error} ({error.hint})" if error.hint else str(error)
        return [Check("opens", False, detail)] + [Check(name, None, "the file does not open") for name in _names()]
    with recording:
        checks = [Check("opens", True, f"{len(recording)} frames, {recording.duration_s:.3f} s")]
        for name, check in _CHECKS.items():
            checks.append(_asked(name, check, recording))
        checks += _check_frames(recording)
        checks.append(_check_loss(recording, max_loss))
    return checks


_Answer = tuple[bool | None, str]


def _names() -> list[str]:
    return [*_CHECKS, _READABLE, _MASKS, _LOSS]


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
    return True, f"{sensor.frame_bytes} bytes a frame, (loop, tx, rx, sample) = {sensor.cube_shape}"


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
    if len(recording) < 2:
        return None, "a rate needs two frames"
    periods = int(recording.counters[-1] - recording.counters[0])
    elapsed_s = float(recording.device_time_s[-1] - recording.device_time_s[0])
    nominal_hz = 1.0 / recording.sensor.frame_period_s
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


_CHECKS: dict[str, Callable[[Recording], _Answer]] = {
    "schema version": _check_version,
    "source given": _check_source,
    "closed cleanly": _check_closed,
    "dataset lengths agree": _check_lengths,
    "sample size fits the sensor": _check_sample_size,
    "counters grow": _check_counters,
    "times grow": _check_times,
    "frame rate": _check_rate,
    "truth refers to frames": _check_truth,
}
_READABLE, _MASKS, _LOSS = "frames readable", "masks agree with lost bytes", "loss"


def _check_frames(recording: Recording) -> Iterator[Check]:
    """Read every frame once."""
    damaged: list[str] = []
    contradictions: list[int] = []
    for index in range(len(recording)):
        try:
            frame = recording.frame(index)
        except RecordingError as error:
            damaged.append(str(error))
            continue
        if frame.lost_bytes != recording.frame_lost_bytes[index]:
            contradictions.append(index)
    yield Check(
        _READABLE,
        not damaged,
        f"{len(damaged)} frames cannot be read: {damaged[0]}" if damaged else "every checksum matches",
    )
    yield Check(
        _MASKS,
        not contradictions,
        f"{len(contradictions)} frames contradict themselves, first {contradictions[0]}"
        if contradictions
        else f"{recording.incomplete_frames} frames incomplete",
    )


def _check_loss(recording: Recording, max_loss: float) -> Check:
    if not len(recording):
        return Check(_LOSS, None, "no frames")
    share = recording.lost_share
    return Check(_LOSS, share <= max_loss, f"{share:.3%} of the bytes lost, {max_loss:.3%} allowed")
