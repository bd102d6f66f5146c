"""What stands still and flickers in the shadow of somebody who passes before it: an echo that is nobody.

Who walks between the receiver and a piece of furniture changes the strength of its echo, and what changes is no clutter
to a clutter filter. Such an echo lies behind somebody: at nearly the same azimuth, on a longer path, and weaker. So may
a second person. But the echo of a thing that stands still changes its strength only, not its phase: over the window its
amplitudes lie on a line of the complex plane, while those of whoever moves by more than a few millimetres turn.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_WEAKER: Final = 2.0
"""Times the power of an echo that the one before it has at least."""
_ON_A_LINE: Final = 0.6
"""`straightness` is 1 if the phase does not change and falls to this if it turns by a quarter turn over the window,
evenly: by 3 mm of path at 26 GHz."""


def straightness(amplitudes: ComplexArray) -> FloatArray:
    """Return ``|sum b^2| / sum |b|^2`` (n,) of amplitudes (n, T): 1 on a line through 0, near 0 if the phase turns."""
    power = np.sum(amplitudes.real**2 + amplitudes.imag**2, axis=1)
    return np.asarray(np.abs(np.sum(amplitudes**2, axis=1)) / np.maximum(power, np.finfo(np.float64).tiny))


def shadow_mask(places: FloatArray, amplitudes: ComplexArray, cell: FloatArray) -> NDArray[np.bool_]:
    """Return which paths (n,) flicker in the shadow of another one.

    Parameters
    ----------
    places
        Places (n, 2): path_m, sine of azimuth.
    amplitudes
        Amplitudes (n, T) in each snapshot.
    cell
        Resolution (2,): nearer than one cell in azimuth and farther by more than one in path is behind.
    """
    power = np.sum(np.abs(amplitudes) ** 2, axis=1)
    behind = places[:, None, 0] - places[:, 0] > cell[0]
    behind &= np.abs(places[:, None, 1] - places[:, 1]) < cell[1]
    behind &= _WEAKER * power[:, None] < power
    return np.asarray(behind.any(axis=1) & (straightness(amplitudes) > _ON_A_LINE))
