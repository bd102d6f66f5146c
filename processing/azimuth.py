"""Azimuth of detections from the phases across the virtual array."""

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
    position = sensor.virtual_positions
    limit = np.sin(sensor.azimuth_max_rad)
    n_grid = 2 * int(np.ceil(_GRID_PER_BEAM * limit / sensor.azimuth_resolution_rad)) + 1
    # Centres of equal cells: the two ends of the field of view are one direction, which must not be on the grid twice.
    grid = limit * ((2 * np.arange(n_grid) + 1) / n_grid - 1.0)
    turn = -2j * np.pi * position
    beam = snapshots @ np.exp(turn[:, None] * grid)
    best = np.argmax(np.abs(beam), axis=1)
    sine = grid[best]
    step_max = 2.0 * limit / n_grid
    lower, upper = np.maximum(sine - step_max, -limit), np.minimum(sine + step_max, limit)
    for _ in range(_NEWTON_STEPS if limit > 0.0 else 0):
        b0, b1, b2 = _beam_derivatives(snapshots, turn, sine)
        slope = np.real(np.conj(b0) * b1)
        curvature = np.abs(b1) ** 2 + np.real(np.conj(b0) * b2)
        step = np.divide(slope, curvature, out=np.zeros_like(slope), where=curvature < 0.0)
        sine = np.clip(sine - step, lower, upper)
    power = np.abs(_beam_derivatives(snapshots, turn, sine)[0]) ** 2 / position.size
    return Bearing(np.arcsin(sine), np.asarray(power, dtype=np.float64))


def beam_to_residual(beam_power: FloatArray, total_power: FloatArray, elements: int) -> FloatArray:
    """Return the ratio (n,) of the beam's power to what it leaves, both for one element.

    The rest of a snapshot, ``total - beam``, has L - 1 dimensions. For one target in noise the ratio is the signal to
    noise ratio of an element; where two targets share a cell it is smaller, and says how little the azimuth means.
    """
    residual = np.maximum(total_power - beam_power, 1e-6 * total_power) / max(elements - 1, 1)
    return np.asarray(beam_power / (elements * residual))


def _beam_derivatives(
    snapshots: NDArray[np.complexfloating], turn: NDArray[np.complexfloating], sine: FloatArray
) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]]:
    """Return ``a^H s`` (n,) and its first two derivatives with respect to sin(azimuth)."""
    terms = snapshots * np.exp(sine[:, None] * turn)
    return terms.sum(axis=1), (terms * turn).sum(axis=1), (terms * turn**2).sum(axis=1)
