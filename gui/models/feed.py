"""Where the viewer's snapshots come from, and opening it without holding up the window."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from isactrack.acquisition.recorder_tap import Recorder, RecordingLimits
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.errors import DeviceError, DeviceStateError, IsacError, RecordingError
from isactrack.events import Event
from isactrack.gui.models.host_clock import UNKNOWN, HostClock
from isactrack.gui.models.room import NOT_PLACED, Placement
from isactrack.processing.products import Product
from isactrack.source import Source

LIVE_CAPACITY = 64
"""Snapshots that wait for the viewer; a busy screen skips the rest, and counts them."""
FILE_CAPACITY = 4096
"""The same for a file, which is read as fast as possible and should be shown whole."""


class Feed(Protocol):
    """A source of snapshots."""

    @property
    def live(self) -> bool:
        """Whether it goes on until it is stopped; False for a file, which has an end."""

    @property
    def note(self) -> str:
        """What people should know about the source at all times; empty for nothing."""

    def want(self, products: frozenset[Product]) -> None:
        """Have these made besides, for views that are seen, from the next snapshot on."""

    def poll(self) -> list[Snapshot]:
        """Return what came since the last call, oldest first, a bounded number; never waits."""

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first."""

    def health(self) -> Health:
        """Return counters and rates."""

    def close(self) -> None:
        """Stop and release everything; may be called again."""


class LiveFeed(Feed, Protocol):
    """A feed of a running device, of which a part can be recorded."""

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        """Record to a new file from now on; DeviceStateError if nothing runs or something records already."""

    def stop_recording(self) -> None:
        """End the recording; returns at once."""

    def mark(self, text: str) -> None:
        """Put a marker into the recording; DeviceStateError if nothing runs."""


class SubscriptionLike(Protocol):
    """The viewer's end of a session's queue."""

    @property
    def skipped(self) -> int:
        """Snapshots that found the queue full."""

    def drain(self) -> list[Snapshot]:
        """Return what waits, without waiting."""


class SessionLike(Protocol):
    """What the viewer asks of an acquisition session."""

    def start(self) -> None:
        """Start taking frames in the background."""

    def want(self, products: frozenset[Product]) -> None:
        """Have these made besides; also before the start."""

    def events_since(self, seen: int) -> tuple[list[Event], int]:
        """Return what happened since the first `seen` events, and how many there are by now."""

    def health(self) -> Health:
        """Return counters and rates; also before the start."""

    def subscribe(self, capacity: int) -> SubscriptionLike:
        """Return a queue of results that holds at most `capacity`."""

    def start_recording(self, recorder: Recorder, limits: RecordingLimits) -> None:
        """Record from now on."""

    def stop_recording(self) -> None:
        """End the recording."""

    def mark(self, text: str) -> Event:
        """Put a marker into the recording."""

    def stop(self) -> None:
        """Stop taking frames."""

    def close(self) -> None:
        """Release everything."""


