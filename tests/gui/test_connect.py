"""Choosing what is shown: the dialog, files, and a window that goes from one source to the next."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QGraphicsView, QWidget

from isactrack.cli.main import run
from isactrack.cli.view import _Opener
from isactrack.drivers.awr1642.profile import default_profile
from isactrack.drivers.registry import FoundDevice
from isactrack.errors import ConfigError, DeviceNotFoundError, IsacError
from isactrack.gui.models.connect import (
    MAX_RECENT,
    Choice,
    DeviceSearch,
    Kind,
    RecentSources,
    Sources,
    kind_of,
    preview,
)
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.health_text import NOTHING_OPEN
from isactrack.gui.models.theme import DARK, LIGHT, Theme
from isactrack.gui.models.timeline import Mode
from isactrack.gui.qt import app as app_module
from isactrack.gui.qt.connect_dialog import ConnectDialog
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.style import apply_theme
from isactrack.recordings import open_recording
from isactrack.source import Source
from tests.gui.conftest import SyntheticFeed
from tests.gui.loops import spin_until
from tests.gui.test_viewer_command import write_recording

BOARD = FoundDevice(
    "awr1642:///dev/ttyACM0", "AWR1642", "radar board behind XDS110", Source.HARDWARE,
    console_port="/dev/ttyACM0", data_port="/dev/ttyACM1", serial_number="R0081038",
)  # fmt: skip
SIMULATED = FoundDevice("sim://awr1642", "AWR1642", "simulated radar", Source.SIMULATED)
RADIO = Path(__file__).parents[2] / "drivers" / "bistatic" / "default_profile.toml"


# --- what is known without a window ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("sim://awr1642?scene=crossing", Kind.RADAR), ("sim://bistatic", Kind.RADIO), ("awr1642://auto", Kind.RADAR),
        ("bistatic://usb", Kind.RADIO), ("file://walk.h5", Kind.FILE), ("walk.h5", Kind.FILE),
        ("spy+awr1642://auto", Kind.RADAR),
    ],
)  # fmt: skip
def test_a_source_says_what_it_is(source: str, kind: Kind) -> None:
    assert kind_of(source) is kind


@pytest.mark.parametrize(
    ("source", "words"), [("", "nothing is chosen"), ("nodriver://x", "no driver"), ("://", "no driver")]
)
def test_what_is_no_source_is_refused(source: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        kind_of(source)


def test_the_default_profile_and_a_recording_show_their_limits(tmp_path: Path) -> None:
    write_recording(tmp_path / "walk.h5", 2)
    radar, radio = preview(Choice("sim://awr1642"), Path.read_text), preview(Choice("sim://bistatic"), Path.read_text)
    assert {"range limit", "velocity limit"} <= {row[2] for row in radar.rows} and radar.error is None
    assert {"path limit", "path resolution"} <= {row[2] for row in radio.rows} and radio.error is None
    assert preview(Choice(str(tmp_path / "walk.h5")), Path.read_text).rows == radar.rows


def test_a_profile_that_cannot_run_is_told_with_its_limit_and_what_to_do(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(default_profile().replace("sample_rate_ksps", "sample_rats_ksps"))
    found = preview(Choice("sim://awr1642", bad), Path.read_text)
    assert found.error is not None and "sample_rats_ksps" in str(found.error) and found.error.hint
    bad.write_text(default_profile().replace("sample_rate_ksps = 5000", "sample_rate_ksps = 50000"))
    found = preview(Choice("sim://awr1642", bad), Path.read_text)
    assert found.error is not None and found.error.hint  # physics
    found = preview(Choice("sim://awr1642", RADIO), Path.read_text)
    assert found.error is not None and "is of a radio, and the device is a radar" in str(found.error)
    assert found.rows  # what it would be is shown all the same
    found = preview(Choice(str(tmp_path / "no.h5")), Path.read_text)
    assert found.error is not None and "there is no file" in str(found.error)


def test_devices_are_looked_for_in_the_background_and_simulated_ones_come_first(
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:
    search = DeviceSearch(lambda: [BOARD, SIMULATED])
    assert search.take() is None
    search.start()
    wait_until(lambda: not search.running)
    assert search.take() == [SIMULATED, BOARD]
    assert search.take() is None
    broken = DeviceSearch(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    broken.start()
    wait_until(lambda: not broken.running)
    assert broken.take() == [] and "ZeroDivisionError" in str(broken.error)


def test_recent_sources_are_few_the_last_one_first_and_survive_a_broken_file(tmp_path: Path) -> None:
    errors: list[IsacError] = []
    recent = RecentSources(tmp_path, errors.append)
    for number in range(12):
        recent.add(f"sim://awr1642?seed={number}")
    recent.add("sim://awr1642?seed=9")
    again = RecentSources(tmp_path, errors.append).items
    assert again[:2] == ("sim://awr1642?seed=9", "sim://awr1642?seed=11") and len(again) == MAX_RECENT == len(
        set(again)
    )
    document = json.loads((tmp_path / "recent.json").read_text())
    (tmp_path / "recent.json").write_text(json.dumps({**document, "sources": [1]}))
    assert RecentSources(tmp_path, errors.append).items == ()
    assert len(errors) == 1 and (tmp_path / "recent.json.broken").exists()


# --- the dialog ------------------------------------------------------------------------------------------------------


@pytest.fixture
def parent(app: QApplication) -> Iterator[QWidget]:
    widget = QWidget()
    widget.resize(1280, 720)
    widget.show()
    yield widget
    widget.deleteLater()


def make_dialog(parent: QWidget, theme: Theme = DARK, recent: tuple[str, ...] = ()) -> ConnectDialog:
    sources = Sources(lambda _choice: SyntheticFeed(), lambda path: path.read_text())
    dialog = ConnectDialog(theme, sources, recent, DeviceSearch(lambda: [BOARD, SIMULATED]), parent)
    dialog.open()
    spin_until(lambda: dialog.table.rowCount() == 2)
    return dialog


def cell(dialog: ConnectDialog, line: int, column: int) -> str:
    item = dialog.table.item(line, column)
    assert item is not None
    return item.text()


def test_the_dialog_lists_devices_and_their_limits_and_hands_on_the_choice(parent: QWidget, tmp_path: Path) -> None:
    dialog = make_dialog(parent, recent=("sim://bistatic?scene=lab-walk",))
    chosen: list[Choice] = []
    dialog.chosen.connect(chosen.append)
    assert [cell(dialog, 0, column) for column in (1, 4)] == ["simulated radar", "sim://awr1642"]
    assert [cell(dialog, 1, column) for column in (2, 3)] == ["R0081038", "/dev/ttyACM0, /dev/ttyACM1"]
    assert dialog.source.currentText() == "sim://awr1642" and dialog.limits.rowCount() == 8
    dialog.table.selectRow(1)
    assert dialog.source.currentText() == BOARD.url
    dialog.source.setCurrentIndex(0)
    assert dialog.source.currentText() == "sim://bistatic?scene=lab-walk"
    spin_until(lambda: dialog.limits.rowCount() == 9)
    dialog.set_profile(RADIO)
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert chosen == [Choice("sim://bistatic?scene=lab-walk", RADIO)] and not dialog.isVisible()


def test_what_cannot_run_is_told_in_the_dialog_and_cannot_be_started(
    parent: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = make_dialog(parent)
    chosen: list[Choice] = []
    dialog.chosen.connect(chosen.append)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args, **_kw: (str(RADIO), ""))
    dialog.profile_button.click()
    assert dialog.error_box.isVisible() and not dialog.start_button.isEnabled()
    dialog.accept()
    assert chosen == [] and dialog.isVisible()
    dialog.default_button.click()
    assert not dialog.error_box.isVisible() and dialog.start_button.isEnabled()
    dialog.source.setEditText("nodriver://x")
    spin_until(lambda: dialog.error_box.isVisible())
    dialog.source.setEditText("")
    spin_until(lambda: not dialog.error_box.isVisible())
    assert not dialog.start_button.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


# --- the window ------------------------------------------------------------------------------------------------------


@pytest.fixture
def make_window(
    app: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., MainWindow]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isactrack.gui.models.connect.list_devices", lambda: [BOARD, SIMULATED])
    windows: list[MainWindow] = []

    def make(
        opener: Callable[[Choice], Feed], first: Feed | None = None, size: tuple[int, int] = (1280, 720), **options: Any
    ) -> MainWindow:
        apply_theme(app, options.get("theme", DARK))
        opening = Opening(lambda: first or SyntheticFeed(), NOTHING_OPEN if first is None else "sim://first")
        window = MainWindow(opening, sources=Sources(opener, lambda path: path.read_text()), **options)
        window.resize(*size)
        windows.append(window)
        if first is not None:
            opening.start()
        window.show()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    spin_until(lambda: True)


MakeWindow = Callable[..., MainWindow]


def dialog_of(window: MainWindow) -> ConnectDialog:
    assert window.chooser is not None and window.chooser.dialog is not None
    return window.chooser.dialog


@pytest.mark.parametrize(("size", "theme"), [((1280, 720), DARK), ((1920, 1080), LIGHT)], ids=["1280", "1920"])
@pytest.mark.slow
def test_pictures_of_the_dialog(make_window: MakeWindow, shots: Path, size: tuple[int, int], theme: Theme) -> None:
    window = make_window(lambda _choice: SyntheticFeed(), SyntheticFeed(), size, theme=theme)
    spin_until(lambda: window.shows_frame)
    QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    dialog = dialog_of(window)
    spin_until(lambda: dialog.table.rowCount() > 0 and dialog.limits.rowCount() > 0)
    name = f"{'light-' if theme.light else ''}{size[0]}"
    dialog.grab().save(str(shots / f"connect-{name}.png"))
    assert dialog.width() <= size[0] and dialog.height() <= size[1]
    dialog.set_profile(RADIO)
    dialog.grab().save(str(shots / f"connect-error-{name}.png"))
    assert dialog.height() <= size[1]


def test_a_choice_closes_what_was_shown_before_the_next_is_opened(make_window: MakeWindow, shots: Path) -> None:
    first, second = SyntheticFeed(), SyntheticFeed(40, per_poll=40, live=False)
    opened: list[tuple[Choice, int]] = []

    def opener(choice: Choice) -> Feed:
        opened.append((choice, first.closed))
        return second

    window = make_window(opener, first)
    spin_until(lambda: window.shows_frame)
    window.choose_source()
    dialog = dialog_of(window)
    spin_until(lambda: dialog.start_button.isEnabled())
    given = first.given
    spin_until(lambda: first.given > given + 2)  # what is shown goes on behind the dialog
    dialog.start_button.click()
    assert window.feed is None and window.timeline.current is None
    spin_until(lambda: window.shows_frame)
    assert opened == [(Choice("sim://awr1642"), 1)]
    assert window.feed is second and not window.timeline.live and window.windowTitle().startswith("sim://awr1642")
    assert window.chooser is not None and window.chooser.dialog is None
    window.close()
    assert (first.closed, second.closed) == (1, 1)


def test_a_device_that_cannot_be_opened_is_told_in_the_dialog_and_can_be_tried_again(make_window: MakeWindow) -> None:
    failures = [DeviceNotFoundError("there is no board", "plug it in")]

    def opener(_choice: Choice) -> Feed:
        if failures:
            raise failures.pop()
        return SyntheticFeed()

    window = make_window(opener)
    assert window.empty.title.text() == "Nothing is open" and "Ctrl+N" in window.empty.text.text()
    window.choose_source()
    dialog = dialog_of(window)
    spin_until(lambda: dialog.start_button.isEnabled())
    dialog.start_button.click()
    spin_until(lambda: dialog.isVisible() and dialog.error_box.isVisible())
    assert "plug it in" in dialog.error_box._hint.text()
    dialog.start_button.click()
    spin_until(lambda: window.shows_frame)
    assert window.error is None


def drop(window: MainWindow, *paths: Path) -> bool:
    """Drop files on the window; return whether they were taken when they came."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(300, 300), action, mime, buttons, keys)
    enter.ignore()
    QApplication.sendEvent(window, enter)
    if enter.isAccepted():
        QApplication.sendEvent(window, QDropEvent(QPointF(300, 300), action, mime, buttons, keys))
    return enter.isAccepted()


