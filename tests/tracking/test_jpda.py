"""Exact marginals against enumeration, laws they obey at any size, and what the bound of the states costs."""

import importlib.util
import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.errors import ConfigError
from isactrack.testing import enumerated_marginals
from isactrack.tracking.association import Association, Engine, FloatArray
from isactrack.tracking.jpda import (
    Jpda,
    component_marginals,
    elimination_sweep,
    gate_components,
    jpda_marginals,
    sweep_marginals,
)

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
ENGINES = ["numpy", pytest.param("numba", marks=needs_numba)]
engines = pytest.mark.parametrize("engine", ENGINES)


def _sparse(n: int, m: int, density: float, seed: int, exponent: float = 3.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return 10 ** rng.uniform(-exponent, exponent, (n, m)) * (rng.random((n, m)) < density)


def _line_abreast(n: int, reach: int, seed: int) -> FloatArray:
    """Return ratios of n tracks of which each reaches `reach` detections that its neighbours reach too."""
    rng = np.random.default_rng(seed)
    ratio = np.zeros((n, n + reach - 1))
    for k in range(n):
        ratio[k, k : k + reach] = 10 ** rng.uniform(-1, 3, reach)
    return ratio


def _assert_equal(found: Association, expected: Association, atol: float = 1e-9) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@engines
@settings(max_examples=150, deadline=None)
@given(n=st.integers(0, 5), m=st.integers(0, 6), density=st.floats(0.1, 1.0), seed=st.integers(0, 2**32 - 1))
def test_equals_enumeration(engine: Engine, n: int, m: int, density: float, seed: int) -> None:
    ratio = _sparse(n, m, density, seed)
    jpda = Jpda(engine=engine)
    _assert_equal(jpda(ratio), enumerated_marginals(ratio))
    assert (jpda.truncated, jpda.dropped) == (0, 0.0)


@engines
@pytest.mark.parametrize(("n", "m"), [(5, 6), (6, 5), (5, 5), (1, 6), (6, 1), (3, 8)])
def test_equals_enumeration_where_all_reach_all(engine: Engine, n: int, m: int) -> None:
    for seed in range(3):
        ratio = _sparse(n, m, 1.0, seed)
        _assert_equal(Jpda(engine=engine)(ratio), enumerated_marginals(ratio))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_of_elimination_changes_nothing(order: tuple[int, ...]) -> None:
    ratio = _sparse(4, 5, 0.6, 11)
    log_ratio = np.log(ratio, out=np.full(ratio.shape, -np.inf), where=ratio > 0)
    probability, dropped = sweep_marginals(log_ratio, list(order), 10**6)
    np.testing.assert_allclose(probability, enumerated_marginals(ratio).probability, rtol=0, atol=1e-12)
    assert dropped == 0


@engines
@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), m=st.integers(1, 12), density=st.floats(0.1, 0.6), seed=st.integers(0, 2**32 - 1))
def test_marginals_are_consistent(engine: Engine, n: int, m: int, density: float, seed: int) -> None:
    ratio = _sparse(n, m, density, seed)
    result = Jpda(engine=engine)(ratio)
    np.testing.assert_allclose(result.missed + result.probability.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(result.free + result.probability.sum(axis=0), 1.0, atol=1e-12)
    turned = Jpda(engine=engine)(ratio.T)
    np.testing.assert_allclose(turned.probability.T, result.probability, atol=1e-12)
    np.testing.assert_allclose(turned.free, result.missed, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1e-3, 1e3))
def test_the_odds_of_a_pair_are_linear_in_its_ratio(seed: int, factor: float) -> None:
    """All events with the pair have its ratio as a factor, and the others do not know it; at any size."""
    ratio = _line_abreast(9, 4, seed)
    k, h = 4, 5
    before = jpda_marginals(ratio)[0].probability[k, h]
    ratio[k, h] *= factor
    after = jpda_marginals(ratio)[0].probability[k, h]
    assert after / (1 - after) == pytest.approx(factor * before / (1 - before), rel=1e-6)


@engines
def test_ratios_of_any_size(engine: Engine) -> None:
    # Two detections for four tracks that are all certain to be seen: each takes one half of the time, for symmetry.
    result = Jpda(engine=engine)(np.full((4, 2), 1e300))
    np.testing.assert_allclose(result.probability, 0.25, atol=1e-9)
    np.testing.assert_allclose(result.free, 0.0, atol=1e-9)
    # Chains of choices whose weights differ by 600 orders of magnitude on the way and by a factor of 2 in the end.
    ratio = np.array([[1e300, 2e-300, 0.0], [1e300, 0.0, 1e-300], [0.0, 1e300, 1e300]])
    result = Jpda(engine=engine)(ratio)
    np.testing.assert_allclose(result.probability[:, 0], [0.5, 0.5, 0.0], atol=1e-9)
    np.testing.assert_allclose(result.probability[2], [0.0, 0.5, 0.5], atol=1e-9)
    rng = np.random.default_rng(8)
    for _ in range(20):
        result = Jpda(engine=engine)(10 ** rng.uniform(-300, 300, (6, 7)))
        assert all(np.all(np.isfinite(values)) for values in result)


