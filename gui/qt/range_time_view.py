"""What is seen at which range over the last seconds."""

import math
from collections.abc import Sequence

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.levels import Levels
from isactrack.gui.models.range_time import HISTORY, SPAN_S, X_LABEL, RangeTime, RangeTimeImage, why_empty
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.explained import Explained
from isactrack.gui.qt.image_plot import ImagePlot
from isactrack.gui.qt.image_view import ImageView
from isactrack.gui.qt.note import Note
from isactrack.gui.qt.view import View


class RangeTimeView(ImageView):
    """Waterfall of range profiles of a radar, or of path profiles of a radio."""

    name = "range_time"
    title = "Range over time"
    history_length = HISTORY
    through_gaps = True

    def __init__(self, theme: Theme) -> None:
        self.note = Note()
        super().__init__(theme, self.note)
        self._model = RangeTime()
        self._snapshot: Snapshot | None = None
        self.current: RangeTimeImage | None = None
        self.reach_m = math.inf
        self.map = ImagePlot(theme, X_LABEL, "Range (m)", Levels(), "Level (dB)")
        self.map.on_pointed(self.pointed.emit, self._readout)
        self.content = Explained(self.map)
        self.content.explain(self.empty_text())
        self.body.addWidget(self.content, 1)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw what led to the last of some snapshots."""
        self._snapshot = history[-1]
        self.content.explain(self.empty_text())
        shown = self._model.show(history)
        if shown is None:
            return
        if self.current is None or self.current.y_label != shown.y_label:
            self.map.set_labels(X_LABEL, shown.y_label)
            self.map.set_levels(shown.levels)
            self.note.show_text(shown.note, shown.details)
        self.current = shown
        image = shown.waterfall
        self.map.show_image(image.level_db, (image.start_s, image.end_s, shown.low_m, shown.high_m), image.gaps_s)
        self.map.set_limits(-SPAN_S, 0.0, shown.low_m, shown.high_m)
        self.map.set_range(-SPAN_S, 0.0, max(0.0, shown.low_m), min(shown.longest_m, self.reach_m))

    def empty_text(self) -> str:
        """Return why there is no waterfall."""
        return why_empty(self._snapshot)

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        """Show what is within a range of the receiver, from the next snapshot on; there and back for a radio."""
        times = 2.0 if self._snapshot is not None and self._snapshot.tx_position_m is not None else 1.0
        self.reach_m = math.inf if reach_m >= range_max_m else times * reach_m

    def take_over(self, former: View) -> None:
        """Keep the levels, and what part was shown."""
        if isinstance(former, RangeTimeView) and former.current is not None:
            self.current = former.current
            self.map.set_labels(X_LABEL, former.current.y_label)
            self.note.show_text(former.current.note, former.current.details)
            self.reach_m = former.reach_m
            self.map.take_over(former.map)

    def _readout(self, x: float, y: float, level_db: float | None) -> str:
        return "" if self.current is None else self.current.readout(x, y, level_db)
