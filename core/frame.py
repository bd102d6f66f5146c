"""One coherent interval as the device delivered it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP_WORDS = 4
"""int16 words under one validity flag: 8 bytes, two complex samples, the grain of the DCA1000's lanes and packets."""


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
    """

    samples: NDArray[np.int16]
    valid: NDArray[np.bool_]
    counter: int
    device_time_s: float
    host_monotonic_ns: int
    host_utc_ns: int

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
    def lost_bytes(self) -> int:
        """Bytes that did not arrive."""
        lost = np.flatnonzero(~self.valid)
        words = lost.size * GROUP_WORDS
        if lost.size and lost[-1] == self.valid.size - 1:
            words -= self.valid.size * GROUP_WORDS - self.samples.size
        return 2 * int(words)
