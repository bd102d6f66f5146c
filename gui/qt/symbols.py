"""Shapes of the marks of sensors."""

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter, QPolygonF

_CORNERS = {
    "s": ((-0.45, -0.45), (0.45, -0.45), (0.45, 0.45), (-0.45, 0.45)),
    "t1": ((-0.55, 0.45), (0.55, 0.45), (0.0, -0.55)),
    "d": ((0.0, -0.62), (0.5, 0.0), (0.0, 0.62), (-0.5, 0.0)),
}
"""Corners of the shapes that are no circle, by their names in pyqtgraph, for a diameter of 1; y down."""
CORNER_REACH = 1.45
"""Corners are nowhere farther than this from the middle, in radii."""


def draw_symbol(painter: QPainter, symbol: str, at: QPointF, diameter: float) -> None:
    """Draw a shape with the painter's pen and brush.

    Parameters
    ----------
    painter
        Draws in pixels.
    symbol
        Name of the shape: ``"o"``, ``"s"``, ``"t1"`` or ``"d"``.
    at, diameter
        Where, and how large, in pixels.
    """
    if symbol not in _CORNERS:
        painter.drawEllipse(at, diameter / 2.0, diameter / 2.0)
        return
    painter.drawPolygon(QPolygonF([at + QPointF(x, y) * diameter for x, y in _CORNERS[symbol]]))
