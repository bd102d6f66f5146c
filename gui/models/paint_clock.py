"""How long a result takes from the last packet of its frame to the screen, and which results the screen skipped."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isactrack.acquisition.snapshot import Snapshot

WINDOW = 600
"""Paints over which percentiles are taken: a minute at 10 Hz."""
COLD = 10
"""First paints whose latency does not count: views are laid out and pictures drawn for the first time."""
RATE_WINDOW_S = 3.0
"""Time over which the rate of paints is taken, seconds."""


@dataclass(frozen=True, slots=True)
class PaintStats:
    """What `PaintClock` has measured.

    Attributes
    ----------
    latency_p50_ms, latency_p99_ms
        From the arrival of the last packet of a frame to the end of the paint that shows it, over the last 600 paints
        but for the first ten; 0 if none was measured.
    rate_hz
        Paints a second that showed something new, over the last three seconds.
    painted, skipped
        New results that were painted, and those that were not because a newer one was there already.
    """

    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    rate_hz: float = 0.0
    painted: int = 0
    skipped: int = 0


class PaintClock:
    """Follows results of a live stream from their coming to their paint.

    Only what is shown as it comes counts: while the display is frozen nothing is skipped, for it is asked to stand.

    Parameters
    ----------
    clock_ns
        The host's monotonic clock, nanoseconds.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._waiting: Snapshot | None = None
        self._latencies_ms: deque[float] = deque(maxlen=WINDOW)
        self._paints_ns: deque[int] = deque(maxlen=WINDOW)
        self._came = self._painted = self._skipped = 0

    def came(self, count: int) -> None:
        """Note that results came while the display follows; the newest of them is to be drawn."""
        self._came += count

    def drawn(self, snapshot: Snapshot) -> None:
        """Note that the views have taken the newest result, which the next paint shows."""
        self._skipped += max(self._came - 1, 0)
        self._came = 0
        if self._waiting is not None and self._waiting is not snapshot:
            self._skipped += 1
        self._waiting = snapshot

    def painted(self) -> None:
        """Note that the screen was painted, and with it what was drawn."""
        snapshot, self._waiting = self._waiting, None
        if snapshot is None:
            return
        now_ns = self._clock_ns()
        self._painted += 1
        self._paints_ns.append(now_ns)
        if snapshot.host_complete_ns and self._painted > COLD:
            self._latencies_ms.append((now_ns - snapshot.host_complete_ns) * 1e-6)

    def stats(self) -> PaintStats:
        """Return what was measured so far."""
        p50, p99 = np.percentile(self._latencies_ms, (50, 99)) if self._latencies_ms else (0.0, 0.0)
        since_ns = self._clock_ns() - int(RATE_WINDOW_S * 1e9)
        recent = sum(at_ns >= since_ns for at_ns in self._paints_ns)
        return PaintStats(float(p50), float(p99), recent / RATE_WINDOW_S, self._painted, self._skipped)
