"""OSPA, labelled OSPA and their Monte Carlo mean: how far a set of tracks is from the set of targets.

Every result names the order p and the cut-off c that it was computed with; numbers of different ones cannot be
compared.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.special import stdtrit

from isactrack.errors import ConfigError
from isactrack.tracking.metrics_sets import Base, LabelledSet, Scans, pair_distances, require_same_length

FloatArray = NDArray[np.float64]

_HIGH_ORDER = 8.0
"""Orders above this could take distances of a millionth of the cut-off below the smallest float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OspaSettings:
    """All parameters of OSPA and of labelled OSPA; the paper prints none of them.

    The defaults are those of the code that the authors of mnomp-spa-kf published, and the figures here are re-run with
    them.

    Attributes
    ----------
    order
        Order p, 1 or more; infinity is allowed.
    cutoff
        Cut-off c, in the unit of the base distance: what a point without a partner costs.
    label_penalty
        Cost alpha of a wrong label, 0 to `cutoff`. 0 is plain OSPA, `cutoff` makes a wrong label as dear as a miss.
    label_order
        Order p' in which distance and label penalty are added; infinity takes the larger.
    base
        What distances are taken of: the position, or the whole state with metres and metres a second added alike.
    """

    order: float = 2.0
    cutoff: float = 10.0
    label_penalty: float = 1.0
    label_order: float = 2.0
    base: Base = "state"

    def __post_init__(self) -> None:
        require_order(self.order, self.cutoff, infinite=True)
        require_order(self.label_order, self.cutoff, infinite=True)
        if not 0.0 <= self.label_penalty <= self.cutoff:
            raise ConfigError(
                f"the label penalty is {self.label_penalty}, the cut-off {self.cutoff}",
                "give 0 <= label penalty <= cut-off: a wrong label cannot cost more than a miss",
            )

    def __str__(self) -> str:
        parts = [f"p = {self.order:g}", f"c = {self.cutoff:g}"]
        if self.label_penalty:
            parts += [f"p' = {self.label_order:g}", f"alpha = {self.label_penalty:g}"]
        return ", ".join([*parts, f"of the {self.base}"])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Mospa:
    """Mean OSPA over Monte Carlo trials.

    Attributes
    ----------
    per_scan
        Mean over the trials at each instant (T,).
    time_average
        Mean of `per_scan` over the instants.
    half_width
        Half the width of the interval of `confidence` of `time_average`, from Student's t over the trials' own time
        averages; NaN for a single trial.
    trials, confidence
        Number of trials, and the probability of the interval.
    settings
        Parameters of the distances.
    """

    per_scan: FloatArray
    time_average: float
    half_width: float
    trials: int
    confidence: float
    settings: OspaSettings


def ospa(X: ArrayLike, Y: ArrayLike, p: float, c: float) -> float:
    """Return the optimal sub-pattern assignment distance (Schuhmacher, Vo and Vo 2008, eq. 3 and 4).

    The assignment minimises the sum of the p-th powers of the cut-off distances, not of the distances; at infinite
    order it minimises the largest one.

    Parameters
    ----------
    X, Y
        Points (m, d) and (n, d), metres; empty sets of any shape of size 0.
    p
        Order, 1 or more; infinity is allowed.
    c
        Cut-off, metres: the cost of a point without a partner.

    Returns
    -------
    float
        Between 0 and `c`, metres; 0 if both are empty, `c` if one is.

    Raises
    ------
    ConfigError
        If p or c are out of range.
    """
    require_order(p, c, infinite=True)
    return _ospa_of(pair_distances(X, Y), p, c)


def labelled_ospa(X: LabelledSet, Y: LabelledSet, settings: OspaSettings | None = None) -> float:
    """Return the labelled OSPA distance of two sets whose labels can be compared (mnomp-spa-kf eq. 46).

    The base distance of two labelled states is ``(d^p' + (alpha [labels differ])^p')^(1/p')`` with the Euclidean d
    (Ristic, Vo, Clark and Vo 2011, eq. 8 to 10). The labels of a tracker are its own: `assign_labels` finds out which
    target each of them stands for.

    Raises
    ------
    ConfigError
        If a velocity is needed and not known.
    """
    settings = settings or OspaSettings()
    distance = pair_distances(X.points(settings.base), Y.points(settings.base))
    differ = X.label[:, None] != Y.label[None, :]
    return _ospa_of(
        _with_label_penalty(distance, differ, settings.label_penalty, settings.label_order),
        settings.order,
        settings.cutoff,
    )


def assign_labels(estimates: Scans, truths: Scans, settings: OspaSettings | None = None) -> dict[int, int]:
    """Return which target each label of a tracker stands for, one assignment over the whole scenario.

    The assignment minimises the sum over all instants of ``min(c, d)``, where an instant at which one of the two is
    missing counts c (Ristic et al. 2011, section IV). One at which both are missing counts c too, so that a pair is
    judged by the time that they spend together and not by how long its target lives; pairs that never come closer than
    c are not made.

    Parameters
    ----------
    estimates, truths
        Tracks and targets, a set for each instant.
    settings
        Cut-off and base distance; None for the defaults.

    Returns
    -------
    dict
        Target of each track that has one.

    Raises
    ------
    ConfigError
        If a velocity is needed and not known, or the lengths differ.
    """
    settings = settings or OspaSettings()
    require_same_length(estimates, truths)
    tracks, targets = _labels(estimates), _labels(truths)
    together = np.zeros((tracks.size, targets.size))
    for estimate, truth in zip(estimates, truths, strict=True):
        distance = pair_distances(estimate.points(settings.base), truth.points(settings.base))
        rows, columns = np.searchsorted(tracks, estimate.label), np.searchsorted(targets, truth.label)
        together[np.ix_(rows, columns)] += settings.cutoff - np.minimum(distance, settings.cutoff)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return {
        int(tracks[row]): int(targets[column])
        for row, column in zip(rows, columns, strict=True)
        if together[row, column] > 0.0
    }


