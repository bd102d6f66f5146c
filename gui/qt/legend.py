"""The legend of a view, in its header."""

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.painting import painted_safely

_MARK, _GAP, _APART = 16, 4, 12


class Legend(QWidget):
    """A row of marks and words.

    Parameters
    ----------
    entries
        Kind of mark (``"dot"``, ``"ring"``, ``"small ring"``, ``"dashed ring"``, ``"cross"``) and its word.
    """

    def __init__(self, theme: Theme, entries: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._theme = theme
        self._entries = entries
        font = self.font()
        font.setPointSize(9)
        self.setFont(font)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the room that all entries need."""
        metrics = QFontMetrics(self.font())
        width = sum(_MARK + _GAP + metrics.horizontalAdvance(word) + _APART for _, word in self._entries)
        return QSize(width, metrics.height() + 4)

    @painted_safely
    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw from the right; what has no room is left out whole."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = QFontMetrics(self.font())
        middle = self.height() / 2.0
        widths = [_MARK + _GAP + metrics.horizontalAdvance(word) + _APART for _, word in self._entries]
        entries = list(self._entries)
        while entries and sum(widths) > self.width() + _APART:
            entries.pop()
            widths.pop()
        x = self.width() + _APART - sum(widths)
        for (kind, word), width in zip(entries, widths, strict=True):
            self._mark(painter, kind, QPointF(x + _MARK / 2.0, middle))
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(QPointF(x + _MARK + _GAP, middle + metrics.ascent() / 2.0 - 1.0), word)
            x += width
        painter.end()

    def _mark(self, painter: QPainter, kind: str, at: QPointF) -> None:
        colour = QColor(self._theme.text)
        pen = QPen(colour, 1.4)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if kind == "dot":
            painter.setBrush(colour)
            pen = QPen(Qt.PenStyle.NoPen)
        elif kind == "dashed ring":
            pen.setDashPattern([1.6, 1.6])
        elif kind == "cross":
            pen = QPen(colour, 1.0)
            pen.setDashPattern([2.0, 1.5])
        painter.setPen(pen)
        if kind == "cross":
            painter.drawLine(at - QPointF(6, 0), at + QPointF(6, 0))
            painter.drawLine(at - QPointF(0, 6), at + QPointF(0, 6))
        else:
            radius = 2.5 if kind == "small ring" else 5.0
            painter.drawEllipse(at, radius, radius)
