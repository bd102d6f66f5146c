"""The map of a radar over azimuth and range, with detections and tracks."""

import math
from collections.abc import Sequence

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.range_azimuth import LEVELS, X_LABEL, Y_LABEL, make_range_azimuth, readout, why_empty
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.explained import Explained
from isactrack.gui.qt.image_plot import ImagePlot, dot_looks
from isactrack.gui.qt.image_view import ImageView
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.view import View
from isactrack.processing.products import Product


class RangeAzimuthView(ImageView):
    """Power over azimuth and range, in dB over the median of the map."""

    name = "range_azimuth"
    title = "Range–azimuth"
    products = frozenset({Product.RANGE_AZIMUTH})

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, Legend(theme, (("ring", "detection"), ("dot", "track"))))
        self._snapshot: Snapshot | None = None
        self.reach_m = math.inf
        self.map = ImagePlot(theme, X_LABEL, Y_LABEL, LEVELS)
        self._detections, self._tracks = self.map.add_spots(), self.map.add_spots()
        self.map.on_pointed(self.pointed.emit, readout)
        self.content = Explained(self.map)
        self.content.explain(self.empty_text())
        self.body.addWidget(self.content, 1)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last of some snapshots."""
        self._snapshot = history[-1]
        self.content.explain(self.empty_text())
        shown = make_range_azimuth(self._snapshot)
        if shown is None:
            return
        extent = shown.extent
        self.map.show_image(shown.image(), extent)
        self.map.set_limits(*extent)
        self.map.set_range(*extent[:3], min(extent[3], self.reach_m))
        self._detections.set_spots(shown.detections(), self.map.ring_look)
        self._tracks.set_spots(shown.tracks(), dot_looks(self._snapshot.tracks, self.theme))

    def empty_text(self) -> str:
        """Return why there is no map."""
        return why_empty(self._snapshot)

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        """Show what is within a range of the receiver, from the next snapshot on."""
        self.reach_m = math.inf if reach_m >= range_max_m else reach_m

    def take_over(self, former: View) -> None:
        """Keep the levels, and what part of the map was shown."""
        if isinstance(former, RangeAzimuthView):
            self.reach_m = former.reach_m
            self.map.take_over(former.map)
