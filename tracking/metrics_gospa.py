"""GOSPA and its extension to whole trajectories: localisation, missed, false and switching apart from each other."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_array, hstack, vstack

from isactrack.errors import ConfigError, IsacError
from isactrack.tracking.metrics_ospa import require_order
from isactrack.tracking.metrics_sets import Base, Scans, pair_distances, require_same_length

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gospa:
    """GOSPA distance and its parts; ``distance ** p == localisation + missed + false``.

    Attributes
    ----------
    distance
        Generalised optimal sub-pattern assignment distance, metres.
    localisation, missed, false
        Parts of its p-th power (m^p): errors of the assigned pairs, truths without and estimates without a partner.
        At orders so high that no float holds them they are infinite; the distance is not.
    order, cutoff, alpha
        Parameters p, c and alpha of the metric.
    """

    distance: float
    localisation: float
    missed: float
    false: float
    order: float
    cutoff: float
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryGospa:
    """Distance of whole trajectories; ``distance ** p == localisation + missed + false + switching``.

    Attributes
    ----------
    distance
        Metric over all instants together, metres.
    localisation, missed, false, switching
        Parts of its p-th power (m^p), summed over the instants.
    switches
        Number of changes of partner: a change from track to track counts 1, to or from none 1/2.
    frames
        Number of instants.
    order, cutoff, switch_penalty
        Parameters p, c and gamma of the metric.
    """

    distance: float
    localisation: float
    missed: float
    false: float
    switching: float
    switches: float
    frames: int
    order: float
    cutoff: float
    switch_penalty: float

    @property
    def per_frame(self) -> float:
        """The distance over the p-th root of the number of instants, comparable between runs of different length."""
        return self.distance / self.frames ** (1.0 / self.order) if self.frames else 0.0


def gospa(X: ArrayLike, Y: ArrayLike, p: float, c: float, alpha: float = 2.0) -> Gospa:
    """Return the generalised OSPA distance between estimates and truth (Rahmathullah, Garcia-Fernandez, Svensson 2017).

    A pair at or beyond the cut-off is one missed and one false point at half of ``c ** p`` each; with alpha 2 that is
    what a point without a partner costs too, so the parts are counts of missed and false points times ``c ** p / 2``.

    Parameters
    ----------
    X, Y
        Estimated points (m, d) and true points (n, d), metres; empty sets of any shape of size 0.
    p
        Order, 1 or more, finite.
    c
        Cut-off, metres: the largest distance of a pair.
    alpha
        A point without a partner costs ``c ** p / alpha``; above 0, at most 2.

    Raises
    ------
    ConfigError
        If p, c or alpha are out of range.
    """
    require_order(p, c)
    if not 0.0 < alpha <= 2.0:
        raise ConfigError(f"alpha of GOSPA is {alpha}", "give 0 < alpha <= 2; only 2 splits into missed and false")
    distance = pair_distances(X, Y)
    power = np.minimum(distance / c, 1.0) ** p
    rows, columns = linear_sum_assignment(power)
    paired = power[rows, columns]
    beyond = int(np.count_nonzero(paired >= 1.0))
    unpaired_x, unpaired_y = distance.shape[0] - rows.size, distance.shape[1] - rows.size
    localisation = float(paired[paired < 1.0].sum())
    missed = 0.5 * beyond + unpaired_y / alpha
    false = 0.5 * beyond + unpaired_x / alpha
    return Gospa(
        distance=float(c * (localisation + missed + false) ** (1.0 / p)),
        localisation=_times_power(localisation, c, p),
        missed=_times_power(missed, c, p),
        false=_times_power(false, c, p),
        order=p,
        cutoff=c,
        alpha=alpha,
    )


def trajectory_gospa(
    estimates: Scans, truths: Scans, p: float, c: float, switch_penalty: float, base: Base = "position"
) -> TrajectoryGospa:
    """Return the metric on sets of trajectories, GOSPA over time with a price on changes of partner.

    It is the linear program of Garcia-Fernandez, Rahmathullah and Svensson 2020 (section IV), a metric itself: the
    partners of all instants are chosen together, a change from one track to another costs ``gamma ** p`` and one to or
    from none half of it. Without a penalty it is the sum of the p-th powers of GOSPA at each instant.

    Parameters
    ----------
    estimates, truths
        Tracks and targets, a set for each instant.
    p, c
        Order, 1 or more, finite, and cut-off.
    switch_penalty
        Penalty gamma, 0 or more, in the unit of the distance.
    base
        What distances are taken of.

    Raises
    ------
    ConfigError
        If a parameter is out of range, the lengths differ, or a velocity is needed and not known.
    IsacError
        If the solver fails.
    """
    require_order(p, c)
    if not (math.isfinite(switch_penalty) and switch_penalty >= 0.0):
        raise ConfigError(f"the switching penalty is {switch_penalty}", "give 0 or a positive distance in metres")
    require_same_length(estimates, truths)
    pair, scan, power = _pairs_within_cutoff(estimates, truths, p, c, base)
    weight, changes = _partners(pair, scan, power, len(truths), (switch_penalty / c) ** p)
    together = float(weight.sum())
    localisation = float(weight @ power)
    missed = max(0.0, 0.5 * (sum(len(truth.label) for truth in truths) - together))
    false = max(0.0, 0.5 * (sum(len(estimate.label) for estimate in estimates) - together))
    switching = 0.5 * changes * (switch_penalty / c) ** p
    return TrajectoryGospa(
        distance=float(c * (localisation + missed + false + switching) ** (1.0 / p)),
        localisation=_times_power(localisation, c, p),
        missed=_times_power(missed, c, p),
        false=_times_power(false, c, p),
        switching=_times_power(switching, c, p),
        switches=0.5 * changes,
        frames=len(truths),
        order=p,
        cutoff=c,
        switch_penalty=switch_penalty,
    )


def _pairs_within_cutoff(
    estimates: Scans, truths: Scans, p: float, c: float, base: Base
) -> tuple[NDArray[np.int64], IntArray, FloatArray]:
    """Return labels (n, 2) of track and target, instants (n,) and ``(d / c) ** p`` of all pairs closer than c.

    Only these can make a partnership cheaper than a missed and a false point.
    """
    pairs, scans, powers = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0, dtype=np.intp)], [np.zeros(0)]
    for index, (estimate, truth) in enumerate(zip(estimates, truths, strict=True)):
        distance = pair_distances(estimate.points(base), truth.points(base))
        rows, columns = np.nonzero(distance < c)
        pairs.append(np.stack([estimate.label[rows], truth.label[columns]], axis=1))
        scans.append(np.full(rows.size, index))
        powers.append((distance[rows, columns] / c) ** p)
    return np.concatenate(pairs), np.concatenate(scans), np.concatenate(powers)


def _partners(
    pair: NDArray[np.int64], scan: IntArray, power: FloatArray, frames: int, penalty: float
) -> tuple[FloatArray, float]:
    """Solve the linear program; return the weight (n,) of each close pair and the total change of all weights.

    Unknowns are a weight for each pair that is ever close and each instant, and the absolute value of its change from
    the instant before. What a pair saves over a missed and a false point is what counts: ``(d / c) ** p - 1``.
    """
    if not scan.size:
        return np.zeros(0), 0.0
    kinds, kind = np.unique(pair, axis=0, return_inverse=True)
    count = len(kinds)
    index = scan * count + kind.ravel()
    gain = np.zeros(frames * count)
    gain[index] = power - 1.0
    weights, steps = frames * count, (frames - 1) * count
    every = np.arange(weights)
    at_most_one = []
    for column in range(2):  # a track, a target, has at most one partner at an instant
        labels, member = np.unique(kinds[:, column], return_inverse=True)
        row = (every // count) * labels.size + member.ravel()[every % count]
        at_most_one.append(coo_array((np.ones(weights), (row, every)), shape=(frames * labels.size, weights)))
    once = vstack(at_most_one)
    step = np.arange(steps)
    ones = np.ones(steps)
    change = coo_array(
        (np.concatenate([ones, -ones]), (np.tile(step, 2), np.concatenate([step + count, step]))),
        shape=(steps, weights),
    )
    size = coo_array((-ones, (step, step)), shape=(steps, steps))
    solution = linprog(
        np.concatenate([gain, np.full(steps, 0.5 * penalty)]),
        A_ub=vstack(
            [hstack([once, coo_array((once.shape[0], steps))]), hstack([change, size]), hstack([-change, size])]
        ),
        b_ub=np.concatenate([np.ones(once.shape[0]), np.zeros(2 * steps)]),
        bounds=(0.0, None),
        method="highs",
    )
    if solution.x is None:
        raise IsacError(f"the solver of the trajectory metric failed: {solution.message}", "please report this")
    weight = np.asarray(solution.x[:weights])
    return weight[index], float(np.abs(np.diff(weight.reshape(frames, count), axis=0)).sum())


def _times_power(value: float, c: float, p: float) -> float:
    """Return ``value * c ** p``, infinite where no float is that large."""
    if value == 0.0:
        return 0.0
    try:
        return float(value * c**p)
    except OverflowError:
        return math.inf
