"""What the pointer and the markers say: coordinates of tracks on the range-Doppler map, read-outs."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isactrack.geometry import radial_velocity
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]


def bin_edges(axis: FloatArray) -> tuple[float, float]:
    """Return the outer edges of the first and last bin of a uniform axis of centres (n,)."""
    half = float(axis[1] - axis[0]) / 2.0 if axis.size > 1 else 0.5
    return float(axis[0]) - half, float(axis[-1]) + half


def tracks_on_map(tracks: Sequence[Track], spectrum: RangeDopplerMap) -> FloatArray:
    """Return range (m) and radial velocity (m/s) of the tracks (n, 2), folded into the map's unambiguous velocities."""
    if not tracks:
        return np.zeros((0, 2))
    position = np.array([track.position_m for track in tracks])
    velocity = np.array([track.velocity_mps for track in tracks])
    low, high = bin_edges(spectrum.velocity_axis_mps)
    folded = (radial_velocity(position, velocity) - low) % (high - low) + low
    return np.stack([np.hypot(position[:, 0], position[:, 1]), folded], axis=-1)


def map_readout(spectrum: RangeDopplerMap, level_db: FloatArray, range_m: float, velocity_mps: float) -> str:
    """Return range, velocity and level of the bin at a point of the map; empty beside it.

    Parameters
    ----------
    level_db
        Levels (doppler, range) of the map in dB.
    """
    column = int(np.argmin(np.abs(spectrum.range_axis_m - range_m)))
    row = int(np.argmin(np.abs(spectrum.velocity_axis_mps - velocity_mps)))
    (left, right), (low, high) = bin_edges(spectrum.range_axis_m), bin_edges(spectrum.velocity_axis_mps)
    if not (left <= range_m <= right and low <= velocity_mps <= high):
        return ""
    return (
        f"range {spectrum.range_axis_m[column]:.2f} m   velocity {spectrum.velocity_axis_mps[row]:+.2f} m/s   "
        f"{level_db[row, column]:.1f} dB"
    )


def plan_readout(x_m: float, y_m: float) -> str:
    """Return a point of the plan in both coordinates."""
    azimuth_deg = math.degrees(math.atan2(x_m, y_m))
    return f"x {x_m:+.2f} m   y {y_m:.2f} m   range {math.hypot(x_m, y_m):.2f} m   azimuth {azimuth_deg:+.1f}°"
