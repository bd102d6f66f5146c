"""How good tracks are: OSPA, GOSPA and a CLEAR-MOT style score against the truth.

Every result names the order and the cut-off that it was computed with; numbers of different ones cannot be compared.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from isactrack.errors import ConfigError
from isactrack.tracking.gnn import associate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gospa:
    """GOSPA distance and its parts; ``distance ** p == localisation + missed + false``.

    Attributes
    ----------
    distance
        Generalised optimal sub-pattern assignment distance, metres.
    localisation, missed, false
        Parts of its p-th power (m^p): errors of the assigned pairs, truths without and estimates without a partner.
        At orders so high that no float holds them they are infinite; the distance is not.
    """

    distance: float
    localisation: float
    missed: float
    false: float


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
    identity_switches
        Times that a target was matched by another track than the one that matched it last, however long ago. Two
        tracks that swap their targets count twice. The first match of a target counts nothing.
    missed_share
        Points of the truth without a track, over all points of the truth; None without truth.
    false_share
        Points of confirmed tracks without a target, over all their points; None without confirmed tracks.
    median_position_error_m, p90_position_error_m
        Quantiles of the distance over all matched pairs; None without any.
    mean_ospa_m, mean_gospa_m
        Averages over the instants of OSPA and GOSPA (alpha 2) between confirmed tracks and truth; None without
        instants.
    ospa_order, ospa_cutoff_m, match_distance_m
        Order p and cut-off c of both metrics, and the largest distance of a match.
    """

    frames: int
    truth_targets: int
    confirmed_tracks: int
    identity_switches: int
    missed_share: float | None
    false_share: float | None
    median_position_error_m: float | None
    p90_position_error_m: float | None
    mean_ospa_m: float | None
    mean_gospa_m: float | None
    ospa_order: float
    ospa_cutoff_m: float
    match_distance_m: float


def ospa(X: ArrayLike, Y: ArrayLike, p: float, c: float) -> float:
    """Return the optimal sub-pattern assignment distance (Schuhmacher, Vo and Vo 2008, eq. 3 and 4).

    The assignment minimises the sum of the p-th powers of the cut-off distances, not of the distances.

    Parameters
    ----------
    X, Y
        Points (m, d) and (n, d), metres; empty sets of any shape of size 0.
    p
        Order, 1 or more, finite.
    c
        Cut-off, metres: the cost of a point without a partner.

    Returns
    -------
    float
        Between 0 and `c`, metres; 0 if both are empty, `c` if one is.

    Raises
    ------
    ConfigError
        If p or c are out of range.
    """
    _require_order(p, c)
    distance = _pair_distances(X, Y)
    larger = max(distance.shape)
    if larger == 0:
        return 0.0
    power = np.minimum(distance / c, 1.0) ** p  # in units of the cut-off: no overflow at high orders
    rows, columns = linear_sum_assignment(power)
    unpaired = larger - min(distance.shape)
    return float(c * ((power[rows, columns].sum() + unpaired) / larger) ** (1.0 / p))


def gospa(X: ArrayLike, Y: ArrayLike, p: float, c: float, alpha: float = 2.0) -> Gospa:
    """Return the generalised OSPA distance between estimates and truth (Rahmathullah, Garcia-Fernandez, Svensson 2017).

    A pair at or beyond the cut-off is one missed and one false point at half of ``c ** p`` each; with alpha 2 that is
    what a point without a partner costs too, so the parts are counts of missed and false points times ``c ** p / 2``.

    Parameters
    ----------
    X, Y
        Estimated points (m, d) and true points (n, d), metres; empty sets of any shape of size 0.
    p
        Order, 1 or more, finite.
    c
        Cut-off, metres: the largest distance of a pair.
    alpha
        A point without a partner costs ``c ** p / alpha``; above 0, at most 2.

    Raises
    ------
    ConfigError
        If p, c or alpha are out of range.
    """
    _require_order(p, c)
    if not 0.0 < alpha <= 2.0:
        raise ConfigError(f"alpha of GOSPA is {alpha}", "give 0 < alpha <= 2; only 2 splits into missed and false")
    distance = _pair_distances(X, Y)
    power = np.minimum(distance / c, 1.0) ** p
    rows, columns = linear_sum_assignment(power)
    paired = power[rows, columns]
    beyond = int(np.count_nonzero(paired >= 1.0))
    unpaired_x, unpaired_y = distance.shape[0] - rows.size, distance.shape[1] - rows.size
    localisation = float(paired[paired < 1.0].sum())
    missed = 0.5 * beyond + unpaired_y / alpha
    false = 0.5 * beyond + unpaired_x / alpha
    return Gospa(
        distance=float(c * (localisation + missed + false) ** (1.0 / p)),
        localisation=_times_power(localisation, c, p),
        missed=_times_power(missed, c, p),
        false=_times_power(false, c, p),
    )


