"""Paths, bodies and scenes of the simulation: they move as they say, and are as large and bright as they should be."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.simulated.bodies import Body, Scatterers, car, cyclist, person
from isactrack.drivers.simulated.paths import Course, Motion, Walk
from isactrack.drivers.simulated.scene import FIELD_OF_VIEW_RAD, Extents, Scene, make_scene
from isactrack.geometry import radial_velocity

H = 1e-5
RIDE = Course(((0.0, 0.0, 5.0), (2.0, 0.2, 14.0), (4.0, -2.0, 19.0), (6.0, -4.0, 14.0), (8.0, -3.0, 8.0)))


def straight(
    position: tuple[float, float], heading_deg: float, speed_mps: float = 0.0, travelled_m: float = 0.0
) -> Motion:
    """Somebody who moves in a direction that is counted as an azimuth."""
    forward = np.array([math.sin(math.radians(heading_deg)), math.cos(math.radians(heading_deg))])
    return Motion(np.array(position), speed_mps * forward, forward, 0.0, 1.0, travelled_m)


def dbsm(points: Scatterers) -> float:
    return 10.0 * math.log10(points.rcs_m2.sum())


# --- paths -----------------------------------------------------------------------------------------------------------


@given(st.floats(0.01, 7.99))
def test_a_course_moves_turns_and_travels_as_it_says(time_s: float) -> None:
    before, now, after = (RIDE.motion(time_s + k * H) for k in (-1, 0, 1))
    assert (after.position_m - before.position_m) / (2 * H) == pytest.approx(now.velocity_mps, abs=1e-4)
    assert (after.travelled_m - before.travelled_m) / (2 * H) == pytest.approx(
        float(np.linalg.norm(now.velocity_mps)), abs=1e-3
    )
    assert np.linalg.norm(now.forward) == pytest.approx(1.0)
    assert now.forward * np.linalg.norm(now.velocity_mps) == pytest.approx(now.velocity_mps)
    turned = (after.forward - before.forward) / (2 * H)
    assert turned == pytest.approx(now.turn_radps * np.array([-now.forward[1], now.forward[0]]), abs=1e-3)


def test_even_points_on_a_line_are_a_constant_velocity() -> None:
    course = Course(((1.0, 0.0, 5.0), (2.0, 1.0, 7.0), (3.0, 2.0, 9.0)))
    for time_s in (1.0, 1.3, 2.9, 3.0):
        motion = course.motion(time_s)
        assert motion.velocity_mps == pytest.approx([1.0, 2.0])
        assert motion.position_m == pytest.approx([time_s - 1.0, 3.0 + 2.0 * time_s])
        assert motion.pace == pytest.approx(1.0)
        assert motion.turn_radps == pytest.approx(0.0)
        assert motion.travelled_m == pytest.approx(math.sqrt(5.0) * (time_s - 1.0))
    assert [course.present(t) for t in (0.9, 1.0, 3.0, 3.1)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (((0.0, 1.0, 1.0),), "two or more"),
        (((0.0, 1.0, 1.0), (0.0, 2.0, 2.0)), "two or more"),
        (((0.0, 1.0, 1.0), (1.0, 1.0, 1.0)), "stands still"),
    ],
)
def test_a_course_that_leads_nowhere_is_refused(points: tuple[tuple[float, float, float], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Course(points)


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "sliding"), [(cyclist, 1), (car, 4)])
@pytest.mark.parametrize("time_s", [0.4, 2.0, 3.7, 4.4, 7.0])
def test_the_points_of_a_vehicle_move_as_they_say(
    make: Callable[[np.random.Generator], Body], sliding: int, time_s: float
) -> None:
    """Also in a turn. What is square to the line of sight slides along the skin: of it the radial part alone counts."""
    body = make(np.random.default_rng(3))
    before, now, after = (body.scatterers(RIDE.motion(time_s + k * H), time_s + k * H) for k in (-1, 0, 1))
    moved = (after.position_m - before.position_m) / (2 * H)
    assert moved[sliding:] == pytest.approx(now.velocity_mps[sliding:], abs=2e-3)
    shining = np.flatnonzero(now.rcs_m2[:sliding] > 0.05)
    position, velocity = now.position_m[shining], now.velocity_mps[shining]
    # The curvature of a torso that turns moves its point along the line of sight a little.
    assert radial_velocity(position, moved[shining]) == pytest.approx(radial_velocity(position, velocity), abs=0.05)


@pytest.mark.parametrize("make", [cyclist, car])
def test_wheels_spread_from_standstill_to_twice_the_speed(make: Callable[[np.random.Generator], Body]) -> None:
    body = make(np.random.default_rng(1))
    along = np.array(
        [
            body.scatterers(straight((0.0, 15.0), 180.0, 5.0, travelled), 0.0).velocity_mps @ [0.0, -1.0]
            for travelled in np.linspace(0.0, 2.2, 60)
        ]
    )
    assert along.min() == pytest.approx(0.0, abs=0.05)
    assert along.max() == pytest.approx(10.0, abs=0.05)
    rigid = np.ptp(along, axis=0) < 1e-9
    assert along[:, rigid] == pytest.approx(5.0)
    assert rigid.sum() >= 10


def test_one_who_stands_does_not_swing_and_roll() -> None:
    for make in (person, cyclist, car):
        motion = Motion(np.array([2.0, 9.0]), np.zeros(2), np.array([0.0, 1.0]), 0.0, 0.0, 3.0)
        assert not make(np.random.default_rng(2)).scatterers(motion, 1.0).velocity_mps.any()


@pytest.mark.parametrize("heading_deg", range(0, 360, 30))
def test_a_cyclist_has_about_one_square_metre_from_every_side(heading_deg: int) -> None:
    for seed in range(5):
        points = cyclist(np.random.default_rng(seed)).scatterers(straight((1.0, 12.0), heading_deg, 4.0), 0.3)
        assert -1.5 < dbsm(points) < 1.5
        assert len({len(a) for a in (points.position_m, points.velocity_mps, points.rcs_m2, points.phase_rad)}) == 1


def test_a_car_has_ten_dbsm_from_ahead_more_where_a_panel_is_square_and_least_from_askew() -> None:
    body = car(np.random.default_rng(0))
    level = {h: dbsm(body.scatterers(straight((0.0, 30.0), h, 5.0), 0.0)) for h in range(0, 360, 5)}
    assert 8.0 < level[180] < 11.0
    assert 8.0 < level[0] < 11.0
    assert 11.0 < level[90] < 14.0
    assert level[270] == pytest.approx(level[90], abs=0.5)
    assert 4.0 < min(level.values()) < 8.0
    assert level[180] > level[150]
    steps = np.abs(np.diff([*level.values(), level[0]]))
    assert steps.max() < 4.0  # nothing appears at once as the car turns


def test_of_a_car_that_comes_the_rear_is_dark_and_all_lies_on_it() -> None:
    body = car(np.random.default_rng(0))
    points = body.scatterers(straight((3.0, 25.0), 180.0, 5.0), 0.0)
    front, rear, right, left = points.rcs_m2[:4]
    assert front > 3.0
    assert rear == 0.0
    assert right > 0.0 or left > 0.0
    assert points.rcs_m2[4:8][2:] == pytest.approx(0.0)  # the corners behind
    offset = np.abs(points.position_m - [3.0, 25.0])
    assert offset[:, 0].max() <= body.half_width_m + 0.1 + 1e-9
    assert offset[:, 1].max() <= body.half_length_m + 1e-9


# --- extents ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_the_distance_from_a_body_is_that_to_its_nearest_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    extents = Extents(
        np.array([1]), rng.uniform(-5.0, 5.0, (1, 2)), rng.uniform(0.2, 3.0, 1), rng.uniform(0.2, 1.0, 1),
        rng.uniform(-math.pi, math.pi, 1),
    )  # fmt: skip
    forward = np.array([math.sin(extents.heading_rad[0]), math.cos(extents.heading_rad[0])])
    right = np.array([forward[1], -forward[0]])
    u, v = np.meshgrid(np.linspace(-1.0, 1.0, 301), np.linspace(-1.0, 1.0, 301))
    filled = (
        extents.position_m[0]
        + u.reshape(-1, 1) * extents.half_length_m[0] * forward
        + v.reshape(-1, 1) * extents.half_width_m[0] * right
    )
    point = rng.uniform(-7.0, 7.0, 2)
    nearest = float(np.min(np.linalg.norm(filled - point, axis=1)))
    assert extents.distance_m(point[None])[0, 0] == pytest.approx(nearest, abs=0.02)


def test_extents_go_with_the_truth_row_by_row() -> None:
    scene = make_scene("experiment3", 1)
    truth, extents = scene.truth(3.0), scene.extents(3.0)
    assert extents.target_id.tolist() == truth.target_id.tolist() == [1, 2, 3]
    assert np.array_equal(extents.position_m, truth.position_m)
    assert extents.half_length_m[2] == 2.15
    assert extents.half_width_m[2] == 0.9
    assert abs(extents.heading_rad[2]) == pytest.approx(math.pi, abs=0.1)  # it comes
    assert not extents.distance_m(truth.position_m).diagonal().any()


# --- scenes ----------------------------------------------------------------------------------------------------------


def tracks(scene: Scene, target_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the times at which a target is in view, and its states (x, y, radial velocity) there."""
    rows = [
        (time_s, *truth.position_m[k], radial_velocity(truth.position_m[k], truth.velocity_mps[k]))
        for time_s in np.arange(0.0, 10.0, 0.1)
        for truth in [scene.truth(time_s)]
        for k in np.flatnonzero(truth.target_id == target_id)
    ]
    table = np.array(rows)
    return table[:, 0], table[:, 1:]


