"""Any association method, noise and filter behind one tracker: update, birth, extrapolation, existence."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from isactrack.detections import Detections
from isactrack.errors import ConfigError, IsacError
from isactrack.geometry import polar_covariance_to_xy, radial_velocity, xy_to_polar
from isactrack.tracking import Tracker, TrackerConfig, kalman, paper_config, step_numpy
from isactrack.tracking.association import Association
from isactrack.tracking.step_numpy import Measured, Weighing
from isactrack.tracks import TrackStatus

FloatArray = NDArray[np.float64]
METHODS = ["gnn", "pda", "jpda", "spa", "penalty"]
FILTERS = ["kf", "subkf", "ekf"]
H = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]])


def _detections(
    time_s: float, position_m: ArrayLike, radial_velocity_mps: ArrayLike = 0.0, std: float = 0.05
) -> Detections:
    position = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    r, azimuth = xy_to_polar(position)
    return Detections(
        time_s=time_s,
        position_m=position,
        covariance_m2=np.tile(std**2 * np.eye(2), (len(position), 1, 1)),
        radial_velocity_mps=np.broadcast_to(np.asarray(radial_velocity_mps, dtype=np.float64), r.shape).copy(),
        radial_velocity_std_mps=np.full(r.shape, 0.02),
        snr_db=np.full(r.shape, 20.0),
        range_m=r,
        azimuth_rad=azimuth,
    )


def _covariances(rng: np.random.Generator, count: int, size: int, scale: float) -> FloatArray:
    root = scale * rng.standard_normal((count, size, size))
    return np.asarray(root @ root.transpose(0, 2, 1) + 1e-3 * scale**2 * np.eye(size))


def _scene(seed: int, n: int = 3, m: int = 4, same_noise: bool = False) -> tuple[FloatArray, FloatArray, Measured]:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-1.0, 1.0, (n, 4)) + np.array([0.0, 0.0, 4.0, 0.0])
    noise = _covariances(rng, m, 2, 0.3)
    return (
        mean,
        _covariances(rng, n, 4, 0.5),
        Measured(
            rng.uniform(-1.0, 1.0, (m, 2)) + np.array([0.0, 4.0]),
            np.tile(noise[:1], (m, 1, 1)) if same_noise else noise,
            rng.uniform(-1.0, 1.0, m),
            rng.uniform(0.05, 0.3, m) ** 2,
        ),
    )


def _probability(seed: int, n: int, m: int) -> FloatArray:
    weight = np.random.default_rng(seed).uniform(0.0, 1.0, (n, m))
    return np.asarray(weight / (1.0 + weight.sum(axis=1, keepdims=True)))


# --- likelihood ratios -----------------------------------------------------------------------------------------------


def _pair(mean: FloatArray, P: FloatArray, measured: Measured, h: int) -> tuple[FloatArray, FloatArray]:
    """Return residual (3,) and covariance (3, 3) of a pair as mnomp-spa-kf eq. 33 and 34b write them."""
    velocity, variance, cross = kalman.predicted_radial_velocity(mean[None], P[None])
    bias, curved = kalman.radial_velocity_second_order(mean[None], P[None])
    S = np.zeros((3, 3))
    S[:2, :2] = H @ P @ H.T + measured.noise_m2[h]
    S[:2, 2] = S[2, :2] = cross[0]
    S[2, 2] = variance[0] + curved[0] + measured.radial_variance[h]
    velocity_error = measured.radial_velocity_mps[h] - velocity[0] - bias[0]
    return np.append(measured.position_m[h] - H @ mean, velocity_error), S


@pytest.mark.parametrize(("gate_velocity", "weight_velocity"), [(False, False), (True, False), (True, True)])
def test_ratios_are_those_of_the_contract(gate_velocity: bool, weight_velocity: bool) -> None:
    """Brute force: P_D f(z) / ((1 - P_D P_G) lambda), gated by the 2x2 or 3x3 Mahalanobis distance."""
    config = TrackerConfig(
        use_radial_velocity=gate_velocity, weight_radial_velocity=weight_velocity, detection_probability=0.8,
        clutter_density=0.03, gate_probability=0.9,
    )  # fmt: skip
    mean, covariance, measured = _scene(1, n=6, m=20)
    weighing = Weighing(config.gate, gate_velocity, weight_velocity, config.log_odds)
    got = step_numpy.likelihood_ratios(mean, covariance, measured, weighing)
    inside = 0
    for k in range(len(mean)):
        for h in range(len(measured.position_m)):
            e, S = _pair(mean[k], covariance[k], measured, h)
            gate_size, size = (3 if gate_velocity else 2), (3 if weight_velocity else 2)
            distance = e[:gate_size] @ np.linalg.solve(S[:gate_size, :gate_size], e[:gate_size])
            e, S = e[:size], S[:size, :size]
            density = np.exp(-0.5 * e @ np.linalg.solve(S, e)) / np.sqrt(np.linalg.det(2.0 * np.pi * S))
            expected = 0.8 * density / ((1.0 - 0.8 * 0.9) * 0.03) if distance <= config.gate else 0.0
            inside += int(distance <= config.gate)
            assert got[k, h] == pytest.approx(expected, rel=1e-9)
    assert 5 < inside < 115


@pytest.mark.parametrize("weight_velocity", [False, True])
def test_without_a_clutter_density_no_gated_pair_is_less_likely_than_a_miss(weight_velocity: bool) -> None:
    mean, covariance, measured = _scene(2, n=6, m=40)
    gate = TrackerConfig().gate
    ratio = step_numpy.likelihood_ratios(mean, covariance, measured, Weighing(gate, True, weight_velocity, np.nan))
    assert (ratio[ratio > 0.0] >= 1.0).all()
    known = step_numpy.likelihood_ratios(mean, covariance, measured, Weighing(gate, True, weight_velocity, 1.0))
    both = ratio[known > 0.0] / known[known > 0.0]
    np.testing.assert_allclose(both, both[0])  # the same but for one factor


def test_gate_lets_its_share_of_a_new_target_s_detections_through() -> None:
    """Doppler to 3 mm/s against a cross velocity that is unknown to 2 m/s: only with the curvature in the gate."""
    rng, runs = np.random.default_rng(3), 2000
    r, azimuth = rng.uniform(8.0, 24.0, runs), rng.uniform(-0.9, 0.9, runs)
    sin, cos = np.sin(azimuth), np.cos(azimuth)
    along, across = rng.uniform(-2.0, 2.0, runs), rng.normal(0.0, 2.0, runs)
    position, velocity = (
        np.stack([r * sin, r * cos], -1),
        np.stack([along * sin + across * cos, along * cos - across * sin], -1),
    )
    R = polar_covariance_to_xy(r, azimuth, 0.012, 0.004)
    root = np.linalg.cholesky(R)
    config = paper_config(gate_probability=0.95)
    tracks, next_ones = [], []
    for time in (0.0, 0.1):
        moved = position + velocity * time
        z = moved + np.einsum("nij,nj->ni", root, rng.standard_normal((runs, 2)))
        v = radial_velocity(moved, velocity) + rng.normal(0.0, 0.003, runs)
        next_ones.append((z, v))
    passed = 0
    for k in range(0, runs, 4):
        tracker = Tracker(replace(config, engine="numpy"))
        for time, (z, v) in zip((0.0, 0.1), next_ones, strict=True):
            one = replace(
                _detections(time, z[k], v[k]), covariance_m2=R[k : k + 1], radial_velocity_std_mps=np.array([0.003])
            )
            tracks = tracker.step(one)
        passed += len(tracks) == 1 and tracks[0].status is TrackStatus.CONFIRMED
    assert 0.91 < passed / (runs / 4) < 0.98


# --- update ----------------------------------------------------------------------------------------------------------


def test_with_one_noise_for_all_the_update_is_the_paper_s() -> None:
    """mnomp-spa-kf, eq. 38-42, with one gain for each track."""
    mean, covariance, measured = _scene(4, same_noise=True)
    probability = _probability(5, 3, 4)
    got_mean, got_P = step_numpy.update(mean, covariance, measured, probability, False)
    for k in range(3):
        P, R, beta = covariance[k], measured.noise_m2[0], probability[k]
        K = P @ H.T @ np.linalg.inv(R + H @ P @ H.T)
        e = measured.position_m - H @ mean[k]
        mixed = beta @ e
        spread = K @ ((beta[:, None] * e).T @ e - np.outer(mixed, mixed)) @ K.T
        np.testing.assert_allclose(got_mean[k], mean[k] + K @ mixed, atol=1e-12)
        np.testing.assert_allclose(got_P[k], P - beta.sum() * K @ H @ P + spread, atol=1e-12)


@pytest.mark.parametrize("use_velocity", [False, True])
def test_a_sure_association_is_the_hard_update(use_velocity: bool) -> None:
    mean, covariance, measured = _scene(6)
    probability = np.zeros((3, 4))
    probability[0, 2] = probability[2, 1] = 1.0
    got_mean, got_P = step_numpy.update(mean, covariance, measured, probability, use_velocity)
    rows, columns = [0, 2], [2, 1]
    one, P = kalman.update(mean[rows], covariance[rows], measured.position_m[columns], measured.noise_m2[columns])
    if use_velocity:
        one, P = kalman.update_radial_velocity(
            one, P, measured.radial_velocity_mps[columns], measured.radial_variance[columns]
        )
    np.testing.assert_allclose(got_mean[rows], one, atol=1e-12)
    np.testing.assert_allclose(got_P[rows], P, atol=1e-12)
    np.testing.assert_allclose(got_mean[1], mean[1])
    np.testing.assert_allclose(got_P[1], covariance[1])


def test_each_detection_counts_by_its_own_noise() -> None:
    mean, covariance, measured = _scene(7, n=1, m=2)
    sharp = measured._replace(noise_m2=np.stack([1e-6 * np.eye(2), 1e6 * np.eye(2)]))
    got, P = step_numpy.update(mean, covariance, sharp, np.array([[0.5, 0.5]]), False)
    # Half of the mixture sits on the sharp detection, half where the prediction was: the vague one tells nothing.
    middle = 0.5 * (sharp.position_m[0] + mean[0, ::2])
    np.testing.assert_allclose(got[0, ::2], middle, atol=1e-3)
    half = 0.5 * (sharp.position_m[0] - mean[0, ::2])
    np.testing.assert_allclose(P[0, ::2, ::2], 0.5 * covariance[0, ::2, ::2] + np.outer(half, half), atol=1e-3)


@pytest.mark.parametrize("use_velocity", [False, True])
def test_soft_updates_keep_covariances_sound(use_velocity: bool) -> None:
    for seed in range(50):
        mean, covariance, measured = _scene(seed)
        _, P = step_numpy.update(mean, covariance, measured, _probability(seed, 3, 4), use_velocity)
        np.testing.assert_allclose(P, P.transpose(0, 2, 1), atol=1e-14)
        assert np.linalg.eigvalsh(P).min() > 0.0


@pytest.mark.parametrize("association", METHODS)
@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize("gate_dimensions", [2, 3])
def test_every_combination_follows_two_targets(association: str, filter_name: str, gate_dimensions: int) -> None:
    rng = np.random.default_rng(11)
    config = paper_config(
        association, filter=filter_name, gate_dimensions=gate_dimensions, gate_probability=0.999, engine="numpy"
    )
    tracker = Tracker(config)
    start, velocity = np.array([[-3.0, 8.0], [3.0, 8.0]]), np.array([[1.0, 0.3], [-1.0, 0.2]])
    for frame in range(40):
        position = start + 0.1 * frame * velocity
        v = radial_velocity(position, velocity) + rng.normal(0.0, 0.02, 2)
        false = rng.uniform([-8, 2], [8, 16], (2, 2))
        tracks = tracker.step(
            _detections(
                0.1 * frame,
                np.concatenate([position + rng.normal(0.0, 0.05, (2, 2)), false]),
                np.concatenate([v, rng.uniform(-3, 3, 2)]),
            )
        )
        if frame in (1, 39):
            assert {1, 2} <= {t.track_id for t in tracks}
    old = [t for t in tracks if t.track_id in (1, 2)]
    for track in old:
        assert np.linalg.norm(track.position_m - position, axis=1).min() < 0.1
        assert track.existence > 0.99


def test_the_extended_filter_learns_the_velocity_faster() -> None:
    """Radially at once either way; across only by the way that the radial velocity changes, and from positions."""
    error = {}
    for name in ("kf", "ekf"):
        rng, off = np.random.default_rng(12), []
        for _ in range(40):
            tracker = Tracker(paper_config(filter=name, gate_probability=0.9999))
            for frame in range(15):
                position, velocity = np.array([[1.0 + 0.15 * frame, 8.0]]), np.array([[1.5, 0.0]])
                v = radial_velocity(position, velocity) + rng.normal(0.0, 0.02, 1)
                tracks = tracker.step(_detections(0.1 * frame, position + rng.normal(0.0, 0.05, (1, 2)), v))
            off.append(tracks[0].velocity_mps - velocity[0])
        error[name] = np.sqrt(np.mean(np.square(off)))
    assert error["ekf"] < 0.9 * error["kf"]


def test_circular_noise_ignores_the_ellipse() -> None:
    ellipse = replace(_detections(0.0, [(0.0, 10.0)]), covariance_m2=np.diag([0.09, 0.01])[None])
    (track,) = Tracker(paper_config(filter="subkf")).step(ellipse)
    np.testing.assert_allclose(track.position_covariance_m2, 0.2**2 * np.eye(2))
    (track,) = Tracker(paper_config(filter="kf")).step(ellipse)
    np.testing.assert_allclose(track.position_covariance_m2, np.diag([0.09, 0.01]))


def test_precision_of_the_radial_velocity_is_the_detection_s_own() -> None:
    """A radial velocity that is off by 0.5 m/s fits a vague measurement and not a precise one."""
    status = {}
    for std in (0.01, 1.0):
        tracker = Tracker(paper_config())
        for frame in range(10):
            tracker.step(_detections(0.1 * frame, [(0.0, 8.0)]))
        odd = replace(_detections(1.0, [(0.0, 8.0)], 0.5), radial_velocity_std_mps=np.array([std]))
        status[std] = tracker.step(odd)[0].status
    assert status == {0.01: TrackStatus.COASTED, 1.0: TrackStatus.CONFIRMED}


# --- life ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("association", METHODS)
@pytest.mark.parametrize(
    ("extrapolations", "seen", "expected"),
    [(1, "xx.x", [1, 1, 0, 1]), (2, "x.x", [1, 1, 1]), (2, "x..x", [1, 1, 0, 1]), (3, "x..x...", [1] * 6 + [0])],
)
def test_a_track_disappears_after_so_many_misses(
    association: str, extrapolations: int, seen: str, expected: list[int]
) -> None:
    tracker, alive = Tracker(paper_config(association, extrapolations=extrapolations)), []
    for frame, mark in enumerate(seen):
        alive.append(len(tracker.step(_detections(0.1 * frame, [(0.0, 8.0)] if mark == "x" else []))))
    assert alive == expected


def test_a_missed_track_is_extrapolated() -> None:
    tracker = Tracker(paper_config())
    (first,) = tracker.step(_detections(0.0, [(3.0, 4.0)], -2.0))
    np.testing.assert_allclose(first.state, [3.0, -1.2, 4.0, -1.6])  # eq. 43
    (track,) = tracker.step(Detections.empty(0.1))
    assert track.status is TrackStatus.COASTED
    np.testing.assert_allclose(track.state, [2.88, -1.2, 3.84, -1.6])


def _says(missed: ArrayLike, probability: ArrayLike, free: ArrayLike) -> Any:
    """Return an associator that always says the same."""
    fixed = Association(*(np.asarray(a, dtype=np.float64) for a in (missed, probability, free)))

    def associate(ratio: FloatArray) -> Association:
        return fixed

    return associate


@pytest.mark.parametrize(("free", "born"), [(0.49, 0), (0.5, 0), (0.51, 1), (1.0, 1)])
def test_birth_needs_a_detection_that_probably_nobody_made(free: float, born: int) -> None:
    tracker = Tracker(paper_config(), _says([1.0 - free], [[free]], [free]))
    tracker.step(_detections(0.0, [(0.0, 8.0)]))
    assert len(tracker.step(_detections(0.1, [(0.0, 8.0)]))) == 1 + born


def test_birth_threshold_is_a_setting() -> None:
    tracker = Tracker(paper_config(birth_threshold=0.2), _says([0.3], [[0.7]], [0.3]))
    tracker.step(_detections(0.0, [(0.0, 8.0)]))
    assert len(tracker.step(_detections(0.1, [(0.0, 8.0)]))) == 2


@pytest.mark.parametrize(("missed", "status"), [(0.5, TrackStatus.CONFIRMED), (0.51, TrackStatus.COASTED)])
def test_a_miss_is_a_probability_above_one_half(missed: float, status: TrackStatus) -> None:
    tracker = Tracker(paper_config(), _says([missed], [[1.0 - missed]], [missed]))
    tracker.step(_detections(0.0, [(0.0, 8.0)]))
    assert tracker.step(_detections(0.1, [(0.0, 8.0)]))[0].status is status


def test_without_merging_close_targets_are_two_tracks() -> None:
    tracker = Tracker(paper_config())
    for frame in range(10):
        tracks = tracker.step(_detections(0.1 * frame, [(0.0, 8.0), (0.3, 8.0)]))
    assert [t.track_id for t in tracks] == [1, 2]


@pytest.mark.parametrize("association", METHODS)
def test_what_confirmed_tracks_leave_is_what_tentative_ones_can_have(association: str) -> None:
    """A new track beside an old one must not live on the old one's detections."""
    config = TrackerConfig(association=association, merge_distance_m=0.0, clutter_density=0.01)
    tracker = Tracker(config)
    for frame in range(10):
        tracker.step(_detections(0.1 * frame, [(0.0, 8.0)]))
    tracker.step(_detections(1.0, [(0.0, 8.0), (0.4, 8.0)]))
    for frame in range(11, 14):
        tracks = tracker.step(_detections(0.1 * frame, [(0.0, 8.0)]))
    assert [t.track_id for t in tracks] == [1]


