"""Kalman filtering of many tracks at once: free functions on arrays.

`n` counts tracks and `m` detections. Means are (n, 4), covariances (n, 4, 4), state order x, vx, y, vy; all arrays are
float64 in metres and seconds. The 2x2 systems are solved in closed form, because a call into LAPACK for each pair
would cost more than everything else.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

POSITION = np.array([0, 2])
"""Rows of the state that are measured: the matrix H of mnomp-spa-kf eq. 7 as an index."""

MIN_RANGE_M = 0.1
"""Below this range the direction to a target means nothing; keeps the Jacobian of the radial velocity bounded."""


def predict(
    mean: FloatArray, covariance: FloatArray, transition: FloatArray, process_noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return means and covariances one step on (mnomp-spa-kf, eq. 37a, 37b).

    Parameters
    ----------
    mean, covariance
        States (n, 4) and (n, 4, 4).
    transition, process_noise
        Matrices (4, 4).
    """
    P = transition @ covariance @ transition.T + process_noise
    return mean @ transition.T, symmetric(P)


def innovation(
    mean: FloatArray, covariance: FloatArray, position_m: FloatArray, noise_m2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what every detection says against every track (mnomp-spa-kf, eq. 42 and 69).

    Parameters
    ----------
    mean, covariance
        Predicted states (n, 4) and (n, 4, 4).
    position_m, noise_m2
        Measured positions (m, 2) and their covariances (m, 2, 2).

    Returns
    -------
    residual : ndarray
        Measured minus predicted positions (n, m, 2).
    spread : ndarray
        Covariances (n, m, 2, 2) of the residuals.
    """
    residual = position_m[None, :, :] - mean[:, None, POSITION]
    spread = position_covariance(covariance)[:, None] + noise_m2[None, :]
    return residual, spread


def mahalanobis(residual: FloatArray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return squared Mahalanobis lengths of residuals (..., 2) and log determinants of their `spread` (..., 2, 2)."""
    a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    det = a * c - b * b
    ex, ey = residual[..., 0], residual[..., 1]
    squared = (c * ex * ex - 2.0 * b * ex * ey + a * ey * ey) / det
    return np.asarray(squared), np.log(det)


def predicted_radial_velocity(mean: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the radial velocities that states imply, to first order (mnomp-spa-kf, eq. 16c and 34).

    The third row of the matrix H' of eq. 34a holds the direction of the target only. Here it is the full gradient of
    eq. 16c: at short range the uncertain direction of a target that crosses the beam matters as much as its velocity.

    Parameters
    ----------
    mean, covariance
        States (n, 4) and (n, 4, 4).

    Returns
    -------
    velocity_mps : ndarray
        Radial velocities (n,), positive away from the sensor.
    variance : ndarray
        Their variances (n,), m^2/s^2.
    cross : ndarray
        Their covariances (n, 2) with x and y, m^2/s.
    """
    x, vx, y, vy = mean.T
    r = np.hypot(x, y)
    safe = np.maximum(r, MIN_RANGE_M)
    sin, cos = x / safe, y / safe
    v = vx * sin + vy * cos
    gradient = np.stack([(vx - v * sin) / safe, sin, (vy - v * cos) / safe, cos], axis=-1)
    with_state = np.einsum("nij,nj->ni", covariance, gradient)
    return v, np.einsum("ni,ni->n", gradient, with_state), with_state[:, POSITION]


def radial_velocity_terms(
    residual: FloatArray, spread: FloatArray, velocity_residual: FloatArray, variance: FloatArray, cross: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what the radial velocity adds to `mahalanobis` for the three-dimensional gate (mnomp-spa-kf, eq. 70).

    The joint Gaussian of position and radial velocity is the one of position times the one of radial velocity given
    the position, so both the squared length and the log determinant are sums.

    Parameters
    ----------
    residual, spread
        From `innovation`, (n, m, 2) and (n, m, 2, 2).
    velocity_residual
        Measured minus predicted radial velocities (n, m).
    variance
        Variances (n, m) or broadcastable: of the prediction plus of the measurement.
    cross
        From `predicted_radial_velocity`, (n, 2).

    Returns
    -------
    squared, log_variance : ndarray
        Terms (n, m) to add to the squared length and to the log determinant.
    """
    a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    det = a * c - b * b
    kx, ky = cross[:, None, 0], cross[:, None, 1]
    gain_x, gain_y = (c * kx - b * ky) / det, (a * ky - b * kx) / det
    left = variance - (gain_x * kx + gain_y * ky)
    surprise = velocity_residual - (gain_x * residual[..., 0] + gain_y * residual[..., 1])
    return np.asarray(surprise * surprise / left), np.log(left)


def update(
    mean: FloatArray, covariance: FloatArray, position_m: FloatArray, noise_m2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return states after each took in its own detection (mnomp-spa-kf, eq. 38 and 39 for a sure association).

    The covariance is in Joseph's form, which stays positive whatever the rounding of the gain.

    Parameters
    ----------
    mean, covariance
        Predicted states (n, 4) and (n, 4, 4).
    position_m, noise_m2
        Position (n, 2) and covariance (n, 2, 2) that belong to each track.
    """
    S = position_covariance(covariance) + noise_m2
    det = S[:, 0, 0] * S[:, 1, 1] - S[:, 0, 1] * S[:, 1, 0]
    adjugate = np.stack([S[:, 1, 1], -S[:, 0, 1], -S[:, 1, 0], S[:, 0, 0]], axis=-1).reshape(-1, 2, 2)
    K = covariance[:, :, POSITION] @ (adjugate / det[:, None, None])
    rest = np.tile(np.eye(4), (len(mean), 1, 1))
    rest[:, :, POSITION] -= K
    P = rest @ covariance @ rest.transpose(0, 2, 1) + K @ noise_m2 @ K.transpose(0, 2, 1)
    error = position_m - mean[:, POSITION]
    return mean + np.einsum("nij,nj->ni", K, error), symmetric(P)


def position_covariance(covariance: FloatArray) -> FloatArray:
    """Return the position blocks (n, 2, 2) of state covariances (n, 4, 4)."""
    return np.asarray(covariance[:, POSITION[:, None], POSITION])


def symmetric(covariance: FloatArray) -> FloatArray:
    """Return the symmetric part of matrices (n, k, k)."""
    return np.asarray(0.5 * (covariance + covariance.transpose(0, 2, 1)))
