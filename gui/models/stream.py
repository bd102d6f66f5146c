"""One sensor as the window knows it: what is opened, what came of it, and how it is."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.errors import IsacError
from isactrack.events import Event
from isactrack.gui.models.feed import Feed, Opening, no_result_error
from isactrack.gui.models.host_clock import UNKNOWN, HostClock
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.paint_clock import PaintClock
from isactrack.gui.models.reach import Reach
from isactrack.gui.models.reconnect import ReconnectingFeed, host_clock_of, placement_of
from isactrack.gui.models.recording import RecordingControl, control_of
from isactrack.gui.models.room import NOT_PLACED, Placement
from isactrack.gui.models.timeline import DEFAULT_CAPACITY, Mode, Timeline
from isactrack.processing.products import Product

PATIENCE_S = 10.0
"""How long another source waits for one that is still being opened: both may be the same device."""


@dataclass(frozen=True, slots=True)
class News:
    """What came with one look at a feed.

    Attributes
    ----------
    events
        What happened.
    returned
        Whether a device that was lost is there again.
    """

    events: list[Event] = field(default_factory=list)
    returned: bool = False


class Stream:
    """A source that is opened, its snapshots, and what is known of it. Nothing here waits.

    Parameters
    ----------
    opening
        The feed that is being opened; started by the caller.
    capacity
        Snapshots that the timeline keeps.

    Attributes
    ----------
    opening
        What is opened.
    feed
        Where snapshots come from; None until it is open, and once it is closed.
    timeline
        The snapshots and the cursor.
    placement
        Where the sensor stands, and what is around it.
    host_clock
        The clock that says when its frames came.
    first
        The first snapshot that came; None before it.
    paint_clock
        How long its results take to the screen.
    health
        Counters and rates as they were looked at last; None before that.
    error
        What ended it, or kept it from being opened; None if nothing did.
    control
        What records it; None if it cannot be recorded.
    lost_text
        Why nothing comes from a device that is lost, and what to do; empty while it is there.
    """

    def __init__(self, opening: Opening, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self.opening = opening
        self.feed: Feed | None = None
        self.health: Health | None = None
        self.error: IsacError | None = None
        self.control: RecordingControl | None = None
        self.timeline = Timeline(capacity)
        self.first: Snapshot | None = None
        self.placement: Placement = NOT_PLACED
        self.host_clock: HostClock = UNKNOWN
        self.paint_clock = PaintClock()
        self.lost_text = ("", "")
        self._reach = Reach()
        self._reached: tuple[Snapshot | None, tuple[float, float]] = (None, (0.0, 0.0))
        self._told = ""
        self._reconnections = 0

    @property
    def name(self) -> str:
        """What is opened, for people."""
        return self.opening.name

    @property
    def note(self) -> str:
        """What people should know about the source at all times; empty for nothing, and while the device is lost."""
        return "" if self.feed is None or self.lost_text[0] else self.feed.note

    @property
    def follows(self) -> bool:
        """Whether results are shown as they come."""
        return self.timeline.live and self.timeline.mode is Mode.FOLLOWING

    def take(self) -> bool:
        """Take the feed when it is open, and why it could not be opened; return whether it is there since now."""
        if self.error is None:
            self.error = self.opening.error
        if self.feed is not None or (feed := self.opening.take()) is None:
            return False
        self.feed = feed
        self.placement, self.host_clock = placement_of(feed), host_clock_of(feed)
        self.timeline, self.paint_clock = Timeline(self._capacity, live=feed.live), PaintClock()
        return True

    def make_control(self, folder: str) -> None:
        """Make what records it, if it can be recorded.

        Parameters
        ----------
        folder
            Where files go, if there is still such a folder.
        """
        self.control = None if self.feed is None else control_of(self.feed, folder, self.health)

    def poll(self, wanted: frozenset[Product]) -> News:
        """Take what is new.

        Parameters
        ----------
        wanted
            What views want to be made besides, from the next snapshot on.
        """
        if self.feed is None:
            return News()
        running = self.health is not None and self.health.running
        self.feed.want(wanted)
        snapshots = self.feed.poll()
        returned = self._take_reconnection(self.feed)
        if self.first is None and snapshots:
            self.first = snapshots[0]
        for snapshot in snapshots:
            self.timeline.append(snapshot)
        if self.follows:
            self.paint_clock.came(len(snapshots))
        events = self.feed.take_events()
        self.timeline.take_events(events)
        self.timeline.ended = not running and not snapshots
        if self.timeline.ended and self.timeline.current is None and self.health is not None and self.error is None:
            self.error = no_result_error(self.name, self.health)
        return News(events, returned)

    def look_at_health(self) -> Health | None:
        """Take the health as it is now and return it; None if nothing is open."""
        if self.feed is None:
            return None
        self.health = self.feed.health()
        if self.health.error is not None:
            self.error = self.health.error
        return self.health

    def fail(self, error: IsacError) -> bool:
        """Take what nothing can be shown after; return whether it is the first such error."""
        first = self.error is None
        if first:
            self.error = error
        return first

    def news_of_error(self) -> IsacError | None:
        """Return the error if it has not been returned before."""
        text = "" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        told, self._told = self._told, text
        return self.error if text != told else None

    def successor(self, open_feed: Callable[[], Feed], name: str, report: Callable[[Exception], None]) -> "Stream":
        """Return a stream of another source, which is being opened, to be shown in place of this one.

        Parameters
        ----------
        open_feed
            Opens it; called in a thread of its own when this one is closed, with its recording, for both may be the
            same device.
        name
            What is opened.
        report
            Called, in that thread, with what is wrong with the end of this one.
        """

        def open_next() -> Feed:
            self.opening.cancel(PATIENCE_S)
            if self.feed is not None:
                _close_former(self.feed, report)
            return open_feed()

        after = Stream(Opening(open_next, name), self._capacity)
        after.opening.start()
        return after

    def retire(self, report: Callable[[Exception], None]) -> threading.Thread:
        """Close it in a thread of its own, for the end of a device takes its time; return the thread.

        Parameters
        ----------
        report
            Called, in that thread, with what is wrong with its end.
        """

        def close() -> None:
            self.opening.cancel(PATIENCE_S)
            feed, self.feed = self.feed, None
            if feed is not None:
                _close_former(feed, report)

        thread = threading.Thread(target=close, name="isactrack-retire", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Close the feed, also one that is still being opened; the last frames may not have fitted on the disk."""
        self.opening.cancel()
        feed, self.feed = self.feed, None
        if feed is not None:
            feed.close()
            self.error = self.error or feed.health().error

    # --- how far views reach -----------------------------------------------------------------------------------------

    @property
    def reach(self) -> tuple[float, float]:
        """Range (m) that views show, and the sensor's own, as of the snapshot that was taken last."""
        return self._reached[1]

    def take_reach(self, snapshot: Snapshot) -> None:
        """Take a snapshot into account for `reach`."""
        if self._reached[0] is not snapshot:
            self._reached = snapshot, (self._reach.take(snapshot), make_map(snapshot).range_max_m)

    def reset_reach(self, *, whole: bool) -> None:
        """Forget how far away things were, or reach as far as the sensor does."""
        self._reach.reset(whole=whole)
        self._reached = (None, self._reached[1])

    def _take_reconnection(self, feed: Feed) -> bool:
        """Note that the device is lost; return whether it is there again: with a gap where nothing came."""
        if not isinstance(feed, ReconnectingFeed):
            return False
        returned = feed.lost is None and self._reconnections != feed.reconnections
        self._reconnections = feed.reconnections
        self.lost_text = ("", "")
        if feed.lost is not None:
            hint = feed.lost.hint
            if self.health is not None and self.health.recording:
                hint = f"{hint}; the recording goes on in a file of its own as soon as it is there again".lstrip("; ")
            self.lost_text = (feed.note, hint)
        if returned:
            self.timeline.interrupt()
        return returned


def _close_former(feed: Feed, report: Callable[[Exception], None]) -> None:
    """Close a feed; what is wrong with its end is reported, and keeps nothing else from being opened."""
    try:
        feed.close()
        error: Exception | None = feed.health().recording_error
    except Exception as failure:  # noqa: BLE001 - another source is to be shown all the same
        error = failure
    if error is not None:
        report(error)
