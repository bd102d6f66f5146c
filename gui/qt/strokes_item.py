"""One scene item for any number of straight pieces: no item is made or destroyed from frame to frame."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget
from shiboken6 import wrapInstance

from isactrack.gui.models.strokes import Strokes
from isactrack.gui.qt.painting import painted_safely


class StrokesItem(QGraphicsItem):
    """Draws `Strokes` in the colours of their tracks.

    Parameters
    ----------
    colour
        Colour (``"#rrggbb"``) of a track id.
    width_px
        Width of the lines, the same at every zoom.
    """

    def __init__(self, colour: Callable[[int], str], width_px: float) -> None:
        super().__init__()
        self._colour = colour
        self._width_px = width_px
        self._strokes: list[tuple[QPen, int]] = []  # pens, and how many of the pieces are drawn with each
        self._ends_m: NDArray[np.float64] = np.zeros((0, 4))
        self._pens: dict[tuple[int, float, float], QPen] = {}
        self._bounds = QRectF()

    @property
    def piece_count(self) -> int:
        """Pieces that are drawn."""
        return len(self._ends_m)

    def set_strokes(self, strokes: Sequence[Strokes], width_px: float | None = None) -> None:
        """Draw these instead of the former ones, if need be in another width from now on."""
        self._width_px = width_px or self._width_px
        self._ends_m = np.concatenate([one.ends_m for one in strokes]) if strokes else np.zeros((0, 4))
        bounds = bounds_of(self._ends_m.reshape(-1, 2))
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds
        self._strokes = [(self._pen(one.colour, one.opacity), len(one.ends_m)) for one in strokes]
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Return the bounds in metres."""
        return self._bounds

    @painted_safely
    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        """Draw."""
        with in_pixels(painter) as transform:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            ends = mapped(transform, self._ends_m.reshape(-1, 2)).reshape(-1, 4)
            start = 0
            for pen, count in self._strokes:
                painter.setPen(pen)
                draw_lines(painter, ends[start : start + count])
                start += count

    def _pen(self, colour_number: int, opacity: float) -> QPen:
        key = colour_number, opacity, self._width_px
        if key not in self._pens:
            colour = QColor(self._colour(colour_number))
            colour.setAlphaF(opacity)
            self._pens[key] = QPen(colour, self._width_px)
            self._pens[key].setCapStyle(Qt.PenCapStyle.FlatCap)
        return self._pens[key]


@contextmanager
def in_pixels(painter: QPainter) -> Iterator[QTransform]:
    """Paint in pixels, and give what maps to them: without a transformation Qt draws lines many times faster."""
    transform = painter.worldTransform()
    painter.save()
    try:
        painter.setWorldTransform(QTransform())
        yield transform
    finally:
        painter.restore()


def mapped(transform: QTransform, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (n, 2) float64 as an affine transformation maps them."""
    matrix = np.array([[transform.m11(), transform.m12()], [transform.m21(), transform.m22()]])
    return np.ascontiguousarray(points @ matrix + (transform.dx(), transform.dy()))


def draw_lines(painter: QPainter, ends: NDArray[np.float64]) -> None:
    """Draw lines from their ends (n, 4) float64, in one go: a QLineF lies in memory as four of these numbers."""
    if len(ends):
        ends = np.ascontiguousarray(ends)
        first: Any = wrapInstance(ends.ctypes.data, QLineF)
        painter.drawLines(first, len(ends))


def bounds_of(points: NDArray[np.float64]) -> QRectF:
    """Return what holds all points (n, 2), and 0.1 m around."""
    if not len(points):
        return QRectF()
    # One coordinate after the other: both at once takes numpy ten times as long.
    (left, right), (low, high) = ((float(one.min()) - 0.1, float(one.max()) + 0.1) for one in points.T)
    return QRectF(left, low, right - left, high - low)
