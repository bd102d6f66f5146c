"""What happened beside the frames; a click goes to where it happened."""

from collections.abc import Callable, Iterable, Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QAction, QBrush, QColor
from PySide6.QtWidgets import QHBoxLayout, QMenu, QTableView, QToolButton, QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.events import Event, EventKind
from isactrack.gui.models.event_log import HEADERS, KINDS, EventLog
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.explained import Explained
from isactrack.gui.qt.note import Note
from isactrack.gui.qt.track_table_view import set_up_table
from isactrack.gui.qt.view import View

Index = QModelIndex | QPersistentModelIndex

_ROOT = QModelIndex()
_PAD = "\u2002\u2002"  # between a time, which ends at the right, and what follows


class EventLogModel(QAbstractTableModel):
    """The log as Qt asks for it.

    Parameters
    ----------
    theme
        Colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.log = EventLog()
        self._muted, self._accent = QBrush(QColor(theme.muted)), QBrush(QColor(theme.accent))

    def rowCount(self, parent: Index = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Return the number of lines that are shown."""
        return 0 if parent.isValid() else len(self.log.shown)

    def columnCount(self, parent: Index = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Return the number of columns."""
        return 0 if parent.isValid() else len(HEADERS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return what Qt asks for of a cell."""
        line, column = self.log.shown[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return (self.log.time_text(line) + _PAD, line.kind.value, line.text)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return line.text
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 0:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and column < 2:
            return self._accent if line.kind is EventKind.MARKER else self._muted
        return None

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Return the name of a column."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section] + (_PAD if section == 0 else "")
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section == 0 else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None


class EventLogView(View):
    """Log of markers, faults and what the device says, that can be filtered by kind."""

    name = "events"
    title = "Events"

    def __init__(self, theme: Theme) -> None:
        self.summary, self.filter_button = Note(), QToolButton()
        super().__init__(theme, _header(self.summary, self.filter_button))
        self.model = EventLogModel(theme)
        self.table = QTableView()
        set_up_table(self.table)
        self.table.setModel(self.model)
        header = self.table.horizontalHeader()
        header.setStretchLastSection(True)
        for column, sample in enumerate(("00:00:00 UTC", "oscillator")):
            header.resizeSection(column, self.table.fontMetrics().horizontalAdvance(sample) + 22)
        # A click, or Enter where the platform says so: moving through the rows by key does not move the cursor.
        self.table.clicked.connect(self._on_chosen)
        self.table.activated.connect(self._on_chosen)
        self.kinds = self._make_filter()
        self.content = Explained(self.table)
        self.body.addWidget(self.content, 1)
        self._refresh()

    @property
    def log(self) -> EventLog:
        """What the log holds."""
        return self.model.log

    def take_events(self, events: Iterable[Event]) -> None:
        """Take new events; the log stays at its end if that is what is seen."""
        new = list(events)
        if not new:
            return
        bar = self.table.verticalScrollBar()
        at_end = bar.value() >= bar.maximum()
        self._change(lambda: self.log.append(new))
        if at_end:
            self.table.scrollToBottom()

    def forget_run(self) -> None:
        """Forget everything, for another session."""
        self._change(self.log.clear)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Show nothing of them: what happened is told by events."""

    def set_clock(self, zero_host_ns: int | None) -> None:
        """Show times on the clock of the display."""
        if self.log.tie(zero_host_ns) and self.log.shown:
            self.model.dataChanged.emit(self.model.index(0, 0), self.model.index(len(self.log.shown) - 1, 0))

    def empty_text(self) -> str:
        """Return why there are no lines."""
        return self.log.why_empty()

    def take_over(self, former: View) -> None:
        """Take the log itself, and which kinds are shown."""
        if isinstance(former, EventLogView):
            self.model.log = former.model.log
            for kind, action in self.kinds.items():
                action.setChecked(former.kinds[kind].isChecked())
            self._change(lambda: None)

    def _make_filter(self) -> dict[EventKind, QAction]:
        menu = QMenu(self)
        actions = {}
        for kind in KINDS:
            action = menu.addAction(kind.value.capitalize())
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(self._on_filter)
            actions[kind] = action
        self.filter_button.setMenu(menu)
        return actions

    def _on_filter(self) -> None:
        self._change(lambda: self.log.show_kinds([kind for kind, action in self.kinds.items() if action.isChecked()]))

    def _on_chosen(self, index: QModelIndex) -> None:
        self.seek_requested.emit(self.log.shown[index.row()].host_monotonic_ns)

    def _change(self, work: Callable[[], object]) -> None:
        self.model.beginResetModel()
        work()
        self.model.endResetModel()
        self._refresh()

    def _refresh(self) -> None:
        self.content.explain(self.empty_text())
        shown, kept, dropped = len(self.log.shown), len(self.log), self.log.dropped
        text = f"{shown} of {kept}" if shown != kept else f"{kept}"
        self.summary.setText(text + (f", {dropped} older ones dropped" if dropped else "") if kept else "")
        hidden = [action for action in self.kinds.values() if not action.isChecked()]
        kinds = f"{len(KINDS) - len(hidden)} of {len(KINDS)} kinds" if hidden else "All kinds"
        self.filter_button.setText(f"{kinds} ▾")


def _header(summary: Note, button: QToolButton) -> QWidget:
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setToolTip("Kinds of events that are shown")
    button.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # it would lie on the text
    header = QWidget()
    layout = QHBoxLayout(header)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(10)
    layout.addWidget(summary, 1)
    layout.addWidget(button)
    return header
