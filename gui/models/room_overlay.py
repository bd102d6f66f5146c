"""What several sensors see, in the frame of the room that all of them stand in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import Pose
from isactrack.gui.models.trails import (
    FRAMED_HALF_WIDTH_RAD,
    Line,
    arrows,
    ellipses,
    fading_trails,
    field_of_view,
)
from isactrack.tracks import Track, TrackStatus

FloatArray = NDArray[np.float64]


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
        Pattern of its lines in widths of the line; empty for a solid one.
    turned
        Whether the crosses of its truth are turned by 45 degrees.
    dark, light
        Its colour on a dark ground and on a light one.
    """

    letter: str
    symbol: str
    dashes: tuple[float, ...]
    turned: bool
    dark: str
    light: str

    def colour(self, *, light: bool) -> str:
        """Return its colour (``"#rrggbb"``)."""
        return self.light if light else self.dark


STYLES: Final = (
    SensorStyle("A", "o", (), False, "#56b4e9", "#0072b2"),
    SensorStyle("B", "s", (5.0, 3.0), True, "#e69f00", "#a85400"),
    SensorStyle("C", "t1", (1.5, 2.5), False, "#2fbf94", "#00785a"),
    SensorStyle("D", "d", (6.0, 2.5, 1.5, 2.5), True, "#dc8ebb", "#96416f"),
)
"""Styles of the sensors in the order in which they came: colours of Okabe and Ito, darker on a light ground."""


@dataclass(frozen=True, slots=True, eq=False)
class RoomTrack:
    """A track in the room.

    Attributes
    ----------
    label
        Letter of the sensor and id of the track.
    status
        How sure it is.
    position_m
        Where it is, x and y.
    """

    label: str
    status: TrackStatus
    position_m: tuple[float, float]


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
    detections_m: FloatArray
    truth_m: FloatArray
    tracks: tuple[RoomTrack, ...]
    trails: list[Line]
    ellipses: list[Line]
    arrows: list[Line]


def room_layer(style: SensorStyle, pose: Pose, history: Sequence[Snapshot], reach_m: float) -> RoomLayer:
    """Return what a sensor sees.

    Parameters
    ----------
    style
        How it is drawn.
    pose
        Where it stands.
    history
        Its snapshots up to the one that is shown, at least one.
    reach_m
        How far it is looked at.
    """
    snapshot = history[-1]
    transmitter = snapshot.tx_position_m
    truth = snapshot.truth
    return RoomLayer(
        style=style,
        sensor_m=pose.to_room(np.zeros(2)),
        transmitter_m=None if transmitter is None else pose.to_room(transmitter),
        outline_m=pose.to_room(field_of_view(reach_m)),
        framed_m=pose.to_room(field_of_view(reach_m, FRAMED_HALF_WIDTH_RAD)),
        detections_m=pose.to_room(snapshot.detections.position_m),
        truth_m=np.zeros((0, 2)) if truth is None else pose.to_room(truth.position_m),
        tracks=tuple(_track(style, pose, track) for track in snapshot.tracks),
        trails=_lines(pose, fading_trails(history)),
        ellipses=_lines(pose, ellipses(snapshot.tracks)),
        arrows=_lines(pose, arrows(snapshot.tracks)),
    )


def extent(layers: Sequence[RoomLayer], walls_m: FloatArray | None = None) -> FloatArray:
    """Return points (n, 2) of the room that have to be seen: where sensors stand and look, and walls; at least one."""
    points = [np.zeros((1, 2))] if not layers else []
    for layer in layers:
        points += [layer.framed_m, layer.sensor_m.reshape(1, 2)]
        if layer.transmitter_m is not None:
            points.append(layer.transmitter_m.reshape(1, 2))
    if walls_m is not None and len(walls_m):
        points.append(walls_m.reshape(-1, 2))
    return np.vstack(points)


def _track(style: SensorStyle, pose: Pose, track: Track) -> RoomTrack:
    x_m, y_m = pose.to_room(track.position_m).tolist()
    return RoomTrack(f"{style.letter}{track.track_id}", track.status, (x_m, y_m))


def _lines(pose: Pose, lines: Sequence[Line]) -> list[Line]:
    return [replace(line, points_m=pose.to_room(line.points_m)) for line in lines]
