"""The tuning panel and the export dialog, offscreen."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLineEdit, QWidget

from isactrack.acquisition.pipeline import SettingsChange
from isactrack.acquisition.plan import parse_plan
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError, DeviceStateError, IsacError
from isactrack.fmcw import FmcwSensor
from isactrack.gui.models.exporting import ExportKind, settings_hash
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.reach import Reach
from isactrack.gui.models.theme import DARK, LIGHT, Theme
from isactrack.gui.models.tuning import Applier, Settings, Tuning, TuningModel
from isactrack.gui.qt.export_dialog import ExportContext, ExportDialog, ExportView
from isactrack.gui.qt.map_view import MapView
from isactrack.gui.qt.plan_view import PlanView
from isactrack.gui.qt.rendering import film_pictures, pixels
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.tuning_panel import TuningPanel
from isactrack.ofdm import OfdmSensor
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.chains import AnyChainConfig
from isactrack.recordings import read_tracks_csv
from isactrack.tracking.config import TrackerConfig
from tests.gui.loops import spin_until

pytestmark = pytest.mark.usefixtures("app")

RADAR = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=32, frame_period_s=0.1,
)  # fmt: skip
RADIO = OfdmSensor(
    model="synthetic", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=(4.0, 1.0),
)  # fmt: skip


class Target:
    def __init__(self) -> None:
        self.given: list[tuple[AnyChainConfig | None, TrackerConfig | None]] = []
        self.error: IsacError | None = None

    def reconfigure(
        self, chain_config: AnyChainConfig | None = None, tracker_config: TrackerConfig | None = None
    ) -> SettingsChange:
        if self.error is not None:
            raise self.error
        self.given.append((chain_config, tracker_config))
        return SettingsChange(("x",), ("tracks coast",))


@pytest.fixture
def opened() -> Iterator[list[QWidget]]:
    """Widgets that are closed at the end of the test."""
    widgets: list[QWidget] = []
    yield widgets
    for widget in widgets:
        widget.close()
        widget.deleteLater()
    QApplication.processEvents()


def panel_of(
    opened: list[QWidget], sensor: Any = RADAR, theme: Theme = DARK
) -> tuple[TuningPanel, TuningModel, Target, Applier]:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, theme)
    model, target = TuningModel(Settings.default(sensor)), Target()
    applier = Applier(target, model.settings)
    panel = TuningPanel(theme, Tuning(model, sensor, "sim://awr1642", applier))
    opened.append(panel)
    panel.resize(340, 640)
    panel.show()
    return panel, model, target, applier


def enter(panel: TuningPanel, name: str, text: str) -> None:
    editor = panel.rows[name].editor
    assert isinstance(editor, QLineEdit)
    editor.setFocus()
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)


def test_what_is_entered_is_in_use_when_editing_is_finished(opened: list[QWidget]) -> None:
    panel, model, target, applier = panel_of(opened)
    done: list[object] = []
    panel.applied.connect(done.append)
    enter(panel, "chain.p_fa", "1e-4")
    spin_until(lambda: bool(done))
    assert target.given[-1][0] == ChainConfig(p_fa=1e-4)
    assert panel.status.text() == "In use; tracks coast."
    assert panel.undo_button.isEnabled() and panel.reset_button.isEnabled()
    panel.undo_button.click()
    spin_until(lambda: len(done) == 2)
    assert applier.used == model.settings == Settings.default(RADAR)
    editor = panel.rows["chain.p_fa"].editor
    assert isinstance(editor, QLineEdit) and editor.text() == "1e-06"
    panel.redo_button.click()
    spin_until(lambda: len(done) == 3)
    panel.rows["chain.p_fa"].reset_button.click()
    spin_until(lambda: len(done) == 4)
    assert model.is_default and not panel.reset_button.isEnabled()


def test_flags_and_choices_are_boxes_and_lists(opened: list[QWidget]) -> None:
    panel, model, _, _ = panel_of(opened)
    flag, choice = panel.rows["chain.remove_static"].editor, panel.rows["tracker.association"].editor
    assert isinstance(flag, QCheckBox) and isinstance(choice, QComboBox)
    flag.click()
    assert model.value("chain.remove_static") is False
    choice.setCurrentText("spa")
    choice.activated.emit(choice.currentIndex())
    assert model.value("tracker.association") == "spa"


def test_what_cannot_work_is_marked_with_the_reason_and_stays_to_be_corrected(opened: list[QWidget]) -> None:
    panel, model, target, _ = panel_of(opened)
    enter(panel, "chain.p_fa", "7")
    row = panel.rows["chain.p_fa"]
    assert row.reason.isVisible() and "between 0 and 1" in row.reason.text()
    assert DARK.bad in row.editor.styleSheet()
    assert row.text() == "7" and model.value("chain.p_fa") == 1e-6
    assert not target.given
    enter(panel, "chain.p_fa", "1e-3")
    assert not row.reason.isVisible() and not row.editor.styleSheet()
    enter(panel, "chain.p_fa", "7")
    row.reset_button.click()
    assert not row.reason.isVisible() and row.text() == "1e-06"


def test_what_the_sensor_refuses_is_taken_back_and_said(opened: list[QWidget]) -> None:
    panel, model, target, _ = panel_of(opened)
    errors: list[object] = []
    panel.failed.connect(errors.append)
    target.error = ConfigError("frames are not even", "use 1")
    enter(panel, "chain.coherent_frames", "3")
    spin_until(lambda: bool(errors))
    assert model.value("chain.coherent_frames") == 1
    assert "frames are not even" in panel.rows["chain.coherent_frames"].reason.text()
    target.error = DeviceStateError("this session does not run", "open it again")
    enter(panel, "chain.p_fa", "1e-3")
    spin_until(lambda: len(errors) == 2)
    assert model.value("chain.p_fa") == 1e-3  # to be saved, or used when it is opened again
    assert "does not run" in panel.status.text()


def test_the_search_leaves_what_matches(opened: list[QWidget]) -> None:
    panel, _, _, _ = panel_of(opened, RADIO)
    QTest.keyClicks(panel.search, "model order")
    assert [name for name, row in panel.rows.items() if row.isVisible()] == ["chain.music.max_paths"]
    panel.search.clear()
    assert all(row.isVisible() for row in panel.rows.values())


def test_settings_are_saved_and_loaded(opened: list[QWidget], tmp_path: Path) -> None:
    panel, model, _, _ = panel_of(opened)
    path = tmp_path / "run.toml"
    enter(panel, "chain.p_fa", "1e-3")
    assert panel.save(path)
    assert parse_plan(path.read_text(), tmp_path).chain.p_fa == 1e-3
    panel.reset()
    assert model.is_default
    assert panel.load(path) and model.value("chain.p_fa") == 1e-3
    errors: list[object] = []
    panel.failed.connect(errors.append)
    assert not panel.load(tmp_path / "none.toml")
    assert not panel.save(tmp_path / "none" / "run.toml")
    assert len(errors) == 2


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_pictures_of_the_panel(opened: list[QWidget], shots: Path, theme: Theme) -> None:
    panel, _, _, _ = panel_of(opened, RADIO if theme is LIGHT else RADAR, theme)
    enter(panel, "tracker.confirm_hits", "40")
    enter(panel, "tracker.acceleration_std_mps2", "3")
    QApplication.processEvents()
    name = "light" if theme is LIGHT else "dark"
    assert panel.grab().save(str(shots / f"tuning-{name}.png"))
    for row in panel.rows.values():
        assert row.width() <= panel.width()
        label, metrics = row.label, row.label.fontMetrics()
        assert max(map(metrics.horizontalAdvance, row.field.title.split())) <= label.width(), row.field.title
        assert label.heightForWidth(label.width()) <= label.height(), row.field.title
        assert metrics.horizontalAdvance(row.unit.text()) <= row.unit.width(), row.field.unit
        assert metrics.horizontalAdvance(row.text()) <= row.editor.width() - 10, row.text()


# --- the export dialog -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def views() -> Iterator[list[ExportView]]:
    """Map and plan, which nobody draws anything else on."""
    views = []
    for make in (MapView, PlanView):
        view = make(DARK)
        view.resize(480, 360)
        view.show()
        view.set_reach(9.0, 9.0)
        views.append(ExportView(view, lambda make=make: make(DARK)))  # type: ignore[misc]
    yield views
    for entry in views:
        entry.widget.close()
        entry.widget.deleteLater()


@pytest.fixture
def dialog(opened: list[QWidget], views: list[ExportView], make_snapshot: Callable[[int], Snapshot]) -> ExportDialog:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    apply_theme(application, DARK)
    snapshots = [make_snapshot(k) for k in range(20)]
    for entry in views:
        entry.widget.show_snapshots(snapshots[-entry.widget.history_length :])
    context = ExportContext(
        source="sim://x", origin="simulated", settings=Settings.default(RADAR), snapshots=snapshots,
        shown_s=snapshots[-1].time_s, views=views,
    )  # fmt: skip
    made = ExportDialog(DARK, context)
    opened.append(made)
    made.show()
    return made


def export(dialog: ExportDialog, kind: ExportKind, path: Path) -> None:
    there: list[object] = []
    dialog.exported.connect(there.append)
    dialog.choose(kind)
    dialog.file.setText(str(path))
    assert dialog.start_export(), dialog.status.text()
    spin_until(lambda: dialog.job is None)
    assert there == [path], dialog.status.text()


def test_a_view_becomes_a_stamped_picture(dialog: ExportDialog, tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    export(dialog, ExportKind.PNG, path)
    image = QImage(str(path))
    assert (image.width(), image.height()) == (480, 360)
    assert image.text("isactrack source") == "sim://x"
    assert image.text("isactrack settings_hash") == settings_hash(Settings.default(RADAR))
    assert image.text("isactrack span") == "0.950000 s to 0.950000 s"


def test_a_view_becomes_a_drawing_with_texts_and_lines(dialog: ExportDialog, tmp_path: Path) -> None:
    path = tmp_path / "plan.svg"
    dialog.view.setCurrentIndex(1)
    export(dialog, ExportKind.SVG, path)
    root = ET.fromstring(path.read_bytes())
    space = "{http://www.w3.org/2000/svg}"
    metadata = root.find(f"{space}metadata")
    assert metadata is not None and metadata.text is not None
    assert json.loads(metadata.text)["source"] == "sim://x"
    texts = [element.text for element in root.iter(f"{space}text")]
    assert any(text and "m" in text for text in texts)
    assert len(list(root.iter(f"{space}path"))) + len(list(root.iter(f"{space}polyline"))) > 10


def test_tracks_of_a_span_become_a_table(dialog: ExportDialog, tmp_path: Path) -> None:
    dialog.choose(ExportKind.CSV)
    dialog.start.setValue(0.2)
    dialog.stop.setValue(0.4)
    export(dialog, ExportKind.CSV, tmp_path / "tracks.csv")
    table = read_tracks_csv(tmp_path / "tracks.csv")
    assert (table.time_s.min(), table.time_s.max()) == (0.2, 0.4)


def test_a_film_is_made_or_cancelled_without_a_rest(dialog: ExportDialog, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    dialog.size_box.addItem("small", QSize(320, 240))
    dialog.size_box.setCurrentIndex(dialog.size_box.count() - 1)
    dialog.view.setCurrentIndex(1)
    dialog.choose(ExportKind.MP4)
    dialog.file.setText(str(tmp_path / "walk.mp4"))
    assert dialog.start_export()
    spin_until(lambda: dialog.progress.value() > 0)
    assert dialog.close_button.text() == "Cancel" and not dialog.file.isEnabled()
    dialog.close_button.click()
    assert dialog.isVisible() and "Cancelled" in dialog.status.text()
    assert list(tmp_path.iterdir()) == []
    export(dialog, ExportKind.MP4, tmp_path / "walk.mp4")
    with av.open(str(tmp_path / "walk.mp4")) as film:
        frames = list(film.decode(video=0))
        assert json.loads(film.metadata["comment"])["span"].startswith("0.000000 s")
    assert (len(frames), frames[0].width, frames[0].height) == (24, 320, 240)


def test_a_film_shows_what_the_screen_shows(views: list[ExportView], make_snapshot: Callable[[int], Snapshot]) -> None:
    snapshots = [make_snapshot(k) for k in range(20)]
    first, again, last = film_pictures(views[1].make, snapshots, [10, 10, 19], QSize(480, 360))
    assert first is again
    assert first.shape == last.shape == (360, 480, 3)
    assert 20 < (first != last).any(axis=2).sum() < 0.2 * 360 * 480
    reach = Reach()
    reach_m = [reach.take(snapshots[row]) for row in (10, 19)][-1]
    views[1].widget.set_reach(reach_m, make_map(snapshots[19]).range_max_m)
    views[1].widget.show_snapshots(snapshots[-views[1].widget.history_length :])
    on_screen = pixels(views[1].widget)
    assert (on_screen != last).any(axis=2).mean() < 0.02


def test_closing_cancels(dialog: ExportDialog, tmp_path: Path) -> None:
    dialog.choose(ExportKind.CSV)
    dialog.file.setText(str(tmp_path / "x"))
    assert dialog.start_export()
    dialog.close()
    assert dialog.job is None
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_said(dialog: ExportDialog, tmp_path: Path) -> None:
    errors: list[IsacError] = []
    dialog.failed.connect(errors.append)
    assert not dialog.start_export()
    dialog.file.setText(str(tmp_path / "x"))
    dialog.choose(ExportKind.CUT)
    assert not dialog.start_export()
    dialog.choose(ExportKind.CSV)
    dialog.start.setValue(9.0)
    assert not dialog.start_export()
    dialog.stop.setValue(10.0)
    assert not dialog.start_export()
    assert [str(error) for error in errors] == [
        "no file is chosen", "there is no recording to cut", "the span ends before it starts",
        "nothing was seen from 9.000 s to 10.000 s",
    ]  # fmt: skip
    assert dialog.status.text().endswith("choose a longer span")
    assert list(tmp_path.iterdir()) == []


def test_only_what_matters_is_asked(dialog: ExportDialog, shots: Path) -> None:
    dialog.choose(ExportKind.PNG)
    assert dialog.view.isVisible() and not dialog.start.isVisible() and not dialog.speed.isVisible()
    dialog.file.setText("a/b.png")
    dialog.choose(ExportKind.MP4)
    assert dialog.view.isVisible() and dialog.start.isVisible() and dialog.speed.isVisible()
    assert dialog.file.text() == str(Path("a/b.mp4"))
    QApplication.processEvents()
    assert dialog.grab().save(str(shots / "export-film.png"))
    dialog.choose(ExportKind.CUT)
    assert not dialog.view.isVisible()
