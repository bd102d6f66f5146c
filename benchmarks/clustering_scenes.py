"""Clustering on the simulated Experiments I to III: measurements a frame, their errors for both weights, and the time.

Frames are synthesised as the simulated AWR1642 does and go straight to the chain. Errors are those of the measurement
nearest to a body, against its centre, of frames in which the body is in view. Times are the best of several.
Run: ``python benchmarks/clustering_scenes.py [--seeds 3] [--detector fft]``.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from isactrack import Detections, Frame
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.simulated.scene import Extents, make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.geometry import radial_velocity
from isactrack.processing.chain import FmcwChain
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.clustering import link, merge
from isactrack.truth import Truth

SCENES = {"experiment1": 64, "experiment2": 100, "experiment3": 100}
BODIES = {("experiment2", 1): "person, II", ("experiment2", 3): "cyclist, II", ("experiment3", 3): "car, III"}
NEAR_M = 2.0

Row = tuple[Detections, Truth, Extents]


def rows(name: str, detector: Literal["fft", "mnomp"], seed: int) -> list[Row]:
    """Return what the chain detects in each frame, unclustered, and what is there."""
    sensor = parse_profile(default_profile())
    scene = make_scene(name, seed)
    synthesiser = Synthesiser(sensor, scene, seed=seed)
    chain = FmcwChain(sensor, ChainConfig(detector=detector, cluster_distance_m=None))
    found = []
    for index in range(SCENES[name]):
        words = synthesiser.frame(index)
        output = chain(Frame(words, np.ones(words.size // 4, np.bool_), index, index * sensor.frame_period_s, 0, 0))
        if output is not None:
            found.append((output.detections, scene.truth(output.time_s), scene.extents(output.time_s)))
    return found


def clustered(detections: Detections, weights: Literal["power", "equal"], limit_mps: float) -> Detections:
    """Return the measurements of a frame, with the settings of the chain."""
    config = ChainConfig()
    distance_m = config.cluster_distance_m or 0.0
    return merge(
        detections, link(detections, distance_m, config.cluster_velocity_scale_s, limit_mps), limit_mps, weights
    )


def errors(table: list[Row], target_id: int, weights: Literal["power", "equal"], limit_mps: float) -> np.ndarray:
    """Return errors (n, 3) of the measurements of a target: along and across the line of sight, and radial velocity."""
    found = []
    for detections, truth, extents in table:
        k = np.flatnonzero(truth.target_id == target_id)
        if not len(detections) or not k.size:
            continue
        made = clustered(detections, weights, limit_mps)
        gap = extents.distance_m(made.position_m)[:, k[0]]
        best = int(np.argmin(gap))
        if gap[best] < NEAR_M:
            centre = truth.position_m[k[0]]
            along = centre / np.linalg.norm(centre)
            offset = made.position_m[best] - centre
            moves = float(radial_velocity(centre, truth.velocity_mps[k[0]]))
            wrong = (made.radial_velocity_mps[best] - moves + limit_mps) % (2.0 * limit_mps) - limit_mps
            found.append((offset @ along, offset @ [along[1], -along[0]], wrong))
    return np.array(found)


def best_us(work: Callable[[], object], repeats: int = 200) -> float:
    """Return the least time of a call over rounds of repeats, microseconds."""
    rounds = []
    for _ in range(7):
        begin = time.perf_counter()
        for _ in range(repeats):
            work()
        rounds.append((time.perf_counter() - begin) / repeats)
    return 1e6 * min(rounds)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--detector", choices=("fft", "mnomp"), default="fft")
    options = parser.parse_args()
    limit_mps = parse_profile(default_profile()).velocity_max_mps
    tables = {name: [rows(name, options.detector, seed) for seed in range(options.seeds)] for name in SCENES}
    print(f"detector {options.detector}, {options.seeds} seeds")
    busiest = Detections.empty(0.0)
    for name, runs in tables.items():
        raw = [len(d) for run in runs for d, _, _ in run]
        made = [len(clustered(d, "power", limit_mps)) for run in runs for d, _, _ in run]
        busiest = max((d for run in runs for d, _, _ in run), key=len, default=busiest)
        print(f"{name}: {np.mean(raw):.1f} detections a frame, {np.mean(made):.2f} measurements")
    print(f"{'':12} {'weights':8} {'range bias m':>12} {'std m':>6} {'cross std m':>11} {'velocity RMS m/s':>16}")
    for (name, target_id), label in BODIES.items():
        for weights in ("power", "equal"):
            e = np.concatenate([errors(run, target_id, weights, limit_mps) for run in tables[name]])
            rms = math.sqrt(float(np.mean(e[:, 2] ** 2)))
            print(
                f"{label:12} {weights:8} {e[:, 0].mean():12.2f} {e[:, 0].std():6.2f} {e[:, 1].std():11.2f} {rms:16.2f}"
            )
    label_of = link(busiest, 0.8, 1.0, limit_mps)
    print(
        f"{len(busiest)} detections, {label_of.max() + 1} clusters: "
        f"link {best_us(lambda: link(busiest, 0.8, 1.0, limit_mps)):.0f} us, "
        f"merge {best_us(lambda: merge(busiest, label_of, limit_mps)):.0f} us"
    )


if __name__ == "__main__":
    main()
