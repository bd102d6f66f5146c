"""The FMCW chain as a whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError, FmcwSensor, Frame
from isactrack.geometry import polar_to_xy
from isactrack.processing.chain import ChainConfig, FmcwChain

Cube = NDArray[np.complex64]
Echo = Callable[..., Cube]
Noise = Callable[[FmcwSensor, np.random.Generator], Cube]


def _frame(
    sensor: FmcwSensor, cube: Cube, counter: int = 0, valid: NDArray[np.bool_] | None = None, scale: float = 8.0
) -> Frame:
    words = sensor.encode_words(cube * np.float32(scale))
    if valid is None:
        valid = np.ones(words.size // 4, dtype=np.bool_)
    words = np.where(np.repeat(valid, 4), words, np.int16(0))
    return Frame(words, valid, counter, counter * sensor.frame_period_s, 0, 0)


both_detectors = pytest.mark.parametrize("detector", ["fft", "mnomp"])


@both_detectors
@pytest.mark.parametrize("name", ["room_sensor", "tdm_sensor"])
def test_single_targets_are_recovered(
    name: str, detector: str, request: pytest.FixtureRequest, echo: Echo, noise: Noise
) -> None:
    sensor: FmcwSensor = request.getfixturevalue(name)
    rng = np.random.default_rng(11)
    chain = FmcwChain(sensor, ChainConfig(detector=detector, remove_static=False, min_range_m=0.0))
    for _ in range(12):
        r = rng.uniform(3.0, 100.0) * sensor.range_resolution_m
        v = rng.uniform(-0.95, 0.95) * sensor.velocity_max_mps
        az = rng.uniform(-1.0, 1.0)
        output = chain.process_cube(echo(sensor, r, v, az, 45.0) + noise(sensor, rng), 2.5)
        found = output.detections
        assert len(found) == 1
        assert found.time_s == output.time_s == 2.5
        assert found.range_m[0] == pytest.approx(r, abs=0.03 * sensor.range_resolution_m)
        assert found.radial_velocity_mps[0] == pytest.approx(v, abs=0.03 * sensor.velocity_resolution_mps)
        assert found.azimuth_rad[0] == pytest.approx(az, abs=0.02)
        np.testing.assert_allclose(found.position_m[0], polar_to_xy(found.range_m[0], found.azimuth_rad[0]))
        if detector == "fft":
            # Hann costs 1.8 dB an axis; a target between the bins loses up to 1.4 dB more in each.
            assert 45.0 - 6.8 < found.snr_db[0] < 45.0 - 3.0
        else:
            assert found.snr_db[0] == pytest.approx(45.0, abs=1.0)


@both_detectors
def test_covariance_is_the_spread_of_repeated_detections(
    detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    rng = np.random.default_rng(12)
    config = ChainConfig(
        detector=detector, remove_static=False, range_floor_m=0.0, azimuth_floor_rad=0.0, covariance_scale=1.0
    )
    chain = FmcwChain(room_sensor, config)
    error, covariance = [], []
    for _ in range(60):
        r, az = rng.uniform(3.0, 5.0), rng.uniform(-0.5, 0.5)
        found = chain.process_cube(echo(room_sensor, r, 1.3, az, 25.0) + noise(room_sensor, rng), 0.0).detections
        error.append(found.position_m[0] - polar_to_xy(r, az))
        covariance.append(found.covariance_m2[0])
    nees = np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariance), error)
    # The median of chi^2 with 2 degrees of freedom is 1.39; two bins are not the best estimate of a frequency.
    assert (0.7 if detector == "fft" else 0.5) < np.median(nees) / 1.386 < (2.5 if detector == "fft" else 1.6)


@both_detectors
def test_noise_gives_no_detections(detector: str, room_sensor: FmcwSensor, noise: Noise) -> None:
    rng = np.random.default_rng(13)
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector))
    assert sum(len(chain.process_cube(noise(room_sensor, rng), 0.0).detections) for _ in range(60)) <= 1


@both_detectors
@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5, 0.75])
def test_two_walkers_at_one_range_are_two(
    offset: float, detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    rng = np.random.default_rng(14)
    dv = room_sensor.velocity_resolution_mps
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector, remove_static=False))
    truth = np.array([offset - 1.2, offset + 1.2]) * dv
    for _ in range(10):
        r = rng.uniform(2.0, 4.0)
        cube = noise(room_sensor, rng)
        for v, x in zip(truth, (-0.25, 0.25), strict=True):
            cube = cube + echo(room_sensor, r + rng.uniform(-0.002, 0.002), v, np.arcsin(x / r), 40.0)
        found = chain.process_cube(cube, 0.0).detections
        assert len(found) == 2
        order = np.argsort(found.radial_velocity_mps)
        np.testing.assert_allclose(found.radial_velocity_mps[order], truth, atol=0.4 * dv)
        assert found.azimuth_rad[order[0]] < found.azimuth_rad[order[1]]


@both_detectors
def test_strong_target_is_one(detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(15)
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector, remove_static=False, cluster_distance_m=None))
    for _ in range(30):
        cube = echo(room_sensor, rng.uniform(5.0, 60.0), rng.uniform(-9.0, 9.0), 0.3, 60.0) + noise(room_sensor, rng)
        assert len(chain.process_cube(cube, 0.0).detections) == 1


@pytest.mark.parametrize(
    ("detector", "speed_mps"),
    # 35 mm a frame is within 3 % of 18 half wavelengths, a blind speed, whose ghost exceeds what is expected of one.
    # The main lobe of the walker covers it in the map of the FFT; MNOMP takes the walker off and finds it.
    [("fft", 0.35), *((detector, speed) for detector in ("fft", "mnomp") for speed in (0.85, -1.0, -1.45))],
)
def test_strong_walker_leaves_no_ghost(
    detector: str, speed_mps: float, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    """The clutter map learns a little of everybody; it must not show where they were."""
    rng = np.random.default_rng(15)
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector))
    counts = []
    for frame in range(40):
        t = frame * room_sensor.frame_period_s
        # `echo` turns the phase by velocity times time from the given range; the envelope moves in steps.
        start = 7.0 + speed_mps * t
        cube = echo(room_sensor, start, speed_mps, 0.1, 60.0) + noise(room_sensor, rng)
        counts.append(len(chain.process_cube(cube, t).detections))
    assert counts[10:] == [1] * 30


@both_detectors
def test_strong_person_does_not_hide_a_weak_one(
    detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    rng = np.random.default_rng(16)
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector, remove_static=False))
    for _ in range(10):
        cube = echo(room_sensor, 2.0, 0.8, 0.2, 60.0) + echo(room_sensor, 5.6, -0.8, -0.2, 22.0)
        found = chain.process_cube(cube + noise(room_sensor, rng), 0.0).detections
        assert len(found) == 2
        assert found.range_m[1] == pytest.approx(5.6, abs=0.3)


def test_limits_and_images(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    target = echo(room_sensor, 5.0, 1.5, 0.2, 70.0)
    cube = target + 10.0 ** (-43.0 / 20.0) * np.conj(target) + noise(room_sensor, np.random.default_rng(17))
    config = ChainConfig(remove_static=False)
    assert len(FmcwChain(room_sensor, config).process_cube(cube, 0.0).detections) == 1
    shown = FmcwChain(room_sensor, replace(config, image_rejection_db=60.0)).process_cube(cube, 0.0).detections
    assert len(shown) == 2
    assert shown.range_m[1] == pytest.approx(room_sensor.range_max_m - 5.0, abs=0.1)
    for limited in (
        replace(config, max_range_m=4.0), replace(config, min_range_m=6.0), replace(config, min_snr_db=75.0)
    ):  # fmt: skip
        assert not len(FmcwChain(room_sensor, limited).process_cube(cube, 0.0).detections)


@both_detectors
@pytest.mark.parametrize(
    ("velocity_mps", "least_hits"),
    [
        (-0.03, 20),
        # 2 mm a frame is within 3 % of half a wavelength, the first blind speed: a frame may be taken for a ghost.
        (-0.02, 18),
    ],
)
def test_walls_vanish_and_the_walker_stays(
    velocity_mps: float, least_hits: int, detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise
) -> None:
    rng = np.random.default_rng(18)
    room = sum(echo(room_sensor, r, 0.0, az, 60.0) for r, az in ((2.2, -0.6), (3.4, 0.1), (4.1, 0.5), (6.0, 0.0)))
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector))
    found = []
    for frame in range(30):
        t = frame * room_sensor.frame_period_s
        walker = echo(room_sensor, 3.5 + velocity_mps * t, velocity_mps, -0.2, 40.0, t)
        found.append(chain.process_cube(room + walker + noise(room_sensor, rng), t).detections)
    late = found[10:]
    assert all(len(d) <= 1 for d in late)
    hits = [d for d in late if len(d)]
    assert len(hits) >= least_hits
    error = np.array([d.position_m[0] - polar_to_xy(3.5 + velocity_mps * d.time_s, -0.2) for d in hits])
    assert np.median(np.linalg.norm(error, axis=1)) < 0.1


@both_detectors
def test_static_scene_survives_a_loss(detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(19)
    cube = echo(room_sensor, 4.0, 0.0, 0.1, 50.0) + echo(room_sensor, 9.0, 2.2, 0.1, 35.0) + noise(room_sensor, rng)
    valid = np.ones(room_sensor.frame_words // 4, dtype=np.bool_)
    valid[3000:3182] = False  # one packet of 1456 bytes
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector, remove_static=False))
    whole, torn = chain(_frame(room_sensor, cube)), chain(_frame(room_sensor, cube, valid=valid))
    assert whole is not None
    assert torn is not None
    assert len(whole.detections) == len(torn.detections) == 2
    np.testing.assert_allclose(torn.detections.position_m, whole.detections.position_m, atol=0.05)
    valid[: valid.size // 2 + 600] = False
    ruin = chain(_frame(room_sensor, cube, valid=valid))
    assert ruin is not None
    assert len(ruin.detections) == 0


@both_detectors
def test_coherent_interval_fills_and_gaps_discard(detector: str, room_sensor: FmcwSensor, echo: Echo) -> None:
    single = replace(room_sensor, loops_per_frame=1, frame_period_s=1e-3)
    joint = single.coherent(16)
    cube = echo(joint, 5.0, 0.3, 0.2, 40.0)
    config = ChainConfig(detector=detector, coherent_frames=16, remove_static=False, doppler_window="boxcar")
    chain = FmcwChain(single, config)
    assert chain.sensor == joint
    outputs = [chain(_frame(single, cube[k : k + 1], k)) for k in range(16)]
    assert outputs[:15] == [None] * 15
    assert outputs[15] is not None
    assert outputs[15].time_s == pytest.approx(8e-3)
    assert outputs[15].spectrum.power.shape == (16, 128)
    expected = FmcwChain(joint, replace(chain.config, coherent_frames=1))
    again = expected(_frame(joint, cube))
    assert again is not None
    np.testing.assert_array_equal(again.spectrum.power, outputs[15].spectrum.power)
    np.testing.assert_array_equal(again.detections.position_m, outputs[15].detections.position_m)

    for counter in [*range(20, 30), *range(31, 46)]:
        assert chain(_frame(single, cube[:1], counter)) is None
    assert chain.discarded_frames == 10
    late = chain(_frame(single, cube[:1], 46))
    assert late is not None
    assert late.time_s == pytest.approx(0.031 + 8e-3)
    chain(_frame(single, cube[:1], 47))
    chain.reset()
    assert chain.discarded_frames == 0
    assert [chain(_frame(single, cube[:1], k)) is None for k in range(16)] == [True] * 15 + [False]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["min_snr_db", "sidelobe_margin_db"])
def test_levels_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    levels: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=name):
        ChainConfig(**levels)


def test_unevenly_spaced_frames_cannot_be_joined(room_sensor: FmcwSensor) -> None:
    with pytest.raises(ConfigError, match="not evenly spaced"):
        FmcwChain(room_sensor, ChainConfig(coherent_frames=2))


def test_foreign_cube_is_refused(room_sensor: FmcwSensor) -> None:
    with pytest.raises(ConfigError, match="does not fit this sensor"):
        FmcwChain(room_sensor).process_cube(np.zeros((1, 1, 4, 128), dtype=np.complex64), 0.0)


@both_detectors
def test_silence_is_no_error(detector: str, room_sensor: FmcwSensor) -> None:
    output = FmcwChain(room_sensor, ChainConfig(detector=detector)).process_cube(
        np.zeros(room_sensor.cube_shape, dtype=np.complex64), 0.0
    )
    assert len(output.detections) == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"p_fa": 0.0},
        {"p_fa": 1.5},
        {"range_window": "nonsense"},
        {"doppler_window": "nonsense"},
        {"training_cells": (3, 3)},
        {"guard_cells": (9, 2)},
        {"guard_cells": (-1, 2)},
        {"clutter_memory_s": 0.0},
        {"min_range_m": -1.0},
        {"min_range_m": 2.0, "max_range_m": 1.0},
        {"min_beam_share": 1.0},
        {"cluster_distance_m": 0.0},
        {"cluster_velocity_scale_s": float("nan")},
        {"max_detections": 0},
        {"coherent_frames": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ChainConfig(**settings)  # type: ignore[arg-type]


@both_detectors
def test_two_people_cross_in_front_of_clutter(detector: str, room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    """Two bodies of five scatterers pass each other at one range, half a metre apart, before walls of a room."""
    rng = np.random.default_rng(20)
    room = sum(
        echo(room_sensor, rng.uniform(1.5, 7.0), 0.0, rng.uniform(-1.0, 1.0), rng.uniform(35.0, 60.0))
        for _ in range(12)
    )
    chain = FmcwChain(room_sensor, ChainConfig(detector=detector, max_range_m=10.0))
    middle, velocity = np.array([[-0.25, 3.4], [0.25, 3.4]]), np.array([[0.6, 0.6], [0.6, -0.6]])
    body, glint = rng.normal(0.0, 0.12, (2, 5, 2)), rng.uniform(-6.0, 0.0, (2, 5))
    errors, false, frames = [], 0, 60
    for frame in range(frames):
        t = frame * room_sensor.frame_period_s
        centre = middle + velocity * (t - 3.0)
        cube = room + noise(room_sensor, rng)
        for k in range(2):
            for p, level in zip(centre[k] + body[k], glint[k], strict=True):
                r = float(np.hypot(*p))
                radial = float(p @ velocity[k]) / r
                # The phase of eq. 1 follows from the position: `echo` adds velocity times time to it.
                cube = cube + echo(
                    room_sensor, r, radial, float(np.arctan2(*p)), 40.0 + level - 40.0 * np.log10(r / 3.4)
                )
        found = chain.process_cube(np.asarray(cube), t).detections
        if frame < 10:
            continue
        distance = np.linalg.norm(centre[:, None] - found.position_m, axis=2)
        near = distance.min(axis=1, initial=9.0)
        errors.extend(near)
        false += int(np.sum(distance.min(axis=0) > 1.0)) if len(found) else 0
    hits = np.array(errors) < 0.8
    assert np.mean(hits) > {"fft": 0.8, "mnomp": 0.97}[detector]
    assert np.median(np.array(errors)[hits]) < 0.2
    # What the clutter map has learned of the two stays for a while where they were, and MNOMP finds it beside them.
    assert false / frames < {"fft": 0.1, "mnomp": 0.9}[detector]
