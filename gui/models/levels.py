"""Colours: levels of the map, and one colour for each track."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = 0.0
CEILING_DB = 60.0
"""Levels over the median of the map: noise stays dark, a person or a wall at a few metres is bright."""
_MIN_SPAN_DB = 15.0
_STEP_DB = 5.0

OKABE_ITO = {
    "orange": "#E69F00", "sky blue": "#56B4E9", "bluish green": "#009E73", "yellow": "#F0E442",
    "blue": "#0072B2", "vermillion": "#D55E00", "reddish purple": "#CC79A7",
}  # fmt: skip
"""Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008), without black."""
_ON_DARK = ("sky blue", "orange", "bluish green", "reddish purple", "yellow", "vermillion")
_ON_LIGHT = ("blue", "orange", "bluish green", "reddish purple", "sky blue", "vermillion")
TRACK_COLOURS = len(_ON_DARK)
"""Colours of tracks: ids that differ by this number share one."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels (dB over the median) at the two ends of the colour map; they stay until somebody changes them."""

    low_db: float = FLOOR_DB
    high_db: float = CEILING_DB


def auto_levels(level_db: NDArray[np.float64]) -> Levels:
    """Return levels that fit one map: from its median to its peak, in whole steps of 5 dB.

    Parameters
    ----------
    level_db
        Levels (doppler, range) in dB.
    """
    finite = level_db[np.isfinite(level_db)]
    if finite.size == 0:
        return Levels()
    low = _STEP_DB * float(np.floor(np.median(finite) / _STEP_DB))
    high = _STEP_DB * float(np.ceil(finite.max() / _STEP_DB))
    return Levels(low, max(high, low + _MIN_SPAN_DB))


def track_colour(track_id: int, *, light: bool = False) -> str:
    """Return the colour (``"#rrggbb"``) of a track, the same for as long as it lives.

    Dark blue is left out on a dark ground and yellow on a light one, where they cannot be seen.
    """
    names = _ON_LIGHT if light else _ON_DARK
    return OKABE_ITO[names[track_id % len(names)]]
