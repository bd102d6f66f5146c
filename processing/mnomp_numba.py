"""The kernels of `isactrack.processing.mnomp`, compiled; importing this module needs numba.

One function does all that follows the FFT of a frame. Complex arrays are read as real ones with real and imaginary part
side by side: a real factor applies to both, and the two parts of a complex one are applied apart and joined when the
sum is complete, so that the inner loops are plain multiply-adds on contiguous reals. These loops index the whole
arrays, as slices cost more than the arithmetic of a row, and write to one array each, as the compiler gives up vectors
where it would have to compare many addresses. Sums may be reordered; nothing assumes that values are finite.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from isactrack.processing.mnomp import (
    BLOCKS,
    CONVERGED,
    COUPLING,
    NEGLIGIBLE,
    ROUNDING,
    SWEEPS,
    FloatArray,
    Found,
    IntArray,
    blocks_of,
)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile, with sums that may be reordered and divisions that are not checked, so that both become vectors.

    Without the interpreter's lock: the threads that capture and record go on while a frame is searched.
    """
    options: dict[str, Any] = {
        "nogil": True, "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy",
    }  # fmt: skip
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:  # no folder takes compiled code, neither this one nor the user's: each process compiles anew
        compiled = njit(**options)(function)
    return cast("_Function", compiled)


@_compiled
def _dirichlet(delta: Any, count: Any) -> Any:
    """`mnomp.dirichlet` for one value."""
    sine = math.sin(0.5 * delta)
    if abs(sine) < 1e-8:
        return count * math.cos(0.5 * count * delta) / math.cos(0.5 * delta)
    return math.sin(0.5 * count * delta) / sine


@_compiled
def _map_row(spectrum: Any, m: Any, squares: Any, pairs: Any, power: Any) -> Any:
    """Write the power of row m of the spectrum (doppler, antenna, 2 range) summed over antennas; return its sum.

    `squares` is scratch (2 range,), `pairs` the same memory (range, 2).
    """
    squares[:] = 0
    antennas, ant = spectrum.shape[1], 0
    while ant + 4 <= antennas:
        for j in range(squares.size):
            squares[j] += (
                spectrum[m, ant, j] * spectrum[m, ant, j]
                + spectrum[m, ant + 1, j] * spectrum[m, ant + 1, j]
                + spectrum[m, ant + 2, j] * spectrum[m, ant + 2, j]
                + spectrum[m, ant + 3, j] * spectrum[m, ant + 3, j]
            )
        ant += 4
    while ant < antennas:
        for j in range(squares.size):
            squares[j] += spectrum[m, ant, j] * spectrum[m, ant, j]
        ant += 1
    total = pairs.dtype.type(0)
    for n in range(pairs.shape[0]):
        value = pairs[n, 0] + pairs[n, 1]
        power[m, n] = value
        total += value
    return total


@_compiled
def _centre_and_map(
    spectrum: Any, complex_view: Any, rows: Any, columns: Any, squares: Any, pairs: Any, power: Any
) -> Any:
    """`mnomp.centre_spectrum` and `mnomp.map_power` in one pass; return the sum of the power."""
    loops, antennas, count, _ = complex_view.shape
    total = 0.0
    turns = np.empty_like(columns)
    for m in range(loops):
        c, s = rows[m, 0], rows[m, 1]
        for n in range(count):
            turns[n, 0] = columns[n, 0] * c - columns[n, 1] * s
            turns[n, 1] = columns[n, 0] * s + columns[n, 1] * c
        for ant in range(antennas):
            for n in range(count):
                re, im = complex_view[m, ant, n, 0], complex_view[m, ant, n, 1]
                complex_view[m, ant, n, 0] = re * turns[n, 0] - im * turns[n, 1]
                complex_view[m, ant, n, 1] = re * turns[n, 1] + im * turns[n, 0]
        total += _map_row(spectrum, m, squares, pairs, power)
    return total


