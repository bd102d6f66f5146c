"""The map of the sensor with detections and tracks."""

import math
from collections.abc import Sequence

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.maps import RangeDoppler, SensorMap, make_map
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.image_plot import ImagePlot, dot_looks
from isactrack.gui.qt.image_view import ImageView
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.view import View


class MapView(ImageView):
    """The map that the sensor's chain makes, in dB over its median: over range and Doppler, or over path and azimuth.

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
        self.reach_m = math.inf
        self.map = ImagePlot(theme, RangeDoppler.x_label, RangeDoppler.y_label, RangeDoppler.levels)
        self._detections, self._tracks = self.map.add_spots(), self.map.add_spots()
        self.map.on_pointed(self.pointed.emit, self._readout)
        self.body.addWidget(self.map)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last of some snapshots."""
        snapshot = history[-1]
        shown = make_map(snapshot)
        self._show_map(shown)
        self._detections.set_spots(shown.detections(), self.map.ring_look)
        self._tracks.set_spots(shown.tracks(), dot_looks(snapshot.tracks, self.theme))

    def take_over(self, former: View) -> None:
        """Keep the levels, and what part of the map was shown."""
        if isinstance(former, MapView) and former.shown is not None:
            self.reach_m = former.reach_m
            self._show_map(former.shown)
            self.map.take_over(former.map)

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        """Show the map for what is within a range of the receiver; nothing moves while it stays the same."""
        self.reach_m = math.inf if reach_m >= range_max_m else reach_m
        self._set_range()

    def _show_map(self, shown: SensorMap) -> None:
        if type(shown) is not type(self.shown):
            self.set_title(shown.title)
            self.map.set_labels(shown.x_label, shown.y_label)
            self.map.set_levels(shown.levels)
        self.shown = shown
        self.map.show_image(shown.image(), shown.extent)
        self.map.set_limits(*shown.extent)
        self._set_range()

    def _set_range(self) -> None:
        """Show all of the y axis, and the x axis as far as the reach asks for."""
        if self.shown is not None:
            left, right, low, high = self.shown.extent
            self.map.set_range(left, min(right, self.shown.right_of(self.reach_m)), low, high)

    def _readout(self, x: float, y: float, _level_db: float | None) -> str:
        return "" if self.shown is None else self.shown.readout(self.map.level_db, x, y)
