"""A view in a dock that can be moved, made a tab of and closed; if it fails, it says so and leaves the others alone."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QFrame,
    QGraphicsItem,
    QGraphicsView,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.room import NOT_PLACED, Placement
from isactrack.gui.models.theme import COLOUR_MAPS, DARK, ColourMap, Theme
from isactrack.gui.models.timeline import Timeline
from isactrack.gui.models.views import ViewEntry
from isactrack.gui.qt.icons import make_icon
from isactrack.gui.qt.view import View

_LOG = logging.getLogger(__name__)
_MIN_SIZE = QSize(250, 150)
_BUTTON_SIZE = QSize(14, 14)


@dataclass(frozen=True, slots=True)
class Look:
    """What all views are told, also one that is made anew."""

    theme: Theme = DARK
    colour_map: ColourMap = COLOUR_MAPS[0]
    trails: bool = True
    ids: bool = True
    grid: bool = True
    past: bool = False
    placement: Placement = NOT_PLACED

    def tell(self, view: View) -> None:
        """Tell a view all but the theme, which it is made with."""
        view.set_colour_map(self.colour_map)
        view.set_trails(self.trails)
        view.set_ids(self.ids)
        view.set_grid(self.grid)
        view.set_past(self.past)
        view.set_placement(self.placement)


class ViewDock(QDockWidget):
    """A dock with one view in it, or with what went wrong and a button to try again.

    Parameters
    ----------
    entry
        The view.
    look
        How it looks.
    """

    failed = Signal(object)
    """The view could not do what it was asked for; the exception."""
    pointed = Signal(str)
    """What lies under the pointer."""
    track_picked = Signal(object)
    """The user has picked a track in it: its id, None for none."""
    seek_requested = Signal(object)
    """The user wants to see a moment of the host's monotonic clock (ns)."""

    def __init__(self, entry: ViewEntry, look: Look) -> None:
        super().__init__(entry.title)
        self.setObjectName(f"dock-{entry.name}")
        self.setMinimumSize(_MIN_SIZE)
        self.entry = entry
        self.view: View | None = None
        self.error: Exception | None = None
        self._look = look
        self._drawn: Snapshot | None = None
        self._content: QWidget | None = None
        self._title_bar = _TitleBar(self)
        self._title_bar.set_theme(look.theme)
        self.setTitleBarWidget(self._title_bar)
        self.build()

    @property
    def is_seen(self) -> bool:
        """Whether any of it is on the screen: open, and not a tab behind others."""
        return self.isVisible() and not self.visibleRegion().isEmpty()

    def build(self) -> None:
        """Make the view anew, in place of what is there; it goes on where the former one was."""
        former, self.error, self._drawn = self.view, None, None
        try:
            view: View = self.entry.load()(self._look.theme)
            self._look.tell(view)
            if former is not None:
                view.take_over(former)
        except Exception as error:  # noqa: BLE001 - one view's fault must not stop the others
            self.fail(error)
            return
        view.pointed.connect(self.pointed)
        view.track_picked.connect(self.track_picked)
        view.seek_requested.connect(self.seek_requested)
        self.view = view
        self._put(view, view.header)

    def another(self, like: View) -> View:
        """Return another view of this kind that looks like one."""
        view: View = self.entry.load()(self._look.theme)
        self._look.tell(view)
        view.take_over(like)
        return view

    def set_look(self, look: Look) -> None:
        """Look otherwise; other colours of the theme need a new view."""
        former, self._look = self._look, look
        if look.theme != former.theme:
            self._title_bar.set_theme(look.theme)
            if self.error is None:
                self.build()
        else:
            self.ask(look.tell)
        self._drawn = None

    @property
    def is_ready(self) -> bool:
        """Whether it shows a snapshot, or why it cannot."""
        return self._drawn is not None or self.error is not None

    def draw(self, snapshot: Snapshot, timeline: Timeline, reach: tuple[float, float]) -> bool:
        """Draw a snapshot of the timeline, with as much of what was before it as the view wants, if it is seen; once.

        Returns whether it did.

        Parameters
        ----------
        snapshot, timeline
            What is under the cursor, and where it comes from.
        reach
            Range (m) to show, and the sensor's own.
        """
        if self.view is None or snapshot is self._drawn or not self.is_seen:
            return False
        self._drawn = snapshot
        self.ask(lambda view: view.set_reach(*reach))
        self.ask(lambda view: view.set_clock(timeline.zero_host_ns))
        self.ask(
            lambda view: view.show_snapshots(timeline.history(view.history_length, through_gaps=view.through_gaps))
        )
        return self.view is not None

    def forget_drawn(self) -> None:
        """Draw the same snapshot again when it comes."""
        self._drawn = None

    def ask(self, work: Callable[[View], object]) -> None:
        """Let the view do something; if it fails, what went wrong takes its place."""
        if self.view is None:
            return
        try:
            work(self.view)
        except Exception as error:  # noqa: BLE001 - one view's fault must not stop the others
            self.fail(error)

    def holds(self, thing: object) -> bool:
        """Return whether something is the view, one of the widgets in it, or drawn in one of these."""
        if self.view is None:
            return False
        if isinstance(thing, QGraphicsItem):
            return any(thing.scene() is widget.scene() for widget in self.view.findChildren(QGraphicsView))
        return thing is self.view or (isinstance(thing, QWidget) and self.view.isAncestorOf(thing))

    def fail(self, error: Exception) -> None:
        """Put what went wrong in the place of the view, and report it."""
        _LOG.error("the view %r failed", self.entry.name, exc_info=error)
        self.view, self.error = None, error
        page = FailurePage(self.entry.title, error)
        page.retry_button.clicked.connect(self.build)
        self._put(page, QLabel(self.entry.title))
        self.failed.emit(error)

    def _put(self, content: QWidget, header: QWidget) -> None:
        former, self._content = self._content, content
        focused = QApplication.focusWidget()
        if former is not None and focused is not None and former.isAncestorOf(focused):
            self.window().setFocus()  # else the keys would go to whatever comes next
        self._title_bar.set_header(header)
        self.setWidget(content)
        if former is not None:
            former.hide()
            former.deleteLater()


