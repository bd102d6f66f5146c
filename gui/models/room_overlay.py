"""What several sensors see, in the frame of the room that all of them stand in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import Pose
from isactrack.gui.models.field import FRAMED_HALF_WIDTH_RAD, field_of_view
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.streams import APART_S, Streams
from isactrack.gui.models.strokes import TRAIL_LENGTH, Strokes, Trails, arrows, ellipses
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]

_NOWHERE: Final = np.zeros((0, 2))


@dataclass(frozen=True, slots=True)
class SensorStyle:
    """How the marks of a sensor are told from those of the others, with colour and without.

    Attributes
    ----------
    letter
        Stands before the ids of its tracks.
    symbol
        Shape of its marks, by the names of pyqtgraph.
    dashes
        Pattern of its outlines in widths of the line; empty for a solid one.
    pieces
        How many of how many pieces of its trails are drawn, so that they are dashed too.
    turned
        Whether the crosses of its truth are turned by 45 degrees.
    right, above
        On which side of its tracks their ids stand: two sensors that see one person do not hide each other's.
    dark, light
        Its colour on a dark ground and on a light one.
    """

    letter: str
    symbol: str
    dashes: tuple[float, ...]
    pieces: tuple[int, int]
    turned: bool
    right: bool
    above: bool
    dark: str
    light: str

    def colour(self, *, light: bool) -> str:
        """Return its colour (``"#rrggbb"``)."""
        return self.light if light else self.dark


STYLES: Final = (
    SensorStyle("A", "o", (), (1, 1), False, True, True, "#56b4e9", "#0072b2"),
    SensorStyle("B", "s", (6.0, 4.0), (3, 5), True, True, False, "#e69f00", "#a85400"),
    SensorStyle("C", "t1", (1.5, 2.5), (1, 3), False, False, True, "#2fbf94", "#00785a"),
    SensorStyle("D", "d", (6.0, 2.5, 1.5, 2.5), (5, 6), True, False, False, "#dc8ebb", "#96416f"),
)
"""Styles of the sensors in the order in which they came: colours of Okabe and Ito, darker on a light ground."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RoomLayer:
    """What one sensor sees. All in metres, in the frame of the room.

    Attributes
    ----------
    style
        How it is drawn.
    sensor_m
        Where it stands (2,).
    transmitter_m
        Where the transmitter of a radio stands (2,); None of a radar.
    outline_m
        Its field of view (n, 2), closed, as far as is looked at.
    framed_m
        The part of it (n, 2) that a view is fitted to.
    walls_m
        Corners (n, 2) of the room as far as this sensor knows it, the first again at the end; none if it does not.
    detections_m, truth_m
        Positions (n, 2); no truth but of a simulation.
    tracks
        Its tracks.
    trails, ellipses, arrows
        Lines of the tracks.
    """

    style: SensorStyle
    sensor_m: FloatArray
    transmitter_m: FloatArray | None
    outline_m: FloatArray
    framed_m: FloatArray
    walls_m: FloatArray = field(default_factory=lambda: _NOWHERE)
    detections_m: FloatArray = field(default_factory=lambda: _NOWHERE)
    truth_m: FloatArray = field(default_factory=lambda: _NOWHERE)
    tracks: tuple[Track, ...] = ()
    trails: list[Strokes] = field(default_factory=list)
    ellipses: list[Strokes] = field(default_factory=list)
    arrows: list[Strokes] = field(default_factory=list)


class RoomOverlay:
    """Puts the sensors of a window into one room, those that have something to show of the moment that is shown."""

    def __init__(self) -> None:
        self._trails: dict[Stream, Trails] = {}

    def key(self, streams: Streams) -> tuple[object, ...]:
        """Return what `layers` depend on: they are the same as long as this is."""
        return tuple(
            (stream, stream.timeline.current, stream.reach, _is_now(streams, stream)) for stream in streams.items
        )

    def layers(self, streams: Streams, *, trails: bool = True) -> list[RoomLayer]:
        """Return what each sensor sees; one without a picture of this moment has its field of view only."""
        self._trails = {stream: self._trails.get(stream, Trails()) for stream in streams.items}
        found = []
        for style, stream in zip(STYLES, streams.items, strict=False):
            snapshot = stream.timeline.current
            if snapshot is None:
                continue
            layer = _empty_layer(style, stream, snapshot)
            if _is_now(streams, stream):
                layer = _filled(layer, stream.placement.pose, snapshot)
                if trails:
                    lines = self._trails[stream].strokes(stream.timeline.history(TRAIL_LENGTH))
                    layer = replace(layer, trails=_in_room(stream.placement.pose, lines, style.pieces))
            found.append(layer)
        return found


def extent(layers: Sequence[RoomLayer]) -> FloatArray:
    """Return points (n, 2) of the room that have to be seen: where sensors stand and look, and walls; at least one."""
    points = [] if layers else [np.zeros((1, 2))]
    for layer in layers:
        points += [layer.framed_m, layer.walls_m]
        if layer.transmitter_m is not None:
            points.append(layer.transmitter_m.reshape(1, 2))
    return np.vstack(points)


def _is_now(streams: Streams, stream: Stream) -> bool:
    """Return whether the picture of a sensor is of the moment that is shown."""
    return abs(streams.apart_s(stream)) <= APART_S


def _empty_layer(style: SensorStyle, stream: Stream, snapshot: Snapshot) -> RoomLayer:
    pose, room, reach_m = stream.placement.pose, stream.placement.room, stream.reach[0]
    transmitter = snapshot.tx_position_m
    return RoomLayer(
        style=style,
        sensor_m=pose.to_room(np.zeros(2)),
        transmitter_m=None if transmitter is None else pose.to_room(transmitter),
        outline_m=pose.to_room(field_of_view(reach_m)),
        framed_m=pose.to_room(field_of_view(reach_m, FRAMED_HALF_WIDTH_RAD)),
        walls_m=_NOWHERE if room is None else room.closed_m,
    )


def _filled(layer: RoomLayer, pose: Pose, snapshot: Snapshot) -> RoomLayer:
    truth = snapshot.truth
    return replace(
        layer,
        detections_m=pose.to_room(snapshot.detections.position_m),
        truth_m=_NOWHERE if truth is None else pose.to_room(truth.position_m),
        tracks=tuple(_track(pose, track) for track in snapshot.tracks),
        ellipses=_in_room(pose, ellipses(snapshot.tracks)),
        arrows=_in_room(pose, arrows(snapshot.tracks)),
    )


def _track(pose: Pose, track: Track) -> Track:
    """Return a track in the frame of the room."""
    turn = np.kron(pose.rotation, np.eye(2))  # the state is x, its speed, y, its speed
    state = turn @ track.state
    state[::2] += (pose.x_m, pose.y_m)
    return replace(track, state=state, covariance=turn @ track.covariance @ turn.T)


def _in_room(pose: Pose, lines: Sequence[Strokes], pieces: tuple[int, int] = (1, 1)) -> list[Strokes]:
    """Return lines in the frame of the room; of `pieces`, so many of so many that follow one another."""
    drawn, of = pieces
    moved = []
    for one in lines:
        ends = pose.to_room(one.ends_m.reshape(-1, 2)).reshape(-1, 4)
        moved.append(replace(one, ends_m=ends[np.arange(len(ends)) % of < drawn]))
    return moved
