"""Two people whose paths cross, as one figure: what `isactrack demo` draws.

Of a radar it is experiment I of mnomp-spa-kf, whose Fig. 10 shows the scene and Fig. 11 the tracks of its methods; here
the tracks come from the FFT chain with global nearest neighbour association, on a recording of the simulated AWR1642.
Of a radio it is the case of Fig. 6b of indoor-multi-person-isac-26ghz, on a recording of the simulated bistatic radio.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.offline import track
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError
from isactrack.experiments.plotting import PAGE_WIDTH_IN, colour, drawing, require_matplotlib
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import xy_to_polar
from isactrack.ofdm import OfdmSensor
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.recordings import Recording, TrackTable
from isactrack.tracking.metrics import TrackingScore
from isactrack.tracks import TrackStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]

_MAP_RANGE_M: Final = 8.0
_MAP_SPEED_MPS: Final = 3.0
_NOBODY: Final = "0.62"
"""Colour of tracks that are farther from everybody than a match may be."""


def save_figure(
    path: Path,
    recording: Recording,
    table: TrackTable,
    score: TrackingScore,
    *,
    snapshots: Sequence[Snapshot] = (),
    walls_m: FloatArray | None = None,
) -> None:
    """Draw the plan view, the error over time and the map of the sensor at the closest approach.

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
    snapshots
        What the tracks were made with; without them the recording is tracked again.
    walls_m
        Ends (n, 2, 2) of the room's walls in the sensor frame, if they are known.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or the recording is empty.
    """
    require_matplotlib()
    snapshots = list(snapshots) or list(track(recording))
    if not snapshots:
        raise ConfigError(f"{recording.path} has no frames to draw", "record at least one coherent interval")
    sensor = recording.sensor
    with drawing(path, PAGE_WIDTH_IN, 3.9) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(1.12, 1.0))
        plan, error, map_axes = (figure.add_subplot(place) for place in (grid[:, 0], grid[0, 1], grid[1, 1]))
        confirmed = _confirmed(table)
        errors = _errors(confirmed, _truth(snapshots))
        colours = _colours(errors, score.settings.match_distance_m)
        _draw_plan(plan, snapshots, confirmed, colours)
        _draw_error(error, errors, colours, score)
        error.set_xlim(0.0, snapshots[-1].time_s)
        if isinstance(sensor, FmcwSensor):
            _draw_radar(plan)
            _draw_range_doppler(figure, map_axes, _closest_approach(snapshots, _in_range), sensor)
        else:
            _draw_radio(plan, snapshots, sensor, walls_m)
            _draw_delay_azimuth(figure, map_axes, _closest_approach(snapshots, _in_space), sensor)
        figure.suptitle(_title(recording), fontsize=9.0, x=0.01, ha="left")


def _title(recording: Recording) -> str:
    sensor = recording.sensor
    start = f"{sensor.model}, {recording.origin}: {len(recording)}"
    if isinstance(sensor, FmcwSensor):
        return (
            f"{start} frames at {1.0 / sensor.frame_period_s:g} Hz, "
            f"range bin {sensor.range_resolution_m:.2f} m, Doppler bin {sensor.velocity_resolution_mps:.2f} m/s, "
            f"{sensor.n_tx * sensor.n_rx} antennas"
        )
    return (
        f"{start} blocks at {1.0 / sensor.frame_period_s:g} Hz, {sensor.n_tones} tones over "
        f"{sensor.bandwidth_hz / 1e6:.0f} MHz at {sensor.carrier_frequency_hz / 1e9:g} GHz, {sensor.n_rx} antennas"
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


def _errors(
    tracks: dict[int, tuple[FloatArray, FloatArray]], truth: dict[int, tuple[FloatArray, FloatArray]]
) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Return times and distances of each track to the target that it is closest to."""
    return {one: (times, _distance_to_nearest(times, path, truth)) for one, (times, path) in tracks.items()}


def _colours(errors: dict[int, tuple[FloatArray, FloatArray]], far_m: float) -> dict[int, str]:
    """Return the colour of each track, a grey one of those that are of nobody."""
    near = [one for one, (_, error) in errors.items() if not float(np.median(error)) > far_m]
    return dict.fromkeys(errors, _NOBODY) | {one: colour(index) for index, one in enumerate(near)}


