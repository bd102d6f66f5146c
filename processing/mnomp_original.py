"""2D-MNOMP-CFAR as Xu et al. gave it (reference 11 of mnomp-spa-kf), forward and backward: the fast form's baseline.

Forward, `MnompConfig.k_max` candidates are collected: the strongest cell of the oversampled two-dimensional FFT of the
explicit residual, Newton steps on the new line, then rounds of Newton steps on all lines, all gains by least squares
between them.
Backward, the line that stands least above the noise of its training cells is taken away while it is below the CFAR's
threshold; whenever one goes, the others are refined again. Both are what sec. III-A of mnomp-spa-kf does without, and
the reason for its 1.69 s a frame.

Everything of the size of a frame is a product of matrices (BLAS) or scipy's FFT. Atoms are counted from the middle of
their axes, where gradient and Hessian are well scaled.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from isactrack.processing.continuous_cfar import cell_probability, continuous_multiplier
from isactrack.processing.line_model import steering, wrap_positive, wrap_symmetric
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import DOUBLE_FLOOR, MnompConfig, cfar_tables, dirichlet
from isactrack.processing.newton import index_powers, newton_step

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

OVERSAMPLING = 4
"""Cells a bin and axis of the FFT that new lines are sought in: the 4 x 4 of the original."""
_STILL = 1e-9


def mnomp_original(data: NDArray[np.complexfloating], config: MnompConfig | None = None) -> SpectralLines:
    """Return the lines of a frame by the original 2D-MNOMP-CFAR, the strongest first.

    Parameters
    ----------
    data
        Samples (M, L, N): loop, antenna, sample.
    config
        Settings, those of the fast form. `k_max` is the number of candidates that the forward step collects, whatever
        they are; `k_invalid` has no meaning here. Lines lie between the bins, so that the threshold is that of
        `continuous_multiplier`.
    """
    settings = config if config is not None else MnompConfig()
    fit = _Fit(np.ascontiguousarray(data, dtype=np.complex128))
    floor = 0.0
    for _ in range(settings.k_max):
        highest = fit.add_strongest(floor)
        if highest <= floor:
            break
        floor = max(floor, DOUBLE_FLOOR * highest)
        fit.refine(-1, settings.newton_steps)
        fit.refine_all(settings.cyclic_rounds, settings.newton_steps)
    noise = _remove_unlikely(fit, settings)
    return fit.lines(noise)


class _Fit:
    """Lines so far and what the frame holds besides them; phases are counted from the middle of the axes.

    Parameters
    ----------
    frame
        Samples (M, L, N) complex128.
    """

    def __init__(self, frame: ComplexArray) -> None:
        self._n_loops, self._n_antennas, self._n_samples = frame.shape
        self._rows = frame.reshape(-1, self._n_samples)
        self._fast_powers, self._slow_powers = index_powers(self._n_samples), index_powers(self._n_loops)
        self._own = np.outer(self._slow_powers.sum(axis=1).real, self._fast_powers.sum(axis=1).real)
        self._cell = 2.0 * np.pi / (OVERSAMPLING * np.array([self._n_samples, self._n_loops]))
        self._residual = self._rows.copy()
        self.range_rad, self.doppler_rad = np.zeros(0), np.zeros(0)
        self.gain = np.zeros((0, self._n_antennas), dtype=np.complex128)

    @property
    def samples(self) -> int:
        """N M."""
        return int(self._n_samples * self._n_loops)

    @property
    def residual(self) -> ComplexArray:
        """The frame without the lines (M, L, N)."""
        return self._residual.reshape(self._n_loops, self._n_antennas, self._n_samples)

    def add_strongest(self, floor: float) -> float:
        """Add the line at the strongest cell of the oversampled spectrum of the residual, if it is over the floor.

        Return the power of the cell. Below the floor there are only rounding errors.
        """
        power = spectrum_power(self.residual, OVERSAMPLING)
        doppler, range_ = np.unravel_index(int(np.argmax(power)), power.shape)
        highest = float(power[doppler, range_])
        if highest <= floor:
            return highest
        omega = np.array([range_ / power.shape[1], doppler / power.shape[0]]) * 2.0 * np.pi
        gain = self._moments(omega, 1)[0, :, 0] / self.samples
        self.range_rad = np.append(self.range_rad, omega[0])
        self.doppler_rad = np.append(self.doppler_rad, omega[1])
        self.gain = np.vstack([self.gain, gain])
        self._residual -= self._frame_of(omega[:1], omega[1:], gain[None])
        return highest

    def remove(self, index: int) -> None:
        """Take a line away: what it explained belongs to the residual again."""
        one = slice(index, index + 1)
        self._residual += self._frame_of(self.range_rad[one], self.doppler_rad[one], self.gain[one])
        self.range_rad, self.doppler_rad = np.delete(self.range_rad, index), np.delete(self.doppler_rad, index)
        self.gain = np.delete(self.gain, index, axis=0)

    def refine(self, index: int, steps: int) -> None:
        """Move a line by Newton steps on the power that it explains, as long as that power rises."""
        for _ in range(steps):
            if not self._step(index):
                return

    def _step(self, index: int) -> bool:
        """Take one Newton step; return whether it was worth it.

        The line is put back into the residual in closed form: at frequencies w it explains
        ``|a(w)^H (y_r + g a)|^2 / (N M)``.
        """
        omega = np.array([self.range_rad[index], self.doppler_rad[index]])
        gain = self.gain[index]
        c = self._moments(omega, 3) + self._own[:, None, :] * gain[:, None]
        slope = np.stack([c[0, :, 1], c[1, :, 0]])
        curvature = np.array([[c[0, :, 2], c[1, :, 1]], [c[1, :, 1], c[2, :, 0]]])
        step = newton_step(c[0, :, 0], slope, curvature, self._cell)
        moved = omega + step
        overlap = np.prod(dirichlet(step, np.array([self._n_samples, self._n_loops])))
        product = self._moments(moved, 1)[0, :, 0] + gain * overlap
        if np.linalg.norm(product) <= np.linalg.norm(c[0, :, 0]):
            return False
        new_gain = product / self.samples
        self.range_rad[index], self.doppler_rad[index] = moved
        self.gain[index] = new_gain
        both = np.stack([omega, moved])
        self._residual += self._frame_of(both[:, 0], both[:, 1], np.stack([gain, -new_gain]))
        return bool(np.any(np.abs(step) > _STILL * self._cell))

    def refine_all(self, rounds: int, steps: int) -> None:
        """Refine all lines in rounds, `steps` times each, and fit all gains again by least squares after each."""
        self.fit_gains()
        for _ in range(rounds):
            for index in range(self.range_rad.size):
                self.refine(index, steps)
            self.fit_gains()

    def fit_gains(self) -> None:
        """Fit the gains of all lines by least squares, and renew the residual."""
        fast, slow = self._steering(self.range_rad, self.doppler_rad)
        along_range = (self._rows @ np.conj(fast).T).reshape(self._n_loops, self._n_antennas, len(fast))
        products = np.einsum("mlk,km->kl", along_range, np.conj(slow))
        matrix = (np.conj(fast) @ fast.T) * (np.conj(slow) @ slow.T)
        self.gain = np.asarray(np.linalg.lstsq(matrix, products, rcond=1e-10)[0])
        self._residual = self._rows - self._frame_of(self.range_rad, self.doppler_rad, self.gain)

    def lines(self, noise_power: FloatArray) -> SpectralLines:
        """Return the lines, the strongest first, with phases counted from the first loop and sample."""
        order = np.argsort(-np.sum(np.abs(self.gain) ** 2, axis=1), kind="stable")
        omega_x, omega_y = self.range_rad[order], self.doppler_rad[order]
        turn = np.exp(-0.5j * (omega_x * (self._n_samples - 1) + omega_y * (self._n_loops - 1)))
        return SpectralLines(
            range_rad=wrap_positive(omega_x),
            doppler_rad=wrap_symmetric(omega_y),
            gain=self.gain[order] * turn[:, None],
            noise_power=noise_power[order],
            residual_power=float(np.mean(self._residual.real**2 + self._residual.imag**2)),
        )

    def _steering(self, range_rad: FloatArray, doppler_rad: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        return (
            steering(range_rad, self._n_samples, origin=(self._n_samples - 1) / 2.0),
            steering(doppler_rad, self._n_loops, origin=(self._n_loops - 1) / 2.0),
        )

    def _frame_of(self, range_rad: FloatArray, doppler_rad: FloatArray, gain: ComplexArray) -> ComplexArray:
        """Return the sum of lines as rows (M L, N)."""
        fast, slow = self._steering(range_rad, doppler_rad)
        return np.asarray(
            (slow[:, :, None] * gain[:, None, :]).reshape(len(gain), self._n_loops * self._n_antennas).T @ fast
        )

    def _moments(self, omega: FloatArray, orders: int) -> ComplexArray:
        """Return products of the residual with an atom and its derivatives (orders, L, orders): Doppler, range."""
        fast, slow = self._steering(omega[:1], omega[1:])
        along_range = self._residual @ (self._fast_powers[:orders] * np.conj(fast)).T
        product = (self._slow_powers[:orders] * np.conj(slow)) @ along_range.reshape(self._n_loops, -1)
        return np.asarray(product.reshape(orders, self._n_antennas, orders))


def spectrum_power(frame: ComplexArray, oversampling: int) -> FloatArray:
    """Return the power of the spectrum (M', N') of a frame (M, L, N), summed over the antennas.

    Antenna by antenna and along the short axis first: 2.5 times as fast as one padded transform of the whole, which
    does not fit the cache and transforms rows of zeros.
    """
    n_loops, n_antennas, n_samples = frame.shape
    power = np.zeros((oversampling * n_loops, oversampling * n_samples))
    for antenna in range(n_antennas):
        along_slow = scipy.fft.fft(frame[:, antenna], n=power.shape[0], axis=0)
        spectrum = scipy.fft.fft(along_slow, n=power.shape[1], axis=1, overwrite_x=True)
        power += spectrum.real**2 + spectrum.imag**2
    return power


def noise_around(
    residual: ComplexArray, range_rad: FloatArray, doppler_rad: FloatArray, offsets: NDArray[np.intp]
) -> FloatArray:
    """Return the noise (k,) of a cell at each line, summed over the antennas: the mean of the training cells.

    Lines are not in the residual (M, L, N), so that none of them raises the threshold of another.
    """
    power = spectrum_power(residual, 1)
    doppler = np.rint(doppler_rad * (power.shape[0] / (2.0 * np.pi))).astype(np.intp)
    range_ = np.rint(range_rad * (power.shape[1] / (2.0 * np.pi))).astype(np.intp)
    rows = (doppler[:, None] + offsets[:, 0]) % power.shape[0]
    columns = (range_[:, None] + offsets[:, 1]) % power.shape[1]
    return np.asarray(np.mean(power[rows, columns], axis=1))


def _remove_unlikely(fit: _Fit, settings: MnompConfig) -> FloatArray:
    """Remove lines, the least likely first, until all pass the CFAR; return the noise of a sample (k,) at each left."""
    n_loops, n_antennas, n_samples = fit.residual.shape
    offsets, multipliers = cfar_tables(settings, n_loops, n_antennas, n_samples)
    offsets = offsets[: multipliers.size - 1]
    p_cell = cell_probability(settings.p_overall, settings.p_cell, fit.samples)
    multiplier = continuous_multiplier(p_cell, n_antennas, len(offsets), 2)
    while True:
        noise = noise_around(fit.residual, fit.range_rad, fit.doppler_rad, offsets)
        line = fit.samples**2 * np.sum(np.abs(fit.gain) ** 2, axis=1)
        if line.size == 0 or np.all(line > multiplier * noise):
            return np.asarray(noise / (fit.samples * n_antennas))
        fit.remove(int(np.argmin(line / noise)))
        fit.refine_all(settings.cyclic_rounds, settings.newton_steps)
