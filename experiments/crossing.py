"""Experiment I of mnomp-spa-kf, two people whose paths cross, as one figure.

The paper's Fig. 10 shows the scene and Fig. 11 the tracks of its methods. Here the tracks come from the FFT chain with
global nearest neighbour association, on a recording of the simulated AWR1642.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.offline import track
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError
from isactrack.experiments.plotting import COLOURS, PAGE_WIDTH_IN, drawing, require_matplotlib
from isactrack.fmcw import FmcwSensor
from isactrack.recordings import Recording, TrackTable
from isactrack.sensor import require_fmcw
from isactrack.tracking.metrics import TrackingScore
from isactrack.tracks import TrackStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

_MAP_RANGE_M: Final = 8.0
_MAP_SPEED_MPS: Final = 3.0


def save_figure(path: Path, recording: Recording, table: TrackTable, score: TrackingScore) -> None:
    """Draw the plan view, the error over time and the range-Doppler map of the closest approach.

    Parameters
    ----------
    path
        Where to write; the suffix says the format (``.png``, ``.pdf``, ``.svg``).
    recording
        An open recording with truth.
    table
        The tracks to show.
    score
        Their score, printed in the figure.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or the recording is empty.
    """
    require_matplotlib()
    snapshots = list(track(recording))
    if not snapshots:
        raise ConfigError(f"{recording.path} has no frames to draw", "record at least one coherent interval")
    with drawing(path, PAGE_WIDTH_IN, 3.9) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(1.12, 1.0))
        confirmed = _confirmed(table)
        _draw_plan(figure.add_subplot(grid[:, 0]), snapshots, confirmed)
        _draw_error(figure.add_subplot(grid[0, 1]), snapshots, confirmed, score)
        _draw_map(figure, figure.add_subplot(grid[1, 1]), _closest_approach(snapshots), require_fmcw(recording.sensor))
        figure.suptitle(_title(recording), fontsize=9.0, x=0.01, ha="left")


def _title(recording: Recording) -> str:
    sensor = require_fmcw(recording.sensor)
    return (
        f"{sensor.model}, {recording.origin}: {len(recording)} frames at {1.0 / sensor.frame_period_s:g} Hz, "
        f"range bin {sensor.range_resolution_m:.2f} m, Doppler bin {sensor.velocity_resolution_mps:.2f} m/s, "
        f"{sensor.n_tx * sensor.n_rx} antennas"
    )


def _confirmed(table: TrackTable) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Return times and positions of each track while it was confirmed, by identity, in order of appearance."""
    known = table.status != TrackStatus.TENTATIVE.value
    ids = dict.fromkeys(int(i) for i in table.track_id[known])
    return {
        i: (table.time_s[rows], table.position_m[rows]) for i in ids if (rows := known & (table.track_id == i)).any()
    }


