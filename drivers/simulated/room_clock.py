"""The time of the room that several simulated devices of one process look at together.

Each simulated device has a clock of its own, which begins with its first frame, as real ones do. For two of them to see
the same person at the same place, each adds to its own time the room's time at which it started.
"""

import math
import threading
import time
from typing import ClassVar


class RoomClock:
    """Seconds since the first device of a room started.

    It goes with the wall clock for devices that do, `speed` times as fast for faster ones. A device that goes as fast
    as it can has no wall clock: there the room's time is that of its frames, so all such devices begin at 0.
    """

    _shared: ClassVar["RoomClock | None"] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began_s: float | None = None

    @classmethod
    def shared(cls) -> "RoomClock":
        """Return the clock of this process."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    @classmethod
    def reset(cls) -> None:
        """Forget the process's clock: the next device that starts is the first again."""
        with cls._shared_lock:
            cls._shared = None

    def offset_s(self, speed: float = 1.0) -> float:
        """Return the room's time, seconds, at which a device starts now; 0 for the first.

        Parameters
        ----------
        speed
            Device seconds a wall-clock second, alike for all devices of a room; infinite for as fast as they can.
        """
        with self._lock:
            now_s = time.monotonic()
            if self._began_s is None:
                self._began_s = now_s
            return 0.0 if math.isinf(speed) else (now_s - self._began_s) * speed
