"""Small pictures in one large one, from which Qt paints any number of them in one go."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QPainter, QPixmap
from shiboken6 import wrapInstance

_WIDTH_PX = 1024
_FIRST_HEIGHT_PX = 128
_MOST_PICTURES = 2000

Drawn = tuple[QRectF, Callable[[QPainter, QPointF], None]]
"""Where something is drawn, in pixels from its point, and what draws it there."""


class Atlas:
    """Pictures that are drawn once each.

    Parameters
    ----------
    font
        Of texts in them.
    """

    def __init__(self, font: QFont) -> None:
        self._font = font
        self._ratio = 1.0
        self._forget()

    def paint(
        self, painter: QPainter, points: NDArray[np.float64], keys: Sequence[Hashable], draw: Callable[[Any], Drawn]
    ) -> None:
        """Paint a picture at each point.

        Parameters
        ----------
        painter
            Paints in pixels, without a transformation, on something that consists of pixels.
        points
            Places (n, 2) float64.
        keys
            What is painted at each; equal ones have the same picture.
        draw
            Returns for one of them where it is drawn and how; called when its picture is not there yet.
        """
        ratio = painter.device().devicePixelRatioF()
        if ratio != self._ratio or len(self._slots) > _MOST_PICTURES:
            self._ratio = ratio
            self._forget()
        slots = self._slots
        rows = [slots[key] if key in slots else self._add(key, *draw(key)) for key in keys]
        fragments = np.array(self._table)[rows]
        fragments[:, :2] += points
        first: Any = wrapInstance(fragments.ctypes.data, QPainter.PixmapFragment)
        painter.drawPixmapFragments(first, len(fragments), self._picture)

    def _forget(self) -> None:
        self._slots: dict[Hashable, int] = {}
        # A QPainter.PixmapFragment a row: middle, corner and size in the picture, two scales, rotation, opacity.
        self._table: list[list[float]] = []
        self._picture = _transparent(_WIDTH_PX, _FIRST_HEIGHT_PX)
        self._right, self._top, self._bottom = 0, 0, 0

    def _add(self, key: Hashable, place: QRectF, draw: Callable[[QPainter, QPointF], None]) -> int:
        """Draw a picture and return its number."""
        width, height = math.ceil(place.width() * self._ratio), math.ceil(place.height() * self._ratio)
        left, top = self._room_for(width, height)
        painter = QPainter(self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        painter.translate(left, top)
        painter.scale(self._ratio, self._ratio)
        draw(painter, -place.topLeft())
        painter.end()
        scale = 1.0 / self._ratio
        x, y = place.left() + 0.5 * scale * width, place.top() + 0.5 * scale * height
        self._table.append([x, y, left, top, width, height, scale, scale, 0.0, 1.0])
        self._slots[key] = len(self._table) - 1
        return self._slots[key]

    def _room_for(self, width: int, height: int) -> tuple[int, int]:
        """Return the corner of a free place; beside the last picture, else in a row below all."""
        if self._right + width > _WIDTH_PX:
            self._right, self._top = 0, self._bottom
        corner = self._right, self._top
        self._right += width + 1
        self._bottom = max(self._bottom, self._top + height + 1)
        if self._bottom > self._picture.height():
            grown = _transparent(_WIDTH_PX, 2 * self._bottom)
            painter = QPainter(grown)
            painter.drawPixmap(0, 0, self._picture)
            painter.end()
            self._picture = grown
        return corner


def _transparent(width: int, height: int) -> QPixmap:
    picture = QPixmap(width, height)
    picture.fill(Qt.GlobalColor.transparent)
    return picture
