"""How many paths there are: eigenvalues that stand out of those of noise.

The eigenvalues are those of the Gram matrix (T, T) of T snapshots of D observations each, D much larger than T. Of
white noise of power s^2 they lie between ``s^2 (sqrt(D) - sqrt(T))^2`` and ``s^2 (sqrt(D) + sqrt(T))^2``
(Marchenko and Pastur 1967), and the largest exceeds that edge by a Tracy-Widom fluctuation. The noise of a radio is
known from its guard tones, so an eigenvalue above the edge is a path: the probability of a false one is chosen, and
neither the number of snapshots nor that of paths enters. `mdl_order` (Wax and Kailath 1985), which knows no noise, is
what it is compared with.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_TRACY_WIDOM: Final = 1.31
"""The value that the standardised largest eigenvalue of complex noise exceeds with a probability of 1e-3."""


def noise_edge(observations: int, snapshots: int) -> float:
    """Return what the largest eigenvalue of noise of unit power exceeds with a probability of 1e-3 (Johansson 2000)."""
    a, b = np.sqrt(observations), np.sqrt(snapshots)
    return float((a + b) ** 2 + _TRACY_WIDOM * (a + b) * (1.0 / a + 1.0 / b) ** (1.0 / 3.0))


def noise_floor(eigenvalues: FloatArray, observations: int) -> float:
    """Return the noise power (per observation) that the lower half of the eigenvalues speaks of.

    Paths take the upper ones, so this holds while there are fewer than half as many as snapshots. The mean of the lower
    half of pure noise is known from the law of Marchenko and Pastur; it is divided by.

    Parameters
    ----------
    eigenvalues
        Eigenvalues (T,) of the Gram matrix, the largest first.
    observations
        D.
    """
    snapshots = eigenvalues.size
    lower = eigenvalues[snapshots - snapshots // 2 :]
    return float(np.mean(lower)) / (observations * _lower_half(snapshots / observations, snapshots))


def edge_order(eigenvalues: FloatArray, observations: int, noise_power: float) -> int:
    """Return how many eigenvalues (T,), the largest first, exceed the edge of noise of `noise_power`."""
    return int(np.count_nonzero(eigenvalues > noise_power * noise_edge(observations, eigenvalues.size)))


def mdl_order(eigenvalues: FloatArray, observations: int) -> int:
    """Return the minimum description length order of T eigenvalues (the largest first) of D observations each.

    Rows and columns of the data change places against Wax and Kailath: there are D looks at T channels here.
    """
    values = np.maximum(eigenvalues, np.finfo(np.float64).tiny)
    n = values.size
    lengths = np.empty(n)
    for k in range(n):
        rest = values[k:]
        lengths[k] = observations * rest.size * (np.log(np.mean(rest)) - np.mean(np.log(rest)))
        lengths[k] += 0.5 * k * (2 * n - k) * np.log(observations)
    return int(np.argmin(lengths))


@lru_cache(maxsize=32)
def _lower_half(ratio: float, snapshots: int) -> float:
    """Return the mean of the lower half of the Marchenko-Pastur law of unit power."""
    low, high = (1.0 - np.sqrt(ratio)) ** 2, (1.0 + np.sqrt(ratio)) ** 2
    x = low + (high - low) * (np.arange(2000) + 0.5) / 2000.0
    density = np.sqrt((high - x) * (x - low)) / x
    share = np.cumsum(density) / np.sum(density)
    taken = np.clip(
        (snapshots // 2) / snapshots - np.concatenate([[0.0], share[:-1]]), 0.0, np.diff(share, prepend=0.0)
    )
    return float(np.sum(x * taken) / np.sum(taken))
