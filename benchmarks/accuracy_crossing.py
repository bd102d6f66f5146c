"""Accuracy of the FFT chain with GNN tracking on the simulated crossing, over seeds: a Monte Carlo, with its spread.

Frames are synthesised as the simulated AWR1642 does and go straight to the chain, without the wire, which changes no
sample. Run: ``python benchmarks/accuracy_crossing.py [--seeds 50] [--scene crossing]``.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from isactrack import FmcwSensor, Frame
from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.snapshot import Snapshot
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.tracking.metrics import TrackingScore, evaluate_tracks

FRAMES = 64


def snapshots(sensor: FmcwSensor, scene_name: str, seed: int) -> Iterator[Snapshot]:
    """Yield the results of a run frame by frame."""
    scene = make_scene(scene_name, seed)
    synthesiser = Synthesiser(sensor, scene, seed=seed)
    pipeline = Pipeline(sensor)
    for index in range(FRAMES):
        words = synthesiser.frame(index)
        start_s = index * sensor.frame_period_s
        frame = Frame(words, np.ones(words.size // 4, dtype=np.bool_), index, start_s, 0, 0)
        snapshot = pipeline.push(frame, scene.truth(start_s + sensor.coherent_time_s / 2.0))
        if snapshot is not None:
            yield snapshot


def score(sensor: FmcwSensor, scene_name: str, seed: int) -> TrackingScore:
    """Return the score of a run."""
    steps = list(snapshots(sensor, scene_name, seed))
    rows = [(s.time_s, t) for s in steps for t in s.tracks]
    truth = [s.truth for s in steps if s.truth is not None]
    return evaluate_tracks(
        track_time_s=[time_s for time_s, _ in rows],
        track_id=[t.track_id for _, t in rows],
        is_confirmed=[t.is_confirmed for _, t in rows],
        track_position_m=np.array([t.position_m for _, t in rows]).reshape(-1, 2),
        truth_time_s=np.concatenate([np.full(len(t), t.time_s) for t in truth]),
        target_id=np.concatenate([t.target_id for t in truth]),
        truth_position_m=np.concatenate([t.position_m for t in truth]),
    )


def main() -> None:
    """Print a row a seed and the spread over them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--scene", default="crossing")
    options = parser.parse_args()
    sensor = parse_profile(default_profile())
    print(f"simulated {sensor.model}, scene {options.scene}, {FRAMES} frames a seed")
    print(f"{'seed':>4} {'confirmed':>9} {'switches':>8} {'median m':>8} {'p90 m':>6} {'OSPA m':>6} {'missed %':>8}")
    scores = []
    for seed in range(options.seeds):
        s = score(sensor, options.scene, seed)
        scores.append(s)
        print(
            f"{seed:4} {s.confirmed_tracks:9} {s.identity_switches:8} {s.median_position_error_m or np.nan:8.3f} "
            f"{s.p90_position_error_m or np.nan:6.3f} {s.mean_ospa_m or np.nan:6.3f} {100 * (s.missed_share or 0):8.1f}"
        )
    median = np.array([s.median_position_error_m or np.nan for s in scores])
    right = sum(s.confirmed_tracks == s.truth_targets and s.identity_switches == 0 for s in scores)
    print(f"right number of tracks and no switch: {right} of {len(scores)} seeds")
    print(
        f"median position error over seeds: {np.median(median):.3f} m, "
        f"from {median.min():.3f} to {median.max():.3f}, standard deviation {median.std():.3f}"
    )


if __name__ == "__main__":
    main()
