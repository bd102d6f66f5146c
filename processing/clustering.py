"""One detection for each extended target.

A person is half a metre across and returns several peaks: torso, arms and legs, each with its own velocity.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph

from isactrack.detections import Detections
from isactrack.geometry import xy_to_polar
from isactrack.units import db_to_power

FloatArray = NDArray[np.float64]


def link(
    detections: Detections, distance_m: float, velocity_scale_s: float, velocity_max_mps: float
) -> NDArray[np.intp]:
    """Return the cluster (n,) of each detection by single linkage.

    Two detections belong together if ``sqrt(dx^2 + dy^2 + (s dv)^2) < distance_m``, or if a chain of such pairs joins
    them.

    Parameters
    ----------
    detections
        The detections.
    distance_m
        Largest distance of a pair.
    velocity_scale_s
        Metres that 1 m/s counts for, s.
    velocity_max_mps
        Largest unambiguous speed: velocities are compared modulo twice as much.
    """
    offset = detections.position_m[:, None] - detections.position_m
    speed = _wrap(detections.radial_velocity_mps[:, None] - detections.radial_velocity_mps, velocity_max_mps)
    near = np.sum(offset**2, axis=2) + (velocity_scale_s * speed) ** 2 < distance_m**2
    if np.count_nonzero(near) == len(detections):  # nobody but each with itself
        return np.arange(len(detections))
    _, label = csgraph.connected_components(near, directed=False)
    return np.asarray(label, dtype=np.intp)


def merge(detections: Detections, label: NDArray[np.intp], velocity_max_mps: float) -> Detections:
    """Return one detection for each cluster, the strongest first.

    Position and radial velocity are means weighted by power over noise, because the middle of a body is steadier than
    its strongest glint. Covariance and velocity variance are those of the strongest member plus the weighted scatter of
    the members, which says how extended the target is. The SNR is that of the strongest member.

    Parameters
    ----------
    detections
        The detections.
    label
        Cluster (n,) of each, from 0 without gaps.
    velocity_max_mps
        Largest unambiguous speed.
    """
    if not len(detections):
        return detections
    order = np.argsort(-detections.snr_db, kind="stable")
    _, first = np.unique(label[order], return_index=True)
    strongest = order[np.sort(first)]
    rank = np.empty(strongest.size, dtype=np.intp)
    rank[label[strongest]] = np.arange(strongest.size)
    group = rank[label]

    weight = db_to_power(detections.snr_db)
    weight = weight / np.bincount(group, weight)[group]
    position = _group_sum(group, weight[:, None] * detections.position_m)
    scatter = detections.position_m - position[group]
    spread = _group_sum(group, (weight[:, None, None] * scatter[:, :, None] * scatter[:, None, :]).reshape(-1, 4))
    anchor = detections.radial_velocity_mps[strongest]
    excess = _wrap(detections.radial_velocity_mps - anchor[group], velocity_max_mps)
    mean_excess = np.bincount(group, weight * excess)
    velocity = _wrap(anchor + mean_excess, velocity_max_mps)
    velocity_scatter = np.bincount(group, weight * (excess - mean_excess[group]) ** 2)
    range_m, azimuth_rad = xy_to_polar(position)
    return Detections(
        time_s=detections.time_s,
        position_m=position,
        covariance_m2=detections.covariance_m2[strongest] + spread.reshape(-1, 2, 2),
        radial_velocity_mps=velocity,
        radial_velocity_std_mps=np.sqrt(detections.radial_velocity_std_mps[strongest] ** 2 + velocity_scatter),
        snr_db=detections.snr_db[strongest],
        range_m=range_m,
        azimuth_rad=azimuth_rad,
    )


def _group_sum(group: NDArray[np.intp], values: FloatArray) -> FloatArray:
    total = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(total, group, values)
    return total


def _wrap(velocity_mps: FloatArray, limit_mps: float) -> FloatArray:
    """Return velocities in [-limit, limit)."""
    return np.asarray((velocity_mps + limit_mps) % (2.0 * limit_mps) - limit_mps)
