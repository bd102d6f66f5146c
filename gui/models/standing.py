"""Where a sensor stands in the room, and on which clock it says when something came."""

import time
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from isactrack.geometry import Pose
from isactrack.recordings import Recording

SAME_CLOCK_NS: Final = 2_000_000_000
"""Two readings of the UTC at which one computer's monotonic clock began differ by less than this: UTC is corrected
now and then, and two computers were never started within it by plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a sensor besides its frames.

    Attributes
    ----------
    pose
        Where it stands in the room.
    clock_began_ns
        UTC (ns) at which the monotonic clock of its host was zero, the same for all that one computer has recorded
        since it was started; None if it is not known.
    span_ns
        First and last arrival on that clock, ns, of what was recorded; None of a device that goes on.
    """

    pose: Pose = field(default_factory=Pose)
    clock_began_ns: int | None = None
    span_ns: tuple[int, int] | None = None

    @property
    def has_pose(self) -> bool:
        """Whether it was said where it stands; a sensor at the origin that looks along y is one nobody placed."""
        return self.pose != Pose()

    def shares_time(self, other: "Standing") -> bool:
        """Return whether it was there at the same time as another, on the clock of the same computer."""
        if self.clock_began_ns is None or other.clock_began_ns is None:
            return False
        if abs(self.clock_began_ns - other.clock_began_ns) > SAME_CLOCK_NS:
            return False
        if self.span_ns is None or other.span_ns is None:
            return self.span_ns is other.span_ns
        return max(self.span_ns[0], other.span_ns[0]) <= min(self.span_ns[1], other.span_ns[1])


@runtime_checkable
class Placed(Protocol):
    """A feed that knows where its sensor stands."""

    @property
    def standing(self) -> Standing:
        """Where it stands, and on which clock it says when something came."""


def of_device(pose: Pose) -> Standing:
    """Return the standing of a device of this computer, which runs."""
    return Standing(pose=pose, clock_began_ns=time.time_ns() - time.monotonic_ns())


def of_recording(recording: Recording) -> Standing:
    """Return the standing of what was recorded."""
    monotonic_ns, utc_ns = recording.host_monotonic_ns, recording.host_utc_ns
    if not len(monotonic_ns) or monotonic_ns[0] < 0 or utc_ns[0] < 0:
        return Standing(pose=recording.pose)
    return Standing(
        pose=recording.pose,
        clock_began_ns=int(utc_ns[0] - monotonic_ns[0]),
        span_ns=(int(monotonic_ns[0]), int(monotonic_ns[-1])),
    )
