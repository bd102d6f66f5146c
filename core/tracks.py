"""What a tracker believes."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class TrackStatus(StrEnum):
    """Life of a track: it is born tentative, confirmed by M hits in N steps, coasts through misses, and is dropped."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    COASTED = "coasted"


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """State of one track after one step, in the sensor frame.

    Attributes
    ----------
    track_id
        Identity, never used again within a run.
    status
        `CONFIRMED` means confirmed and seen in this step, `COASTED` confirmed and extrapolated.
    time_s
        Device time of the state.
    state
        Mean (4,) float64: x (m), vx (m/s), y (m), vy (m/s), the order of mnomp-spa-kf eq. 2.
    covariance
        Covariance (4, 4) float64 of the state.
    age
        Steps since birth, from 1.
    existence
        Probability that a target is there at all, between 0 and 1.
    """

    track_id: int
    status: TrackStatus
    time_s: float
    state: NDArray[np.float64]
    covariance: NDArray[np.float64]
    age: int
    existence: float = 1.0

    @property
    def position_m(self) -> NDArray[np.float64]:
        """Position (2,), x and y."""
        return self.state[[0, 2]]

    @property
    def velocity_mps(self) -> NDArray[np.float64]:
        """Velocity (2,), x and y."""
        return self.state[[1, 3]]

    @property
    def position_covariance_m2(self) -> NDArray[np.float64]:
        """Covariance (2, 2) of the position."""
        return self.covariance[np.ix_([0, 2], [0, 2])]

    @property
    def is_confirmed(self) -> bool:
        """Whether the track was ever confirmed: confirmed or coasted."""
        return self.status is not TrackStatus.TENTATIVE
