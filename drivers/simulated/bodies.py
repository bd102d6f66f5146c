"""What people, cyclists and cars reflect: points on and about a body, each with its own motion and cross-section.

A body is a set of reflection centres with visibilities, as M. Buehren and B. Yang describe vehicles ("Automotive radar
target list simulation based on reflection center representation of objects"). The body's own frame has x to its right
and y forward. Cross-sections without a source were chosen. To a radar bodies do not hide each other, and there are no
echoes by way of the ground or of other bodies.

A pair of transmitter and receiver sees a smooth body much as a radar on their bisector does (R. E. Kell, "On the
derivation of bistatic RCS from monostatic measurements", 1965), so points are placed and weighed for that direction.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.simulated.paths import Motion, Motions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scatterers:
    """Points at one instant: positions and velocities (s, 2), cross-sections (s,) in m^2 and phases (s,)."""

    position_m: FloatArray
    velocity_mps: FloatArray
    rcs_m2: FloatArray
    phase_rad: FloatArray


@dataclass(frozen=True, slots=True)
class Glints:
    """Points at many instants as a transmitter and a receiver see them.

    Attributes
    ----------
    position_m
        Positions (b, s, 2).
    rcs_m2
        Cross-sections (b, s).
    phase_rad
        Phases (s,).
    """

    position_m: FloatArray
    rcs_m2: FloatArray
    phase_rad: FloatArray


class Body(Protocol):
    """What a target is made of."""

    @property
    def half_length_m(self) -> float:
        """Half the body's length, along the way it faces."""

    @property
    def half_width_m(self) -> float:
        """Half the body's width."""

    def scatterers(self, motion: Motion, time_s: float, observer_m: FloatArray | None = None) -> Scatterers:
        """Return the points of a body that moves so at a time, seen from a place (2,); None for the origin."""


