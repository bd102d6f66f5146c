"""A device that is lost is opened again, and its recording goes on in another file."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from isactrack.acquisition.header import describe_device
from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.drivers.registry import open_device
from isactrack.errors import ConfigError, DeviceNotFoundError, DeviceStateError, DeviceTimeoutError
from isactrack.events import Event
from isactrack.gui.models.feed import SessionFeed
from isactrack.gui.models.reconnect import ReconnectingFeed
from isactrack.processing.products import Product
from isactrack.recordings import RecordingWriter, open_recording

LOST = DeviceTimeoutError("no data for 2 s", "look at the cable")


class FakeFeed:
    """A device whose loss the test decides."""

    def __init__(self, health: Health) -> None:
        self.state = health
        self.calls: list[str] = []
        self.snapshots: list[Snapshot] = []
        self.wanted: frozenset[Product] = frozenset()

    live = True
    note = "a note"

    def poll(self) -> list[Snapshot]:
        new, self.snapshots = self.snapshots, []
        return new

    def want(self, products: frozenset[Product]) -> None:
        self.wanted = products

    def take_events(self) -> list[Event]:
        return []

    def health(self) -> Health:
        return self.state

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        self.calls.append(f"record {path.name}")
        self.state = replace(self.state, recording=True, recording_path=str(path))

    def stop_recording(self) -> None:
        self.calls.append("stop recording")

    def mark(self, text: str) -> None:
        self.calls.append(text)

    def close(self) -> None:
        self.calls.append("close")

    def lose(self, error: Exception = LOST) -> None:
        assert isinstance(error, DeviceTimeoutError | ConfigError)
        self.state = replace(self.state, running=False, error=error)


class Bench:
    """Opens fake feeds, or fails, as the test says, on a clock that the test moves."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self.now_s = 0.0
        self.failures = 0
        self.feeds: list[FakeFeed] = []
        self.feed = ReconnectingFeed(self.open, (1.0, 3.0), lambda: self.now_s)

    def open(self) -> FakeFeed:
        if self.failures:
            self.failures -= 1
            raise DeviceNotFoundError("nothing there", "plug it in")
        self.feeds.append(FakeFeed(self.health))
        return self.feeds[-1]

    def step(self, seconds: float) -> None:
        """Let time pass, and whatever is being opened be opened."""
        self.now_s += seconds
        self.feed.poll()
        if self.feed._opening is not None:
            self.feed._opening.join(5.0)
        self.feed.poll()


@pytest.fixture
def bench(healthy: Health) -> Bench:
    return Bench(replace(healthy, running=True, error=None, recording_path=None))


def test_a_lost_device_is_tried_again_with_growing_pauses(bench: Bench, make_snapshot: Callable[..., Snapshot]) -> None:
    assert bench.feed.note == "a note"
    bench.failures = 2
    bench.feeds[0].snapshots = [make_snapshot(0)]
    bench.feeds[0].lose()
    assert len(bench.feed.poll()) == 1  # what had come before is shown first
    bench.step(0.0)
    assert bench.feeds[0].calls == ["close"]
    assert "no data for 2 s" in bench.feed.note and "in 1 s" in bench.feed.note
    health = bench.feed.health()
    assert (health.error, health.running, health.frame_rate_hz) == (None, True, 0.0)
    bench.step(0.9)
    assert bench.failures == 2
    bench.step(0.2)
    assert bench.failures == 1
    bench.step(2.9)
    assert bench.failures == 1
    bench.step(0.2)
    assert bench.failures == 0
    bench.step(3.1)
    assert len(bench.feeds) == 2 and bench.feed.reconnections == 1
    assert ["lost" in event.text for event in bench.feed.take_events()] == [True, False]
    assert bench.feed.note == "a note"
    bench.feed.close()
    assert bench.feeds[1].calls == ["close"]


def test_a_recording_goes_on_in_a_file_beside_the_first(bench: Bench, tmp_path: Path) -> None:
    bench.feed.start_recording(tmp_path / "walk.h5", RecordingLimits())
    for part in (2, 3):
        bench.feeds[-1].lose()
        bench.step(0.0)
        with pytest.raises(DeviceStateError):
            bench.feed.mark("while it is away")
        bench.step(1.1)
        assert bench.feeds[-1].calls == [f"record walk-part{part}.h5"]
    bench.feed.mark("here")
    bench.feed.stop_recording()
    bench.feeds[-1].lose()
    bench.step(0.0)
    bench.step(1.1)
    assert bench.feeds[-1].calls == []


def test_a_recording_that_was_stopped_while_the_device_was_away_does_not_go_on(bench: Bench, tmp_path: Path) -> None:
    bench.feed.start_recording(tmp_path / "walk.h5", RecordingLimits())
    bench.feeds[0].lose()
    bench.step(0.0)
    bench.feed.stop_recording()
    bench.step(1.1)
    assert bench.feeds[1].calls == []


def test_what_is_wrong_with_the_program_or_the_profile_is_not_tried_again(bench: Bench) -> None:
    bench.feeds[0].lose(ConfigError("a profile that cannot be", "another one"))
    bench.step(10.0)
    assert len(bench.feeds) == 1
    assert isinstance(bench.feed.health().error, ConfigError)


def test_the_first_opening_is_the_callers() -> None:
    def fail() -> FakeFeed:
        raise DeviceNotFoundError("nothing there", "plug it in")

    with pytest.raises(DeviceNotFoundError):
        ReconnectingFeed(fail)


def test_a_device_that_comes_back_after_the_window_was_closed_is_closed(bench: Bench) -> None:
    bench.feeds[0].lose()
    bench.step(0.0)
    bench.feed.close()
    bench.step(1.1)
    assert len(bench.feeds) == 1
    assert not bench.feed.health().running


def until(true: Callable[[], bool], timeout_s: float = 40.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_cable_that_is_pulled_and_plugged_again(tmp_path: Path) -> None:
    """Through the emulated wire: the radio is off the bus for a while, and its recording is in two whole files."""
    urls = iter(["sim://bistatic?scene=lab-walk&fault=unplug@700ms", "sim://bistatic?scene=lab-walk"])

    def open_feed() -> SessionFeed:
        device = open_device(next(urls))
        device.configure()
        session = Session(device)
        return SessionFeed(session, make_recorder=lambda path: RecordingWriter(path, describe_device(device)))

    feed = ReconnectingFeed(open_feed, (0.1,))
    try:
        feed.start_recording(tmp_path / "a.h5", RecordingLimits())
        until(lambda: feed.poll() is not None and feed.reconnections == 1)
        until(lambda: feed.health().recorded_frames > 20)
    finally:
        feed.close()
    with open_recording(tmp_path / "a.h5") as first, open_recording(tmp_path / "a-part2.h5") as second:
        assert first.closed_cleanly and second.closed_cleanly
        assert len(first) > 50 and len(second) > 20
