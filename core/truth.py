"""Where the targets of a simulated scene really are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """True states of the targets at one instant, in the sensor frame.

    Attributes
    ----------
    time_s
        Device time of the instant, the centre of a coherent interval.
    target_id
        Identities (k,) int64.
    position_m, velocity_mps
        Positions and velocities (k, 2) float64, x and y.
    """

    time_s: float
    target_id: NDArray[np.int64]
    position_m: NDArray[np.float64]
    velocity_mps: NDArray[np.float64]

    def __post_init__(self) -> None:
        k = self.target_id.shape[0]
        if self.position_m.shape != (k, 2) or self.velocity_mps.shape != (k, 2):
            raise ValueError(f"{k} targets need (k, 2) states, not {self.position_m.shape}, {self.velocity_mps.shape}")

    def __len__(self) -> int:
        return int(self.target_id.shape[0])
