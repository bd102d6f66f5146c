"""Constant-velocity motion in the plane; state order x, vx, y, vy (mnomp-spa-kf, eq. 2)."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def transition(dt_s: float) -> FloatArray:
    """Return the state transition matrix of `dt_s` seconds (mnomp-spa-kf, eq. 4).

    Returns
    -------
    ndarray
        Matrix (4, 4) float64.
    """
    A = np.eye(4)
    A[0, 1] = A[2, 3] = dt_s
    return A


def process_noise(dt_s: float, acceleration_std_mps2: float) -> FloatArray:
    """Return the covariance that white-noise acceleration adds to the state in `dt_s` seconds.

    The acceleration is constant within a step and independent from step to step and between the axes: the term
    ``Gamma Q Gamma^T`` of mnomp-spa-kf eq. 37b with ``Gamma = [dt^2 / 2, dt]`` for each axis. One long step therefore
    adds more than several short ones of the same total: a gap in time widens a track at least as much as the misses
    that it stands for.

    Parameters
    ----------
    dt_s
        Length of the step, seconds.
    acceleration_std_mps2
        Standard deviation of the acceleration along each axis, m/s^2.

    Returns
    -------
    ndarray
        Covariance (4, 4) float64, in the units of the state: m^2, m^2/s, m^2/s^2.
    """
    gamma = np.array([0.5 * dt_s * dt_s, dt_s]) * acceleration_std_mps2
    Q = np.zeros((4, 4))
    Q[:2, :2] = Q[2:, 2:] = np.outer(gamma, gamma)
    return Q
