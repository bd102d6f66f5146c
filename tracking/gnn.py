"""Global nearest neighbour: the one assignment of detections to tracks that costs least in total."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


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
