"""The kernels of `isactrack.processing.mnomp`, compiled: one function does all that follows the FFT of a frame.

Complex arrays are read as real ones with real and imaginary part side by side. A real factor then applies to both, and a
complex one, whose two parts are applied apart and joined when the sum is complete, needs no shuffling of neighbours
either: the inner loops are plain multiply-adds on contiguous reals. Sums may be reordered (`FAST`); nothing assumes
that values are finite, except the search for the highest cell, which runs after they were found to be.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from isactrack.processing.mnomp import COUPLING, SWEEPS, FloatArray, Found, IntArray, blocks_of

FAST = {"reassoc", "contract", "nsz"}


@njit(cache=True, fastmath=FAST)
def _dirichlet(delta: Any, count: Any) -> Any:
    """`mnomp.dirichlet` for one value."""
    sine = math.sin(0.5 * delta)
    if abs(sine) < 1e-8:
        return count * math.cos(0.5 * count * delta) / math.cos(0.5 * delta)
    return math.sin(0.5 * count * delta) / sine


@njit(cache=True, fastmath=FAST | {"nnan", "ninf"})
def _row_max(row: Any) -> Any:
    """Return the largest of finite values that are not negative."""
    highest = row[0]
    for j in range(row.size):
        highest = max(highest, row[j])
    return highest


@njit(cache=True, fastmath=FAST)
def _fold_row(squares: Any, row: Any) -> Any:
    """Add neighbours, the squares of real and imaginary parts; return the sum of all."""
    total = 0.0
    for n in range(row.size):
        value = squares[2 * n] + squares[2 * n + 1]
        row[n] = value
        total += value
    return total


@njit(cache=True, fastmath=FAST)
def _centre_and_map(spectrum: Any, rows: Any, columns: Any, squares: Any, power: Any) -> Any:
    """`mnomp.centre_spectrum` and `mnomp.map_power` in one pass; return the sum of the power."""
    loops, antennas, count = spectrum.shape
    total = 0.0
    turn = np.empty(count, dtype=spectrum.dtype)
    for m in range(loops):
        turn[:] = 1
        for n in range(count // 2):
            re = columns[2 * n] * rows[m, 0] - columns[2 * n + 1] * rows[m, 1]
            im = columns[2 * n] * rows[m, 1] + columns[2 * n + 1] * rows[m, 0]
            turn[2 * n] = re
            turn[2 * n + 1] = im
        squares[:] = 0
        for l in range(antennas):
            line = spectrum[m, l]
            for n in range(count // 2):
                re = line[2 * n] * turn[2 * n] - line[2 * n + 1] * turn[2 * n + 1]
                im = line[2 * n] * turn[2 * n + 1] + line[2 * n + 1] * turn[2 * n]
                line[2 * n] = re
                line[2 * n + 1] = im
                squares[2 * n] += re * re
                squares[2 * n + 1] += im * im
        total += _fold_row(squares, power[m])
    return total


@njit(cache=True, fastmath=FAST)
def _subtract_and_map(spectrum: Any, in_doppler: Any, in_range: Any, terms: Any, squares: Any, power: Any) -> Any:
    """Remove `terms` lines (eq. 14) and map what is left in one pass; return the sum of the power.

    `in_doppler` (term, doppler) is real, `in_range` (term, antenna, 2 range) holds the gains.
    """
    loops, antennas, count = spectrum.shape
    total = 0.0
    for m in range(loops):
        squares[:] = 0
        for l in range(antennas):
            line = spectrum[m, l]
            k = 0
            while k + 1 < terms - 1:
                f, g = in_doppler[k, m], in_doppler[k + 1, m]
                a, b = in_range[k, l], in_range[k + 1, l]
                for j in range(count):
                    line[j] -= f * a[j] + g * b[j]
                k += 2
            if k + 1 < terms:
                f = in_doppler[k, m]
                a = in_range[k, l]
                for j in range(count):
                    line[j] -= f * a[j]
            f = in_doppler[terms - 1, m]
            a = in_range[terms - 1, l]
            for j in range(count):
                value = line[j] - f * a[j]
                line[j] = value
                squares[j] += value * value
        total += _fold_row(squares, power[m])
    return total


@njit(cache=True, fastmath=FAST)
def _add_term(
    terms: Any, range_rad: Any, doppler_rad: Any, gain: Any, sign: Any, in_doppler: Any, in_range: Any
) -> Any:
    """Write the kernels of a line of eq. 14 as one more term to be removed; return the new number of terms."""
    loops, count, antennas = in_doppler.shape[1], in_range.shape[2] // 2, in_range.shape[1]
    for m in range(loops):
        in_doppler[terms, m] = _dirichlet(2.0 * math.pi * m / loops - doppler_rad, loops)
    for n in range(count):
        kernel = sign * _dirichlet(2.0 * math.pi * n / count - range_rad, count)
        for l in range(antennas):
            in_range[terms, l, 2 * n] = kernel * gain[l].real
            in_range[terms, l, 2 * n + 1] = kernel * gain[l].imag
    return terms + 1


@njit(cache=True, fastmath=FAST)
def _highest(power: Any) -> Any:
    """Return row and column of the highest cell, the first of equal ones."""
    best, row = -1.0, 0
    for m in range(power.shape[0]):
        highest = _row_max(power[m])
        if highest > best:
            best, row = highest, m
    column = 0
    while power[row, column] != best and column < power.shape[1] - 1:
        column += 1
    return row, column


@njit(cache=True, fastmath=FAST)
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


@njit(cache=True, fastmath=FAST)
def _offset(before: Any, peak: Any, after: Any, turn_before: Any, turn_after: Any) -> Any:
    """`mnomp.interpolate_peak` for interleaved values of all antennas, (antennas, 2)."""
    cross, energy = 0.0, 0.0
    for l in range(peak.shape[0]):
        for c in range(2):
            low, high = turn_before * before[l, c], turn_after * after[l, c]
            bottom = 2.0 * peak[l, c] + low + high
            cross += bottom * (high - low)
            energy += bottom * bottom
    offset = cross / energy if energy > 0.0 else 0.0
    return min(max(offset, -0.5), 0.5)


@njit(cache=True, fastmath=FAST)
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


@njit(cache=True, fastmath=FAST)
def _block_sums(
    samples: Any, range_rad: Any, doppler_rad: Any, range_starts: Any, doppler_starts: Any, scratch: Any, sums: Any
) -> None:
    """`mnomp.block_sums`, written as (real or imaginary part, range block, doppler block and antenna)."""
    loops, antennas, count = samples.shape
    samples_count = count // 2
    even, odd, cosines, sines = scratch[0], scratch[1], scratch[2], scratch[3]
    for m in range(loops):
        phase = doppler_rad * (m - 0.5 * (loops - 1))
        scratch[4, m] = math.cos(phase)
        scratch[5, m] = math.sin(phase)
    for n in range(samples_count):
        phase = range_rad * (n - 0.5 * (samples_count - 1))
        c, s = math.cos(phase), math.sin(phase)
        cosines[2 * n] = c
        cosines[2 * n + 1] = s
        sines[2 * n] = -s
        sines[2 * n + 1] = c
    for q in range(doppler_starts.size - 1):
        first, last = doppler_starts[q], doppler_starts[q + 1]
        for l in range(antennas):
            # Times cosine and times sine of the phase of the loop, apart: a complex product without shuffles.
            m = first
            even[:] = 0
            odd[:] = 0
            while m + 4 <= last:
                a, b, c, d = samples[m, l], samples[m + 1, l], samples[m + 2, l], samples[m + 3, l]
                ca, sa = scratch[4, m], scratch[5, m]
                cb, sb = scratch[4, m + 1], scratch[5, m + 1]
                cc, sc = scratch[4, m + 2], scratch[5, m + 2]
                cd, sd = scratch[4, m + 3], scratch[5, m + 3]
                for j in range(count):
                    even[j] += ca * a[j] + cb * b[j] + cc * c[j] + cd * d[j]
                    odd[j] += sa * a[j] + sb * b[j] + sc * c[j] + sd * d[j]
                m += 4
            while m < last:
                a, ca, sa = samples[m, l], scratch[4, m], scratch[5, m]
                for j in range(count):
                    even[j] += ca * a[j]
                    odd[j] += sa * a[j]
                m += 1
            for p in range(range_starts.size - 1):
                re, im = samples.dtype.type(0), samples.dtype.type(0)
                for j in range(2 * range_starts[p], 2 * range_starts[p + 1]):
                    re += even[j] * cosines[j] + odd[j] * sines[j]
                    im += even[j] * sines[j] - odd[j] * cosines[j]
                sums[0, p, q * antennas + l] = re
                sums[1, p, q * antennas + l] = im


@njit(cache=True, fastmath=FAST)
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


@njit(cache=True, fastmath=FAST)
def _filter(offset: Any, centres: Any, out: Any) -> None:
    """Write ``exp(-j offset centres)`` (blocks,)."""
    for q in range(centres.size):
        phase = offset * centres[q]
        out[q] = complex(math.cos(phase), -math.sin(phase))


@njit(cache=True, fastmath=FAST)
def _remove_other(sums: Any, in_range: Any, in_doppler: Any, gain: Any, lane: Any) -> None:
    """Subtract from block sums what a line adds to them."""
    antennas = gain.size
    for q in range(in_doppler.size):
        for l in range(antennas):
            value = in_doppler[q] * gain[l]
            lane[0, q * antennas + l] = value.real
            lane[1, q * antennas + l] = value.imag
    for p in range(in_range.size):
        c, s = in_range[p].real, in_range[p].imag
        for j in range(lane.shape[1]):
            sums[0, p, j] -= c * lane[0, j] - s * lane[1, j]
            sums[1, p, j] -= c * lane[1, j] + s * lane[0, j]


@njit(cache=True, fastmath=FAST)
def _energy(sums: Any, centres_n: Any, centres_m: Any, x: Any, y: Any, moments: Any, matched: Any, out: Any) -> None:
    """`mnomp.energy_and_derivatives`: writes (energy, E_x, E_y, E_xx, E_xy, E_yy) to `out` and the matched filter."""
    moments[:] = 0.0
    for p in range(centres_n.size):
        t = centres_n[p]
        c, s = math.cos(x * t), math.sin(x * t)
        tt = t * t
        for j in range(moments.shape[1]):
            re = c * sums[0, p, j] + s * sums[1, p, j]
            im = c * sums[1, p, j] - s * sums[0, p, j]
            moments[0, j] += re
            moments[1, j] += im
            moments[2, j] += t * re
            moments[3, j] += t * im
            moments[4, j] += tt * re
            moments[5, j] += tt * im
    antennas = matched.size
    out[:] = 0.0
    for l in range(antennas):
        b, b_x, b_y, b_xx, b_xy, b_yy = 0j, 0j, 0j, 0j, 0j, 0j
        for q in range(centres_m.size):
            t, j = centres_m[q], q * antennas + l
            f = complex(math.cos(y * t), -math.sin(y * t))
            zero = f * complex(moments[0, j], moments[1, j])
            one = f * complex(moments[2, j], moments[3, j])
            b += zero
            b_x += one
            b_y += t * zero
            b_xx -= f * complex(moments[4, j], moments[5, j])
            b_xy -= t * one
            b_yy -= t * t * zero
        b_x, b_y = complex(b_x.imag, -b_x.real), complex(b_y.imag, -b_y.real)
        matched[l] = b
        out[0] += b.real * b.real + b.imag * b.imag
        out[1] += 2.0 * (b.real * b_x.real + b.imag * b_x.imag)
        out[2] += 2.0 * (b.real * b_y.real + b.imag * b_y.imag)
        out[3] += 2.0 * (b_x.real * b_x.real + b_x.imag * b_x.imag + b.real * b_xx.real + b.imag * b_xx.imag)
        out[4] += 2.0 * (b_x.real * b_y.real + b_x.imag * b_y.imag + b.real * b_xy.real + b.imag * b_xy.imag)
        out[5] += 2.0 * (b_y.real * b_y.real + b_y.imag * b_y.imag + b.real * b_yy.real + b.imag * b_yy.imag)


@njit(cache=True, fastmath=FAST)
def _newton_step(at: Any, spread_n: Any, spread_m: Any) -> Any:
    """`mnomp.newton_step`."""
    determinant = at[3] * at[5] - at[4] * at[4]
    if at[3] < 0.0 and determinant > 0.0:
        return (at[4] * at[2] - at[5] * at[1]) / determinant, (at[4] * at[1] - at[3] * at[2]) / determinant
    if at[0] <= 0.0:
        return 0.0, 0.0
    return at[1] / (2.0 * at[0] * spread_n), at[2] / (2.0 * at[0] * spread_m)


@njit(cache=True, fastmath=FAST)
def _refine(
    k: Any, live: Any, newton_steps: Any, cell: Any, start: Any, now: Any, sums: Any, gain: Any, starts_n: Any,
    starts_m: Any, centres_n: Any, centres_m: Any, work: Any, lane: Any, moments: Any, matched: Any, filters: Any,
) -> None:  # fmt: skip
    """`_Lines.refine`."""
    count, loops = starts_n[-1], starts_m[-1]
    blocks_n, blocks_m = centres_n.size, centres_m.size
    work[:] = sums[k]
    for j in range(live):
        if j != k:
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
        if not inside or new[0] <= at[0]:
            step_x *= 0.5
            step_y *= 0.5
        else:
            x, y = trial_x, trial_y
            best[:] = matched
            at[:] = new
            step_x, step_y = _newton_step(at, spread_n, spread_m)
        if abs(step_x) <= 1e-9 * limit_x and abs(step_y) <= 1e-9 * limit_y:
            break
    now[0, k] = start[0, k] + x
    now[1, k] = start[1, k] + y
    size_n, size_m = starts_n[1] - starts_n[0], starts_m[1] - starts_m[0]
    scale_n = (blocks_n - 1) * _dirichlet(x, size_n) + _dirichlet(x, starts_n[blocks_n] - starts_n[blocks_n - 1])
    scale_m = (blocks_m - 1) * _dirichlet(y, size_m) + _dirichlet(y, starts_m[blocks_m] - starts_m[blocks_m - 1])
    for l in range(best.size):
        best[l] = best[l] / (scale_n * scale_m)


@njit(cache=True, fastmath=FAST)
def _fit_gains(
    lines: Any, start: Any, now: Any, sums: Any, gain: Any, starts_n: Any, starts_m: Any, centres_n: Any,
    centres_m: Any, filters: Any,
) -> None:  # fmt: skip
    """`_Lines.fit_gains`."""
    count, loops = starts_n[-1], starts_m[-1]
    blocks_n, blocks_m, antennas = centres_n.size, centres_m.size, gain.shape[1]
    response = np.empty((lines, lines), dtype=np.complex128)
    matched = np.zeros((lines, antennas), dtype=np.complex128)
    for k in range(lines):
        _filter(now[0, k] - start[0, k], centres_n, filters[2, :blocks_n])
        _filter(now[1, k] - start[1, k], centres_m, filters[3, :blocks_m])
        for j in range(lines):
            _weights(now[0, j] - start[0, k], starts_n, 0.5 * (count - 1), filters[0, :blocks_n])
            _weights(now[1, j] - start[1, k], starts_m, 0.5 * (loops - 1), filters[1, :blocks_m])
            in_range, in_doppler = 0j, 0j
            for p in range(blocks_n):
                in_range += filters[0, p] * filters[2, p]
            for q in range(blocks_m):
                in_doppler += filters[1, q] * filters[3, q]
            response[k, j] = in_range * in_doppler
        for q in range(blocks_m):
            for l in range(antennas):
                value = 0j
                for p in range(blocks_n):
                    value += filters[2, p] * complex(sums[k, 0, p, q * antennas + l], sums[k, 1, p, q * antennas + l])
                matched[k, l] += filters[3, q] * value
    for _ in range(SWEEPS):
        moved = 0.0
        for k in range(lines):
            change_power, power = 0.0, 0.0
            for l in range(antennas):
                value = matched[k, l]
                for j in range(lines):
                    value -= response[k, j] * gain[j, l]
                value /= response[k, k]
                gain[k, l] += value
                change_power += value.real**2 + value.imag**2
                power += gain[k, l].real ** 2 + gain[k, l].imag ** 2
            moved = max(moved, change_power / power)
        if moved < 1e-24:
            break


@njit(cache=True, fastmath=FAST)
def _mark(lines: Any, now: Any, taken: Any) -> None:
    """`mnomp.cells_taken`."""
    loops, count = taken.shape
    taken[:] = 0
    for k in range(lines):
        row = int(math.floor(now[1, k] * loops / (2.0 * math.pi) + 0.5)) % loops
        column = int(math.floor(now[0, k] * count / (2.0 * math.pi) + 0.5)) % count
        for i in range(-1, 2):
            for j in range(-1, 2):
                taken[(row + i) % loops, (column + j) % count] = 1


@njit(cache=True, fastmath=FAST)
def _correct(
    k: Any, terms: Any, now: Any, gain: Any, removed: Any, removed_gain: Any, in_doppler: Any, in_range: Any
) -> Any:
    """`_Lines.correct`, to be carried out by `_subtract_and_map`; return the number of terms."""
    if now[0, k] == removed[0, k] and now[1, k] == removed[1, k]:
        terms = _add_term(terms, now[0, k], now[1, k], gain[k] - removed_gain[k], 1.0, in_doppler, in_range)
    else:
        if np.any(removed_gain[k] != 0):
            terms = _add_term(terms, removed[0, k], removed[1, k], removed_gain[k], -1.0, in_doppler, in_range)
        if np.any(gain[k] != 0):
            terms = _add_term(terms, now[0, k], now[1, k], gain[k], 1.0, in_doppler, in_range)
    removed[:, k] = now[:, k]
    removed_gain[k] = gain[k]
    return terms


@njit(cache=True, fastmath=FAST)
def _extract(
    samples: Any, spectrum: Any, rows: Any, columns: Any, starts_n: Any, starts_m: Any, centres_n: Any, centres_m: Any,
    offsets: Any, multipliers: Any, k_invalid: Any, k_max: Any, newton_steps: Any, cyclic_rounds: Any, floor: Any,
) -> Any:  # fmt: skip
    """`mnomp.extract_lines`."""
    loops, antennas, count = samples.shape[0], samples.shape[1], samples.shape[2] // 2
    blocks_n, blocks_m, cells = centres_n.size, centres_m.size, multipliers.size - 1
    real = samples.dtype
    power = np.empty((loops, count), dtype=real)
    squares = np.empty(2 * count, dtype=real)
    scratch = np.empty((6, max(2 * count, loops)), dtype=real)
    taken = np.zeros((loops, count), dtype=np.uint8)
    most_terms = 2 * k_max + 1
    in_doppler = np.empty((most_terms, loops), dtype=real)
    in_range = np.empty((most_terms, antennas, 2 * count), dtype=real)
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

    total = _centre_and_map(spectrum, rows, columns, squares, power)
    lines, accepted, invalid, lowest = 0, 0, 0, -1.0
    while lines < k_max and math.isfinite(total):
        row, column = _highest(power)
        lowest = floor * power[row, column] if lowest < 0.0 else lowest
        if power[row, column] <= lowest:
            break
        _mark(lines, now, taken)
        noise, trained = _training_noise(power, taken, offsets, cells, row, column)
        valid = trained > 0 and power[row, column] > multipliers[trained] * noise
        invalid = 0 if valid else invalid + 1
        if invalid == k_invalid:
            break
        new = lines
        cell[0, new], cell[1, new] = 2.0 * math.pi * column / count, 2.0 * math.pi * row / loops
        start[0, new], start[1, new] = _start(spectrum, row, column)
        now[:, new] = start[:, new]
        _block_sums(samples, start[0, new], start[1, new], starts_n, starts_m, scratch, sums[new])
        _refine(
            new, new, newton_steps, cell, start, now, sums, gain, starts_n, starts_m, centres_n, centres_m, work, lane,
            moments, matched, filters,
        )  # fmt: skip
        lines += 1
        accepted = lines if valid else accepted
        terms, several = 0, 0
        if cyclic_rounds > 0:
            strength = 0.0
            for l in range(antennas):
                strength += gain[new, l].real ** 2 + gain[new, l].imag ** 2
            for j in range(new):
                reach = _dirichlet(now[0, j] - now[0, new], count) * _dirichlet(now[1, j] - now[1, new], loops)
                if reach * reach * strength > COUPLING * noise:
                    touched[several] = j
                    several += 1
        if several > 0:
            touched[several] = new
            for _ in range(cyclic_rounds):
                for i in range(several + 1):
                    _refine(
                        touched[i], lines, newton_steps, cell, start, now, sums, gain, starts_n, starts_m, centres_n,
                        centres_m, work, lane, moments, matched, filters,
                    )  # fmt: skip
            for i in range(several):
                terms = _correct(touched[i], terms, now, gain, removed, removed_gain, in_doppler, in_range)
        terms = _correct(new, terms, now, gain, removed, removed_gain, in_doppler, in_range)
        total = _subtract_and_map(spectrum, in_doppler, in_range, terms, squares, power)

    _mark(lines, now, taken)
    terms = 0
    for k in range(accepted, lines):
        gain[k] = 0.0
        terms = _correct(k, terms, now, gain, removed, removed_gain, in_doppler, in_range)
    for _ in range(cyclic_rounds):
        for k in range(accepted):
            _refine(
                k, accepted, newton_steps, cell, start, now, sums, gain, starts_n, starts_m, centres_n, centres_m,
                work, lane, moments, matched, filters,
            )  # fmt: skip
    _fit_gains(accepted, start, now, sums, gain, starts_n, starts_m, centres_n, centres_m, filters)
    for k in range(accepted):
        terms = _correct(k, terms, now, gain, removed, removed_gain, in_doppler, in_range)
    if terms > 0:
        total = _subtract_and_map(spectrum, in_doppler, in_range, terms, squares, power)
    per_sample = antennas * float(loops * count)
    noise_power = np.empty(accepted)
    for k in range(accepted):
        row = int(math.floor(now[1, k] * loops / (2.0 * math.pi) + 0.5)) % loops
        column = int(math.floor(now[0, k] * count / (2.0 * math.pi) + 0.5)) % count
        noise_power[k] = _training_noise(power, taken, offsets, cells, row, column)[0] / per_sample
        phase = 0.5 * (now[0, k] * (count - 1) + now[1, k] * (loops - 1))
        turn = complex(math.cos(phase), -math.sin(phase))
        for l in range(antennas):
            gain[k, l] *= turn
    return now[:, :accepted], gain[:accepted], noise_power, total / (per_sample * loops * count)


@lru_cache(maxsize=32)
def _tables(loops: int, count: int, real: Any) -> tuple[Any, ...]:
    """Return the phases that centre the spectrum, rows (loops, 2) and columns (2 count,), and the blocks' layout."""
    phase = np.pi * np.arange(loops) * (loops - 1) / loops
    rows = np.stack([np.cos(phase), np.sin(phase)], axis=1).astype(real)
    phase = np.pi * np.arange(count) * (count - 1) / count
    columns = np.stack([np.cos(phase), np.sin(phase)], axis=1).ravel().astype(real)
    starts_n, starts_m = (np.append(blocks_of(size)[0], size).astype(np.int64) for size in (count, loops))
    return rows, columns, starts_n, starts_m, blocks_of(count)[2], blocks_of(loops)[2]


def extract_lines_compiled(
    samples: NDArray[np.complexfloating],
    spectrum: NDArray[np.complexfloating],
    offsets: IntArray,
    multipliers: FloatArray,
    limits: tuple[int, int, int, int],
    floor: float,
) -> Found:
    """Find the lines of a frame as `isactrack.processing.mnomp.extract_lines` does."""
    loops, _, count = samples.shape
    real = np.float32 if samples.dtype == np.complex64 else np.float64
    now, gain, noise, residual = _extract(
        samples.view(real), spectrum.view(real), *_tables(loops, count, real), offsets, multipliers, *limits, floor
    )
    return now[0], now[1], gain, noise, residual
