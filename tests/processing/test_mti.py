"""Clutter filters: what they are in closed form, what they remember, and their blind speeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from isactrack.drivers.bistatic.profile import stagger_pattern
from isactrack.errors import ConfigError
from isactrack.processing.mti import (
    WARM_UP_BLOCKS,
    DifferenceFilter,
    MeanFilter,
    NoFilter,
    band_gain,
    difference_gain,
    make_clutter_filter,
    mean_gain,
)

PERIOD_S = 4e-3
WAVELENGTH_M = 299_792_458.0 / 26e9
BLIND_MPS = WAVELENGTH_M / PERIOD_S


def blocks(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.standard_normal((count, 2, 3)) + 1j * rng.standard_normal((count, 2, 3))


@pytest.mark.parametrize("k", [1, 3, 12])
def test_mean_is_eq_2_of_the_blocks_before_without_the_block_itself(k: int) -> None:
    data = blocks(np.random.default_rng(0), 40)
    mean = MeanFilter(k)
    for m, block in enumerate(data):
        out = mean.push(block)
        known = min(m, k)
        if known < min(WARM_UP_BLOCKS, k):
            assert out is None
        else:
            assert out is not None
            np.testing.assert_allclose(out, block - data[m - known : m].mean(axis=0), atol=1e-13)
            assert mean.noise_gain == pytest.approx(1.0 + 1.0 / known)


@settings(max_examples=30, deadline=None)
@given(arrays(np.bool_, 30), st.integers(1, 6))
def test_blocks_that_are_not_usable_leave_no_trace(usable: np.ndarray, k: int) -> None:
    data = blocks(np.random.default_rng(1), 30)
    for make in (lambda: MeanFilter(k), DifferenceFilter, NoFilter):
        mixed, clean = make(), make()
        for block, good in zip(data, usable, strict=True):
            out = mixed.push(block if good else block * np.nan, bool(good))
            if not good:
                assert out is None
                continue
            expected = clean.push(block)
            assert (out is None) == (expected is None)
            if out is not None and expected is not None:
                np.testing.assert_array_equal(out, expected)


def test_mean_does_not_drift_and_forgets_what_was_strong() -> None:
    mean = MeanFilter(8)
    mean.push(np.full((1, 1), 1e14 + 0j))
    out = None
    for _ in range(40):
        out = mean.push(np.full((1, 1), 0.1 + 0j))
    assert out is not None
    # Adding 0.1 to 1e14 and taking 1e14 off again leaves 0.09 or 0.11; what is summed anew is exact.
    assert abs(out[0, 0]) < 1e-16


def test_mean_after_reset_is_as_new() -> None:
    data = blocks(np.random.default_rng(2), 60)
    used, new = MeanFilter(20), MeanFilter(20)
    for block in data:
        used.push(block)
    used.reset()
    for block in data:
        a, b = used.push(block), new.push(block)
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a, b)


def test_difference_is_that_of_usable_neighbours() -> None:
    data = blocks(np.random.default_rng(3), 3)
    filter_ = DifferenceFilter()
    assert filter_.push(data[0]) is None
    assert filter_.push(data[1], usable=False) is None
    out = filter_.push(data[2])
    assert out is not None
    np.testing.assert_array_equal(out, data[2] - data[0])


def test_filters_do_not_keep_the_callers_array() -> None:
    for filter_ in (MeanFilter(1), DifferenceFilter()):
        block = np.ones((2, 2), dtype=np.complex64)
        filter_.push(block)
        block[:] = 5.0
        out = filter_.push(np.ones((2, 2), dtype=np.complex64))
        assert out is not None
        np.testing.assert_array_equal(out, 0.0)


@pytest.mark.parametrize("doppler_hz", [0.3, 2.5, 77.0, 124.9, 250.0, 251.0, -333.3])
@pytest.mark.parametrize("stagger", [(), (0.0, 1e-3, 3e-3, 0.5e-3)])
def test_gain_is_what_the_filter_does_to_a_tone(doppler_hz: float, stagger: tuple[float, ...]) -> None:
    k = 12
    index = np.arange(4 * k)
    late = np.asarray(stagger)[index % len(stagger)] if stagger else 0.0
    tone = np.exp(2j * np.pi * doppler_hz * (index * PERIOD_S + late))
    mean, difference = MeanFilter(k), DifferenceFilter()
    out = [mean.push(np.array([value])) for value in tone]
    power = np.mean([abs(value[0]) ** 2 for value in out[2 * k :] if value is not None])
    np.testing.assert_allclose(mean_gain(doppler_hz, PERIOD_S, k, stagger), power, atol=1e-12)
    if not stagger:
        last = [difference.push(np.array([value])) for value in tone][-1]
        assert last is not None
        np.testing.assert_allclose(difference_gain(doppler_hz, PERIOD_S), abs(last[0]) ** 2, atol=1e-12)


def test_mean_sees_slow_movement_that_the_difference_loses() -> None:
    slow = 2.0 * 0.05 / WAVELENGTH_M  # 5 cm/s towards a radar
    assert mean_gain(slow, PERIOD_S, 50) > 0.5
    assert difference_gain(slow, PERIOD_S) < 0.05


def test_even_blocks_are_blind_and_staggered_ones_are_not() -> None:
    np.testing.assert_allclose(BLIND_MPS, 2.883, atol=1e-3)
    rate = np.arange(1, 5) * BLIND_MPS
    doppler = -rate / WAVELENGTH_M
    np.testing.assert_allclose(mean_gain(doppler, PERIOD_S, 50), 0.0, atol=1e-20)
    stagger = tuple(late * PERIOD_S / 864 for late in stagger_pattern(864))
    every = np.arange(11.0, 1000.0, 0.2)
    assert 10.0 * np.log10(mean_gain(every, PERIOD_S, 50, stagger).min()) > -0.6


def test_band_fills_the_notch_of_a_longer_mean() -> None:
    tones = 26e9 + np.arange(-900, 901, 24) * 270e3
    gain = [10.0 * np.log10(band_gain(BLIND_MPS, tones, PERIOD_S, k)) for k in (10, 50, 150)]
    assert gain[0] < -10.0
    assert -3.0 < gain[1] < -2.0
    assert gain[2] > -0.5


@pytest.mark.parametrize("call", [
    lambda: MeanFilter(0), lambda: make_clutter_filter("median")
])  # fmt: skip
def test_what_cannot_be_is_refused_with_a_hint(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError) as refused:
        call()
    assert refused.value.hint


def test_names_are_those_of_the_settings() -> None:
    assert isinstance(make_clutter_filter("mean", 7), MeanFilter)
    assert isinstance(make_clutter_filter("difference"), DifferenceFilter)
    off = make_clutter_filter("off")
    assert off.noise_gain == 1.0
    np.testing.assert_array_equal(off.push(np.ones((1, 1), dtype=np.complex64)), np.ones((1, 1)))