@dataclass(frozen=True, slots=True)
class Person:
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
    breath_m, breath_hz, breath_rad
        By how far the chest comes forward with each breath, how often that is, and its phase at time 0. The surface
        moves the more the more it faces forward; the back does not move.
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
    breath_m: float = 0.0
    breath_hz: float = 0.25
    breath_rad: float = 0.0

    @property
    def half_length_m(self) -> float:
        """Half the depth of the torso."""
        return self.half_depth_m

    def scatterers(self, motion: Motion, time_s: float, observer_m: FloatArray | None = None) -> Scatterers:
        """Return the points of the torso, then the limbs, which swing as fast as the person walks."""
        sight = _sight(motion, observer_m)
        to_radar = _axes(motion) @ sight / np.linalg.norm(sight)
        half = np.array([self.half_width_m, self.half_depth_m])
        torso, torso_rcs = _torso(half, self.torso_angle_rad, self.torso_rcs_m2, to_radar)
        stride = 2.0 * math.pi * self.stride_rate_hz
        angle = stride * time_s + self.limb_phase_rad
        swing = self.limb_swing_m * motion.pace
        limbs = self.limb_offset_m + np.stack([np.zeros_like(swing), swing * np.sin(angle)], axis=-1)
        chest_mps = np.zeros(len(torso))
        if self.breath_m:
            ahead = _ahead(half, torso)
            chest_m, speed = self._chest(np.array(time_s))
            torso = torso + ahead[:, None] * (0.0, float(chest_m))
            chest_mps = ahead * float(speed)
        return _placed(
            motion,
            np.concatenate([torso, limbs]),
            np.concatenate([chest_mps, swing * stride * np.cos(angle)]),
            np.concatenate([torso_rcs, np.full(len(limbs), self.limb_rcs_m2)]),
            self.phase_rad,
        )

    def glints(self, motions: Motions, time_s: FloatArray, tx_m: FloatArray, rx_m: FloatArray) -> Glints:
        """Return the points of `scatterers`, in its order, as a transmitter and a receiver see them, at times (b,).

        The first is the point of the torso's surface whose normal halves the angle between the two: there the way
        from one to the other by the surface is stationary.
        """
        half = np.array([self.half_width_m, self.half_depth_m])
        forward = motions.forward
        right = np.stack([forward[:, 1], -forward[:, 0]], axis=-1)
        axes = np.stack([right, forward], axis=1)  # (b, 2, 2), as those of `_axes`
        tx, rx = ((axes @ (place - motions.position_m)[..., None])[..., 0] for place in (tx_m, rx_m))
        toward = _bisector(tx, rx)
        square = _square(half, toward)
        for _ in range(_SPECULAR_STEPS):
            square = _square(half, _bisector(tx - square, rx - square))
        surface = half * np.stack([np.cos(self.torso_angle_rad), np.sin(self.torso_angle_rad)], axis=-1)
        normal = surface / half**2
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        facing = np.clip(toward @ normal.T, 0.0, 1.0)
        share = facing / np.maximum(facing.sum(axis=1, keepdims=True), 1e-9)

        n_torso, n = 1 + len(surface), 1 + len(surface) + len(self.limb_swing_m)
        offset = np.empty((len(time_s), n, 2))
        offset[:, 0] = square
        offset[:, 1:n_torso] = surface
        if self.breath_m:
            chest, _ = self._chest(time_s)
            offset[:, :n_torso, 1] += chest[:, None] * _ahead(half, offset[:, :n_torso])
        angle = 2.0 * math.pi * self.stride_rate_hz * time_s[:, None] + self.limb_phase_rad
        offset[:, n_torso:] = self.limb_offset_m
        offset[:, n_torso:, 1] += self.limb_swing_m * motions.pace[:, None] * np.sin(angle)
        rcs = np.empty((len(time_s), n))
        rcs[:, 0] = 0.5 * self.torso_rcs_m2
        rcs[:, 1:n_torso] = 0.5 * self.torso_rcs_m2 * share
        rcs[:, n_torso:] = self.limb_rcs_m2
        return Glints(motions.position_m[:, None] + offset @ axes, rcs, self.phase_rad)

    def _chest(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return by how far the chest is forward at times, and how fast it moves."""
        rate = 2.0 * math.pi * self.breath_hz
        angle = rate * time_s + self.breath_rad
        half = 0.5 * self.breath_m
        return np.asarray(half * (1.0 - np.cos(angle))), np.asarray(half * rate * np.sin(angle))


@dataclass(frozen=True, slots=True)
class Cyclist:
    """Scatterers of a bicycle with its rider: a torso, legs that pump, a frame, and two wheels that roll.

    Feet and knees follow the cranks. The rim of a wheel is a ring of points: the one at the road stands still and the
    one at the top moves at twice the speed, so the wheels' Doppler spreads from 0 to twice the body's.

    Attributes
    ----------
    torso_angle_rad, torso_rcs_m2
        Points on the rider's surface and its cross-section, see `Person`.
    rim_angle_rad
        Places (2, n) of the points on the front and the rear rim, at the begin.
    crank_phase_rad
        Place of the right pedal at the begin.
    phase_rad
        Phases of reflection, one a point.
    """

    torso_angle_rad: FloatArray
    torso_rcs_m2: float
    rim_angle_rad: FloatArray
    crank_phase_rad: float
    phase_rad: FloatArray

    @property
    def half_length_m(self) -> float:
        """Half the length from tyre to tyre."""
        return _BICYCLE_AXLE_M + _BICYCLE_WHEEL_M

    @property
    def half_width_m(self) -> float:
        """Half the width of the handlebar."""
        return float(_BICYCLE_FRAME_M[:, 0].max())

    def scatterers(self, motion: Motion, time_s: float, observer_m: FloatArray | None = None) -> Scatterers:
        """Return the points of torso, frame, legs and rims."""
        sight = _sight(motion, observer_m)
        to_radar = _axes(motion) @ sight / np.linalg.norm(sight)
        torso, torso_rcs = _torso(_RIDER_HALF_M, self.torso_angle_rad, self.torso_rcs_m2, to_radar)
        speed = float(motion.velocity_mps @ motion.forward)
        crank = 2.0 * math.pi * motion.travelled_m / _DEVELOPMENT_M + self.crank_phase_rad + _LEG_PHASE_RAD
        legs = _LEG_M + np.stack([np.zeros(4), _LEG_SWING_M * np.sin(crank)], axis=-1)
        leg_speed = _LEG_SWING_M * np.cos(crank) * 2.0 * math.pi * speed / _DEVELOPMENT_M
        rims = [
            _rim((0.0, axle), _BICYCLE_WHEEL_M, angle, motion.travelled_m, speed)
            for axle, angle in zip((_BICYCLE_AXLE_M, -_BICYCLE_AXLE_M), self.rim_angle_rad, strict=True)
        ]
        still = np.zeros(len(torso) + len(_BICYCLE_FRAME_M))
        return _placed(
            motion,
            np.concatenate([torso, _BICYCLE_FRAME_M, legs, *(place for place, _ in rims)]),
            np.concatenate([still, leg_speed, *(own for _, own in rims)]),
            np.concatenate(
                [
                    torso_rcs,
                    np.full(len(_BICYCLE_FRAME_M), _BICYCLE_FRAME_RCS_M2),
                    np.full(4, _LEG_RCS_M2),
                    np.full(self.rim_angle_rad.size, _RIM_RCS_M2),
                ]
            ),
            self.phase_rad,
        )


@dataclass(frozen=True, slots=True)
class Car:
    """Scatterers of a car: four panels that reflect like mirrors, corners, a contour, mirrors, wheel houses and wheels.

    What is turned away from the radar is not seen. A panel shines from where it is square to the line of sight, so its
    strongest point slides along the car; corners and wheel houses, which hold the echo over wide angles, stay in their
    places. Wheels turn as those of a bicycle do.

    Attributes
    ----------
    half_length_m, half_width_m
        Half its length and width.
    contour
        Places (n,) of the points on the contour, shares of the way round it from the right rear corner, ahead at first.
    rim_angle_rad
        Places (4, n) of the points on the rims at the begin.
    phase_rad
        Phases of reflection, one a point.
    """

    half_length_m: float
    half_width_m: float
    contour: FloatArray
    rim_angle_rad: FloatArray
    phase_rad: FloatArray

    def scatterers(self, motion: Motion, time_s: float, observer_m: FloatArray | None = None) -> Scatterers:
        """Return the points of panels, corners, contour, mirrors, wheel houses and rims."""
        half = np.array([self.half_width_m, self.half_length_m])
        radar = _axes(motion) @ _sight(motion, observer_m)
        speed = float(motion.velocity_mps @ motion.forward)

        panel = np.clip(radar, -half, half) * (1.0 - np.abs(_SIDES)) + _SIDES * half
        panel_rcs = _PANEL_RCS_M2 * _facing(panel, _SIDES, radar) ** _PANEL_SHARPNESS
        corner = _CORNERS * (half - _CORNER_INSET_M)
        corner_rcs = _CORNER_RCS_M2 * _facing(corner, _CORNERS / math.sqrt(2.0), radar)
        contour, normal = _on_contour(half, self.contour)
        seen = _facing(contour, normal, radar)
        contour_rcs = _CONTOUR_RCS_M2 * seen / max(float(seen.sum()), 1e-9)
        mirror = np.array([[-1.0, 1.0], [1.0, 1.0]]) * (self.half_width_m + 0.1, 0.25 * self.half_length_m)
        axle = _CORNERS * (self.half_width_m - 0.1, 0.6 * self.half_length_m)
        # Seen from the front, a wheel shows under the car; seen from the side, the near ones show whole.
        house_seen = np.clip(_facing(axle, _CORNERS * (1.0, 0.0), radar), _WHEEL_SEEN_LEAST, 1.0)
        rims = [
            _rim(place, _CAR_WHEEL_M, angle, motion.travelled_m, speed)
            for place, angle in zip(axle, self.rim_angle_rad, strict=True)
        ]
        n_rim = self.rim_angle_rad.shape[1]
        rim_rcs = np.repeat(_CAR_WHEEL_RCS_M2 / n_rim * house_seen, n_rim)
        still = np.concatenate([panel, corner, contour, mirror, axle])
        return _placed(
            motion,
            np.concatenate([still, *(place for place, _ in rims)]),
            np.concatenate([np.zeros(len(still)), *(own for _, own in rims)]),
            np.concatenate(
                [panel_rcs, corner_rcs, contour_rcs, np.full(2, _MIRROR_RCS_M2), _HOUSE_RCS_M2 * house_seen, rim_rcs]
            ),
            self.phase_rad,
        )


def glints_of(body: Body, motions: Motions, time_s: FloatArray, tx_m: FloatArray, rx_m: FloatArray) -> Glints:
    """Return the points of any body at times (b,) as a transmitter and a receiver, both at places (2,), see them.

    Bodies other than people are looked at from the bisector, as far off as the pair is on harmonic mean.
    """
    if isinstance(body, Person):
        return body.glints(motions, time_s, tx_m, rx_m)
    each = []
    for index, time in enumerate(time_s):
        motion = motions.at(index)
        to_tx, to_rx = tx_m - motion.position_m, rx_m - motion.position_m
        far = 2.0 / (1.0 / np.linalg.norm(to_tx) + 1.0 / np.linalg.norm(to_rx))
        each.append(body.scatterers(motion, float(time), motion.position_m + far * _bisector(to_tx, to_rx)))
    return Glints(np.stack([one.position_m for one in each]), np.stack([one.rcs_m2 for one in each]), each[0].phase_rad)


def breathing(body: Person, rng: np.random.Generator) -> Person:
    """Return a person who breathes: 4 to 6 mm at 0.2 to 0.3 Hz."""
    return replace(
        body,
        breath_m=float(rng.uniform(0.004, 0.006)),
        breath_hz=float(rng.uniform(0.2, 0.3)),
        breath_rad=float(rng.uniform(0.0, 2.0 * math.pi)),
    )


def person(rng: np.random.Generator) -> Person:
    """Draw the body of an adult: about -3 dBsm.

    Adults have -10 to 0 dBsm at 77 GHz (J. Fortuny-Guasch and J.-M. Chareau, "Radar cross section measurements of
    pedestrian dummies and humans in the 24/77 GHz frequency bands", EUR 25762, 2013).
    """
    n_surface = 8
    limbs = np.array([[-0.26, 0.0], [0.26, 0.0], [-0.1, 0.0], [0.1, 0.0]])
    return Person(
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


def cyclist(rng: np.random.Generator) -> Cyclist:
    """Draw a cyclist: about 0 dBsm (chosen: an adult's torso and as much again from legs, frame and wheels)."""
    n_surface, n_rim = 8, 8
    n = 1 + n_surface + len(_BICYCLE_FRAME_M) + len(_LEG_M) + 2 * n_rim
    return Cyclist(
        torso_angle_rad=rng.uniform(0.0, 2.0 * math.pi, n_surface),
        torso_rcs_m2=float(rng.uniform(0.4, 0.6)),
        rim_angle_rad=_ring(rng, 2, n_rim),
        crank_phase_rad=float(rng.uniform(0.0, 2.0 * math.pi)),
        phase_rad=rng.uniform(0.0, 2.0 * math.pi, n),
    )


def car(rng: np.random.Generator) -> Car:
    """Draw a compact car, 4.3 by 1.8 m: about 10 dBsm from ahead (chosen), more from where a panel is square."""
    n_contour, n_rim = 12, 6
    n = len(_SIDES) + len(_CORNERS) + n_contour + 2 + 4 + 4 * n_rim
    return Car(
        half_length_m=2.15,
        half_width_m=0.9,
        contour=(np.arange(n_contour) + rng.uniform(0.0, 1.0, n_contour)) / n_contour,
        rim_angle_rad=_ring(rng, 4, n_rim),
        phase_rad=rng.uniform(0.0, 2.0 * math.pi, n),
    )


_SPECULAR_STEPS = 3
"""Each brings the place that shines about twenty times nearer for a person two metres away: then within 0.1 mm."""
_BICYCLE_AXLE_M = 0.53
_BICYCLE_WHEEL_M = 0.34
_BICYCLE_FRAME_M = np.array([[0.0, 0.45], [0.0, 0.05], [0.0, -0.25], [-0.28, 0.4], [0.28, 0.4]])
_BICYCLE_FRAME_RCS_M2 = 0.04
_RIM_RCS_M2 = 0.01
_RIDER_HALF_M = np.array([0.22, 0.2])
_LEG_M = np.array([[0.12, 0.05], [-0.12, 0.05], [0.12, 0.2], [-0.12, 0.2]])
_LEG_SWING_M = np.array([0.17, 0.17, 0.1, 0.1])
_LEG_PHASE_RAD = np.array([0.0, math.pi, 0.0, math.pi])
_LEG_RCS_M2 = 0.03
_DEVELOPMENT_M = 4.5
"""Way of a bicycle for one turn of the cranks."""

_SIDES = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])
_PANEL_RCS_M2 = np.array([4.0, 5.0, 15.0, 15.0])
_PANEL_SHARPNESS = np.array([20.0, 20.0, 40.0, 40.0])
_CORNERS = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
_CORNER_INSET_M = 0.15
_CORNER_RCS_M2 = 1.5
_CONTOUR_RCS_M2 = 2.0
_MIRROR_RCS_M2 = 0.15
_HOUSE_RCS_M2 = 0.8
_CAR_WHEEL_M = 0.31
_CAR_WHEEL_RCS_M2 = 0.3
_WHEEL_SEEN_LEAST = 0.2


def _sight(motion: Motion, observer_m: FloatArray | None) -> FloatArray:
    """Return the vector (2,) from a body to who looks at it."""
    return -motion.position_m if observer_m is None else observer_m - motion.position_m


def _axes(motion: Motion) -> FloatArray:
    """Return the axes (2, 2) of a body's frame, its right and its front, one a row."""
    forward = motion.forward
    return np.stack([np.array([forward[1], -forward[0]]), forward])


def _placed(
    motion: Motion, offset_m: FloatArray, own_mps: FloatArray, rcs_m2: FloatArray, phase_rad: FloatArray
) -> Scatterers:
    """Put points of a body's frame, which move forward in it at their own speeds, into the scene."""
    arm = offset_m @ _axes(motion)
    turning = motion.turn_radps * np.stack([-arm[:, 1], arm[:, 0]], axis=-1)
    velocity = motion.velocity_mps + own_mps[:, None] * motion.forward + turning
    return Scatterers(motion.position_m + arm, velocity, rcs_m2, phase_rad)


def _torso(
    half_m: FloatArray, angle_rad: FloatArray, rcs_m2: float, to_radar: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return places (s, 2) and cross-sections (s,) of the torso's points, seen from a direction in the body's frame.

    The first is the point whose surface is square to the line of sight; of the others those that face the radar count.
    """
    square = half_m**2 * to_radar / np.linalg.norm(half_m * to_radar)
    surface = half_m * np.stack([np.cos(angle_rad), np.sin(angle_rad)], axis=-1)
    normal = surface / half_m**2
    facing = np.clip(normal @ to_radar / np.linalg.norm(normal, axis=-1), 0.0, 1.0)
    diffuse = facing / max(float(facing.sum()), 1e-9)
    rcs = 0.5 * rcs_m2 * np.concatenate([[1.0], diffuse])
    return np.concatenate([square[None], surface]), rcs


def _square(half_m: FloatArray, toward: FloatArray) -> FloatArray:
    """Return where (..., 2) the surface of an ellipse is square to directions (..., 2)."""
    length = np.linalg.norm(half_m * toward, axis=-1, keepdims=True)
    return np.asarray(half_m**2 * toward / np.maximum(length, 1e-12))


def _bisector(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the unit vectors (..., 2) that halve the angles between vectors (..., 2).

    Exactly between the two, where they are opposite, there is none: what comes out then is 0.
    """
    total = one / np.linalg.norm(one, axis=-1, keepdims=True) + other / np.linalg.norm(other, axis=-1, keepdims=True)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-9))


