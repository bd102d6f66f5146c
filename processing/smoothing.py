"""Forward-backward smoothing in space and frequency: signal subspaces of paths that move alike.

Two paths whose Doppler shifts differ by less than about one over the window are one vector to the covariance. Over
shifted sub-arrays (of rows and tones) their relative phase turns, so the mean covariance of all sub-arrays has them
apart again (Shan, Wax and Kailath 1985; forward and backward: Pillai and Kwon 1989). It costs aperture, so it is for
finding paths; `isactrack.processing.path_fit` fits them to the whole aperture afterwards.

Four things make it cheap. Sub-arrays are taken from the principal snapshots only, which hold all that the signal
subspace knows of T snapshots. The forward-backward mean of a line array is a real matrix in another basis (Haardt and
Nossek 1995): one in which vectors are split into sums and differences of mirrored elements. And of that matrix only the
leading subspace is needed, which a few orthogonal iterations find without making the matrix. Single precision does for
that: its rounding is far below the noise that there is, and places are fitted to the data.
"""

from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError

ComplexArray = NDArray[np.complex128]
_Complex = TypeVar("_Complex", np.complex64, np.complex128)
FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]

TONE_STEP: Final = 3
"""From sub-array to sub-array along the tones: neighbours are nearly the same and would cost as much."""
_ITERATIONS: Final = 4
_HALF: Final = float(np.sqrt(0.5))
_SPARE: Final = 4
"""Vectors that are iterated beyond those that are asked for: convergence then depends on a wider gap."""


def fold(values: NDArray[_Complex], axis: int = -1) -> NDArray[_Complex]:
    """Return ``Q^H x`` along an axis of n: sums and differences of mirrored elements over sqrt(2).

    Q is the sparse unitary matrix of Haardt and Nossek. A vector that equals its mirrored conjugate becomes real.
    """
    n = values.shape[axis]
    half = n // 2
    out = np.empty(values.shape, dtype=values.dtype)
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(out, axis, 0)
    front, back = source[:half], source[: n - half - 1 : -1]
    np.add(front, back, out=target[:half])
    np.subtract(back, front, out=target[n - half :])
    target[:half] *= _HALF
    target[n - half :] *= 1j * _HALF
    if n % 2:
        target[half] = source[half]
    return out


def unfold(values: NDArray[np.number], axis: int = -1) -> ComplexArray:
    """Return ``Q x`` along an axis, the inverse of `fold`."""
    n = values.shape[axis]
    half = n // 2
    out = np.empty(values.shape, dtype=np.complex128)
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(out, axis, 0)
    sums, differences = _HALF * source[:half], 1j * _HALF * source[n - half :]
    target[:half] = sums + differences
    target[: n - half - 1 : -1] = sums - differences
    if n % 2:
        target[half] = source[half]
    return out


def sub_arrays(principal: NDArray[np.complex64], rows: int, tones: int, tone_step: int = TONE_STEP) -> SingleArray:
    """Return all sub-arrays (n, rows tones), folded, real and imaginary parts one after the other.

    ``S^T S`` is n / 2 times the forward-backward mean of the covariances, in the folded basis.

    Parameters
    ----------
    principal
        Principal snapshots (L, P, N).
    rows, tones
        Size of a sub-array.
    tone_step
        From sub-array to sub-array along the tones.
    """
    windows = np.lib.stride_tricks.sliding_window_view(principal, tones, axis=2)[:, :, ::tone_step]
    along_tones = fold(windows)  # (L, P, n, tones)
    starts = range(principal.shape[1] - rows + 1)
    folded = np.stack([fold(along_tones[:, first : first + rows], axis=1) for first in starts])
    folded = folded.swapaxes(2, 3)  # (P', L, n, rows, tones)
    both = np.stack([folded.real, folded.imag])
    return both.reshape(-1, rows * tones)


def leading_subspace(data: SingleArray, order: int) -> tuple[FloatArray, FloatArray]:
    """Return the largest eigenvalues (order,) of ``S^T S`` and their eigenvectors (D, order), S = data (n, D)."""
    width = min(order + _SPARE, *data.shape)
    basis = np.linalg.qr(data.T @ _start(data.shape[0], width))[0]
    for _ in range(_ITERATIONS):
        basis = np.linalg.qr(data.T @ (data @ basis))[0]
    image = (data @ basis).astype(np.float64)
    values, vectors = np.linalg.eigh(image.T @ image)
    best = slice(None, -order - 1, -1)
    return np.maximum(values[best], 0.0), basis @ vectors[:, best]


def smoothed_subspace(
    principal: ComplexArray, rows: int, tones: int, order: int, tone_step: int = TONE_STEP
) -> tuple[FloatArray, ComplexArray]:
    """Return eigenvalues (order,) and the signal subspace (order, rows, tones) of the forward-backward mean.

    The eigenvalues are those of the sum over principal snapshots of the mean over sub-arrays; the rows of the subspace
    are orthonormal. Fewer than `order` come back where there are not so many sub-arrays.

    Parameters
    ----------
    principal
        Principal snapshots (L, P, N), rows and tones evenly spaced.
    rows, tones
        Size of a sub-array.
    order
        Dimensions of the subspace.
    tone_step
        From sub-array to sub-array along the tones.
    """
    scale = float(np.sqrt(np.vdot(principal, principal).real / principal.size)) or 1.0
    data = sub_arrays((principal / scale).astype(np.complex64), rows, tones, tone_step)
    values, vectors = leading_subspace(data, order)
    each = data.shape[0] / (2 * principal.shape[0])
    subspace = unfold(unfold(vectors.T.reshape(-1, rows, tones)), axis=1)
    return values * (scale**2 / each), subspace


@lru_cache(maxsize=32)
def smoothed_noise_edge(
    shape: tuple[int, int], rows: int, tones: int, snapshots: int, tone_step: int = TONE_STEP
) -> float:
    """Return what the largest eigenvalue of smoothed noise of unit power hardly ever exceeds.

    Overlapping sub-arrays are correlated, so no law of random matrices applies; a few draws do: their mean and four
    standard deviations.

    Parameters
    ----------
    shape
        P and N.
    rows, tones, tone_step
        Of the sub-arrays.
    snapshots
        Principal snapshots.
    """
    rng = np.random.default_rng(snapshots)
    largest = []
    for _ in range(12):
        noise = rng.standard_normal((snapshots, *shape, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
        largest.append(smoothed_subspace(noise, rows, tones, 1, tone_step)[0][0])
    return float(np.mean(largest) + 4.0 * np.std(largest))


def check_even(places: FloatArray, what: str) -> None:
    """Raise a ConfigError unless places (n,) are evenly spaced: only then are sub-arrays alike but for a phase."""
    steps = np.diff(places)
    if steps.size and not np.allclose(steps, steps[0], rtol=1e-6, atol=0.0):
        raise ConfigError(
            f"the {what} of this radio are not evenly spaced, so that shifted sub-arrays are not alike",
            "turn smoothing off (music.smoothing = false)",
        )


@lru_cache(maxsize=32)
def _start(size: int, width: int) -> SingleArray:
    return np.random.default_rng(0).standard_normal((size, width), dtype=np.float32)
