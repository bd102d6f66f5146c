"""Levels, lines, texts and thresholds of the viewer."""

import importlib
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.errors import DeviceTimeoutError
from isactrack.gui.models import strokes as strokes_module
from isactrack.gui.models.feed import as_isac_error
from isactrack.gui.models.field import (
    field_of_view,
    fit_range,
    range_rings,
    round_ranges,
)  # fmt: skip
from isactrack.gui.models.health_text import (
    Status,
    banner,
    duration_text,
    empty_text,
    error_details,
    rows,
    worries,
)  # fmt: skip
from isactrack.gui.models.levels import OKABE_ITO, TRACK_COLOURS, auto_levels, track_colour
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.paint_clock import PaintStats
from isactrack.gui.models.points import plan_readout
from isactrack.gui.models.reach import Reach, round_reach
from isactrack.gui.models.shortcuts import COMMANDS, by_menu, command
from isactrack.gui.models.strokes import Strokes, Trails, arrows, covariance_ellipses, ellipses
from isactrack.gui.models.timeline import Timeline
from isactrack.gui.models.transport import status_text, transport_state
from isactrack.processing.music_spectrum import DelayAzimuthMap
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.source import Source
from isactrack.tracks import Track, TrackStatus
from isactrack.units import bytes_text

MakeSnapshot = Callable[..., Snapshot]


def status_of(health: Health, label: str) -> Status:
    return next(row.status for row in rows(health) if row.label == label)


# --- colours ---------------------------------------------------------------------------------------------------------


def test_auto_levels_go_from_the_median_to_the_peak_in_steps_of_5_db() -> None:
    level = np.zeros((8, 8))
    level[3, 4] = 37.2
    levels = auto_levels(level)
    assert (levels.low_db, levels.high_db) == (0.0, 40.0)
    flat = auto_levels(np.full((4, 4), -12.0))
    assert (flat.low_db, flat.high_db) == (-15.0, 0.0)
    assert auto_levels(np.full((2, 2), np.nan)).high_db > 0.0


def test_a_track_keeps_its_colour_and_no_colour_hides_in_its_background() -> None:
    assert track_colour(3) == track_colour(3) != track_colour(4)
    dark = {track_colour(k) for k in range(50)}
    light = {track_colour(k, light=True) for k in range(50)}
    assert len(dark) == len(light) == 6
    assert OKABE_ITO["blue"] not in dark
    assert OKABE_ITO["yellow"] not in light


# --- lines -----------------------------------------------------------------------------------------------------------


def test_trails_follow_the_tracks_that_live_at_the_cursor(make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(10)]
    history[-1] = replace(history[-1], tracks=history[-1].tracks[:2])
    history[3] = replace(history[3], tracks=history[3].tracks[1:])
    history[4] = replace(history[4], tracks=())
    ids, points = Trails().positions(history)
    assert ids.tolist() == [4, 5]
    assert np.isnan(points[0, 3]).all()
    assert np.isnan(points[:, 4]).all()
    assert np.isfinite(points).all(axis=2).sum(axis=1).tolist() == [8, 9]
    for k in (0, 5, 9):
        np.testing.assert_array_equal(points[1, k], history[k].tracks[1].position_m)
    assert [len(one) for one in Trails().positions([])] == [0, 0]


def pieces_of(strokes: list[Strokes], track_id: int) -> NDArray[np.float64]:
    """Return the pieces of a track's colour, the faintest first."""
    mine = sorted((one for one in strokes if one.colour == track_id % TRACK_COLOURS), key=lambda one: one.opacity)
    return np.vstack([one.ends_m for one in mine])


def test_trails_are_whole_and_grow_fainter(make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(40)]
    strokes = Trails().strokes(history)
    assert len({one.opacity for one in strokes}) == 6
    pieces = pieces_of(strokes, 4)
    path = np.array([one.tracks[0].position_m for one in history])
    np.testing.assert_array_equal(pieces, np.hstack([path[:-1], path[1:]]))
    assert Trails().strokes(history[:1]) == Trails().strokes([]) == []


