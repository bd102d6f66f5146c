"""3D-NOMP-CFAR: range, Doppler and direction as one line spectrum in three dimensions (sec. III-A of mnomp-spa-kf).

A target of eq. 1 is one line with one complex amplitude in the cube of samples, loops and elements of a uniform line
array. Fitted so, a line adds the antennas coherently before it is found and not after, which buys some decibels at the
threshold and the power to tell targets apart by direction; the price is the three-dimensional FFT of the residual for
each line, and that nothing but an ideal array with all transmitters sending at once has such lines: the paper found too
many false ones in real data. It is the reference of Fig. 5, not a detector for use.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from isactrack.processing.continuous_cfar import cell_probability, continuous_multiplier
from isactrack.processing.line_model import steering, wrap_positive, wrap_symmetric
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import DOUBLE_FLOOR, MnompConfig, cfar_tables, dirichlet
from isactrack.processing.mnomp_original import noise_around
from isactrack.processing.newton import index_powers, newton_step

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

OVERSAMPLING = 2
"""Cells a bin and axis of the FFT that new lines are sought in; Newton's steps converge from a quarter of a bin."""
_STILL = 1e-9


class SpatialLines(NamedTuple):
    """Lines in three dimensions.

    Attributes
    ----------
    lines
        The lines as a detector in two dimensions gives them; the gain of element l is ``gamma exp(j spatial_rad l)``.
    spatial_rad
        Angular frequencies (k,) along the array, omega_z of eq. 10c, in [-pi, pi).
    """

    lines: SpectralLines
    spatial_rad: FloatArray


def nomp3d_cfar(data: NDArray[np.complexfloating], config: MnompConfig | None = None) -> SpatialLines:
    """Return the lines of a frame in three dimensions, the strongest first.

    Lines are added until the last `k_invalid` in a row are below their thresholds, which are then taken away, as in the
    fast form in two dimensions. A line is compared with the mean of the residual's cells around it in range and
    Doppler, at all directions; cells are of one look, and there are L times as many as in two dimensions, so that
    the probability of a false alarm in a cell is an L-th of that in two dimensions. The multiplier is that of lines
    between the bins, `continuous_multiplier`: with that of cells every other frame of noise would hold a false line.

    Parameters
    ----------
    data
        Samples (M, L, N): loop, element, sample. The elements are in the order of their places and evenly spaced.
    config
        Settings, those of the detector in two dimensions.
    """
    settings = config if config is not None else MnompConfig()
    fit = _Fit(np.ascontiguousarray(data, dtype=np.complex128))
    n_loops, n_antennas, n_samples = data.shape
    offsets, multipliers = cfar_tables(settings, n_loops, n_antennas, n_samples)
    offsets = offsets[: multipliers.size - 1]
    p_cell = cell_probability(settings.p_overall, settings.p_cell, n_loops * n_samples) / n_antennas
    multiplier = continuous_multiplier(p_cell, 1, n_antennas * len(offsets), 3)
    invalid, floor = 0, 0.0
    while len(fit.gain) < settings.k_max and invalid < settings.k_invalid:
        highest = fit.add_strongest(floor)
        if highest <= floor:
            break
        floor = max(floor, DOUBLE_FLOOR * highest)
        fit.refine(-1, settings.newton_steps)
        fit.refine_all(settings.cyclic_rounds, settings.newton_steps)
        noise = noise_around(fit.residual, fit.omega[-1:, 0], fit.omega[-1:, 1], offsets)
        passes = fit.samples**2 * abs(fit.gain[-1]) ** 2 > multiplier * noise[0]
        invalid = 0 if passes else invalid + 1
    fit.keep(len(fit.gain) - invalid)
    return fit.lines(noise_around(fit.residual, fit.omega[:, 0], fit.omega[:, 1], offsets) / fit.samples)


