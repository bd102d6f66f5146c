"""The map of the sensor with detections and tracks."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFont

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.levels import Levels, auto_levels, track_colour
from isactrack.gui.models.maps import RangeDoppler, SensorMap, make_map
from isactrack.gui.models.theme import COLOUR_MAPS, ColourMap, Theme
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot
from isactrack.gui.qt.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MapView(View):
    """The map that the sensor's chain makes, in dB over its median: over range and Doppler, or over path and azimuth.

    The levels of the colour map stay until `fit_levels` is called or the colour bar is dragged.

    Attributes
    ----------
    shown
        The map that is shown, None before the first.
    reach_m
        Range that the x axis shows; infinite for the whole map.
    """

    name = "map"
    title = RangeDoppler.title

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, Legend(theme, (("ring", "detection"), ("dot", "track"))))
        self.shown: SensorMap | None = None
        self._level_db: NDArray[np.float64] = np.zeros((0, 0))
        self._extent = QRectF()
        self.reach_m = math.inf
        self.widget, self.plot = make_plot(theme, RangeDoppler.x_label, RangeDoppler.y_label)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.colour_bar = self._make_colour_bar()
        self._detections = pg.ScatterPlotItem(symbol="o", size=12, brush=None, pxMode=True)
        self._tracks = pg.ScatterPlotItem(symbol="o", size=7, pxMode=True)
        for item in (self._detections, self._tracks):
            self.plot.addItem(item, ignoreBounds=True)
        self.set_colour_map(COLOUR_MAPS[0])
        self.body.addWidget(self.widget)
        self.widget.scene().sigMouseMoved.connect(self._on_mouse_moved)

    @property
    def levels(self) -> Levels:
        """Levels at the ends of the colour map."""
        low, high = self.colour_bar.levels()
        return Levels(float(low), float(high))

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last of some snapshots."""
        snapshot = history[-1]
        shown = make_map(snapshot)
        self._show_map(shown)
        detections, tracks = shown.detections(), shown.tracks()
        self._detections.setData(detections[:, 0], detections[:, 1])
        brushes = [pg.mkBrush(track_colour(t.track_id, light=self.theme.light)) for t in snapshot.tracks]
        self._tracks.setData(tracks[:, 0], tracks[:, 1], brush=brushes or None, pen=pg.mkPen("#101316", width=1))

    def fit_levels(self) -> None:
        """Fit the levels to the map that is shown, once."""
        if self._level_db.size:
            levels = auto_levels(self._level_db)
            self.colour_bar.setLevels((levels.low_db, levels.high_db))

    def set_colour_map(self, colour_map: ColourMap) -> None:
        """Take a colour map, and a colour for the detections that is seen on it."""
        self.colour_bar.setColorMap(pg.colormap.get(colour_map.name))
        self._detections.setPen(pg.mkPen("#101316" if colour_map.light_ground else "#ffffff", width=1.3))

    def take_over(self, former: View) -> None:
        """Keep the levels, and what part of the map was shown."""
        if isinstance(former, MapView) and former.shown is not None:
            self._show_map(former.shown)
            self.colour_bar.setLevels(former.colour_bar.levels())
            self.reach_m = former.reach_m
            self.plot.setRange(former.plot.getViewBox().viewRect(), padding=0.0)

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        """Show the map for what is within a range of the receiver; nothing moves while it stays the same."""
        reach_m = math.inf if reach_m >= range_max_m else reach_m
        if reach_m != self.reach_m:
            self.reach_m = reach_m
            self.frame()

    def frame(self) -> None:
        """Show all of the y axis, and the x axis as far as the reach asks for, again."""
        if self.shown is None:
            return
        extent = QRectF(self._extent)
        extent.setRight(min(extent.right(), self.shown.right_of(self.reach_m)))
        self.plot.setRange(extent, padding=0.0)

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""
        self.plot.showGrid(x=visible, y=visible, alpha=0.22)

    def _show_map(self, shown: SensorMap) -> None:
        if type(shown) is not type(self.shown):
            self._name_axes(shown)
        self.shown = shown
        self._level_db = shown.image()
        self.image.setImage(self._level_db.astype(np.float32), autoLevels=False)
        self._place_image(shown)

    def _make_colour_bar(self) -> pg.ColorBarItem:
        start = Levels()
        bar = pg.ColorBarItem(
            values=(start.low_db, start.high_db), width=12,
            rounding=1.0, limits=(-40.0, 120.0), pen=self.theme.muted, hoverPen=self.theme.accent,
        )  # fmt: skip
        bar.setImageItem(self.image, insert_in=self.plot)
        axis = bar.getAxis("right")
        axis.setLabel("Level over median (dB)", color=self.theme.muted)
        axis.setTextPen(self.theme.muted)
        small = QFont(self.font())
        small.setPointSize(SMALL_POINT_SIZE)
        axis.setTickFont(small)
        return bar

    def _name_axes(self, shown: SensorMap) -> None:
        self.set_title(shown.title)
        for side, label in (("bottom", shown.x_label), ("left", shown.y_label)):
            self.plot.getAxis(side).setLabel(label, color=self.theme.muted)
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
        if self.shown is None or not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()) and math.isfinite(at.y()):
            self.pointed.emit(self.shown.readout(self._level_db, at.x(), at.y()))
