"""The scenes that simulated sensors look at: people, cyclists and cars that move, and what stands still.

Everything is in the sensor frame (x right, y along boresight, metres) and a function of device time, so that the truth
of any instant is known without asking the emulator. Only the scenes of rooms (`isactrack.drivers.simulated.rooms`) are
in the frame of the room; `Scene.seen_from` brings them into that of a sensor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.simulated.bodies import Body, Scatterers, breathing, car, cyclist, person
from isactrack.drivers.simulated.paths import Course, Motion, Path, Seen, Walk
from isactrack.drivers.simulated.rooms import KINDS, ROOMS, Room, draw_static, draw_strolls
from isactrack.errors import ConfigError
from isactrack.geometry import Pose
from isactrack.truth import Truth

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody or something that moves: an identity, a path and a body."""

    target_id: int
    path: Path
    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class Extents:
    """How large the targets of a `Truth` are, row by row.

    Attributes
    ----------
    target_id
        Identities (k,) int64.
    position_m
        Centres (k, 2).
    half_length_m, half_width_m
        Half-axes (k,) of the rectangles that hold the bodies, limbs aside.
    heading_rad
        Directions (k,) that their lengths point to, counted as an azimuth: from y to the right.
    """

    target_id: NDArray[np.int64]
    position_m: FloatArray
    half_length_m: FloatArray
    half_width_m: FloatArray
    heading_rad: FloatArray

    def distance_m(self, position_m: FloatArray) -> FloatArray:
        """Return how far (n, k) points (n, 2) are from the bodies, 0 inside."""
        forward = np.stack([np.sin(self.heading_rad), np.cos(self.heading_rad)], axis=-1)
        right = np.stack([forward[:, 1], -forward[:, 0]], axis=-1)
        offset = position_m[:, None] - self.position_m
        ahead = np.abs(np.sum(offset * forward, axis=-1)) - self.half_length_m
        aside = np.abs(np.sum(offset * right, axis=-1)) - self.half_width_m
        return np.asarray(np.hypot(np.maximum(ahead, 0.0), np.maximum(aside, 0.0)))


@dataclass(frozen=True, slots=True)
class Scene:
    """What a sensor looks at.

    Attributes
    ----------
    name
        Name it is asked for by.
    targets
        Who and what moves.
    static
        What does not: walls and furniture, or poles, kerbs and parked cars.
    azimuth_max_rad
        Edge of the field of view to both sides of boresight: the truth does not name a target beyond it.
    repeat_s
        Time after which everything begins anew.
    room
        The room whose frame all is in; None for a scene in the frame of its sensor.
    duration_s
        How long a run of it lasts; infinite where nothing says so.
    begin_s
        The scene's time at device time 0.
    """

    name: str
    targets: tuple[Target, ...] = ()
    static: Scatterers = field(default_factory=lambda: _points([], []))
    azimuth_max_rad: float = math.pi
    repeat_s: float = math.inf
    room: Room | None = None
    duration_s: float = math.inf
    begin_s: float = 0.0

    def seen_from(self, pose: Pose) -> "Scene":
        """Return the scene of a room in the frame of a sensor; one without a room is in that frame already."""
        if self.room is None:
            return self
        static = replace(
            self.static,
            position_m=pose.to_sensor(self.static.position_m),
            velocity_mps=pose.velocity_to_sensor(self.static.velocity_mps),
        )
        targets = tuple(replace(target, path=Seen(target.path, pose)) for target in self.targets)
        return replace(self, targets=targets, static=static, room=None)

    def later(self, offset_s: float) -> "Scene":
        """Return the scene for a sensor whose time 0 is `offset_s` of this one."""
        return self if offset_s == 0.0 else replace(self, begin_s=self.begin_s + offset_s)

    def truth(self, time_s: float) -> Truth:
        """Return the true states, those of the bodies' centres, of the targets in view at a device time."""
        seen = self._in_view(time_s)
        return Truth(
            time_s=time_s,
            target_id=np.array([target.target_id for target, _ in seen], dtype=np.int64),
            position_m=np.array([motion.position_m for _, motion in seen]).reshape(-1, 2),
            velocity_mps=np.array([motion.velocity_mps for _, motion in seen]).reshape(-1, 2),
        )

    def extents(self, time_s: float) -> Extents:
        """Return how large the targets of `truth` are and how they stand, row by row."""
        seen = self._in_view(time_s)
        return Extents(
            target_id=np.array([target.target_id for target, _ in seen], dtype=np.int64),
            position_m=np.array([motion.position_m for _, motion in seen]).reshape(-1, 2),
            half_length_m=np.array([target.body.half_length_m for target, _ in seen]),
            half_width_m=np.array([target.body.half_width_m for target, _ in seen]),
            heading_rad=np.array([math.atan2(motion.forward[0], motion.forward[1]) for _, motion in seen]),
        )

    def moving(self, time_s: float) -> Scatterers:
        """Return the scatterers of all targets at a device time, also of those beyond the field of view."""
        scene_s = self._scene_time(time_s)
        parts = [target.body.scatterers(motion, scene_s) for target, motion in self._present(scene_s)]
        return _joined(parts) if parts else _points([], [])

    def scene_times(self, times_s: FloatArray) -> FloatArray:
        """Return the scene's own times (b,) at device times (b,): those that paths are asked at."""
        scene_s = times_s + self.begin_s
        return scene_s if math.isinf(self.repeat_s) else scene_s % self.repeat_s

    def _in_view(self, time_s: float) -> list[tuple[Target, Motion]]:
        return [
            (target, motion)
            for target, motion in self._present(self._scene_time(time_s))
            if abs(math.atan2(motion.position_m[0], motion.position_m[1])) <= self.azimuth_max_rad
        ]

    def _present(self, scene_s: float) -> list[tuple[Target, Motion]]:
        return [(target, target.path.motion(scene_s)) for target in self.targets if target.path.present(scene_s)]

    def _scene_time(self, time_s: float) -> float:
        scene_s = time_s + self.begin_s
        return scene_s if math.isinf(self.repeat_s) else scene_s % self.repeat_s


