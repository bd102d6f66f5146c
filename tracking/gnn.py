"""Global nearest neighbour: the one assignment of detections to tracks that costs least in total."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from isactrack.tracking.association import Association, FloatArray, checked_ratio


def associate(cost: NDArray[np.float64], gate: float) -> NDArray[np.intp]:
    """Assign at most one column to each row and one row to each column at the least total cost.

    A pair costs its entry of `cost`, a row that stays alone costs `gate`; pairs above the gate are never made. A gate
    above every cost times the number of rows therefore makes as many pairs as there can be.

    Parameters
    ----------
    cost
        Costs (n, m), tracks by detections; infinite for pairs that are ruled out. May be negative.
    gate
        Cost of a row without a column, finite.

    Returns
    -------
    ndarray
        Column (n,) of each row, -1 where it has none.
    """
    assignment = np.full(cost.shape[0], -1, dtype=np.intp)
    # Pairs at the price of a miss fill up the matrix, so the rectangular problem needs no dummy columns: the totals of
    # all its solutions differ from the real ones by the same constant.
    allowed = cost <= gate
    rows, columns = linear_sum_assignment(np.where(allowed, cost, gate))
    made = allowed[rows, columns]
    assignment[rows[made]] = columns[made]
    return assignment


class Gnn:
    """Associator that picks the most probable joint event: probabilities are 0 or 1.

    The probability of a joint event is proportional to the product of the likelihood ratios of its pairs, so that the
    best one is the assignment of least total ``-log ratio`` in which a track costs nothing when it stays alone. A pair
    whose ratio is below 1 is therefore never made, however near it is: the track is more probably missed. Of equally
    probable events any may be picked.

    Examples
    --------
    >>> Gnn()(np.array([[9.0, 4.0], [8.0, 0.5]])).probability
    array([[0., 1.],
           [1., 0.]])
    """

    def __call__(self, ratio: FloatArray) -> Association:
        """Associate likelihood ratios (n, m); see `isactrack.tracking.association`."""
        ratio = checked_ratio(ratio)
        cost = np.full(ratio.shape, np.inf)
        np.negative(np.log(ratio, out=cost, where=ratio > 0), out=cost, where=ratio > 0)
        probability = np.zeros(ratio.shape)
        if ratio.size:
            columns = associate(cost, 0.0)
            rows = np.flatnonzero(columns >= 0)
            probability[rows, columns[rows]] = 1.0
        return Association(1.0 - probability.sum(axis=1), probability, 1.0 - probability.sum(axis=0))
