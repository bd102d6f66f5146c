"""The clock of a simulated device, which goes with its frames however fast these are made."""

import math
import threading
import time


class DeviceClock:
    """Seconds on the device's clock since its radar was first started.

    While frames are made the clock never passes what has been sent of them, so that what is to happen at a time happens
    at the same frame on a slow computer and on a fast one. In between it goes on with the wall clock.

    Parameters
    ----------
    speed
        Device seconds a wall-clock second; infinite means that frames alone move the clock while there are any.
    """

    def __init__(self, speed: float) -> None:
        self._rate = speed if math.isfinite(speed) else 1.0
        self._lock = threading.Lock()
        self._base_s = -math.inf
        self._wall_s = 0.0
        self._least_s, self._most_s = -math.inf, math.inf

    def begin(self) -> float:
        """Let frames begin now, at 0 if they never did before, and return that time."""
        with self._lock:
            if self._base_s == -math.inf:
                self._base_s, self._wall_s = 0.0, time.monotonic()
                self._most_s = 0.0
            self._least_s = self._most_s = self._now_s()
            return self._least_s

    def now_s(self) -> float:
        """Return the time; -inf before `begin`."""
        with self._lock:
            return self._now_s()

    def reach(self, least_s: float, most_s: float) -> None:
        """Note that frames were sent up to one time, and that the next will be up to another one."""
        with self._lock:
            self._least_s, self._most_s = max(least_s, self._least_s), most_s

    def release(self) -> None:
        """Note that no frames are made any more: the clock goes on from where it stands."""
        with self._lock:
            self._base_s, self._wall_s = self._now_s(), time.monotonic()
            self._least_s, self._most_s = -math.inf, math.inf

    def _now_s(self) -> float:
        free_s = self._base_s + (time.monotonic() - self._wall_s) * self._rate
        return max(self._least_s, min(free_s, self._most_s))
