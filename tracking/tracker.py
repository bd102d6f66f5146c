"""From detections to tracks: constant-velocity Kalman filters, association by any method, life cycle."""

import math
from dataclasses import dataclass, fields, replace
from types import ModuleType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import IsacError
from isactrack.tracking import kalman, step_numpy
from isactrack.tracking.association import Association, Associator, Engine, takes_distances, takes_numba
from isactrack.tracking.associators import make_associator
from isactrack.tracking.config import TrackerConfig, bistatic_tracker_config, paper_config
from isactrack.tracking.penalty import with_shared
from isactrack.tracks import Track, TrackStatus

__all__ = ["Tracker", "TrackerConfig", "birth", "bistatic_tracker_config", "paper_config"]

FloatArray = NDArray[np.float64]

_HALF = 0.5  # a probability of a miss above this counts as one (mnomp-spa-kf, sec. III-D)
_STATUS = (TrackStatus.TENTATIVE, TrackStatus.CONFIRMED, TrackStatus.COASTED)
_CONVERGED: dict[str, Any] = {"rounds": 1000, "tolerance": 1e-9}


@dataclass(frozen=True, slots=True, eq=False)
class _Tracks:
    """All tracks, oldest first, one row each.

    `hits` (n, window) holds the last steps with the newest first, `misses` the steps in a row without a detection,
    `unclear` those with a doubtful one since the last that was not, and `together` (n, n) for how many steps two tracks
    have moved as one.
    """

    mean: FloatArray
    covariance: FloatArray
    existence: FloatArray
    track_id: NDArray[np.int64]
    age: NDArray[np.int64]
    misses: NDArray[np.int64]
    unclear: NDArray[np.int64]
    confirmed: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    together: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def new(cls, mean: FloatArray, covariance: FloatArray, first_id: int, config: TrackerConfig) -> Self:
        n = len(mean)
        hits = np.zeros((n, config.confirm_window), dtype=np.bool_)
        hits[:, 0] = True
        at_once = config.confirm_hits == 1 and config.birth_existence >= config.confirm_existence
        return cls(
            mean=mean,
            covariance=covariance,
            existence=np.full(n, config.birth_existence),
            track_id=np.arange(first_id, first_id + n),
            age=np.ones(n, dtype=np.int64),
            misses=np.zeros(n, dtype=np.int64),
            unclear=np.zeros(n, dtype=np.int64),
            confirmed=np.full(n, at_once),
            hits=hits,
            together=np.zeros((n, n), dtype=np.int64),
        )

    def take(self, keep: NDArray[np.bool_]) -> Self:
        if keep.all():
            return self
        rows = {name: getattr(self, name)[keep] for name in _ROWS}
        return type(self)(**rows, together=self.together[keep][:, keep])

    def joined(self, younger: Self) -> Self:
        rows: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(younger, name)]) for name in _ROWS}
        together = np.zeros((len(self) + len(younger),) * 2, dtype=np.int64)
        together[: len(self), : len(self)] = self.together
        return type(self)(**rows, together=together)


_ROWS = tuple(field.name for field in fields(_Tracks) if field.name != "together")