def test_a_young_trail_fades_too_and_a_gap_stays_one(make_snapshot: MakeSnapshot) -> None:
    history = [replace(make_snapshot(k), tracks=make_snapshot(k).tracks[: 1 + (k >= 28)]) for k in range(40)]
    history[10] = replace(history[10], tracks=())
    strokes = Trails().strokes(history)
    assert len(pieces_of(strokes, 4)) == 37  # two end where it was not there
    young = [one for one in strokes if one.colour == 5]
    assert sum(len(one.ends_m) for one in young) == 11
    assert min(one.opacity for one in young) < 0.3


def test_a_trail_is_broken_where_frames_are_missing(make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(40) if not 20 <= k < 25]
    pieces = pieces_of(Trails().strokes(history), 4)
    before, after = history[19].tracks[0].position_m, history[20].tracks[0].position_m
    assert len(pieces) == 33
    assert not any(np.array_equal(piece, [*before, *after]) for piece in pieces)
    # Also where corners are left out.
    early, late = ({tuple(one.tracks[0].position_m) for one in part} for part in (history[:20], history[20:]))
    few = pieces_of(Trails().strokes(history, max_pieces=30), 4)
    assert 5 < len(few) < 15
    assert not any(tuple(piece[:2]) in early and tuple(piece[2:]) in late for piece in few)


def test_a_crowd_has_fewer_corners_and_they_do_not_tremble(make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(61)]
    corners: list[set[tuple[float, ...]]] = []
    for start in range(3):
        pieces = np.vstack([one.ends_m for one in Trails().strokes(history[start : start + 58], max_pieces=60)])
        assert len(pieces) <= 66
        corners.append({tuple(end) for end in pieces.reshape(-1, 2)})
    for before, after in pairwise(corners):
        assert len(before - after) <= 6  # the newest of three tracks, and what is too old


def test_a_trail_is_read_once(make_snapshot: MakeSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    history = [make_snapshot(k) for k in range(30)]
    trails, read, really_read = Trails(), [], strokes_module._read

    def counted(one: Snapshot) -> Any:
        read.append(one)
        return really_read(one)

    monkeypatch.setattr(strokes_module, "_read", counted)
    for stop in range(20, 31):
        trails.positions(history[stop - 20 : stop])
    assert len(read) == 30


def test_every_point_of_the_ellipse_is_two_sigma_away() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(5, 2, 2))
    covariance, mean = a @ a.transpose(0, 2, 1) + 0.1 * np.eye(2), rng.normal(size=(5, 2))
    for outline, c, m in zip(covariance_ellipses(mean, covariance, 2.0), covariance, mean, strict=True):
        away = np.einsum("ni,ij,nj->n", outline - m, np.linalg.inv(c), outline - m)
        np.testing.assert_allclose(away, 4.0, rtol=1e-9)
        np.testing.assert_allclose(outline[0], outline[-1], atol=1e-12)


def make_track(velocity: tuple[float, float], status: TrackStatus = TrackStatus.CONFIRMED) -> Track:
    return Track(1, status, 0.0, np.array([1.0, velocity[0], 2.0, velocity[1]]), np.eye(4), 5)


def test_an_arrow_ends_where_the_track_will_be() -> None:
    (arrow,) = arrows([make_track((0.5, -1.0))], seconds=2.0)
    np.testing.assert_allclose(arrow.ends_m[0], [1.0, 2.0, 2.0, 0.0])
    assert (arrow.ends_m[1:, :2] == [2.0, 0.0]).all()  # two strokes back from the tip
    assert (np.linalg.norm(arrow.ends_m[1:, 2:] - [2.0, 0.0], axis=1) < 0.8).all()
    assert arrows([make_track((0.0, 0.001)), make_track((1.0, 0.0), TrackStatus.TENTATIVE)]) == []
    assert arrows([make_track((math.nan, 0.0))]) == arrows([]) == []


def test_a_covariance_that_blew_up_is_left_out() -> None:
    track = make_track((0.0, 0.0))
    assert sum(len(one.ends_m) for one in ellipses([track])) == 32
    track.covariance[0, 0] = np.inf
    assert ellipses([track]) == ellipses([]) == []


