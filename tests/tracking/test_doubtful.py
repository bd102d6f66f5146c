"""Tracks go on with doubtful detections and do not begin with them, and go unseen no longer than they were followed."""

from typing import Any

import numpy as np
import pytest

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.tracking import Tracker, TrackerConfig, bistatic_tracker_config
from isactrack.tracks import Track

PERIOD_S = 0.04


def detections(step: int, places: list[tuple[float, float]], doubtful: list[bool] | None = None) -> Detections:
    position = np.array(places).reshape(-1, 2)
    n = len(position)
    return Detections(
        time_s=step * PERIOD_S,
        position_m=position,
        covariance_m2=np.tile(0.01 * np.eye(2), (n, 1, 1)),
        radial_velocity_mps=np.zeros(n),
        radial_velocity_std_mps=np.full(n, 1.5),
        snr_db=np.full(n, 30.0),
        range_m=np.hypot(position[:, 0], position[:, 1]),
        azimuth_rad=np.arctan2(position[:, 0], position[:, 1]),
        doubtful=None if doubtful is None else np.array(doubtful),
    )


def walk(step: int) -> tuple[float, float]:
    return -1.0 + 0.04 * step, 4.0


def run(tracker: Tracker, begin: int, end: int, doubtful: bool) -> list[Track]:
    tracks: list[Track] = []
    for step in range(begin, end):
        tracks = tracker.step(detections(step, [walk(step)], [doubtful]))
    return tracks


@pytest.mark.parametrize("association", ["penalty", "hungarian", "gnn", "spa"])
def test_no_track_begins_with_doubtful_detections_and_one_goes_on_with_them(association: str) -> None:
    tracker = Tracker(bistatic_tracker_config(PERIOD_S, association=association, engine="numpy"))
    assert run(tracker, 0, 20, doubtful=True) == []
    (track,) = run(tracker, 20, 40, doubtful=False)
    assert track.is_confirmed
    (same,) = run(tracker, 40, 80, doubtful=True)
    assert same.track_id == track.track_id and same.is_confirmed
    np.testing.assert_allclose(same.position_m, walk(79), atol=0.05)


def test_a_tentative_track_is_not_confirmed_by_doubtful_detections() -> None:
    tracker = Tracker(bistatic_tracker_config(PERIOD_S))
    (track,) = run(tracker, 0, 4, doubtful=False)
    assert not track.is_confirmed
    assert run(tracker, 4, 12, doubtful=True) == []


def test_a_track_ends_after_so_many_doubtful_detections_without_another() -> None:
    tracker = Tracker(bistatic_tracker_config(PERIOD_S, max_doubtful=10))
    run(tracker, 0, 20, doubtful=False)
    assert len(run(tracker, 20, 30, doubtful=True)) == 1
    run(tracker, 30, 31, doubtful=False)
    assert len(run(tracker, 31, 41, doubtful=True)) == 1
    assert run(tracker, 41, 42, doubtful=True) == []


@pytest.mark.parametrize(("farther", "stays"), [(1.0, False), (2.0, True)])
def test_a_track_prefers_a_clear_detection_to_a_nearer_doubtful_one(farther: float, stays: bool) -> None:
    """Somebody stands before a wall on which somebody else's shadow falls."""
    tracker = Tracker(bistatic_tracker_config(PERIOD_S, doubtful_farther=farther))
    for step in range(20):
        tracker.step(detections(step, [(0.0, 4.0)], [False]))
    track = next(one for one in tracker.step(detections(20, [(0.0, 3.7), (0.0, 4.25)], [False, True])))
    assert (track.state[2] < 4.0) == stays


def test_a_doubtful_detection_too_far_away_takes_no_track_along() -> None:
    tracker = Tracker(bistatic_tracker_config(PERIOD_S))
    for step in range(20):
        tracker.step(detections(step, [(0.0, 4.0)], [False]))
    for step in range(20, 30):
        (track,) = tracker.step(detections(step, [(0.0, 4.6)], [True]))
        assert track.position_m[1] == pytest.approx(4.0, abs=0.01)


def test_doubts_do_not_bring_nearer() -> None:
    with pytest.raises(ConfigError, match="doubtful_farther"):
        TrackerConfig(doubtful_farther=0.5)


def test_misses_are_no_doubts() -> None:
    tracker = Tracker(TrackerConfig(use_radial_velocity=False, max_doubtful=3, max_misses_confirmed=8))
    run(tracker, 0, 20, doubtful=False)
    for step in range(20, 28):
        assert len(tracker.step(detections(step, [], []))) == 1


@pytest.mark.parametrize("followed", [8, 14, 60])
def test_a_track_goes_unseen_no_longer_than_it_was_followed(followed: int) -> None:
    most = bistatic_tracker_config(PERIOD_S).max_misses_confirmed
    tracker = Tracker(bistatic_tracker_config(PERIOD_S))
    run(tracker, 0, followed, doubtful=False)
    unseen = 0
    while tracker.step(detections(followed + unseen, [])):
        unseen += 1
    assert unseen == min(most, followed)


def test_detections_keep_their_doubts_when_rows_are_taken_and_refuse_another_shape() -> None:
    both = detections(0, [(0.0, 1.0), (0.0, 2.0)], [True, False])
    taken = both.take(np.array([1, 0]))
    assert taken.doubtful is not None and taken.doubtful.tolist() == [False, True]
    assert detections(0, [(0.0, 1.0)]).take(np.array([0])).doubtful is None
    wrong: Any = [True, False, True]
    with pytest.raises(ValueError, match="doubtful"):
        detections(0, [(0.0, 1.0)], wrong)
