"""When the display has to stand back: what is recorded comes first."""

import time
from collections.abc import Callable, Iterable

from isactrack.acquisition.snapshot import Health

HELD_S = 0.25
"""Seconds of frames that wait for the disk from which on the display stands back."""
PAUSE_S = 0.5
"""Time from one picture to the next meanwhile."""


class BackOff:
    """Says when the screen may be painted: seldom while frames wait to be recorded, for painting holds up writing.

    Parameters
    ----------
    clock
        Monotonic clock, seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held = False
        self._painted_s = clock()

    @property
    def held(self) -> bool:
        """Whether the display stands back."""
        return self._held

    def look(self, healths: Iterable[Health | None]) -> None:
        """Look at how many frames wait for the disk."""
        self._held = any(one is not None and one.recorder_queue > HELD_S * one.nominal_rate_hz > 0.0 for one in healths)

    def may_paint(self) -> bool:
        """Return whether the screen may be painted now."""
        now_s = self._clock()
        if self._held and now_s - self._painted_s < PAUSE_S:
            return False
        self._painted_s = now_s
        return True
