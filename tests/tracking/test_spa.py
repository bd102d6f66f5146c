"""Messages against explicit sums, exact marginals on trees, and how near the others come."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.errors import ConfigError
from isactrack.testing import enumerated_marginals
from isactrack.tracking.association import Association, Engine, FloatArray
from isactrack.tracking.jpda import jpda_marginals
from isactrack.tracking.spa import Spa, spa_beliefs, spa_messages

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
engines = pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=needs_numba)])


def _assert_equal(found: Association, expected: Association, atol: float = 1e-9) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def _explicit(ratio: FloatArray, rounds: int) -> tuple[FloatArray, FloatArray, Association]:
    """Return the messages and beliefs of eq. 35 and 36, each sum written out."""
    n, m = ratio.shape
    delta, v = ratio.copy(), np.ones((n, m))
    for _ in range(rounds):
        v = np.array([[1 / (1 + sum(delta[i, h] for i in range(n) if i != k)) for h in range(m)] for k in range(n)])
        delta = np.array(
            [
                [ratio[k, h] / (1 + sum(ratio[k, j] * v[k, j] for j in range(m) if j != h)) for h in range(m)]
                for k in range(n)
            ]
        )
    total = 1 + (ratio * v).sum(axis=1)
    return v, delta, Association(1 / total, ratio * v / total[:, None], 1 / (1 + delta.sum(axis=0)))


def _tree(n: int, m: int, seed: int) -> FloatArray:
    """Return ratios whose gate graph is a random forest over n tracks and m detections."""
    rng = np.random.default_rng(seed)
    group = np.arange(n + m)
    ratio = np.zeros((n, m))
    for pair in rng.permutation(n * m):
        k, h = divmod(int(pair), m)
        if group[k] != group[n + h] and rng.random() < 0.9:
            group[group == group[k]] = group[n + h]
            ratio[k, h] = 10 ** rng.uniform(-3, 3)
    return ratio


@engines
@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 5), m=st.integers(1, 6), density=st.floats(0.2, 1.0), seed=st.integers(0, 2**32 - 1))
def test_equals_the_sums_written_out(engine: Engine, n: int, m: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratio = 10 ** rng.uniform(-4, 4, (n, m)) * (rng.random((n, m)) < density)
    for rounds in (1, 2, 10):
        v, delta, beliefs = _explicit(ratio, rounds)
        _assert_equal(Spa(rounds=rounds, engine=engine)(ratio), beliefs, atol=1e-12)
        found_v, found_delta, done = spa_messages(ratio, rounds)
        np.testing.assert_allclose(found_v, v, rtol=1e-12)
        np.testing.assert_allclose(found_delta, delta, rtol=1e-12)
        assert done == rounds


@engines
@pytest.mark.parametrize("large", [1e18, 1e100, 1e300])
def test_a_large_ratio_does_not_swallow_the_others(engine: Engine, large: float) -> None:
    """The total less a large entry would leave nothing of the others, or less than nothing."""
    ratio = np.array([[large, 3.0, 0.25], [5.0, 0.5, 0.0], [0.1, 0.0, 7.0]])
    for rounds in (1, 10):
        v, delta, beliefs = _explicit(ratio, rounds)
        np.testing.assert_allclose(spa_messages(ratio, rounds)[0], v, rtol=1e-12)
        np.testing.assert_allclose(spa_messages(ratio, rounds)[1], delta, rtol=1e-12)
        _assert_equal(Spa(rounds=rounds, engine=engine)(ratio), beliefs, atol=1e-12)


@engines
@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 5), m=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_exact_on_trees(engine: Engine, n: int, m: int, seed: int) -> None:
    ratio = _tree(n, m, seed)
    exact = enumerated_marginals(ratio)
    _assert_equal(Spa(rounds=n + m, engine=engine)(ratio), exact)  # no path through a tree is longer
    _assert_equal(Spa(rounds=1000, tolerance=1e-13, engine=engine)(ratio), exact)


@engines
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_exact_on_stars_after_one_round(engine: Engine, shape: tuple[int, int]) -> None:
    ratio = 10 ** np.random.default_rng(4).uniform(-3, 3, shape)
    _assert_equal(Spa(rounds=1, engine=engine)(ratio), enumerated_marginals(ratio), atol=1e-14)


@engines
def test_exact_on_a_long_chain(engine: Engine) -> None:
    """40 tracks of which each shares a detection with the next: rounds carry news one track further each."""
    rng = np.random.default_rng(5)
    ratio = np.zeros((40, 41))
    for k in range(40):
        ratio[k, k : k + 2] = 10 ** rng.uniform(0, 3, 2)
    exact, dropped = jpda_marginals(ratio)
    assert dropped == 0
    _assert_equal(Spa(rounds=80, engine=engine)(ratio), exact)
    assert np.abs(Spa(rounds=1, engine=engine)(ratio).probability - exact.probability).max() > 1e-3


@engines
def test_how_near_dense_problems_come(engine: Engine) -> None:
    """Problems of 4 by 4, ratios from 0.1 to 1000: cycles cost up to a third, and 10 rounds little beside that."""
    rng = np.random.default_rng(6)
    to_exact, to_rest = [], []
    rest, paper = Spa(rounds=10_000, tolerance=1e-12, engine=engine), Spa(engine=engine)
    for _ in range(300 if engine == "numba" else 80):
        ratio = 10 ** rng.uniform(-1, 3, (4, 4))
        resting = rest(ratio)
        to_exact.append(np.abs(resting.probability - enumerated_marginals(ratio).probability).max())
        to_rest.append(np.abs(paper(ratio).probability - resting.probability).max())
        np.testing.assert_allclose(resting.free + resting.probability.sum(axis=0), 1.0, atol=1e-6)
    assert 0.02 < np.median(to_exact) < 0.12
    assert 0.1 < np.max(to_exact) < 0.45
    assert np.median(to_rest) < 2e-3
    assert np.max(to_rest) < 0.2


@engines
def test_beliefs_at_rest_obey_both_sides(engine: Engine) -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        ratio = 10 ** rng.uniform(-2, 2, (5, 7)) * (rng.random((5, 7)) < 0.6)
        result = Spa(rounds=10_000, tolerance=1e-13, engine=engine)(ratio)
        np.testing.assert_allclose(result.free, 1 - result.probability.sum(axis=0), atol=1e-9)


def test_rounds_end_when_all_is_still() -> None:
    rng = np.random.default_rng(8)
    ratio = 10 ** rng.uniform(-1, 2, (4, 5))
    v, delta, done = spa_messages(ratio, 1000, 1e-10)
    assert 5 < done < 200
    longer = spa_messages(ratio, done + 50)
    _assert_equal(spa_beliefs(ratio, v, delta), spa_beliefs(ratio, longer[0], longer[1]), atol=1e-8)
    earlier = [spa_beliefs(ratio, *spa_messages(ratio, rounds)[:2]) for rounds in (done - 2, done - 1)]
    assert max(np.abs(a - b).max() for a, b in zip(*earlier, strict=True)) > 1e-10


@needs_numba
def test_engines_end_after_the_same_round() -> None:
    from isactrack.tracking.association_numba import spa_core

    rng = np.random.default_rng(9)
    for _ in range(30):
        n, m = rng.integers(1, 8, 2)
        ratio = 10 ** rng.uniform(-2, 3, (n, m)) * (rng.random((n, m)) < 0.7)
        v, delta, done = spa_messages(ratio, 300, 1e-8)
        result = Association(np.empty(n), np.empty((n, m)), np.empty(m))
        assert spa_core(ratio, 300, 1e-8, *result) == done
        _assert_equal(result, spa_beliefs(ratio, v, delta), atol=1e-12)


@needs_numba
@pytest.mark.slow
def test_the_core_is_called_from_compiled_code() -> None:
    from numba import njit

    from isactrack.tracking.association_numba import spa_core

    @njit()
    def twice(ratio: FloatArray, missed: FloatArray, probability: FloatArray, free: FloatArray) -> int:
        return spa_core(ratio, 10, 0.0, missed, probability, free) + spa_core(
            2 * ratio, 10, 0.0, missed, probability, free
        )

    ratio = np.array([[1.0, 2.0], [3.0, 4.0]])
    result = Association(np.empty(2), np.empty((2, 2)), np.empty(2))
    assert twice(ratio, *result) == 20
    _assert_equal(result, Spa(engine="numpy")(2 * ratio), atol=1e-14)


def test_options_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="0 rounds"):
        Spa(rounds=0)
    for tolerance in (-1.0, float("nan")):
        with pytest.raises(ConfigError, match="tolerance"):
            Spa(tolerance=tolerance)
