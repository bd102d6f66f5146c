"""The window: views in docks, health at the side, time below, messages in a corner."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QEvent, QIODevice, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from isactrack.errors import IsacError, RecordingError
from isactrack.gui.models.feed import Feed, Opening, as_isac_error, no_result_error
from isactrack.gui.models.health_text import empty_text
from isactrack.gui.models.layouts import BUILT_IN, LayoutStore
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.picture_file import write_picture
from isactrack.gui.models.reach import Reach
from isactrack.gui.models.shortcuts import by_menu, command
from isactrack.gui.models.theme import COLOUR_MAPS, THEMES, Theme, colour_map, next_colour_map, other_theme
from isactrack.gui.models.timeline import DEFAULT_CAPACITY, SPEEDS, Timeline
from isactrack.gui.models.toasts import Toasts
from isactrack.gui.models.transport import status_text, transport_state
from isactrack.gui.models.ui_settings import SettingsStore, can_be_reached
from isactrack.gui.models.views import VIEWS
from isactrack.gui.qt.docks import DockArea
from isactrack.gui.qt.empty_page import EmptyPage
from isactrack.gui.qt.health_panel import HealthPanel
from isactrack.gui.qt.layout_keeper import LayoutKeeper
from isactrack.gui.qt.shortcut_overlay import ShortcutOverlay
from isactrack.gui.qt.source_badge import SourceBadge
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.toast import ToastStack
from isactrack.gui.qt.transport_bar import TransportBar
from isactrack.gui.qt.view_dock import Look

if TYPE_CHECKING:
    from isactrack.acquisition.snapshot import Health, Snapshot

_LOG = logging.getLogger(__name__)
TICK_MS = 33
"""The screen is drawn at most 30 times a second; the newest snapshot wins."""
_HEALTH_TICKS = 8
_START_SIZE = QSize(1440, 820)
_MAX_EXCEPTIONS = 100
"""Exceptions that are kept from one tick to the next."""
_MAX_LOGGED = 100
"""Kinds of faults that are logged with their trace; a fault of each frame would fill the disk in a day."""


class MainWindow(QMainWindow):
    """The viewer's window.

    One timer polls the feed, moves the timeline and lets the views that are seen draw what changed. A view that fails
    is reported and replaced by what went wrong; the others go on.

    Parameters
    ----------
    opening
        The feed that is being opened; started by the caller. The window closes the feed when it is closed.
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
    ) -> None:
        super().__init__()
        self._opening = opening
        self._capacity = capacity
        self.timeline = Timeline(capacity)
        self.feed: Feed | None = None
        self.health: Health | None = None
        self.error: IsacError | None = None
        self.toasts = Toasts()
        self._settings_store = SettingsStore(folder, self._report)
        self.settings = self._settings_store.load()
        self._theme = theme or THEMES[self.settings.theme]
        self._reach = Reach()
        self._reached: tuple[Snapshot | None, tuple[float, float]] = (None, (0.0, 0.0))
        self._logged: set[str] = set()
        self._exceptions: list[Exception] = []
        self._told = ""
        self._ticks = 0
        self.setWindowTitle(f"{opening.name} – isactrack")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        _apply(self._theme)
        self._actions = self._make_actions()
        self._make_widgets()
        self.layouts = LayoutKeeper(
            self.views, self._actions["health"], LayoutStore(folder, self._report), self._report,
            lambda name: self._keep(layout=name), self,
        )  # fmt: skip
        self._lay_out()
        self._connect()
        self._guard("layout", lambda: self.layouts.start(self.settings.layout))
        self._place()
        self.setFocus()
        self._refresh_texts()
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start(TICK_MS)

    # --- the clock ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take what is new and draw what changed."""
        self._take_exceptions()
        self._take_feed()
        self._guard("feed", self._poll, ends=True)
        self.timeline.advance()
        self._draw()
        self.transport.show_state(transport_state(self.timeline))
        if self._ticks % _HEALTH_TICKS == 0:
            self._guard("health", self._refresh_health, ends=True)
        self._refresh_texts()
        self._tell(self.error)
        self.toast_stack.refresh()
        self._ticks += 1

    def _take_feed(self) -> None:
        if self.feed is None and (feed := self._opening.take()) is not None:
            self.feed = feed
            self.timeline = Timeline(self._capacity, live=feed.live)
            self.views.ask(lambda view: view.forget_run())
            self.timeline.loop = self._actions["loop"].isChecked()
            self._show_transport()
            self._refresh_health()
        if self.error is None:
            self.error = self._opening.error

    def _poll(self) -> None:
        if self.feed is None:
            return
        running = self.health is not None and self.health.running
        self.feed.want(self.views.products)
        snapshots = self.feed.poll()
        for snapshot in snapshots:
            self.timeline.append(snapshot)
        events = self.feed.take_events()
        if events:
            self.views.ask(lambda view: view.take_events(events))
        self.timeline.ended = not running and not snapshots
        if self.timeline.ended and self.timeline.current is None and self.health is not None and self.error is None:
            self.error = no_result_error(self._opening.name, self.health)

    def _refresh_health(self) -> None:
        if self.feed is None:
            return
        self.health = self.feed.health()
        if self.health.error is not None:
            self.error = self.health.error
        self._show_health_panel(self._actions["health"].isChecked())
        self.status_badge.show_banner(self.health_panel.show_health(self.health, self.error))

    def _draw(self) -> None:
        snapshot = self.timeline.current
        if snapshot is None:
            return
        self.stack.setCurrentWidget(self.views)
        self._guard("range", lambda: self._take_reach(snapshot))
        self.views.draw(self.timeline, self._reached[1])

    def _take_reach(self, snapshot: "Snapshot") -> None:
        if self._reached[0] is not snapshot:
            self._reached = snapshot, (self._reach.take(snapshot), make_map(snapshot).range_max_m)

    def _redraw(self) -> None:
        self.views.redraw()
        self._draw()

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    @property
    def fault(self) -> IsacError | None:
        """What keeps the window from showing everything: an error of the feed, else one of a view."""
        return self.error or next((_view_error(*failed) for failed in self.views.errors), None)

    def report_exception(self, error: Exception) -> None:
        """Take an exception that arose in a callback of Qt: it stops the view that it arose in, if in any.

        It is dealt with at the next tick: Qt is in the middle of something, perhaps of painting that very view.
        """
        if len(self._exceptions) < _MAX_EXCEPTIONS:
            self._exceptions.append(error)

    def _take_exceptions(self) -> None:
        exceptions, self._exceptions = self._exceptions, []
        for error in exceptions:
            if not self.views.blame(error):
                self._log_once("window", error)
                self._report(as_isac_error(error))

    def _guard(self, name: str, work: Callable[[], None], *, ends: bool = False) -> None:
        """Do some work; a failure is logged once and shown, and does not stop the rest.

        `ends` says that nothing can be shown after it, so that it is what the viewer ends with.
        """
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one part's fault must not stop the others
            self._log_once(name, error)
            shown = as_isac_error(error)
            told = IsacError(f"the {name} failed: {shown}", shown.hint)
            told.__cause__ = error
            if not ends:
                self._report(told)
            elif self.error is None:
                self.error = told
                self.health_panel.error_box.show_error(told, self._opening.name)

    def _log_once(self, name: str, error: Exception) -> None:
        kind = f"{name}: {type(error).__name__}"
        if kind not in self._logged and len(self._logged) < _MAX_LOGGED:
            self._logged.add(kind)
            _LOG.error("the %s failed", name, exc_info=error)

    def _report(self, error: IsacError) -> None:
        self.toasts.error(error, self._opening.name)

    def _tell(self, error: IsacError | None) -> None:
        """Report an error of the feed, which stays, once."""
        text = "" if error is None else f"{type(error).__name__}: {error}"
        if error is not None and text != self._told:
            self._report(error)
        self._told = text

    def _on_view_failed(self, title: str, error: Exception) -> None:
        told = _view_error(title, error)
        self.toasts.error(told, self._opening.name, f"{type(error).__name__}: {error}")

    # --- what the user can do ----------------------------------------------------------------------------------------

    @property
    def shows_frame(self) -> bool:
        """Whether a frame was drawn."""
        return self.timeline.current is not None and self.views.is_ready

    def picture(self) -> bytes:
        """Return the window as it is now, as a PNG file."""
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        if not self.grab().save(buffer, "PNG"):
            raise RecordingError("the window cannot be turned into a PNG picture", "is there memory left?")
        return bytes(buffer.data().data())

    def save_snapshot(self, path: Path | None = None) -> None:
        """Save the window as PNG; ask for the file if none is given. The status bar says how it went."""
        try:
            picture = self.picture()
            path = path or self._ask_path()
            if path is None:
                return
            write_picture(path, picture)
        except RecordingError as error:
            self._pointer.setText(str(error))
            self._report(error)
        else:
            self._keep(last_folder=str(path.absolute().parent))
            self._pointer.setText(f"saved {path}")
            self.toasts.info(f"saved {path}")

    def set_theme(self, name: str) -> None:
        """Take other colours; views go on where they were."""
        self._theme = THEMES[name]
        _apply(self._theme)
        self.views.set_look(
            theme=self._theme
        )  # first: what is dressed is missing for a moment, and views take its room
        self._dress()
        self._keep(theme=name)

    def set_colour_map(self, name: str) -> None:
        """Take another colour map for all maps."""
        self.views.set_look(colour_map=colour_map(name))
        self._colour_actions[name].setChecked(True)
        self._keep(colour_map=name)

    def event(self, event: QEvent) -> bool:
        """Leave Space to a button that was reached with Tab; else it plays and pauses."""
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
            self._guard("layout", self._keep_window)
        self.timer.stop()
        self._opening.cancel()
        feed, self.feed = self.feed, None
        if feed is not None:
            self._guard("closing of the feed", feed.close, ends=True)
            self.error = self.error or feed.health().error  # the last frames may not have fitted on the disk
        super().closeEvent(event)
        self.closed.emit()

    def _ask_path(self) -> Path | None:
        name = Path(self.settings.last_folder, f"isactrack-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.png")
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the window", str(name), "PNG (*.png)")
        return Path(chosen) if chosen else None

    def _keep(self, **changes: object) -> None:
        """Remember a setting."""
        former, self.settings = self.settings, replace(self.settings, **changes)  # type: ignore[arg-type]
        if self.settings != former:
            self._settings_store.save(self.settings)

    def _keep_window(self) -> None:
        place = self.normalGeometry()
        self.layouts.keep()
        self._keep(geometry=(place.x(), place.y(), place.width(), place.height()), maximised=self.isMaximized())

    def _place(self) -> None:
        """Put the window where it was left, if that is still on a screen."""
        self.resize(_START_SIZE)
        geometry = self.settings.geometry
        screens = [screen.availableGeometry() for screen in QGuiApplication.screens()]
        if geometry is None or not can_be_reached(geometry, [(s.x(), s.y(), s.width(), s.height()) for s in screens]):
            return
        self.setGeometry(*geometry)
        if self.settings.maximised:
            self.setWindowState(Qt.WindowState.WindowMaximized)

    # --- actions -----------------------------------------------------------------------------------------------------

    def _make_actions(self) -> dict[str, QAction]:
        on = {"trails": self.settings.trails, "ids": self.settings.ids, "grid": self.settings.grid, "health": True}
        actions = {}
        self._menus: dict[str, QMenu] = {}
        for menu_name, commands in by_menu().items():
            menu = self._menus[menu_name] = self.menuBar().addMenu(f"&{menu_name}")
            for entry in commands:
                action = QAction(entry.text, self)
                action.setObjectName(entry.name)
                action.setShortcuts([QKeySequence(key) for key in entry.keys])
                action.setCheckable(entry.checkable)
                action.setChecked(on.get(entry.name, False))
                action.setToolTip(entry.tool_tip)
                menu.addAction(action)
                actions[entry.name] = action
        self._colour_actions = self._make_colour_menu(self._menus["View"])
        return actions

    def _make_colour_menu(self, parent: QMenu) -> dict[str, QAction]:
        menu = parent.addMenu("Colour map")
        group = QActionGroup(self)
        actions = {}
        for entry in COLOUR_MAPS:
            action = menu.addAction(entry.title)
            action.setCheckable(True)
            action.setChecked(entry.name == self.settings.colour_map)
            action.triggered.connect(lambda _on, name=entry.name: self.set_colour_map(name))
            group.addAction(action)
            actions[entry.name] = action
        return actions

    def _connect(self) -> None:
        plain: dict[str, Callable[[], object]] = {
            "snapshot": self.save_snapshot,
            "quit": self.close,
            "play": lambda: self.timeline.toggle(),
            "step_back": lambda: self.timeline.step(-1),
            "step_forward": lambda: self.timeline.step(1),
            "second_back": lambda: self.timeline.step_time(-1.0),
            "second_forward": lambda: self.timeline.step_time(1.0),
            "start": lambda: self.timeline.go_start(),
            "end": lambda: self.timeline.go_end(),
            "live": lambda: self.timeline.go_end(),
            "slower": lambda: self._change_speed(-1),
            "faster": lambda: self._change_speed(1),
            "auto_levels": lambda: self.views.ask(lambda view: view.fit_levels()),
            "fit": lambda: self._frame(whole=False),
            "whole": lambda: self._frame(whole=True),
            "colour_map": lambda: self.set_colour_map(next_colour_map(self.settings.colour_map)),
            "theme": lambda: self.set_theme(other_theme(self._theme)),
            "retry": self.views.retry,
            "save_layout": self.layouts.save_as,
            "delete_layout": self.layouts.delete_one,
            "reset_layout": self.layouts.reset,
            "help": self.overlay.toggle,
            "dismiss": self.toasts.dismiss_newest,
            "dismiss_all": self.toasts.dismiss_all,
            "copy_details": lambda: self.toast_stack.copy_newest(),
            **{f"view_{view.name}": partial(self.views.show_view, view.name) for view in VIEWS},
            **{f"layout_{entry.name}": partial(self.layouts.show_layout, entry.name) for entry in BUILT_IN},
        }
        for name, work in plain.items():
            self._actions[name].triggered.connect(self._then_show(work))
        switches: dict[str, Callable[[bool], object]] = {
            "loop": self._set_loop,
            "trails": lambda on: self._look(trails=on),
            "ids": lambda on: self._look(ids=on),
            "grid": lambda on: self._look(grid=on),
            "health": self._show_health_panel,
            "full_screen": self._set_full_screen,
        }
        for name, switch in switches.items():
            self._actions[name].toggled.connect(self._then_show_switched(switch))
        self._own_layouts: list[QAction] = []
        self._menus["Layout"].aboutToShow.connect(self._list_layouts)

    def _then_show(self, work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            work()
            self._redraw()
            self.transport.show_state(transport_state(self.timeline))
            self.toast_stack.refresh()

        return run

    def _then_show_switched(self, switch: Callable[[bool], object]) -> Callable[[bool], None]:
        def run(on: bool) -> None:
            switch(on)
            self._redraw()

        return run

    def _look(self, **changes: bool) -> None:
        self.views.set_look(**changes)
        self._keep(**changes)

    def _change_speed(self, steps: int) -> None:
        """Play faster or more slowly; a live stream goes at its own speed."""
        if not self.timeline.live:
            place = SPEEDS.index(self.timeline.speed) + steps
            self.transport.speed_box.setCurrentIndex(min(max(place, 0), len(SPEEDS) - 1))

    def _set_loop(self, on: bool) -> None:
        self.timeline.loop = on
        self.transport.loop_button.setChecked(on)

    def _list_layouts(self) -> None:
        self._own_layouts = self.layouts.fill(self._menus["Layout"], self._own_layouts)

    def _show_health_panel(self, wanted: bool) -> None:
        """Show the panel if it is wanted and there is something to say."""
        self.health_panel.setVisible(wanted and self.health is not None)

    def _set_full_screen(self, on: bool) -> None:
        self.showFullScreen() if on else self.showNormal()

    def _frame(self, *, whole: bool) -> None:
        self._reach.reset(whole=whole)
        self._reached = (None, self._reached[1])
        self._redraw()
        self.views.ask(lambda view: view.frame())

    # --- widgets -----------------------------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        self._status, self._pointer = QLabel(), QLabel()
        self.views = DockArea(
            VIEWS,
            Look(
                self._theme, colour_map(self.settings.colour_map), trails=self.settings.trails, ids=self.settings.ids,
                grid=self.settings.grid,
            ),
        )  # fmt: skip
        self.views.pointed.connect(self._pointer.setText)
        self.views.seek_requested.connect(lambda time_s: self._then_show(lambda: self.timeline.seek_time(time_s))())
        self.views.failed.connect(self._on_view_failed)
        for title, error in self.views.errors:
            self._on_view_failed(title, error)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.views)

    def _lay_out(self) -> None:
        self._upper = QHBoxLayout()
        self._upper.setSpacing(6)
        self._upper.addWidget(self.stack, 1)
        centre = QWidget()
        self._outer = QVBoxLayout(centre)
        self._outer.setContentsMargins(8, 2, 8, 0)
        self._outer.setSpacing(6)
        self._outer.addLayout(self._upper, 1)
        self.setCentralWidget(centre)
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setContentsMargins(4, 0, 8, 4)
        bar.addWidget(self._status, 1)
        bar.addPermanentWidget(self._pointer)
        self._dressed: list[QWidget] = []
        self._dress()
        self.toast_stack = ToastStack(self.toasts, self.stack, self)
        self.overlay = ShortcutOverlay(self)

    def _dress(self) -> None:
        """Make what is made in the colours of the theme, in place of what was made before."""
        self.setFocus()  # else the keys would go to whatever comes after what is taken away
        for widget in self._dressed:
            widget.hide()
            widget.deleteLater()
        self.empty = EmptyPage(self._theme)
        self.health_panel = HealthPanel(self._theme, self._opening.name)
        self.health_panel.setVisible(False)
        self.transport = TransportBar(self._theme, self._actions)
        self.transport.loop_button.setToolTip(command("loop").tool_tip)
        self.transport.speed_box.setToolTip("\n".join(command(name).tool_tip for name in ("slower", "faster")))
        self.status_badge = SourceBadge(self._theme)
        self._dressed = [self.empty, self.health_panel, self.transport, self.status_badge]
        self.stack.addWidget(self.empty)
        if self.timeline.current is None:
            self.stack.setCurrentWidget(self.empty)
        self._upper.addWidget(self.health_panel)
        self._outer.addWidget(self.transport)
        self.statusBar().addPermanentWidget(self.status_badge)
        self.status_badge.hide()
        self.transport.seek_requested.connect(lambda position: self._then_show(lambda: self.timeline.jump(position))())
        self.transport.speed_chosen.connect(lambda speed: self.timeline.set_speed(speed))
        self.transport.loop_chosen.connect(self._actions["loop"].setChecked)
        self._show_transport()
        self._refresh_health()

    def _show_transport(self) -> None:
        """Show speed and loop as they are, and what a live stream or a file needs."""
        self.transport.set_live(self.timeline.live)
        self.transport.speed_box.setCurrentIndex(SPEEDS.index(self.timeline.speed))
        self.transport.loop_button.setChecked(self._actions["loop"].isChecked())
        self.transport.show_state(transport_state(self.timeline))

    def _refresh_texts(self) -> None:
        note = "" if self.feed is None or not self.feed.note else f"   ·   {self.feed.note}"
        self._status.setText(status_text(self.timeline, self._opening.name) + note)
        if self.timeline.current is None:
            title, text = empty_text(self._opening.name, self.health, self.error)
            self.empty.show_text(title, text, self.error, self._opening.name)


def _view_error(title: str, error: Exception) -> IsacError:
    shown = as_isac_error(error)
    told = IsacError(
        f"the view {title!r} has stopped", f"press Retry in its place (Ctrl+R); if it stops again: {shown.hint}"
    )
    told.__cause__ = error
    return told


def _apply(theme: Theme) -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication):
        apply_theme(app, theme)
