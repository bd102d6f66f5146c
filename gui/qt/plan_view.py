"""The room from above: field of view, detections, tracks with their trails, and the truth of a simulation."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QPainterPath
from PySide6.QtWidgets import QGraphicsView, QLabel, QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import polar_to_xy
from isactrack.gui.models.field import (
    FIELD_OF_VIEW_RAD,
    FRAMED_HALF_WIDTH_RAD,
    field_of_view,
    fit_range,
    range_rings,
)
from isactrack.gui.models.levels import TRACK_COLOURS, track_colour
from isactrack.gui.models.points import plan_readout
from isactrack.gui.models.room import Placement
from isactrack.gui.models.strokes import CROWD, TRAIL_LENGTH, Trails, arrows, ellipses
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.track_card import card_text, past_detections, track_at
from isactrack.gui.qt.legend import Legend
from isactrack.gui.qt.spots_item import Label, SpotLook, SpotsItem
from isactrack.gui.qt.strokes_item import StrokesItem
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot, with_opacity
from isactrack.gui.qt.track_looks import track_looks
from isactrack.gui.qt.view import View
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]

_LEGEND = (
    ("dot", "confirmed"), ("dashed ring", "coasted"), ("ring", "tentative"), ("small ring", "detection"),
    ("cross", "truth"),
)  # fmt: skip
_HOVER_PX = 14.0
"""How near the pointer must be to a track."""
_CARD_OFFSET = QPoint(14, 12)
_RING_LABEL_END = 1.25
"""Where the label of a ring ends, in its widths from the end of the ring."""
_MOST_LABELS = 2000


class PlanView(View):
    """Sensor frame from above: x to the right, y along boresight, equal scales.

    All marks are drawn by a fixed number of scene items, each of which draws those of all tracks.

    Attributes
    ----------
    framed
        Whether it shows the field of view as it chooses; not once the user has zoomed or moved.
    picked_id
        The track that a ring is drawn around, None for none.
    """

    name = "plan"
    title = "Plan"
    history_length = TRAIL_LENGTH

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, Legend(theme, _LEGEND))
        self._reach_m, self._range_max_m = 0.0, 0.0
        self._show_trails, self._show_ids, self._show_past = True, True, False
        self._snapshot: Snapshot | None = None
        self._pointer: QPointF | None = None  # in the scene, while it is in the view
        self.framed = True  # until the user zooms or moves
        self._kept: QRectF | None = None  # what the user had zoomed to in the view before this one
        self.widget, self.plot = make_plot(theme, "x, to the right (m)", "y, along boresight (m)")
        # Marks are everywhere: to paint within the outline of all that changed takes longer than to paint everything.
        self.widget.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        self.plot.setAspectLocked(True)
        self.plot.disableAutoRange()
        self.plot.getViewBox().sigResized.connect(self._on_resized)
        self.plot.getViewBox().sigRangeChanged.connect(lambda *_: self._show_ring_labels())
        self.plot.getViewBox().sigRangeChangedManually.connect(self._on_moved_by_user)
        self._wedge = pg.PlotCurveItem(pen=pg.mkPen(theme.line, width=1), brush=theme.wedge, fillLevel="enclosed")
        self._rings = pg.PlotCurveItem(pen=pg.mkPen(theme.grid, width=1), connect="finite")
        self._ring_labels: list[Any] = []
        self._ranges_shown = 0
        self._walls = pg.PlotCurveItem(pen=pg.mkPen(theme.muted, width=2), antialias=True)
        self._paths = Trails()
        self._trails = StrokesItem(self._colour, 2.0)
        self._ellipses = StrokesItem(self._colour, 1.0)
        self._arrows = StrokesItem(self._colour, 1.6)
        self._truth = pg.ScatterPlotItem(symbol=_cross(), size=17, brush=None, pen=self._truth_pen(), pxMode=True)
        self._past, self._detections = SpotsItem(), SpotsItem()
        self._picked = SpotsItem()
        self.picked_id: int | None = None
        self._tracks = SpotsItem(self._small_font())
        self._looks = [track_looks(self._colour(number), theme.plot) for number in range(TRACK_COLOURS)]
        self._labels: dict[int, Label] = {}
        self._tracks.setZValue(50)
        self._antennas = pg.ScatterPlotItem(pxMode=True, pen=pg.mkPen(theme.plot, width=1), brush=theme.text)
        self._antenna_labels = {name: self._make_antenna_label(name) for name in ("Rx", "Tx")}
        self._tx_m: tuple[float, float] | None = None
        for item in (
            self._wedge, self._rings, self._walls, self._ellipses, self._trails, self._past, self._truth,
            self._detections, self._arrows, self._picked, self._tracks, self._antennas,
        ):  # fmt: skip
            self.plot.addItem(item, ignoreBounds=True)
        self.body.addWidget(self.widget)
        self.card = _make_card(theme, self.widget)
        self.widget.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self.widget.scene().sigMouseClicked.connect(self._on_mouse_clicked)
        self.widget.viewport().installEventFilter(self)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last of some snapshots; the others give the trails, and where detections were before."""
        snapshot = self._snapshot = history[-1]
        if snapshot.tx_position_m != self._tx_m:
            self._draw_antennas(snapshot.tx_position_m)
        self._detections.set_spots(snapshot.detections.position_m, SpotLook(6.0, f"#bf{self.theme.text[1:]}", 1.2))
        self._past.set_spots(
            past_detections(history) if self._show_past else np.zeros((0, 2)),
            SpotLook(1.8, f"#59{self.theme.text[1:]}", 1.4),
        )
        truth = snapshot.truth.position_m if snapshot.truth is not None else np.zeros((0, 2))
        self._truth.setData(truth[:, 0], truth[:, 1])
        width_px = 2.0 if len(snapshot.tracks) < CROWD else 1.0  # thin lines are drawn several times as fast
        self._trails.set_strokes(self._paths.strokes(history) if self._show_trails else [], width_px)
        self._ellipses.set_strokes(ellipses(snapshot.tracks))
        self._arrows.set_strokes(arrows(snapshot.tracks), min(width_px, 1.6))
        self._draw_tracks(snapshot.tracks)
        self._show_card()

    def set_trails(self, visible: bool) -> None:
        """Show or hide the trails, from the next snapshot on."""
        self._show_trails = visible

    def set_ids(self, visible: bool) -> None:
        """Show or hide the ids, from the next snapshot on."""
        self._show_ids = visible

    def pick_track(self, track_id: int | None) -> None:
        """Draw a ring around a track, from the next snapshot on."""
        self.picked_id = track_id

    @property
    def picked(self) -> FloatArray:
        """Where the ring around the picked track is, (1, 2); none if it is not there."""
        return self._picked.points

    def set_past(self, visible: bool) -> None:
        """Show or hide the detections before, from the next snapshot on."""
        self._show_past = visible

    @property
    def past(self) -> FloatArray:
        """Places (n, 2) of the former detections that are drawn."""
        return self._past.points

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take the card away when the pointer leaves."""
        if event.type() is QEvent.Type.Leave:
            self._pointer = None
            self._show_card()
        return super().eventFilter(watched, event)

    def set_grid(self, visible: bool) -> None:
        """Show or hide the range rings and their labels."""
        self._rings.setVisible(visible)
        self._show_ring_labels()

    def set_placement(self, placement: Placement) -> None:
        """Draw the walls of the room, if they are known."""
        walls = placement.walls_m
        self._walls.setData(walls[:, 0], walls[:, 1])

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        """Show the field of view up to a range; nothing moves while it stays the same."""
        if (reach_m, range_max_m) != (self._reach_m, self._range_max_m):
            self._reach_m, self._range_max_m = reach_m, range_max_m
            self._draw_room()
            self.frame()

    def frame(self) -> None:
        """Show the field of view up to the reach again, but for its far corners, which would make the room small."""
        self.framed = True
        if self._reach_m > 0.0:
            box = self.plot.getViewBox()
            shown = field_of_view(self._reach_m, FRAMED_HALF_WIDTH_RAD)
            if self._tx_m is not None:
                shown = np.vstack([shown, self._tx_m])
            left, bottom, width, height = fit_range(shown, box.width(), box.height())
            self.plot.setRange(QRectF(left, bottom, width, height), padding=0.0)

    def take_over(self, former: View) -> None:
        """Keep the picked track, and what part of the room was shown if the user has zoomed or moved."""
        if isinstance(former, PlanView):
            self.picked_id = former.picked_id
        if isinstance(former, PlanView) and not former.framed:
            self.set_reach(*former.reach)
            self.framed = False
            self._kept = QRectF(former.plot.getViewBox().viewRect())
            self.plot.setRange(self._kept, padding=0.0)

    @property
    def reach(self) -> tuple[float, float]:
        """Range (m) that is shown, and the sensor's own."""
        return self._reach_m, self._range_max_m

    @property
    def walls(self) -> tuple[FloatArray, FloatArray]:
        """Corners of the walls that are drawn, x and y in metres."""
        x, y = self._walls.getData()
        return (np.zeros(0), np.zeros(0)) if x is None else (x, y)

    @property
    def label_texts(self) -> list[str]:
        """Ids that are shown."""
        return self._tracks.label_texts

    def _on_resized(self, _box: object) -> None:
        if self.framed:
            self.frame()
        elif self._kept is not None:
            self.plot.setRange(self._kept, padding=0.0)

    def _on_moved_by_user(self, _axes: object) -> None:
        self.framed, self._kept = False, None

    def _colour(self, track_id: int) -> str:
        return track_colour(track_id, light=self.theme.light)

    def _draw_tracks(self, tracks: Sequence[Track]) -> None:
        position = np.array([track.state[::2] for track in tracks]).reshape(-1, 2)
        looks = [self._looks[track.track_id % TRACK_COLOURS][track.status] for track in tracks]
        labels = [self._label_of(track.track_id) for track in tracks] if self._show_ids else []
        self._tracks.set_spots(position, looks, labels)
        chosen = [track.track_id == self.picked_id for track in tracks]
        self._picked.set_spots(position[chosen], SpotLook(22.0, self.theme.text, 1.4))

    def _label_of(self, track_id: int) -> Label:
        if track_id not in self._labels:
            if len(self._labels) > _MOST_LABELS:
                self._labels = {}
            self._labels[track_id] = Label(str(track_id), self._colour(track_id), self.theme.raised)
        return self._labels[track_id]

    def _truth_pen(self) -> Any:
        pen = pg.mkPen(with_opacity(self.theme.text, 0.9), width=1)
        pen.setDashPattern([2.0, 1.5])
        return pen

    def _draw_room(self) -> None:
        outline = field_of_view(self._range_max_m)
        self._wedge.setData(outline[:, 0], outline[:, 1])
        ranges, rings = range_rings(self._reach_m, self._range_max_m)
        self._rings.setData(rings[:, 0], rings[:, 1], connect="finite")
        while len(self._ring_labels) < len(ranges):
            self._ring_labels.append(self._make_label(anchor=(1.0 - _RING_LABEL_END, 0.1), plate=self.theme.plot))
        self._ranges_shown = len(ranges)
        for label, at_m in zip(self._ring_labels, ranges, strict=False):
            label.setText(f"{at_m:g} m", color=self.theme.muted)
            label.setPos(*polar_to_xy(at_m, FIELD_OF_VIEW_RAD))
        self._show_ring_labels()

    def _show_ring_labels(self) -> None:
        """Show the labels of the rings that have room in the view: none is cut at its edge."""
        box = self.plot.getViewBox()
        right, metres_a_pixel = box.viewRect().right(), box.viewPixelSize()[0]
        for k, label in enumerate(self._ring_labels):
            end = label.pos().x() + _RING_LABEL_END * label.boundingRect().width() * metres_a_pixel
            label.setVisible(k < self._ranges_shown and self._rings.isVisible() and end <= right)

    def _draw_antennas(self, tx_m: tuple[float, float] | None) -> None:
        """Mark receiver and transmitter of a radio; a radar is where the field of view begins."""
        self._tx_m = tx_m
        places = {} if tx_m is None else {"Rx": (0.0, 0.0), "Tx": tx_m}
        symbols = {"Rx": ("t1", 13), "Tx": ("s", 10)}
        self._antennas.setData(
            [{"pos": at, "symbol": symbols[name][0], "size": symbols[name][1]} for name, at in places.items()]
        )
        for name, label in self._antenna_labels.items():
            label.setVisible(name in places)
            if name in places:
                label.setPos(*places[name])
        if self.framed:
            self.frame()

    def _make_antenna_label(self, name: str) -> Any:
        label = self._make_label(anchor={"Rx": (-0.5, 0.55), "Tx": (0.5, -0.25)}[name])
        label.setText(name, color=self.theme.text)
        label.setZValue(40)
        label.setVisible(False)
        return label

    def _make_label(self, anchor: tuple[float, float], plate: str | None = None) -> Any:
        label = pg.TextItem(anchor=anchor, fill=None if plate is None else pg.mkBrush(plate))
        label.setFont(self._small_font())
        self.plot.addItem(label, ignoreBounds=True)
        return label

    def _small_font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSize(SMALL_POINT_SIZE)
        return font

    def _on_mouse_moved(self, position: QPointF) -> None:
        inside = self.plot.getViewBox().sceneBoundingRect().contains(position)
        self._pointer = QPointF(position) if inside else None
        self._show_card()
        if not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()) and math.isfinite(at.y()):
            self.pointed.emit(plan_readout(at.x(), at.y()))

    def _on_mouse_clicked(self, event: Any) -> None:
        """Pick the track that is clicked."""
        track = self._track_at(event.scenePos())
        if track is not None and event.button() == Qt.MouseButton.LeftButton:
            self.pick_track(track.track_id)
            self._draw_tracks(() if self._snapshot is None else self._snapshot.tracks)
            self.track_picked.emit(track.track_id)

    def _track_at(self, position: QPointF) -> Track | None:
        """Return the track under a point of the scene."""
        if self._snapshot is None:
            return None
        box = self.plot.getViewBox()
        at = box.mapSceneToView(position)
        return track_at(self._snapshot.tracks, at.x(), at.y(), _HOVER_PX * box.viewPixelSize()[0])

    def _show_card(self) -> None:
        """Say what is known of the track under the pointer, beside it and within the view."""
        track = None if self._pointer is None else self._track_at(self._pointer)
        if track is None or self._pointer is None:
            self.card.hide()
            return
        self.card.setText(card_text(track))
        self.card.adjustSize()
        at = self.widget.mapFromScene(self._pointer) + _CARD_OFFSET
        room = self.widget.rect().adjusted(0, 0, -self.card.width(), -self.card.height())
        self.card.move(min(at.x(), room.right()), min(at.y(), room.bottom()))
        self.card.show()


def _make_card(theme: Theme, parent: QWidget) -> QLabel:
    card = QLabel(parent)
    card.setTextFormat(Qt.TextFormat.PlainText)
    card.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    card.setStyleSheet(
        f"background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.line}; border-radius: 4px; "
        f"padding: 5px 8px; font-size: {SMALL_POINT_SIZE}pt;"
    )
    card.hide()
    return card


def _cross() -> QPainterPath:
    """Return a cross of two lines in the unit square that the scatter plot scales."""
    path = QPainterPath()
    path.moveTo(-0.5, 0.0)
    path.lineTo(0.5, 0.0)
    path.moveTo(0.0, -0.5)
    path.lineTo(0.0, 0.5)
    return path
