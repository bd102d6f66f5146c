"""Paths between the points of a grid: peaks of the spectrum, the least-squares fit of all paths together, its bound.

A place is (path_m, sine of azimuth). Its steering vector is separable, so inner products of steering vectors and of
their derivatives are products of one along the rows and one along the tones, and nothing here is of size D but the
data. The joint fit is the deterministic maximum likelihood estimate, found by Gauss-Newton steps on what is left once
all amplitudes are fitted (variable projection, Kaufman 1975). The matrix of those steps is also the Fisher information,
whose inverse is the bound of Stoica and Nehorai (1989, MUSIC, maximum likelihood and Cramer-Rao bound, eq. 4.1).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.processing.music_spectrum import Manifold

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_NEWTON_STEPS: Final = 3
FIT_STEPS: Final = 6
"""Most Gauss-Newton steps of the joint fit; from the peaks of a spectrum it takes two or three."""
_CONVERGED: Final = 1e-2
"""Of a cell: a step that is shorter ends the fit. Steps shrink with their squares, so what is left is a hundredth."""
_RIDGE: Final = 1e-9
"""Of the diagonal: keeps paths in one place from dividing by zero."""


def refine_peaks(subspace: ComplexArray, manifold: Manifold, places: FloatArray, cell: FloatArray) -> FloatArray:
    """Return places (n, 2) moved by Newton's method to the maxima of ``|Us^H a|^2``, all at once.

    Parameters
    ----------
    subspace
        Orthonormal Us (L, P, N).
    manifold
        Of the same aperture.
    places
        Peaks (n, 2) of a grid: path_m, sine of azimuth.
    cell
        Longest credible step (2,). A peak that wants to leave by more than that from where it began is left there.
    """
    start, places = places, places.copy()
    for _ in range(_NEWTON_STEPS):
        # The logarithm has the same maximum and is concave over the whole main lobe.
        share, gradient, hessian = share_derivatives(subspace, manifold, places)
        gradient = gradient * cell / share[:, None]
        hessian = hessian * np.outer(cell, cell) / share[:, None, None] - gradient[:, :, None] * gradient[:, None, :]
        determinant = hessian[:, 0, 0] * hessian[:, 1, 1] - hessian[:, 0, 1] ** 2
        concave = (determinant > 0.0) & (hessian[:, 0, 0] < 0.0)
        scale = np.where(concave, determinant, 1.0)
        step = -np.stack(
            [
                hessian[:, 1, 1] * gradient[:, 0] - hessian[:, 0, 1] * gradient[:, 1],
                hessian[:, 0, 0] * gradient[:, 1] - hessian[:, 0, 1] * gradient[:, 0],
            ],
            axis=1,
        )
        # Where the spectrum is not concave Newton's step leads astray; up the slope it is a quarter of a cell.
        step = np.where(concave[:, None], step / scale[:, None], 0.25 * np.sign(gradient))
        places = places + np.clip(step, -0.5, 0.5) * cell
    left = np.any(np.abs(places - start) > 1.5 * cell, axis=1)
    return np.where(left[:, None], start, places)


def share_derivatives(
    subspace: ComplexArray, manifold: Manifold, places: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ``|Us^H a|^2 / D`` (n,), its gradient (n, 2) and its Hessian (n, 2, 2) at places (n, 2)."""
    n, order = places.shape[0], subspace.shape[0]
    rows, tones = _derivatives(manifold, places, 2)
    along = subspace @ np.conj(tones).reshape(3 * n, -1).T
    along = along.reshape(order, -1, 3, n).transpose(3, 2, 0, 1).reshape(n, 3 * order, -1)
    # Entry (n, i, l, j): the i-th derivative in path, the j-th in sine, of a^H u_l.
    both = (along @ np.conj(rows).transpose(1, 2, 0)).reshape(n, 3, order, 3)
    value = both[:, 0, :, 0]
    slope = np.stack([both[:, 1, :, 0], both[:, 0, :, 1]], axis=1)
    curvature = np.stack([both[:, 2, :, 0], both[:, 1, :, 1], both[:, 1, :, 1], both[:, 0, :, 2]], axis=1)
    dual = np.conj(value)[:, :, None]
    power = np.real(np.sum(value * np.conj(value), axis=1))
    gradient = 2.0 * np.real(slope @ dual)[:, :, 0]
    hessian = 2.0 * np.real(slope @ np.conj(slope).transpose(0, 2, 1) + (curvature @ dual).reshape(n, 2, 2))
    return power / manifold.size, gradient / manifold.size, hessian / manifold.size


