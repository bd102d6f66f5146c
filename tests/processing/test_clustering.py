"""Which detections are one body, and what becomes of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import Detections
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy
from isactrack.processing.clustering import gaps, link, merge

LIMIT = 16.0


def _detections(rows: list[tuple[float, float, float, float]], std: tuple[float, float] = (0.1, 0.1)) -> Detections:
    """Rows of range, azimuth, radial velocity, SNR; standard deviations of x and y."""
    r, az, v, snr = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Detections(
        time_s=1.5, position_m=polar_to_xy(r, az), covariance_m2=np.tile(np.diag(np.square(std)), (len(r), 1, 1)),
        radial_velocity_mps=v, radial_velocity_std_mps=np.full(len(v), 0.1), snr_db=snr, range_m=r, azimuth_rad=az,
    )  # fmt: skip


def _labels(found: Detections, **vehicle: float) -> list[int]:
    return [int(label) for label in link(found, 0.8, 1.0, LIMIT, **vehicle)]


# --- what belongs together -------------------------------------------------------------------------------------------


def test_a_person_is_one_and_who_comes_the_other_way_is_another() -> None:
    found = _detections(
        [
            (3.0, 0.0, 0.6, 28.0),
            (3.5, 0.0, 0.6, 30.0),
            (4.0, 0.0, 0.5, 20.0),
            (3.0, 0.1, -0.6, 31.0),
            (6.0, 0.0, 0.6, 9.0),
        ]
    )
    assert _labels(found) == [1, 1, 1, 0, 2]
    assert link(found, 0.8, 0.0, LIMIT).tolist() == [0, 0, 1, 0, 2]  # without velocity, around (3.0, 0.1)


def test_a_row_of_people_does_not_chain() -> None:
    row = _detections([(3.0 + 0.7 * k, 0.0, 1.0, 30.0 - k) for k in range(5)])
    assert _labels(row) == [0, 0, 1, 1, 2]


def test_velocity_wraps() -> None:
    found = _detections([(3.0, 0.0, 15.9, 30.0), (3.0, 0.0, -15.9, 30.0)])
    assert _labels(found) == [0, 0]
    assert abs(merge(found, link(found, 0.8, 1.0, LIMIT), LIMIT).radial_velocity_mps[0]) == pytest.approx(16.0)


@pytest.mark.parametrize(
    ("velocity", "below_db", "is_limb"),
    [
        (0.1, 12.0, True), (2.5, 12.0, True), (3.2, 12.0, False), (-0.6, 12.0, False), (0.1, 5.0, False),
        (3.2, 16.0, True), (-0.6, 16.0, True),
    ],
)  # fmt: skip
def test_limbs_are_weak_and_move_between_standstill_and_twice_the_body(
    velocity: float, below_db: float, is_limb: bool
) -> None:
    weak = 40.0 - below_db
    labels = _labels(_detections([(5.0, 0.0, 1.3, 40.0), (5.3, 0.0, velocity, weak)]))
    assert labels == ([0, 0] if is_limb else [0, 1])
    assert _labels(_detections([(5.0, 0.0, 1.3, 40.0), (6.3, 0.0, velocity, weak)])) == [0, 1]


@pytest.mark.parametrize("other", [1.2, 0.3, -0.6])
def test_two_people_a_metre_apart_with_different_velocities_stay_two(other: float) -> None:
    assert _labels(_detections([(4.0, 0.0, 0.6, 30.0), (5.0, 0.0, other, 27.0)])) == [0, 1]
    azimuth = 2.0 * np.arcsin(0.5 / 4.0)
    assert _labels(_detections([(4.0, 0.0, 0.6, 30.0), (4.0, azimuth, other, 27.0)])) == [0, 1]


def test_a_car_is_one_with_wheels_and_returns_far_apart_and_a_walker_beside_it_is_not() -> None:
    car = [
        (20.0, 0.10, -5.0, 35.0),
        (22.0, 0.10, -5.0, 24.0),
        (24.1, 0.08, -4.9, 22.0),
        (21.0, 0.12, -9.6, 15.0),
        (21.0, 0.12, -0.3, 14.0),
        (23.0, 0.12, -6.5, 12.0),
    ]
    walker = [(22.0, -0.05, 1.3, 25.0), (22.2, -0.05, 2.0, 12.0)]
    assert _labels(_detections(car + walker)) == [0] * 6 + [1] * 2
    assert _labels(_detections([(26.5, 0.1, -5.0, 20.0), *car])) == [1] + [0] * 6  # longer than a car
    assert len(set(_labels(_detections(car), vehicle_speed_mps=np.inf))) > 2


def test_people_who_walk_alike_metres_apart_are_no_car() -> None:
    assert _labels(_detections([(10.0, 0.0, -1.3, 30.0), (12.0, 0.0, -1.3, 28.0)])) == [0, 1]


def test_uncertainty_across_the_line_of_sight_joins_there_and_not_along() -> None:
    precise, vague = (0.1, 0.1), (1.2, 0.1)
    across = [(30.0, -0.025, 1.0, 20.0), (30.0, 0.025, 1.0, 18.0)]
    along = [(30.0, 0.0, 1.0, 20.0), (31.5, 0.0, 1.0, 18.0)]
    assert _labels(_detections(across, precise)) == [0, 1]
    assert _labels(_detections(across, vague)) == [0, 0]
    assert _labels(_detections(along, vague)) == [0, 1]


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_clusters_do_not_depend_on_the_order_and_the_strongest_comes_first(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.stack(
        [rng.uniform(3.0, 9.0, n), rng.uniform(-0.3, 0.3, n), rng.normal(0.0, 3.0, n), rng.uniform(10.0, 40.0, n)], 1
    )
    label = link(_detections(rows.tolist()), 0.8, 1.0, LIMIT)
    assert sorted(set(label.tolist())) == list(range(len(set(label.tolist()))))
    peaks = [rows[label == c, 3].max() for c in range(len(set(label.tolist())))]
    assert peaks == sorted(peaks, reverse=True)
    shuffled = rng.permutation(n)
    assert link(_detections(rows[shuffled].tolist()), 0.8, 1.0, LIMIT).tolist() == label[shuffled].tolist()


@given(st.integers(0, 2**32 - 1))
def test_gaps_are_the_distances_to_the_ellipse_of_the_difference(seed: int) -> None:
    """Against a walk along the line between two points: the gap begins where the Mahalanobis distance is 1."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(-3.0, 3.0, (4, 2))
    covariance = polar_covariance_to_xy(
        rng.uniform(2.0, 9.0, 4), rng.uniform(-1.0, 1.0, 4), rng.uniform(0.05, 0.3, 4), rng.uniform(0.02, 0.2, 4)
    )
    gap = gaps(position, covariance)
    for i in range(4):
        for j in range(4):
            offset = position[i] - position[j]
            within = np.linspace(0.0, 1.0, 20001)
            mahalanobis = within**2 * (offset @ np.linalg.solve(covariance[i] + covariance[j], offset))
            expected = np.linalg.norm(offset) * (1.0 - within[mahalanobis <= 1.0].max())
            assert gap[i, j] == pytest.approx(expected, abs=1e-3)


