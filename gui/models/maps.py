"""The map beside the plan, whichever sensor it is of: what its axes are, and where things lie on it."""

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import radial_velocity, xy_to_polar
from isactrack.gui.models.levels import Levels
from isactrack.processing.music_spectrum import DelayAzimuthMap
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.tracks import Track

FloatArray = NDArray[np.float64]

_NOT_FAR_M: Final = 1.0
"""How much longer than the longest path that is expected the axis of path lengths goes."""


class SensorMap(Protocol):
    """What the map of one snapshot shows; coordinates are those of its axes."""

    title: str
    """Name of the map."""
    x_label: str
    y_label: str
    """Names of the axes with their units."""
    levels: Levels
    """Levels at the ends of the colour map, until somebody changes them."""

    @property
    def range_max_m(self) -> float:
        """Farthest range from the receiver that the map can show."""

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges of the first and last bins: left, right, low, high."""

    def image(self) -> FloatArray:
        """Return the levels (y, x) in dB over the median, evenly spaced over the extent."""

    def right_of(self, reach_m: float) -> float:
        """Return up to where the x axis has to go for what is within a range of the receiver."""

    def detections(self) -> FloatArray:
        """Return where the detections (n, 2) lie."""

    def tracks(self) -> FloatArray:
        """Return where the tracks (n, 2) lie."""

    def readout(self, image: NDArray[np.floating], x: float, y: float) -> str:
        """Return what is at a point, with the level of its bin in `image`; empty beside the map."""


def make_map(snapshot: Snapshot) -> SensorMap:
    """Return the map of a snapshot."""
    if isinstance(snapshot.spectrum, RangeDopplerMap):
        return RangeDoppler(snapshot, snapshot.spectrum)
    return DelayAzimuth(snapshot, snapshot.spectrum)


class RangeDoppler:
    """The map of a radar: range (m) to the right, radial velocity (m/s) upwards."""

    title = "Range–Doppler"
    x_label = "Range (m)"
    y_label = "Radial velocity (m/s)"
    levels = Levels(0.0, 60.0)

    def __init__(self, snapshot: Snapshot, spectrum: RangeDopplerMap) -> None:
        self._snapshot = snapshot
        self._spectrum = spectrum

    @property
    def range_max_m(self) -> float:
        """The last range of the map."""
        return float(self._spectrum.range_axis_m[-1])

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges of the first and last bins."""
        return *bin_edges(self._spectrum.range_axis_m), *bin_edges(self._spectrum.velocity_axis_mps)

    def image(self) -> FloatArray:
        """Return the levels (velocity, range)."""
        return self._spectrum.level_db()

    def right_of(self, reach_m: float) -> float:
        """Return the range itself."""
        return reach_m

    def detections(self) -> FloatArray:
        """Return range and radial velocity of the detections."""
        found = self._snapshot.detections
        return np.stack([found.range_m, found.radial_velocity_mps], axis=-1)

    def tracks(self) -> FloatArray:
        """Return range and radial velocity of the tracks, folded into the map's unambiguous velocities."""
        tracks = self._snapshot.tracks
        if not tracks:
            return np.zeros((0, 2))
        position = _positions(tracks)
        velocity = np.array([track.state for track in tracks])[:, 1::2]
        low, high = bin_edges(self._spectrum.velocity_axis_mps)
        folded = (radial_velocity(position, velocity) - low) % (high - low) + low
        return np.stack([np.hypot(position[:, 0], position[:, 1]), folded], axis=-1)

    def readout(self, image: NDArray[np.floating], x: float, y: float) -> str:
        """Return range, velocity and level of the bin at a point; empty beside the map."""
        place = _bin_at(self.extent, image, x, y)
        if place is None:
            return ""
        row, column = place
        return (
            f"range {self._spectrum.range_axis_m[column]:.2f} m   "
            f"velocity {self._spectrum.velocity_axis_mps[row]:+.2f} m/s   {image[row, column]:.1f} dB"
        )


class DelayAzimuth:
    """The map of a radio: length of the path (m) to the right, azimuth (degrees) upwards."""

    title = "Delay–azimuth"
    x_label = "Path by way of the target (m)"
    y_label = "Azimuth (°)"
    levels = Levels(0.0, 25.0)

    def __init__(self, snapshot: Snapshot, spectrum: DelayAzimuthMap) -> None:
        self._snapshot = snapshot
        self._spectrum = spectrum
        self._tx_m = np.asarray(snapshot.tx_position_m or (0.0, 0.0))

    @property
    def range_max_m(self) -> float:
        """Range of a target whose path is the longest of the map, transmitter and receiver being seen as one place."""
        return float(self._spectrum.path_axis_m[-1]) / 2.0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges of the first and last bins."""
        return *bin_edges(self._spectrum.path_axis_m), *bin_edges(np.degrees(self._spectrum.azimuth_axis_rad))

    def image(self) -> FloatArray:
        """Return the levels (azimuth, path)."""
        return self._spectrum.level_db()

    def right_of(self, reach_m: float) -> float:
        """Return the length of the path by way of a target straight ahead at that range, and a little more."""
        return self._path_m(np.array([[0.0, reach_m]]))[0] + _NOT_FAR_M if math.isfinite(reach_m) else reach_m

    def detections(self) -> FloatArray:
        """Return path and azimuth of the detections."""
        return self._place(self._snapshot.detections.position_m)

    def tracks(self) -> FloatArray:
        """Return path and azimuth of the tracks."""
        tracks = self._snapshot.tracks
        return self._place(_positions(tracks)) if tracks else np.zeros((0, 2))

    def readout(self, image: NDArray[np.floating], x: float, y: float) -> str:
        """Return path, azimuth and level of the bin at a point; empty beside the map."""
        place = _bin_at(self.extent, image, x, y)
        if place is None:
            return ""
        row, column = place
        return (
            f"path {self._spectrum.path_axis_m[column]:.2f} m   "
            f"azimuth {math.degrees(self._spectrum.azimuth_axis_rad[row]):+.1f}°   "
            f"{image[row, column]:.1f} dB"
        )

    def _path_m(self, position_m: FloatArray) -> FloatArray:
        """Return the lengths (n,) from the transmitter over positions (n, 2) to the receiver at the origin."""
        from_tx = position_m - self._tx_m
        return np.asarray(np.hypot(position_m[:, 0], position_m[:, 1]) + np.hypot(from_tx[:, 0], from_tx[:, 1]))

    def _place(self, position_m: FloatArray) -> FloatArray:
        return np.stack([self._path_m(position_m), np.degrees(xy_to_polar(position_m)[1])], axis=-1)


def bin_edges(axis: FloatArray) -> tuple[float, float]:
    """Return the outer edges of the first and last bin of a uniform axis of centres (n,)."""
    half = float(axis[1] - axis[0]) / 2.0 if axis.size > 1 else 0.5
    return float(axis[0]) - half, float(axis[-1]) + half


def _bin_at(
    extent: tuple[float, float, float, float], image: NDArray[np.floating], x: float, y: float
) -> tuple[int, int] | None:
    """Return row and column of an image over its extent, None beside it."""
    left, right, low, high = extent
    if not (left <= x <= right and low <= y <= high):
        return None
    rows, columns = image.shape
    column = min(int((x - left) / (right - left) * columns), columns - 1)
    return min(int((y - low) / (high - low) * rows), rows - 1), column


def _positions(tracks: Sequence[Track]) -> FloatArray:
    return np.array([track.state for track in tracks])[:, ::2]
