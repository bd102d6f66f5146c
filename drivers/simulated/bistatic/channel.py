"""The channel from a transmitter to a bistatic receiver through a room: eq. 1 of indoor-multi-person-isac-26ghz.

A path of length L by way of a point adds ``b exp(-2j pi f L / c) exp(2j pi p sin(a))`` at frequency f, the carrier
included, and element p (wavelengths), a being the azimuth it arrives from. Its length is that at the very time of the
block, so Doppler shifts need no separate term. `b` has no frequency in it and follows the radar equation:

=====================  =======================================================================
direct path            ``lambda / (4 pi d)``
mirror of a wall       ``lambda / (4 pi d)`` over the mirrored distance, less the loss of the wall
point of a body        ``lambda sqrt(rcs) / ((4 pi)^1.5 d1 d2)``
=====================  =======================================================================

times the patterns of both antennas, times what people in the way take. If asked for, each wall also shows each person a
second and a third time: on the way to the person, and on the way from it. **Not modelled**: other echoes with two
bounces, elevation, polarisation, coupling of elements, near fields.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.drivers.simulated.bodies import glints_of
from isactrack.drivers.simulated.paths import motions_of
from isactrack.drivers.simulated.scene import Scene
from isactrack.errors import ConfigError
from isactrack.geometry import Pose
from isactrack.ofdm import ArrayModel, OfdmSensor
from isactrack.units import SPEED_OF_LIGHT_MPS

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

SHADOW_RADIUS_M: Final = 0.2
"""Radius of the cylinder that a person is to a path that goes by."""
DIRECT_SHADOW_DB: Final = 15.0
"""Most that one person takes from the direct path, and from a leg by way of a wall: 10 to 20 dB at 26 GHz."""
PATH_SHADOW_DB: Final = 10.0
"""Most that one person takes from a leg of a path that is scattered, which is wider at that end."""
_LEAST_ZONE_M: Final = 0.02
_NEAREST_M: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Pattern of an antenna in the plane: power ``floor + (1 - floor) max(cos(a), 0)^exponent``.

    Attributes
    ----------
    exponent
        0 for an antenna that is alike in all directions.
    floor_db
        Level to the sides and behind.
    """

    exponent: float = 2.0
    floor_db: float = -25.0

    def amplitude(self, cosine: ArrayLike) -> FloatArray:
        """Return amplitudes at cosines of the angle from boresight."""
        if self.exponent == 0.0:
            return np.ones_like(np.asarray(cosine, dtype=np.float64))
        floor = 10.0 ** (self.floor_db / 10.0)
        return np.asarray(np.sqrt(floor + (1.0 - floor) * np.maximum(cosine, 0.0) ** self.exponent))


ISOTROPIC: Final = Pattern(exponent=0.0)
"""Alike in all directions."""


@dataclass(frozen=True, slots=True)
class _Comb:
    """Frequencies at which the channel is computed: `index` picks them from an even comb.

    Attributes
    ----------
    first_hz, step_hz, count
        The comb, the carrier included.
    index
        Places (m,) of the wanted frequencies in it; None for all.
    static
        Channel (s, rows * m) of each static path, the direct one first.
    """

    first_hz: float
    step_hz: float
    count: int
    index: NDArray[np.int64] | None
    static: ComplexArray = field(repr=False)


