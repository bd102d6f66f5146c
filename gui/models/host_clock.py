"""On which computer's clock, and when, the frames of a sensor came."""

import time
from dataclasses import dataclass
from typing import Final

from isactrack.recordings import Recording

SAME_CLOCK_NS: Final = 2_000_000_000
"""Readings of the UTC at which one computer's clock began differ by less: UTC is corrected now and then."""


@dataclass(frozen=True, slots=True)
class HostClock:
    """The monotonic clock that says when frames came.

    Attributes
    ----------
    began_ns
        UTC (ns) at which it was zero: the same for all that one computer has recorded since it was started. None if it
        is not known.
    span_ns
        First and last arrival on it, ns, of what was recorded; None of a device, which goes on.
    """

    began_ns: int | None = None
    span_ns: tuple[int, int] | None = None

    @classmethod
    def of_device(cls) -> "HostClock":
        """Return the clock of this computer, for a device that runs."""
        return cls(time.time_ns() - time.monotonic_ns())

    @classmethod
    def of_recording(cls, recording: Recording) -> "HostClock":
        """Return the clock of the computer that recorded."""
        monotonic_ns, utc_ns = recording.host_monotonic_ns, recording.host_utc_ns
        if not len(monotonic_ns) or monotonic_ns[0] <= 0 or utc_ns[0] <= 0:
            return UNKNOWN
        return cls(int(utc_ns[0] - monotonic_ns[0]), (int(monotonic_ns[0]), int(monotonic_ns[-1])))

    def meets(self, other: "HostClock") -> bool:
        """Return whether frames came on the clock of one computer, and at one time."""
        if self.began_ns is None or other.began_ns is None:
            return False
        if abs(self.began_ns - other.began_ns) > SAME_CLOCK_NS:
            return False
        if self.span_ns is None or other.span_ns is None:
            return self.span_ns is other.span_ns
        return max(self.span_ns[0], other.span_ns[0]) <= min(self.span_ns[1], other.span_ns[1])


UNKNOWN: Final = HostClock()
"""Of a sensor of which nobody knows when its frames came."""
