"""The time that the viewer shows: a bounded memory of snapshots and a cursor, the same for a live device and a file."""

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from isactrack.acquisition.snapshot import Snapshot

DEFAULT_CAPACITY = 6000
"""Snapshots that are kept: five minutes at 20 Hz."""
DEFAULT_MAX_BYTES = 512 * 1024 * 1024
"""Bytes of maps and channels that are kept; whichever limit is met first holds."""
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class Mode(StrEnum):
    """What moves the cursor."""

    FOLLOWING = "following"
    """It stands on the newest snapshot."""
    FROZEN = "frozen"
    """It stands still; only the user moves it."""
    PLAYING = "playing"
    """The clock moves it, at device time times `speed`."""


class Timeline:
    """Bounded ring of snapshots with a cursor.

    A live timeline starts following; "play" then means "follow again". The timeline of a file starts playing at its
    first snapshot. When the ring is full the oldest snapshot goes and `dropped` counts it. What the cursor shows stays
    shown even then, so that a frozen display never moves by itself.

    Parameters
    ----------
    capacity
        Snapshots that are kept, at least 2.
    live
        Whether the stream has no end.
    max_bytes
        Bytes of maps and channels that are kept.
    clock
        Monotonic clock, seconds.
    """

    def __init__(
        self,
        capacity: int = DEFAULT_CAPACITY,
        *,
        live: bool = True,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if capacity < 2:
            raise ValueError(f"a timeline keeps at least 2 snapshots, not {capacity}")
        self.live = live
        self.loop = False
        self.ended = False
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._clock = clock
        self._ring: deque[Snapshot] = deque()
        self._bytes = 0
        self._dropped = 0
        # The cursor counts all snapshots ever appended, so that it does not move when the ring does.
        self._cursor = 0
        self._current: Snapshot | None = None
        self._mode = Mode.FOLLOWING if live else Mode.PLAYING
        self._speed = 1.0
        self._anchor = (0.0, 0.0)
        self._interrupted = False
        self._came_s = 0.0
        # Where runs of the device begin, counted as the cursor is, and what their times are shifted by.
        self._runs: list[tuple[int, float]] = [(0, 0.0)]

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def mode(self) -> Mode:
        """What moves the cursor."""
        return self._mode

    @property
    def current(self) -> Snapshot | None:
        """The snapshot under the cursor, None before the first."""
        return self._current

    @property
    def kept(self) -> list[Snapshot]:
        """All snapshots that are kept, oldest first."""
        return list(self._ring)

    @property
    def newest(self) -> Snapshot | None:
        """The last snapshot that came."""
        return self._ring[-1] if self._ring else None

    @property
    def position(self) -> int:
        """Place of the cursor among the snapshots that are kept, 0 to ``len - 1``."""
        return max(0, self._cursor - self._dropped)

    @property
    def dropped(self) -> int:
        """Snapshots that were let go because the ring was full."""
        return self._dropped

    @property
    def speed(self) -> float:
        """Device seconds played in one second."""
        return self._speed

    @property
    def behind_s(self) -> float:
        """Device time from the cursor to the newest snapshot, seconds."""
        return self.newest_time_s - self.current_time_s

    @property
    def current_time_s(self) -> float:
        """Time of the snapshot under the cursor: the device's clock, which goes on through gaps; 0 before the first."""
        return 0.0 if self._current is None else self._current.time_s + self._shift_s(self._cursor)

    @property
    def newest_time_s(self) -> float:
        """Time of the last snapshot that came, as `current_time_s`."""
        return self._time_s(len(self._ring) - 1) if self._ring else 0.0

    @property
    def gaps(self) -> tuple[int, ...]:
        """Places of the snapshots that came first after the device was lost, among those that are kept."""
        return tuple(start - self._dropped for start, _ in self._runs if start > self._dropped)

    def interrupt(self) -> None:
        """Say that what comes next is of another run: the device was lost, and its clock begins anew."""
        self._interrupted = bool(self._ring)

    def append(self, snapshot: Snapshot) -> None:
        """Take a new snapshot and let the oldest go if there is no room."""
        now_s = self._clock()
        if self._interrupted:
            shift_s = self.newest_time_s + now_s - self._came_s - snapshot.time_s
            self._runs.append((self._dropped + len(self._ring), shift_s))
            self._interrupted = False
        self._came_s = now_s
        self._ring.append(snapshot)
        self._bytes += snapshot.nbytes
        while len(self._ring) > self._capacity or (self._bytes > self._max_bytes and len(self._ring) > 2):
            self._bytes -= self._ring.popleft().nbytes
            self._dropped += 1
        while len(self._runs) > 1 and self._runs[1][0] <= min(self._dropped, self._cursor):
            self._runs.pop(0)
        if self._current is None:
            self._move(0)
            self._drop_anchor()
        elif self._mode is Mode.FOLLOWING:
            self._move(len(self._ring) - 1)

    def seek(self, position: int) -> None:
        """Stand still at a place among the snapshots that are kept; beyond the ends means at the end."""
        self.pause()
        self._move(position)

    def jump(self, position: int) -> None:
        """Go to a place; what plays goes on playing from there, else it stands still."""
        playing = self._mode is Mode.PLAYING
        self.seek(position)
        if playing:
            self._mode = Mode.PLAYING
            self._drop_anchor()

    def step(self, n: int) -> None:
        """Stand still `n` snapshots further on, or back if negative."""
        self.seek(self.position + n)

    def step_time(self, seconds: float) -> None:
        """Stand still at the first snapshot that is at least `seconds` of device time away, or at the end."""
        if self._current is None:
            return
        direction = 1 if seconds > 0 else -1
        position, start_s = self.position, self._time_s(self.position)
        last = len(self._ring) - 1
        # Device times carry rounding: a snapshot a microsecond short of the second is the one that is meant.
        while 0 <= position + direction <= last and abs(self._time_s(position) - start_s) < abs(seconds) - 1e-6:
            position += direction
        self.seek(position)

    def seek_time(self, time_s: float) -> None:
        """Stand still at the kept snapshot whose device time (s) is nearest."""
        if self._ring:
            self.seek(min(range(len(self._ring)), key=lambda k: abs(self._ring[k].time_s - time_s)))

    def go_start(self) -> None:
        """Go to the oldest snapshot; a file that plays goes on playing from there."""
        self.jump(0)

    def go_end(self) -> None:
        """Go to the newest snapshot: follow a live stream, stand still at the end of a file."""
        if self.live:
            self.go_live()
        else:
            self.seek(len(self._ring) - 1)

    def go_live(self) -> None:
        """Follow the newest snapshot."""
        self._mode = Mode.FOLLOWING
        self._move(len(self._ring) - 1)

    def play(self) -> None:
        """Let the clock move the cursor; from the start if it stands at the end of a stream that has ended."""
        if self.ended and self.position >= len(self._ring) - 1:
            self._move(0)
        self._mode = Mode.PLAYING
        self._drop_anchor()

    def pause(self) -> None:
        """Stand still."""
        self._mode = Mode.FROZEN

    def toggle(self) -> None:
        """Stand still, or go on: follow a live stream, play a file."""
        if self._mode is not Mode.FROZEN:
            self.pause()
        elif self.live:
            self.go_live()
        else:
            self.play()

    def set_speed(self, speed: float) -> None:
        """Play `speed` device seconds in one second."""
        if not speed > 0.0:
            raise ValueError(f"the speed is {speed}, it must be positive")
        self._speed = speed
        self._drop_anchor()

    def advance(self) -> None:
        """Move a playing cursor to where the clock says."""
        if self._mode is not Mode.PLAYING or self._current is None:
            return
        anchor_clock, anchor_time = self._anchor
        target_s = anchor_time + (self._clock() - anchor_clock) * self._speed
        position, last = self.position, len(self._ring) - 1
        while position < last and self._ring[position + 1].time_s <= target_s:
            position += 1
            if self._ring[position].time_s < self._ring[position - 1].time_s:
                # The device's clock began anew: go on from there instead of rushing through what follows.
                self._move(position)
                self._drop_anchor()
                return
        self._move(position)
        if position == last:
            self._at_the_end(target_s)

    def history(self, n: int) -> list[Snapshot]:
        """Return the last `n` snapshots of its run up to the cursor, oldest first; the last one is `current`.

        They do not reach back through a gap: ids and clocks began anew there.
        """
        if self._current is None or n < 1:
            return []
        if self._cursor < self._dropped:
            return [self._current]
        position = self.position
        return [
            self._ring[i]
            for i in range(max(0, position - n + 1, self._run(self._cursor)[0] - self._dropped), position + 1)
        ]

    def _run(self, count: int) -> tuple[int, float]:
        """Return the run that a snapshot, counted as the cursor is, belongs to."""
        return next((run for run in reversed(self._runs) if run[0] <= count), self._runs[0])

    def _shift_s(self, count: int) -> float:
        return self._run(count)[1]

    def _time_s(self, position: int) -> float:
        return self._ring[position].time_s + self._shift_s(self._dropped + position)

    def _at_the_end(self, target_s: float) -> None:
        if not self.ended:
            self._drop_anchor()  # more will come: wait here without counting the wait
            return
        if not self.loop:
            self.pause()
            return
        last_s = self._ring[-1].time_s
        period_s = last_s - self._ring[-2].time_s if len(self._ring) > 1 else 0.0
        if target_s >= last_s + period_s:  # the last snapshot is shown for as long as the others
            self._move(0)
            self._drop_anchor()

    def _move(self, position: int) -> None:
        if not self._ring:
            return
        position = min(max(position, 0), len(self._ring) - 1)
        self._cursor = self._dropped + position
        self._current = self._ring[position]

    def _drop_anchor(self) -> None:
        self._anchor = (self._clock(), self._current.time_s if self._current is not None else 0.0)
