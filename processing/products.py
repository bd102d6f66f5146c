"""What a chain hands out beside detections and their map, for views: some of it only while somebody asks for it.

A chain has an attribute `wanted`. It may be set from another thread, because it is one reference to a set that never
changes; what it asks for comes with the next output.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.ofdm import OfdmSensor

if TYPE_CHECKING:
    from isactrack.processing.range_azimuth import RangeAzimuthMap


class Product(StrEnum):
    """What is made on demand alone."""

    RANGE_AZIMUTH = "range-azimuth"
    """A radar's power over range and azimuth."""
    SLOW_TIME = "slow-time"
    """A radio's channel at each track, block by block: what its micro-Doppler is made of."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BlockChannel:
    """The calibrated channel of one block, before and after what stands still was taken off.

    Attributes
    ----------
    counter, time_s
        The block, and its device time.
    before, after
        Channels (rows, tones) complex64 in which a path of length L lies at a delay of L / c.
    sensor
        The radio, whose tones these are.
    """

    counter: int
    time_s: float
    before: NDArray[np.complex64]
    after: NDArray[np.complex64]
    sensor: OfdmSensor

    @property
    def nbytes(self) -> int:
        """Memory of the channels."""
        return self.before.nbytes + self.after.nbytes


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MovingBlocks:
    """Blocks without what stands still, in order.

    Attributes
    ----------
    time_s
        Device times (blocks,) of their reference symbols; where the radio staggers its blocks they are not even.
    channel
        Calibrated channels (blocks, rows, tones) complex128.
    sensor
        The radio.
    """

    time_s: NDArray[np.float64]
    channel: NDArray[np.complex128]
    sensor: OfdmSensor


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Products:
    """What comes with one output of a chain; None for what its kind of sensor does not have or nobody asked for.

    Attributes
    ----------
    range_azimuth
        A radar's map for `Product.RANGE_AZIMUTH`.
    channel
        A radio's newest block, always.
    blocks
        A radio's blocks since the last output, for `Product.SLOW_TIME`.
    """

    range_azimuth: "RangeAzimuthMap | None" = None
    channel: BlockChannel | None = None
    blocks: MovingBlocks | None = None


NO_PRODUCTS: Final = Products()
"""Nothing but detections and map."""