def _draw_plan(
    axes: "Axes",
    snapshots: list[Snapshot],
    tracks: dict[int, tuple[FloatArray, FloatArray]],
    colours: dict[int, str],
) -> None:
    detections = np.concatenate([s.detections.position_m for s in snapshots])
    axes.plot(*detections.T, ".", ms=2.5, color="0.72", mec="none", label="detections", zorder=1)
    for (target, (_, path)), label in zip(_truth(snapshots).items(), _once("truth"), strict=False):
        axes.plot(*path.T, "--", lw=0.9, color="0.15", label=label, zorder=2)
        step = (path[-1] - path[0]) / max(float(np.linalg.norm(path[-1] - path[0])), 1e-9)
        axes.annotate(
            f"person {target}", path[0], xytext=(0, -9 if step[1] > 0 else 7), textcoords="offset points", fontsize=7,
            ha="center", va="center", color="0.15",
        )  # fmt: skip
    nobody = _once("track of nobody")
    for track_id, (_, path) in tracks.items():
        shade = colours[track_id]
        if shade == _NOBODY:
            axes.plot(*path.T, "-", lw=0.9, color=shade, label=nobody.pop(0), zorder=2)
            continue
        axes.plot(*path.T, "-", lw=1.5, color=shade, label=f"track {track_id}", zorder=3)
        axes.plot(*path[0], "o", ms=4, color=shade, mec="white", mew=0.6, zorder=4)
        _arrow(axes, path, shade)
    axes.set(xlabel="x (m)", ylabel="y (m)", title="Plan view", aspect="equal")
    axes.grid(True, lw=0.3, color="0.88")
    axes.set_axisbelow(True)


def _draw_radar(axes: "Axes") -> None:
    """Mark the radar and the edges of a field of view of 60 degrees to each side."""
    reach = 7.5
    for side in (-1.0, 1.0):
        edge = np.deg2rad(60.0) * side
        axes.plot([0.0, reach * np.sin(edge)], [0.0, reach * np.cos(edge)], lw=0.5, color="0.75", zorder=0)
    axes.plot(0.0, 0.0, marker=(3, 0, 0), ms=8, color="0.15", clip_on=False)
    axes.annotate("radar", (0.0, 0.0), xytext=(8, -3), textcoords="offset points", fontsize=7, color="0.15")
    axes.set(xlim=(-3.4, 3.4), ylim=(-0.45, 6.4))
    axes.legend(loc="upper right", handlelength=1.6, labelspacing=0.3, borderaxespad=0.3)


def _draw_radio(axes: "Axes", snapshots: list[Snapshot], sensor: OfdmSensor, walls_m: FloatArray | None) -> None:
    """Mark receiver, transmitter and walls."""
    transmitter = np.asarray(sensor.tx_position_m)
    places = (((0.0, 0.0), "^", "Rx"), (sensor.tx_position_m or (0.0, 0.0), "s", "Tx"))
    for place, marker, name in places:
        axes.plot(*place, marker=marker, ms=5, color="0.15", zorder=5)
        axes.annotate(name, place, xytext=(8, -3), textcoords="offset points", fontsize=7, color="0.15", zorder=5)
    axes.plot(*np.stack([np.zeros(2), transmitter]).T, lw=0.5, ls=":", color="0.55", zorder=0)
    seen = [np.zeros((1, 2)), transmitter[None], *(path for _, path in _truth(snapshots).values())]
    for k, wall in enumerate(np.zeros((0, 2, 2)) if walls_m is None else walls_m):
        axes.plot(*wall.T, lw=2.2, color="0.6", solid_capstyle="round", label="wall" if k == 0 else None, zorder=0)
        seen.append(wall)
    low, high = (edge(np.concatenate(seen), axis=0) for edge in (np.min, np.max))
    axes.set(xlim=(low[0] - 0.3, high[0] + 0.3), ylim=(low[1] - 0.3, high[1] + 0.3))
    axes.legend(
        loc="lower right", handlelength=1.6, labelspacing=0.3, borderaxespad=0.4, frameon=True, framealpha=0.85,
        edgecolor="none", fontsize=6.5,
    )  # fmt: skip


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
    axes: "Axes", errors: dict[int, tuple[FloatArray, FloatArray]], colours: dict[int, str], score: TrackingScore
) -> None:
    top = 0.5
    for track_id, (times, error) in errors.items():
        if colours[track_id] != _NOBODY:
            axes.plot(times, error, "-", lw=1.1, color=colours[track_id], label=f"track {track_id}")
            top = max(top, 1.4 * float(np.max(error, initial=0.0)))  # room for the words above
    lines = []
    if score.median_position_error_m is not None and score.p90_position_error_m is not None:
        axes.axhline(score.median_position_error_m, lw=0.7, ls=":", color="0.15")
        lines.append(f"median {score.median_position_error_m:.2f} m, 90 % below {score.p90_position_error_m:.2f} m")
    lines.append(f"identity switches: {score.identity_switches}")
    false = list(colours.values()).count(_NOBODY)
    if false:
        lines.append(f"tracks of nobody, not shown here: {false}")
    axes.text(0.985, 0.94, "\n".join(lines), transform=axes.transAxes, fontsize=6.8, ha="right", va="top", color="0.15")
    axes.set(xlabel="time (s)", ylabel="error (m)", title="Distance from the true centre of the body", ylim=(0.0, top))
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


