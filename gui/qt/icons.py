"""Icons drawn in the colour of the theme: the platform's own are black on dark."""

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

SIZE = 20
_SCALE = 2


def make_icon(name: str, colour: str, disabled: str) -> QIcon:
    """Return the icon `name` in `colour`, and in `disabled` for a button that is off."""
    icon = QIcon()
    icon.addPixmap(_pixmap(name, colour), QIcon.Mode.Normal)
    icon.addPixmap(_pixmap(name, disabled), QIcon.Mode.Disabled)
    return icon


def _pixmap(name: str, colour: str) -> QPixmap:
    pixmap = QPixmap(SIZE * _SCALE, SIZE * _SCALE)
    pixmap.setDevicePixelRatio(_SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    _DRAW[name](painter)
    painter.end()
    return pixmap


def _triangle(painter: QPainter, left: float, right: float) -> None:
    """Draw a triangle that points from `left` to `right`."""
    painter.drawPolygon(QPolygonF([QPointF(left, 4.5), QPointF(right, 10), QPointF(left, 15.5)]))


def _bar(painter: QPainter, left: float, width: float = 2.4) -> None:
    painter.drawRoundedRect(QRectF(left, 4.5, width, 11), 0.8, 0.8)


def _play(painter: QPainter) -> None:
    _triangle(painter, 5.5, 15.5)


def _pause(painter: QPainter) -> None:
    _bar(painter, 5.2, 3.4)
    _bar(painter, 11.4, 3.4)


def _start(painter: QPainter) -> None:
    _bar(painter, 4.0)
    _triangle(painter, 16.0, 7.4)


def _end(painter: QPainter) -> None:
    _bar(painter, 13.6)
    _triangle(painter, 4.0, 12.6)


def _step_back(painter: QPainter) -> None:
    _bar(painter, 13.4)
    _triangle(painter, 12.0, 4.4)


def _step_forward(painter: QPainter) -> None:
    _bar(painter, 4.2)
    _triangle(painter, 8.0, 15.6)


def _live(painter: QPainter) -> None:
    painter.drawEllipse(QPointF(10, 10), 4.2, 4.2)


def _loop(painter: QPainter) -> None:
    path = QPainterPath()
    box = QRectF(4.2, 4.6, 11.6, 10.8)
    path.arcMoveTo(box, 55)
    path.arcTo(box, 55, 300)
    colour = painter.brush().color()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 1.9, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawPath(path)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    tip = path.currentPosition()
    painter.drawPolygon(QPolygonF([tip + QPointF(-3.6, 0.6), tip + QPointF(2.6, 1.2), tip + QPointF(0.4, -4.4)]))


def _close(painter: QPainter) -> None:
    painter.setPen(QPen(painter.brush().color(), 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawLine(QPointF(5, 5), QPointF(15, 15))
    painter.drawLine(QPointF(15, 5), QPointF(5, 15))


def _float(painter: QPainter) -> None:
    painter.setPen(QPen(painter.brush().color(), 1.8))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(3.5, 7, 9.5, 9.5), 1.5, 1.5)
    painter.drawPolyline([QPointF(7.5, 3.5), QPointF(16.5, 3.5), QPointF(16.5, 12.5)])


_DRAW: dict[str, Callable[[QPainter], None]] = {
    "play": _play, "pause": _pause, "start": _start, "end": _end, "step_back": _step_back,
    "step_forward": _step_forward, "live": _live, "loop": _loop, "close": _close, "float": _float,
}  # fmt: skip
