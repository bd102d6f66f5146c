"""What lies on the line of time: markers, what else happened, gaps, and that older frames are gone."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.events import Event, EventKind
from isactrack.gui.models.gaps import Gap

FloatArray = NDArray[np.float64]
TimeOf = Callable[[int], float]
"""Returns the time of a moment of the host's clock (ns) on the line; NaN if it is not on it."""

MARKERS: Final = 500
"""Markers that are kept; the oldest go first."""
OTHERS: Final = 1500
"""Other events that are kept. They have a bound of their own: a device that talks a lot must not push markers out."""
RANKS: Final = (
    EventKind.MARKER, EventKind.LINK, EventKind.CARD, EventKind.OSCILLATOR, EventKind.RADIO, EventKind.RADAR,
    EventKind.SESSION,
)  # fmt: skip
"""Kinds, what matters more first: it is seen where there is no room for all."""
CELL_PX: Final = 8
"""Width of the room that one mark takes."""
_NOTED: Final = 50
"""Markers among which that of a note is looked for."""
_MOST_TOLD: Final = 6
_MAX_TEXT: Final = 200
_NEVER: Final = 2**63


@dataclass(slots=True, eq=False)
class Mark:
    """An event on the line.

    Attributes
    ----------
    host_monotonic_ns
        When, on the host's monotonic clock.
    kind, text
        The event; a marker has its note in the text.
    time_s
        When, on the line; NaN while nothing has come after it, and if it is not on it.
    waits
        Whether nothing has come after it yet.
    """

    host_monotonic_ns: int
    kind: EventKind
    text: str
    time_s: float = math.nan
    waits: bool = True

    @property
    def has_place(self) -> bool:
        """Whether it is on the line."""
        return not math.isnan(self.time_s)

    @property
    def is_marker(self) -> bool:
        """Whether the user has set it."""
        return self.kind is EventKind.MARKER


@dataclass(frozen=True, slots=True)
class BarPicture:
    """What is drawn along the line.

    Attributes
    ----------
    markers, others
        Places (pixels from the start of the line) and kinds of the marks, at most one in `CELL_PX`.
    gaps
        Starts and ends (pixels) of the gaps, and whether the device was away; they do not overlap.
    """

    markers: tuple[tuple[int, EventKind], ...] = ()
    others: tuple[tuple[int, EventKind], ...] = ()
    gaps: tuple[tuple[int, int, bool], ...] = ()


