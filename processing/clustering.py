"""One detection for each extended target.

A person is half a metre across and returns several peaks: torso, arms and legs, each with its own velocity. Of a
bicycle the wheels spread from standstill to twice its velocity, and the returns of a car lie metres apart.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.geometry import xy_to_polar
from isactrack.units import db_to_power

FloatArray = NDArray[np.float64]

VEHICLE_SPEED_MPS: Final = 2.0
"""What comes or goes faster than this may be as long as a car: people walk at 1 to 2 m/s."""
VEHICLE_LENGTH_M: Final = 4.5
VEHICLE_PART_M: Final = 1.6
"""Largest gap between the body of a vehicle and its wheels or pedals."""
_PART_SPEED: Final = 1.2
_PART_SPEED_MPS: Final = 0.1
_LIMB_DB: Final = 6.0
"""Arms and legs have less than a quarter of a torso's cross-section, also when the torso fades."""
_REMAINS_DB: Final = 15.0
"""Who walks across the line of sight has limbs of any radial velocity, and a strong line leaves weak remains."""
_TINY: Final = float(np.finfo(np.float64).tiny)


def link(
    detections: Detections,
    distance_m: float,
    velocity_scale_s: float,
    velocity_max_mps: float,
    *,
    vehicle_speed_mps: float = VEHICLE_SPEED_MPS,
    vehicle_length_m: float = VEHICLE_LENGTH_M,
    vehicle_part_m: float = VEHICLE_PART_M,
) -> NDArray[np.intp]:
    """Return the cluster (n,) of each detection: a body grows around the strongest one that is left, and so on.

    Distances are `gaps`, what the uncertainty of the two positions does not explain. To the strongest detection of a
    body, with radial velocity v, belong

    1. its *core*, what is near it in position and velocity together, ``gap^2 + (s dv)^2 < distance_m^2``. If ``|v|`` is
       at least `vehicle_speed_mps` it may be a vehicle, all of which moves alike: then what has the same velocity,
       ``s |dv| < distance_m``, belongs to it within `vehicle_length_m`;
    2. its *parts*, arms, legs and wheels, which move between standstill and twice the body's velocity,
       ``|dv| < 1.2 |v| + 0.1 m/s``, and are within `distance_m`, of a vehicle `vehicle_part_m`, of one of the core.
       Limbs are at least 6 dB weaker than the strongest detection; a wheel may be nearly as strong as its vehicle. What
       is 15 dB weaker belongs to it whatever its velocity.

    So a target of comparable power that moves against a body near it, or more than twice as fast, stays a target of its
    own, as does one that is about as strong as a person near it and differs in velocity. One that moves alike within
    these distances does not. Clusters do not chain: a row of people is no body.

    Parameters
    ----------
    detections
        The detections (n), in any order.
    distance_m
        Largest gap within a person.
    velocity_scale_s
        Metres that 1 m/s counts for, s.
    velocity_max_mps
        Largest unambiguous speed: velocities are compared modulo twice as much.
    vehicle_speed_mps, vehicle_length_m, vehicle_part_m
        Least radial speed, largest length, and largest gap between body and parts of a vehicle. An infinite speed is
        for scenes without vehicles.

    Returns
    -------
    ndarray
        Clusters (n,), from 0 without gaps, that of the strongest detection first.
    """
    n = len(detections)
    order = np.argsort(-detections.snr_db, kind="stable")
    velocity = detections.radial_velocity_mps[order]
    speed = np.abs(velocity)
    gap = gaps(detections.position_m[order], detections.covariance_m2[order])
    apart = np.abs(velocity[:, None] - velocity)
    apart = np.minimum(apart, 2.0 * velocity_max_mps - apart)
    core = gap**2 + (velocity_scale_s * apart) ** 2 < distance_m**2
    fast = speed >= vehicle_speed_mps
    if fast.any():
        core |= fast[:, None] & fast & (velocity_scale_s * apart < distance_m) & (gap < vehicle_length_m)
    part = apart < _PART_SPEED * speed[:, None] + _PART_SPEED_MPS
    snr_db = detections.snr_db[order]
    part &= fast[:, None] | (snr_db < snr_db[:, None] - _LIMB_DB)
    part |= snr_db < snr_db[:, None] - _REMAINS_DB
    reach_m = np.where(fast, vehicle_part_m, distance_m)
    label = np.empty(n, dtype=np.intp)
    free = np.ones(n, dtype=np.bool_)
    clusters = 0
    for strongest in range(n):
        if free[strongest]:
            body = core[strongest] & free
            near = (gap[body].min(axis=0) if np.count_nonzero(body) > 1 else gap[strongest]) < reach_m[strongest]
            body |= near & part[strongest] & free
            label[order[body]] = clusters
            free &= ~body
            clusters += 1
    return label


