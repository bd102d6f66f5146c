"""The window: views in docks, health at the side, time below, messages in a corner."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from isactrack.errors import IsacError, RecordingError
from isactrack.gui.models.connect import RecentSources, Sources
from isactrack.gui.models.feed import Feed, Opening, as_isac_error, no_result_error
from isactrack.gui.models.health_text import empty_text
from isactrack.gui.models.layouts import LayoutStore
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.paint_clock import PaintClock
from isactrack.gui.models.picture_file import write_picture
from isactrack.gui.models.reach import Reach
from isactrack.gui.models.reconnect import ReconnectingFeed, placement_of
from isactrack.gui.models.recording import control_of
from isactrack.gui.models.theme import THEMES, Theme, colour_map
from isactrack.gui.models.timeline import DEFAULT_CAPACITY, SPEEDS, Mode, Timeline
from isactrack.gui.models.toasts import Toasts
from isactrack.gui.models.transport import status_text, transport_state
from isactrack.gui.models.ui_settings import SettingsStore
from isactrack.gui.models.views import VIEWS
from isactrack.gui.qt.actions import connect_actions, make_actions
from isactrack.gui.qt.docks import DockArea
from isactrack.gui.qt.empty_page import EmptyPage
from isactrack.gui.qt.exports import export_dialog
from isactrack.gui.qt.health_panel import HealthPanel
from isactrack.gui.qt.layout_keeper import LayoutKeeper
from isactrack.gui.qt.lost_banner import LostBanner
from isactrack.gui.qt.marker_dialog import MarkerNote
from isactrack.gui.qt.picture import ask_picture_path, picture_of
from isactrack.gui.qt.placing import place_of, put_back
from isactrack.gui.qt.record_bar import RecordBar
from isactrack.gui.qt.shortcut_overlay import ShortcutOverlay
from isactrack.gui.qt.source_badge import SourceBadge
from isactrack.gui.qt.source_chooser import SourceChooser, dropped_file
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.toast import ToastStack
from isactrack.gui.qt.transport_bar import TransportBar
from isactrack.gui.qt.tuning_dock import TuningDock
from isactrack.gui.qt.view_dock import Look

if TYPE_CHECKING:
    from isactrack.acquisition.snapshot import Health, Snapshot

_LOG = logging.getLogger(__name__)
TICK_MS = 33
"""The screen is drawn at most 30 times a second; the newest snapshot wins."""
_HEALTH_TICKS = 8
_PATIENCE_S = 10.0
"""How long another source waits for one that is still being opened: both may be the same device."""
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
        super().__init__()
        self.opening = opening
        self._capacity = capacity
        self.timeline = Timeline(capacity)
        self.feed: Feed | None = None
        self.health: Health | None = None
        self.paint_clock = PaintClock()
        self.error: IsacError | None = None
        self.toasts = Toasts()
        self._settings_store = SettingsStore(folder, self._report)
        self.settings = self._settings_store.load()
        self.theme = theme or THEMES[self.settings.theme]
        self._reach = Reach()
        self._reached: tuple[Snapshot | None, tuple[float, float]] = (None, (0.0, 0.0))
        self._logged: set[str] = set()
        self._exceptions: list[Exception] = []
        self._told = ""
        self._reconnections = 0
        self._ticks = 0
        self.setWindowTitle(f"{opening.name} – isactrack")
        self.chooser = None if sources is None else SourceChooser(sources, RecentSources(folder, self._report), self)
        if self.chooser is not None:
            self.chooser.chosen.connect(self.switch)
        self.setAcceptDrops(self.chooser is not None)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        _apply(self.theme)
        self._made = make_actions(self, self.settings)
        self._actions = self._made.named
        self._make_widgets()
        self.layouts = LayoutKeeper(
            self.views, self._actions["health"], LayoutStore(folder, self._report), self._report,
            lambda name: self._keep(layout=name), self,
        )  # fmt: skip
        self._lay_out()
        self.tuning = TuningDock(self)
        self.tuning.visibilityChanged.connect(
            lambda _on: self._actions["tuning"].setChecked(not self.tuning.isHidden())
        )
        connect_actions(self, self._made)
        for name in ("connect", "open"):
            self._actions[name].setEnabled(self.chooser is not None)
        self._own_layouts: list[QAction] = []
        self._made.menus["Layout"].aboutToShow.connect(self._list_layouts)
        self._guard("layout", lambda: self.layouts.start(self.settings.layout))
        put_back(self, self.settings)
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
        self._guard("tuning", lambda: self.tuning.follow(self.feed))
        self._refresh_texts()
        self._tell(self.error)
        self.toast_stack.refresh()
        self._ticks += 1

    def _take_feed(self) -> None:
        if self.feed is None and (feed := self.opening.take()) is not None:
            self.feed = feed
            self.timeline, self.paint_clock = Timeline(self._capacity, live=feed.live), PaintClock()
            self.views.ask(lambda view: view.forget_run())
            self.views.set_look(placement=placement_of(feed))
            self.timeline.loop = self._actions["loop"].isChecked()
            self._show_transport()
            self._refresh_health()
            self.record_bar.set_control(control_of(feed, self.settings.last_folder, self.health))
            self._refresh_health()
            if self.chooser is not None:
                self.chooser.forget()
        if self.error is None and (error := self.opening.error) is not None:
            self.error = error
            if self.chooser is not None:
                self.chooser.fail(error)

    # --- another source ----------------------------------------------------------------------------------------------

    def choose_source(self) -> None:
        """Ask for a device or a recording; what is shown goes on until one is chosen."""
        if self.chooser is not None:
            self.chooser.ask(self.theme)

    def choose_file(self) -> None:
        """Ask for a recording."""
        if self.chooser is not None:
            self.chooser.ask_file(self.settings.last_folder)

    def switch(self, open_feed: Callable[[], Feed], name: str) -> None:
        """Close what is shown, with its recording, and show another source in its place.

        Parameters
        ----------
        open_feed
            Opens it; called in a thread of its own when what was shown is closed, for both may be the same device.
        name
            What is opened.
        """
        former, feed = self.opening, self.feed

        def open_next() -> Feed:
            former.cancel(_PATIENCE_S)
            if feed is not None:
                self._close_former(feed)
            return open_feed()

        self.opening = Opening(open_next, name)
        self._forget_source()
        self.opening.start()

    def _close_former(self, feed: Feed) -> None:
        """Close a feed; what is wrong with its end is reported, and keeps nothing else from being opened."""
        try:
            feed.close()
            error: Exception | None = feed.health().recording_error
        except Exception as failure:  # noqa: BLE001 - another source is to be shown all the same
            error = failure
        if error is not None:
            self.report_exception(error)

    def _forget_source(self) -> None:
        self.feed, self.health, self.error = None, None, None
        self.timeline = Timeline(self._capacity)
        self._reach, self._reached = Reach(), (None, (0.0, 0.0))
        self._told, self._reconnections = "", 0
        self.views.redraw()
        self.record_bar.set_control(None)
        self.lost_banner.show_text("", "")
        self.marker_note.hide()
        self.setWindowTitle(f"{self.opening.name} – isactrack")
        self._dress()
        self._refresh_texts()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take one file."""
        if dropped_file(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Open the file that is dropped."""
        path = dropped_file(event.mimeData())
        if path is not None and self.chooser is not None:
            event.acceptProposedAction()
            self.chooser.open_file(path)

    def _poll(self) -> None:
        if self.feed is None:
            return
        running = self.health is not None and self.health.running
        self.feed.want(self.views.products)
        snapshots = self.feed.poll()
        self._take_reconnection(self.feed)
        for snapshot in snapshots:
            self.timeline.append(snapshot)
        if self._follows:
            self.paint_clock.came(len(snapshots))
        events = self.feed.take_events()
        if events:
            self.timeline.take_events(events)
            self.views.ask(lambda view: view.take_events(events))
        self.timeline.ended = not running and not snapshots
        if self.timeline.ended and self.timeline.current is None and self.health is not None and self.error is None:
            self.error = no_result_error(self.opening.name, self.health)

    def _take_reconnection(self, feed: Feed) -> None:
        """Show that the device is lost, and that it is there again: with a gap where nothing came."""
        if not isinstance(feed, ReconnectingFeed):
            return
        if feed.lost is not None:
            hint = feed.lost.hint
            if self.health is not None and self.health.recording:
                hint = f"{hint}; the recording goes on in a file of its own as soon as it is there again".lstrip("; ")
            self.lost_banner.show_text(feed.note, hint)
        elif self._reconnections != feed.reconnections:
            self.lost_banner.show_text("", "")
            self.timeline.interrupt()
            self.toasts.info(f"{self.opening.name} is there again")
        self._reconnections = feed.reconnections

    def _refresh_health(self) -> None:
        if self.feed is None:
            return
        self.health = self.feed.health()
        if self.health.error is not None:
            self.error = self.health.error
        self.show_health_panel(self._actions["health"].isChecked())
        self.record_bar.show_health(self.health)
        shown = self.health_panel.show_health(self.health, self.error, self.paint_clock.stats())
        self.status_badge.show_banner(shown)

    def _draw(self) -> None:
        snapshot = self.timeline.current
        if snapshot is None:
            return
        self.stack.setCurrentWidget(self.views)
        self._guard("range", lambda: self._take_reach(snapshot))
        if self.views.draw(self.timeline, self._reached[1]) and self._follows:
            self.paint_clock.drawn(snapshot)

    @property
    def _follows(self) -> bool:
        """Whether results are shown as they come."""
        return self.timeline.live and self.timeline.mode is Mode.FOLLOWING

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
                self.health_panel.error_box.show_error(told, self.opening.name)

    def _log_once(self, name: str, error: Exception) -> None:
        kind = f"{name}: {type(error).__name__}"
        if kind not in self._logged and len(self._logged) < _MAX_LOGGED:
            self._logged.add(kind)
            _LOG.error("the %s failed", name, exc_info=error)

    def _report(self, error: IsacError) -> None:
        self.toasts.error(error, self.opening.name)

    def _tell(self, error: IsacError | None) -> None:
        """Report an error of the feed, which stays, once."""
        text = "" if error is None else f"{type(error).__name__}: {error}"
        if error is not None and text != self._told:
            self._report(error)
        self._told = text

    def _on_view_failed(self, title: str, error: Exception) -> None:
        told = _view_error(title, error)
        self.toasts.error(told, self.opening.name, f"{type(error).__name__}: {error}")

    # --- what the user can do ----------------------------------------------------------------------------------------

    @property
    def shows_frame(self) -> bool:
        """Whether a frame was drawn."""
        return self.timeline.current is not None and self.views.is_ready

    def picture(self) -> bytes:
        """Return the window as it is now, as a PNG file."""
        return picture_of(self)

    def save_snapshot(self, path: Path | None = None) -> None:
        """Save the window as PNG; ask for the file if none is given. The status bar says how it went."""
        try:
            picture = self.picture()
            path = path or ask_picture_path(self, self.settings.last_folder)
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

    def report(self, error: IsacError) -> None:
        """Show an error, and go on."""
        self._report(error)

    def export(self) -> None:
        """Ask what is to be exported; what is shown goes on meanwhile."""
        export_dialog(self).show()

    def set_theme(self, name: str) -> None:
        """Take other colours; views go on where they were."""
        self.theme = THEMES[name]
        _apply(self.theme)
        # The views first: what is dressed is missing for a moment, and views take its room.
        self.views.set_look(theme=self.theme)
        self.record_bar.set_theme(self.theme)
        self.transport.set_theme(self.theme)
        self.lost_banner.set_theme(self.theme)
        self.tuning.set_theme(self.theme)
        self._dress()
        self._keep(theme=name)

    def set_colour_map(self, name: str) -> None:
        """Take another colour map for all maps."""
        self.views.set_look(colour_map=colour_map(name))
        self._made.colours[name].setChecked(True)
        self._keep(colour_map=name)

    def event(self, event: QEvent) -> bool:
        """Leave Space to a button that was reached with Tab, else it plays and pauses; note when all was painted."""
        if event.type() is QEvent.Type.UpdateRequest:
            painted = super().event(event)  # all that is dirty in this window, views included
            self.paint_clock.painted()
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
            self._guard("layout", self._keep_window)
        self.timer.stop()
        self.opening.cancel()
        feed, self.feed = self.feed, None
        if feed is not None:
            self._guard("closing of the feed", feed.close, ends=True)
            self.error = self.error or feed.health().error  # the last frames may not have fitted on the disk
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
            self._redraw()
            self.transport.show_state(transport_state(self.timeline))
            self.toast_stack.refresh()

        return run

    def then_redraw(self, switch: Callable[[bool], object]) -> Callable[[bool], None]:
        """Return a function that switches something and draws the views anew."""

        def run(on: bool) -> None:
            switch(on)
            self._redraw()

        return run

    def set_look(self, **changes: bool) -> None:
        """Show or hide what views show, by the names of `Look`, and remember it."""
        self.views.set_look(**changes)
        self._keep(**changes)

    def change_speed(self, steps: int) -> None:
        """Play faster or more slowly; a live stream goes at its own speed."""
        if not self.timeline.live:
            place = SPEEDS.index(self.timeline.speed) + steps
            self.transport.speed_box.setCurrentIndex(min(max(place, 0), len(SPEEDS) - 1))

    def set_loop(self, on: bool) -> None:
        """Begin a file again at its end, or do not."""
        self.timeline.loop = on
        self.transport.loop_button.setChecked(on)

    def _list_layouts(self) -> None:
        self._own_layouts = self.layouts.fill(self._made.menus["Layout"], self._own_layouts)

    def show_health_panel(self, wanted: bool) -> None:
        """Show the panel if it is wanted and there is something to say."""
        self.health_panel.setVisible(wanted and self.health is not None)

    def set_full_screen(self, on: bool) -> None:
        """Fill the screen, or do not."""
        self.showFullScreen() if on else self.showNormal()

    def frame(self, *, whole: bool) -> None:
        """Show the range in which something is seen, or the whole range of the sensor."""
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
                self.theme, colour_map(self.settings.colour_map), trails=self.settings.trails, ids=self.settings.ids,
                grid=self.settings.grid, past=self.settings.past,
            ),
        )  # fmt: skip
        self.views.pointed.connect(self._pointer.setText)
        self.views.seek_requested.connect(lambda host_ns: self.then_show(lambda: self.timeline.seek_host_ns(host_ns))())
        self.views.failed.connect(self._on_view_failed)
        for title, error in self.views.errors:
            self._on_view_failed(title, error)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.views)
        self.record_bar = RecordBar(self.theme, self._actions)
        self.record_bar.failed.connect(self._report)
        self.record_bar.told.connect(self.toasts.info)
        self.record_bar.started.connect(lambda path: self._keep(last_folder=str(path.absolute().parent)))

        self.transport = TransportBar(self.theme, self._actions)
        self.transport.seek_requested.connect(lambda time_s: self.then_show(lambda: self.timeline.jump_time(time_s))())
        self.transport.speed_chosen.connect(lambda speed: self.timeline.set_speed(speed))
        self.transport.loop_chosen.connect(self._actions["loop"].setChecked)

    def _lay_out(self) -> None:
        self._upper = QHBoxLayout()
        self._upper.setSpacing(6)
        self._upper.addWidget(self.stack, 1)
        centre = QWidget()
        self._outer = QVBoxLayout(centre)
        self._outer.setContentsMargins(8, 2, 8, 0)
        self._outer.setSpacing(6)
        self.lost_banner = LostBanner(self.theme)
        self._outer.addWidget(self.lost_banner)
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
        self.toast_stack = ToastStack(self.toasts, self.stack, self)
        self.overlay = ShortcutOverlay(self)
        self.marker_note = MarkerNote(self.stack, self)
        self.record_bar.marked.connect(self.marker_note.ask)
        self.marker_note.noted.connect(self.record_bar.add_note)

    def _dress(self) -> None:
        """Make what is made in the colours of the theme, in place of what was made before."""
        self.setFocus()  # else the keys would go to whatever comes after what is taken away
        for widget in self._dressed:
            widget.hide()
            widget.deleteLater()
        self.empty = EmptyPage(self.theme)
        self.health_panel = HealthPanel(self.theme, self.opening.name)
        self.health_panel.setVisible(False)
        self.status_badge = SourceBadge(self.theme)
        self._dressed = [self.empty, self.health_panel, self.status_badge]
        self.stack.addWidget(self.empty)
        if self.timeline.current is None:
            self.stack.setCurrentWidget(self.empty)
        self._upper.addWidget(self.health_panel)
        self.statusBar().addPermanentWidget(self.status_badge)
        self.status_badge.hide()
        self._show_transport()
        self._refresh_health()

    def _show_transport(self) -> None:
        """Show speed and loop as they are, and what a live stream or a file needs."""
        self.transport.set_live(self.timeline.live)
        self.transport.speed_box.setCurrentIndex(SPEEDS.index(self.timeline.speed))
        self.transport.loop_button.setChecked(self._actions["loop"].isChecked())
        self.transport.show_state(transport_state(self.timeline))

    def _refresh_texts(self) -> None:
        told = self.feed is not None and self.feed.note and self.lost_banner.isHidden()
        note = f"   ·   {self.feed.note}" if self.feed is not None and told else ""
        self._status.setText(status_text(self.timeline, self.opening.name) + note)
        if self.timeline.current is None:
            title, text = empty_text(self.opening.name, self.health, self.error)
            self.empty.show_text(title, text, self.error, self.opening.name)


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
