"""The keys, over the window."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from isactrack.gui.models.shortcuts import by_menu, in_columns
from isactrack.gui.qt.painting import painted_safely

_COLUMNS = 3
_TEXT_WIDTH = 257


class ShortcutOverlay(QWidget):
    """Covers its parent and lists the keys; any key or click closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._covered = parent
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        panel = QFrame()
        panel.setObjectName("card")
        columns = QHBoxLayout()
        columns.setSpacing(20)
        for sections in in_columns(_COLUMNS):
            columns.addLayout(_column(sections))
        title = QLabel("Keys")
        title.setObjectName("headline")
        inner = QVBoxLayout(panel)
        inner.setContentsMargins(24, 18, 24, 20)
        inner.addWidget(title)
        inner.addLayout(columns)
        outer = QVBoxLayout(self)
        outer.addWidget(panel, 0, Qt.AlignmentFlag.AlignCenter)
        parent.installEventFilter(self)
        self.hide()

    def toggle(self) -> None:
        """Show or hide."""
        if self.isVisible():
            self._close()
            return
        self.resize(self._covered.size())
        self.show()
        self.raise_()
        self.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Keep covering the parent when it is resized."""
        if event.type() is QEvent.Type.Resize:
            self.resize(self._covered.size())
        return super().eventFilter(watched, event)

    def keyPressEvent(self, _event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Close."""
        self._close()

    def mousePressEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Close."""
        self._close()

    def _close(self) -> None:
        self._covered.setFocus()  # else the keys would go to whatever comes next
        self.hide()

    @painted_safely
    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Darken what is behind."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 150))
        painter.end()


def _column(sections: list[str]) -> QVBoxLayout:
    """Return menus with their commands, one below the other."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(12)
    grid.setVerticalSpacing(3)
    for name in sections:
        section = QLabel(name.upper())
        section.setObjectName("section")
        section.setContentsMargins(0, 8, 0, 0)
        grid.addWidget(section, grid.rowCount(), 0, 1, 2)
        for entry in by_menu()[name]:
            line = grid.rowCount()
            grid.addWidget(_keys(entry.keys), line, 0, Qt.AlignmentFlag.AlignTop)
            text = QLabel(entry.text)
            text.setWordWrap(True)
            text.setFixedWidth(_TEXT_WIDTH)
            grid.addWidget(text, line, 1)
    column = QVBoxLayout()
    column.addLayout(grid)
    column.addStretch(1)
    return column


def _keys(keys: tuple[str, ...]) -> QWidget:
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(5)
    for key in keys:
        label = QLabel(key)
        label.setObjectName("key")
        layout.addWidget(label)
    layout.addStretch(1)
    return widget
