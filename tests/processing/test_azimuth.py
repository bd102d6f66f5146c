"""Beam scan and the phase between transmitters."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import FmcwSensor
from isactrack.processing.accuracy import azimuth_std_rad
from isactrack.processing.azimuth import bartlett_azimuth, beam_to_residual, correct_tdm_phase
from isactrack.processing.spectra import range_doppler_spectrum

Echo = Callable[..., NDArray[np.complex64]]


def _plane_wave(sensor: FmcwSensor, azimuth_rad: NDArray[np.float64]) -> NDArray[np.complex128]:
    return np.asarray(np.exp(2j * np.pi * np.sin(azimuth_rad)[:, None] * sensor.virtual_positions))


@pytest.mark.parametrize("name", ["room_sensor", "tdm_sensor"])
def test_plane_waves_are_found_exactly(name: str, request: pytest.FixtureRequest) -> None:
    sensor = request.getfixturevalue(name)
    truth = np.radians(np.linspace(-80.0, 80.0, 61))
    wave = 3.0 * _plane_wave(sensor, truth)
    azimuth, power = bartlett_azimuth(wave, sensor)
    np.testing.assert_allclose(azimuth, truth, atol=1e-6)
    np.testing.assert_allclose(power, 9.0 * sensor.virtual_positions.size, rtol=1e-9)


def test_scatter_reaches_the_bound(room_sensor: FmcwSensor) -> None:
    rng = np.random.default_rng(7)
    n, snr = 4000, 100.0
    truth = np.full(n, 0.4)
    noise = rng.standard_normal((n, 4, 2)) @ np.array([1.0, 1.0j]) * np.sqrt(0.5 / snr)
    wave = _plane_wave(room_sensor, truth) + noise
    azimuth, power = bartlett_azimuth(wave, room_sensor)
    bound = azimuth_std_rad(room_sensor.virtual_positions, truth, np.full(n, snr))[0]
    assert bound == pytest.approx(np.sqrt(6.0 / (np.pi**2 * snr * 4 * 15)) / np.cos(0.4))
    assert np.std(azimuth) == pytest.approx(bound, rel=0.06)
    # One of the three dimensions of the rest goes into the estimate of the direction: half a degree of freedom each.
    ratio = beam_to_residual(power, np.sum(np.abs(wave) ** 2, axis=1), 4)
    assert np.median(ratio) == pytest.approx(snr, rel=0.5)


def test_single_element_has_no_azimuth(room_sensor: FmcwSensor) -> None:
    one = replace(room_sensor, rx_positions=(0.0,))
    azimuth, power = bartlett_azimuth(np.full((2, 1), 2.0j), one)
    np.testing.assert_array_equal(azimuth, 0.0)
    np.testing.assert_allclose(power, 4.0)
    np.testing.assert_allclose(azimuth_std_rad(one.virtual_positions, azimuth, np.full(2, 1e3)), np.pi / 2.0)


def test_no_snapshots(tdm_sensor: FmcwSensor) -> None:
    none = correct_tdm_phase(np.zeros((0, 2, 4), dtype=np.complex64), tdm_sensor, np.zeros(0))
    assert bartlett_azimuth(none, tdm_sensor).azimuth_rad.shape == (0,)


@pytest.mark.parametrize("bins", [-50.0, -23.4, 30.0, 55.7])
def test_fast_mover_needs_the_phase_correction(bins: float, tdm_sensor: FmcwSensor, echo: Echo) -> None:
    truth = 0.35
    cube = echo(tdm_sensor, 2.0, bins * tdm_sensor.velocity_resolution_mps, truth, 40.0)
    spectrum = range_doppler_spectrum(cube)
    power = np.sum(np.abs(spectrum) ** 2, axis=(1, 2))
    d, r = np.unravel_index(np.argmax(power), power.shape)
    snapshot = spectrum[d, :, :, r][None]
    plain = bartlett_azimuth(snapshot.reshape(1, -1), tdm_sensor)
    corrected = bartlett_azimuth(correct_tdm_phase(snapshot, tdm_sensor, np.array([bins])), tdm_sensor)
    assert corrected.azimuth_rad[0] == pytest.approx(truth, abs=np.radians(0.05))
    assert abs(plain.azimuth_rad[0] - truth) > np.radians(2.0)
    assert corrected.power[0] == pytest.approx(power[d, r], rel=1e-4)
    assert plain.power[0] < 0.99 * power[d, r]
