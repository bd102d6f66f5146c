"""Signals in closed form: eq. 1 of mnomp-spa-kf."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import FmcwSensor

Cube = NDArray[np.complex64]
Echo = Callable[..., Cube]


@pytest.fixture(scope="session")
def room_sensor() -> FmcwSensor:
    """One transmitter, range bins of 0.73 m, Doppler bins of 0.52 m/s: people in a room."""
    return FmcwSensor(
        model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=8.012e12, idle_time_s=29e-6, adc_start_s=3e-6,
        ramp_end_s=30e-6, sample_rate_hz=5e6, samples_per_chirp=128, loops_per_frame=64, frame_period_s=0.1,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tdm_sensor() -> FmcwSensor:
    """Two transmitters in turn, eight virtual elements."""
    return FmcwSensor(
        model="AWR1642", start_frequency_hz=77.42e9, slope_hz_per_s=60.012e12, idle_time_s=30e-6, adc_start_s=7e-6,
        ramp_end_s=62e-6, sample_rate_hz=2.5e6, samples_per_chirp=128, loops_per_frame=128, frame_period_s=0.05,
        tx_positions=(0.0, 2.0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def echo() -> Echo:
    """Return a function that gives the cube of one point target.

    It takes the sensor, range (m), radial velocity (m/s), azimuth (rad), the SNR (dB) of a cell of one antenna after
    integration with rectangular windows over noise of unit variance, and the time (s) of the frame.
    """

    def make(
        sensor: FmcwSensor, range_m: float, velocity_mps: float, azimuth_rad: float, snr_db: float, time_s: float = 0.0
    ) -> Cube:
        loops, n_tx, n_rx, n = sensor.cube_shape
        slow_s = (
            time_s
            + np.arange(loops)[:, None, None, None] * sensor.slow_time_interval_s
            + np.arange(n_tx)[None, :, None, None] * sensor.chirp_interval_s
        )
        turns = range_m / sensor.range_resolution_m * np.arange(n) / n
        turns = turns + 2.0 * (range_m + velocity_mps * slow_s) / sensor.wavelength_m
        turns = turns + (sensor.virtual_positions * np.sin(azimuth_rad)).reshape(n_tx, n_rx)[None, :, :, None]
        amplitude = np.sqrt(10.0 ** (snr_db / 10.0) / (loops * n))
        return np.asarray(amplitude * np.exp(2j * np.pi * turns), dtype=np.complex64)

    return make


@pytest.fixture(scope="session")
def noise() -> Callable[[FmcwSensor, np.random.Generator], Cube]:
    """Return a function that gives complex noise of unit variance in the shape of a cube."""

    def make(sensor: FmcwSensor, rng: np.random.Generator) -> Cube:
        pairs = rng.standard_normal((*sensor.cube_shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
        return np.asarray(pairs.view(np.complex64)[..., 0])

    return make
