"""OSPA and GOSPA against brute force, and the definition of a switch."""

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.tracking.metrics import ScoreSettings, TrackingScore, evaluate_tracks, gospa, ospa

FloatArray = NDArray[np.float64]


def _points(rng: np.random.Generator, largest: int = 5) -> FloatArray:
    return np.asarray(rng.integers(0, 8, (rng.integers(0, largest + 1), 2)), dtype=np.float64)


def _brute_ospa(X: FloatArray, Y: FloatArray, p: float, c: float) -> float:
    if len(X) > len(Y):
        X, Y = Y, X
    if len(Y) == 0:
        return 0.0
    best = min(
        sum(min(c, math.dist(x, Y[j])) ** p for x, j in zip(X, chosen, strict=True))
        for chosen in permutations(range(len(Y)), len(X))
    )
    return float(((best + c**p * (len(Y) - len(X))) / len(Y)) ** (1 / p))


def _brute_gospa(X: FloatArray, Y: FloatArray, p: float, c: float, alpha: float) -> float:
    if len(X) > len(Y):
        X, Y = Y, X
    best = min(
        sum(min(c, math.dist(x, Y[j])) ** p for x, j in zip(X, chosen, strict=True))
        for chosen in permutations(range(len(Y)), len(X))
    )
    return float((best + c**p / alpha * (len(Y) - len(X))) ** (1 / p))


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("c", [2.0, 10.0])
def test_ospa_is_the_best_of_all_permutations(p: float, c: float) -> None:
    rng = np.random.default_rng(int(10 * p + c))
    for _ in range(150):
        X, Y = _points(rng), _points(rng)
        assert ospa(X, Y, p, c) == pytest.approx(_brute_ospa(X, Y, p, c))


@pytest.mark.parametrize("alpha", [1.0, 2.0])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_gospa_is_the_best_of_all_permutations_and_the_sum_of_its_parts(p: float, alpha: float) -> None:
    rng = np.random.default_rng(int(10 * p + alpha))
    for _ in range(100):
        X, Y = _points(rng), _points(rng)
        got = gospa(X, Y, p, 3.0, alpha)
        assert got.distance == pytest.approx(_brute_gospa(X, Y, p, 3.0, alpha))
        assert got.distance**p == pytest.approx(got.localisation + got.missed + got.false)


def test_ospa_assigns_by_the_power_of_the_distance() -> None:
    # An assignment by the distance itself pairs the two points that coincide and gives sqrt(17) = 4.123.
    assert ospa([(4, 4), (3, 6)], [(6, 1), (4, 4)], 2.0, 10.0) == pytest.approx(3.0)


def test_empty_sets() -> None:
    none, one = np.zeros((0, 2)), [(1.0, 2.0)]
    assert ospa(none, [], 2.0, 5.0) == 0.0
    assert ospa(none, one, 2.0, 5.0) == ospa(one, none, 2.0, 5.0) == 5.0
    assert gospa(none, none, 2.0, 5.0).distance == 0.0
    missed, false = gospa(none, one, 2.0, 5.0), gospa(one, none, 2.0, 5.0)
    assert (missed.missed, missed.false) == (12.5, 0.0)
    assert (false.missed, false.false) == (0.0, 12.5)


def test_gospa_splits_a_pair_beyond_the_cutoff() -> None:
    got = gospa([(0, 0), (9, 9)], [(1, 0), (-9, -9)], 2.0, 4.0)
    assert [got.localisation, got.missed, got.false] == pytest.approx([1.0, 8.0, 8.0])


SETS = st.integers(0, 2**32 - 1)


@settings(max_examples=100, deadline=None)
@given(seed=SETS, p=st.sampled_from([1.0, 2.0, 4.0]), c=st.floats(0.5, 20.0))
def test_ospa_is_a_metric(seed: int, p: float, c: float) -> None:
    rng = np.random.default_rng(seed)
    X, Y, Z = (rng.uniform(-10, 10, (rng.integers(0, 5), 2)) for _ in range(3))
    xy, yz, xz = ospa(X, Y, p, c), ospa(Y, Z, p, c), ospa(X, Z, p, c)
    assert xy == pytest.approx(ospa(Y, X, p, c))
    assert ospa(X, rng.permutation(X), p, c) == pytest.approx(0.0, abs=1e-12)
    assert 0.0 <= xy <= c * (1 + 1e-12)
    assert xz <= xy + yz + 1e-9