def gaps(position_m: FloatArray, covariance_m2: FloatArray) -> FloatArray:
    """Return the distances (n, n) of positions beyond one standard deviation of their difference.

    The deviation is that along the line between the two, up to the one-sigma ellipse of the sum of their covariances:
    far away, where azimuth says little, positions may differ across the line of sight but not along it.

    Parameters
    ----------
    position_m, covariance_m2
        Positions (n, 2) and their covariances (n, 2, 2).
    """
    x, y = (np.subtract.outer(along, along) for along in position_m.T)
    sxx, sxy, syy = (np.add.outer(s, s) for s in covariance_m2[:, (0, 0, 1), (0, 1, 1)].T)
    xx, yy = x * x, y * y
    x *= y
    x *= sxy
    form = syy * xx + sxx * yy - 2.0 * x
    sxx *= syy
    sxy *= sxy
    determinant = np.maximum(sxx - sxy, 0.0)
    # One over the Mahalanobis distance, at most 1: within the ellipse there is no gap.
    share = np.sqrt(determinant / np.maximum(np.maximum(form, determinant), _TINY))
    return np.asarray(np.sqrt(xx + yy) * (1.0 - share))


def merge(
    detections: Detections,
    label: NDArray[np.intp],
    velocity_max_mps: float,
    weights: Literal["power", "equal"] = "power",
) -> Detections:
    """Return one detection for each cluster, the strongest first.

    Position and radial velocity are weighted means. Covariance and velocity variance are those of the mixture of the
    members: the mean of theirs plus their scatter, which says how extended the target is. The scatter of the velocities
    is not independent of that of the positions, as the errors of a single detection are. The SNR is that of the
    strongest member.

    Parameters
    ----------
    detections
        The detections.
    label
        Cluster (n,) of each, from 0 without gaps.
    velocity_max_mps
        Largest unambiguous speed.
    weights
        ``"power"``: power over noise. Of a body the strong points stay where they are while weak ones come and go, so
        this is the steadier choice. ``"equal"``: the mean of mnomp-spa-kf (sec. V), which of a car is nearer to the
        centre, and wanders.
    """
    if not len(detections):
        return detections
    order = np.argsort(-detections.snr_db, kind="stable")
    _, first = np.unique(label[order], return_index=True)
    strongest = order[np.sort(first)]
    if strongest.size == len(detections):
        return detections.take(strongest)
    weight = db_to_power(detections.snr_db) if weights == "power" else np.ones(len(detections))
    share = np.where(label[strongest][:, None] == label, weight, 0.0)  # (cluster, detection)
    share /= share.sum(axis=1, keepdims=True)
    group = np.argmax(share > 0.0, axis=0)

    position = share @ detections.position_m
    scatter = detections.position_m - position[group]
    spread = detections.covariance_m2 + scatter[:, :, None] * scatter[:, None, :]
    anchor = detections.radial_velocity_mps[strongest]
    excess = _wrap(detections.radial_velocity_mps - anchor[group], velocity_max_mps)
    mean_excess = share @ excess
    variance = detections.radial_velocity_std_mps**2 + (excess - mean_excess[group]) ** 2
    range_m, azimuth_rad = xy_to_polar(position)
    return Detections(
        time_s=detections.time_s,
        position_m=position,
        covariance_m2=(share @ spread.reshape(-1, 4)).reshape(-1, 2, 2),
        radial_velocity_mps=_wrap(anchor + mean_excess, velocity_max_mps),
        radial_velocity_std_mps=np.sqrt(share @ variance),
        snr_db=detections.snr_db[strongest],
        range_m=range_m,
        azimuth_rad=azimuth_rad,
    )


def _wrap(velocity_mps: FloatArray, limit_mps: float) -> FloatArray:
    """Return velocities in [-limit, limit)."""
    return np.asarray((velocity_mps + limit_mps) % (2.0 * limit_mps) - limit_mps)
