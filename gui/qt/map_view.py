"""The map of the sensor with detections and tracks."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.levels import Levels, auto_levels, track_colour
from isactrack.gui.models.maps import RangeDoppler, SensorMap, make_map
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.card import Card
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MapView(Card):
    """The map that the sensor's chain makes, in dB over its median: over range and Doppler, or over path and azimuth.

    The levels of the colour map stay until `fit_levels` is called or the colour bar is dragged.
    """

    pointed = Signal(str)
    """What lies under the pointer."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(RangeDoppler.title, Legend(theme, (("ring", "detection"), ("dot", "track"))))
        self.setParent(parent)
        self._theme = theme
        self._map: SensorMap | None = None
        self._level_db: NDArray[np.float64] = np.zeros((0, 0))
        self._extent = QRectF()
        self._reach_m = math.inf
        self.widget, self.plot = make_plot(theme, RangeDoppler.x_label, RangeDoppler.y_label)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.colour_bar = self._make_colour_bar()
        self._detections = pg.ScatterPlotItem(
            symbol="o", size=12, pen=pg.mkPen("#ffffff", width=1.3), brush=None, pxMode=True
        )
        self._tracks = pg.ScatterPlotItem(symbol="o", size=7, pxMode=True)
        for item in (self._detections, self._tracks):
            self.plot.addItem(item, ignoreBounds=True)
        self.body.addWidget(self.widget)
        self.widget.scene().sigMouseMoved.connect(self._on_mouse_moved)

    @property
    def levels(self) -> Levels:
        """Levels at the ends of the colour map."""
        low, high = self.colour_bar.levels()
        return Levels(float(low), float(high))

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw a snapshot."""
        shown = make_map(snapshot)
        if type(shown) is not type(self._map):
            self._name_axes(shown)
        self._map = shown
        self._level_db = shown.image()
        self.image.setImage(self._level_db.astype(np.float32), autoLevels=False)
        self._place_image(shown)
        detections, tracks = shown.detections(), shown.tracks()
        self._detections.setData(detections[:, 0], detections[:, 1])
        brushes = [pg.mkBrush(track_colour(t.track_id, light=self._theme.light)) for t in snapshot.tracks]
        self._tracks.setData(tracks[:, 0], tracks[:, 1], brush=brushes or None, pen=pg.mkPen("#101316", width=1))

    def fit_levels(self) -> None:
        """Fit the levels to the map that is shown, once."""
        if self._level_db.size:
            levels = auto_levels(self._level_db)
            self.colour_bar.setLevels((levels.low_db, levels.high_db))

    def set_reach(self, reach_m: float) -> None:
        """Show the map for what is within a range of the receiver; nothing moves while it stays the same."""
        if reach_m != self._reach_m:
            self._reach_m = reach_m
            self.frame()

    def frame(self) -> None:
        """Show all of the y axis, and the x axis as far as the reach asks for, again."""
        if self._map is None:
            return
        extent = QRectF(self._extent)
        extent.setRight(min(extent.right(), self._map.right_of(self._reach_m)))
        self.plot.setRange(extent, padding=0.0)

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""
        self.plot.showGrid(x=visible, y=visible, alpha=0.22)

    def _make_colour_bar(self) -> pg.ColorBarItem:
        start = Levels()
        bar = pg.ColorBarItem(
            values=(start.low_db, start.high_db), colorMap=pg.colormap.get("viridis"), width=12,
            rounding=1.0, limits=(-40.0, 120.0), pen=self._theme.muted, hoverPen=self._theme.accent,
        )  # fmt: skip
        bar.setImageItem(self.image, insert_in=self.plot)
        axis = bar.getAxis("right")
        axis.setLabel("Level over median (dB)", color=self._theme.muted)
        axis.setTextPen(self._theme.muted)
        small = QFont(self.font())
        small.setPointSize(SMALL_POINT_SIZE)
        axis.setTickFont(small)
        return bar

    def _name_axes(self, shown: SensorMap) -> None:
        self.set_title(shown.title)
        for side, label in (("bottom", shown.x_label), ("left", shown.y_label)):
            self.plot.getAxis(side).setLabel(label, color=self._theme.muted)
        self.colour_bar.setLevels((shown.levels.low_db, shown.levels.high_db))

    def _place_image(self, shown: SensorMap) -> None:
        """Lay the image so that the centres of its bins lie on their values."""
        left, right, low, high = shown.extent
        extent = QRectF(left, low, right - left, high - low)
        if extent != self._extent:
            self._extent = extent
            self.image.setRect(extent)
            self.plot.setLimits(xMin=left, xMax=right, yMin=low, yMax=high)
            self.frame()

    def _on_mouse_moved(self, position: QPointF) -> None:
        if self._map is None or not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()) and math.isfinite(at.y()):
            self.pointed.emit(self._map.readout(self._level_db, at.x(), at.y()))
