"""Peaks between the bins, images and sidelobes."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import FmcwSensor
from isactrack.processing.accuracy import frequency_std_bins
from isactrack.processing.peaks import (
    Peaks,
    WindowResponse,
    image_mask,
    interpolate,
    local_maxima,
    sidelobe_mask,
)
from isactrack.processing.spectra import antenna_power, make_window, range_doppler_spectrum

Echo = Callable[..., NDArray[np.complex64]]
Noise = Callable[[FmcwSensor, np.random.Generator], NDArray[np.complex64]]


def _peaks(power: NDArray[np.float32], window: str) -> Peaks:
    response = (
        WindowResponse(make_window(window, power.shape[0])),
        WindowResponse(make_window(window, power.shape[1])),
    )
    d, r = np.unravel_index(np.argmax(power), power.shape)
    return interpolate(power, np.array([d]), np.array([r]), response)


@pytest.mark.parametrize("window", ["hann", "hamming", "cosine", "rectangular", "blackman"])
def test_interpolation_has_no_bias(window: str, room_sensor: FmcwSensor, echo: Echo) -> None:
    rng = np.random.default_rng(8)
    for _ in range(25):
        r, d = rng.uniform(2.0, 120.0), rng.uniform(-32.0, 31.0)
        cube = echo(room_sensor, r * room_sensor.range_resolution_m, d * room_sensor.velocity_resolution_mps, 0.2, 80.0)
        peak = _peaks(antenna_power(range_doppler_spectrum(cube, window, window)), window)
        assert peak.range_bin[0] == pytest.approx(r, abs=0.003)
        assert (peak.doppler_bin[0] - 32 - d + 32) % 64 - 32 == pytest.approx(0.0, abs=0.003)


def test_interpolation_is_near_the_bound(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(9)
    errors = []
    for _ in range(80):
        r, d = 20.0 + rng.random(), 3.0 + rng.random()
        cube = echo(room_sensor, r * room_sensor.range_resolution_m, d * room_sensor.velocity_resolution_mps, 0.2, 30.0)
        peak = _peaks(antenna_power(range_doppler_spectrum(cube + noise(room_sensor, rng))), "hann")
        errors.append((peak.range_bin[0] - r, peak.doppler_bin[0] - 32 - d))
    snr = np.array([10.0**3.0 / 1.5**2])
    bounds = [frequency_std_bins(make_window("hann", n), snr, 4)[0] for n in (128, 64)]
    ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / bounds
    assert np.all(ratio > 0.85)
    assert np.all(ratio < 1.6)


def test_bound_of_the_rectangular_window_is_that_of_eq_17() -> None:
    n, looks, snr = 64, 8, np.array([50.0])
    expected = np.sqrt(6.0 / (looks * snr * (n**2 - 1))) * n / (2.0 * np.pi)
    np.testing.assert_allclose(frequency_std_bins(make_window("rectangular", n), snr, looks), expected, rtol=1e-9)


def test_local_maxima_equal_brute_force() -> None:
    rng = np.random.default_rng(10)
    power = rng.random((9, 12))
    mask = rng.random(power.shape) < 0.8
    expected = {
        (d, r)
        for d in range(9)
        for r in range(12)
        if mask[d, r]
        and all(power[d, r] >= power[(d + i) % 9, r + j] for i in (-1, 0, 1) for j in (-1, 0, 1) if 0 <= r + j < 12)
    }
    assert set(zip(*local_maxima(power, mask), strict=True)) == expected
    single = np.array([[1.0, 3.0, 2.0, 5.0]])
    np.testing.assert_array_equal(local_maxima(single, np.ones_like(single, dtype=np.bool_))[1], [1, 3])


def test_image_is_told_from_a_target(room_sensor: FmcwSensor, echo: Echo) -> None:
    r, v = 10.0 * room_sensor.range_resolution_m, 5.0 * room_sensor.velocity_resolution_mps
    target = echo(room_sensor, r, v, 0.2, 80.0)
    other = echo(room_sensor, room_sensor.range_axis_m[60], v, 0.2, 37.0)
    image = np.conj(target) * 10.0 ** (-43.0 / 20.0)
    power = antenna_power(range_doppler_spectrum(target + image + other))
    cells = np.array([32 + 5, 32 - 5, 32 + 5]), np.array([10, 118, 60])
    peaks = Peaks(*cells, cells[0] * 1.0, cells[1] * 1.0, np.asarray(power[cells], dtype=np.float64))
    np.testing.assert_array_equal(image_mask(power, peaks, 35.0), [False, True, False])
    np.testing.assert_array_equal(image_mask(power, peaks, 45.0), [False, False, False])


def test_sidelobes_are_under_the_envelope() -> None:
    response = WindowResponse(make_window("hann", 64))
    distance = np.linspace(0.0, 40.0, 401)
    leak = response.leakage(distance)
    assert leak[0] == pytest.approx(1.0)
    assert np.all(np.diff(leak[:320]) <= 1e-12)
    assert 10.0 * np.log10(response.leakage(np.array([2.2]))[0]) == pytest.approx(-31.5, abs=0.3)
    assert response.leakage(np.array([60.0]))[0] == pytest.approx(response.leakage(np.array([4.0]))[0])
    peaks = Peaks(
        np.array([10, 13, 13]), np.array([5, 5, 30]), np.array([10.0, 13.0, 13.0]), np.array([5.0, 5.0, 30.0]),
        np.array([1e6, 1e6 * 10.0**-4.2, 1e6 * 10.0**-4.2]),
    )  # fmt: skip
    np.testing.assert_array_equal(sidelobe_mask(peaks, (response, response), 6.0), [False, True, False])
