"""A live feed that comes back: when its device is lost it is opened again, with growing pauses, until it is there."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.session import Session, new_event
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.errors import DeviceError, DeviceStateError, IsacError
from isactrack.events import Event, EventKind
from isactrack.gui.models.feed import Feed, LiveFeed, SessionFeed
from isactrack.gui.models.host_clock import UNKNOWN, HostClock
from isactrack.gui.models.room import NOT_PLACED, Placement
from isactrack.processing.products import Product

PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses before the tries; the last one goes on."""

_log = logging.getLogger(__name__)


class ReconnectingFeed:
    """Feeds of one device, one after the other.

    A session that ends with a `DeviceError` is closed, so that its recording is complete, and the device is opened
    again. What was being recorded goes on in a new file beside the first: a file holds one run of a device. Any other
    error, and the first opening, are the caller's.

    Parameters
    ----------
    open_feed
        Opens the device and starts it; called in a thread of its own after the first time.
    pauses_s
        Pauses before the tries.
    clock
        Monotonic clock, seconds.
    recording
        What the first feed records from its start; None for nothing.
    """

    def __init__(
        self,
        open_feed: Callable[[], LiveFeed],
        pauses_s: tuple[float, ...] = PAUSES_S,
        clock: Callable[[], float] = time.monotonic,
        recording: Path | None = None,
    ) -> None:
        self._open_feed = open_feed
        self._pauses_s = pauses_s
        self._clock = clock
        self._lock = threading.Lock()
        self._feed: LiveFeed | None = open_feed()
        self._next: LiveFeed | None = None
        self._last_health = self._feed.health()
        self._lost: IsacError | None = None
        self._tries = 0
        self._due_s = 0.0
        self._opening: threading.Thread | None = None
        self._recording = None if recording is None else (recording, RecordingLimits())
        self._recording_error: IsacError | None = None
        self._parts = 1
        self._closed = False
        self._wanted: frozenset[Product] = frozenset()
        self._own_events: list[Event] = []
        self.reconnections = 0

    @property
    def live(self) -> bool:
        """True: what is opened again is a device."""
        return True

    @property
    def present(self) -> LiveFeed | None:
        """The feed of the device as it is there now; None while it is lost."""
        return self._feed

    @property
    def lost(self) -> IsacError | None:
        """Why the device is lost, None while it is there."""
        return self._lost

    @property
    def note(self) -> str:
        """Why nothing comes, while the device is lost."""
        lost = self._lost
        if lost is None:
            return "" if self._feed is None else self._feed.note
        if self._opening is not None:
            return f"connection lost ({lost}); trying again now, try {self._tries}"
        return f"connection lost ({lost}); trying again in {max(0.0, self._due_s - self._clock()):.0f} s"

    def poll(self) -> list[Snapshot]:
        """Return what came since the last call; finds out that the device is lost, or there again."""
        self._take_reopened()
        feed = self._feed
        if feed is None:
            self._try_when_due()
            return []
        snapshots = feed.poll()
        health = feed.health()
        if not snapshots and not health.running and isinstance(health.error, DeviceError):
            self._lose(feed, health)
        elif health.running and not health.recording and health.error is None:
            # It has reached its limit, or failed; that of a session which is ending because of an error goes on.
            self._recording = None
        return snapshots

    def want(self, products: frozenset[Product]) -> None:
        """Have these made besides, also once the device is there again."""
        self._wanted = products
        if self._feed is not None:
            self._feed.want(products)

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, the loss of the device and its return among it."""
        events, self._own_events = self._own_events, []
        if self._feed is not None:
            events += self._feed.take_events()
        return events

    def health(self) -> Health:
        """Return the health of the present session, or that of the lost one, as if it went on."""
        feed = self._feed
        if feed is not None:
            health = feed.health()
            lost = isinstance(health.error, DeviceError) and not self._closed
            if self._recording_error is not None and health.recording_path is None:
                health = replace(health, recording_error=self._recording_error)
            # What its session has closed goes on once the device is there again.
            waits = health.recording or self._recording is not None
            return replace(health, error=None, running=True, recording=waits) if lost else health
        # A recording that waits for its device can still be stopped.
        waits = self._recording is not None and not self._closed
        return replace(self._last_health, error=None, running=not self._closed, frame_rate_hz=0.0, recording=waits)

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        """Record to a file from now on; DeviceStateError while the device is lost."""
        self._present().start_recording(path, limits)
        self._recording, self._recording_error, self._parts = (path, limits), None, 1

    def stop_recording(self) -> None:
        """End the recording, also one that would go on once the device is there again."""
        self._recording = None
        if self._feed is not None:
            self._feed.stop_recording()

    def mark(self, text: str) -> None:
        """Put a marker into the recording."""
        self._present().mark(text)

    def close(self) -> None:
        """Stop and release everything; may be called again."""
        with self._lock:
            self._closed = True
            late, self._next = self._next, None
        for feed in (self._feed, late):
            if feed is not None:
                feed.close()

    def _present(self) -> LiveFeed:
        if self._feed is None:
            raise DeviceStateError("the device is lost", "wait until it is there again")
        return self._feed

    def _lose(self, feed: LiveFeed, health: Health) -> None:
        _log.warning("lost %s: %s", health.url, health.error)
        recording = self._recording is not None and health.recording_path is not None
        feed.close()
        self._own_events += feed.take_events()
        self._own_events.append(new_event(EventKind.LINK, f"the device is lost: {health.error}"))
        self._last_health = feed.health()
        if not recording:
            self._recording = None
        self._feed, self._lost, self._tries = None, health.error, 0
        self._wait()

    def _wait(self) -> None:
        self._due_s = self._clock() + self._pauses_s[min(self._tries, len(self._pauses_s) - 1)]

    def _try_when_due(self) -> None:
        if self._opening is not None or self._closed or self._clock() < self._due_s:
            return
        self._tries += 1
        self._opening = threading.Thread(target=self._reopen, name="isactrack-reconnect", daemon=True)
        self._opening.start()

    def _reopen(self) -> None:
        try:
            feed = self._open_feed()
        except Exception as error:  # noqa: BLE001 - told in the note, and tried again
            _log.info("try %d failed: %s", self._tries, error)
            return
        with self._lock:
            if not self._closed:
                self._next = feed
                return
        feed.close()

    def _take_reopened(self) -> None:
        opening = self._opening
        if opening is None or opening.is_alive():
            return
        self._opening = None
        with self._lock:
            feed, self._next = self._next, None
        if feed is None:
            self._wait()
            return
        self._feed, self._lost = feed, None
        self.reconnections += 1
        feed.want(self._wanted)
        self._own_events.append(new_event(EventKind.LINK, f"the device is there again, tries: {self._tries}"))
        _log.info("there again after %d tries", self._tries)
        if self._recording is not None:
            self._go_on_recording(feed, *self._recording)

    def _go_on_recording(self, feed: LiveFeed, path: Path, limits: RecordingLimits) -> None:
        self._parts += 1
        part = path.with_name(f"{path.stem}-part{self._parts}{path.suffix}")
        try:
            feed.start_recording(part, limits)
        except IsacError as error:
            self._recording, self._recording_error = None, error
            _log.error("the recording does not go on: %s", error)


def placement_of(feed: Feed | None) -> Placement:
    """Return where the sensor of a feed stands, as far as that is known."""
    present = feed.present if isinstance(feed, ReconnectingFeed) else feed
    return present.placement if isinstance(present, SessionFeed) else NOT_PLACED


def host_clock_of(feed: Feed | None) -> HostClock:
    """Return the clock that says when the frames of a feed came, as far as that is known."""
    present = feed.present if isinstance(feed, ReconnectingFeed) else feed
    return present.host_clock if isinstance(present, SessionFeed) else UNKNOWN


def session_of(feed: Feed | None) -> Session | None:
    """Return the session behind a feed; None if there is none, or its device is lost."""
    present = feed.present if isinstance(feed, ReconnectingFeed) else feed
    session = present.session if isinstance(present, SessionFeed) else None
    return session if isinstance(session, Session) else None