def test_the_wedge_reaches_its_range_and_the_rings_are_round() -> None:
    outline = field_of_view(9.0, math.radians(60))
    np.testing.assert_allclose(outline[:, 0].max(), 9.0 * math.sin(math.radians(60)))
    np.testing.assert_allclose(outline[:, 1].max(), 9.0)
    ranges, arcs = range_rings(9.0, 9.0)
    assert ranges == [2.0, 4.0, 6.0, 8.0]
    lengths = np.hypot(arcs[:, 0], arcs[:, 1])
    np.testing.assert_allclose(np.unique(np.round(lengths[np.isfinite(lengths)], 9)), ranges)
    assert range_rings(8.0, 90.0)[0] == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]


@pytest.mark.parametrize("range_max_m", [0.3, 1.0, 2.9, 5.0, 24.98, 60.0, 999.0])
def test_there_are_a_few_round_ranges_inside(range_max_m: float) -> None:
    ranges = round_ranges(range_max_m)
    assert 2 <= len(ranges) <= 6
    assert 0.0 < ranges[-1] < range_max_m
    np.testing.assert_allclose(np.diff(ranges), ranges[0])


def test_no_range_no_rings() -> None:
    assert round_ranges(0.0) == round_ranges(math.inf) == []
    assert range_rings(0.0, 9.0)[1].shape == (0, 2)


@pytest.mark.parametrize(("width_px", "height_px"), [(800.0, 200.0), (200.0, 800.0), (0.0, 0.0)])
def test_the_frame_holds_the_points_at_equal_scales_above_the_bottom(width_px: float, height_px: float) -> None:
    points = np.array([[-1.0, 0.0], [3.0, 5.0]])
    left, bottom, width, height = fit_range(points, width_px, height_px)
    assert width / max(width_px, 1.0) == pytest.approx(height / max(height_px, 1.0))
    assert left + width / 2 == pytest.approx(1.0)
    assert left < -1.0
    assert -1.0 < bottom < 0.0
    assert bottom + height > 5.0


@pytest.mark.parametrize(
    ("distance_m", "range_max_m", "reach_m"),
    [(0.0, 90.0, 6.0), (5.0, 90.0, 6.0), (5.5, 90.0, 8.0), (8.0, 90.0, 10.0), (12.0, 90.0, 15.0), (60.0, 90.0, 80.0),
     (85.0, 90.0, 90.0), (1.0, 3.0, 3.0)],
)  # fmt: skip
def test_the_reach_is_round_and_holds_what_is_seen(distance_m: float, range_max_m: float, reach_m: float) -> None:
    assert round_reach(distance_m, range_max_m) == pytest.approx(reach_m)


