"""Tracks in a table that can be sorted and picked from."""

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.levels import track_colour
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.track_table import (
    COLUMNS,
    ID_COLUMN,
    STATE_COLUMN,
    TableChange,
    TrackTable,
    columns_that_fit,
)
from isactrack.gui.qt.explained import Explained
from isactrack.gui.qt.note import Note
from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.view import View
from isactrack.tracks import TrackStatus

Index = QModelIndex | QPersistentModelIndex

_ROOT = QModelIndex()
_MARGIN = 5
_SORT_MARK_ROOM = "\u2002\u2002"  # at the right of a name that ends there, else the mark would lie on it
_MARK_WIDTH = 12
_HEADER_ROOM = 26  # of its margins and of the mark of the order
_MOST_SPARE = 24
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT_FLAGS, _LEFT_FLAGS = int(_RIGHT.value), int(_LEFT.value)


class TrackTableModel(QAbstractTableModel):
    """The table as Qt asks for it; tells Qt of the cells that changed and of no others."""

    def __init__(self) -> None:
        super().__init__()
        self.table = TrackTable()

    def show(self, snapshot: Snapshot) -> None:
        """Show the tracks of a snapshot."""
        before = len(self.table)
        count = len(snapshot.tracks)
        if count > before:
            self.beginInsertRows(_ROOT, before, count - 1)
        elif count < before:
            self.beginRemoveRows(_ROOT, count, before - 1)
        change = self.table.update(snapshot.tracks)
        if count > before:
            self.endInsertRows()
        elif count < before:
            self.endRemoveRows()
        self._tell(change)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column."""
        self._tell(self.table.sort(column, descending=order == Qt.SortOrder.DescendingOrder))

    def rowCount(self, parent: Index = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Return the number of tracks."""
        return 0 if parent.isValid() else len(self.table)

    def columnCount(self, parent: Index = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return what Qt asks for of a cell."""
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.table.text(index.row(), index.column())
        return None

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Return the name of a column, or what it means."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title if section == STATE_COLUMN else column.title + _SORT_MARK_ROOM
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.meaning
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if section == STATE_COLUMN else _RIGHT
        return None

    def _tell(self, change: TableChange) -> None:
        for column, first, last in change.cells:
            self.dataChanged.emit(self.index(first, column), self.index(last, column))


class TrackGrid(QTableView):
    """Table that draws its cells itself, in one go.

    Qt would ask the model for eight things of each cell and call back for each of them, thirty times a second.

    Parameters
    ----------
    theme
        Colours.
    table
        What the cells say.
    """

    resized = Signal()
    """There is other room for columns."""

    def __init__(self, theme: Theme, table: TrackTable) -> None:
        super().__init__()
        self._light = theme.light
        self._table = table
        self._text, self._muted = QColor(theme.text), QColor(theme.muted)
        self._ground, self._chosen = QColor(theme.accent), QColor(theme.window)
        self._colours: dict[str, QColor] = {}

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Say so."""
        super().resizeEvent(event)
        self.resized.emit()

    @painted_safely
    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the cells that have changed or come into sight."""
        dirty = event.rect()
        first, last = self.rowAt(dirty.top()), self.rowAt(dirty.bottom())
        last = len(self._table) - 1 if last < 0 else last
        columns = [
            (column, x + _MARGIN, width - 2 * _MARGIN)
            for column in range(len(COLUMNS))
            if not self.isColumnHidden(column)
            and (x := self.columnViewportPosition(column)) <= dirty.right()
            and x + (width := self.columnWidth(column)) > dirty.left()
        ]
        painter = QPainter(self.viewport())
        painter.setFont(self.font())
        chosen = self.currentIndex().row() if self.selectionModel().hasSelection() else -1
        for row in range(first, last + 1) if first >= 0 else ():
            self._paint_row(painter, row, columns, chosen=row == chosen)
        painter.end()

    def _paint_row(self, painter: QPainter, row: int, columns: Sequence[tuple[int, int, int]], *, chosen: bool) -> None:
        y, height, table = self.rowViewportPosition(row), self.rowHeight(row), self._table
        colour = self._text if table.is_seen(row) else self._muted
        if chosen:
            painter.fillRect(0, y, self.viewport().width(), height, self._ground)
            colour = self._chosen
        painter.setPen(colour)
        for column, x, width in columns:
            if column == ID_COLUMN and not chosen:
                painter.setPen(self._colour_of(table.id_at(row)))
            if column == STATE_COLUMN:
                painter.drawText(x, y, width, height, _LEFT_FLAGS, table.text(row, column))
            else:
                painter.drawText(x, y, width - _MARK_WIDTH, height, _RIGHT_FLAGS, table.text(row, column))
            if column == ID_COLUMN and not chosen:
                painter.setPen(colour)

    def _colour_of(self, track_id: int) -> QColor:
        name = track_colour(track_id, light=self._light)
        if name not in self._colours:
            self._colours[name] = QColor(name)
        return self._colours[name]


class TrackTableView(View):
    """Table of the tracks at the cursor; the row that is picked goes with its track wherever that is sorted to.

    Columns that there is no room for are left out, what matters least first; the menu of the header has all of them.
    """

    name = "tracks"
    title = "Tracks"

    def __init__(self, theme: Theme) -> None:
        self.summary = Note()
        super().__init__(theme, self.summary)
        self._snapshot: Snapshot | None = None
        self.track_id: int | None = None
        self.model = TrackTableModel()
        self.table = TrackGrid(theme, self.model.table)
        set_up_table(self.table)
        self.table.setModel(self.model)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(ID_COLUMN, Qt.SortOrder.AscendingOrder)
        self._wanted = [True] * len(COLUMNS)
        self._widths = self._make_widths()
        self.table.resized.connect(self._fit_columns)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(lambda at: self.column_menu().exec(header.viewport().mapToGlobal(at)))
        header.sortIndicatorChanged.connect(lambda *_: self._select_picked())
        self.table.selectionModel().currentRowChanged.connect(self._on_current_row)
        self.content = Explained(self.table)
        self.content.explain(self.empty_text())
        self.body.addWidget(self.content, 1)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Show the tracks of the last of some snapshots."""
        self._snapshot = history[-1]
        selection = self.table.selectionModel()
        blocked = selection.blockSignals(True)  # rows that come and go are not the user's choice
        self.model.show(self._snapshot)
        selection.blockSignals(blocked)
        self._select_picked()
        self.content.explain(self.empty_text())
        self.summary.setText(_summary(self._snapshot))

    def pick_track(self, track_id: int | None) -> None:
        """Pick a track, None for none; e.g. when it was picked in another view. Nothing is emitted."""
        self.track_id = track_id
        self._select_picked()

    def empty_text(self) -> str:
        """Return why there are no rows."""
        if self._snapshot is None:
            return "No frame has come yet."
        if not self._snapshot.tracks:
            return "There is no track at this time.\nA track begins with detections that move alike in several frames."
        return ""

    def take_over(self, former: View) -> None:
        """Keep the order and the picked track."""
        if isinstance(former, TrackTableView):
            header = former.table.horizontalHeader()
            self.table.sortByColumn(header.sortIndicatorSection(), header.sortIndicatorOrder())
            self.track_id = former.track_id
            self._wanted = list(former.wanted_columns)
            self._fit_columns()

    @property
    def shown_columns(self) -> list[str]:
        """Titles of the columns that are shown."""
        return [kind.title for column, kind in enumerate(COLUMNS) if not self.table.isColumnHidden(column)]

    @property
    def wanted_columns(self) -> tuple[bool, ...]:
        """Which columns the user wants to see."""
        return tuple(self._wanted)

    def want_column(self, column: int, wanted: bool) -> None:
        """Show a column if there is room, or do not."""
        self._wanted[column] = wanted
        self._fit_columns()

    def column_menu(self) -> QMenu:
        """Return a menu of the columns; one that has no room says so."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for column, kind in enumerate(COLUMNS):
            no_room = self._wanted[column] and self.table.isColumnHidden(column)
            action = menu.addAction(f"{kind.title}, no room" if no_room else kind.title)
            action.setCheckable(True)
            action.setChecked(self._wanted[column])
            action.setEnabled(column != ID_COLUMN)
            action.toggled.connect(lambda on, column=column: self.want_column(column, on))
        return menu

    def _make_widths(self) -> list[int]:
        """Return the widths that the columns need for their names and for what they show."""
        header, cells = self.table.horizontalHeader().fontMetrics(), self.table.fontMetrics()
        return [
            max(
                header.horizontalAdvance(kind.title) + _HEADER_ROOM,
                cells.horizontalAdvance(kind.widest) + 2 * _MARGIN + (0 if column == STATE_COLUMN else _MARK_WIDTH),
            )
            for column, kind in enumerate(COLUMNS)
        ]

    def _fit_columns(self) -> None:
        room = self.table.viewport().width()
        shown = columns_that_fit(self._widths, room, self._wanted)
        spare = max(0, room - sum(width for width, on in zip(self._widths, shown, strict=True) if on))
        header = self.table.horizontalHeader()
        for column, on in enumerate(shown):
            self.table.setColumnHidden(column, not on)
            header.resizeSection(column, self._widths[column] + min(_MOST_SPARE, spare // sum(shown)))
        hidden = [kind.title for kind, on in zip(COLUMNS, shown, strict=True) if not on]
        header.setToolTip(f"Not shown: {', '.join(hidden)}. Click with the right button to choose" if hidden else "")

    def _on_current_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.track_id = self.model.table.id_at(current.row())
            self.track_picked.emit(self.track_id)

    def _select_picked(self) -> None:
        """Let the selection follow the picked track."""
        selection = self.table.selectionModel()
        row = None if self.track_id is None else self.model.table.row_of(self.track_id)
        if row is None:
            if selection.hasSelection():
                self._silently(QModelIndex(), QItemSelectionModel.SelectionFlag.Clear)
        elif not selection.isRowSelected(row, _ROOT) or selection.currentIndex().row() != row:
            column = max(0, selection.currentIndex().column())
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            self._silently(self.model.index(row, column), flags)

    def _silently(self, index: QModelIndex, flags: QItemSelectionModel.SelectionFlag) -> None:
        """Change the selection without taking that for the user's choice."""
        selection = self.table.selectionModel()
        blocked = selection.blockSignals(True)
        selection.setCurrentIndex(index, flags)
        selection.blockSignals(blocked)
        self.table.viewport().update()  # the table does not hear of it either


def set_up_table(table: QTableView) -> None:
    """Make a table one of rows that are picked one at a time, with no grid and no numbers of rows."""
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setTabKeyNavigation(False)
    table.setFrameShape(QTableView.Shape.NoFrame)
    rows = table.verticalHeader()
    rows.hide()
    rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    rows.setDefaultSectionSize(table.fontMetrics().height() + 8)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setMinimumSectionSize(40)


def _summary(snapshot: Snapshot) -> str:
    counts = dict.fromkeys(TrackStatus, 0)
    for track in snapshot.tracks:
        counts[track.status] += 1
    return "   ".join(f"{counts[status]} {status.value}" for status in TrackStatus)
