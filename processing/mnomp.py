"""The superfast two-dimensional MNOMP-CFAR detector of mnomp-spa-kf, sec. III-A.

One two-dimensional FFT a frame. Each round takes the highest cell of the residual spectrum as a candidate, compares it
with the training cells around it, refines its two frequencies off the grid, and removes it from the spectrum in closed
form (eq. 14). There is no backward step: candidates under their threshold stay in the set, and those that were not
followed by one over it are dropped at the end (`MnompConfig.k_invalid`).

Two points are this project's own:

- **Refinement on sub-aperture sums.** Newton's method needs the spectrum and its derivatives between the bins, which
  cost a pass over the frame a step. Here one pass a candidate demodulates the frame with the start frequencies and sums
  it in 16 x 16 blocks of samples. Within a cell of the start the phase hardly turns within a block, so that every
  further step, the cyclic ones included, works on these 256 numbers an antenna instead of the frame. A line without
  noise is met exactly; with noise the blocks hide the part ``1 / 16^2`` of the information about each frequency.
- **Cyclic refinement where it matters.** A new line only moves those that it leaks into by more than a hundredth of the
  noise; the others are left alone, and the residual spectrum is corrected by the difference only.

Phases are counted from the centre of the frame: the kernels of eq. 14 are then real.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from isactrack.errors import ConfigError
from isactrack.processing.cfar import cfar_multiplier, whole_map_multiplier
from isactrack.processing.line_model import wrap_positive, wrap_symmetric
from isactrack.processing.lines import SpectralLines

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.int64]
Engine = Literal["auto", "numba", "numpy"]
Found = tuple[FloatArray, FloatArray, ComplexArray, FloatArray, float]

MIN_AXIS = 4
"""Least loops and samples of a frame: a peak, its two neighbours and something else."""
BLOCKS = 16
"""Blocks that an axis is summed in; the information lost about a frequency is the inverse of its square."""
COUPLING = 0.01
"""Leakage of a new line into an old one, over the noise, from which the old one is refined again."""
NEGLIGIBLE = 1e-4
"""Leakage of a line, or change of its gain, over the noise, under which it is not removed from another."""
CONVERGED = 1e-4
"""Newton step, in bins, after which there is none: the error is of the order of its square."""
ROUNDING = 1e-12
"""Relative loss of energy that a Newton step may have: at the top the difference is made of rounding errors."""
SWEEPS = 30
"""Most Gauss-Seidel sweeps for the joint gains."""
SINGLE_FLOOR, DOUBLE_FLOOR = 1e-11, 1e-20
"""Power over that of the first peak under which there are only rounding errors, by precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MnompConfig:
    """Settings of `mnomp_cfar`.

    Attributes
    ----------
    p_overall
        Probability of any false alarm in a frame of noise.
    p_cell
        Probability that one cell of noise exceeds its threshold; if given, it takes the place of `p_overall`.
    training_cells, guard_cells
        Half-windows (doppler, range) around the candidate. The cells within the first but not within the second train;
        cells at lines that were found before are replaced by the nearest ones outside.
    k_invalid
        Candidates under their threshold in a row that end the search.
    k_max
        Most candidates that are held at a time, those under their threshold included.
    newton_steps
        Most Newton steps a refinement, R_s of the paper.
    cyclic_rounds
        Refinements of earlier lines after each new one, R_c of the paper. 0 is the fastest; strong lines within a few
        cells of each other then leave remains that can be taken for further lines.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    p_overall: float = 0.01
    p_cell: float | None = None
    training_cells: tuple[int, int] = (4, 5)
    guard_cells: tuple[int, int] = (3, 3)
    k_invalid: int = 3
    k_max: int = 30
    newton_steps: int = 4
    cyclic_rounds: int = 1

    def __post_init__(self) -> None:
        for name, p in (("p_overall", self.p_overall), ("p_cell", self.p_cell)):
            if p is not None and not 0.0 < p < 1.0:
                raise ConfigError(f"{name} is {p}", "choose a probability between 0 and 1, e.g. 0.01")
        for name, value, least in (
            ("k_invalid", self.k_invalid, 1),
            ("k_max", self.k_max, 1),
            ("newton_steps", self.newton_steps, 0),
            ("cyclic_rounds", self.cyclic_rounds, 0),
        ):
            if value < least:
                raise ConfigError(f"{name} is {value}", f"it must be at least {least}")
        pairs = zip(self.training_cells, self.guard_cells, strict=True)
        if any(not 0 <= guard <= training for training, guard in pairs) or self.training_cells == self.guard_cells:
            raise ConfigError(
                f"guard cells {self.guard_cells} leave no training cells within {self.training_cells}",
                "make the training window the larger one",
            )


def mnomp_cfar(
    data: NDArray[np.complexfloating],
    config: MnompConfig | None = None,
    *,
    engine: Engine = "auto",
    spectrum: NDArray[np.complexfloating] | None = None,
) -> SpectralLines:
    """Find the lines of a frame, their frequencies and their gains at each antenna.

    Parameters
    ----------
    data
        Frame (loop, antenna, sample), complex64 or complex128; other types are converted to complex128. With complex64
        the spectra are kept in single precision and the refinement in double precision.
    config
        Settings; None for the defaults.
    engine
        ``"numba"`` for compiled kernels, which the extra ``fast`` installs, ``"numpy"`` for plain ones, ``"auto"`` for
        the first if it is there. Both give the same lines up to rounding.
    spectrum
        The FFT of `data` along loops and samples, not shifted, in the same type, if it is known already; it is
        overwritten.

    Returns
    -------
    SpectralLines
        The lines, strongest first. A frame of zeros has none.

    Raises
    ------
    ConfigError
        If the frame has not three axes, less than 4 loops or samples, holds values that are not finite, or is too small
        for the training cells; if the engine is unknown or not installed.

    Notes
    -----
    Gains are fitted to the frame jointly once the set of lines is known, so that they are not biased by each other or
    by candidates that were dropped. Without noise, remains of 110 dB (single precision) or 200 dB under the strongest
    line are rounding errors and end the search.
    """
    config = config or MnompConfig()
    samples = np.ascontiguousarray(data, dtype=np.complex64 if data.dtype == np.complex64 else np.complex128)
    if samples.ndim != 3 or min(samples.shape[0], samples.shape[2]) < MIN_AXIS or samples.shape[1] < 1:
        raise ConfigError(
            f"a frame of shape {samples.shape}",
            f"give (loops, antennas, samples), at least {MIN_AXIS} x 1 x {MIN_AXIS}",
        )
    loops, antennas, count = samples.shape
    offsets, multipliers = cfar_tables(config, loops, antennas, count)
    if spectrum is None:
        spectrum = np.asarray(fft.fft2(samples, axes=(0, 2), workers=1))
    elif spectrum.shape != samples.shape or spectrum.dtype != samples.dtype or not spectrum.flags.c_contiguous:
        raise ConfigError(
            f"a spectrum {spectrum.shape} {spectrum.dtype} does not belong to a frame {samples.shape} {samples.dtype}",
            "give the contiguous two-dimensional FFT of the frame, or none",
        )
    floor = SINGLE_FLOOR if samples.dtype == np.complex64 else DOUBLE_FLOOR
    limits = (config.k_invalid, config.k_max, config.newton_steps, config.cyclic_rounds)
    found = _engine(engine)(samples, spectrum, offsets, multipliers, limits, floor)
    range_rad, doppler_rad, gain, noise, residual = found
    if not np.isfinite(residual):
        raise ConfigError("the frame holds samples that are not finite", "set lost samples to 0")
    order = np.argsort(-np.sum(np.abs(gain) ** 2, axis=1), kind="stable")
    return SpectralLines(
        range_rad=wrap_positive(range_rad[order]),
        doppler_rad=wrap_symmetric(doppler_rad[order]),
        gain=gain[order],
        noise_power=noise[order],
        residual_power=float(residual),
    )


def _engine(name: str) -> Any:
    """Return the kernel of an engine; numba is only imported here."""
    if name == "numpy" or (name == "auto" and find_spec("numba") is None):
        return extract_lines
    if name not in ("auto", "numba"):
        raise ConfigError(f"engine {name!r} is unknown", "choose auto, numba or numpy")
    if find_spec("numba") is None:
        raise ConfigError(
            "the engine numba is not installed", 'pip install "isactrack[fast]", or choose engine="numpy"'
        )
    from isactrack.processing.mnomp_numba import extract_lines_compiled

    return extract_lines_compiled


@cache
def warm_up() -> None:
    """Compile the kernels for frames of complex64, or load them, so that this does not happen amid the first frames.

    With numba it takes up to a minute the first time on a machine, and a second after that; without, nothing.
    """
    mnomp_cfar(np.zeros((16, 1, 16), dtype=np.complex64))


@lru_cache(maxsize=16)
def cfar_tables(config: MnompConfig, loops: int, antennas: int, samples: int) -> tuple[IntArray, FloatArray]:
    """Return where training cells are looked for and the multipliers that belong to their number.

    Returns
    -------
    offsets
        Cells (n, 2) int64 (doppler, range) relative to the candidate: first those of the training window, then those of
        ever larger rectangles around it, each once although both axes are cyclic.
    multipliers
        Thresholds over the noise (N_r + 1,) float64 for 0 .. N_r training cells.
    """
    half = (loops - 1) // 2, (samples - 1) // 2
    training = min(config.training_cells[0], half[0]), min(config.training_cells[1], half[1])
    guard = min(config.guard_cells[0], half[0]), min(config.guard_cells[1], half[1])
    i, j = (a.ravel() for a in np.mgrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1])
    ring = np.maximum(np.maximum(np.abs(i) - training[0], np.abs(j) - training[1]), 0)
    outside = (np.abs(i) > guard[0]) | (np.abs(j) > guard[1])
    cells = int(np.count_nonzero(outside & (ring == 0)))
    if cells == 0:
        raise ConfigError(
            f"a map of {loops} x {samples} cells leaves no training cells outside guard cells {config.guard_cells}",
            "choose smaller guard cells",
        )
    order = np.lexsort((j, i, i * i + j * j, ring))
    order = order[outside[order]]
    offsets = np.stack([i[order], j[order]], axis=1).astype(np.int64)
    if config.p_cell is None:
        exact = whole_map_multiplier(config.p_overall, loops * samples, antennas, cells, min(config.k_invalid, 20))
        p_cell = float(special.betainc(antennas * cells, antennas, cells / (cells + exact)))
    else:
        p_cell = config.p_cell
        exact = float(cfar_multiplier(p_cell, antennas, cells))
    multipliers = cfar_multiplier(p_cell, antennas, np.arange(cells + 1))
    multipliers[cells] = exact
    return offsets, multipliers


def dirichlet(delta: FloatArray, count: int | IntArray) -> FloatArray:
    """Return ``sum_t exp(j delta t)`` over `count` values t a distance of 1 apart around 0 (the kernels of eq. 14)."""
    sine = np.sin(delta / 2.0)
    small = np.abs(sine) < 1e-8
    limit = count * np.cos(count * delta / 2.0) / np.cos(delta / 2.0)
    return np.asarray(np.where(small, limit, np.sin(count * delta / 2.0) / np.where(small, 1.0, sine)))


def centred(count: int) -> FloatArray:
    """Return the indices of an axis counted from its centre."""
    return np.arange(count, dtype=np.float64) - (count - 1) / 2.0


def centre_spectrum(spectrum: NDArray[np.complexfloating]) -> None:
    """Turn an FFT (doppler, antenna, range) in place into that of indices counted from the centre of the frame."""
    loops, _, count = spectrum.shape
    rows = np.exp(1j * np.pi * np.arange(loops) * (loops - 1) / loops)
    columns = np.exp(1j * np.pi * np.arange(count) * (count - 1) / count)
    spectrum *= rows[:, None, None]
    spectrum *= columns


def subtract_line(
    spectrum: NDArray[np.complexfloating], range_rad: float, doppler_rad: float, gain: ComplexArray
) -> None:
    """Remove a line from the centred spectrum in place (eq. 14); `gain` (antennas,) belongs to the frame's centre."""
    loops, _, count = spectrum.shape
    in_range = gain[:, None] * dirichlet(2.0 * np.pi * np.arange(count) / count - range_rad, count)
    in_doppler = dirichlet(2.0 * np.pi * np.arange(loops) / loops - doppler_rad, loops)
    spectrum -= in_doppler[:, None, None].astype(spectrum.real.dtype) * in_range.astype(spectrum.dtype)


