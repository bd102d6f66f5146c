"""The time that the viewer shows: a bounded memory of snapshots and a cursor, the same for a live device and a file."""

import itertools
import math
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum

from isactrack.acquisition.snapshot import Snapshot
from isactrack.events import Event
from isactrack.gui.models.gaps import Gap, UsualStep
from isactrack.gui.models.timeline_marks import BarPicture, Mark, TimelineMarks, bar_picture
from isactrack.units import NS_PER_S

DEFAULT_CAPACITY = 6000
"""Snapshots that are kept: five minutes at 20 Hz."""
DEFAULT_MAX_BYTES = 512 * 1024 * 1024
"""Bytes of maps and channels that are kept; whichever limit is met first holds."""
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MAX_GAPS = 1000
"""Gaps that are kept; the oldest go first."""
_NEAR_NS = NS_PER_S
"""How long before the first snapshot, or after the last one of a stream that has ended, an event is still put there."""
_AGAIN_S = 1.0
"""While it plays, the marker before is one at least this long ago: else one could not get past it."""

_numbers = itertools.count()


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

    Time is the device's clock. Where that begins anew, because the device was lost and is there again, the snapshots of
    the new run are kept with times that go on from those before, so that time only grows.

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
        self._number = next(_numbers)
        self._marks = TimelineMarks()
        # The host's clock at each snapshot that is kept, made so that it never goes back; 0 where it is not known.
        self._host_ns: deque[int] = deque()
        self._interrupted = False
        self._came_s = 0.0
        self._usual = UsualStep()
        # Gaps, each with the snapshot that came first after it, counted as the cursor is.
        self._gaps: deque[tuple[int, Gap]] = deque(maxlen=MAX_GAPS)
        self._gaps_seen = 0
        # Where runs of the device begin, counted likewise, and what is added to its clock in the present one.
        self._runs: list[int] = [0]
        self._shift_s = 0.0

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
        """Time of the snapshot under the cursor; 0 before the first."""
        return 0.0 if self._current is None else self._current.time_s

    @property
    def oldest_time_s(self) -> float:
        """Time of the first snapshot that is kept."""
        return self._ring[0].time_s if self._ring else 0.0

    @property
    def newest_time_s(self) -> float:
        """Time of the last snapshot that came."""
        return self._ring[-1].time_s if self._ring else 0.0

    @property
    def gaps(self) -> tuple[int, ...]:
        """Places of the snapshots that came first after the device was lost, among those that are kept."""
        return tuple(start - self._dropped for start in self._runs if start > self._dropped)

    @property
    def gap_spans(self) -> tuple[Gap, ...]:
        """Spans in which nothing came, between snapshots that are kept."""
        return tuple(gap for _, gap in self._gaps)

    @property
    def zero_host_ns(self) -> int | None:
        """Where on the host's clock (ns) time 0 is, told by the snapshot under the cursor; None if it does not know."""
        current = self._current
        if current is None or current.host_monotonic_ns <= 0:
            return None
        return current.host_monotonic_ns - round(current.time_s * NS_PER_S)

    @property
    def bar_version(self) -> tuple[int, int, int]:
        """What differs if other things lie on the line, or it is another line; time goes on without it."""
        self._place_marks()
        return self._number, self._marks.version, self._gaps_seen

    def interrupt(self) -> None:
        """Say that what comes next is of another run: the device was lost, and its clock begins anew."""
        self._interrupted = bool(self._ring)

    def append(self, snapshot: Snapshot) -> None:
        """Take a new snapshot and let the oldest go if there is no room."""
        now_s = self._clock()
        snapshot = self._in_time(snapshot, now_s)
        self._came_s = now_s
        self._ring.append(snapshot)
        self._host_ns.append(max(snapshot.host_monotonic_ns, self._host_ns[-1] if self._host_ns else 0))
        self._bytes += snapshot.nbytes
        while len(self._ring) > self._capacity or (self._bytes > self._max_bytes and len(self._ring) > 2):
            self._let_go()
        while len(self._runs) > 1 and self._runs[1] <= min(self._dropped, self._cursor):
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
        position, start_s = self.position, self._ring[self.position].time_s
        last = len(self._ring) - 1
        # Device times carry rounding: a snapshot a microsecond short of the second is the one that is meant.
        while 0 <= position + direction <= last and abs(self._ring[position].time_s - start_s) < abs(seconds) - 1e-6:
            position += direction
        self.seek(position)

    def jump_time(self, time_s: float) -> None:
        """Go to the kept snapshot whose time (s) is nearest, as `jump` does."""
        if self._ring:
            self.jump(self._place_at(time_s))

    def seek_host_ns(self, host_ns: int) -> None:
        """Stand still at the kept snapshot that came nearest to a moment of the host's monotonic clock (ns).

        Nothing happens if the snapshots do not know that clock.
        """
        if self._ring and self._host_ns[-1] > 0:
            after = bisect_left(self._host_ns, host_ns)
            self.seek(_nearer(after, len(self._ring), lambda k: abs(self._host_ns[k] - host_ns)))

    # --- what lies on the line ---------------------------------------------------------------------------------------

    def take_events(self, events: Iterable[Event]) -> None:
        """Take events, to show them on the line."""
        self._marks.take(events)

    def go_marker(self, direction: int) -> Mark | None:
        """Go to the marker before (-1) or after (1) the cursor, as `jump` does; return it, None if there is none."""
        self._place_marks()
        # By snapshots, not by times: that of a marker is a little before or after the one that shows it.
        again_s = _AGAIN_S if direction < 0 and self._mode is Mode.PLAYING else 0.0
        here = self._place_at(self.current_time_s - again_s) if self._ring else 0
        beyond = [(direction * (self._place_at(mark.time_s) - here), mark) for mark in self._marks.markers]
        _, mark = min((pair for pair in beyond if pair[0] > 0), key=lambda pair: pair[0], default=(0, None))
        if mark is not None:
            self.jump_time(mark.time_s)
        return mark

    def bar(self, width: int) -> BarPicture:
        """Return what is drawn along the line, from the oldest snapshot to the newest, `width` pixels long."""
        self._place_marks()
        return bar_picture(self._marks, self.gap_spans, self.oldest_time_s, self.newest_time_s, width)

    def near(self, time_s: float, tolerance_s: float) -> tuple[list[Mark], Gap | None]:
        """Return the marks about a time, markers first, and the gap that it lies in or beside."""
        self._place_marks()
        found = [gap for gap in self.gap_spans if gap.start_s - tolerance_s <= time_s <= gap.stop_s + tolerance_s]
        widest = max(found, key=lambda gap: gap.stop_s - gap.start_s, default=None)
        return self._marks.near(time_s, tolerance_s), widest

    # --- where to go -------------------------------------------------------------------------------------------------

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
        self._move(position)
        if position == last:
            self._at_the_end(target_s)

    def history(self, n: int, *, through_gaps: bool = False) -> list[Snapshot]:
        """Return the last `n` snapshots up to the cursor, oldest first; the last one is `current`.

        Parameters
        ----------
        n
            How many at most.
        through_gaps
            Whether they reach back to where the device was lost and beyond; ids of tracks, and `Snapshot.index`, began
            anew there.
        """
        if self._current is None or n < 1:
            return []
        if self._cursor < self._dropped:
            return [self._current]
        position = self.position
        run = 0 if through_gaps else next((start for start in reversed(self._runs) if start <= self._cursor), 0)
        return [self._ring[i] for i in range(max(0, position - n + 1, run - self._dropped), position + 1)]

    def _in_time(self, snapshot: Snapshot, now_s: float) -> Snapshot:
        """Return a snapshot that comes now with a time that goes on from those before; notes a gap between them."""
        if not self._ring:
            self._interrupted = False
            return snapshot
        newest = self._ring[-1]
        step_s = snapshot.time_s + self._shift_s - newest.time_s
        away = self._interrupted or step_s < 0.0  # a clock that goes back has begun anew, whoever says so
        if away:
            step_s = self._away_s(snapshot, now_s)
            self._shift_s = newest.time_s + step_s - snapshot.time_s
            self._runs.append(self._dropped + len(self._ring))
            self._interrupted = False
        time_s = snapshot.time_s + self._shift_s
        if away or self._usual.take(step_s):
            self._gaps.append((self._dropped + len(self._ring), Gap(newest.time_s, time_s, away)))
            self._gaps_seen += 1
        return replace(snapshot, time_s=time_s) if self._shift_s else snapshot

    def _away_s(self, snapshot: Snapshot, now_s: float) -> float:
        """Return how long nothing came before the first snapshot of another run, at least a usual step."""
        newest = self._ring[-1]
        between_ns = snapshot.host_monotonic_ns - newest.host_monotonic_ns
        known = newest.host_monotonic_ns > 0 and between_ns > 0
        usual_s = self._usual.step_s
        return max(between_ns / NS_PER_S if known else now_s - self._came_s, 1e-3 if math.isnan(usual_s) else usual_s)

    def _let_go(self) -> None:
        """Forget the oldest snapshot, and what lies before the next one."""
        self._bytes -= self._ring.popleft().nbytes
        self._host_ns.popleft()
        self._dropped += 1
        while self._gaps and self._gaps[0][0] <= self._dropped:
            self._gaps.popleft()
        self._marks.forget_before(self._ring[0].time_s)

    def _place_marks(self) -> None:
        if self._ring:
            self._marks.place(self._host_ns[-1] + (_NEAR_NS if self.ended else 0), self._time_of_host_ns)

    def _time_of_host_ns(self, host_ns: int) -> float:
        """Return the time of a moment of the host's clock; NaN if the snapshots that are kept do not reach there.

        It is between the times of the snapshots before and after it, also where the device was away in between.
        """
        after = bisect_right(self._host_ns, host_ns)
        if after == 0:
            near = not self._dropped and self._host_ns[0] - host_ns <= _NEAR_NS
            return self._ring[0].time_s if near else math.nan
        before_s = self._ring[after - 1].time_s
        time_s = before_s + (host_ns - self._host_ns[after - 1]) / NS_PER_S
        return min(time_s, self._ring[after].time_s if after < len(self._ring) else before_s)

    def _place_at(self, time_s: float) -> int:
        """Return the place of the snapshot whose time is nearest."""
        after = bisect_left(self._ring, time_s, key=lambda snapshot: snapshot.time_s)
        return _nearer(after, len(self._ring), lambda k: abs(self._ring[k].time_s - time_s))

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


def _nearer(after: int, count: int, distance: Callable[[int], float]) -> int:
    """Return which of two neighbouring places, the one before `after` and that itself, is nearer."""
    return min((k for k in (after - 1, after) if 0 <= k < count), key=distance)
