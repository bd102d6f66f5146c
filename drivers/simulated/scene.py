"""The room that simulated sensors look at: people who walk, and what stands still.

Everything is in the sensor frame (x right, y along boresight, metres) and a function of device time, so that the truth
of any instant is known without asking the emulator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.truth import Truth

FloatArray = NDArray[np.float64]

TURN_TIME_S = 1.0
"""Time a walker takes to turn round at an end of the path, slowing down and speeding up evenly."""


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
        velocity = (end - start) / self.duration_s
        leg_s = self.duration_s + TURN_TIME_S
        leg, phase = divmod(max(time_s, 0.0), leg_s)
        if phase < self.duration_s:
            along, speed = phase / self.duration_s, 1.0
        else:
            # Past the end at first, then back to it: constant deceleration from one speed to the opposite.
            turn = phase - self.duration_s
            along = 1.0 + (turn - turn**2 / TURN_TIME_S) / self.duration_s
            speed = 1.0 - 2.0 * turn / TURN_TIME_S
        if int(leg) % 2:
            along, speed = 1.0 - along, -speed
        return start + along * (end - start), speed * velocity


@dataclass(frozen=True, slots=True)
class Body:
    """Scatterers of a person around the centre, in a frame whose y axis is the walking direction.

    Half of the echo comes from where the torso faces the radar, the rest from points on its surface that interfere, and
    from arms and legs that swing: so the echo of a walking person fluctuates around a steady part.

    Attributes
    ----------
    half_width_m, half_depth_m
        Half-axes of the torso, an ellipse, across and along the walking direction.
    torso_angle_rad
        Places (s,) of the points on its surface.
    torso_rcs_m2
        Radar cross-section of the torso.
    limb_offset_m
        Mean places (k, 2) of the limbs.
    limb_swing_m, limb_phase_rad
        Amplitude and phase (k,) of their swing along the walking direction.
    limb_rcs_m2
        Radar cross-section of each limb.
    stride_rate_hz
        Strides a second.
    phase_rad
        Phases of reflection (1 + s + k,).
    """

    half_width_m: float
    half_depth_m: float
    torso_angle_rad: FloatArray
    torso_rcs_m2: float
    limb_offset_m: FloatArray
    limb_swing_m: FloatArray
    limb_phase_rad: FloatArray
    limb_rcs_m2: float
    stride_rate_hz: float
    phase_rad: FloatArray


@dataclass(frozen=True, slots=True)
class Walker:
    """A person with an identity, a body and a path."""

    target_id: int
    walk: Walk
    body: Body


@dataclass(frozen=True, slots=True)
class Scatterers:
    """Points at one instant: positions and velocities (s, 2), cross-sections (s,) in m^2 and phases (s,)."""

    position_m: FloatArray
    velocity_mps: FloatArray
    rcs_m2: FloatArray
    phase_rad: FloatArray


@dataclass(frozen=True, slots=True)
class Scene:
    """What a sensor looks at.

    Attributes
    ----------
    name
        Name it is asked for by.
    walkers
        People, who move.
    static
        Walls and furniture: points that do not move.
    """

    name: str
    walkers: tuple[Walker, ...] = ()
    static: Scatterers = field(default_factory=lambda: _points([], []))

    def truth(self, time_s: float) -> Truth:
        """Return the true states of the people at a device time."""
        states = [walker.walk.at(time_s) for walker in self.walkers]
        return Truth(
            time_s=time_s,
            target_id=np.array([walker.target_id for walker in self.walkers], dtype=np.int64),
            position_m=np.array([position for position, _ in states]).reshape(-1, 2),
            velocity_mps=np.array([velocity for _, velocity in states]).reshape(-1, 2),
        )

    def moving(self, time_s: float) -> Scatterers:
        """Return the scatterers of all people at a device time."""
        parts = [_body_at(walker, time_s) for walker in self.walkers]
        if not parts:
            return _points([], [])
        return Scatterers(
            np.concatenate([p.position_m for p in parts]),
            np.concatenate([p.velocity_mps for p in parts]),
            np.concatenate([p.rcs_m2 for p in parts]),
            np.concatenate([p.phase_rad for p in parts]),
        )


def make_scene(name: str, seed: int = 0) -> Scene:
    """Return a scene by name; the seed draws bodies and furniture, not paths.

    Raises
    ------
    ConfigError
        If there is no such scene.
    """
    maker = SCENES.get(name)
    if maker is None:
        raise ConfigError(f"there is no scene {name!r}", f"scenes: {', '.join(sorted(SCENES))}")
    return maker(np.random.default_rng([seed, sum(name.encode())]))


def person(rng: np.random.Generator) -> Body:
    """Draw the body of an adult: about -3 dBsm, of the -10 to 0 dBsm that people have at 77 GHz."""
    n_surface = 8
    limbs = np.array([[-0.26, 0.0], [0.26, 0.0], [-0.1, 0.0], [0.1, 0.0]])
    return Body(
        half_width_m=float(rng.uniform(0.18, 0.23)),
        half_depth_m=float(rng.uniform(0.10, 0.13)),
        torso_angle_rad=rng.uniform(0.0, 2.0 * math.pi, n_surface),
        torso_rcs_m2=float(rng.uniform(0.35, 0.55)),
        limb_offset_m=limbs,
        limb_swing_m=np.array([0.15, 0.15, 0.22, 0.22]),
        limb_phase_rad=np.array([0.0, math.pi, math.pi, 0.0]),
        limb_rcs_m2=0.015,
        stride_rate_hz=float(rng.uniform(0.75, 0.95)),
        phase_rad=rng.uniform(0.0, 2.0 * math.pi, 1 + n_surface + len(limbs)),
    )


def _body_at(walker: Walker, time_s: float) -> Scatterers:
    position, velocity = walker.walk.at(time_s)
    # The body faces where the outward way leads: turning round is walking backwards, which keeps the phase smooth.
    heading = np.asarray(walker.walk.end_m) - np.asarray(walker.walk.start_m)
    forward = heading / np.linalg.norm(heading)
    axes = np.stack([np.array([forward[1], -forward[0]]), forward])
    body = walker.body
    torso, torso_rcs = _torso(body, axes @ -position / np.linalg.norm(position))
    # Limbs swing as fast as the person walks; those of one who stands still do not.
    gait = float(np.linalg.norm(velocity) * walker.walk.duration_s / np.linalg.norm(heading))
    stride = 2.0 * math.pi * body.stride_rate_hz
    angle = stride * time_s + body.limb_phase_rad
    swing = body.limb_swing_m * gait
    limbs = body.limb_offset_m + np.stack([np.zeros_like(swing), swing * np.sin(angle)], axis=-1)
    own_velocity = np.concatenate([np.zeros(len(torso)), swing * stride * np.cos(angle)])
    return Scatterers(
        position + np.concatenate([torso, limbs]) @ axes,
        velocity + own_velocity[:, None] * forward,
        np.concatenate([torso_rcs, np.full(len(limbs), body.limb_rcs_m2)]),
        body.phase_rad,
    )


def _torso(body: Body, to_radar: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return places (s, 2) and cross-sections (s,) of the torso's points, seen from a direction in the body's frame.

    The first is the point whose surface is square to the line of sight; of the others those that face the radar count.
    """
    half = np.array([body.half_width_m, body.half_depth_m])
    square = half**2 * to_radar / np.linalg.norm(half * to_radar)
    surface = half * np.stack([np.cos(body.torso_angle_rad), np.sin(body.torso_angle_rad)], axis=-1)
    normal = surface / half**2
    facing = np.clip(normal @ to_radar / np.linalg.norm(normal, axis=-1), 0.0, 1.0)
    diffuse = facing / max(float(facing.sum()), 1e-9)
    rcs = 0.5 * body.torso_rcs_m2 * np.concatenate([[1.0], diffuse])
    return np.concatenate([square[None], surface]), rcs


