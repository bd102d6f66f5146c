"""Thresholds of lines between the bins, against finely sampled noise."""

import numpy as np
import pytest
import scipy.fft

from isactrack import ConfigError
from isactrack.processing.cfar import cfar_multiplier
from isactrack.processing.continuous_cfar import cell_probability, continuous_multiplier, maxima_per_cell


@pytest.mark.parametrize(("looks", "cells"), [(1, 20), (1, 400), (4, 60), (8, 50)])
def test_without_dimensions_it_is_the_multiplier_of_a_cell(looks: int, cells: int) -> None:
    for p_fa in (1e-3, 1e-6):
        expected = float(cfar_multiplier(p_fa, looks, cells))
        assert continuous_multiplier(p_fa, looks, cells, 0) == pytest.approx(expected, rel=1e-6)


def test_each_dimension_asks_for_more() -> None:
    thresholds = [continuous_multiplier(1e-6, 8, 50, dimensions) for dimensions in range(4)]
    assert np.all(np.diff(thresholds) > 0.0)
    # What the paper prints for its simulation, and what its settings do not give for cells.
    assert continuous_multiplier(0.01 / (128 * 64), 8, 50, 2) == pytest.approx(4.2257, abs=5e-5)


def test_one_look_in_one_dimension_is_rice_s_rate() -> None:
    level = np.array([5.0, 12.0])
    np.testing.assert_allclose(maxima_per_cell(level, 1, 1), np.sqrt(np.pi * level / 3.0) * np.exp(-level), rtol=1e-12)


@pytest.mark.parametrize(
    ("looks", "dimensions", "level"), [(1, 1, 6.5), (8, 1, 19.5), (1, 2, 11.0), (8, 2, 25.5), (1, 3, 13.0)]
)
@pytest.mark.slow
def test_noise_exceeds_a_level_between_the_bins_as_often_as_said(looks: int, dimensions: int, level: float) -> None:
    rng = np.random.default_rng(17)
    shape = {1: (64,), 2: (32, 32), 3: (16, 16, 8)}[dimensions]
    axes = tuple(range(-dimensions, 0))
    over = {1: 8, 2: 6, 3: 5}[dimensions]
    trials = {1: 4000, 2: 200, 3: 120}[dimensions]
    found = 0
    for _ in range(trials):
        noise = rng.standard_normal((looks, *shape, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5 / np.prod(shape))
        spectrum = scipy.fft.fftn(noise, s=[over * n for n in shape], axes=axes)
        found += bool(np.max(np.sum(np.abs(spectrum) ** 2, axis=0)) > level)
    expected = float(maxima_per_cell(np.array(level), looks, dimensions) * np.prod(shape))
    probability = 1.0 - np.exp(-expected)
    assert 0.1 < probability < 0.5
    assert abs(found / trials - probability) < 4.0 * np.sqrt(probability / trials) + 0.1 * probability
    cells = float(maxima_per_cell(np.array(level), looks, 0) * np.prod(shape))
    assert found / trials > 1.5 * cells


def test_settings_give_the_probability_of_a_cell_or_share_that_of_the_map() -> None:
    assert cell_probability(0.01, None, 100) == pytest.approx(1e-4)
    assert cell_probability(0.01, 1e-6, 100) == 1e-6


def test_four_dimensions_are_refused() -> None:
    with pytest.raises(ConfigError, match="4 dimensions"):
        maxima_per_cell(np.ones(1), 1, 4)
