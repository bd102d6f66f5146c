"""Tracks of two devices come into one frame and on one clock, and lie over each other where people are the same."""

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack import ConfigError, Pose
from isactrack.acquisition.group import SessionGroup
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.offline import track
from isactrack.acquisition.overlay import MAX_GAP_S, overlay, tracks_in_room
from isactrack.acquisition.session import Session
from isactrack.cli.main import run
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.recordings import RecordingWriter, TrackTable, open_recording, read_tracks_csv, validate_folder
from isactrack.tracks import TrackStatus

FloatArray = NDArray[np.float64]


def table(
    time_s: Any,
    position_m: Any,
    track_id: Any = 1,
    *,
    status: str = TrackStatus.CONFIRMED.value,
    velocity_mps: Any = 0.0,
) -> TrackTable:
    times = np.asarray(time_s, dtype=np.float64)
    places = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    return TrackTable(
        time_s=times,
        track_id=np.broadcast_to(np.asarray(track_id, dtype=np.int64), times.shape),
        status=np.full(times.shape, status),
        position_m=places,
        velocity_mps=np.broadcast_to(np.asarray(velocity_mps, dtype=np.float64), places.shape),
    )


def recording(pose: Pose, period_s: float, count: int, began_s: float) -> Any:
    """Return what `tracks_in_room` looks at of a recording whose device began at a time of the host's clock."""
    time_s = period_s * np.arange(count)
    return SimpleNamespace(
        pose=pose,
        device_time_s=time_s,
        host_monotonic_ns=np.round(1e9 * (began_s + time_s)).astype(np.int64),
    )


def walk(time_s: FloatArray) -> FloatArray:
    """Return where somebody is in the room, by the host's clock."""
    return np.stack([-2.0 + 1.1 * time_s, 3.0 + 0.4 * np.sin(time_s)], axis=-1)


angles = st.floats(-math.pi, math.pi)
places = st.floats(-5.0, 5.0)


@settings(max_examples=20, deadline=None)
@given(places, places, angles, places, places, angles, st.floats(-1.0, 1.0))
def test_two_devices_see_one_walk_wherever_they_stand_and_whenever_they_began(
    x: float, y: float, yaw: float, other_x: float, other_y: float, other_yaw: float, later_s: float
) -> None:
    radar = recording(Pose(x_m=x, y_m=y, yaw_rad=yaw), 0.1, 60, 5000.0)
    radio = recording(Pose(x_m=other_x, y_m=other_y, yaw_rad=other_yaw), 0.004, 1500, 5000.0 + later_s)
    tables = {}
    for name, one, offset_s in (("radar", radar, 0.0), ("radio", radio, later_s)):
        at_s = np.arange(0.3, 5.9, 0.1 if name == "radar" else 0.04)
        way = walk(at_s + offset_s)
        tables[name] = table(at_s, one.pose.to_sensor(way), velocity_mps=one.pose.velocity_to_sensor((1.1, 0.0)))
    moved = tracks_in_room({"radar": radar, "radio": radio}, tables)
    begin_s = min(0.0, later_s)
    for name, offset_s in (("radar", 0.0), ("radio", later_s)):
        assert moved[name].time_s == pytest.approx(tables[name].time_s + offset_s - begin_s, abs=2e-6)
        assert moved[name].position_m == pytest.approx(walk(tables[name].time_s + offset_s), abs=1e-9)
        assert moved[name].velocity_mps == pytest.approx(np.broadcast_to((1.1, 0.0), moved[name].velocity_mps.shape))
    pairs = overlay(moved["radar"], moved["radio"])
    assert len(pairs) == pairs.first_points > 40
    # Between two steps of the radio the walk is a little curved.
    assert pairs.distance_m.max() < 1e-3
    assert pairs.first_m == pytest.approx(walk(pairs.time_s + begin_s), abs=1e-5)


def test_a_wrong_clock_or_pose_shows_in_the_distance() -> None:
    at_s = np.arange(0.0, 6.0, 0.1)
    straight = np.stack([1.2 * at_s, np.full(at_s.size, 3.0)], axis=-1)
    assert overlay(table(at_s, straight), table(at_s + 0.25, straight)).distance_m == pytest.approx(0.3)
    assert overlay(table(at_s, straight), table(at_s, straight + np.array([0.3, 0.4]))).distance_m == pytest.approx(0.5)


def test_devices_without_a_clock_or_tracks_are_left_out() -> None:
    at_s = np.arange(0.0, 1.0, 0.1)
    recordings = {
        "one": recording(Pose(), 0.1, 10, 1.0), "short": recording(Pose(), 0.1, 3, 1.0),
        "untracked": recording(Pose(), 0.1, 10, 1.0),
    }  # fmt: skip
    tables = {name: table(at_s, walk(at_s)) for name in ("one", "short")}
    assert list(tracks_in_room(recordings, tables)) == ["one"]
    assert tracks_in_room({}, {}) == {}


def test_pairs_last_and_strangers_stay_alone() -> None:
    at_s = np.arange(0.0, 4.0, 0.1)
    left, right = walk(at_s), walk(at_s)[:, ::-1] + 3.0
    # Two people, one of them also seen double by the second device; somebody whom only the second sees; one tentative.
    second = [
        table(at_s, left + 0.05, 7), table(at_s, left - 0.2, 8), table(at_s, right, 9), table(at_s, right + 50.0, 10),
    ]  # fmt: skip
    both = TrackTable(
        **{
            name: np.concatenate([getattr(one, name) for one in second])
            for name in ("time_s", "track_id", "status", "position_m", "velocity_mps")
        }
    )
    first = table(np.tile(at_s, 2), np.concatenate([left, right]), np.repeat([1, 2], at_s.size))
    pairs = overlay(first, both)
    assert {(int(a), int(b)) for a, b in zip(pairs.first_id, pairs.second_id, strict=True)} == {(1, 7), (2, 9)}
    assert len(pairs) == pairs.first_points == 2 * at_s.size
    assert pairs.second_points == 4 * at_s.size
    tentative = table(at_s, left, status=TrackStatus.TENTATIVE.value)
    assert len(overlay(first, tentative)) == 0
    assert overlay(first, tentative).second_points == 0