def make_scene(name: str, seed: int = 0) -> Scene:
    """Return a scene by name; the seed draws bodies and furniture, and the paths of people in rooms.

    Raises
    ------
    ConfigError
        If there is no such scene.
    """
    maker = SCENES.get(name)
    if maker is None:
        raise ConfigError(f"there is no scene {name!r}", f"scenes: {', '.join(sorted(SCENES))}")
    drawn_as = _SAME_AS.get(name, name)
    return maker(np.random.default_rng([seed, sum(drawn_as.encode())]))


def _points(
    position_m: list[tuple[float, float]], rcs_m2: list[float], rng: np.random.Generator | None = None
) -> Scatterers:
    n = len(rcs_m2)
    phase = np.zeros(n) if rng is None else rng.uniform(0.0, 2.0 * math.pi, n)
    position = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    return Scatterers(position, np.zeros((n, 2)), np.asarray(rcs_m2, dtype=np.float64), phase)


def _joined(parts: list[Scatterers]) -> Scatterers:
    return Scatterers(
        np.concatenate([p.position_m for p in parts]),
        np.concatenate([p.velocity_mps for p in parts]),
        np.concatenate([p.rcs_m2 for p in parts]),
        np.concatenate([p.phase_rad for p in parts]),
    )


def _room(rng: np.random.Generator) -> Scatterers:
    """Draw a room of 8 by 7 m: a back wall, side walls, and some furniture along them."""
    back = [(x, 7.0) for x in np.linspace(-4.0, 4.0, 17)]
    sides = [(side, y) for side in (-4.0, 4.0) for y in np.linspace(1.0, 6.5, 8)]
    furniture = [(-3.3, 2.5), (3.2, 5.8), (-2.8, 6.3), (3.4, 2.2)]
    rcs = [float(rng.gamma(1.0, 0.4)) for _ in back + sides] + [float(rng.uniform(0.5, 3.0)) for _ in furniture]
    return _points([*back, *sides, *furniture], rcs, rng)


EXPERIMENT_1_S = 6.4
"""Duration of Experiment I of mnomp-spa-kf, 64 frames."""
FIELD_OF_VIEW_RAD = math.pi / 3.0
"""Edge of the field of view of Table I of mnomp-spa-kf."""
_STREET_REPEAT_S = 14.0


def _crossing(rng: np.random.Generator) -> Scene:
    """Repeat Experiment I of mnomp-spa-kf: two people whose paths cross."""
    walks = (
        Walk((-1.50, 1.24), (2.50, 4.74), EXPERIMENT_1_S),
        Walk((-2.00, 5.24), (2.00, 1.24), EXPERIMENT_1_S),
    )
    targets = tuple(Target(index, walk, person(rng)) for index, walk in enumerate(walks, start=1))
    return Scene("crossing", targets, _room(rng))


