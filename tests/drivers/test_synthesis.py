"""Simulated echoes against closed forms: eq. 1 of mnomp-spa-kf, the radar equation, and the truth of the scenes."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ConfigError, FmcwSensor, Frame
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.simulated.bodies import Scatterers, person
from isactrack.drivers.simulated.paths import TURN_TIME_S, Walk
from isactrack.drivers.simulated.scene import SCENES, Scene, Target, make_scene
from isactrack.drivers.simulated.synthesis import Receiver, Synthesiser

C = 299_792_458.0
PURE = Receiver(image_db=-300.0, phase_jitter_rad=0.0, leakage_lsb=0.0)
STRONG = 1e9
"""A cross-section (m^2) before which the noise vanishes."""


@pytest.fixture(scope="module")
def sensor() -> FmcwSensor:
    return parse_profile(default_profile())


def point(
    range_m: float, azimuth_rad: float = 0.0, velocity_mps: float = 0.0, rcs_m2: float = STRONG, phase_rad: float = 0.0
) -> Scene:
    """A scene of one point that moves radially."""
    direction = np.array([[math.sin(azimuth_rad), math.cos(azimuth_rad)]])
    points = Scatterers(range_m * direction, velocity_mps * direction, np.array([rcs_m2]), np.array([phase_rad]))
    return Scene("point", (), points)


def cube_of(sensor: FmcwSensor, scene: Scene, receiver: Receiver = PURE) -> np.ndarray:
    return Synthesiser(sensor, scene, receiver).signal(0)


def step(a: np.ndarray, b: np.ndarray) -> float:
    """Phase from a to b, averaged over everything else."""
    return float(np.angle(np.sum(b * np.conj(a))))


def wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)


# --- eq. 1 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bin_", [5, 17, 60])
def test_a_still_point_has_the_beat_frequency_and_phase_of_eq_1(sensor: FmcwSensor, bin_: int) -> None:
    range_m = bin_ * sensor.range_resolution_m
    cube = cube_of(sensor, point(range_m, phase_rad=0.7))
    spectrum = np.abs(np.fft.fft(cube[0, 0, 0]))
    assert int(np.argmax(spectrum)) == bin_
    assert np.delete(spectrum, bin_).max() < 0.01 * spectrum[bin_]  # on the bin: no leakage
    per_sample = 4 * math.pi * sensor.slope_hz_per_s / sensor.sample_rate_hz * range_m / C
    assert step(cube[..., :-1], cube[..., 1:]) == pytest.approx(wrapped(per_sample), abs=1e-4)
    first_hz = sensor.start_frequency_hz + sensor.slope_hz_per_s * sensor.adc_start_s
    phase = 2 * math.pi * math.fmod(first_hz * 2 * range_m / C, 1.0) + 0.7
    assert step(np.ones(1), cube[0, 0, 0, :1]) == pytest.approx(wrapped(phase), abs=1e-3)


@pytest.mark.parametrize("velocity_mps", [3.0, -3.0, 0.8, -15.0])
def test_a_point_that_moves_away_has_positive_doppler_of_eq_1(sensor: FmcwSensor, velocity_mps: float) -> None:
    cube = cube_of(sensor, point(12.0, velocity_mps=velocity_mps))
    per_loop = 4 * math.pi * sensor.centre_frequency_hz * sensor.slow_time_interval_s * velocity_mps / C
    assert step(cube[:-1], cube[1:]) == pytest.approx(wrapped(per_loop), abs=2e-3)
    doppler = np.abs(np.fft.fftshift(np.fft.fft(cube, axis=0), axes=0)).sum(axis=(1, 2, 3))
    expected = int(np.argmin(np.abs(sensor.velocity_axis_mps - velocity_mps)))
    assert int(np.argmax(doppler)) == expected


def test_a_fast_point_walks_through_range_within_the_frame(sensor: FmcwSensor) -> None:
    """Range and Doppler are coupled: the beat frequency grows from the first chirp to the last."""
    long = replace(sensor, loops_per_frame=256)
    cube = cube_of(long, point(12.0, velocity_mps=15.0))
    per_metre = 4 * math.pi * sensor.slope_hz_per_s / sensor.sample_rate_hz / C
    first, last = (step(cube[k, ..., :-1], cube[k, ..., 1:]) / per_metre for k in (0, -1))
    travelled = 15.0 * 255 * sensor.slow_time_interval_s
    assert last - first == pytest.approx(travelled, rel=0.05)
    assert (first + last) / 2 == pytest.approx(12.0, abs=0.02)


@pytest.mark.parametrize("azimuth_deg", [-50.0, -10.0, 0.0, 25.0, 60.0])
def test_azimuth_turns_the_phase_along_the_array(sensor: FmcwSensor, azimuth_deg: float) -> None:
    azimuth = math.radians(azimuth_deg)
    cube = cube_of(sensor, point(10.0, azimuth))
    assert step(cube[:, :, :-1], cube[:, :, 1:]) == pytest.approx(wrapped(math.pi * math.sin(azimuth)), abs=1e-4)


@pytest.mark.parametrize("velocity_mps", [0.0, 2.0])
def test_two_transmitters_in_turn_continue_the_array_and_see_later(sensor: FmcwSensor, velocity_mps: float) -> None:
    tdm = replace(sensor, tx_positions=(0.0, 2.0))
    azimuth = math.radians(20.0)
    cube = cube_of(tdm, point(10.0, azimuth, velocity_mps))
    # TX2 fires one chirp after TX1: half a step of slow time more Doppler phase.
    motion = 4 * math.pi * tdm.centre_frequency_hz * tdm.chirp_interval_s * velocity_mps / C
    expected = 2 * math.pi * 2.0 * math.sin(azimuth) + motion
    assert step(cube[:, 0], cube[:, 1]) == pytest.approx(wrapped(expected), abs=5e-3)
    virtual = cube[0].reshape(8, -1)
    if velocity_mps == 0.0:
        steps = [step(virtual[k], virtual[k + 1]) for k in range(7)]
        assert steps == pytest.approx([math.pi * math.sin(azimuth)] * 7, abs=1e-3)


def test_frame_k_sees_the_walker_where_the_truth_is(sensor: FmcwSensor) -> None:
    """The reflection of frame k comes from the place at the middle of its coherent interval."""
    body = person(np.random.default_rng(0))
    dot = replace(
        body,
        half_width_m=1e-6,
        half_depth_m=1e-6,
        torso_rcs_m2=STRONG,
        limb_offset_m=np.zeros((4, 2)),
        limb_swing_m=np.zeros(4),
        phase_rad=np.zeros_like(body.phase_rad),
    )
    scene = Scene("one", (Target(1, Walk((0.0, 3.0), (0.0, 15.0), 6.0), dot),))
    synthesiser = Synthesiser(sensor, scene, PURE)
    for index in (0, 10, 45):
        cube = synthesiser.signal(index)
        middle_s = index * sensor.frame_period_s + sensor.coherent_time_s / 2
        truth = scene.truth(middle_s)
        per_metre = 4 * math.pi * sensor.slope_hz_per_s / sensor.sample_rate_hz / C
        range_m = step(cube[..., :-1], cube[..., 1:]) / per_metre
        assert range_m == pytest.approx(float(truth.position_m[0, 1]), abs=2e-3)
        per_loop = 4 * math.pi * sensor.centre_frequency_hz * sensor.slow_time_interval_s / C
        assert step(cube[:-1], cube[1:]) / per_loop == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("samples", [2, 100, 128])
def test_all_points_at_once_are_the_sum_of_single_ones_by_eq_1(sensor: FmcwSensor, samples: int) -> None:
    """Against a loop over points that takes one exponential a sample."""
    tdm = replace(sensor, tx_positions=(0.0, 2.0), samples_per_chirp=samples)
    points = make_scene("experiment2", 5).moving(2.0)
    loud = replace(points, rcs_m2=1e6 * points.rcs_m2)
    cube = Synthesiser(tdm, make_scene("noise"), PURE)._echoes(loud, 0.7)
    expected = np.zeros(tdm.cube_shape, dtype=np.complex128)
    chirp_s = np.arange(tdm.loops_per_frame)[:, None] * tdm.slow_time_interval_s + np.array([0.0, tdm.chirp_interval_s])
    sample_s = np.arange(samples) / tdm.sample_rate_hz
    for k in range(len(loud.rcs_m2)):
        alone = Scatterers(
            *(getattr(loud, f)[k : k + 1] for f in ("position_m", "velocity_mps", "rcs_m2", "phase_rad"))
        )
        amplitude = Synthesiser(tdm, make_scene("noise"), PURE)._amplitudes(alone)[0]
        places = loud.position_m[k] + (chirp_s - tdm.coherent_time_s / 2.0)[..., None] * loud.velocity_mps[k]
        delay_s = 2.0 * np.linalg.norm(places, axis=-1)[..., None] / C
        frequency = tdm.start_frequency_hz + tdm.slope_hz_per_s * (tdm.adc_start_s + sample_s)
        element = np.asarray(tdm.tx_positions)[:, None] + np.asarray(tdm.rx_positions)
        turn = element * loud.position_m[k, 0] / np.linalg.norm(loud.position_m[k])
        cycles = (frequency * delay_s)[:, :, None, :] + turn[None, :, :, None]
        expected += amplitude * np.exp(1j * (2.0 * math.pi * cycles + loud.phase_rad[k]))
    # 77 GHz times a delay is 1e4 turns, of which rounding leaves 1e-11.
    assert np.abs(cube - expected).max() < 1e-9 * np.abs(expected).max()


# --- link budget and impairments -------------------------------------------------------------------------------------


def expected_snr_db(sensor: FmcwSensor, range_m: float, rcs_m2: float, azimuth_rad: float) -> float:
    """The radar equation in dB, of one complex sample, with a 12.5 dBm transmitter and 10.5 dBi antennas."""
    received = 12.5 + 2 * 10.5 + 20 * math.log10(sensor.wavelength_m) + 10 * math.log10(rcs_m2)
    received += 40 * math.log10(math.cos(azimuth_rad)) - 30 * math.log10(4 * math.pi) - 40 * math.log10(range_m)
    return received - (-174 + 10 * math.log10(sensor.sample_rate_hz) + 15)


@pytest.mark.parametrize(("bin_", "rcs_m2", "azimuth_deg"), [(7, 0.5, 0.0), (12, 2.0, 0.0), (7, 0.5, 40.0)])
def test_the_signal_to_noise_ratio_obeys_the_radar_equation(
    sensor: FmcwSensor, bin_: int, rcs_m2: float, azimuth_deg: float
) -> None:
    range_m, azimuth = bin_ * sensor.range_resolution_m, math.radians(azimuth_deg)
    synthesiser = Synthesiser(sensor, point(range_m, azimuth, rcs_m2=rcs_m2), PURE)
    power = np.mean([np.abs(np.fft.fft(synthesiser.signal(k), axis=3)) ** 2 for k in range(3)], axis=(0, 1, 2, 3))
    noise = np.mean(np.delete(power, range(bin_ - 3, bin_ + 4)))
    measured = 10 * math.log10((power[bin_] - noise) / noise) - 10 * math.log10(sensor.samples_per_chirp)
    assert measured == pytest.approx(expected_snr_db(sensor, range_m, rcs_m2, azimuth), abs=0.3)


def test_what_is_behind_the_antenna_is_not_seen(sensor: FmcwSensor) -> None:
    assert np.abs(cube_of(sensor, point(-5.0))).max() < 8.0 * 8.0


def test_the_mirror_image_is_43_db_down(sensor: FmcwSensor) -> None:
    receiver = replace(PURE, image_db=Receiver().image_db)
    cube = cube_of(sensor, point(20 * sensor.range_resolution_m), receiver)
    power = np.abs(np.fft.fft(cube, axis=3)) ** 2
    level = 10 * np.log10(power[..., 128 - 20].mean() / power[..., 20].mean())
    assert level == pytest.approx(-43.0, abs=0.1)


def test_the_noise_has_its_standard_deviation_in_i_and_q(sensor: FmcwSensor) -> None:
    cube = cube_of(sensor, make_scene("noise"))
    n = cube.size
    for part in (cube.real, cube.imag):
        assert part.mean() == pytest.approx(0.0, abs=5 * 8.0 / math.sqrt(n))
        assert part.std() == pytest.approx(8.0, rel=5 / math.sqrt(2 * n))
    correlation = np.mean(cube.real * cube.imag) / 64.0
    assert abs(correlation) < 5 / math.sqrt(n)


def test_leakage_and_jitter_have_their_sizes(sensor: FmcwSensor) -> None:
    receiver = replace(PURE, leakage_lsb=4000.0, phase_jitter_rad=0.02)
    cube = cube_of(sensor, make_scene("noise"), receiver)
    assert np.abs(cube).mean() == pytest.approx(4000.0, rel=0.01)
    assert int(np.argmax(np.abs(np.fft.fft(cube[0, 0, 0])))) == 0
    phases = np.angle((cube * np.conj(cube.mean(axis=0))).mean(axis=(1, 2, 3)))
    assert phases.std() == pytest.approx(0.02, rel=5 / math.sqrt(2 * 64))


def test_the_words_are_the_signal_rounded_and_saturated(sensor: FmcwSensor) -> None:
    quiet = Synthesiser(sensor, point(8.0, rcs_m2=20.0))
    words, signal = quiet.frame(3), quiet.signal(3)
    decoded = sensor.decode(Frame(words, np.ones(words.size // 4, np.bool_), 0, 0.0, 0, 0))
    error = decoded - signal
    assert max(np.abs(error.real).max(), np.abs(error.imag).max()) <= 0.5 + 1e-3
    loud = Synthesiser(sensor, point(2.0)).frame(0)
    assert (loud.min(), loud.max()) == (-32768, 32767)


def test_a_frame_is_the_same_whatever_was_made_before_it(sensor: FmcwSensor) -> None:
    make = partial(Synthesiser, sensor, make_scene("crossing", 4))
    one, other = make(seed=4), make(seed=4)
    for index in (0, 1, 2):
        one.frame(index)
    assert np.array_equal(one.frame(5), other.frame(5))
    assert np.array_equal(one.frame(0), other.frame(0))
    assert not np.array_equal(one.frame(5), one.frame(6))
    assert not np.array_equal(make(seed=5).frame(5), other.frame(5))


# --- scenes ----------------------------------------------------------------------------------------------------------


def test_the_paths_of_experiment_1_cross_at_half_a_metre() -> None:
    scene = make_scene("crossing")
    begin, end = scene.truth(0.0), scene.truth(6.4 - 1e-9)
    assert begin.position_m == pytest.approx(np.array([[-1.5, 1.24], [-2.0, 5.24]]))
    assert end.position_m == pytest.approx(np.array([[2.5, 4.74], [2.0, 1.24]]), abs=1e-6)
    assert end.target_id.tolist() == [1, 2]
    times = np.linspace(0.0, 6.4, 2001)
    gaps = [float(np.linalg.norm(np.subtract(*scene.truth(t).position_m))) for t in times]
    assert min(gaps) == pytest.approx(0.5, abs=0.01)
    assert times[int(np.argmin(gaps))] == pytest.approx(6.4 * 4 / 7.5, abs=0.01)


@given(st.floats(0.0, 60.0), st.floats(1.0, 9.0))
def test_a_walkers_velocity_is_the_derivative_of_its_position(time_s: float, duration_s: float) -> None:
    walk = Walk((-1.0, 2.0), (2.0, 6.0), duration_s)
    h = 1e-5
    before, after = walk.at(time_s - h)[0], walk.at(time_s + h)[0]
    velocity = walk.at(time_s)[1]
    if time_s > h:
        assert (after - before) / (2 * h) == pytest.approx(velocity, abs=1e-3)
    assert np.linalg.norm(after - before) <= 2 * h * 5.0 / duration_s * (1 + 1e-9)
    assert np.linalg.norm(velocity) <= 5.0 / duration_s + 1e-9


def test_a_walker_turns_without_a_jump_and_comes_back() -> None:
    walk = Walk((0.0, 2.0), (0.0, 8.0), 5.0)
    leg = 5.0 + TURN_TIME_S
    for corner in (5.0, leg, leg + 5.0, 2 * leg):
        for quantity in (0, 1):
            assert walk.at(corner - 1e-7)[quantity] == pytest.approx(walk.at(corner + 1e-7)[quantity], abs=1e-5)
    assert walk.at(leg)[0] == pytest.approx([0.0, 8.0])
    assert walk.at(2 * leg)[0] == pytest.approx([0.0, 2.0])
    assert walk.at(leg)[1] == pytest.approx([0.0, -1.2])
    assert walk.at(5.5)[1] == pytest.approx([0.0, 0.0])
    assert walk.at(-3.0)[0] == pytest.approx([0.0, 2.0])


def test_the_parts_of_a_body_move_as_they_say() -> None:
    scene = make_scene("walker", 3)
    h = 1e-5
    for time_s in (0.3, 1.7, 4.2, 7.0):  # away from the turns, where the gait changes
        before, now, after = (scene.moving(time_s + k * h) for k in (-1, 0, 1))
        moved = (after.position_m - before.position_m) / (2 * h)
        # The first point is where the torso faces the radar: it slides along the skin, which does not change its range.
        assert moved[1:] == pytest.approx(now.velocity_mps[1:], abs=1e-3)
        line_of_sight = now.position_m[0] / np.linalg.norm(now.position_m[0])
        assert moved[0] @ line_of_sight == pytest.approx(now.velocity_mps[0] @ line_of_sight, abs=0.01)
        offsets = np.linalg.norm(now.position_m - scene.truth(time_s).position_m[0], axis=1)
        assert offsets.max() < 0.5


def test_a_body_has_the_cross_section_of_an_adult_from_every_side() -> None:
    for seed in range(10):
        scene = make_scene("crossing", seed)
        for time_s in (0.0, 2.0, 3.4, 6.0):
            for total in scene.moving(time_s).rcs_m2.reshape(2, -1).sum(axis=1):
                assert -10.0 < 10 * math.log10(total) < 0.0


@pytest.mark.parametrize("name", sorted(name for name in SCENES if make_scene(name).room is None))
def test_a_scene_is_drawn_by_its_seed_and_its_paths_are_not(name: str) -> None:
    one, same, other = make_scene(name, 1), make_scene(name, 1), make_scene(name, 2)
    assert np.array_equal(one.static.position_m, same.static.position_m)
    assert np.array_equal(one.static.rcs_m2, same.static.rcs_m2)
    assert np.array_equal(one.moving(1.0).rcs_m2, same.moving(1.0).rcs_m2)
    assert np.array_equal(one.truth(2.0).position_m, other.truth(2.0).position_m)
    if one.targets:
        assert not np.array_equal(one.moving(1.0).rcs_m2, other.moving(1.0).rcs_m2)
    assert len(one.truth(1.0)) == len(one.targets)


def test_a_scene_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no scene 'ballroom'") as caught:
        make_scene("ballroom")
    assert caught.value.hint.startswith("scenes: crossing, experiment1, experiment2, experiment3, lab-crossing, ")
    assert caught.value.hint.endswith(", office-walk, room, walker")
