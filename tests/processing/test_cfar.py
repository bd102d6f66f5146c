"""Multipliers, the moving window and the false-alarm rate."""

import numpy as np
import pytest
from scipy import special, stats

from isactrack import ConfigError
from isactrack.processing.cfar import ca_cfar_2d, cfar_multiplier, median_noise, whole_map_multiplier
from isactrack.processing.spectra import antenna_power, range_doppler_spectrum


@pytest.mark.parametrize(
    ("p_fa", "looks", "cells", "expected"),
    [
        (0.01 / 8192, 4, 60, 5.4838),
        (0.01 / 8192, 8, 50, 3.7132),
        (0.1 / 8192, 8, 50, 3.3088),
        (0.01 / 8192, 1, 50, 15.6505),
    ],
)
def test_cell_multiplier(p_fa: float, looks: int, cells: int, expected: float) -> None:
    assert cfar_multiplier(p_fa, looks, cells) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(
    ("p_overall", "cells", "looks", "training", "expected"),
    [
        (0.01, 8192, 4, 60, 5.4783),  # as printed by mnomp-spa-kf for its real data
        (0.01, 8192, 8, 50, 3.7105),
        (0.001, 16384, 8, 50, 4.2257),  # printed by the same paper for its simulation, which states other settings
        (0.01, 8192, 1, 50, 15.5486),
    ],
)
def test_whole_map_multiplier(p_overall: float, cells: int, looks: int, training: int, expected: float) -> None:
    assert whole_map_multiplier(p_overall, cells, looks, training) == pytest.approx(expected, abs=6e-5)


def test_multiplier_is_the_f_quantile_and_single_look_is_the_textbook_one() -> None:
    cells = np.array([1, 5, 60, 240])
    for p_fa in (1e-2, 1e-6, 1e-10):
        for looks in (1, 4, 12):
            expected = stats.f.isf(p_fa, 2 * looks, 2 * looks * cells)
            np.testing.assert_allclose(cfar_multiplier(p_fa, looks, cells), expected, rtol=1e-6)
        np.testing.assert_allclose(cfar_multiplier(p_fa, 1, cells), cells * (p_fa ** (-1.0 / cells) - 1.0), rtol=1e-6)
    assert cfar_multiplier(1e-3, 4, 0) == np.inf


