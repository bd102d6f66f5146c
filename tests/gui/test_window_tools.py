"""Tuning and exports in the window, with a simulated radar behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.drivers.registry import open_device
from isactrack.gui.models.feed import Feed, Opening, SessionFeed
from isactrack.gui.models.reconnect import ReconnectingFeed, session_of
from isactrack.gui.qt.exports import export_dialog
from isactrack.gui.qt.main_window import MainWindow
from tests.gui.loops import spin_until


def open_feed() -> SessionFeed:
    device = open_device("sim://awr1642?scene=crossing&speed=4")
    return SessionFeed(Session(device, pipeline=Pipeline(device.configure())))


@pytest.fixture
def show(app: QApplication, tmp_path: Path) -> Iterator[Callable[[Callable[[], Feed]], MainWindow]]:
    windows = []

    def make(open_it: Callable[[], Feed]) -> MainWindow:
        opening = Opening(open_it, "sim://awr1642")
        window = MainWindow(opening, folder=tmp_path / "config")
        windows.append(window)
        window.resize(1280, 720)
        opening.start()
        window.show()
        spin_until(lambda: window.shows_frame)
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()


def test_the_settings_of_what_runs_are_tuned_from_the_window(
    show: Callable[[Callable[[], Feed]], MainWindow], shots: Path
) -> None:
    window = show(lambda: ReconnectingFeed(open_feed))
    assert not window.tuning.isVisible()
    window._actions["tuning"].trigger()
    assert window.tuning.isVisible()
    panel, tuning, session = window.tuning.panel, window.tuning.tuning, session_of(window.feed)
    assert panel is not None and tuning is not None and session is not None and session.pipeline is not None
    name = next(field.name for field in tuning.model.fields if field.name.endswith("acceleration_std_mps2"))
    panel.rows[name].entered.emit("3.5")
    pipeline = session.pipeline
    spin_until(lambda: pipeline.tracker_config.acceleration_std_mps2 == 3.5)
    window._actions["theme"].trigger()
    assert window.tuning.panel is not None and window.tuning.panel is not panel
    assert window.tuning.tuning is tuning
    window.grab().save(str(shots / "window-tuning.png"))
    window.tuning.close()
    assert not window._actions["tuning"].isChecked()


def test_what_is_seen_can_be_exported(show: Callable[[Callable[[], Feed]], MainWindow]) -> None:
    window = show(open_feed)
    spin_until(lambda: len(window.timeline) > 5)
    dialog = export_dialog(window)
    seen = [dock.view.title for dock in window.views.docks.values() if dock.is_seen and dock.view is not None]
    assert [dialog.view.itemText(k) for k in range(dialog.view.count())] == seen
    assert seen[:2] == ["Range–Doppler", "Plan"]
    another = window.views.docks["plan"].another(window.views.docks["plan"].view)  # type: ignore[arg-type]
    another.show_snapshots(window.timeline.kept)
    another.deleteLater()
    dialog.close()