@dataclass(frozen=True, slots=True, eq=False)
class PathFit:
    """Paths fitted to the data together.

    Attributes
    ----------
    places
        Places (n, 2): path_m, sine of azimuth.
    power
        Energies (n,) of the paths in an observation, summed over the snapshots.
    distinct
        Energies (n,) in an observation of what no other path explains, times that share of D which it is known by:
        over the noise power, the chi-square statistic of the path.
    information
        ``H`` (2 n, 2 n), path by path: ``noise power / 2 H^-1`` is the Cramer-Rao bound of the places.
    residual
        Energy that the paths leave unexplained.
    """

    places: FloatArray
    power: FloatArray
    distinct: FloatArray
    information: FloatArray
    residual: float

    def __len__(self) -> int:
        return int(self.power.size)

    def bound(self, noise_power: float) -> FloatArray:
        """Return the Cramer-Rao bounds (n, 2, 2) of the places for a noise power, m^2 and squared sines."""
        n = len(self)
        # Metres and sines differ in scale, and so do paths in power: with a diagonal of ones the inverse is sound.
        scale = 1.0 / np.sqrt(np.maximum(np.diagonal(self.information), np.finfo(np.float64).tiny))
        unit = self.information * np.outer(scale, scale) + _RIDGE * np.eye(2 * n)
        full = (0.5 * noise_power * np.linalg.inv(unit) * np.outer(scale, scale)).reshape(n, 2, n, 2)
        return full[np.arange(n), :, np.arange(n), :]


class _Projection:
    """The data seen from some places: all that a step of the fit needs."""

    def __init__(self, data: ComplexArray, manifold: Manifold, places: FloatArray, energy: float) -> None:
        n = places.shape[0]
        rows, tones = _derivatives(manifold, places, 1)
        row_gram, tone_gram = _gram(rows), _gram(tones)
        along = (data @ np.conj(tones).reshape(2 * n, -1).T).reshape(*data.shape[:2], 2, n)
        steering = row_gram[0, :, 0] * tone_gram[0, :, 0]  # A^H A
        # Index 0: derivative in path, 1: derivative in sine.
        cross = np.array([row_gram[0, :, 0] * tone_gram[1, :, 0], row_gram[1, :, 0] * tone_gram[0, :, 0]])  # D^H A
        mixed = row_gram[0, :, 1] * tone_gram[1, :, 0], row_gram[1, :, 0] * tone_gram[0, :, 1]
        both = np.array(
            [[row_gram[0, :, 0] * tone_gram[1, :, 1], mixed[0]], [mixed[1], row_gram[1, :, 1] * tone_gram[0, :, 0]]]
        )  # D^H D
        weights = np.conj(rows).transpose(0, 2, 1)
        matched = np.sum(along[:, :, 0] * weights[0], axis=1).T  # A^H Z
        tilted = np.array(
            [np.sum(along[:, :, 1] * weights[0], axis=1).T, np.sum(along[:, :, 0] * weights[1], axis=1).T]
        )  # D^H Z
        inverse = np.linalg.inv(steering + _RIDGE * manifold.size * np.eye(n))
        gain = inverse @ matched
        self.places = places
        self.power = np.sum(np.abs(gain) ** 2, axis=1)
        self.distinct = self.power / np.real(np.diagonal(inverse))
        self.residual = max(energy - float(np.real(np.vdot(matched, gain))), 0.0)
        outside = both - (cross @ inverse)[:, None] @ np.conj(cross).transpose(0, 2, 1)  # D^H (1 - A A^+) D
        information = np.real(outside * (np.conj(gain) @ gain.T))
        self.information = information.transpose(2, 0, 3, 1).reshape(2 * n, 2 * n)
        slope = np.real(np.sum(np.conj(gain) * (tilted - cross @ gain), axis=2))
        self.gradient = slope.T.ravel()

    def step(self, cell: FloatArray) -> FloatArray:
        n = self.power.size
        scale = 1.0 / np.sqrt(np.maximum(np.diagonal(self.information), np.finfo(np.float64).tiny))
        unit = self.information * np.outer(scale, scale) + _RIDGE * np.eye(2 * n)
        move = scale * np.linalg.solve(unit, scale * self.gradient)
        return np.asarray(np.clip(move.reshape(n, 2), -cell, cell))

    def fit(self) -> PathFit:
        return PathFit(self.places, self.power, self.distinct, self.information, self.residual)


