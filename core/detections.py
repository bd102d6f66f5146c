"""What a chain saw in one coherent interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Detections:
    """Detections of one coherent interval in the sensor frame, one row each; all numbers float64.

    Attributes
    ----------
    time_s
        Device time of the centre of the interval.
    position_m
        Positions (n, 2), x to the right and y along boresight.
    covariance_m2
        Covariances (n, 2, 2) of the positions.
    radial_velocity_mps
        Radial velocities (n,), positive away from the sensor.
    radial_velocity_std_mps
        Their standard deviations (n,); independent of the errors of the positions.
    snr_db
        Power over the estimated noise of the cell (n,), dB, after coherent integration.
    range_m, azimuth_rad
        The polar coordinates (n,) that the positions come from.
    doubtful
        Which (n,) may be no targets, such as what somebody's shadow does to a wall: a track may go on with them, but
        none begins with them. None if the chain has no doubts.
    """

    time_s: float
    position_m: FloatArray
    covariance_m2: FloatArray
    radial_velocity_mps: FloatArray
    radial_velocity_std_mps: FloatArray
    snr_db: FloatArray
    range_m: FloatArray
    azimuth_rad: FloatArray
    doubtful: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = self.position_m.shape[0]
        shapes = {
            "position_m": (n, 2), "covariance_m2": (n, 2, 2), "radial_velocity_mps": (n,),
            "radial_velocity_std_mps": (n,), "snr_db": (n,), "range_m": (n,), "azimuth_rad": (n,),
        }  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")
        if self.doubtful is not None and self.doubtful.shape != (n,):
            raise ValueError(f"doubtful has shape {self.doubtful.shape}, expected {(n,)}")

    def __len__(self) -> int:
        return int(self.position_m.shape[0])

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Detections":
        """Return the rows that `index` (positions or a mask) picks, in its order."""
        return Detections(
            time_s=self.time_s,
            position_m=self.position_m[index],
            covariance_m2=self.covariance_m2[index],
            radial_velocity_mps=self.radial_velocity_mps[index],
            radial_velocity_std_mps=self.radial_velocity_std_mps[index],
            snr_db=self.snr_db[index],
            range_m=self.range_m[index],
            azimuth_rad=self.azimuth_rad[index],
            doubtful=None if self.doubtful is None else self.doubtful[index],
        )

    @classmethod
    def empty(cls, time_s: float) -> "Detections":
        """Return no detections at `time_s`."""
        none = np.zeros(0)
        return cls(
            time_s=time_s,
            position_m=np.zeros((0, 2)),
            covariance_m2=np.zeros((0, 2, 2)),
            radial_velocity_mps=none,
            radial_velocity_std_mps=none,
            snr_db=none,
            range_m=none,
            azimuth_rad=none,
        )
