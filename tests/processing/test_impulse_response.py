"""Delays on and between the points of the grid."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import OfdmSensor
from isactrack.processing.impulse_response import DelayGrid, impulse_response

WIFI_TONES = tuple(k for k in range(-122, 123) if abs(k) > 1 and abs(k) not in (11, 39, 75, 103))


@pytest.fixture(scope="module")
def wifi(radio: OfdmSensor) -> OfdmSensor:
    return replace(
        radio, carrier_frequency_hz=5.5e9, subcarrier_spacing_hz=312.5e3, tones=WIFI_TONES, fft_size=256,
        cyclic_prefix_samples=64,
    )  # fmt: skip


def test_window_is_that_of_the_comb(radio: OfdmSensor, wifi: OfdmSensor) -> None:
    assert DelayGrid.of(radio).window_s == pytest.approx(1 / 6.48e6)
    assert DelayGrid.of(wifi).window_s == pytest.approx(3.2e-6)


@pytest.mark.parametrize("uneven", [False, True])
def test_power_is_that_of_the_plain_sum(uneven: bool, radio: OfdmSensor, wifi: OfdmSensor) -> None:
    sensor = wifi if uneven else radio
    grid = DelayGrid.of(sensor)
    rng = np.random.default_rng(3)
    values = rng.standard_normal((2, sensor.n_tones)) + 1j * rng.standard_normal((2, sensor.n_tones))
    turn = np.exp(2j * np.pi * np.outer(grid.delays_s, sensor.tone_frequencies_hz))
    np.testing.assert_allclose(grid.power(values), np.abs(values @ turn.T) ** 2, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(-3.0, 3.0), st.integers(0, 2**32 - 1))
def test_climbs_to_the_maximum(radio: OfdmSensor, place: float, phase: float, seed: int) -> None:
    grid = DelayGrid.of(radio)
    rng = np.random.default_rng(seed)
    delay = place * grid.window_s
    noise = 0.1 * (rng.standard_normal(76) + 1j * rng.standard_normal(76))
    values = np.exp(1j * phase - 1j * grid.angular * delay) + noise
    start = grid.strongest(grid.power(values))
    found, total = grid.refine(values, start)
    fine = found + np.linspace(-grid.step_s, grid.step_s, 2001)
    brute = np.abs(np.exp(1j * np.outer(fine, grid.angular)) @ values)
    assert found == pytest.approx(fine[np.argmax(brute)], abs=2e-3 * grid.step_s)
    assert abs(total) == pytest.approx(brute.max(), rel=1e-6)
    assert abs(grid.wrap(found - delay)) < 60e-12  # 6 standard deviations
    assert abs(math.remainder(np.angle(total) - phase, 2 * math.pi)) < 0.15


def test_gate_wraps_around_the_window(radio: OfdmSensor) -> None:
    grid = DelayGrid.of(radio)
    power = np.zeros(grid.points)
    power[5], power[100] = 1.0, 2.0
    assert grid.strongest(power) == pytest.approx(100 * grid.step_s)
    near = grid.window_s + 7 * grid.step_s
    assert grid.strongest(power, near, 5e-9) == pytest.approx(grid.window_s + 5 * grid.step_s)
    assert grid.strongest(power, near, grid.window_s) == pytest.approx(100 * grid.step_s)


@pytest.mark.parametrize("uneven", [False, True])
def test_impulse_response_of_one_path(uneven: bool, radio: OfdmSensor, wifi: OfdmSensor) -> None:
    sensor = wifi if uneven else radio
    delay = 17.0 * sensor.delay_resolution_s
    csi = 0.3j * np.exp(-2j * np.pi * sensor.tone_frequencies_hz * delay) * np.ones((4, 1))
    delays, power = impulse_response(csi, sensor)
    assert power.shape == (4, delays.size)
    peak = int(np.argmax(power[2]))
    assert delays[peak] == pytest.approx(delay, abs=delays[1])
    assert power[2, peak] == pytest.approx(0.09, rel=0.05)
    if not uneven:  # sidelobes of a Hann window; gaps between tones have their own
        far = np.abs(delays - delay) > 4 * sensor.delay_resolution_s
        assert power[2, far].max() < 10**-3.1 * power[2, peak]
