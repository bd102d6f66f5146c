"""Ways through a simulated scene, functions of device time: where somebody is, how fast, and which way round."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline, CubicSpline

FloatArray = NDArray[np.float64]

TURN_TIME_S = 1.0
"""Time a walker takes to turn round at an end of the path, slowing down and speeding up evenly."""
_GRID_S = 0.01
_STANDSTILL_MPS = 1e-3


@dataclass(frozen=True, slots=True)
class Motion:
    """How a body moves at one instant.

    Attributes
    ----------
    position_m, velocity_mps
        Of the body's centre (2,).
    forward
        Unit vector (2,) that the body faces.
    turn_radps
        Rate at which that vector turns, counter-clockwise seen from above.
    pace
        Speed over the usual speed of the path: 1 on the way, 0 for one who stands.
    travelled_m
        Distance gone forward since the path's begin: what has rolled under a wheel.
    """

    position_m: FloatArray
    velocity_mps: FloatArray
    forward: FloatArray
    turn_radps: float
    pace: float
    travelled_m: float


class Path(Protocol):
    """Where a body is at any time."""

    def present(self, time_s: float) -> bool:
        """Return whether the body is in the scene at a time."""

    def motion(self, time_s: float) -> Motion:
        """Return how the body moves at a time."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A straight path, walked at constant speed, and back again for ever.

    Attributes
    ----------
    start_m, end_m
        Ends of the path, (x, y).
    duration_s
        Time of one way.
    """

    start_m: tuple[float, float]
    end_m: tuple[float, float]
    duration_s: float

    def at(self, time_s: float) -> tuple[FloatArray, FloatArray]:
        """Return position and velocity (2,) at a time; the walk starts at 0."""
        start, end = np.asarray(self.start_m), np.asarray(self.end_m)
        along, speed = self._along(time_s)
        return start + along * (end - start), speed * ((end - start) / self.duration_s)

    def present(self, time_s: float) -> bool:
        """Return True: the walker never leaves."""
        return True

    def motion(self, time_s: float) -> Motion:
        """Return the motion at a time.

        The body faces where the outward way leads: turning round is walking backwards, which keeps the phase smooth.
        """
        position, velocity = self.at(time_s)
        heading = np.asarray(self.end_m) - np.asarray(self.start_m)
        length = float(np.linalg.norm(heading))
        pace = float(np.linalg.norm(velocity) * self.duration_s / length)
        return Motion(position, velocity, heading / length, 0.0, pace, self._along(time_s)[0] * length)

    def _along(self, time_s: float) -> tuple[float, float]:
        """Return the share of the way that lies behind, and the speed as a share of the usual one."""
        leg, phase = divmod(max(time_s, 0.0), self.duration_s + TURN_TIME_S)
        if phase < self.duration_s:
            along, speed = phase / self.duration_s, 1.0
        else:
            # Past the end at first, then back to it: constant deceleration from one speed to the opposite.
            turn = phase - self.duration_s
            along = 1.0 + (turn - turn**2 / TURN_TIME_S) / self.duration_s
            speed = 1.0 - 2.0 * turn / TURN_TIME_S
        return (1.0 - along, -speed) if int(leg) % 2 else (along, speed)


class Course:
    """A smooth path through way points at set times; before the first and after the last the body is not there.

    The path is the natural cubic spline through the points, so that position, velocity and acceleration have no jumps,
    and evenly spaced points on a line are a constant velocity. The body faces the way it goes.

    Parameters
    ----------
    way_points
        Rows of time (s), x and y (m), in order of time; at least two.
    usual_speed_mps
        Speed at which limbs swing as far as they do; None for the mean over the path.

    Raises
    ------
    ValueError
        If there are fewer than two points, times do not grow, or the body stops somewhere, where it would face nowhere.
    """

    def __init__(
        self, way_points: tuple[tuple[float, float, float], ...], usual_speed_mps: float | None = None
    ) -> None:
        rows = np.asarray(way_points, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) < 2 or np.any(np.diff(rows[:, 0]) <= 0.0):
            raise ValueError("a course needs two or more rows of time, x and y, at times that grow")
        self.begin_s, self.end_s = float(rows[0, 0]), float(rows[-1, 0])
        self._spline = CubicSpline(rows[:, 0], rows[:, 1:], bc_type="natural")
        grid = np.linspace(self.begin_s, self.end_s, 2 + math.ceil((self.end_s - self.begin_s) / _GRID_S))
        speed = np.linalg.norm(self._spline(grid, 1), axis=1)
        if speed.min() < _STANDSTILL_MPS:
            raise ValueError(f"the body stands still at {grid[np.argmin(speed)]:.2f} s: it would face nowhere")
        steps = 0.5 * (speed[1:] + speed[:-1]) * np.diff(grid)
        self._travelled = CubicHermiteSpline(grid, np.concatenate([[0.0], np.cumsum(steps)]), speed)
        self._usual_mps = usual_speed_mps or float(speed.mean())

    def present(self, time_s: float) -> bool:
        """Return whether the time is one of the course."""
        return self.begin_s <= time_s <= self.end_s

    def at(self, time_s: float) -> tuple[FloatArray, FloatArray]:
        """Return position and velocity (2,) at a time of the course."""
        return np.asarray(self._spline(time_s)), np.asarray(self._spline(time_s, 1))

    def motion(self, time_s: float) -> Motion:
        """Return the motion at a time of the course."""
        position, velocity = self.at(time_s)
        acceleration = self._spline(time_s, 2)
        speed = float(np.linalg.norm(velocity))
        turn = float(velocity[0] * acceleration[1] - velocity[1] * acceleration[0]) / speed**2
        pace = speed / self._usual_mps
        return Motion(position, velocity, velocity / speed, turn, pace, float(self._travelled(time_s)))
