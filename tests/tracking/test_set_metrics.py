"""OSPA of any order, labelled OSPA, the metric of whole trajectories: against brute force and as metrics."""

import math
from collections.abc import Callable
from datetime import datetime
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.tracking import (
    LabelledSet,
    OspaSettings,
    assign_labels,
    gospa,
    labelled_ospa,
    mospa,
    ospa,
    ospa_over_time,
    trajectory_gospa,
)
from isactrack.tracks import Track, TrackStatus
from isactrack.truth import Truth

FloatArray = NDArray[np.float64]
Scans = list[LabelledSet]
SEEDS = st.integers(0, 2**32 - 1)


def brute(m: int, n: int, distance: Callable[[int, int], float], p: float, c: float) -> float:
    """Return OSPA over all permutations, straight from its definition."""
    if m > n:
        return brute(n, m, lambda i, j: distance(j, i), p, c)
    if n == 0:
        return 0.0
    costs = [
        [min(c, distance(i, j)) for i, j in enumerate(chosen)] + [c] * (n - m)
        for chosen in permutations(range(n), m)
    ]  # fmt: skip
    if math.isinf(p):
        return min(max(cost) for cost in costs)
    return float(min(sum(x**p for x in cost) / n for cost in costs) ** (1 / p))


def random_set(rng: np.random.Generator, largest: int = 5, labels: int = 6) -> LabelledSet:
    n = int(rng.integers(0, min(largest, labels) + 1))
    state = rng.integers(0, 8, (n, 4)).astype(np.float64)
    return LabelledSet(rng.permutation(labels)[:n].astype(np.int64), state)


# --- OSPA ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("c", [2.0, 10.0])
def test_ospa_is_the_best_of_all_permutations(p: float, c: float) -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        X, Y = rng.integers(0, 8, (rng.integers(0, 6), 2)), rng.integers(0, 8, (rng.integers(0, 6), 2))
        want = brute(len(X), len(Y), lambda i, j, X=X, Y=Y: math.dist(X[i], Y[j]), p, c)  # type: ignore[misc]
        assert ospa(X, Y, p, c) == pytest.approx(want)


def test_infinite_order_assigns_by_the_largest_distance() -> None:
    # The least sum pairs the points that coincide and leaves 4; the least largest distance is 3.
    X, Y = [(0.0, 0.0), (1.0, 0.0)], [(1.0, 0.0), (4.0, 0.0)]
    assert ospa(X, Y, 1.0, 10.0) == pytest.approx(2.0)
    assert ospa(X, Y, math.inf, 10.0) == pytest.approx(3.0)
    assert ospa(X, Y[:1], math.inf, 10.0) == 10.0
    assert ospa([], [], math.inf, 10.0) == 0.0


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, c=st.floats(0.5, 20.0))
def test_ospa_of_infinite_order_is_a_metric_and_the_limit(seed: int, c: float) -> None:
    rng = np.random.default_rng(seed)
    X, Y, Z = (rng.uniform(-10, 10, (rng.integers(0, 5), 2)) for _ in range(3))
    xy, yz, xz = (ospa(a, b, math.inf, c) for a, b in ((X, Y), (Y, Z), (X, Z)))
    assert xy == ospa(Y, X, math.inf, c)
    assert ospa(X, rng.permutation(X), math.inf, c) == 0.0
    assert xz <= xy + yz + 1e-9
    assert xy == pytest.approx(ospa(X, Y, 1e4, c), rel=1e-3)


