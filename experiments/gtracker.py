"""Texas Instruments' group tracker, on the points of its own test vectors beside ours.

The file ``gtracker_testdata.dat`` comes with the reference code of TI's xWR16xx demonstrations: six tests of 40 frames
with tens of points on each of one or two bodies, and TI's tracks. It says neither units nor interval. Azimuth turns out
to be counted from boresight, so that ``x = r sin(azimuth)`` (with the cosine no point lies near a track), and the
tracks move by 0.4 s of their velocity from frame to frame. Their positions are the centres of the points of each body.

``python -m isactrack.experiments.gtracker FILE`` prints the table. The points become detections by the clustering of
the detection chain, and these become tracks as they do in a run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import RecordingError
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy
from isactrack.processing.clustering import link, merge
from isactrack.tracking import Tracker, TrackerConfig, TrackingScore, evaluate_tracks

FloatArray = NDArray[np.float64]

FRAME_S: Final = 0.4
MATCH_DISTANCE_M: Final = 2.0
CONFIG: Final = TrackerConfig(
    acceleration_std_mps2=4.0, birth_velocity_std_mps=4.0, max_position_std_m=5.0, confirm_hits=2, confirm_window=3
)
"""Bodies of up to 9 m/s that turn about from one frame to the next, seen 2.5 times a second; the rest by default."""

# A body is about two metres across and 20 points make it up, whose Doppler differs by what the angle changes.
_LINK_M: Final = 1.5
_LINK_VELOCITY_S: Final = 1.0
_POINT_RANGE_STD_M: Final = 0.1
_POINT_AZIMUTH_STD_RAD: Final = 0.003
_POINT_VELOCITY_STD_MPS: Final = 0.05
_VELOCITY_MAX_MPS: Final = 100.0  # nothing is folded


@dataclass(frozen=True, slots=True, eq=False)
class GtrackerFrame:
    """One frame of a test.

    Attributes
    ----------
    points
        Range (m), azimuth (rad) and radial velocity (m/s) of each point (n, 3).
    tracks
        TI's tracks (k, 4): x, y (m), vx, vy (m/s).
    """

    points: FloatArray
    tracks: FloatArray


def read_gtracker(path: Path) -> list[list[GtrackerFrame]]:
    """Read the frames of all tests.

    Raises
    ------
    RecordingError
        If the file is not of this format or ends early.
    """
    words = iter(path.read_text(encoding="ascii", errors="replace").split())
    try:
        tests, frames = int(next(words)), int(next(words))
        return [[_frame(words) for _ in range(frames)] for _ in range(tests)]
    except (StopIteration, RuntimeError, ValueError) as error:
        raise RecordingError(
            f"{path} is no file of group tracker tests", "take TI's gtracker_testdata.dat whole"
        ) from error


def _frame(words: Iterator[str]) -> GtrackerFrame:
    points = _rows(words, int(next(words).removeprefix("NUM=")), 3)
    return GtrackerFrame(points=points, tracks=_rows(words, int(next(words)), 4))


def _rows(words: Iterator[str], count: int, columns: int) -> FloatArray:
    return np.array([next(words).split(",") for _ in range(count)], dtype=np.float64).reshape(count, columns)


def frame_interval_s(frames: list[GtrackerFrame]) -> float:
    """Return the time by which a frame follows another: the regression of the steps of tracks on their velocities."""
    pairs = [(a.tracks, b.tracks) for a, b in pairwise(frames) if len(a.tracks) == len(b.tracks)]
    step = np.concatenate([b[:, :2] - a[:, :2] for a, b in pairs])
    velocity = np.concatenate([0.5 * (a[:, 2:] + b[:, 2:]) for a, b in pairs])
    return float(np.sum(step * velocity) / np.sum(velocity * velocity))


def detections(frame: GtrackerFrame, time_s: float) -> Detections:
    """Return one detection for each body: the points, linked and merged as the detection chain does it."""
    range_m, azimuth_rad, velocity_mps = frame.points.T
    points = Detections(
        time_s=time_s,
        position_m=polar_to_xy(range_m, azimuth_rad),
        covariance_m2=polar_covariance_to_xy(range_m, azimuth_rad, _POINT_RANGE_STD_M, _POINT_AZIMUTH_STD_RAD),
        radial_velocity_mps=velocity_mps,
        radial_velocity_std_mps=np.full(range_m.size, _POINT_VELOCITY_STD_MPS),
        snr_db=np.zeros(range_m.size),  # the file has none: all points weigh the same
        range_m=range_m,
        azimuth_rad=azimuth_rad,
    )
    return merge(points, link(points, _LINK_M, _LINK_VELOCITY_S, _VELOCITY_MAX_MPS), _VELOCITY_MAX_MPS)


def score(frames: list[GtrackerFrame], config: TrackerConfig = CONFIG) -> TrackingScore:
    """Track the points of a test and hold the confirmed tracks against TI's."""
    tracker = Tracker(config)
    time_s = FRAME_S * np.arange(len(frames))
    ours = [track for t, frame in zip(time_s, frames, strict=True) for track in tracker.step(detections(frame, t))]
    counts = [len(frame.tracks) for frame in frames]
    return evaluate_tracks(
        track_time_s=[track.time_s for track in ours],
        track_id=[track.track_id for track in ours],
        is_confirmed=[track.is_confirmed for track in ours],
        track_position_m=np.array([track.position_m for track in ours]).reshape(-1, 2),
        truth_time_s=np.repeat(time_s, counts),
        target_id=np.concatenate([np.arange(count) for count in counts]),
        truth_position_m=np.concatenate([frame.tracks[:, :2] for frame in frames]),
        frame_time_s=time_s,
        match_distance_m=MATCH_DISTANCE_M,
    )


def table(tests: list[list[GtrackerFrame]]) -> str:
    """Return the table of all tests."""
    rows = [
        f"{'test':>4} {'TI tracks':>9} {'ours':>5} {'switches':>8} {'missed %':>8} {'RMSE m':>7} {'interval s':>10}"
    ]
    for number, frames in enumerate(tests):
        s = score(frames)
        rows.append(
            f"{number:>4} {s.truth_targets:>9} {s.confirmed_tracks:>5} {s.identity_switches:>8} "
            f"{100 * (s.missed_share or 0.0):>8.1f} {np.nan if s.rmse_m is None else s.rmse_m:>7.3f} "
            f"{frame_interval_s(frames):>10.3f}"
        )
    return "\n".join(rows)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Print the table of the tests in FILE."""
    click.echo(table(read_gtracker(file)))


if __name__ == "__main__":
    main()
