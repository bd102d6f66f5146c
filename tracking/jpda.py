"""Joint probabilistic data association: exact marginals of all joint events, without enumerating them.

A joint event gives each track at most one detection and each detection to at most one track; its weight is the product
of the likelihood ratios of its pairs. Enumerating the events takes a product over all tracks. Here the gate graph is
split into its connected components, and a component is swept track by track: what the later tracks need to know of
the earlier ones is only which of the detections *that they can still use* are taken, so that all events that agree in
this are one state. A forward and a backward sweep over the states give all marginals, as in a hidden Markov model
(the merging of equal subproblems is the idea of efficient hypothesis management: Maskell, Briers and Wright, "Fast
mutual exclusion", Proc. SPIE 5428, 2004).

Detections that can still be used are the frontier. Tracks are swept in an order that keeps it small, and where there
are fewer detections than tracks, or their frontier is narrower, the two change places: the problem is the same either
way. Targets in line abreast have a frontier of a few detections however many they are; a component in which all n
tracks reach all m detections has at most ``2 ** min(n, m)`` states.

Weights are logarithms throughout: events differ by hundreds of orders of magnitude where targets are certain.
"""

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.tracking.association import Association, Engine, FloatArray, checked_ratio, takes_numba

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_STATES: Final = 4096
"""States kept of a layer by default: enough for 12 tracks, or 12 detections, that all reach each other."""

_WORD_BITS: Final = 63
_EPSILON: Final = float(np.finfo(np.float64).eps)
_LOWEST: Final = -1e300  # logarithms are of the order of 690 per pair
_TINY: Final = float(np.finfo(np.float64).tiny)
_IntArray = NDArray[np.int64]


class Sweep(NamedTuple):
    """How a component is swept.

    Attributes
    ----------
    order
        Rows in the order in which they are eliminated.
    peak_states
        Upper bound of the states of any layer.
    """

    order: list[int]
    peak_states: int


def jpda_marginals(ratio: FloatArray, max_states: int = MAX_STATES) -> tuple[Association, float]:
    """Return the marginals of all joint events.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m) as `checked_ratio` returns them.
    max_states
        States kept of a layer. Where a layer has more, the most probable are kept, so that time and memory stay below
        ``max_states`` times the number of gated pairs whatever comes in. How probable a state is in the end is not
        known on the way forward; it is estimated by its weight times the probability that each later track, on its
        own as in PDA, wants none of the detections that the state has taken. The result is then exact for the events
        that are left: if those that were dropped have the probability q together, no marginal is off by more than q.
        Where q is large `isactrack.tracking.spa.Spa` is nearer to the exact marginals, and faster.

    Returns
    -------
    association, dropped
        Marginals, and the estimate of q, 0.0 if nothing was dropped. It is no bound.
    """
    n, m = ratio.shape
    probability = np.zeros((n, m))
    kept = 1.0
    gates = _gates(ratio > 0)
    for rows in gate_components(gates):
        columns = _members(_union([gates[row] for row in rows]))
        if not columns:
            continue
        block = ratio[np.ix_(rows, columns)]
        if min(block.shape) == 1:  # one against many: exactly one or none of the pairs is made
            probability[np.ix_(rows, columns)] = block / (1.0 + block.sum())
            continue
        log_ratio = np.log(block, out=np.full(block.shape, -np.inf), where=block > 0)
        marginals, dropped = component_marginals(log_ratio, max_states)
        probability[np.ix_(rows, columns)] = marginals
        kept *= 1.0 - dropped
    # Rounding can carry a sum beyond 1 by a few units in the last place.
    missed = np.maximum(0.0, 1.0 - probability.sum(axis=1))
    free = np.maximum(0.0, 1.0 - probability.sum(axis=0))
    return Association(missed, probability, free), 1.0 - kept


def gate_components(gates: list[int]) -> list[list[int]]:
    """Return the rows of each connected component of a gate graph.

    Parameters
    ----------
    gates
        For each row the columns that it reaches, as the bits of an integer.

    Returns
    -------
    list of list of int
        Rows of each component in ascending order; a row that reaches nothing is a component.
    """
    components: list[tuple[list[int], int]] = []
    for row, gate in enumerate(gates):
        rows, columns = [row], gate
        apart = []
        for component in components:
            if component[1] & gate:
                rows, columns = component[0] + rows, columns | component[1]
            else:
                apart.append(component)
        components = [*apart, (rows, columns)]
    return [sorted(rows) for rows, _ in components]


