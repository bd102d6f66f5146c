r"""What faults of the bistatic radio do to its recordings and tracks: flags, masks, identities, jumps, accuracy.

    OPENBLAS_NUM_THREADS=1 python benchmarks/bistatic_faults.py --seeds 10
    python benchmarks/bistatic_faults.py --faults shadow,everything --first-seed 1000 --scene lab-crossing --link udp

Each run records `sim://bistatic` through the emulated wire to a file, compares the file with what the emulator knows of
the run, and tracks the file. Faults begin half a second before the middle of the scene, which is where ways cross.

The columns: blocks that are missing; blocks with each flag (of the overflow, no lock, a jump of the counter, a lost
fragment, another gain); blocks whose flags, mask or place are not those that the emulator's account asks for, which
must be 0; masked bytes; blocks whose reference the calibration says is shadowed or gone; people whose track half a
second after the fault followed them before it, and people with one identity over the whole run, as CLEAR-MOT counts;
jumps of tracks that follow somebody, and of others: steps longer than 3 m/s allow by more than a body is wide and by
more than three standard deviations of the predicted position; the longest step beyond 3 m/s of the former; errors.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isactrack import BlockFlag
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.offline import track
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Snapshot
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.bistatic.device import SimulatedBistatic
from isactrack.drivers.simulated.bistatic.faults import FaultKind, RadioAccount, parse_faults
from isactrack.drivers.simulated.fault_plan import Fault
from isactrack.drivers.simulated.scene import make_scene
from isactrack.processing.channel import BlockCalibration, CalibrationStatus
from isactrack.processing.ofdm_config import CalibrationConfig
from isactrack.processing.reference_path import make_calibration
from isactrack.recordings import Recording, RecordingWriter, open_recording
from isactrack.sensor import require_ofdm
from isactrack.tracking.kalman import predict
from isactrack.tracking.metrics_clear_mot import clear_mot
from isactrack.tracking.metrics_sets import LabelledSet
from isactrack.tracking.motion import process_noise, transition
from isactrack.tracks import Track

LEAD_S = 0.5
"""From the beginning of the fault to the middle of the scene."""
AFTER_S = 0.5
"""After the end of the fault identities are compared with those from before it."""
SETTLED_S = 1.5
"""Errors and identities count from here on: before, tracks are being born."""
UNSURE = (CalibrationStatus.HELD, CalibrationStatus.REJECTED)
MATCH_M = 1.0
DOUBLE_M = 0.5
"""Second tracks of a person, which live until they are merged, are no farther from it than this."""
BODY_M = 0.4
"""What comes back from a body comes from anywhere on it, and filters take that for movement."""
WALK_MPS = 3.0
"""Nobody in these scenes moves faster than half of this."""
ACCELERATION_MPS2 = 3.0
"""Of the tracker's own model."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, from `begin_s` on: pairs of a kind with times from there to its begin and end, and lost fragments."""

    faults: tuple[tuple[str, float, float], ...] = ()
    loss: float = 0.0

    def options(self, begin_s: float) -> str:
        """Return the options of the URL."""
        planned = [f"{kind}@{begin_s + start:.3f}s+{1e3 * (end - start):.0f}ms" for kind, start, end in self.faults]
        return f"&fault={','.join(planned)}" * bool(planned) + f"&loss={self.loss}" * (self.loss > 0.0)

    @property
    def lasts_s(self) -> float:
        """How long the fault lasts."""
        return max((end for *_, end in self.faults), default=0.0)


