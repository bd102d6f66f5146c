"""The life of tracks, and walking people in clutter."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError, IsacError
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy, radial_velocity, xy_to_polar
from isactrack.tracking import Tracker, TrackerConfig, TrackingScore, evaluate_tracks
from isactrack.tracking.tracker import birth
from isactrack.tracks import Track, TrackStatus

FloatArray = NDArray[np.float64]
FRAME_S = 0.1


def _detections(
    time_s: float, position_m: ArrayLike, radial_velocity_mps: ArrayLike = 0.0, snr_db: ArrayLike = 20.0
) -> Detections:
    """Return detections with 5 cm and 3 degrees of error at exactly these positions."""
    position = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    r, azimuth = xy_to_polar(position)
    return Detections(
        time_s=time_s,
        position_m=position,
        covariance_m2=polar_covariance_to_xy(r, azimuth, 0.05, np.deg2rad(3.0)),
        radial_velocity_mps=np.broadcast_to(np.asarray(radial_velocity_mps, dtype=np.float64), r.shape).copy(),
        radial_velocity_std_mps=np.full(r.shape, 0.1),
        snr_db=np.broadcast_to(np.asarray(snr_db, dtype=np.float64), r.shape).copy(),
        range_m=r,
        azimuth_rad=azimuth,
    )


def _measured(
    rng: np.random.Generator, time_s: float, position_m: FloatArray, velocity_mps: FloatArray, clutter: float,
    detection_probability: float = 0.9,
) -> Detections:  # fmt: skip
    """Return what a radar sees of targets, among a Poisson number of false alarms over 10 m x 10 m."""
    seen = rng.random(len(position_m)) < detection_probability
    r, azimuth = xy_to_polar(position_m[seen])
    v = radial_velocity(position_m[seen], velocity_mps[seen])
    r = r + rng.normal(0.0, 0.05, r.size)
    azimuth = azimuth + rng.normal(0.0, np.deg2rad(3.0), r.size)
    v = v + rng.normal(0.0, 0.15, r.size)
    false = rng.uniform([-5.0, 0.3], [5.0, 10.3], (rng.poisson(clutter), 2))
    return _detections(
        time_s,
        np.concatenate([polar_to_xy(r, azimuth), false]),
        np.concatenate([v, rng.uniform(-2.0, 2.0, len(false))]),
        rng.uniform(12.0, 25.0, r.size + len(false)),
    )


def _walk(start: ArrayLike, end: ArrayLike, frames: int) -> tuple[FloatArray, FloatArray]:
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    position = start + (end - start) * np.linspace(0.0, 1.0, frames)[:, None]
    return position, np.tile((end - start) / (FRAME_S * (frames - 1)), (frames, 1))


def _run(
    seed: int, walkers: list[tuple[FloatArray, FloatArray]], config: TrackerConfig, hidden: range = range(0), **kw: Any
) -> TrackingScore:
    """Track the walkers, the first one unseen in the `hidden` frames, and score the tracks."""
    rng, tracker = np.random.default_rng(seed), Tracker(config)
    tracks: list[Track] = []
    frames = len(walkers[0][0])
    position = np.stack([p for p, _ in walkers], axis=1)
    velocity = np.stack([v for _, v in walkers], axis=1)
    for frame in range(frames):
        first = 1 if frame in hidden else 0
        time_s = frame * FRAME_S
        tracks += tracker.step(_measured(rng, time_s, position[frame, first:], velocity[frame, first:], 0.5, **kw))
    return evaluate_tracks(
        track_time_s=[t.time_s for t in tracks],
        track_id=[t.track_id for t in tracks],
        is_confirmed=[t.is_confirmed for t in tracks],
        track_position_m=[t.position_m for t in tracks],
        truth_time_s=np.repeat(np.arange(frames) * FRAME_S, len(walkers)),
        target_id=np.tile(np.arange(len(walkers)), frames),
        truth_position_m=position.reshape(-1, 2),
    )


CROSSING = [_walk((-1.50, 1.24), (2.50, 4.74), 64), _walk((-2.00, 5.24), (2.00, 1.24), 64)]


@pytest.mark.parametrize("seed", range(20))
def test_crossing_people_keep_their_identities(seed: int) -> None:
    score = _run(seed, CROSSING, TrackerConfig())
    assert (score.confirmed_tracks, score.identity_switches) == (2, 0)
    assert score.median_position_error_m is not None
    assert score.median_position_error_m < 0.15
    assert score.missed_share is not None
    assert score.missed_share < 0.12  # confirmation takes four hits of 64 frames at best
    assert score.false_share == 0.0


def test_crossing_people_keep_their_identities_although_one_hides_the_other_for_a_second() -> None:
    scores = [_run(seed, CROSSING, TrackerConfig(), hidden=range(30, 40)) for seed in range(8)]
    kept = sum(score.confirmed_tracks == 2 and score.identity_switches == 0 for score in scores)
    assert kept >= 7


def test_a_person_who_turns_sharply_stays_one_track() -> None:
    corners = [(-1.5, 2.0), (1.5, 2.0), (1.5, 5.0), (-1.5, 5.0), (-1.5, 2.0)]
    legs = [_walk(a, b, 31) for a, b in pairwise(corners)]  # 1 m/s
    path = np.concatenate([p for p, _ in legs]), np.concatenate([v for _, v in legs])
    scores = [_run(seed, [path], TrackerConfig()) for seed in range(6)]
    assert sum(score.confirmed_tracks == 1 for score in scores) >= 5


@pytest.mark.parametrize("seed", [0, 1])
def test_clutter_alone_is_never_confirmed(seed: int) -> None:
    rng, tracker, nobody = np.random.default_rng(seed), Tracker(), np.zeros((0, 2))
    born = 0
    for frame in range(1000):
        for track in tracker.step(_measured(rng, frame * FRAME_S, nobody, nobody, 1.0)):
            born = max(born, track.track_id)
            assert not track.is_confirmed
    assert born > 700


LIFE = TrackerConfig(confirm_hits=3, confirm_window=5, max_misses_tentative=2, max_misses_confirmed=3)
LETTER = {TrackStatus.TENTATIVE: "t", TrackStatus.CONFIRMED: "C", TrackStatus.COASTED: "o"}


@pytest.mark.parametrize(
    ("config", "seen", "expected"),
    [
        (LIFE, "xxxx", "ttCC"),
        (LIFE, "x.x.x", "ttttC"),
        (LIFE, "x..x.x", "tttttt"),  # three hits, but not within five steps
        (LIFE, "x..x.xx", "ttttttC"),
        (LIFE, "x..", "ttt"),
        (LIFE, "x...", "ttt-"),
        (LIFE, "xxx...x", "ttCoooC"),
        (LIFE, "xxx....", "ttCooo-"),
        (LIFE, "xxx....xxx", "ttCooo-ttC"),
        (replace(LIFE, confirm_hits=1), "x.x", "CoC"),
        (replace(LIFE, max_misses_tentative=0), "x.xxx", "t-ttC"),
        (replace(LIFE, max_misses_confirmed=0), "xxx.", "ttC-"),
    ],
)
def test_life_cycle(config: TrackerConfig, seen: str, expected: str) -> None:
    tracker, got = Tracker(config), ""
    for frame, mark in enumerate(seen):
        tracks = tracker.step(_detections(frame * FRAME_S, [(0.5, 4.0)] if mark == "x" else []))
        got += LETTER[tracks[0].status] if tracks else "-"
    assert got == expected


def test_age_counts_steps_and_identities_are_never_used_again() -> None:
    tracker, ages = Tracker(LIFE), []
    for frame in range(20):
        tracks = tracker.step(_detections(frame * FRAME_S, [(0.0, 4.0)] if frame % 10 < 3 else []))
        ages += [(t.track_id, t.age) for t in tracks]
    assert ages == [(i, age) for i in (1, 2) for age in range(1, 7)]


def test_reset_forgets_time_and_tracks() -> None:
    tracker = Tracker()
    first = tracker.step(_detections(5.0, [(0.0, 4.0)]))
    tracker.reset()
    again = tracker.step(_detections(0.0, [(0.0, 4.0)]))
    assert [t.track_id for t in again] == [t.track_id for t in first] == [1]
    assert again[0].age == 1


def test_birth_takes_the_radial_velocity_along_the_line_of_sight() -> None:
    noise = np.array([[[0.01, 0.002], [0.002, 0.02]]])
    mean, covariance = birth(np.array([[3.0, 4.0]]), noise, np.array([-2.0]), 0.2, 1.5)
    np.testing.assert_allclose(mean, [[3.0, -1.2, 4.0, -1.6]])
    np.testing.assert_allclose(covariance[0][np.ix_([0, 2], [0, 2])], noise[0])
    velocity = covariance[0][np.ix_([1, 3], [1, 3])]
    along, across = np.array([0.6, 0.8]), np.array([0.8, -0.6])
    assert along @ velocity @ along == pytest.approx(0.2**2)
    assert across @ velocity @ across == pytest.approx(1.5**2)
    assert along @ velocity @ across == pytest.approx(0.0, abs=1e-12)


def test_a_target_at_the_sensor_gives_finite_tracks() -> None:
    tracker = Tracker()
    for frame in range(10):
        tracks = tracker.step(_detections(frame * FRAME_S, [(0.0, 0.0)], 1.0))
    assert np.isfinite([t.state for t in tracks]).all()
    assert np.isfinite([t.covariance for t in tracks]).all()


def test_two_echoes_of_one_body_are_one_track_at_the_stronger() -> None:
    tracker = Tracker()
    for frame in range(20):
        tracks = tracker.step(_detections(frame * FRAME_S, [(0.0, 4.0), (0.2, 4.3)], snr_db=[15.0, 20.0]))
        assert [t.track_id for t in tracks] == [1]
    np.testing.assert_allclose(tracks[0].position_m, [0.2, 4.3], atol=1e-3)


def _closing(config: TrackerConfig, velocity_mps: float) -> list[int]:
    """Track two targets, the second one born later, that come together and go on with this difference of velocity."""
    tracker, ids = Tracker(config), set()
    for frame in range(60):
        apart = max(0.2, 1.5 - 0.05 * frame) - velocity_mps * FRAME_S * max(0, frame - 26)
        targets = [(-0.5 * apart, 4.0), (0.5 * apart, 4.0)][: 1 if frame == 0 else 2]
        ids = {t.track_id for t in tracker.step(_detections(frame * FRAME_S, targets)) if t.is_confirmed}
        if frame == 20:
            assert ids == {1, 2}
    return sorted(ids)


def test_two_tracks_that_move_as_one_become_the_older_one() -> None:
    assert _closing(TrackerConfig(), 0.0) == [1]


def test_a_confirmed_track_outlives_an_older_tentative_one() -> None:
    tracker, ids = Tracker(TrackerConfig(merge_steps=1)), set()
    for frame in range(40):
        rare = [(0.0, 4.0)] if frame % 3 == 0 else []  # two hits in six steps: stays tentative
        steady = [(max(0.2, 1.14 - 0.03 * frame), 4.0)] if frame > 0 else []
        tracks = tracker.step(_detections(frame * FRAME_S, rare + steady))
        ids |= {t.track_id for t in tracks if t.is_confirmed}
        if frame == 10:
            assert [(t.track_id, t.status) for t in tracks] == [(1, TrackStatus.TENTATIVE), (2, TrackStatus.CONFIRMED)]
    assert ids == {2}
    assert 1 not in {t.track_id for t in tracks}


def test_two_tracks_that_pass_each_other_stay_two() -> None:
    assert _closing(TrackerConfig(), 0.9) == [1, 2]
    assert _closing(TrackerConfig(merge_steps=1000), 0.0) == [1, 2]


@pytest.mark.parametrize(("use", "status"), [(True, TrackStatus.COASTED), (False, TrackStatus.CONFIRMED)])
def test_the_gate_looks_at_the_radial_velocity(use: bool, status: TrackStatus) -> None:
    tracker = Tracker(TrackerConfig(use_radial_velocity=use))
    for frame in range(10):
        tracker.step(_detections(frame * FRAME_S, [(0.0, 3.0 + 0.1 * frame)], 1.0))
    passing = tracker.step(_detections(10 * FRAME_S, [(0.0, 4.0)], -1.0))
    assert passing[0].status is status


def test_the_surer_track_wins_a_detection_that_both_could_take() -> None:
    """The vague one is nearer in its own, wide measure only."""
    tracker = Tracker(TrackerConfig(confirm_hits=1, use_radial_velocity=False, merge_distance_m=0.0))
    for frame in range(30):
        tracker.step(_detections(frame * FRAME_S, [(0.0, 4.0), (0.9, 4.0)][: 1 if frame > 20 else 2]))
    one, other = tracker.step(_detections(30 * FRAME_S, [(0.25, 4.0)]))
    assert (one.status, other.status) == (TrackStatus.CONFIRMED, TrackStatus.COASTED)


def test_order_of_the_detections_does_not_matter() -> None:
    rng, shuffle = np.random.default_rng(3), np.random.default_rng(4)
    one, other = Tracker(), Tracker()
    position, velocity = (np.stack([w[k] for w in CROSSING], axis=1) for k in range(2))
    for frame in range(64):
        seen = _measured(rng, frame * FRAME_S, position[frame], velocity[frame], 3.0)
        tracks, same = one.step(seen), other.step(seen.take(shuffle.permutation(len(seen))))
        assert [(t.track_id, t.status, t.age) for t in tracks] == [(t.track_id, t.status, t.age) for t in same]
        for a, b in zip(tracks, same, strict=True):
            np.testing.assert_allclose(a.state, b.state, atol=1e-9)


def test_results_are_the_callers_own() -> None:
    tracker = Tracker()
    (track,) = tracker.step(_detections(0.0, [(0.0, 4.0)]))
    before = track.state.copy()
    tracker.step(_detections(0.1, [(0.1, 4.1)]))
    np.testing.assert_array_equal(track.state, before)
    track.state[:] = 1e9
    track.covariance[:] = 1e9
    (later,) = tracker.step(_detections(0.2, [(0.1, 4.1)]))
    assert np.abs(later.state).max() < 10.0


@pytest.mark.parametrize("time_s", [1.0, 0.9, float("nan"), float("inf")])
def test_time_that_does_not_advance_is_refused_and_nothing_changes(time_s: float) -> None:
    tracker, other = Tracker(), Tracker()
    for each in (tracker, other):
        each.step(_detections(1.0, [(0.0, 4.0)]))
    with pytest.raises(IsacError) as error:
        tracker.step(_detections(time_s, [(0.0, 4.0)]))
    assert error.value.hint
    (got,), (expected,) = (each.step(_detections(1.1, [(0.0, 4.0)])) for each in (tracker, other))
    np.testing.assert_array_equal(got.state, expected.state)
    assert got.age == 2


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(IsacError, match="radial_velocity_mps"):
        Tracker().step(_detections(0.0, [(0.0, 4.0)], np.nan))


def test_irregular_steps_and_short_gaps_keep_the_track() -> None:
    tracker = Tracker()
    for time_s in (0.0, 0.1, 0.25, 0.3, 0.5, 0.6, 1.5, 1.6):
        tracks = tracker.step(_detections(time_s, [(0.0, 3.0 + time_s)], 1.0))
        assert [t.track_id for t in tracks] == [1]
    assert tracks[0].is_confirmed
    np.testing.assert_allclose(tracks[0].state, [0.0, 0.0, 4.6, 1.0], atol=0.05)


def test_a_long_gap_ends_the_track_before_its_gate_takes_in_anything() -> None:
    tracker = Tracker()
    for frame in range(10):
        tracker.step(_detections(frame * FRAME_S, [(0.0, 4.0)]))
    tracks = tracker.step(_detections(60.0, [(1.0, 6.0)]))
    assert [(t.track_id, t.status) for t in tracks] == [(2, TrackStatus.TENTATIVE)]


def test_no_detection_is_more_precise_than_the_floor() -> None:
    exact = replace_covariance(_detections(0.0, [(0.0, 4.0)]), 1e-12 * np.eye(2))
    (track,) = Tracker(TrackerConfig(min_position_std_m=0.2)).step(exact)
    np.testing.assert_allclose(track.position_covariance_m2, 0.04 * np.eye(2))
    wide = replace_covariance(_detections(0.0, [(0.0, 4.0)]), np.array([[0.5, 0.3], [0.3, 0.5]]))
    (track,) = Tracker(TrackerConfig(min_position_std_m=0.2)).step(wide)
    np.testing.assert_allclose(track.position_covariance_m2, [[0.5, 0.3], [0.3, 0.5]])


def replace_covariance(detections: Detections, covariance_m2: FloatArray) -> Detections:
    return replace(detections, covariance_m2=np.tile(covariance_m2, (len(detections), 1, 1)))


def test_huge_measurement_covariance_does_no_harm() -> None:
    tracker = Tracker()
    for frame in range(10):
        tracker.step(_detections(frame * FRAME_S, [(0.0, 4.0)]))
    (track,) = tracker.step(replace_covariance(_detections(1.0, [(0.0, 4.2)]), 1e12 * np.eye(2)))
    np.testing.assert_allclose(track.position_m, [0.0, 4.0], atol=1e-3)
    assert np.linalg.eigvalsh(track.covariance).min() > 0.0


@pytest.mark.parametrize("steps", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_endless_coasting_stays_sound(steps: int) -> None:
    tracker = Tracker(TrackerConfig(max_misses_confirmed=10**6, max_position_std_m=1e9))
    for frame in range(10):
        tracker.step(_detections(frame * FRAME_S, [(0.0, 4.0)]))
    for frame in range(10, 10 + steps):
        (track,) = tracker.step(Detections.empty(frame * FRAME_S))
    assert track.status is TrackStatus.COASTED
    np.testing.assert_array_equal(track.covariance, track.covariance.T)
    assert np.linalg.eigvalsh(track.covariance).min() > 0.0
    target = track.position_m + np.array([1.0, 2.0])
    tracks = tracker.step(_detections((10 + steps) * FRAME_S, [target], radial_velocity(target, track.velocity_mps)))
    assert tracks[0].status is TrackStatus.CONFIRMED
    np.testing.assert_allclose(tracks[0].position_m, target, atol=1e-3)
    assert np.linalg.eigvalsh(tracks[0].covariance).min() > 0.0


def test_no_detections_ever() -> None:
    tracker = Tracker()
    assert [tracker.step(Detections.empty(t * FRAME_S)) for t in range(3)] == [[], [], []]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acceleration_std_mps2", -1.0),
        ("acceleration_std_mps2", float("nan")),
        ("gate_probability", 0.0),
        ("gate_probability", 1.0),
        ("confirm_hits", 0),
        ("confirm_hits", 7),
        ("confirm_window", 6.5),
        ("max_misses_tentative", -1),
        ("max_misses_confirmed", -1),
        ("max_position_std_m", float("inf")),
        ("birth_velocity_std_mps", 0.0),
        ("radial_velocity_std_mps", 0.0),
        ("min_position_std_m", 0.0),
        ("merge_distance_m", -0.1),
        ("merge_steps", 0),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name) as error:
        TrackerConfig(**settings)
    assert error.value.hint


def test_gate_is_the_chi_square_quantile_of_its_dimension() -> None:
    assert TrackerConfig(gate_probability=0.95).gate == pytest.approx(7.8147, abs=1e-4)
    assert TrackerConfig(gate_probability=0.95, use_radial_velocity=False).gate == pytest.approx(5.9915, abs=1e-4)
