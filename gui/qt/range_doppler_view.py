"""The range-Doppler map with detections and tracks."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.levels import Levels, auto_levels, track_colour
from isactrack.gui.models.points import bin_edges, map_readout, tracks_on_map
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.card import Card
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RangeDopplerView(Card):
    """Power over range and radial velocity, in dB over the median of the map.

    The levels of the colour map stay until `fit_levels` is called or the colour bar is dragged.
    """

    pointed = Signal(str)
    """What lies under the pointer."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Range–Doppler", Legend(theme, (("ring", "detection"), ("dot", "track"))))
        self.setParent(parent)
        self._theme = theme
        self._snapshot: Snapshot | None = None
        self._level_db: NDArray[np.float64] = np.zeros((0, 0))
        self._extent = QRectF()
        self._reach_m = math.inf
        self.widget, self.plot = make_plot(theme, "Range (m)", "Radial velocity (m/s)")
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
        self._snapshot = snapshot
        self._level_db = snapshot.spectrum.level_db()
        self.image.setImage(self._level_db.astype(np.float32), autoLevels=False)
        self._place_image(snapshot)
        detections = snapshot.detections
        self._detections.setData(detections.range_m, detections.radial_velocity_mps)
        points = tracks_on_map(snapshot.tracks, snapshot.spectrum)
        brushes = [pg.mkBrush(track_colour(t.track_id, light=self._theme.light)) for t in snapshot.tracks]
        self._tracks.setData(points[:, 0], points[:, 1], brush=brushes or None, pen=pg.mkPen("#101316", width=1))

    def fit_levels(self) -> None:
        """Fit the levels to the map that is shown, once."""
        if self._level_db.size:
            levels = auto_levels(self._level_db)
            self.colour_bar.setLevels((levels.low_db, levels.high_db))

    def set_reach(self, reach_m: float) -> None:
        """Show the map up to a range; nothing moves while it stays the same."""
        if reach_m != self._reach_m:
            self._reach_m = reach_m
            self.frame()

    def frame(self) -> None:
        """Show all velocities, and ranges up to the reach, again."""
        extent = QRectF(self._extent)
        extent.setRight(min(extent.right(), self._reach_m))
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

    def _place_image(self, snapshot: Snapshot) -> None:
        """Lay the image so that the centres of its bins lie on their values."""
        left, right = bin_edges(snapshot.spectrum.range_axis_m)
        low, high = bin_edges(snapshot.spectrum.velocity_axis_mps)
        extent = QRectF(left, low, right - left, high - low)
        if extent != self._extent:
            self._extent = extent
            self.image.setRect(extent)
            self.plot.setLimits(xMin=left, xMax=right, yMin=low, yMax=high)
            self.frame()

    def _on_mouse_moved(self, position: QPointF) -> None:
        if self._snapshot is None or not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()) and math.isfinite(at.y()):
            self.pointed.emit(map_readout(self._snapshot.spectrum, self._level_db, at.x(), at.y()))
