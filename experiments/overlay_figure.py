"""What two devices see of one room, drawn over each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.overlay import Overlay
from isactrack.experiments.plotting import PAGE_WIDTH_IN, colour, drawing
from isactrack.fmcw import FmcwSensor
from isactrack.recordings import Recording, TrackTable
from isactrack.tracks import TrackStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

_ALONE: Final = "0.72"
"""Colour of tracks that the other device does not have."""
_BORESIGHT_M: Final = 0.7
_MARKERS: Final = ("^", "v", "D", "p")


def save_overlay(
    path: Path,
    recordings: Mapping[str, Recording],
    tracks: Mapping[str, TrackTable],
    overlays: Mapping[str, Overlay],
    *,
    walls_m: FloatArray | None = None,
) -> None:
    """Draw the tracks of several devices in the frame of their room, and how far they are from those of the first.

    Parameters
    ----------
    path
        Where to write; the suffix says the format (``.png``, ``.pdf``, ``.svg``).
    recordings
        Open recordings by the names of their devices.
    tracks
        Tracks of each in the room, see `isactrack.acquisition.overlay.tracks_in_room`.
    overlays
        The pairs of each device but the first with the first.
    walls_m
        Ends (w, 2, 2) of the room's walls, if they are known.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    with drawing(path, PAGE_WIDTH_IN, 3.6) as figure:
        plan, apart = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
        for wall in np.zeros((0, 2, 2)) if walls_m is None else walls_m:
            plan.plot(*wall.T, lw=2.2, color="0.6", solid_capstyle="round", zorder=0)
        for index, (name, table) in enumerate(tracks.items()):
            _draw_sensor(plan, name, recordings[name], index)
            _draw_tracks(plan, name, table, _paired(index, name, overlays), colour(index))
        _draw_truth(plan, next(iter(recordings.values())))
        plan.set(xlabel="x of the room (m)", ylabel="y of the room (m)", title="Plan view", aspect="equal")
        _legend(plan, loc="lower right", frameon=True, framealpha=0.85, edgecolor="none", fontsize=6.5)
        for index, (name, pairs) in enumerate(overlays.items(), start=1):
            _draw_distances(apart, name, pairs, colour(index))
        apart.set(xlabel="time (s)", ylabel="distance (m)", title=f"Distance from the tracks of {next(iter(tracks))}")
        apart.set_ylim(0.0, 1.15 * apart.get_ylim()[1])  # room for the words
        _legend(apart, loc="upper right")
        for axes in (plan, apart):
            axes.grid(True, lw=0.3, color="0.88")
            axes.set_axisbelow(True)
        origins = {str(recording.origin) for recording in recordings.values()}
        figure.suptitle(f"{' and '.join(recordings)} ({', '.join(sorted(origins))})", fontsize=9.0, x=0.01, ha="left")


def _legend(axes: "Axes", **settings: Any) -> None:
    """Add a legend if there is anything to name: nobody may have been there, or nobody whom two devices saw."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(**settings)


def _paired(index: int, name: str, overlays: Mapping[str, Overlay]) -> set[int]:
    """Return the tracks of a device that another one has too, of the first those that any has."""
    if index:
        return set(overlays[name].second_id.tolist()) if name in overlays else set()
    return {one for pairs in overlays.values() for one in pairs.first_id.tolist()}


def _draw_sensor(axes: "Axes", name: str, recording: Recording, index: int) -> None:
    """Mark where a sensor stands and looks, and where its transmitter is if that is elsewhere."""
    pose, sensor = recording.pose, recording.sensor
    place = pose.x_m, pose.y_m
    ahead = _pair(pose.to_room((0.0, _BORESIGHT_M)))
    axes.annotate("", ahead, xytext=place, arrowprops={"arrowstyle": "->", "lw": 0.8, "color": colour(index)})
    axes.plot(*place, _MARKERS[index % len(_MARKERS)], ms=6, color=colour(index), mec="white", mew=0.6, zorder=5)
    axes.annotate(name, place, xytext=(7, -2), textcoords="offset points", fontsize=7, zorder=5)
    if not isinstance(sensor, FmcwSensor) and sensor.tx_position_m is not None:
        transmitter = _pair(pose.to_room(sensor.tx_position_m))
        axes.plot(*transmitter, "s", ms=5, color=colour(index), mec="white", mew=0.6, zorder=5)
        axes.annotate("Tx", transmitter, xytext=(7, -2), textcoords="offset points", fontsize=7, zorder=5)


def _draw_tracks(axes: "Axes", name: str, table: TrackTable, paired: set[int], shade: str) -> None:
    label: str | None = name
    known = table.status != TrackStatus.TENTATIVE.value
    for one in np.unique(table.track_id[known]).tolist():
        path = table.position_m[known & (table.track_id == one)]
        if one in paired:
            axes.plot(*path.T, "-", lw=1.4, color=shade, label=label, zorder=3)
            label = None
        else:
            axes.plot(*path.T, "-", lw=0.7, color=_ALONE, zorder=1)


def _draw_truth(axes: "Axes", recording: Recording) -> None:
    """Draw the true paths, if a simulation knows them, by what the first device's recording says."""
    truths = [truth for row in range(len(recording)) if (truth := recording.truth(row)) is not None]
    label: str | None = "truth"
    for who in sorted({int(one) for truth in truths for one in truth.target_id}):
        path = np.array([truth.position_m[truth.target_id == who][0] for truth in truths if who in truth.target_id])
        axes.plot(*recording.pose.to_room(path).T, "--", lw=0.9, color="0.15", label=label, zorder=4)
        label = None


def _draw_distances(axes: "Axes", name: str, pairs: Overlay, shade: str) -> None:
    if not len(pairs):
        return
    distance_m = pairs.distance_m
    axes.plot(pairs.time_s, distance_m, ".", ms=3.5, color=shade, mec="none")
    text = f"{name}: median {np.median(distance_m):.2f} m, 90 % below {np.quantile(distance_m, 0.9):.2f} m"
    axes.axhline(float(np.median(distance_m)), lw=0.9, ls=":", color=shade, label=text)


def _pair(position_m: FloatArray) -> tuple[float, float]:
    return float(position_m[0]), float(position_m[1])
