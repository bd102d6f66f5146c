"""What the plan shows of the sensor: its field of view, range rings, and how it is framed. All in metres."""

import math

import numpy as np
from numpy.typing import NDArray

from isactrack.geometry import polar_to_xy

FloatArray = NDArray[np.float64]

FIELD_OF_VIEW_RAD = math.radians(60.0)
"""Half-width of the drawn field of view: where the pattern of a patch antenna has fallen by a few dB."""
FRAMED_HALF_WIDTH_RAD = math.radians(40.0)
"""Half-width of the part of it that the view is fitted to."""


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
