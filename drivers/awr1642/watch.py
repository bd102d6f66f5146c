"""What is watched while a capture runs: what the card reports, and whether data come."""

import logging
import math
from collections.abc import Iterable
from typing import Final

from isactrack.drivers.awr1642.dca1000 import NOTICES, OVERFLOWS, StatusFlag, describe_event, event_name
from isactrack.drivers.journal import Journal
from isactrack.events import EventKind

HELD_UP_S: Final = 1.0
"""If it takes so much longer to come back, the program was held up, and what came meanwhile is yet to be read."""

_log = logging.getLogger(__name__)


class CardReports:
    """What the capture card has reported since a start.

    Parameters
    ----------
    journal
        Where the reports become events.

    Attributes
    ----------
    flags
        All that was reported.
    overflows
        Reports that samples were dropped uncounted.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.flags = StatusFlag(0)
        self.overflows = 0

    def note(self, reports: Iterable[StatusFlag]) -> bool:
        """Note reports; return whether samples are missing that no byte count shows."""
        before = self.overflows
        for report in reports:
            self.flags |= report
            self.overflows += bool(report & OVERFLOWS)
            if report == StatusFlag.RECORD_COMPLETED:  # as each record is in the end
                continue
            name, (meaning, _) = event_name(report), describe_event(report)
            self._journal.note(EventKind.CARD, f"{name}: {meaning}")
            level = logging.WARNING if report & ~NOTICES else logging.INFO
            _log.log(level, "the capture card reports %s: %s", name, meaning)
        return self.overflows > before


class LinkWatch:
    """Notes when data stop coming, and when they come again.

    Parameters
    ----------
    journal
        Where that becomes events.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._silent_since_s: float | None = None
        self._looked_s = math.inf

    def look(self, now_s: float, heard_s: float, *, patience_s: float, expected: bool = True) -> None:
        """Look at the time at which the last data came.

        Parameters
        ----------
        now_s, heard_s
            Now, and when the last data came, on the same clock (s).
        patience_s
            Shortest silence that is noted (s).
        expected
            Whether data are due at all.
        """
        held_up, self._looked_s = now_s - self._looked_s > HELD_UP_S, now_s
        if held_up:
            return
        since_s, silent = self._silent_since_s, now_s - heard_s > patience_s
        if since_s is None and silent and expected:
            self._silent_since_s = heard_s
            self._journal.trouble(EventKind.LINK, f"no data from the capture card for {now_s - heard_s:.1f} s")
        elif since_s is not None and not silent:
            self._silent_since_s = None
            text = f"data from the capture card again, {heard_s - since_s:.1f} s later"
            self._journal.trouble(EventKind.LINK, text)
