"""One scene item for the spots and ids of all tracks."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPen, QStaticText, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from isactrack.gui.models.levels import TRACK_COLOURS
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.strokes_item import bounds_of, mapped
from isactrack.gui.qt.symbols import draw_symbol
from isactrack.tracks import Track, TrackStatus

_LABEL_OFFSET = QPointF(7.0, -21.0)
_LABEL_MARGIN = 3.0
_REACH_PX = 60.0
"""How far from its track a label may reach."""

Look = tuple[float, QPen, QBrush]
"""Diameter in pixels, outline and filling of a spot."""


class TracksItem(QGraphicsItem):
    """Draws a spot for each track, and its id beside it.

    A confirmed track is a full spot, one that coasts a dashed ring, a tentative one a thin ring, so that they can be
    told apart without colour.

    Parameters
    ----------
    theme
        Colours.
    colour
        Colour (``"#rrggbb"``) of a track id.
    font
        Of the ids.
    symbol
        Shape of the spots, by the names of pyqtgraph.
    prefix
        What stands before the ids.
    """

    def __init__(
        self, theme: Theme, colour: Callable[[int], str], font: QFont, *, symbol: str = "o", prefix: str = ""
    ) -> None:
        super().__init__()
        self._theme = theme
        self._colour = colour
        self._font = font
        self._symbol = symbol
        self._prefix = prefix
        self._looks: dict[tuple[TrackStatus, int], Look] = {}
        self._texts: dict[int, QStaticText] = {}
        self._bounds = QRectF()
        self._position_m = np.zeros((0, 2))
        self._keys: list[tuple[TrackStatus, int]] = []
        self._ids: list[int] = []
        self._shows_ids = True

    @property
    def label_texts(self) -> list[str]:
        """Ids that are shown."""
        return [f"{self._prefix}{one}" for one in self._ids] if self._shows_ids else []

    def set_tracks(self, tracks: Sequence[Track], *, ids: bool) -> None:
        """Draw these tracks instead of the former ones, with or without their ids."""
        tracks = [track for track in tracks if np.isfinite(track.state).all()]
        self._position_m = np.array([track.state[::2] for track in tracks]).reshape(-1, 2)
        self._keys = [(track.status, track.track_id % TRACK_COLOURS) for track in tracks]
        self._ids = [track.track_id for track in tracks]
        self._shows_ids = ids
        self._texts = {one: self._texts.get(one) or self._text(one) for one in self._ids} if ids else {}
        bounds = bounds_of([self._position_m])
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Return the bounds in metres, with room for spots and ids, which are as large at every zoom."""
        views = self.scene().views() if self._ids else []
        if not views:
            return self._bounds
        to_device = self.deviceTransform(views[0].viewportTransform())
        x_m = _REACH_PX / max(abs(to_device.m11()), 1e-6)
        y_m = _REACH_PX / max(abs(to_device.m22()), 1e-6)
        return self._bounds.adjusted(-x_m, -y_m, x_m, y_m)

    @painted_safely
    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        """Draw."""
        if not self._ids:
            return
        at = [QPointF(x, y) for x, y in mapped(painter.worldTransform(), self._position_m).tolist()]
        painter.save()
        painter.setWorldTransform(QTransform())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_spots(painter, at)
        if self._shows_ids:
            self._draw_ids(painter, at)
        painter.restore()

    def _draw_spots(self, painter: QPainter, at: Sequence[QPointF]) -> None:
        places = defaultdict(list)
        for key, point in zip(self._keys, at, strict=True):
            places[key].append(point)
        for key, points in places.items():
            diameter, pen, brush = self._look(*key)
            painter.setPen(pen)
            painter.setBrush(brush)
            for point in points:
                draw_symbol(painter, self._symbol, point, diameter)

    def _draw_ids(self, painter: QPainter, at: Sequence[QPointF]) -> None:
        painter.setFont(self._font)
        plate = QColor(self._theme.raised)
        pens = [QPen(QColor(self._colour(number))) for number in range(TRACK_COLOURS)]
        for track_id, point in zip(self._ids, at, strict=True):
            text = self._texts[track_id]
            corner = point + _LABEL_OFFSET
            size = text.size()
            # A plate behind the id keeps it readable on trails and on the marks of the truth.
            painter.fillRect(
                QRectF(corner.x() - _LABEL_MARGIN, corner.y(), size.width() + 2.0 * _LABEL_MARGIN, size.height()), plate
            )
            painter.setPen(pens[track_id % TRACK_COLOURS])
            painter.drawStaticText(corner, text)

    def _text(self, track_id: int) -> QStaticText:
        text = QStaticText(f"{self._prefix}{track_id}")
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
        text.prepare(QTransform(), self._font)
        return text

    def _look(self, status: TrackStatus, number: int) -> Look:
        if (status, number) not in self._looks:
            self._looks[status, number] = self._make_look(status, QColor(self._colour(number)))
        return self._looks[status, number]

    def _make_look(self, status: TrackStatus, colour: QColor) -> Look:
        ground = QColor(self._theme.plot)
        if status is TrackStatus.CONFIRMED:
            return 11.0, QPen(ground, 1.0), QBrush(colour)
        if status is TrackStatus.COASTED:
            pen = QPen(colour, 1.6)
            pen.setDashPattern([1.6, 1.6])
            return 12.0, pen, QBrush(ground)
        return 9.0, QPen(colour, 1.2), QBrush(Qt.BrushStyle.NoBrush)
