"""The record bar in the window, against a real session of the simulator behind it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.snapshot import Health
from isactrack.errors import DeviceStateError, RecordingError
from isactrack.gui.models.feed import Opening
from isactrack.gui.models.timeline import Mode
from isactrack.gui.models.toasts import Level
from isactrack.gui.qt.main_window import MainWindow
from tests.gui.conftest import HEALTHY, SyntheticFeed
from tests.gui.loops import spin, spin_until

QUIET = replace(HEALTHY, recording_path=None, recorded_frames=0, recorded_bytes=0, recording=False)


class RecordableFeed(SyntheticFeed):
    """A live feed that notes what is recorded, and counts on whatever the display does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(health=QUIET, **options)
        self.calls: list[object] = []
        self.refuse: Exception | None = None

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.calls.append((path.name, limits))
        self.state = replace(
            self.state, recording=True, recording_path=str(path), recorded_s=0.0, disk_free_bytes=400_000_000_000
        )

    def health(self) -> Health:
        if self.state.recording:
            self.state = replace(
                self.state, recorded_s=self.state.recorded_s + 0.25, recorded_bytes=self.state.recorded_bytes + 2**20
            )
        return super().health()

    def stop_recording(self) -> None:
        self.calls.append("stop")
        self.state = replace(self.state, recording=False)

    def mark(self, text: str) -> None:
        if not self.state.recording:
            raise DeviceStateError("nothing runs", "start it")
        self.calls.append(text)


@pytest.fixture
def make_window(
    app: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., MainWindow]]:
    monkeypatch.chdir(tmp_path)
    windows: list[MainWindow] = []

    def make(feed: SyntheticFeed, size: tuple[int, int] = (1280, 720)) -> MainWindow:
        opening = Opening(lambda: feed, "sim://awr1642")
        window = MainWindow(opening)
        window.resize(*size)
        windows.append(window)
        opening.start()
        window.show()
        spin_until(lambda: window.shows_frame)
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    spin(10)


MakeWindow = Callable[..., MainWindow]


def messages(window: MainWindow) -> list[str]:
    return [f"{toast.what} {toast.next_step}" for toast in window.toasts.shown]


def test_it_records_marks_and_stops_by_key_and_nothing_waits_for_a_note(
    make_window: MakeWindow, tmp_path: Path, shots: Path
) -> None:
    feed = RecordableFeed()
    window = make_window(feed)
    bar = window.record_bar
    assert bar.isVisible() and bar.record_button.text() == "Record" and not bar.marker_button.isEnabled()
    QTest.keyClick(window, Qt.Key.Key_M)
    assert feed.calls == [] and "start one with R" in messages(window)[0]
    window.toasts.dismiss_all()
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: "free" in bar.status.text())
    assert bar.record_button.text() == "Stop" and not bar.limit.isEnabled()
    assert feed.calls == [(Path(bar.path_label.toolTip()).name, RecordingLimits())]
    QTest.keyClick(window, Qt.Key.Key_M)
    assert feed.calls[-1:] == ["marker 1"]  # it is set before anybody typed anything
    QTest.keyClicks(window.marker_note.line, "rm door opens ")  # R and M are letters here
    before = feed.given
    spin_until(lambda: feed.given > before + 3)
    window.grab().save(str(shots / "record-marker-1280.png"))
    QTest.keyClick(window.marker_note.line, Qt.Key.Key_Return)
    assert feed.calls[-1:] == ["marker 1: rm door opens"] and not window.marker_note.isVisible()
    QTest.keyClick(window, Qt.Key.Key_M)
    QTest.keyClick(window.marker_note.line, Qt.Key.Key_Escape)
    assert feed.calls[-1:] == ["marker 2"] and window.focusWidget() is window
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: any("recorded" in text for text in messages(window)))
    assert feed.calls[-1:] == ["stop"] and bar.record_button.text() == "Record"


def test_space_freezes_the_display_and_never_the_recording(make_window: MakeWindow) -> None:
    feed = RecordableFeed()
    window = make_window(feed)
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: window.record_bar.is_recording)
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert window.timeline.mode is Mode.FROZEN and window.timeline.current is not None
    frozen, taken, written = window.timeline.current.index, feed.given, feed.state.recorded_bytes
    spin_until(lambda: feed.given > taken + 5 and feed.state.recorded_bytes > written)
    assert window.timeline.current.index == frozen
    assert "stop" not in feed.calls and window.record_bar.is_recording
    assert window.record_bar.status.text().startswith("00:0")


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", RecordingLimits()),
        ("5min", RecordingLimits(duration_s=300.0)),
        ("2 GB", RecordingLimits(max_bytes=2 * 10**9)),
    ],
)
def test_it_ends_by_itself(make_window: MakeWindow, text: str, limits: RecordingLimits) -> None:
    feed = RecordableFeed()
    window = make_window(feed)
    window.record_bar.limit.setText(text)
    assert not window.record_bar.warning.isVisible()
    window.record_bar.record_button.click()
    assert feed.calls[0][1] == limits  # type: ignore[index]
    feed.stop_recording()
    spin_until(lambda: not window.record_bar.is_recording)
    assert "recorded" in messages(window)[0]