# --- existence -------------------------------------------------------------------------------------------------------


def test_existence_is_that_of_integrated_pda() -> None:
    """One track, one detection: Bayes' rule by hand."""
    config = paper_config("pda", birth_existence=0.3, survival_probability=0.95, gate_dimensions=2)
    tracker = Tracker(config)
    (old,) = tracker.step(_detections(0.0, [(0.0, 8.0)]))
    assert old.existence == 0.3
    mean, P = step_numpy.predict(old.state[None], old.covariance[None], 0.1, config.acceleration_std_mps2)
    S, e = H @ P[0] @ H.T + 0.0025 * np.eye(2), np.array([0.05, 0.02])
    density = np.exp(-0.5 * e @ np.linalg.solve(S, e)) / np.sqrt(np.linalg.det(2.0 * np.pi * S))
    assert config.clutter_density is not None
    Lambda = 1.0 - config.seen_if_there + config.detection_probability * density / config.clutter_density
    prior = 0.3 * 0.95
    (track,) = tracker.step(_detections(0.1, mean[:, ::2] + e))
    assert track.existence == pytest.approx(Lambda * prior / (1.0 - prior + Lambda * prior))
    (track,) = tracker.step(Detections.empty(0.2))
    prior = 0.95 * Lambda * prior / (1.0 - prior + Lambda * prior)
    q = 1.0 - config.seen_if_there
    assert track.existence == pytest.approx(q * prior / (1.0 - prior + q * prior))


