"""Lines of the plan view: fading trails, covariance ellipses, velocity arrows, field of view. All in metres."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import polar_to_xy
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]

TRAIL_LENGTH = 60
"""Snapshots in a trail: 3 s at 20 Hz."""
ELLIPSE_SIGMAS = 2.0
ARROW_SECONDS = 1.0
"""An arrow ends where the track will be after this time."""
FIELD_OF_VIEW_RAD = math.radians(60.0)
"""Half-width of the drawn field of view: where the pattern of a patch antenna has fallen by a few dB."""
FRAMED_HALF_WIDTH_RAD = math.radians(40.0)
"""Half-width of the part of it that the view is fitted to."""
_FADE_BANDS = 6
_MAX_RANGE_M = 1e4
_CIRCLE = np.stack([np.cos(np.linspace(0.0, 2.0 * np.pi, 33)), np.sin(np.linspace(0.0, 2.0 * np.pi, 33))])


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A polyline that belongs to a track.

    Attributes
    ----------
    track_id
        The track, which gives the colour.
    opacity
        0 to 1.
    points_m
        Corners (n, 2) in metres.
    """

    track_id: int
    opacity: float
    points_m: FloatArray


def trails(history: Sequence[Snapshot]) -> dict[int, FloatArray]:
    """Return the positions (n, 2) of each track that is alive at the end of `history`, oldest first."""
    if not history:
        return {}
    points: dict[int, list[FloatArray]] = {track.track_id: [] for track in history[-1].tracks}
    for snapshot in history:
        for track in snapshot.tracks:
            if track.track_id in points:
                points[track.track_id].append(track.position_m)
    return {track_id: np.array(positions) for track_id, positions in points.items()}


def fading_trails(history: Sequence[Snapshot]) -> list[Line]:
    """Return the trails cut into pieces that grow fainter with age; neighbouring pieces share a corner."""
    lines = []
    for track_id, points in trails(history).items():
        edges = np.unique(np.linspace(0, len(points) - 1, _FADE_BANDS + 1).round().astype(int))
        for start, stop in itertools.pairwise(edges):
            opacity = 0.12 + 0.73 * float(stop) / max(len(points) - 1, 1)
            lines.append(Line(track_id, opacity, points[start : stop + 1]))
    return lines


def covariance_ellipse(mean_m: FloatArray, covariance_m2: FloatArray, sigmas: float = ELLIPSE_SIGMAS) -> FloatArray:
    """Return the closed outline (33, 2) of ``(x - mean)' inv(covariance) (x - mean) = sigmas^2``."""
    values, vectors = np.linalg.eigh(covariance_m2)
    axes = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(mean_m + sigmas * (axes @ _CIRCLE).T)


def ellipses(tracks: Sequence[Track]) -> list[Line]:
    """Return the 2-sigma ellipse of each track's position; one that is not finite is left out."""
    return [
        Line(track.track_id, 0.6, covariance_ellipse(track.position_m, track.position_covariance_m2))
        for track in tracks
        if np.isfinite(track.position_covariance_m2).all()
    ]


def arrows(tracks: Sequence[Track], seconds: float = ARROW_SECONDS) -> list[Line]:
    """Return for each confirmed track an arrow to where it will be after `seconds`; none for one that stands."""
    lines = []
    for track in tracks:
        way = track.velocity_mps * seconds
        length = float(np.hypot(*way))
        if not track.is_confirmed or not 0.05 < length < _MAX_RANGE_M:
            continue
        tip = track.position_m + way
        back, side = way * 0.22, np.array([-way[1], way[0]]) * 0.12
        corners = np.array([track.position_m, tip, tip - back + side, tip, tip - back - side])
        lines.append(Line(track.track_id, 0.9, corners))
    return lines


def field_of_view(range_max_m: float, half_width_rad: float = FIELD_OF_VIEW_RAD) -> FloatArray:
    """Return the closed outline (n, 2) of the wedge in front of the sensor."""
    arc = polar_to_xy(range_max_m, np.linspace(-half_width_rad, half_width_rad, 61))
    return np.vstack([np.zeros((1, 2)), arc, np.zeros((1, 2))])


def fit_range(points_m: FloatArray, width_px: float, height_px: float) -> tuple[float, float, float, float]:
    """Return the part of the room that shows some points with equal scales.

    The sensor looks up from the bottom edge: room that is too much goes above the points and to both sides of them.

    Parameters
    ----------
    points_m
        Points (n, 2) in metres.
    width_px, height_px
        Size of the view.

    Returns
    -------
    tuple of float
        Left, bottom, width and height in metres.
    """
    low, high = points_m.min(axis=0), points_m.max(axis=0)
    margin = 0.05 * float(max(high - low)) + 0.2
    low, high = low - margin, high + margin
    width_px, height_px = max(width_px, 1.0), max(height_px, 1.0)
    scale = max(float(high[0] - low[0]) / width_px, float(high[1] - low[1]) / height_px)
    width, height = scale * width_px, scale * height_px
    return float(low[0] + high[0] - width) / 2.0, float(low[1]), width, height


def range_rings(
    reach_m: float, range_max_m: float, half_width_rad: float = FIELD_OF_VIEW_RAD
) -> tuple[list[float], FloatArray]:
    """Return round ranges, up to six of them within `reach_m` and as far again, and their arcs (n, 2) parted by NaN."""
    step = next(iter(round_ranges(reach_m)), math.inf)
    ranges = [k * step for k in range(1, 13) if k * step <= min(2.0 * reach_m, range_max_m)]
    pieces = []
    for r in ranges:
        pieces += [polar_to_xy(r, np.linspace(-half_width_rad, half_width_rad, 61)), np.full((1, 2), np.nan)]
    return ranges, np.vstack(pieces) if pieces else np.zeros((0, 2))


def round_ranges(range_max_m: float) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten below `range_max_m`, at most six."""
    if not 0.0 < range_max_m < math.inf:
        return []
    decade = 10.0 ** math.floor(math.log10(range_max_m / 6.0))
    step = next(decade * m for m in (1.0, 2.0, 5.0, 10.0) if range_max_m / (decade * m) <= 6.0)
    return [step * k for k in range(1, math.ceil(range_max_m / step - 1e-9))]
