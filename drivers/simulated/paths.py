"""Ways through a simulated scene, functions of device time: where somebody is, how fast, and which way round.

`Stroll` takes many times at once, which the bistatic channel of people needs: 250 instants a second.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline, CubicSpline, PPoly

from isactrack.geometry import Pose

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


@dataclass(frozen=True, slots=True)
class Motions:
    """How a body moves at many instants: the fields of `Motion` with an axis of instants (b,) in front."""

    position_m: FloatArray
    velocity_mps: FloatArray
    forward: FloatArray
    turn_radps: FloatArray
    pace: FloatArray
    travelled_m: FloatArray

    def at(self, index: int) -> Motion:
        """Return one instant."""
        return Motion(
            self.position_m[index],
            self.velocity_mps[index],
            self.forward[index],
            float(self.turn_radps[index]),
            float(self.pace[index]),
            float(self.travelled_m[index]),
        )


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


TURN_ROUND_S = 1.2
"""Time that somebody takes to turn round before walking back."""
_RAMP_S = 0.6


def strode(length_m: float, speed_mps: float, step_s: float = 0.05) -> tuple[FloatArray, FloatArray]:
    """Return times (n,) from 0 and the distances (n,) gone: a way from standing to standing, at one speed in between.

    Speed grows and falls as a squared sine within 0.6 s. A way too short for that is gone at a lower speed.
    """
    top_mps = min(speed_mps, length_m / _RAMP_S)
    whole_s = length_m / top_mps + _RAMP_S
    time_s = np.linspace(0.0, whole_s, 2 + math.ceil(whole_s / step_s))

    def eased(t: FloatArray) -> FloatArray:
        inside = np.clip(t, 0.0, _RAMP_S)
        ramp = 0.5 * inside - _RAMP_S / (2.0 * math.pi) * np.sin(math.pi * inside / _RAMP_S)
        return np.asarray(ramp + np.maximum(t - _RAMP_S, 0.0))

    half_s = 0.5 * whole_s
    first = eased(np.minimum(time_s, half_s))
    second = eased(np.full_like(time_s, half_s)) - eased(np.minimum(whole_s - time_s, half_s))
    return time_s, top_mps * (first + np.where(time_s > half_s, second, 0.0))


class Stroll:
    """A straight way, gone as a table says, by somebody who stands and sways before and after it; and back for ever.

    At `cycle_s` the way is done; within `TURN_ROUND_S` its walker turns round, goes it back in the same time, turns
    again, and so on. So whoever else does alike keeps the same distances on the way back.

    Parameters
    ----------
    start_m, end_m
        Ends of the way (x, y); two different points, also for one who never leaves the first.
    time_s, along_m
        The table (n,): distances gone at times that grow, both ends of it at a standstill.
    cycle_s
        Time after which the way back begins with a turn; not before the table's end. Infinite for one who stays.
    usual_speed_mps
        Speed at which limbs swing as far as they do.
    sway_m, sway_hz, sway_rad
        Amplitudes, frequencies and phases (k, 2) of the sinusoids in x and y by which the body sways; None for none.

    Raises
    ------
    ValueError
        If times do not grow, or the way ends after `cycle_s`.
    """

    def __init__(
        self,
        start_m: tuple[float, float],
        end_m: tuple[float, float],
        time_s: FloatArray,
        along_m: FloatArray,
        *,
        cycle_s: float,
        usual_speed_mps: float = 1.2,
        sway_m: FloatArray | None = None,
        sway_hz: FloatArray | None = None,
        sway_rad: FloatArray | None = None,
    ) -> None:
        if np.any(np.diff(time_s) <= 0.0) or time_s[-1] > cycle_s:
            raise ValueError("a stroll needs times that grow, and ends before its way back begins")
        start, end = np.asarray(start_m, dtype=np.float64), np.asarray(end_m, dtype=np.float64)
        way = end - start
        self.start_m, self.length_m, self.cycle_s = start, float(along_m[-1]), cycle_s
        self._forward = way / np.linalg.norm(way)
        self._usual_mps = usual_speed_mps
        self._begin_s, self._end_s = float(time_s[0]), float(time_s[-1])
        self._along: PPoly = CubicSpline(time_s, along_m, bc_type="clamped")
        self._speed: PPoly = self._along.derivative()
        none = np.zeros((1, 2))
        self._sway_m = none if sway_m is None else sway_m
        self._sway_radps = none if sway_hz is None else 2.0 * math.pi * sway_hz
        self._sway_rad = none if sway_rad is None else sway_rad

    def present(self, time_s: float) -> bool:
        """Return True: nobody leaves."""
        return True

    def motion(self, time_s: float) -> Motion:
        """Return the motion at a time."""
        return self.motions(np.array([time_s])).at(0)

    def motions(self, time_s: FloatArray) -> Motions:
        """Return the motions at times (b,)."""
        table_s, way, angle, turn = self._folded(np.maximum(time_s, 0.0))
        table_s = np.clip(table_s, self._begin_s, self._end_s)
        along, speed = self._along(table_s), way * self._speed(table_s)
        swayed = self._sway_radps * time_s[:, None, None] + self._sway_rad
        sway = np.sum(self._sway_m * np.sin(swayed), axis=1)
        sway_mps = np.sum(self._sway_m * self._sway_radps * np.cos(swayed), axis=1)
        cosine, sine = np.cos(angle), np.sin(angle)
        fx, fy = self._forward
        return Motions(
            self.start_m + along[:, None] * self._forward + sway,
            speed[:, None] * self._forward + sway_mps,
            np.stack([cosine * fx - sine * fy, sine * fx + cosine * fy], axis=-1),
            turn,
            np.abs(speed) / self._usual_mps,
            np.where(way > 0.0, along, 2.0 * self.length_m - along),
        )

    def _folded(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the times of the table, the senses (1 or -1), the turns of the body, and how fast it turns."""
        if math.isinf(self.cycle_s):
            none = np.zeros_like(time_s)
            return time_s, np.ones_like(time_s), none, none
        leg, phase = np.divmod(time_s, self.cycle_s + TURN_ROUND_S)
        back = leg % 2.0 == 1.0
        share = np.clip((phase - self.cycle_s) / TURN_ROUND_S, 0.0, 1.0)
        eased = share - np.sin(2.0 * math.pi * share) / (2.0 * math.pi)
        rate = (1.0 - np.cos(2.0 * math.pi * share)) / TURN_ROUND_S
        way_s = np.minimum(phase, self.cycle_s)
        return (
            np.where(back, self.cycle_s - way_s, way_s),
            np.where(back, -1.0, 1.0),
            math.pi * (back + eased),
            math.pi * rate,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A path of the room as a sensor sees it, in the frame of the sensor."""

    path: Path
    pose: Pose

    def present(self, time_s: float) -> bool:
        """Return whether the body is in the scene at a time."""
        return self.path.present(time_s)

    def motion(self, time_s: float) -> Motion:
        """Return how the body moves at a time."""
        one, pose = self.path.motion(time_s), self.pose
        return Motion(
            pose.to_sensor(one.position_m),
            pose.velocity_to_sensor(one.velocity_mps),
            pose.velocity_to_sensor(one.forward),
            one.turn_radps,
            one.pace,
            one.travelled_m,
        )

    def motions(self, time_s: FloatArray) -> Motions:
        """Return the motions at times (b,)."""
        many, pose = motions_of(self.path, time_s), self.pose
        return Motions(
            pose.to_sensor(many.position_m),
            pose.velocity_to_sensor(many.velocity_mps),
            pose.velocity_to_sensor(many.forward),
            many.turn_radps,
            many.pace,
            many.travelled_m,
        )


def motions_of(path: Path, time_s: FloatArray) -> Motions:
    """Return the motions of a body at times (b,) at all of which it is present."""
    if isinstance(path, Stroll | Seen):
        return path.motions(time_s)
    each = [path.motion(float(time)) for time in time_s]
    return Motions(
        np.array([one.position_m for one in each]).reshape(-1, 2),
        np.array([one.velocity_mps for one in each]).reshape(-1, 2),
        np.array([one.forward for one in each]).reshape(-1, 2),
        np.array([one.turn_radps for one in each]),
        np.array([one.pace for one in each]),
        np.array([one.travelled_m for one in each]),
    )
