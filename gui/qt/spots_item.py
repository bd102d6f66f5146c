"""One scene item for any number of spots of the same size at every zoom, with a short text beside each."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPaintEngine, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from isactrack.gui.qt.atlas import Atlas, Drawn
from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.strokes_item import bounds_of, in_pixels, mapped
from isactrack.gui.qt.symbols import CORNER_REACH, draw_symbol

_LABEL_APART = 5.0
"""From a spot to the nearest corner of its text, across and down, in pixels."""
_LABEL_MARGIN = 3.0
_REACH_PX = 64.0
"""How far from its spot a text may reach: an id of six digits does not."""


class SpotLook(NamedTuple):
    """How a spot looks.

    Attributes
    ----------
    diameter_px
        Diameter to the middle of the outline.
    outline, width_px, dashed
        Colour of the outline (``"#rrggbb"`` or ``"#aarrggbb"``), its width, and whether it is dashed.
    filling
        Colour inside; None for nothing.
    symbol
        Shape, see `isactrack.gui.qt.symbols.draw_symbol`.
    """

    diameter_px: float
    outline: str
    width_px: float = 1.0
    dashed: bool = False
    filling: str | None = None
    symbol: str = "o"


class Label(NamedTuple):
    """A text on a plate, which keeps it readable on whatever lies below."""

    text: str
    colour: str
    plate: str


class SpotsItem(QGraphicsItem):
    """Draws spots and the texts beside them.

    On the screen they are pictures that are drawn once for each look and text; in a file of vectors they are drawn each
    time.

    Parameters
    ----------
    font
        Of the texts.
    right, above
        On which side of their spots the texts are.
    """

    def __init__(self, font: QFont | None = None, *, right: bool = True, above: bool = True) -> None:
        super().__init__()
        self._font = font or QFont()
        self._right, self._above = right, above
        self._metrics = QFontMetricsF(self._font)
        self._atlas = Atlas(self._font)
        self._bounds = QRectF()
        self._points: NDArray[np.float64] = np.zeros((0, 2))
        self._looks: list[SpotLook] = []
        self._labels: list[Label] = []

    @property
    def points(self) -> NDArray[np.float64]:
        """Where the spots are (n, 2)."""
        return self._points

    @property
    def label_texts(self) -> list[str]:
        """Texts that are shown."""
        return [label.text for label in self._labels]

    def set_spots(
        self, points: NDArray[np.float64], looks: SpotLook | Sequence[SpotLook], labels: Sequence[Label] = ()
    ) -> None:
        """Draw these spots instead of the former ones; where a coordinate is not finite, nothing is drawn.

        Parameters
        ----------
        points
            Places (n, 2) in the coordinates of the plot.
        looks
            How they look, one for all or one for each.
        labels
            Texts beside them, one for each or none.
        """
        if isinstance(looks, SpotLook):
            looks = [looks] * len(points)
        finite = np.isfinite(points).all(axis=1)
        if not finite.all():
            kept = np.flatnonzero(finite).tolist()
            points, looks = points[finite], [looks[k] for k in kept]
            labels = [labels[k] for k in kept] if labels else ()
        self._points, self._looks, self._labels = points, list(looks), list(labels)
        bounds = bounds_of(points)
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Return the bounds in the coordinates of the plot, with room for spots and texts."""
        views = self.scene().views() if self._looks else []
        if not views:
            return self._bounds
        to_device = self.deviceTransform(views[0].viewportTransform())
        x = _REACH_PX / max(abs(to_device.m11()), 1e-6)
        y = _REACH_PX / max(abs(to_device.m22()), 1e-6)
        return self._bounds.adjusted(-x, -y, x, y)

    @painted_safely
    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        """Draw."""
        if not self._looks:
            return
        with in_pixels(painter) as transform:
            at = mapped(transform, self._points)
            if painter.paintEngine().type() is QPaintEngine.Type.Raster:
                self._atlas.paint(painter, at, self._looks, _drawn_spot)
                if self._labels:
                    self._atlas.paint(painter, at, self._labels, self._drawn_label)
            else:
                self._draw_vectors(painter, [QPointF(x, y) for x, y in at.tolist()])

    def _draw_vectors(self, painter: QPainter, at: Sequence[QPointF]) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        for point, look in zip(at, self._looks, strict=True):
            _draw_spot(painter, point, look)
        for point, label in zip(at, self._labels, strict=False):
            self._draw_label(painter, point, label)

    def _drawn_label(self, label: Label) -> Drawn:
        return self._plate_of(label), lambda painter, at: self._draw_label(painter, at, label)

    def _draw_label(self, painter: QPainter, at: QPointF, label: Label) -> None:
        plate = self._plate_of(label).translated(at)
        painter.fillRect(plate, QColor(label.plate))
        painter.setPen(QColor(label.colour))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, label.text)

    def _plate_of(self, label: Label) -> QRectF:
        """Return where a text is drawn, in pixels from its spot."""
        width = math.ceil(self._metrics.horizontalAdvance(label.text) + 2.0 * _LABEL_MARGIN)
        height = math.ceil(self._metrics.height())
        x = _LABEL_APART if self._right else -_LABEL_APART - width
        y = -_LABEL_APART - height if self._above else _LABEL_APART
        return QRectF(x, y, width, height)


def _drawn_spot(look: SpotLook) -> Drawn:
    return _place_of(look), lambda painter, at: _draw_spot(painter, at, look)


def _place_of(look: SpotLook) -> QRectF:
    """Return where a spot is drawn, in pixels from its centre."""
    reach = 1.0 if look.symbol == "o" else CORNER_REACH
    half = math.ceil((reach * look.diameter_px + look.width_px) / 2.0) + 1
    return QRectF(-half, -half, 2.0 * half, 2.0 * half)


def _draw_spot(painter: QPainter, at: QPointF, look: SpotLook) -> None:
    pen = QPen(QColor(look.outline), look.width_px)
    if look.dashed:
        pen.setDashPattern([1.6, 1.6])
    painter.setPen(pen)
    painter.setBrush(QBrush(Qt.BrushStyle.NoBrush) if look.filling is None else QColor(look.filling))
    draw_symbol(painter, look.symbol, at, look.diameter_px)