@_compiled
def _subtract_and_map(
    spectrum: Any, flat: Any, in_doppler: Any, in_range: Any, terms: Any, squares: Any, pairs: Any, power: Any
) -> Any:
    """Remove `terms` lines (eq. 14) and map what is left, row by row; return the sum of the power.

    `in_doppler` (doppler, term) is real, `in_range` (term, 2 antennas range) holds the gains; `flat` is the spectrum as
    (doppler, 2 antennas range).
    """
    total = 0.0
    for m in range(flat.shape[0]):
        k = 0
        while k + 4 <= terms:
            fa, fb, fc, fd = in_doppler[m, k], in_doppler[m, k + 1], in_doppler[m, k + 2], in_doppler[m, k + 3]
            for j in range(flat.shape[1]):
                flat[m, j] -= (
                    fa * in_range[k, j] + fb * in_range[k + 1, j] + fc * in_range[k + 2, j] + fd * in_range[k + 3, j]
                )
            k += 4
        while k < terms:
            fa = in_doppler[m, k]
            for j in range(flat.shape[1]):
                flat[m, j] -= fa * in_range[k, j]
            k += 1
        total += _map_row(spectrum, m, squares, pairs, power)
    return total


@_compiled
def _kernel(frequency: Any, halves: Any, out: Any) -> None:
    """Write the kernels of eq. 14 of all bins; `halves` (2, bins) are cosine and sine of half the bins' frequencies."""
    bins = out.size
    c, s = math.cos(0.5 * frequency), math.sin(0.5 * frequency)
    # sin(bins (w_i - w) / 2) is that of the line alone, of alternating sign.
    top = -math.sin(0.5 * bins * frequency)
    cosines, sines = halves[0], halves[1]
    for i in range(bins):
        out[i] = top / (sines[i] * c - cosines[i] * s)
    nearest = math.floor(frequency * bins / (2.0 * math.pi) + 0.5)
    for i in range(1, bins, 2):
        out[i] = -out[i]
    # The difference of sines loses its digits close to the line.
    for i in range(nearest - 1, nearest + 2):
        out[i % bins] = _dirichlet(2.0 * math.pi * (i % bins) / bins - frequency, bins)


@_compiled
def _add_term(
    terms: Any, range_rad: Any, doppler_rad: Any, gain: Any, sign: Any, halves_n: Any, halves_m: Any, kernels: Any,
    in_doppler: Any, in_range: Any,
) -> Any:  # fmt: skip
    """Write the kernels of a line of eq. 14 as one more term to be removed; return the new number of terms."""
    loops, count, antennas = halves_m.shape[1], halves_n.shape[1], gain.size
    _kernel(doppler_rad, halves_m, kernels[:loops])
    for m in range(loops):
        in_doppler[m, terms] = kernels[m]
    _kernel(range_rad, halves_n, kernels[:count])
    for ant in range(antennas):
        re, im = sign * gain[ant].real, sign * gain[ant].imag
        for n in range(count):
            in_range[terms, 2 * (ant * count + n)] = kernels[n] * re
            in_range[terms, 2 * (ant * count + n) + 1] = kernels[n] * im
    return terms + 1


@_compiled
def _highest(bits: Any) -> Any:
    """Return row and column of the highest cell, the first of equal ones, from the bit patterns of the map.

    Patterns of floats that are not negative order as the floats do. The maximum of integers is compiled to vectors,
    that of floats, which has to mind NaN, is not.
    """
    best, row = bits[0, 0], 0
    for m in range(bits.shape[0]):
        highest = bits[m, 0]
        for n in range(bits.shape[1]):
            highest = max(highest, bits[m, n])
        if highest > best:
            best, row = highest, m
    column = 0
    while bits[row, column] != best:
        column += 1
    return row, column


@_compiled
def _training_noise(power: Any, taken: Any, offsets: Any, cells: Any, row: Any, column: Any) -> Any:
    """`mnomp.training_noise`."""
    loops, count = power.shape
    total, found = 0.0, 0
    for s in range(offsets.shape[0]):
        i, j = row + offsets[s, 0], column + offsets[s, 1]
        i = i - loops if i >= loops else (i + loops if i < 0 else i)
        j = j - count if j >= count else (j + count if j < 0 else j)
        if taken[i, j] == 0:
            total += power[i, j]
            found += 1
            if found == cells:
                break
    return (total / found if found > 0 else 0.0), found


@_compiled
def _offset(before: Any, peak: Any, after: Any, turn_before: Any, turn_after: Any) -> Any:
    """`mnomp.interpolate_peak` for interleaved values of all antennas, (antennas, 2)."""
    cross, energy = 0.0, 0.0
    for ant in range(peak.shape[0]):
        for c in range(2):
            low, high = turn_before * before[ant, c], turn_after * after[ant, c]
            bottom = 2.0 * peak[ant, c] + low + high
            cross += bottom * (high - low)
            energy += bottom * bottom
    offset = cross / energy if energy > 0.0 else 0.0
    return min(max(offset, -0.5), 0.5)


