"""The simulated radar of sec. IV-A of mnomp-spa-kf and frames of it.

Frames come straight from eq. 1, without the wire, the ADC and the bodies of `isactrack.drivers.simulated`: the paper's
figures speak of point targets in white noise.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import radial_velocity, xy_to_polar
from isactrack.processing.bounds import element_delays
from isactrack.units import SPEED_OF_LIGHT_MPS, db_to_power

RANGE_MAX_M: Final = 100.0
CENTRE_FREQUENCY_HZ: Final = 77e9
RAMP_S: Final = 60e-6
IDLE_S: Final = 100e-6
SAMPLES: Final = 128
LOOPS: Final = 64
ANTENNAS: Final = 8


def paper_sensor() -> FmcwSensor:
    """Return the radar of sec. IV-A: N = 128, M = 64, eight antennas half a wavelength apart, a frame each 0.1 s.

    The paper prints times and limits but neither carrier, slope nor sampling rate. They follow: the ramp of 60 us is
    sampled whole (its ``B = mu T_ramp``), so 128 samples make 2.133 MHz; the range limit of 100 m, ``c F_s / (2 mu)``,
    makes a slope of 3.198 MHz/us, hence 191.9 MHz and range bins of 0.781 m (printed 0.78); and ``lambda / (4 T_c)``
    is the printed 6.08 m/s for a carrier of 77 GHz and the period of 160 us, with Doppler bins of 0.190 m/s (0.19).
    """
    sample_rate = SAMPLES / RAMP_S
    slope = SPEED_OF_LIGHT_MPS * sample_rate / (2.0 * RANGE_MAX_M)
    return FmcwSensor(
        model="mnomp-spa-kf sec. IV-A",
        start_frequency_hz=CENTRE_FREQUENCY_HZ - slope * RAMP_S / 2.0,
        slope_hz_per_s=slope,
        idle_time_s=IDLE_S,
        adc_start_s=0.0,
        ramp_end_s=RAMP_S,
        sample_rate_hz=sample_rate,
        samples_per_chirp=SAMPLES,
        loops_per_frame=LOOPS,
        frame_period_s=0.1,
        rx_positions=tuple(0.5 * element for element in range(ANTENNAS)),
    )


def simulate_frame(
    sensor: FmcwSensor,
    position_m: ArrayLike,
    velocity_mps: ArrayLike,
    snr_db: ArrayLike,
    rng: np.random.Generator,
) -> NDArray[np.complex128]:
    """Return one frame of point targets in white noise of unit variance, by eq. 1.

    Each target has a random phase. Ranges and velocities beyond the sensor's limits fold, as they do in the radar.
    Between the transmitters of a loop the targets move on, so that several transmitters need
    `isactrack.processing.azimuth.correct_tdm_phase`, as they do in the radar.

    Parameters
    ----------
    sensor
        The sensor.
    position_m, velocity_mps
        Positions and velocities (k, 2) in the sensor frame at the frame's first chirp; k may be 0.
    snr_db
        SNR (k,) of one antenna after coherent integration over the N M samples, or one value for all; the SNR of a
        sample is ``10 log10(N M)`` = 39.1 dB less.
    rng
        Source of the phases and the noise.

    Returns
    -------
    ndarray
        Samples (M, L, N) complex128: loop, antenna (transmitter by transmitter), sample.

    Raises
    ------
    ConfigError
        If positions and velocities do not have the same shape (k, 2).
    """
    position = np.asarray(position_m, dtype=np.float64)
    velocity = np.asarray(velocity_mps, dtype=np.float64)
    if position.ndim != 2 or position.shape[1] != 2 or velocity.shape != position.shape:
        raise ConfigError(
            f"positions {position.shape} and velocities {velocity.shape} must both be (k, 2)",
            "give one row of x and y for each target",
        )
    n_loops, n_samples = sensor.loops_per_frame, sensor.samples_per_chirp
    range_m, azimuth = xy_to_polar(position)
    omega_x = 2.0 * np.pi * range_m / sensor.range_max_m
    omega_y = np.pi * radial_velocity(position, velocity) / sensor.velocity_max_mps
    along_array = 2.0 * np.pi * np.sin(azimuth)[:, None] * sensor.virtual_positions
    along_array += omega_y[:, None] * element_delays(sensor)
    amplitude = np.sqrt(db_to_power(snr_db) / (n_loops * n_samples)) * np.ones(len(position))
    gain = amplitude[:, None] * np.exp(1j * (along_array + rng.uniform(0.0, 2.0 * np.pi, (len(position), 1))))
    slow = np.exp(1j * omega_y[:, None] * np.arange(n_loops))
    fast = np.exp(1j * omega_x[:, None] * np.arange(n_samples))
    shape = (n_loops, sensor.n_tx * sensor.n_rx, n_samples)
    noise = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    frame: NDArray[np.complex128] = noise.view(np.complex128)[..., 0]
    # One product (M L, k) @ (k, N): the sum over the targets is BLAS's.
    rows = (slow[:, :, None] * gain[:, None, :]).reshape(len(position), shape[0] * shape[1])
    frame += (rows.T @ fast).reshape(shape)
    return frame
