"""From lines to positions, on cubes made from eq. 1."""

from dataclasses import replace

import numpy as np
import pytest

from isactrack import ConfigError, Detections, FmcwSensor
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor, simulate_frame
from isactrack.geometry import radial_velocity
from isactrack.processing.bounds import position_velocity_crb
from isactrack.processing.line_detections import line_detections
from isactrack.processing.line_model import least_squares_gains
from isactrack.processing.lines import SpectralLines

POSITION = np.array([[-2.8, 7.5], [3.2, 9.5], [0.0, 30.0]])
VELOCITY = np.array([[1.0, 2.0], [-0.5, -3.0], [1.0, 0.4]])


def exact_lines(sensor: FmcwSensor, snr_db: float, seed: int = 0) -> SpectralLines:
    """Return lines at the true frequencies, their gains fitted to a noisy frame."""
    frame = simulate_frame(sensor, POSITION, VELOCITY, snr_db, np.random.default_rng(seed))
    range_rad = 2.0 * np.pi * np.linalg.norm(POSITION, axis=1) / sensor.range_max_m
    doppler_rad = np.pi * radial_velocity(POSITION, VELOCITY) / sensor.velocity_max_mps
    gain = least_squares_gains(frame, range_rad, doppler_rad)
    return SpectralLines(
        range_rad=range_rad, doppler_rad=doppler_rad, gain=gain, noise_power=np.ones(3), residual_power=1.0
    )


def two_transmitters() -> FmcwSensor:
    return replace(
        paper_sensor(), idle_time_s=20e-6, tx_positions=(0.0, 2.0), rx_positions=(0.0, 0.5, 1.0, 1.5),
        loops_per_frame=48,
    )  # fmt: skip


SENSORS = {
    "the paper's": paper_sensor(),
    "two transmitters": two_transmitters(),
    "transmitters out of order": replace(two_transmitters(), tx_positions=(2.0, 0.0)),
    "loops that wait": replace(two_transmitters(), loop_interval_s=300e-6),
    "elements missing": replace(two_transmitters(), rx_positions=(0.0, 0.5, 1.5, 3.5), tx_positions=(0.0, 4.0)),
}


@pytest.mark.parametrize("name", SENSORS)
def test_targets_come_back_where_they_were(name: str) -> None:
    sensor = SENSORS[name]
    detections = line_detections(exact_lines(sensor, 70.0), sensor, 2.5)
    np.testing.assert_allclose(detections.position_m, POSITION, atol=2e-3)
    np.testing.assert_allclose(detections.radial_velocity_mps, radial_velocity(POSITION, VELOCITY), atol=1e-12)
    np.testing.assert_allclose(detections.snr_db, 70.0, atol=0.1)
    assert detections.time_s == 2.5


def test_positive_doppler_moves_away() -> None:
    sensor = paper_sensor()
    detections = line_detections(exact_lines(sensor, 40.0), sensor, 0.0)
    assert list(np.sign(detections.radial_velocity_mps)) == [1.0, -1.0, 1.0]


@pytest.mark.parametrize("name", ["the paper's", "two transmitters"])
def test_covariance_is_the_inflated_bound(name: str) -> None:
    sensor = SENSORS[name]
    lines = exact_lines(sensor, 40.0)
    detections = line_detections(lines, sensor, 0.0, inflation=1.7)
    r, azimuth = np.linalg.norm(POSITION, axis=1), np.arctan2(POSITION[:, 0], POSITION[:, 1])
    bound = 1.7 * position_velocity_crb(sensor, 1e4, r, azimuth)
    scale = np.sqrt(bound[:, [0, 1], [0, 1]])
    error = (detections.covariance_m2 - bound[:, :2, :2]) / (scale[:, :, None] * scale[:, None, :])
    assert np.abs(error).max() < 0.03
    np.testing.assert_allclose(detections.radial_velocity_std_mps, np.sqrt(bound[:, 2, 2]), rtol=0.02)


