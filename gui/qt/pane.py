"""One sensor in the window: its views in docks, why there is nothing to see, and that its device is lost."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from isactrack.gui.models.faults import Faults, view_error
from isactrack.gui.models.health_text import empty_text
from isactrack.gui.models.room_overlay import SensorStyle
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.views import VIEWS
from isactrack.gui.qt.docks import DockArea
from isactrack.gui.qt.empty_page import EmptyPage
from isactrack.gui.qt.lost_banner import LostBanner
from isactrack.gui.qt.sensor_head import SensorHead
from isactrack.gui.qt.view_dock import Look


class Pane(QWidget):
    """Shows a stream.

    Parameters
    ----------
    stream
        What is shown.
    style
        How its marks look in the plan of the room.
    look
        How the views look.
    faults
        Takes what goes wrong.
    """

    pointed = Signal(str)
    """What lies under the pointer."""
    seek_requested = Signal(object)
    """The user wants to see a moment of the host's monotonic clock (ns)."""
    told = Signal(str)
    """What happened, for people."""

    def __init__(self, stream: Stream, style: SensorStyle, look: Look, faults: Faults) -> None:
        super().__init__()
        self.stream = stream
        self._faults = faults
        self.views = DockArea(VIEWS, look)
        self.views.pointed.connect(self.pointed)
        self.views.seek_requested.connect(self.seek_requested)
        self.views.failed.connect(self._on_view_failed)
        for title, error in self.views.errors:
            self._on_view_failed(title, error)
        self.head = SensorHead(style, look.theme)
        self.head.hide()
        self.lost_banner = LostBanner(look.theme)
        self.empty = EmptyPage(look.theme)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.views)
        self.stack.addWidget(self.empty)
        self.stack.setCurrentWidget(self.empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.head)
        layout.addWidget(self.lost_banner)
        layout.addWidget(self.stack, 1)

    def poll(self) -> None:
        """Take what is new, and show what happened."""
        news = self.stream.poll(self.views.products)
        self.lost_banner.show_text(*self.stream.lost_text)
        if news.returned:
            self.told.emit(f"{self.stream.name} is there again")
        if news.events:
            self.views.ask(lambda view: view.take_events(news.events))

    def draw(self) -> None:
        """Let the views that are seen draw what is under the cursor, if they have not yet."""
        stream = self.stream
        snapshot = stream.timeline.current
        if snapshot is None:
            return
        self.stack.setCurrentWidget(self.views)
        self._faults.guard("range", lambda: stream.take_reach(snapshot), stream.name)
        if self.views.draw(stream.timeline, stream.reach) and stream.follows:
            stream.paint_clock.drawn(snapshot)

    def redraw(self) -> None:
        """Draw the same again."""
        self.views.redraw()
        self.draw()

    def refresh_text(self) -> None:
        """Say why there is nothing to see, as long as there is nothing."""
        stream = self.stream
        if stream.timeline.current is None:
            title, text = empty_text(stream.name, stream.health, stream.error)
            self.empty.show_text(title, text, stream.error, stream.name)

    def show_stream(self, stream: Stream) -> None:
        """Show another stream, and nothing of what was shown."""
        self.stream = stream
        self.views.redraw()
        self.lost_banner.show_text("", "")
        self.stack.setCurrentWidget(self.empty)

    def frame(self, *, whole: bool) -> None:
        """Show the range in which something is seen, or the whole range of the sensor."""
        self.stream.reset_reach(whole=whole)
        self.redraw()
        self.views.ask(lambda view: view.frame())

    @property
    def is_ready(self) -> bool:
        """Whether a frame is drawn in all views that are seen."""
        return self.stream.timeline.current is not None and self.views.is_ready

    def set_style(self, style: SensorStyle) -> None:
        """Mark the sensor otherwise."""
        self.head.set_style(style)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours; views go on where they were."""
        self.views.set_look(theme=theme)
        self.head.set_theme(theme)
        self.lost_banner.set_theme(theme)
        former, self.empty = self.empty, EmptyPage(theme)
        shown = self.stack.currentWidget() is former
        self.stack.addWidget(self.empty)
        if shown:
            self.stack.setCurrentWidget(self.empty)
        former.hide()
        former.deleteLater()

    def _on_view_failed(self, title: str, error: Exception) -> None:
        self._faults.report(view_error(title, error), self.stream.name, f"{type(error).__name__}: {error}")