@settings(max_examples=100, deadline=None)
@given(seed=SETS, p=st.sampled_from([1.0, 2.0, 4.0]), alpha=st.floats(0.5, 2.0))
def test_gospa_is_a_metric(seed: int, p: float, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    X, Y, Z = (rng.uniform(-3, 3, (rng.integers(0, 5), 2)) for _ in range(3))
    xy, yz, xz = (gospa(a, b, p, 2.0, alpha).distance for a, b in ((X, Y), (Y, Z), (X, Z)))
    assert xy == pytest.approx(gospa(Y, X, p, 2.0, alpha).distance)
    assert xz <= xy + yz + 1e-9


def test_orders_whose_powers_no_float_holds_still_have_a_distance() -> None:
    for order in (1000.0, 1e6):
        parts = gospa([[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0]], order, 10.0)
        assert parts.distance == pytest.approx(10.0, rel=1e-3)
        assert (parts.localisation, parts.missed, parts.false) == (0.0, 0.0, np.inf)


@pytest.mark.parametrize(("p", "c"), [(0.5, 1.0), (math.nan, 1.0), (1.0, 0.0), (1.0, -1.0)])
def test_orders_and_cutoffs_out_of_range_are_refused(p: float, c: float) -> None:
    with pytest.raises(ConfigError):
        ospa([], [], p, c)
    with pytest.raises(ConfigError):
        gospa([], [], p, c)


def test_alpha_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="alpha"):
        gospa([], [], 1.0, 1.0, 2.5)


Row = tuple[float, int, float]  # time, identity, x


def _score(tracks: list[Row], truth: list[Row], tentative: list[Row] | None = None, **options: Any) -> TrackingScore:
    rows = tracks + (tentative or [])
    return evaluate_tracks(
        track_time_s=[t for t, _, _ in rows],
        track_id=[i for _, i, _ in rows],
        is_confirmed=[True] * len(tracks) + [False] * len(tentative or []),
        track_position_m=[(x, 0.0) for _, _, x in rows],
        truth_time_s=[t for t, _, _ in truth],
        target_id=[i for _, i, _ in truth],
        truth_position_m=[(x, 0.0) for _, _, x in truth],
        **options,
    )


def test_perfect_tracks() -> None:
    truth = [(0.1 * t, k, 5.0 * k + t) for t in range(10) for k in range(2)]
    score = _score([(t, k + 1, x) for t, k, x in truth], truth)
    assert (score.frames, score.truth_targets, score.confirmed_tracks, score.identity_switches) == (10, 2, 2, 0)
    assert score.median_position_error_m == score.mean_ospa_m == score.missed_share == score.false_share == 0.0
    assert score.settings == ScoreSettings(match_distance_m=1.0, ospa_order=2.0, ospa_cutoff_m=2.0)


@pytest.mark.parametrize(
    ("ids", "switches"),
    [
        ("1111", 0),
        ("1122", 1),
        ("1.11", 0),  # a gap is no switch
        ("1.22", 1),  # against the last known identity, however long ago
        ("1212", 3),
        (".111", 0),
        ("1..1", 0),
    ],
)
def test_a_switch_is_a_change_against_the_last_known_identity(ids: str, switches: int) -> None:
    truth = [(float(t), 7, 0.0) for t in range(len(ids))]
    tracks = [(float(t), int(i), 0.1) for t, i in enumerate(ids) if i != "."]
    score = _score(tracks, truth)
    assert score.identity_switches == switches
    assert score.missed_share == ids.count(".") / len(ids)