@_compiled
def _start(spectrum: Any, row: Any, column: Any) -> Any:
    """`mnomp.start_frequencies`."""
    loops, count = spectrum.shape[0], spectrum.shape[2] // 2
    left, right = (column - 1) % count, (column + 1) % count
    up, down = (row - 1) % loops, (row + 1) % loops
    turn_n = -1.0 if count % 2 == 0 else 1.0
    turn_m = -1.0 if loops % 2 == 0 else 1.0
    peak = spectrum[row, :, 2 * column : 2 * column + 2]
    range_rad = column + _offset(
        spectrum[row, :, 2 * left : 2 * left + 2],
        peak,
        spectrum[row, :, 2 * right : 2 * right + 2],
        turn_n if column == 0 else 1.0,
        turn_n if column == count - 1 else 1.0,
    )
    doppler_rad = row + _offset(
        spectrum[up, :, 2 * column : 2 * column + 2],
        peak,
        spectrum[down, :, 2 * column : 2 * column + 2],
        turn_m if row == 0 else 1.0,
        turn_m if row == loops - 1 else 1.0,
    )
    return 2.0 * math.pi * range_rad / count, 2.0 * math.pi * doppler_rad / loops


@_compiled
def _fold(samples: Any, folded: Any) -> None:
    """Copy a frame (loop, antenna, sample, 2) so that samples at the same place in their blocks are neighbours.

    `folded` is (loop, antenna, place, block, 2); places beyond the end are zero.
    """
    size, blocks, count = folded.shape[2], folded.shape[3], samples.shape[2]
    for m in range(samples.shape[0]):
        for ant in range(samples.shape[1]):
            for i in range(size):
                whole = (count - 1 - i) // size + 1
                for p in range(whole):
                    folded[m, ant, i, p, 0] = samples[m, ant, p * size + i, 0]
                    folded[m, ant, i, p, 1] = samples[m, ant, p * size + i, 1]
                for p in range(whole, blocks):
                    folded[m, ant, i, p, 0] = 0
                    folded[m, ant, i, p, 1] = 0


@_compiled
def _block_sums(
    lanes: Any, range_rad: Any, doppler_rad: Any, count: Any, blocks: Any, doppler_starts: Any, scratch: Any, sums: Any
) -> None:
    """`mnomp.block_sums`, written as (real or imaginary part, range block, doppler block and antenna).

    The frame is folded (see `_fold`), as (loop, antenna, lane). A sum times ``exp(-j phase)`` is kept as its sums times
    cosine and times sine until it is complete; four products a pass, as the compiler gives up vectors with more.
    """
    loops, antennas, size = lanes.shape[0], lanes.shape[1], lanes.shape[2] // (2 * blocks)
    weights = np.empty((4, max(loops, size)), dtype=lanes.dtype)
    for m in range(loops):
        phase = doppler_rad * (m - 0.5 * (loops - 1))
        weights[0, m], weights[1, m] = math.cos(phase), math.sin(phase)
    for i in range(size):
        phase = range_rad * (i - 0.5 * (size - 1))
        weights[2, i], weights[3, i] = math.cos(phase), math.sin(phase)
    turns = np.empty((2, blocks))
    for p in range(blocks):
        phase = range_rad * (p * size + 0.5 * (size - 1) - 0.5 * (count - 1))
        turns[0, p], turns[1, p] = math.cos(phase), math.sin(phase)
    width = 2 * blocks
    for q in range(doppler_starts.size - 1):
        first, last = doppler_starts[q], doppler_starts[q + 1]
        for ant in range(antennas):
            for part in range(2):
                for j in range(lanes.shape[2]):
                    scratch[part, j] = 0
                m = first
                while m + 4 <= last:
                    wa, wb, wc, wd = weights[part, m], weights[part, m + 1], weights[part, m + 2], weights[part, m + 3]
                    for j in range(lanes.shape[2]):
                        scratch[part, j] += (
                            wa * lanes[m, ant, j]
                            + wb * lanes[m + 1, ant, j]
                            + wc * lanes[m + 2, ant, j]
                            + wd * lanes[m + 3, ant, j]
                        )
                    m += 4
                while m < last:
                    wa = weights[part, m]
                    for j in range(lanes.shape[2]):
                        scratch[part, j] += wa * lanes[m, ant, j]
                    m += 1
            for j in range(width):
                scratch[2, j] = 0
                scratch[3, j] = 0
            for i in range(size):
                c, s, o = weights[2, i], weights[3, i], i * width
                for j in range(width):
                    scratch[2, j] += c * scratch[0, o + j] - s * scratch[1, o + j]
                for j in range(width):
                    scratch[3, j] += s * scratch[0, o + j] + c * scratch[1, o + j]
            lane = q * antennas + ant
            for p in range(blocks):
                re = scratch[2, 2 * p] + scratch[3, 2 * p + 1]
                im = scratch[2, 2 * p + 1] - scratch[3, 2 * p]
                sums[0, p, lane] = re * turns[0, p] + im * turns[1, p]
                sums[1, p, lane] = im * turns[0, p] - re * turns[1, p]