class Tracker:
    """Follow targets in the plane of one sensor.

    A step predicts all tracks to the time of the detections, associates (confirmed tracks choose first), updates,
    confirms, merges and drops, and starts a track from every detection that no track explains.

    Parameters
    ----------
    config
        Settings; the defaults fit people who walk indoors.
    associator
        Any association method, in place of the one that `config` names.

    Raises
    ------
    ConfigError
        If the config asks for numba and it is not installed.

    Examples
    --------
    >>> tracker = Tracker(TrackerConfig(max_misses_confirmed=20))
    >>> tracker.step(Detections.empty(time_s=0.0))
    []
    """

    def __init__(self, config: TrackerConfig | None = None, associator: Associator | None = None) -> None:
        self.config = config or TrackerConfig()
        self._kernels = _kernels(self.config)
        self._associator = associator or _associator(self.config)
        self._by_distance = takes_distances(self._associator)
        self._weighing = step_numpy.Weighing(
            self.config.gate,
            self.config.use_radial_velocity,
            self.config.use_radial_velocity and self.config.weight_radial_velocity,
            self.config.log_odds,
        )
        self.reset()

    def reset(self) -> None:
        """Forget all tracks and the time; identities start from 1 again."""
        self._time_s: float | None = None
        self._next_id = 1
        self._tracks = _Tracks.new(np.zeros((0, 4)), np.zeros((0, 4, 4)), self._next_id, self.config)

    def take_over(self, former: "Tracker") -> None:
        """Go on with the tracks, the time and the identities of another tracker, which must not go on itself.

        Tracks keep their state, age, misses, existence, and whether they are confirmed. Of the steps in which they were
        seen the newest are kept, as many as `confirm_window` has; steps that the other tracker did not keep count as
        not seen.
        """
        self._time_s, self._next_id = former._time_s, former._next_id  # noqa: SLF001 - of the same class
        tracks, window = former._tracks, self.config.confirm_window  # noqa: SLF001 - of the same class
        hits = np.zeros((len(tracks), window), dtype=np.bool_)
        known = min(window, tracks.hits.shape[1])
        hits[:, :known] = tracks.hits[:, :known]
        self._tracks = replace(tracks, hits=hits)

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
        measured = self._measured(detections)
        seen, clear, free = self._associate(measured, detections.doubtful)
        self._age(seen, clear)
        self._merge()
        self._start(free, measured, detections.snr_db)
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
        tracks = self._tracks
        if not len(tracks):
            return
        tracks.mean[:], tracks.covariance[:] = self._kernels.predict(
            tracks.mean, tracks.covariance, dt_s, self.config.acceleration_std_mps2
        )
        self._tracks = tracks.take(_largest_eigenvalue(tracks.covariance) <= self.config.max_position_std_m**2)

    def _measured(self, detections: Detections) -> step_numpy.Measured:
        """Return the detections with the noise that the filter reckons with."""
        noise_m2 = kalman.with_floor(detections.covariance_m2, self.config.min_position_std_m)
        if self.config.filter == "subkf":
            noise_m2 = kalman.circle(noise_m2)
        std = np.maximum(detections.radial_velocity_std_mps, self.config.radial_velocity_std_mps)
        return step_numpy.Measured(detections.position_m, noise_m2, detections.radial_velocity_mps, std * std)

    def _associate(
        self, measured: step_numpy.Measured, doubtful: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], FloatArray]:
        """Associate and update; return which tracks were seen, which without a doubt, and where a track may start.

        Doubtful detections go to confirmed tracks only, and start none.

        Groups of tracks choose one after the other: what one leaves of a detection is what the next can have, so that
        a detection that is taken counts as clutter that is denser by ``1 / free``.
        """
        tracks = self._tracks
        missed, free, alone = np.ones(len(tracks)), np.ones(len(measured.position_m)), np.ones(len(tracks))
        certain = np.ones(len(free)) if doubtful is None else np.where(doubtful, 0.0, 1.0)
        clear = np.zeros(len(tracks), dtype=np.bool_)
        if missed.size and free.size:
            ratio = self._kernels.likelihood_ratios(tracks.mean, tracks.covariance, measured, self._weighing)
            distance = _distances(tracks.mean[:, kalman.POSITION], measured.position_m) if self._by_distance else None
            if distance is not None:
                distance = distance * np.where(certain > 0.0, 1.0, self.config.doubtful_farther)
            if not certain.all():
                barred = ~tracks.confirmed[:, None] & (certain == 0.0)
                ratio = np.where(barred, 0.0, ratio)
                distance = None if distance is None else np.where(barred, np.inf, distance)
            for rows in self._groups():
                part = ratio[rows] * free
                if distance is None:
                    association = self._associator(part)
                else:
                    association = self._by_distances(rows, np.where(free > _HALF, distance[rows], np.inf))
                tracks.mean[rows], tracks.covariance[rows] = self._kernels.update(
                    tracks.mean[rows],
                    tracks.covariance[rows],
                    measured,
                    association.probability,
                    self.config.filter == "ekf",
                )
                missed[rows] = association.missed
                clear[rows] = association.probability @ certain >= _HALF
                alone[rows] = step_numpy.missed_alone(part, association)
                free *= association.free
                self._silence_echoes(free, tracks.mean[rows][association.missed <= _HALF], measured.position_m)
        prior = tracks.existence * self.config.survival_probability
        tracks.existence[:] = step_numpy.existence(prior, alone, self.config.seen_if_there)
        return missed <= _HALF, clear, free * certain

    def _by_distances(self, rows: slice | NDArray[np.intp], distance: FloatArray) -> Association:
        """Associate by distance, and let tracks that were seen lately share what is left of people who cross."""
        association = self._associator(distance)
        if self.config.distance_shared_m == 0.0:
            return association
        lately = self._tracks.hits[rows].sum(axis=1) >= self.config.confirm_hits
        return with_shared(association, distance, lately, self.config.distance_shared_m)

    def _groups(self) -> list[slice | NDArray[np.intp]]:
        """Return the rows of the tracks that choose together: confirmed ones first, if the config says so."""
        confirmed = self._tracks.confirmed
        if not self.config.confirmed_first or confirmed.all() or not confirmed.any():
            return [slice(None)]
        return [np.flatnonzero(confirmed), np.flatnonzero(~confirmed)]

    def _silence_echoes(self, free: FloatArray, seen: FloatArray, position_m: FloatArray) -> None:
        """Take out detections near tracks (n, 4) that were seen: second echoes of the same bodies."""
        if self.config.merge_distance_m > 0.0 and len(seen):
            near = _within(position_m, seen[:, kalman.POSITION], self.config.merge_distance_m)
            free[near.any(axis=1)] = 0.0

    def _age(self, seen: NDArray[np.bool_], clear: NDArray[np.bool_]) -> None:
        """Count the step, confirm what was seen often enough and drop what was missed too often."""
        tracks, config = self._tracks, self.config
        tracks.age[:] += 1
        tracks.misses[:] = np.where(seen, 0, tracks.misses + 1)
        tracks.unclear[:] = np.where(clear, 0, tracks.unclear + seen)
        tracks.hits[:, 1:] = tracks.hits[:, :-1].copy()
        tracks.hits[:, 0] = seen
        often = tracks.hits.sum(axis=1) >= config.confirm_hits
        tracks.confirmed[:] |= often & (tracks.existence >= config.confirm_existence)
        patience = np.where(tracks.confirmed, config.max_misses_confirmed, config.max_misses_tentative)
        if config.earned_misses:
            followed = tracks.age - tracks.misses
            patience = np.where(tracks.confirmed, np.minimum(patience, followed), patience)
        keep = (tracks.misses <= patience) & (tracks.unclear <= config.max_doubtful)
        self._tracks = tracks.take(keep & (tracks.existence >= config.drop_existence))

    def _merge(self) -> None:
        """Drop the less established of two tracks that have moved as one for `merge_steps` steps."""
        tracks, config = self._tracks, self.config
        if len(tracks) < 2 or config.merge_distance_m == 0.0:
            return
        alike = _within(tracks.mean[:, ::2], tracks.mean[:, ::2], config.merge_distance_m)
        alike &= _within(tracks.mean[:, 1::2], tracks.mean[:, 1::2], config.merge_velocity_mps)
        np.fill_diagonal(alike, False)
        tracks.together[:] = (tracks.together + 1) * alike
        one = tracks.together >= config.merge_steps
        if not one.any():
            return
        keep = np.ones(len(tracks), dtype=np.bool_)
        for row in np.argsort(~tracks.confirmed, kind="stable"):  # rows are in order of age
            if keep[row]:
                keep &= ~one[row]
        self._tracks = tracks.take(keep)

    def _start(self, free: FloatArray, measured: step_numpy.Measured, snr_db: FloatArray) -> None:
        """Start tracks from detections that nobody explains, one for those that are echoes of a body, the strongest."""
        config = self.config
        born = np.flatnonzero(free > config.birth_threshold)
        if not born.size:
            return
        born = born[np.argsort(-snr_db[born], kind="stable")]
        if config.merge_distance_m > 0.0:
            position = measured.position_m[born]
            near = _within(position, position, config.merge_distance_m)
            echo = np.zeros(born.size, dtype=np.bool_)
            first = []
            for row in range(born.size):
                if not echo[row]:
                    first.append(row)
                    echo |= near[row]
            born = born[first]
        position, noise_m2 = measured.position_m[born], measured.noise_m2[born]
        angle = kalman.angle_variance(position, noise_m2)
        mean, covariance = birth(
            position,
            noise_m2,
            measured.radial_velocity_mps[born],
            # The angle is not exact, so part of the unknown cross velocity lies along the measured line of sight.
            np.sqrt(measured.radial_variance[born] + angle * config.birth_velocity_std_mps**2),
            config.birth_velocity_std_mps,
        )
        self._tracks = self._tracks.joined(_Tracks.new(mean, covariance, self._next_id, config))
        self._next_id += len(born)

    def _report(self, time_s: float) -> list[Track]:
        tracks = self._tracks
        status = np.where(tracks.confirmed, np.where(tracks.misses > 0, 2, 1), 0).tolist()
        rows = zip(
            tracks.track_id.tolist(),
            status,
            tracks.mean.copy(),
            tracks.covariance.copy(),
            tracks.age.tolist(),
            tracks.existence.tolist(),
            strict=True,
        )
        return [Track(i, _STATUS[s], time_s, mean, P, age, e) for i, s, mean, P, age, e in rows]