def _times_power(value: float, c: float, p: float) -> float:
    """Return ``value * c ** p``, infinite where no float is that large."""
    if value == 0.0:
        return 0.0
    try:
        return float(value * c**p)
    except OverflowError:
        return math.inf


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
) -> TrackingScore:
    """Score confirmed tracks against the truth.

    Only rows with `is_confirmed` count. Each row belongs to the nearest evaluated instant if that is at most half a
    frame away (the median spacing of the instants), else it is left out; of several rows of one identity at one
    instant the nearest in time counts. At each instant targets and tracks are matched as CLEAR-MOT does it (Bernardin
    and Stiefelhagen 2008): a target keeps the track that matched it last, most recent matches first, while both are
    there and within `match_distance_m`; the rest are paired so that there are as many pairs within that distance as
    possible and their total distance is least.

    Parameters
    ----------
    track_time_s, track_id, is_confirmed, track_position_m
        Times (n,) s, identities (n,), flags (n,) and positions (n, 2) m of the states of all tracks, in any order.
    truth_time_s, target_id, truth_position_m
        Times (k,) s, identities (k,) and positions (k, 2) m of the targets, in any order.
    frame_time_s
        Instants to evaluate. Without them, those of the truth, and beside these the times of confirmed tracks that
        are more than half a frame from any: nothing is true there.
    match_distance_m
        Largest distance of a match.
    ospa_order, ospa_cutoff_m
        Order p and cut-off c of OSPA and GOSPA.

    Raises
    ------
    ConfigError
        If a parameter is out of range.
    """
    _require_order(ospa_order, ospa_cutoff_m)
    if not (math.isfinite(match_distance_m) and match_distance_m > 0.0):
        raise ConfigError(f"match_distance_m is {match_distance_m}", "give a positive distance in metres")
    confirmed = np.asarray(is_confirmed, dtype=np.bool_).ravel()
    tracks = _Points.of(track_time_s, track_id, track_position_m).take(confirmed)
    truth = _Points.of(truth_time_s, target_id, truth_position_m)
    instants, half_frame_s = _instants(tracks, truth, frame_time_s)
    return _score(
        tracks.at(instants, half_frame_s),
        truth.at(instants, half_frame_s),
        instants.size,
        match_distance_m,
        ospa_order,
        ospa_cutoff_m,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Points of tracks or targets: times (s) or, once matched to instants, their numbers; identities; positions."""

    time: FloatArray
    identity: NDArray[np.int64]
    position_m: FloatArray

    @classmethod
    def of(cls, time_s: ArrayLike, identity: ArrayLike, position_m: ArrayLike) -> "_Points":
        time = np.asarray(time_s, dtype=np.float64).ravel()
        position = np.asarray(position_m, dtype=np.float64).reshape(time.size, 2)
        return cls(time, np.asarray(identity, dtype=np.int64).reshape(time.size), position)

    def take(self, index: IntArray | NDArray[np.bool_]) -> "_Points":
        return _Points(self.time[index], self.identity[index], self.position_m[index])

    def at(self, instants: FloatArray, half_frame_s: float) -> "_Points":
        """Return the points at the instants, at most one for each identity and instant."""
        nearest = _nearest(self.time, instants)
        away = np.abs(self.time - instants[nearest]) if instants.size else np.full(self.time.size, np.inf)
        order = np.lexsort((away, self.identity, nearest))
        order = order[away[order] <= half_frame_s]
        key = np.stack([nearest[order], self.identity[order]], axis=1)
        first = np.ones(order.size, dtype=np.bool_)
        first[1:] = (key[1:] != key[:-1]).any(axis=1)
        chosen = order[first]
        return _Points(nearest[chosen].astype(np.float64), self.identity[chosen], self.position_m[chosen])


def _instants(tracks: _Points, truth: _Points, frame_time_s: ArrayLike | None) -> tuple[FloatArray, float]:
    """Return the instants to evaluate, ascending, and half the spacing of frames, seconds."""
    if frame_time_s is not None:
        instants = np.unique(np.asarray(frame_time_s, dtype=np.float64))
        return instants, _half_spacing(instants)
    instants, track_times = np.unique(truth.time), np.unique(tracks.time)
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


def _frames(points: _Points, frames: int) -> Iterator[_Points]:
    """Yield the points of each instant."""
    edges = np.searchsorted(points.time, np.arange(frames + 1))
    for start, stop in pairwise(edges.tolist()):
        yield points.take(np.arange(start, stop))


def _score(
    tracks: _Points, truth: _Points, frames: int, match_distance_m: float, order: float, cutoff_m: float
) -> TrackingScore:
    last: dict[int, tuple[int, int]] = {}  # target -> (instant, track) of its last match
    errors: list[float] = []
    ospas: list[float] = []
    gospas: list[float] = []
    switches = 0
    pairs = zip(_frames(tracks, frames), _frames(truth, frames), strict=True)
    for instant, (estimate, true) in enumerate(pairs):
        ospas.append(ospa(estimate.position_m, true.position_m, order, cutoff_m))
        gospas.append(gospa(estimate.position_m, true.position_m, order, cutoff_m).distance)
        distance = _pair_distances(true.position_m, estimate.position_m)
        matched = _match(distance, true.identity, estimate.identity, last, match_distance_m)
        for row in np.flatnonzero(matched >= 0):
            target, track = int(true.identity[row]), int(estimate.identity[matched[row]])
            switches += target in last and last[target][1] != track
            last[target] = (instant, track)
            errors.append(float(distance[row, matched[row]]))
    return TrackingScore(
        frames=frames,
        truth_targets=np.unique(truth.identity).size,
        confirmed_tracks=np.unique(tracks.identity).size,
        identity_switches=switches,
        missed_share=_share(truth.time.size - len(errors), truth.time.size),
        false_share=_share(tracks.time.size - len(errors), tracks.time.size),
        median_position_error_m=float(np.median(errors)) if errors else None,
        p90_position_error_m=float(np.quantile(errors, 0.9)) if errors else None,
        mean_ospa_m=float(np.mean(ospas)) if ospas else None,
        mean_gospa_m=float(np.mean(gospas)) if gospas else None,
        ospa_order=order,
        ospa_cutoff_m=cutoff_m,
        match_distance_m=match_distance_m,
    )


def _match(
    distance: FloatArray,
    targets: NDArray[np.int64],
    tracks: NDArray[np.int64],
    last: dict[int, tuple[int, int]],
    match_distance_m: float,
) -> IntArray:
    """Return the track (rows of `tracks`) of each target, -1 for none."""
    matched = np.full(len(targets), -1, dtype=np.intp)
    column_of = {int(track): column for column, track in enumerate(tracks)}
    known = [row for row, target in enumerate(targets.tolist()) if target in last]
    for row in sorted(known, key=lambda row: -last[int(targets[row])][0]):
        column = column_of.get(last[int(targets[row])][1], -1)
        if column >= 0 and column not in matched and distance[row, column] <= match_distance_m:
            matched[row] = column
    rows = np.flatnonzero(matched < 0)
    columns = np.setdiff1d(np.arange(len(tracks)), matched)
    rest = distance[np.ix_(rows, columns)]
    # A miss dearer than all matches together: first as many pairs as possible, then the least total distance.
    found = associate(np.where(rest <= match_distance_m, rest, np.inf), (rows.size + 1) * match_distance_m)
    matched[rows[found >= 0]] = columns[found[found >= 0]]
    return matched


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _pair_distances(X: ArrayLike, Y: ArrayLike) -> FloatArray:
    """Return the Euclidean distances (m, n) between points (m, d) and (n, d)."""
    x, y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    if x.size == 0 or y.size == 0:
        return np.zeros((len(x) if x.size else 0, len(y) if y.size else 0))
    return np.asarray(np.linalg.norm(x[:, None, :] - y[None, :, :], axis=-1))


def _require_order(p: float, c: float) -> None:
    if not (math.isfinite(p) and p >= 1.0):
        raise ConfigError(f"the order p of the metric is {p}", "give a finite order of 1 or more, usually 1 or 2")
    if not (math.isfinite(c) and c > 0.0):
        raise ConfigError(f"the cut-off c of the metric is {c}", "give a positive distance in metres")