def test_gaps_without_uncertainty_are_distances() -> None:
    position = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])
    expected = [[0.0, 5.0, 0.0], [5.0, 0.0, 5.0], [0.0, 5.0, 0.0]]
    np.testing.assert_allclose(gaps(position, np.zeros((3, 2, 2))), expected)


# --- what they become ------------------------------------------------------------------------------------------------


def test_merge_weighs_by_power_and_widens() -> None:
    found = _detections([(5.0, 0.3, 0.2, 10.0), (3.0, 0.0, 0.5, 20.0), (4.0, 0.0, 0.6, 10.0)])
    merged = merge(found, np.array([0, 1, 1]), LIMIT)
    assert len(merged) == 2
    np.testing.assert_allclose(merged.snr_db, [20.0, 10.0])
    mean = (10.0 * 3.0 + 1.0 * 4.0) / 11.0
    np.testing.assert_allclose(merged.position_m[0], [0.0, mean], atol=1e-12)
    assert merged.radial_velocity_mps[0] == pytest.approx((10.0 * 0.5 + 0.6) / 11.0)
    assert merged.range_m[0] == pytest.approx(mean)
    variance = (10.0 * (3.0 - mean) ** 2 + (4.0 - mean) ** 2) / 11.0
    np.testing.assert_allclose(merged.covariance_m2[0], [[0.01, 0.0], [0.0, 0.01 + variance]], atol=1e-12)
    np.testing.assert_allclose(merged.position_m[1], found.position_m[0])
    np.testing.assert_allclose(merged.covariance_m2[1], found.covariance_m2[0])


@pytest.mark.parametrize("weights", ["power", "equal"])
def test_a_cluster_has_the_moments_of_the_mixture_of_its_members(weights: str) -> None:
    rng = np.random.default_rng(5)
    found = _detections([(5.0, 0.0, 2.0, 20.0), (5.5, 0.05, 3.5, 17.0), (5.2, 0.1, 0.5, 12.0)])
    covariance = np.stack([np.diag(s) for s in ([0.02, 0.05], [0.3, 0.01], [0.1, 0.2])])
    found = Detections(
        time_s=0.0, position_m=found.position_m, covariance_m2=covariance,
        radial_velocity_mps=found.radial_velocity_mps, radial_velocity_std_mps=np.array([0.1, 0.3, 0.2]),
        snr_db=found.snr_db, range_m=found.range_m, azimuth_rad=found.azimuth_rad,
    )  # fmt: skip
    merged = merge(found, np.zeros(3, dtype=np.intp), LIMIT, "power" if weights == "power" else "equal")
    weight = 10.0 ** (found.snr_db / 10.0) if weights == "power" else np.ones(3)
    member = rng.choice(3, 400_000, p=weight / weight.sum())
    drawn = found.position_m[member] + np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))[member] * rng.standard_normal(
        (member.size, 2)
    )
    velocity = found.radial_velocity_mps[member] + found.radial_velocity_std_mps[member] * rng.standard_normal(
        member.size
    )
    np.testing.assert_allclose(merged.position_m[0], drawn.mean(axis=0), atol=4e-3)
    np.testing.assert_allclose(merged.covariance_m2[0], np.cov(drawn.T), atol=4e-3)
    assert merged.radial_velocity_mps[0] == pytest.approx(velocity.mean(), abs=1e-2)
    assert merged.radial_velocity_std_mps[0] == pytest.approx(velocity.std(), abs=1e-2)


def test_what_is_alone_stays_as_it_is() -> None:
    found = _detections([(5.0, 0.3, 0.2, 10.0), (9.0, 0.0, 0.5, 20.0)])
    merged = merge(found, link(found, 0.8, 1.0, LIMIT), LIMIT)
    for name in ("position_m", "covariance_m2", "radial_velocity_mps", "radial_velocity_std_mps", "snr_db", "range_m"):
        assert np.array_equal(getattr(merged, name), getattr(found, name)[[1, 0]])


def test_nothing_stays_nothing() -> None:
    none = Detections.empty(2.0)
    assert len(merge(none, link(none, 0.8, 1.0, LIMIT), LIMIT)) == 0
