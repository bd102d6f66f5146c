"""What happened beside the frames, as a log that can be filtered and that says where in time to go."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from isactrack.events import Event, EventKind
from isactrack.units import NS_PER_S

CAPACITY: Final = 5000
"""Events that are kept; the oldest go first."""
MAX_TEXT: Final = 400
"""Characters of a text that are kept."""
KINDS: Final = tuple(EventKind)
_SAME_NS: Final = NS_PER_S // 2
"""Up to this difference the clocks are tied as before: frames are late now and then, but never that late."""
HEADERS: Final = ("Time", "Kind", "What happened")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log.

    Attributes
    ----------
    number
        Counts all lines ever, from 0.
    host_monotonic_ns, host_utc_ns
        When, on the host's clocks.
    kind, text
        The event.
    """

    number: int
    host_monotonic_ns: int
    host_utc_ns: int
    kind: EventKind
    text: str


class EventLog:
    """Bounded log of events, in the order in which they happened.

    Events carry the host's clock, the display that of the transport bar, which is the device's. Any moment of which
    both are known ties them together, for device and host drift apart by parts in a million.

    Parameters
    ----------
    capacity
        Lines that are kept.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._lines: deque[LogLine] = deque(maxlen=capacity)
        self._kinds: frozenset[EventKind] = frozenset(KINDS)
        self._shown: list[LogLine] = []
        self._count = 0
        self._zero_ns: int | None = None

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def shown(self) -> Sequence[LogLine]:
        """Lines of the kinds that are shown, oldest first."""
        return self._shown

    @property
    def dropped(self) -> int:
        """Lines that went to make room."""
        return self._count - len(self._lines)

    def append(self, events: Iterable[Event]) -> None:
        """Take events; any number, at any time, usually in order."""
        late = False
        for event in events:
            text = " ".join(event.text.split())
            text = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
            late |= bool(self._lines) and event.host_monotonic_ns < self._lines[-1].host_monotonic_ns
            self._lines.append(
                LogLine(self._count, event.host_monotonic_ns, event.host_utc_ns, EventKind(event.kind), text)
            )
            self._count += 1
        if late:  # e.g. a marker is at hand at once, what the device says with the next frame
            ordered = sorted(self._lines, key=lambda line: line.host_monotonic_ns)
            self._lines.clear()
            self._lines.extend(ordered)
        self._filter()

    def clear(self) -> None:
        """Forget everything, for another session."""
        self._lines.clear()
        self._count = 0
        self._zero_ns = None
        self._filter()

    def show_kinds(self, kinds: Iterable[EventKind]) -> None:
        """Show events of these kinds alone."""
        self._kinds = frozenset(kinds)
        self._filter()

    def tie(self, zero_host_ns: int | None) -> bool:
        """Take where on the host's clock (ns) time 0 of the display is; return whether times look different now."""
        former = self._zero_ns
        if zero_host_ns is None or (former is not None and abs(zero_host_ns - former) < _SAME_NS):
            return False
        self._zero_ns = zero_host_ns
        return True

    def time_text(self, line: LogLine) -> str:
        """Return when a line was: on the clock of the transport bar, or else the time of day in UTC."""
        if self._zero_ns is not None:
            time_s = (line.host_monotonic_ns - self._zero_ns) / NS_PER_S
            return f"{time_s:.1f} s".replace("-", "−")
        if line.host_utc_ns <= 0:
            return "–"
        return f"{datetime.fromtimestamp(line.host_utc_ns / NS_PER_S, UTC):%H:%M:%S} UTC"

    def why_empty(self) -> str:
        """Return why there is nothing to see; empty if there is something."""
        if self._shown:
            return ""
        if self._lines:
            return f"All {len(self._lines)} events are of kinds that are not shown.\nSwitch kinds on above."
        return (
            "Nothing has happened beside the frames.\nMarkers, lost links, faults and what the device says show here."
        )

    def _filter(self) -> None:
        self._shown = [line for line in self._lines if line.kind in self._kinds]