@pytest.mark.parametrize("name", ["experiment1", "experiment2", "experiment3"])
def test_the_experiments_stay_within_what_table_1_can_measure(name: str) -> None:
    sensor = parse_profile(default_profile())
    scene = make_scene(name, 2)
    for time_s in np.arange(0.0, 6.4 if name == "experiment1" else 10.0, 0.05):
        truth, points = scene.truth(time_s), scene.moving(time_s)
        azimuth = np.abs(np.arctan2(truth.position_m[:, 0], truth.position_m[:, 1]))
        assert (azimuth <= FIELD_OF_VIEW_RAD).all()
        assert np.hypot(*points.position_m.T).max() < sensor.range_max_m
        assert np.abs(radial_velocity(points.position_m, points.velocity_mps)).max() < sensor.velocity_max_mps


def test_experiment_1_is_the_crossing() -> None:
    one, crossing = make_scene("experiment1", 3), make_scene("crossing", 3)
    for made, same in ((one.static, crossing.static), (one.moving(2.0), crossing.moving(2.0))):
        assert np.array_equal(made.position_m, same.position_m)
        assert np.array_equal(made.phase_rad, same.phase_rad)


def test_in_experiment_2_people_come_and_leave_and_the_cyclist_goes_and_returns() -> None:
    scene = make_scene("experiment2", 0)
    for person_id in (1, 2):
        time_s, state = tracks(scene, person_id)
        assert (state[:, 2] < 0.0).all()
        assert time_s[0] == 0.0
        assert 7.5 < time_s[-1] < 10.0
        speed = np.linalg.norm(np.diff(state[:, :2], axis=0), axis=1) / 0.1
        assert speed == pytest.approx(1.35, abs=0.1)
    time_s, state = tracks(scene, 3)
    assert len(time_s) == 100
    assert (state[time_s < 2.5, 2] > 3.0).all()
    assert (state[time_s > 6.0, 2] < -2.0).all()
    farthest = int(np.argmax(np.hypot(state[:, 0], state[:, 1])))
    assert 2.5 < time_s[farthest] < 5.0
    parked = scene.static.position_m[np.hypot(*(scene.static.position_m - [6.2, 15.0]).T) < 2.5]
    assert len(parked) > 20


