"""Where a target stands that is seen by way of a transmitter elsewhere: eq. 7-9 of indoor-multi-person-isac-26ghz.

All of it is in the sensor frame: the receiver at the origin, x to the right, y along boresight, azimuth ``a`` from
boresight and positive to the right, so that a target at distance r stands at ``r (sin a, cos a)``. The paper mixes two
frames: its steering vector (below eq. 1) counts the angle from broadside, as is done here, its eq. 9 from the line of
the array, and its eq. 7 the other way round (``pi - phi``). What eq. 7 needs of them is only the angle between target
and transmitter as the receiver sees them, so eq. 8 reads here::

    r = (L^2 - d^2) / (2 (L - t . u)),    u = (sin a, cos a)

with the path length L from transmitter over target to receiver, the transmitter at t and d = |t|. On the line from
transmitter to receiver, where L = d, target and direct path cannot be told apart, and the denominator goes to zero
beside it: there a small error of L is a large one of r.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.geometry import xy_to_polar

FloatArray = NDArray[np.float64]


def locate(
    path_m: ArrayLike,
    azimuth_rad: ArrayLike,
    covariance: ArrayLike,
    tx_position_m: ArrayLike,
    *,
    min_excess_m: float = 0.0,
    max_std_m: float = math.inf,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return where paths were reflected, how certain that is, and of which paths it may be used (eq. 7-9).

    Parameters
    ----------
    path_m, azimuth_rad
        Lengths (n,) from transmitter over target to receiver (m) and azimuths (n,) of arrival (rad).
    covariance
        Covariances (n, 2, 2) of (path_m, azimuth_rad).
    tx_position_m
        Transmitter (2,) in the sensor frame, m.
    min_excess_m
        A path must be longer than the direct one by more than this.
    max_std_m
        A position whose one-sigma ellipse has a larger half-axis than this must not be used.

    Returns
    -------
    position, covariance : ndarray
        Positions (n, 2), m, and to first order their covariances (n, 2, 2), m^2. A path without a place, because it is
        not longer than the direct one or not finite, has zeros there: nothing is ever NaN.
    usable : ndarray
        Whether (n,) there is a place, far enough from the direct path, and certain enough.
    """
    path, azimuth = np.asarray(path_m, dtype=np.float64), np.asarray(azimuth_rad, dtype=np.float64)
    spread = np.asarray(covariance, dtype=np.float64)
    tx = np.asarray(tx_position_m, dtype=np.float64)
    direct = float(np.hypot(tx[0], tx[1]))
    finite = np.isfinite(path) & np.isfinite(azimuth) & np.isfinite(spread).all(axis=(1, 2))
    there = finite & (np.where(finite, path, 0.0) - direct > max(min_excess_m, 0.0))
    # A circle around transmitter and receiver stands in for what has no place, so that no step divides by zero.
    path = np.where(there, path, 2.0 * direct + 1.0)
    azimuth = np.where(there, azimuth, 0.0)
    spread = np.where(there[:, None, None], spread, 0.0)

    along = np.stack([np.sin(azimuth), np.cos(azimuth)], axis=-1)
    across = np.stack([np.cos(azimuth), -np.sin(azimuth)], axis=-1)  # d(along) / d(azimuth)
    reach = path - along @ tx  # positive: at least the excess
    r = (path - direct) * (path + direct) / (2.0 * reach)  # eq. 8
    position = r[:, None] * along  # eq. 9
    jacobian = np.empty((len(path), 2, 2))
    jacobian[:, :, 0] = ((path - r) / reach)[:, None] * along
    jacobian[:, :, 1] = (r * (across @ tx) / reach)[:, None] * along + r[:, None] * across
    covariance_m2 = jacobian @ spread @ jacobian.transpose(0, 2, 1)

    a, b, c = covariance_m2[:, 0, 0], covariance_m2[:, 0, 1], covariance_m2[:, 1, 1]
    largest = 0.5 * (a + c) + np.hypot(0.5 * (a - c), b)
    position[~there] = 0.0
    return position, covariance_m2, there & (largest <= max_std_m * max_std_m)


def paths_of(position_m: ArrayLike, tx_position_m: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return path lengths (...) and azimuths (...) of targets at `position_m` (..., 2): the inverse of `locate`."""
    position = np.asarray(position_m, dtype=np.float64)
    r, azimuth = xy_to_polar(position)
    return np.asarray(r + np.linalg.norm(position - np.asarray(tx_position_m), axis=-1)), azimuth


def path_rate(position_m: ArrayLike, velocity_mps: ArrayLike, tx_position_m: ArrayLike) -> FloatArray:
    """Return by how much (m/s) the paths by way of targets grow in a second; the Doppler shift is ``-rate / lambda``.

    It is ``2 v cos(delta) cos(beta / 2)`` with the angle beta between the ways to transmitter and receiver and the
    angle delta of the velocity to their bisector. The paper's ``2 v / lambda`` (below eq. 3) holds for beta = 0.

    Parameters
    ----------
    position_m, velocity_mps
        Positions (..., 2), m, and velocities (..., 2), m/s.
    tx_position_m
        Transmitter (2,), m.
    """
    return np.asarray(np.sum(_outward(position_m, tx_position_m) * np.asarray(velocity_mps), axis=-1))


def behind_surface(position_m: ArrayLike, tx_position_m: ArrayLike, radius_m: float) -> FloatArray:
    """Return the centres (..., 2) of round bodies that reflect at `position_m` (..., 2).

    A mirror's normal halves the angle between the ways to transmitter and receiver, so the centre lies behind the
    point that reflects, `radius_m` along the bisector of the two and away from both. A point on the line between
    transmitter and receiver, which has no such side, stays where it is.
    """
    position = np.asarray(position_m, dtype=np.float64)
    outward = _outward(position, tx_position_m)
    length = np.linalg.norm(outward, axis=-1, keepdims=True)
    return np.asarray(position + radius_m * outward / np.where(length > 1e-9, length, np.inf))


def _outward(position_m: ArrayLike, tx_position_m: ArrayLike) -> FloatArray:
    """Return the gradient (..., 2) of the path length: the unit vectors away from receiver and transmitter, added."""
    position = np.asarray(position_m, dtype=np.float64)
    return _unit(position) + _unit(position - np.asarray(tx_position_m, dtype=np.float64))


def _unit(vector: FloatArray) -> FloatArray:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.asarray(vector / np.where(length > 0.0, length, 1.0))
