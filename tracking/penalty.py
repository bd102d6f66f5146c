"""Association by distance: the Hungarian algorithm with a penalty, and without (indoor-multi-person-isac-26ghz).

Both assign detections to tracks so that the sum of the distances between predicted and detected positions is least.
The plain one makes as many pairs as there can be, so that a track whose target is not seen is forced onto whatever
else is. The one with a penalty gives such a track up instead: it has no detection, and its prediction stands.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from isactrack.errors import ConfigError
from isactrack.tracking.association import Association, FloatArray, checked_distance


class Penalty:
    """Associator of eq. 10-11: distances above a threshold cost a penalty, and what was paired at it is parted again.

    With a penalty far above the threshold, as in the paper, there are as many pairs within the threshold as there can
    be, and of all such assignments the one of least total distance is made. With a smaller one a pair may be given
    up where that spares the others more than the penalty.

    Parameters
    ----------
    threshold_m
        d_th, largest distance of a pair.
    penalty_m
        d_p, what a pair beyond it costs; not less than the threshold.

    Raises
    ------
    ConfigError
        If the penalty is below the threshold, or one of them is not positive and finite.

    Examples
    --------
    >>> Penalty()(np.array([[0.2, 0.9], [3.0, 1.4]])).probability
    array([[1., 0.],
           [0., 0.]])
    """

    takes_distances: Final = True

    def __init__(self, threshold_m: float = 1.0, penalty_m: float = 1000.0) -> None:
        if not 0.0 < threshold_m <= penalty_m < math.inf:
            raise ConfigError(
                f"the threshold is {threshold_m} m and the penalty {penalty_m} m",
                "give 0 < threshold <= penalty; the paper has 1 m and 1000 m",
            )
        self.threshold_m, self.penalty_m = threshold_m, penalty_m

    def __call__(self, distance_m: FloatArray) -> Association:
        """Associate distances (n, m); see `isactrack.tracking.association`."""
        distance = checked_distance(distance_m)
        near = distance <= self.threshold_m
        return _hard(np.where(near, distance, self.penalty_m), near)


class Hungarian:
    """Associator that makes as many pairs as there can be at the least total distance: what `Penalty` improves on.

    Only a pair that is ruled out (at an infinite distance) is never made.

    Examples
    --------
    >>> Hungarian()(np.array([[0.2, 0.9], [3.0, 1.4]])).probability
    array([[1., 0.],
           [0., 1.]])
    """

    takes_distances: Final = True

    def __call__(self, distance_m: FloatArray) -> Association:
        """Associate distances (n, m); see `isactrack.tracking.association`."""
        distance = checked_distance(distance_m)
        allowed = np.isfinite(distance)
        if allowed.all():
            return _hard(distance, allowed)
        # One pair that is ruled out costs more than all others together, so none is made that need not be.
        dear = 1.0 + 2.0 * min(distance.shape) * float(np.max(distance, initial=0.0, where=allowed))
        return _hard(np.where(allowed, distance, dear), allowed)


def _hard(cost: FloatArray, allowed: NDArray[np.bool_]) -> Association:
    """Return the full assignment of least total cost without its pairs that are not allowed."""
    probability = np.zeros(cost.shape)
    rows, columns = linear_sum_assignment(cost)
    made = allowed[rows, columns]
    probability[rows[made], columns[made]] = 1.0
    return Association(1.0 - probability.sum(axis=1), probability, 1.0 - probability.sum(axis=0))


def with_shared(
    association: Association, distance_m: FloatArray, may: NDArray[np.bool_], limit_m: float
) -> Association:
    """Let tracks that are left without a detection share the nearest one that another track took.

    Two people who cross are one detection for a moment. One of their tracks gets it and is drawn to the middle of both,
    the other one is without. Here each of them made it with probability one half: both are drawn by half, and neither
    is missed. This is not in the paper.

    Parameters
    ----------
    association
        Who made what (n tracks, m detections), each probability 0 or 1.
    distance_m
        Distances (n, m) between predictions and detections, m.
    may
        Which tracks (n,) may share.
    limit_m
        Largest distance of a detection that is shared.
    """
    taken = np.where(association.free > 0.0, np.inf, distance_m)
    rows = np.flatnonzero(may & (association.missed > 0.0) & np.any(taken <= limit_m, axis=1))
    if not rows.size:
        return association
    probability = association.probability.copy()
    columns = np.argmin(taken[rows], axis=1)
    probability[rows, columns] = 1.0
    probability[:, np.unique(columns)] *= 0.5
    return Association(1.0 - probability.sum(axis=1), probability, association.free)
