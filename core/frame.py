"""One coherent interval as the device delivered it."""

import math
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

GROUP_WORDS = 4
"""int16 words under one validity flag: 8 bytes, two complex samples, the grain of the DCA1000's lanes and packets."""


class BlockFlag(IntFlag):
    """What a radio, or the host, knows to be wrong with a block."""

    OVERFLOW = 1
    """The radio dropped samples before or in it."""
    LO_UNLOCKED = 2
    """The local oscillator had no lock: phase and frequency mean nothing."""
    REFERENCE_UNLOCKED = 4
    """The reference clock had no lock: times drift."""
    SATURATED = 8
    """The converter clipped."""
    DISCONTINUITY = 16
    """The sample clock or the blocks' counter jumped before it."""
    LOST_FRAGMENT = 32
    """A part of it was lost on the way to the host."""
    GAIN_CHANGED = 64
    """The receiver gain is another than in the block before."""


NO_FLAGS = BlockFlag(0)
"""Nothing is wrong."""
UNUSABLE = BlockFlag.OVERFLOW | BlockFlag.LO_UNLOCKED
"""Flags of blocks whose channel must not be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockInfo:
    """What a radio says of one block, and what it did to it, so that it can be undone.

    Attributes
    ----------
    tick
        Sample clock at the first sample of the reference symbol, samples since the radio was started.
    flags
        What is wrong with the block.
    gain_db
        Receiver gain that is in the counts.
    noise_power
        Power of the noise in a channel estimate or sample, counts squared; NaN if it was not measured.
    cfo_hz
        Carrier frequency offset that was taken off; 0 for none.
    timing_samples
        By how much the window was moved against the sample clock in all since the start, samples; 0 for never.
    clipped
        Samples that the converter clipped.
    temperature_c
        Temperature of the front end; NaN if it does not tell.
    """

    tick: int = 0
    flags: BlockFlag = NO_FLAGS
    gain_db: float = 0.0
    noise_power: float = math.nan
    cfo_hz: float = 0.0
    timing_samples: float = 0.0
    clipped: int = 0
    temperature_c: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Samples of one frame, unchanged, and what is known about them.

    Attributes
    ----------
    samples
        Raw words (n_words,) int16 in the order of the wire; `FmcwSensor.decode` gives them axes. Words that were lost
        are 0 and marked in `valid`; they are never made up.
    valid
        One flag (n_words / 4,) bool for each group of 8 bytes; False where data was lost.
    counter
        The device's own count of frames since it was started, from 0. A jump says that whole frames are missing.
    device_time_s
        Start of the frame on the device's clock, seconds since it was started.
    host_monotonic_ns, host_utc_ns
        Arrival of the frame's first byte on the host's monotonic clock and in UTC since 1970-01-01, nanoseconds; UTC is
        0 where nobody noted it.
    block
        What a radio says of it; None for a radar, which says nothing.
    host_complete_ns
        Arrival of the packet that made it whole, on the host's monotonic clock, nanoseconds; 0 for a frame with
        holes and where nobody noted it, as in recordings.
    """

    samples: NDArray[np.int16]
    valid: NDArray[np.bool_]
    counter: int
    device_time_s: float
    host_monotonic_ns: int
    host_utc_ns: int
    block: BlockInfo | None = None
    host_complete_ns: int = 0

    def __post_init__(self) -> None:
        if self.samples.dtype != np.int16 or self.valid.dtype != np.bool_:
            raise TypeError(f"a frame holds int16 samples and bool flags, not {self.samples.dtype}, {self.valid.dtype}")
        if self.samples.ndim != 1 or self.valid.shape != (-(-self.samples.size // GROUP_WORDS),):
            raise ValueError(f"{self.samples.shape} words need one flag for each {GROUP_WORDS}, not {self.valid.shape}")

    @property
    def complete(self) -> bool:
        """Whether every byte arrived."""
        return bool(self.valid.all())

    @property
    def usable(self) -> bool:
        """Whether what arrived may be believed: no flag of `UNUSABLE` is set."""
        return self.block is None or not self.block.flags & UNUSABLE

    @property
    def lost_bytes(self) -> int:
        """Bytes that did not arrive."""
        if self.complete:
            return 0
        lost = np.flatnonzero(~self.valid)
        words = lost.size * GROUP_WORDS
        if lost[-1] == self.valid.size - 1:
            words -= self.valid.size * GROUP_WORDS - self.samples.size
        return 2 * int(words)
