"""Paths too weak for an eigenvalue: what is left of the snapshots once all other paths are fitted, by Doppler shift.

An eigenvalue rises above those of noise only if a path has more than ``sqrt(D T)`` times the noise power, 21 dB, as
nothing is assumed of its vector. A path that is assumed to have a steering vector and, over the window, one Doppler
shift needs 8 dB less. Which Doppler shift it is does not matter, nor that it is ambiguous.

Around paths that are known there is no such search: bodies are no points, and what is left of them is stronger than
noise. The tones are weighed (Hann), so that beyond two cells of delay nothing of it is left.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from isactrack.processing.music_spectrum import Manifold

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

GUARD_CELLS: Final = 2.0
"""How far in delay from a known path nothing is searched."""
_STEPS: Final = 2.0
"""Points of the search a cell of resolution, an axis."""


class WeakPathSearch:
    """Searches residuals for single paths.

    Parameters
    ----------
    manifold
        Of the whole aperture.
    low_m, high_m
        Range of path lengths of interest. A little more, and all azimuths, are searched, so that a sidelobe of what
        lies outside is not taken for a path inside.
    cell
        Resolution (2,) in path length and sine of azimuth.
    false_alarm
        Probability that noise alone gives a path.
    """

    def __init__(self, manifold: Manifold, low_m: float, high_m: float, cell: FloatArray, false_alarm: float) -> None:
        low_m, high_m = low_m - GUARD_CELLS * cell[0], high_m + GUARD_CELLS * cell[0]
        self._path = np.linspace(low_m, high_m, max(int(_STEPS * (high_m - low_m) / cell[0]), 2))
        self._sine = np.linspace(-1.0, 1.0, max(int(_STEPS * 2.0 / cell[1]), 2))
        window = np.hanning(manifold.wavenumbers.size + 2)[1:-1]
        tones = np.conj(manifold.along_tones(self._path)) * window / np.sqrt(np.sum(window**2))
        self._tones = np.ascontiguousarray(tones.T)
        self._rows = np.conj(manifold.along_rows(self._sine)) / np.sqrt(manifold.rows.size)
        self._guard = GUARD_CELLS * cell[0]
        self._false_alarm = false_alarm

    def __call__(
        self, residual: ComplexArray, known_m: FloatArray, noise_power: float
    ) -> tuple[FloatArray, ComplexArray] | None:
        """Return the place (2,) of the strongest path, and weights (T,) of norm 1 of the snapshots that add up to it.

        None if nothing is stronger than noise.

        Parameters
        ----------
        residual
            Snapshots (T, P, N) without the paths that are known.
        known_m
            Lengths (n,) of those.
        noise_power
            Noise power of an observation.
        """
        free = np.all(np.abs(self._path[:, None] - known_m) > self._guard, axis=1)
        if not free.any():
            return None
        blocks, rows, tones = residual.shape
        delays = (residual.reshape(-1, tones) @ self._tones[:, free]).reshape(blocks, rows, -1)
        steered = self._rows @ delays  # (T, sine, path)
        doppler = np.exp(-2j * np.pi * np.outer(np.arange(2 * blocks) / (2.0 * blocks), np.arange(blocks)))
        turned = (doppler @ steered.reshape(blocks, -1)) / np.sqrt(blocks)
        power = turned.real**2 + turned.imag**2
        best = int(np.argmax(power))
        # Twice as fine a grid an axis as there are independent cells: noise has a maximum more often than once a cell.
        if power.flat[best] <= noise_power * gamma.isf(self._false_alarm / power.size, 1.0):
            return None
        which, cell = np.divmod(best, steered[0].size)
        sine, path = np.divmod(cell, steered.shape[2])
        return np.array([self._path[free][path], self._sine[sine]]), doppler[which] / np.sqrt(blocks)
