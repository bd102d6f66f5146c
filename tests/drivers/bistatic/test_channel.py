"""The bistatic channel of a scene against closed forms and brute force."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ArrayModel, ConfigError, OfdmSensor
from isactrack.drivers.simulated.bistatic.channel import (
    ISOTROPIC,
    BistaticChannel,
    Pattern,
    shadow_db,
)
from isactrack.drivers.simulated.bodies import Scatterers, person
from isactrack.drivers.simulated.paths import Course, Motion, Walk
from isactrack.drivers.simulated.rooms import ROOMS
from isactrack.drivers.simulated.scene import Scene, Target, make_scene
from isactrack.geometry import Pose

C = 299_792_458.0
TX = (3.6, 2.4)
SENSOR = OfdmSensor(
    model="test",
    carrier_frequency_hz=26e9,
    subcarrier_spacing_hz=270e3,
    tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3,
    rx_positions=tuple(0.5 * p for p in range(8)),
    tx_position_m=TX,
)
PLACES = st.tuples(st.floats(-4.0, 4.0), st.floats(0.5, 7.0))


@dataclass(frozen=True)
class Dot:
    """A body that is one point at its centre."""

    rcs_m2: float = 1.0
    half_length_m: float = 0.0
    half_width_m: float = 0.0

    def scatterers(self, motion: Motion, time_s: float, observer_m: np.ndarray | None = None) -> Scatterers:
        return Scatterers(motion.position_m[None], motion.velocity_mps[None], np.array([self.rcs_m2]), np.array([0.4]))


def channel(scene: Scene, sensor: OfdmSensor = SENSOR, **changes: object) -> BistaticChannel:
    options: dict[str, object] = {"receiver_pattern": ISOTROPIC, "transmitter_pattern": ISOTROPIC, "shadowing": False}
    return BistaticChannel(scene, sensor, **(options | changes))  # type: ignore[arg-type]


def static(*places: tuple[float, float], rcs_m2: float = 1.0, phase_rad: float = 0.0) -> Scene:
    where = np.array(places, dtype=np.float64).reshape(-1, 2)
    n = len(where)
    return Scene("static", (), Scatterers(where, np.zeros((n, 2)), np.full(n, rcs_m2), np.full(n, phase_rad)))


def of_path(length_m: float, azimuth_rad: float, amplitude: complex, sensor: OfdmSensor = SENSOR) -> np.ndarray:
    """Eq. 1 of indoor-multi-person-isac-26ghz for one path."""
    frequency = sensor.carrier_frequency_hz + sensor.tone_frequencies_hz
    row = np.exp(2j * np.pi * np.asarray(sensor.rx_positions) * math.sin(azimuth_rad))
    return np.asarray(amplitude * row[:, None] * np.exp(-2j * np.pi * frequency * length_m / C))


# --- single paths ----------------------------------------------------------------------------------------------------


def test_the_direct_path_has_the_delay_phase_azimuth_and_loss_of_free_space() -> None:
    length, wavelength = math.hypot(*TX), C / 26e9
    expected = of_path(length, math.atan2(*TX), wavelength / (4.0 * math.pi * length))
    made = channel(Scene("void"))
    assert made.csi([0.0, 3.0]) == pytest.approx(np.stack([expected, expected]), abs=1e-10 * abs(expected[0, 0]))
    assert made.direct_length_m == pytest.approx(length)
    assert made.direct_azimuth_rad == pytest.approx(math.atan2(*TX))
    assert made.direct_amplitude == pytest.approx(wavelength / (4.0 * math.pi * length))


@given(PLACES, st.floats(0.01, 10.0), st.floats(0.0, 6.0))
def test_a_still_point_is_a_path_of_the_bistatic_radar_equation(
    place: tuple[float, float], rcs_m2: float, phase_rad: float
) -> None:
    from_tx, from_rx = max(math.dist(place, TX), 0.1), math.hypot(*place)
    wavelength = C / 26e9
    # P_rx / P_tx of two isotropic antennas: lambda^2 sigma / ((4 pi)^3 d1^2 d2^2).
    power = wavelength**2 * rcs_m2 / ((4.0 * math.pi) ** 3 * from_tx**2 * from_rx**2)
    expected = of_path(math.dist(place, TX) + from_rx, math.atan2(*place), math.sqrt(power) * np.exp(1j * phase_rad))
    made = channel(static(place, rcs_m2=rcs_m2, phase_rad=phase_rad)).csi([0.0]) - channel(Scene("void")).csi([0.0])
    assert made[0] == pytest.approx(expected, abs=1e-9)


@given(PLACES, st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_the_doppler_shift_is_what_the_length_of_the_path_changes_by(
    place: tuple[float, float], vx: float, vy: float
) -> None:
    if min(math.dist(place, TX), math.hypot(*place)) < 0.5 or math.hypot(vx, vy) < 0.05:
        return
    walk = Walk(place, (place[0] + 10.0 * vx, place[1] + 10.0 * vy), 10.0)
    made = channel(Scene("dot", (Target(1, walk, Dot()),)))
    step = 1e-4
    only = made.csi([0.0, step]) - channel(Scene("void")).csi([0.0])
    turned = np.angle(np.sum(only[1, 0, 37:39] * np.conj(only[0, 0, 37:39])))

    def length(time_s: float) -> float:
        where = np.add(place, time_s * np.array([vx, vy]))
        return math.dist(where, TX) + math.hypot(*where)

    rate = (length(step) - length(0.0)) / step
    assert turned / (2.0 * math.pi * step) == pytest.approx(-rate * 26e9 / C, abs=0.3 + 0.01 * abs(rate))
    lengths, azimuths, amplitudes = made.moving_paths([step])
    assert lengths[0, 0] == pytest.approx(length(step))
    assert azimuths[0, 0] == pytest.approx(math.atan2(place[0] + vx * step, place[1] + vy * step))
    assert amplitudes[0, 0] > 0.0


def test_a_channel_of_many_paths_is_the_sum_of_theirs() -> None:
    scene = make_scene("lab-crossing3", 1004)
    made = BistaticChannel(scene, SENSOR, shadowing=False)
    times = np.array([1.0, 2.5])
    moving = np.zeros((2, 8, 76), dtype=np.complex128)
    lengths, sines, _, gains, _ = made._moving(times)
    for block in range(2):
        for length, sine, gain in zip(lengths[block], sines[block], gains[block], strict=True):
            moving[block] += of_path(length, math.asin(sine), gain)
    still = BistaticChannel(make_scene("lab-empty", 1004), SENSOR).csi(times)
    assert np.abs(made.csi(times) - still - moving).max() < 1e-9 * made.direct_amplitude


def test_blocks_do_not_depend_on_each_other() -> None:
    made = BistaticChannel(make_scene("office-crossing", 1001), SENSOR)
    times = np.linspace(0.0, 6.0, 13)
    together = made.csi(times)
    alone = np.concatenate([made.csi([time_s]) for time_s in times])
    assert np.abs(together - alone).max() < 1e-12 * made.direct_amplitude


def test_any_subcarriers_can_be_asked_for() -> None:
    made = BistaticChannel(make_scene("lab-walk", 1001), SENSOR)
    every = np.array([k for k in range(-912, 913) if k])
    wide = made.spectrum([1.7], every)
    at = np.searchsorted(every, SENSOR.tones)
    assert np.abs(wide[:, :, at] - made.csi([1.7])).max() < 1e-10 * made.direct_amplitude
    few = np.array([-7, 1, 30])
    assert np.abs(made.spectrum([1.7], few) - wide[:, :, np.searchsorted(every, few)]).max() < 1e-10


def test_beams_are_the_fourier_transform_of_the_elements() -> None:
    scene = make_scene("lab-walk", 1001)
    beams = BistaticChannel(scene, replace(SENSOR, array=ArrayModel.BEAMSPACE)).csi([1.0])
    assert beams == pytest.approx(np.fft.fft(BistaticChannel(scene, SENSOR).csi([1.0]), axis=1, norm="ortho"))


# --- rooms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROOMS)
def test_a_wall_mirrors_where_the_way_by_it_is_shortest(name: str) -> None:
    room = ROOMS[name]
    made = BistaticChannel(make_scene(f"{name}-empty", 0), SENSOR)
    share = np.linspace(0.0, 1.0, 100_001)[:, None]
    for index, (begin, end) in enumerate(room.receiver.to_sensor(room.walls_m)):
        wall = begin + share * (end - begin)
        length = np.linalg.norm(wall - made.tx_m, axis=1) + np.linalg.norm(wall, axis=1)
        best = int(np.argmin(length))
        assert 0 < best < len(wall) - 1
        assert made._static_length[1 + index] == pytest.approx(length[best], abs=1e-6)
        assert made._static_places[index] == pytest.approx(wall[best], abs=2e-4)
        # All but the patterns: the loss of the wall and of the mirrored distance.
        plain = BistaticChannel(
            make_scene(f"{name}-empty", 0), SENSOR, receiver_pattern=ISOTROPIC, transmitter_pattern=ISOTROPIC
        )
        lost = 20.0 * math.log10(abs(plain._static_gain[1 + index]) / plain.direct_amplitude)
        spread = 20.0 * math.log10(plain.direct_length_m / length[best])
        assert lost == pytest.approx(spread - room.wall_loss_db[index], abs=1e-3)


@pytest.mark.parametrize("name", ROOMS)
def test_people_are_well_below_the_direct_path_and_well_above_a_typical_noise(name: str) -> None:
    for seed in range(1000, 1004):
        scene = make_scene(f"{name}-walk", seed)
        made = BistaticChannel(scene, SENSOR)
        _, _, amplitude = made.moving_paths(np.linspace(0.0, scene.duration_s, 50))
        level_db = 10.0 * np.log10((amplitude**2).sum(axis=1)) - 20.0 * math.log10(made.direct_amplitude)
        assert -30.0 < level_db.min() < level_db.max() < -8.0


def test_radio_and_radar_see_one_person_at_one_place() -> None:
    scene = make_scene("lab-walk", 1002)
    room = ROOMS["lab"]
    made = BistaticChannel(scene, SENSOR)
    for time_s in (1.0, 2.5, 4.0):
        length, azimuth, amplitude = (values[0] for values in made.moving_paths([time_s]))
        weight = amplitude**2 / np.sum(amplitude**2)
        # Eq. 7 to 9: the range from the receiver, of the sum path and the azimuth.
        gap = made.direct_length_m * np.cos(azimuth - made.direct_azimuth_rad)
        ranges = (length**2 - made.direct_length_m**2) / (2.0 * (length - gap))
        there = room.receiver.to_room(np.stack([ranges * np.sin(azimuth), ranges * np.cos(azimuth)], axis=-1))
        points = scene.seen_from(room.radar).moving(time_s)
        strength = points.rcs_m2 / points.rcs_m2.sum()
        by_radar = room.radar.to_room(points.position_m)
        assert weight @ there == pytest.approx(strength @ by_radar, abs=0.12)
        assert weight @ there == pytest.approx(scene.truth(time_s).position_m[0], abs=0.25)


def test_another_pose_moves_the_transmitter_and_everything_else_in_the_receivers_frame() -> None:
    scene, room = make_scene("lab-walk", 1002), ROOMS["lab"]
    pose = Pose(x_m=0.5, y_m=0.7, yaw_rad=0.3)
    made = BistaticChannel(scene, SENSOR, pose)
    assert pose.to_room(made.tx_m) == pytest.approx(room.transmitter_m)
    length, azimuth, _ = (values[0] for values in made.moving_paths([2.0]))
    centre = pose.to_sensor(scene.truth(2.0).position_m[0])
    assert length == pytest.approx(math.dist(centre, made.tx_m) + math.hypot(*centre), abs=0.6)
    assert azimuth == pytest.approx(math.atan2(*centre), abs=0.2)


@pytest.mark.parametrize("name", ROOMS)
def test_a_ghost_is_the_shortest_way_by_wall_and_person(name: str) -> None:
    room, scene = ROOMS[name], make_scene(f"{name}-walk", 1003)
    made, plain = (BistaticChannel(scene, SENSOR, ghosts=ghosts) for ghosts in (True, False))
    lengths, azimuths, levels = (values[0] for values in made.moving_paths([2.0]))
    points = plain.moving_paths([2.0])[0].shape[1]
    assert lengths[:points] == pytest.approx(plain.moving_paths([2.0])[0][0])
    where = room.receiver.to_sensor(scene.truth(2.0).position_m[0])
    share = np.linspace(0.0, 1.0, 100_001)[:, None]
    for index, (begin, end) in enumerate(room.receiver.to_sensor(room.walls_m)):
        wall = begin + share * (end - begin)
        to_person = np.linalg.norm(wall - where, axis=1)
        before = np.linalg.norm(wall - made.tx_m, axis=1) + to_person
        behind = np.linalg.norm(wall, axis=1) + to_person
        by_wall, by_person = lengths[points + index], lengths[points + 4 + index]
        assert by_wall == pytest.approx(before.min() + math.hypot(*where), abs=1e-6)
        assert by_person == pytest.approx(behind.min() + math.dist(where, made.tx_m), abs=1e-6)
        assert azimuths[points + index] == pytest.approx(math.atan2(*where))
        assert azimuths[points + 4 + index] == pytest.approx(math.atan2(*wall[np.argmin(behind)]), abs=1e-3)
    below = 10.0 * np.log10(np.sum(levels[points:] ** 2) / np.sum(levels[:points] ** 2))
    assert -30.0 < below < -5.0


# --- patterns and shadows --------------------------------------------------------------------------------------------


def test_a_pattern_falls_off_to_its_floor() -> None:
    pattern = Pattern(exponent=2.0, floor_db=-20.0)
    assert pattern.amplitude([1.0, 0.0, -1.0]) == pytest.approx([1.0, 0.1, 0.1])
    assert pattern.amplitude(0.5) == pytest.approx(math.sqrt(0.01 + 0.99 * 0.25))
    assert ISOTROPIC.amplitude([-1.0, 0.3]) == pytest.approx(1.0)


def test_the_patterns_of_both_antennas_weigh_each_path() -> None:
    place = (-2.0, 4.0)
    pattern = Pattern(exponent=2.0, floor_db=-30.0)
    scene = static(place)
    void = Scene("void")
    plain = channel(scene).csi([0.0]) - channel(void).csi([0.0])
    weighed = channel(scene, receiver_pattern=pattern).csi([0.0]) - channel(void, receiver_pattern=pattern).csi([0.0])
    assert np.abs(weighed) == pytest.approx(np.abs(plain) * pattern.amplitude(4.0 / math.hypot(*place)))
    made = channel(void, transmitter_pattern=pattern)
    cosine = made._tx_looks @ -made.tx_m / made.direct_length_m
    assert made.direct_amplitude == pytest.approx(channel(void).direct_amplitude * pattern.amplitude(cosine))


def test_a_shadow_comes_and_goes_smoothly_and_ends_with_the_path() -> None:
    begin, end = np.array([0.0, 0.0]), np.array([0.0, 6.0])
    aside = np.linspace(-1.0, 1.0, 2001)
    loss = shadow_db(np.stack([aside, np.full_like(aside, 3.0)], axis=1), begin, end, 0.0115, 15.0)
    assert loss[1000] == pytest.approx(15.0, abs=0.1)
    assert loss == pytest.approx(loss[::-1])
    assert np.all(np.diff(loss[:1001]) >= 0.0)
    assert np.abs(np.diff(loss)).max() < 0.3  # 1 mm at a time
    zone = math.sqrt(0.0115 * 1.5)
    assert np.interp(0.2, aside, loss) == pytest.approx(7.5, abs=0.1)
    assert np.interp(0.2 + zone, aside, loss) < 0.5
    assert shadow_db(np.array([0.0, 7.0]), begin, end, 0.0115, 15.0) < 1e-3


def test_who_walks_through_the_direct_path_shadows_it_and_nobody_else_does() -> None:
    through = Course(((0.0, 1.8, -0.8), (4.0, 1.8, 3.2)))  # through the middle at 2 s
    body = person(np.random.default_rng(1))
    scene = Scene("through", (Target(1, through, body),))
    times = np.linspace(0.0, 4.0, 81)
    made = channel(scene, shadowing=True)
    weight = made._static_weights(made._moving(times)[4], len(times))
    loss_db = -20.0 * np.log10(weight[:, 0])
    assert times[np.argmax(loss_db)] == pytest.approx(2.0, abs=0.05)
    assert loss_db.max() == pytest.approx(15.0, abs=0.5)
    assert loss_db[np.abs(times - 2.0) > 0.7].max() < 0.1
    assert made._static_weights(made._moving(times)[4][:, :0], len(times)) == pytest.approx(1.0)


def test_a_mirrored_path_has_the_shadow_of_a_straight_one_as_long_as_it_is() -> None:
    made = BistaticChannel(make_scene("lab-empty", 0), SENSOR)
    far = 3  # the wall at the back, from left to right below
    place, length = made._static_places[far - 1], made._static_length[far]
    to_rx = np.linalg.norm(place)
    along = place / to_rx
    for from_rx, side in ((0.4 * to_rx, 0.0), (0.5 * to_rx, 0.3), (0.8 * to_rx, 0.3)):  # to the left: off the other leg
        person = from_rx * along + side * np.array([-along[1], along[0]])
        loss = -20.0 * np.log10(made._static_weights(person[None, None], 1)[0, far])
        zone = math.sqrt(SENSOR.wavelength_m * from_rx * (length - from_rx) / length)
        one_leg = 7.5 * (1.0 - math.tanh(2.0 * (side - 0.2) / zone))
        assert loss == pytest.approx(one_leg, abs=0.3)


def test_people_shadow_those_behind_them_but_not_themselves() -> None:
    made = channel(Scene("void"), shadowing=True)
    alone = made._shadows_on_people(np.array([[[0.0, 4.0]]]))
    assert alone == pytest.approx(1.0)
    behind = made._shadows_on_people(np.array([[[0.0, 2.0], [0.0, 4.0]], [[-2.0, 2.0], [0.0, 4.0]]]))
    assert -20.0 * np.log10(behind[0, 1]) == pytest.approx(10.0, abs=0.2)
    assert behind[0, 0] == pytest.approx(1.0, abs=0.01)
    assert behind[1] == pytest.approx(1.0, abs=0.01)


def test_who_is_not_there_yet_reflects_and_shadows_nothing() -> None:
    late = Scene("late", (Target(1, Course(((1.0, 0.0, 3.0), (2.0, 1.0, 3.0))), Dot()),))
    made = channel(late, shadowing=True)
    csi = made.csi([0.5, 1.5])
    void = channel(Scene("void")).csi([0.0])[0]
    assert csi[0] == pytest.approx(void)
    assert np.abs(csi[1] - void).max() > 1e-3 * made.direct_amplitude


def test_the_direct_path_can_be_turned_down() -> None:
    made = channel(static((1.0, 4.0)))
    lost = made.csi([0.0, 0.0], direct_gain=[1.0, 0.25])
    assert lost[0] - lost[1] == pytest.approx(0.75 * channel(Scene("void")).csi([0.0])[0])


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: channel(Scene("void"), replace(SENSOR, tx_position_m=None)), "transmitter stands"),
        (lambda: channel(Scene("void"), replace(SENSOR, tx_streams=2)), "2 streams"),
        (lambda: channel(Scene("void"), replace(SENSOR, array=ArrayModel.SWITCHED)), "switched"),
        (lambda: channel(make_scene("lab-empty"), pose=Pose(x_m=9.0)), "not in the room"),
        (lambda: channel(Scene("void"), tx_position_m=(0.0, 0.0)), "where the receiver does"),
    ],
)
def test_what_cannot_be_simulated_is_refused(make: Callable[[], BistaticChannel], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
