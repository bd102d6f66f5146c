"""The map of a radar over azimuth and range."""

import math

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import xy_to_polar
from isactrack.gui.models.levels import Levels
from isactrack.gui.models.maps import bin_edges
from isactrack.processing.range_azimuth import RangeAzimuthMap
from isactrack.processing.spectra import RangeDopplerMap

FloatArray = NDArray[np.float64]

X_LABEL = "Azimuth (°)"
Y_LABEL = "Range (m)"
LEVELS = Levels(0.0, 60.0)


class RangeAzimuth:
    """What the map of one snapshot shows: azimuth (degrees) to the right, range (m) upwards.

    Parameters
    ----------
    snapshot
        The snapshot, whose detections and tracks lie on the map.
    shown
        Its map.
    """

    def __init__(self, snapshot: Snapshot, shown: RangeAzimuthMap) -> None:
        self._snapshot = snapshot
        self._map = shown
        self._azimuth_deg = np.degrees(shown.azimuth_axis_rad)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges of the first and last bins: left, right, low, high."""
        return *bin_edges(self._azimuth_deg), *bin_edges(self._map.range_axis_m)

    def image(self) -> FloatArray:
        """Return the levels (range, azimuth) in dB over the median."""
        return self._map.level_db()

    def detections(self) -> FloatArray:
        """Return azimuth and range (n, 2) of the detections."""
        found = self._snapshot.detections
        return np.stack([np.degrees(found.azimuth_rad), found.range_m], axis=-1)

    def tracks(self) -> FloatArray:
        """Return azimuth and range (n, 2) of the tracks."""
        tracks = self._snapshot.tracks
        if not tracks:
            return np.zeros((0, 2))
        range_m, azimuth_rad = xy_to_polar(np.array([track.position_m for track in tracks]))
        return np.stack([np.degrees(azimuth_rad), range_m], axis=-1)


def make_range_azimuth(snapshot: Snapshot) -> RangeAzimuth | None:
    """Return the map of a snapshot, None if it has none."""
    return None if snapshot.range_azimuth is None else RangeAzimuth(snapshot, snapshot.range_azimuth)


def why_empty(snapshot: Snapshot | None) -> str:
    """Return why there is no map, and what would change that; empty if there is one."""
    if snapshot is None:
        return "No frame has come yet."
    if snapshot.range_azimuth is not None:
        return ""
    if not isinstance(snapshot.spectrum, RangeDopplerMap):
        return (
            "A radio has no map over range and azimuth.\n"
            "Its map over the length of the path and azimuth is the view “Delay–azimuth”."
        )
    return (
        "There is no map over azimuth for this frame.\n"
        "It is made while this view is open: frames that were processed before do not have it, "
        "and a radar with a single element never does. Newer frames show it."
    )


def readout(azimuth_deg: float, range_m: float, level_db: float | None) -> str:
    """Return what is at a point: its place, what that is on the plan, and its level if it is on the map."""
    x, y = range_m * math.sin(math.radians(azimuth_deg)), range_m * math.cos(math.radians(azimuth_deg))
    level = "" if level_db is None else f"   {level_db:.1f} dB"
    return f"azimuth {azimuth_deg:+.1f}°   range {range_m:.2f} m   x {x:+.2f} m   y {y:.2f} m{level}"
