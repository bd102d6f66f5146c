"""Columns of an image one after the other in time: what is kept of them, where they lie, and where time has gaps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.gaps import GAP_STEPS

FloatArray = NDArray[np.float64]

Column = tuple[float, FloatArray | None]
"""Device time of a column, and its levels (bins,) in dB; None where there is nothing to show."""
ColumnOf = Callable[[Sequence[Snapshot], int], Column]
"""Returns the column of one of some snapshots, which may look back at those before."""

_Key = tuple[int, float, int]

_NEAR_STEPS: Final = 0.75
_DEFAULT_STEP_S: Final = 0.05
_MEDIAN_STRIDE: Final = 4
_MOST_NEW: Final = 64
"""Snapshots that may have come at once for what is shown to go on as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class WaterfallImage:
    """What a waterfall shows, with times in seconds from the cursor, which are negative.

    Attributes
    ----------
    level_db
        Levels (bins, columns) float32, NaN where there is nothing.
    start_s, end_s
        Outer edges of the first and last column.
    gaps_s
        Starts and ends of the spans in which nothing came.
    """

    level_db: NDArray[np.float32]
    start_s: float
    end_s: float
    gaps_s: tuple[tuple[float, float], ...]


class Waterfall:
    """Ring of columns, each made once for as long as its snapshot is among those shown.

    A snapshot that was skipped or lost leaves its place empty: columns are never drawn longer to close a gap. Where
    time goes back, what was before is not shown.

    Parameters
    ----------
    span_s
        Time that is shown.
    capacity
        Columns that are kept and shown at most.
    """

    def __init__(self, span_s: float, capacity: int) -> None:
        self.span_s = span_s
        self.capacity = capacity
        self.forget()

    def forget(self) -> None:
        """Make all columns anew the next time."""
        self._levels: NDArray[np.float32] = np.zeros((self.capacity, 0), dtype=np.float32)
        self._time_s: FloatArray = np.zeros(self.capacity)
        # What is shown, by what tells snapshots apart and by address, which is quick to compare; and the slots of the
        # columns. The snapshots themselves are not kept: a view that is hidden must not hold what the timeline let go.
        self._shown: list[_Key] = []
        self._addresses: list[int] = []
        self._slots: list[int] = []
        self._free = list(range(self.capacity))

    def show(self, history: Sequence[Snapshot], column_of: ColumnOf) -> WaterfallImage:
        """Return the image that leads up to the last of some snapshots, at least one.

        Parameters
        ----------
        history
            Snapshots, oldest first.
        column_of
            Makes the column of a snapshot that is new here.
        """
        came = self._came(history)
        if came is None:
            self._begin(history, column_of)
        else:
            self._go_on(history, came, column_of)
        slots = np.array(self._slots)
        time_s = np.maximum.accumulate(self._time_s[slots])
        return self._image(time_s, slots, history[-1].time_s, self._before_s(history))

    def _came(self, history: Sequence[Snapshot]) -> int | None:
        """Return how many snapshots came after those that are shown; None if these are others, or time goes back."""
        for came in range(min(_MOST_NEW, len(history)) if self._shown else 0):
            if id(history[-1 - came]) == self._addresses[-1] and _key(history[-1 - came]) == self._shown[-1]:
                stop = len(history) - came
                known = min(stop, len(self._shown))
                grows = all(history[k].time_s > history[k - 1].time_s for k in range(stop, len(history)))
                same = [id(snapshot) for snapshot in history[stop - known : stop]] == self._addresses[-known:]
                return came if grows and same and not self._lacks(history, stop - known) else None
        return None

    def _lacks(self, history: Sequence[Snapshot], first: int) -> bool:
        """Return whether the snapshot before the first that is known should be shown too."""
        if first == 0 or len(history) - first >= self.capacity:
            return False
        before_s = history[first - 1].time_s
        return before_s < history[first].time_s and history[-1].time_s - before_s <= self.span_s

    def _go_on(self, history: Sequence[Snapshot], came: int, column_of: ColumnOf) -> None:
        """Let go what is too old for what came, and add the columns of that."""
        gone = max(0, len(self._shown) + came - min(len(history), self.capacity))
        newest_s = history[-1].time_s
        while gone < len(self._shown) and newest_s - self._shown[gone][1] > self.span_s:
            gone += 1
        self._free += self._slots[:gone]
        del self._shown[:gone], self._addresses[:gone], self._slots[:gone]
        for k in range(len(history) - came, len(history)):
            if newest_s - history[k].time_s <= self.span_s and len(history) - k <= self.capacity:
                self._add(history[k], self._keep(*column_of(history, k)))

    def _begin(self, history: Sequence[Snapshot], column_of: ColumnOf) -> None:
        """Show other snapshots; columns that there are already stay."""
        first = self._first_shown(history)
        former = dict(zip(self._shown, self._slots, strict=True))
        kept = {_key(snapshot) for snapshot in history[first:]}
        self._free += [slot for one, slot in former.items() if one not in kept]
        self._shown, self._addresses, self._slots = [], [], []
        for k in range(first, len(history)):
            slot = former.get(_key(history[k]))
            self._add(history[k], self._keep(*column_of(history, k)) if slot is None else slot)

    def _add(self, snapshot: Snapshot, slot: int) -> None:
        self._shown.append(_key(snapshot))
        self._addresses.append(id(snapshot))
        self._slots.append(slot)

    def _first_shown(self, history: Sequence[Snapshot]) -> int:
        """Return where the last snapshots begin that fit the span, with times that grow."""
        last = len(history) - 1
        first, cursor_s = last, history[last].time_s
        lowest = max(0, last + 1 - self.capacity)
        while first > lowest and history[first - 1].time_s < history[first].time_s:
            if cursor_s - history[first - 1].time_s > self.span_s:
                break
            first -= 1
        return first

    def _before_s(self, history: Sequence[Snapshot]) -> float | None:
        """Return when the last one came that is too old to be shown: a gap may begin there. None if there is none."""
        first = len(history) - len(self._shown)
        if first == 0 or len(self._shown) >= self.capacity:
            return None
        before_s = history[first - 1].time_s
        return before_s if before_s < history[first].time_s else None

    def _keep(self, time_s: float, level_db: FloatArray | None) -> int:
        """Keep a column and return its slot."""
        if level_db is not None and level_db.size != self._levels.shape[1]:
            # Another axis: what was kept has no place on it.
            self._levels = np.full((self.capacity, level_db.size), np.nan, dtype=np.float32)
        slot = self._free.pop()
        self._time_s[slot] = time_s
        self._levels[slot] = np.nan if level_db is None else level_db
        return slot

    def _image(
        self, time_s: FloatArray, slots: NDArray[np.intp], cursor_s: float, before_s: float | None
    ) -> WaterfallImage:
        steps = np.diff(time_s)
        step_s = float(np.median(steps)) if steps.size else _DEFAULT_STEP_S
        step_s = step_s if step_s > 0.0 else _DEFAULT_STEP_S
        columns = min(max(1, math.ceil(self.span_s / step_s)), self.capacity)
        places = time_s[-1] - step_s * np.arange(columns - 1, -1, -1)
        right = np.clip(np.searchsorted(time_s, places), 1, max(1, time_s.size - 1))
        left = right - 1
        right = np.minimum(right, time_s.size - 1)
        nearest = np.where(places - time_s[left] < time_s[right] - places, left, right)
        level = self._levels[slots[nearest]]
        level[np.abs(time_s[nearest] - places) > _NEAR_STEPS * step_s] = np.nan
        end_s = float(time_s[-1] - cursor_s) + 0.5 * step_s
        start_s = end_s - columns * step_s
        seen_s = time_s if before_s is None else np.concatenate([[before_s], time_s])
        return WaterfallImage(level.T, start_s, end_s, _gaps(seen_s - cursor_s, step_s, start_s))


def median_power(power: NDArray[np.float32]) -> float:
    """Return the median of a map (rows, columns) from a part of its cells, which is many times as fast."""
    return float(np.median(power[::_MEDIAN_STRIDE, ::_MEDIAN_STRIDE]))


def _key(snapshot: Snapshot) -> _Key:
    """Return what no other snapshot has, not even one of another session."""
    return snapshot.index, snapshot.time_s, snapshot.host_monotonic_ns


def _gaps(time_s: FloatArray, step_s: float, start_s: float) -> tuple[tuple[float, float], ...]:
    """Return the spans between times further apart than usual, from `start_s` on."""
    half = 0.5 * step_s
    before = np.flatnonzero(np.diff(time_s) > GAP_STEPS * step_s).tolist()
    return tuple((max(float(time_s[k]) + half, start_s), float(time_s[k + 1]) - half) for k in before)