@engines
def test_a_component_of_more_detections_than_bits_in_a_word(engine: Engine) -> None:
    ratio = _line_abreast(90, 3, 1)
    jpda = Jpda(engine=engine)
    result = jpda(ratio)
    assert jpda.truncated == 0
    # Two sweeps in opposite directions meet in the same marginals.
    log_ratio = np.log(ratio, out=np.full(ratio.shape, -np.inf), where=ratio > 0)
    backwards, _ = sweep_marginals(log_ratio, list(range(89, -1, -1)), 10**6)
    np.testing.assert_allclose(result.probability, backwards, atol=1e-10)


@engines
def test_a_frontier_of_more_detections_than_bits_in_a_word(engine: Engine) -> None:
    """Two tracks that both reach 70 detections need few states, but of two words in one direction."""
    ratio = _sparse(2, 70, 1.0, 3)
    log_ratio = np.log(ratio)
    by_rows, dropped = sweep_marginals(log_ratio, [0, 1], 10**6)
    assert dropped == 0
    a, b = ratio
    total = 1 + a.sum() + b.sum() + a.sum() * b.sum() - a @ b
    expected = a * (1 + b.sum() - b) / total
    np.testing.assert_allclose(by_rows[0], expected, atol=1e-12)
    np.testing.assert_allclose(Jpda(engine=engine)(ratio).probability[0], expected, atol=1e-12)
    np.testing.assert_allclose(component_marginals(log_ratio)[0][0], expected, atol=1e-12)


@engines
def test_states_that_are_dropped_are_told(engine: Engine) -> None:
    ratio = _sparse(6, 6, 1.0, 5)
    exact = enumerated_marginals(ratio)
    errors = []
    for max_states in (1, 4, 16, 63, 64):
        jpda = Jpda(max_states=max_states, engine=engine)
        result = jpda(ratio)
        assert jpda.truncated == (max_states < 63)
        assert (jpda.dropped > 0) == (max_states < 63)
        np.testing.assert_allclose(result.missed + result.probability.sum(axis=1), 1.0, atol=1e-12)
        errors.append(np.abs(result.probability - exact.probability).max())
    assert errors[-1] < 1e-12
    assert errors[0] > 0.01
    assert errors[2] < errors[0]


@engines
def test_states_that_are_equally_probable_are_dropped_too(engine: Engine) -> None:
    result = Jpda(max_states=5, engine=engine)(np.ones((6, 6)))
    np.testing.assert_allclose(result.missed + result.probability.sum(axis=1), 1.0, atol=1e-12)


@engines
def test_the_estimate_of_what_was_dropped_is_near(engine: Engine) -> None:
    """Over many problems the errors stay below the probability that is said to be dropped, most of the time."""
    within = []
    for seed in range(40):
        ratio = _sparse(7, 7, 1.0, seed, exponent=1.5)
        jpda = Jpda(max_states=25, engine=engine)
        error = np.abs(jpda(ratio).probability - Jpda(engine=engine)(ratio).probability).max()
        within.append(error <= jpda.dropped)
    assert np.mean(within) > 0.8


@needs_numba
def test_engines_drop_the_same_states() -> None:
    for seed in range(5):
        ratio = _sparse(9, 9, 0.8, seed)
        one, other = (Jpda(max_states=20, engine=engine) for engine in ("numpy", "numba"))
        _assert_equal(one(ratio), other(ratio), atol=1e-12)
        assert one.dropped == pytest.approx(other.dropped, rel=1e-9)


@engines
def test_no_input_takes_for_ever(engine: Engine) -> None:
    """40 tracks that all reach 70 detections: more than 10**50 joint events."""
    jpda = Jpda(max_states=50, engine=engine)
    begin = time.perf_counter()
    result = jpda(_sparse(40, 70, 1.0, 6))
    assert time.perf_counter() - begin < 20  # takes 0.1 s
    assert jpda.truncated == 1
    np.testing.assert_allclose(result.missed + result.probability.sum(axis=1), 1.0, atol=1e-9)


def test_up_to_twelve_tracks_are_exact_by_default() -> None:
    for shape in ((12, 12), (12, 16), (16, 12)):
        _, dropped = jpda_marginals(_sparse(*shape, 1.0, 7))
        assert dropped == 0


def test_components() -> None:
    assert sorted(gate_components([0b0011, 0b0100, 0b0110, 0b0000, 0b1000])) == [[0, 1, 2], [3], [4]]
    assert gate_components([]) == []


def test_line_abreast_needs_few_states_in_any_order_of_the_tracks() -> None:
    rng = np.random.default_rng(9)
    gates = [0b1111 << k for k in range(30)]
    shuffled = [gates[k] for k in rng.permutation(30)]
    sweep = elimination_sweep(shuffled)
    assert sorted(sweep.order) == list(range(30))
    assert sweep.peak_states <= 64


def test_a_bound_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 states"):
        Jpda(max_states=0)
