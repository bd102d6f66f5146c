"""The one contract of data association, which every method of it meets.

A method sees nothing but likelihood ratios. Entry (k, h) says how much more likely it is that track k made detection h
than that the track was missed and the detection is clutter::

    ratio[k, h] = P_D f(z_h | track k) / ((1 - P_D P_G) lambda(z_h))

and is 0 beyond the gate. With the messages of mnomp-spa-kf (eq. 29-32) it is
``beta_[0]k->h / (beta_[0]k->0 xi_[0]h->0)``: a common factor of a row or a column changes no association, so this one
matrix is all there is to know. What comes out is the same for all methods too, hard or soft, and feeds one update.

Methods that know no likelihoods see distances instead: one that says ``takes_distances = True`` is given the distance
(m) between the predicted position of track k and detection h, infinite for a pair that is ruled out. All else is the
same; there may be detections that several tracks made together, which are free to none of the others.
"""

import importlib.util
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError

FloatArray = NDArray[np.float64]

MAX_RATIO: Final = 1e300
"""Largest ratio that is told from a larger one; sums of fewer than 1e8 of them stay finite."""


class Association(NamedTuple):
    """Who made what, as probabilities.

    Attributes
    ----------
    missed
        Probability (n,) that a track made no detection, ``beta_{k->0}`` of eq. 36a.
    probability
        Probability (n, m) that track k made detection h, ``beta_{k->h}``; rows with `missed` sum to 1.
    free
        Probability (m,) that a detection was made by no track, ``xi_{h->0}`` of eq. 36b.
    """

    missed: FloatArray
    probability: FloatArray
    free: FloatArray


Associator = Callable[[FloatArray], Association]
"""Takes likelihood ratios (n, m), or distances if it says so, n tracks by m detections, and associates them."""


def takes_distances(associator: Associator) -> bool:
    """Return whether an associator is to be given distances, not likelihood ratios."""
    return bool(getattr(associator, "takes_distances", False))


Engine = Literal["auto", "numpy", "numba"]
"""What runs a kernel: ``"numba"`` compiles it, ``"numpy"`` does not, ``"auto"`` takes numba where it is installed."""


def takes_numba(engine: Engine) -> bool:
    """Return whether an engine means the compiled kernels.

    Raises
    ------
    ConfigError
        If there is no such engine, or numba is asked for and not installed.
    """
    if engine not in ("auto", "numpy", "numba"):
        raise ConfigError(f"no engine {engine!r}", "choose one of auto, numpy, numba")
    if engine == "numpy":
        return False
    installed = importlib.util.find_spec("numba") is not None
    if engine == "numba" and not installed:
        raise ConfigError("numba is not installed", 'pip install "isactrack[fast]", or take the engine "auto"')
    return installed


def checked_ratio(ratio: ArrayLike) -> FloatArray:
    """Return likelihood ratios as every method may take them: C-contiguous float64, at most `MAX_RATIO`.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m), not negative. Infinity (a detection that clutter cannot make) counts as `MAX_RATIO`.

    Returns
    -------
    ndarray
        Ratios (n, m), the same array where nothing had to change.

    Raises
    ------
    ValueError
        If there are not two axes, or an entry is negative or not a number.
    """
    checked = np.ascontiguousarray(ratio, dtype=np.float64)
    if checked.ndim != 2 or checked.shape != np.shape(ratio):
        raise ValueError(f"likelihood ratios are a matrix, tracks by detections, not of shape {np.shape(ratio)}")
    if checked.size == 0:
        return checked
    # A comparison with NaN is false, so one test finds it too.
    if not checked.min() >= 0:
        raise ValueError("a likelihood ratio is negative or not a number")
    return np.minimum(checked, MAX_RATIO) if checked.max() > MAX_RATIO else checked


def checked_distance(distance_m: ArrayLike) -> FloatArray:
    """Return distances as every method that takes them may: float64.

    Parameters
    ----------
    distance_m
        Distances (n, m), m, not negative; infinite for pairs that are ruled out.

    Raises
    ------
    ValueError
        If there are not two axes, or an entry is negative or not a number.
    """
    checked = np.asarray(distance_m, dtype=np.float64)
    if checked.ndim != 2:
        raise ValueError(f"distances are a matrix, tracks by detections, not of shape {np.shape(distance_m)}")
    if checked.size and not checked.min() >= 0:
        raise ValueError("a distance is negative or not a number")
    return checked