def test_in_experiment_3_the_car_comes_one_person_goes_and_one_comes() -> None:
    scene = make_scene("experiment3", 0)
    signs = {1: 1.0, 2: -1.0, 3: -1.0}
    for target_id, sign in signs.items():
        time_s, state = tracks(scene, target_id)
        assert len(time_s) == 100
        assert (np.sign(state[:, 2]) == sign).all()
    _, state = tracks(scene, 3)
    assert state[0, 1] > 50.0
    assert state[-1, 1] < 8.0


@pytest.mark.parametrize("name", ["experiment2", "experiment3"])
def test_nobody_walks_or_drives_into_another(name: str) -> None:
    scene = make_scene(name, 0)
    for time_s in np.arange(0.0, 10.0, 0.05):
        extents = scene.extents(time_s)
        gap = extents.distance_m(extents.position_m)
        assert gap[~np.eye(len(gap), dtype=np.bool_)].min(initial=9.0) > 1.0


def test_a_street_is_empty_after_its_experiment_and_begins_anew() -> None:
    scene = make_scene("experiment3", 0)
    assert len(scene.truth(12.0)) == 0
    assert len(scene.moving(12.0).rcs_m2) == 0
    assert np.array_equal(scene.truth(scene.repeat_s + 2.0).position_m, scene.truth(2.0).position_m)


def test_a_target_beyond_the_field_of_view_reflects_and_has_no_truth() -> None:
    scene = make_scene("experiment2", 0)
    assert scene.truth(8.3).target_id.tolist() == [2, 3]
    assert len(scene.moving(8.3).rcs_m2) == len(scene.moving(1.0).rcs_m2)


def test_a_walk_faces_its_way_out_also_on_the_way_back() -> None:
    walk = Walk((0.0, 2.0), (0.0, 8.0), 5.0)
    for time_s in (1.0, 8.0):
        assert walk.motion(time_s).forward == pytest.approx([0.0, 1.0])
        assert walk.motion(time_s).pace == pytest.approx(1.0)
    assert walk.motion(8.0).velocity_mps == pytest.approx([0.0, -1.2])
    assert walk.motion(8.0).travelled_m == pytest.approx(walk.at(8.0)[0][1] - 2.0)
