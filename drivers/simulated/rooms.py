"""Rooms that a radar and a bistatic radio can look at together: walls, furniture, where sensors stand, who walks how.

Everything is in the frame of the room, whose origin is a point of the wall below in the plan; poses place sensors in
it. A room's seed draws its furniture, and who walks: bodies, ends of the ways within 0.3 m, speeds of 0.8 to 1.4 m/s,
and when they begin. Layouts follow the words of indoor-multi-person-isac-26ghz, sec. IV, which gives no coordinates.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.simulated.bodies import Scatterers
from isactrack.drivers.simulated.paths import Stroll, strode
from isactrack.geometry import Pose, RoomOutline

FloatArray = NDArray[np.float64]
Way = tuple[tuple[float, float], tuple[float, float]]
"""Where a way begins and ends, (x, y)."""

KINDS: Final = ("empty", "parallel", "crossing", "crossing3", "standing", "walk", "pair")
"""What happens in a room: nobody; two on parallel ways; two, or three, whose ways cross; one who stands; one who walks;
two whose Doppler shifts at the bistatic receiver differ by 1 to 3 Hz all the way, and by what swaying adds."""
CLOSEST_M: Final = 0.35
"""People never come closer to each other than this, centre to centre."""
_SWAY_MARGIN_M: Final = 0.02
_SCATTER_M: Final = 0.3
_SPEED_MPS: Final = (0.8, 1.4)
_TRIES: Final = 1000
_REST_S: Final = 0.4
_EMPTY_S: Final = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Furniture:
    """A piece of furniture: points in a rectangle.

    Attributes
    ----------
    center_m, size_m
        Where it stands, and its extent in x and y.
    rcs_m2
        Cross-section of all its points together, on the mean.
    points
        How many there are.
    """

    center_m: tuple[float, float]
    size_m: tuple[float, float]
    rcs_m2: float
    points: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room with a place for a bistatic receiver, a transmitter and a radar.

    Attributes
    ----------
    name
        First part of the names of its scenes.
    corners_m
        Corners (x, y) of its walls, in order.
    wall_loss_db
        What the mirror reflection of each wall loses, one a wall, the first from the first corner to the second.
    furniture
        What stands in it.
    receiver, radar
        Poses of the two sensors.
    transmitter_m, transmitter_yaw_rad
        Where the transmitter stands, and its boresight as a pose counts it.
    ways
        Ways by kind of scene.
    """

    name: str
    corners_m: tuple[tuple[float, float], ...]
    wall_loss_db: tuple[float, ...]
    furniture: tuple[Furniture, ...]
    receiver: Pose
    transmitter_m: tuple[float, float]
    transmitter_yaw_rad: float
    radar: Pose
    ways: dict[str, tuple[Way, ...]]

    @property
    def walls_m(self) -> FloatArray:
        """Ends (w, 2, 2) of the walls."""
        corners = np.asarray(self.corners_m)
        return np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)

    @property
    def outline(self) -> RoomOutline:
        """Its walls, for who looks at it."""
        return RoomOutline(corners_m=self.corners_m)

    def transmitter_in(self, pose: Pose) -> tuple[float, float]:
        """Return where the transmitter stands in the frame of a sensor."""
        x, y = pose.to_sensor(self.transmitter_m)
        return float(x), float(y)


def draw_static(room: Room, rng: np.random.Generator) -> Scatterers:
    """Draw what stands still: rough walls, a point every half metre, and furniture, moved by up to 0.1 m."""
    position, rcs = [], []
    for begin, end in room.walls_m:
        n = round(float(np.linalg.norm(end - begin)) / 0.5)
        position.append(begin + (np.arange(n)[:, None] + rng.uniform(0.2, 0.8, (n, 1))) / n * (end - begin))
        rcs.append(rng.gamma(1.0, 0.15, n))
    for piece in room.furniture:
        center = np.asarray(piece.center_m) + rng.uniform(-0.1, 0.1, 2)
        position.append(center + rng.uniform(-0.5, 0.5, (piece.points, 2)) * piece.size_m)
        rcs.append(piece.rcs_m2 * rng.dirichlet(np.full(piece.points, 2.0)) * rng.uniform(0.6, 1.6))
    where, section = np.concatenate(position), np.concatenate(rcs)
    return Scatterers(where, np.zeros_like(where), section, rng.uniform(0.0, 2.0 * math.pi, len(section)))


