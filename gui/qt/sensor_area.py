"""The sensors of the window: each in a pane, beside one another, and the plan of the room with all of them."""

from collections.abc import Callable
from dataclasses import fields

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from isactrack.gui.models.arrangement import Arrangement, head_text
from isactrack.gui.models.faults import Faults, view_error
from isactrack.gui.models.room_overlay import STYLES
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.streams import Streams
from isactrack.gui.qt.click_watch import ClickWatch
from isactrack.gui.qt.docks import DockArea
from isactrack.gui.qt.pane import Pane
from isactrack.gui.qt.room_panel import RoomPanel
from isactrack.gui.qt.view import View
from isactrack.gui.qt.view_dock import Look

_ROOM_SHARE = 0.45


class SensorArea(QWidget):
    """Shows all streams.

    Parameters
    ----------
    streams
        The sensors; there is one.
    look
        How views look.
    faults
        Takes what goes wrong.
    """

    pointed = Signal(str)
    """What lies under the pointer."""
    seek_requested = Signal(object)
    """The user wants to see a moment of the host's monotonic clock (ns) of the active sensor."""
    told = Signal(str)
    """What happened, for people."""
    chosen = Signal(object)
    """The user wants a sensor to be the active one; its stream."""
    removed = Signal(object)
    """The user wants to take a sensor out; its stream."""

    def __init__(self, streams: Streams, look: Look, faults: Faults) -> None:
        super().__init__()
        self.arrangement = Arrangement.BESIDE
        self.room: RoomPanel | None = None
        self.panes: list[Pane] = []
        self._streams = streams
        self._look = look
        self._faults = faults
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._splitter)
        self._watch = ClickWatch(lambda: self.panes, self._on_clicked, self)
        self.add(streams.active)

    # --- who is there ------------------------------------------------------------------------------------------------

    @property
    def active(self) -> Pane:
        """The pane of the active sensor."""
        return self.pane_of(self._streams.active)

    def pane_of(self, stream: Stream) -> Pane:
        """Return the pane that shows a stream."""
        return next(pane for pane in self.panes if pane.stream is stream)

    @property
    def areas(self) -> list[DockArea]:
        """The views of all sensors, those of the active one first."""
        return [self.active.views, *(pane.views for pane in self.panes if pane is not self.active)]

    def add(self, stream: Stream) -> None:
        """Show one more stream."""
        pane = Pane(stream, STYLES[len(self.panes)], self._look, self._faults)
        pane.pointed.connect(self.pointed)
        pane.told.connect(self.told)
        pane.seek_requested.connect(lambda host_ns: self._on_seek(pane, host_ns))
        pane.head.chosen.connect(lambda: self.chosen.emit(pane.stream))
        pane.head.removed.connect(lambda: self.removed.emit(pane.stream))
        self.panes.append(pane)
        self._splitter.addWidget(pane)
        self._share_room()

    def remove(self, stream: Stream) -> None:
        """Show a stream no longer."""
        pane = self.pane_of(stream)
        self.panes.remove(pane)
        pane.hide()
        pane.setParent(None)
        pane.deleteLater()
        for style, left in zip(STYLES, self.panes, strict=False):
            left.set_style(style)
        self._share_room()

    def arrange(self, arrangement: Arrangement) -> None:
        """Show the sensors beside one another, in one plan of the room, or both."""
        self.arrangement = arrangement
        if arrangement.shows_room and self.room is None:
            self.room = self._make_room()
        self._share_room()

    # --- what is shown -----------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Let all draw what is under the cursors, if they have not yet."""
        for pane in self.panes:
            pane.draw()
            pane.head.show_text(head_text(self._streams, pane.stream))
            pane.head.set_active(on=pane.stream is self._streams.active)
        if self.room is not None:
            self.room.draw()

    def redraw(self) -> None:
        """Draw the same again."""
        for pane in self.panes:
            pane.views.redraw()
        if self.room is not None:
            self.room.redraw()
        self.draw()

    def frame(self, *, whole: bool) -> None:
        """Show the range in which something is seen, or the whole range of the sensors."""
        for pane in self.panes:
            pane.frame(whole=whole)
        if self.room is not None:
            self.room.frame()
        self.redraw()

    def ask(self, work: Callable[[View], object]) -> None:
        """Let all views of all sensors do something."""
        for pane in self.panes:
            pane.views.ask(work)

    def retry(self) -> None:
        """Make the views that have failed anew."""
        for pane in self.panes:
            pane.views.retry()
        if self.room is not None and self.room.error is not None:
            self.room.build()

    def blame(self, error: Exception) -> bool:
        """Stop the view in whose code an exception arose; return whether it was in one."""
        if self.room is not None and self.room.blame(error):
            return True
        return any(pane.views.blame(error) for pane in self.panes)

    @property
    def errors(self) -> list[tuple[str, Exception]]:
        """Titles and exceptions of the views that have failed."""
        found = [failed for pane in self.panes for failed in pane.views.errors]
        if self.room is not None and self.room.error is not None:
            found.append(("Room", self.room.error))
        return found

    @property
    def is_ready(self) -> bool:
        """Whether all that is seen shows something."""
        panes = all(pane.is_ready for pane in self.panes) if self.arrangement.shows_panes else True
        room = self.room is None or not self.arrangement.shows_room or self.room.is_ready
        return panes and room

    @property
    def look(self) -> Look:
        """How views look."""
        return self._look

    def set_look(self, look: Look) -> None:
        """Let all look otherwise; other colours of the theme need new views."""
        former, self._look = self._look, look
        own = ("theme", "placement")  # the one needs new views, the other is each sensor's
        changes = {field.name: getattr(look, field.name) for field in fields(look) if field.name not in own}
        for pane in self.panes:
            if look.theme != former.theme:
                pane.set_theme(look.theme)
            pane.views.set_look(**changes)
        if self.room is not None:
            self.room.set_look(look)

    def _make_room(self) -> RoomPanel:
        room = RoomPanel(self._streams, self._look)
        room.pointed.connect(self.pointed)
        room.chosen.connect(self.chosen)
        room.removed.connect(self.removed)
        room.failed.connect(self._on_room_failed)
        if room.error is not None:
            self._on_room_failed("Room", room.error)
        self._splitter.insertWidget(0, room)
        return room

    def _share_room(self) -> None:
        """Show what the arrangement shows, with room for all of it."""
        several = len(self.panes) > 1
        shows_room = self.room is not None and self.arrangement.shows_room
        for pane in self.panes:
            pane.setVisible(self.arrangement.shows_panes)
            pane.head.setVisible(several)
            pane.head.set_short(on=shows_room and self.arrangement.shows_panes)
        if self.room is not None:
            self.room.setVisible(shows_room)
        self._watch.switch(on=several)
        width = max(self._splitter.width(), 1)
        room_px = round(_ROOM_SHARE * width) if shows_room else 0
        each = (width - room_px) // len(self.panes)
        self._splitter.setSizes([*([room_px] if self.room is not None else []), *(each for _ in self.panes)])

    def _on_clicked(self, pane: QWidget) -> None:
        if isinstance(pane, Pane) and pane in self.panes and pane.stream is not self._streams.active:
            self.chosen.emit(pane.stream)

    def _on_seek(self, pane: Pane, host_ns: object) -> None:
        if pane.stream is not self._streams.active:
            self.chosen.emit(pane.stream)
        self.seek_requested.emit(host_ns)

    def _on_room_failed(self, title: str, error: Exception) -> None:
        self._faults.report(view_error(title, error), self._streams.active.name, f"{type(error).__name__}: {error}")
