"""The template of what stands still, in two parts, and the fit of one block to it.

The parts are the cell of delay and angle around the direct path, a subspace of some 25 dimensions, and the rest. They
are disturbed apart from each other: by somebody in the line of sight, or by people in the room. A block is fitted to
both together, which is maximum likelihood in white noise, or to the rest alone. (Weighing the parts by what each had
beyond the template lately, as if people were noise, was tried: delays scattered two to four times as far.)
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.processing.direct_path import DirectCell
from isactrack.processing.impulse_response import DelayGrid

ComplexArray = NDArray[np.complex128]
Mask = NDArray[np.bool_]

_REST_SNR: Final = 200.0
"""Energy over noise that the rest needs to tell an amplitude."""
_LEAST_REST: Final = 1e-3
"""The same over the energy of the direct path's cell, what leaks out of which is alike."""
_DETECTION: Final = 25.0
"""Energy over noise of what counts as found at all."""
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A block to be fitted.

    Attributes
    ----------
    channel
        Channel (rows, n_tones), 0 where it was lost.
    kept
        What was not lost, bool (rows, n_tones); None for all.
    noise
        Variance of the noise in it, 0 if not known.
    """

    channel: ComplexArray
    kept: Mask | None
    noise: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A block against the template.

    Attributes
    ----------
    delay_s, phase_rad
        Of the block against the template.
    level
        Its amplitude relative to the template's.
    aligned
        The block (rows, n_tones), delay and phase taken off, but not the level.
    quality
        Correlation with the template, the noise taken off, 0 to 1.
    direct, rest
        Amplitudes of the two parts relative to the template's, in phase with the fit.
    direct_power
        Power in the direct path's cell, whatever its shape, relative to the template's.
    rest_quality
        Correlation of the rest alone.
    found, rest_found
        Whether what fits, or the rest of it alone, stands out of the noise.
    """

    delay_s: float
    phase_rad: float
    level: float
    aligned: ComplexArray
    quality: float
    direct: float
    rest: float
    direct_power: float
    rest_quality: float
    found: bool
    rest_found: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The template where a block was not lost: values, those in the cell, energies and sizes of the two parts."""

    mean: ComplexArray
    in_cell: ComplexArray
    energies: tuple[float, float]
    sizes: tuple[float, float]


class StillTemplate:
    """Mean of the calibrated blocks.

    Parameters
    ----------
    first
        A block, aligned.
    cell
        Where the direct path lies; None if it is not known: all is rest.
    grid
        Delays to look at.
    memory_blocks
        Blocks over which the mean forgets; until as many were learned it is that of all.
    """

    def __init__(self, first: Block, cell: DirectCell | None, grid: DelayGrid, memory_blocks: int) -> None:
        self.mean = first.channel.copy()
        self.blocks = 1
        self.cell = cell
        self._grid = grid
        self._centred = grid.angular - grid.angular.mean()
        self._memory = memory_blocks
        self.noise = first.noise
        self._parts = self._split(None)

    def learn(self, fit: Fit, block: Block) -> None:
        """Take a fitted block into the mean; where it was lost the mean stays."""
        self.blocks += 1
        share = 1.0 / min(self.blocks, self._memory)
        change = fit.aligned * (share / fit.level) - share * self.mean
        self.mean += change if block.kept is None else change * block.kept
        self.noise = (1.0 - share) ** 2 * self.noise + share**2 * block.noise / fit.level**2
        self._parts = self._split(None)

    def turn(self, delay_s: float, phase_rad: float) -> None:
        """Move the template by a delay and a phase."""
        self.mean *= np.exp(1j * (phase_rad - self._grid.angular * delay_s))
        self._parts = self._split(None)

    def watch(self, cell: DirectCell) -> None:
        """Look for the direct path in another cell."""
        self.cell = cell
        self._parts = self._split(None)

    def rest_tells(self, noise: float) -> bool:
        """Return whether there is enough beside the direct path to compare it with."""
        direct, rest = self._parts.energies
        return self.cell is not None and rest > max(_REST_SNR * noise, _LEAST_REST * direct)

    @property
    def rest_energy(self) -> float:
        """Energy of the still channel beside the direct path."""
        return self._parts.energies[1]

    # --- fits --------------------------------------------------------------------------------------------------------

    def products(self, block: Block, *, rest_only: bool = False) -> ComplexArray:
        """Return the products (n_tones,) of a block with the template, or its rest, summed over the rows."""
        mean = self.mean
        if rest_only and self.cell is not None:
            mean = mean - self.cell.part(mean)
        return np.asarray(np.einsum("pn,pn->n", block.channel, mean.conj()))

    def fit(self, block: Block, products: ComplexArray, delay_s: float, *, rest_only: bool = False) -> Fit:
        """Fit phase, level and delay, the last one near a delay.

        Parameters
        ----------
        block
            The block.
        products
            Its `products`.
        delay_s
            The point of the grid of delays where ``|sum products exp(j w tau)|`` is largest.
        rest_only
            Whether the direct path's cell is left out.
        """
        parts = self._parts if block.kept is None else self._split(block.kept)
        delay, total = self._grid.refine(products, delay_s)
        phase = math.atan2(total.imag, total.real)
        if rest_only:
            delay, phase = self._without_cell(block, parts, delay, phase)
        return self._at(block, parts, delay, phase, rest_only)

    def at(self, block: Block, delay_s: float) -> Fit:
        """Fit phase and level at a given delay."""
        parts = self._parts if block.kept is None else self._split(block.kept)
        total = complex(self.products(block) @ np.exp(1j * self._grid.angular * delay_s))
        return self._at(block, parts, delay_s, math.atan2(total.imag, total.real), False)

    def _split(self, kept: Mask | None) -> _Parts:
        """Return energies and sizes of both parts, of what was kept, without the noise that is left in the mean."""
        mean = self.mean if kept is None else self.mean * kept
        share = 1.0 if kept is None else float(kept.mean())
        in_cell = self._coefficients(mean)
        cell = share * in_cell.size
        direct, size = _energy(in_cell), share * mean.size - cell
        rest = _energy(mean) - direct
        energies = max(direct - self.noise * cell, _TINY), max(rest - self.noise * size, _TINY)
        return _Parts(mean, in_cell, energies, (cell, size))

    def _coefficients(self, channel: ComplexArray) -> ComplexArray:
        return np.zeros(0, dtype=np.complex128) if self.cell is None else self.cell.coefficients(channel).reshape(-1)

    def _without_cell(self, block: Block, parts: _Parts, delay_s: float, phase_rad: float) -> tuple[float, float]:
        """Take a step of least squares outside the cell from a delay and phase.

        With P the projection onto the cell, ``|(1 - P)(H(tau, phi, g) - T)|^2`` is made least (Gauss-Newton). The
        largest product is not there, because what is outside the cell is not as large at every delay. The step is far
        shorter than the resolution, so one is enough.
        """
        aligned = block.channel * np.exp(1j * (self._grid.angular * delay_s - phase_rad))
        product = complex(np.vdot(parts.mean, aligned)) - complex(np.vdot(parts.in_cell, self._coefficients(aligned)))
        slope = parts.mean * (-1j * self._centred)
        columns = np.stack([parts.mean, 1j * parts.mean, slope]).reshape(3, -1)
        cell = np.stack([parts.in_cell, 1j * parts.in_cell, self._coefficients(slope)])
        error = aligned * (parts.energies[1] / max(product.real, _TINY)) - parts.mean
        normal = (columns.conj() @ columns.T - cell.conj() @ cell.T).real
        right = (columns.conj() @ error.reshape(-1) - cell.conj() @ self._coefficients(error)).real
        try:
            _, phase, late = np.linalg.solve(normal, right)
        except np.linalg.LinAlgError:
            return delay_s, phase_rad
        late = min(self._grid.step_s, max(-self._grid.step_s, float(late)))
        return delay_s + late, phase_rad + float(phase) + late * float(self._grid.angular[0] - self._centred[0])

    def _at(self, block: Block, parts: _Parts, delay_s: float, phase_rad: float, rest_only: bool) -> Fit:
        aligned = block.channel * np.exp(1j * (self._grid.angular * delay_s - phase_rad))
        coefficients = self._coefficients(aligned)
        seen, both = complex(np.vdot(parts.in_cell, coefficients)), complex(np.vdot(parts.mean, aligned))
        direct, rest = seen.real, (both - seen).real
        whole, in_cell = _energy(aligned), _energy(coefficients)
        beside = max(whole - in_cell, 0.0)
        (direct_energy, rest_energy), (cell, size) = parts.energies, parts.sizes
        noise = block.noise
        energy = direct_energy + rest_energy
        level = rest / rest_energy if rest_only else (direct + rest) / energy
        return Fit(
            delay_s=delay_s,
            phase_rad=math.remainder(phase_rad, 2.0 * math.pi),
            level=level if level > 0.0 else 1.0,
            aligned=aligned,
            quality=_correlation(direct + rest, energy, max(whole - noise * (cell + size), 0.05 * whole)),
            direct=direct / direct_energy,
            rest=rest / rest_energy,
            direct_power=in_cell / direct_energy,
            rest_quality=_correlation(rest, rest_energy, max(beside - noise * size, 0.05 * beside)),
            found=level > 0.0 and (direct + rest) ** 2 > _DETECTION * noise * energy,
            rest_found=rest > 0.0 and rest**2 > _DETECTION * noise * rest_energy,
        )


def _correlation(product: float, first: float, second: float) -> float:
    """Return a correlation, 0 to 1, from a product and two energies."""
    return min(1.0, max(0.0, product) / math.sqrt(max(first * second, _TINY)))


def _energy(values: ComplexArray) -> float:
    flat = values.reshape(-1)
    return float(np.vdot(flat, flat).real)