def _truth(snapshots: list[Snapshot]) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Return times and positions of each target."""
    rows = [
        (int(i), s.truth.time_s, position)
        for s in snapshots
        if s.truth is not None
        for i, position in zip(s.truth.target_id, s.truth.position_m, strict=True)
    ]
    return {
        target: (np.array([t for i, t, _ in rows if i == target]), np.array([p for i, _, p in rows if i == target]))
        for target in dict.fromkeys(i for i, _, _ in rows)
    }


def _draw_plan(axes: "Axes", snapshots: list[Snapshot], tracks: dict[int, tuple[FloatArray, FloatArray]]) -> None:
    detections = np.concatenate([s.detections.position_m for s in snapshots])
    axes.plot(*detections.T, ".", ms=2.5, color="0.72", mec="none", label="detections", zorder=1)
    for (target, (_, path)), label in zip(_truth(snapshots).items(), _once("truth"), strict=False):
        axes.plot(*path.T, "--", lw=0.9, color="0.15", label=label, zorder=2)
        step = (path[-1] - path[0]) / max(float(np.linalg.norm(path[-1] - path[0])), 1e-9)
        axes.annotate(
            f"person {target}", path[0], xytext=(0, -9 if step[1] > 0 else 7), textcoords="offset points", fontsize=7,
            ha="center", va="center", color="0.15",
        )  # fmt: skip
    for (track_id, (_, path)), colour in zip(tracks.items(), _cycle(len(tracks)), strict=True):
        axes.plot(*path.T, "-", lw=1.5, color=colour, label=f"track {track_id}", zorder=3)
        axes.plot(*path[0], "o", ms=4, color=colour, mec="white", mew=0.6, zorder=4)
        _arrow(axes, path, colour)
    _draw_sensor(axes)
    axes.set(xlabel="x (m)", ylabel="y (m)", title="Plan view", xlim=(-3.4, 3.4), ylim=(-0.45, 6.4), aspect="equal")
    axes.grid(True, lw=0.3, color="0.88")
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", handlelength=1.6, labelspacing=0.3, borderaxespad=0.3)


def _draw_sensor(axes: "Axes") -> None:
    """Mark the radar and the edges of a field of view of 60 degrees to each side."""
    reach = 7.5
    for side in (-1.0, 1.0):
        edge = np.deg2rad(60.0) * side
        axes.plot([0.0, reach * np.sin(edge)], [0.0, reach * np.cos(edge)], lw=0.5, color="0.75", zorder=0)
    axes.plot(0.0, 0.0, marker=(3, 0, 0), ms=8, color="0.15", clip_on=False)
    axes.annotate("radar", (0.0, 0.0), xytext=(8, -3), textcoords="offset points", fontsize=7, color="0.15")


def _arrow(axes: "Axes", path: FloatArray, colour: str) -> None:
    """Mark the way a track went at its end, averaged over its last second."""
    way = path[-1] - path[max(0, len(path) - 11)]
    length = float(np.linalg.norm(way))
    if length > 0.0:
        tip = path[-1] + 0.35 * way / length
        axes.annotate(
            "", tip, xytext=path[-1], zorder=4,
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.5, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


def _draw_error(
    axes: "Axes",
    snapshots: list[Snapshot],
    tracks: dict[int, tuple[FloatArray, FloatArray]],
    score: TrackingScore,
) -> None:
    truth = _truth(snapshots)
    top = 0.5
    for (track_id, (times, path)), colour in zip(tracks.items(), _cycle(len(tracks)), strict=True):
        errors = _distance_to_nearest(times, path, truth)
        axes.plot(times, errors, "-", lw=1.1, color=colour, label=f"track {track_id}")
        top = max(top, 1.1 * float(np.max(errors, initial=0.0)))
    if score.median_position_error_m is not None and score.p90_position_error_m is not None:
        axes.axhline(score.median_position_error_m, lw=0.7, ls=":", color="0.15")
        text = (
            f"median {score.median_position_error_m:.2f} m, 90 % below {score.p90_position_error_m:.2f} m\n"
            f"identity switches: {score.identity_switches}"
        )
        axes.text(0.985, 0.94, text, transform=axes.transAxes, fontsize=6.8, ha="right", va="top", color="0.15")
    axes.set(xlabel="time (s)", ylabel="error (m)", title="Distance from the true centre of the body", ylim=(0.0, top))
    axes.set_xlim(0.0, snapshots[-1].time_s)
    axes.grid(True, lw=0.3, color="0.88")


def _distance_to_nearest(
    times: FloatArray, path: FloatArray, truth: dict[int, tuple[FloatArray, FloatArray]]
) -> FloatArray:
    """Return the distance of a track to the target that it is closest to over its whole life."""
    distances = []
    for target_times, target_path in truth.values():
        at = np.column_stack([np.interp(times, target_times, target_path[:, axis]) for axis in (0, 1)])
        distances.append(np.linalg.norm(path - at, axis=1))
    if not distances:
        return np.full(len(times), np.nan)
    return np.asarray(min(distances, key=lambda d: float(np.median(d))))


def _closest_approach(snapshots: list[Snapshot]) -> Snapshot:
    """Return the snapshot in which two targets are closest in range, or the middle one without two targets."""

    def gap(snapshot: Snapshot) -> float:
        ranges = np.linalg.norm(snapshot.truth.position_m, axis=1) if snapshot.truth is not None else np.zeros(0)
        return float(np.diff(np.sort(ranges)).min()) if ranges.size > 1 else np.inf

    best = min(snapshots, key=gap)
    return best if np.isfinite(gap(best)) else snapshots[len(snapshots) // 2]


def _draw_map(figure: "Figure", axes: "Axes", snapshot: Snapshot, sensor: FmcwSensor) -> None:
    spectrum = snapshot.spectrum
    level = spectrum.level_db()
    r, v = spectrum.range_axis_m, spectrum.velocity_axis_mps
    half_r, half_v = sensor.range_resolution_m / 2.0, sensor.velocity_resolution_mps / 2.0
    image = axes.imshow(
        level, origin="lower", aspect="auto", cmap="viridis", vmin=0.0, vmax=max(20.0, float(level.max())),
        extent=(r[0] - half_r, r[-1] + half_r, v[0] - half_v, v[-1] + half_v), interpolation="nearest",
    )  # fmt: skip
    d = snapshot.detections
    axes.plot(d.range_m, d.radial_velocity_mps, "o", ms=7, mfc="none", mec="white", mew=1.0)
    axes.set(
        xlabel="range (m)", ylabel="radial velocity (m/s)", xlim=(0.0, _MAP_RANGE_M),
        ylim=(-_MAP_SPEED_MPS, _MAP_SPEED_MPS),
        title=f"Both at one range, told apart by Doppler (t = {snapshot.time_s:.1f} s)",
    )  # fmt: skip
    bar: Any = figure.colorbar(image, ax=axes, pad=0.015, aspect=14)
    bar.set_label("dB over median")
    bar.outline.set_linewidth(0.6)


def _cycle(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _once(label: str) -> list[str]:
    """Return labels of which the first shows in a legend and the others do not."""
    return [label] + ["_nolegend_"] * 63
