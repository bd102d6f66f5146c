"""Tracks of devices that recorded side by side, in the frame of the room and on the clock of the host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.recordings import Recording, TrackTable
from isactrack.recordings.clocks import ClockEstimate, estimate_clock
from isactrack.tracking.metrics_clear_mot import clear_mot
from isactrack.tracking.metrics_sets import LabelledSet
from isactrack.tracks import TrackStatus

FloatArray = NDArray[np.float64]

MATCH_DISTANCE_M: Final = 1.0
"""Tracks of one person are never farther apart than this."""
MAX_GAP_S: Final = 0.5
"""Longest time between two states of a track that its positions are interpolated over."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Overlay:
    """How far apart two devices see the same people.

    Attributes
    ----------
    time_s
        Instants (n,) of the pairs, those of states of the first device's tracks.
    first_id, second_id
        Tracks (n,) of each pair.
    first_m, second_m
        Where each of the two is (n, 2), in the room.
    first_points, second_points
        Positions of confirmed tracks of either device at instants at which both were there, paired or not.
    """

    time_s: FloatArray
    first_id: NDArray[np.int64]
    second_id: NDArray[np.int64]
    first_m: FloatArray
    second_m: FloatArray
    first_points: int
    second_points: int

    def __len__(self) -> int:
        return int(self.time_s.size)

    @property
    def distance_m(self) -> FloatArray:
        """Distances (n,) of the pairs."""
        return np.asarray(np.linalg.norm(self.first_m - self.second_m, axis=1))


def tracks_in_room(recordings: Mapping[str, Recording], tables: Mapping[str, TrackTable]) -> dict[str, TrackTable]:
    """Bring the tracks of several recordings of one host into one frame and on one time base.

    Parameters
    ----------
    recordings
        The recordings by the names of their devices, made at the same time; their poses say where the devices stood.
    tables
        Tracks of each, in its sensor frame and on its device's clock.

    Returns
    -------
    dict
        The tracks by the names of the devices, positions and velocities in the frame of the room. Times are seconds on
        the host's clock since the first frame of all, by the clock of each device as
        `isactrack.recordings.clocks.estimate_clock` lays it on that. Devices without enough frames for a clock are
        left out.
    """
    clocks: dict[str, ClockEstimate] = {}
    for name, recording in recordings.items():
        clock = estimate_clock(recording.device_time_s, recording.host_monotonic_ns)
        if clock is not None and name in tables:
            clocks[name] = clock
    begins_s = [float(clock.host_time_s(recordings[name].device_time_s[0])) for name, clock in clocks.items()]
    moved = {}
    for name, clock in clocks.items():
        table, pose = tables[name], recordings[name].pose
        moved[name] = TrackTable(
            time_s=clock.host_time_s(table.time_s) - min(begins_s),
            track_id=table.track_id,
            status=table.status,
            position_m=pose.to_room(table.position_m),
            velocity_mps=pose.velocity_to_room(table.velocity_mps),
        )
    return moved


def overlay(first: TrackTable, second: TrackTable, match_distance_m: float = MATCH_DISTANCE_M) -> Overlay:
    """Pair the confirmed tracks of two devices, instant by instant, and say how far apart the pairs are.

    Instants are those of the steps of `first`; where the tracks of `second` are then lies between two of their states.
    Pairs are made as CLEAR-MOT makes them (`isactrack.tracking.metrics_clear_mot`): they last while both are there and
    near each other, and beyond that there are as many of them as possible.

    Parameters
    ----------
    first, second
        Tracks of the two, in one frame and on one time base, see `tracks_in_room`.
    match_distance_m
        Largest distance of a pair.

    Raises
    ------
    ConfigError
        If the distance is not positive.
    """
    ours, theirs = _confirmed(first), _confirmed(second)
    instants = np.unique(first.time_s)
    if len(first) and len(second):
        instants = instants[(instants >= second.time_s.min()) & (instants <= second.time_s.max())]
    else:
        instants = instants[:0]
    sets = [_at(ours, time_s) for time_s in instants], [_at(theirs, time_s) for time_s in instants]
    matched = clear_mot(sets[1], sets[0], match_distance_m)
    rows = [(instants[k], sets[0][k], one, sets[1][k], other) for k, one, other in matched.pairs.tolist()]
    return Overlay(
        time_s=np.array([time_s for time_s, *_ in rows], dtype=np.float64),
        first_id=np.array([a.label[one] for _, a, one, _, _ in rows], dtype=np.int64),
        second_id=np.array([b.label[other] for _, _, _, b, other in rows], dtype=np.int64),
        first_m=np.array([a.points("position")[one] for _, a, one, _, _ in rows]).reshape(-1, 2),
        second_m=np.array([b.points("position")[other] for _, _, _, b, other in rows]).reshape(-1, 2),
        first_points=matched.truth_points,
        second_points=matched.track_points,
    )


_Path = tuple[FloatArray, FloatArray]
"""Times (n,), ascending, and positions (n, 2) of a track."""


def _confirmed(table: TrackTable) -> dict[int, _Path]:
    known = table.status != TrackStatus.TENTATIVE.value
    paths = {}
    for one in np.unique(table.track_id[known]).tolist():
        rows = np.flatnonzero(known & (table.track_id == one))
        rows = rows[np.argsort(table.time_s[rows], kind="stable")]
        paths[int(one)] = table.time_s[rows], table.position_m[rows]
    return paths


def _at(paths: Mapping[int, _Path], time_s: float) -> LabelledSet:
    """Return the tracks that are there at a time, and where."""
    found = {one: place for one, path in paths.items() if (place := _position(path, time_s)) is not None}
    return LabelledSet.of(list(found), list(found.values()))


def _position(path: _Path, time_s: float) -> FloatArray | None:
    """Return where a track is at a time; None before it, after it, and in a gap that is too long."""
    times, places = path
    after = int(np.searchsorted(times, time_s))
    if after < times.size and times[after] == time_s:
        return np.asarray(places[after])
    if not 0 < after < times.size or times[after] - times[after - 1] > MAX_GAP_S:
        return None
    share = (time_s - times[after - 1]) / (times[after] - times[after - 1])
    return np.asarray(places[after - 1] + share * (places[after] - places[after - 1]))
