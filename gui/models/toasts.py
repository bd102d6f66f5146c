"""Messages that come by themselves: what happened, why, and what to do; errors stay, the rest goes."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from isactrack.errors import IsacError
from isactrack.gui.models.health_text import error_details

MAX_SHOWN = 3
MAX_WAITING = 30
"""Messages that are kept behind those shown; of more, the oldest are let go and counted."""
INFO_S = 6.0


class Level(StrEnum):
    """How a message is to be taken."""

    INFO = "info"
    """It goes by itself."""
    ERROR = "error"
    """It stays until it is dismissed."""


@dataclass(frozen=True, slots=True)
class Toast:
    """A message.

    Attributes
    ----------
    key
        Names it as long as it is there.
    level
        How it is to be taken.
    what, cause, next_step
        What happened, the likely cause and what to do; the last two may be empty.
    details
        All that a report needs, to copy; empty if there is nothing more to say.
    count
        How often it came.
    until_s
        When it goes by itself, on the clock of `Toasts`; None if it stays.
    """

    key: int
    level: Level
    what: str
    cause: str
    next_step: str
    details: str
    count: int
    until_s: float | None


class Toasts:
    """A bounded stack of messages; one that comes again only counts up.

    Parameters
    ----------
    clock
        Monotonic clock, seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys = itertools.count(1)
        self._kept: list[Toast] = []
        self._lost = 0

    @property
    def shown(self) -> tuple[Toast, ...]:
        """Messages to show, the newest last; errors before what only informs."""
        ordered = sorted(self._kept, key=lambda toast: (toast.level is Level.ERROR, toast.key))
        chosen = ordered[-MAX_SHOWN:]
        return tuple(sorted(chosen, key=lambda toast: toast.key))

    @property
    def waiting(self) -> int:
        """Messages that have no room, with those that were let go."""
        return len(self._kept) - len(self.shown) + self._lost

    def info(self, what: str, next_step: str = "") -> None:
        """Say something that needs no answer."""
        self._add(Level.INFO, what, "", next_step, "")

    def error(self, error: IsacError, source: str, cause: str = "") -> None:
        """Say that something failed.

        Parameters
        ----------
        error
            What happened; its hint is the next step.
        source
            What was being watched, for the details.
        cause
            Why, if the error does not say so itself; if not given, what the error was raised from.
        """
        below = error.__cause__
        if not cause and below is not None and str(below) and str(below) not in str(error):
            cause = f"{type(below).__name__}: {below}"
        self._add(Level.ERROR, str(error), cause, error.hint, error_details(error, source))

    def dismiss(self, key: int) -> None:
        """Take a message away; one that is gone already is none to complain about."""
        self._kept = [toast for toast in self._kept if toast.key != key]
        self._forget_lost()

    def dismiss_newest(self) -> None:
        """Take away the newest message that is shown."""
        if self.shown:
            self.dismiss(self.shown[-1].key)

    def dismiss_all(self) -> None:
        """Take all messages away."""
        self._kept.clear()
        self._forget_lost()

    def expire(self) -> None:
        """Let go what has been there for long enough."""
        now = self._clock()
        self._kept = [toast for toast in self._kept if toast.until_s is None or toast.until_s > now]

    def _add(self, level: Level, what: str, cause: str, next_step: str, details: str) -> None:
        until_s = self._clock() + INFO_S if level is Level.INFO else None
        for place, toast in enumerate(self._kept):
            if (toast.level, toast.what, toast.cause) == (level, what, cause):
                self._kept[place] = replace(toast, count=toast.count + 1, until_s=until_s)
                return
        self._kept.append(Toast(next(self._keys), level, what, cause, next_step, details, 1, until_s))
        if len(self._kept) > MAX_SHOWN + MAX_WAITING:
            oldest = min(self._kept, key=lambda toast: (toast.level is Level.ERROR, toast.key))
            self._kept.remove(oldest)
            self._lost += oldest.level is Level.ERROR

    def _forget_lost(self) -> None:
        if not self._kept:
            self._lost = 0
