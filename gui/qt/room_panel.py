"""The plan of the room with its legend, or what went wrong with it; it fails alone."""

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGraphicsItem, QGraphicsView, QLabel, QStackedWidget, QVBoxLayout, QWidget

from isactrack.gui.models.arrangement import head_text, room_empty_text, room_note
from isactrack.gui.models.room_overlay import STYLES, RoomOverlay
from isactrack.gui.models.streams import Streams
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.room_view import RoomView
from isactrack.gui.qt.sensor_head import SensorHead
from isactrack.gui.qt.view_dock import FailurePage, Look

if TYPE_CHECKING:
    from types import TracebackType

    from isactrack.gui.models.stream import Stream

_LOG = logging.getLogger(__name__)
TITLE = "Room"
_MARKS = (
    ("dot", "confirmed"), ("dashed ring", "coasted"), ("ring", "tentative"), ("small ring", "detection"),
    ("cross", "truth"),
)  # fmt: skip


class RoomPanel(QFrame):
    """All sensors in one plan.

    Parameters
    ----------
    streams
        The sensors.
    look
        How it looks.
    """

    pointed = Signal(str)
    """What lies under the pointer."""
    chosen = Signal(object)
    """The user wants a sensor to be the active one; its stream."""
    removed = Signal(object)
    """The user wants to take a sensor out; its stream."""
    failed = Signal(str, object)
    """It could not do what it was asked for: its title and the exception."""

    def __init__(self, streams: Streams, look: Look) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setMinimumSize(320, 240)
        self.error: Exception | None = None
        self.view: RoomView | None = None
        self._streams = streams
        self._look = look
        self._overlay = RoomOverlay()
        self._drawn: tuple[object, ...] | None = None
        self.heads: dict[Stream, SensorHead] = {}
        self._legend, self._states = QVBoxLayout(), QVBoxLayout()
        self._legend.setSpacing(3)
        self.note = QLabel()
        self.note.setObjectName("muted")
        self.note.setWordWrap(True)
        self.note.setMargin(4)
        self.empty = QLabel()
        self.empty.setObjectName("muted")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 4)
        layout.setSpacing(4)
        layout.addLayout(self._legend)
        layout.addLayout(self._states)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.note)
        self._show_states()
        self.build()

    @property
    def is_ready(self) -> bool:
        """Whether it shows the sensors, or why it cannot."""
        return self._drawn is not None or self.error is not None

    def build(self) -> None:
        """Make the plan anew, in place of what is there."""
        former, self.error, self._drawn = self.view, None, None
        try:
            view = RoomView(self._look.theme)
            view.set_grid(self._look.grid)
            if former is not None:
                view.take_over(former)
        except Exception as error:  # noqa: BLE001 - its fault must not stop the others
            self.fail(error)
            return
        view.pointed.connect(self.pointed)
        self.view = view
        self._put(view)

    def set_look(self, look: Look) -> None:
        """Look otherwise."""
        former, self._look, self._drawn = self._look, look, None
        if look.theme != former.theme:
            for head in self.heads.values():
                head.set_theme(look.theme)
            self._show_states()
            if self.error is None:
                self.build()
        elif self.view is not None:
            self.view.set_grid(look.grid)

    def draw(self) -> None:
        """Draw the sensors as they are at the moment that is shown, if that has changed and it is seen."""
        if not self.isVisible():
            return
        self._show_heads()
        if self.view is None:
            return
        try:
            self._draw(self.view)
        except Exception as error:  # noqa: BLE001 - its fault must not stop the others
            self.fail(error)

    def frame(self) -> None:
        """Show all sensors and walls again."""
        if self.view is not None:
            self.view.frame()

    def redraw(self) -> None:
        """Draw the same again the next time."""
        self._drawn = None

    def blame(self, error: Exception) -> bool:
        """Stop the plan if an exception arose in its code; return whether it did."""
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            if self._holds(trace.tb_frame.f_locals.get("self")):
                self.fail(error)
                return True
            trace = trace.tb_next
        return False

    def fail(self, error: Exception) -> None:
        """Put what went wrong in the place of the plan, and report it."""
        _LOG.error("the plan of the room failed", exc_info=error)
        self.view, self.error = None, error
        page = FailurePage(TITLE, error)
        page.retry_button.clicked.connect(self.build)
        self._put(page)
        self.failed.emit(TITLE, error)

    def _draw(self, view: RoomView) -> None:
        self.note.setText(room_note(self._streams))
        self.note.setVisible(bool(self.note.text()))
        empty = room_empty_text(self._streams)
        self.empty.setText(empty)
        self.stack.setCurrentWidget(self.empty if empty else view)
        key = self._overlay.key(self._streams)
        if empty or key == self._drawn:
            return
        view.show_layers(self._overlay.layers(self._streams, trails=self._look.trails), ids=self._look.ids)
        self._drawn = key

    def _show_heads(self) -> None:
        for stream in [stream for stream in self.heads if stream not in self._streams.items]:
            self._drop_head(stream)
        for style, stream in zip(STYLES, self._streams.items, strict=False):
            head = self.heads.get(stream) or self._add_head(stream)
            head.set_style(style)
            head.remove_button.setVisible(len(self._streams) > 1)
            head.show_text(head_text(self._streams, stream))
            head.set_active(on=stream is self._streams.active and len(self._streams) > 1)

    def _add_head(self, stream: "Stream") -> SensorHead:
        head = self.heads[stream] = SensorHead(STYLES[0], self._look.theme)
        head.chosen.connect(lambda: self.chosen.emit(stream))
        head.removed.connect(lambda: self.removed.emit(stream))
        self._legend.addWidget(head)
        return head

    def _drop_head(self, stream: "Stream") -> None:
        head = self.heads.pop(stream)
        self._legend.removeWidget(head)
        head.hide()
        head.deleteLater()

    def _show_states(self) -> None:
        """Say what is meant by full, dashed and empty marks, whatever their shape."""
        former = self._states.takeAt(0)
        if former is not None and (widget := former.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        self._states.addWidget(Legend(self._look.theme, _MARKS))

    def _put(self, content: QWidget) -> None:
        for k in range(self.stack.count() - 1, -1, -1):
            former = self.stack.widget(k)
            if former is not self.empty and former is not None:
                self.stack.removeWidget(former)
                former.deleteLater()
        self.stack.addWidget(content)
        self.stack.setCurrentWidget(content)

    def _holds(self, thing: object) -> bool:
        if self.view is None:
            return False
        if isinstance(thing, QGraphicsItem):
            return any(thing.scene() is widget.scene() for widget in self.view.findChildren(QGraphicsView))
        return thing is self.view or (isinstance(thing, QWidget) and self.view.isAncestorOf(thing))