@pytest.mark.parametrize(("gap_s", "paired"), [(0.9 * MAX_GAP_S, True), (1.1 * MAX_GAP_S, False)])
def test_nothing_is_made_up_in_a_long_gap(gap_s: float, paired: bool) -> None:
    ours = table([0.0, 0.5 * gap_s, gap_s], [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    theirs = table([0.0, gap_s], [[0.0, 0.0], [2.0, 0.0]])
    pairs = overlay(ours, theirs)
    assert pairs.time_s.tolist() == ([0.0, 0.5 * gap_s, gap_s] if paired else [0.0, gap_s])
    assert pairs.distance_m == pytest.approx(0.0)


@pytest.mark.parametrize("swap", [lambda a, b: (a, b), lambda a, b: (b, a)], ids=["first", "second"])
def test_nobody_on_one_side_is_no_pair(swap: Callable[[TrackTable, TrackTable], tuple[TrackTable, TrackTable]]) -> None:
    at_s = np.arange(0.0, 1.0, 0.1)
    assert len(overlay(*swap(table(at_s, walk(at_s)), table([], [])))) == 0
    # One ended before the other began.
    assert len(overlay(*swap(table(at_s, walk(at_s)), table(at_s + 5.0, walk(at_s))))) == 0


def test_a_distance_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError):
        overlay(table([0.0], [[0.0, 0.0]]), table([0.0], [[0.0, 0.0]]), match_distance_m=0.0)


PLAN = """\
[session]
duration_s = 1.0
tracks = true
[[device]]
name = "radar"
url = "sim://awr1642?scene=lab-walk&seed=3&clock=room"
[[device]]
name = "radio"
url = "sim://bistatic?scene=lab-walk&seed=3&clock=room"
"""


@pytest.mark.slow
def test_a_session_writes_the_tracks_of_all_devices_in_the_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, output = tmp_path / "plan.toml", tmp_path / "both"
    plan.write_text(PLAN, encoding="utf-8")
    RoomClock.reset()
    assert run(["session", str(plan), "-o", str(output), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (one,) = said["overlays"]
    assert (one["reference"], one["stream"]) == ("radar", "radio")
    assert 0 <= one["pairs"] <= min(one["reference_points"], one["stream_points"])
    assert (one["median_distance_m"] is None) == (one["pairs"] == 0)
    for file in said["overlay_files"]:
        assert Path(file).stat().st_size > 0
    with (output / "room-tracks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["device"] for row in rows} == {"radar", "radio"}
    for name in ("radar", "radio"):
        own = read_tracks_csv(output / f"tracks-{name}.csv")
        ours = [row for row in rows if row["device"] == name]
        with open_recording(output, name) as opened:
            placed = opened.pose.to_room(own.position_m)
        assert [int(row["track_id"]) for row in ours] == own.track_id.tolist()
        assert [[float(row["x_m"]), float(row["y_m"])] for row in ours] == placed.tolist()
    failed = [check.name for check in validate_folder(output, max_loss=1.0) if check.passed is False]
    assert [name for name in failed if not name.endswith("rate")] == []


SECONDS = 6.0


def record_both(scene: str, folder: Path) -> dict[str, Path]:
    """Record both devices in one session, at the pace of the wall clock, which a busy host may need some tries for."""
    for attempt in range(3):
        RoomClock.reset()
        paths = {name: folder / f"{name}-{attempt}.h5" for name in ("awr1642", "bistatic")}
        sessions = {}
        for name, path in paths.items():
            device = open_device(f"sim://{name}?scene={scene}&seed=1001&clock=room")
            device.configure()
            sessions[name] = Session(
                device, recorder=RecordingWriter(path, describe_device(device)), duration_s=SECONDS
            )
        with SessionGroup(sessions) as group:
            group.start()
            began_s = time.monotonic()
            assert group.wait(60.0)
            if time.monotonic() - began_s < SECONDS + 0.5:
                return paths
    return pytest.skip(f"this host cannot simulate both devices at their pace: {SECONDS} s took too long three times")


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["lab-walk", "lab-parallel"])
def test_radar_and_radio_overlay_in_their_room(scene: str, tmp_path: Path) -> None:
    paths = record_both(scene, tmp_path)
    with open_recording(paths["awr1642"]) as radar, open_recording(paths["bistatic"]) as radio:
        recordings = {"radar": radar, "radio": radio}
        tables = {name: TrackTable.from_tracks(one.tracks for one in track(each)) for name, each in recordings.items()}
        moved = tracks_in_room(recordings, tables)
        pairs = overlay(moved["radar"], moved["radio"])
        people = {"lab-walk": 1, "lab-parallel": 2}[scene]
        assert len(pairs) > 30 * people
        assert len(pairs) > 0.8 * pairs.first_points
        assert len(set(pairs.first_id.tolist())) >= people
        assert np.median(pairs.distance_m) < 0.3
        # Without the poses the same tracks do not: they are as far apart as the sensors, turned about each other.
        one, other = (replace(moved[name], position_m=tables[name].position_m) for name in recordings)
        bare = overlay(one, other, match_distance_m=3.0)
        assert np.median(bare.distance_m) > max(0.4, 1.5 * float(np.median(pairs.distance_m)))