@_compiled
def _weights(delta: Any, starts: Any, centre: Any, out: Any) -> None:
    """`_Lines.weights` for one other line: write the blocks' answers (blocks,) complex to a frequency `delta` off."""
    blocks = starts.size - 1
    size = starts[1] - starts[0]
    kernel = _dirichlet(delta, size)
    phase = delta * (0.5 * (size - 1) - centre)
    turn, factor = complex(math.cos(delta * size), math.sin(delta * size)), complex(math.cos(phase), math.sin(phase))
    for q in range(blocks - 1):
        out[q] = kernel * factor
        factor *= turn
    # The last block may be shorter than the others.
    size = starts[blocks] - starts[blocks - 1]
    phase = delta * (starts[blocks - 1] + 0.5 * (size - 1) - centre)
    out[blocks - 1] = _dirichlet(delta, size) * complex(math.cos(phase), math.sin(phase))


@_compiled
def _response(delta: Any, apart: Any, starts: Any, centres: Any) -> Any:
    """Return what a line's filter on its block sums answers to a line of unit gain.

    The line is `delta` off the start of the filter's line and `apart` from where that is now.
    """
    blocks = starts.size - 1
    size, last = starts[1] - starts[0], starts[blocks] - starts[blocks - 1]
    if size == last:
        return complex(_dirichlet(delta, size) * _dirichlet(apart * size, blocks), 0.0)
    # The last block is shorter, and the centre of the others lies half of its size before that of the axis.
    full = _dirichlet(delta, size) * _dirichlet(apart * size, blocks - 1)
    rest = _dirichlet(delta, last)
    phase, last_phase = -0.5 * apart * last, apart * centres[blocks - 1]
    return complex(
        full * math.cos(phase) + rest * math.cos(last_phase), full * math.sin(phase) + rest * math.sin(last_phase)
    )


@_compiled
def _remove_other(sums: Any, in_range: Any, in_doppler: Any, gain: Any, lane: Any) -> None:
    """Subtract from block sums what a line adds to them."""
    antennas = gain.size
    for q in range(in_doppler.size):
        for ant in range(antennas):
            value = in_doppler[q] * gain[ant]
            lane[0, q * antennas + ant] = value.real
            lane[1, q * antennas + ant] = value.imag
    for p in range(in_range.size):
        c, s = in_range[p].real, in_range[p].imag
        for j in range(lane.shape[1]):
            sums[0, p, j] -= c * lane[0, j] - s * lane[1, j]
        for j in range(lane.shape[1]):
            sums[1, p, j] -= c * lane[1, j] + s * lane[0, j]


@_compiled
def _range_moments(sums: Any, centres: Any, offset: Any, powers: Any, moments: Any) -> None:
    """Write ``sum_p centres^a exp(-j offset centres) sums`` for a < powers, real and imaginary part in turn."""
    moments[: 2 * powers] = 0.0
    for p in range(centres.size):
        c, s = math.cos(offset * centres[p]), math.sin(offset * centres[p])
        for a in range(powers):
            for j in range(moments.shape[1]):
                moments[2 * a, j] += c * sums[0, p, j] + s * sums[1, p, j]
            for j in range(moments.shape[1]):
                moments[2 * a + 1, j] += c * sums[1, p, j] - s * sums[0, p, j]
            c *= centres[p]
            s *= centres[p]


