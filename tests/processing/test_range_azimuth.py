"""The map over range and azimuth, made on demand."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import FmcwSensor
from isactrack.processing.chain import ChainConfig, FmcwChain
from isactrack.processing.products import Product
from isactrack.processing.range_azimuth import AZIMUTHS, RangeAzimuth, RangeAzimuthMap
from isactrack.processing.spectra import make_window, range_spectrum

Cube = NDArray[np.complex64]
Echo = Callable[..., Cube]
Noise = Callable[[FmcwSensor, np.random.Generator], Cube]


@pytest.mark.parametrize("name", ["room_sensor", "tdm_sensor"])
@pytest.mark.parametrize("detector", ["fft", "mnomp"])
def test_the_map_peaks_where_the_target_is(
    name: str, detector: str, request: pytest.FixtureRequest, echo: Echo, noise: Noise
) -> None:
    sensor: FmcwSensor = request.getfixturevalue(name)
    rng = np.random.default_rng(4)
    chain = FmcwChain(sensor, ChainConfig(detector=detector, remove_static=False))
    chain.wanted = frozenset({Product.RANGE_AZIMUTH})
    for azimuth in (-0.6, 0.0, 0.45):
        r = 20.3 * sensor.range_resolution_m
        cube = echo(sensor, r, 0.7 * sensor.velocity_max_mps, azimuth, 45.0) + noise(sensor, rng)
        shown = chain.process_cube(cube, 0.0).products.range_azimuth
        assert shown is not None
        level = shown.level_db()
        row, column = np.unravel_index(np.argmax(level), level.shape)
        assert shown.range_axis_m[row] == pytest.approx(r, abs=sensor.range_resolution_m)
        assert shown.azimuth_axis_rad[column] == pytest.approx(azimuth, abs=0.05)
        assert level.shape == (sensor.samples_per_chirp, AZIMUTHS)
        assert level.max() > 15.0
        assert np.median(level) == pytest.approx(0.0, abs=1e-9)


def test_the_lags_give_the_power_of_the_beams(tdm_sensor: FmcwSensor, noise: Noise) -> None:
    """Compare with beams formed element by element, at a Doppler bin that has no phase between transmitters."""
    sensor = tdm_sensor
    profiles = range_spectrum(noise(sensor, np.random.default_rng(1)), make_window("hann", sensor.samples_per_chirp))
    profiles = np.broadcast_to(profiles[:1], profiles.shape)  # nothing moves: all of it is at zero Doppler
    made = RangeAzimuth(sensor, windowed=True, slow_time_window="boxcar")(profiles)
    assert made is not None
    elements = profiles.reshape(profiles.shape[0], -1, profiles.shape[3])
    turn = 2.0 * np.pi * np.sin(made.azimuth_axis_rad)[:, None] * sensor.virtual_positions
    beams = np.einsum("av,lvr->lra", np.exp(-1j * turn), elements)
    expected = np.sum(np.abs(beams) ** 2, axis=0)
    np.testing.assert_allclose(made.power(), expected, rtol=2e-4, atol=2e-4 * expected.max())


def test_a_map_is_small_and_keeps_its_size_when_it_is_looked_at(room_sensor: FmcwSensor, noise: Noise) -> None:
    made = RangeAzimuth(room_sensor, windowed=False, slow_time_window="hann")(
        noise(room_sensor, np.random.default_rng(2))
    )
    assert made is not None
    before = made.nbytes
    made.level_db()
    assert made.nbytes == before == room_sensor.samples_per_chirp * 4 * 8


def test_one_element_has_no_azimuth(room_sensor: FmcwSensor, noise: Noise) -> None:
    sensor = replace(room_sensor, rx_positions=(0.0,))
    chain = FmcwChain(sensor, ChainConfig())
    chain.wanted = frozenset(Product)
    assert chain.process_cube(noise(sensor, np.random.default_rng(3)), 0.0).products.range_azimuth is None


def test_nothing_is_made_that_nobody_asked_for(room_sensor: FmcwSensor, noise: Noise) -> None:
    chain = FmcwChain(room_sensor)
    assert chain.process_cube(noise(room_sensor, np.random.default_rng(3)), 0.0).products.range_azimuth is None


def test_half_the_hann_window_by_neighbours_is_the_window(room_sensor: FmcwSensor, noise: Noise) -> None:
    n = room_sensor.samples_per_chirp
    cube = noise(room_sensor, np.random.default_rng(5))
    plain = range_spectrum(cube.copy(), make_window("rectangular", n))
    windowed = range_spectrum(cube.copy(), make_window("hann", n))
    maps = [
        RangeAzimuth(room_sensor, windowed=done, slow_time_window="hann")(profiles)
        for done, profiles in ((False, plain), (True, windowed))
    ]
    levels = [shown.level_db() for shown in maps if isinstance(shown, RangeAzimuthMap)]
    assert len(levels) == 2
    np.testing.assert_allclose(levels[0], levels[1], atol=1e-3)
    assert math.isfinite(float(levels[0].max()))