def fit_paths(data: ComplexArray, manifold: Manifold, places: FloatArray, cell: FloatArray, steps: int = FIT_STEPS
              ) -> PathFit:  # fmt: skip
    """Return the least-squares fit of paths to all snapshots together.

    Parameters
    ----------
    data
        Snapshots or principal snapshots (L, P, N).
    manifold
        Of the same aperture.
    places
        Where paths are (n, 2), n at least 1: path_m, sine of azimuth.
    cell
        Longest step (2,).
    steps
        Most Gauss-Newton steps; 0 fits amplitudes only.
    """
    energy = float(np.real(np.vdot(data, data)))
    now = _Projection(data, manifold, places, energy)
    reach = 0.5 * cell
    for _ in range(steps):
        step = now.step(reach)
        then = _Projection(data, manifold, now.places + step, energy)
        if then.residual > now.residual:
            reach = 0.25 * reach
            continue
        now = then
        if np.all(np.abs(step) < _CONVERGED * cell):
            break
    return now.fit()


def path_amplitudes(data: ComplexArray, manifold: Manifold, places: FloatArray) -> ComplexArray:
    """Return the least-squares amplitudes (n, T) of paths at places (n, 2) in each of the snapshots (T, P, N)."""
    rows, tones = manifold.along_rows(places[:, 1]), manifold.along_tones(places[:, 0])
    matched = np.einsum("lpn,np->nl", data @ np.conj(tones).T, np.conj(rows))
    steering = (np.conj(rows) @ rows.T) * (np.conj(tones) @ tones.T)
    return np.asarray(np.linalg.solve(steering + _RIDGE * manifold.size * np.eye(places.shape[0]), matched))


def without_paths(data: ComplexArray, manifold: Manifold, places: FloatArray) -> ComplexArray:
    """Return what paths at places (n, 2) leave of snapshots (T, P, N): least squares, each snapshot by itself."""
    if not places.shape[0]:
        return data
    gain = path_amplitudes(data, manifold, places)
    rows, tones = manifold.along_rows(places[:, 1]), manifold.along_tones(places[:, 0])
    return np.asarray(data - (gain.T[:, None, :] * rows.T) @ tones)


def _gram(vectors: ComplexArray) -> ComplexArray:
    """Return the inner products (i, n, j, m) of vectors (i, n, size)."""
    flat = vectors.reshape(-1, vectors.shape[2])
    product = np.conj(flat) @ flat.T
    return np.asarray(product.reshape(*vectors.shape[:2], *vectors.shape[:2]))


def _derivatives(manifold: Manifold, places: FloatArray, most: int) -> tuple[ComplexArray, ComplexArray]:
    """Return the steering vectors and their derivatives (most + 1, n, P) in sine and (most + 1, n, N) in path."""
    rows, tones = [manifold.along_rows(places[:, 1])], [manifold.along_tones(places[:, 0])]
    for _ in range(most):
        rows.append(rows[-1] * (2j * np.pi * manifold.rows))
        tones.append(tones[-1] * (1j * manifold.wavenumbers))
    return np.stack(rows), np.stack(tones)
