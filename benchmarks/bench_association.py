"""Time of a scan with each association method, beside Stone Soup's, if that is installed.

``python benchmarks/bench_association.py`` prints milliseconds a scan for K targets that are spread (the paper's start
box) or close (in line abreast, 0.5 m apart, at the same velocity). Both sides get tracks at the truth and the same
detections, and do the same in each scan: predict, gate, weigh, associate and update; ours in plain numpy, one array
operation for all tracks, Stone Soup as its tutorials do. "alone" is our association by itself, of ready ratios.
Each time is the median over the scans of a run, and of several runs, taken in turn in this one process, the best;
the worst scan of that run is beside it. It is processor time of the one thread that both sides run in, because long
scans would wait for other programs more often than short ones do. Compiled code is compiled before. "tuples" is the
median over the scans of the product of one more than the gated detections of each track, which an enumeration goes
through; "pruned" counts scans whose marginals were not exact for the bound on states.

Stone Soup's JPDA enumerates the product over all tracks, takes seconds from 10 close targets on, and is skipped beyond
``--jpda-up-to`` targets (``--jpda-up-to 12`` takes minutes). It is no dependency: ``pip install stonesoup``.
"""

# Stone Soup is not there for the type checker.
# mypy: disable-error-code="import-not-found,import-untyped"

import argparse
import importlib.util
import itertools
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from isactrack.tracking.association import Association, Associator, takes_distances
from isactrack.tracking.associators import ASSOCIATORS

if TYPE_CHECKING:
    from collections.abc import Callable

FloatArray = NDArray[np.float64]

FRAME_S, DENSITY = 0.1, 0.1
P_D = P_G = 0.95
GATE = float(chi2.ppf(P_G, 2))
AREA_M2 = 60.0 * 60.0
WARM_UP = 2
H = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0]])
_F, _Q = (
    np.array([[1, FRAME_S], [0, 1]]),
    DENSITY * np.array([[FRAME_S**3 / 3, FRAME_S**2 / 2], [FRAME_S**2 / 2, FRAME_S]]),
)
F, Q = np.kron(np.eye(2), _F), np.kron(np.eye(2), _Q)


@dataclass(frozen=True)
class Scene:
    """Detections (n, 2) of each scan, start states (k, 4) as x, vx, y, vy, and the deviation of a detection."""

    scans: list[FloatArray]
    start: FloatArray
    std_m: float
    clutter: int

    @property
    def start_covariance(self) -> FloatArray:
        """Covariance (4, 4) that every track starts with."""
        return np.diag([self.std_m**2 / 4, 0.1, self.std_m**2 / 4, 0.1])


@dataclass(frozen=True)
class Timing:
    """Milliseconds: a scan, its worst, the association alone; how many scans were pruned, and tuples of pairs."""

    scan: float
    worst: float
    alone: float = np.nan
    pruned: int = 0
    tuples: float = np.nan


def scene(geometry: str, targets: int, clutter: int, scans: int) -> Scene:
    """Return the scene of mnomp-spa-kf, sec. IV-A, with the targets spread or close."""
    rng = np.random.default_rng(targets)
    if geometry == "close":
        position = np.column_stack([0.5 * np.arange(targets), np.full(targets, 15.0)])
        velocity, std_m = np.tile([1.0, 2.0], (targets, 1)), 0.25
    else:
        position = rng.uniform([-10, 6], [10, 24], (targets, 2))
        velocity, std_m = rng.uniform([-3, -1], [3, 5], (targets, 2)), 0.1
    seen = []
    for scan in range(1, scans + 1):
        truth = (position + velocity * scan * FRAME_S)[rng.random(targets) < P_D]
        false = rng.uniform([-30, 0], [30, 60], (rng.poisson(clutter), 2))
        seen.append(np.concatenate([truth + rng.normal(0, std_m, truth.shape), false]))
    start = np.stack([position[:, 0], velocity[:, 0], position[:, 1], velocity[:, 1]], axis=1)
    return Scene(seen, start, std_m, clutter)


