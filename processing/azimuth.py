"""Azimuth of detections from the phases across the virtual array."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isactrack.fmcw import FmcwSensor

FloatArray = NDArray[np.float64]

_GRID_PER_BEAM = 8
_NEWTON_STEPS = 3


class Bearing(NamedTuple):
    """Directions of the strongest beam of each snapshot.

    Attributes
    ----------
    azimuth_rad
        Azimuths (n,), positive to the right.
    power
        Bartlett power (n,), ``|a^H s|^2 / V``: the power of the snapshot if it is a plane wave, less otherwise.
    """

    azimuth_rad: FloatArray
    power: FloatArray


def tdm_phase(sensor: FmcwSensor, doppler_bin: FloatArray) -> NDArray[np.complex128]:
    """Return the factors (n, tx) that undo what motion does between the transmitters of a sequence.

    A target at a Doppler frequency f_D has turned by ``2 pi f_D t`` when the transmitter t later sends. With
    chirps evenly spaced in the loop this is ``2 pi d tx / (n_tx M)`` at Doppler bin d of M.

    Parameters
    ----------
    sensor
        The sensor.
    doppler_bin
        Signed Doppler bins (n,), fractions allowed.
    """
    frequency_hz = np.asarray(doppler_bin, dtype=np.float64) / sensor.coherent_time_s
    delay_s = np.arange(sensor.n_tx) * sensor.chirp_interval_s
    return np.asarray(np.exp(-2j * np.pi * frequency_hz[:, None] * delay_s))


def correct_tdm_phase(
    snapshots: NDArray[np.complexfloating], sensor: FmcwSensor, doppler_bin: FloatArray
) -> NDArray[np.complex128]:
    """Return virtual-array snapshots (n, tx * rx) of snapshots (n, tx, rx) as if all transmitters sent at once.

    The factors are those of `tdm_phase`. A target beyond `FmcwSensor.velocity_max_mps` has the wrong Doppler bin and
    keeps a phase error.
    """
    corrected = snapshots * tdm_phase(sensor, doppler_bin)[:, :, None]
    return np.asarray(corrected.reshape(len(snapshots), sensor.n_tx * sensor.n_rx))


def bartlett_azimuth(snapshots: NDArray[np.complexfloating], sensor: FmcwSensor) -> Bearing:
    """Find the direction in which the beam of the virtual array is strongest.

    A scan over a grid even in sin(azimuth), then Newton steps on the Bartlett power. This is the least-squares
    estimate of eq. 15 of mnomp-spa-kf for one target.

    Parameters
    ----------
    snapshots
        Snapshots (n, tx * rx) in the order of `FmcwSensor.virtual_positions`.
    sensor
        The sensor. With a single element the azimuth is 0.
    """
    scan = _scan(sensor)
    best = np.argmax(np.abs(snapshots @ scan.steering), axis=1)
    sine = scan.grid[best]
    lower, upper = np.maximum(sine - scan.step, -scan.limit), np.minimum(sine + scan.step, scan.limit)
    for _ in range(_NEWTON_STEPS if scan.limit > 0.0 else 0):
        b0, b1, b2 = _beam_derivatives(snapshots, scan.turn, sine)
        slope = np.real(np.conj(b0) * b1)
        curvature = np.abs(b1) ** 2 + np.real(np.conj(b0) * b2)
        step = np.divide(slope, curvature, out=np.zeros_like(slope), where=curvature < 0.0)
        sine = np.clip(sine - step, lower, upper)
    power = np.abs(_beam_derivatives(snapshots, scan.turn, sine)[0]) ** 2 / scan.turn.shape[1]
    return Bearing(np.arcsin(sine), np.asarray(power, dtype=np.float64))


class _Scan(NamedTuple):
    """Grid (g,) in sin(azimuth) within `limit`, cells of 2 `step`; beams (L, g) on it; `turn` to the powers 0 to 2."""

    limit: float
    step: float
    grid: FloatArray
    steering: NDArray[np.complex128]
    turn: NDArray[np.complex128]


@lru_cache(maxsize=16)
def _scan(sensor: FmcwSensor) -> _Scan:
    limit = math.sin(sensor.azimuth_max_rad)
    n_grid = 2 * math.ceil(_GRID_PER_BEAM * limit / sensor.azimuth_resolution_rad) + 1
    # Centres of equal cells: the two ends of the field of view are one direction, which must not be on the grid twice.
    grid = limit * ((2 * np.arange(n_grid) + 1) / n_grid - 1.0)
    turn = -2j * np.pi * sensor.virtual_positions
    powers = np.stack([np.ones_like(turn), turn, turn**2])
    return _Scan(limit, 2.0 * limit / n_grid, grid, np.exp(turn[:, None] * grid), powers)


def beam_to_residual(beam_power: FloatArray, total_power: FloatArray, elements: int) -> FloatArray:
    """Return the ratio (n,) of the beam's power to what it leaves, both for one element.

    The rest of a snapshot, ``total - beam``, has L - 1 dimensions. For one target in noise the ratio is the signal to
    noise ratio of an element; where two targets share a cell it is smaller, and says how little the azimuth means.
    """
    residual = np.maximum(total_power - beam_power, 1e-6 * total_power) / max(elements - 1, 1)
    return np.asarray(beam_power / (elements * residual))


def _beam_derivatives(
    snapshots: NDArray[np.complexfloating], turn: NDArray[np.complex128], sine: FloatArray
) -> NDArray[np.complex128]:
    """Return ``a^H s`` and its first two derivatives with respect to sin(azimuth), (3, n)."""
    terms = snapshots * np.exp(sine[:, None] * turn[1])
    return np.asarray(turn @ terms.T)