def draw_strolls(room: Room, kind: str, rng: np.random.Generator) -> tuple[tuple[Stroll, ...], float]:
    """Draw who walks how in a scene of a room, and how long that lasts (s).

    What is drawn is drawn again until nobody comes closer to another than `CLOSEST_M`.
    """
    if kind == "empty":
        return (), _EMPTY_S
    if kind == "standing":
        ((stand, look),) = room.ways[kind]
        table = np.array([0.0, 1.0]), np.zeros(2)
        place = np.asarray(stand) + rng.uniform(-_SCATTER_M, _SCATTER_M, 2)
        ahead = place + np.asarray(look) - stand
        return (_stroll(place, ahead, *table, cycle_s=math.inf, rng=rng),), _EMPTY_S
    drawn_with = {"crossing": _meeting, "crossing3": _meeting, "pair": _alike}.get(kind, _together)
    for _ in range(_TRIES):
        ends, tables = drawn_with(room, room.ways[kind], rng)
        if _closest_on_ways_m(ends, tables) >= CLOSEST_M + _SWAY_MARGIN_M:
            break
    else:
        raise RuntimeError(f"no {kind} in {room.name} keeps people {CLOSEST_M} m apart")
    cycle_s = max(float(time_s[-1]) for time_s, _ in tables) + _REST_S
    return tuple(
        _stroll(*end, *table, cycle_s=cycle_s, rng=rng) for end, table in zip(ends, tables, strict=True)
    ), cycle_s


def _closest_on_ways_m(ends: list["Ends"], tables: list["Table"]) -> float:
    """Return the smallest distance between two people at any one moment, swaying aside; infinite for one alone."""
    grid = np.arange(0.0, max(float(time_s[-1]) for time_s, _ in tables), 0.02)
    places = []
    for (start, end), (time_s, along_m) in zip(ends, tables, strict=True):
        gone = np.interp(grid, time_s, along_m)
        places.append(start + gone[:, None] * (end - start) / np.linalg.norm(end - start))
    gaps = [np.hypot(*(one - other).T).min() for index, one in enumerate(places) for other in places[:index]]
    return float(min(gaps, default=math.inf))


Table = tuple[FloatArray, FloatArray]
Ends = tuple[FloatArray, FloatArray]


def _stroll(
    start_m: FloatArray, end_m: FloatArray, time_s: FloatArray, along_m: FloatArray, *,
    cycle_s: float, rng: np.random.Generator,
) -> Stroll:  # fmt: skip
    """Make a stroll of somebody who sways by some millimetres (quiet stance, mostly below 0.6 Hz)."""
    return Stroll(
        (float(start_m[0]), float(start_m[1])),
        (float(end_m[0]), float(end_m[1])),
        time_s,
        along_m,
        cycle_s=cycle_s,
        sway_m=rng.uniform(0.001, 0.003, (2, 2)),
        sway_hz=np.stack([rng.uniform(0.08, 0.25, 2), rng.uniform(0.3, 0.6, 2)]),
        sway_rad=rng.uniform(0.0, 2.0 * math.pi, (2, 2)),
    )


def _drawn_ends(ways: tuple[Way, ...], rng: np.random.Generator) -> list[Ends]:
    moved = np.asarray(ways) + rng.uniform(-_SCATTER_M, _SCATTER_M, (len(ways), 2, 2))
    return [(start, end) for start, end in moved]


def _walked(ends: Ends, begin_s: float, speed_mps: float) -> Table:
    """Return the table of somebody who walks from one end to the other."""
    time_s, along_m = strode(float(np.linalg.norm(ends[1] - ends[0])), speed_mps)
    return begin_s + time_s, along_m


def _together(room: Room, ways: tuple[Way, ...], rng: np.random.Generator) -> tuple[list[Ends], list[Table]]:
    """Let all set out at about the same time, within 0.4 s, each at a speed of their own."""
    ends = _drawn_ends(ways, rng)
    begin_s = rng.uniform(0.4, 0.8)
    return ends, [_walked(end, begin_s + rng.uniform(0.0, 0.4), rng.uniform(*_SPEED_MPS)) for end in ends]