def predict_and_weigh(
    mean: FloatArray, covariance: FloatArray, xy: FloatArray, std_m: float, clutter: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return predicted means (k, 4), covariances (k, 4, 4), innovations (k, n, 2), gains (k, 4, 2), ratios (k, n)."""
    mean, covariance = mean @ F.T, F @ covariance @ F.T + Q
    innovation = xy - (mean @ H.T)[:, None]
    s = H @ covariance @ H.T + std_m**2 * np.eye(2)
    inverse = np.linalg.inv(s)
    distance = np.einsum("kni,kij,knj->kn", innovation, inverse, innovation)
    likelihood = np.exp(-0.5 * distance) / (2 * np.pi * np.sqrt(np.linalg.det(s)))[:, None]
    ratio = np.where(distance <= GATE, P_D * likelihood / ((1 - P_D * P_G) * clutter / AREA_M2), 0.0)
    return mean, covariance, innovation, covariance @ H.T @ inverse, ratio


def update(
    mean: FloatArray, covariance: FloatArray, innovation: FloatArray, gain: FloatArray, association: Association
) -> tuple[FloatArray, FloatArray]:
    """Return the means and covariances after the update of eq. 39-41 of mnomp-spa-kf."""
    beta = association.probability
    step = np.einsum("kn,kni->ki", beta, innovation)
    spread = np.einsum("kn,kni,knj->kij", beta, innovation, innovation) - step[:, :, None] * step[:, None, :]
    reduction = (1 - association.missed)[:, None, None] * (gain @ H @ covariance)
    return (
        mean + np.einsum("kij,kj->ki", gain, step),
        covariance - reduction + gain @ spread @ gain.transpose(0, 2, 1),
    )


def time_ours(scene: Scene, associate: Associator) -> Timing:
    """Return the times of a run with one of our associators."""
    mean, covariance = scene.start, np.tile(scene.start_covariance, (len(scene.start), 1, 1))
    took, alone, tuples = [], [], []
    truncated = getattr(associate, "truncated", 0)
    for xy in scene.scans:
        begin = time.thread_time()
        mean, covariance, innovation, gain, ratio = predict_and_weigh(mean, covariance, xy, scene.std_m, scene.clutter)
        weighed = time.thread_time()
        association = associate(ratio)
        alone.append(time.thread_time() - weighed)
        mean, covariance = update(mean, covariance, innovation, gain, association)
        took.append(time.thread_time() - begin)
        tuples.append(np.prod(1.0 + np.count_nonzero(ratio, axis=1)))
    took, alone = took[WARM_UP:], alone[WARM_UP:]
    return Timing(
        1e3 * float(np.median(took)),
        1e3 * max(took),
        1e3 * float(np.median(alone)),
        getattr(associate, "truncated", 0) - truncated,
        float(np.median(tuples)),
    )


def time_stone_soup(scene: Scene, method: str, budget_s: float) -> Timing:
    """Return the times of a run with one of Stone Soup's; the run ends after the scan that exceeds the budget."""
    from stonesoup.dataassociator.neighbour import GNNWith2DAssignment
    from stonesoup.dataassociator.probability import JPDA, PDA, JPDAwithEHM2, JPDAwithLBP
    from stonesoup.functions import gm_reduce_single
    from stonesoup.hypothesiser.distance import DistanceHypothesiser
    from stonesoup.hypothesiser.probability import PDAHypothesiser
    from stonesoup.measures import Mahalanobis
    from stonesoup.models.measurement.linear import LinearGaussian
    from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
    from stonesoup.predictor.kalman import KalmanPredictor
    from stonesoup.types.array import StateVectors
    from stonesoup.types.detection import Detection
    from stonesoup.types.state import GaussianState
    from stonesoup.types.track import Track
    from stonesoup.types.update import GaussianStateUpdate
    from stonesoup.updater.kalman import KalmanUpdater

    measurement = LinearGaussian(4, (0, 2), scene.std_m**2 * np.eye(2))
    predictor = KalmanPredictor(
        CombinedLinearGaussianTransitionModel([ConstantVelocity(DENSITY), ConstantVelocity(DENSITY)])
    )
    updater = KalmanUpdater(measurement)
    if method == "GNN":
        associator: Any = GNNWith2DAssignment(
            DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=float(np.sqrt(GATE)))
        )
    else:
        kind = {"PDA": PDA, "JPDA": JPDA, "JPDA EHM2": JPDAwithEHM2, "JPDA LBP": JPDAwithLBP}[method]
        associator = kind(
            PDAHypothesiser(
                predictor, updater, clutter_spatial_density=scene.clutter / AREA_M2, prob_detect=P_D, prob_gate=P_G
            )
        )
    epoch = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    tracks = {Track([GaussianState(state[:, None], scene.start_covariance, timestamp=epoch)]) for state in scene.start}
    took = []
    for scan, xy in enumerate(scene.scans, 1):
        when = epoch + timedelta(seconds=scan * FRAME_S)
        detections = {Detection(z[:, None], timestamp=when, measurement_model=measurement) for z in xy}
        begin = time.thread_time()
        for track, hypotheses in associator.associate(tracks, detections, when).items():
            if method == "GNN":
                track.append(updater.update(hypotheses) if hypotheses else hypotheses.prediction)
                continue
            states = [updater.update(one) if one else one.prediction for one in hypotheses]
            mean, covariance = gm_reduce_single(
                StateVectors([state.state_vector for state in states]),
                np.stack([state.covar for state in states], axis=2),
                np.array([float(one.probability) for one in hypotheses]),
            )
            track.append(GaussianStateUpdate(mean, covariance, hypotheses, when))
        took.append(time.thread_time() - begin)
        if sum(took) > budget_s and scan > WARM_UP:
            break
    took = took[WARM_UP:]
    return Timing(1e3 * float(np.median(took)), 1e3 * max(took))


