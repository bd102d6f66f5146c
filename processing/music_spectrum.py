"""The spectrum of 2D-MUSIC, and the manifold that it is a function of.

The steering vector of a path of length l that arrives from azimuth a is separable, ``a_phi(p) a_tau(n)`` with
``a_phi(p) = exp(2 pi j p sin a)`` and ``a_tau(n) = exp(-2 pi j f_n l / c)`` (eq. 1), and ``|a|^2 = D = P N``. Two
identities make the spectrum of eq. 5 cheap:

- ``a^H En En^H a = D - |Us^H a|^2``: noise and signal subspace together are everything. Us has L columns, En D - L.
- Us comes from the Gram matrix (T, T) of T snapshots: ``X X^H u = m u`` has the solutions ``u = X v / sqrt(m)`` of
  ``X^H X v = m v``. Nothing of size D x D is ever made.

With both axes separable the whole grid is two products of small matrices.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.units import SPEED_OF_LIGHT_MPS, power_to_db

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_LEAST = 1e-12
"""Least share of a steering vector outside of the signal subspace: rounding must not make it 0."""


class DelayAzimuthMap:
    """A spectrum over the length of the path and azimuth.

    Parameters
    ----------
    power
        The spectrum (azimuth, path) float32, linear, or a function that computes it when it is first asked for.
    path_axis_m, azimuth_axis_rad
        Its axes (path,) and (azimuth,), ascending.
    """

    __slots__ = ("_power", "azimuth_axis_rad", "path_axis_m")

    def __init__(
        self,
        power: NDArray[np.float32] | Callable[[], NDArray[np.float32]],
        path_axis_m: FloatArray,
        azimuth_axis_rad: FloatArray,
    ) -> None:
        self._power = power
        self.path_axis_m = path_axis_m
        self.azimuth_axis_rad = azimuth_axis_rad

    @property
    def power(self) -> NDArray[np.float32]:
        """The spectrum (azimuth, path) float32, 1 where a steering vector has no part in the signal subspace."""
        power = self._power
        if callable(power):
            self._power = power = power()
        return power

    def level_db(self) -> FloatArray:
        """Return the level (azimuth, path) in dB over the median of the map."""
        level = power_to_db(self.power)
        return np.asarray(level - np.median(level))


@dataclass(frozen=True, slots=True, eq=False)
class Manifold:
    """Elements and tones of an aperture, counted from their middles, which only turns the phase of a whole path.

    Attributes
    ----------
    rows
        Places (P,) of the elements in wavelengths.
    wavenumbers
        ``-2 pi f / c`` (N,) of the tones, rad/m.
    """

    rows: FloatArray
    wavenumbers: FloatArray

    @classmethod
    def of(cls, rx_positions: ArrayLike, frequencies_hz: ArrayLike) -> "Manifold":
        """Return that of elements at places (P,) in wavelengths and tones at frequencies (N,)."""
        rows = np.asarray(rx_positions, dtype=np.float64)
        tones = np.asarray(frequencies_hz, dtype=np.float64)
        centred = tones - tones.mean()
        return cls(rows - rows.mean(), -2.0 * np.pi / SPEED_OF_LIGHT_MPS * centred)

    @property
    def size(self) -> int:
        """Observations D."""
        return int(self.rows.size * self.wavenumbers.size)

    def along_rows(self, sine: FloatArray) -> ComplexArray:
        """Return the steering vectors (n, P) of sines of azimuth (n,)."""
        return np.asarray(np.exp(2j * np.pi * sine[:, None] * self.rows))

    def along_tones(self, path_m: FloatArray) -> ComplexArray:
        """Return the steering vectors (n, N) of path lengths (n,)."""
        return np.asarray(np.exp(1j * path_m[:, None] * self.wavenumbers))


def gram_eigen(snapshots: ComplexArray) -> tuple[FloatArray, ComplexArray]:
    """Return eigenvalues (T,), the largest first, and eigenvectors (T, T) of ``X^H X`` of snapshots (T, D).

    The eigenvalues are T times those of the covariance of eq. 4 that are not 0.
    """
    values, vectors = np.linalg.eigh(np.conj(snapshots) @ snapshots.T)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def signal_subspace(snapshots: ComplexArray, order: int) -> ComplexArray:
    """Return the signal subspace (L, D) of snapshots (T, D), Es of eq. 4; its rows are orthonormal."""
    values, vectors = gram_eigen(snapshots)
    return principal_snapshots(snapshots, vectors[:, :order]) / np.sqrt(values[:order, None])


def principal_snapshots(snapshots: ComplexArray, vectors: ComplexArray) -> ComplexArray:
    """Return the combinations (L, D) of snapshots (T, D) that eigenvectors (T, L) of their Gram matrix stand for.

    They are orthogonal, their squared norms are the eigenvalues, and white noise stays white in them.
    """
    return np.asarray(vectors.T @ snapshots)


class SpectrumGrid:
    """A grid over azimuth and length of the path, and what of the manifold it needs.

    Along the tones the grid is one product of matrices. Along the rows the share is a quadratic form of the steering
    vector, and that is a sum over the distances between elements: of P evenly spaced ones there are P, so that the
    second product has 2 P - 1 terms, whatever the order of the subspace is.

    Parameters
    ----------
    manifold
        Elements and tones.
    azimuth_axis_rad, path_axis_m
        The grid (azimuth,) and (path,).
    """

    def __init__(self, manifold: Manifold, azimuth_axis_rad: FloatArray, path_axis_m: FloatArray) -> None:
        self.azimuth_axis_rad = azimuth_axis_rad
        self.path_axis_m = path_axis_m
        self._size = manifold.size
        self._tones = np.ascontiguousarray(np.conj(manifold.along_tones(path_axis_m)).T)
        self._near, self._far = np.triu_indices(manifold.rows.size, k=1)
        distance = np.round(manifold.rows[self._far] - manifold.rows[self._near], 9)
        distances, group = np.unique(distance, return_inverse=True)
        self._group = (np.arange(distances.size)[:, None] == group).astype(np.float64)
        phase = 2.0 * np.pi * np.sin(azimuth_axis_rad)[:, None] * distances
        self._rows = np.hstack([np.ones((azimuth_axis_rad.size, 1)), 2.0 * np.cos(phase), -2.0 * np.sin(phase)])

    def share(self, subspace: ComplexArray) -> FloatArray:
        """Return ``|Us^H a|^2 / D`` (azimuth, path) of an orthonormal Us (L, P, N)."""
        order, rows, tones = subspace.shape
        if order == 0:
            return np.zeros((self.azimuth_axis_rad.size, self.path_axis_m.size))
        delays = (subspace.reshape(order * rows, tones) @ self._tones).reshape(order, rows, -1)
        still = np.sum(delays.real**2 + delays.imag**2, axis=(0, 1))
        pairs = np.sum(delays[:, self._near] * np.conj(delays[:, self._far]), axis=0)
        by_distance = self._group @ pairs.view(np.float64)
        terms = np.vstack([still, by_distance[:, 0::2], by_distance[:, 1::2]])
        return np.asarray(self._rows @ terms) / self._size


def pseudo_spectrum(share: FloatArray) -> NDArray[np.float32]:
    """Return ``1 / (1 - share)`` as float32: eq. 5 times D."""
    return np.asarray(1.0 / np.maximum(1.0 - share, _LEAST), dtype=np.float32)
