"""What the steps of the bistatic chain hand to each other: calibrated channels, and the paths found in them."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]


class CalibrationStatus(StrEnum):
    """How far the reference of a block may be trusted."""

    ACQUIRING = "acquiring"
    """There is no reference yet: the channel must not be used."""
    LOCKED = "locked"
    """The reference was found where it was expected."""
    HELD = "held"
    """The reference is shadowed; delay and phase come from what else stands still, with less certainty."""
    REJECTED = "rejected"
    """Nothing fits: the block must not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCalibration:
    """What was taken off one block.

    Attributes
    ----------
    counter, time_s
        The block, and its device time.
    delay_s
        Sampling time offset of the block against the absolute delay axis: a path of length L lies at L / c afterwards.
        Continuous from block to block, not wrapped.
    phase_rad
        Phase of the block against the reference, within plus or minus pi.
    gain_db
        Level of the block against the reference, beyond the gain that the radio reports.
    quality
        Correlation of the aligned block with the reference, 0 to 1.
    status
        Whether to trust it.
    """

    counter: int
    time_s: float
    delay_s: float
    phase_rad: float
    gain_db: float
    quality: float
    status: CalibrationStatus


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Paths:
    """Paths by way of something that moves, found in a window of blocks, the strongest first.

    Attributes
    ----------
    time_s
        Device time of the window's centre.
    path_m
        Lengths (n,) from transmitter over target to receiver, c times the delay.
    azimuth_rad
        Azimuths (n,) of arrival, from boresight, positive to the right.
    covariance
        Covariances (n, 2, 2) of (path_m, azimuth_rad).
    snr_db
        Power (n,) over the noise in a tone of a block, dB, after integration over tones, rows and blocks.
    """

    time_s: float
    path_m: FloatArray
    azimuth_rad: FloatArray
    covariance: FloatArray
    snr_db: FloatArray

    def __post_init__(self) -> None:
        n = self.path_m.shape[0]
        shapes = {"path_m": (n,), "azimuth_rad": (n,), "covariance": (n, 2, 2), "snr_db": (n,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")

    def __len__(self) -> int:
        return int(self.path_m.shape[0])

    @classmethod
    def empty(cls, time_s: float) -> "Paths":
        """Return no paths at `time_s`."""
        none = np.zeros(0)
        return cls(time_s=time_s, path_m=none, azimuth_rad=none, covariance=np.zeros((0, 2, 2)), snr_db=none)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Paths":
        """Return the rows that `index` (positions or a mask) picks, in its order."""
        return Paths(
            time_s=self.time_s,
            path_m=self.path_m[index],
            azimuth_rad=self.azimuth_rad[index],
            covariance=self.covariance[index],
            snr_db=self.snr_db[index],
        )
