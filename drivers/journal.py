"""What happens to a device while it runs, kept until somebody takes it."""

import contextlib
import logging
from collections import deque
from typing import Final

from isactrack.drivers.device import host_clocks
from isactrack.events import Event, EventKind

MOST_EVENTS: Final = 1000
"""Events that wait to be taken; beyond that the oldest are forgotten."""

_log = logging.getLogger(__name__)


class Journal:
    """Keeps what happens until it is taken; may be used by several threads."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)

    def note(self, kind: EventKind, text: str) -> None:
        """Note that something happened now."""
        monotonic_ns, utc_ns = host_clocks()
        self._events.append(Event(host_monotonic_ns=monotonic_ns, host_utc_ns=utc_ns, kind=kind, text=text))

    def trouble(self, kind: EventKind, text: str) -> None:
        """Note and log that something went wrong, or right again."""
        self.note(kind, text)
        _log.warning("%s", text)

    def take(self) -> list[Event]:
        """Return what was noted since the last call, oldest first; at most the latest `MOST_EVENTS`."""
        events = []
        with contextlib.suppress(IndexError):  # a deque is safe to fill and to empty from different threads
            while True:
                events.append(self._events.popleft())
        return events