def test_the_reach_only_grows_until_it_is_reset(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(0, truth=False)
    far = Track(9, TrackStatus.CONFIRMED, 0.0, np.array([0.0, 0.0, 7.5, 0.0]), np.eye(4), 9)
    tentative = replace(far, status=TrackStatus.TENTATIVE)
    reach = Reach()
    range_max_m = make_map(snapshot).range_max_m
    assert reach.take(replace(snapshot, tracks=(tentative,))) == 6.0
    assert reach.take(replace(snapshot, tracks=(far,))) == min(10.0, range_max_m)
    assert reach.take(replace(snapshot, tracks=())) == min(10.0, range_max_m)
    reach.reset(whole=False)
    assert reach.take(replace(snapshot, tracks=())) == 6.0
    reach.reset(whole=True)
    assert reach.take(snapshot) == range_max_m


# --- points ----------------------------------------------------------------------------------------------------------


def test_tracks_stand_on_the_map_where_their_power_is(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(30)
    spectrum = snapshot.spectrum
    assert isinstance(spectrum, RangeDopplerMap)
    for r, v in make_map(snapshot).tracks():
        row = int(np.argmin(abs(spectrum.velocity_axis_mps - v)))
        column = int(np.argmin(abs(spectrum.range_axis_m - r)))
        assert spectrum.power[row - 2 : row + 3, column - 2 : column + 3].max() > 500.0
    assert make_map(replace(snapshot, tracks=())).tracks().shape == (0, 2)


def test_a_fast_track_is_folded_into_the_map(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(0)
    _, _, low, high = make_map(snapshot).extent
    track = Track(1, TrackStatus.CONFIRMED, 0.0, np.array([0.0, 0.0, 4.0, high + 0.5]), np.eye(4), 5)
    ((r, v),) = make_map(replace(snapshot, tracks=(track,))).tracks()
    assert (r, v) == (pytest.approx(4.0), pytest.approx(low + 0.5))


def test_read_outs_name_their_units(make_snapshot: MakeSnapshot) -> None:
    shown = make_map(make_snapshot(0))
    text = shown.readout(shown.image(), 1.4, 0.0)
    assert text.startswith("range 1.41 m   velocity +0.00 m/s")
    assert text.endswith("dB")
    assert shown.readout(shown.image(), -3.0, 0.0) == ""
    assert plan_readout(1.0, 1.0) == "x +1.00 m   y 1.00 m   range 1.41 m   azimuth +45.0°"


def test_the_map_of_a_radio_has_targets_at_their_path_and_azimuth(make_snapshot: MakeSnapshot) -> None:
    power = np.ones((61, 80), np.float32)
    power[45, 30] = 100.0  # 30 degrees, path 12 m
    track = Track(1, TrackStatus.CONFIRMED, 0.0, np.array([3.0, 0.0, 4.0, 0.0]), np.eye(4), 5)
    azimuth = np.asarray(np.radians(np.linspace(-60.0, 60.0, 61)), np.float64)
    spectrum = DelayAzimuthMap(power, np.asarray(np.arange(80) * 0.4, np.float64), azimuth)
    snapshot = replace(
        make_snapshot(0), spectrum=spectrum, tracks=(track,),
        tx_position_m=(3.0, 0.0),
    )  # fmt: skip
    shown = make_map(snapshot)
    assert (shown.x_label, shown.y_label) == ("Path by way of the target (m)", "Azimuth (°)")
    ((path, azimuth_deg),) = shown.tracks()
    assert (path, azimuth_deg) == (pytest.approx(5.0 + 4.0), pytest.approx(math.degrees(math.atan2(3.0, 4.0))))
    image = shown.image()
    row, column = np.unravel_index(np.argmax(image), image.shape)
    left, right, low, high = shown.extent
    assert left + (column + 0.5) * (right - left) / 80 == pytest.approx(12.0)
    assert low + (row + 0.5) * (high - low) / 61 == pytest.approx(30.0)
    assert shown.readout(image, 12.1, 30.5).startswith("path 12.00 m   azimuth +30.0°   20.0 dB")
    assert shown.readout(image, 12.1, 80.0) == ""
    assert shown.right_of(4.0) == pytest.approx(4.0 + 5.0 + 1.0)
    assert shown.right_of(math.inf) == math.inf
    assert Reach().take(replace(snapshot, tracks=(), truth=None)) == 6.0


# --- health ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "origin", "text", "simulated"),
    [
        (Source.SIMULATED, Source.SIMULATED, "SIMULATED", True),
        (Source.REPLAY, Source.SIMULATED, "REPLAY OF SIMULATED", True),
        (Source.REPLAY, Source.HARDWARE, "REPLAY OF HARDWARE", False),
        (Source.HARDWARE, Source.HARDWARE, "HARDWARE", False),
    ],
)
def test_the_banner_says_what_the_samples_are(
    healthy: Health, source: Source, origin: Source, text: str, simulated: bool
) -> None:
    shown = banner(replace(healthy, source=source, origin=origin))
    assert (shown.text, shown.simulated) == (text, simulated)


def test_a_healthy_session_worries_nobody(healthy: Health) -> None:
    assert {row.status for row in rows(healthy)} == {Status.OK, Status.PLAIN}


@pytest.mark.parametrize(
    ("label", "warn", "bad"),
    [
        ("Rate", {"frame_rate_hz": 18.5}, {"frame_rate_hz": 15.0}),
        ("Lost", {"lost_share": 0.001}, {"lost_share": 0.02}),
        ("Incomplete", {"incomplete_frames": 1}, {"incomplete_frames": 100}),
        ("Missing", {"missing_frames": 1}, {"missing_frames": 100}),
        ("Latency p50 / p99", {"latency_p99_ms": 150.0}, {"latency_p99_ms": 400.0}),
        ("Queue", {"recorder_queue": 30}, {"recorder_queue": 90}),
        ("Disk free", {"disk_free_bytes": 5 * 10**9}, {"disk_free_bytes": 10**9}),
    ],
)
def test_thresholds(healthy: Health, label: str, warn: dict[str, object], bad: dict[str, object]) -> None:
    assert status_of(healthy, label) is Status.OK
    assert status_of(replace(healthy, **warn), label) is Status.WARN  # type: ignore[arg-type]
    assert status_of(replace(healthy, **bad), label) is Status.BAD  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "field", "status"),
    [
        ("Late / rejected", "late_packets", Status.WARN), ("Late / rejected", "rejected_packets", Status.WARN),
        ("Overruns", "overruns", Status.BAD), ("Card overflows", "card_overflows", Status.BAD),
        ("Discarded", "discarded_frames", Status.WARN),
    ],
)  # fmt: skip
def test_what_goes_wrong_before_the_frames_is_shown(healthy: Health, label: str, field: str, status: Status) -> None:
    assert status_of(healthy, label) is Status.OK
    counts: dict[str, Any] = {field: 3}
    assert status_of(replace(healthy, **counts), label) is status