@pytest.mark.parametrize("association", METHODS)
def test_existence_rises_with_hits_and_falls_with_misses(association: str) -> None:
    tracker = Tracker(paper_config(association, extrapolations=6))
    course = []
    for frame in range(11):
        (track,) = tracker.step(_detections(0.1 * frame, [(0.0, 8.0)] if frame < 6 else []))
        course.append(track.existence)
        assert 0.0 <= track.existence <= 1.0
    # Survival is not certain, so it levels off a little below 1.
    assert (np.diff(course[:3]) > 0.0).all()
    assert min(course[2:6]) > 0.99
    assert (np.diff(course[5:]) < 0.0).all()
    assert course[-1] < 0.01


def test_a_hard_association_s_existence_depends_on_how_well_the_pair_fits() -> None:
    found = []
    for off in (0.0, 0.15, 0.25):
        tracker = Tracker(paper_config("gnn", gate_dimensions=2))
        tracker.step(_detections(0.0, [(0.0, 8.0)]))
        found.append(tracker.step(_detections(0.1, [(off, 8.0)]))[0].existence)
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 1e-4


def test_existence_can_confirm_and_drop() -> None:
    config = paper_config(confirm_existence=0.9, drop_existence=0.05, birth_existence=0.1, extrapolations=50)
    tracker = Tracker(config)
    (track,) = tracker.step(_detections(0.0, [(0.0, 8.0)]))
    assert track.status is TrackStatus.TENTATIVE
    (track,) = tracker.step(_detections(0.1, [(0.0, 8.0)]))
    assert track.status is TrackStatus.CONFIRMED
    for frame in range(2, 20):
        tracks = tracker.step(Detections.empty(0.1 * frame))
        if not tracks:
            break
        assert tracks[0].existence >= 0.05
    assert 3 < frame < 12


