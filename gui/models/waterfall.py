"""Columns of an image one after the other in time: what is kept of them, where they lie, and where time has gaps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
        self._slots: dict[_Key, int] = {}
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
        first = self._first_shown(history)
        keys = [_key(snapshot) for snapshot in history[first:]]
        self._let_go(keys)
        for k, key in enumerate(keys, first):
            if key not in self._slots:
                self._keep(key, *column_of(history, k))
        slots = np.array([self._slots[key] for key in keys])
        time_s = np.maximum.accumulate(self._time_s[slots])
        return self._image(time_s, slots, history[-1].time_s, self._before_s(history, first))

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

    def _before_s(self, history: Sequence[Snapshot], first: int) -> float | None:
        """Return when the last one came that is too old to be shown: a gap may begin there. None if there is none."""
        if first == 0 or len(history) - first >= self.capacity:
            return None
        before_s = history[first - 1].time_s
        return before_s if before_s < history[first].time_s else None

    def _let_go(self, keys: Sequence[_Key]) -> None:
        shown = set(keys)
        for key in [key for key in self._slots if key not in shown]:
            self._free.append(self._slots.pop(key))

    def _keep(self, key: _Key, time_s: float, level_db: FloatArray | None) -> None:
        if level_db is not None and level_db.size != self._levels.shape[1]:
            # Another axis: what was kept has no place on it.
            self._levels = np.full((self.capacity, level_db.size), np.nan, dtype=np.float32)
        slot = self._free.pop()
        self._slots[key] = slot
        self._time_s[slot] = time_s
        self._levels[slot] = np.nan if level_db is None else level_db

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
    return tuple(
        (max(float(before) + half, start_s), float(after) - half)
        for before, after in pairwise(time_s)
        if after - before > GAP_STEPS * step_s
    )