def test_the_display_is_judged_by_its_latency(healthy: Health) -> None:
    def shown(paint: PaintStats, health: Health = healthy) -> dict[str, tuple[str, Status]]:
        return {row.label: (row.value, row.status) for row in rows(health, paint)}

    slow = PaintStats(latency_p50_ms=30.0, latency_p99_ms=81.0, rate_hz=10.0, painted=100, skipped=4)
    assert shown(slow)["Last packet to paint"] == ("30 / 81 ms", Status.WARN)
    assert shown(replace(slow, latency_p99_ms=80.0))["Last packet to paint"][1] is Status.OK
    assert shown(replace(slow, latency_p99_ms=301.0))["Last packet to paint"][1] is Status.BAD
    assert shown(slow, replace(healthy, viewer_skipped=3))["Skipped"][0] == "7"
    assert shown(replace(slow, painted=99))["Last packet to paint"] == ("30 / 81 ms", Status.PLAIN)
    replay = replace(healthy, source=Source.REPLAY)
    assert {shown(slow, replay)[name][1] for name in ("Last packet to paint", "Paints", "Skipped")} == {Status.PLAIN}


def test_what_is_amber_or_red_has_its_reason(healthy: Health) -> None:
    assert worries(rows(healthy)) == []
    counts = ("unusable_frames", "late_packets", "overruns", "card_overflows", "pipeline_skipped", "discarded_frames")
    wrong: dict[str, Any] = dict.fromkeys(counts, 1) | {
        "frame_rate_hz": 1.0, "lost_share": 0.5, "incomplete_frames": 1, "missing_frames": 1, "recorder_queue": 90,
        "disk_free_bytes": 5 * 10**9, "latency_p99_ms": 500.0,
    }  # fmt: skip
    all_wrong = rows(replace(healthy, **wrong), PaintStats(latency_p99_ms=100.0, painted=100))
    judged = [row for row in all_wrong if row.status is not Status.PLAIN]
    assert all(row.status in (Status.WARN, Status.BAD) for row in judged)  # so that none is left out
    found = worries(all_wrong)
    assert len(found) == len(judged) == 14
    order = [one.status for one in found]
    assert order == sorted(order, key=lambda status: status is not Status.BAD)
    rate = next(one.text for one in found if one.text.startswith("Rate"))
    assert rate.startswith("Rate 1.0 of 20.0 Hz: fewer frames")


def test_a_file_is_not_blamed_for_its_speed(healthy: Health) -> None:
    replay = replace(healthy, source=Source.REPLAY, frame_rate_hz=3.0, latency_p99_ms=5000.0)
    assert status_of(replay, "Rate") is Status.PLAIN
    assert status_of(replay, "Latency p50 / p99") is Status.PLAIN


