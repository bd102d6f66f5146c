"""Time of one tracker step beside Stone Soup's trackers, if that is installed.

``python benchmarks/bench_tracker.py`` prints, for K targets and 20 false alarms a frame,

- the kernels: prediction, gate, association and update of K tracks, the part that Stone Soup's data associator,
  predictor and updater do (ours through the functions that `Tracker` calls, the 3D gate included);
- whole trackers: birth, life cycle and the report of every track on top, on the same positions.

Stone Soup's sides are its GNN (two-dimensional assignment) and ``JPDAwithLBP`` (belief propagation), each as a full
tracker with multi-measurement initiator and time-out. Ours gates on the radial velocity as well. Each time is the
median over the steps of a run after the first ten, and of several runs, taken in turn in this one process, the best:
compare ratios. Stone Soup is no dependency of this project: ``pip install stonesoup``.
"""

# Stone Soup is not there for the type checker.
# mypy: disable-error-code="import-not-found,import-untyped"

import importlib.util
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from isactrack.detections import Detections
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy, radial_velocity, xy_to_polar
from isactrack.tracking import Tracker, TrackerConfig, paper_config, step_numpy
from isactrack.tracking.associators import make_associator

FRAMES, WARM_UP, REPEATS, CLUTTER, FRAME_S = 60, 10, 3, 20, 0.1
CLUTTER_PER_M2 = CLUTTER / 3600.0
CONFIG = TrackerConfig()
NOISE_STD_M = 0.15
ENGINES = ("numpy", "numba") if importlib.util.find_spec("numba") else ("numpy",)

Side = Callable[[list[Detections], int], tuple[float, int]]


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


def whole(config: TrackerConfig) -> Side:
    """Return a function that gives the median time of a step, ms, and the confirmed tracks older than a second."""

    def run(frames: list[Detections], targets: int) -> tuple[float, int]:
        tracker, took = Tracker(config), []
        for detections in frames:
            begin = time.perf_counter()
            tracks = tracker.step(detections)
            took.append(time.perf_counter() - begin)
        return 1e3 * float(np.median(took[WARM_UP:])), sum(t.is_confirmed and t.age > WARM_UP for t in tracks)

    return run


def kernels(engine: str, association: str) -> Side:
    """Return a function that times what a step does with the K tracks of the targets: no birth and no life cycle."""
    config = paper_config(association, clutter_density=CLUTTER_PER_M2, min_position_std_m=NOISE_STD_M)
    step: Any = step_numpy
    if engine == "numba":
        from isactrack.tracking import step_numba

        step = step_numba
    options = {"engine": engine} if association in ("spa", "jpda") else {}
    associate = make_associator(association, **options)
    weighing = step_numpy.Weighing(config.gate, True, False, config.log_odds)

    def run(frames: list[Detections], targets: int) -> tuple[float, int]:
        all_measured = [
            step_numpy.Measured(d.position_m, d.covariance_m2, d.radial_velocity_mps, d.radial_velocity_std_mps**2)
            for d in frames
        ]
        mean = np.zeros((targets, 4))
        mean[:, ::2] = frames[0].position_m[:targets]
        mean[:, 1::2] = (frames[1].position_m[:targets] - frames[0].position_m[:targets]) / FRAME_S
        covariance = np.tile(np.diag([0.1, 4.0, 0.1, 4.0]), (targets, 1, 1))
        took = []
        for measured in all_measured[1:]:
            begin = time.perf_counter()
            mean, covariance = step.predict(mean, covariance, FRAME_S, 0.5)
            ratio = step.likelihood_ratios(mean, covariance, measured, weighing)
            found = associate(ratio)
            mean, covariance = step.update(mean, covariance, measured, found.probability, False)
            took.append(time.perf_counter() - begin)
        off = np.linalg.norm(mean[:, ::2] - frames[-1].position_m[:targets], axis=1)
        return 1e3 * float(np.median(took[WARM_UP:])), int((off < 1.0).sum())

    return run


