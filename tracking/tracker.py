"""From detections to tracks: constant-velocity Kalman filters, one global assignment a step, M-of-N life cycle."""

import math
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from isactrack.detections import Detections
from isactrack.errors import ConfigError, IsacError
from isactrack.tracking import kalman, motion
from isactrack.tracking.gnn import associate
from isactrack.tracks import Track, TrackStatus

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Settings of a `Tracker`; the defaults fit people who walk indoors, seen about ten times a second.

    Attributes
    ----------
    acceleration_std_mps2
        Standard deviation of the acceleration along each axis, constant within a step.
    gate_probability
        Share of a target's own detections that its gate lets through.
    confirm_hits, confirm_window
        A track is confirmed once it was seen in `confirm_hits` of its last `confirm_window` steps, birth included.
    max_misses_tentative, max_misses_confirmed
        Steps in a row that a track may go unseen; it is dropped at the next one.
    max_position_std_m
        A track is dropped before it is associated once the larger half-axis of its one-sigma position ellipse exceeds
        this: after a long gap in time its gate would take in anything.
    birth_velocity_std_mps
        Standard deviation of a new track's velocity across the line of sight, where nothing is measured.
    radial_velocity_std_mps
        Standard deviation of a measured radial velocity against the target's own, limbs included.
    min_position_std_m
        No detection is taken for more precise than this in any direction: the centre of reflection wanders over the
        body.
    use_radial_velocity
        Whether the gate and the cost of an association are three-dimensional, position and radial velocity, or hold
        the position only. New tracks take their velocity from the radial velocity either way. Both take it as the
        sensor measures it, folded into plus or minus `FmcwSensor.velocity_max_mps`: it is not unfolded, so a target
        that is faster than that starts with a wrong velocity and falls out of the three-dimensional gate. For such
        targets choose a profile with a higher limit, or False here.
    merge_distance_m, merge_velocity_mps, merge_steps
        Of two tracks that stay within this distance and difference of velocity for this many steps in a row, the less
        established one is dropped: confirmed before tentative, then the older. A detection within the same distance
        of a confirmed track that took another one in the same step is a second echo of the same body and goes to no
        tentative track; nor does it start one, near a tentative track either. Two people who always stay closer than
        this and move alike are one track.
    """

    acceleration_std_mps2: float = 2.0
    gate_probability: float = 0.99
    confirm_hits: int = 4
    confirm_window: int = 6
    max_misses_tentative: int = 2
    max_misses_confirmed: int = 15
    max_position_std_m: float = 2.0
    birth_velocity_std_mps: float = 1.0
    radial_velocity_std_mps: float = 0.25
    min_position_std_m: float = 0.1
    use_radial_velocity: bool = True
    merge_distance_m: float = 0.5
    merge_velocity_mps: float = 0.5
    merge_steps: int = 4

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and not (math.isfinite(value) and value >= 0.0):
                raise ConfigError(f"{field.name} is {value}", "give a finite number, 0 or more")
            if field.type is int and not isinstance(value, int):
                raise ConfigError(f"{field.name} is {value!r}", "give a whole number of steps")
        positive = ("max_position_std_m", "min_position_std_m", "birth_velocity_std_mps", "radial_velocity_std_mps")
        for name in positive:
            if getattr(self, name) == 0.0:
                raise ConfigError(f"{name} is 0", "give a positive standard deviation")
        if not 0.0 < self.gate_probability < 1.0:
            raise ConfigError(f"gate_probability is {self.gate_probability}", "give a share between 0 and 1, e.g. 0.99")
        if not 1 <= self.confirm_hits <= self.confirm_window:
            raise ConfigError(
                f"confirm_hits is {self.confirm_hits} of confirm_window {self.confirm_window} steps",
                "give 1 <= confirm_hits <= confirm_window, e.g. 4 of 6",
            )
        for name, least in (("max_misses_tentative", 0), ("max_misses_confirmed", 0), ("merge_steps", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}", f"give a number of steps, {least} or more")

    @property
    def gate(self) -> float:
        """Largest squared Mahalanobis distance of a pair: the chi-square quantile of eq. 70 or, in 2D, eq. 68."""
        return float(chdtri(3 if self.use_radial_velocity else 2, 1.0 - self.gate_probability))


@dataclass(frozen=True, slots=True, eq=False)
class _Tracks:
    """All tracks, oldest first, one row each.

    `hits` (n, window) holds the last steps with the newest first, `misses` the steps in a row without a detection, and
    `together` (n, n) for how many steps two tracks have moved as one.
    """

    mean: FloatArray
    covariance: FloatArray
    track_id: NDArray[np.int64]
    age: NDArray[np.int64]
    misses: NDArray[np.int64]
    confirmed: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    together: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def new(cls, mean: FloatArray, covariance: FloatArray, first_id: int, config: TrackerConfig) -> Self:
        n = len(mean)
        return cls(
            mean=mean,
            covariance=covariance,
            track_id=np.arange(first_id, first_id + n),
            age=np.ones(n, dtype=np.int64),
            misses=np.zeros(n, dtype=np.int64),
            confirmed=np.full(n, config.confirm_hits == 1),
            hits=np.tile(np.arange(config.confirm_window) == 0, (n, 1)),
            together=np.zeros((n, n), dtype=np.int64),
        )

    def take(self, keep: NDArray[np.bool_]) -> Self:
        if keep.all():
            return self
        rows = {f.name: getattr(self, f.name)[keep] for f in fields(self)}
        rows["together"] = rows["together"][:, keep]
        return type(self)(**rows)

    def joined(self, younger: Self) -> Self:
        rows = {
            f.name: np.concatenate([getattr(self, f.name), getattr(younger, f.name)])
            for f in fields(self)
            if f.name != "together"
        }
        together = np.zeros((len(self) + len(younger),) * 2, dtype=np.int64)
        together[: len(self), : len(self)] = self.together
        return type(self)(**rows, together=together)


class Tracker:
    """Follow targets in the plane of one sensor.

    A step predicts all tracks to the time of the detections, assigns detections to tracks (confirmed tracks choose
    first), updates, confirms, merges and drops, and starts a track from every detection that is left over.

    Parameters
    ----------
    config
        Settings; the defaults fit people who walk indoors.

    Examples
    --------
    >>> tracker = Tracker(TrackerConfig(max_misses_confirmed=20))
    >>> tracker.step(Detections.empty(time_s=0.0))
    []
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.reset()

    def reset(self) -> None:
        """Forget all tracks and the time; identities start from 1 again."""
        self._time_s: float | None = None
        self._next_id = 1
        self._tracks = _Tracks.new(np.zeros((0, 4)), np.zeros((0, 4, 4)), self._next_id, self.config)

    def step(self, detections: Detections) -> list[Track]:
        """Take in the detections of one coherent interval and return all tracks that are alive after it.

        Parameters
        ----------
        detections
            Detections later than those of the step before; the interval may vary and may hold nothing.

        Returns
        -------
        list of Track
            Tentative, confirmed and coasted tracks, oldest first.

        Raises
        ------
        IsacError
            If time does not advance or a number is not finite; the tracker is left as it was.
        """
        _require_finite(detections)
        self._require_later(detections.time_s)
        self._predict(detections.time_s)
        noise_m2 = _with_floor(detections.covariance_m2, self.config.min_position_std_m)
        seen, free = self._associate(detections, noise_m2)
        self._age(seen)
        self._merge()
        self._start(free, detections, noise_m2)
        return self._report(detections.time_s)

    def _require_later(self, time_s: float) -> None:
        if self._time_s is not None and time_s <= self._time_s:
            raise IsacError(
                f"detections at {time_s} s do not come after those at {self._time_s} s",
                "feed detections in order of time; call reset() before another run",
            )

    def _predict(self, time_s: float) -> None:
        dt_s = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if not len(self._tracks):
            return
        tracks = self._tracks
        tracks.mean[:], tracks.covariance[:] = kalman.predict(
            tracks.mean,
            tracks.covariance,
            motion.transition(dt_s),
            motion.process_noise(dt_s, self.config.acceleration_std_mps2),
        )
        spread = kalman.position_covariance(tracks.covariance)
        self._tracks = tracks.take(_largest_eigenvalue(spread) <= self.config.max_position_std_m**2)

    def _associate(self, detections: Detections, noise_m2: FloatArray) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Assign detections, update the tracks that got one, and return which these are and what nobody explains."""
        tracks = self._tracks
        seen, free = np.zeros(len(tracks), dtype=np.bool_), np.arange(len(detections))
        if not len(tracks) or not len(detections):
            return seen, free
        cost, miss_cost = self._costs(detections, noise_m2)
        # A tentative track, often a second echo of the same body, must never take a detection from a confirmed one.
        for group in (np.flatnonzero(tracks.confirmed), np.flatnonzero(~tracks.confirmed)):
            column = associate(cost[np.ix_(group, free)], miss_cost)
            taken = column[column >= 0]
            rows, own = group[column >= 0], free[taken]
            tracks.mean[rows], tracks.covariance[rows] = kalman.update(
                tracks.mean[rows], tracks.covariance[rows], detections.position_m[own], noise_m2[own]
            )
            seen[rows] = True
            free = np.delete(free, taken)
            apart = _distances(detections.position_m[free], tracks.mean[rows][:, kalman.POSITION])
            free = free[(apart > self.config.merge_distance_m).all(axis=1)]
        return seen, free

    def _costs(self, detections: Detections, noise_m2: FloatArray) -> tuple[FloatArray, float]:
        """Return minus twice the log likelihood of each pair, infinite beyond the gate, and the cost of a miss.

        A constant is left out. The log determinant keeps a vague track from winning over a sure one only because its
        Mahalanobis distances are small. A miss costs as much as the worst pair that the gate could let through.
        """
        tracks = self._tracks
        residual, spread = kalman.innovation(tracks.mean, tracks.covariance, detections.position_m, noise_m2)
        squared, log_det = kalman.mahalanobis(residual, spread)
        if self.config.use_radial_velocity:
            velocity, variance, cross = kalman.predicted_radial_velocity(tracks.mean, tracks.covariance)
            variance = variance[:, None] + self.config.radial_velocity_std_mps**2
            velocity_residual = detections.radial_velocity_mps[None, :] - velocity[:, None]
            more, log_variance = kalman.radial_velocity_terms(residual, spread, velocity_residual, variance, cross)
            squared, log_det = squared + more, log_det + log_variance
        gate = self.config.gate
        return np.where(squared <= gate, squared + log_det, np.inf), gate + float(log_det.max())

    def _age(self, seen: NDArray[np.bool_]) -> None:
        """Count the step, confirm what was seen often enough and drop what was missed too often."""
        tracks, config = self._tracks, self.config
        tracks.age[:] += 1
        tracks.misses[:] = np.where(seen, 0, tracks.misses + 1)
        tracks.hits[:, 1:] = tracks.hits[:, :-1].copy()
        tracks.hits[:, 0] = seen
        tracks.confirmed[:] |= tracks.hits.sum(axis=1) >= config.confirm_hits
        patience = np.where(tracks.confirmed, config.max_misses_confirmed, config.max_misses_tentative)
        self._tracks = tracks.take(tracks.misses <= patience)

    def _merge(self) -> None:
        """Drop the less established of two tracks that have moved as one for `merge_steps` steps."""
        tracks, config = self._tracks, self.config
        if len(tracks) < 2:
            return
        position, velocity = tracks.mean[:, ::2], tracks.mean[:, 1::2]
        near = _distances(position, position) <= config.merge_distance_m
        alike = np.asarray(near & (_distances(velocity, velocity) <= config.merge_velocity_mps))
        np.fill_diagonal(alike, False)
        tracks.together[:] = np.where(alike, tracks.together + 1, 0)
        one = tracks.together >= config.merge_steps
        if not one.any():
            return
        keep = np.ones(len(tracks), dtype=np.bool_)
        for row in np.argsort(~tracks.confirmed, kind="stable"):  # rows are in order of age
            if keep[row]:
                keep &= ~one[row]
        self._tracks = tracks.take(keep)

    def _start(self, free: NDArray[np.intp], detections: Detections, noise_m2: FloatArray) -> None:
        """Start tracks from the `free` detections, one for those that are echoes of the same body, the strongest."""
        free = free[np.argsort(-detections.snr_db[free], kind="stable")]
        position = detections.position_m[free]
        near = np.asarray(_distances(position, position) <= self.config.merge_distance_m)
        echo = np.zeros(free.size, dtype=np.bool_)
        born = []
        for row in range(free.size):
            if not echo[row]:
                born.append(free[row])
                echo |= near[row]
        if not born:
            return
        mean, covariance = birth(
            detections.position_m[born],
            noise_m2[born],
            detections.radial_velocity_mps[born],
            self.config.radial_velocity_std_mps,
            self.config.birth_velocity_std_mps,
        )
        self._tracks = self._tracks.joined(_Tracks.new(mean, covariance, self._next_id, self.config))
        self._next_id += len(born)

    def _report(self, time_s: float) -> list[Track]:
        tracks = self._tracks
        status = [
            TrackStatus.TENTATIVE if not confirmed else TrackStatus.COASTED if misses else TrackStatus.CONFIRMED
            for confirmed, misses in zip(tracks.confirmed, tracks.misses, strict=True)
        ]
        rows = zip(tracks.track_id.tolist(), status, tracks.mean, tracks.covariance, tracks.age.tolist(), strict=True)
        return [Track(i, s, time_s, mean.copy(), P.copy(), age) for i, s, mean, P, age in rows]


def birth(
    position_m: FloatArray,
    noise_m2: FloatArray,
    radial_velocity_mps: FloatArray,
    radial_velocity_std_mps: float,
    cross_velocity_std_mps: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the states of tracks that start from single detections (mnomp-spa-kf, eq. 43).

    Parameters
    ----------
    position_m, noise_m2
        Positions (n, 2) and their covariances (n, 2, 2).
    radial_velocity_mps
        Radial velocities (n,), taken as the velocity along the line of sight.
    radial_velocity_std_mps, cross_velocity_std_mps
        Standard deviations of the velocity along and across the line of sight.

    Returns
    -------
    mean, covariance : ndarray
        States (n, 4) and (n, 4, 4).
    """
    r = np.linalg.norm(position_m, axis=1, keepdims=True)
    along = np.where(r > 0.0, position_m / np.where(r > 0.0, r, 1.0), (0.0, 1.0))
    across = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    mean, covariance = np.zeros((len(r), 4)), np.zeros((len(r), 4, 4))
    mean[:, ::2] = position_m
    mean[:, 1::2] = radial_velocity_mps[:, None] * along
    covariance[:, ::2, ::2] = noise_m2
    covariance[:, 1::2, 1::2] = (
        radial_velocity_std_mps**2 * along[:, :, None] * along[:, None, :]
        + cross_velocity_std_mps**2 * across[:, :, None] * across[:, None, :]
    )
    return mean, covariance


def _with_floor(covariance: FloatArray, std: float) -> FloatArray:
    """Return covariances (m, 2, 2) whose every standard deviation is at least `std`; the axes stay."""
    values, vectors = np.linalg.eigh(covariance)
    floored = np.maximum(values, std * std)
    return np.asarray((vectors * floored[:, None, :]) @ vectors.transpose(0, 2, 1))


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the distances (n, m) between points (n, 2) and (m, 2)."""
    return np.asarray(np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]))


def _largest_eigenvalue(covariance: FloatArray) -> FloatArray:
    """Return the larger eigenvalues (n,) of symmetric matrices (n, 2, 2)."""
    a, b, c = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    return np.asarray(0.5 * (a + c) + np.hypot(0.5 * (a - c), b))


def _require_finite(detections: Detections) -> None:
    if not math.isfinite(detections.time_s):
        raise IsacError(
            f"the detections' time is {detections.time_s}", "the chain must stamp them with the device time"
        )
    for name in ("position_m", "covariance_m2", "radial_velocity_mps", "snr_db"):
        if not np.isfinite(getattr(detections, name)).all():
            raise IsacError(
                f"{name} of the detections at {detections.time_s} s is not finite",
                "a chain must not pass on a detection that it could not measure",
            )