class BistaticChannel:
    """The noise-free channel of a scene.

    Parameters
    ----------
    scene
        What is there. A scene of a room is seen from `pose`; another one is in the receiver's frame.
    sensor
        The radio. Its rows are elements, or for `ArrayModel.BEAMSPACE` their discrete Fourier transform.
    pose
        Where the receiver stands in the room; None for the room's own place for it.
    tx_position_m
        The transmitter in the receiver's frame; None for the room's, or without a room for the sensor's.
    receiver_pattern, transmitter_pattern
        Patterns of a row and of the transmitter. Without a room the transmitter looks halfway between the receiver and
        a point 3 m before it.
    shadowing
        Whether people take power from paths that they stand in.
    ghosts
        Whether people are also seen by way of the walls of a room, each as one point.

    Attributes
    ----------
    tx_m
        The transmitter in the receiver's frame.
    direct_length_m, direct_azimuth_rad, direct_amplitude
        The direct path: length, azimuth of arrival and amplitude without shadows.

    Raises
    ------
    ConfigError
        If it is not known where the transmitter stands, it stands where the receiver does, or rows or streams are of a
        kind that is not simulated.
    """

    def __init__(
        self,
        scene: Scene,
        sensor: OfdmSensor,
        pose: Pose | None = None,
        *,
        tx_position_m: tuple[float, float] | None = None,
        receiver_pattern: Pattern = Pattern(exponent=2.0, floor_db=-25.0),
        transmitter_pattern: Pattern = Pattern(exponent=1.0, floor_db=-20.0),
        shadowing: bool = True,
        ghosts: bool = False,
    ) -> None:
        if sensor.tx_streams != 1 or sensor.array not in (ArrayModel.ULA, ArrayModel.BEAMSPACE):
            raise ConfigError(
                f"a radio with {sensor.tx_streams} streams and an array of kind {sensor.array} is not simulated",
                "use one transmit stream and an array of kind ula or beamspace",
            )
        room = scene.room
        pose = pose or (room.receiver if room else Pose())
        where = tx_position_m or (room.transmitter_in(pose) if room else sensor.tx_position_m)
        if where is None:
            raise ConfigError(
                "it is not known where the transmitter stands", "give its x_m and y_m in the profile of the radio"
            )
        self._scene = scene.seen_from(pose)
        self._sensor = sensor
        self._patterns = receiver_pattern, transmitter_pattern
        self._shadowing = shadowing
        self.tx_m = np.asarray(where, dtype=np.float64)
        self.direct_length_m = float(np.linalg.norm(self.tx_m))
        if self.direct_length_m < _NEAREST_M:
            raise ConfigError("the transmitter stands where the receiver does", "give it a place of its own")
        self.direct_azimuth_rad = math.atan2(self.tx_m[0], self.tx_m[1])
        if room:
            yaw = room.transmitter_yaw_rad - pose.yaw_rad
            self._tx_looks = np.array([-math.sin(yaw), math.cos(yaw)])
        else:
            to_rx, to_front = -self.tx_m, np.array([0.0, 3.0]) - self.tx_m
            halfway = to_rx / np.linalg.norm(to_rx) + to_front / np.linalg.norm(to_front)
            self._tx_looks = halfway / np.linalg.norm(halfway)
        walls = pose.to_sensor(room.walls_m) if room else np.zeros((0, 2, 2))
        self._place_static(walls, room.wall_loss_db if room else ())
        self._ghost_walls = walls if ghosts else walls[:0]
        self._ghost_left = 10.0 ** (-np.asarray(room.wall_loss_db if room and ghosts else ()) / 20.0)
        self.direct_amplitude = float(abs(self._static_gain[0]))
        tones = np.asarray(sensor.tones)
        self._comb = self._make_comb(tones)
        self._wide: tuple[NDArray[np.int64], _Comb] | None = None

    # --- what is asked for -------------------------------------------------------------------------------------------

    def csi(self, times_s: ArrayLike, *, direct_gain: ArrayLike = 1.0) -> ComplexArray:
        """Return the channel (b, rows, tones) at the sensing tones.

        Parameters
        ----------
        times_s
            Times (b,) on the scene's clock as the device has it.
        direct_gain
            Factors (b,) of the amplitude of the direct path, beyond the shadows of the scene's people.
        """
        return self._channel(np.atleast_1d(np.asarray(times_s, dtype=np.float64)), self._comb, direct_gain)

    def spectrum(
        self, times_s: ArrayLike, subcarriers: NDArray[np.int64], *, direct_gain: ArrayLike = 1.0
    ) -> ComplexArray:
        """Return the channel (b, rows, m) at any subcarriers (m,), ascending; otherwise as `csi`."""
        if self._wide is None or not np.array_equal(self._wide[0], subcarriers):
            self._wide = np.array(subcarriers), self._make_comb(np.asarray(subcarriers))
        return self._channel(np.atleast_1d(np.asarray(times_s, dtype=np.float64)), self._wide[1], direct_gain)

    def moving_paths(self, times_s: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return lengths, azimuths of arrival and amplitudes (b, k) of the paths by way of who moves."""
        length, azimuth_sine, cosine, gain, _ = self._moving(np.atleast_1d(np.asarray(times_s, dtype=np.float64)))
        return length, np.arctan2(azimuth_sine, cosine), np.abs(gain)

    # --- paths -------------------------------------------------------------------------------------------------------

    def _place_static(self, walls_m: FloatArray, loss_db: tuple[float, ...]) -> None:
        """Set lengths, azimuths and gains of the direct path, of the mirrors of walls and of still points, in order."""
        points = self._scene.static
        mirror = _mirrors(walls_m, self.tx_m)
        places = np.concatenate([mirror, points.position_m])
        legs = np.linalg.norm(places - self.tx_m, axis=1), np.linalg.norm(places, axis=1)
        wavelength = self._sensor.wavelength_m
        n = len(mirror)
        lost = 10.0 ** (-np.asarray(loss_db, dtype=np.float64) / 20.0)
        amplitude = np.empty(len(places))
        amplitude[:n] = lost * wavelength / (4.0 * math.pi * (legs[0] + legs[1])[:n])
        amplitude[n:] = _scattered(wavelength, points.rcs_m2, legs[0][n:], legs[1][n:])
        phase = np.concatenate([np.full(n, math.pi), points.phase_rad])
        direct = wavelength / (4.0 * math.pi * self.direct_length_m) * self._seen(self.tx_m[None], self._zero[None])
        self._static_places = places
        # A mirror makes a straight path of two legs: it is as wide as one between an antenna and the other's image.
        images = (_mirrored(walls_m, np.broadcast_to(end, (n, 2))) for end in (self._zero, self.tx_m))
        self._leg_ends = tuple(np.concatenate([image, points.position_m]) for image in images)
        self._leg_most_db = np.concatenate([np.full(n, DIRECT_SHADOW_DB), np.full(len(places) - n, PATH_SHADOW_DB)])
        self._static_length = np.concatenate([[self.direct_length_m], legs[0] + legs[1]])
        self._static_sine = np.concatenate([[math.sin(self.direct_azimuth_rad)], places[:, 0] / legs[1]])
        self._static_gain = np.concatenate([direct, amplitude * np.exp(1j * phase) * self._seen(places, places)])

    @property
    def _zero(self) -> FloatArray:
        return np.zeros(2)

    def _seen(self, from_rx_m: FloatArray, from_tx_m: FloatArray) -> FloatArray:
        """Return the product (...,) of both antennas' patterns towards places (..., 2)."""
        receiver, transmitter = self._patterns
        away = from_tx_m - self.tx_m
        at_rx = from_rx_m[..., 1] / np.maximum(np.hypot(from_rx_m[..., 0], from_rx_m[..., 1]), 1e-9)
        at_tx = (away @ self._tx_looks) / np.maximum(np.hypot(away[..., 0], away[..., 1]), 1e-9)
        return receiver.amplitude(at_rx) * transmitter.amplitude(at_tx)

    def _make_comb(self, subcarriers: NDArray[np.int64]) -> _Comb:
        sensor = self._sensor
        step = int(np.gcd.reduce(np.diff(subcarriers))) if len(subcarriers) > 1 else 1
        index = (subcarriers - subcarriers[0]) // step
        count = int(index[-1]) + 1
        first_hz = sensor.carrier_frequency_hz + float(subcarriers[0]) * sensor.subcarrier_spacing_hz
        step_hz = step * sensor.subcarrier_spacing_hz
        frequency = first_hz + index * step_hz
        delay = _turn(frequency * self._static_length[:, None] / SPEED_OF_LIGHT_MPS)
        rows = self._rows(self._static_sine)
        static = (self._static_gain[:, None] * delay)[:, None, :] * rows[:, :, None]
        picked = None if count == len(subcarriers) else index
        return _Comb(first_hz, step_hz, count, picked, static.reshape(len(static), -1))

    def _rows(self, sine: FloatArray) -> ComplexArray:
        """Return the responses (..., rows) of the array to sines of azimuths (...)."""
        elements = _turn(-sine[..., None] * np.asarray(self._sensor.rx_positions))
        if self._sensor.array is ArrayModel.BEAMSPACE:
            return np.asarray(np.fft.fft(elements, axis=-1, norm="ortho"))
        return elements

    def _channel(self, times_s: FloatArray, comb: _Comb, direct_gain: ArrayLike) -> ComplexArray:
        length, sine, _, gain, people = self._moving(times_s)
        weight = self._static_weights(people, len(times_s))
        weight[:, 0] *= np.asarray(direct_gain)
        rows = len(self._sensor.rx_positions)
        total = (weight @ comb.static).reshape(len(times_s), rows, -1)
        if length.shape[1]:
            step = _turn(comb.step_hz / SPEED_OF_LIGHT_MPS * length)
            start = gain * _turn(np.modf(comb.first_hz / SPEED_OF_LIGHT_MPS * length)[0])
            teeth = _geometric(start, step, comb.count)
            if comb.index is not None:
                teeth = teeth[..., comb.index]
            total += np.matmul(self._rows(sine).swapaxes(1, 2), teeth)
        return np.asarray(total)

    def _moving(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, ComplexArray, FloatArray]:
        """Return lengths, sines and cosines of azimuths, gains (b, k), and where people are (b, people, 2).

        Somebody who is not there at a time is far away then, and reflects nothing.
        """
        blocks = len(times_s)
        scene_s = self._scene.scene_times(times_s)
        centres, points, rcs, phases, owner = [], [], [], [], []
        for target in self._scene.targets:
            there = np.array([target.path.present(float(time)) for time in scene_s])
            if not there.any():
                continue
            motions = motions_of(target.path, scene_s[there])
            glints = glints_of(target.body, motions, scene_s[there], self.tx_m, self._zero)
            n = glints.rcs_m2.shape[1]
            place, section = np.full((blocks, n, 2), 1e6), np.zeros((blocks, n))
            place[there], section[there] = glints.position_m, glints.rcs_m2
            centre = np.full((blocks, 2), 1e6)
            centre[there] = motions.position_m
            centres.append(centre)
            points.append(place)
            rcs.append(section)
            phases.append(glints.phase_rad)
            owner += [len(centres) - 1] * n
        if not centres:
            none = np.zeros((blocks, 0))
            return none, none, none, none.astype(np.complex128), np.zeros((blocks, 0, 2))
        people, place, section = np.stack(centres, axis=1), np.concatenate(points, axis=1), np.concatenate(rcs, axis=1)
        from_tx = np.hypot(*np.moveaxis(place - self.tx_m, -1, 0))
        from_rx = np.hypot(place[..., 0], place[..., 1])
        amplitude = _scattered(self._sensor.wavelength_m, section, from_tx, from_rx) * self._seen(place, place)
        left = self._shadows_on_people(people)
        amplitude *= left[:, owner]
        gain = amplitude * np.exp(1j * np.concatenate(phases))
        seen = from_tx + from_rx, place[..., 0] / from_rx, place[..., 1] / from_rx, gain
        if len(self._ghost_walls):
            whole = np.stack([each.sum(axis=1) for each in rcs], axis=1)
            ghosts = self._ghosts(people, np.sqrt(whole) * left)
            length, sine, cosine, gain = (np.concatenate(pair, axis=1) for pair in zip(seen, ghosts, strict=True))
            return length, sine, cosine, gain, people
        return *seen, people

    def _ghosts(
        self, people: FloatArray, root_rcs_m: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, ComplexArray]:
        """Return lengths, sines and cosines of azimuths and gains (b, k) of people seen by way of walls.

        A wall before the person makes the leg from the transmitter that to the person's mirror image, and one behind
        it the leg to the receiver that from the image.
        """
        person = np.repeat(people[:, :, None], len(self._ghost_walls), axis=2)
        image = _mirrored(self._ghost_walls, person)
        lost = root_rcs_m[:, :, None] ** 2 * self._ghost_left**2
        parts = []
        for at_tx, at_rx in ((image, person), (person, image)):
            from_tx, from_rx = np.hypot(*np.moveaxis(at_tx - self.tx_m, -1, 0)), np.hypot(*np.moveaxis(at_rx, -1, 0))
            left = _scattered(self._sensor.wavelength_m, lost, from_tx, from_rx) * self._seen(at_rx, at_tx)
            parts.append((from_tx + from_rx, at_rx[..., 0] / from_rx, at_rx[..., 1] / from_rx, left))
        blocks = len(people)
        length, sine, cosine, gain = (
            np.concatenate([one.reshape(blocks, -1), other.reshape(blocks, -1)], axis=1)
            for one, other in zip(*parts, strict=True)
        )
        return length, sine, cosine, gain.astype(np.complex128)

    # --- shadows -----------------------------------------------------------------------------------------------------

    def _static_weights(self, people: FloatArray, blocks: int) -> FloatArray:
        """Return what is left (b, s) of the amplitudes of the static paths."""
        if not self._shadowing or not people.shape[1]:
            return np.ones((blocks, len(self._static_length)))
        wavelength = self._sensor.wavelength_m
        direct = shadow_db(people[:, :, None], self.tx_m[None], self._zero[None], wavelength, DIRECT_SHADOW_DB)
        legs = [
            shadow_db(people[:, :, None], begin[None], end, wavelength, self._leg_most_db)
            for begin, end in zip((self.tx_m, self._zero), self._leg_ends, strict=True)
        ]
        loss = np.concatenate([direct, legs[0] + legs[1]], axis=2).sum(axis=1)
        return np.asarray(10.0 ** (-loss / 20.0))

    def _shadows_on_people(self, people: FloatArray) -> FloatArray:
        """Return what is left (b, people) of the amplitudes of the paths by way of each, behind the others."""
        if not self._shadowing or people.shape[1] < 2:
            return np.ones(people.shape[:2])
        wavelength = self._sensor.wavelength_m
        loss = sum(
            shadow_db(people[:, :, None], end[None, None, None], people[:, None], wavelength, PATH_SHADOW_DB)
            for end in (self.tx_m, self._zero)
        )
        others = 1.0 - np.eye(people.shape[1])
        return np.asarray(10.0 ** (-np.sum(loss * others, axis=1) / 20.0))


def shadow_db(
    person_m: FloatArray, begin_m: FloatArray, end_m: FloatArray, wavelength_m: float, most_db: ArrayLike
) -> FloatArray:
    """Return what people at places (..., 2) take from straight paths between points (..., 2), dB; shapes broadcast.

    It follows how far the edge of the body is from the path, in radii of the first Fresnel zone there: all from one
    and a half inside on, half of it on the path, next to nothing at one outside. Beyond its ends a path has no shadow.
    """
    way = end_m - begin_m
    length = np.maximum(np.hypot(way[..., 0], way[..., 1]), 1e-9)
    way = way / length[..., None]
    offset = person_m - begin_m
    along = offset[..., 0] * way[..., 0] + offset[..., 1] * way[..., 1]
    across = np.abs(offset[..., 0] * way[..., 1] - offset[..., 1] * way[..., 0])
    zone = np.sqrt(wavelength_m * np.maximum(along * (length - along), 0.0) / length)
    beyond = np.maximum(np.maximum(-along, along - length), 0.0)
    clearance = (np.hypot(across, beyond) - SHADOW_RADIUS_M) / np.maximum(zone, _LEAST_ZONE_M)
    return np.asarray(0.5 * np.asarray(most_db) * (1.0 - np.tanh(2.0 * clearance)))


def _scattered(wavelength_m: float, rcs_m2: FloatArray, from_tx_m: FloatArray, from_rx_m: FloatArray) -> FloatArray:
    """Return amplitudes of paths by way of points: the square root of the bistatic radar equation."""
    spread = (4.0 * math.pi) ** 1.5 * np.maximum(from_tx_m, _NEAREST_M) * np.maximum(from_rx_m, _NEAREST_M)
    return np.asarray(wavelength_m * np.sqrt(rcs_m2) / spread)


def _mirrors(walls_m: FloatArray, tx_m: FloatArray) -> FloatArray:
    """Return where (w, 2) walls (w, 2, 2) mirror the transmitter towards the origin.

    Raises
    ------
    ConfigError
        If a wall has no such place: transmitter and receiver are not both inside a convex room.
    """
    begin, way = walls_m[:, 0], walls_m[:, 1] - walls_m[:, 0]
    length = np.linalg.norm(way, axis=1)
    normal = np.stack([-way[:, 1], way[:, 0]], axis=1) / np.maximum(length, 1e-9)[:, None]
    tx_off, rx_off = np.sum((tx_m - begin) * normal, axis=1), np.sum(-begin * normal, axis=1)
    if np.any(tx_off * rx_off <= 0.0):
        raise ConfigError("the receiver or the transmitter is not in the room", "give the receiver another pose")
    share = rx_off / (rx_off + tx_off)
    return np.asarray(
        share[:, None] * (tx_m - normal * tx_off[:, None]) + (1.0 - share)[:, None] * (-normal * rx_off[:, None])
    )


def _mirrored(walls_m: FloatArray, place_m: FloatArray) -> FloatArray:
    """Return the mirror images (..., w, 2) of places (..., w, 2), one a wall (w, 2, 2)."""
    begin, way = walls_m[:, 0], walls_m[:, 1] - walls_m[:, 0]
    normal = np.stack([-way[:, 1], way[:, 0]], axis=1) / np.linalg.norm(way, axis=1)[:, None]
    off = np.sum((place_m - begin) * normal, axis=-1, keepdims=True)
    return np.asarray(place_m - 2.0 * off * normal)


def _turn(cycles: FloatArray) -> ComplexArray:
    """Return ``exp(-2j pi cycles)``."""
    return np.asarray(np.exp(-2j * math.pi * cycles))


def _geometric(start: ComplexArray, factor: ComplexArray, count: int) -> ComplexArray:
    """Return ``start factor^n`` (..., count) for numbers (...), by doubling."""
    made = np.empty((*start.shape, count), dtype=np.complex128)
    made[..., 0] = start
    factor = factor[..., None]
    done = 1
    while done < count:
        more = min(done, count - done)
        np.multiply(made[..., :more], factor, out=made[..., done : done + more])
        factor = factor * factor
        done += more
    return made
