"""The room around a sensor: where the sensor stands in it, and its walls."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.device import Device
from isactrack.geometry import Pose, RoomOutline

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a sensor stands, and what is around it.

    Attributes
    ----------
    pose
        Where it stands in the room.
    room
        Walls of the room; None if they are not known.
    """

    pose: Pose = field(default_factory=Pose)
    room: RoomOutline | None = None

    @classmethod
    def of(cls, device: Device, room: RoomOutline | None = None) -> "Placement":
        """Return the placement of a device; `room` is what the user knows, None for what the device itself says."""
        return cls(device.pose, room or device.room)

    @property
    def walls_m(self) -> FloatArray:
        """Corners (n + 1, 2) of the room in the frame of the sensor, the first again at the end; none if not known."""
        return np.zeros((0, 2)) if self.room is None else self.room.seen_from(self.pose)


NOT_PLACED: Final = Placement()
"""Of a sensor of which nobody says where it stands: it is the origin, and there are no walls."""