def _ahead(half_m: FloatArray, surface_m: FloatArray) -> FloatArray:
    """Return how far (...,) the surface of an ellipse faces forward at points (..., 2) of it, 0 to 1."""
    normal = surface_m / half_m**2
    return np.asarray(np.clip(normal[..., 1] / np.linalg.norm(normal, axis=-1), 0.0, 1.0))


def _rim(
    axle_m: tuple[float, float] | FloatArray, radius_m: float, angle_rad: FloatArray, travelled_m: float, speed: float
) -> tuple[FloatArray, FloatArray]:
    """Return places (n, 2) of a rolling rim's points, seen from above, and the speeds (n,) they add to the axle's."""
    turned = angle_rad + travelled_m / radius_m
    ahead = radius_m * np.sin(turned)
    return np.asarray(axle_m) + np.stack([np.zeros_like(ahead), ahead], axis=-1), speed * np.cos(turned)


def _ring(rng: np.random.Generator, wheels: int, points: int) -> FloatArray:
    """Draw where evenly spaced points (wheels, points) stand."""
    return np.asarray(rng.uniform(0.0, 2.0 * math.pi, (wheels, 1)) + np.arange(points) * 2.0 * math.pi / points)


def _facing(place_m: FloatArray, normal: FloatArray, radar_m: FloatArray) -> FloatArray:
    """Return the cosines (n,) between surfaces and their lines of sight, 0 for those turned away."""
    sight = radar_m - place_m
    cosine = np.sum(sight * normal, axis=-1) / np.maximum(np.linalg.norm(sight, axis=-1), 1e-9)
    return np.asarray(np.clip(cosine, 0.0, 1.0))


def _on_contour(half_m: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return places and normals (n, 2) of points on a rectangle: its right side first, then front, left and rear."""
    sides = np.array([half_m[1], half_m[0], half_m[1], half_m[0]]) / (2.0 * half_m.sum())
    begin = np.concatenate([[0.0], np.cumsum(sides)[:-1]])
    side = np.clip(np.searchsorted(begin, share, side="right") - 1, 0, 3)
    along = (2.0 * (share - begin[side]) / sides[side] - 1.0)[:, None]
    normal = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])[side]
    way = np.stack([-normal[:, 1], normal[:, 0]], axis=-1)
    return (normal + along * way) * half_m, normal