def ospa_over_time(estimates: Scans, truths: Scans, settings: OspaSettings | None = None) -> FloatArray:
    """Return the labelled OSPA distance (T,) of tracks and targets at each instant, plain OSPA for a penalty of 0.

    Labels are assigned once for the whole scenario (`assign_labels`); a track without a target differs from all.

    Raises
    ------
    ConfigError
        If a velocity is needed and not known, or the lengths differ.
    """
    settings = settings or OspaSettings()
    require_same_length(estimates, truths)
    target_of = assign_labels(estimates, truths, settings) if settings.label_penalty else {}
    distances = np.empty(len(truths))
    for index, (estimate, truth) in enumerate(zip(estimates, truths, strict=True)):
        distance = pair_distances(estimate.points(settings.base), truth.points(settings.base))
        if settings.label_penalty:
            differ = np.array(
                [[target_of.get(int(track)) != int(target) for target in truth.label] for track in estimate.label],
                dtype=np.bool_,
            ).reshape(distance.shape)
            distance = _with_label_penalty(distance, differ, settings.label_penalty, settings.label_order)
        distances[index] = _ospa_of(distance, settings.order, settings.cutoff)
    return distances


def mospa(distances: ArrayLike, settings: OspaSettings, confidence: float = 0.95) -> Mospa:
    """Return the mean over Monte Carlo trials of OSPA distances, scan by scan and over time.

    Parameters
    ----------
    distances
        OSPA of each trial and instant (trials, T): the distances themselves are averaged, not their powers.
    settings
        The parameters that they were computed with.
    confidence
        Probability of the interval of the time average.

    Raises
    ------
    ConfigError
        If there are none.
    """
    values = np.asarray(distances, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ConfigError(
            f"OSPA distances of shape {values.shape}", "give those of every trial and instant (trials, T)"
        )
    per_trial, trials = values.mean(axis=1), len(values)
    half_width = math.nan
    if trials > 1:
        quantile = float(stdtrit(trials - 1, 0.5 + 0.5 * confidence))
        half_width = quantile * float(per_trial.std(ddof=1)) / math.sqrt(trials)
    return Mospa(
        per_scan=values.mean(axis=0),
        time_average=float(per_trial.mean()),
        half_width=half_width,
        trials=trials,
        confidence=confidence,
        settings=settings,
    )


def require_order(p: float, c: float, infinite: bool = False) -> None:
    """Raise ConfigError unless ``p >= 1`` and ``c > 0``, finite but for p if `infinite`."""
    if not (p >= 1.0 and (math.isfinite(p) or infinite)):
        order = "an order of 1 or more" if infinite else "a finite order of 1 or more"
        raise ConfigError(f"the order p of the metric is {p}", f"give {order}, usually 1 or 2")
    if not (math.isfinite(c) and c > 0.0):
        raise ConfigError(f"the cut-off c of the metric is {c}", "give a positive distance in metres")


def _ospa_of(distance: FloatArray, p: float, c: float) -> float:
    """Return OSPA from the distances (m, n) of all pairs."""
    smaller, larger = sorted(distance.shape)
    if larger == 0:
        return 0.0
    scaled = np.minimum(distance / c, 1.0)  # in units of the cut-off: no overflow at high orders
    if math.isinf(p):
        return float(c * _bottleneck(scaled)) if smaller == larger else c
    scale = 1.0
    if smaller == larger and p > _HIGH_ORDER:
        # All terms may be too small for a float; the largest of the best assignment is not, and nothing dearer than
        # all of its terms together is ever chosen.
        scale = _bottleneck(scaled)
        if scale == 0.0:
            return 0.0
        scaled = np.minimum(scaled / scale, (larger + 1.0) ** (1.0 / p))
    power = scaled**p
    rows, columns = linear_sum_assignment(power)
    return float(c * scale * ((power[rows, columns].sum() + larger - smaller) / larger) ** (1.0 / p))


def _bottleneck(cost: FloatArray) -> float:
    """Return the largest cost of the assignment (n, n) whose largest cost is least, by bisection over the costs."""
    values = np.unique(cost)
    low, high = 0, values.size - 1
    while low < high:
        middle = (low + high) // 2
        partner = maximum_bipartite_matching(csr_array(cost <= values[middle]), perm_type="column")
        if np.all(partner >= 0):
            high = middle
        else:
            low = middle + 1
    return float(values[low])


def _with_label_penalty(distance: FloatArray, differ: NDArray[np.bool_], alpha: float, p: float) -> FloatArray:
    """Return ``(d^p + (alpha [labels differ])^p)^(1/p)``."""
    penalty = np.where(differ, alpha, 0.0)
    largest = np.maximum(distance, penalty)
    if math.isinf(p):
        return largest
    scale = np.where(largest > 0.0, largest, 1.0)  # no overflow at high orders
    return np.asarray(scale * ((distance / scale) ** p + (penalty / scale) ** p) ** (1.0 / p))


def _labels(scans: Scans) -> NDArray[np.int64]:
    """Return all labels, ascending."""
    return np.unique(np.concatenate([scan.label for scan in scans])) if len(scans) else np.zeros(0, dtype=np.int64)