def test_the_rows_are_always_the_same(healthy: Health) -> None:
    bare = Health(url="u", model="m", source=Source.HARDWARE, origin=Source.HARDWARE)
    assert [row.label for row in rows(bare)] == [row.label for row in rows(healthy)]
    assert {row.status for row in rows(bare)} <= {Status.OK, Status.PLAIN}


def test_quantities_in_words(healthy: Health) -> None:
    assert [bytes_text(n) for n in (0, 999, 1000, 99_949, 336_592_896, 999_600_000, 10**13)] == [
        "0 B", "999 B", "1.0 kB", "99.9 kB", "337 MB", "1.0 GB", "10.0 TB"
    ]  # fmt: skip
    assert [duration_text(s) for s in (0, 59.9, 61, 3700)] == ["0:00 min", "0:59 min", "1:01 min", "1 h 01 min"]
    disk = next(row.value for row in rows(healthy) if row.label == "Disk free")
    young = replace(healthy, recorded_s=6.42)  # a recording that began later fills the disk the faster
    assert duration_text(0.1 * 412e9 / (336_592_896 / 64.2)) in next(
        row.value for row in rows(young) if row.label == "Disk free"
    )
    left_s = 412e9 / (336_592_896 / 64.2)
    assert disk == f"412 GB, {left_s / 3600:.0f} h"


def test_an_empty_view_says_why(healthy: Health) -> None:
    error = DeviceTimeoutError("no answer", "check the power")
    assert empty_text("x://", None, None) == ("Connecting …", "Looking for x:// and configuring it.")
    assert empty_text("x://", None, error) == ("Cannot open the source", "x://: no answer")
    titles = {
        empty_text("x://", replace(healthy, running=running, frames=frames), None)[0]
        for running in (True, False)
        for frames in (0, 9)
    }
    assert titles == {"No frames yet", "No results yet", "No frames", "No results"}
    assert "64 s" in empty_text("x://", replace(healthy, frames=0), None)[1]


def test_error_details_are_a_whole_report() -> None:
    try:
        raise ZeroDivisionError("1/0")
    except ZeroDivisionError as error:
        details = error_details(as_isac_error(error), "sim://x")
    assert "unexpected ZeroDivisionError: 1/0" in details
    assert "hint: " in details
    assert "sim://x" in details
    assert "test_gui_models.py" in details  # the trace of the cause


# --- transport and shortcuts -----------------------------------------------------------------------------------------


def test_the_bar_says_where_it_is(make_snapshot: MakeSnapshot) -> None:
    timeline = Timeline(30)
    assert not transport_state(timeline).enabled
    for index in range(40):
        timeline.append(make_snapshot(index))
    state = transport_state(timeline)
    assert (state.following, state.moving, state.edge_text) == (True, True, "live")
    assert "10 older frames" in status_text(timeline, "u")
    timeline.step_time(-1.0)
    state = transport_state(timeline)
    assert (state.position_ms, state.span_ms, state.moving, state.following) == (450, 1450, False, False)
    assert (state.time_text, state.frame_text) == ("0.9 s / 1.9 s", "frame 1019")
    assert state.edge_text == "1.0 s behind"
    assert status_text(timeline, "u").startswith("Display frozen, the session goes on")


def test_every_key_means_one_thing() -> None:
    keys = [key for entry in COMMANDS for key in entry.keys]
    assert len(keys) == len(set(keys))
    assert {"Space", "Left", "Right", "Shift+Left", "Shift+Right", "Home", "End", "L", "A", "T", "I", "G", "Ctrl+S",
            "F1", "?"} <= set(keys)  # fmt: skip
    assert sum(len(commands) for commands in by_menu().values()) == len(COMMANDS)
    assert command("play").tool_tip.endswith("(Space)")


def test_the_models_need_no_qt() -> None:
    names = [
        "feed",
        "health_text",
        "levels",
        "points",
        "reach",
        "shortcuts",
        "theme",
        "timeline",
        "strokes",
        "transport",
    ]
    for name in names:
        importlib.import_module(f"isactrack.gui.models.{name}")
    code = "import sys\n" + "".join(f"import isactrack.gui.models.{name}\n" for name in names)
    code += "import isactrack.gui.qt.app\nsys.exit(any(m.startswith(('PySide6', 'pyqtgraph')) for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
