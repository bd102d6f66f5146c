"""The plan of the room with what several sensors see in it, one over the other."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Signal
from PySide6.QtGui import QFont, QPainterPath, QTransform
from PySide6.QtWidgets import QApplication, QGraphicsView, QVBoxLayout, QWidget

from isactrack.gui.models.field import fit_range
from isactrack.gui.models.points import plan_readout
from isactrack.gui.models.room_overlay import RoomLayer, SensorStyle, extent
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.spots_item import Label, SpotLook, SpotsItem
from isactrack.gui.qt.strokes_item import StrokesItem
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot, with_opacity
from isactrack.gui.qt.track_looks import track_looks
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]


class RoomView(QWidget):
    """The room from above, in its own frame, equal scales.

    Parameters
    ----------
    theme
        Colours.

    Attributes
    ----------
    framed
        Whether it shows all sensors and walls; not once the user has zoomed or moved.
    """

    pointed = Signal(str)
    """What lies under the pointer."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.theme = theme
        self.framed = True
        self._shown_m: FloatArray = np.zeros((0, 2))
        self.widget, self.plot = make_plot(theme, "x of the room (m)", "y of the room (m)")
        # Marks are everywhere: to paint within the outline of all that changed takes longer than to paint everything.
        self.widget.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.plot.setAspectLocked(True)
        self.plot.disableAutoRange()
        self.plot.getViewBox().sigResized.connect(lambda _box: self._fit())
        self.plot.getViewBox().sigRangeChangedManually.connect(self._on_moved_by_user)
        self._walls = pg.PlotCurveItem(pen=pg.mkPen(theme.muted, width=2), connect="finite")
        self.plot.addItem(self._walls, ignoreBounds=True)
        self._marks: dict[str, _Marks] = {}
        self.widget.scene().sigMouseMoved.connect(self._on_mouse_moved)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.widget)

    @property
    def label_texts(self) -> list[str]:
        """Ids that are shown, with the letters of their sensors."""
        return [text for marks in self._marks.values() for text in marks.tracks.label_texts]

    def show_layers(self, layers: Sequence[RoomLayer], *, ids: bool) -> None:
        """Draw what the sensors see, in place of what was drawn.

        Parameters
        ----------
        layers
            Of the sensors that have shown something.
        ids
            Whether ids stand beside the tracks.
        """
        for letter in set(self._marks) - {layer.style.letter for layer in layers}:
            self._marks.pop(letter).remove()
        for layer in layers:
            if layer.style.letter not in self._marks:
                self._marks[layer.style.letter] = _Marks(layer.style, self.theme, self.plot)
            self._marks[layer.style.letter].draw(layer, ids=ids)
        self._draw_walls(layers)
        shown_m = extent(layers)
        if shown_m.shape != self._shown_m.shape or not np.allclose(shown_m, self._shown_m):
            self._shown_m = shown_m
            self._fit()

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""
        self.plot.showGrid(x=visible, y=visible, alpha=0.18)

    def frame(self) -> None:
        """Show all sensors and walls again, after the user has zoomed or moved."""
        self.framed = True
        self._fit()

    def take_over(self, former: "RoomView") -> None:
        """Keep what part of the room was shown, if the user has zoomed or moved."""
        if not former.framed:
            self.framed = False
            self.plot.setRange(QRectF(former.plot.getViewBox().viewRect()), padding=0.0)

    def _fit(self) -> None:
        if not self.framed or len(self._shown_m) < 2:
            return
        box = self.plot.getViewBox()
        left, bottom, width, height = fit_range(self._shown_m, box.width(), box.height())
        self.plot.setRange(QRectF(left, bottom, width, height), padding=0.0)

    def _draw_walls(self, layers: Sequence[RoomLayer]) -> None:
        """Draw each outline once, also if several sensors know it."""
        outlines = {layer.walls_m.tobytes(): layer.walls_m for layer in layers if len(layer.walls_m)}
        parts = [part for outline in outlines.values() for part in (outline, np.full((1, 2), np.nan))]
        walls = np.vstack(parts) if parts else np.zeros((0, 2))
        self._walls.setData(walls[:, 0], walls[:, 1], connect="finite")

    def _on_moved_by_user(self, _axes: object) -> None:
        self.framed = False

    def _on_mouse_moved(self, position: QPointF) -> None:
        if not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()) and math.isfinite(at.y()):
            self.pointed.emit(f"room: {plan_readout(at.x(), at.y())}")


