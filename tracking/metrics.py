"""How good tracks are against the truth, over a whole run and by every metric at once.

The metrics themselves are in the modules `metrics_*`. Every result names the parameters that it was computed with;
numbers of different ones cannot be compared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError
from isactrack.tracking.metrics_clear_mot import ClearMot, clear_mot
from isactrack.tracking.metrics_consistency import Nees, nees, rmse
from isactrack.tracking.metrics_gospa import Gospa, TrajectoryGospa, gospa, trajectory_gospa
from isactrack.tracking.metrics_ospa import OspaSettings, ospa, ospa_over_time
from isactrack.tracking.metrics_sets import Base, LabelledSet, Scans

__all__ = ["Gospa", "ScoreSettings", "TrackingScore", "evaluate_tracks", "gospa", "ospa", "score_scans"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings:
    """Parameters of all metrics of a `TrackingScore`.

    Attributes
    ----------
    match_distance_m
        Largest distance of a match.
    ospa_order, ospa_cutoff_m
        Order p and cut-off c of OSPA and GOSPA. Infinite order is for OSPA alone: GOSPA has none.
    label_penalty_m, label_order
        Penalty alpha and order p' of labelled OSPA; no penalty given is half the cut-off.
    base
        Whether OSPA and GOSPA take distances of positions or of whole states. Matches are always by position.
    switch_penalty_m
        Penalty gamma of a switch in the metric of whole trajectories; None leaves that metric out.
    """

    match_distance_m: float = 1.0
    ospa_order: float = 2.0
    ospa_cutoff_m: float = 2.0
    label_penalty_m: float | None = None
    label_order: float = 2.0
    base: Base = "position"
    switch_penalty_m: float | None = None

    def __post_init__(self) -> None:
        _ = self.ospa, self.labelled
        if not (math.isfinite(self.match_distance_m) and self.match_distance_m > 0.0):
            raise ConfigError(f"match_distance_m is {self.match_distance_m}", "give a positive distance in metres")
        if self.switch_penalty_m is not None and math.isinf(self.ospa_order):
            raise ConfigError(
                "a switching penalty needs a finite order", "trajectory GOSPA has no infinite order: give 1 or 2"
            )

    @property
    def ospa(self) -> OspaSettings:
        """Parameters of OSPA."""
        return OspaSettings(order=self.ospa_order, cutoff=self.ospa_cutoff_m, label_penalty=0.0, base=self.base)

    @property
    def labelled(self) -> OspaSettings:
        """Parameters of labelled OSPA."""
        return OspaSettings(
            order=self.ospa_order,
            cutoff=self.ospa_cutoff_m,
            label_penalty=0.5 * self.ospa_cutoff_m if self.label_penalty_m is None else self.label_penalty_m,
            label_order=self.label_order,
            base=self.base,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingScore:
    """Confirmed tracks against the truth over a whole run; see `evaluate_tracks` for how points are matched.

    Attributes
    ----------
    frames
        Instants that were evaluated.
    truth_targets
        Distinct targets in them.
    confirmed_tracks
        Distinct identities of confirmed tracks in them.
    median_position_error_m, p90_position_error_m
        Quantiles of the distance over all matched pairs; None without any.
    mean_ospa_m, mean_gospa_m
        Averages over the instants of OSPA and GOSPA (alpha 2) between confirmed tracks and truth; None without
        instants, and GOSPA at infinite order.
    mean_labelled_ospa_m
        Average over the instants of labelled OSPA; None without instants.
    mean_gospa_localisation, mean_gospa_missed, mean_gospa_false
        Averages over the instants of the parts of GOSPA's p-th power (m^p); None where GOSPA is.
    trajectory_gospa
        Metric of whole trajectories; None without a penalty for it or without instants.
    clear_mot
        Matches, misses, false points, switches, fragmentations, MOTA and MOTP.
    rmse_m
        Root mean square of the distance over all matched pairs; None without any.
    nees
        Squared position errors of the matched pairs by the covariances of the tracks; None without either.
    settings
        Parameters of all metrics.
    """

    frames: int
    truth_targets: int
    confirmed_tracks: int
    median_position_error_m: float | None
    p90_position_error_m: float | None
    mean_ospa_m: float | None
    mean_gospa_m: float | None
    mean_labelled_ospa_m: float | None
    mean_gospa_localisation: float | None
    mean_gospa_missed: float | None
    mean_gospa_false: float | None
    trajectory_gospa: TrajectoryGospa | None
    clear_mot: ClearMot
    rmse_m: float | None
    nees: Nees | None
    settings: ScoreSettings

    @property
    def identity_switches(self) -> int:
        """Times that a target was matched by another track than the one that matched it last, however long ago.

        Two tracks that swap their targets count twice. The first match of a target counts nothing.
        """
        return self.clear_mot.switches

    @property
    def missed_share(self) -> float | None:
        """Points of the truth without a track, over all points of the truth; None without truth."""
        return _share(self.clear_mot.misses, self.clear_mot.truth_points)

    @property
    def false_share(self) -> float | None:
        """Points of confirmed tracks without a target, over all their points; None without confirmed tracks."""
        return _share(self.clear_mot.false_positives, self.clear_mot.track_points)


def evaluate_tracks(
    *,
    track_time_s: ArrayLike,
    track_id: ArrayLike,
    is_confirmed: ArrayLike,
    track_position_m: ArrayLike,
    truth_time_s: ArrayLike,
    target_id: ArrayLike,
    truth_position_m: ArrayLike,
    frame_time_s: ArrayLike | None = None,
    match_distance_m: float = 1.0,
    ospa_order: float = 2.0,
    ospa_cutoff_m: float = 2.0,
    label_penalty_m: float | None = None,
    label_order: float = 2.0,
    base: Base = "position",
    switch_penalty_m: float | None = None,
    track_velocity_mps: ArrayLike | None = None,
    truth_velocity_mps: ArrayLike | None = None,
    track_covariance: ArrayLike | None = None,
) -> TrackingScore:
    """Score confirmed tracks against the truth.

    Only rows with `is_confirmed` count. Each row belongs to the nearest evaluated instant if that is at most half a
    frame away (the median spacing of the instants), else it is left out; of several rows of one identity at one
    instant the nearest in time counts. At each instant targets and tracks are matched as CLEAR-MOT does it, see
    `isactrack.tracking.metrics_clear_mot`.

    Parameters
    ----------
    track_time_s, track_id, is_confirmed, track_position_m
        Times (n,) s, identities (n,), flags (n,) and positions (n, 2) m of the states of all tracks, in any order.
    truth_time_s, target_id, truth_position_m
        Times (k,) s, identities (k,) and positions (k, 2) m of the targets, in any order.
    frame_time_s
        Instants to evaluate. Without them, those of the truth, and beside these the times of confirmed tracks that
        are more than half a frame from any: nothing is true there.
    match_distance_m, ospa_order, ospa_cutoff_m, label_penalty_m, label_order, base, switch_penalty_m
        Parameters of the metrics, see `ScoreSettings`.
    track_velocity_mps, truth_velocity_mps
        Velocities (n, 2) and (k, 2) m/s, which metrics of the whole state need.
    track_covariance
        Covariances (n, 4, 4) of the states of all tracks, which NEES needs.

    Raises
    ------
    ConfigError
        If a parameter is out of range, or the whole state is asked for and not known.
    """
    settings = ScoreSettings(
        match_distance_m=match_distance_m,
        ospa_order=ospa_order,
        ospa_cutoff_m=ospa_cutoff_m,
        label_penalty_m=label_penalty_m,
        label_order=label_order,
        base=base,
        switch_penalty_m=switch_penalty_m,
    )
    confirmed = np.asarray(is_confirmed, dtype=np.bool_).ravel()
    tracks = _Points.of(track_time_s, track_id, track_position_m, track_velocity_mps, track_covariance).take(confirmed)
    truth = _Points.of(truth_time_s, target_id, truth_position_m, truth_velocity_mps)
    instants, half_frame_s = _instants(tracks, truth, frame_time_s)
    return score_scans(tracks.at(instants, half_frame_s), truth.at(instants, half_frame_s), settings)


def score_scans(estimates: Scans, truths: Scans, settings: ScoreSettings | None = None) -> TrackingScore:
    """Score tracks against the truth, both given as a set for each instant.

    Parameters
    ----------
    estimates, truths
        Tracks, with covariances where NEES is wanted, and targets.
    settings
        Parameters of the metrics; None for the defaults.

    Raises
    ------
    ConfigError
        If the lengths differ, or the whole state is asked for and not known.
    """
    settings = settings or ScoreSettings()
    counts = clear_mot(estimates, truths, settings.match_distance_m)
    errors = counts.error_m
    parts = _gospa_parts(estimates, truths, settings)
    penalty = settings.switch_penalty_m
    return TrackingScore(
        frames=counts.frames,
        truth_targets=len({int(label) for truth in truths for label in truth.label}),
        confirmed_tracks=len({int(label) for estimate in estimates for label in estimate.label}),
        median_position_error_m=float(np.median(errors)) if errors.size else None,
        p90_position_error_m=float(np.quantile(errors, 0.9)) if errors.size else None,
        mean_ospa_m=_mean(ospa_over_time(estimates, truths, settings.ospa)),
        mean_gospa_m=_mean([part.distance for part in parts]),
        mean_labelled_ospa_m=_mean(ospa_over_time(estimates, truths, settings.labelled)),
        mean_gospa_localisation=_mean([part.localisation for part in parts]),
        mean_gospa_missed=_mean([part.missed for part in parts]),
        mean_gospa_false=_mean([part.false for part in parts]),
        trajectory_gospa=None
        if penalty is None or not truths
        else trajectory_gospa(estimates, truths, settings.ospa_order, settings.ospa_cutoff_m, penalty, settings.base),
        clear_mot=counts,
        rmse_m=rmse(errors) if errors.size else None,
        nees=_position_nees(estimates, truths, counts),
        settings=settings,
    )


def _gospa_parts(estimates: Scans, truths: Scans, settings: ScoreSettings) -> list[Gospa]:
    """Return GOSPA of each instant, none at infinite order."""
    if math.isinf(settings.ospa_order):
        return []
    base, order, cutoff_m = settings.base, settings.ospa_order, settings.ospa_cutoff_m
    return [
        gospa(estimate.points(base), truth.points(base), order, cutoff_m)
        for estimate, truth in zip(estimates, truths, strict=True)
    ]


def _position_nees(estimates: Scans, truths: Scans, counts: ClearMot) -> Nees | None:
    """Return NEES of the positions of all matched pairs whose track has a covariance."""
    position = np.ix_([0, 2], [0, 2])
    errors, covariances = [], []
    for instant, row, column in counts.pairs.tolist():
        covariance = estimates[instant].covariance
        if covariance is not None:
            errors.append(estimates[instant].points("position")[column] - truths[instant].points("position")[row])
            covariances.append(covariance[column][position])
    return nees(np.array(errors), np.array(covariances)) if errors else None


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """States of tracks or targets in any order: times (s), and the labelled states with their covariances."""

    time_s: FloatArray
    states: LabelledSet

    @classmethod
    def of(
        cls,
        time_s: ArrayLike,
        identity: ArrayLike,
        position_m: ArrayLike,
        velocity_mps: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
    ) -> "_Points":
        time = np.asarray(time_s, dtype=np.float64).ravel()
        states = LabelledSet.of(np.asarray(identity, dtype=np.int64).reshape(time.size), position_m, velocity_mps)
        if covariance is not None:
            states = states._replace(covariance=np.asarray(covariance, dtype=np.float64).reshape(time.size, 4, 4))
        return cls(time, states)

    def take(self, index: IntArray | NDArray[np.bool_]) -> "_Points":
        return _Points(self.time_s[index], _taken(self.states, index))

    def at(self, instants: FloatArray, half_frame_s: float) -> list[LabelledSet]:
        """Return the states at each instant, at most one for each identity."""
        nearest = _nearest(self.time_s, instants)
        away = np.abs(self.time_s - instants[nearest]) if instants.size else np.full(self.time_s.size, np.inf)
        order = np.lexsort((away, self.states.label, nearest))
        order = order[away[order] <= half_frame_s]
        key = np.stack([nearest[order], self.states.label[order]], axis=1)
        first = np.ones(order.size, dtype=np.bool_)
        first[1:] = (key[1:] != key[:-1]).any(axis=1)
        chosen = order[first]
        edges = np.searchsorted(nearest[chosen], np.arange(instants.size + 1))
        return [_taken(self.states, chosen[start:stop]) for start, stop in pairwise(edges.tolist())]


def _taken(states: LabelledSet, index: IntArray | NDArray[np.bool_]) -> LabelledSet:
    """Return the chosen rows of a set."""
    covariance = None if states.covariance is None else states.covariance[index]
    return LabelledSet(states.label[index], states.state[index], covariance)


def _instants(tracks: _Points, truth: _Points, frame_time_s: ArrayLike | None) -> tuple[FloatArray, float]:
    """Return the instants to evaluate, ascending, and half the spacing of frames, seconds."""
    if frame_time_s is not None:
        instants = np.unique(np.asarray(frame_time_s, dtype=np.float64))
        return instants, _half_spacing(instants)
    instants, track_times = np.unique(truth.time_s), np.unique(tracks.time_s)
    half_frame_s = _half_spacing(instants if instants.size > 1 else track_times)
    if instants.size:
        away = np.abs(track_times - instants[_nearest(track_times, instants)])
        track_times = track_times[away > half_frame_s]
    return np.union1d(instants, track_times), half_frame_s


def _half_spacing(instants: FloatArray) -> float:
    """Return half the median spacing, with room for the rounding of times; 0 where there is none."""
    return 0.5 * float(np.median(np.diff(instants))) * (1.0 + 1e-9) if instants.size > 1 else 0.0


def _nearest(time_s: FloatArray, instants: FloatArray) -> IntArray:
    """Return the index of the nearest of the ascending `instants` to each time; 0 where there are none."""
    if instants.size < 2:
        return np.zeros(time_s.size, dtype=np.intp)
    after = np.clip(np.searchsorted(instants, time_s), 1, instants.size - 1)
    return np.asarray(np.where(time_s - instants[after - 1] <= instants[after] - time_s, after - 1, after))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: FloatArray | Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
