r"""A radar and the bistatic radio look at one room: how far apart their tracks are in its frame, and their clocks.

    OPENBLAS_NUM_THREADS=1 python benchmarks/overlay_two_sensors.py --seeds 10
    python benchmarks/overlay_two_sensors.py --scene lab-parallel --first-seed 1000 --seeds 3 --figure overlay.png

Both are simulated, at the pace of the wall clock, and look at the same people: `clock=room`. One session records both;
each recording is tracked by itself, and the tracks are brought into one frame by the poses and onto one time base by
what the frames' arrivals say of each device's clock. Nothing else goes from one to the other.

The columns: pairs of tracks at the radar's steps; share of the steps of confirmed tracks of the radar that have a
partner; median and 90th percentile of the distance of the pairs; the median distance of either device's tracks from
the truth; by how much the offset of the two clocks was estimated wrong (the true one is that at which the true paths in
both recordings coincide), and its standard deviation by the estimate itself.
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from isactrack.acquisition.group import SessionGroup
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.offline import score_tracks, track
from isactrack.acquisition.overlay import overlay, tracks_in_room
from isactrack.acquisition.session import Session
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.drivers.simulated.scene import make_scene
from isactrack.experiments.overlay_figure import save_overlay
from isactrack.recordings import Recording, RecordingWriter, TrackTable, open_recording
from isactrack.recordings.clocks import clock_offset, estimate_clock

FloatArray = NDArray[np.float64]

DEVICES = {"radar": "sim://awr1642", "radio": "sim://bistatic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one seed."""

    distance_m: FloatArray
    radar_points: int
    truth_m: dict[str, float]
    offset_error_s: float
    offset_std_s: float


def record(scene: str, seed: int, folder: Path, duration_s: float) -> dict[str, Path]:
    """Record both devices in one session."""
    RoomClock.reset()
    paths = {name: folder / f"{name}-{seed}.h5" for name in DEVICES}
    sessions = {}
    for name, url in DEVICES.items():
        device = open_device(f"{url}?scene={scene}&seed={seed}&clock=room")
        device.configure()
        recorder = RecordingWriter(paths[name], describe_device(device, stream=name))
        sessions[name] = Session(device, recorder=recorder, duration_s=duration_s)
    with SessionGroup(sessions) as group:
        group.start()
        group.wait()
    return paths


def true_offset_s(radar: Recording, radio: Recording) -> float:
    """Return by how much the radio's clock is behind the radar's: where their true paths in the room coincide."""

    def path(recording: Recording) -> tuple[FloatArray, FloatArray]:
        truths = [truth for row in range(len(recording)) if (truth := recording.truth(row)) is not None and len(truth)]
        places = np.stack([recording.pose.to_room(truth.position_m) for truth in truths])
        return np.array([truth.time_s for truth in truths]), places.reshape(len(truths), -1)

    (at_s, where), (other_s, there) = path(radar), path(radio)

    def misfit(offset_s: float) -> float:
        moved = [np.interp(at_s - offset_s, other_s, column) for column in there.T]
        return float(np.mean((where - np.column_stack(moved)) ** 2))

    grid = np.linspace(-1.0, 1.0, 81)
    start = grid[np.argmin([misfit(offset_s) for offset_s in grid])]
    return float(minimize_scalar(misfit, bounds=(start - 0.05, start + 0.05), method="bounded").x)


def judge(scene: str, seed: int, paths: Mapping[str, Path], figure: Path | None) -> Run:
    """Track both recordings and compare them."""
    with open_recording(paths["radar"]) as radar, open_recording(paths["radio"]) as radio:
        recordings = {"radar": radar, "radio": radio}
        tables = {name: TrackTable.from_tracks(step.tracks for step in track(one)) for name, one in recordings.items()}
        moved = tracks_in_room(recordings, tables)
        pairs = overlay(moved["radar"], moved["radio"])
        clocks = {name: estimate_clock(one.device_time_s, one.host_monotonic_ns) for name, one in recordings.items()}
        if clocks["radar"] is None or clocks["radio"] is None:
            raise SystemExit("a recording is too short for a clock")
        offset = clock_offset("radar", clocks["radar"], "radio", clocks["radio"])
        if figure is not None:
            room = make_scene(scene, seed).room
            save_overlay(figure, recordings, moved, {"radio": pairs}, walls_m=None if room is None else room.walls_m)
        return Run(
            distance_m=pairs.distance_m,
            radar_points=pairs.first_points,
            truth_m={
                name: score_tracks(one, tables[name]).median_position_error_m or np.nan
                for name, one in recordings.items()
            },
            offset_error_s=offset.offset_s - true_offset_s(radar, radio),
            offset_std_s=offset.std_s,
        )


def row(name: str, distance_m: FloatArray, radar_points: int) -> str:
    """Return the first columns of a row."""
    median, p90 = (np.quantile(distance_m, share) if distance_m.size else np.nan for share in (0.5, 0.9))
    return f"{name:>6} {distance_m.size:6} {100.0 * distance_m.size / radar_points:9.1f} {median:9.3f} {p90:6.3f}"


def main() -> None:
    """Print a row a seed, and one of all pairs together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="lab-walk")
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="draw the first seed")
    args = parser.parse_args()
    print(f"simulated AWR1642 and bistatic radio, {args.scene}, at the pace of the wall clock")
    print(
        f"{'seed':>6} {'pairs':>6} {'partner %':>9} {'median m':>9} {'p90 m':>6} {'radar m':>8} {'radio m':>8} "
        f"{'clock off ms':>12} {'said ms':>8}"
    )
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            paths = record(args.scene, seed, Path(folder), make_scene(args.scene, seed).duration_s)
            run = judge(args.scene, seed, paths, None if runs else args.figure)
            runs.append(run)
            print(
                f"{row(str(seed), run.distance_m, run.radar_points)} {run.truth_m['radar']:8.3f} "
                f"{run.truth_m['radio']:8.3f} {1e3 * run.offset_error_s:12.1f} {1e3 * run.offset_std_s:8.1f}",
                flush=True,
            )
            for path in paths.values():
                path.unlink()
    together = row("all", np.concatenate([run.distance_m for run in runs]), sum(run.radar_points for run in runs))
    off_ms = 1e3 * np.median([abs(run.offset_error_s) for run in runs])
    print(f"{together} {'':17} {off_ms:12.1f} (median of the sizes)")


if __name__ == "__main__":
    main()
