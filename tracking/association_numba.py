"""The compiled forms of `isactrack.tracking.spa` and `isactrack.tracking.jpda`; importing this module needs numba.

`spa_core` and `jpda_core` work on plain arrays and write their results into arrays, so that other compiled functions
can call them. They expect ratios that are not negative; what is above `MAX_RATIO` counts as that.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from isactrack.tracking.association import MAX_RATIO, FloatArray

_Function = TypeVar("_Function", bound=Callable[..., object])
_IntArray = NDArray[np.int64]
_Number = TypeVar("_Number", np.int64, np.float64)

MAX_FRONTIER = 63
"""Widest frontier that the bits of one signed integer hold."""


def _compiled(function: _Function) -> _Function:
    """Compile a function at its first call, once per machine; numba has no types of its own.

    Without the interpreter's lock: a joint association may take a while, and other threads capture and record.
    """
    try:
        compiled = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder takes compiled code, neither this one nor the user's: each process compiles anew
        compiled = njit(nogil=True)(function)
    return cast("_Function", compiled)


@_compiled
def spa_core(
    ratio: FloatArray, rounds: int, tolerance: float, missed: FloatArray, probability: FloatArray, free: FloatArray
) -> int:
    """Associate by the sum-product algorithm, eq. 35 and 36 of mnomp-spa-kf, on the gated pairs alone.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m), not negative.
    rounds
        Largest number of rounds, at least 1.
    tolerance
        The rounds end early when one has changed no probability by more than this; 0 does them all.
    missed, probability, free
        Results (n,), (n, m) and (m,), written; see `isactrack.tracking.association.Association`.

    Returns
    -------
    int
        Rounds that were done.
    """
    n, m = ratio.shape
    # Pairs in the order of the rows, and their order by columns.
    row_start = np.zeros(n + 1, dtype=np.int64)
    column_start = np.zeros(m + 1, dtype=np.int64)
    for k in range(n):
        count = 0
        for h in range(m):
            probability[k, h] = 0.0
            if ratio[k, h] > 0.0:
                count += 1
                column_start[h + 1] += 1
        row_start[k + 1] = row_start[k] + count
    for h in range(m):
        column_start[h + 1] += column_start[h]
    pairs = row_start[n]
    weight = np.empty(pairs)
    column = np.empty(pairs, dtype=np.int64)
    by_column = np.empty(pairs, dtype=np.int64)
    filled = column_start[:m].copy()
    pair = 0
    for k in range(n):
        for h in range(m):
            if ratio[k, h] > 0.0:
                weight[pair] = min(ratio[k, h], MAX_RATIO)
                column[pair] = h
                by_column[filled[h]] = pair
                filled[h] += 1
                pair += 1
    delta = weight.copy()
    v = np.ones(pairs)
    belief = np.full(pairs, -1.0)
    for k in range(n):
        missed[k] = -1.0
    for h in range(m):
        free[h] = -1.0
    done = 0
    while done < rounds:
        done += 1
        for h in range(m):  # 35b; the sums before and after each entry, so that no large one cancels
            after = 0.0
            for i in range(column_start[h + 1] - 1, column_start[h] - 1, -1):
                v[by_column[i]] = after
                after += delta[by_column[i]]
            before = 1.0
            for i in range(column_start[h], column_start[h + 1]):
                pair = by_column[i]
                v[pair] = 1.0 / (before + v[pair])
                before += delta[pair]
        for k in range(n):  # 35a
            after = 0.0
            for pair in range(row_start[k + 1] - 1, row_start[k] - 1, -1):
                delta[pair] = after
                after += weight[pair] * v[pair]
            before = 1.0
            for pair in range(row_start[k], row_start[k + 1]):
                delta[pair] = weight[pair] / (before + delta[pair])
                before += weight[pair] * v[pair]
        if done < rounds and tolerance <= 0.0:
            continue
        change = 0.0
        for k in range(n):  # 36a
            total = 1.0
            for pair in range(row_start[k], row_start[k + 1]):
                total += weight[pair] * v[pair]
            change = max(change, abs(1.0 / total - missed[k]))
            missed[k] = 1.0 / total
            for pair in range(row_start[k], row_start[k + 1]):
                now = weight[pair] * v[pair] / total
                change = max(change, abs(now - belief[pair]))
                belief[pair] = now
        for h in range(m):  # 36b
            total = 1.0
            for i in range(column_start[h], column_start[h + 1]):
                total += delta[by_column[i]]
            change = max(change, abs(1.0 / total - free[h]))
            free[h] = 1.0 / total
        if change <= tolerance:
            break
    for k in range(n):
        for pair in range(row_start[k], row_start[k + 1]):
            probability[k, column[pair]] = belief[pair]
    return done


@_compiled
def jpda_core(
    ratio: FloatArray, max_states: int, missed: FloatArray, probability: FloatArray, free: FloatArray
) -> float:
    """Associate by the exact marginals of all joint events, as `isactrack.tracking.jpda.jpda_marginals`.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m), not negative.
    max_states
        States kept of a layer, at least 1.
    missed, probability, free
        Results (n,), (n, m) and (m,), written; see `isactrack.tracking.association.Association`.

    Returns
    -------
    float
        Estimated probability of what was dropped, 0.0 if the marginals are exact; -1.0 if a frontier is wider than
        `MAX_FRONTIER`, and nothing that was written means anything.
    """
    n, m = ratio.shape
    kept = 1.0
    row_group = np.full(n, -1, dtype=np.int64)
    column_group = np.full(m, -1, dtype=np.int64)
    rows = np.empty(n, dtype=np.int64)
    columns = np.empty(m, dtype=np.int64)
    for k in range(n):
        for h in range(m):
            probability[k, h] = 0.0
    for first in range(n):
        if row_group[first] >= 0:
            continue
        row_group[first] = first
        rows[0] = first
        row_count, at = 1, 0
        while at < row_count:  # breadth first through the component
            k = rows[at]
            at += 1
            for h in range(m):
                if ratio[k, h] > 0.0 and column_group[h] < 0:
                    column_group[h] = first
                    for other in range(n):
                        if ratio[other, h] > 0.0 and row_group[other] < 0:
                            row_group[other] = first
                            rows[row_count] = other
                            row_count += 1
        row_count, column_count = 0, 0  # again, in ascending order
        for k in range(n):
            if row_group[k] == first:
                rows[row_count] = k
                row_count += 1
        for h in range(m):
            if column_group[h] == first:
                columns[column_count] = h
                column_count += 1
        if row_count == 1 or column_count == 1:  # one against many: exactly one or none of the pairs is made
            total = 1.0
            for i in range(row_count):
                for j in range(column_count):
                    total += min(ratio[rows[i], columns[j]], MAX_RATIO)
            for i in range(row_count):
                for j in range(column_count):
                    probability[rows[i], columns[j]] = min(ratio[rows[i], columns[j]], MAX_RATIO) / total
            continue
        block = np.empty((row_count, column_count))
        for i in range(row_count):
            for j in range(column_count):
                value = min(ratio[rows[i], columns[j]], MAX_RATIO)
                block[i, j] = np.log(value) if value > 0.0 else -np.inf
        marginals = np.zeros((row_count, column_count))
        dropped = _component(block, max_states, marginals)
        if dropped < 0.0:
            return -1.0
        kept *= 1.0 - dropped
        for i in range(row_count):
            for j in range(column_count):
                probability[rows[i], columns[j]] = marginals[i, j]
    for k in range(n):
        total = 0.0
        for h in range(m):
            total += probability[k, h]
        missed[k] = max(0.0, 1.0 - total)
    for h in range(m):
        total = 0.0
        for k in range(n):
            total += probability[k, h]
        free[h] = max(0.0, 1.0 - total)
    return 1.0 - kept


@_compiled
def _component(block: FloatArray, max_states: int, probability: FloatArray) -> float:
    n, m = block.shape
    order, peak = _elimination(block)
    if peak > 2.0 * n:
        turned = block.T.copy()
        turned_order, turned_peak = _elimination(turned)
        if turned_peak < peak:
            turned_probability = np.zeros((m, n))
            dropped = _sweep(turned, turned_order, max_states, turned_probability)
            probability[:, :] = turned_probability.T
            return dropped
    return _sweep(block, order, max_states, probability)


@_compiled
def _elimination(block: FloatArray) -> tuple[_IntArray, float]:
    """Order the rows greedily by the frontier that each would leave, and bound the states; see `elimination_sweep`."""
    n, m = block.shape
    users = np.zeros(m, dtype=np.int64)
    degree = np.zeros(n, dtype=np.int64)
    for k in range(n):
        for h in range(m):
            if block[k, h] > -np.inf:
                users[h] += 1
                degree[k] += 1
    gate = np.empty((n, degree.max()), dtype=np.int64)
    for k in range(n):
        i = 0
        for h in range(m):
            if block[k, h] > -np.inf:
                gate[k, i] = h
                i += 1
    order = np.empty(n, dtype=np.int64)
    done = np.zeros(n, dtype=np.bool_)
    inside = np.zeros(m, dtype=np.bool_)
    width, peak = 0, 1.0
    for step in range(n):
        best, best_growth = -1, 0
        for k in range(n):
            if done[k]:
                continue
            growth = 0
            for i in range(degree[k]):
                h = gate[k, i]
                if inside[h]:
                    growth -= users[h] == 1
                else:
                    growth += users[h] > 1
            if best < 0 or growth < best_growth or (growth == best_growth and degree[k] < degree[best]):
                best, best_growth = k, growth
        done[best] = True
        order[step] = best
        for i in range(degree[best]):
            h = gate[best, i]
            users[h] -= 1
            inside[h] = users[h] > 0
        width += best_growth
        states, choices = 1.0, 1.0
        for taken in range(1, min(width, step + 1) + 1):
            choices *= (width - taken + 1) / taken
            states += choices
        peak = max(peak, states)
    return order, peak


@_compiled
def _sweep(block: FloatArray, order: _IntArray, max_states: int, probability: FloatArray) -> float:
    """Sweep forward and backward over the states of a component, see `sweep_marginals`."""
    n, m = block.shape
    last_use = np.zeros(m, dtype=np.int64)
    for step in range(n):
        for h in range(m):
            if block[order[step], h] > -np.inf:
                last_use[h] = step
    slot = np.full(m, -1, dtype=np.int64)
    in_use = np.int64(0)

    # The layers one after the other: where each begins among all states, and its successors among all moves.
    state_start = np.zeros(n + 2, dtype=np.int64)
    move_start = np.zeros(n + 1, dtype=np.int64)
    state_start[1] = 1
    states = np.zeros(64, dtype=np.int64)
    forward = np.zeros(64)
    successor = np.empty(256, dtype=np.int64)
    columns = np.empty(m, dtype=np.int64)
    bits = np.empty(m + 1, dtype=np.int64)
    gain = np.empty(m + 1)
    unwanted = np.empty((0, 0))
    of_slot = np.empty(MAX_FRONTIER)
    kept = 1.0
    for step in range(n):
        row = order[step]
        moves = 1
        bits[0] = 0
        gain[0] = 0.0
        opened, closing = np.int64(0), np.int64(0)
        for h in range(m):
            if block[row, h] > -np.inf:
                if slot[h] < 0:
                    free_slot = 0
                    while in_use >> free_slot & 1:
                        free_slot += 1
                        if free_slot == MAX_FRONTIER:
                            return -1.0
                    slot[h] = free_slot
                    in_use |= np.int64(1) << free_slot
                    opened |= np.int64(1) << free_slot
                bits[moves] = np.int64(1) << slot[h]
                gain[moves] = block[row, h]
                if last_use[h] == step:
                    closing |= bits[moves]
                moves += 1
        start, count = state_start[step], state_start[step + 1] - state_start[step]
        successor = _grown(successor, move_start[step] + moves * count)
        next_states, top, found = _reached(
            states[start : start + count],
            forward[start : start + count],
            bits[:moves],
            gain[:moves],
            opened,
            closing,
            successor[move_start[step] : move_start[step] + moves * count],
        )
        in_use &= ~closing
        if found > max_states:
            if unwanted.size == 0:
                unwanted = _log_unwanted(block, order)
            for h in range(m):
                if slot[h] >= 0 and last_use[h] > step:
                    of_slot[slot[h]] = unwanted[step, h]
            found, share = _prune(
                next_states,
                top,
                found,
                of_slot,
                max_states,
                successor[move_start[step] : move_start[step] + moves * count],
            )
            kept *= share
        begin = state_start[step + 1]
        states = _grown(states, begin + found)
        forward = _grown(forward, begin + found)
        states[begin : begin + found] = next_states[:found]
        forward[begin : begin + found] = top[:found]
        state_start[step + 2] = begin + found
        move_start[step + 1] = move_start[step] + moves * count

    total = forward[state_start[n]]
    backward = np.zeros(1)
    for step in range(n - 1, -1, -1):
        row = order[step]
        moves = 1
        gain[0] = 0.0
        for h in range(m):
            if block[row, h] > -np.inf:
                columns[moves - 1] = h
                gain[moves] = block[row, h]
                moves += 1
        start, count = state_start[step], state_start[step + 1] - state_start[step]
        share_of_move = np.zeros(moves)
        onward = np.empty(moves)
        before = np.full(count, -np.inf)
        for s in range(count):
            best = -np.inf
            for move in range(moves):
                target = successor[move_start[step] + s * moves + move]
                onward[move] = gain[move] + backward[target] if target >= 0 else -np.inf
                best = max(best, onward[move])
            if best == -np.inf:  # all that could follow was dropped
                continue
            probability_of_state = np.exp(forward[start + s] + best - total)
            sum_of_moves = 0.0
            for move in range(moves):
                if onward[move] > -np.inf:
                    weight = np.exp(onward[move] - best)
                    sum_of_moves += weight
                    share_of_move[move] += weight * probability_of_state
            before[s] = best + np.log(sum_of_moves)
        sum_of_shares = share_of_move.sum()
        for move in range(1, moves):
            probability[row, columns[move - 1]] = share_of_move[move] / sum_of_shares
        backward = before
    return 1.0 - kept


@_compiled
def _reached(
    states: _IntArray,
    forward: FloatArray,
    bits: _IntArray,
    gain: FloatArray,
    opened: np.int64,
    closing: np.int64,
    successor: _IntArray,
) -> tuple[_IntArray, FloatArray, int]:
    """Make the next layer: its states, the logarithms of their weights, and their number.

    `successor` gets the index of the next state for each state and move, state by state, and -1 where a move is barred.
    """
    count, moves = states.size, bits.size
    size = 16
    while size < 2 * count * moves:
        size *= 2
    table = np.full(size, -1, dtype=np.int64)
    following = np.empty(count * moves, dtype=np.int64)
    top = np.empty(count * moves)
    found = 0
    for s in range(count):
        for move in range(moves):
            if states[s] & ~opened & bits[move]:
                successor[s * moves + move] = -1
                continue
            state = (states[s] | bits[move]) & ~closing
            weight = forward[s] + gain[move]
            at = ((state * 0x1E3779B97F4A7C15) >> 20) & (size - 1)
            while table[at] >= 0 and following[table[at]] != state:
                at = (at + 1) & (size - 1)
            index = table[at]
            if index < 0:
                index = found
                table[at] = found
                following[found] = state
                top[found] = weight
                found += 1
            successor[s * moves + move] = index
            top[index] = max(top[index], weight)
    total = np.zeros(found)
    for s in range(count):
        for move in range(moves):
            index = successor[s * moves + move]
            if index >= 0:
                total[index] += np.exp(forward[s] + gain[move] - top[index])
    for index in range(found):
        top[index] += np.log(total[index])
    return following, top, found


@_compiled
def _log_unwanted(block: FloatArray, order: _IntArray) -> FloatArray:
    """Return how surely later rows want none of a column, see `log_unwanted`."""
    n, m = block.shape
    later = np.zeros((n, m))
    for step in range(n - 1, 0, -1):
        row = order[step]
        total = 1.0
        for h in range(m):
            total += np.exp(block[row, h])
        for h in range(m):
            alone = np.log(max(1.0 - np.exp(block[row, h]) / total, 2.0**-52))
            later[step - 1, h] = later[step, h] + alone
    return later


@_compiled
def _prune(
    states: _IntArray, weight: FloatArray, found: int, of_slot: FloatArray, max_states: int, successor: _IntArray
) -> tuple[int, float]:
    """Keep the most promising states, in place; return their number and the share that they have."""
    promise = weight[:found].copy()
    for index in range(found):
        state, i = states[index], 0
        while state:
            if state & 1:
                promise[index] += of_slot[i]
            state >>= 1
            i += 1
    low, best = promise[0], promise[0]
    for index in range(found):
        low, best = min(low, promise[index]), max(best, promise[index])
    # Halve the interval that holds the lowest one to keep; sorting would take longer, and very long to compile.
    low -= 1.0  # all are above it
    high = best  # none is above it
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        above = 0
        for index in range(found):
            above += promise[index] > middle
        if above > max_states:
            low = middle
        else:
            high = middle
            if above == max_states:
                break
    # What is above `high` is kept; what is equal to it as far as there is room.
    room = max_states
    for index in range(found):
        room -= promise[index] > high
    renamed = np.full(found, -1, dtype=np.int64)
    count, kept, total = 0, 0.0, 0.0
    for index in range(found):
        share = np.exp(promise[index] - best)
        total += share
        if promise[index] > low and (promise[index] > high or room > 0):
            room -= promise[index] <= high
            kept += share
            renamed[index] = count
            states[count] = states[index]
            weight[count] = weight[index]
            count += 1
    for i in range(successor.size):
        if successor[i] >= 0:
            successor[i] = renamed[successor[i]]
    # Even what is too little to be seen in the sum was dropped, and must not look like an exact result.
    return count, min(kept / total, 1.0 - 2.0**-53)


@_compiled
def _grown(array: NDArray[_Number], size: int) -> NDArray[_Number]:
    """Return an array with room for `size` entries, the same one if it has."""
    if size <= array.size:
        return array
    larger = np.empty(max(size, 2 * array.size), dtype=array.dtype)
    larger[: array.size] = array
    return larger
