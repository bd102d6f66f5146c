"""The assignments by distance against all assignments there are, and what a tracker makes of them."""

from collections.abc import Iterator
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.geometry import xy_to_polar
from isactrack.tracking import Tracker, TrackerConfig
from isactrack.tracking.association import FloatArray
from isactrack.tracking.penalty import Hungarian, Penalty, with_shared

INF = float("inf")


def _full_assignments(n: int, m: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield every assignment with as many pairs as there can be, as rows and columns (eq. 11)."""
    few, many = min(n, m), max(n, m)
    for chosen in combinations(range(many), few):
        for order in permutations(chosen):
            one, other = np.arange(few), np.array(order, dtype=np.intp)
            yield (one, other) if n <= m else (other, one)


def _distances(seed: int, n: int, m: int, barred: float = 0.0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, m)) < barred, INF, rng.uniform(0.0, 2.5, (n, m)))


_shapes = {"n": st.integers(0, 5), "m": st.integers(0, 6), "seed": st.integers(0, 2**32 - 1)}


@settings(max_examples=60, deadline=None)
@given(**_shapes, threshold=st.floats(0.1, 2.0), factor=st.sampled_from([1.0, 1.3, 2.0, 1000.0]))
def test_the_penalty_is_eq_10_and_11_to_the_letter(n: int, m: int, seed: int, threshold: float, factor: float) -> None:
    distance, penalty = _distances(seed, n, m), threshold * factor
    cost = np.where(distance <= threshold, distance, penalty)  # eq. 10
    least = min((float(cost[rows, columns].sum()) for rows, columns in _full_assignments(n, m)), default=0.0)
    made = Penalty(threshold, penalty)(distance).probability > 0
    assert not np.any(made & (distance > threshold)), "a pair at the penalty was not parted"
    # What was parted had cost the penalty, so the total is that of the pairs and a penalty for each one that lacks.
    total = float(distance[made].sum()) + penalty * (min(n, m) - np.count_nonzero(made))
    assert total == pytest.approx(least)


@settings(max_examples=60, deadline=None)
@given(**_shapes)
def test_a_large_penalty_makes_as_many_pairs_as_are_near(n: int, m: int, seed: int) -> None:
    distance = _distances(seed, n, m)
    most = max((int(np.sum(distance[rows, columns] <= 1.0)) for rows, columns in _full_assignments(n, m)), default=0)
    assert Penalty()(distance).probability.sum() == most


@settings(max_examples=60, deadline=None)
@given(**_shapes, barred=st.sampled_from([0.0, 0.3]))
def test_without_a_penalty_all_that_can_are_paired(n: int, m: int, seed: int, barred: float) -> None:
    distance = _distances(seed, n, m, barred)
    best = (0, 0.0)
    for rows, columns in _full_assignments(n, m):
        pairs = distance[rows, columns]
        allowed = np.isfinite(pairs)
        best = min(best, (-int(allowed.sum()), float(pairs[allowed].sum())))
    made = Hungarian()(distance).probability > 0
    assert int(made.sum()) == -best[0]
    assert float(distance[made].sum()) == pytest.approx(best[1])
    if not barred:
        assert int(made.sum()) == min(n, m), "a full assignment is forced"


def test_fig_3() -> None:
    """One of two targets is missed while something new appears 2.5 m away: forced without a penalty, free with one."""
    distance = np.array([[0.1, 2.6], [0.4, 2.5]])
    assert Hungarian()(distance).probability.tolist() == [[1, 0], [0, 1]]
    kept = Penalty()(distance)
    assert kept.probability.tolist() == [[1, 0], [0, 0]]
    assert kept.missed.tolist() == [0, 1]
    assert kept.free.tolist() == [0, 1]


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, 0.5), (1.0, INF), (float("nan"), 1.0)])
def test_a_penalty_below_the_threshold_is_refused(values: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="the threshold is") as refused:
        Penalty(*values)
    assert "1 m and 1000 m" in refused.value.hint


def test_who_crosses_shares_the_one_detection_that_is_seen() -> None:
    distance = np.array([[0.2, 3.0, INF], [0.4, 3.0, INF], [0.9, 3.0, 0.3], [0.6, 0.7, INF]])
    found = Penalty()(distance)
    every = np.ones(4, dtype=np.bool_)
    shared = with_shared(found, distance, every, 0.5)
    assert shared.probability.tolist() == [[0.5, 0, 0], [0.5, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert shared.missed.tolist() == [0.5, 0.5, 0, 0]
    assert shared.free.tolist() == [0, 0, 0]
    for may, limit_m in ((every, 0.3), (np.array([True, False, True, True]), 0.5)):
        assert with_shared(found, distance, may, limit_m) is found
    column = np.array([[0.2], [0.3], [0.4], [0.6]])
    assert with_shared(Penalty()(column), column, every, 0.5).probability.ravel().tolist() == [0.5, 0.5, 0.5, 0]
    assert found.probability.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0]], "the input is left alone"


def test_what_is_free_is_not_shared() -> None:
    distance = np.array([[2.0, 0.1]])
    found = Penalty(threshold_m=0.05)(distance)
    assert with_shared(found, distance, np.array([True]), 0.5) is found


# --- in a tracker ----------------------------------------------------------------------------------------------------


def _detections(time_s: float, position_m: ArrayLike, std_m: float = 0.1) -> Detections:
    position = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    r, azimuth = xy_to_polar(position)
    return Detections(
        time_s=time_s,
        position_m=position,
        covariance_m2=np.tile(std_m**2 * np.eye(2), (len(position), 1, 1)),
        radial_velocity_mps=np.zeros(len(position)),
        radial_velocity_std_mps=np.full(len(position), 1.5),
        snr_db=np.full(len(position), 20.0),
        range_m=r,
        azimuth_rad=azimuth,
    )


def _tracker(association: str, **more: float) -> Tracker:
    return Tracker(TrackerConfig(association=association, use_radial_velocity=False, merge_distance_m=0.0, **more))  # type: ignore[arg-type]


def _walk(tracker: Tracker, steps: int) -> None:
    for step in range(steps):
        tracker.step(_detections(0.1 * step, [(-2.0 + 0.1 * step, 4.0), (2.0, 6.0 - 0.1 * step)]))


@pytest.mark.parametrize(("association", "forced"), [("penalty", False), ("hungarian", True)])
def test_who_is_missed_while_another_appears(association: str, forced: bool) -> None:
    tracker = _tracker(association)
    _walk(tracker, 10)
    tracks = tracker.step(_detections(1.0, [(-1.0, 4.0), (0.5, 2.0)]))
    missed = tracks[1]
    assert missed.track_id == 2
    off = float(np.linalg.norm(missed.position_m - (2.0, 5.0)))
    if forced:
        assert off > 0.5, "the track was pulled to what appeared"
        assert [t.track_id for t in tracks] == [1, 2]
    else:
        assert off < 0.02, "the prediction stands"
        assert missed.status == "coasted"
        assert [t.track_id for t in tracks] == [1, 2, 3], "what appeared is a track of its own"


def test_the_threshold_of_the_config_is_that_of_the_pairs() -> None:
    for threshold, seen in ((0.5, False), (0.7, True)):
        tracker = _tracker("penalty", distance_threshold_m=threshold)
        _walk(tracker, 10)
        tracks = tracker.step(_detections(1.0, [(-1.0, 4.0), (2.0, 5.6)]))
        assert (tracks[1].status == "confirmed") is seen


def test_what_confirmed_tracks_take_tentative_ones_cannot() -> None:
    """The groups of a tracker by distance: a detection that is taken is ruled out for the others."""
    for association in ("penalty", "hungarian"):
        tracker = _tracker(association)
        for step in range(6):
            tracker.step(_detections(0.1 * step, [(0.0, 4.0)]))
        tracker.step(_detections(0.6, [(0.0, 4.0), (0.3, 4.0)]))
        tracks = tracker.step(_detections(0.7, [(0.2, 4.0)]))
        assert [t.status for t in tracks] == ["confirmed", "tentative"]
        assert tracks[1].position_m[0] == pytest.approx(0.3), "the younger track has nothing left"


def test_existence_follows_the_gate_not_the_pair() -> None:
    """A forced pair far beyond the gate tells nothing for a track: it is no more probable than after a miss."""
    forced, missed = _tracker("hungarian"), _tracker("hungarian")
    for tracker in (forced, missed):
        _walk(tracker, 10)
    one = forced.step(_detections(1.0, [(-1.0, 4.0), (0.5, 2.0)]))[1]
    other = missed.step(_detections(1.0, [(-1.0, 4.0)]))[1]
    assert one.existence == pytest.approx(other.existence)


def test_two_who_are_one_detection_for_long_both_stay() -> None:
    """One detection in the middle for longer than a track may go unseen: both go on behind it, none was missed."""
    for shared_m, left in ((0.5, 2), (0.0, 1)):
        tracker = _tracker("penalty", distance_shared_m=shared_m, max_misses_confirmed=5)
        for step in range(30):
            x = 0.05 * (step - 15)
            apart = abs(x) > 0.25
            where = [(x, 4.0), (-x, 4.2)] if apart else [(0.0, 4.1)]
            tracks = tracker.step(_detections(0.05 * step, where))
        assert len([t for t in tracks if t.is_confirmed and t.track_id <= 2]) == left
        if left == 2:
            assert [t.position_m[0] > 0 for t in tracks[:2]] == [True, False], "they have passed each other"


def test_who_was_not_seen_lately_shares_nothing() -> None:
    """A track of something that is gone must not latch on to a person who comes by."""
    config = TrackerConfig(
        association="penalty", use_radial_velocity=False, merge_distance_m=0.0, distance_shared_m=0.5
    )
    tracker = Tracker(config)
    for step in range(40):
        x = 0.06 * (step - 23)
        gone = [] if step > 8 else [(0.0, 4.0)]
        tracks = tracker.step(_detections(0.05 * step, [(x, 4.1), *gone]))
    assert [t.position_m[0] for t in tracks] == [pytest.approx(x, abs=0.05)]