def _meeting(room: Room, ways: tuple[Way, ...], rng: np.random.Generator) -> tuple[list[Ends], list[Table]]:
    """Let all reach the middles of their ways, about which these cross, at about the same time, within 1.2 s."""
    ends = _drawn_ends(ways, rng)
    while not all(_cross(one, other) for index, one in enumerate(ends) for other in ends[:index]):
        ends = _drawn_ends(ways, rng)
    tables = [_walked(end, 0.0, rng.uniform(*_SPEED_MPS)) for end in ends]
    begins = [rng.uniform(-0.6, 0.6) - 0.5 * float(time_s[-1]) for time_s, _ in tables]
    first_s = rng.uniform(0.4, 0.8) - min(begins)
    return ends, [
        (time_s + begin_s + first_s, along_m) for begin_s, (time_s, along_m) in zip(begins, tables, strict=True)
    ]


def _cross(one: Ends, other: Ends) -> bool:
    """Return whether two ways cross, each in the middle half of it."""
    (ax, ay), (bx, by), (cx, cy) = one[1] - one[0], other[1] - other[0], other[0] - one[0]
    area = ax * by - ay * bx
    if abs(area) < 1e-6:
        return False
    shares = (cx * by - cy * bx) / area, (cx * ay - cy * ax) / area
    return all(0.25 < share < 0.75 for share in shares)


def _alike(room: Room, ways: tuple[Way, ...], rng: np.random.Generator) -> tuple[list[Ends], list[Table]]:
    """Let a second one walk so that both paths by way of a body change alike at the bistatic receiver.

    The second one's path is the first one's, a constant longer, and by 1 to 3 Hz of Doppler shift at 26 GHz slower.
    """
    first, second = _drawn_ends(ways, rng)
    time_s, along_m = _walked(first, rng.uniform(0.4, 0.8), rng.uniform(*_SPEED_MPS))
    slower = rng.uniform(1.0, 3.0) * _WAVELENGTH_M
    direction = (first[1] - first[0]) / along_m[-1]
    length_m = _path_m(room, first[0] + along_m[:, None] * direction)
    ramp = np.gradient(along_m, time_s)
    slip = np.concatenate([[0.0], np.cumsum(0.5 * (ramp[1:] + ramp[:-1]) * np.diff(time_s))]) / ramp.max()
    sense = np.sign(length_m[-1] - length_m[0])
    wanted = length_m - length_m[0] - sense * slower * slip
    grid = np.linspace(0.0, float(np.linalg.norm(second[1] - second[0])), 400)
    changed = _path_m(room, second[0] + grid[:, None] * (second[1] - second[0]) / grid[-1])
    changed = sense * (changed - changed[0])
    gone = np.interp(sense * wanted, np.maximum.accumulate(changed), grid)
    return [first, second], [(time_s, along_m), (time_s, gone)]


_WAVELENGTH_M: Final = 0.0115


def _path_m(room: Room, position_m: FloatArray) -> FloatArray:
    """Return lengths (n,) of the paths from transmitter over places (n, 2) to the receiver."""
    receiver = (room.receiver.x_m, room.receiver.y_m)
    tx, rx = (np.linalg.norm(position_m - np.asarray(end), axis=1) for end in (room.transmitter_m, receiver))
    return np.asarray(tx + rx)