class _Fit:
    """Lines so far and what the frame holds besides them; phases are counted from the middle of the axes.

    Axes of frequencies are range, Doppler, space; those of cubes are (M, L, N).

    Parameters
    ----------
    frame
        Samples (M, L, N) complex128.
    """

    def __init__(self, frame: ComplexArray) -> None:
        n_loops, n_antennas, n_samples = frame.shape
        self._counts = (n_samples, n_loops, n_antennas)
        self._rows = frame.reshape(-1, n_samples)
        self._powers = [index_powers(count) for count in self._counts]
        sums = [powers.sum(axis=1).real for powers in self._powers]
        self._own = np.asarray(sums[0][:, None, None] * sums[1][:, None] * sums[2])
        self._cell = 2.0 * np.pi / (OVERSAMPLING * np.array(self._counts))
        self._residual = self._rows.copy()
        self.omega = np.zeros((0, 3))
        self.gain = np.zeros(0, dtype=np.complex128)

    @property
    def samples(self) -> int:
        """N M L."""
        return int(np.prod(self._counts))

    @property
    def residual(self) -> ComplexArray:
        """The frame without the lines (M, L, N)."""
        return self._residual.reshape(self._counts[1], self._counts[2], self._counts[0])

    def add_strongest(self, floor: float) -> float:
        """Add the line at the strongest cell of the oversampled spectrum of the residual, if it is over the floor.

        Return the power of the cell. Below the floor there are only rounding errors.
        """
        omega, highest = strongest_cell(self.residual, OVERSAMPLING)
        if highest <= floor:
            return highest
        gain = self._moments(omega, 1).ravel() / self.samples
        self.omega = np.vstack([self.omega, omega])
        self.gain = np.append(self.gain, gain)
        self._residual -= self._frame_of(omega[None], gain)
        return highest

    def refine(self, index: int, steps: int) -> None:
        """Move a line by Newton steps on the power that it explains, as long as that power rises."""
        for _ in range(steps):
            if not self._step(index):
                return

    def _step(self, index: int) -> bool:
        """Take one Newton step; return whether it was worth it."""
        omega, gain = self.omega[index].copy(), self.gain[index]
        c = self._moments(omega, 3) + self._own * gain
        axes = np.eye(3, dtype=np.intp)
        slope = np.array([[c[tuple(i)]] for i in axes])
        curvature = np.array([[[c[tuple(i + j)]] for j in axes] for i in axes])
        step = newton_step(c[:1, 0, 0], slope, curvature, self._cell)
        moved = omega + step
        overlap = np.prod(dirichlet(step, np.array(self._counts)))
        product = self._moments(moved, 1)[0, 0, 0] + gain * overlap
        if abs(product) <= abs(c[0, 0, 0]):
            return False
        self.omega[index], self.gain[index] = moved, product / self.samples
        self._residual += self._frame_of(np.stack([omega, moved]), np.array([gain, -self.gain[index]]))
        return bool(np.any(np.abs(step) > _STILL * self._cell))

    def refine_all(self, rounds: int, steps: int) -> None:
        """Refine all lines in rounds, `steps` times each, and fit all gains again by least squares after each."""
        self._fit_gains()
        for _ in range(rounds):
            for index in range(len(self.gain)):
                self.refine(index, steps)
            self._fit_gains()

    def keep(self, count: int) -> None:
        """Keep the first lines that were found, and fit their gains again."""
        self.omega, self.gain = self.omega[:count], self.gain[:count]
        self._fit_gains()

    def lines(self, noise_power: FloatArray) -> SpatialLines:
        """Return the lines, the strongest first, with phases counted from the first loop, element and sample."""
        order = np.argsort(-np.abs(self.gain), kind="stable")
        omega = self.omega[order]
        gain = self.gain[order] * np.exp(-0.5j * omega @ (np.array(self._counts) - 1.0))
        lines = SpectralLines(
            range_rad=wrap_positive(omega[:, 0]),
            doppler_rad=wrap_symmetric(omega[:, 1]),
            gain=gain[:, None] * steering(omega[:, 2], self._counts[2]),
            noise_power=noise_power[order],
            residual_power=float(np.mean(self._residual.real**2 + self._residual.imag**2)),
        )
        return SpatialLines(lines, wrap_symmetric(omega[:, 2]))

    def _fit_gains(self) -> None:
        fast, slow, space = self._steering(self.omega)
        along_range = (self._rows @ np.conj(fast).T).reshape(self._counts[1], self._counts[2], len(fast))
        products = np.einsum("mlk,km,kl->k", along_range, np.conj(slow), np.conj(space))
        matrix = (np.conj(fast) @ fast.T) * (np.conj(slow) @ slow.T) * (np.conj(space) @ space.T)
        self.gain = np.asarray(np.linalg.lstsq(matrix, products, rcond=1e-10)[0])
        self._residual = self._rows - self._frame_of(self.omega, self.gain)

    def _steering(self, omega: FloatArray) -> list[ComplexArray]:
        pairs = zip(omega.T, self._counts, strict=True)
        return [steering(along, count, origin=(count - 1) / 2.0) for along, count in pairs]

    def _frame_of(self, omega: FloatArray, gain: ComplexArray) -> ComplexArray:
        """Return the sum of lines as rows (M L, N)."""
        fast, slow, space = self._steering(omega)
        rows = slow[:, :, None] * (gain[:, None] * space)[:, None, :]
        return np.asarray(rows.reshape(len(gain), self._counts[1] * self._counts[2]).T @ fast)

    def _moments(self, omega: FloatArray, orders: int) -> ComplexArray:
        """Return the residual's inner products with an atom and its derivatives: orders in range, Doppler, space."""
        atoms = [p[:orders] * np.conj(a) for p, a in zip(self._powers, self._steering(omega[None]), strict=True)]
        along_range = self._residual @ atoms[0].T
        along_slow = (atoms[1] @ along_range.reshape(self._counts[1], -1)).reshape(orders, self._counts[2], orders)
        return np.asarray(np.einsum("qlp,sl->pqs", along_slow, atoms[2]))


def strongest_cell(frame: ComplexArray, oversampling: int) -> tuple[FloatArray, float]:
    """Return the angular frequencies (3,) (range, Doppler, space) of the strongest cell of a spectrum, and its power.

    The frame is (M, L, N). Space goes first; the other two axes are transformed one direction at a time, which fits the
    cache as the padded cube does not.
    """
    n_loops, n_antennas, n_samples = frame.shape
    counts = (oversampling * n_samples, oversampling * n_loops, oversampling * n_antennas)
    beams = scipy.fft.fft(frame, n=counts[2], axis=1)
    best, where = -1.0, (0, 0, 0)
    for beam in range(counts[2]):
        along_slow = scipy.fft.fft(beams[:, beam], n=counts[1], axis=0)
        spectrum = scipy.fft.fft(along_slow, n=counts[0], axis=1, overwrite_x=True)
        power = spectrum.real**2 + spectrum.imag**2
        cell = int(np.argmax(power))
        if power.flat[cell] > best:
            best, where = float(power.flat[cell]), (cell % counts[0], cell // counts[0], beam)
    return np.asarray(2.0 * np.pi * np.array(where) / np.array(counts)), best