def take_in_turn(sides: "dict[str, Callable[[], Timing]]", repeats: int, once_above_ms: float) -> dict[str, Timing]:
    """Return the best of the runs of each side; what takes long is measured well enough at once."""
    best: dict[str, Timing] = {}
    for _ in range(repeats):
        for side, take in sides.items():
            if side in best and best[side].scan > once_above_ms:
                continue
            timing = take()
            if side not in best or timing.scan < best[side].scan:
                best[side] = timing
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, nargs="+", default=[2, 4, 6, 8, 10, 12])
    parser.add_argument("--clutter", type=int, nargs="+", default=[4])
    parser.add_argument("--geometry", nargs="+", default=["spread", "close"], choices=["spread", "close"])
    parser.add_argument("--scans", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jpda-up-to", type=int, default=10, help="most targets for Stone Soup's JPDA")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds after which a run of Stone Soup ends")
    options = parser.parse_args()

    peers = {"gnn": ["GNN"], "pda": ["PDA"], "jpda": ["JPDA", "JPDA EHM2"], "spa": ["JPDA LBP"]}
    if not importlib.util.find_spec("stonesoup"):
        print("Stone Soup is not installed: no comparison (pip install stonesoup).")
        peers = {name: [] for name in peers}
    engines = ["numpy", *(["numba"] if importlib.util.find_spec("numba") else [])]
    ours: dict[str, list[tuple[str, Associator]]] = {}
    for name, make in ASSOCIATORS.items():
        if takes_distances(make()):
            continue
        if name in ("jpda", "spa"):
            ours[name] = [(f"{name} {engine}", make(engine=engine)) for engine in engines]
        else:
            ours[name] = [(name, make())]
    for _, associate in (side for sides in ours.values() for side in sides):
        associate(np.array([[2.0, 1.0], [1.0, 2.0]]))  # compiles
    print(
        f"{'scene':>6} {'clutter':>7} {'K':>3} {'tuples':>9} {'method':>12} {'ms/scan':>9} {'worst':>9}"
        f" {'alone':>8} {'pruned':>6}  {'Stone Soup':>10} {'ms/scan':>9} {'worst':>9} {'ratio':>8}"
    )
    for geometry, clutter, targets in itertools.product(options.geometry, options.clutter, options.targets):
        run = scene(geometry, targets, clutter, options.scans)
        for name, methods in peers.items():
            possible = [m for m in methods if m != "JPDA" or targets <= options.jpda_up_to]
            best = take_in_turn(
                {
                    **{side: partial(time_ours, run, associate) for side, associate in ours[name]},
                    **{method: partial(time_stone_soup, run, method, options.budget) for method in possible},
                },
                options.repeats,
                once_above_ms=30.0,
            )
            for side, _ in ours[name]:
                own = best[side]
                line = f"{geometry:>6} {clutter:>7} {targets:>3} {own.tuples:>9.0f} {side:>12}"
                line += f" {own.scan:>9.3f} {own.worst:>9.3f} {own.alone:>8.3f} {own.pruned:>6}"
                for peer in ((method, best[method]) for method in possible):
                    ratio = peer[1].scan / own.scan
                    print(f"{line}  {peer[0]:>10} {peer[1].scan:>9.2f} {peer[1].worst:>9.2f} {ratio:>8.0f}", flush=True)
                if not possible:
                    print(line, flush=True)


if __name__ == "__main__":
    main()