def stone_soup(method: str) -> Side:
    """Return the same for Stone Soup, ``"gnn"`` or ``"lbp"``; imported once, outside of the times."""
    from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
    from stonesoup.dataassociator.probability import JPDAwithLBP
    from stonesoup.deleter.time import UpdateTimeStepsDeleter
    from stonesoup.hypothesiser.distance import DistanceHypothesiser
    from stonesoup.hypothesiser.probability import PDAHypothesiser
    from stonesoup.initiator.simple import MultiMeasurementInitiator
    from stonesoup.measures import Mahalanobis
    from stonesoup.models.measurement.linear import LinearGaussian
    from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
    from stonesoup.predictor.kalman import KalmanPredictor
    from stonesoup.tracker.simple import MultiTargetMixtureTracker, MultiTargetTracker
    from stonesoup.types.detection import Detection
    from stonesoup.types.state import GaussianState
    from stonesoup.updater.kalman import KalmanUpdater

    density = CONFIG.acceleration_std_mps2**2 * FRAME_S
    motion = CombinedLinearGaussianTransitionModel([ConstantVelocity(density), ConstantVelocity(density)])
    measurement = LinearGaussian(4, (0, 2), NOISE_STD_M**2 * np.eye(2))
    updater, predictor = KalmanUpdater(measurement), KalmanPredictor(motion)
    nearest = GNNWith2DAssignment(
        DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=float(np.sqrt(CONFIG.gate)))
    )
    if method == "lbp":
        hypothesiser = PDAHypothesiser(
            predictor=predictor, updater=updater, clutter_spatial_density=CLUTTER_PER_M2, prob_detect=0.95,
            prob_gate=CONFIG.gate_probability,
        )  # fmt: skip
        associator, tracker_class = JPDAwithLBP(hypothesiser=hypothesiser), MultiTargetMixtureTracker
    else:
        associator, tracker_class = nearest, MultiTargetTracker
    epoch = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)

    def run(frames: list[Detections], targets: int) -> tuple[float, int]:
        when = [epoch + timedelta(seconds=frame.time_s) for frame in frames]
        detector = [
            (t, {Detection(xy[:, None], timestamp=t, measurement_model=measurement) for xy in frame.position_m})
            for t, frame in zip(when, frames, strict=True)
        ]
        birth_std = CONFIG.birth_velocity_std_mps
        prior = GaussianState(np.zeros((4, 1)), np.diag([0, birth_std**2, 0, birth_std**2]), timestamp=epoch)
        tracker: Any = tracker_class(
            initiator=MultiMeasurementInitiator(
                prior_state=prior,
                deleter=UpdateTimeStepsDeleter(CONFIG.max_misses_tentative),
                data_associator=nearest,
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in frames:
                begin = time.perf_counter()
                _, tracks = next(steps)
                took.append(time.perf_counter() - begin)
        return 1e3 * float(np.median(took[WARM_UP:])), len(tracks)

    return run


def main() -> None:
    """Print the tables."""
    sides: dict[str, Side] = {}
    peers: dict[str, Side] = {}
    if importlib.util.find_spec("stonesoup"):
        peers = {"Stone Soup GNN": stone_soup("gnn"), "Stone Soup JPDAwithLBP": stone_soup("lbp")}
    else:
        print("Stone Soup is not installed: no comparison (pip install stonesoup).")
    for engine in ENGINES:
        sides[f"kernels, SPA(10), {engine}"] = kernels(engine, "spa")
        paper = paper_config(engine=engine, clutter_density=CLUTTER_PER_M2, min_position_std_m=NOISE_STD_M)
        sides[f"whole, paper SPA-KF, {engine}"] = whole(paper)
        default = TrackerConfig(engine=engine, clutter_density=None)
        sides[f"whole, default GNN, {engine}"] = whole(default)
    sides |= peers
    header = "".join(f"{'/ ' + name.removeprefix('Stone Soup '):>15}" for name in peers)
    print(f"{'K':>3} {'clutter':>8}  {'side':<30} {'ms/step':>9} {'tracks':>7}{header}")
    for targets in (2, 8):
        frames = scene(targets)
        best = dict.fromkeys(sides, (np.inf, 0))
        for _ in range(REPEATS):
            for name, run in sides.items():
                best[name] = min(best[name], run(frames, targets))
        for name, (milliseconds, tracks) in best.items():
            ratios = "".join(f"{best[peer][0] / milliseconds:>15.1f}" for peer in peers)
            print(f"{targets:>3} {CLUTTER:>8}  {name:<30} {milliseconds:>9.3f} {tracks:>7}{ratios}")


if __name__ == "__main__":
    main()
