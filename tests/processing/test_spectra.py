"""FFT conventions and levels."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError, FmcwSensor
from isactrack.processing.spectra import antenna_power, make_window, range_doppler_map, range_doppler_spectrum
from isactrack.units import power_to_db

Echo = Callable[..., NDArray[np.complex64]]
Noise = Callable[[FmcwSensor, np.random.Generator], NDArray[np.complex64]]


@pytest.mark.parametrize("window", ["rectangular", "hann", "hamming", "blackman", "cosine"])
def test_noise_has_its_sample_variance_in_every_window(window: str, room_sensor: FmcwSensor, noise: Noise) -> None:
    cube = noise(room_sensor, np.random.default_rng(3))
    power = antenna_power(range_doppler_spectrum(cube, window, window))
    assert power.dtype == np.float32
    assert np.mean(power) == pytest.approx(4.0, rel=0.03)


def test_tone_on_the_bins_falls_on_the_axes(room_sensor: FmcwSensor, echo: Echo) -> None:
    range_m, velocity_mps = room_sensor.range_axis_m[7], room_sensor.velocity_axis_mps[32 - 3]
    spectrum = range_doppler_spectrum(echo(room_sensor, range_m, velocity_mps, 0.3, 30.0), "boxcar", "boxcar")
    assert spectrum.shape == (64, 1, 4, 128)
    assert spectrum.dtype == np.complex64
    found = range_doppler_map(spectrum, room_sensor)
    d, r = np.unravel_index(np.argmax(found.power), found.power.shape)
    assert found.range_axis_m[r] == range_m
    assert found.velocity_axis_mps[d] == velocity_mps
    assert power_to_db(found.power[d, r] / 4.0) == pytest.approx(30.0, abs=0.01)


def test_hann_costs_its_noise_bandwidth(room_sensor: FmcwSensor, echo: Echo) -> None:
    cube = echo(room_sensor, room_sensor.range_axis_m[7], 0.0, 0.0, 30.0)
    loss = power_to_db(np.max(antenna_power(range_doppler_spectrum(cube))) / 4.0) - 30.0
    assert loss == pytest.approx(-2.0 * 10.0 * np.log10(1.5), abs=0.01)


def test_odd_number_of_loops_keeps_zero_doppler_in_the_middle() -> None:
    cube = np.ones((5, 1, 1, 8), dtype=np.complex64)
    assert np.argmax(antenna_power(range_doppler_spectrum(cube))[:, 0]) == 5 // 2


def test_unknown_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="no window 'hanning-like'"):
        make_window("hanning-like", 8)