def _experiment_2(rng: np.random.Generator) -> Scene:
    """Repeat Experiment II of mnomp-spa-kf (sec. V-B): two people come, a cyclist goes and returns, a car is parked.

    The paper gives no coordinates. Here the people (1, 2) come from 11 and 14 m, as far as they walk in the 7.8 and
    9.4 s after which they are out of view. The cyclist (3) rides between them, turns round at 21 m about when the
    paper's does, and returns on the left. The parked car is a part of what stands still.
    """
    people = (
        Course(((0.0, -2.2, 10.8), (9.4, -1.1, -1.4))),
        Course(((0.0, 2.6, 13.9), (10.6, 1.3, -0.9))),
    )
    ride = Course(
        (
            (0.0, 0.4, 4.0), (0.9, 0.42, 8.1), (1.8, 0.45, 12.1), (2.7, 0.45, 15.7), (3.5, 0.25, 18.4),
            (4.2, -0.6, 20.2), (5.0, -2.4, 20.7), (5.7, -3.8, 19.3), (6.4, -4.2, 17.0), (7.3, -4.0, 13.7),
            (8.2, -3.7, 10.3), (9.1, -3.35, 6.9), (10.1, -2.9, 3.1),
        )
    )  # fmt: skip
    targets = (
        *(Target(index, path, person(rng)) for index, path in enumerate(people, start=1)),
        Target(3, ride, cyclist(rng)),
    )
    static = _joined([_street(rng), _parked(rng, (6.2, 15.0), (0.05, -1.0))])
    return Scene("experiment2", targets, static, FIELD_OF_VIEW_RAD, _STREET_REPEAT_S)


def _experiment_3(rng: np.random.Generator) -> Scene:
    """Repeat Experiment III of mnomp-spa-kf (sec. V-C): one person goes, one comes, and a car approaches.

    The paper gives no coordinates. Here the car (3) comes from 52 m on the right and brakes from 6 to 2.5 m/s, person
    1 goes from 6 to 19 m on the left and person 2 comes from 20 to 7 m between the two.
    """
    people = (Course(((0.0, -1.6, 6.0), (10.1, -3.6, 19.1))), Course(((0.0, 0.4, 20.0), (10.1, -0.6, 6.9))))
    drive = Course(
        (
            (0.0, 4.0, 52.0), (1.5, 3.97, 43.0), (3.0, 3.92, 34.1), (4.5, 3.85, 25.8), (6.0, 3.75, 18.9),
            (7.5, 3.6, 13.6), (9.0, 3.4, 9.6), (10.1, 3.2, 6.9),
        )
    )  # fmt: skip
    targets = (
        *(Target(index, path, person(rng)) for index, path in enumerate(people, start=1)),
        Target(3, drive, car(rng)),
    )
    return Scene("experiment3", targets, _street(rng), FIELD_OF_VIEW_RAD, _STREET_REPEAT_S)


def _street(rng: np.random.Generator) -> Scatterers:
    """Draw what stands along a street: poles and the stones of two kerbs."""
    poles = [(-6.5, 9.0), (7.0, 22.0), (-6.5, 28.0), (7.0, 41.0), (-6.5, 47.0)]
    kerbs = [(side, y) for side in (-5.6, 5.9) for y in np.arange(5.0, 45.0, 2.5)]
    rcs = [float(rng.uniform(0.5, 3.0)) for _ in poles] + [float(rng.gamma(1.0, 0.03)) for _ in kerbs]
    return _points([*poles, *kerbs], rcs, rng)


def _parked(rng: np.random.Generator, position_m: tuple[float, float], heading: tuple[float, float]) -> Scatterers:
    """Draw a car that stands."""
    forward = np.asarray(heading) / math.hypot(*heading)
    return car(rng).scatterers(Motion(np.asarray(position_m), np.zeros(2), forward, 0.0, 0.0, 0.0), 0.0)


def _walker(rng: np.random.Generator) -> Scene:
    """Let one person walk away from the radar and back."""
    return Scene("walker", (Target(1, Walk((0.3, 1.5), (0.3, 5.5), 5.0), person(rng)),), _room(rng))


def _room_only(rng: np.random.Generator) -> Scene:
    """Leave the room empty."""
    return Scene("room", (), _room(rng))


def _in_room(room: Room, kind: str, rng: np.random.Generator) -> Scene:
    """Let people be in a room; a seed has the same furniture whatever they do."""
    static = draw_static(room, rng)
    strolls, duration_s = draw_strolls(room, kind, rng)
    targets = tuple(Target(index, path, breathing(person(rng), rng)) for index, path in enumerate(strolls, start=1))
    return Scene(f"{room.name}-{kind}", targets, static, room=room, duration_s=duration_s)


def _noise(rng: np.random.Generator) -> Scene:
    """Leave nothing but receiver noise."""
    return Scene("noise")


SCENES: dict[str, Callable[[np.random.Generator], Scene]] = {
    "crossing": _crossing,
    "experiment1": _crossing,
    "experiment2": _experiment_2,
    "experiment3": _experiment_3,
    "walker": _walker,
    "room": _room_only,
    "noise": _noise,
    **{f"{name}-{kind}": partial(_in_room, room, kind) for name, room in ROOMS.items() for kind in KINDS},
}
"""Scenes by name."""
_SAME_AS = {"experiment1": "crossing", **{f"{name}-{kind}": name for name in ROOMS for kind in KINDS}}
