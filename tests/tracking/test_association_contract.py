"""Every associator keeps the contract, and the contract notices who does not."""

import importlib.util
import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from isactrack.errors import ConfigError
from isactrack.testing import check_associator, enumerated_marginals
from isactrack.tracking.association import (
    MAX_RATIO,
    Association,
    Associator,
    FloatArray,
    checked_ratio,
    takes_distances,
    takes_numba,
)
from isactrack.tracking.associators import ASSOCIATORS, make_associator
from isactrack.tracking.gnn import Gnn
from isactrack.tracking.jpda import Jpda
from isactrack.tracking.pda import Pda
from isactrack.tracking.penalty import Hungarian, Penalty
from isactrack.tracking.spa import Spa

HAS_NUMBA = importlib.util.find_spec("numba") is not None
needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Gnn, id="gnn"),
        pytest.param(Pda, id="pda"),
        pytest.param(partial(Jpda, engine="numpy"), id="jpda-numpy"),
        pytest.param(partial(Jpda, engine="numba"), id="jpda-numba", marks=needs_numba),
        pytest.param(partial(Spa, engine="numpy"), id="spa-numpy"),
        pytest.param(partial(Spa, engine="numba"), id="spa-numba", marks=needs_numba),
        pytest.param(partial(Spa, rounds=1, engine="numpy"), id="spa-one-round"),
        pytest.param(Penalty, id="penalty"),
        pytest.param(Hungarian, id="hungarian"),
    ],
)
def test_contract(make: Callable[[], Associator]) -> None:
    check_associator(make)


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=needs_numba)])
def test_contract_to_convergence(engine: str) -> None:
    # A group stops later beside one that converges more slowly, so that the results differ by what the stop allows.
    check_associator(lambda: make_associator("spa", rounds=1000, tolerance=1e-9, engine=engine), tolerance=1e-6)


def _spoilt(spoil: Callable[[FloatArray, Association], Association]) -> Callable[[], Associator]:
    """Return the maker of an associator that is right but for one thing."""

    def make() -> Associator:
        def associate(ratio: FloatArray) -> Association:
            ratio = checked_ratio(ratio)
            return spoil(ratio, Jpda(engine="numpy")(ratio))

        return associate

    return make


def _blind_to_the_gate(ratio: FloatArray, _: Association) -> Association:
    return Pda()(np.maximum(ratio, 1e-3))


def _first_come_first_served(ratio: FloatArray, _: Association) -> Association:
    left = ratio.copy()
    probability = np.zeros_like(ratio)
    for k in range(ratio.shape[0]):
        if ratio.shape[1] and left[k].max() >= 1:
            h = int(left[k].argmax())
            probability[k, h] = 1.0
            left[:, h] = 0.0
    return Association(1 - probability.sum(axis=1), probability, 1 - probability.sum(axis=0))


def _shared_buffer() -> Associator:
    buffer: dict[tuple[int, ...], FloatArray] = {}

    def associate(ratio: FloatArray) -> Association:
        result = Pda()(ratio)
        kept = buffer.setdefault(ratio.shape, np.empty(ratio.shape))
        kept[:] = result.probability
        return result._replace(probability=kept)

    return associate


def _unchecked() -> Associator:
    def associate(ratio: FloatArray) -> Association:
        return Pda()(np.nan_to_num(np.abs(np.atleast_2d(ratio)), posinf=MAX_RATIO))

    return associate


class _Spoilt:
    """An associator by distance that is right but for one thing."""

    takes_distances = True

    def __init__(
        self, spoil: Callable[[FloatArray, Association], Association], make: type[Penalty | Hungarian]
    ) -> None:
        self._spoil, self._associate = spoil, make()

    def __call__(self, distance: FloatArray) -> Association:
        return self._spoil(distance, self._associate(distance))


def _soft(_: FloatArray, a: Association) -> Association:
    return Association(0.5 + 0.5 * a.missed, 0.5 * a.probability, 0.5 + 0.5 * a.free)


def _first_row_first(distance: FloatArray, a: Association) -> Association:
    probability = np.zeros_like(distance)
    left = distance.copy()
    for k in range(len(distance)):
        if left.shape[1] and left[k].min() < 1.0:
            h = int(left[k].argmin())
            probability[k, h], left[:, h] = 1.0, np.inf
    return Association(1 - probability.sum(axis=1), probability, 1 - probability.sum(axis=0))


def _anything(distance: FloatArray, _: Association) -> Association:
    return Hungarian()(np.where(np.isfinite(distance), distance, 1e3))