def test_a_limit_that_cannot_be_read_says_how_to_write_it_and_records_nothing(make_window: MakeWindow) -> None:
    feed = RecordableFeed()
    window = make_window(feed)
    QTest.keyClicks(window.record_bar.limit, "soon")
    assert "write it as 90s, 5min" in window.record_bar.warning.text()
    QTest.keyClick(window.record_bar.limit, Qt.Key.Key_Return)
    assert window.focusWidget() is window
    QTest.keyClick(window, Qt.Key.Key_R)
    assert feed.calls == [] and "neither a time nor a size" in messages(window)[0]
    assert not window.record_bar.is_recording


def test_what_the_device_or_the_disk_refuse_is_told_once(make_window: MakeWindow) -> None:
    feed = RecordableFeed()
    window = make_window(feed)
    feed.refuse = RecordingError("the disk is full", "make room")
    QTest.keyClick(window, Qt.Key.Key_R)
    assert messages(window) == ["the disk is full make room"]
    window.toasts.dismiss_all()
    feed.refuse = None
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: window.record_bar.is_recording)
    feed.state = replace(feed.state, recording=False, recording_error=RecordingError("a write failed", "look"))
    spin_until(lambda: not window.record_bar.is_recording)
    spin(600)
    assert [(toast.what, toast.level, toast.count) for toast in window.toasts.shown] == [
        ("a write failed", Level.ERROR, 1)
    ]


def test_the_file_is_chosen_and_used_once(
    make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = RecordableFeed()
    window = make_window(feed)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_kw: (str(tmp_path / "walk"), ""))
    window.record_bar.path_button.click()
    assert window.record_bar.path_label.toolTip() == str(tmp_path / "walk.h5")
    QTest.keyClick(window, Qt.Key.Key_R)
    assert feed.calls[0][0] == "walk.h5"  # type: ignore[index]
    (tmp_path / "walk.h5").touch()
    spin_until(lambda: window.record_bar.is_recording)
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: not window.record_bar.is_recording)
    assert "walk" not in window.record_bar.path_label.toolTip()


def test_a_recording_that_runs_from_the_start_is_shown_and_can_be_stopped(make_window: MakeWindow) -> None:
    feed = RecordableFeed()
    feed.state = replace(feed.state, recording=True, recording_path="/data/walk.h5")
    window = make_window(feed)
    spin_until(lambda: window.record_bar.is_recording)
    assert window.record_bar.path_label.toolTip() == "/data/walk.h5"
    QTest.keyClick(window, Qt.Key.Key_R)
    assert feed.calls == ["stop"]


def test_a_file_has_no_record_bar(make_window: MakeWindow) -> None:
    feed = RecordableFeed(count=30, per_poll=30)
    feed.live = False
    window = make_window(feed)
    assert not window.record_bar.isVisible()
    QTest.keyClick(window, Qt.Key.Key_R)
    assert feed.calls == [] and "only a live device" in messages(window)[0]


def test_a_theme_changes_colours_and_leaves_what_was_typed(make_window: MakeWindow) -> None:
    window = make_window(RecordableFeed())
    window.record_bar.limit.setText("5min")
    window.set_theme("light")
    assert window.record_bar.limit.text() == "5min" and window.record_bar.isVisible()


def test_pictures(make_window: MakeWindow, shots: Path) -> None:
    feed = RecordableFeed()
    window = make_window(feed, (1920, 1080))
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: "free" in window.record_bar.status.text())
    QTest.keyClick(window, Qt.Key.Key_F1)
    spin(50)
    window.grab().save(str(shots / "keys-1920.png"))
    QTest.keyClick(window.overlay, Qt.Key.Key_Escape)
    spin(50)
    window.grab().save(str(shots / "record-1920.png"))
    window.resize(1280, 720)
    feed.state = replace(feed.state, disk_free_bytes=3_000_000, recorded_s=5.0)
    spin_until(lambda: "the disk is full in" in window.record_bar.warning.text())
    window.grab().save(str(shots / "record-low-1280.png"))
    assert (window.width(), window.height()) == (1280, 720)
    QTest.keyClick(window, Qt.Key.Key_F1)
    spin(50)
    window.grab().save(str(shots / "keys-1280.png"))