def map_power(spectrum: NDArray[np.complexfloating]) -> FloatArray:
    """Return the power (doppler, range) summed over antennas, float64."""
    parts: NDArray[np.floating] = spectrum.view(np.float32 if spectrum.dtype == np.complex64 else np.float64)
    squares = np.einsum("mlj,mlj->mj", parts, parts)
    return np.asarray(squares[:, 0::2] + squares[:, 1::2], dtype=np.float64)


def interpolate_peak(
    before: NDArray[np.complexfloating], peak: NDArray[np.complexfloating], after: NDArray[np.complexfloating]
) -> float:
    """Return the offset of a line from the highest of three bins, in bins, at most 0.5.

    The values (antennas,) are those of the centred spectrum, whose signs alternate from bin to bin, so that they are
    proportional to ``-1 / (d + 1)``, ``1 / d`` and ``-1 / (d - 1)``.
    """
    numerator, denominator = after - before, 2.0 * peak + before + after
    power = float(np.sum(np.abs(denominator) ** 2))
    offset = float(np.sum((np.conj(denominator) * numerator).real)) / power if power > 0.0 else 0.0
    return min(max(offset, -0.5), 0.5)


def start_frequencies(spectrum: NDArray[np.complexfloating], row: int, column: int) -> tuple[float, float]:
    """Return range and Doppler frequency (rad) of the peak at a cell, interpolated between bins."""
    loops, _, count = spectrum.shape
    values = []
    for size, index, axis in ((count, column, 2), (loops, row, 0)):
        turn = -1.0 if size % 2 == 0 else 1.0  # half a sample off the grid, a turn of the frequency changes the sign
        three = [spectrum[row, :, (column + s) % count] if axis == 2 else spectrum[(row + s) % loops, :, column]
                 for s in (-1, 0, 1)]  # fmt: skip
        before = three[0] * (turn if index == 0 else 1.0)
        after = three[2] * (turn if index == size - 1 else 1.0)
        values.append(2.0 * np.pi / size * (index + interpolate_peak(before, three[1], after)))
    return values[0], values[1]


