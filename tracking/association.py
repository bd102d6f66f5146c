"""The one contract of data association, which every method of it meets.

A method sees nothing but likelihood ratios. Entry (k, h) says how much more likely it is that track k made detection h
than that the track was missed and the detection is clutter::

    ratio[k, h] = P_D f(z_h | track k) / ((1 - P_D P_G) lambda(z_h))

and is 0 beyond the gate. With the messages of mnomp-spa-kf (eq. 29-32) it is
``beta_[0]k->h / (beta_[0]k->0 xi_[0]h->0)``: a common factor of a row or a column changes no association, so this one
matrix is all there is to know. What comes out is the same for all methods too, hard or soft, and feeds one update.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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
"""Takes likelihood ratios (n, m), n tracks by m detections, and associates them."""
