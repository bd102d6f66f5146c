"""The Doppler spectrum at one track over the last seconds."""

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.levels import Levels
from isactrack.gui.models.micro_doppler import HISTORY, RADAR_LABEL, SPAN_S, X_LABEL, MicroDoppler, MicroDopplerImage
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.explained import Explained
from isactrack.gui.qt.image_plot import ImagePlot
from isactrack.gui.qt.image_view import ImageView
from isactrack.gui.qt.note import Note
from isactrack.gui.qt.view import View
from isactrack.processing.products import Product

STRONGEST = "Strongest track"


class MicroDopplerView(ImageView):
    """Spectrogram of a track that is chosen by its id, or of the strongest."""

    name = "micro_doppler"
    title = "Micro-Doppler"
    history_length = HISTORY
    through_gaps = True
    products = frozenset({Product.SLOW_TIME})

    def __init__(self, theme: Theme) -> None:
        self.box = _make_box()
        super().__init__(theme, _header(self.box))
        self.note = Note(left=True)
        self.model = MicroDoppler()
        self._history: Sequence[Snapshot] = ()
        self._listed: list[int | None] = [None]
        self.current: MicroDopplerImage | None = None
        self.y_label = ""
        self.map = ImagePlot(theme, X_LABEL, RADAR_LABEL, Levels(0.0, 50.0))
        self.map.on_pointed(self.pointed.emit, self._readout)
        self.box.activated.connect(self._on_activated)
        self.content = Explained(self.map)
        self.content.explain(self.empty_text())
        self.body.addWidget(self.content, 1)
        self.body.addWidget(self.note)

    @property
    def track_id(self) -> int | None:
        """The track that is shown, None if none is."""
        return None if self.current is None else self.current.track_id

    def pick_track(self, track_id: int | None) -> None:
        """Show a track, None for the strongest; e.g. when it was picked in another view."""
        self.model.choose(track_id)
        self._list_tracks()
        if self._history:
            self.show_snapshots(self._history)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw what led to the last of some snapshots."""
        self._history = history
        self._list_tracks()
        shown = self.model.show(history)
        self.current = shown
        self.content.explain(self.empty_text())
        self.note.show_text(*(("", "") if shown is None else (shown.note, shown.details)))
        if shown is None:
            return
        if shown.y_label != self.y_label:
            self.y_label = shown.y_label
            self.map.set_labels(X_LABEL, shown.y_label)
            self.map.set_levels(shown.levels)
        image = shown.waterfall
        self.map.show_image(image.level_db, (image.start_s, image.end_s, shown.low_mps, shown.high_mps), image.gaps_s)
        self.map.set_limits(-SPAN_S, 0.0, shown.low_mps, shown.high_mps)
        self.map.set_range(-SPAN_S, 0.0, *shown.framed_mps)

    def empty_text(self) -> str:
        """Return why there is no spectrogram."""
        return self.model.why_empty(self._history[-1] if self._history else None)

    def take_over(self, former: View) -> None:
        """Keep the choice, the levels, and what part was shown."""
        if isinstance(former, MicroDopplerView):
            self.model.choose(former.model.chosen)
            if former.y_label:
                self.y_label = former.y_label
                self.map.set_labels(X_LABEL, former.y_label)
                self.map.take_over(former.map)

    def _list_tracks(self) -> None:
        """List the tracks at the cursor, and the chosen one even if it is not there."""
        ids = {track.track_id for track in self._history[-1].tracks} if self._history else set()
        chosen = self.model.chosen
        wanted: list[int | None] = [None, *sorted(ids if chosen is None else ids | {chosen})]
        if self.box.view().isVisible():
            return  # a list must not change under the pointer
        if wanted != self._listed:
            self._listed = wanted
            self.box.clear()
            for track_id in wanted:
                self.box.addItem(STRONGEST if track_id is None else f"Track {track_id}", track_id)
        self.box.setCurrentIndex(wanted.index(chosen))

    def _on_activated(self, index: int) -> None:
        track_id = self.box.itemData(index)
        self.pick_track(track_id)
        self.track_picked.emit(track_id)

    def _readout(self, x: float, y: float, level_db: float | None) -> str:
        return "" if self.current is None else self.current.readout(x, y, level_db)


def _make_box() -> QComboBox:
    box = QComboBox()
    box.setToolTip("Whose spectrum is shown")
    box.setAccessibleName("Track")
    box.addItem(STRONGEST, None)
    box.setMinimumContentsLength(len(STRONGEST))
    return box


def _header(box: QComboBox) -> QWidget:
    header = QWidget()
    layout = QHBoxLayout(header)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addStretch(1)
    layout.addWidget(box)
    return header