LAB: Final = Room(
    name="lab",
    corners_m=((-4.0, 0.0), (4.0, 0.0), (4.0, 7.0), (-4.0, 7.0)),
    wall_loss_db=(10.0, 9.0, 12.0, 10.0),
    furniture=(
        Furniture(center_m=(-3.7, 5.9), size_m=(0.4, 1.6), rcs_m2=1.5, points=5),  # cupboards on the left
        Furniture(center_m=(0.4, 6.7), size_m=(3.2, 0.5), rcs_m2=2.0, points=7),  # benches at the back
        Furniture(center_m=(3.4, 6.2), size_m=(0.8, 0.8), rcs_m2=2.5),  # a rack
        Furniture(center_m=(2.9, 1.2), size_m=(1.6, 0.8), rcs_m2=1.0),  # a table on the right
        Furniture(center_m=(-3.3, 0.8), size_m=(0.8, 0.8), rcs_m2=0.8),  # a trolley
    ),
    receiver=Pose(x_m=-0.4, y_m=0.4, yaw_rad=math.radians(8.0)),
    transmitter_m=(3.14, 3.94),
    transmitter_yaw_rad=math.radians(85.0),
    radar=Pose(x_m=-1.6, y_m=0.3, yaw_rad=math.radians(-5.0)),
    ways={
        "parallel": (((-3.2, 3.0), (1.1, 4.4)), ((-3.1, 4.5), (1.3, 5.8))),
        "crossing": (((-3.2, 3.0), (1.2, 5.6)), ((1.1, 4.3), (-3.2, 4.7))),
        "crossing3": (((-3.2, 3.0), (1.2, 5.6)), ((1.1, 4.3), (-3.2, 4.7)), ((-0.8, 6.1), (-1.3, 2.2))),
        "standing": (((-1.2, 3.8), (-0.4, 0.4)),),
        "walk": (((-2.8, 2.4), (1.0, 5.4)),),
        "pair": (((-2.9, 3.0), (0.9, 4.3)), ((-3.0, 4.4), (1.1, 5.8))),
    },
)
"""A laboratory of 8 by 7 m: benches along the walls, the transmitter on the right."""

OFFICE: Final = Room(
    name="office",
    corners_m=((-5.0, 0.0), (5.0, 0.0), (5.0, 6.0), (-5.0, 6.0)),
    wall_loss_db=(11.0, 10.0, 7.0, 12.0),
    furniture=(
        Furniture(center_m=(-3.9, 1.2), size_m=(1.6, 0.8), rcs_m2=1.2, points=5),  # desks on the left
        Furniture(center_m=(-3.9, 2.6), size_m=(1.6, 0.8), rcs_m2=1.2, points=5),
        Furniture(center_m=(-3.9, 5.4), size_m=(1.6, 0.8), rcs_m2=1.5, points=5),
        Furniture(center_m=(-1.0, 0.8), size_m=(1.4, 0.7), rcs_m2=0.8),
        Furniture(center_m=(-2.6, 3.8), size_m=(0.5, 0.5), rcs_m2=0.5, points=3),  # chairs
        Furniture(center_m=(-2.9, 2.0), size_m=(0.5, 0.5), rcs_m2=0.5, points=3),
        Furniture(center_m=(-0.3, 5.8), size_m=(1.6, 0.3), rcs_m2=3.0, points=6),  # steel cabinets at the back
        Furniture(center_m=(3.2, 5.8), size_m=(1.2, 0.3), rcs_m2=1.5),  # shelves
        Furniture(center_m=(4.7, 0.9), size_m=(0.4, 0.8), rcs_m2=1.5),  # a printer
        Furniture(center_m=(4.8, 3.4), size_m=(0.2, 1.2), rcs_m2=1.0),  # a radiator
    ),
    receiver=Pose(x_m=1.6, y_m=0.4, yaw_rad=math.radians(-14.0)),
    transmitter_m=(-1.72, 4.66),
    transmitter_yaw_rad=math.radians(-105.0),
    radar=Pose(x_m=3.4, y_m=0.3, yaw_rad=math.radians(12.0)),
    ways={
        "parallel": (((0.9, 4.2), (4.2, 1.9)), ((1.2, 5.2), (4.3, 3.1))),
        "crossing": (((0.5, 4.7), (4.3, 2.7)), ((4.2, 4.0), (1.0, 3.7))),
        "crossing3": (((0.5, 4.7), (4.3, 2.7)), ((4.2, 4.0), (1.0, 3.7)), ((2.7, 1.7), (2.3, 5.3))),
        "standing": (((2.6, 3.4), (1.6, 0.4)),),
        "walk": (((0.9, 4.6), (4.2, 2.2)),),
        "pair": (((0.9, 4.3), (4.0, 2.1)), ((1.2, 5.2), (4.2, 3.2))),
    },
)
"""An office of 10 by 6 m with more furniture, half of it before the transmitter, which is on the left."""

ROOMS: Final[dict[str, Room]] = {room.name: room for room in (LAB, OFFICE)}
"""Rooms by name."""
