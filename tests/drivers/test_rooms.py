"""Rooms: who walks in them keeps to what they promise, and every sensor sees the same person at the same place."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ConfigError
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.bodies import breathing, glints_of, person
from isactrack.drivers.simulated.paths import TURN_ROUND_S, Motions, Stroll, motions_of, strode
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.drivers.simulated.rooms import CLOSEST_M, KINDS, ROOMS
from isactrack.drivers.simulated.scene import Scene, make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.geometry import Pose

H = 1e-5
NAMES = [f"{room}-{kind}" for room in ROOMS for kind in KINDS]
PEOPLE = {"empty": 0, "parallel": 2, "crossing": 2, "crossing3": 3, "standing": 1, "walk": 1, "pair": 2}


def stroll(**changes: object) -> Stroll:
    time_s, along_m = strode(4.0, 1.1)
    options: dict[str, object] = {
        "cycle_s": 6.0,
        "sway_m": np.array([[0.003, 0.002], [0.001, 0.002]]),
        "sway_hz": np.array([[0.1, 0.2], [0.4, 0.5]]),
        "sway_rad": np.array([[0.0, 1.0], [2.0, 3.0]]),
    }
    return Stroll((0.0, 1.0), (2.4, 4.2), 0.5 + time_s, along_m, **(options | changes))  # type: ignore[arg-type]


def strolls(scene: Scene) -> tuple[Stroll, ...]:
    paths = tuple(target.path for target in scene.targets)
    assert all(isinstance(path, Stroll) for path in paths)
    return paths  # type: ignore[return-value]


# --- ways ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length_m", "speed_mps"), [(4.0, 1.1), (0.2, 1.4), (5.0, 0.8)])
def test_a_way_is_gone_from_standing_to_standing_at_its_speed(length_m: float, speed_mps: float) -> None:
    time_s, along_m = strode(length_m, speed_mps)
    speed = np.gradient(along_m, time_s)
    assert along_m[0] == 0.0
    assert along_m[-1] == pytest.approx(length_m)
    assert np.all(np.diff(along_m) >= 0.0)
    assert speed[[0, -1]] == pytest.approx(0.0, abs=0.08)
    assert speed.max() == pytest.approx(min(speed_mps, length_m / 0.6), rel=0.05)


@given(st.floats(0.0, 40.0))
def test_a_stroll_moves_and_turns_as_it_says(time_s: float) -> None:
    walker = stroll()
    before, now, after = (walker.motion(time_s + (k + 1) * H) for k in (-1, 0, 1))
    assert (after.position_m - before.position_m) / (2 * H) == pytest.approx(now.velocity_mps, abs=1e-4)
    assert np.linalg.norm(now.forward) == pytest.approx(1.0)
    turned = (after.forward - before.forward) / (2 * H)
    assert turned == pytest.approx(now.turn_radps * np.array([-now.forward[1], now.forward[0]]), abs=1e-3)


def test_who_walks_back_keeps_time_place_and_faces_the_other_way() -> None:
    walker, cycle_s = stroll(sway_m=None), 6.0
    out = walker.motions(np.linspace(0.0, cycle_s, 50))
    back = walker.motions(2.0 * cycle_s + TURN_ROUND_S - np.linspace(0.0, cycle_s, 50))
    assert back.position_m == pytest.approx(out.position_m)
    assert back.velocity_mps == pytest.approx(-out.velocity_mps)
    assert back.forward == pytest.approx(-out.forward)
    assert np.all(np.diff(walker.motions(np.linspace(0.0, 14.0, 400)).travelled_m) >= -1e-9)
    again = walker.motions(2.0 * (cycle_s + TURN_ROUND_S) + np.linspace(0.0, cycle_s, 50))
    assert again.position_m == pytest.approx(out.position_m)
    assert again.forward == pytest.approx(out.forward)


def test_a_stroll_that_ends_too_late_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before its way back"):
        stroll(cycle_s=3.0)


# --- scenes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_draws_paths_bodies_and_furniture(name: str) -> None:
    one, same, other = make_scene(name, 1), make_scene(name, 1), make_scene(name, 2)
    assert len(one.targets) == PEOPLE[name.partition("-")[2]]
    assert np.array_equal(one.truth(2.0).position_m, same.truth(2.0).position_m)
    assert np.array_equal(one.static.position_m, same.static.position_m)
    assert np.array_equal(one.static.position_m, make_scene(name.partition("-")[0] + "-empty", 1).static.position_m)
    assert not np.array_equal(one.static.position_m, other.static.position_m)
    if one.targets:
        assert not np.array_equal(one.truth(2.0).position_m, other.truth(2.0).position_m)


@pytest.mark.parametrize("name", NAMES)
def test_people_keep_apart_off_the_walls_and_off_the_direct_path(name: str) -> None:
    for seed in range(1000, 1006):
        scene = make_scene(name, seed)
        room = scene.room
        assert room is not None
        assert 4.0 <= scene.duration_s <= 9.0
        times = np.linspace(0.0, 2.0 * scene.duration_s, 1000)
        places = [path.motions(times).position_m for path in strolls(scene)]
        for index, one in enumerate(places):
            for other in places[:index]:
                assert np.linalg.norm(one - other, axis=1).min() >= CLOSEST_M
        receiver = np.array([room.receiver.x_m, room.receiver.y_m])
        line = np.asarray(room.transmitter_m) - receiver
        line /= np.linalg.norm(line)
        low, high = np.min(room.corners_m, axis=0), np.max(room.corners_m, axis=0)
        for place in places:
            assert np.all((place > low + 0.35) & (place < high - 0.35))
            offset = place - receiver
            assert np.abs(offset[:, 0] * line[1] - offset[:, 1] * line[0]).min() > 0.9


@pytest.mark.parametrize("name", ROOMS)
def test_the_direct_path_comes_from_the_side(name: str) -> None:
    room = ROOMS[name]
    x, y = room.transmitter_in(room.receiver)
    assert 4.0 <= math.hypot(x, y) <= 6.0
    assert 40.0 <= abs(math.degrees(math.atan2(x, y))) <= 60.0


@pytest.mark.parametrize("name", ROOMS)
@pytest.mark.parametrize("kind", ["crossing", "crossing3"])
def test_ways_cross_about_the_middle_of_each_and_at_about_the_same_time(name: str, kind: str) -> None:
    for seed in range(1000, 1005):
        scene = make_scene(f"{name}-{kind}", seed)
        times = np.linspace(0.0, scene.duration_s, 500)
        ways = [path.motions(times).position_m for path in strolls(scene)]
        for index, one in enumerate(ways):
            for other in ways[:index]:
                gap = np.linalg.norm(one[:, None] - other[None], axis=2)
                first, second = np.unravel_index(np.argmin(gap), gap.shape)
                assert gap[first, second] < 0.03  # the ways themselves meet, at different times
                assert abs(times[first] - times[second]) < 3.0
                for way, at in ((one, first), (other, second)):
                    share = np.linalg.norm(way[at] - way[0]) / np.linalg.norm(way[-1] - way[0])
                    assert 0.2 < share < 0.8


@pytest.mark.parametrize("name", ROOMS)
def test_a_pair_has_nearly_the_same_doppler_shift_all_the_way(name: str) -> None:
    room = ROOMS[name]
    ends = np.array([room.transmitter_m, (room.receiver.x_m, room.receiver.y_m)])
    for seed in range(1000, 1006):
        scene = make_scene(f"{name}-pair", seed)
        times = np.arange(0.0, scene.duration_s, 0.02)
        lengths = [
            np.linalg.norm(path.motions(times).position_m[:, None] - ends, axis=2).sum(axis=1)
            for path in strolls(scene)
        ]
        shifts = np.diff(lengths, axis=1) / 0.02 / 0.0115
        assert np.abs(shifts).max() > 20.0
        assert np.median(np.abs(shifts[0] - shifts[1])) < 4.5


def test_one_who_stands_sways_and_breathes_and_goes_nowhere() -> None:
    scene = make_scene("lab-standing", 1001)
    times = np.linspace(0.0, 30.0, 600)
    place = strolls(scene)[0].motions(times).position_m
    assert 0.001 < np.ptp(place, axis=0).min() < np.ptp(place, axis=0).max() < 0.02
    body = scene.targets[0].body
    assert 0.004 <= body.breath_m <= 0.006  # type: ignore[attr-defined]
    assert 0.2 <= body.breath_hz <= 0.3  # type: ignore[attr-defined]


# --- bodies ----------------------------------------------------------------------------------------------------------


def still(forward: tuple[float, float], times: np.ndarray, position: tuple[float, float] = (0.5, 3.0)) -> Motions:
    n = len(times)
    zero = np.zeros(n)
    return Motions(np.tile(position, (n, 1)), np.zeros((n, 2)), np.tile(forward, (n, 1)), zero, zero, zero)


def test_the_chest_comes_forward_by_as_much_as_is_said_and_the_back_does_not() -> None:
    body = breathing(person(np.random.default_rng(3)), np.random.default_rng(4))
    times = np.linspace(0.0, 20.0, 2000)
    here = np.zeros(2)
    front = glints_of(body, still((0.0, -1.0), times, (0.0, 3.0)), times, here, here).position_m[:, 0]
    assert np.ptp(front[:, 1]) == pytest.approx(body.breath_m, rel=1e-3)
    assert np.count_nonzero(np.diff(np.sign(front[:, 1] - front[:, 1].mean())) < 0) == pytest.approx(
        20.0 * body.breath_hz, abs=1.0
    )
    behind = glints_of(body, still((0.0, 1.0), times, (0.0, 3.0)), times, here, here).position_m[:, 0]
    assert np.ptp(behind[:, 1]) == pytest.approx(0.0, abs=1e-12)


def test_points_of_one_who_breathes_move_as_they_say() -> None:
    body = breathing(person(np.random.default_rng(3)), np.random.default_rng(4))
    motion = still((0.3, -math.sqrt(1.0 - 0.09)), np.zeros(1)).at(0)
    before, now, after = (body.scatterers(motion, 1.3 + k * H) for k in (-1, 0, 1))
    assert (after.position_m - before.position_m) / (2 * H) == pytest.approx(now.velocity_mps, abs=1e-6)
    assert np.abs(now.velocity_mps).max() > 1e-3


def test_a_pair_in_one_place_sees_what_a_radar_there_sees() -> None:
    scene = make_scene("lab-walk", 1002).seen_from(ROOMS["lab"].radar)
    target = scene.targets[0]
    times = np.array([0.7, 2.0, 3.1])
    many = glints_of(target.body, motions_of(target.path, times), times, np.zeros(2), np.zeros(2))
    for index, time_s in enumerate(times):
        one = target.body.scatterers(target.path.motion(float(time_s)), float(time_s))
        # The radar's form looks along the line to the centre, the pair's to the place itself.
        assert many.position_m[index, 0] == pytest.approx(one.position_m[0], abs=0.02)
        assert many.position_m[index, 1:] == pytest.approx(one.position_m[1:], abs=1e-9)
        assert many.rcs_m2[index] == pytest.approx(one.rcs_m2)
    assert np.array_equal(many.phase_rad, one.phase_rad)


@given(
    st.floats(-math.pi, math.pi),
    st.tuples(st.floats(-4.0, 4.0), st.floats(1.0, 6.0)),
    st.tuples(st.floats(2.0, 4.0), st.floats(-1.0, 5.0)),
)
def test_the_place_that_shines_is_where_the_way_by_the_surface_is_shortest(
    heading: float, place: tuple[float, float], tx: tuple[float, float]
) -> None:
    if min(math.dist(place, tx), math.hypot(*place)) < 0.8:
        return
    to_tx, to_rx = np.subtract(tx, place) / math.dist(place, tx), -np.asarray(place) / math.hypot(*place)
    if to_tx @ to_rx < -0.8:  # nearly on the line between the two a body hides the one from the other
        return
    body = person(np.random.default_rng(1))
    forward = (math.sin(heading), math.cos(heading))
    zero = np.zeros(1)
    found = glints_of(body, still(forward, zero, place), zero, np.asarray(tx), np.zeros(2)).position_m[0, 0]
    angle = np.linspace(0.0, 2.0 * math.pi, 50_001)
    right, ahead = body.half_width_m * np.cos(angle), body.half_depth_m * np.sin(angle)
    axes = np.array([[forward[1], -forward[0]], forward])
    surface = np.asarray(place) + np.stack([right, ahead], axis=1) @ axes
    length = np.linalg.norm(surface - tx, axis=1) + np.linalg.norm(surface, axis=1)
    assert math.dist(found, tx) + math.hypot(*found) == pytest.approx(length.min(), abs=2e-5)
    assert found == pytest.approx(surface[np.argmin(length)], abs=2e-3)


# --- sensors ---------------------------------------------------------------------------------------------------------


def test_every_sensor_sees_the_same_person_at_the_same_place() -> None:
    scene = make_scene("office-crossing3", 1003)
    for pose in (ROOMS["office"].radar, ROOMS["office"].receiver, Pose(x_m=1.0, y_m=2.0, yaw_rad=2.5)):
        seen = scene.seen_from(pose)
        truth, there = seen.truth(2.5), scene.truth(2.5)
        assert pose.to_room(truth.position_m) == pytest.approx(there.position_m)
        assert pose.velocity_to_room(truth.velocity_mps) == pytest.approx(there.velocity_mps)
        assert pose.to_room(seen.static.position_m) == pytest.approx(scene.static.position_m)
        near = pose.to_room(seen.moving(2.5).position_m).reshape(3, -1, 2)
        assert np.abs(near - there.position_m[:, None]).max() < 0.6


def test_a_scene_without_a_room_is_the_same_from_everywhere() -> None:
    scene = make_scene("crossing", 1)
    assert scene.seen_from(Pose(x_m=3.0, yaw_rad=1.0)) is scene


def test_a_scene_that_began_before_is_that_much_later() -> None:
    scene = make_scene("lab-walk", 1)
    assert scene.later(1.5).later(0.5).truth(0.25).position_m == pytest.approx(scene.truth(2.25).position_m)
    assert scene.later(1.5).truth(0.25).time_s == 0.25
    assert scene.later(0.0) is scene


@pytest.mark.parametrize(
    ("name", "seed", "frame", "digest"),
    [
        ("crossing", 3, 7, "1b5a8b033ef74c5cdbb94b0f80ddc1fe82c7be985cc2deb3a95aaad6f83e5e8a"),
        ("experiment3", 2, 20, "5002c551c1b2330ca6bc5617cb5595bb3e1ede1df91f3e5d2ccd0da16161bfe2"),
    ],
)
def test_frames_of_the_scenes_without_a_room_are_what_they_were(name: str, seed: int, frame: int, digest: str) -> None:
    """Golden values from before rooms, observers and breath came to scenes and bodies."""
    words = Synthesiser(parse_profile(default_profile()), make_scene(name, seed), seed=seed).frame(frame)
    assert hashlib.sha256(words.astype("<i2").tobytes()).hexdigest() == digest


def test_the_simulated_radar_looks_at_a_room_from_its_place() -> None:
    scene = make_scene("lab-crossing", 3)
    with open_device("sim://awr1642?scene=lab-crossing&seed=3&speed=max") as device:
        assert device.pose == ROOMS["lab"].radar
        device.configure()
        device.start()
        frame = next(device.frames())
        truth = device.truth(frame)
    assert truth is not None
    assert device.pose.to_room(truth.position_m) == pytest.approx(scene.truth(truth.time_s).position_m)


def test_the_simulated_radar_goes_by_the_clock_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RoomClock, "offset_s", lambda self, speed=1.0: 2.0)
    pose = Pose(x_m=1.0, y_m=0.5, yaw_rad=0.0)
    with open_device("sim://awr1642?scene=lab-crossing&seed=3&speed=max&clock=room&pose=1,0.5,0") as device:
        device.configure()
        device.start()
        truth = device.truth(next(device.frames()))
    assert truth is not None
    expected = make_scene("lab-crossing", 3).truth(truth.time_s + 2.0)
    assert pose.to_room(truth.position_m) == pytest.approx(expected.position_m)


def test_a_clock_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="clock=sun"):
        open_device("sim://awr1642?clock=sun")