@_compiled
def _energy(sums: Any, centres_n: Any, centres_m: Any, x: Any, y: Any, moments: Any, matched: Any, out: Any) -> None:
    """`mnomp.energy_and_derivatives`: writes (energy, E_x, E_y, E_xx, E_xy, E_yy) to `out` and the matched filter."""
    _range_moments(sums, centres_n, x, 3, moments)
    antennas = matched.size
    out[:] = 0.0
    turns = np.empty(centres_m.size, dtype=np.complex128)
    for q in range(centres_m.size):
        turns[q] = complex(math.cos(y * centres_m[q]), -math.sin(y * centres_m[q]))
    for ant in range(antennas):
        b, b_x, b_y, b_xx, b_xy, b_yy = 0j, 0j, 0j, 0j, 0j, 0j
        for q in range(centres_m.size):
            t, j = centres_m[q], q * antennas + ant
            f = turns[q]
            zero = f * complex(moments[0, j], moments[1, j])
            one = f * complex(moments[2, j], moments[3, j])
            b += zero
            b_x += one
            b_y += t * zero
            b_xx -= f * complex(moments[4, j], moments[5, j])
            b_xy -= t * one
            b_yy -= t * t * zero
        b_x, b_y = complex(b_x.imag, -b_x.real), complex(b_y.imag, -b_y.real)
        matched[ant] = b
        out[0] += b.real * b.real + b.imag * b.imag
        out[1] += 2.0 * (b.real * b_x.real + b.imag * b_x.imag)
        out[2] += 2.0 * (b.real * b_y.real + b.imag * b_y.imag)
        out[3] += 2.0 * (b_x.real * b_x.real + b_x.imag * b_x.imag + b.real * b_xx.real + b.imag * b_xx.imag)
        out[4] += 2.0 * (b_x.real * b_y.real + b_x.imag * b_y.imag + b.real * b_xy.real + b.imag * b_xy.imag)
        out[5] += 2.0 * (b_y.real * b_y.real + b_y.imag * b_y.imag + b.real * b_yy.real + b.imag * b_yy.imag)


@_compiled
def _newton_step(at: Any, spread_n: Any, spread_m: Any) -> Any:
    """`mnomp.newton_step`."""
    determinant = at[3] * at[5] - at[4] * at[4]
    if at[3] < 0.0 and determinant > 0.0:
        return (at[4] * at[2] - at[5] * at[1]) / determinant, (at[4] * at[1] - at[3] * at[2]) / determinant
    if at[0] <= 0.0:
        return 0.0, 0.0
    return at[1] / (2.0 * at[0] * spread_n), at[2] / (2.0 * at[0] * spread_m)


@_compiled
def _leakage(j: Any, k: Any, now: Any, gain: Any, loops: Any, count: Any) -> Any:
    """Return the power that line j leaks into the peak of line k, summed over antennas."""
    strength = 0.0
    for ant in range(gain.shape[1]):
        strength += gain[j, ant].real ** 2 + gain[j, ant].imag ** 2
    reach = _dirichlet(now[0, j] - now[0, k], count) * _dirichlet(now[1, j] - now[1, k], loops)
    return reach * reach * strength


@_compiled
def _refine(
    k: Any, live: Any, newton_steps: Any, noise: Any, cell: Any, start: Any, now: Any, sums: Any, gain: Any,
    starts_n: Any,
    starts_m: Any, centres_n: Any, centres_m: Any, work: Any, lane: Any, moments: Any, matched: Any, filters: Any,
) -> None:  # fmt: skip
    """`_Lines.refine`."""
    count, loops = starts_n[-1], starts_m[-1]
    blocks_n, blocks_m = centres_n.size, centres_m.size
    work[:] = sums[k]
    for j in range(live):
        if j != k and _leakage(j, k, now, gain, loops, count) > NEGLIGIBLE * noise:
            _weights(now[0, j] - start[0, k], starts_n, 0.5 * (count - 1), filters[0, :blocks_n])
            _weights(now[1, j] - start[1, k], starts_m, 0.5 * (loops - 1), filters[1, :blocks_m])
            _remove_other(work, filters[0, :blocks_n], filters[1, :blocks_m], gain[j], lane)
    limit_x, limit_y = 2.0 * math.pi / count, 2.0 * math.pi / loops
    spread_n, spread_m = np.mean(centres_n**2), np.mean(centres_m**2)
    x, y = now[0, k] - start[0, k], now[1, k] - start[1, k]
    at, new = np.empty(6), np.empty(6)
    best = gain[k]
    _energy(work, centres_n, centres_m, x, y, moments, best, at)
    step_x, step_y = _newton_step(at, spread_n, spread_m)
    for _ in range(newton_steps):
        trial_x, trial_y = x + step_x, y + step_y
        inside = (
            abs(start[0, k] + trial_x - cell[0, k]) <= limit_x and abs(start[1, k] + trial_y - cell[1, k]) <= limit_y
        )
        if inside:
            _energy(work, centres_n, centres_m, trial_x, trial_y, moments, matched, new)
        if not inside or new[0] < (1.0 - ROUNDING) * at[0]:
            step_x *= 0.5
            step_y *= 0.5
        else:
            x, y = trial_x, trial_y
            best[:] = matched
            if abs(step_x) <= CONVERGED * limit_x and abs(step_y) <= CONVERGED * limit_y:
                break
            at[:] = new
            step_x, step_y = _newton_step(at, spread_n, spread_m)
    now[0, k] = start[0, k] + x
    now[1, k] = start[1, k] + y
    size_n, size_m = starts_n[1] - starts_n[0], starts_m[1] - starts_m[0]
    scale_n = (blocks_n - 1) * _dirichlet(x, size_n) + _dirichlet(x, starts_n[blocks_n] - starts_n[blocks_n - 1])
    scale_m = (blocks_m - 1) * _dirichlet(y, size_m) + _dirichlet(y, starts_m[blocks_m] - starts_m[blocks_m - 1])
    for ant in range(best.size):
        best[ant] = best[ant] / (scale_n * scale_m)


