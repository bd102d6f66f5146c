"""Paths between the points of a grid: peaks of the spectrum, the least-squares fit of all paths together, its bound.

A place is (path_m, sine of azimuth). Its steering vector is separable, so inner products of steering vectors and of
their derivatives are products of one along the rows and one along the tones, and nothing here is of size D but the
data. The joint fit is the deterministic maximum likelihood estimate, found by Gauss-Newton steps on what is left once
all amplitudes are fitted (variable projection, Kaufman 1975). The matrix of those steps is also the Fisher information,
whose inverse is the bound of Stoica and Nehorai (1989, MUSIC, maximum likelihood and Cramer-Rao bound, eq. 4.1).
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from isactrack.processing.music_spectrum import Manifold

ComplexArray = NDArray[np.complex128]
_Complex = TypeVar("_Complex", np.complex64, np.complex128)
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
    """The data seen from some places: all that a step of the fit needs.

    Steering vectors and their derivatives are one list of separable vectors: those of the paths, then their derivatives
    in path, then in sine, so that a product of two small matrices holds the inner products of all of them.
    """

    def __init__(self, data: ComplexArray, manifold: Manifold, places: FloatArray, energy: float) -> None:
        n = places.shape[0]
        row, tone = manifold.along_rows(places[:, 1]), manifold.along_tones(places[:, 0])
        rows = np.concatenate([row, row, row * (2j * np.pi * manifold.rows)])
        tones = np.concatenate([tone, tone * (1j * manifold.wavenumbers), tone])
        gram, matched = _inner_products(data, rows, tones)
        inverse = _inverse(gram[:n, :n], manifold)
        cross = gram[n:, :n]  # D^H A
        gain = inverse @ matched[:n]
        self.places = places
        self.power = np.sum(gain.real**2 + gain.imag**2, axis=1)
        self.distinct = self.power / np.real(np.diagonal(inverse))
        self.residual = max(energy - float(np.real(np.vdot(matched[:n], gain))), 0.0)
        outside = gram[n:, n:] - cross @ inverse @ cross.conj().T  # D^H (1 - A A^+) D
        information = np.real(outside.reshape(2, n, 2, n) * (gain.conj() @ gain.T)[:, None])
        self.information = information.transpose(1, 0, 3, 2).reshape(2 * n, 2 * n)
        tilted = (matched[n:] - cross @ gain).reshape(2, n, -1)
        self.gradient = np.real(np.sum(gain.conj() * tilted, axis=2)).T.ravel()

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
        Most Gauss-Newton steps.
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


def distinct_paths(
    data: ComplexArray, manifold: Manifold, places: FloatArray, least: float, least_share: float
) -> FloatArray:
    """Return those of some places (n, 2) at which paths explain what no other one does, without moving any.

    The weakest is dropped, and the others are looked at again, until all explain enough.

    Parameters
    ----------
    data
        Snapshots or principal snapshots (L, P, N).
    manifold
        Of the same aperture.
    places
        Where paths may be.
    least
        Least `PathFit.distinct`.
    least_share
        Least share of `PathFit.distinct` in what the path would have if it were alone.
    """
    gram, matched = _inner_products(data, manifold.along_rows(places[:, 1]), manifold.along_tones(places[:, 0]))
    kept = np.arange(places.shape[0])
    while kept.size:
        inverse = _inverse(gram[np.ix_(kept, kept)], manifold)
        gain = inverse @ matched[kept]
        power = np.sum(gain.real**2 + gain.imag**2, axis=1)
        distinct = power / np.real(np.diagonal(inverse))
        sound = (distinct >= least) & (distinct >= least_share * manifold.size * power)
        if np.all(sound):
            break
        kept = np.delete(kept, int(np.argmin(np.where(sound, np.inf, distinct))))
    return places[kept]


def path_amplitudes(data: ComplexArray, manifold: Manifold, places: FloatArray) -> ComplexArray:
    """Return the least-squares amplitudes (n, T) of paths at places (n, 2) in each of the snapshots (T, P, N)."""
    gram, matched = _inner_products(data, manifold.along_rows(places[:, 1]), manifold.along_tones(places[:, 0]))
    return np.asarray(_inverse(gram, manifold) @ matched)


def without_paths(data: NDArray[_Complex], manifold: Manifold, places: FloatArray) -> NDArray[_Complex]:
    """Return what paths at places (n, 2) leave of snapshots (T, P, N): least squares, each snapshot by itself.

    Snapshots in single precision stay that, and are half the work.
    """
    if not places.shape[0]:
        return data
    rows = manifold.along_rows(places[:, 1]).astype(data.dtype)
    tones = manifold.along_tones(places[:, 0]).astype(data.dtype)
    gram, matched = _inner_products(data, rows, tones)
    gain = (_inverse(gram.astype(np.complex128), manifold) @ matched).astype(data.dtype)
    blocks = (gain.T[:, None, :] * rows.T).reshape(-1, tones.shape[0])
    return np.asarray(data - (blocks @ tones).reshape(data.shape), dtype=data.dtype)


def _inner_products(
    data: NDArray[_Complex], rows: NDArray[_Complex], tones: NDArray[_Complex]
) -> tuple[NDArray[_Complex], NDArray[_Complex]]:
    """Return ``V^H V`` (m, m) and ``V^H Z`` (m, L) of data (L, P, N), V being products of rows (m, P), tones (m, N)."""
    along = (data.reshape(-1, data.shape[2]) @ tones.conj().T).reshape(*data.shape[:2], tones.shape[0])
    return (rows.conj() @ rows.T) * (tones.conj() @ tones.T), np.sum(along * rows.conj().T, axis=1).T


def _inverse(gram: ComplexArray, manifold: Manifold) -> ComplexArray:
    return np.asarray(np.linalg.inv(gram + _RIDGE * manifold.size * np.eye(gram.shape[0])))


def _derivatives(manifold: Manifold, places: FloatArray, most: int) -> tuple[ComplexArray, ComplexArray]:
    """Return the steering vectors and their derivatives (most + 1, n, P) in sine and (most + 1, n, N) in path."""
    rows, tones = [manifold.along_rows(places[:, 1])], [manifold.along_tones(places[:, 0])]
    for _ in range(most):
        rows.append(rows[-1] * (2j * np.pi * manifold.rows))
        tones.append(tones[-1] * (1j * manifold.wavenumbers))
    return np.stack(rows), np.stack(tones)