def elimination_sweep(gates: list[int]) -> Sweep:
    """Return the order of rows that greedily keeps the frontier small: next is the row that leaves the least of it.

    Parameters
    ----------
    gates
        For each row the columns that it reaches, as the bits of an integer.

    Returns
    -------
    Sweep
        Order of the rows, and the bound of the states: no more columns of the frontier are taken than rows are done.
    """
    left = dict(enumerate(gates))
    users = {column: sum(gate >> column & 1 for gate in gates) for column in _members(_union(gates))}
    last = _union([1 << column for column, count in users.items() if count == 1])  # columns with one user left
    frontier, order, peak = 0, list[int](), 1

    def remains(row: int) -> tuple[int, int, int]:
        gate = left[row]
        return ((frontier | gate) & ~(last & gate)).bit_count(), gate.bit_count(), row

    while left:
        row = min(left, key=remains)
        gate = left.pop(row)
        order.append(row)
        frontier = (frontier | gate) & ~(last & gate)
        for column in _members(gate):
            users[column] -= 1
            if users[column] == 1:
                last |= 1 << column
        width = frontier.bit_count()
        peak = max(peak, sum(math.comb(width, taken) for taken in range(min(width, len(order)) + 1)))
    return Sweep(order, peak)


def component_marginals(log_ratio: FloatArray, max_states: int = MAX_STATES) -> tuple[FloatArray, float]:
    """Return the marginals of the pairs of one component.

    Parameters
    ----------
    log_ratio
        Natural logarithms of the likelihood ratios (n, m), ``-inf`` for pairs beyond the gate.
    max_states
        States kept of a layer, see `jpda_marginals`.

    Returns
    -------
    probability, dropped
        Marginals (n, m), and the estimated probability of what was dropped.
    """
    gated = np.isfinite(log_ratio)
    by_row = elimination_sweep(_gates(gated))
    if by_row.peak_states > 2 * len(log_ratio):
        by_column = elimination_sweep(_gates(gated.T))
        if by_column.peak_states < by_row.peak_states:
            probability, dropped = sweep_marginals(log_ratio.T, by_column.order, max_states)
            return probability.T, dropped
    return sweep_marginals(log_ratio, by_row.order, max_states)


def sweep_marginals(log_ratio: FloatArray, order: list[int], max_states: int) -> tuple[FloatArray, float]:
    """Return the marginals of the pairs of one component, its rows eliminated in a given order.

    Parameters
    ----------
    log_ratio
        Natural logarithms of the likelihood ratios (n, m), ``-inf`` for pairs beyond the gate.
    order
        Rows in the order of their elimination, which changes the time and the memory and not the result.
    max_states
        States kept of a layer, see `jpda_marginals`.

    Returns
    -------
    probability, dropped
        Marginals (n, m), and the estimated probability of what was dropped.
    """
    plan, bit_of = _plan(np.isfinite(log_ratio), order)
    words = len(bit_of)
    unwanted: FloatArray | None = None
    states = np.zeros((words, 1), dtype=np.int64)
    forward = np.zeros(1)
    layers = list[tuple[FloatArray, FloatArray, _IntArray]]()
    kept = 1.0
    for step, (row, (columns, opens, closing, frontier)) in enumerate(zip(order, plan, strict=True)):
        bits = bit_of[:, columns]
        # Move 0 takes nothing, move i takes the i-th column of the row.
        gain = np.concatenate([[0.0], log_ratio[row, columns]])
        taken = np.concatenate([np.zeros((words, 1), dtype=np.int64), bits], axis=1)
        possible = np.ones((gain.size, forward.size), dtype=np.bool_)
        possible[1:] = ~np.any(states[:, None, :] & bits[:, :, None], axis=0) | opens[:, None]
        move, state = np.nonzero(possible)
        reached = (states[:, state] | taken[:, move]) & ~closing[:, None]
        weight = gain[move] + forward[state]
        states_next, forward_next, target = _merge(reached, weight)
        if forward_next.size > max_states:
            if unwanted is None:
                unwanted = log_unwanted(log_ratio[order])
            promise = forward_next + _sum_over_bits(states_next, bit_of[:, frontier], unwanted[step, frontier])
            keep, target, share = _prune(promise, target, max_states)
            states_next, forward_next = states_next[:, keep], forward_next[keep]
            kept *= share
        successor = np.full(possible.shape, -1, dtype=np.int64)
        successor[move, state] = target
        layers.append((gain, forward, successor))
        states, forward = states_next, forward_next
    probability = np.zeros(log_ratio.shape)
    backward = np.append(0.0, -np.inf)  # the weight of no successor comes last, where the index -1 finds it
    for row, (columns, *_), (gain, forward, successor) in zip(order[::-1], plan[::-1], layers[::-1], strict=True):
        onward = gain[:, None] + backward[successor]
        joint = onward + forward
        share_of_move = np.exp(joint - joint.max()).sum(axis=1)
        probability[row, columns] = share_of_move[1:] / share_of_move.sum()
        # A state all of whose successors were dropped has the total 0, whose logarithm the lowest number stands in for.
        top = np.maximum(onward.max(axis=0), _LOWEST)
        total = np.exp(onward - top).sum(axis=0)
        backward = np.append(top + np.log(np.maximum(total, _TINY)), -np.inf)
    return probability, 1.0 - kept


