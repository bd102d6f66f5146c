"""All views in docks, and how they are arranged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QMainWindow, QTabWidget

from isactrack.errors import RecordingError
from isactrack.gui.models.layouts import BUILT_IN, VERSION, BuiltInLayout, SavedLayout, arrange
from isactrack.gui.models.timeline import Timeline
from isactrack.gui.models.views import ViewEntry
from isactrack.gui.qt.view import View
from isactrack.gui.qt.view_dock import Look, ViewDock
from isactrack.processing.products import Product


class DockArea(QMainWindow):
    """All views in docks.

    Parameters
    ----------
    entries
        The views.
    look
        How they look.
    """

    failed = Signal(str, object)
    """A view could not do what it was asked for: its title and the exception."""
    pointed = Signal(str)
    """What lies under the pointer."""
    seek_requested = Signal(object)
    """The user wants to see a moment of the host's monotonic clock (ns)."""

    def __init__(self, entries: Sequence[ViewEntry], look: Look) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockOptions(QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AllowTabbedDocks)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self._entries = tuple(entries)
        self.look = look
        self._layout: BuiltInLayout | None = None
        self._stacked = False
        self.docks: dict[str, ViewDock] = {}
        for entry in self._entries:
            self._add(entry)
        self.apply(BUILT_IN[0])  # Qt can put back only docks that have a place

    # --- views -------------------------------------------------------------------------------------------------------

    def set_look(self, **changes: object) -> None:
        """Change how the views look, by the names of `Look`."""
        self.look = replace(self.look, **changes)  # type: ignore[arg-type]
        for dock in self.docks.values():
            dock.set_look(self.look)

    def draw(self, timeline: Timeline, reach: tuple[float, float]) -> bool:
        """Let the views that are seen draw what is under the cursor, if they have not yet; return whether any did.

        Parameters
        ----------
        timeline
            The snapshots.
        reach
            Range (m) to show, and the sensor's own.
        """
        snapshot = timeline.current
        if snapshot is None:
            return False
        drawn = [dock.draw(snapshot, timeline, reach) for dock in self.docks.values()]
        return any(drawn)

    @property
    def is_ready(self) -> bool:
        """Whether all that is seen shows something; also if every view is closed."""
        docks = self.docks.values()
        seen = [dock for dock in docks if dock.is_seen]
        return all(dock.is_ready for dock in seen) if seen else all(dock.isHidden() for dock in docks)

    def redraw(self) -> None:
        """Draw the same again the next time."""
        for dock in self.docks.values():
            dock.forget_drawn()

    def ask(self, work: Callable[[View], object]) -> None:
        """Let all views do something."""
        for dock in self.docks.values():
            dock.ask(work)

    def retry(self) -> None:
        """Make the views that have failed anew."""
        for dock in self.docks.values():
            if dock.error is not None:
                dock.build()

    @property
    def products(self) -> frozenset[Product]:
        """What the views that are seen want to be made besides."""
        seen = [dock.view for dock in self.docks.values() if dock.is_seen and dock.view is not None]
        return frozenset().union(*(view.products for view in seen))

    def _pick_track(self, picked_in: ViewDock, track_id: int | None) -> None:
        """Let all other views show that a track was picked in one."""
        for dock in self.docks.values():
            if dock is not picked_in:
                dock.ask(lambda view: view.pick_track(track_id))
                dock.forget_drawn()

    def blame(self, error: Exception) -> bool:
        """Stop the view in whose code an exception arose; return whether it was in one."""
        culprits = []
        trace = error.__traceback__
        while trace is not None:
            culprits.append(trace.tb_frame.f_locals.get("self"))
            trace = trace.tb_next
        for dock in self.docks.values():
            if any(dock.holds(culprit) for culprit in culprits):
                dock.fail(error)
                return True
        return False

    @property
    def errors(self) -> list[tuple[str, Exception]]:
        """Titles and exceptions of the views that have failed."""
        return [(dock.entry.title, dock.error) for dock in self.docks.values() if dock.error is not None]

    # --- layout ------------------------------------------------------------------------------------------------------

    def show_view(self, name: str) -> None:
        """Show a view and bring it before the tabs of its place."""
        dock = self.docks[name]
        dock.show()
        dock.raise_()

    def apply(self, layout: BuiltInLayout, *, stacked: bool = False) -> None:
        """Arrange the docks as a built-in layout says; `stacked` puts its columns below one another."""
        self._stacked = stacked
        for dock in self.docks.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        columns = [[[self.docks[name] for name in cell] for cell in column] for column in self._columns(layout)]
        for k, column in enumerate(columns):
            if k == 0:
                self.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, column[0][0])
            else:
                self.splitDockWidget(columns[k - 1][0][0], column[0][0], Qt.Orientation.Horizontal)
        for column in columns:
            for upper, lower in pairwise(column):
                self.splitDockWidget(upper[0], lower[0], Qt.Orientation.Vertical)
            for cell in column:
                for dock in cell[1:]:
                    self.tabifyDockWidget(cell[0], dock)
        for cell in (cell for column in columns for cell in column):
            shown = [dock for dock in cell if layout.shows(dock.entry)]
            for dock in cell:
                dock.setVisible(dock in shown)
            if shown:
                shown[0].raise_()
        self._layout = layout
        self._share_room(layout)

    def save(self, *, health: bool) -> SavedLayout:
        """Return the docks as they are.

        Parameters
        ----------
        health
            Whether the health panel is shown.
        """
        shown = tuple(name for name, dock in self.docks.items() if not dock.isHidden())
        return SavedLayout(shown, health, bytes(self.saveState(VERSION).data()))

    def restore(self, saved: SavedLayout) -> None:
        """Arrange the docks as they were saved.

        Raises
        ------
        RecordingError
            If Qt cannot make sense of it, or nothing would be shown; then the docks are anywhere.
        """
        known = [name for name in saved.views if name in self.docks]
        if not known or not self.restoreState(saved.state, VERSION):
            raise RecordingError("the layout cannot be restored", "it was saved by another version; choose another one")
        self._layout = None
        for name, dock in self.docks.items():
            if name not in known:
                dock.hide()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Share the room anew: before the first time its size was not known."""
        super().showEvent(event)
        if self._layout is not None:
            self._share_room(self._layout)
            self._layout = None

    def _share_room(self, layout: BuiltInLayout) -> None:
        columns = [[self._visible(cell) for cell in column] for column in self._columns(layout)]
        shown = [[cell for cell in column if cell is not None] for column in columns]
        tops = [column[0] for column in shown if column]
        if len(tops) == 2:
            left = round(layout.left_share * self.width())
            self.resizeDocks(tops, [left, self.width() - left], Qt.Orientation.Horizontal)
        for column in shown:
            if len(column) == 2:
                top = round((0.5 if self._stacked else layout.top_share) * self.height())
                self.resizeDocks(column, [top, self.height() - top], Qt.Orientation.Vertical)

    def _columns(self, layout: BuiltInLayout) -> list[list[list[str]]]:
        columns = arrange(self._entries, layout)
        stacked = [[[name for cell in column for name in cell] for column in columns]]
        return stacked if self._stacked else columns

    def _visible(self, cell: Sequence[str]) -> ViewDock | None:
        return next((self.docks[name] for name in cell if not self.docks[name].isHidden()), None)

    def _add(self, entry: ViewEntry) -> None:
        dock = ViewDock(entry, self.look)
        dock.pointed.connect(self.pointed)
        dock.seek_requested.connect(self.seek_requested)
        dock.track_picked.connect(lambda track_id: self._pick_track(dock, track_id))
        dock.failed.connect(lambda error: self.failed.emit(entry.title, error))
        self.docks[entry.name] = dock
