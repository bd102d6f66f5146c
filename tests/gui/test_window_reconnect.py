"""The window while its device is lost, and when it is there again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication

from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.errors import DeviceNotFoundError, DeviceTimeoutError
from isactrack.gui.models.feed import Opening
from isactrack.gui.models.reconnect import ReconnectingFeed
from isactrack.gui.models.timeline import Timeline
from isactrack.gui.models.transport import transport_state
from isactrack.gui.qt.main_window import MainWindow
from tests.gui.conftest import snapshot
from tests.gui.loops import spin_until
from tests.gui.test_record_bar import RecordableFeed

LOST = DeviceTimeoutError("no data for 2 s", "look at the cable")


class Cable:
    """Opens fake devices while it is plugged."""

    def __init__(self) -> None:
        self.plugged = True
        self.feeds: list[RecordableFeed] = []

    def open(self) -> RecordableFeed:
        if not self.plugged:
            raise DeviceNotFoundError("nothing there", "plug it in")
        self.feeds.append(RecordableFeed())
        return self.feeds[-1]

    def pull(self) -> None:
        self.plugged = False
        feed = self.feeds[-1]
        feed._count = feed.given
        feed.state = replace(feed.state, running=False, error=LOST)


@pytest.fixture
def cable() -> Cable:
    return Cable()


@pytest.fixture
def window(app: QApplication, cable: Cable) -> Iterator[MainWindow]:
    opening = Opening(lambda: ReconnectingFeed(cable.open, (0.1,)), "sim://bistatic")
    window = MainWindow(opening)
    window.resize(1280, 720)
    opening.start()
    window.show()
    spin_until(lambda: window.shows_frame and len(window.timeline) > 20)
    yield window
    window.close()
    window.deleteLater()


def test_a_banner_says_why_nothing_comes_and_goes_when_the_device_is_there_again(
    window: MainWindow, cable: Cable, shots: Path, tmp_path: Path
) -> None:
    assert isinstance(window.feed, ReconnectingFeed)
    window.feed.start_recording(tmp_path / "walk.h5", RecordingLimits())
    spin_until(lambda: window.record_bar.is_recording)
    cable.pull()
    spin_until(lambda: "try" in window.lost_banner.text)
    assert "no data for 2 s" in window.lost_banner.text and "look at the cable" in window.lost_banner.text
    assert "goes on in a file of its own" in window.lost_banner.text
    assert window.error is None and not window.toasts.shown  # it is no end
    assert window.record_bar.is_recording  # it waits, and can be stopped
    seen = len(window.timeline)
    window.grab().save(str(shots / "lost-1280.png"))
    cable.plugged = True
    spin_until(lambda: len(window.timeline) > seen + 15)
    assert window.lost_banner.text == ""
    assert [toast.what for toast in window.toasts.shown] == ["sim://bistatic is there again"]
    assert cable.feeds[1].calls[0][0] == "walk-part2.h5"  # type: ignore[index]
    assert window.timeline.gaps == (seen,)
    spin_until(lambda: len(window.timeline) > 3 * seen)
    window.grab().save(str(shots / "gap-1280.png"))
    slider, (gap,) = window.transport.slider, window.timeline.gap_spans
    assert gap.away
    middle = slider.x_at((gap.start_s + gap.stop_s) / 2.0)
    assert "the device was away for" in slider.tip_at(QPoint(middle, slider.height() // 2))


def test_time_goes_on_through_a_gap_and_history_does_not_reach_back_through_it() -> None:
    now_s = 0.0
    timeline = Timeline(clock=lambda: now_s)
    for index in range(20):
        timeline.append(snapshot(index))
    now_s = 5.0
    timeline.interrupt()
    for index in range(10):  # the device's clock begins anew
        timeline.append(snapshot(index))
    assert timeline.gaps == (20,)
    assert timeline.newest_time_s == pytest.approx(19 / 20 + 5.0 + 9 / 20)
    assert [s.index for s in timeline.history(50)] == list(range(10))
    timeline.seek(10)
    assert timeline.behind_s == pytest.approx(9 / 20 + 5.0 + 9 / 20)
    assert [s.index for s in timeline.history(50)] == list(range(11))
    timeline.step_time(2.0)
    assert timeline.position == 20  # the first after the gap
    assert transport_state(timeline).time_text == "6.0 s / 6.4 s"
    timeline.step_time(-1.0)
    assert timeline.position == 19


def test_gaps_are_forgotten_with_the_snapshots_around_them() -> None:
    timeline = Timeline(10, clock=lambda: 0.0)
    for _ in range(4):
        timeline.interrupt()
        for index in range(6):
            timeline.append(snapshot(index))
    assert timeline.gaps == (4,)
    before = timeline.newest_time_s
    for index in range(6, 30):
        timeline.append(snapshot(index))
    assert not timeline.gaps and timeline.newest_time_s == pytest.approx(before + 24 / 20)
    assert len(timeline.history(50)) == 10
    timeline.interrupt()
    assert not timeline.gaps  # nothing has come after it yet


def test_nothing_before_the_first_snapshot_is_a_gap() -> None:
    timeline = Timeline()
    timeline.interrupt()
    timeline.append(snapshot(0))
    assert not timeline.gaps
