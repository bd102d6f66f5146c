"""The model of eq. 8 of mnomp-spa-kf in plain matrix products: atoms, their products with a frame, least squares.

Frames have the axes ``data[m, l, n]`` (loop, antenna, sample); a line is
``gain[l] exp(j (range_rad n + doppler_rad m))``.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def steering(omega: FloatArray, count: int, *, origin: float = 0.0) -> ComplexArray:
    """Return ``exp(j omega (i - origin))`` for i = 0 .. count - 1, (k, count) (eq. 11)."""
    return np.asarray(np.exp(1j * omega[:, None] * (np.arange(count) - origin)))


def synthesise(
    range_rad: FloatArray, doppler_rad: FloatArray, gain: ComplexArray, shape: tuple[int, int, int]
) -> ComplexArray:
    """Return the frame (M, L, N) that lines make without noise (eq. 12); `gain` is (k, L)."""
    n_loops, n_antennas, n_samples = shape
    slow, fast = steering(doppler_rad, n_loops), steering(range_rad, n_samples)
    rows = (slow[:, :, None] * gain[:, None, :]).reshape(len(range_rad), n_loops * n_antennas)
    return np.asarray((rows.T @ fast).reshape(shape))


def correlate(data: ComplexArray, range_rad: FloatArray, doppler_rad: FloatArray) -> ComplexArray:
    """Return the inner products (k, L) of a frame (M, L, N) with the atoms of lines of unit gain."""
    n_loops, n_antennas, n_samples = data.shape
    fast = np.conj(steering(range_rad, n_samples))
    slow = np.conj(steering(doppler_rad, n_loops))
    along_range = (data.reshape(-1, n_samples) @ fast.T).reshape(n_loops, n_antennas, len(fast))
    return np.asarray(np.einsum("mlk,km->kl", along_range, slow))


def gram(range_rad: FloatArray, doppler_rad: FloatArray, n_samples: int, n_loops: int) -> ComplexArray:
    """Return the inner products (k, k) of the atoms with one another."""
    fast, slow = steering(range_rad, n_samples), steering(doppler_rad, n_loops)
    return np.asarray((np.conj(fast) @ fast.T) * (np.conj(slow) @ slow.T))


def least_squares_gains(data: ComplexArray, range_rad: FloatArray, doppler_rad: FloatArray) -> ComplexArray:
    """Return the gains (k, L) complex128 that leave the least of a frame (M, L, N) for lines at given frequencies."""
    if range_rad.size == 0:
        return np.zeros((0, data.shape[1]), dtype=np.complex128)
    matrix = gram(range_rad, doppler_rad, data.shape[2], data.shape[0])
    return np.asarray(np.linalg.lstsq(matrix, correlate(data, range_rad, doppler_rad), rcond=1e-10)[0])


def wrap_positive(omega: FloatArray) -> FloatArray:
    """Return angular frequencies in [0, 2 pi), as `SpectralLines.range_rad` has them."""
    wrapped = np.mod(omega, 2.0 * np.pi)
    # The remainder of a tiny negative number rounds to 2 pi itself.
    return np.asarray(np.where(wrapped >= 2.0 * np.pi, 0.0, wrapped))


def wrap_symmetric(omega: FloatArray) -> FloatArray:
    """Return angular frequencies in [-pi, pi), as `SpectralLines.doppler_rad` has them."""
    return np.asarray(wrap_positive(omega + np.pi) - np.pi)
