"""Sensors side by side: which one is active, and all cursors at one time."""

import bisect
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import DeviceStateError
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.timeline import Mode

MAX_SENSORS: Final = 4
"""More cannot be told apart, nor seen, in one window."""
APART_S: Final = 0.5
"""A sensor whose picture is farther than this from the moment that is shown says so."""


class Alignment(StrEnum):
    """What brings the cursors of several sensors to one time."""

    HOST = "host"
    """The clock of the computer that all of them came to."""
    STARTS = "starts"
    """Their starts: they have no clock in common."""
    APART = "apart"
    """Nothing: a device goes on by itself, a recording is played."""


ALIGNMENT_TEXTS: Final = {
    Alignment.HOST: "",
    Alignment.STARTS: "no common clock: aligned at their starts",
    Alignment.APART: "a device and a recording have no time in common: each goes its own way",
}
"""What has to be said of an alignment."""


class Streams:
    """The sensors of a window, at least one.

    What moves the cursor of the active sensor moves all: transport, keys and views act on its timeline, and `advance`
    brings the others to the same moment. Following, each shows its own newest snapshot.

    Parameters
    ----------
    first
        The first sensor, which is active.
    clock
        Monotonic clock, seconds.

    Attributes
    ----------
    items
        The sensors, in the order in which they came.
    active
        The one that panels, settings and exports are about.
    """

    def __init__(self, first: Stream, clock: Callable[[], float] = time.monotonic) -> None:
        self.items = [first]
        self.active = first
        self._clock = clock
        self._moment_s = 0.0
        self._shown: Snapshot | None = None
        self._anchor: tuple[float, float, float] | None = None
        self._frozen = False

    def __len__(self) -> int:
        return len(self.items)

    # --- who is there ------------------------------------------------------------------------------------------------

    def add(self, stream: Stream) -> None:
        """Take one more sensor; the active one stays so.

        Raises
        ------
        DeviceStateError
            If there are `MAX_SENSORS` already.
        """
        if len(self.items) >= MAX_SENSORS:
            raise DeviceStateError(
                f"{MAX_SENSORS} sensors are shown already", "take one out first, or open a second window"
            )
        self.items.append(stream)

    def replace(self, former: Stream, stream: Stream) -> None:
        """Put a sensor in the place of one."""
        self.items[self.items.index(former)] = stream
        if self.active is former:
            self.active = stream
            self._forget_moment()

    def remove(self, stream: Stream) -> None:
        """Take a sensor out; if it was the active one, the one before it is.

        Raises
        ------
        DeviceStateError
            If it is the only one.
        """
        if len(self.items) == 1:
            raise DeviceStateError("this is the only sensor of the window", "open another one in its place: Ctrl+N")
        place = self.items.index(stream)
        if self.active is stream:
            self.activate(self.items[place - 1 if place else 1])
        self.items.remove(stream)

    def activate(self, stream: Stream) -> None:
        """Make a sensor the active one; the moment that is shown stays, and what plays goes on."""
        if stream is self.active:
            return
        former, timeline = self.active.timeline, stream.timeline
        self.active = stream
        if former.mode is Mode.PLAYING and self.alignment is not Alignment.APART:
            position = timeline.position
            timeline.play()
            timeline.jump(position)
            former.pause()
        self._shown = timeline.current
        self._frozen = timeline.mode is Mode.FROZEN

    def after_active(self) -> Stream:
        """Return the sensor after the active one; after the last comes the first."""
        return self.items[(self.items.index(self.active) + 1) % len(self.items)]

    # --- time --------------------------------------------------------------------------------------------------------

    @property
    def alignment(self) -> Alignment:
        """What brings the cursors to one time."""
        if len({stream.timeline.live for stream in self.items if stream.feed is not None}) > 1:
            return Alignment.APART
        begun = [(stream.host_clock, stream.first) for stream in self.items if stream.first is not None]
        timed = all(first.host_monotonic_ns > 0 for _, first in begun)
        together = all(begun[0][0].meets(clock) for clock, _ in begun[1:])
        return Alignment.HOST if timed and together else Alignment.STARTS

    @property
    def alignment_text(self) -> str:
        """What has to be said of the alignment; empty for nothing, and for one sensor."""
        return ALIGNMENT_TEXTS[self.alignment] if len(self.items) > 1 else ""

    def advance(self) -> None:
        """Move the cursors: the active one as its timeline says, the others to the same moment."""
        if len(self.items) == 1:
            self.active.timeline.advance()
            return
        alignment = self.alignment
        if alignment is Alignment.APART:
            self._advance_apart()
            return
        timeline = self.active.timeline
        if timeline.mode is Mode.FOLLOWING:
            for stream in self._others():
                if stream.timeline.mode is not Mode.FOLLOWING:
                    stream.timeline.go_live()
            self._note_moment(alignment)
            return
        if timeline.current is not self._shown:  # it was moved since the last time
            self._note_moment(alignment)
            self._anchor = None
        if timeline.mode is Mode.PLAYING:
            self._play(alignment)
        else:
            self._anchor = None
        for stream in self._others():
            if stream.timeline.newest is not None:
                stream.timeline.seek(self._nearest(stream, alignment))

    def apart_s(self, stream: Stream) -> float:
        """Return how much later than the moment that is shown a sensor's picture is, seconds; negative if earlier.

        While the newest is shown, the moment is that of the sensor that is the farthest on.
        """
        alignment = self.alignment
        current = stream.timeline.current
        if len(self.items) == 1 or alignment is Alignment.APART or current is None:
            return 0.0
        moment_s = self._moment_s
        if self.active.timeline.mode is Mode.FOLLOWING:
            if alignment is Alignment.STARTS:
                return 0.0  # they did not start at one time: who is late cannot be known
            moment_s = max(
                self._time_s(each, each.timeline.current, alignment)
                for each in self.items
                if each.timeline.current is not None
            )
        return self._time_s(stream, current, alignment) - moment_s

    def _others(self) -> list[Stream]:
        return [stream for stream in self.items if stream is not self.active]

    def _note_moment(self, alignment: Alignment) -> None:
        """Take the moment from where the active cursor is."""
        self._shown = self.active.timeline.current
        if self._shown is not None:
            self._moment_s = self._time_s(self.active, self._shown, alignment)

    def _forget_moment(self) -> None:
        self._shown, self._anchor, self._frozen = None, None, False

    def _advance_apart(self) -> None:
        """Let every cursor go its way, but stand and go on together."""
        frozen = self.active.timeline.mode is Mode.FROZEN
        if frozen is not self._frozen:
            self._frozen = frozen
            for stream in self._others():
                if (stream.timeline.mode is Mode.FROZEN) is not frozen:
                    stream.timeline.toggle()
        for stream in self.items:
            stream.timeline.advance()
        # One that has come to its end stands by itself, which is no wish of the user.
        self._frozen = self.active.timeline.mode is Mode.FROZEN

    def _play(self, alignment: Alignment) -> None:
        """Move the moment on by the clock, to the end of the sensor that goes on for longest."""
        timeline = self.active.timeline
        now_s = self._clock()
        if self._anchor is None or self._anchor[2] != timeline.speed:
            self._anchor = (now_s, self._moment_s, timeline.speed)
        began_s, from_s, speed = self._anchor
        self._moment_s = from_s + (now_s - began_s) * speed
        spans = [self._span_s(stream, alignment) for stream in self.items if len(stream.timeline)]
        last_s = max((last for _, last in spans), default=self._moment_s)
        if self._moment_s >= last_s:
            self._anchor, self._moment_s = None, last_s
            if all(stream.timeline.ended for stream in self.items if stream.feed is not None):
                if timeline.loop:
                    self._moment_s = min(first for first, _ in spans)
                else:
                    timeline.pause()
        if len(timeline):
            after = bisect.bisect_right(timeline.kept, self._moment_s, key=self._timer(self.active, alignment))
            timeline.jump(after - 1) if timeline.mode is Mode.PLAYING else timeline.seek(after - 1)
        self._shown = timeline.current

    def _nearest(self, stream: Stream, alignment: Alignment) -> int:
        """Return the place of the snapshot of a sensor that is nearest to the moment; there is at least one."""
        kept, time_of = stream.timeline.kept, self._timer(stream, alignment)
        after = bisect.bisect_left(kept, self._moment_s, key=time_of)
        if after in (0, len(kept)):
            return min(after, len(kept) - 1)
        nearer = time_of(kept[after]) - self._moment_s < self._moment_s - time_of(kept[after - 1])
        return after if nearer else after - 1

    def _span_s(self, stream: Stream, alignment: Alignment) -> tuple[float, float]:
        """Return the times of the first and the last snapshot that a sensor keeps; there is at least one."""
        kept, time_of = stream.timeline.kept, self._timer(stream, alignment)
        return time_of(kept[0]), time_of(kept[-1])

    def _timer(self, stream: Stream, alignment: Alignment) -> Callable[[Snapshot], float]:
        return lambda snapshot: self._time_s(stream, snapshot, alignment)

    def _time_s(self, stream: Stream, snapshot: Snapshot, alignment: Alignment) -> float:
        if alignment is Alignment.HOST:
            return snapshot.host_monotonic_ns * 1e-9
        first = stream.first
        if first is None:
            return snapshot.time_s
        if snapshot.host_monotonic_ns > 0 and first.host_monotonic_ns > 0:
            return (snapshot.host_monotonic_ns - first.host_monotonic_ns) * 1e-9
        return snapshot.time_s - first.time_s
