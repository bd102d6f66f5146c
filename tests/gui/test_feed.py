"""Sessions as feeds, and opening in the background."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from isactrack.acquisition.recorder_tap import Recorder, RecordingLimits
from isactrack.acquisition.session import new_event
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.errors import DeviceNotFoundError
from isactrack.events import Event, EventKind
from isactrack.gui.models.feed import FILE_CAPACITY, LIVE_CAPACITY, Feed, Opening, SessionFeed, no_result_error
from isactrack.processing.products import Product
from isactrack.source import Source

Wait = Callable[[Callable[[], bool]], None]


class FakeSubscription:
    """A queue that a test fills."""

    def __init__(self) -> None:
        self.skipped = 0
        self.waiting: list[Snapshot] = []

    def drain(self) -> list[Snapshot]:
        new, self.waiting = self.waiting, []
        return new


class FakeSession:
    """Notes what is asked of it."""

    def __init__(self, health: Health, fault: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.subscription = FakeSubscription()
        self.events: list[Event] = []
        self._health = health
        self._fault = fault

    def start(self) -> None:
        self.calls.append("start")
        if self._fault is not None:
            raise self._fault

    def events_since(self, seen: int) -> tuple[list[Event], int]:
        return self.events[seen:], len(self.events)

    def want(self, products: frozenset[Product]) -> None:
        self.calls.append(f"want {', '.join(sorted(products))}")

    def health(self) -> Health:
        return self._health

    def subscribe(self, capacity: int) -> FakeSubscription:
        self.calls.append(f"subscribe {capacity}")
        return self.subscription

    def start_recording(self, recorder: Recorder, limits: RecordingLimits) -> None:
        self.calls.append("start recording")

    def stop_recording(self) -> None:
        self.calls.append("stop recording")

    def mark(self, text: str) -> Event:
        return new_event(EventKind.MARKER, text)

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


def test_a_session_is_subscribed_started_and_closed_once(
    healthy: Health, make_snapshot: Callable[..., Snapshot]
) -> None:
    session = FakeSession(healthy)
    feed = SessionFeed(session)
    assert feed.live
    session.subscription.waiting = [make_snapshot(0), make_snapshot(1)]
    assert [s.index for s in feed.poll()] == [0, 1]
    assert feed.poll() == []
    session.subscription.skipped = 7
    assert feed.health().viewer_skipped == 7
    feed.close()
    feed.close()
    assert session.calls == [f"subscribe {LIVE_CAPACITY}", "start", "stop", "close"]


def test_a_file_has_an_end_and_room_for_all_of_it(healthy: Health) -> None:
    session = FakeSession(replace(healthy, source=Source.REPLAY))
    assert not SessionFeed(session).live
    assert session.calls[0] == f"subscribe {FILE_CAPACITY}"


def test_a_live_session_makes_what_is_seen_and_a_file_everything_from_its_start(healthy: Health) -> None:
    live, file = FakeSession(healthy), FakeSession(replace(healthy, source=Source.REPLAY))
    for session in (live, file):
        SessionFeed(session).want(frozenset({Product.RANGE_AZIMUTH}))
    assert live.calls[-2:] == ["start", "want range-azimuth"]
    assert file.calls[1:] == ["want range-azimuth, slow-time", "start"]


def test_events_of_a_recording_come_first_and_each_once(healthy: Health) -> None:
    session = FakeSession(healthy)
    old, new = (new_event(EventKind.MARKER, text) for text in ("in the file", "now"))
    feed = SessionFeed(session, events=[old])
    session.events.append(new)
    assert feed.take_events() == [old, new]
    assert feed.take_events() == []


def test_a_feed_keeps_its_note(healthy: Health) -> None:
    assert SessionFeed(FakeSession(healthy)).note == ""
    assert SessionFeed(FakeSession(healthy), note="recovered").note == "recovered"


def test_nothing_to_show_says_how_much_came(healthy: Health) -> None:
    file = replace(healthy, source=Source.REPLAY)
    assert no_result_error("a.h5", replace(file, frames=0)).exit_code == 5
    some = no_result_error("a.h5", replace(file, frames=3))
    assert "the 3 frames of a.h5" in str(some)
    assert some.hint
    assert no_result_error("sim://x", replace(healthy, frames=0)).exit_code == 3


def test_a_session_that_cannot_start_is_closed(healthy: Health) -> None:
    session = FakeSession(healthy, DeviceNotFoundError("no port"))
    with pytest.raises(DeviceNotFoundError):
        SessionFeed(session)
    assert session.calls[-1] == "close"


def test_opening_hands_the_feed_over_once(make_feed: Callable[..., Feed], wait_until: Wait) -> None:
    feed = make_feed()
    gate = threading.Event()

    def open_feed() -> Feed:
        gate.wait(5.0)
        return feed

    opening = Opening(open_feed, "x")
    opening.start()
    assert opening.take() is None
    gate.set()
    taken: list[Feed] = []

    def take() -> bool:
        came = opening.take()
        taken.extend([] if came is None else [came])
        return bool(taken)

    wait_until(take)
    assert taken == [feed]
    assert opening.take() is None
    opening.cancel()
    assert feed.closed == 0  # type: ignore[attr-defined]


def test_a_feed_that_comes_after_the_window_was_closed_is_closed(
    make_feed: Callable[..., Feed], wait_until: Wait
) -> None:
    feed = make_feed()
    gate = threading.Event()

    def open_feed() -> Feed:
        gate.wait(5.0)
        return feed

    opening = Opening(open_feed, "x")
    opening.start()
    opening.cancel(timeout_s=0.01)
    gate.set()
    wait_until(lambda: feed.closed == 1)  # type: ignore[attr-defined]
    assert opening.take() is None


@pytest.mark.parametrize("error", [DeviceNotFoundError("no port", "plug it in"), KeyError("slip")])
def test_an_opening_that_fails_says_why(error: Exception, wait_until: Wait) -> None:
    def open_feed() -> Feed:
        raise error

    opening = Opening(open_feed, "x")
    opening.start()
    wait_until(lambda: opening.error is not None)
    assert opening.error is not None
    assert opening.error is error or opening.error.__cause__ is error
    assert opening.error.hint
