"""The window: views in the middle, health at the side, time below."""

import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from isactrack.errors import IsacError, RecordingError
from isactrack.gui.models.feed import Feed, Opening, as_isac_error, no_result_error
from isactrack.gui.models.health_text import empty_text
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.picture_file import write_picture
from isactrack.gui.models.reach import Reach
from isactrack.gui.models.shortcuts import by_menu
from isactrack.gui.models.theme import DARK, Theme
from isactrack.gui.models.timeline import DEFAULT_CAPACITY, Timeline
from isactrack.gui.models.transport import status_text, transport_state
from isactrack.gui.qt.empty_page import EmptyPage
from isactrack.gui.qt.health_panel import HealthPanel
from isactrack.gui.qt.map_view import MapView
from isactrack.gui.qt.plan_view import PlanView
from isactrack.gui.qt.shortcut_overlay import ShortcutOverlay
from isactrack.gui.qt.source_badge import SourceBadge
from isactrack.gui.qt.transport_bar import TransportBar

if TYPE_CHECKING:
    from isactrack.acquisition.snapshot import Health

_LOG = logging.getLogger(__name__)
TICK_MS = 33
"""The screen is drawn at most 30 times a second; the newest snapshot wins."""
_HEALTH_TICKS = 8
_START_SIZE = QSize(1440, 820)


