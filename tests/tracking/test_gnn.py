"""The assignment, and the most probable joint event, against all there are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.tracking.association import FloatArray
from isactrack.tracking.gnn import Gnn, associate

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


def _weight(ratio: FloatArray, columns: tuple[int, ...]) -> float:
    taken = [column for column in columns if column >= 0]
    if len(set(taken)) < len(taken):
        return 0.0
    return float(np.prod([ratio[row, column] for row, column in enumerate(columns) if column >= 0]))


@settings(max_examples=150, deadline=None)
@given(n=st.integers(0, 4), m=st.integers(0, 4), density=st.floats(0.2, 1.0), seed=st.integers(0, 2**32 - 1))
def test_no_joint_event_is_more_probable(n: int, m: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratio = 10 ** rng.uniform(-2, 2, (n, m)) * (rng.random((n, m)) < density)
    result = Gnn()(ratio)
    assert set(np.unique(np.concatenate([a.ravel() for a in result]))) <= {0.0, 1.0}
    assert np.all(result.probability[ratio < 1] == 0)
    picked = tuple(int(np.argmax(row)) if row.any() else -1 for row in result.probability)
    best = max(_weight(ratio, columns) for columns in product(range(-1, m), repeat=n))
    assert _weight(ratio, picked) == pytest.approx(best)


def test_a_pair_that_is_less_probable_than_a_miss_is_not_made() -> None:
    assert Gnn()(np.array([[0.999]])).missed.tolist() == [1.0]
    assert Gnn()(np.array([[1.001]])).missed.tolist() == [0.0]
    # The second track would take its only detection, but the first one gains more from it.
    assert Gnn()(np.array([[9.0, 0.5], [8.0, 0.0]])).probability.tolist() == [[1.0, 0.0], [0.0, 0.0]]
