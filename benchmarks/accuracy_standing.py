"""Whether somebody who stands and breathes stays detected and tracked, through the simulated radio and the whole chain.

``OPENBLAS_NUM_THREADS=1 python benchmarks/accuracy_standing.py [--seeds 10] [--first-seed 0]``

One person stands in a simulated room, breathes and sways by millimetres (docs/scenes.md), all impairments on, for eight
seconds of which the first 1.5 s do not count. All clutter filters see the same blocks. "detected" is the share of
estimates with a detection within 0.6 m of the person's centre, "tracked" that with a confirmed track there; the columns
are the mean over the runs and the worst of them. "one id" counts the runs in which it is one and the same track
throughout.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.snapshot import Snapshot
from isactrack.drivers.registry import open_device
from isactrack.processing.ofdm_config import OfdmChainConfig

SCENES = ("lab-standing", "office-standing")
FILTERS = {
    "mean of 50": OfdmChainConfig(),
    "mean of 100": OfdmChainConfig(mean_blocks=100),
    "mean of 250": OfdmChainConfig(mean_blocks=250),
    "consecutive difference": OfdmChainConfig(clutter_filter="difference"),
}
BEGIN_S, END_S = 1.5, 8.0
NEAR_M = 0.6


@dataclass(slots=True)
class Seen:
    """What a filter made of one run."""

    estimates: int = 0
    detected: int = 0
    tracked: int = 0
    identities: set[int] = field(default_factory=set)

    def add(self, snapshot: Snapshot) -> None:
        """Take an estimate in."""
        if snapshot.truth is None:
            return
        person = snapshot.truth.position_m[0]
        places = snapshot.detections.position_m - person
        near = [one for one in snapshot.tracks
                if one.is_confirmed and np.linalg.norm(one.position_m - person) < NEAR_M]  # fmt: skip
        self.estimates += 1
        self.detected += bool(np.any(np.hypot(places[:, 0], places[:, 1]) < NEAR_M))
        self.tracked += bool(near)
        self.identities |= {one.track_id for one in near}


def run(scene: str, seed: int) -> dict[str, Seen]:
    """Return what each filter makes of one run."""
    with open_device(f"sim://bistatic?scene={scene}&seed={seed}&speed=max") as device:
        sensor = device.configure()
        pipelines = {name: Pipeline(sensor, config) for name, config in FILTERS.items()}
        seen = {name: Seen() for name in FILTERS}
        device.start()
        for frame in device.frames():
            truth = device.truth(frame)
            for name, pipeline in pipelines.items():
                snapshot = pipeline.push(frame, truth)
                if snapshot is not None and snapshot.time_s >= BEGIN_S:
                    seen[name].add(snapshot)
            if frame.device_time_s >= END_S:
                break
    return seen


def row(name: str, runs: Sequence[Seen]) -> str:
    """Return a line of the table."""
    detected = 100.0 * np.array([one.detected / one.estimates for one in runs])
    tracked = 100.0 * np.array([one.tracked / one.estimates for one in runs])
    single = sum(len(one.identities) == 1 for one in runs)
    cells = f"{detected.mean():9.1f} {detected.min():6.1f} {tracked.mean():9.1f} {tracked.min():6.1f}"
    return f"{name:24}{cells} {single:4} of {len(runs)}"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how many, in each room")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"simulated radio, {' and '.join(SCENES)}, seeds {seeds.start} to {seeds.stop - 1}; % of estimates")
    print(f"{'':24}{'detected':>9} {'worst':>6} {'tracked':>9} {'worst':>6} one id")
    runs = [run(scene, seed) for scene in SCENES for seed in seeds]
    for name in FILTERS:
        print(row(name, [one[name] for one in runs]))


if __name__ == "__main__":
    main()