def test_a_recording_is_opened_by_file_dialog_and_by_dropping_it(
    make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Choice] = []

    def opener(choice: Choice) -> Feed:
        opened.append(choice)
        return SyntheticFeed(10, per_poll=10, live=False)

    window = make_window(opener)
    assert not drop(window)
    assert not drop(window, tmp_path / "a.h5", tmp_path / "b.h5")
    assert drop(window, tmp_path / "a.h5")
    spin_until(lambda: window.shows_frame)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args, **_kw: (str(tmp_path / "b.h5"), ""))
    QTest.keyClick(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    spin_until(lambda: len(opened) == 2)
    assert [Path(choice.source).name for choice in opened] == ["a.h5", "b.h5"]
    takers = [
        view for view in window.findChildren(QGraphicsView) if view.acceptDrops() or view.viewport().acceptDrops()
    ]
    assert not takers  # a plot would keep from the window what is dropped on it


def test_a_window_without_sources_shows_one_thing_only(app: QApplication) -> None:
    window = MainWindow(Opening(SyntheticFeed, "sim://awr1642"))
    assert not window._actions["connect"].isEnabled() and not window._actions["open"].isEnabled()
    window.choose_source()
    window.choose_file()
    assert window.chooser is None and not window.acceptDrops()
    window.close()
    window.deleteLater()


def test_the_command_asks_first_and_refuses_what_it_cannot_record(
    app: QApplication, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen: list[str] = []

    def look(watch: Any) -> None:
        window = watch._window
        seen.append(window.empty.title.text())
        assert window.chooser.dialog.isVisible()
        watch._close()

    monkeypatch.setattr(app_module._Watch, "look", look)
    assert run(["view", "--choose"]) == 0
    assert seen[0] == "Nothing is open"
    assert run(["view", "--choose", "-o", str(tmp_path / "a.h5")]) == 2
    assert "--choose goes with neither" in capsys.readouterr().err


@pytest.mark.slow
def test_a_day_at_the_simulator(make_window: MakeWindow, tmp_path: Path, shots: Path) -> None:
    """Connect, record, mark, pause, stop, open the file, seek, step; then a cable that is pulled and plugged again."""
    from isactrack.cli._settings import ChainOptions, TrackerOptions
    from isactrack.cli.view import command

    options: dict[str, Any] = {str(parameter.name): None for parameter in command.params}
    opener = _Opener(ChainOptions(options), TrackerOptions(options), comes_back=True)
    window = make_window(opener.choose)
    window.choose_source()
    dialog = dialog_of(window)
    spin_until(lambda: dialog.start_button.isEnabled())
    dialog.start_button.click()
    spin_until(lambda: window.shows_frame and len(window.timeline) > 5, 60.0)
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: window.record_bar.is_recording)
    path = Path(window.record_bar.path_label.toolTip())
    QTest.keyClick(window, Qt.Key.Key_M)
    QTest.keyClicks(window.marker_note.line, "the door")
    QTest.keyClick(window.marker_note.line, Qt.Key.Key_Return)
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert window.timeline.mode is Mode.FROZEN
    spin_until(lambda: window.health is not None and window.health.recorded_frames > 30, 60.0)
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: not window.record_bar.is_recording)
    with open_recording(path) as recording:
        assert recording.closed_cleanly and len(recording) > 30
        texts = [event.text for event in recording.events]
    assert {"marker 1", "marker 1: the door"} <= set(texts)
    assert drop(window, path)
    spin_until(lambda: window.shows_frame and window.timeline.ended, 60.0)
    assert not window.record_bar.isVisible()
    window.transport.seek_requested.emit(window.timeline.kept[10].time_s)
    window.timeline.pause()
    QTest.keyClick(window, Qt.Key.Key_Right)
    assert window.timeline.position == 11
    window.choose_source()
    dialog = dialog_of(window)
    dialog.source.setEditText("sim://bistatic?scene=lab-walk&fault=unplug@1500ms+1s")
    dialog.accept()
    spin_until(lambda: "onnection lost" in window.lost_banner.text, 90.0)
    spin_until(lambda: bool(window.timeline.gaps), 90.0)
    assert window.error is None
