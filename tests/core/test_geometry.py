"""The two frames and the way between them, against closed forms and chance."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isactrack import ConfigError, Pose, RoomOutline
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy, radial_velocity, xy_to_polar

metres = st.floats(-100.0, 100.0)
angles = st.floats(-math.pi, math.pi)
points = st.tuples(metres, metres)
poses = st.builds(lambda x, y, z, yaw: Pose(x_m=x, y_m=y, z_m=z, yaw_rad=yaw), metres, metres, metres, angles)


def test_azimuth_counts_from_boresight_to_the_right() -> None:
    assert polar_to_xy(2.0, 0.0) == pytest.approx([0.0, 2.0])
    assert polar_to_xy(2.0, math.pi / 2) == pytest.approx([2.0, 0.0])
    assert polar_to_xy(2.0, -math.pi / 6) == pytest.approx([-1.0, math.sqrt(3.0)])
    range_m, azimuth = xy_to_polar([[3.0, 4.0], [-1.0, 1.0]])
    assert range_m == pytest.approx([5.0, math.sqrt(2.0)])
    assert azimuth == pytest.approx([math.atan(0.75), -math.pi / 4])


@given(st.floats(1e-3, 1e3), angles)
def test_polar_coordinates_survive_the_round_trip(range_m: float, azimuth_rad: float) -> None:
    assume(abs(azimuth_rad) < math.pi - 1e-9)
    r, a = xy_to_polar(polar_to_xy(range_m, azimuth_rad))
    assert float(r) == pytest.approx(range_m)
    assert float(a) == pytest.approx(azimuth_rad, abs=1e-9)


def test_polar_coordinates_broadcast() -> None:
    assert polar_to_xy(np.ones((3, 1)), np.zeros(4)).shape == (3, 4, 2)


@given(points, points)
def test_radial_velocity_is_the_derivative_of_range(
    position: tuple[float, float], velocity: tuple[float, float]
) -> None:
    p, v = np.asarray(position), np.asarray(velocity)
    assume(np.linalg.norm(p) > 0.1)
    h = 1e-6
    numeric = (np.linalg.norm(p + h * v) - np.linalg.norm(p - h * v)) / (2 * h)
    assert float(radial_velocity(p, v)) == pytest.approx(float(numeric), abs=1e-4 * (1 + math.hypot(*velocity)))


def test_radial_velocity_is_positive_away_and_defined_at_the_sensor() -> None:
    assert float(radial_velocity([0.0, 5.0], [0.0, 1.0])) == 1.0
    assert float(radial_velocity([0.0, 5.0], [1.0, 0.0])) == 0.0
    assert float(radial_velocity([0.0, 0.0], [1.0, 1.0])) == 0.0


@pytest.mark.parametrize(("range_m", "azimuth_deg"), [(5.0, 0.0), (12.0, 35.0), (3.0, -70.0)])
def test_the_covariance_in_the_plane_is_that_of_many_draws(range_m: float, azimuth_deg: float) -> None:
    rng = np.random.default_rng(1)
    azimuth, n = math.radians(azimuth_deg), 200_000
    drawn = polar_to_xy(rng.normal(range_m, 0.05, n), rng.normal(azimuth, math.radians(1.0), n))
    expected = polar_covariance_to_xy(range_m, azimuth, 0.05, math.radians(1.0))
    assert np.cov(drawn.T) == pytest.approx(expected, rel=0.03, abs=0.01 * expected.max())


@given(st.floats(0.1, 50.0), angles, st.floats(1e-3, 1.0), st.floats(1e-3, 0.5))
def test_the_covariance_has_the_errors_as_its_axes(r: float, azimuth: float, sr: float, sa: float) -> None:
    values = np.linalg.eigvalsh(polar_covariance_to_xy(r, azimuth, sr, sa))
    assert values == pytest.approx(sorted([sr**2, (r * sa) ** 2]), rel=1e-6, abs=1e-9)


@given(poses, st.lists(points, min_size=1, max_size=5), st.lists(points, min_size=1, max_size=5))
def test_a_pose_and_its_inverse_cancel(
    pose: Pose, position: list[tuple[float, float]], velocity: list[tuple[float, float]]
) -> None:
    assert pose.to_sensor(pose.to_room(position)) == pytest.approx(np.asarray(position), abs=1e-9)
    assert pose.to_room(pose.to_sensor(position)) == pytest.approx(np.asarray(position), abs=1e-9)
    assert pose.velocity_to_sensor(pose.velocity_to_room(velocity)) == pytest.approx(np.asarray(velocity), abs=1e-9)
    speeds = np.linalg.norm(pose.velocity_to_room(velocity), axis=1)
    assert speeds == pytest.approx(np.linalg.norm(velocity, axis=1))


@given(poses, points, points)
def test_velocities_turn_as_positions_move(pose: Pose, at: tuple[float, float], velocity: tuple[float, float]) -> None:
    moved = pose.to_room(np.add(at, velocity)) - pose.to_room(at)
    assert pose.velocity_to_room(velocity) == pytest.approx(moved, abs=1e-9)


def test_a_sensor_that_is_turned_left_looks_to_the_left() -> None:
    pose = Pose(x_m=1.0, y_m=2.0, yaw_rad=math.pi / 2)
    assert pose.to_room([0.0, 5.0]) == pytest.approx([-4.0, 2.0])
    assert pose.to_sensor([1.0, 2.0]) == pytest.approx([0.0, 0.0])
    assert pose.velocity_to_room([1.0, 0.0]) == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize("field", ["x_m", "y_m", "z_m", "yaw_rad"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_pose_is_finite(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        Pose(**{field: value})
    assert caught.value.hint


def test_a_room_is_seen_from_where_a_sensor_stands_and_looks() -> None:
    room = RoomOutline(corners_m=((0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)))
    assert room.closed_m.tolist() == [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0], [0.0, 0.0]]
    # It stands in the middle of the right wall and looks to the left.
    seen = room.seen_from(Pose(x_m=4.0, y_m=1.5, yaw_rad=math.pi / 2))
    assert seen == pytest.approx(np.array([[-1.5, 4.0], [-1.5, 0.0], [1.5, 0.0], [1.5, 4.0], [-1.5, 4.0]]), abs=1e-12)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (((0.0, 0.0), (1.0, 0.0)), "2 corners"),
        (((0.0, 0.0),) * 1001, "1001 corners"),
        (((0.0, 0.0), (1.0, math.nan), (1.0, 1.0)), "not finite"),
    ],
)
def test_what_is_no_outline_of_a_room_is_refused(corners: tuple[tuple[float, float], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RoomOutline(corners_m=corners)
    assert caught.value.hint
