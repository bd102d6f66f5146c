"""2D-MUSIC against its literal form, closed forms, finite differences and bounds."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.drivers.bistatic.profile import stagger_pattern
from isactrack.errors import ConfigError
from isactrack.ofdm import ArrayModel, OfdmSensor
from isactrack.processing.model_order import edge_order, mdl_order, noise_edge, noise_floor
from isactrack.processing.music import Music2d
from isactrack.processing.music_baselines import dense_share, dense_steering, literal_share
from isactrack.processing.music_spectrum import Manifold, SpectrumGrid, gram_eigen, pseudo_spectrum, signal_subspace
from isactrack.processing.ofdm_config import MusicConfig
from isactrack.processing.path_fit import fit_paths, refine_peaks, share_derivatives, without_paths
from isactrack.processing.smoothing import fold, leading_subspace, smoothed_noise_edge, smoothed_subspace, unfold

T = 25
SENSOR = OfdmSensor(
    model="test", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * p for p in range(8)), tx_position_m=(5.0, 0.0),
)  # fmt: skip
MANIFOLD = Manifold.of(SENSOR.rx_positions, SENSOR.tone_frequencies_hz)
CELL = np.array([SENSOR.path_resolution_m, SENSOR.azimuth_resolution_rad])
MUSIC = Music2d(SENSOR, max_path_m=30.0)
PLAIN = Music2d(SENSOR, MusicConfig(smoothing=False), max_path_m=30.0)


def noise(rng: np.random.Generator, blocks: int = T) -> np.ndarray:
    """Unit power."""
    return np.asarray(rng.standard_normal((blocks, 8, 76, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5))


def echo(path_m: float, azimuth_rad: float, doppler_hz: float, snr_db: float, phase: float = 0.0) -> np.ndarray:
    """A path of a level over unit noise after integration."""
    amplitude = np.sqrt(10.0 ** (snr_db / 10.0) / (608 * T))
    slow = np.exp(1j * phase + 2j * np.pi * doppler_hz * SENSOR.frame_period_s * (np.arange(T) - T // 2))
    tones = np.exp(-2j * np.pi * SENSOR.tone_frequencies_hz * path_m / 299_792_458.0)
    return np.asarray(amplitude * slow[:, None, None] * SENSOR.steering(azimuth_rad)[:, None] * tones)


def three(rng: np.random.Generator) -> np.ndarray:
    echoes = echo(9.0, 0.2, 30.0, 32.0) + echo(12.5, -0.4, -50.0, 29.0) + echo(10.5, 0.6, 77.0, 27.0)
    return np.asarray(noise(rng) + echoes)


# --- the identities --------------------------------------------------------------------------------------------------


def test_separable_spectrum_equals_the_literal_one_and_the_dense_one() -> None:
    data = three(np.random.default_rng(0)).reshape(T, -1)
    azimuth, path = np.radians(np.arange(-90.0, 91.0, 20.0)), np.linspace(0.0, 46.0, 17)
    grid = SpectrumGrid(MANIFOLD, azimuth, path)
    rows, tones = MANIFOLD.along_rows(np.sin(azimuth)), MANIFOLD.along_tones(path)
    for order in (1, 3, 6):
        ours = grid.share(signal_subspace(data, order).reshape(order, 8, 76))
        np.testing.assert_allclose(ours, literal_share(data, order, rows, tones), atol=1e-9, rtol=0.0)
        dense = dense_share(data, order, dense_steering(rows, tones)).reshape(ours.shape)
        np.testing.assert_allclose(ours, dense, atol=1e-9, rtol=0.0)


def test_spectrum_of_rows_that_are_not_evenly_spaced() -> None:
    manifold = Manifold.of((0.0, 0.5, 2.0, 2.7), SENSOR.tone_frequencies_hz[::7])
    rng = np.random.default_rng(1)
    data = rng.standard_normal((6, 4 * 11, 2)).view(np.complex128)[..., 0]
    azimuth, path = np.linspace(-1.0, 1.0, 9), np.linspace(0.0, 40.0, 13)
    ours = SpectrumGrid(manifold, azimuth, path).share(signal_subspace(data, 2).reshape(2, 4, 11))
    rows, tones = manifold.along_rows(np.sin(azimuth)), manifold.along_tones(path)
    np.testing.assert_allclose(ours, literal_share(data, 2, rows, tones), atol=1e-9, rtol=0.0)


def test_steering_is_that_of_the_sensor_but_for_a_phase() -> None:
    azimuth, path = 0.3, 11.0
    ours = MANIFOLD.along_rows(np.array([np.sin(azimuth)]))[0][:, None] * MANIFOLD.along_tones(np.array([path]))[0]
    theirs = echo(path, azimuth, 0.0, 10.0 * np.log10(608 * T))[0]
    ratio = ours / theirs
    np.testing.assert_allclose(ratio, ratio[0, 0], atol=1e-9)


def test_spectrum_of_no_subspace_is_flat() -> None:
    grid = SpectrumGrid(MANIFOLD, np.linspace(-1.0, 1.0, 5), np.linspace(5.0, 9.0, 7))
    np.testing.assert_array_equal(pseudo_spectrum(grid.share(np.zeros((0, 8, 76), dtype=complex))), 1.0)


# --- smoothing -------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(0, 2**31))
def test_folding_is_unitary_and_makes_mirrored_conjugates_real(size: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((3, size, 2)).view(np.complex128)[..., 0]
    np.testing.assert_allclose(unfold(fold(x)), x, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(fold(x)), np.linalg.norm(x))
    np.testing.assert_allclose(fold(x.T, axis=0), fold(x).T, atol=1e-15)
    mirrored = x + np.conj(x[:, ::-1])
    np.testing.assert_allclose(fold(mirrored).imag, 0.0, atol=1e-12)


@pytest.mark.parametrize(("rows", "tones", "step"), [(6, 50, 3), (5, 61, 1), (7, 76, 2)])
def test_smoothed_subspace_is_that_of_the_forward_backward_mean(rows: int, tones: int, step: int) -> None:
    rng = np.random.default_rng(2)
    scene = 0.05 * noise(rng, 2)
    for path, azimuth in ((9.0, 0.2), (11.0, 0.0), (14.0, -0.5)):
        gain = np.exp(2j * np.pi * rng.uniform(size=2))
        scene = scene + gain[:, None, None] * echo(path, azimuth, 0.0, 10.0 * np.log10(608 * T))[0]
    mean, count = np.zeros((rows * tones, rows * tones), dtype=complex), 0
    for snapshot in scene:
        for i in range(8 - rows + 1):
            for j in range(0, 76 - tones + 1, step):
                one = snapshot[i : i + rows, j : j + tones].ravel()
                other = np.conj(one[::-1])
                mean += 0.5 * (np.outer(one, np.conj(one)) + np.outer(other, np.conj(other)))
                count += 1
    mean *= 2.0 / count
    values, subspace = smoothed_subspace(np.asarray(scene, dtype=np.complex128), rows, tones, 3, step)
    expected, vectors = np.linalg.eigh(mean)
    np.testing.assert_allclose(values, expected[::-1][:3], rtol=1e-6)
    flat = subspace.reshape(3, -1)
    np.testing.assert_allclose(np.conj(flat) @ flat.T, np.eye(3), atol=1e-6)
    projector = vectors[:, -3:] @ np.conj(vectors[:, -3:]).T
    np.testing.assert_allclose(flat.T @ np.conj(flat), projector, atol=1e-5)


def test_leading_subspace_of_fewer_columns_than_asked_for() -> None:
    data = np.random.default_rng(3).standard_normal((3, 20), dtype=np.float32)
    values, vectors = leading_subspace(data, 6)
    np.testing.assert_allclose(values[:3], np.linalg.svd(data)[1] ** 2, rtol=1e-5)
    assert vectors.shape == (20, values.size)


def test_smoothing_tells_coherent_paths_apart_and_without_it_they_are_one() -> None:
    plain = Music2d(SENSOR, MusicConfig(smoothing=False, weak_paths=False), max_path_m=30.0)
    hits = {"smooth": 0, "plain": 0}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        phase = rng.uniform(0.0, 2.0 * np.pi)
        data = noise(rng) + echo(9.0, 0.1, 30.0, 32.0) + echo(10.2, 0.1 + np.radians(10.0), 30.0, 32.0, phase)
        for name, music in (("smooth", MUSIC), ("plain", plain)):
            paths = music(data, 0.0, 1.0).paths
            near = (abs(paths.path_m[:, None] - [9.0, 10.2]) < 0.2) & (
                abs(paths.azimuth_rad[:, None] - [0.1, 0.1 + np.radians(10.0)]) < np.radians(4.0)
            )
            hits[name] += bool(near.any(axis=0).all())
    assert hits == {"smooth": 12, "plain": 0}


# --- how many --------------------------------------------------------------------------------------------------------


def test_noise_exceeds_its_edge_hardly_ever_and_tells_its_power() -> None:
    rng = np.random.default_rng(4)
    values = [gram_eigen(np.asarray(3.0 * noise(rng).reshape(T, -1), dtype=np.complex128))[0] for _ in range(200)]
    assert sum(edge_order(v, 608, 9.0) for v in values) <= 2
    assert max(v[0] for v in values) > 9.0 * 0.95 * noise_edge(608, T)
    floors = [noise_floor(v, 608) for v in values]
    assert np.mean(floors) == pytest.approx(9.0, rel=0.005)
    assert np.std(floors) < 0.2


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_order_is_the_number_of_paths(count: int) -> None:
    rng = np.random.default_rng(5)
    paths = [echo(9.0, 0.2, 30.0, 32.0), echo(12.5, -0.4, -50.0, 29.0), echo(10.5, 0.6, 77.0, 30.0)][:count]
    values, _ = gram_eigen(sum(paths, noise(rng)).reshape(T, -1))
    assert edge_order(values, 608, 1.0) == count
    assert mdl_order(values, 608) == count
    # Paths do not raise what the weaker half says of the noise.
    assert noise_floor(values, 608) == pytest.approx(1.0, abs=0.05)


def test_smoothed_noise_stays_below_its_edge() -> None:
    rng = np.random.default_rng(6)
    edge = smoothed_noise_edge((8, 76), 6, 50, 2)
    largest = [smoothed_subspace(noise(rng, 2), 6, 50, 1)[0][0] for _ in range(60)]
    assert 0.5 * edge < np.mean(largest) < edge
    assert np.mean(np.array(largest) > edge) <= 0.02


def test_noise_alone_gives_no_paths_and_a_flat_spectrum() -> None:
    found = 0
    for seed in range(60):
        output = MUSIC(noise(np.random.default_rng(seed)), 0.5, 1.0)
        found += len(output.paths)
    assert found == 0
    assert output.order == 0 and output.paths.time_s == 0.5
    np.testing.assert_array_equal(output.spectrum.power, 1.0)


# --- between the points of the grid ----------------------------------------------------------------------------------


def test_derivatives_of_the_share_are_those_of_finite_differences() -> None:
    data = three(np.random.default_rng(7)).reshape(T, -1)
    subspace = signal_subspace(data, 3).reshape(3, 8, 76)
    places = np.array([[9.1, 0.21], [11.0, -0.3], [10.45, 0.55]])
    share, gradient, hessian = share_derivatives(subspace, MANIFOLD, places)
    for i in range(3):
        grid = SpectrumGrid(MANIFOLD, np.arcsin(places[i : i + 1, 1]), places[i : i + 1, 0])
        assert share[i] == pytest.approx(grid.share(subspace)[0, 0], abs=1e-12)
    for axis in range(2):
        step = np.zeros(2)
        step[axis] = 1e-5
        up, down = (share_derivatives(subspace, MANIFOLD, places + sign * step) for sign in (1.0, -1.0))
        np.testing.assert_allclose(gradient[:, axis], (up[0] - down[0]) / 2e-5, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(hessian[:, :, axis], (up[1] - down[1]) / 2e-5, rtol=1e-5, atol=1e-5)


def test_newton_ends_where_the_gradient_is_zero() -> None:
    data = three(np.random.default_rng(8)).reshape(T, -1)
    subspace = signal_subspace(data, 3).reshape(3, 8, 76)
    coarse = np.array([[9.15, 0.23], [12.35, -0.33]])
    places = refine_peaks(subspace, MANIFOLD, coarse, CELL)
    np.testing.assert_allclose(share_derivatives(subspace, MANIFOLD, places)[1] * CELL, 0.0, atol=1e-6)
    np.testing.assert_allclose(places, [[9.0, np.sin(0.2)], [12.5, np.sin(-0.4)]], atol=0.05)


def test_fit_minimises_what_is_left() -> None:
    data = three(np.random.default_rng(9))
    true = np.array([[9.0, np.sin(0.2)], [12.5, np.sin(-0.4)], [10.5, np.sin(0.6)]])
    fit = fit_paths(data, MANIFOLD, true + 0.02, CELL, steps=20)
    assert fit.residual <= fit_paths(data, MANIFOLD, true, CELL, steps=0).residual
    for i in range(3):
        for axis in range(2):
            for sign in (1.0, -1.0):
                moved = fit.places.copy()
                moved[i, axis] += sign * 2e-3 * CELL[axis]
                assert fit_paths(data, MANIFOLD, moved, CELL, steps=0).residual > fit.residual - 1e-9


def test_fit_of_paths_without_noise_is_exact() -> None:
    data = echo(9.0, 0.2, 30.0, 30.0) + echo(9.5, 0.25, 28.0, 25.0)
    true = np.array([[9.0, np.sin(0.2)], [9.5, np.sin(0.25)]])
    fit = fit_paths(data, MANIFOLD, true + np.array([[0.05, 0.01], [-0.04, 0.02]]), CELL, steps=60)
    np.testing.assert_allclose(fit.places, true, atol=1e-5)
    np.testing.assert_allclose(10.0 * np.log10(fit.power * 608), [30.0, 25.0], atol=1e-3)


def test_bound_of_one_path_is_the_closed_form() -> None:
    data = echo(9.0, 0.2, 30.0, 30.0)
    fit = fit_paths(data, MANIFOLD, np.array([[9.0, np.sin(0.2)]]), CELL, steps=0)
    bound = fit.bound(1.0)[0]
    snr = 1e3
    wave = 2.0 * np.pi / 299_792_458.0
    assert bound[0, 0] == pytest.approx(1.0 / (2.0 * snr * wave**2 * np.var(SENSOR.tone_frequencies_hz)), rel=1e-6)
    assert bound[1, 1] == pytest.approx(1.0 / (2.0 * snr * (2.0 * np.pi) ** 2 * np.var(SENSOR.rx_positions)), rel=1e-6)
    assert abs(bound[0, 1]) < 1e-6 * np.sqrt(bound[0, 0] * bound[1, 1])


# --- all of it -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_estimates_scatter_as_their_covariance_says() -> None:
    true = np.array([[9.0, 0.2], [10.0, 0.3]])  # 1.6 cells and 0.4 cells apart: the bounds differ from those of one
    scaled = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        data = noise(rng) + echo(true[0, 0], true[0, 1], 30.0, 30.0) + echo(true[1, 0], true[1, 1], 70.0, 33.0)
        paths = MUSIC(data, 0.0, 1.0).paths
        assert len(paths) == 2
        for want in true:
            error = np.stack([paths.path_m, paths.azimuth_rad], axis=1) - want
            i = int(np.argmin(abs(error[:, 0])))
            scaled.append(error[i] @ np.linalg.solve(paths.covariance[i], error[i]))
    # Twice a mean of 120 chi-square variables of 2 degrees: 2 +- 0.13.
    assert np.mean(scaled) == pytest.approx(2.0, abs=0.4)


def test_strong_path_and_levels() -> None:
    paths = MUSIC(
        noise(np.random.default_rng(10)) + echo(9.0, 0.2, 30.0, 30.0) + echo(14.0, -0.5, 5.0, 45.0), 0.0
    ).paths
    np.testing.assert_allclose(paths.path_m, [14.0, 9.0], atol=0.05)
    np.testing.assert_allclose(paths.azimuth_rad, [-0.5, 0.2], atol=0.02)
    np.testing.assert_allclose(paths.snr_db, [45.0, 30.0], atol=0.5)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**31), st.floats(-8.0, 8.0), st.floats(0.0, 6.28))
def test_scale_phase_and_order_of_snapshots_change_nothing(seed: int, exponent: float, phase: float) -> None:
    rng = np.random.default_rng(seed)
    data = three(np.random.default_rng(11))
    scale = 10.0**exponent
    a = MUSIC(data, 0.0, 1.0).paths
    b = MUSIC(scale * np.exp(1j * phase) * data[rng.permutation(T)], 0.0, scale**2).paths
    np.testing.assert_allclose(b.path_m, a.path_m, atol=1e-6)
    np.testing.assert_allclose(b.azimuth_rad, a.azimuth_rad, atol=1e-6)
    np.testing.assert_allclose(b.snr_db, a.snr_db, atol=1e-5)
    np.testing.assert_allclose(b.covariance, a.covariance, rtol=1e-4, atol=1e-12)


def test_mirrored_channel_gives_mirrored_azimuths() -> None:
    data = three(np.random.default_rng(12))
    a, b = MUSIC(data, 0.0, 1.0).paths, MUSIC(data[:, ::-1], 0.0, 1.0).paths
    np.testing.assert_allclose(b.azimuth_rad, -a.azimuth_rad, atol=1e-6)
    np.testing.assert_allclose(b.path_m, a.path_m, atol=1e-6)


def test_noise_that_nobody_measured_is_estimated() -> None:
    output = MUSIC(np.asarray(2.0 * three(np.random.default_rng(13)), dtype=np.complex128), 0.0)
    assert output.noise_power == pytest.approx(4.0, rel=0.05)
    assert len(output.paths) == 3


def test_noise_stronger_than_guard_tones_say_makes_no_paths() -> None:
    assert len(MUSIC(np.asarray(3.0 * noise(np.random.default_rng(14)), dtype=np.complex128), 0.0, 1.0).paths) == 0


def test_nothing_gives_nothing() -> None:
    assert len(MUSIC(np.zeros((T, 8, 76), dtype=np.complex128), 0.0, 0.0).paths) == 0


def test_paths_outside_of_what_is_looked_at_are_left_out() -> None:
    narrow = Music2d(SENSOR, min_path_m=8.0, max_path_m=12.0, max_azimuth_rad=0.5)
    data = noise(np.random.default_rng(15)) + echo(9.0, 0.2, 30.0, 30.0) + echo(13.5, -0.4, -50.0, 35.0)
    data = data + echo(10.5, 0.8, 77.0, 32.0)
    paths = narrow(data, 0.0, 1.0).paths
    np.testing.assert_allclose(paths.path_m, [9.0], atol=0.05)


def test_more_paths_than_allowed_leave_the_strongest() -> None:
    few = Music2d(SENSOR, MusicConfig(max_paths=2), max_path_m=30.0)
    paths = few(three(np.random.default_rng(16)), 0.0, 1.0).paths
    np.testing.assert_allclose(paths.path_m, [9.0, 12.5], atol=0.1)


def test_guided_delays_keep_real_paths_and_unguided_finds_the_same() -> None:
    free = Music2d(SENSOR, MusicConfig(guided=False), max_path_m=30.0)
    data = three(np.random.default_rng(17))
    a, b = MUSIC(data, 0.0, 1.0).paths, free(data, 0.0, 1.0).paths
    np.testing.assert_allclose(a.path_m, b.path_m, atol=1e-9)


def test_map_has_the_axes_of_the_grid() -> None:
    spectrum = MUSIC(three(np.random.default_rng(18)), 0.0, 1.0).spectrum
    assert spectrum.power.shape == (spectrum.azimuth_axis_rad.size, spectrum.path_axis_m.size) == (181, 256)
    assert spectrum.power.dtype == np.float32
    assert spectrum.path_axis_m[0] == SENSOR.direct_path_m and spectrum.path_axis_m[-1] == 30.0
    level = spectrum.level_db()
    assert np.median(level) == pytest.approx(0.0, abs=1e-6)
    azimuth, path = np.unravel_index(np.argmax(level), level.shape)
    nearest = np.hypot(spectrum.path_axis_m[path] - np.array([9.0, 12.5, 10.5]),
                       spectrum.azimuth_axis_rad[azimuth] - np.array([0.2, -0.4, 0.6]))  # fmt: skip
    assert nearest.min() < 0.2


def test_a_small_array_and_few_tones_work_with_the_default_settings() -> None:
    small = replace(SENSOR, rx_positions=(0.0, 0.5, 1.0, 1.5), tones=tuple(range(-480, 481, 24)))
    rng = np.random.default_rng(19)
    data = rng.standard_normal((T, 4, 41, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
    tones = np.exp(-2j * np.pi * small.tone_frequencies_hz * 9.0 / 299_792_458.0)
    data = data + 0.8 * np.exp(0.7j * np.arange(T))[:, None, None] * small.steering(0.2)[:, None] * tones
    paths = Music2d(small)(data, 0.0, 1.0).paths
    np.testing.assert_allclose(paths.path_m, [9.0], atol=0.1)
    np.testing.assert_allclose(paths.azimuth_rad, [0.2], atol=0.05)


@pytest.mark.parametrize("sensor", [
    replace(SENSOR, array=ArrayModel.BEAMSPACE), replace(SENSOR, array=ArrayModel.SWITCHED),
    replace(SENSOR, array=ArrayModel.NONE), replace(SENSOR, rx_positions=(0.0,)),
    replace(SENSOR, rx_positions=(0.0, 0.5, 1.3)), replace(SENSOR, tones=(-900, -400, 100, 777)),
])  # fmt: skip
def test_radios_that_it_cannot_use_are_refused_with_a_hint(sensor: OfdmSensor) -> None:
    with pytest.raises(ConfigError) as refused:
        Music2d(sensor)
    assert refused.value.hint


def test_uneven_rows_work_without_smoothing() -> None:
    sensor = replace(SENSOR, rx_positions=(0.0, 0.5, 1.5, 3.5))
    rng = np.random.default_rng(20)
    data = rng.standard_normal((T, 4, 76, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
    tones = np.exp(-2j * np.pi * sensor.tone_frequencies_hz * 9.0 / 299_792_458.0)
    data = data + 0.6 * np.exp(0.7j * np.arange(T))[:, None, None] * sensor.steering(0.2)[:, None] * tones
    paths = Music2d(sensor, MusicConfig(smoothing=False))(data, 0.0, 1.0).paths
    np.testing.assert_allclose(paths.azimuth_rad, [0.2], atol=0.05)


@pytest.mark.parametrize("limits", [
    {"min_path_m": 9.0, "max_path_m": 9.0}, {"min_path_m": -1.0}, {"max_path_m": math.nan}, {"max_azimuth_rad": 2.0},
    {"min_path_m": 0.0, "max_path_m": 60.0},
])  # fmt: skip
def test_grids_that_cannot_be_are_refused_with_a_hint(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        Music2d(SENSOR, **limits)
    assert refused.value.hint


@pytest.mark.parametrize("shape", [(T, 8, 75), (T, 7, 76), (1, 8, 76), (8, 76)])
def test_snapshots_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        MUSIC(np.ones(shape, dtype=complex), 0.0, 1.0)


def test_values_that_are_not_finite_are_refused() -> None:
    data = three(np.random.default_rng(21))
    data[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        MUSIC(data, 0.0, 1.0)


# --- weak paths ------------------------------------------------------------------------------------------------------


def test_what_paths_leave_is_least_squares_of_each_snapshot() -> None:
    data = three(np.random.default_rng(22))
    places = np.array([[9.0, np.sin(0.2)], [12.5, np.sin(-0.4)]])
    left = without_paths(data, MANIFOLD, places)
    steering = np.stack([
        (MANIFOLD.along_rows(p[None, 1])[0][:, None] * MANIFOLD.along_tones(p[None, 0])[0]).ravel() for p in places
    ], axis=1)  # fmt: skip
    gain = np.linalg.lstsq(steering, data.reshape(T, -1).T, rcond=None)[0]
    np.testing.assert_allclose(left.reshape(T, -1), data.reshape(T, -1) - (steering @ gain).T, atol=1e-6)
    np.testing.assert_array_equal(without_paths(data, MANIFOLD, np.zeros((0, 2))), data)


@pytest.mark.parametrize("doppler_hz", [0.0, 33.0, -101.0])
def test_path_too_weak_for_an_eigenvalue_is_found_by_its_doppler(doppler_hz: float) -> None:
    eigen_only = Music2d(SENSOR, MusicConfig(weak_paths=False), max_path_m=30.0)
    for seed in range(5):
        data = noise(np.random.default_rng(seed)) + echo(9.0, 0.2, doppler_hz, 19.5)
        assert len(eigen_only(data, 0.0, 1.0).paths) == 0
        output = MUSIC(data, 0.0, 1.0)
        assert output.order == 0
        np.testing.assert_allclose(output.paths.path_m, [9.0], atol=0.2)
        np.testing.assert_allclose(output.paths.azimuth_rad, [0.2], atol=0.1)
        assert output.paths.snr_db[0] == pytest.approx(19.5, abs=3.0)


def test_weak_path_beside_a_strong_one_is_found_but_none_is_made_of_what_a_strong_one_leaves() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        data = noise(rng) + echo(9.0, 0.2, 30.0, 40.0) + echo(12.0, -0.3, 20.0, 19.5)
        paths = MUSIC(data, 0.0, 1.0).paths
        np.testing.assert_allclose(paths.path_m, [9.0, 12.0], atol=0.3)
        alone = MUSIC(noise(rng) + echo(9.0, 0.2, 30.0, 50.0), 0.0, 1.0).paths
        np.testing.assert_allclose(alone.path_m, [9.0], atol=0.01)


def test_weak_paths_of_staggered_blocks_are_found_by_their_times() -> None:
    late = np.array(stagger_pattern(864)) * SENSOR.frame_period_s / 864
    times = SENSOR.frame_period_s * np.arange(T) + late[:T]
    turn = np.exp(2j * np.pi * 251.0 * times)[:, None, None]  # what evenly spaced blocks would see stand still
    known = blind = 0
    for seed in range(8):
        data = noise(np.random.default_rng(seed)) + turn * echo(9.0, 0.2, 0.0, 20.0)
        known += len(MUSIC(data, 0.0, 1.0, times).paths)
        blind += len(MUSIC(data, 0.0, 1.0).paths)
    assert known == 8 and blind <= 2
    even = np.asarray(SENSOR.frame_period_s * np.arange(T) + 7.0, dtype=np.float64)
    data = noise(np.random.default_rng(0)) + echo(9.0, 0.2, 33.0, 20.0)
    np.testing.assert_array_equal(MUSIC(data, 0.0, 1.0, even).paths.path_m, MUSIC(data, 0.0, 1.0).paths.path_m)
    with pytest.raises(ValueError, match="times"):
        MUSIC(data, 0.0, 1.0, even[1:])
