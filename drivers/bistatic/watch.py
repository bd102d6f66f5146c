"""What is watched while a radio streams: that data come, that the radio hears from the host, and the LO box."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from isactrack.drivers.bistatic.control import KEEPALIVE_S
from isactrack.drivers.bistatic.conversation import Conversation
from isactrack.drivers.bistatic.lo_box import LoBox, LoStatus
from isactrack.drivers.bistatic.receiver import Receiver
from isactrack.drivers.journal import Journal
from isactrack.errors import DeviceError
from isactrack.events import EventKind

LO_PERIOD_S: Final = 0.5
LOOK_PERIOD_S: Final = 0.2
"""How often LO box and data are looked at."""


class Periodic:
    """Calls something again and again in a thread of its own.

    Parameters
    ----------
    name
        Of the thread.
    period_s
        Pause between calls.
    action
        What to call; it raises nothing.
    """

    def __init__(self, name: str, period_s: float, action: Callable[[], None]) -> None:
        self._period_s = period_s
        self._action = action
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the call that runs; may be called again, from any thread."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._period_s):
            self._action()


def keep_alive(conversation: Conversation) -> Periodic:
    """Tell a radio again and again that the host is there."""

    def tell() -> None:
        with suppress(DeviceError):  # that nothing comes back is found out by who waits for data
            conversation.keep_alive(KEEPALIVE_S)

    return Periodic("bistatic-keepalive", KEEPALIVE_S, tell)


class DataWatch:
    """Notes when data stop coming, and when they come again.

    As long as frames wait to be taken nothing is missed: a radio that waits for its host is not silent.

    Parameters
    ----------
    receiver
        Knows when data came.
    journal
        Where that becomes events.
    patience_s
        Shortest silence that is noted.
    """

    def __init__(self, receiver: Receiver, journal: Journal, patience_s: float) -> None:
        self._receiver = receiver
        self._journal = journal
        self._patience_s = patience_s
        self._silent_since_s: float | None = None
        self._behind_s = 0.0

    def look(self) -> None:
        """Look once."""
        now_s = time.monotonic()
        if self._receiver.behind:
            self._behind_s = now_s
        heard_s, since_s = max(self._receiver.heard_s, self._behind_s), self._silent_since_s
        silence_s = now_s - heard_s
        if since_s is None and silence_s > self._patience_s:
            self._silent_since_s = heard_s
            self._journal.trouble(EventKind.LINK, f"no data from the radio for {silence_s:.1f} s")
        elif since_s is not None and heard_s > since_s:
            self._silent_since_s = None
            self._journal.trouble(EventKind.LINK, f"data from the radio again, {heard_s - since_s:.1f} s later")


class LoWatch:
    """Notes when an LO box loses lock or falls silent, and when that is over. The capture goes on in any case.

    Parameters
    ----------
    box
        The box.
    journal
        Where that becomes events.
    """

    def __init__(self, box: LoBox, journal: Journal) -> None:
        self._box = box
        self._journal = journal
        self._last: LoStatus | None = None
        self._silent = False

    def look(self) -> None:
        """Ask the box once."""
        try:
            status = self._box.status()
        except DeviceError as error:
            if not self._silent:
                self._silent = True
                self._journal.trouble(EventKind.OSCILLATOR, f"whether the LO has lock is not known: {error}")
            return
        if self._silent:
            self._silent = False
            self._journal.trouble(EventKind.OSCILLATOR, f"the LO box on {self._box.name} answers again: {status}")
        elif _state(status) != _state(self._last):
            self._journal.trouble(EventKind.OSCILLATOR, f"the LO box on {self._box.name} reports: {status}")
        self._last = status


def _state(status: LoStatus | None) -> tuple[bool, bool, bool]:
    """Return what is worth an event if it changes; a box that was never asked counts as a good one."""
    return (True, True, True) if status is None else (status.healthy, status.locked, status.reference_locked)
