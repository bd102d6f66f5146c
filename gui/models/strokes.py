"""What the plan draws of tracks, as arrays: fading trails, covariance ellipses and velocity arrows. All in metres.

A crowd of tracks is drawn at once: the pieces of all tracks of one colour and opacity are one `Strokes`, so that the
cost is that of the pieces and not of the tracks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.gaps import gaps_before
from isactrack.gui.models.levels import TRACK_COLOURS
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]

TRAIL_LENGTH = 60
"""Snapshots in a trail: 3 s at 20 Hz."""
ELLIPSE_SIGMAS = 2.0
ARROW_SECONDS = 1.0
"""An arrow ends where the track will be after this time."""
MAX_PIECES = 2400
"""Pieces of trails; more tracks have fewer corners in theirs."""
_FADE_BANDS = 6
_FAINTEST, _FADE = 0.12, 0.73
_MAX_RANGE_M = 1e4
_CORNERS, _FEW_CORNERS = 32, 12
CROWD = 50
"""Tracks from which on they are drawn with less detail: ellipses have fewer corners, trails are thinner."""


@dataclass(frozen=True, slots=True, eq=False)
class Strokes:
    """Straight pieces of one colour and one opacity.

    Attributes
    ----------
    colour
        Number of the colour, ``track_id % TRACK_COLOURS``.
    opacity
        0 to 1.
    ends_m
        Ends (n, 4) float64 of the pieces in metres: x and y of the one, x and y of the other. All are finite.
    """

    colour: int
    opacity: float
    ends_m: FloatArray


class Trails:
    """Trails of the tracks; what a snapshot says of them is read once while it is in the history."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Snapshot, NDArray[np.int64], FloatArray]] = {}

    def positions(self, history: Sequence[Snapshot]) -> tuple[NDArray[np.int64], FloatArray]:
        """Return where the tracks that are alive at the end were.

        Parameters
        ----------
        history
            Snapshots, oldest first.

        Returns
        -------
        ids
            The tracks (n,) int64, ascending.
        points_m
            Their positions (n, snapshots, 2), NaN where a track was not there.
        """
        # The snapshots are kept with what was read of them, else the address of one could come again.
        self._read = {id(one): self._read.get(id(one)) or _read(one) for one in history}
        read = [self._read[id(one)] for one in history]
        ids = read[-1][1] if read else np.zeros(0, np.int64)
        points = np.full((ids.size, len(read), 2), np.nan)
        for k, (_, there, position) in enumerate(read):
            if there.size == ids.size and (there == ids).all():
                points[:, k] = position
                continue
            at = np.minimum(np.searchsorted(there, ids), max(there.size - 1, 0))
            known = there[at] == ids if there.size else np.zeros(ids.size, np.bool_)
            points[known, k] = position[at[known]]
        return ids, points

    def strokes(self, history: Sequence[Snapshot], max_pieces: int = MAX_PIECES) -> list[Strokes]:
        """Return the trails of the tracks that are alive at the end of `history`, fainter with age, broken at gaps.

        Parameters
        ----------
        history
            Snapshots, oldest first.
        max_pieces
            About how many pieces there may be; where there were more, corners are left out, always the same ones of a
            trail, so that it does not tremble.
        """
        if len(history) < 2:
            return []
        last = len(history) - 1
        stride = max(1, math.ceil(len(history[-1].tracks) * last / max_pieces))
        kept = [k for k, one in enumerate(history) if one.index % stride == 0 or k == last]
        ids, points = self.positions([history[k] for k in kept])
        if not ids.size:
            return []
        ends = np.concatenate([points[:, :-1], points[:, 1:]], axis=2)
        at = np.array(kept)
        born = at[np.isfinite(points[..., 0]).argmax(axis=1)]
        age = (at[1:] - born[:, None]) / np.maximum(last - born, 1)[:, None]
        band = np.clip(np.ceil(age * _FADE_BANDS), 1, _FADE_BANDS).astype(np.int64)
        finite = np.isfinite(ends).all(axis=2) & ~np.diff(gaps_before(history)[kept]).astype(np.bool_)
        colour = np.broadcast_to((ids % TRACK_COLOURS)[:, None], band.shape)
        group = (colour * (_FADE_BANDS + 1) + band)[finite].astype(np.int16)  # short ones are sorted faster
        return [
            Strokes(key // (_FADE_BANDS + 1), _FAINTEST + _FADE * (key % (_FADE_BANDS + 1)) / _FADE_BANDS, pieces)
            for key, pieces in _by_group(group, ends[finite])
        ]


def covariance_ellipses(
    mean_m: FloatArray, covariance_m2: FloatArray, sigmas: float = ELLIPSE_SIGMAS, corners: int = _CORNERS
) -> FloatArray:
    """Return the closed outlines (n, corners + 1, 2) of ``(x - mean)' inv(covariance) (x - mean) = sigmas^2``.

    Parameters
    ----------
    mean_m, covariance_m2
        Means (n, 2) and covariances (n, 2, 2).
    sigmas
        Size.
    corners
        Corners of an outline, of which the first comes again as the last.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, corners + 1)
    values, vectors = np.linalg.eigh(covariance_m2)
    axes = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.asarray(
        mean_m[:, None, :] + sigmas * (axes @ np.stack([np.cos(angle), np.sin(angle)])).transpose(0, 2, 1)
    )


def ellipses(tracks: Sequence[Track]) -> list[Strokes]:
    """Return the 2-sigma ellipse of each track's position; one that is not finite is left out."""
    if not tracks:
        return []
    ids, state = _states(tracks)
    covariance = np.array([track.covariance for track in tracks])[:, ::2, ::2]
    finite = np.isfinite(covariance).all(axis=(1, 2)) & np.isfinite(state).all(axis=1)
    corners = _CORNERS if len(tracks) < CROWD else _FEW_CORNERS
    outline = covariance_ellipses(state[finite][:, [0, 2]], covariance[finite], corners=corners)
    ends = np.concatenate([outline[:, :-1], outline[:, 1:]], axis=2)
    return _coloured(ids[finite], ends, 0.6)


def arrows(tracks: Sequence[Track], seconds: float = ARROW_SECONDS) -> list[Strokes]:
    """Return for each confirmed track an arrow to where it will be after `seconds`; none for one that stands."""
    tracks = [track for track in tracks if track.is_confirmed]
    if not tracks:
        return []
    ids, state = _states(tracks)
    start, way = state[:, [0, 2]], state[:, [1, 3]] * seconds
    length = np.hypot(*way.T)
    told = (length > 0.05) & (length < _MAX_RANGE_M) & np.isfinite(start).all(axis=1)  # false for NaN
    ids, start, way = ids[told], start[told], way[told]
    tip = start + way
    back, side = way * 0.22, np.column_stack([-way[:, 1], way[:, 0]]) * 0.12
    pieces = ((start, tip), (tip, tip - back + side), (tip, tip - back - side))
    ends = np.stack([np.hstack(piece) for piece in pieces], axis=1)
    return _coloured(ids, ends, 0.9)


def _read(snapshot: Snapshot) -> tuple[Snapshot, NDArray[np.int64], FloatArray]:
    if not snapshot.tracks:
        return snapshot, np.zeros(0, np.int64), np.zeros((0, 2))
    ids, state = _states(snapshot.tracks)
    order = np.argsort(ids)
    return snapshot, ids[order], state[order][:, [0, 2]]


def _states(tracks: Sequence[Track]) -> tuple[NDArray[np.int64], FloatArray]:
    return np.array([track.track_id for track in tracks], np.int64), np.array([track.state for track in tracks])


def _coloured(ids: NDArray[np.int64], ends: FloatArray, opacity: float) -> list[Strokes]:
    """Return the pieces (tracks, pieces, 4) of each colour."""
    group = np.repeat((ids % TRACK_COLOURS).astype(np.int16), ends.shape[1])
    return [Strokes(colour, opacity, pieces) for colour, pieces in _by_group(group, ends.reshape(-1, 4))]


def _by_group(group: NDArray[np.integer], ends: FloatArray) -> list[tuple[int, FloatArray]]:
    """Return the groups, ascending, with what belongs to each, in order."""
    if not group.size:
        return []
    order = np.argsort(group, kind="stable")
    group, ends = group[order], ends[order]
    bounds = [0, *(np.flatnonzero(group[1:] != group[:-1]) + 1).tolist(), group.size]
    return [(int(group[start]), ends[start:stop]) for start, stop in pairwise(bounds)]