@_compiled
def _fit_gains(
    lines: Any, start: Any, now: Any, sums: Any, gain: Any, starts_n: Any, starts_m: Any, centres_n: Any,
    centres_m: Any, moments: Any,
) -> None:  # fmt: skip
    """`_Lines.fit_gains`."""
    blocks_m, antennas = centres_m.size, gain.shape[1]
    response = np.empty((lines, lines), dtype=np.complex128)
    matched = np.zeros((lines, antennas), dtype=np.complex128)
    for k in range(lines):
        for j in range(lines):
            response[k, j] = _response(now[0, j] - start[0, k], now[0, j] - now[0, k], starts_n, centres_n) * _response(
                now[1, j] - start[1, k], now[1, j] - now[1, k], starts_m, centres_m
            )
        _range_moments(sums[k], centres_n, now[0, k] - start[0, k], 1, moments)
        for q in range(blocks_m):
            phase = (now[1, k] - start[1, k]) * centres_m[q]
            turn = complex(math.cos(phase), -math.sin(phase))
            for ant in range(antennas):
                matched[k, ant] += turn * complex(moments[0, q * antennas + ant], moments[1, q * antennas + ant])
    for _ in range(SWEEPS):
        moved = 0.0
        for k in range(lines):
            change_power, power = 0.0, 0.0
            for ant in range(antennas):
                value = matched[k, ant]
                for j in range(lines):
                    value -= response[k, j] * gain[j, ant]
                value /= response[k, k]
                gain[k, ant] += value
                change_power += value.real**2 + value.imag**2
                power += gain[k, ant].real ** 2 + gain[k, ant].imag ** 2
            if change_power > moved * power:
                moved = change_power / power
        if moved < 1e-24:
            break


@_compiled
def _mark(lines: Any, now: Any, taken: Any) -> None:
    """`mnomp.cells_taken`."""
    loops, count = taken.shape
    taken[:] = 0
    for k in range(lines):
        row = math.floor(now[1, k] * loops / (2.0 * math.pi) + 0.5) % loops
        column = math.floor(now[0, k] * count / (2.0 * math.pi) + 0.5) % count
        for i in range(-1, 2):
            for j in range(-1, 2):
                taken[(row + i) % loops, (column + j) % count] = 1


@_compiled
def _correct(
    k: Any, terms: Any, now: Any, gain: Any, removed: Any, removed_gain: Any, halves_n: Any, halves_m: Any,
    kernels: Any, in_doppler: Any, in_range: Any,
) -> Any:  # fmt: skip
    """`_Lines.correct`, to be carried out by `_subtract_and_map`; return the number of terms."""
    if now[0, k] == removed[0, k] and now[1, k] == removed[1, k]:
        terms = _add_term(
            terms,
            now[0, k],
            now[1, k],
            gain[k] - removed_gain[k],
            1.0,
            halves_n,
            halves_m,
            kernels,
            in_doppler,
            in_range,
        )
    else:
        if np.any(removed_gain[k] != 0):
            terms = _add_term(
                terms,
                removed[0, k],
                removed[1, k],
                removed_gain[k],
                -1.0,
                halves_n,
                halves_m,
                kernels,
                in_doppler,
                in_range,
            )
        if np.any(gain[k] != 0):
            terms = _add_term(
                terms, now[0, k], now[1, k], gain[k], 1.0, halves_n, halves_m, kernels, in_doppler, in_range
            )
    removed[:, k] = now[:, k]
    removed_gain[k] = gain[k]
    return terms