@lru_cache(maxsize=32)
def blocks_of(count: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Return first index, size and centre (counted from that of the axis) of each block of an axis, (blocks,)."""
    size = -(-count // BLOCKS)
    starts = np.arange(0, count, size)
    sizes = np.minimum(size, count - starts)
    return starts, sizes, starts + (sizes - 1) / 2.0 - (count - 1) / 2.0


def block_sums(samples: NDArray[np.complexfloating], range_rad: float, doppler_rad: float) -> ComplexArray:
    """Demodulate a frame with a start value and sum it in blocks: (doppler block, antenna, range block) complex128."""
    loops, antennas, count = samples.shape
    filters = []
    for size, frequency in ((loops, doppler_rad), (count, range_rad)):
        starts, sizes, _ = blocks_of(size)
        sparse = np.zeros((size, starts.size), dtype=samples.dtype)
        sparse[np.arange(size), np.repeat(np.arange(starts.size), sizes)] = np.exp(-1j * frequency * centred(size))
        filters.append(sparse)
    sums = (filters[0].T @ samples.reshape(loops, -1)).reshape(-1, antennas, count) @ filters[1]
    return np.asarray(sums, dtype=np.complex128)


class _Lines:
    """The candidates of one frame; frequencies are not wrapped, gains belong to the centre of the frame."""

    def __init__(self, samples: NDArray[np.complexfloating], capacity: int) -> None:
        loops, antennas, count = samples.shape
        self.samples = samples
        self.count = 0
        # Axis 0 of a frequency: range, Doppler, as everywhere below.
        self.sizes = (count, loops)
        self.blocks = (blocks_of(count), blocks_of(loops))
        self.cell = np.zeros((2, capacity))  # frequencies of the peak's cell
        self.start = np.zeros((2, capacity))
        self.now = np.zeros((2, capacity))
        self.sums = np.zeros((capacity, self.blocks[1][0].size, antennas, self.blocks[0][0].size), dtype=np.complex128)
        self.gain = np.zeros((capacity, antennas), dtype=np.complex128)
        self.removed = np.zeros((2, capacity))  # what the spectrum is free of
        self.removed_gain = np.zeros((capacity, antennas), dtype=np.complex128)

    def weights(self, k: int, others: IntArray, axis: int) -> ComplexArray:
        """Return what a line of unit gain at each of `others` adds to the block sums of line k, (others, blocks)."""
        _, sizes, centres = self.blocks[axis]
        delta = self.now[axis, others][:, None] - self.start[axis, k]
        return np.asarray(dirichlet(delta, sizes) * np.exp(1j * delta * centres))

    def refine(self, k: int, newton_steps: int, live: int, noise: float) -> None:
        """Refine line k with those of the first `live` others removed that matter, and set its gain."""
        others = np.flatnonzero(self.leakage(k, live) > NEGLIGIBLE * noise)
        others = others[others != k]
        sums = self.sums[k] - np.einsum(
            "jl,jq,jp->qlp", self.gain[others], self.weights(k, others, 1), self.weights(k, others, 0)
        )
        limits = 2.0 * np.pi / np.array(self.sizes)
        centres = (self.blocks[0][2], self.blocks[1][2])
        offset = self.now[:, k] - self.start[:, k]
        energy, gradient, hessian, matched = energy_and_derivatives(sums, *centres, offset[0], offset[1])
        step = newton_step(energy, gradient, hessian, *centres)
        for _ in range(newton_steps):
            trial = offset + step
            inside = bool(np.all(np.abs(self.start[:, k] + trial - self.cell[:, k]) <= limits))
            if inside:
                new = energy_and_derivatives(sums, *centres, trial[0], trial[1])
            if not inside or new[0] < (1.0 - ROUNDING) * energy:
                step = 0.5 * step
            else:
                offset, (energy, gradient, hessian, matched) = trial, new
                if bool(np.all(np.abs(step) <= CONVERGED * limits)):
                    break
                step = newton_step(energy, gradient, hessian, *centres)
        self.now[:, k] = self.start[:, k] + offset
        scale = [np.sum(dirichlet(np.array(o), b[1])) for o, b in zip(offset, self.blocks, strict=True)]
        self.gain[k] = matched / (scale[0] * scale[1])

    def add(self, cell: FloatArray, start: tuple[float, float], newton_steps: int, noise: float) -> None:
        """Take a candidate in and refine it."""
        k = self.count
        self.cell[:, k] = cell
        self.start[:, k] = start
        self.now[:, k] = start
        self.sums[k] = block_sums(self.samples, *start)
        self.refine(k, newton_steps, k, noise)
        self.count += 1

    def leakage(self, k: int, live: int) -> FloatArray:
        """Return the power (live,) that each of the first `live` lines leaks into the peak of line k, over antennas."""
        power: FloatArray = np.sum(np.abs(self.gain[:live]) ** 2, axis=1)
        for axis, size in enumerate(self.sizes):
            power *= dirichlet(self.now[axis, :live] - self.now[axis, k], size) ** 2
        return power

    def fit_gains(self) -> None:
        """Fit the gains of all lines jointly, by Gauss-Seidel sweeps: pairs that all but coincide stay bounded."""
        index = np.arange(self.count)
        response = np.ones((self.count, self.count), dtype=np.complex128)
        matched = np.zeros((self.count, self.gain.shape[1]), dtype=np.complex128)
        for k in range(self.count):
            filters = [np.exp(-1j * (self.now[a, k] - self.start[a, k]) * self.blocks[a][2]) for a in (0, 1)]
            response[k] = (self.weights(k, index, 0) @ filters[0]) * (self.weights(k, index, 1) @ filters[1])
            matched[k] = np.einsum("qlp,q,p->l", self.sums[k], filters[1], filters[0])
        for _ in range(SWEEPS):
            moved = 0.0
            for k in range(self.count):
                change = (matched[k] - response[k] @ self.gain[: self.count]) / response[k, k]
                self.gain[k] += change
                changed, power = float(np.sum(np.abs(change) ** 2)), float(np.sum(np.abs(self.gain[k]) ** 2))
                if changed > moved * power:
                    moved = changed / power if power > 0.0 else np.inf
            if moved < 1e-24:
                break

    def correct(self, spectrum: NDArray[np.complexfloating], k: int) -> None:
        """Make the spectrum free of line k as it is now."""
        if np.any(self.removed_gain[k]):
            subtract_line(spectrum, self.removed[0, k], self.removed[1, k], -self.removed_gain[k])
        if np.any(self.gain[k]):
            subtract_line(spectrum, self.now[0, k], self.now[1, k], self.gain[k])
        self.removed[:, k], self.removed_gain[k] = self.now[:, k], self.gain[k]


def energy_and_derivatives(
    sums: ComplexArray,
    range_centres: FloatArray,
    doppler_centres: FloatArray,
    range_offset: float,
    doppler_offset: float,
) -> tuple[float, FloatArray, FloatArray, ComplexArray]:
    """Return the matched energy of block sums at frequencies off their start, its derivatives, and the matched filter.

    Parameters
    ----------
    sums
        (doppler block, antenna, range block).
    range_centres, doppler_centres
        Centres of the blocks.
    range_offset, doppler_offset
        Frequencies less those that the sums were demodulated with, rad.

    Returns
    -------
    energy, gradient, hessian, matched
        ``sum_l |b_l|^2``; its gradient (2,) and Hessian (2, 2) over (range, doppler), both of this very function, gain
        eliminated; b (antennas,).
    """
    in_range = np.exp(-1j * range_offset * range_centres)
    in_doppler = np.exp(-1j * doppler_offset * doppler_centres)
    moments = sums @ (in_range[:, None] * (-1j * range_centres[:, None]) ** np.arange(3))
    b, b_x, b_xx = np.einsum("qla,q->al", moments, in_doppler)
    b_y, b_xy, _ = np.einsum("qla,q->al", moments, in_doppler * -1j * doppler_centres)
    b_yy = moments[:, :, 0].T @ (-in_doppler * doppler_centres**2)

    def inner(u: ComplexArray, v: ComplexArray) -> float:
        return float(np.vdot(u, v).real)

    cross = inner(b_x, b_y) + inner(b, b_xy)
    gradient = 2.0 * np.array([inner(b, b_x), inner(b, b_y)])
    hessian = 2.0 * np.array([[inner(b_x, b_x) + inner(b, b_xx), cross], [cross, inner(b_y, b_y) + inner(b, b_yy)]])
    return inner(b, b), gradient, hessian, b


def newton_step(
    energy: float, gradient: FloatArray, hessian: FloatArray, range_centres: FloatArray, doppler_centres: FloatArray
) -> FloatArray:
    """Return the step (2,) to the top of the energy; where it is not concave, the one of a line without noise."""
    determinant = hessian[0, 0] * hessian[1, 1] - hessian[0, 1] ** 2
    if hessian[0, 0] < 0.0 and determinant > 0.0:
        return np.array(
            [
                (hessian[0, 1] * gradient[1] - hessian[1, 1] * gradient[0]) / determinant,
                (hessian[0, 1] * gradient[0] - hessian[0, 0] * gradient[1]) / determinant,
            ]
        )
    if energy <= 0.0:
        return np.zeros(2)
    spread = np.array([np.mean(range_centres**2), np.mean(doppler_centres**2)])
    return np.asarray(gradient / (2.0 * energy * spread))


def training_noise(
    power: FloatArray, taken: NDArray[np.bool_], offsets: IntArray, cells: int, row: int, column: int
) -> tuple[float, int]:
    """Return the mean of the first `cells` training cells that no line was found at, and their number."""
    reach = 2 * cells
    while True:
        rows, columns = (row + offsets[:reach, 0]) % power.shape[0], (column + offsets[:reach, 1]) % power.shape[1]
        free = np.flatnonzero(~taken[rows, columns])[:cells]
        if free.size == cells or reach >= len(offsets):
            return (float(np.mean(power[rows[free], columns[free]])), free.size) if free.size else (0.0, 0)
        reach *= 4


def cells_taken(lines: _Lines, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the cells at the lines and next to them, bool (doppler, range)."""
    taken = np.zeros(shape, dtype=np.bool_)
    for k in range(lines.count):
        row, column = _cell(lines, k, shape)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                taken[(row + i) % shape[0], (column + j) % shape[1]] = True
    return taken


def _cell(lines: _Lines, k: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the cell (doppler, range) of a line."""
    turns = lines.now[:, k] / (2.0 * np.pi)
    return int(np.floor(turns[1] * shape[0] + 0.5)) % shape[0], int(np.floor(turns[0] * shape[1] + 0.5)) % shape[1]


def extract_lines(
    samples: NDArray[np.complexfloating],
    spectrum: NDArray[np.complexfloating],
    offsets: IntArray,
    multipliers: FloatArray,
    limits: tuple[int, int, int, int],
    floor: float,
) -> Found:
    """Find the lines of a frame: the plain form.

    Parameters
    ----------
    samples
        Frame (loop, antenna, sample).
    spectrum
        Its FFT over loops and samples, overwritten with that of the residual.
    offsets, multipliers
        Of `cfar_tables`.
    limits
        ``k_invalid``, ``k_max``, ``newton_steps``, ``cyclic_rounds``.
    floor
        Power over that of the first peak that ends the search.

    Returns
    -------
    range_rad, doppler_rad, gain, noise_power, residual_power
        As in `SpectralLines`, but in the order found and not wrapped.
    """
    k_invalid, k_max, newton_steps, cyclic_rounds = limits
    loops, antennas, count = samples.shape
    shape = loops, count
    cells = multipliers.size - 1
    lines = _Lines(samples, k_max)
    centre_spectrum(spectrum)
    power = map_power(spectrum)
    lowest, accepted, invalid, noise = floor * float(np.max(power)), 0, 0, 0.0
    if not np.isfinite(np.sum(power)):
        nothing = np.zeros(0)
        return nothing, nothing, np.zeros((0, antennas), dtype=np.complex128), nothing, np.nan
    while lines.count < k_max:
        row, column = divmod(int(np.argmax(power)), count)
        if power[row, column] <= lowest:
            break
        noise, trained = training_noise(power, cells_taken(lines, shape), offsets, cells, row, column)
        valid = trained > 0 and bool(power[row, column] > multipliers[trained] * noise)
        invalid = 0 if valid else invalid + 1
        if invalid == k_invalid:
            break
        cell = 2.0 * np.pi * np.array([column / count, row / loops])
        lines.add(cell, start_frequencies(spectrum, row, column), newton_steps, noise)
        new = lines.count - 1
        accepted = lines.count if valid else accepted
        touched = [j for j in range(new) if lines.leakage(j, lines.count)[new] > COUPLING * noise]
        for _ in range(cyclic_rounds if touched else 0):
            for k in [*touched, new]:
                lines.refine(k, newton_steps, lines.count, noise)
        for k in [*(touched if cyclic_rounds else []), new]:
            lines.correct(spectrum, k)
        power = map_power(spectrum)
    taken = cells_taken(lines, shape)
    touched = [k for k in range(accepted) if np.any(lines.leakage(k, lines.count)[accepted:] > COUPLING * noise)]
    lines.gain[accepted : lines.count] = 0.0  # what was dropped is given back to the others
    for k in range(accepted, lines.count):
        lines.correct(spectrum, k)
    lines.count = accepted
    for _ in range(cyclic_rounds):
        for k in touched:
            lines.refine(k, newton_steps, accepted, noise)
    lines.fit_gains()
    for k in range(accepted):
        change = float(np.sum(np.abs(lines.gain[k] - lines.removed_gain[k]) ** 2)) * (loops * count) ** 2
        if np.any(lines.now[:, k] != lines.removed[:, k]) or change > NEGLIGIBLE * noise:
            lines.correct(spectrum, k)
    power = map_power(spectrum)
    noise_power = np.array(
        [training_noise(power, taken, offsets, cells, *_cell(lines, k, shape))[0] for k in range(accepted)]
    ) / (antennas * loops * count)
    range_rad, doppler_rad = lines.now[:, :accepted]
    turn = np.exp(-1j * (range_rad * (count - 1) + doppler_rad * (loops - 1)) / 2.0)
    gain = lines.gain[:accepted] * turn[:, None]
    residual = float(np.sum(power)) / (antennas * float(loops * count) ** 2)
    return range_rad.copy(), doppler_rad.copy(), gain, noise_power, residual
