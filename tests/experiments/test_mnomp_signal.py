"""The radar of sec. IV-A and its frames."""

from dataclasses import replace

import numpy as np
import pytest

from isactrack import ConfigError
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor, simulate_frame


def test_the_radar_has_the_limits_that_the_paper_prints() -> None:
    sensor = paper_sensor()
    assert (sensor.samples_per_chirp, sensor.loops_per_frame, sensor.n_tx * sensor.n_rx) == (128, 64, 8)
    assert sensor.range_max_m == pytest.approx(100.0)
    assert sensor.range_resolution_m == pytest.approx(0.78, abs=0.005)
    assert sensor.velocity_max_mps == pytest.approx(6.08, abs=0.005)
    assert sensor.velocity_resolution_mps == pytest.approx(0.19, abs=0.001)
    assert sensor.slow_time_interval_s == pytest.approx(160e-6)
    assert sensor.azimuth_max_rad == pytest.approx(np.pi / 2.0)
    assert sensor.frame_period_s == 0.1


@pytest.mark.parametrize("tx_positions", [(0.0,), (2.0, 0.0)])
def test_a_frame_is_equation_1_with_the_noise_of_one(tx_positions: tuple[float, ...]) -> None:
    sensor = replace(
        paper_sensor(), samples_per_chirp=16, loops_per_frame=6, tx_positions=tx_positions, rx_positions=(0.0, 0.5),
    )  # fmt: skip
    position, velocity = np.array([[3.0, 4.0], [-1.0, 9.0]]), np.array([[1.0, 2.0], [0.3, -1.0]])
    strong, silent = ([simulate_frame(sensor, position, velocity, [300.0, level], np.random.default_rng(5))
                       for level in (300.0, -300.0)])  # fmt: skip
    for frame, moved in ((silent, [0]), (strong - silent, [1])):
        phase = np.zeros(frame.shape)
        for k in moved:
            r = np.hypot(*position[k])
            v = position[k] @ velocity[k] / r
            for m, element, n in np.ndindex(*frame.shape):
                tx, rx = divmod(element, sensor.n_rx)
                time_s = m * sensor.slow_time_interval_s + tx * sensor.chirp_interval_s
                place = sensor.tx_positions[tx] + sensor.rx_positions[rx]
                turns = 2.0 * v * time_s / sensor.wavelength_m + r / sensor.range_max_m * n
                phase[m, element, n] = 2.0 * np.pi * (turns + place * position[k, 0] / r)
        unit = frame * np.exp(-1j * phase)
        np.testing.assert_allclose(unit, unit[0, 0, 0], rtol=1e-9)
        assert 10.0 * np.log10(frame.shape[0] * frame.shape[2] * abs(unit[0, 0, 0]) ** 2) == pytest.approx(300.0)


def test_noise_has_unit_variance_and_no_target_is_noise_alone() -> None:
    sensor = paper_sensor()
    noise = simulate_frame(sensor, np.zeros((0, 2)), np.zeros((0, 2)), 19.0, np.random.default_rng(1))
    assert noise.shape == (64, 8, 128)
    assert noise.dtype == np.complex128
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(1.0, abs=0.02)
    assert abs(np.mean(noise**2)) < 0.02


def test_seeds_and_phases() -> None:
    sensor = paper_sensor()
    arguments = sensor, [[0.0, 5.0]], [[0.0, 0.0]], 90.0
    first, again, other = (simulate_frame(*arguments, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.angle(first[0, 0, 0] / other[0, 0, 0])) > 1e-3


def test_positions_and_velocities_belong_together() -> None:
    with pytest.raises(ConfigError, match=r"\(k, 2\)"):
        simulate_frame(paper_sensor(), [[0.0, 5.0]], [[0.0, 0.0], [1.0, 1.0]], 19.0, np.random.default_rng(0))