# --- labelled OSPA -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["position", "state"])
@pytest.mark.parametrize(
    ("p", "q", "c", "alpha"), [(1, 1, 5, 2), (2, 2, 10, 1), (2, 1, 3, 3), (math.inf, 2, 4, 1), (2, math.inf, 6, 4)]
)
def test_labelled_ospa_is_the_best_of_all_permutations(base: Any, p: float, q: float, c: float, alpha: float) -> None:
    rng = np.random.default_rng(11)
    parameters = OspaSettings(order=p, cutoff=c, label_penalty=alpha, label_order=q, base=base)
    columns = [0, 2] if base == "position" else [0, 1, 2, 3]
    for _ in range(100):
        X, Y = random_set(rng, 4), random_set(rng, 4)

        def distance(i: int, j: int, X: LabelledSet = X, Y: LabelledSet = Y) -> float:
            d = math.dist(X.state[i, columns], Y.state[j, columns])
            wrong = alpha if X.label[i] != Y.label[j] else 0.0
            return max(d, wrong) if math.isinf(q) else float((d**q + wrong**q) ** (1 / q))

        assert labelled_ospa(X, Y, parameters) == pytest.approx(brute(len(X.label), len(Y.label), distance, p, c))


def test_without_a_penalty_labelled_ospa_is_ospa() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        X, Y = random_set(rng), random_set(rng)
        parameters = OspaSettings(order=2, cutoff=5, label_penalty=0, base="position")
        assert labelled_ospa(X, Y, parameters) == pytest.approx(ospa(X.state[:, ::2], Y.state[:, ::2], 2.0, 5.0))


