"""Paths too weak for an eigenvalue: what is left of the snapshots once all other paths are fitted, by Doppler shift.

An eigenvalue rises above those of noise only if a path has more than ``sqrt(D T)`` times the noise power, 21 dB, as
nothing is assumed of its vector. A path that is assumed to have a steering vector and, over the window, one Doppler
shift needs 7 dB less. Which Doppler shift it is does not matter, nor that it is ambiguous where blocks come evenly;
where they are staggered it is not, so that the shifts of all path rates up to `MAX_PATH_RATE_MPS` are tried.

Around paths that are known there is no such search: bodies are no points, and what is left of them is stronger than
noise. The tones are weighed (Hann), so that beyond two cells of delay nothing of it is left.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.processing.music_spectrum import Manifold

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

GUARD_CELLS: Final = 2.0
"""How far in delay from a known path nothing is searched."""
MAX_PATH_RATE_MPS: Final = 6.0
"""Fastest change of a path's length that is tried, 3 m/s towards transmitter and receiver at once."""
_DOPPLER_STEPS: Final = 1.5
_PATH_STEPS: Final = 1.25
_SINE_STEPS: Final = 2.0
"""Points of the search a cell of resolution; the window makes cells of delay twice as wide. What is found between them
is 2 dB weaker at most, and is fitted afterwards."""


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
    wavelength_m
        Wavelength of the carrier.
    false_alarm
        Probability that noise alone gives a path.
    """

    def __init__(
        self,
        manifold: Manifold,
        low_m: float,
        high_m: float,
        cell: FloatArray,
        wavelength_m: float,
        false_alarm: float,
    ) -> None:
        low_m, high_m = low_m - GUARD_CELLS * cell[0], high_m + GUARD_CELLS * cell[0]
        self._path = np.linspace(low_m, high_m, max(int(_PATH_STEPS * (high_m - low_m) / cell[0]), 2))
        self._sine = np.linspace(-1.0, 1.0, max(int(_SINE_STEPS * 2.0 / cell[1]), 2))
        window = np.hanning(manifold.wavenumbers.size + 2)[1:-1]
        tones = np.conj(manifold.along_tones(self._path)) * window / np.sqrt(np.sum(window**2))
        # Single precision is enough to find a maximum, and half the work.
        self._tones = np.ascontiguousarray(tones.T, dtype=np.complex64)
        rows = np.conj(manifold.along_rows(self._sine)) / np.sqrt(manifold.rows.size)
        self._rows = rows.astype(np.complex64)
        self._guard = GUARD_CELLS * cell[0]
        self._max_doppler_hz = MAX_PATH_RATE_MPS / wavelength_m
        self._false_alarm = false_alarm

    def phases(self, blocks: int, times_s: FloatArray | None = None) -> FloatArray:
        """Return the phases (shift, T) that undo the Doppler shifts which are tried.

        Parameters
        ----------
        blocks
            Snapshots T.
        times_s
            Times (T,) of the snapshots where they are not evenly spaced.
        """
        if times_s is None:
            shifts = int(_DOPPLER_STEPS * blocks)
            return np.asarray(-2.0 * np.pi / shifts * np.outer(np.arange(shifts), np.arange(blocks)))
        span_s = float(np.ptp(times_s)) * blocks / (blocks - 1)
        half = int(np.ceil(_DOPPLER_STEPS * span_s * self._max_doppler_hz))
        return np.asarray(-2.0 * np.pi * self._max_doppler_hz / half * np.outer(np.arange(-half, half + 1), times_s))

    def __call__(
        self, residual: NDArray[np.complex64], known_m: FloatArray, phases: FloatArray, turns: NDArray[np.complex64]
    ) -> tuple[FloatArray, ComplexArray] | None:
        """Return the place (2,) of the strongest path, and weights (T,) of norm 1 of the snapshots that add up to it.

        None if nothing is stronger than noise.

        Parameters
        ----------
        residual
            Snapshots (T, P, N) without the paths that are known, over the square root of T times their noise power:
            single precision has no room for any unit that data may come in.
        known_m
            Lengths (n,) of those.
        phases, turns
            `phases` of the snapshots (shift, T), and ``exp(j phases)``.
        """
        free = np.all(np.abs(self._path[:, None] - known_m) > self._guard, axis=1)
        if not free.any():
            return None
        blocks, rows, tones = residual.shape
        delays = (residual.reshape(-1, tones) @ self._tones[:, free]).reshape(blocks, rows, -1)
        steered = self._rows @ delays  # (T, sine, path)
        squares = (turns @ steered.reshape(blocks, -1)).view(np.float32)
        squares *= squares
        power = squares[:, 0::2] + squares[:, 1::2]
        best = int(np.argmax(power))
        # More points than independent cells: the maximum of noise between points counts too.
        if power.flat[best] <= np.log(power.size / self._false_alarm):
            return None
        which, cell = np.divmod(best, power.shape[1])
        sine, path = np.divmod(cell, steered.shape[2])
        weights = np.exp(1j * phases[which]) / np.sqrt(blocks)
        return np.array([self._path[free][path], self._sine[sine]]), weights
