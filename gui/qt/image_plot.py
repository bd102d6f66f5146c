"""A heat map with physical axes and a colour bar; spans without data are hatched."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QImage, QPainter
from PySide6.QtWidgets import QApplication, QGraphicsItem, QStyleOptionGraphicsItem, QVBoxLayout, QWidget

from isactrack.gui.models.levels import TRACK_COLOURS, Levels, auto_levels, track_colour
from isactrack.gui.models.theme import ColourMap, Theme
from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.spots_item import SpotLook, SpotsItem
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot, with_opacity
from isactrack.tracks import Track

Readout = Callable[[float, float, float | None], str]
"""Says what is at a point: its coordinates, and its level if there is one."""

_EDGE = "#101316"


def dot_looks(tracks: Sequence[Track], theme: Theme) -> list[SpotLook]:
    """Return how the dots of tracks on a map look."""
    looks = [SpotLook(7.0, _EDGE, filling=track_colour(k, light=theme.light)) for k in range(TRACK_COLOURS)]
    return [looks[track.track_id % TRACK_COLOURS] for track in tracks]


class ImagePlot(QWidget):
    """An image over two axes, laid so that the centres of its bins lie on their values.

    The levels of the colour map stay until `fit_levels` is called or the colour bar is dragged; NaN shows the ground.

    Parameters
    ----------
    theme
        Colours.
    x_label, y_label
        Names of the axes with their units.
    levels
        Levels to begin with.
    level_label
        Name of the levels.

    Attributes
    ----------
    level_db
        The levels (y, x) that are shown, dB.
    framed
        What `frame` shows.
    """

    def __init__(
        self, theme: Theme, x_label: str, y_label: str, levels: Levels, level_label: str = "Level over median (dB)"
    ) -> None:
        super().__init__()
        self._theme = theme
        self.level_db: NDArray[np.floating] = np.zeros((0, 0))
        self._extent = QRectF()
        self.framed = QRectF()
        self.widget, self.plot = make_plot(theme, x_label, y_label)
        self.image = _QuickImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.colour_bar = self._make_colour_bar(levels, level_label)
        self._gaps = HatchedSpans(theme)
        self.plot.addItem(self._gaps, ignoreBounds=True)
        self._light_ground = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.widget)

    @property
    def levels(self) -> Levels:
        """Levels at the ends of the colour map."""
        low, high = self.colour_bar.levels()
        return Levels(float(low), float(high))

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Spans of the x axis that are hatched."""
        return self._gaps.spans

    def set_levels(self, levels: Levels) -> None:
        """Set the levels at the ends of the colour map."""
        self.colour_bar.setLevels((levels.low_db, levels.high_db))

    def fit_levels(self) -> None:
        """Fit the levels to what is shown, once."""
        if self.level_db.size:
            self.set_levels(auto_levels(np.asarray(self.level_db, dtype=np.float64)))

    def set_labels(self, x_label: str, y_label: str) -> None:
        """Name the axes anew."""
        for side, label in (("bottom", x_label), ("left", y_label)):
            axis = self.plot.getAxis(side)
            if axis.labelText != label:
                axis.setLabel(label, color=self._theme.muted)

    def set_colour_map(self, colour_map: ColourMap) -> None:
        """Take a colour map, and, from the next snapshot on, a colour for rings that is seen on it."""
        self.colour_bar.setColorMap(pg.colormap.get(colour_map.name))
        self._light_ground = colour_map.light_ground

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""
        self.plot.showGrid(x=visible, y=visible, alpha=0.22)

    def add_spots(self) -> SpotsItem:
        """Return an item for spots that lie on the image."""
        spots = SpotsItem()
        self.plot.addItem(spots, ignoreBounds=True)
        return spots

    @property
    def ring_look(self) -> SpotLook:
        """How rings look that are seen on the colour map."""
        return SpotLook(12.0, _EDGE if self._light_ground else "#ffffff", 1.3)

    def show_image(
        self,
        level_db: NDArray[np.floating],
        extent: tuple[float, float, float, float],
        gaps: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Show levels (y, x) in dB over an extent (left, right, low, high), with hatched spans of the x axis."""
        self.level_db = level_db
        self.image.setImage(np.ascontiguousarray(level_db, dtype=np.float32), autoLevels=False)
        left, right, low, high = extent
        rect = QRectF(left, low, right - left, high - low)
        if rect != self._extent:
            self._extent = rect
            self.image.setRect(rect)
        self._gaps.set_spans(gaps, low, high)

    def set_range(self, left: float, right: float, low: float, high: float) -> None:
        """Show a part of the axes; nothing moves while it stays the same, wherever the user has zoomed."""
        shown = QRectF(left, low, right - left, high - low)
        if shown != self.framed:
            self.framed = shown
            self.frame()

    def set_limits(self, left: float, right: float, low: float, high: float) -> None:
        """Keep the user from going beyond."""
        self.plot.setLimits(xMin=left, xMax=right, yMin=low, yMax=high)

    def frame(self) -> None:
        """Show again what `set_range` has set."""
        if not self.framed.isEmpty():
            self.plot.setRange(self.framed, padding=0.0)

    def take_over(self, former: "ImagePlot") -> None:
        """Take the levels of another one, and what part it showed."""
        self.set_levels(former.levels)
        self.framed = QRectF(former.framed)
        if not self.framed.isEmpty():
            self.plot.setRange(former.plot.getViewBox().viewRect(), padding=0.0)

    def on_pointed(self, say: Callable[[str], object], readout: Readout) -> None:
        """Have something said of the point under the pointer when that moves."""
        self.widget.scene().sigMouseMoved.connect(lambda position: self._point(position, say, readout))

    def level_at(self, x: float, y: float) -> float | None:
        """Return the level of the bin at a point, None beside the image and where there is none."""
        extent = self._extent
        if not (extent.left() <= x <= extent.right() and extent.top() <= y <= extent.bottom()) or extent.isEmpty():
            return None
        rows, columns = self.level_db.shape
        column = min(int((x - extent.left()) / extent.width() * columns), columns - 1)
        level = float(self.level_db[min(int((y - extent.top()) / extent.height() * rows), rows - 1), column])
        return level if math.isfinite(level) else None

    def _point(self, position: QPointF, say: Callable[[str], object], readout: Readout) -> None:
        if not self.level_db.size or not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()) and math.isfinite(at.y()):
            say(readout(at.x(), at.y(), self.level_at(at.x(), at.y())))

    def _make_colour_bar(self, levels: Levels, label: str) -> Any:
        bar = pg.ColorBarItem(
            values=(levels.low_db, levels.high_db), colorMap=pg.colormap.get("viridis"), width=12,
            rounding=1.0, limits=(-40.0, 120.0), pen=self._theme.muted, hoverPen=self._theme.accent,
        )  # fmt: skip
        bar.setImageItem(self.image, insert_in=self.plot)
        axis = bar.getAxis("right")
        axis.setLabel(label, color=self._theme.muted)
        axis.setTextPen(self._theme.muted)
        small = QFont(QApplication.font())
        small.setPointSize(SMALL_POINT_SIZE)
        axis.setTickFont(small)
        return bar


class _QuickImageItem(pg.ImageItem):  # type: ignore[misc]
    """An image kept in the format of the screen, which Qt paints six times as fast as one with a colour table."""

    qimage: QImage | None

    def render(self) -> None:
        """Make the picture of the image."""
        super().render()
        if self.qimage is not None:
            alpha = self.qimage.hasAlphaChannel()
            wanted = QImage.Format.Format_ARGB32_Premultiplied if alpha else QImage.Format.Format_RGB32
            self.qimage = self.qimage.convertToFormat(wanted)


class HatchedSpans(QGraphicsItem):
    """Spans of the x axis that are hatched from the low to the high end of the y axis: there is no data.

    Parameters
    ----------
    theme
        Colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.spans: tuple[tuple[float, float], ...] = ()
        self._low, self._high = 0.0, 0.0
        self._ground = QBrush(QColor(theme.plot))
        self._hatch = QBrush(with_opacity(theme.muted, 0.7), Qt.BrushStyle.BDiagPattern)

    def set_spans(self, spans: Sequence[tuple[float, float]], low: float, high: float) -> None:
        """Hatch other spans."""
        wanted = tuple(spans)
        if (wanted, low, high) != (self.spans, self._low, self._high):
            self.prepareGeometryChange()
            self.spans, self._low, self._high = wanted, low, high
            self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Return the rectangle around all spans."""
        if not self.spans:
            return QRectF()
        left, right = self.spans[0][0], self.spans[-1][1]
        return QRectF(left, self._low, right - left, self._high - self._low)

    @painted_safely
    def paint(self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        """Fill the spans; the pattern keeps its size on the screen, however far one has zoomed."""
        if not self.spans:
            return
        inverted, possible = painter.transform().inverted()
        hatch = QBrush(self._hatch)
        if possible:
            hatch.setTransform(inverted)
        painter.setPen(Qt.PenStyle.NoPen)
        for left, right in self.spans:
            rect = QRectF(left, self._low, right - left, self._high - self._low)
            painter.fillRect(rect, self._ground)
            painter.fillRect(rect, hatch)
