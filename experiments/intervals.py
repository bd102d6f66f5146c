"""Intervals of what Monte Carlo trials say; all of 95 % unless asked otherwise."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, stdtrit

from isactrack.errors import ConfigError


class Interval(NamedTuple):
    """An estimate and the interval around it."""

    estimate: float
    low: float
    high: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval without the estimate."""
        return self.low, self.high

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of independent values and its interval by Student's t; all values for a single one.

    Raises
    ------
    ConfigError
        If there are none.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if x.size == 0:
        raise ConfigError("a mean of no values", "run more trials")
    mean = float(x.mean())
    if x.size == 1:
        return Interval(mean, -math.inf, math.inf)
    half = float(stdtrit(x.size - 1, 0.5 + 0.5 * confidence)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half)


def paired_interval(ours: ArrayLike, other: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of ``ours - other``, trial by trial, and its interval: below 0 throughout, ours is smaller."""
    return mean_interval(np.asarray(ours, dtype=np.float64) - np.asarray(other, dtype=np.float64), confidence)


def share_interval(hits: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return a share and its exact interval (Clopper and Pearson 1934).

    Raises
    ------
    ConfigError
        If there are no trials, or not 0 to `trials` hits.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise ConfigError(f"a share of {hits} in {trials}", "run more trials")
    tail = 0.5 * (1.0 - confidence)
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1.0 - tail)) if hits < trials else 1.0
    return Interval(hits / trials, low, high)
