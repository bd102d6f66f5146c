"""Beat signals of a scene: eq. 1 of mnomp-spa-kf with the impairments of a real receiver.

Beyond eq. 1, a scatterer's range changes from chirp to chirp, so range and Doppler are coupled as they are on the
device; echo power follows the radar equation; noise, IQ imbalance, phase jitter and the leakage from transmitter to
receiver are added, and the sum is quantised to int16.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.simulated.bodies import Scatterers
from isactrack.drivers.simulated.scene import Scene
from isactrack.fmcw import FmcwSensor
from isactrack.units import SPEED_OF_LIGHT_MPS

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_BLOCK_ELEMENTS = 1 << 16
"""Samples of single points worked on at a time, 1 MB: what a core's cache holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Link budget and impairments; the defaults are those of an AWR1642BOOST.

    Attributes
    ----------
    transmit_power_dbm, antenna_gain_dbi
        Power into each transmit antenna (data sheet SWRS203: 12.5 dBm) and gain of each antenna at boresight.
    noise_figure_db
        Receiver noise figure.
    noise_lsb
        Standard deviation of the noise of I and of Q at the ADC, LSB.
    image_db
        Level of the mirrored signal that IQ imbalance makes; real captures show -43 dB.
    phase_jitter_rad
        Standard deviation of the common phase of each chirp.
    leakage_lsb, leakage_range_m
        Amplitude and apparent range of the coupling from transmitter to receiver.
    """

    transmit_power_dbm: float = 12.5
    antenna_gain_dbi: float = 10.5
    noise_figure_db: float = 15.0
    noise_lsb: float = 8.0
    image_db: float = -43.0
    phase_jitter_rad: float = 0.002
    leakage_lsb: float = 400.0
    leakage_range_m: float = 0.06


class Synthesiser:
    """Makes the frames of a scene as a sensor would sample them.

    Parameters
    ----------
    sensor
        What the device runs.
    scene
        What it looks at.
    receiver
        Link budget and impairments.
    seed
        Seeds noise and jitter; frame k is the same whatever was made before it.
    """

    def __init__(self, sensor: FmcwSensor, scene: Scene, receiver: Receiver | None = None, *, seed: int = 0) -> None:
        self._sensor = sensor
        self._scene = scene
        self._receiver = receiver or Receiver()
        self._seed = seed
        self._static = self._echoes(scene.static, 0.0) + self._leakage()

    def frame(self, index: int) -> NDArray[np.int16]:
        """Return the words (n,) int16 of a frame in the order of the wire."""
        return self._sensor.encode_words(self.signal(index))

    def signal(self, index: int) -> ComplexArray:
        """Return the cube (loop, tx, rx, sample) complex128 of a frame before quantisation, in LSB."""
        rng = np.random.default_rng([self._seed, index])
        sensor, receiver = self._sensor, self._receiver
        start_s = index * sensor.frame_period_s
        cube = self._static + self._echoes(self._scene.moving(start_s + sensor.coherent_time_s / 2.0), start_s)
        jitter = receiver.phase_jitter_rad * rng.standard_normal((sensor.loops_per_frame, sensor.n_tx, 1, 1))
        cube *= np.exp(1j * jitter)
        cube += 10.0 ** (receiver.image_db / 20.0) * np.conj(cube)
        noise = rng.standard_normal((*sensor.cube_shape, 2), dtype=np.float32)
        cube += receiver.noise_lsb * noise.view(np.complex64)[..., 0]
        return cube

    def _echoes(self, points: Scatterers, start_s: float) -> ComplexArray:
        """Return the echoes of points, whose states hold in the middle of the frame that starts at `start_s`."""
        sensor = self._sensor
        amplitudes = self._amplitudes(points)
        seen = amplitudes > 0.0
        position, velocity = points.position_m[seen], points.velocity_mps[seen]
        chirps = math.prod(sensor.cube_shape[:2])
        cube = np.zeros((chirps, sensor.n_rx, sensor.samples_per_chirp), dtype=np.complex128)
        if not len(position):
            return cube.reshape(sensor.cube_shape)
        from_middle_s = (self._chirp_times() - sensor.coherent_time_s / 2.0).reshape(-1, 1, 1)
        places = position + from_middle_s * velocity
        delay_s = 2.0 * np.hypot(places[..., 0], places[..., 1]) / SPEED_OF_LIGHT_MPS  # (chirp, point)
        # Phase of eq. 1 at the ADC's first sample, then its growth along the ramp.
        first_hz = sensor.start_frequency_hz + sensor.slope_hz_per_s * sensor.adc_start_s
        start_rad = 2.0 * math.pi * np.modf(first_hz * delay_s)[0] + points.phase_rad[seen]
        step_rad = 2.0 * math.pi * sensor.slope_hz_per_s / sensor.sample_rate_hz * delay_s
        sine = position[:, 0] / np.maximum(np.hypot(position[:, 0], position[:, 1]), 1e-9)
        tx_turns = np.tile(sensor.tx_positions, sensor.loops_per_frame)[:, None] * sine
        gain = amplitudes[seen] * np.exp(1j * (start_rad + 2.0 * math.pi * tx_turns))
        steering = np.exp(2j * math.pi * np.asarray(sensor.rx_positions)[:, None] * sine)
        block = max(1, _BLOCK_ELEMENTS // (len(position) * sensor.samples_per_chirp))
        for begin in range(0, chirps, block):
            rows = slice(begin, begin + block)
            ramps = _ramps(step_rad[rows], sensor.samples_per_chirp)
            np.matmul(steering * gain[rows, None, :], ramps, out=cube[rows])
        return cube.reshape(sensor.cube_shape)

    def _chirp_times(self) -> NDArray[np.float64]:
        """Return the starts (loop, tx) of the chirps within a frame."""
        sensor = self._sensor
        loops = np.arange(sensor.loops_per_frame) * sensor.slow_time_interval_s
        return np.asarray(loops[:, None] + np.arange(sensor.n_tx) * sensor.chirp_interval_s)

    def _amplitudes(self, points: Scatterers) -> NDArray[np.float64]:
        """Return the amplitudes of points in LSB: radar equation against thermal noise, ``cos^2`` antenna patterns."""
        sensor, receiver = self._sensor, self._receiver
        range_m = np.maximum(np.hypot(points.position_m[:, 0], points.position_m[:, 1]), 0.1)
        cosine = np.clip(points.position_m[:, 1] / range_m, 0.0, 1.0)
        # Power over noise of one complex sample: P G^2 lambda^2 sigma / ((4 pi)^3 r^4 k T F f_s).
        link_dbm = receiver.transmit_power_dbm + 2.0 * receiver.antenna_gain_dbi
        noise_dbm = -174.0 + 10.0 * math.log10(sensor.sample_rate_hz) + receiver.noise_figure_db
        link = 10.0 ** ((link_dbm - noise_dbm) / 10.0) * sensor.wavelength_m**2 / (4.0 * math.pi) ** 3
        snr = link * points.rcs_m2 * cosine**4 / range_m**4
        return np.asarray(np.sqrt(snr * 2.0) * receiver.noise_lsb)

    def _leakage(self) -> ComplexArray:
        """Return the coupling from transmitter to receiver: the same in every chirp."""
        sensor, receiver = self._sensor, self._receiver
        sample_s = np.arange(sensor.samples_per_chirp) / sensor.sample_rate_hz
        delay_s = 2.0 * receiver.leakage_range_m / SPEED_OF_LIGHT_MPS
        tone = receiver.leakage_lsb * np.exp(2j * math.pi * sensor.slope_hz_per_s * delay_s * sample_s)
        return np.broadcast_to(tone, sensor.cube_shape).astype(np.complex128)


def _ramps(step_rad: FloatArray, samples: int) -> ComplexArray:
    """Return ``exp(j n step)`` (..., samples) for steps (...), by doubling: one exponential for each step.

    Squaring doubles the rounding error of the phase each time, to about ``samples`` times 1e-16 rad at the end.
    """
    ramps = np.empty((*step_rad.shape, samples), dtype=np.complex128)
    ramps[..., 0] = 1.0
    factor = np.exp(1j * step_rad)[..., None]
    done = 1
    while done < samples:
        more = min(done, samples - done)
        np.multiply(ramps[..., :more], factor, out=ramps[..., done : done + more])
        factor = factor * factor
        done += more
    return ramps