@_compiled
def _extract(
    folded: Any, spectrum: Any, flat: Any, complex_view: Any, power: Any, bits: Any, rows: Any, columns: Any,
    halves_n: Any, halves_m: Any, starts_n: Any, starts_m: Any, centres_n: Any, centres_m: Any,
    offsets: Any, multipliers: Any, k_invalid: Any, k_max: Any, newton_steps: Any, cyclic_rounds: Any, floor: Any,
) -> Any:  # fmt: skip
    """`mnomp.extract_lines`."""
    loops, antennas, count = spectrum.shape[0], spectrum.shape[1], spectrum.shape[2] // 2
    blocks_n, blocks_m, cells = centres_n.size, centres_m.size, multipliers.size - 1
    real = spectrum.dtype
    squares = np.empty(2 * count, dtype=real)
    pairs = squares.reshape(count, 2)
    scratch = np.empty((4, folded.shape[2]), dtype=real)
    kernels = np.empty(max(loops, count))
    taken = np.zeros((loops, count), dtype=np.uint8)
    most_terms = 2 * k_max + 1
    in_doppler = np.empty((loops, most_terms), dtype=real)
    in_range = np.empty((most_terms, antennas * 2 * count), dtype=real)
    cell, start, now, removed = np.zeros((2, k_max)), np.zeros((2, k_max)), np.zeros((2, k_max)), np.zeros((2, k_max))
    sums = np.empty((k_max, 2, blocks_n, blocks_m * antennas))
    gain = np.zeros((k_max, antennas), dtype=np.complex128)
    removed_gain = np.zeros((k_max, antennas), dtype=np.complex128)
    work = np.empty((2, blocks_n, blocks_m * antennas))
    lane = np.empty((2, blocks_m * antennas))
    moments = np.empty((6, blocks_m * antennas))
    matched = np.empty(antennas, dtype=np.complex128)
    filters = np.empty((4, max(blocks_n, blocks_m)), dtype=np.complex128)
    touched = np.empty(k_max, dtype=np.int64)

    total = _centre_and_map(spectrum, complex_view, rows, columns, squares, pairs, power)
    # A literal 0 is a type of its own, for which all that takes it would be compiled once more.
    zero = loops - loops
    lines, accepted, invalid, lowest, noise = zero, zero, zero, -1.0, 0.0
    while lines < k_max and math.isfinite(total):
        row, column = _highest(bits)
        lowest = floor * power[row, column] if lowest < 0.0 else lowest
        if power[row, column] <= lowest:
            break
        _mark(lines, now, taken)
        noise, trained = _training_noise(power, taken, offsets, cells, row, column)
        valid = trained > 0 and power[row, column] > multipliers[trained] * noise
        invalid = zero if valid else invalid + 1
        if invalid == k_invalid:
            break
        new = lines
        cell[0, new], cell[1, new] = 2.0 * math.pi * column / count, 2.0 * math.pi * row / loops
        start[0, new], start[1, new] = _start(spectrum, row, column)
        now[:, new] = start[:, new]
        _block_sums(folded, start[0, new], start[1, new], count, blocks_n, starts_m, scratch, sums[new])
        _refine(
            new, new, newton_steps, noise, cell, start, now, sums, gain, starts_n, starts_m, centres_n,
            centres_m, work, lane, moments, matched, filters,
        )  # fmt: skip
        lines += 1
        accepted = lines if valid else accepted
        terms, several = zero, zero
        if cyclic_rounds > 0:
            for j in range(new):
                if _leakage(new, j, now, gain, loops, count) > COUPLING * noise:
                    touched[several] = j
                    several += 1
        if several > 0:
            touched[several] = new
            for _ in range(cyclic_rounds):
                for i in range(several + 1):
                    _refine(
                        touched[i], lines, newton_steps, noise, cell, start, now, sums, gain, starts_n, starts_m,
                        centres_n, centres_m, work, lane, moments, matched, filters,
                    )  # fmt: skip
            for i in range(several):
                terms = _correct(
                    touched[i],
                    terms,
                    now,
                    gain,
                    removed,
                    removed_gain,
                    halves_n,
                    halves_m,
                    kernels,
                    in_doppler,
                    in_range,
                )
        terms = _correct(
            new, terms, now, gain, removed, removed_gain, halves_n, halves_m, kernels, in_doppler, in_range
        )
        total = _subtract_and_map(spectrum, flat, in_doppler, in_range, terms, squares, pairs, power)

    _mark(lines, now, taken)
    terms, several = zero, zero
    for k in range(accepted if cyclic_rounds > 0 else zero):
        for j in range(accepted, lines):
            if _leakage(j, k, now, gain, loops, count) > COUPLING * noise:
                touched[several] = k
                several += 1
                break
    for k in range(accepted, lines):
        gain[k] = 0.0
        terms = _correct(k, terms, now, gain, removed, removed_gain, halves_n, halves_m, kernels, in_doppler, in_range)
    for _ in range(cyclic_rounds):
        for i in range(several):
            _refine(
                touched[i], accepted, newton_steps, noise, cell, start, now, sums, gain, starts_n, starts_m, centres_n,
                centres_m, work, lane, moments, matched, filters,
            )  # fmt: skip
    _fit_gains(accepted, start, now, sums, gain, starts_n, starts_m, centres_n, centres_m, moments)
    for k in range(accepted):
        if now[0, k] == removed[0, k] and now[1, k] == removed[1, k]:
            change = 0.0
            for ant in range(antennas):
                value = gain[k, ant] - removed_gain[k, ant]
                change += value.real**2 + value.imag**2
            if change * float(loops * count) ** 2 <= NEGLIGIBLE * noise:
                continue
        terms = _correct(k, terms, now, gain, removed, removed_gain, halves_n, halves_m, kernels, in_doppler, in_range)
    if terms > 0:
        total = _subtract_and_map(spectrum, flat, in_doppler, in_range, terms, squares, pairs, power)
    per_sample = antennas * float(loops * count)
    noise_power = np.empty(accepted)
    for k in range(accepted):
        row = math.floor(now[1, k] * loops / (2.0 * math.pi) + 0.5) % loops
        column = math.floor(now[0, k] * count / (2.0 * math.pi) + 0.5) % count
        noise_power[k] = _training_noise(power, taken, offsets, cells, row, column)[0] / per_sample
        phase = 0.5 * (now[0, k] * (count - 1) + now[1, k] * (loops - 1))
        turn = complex(math.cos(phase), -math.sin(phase))
        for ant in range(antennas):
            gain[k, ant] *= turn
    return now[:, :accepted], gain[:accepted], noise_power, total / (per_sample * loops * count)