@pytest.mark.parametrize("shape", [(16, 20), (5, 20), (1, 20)])
@pytest.mark.parametrize("censored", [False, True])
def test_window_equals_brute_force(shape: tuple[int, int], censored: bool) -> None:
    rng = np.random.default_rng(4)
    power = rng.gamma(4.0, size=shape)
    power[0, 3] = 1e6
    exclude = rng.random(shape) < 0.2 if censored else np.zeros(shape, dtype=np.bool_)
    exclude[0, 3] = censored
    (td, tr), (gd, gr) = (4, 3), (1, 2)
    found = ca_cfar_2d(power, (td, tr), (gd, gr), 1e-2, 4, exclude)
    td, gd = min(td, (shape[0] - 1) // 2), min(gd, (shape[0] - 1) // 2)
    for d in range(shape[0]):
        for r in range(shape[1]):
            cells = [
                power[(d + i) % shape[0], r + j]
                for i in range(-td, td + 1)
                for j in range(-tr, tr + 1)
                if (abs(i) > gd or abs(j) > gr) and 0 <= r + j < shape[1] and not exclude[(d + i) % shape[0], r + j]
            ]
            if not cells:
                assert found.threshold[d, r] == np.inf
                continue
            assert found.noise[d, r] == pytest.approx(np.mean(cells), rel=1e-6)
            assert found.threshold[d, r] == pytest.approx(
                np.mean(cells) * cfar_multiplier(1e-2, 4, len(cells)), rel=1e-6
            )
    np.testing.assert_array_equal(found.mask, power > found.threshold)


def test_false_alarm_rate_is_the_nominal_one() -> None:
    rng = np.random.default_rng(5)
    p_fa, cells = 1e-3, 64 * 128
    maps = (rng.gamma(4.0, size=(64, 128)) for _ in range(100))
    alarms = [np.count_nonzero(ca_cfar_2d(power, (8, 6), (3, 3), p_fa, 4).mask) for power in maps]
    # Cells share training cells, so that the spread is taken from the maps, not from the binomial law.
    half_width = 1.96 * np.std(alarms, ddof=1) / np.sqrt(len(alarms)) / cells
    assert half_width < 0.1 * p_fa
    assert abs(np.mean(alarms) / cells - p_fa) < half_width


def test_thin_training_falls_back() -> None:
    power = np.ones((16, 32))
    exclude = np.zeros(power.shape, dtype=np.bool_)
    exclude[:, 8:24] = True
    found = ca_cfar_2d(power, (4, 4), (1, 1), 1e-3, 4, exclude, np.full(32, 7.0))
    assert found.noise[8, 16] == 7.0
    assert found.noise[8, 2] == pytest.approx(1.0)


def test_median_noise_ignores_a_strong_target() -> None:
    rng = np.random.default_rng(6)
    scale = np.linspace(1.0, 5.0, 20)
    power = rng.gamma(4.0, size=(512, 20)) * scale
    power[100:120] *= 1e5
    np.testing.assert_allclose(median_noise(power, 4), 4.0 * scale, rtol=0.15)


def test_guard_must_leave_cells() -> None:
    with pytest.raises(ConfigError, match="leave no training cells"):
        ca_cfar_2d(np.ones((8, 8)), (2, 2), (2, 2), 1e-3, 1)


def test_hann_raises_the_rate_as_documented() -> None:
    rng = np.random.default_rng(7)
    p_fa, alarms, maps = 1e-3, 0, 40
    for _ in range(maps):
        cube = (rng.standard_normal((64, 1, 4, 128, 2), dtype=np.float32)).view(np.complex64)[..., 0]
        power = antenna_power(range_doppler_spectrum(cube))
        alarms += int(np.count_nonzero(ca_cfar_2d(power, (5, 4), (3, 3), p_fa, 4).mask))
    assert alarms / (maps * 64 * 128 * p_fa) == pytest.approx(1.5, abs=0.25)


def test_whole_map_multiplier_of_several_candidates_holds() -> None:
    """Simulate the highest cells of a map, each with a noise estimate of its own."""
    rng = np.random.default_rng(8)
    cells, looks, training, trials, p = 4096, 2, 10, 40000, 0.1
    # The smallest exceedance probabilities of the map are sums of exponential gaps, to first order in 1 / cells.
    exceed = np.cumsum(rng.exponential(size=(trials, 5)), axis=1) / cells
    value = special.gammainccinv(looks, exceed)
    noise = rng.gamma(looks * training, size=value.shape) / training
    previous = 0.0
    for candidates in (1, 2, 5):
        multiplier = whole_map_multiplier(p, cells, looks, training, candidates)
        assert multiplier > previous
        previous = multiplier
        alarms = np.any(value[:, :candidates] > multiplier * noise[:, :candidates], axis=1)
        assert np.mean(alarms) == pytest.approx(p, abs=3.0 * np.sqrt(p * (1.0 - p) / trials) + 1e-3)
    # The threshold of one candidate gives too many alarms to five.
    alarms = np.any(value > whole_map_multiplier(p, cells, looks, training) * noise, axis=1)
    assert np.mean(alarms) > p + 6.0 * np.sqrt(p * (1.0 - p) / trials)


def test_whole_map_multiplier_of_a_map_that_is_all_candidates() -> None:
    """With as many candidates as cells, each cell is compared on its own: independent events."""
    p = 0.05
    cell = cfar_multiplier(1.0 - (1.0 - p) ** (1.0 / 6.0), 3, 20)
    assert whole_map_multiplier(p, 6, 3, 20, 6) == pytest.approx(cell, rel=1e-4)
    assert whole_map_multiplier(p, 6, 3, 20, 99) == pytest.approx(cell, rel=1e-4)