class TimelineMarks:
    """Bounded memory of the events on the line.

    Attributes
    ----------
    version
        Grows with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._markers: deque[Mark] = deque(maxlen=MARKERS)
        self._others: deque[Mark] = deque(maxlen=OTHERS)
        self._next_ns = _NEVER  # when the first of those happened that wait for a place
        self._placed: tuple[list[Mark], FloatArray, NDArray[np.int8]] = ([], np.zeros(0), np.zeros(0, np.int8))
        self._placed_version = 0

    def __len__(self) -> int:
        return len(self._markers) + len(self._others)

    def take(self, events: Iterable[Event]) -> None:
        """Take events, in any order; the note of a marker goes to its marker."""
        for event in events:
            kind = EventKind(event.kind)
            text = " ".join(event.text.split())[:_MAX_TEXT]
            if kind is EventKind.MARKER and (noted := self._noted(text)) is not None:
                noted.text = text
            else:
                mark = Mark(event.host_monotonic_ns, kind, text)
                (self._markers if mark.is_marker else self._others).append(mark)
                self._next_ns = min(self._next_ns, mark.host_monotonic_ns)
            self.version += 1

    def place(self, until_ns: int, time_of: TimeOf) -> None:
        """Place what has no place yet and happened until a moment of the host's clock."""
        if until_ns < self._next_ns:
            return
        self.version += 1
        self._next_ns = _NEVER
        for mark in (*self._markers, *self._others):
            if not mark.waits:
                continue
            if mark.host_monotonic_ns <= until_ns:
                mark.time_s, mark.waits = time_of(mark.host_monotonic_ns), False
            else:
                self._next_ns = min(self._next_ns, mark.host_monotonic_ns)

    def forget_before(self, time_s: float) -> None:
        """Forget what was before a time: there is nothing any more to go to."""
        for marks in (self._markers, self._others):
            while marks and marks[0].time_s < time_s:
                marks.popleft()
                self.version += 1

    @property
    def markers(self) -> list[Mark]:
        """Markers that have a place."""
        return [mark for mark in self._markers if mark.has_place]

    def near(self, time_s: float, tolerance_s: float) -> list[Mark]:
        """Return the marks about a time, markers first, then the nearer ones first."""
        marks, at_s, _ = self._arrays()
        rows = np.flatnonzero(np.abs(at_s - time_s) <= tolerance_s)
        found = [marks[row] for row in rows.tolist()]
        return sorted(found, key=lambda mark: (not mark.is_marker, abs(mark.time_s - time_s)))

    def in_cells(self, start_s: float, per_s: float, width: int, *, markers: bool) -> tuple[tuple[int, EventKind], ...]:
        """Return the places and kinds of the markers, or of the others, on a line of `width` pixels, `per_s` a second.

        Of those that share a cell of `CELL_PX` the one that matters most is there, and of these the first.
        """
        _, at_s, ranks = self._arrays()
        x = np.rint((at_s - start_s) * per_s)
        chosen = (x >= 0) & (x <= width) & ((ranks == 0) == markers)
        x, ranks = x[chosen].astype(np.int64), ranks[chosen]
        order = np.lexsort((x, ranks, x // CELL_PX))
        _, first = np.unique(x[order] // CELL_PX, return_index=True)
        rows = order[first]
        return tuple((place, RANKS[rank]) for place, rank in zip(x[rows].tolist(), ranks[rows].tolist(), strict=True))

    def _noted(self, text: str) -> Mark | None:
        """Return the marker that a text is the note of: it begins with the marker's, and a colon."""
        recent = list(self._markers)[-_NOTED:]
        return next((mark for mark in reversed(recent) if text.startswith(f"{mark.text}: ")), None)

    def _arrays(self) -> tuple[list[Mark], FloatArray, NDArray[np.int8]]:
        """Return the marks that have a place, their times and the ranks of their kinds."""
        if self._placed_version != self.version:
            marks = [mark for mark in (*self._markers, *self._others) if mark.has_place]
            self._placed = (
                marks,
                np.array([mark.time_s for mark in marks], dtype=np.float64),
                np.array([RANKS.index(mark.kind) for mark in marks], dtype=np.int8),
            )
            self._placed_version = self.version
        return self._placed


def bar_picture(marks: TimelineMarks, gaps: Sequence[Gap], start_s: float, stop_s: float, width: int) -> BarPicture:
    """Return what is drawn along a line of `width` pixels from one time to another."""
    if not stop_s > start_s or width < 1:
        return BarPicture()
    per_s = width / (stop_s - start_s)
    return BarPicture(
        markers=marks.in_cells(start_s, per_s, width, markers=True),
        others=marks.in_cells(start_s, per_s, width, markers=False),
        gaps=_gaps_in_pixels(gaps, start_s, per_s, width),
    )


def _gaps_in_pixels(gaps: Sequence[Gap], start_s: float, per_s: float, width: int) -> tuple[tuple[int, int, bool], ...]:
    """Return gaps of at least a pixel, those that touch joined: the device was away if it was in one of them."""
    joined: list[tuple[int, int, bool]] = []
    for gap in gaps:
        left, right = round((gap.start_s - start_s) * per_s), round((gap.stop_s - start_s) * per_s)
        if right < 0 or left > width:
            continue
        left = min(max(0, left), width - 1)
        right = min(width, max(left + 1, right))
        if joined and left <= joined[-1][1]:
            before = joined.pop()
            left, right, away = before[0], max(before[1], right), before[2] or gap.away
            joined.append((left, right, away))
        else:
            joined.append((left, right, gap.away))
    return tuple(joined)


def tip_of(marks: Sequence[Mark], gap: Gap | None) -> str:
    """Return what the tool-tip says of some marks and of a gap; empty for nothing."""
    lines = [f"{mark.time_s:.1f} s   {_said(mark)}" for mark in marks[:_MOST_TOLD]]
    if len(marks) > _MOST_TOLD:
        lines.append(f"and {len(marks) - _MOST_TOLD} more: the view Events has all")
    if gap is not None:
        lines.append(f"{gap.start_s:.1f} s   {gap.text}")
    return "\n".join(lines)


def _said(mark: Mark) -> str:
    return mark.text if mark.is_marker else f"{mark.kind.value}: {mark.text}"