def _closest_approach(snapshots: list[Snapshot], gap: Callable[[FloatArray], float]) -> Snapshot:
    """Return the snapshot with the smallest gap between two targets, or the middle one without two targets.

    Parameters
    ----------
    snapshots
        The snapshots.
    gap
        What counts as the gap between targets at positions (n, 2).
    """

    def of(snapshot: Snapshot) -> float:
        return gap(snapshot.truth.position_m) if snapshot.truth is not None and len(snapshot.truth) > 1 else np.inf

    best = min(snapshots, key=of)
    return best if np.isfinite(of(best)) else snapshots[len(snapshots) // 2]


def _in_range(position_m: FloatArray) -> float:
    return float(np.diff(np.sort(np.linalg.norm(position_m, axis=1))).min())


def _in_space(position_m: FloatArray) -> float:
    away = np.linalg.norm(position_m[:, None] - position_m, axis=2)
    return float(away[~np.eye(len(away), dtype=np.bool_)].min())


def _draw_range_doppler(figure: "Figure", axes: "Axes", snapshot: Snapshot, sensor: FmcwSensor) -> None:
    spectrum = snapshot.spectrum
    if not isinstance(spectrum, RangeDopplerMap):
        raise TypeError("the map of a radar is over range and Doppler")
    half_r, half_v = sensor.range_resolution_m / 2.0, sensor.velocity_resolution_mps / 2.0
    r, v = spectrum.range_axis_m, spectrum.velocity_axis_mps
    extent = (r[0] - half_r, r[-1] + half_r, v[0] - half_v, v[-1] + half_v)
    _draw_level(figure, axes, spectrum.level_db(), extent)
    d = snapshot.detections
    axes.plot(d.range_m, d.radial_velocity_mps, "o", ms=7, mfc="none", mec="white", mew=1.0)
    axes.set(
        xlabel="range (m)", ylabel="radial velocity (m/s)", xlim=(0.0, _MAP_RANGE_M),
        ylim=(-_MAP_SPEED_MPS, _MAP_SPEED_MPS),
        title=f"Both at one range, told apart by Doppler (t = {snapshot.time_s:.1f} s)",
    )  # fmt: skip


def _draw_delay_azimuth(figure: "Figure", axes: "Axes", snapshot: Snapshot, sensor: OfdmSensor) -> None:
    spectrum = snapshot.spectrum
    if isinstance(spectrum, RangeDopplerMap):
        raise TypeError("the map of a radio is over path length and azimuth")
    path, azimuth = spectrum.path_axis_m, np.degrees(spectrum.azimuth_axis_rad)
    half_p, half_a = (path[1] - path[0]) / 2.0, (azimuth[1] - azimuth[0]) / 2.0
    extent = (path[0] - half_p, path[-1] + half_p, azimuth[0] - half_a, azimuth[-1] + half_a)
    _draw_level(figure, axes, spectrum.level_db(), extent)
    found = _path_and_azimuth(snapshot.detections.position_m, sensor)
    axes.plot(*found.T, "o", ms=7, mfc="none", mec="white", mew=1.0, label="detection")
    right = sensor.direct_path_m + 3.0
    if snapshot.truth is not None and len(snapshot.truth):
        true = _path_and_azimuth(snapshot.truth.position_m, sensor)
        axes.plot(*true.T, "+", ms=7, color="white", mew=1.0, label="truth")
        right = max(right, float(true[:, 0].max()) + 2.0)
    axes.set(
        xlabel="path from Tx over target to Rx (m)", ylabel="azimuth (°)", xlim=(path[0] - half_p, right),
        title=f"2D-MUSIC at the closest approach (t = {snapshot.time_s:.1f} s)",
    )  # fmt: skip
    axes.legend(loc="lower right", labelcolor="white", handletextpad=0.2, borderaxespad=0.2)


def _path_and_azimuth(position_m: FloatArray, sensor: OfdmSensor) -> FloatArray:
    """Return length of the path (m) and azimuth (degrees) of positions (n, 2), as (n, 2)."""
    range_m, azimuth_rad = xy_to_polar(position_m)
    to_tx_m = np.linalg.norm(position_m - np.asarray(sensor.tx_position_m), axis=-1)
    return np.stack([range_m + to_tx_m, np.degrees(azimuth_rad)], axis=-1)


def _draw_level(
    figure: "Figure", axes: "Axes", level_db: FloatArray, extent: tuple[float, float, float, float]
) -> None:
    """Draw a map (y, x) in dB over its median, with its colour bar."""
    image = axes.imshow(
        level_db, origin="lower", aspect="auto", cmap="viridis", vmin=0.0, vmax=max(20.0, float(level_db.max())),
        extent=extent, interpolation="nearest",
    )  # fmt: skip
    bar: Any = figure.colorbar(image, ax=axes, pad=0.015, aspect=14)
    bar.set_label("dB over median")
    bar.outline.set_linewidth(0.6)


def _once(label: str) -> list[str]:
    """Return labels of which the first shows in a legend and the others do not."""
    return [label] + ["_nolegend_"] * 63