# --- settings and bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("association", "mht"),
        ("distance_threshold_m", 0.0),
        ("distance_threshold_m", 1001.0),
        ("distance_penalty_m", float("inf")),
        ("distance_shared_m", -0.1),
        ("filter", "ukf"),
        ("engine", "cuda"),
        ("spa_rounds", 0),
        ("spa_rounds", 2.5),
        ("spa_rounds", True),
        ("detection_probability", 0.0),
        ("detection_probability", 1.1),
        ("clutter_density", 0.0),
        ("clutter_density", float("nan")),
        ("clutter_density", "dense"),
        ("birth_threshold", 1.0),
        ("survival_probability", 0.0),
        ("birth_existence", 0.0),
        ("confirm_existence", 1.0),
        ("drop_existence", -0.1),
        ("use_radial_velocity", "no"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(name: str, value: object) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name) as error:
        TrackerConfig(**settings)
    assert error.value.hint


@pytest.mark.parametrize(("name", "value"), [("gate_dimensions", 4), ("extrapolations", 0), ("association", "none")])
def test_combinations_that_the_paper_does_not_have_are_refused(name: str, value: object) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name) as error:
        paper_config(**settings)
    assert error.value.hint


def test_the_paper_s_settings() -> None:
    config = paper_config("pda", filter="subkf", gate_dimensions=2, detection_probability=0.9)
    assert (config.association, config.filter, config.use_radial_velocity) == ("pda", "subkf", False)
    assert config.gate == pytest.approx(chi2.ppf(0.95, 2))
    assert paper_config().gate == pytest.approx(chi2.ppf(0.95, 3))
    assert config.detection_probability == 0.9
    assert config.clutter_density == pytest.approx(4 / 3600)