class MainWindow(QMainWindow):
    """The viewer's window.

    One timer polls the feed, moves the timeline and draws what changed. A view that fails is reported and left alone;
    the others go on.

    Parameters
    ----------
    opening
        The feed that is being opened; started by the caller. The window closes the feed when it is closed.
    theme
        Colours.
    capacity
        Snapshots that the timeline keeps.
    """

    closed = Signal()
    """The window was closed and its feed with it."""

    def __init__(self, opening: Opening, theme: Theme = DARK, *, capacity: int = DEFAULT_CAPACITY) -> None:
        super().__init__()
        self._opening = opening
        self._capacity = capacity
        self._theme = theme
        self.timeline = Timeline(capacity)
        self.feed: Feed | None = None
        self.health: Health | None = None
        self.error: IsacError | None = None
        self._reach = Reach()
        self._drawn: object = None
        self._failed: set[str] = set()
        self._ticks = 0
        self.setWindowTitle(f"{opening.name} – isactrack")
        self._actions = self._make_actions()
        self._make_widgets()
        self._lay_out()
        self._refresh_texts()
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start(TICK_MS)

    # --- the clock ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take what is new and draw what changed."""
        self._take_feed()
        self._guard("feed", self._poll)
        self.timeline.advance()
        self._draw()
        self.transport.show_state(transport_state(self.timeline))
        if self._ticks % _HEALTH_TICKS == 0:
            self._guard("health", self._refresh_health)
        self._refresh_texts()
        self._ticks += 1

    def _take_feed(self) -> None:
        if self.feed is None and (feed := self._opening.take()) is not None:
            self.feed = feed
            self.timeline = Timeline(self._capacity, live=feed.live)
            self.transport.set_live(feed.live)
            self._refresh_health()
        if self.error is None:
            self.error = self._opening.error

    def _poll(self) -> None:
        if self.feed is None:
            return
        running = self.health is not None and self.health.running
        snapshots = self.feed.poll()
        for snapshot in snapshots:
            self.timeline.append(snapshot)
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
        if snapshot is None or snapshot is self._drawn:
            return
        self._drawn = snapshot
        self.stack.setCurrentWidget(self.views)
        history = self.timeline.history(self.plan.history_length)
        reach_m, range_max_m = self._reach.take(snapshot), make_map(snapshot).range_max_m

        def draw_map() -> None:
            self.map_view.show_snapshot(snapshot)
            self.map_view.set_reach(math.inf if self._reach.whole else reach_m)

        def draw_plan() -> None:
            self.plan.set_reach(reach_m, range_max_m)
            self.plan.show_snapshot(history)

        self._guard("map", draw_map)
        self._guard("plan view", draw_plan)

    def _redraw(self) -> None:
        self._drawn = None
        self._draw()

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        """Do some work; a failure is logged and shown once and does not stop the rest."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one view's fault must not stop the others
            if name in self._failed:
                return
            self._failed.add(name)
            _LOG.error("the %s failed", name, exc_info=error)
            shown = as_isac_error(error)
            self.error = self.error or IsacError(f"the {name} failed: {shown}", shown.hint)
            self.health_panel.error_box.show_error(self.error, self._opening.name)

    def _refresh_texts(self) -> None:
        note = "" if self.feed is None or not self.feed.note else f"   ·   {self.feed.note}"
        self._status.setText(status_text(self.timeline, self._opening.name) + note)
        if self.timeline.current is None:
            title, text = empty_text(self._opening.name, self.health, self.error)
            self.empty.show_text(title, text, self.error, self._opening.name)

    # --- what the user can do ----------------------------------------------------------------------------------------

    @property
    def shows_frame(self) -> bool:
        """Whether a frame was drawn."""
        return self._drawn is not None

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
        else:
            self._pointer.setText(f"saved {path}")

    def _ask_path(self) -> Path | None:
        name = f"isactrack-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.png"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the window", name, "PNG (*.png)")
        return Path(chosen) if chosen else None

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Stop the clock and the feed."""
        self.timer.stop()
        self._opening.cancel()
        feed, self.feed = self.feed, None
        if feed is not None:
            self._guard("closing of the feed", feed.close)
            self.error = self.error or feed.health().error  # the last frames may not have fitted on the disk
        super().closeEvent(event)
        self.closed.emit()

    def _make_actions(self) -> dict[str, QAction]:
        actions = {}
        for menu_name, commands in by_menu().items():
            menu = self.menuBar().addMenu(menu_name)
            for entry in commands:
                action = QAction(entry.text, self)
                action.setObjectName(entry.name)
                action.setShortcuts([QKeySequence(key) for key in entry.keys])
                action.setCheckable(entry.checkable)
                action.setChecked(entry.checkable and entry.name != "full_screen")
                action.setToolTip(entry.tool_tip)
                menu.addAction(action)
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
            "auto_levels": self.map_view.fit_levels,
            "fit": lambda: self._frame(whole=False),
            "whole": lambda: self._frame(whole=True),
            "help": self.overlay.toggle,
        }
        for name, work in plain.items():
            self._actions[name].triggered.connect(self._then_show(work))
        switches: dict[str, Callable[[bool], object]] = {
            "trails": self.plan.set_trails,
            "ids": self.plan.set_ids,
            "grid": self._set_grid,
            "health": self._show_health_panel,
            "full_screen": self._set_full_screen,
        }
        for name, switch in switches.items():
            self._actions[name].toggled.connect(self._then_show_switched(switch))

    def _then_show(self, work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            work()
            self._redraw()
            self.transport.show_state(transport_state(self.timeline))

        return run

    def _then_show_switched(self, switch: Callable[[bool], object]) -> Callable[[bool], None]:
        def run(on: bool) -> None:
            switch(on)
            self._redraw()

        return run

    def _set_grid(self, on: bool) -> None:
        self.map_view.set_grid(on)
        self.plan.set_grid(on)

    def _show_health_panel(self, wanted: bool) -> None:
        """Show the panel if it is wanted and there is something to say."""
        self.health_panel.setVisible(wanted and self.health is not None)

    def _set_full_screen(self, on: bool) -> None:
        self.showFullScreen() if on else self.showNormal()

    def _frame(self, *, whole: bool) -> None:
        self._reach.reset(whole=whole)
        self._redraw()
        self.map_view.frame()
        self.plan.frame()

    # --- widgets -----------------------------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        self.map_view = MapView(self._theme)
        self.plan = PlanView(self._theme)
        self.empty = EmptyPage(self._theme)
        self.health_panel = HealthPanel(self._theme, self._opening.name)
        self.health_panel.setVisible(False)
        self.transport = TransportBar(self._theme, self._actions)
        self.transport.seek_requested.connect(lambda position: self._then_show(lambda: self.timeline.jump(position))())
        self.transport.speed_chosen.connect(lambda speed: self.timeline.set_speed(speed))
        self.transport.loop_chosen.connect(lambda on: setattr(self.timeline, "loop", on))
        self._status, self._pointer = QLabel(), QLabel()
        self.status_badge = SourceBadge(self._theme)
        for view in (self.map_view, self.plan):
            view.pointed.connect(self._pointer.setText)

    def _lay_out(self) -> None:
        self.views = QSplitter(Qt.Orientation.Horizontal)
        self.views.setChildrenCollapsible(False)
        self.views.setHandleWidth(6)
        self.views.addWidget(self.map_view)
        self.views.addWidget(self.plan)
        self.map_view.setMinimumWidth(350)
        self.plan.setMinimumWidth(350)
        self.views.setSizes([420, 690])
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self.views)
        upper = QHBoxLayout()
        upper.setSpacing(6)
        upper.addWidget(self.stack, 1)
        upper.addWidget(self.health_panel)
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(8, 2, 8, 0)
        layout.setSpacing(6)
        layout.addLayout(upper, 1)
        layout.addWidget(self.transport)
        self.setCentralWidget(centre)
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setContentsMargins(4, 0, 8, 4)
        bar.addWidget(self._status, 1)
        bar.addPermanentWidget(self._pointer)
        bar.addPermanentWidget(self.status_badge)
        self.overlay = ShortcutOverlay(self)
        self._connect()
        self._set_grid(True)
        self.resize(_START_SIZE)
