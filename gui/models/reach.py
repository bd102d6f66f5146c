"""How far the views reach: a room is a few metres, a radar's unambiguous range often ten times that."""

import math

import numpy as np

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.maps import make_map

_MARGIN = 1.15
_NEAREST_M = 6.0
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)


def round_reach(distance_m: float, range_max_m: float) -> float:
    """Return a round range (m) somewhat beyond a distance, at least 6 m, at most the sensor's own range."""
    wanted = max(_MARGIN * distance_m, _NEAREST_M)
    decade = 10.0 ** math.floor(math.log10(wanted))
    return min(next(decade * step for step in _STEPS if decade * step >= wanted - 1e-9), range_max_m)


class Reach:
    """Range that the views show; it grows to hold what is seen and never shrinks by itself, so the views stay calm.

    Confirmed tracks and the truth count. Single detections do not: one false alarm far away would make all else small.

    Attributes
    ----------
    whole
        Whether all of the sensor's range is shown instead.
    """

    def __init__(self) -> None:
        self.whole = False
        self._farthest_m = 0.0

    def take(self, snapshot: Snapshot) -> float:
        """Return the range (m) to show, with a snapshot taken into account."""
        places = [track.state[::2] for track in snapshot.tracks if track.is_confirmed]
        if snapshot.truth is not None:
            places += list(snapshot.truth.position_m)
        if places:
            distance = np.hypot(*np.array(places).T)
            self._farthest_m = float(np.max(distance[np.isfinite(distance)], initial=self._farthest_m))
        range_max_m = make_map(snapshot).range_max_m
        return range_max_m if self.whole else round_reach(min(self._farthest_m, range_max_m), range_max_m)

    def reset(self, *, whole: bool) -> None:
        """Forget how far away things were, or show the whole range."""
        self.whole = whole
        self._farthest_m = 0.0
