"""Bistatic geometry against its definition, against sampling, and beside the line on which it says nothing."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.processing.bistatic import behind_surface, locate, path_rate, paths_of

FloatArray = NDArray[np.float64]

TX = np.array([3.0, 1.0])
NO_ERROR = np.zeros((1, 2, 2))

_metres = st.floats(-12.0, 12.0)


def _excess(position: FloatArray, tx: FloatArray) -> float:
    return float(paths_of(position, tx)[0] - np.linalg.norm(tx))


@settings(max_examples=300, deadline=None)
@given(x=_metres, y=_metres, tx_x=_metres, tx_y=_metres)
def test_a_place_comes_back_from_its_path(x: float, y: float, tx_x: float, tx_y: float) -> None:
    position, tx = np.array([[x, y]]), np.array([tx_x, tx_y])
    excess = _excess(position[0], tx)
    assume(excess > 1e-3)
    path, azimuth = paths_of(position, tx)
    found, _, usable = locate(path, azimuth, NO_ERROR, tx)
    assert usable.all()
    # Rounding of the path is magnified as every error of it is: by d(r) / d(L) <= L / excess.
    assert np.abs(found - position).max() < 1e-9 * max(1.0, 0.01 / excess)


def test_the_frame_is_the_house_s() -> None:
    """Right is positive: a target ahead, one to the right, one to the left, by hand."""
    tx = np.array([4.0, 0.0])
    path, azimuth = paths_of([[0.0, 3.0], [4.0, 3.0], [-3.0, 0.0]], tx)
    assert path == pytest.approx([8.0, 8.0, 10.0])
    assert azimuth == pytest.approx([0.0, np.arctan2(4.0, 3.0), -np.pi / 2])


def test_eq_8_in_the_paper_s_own_angles() -> None:
    """With theta_tar + theta_tx the angle at the receiver, the law of cosines of eq. 7 holds for what comes out."""
    angle = np.radians(20.0)
    position, _, _ = locate([9.0], [angle], NO_ERROR, TX)
    near = float(np.linalg.norm(position[0]))
    direct = float(np.linalg.norm(TX))
    between = angle - np.arctan2(*TX)
    assert near == pytest.approx((9.0**2 - direct**2) / (2 * 9.0 - 2 * direct * np.cos(between)))
    assert np.linalg.norm(position[0] - TX) == pytest.approx(9.0 - near)


@pytest.mark.parametrize("place", [(0.0, 4.0), (-2.0, 3.0), (2.5, 5.0), (4.0, 2.5)])
def test_the_covariance_is_that_of_samples(place: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    errors = np.array([[4e-4, 1e-4], [1e-4, 1e-4]])  # 2 cm, 0.6 deg, correlated
    path, azimuth = paths_of([place], TX)
    _, covariance, _ = locate(path, azimuth, errors[None], TX)
    draws = rng.multivariate_normal([path[0], azimuth[0]], errors, 40_000)
    sampled, _, usable = locate(draws[:, 0], draws[:, 1], np.broadcast_to(errors, (len(draws), 2, 2)), TX)
    assert usable.all()
    expected = np.cov(sampled.T)
    assert np.linalg.norm(covariance[0] - expected) < 0.05 * np.linalg.norm(expected)


def test_the_jacobian_is_the_slope() -> None:
    step = 1e-6
    path, azimuth = paths_of([(1.0, 4.0)], TX)
    for axis in range(2):
        unit = np.zeros((2, 2))
        unit[axis, axis] = 1.0
        _, covariance, _ = locate(path, azimuth, unit[None], TX)
        ends = [
            locate(path + sign * step * (axis == 0), azimuth + sign * step * (axis == 1), NO_ERROR, TX)[0][0]
            for sign in (1.0, -1.0)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(covariance[0], np.outer(slope, slope), rtol=1e-6, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    path=st.floats(allow_nan=True, allow_infinity=True),
    azimuth=st.floats(allow_nan=True, allow_infinity=True),
    variance=st.floats(0.0, 1.0) | st.just(float("nan")),
)
def test_whatever_comes_in_nothing_is_nan_and_nobody_is_warned(path: float, azimuth: float, variance: float) -> None:
    assume(not np.isfinite(path) or abs(path) < 1e6)
    position, covariance, usable = locate([path], [azimuth], np.eye(2)[None] * variance, TX, max_std_m=0.5)
    assert np.isfinite(position).all()
    assert np.isfinite(covariance).all()
    if usable[0]:
        assert np.linalg.norm(position[0]) <= path
        assert np.linalg.eigvalsh(covariance[0]).max() <= 0.25 + 1e-12


def test_the_guard_beside_the_direct_path() -> None:
    """On the line from transmitter to receiver a path says nothing; near it the margin, or the spread, says no."""
    direct = float(np.linalg.norm(TX))
    toward = np.arctan2(*TX)
    errors = np.tile(np.diag([1e-4, 1e-4]), (4, 1, 1))
    path = direct + np.array([-0.2, 0.0, 1e-9, 0.3])
    for azimuth in (toward, toward - 0.3):
        position, covariance, usable = locate(path, np.full(4, azimuth), errors, TX, min_excess_m=0.5)
        assert not usable.any()
        assert not position.any()
        assert not covariance.any()
    _, covariance, usable = locate(path, np.full(4, toward - 0.3), errors, TX, max_std_m=0.05)
    assert not usable[[0, 1, 3]].any()
    assert covariance[3].any(), "a place that is only uncertain is still told"
    assert locate(path, np.full(4, toward - 0.3), errors, TX, max_std_m=0.5)[2][3]


@pytest.mark.parametrize("place", [(0.0, 4.0), (-2.0, 3.0), (2.0, 1.5)])
def test_the_path_rate_is_the_slope_of_the_path_and_the_bistatic_doppler(place: tuple[float, float]) -> None:
    velocity, step = np.array([0.7, -1.1]), 1e-6
    position = np.array(place)
    slope = (paths_of(position + step * velocity, TX)[0] - paths_of(position - step * velocity, TX)[0]) / (2 * step)
    rate = path_rate(position, velocity, TX)
    assert rate == pytest.approx(float(slope), rel=1e-6)
    ways = [position / np.linalg.norm(position), (position - TX) / np.linalg.norm(position - TX)]
    bisector = (ways[0] + ways[1]) / np.linalg.norm(ways[0] + ways[1])
    half = 0.5 * np.arccos(ways[0] @ ways[1])
    assert rate == pytest.approx(2.0 * float(velocity @ bisector) * np.cos(half))


@pytest.mark.parametrize("centre", [(0.0, 4.0), (-2.0, 3.0), (2.0, 2.5), (4.0, 3.0)])
def test_the_centre_of_a_cylinder_lies_behind_the_point_that_reflects(centre: tuple[float, float]) -> None:
    """The reflection of a circle is where the way over its edge is shortest (Fermat)."""
    radius = 0.2
    around = np.linspace(0.0, 2.0 * np.pi, 200_001)
    edge = np.array(centre) + radius * np.stack([np.cos(around), np.sin(around)], axis=-1)
    point = edge[np.argmin(paths_of(edge, TX)[0])]
    np.testing.assert_allclose(behind_surface(point[None], TX, radius)[0], centre, atol=1e-4)


def test_on_the_base_line_there_is_no_behind() -> None:
    np.testing.assert_array_equal(behind_surface([[1.5, 0.5]], TX, 0.2), [[1.5, 0.5]])
    assert np.isfinite(behind_surface(np.stack([np.zeros(2), TX]), TX, 0.2)).all()
