"""The detectors that the fast one is compared with: what they must find, and what they must not."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError
from isactrack.processing.fft_cfar import fft_cfar
from isactrack.processing.line_model import correlate, gram, least_squares_gains, synthesise
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import MnompConfig
from isactrack.processing.mnomp_original import mnomp_original, noise_around, spectrum_power
from isactrack.processing.newton import index_powers, newton_step
from isactrack.processing.nomp3d import nomp3d_cfar, strongest_cell

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Detector = Callable[[ComplexArray, MnompConfig], SpectralLines]

SHAPE = (16, 4, 32)
SMALL = MnompConfig(k_max=8)
BIN_X, BIN_Y = 2.0 * np.pi / SHAPE[2], 2.0 * np.pi / SHAPE[0]


def in_space(data: ComplexArray, config: MnompConfig) -> SpectralLines:
    return nomp3d_cfar(data, config).lines


BETWEEN_BINS: dict[str, Detector] = {"original": mnomp_original, "3D": in_space}


def scene(snr_db: float, seed: int, silent: bool = False) -> tuple[ComplexArray, FloatArray, FloatArray, ComplexArray]:
    """Return a frame of three lines of one plane wave each, and their frequencies and gains; the strongest first."""
    rng = np.random.default_rng(seed)
    range_rad = BIN_X * np.array([3.3, 17.6, 31.8])
    doppler_rad = BIN_Y * np.array([-7.7, 2.2, 4.6])
    amplitude = np.sqrt(10.0 ** (snr_db / 10.0) / (SHAPE[0] * SHAPE[2])) * np.array([2.0, 1.4, 1.0])
    wave = np.exp(1j * (np.array([0.3, -2.0, 1.1])[:, None] * np.arange(SHAPE[1]) + rng.uniform(0, 6.28, (3, 1))))
    gain = amplitude[:, None] * wave
    noise = rng.standard_normal((*SHAPE, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
    return (
        synthesise(range_rad, doppler_rad, gain, SHAPE) + (0.0 if silent else 1.0) * noise,
        range_rad,
        doppler_rad,
        gain,
    )


def bins_off(lines: SpectralLines, range_rad: float, doppler_rad: float) -> FloatArray:
    """Return how far (k,) lines are from a place, in bins, both axes cyclic."""
    apart = np.stack([lines.range_rad - range_rad, lines.doppler_rad - doppler_rad])
    wrapped = (apart + np.pi) % (2.0 * np.pi) - np.pi
    return np.asarray(np.hypot(wrapped[0] / BIN_X, wrapped[1] / BIN_Y))


@pytest.mark.parametrize("name", BETWEEN_BINS)
def test_lines_without_noise_are_met_exactly(name: str) -> None:
    data, range_rad, doppler_rad, gain = scene(20.0, 1, silent=True)
    config = MnompConfig(k_max=3, cyclic_rounds=20)
    found = BETWEEN_BINS[name](data, config)
    np.testing.assert_allclose(found.range_rad, range_rad, atol=1e-7)
    np.testing.assert_allclose(found.doppler_rad, doppler_rad, atol=1e-7)
    np.testing.assert_allclose(found.gain, gain, atol=1e-6)
    assert found.residual_power < 1e-12


@pytest.mark.parametrize("name", BETWEEN_BINS)
def test_lines_in_noise_are_found_and_no_others(name: str) -> None:
    missed = false = 0
    for seed in range(12):
        data, range_rad, doppler_rad, _ = scene(20.0, seed)
        found = BETWEEN_BINS[name](data, SMALL)
        near = np.abs(found.range_rad[:, None] - range_rad) < 0.5 * BIN_X
        near &= np.abs(found.doppler_rad[:, None] - doppler_rad) < 0.5 * BIN_Y
        missed += int(np.sum(~near.any(axis=0)))
        false += int(np.sum(~near.any(axis=1)))
        assert np.all(np.abs(found.noise_power - 1.0) < 0.5)
        assert found.residual_power == pytest.approx(1.0, abs=0.12)
    assert missed == 0
    assert false <= 1


@pytest.mark.parametrize("name", BETWEEN_BINS)
def test_errors_are_those_of_the_bound(name: str) -> None:
    errors = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        omega = np.array([rng.uniform(0.5, 5.5), rng.uniform(-2.5, 2.5)])
        gain = np.sqrt(10.0**2.2 / (SHAPE[0] * SHAPE[2])) * np.exp(1j * rng.uniform(-3, 3) * np.arange(SHAPE[1]))
        data = synthesise(omega[:1], omega[1:], gain[None], SHAPE)
        data = data + rng.standard_normal((*SHAPE, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
        found = BETWEEN_BINS[name](data, MnompConfig(k_max=1))
        errors.append([found.range_rad[0] - omega[0], found.doppler_rad[0] - omega[1]])
    bound = 6.0 / (SHAPE[1] * 10.0**2.2 * (np.array([SHAPE[2], SHAPE[0]]) ** 2 - 1))
    ratio = np.mean(np.square(errors), axis=0) / bound
    # 150 trials: the ratio has a standard deviation of 0.115.
    assert np.all((ratio > 0.65) & (ratio < 1.45))


@pytest.mark.parametrize("name", BETWEEN_BINS)
def test_noise_alone_has_no_lines(name: str) -> None:
    false = 0
    for seed in range(30):
        rng = np.random.default_rng(100 + seed)
        noise = rng.standard_normal((*SHAPE, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
        false += len(BETWEEN_BINS[name](noise, MnompConfig(k_max=4)))
    assert false <= 3


def test_the_original_tells_lines_apart_that_share_a_bin_and_a_half() -> None:
    rng = np.random.default_rng(4)
    range_rad, doppler_rad = BIN_X * np.array([8.0, 8.7]), BIN_Y * np.array([2.0, 3.0])
    gain = np.sqrt(10.0**2.5 / (SHAPE[0] * SHAPE[2])) * np.exp(1j * rng.uniform(-3, 3, (2, SHAPE[1])))
    data = synthesise(range_rad, doppler_rad, gain, SHAPE)
    data = data + rng.standard_normal((*SHAPE, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
    found = mnomp_original(data, MnompConfig(k_max=5, cyclic_rounds=3))
    assert len(found) == 2
    np.testing.assert_allclose(np.sort(found.range_rad), range_rad, atol=0.15 * BIN_X)
    assert len(fft_cfar(data, SMALL)) < 2


def test_directions_are_told_apart_in_three_dimensions_alone() -> None:
    shape = (16, 8, 32)
    spatial = np.array([-0.7, 1.3])
    omega_x, omega_y = BIN_X * np.array([8.2, 8.2]), BIN_Y * np.array([2.3, 2.3])
    gain = np.sqrt(10.0**2 / (16 * 32)) * np.exp(1j * spatial[:, None] * np.arange(8)) * np.array([[1.0], [0.8]])
    data = synthesise(omega_x, omega_y, gain, shape)
    data = data + np.random.default_rng(0).standard_normal((*shape, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
    lines, found = nomp3d_cfar(data, SMALL)
    np.testing.assert_allclose(found, spatial, atol=0.05)
    turn = np.angle(lines.gain[:, 1:] / lines.gain[:, :-1])
    np.testing.assert_allclose(turn, np.repeat(found[:, None], 7, axis=1), atol=1e-9)
    assert len(mnomp_original(data, SMALL)) == 1


def test_fft_peaks_are_bins_or_between_them() -> None:
    data, range_rad, doppler_rad, gain = scene(26.0, 3)
    on_grid, between = fft_cfar(data, SMALL), fft_cfar(data, SMALL, between_bins=True)
    bins = np.stack([on_grid.range_rad / BIN_X, on_grid.doppler_rad / BIN_Y])
    np.testing.assert_allclose(bins, np.rint(bins), atol=1e-9)
    for truth in zip(range_rad, doppler_rad, np.linalg.norm(gain, axis=1), strict=True):
        coarse, fine = (np.min(bins_off(lines, truth[0], truth[1])) for lines in (on_grid, between))
        assert fine < 0.15
        assert fine < coarse <= np.sqrt(0.5) + 1e-9
        k = int(np.argmin(bins_off(between, truth[0], truth[1])))
        assert np.linalg.norm(between.gain[k]) == pytest.approx(truth[2], rel=0.2)


def test_the_cells_of_the_fft_say_what_the_frame_holds() -> None:
    gain = np.full((1, SHAPE[1]), 0.4j)
    data = synthesise(np.array([5 * BIN_X]), np.array([-3 * BIN_Y]), gain, SHAPE)
    data = data + 1e-3 * np.random.default_rng(0).standard_normal(SHAPE)
    found = fft_cfar(data, SMALL)
    assert (found.range_rad[0], found.doppler_rad[0]) == (pytest.approx(5 * BIN_X), pytest.approx(-3 * BIN_Y))
    np.testing.assert_allclose(found.gain[0], gain[0], atol=1e-3)
    assert found.noise_power[0] == pytest.approx(1e-6, rel=0.4)
    assert found.residual_power == pytest.approx(1e-6, rel=0.1)


def test_fft_false_alarms_are_as_many_as_asked() -> None:
    rng = np.random.default_rng(8)
    config, trials = MnompConfig(p_overall=0.2), 400
    frames = rng.standard_normal((trials, *SHAPE, 2)).view(np.complex128)[..., 0]
    share = np.mean([len(fft_cfar(frame, config)) > 0 for frame in frames])
    assert abs(share - 0.2) < 4.0 * np.sqrt(0.2 * 0.8 / trials)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", BETWEEN_BINS)
def test_false_alarms_between_the_bins_are_as_many_as_asked(name: str) -> None:
    rng = np.random.default_rng(8)
    config, trials = MnompConfig(p_overall=0.2, k_max=4, cyclic_rounds=0), 200
    found = 0
    for _ in range(trials):
        frame = rng.standard_normal((32, 8, 64, 2)).view(np.complex128)[..., 0]
        found += len(BETWEEN_BINS[name](frame, config)) > 0
    # Four standard deviations of the count, and some for the level, which is not high at this probability.
    assert abs(found / trials - (1.0 - np.exp(-0.2))) < 4.0 * np.sqrt(0.2 * 0.8 / trials) + 0.03


@pytest.mark.parametrize("detector", [mnomp_original, in_space, fft_cfar])
def test_a_frame_of_zeros_has_no_lines(detector: Detector) -> None:
    found = detector(np.zeros(SHAPE, dtype=np.complex128), SMALL)
    assert len(found) == 0
    assert found.gain.shape == (0, SHAPE[1])
    assert found.residual_power == 0.0


def test_least_squares_against_the_dictionary() -> None:
    data, range_rad, doppler_rad, gain = scene(20.0, 9, silent=True)
    loop, sample = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[2])
    atoms = np.stack(
        [np.exp(1j * (x * sample + y * loop)).ravel() for x, y in zip(range_rad, doppler_rad, strict=True)]
    )
    flat = data.transpose(0, 2, 1).reshape(-1, SHAPE[1])
    np.testing.assert_allclose(correlate(data, range_rad, doppler_rad), np.conj(atoms) @ flat, atol=1e-9)
    np.testing.assert_allclose(gram(range_rad, doppler_rad, SHAPE[2], SHAPE[0]), np.conj(atoms) @ atoms.T, atol=1e-9)
    np.testing.assert_allclose(least_squares_gains(data, range_rad, doppler_rad), gain, atol=1e-12)
    none = np.zeros(0)
    assert least_squares_gains(data, none, none).shape == (0, SHAPE[1])


def test_newton_meets_the_top_of_a_line_in_noise() -> None:
    rng = np.random.default_rng(2)
    n = 24
    y = np.exp(1j * 0.9 * np.arange(n)) + 0.1 * (rng.standard_normal((3, n)) + 1j * rng.standard_normal((3, n)))
    powers, omega, cell = index_powers(n), 0.9 + 0.04, np.array([2.0 * np.pi / (4 * n)])

    def energy(at: float) -> float:
        return float(np.sum(np.abs(y @ np.exp(-1j * at * np.arange(n))) ** 2))

    for _ in range(6):
        c = (y @ (powers * np.exp(omega * powers[1])).T).T
        omega += float(newton_step(c[0], c[1][None], c[2][None, None], cell)[0])
    grid = np.linspace(omega - 0.01, omega + 0.01, 2001)
    assert abs(grid[np.argmax([energy(at) for at in grid])] - omega) < 2e-5


def test_newton_walks_up_the_slope_where_there_is_no_top() -> None:
    n, cell = 24, np.array([0.05])
    powers = index_powers(n)
    y, nothing = np.ones((1, n), dtype=np.complex128), np.zeros(1, dtype=np.complex128)

    def step_at(omega: float) -> float:
        c = (y @ (powers * np.exp(omega * powers[1])).T).T
        return float(newton_step(c[0], c[1][None], c[2][None, None], cell)[0])

    # The main lobe ends at 2 pi / n = 0.26: far up its flank the step is longer than a cell.
    assert step_at(0.2) == pytest.approx(-0.0125)
    assert step_at(-0.2) == pytest.approx(0.0125)
    assert step_at(0.03) == pytest.approx(-0.03, rel=0.02)
    assert newton_step(nothing, nothing[None], nothing[None, None], cell)[0] == 0.0


def test_spectrum_and_strongest_cell_against_plain_transforms() -> None:
    data, *_ = scene(20.0, 5)
    plain = np.fft.fft2(data, s=(3 * SHAPE[0], 3 * SHAPE[2]), axes=(0, 2))
    np.testing.assert_allclose(spectrum_power(data, 3), np.sum(np.abs(plain) ** 2, axis=1), rtol=1e-9)
    cube = np.abs(np.fft.fftn(data, s=[2 * n for n in SHAPE], axes=(0, 1, 2)))
    doppler, space, range_ = np.unravel_index(np.argmax(cube), cube.shape)
    expected = 2.0 * np.pi * np.array([range_, doppler, space]) / (2.0 * np.array([SHAPE[2], SHAPE[0], SHAPE[1]]))
    np.testing.assert_allclose(strongest_cell(data, 2)[0], expected)


def test_noise_around_wraps() -> None:
    power = np.abs(np.fft.fft2(scene(10.0, 6)[0], axes=(0, 2))) ** 2
    data = scene(10.0, 6)[0]
    offsets = np.array([[-1, -2], [2, 1]])
    noise = noise_around(data, np.array([2.0 * np.pi - 1e-3]), np.array([-BIN_Y]), offsets)
    summed = power.sum(axis=1)
    assert noise[0] == pytest.approx((summed[-2, -2] + summed[1, 1]) / 2.0)


def test_settings_that_leave_no_training_cells_are_refused() -> None:
    config = MnompConfig(training_cells=(20, 3), guard_cells=(8, 3))
    with pytest.raises(ConfigError):
        mnomp_original(np.ones((4, 1, 6), dtype=np.complex128), config)
