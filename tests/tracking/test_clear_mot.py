"""CLEAR-MOT counts on examples that can be counted by hand, and the score that joins all metrics."""

import math

import numpy as np
import pytest

from isactrack.errors import ConfigError
from isactrack.tracking import LabelledSet, ScoreSettings, clear_mot, evaluate_tracks, gospa, ospa, score_scans
from isactrack.tracking.metrics_ospa import ospa_over_time


def row(text: str, positions: dict[str, float]) -> list[LabelledSet]:
    """Return scans of one word each; every letter is an identity at its position on the x axis."""
    return [
        LabelledSet.of([ord(letter) for letter in word], [(positions[letter], 0.0) for letter in word])
        for word in (text.split(" ") if text else [])
    ]


AT = {"A": 0.0, "B": 10.0, "a": 0.25, "b": 10.5, "c": 0.5, "x": 50.0}


@pytest.mark.parametrize(
    ("truth", "tracks", "matches", "misses", "false", "switches", "fragments"),
    [
        ("A A A", "a a a", 3, 0, 0, 0, 0),
        ("AB AB AB", "ab ab ab", 6, 0, 0, 0, 0),
        ("AB AB AB", "ab a ab", 5, 1, 0, 0, 1),  # B is lost and found again
        ("A A A A", "a  a a", 3, 1, 0, 0, 1),
        ("A A A A", "a  c c", 3, 1, 0, 1, 1),  # found again by another track: a switch too
        ("A A A", "a c a", 3, 0, 0, 2, 0),  # a switch without a gap is no fragmentation
        ("A A A", " a a", 2, 1, 0, 0, 0),  # late is not interrupted
        ("A A A", "a  ", 1, 2, 0, 0, 0),  # nor is lost for good
        ("A A A", "a a ax", 3, 0, 1, 0, 0),
        ("A  A", "a  a", 2, 0, 0, 0, 0),  # a target that is not there is not lost
        ("A A A A A A", "a  a  a a", 4, 2, 0, 0, 2),
        ("AB", "x", 0, 2, 1, 0, 0),
        ("A A", "ac ca", 2, 0, 2, 0, 0),
    ],
)
def test_hand_counts(
    truth: str, tracks: str, matches: int, misses: int, false: int, switches: int, fragments: int
) -> None:
    truths, estimates = row(truth, AT), row(tracks, AT)
    got = clear_mot(estimates, truths, 1.0)
    assert (got.matches, got.misses, got.false_positives) == (matches, misses, false)
    assert (got.switches, got.fragmentations) == (switches, fragments)
    assert got.matches + got.misses == got.truth_points
    assert got.matches + got.false_positives == got.track_points
    assert got.mota == pytest.approx(1 - (misses + false + switches) / got.truth_points)
    assert len(got.pairs) == len(got.error_m) == matches


def test_motp_is_the_mean_distance_and_mota_may_be_negative() -> None:
    got = clear_mot(row("AB AB", AT), row("AB AB", AT), 1.0)
    assert (got.motp_m, got.mota) == (0.0, 1.0)
    got = clear_mot(row("ab ab", AT), row("AB AB", AT), 1.0)
    assert got.motp_m == pytest.approx(0.375)
    assert got.error_m.tolist() == pytest.approx([0.25, 0.5, 0.25, 0.5])
    assert got.pairs.tolist() == [[0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]]
    assert clear_mot(row("bcx", AT), row("A", AT), 0.1).mota == -3.0
    nothing = clear_mot([], [], 1.0)
    assert (nothing.mota, nothing.motp_m, nothing.pairs.shape) == (None, None, (0, 3))


@pytest.mark.parametrize("distance", [0.0, -1.0, math.nan, math.inf])
def test_distances_out_of_range_are_refused(distance: float) -> None:
    with pytest.raises(ConfigError, match="match_distance_m"):
        clear_mot([], [], distance)


def test_the_score_is_what_its_metrics_say() -> None:
    rng = np.random.default_rng(6)
    truths = [LabelledSet.of([1, 2, 3], [(x + t, 0.0) for x in (0, 5, 9)], [(1.0, 0.0)] * 3) for t in range(12)]
    estimates = [
        LabelledSet.of([4, 5], s.state[:2, ::2] + rng.normal(0, 0.3, (2, 2)), s.state[:2, 1::2]) for s in truths
    ]
    parameters = ScoreSettings(ospa_order=1.0, ospa_cutoff_m=1.5, label_penalty_m=0.5, base="state", switch_penalty_m=1)
    score = score_scans(estimates, truths, parameters)
    parts = [gospa(e.state, t.state, 1.0, 1.5) for e, t in zip(estimates, truths, strict=True)]
    assert score.mean_ospa_m == pytest.approx(
        np.mean([ospa(e.state, t.state, 1.0, 1.5) for e, t in zip(estimates, truths, strict=True)])
    )
    assert score.mean_labelled_ospa_m == pytest.approx(ospa_over_time(estimates, truths, parameters.labelled).mean())
    assert score.mean_gospa_m == pytest.approx(np.mean([part.distance for part in parts]))
    assert score.mean_gospa_missed == pytest.approx(0.75)
    assert score.mean_gospa_false == 0.0
    assert score.mean_gospa_localisation == pytest.approx(np.mean([part.localisation for part in parts]))
    assert score.rmse_m == pytest.approx(math.sqrt(np.mean(score.clear_mot.error_m**2)))
    assert score.trajectory_gospa is not None
    assert score.trajectory_gospa.switching == 0.0
    assert score.nees is None
    assert score.settings == parameters


def test_infinite_order_has_ospa_but_no_gospa() -> None:
    score = score_scans(row("a", AT), row("A", AT), ScoreSettings(ospa_order=math.inf))
    assert (score.mean_ospa_m, score.mean_gospa_m, score.mean_gospa_missed) == (0.25, None, None)
    with pytest.raises(ConfigError, match="finite order"):
        ScoreSettings(ospa_order=math.inf, switch_penalty_m=1.0)


def test_the_penalty_follows_the_cutoff_unless_it_is_given() -> None:
    assert ScoreSettings(ospa_cutoff_m=0.5).labelled.label_penalty == 0.25
    with pytest.raises(ConfigError, match="penalty"):
        ScoreSettings(ospa_cutoff_m=0.5, label_penalty_m=1.0)


def test_nees_is_of_the_matched_rows_of_confirmed_tracks() -> None:
    covariance = np.stack([np.diag([k, 100.0, 4.0 * k, 100.0]) for k in (1.0, 2.0, 3.0, 4.0)])
    score = evaluate_tracks(
        track_time_s=[1.0, 0.0, 0.0, 1.0],
        track_id=[1, 1, 2, 3],
        is_confirmed=[True, True, False, True],
        track_position_m=[(0.5, 0.0), (0.0, 0.5), (0.0, 0.0), (90.0, 0.0)],
        truth_time_s=[0.0, 1.0],
        target_id=[7, 7],
        truth_position_m=[(0.0, 0.0), (0.0, 0.0)],
        track_covariance=covariance,
    )
    assert score.nees is not None
    assert (score.nees.samples, score.nees.dimension) == (2, 2)
    assert score.nees.mean == pytest.approx(np.mean([0.25 / 1.0, 0.25 / 8.0]))