def _points(
    position_m: list[tuple[float, float]], rcs_m2: list[float], rng: np.random.Generator | None = None
) -> Scatterers:
    n = len(rcs_m2)
    phase = np.zeros(n) if rng is None else rng.uniform(0.0, 2.0 * math.pi, n)
    position = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    return Scatterers(position, np.zeros((n, 2)), np.asarray(rcs_m2, dtype=np.float64), phase)


def _room(rng: np.random.Generator) -> Scatterers:
    """Draw a room of 8 by 7 m: a back wall, side walls, and some furniture along them."""
    back = [(x, 7.0) for x in np.linspace(-4.0, 4.0, 17)]
    sides = [(side, y) for side in (-4.0, 4.0) for y in np.linspace(1.0, 6.5, 8)]
    furniture = [(-3.3, 2.5), (3.2, 5.8), (-2.8, 6.3), (3.4, 2.2)]
    rcs = [float(rng.gamma(1.0, 0.4)) for _ in back + sides] + [float(rng.uniform(0.5, 3.0)) for _ in furniture]
    return _points([*back, *sides, *furniture], rcs, rng)


EXPERIMENT_1_S = 6.4
"""Duration of Experiment I of mnomp-spa-kf, 64 frames."""


def _crossing(rng: np.random.Generator) -> Scene:
    """Repeat Experiment I of mnomp-spa-kf: two people whose paths cross."""
    walks = (
        Walk((-1.50, 1.24), (2.50, 4.74), EXPERIMENT_1_S),
        Walk((-2.00, 5.24), (2.00, 1.24), EXPERIMENT_1_S),
    )
    walkers = tuple(Walker(index, walk, person(rng)) for index, walk in enumerate(walks, start=1))
    return Scene("crossing", walkers, _room(rng))


def _walker(rng: np.random.Generator) -> Scene:
    """Let one person walk away from the radar and back."""
    return Scene("walker", (Walker(1, Walk((0.3, 1.5), (0.3, 5.5), 5.0), person(rng)),), _room(rng))


def _room_only(rng: np.random.Generator) -> Scene:
    """Leave the room empty."""
    return Scene("room", (), _room(rng))


def _noise(rng: np.random.Generator) -> Scene:
    """Leave nothing but receiver noise."""
    return Scene("noise")


SCENES: dict[str, Callable[[np.random.Generator], Scene]] = {
    "crossing": _crossing,
    "walker": _walker,
    "room": _room_only,
    "noise": _noise,
}
"""Scenes by name."""
