"""CLEAR-MOT: who follows whom over time, and what is missed, false, switched and interrupted on the way."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.tracking.gnn import associate
from isactrack.tracking.metrics_sets import Scans, pair_distances, require_same_length

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClearMot:
    """Counts over all instants (Bernardin and Stiefelhagen 2008).

    Attributes
    ----------
    frames
        Number of instants.
    truth_points, track_points
        Points of targets and of tracks in them.
    matches
        Points of targets that a track matches; ``matches + misses == truth_points``.
    misses, false_positives
        Points of targets without a track, and of tracks without a target.
    switches
        Times that a target was matched by another track than the one that matched it last, however long ago. Two
        tracks that swap their targets count twice. The first match of a target counts nothing.
    fragmentations
        Times that a target that was matched before is matched again after it was there without a match.
    mota
        ``1 - (misses + false_positives + switches) / truth_points``, below 0 if there is more wrong than true; None
        without truth.
    motp_m
        Mean distance of the matches, metres; None without any.
    match_distance_m
        Largest distance of a match.
    pairs
        Instant, row of the target and row of the track (matches, 3) of each match.
    error_m
        Distance (matches,) of each match.
    """

    frames: int
    truth_points: int
    track_points: int
    matches: int
    misses: int
    false_positives: int
    switches: int
    fragmentations: int
    mota: float | None
    motp_m: float | None
    match_distance_m: float
    pairs: IntArray
    error_m: FloatArray


def clear_mot(estimates: Scans, truths: Scans, match_distance_m: float) -> ClearMot:
    """Match tracks to targets instant by instant and count.

    A target keeps the track that matched it last, most recent matches first, while both are there and within
    `match_distance_m` of each other; the rest are paired so that there are as many pairs within that distance as
    possible and their total distance is least.

    Parameters
    ----------
    estimates, truths
        Tracks and targets, a set for each instant.
    match_distance_m
        Largest distance of a match, metres.

    Raises
    ------
    ConfigError
        If the distance is not positive or the lengths differ.
    """
    if not (math.isfinite(match_distance_m) and match_distance_m > 0.0):
        raise ConfigError(f"match_distance_m is {match_distance_m}", "give a positive distance in metres")
    require_same_length(estimates, truths)
    last: dict[int, tuple[int, int]] = {}  # target -> (instant, track) of its last match
    lost: set[int] = set()  # targets that were matched once and were there without a match since
    pairs: list[tuple[int, int, int]] = []
    errors: list[float] = []
    switches = fragmentations = 0
    for instant, (estimate, truth) in enumerate(zip(estimates, truths, strict=True)):
        distance = pair_distances(truth.points("position"), estimate.points("position"))
        matched = _match(distance, truth.label, estimate.label, last, match_distance_m)
        for row, column in enumerate(matched.tolist()):
            target = int(truth.label[row])
            if column < 0:
                lost |= {target} & last.keys()
                continue
            track = int(estimate.label[column])
            switches += target in last and last[target][1] != track
            fragmentations += target in lost
            lost.discard(target)
            last[target] = (instant, track)
            pairs.append((instant, row, column))
            errors.append(float(distance[row, column]))
    truth_points = sum(len(truth.label) for truth in truths)
    track_points = sum(len(estimate.label) for estimate in estimates)
    misses, false_positives = truth_points - len(errors), track_points - len(errors)
    return ClearMot(
        frames=len(truths),
        truth_points=truth_points,
        track_points=track_points,
        matches=len(errors),
        misses=misses,
        false_positives=false_positives,
        switches=switches,
        fragmentations=fragmentations,
        mota=1.0 - (misses + false_positives + switches) / truth_points if truth_points else None,
        motp_m=float(np.mean(errors)) if errors else None,
        match_distance_m=match_distance_m,
        pairs=np.array(pairs, dtype=np.intp).reshape(-1, 3),
        error_m=np.array(errors, dtype=np.float64),
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
