"""Cramer-Rao bounds against the whole Fisher information matrix, differentiated by machine."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack import FmcwSensor
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor
from isactrack.processing.accuracy import azimuth_std_rad, frequency_std_bins
from isactrack.processing.bounds import (
    element_delays,
    frequency_crb,
    polar_crb,
    position_crb,
    position_velocity_crb,
)

FloatArray = NDArray[np.float64]

SNR = 10.0**1.9


def numeric_bound(sensor: FmcwSensor, snr: float, state: FloatArray) -> FloatArray:
    """Invert the Fisher information (eq. 47) of (p_x, p_y, v, phase, amplitude) from central differences of eq. 1.

    The derivatives are of the samples themselves, so that nothing of the closed forms is used.
    """
    n_samples, n_loops = sensor.samples_per_chirp, sensor.loops_per_frame
    loop, tx, rx, sample = np.indices((n_loops, sensor.n_tx, sensor.n_rx, n_samples))
    place = np.asarray(sensor.tx_positions)[tx] + np.asarray(sensor.rx_positions)[rx]
    time_s = loop * sensor.slow_time_interval_s + tx * sensor.chirp_interval_s

    def signal(x: FloatArray) -> NDArray[np.complex128]:
        px, py, v, phase, amplitude = x
        turn = 2.0 * np.pi * np.hypot(px, py) / sensor.range_max_m * sample
        turn = turn + 4.0 * np.pi * v / sensor.wavelength_m * time_s
        turn = turn + 2.0 * np.pi * place * px / np.hypot(px, py)
        return np.asarray(amplitude * np.exp(1j * (turn + phase)))

    at = np.array([*state, 0.3, np.sqrt(snr / (n_samples * n_loops))])
    step = 1e-6
    columns = [(signal(at + step * unit) - signal(at - step * unit)).ravel() / (2.0 * step) for unit in np.eye(at.size)]
    jacobian = np.stack(columns, axis=1)
    fisher = 2.0 * np.real(np.conj(jacobian).T @ jacobian)
    scale = 1.0 / np.sqrt(np.diag(fisher))
    return np.asarray((np.linalg.inv(fisher * np.outer(scale, scale)) * np.outer(scale, scale))[:3, :3])


def tdm(loops: int) -> FmcwSensor:
    return replace(
        paper_sensor(), samples_per_chirp=16, loops_per_frame=loops, tx_positions=(0.0, 2.0),
        rx_positions=(0.0, 0.5, 1.0, 1.5),
    )  # fmt: skip


SENSORS = {
    "the paper's": replace(paper_sensor(), samples_per_chirp=16, loops_per_frame=12),
    "two transmitters": tdm(12),
    "two transmitters, four loops": tdm(4),
    "two transmitters, one loop": tdm(1),
    "elements missing": replace(tdm(8), rx_positions=(0.0, 1.5, 2.0), tx_positions=(0.0, 4.0, 5.5)),
    "transmitters out of order": replace(tdm(4), tx_positions=(2.0, 0.0)),
}


@pytest.mark.parametrize("name", SENSORS)
def test_closed_forms_equal_the_inverse_of_the_whole_fisher_matrix(name: str) -> None:
    sensor = SENSORS[name]
    for position, velocity in (((3.0, 7.0), 1.5), ((-5.0, 4.0), -0.2), ((0.0, 20.0), 0.0)):
        p = np.array(position)
        bound = position_velocity_crb(sensor, SNR, np.hypot(*p), np.arctan2(*p))[0]
        truth = numeric_bound(sensor, SNR, np.array([*p, velocity]))
        scale = np.sqrt(np.outer(np.diag(truth), np.diag(truth)))
        np.testing.assert_allclose(bound / scale, truth / scale, atol=5e-6)


def test_doppler_couples_with_direction_through_time_division_alone() -> None:
    for sensor, coupled in ((paper_sensor(), False), (tdm(64), True)):
        bound = polar_crb(sensor, SNR, 0.3)[0]
        assert bool(bound[1, 2]) is coupled
    correlation = bound[1, 2] / np.sqrt(bound[1, 1] * bound[2, 2])
    assert correlation == pytest.approx(-0.0118, abs=2e-4)
    few = polar_crb(tdm(4), SNR, 0.3)[0]
    assert few[1, 2] / np.sqrt(few[1, 1] * few[2, 2]) == pytest.approx(-0.19, abs=0.005)


def test_frequencies_of_the_paper() -> None:
    n_samples, n_loops, n_antennas = 128, 64, 8
    bound = frequency_crb(n_samples, n_loops, np.arange(n_antennas), SNR)
    factor = 6.0 / (n_antennas * SNR)
    expected = factor * np.diag([1.0 / (count**2 - 1) for count in (n_samples, n_loops, n_antennas)])
    np.testing.assert_allclose(bound, expected[None], rtol=1e-12)


def test_position_is_equation_17_term_by_term() -> None:
    sensor = paper_sensor()
    r, azimuth = np.array([9.0, 15.0, 40.0]), np.array([-0.4, 0.0, 1.1])
    snr = np.array([50.0, SNR, 200.0])
    n2, l2 = 128**2 - 1, 8**2 - 1
    factor = 6.0 / (np.pi**2 * 8 * snr)
    sine, cosine, tangent = np.sin(azimuth), np.cos(azimuth), np.tan(azimuth)
    xx = sensor.range_max_m**2 * sine**2 / (4 * n2) + r**2 / l2
    xy = (sensor.range_max_m**2 / (4 * n2) - r**2 / (l2 * cosine**2)) * sine * cosine
    yy = sensor.range_max_m**2 * cosine**2 / (4 * n2) + r**2 * tangent**2 / l2
    expected = factor * np.array([[xx, xy], [xy, yy]])
    np.testing.assert_allclose(position_crb(sensor, snr, r, azimuth), expected.transpose(2, 0, 1), rtol=1e-9)


def test_19_db_at_15_metres() -> None:
    sensor = paper_sensor()
    deviation = np.sqrt(np.diag(position_crb(sensor, SNR, 15.0, 0.0)[0]))
    np.testing.assert_allclose(deviation, [0.0585, 0.0121], rtol=5e-3)
    velocity = np.sqrt(position_velocity_crb(sensor, SNR, 15.0, 0.0)[0, 2, 2])
    # Eq. 67 as printed, without the factor, would be thirty times the Doppler bin.
    assert velocity == pytest.approx(sensor.velocity_max_mps / np.pi * np.sqrt(6.0 / (8 * SNR * (64**2 - 1))))
    assert velocity < sensor.velocity_resolution_mps / 50.0


def test_the_bounds_of_windowed_spectra_agree_for_the_rectangular_window() -> None:
    sensor = paper_sensor()
    deviation = np.sqrt(np.diag(polar_crb(sensor, SNR, 0.7)[0]))
    snr = np.array([SNR])
    range_std = frequency_std_bins(np.ones(128), snr, 8)[0] * sensor.range_resolution_m
    velocity_std = frequency_std_bins(np.ones(64), snr, 8)[0] * sensor.velocity_resolution_mps
    azimuth_std = azimuth_std_rad(sensor.virtual_positions, np.array([0.7]), snr)[0]
    np.testing.assert_allclose(deviation, [range_std, velocity_std, azimuth_std], rtol=1e-9)


def test_what_cannot_be_told_is_infinite_or_a_quarter_turn() -> None:
    sensor = paper_sensor()
    one_element = replace(sensor, rx_positions=(0.0,))
    one_loop = replace(sensor, loops_per_frame=1)
    both_alike = replace(tdm(1), rx_positions=(0.0,))
    for blind in (one_element, both_alike):
        assert np.sqrt(polar_crb(blind, SNR, 0.2)[0, 2, 2]) == pytest.approx(np.pi / 2.0)
        assert np.isfinite(position_crb(blind, SNR, 5.0, 0.2)).all()
    for still in (one_loop, both_alike):
        bound = position_velocity_crb(still, SNR, 5.0, 0.2)[0]
        assert np.isinf(bound[2, 2])
        assert np.isfinite(bound[:2]).all()
    assert np.sqrt(polar_crb(sensor, SNR, np.pi / 2.0)[0, 2, 2]) == pytest.approx(np.pi / 2.0)
    assert np.isinf(frequency_crb(1, 4, np.arange(4), SNR)[0, 0, 0])


def test_no_targets() -> None:
    assert position_velocity_crb(paper_sensor(), np.zeros(0), np.zeros(0), np.zeros(0)).shape == (0, 3, 3)


def test_delays_are_those_of_the_chirps() -> None:
    np.testing.assert_allclose(element_delays(tdm(4)), [0.0] * 4 + [0.5] * 4)
    np.testing.assert_array_equal(element_delays(paper_sensor()), 0.0)


@settings(max_examples=50, deadline=None)
@given(
    snr=st.floats(1.0, 1e6), r=st.floats(0.1, 100.0), azimuth=st.floats(-1.57, 1.57), loops=st.integers(1, 64),
)  # fmt: skip
def test_bounds_are_symmetric_positive_and_fall_with_snr(snr: float, r: float, azimuth: float, loops: int) -> None:
    sensor = tdm(loops)
    bound = position_crb(sensor, [snr, 2.0 * snr], r, azimuth)
    np.testing.assert_allclose(bound, bound.transpose(0, 2, 1), rtol=1e-9, atol=1e-300)  # denormal numbers round
    assert np.linalg.eigvalsh(bound)[:, 0].min() > 0.0
    assert np.trace(bound[1]) <= np.trace(bound[0]) * (1.0 + 1e-12)