@pytest.mark.slow
def test_scatter_across_is_that_of_the_covariance() -> None:
    sensor = SENSORS["two transmitters"]
    across, claimed = [], []
    for seed in range(200):
        d = line_detections(exact_lines(sensor, 22.0, seed), sensor, 0.0, inflation=1.0)
        normal = np.stack([np.cos(d.azimuth_rad), -np.sin(d.azimuth_rad)], axis=1)
        across.append(np.sum((d.position_m - POSITION) * normal, axis=1))
        claimed.append(np.einsum("ni,nij,nj->n", normal, d.covariance_m2, normal))
    ratio = np.mean(np.square(across), axis=0) / np.mean(claimed, axis=0)
    # 200 trials: the variance of a variance is 2 / 200.
    assert np.abs(ratio - 1.0).max() < 0.35


def test_floors_add_in_squares() -> None:
    sensor = paper_sensor()
    lines = exact_lines(sensor, 40.0)
    bare = line_detections(lines, sensor, 0.0)
    floored = line_detections(lines, sensor, 0.0, range_floor_m=0.5, azimuth_floor_rad=0.1)
    added = floored.covariance_m2 - bare.covariance_m2
    r = bare.range_m
    expected = np.sort(np.stack([np.full(3, 0.25), (0.1 * r) ** 2], axis=1), axis=1)
    np.testing.assert_allclose(np.linalg.eigvalsh(added), expected, rtol=1e-9)


def test_gains_that_are_no_plane_wave_are_less_certain_or_left_out() -> None:
    sensor = paper_sensor()
    lines = exact_lines(sensor, 40.0)
    mixed = lines.gain.copy()
    mixed[1] += 0.9 * np.abs(mixed[1, 0]) * np.exp(1j * np.pi * np.sin(1.0) * np.arange(8))
    spoilt = SpectralLines(
        range_rad=lines.range_rad, doppler_rad=lines.doppler_rad, gain=mixed, noise_power=lines.noise_power,
        residual_power=1.0,
    )  # fmt: skip
    trusting = line_detections(spoilt, sensor, 0.0)
    careful = line_detections(spoilt, sensor, 0.0, unexplained_is_noise=True)
    growth = np.trace(careful.covariance_m2, axis1=1, axis2=2) / np.trace(trusting.covariance_m2, axis1=1, axis2=2)
    assert growth[1] > 100.0
    assert np.all(growth[[0, 2]] < 5.0)
    assert np.all(growth >= 1.0 - 1e-12)
    left = line_detections(spoilt, sensor, 0.0, min_beam_share=0.9)
    np.testing.assert_array_equal(left.range_m, trusting.range_m[[0, 2]])


def test_no_lines_and_no_noise() -> None:
    sensor = paper_sensor()
    none = SpectralLines(
        range_rad=np.zeros(0), doppler_rad=np.zeros(0), gain=np.zeros((0, 8), dtype=np.complex128),
        noise_power=np.zeros(0), residual_power=0.0,
    )  # fmt: skip
    assert len(line_detections(none, sensor, 1.0)) == 0
    lines = exact_lines(sensor, 40.0)
    silent = SpectralLines(
        range_rad=lines.range_rad, doppler_rad=lines.doppler_rad, gain=lines.gain, noise_power=np.zeros(3),
        residual_power=0.0,
    )  # fmt: skip
    detections = line_detections(silent, sensor, 0.0)
    assert isinstance(detections, Detections)
    assert np.isfinite(detections.snr_db).all()
    assert np.linalg.eigvalsh(detections.covariance_m2).min() > 0.0


def test_lines_of_another_array_are_refused() -> None:
    with pytest.raises(ConfigError, match="8 virtual elements"):
        line_detections(
            exact_lines(replace(paper_sensor(), rx_positions=(0.0, 0.5)), 40.0), paper_sensor(), 0.0
        )  # fmt: skip