@settings(max_examples=150, deadline=None)
@given(
    seed=SEEDS,
    p=st.sampled_from([1.0, 2.0, math.inf]),
    q=st.sampled_from([1.0, 2.0, math.inf]),
    share=st.floats(0.0, 1.0),
)
def test_labelled_ospa_is_a_metric(seed: int, p: float, q: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    parameters = OspaSettings(order=p, cutoff=6.0, label_penalty=6.0 * share, label_order=q)
    X, Y, Z = (random_set(rng, 4, 5) for _ in range(3))
    xy, yz, xz = (labelled_ospa(a, b, parameters) for a, b in ((X, Y), (Y, Z), (X, Z)))
    assert xy == pytest.approx(labelled_ospa(Y, X, parameters))
    assert labelled_ospa(X, X, parameters) == 0.0
    assert 0.0 <= xy <= 6.0 * (1 + 1e-12)
    assert xz <= xy + yz + 1e-9


def line(label: int, x: float, frames: range) -> dict[int, tuple[int, float]]:
    return dict.fromkeys(frames, (label, x))


def scans(frames: int, *paths: dict[int, tuple[int, float]]) -> Scans:
    """Return the sets of points on the x axis, one path a label."""
    rows = [[path[frame] for path in paths if frame in path] for frame in range(frames)]
    return [LabelledSet.of([i for i, _ in row], [(x, 0.0) for _, x in row], [(0.0, 0.0) for _ in row]) for row in rows]


def test_labels_are_assigned_once_for_the_whole_scenario() -> None:
    truths = scans(10, line(1, 0.0, range(10)), line(2, 20.0, range(10)))
    # Track 7 follows target 1 for 6 scans, track 8 for the other 4; track 9 follows target 2.
    estimates = scans(10, line(7, 0.0, range(6)), line(8, 0.0, range(6, 10)), line(9, 20.0, range(10)))
    parameters = OspaSettings(order=1, cutoff=10, label_penalty=3)
    assert assign_labels(estimates, truths, parameters) == {7: 1, 9: 2}
    got = ospa_over_time(estimates, truths, parameters)
    assert got == pytest.approx([0.0] * 6 + [1.5] * 4)  # one of two labels is wrong at 3
    assert ospa_over_time(estimates, truths, OspaSettings(label_penalty=0)) == pytest.approx(np.zeros(10))


def test_a_label_goes_to_the_target_it_follows_however_long_that_lives() -> None:
    truths = scans(60, line(1, 0.0, range(60)), line(2, 50.0, range(5)))
    assert assign_labels(scans(60, line(3, 0.1, range(40, 60))), truths) == {3: 1}


def test_a_label_that_is_never_near_a_target_stands_for_none() -> None:
    truths = scans(5, line(1, 0.0, range(5)))
    assert assign_labels(scans(5, line(1, 90.0, range(5))), truths) == {}
    assert assign_labels([], []) == {}
    assert ospa_over_time([], []).shape == (0,)


def test_two_tracks_that_swap_are_wrong_while_they_are_swapped() -> None:
    truths = scans(10, line(1, 0.0, range(10)), line(2, 1.0, range(10)))
    kept = {frame: (1, 0.0 if frame < 7 else 1.0) for frame in range(10)}
    other = {frame: (2, 1.0 if frame < 7 else 0.0) for frame in range(10)}
    got = ospa_over_time(scans(10, kept, other), truths, OspaSettings(order=2, cutoff=10, label_penalty=0.6))
    # The cheaper of the wrong label at no distance (0.6) and the right label at 1 m.
    assert got == pytest.approx([0.0] * 7 + [0.6] * 3)


def test_the_defaults_are_stated_and_printed() -> None:
    parameters = OspaSettings()
    assert str(parameters) == "p = 2, c = 10, p' = 2, alpha = 1, of the state"
    assert str(OspaSettings(label_penalty=0, base="position")) == "p = 2, c = 10, of the position"


@pytest.mark.parametrize(
    "wrong",
    [{"order": 0.5}, {"cutoff": math.inf}, {"label_penalty": 11.0}, {"label_penalty": -1.0}, {"label_order": 0.0}],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        OspaSettings(**wrong)  # type: ignore[arg-type]


def test_the_whole_state_needs_velocities() -> None:
    X = LabelledSet.of([1], [(0.0, 0.0)])
    with pytest.raises(ConfigError, match="not known in full"):
        labelled_ospa(X, X)
    with pytest.raises(ConfigError, match="base"):
        X.points("speed")  # type: ignore[arg-type]
    assert labelled_ospa(X, X, OspaSettings(base="position")) == 0.0


def test_scans_of_different_length_are_refused() -> None:
    truths = scans(3, line(1, 0.0, range(3)))
    for call in (assign_labels, ospa_over_time):
        with pytest.raises(ConfigError, match="2 sets of tracks for 3"):
            call(truths[:2], truths)


def test_sets_of_tracks_and_of_truth() -> None:
    tracks = [
        Track(k, status, 0.0, np.arange(4.0) + k, np.eye(4) * k, 3)
        for k, status in ((1, TrackStatus.CONFIRMED), (2, TrackStatus.TENTATIVE), (3, TrackStatus.COASTED))
    ]
    got = LabelledSet.of_tracks(tracks)
    assert got.label.tolist() == [1, 3]
    assert got.points("state").tolist() == [[1, 2, 3, 4], [3, 4, 5, 6]]
    assert got.points("position").tolist() == [[1, 3], [3, 5]]
    assert got.covariance is not None
    assert got.covariance[1, 0, 0] == 3.0
    assert LabelledSet.of_tracks(tracks, confirmed_only=False).label.tolist() == [1, 2, 3]
    assert LabelledSet.of_tracks([]).state.shape == (0, 4)
    truth = Truth(0.0, np.array([5]), np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    assert LabelledSet.of_truth(truth).points("state").tolist() == [[1.0, 3.0, 2.0, 4.0]]


# --- MOSPA ---------------------------------------------------------------------------------------------------------


def test_mospa_averages_the_distances_and_covers_the_mean_at_its_confidence() -> None:
    parameters = OspaSettings()
    got = mospa([[1.0, 3.0], [3.0, 5.0]], parameters)
    assert got.per_scan.tolist() == [2.0, 4.0]
    assert (got.time_average, got.trials, got.settings) == (3.0, 2, parameters)
    assert got.half_width == pytest.approx(12.706 * math.sqrt(2.0) / math.sqrt(2.0), rel=1e-4)
    assert math.isnan(mospa([[1.0]], parameters).half_width)
    rng = np.random.default_rng(2)
    runs = [mospa(rng.normal(5.0, 1.0, (8, 4)), parameters) for _ in range(2000)]
    inside = np.mean([abs(run.time_average - 5.0) <= run.half_width for run in runs])
    assert 0.935 <= inside <= 0.965
    with pytest.raises(ConfigError):
        mospa([], parameters)


# --- GOSPA over trajectories ---------------------------------------------------------------------------------------


def random_scans(rng: np.random.Generator, frames: int, labels: int) -> Scans:
    return [
        LabelledSet.of(chosen, rng.uniform(0.0, 3.0, (chosen.size, 2)))
        for chosen in (np.flatnonzero(rng.random(labels) < 0.7) for _ in range(frames))
    ]


def brute_trajectory_gospa(estimates: Scans, truths: Scans, p: float, c: float, gamma: float) -> float:
    """Return the metric over all sequences of whole assignments."""
    tracks = sorted({int(i) for e in estimates for i in e.label})
    targets = sorted({int(i) for t in truths for i in t.label})
    choices = [
        partner
        for partner in product([*tracks, None], repeat=len(targets))
        if len({t for t in partner if t is not None}) == sum(t is not None for t in partner)
    ]

    def cost(partner: tuple[int | None, ...], estimate: LabelledSet, truth: LabelledSet) -> float:
        total: float = 0.0
        used = 0
        for target, track in zip(targets, partner, strict=True):
            there, here = np.flatnonzero(truth.label == target), np.flatnonzero(estimate.label == track)
            if there.size and track is not None and here.size:
                d = math.dist(truth.state[there[0], ::2], estimate.state[here[0], ::2])
                total, used = total + float(min(d, c) ** p), used + 1
            elif there.size:
                total += c**p / 2
        return float(total + (len(estimate.label) - used) * c**p / 2)

    def change(before: tuple[int | None, ...], after: tuple[int | None, ...]) -> float:
        return math.fsum(
            0.0 if a == b else gamma**p * (0.5 if a is None or b is None else 1.0)
            for a, b in zip(before, after, strict=True)
        )

    best = {partner: cost(partner, estimates[0], truths[0]) for partner in choices}
    for estimate, truth in zip(estimates[1:], truths[1:], strict=True):
        best = {
            after: min(value + change(before, after) for before, value in best.items()) + cost(after, estimate, truth)
            for after in choices
        }
    return float(min(best.values()) ** (1 / p))


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("gamma", [0.0, 0.4, 3.0])
def test_trajectory_gospa_is_the_best_of_all_sequences_of_assignments(p: float, gamma: float) -> None:
    rng = np.random.default_rng(int(10 * p + gamma))
    for _ in range(10):
        estimates, truths = random_scans(rng, 4, 2), random_scans(rng, 4, 2)
        got = trajectory_gospa(estimates, truths, p, 2.0, gamma)
        want = brute_trajectory_gospa(estimates, truths, p, 2.0, gamma)
        # The linear program may do better than whole assignments, but with two labels hardly does.
        assert got.distance <= want + 1e-9
        assert got.distance == pytest.approx(want, rel=0.02)
        assert got.distance**p == pytest.approx(got.localisation + got.missed + got.false + got.switching)


def test_without_a_penalty_it_is_gospa_scan_by_scan() -> None:
    rng = np.random.default_rng(8)
    estimates, truths = random_scans(rng, 6, 4), random_scans(rng, 6, 4)
    got = trajectory_gospa(estimates, truths, 2.0, 1.5, 0.0)
    parts = [gospa(e.state[:, ::2], t.state[:, ::2], 2.0, 1.5) for e, t in zip(estimates, truths, strict=True)]
    for name in ("localisation", "missed", "false"):
        assert getattr(got, name) == pytest.approx(sum(getattr(part, name) for part in parts))
    assert got.per_frame == pytest.approx(math.sqrt(sum(part.distance**2 for part in parts) / 6))


def test_a_switch_costs_the_penalty_and_a_half_switch_half() -> None:
    truths = scans(6, line(1, 0.0, range(6)))
    whole = scans(6, line(7, 0.0, range(3)), line(8, 0.0, range(3, 6)))
    got = trajectory_gospa(whole, truths, 2.0, 2.0, 0.5)
    assert (got.switches, got.switching, got.distance) == pytest.approx((1.0, 0.25, 0.5))
    late = trajectory_gospa(scans(6, line(7, 0.0, range(3, 6))), truths, 2.0, 2.0, 0.5)
    # Being assigned to nobody from the start costs no switch: the pair is held while the track is not there.
    assert (late.switches, late.missed) == pytest.approx((0.0, 6.0))
    two = scans(6, line(7, 0.0, range(6)), line(8, 90.0, range(6)))
    swap = [s._replace(label=s.label[::-1]) if k >= 3 else s for k, s in enumerate(two)]
    both = scans(6, line(1, 0.0, range(6)), line(2, 90.0, range(6)))
    assert trajectory_gospa(swap, both, 1.0, 2.0, 0.5).switching == pytest.approx(1.0)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, p=st.sampled_from([1.0, 2.0]), gamma=st.floats(0.0, 2.0))
def test_trajectory_gospa_is_a_metric(seed: int, p: float, gamma: float) -> None:
    # The solver's tolerance, some 1e-8 in the p-th power, is 1e-4 in a distance near 0.
    rng = np.random.default_rng(seed)
    X, Y, Z = (random_scans(rng, 3, 3) for _ in range(3))
    xy, yz, xz = (trajectory_gospa(a, b, p, 1.5, gamma).distance for a, b in ((X, Y), (Y, Z), (X, Z)))
    assert xy == pytest.approx(trajectory_gospa(Y, X, p, 1.5, gamma).distance, abs=2e-4)
    assert trajectory_gospa(X, X, p, 1.5, gamma).distance == pytest.approx(0.0, abs=2e-4)
    assert xz <= xy + yz + 2e-4


def test_nothing_and_wrong_penalties() -> None:
    assert trajectory_gospa([], [], 2.0, 1.0, 1.0).distance == trajectory_gospa([], [], 2.0, 1.0, 1.0).per_frame == 0.0
    with pytest.raises(ConfigError, match="penalty"):
        trajectory_gospa([], [], 2.0, 1.0, -1.0)
    with pytest.raises(ConfigError, match="order"):
        trajectory_gospa([], [], math.inf, 1.0, 1.0)


# --- a peer --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_stone_soup_agrees_where_it_is_right() -> None:
    # Its OSPA assigns by the distance instead of its power, so only order 1 can be compared.
    reason = "the peer of this test is not installed"
    metrics = pytest.importorskip("stonesoup.metricgenerator.ospametric", reason=reason)
    State = pytest.importorskip("stonesoup.types.state", reason=reason).State
    Euclidean = pytest.importorskip("stonesoup.measures", reason=reason).Euclidean
    start = datetime(2020, 1, 1)
    measure = Euclidean(mapping=[0, 1])
    rng = np.random.default_rng(4)

    def states(points: FloatArray) -> list[Any]:
        return [State(point.reshape(-1, 1), timestamp=start) for point in points]

    for _ in range(60):
        X, Y = (rng.uniform(0, 8, (rng.integers(1, 5), 2)) for _ in range(2))
        peer = metrics.OSPAMetric(p=1, c=3.0, measure=measure).compute_OSPA_distance(states(X), states(Y)).value
        assert ospa(X, Y, 1.0, 3.0) == pytest.approx(float(peer))
        for p in (1, 2, 3):
            metric, _ = metrics.GOSPAMetric(p=p, c=3.0, measure=measure).compute_gospa_metric(states(X), states(Y))
            got = gospa(X, Y, p, 3.0)
            assert got.distance == pytest.approx(float(metric.value["distance"]))
            for name in ("localisation", "missed", "false"):
                assert getattr(got, name) == pytest.approx(float(metric.value[name]), abs=1e-9)