def test_a_swap_counts_for_both_targets() -> None:
    truth = [(float(t), k, 5.0 * k) for t in range(4) for k in range(2)]
    tracks = [(float(t), 1 + (k + t // 2) % 2, 5.0 * k) for t in range(4) for k in range(2)]
    assert _score(tracks, truth).identity_switches == 2


def test_a_match_is_kept_while_within_the_threshold_although_another_track_is_nearer() -> None:
    truth = [(0.0, 7, 0.0), (1.0, 7, 0.0)]
    tracks = [(0.0, 1, 0.0), (1.0, 1, 0.9), (1.0, 2, 0.0)]
    kept = _score(tracks, truth)
    assert kept.identity_switches == 0
    assert kept.false_share == pytest.approx(1 / 3)
    assert _score(tracks, truth, match_distance_m=0.8).identity_switches == 1


def test_the_most_recent_match_keeps_the_track() -> None:
    # Track 1 was target 7's, then target 8's; both targets are within reach at the end and 8 keeps it.
    truth = [(0.0, 7, 0.0), (1.0, 8, 0.3), (2.0, 7, 0.0), (2.0, 8, 0.3)]
    score = _score([(0.0, 1, 0.0), (1.0, 1, 0.3), (2.0, 1, 0.0)], truth)
    assert score.identity_switches == 0
    assert score.missed_share == pytest.approx(1 / 4)
    assert score.p90_position_error_m == pytest.approx(np.quantile([0.0, 0.0, 0.3], 0.9))


def test_as_many_pairs_as_possible_come_before_the_least_distance() -> None:
    # Track 1 is close to both targets, track 2 only in reach of target 0.
    score = _score([(0.0, 1, 0.0), (0.0, 2, -0.9)], [(0.0, 0, 0.0), (0.0, 1, 0.9)])
    assert score.missed_share == score.false_share == 0.0


def test_tentative_tracks_do_not_count() -> None:
    score = _score([], [(0.0, 0, 0.0), (1.0, 0, 0.0)], tentative=[(0.0, 1, 0.0), (1.0, 1, 0.0)])
    assert (score.confirmed_tracks, score.missed_share, score.false_share) == (0, 1.0, None)
    assert score.median_position_error_m is None
    assert score.mean_ospa_m == 2.0


def test_rows_match_the_nearest_instant_within_half_a_frame() -> None:
    truth = [(0.1 * t, 0, float(t)) for t in range(10)]
    jittered = [(0.1 * t + 0.049, 1, float(t)) for t in range(10)]
    score = _score(jittered, truth)
    assert (score.frames, score.p90_position_error_m) == (10, 0.0)


def test_tracks_where_nothing_is_true_are_false() -> None:
    truth = [(float(t), 0, 0.0) for t in range(4)]
    score = _score([(float(t), 1, 0.0) for t in range(8)], truth)
    assert (score.frames, score.false_share, score.mean_ospa_m) == (8, 0.5, 1.0)
    only_truth = _score([(float(t), 1, 0.0) for t in range(8)], truth, frame_time_s=np.arange(4.0))
    assert (only_truth.frames, only_truth.false_share) == (4, 0.0)


def test_frames_without_anything_count_as_perfect() -> None:
    score = _score([(0.0, 1, 0.0)], [], frame_time_s=np.arange(4.0))
    assert (score.frames, score.truth_targets, score.missed_share) == (4, 0, None)
    assert score.mean_ospa_m == pytest.approx(0.5)


def test_several_states_at_one_instant_count_once() -> None:
    truth = [(float(t), 0, 0.0) for t in range(3)]
    tracks = [(t, 1, x) for k in range(3) for t, x in ((k - 0.3, 0.5), (k + 0.1, 0.2), (k + 0.3, 0.5))]
    score = _score(tracks, truth)
    assert (score.frames, score.false_share) == (3, 0.0)
    assert score.median_position_error_m == pytest.approx(0.2)


def test_nothing_at_all() -> None:
    score = _score([], [])
    assert (score.frames, score.mean_ospa_m, score.mean_gospa_m, score.missed_share) == (0, None, None, None)


def test_averages_are_of_the_metrics_frame_by_frame() -> None:
    rng = np.random.default_rng(5)
    truth = [(float(t), k, float(rng.uniform(0, 9))) for t in range(20) for k in range(3)]
    tracks = [(t, k, x + float(rng.normal(0, 0.5))) for t, k, x in truth if rng.random() < 0.8]
    score = _score(tracks, truth, ospa_order=1.0, ospa_cutoff_m=1.5)
    per_frame = [
        [ospa(X, Y, 1.0, 1.5), gospa(X, Y, 1.0, 1.5).distance]
        for f in range(20)
        for X, Y in [([(x, 0.0) for t, _, x in tracks if t == f], [(x, 0.0) for t, _, x in truth if t == f])]
    ]
    assert [score.mean_ospa_m, score.mean_gospa_m] == pytest.approx(list(np.mean(per_frame, axis=0)))


def test_a_match_distance_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="match_distance_m"):
        _score([], [], match_distance_m=0.0)
