"""Two sensors in one window: beside one another, overlaid, and what each of them does to the other."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Snapshot
from isactrack.cli import _capture
from isactrack.cli.main import run
from isactrack.drivers.registry import open_device
from isactrack.errors import DeviceNotFoundError, DeviceTimeoutError, RecordingError
from isactrack.geometry import Pose
from isactrack.gui.models.arrangement import Arrangement
from isactrack.gui.models.connect import Choice, Sources
from isactrack.gui.models.feed import Feed, Opening, SessionFeed
from isactrack.gui.models.host_clock import HostClock
from isactrack.gui.models.room import Placement
from isactrack.gui.models.theme import DARK, THEMES
from isactrack.gui.models.timeline import Mode
from isactrack.gui.qt.app import _reported_by
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.view_dock import FailurePage
from isactrack.recordings import open_recording
from tests.gui.conftest import SyntheticFeed, radio_snapshot
from tests.gui.loops import spin, spin_until
from tests.gui.test_record_bar import RecordableFeed
from tests.gui.test_viewer_command import write_recording

RADAR, RADIO = "sim://awr1642", "sim://bistatic"
OpenFeed = Callable[[], Feed]
MakeWindow = Callable[..., MainWindow]


@pytest.fixture
def make_window(app: QApplication, tmp_path: Path) -> Iterator[MakeWindow]:
    windows: list[MainWindow] = []

    def make(first: OpenFeed, *more: OpenFeed, size: tuple[int, int] = (1280, 720), **options: Any) -> MainWindow:
        opening = Opening(first, RADAR)
        window = MainWindow(opening, DARK, folder=tmp_path / "config", **options)
        window.resize(*size)
        windows.append(window)
        opening.start()
        for open_feed in more:
            window.add_sensor(open_feed, RADIO)
        window.show()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    spin(10)


def both(make_window: MakeWindow, **options: Any) -> MainWindow:
    """Return a window with a radar and a radio that are shown."""
    window = make_window(SyntheticFeed, lambda: SyntheticFeed(make=radio_snapshot), **options)
    spin_until(lambda: window.shows_frame)
    return window


def arrived(index: int) -> Snapshot:
    """Return a radio's snapshot that knows when it came on the host's clock."""
    return replace(radio_snapshot(index), host_monotonic_ns=10**12 + index * 50_000_000)


def test_two_sensors_stand_beside_one_another_each_with_its_name_badge_and_views(
    make_window: MakeWindow, shots: Path
) -> None:
    window = make_window(SyntheticFeed)
    spin_until(lambda: window.shows_frame)
    assert not window.pane.head.isVisible()  # alone it needs no name
    alone = window.views.docks["plan"].geometry()
    window.add_sensor(lambda: SyntheticFeed(make=radio_snapshot), RADIO)
    spin_until(lambda: window.shows_frame and all(pane.head.badge.isVisible() for pane in window.sensors.panes))
    assert window.width() == 1280  # nothing forces it larger
    left, right = window.sensors.panes
    assert left.geometry().right() < right.geometry().left()
    assert abs(left.width() - right.width()) < 10
    for pane, name in ((left, RADAR), (right, RADIO)):
        assert (pane.head.name.toolTip(), pane.head.badge.text()) == (name, "SIMULATED")
        upper, lower = pane.views.docks["map"], pane.views.docks["plan"]
        assert upper.isVisible() and lower.isVisible()
        assert upper.mapTo(pane, QPoint()).y() < lower.mapTo(pane, QPoint()).y()
    assert RADAR in window.windowTitle() and RADIO in window.windowTitle()
    window.grab().save(str(shots / "two-beside-1280.png"))
    window.remove_sensor(right.stream)
    spin(50)
    assert not left.head.isVisible() and window.sensors.panes == [left]
    again = window.views.docks["plan"].geometry()  # as it was before, but for how Qt rounds
    assert abs(again.left() - alone.left()) < 25 and (again.top(), again.height()) == (alone.top(), alone.height())


def test_the_active_sensor_is_chosen_by_click_and_key_and_everything_else_is_about_it(make_window: MakeWindow) -> None:
    window = both(make_window)
    first, second = window.sensors.panes
    assert window.pane is first and first.head.active.isVisible() and not second.head.active.isVisible()
    second.stream.feed.state = replace(second.stream.feed.state, model="BISTATIC")  # type: ignore[union-attr]
    plan = second.views.docks["plan"].view
    assert plan is not None
    QTest.mouseClick(plan.widget.viewport(), Qt.MouseButton.LeftButton)  # type: ignore[attr-defined]
    assert window.stream is second.stream and window.views is second.views
    spin_until(lambda: window.health_panel._model.text() == "BISTATIC")
    assert second.head.active.isVisible() and not first.head.active.isVisible()
    QTest.keyClick(window, Qt.Key.Key_N)
    spin_until(lambda: window.health_panel._model.text() == "AWR1642")
    assert window.stream is first.stream
    QTest.mouseClick(second.head, Qt.MouseButton.LeftButton)
    assert window.timeline is second.stream.timeline
    QTest.keyClick(window, Qt.Key.Key_3)
    assert second.views.docks["range_azimuth"].isVisible() and not first.views.docks["range_azimuth"].isVisible()


def test_one_transport_moves_all(make_window: MakeWindow) -> None:
    window = both(make_window)
    first, second = (pane.stream.timeline for pane in window.sensors.panes)
    spin_until(lambda: min(len(first), len(second)) > 10)
    QTest.keyClick(window, Qt.Key.Key_Space)
    spin(80)
    assert first.mode is second.mode is Mode.FROZEN
    assert first.current is not None and second.current is not None
    assert "aligned at their starts" in window._status.text()  # the fakes do not say when their frames came
    QTest.keyClick(window, Qt.Key.Key_Home)
    QTest.keyClick(window, Qt.Key.Key_Right)
    QTest.keyClick(window, Qt.Key.Key_Right)
    spin(60)
    assert first.current.index == second.current.index == 2
    QTest.keyClick(window, Qt.Key.Key_L)
    spin(60)
    assert first.mode is second.mode
    assert first.position == len(first) - 1 and second.position == len(second) - 1


@pytest.mark.parametrize("theme", ["dark", pytest.param("light", marks=pytest.mark.slow)])
def test_overlaid_they_share_one_plan_of_the_room(make_window: MakeWindow, shots: Path, theme: str) -> None:
    window = both(make_window)
    window.set_theme(theme)
    for pane, pose in zip(window.sensors.panes, (Pose(x_m=-1.5, yaw_rad=-0.2), Pose()), strict=True):
        pane.stream.placement = Placement(pose)
    for arrangement, key in ((Arrangement.OVERLAID, Qt.Key.Key_2), (Arrangement.BOTH, Qt.Key.Key_3)):
        QTest.keyClick(window, key, Qt.KeyboardModifier.AltModifier)
        room = window.sensors.room
        assert room is not None and room.isVisible() and window.sensors.arrangement is arrangement
        spin_until(lambda: window.shows_frame)
        assert room.view is not None
        assert sorted(room.view.label_texts) == ["A4", "A5", "A6", "B4", "B5", "B6"]
        assert f"no pose is known of {RADIO}" in room.note.text()
        assert all(pane.isVisible() is (arrangement is Arrangement.BOTH) for pane in window.sensors.panes)
        assert window._actions[f"arrange_{arrangement.value}"].isChecked()
        assert [head.mark.accessibleName() for head in room.heads.values()] == ["Sensor A", "Sensor B"]
        for size in ((1280, 720), (1920, 1080)):
            window.resize(*size)
            spin(60)
            assert (window.width(), window.height()) == size
            window.grab().save(str(shots / f"two-{arrangement.value}-{size[0]}-{theme}.png"))
    QTest.keyClick(window, Qt.Key.Key_I)
    spin(60)
    room = window.sensors.room
    assert room is not None and room.view is not None
    assert room.view.label_texts == []
    QTest.mouseClick(list(room.heads.values())[1], Qt.MouseButton.LeftButton)
    assert window.stream is window.sensors.panes[1].stream
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.AltModifier)
    spin(50)
    assert not room.isVisible() and window.theme is THEMES[theme]


def test_a_fault_of_the_room_stops_the_room_alone(make_window: MakeWindow, shots: Path) -> None:
    window = both(make_window)
    window.arrange(Arrangement.BOTH)
    room = window.sensors.room
    assert room is not None and room.view is not None
    spin_until(lambda: room.is_ready)

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a slip in the room")

    room.view.show_layers = fail  # type: ignore[method-assign]
    spin_until(lambda: room.error is not None)
    assert isinstance(room.stack.currentWidget(), FailurePage)
    assert "'Room' has stopped" in window.toasts.shown[-1].what and "a slip" in window.toasts.shown[-1].cause
    lengths = [len(pane.stream.timeline) for pane in window.sensors.panes]
    spin_until(lambda: all(len(p.stream.timeline) > n for p, n in zip(window.sensors.panes, lengths, strict=True)))
    assert window.first_error is None and not any(pane.views.errors for pane in window.sensors.panes)
    window.grab().save(str(shots / "two-room-fault-1280.png"))
    QTest.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    spin_until(lambda: room.view is not None and room.is_ready)
    assert window.fault is None
    assert room.view is not None
    marks = room.view._marks["B"]
    marks._trails._strokes = [None]  # type: ignore[list-item] # a fault of painting, in Qt's own time
    window.timeline.pause()
    with _reported_by(window):
        room.view.widget.viewport().update()
        spin_until(lambda: room.error is not None)
    assert not any(pane.views.errors for pane in window.sensors.panes)


def test_a_sensor_that_cannot_be_opened_is_lost_or_ends_leaves_the_other_going(
    make_window: MakeWindow, shots: Path
) -> None:
    def refuse() -> Feed:
        raise DeviceNotFoundError("there is no radio", "plug it in")

    window = make_window(SyntheticFeed, refuse)
    first, second = window.sensors.panes
    spin_until(lambda: second.stream.error is not None and len(first.stream.timeline) > 5)
    spin(50)
    assert second.stack.currentWidget() is second.empty and "there is no radio" in second.empty.text.text()
    assert first.stack.currentWidget() is first.views and window.error is None
    assert second.head.state.toolTip() == "stopped: there is no radio"
    assert "there is no radio" in window.toasts.shown[-1].what
    assert isinstance(window.first_error, DeviceNotFoundError)
    window.grab().save(str(shots / "two-one-failed-1280.png"))
    window.add_sensor(lambda: SyntheticFeed(8), RADIO)  # in place of what could not be opened
    assert len(window.sensors.panes) == 2
    spin_until(lambda: second.stream.timeline.current is not None)
    ended = second.stream.feed
    assert isinstance(ended, SyntheticFeed)
    ended.state = replace(ended.state, running=False, error=DeviceTimeoutError("it fell silent", "look at the cable"))
    spin_until(lambda: second.stream.error is not None)
    before = len(first.stream.timeline)
    spin_until(lambda: len(first.stream.timeline) > before + 5)
    assert second.head.state.toolTip() == "stopped: it fell silent" and window.error is None


def test_a_view_asks_its_own_sensor_for_a_time(make_window: MakeWindow) -> None:
    window = make_window(SyntheticFeed, lambda: SyntheticFeed(make=arrived))
    second = window.sensors.panes[1]
    spin_until(lambda: window.shows_frame and len(second.stream.timeline) > 12)
    second.views.seek_requested.emit(arrived(5).host_monotonic_ns)
    assert window.stream is second.stream
    assert second.stream.timeline.current is not None
    assert second.stream.timeline.current.index == 5 and second.stream.timeline.mode is Mode.FROZEN


def test_the_record_button_records_all_to_files_of_their_own(
    make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    radar, radio = RecordableFeed(), RecordableFeed(make=radio_snapshot)
    window = make_window(lambda: radar, lambda: radio)
    spin_until(lambda: window.shows_frame and "radio" in window.record_bar.path_label.toolTip())
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: window.record_bar.is_recording and "free" in window.record_bar.status.text())
    QTest.keyClick(window, Qt.Key.Key_N)
    QTest.keyClick(window, Qt.Key.Key_M)
    names = [feed.calls[0][0] for feed in (radar, radio)]  # type: ignore[index]
    assert [name.rsplit("-", 1)[1] for name in names] == ["radar.h5", "radio.h5"]
    assert [feed.calls[1] for feed in (radar, radio)] == ["marker 1", "marker 1"]
    QTest.keyClick(window, Qt.Key.Key_Escape)
    window.marker_note.hide()
    QTest.keyClick(window, Qt.Key.Key_R)
    assert [feed.calls[-1] for feed in (radar, radio)] == ["stop", "stop"]
    spin_until(lambda: any("radio.h5" in toast.what for toast in window.toasts.shown))
    window.remove_sensor(window.stream)
    spin(20)
    assert "radio" not in window.record_bar.path_label.toolTip()


def test_another_sensor_is_added_by_the_dialog_and_only_so_many_fit(make_window: MakeWindow) -> None:
    opened: list[Choice] = []

    def opener(choice: Choice) -> Feed:
        opened.append(choice)
        if len(opened) == 1:
            raise DeviceNotFoundError("there is no board", "plug it in")
        return SyntheticFeed(make=radio_snapshot)

    window = make_window(SyntheticFeed, sources=Sources(opener, lambda path: path.read_text()))
    spin_until(lambda: window.shows_frame)
    first = window.feed
    QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert window.chooser is not None and window.chooser.dialog is not None
    dialog = window.chooser.dialog
    spin_until(lambda: dialog.start_button.isEnabled())
    dialog.start_button.click()
    spin_until(lambda: dialog.isVisible() and dialog.error_box.isVisible())
    dialog.start_button.click()
    spin_until(lambda: window.shows_frame and len(window.sensors.panes) == 2)
    assert window.feed is first and window.chooser.dialog is None
    for _ in range(3):
        window.add_sensor(SyntheticFeed, RADAR)
    assert len(window.sensors.panes) == 4 and "shown already" in window.toasts.shown[-1].what
    spin_until(lambda: window.shows_frame)
    QTest.keyClick(window, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert len(window.sensors.panes) == 3 and window.feed is not first
    spin_until(lambda: isinstance(first, SyntheticFeed) and first.closed == 1)


def _simulated(url: str) -> SessionFeed:
    device = open_device(url)
    session = Session(device, pipeline=Pipeline(device.configure()))
    return SessionFeed(
        session, make_recorder=lambda path: _capture.open_writer(device, path), placement=Placement.of(device),
        host_clock=HostClock.of_device(),
    )  # fmt: skip


@pytest.mark.slow
def test_two_simulated_devices_are_shown_at_one_time_and_recorded_whole_then_played_together(
    make_window: MakeWindow, tmp_path: Path, shots: Path, app: QApplication
) -> None:
    radar, radio = "sim://awr1642?scene=lab-walk&clock=room", "sim://bistatic?scene=lab-walk&clock=room"
    window = make_window(lambda: _simulated(radar), lambda: _simulated(radio))
    spin_until(lambda: window.shows_frame, 60.0)
    window.record_bar._chosen = tmp_path / "walk.h5"
    window._actions["record"].trigger()
    spin_until(lambda: all(s.health is not None and s.health.recorded_frames > 12 for s in window.streams.items), 60.0)
    window._actions["marker"].trigger()
    window._actions["play"].trigger()
    spin(80)
    times = [stream.timeline.current.host_monotonic_ns for stream in window.streams.items if stream.timeline.current]
    spacing = max(
        max(b.host_monotonic_ns - a.host_monotonic_ns for a, b in pairwise(kept))
        for kept in (stream.timeline.kept for stream in window.streams.items)
        if len(kept) > 1
    )
    assert abs(times[0] - times[1]) <= spacing and window.streams.alignment_text == ""
    window.arrange(Arrangement.OVERLAID)
    spin(100)
    window.grab().save(str(shots / "two-simulated-1280.png"))
    window._actions["record"].trigger()
    spin_until(lambda: not any(s.health is not None and s.health.recording for s in window.streams.items), 30.0)
    window.close()
    files = [tmp_path / "walk-radar.h5", tmp_path / "walk-radio.h5"]
    for path in files:
        with open_recording(path) as recording:
            assert recording.closed_cleanly and len(recording) > 12
            assert "marker 1" in [event.text for event in recording.events]
            assert recording.pose != Pose()
    picture = tmp_path / "both.png"
    command = ["view", *map(str, files), "--arrange", "both", "--screenshot", str(picture), "--after", "0.5s"]
    assert run(command) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_opens_several_and_refuses_what_does_not_go_together(
    app: QApplication, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, profile = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "x.cfg"
    write_recording(a, 4)
    write_recording(b, 4)
    profile.write_text("x")
    assert run(["view", str(a), str(b), "-c", str(profile)]) == 2
    assert "several are opened" in capsys.readouterr().err
    assert run(["view", *[str(a)] * 5]) == 2
    assert "do not fit" in capsys.readouterr().err
    (tmp_path / "new-recording-2.h5").touch()
    assert run(["view", str(a), str(b), "-o", str(tmp_path / "new.h5")]) == RecordingError.exit_code
    assert "new-recording-2.h5 exists already" in capsys.readouterr().err
    picture = tmp_path / "two.png"
    began_s = time.monotonic()
    assert run(["view", str(a), str(b), "--screenshot", str(picture), "--after", "0.3s"]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG") and time.monotonic() - began_s < 60.0