def test_rounds_to_convergence_differ_from_one_round() -> None:
    def run(rounds: int | None) -> FloatArray:
        tracker = Tracker(paper_config(spa_rounds=rounds, gate_dimensions=2))
        tracker.step(_detections(0.0, [(0.0, 8.0), (0.2, 8.0), (0.4, 8.0)]))
        return np.array([t.state for t in tracker.step(_detections(0.1, [(0.1, 8.0), (0.3, 8.0), (0.5, 8.0)]))[:3]])

    np.testing.assert_allclose(run(None), run(1000), atol=1e-6)
    assert np.abs(run(None) - run(1)).max() > 1e-4


@pytest.mark.parametrize("association", METHODS)
@pytest.mark.parametrize("field", ["position_m", "covariance_m2", "radial_velocity_mps", "radial_velocity_std_mps"])
def test_a_number_that_is_not_finite_changes_nothing(association: str, field: str) -> None:
    tracker, other = Tracker(paper_config(association)), Tracker(paper_config(association))
    for each in (tracker, other):
        each.step(_detections(0.0, [(0.0, 8.0)]))
    bad = _detections(0.1, [(0.0, 8.0)])
    getattr(bad, field)[:] = np.nan
    with pytest.raises(IsacError, match=field):
        tracker.step(bad)
    with pytest.raises(IsacError, match="do not come after"):
        tracker.step(_detections(-0.1, [(0.0, 8.0)]))
    (got,), (expected,) = (each.step(_detections(0.1, [(0.01, 8.0)])) for each in (tracker, other))
    np.testing.assert_array_equal(got.state, expected.state)
    assert got.age == 2