def log_unwanted(log_ratio: FloatArray) -> FloatArray:
    """Return how surely later rows, each on its own, want none of a column.

    Parameters
    ----------
    log_ratio
        Natural logarithms of the likelihood ratios (n, m), the rows in the order of their elimination.

    Returns
    -------
    ndarray
        For each row and column (n, m) the natural logarithm of the probability that no row after that one makes the
        column, all of them independent as in `isactrack.tracking.pda.pda_marginals`.
    """
    ratio = np.exp(log_ratio)
    alone = np.log(np.maximum(1.0 - ratio / (1.0 + ratio.sum(axis=1))[:, None], _EPSILON))
    later: FloatArray = np.zeros_like(alone)
    np.cumsum(alone[:0:-1], axis=0, out=later[-2::-1])
    return later


class Jpda:
    """Associator by the exact marginals of all joint events, see `jpda_marginals`.

    Exact marginals are not the best tracks: where targets stay close together the mean over all joint events draws
    tracks towards each other, which the approximate `isactrack.tracking.spa.Spa` often does less.

    Parameters
    ----------
    max_states
        States kept of a layer; bounds time and memory. At the default, a component of 12 tracks that all reach 12
        detections takes some 20 ms, one of 70 by 70 some seconds, with little of its weight kept.
    engine
        ``"numba"`` compiles the sweeps (once per machine, some ten seconds), ``"numpy"`` does not, ``"auto"`` takes
        numba if it is installed.

    Attributes
    ----------
    truncated
        Calls so far in which states had to be dropped: the results of all others are exact.
    dropped
        Estimated probability of what the last call dropped, 0.0 if its result is exact; see `jpda_marginals`.

    Raises
    ------
    ConfigError
        If `max_states` is less than 1, or numba is asked for and not installed.
    """

    def __init__(self, *, max_states: int = MAX_STATES, engine: Engine = "auto") -> None:
        if max_states < 1:
            raise ConfigError(f"{max_states} states", f"the default is {MAX_STATES}")
        self.max_states = max_states
        self.truncated = 0
        self.dropped = 0.0
        self._core: Callable[[FloatArray, int, FloatArray, FloatArray, FloatArray], float] | None = None
        if takes_numba(engine):
            from isactrack.tracking.association_numba import jpda_core

            self._core = jpda_core
            self(np.ones((1, 1)))  # compiles or loads it now, and not amid the first frames

    def __call__(self, ratio: FloatArray) -> Association:
        """Associate likelihood ratios (n, m); see `isactrack.tracking.association`."""
        ratio = checked_ratio(ratio)
        association, self.dropped = self._compiled(ratio) or jpda_marginals(ratio, self.max_states)
        self.truncated += self.dropped > 0
        return association

    def _compiled(self, ratio: FloatArray) -> tuple[Association, float] | None:
        """Return what the compiled form finds, None without it or where the frontier is too wide for its words."""
        if self._core is None:
            return None
        n, m = ratio.shape
        result = Association(np.empty(n), np.empty((n, m)), np.empty(m))
        dropped = self._core(ratio, self.max_states, *result)
        return None if dropped < 0 else (result, dropped)


