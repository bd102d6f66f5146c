"""The viewer from the connect dialog to the last export, driven as a user does it, at real simulators and files."""

import importlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import h5py
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QLineEdit

from isactrack.acquisition.plan import parse_plan
from isactrack.acquisition.snapshot import Snapshot
from isactrack.cli.main import run
from isactrack.gui.models.exporting import ExportKind, settings_hash
from isactrack.gui.models.timeline import Mode
from isactrack.gui.models.tuning import Settings
from isactrack.gui.models.views import VIEWS, ViewEntry
from isactrack.gui.qt.tuning_panel import TuningPanel
from isactrack.gui.qt.view import View
from isactrack.gui.qt.view_dock import FailurePage
from isactrack.recordings import open_recording, read_tracks_csv
from tests.gui.lab import CTRL, SHIFT, Lab, check_complete, lab
from tests.gui.loops import spin

RADAR = "sim://awr1642?scene=crossing&seed=7"
RADIO_BAD = "sim://bistatic?scene=lab-walk&link=usb&fault=unplug@9s+1s"
PROFILE_OF_A_RADIO = Path(__file__).parents[2] / "drivers" / "bistatic" / "default_profile.toml"
FRAMES = 50
SLOW = pytest.mark.slow


@pytest.fixture
def viewer(
    app: QApplication, tmp_path: Path, config_folder_of_test: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    monkeypatch.chdir(tmp_path)
    with lab(config_folder_of_test) as opened:
        yield opened


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the simulated radar."""
    path = tmp_path_factory.mktemp("walk") / "walk.h5"
    assert run(["record", "-d", f"{RADAR}&speed=max", "-o", str(path), "--frames", str(FRAMES)]) == 0
    return path


def open_file(viewer: Lab, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open a recording with Ctrl+O and wait until all of it was read."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args, **_kw: (str(path), ""))
    viewer.press(Qt.Key.Key_O, CTRL)
    viewer.until(lambda: viewer.window.shows_frame and viewer.window.timeline.ended)


# --- live ------------------------------------------------------------------------------------------------------------


def test_a_simulator_is_chosen_its_profile_checked_and_started(
    viewer: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert viewer.window.empty.isVisible() and "Ctrl+N" in viewer.window.empty.text.text()
    viewer.press(Qt.Key.Key_N, CTRL)
    dialog = viewer.dialog
    viewer.until(lambda: dialog.table.rowCount() > 0)
    kinds = [dialog.table.item(row, 4) for row in range(dialog.table.rowCount())]
    urls = [item.text() for item in kinds if item is not None]
    assert urls[:2] == ["sim://awr1642", "sim://bistatic"]
    for url in ("sim://bistatic", "sim://awr1642"):
        item = dialog.table.item(urls.index(url), 0)
        assert item is not None
        viewer.click(dialog.table.viewport(), dialog.table.visualItemRect(item).center())
        assert dialog.source.currentText() == url
    limits = {dialog.limits.item(row, 2).text() for row in range(dialog.limits.rowCount())}  # type: ignore[union-attr]
    assert {"range limit", "velocity limit"} <= limits
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args, **_kw: (str(PROFILE_OF_A_RADIO), ""))
    viewer.click(dialog.profile_button)
    assert dialog.error_box.isVisible() and not dialog.start_button.isEnabled()
    viewer.click(dialog.default_button)
    assert not dialog.error_box.isVisible()
    viewer.click(dialog.start_button)
    viewer.until(lambda: viewer.window.shows_frame and len(viewer.window.timeline) > 3)
    assert viewer.window.timeline.mode is Mode.FOLLOWING
    assert viewer.window.status_badge.isVisible() and viewer.window.health_panel.isVisible()
    viewer.until(lambda: viewer.window.health_panel.badge.isVisible())
    assert viewer.window.error is None and not viewer.messages


def test_a_recording_goes_on_while_the_display_is_frozen_and_keeps_a_marker_and_its_note(viewer: Lab) -> None:
    viewer.connect(RADAR)
    path = viewer.record()
    viewer.until(lambda: viewer.recorded_frames > 3)
    viewer.press(Qt.Key.Key_M)
    note = viewer.window.marker_note
    assert note.isVisible()
    QTest.keyClicks(note.line, "someone opens the door")
    QTest.keyClick(note.line, Qt.Key.Key_Return)
    assert not note.isVisible()
    viewer.click(viewer.window.transport.play_button)
    frozen, before = viewer.shown, viewer.recorded_frames
    viewer.until(lambda: viewer.recorded_frames > before + 10)
    assert viewer.shown == frozen and viewer.window.timeline.mode is Mode.FROZEN
    viewer.until(lambda: "behind" in viewer.window.transport.live_button.text())
    viewer.press(Qt.Key.Key_L)
    viewer.until(lambda: viewer.shown > frozen)
    viewer.stop_recording()
    frames = viewer.recorded_frames
    check_complete(path, 14)
    with open_recording(path) as recording:
        assert len(recording) == frames
        assert {"marker 1", "marker 1: someone opens the door"} <= {event.text for event in recording.events}
    viewer.until(lambda: any(message.startswith(f"recorded {path}") for message in viewer.messages))


def test_the_threshold_is_changed_taken_back_and_saved(
    viewer: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.connect(RADAR)
    viewer.press(Qt.Key.Key_U)
    viewer.until(lambda: viewer.window.tuning.panel is not None)
    panel = viewer.window.tuning.panel
    assert isinstance(panel, TuningPanel) and panel.isVisible()
    assert viewer.window.tuning.tuning is not None and viewer.window.tuning.tuning.applier is not None
    applier = viewer.window.tuning.tuning.applier

    def detections() -> float:
        """Return how many there are in a frame, over ten frames from now."""
        from_now = len(viewer.window.timeline) + viewer.window.timeline.dropped + 1
        viewer.until(lambda: len(viewer.window.timeline) + viewer.window.timeline.dropped >= from_now + 10)
        return sum(len(snapshot.detections) for snapshot in viewer.window.timeline.kept[-10:]) / 10

    before = detections()
    viewer.type_in(panel.search, "snr")
    assert not panel.rows["chain.p_fa"].isVisible()
    editor = panel.rows["chain.min_snr_db"].editor
    assert isinstance(editor, QLineEdit)
    usual = editor.text()
    viewer.enter(editor, "200")
    viewer.until(lambda: panel.status.text().startswith("In use"))
    assert applier.used.flat()["chain.min_snr_db"] == 200.0
    assert before > 1.0 and detections() == 0.0
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, **_kw: (str(tmp_path / "run.toml"), ""))
    viewer.click(panel.save_button)
    assert parse_plan((tmp_path / "run.toml").read_text(), tmp_path).chain.min_snr_db == 200.0
    viewer.click(panel.undo_button)
    viewer.until(lambda: panel.status.text().startswith("In use"))
    assert editor.text() == usual and applier.used.flat()["chain.min_snr_db"] == float(usual)
    assert detections() > 1.0
    assert viewer.window.error is None and not viewer.messages


# --- a file ----------------------------------------------------------------------------------------------------------


def test_a_recording_is_opened_sought_through_and_stepped(
    viewer: Lab, walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file(viewer, walk, monkeypatch)
    window, slider = viewer.window, viewer.window.transport.slider
    assert not window.record_bar.isVisible() and len(window.timeline) == FRAMES
    viewer.press(Qt.Key.Key_Space)
    viewer.click(slider, QPoint(slider.width() // 2, slider.height() // 2))
    middle = viewer.shown
    assert abs(middle - FRAMES // 2) <= 1 and window.timeline.mode is Mode.FROZEN
    viewer.press(Qt.Key.Key_Right)
    assert viewer.shown == middle + 1
    viewer.click(window.transport._buttons["step_back"])
    viewer.press(Qt.Key.Key_Left)
    assert viewer.shown == middle - 1
    here_s = window.timeline.current_time_s
    viewer.press(Qt.Key.Key_Right, SHIFT)
    assert window.timeline.current_time_s == pytest.approx(here_s + 1.0, abs=0.06)
    viewer.press(Qt.Key.Key_Home)
    assert viewer.shown == 0
    viewer.press(Qt.Key.Key_End)
    assert viewer.shown == FRAMES - 1
    viewer.press(Qt.Key.Key_BracketRight)
    viewer.press(Qt.Key.Key_Space)  # from the start, as it stands at the end
    assert str(window.timeline.mode) == "playing" and window.timeline.speed == 2.0
    viewer.until(lambda: 5 < viewer.shown < FRAMES - 1)
    spin(60)
    assert window.views.docks["map"].is_ready and not window.views.errors


@pytest.fixture
def exporting(viewer: Lab, walk: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A recording, paused in its middle."""
    open_file(viewer, walk, monkeypatch)
    viewer.press(Qt.Key.Key_Space)
    slider = viewer.window.transport.slider
    viewer.click(slider, QPoint(slider.width() // 2, slider.height() // 2))
    spin(60)
    return viewer


def export(viewer: Lab, kind: ExportKind, path: Path, view: str = "", span: tuple[str, str] | None = None) -> Path:
    """Export with the dialog, by keys and clicks, and close it."""
    dialog = viewer.export_dialog()
    viewer.pick(dialog.kind, kind.label)
    if view:
        viewer.pick(dialog.view, view)
    if kind is ExportKind.MP4:
        dialog.size_box.addItem("320 x 240", QSize(320, 240))
        viewer.pick(dialog.size_box, "320 x 240")
    for box, text in zip((dialog.start, dialog.stop), span or (), strict=False):
        viewer.enter(box, text)
    viewer.type_in(dialog.file, str(path))
    viewer.click(dialog.export_button)
    viewer.until(lambda: dialog.job is None)
    assert dialog.status.text() == f"Written: {path}", dialog.status.text()
    viewer.click(dialog.close_button)
    return path


def test_every_kind_is_exported_with_its_stamp(exporting: Lab, tmp_path: Path, walk: Path) -> None:
    av = pytest.importorskip("av")
    parquet = pytest.importorskip("pyarrow.parquet")
    with open_recording(walk) as recording:
        now = settings_hash(Settings.default(recording.sensor))
        times_s = recording.device_time_s.tolist()
    shown_s = exporting.window.timeline.current_time_s

    picture = QImage(str(export(exporting, ExportKind.PNG, tmp_path / "map.png", view="Range–Doppler")))
    assert picture.width() > 300 and picture.height() > 200
    assert picture.text("isactrack settings_hash") == now
    assert picture.text("isactrack source") == str(walk)
    assert picture.text("isactrack span").startswith(f"{shown_s:.6f} s")

    drawing = ET.parse(export(exporting, ExportKind.SVG, tmp_path / "plan.svg", view="Plan")).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert json.loads(drawing.findtext(f"{space}metadata") or "")["settings_hash"] == now
    assert "boresight" in " ".join(drawing.itertext())

    table = read_tracks_csv(export(exporting, ExportKind.CSV, tmp_path / "tracks.csv", span=("0.5", "1.5")))
    assert table.time_s.min() >= 0.5 and 1.2 < table.time_s.max() <= 1.5
    assert json.loads((tmp_path / "tracks.csv.stamp.json").read_text())["settings_hash"] == now

    columns = parquet.read_table(
        export(exporting, ExportKind.PARQUET, tmp_path / "tracks.parquet", span=("0.5", "1.5"))
    )
    assert columns.num_rows == len(table.time_s)
    assert json.loads(columns.schema.metadata[b"isactrack"])["settings_hash"] == now

    path = export(exporting, ExportKind.MP4, tmp_path / "plan.mp4", view="Plan", span=("1", "2"))
    with av.open(str(path)) as film:
        pictures = list(film.decode(video=0))
        stamp = json.loads(film.metadata["comment"])
    assert (pictures[0].width, pictures[0].height) == (320, 240) and 20 <= len(pictures) <= 27
    assert stamp["settings_hash"] == now and stamp["span"].startswith("1.0")

    path = export(exporting, ExportKind.CUT, tmp_path / "part.h5", span=("1", "2"))
    inside = [time_s for time_s in times_s if 1.0 <= time_s <= 2.0]
    with open_recording(path) as cut:
        assert cut.closed_cleanly and cut.device_time_s.tolist() == inside
    with h5py.File(path) as file:
        stamps = {name: value for name, value in file.attrs.items() if name.startswith("stamp_")}
    assert stamps["stamp_settings_hash"].decode() == now
    assert exporting.window.error is None


# --- what breaks -----------------------------------------------------------------------------------------------------


def test_a_broken_layout_is_set_aside_and_the_layout_is_reset(
    app: QApplication, walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "settings"
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args, **_kw: ("mine", True))
    with lab(folder) as viewer:
        open_file(viewer, walk, monkeypatch)
        viewer.click(viewer.window.views.docks["plan"]._title_bar._close_button)
        viewer.press(Qt.Key.Key_S, CTRL | SHIFT)
    assert {path.name for path in folder.glob("la*.json")} == {"last.json", "layout-mine.json"}
    with lab(folder) as viewer:
        assert viewer.window.views.docks["plan"].isHidden() and not viewer.messages  # as it was left
    for path in folder.glob("la*.json"):
        path.write_bytes(path.read_bytes()[:-40] + b"}{")
    with lab(folder) as viewer:
        assert {path.name for path in folder.glob("*.broken")} == {"last.json.broken", "layout-mine.json.broken"}
        viewer.until(lambda: len(viewer.messages) == 2)
        open_file(viewer, walk, monkeypatch)
        docks = viewer.window.views.docks
        assert not docks["plan"].isHidden() and not docks["map"].isHidden()
        viewer.click(docks["map"]._title_bar._close_button)
        assert docks["map"].isHidden()
        viewer.press(Qt.Key.Key_R, CTRL | SHIFT)
        assert not docks["map"].isHidden()
        viewer.press(Qt.Key.Key_Backspace, SHIFT)
        assert not viewer.window.toast_stack.isVisible()


def test_a_radio_that_is_unplugged_comes_back_and_its_recording_goes_on_in_a_second_part(viewer: Lab) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("usb")
    viewer.connect(RADIO_BAD, frames=1)
    window = viewer.window
    first = viewer.record()
    second = first.with_name(f"{first.stem}-part2.h5")
    viewer.until(lambda: "onnection lost" in window.lost_banner.text)
    viewer.until(lambda: "goes on in a file of its own" in window.lost_banner.text, 2.0)
    assert window.lost_banner.isVisible() and window.record_bar.is_recording
    viewer.until(lambda: bool(window.timeline.gaps) and second.exists())
    assert not window.lost_banner.isVisible() and f"{window.opening.name} is there again" in viewer.messages
    viewer.until(lambda: viewer.recorded_frames > 50)
    viewer.stop_recording()
    for part in (first, second):
        check_complete(part, 50)
    assert window.error is None


@pytest.fixture(scope="module")
def faulty(app: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A live radar with all views open, which goes on from test to test as faults in it may not end it."""
    with pytest.MonkeyPatch.context() as patch, lab() as viewer:
        patch.chdir(tmp_path_factory.mktemp("faults"))
        viewer.connect(RADAR)
        viewer.press(Qt.Key.Key_3, CTRL)  # Debug: all views
        yield viewer


def broken(entry: ViewEntry, where: str) -> tuple[Any, str, type[View]]:
    """Return the module of a view, the name of its class there, and a class for its place that fails in one method."""
    module, _, name = entry.factory.partition(":")

    def fail(self: View, *_: object) -> None:
        int("a slip")  # raised in C: where PySide lets it through what paints, it ends the process

    return importlib.import_module(module), name, type(name, (cast(type[View], entry.load()),), {where: fail})


@pytest.mark.parametrize("entry", [pytest.param(one, id=one.name, marks=() if one.layouts else SLOW) for one in VIEWS])
def test_an_exception_in_a_view_stops_that_view_alone_and_the_recording_is_complete(
    faulty: Lab, entry: ViewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    docks = faulty.window.views.docks
    other = next(one for one in VIEWS if one.place is not entry.place)
    with faulty.reported():
        path = faulty.record()
        faulty.press(getattr(Qt.Key, f"Key_{other.key}"))
        faulty.press(getattr(Qt.Key, f"Key_{entry.key}"))
        faulty.until(lambda: docks[entry.name].is_seen and docks[other.name].is_seen)
        faulty.until(lambda: faulty.recorded_frames > 2)
        for where in ("show_snapshots", "paintEvent"):
            check_fault(faulty, entry, other, where, monkeypatch)
        faulty.stop_recording()
    check_complete(path, 5)
    assert faulty.window.error is None


def check_fault(viewer: Lab, entry: ViewEntry, other: ViewEntry, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant an exception in a view, and check that it is told, that another view goes on, and that a retry helps."""
    docks = viewer.window.views.docks
    with monkeypatch.context() as planted:
        planted.setattr(*broken(entry, where))
        docks[entry.name].build()
        viewer.until(lambda: docks[entry.name].error is not None)
    page = docks[entry.name].widget()
    assert isinstance(page, FailurePage) and "a slip" in page.text.text()
    assert any(entry.title in message and "stopped" in message for message in viewer.messages)
    assert [title for title, _ in viewer.window.views.errors] == [entry.title]
    with monkeypatch.context() as watched:
        drawn: list[int] = []
        view = docks[other.name].view
        assert view is not None
        show = view.show_snapshots

        def watch(history: Sequence[Snapshot]) -> None:
            drawn.append(history[-1].index)
            show(history)

        watched.setattr(view, "show_snapshots", watch)
        viewer.until(lambda: len(drawn) >= 2)
        assert drawn == sorted(set(drawn))
    viewer.press(Qt.Key.Key_R, CTRL)
    viewer.until(lambda: docks[entry.name].is_ready and docks[entry.name].error is None)
    viewer.press(Qt.Key.Key_Backspace, SHIFT)
    assert not viewer.window.views.errors