@lru_cache(maxsize=32)
def _tables(loops: int, count: int, real: Any) -> tuple[Any, ...]:
    """Return the phases that centre the spectrum, rows (loops, 2) and columns (2 count,), and the blocks' layout."""
    phase = np.pi * np.arange(loops) * (loops - 1) / loops
    rows = np.stack([np.cos(phase), np.sin(phase)], axis=1).astype(real)
    phase = np.pi * np.arange(count) * (count - 1) / count
    columns = np.stack([np.cos(phase), np.sin(phase)], axis=1).astype(real)
    halves_n, halves_m = (
        np.stack([np.cos(np.pi * np.arange(size) / size), np.sin(np.pi * np.arange(size) / size)])
        for size in (count, loops)
    )
    starts_n, starts_m = (np.append(blocks_of(size)[0], size).astype(np.int64) for size in (count, loops))
    return rows, columns, halves_n, halves_m, starts_n, starts_m, blocks_of(count)[2], blocks_of(loops)[2]


def extract_lines_compiled(
    samples: NDArray[np.complexfloating],
    spectrum: NDArray[np.complexfloating],
    offsets: IntArray,
    multipliers: FloatArray,
    limits: tuple[int, int, int, int],
    floor: float,
) -> Found:
    """Find the lines of a frame as `isactrack.processing.mnomp.extract_lines` does."""
    loops, antennas, count = samples.shape
    real, integer = (np.float32, np.int32) if samples.dtype == np.complex64 else (np.float64, np.int64)
    tables = _tables(loops, count, real)
    blocks = tables[-2].size
    parts = spectrum.view(real)
    folded = np.empty((loops, antennas, -(-count // BLOCKS), blocks, 2), dtype=real)
    _fold(samples.view(real).reshape(*samples.shape, 2), folded)
    power = np.empty((loops, count), dtype=real)
    arguments = (
        folded.reshape(loops, antennas, -1), parts, parts.reshape(loops, -1), parts.reshape(*samples.shape, 2), power,
        power.view(integer), *tables, offsets, multipliers, *limits, floor,
    )  # fmt: skip
    now, gain, noise, residual = _extract(*arguments)
    return now[0], now[1], gain, noise, residual