def _associator(config: TrackerConfig) -> Associator:
    if config.association == "jpda":
        return make_associator("jpda", engine=config.engine)
    if config.association == "penalty":
        return make_associator(
            "penalty",
            threshold_m=config.distance_threshold_m,
            penalty_m=config.distance_penalty_m,
        )
    if config.association != "spa":
        return make_associator(config.association)
    rounds = _CONVERGED if config.spa_rounds is None else {"rounds": config.spa_rounds}
    return make_associator("spa", engine=config.engine, **rounds)


def _kernels(config: TrackerConfig) -> ModuleType:
    """Return the module of the kernels, ready to run."""
    no_gain = config.engine == "auto" and config.association in ("gnn", "penalty", "hungarian")
    if no_gain or not takes_numba(cast("Engine", config.engine)):  # the config has checked it
        return step_numpy
    from isactrack.tracking import step_numba

    step_numba.warm_up()
    return step_numba


def birth(
    position_m: FloatArray,
    noise_m2: FloatArray,
    radial_velocity_mps: FloatArray,
    radial_velocity_std_mps: float | FloatArray,
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
        Standard deviations of the velocity along, (n,) or the same for all, and across the line of sight.

    Returns
    -------
    mean, covariance : ndarray
        States (n, 4) and (n, 4, 4).
    """
    r = np.hypot(position_m[:, 0], position_m[:, 1])
    somewhere = r > 0.0
    along = np.where(somewhere[:, None], position_m, (0.0, 1.0)) / np.where(somewhere, r, 1.0)[:, None]
    mean, covariance = np.zeros((len(r), 4)), np.zeros((len(r), 4, 4))
    mean[:, ::2] = position_m
    mean[:, 1::2] = radial_velocity_mps[:, None] * along
    covariance[:, ::2, ::2] = noise_m2
    cross = cross_velocity_std_mps * cross_velocity_std_mps
    more = np.square(radial_velocity_std_mps) - cross  # the same in all directions, but for the line of sight
    covariance[:, 1::2, 1::2] = (more * along.T).T[:, :, None] * along[:, None, :]
    covariance[:, 1, 1] += cross
    covariance[:, 3, 3] += cross
    return mean, covariance


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the distances (n, m) of points (n, 2) and (m, 2)."""
    return np.asarray(np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]))


def _within(a: FloatArray, b: FloatArray, distance: float) -> NDArray[np.bool_]:
    """Return which pairs (n, m) of points (n, 2) and (m, 2) are at most this far apart."""
    x, y = a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]
    return np.asarray(x * x + y * y <= distance * distance)


def _largest_eigenvalue(covariance: FloatArray) -> FloatArray:
    """Return the larger eigenvalues (n,) of the position blocks of covariances (n, 4, 4)."""
    a, b, c = covariance[:, 0, 0], covariance[:, 0, 2], covariance[:, 2, 2]
    return np.asarray(0.5 * (a + c) + np.hypot(0.5 * (a - c), b))


def _require_finite(detections: Detections) -> None:
    if not math.isfinite(detections.time_s):
        raise IsacError(
            f"the detections' time is {detections.time_s}", "the chain must stamp them with the device time"
        )
    for name in ("position_m", "covariance_m2", "radial_velocity_mps", "radial_velocity_std_mps", "snr_db"):
        if not np.isfinite(getattr(detections, name)).all():
            raise IsacError(
                f"{name} of the detections at {detections.time_s} s is not finite",
                "a chain must not pass on a detection that it could not measure",
            )
