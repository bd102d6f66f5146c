"""Spans of time in which nothing came: the device was away, or frames are missing."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot

GAP_STEPS: Final = 1.5
"""Time from one snapshot to the next, in those that are usual, from which on it is a gap."""
_STEPS_SEEN: Final = 31
_STEPS_NEEDED: Final = 5


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which nothing came.

    Attributes
    ----------
    start_s, stop_s
        Times of the last snapshot before it and of the first one after it.
    away
        Whether the device was lost; else frames are missing, or were skipped to keep up.
    """

    start_s: float
    stop_s: float
    away: bool

    @property
    def text(self) -> str:
        """What it is, for people."""
        length = f"{self.stop_s - self.start_s:.1f} s"
        return f"the device was away for {length}" if self.away else f"no frames for {length}: lost, or skipped"


def run_start(history: Sequence[Snapshot]) -> int:
    """Return where in some snapshots, oldest first, the last run of the device begins: results are counted anew there.

    Tracks have other ids from there on.
    """
    for k in range(len(history) - 1, 0, -1):
        if history[k].index <= history[k - 1].index:
            return k
    return 0


def gaps_before(history: Sequence[Snapshot]) -> NDArray[np.int64]:
    """Return how many gaps there are before each of some snapshots (n,), oldest first."""
    steps = np.diff([snapshot.time_s for snapshot in history])
    gaps = steps > GAP_STEPS * np.median(steps) if steps.size >= _STEPS_NEEDED else np.zeros(steps.size, np.bool_)
    return np.concatenate([[0], np.cumsum(gaps)]).astype(np.int64)


class UsualStep:
    """How far snapshots are usually apart: the median of the last steps, which one gap does not change."""

    def __init__(self) -> None:
        self._steps: deque[float] = deque(maxlen=_STEPS_SEEN)
        self.step_s = math.nan

    def take(self, step_s: float) -> bool:
        """Take a step (s); return whether it is a gap. None is one before a few steps are known."""
        gap = len(self._steps) >= _STEPS_NEEDED and step_s > GAP_STEPS * self.step_s
        self._steps.append(step_s)
        self.step_s = median(self._steps)
        return gap
