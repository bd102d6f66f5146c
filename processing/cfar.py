"""Cell-averaging CFAR for power that is summed over antennas.

Noise in a cell of L antennas is Gamma(L); its estimate from N_r such cells is Gamma(L N_r) / N_r, and their ratio is F
distributed with 2 L and 2 L N_r degrees of freedom. The single-antenna formula, ``N_r (P_FA^(-1/N_r) - 1)``, is its
case L = 1 and demands 6 dB too much of eight antennas.

The multipliers hold for independent cells. A window correlates neighbours, so that fewer cells count: measured with
four antennas at a nominal 1e-3, the false-alarm rate is the nominal one for the rectangular window; for the Hann
window it is 1.25 times that with 172 training cells and 1.5 times with 50.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, optimize, special

from isactrack.errors import ConfigError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CfarResult:
    """What the CFAR found in a map.

    Attributes
    ----------
    mask
        Cells over the threshold, bool (doppler, range).
    noise, threshold
        Noise estimate and threshold (doppler, range) float64, in the unit of the map.
    """

    mask: NDArray[np.bool_]
    noise: FloatArray
    threshold: FloatArray


def cfar_multiplier(p_fa: float, looks: int, training_cells: ArrayLike) -> FloatArray:
    """Return the threshold over the mean of the training cells that gives a false-alarm probability a cell.

    Parameters
    ----------
    p_fa
        Probability that a cell of noise exceeds its threshold.
    looks
        Antennas summed in a cell, L.
    training_cells
        Cells averaged, N_r, of any shape; infinite thresholds where it is 0.

    Returns
    -------
    ndarray
        The quantile of F(2 L, 2 L N_r), in the shape of `training_cells`, float64. It is computed from the
        beta distribution's lower tail, which stays exact for small probabilities.
    """
    cells = np.asarray(training_cells, dtype=np.float64)
    safe = np.maximum(cells, 1.0)
    share = np.asarray(special.betaincinv(looks * safe, looks, p_fa), dtype=np.float64)
    return np.where(cells >= 1.0, safe * (1.0 - share) / share, np.inf)


@lru_cache(maxsize=64)
def whole_map_multiplier(p_overall: float, cells: int, looks: int, training_cells: int, candidates: int = 1) -> float:
    """Return the multiplier that keeps the probability of any false alarm in a map at `p_overall`.

    Parameters
    ----------
    p_overall
        Probability that any of the candidates of a map of noise exceeds its threshold.
    cells
        Independent cells of the map.
    looks
        Antennas summed in a cell, L.
    training_cells
        Cells averaged for the noise of a candidate, N_r.
    candidates
        The highest cells that are compared with thresholds of their own, one after the other, J: a detector that gives
        up after J candidates in a row without a detection looks at the J highest cells of noise.

    Returns
    -------
    float
        Threshold over the mean of the training cells.

    Notes
    -----
    Let p be the probability that a cell of noise exceeds the value of a candidate, and h(p) that the noise estimate,
    Gamma(L N_r) / N_r, is too high for this value to be detected. The p of the J highest cells are the J smallest of
    `cells` uniform variates, hence, with ``H(p)`` the integral of h from 0 to p,

    ``P(no alarm) = cells! / ((cells - J)! (J - 1)!) integral_0^1 h(p) H(p)^(J - 1) (1 - p)^(cells - J) dp``.

    With J = 1 this is ``E[(1 - Q(L, T Y))^cells]``, Q the upper incomplete gamma ratio and Y the noise estimate.
    The noise estimates of the candidates are taken as independent.
    """
    candidates = min(candidates, cells)
    # Candidates live where cells * p is of the order of 1; outside these bounds the integrand vanishes.
    u = np.concatenate([[0.0], np.geomspace(1e-9, min(40.0 + 6.0 * candidates, float(cells)), 3001)])
    p = u / cells
    value = np.concatenate([[np.inf], special.gammainccinv(looks, p[1:])])
    # u^(J - 1) times this is the number of ways to choose J of the cells, over (J - 1)!.
    log_ways = float(np.sum(np.log1p(-np.arange(candidates) / cells))) - float(special.gammaln(candidates))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest = (cells - candidates) * np.log1p(-p) if candidates < cells else np.zeros(u.size)
    density = np.exp(log_rest + log_ways)

    def excess(multiplier: float) -> float:
        missed = special.gammaincc(looks * training_cells, training_cells * value / multiplier)
        below = np.concatenate([[0.0], np.cumsum(0.5 * (missed[1:] + missed[:-1]) * np.diff(u))])
        # Less what it is with missed = 1, so that a small probability keeps its digits.
        alarm = density * (u ** (candidates - 1) - missed * below ** (candidates - 1))
        return float(integrate.trapezoid(alarm, u)) - p_overall

    upper = 2.0 * float(cfar_multiplier(p_overall / cells, looks, training_cells))
    while excess(upper) > 0.0:
        upper *= 2.0
    return float(optimize.brentq(excess, 1e-3 * upper, upper, xtol=1e-9))


def ca_cfar_2d(
    power: NDArray[np.floating],
    training: tuple[int, int],
    guard: tuple[int, int],
    p_fa: float,
    looks: int,
    exclude: NDArray[np.bool_] | None = None,
    fallback: FloatArray | None = None,
) -> CfarResult:
    """Compare each cell with the mean of the cells around it.

    The training cells are those of a window of ``2 training + 1`` cells an axis that are outside the window of
    ``2 guard + 1`` cells. Doppler is cyclic. At the edges of range only cells that exist are averaged, and the
    multiplier is that of their number.

    Parameters
    ----------
    power
        Map (doppler, range), linear, summed over `looks` antennas.
    training, guard
        Half-windows (doppler, range) in cells. In Doppler they are cut to what the map holds without counting twice.
    p_fa
        False-alarm probability a cell.
    looks
        Antennas summed in the map.
    exclude
        Cells that are known to hold more than noise and must not train, bool (doppler, range). Without it a
        strong target raises the threshold of its weaker neighbours.
    fallback
        Noise (range,) to use where fewer than an eighth of the training cells remain; without it they are used as they
        are, and a cell without any has an infinite threshold.

    Raises
    ------
    ConfigError
        If the guard window leaves no training cells.
    """
    (td, tr), (gd, gr) = training, guard
    td, gd = min(td, (power.shape[0] - 1) // 2), min(gd, (power.shape[0] - 1) // 2)
    nominal = (2 * td + 1) * (2 * tr + 1) - (2 * gd + 1) * (2 * gr + 1)
    if td < gd or tr < gr or nominal < 1:
        raise ConfigError(
            f"guard cells {guard} leave no training cells within {training}", "make the training window the larger one"
        )
    trains = np.asarray(np.ones(power.shape) if exclude is None else 1.0 - exclude, dtype=np.float64)
    count = np.rint(_ring_sum(trains, (td, tr), (gd, gr))).astype(np.int64)
    total = _ring_sum(np.asarray(power * trains, dtype=np.float64), (td, tr), (gd, gr))
    noise = np.maximum(total, 0.0) / np.maximum(count, 1)
    if fallback is not None:
        thin = count < nominal / 8
        noise = np.where(thin, fallback, noise)
        count = np.where(thin, nominal, count)
    multiplier = _multiplier_table(p_fa, looks, nominal)[count]
    threshold = np.where(np.isfinite(multiplier), noise, 1.0) * multiplier
    return CfarResult(np.asarray(power > threshold), noise, threshold)


def median_noise(power: NDArray[np.floating], looks: int) -> FloatArray:
    """Return the noise (range,) of a map (doppler, range) from the median over Doppler, which few targets can move.

    Noise is white in slow time but not over range (filters of the receiver), hence a value for each range bin. Maps of
    fewer than 16 Doppler bins have one value for all.
    """
    median = np.median(power, axis=0) if power.shape[0] >= 16 else np.full(power.shape[1], np.median(power))
    return np.asarray(median * (looks / special.gammaincinv(looks, 0.5)), dtype=np.float64)


@lru_cache(maxsize=16)
def _multiplier_table(p_fa: float, looks: int, training_cells: int) -> FloatArray:
    """Return the multipliers for 0 .. training_cells cells."""
    return cfar_multiplier(p_fa, looks, np.arange(training_cells + 1))


def _ring_sum(values: FloatArray, training: tuple[int, int], guard: tuple[int, int]) -> FloatArray:
    """Sum over the training window less the guard window of each cell; cyclic in Doppler, zero beyond range."""
    (td, tr), (n_doppler, n_range) = training, values.shape
    rows = np.arange(-td, n_doppler + td) % n_doppler
    # Summed-area table: the sum over any window is a combination of four of its entries.
    table = np.zeros((n_doppler + 2 * td + 1, n_range + 2 * tr + 1))
    table[1:, tr + 1 : tr + 1 + n_range] = values[rows]
    np.cumsum(table, axis=0, out=table)
    np.cumsum(table, axis=1, out=table)

    def box(half_doppler: int, half_range: int) -> FloatArray:
        top, left = td - half_doppler, tr - half_range
        bottom, right = td + half_doppler + 1, tr + half_range + 1
        upper, lower = table[top : top + n_doppler], table[bottom : bottom + n_doppler]
        strip = lower[:, right : right + n_range] - lower[:, left : left + n_range]
        return np.asarray(strip - upper[:, right : right + n_range] + upper[:, left : left + n_range])

    return box(*training) - box(*guard)
