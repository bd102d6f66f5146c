"""Whether a filter is as good as it says: RMSE, and the error measured by the filter's own covariance (NEES)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri

from isactrack.errors import ConfigError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nees:
    """Mean normalised estimation error squared, and the interval that it lies in if the covariances are true.

    Attributes
    ----------
    mean
        Mean of ``e^T P^-1 e``; its expectation is `dimension`. Above the interval the filter is too sure of itself,
        below it too modest.
    lower, upper
        Interval of the mean with probability `confidence` for independent Gaussian errors. Errors of one track at
        successive instants are not independent: over such samples the interval is too narrow.
    dimension, samples, confidence
        Entries of an error, number of errors, probability of the interval.
    """

    mean: float
    lower: float
    upper: float
    dimension: int
    samples: int
    confidence: float

    @property
    def is_consistent(self) -> bool:
        """Whether the mean lies in the interval."""
        return self.lower <= self.mean <= self.upper


def rmse(error: ArrayLike) -> float:
    """Return the root of the mean squared length of errors: (n,) distances or (n, d) vectors; NaN for none."""
    values = np.asarray(error, dtype=np.float64)
    if values.size == 0:
        return float("nan")
    squared = values**2 if values.ndim == 1 else (values**2).sum(axis=-1)
    return float(np.sqrt(squared.mean()))


def normalised_errors(error: ArrayLike, covariance: ArrayLike) -> FloatArray:
    """Return ``e^T P^-1 e`` (n,) of errors (n, d) with covariances (n, d, d) (Bar-Shalom et al. 2001, 5.4.2)."""
    e, P = np.asarray(error, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    return np.asarray(np.einsum("ni,ni->n", e, np.linalg.solve(P, e[..., None])[..., 0]))


def nees(error: ArrayLike, covariance: ArrayLike, confidence: float = 0.95) -> Nees:
    """Return the mean NEES and its chi-square interval (Bar-Shalom, Li and Kirubarajan 2001, eq. 5.4.2-4 to 5.4.2-9).

    n times the mean of n independent d-dimensional errors has the chi-square distribution with n d degrees of freedom.

    Parameters
    ----------
    error
        Estimate minus truth (n, d).
    covariance
        Covariances (n, d, d) that the filter claims.
    confidence
        Probability of the interval, between 0 and 1.

    Raises
    ------
    ConfigError
        If there are no errors, or `confidence` is out of range.
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"the confidence is {confidence}", "give a probability between 0 and 1, e.g. 0.95")
    values = np.asarray(error, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ConfigError(f"NEES of errors of shape {values.shape}", "give one error or more, (n, d)")
    n, d = values.shape
    tail = 0.5 * (1.0 - confidence)
    return Nees(
        mean=float(normalised_errors(values, covariance).mean()),
        lower=float(chdtri(n * d, 1.0 - tail)) / n,
        upper=float(chdtri(n * d, tail)) / n,
        dimension=d,
        samples=n,
        confidence=confidence,
    )