class SessionFeed:
    """An acquisition session as a feed; it is started here and closed with the feed.

    Parameters
    ----------
    session
        A session that was not started. It is closed if it cannot start.
    note
        See `Feed.note`.
    make_recorder
        Makes the writer of a file, for recordings on demand; None if there are none.
    events
        What a recording holds of events, which are given out first.
    placement
        Where the sensor stands, and what is around it.
    host_clock
        The clock that says when its frames came.
    """

    def __init__(
        self,
        session: SessionLike,
        note: str = "",
        make_recorder: Callable[[Path], Recorder] | None = None,
        events: Iterable[Event] = (),
        placement: Placement = NOT_PLACED,
        host_clock: HostClock = UNKNOWN,
    ) -> None:
        self._session = session
        self._note = note
        self._make_recorder = make_recorder
        self._recorded_events = list(events)
        self._events_seen = 0
        self._closed = False
        self.placement = placement
        self.host_clock = host_clock
        try:
            # Subscribe first: what is published before nobody listens to would be lost.
            self._live = session.health().source is not Source.REPLAY
            self._subscription = session.subscribe(LIVE_CAPACITY if self._live else FILE_CAPACITY)
            if not self._live:
                # A file is processed once, before anybody knows which views will look at it: it costs little.
                session.want(frozenset(Product))
            session.start()
        except BaseException:
            session.close()
            raise

    @property
    def live(self) -> bool:
        """Whether the session's device is not a file."""
        return self._live

    @property
    def note(self) -> str:
        """The note that was given."""
        return self._note

    @property
    def session(self) -> SessionLike:
        """The session."""
        return self._session

    def want(self, products: frozenset[Product]) -> None:
        """Have these made besides; of a file all are made anyway."""
        if self._live:
            self._session.want(products)

    def poll(self) -> list[Snapshot]:
        """Return what came since the last call."""
        return self._subscription.drain()

    def take_events(self) -> list[Event]:
        """Return what happened since the last call."""
        recorded, self._recorded_events = self._recorded_events, []
        events, self._events_seen = self._session.events_since(self._events_seen)
        return recorded + events

    def health(self) -> Health:
        """Return the session's health, with at least the snapshots that this viewer skipped."""
        health = self._session.health()
        return replace(health, viewer_skipped=max(health.viewer_skipped, self._subscription.skipped))

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        """Record to a new file from now on.

        Parameters
        ----------
        path
            The file.
        limits
            When the recording ends by itself.

        Raises
        ------
        DeviceStateError
            If the session does not run, records already, or cannot be recorded.
        RecordingError
            If the file cannot be made.
        """
        if self._make_recorder is None:
            raise DeviceStateError("this source cannot be recorded", "recordings are of live devices")
        if self._session.health().recording:
            raise DeviceStateError("this session records already", "stop that recording first")
        recorder = self._make_recorder(path)
        try:
            self._session.start_recording(recorder, limits)
        except IsacError:
            recorder.close("never started")
            path.unlink(missing_ok=True)
            raise

    def stop_recording(self) -> None:
        """End the recording; returns at once."""
        self._session.stop_recording()

    def mark(self, text: str) -> None:
        """Put a marker into the recording."""
        self._session.mark(text)

    def close(self) -> None:
        """Stop and close the session; may be called again."""
        if self._closed:
            return
        self._closed = True
        try:
            self._session.stop()
        finally:
            self._session.close()


class Opening:
    """Opens a feed in a thread of its own, so that the window is there while the device is still being found.

    Parameters
    ----------
    open_feed
        Returns the feed; may take its time and may fail.
    name
        What is opened, for people.
    """

    def __init__(self, open_feed: Callable[[], Feed], name: str) -> None:
        self.name = name
        self._open_feed = open_feed
        self._lock = threading.Lock()
        self._feed: Feed | None = None
        self._error: IsacError | None = None
        self._cancelled = False
        # A daemon: a driver that hangs must not keep a closed viewer alive.
        self._thread = threading.Thread(target=self._run, name="isactrack-open", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def error(self) -> IsacError | None:
        """Why it failed, None if it did not."""
        with self._lock:
            return self._error

    @property
    def started(self) -> bool:
        """Whether it has begun."""
        return self._thread.ident is not None

    def take(self) -> Feed | None:
        """Return the feed once, when it is there; it then belongs to the caller."""
        with self._lock:
            feed, self._feed = self._feed, None
            return feed

    def cancel(self, timeout_s: float = 2.0) -> None:
        """Give up: a feed that is there or still comes is closed. Waits at most `timeout_s` for it."""
        with self._lock:
            self._cancelled = True
            feed, self._feed = self._feed, None
        if feed is not None:
            feed.close()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            feed = self._open_feed()
        except Exception as error:  # noqa: BLE001 - it is shown in the window, with its trace in the details
            with self._lock:
                self._error = as_isac_error(error)
            return
        with self._lock:
            if not self._cancelled:
                self._feed = feed
                return
        feed.close()


def no_result_error(name: str, health: Health) -> IsacError:
    """Return why a session that ended by itself has shown nothing.

    Parameters
    ----------
    name
        What was opened.
    health
        Health at the end.
    """
    error = RecordingError if health.source is Source.REPLAY else DeviceError
    if health.frames == 0:
        return error(
            f"{name} ended without a single frame", "`isactrack info` and `isactrack validate` look into files"
        )
    return error(
        f"the {health.frames} frames of {name} do not make one coherent interval",
        "record for longer, or combine fewer frames in an interval",
    )


def as_isac_error(error: Exception) -> IsacError:
    """Return `error` as one that can be shown; a foreign one becomes the cause of an error that says it is a bug."""
    if isinstance(error, IsacError):
        return error
    shown = IsacError(
        f"unexpected {type(error).__name__}: {error}", "this is a fault of the program: copy the details into a report"
    )
    shown.__cause__ = error
    return shown