def _least_total_of_few(distance: FloatArray, _: Association) -> Association:
    """As many pairs as rows less one: what one group gains another loses."""
    a = Penalty()(distance)
    worst = np.where(a.probability > 0, distance, -1.0)
    if a.probability.sum() > 1:
        k, h = np.unravel_index(worst.argmax(), worst.shape)
        a.probability[k, h] = 0.0
    return Association(1 - a.probability.sum(axis=1), a.probability, 1 - a.probability.sum(axis=0))


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (_soft, "a distance of 0 does not make the pair"),
        (_first_row_first, "in another order"),
        (_anything, "beyond the gate"),
        (_least_total_of_few, "beside a group of others"),
        (lambda _, a: a._replace(free=1 - a.free), "in no gate is not free"),
    ],
)
def test_the_contract_notices_it_of_distances(
    spoil: Callable[[FloatArray, Association], Association], promise: str
) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_associator(lambda: _Spoilt(spoil, Penalty))


@pytest.mark.parametrize(
    ("make", "promise"),
    [
        (_spoilt(lambda _, a: a._replace(missed=0.9 * a.missed)), "add up to"),
        (_spoilt(lambda _, a: a._replace(missed=a.missed[:, None])), "has the shape"),
        (_spoilt(lambda _, a: a._replace(free=a.free.astype(np.float32))), "float64"),
        (_spoilt(lambda _, a: a._replace(free=2 * a.free)), "no probabilities"),
        (_spoilt(lambda _, a: a._replace(free=np.minimum(a.free, 0.5))), "is not free"),
        (_spoilt(lambda _, a: a._replace(free=a.free**2)), "in one gate is not free"),
        (_spoilt(lambda r, _: Pda()(r / max(1, r.shape[0]))), "beside a group of others"),
        (_spoilt(_blind_to_the_gate), "beyond the gate"),
        (_spoilt(_first_come_first_served), "in another order"),
        (_shared_buffer, "wrote over it"),
        (_unchecked, "a negative ratio was not refused"),
    ],
)
def test_the_contract_notices(make: Callable[[], Associator], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_associator(make)


def test_enumeration_of_two_by_two() -> None:
    a, b, c, d = 2.0, 3.0, 5.0, 7.0
    total = 1 + a + b + c + d + a * d + b * c
    result = enumerated_marginals(np.array([[a, b], [c, d]]))
    np.testing.assert_allclose(
        result.probability, np.array([[a * (1 + d), b * (1 + c)], [c * (1 + b), d * (1 + a)]]) / total, rtol=1e-14
    )
    np.testing.assert_allclose(result.missed, [(1 + c + d) / total, (1 + a + b) / total], rtol=1e-14)
    np.testing.assert_allclose(result.free, [(1 + b + d) / total, (1 + a + c) / total], rtol=1e-14)


def test_all_agree_where_each_detection_is_in_one_gate_and_the_choice_is_clear() -> None:
    ratio = np.array([[1e12, 0, 0, 0], [0, 0, 1e12, 0], [0, 0, 0, 1e-12]])
    by_ratio = [make() for make in ASSOCIATORS.values() if not takes_distances(make())]
    assert len(by_ratio) == 4
    for one, other in itertools.pairwise(by_ratio):
        for expected, found in zip(one(ratio), other(ratio), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-11)


def test_a_row_may_not_be_scaled() -> None:
    """Ratios are against "missed" and "clutter": twice the ratios is another problem, and every soft method says so."""
    ratio = np.array([[1.0, 2.0], [2.0, 1.0]])
    for name in ("pda", "jpda", "spa"):
        associate = make_associator(name)
        assert np.all(associate(2 * ratio).missed < associate(ratio).missed - 0.01)


def test_names() -> None:
    assert list(ASSOCIATORS) == ["gnn", "pda", "jpda", "spa", "penalty", "hungarian"]
    assert isinstance(make_associator("spa", rounds=3), Spa)
    with pytest.raises(ConfigError, match="no association method 'mht'") as refused:
        make_associator("mht")
    assert "gnn, pda, jpda, spa, penalty, hungarian" in refused.value.hint
    with pytest.raises(ConfigError, match="'pda' does not take rounds"):
        make_associator("pda", rounds=3)


def test_engines() -> None:
    assert not takes_numba("numpy")
    assert takes_numba("auto") is HAS_NUMBA
    with pytest.raises(ConfigError, match="no engine"):
        takes_numba("cuda")  # type: ignore[arg-type]


def test_numba_that_is_asked_for_and_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not takes_numba("auto")
    with pytest.raises(ConfigError, match="not installed") as refused:
        Spa(engine="numba")
    assert "isactrack[fast]" in refused.value.hint


def test_checked_ratio() -> None:
    ratio = np.array([[1.0, 2.0], [0.0, 3.0]])
    assert checked_ratio(ratio) is ratio
    assert checked_ratio([[1, 2]]).dtype == np.float64
    assert checked_ratio(np.array([[np.inf, 1.0]])).tolist() == [[MAX_RATIO, 1.0]]
    assert checked_ratio(np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match="negative or not a number"):
        checked_ratio(np.array([[np.nan]]))
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        checked_ratio(np.array([1.0, 2.0]))
