"""Faults of the radio are flagged and masked in its recording, people keep their tracks through them, and none jumps.

What is recorded through the emulated wire is compared with the emulator's account of the run, block by block and byte
by byte; the measure of a jump is that of `benchmarks/bistatic_faults.py`, which does the same over many seeds.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from isactrack import BlockFlag
from isactrack.acquisition.offline import track
from isactrack.events import EventKind
from isactrack.processing.channel import CalibrationStatus
from isactrack.recordings import open_recording, validate_recording

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "bistatic_faults.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bistatic_faults", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bistatic_faults"] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def test_faults_of_all_kinds_are_told_apart_in_a_recording_and_a_walker_keeps_the_track(
    bench: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "harmed.h5"
    case = bench.CASES["everything"]
    begin_s = 1.7
    account, plan = bench.record(
        f"sim://bistatic?scene=lab-walk&seed=1003&speed=max&link=udp{case.options(begin_s)}", path, 3.4
    )
    outcome = bench.Outcome()
    with open_recording(path) as recording:
        bench.compare(recording, account, plan, outcome)
        events = [(event.kind, event.text) for event in recording.events]
        flags, counters = recording.blocks["flags"], recording.counters
        losses = recording.losses
        calibrations = bench.calibrations(recording)
        steps = list(track(recording))
        bench.judge(steps, begin_s, begin_s + case.lasts_s, outcome)
    # As the emulator knows it: each flag, each missing block, each lost byte.
    assert outcome.wrong == 0
    assert outcome.missing == len(account.dropped_blocks) == pytest.approx(25, abs=1)
    assert outcome.masked_bytes == losses["lost_bytes"][losses["missing_frames"] == 0].sum() > 0
    unlocked_s = counters[(flags & BlockFlag.LO_UNLOCKED) != 0] * 0.004
    assert unlocked_s.min() == pytest.approx(begin_s + 0.3, abs=0.005)
    assert unlocked_s.max() == pytest.approx(begin_s + 0.45, abs=0.005)
    gained_s = counters[(flags & BlockFlag.GAIN_CHANGED) != 0] * 0.004
    # The planned step and its end, and at 2 s the receiver's own.
    assert gained_s == pytest.approx([begin_s + 0.1, 2.0, begin_s + 0.7], abs=0.005)
    # Of the shadow the radio knows nothing: calibration says so of all blocks in it, and of few others.
    held_s = np.array([one.time_s for one in calibrations if one.status in bench.UNSURE]) - begin_s
    within = [one for one in calibrations if 0.1 < one.time_s - begin_s < 0.3]
    assert len(within) > 30
    assert all(one.status == CalibrationStatus.HELD for one in within)
    assert np.count_nonzero((held_s < 0.0) | (held_s > 0.55)) < 5
    told = "\n".join(text for kind, text in events if kind in (EventKind.RADIO, EventKind.OSCILLATOR))
    for what in ("no lock of the local oscillator", "lock of the local oscillator again", "left out by the radio"):
        assert what in told
    failed = [check for check in validate_recording(path, max_loss=1.0) if check.passed is False]
    assert [check for check in failed if check.name not in ("rate", "frame rate", "clocks")] == []
    # And for whoever is tracked, nothing happened but a pause.
    assert (outcome.people, outcome.kept_through, outcome.jumps) == (1, 1, 0)
    assert np.median(outcome.errors_m) < 0.15
    assert len(steps) < 0.9 * (3.4 / 0.04)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("shadow", "usb"), ("gain steps", "udp"), ("gain error", "usb"), ("lost lock", "udp"), ("1 % lost", "usb"),
        ("1 % lost", "udp"), ("overflow", "usb"), ("overflow", "udp"), ("everything", "usb"), ("everything", "udp"),
    ],
)  # fmt: skip
def test_two_who_cross_keep_their_tracks_through_each_fault(
    bench: ModuleType, name: str, link: str, tmp_path: Path
) -> None:
    outcome = bench.run("lab-crossing", 1001, bench.CASES[name], link, tmp_path)
    assert outcome.wrong == 0
    assert (outcome.people, outcome.kept_through, outcome.kept_all, outcome.jumps) == (2, 2, 2, 0)
    assert np.median(outcome.errors_m) < 0.12
    flagged = {
        "gain steps": BlockFlag.GAIN_CHANGED, "lost lock": BlockFlag.LO_UNLOCKED, "overflow": BlockFlag.OVERFLOW,
    }  # fmt: skip
    if name in flagged:
        assert outcome.flags[flagged[name]] > 0
    if name == "shadow":
        assert outcome.held > 80
    if name == "1 % lost":  # a block is one fragment on USB
        assert outcome.masked_bytes > 0 if link == "udp" else outcome.missing > 0


@pytest.mark.slow
def test_a_track_that_is_moved_is_a_jump(bench: ModuleType, tmp_path: Path) -> None:
    """The measure itself: what a walker does is none, a metre within a step is one."""
    path = tmp_path / "clean.h5"
    bench.record("sim://bistatic?scene=lab-walk&seed=1003&speed=max&link=usb", path, 1.9)
    with open_recording(path) as recording:
        steps = list(track(recording))
    before, after = (next(one for one in step.tracks if one.is_confirmed) for step in (steps[-2], steps[-1]))
    assert before.track_id == after.track_id
    excess_m, allowed_m = bench.step_excess_m(before, after)
    assert excess_m < allowed_m < 0.6
    after.state[[0, 2]] += 1.0
    excess_m, allowed_m = bench.step_excess_m(before, after)
    assert excess_m > allowed_m
