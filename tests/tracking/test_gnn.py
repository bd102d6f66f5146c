"""The assignment against all assignments there are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.tracking.gnn import associate

INF = float("inf")


def _total(cost: NDArray[np.float64], gate: float, columns: tuple[int, ...]) -> float:
    taken = [column for column in columns if column >= 0]
    if len(set(taken)) < len(taken):
        return INF
    return sum(
        gate if column < 0 else (cost[row, column] if cost[row, column] <= gate else INF)
        for row, column in enumerate(columns)
    )


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(0, 4),
    m=st.integers(0, 4),
    gate=st.floats(-2.0, 12.0),
    barred=st.floats(0.0, 0.6),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_assignment_costs_less(n: int, m: int, gate: float, barred: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((n, m)) < barred, INF, rng.uniform(-5.0, 15.0, (n, m)))
    best = min(_total(cost, gate, columns) for columns in product(range(-1, m), repeat=n))
    assert _total(cost, gate, tuple(associate(cost, gate).tolist())) == pytest.approx(best)


@pytest.mark.parametrize(
    ("cost", "gate", "expected"),
    [
        ([[1.0, 2.0], [1.5, 9.0]], 10.0, [1, 0]),  # the nearest pair is not part of the best assignment
        ([[1.0, 2.0], [1.5, 9.0]], 3.0, [1, 0]),
        ([[1.0], [2.0]], 5.0, [0, -1]),  # more tracks than detections
        ([[5.1]], 5.0, [-1]),
        ([[5.0]], 5.0, [0]),
        ([[INF, INF]], 5.0, [-1]),
    ],
)
def test_table(cost: list[list[float]], gate: float, expected: list[int]) -> None:
    assert associate(np.array(cost), gate).tolist() == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    assert associate(np.zeros(shape), 1.0).tolist() == [-1] * shape[0]
