"""Cramer-Rao bounds of one target in white noise: appendix A and B of mnomp-spa-kf, for any line array and for TDM.

The model is eq. 1 with N samples, M loops and L elements. The phase of sample n, loop m and element l is
``phi + n w_x + (m + d_l) w_y + u_l w_z``, where `u_l` is the place of the element in half wavelengths (l in the paper)
and `d_l` how much later, in loops, its transmitter sends. The paper has one transmitter, so that all `d_l` are 0 and
frequencies decouple (eq. 59). With several transmitters in turn a Doppler error turns the phases along the array; the
bounds here contain that. It is a small term: with two transmitters, four receivers and 64 loops the bound of the
azimuth grows by 7e-5 of itself, and the correlation of radial velocity and azimuth is 0.012; with four loops they
are 2 % and 0.19.

Every bound takes the linear SNR of one antenna after coherent integration, ``N M |gamma|^2 / sigma^2``.

The bounds hold for rectangular windows; for others see `isactrack.processing.accuracy`.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.fmcw import FmcwSensor
from isactrack.processing.accuracy import AZIMUTH_STD_LIMIT_RAD

FloatArray = NDArray[np.float64]

_TINY = 1e-12


def frequency_crb(
    samples: int,
    loops: int,
    element_half_wavelengths: ArrayLike,
    snr: ArrayLike,
    delay_loops: ArrayLike = 0.0,
) -> FloatArray:
    """Return the bound (n, 3, 3) of the angular frequencies (w_x, w_y, w_z) of eq. 10, rad^2 (eq. 59).

    The unknown phase and amplitude are eliminated from the Fisher information matrix of eq. 55, which leaves
    ``2 N M L |gamma|^2 / sigma^2`` times the covariance of the phase's factors over the samples:
    ``(N^2 - 1) / 12`` in fast time, ``(M^2 - 1) / 12 + var(d)`` in slow time, ``var(u)`` over the array, and
    ``cov(d, u)`` between the last two. For L elements half a wavelength apart ``var(u) = (L^2 - 1) / 12``.

    Parameters
    ----------
    samples, loops
        N and M.
    element_half_wavelengths
        Places (L,) of the elements in half wavelengths, in any order; none need be adjacent.
    snr
        Linear SNR (n,) of one antenna after integration over N M samples.
    delay_loops
        Delays (L,) of the elements' chirps from the first of the loop, in loops (TDM), or 0 for all.

    Returns
    -------
    ndarray
        Covariances (n, 3, 3) float64. The variance of what cannot be told is infinite and its covariances are 0: a
        frequency along an axis of one sample, the direction of an array without aperture.
    """
    u = np.asarray(element_half_wavelengths, dtype=np.float64)
    d = np.broadcast_to(np.asarray(delay_loops, dtype=np.float64), u.shape)
    along_x, along_y = (samples**2 - 1) / 12.0, (loops**2 - 1) / 12.0 + float(np.var(d))
    along_z = float(np.var(u))
    across = float(np.mean((d - d.mean()) * (u - u.mean())))
    unit = np.zeros((3, 3))
    unit[0, 0] = 1.0 / along_x if along_x > 0.0 else np.inf
    determinant = along_y * along_z - across**2
    if determinant > _TINY * along_y * along_z:
        unit[1:, 1:] = np.array([[along_z, -across], [-across, along_y]]) / determinant
    else:
        # Either axis alone can still be told if the other has no extent; if both turn the phase alike, neither can.
        unit[1, 1] = 1.0 / along_y if along_y > 0.0 and along_z == 0.0 else np.inf
        unit[2, 2] = 1.0 / along_z if along_z > 0.0 and along_y == 0.0 else np.inf
    per_look = 1.0 / (2.0 * u.size * np.atleast_1d(np.asarray(snr, dtype=np.float64)))
    return np.asarray(per_look[:, None, None] * unit)


def polar_crb(sensor: FmcwSensor, snr: ArrayLike, azimuth_rad: ArrayLike) -> FloatArray:
    """Return the bound (n, 3, 3) of range (m), radial velocity (m/s) and azimuth (rad) (eq. 61-63).

    The variance of the azimuth diverges towards endfire and without an aperture; it is held at a quarter turn squared,
    as `azimuth_std_rad` does, and its covariances shrink with it.

    Parameters
    ----------
    sensor
        The sensor: its limits, its virtual array and the delays between its transmitters.
    snr
        Linear SNR (n,) of one antenna after integration over N M samples.
    azimuth_rad
        Azimuths (n,).
    """
    snr, azimuth = np.broadcast_arrays(np.atleast_1d(snr), np.atleast_1d(azimuth_rad))
    bound = _unit_crb(sensor) / snr[:, None, None]
    limit = AZIMUTH_STD_LIMIT_RAD
    cosine = np.maximum(np.abs(np.cos(azimuth)), _TINY)
    # Scaling row and column keeps the matrix positive: the correlation stays, the deviation is held.
    scale = np.empty((azimuth.size, 3))
    scale[:, 0] = sensor.range_max_m / (2.0 * np.pi)
    scale[:, 1] = sensor.velocity_max_mps / np.pi
    sine_std = np.sqrt(bound[:, 2, 2]) / np.pi
    untold = ~np.isfinite(sine_std)
    bound[untold, 2, 2] = (np.pi * limit) ** 2
    held = np.where(untold, limit, np.minimum(sine_std / cosine, limit))
    scale[:, 2] = held / np.sqrt(bound[:, 2, 2])
    # An infinite variance beside covariances that are 0 must not become NaN: no product here is 0 times infinity.
    return np.asarray(bound * (scale[:, :, None] * scale[:, None, :]))


@lru_cache(maxsize=16)
def _unit_crb(sensor: FmcwSensor) -> FloatArray:
    """Return the bound (3, 3) of the angular frequencies at an SNR of 1."""
    n, m, elements = sensor.samples_per_chirp, sensor.loops_per_frame, 2.0 * sensor.virtual_positions
    return np.asarray(frequency_crb(n, m, elements, 1.0, element_delays(sensor))[0])


def position_crb(sensor: FmcwSensor, snr: ArrayLike, range_m: ArrayLike, azimuth_rad: ArrayLike) -> FloatArray:
    """Return the bound (n, 2, 2) of the position (p_x, p_y) in m^2 (eq. 17, by the Jacobian of eq. 64-66).

    For one transmitter and a half-wavelength array this is eq. 17 term by term.

    Parameters
    ----------
    sensor
        The sensor.
    snr
        Linear SNR (n,) of one antenna after integration over N M samples.
    range_m, azimuth_rad
        Ranges and azimuths (n,).
    """
    return position_velocity_crb(sensor, snr, range_m, azimuth_rad)[:, :2, :2]


def position_velocity_crb(sensor: FmcwSensor, snr: ArrayLike, range_m: ArrayLike, azimuth_rad: ArrayLike) -> FloatArray:
    """Return the bound (n, 3, 3) of (p_x, p_y, v), v the radial velocity (eq. 67).

    The last entry of eq. 67 is printed without the factor ``6 sigma^2 / (N M L |gamma|^2)`` of eq. 63, which it needs.
    The covariances of position and velocity are 0 there and for every sensor with one transmitter.

    Parameters
    ----------
    sensor
        The sensor.
    snr
        Linear SNR (n,) of one antenna after integration over N M samples.
    range_m, azimuth_rad
        Ranges and azimuths (n,).
    """
    snr, r, azimuth = np.broadcast_arrays(*(np.atleast_1d(a) for a in (snr, range_m, azimuth_rad)))
    polar = polar_crb(sensor, snr, azimuth)
    sine, cosine, zero = np.sin(azimuth), np.cos(azimuth), np.zeros(azimuth.size)
    jacobian = np.array(
        [[sine, zero, r * cosine], [cosine, zero, -r * sine], [zero, np.ones(azimuth.size), zero]], dtype=np.float64
    ).transpose(2, 0, 1)
    # Velocity is no function of position: multiplying it out separately keeps an infinite bound of it (M = 1) there.
    velocity = polar[:, 1, 1].copy()
    polar[:, 1, 1] = 0.0
    bound = jacobian @ polar @ jacobian.transpose(0, 2, 1)
    bound[:, 2, 2] = velocity
    return np.asarray(bound)


def element_delays(sensor: FmcwSensor) -> FloatArray:
    """Return how much later than the first of the loop each virtual element's chirp starts (tx * rx,), in loops."""
    delay = np.arange(sensor.n_tx) * (sensor.chirp_interval_s / sensor.slow_time_interval_s)
    return np.asarray(np.repeat(delay, sensor.n_rx))
