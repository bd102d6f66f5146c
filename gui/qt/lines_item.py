"""One scene item for any number of coloured lines: no item is made or destroyed from frame to frame."""

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from isactrack.gui.models.trails import Line
from isactrack.gui.qt.painting import painted_safely


class LinesItem(QGraphicsItem):
    """Draws `Line`s in the colours of their tracks.

    Parameters
    ----------
    colour
        Colour (``"#rrggbb"``) of a track id.
    width_px
        Width of the lines, the same at every zoom.
    dashed
        Whether they are dashed.
    """

    def __init__(self, colour: Callable[[int], str], width_px: float, *, dashed: bool = False) -> None:
        super().__init__()
        self._colour = colour
        self._pen = QPen(Qt.GlobalColor.white, width_px)
        self._pen.setCosmetic(True)
        self._pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        self._pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        if dashed:
            self._pen.setDashPattern([3.0, 3.0])
        self._lines: list[tuple[QColor, QPolygonF]] = []
        self._bounds = QRectF()

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Draw these lines instead of the former ones; corners that are not finite leave their line out."""
        self.prepareGeometryChange()
        self._lines = []
        self._bounds = QRectF()
        for line in lines:
            if not np.isfinite(line.points_m).all():
                continue
            polygon = QPolygonF([QPointF(x, y) for x, y in line.points_m.tolist()])
            colour = QColor(self._colour(line.track_id))
            colour.setAlphaF(line.opacity)
            self._lines.append((colour, polygon))
            self._bounds = self._bounds.united(polygon.boundingRect().adjusted(-0.1, -0.1, 0.1, 0.1))

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Return the bounds in metres."""
        return self._bounds

    @painted_safely
    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        """Draw."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for colour, polygon in self._lines:
            self._pen.setColor(colour)
            painter.setPen(self._pen)
            painter.drawPolyline(polygon)
