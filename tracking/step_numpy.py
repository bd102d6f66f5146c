"""One step of all tracks: likelihood ratios, update by association probabilities, existence.

The numpy form, and the reference that `isactrack.tracking.step_numba` is tested against. `n` counts tracks and `m`
detections; all arrays are float64. Nothing here knows how detections are associated.

The measurement noise belongs to a detection, while mnomp-spa-kf (eq. 30, 38-41) writes one R, hence one gain for each
track. Here each pair has its own innovation covariance and its own gain::

    S_kh = H P_k H^T + R_h,    K_kh = P_k H^T S_kh^-1
    x_k  = beta_k0 x_k- + sum_h beta_kh x_kh
    P_k  = beta_k0 P_k- + sum_h beta_kh P_kh + the spread of these means

with x_kh and P_kh what the filter makes of track k if it made detection h. This is the exact mean and covariance of the
mixture that the association describes, and eq. 39-41 to the letter where all R_h are the same.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from isactrack.tracking import kalman, motion
from isactrack.tracking.association import Association

FloatArray = NDArray[np.float64]

_LOG_2PI = float(np.log(2.0 * np.pi))
MAX_LOG_RATIO = 300.0
"""Logarithm above which a likelihood ratio is cut off, so that sums and products of ratios stay finite."""


class Measured(NamedTuple):
    """Detections as the filter takes them.

    Attributes
    ----------
    position_m, noise_m2
        Positions (m, 2) and their covariances (m, 2, 2).
    radial_velocity_mps, radial_variance
        Radial velocities (m,) and their variances (m,), m^2/s^2.
    """

    position_m: FloatArray
    noise_m2: FloatArray
    radial_velocity_mps: FloatArray
    radial_variance: FloatArray


class Weighing(NamedTuple):
    """How pairs of a track and a detection are gated and weighed.

    Attributes
    ----------
    gate
        Largest squared Mahalanobis distance of a pair.
    gate_velocity, weight_velocity
        Whether the gate and the weight are those of position and radial velocity, or of the position only.
    log_odds
        ``log(P_D / ((1 - P_D P_G) lambda))`` with the clutter density lambda, per m^2 or, if `weight_velocity`, per
        m^2 m/s; NaN for a density such that the worst pair which the gate could let through is as likely as a miss.
    """

    gate: float
    gate_velocity: bool
    weight_velocity: bool
    log_odds: float


def predict(
    mean: FloatArray, covariance: FloatArray, dt_s: float, acceleration_std_mps2: float
) -> tuple[FloatArray, FloatArray]:
    """Return states (n, 4) and (n, 4, 4) after `dt_s` seconds of nearly constant velocity (eq. 37)."""
    return kalman.predict(mean, covariance, motion.transition(dt_s), motion.process_noise(dt_s, acceleration_std_mps2))


def likelihood_ratios(mean: FloatArray, covariance: FloatArray, measured: Measured, weighing: Weighing) -> FloatArray:
    """Return how much more likely each pair is than a miss and clutter, 0 beyond the gate.

    This is the matrix that `isactrack.tracking.association` defines, with the gate of mnomp-spa-kf eq. 68 or 70. Of
    the joint Gaussian of position and radial velocity the curvature of the radial velocity is a part.

    Parameters
    ----------
    mean, covariance
        Predicted states (n, 4) and (n, 4, 4).
    measured
        The detections.
    weighing
        Gate and weight.

    Returns
    -------
    ndarray
        Ratios (n, m).
    """
    residual, spread = kalman.innovation(mean, covariance, measured.position_m, measured.noise_m2)
    squared, log_det = kalman.mahalanobis(residual, spread)
    distance = squared
    dimensions = 2
    if weighing.gate_velocity or weighing.weight_velocity:
        velocity, variance, cross = kalman.predicted_radial_velocity(mean, covariance)
        bias, second_order = kalman.radial_velocity_second_order(mean, covariance)
        surprise = measured.radial_velocity_mps[None, :] - (velocity + bias)[:, None]
        total = (variance + second_order)[:, None] + measured.radial_variance[None, :]
        more, log_variance = kalman.radial_velocity_terms(residual, spread, surprise, total, cross)
        if weighing.gate_velocity:
            distance = squared + more
        if weighing.weight_velocity:
            squared, log_det, dimensions = squared + more, log_det + log_variance, 3
    if np.isnan(weighing.log_odds):
        reference = weighing.gate + (log_det.max() if log_det.size else 0.0)
    else:
        reference = 2.0 * weighing.log_odds - dimensions * _LOG_2PI
    log_ratio = np.minimum(0.5 * (reference - log_det - squared), MAX_LOG_RATIO)
    return np.where(distance <= weighing.gate, np.exp(log_ratio), 0.0)


def update(
    mean: FloatArray, covariance: FloatArray, measured: Measured, probability: FloatArray, use_velocity: bool
) -> tuple[FloatArray, FloatArray]:
    """Return states after the detections were taken in with their association probabilities.

    Parameters
    ----------
    mean, covariance
        Predicted states (n, 4) and (n, 4, 4).
    measured
        The detections.
    probability
        Probability (n, m) that track k made detection h; what a row lacks to 1 is the probability of a miss.
    use_velocity
        Whether the radial velocity is taken in after the position (`kalman.update_radial_velocity`).

    Returns
    -------
    mean, covariance : ndarray
        States (n, 4) and (n, 4, 4).
    """
    track, detection = np.nonzero(probability)
    if not track.size:
        return mean, covariance
    part, spread = kalman.update(
        mean[track], covariance[track], measured.position_m[detection], measured.noise_m2[detection]
    )
    if use_velocity:
        part, spread = kalman.update_radial_velocity(
            part, spread, measured.radial_velocity_mps[detection], measured.radial_variance[detection]
        )
    weight = probability[track, detection]
    n = len(mean)
    missed = np.maximum(1.0 - probability.sum(axis=1), 0.0)
    group = np.concatenate([np.arange(n), track])
    order = np.argsort(group, kind="stable")
    return kalman.mixture(
        np.concatenate([missed, weight])[order],
        np.concatenate([mean, part])[order],
        np.concatenate([covariance, spread])[order],
        group[order],
        n,
    )


def missed_alone(ratio: FloatArray, association: Association) -> FloatArray:
    """Return the probabilities (n,) of a miss that the existence of tracks is judged by.

    Those of the association; but a hard one says 0 of a pair that it makes. Then it is the probability that the pair
    alone gives, ``1 / (1 + ratio)``.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m) that were associated.
    association
        What came of them.
    """
    chosen = np.einsum("nm,nm->n", association.probability, ratio)
    return np.where(association.missed > 0.0, association.missed, 1.0 / (1.0 + chosen))


def existence(prior: FloatArray, missed: FloatArray, seen_if_there: float) -> FloatArray:
    """Return the probabilities that targets exist after the detections are in (Bayes' rule as in integrated PDA).

    The data are ``(1 - P_D P_G) / missed_k`` times more likely if target k exists than if all is clutter. For PDA this
    is the well-known ``1 - P_D P_G + P_D sum_h f_kh / lambda``; methods that let tracks compete leave out of the sum
    what other tracks explain.

    Parameters
    ----------
    prior
        Probabilities (n,) before.
    missed
        From `missed_alone`, (n,).
    seen_if_there
        ``P_D P_G``, less than 1.
    """
    there = prior * (1.0 - seen_if_there)
    return np.asarray(there / (there + (1.0 - prior) * missed))
