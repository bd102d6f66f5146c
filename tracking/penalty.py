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

    Two people who cross are one detection for a moment. In the paper one of their tracks gets it, is drawn to the
    middle of both, and the other one is without. With `shared_m` the other one shares it: each of them made it with
    probability one half, so that both are drawn by half and neither is missed.

    Parameters
    ----------
    threshold_m
        d_th, largest distance of a pair.
    penalty_m
        d_p, what a pair beyond it costs; not less than the threshold.
    shared_m
        A track without a detection shares the nearest one that another track took, if it is within this distance; 0,
        as in the paper, shares none.

    Raises
    ------
    ConfigError
        If the penalty is below the threshold, one of them is not positive and finite, or `shared_m` is beyond the
        threshold or negative.

    Examples
    --------
    >>> Penalty()(np.array([[0.2, 0.9], [3.0, 1.4]])).probability
    array([[1., 0.],
           [0., 0.]])
    """

    takes_distances: Final = True

    def __init__(self, threshold_m: float = 1.0, penalty_m: float = 1000.0, shared_m: float = 0.0) -> None:
        if not 0.0 < threshold_m <= penalty_m < math.inf:
            raise ConfigError(
                f"the threshold is {threshold_m} m and the penalty {penalty_m} m",
                "give 0 < threshold <= penalty; the paper has 1 m and 1000 m",
            )
        if not 0.0 <= shared_m <= threshold_m:
            raise ConfigError(f"detections are shared up to {shared_m} m", f"give 0 to {threshold_m}, the threshold")
        self.threshold_m, self.penalty_m, self.shared_m = threshold_m, penalty_m, shared_m

    def __call__(self, distance_m: FloatArray) -> Association:
        """Associate distances (n, m); see `isactrack.tracking.association`."""
        distance = checked_distance(distance_m)
        near = distance <= self.threshold_m
        association = _hard(np.where(near, distance, self.penalty_m), near)
        return _shared(association, distance, self.shared_m) if self.shared_m > 0.0 else association


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


def _shared(association: Association, distance_m: FloatArray, limit_m: float) -> Association:
    """Let each track that is missed share the nearest detection within `limit_m` that another one took."""
    taken = np.where(association.free > 0.0, np.inf, distance_m)
    rows = np.flatnonzero((association.missed > 0.0) & np.any(taken <= limit_m, axis=1))
    if not rows.size:
        return association
    probability = association.probability.copy()
    columns = np.argmin(taken[rows], axis=1)
    probability[rows, columns] = 1.0
    # Whoever takes part in it made the detection with probability one half.
    probability[:, np.unique(columns)] *= 0.5
    return Association(1.0 - probability.sum(axis=1), probability, association.free)


def _hard(cost: FloatArray, allowed: NDArray[np.bool_]) -> Association:
    """Return the full assignment of least total cost without its pairs that are not allowed."""
    probability = np.zeros(cost.shape)
    rows, columns = linear_sum_assignment(cost)
    made = allowed[rows, columns]
    probability[rows[made], columns[made]] = 1.0
    return Association(1.0 - probability.sum(axis=1), probability, 1.0 - probability.sum(axis=0))
