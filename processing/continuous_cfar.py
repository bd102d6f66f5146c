"""CFAR multipliers for lines that are fitted between the bins.

A detector that moves a line to the maximum of the spectrum between the bins, and then compares the power there with
its threshold, exceeds it in noise far more often than a detector that looks at bins: it takes the greatest value of a
continuous field, not of N M independent cells. With eight antennas, 50 training cells and a nominal 0.01 in a map of
128 x 64 the factor is 17; with one look in three dimensions it is over 60.

The probability that the field exceeds a high level anywhere is its expected Euler characteristic, whose density is
known in closed form for the sum of the powers of complex Gaussian fields (a chi-squared field; Worsley, Adv. Appl.
Probab. 26, 1994, for one to three dimensions).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from isactrack.errors import ConfigError

FloatArray = NDArray[np.float64]


def maxima_per_cell(level: FloatArray, looks: int, dimensions: int) -> FloatArray:
    """Return the expected number of maxima above a level in the volume of a cell (a bin an axis).

    Parameters
    ----------
    level
        Levels, any shape, of the power summed over the antennas, in units of the noise of one antenna's cell.
    looks
        Antennas summed, L.
    dimensions
        Axes of the spectrum, 1 to 3. Zero gives the probability that one cell exceeds the level.

    Returns
    -------
    ndarray
        Densities in the shape of `level`, for long axes with rectangular windows; meaningful where they are small.

    Raises
    ------
    ConfigError
        If `dimensions` is not 0, 1, 2 or 3.
    """
    y, nu = 2.0 * np.asarray(level, dtype=np.float64), 2.0 * looks
    # Phases across an axis of n samples vary by n / sqrt(12) each; a bin is 2 pi / n.
    roughness = (2.0 * np.pi) ** 2 / 12.0
    log_tail = -y / 2.0 - special.gammaln(nu / 2.0) - (nu - 2.0) / 2.0 * np.log(2.0)
    if dimensions == 0:
        return np.asarray(special.gammaincc(looks, y / 2.0))
    if dimensions == 1:
        shape: FloatArray = np.ones_like(y)
    elif dimensions == 2:
        shape = y - (nu - 1.0)
    elif dimensions == 3:
        shape = y**2 - (2.0 * nu - 1.0) * y + (nu - 1.0) * (nu - 2.0)
    else:
        raise ConfigError(f"{dimensions} dimensions, the densities are known for 0 to 3", "use 2 or 3")
    factor = (roughness / (2.0 * np.pi)) ** (dimensions / 2.0)
    return np.asarray(factor * shape * np.exp(log_tail + (nu - dimensions) / 2.0 * np.log(y)))


def cell_probability(p_overall: float, p_cell: float | None, cells: int) -> float:
    """Return the false alarms a cell that settings ask for: `p_cell` if given, else `p_overall` shared by all cells."""
    return p_cell if p_cell is not None else p_overall / cells


@lru_cache(maxsize=32)
def continuous_multiplier(p_fa: float, looks: int, training_cells: int, dimensions: int) -> float:
    """Return the threshold over the mean of the training cells for the greatest value between the bins.

    Parameters
    ----------
    p_fa
        False alarms a cell: their number in a map over the number of its bins.
    looks
        Antennas summed in a cell, L.
    training_cells
        Cells averaged, N_r, of the same sum.
    dimensions
        Axes of the spectrum, see `maxima_per_cell`. With 0 this is the multiplier of a single cell, `cfar_multiplier`.
    """
    shape = looks * training_cells
    nodes, weights = special.roots_genlaguerre(32, shape - 1.0) if shape < 100 else (None, None)
    if nodes is None or weights is None:
        # Gamma(shape) is nearly normal by now: nodes over 12 deviations, in units of the mean.
        spread = 12.0 / np.sqrt(shape)
        mean = np.linspace(max(1e-6, 1.0 - spread), 1.0 + spread, 2001)
        weights = np.exp((shape - 1.0) * np.log(mean) - shape * (mean - 1.0))
    else:
        mean = nodes / shape
    weights = weights / np.sum(weights)

    def excess(multiplier: float) -> float:
        level = multiplier * looks * mean
        rate = np.clip(maxima_per_cell(level, looks, dimensions), 0.0, None)
        return float(np.log(np.sum(weights * rate) / p_fa))

    # Below the mean the densities mean nothing (the field is above such a level nearly everywhere).
    lower, upper = 1.5, 3.0
    while excess(upper) > 0.0:
        upper *= 1.5
    return float(optimize.brentq(excess, lower, upper, xtol=1e-10))