class _Marks:
    """The scene items of one sensor."""

    def __init__(self, style: SensorStyle, theme: Theme, plot: Any) -> None:
        self._plot = plot
        colour = style.colour(light=theme.light)
        line = pg.mkPen(with_opacity(colour, 0.65), width=1.3)
        if style.dashes:
            line.setDashPattern(list(style.dashes))
        self._outline = pg.PlotCurveItem(pen=line)
        self._trails = StrokesItem(lambda _number: colour, 2.0)
        self._ellipses = StrokesItem(lambda _number: colour, 1.0)
        self._arrows = StrokesItem(lambda _number: colour, 1.6)
        self._truth = pg.ScatterPlotItem(
            symbol=_cross(45.0 if style.turned else 0.0), size=17, brush=None, pxMode=True,
            pen=pg.mkPen(with_opacity(theme.text, 0.9), width=1),
        )  # fmt: skip
        self._detections = SpotsItem()
        self._detection_look = SpotLook(6.0, f"#cc{colour[1:]}", 1.2, symbol=style.symbol)
        font = QFont(QApplication.font())
        font.setPointSize(SMALL_POINT_SIZE)
        self.tracks = SpotsItem(font, right=style.right, above=style.above)
        self._looks = track_looks(colour, theme.plot, style.symbol)
        self._colours = colour, theme.raised
        self.tracks.setZValue(50)
        self._antennas = pg.ScatterPlotItem(pxMode=True, pen=pg.mkPen(theme.plot, width=1), brush=pg.mkBrush(colour))
        self._labels = [pg.TextItem(anchor=anchor, color=colour) for anchor in ((-0.6, 0.5), (0.5, -0.25))]
        for label in self._labels:
            label.setFont(font)
        self._names = (style.letter, f"{style.letter} Tx")
        self._items = (
            self._outline, self._ellipses, self._trails, self._truth, self._detections, self._arrows, self.tracks,
            self._antennas, *self._labels,
        )  # fmt: skip
        for item in self._items:
            plot.addItem(item, ignoreBounds=True)

    def draw(self, layer: RoomLayer, *, ids: bool) -> None:
        """Draw what the sensor sees."""
        self._outline.setData(layer.outline_m[:, 0], layer.outline_m[:, 1])
        self._trails.set_strokes(layer.trails)
        self._ellipses.set_strokes(layer.ellipses)
        self._arrows.set_strokes(layer.arrows)
        self._truth.setData(layer.truth_m[:, 0], layer.truth_m[:, 1])
        self._detections.set_spots(layer.detections_m, self._detection_look)
        self._draw_tracks(layer.tracks, ids=ids)
        places = [layer.sensor_m, layer.transmitter_m]
        self._antennas.setData(
            [
                {"pos": tuple(at), "symbol": symbol, "size": size}
                for at, symbol, size in zip(places, ("t1", "s"), (13, 9), strict=True)
                if at is not None
            ]
        )
        for label, name, at in zip(self._labels, self._names, places, strict=True):
            label.setVisible(at is not None)
            if at is not None:
                label.setText(name)
                label.setPos(float(at[0]), float(at[1]))

    def _draw_tracks(self, tracks: Sequence[Track], *, ids: bool) -> None:
        colour, plate = self._colours
        position = np.array([track.state[::2] for track in tracks]).reshape(-1, 2)
        labels = [Label(f"{self._names[0]}{track.track_id}", colour, plate) for track in tracks if ids]
        self.tracks.set_spots(position, [self._looks[track.status] for track in tracks], labels)

    def remove(self) -> None:
        """Take the items out of the scene."""
        for item in self._items:
            self._plot.removeItem(item)


def _cross(angle_deg: float) -> QPainterPath:
    """Return a cross of two lines in the unit square that the scatter plot scales."""
    path = QPainterPath()
    path.moveTo(-0.5, 0.0)
    path.lineTo(0.5, 0.0)
    path.moveTo(0.0, -0.5)
    path.lineTo(0.0, 0.5)
    return QTransform().rotate(angle_deg).map(path)