CASES = {
    "none": Case(),
    "shadow": Case((("shadow", 0.0, 0.5),)),
    "gain steps": Case((("gain-step", 0.0, 0.3), ("gain-step", 0.15, 0.6))),
    "gain error": Case((("gain-error", 0.0, 0.5),)),
    "lost lock": Case((("lo-unlock", 0.0, 0.3),)),
    "1 % lost": Case(loss=0.01),
    "overflow": Case((("overflow", 0.0, 0.1),)),
    "everything": Case(
        (
            ("shadow", 0.0, 0.5), ("gain-step", 0.1, 0.7), ("lo-unlock", 0.3, 0.45), ("overflow", 0.6, 0.7),
            ("gain-error", 0.7, 0.9),
        ),
        loss=0.01,
    ),
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of one run."""

    blocks: int = 0
    missing: int = 0
    flags: dict[BlockFlag, int] = field(default_factory=dict)
    wrong: int = 0
    masked_bytes: int = 0
    held: int = 0
    people: int = 0
    kept_through: int = 0
    kept_all: int = 0
    jumps: int = 0
    other_jumps: int = 0
    excess_m: float = 0.0
    errors_m: list[float] = field(default_factory=list)


def record(url: str, path: Path, duration_s: float) -> tuple[RadioAccount, tuple[Fault, ...]]:
    """Record a simulated radio through its wire; return what the emulator knows of the run."""
    device = open_device(url)
    if not isinstance(device, SimulatedBistatic):
        raise SystemExit(f"{url} is no simulated radio")
    device.configure()
    session = Session(device, recorder=RecordingWriter(path, describe_device(device)), duration_s=duration_s)
    with session:
        session.start()
        session.wait()
        (account,) = device.accounts
    return account, parse_faults(url.partition("fault=")[2].partition("&")[0])


def expected_flags(recording: Recording, account: RadioAccount, plan: Sequence[Fault]) -> dict[int, BlockFlag]:
    """Return the flags that each block of a run must have by what the emulator knows, as far as they tell of faults.

    Flags of gain and of the converter depend on what the radio looks at and are left out.
    """
    sensor = require_ofdm(recording.sensor)
    torn = {block for block, *_ in account.lost_fragments}
    expected, previous = {}, -1
    for counter in recording.counters.tolist():
        time_s = counter * sensor.frame_period_s + sensor.stagger_of(counter)
        flags = BlockFlag(0)
        if counter in account.flagged_overflow:
            flags |= BlockFlag.OVERFLOW
        if any(fault.kind == FaultKind.LO_UNLOCK and fault.active(time_s) for fault in plan):
            flags |= BlockFlag.LO_UNLOCKED
        if counter != previous + 1:
            flags |= BlockFlag.DISCONTINUITY
        if counter in torn:
            flags |= BlockFlag.LOST_FRAGMENT
        expected[counter], previous = flags, counter
    return expected


def compare(recording: Recording, account: RadioAccount, plan: Sequence[Fault], outcome: Outcome) -> None:
    """Count blocks, flags and masked bytes, and what of it is not as the emulator's account asks for."""
    sensor = require_ofdm(recording.sensor)
    expected = expected_flags(recording, account, plan)
    told = ~(BlockFlag.GAIN_CHANGED | BlockFlag.SATURATED)
    holes = {int(row["counter"]): 0 for row in recording.losses if not row["missing_frames"]}
    for row in recording.losses:
        if row["missing_frames"]:
            outcome.missing += int(row["missing_frames"])
        else:
            holes[int(row["counter"])] += int(row["lost_bytes"])
    for index, counter in enumerate(recording.counters.tolist()):
        frame = recording.frame(index)
        flags = BlockFlag(int(recording.blocks["flags"][index]))
        mask = account.valid_of(counter, sensor)
        right = flags & told == expected[counter] and np.array_equal(frame.valid, mask)
        outcome.wrong += not (right and frame.lost_bytes == holes.get(counter, 0))
        outcome.masked_bytes += frame.lost_bytes
        for flag in flags:
            outcome.flags[flag] = outcome.flags.get(flag, 0) + 1
    last = int(recording.counters[-1])
    whole = require_ofdm(recording.sensor).cube_shape
    samples = whole[0] * whole[1] * whole[2]
    lost = {block: 0 for block, *_ in account.lost_fragments}
    for block, _, rows, _, count in account.lost_fragments:
        lost[block] += rows * count
    gone = set(account.dropped_blocks) | {block for block, count in lost.items() if count == samples}
    outcome.wrong += len({block for block in gone if block <= last} ^ (set(range(last + 1)) - set(expected)))
    outcome.blocks = len(recording)


def calibrations(recording: Recording) -> list[BlockCalibration]:
    """Return what the reference-path calibration says of each block that may enter the chain."""
    sensor = require_ofdm(recording.sensor)
    calibrate = make_calibration(sensor, CalibrationConfig())
    said = []
    for frame in recording.frames():
        if frame.usable and frame.complete and frame.block is not None:
            block = frame.block
            counts, at_s = sensor.decode(frame)[0], block.tick / sensor.sample_rate_hz
            said.append(calibrate(counts, frame.counter, at_s, block.noise_power, block.gain_db)[1])
    return said


def judge(steps: Sequence[Snapshot], begin_s: float, end_s: float, outcome: Outcome) -> None:
    """Count identities that were kept, steps that were too long, and errors.

    Who is followed by which track is what CLEAR-MOT says of the steps from `SETTLED_S` on.
    """
    steps = [step for step in steps if step.truth is not None and step.time_s >= SETTLED_S]
    truths = [LabelledSet.of_truth(step.truth) for step in steps if step.truth is not None]
    found = [LabelledSet.of_tracks(step.tracks) for step in steps]
    matched = clear_mot(found, truths, MATCH_M)
    follows: list[dict[int, int]] = [{} for _ in steps]
    for instant, target, one in matched.pairs.tolist():
        follows[instant][int(truths[instant].label[target])] = int(found[instant].label[one])
    time_s = np.array([step.time_s for step in steps])
    before = int(np.flatnonzero(time_s < begin_s)[-1])
    after = min(int(np.searchsorted(time_s, end_s + AFTER_S)), len(steps) - 1)
    people = sorted({int(who) for truth in truths for who in truth.label})
    outcome.people = len(people)
    outcome.errors_m = matched.error_m.tolist()
    for who in people:
        last = follows[after].get(who)
        outcome.kept_through += last is not None and last in near(steps[before], who, follows[before])
        outcome.kept_all += len({one[who] for one in follows if who in one}) == 1
    ours = {one for pairs in follows for one in pairs.values()}
    previous: dict[int, Track] = {}
    for one in (one for step in steps for one in step.tracks if one.is_confirmed):
        if one.track_id in previous:
            excess_m, allowed_m = step_excess_m(previous[one.track_id], one)
            if one.track_id in ours:
                outcome.jumps += excess_m > allowed_m
                outcome.excess_m = max(outcome.excess_m, excess_m)
            else:
                outcome.other_jumps += excess_m > allowed_m
        previous[one.track_id] = one


def near(step: Snapshot, who: int, follows: Mapping[int, int]) -> set[int]:
    """Return the tracks that follow somebody: the one that is matched, and doubles of it that nobody else has."""
    if step.truth is None or who not in follows:
        return set()
    place = step.truth.position_m[step.truth.target_id == who][0]
    taken = set(follows.values())
    doubles = {
        one.track_id
        for one in step.tracks
        if one.is_confirmed and one.track_id not in taken and float(np.linalg.norm(one.position_m - place)) < DOUBLE_M
    }
    return doubles | {follows[who]}


def step_excess_m(before: Track, after: Track) -> tuple[float, float]:
    """Return by how much a step of a track is longer than the longest one of a person, and by how much it may be.

    That is the width of a body, or three standard deviations of the predicted position, along its larger half-axis: a
    track that was not seen for a while may be put right by more than one that was.
    """
    dt_s = after.time_s - before.time_s
    noise = process_noise(dt_s, ACCELERATION_MPS2)
    _, spread = predict(before.state[None], before.covariance[None], transition(dt_s), noise)
    deviation_m = float(np.sqrt(np.linalg.eigvalsh(spread[0][np.ix_([0, 2], [0, 2])])[-1]))
    step_m = float(np.linalg.norm(after.position_m - before.position_m))
    return max(0.0, step_m - WALK_MPS * dt_s), max(BODY_M, 3.0 * deviation_m)


def run(scene: str, seed: int, case: Case, link: str, folder: Path) -> Outcome:
    """Record one run and judge its recording and its tracks."""
    duration_s = make_scene(scene, seed).duration_s
    begin_s = round(0.5 * duration_s - LEAD_S, 3)
    path = folder / f"{seed}.h5"
    path.unlink(missing_ok=True)
    url = f"sim://bistatic?scene={scene}&seed={seed}&speed=max&link={link}{case.options(begin_s)}"
    account, plan = record(url, path, duration_s)
    outcome = Outcome()
    with open_recording(path) as recording:
        compare(recording, account, plan, outcome)
        outcome.held = sum(one.status in UNSURE for one in calibrations(recording))
        judge(list(track(recording)), begin_s, begin_s + case.lasts_s, outcome)
    return outcome


COLUMNS = {
    "fault": 12, "missing": 8, "OVER": 5, "LO": 5, "JUMP": 5, "TORN": 5, "GAIN": 5, "wrong": 6, "masked B": 9,
    "held": 6, "through": 8, "kept": 8, "jumps": 6, "others": 7, "longest m": 10, "median m": 9, "p90 m": 6,
}  # fmt: skip
FLAGS = (
    BlockFlag.OVERFLOW, BlockFlag.LO_UNLOCKED, BlockFlag.DISCONTINUITY, BlockFlag.LOST_FRAGMENT,
    BlockFlag.GAIN_CHANGED,
)  # fmt: skip


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    """Return a row of the table: sums over the runs, the longest step, and errors of all steps together."""
    errors = np.concatenate([one.errors_m for one in outcomes])
    people = sum(one.people for one in outcomes)
    cells = [
        name,
        sum(one.missing for one in outcomes),
        *(sum(one.flags.get(flag, 0) for one in outcomes) for flag in FLAGS),
        sum(one.wrong for one in outcomes),
        sum(one.masked_bytes for one in outcomes),
        sum(one.held for one in outcomes),
        f"{sum(one.kept_through for one in outcomes)}/{people}",
        f"{sum(one.kept_all for one in outcomes)}/{people}",
        sum(one.jumps for one in outcomes),
        sum(one.other_jumps for one in outcomes),
        f"{max(one.excess_m for one in outcomes):.3f}",
        f"{np.median(errors):.3f}",
        f"{np.quantile(errors, 0.9):.3f}",
    ]
    return "".join(f"{cell!s:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


def main() -> None:
    """Run all cases and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="lab-crossing")
    parser.add_argument("--link", default="usb", choices=("usb", "udp"))
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--faults", help=f"names, separated by commas, of: {', '.join(CASES)}")
    parser.add_argument("--each", action="store_true", help="print a row for each seed too")
    args = parser.parse_args()
    names = args.faults.split(",") if args.faults else list(CASES)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    print(f"simulated bistatic radio, {args.scene}, link {args.link}, seeds {seeds.start} to {seeds.stop - 1}")
    print("".join(f"{title:>{width}}" for title, width in COLUMNS.items()))
    for name in names:
        outcomes = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in seeds:
                outcomes.append(run(args.scene, seed, CASES[name], args.link, Path(folder)))
                if args.each:
                    print(row(f"seed {seed}", outcomes[-1:]), flush=True)
        print(row(name, outcomes), flush=True)


if __name__ == "__main__":
    main()
