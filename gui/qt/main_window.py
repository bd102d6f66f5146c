"""The window: views in docks, health at the side, time below, messages in a corner."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from isactrack.gui.models.arrangement import Arrangement
from isactrack.gui.models.connect import Sources
from isactrack.gui.models.feed import Opening
from isactrack.gui.models.layouts import LayoutStore
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.theme import THEMES, Theme, colour_map
from isactrack.gui.models.timeline import DEFAULT_CAPACITY, SPEEDS
from isactrack.gui.models.transport import status_text, transport_state
from isactrack.gui.models.ui_settings import SettingsStore
from isactrack.gui.qt.actions import connect_actions, make_actions
from isactrack.gui.qt.exports import export_dialog
from isactrack.gui.qt.health_panel import HealthPanel
from isactrack.gui.qt.layout_keeper import LayoutKeeper
from isactrack.gui.qt.marker_dialog import MarkerNote
from isactrack.gui.qt.picture import picture_of, save_picture
from isactrack.gui.qt.placing import place_of, put_back
from isactrack.gui.qt.record_bar import RecordBar
from isactrack.gui.qt.sensor_window import SensorWindow
from isactrack.gui.qt.shortcut_overlay import ShortcutOverlay
from isactrack.gui.qt.source_badge import SourceBadge
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.toast import ToastStack
from isactrack.gui.qt.transport_bar import TransportBar
from isactrack.gui.qt.tuning_dock import TuningDock
from isactrack.gui.qt.view_dock import Look

TICK_MS = 33
"""The screen is drawn at most 30 times a second; the newest snapshot wins."""
_HEALTH_TICKS = 8


class MainWindow(SensorWindow):
    """The viewer's window.

    One timer polls the sensors, moves their timelines and lets the views that are seen draw what changed. A view that
    fails is reported and replaced by what went wrong; the others go on.

    Parameters
    ----------
    opening
        The feed that is being opened; started by the caller. The window closes the feed when it is closed.
    sources
        How another source is opened; None if the window shows this one only.
    theme
        Colours; None takes those of the settings.
    capacity
        Snapshots that the timeline keeps.
    folder
        Folder of the settings and layouts; None starts from what is built in and keeps nothing.
    """

    closed = Signal()
    """The window was closed and its feed with it."""

    def __init__(
        self,
        opening: Opening,
        theme: Theme | None = None,
        *,
        capacity: int = DEFAULT_CAPACITY,
        folder: Path | None = None,
        sources: Sources | None = None,
    ) -> None:
        super().__init__(opening, capacity, None if sources is None else (sources, folder))
        self._settings_store = SettingsStore(folder, self.report)
        self.settings = self._settings_store.load()
        self.theme = theme or THEMES[self.settings.theme]
        self._ticks = 0
        self._arranged = 1
        self.setWindowTitle(f"{opening.name} – isactrack")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        _apply(self.theme)
        self._made = make_actions(self, self.settings)
        self._actions = self._made.named
        self._make_widgets()
        self.layouts = LayoutKeeper(
            lambda: self.sensors.areas, self._actions["health"], LayoutStore(folder, self.report), self.report,
            lambda name: self._keep(layout=name), self,
        )  # fmt: skip
        self._lay_out()
        self.tuning = TuningDock(self)
        self.tuning.visibilityChanged.connect(
            lambda _on: self._actions["tuning"].setChecked(not self.tuning.isHidden())
        )
        connect_actions(self, self._made)
        for name in ("connect", "open", "add_sensor"):
            self._actions[name].setEnabled(self.chooser is not None)
        self._own_layouts: list[QAction] = []
        self._made.menus["Layout"].aboutToShow.connect(self._list_layouts)
        self.guard("layout", lambda: self.layouts.start(self.settings.layout))
        put_back(self, self.settings)
        self.setFocus()
        self._refresh_texts()
        self.taken.connect(self._on_taken)
        self.sensors_changed.connect(self._on_sensors_changed)
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start(TICK_MS)

    # --- the clock ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take what is new and draw what changed."""
        self.poll_sensors()
        self.transport.show_state(transport_state(self.timeline))
        if self._ticks % _HEALTH_TICKS == 0:
            self.look_at_healths()
            self.guard("health", self._show_health, ends=self.stream)
        self.guard("tuning", lambda: self.tuning.follow(self.feed))
        self._refresh_texts()
        self.tell_errors()
        self.toast_stack.refresh()
        self._ticks += 1

    def _on_taken(self, stream: Stream) -> None:
        stream.timeline.loop = self._actions["loop"].isChecked()
        stream.look_at_health()
        stream.make_control(self.settings.last_folder)
        self._show_transport()
        self._show_control()

    def _on_sensors_changed(self) -> None:
        self.marker_note.hide()
        if len(self.sensors.panes) != self._arranged:
            self._arranged = len(self.sensors.panes)
            if self._arranged > 1:
                self.guard("layout", self.layouts.share_room)
            else:  # what is left has its new size only once Qt has laid out the rest
                QTimer.singleShot(0, lambda: self.guard("layout", self.layouts.share_room))
        self.setWindowTitle(f"{' + '.join(stream.name for stream in self.streams.items)} – isactrack")
        self._show_transport()
        self._show_control()
        self._refresh_texts()

    # --- what is shown of the sensors ---------------------------------------------------------------------------------

    def _show_health(self) -> None:
        """Show the health of the active sensor, and how the recording of all goes."""
        healths = [stream.health for stream in self.streams.items if stream.health is not None]
        self.record_bar.show_health(*healths)
        self.show_health_panel(self._actions["health"].isChecked())
        if self.health is None:
            self.status_badge.show_banner(None)
            return
        shown = self.health_panel.show_health(self.health, self.error, self.paint_clock.stats())
        self.status_badge.show_banner(shown)

    def _show_control(self) -> None:
        """Let the record bar record all sensors that can be recorded."""
        self.record_bar.set_control(self.record_control)
        self._show_health()

    # --- what the user can do ----------------------------------------------------------------------------------------

    @property
    def last_folder(self) -> str:
        """Folder of the file that was saved or recorded last; empty for none."""
        return self.settings.last_folder

    def tell_saved(self, path: Path) -> None:
        """Say that a file was saved, and begin there the next time."""
        self._keep(last_folder=str(path.absolute().parent))
        self.show_hint(f"saved {path}")
        self.toasts.info(f"saved {path}")

    def show_hint(self, text: str) -> None:
        """Show a text where the pointer is read out."""
        self._pointer.setText(text)

    def picture(self) -> bytes:
        """Return the window as it is now, as a PNG file."""
        return picture_of(self)

    def save_snapshot(self, path: Path | None = None) -> None:
        """Save the window as PNG; ask for the file if none is given. The status bar says how it went."""
        save_picture(self, path)

    def export(self) -> None:
        """Ask what is to be exported; what is shown goes on meanwhile."""
        export_dialog(self).show()

    def set_theme(self, name: str) -> None:
        """Take other colours; views go on where they were."""
        self.theme = THEMES[name]
        _apply(self.theme)
        # The views first: what is dressed is missing for a moment, and views take its room.
        self.sensors.set_look(replace(self.sensors.look, theme=self.theme))
        self.record_bar.set_theme(self.theme)
        self.transport.set_theme(self.theme)
        self.tuning.set_theme(self.theme)
        self._dress()
        self._keep(theme=name)

    def set_colour_map(self, name: str) -> None:
        """Take another colour map for all maps."""
        self.sensors.set_look(replace(self.sensors.look, colour_map=colour_map(name)))
        self._made.colours[name].setChecked(True)
        self._keep(colour_map=name)

    def event(self, event: QEvent) -> bool:
        """Leave Space to a button that was reached with Tab, else it plays and pauses; note when all was painted."""
        if event.type() is QEvent.Type.UpdateRequest:
            painted = super().event(event)  # all that is dirty in this window, views included
            for stream in self.streams.items:
                stream.paint_clock.painted()
            return painted
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Space
            and isinstance(QApplication.focusWidget(), QAbstractButton)
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Take the keys back from a control that was reached with Tab."""
        if event.key() == Qt.Key.Key_Escape:
            self.setFocus()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Stop the clock and the feed, and keep how the window was left."""
        if self.timer.isActive():
            self.guard("layout", self._keep_window)
        self.timer.stop()
        self.close_sensors()
        super().closeEvent(event)
        self.closed.emit()

    def _keep(self, **changes: object) -> None:
        """Remember a setting."""
        former, self.settings = self.settings, replace(self.settings, **changes)  # type: ignore[arg-type]
        if self.settings != former:
            self._settings_store.save(self.settings)

    def _keep_window(self) -> None:
        self.layouts.keep()
        self._keep(geometry=place_of(self), maximised=self.isMaximized())

    # --- actions -----------------------------------------------------------------------------------------------------

    def then_show(self, work: Callable[[], object]) -> Callable[[], None]:
        """Return a function that does some work and shows what came of it."""

        def run() -> None:
            work()
            self.sensors.redraw()
            self.transport.show_state(transport_state(self.timeline))
            self.toast_stack.refresh()

        return run

    def then_redraw(self, switch: Callable[[bool], object]) -> Callable[[bool], None]:
        """Return a function that switches something and draws the views anew."""

        def run(on: bool) -> None:
            switch(on)
            self.sensors.redraw()

        return run

    def set_look(self, **changes: bool) -> None:
        """Show or hide what views show, by the names of `Look`, and remember it."""
        self.sensors.set_look(replace(self.sensors.look, **changes))  # type: ignore[arg-type]
        self._keep(**changes)

    def change_speed(self, steps: int) -> None:
        """Play faster or more slowly; a live stream goes at its own speed."""
        if not self.timeline.live:
            place = SPEEDS.index(self.timeline.speed) + steps
            self.transport.speed_box.setCurrentIndex(min(max(place, 0), len(SPEEDS) - 1))

    def set_loop(self, on: bool) -> None:
        """Begin a file again at its end, or do not."""
        for stream in self.streams.items:
            stream.timeline.loop = on
        self.transport.loop_button.setChecked(on)

    def _list_layouts(self) -> None:
        self._own_layouts = self.layouts.fill(self._made.menus["Layout"], self._own_layouts)

    def show_health_panel(self, wanted: bool) -> None:
        """Show the panel if it is wanted and there is something to say."""
        self.health_panel.setVisible(wanted and self.health is not None)

    def arrange(self, arrangement: Arrangement) -> None:
        """Show the sensors beside one another, in one plan of the room, or both."""
        super().arrange(arrangement)
        for one in Arrangement:
            self._actions[f"arrange_{one.value}"].setChecked(one is arrangement)

    # --- widgets -----------------------------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        self._status, self._pointer = QLabel(), QLabel()
        look = Look(
            self.theme, colour_map(self.settings.colour_map), trails=self.settings.trails, ids=self.settings.ids,
            grid=self.settings.grid, past=self.settings.past,
        )  # fmt: skip
        self.make_sensors(look)
        self.sensors.pointed.connect(self._pointer.setText)
        self.sensors.seek_requested.connect(
            lambda host_ns: self.then_show(lambda: self.timeline.seek_host_ns(host_ns))()
        )
        self.record_bar = RecordBar(self.theme, self._actions)
        self.record_bar.failed.connect(self.report)
        self.record_bar.told.connect(self.toasts.info)
        self.record_bar.started.connect(lambda path: self._keep(last_folder=str(path.absolute().parent)))
        self.transport = TransportBar(self.theme, self._actions)
        self.transport.seek_requested.connect(lambda time_s: self.then_show(lambda: self.timeline.jump_time(time_s))())
        self.transport.speed_chosen.connect(self._set_speed)
        self.transport.loop_chosen.connect(self._actions["loop"].setChecked)

    def _lay_out(self) -> None:
        self._upper = QHBoxLayout()
        self._upper.setSpacing(6)
        self._upper.addWidget(self.sensors, 1)
        centre = QWidget()
        self._outer = QVBoxLayout(centre)
        self._outer.setContentsMargins(8, 2, 8, 0)
        self._outer.setSpacing(6)
        self._outer.addLayout(self._upper, 1)
        self._outer.addWidget(self.record_bar)
        self._outer.addWidget(self.transport)
        self.setCentralWidget(centre)
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setContentsMargins(4, 0, 8, 4)
        bar.addWidget(self._status, 1)
        bar.addPermanentWidget(self._pointer)
        self._dressed: list[QWidget] = []
        self._dress()
        self.toast_stack = ToastStack(self.toasts, self.sensors, self)
        self.overlay = ShortcutOverlay(self)
        self.marker_note = MarkerNote(self.sensors, self)
        self.record_bar.marked.connect(self.marker_note.ask)
        self.marker_note.noted.connect(self.record_bar.add_note)

    def _dress(self) -> None:
        """Make what is made in the colours of the theme, in place of what was made before."""
        self.setFocus()  # else the keys would go to whatever comes after what is taken away
        for widget in self._dressed:
            widget.hide()
            widget.deleteLater()
        self.health_panel = HealthPanel(self.theme, self.opening.name)
        self.health_panel.setVisible(False)
        self.status_badge = SourceBadge(self.theme)
        self._dressed = [self.health_panel, self.status_badge]
        self._upper.addWidget(self.health_panel)
        self.statusBar().addPermanentWidget(self.status_badge)
        self.status_badge.hide()
        self._show_transport()
        self._show_health()

    def _set_speed(self, speed: float) -> None:
        for stream in self.streams.items:
            stream.timeline.set_speed(speed)

    def _show_transport(self) -> None:
        """Show speed and loop as they are, and what a live stream or a file needs."""
        self.transport.set_live(self.timeline.live)
        self.transport.speed_box.setCurrentIndex(SPEEDS.index(self.timeline.speed))
        self.transport.loop_button.setChecked(self._actions["loop"].isChecked())
        self.transport.show_state(transport_state(self.timeline))

    def _refresh_texts(self) -> None:
        parts = [status_text(self.timeline, self.opening.name), self.streams.alignment_text, self.stream.note]
        self._status.setText("   ·   ".join(part for part in parts if part))
        for pane in self.sensors.panes:
            pane.refresh_text()


def _apply(theme: Theme) -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication):
        apply_theme(app, theme)
