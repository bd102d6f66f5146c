"""The mark of a sensor: its shape and line as the plan of the room draws them, and its letter."""

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from isactrack.gui.models.room_overlay import SensorStyle
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.symbols import draw_symbol

_WIDTH, _HEIGHT, _DIAMETER = 34, 18, 11.0


class SensorMark(QWidget):
    """A line with a shape on it, and a letter.

    Parameters
    ----------
    style
        Of the sensor.
    theme
        Colours.
    """

    def __init__(self, style: SensorStyle, theme: Theme) -> None:
        super().__init__()
        self._style = style
        self._theme = theme
        self.setFixedSize(self.sizeHint())
        self.setAccessibleName(f"Sensor {style.letter}")

    def set_style(self, style: SensorStyle) -> None:
        """Mark the sensor otherwise."""
        self._style = style
        self.setAccessibleName(f"Sensor {style.letter}")
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the room that line and letter need."""
        return QSize(_WIDTH + 4 + QFontMetrics(self.font()).horizontalAdvance("M"), _HEIGHT)

    @painted_safely
    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw."""
        colour = QColor(self._style.colour(light=self._theme.light))
        middle = self.height() / 2.0
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(colour, 1.6)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if self._style.dashes:
            pen.setDashPattern(list(self._style.dashes))
        painter.setPen(pen)
        painter.drawLine(QPointF(0.0, middle), QPointF(_WIDTH, middle))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        draw_symbol(painter, self._style.symbol, QPointF(_WIDTH / 2.0, middle), _DIAMETER)
        painter.setPen(QColor(self._theme.text))
        font = painter.font()
        font.setBold(True)
        painter.setFont(font)
        painter.drawText(QPointF(_WIDTH + 4.0, middle + QFontMetrics(font).ascent() / 2.0 - 1.0), self._style.letter)
        painter.end()