class _Layer(NamedTuple):
    """Columns (d,) of a row, which are new (d,), the bits (words,) that it closes, and the frontier after it."""

    columns: _IntArray
    opens: NDArray[np.bool_]
    closing: _IntArray
    frontier: list[int]


def _plan(gated: NDArray[np.bool_], order: list[int]) -> tuple[list[_Layer], _IntArray]:
    """Give each column a bit (words, m) for as long as it is in the frontier; bits are used again, so few words do."""
    step_of_last_use = np.max(np.where(gated[order], np.arange(len(order))[:, None], -1), axis=0)
    slot_of: dict[int, int] = {}
    unused, frontier = list[int](), list[int]()
    slots = 0
    steps = list[tuple[list[int], list[bool], list[int], list[int]]]()
    for step, row in enumerate(order):
        columns = np.flatnonzero(gated[row]).tolist()
        opens = [column not in slot_of for column in columns]
        for column in columns:
            if column not in slot_of:
                if not unused:
                    unused.append(slots)
                    slots += 1
                slot_of[column] = unused.pop()
                frontier.append(column)
        closing = [column for column in columns if step_of_last_use[column] == step]
        frontier = [column for column in frontier if column not in closing]
        unused += [slot_of[column] for column in closing]
        steps.append((columns, opens, closing, frontier))
    bit_of = np.zeros((max(1, -(-slots // _WORD_BITS)), gated.shape[1]), dtype=np.int64)
    for column, slot in slot_of.items():
        bit_of[slot // _WORD_BITS, column] = 1 << slot % _WORD_BITS
    layers = [
        _Layer(
            np.array(columns, dtype=np.int64),
            np.array(opens, dtype=np.bool_),
            np.bitwise_or.reduce(bit_of[:, closing], axis=1),
            frontier,
        )
        for columns, opens, closing, frontier in steps
    ]
    return layers, bit_of


def _merge(states: _IntArray, weight: FloatArray) -> tuple[_IntArray, FloatArray, _IntArray]:
    """Return the distinct states (words, s), the logarithms (s,) of their weights, and the index (c,) of each state."""
    order = np.lexsort(states) if len(states) > 1 else np.argsort(states[0], kind="stable")
    ordered, weight = states[:, order], weight[order]
    first = np.append(True, np.any(ordered[:, 1:] != ordered[:, :-1], axis=0))
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    top = np.maximum.reduceat(weight, starts)
    total = top + np.log(np.add.reduceat(np.exp(weight - top[group]), starts))
    which = np.empty(order.size, dtype=np.int64)
    which[order] = group
    return ordered[:, starts], total, which


def _sum_over_bits(states: _IntArray, bits: _IntArray, values: FloatArray) -> FloatArray:
    """Return for each of the states (words, s) the sum of the values (f,) of those bits (words, f) that it has."""
    total = np.zeros(states.shape[1])
    for word, bits_of_word in zip(states, bits, strict=True):
        for shift in range(0, _WORD_BITS, 8):  # eight bits at a time, by a table of their 256 sums
            table = np.zeros(1)
            for bit in range(shift, min(shift + 8, _WORD_BITS)):
                table = np.concatenate([table, table + values[bits_of_word == 1 << bit].sum()])
            if np.any(table):
                total += table[(word >> shift) & (table.size - 1)]
    return total


def _prune(promise: FloatArray, which: _IntArray, count: int) -> tuple[_IntArray, _IntArray, float]:
    """Return the indices of the `count` best states, `which` in new indices or -1, and the share that they have."""
    keep = np.sort(np.argpartition(-promise, count)[:count])
    renamed = np.full(promise.size, -1, dtype=np.int64)
    renamed[keep] = np.arange(count)
    probability = np.exp(promise - promise.max())
    # Even what is too little to be seen in the sum was dropped, and must not look like an exact result.
    share = min(float(probability[keep].sum() / probability.sum()), math.nextafter(1.0, 0.0))
    return keep, renamed[which], share


def _gates(gated: NDArray[np.bool_]) -> list[int]:
    """Return the columns of each row as the bits of an integer."""
    packed = np.packbits(gated, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _union(sets: list[int]) -> int:
    union = 0
    for member in sets:
        union |= member
    return union


def _members(bits: int) -> list[int]:
    """Return the positions of the bits that are set."""
    members = []
    while bits:
        lowest = bits & -bits
        members.append(lowest.bit_length() - 1)
        bits ^= lowest
    return members