class FailurePage(QFrame):
    """What a view that failed leaves: what went wrong, and a way to try again."""

    def __init__(self, title: str, error: Exception) -> None:
        super().__init__()
        self.setObjectName("card")
        self.text = QLabel(f"{title} has stopped: {type(error).__name__}: {error}")
        self.hint = QLabel("Everything else goes on, a recording too. The message of this fault has the details.")
        self.hint.setObjectName("muted")
        self.retry_button = QPushButton("Retry")
        self.retry_button.setToolTip("Make the view anew (Ctrl+R)")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 12, 20, 12)
        layout.setSpacing(10)
        layout.addStretch(1)
        for label in (self.text, self.hint):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setTextFormat(Qt.TextFormat.PlainText)
            layout.addWidget(label)
        layout.addWidget(self.retry_button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(1)


class _TitleBar(QWidget):
    """Header of the view, and buttons to take the dock out of the window and to close it."""

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__()
        self.setObjectName("dock_title")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._header: QWidget = QLabel()
        self._float_button = self._button("Take it out of the window, or put it back")
        self._float_button.clicked.connect(lambda: dock.setFloating(not dock.isFloating()))
        self._close_button = self._button("Close; its key shows it again")
        self._close_button.clicked.connect(dock.close)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 6, 0)
        self._layout.setSpacing(0)
        for widget in (self._float_button, self._close_button):
            self._layout.addWidget(widget)

    def set_header(self, header: QWidget) -> None:
        """Show the header of another view."""
        if self._layout.indexOf(self._header) >= 0:
            self._layout.removeWidget(self._header)
            self._header.deleteLater()
        if isinstance(header, QLabel):
            header.setObjectName("title")
            header.setContentsMargins(12, 8, 12, 2)
        self._header = header
        self._layout.insertWidget(0, header, 1)

    def set_theme(self, theme: Theme) -> None:
        """Draw the buttons in other colours."""
        self._float_button.setIcon(make_icon("float", theme.muted, theme.line))
        self._close_button.setIcon(make_icon("close", theme.muted, theme.line))

    def _button(self, tip: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("small")
        button.setIconSize(_BUTTON_SIZE)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button
