"""Range and Doppler spectra of an FMCW frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.units import power_to_db


@dataclass(frozen=True, slots=True, eq=False)
class RangeDopplerMap:
    """Power over range and radial velocity.

    Attributes
    ----------
    power
        Power (doppler, range) float32, summed over the virtual antennas, linear, arbitrary but fixed scale.
    velocity_axis_mps, range_axis_m
        Centres of the bins, (doppler,) ascending and (range,).
    """

    power: NDArray[np.float32]
    velocity_axis_mps: NDArray[np.float64]
    range_axis_m: NDArray[np.float64]

    def level_db(self) -> NDArray[np.float64]:
        """Return the level (doppler, range) in dB over the median of the map, which is close to the noise."""
        level = power_to_db(self.power)
        return np.asarray(level - np.median(level))
