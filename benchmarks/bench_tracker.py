"""Time of one tracker step beside Stone Soup's global-nearest-neighbour tracker, if that is installed.

``python benchmarks/bench_tracker.py`` prints milliseconds a step for K targets and 20 false alarms a frame. Both sides
are full trackers (prediction, gate, assignment, update, birth and death) on the same positions; ours gates on the
radial velocity as well. Each time is the median over the steps of a run after the first ten, and of several runs, taken
in turn in this one process, the best. Stone Soup is no dependency of this project: ``pip install stonesoup``.
"""

# Stone Soup is not there for the type checker.
# mypy: disable-error-code="import-not-found,import-untyped"

import importlib.util
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from isactrack.detections import Detections
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy, radial_velocity, xy_to_polar
from isactrack.tracking import Tracker, TrackerConfig

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES, WARM_UP, REPEATS, CLUTTER, FRAME_S = 60, 10, 3, 20, 0.1
CONFIG = TrackerConfig()
NOISE_STD_M = 0.15


def scene(targets: int) -> list[Detections]:
    """Return frames of targets in 60 m x 60 m, all seen, among false alarms (the scene of mnomp-spa-kf, sec. IV-A)."""
    rng = np.random.default_rng(targets)
    start, velocity = rng.uniform([-10, 6], [10, 24], (targets, 2)), rng.uniform([-3, -1], [3, 5], (targets, 2))
    frames = []
    for frame in range(FRAMES):
        position = start + velocity * frame * FRAME_S
        r, azimuth = xy_to_polar(position)
        v = radial_velocity(position, velocity) + rng.normal(0, 0.15, targets)
        false = rng.uniform([-30, 0], [30, 60], (CLUTTER, 2))
        xy = np.concatenate([polar_to_xy(r, azimuth) + rng.normal(0, NOISE_STD_M, (targets, 2)), false])
        r, azimuth = xy_to_polar(xy)
        frames.append(
            Detections(
                time_s=frame * FRAME_S,
                position_m=xy,
                covariance_m2=polar_covariance_to_xy(r, azimuth, NOISE_STD_M, NOISE_STD_M / r),
                radial_velocity_mps=np.concatenate([v, rng.uniform(-6, 6, CLUTTER)]),
                radial_velocity_std_mps=np.full(r.size, 0.15),
                snr_db=rng.uniform(12, 25, r.size),
                range_m=r,
                azimuth_rad=azimuth,
            )
        )
    return frames


def time_ours(frames: list[Detections]) -> tuple[float, int]:
    """Return the median time of a step, ms, and the confirmed tracks at the end."""
    tracker, took = Tracker(CONFIG), []
    for detections in frames:
        begin = time.perf_counter()
        tracks = tracker.step(detections)
        took.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(took[WARM_UP:])), sum(track.is_confirmed for track in tracks)


def time_stone_soup(frames: list[Detections]) -> tuple[float, int]:
    """Return the same of Stone Soup's two-dimensional assignment, multi-measurement initiator and time-out."""
    from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
    from stonesoup.deleter.time import UpdateTimeStepsDeleter
    from stonesoup.hypothesiser.distance import DistanceHypothesiser
    from stonesoup.initiator.simple import MultiMeasurementInitiator
    from stonesoup.measures import Mahalanobis
    from stonesoup.models.measurement.linear import LinearGaussian
    from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
    from stonesoup.predictor.kalman import KalmanPredictor
    from stonesoup.tracker.simple import MultiTargetTracker
    from stonesoup.types.detection import Detection
    from stonesoup.types.state import GaussianState
    from stonesoup.updater.kalman import KalmanUpdater

    density = CONFIG.acceleration_std_mps2**2 * FRAME_S
    motion = CombinedLinearGaussianTransitionModel([ConstantVelocity(density), ConstantVelocity(density)])
    measurement = LinearGaussian(4, (0, 2), NOISE_STD_M**2 * np.eye(2))
    updater = KalmanUpdater(measurement)
    hypothesiser = DistanceHypothesiser(
        KalmanPredictor(motion), updater, Mahalanobis(), missed_distance=float(np.sqrt(CONFIG.gate))
    )
    associator = GNNWith2DAssignment(hypothesiser)
    epoch = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    when = [epoch + timedelta(seconds=frame.time_s) for frame in frames]
    detector = [
        (t, {Detection(xy[:, None], timestamp=t, measurement_model=measurement) for xy in frame.position_m})
        for t, frame in zip(when, frames, strict=True)
    ]
    birth_std = CONFIG.birth_velocity_std_mps
    tracker: Any = MultiTargetTracker(
        initiator=MultiMeasurementInitiator(
            prior_state=GaussianState(np.zeros((4, 1)), np.diag([0, birth_std**2, 0, birth_std**2]), timestamp=epoch),
            deleter=UpdateTimeStepsDeleter(CONFIG.max_misses_tentative),
            data_associator=associator,
            updater=updater,
            measurement_model=measurement,
            min_points=CONFIG.confirm_hits,
        ),
        deleter=UpdateTimeStepsDeleter(CONFIG.max_misses_confirmed),
        detector=detector,
        data_associator=associator,
        updater=updater,
    )
    steps, took = iter(tracker), []
    for _ in frames:
        begin = time.perf_counter()
        _, tracks = next(steps)
        took.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(took[WARM_UP:])), len(tracks)


def main() -> None:
    """Print the table."""
    sides: dict[str, Callable[[list[Detections]], tuple[float, int]]] = {"isactrack": time_ours}
    if importlib.util.find_spec("stonesoup"):
        sides["Stone Soup GNN"] = time_stone_soup
    else:
        print("Stone Soup is not installed: no comparison (pip install stonesoup).")
    print(f"{'K':>3} {'clutter':>8} {'tracker':>16} {'ms/step':>9} {'tracks':>7} {'ratio':>7}")
    for targets in (2, 8):
        frames = scene(targets)
        best = dict.fromkeys(sides, (np.inf, 0))
        for _ in range(REPEATS):
            for name, run in sides.items():
                best[name] = min(best[name], run(frames))
        for name, (milliseconds, tracks) in best.items():
            ratio = milliseconds / best["isactrack"][0]
            print(f"{targets:>3} {CLUTTER:>8} {name:>16} {milliseconds:>9.3f} {tracks:>7} {ratio:>7.1f}")


if __name__ == "__main__":
    main()
