"""Signals in closed form: eq. 1 of mnomp-spa-kf."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import FmcwSensor, OfdmSensor

C = 299792458.0
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


class RadioRoom:
    """A bistatic radio in a room: paths, clocks that drift and jitter, gain, noise. Eq. 1 of indoor-multi-person-isac.

    Parameters
    ----------
    sensor
        The radio.
    seed
        Draws the room and everything else.
    snr_db
        Mean power of the still channel over the noise of a tone.
    echoes
        Paths besides the direct one, of 0 dB.
    near_echo
        Whether one of -6 dB comes 1.3 ns after it.
    """

    def __init__(
        self, sensor: OfdmSensor, seed: int, snr_db: float = 20.0, echoes: int = 12, near_echo: bool = True
    ) -> None:
        self.sensor = sensor
        self.rng = rng = np.random.default_rng(seed)
        length, azimuth = sensor.direct_path_m, sensor.direct_azimuth_rad
        self.direct = self.path(length, azimuth, 1.0)
        self.rest = np.zeros_like(self.direct)
        if near_echo:
            self.rest = self.rest + self.path(
                length + 1.3e-9 * C, azimuth + 0.05, 0.5 * np.exp(2j * np.pi * rng.random())
            )
        for _ in range(echoes):
            gain = 10 ** (-rng.uniform(8, 25) / 20) * np.exp(2j * np.pi * rng.random())
            self.rest = self.rest + self.path(length + rng.uniform(1, 20), rng.uniform(-1.1, 1.1), gain)
        self.still = self.direct + self.rest
        self.noise_power = float(np.mean(np.abs(self.still) ** 2)) * 10 ** (-snr_db / 10)

    def path(self, length_m: float, azimuth_rad: float, gain: complex) -> NDArray[np.complex128]:
        """Return the channel (rows, n_tones) of one path."""
        sensor = self.sensor
        rows = np.exp(2j * np.pi * np.asarray(sensor.rx_positions) * np.sin(azimuth_rad))
        frequencies = sensor.carrier_frequency_hz + sensor.tone_frequencies_hz
        return np.asarray(gain * rows[:, None] * np.exp(-2j * np.pi * frequencies * length_m / C))

    def receive(
        self,
        channel: NDArray[np.complex128],
        delay_s: float = 0.0,
        phase_rad: float | None = None,
        gain_db: float = 0.0,
    ) -> NDArray[np.complex128]:
        """Return a channel as it arrives: late, turned (at random if no phase is given), with another gain, noisy."""
        rng = self.rng
        phase = rng.uniform(0, 2 * np.pi) if phase_rad is None else phase_rad
        ramp = np.exp(1j * phase - 2j * np.pi * self.sensor.tone_frequencies_hz * delay_s)
        pairs = rng.standard_normal((*channel.shape, 2)) * np.sqrt(self.noise_power / 2)
        return np.asarray(10 ** (gain_db / 20) * channel * ramp + pairs.view(np.complex128)[..., 0])


@pytest.fixture(scope="session")
def radio_room() -> type[RadioRoom]:
    """Return the model of a bistatic radio in a room."""
    return RadioRoom


@pytest.fixture(scope="session")
def radio() -> OfdmSensor:
    """Return the radio of indoor-multi-person-isac, with eight rows."""
    return OfdmSensor(
        model="radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
        frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=(-1.5, 4.0),
    )  # fmt: skip
