"""What stands still goes, what moves stays."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError, FmcwSensor
from isactrack.processing.clutter import ClutterMap, fill_lost_chirps
from isactrack.processing.spectra import make_window, range_spectrum

Echo = Callable[..., NDArray[np.complex64]]
Noise = Callable[[FmcwSensor, np.random.Generator], NDArray[np.complex64]]


def _profiles(cube: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return range_spectrum(cube, make_window("hann", cube.shape[3]))


def _power(values: NDArray[np.complex64]) -> float:
    return float(np.mean(np.abs(values) ** 2))


def test_wall_vanishes_at_once(room_sensor: FmcwSensor, echo: Echo) -> None:
    wall = _profiles(echo(room_sensor, 4.0, 0.0, 0.3, 60.0))
    clutter = ClutterMap(50.0)
    for _ in range(3):
        assert _power(clutter.remove(wall)) < 1e-9 * _power(wall)


@pytest.mark.parametrize("velocity_mps", [0.003, 0.013, -0.05, 0.6])
def test_slow_person_in_front_of_a_wall_stays(velocity_mps: float, room_sensor: FmcwSensor, echo: Echo) -> None:
    wall = _profiles(echo(room_sensor, 4.0, 0.0, 0.3, 60.0))
    clutter = ClutterMap(50.0)
    ratio = []
    for frame in range(100):
        person = _profiles(echo(room_sensor, 4.2, velocity_mps, 0.1, 40.0, frame * room_sensor.frame_period_s))
        left = clutter.remove(wall + person)
        ratio.append(_power(left) / _power(person))
    assert 0.8 < np.mean(ratio[30:]) < 1.2


def test_moved_furniture_is_forgotten(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(1)
    before, after = (_profiles(echo(room_sensor, r, 0.0, 0.3, 60.0)) for r in (4.0, 5.0))
    clutter = ClutterMap(10.0)
    for _ in range(20):
        clutter.remove(before + _profiles(noise(room_sensor, rng)))
    left = [_power(clutter.remove(after + _profiles(noise(room_sensor, rng)))) for _ in range(120)]
    assert left[0] > 0.5 * _power(after)
    assert left[-1] == pytest.approx(1.0, abs=0.05)  # the noise
    clutter.reset()
    assert _power(clutter.remove(after)) < 1e-9 * _power(after)


def test_passer_by_leaves_no_ghost(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(2)
    clutter = ClutterMap(50.0)
    for frame in range(60):
        cube = noise(room_sensor, rng)
        if 20 <= frame < 30:  # at a blind speed: its phase is the same in every frame
            cube = cube + echo(room_sensor, 4.0, 0.0, 0.1, 50.0) * np.exp(0.1j * np.arange(64))[:, None, None, None]
        left = clutter.remove(_profiles(cube.astype(np.complex64)))
        if frame >= 30:
            assert _power(left.mean(axis=0)) < 1.5 / 64


def test_silence_teaches_nothing(room_sensor: FmcwSensor, echo: Echo) -> None:
    wall = _profiles(echo(room_sensor, 4.0, 0.0, 0.3, 60.0))
    clutter = ClutterMap(50.0)
    for _ in range(5):
        assert not clutter.remove(np.zeros_like(wall)).any()
    assert _power(clutter.remove(wall)) < 1e-9 * _power(wall)


def test_lost_chirps_neither_teach_nor_leak(room_sensor: FmcwSensor, echo: Echo) -> None:
    wall = _profiles(echo(room_sensor, 4.0, 0.0, 0.3, 60.0))
    valid = np.ones(room_sensor.cube_shape[:3], dtype=np.bool_)
    valid[10:14, :, 1:] = False
    valid[:, :, 3] = False
    torn = np.where(valid[..., None], wall, np.complex64(0))
    clutter = ClutterMap(50.0)
    assert _power(clutter.remove(torn, valid)) < 1e-9 * _power(wall)
    assert _power(clutter.remove(wall)) < 1e-9 * _power(wall)
    filled = fill_lost_chirps(torn, valid)
    np.testing.assert_allclose(filled[:, :, :3], wall[:, :, :3], atol=1e-3)
    assert not filled[:, :, 3].any()


def test_memory_must_last_a_frame() -> None:
    with pytest.raises(ConfigError, match="cannot forget"):
        ClutterMap(0.5)


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.3])
@pytest.mark.parametrize("with_mover", [4, 12])
def test_ghost_power_bounds_the_error_of_the_map(with_mover: int, turn: float) -> None:
    """A mover is in the first frames, turning by `turn` cycles in each; what the map keeps of it is known in size.

    The weights depend on what they weigh, so the closed form of a weighted mean is right within a factor only.
    """
    errors, expected = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        walls = (30.0 * np.exp(2j * np.pi * rng.random((1, 2, 16)))).astype(np.complex64)
        clutter = ClutterMap(memory_frames=1e6)
        for index in range(12):
            phase = np.exp(2j * np.pi * (rng.random() + turn * np.arange(8) / 8))[:, None, None, None]
            mover = 5.0 * (index < with_mover) * phase * (np.arange(16) < 4)
            noise = 0.5 * rng.standard_normal((8, 1, 2, 16, 2)).view(np.complex128)[..., 0]
            clutter.remove((walls + mover + noise).astype(np.complex64))
        assert clutter._sum is not None
        errors.append(_power((clutter._still(clutter._sum) - walls)[..., :4]))
        expected.append(float(np.mean(clutter.ghost_power[:4])))
    assert np.mean(expected) / 8.0 < np.mean(errors) < 2.5 * np.mean(expected)
    assert np.mean(errors) < 0.25 * 25.0, "far below the mover itself"


def test_a_cold_map_expects_ghosts_and_a_warm_one_does_not(room_sensor: FmcwSensor, echo: Echo, noise: Noise) -> None:
    rng = np.random.default_rng(3)
    clutter = ClutterMap(200.0)
    ghosts = []
    for frame in range(60):
        person = echo(room_sensor, 4.2, 0.013, 0.1, 40.0, frame * room_sensor.frame_period_s)
        clutter.remove(_profiles(person + noise(room_sensor, rng)))
        ghosts.append(float(clutter.ghost_power.max()))
    assert ghosts[0] > 10.0 * ghosts[-1]
