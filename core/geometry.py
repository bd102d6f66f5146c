"""The sensor frame, the room frame and the way between them.

Sensor frame: x to the right, y along boresight, z up, metres. Azimuth is counted from boresight, positive to the right,
in radians: ``x = r sin(azimuth)``, ``y = r cos(azimuth)``. Radial velocity is the rate of change of range: positive
moves away (mnomp-spa-kf, eq. 16).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError

FloatArray = NDArray[np.float64]


def polar_to_xy(range_m: ArrayLike, azimuth_rad: ArrayLike) -> FloatArray:
    """Return positions in the sensor frame.

    Parameters
    ----------
    range_m, azimuth_rad
        Ranges (m) and azimuths (rad), any broadcastable shapes.

    Returns
    -------
    ndarray
        Positions (..., 2) float64, x and y in metres.
    """
    r, az = np.asarray(range_m, dtype=np.float64), np.asarray(azimuth_rad, dtype=np.float64)
    return np.stack(np.broadcast_arrays(r * np.sin(az), r * np.cos(az)), axis=-1)


def xy_to_polar(position_m: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return range (m) and azimuth (rad) of positions (..., 2) in the sensor frame (eq. 16a, 16b)."""
    p = np.asarray(position_m, dtype=np.float64)
    return np.hypot(p[..., 0], p[..., 1]), np.arctan2(p[..., 0], p[..., 1])


def radial_velocity(position_m: ArrayLike, velocity_mps: ArrayLike) -> FloatArray:
    """Return the rate of change of range (m/s) of points (..., 2) that move with `velocity_mps` (..., 2) (eq. 16c)."""
    p, v = np.asarray(position_m, dtype=np.float64), np.asarray(velocity_mps, dtype=np.float64)
    r = np.linalg.norm(p, axis=-1)
    return np.asarray(np.sum(p * v, axis=-1) / np.where(r > 0.0, r, 1.0))


def polar_covariance_to_xy(
    range_m: ArrayLike, azimuth_rad: ArrayLike, range_std_m: ArrayLike, azimuth_std_rad: ArrayLike
) -> FloatArray:
    """Carry independent range and azimuth errors into the plane, to first order.

    Returns
    -------
    ndarray
        Covariances (..., 2, 2) float64 in m^2.
    """
    r, az, sr, sa = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (range_m, azimuth_rad, range_std_m, azimuth_std_rad))
    )
    along = np.stack([np.sin(az), np.cos(az)], axis=-1) * sr[..., None]
    across = np.stack([np.cos(az), -np.sin(az)], axis=-1) * (r * sa)[..., None]
    return np.asarray(along[..., :, None] * along[..., None, :] + across[..., :, None] * across[..., None, :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where a sensor stands in the room.

    Attributes
    ----------
    x_m, y_m, z_m
        Position of the antenna in the room frame, metres; z up.
    yaw_rad
        Direction of boresight, counted counter-clockwise from the room's y axis. At 0 the two frames are parallel.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    yaw_rad: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.x_m, self.y_m, self.z_m, self.yaw_rad)):
            raise ConfigError(f"the sensor pose {self} is not finite", "give x, y, z in metres and yaw in radians")

    @property
    def rotation(self) -> FloatArray:
        """Rotation (2, 2) that turns vectors of the sensor frame into the room frame."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return np.array([[c, -s], [s, c]])

    def to_room(self, position_m: ArrayLike) -> FloatArray:
        """Return positions (..., 2) of the sensor frame in the room frame."""
        return np.asarray(position_m, dtype=np.float64) @ self.rotation.T + (self.x_m, self.y_m)

    def to_sensor(self, position_m: ArrayLike) -> FloatArray:
        """Return positions (..., 2) of the room frame in the sensor frame."""
        return np.asarray((np.asarray(position_m, dtype=np.float64) - (self.x_m, self.y_m)) @ self.rotation)

    def velocity_to_room(self, velocity_mps: ArrayLike) -> FloatArray:
        """Return velocities (..., 2) of the sensor frame in the room frame."""
        return np.asarray(np.asarray(velocity_mps, dtype=np.float64) @ self.rotation.T)

    def velocity_to_sensor(self, velocity_mps: ArrayLike) -> FloatArray:
        """Return velocities (..., 2) of the room frame in the sensor frame."""
        return np.asarray(np.asarray(velocity_mps, dtype=np.float64) @ self.rotation)


MAX_CORNERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOutline:
    """The walls of a room, seen from above.

    Attributes
    ----------
    corners_m
        Corners (x, y) in the room frame, metres, in order; the last wall leads back to the first corner. At least 3, at
        most `MAX_CORNERS`.

    Raises
    ------
    ConfigError
        If these corners are not an outline.
    """

    corners_m: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.corners_m) <= MAX_CORNERS:
            raise ConfigError(
                f"the outline of the room has {len(self.corners_m)} corners", f"give 3 to {MAX_CORNERS} of them"
            )
        if not all(math.isfinite(x) and math.isfinite(y) for x, y in self.corners_m):
            raise ConfigError("a corner of the room is not finite", "give x and y of each corner in metres")

    @property
    def closed_m(self) -> FloatArray:
        """Corners (n + 1, 2) in the room frame, the first one again at the end."""
        return np.asarray((*self.corners_m, self.corners_m[0]), dtype=np.float64)

    def seen_from(self, pose: Pose) -> FloatArray:
        """Return the corners (n + 1, 2) in the frame of a sensor, the first one again at the end."""
        return pose.to_sensor(self.closed_m)
