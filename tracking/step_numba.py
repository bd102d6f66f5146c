"""The compiled forms of `isactrack.tracking.step_numpy`; importing this module needs numba.

`predict`, `likelihood_ratios` and `update` are called exactly as their twins are; association comes between the last
two, compiled or not (`isactrack.tracking.association_numba`).
"""

import functools
import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from isactrack.tracking.kalman import MIN_RANGE_M, RECURRENCE
from isactrack.tracking.step_numpy import MAX_LOG_RATIO, Measured, Weighing

FloatArray = NDArray[np.float64]
_Function = TypeVar("_Function", bound=Callable[..., object])

_LOG_2PI = math.log(2.0 * math.pi)


def _compiled(function: _Function) -> _Function:
    """Compile a function at its first call, once per machine; numba has no types of its own."""
    try:
        compiled = njit(cache=True)(function)
    except RuntimeError:  # no folder takes compiled code, neither this one nor the user's: each process compiles anew
        compiled = njit(function)
    return cast("_Function", compiled)


def predict(
    mean: FloatArray, covariance: FloatArray, dt_s: float, acceleration_std_mps2: float
) -> tuple[FloatArray, FloatArray]:
    """Return states (n, 4) and (n, 4, 4) after `dt_s` seconds; see the twin."""
    return predict_core(mean, covariance, float(dt_s), float(acceleration_std_mps2))


def likelihood_ratios(mean: FloatArray, covariance: FloatArray, measured: Measured, weighing: Weighing) -> FloatArray:
    """Return the likelihood ratios (n, m); see the twin."""
    return ratios_core(mean, covariance, *_plain(measured), *weighing)


def update(
    mean: FloatArray, covariance: FloatArray, measured: Measured, probability: FloatArray, use_velocity: bool
) -> tuple[FloatArray, FloatArray]:
    """Return states after the detections were taken in; see the twin."""
    return update_core(mean, covariance, *_plain(measured), np.ascontiguousarray(probability), use_velocity)


@functools.cache
def warm_up() -> None:
    """Compile the kernels, or load them: seconds at the first call on a machine, and none amid the first frames."""
    measured = Measured(np.ones((1, 2)), np.eye(2)[None], np.zeros(1), np.ones(1))
    weighing = Weighing(1.0, True, True, 0.0)
    state = np.ones((1, 4)), np.eye(4)[None]
    likelihood_ratios(*predict(*state, 0.1, 1.0), measured, weighing)
    update(*state, measured, np.zeros((1, 1)), False)


def _plain(measured: Measured) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return contiguous arrays, so that the kernels are compiled once."""
    position, noise, velocity, variance = (np.ascontiguousarray(a, dtype=np.float64) for a in measured)
    return position, noise, velocity, variance


@_compiled
def predict_core(
    mean: FloatArray, covariance: FloatArray, dt: float, acceleration_std: float
) -> tuple[FloatArray, FloatArray]:
    """Return `step_numpy.predict`."""
    n = mean.shape[0]
    new_mean, new_covariance = np.empty((n, 4)), np.empty((n, 4, 4))
    q = acceleration_std * acceleration_std
    for k in range(n):
        P = new_covariance[k]
        for i in range(4):
            for j in range(4):
                P[i, j] = 0.5 * (covariance[k, i, j] + covariance[k, j, i])
        for i in range(0, 4, 2):
            new_mean[k, i] = mean[k, i] + dt * mean[k, i + 1]
            new_mean[k, i + 1] = mean[k, i + 1]
            for j in range(4):
                P[i, j] += dt * P[i + 1, j]
        for j in range(0, 4, 2):
            for i in range(4):
                P[i, j] += dt * P[i, j + 1]
        for i in range(0, 4, 2):
            P[i, i] += 0.25 * q * dt**4
            P[i, i + 1] += 0.5 * q * dt**3
            P[i + 1, i] = P[i, i + 1]
            P[i + 1, i + 1] += q * dt**2
    return new_mean, new_covariance


@_compiled
def _radial(mean: FloatArray, covariance: FloatArray, with_state: FloatArray) -> tuple[float, float, float, float]:
    """Return the radial velocity of a state, its first-order variance, and bias and variance of its curvature.

    `with_state` (4,) is written: the covariances of the radial velocity with the state.
    """
    x, vx, y, vy = mean[0], mean[1], mean[2], mean[3]
    safe = max(math.hypot(x, y), MIN_RANGE_M)
    sin, cos = x / safe, y / safe
    radial, cross = vx * sin + vy * cos, vx * cos - vy * sin
    g0, g2 = (vx - radial * sin) / safe, (vy - radial * cos) / safe
    variance = 0.0
    P = covariance
    for i in range(4):
        with_state[i] = g0 * P[i, 0] + sin * P[i, 1] + g2 * P[i, 2] + cos * P[i, 3]
    variance = g0 * with_state[0] + sin * with_state[1] + g2 * with_state[2] + cos * with_state[3]
    # Along (a) and across (c) the line of sight, and the velocity across (w); see `radial_velocity_second_order`.
    a0, a2 = sin * P[0, 0] + cos * P[2, 0], sin * P[0, 2] + cos * P[2, 2]
    c0, c2 = cos * P[0, 0] - sin * P[2, 0], cos * P[0, 2] - sin * P[2, 2]
    w0, w2 = cos * P[1, 0] - sin * P[3, 0], cos * P[1, 2] - sin * P[3, 2]
    aa, ac, cc = sin * a0 + cos * a2, cos * a0 - sin * a2, cos * c0 - sin * c2
    wa, wc = sin * w0 + cos * w2, cos * w0 - sin * w2
    ww = cos * (cos * P[1, 1] - sin * P[3, 1]) - sin * (cos * P[1, 3] - sin * P[3, 3])
    b_ac, b_cc, b_cw = -cross / safe**2, -radial / safe**2, 1.0 / safe
    # The product of the Hessian, rows a, c, w, and of the covariance: tr(BP) and tr(BPBP).
    m_aa, m_ac, m_aw = b_ac * ac, b_ac * cc, b_ac * wc
    m_ca, m_cc, m_cw = (
        b_ac * aa + b_cc * ac + b_cw * wa,
        b_ac * ac + b_cc * cc + b_cw * wc,
        b_ac * wa + b_cc * wc + b_cw * ww,
    )
    m_wa, m_wc, m_ww = b_cw * ac, b_cw * cc, b_cw * wc
    bias = 0.5 * (m_aa + m_cc + m_ww)
    curved = 0.5 * (m_aa * m_aa + m_cc * m_cc + m_ww * m_ww) + m_ac * m_ca + m_aw * m_wa + m_cw * m_wc
    return radial, variance, bias, curved


@_compiled
def ratios_core(
    mean: FloatArray, covariance: FloatArray, position: FloatArray, noise: FloatArray, velocity: FloatArray,
    velocity_variance: FloatArray, gate: float, gate_velocity: bool, weight_velocity: bool, log_odds: float,
) -> FloatArray:  # fmt: skip
    """Return `step_numpy.likelihood_ratios`."""
    n, m = mean.shape[0], position.shape[0]
    ratio = np.zeros((n, m))
    cost = np.empty((n, m))
    with_state = np.zeros(4)
    largest = -np.inf
    adapt = np.isnan(log_odds)
    use_velocity = gate_velocity or weight_velocity
    radial = variance = 0.0
    for k in range(n):
        P = covariance[k]
        if use_velocity:
            radial, variance, bias, curved = _radial(mean[k], P, with_state)
            radial += bias
            variance += curved
        kx, ky = with_state[0], with_state[2]
        for h in range(m):
            ex, ey = position[h, 0] - mean[k, 0], position[h, 1] - mean[k, 2]
            a, b, c = P[0, 0] + noise[h, 0, 0], P[0, 2] + noise[h, 0, 1], P[2, 2] + noise[h, 1, 1]
            det = a * c - b * b
            squared = (c * ex * ex - 2.0 * b * ex * ey + a * ey * ey) / det
            # Most pairs are far apart: they need no logarithm unless the density adapts to all of them.
            if squared > gate and not adapt:
                cost[k, h] = np.inf
                continue
            distance = squared
            log_det = math.log(det)
            if use_velocity:
                gain_x, gain_y = (c * kx - b * ky) / det, (a * ky - b * kx) / det
                left = variance + velocity_variance[h] - (gain_x * kx + gain_y * ky)
                surprise = velocity[h] - radial - (gain_x * ex + gain_y * ey)
                more = surprise * surprise / left
                if gate_velocity:
                    distance += more
                if weight_velocity:
                    squared += more
                    log_det += math.log(left)
            largest = max(largest, log_det)
            cost[k, h] = squared + log_det if distance <= gate else np.inf
    reference = gate + largest if adapt else 2.0 * log_odds - (3.0 if weight_velocity else 2.0) * _LOG_2PI
    for k in range(n):
        for h in range(m):
            if cost[k, h] < np.inf:
                ratio[k, h] = math.exp(min(0.5 * (reference - cost[k, h]), MAX_LOG_RATIO))
    return ratio


@_compiled
def update_core(
    mean: FloatArray, covariance: FloatArray, position: FloatArray, noise: FloatArray, velocity: FloatArray,
    velocity_variance: FloatArray, probability: FloatArray, use_velocity: bool,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return `step_numpy.update`."""
    n, m = probability.shape
    new_mean, new_covariance = np.empty((n, 4)), np.empty((n, 4, 4))
    part = np.empty((m + 1, 4))  # means of the components, the miss last
    weight = np.empty(m + 1)
    spread, left = np.empty((4, 4)), np.empty((4, 4))
    gain = np.empty((4, 2))
    with_state = np.empty(4)
    for k in range(n):
        P = covariance[k]
        total = new_covariance[k]
        total[:] = 0.0
        count = 0
        missed = 1.0
        for h in range(m):
            beta = probability[k, h]
            if beta == 0.0:
                continue
            missed -= beta
            r00, r01, r11 = noise[h, 0, 0], noise[h, 0, 1], noise[h, 1, 1]
            a, b, c = P[0, 0] + r00, P[0, 2] + r01, P[2, 2] + r11
            det = a * c - b * b
            ex, ey = position[h, 0] - mean[k, 0], position[h, 1] - mean[k, 2]
            x = part[count]
            for i in range(4):
                gain[i, 0] = (c * P[i, 0] - b * P[i, 2]) / det
                gain[i, 1] = (a * P[i, 2] - b * P[i, 0]) / det
                x[i] = mean[k, i] + gain[i, 0] * ex + gain[i, 1] * ey
            # Joseph's form: (I - K H) P (I - K H)^T + K R K^T.
            for i in range(4):
                for j in range(4):
                    left[i, j] = P[i, j] - gain[i, 0] * P[0, j] - gain[i, 1] * P[2, j]
            for i in range(4):
                for j in range(i + 1):
                    spread[i, j] = (
                        left[i, j] - left[i, 0] * gain[j, 0] - left[i, 2] * gain[j, 1]
                        + gain[i, 0] * (r00 * gain[j, 0] + r01 * gain[j, 1])
                        + gain[i, 1] * (r01 * gain[j, 0] + r11 * gain[j, 1])
                    )  # fmt: skip
                    spread[j, i] = spread[i, j]
            if use_velocity:
                radial, variance, bias, curved = _radial(x, spread, with_state)
                S = variance + RECURRENCE * curved + velocity_variance[h]
                surprise = velocity[h] - radial - bias
                for i in range(4):
                    x[i] += with_state[i] / S * surprise
                    for j in range(4):
                        spread[i, j] -= with_state[i] * with_state[j] / S
            for i in range(4):
                for j in range(4):
                    total[i, j] += beta * spread[i, j]
            weight[count] = beta
            count += 1
        missed = max(missed, 0.0)
        for i in range(4):
            part[count, i] = mean[k, i]
            for j in range(4):
                total[i, j] += missed * P[i, j]
        weight[count] = missed
        for i in range(4):
            middle = 0.0
            for c_ in range(count + 1):
                middle += weight[c_] * part[c_, i]
            new_mean[k, i] = middle
        for c_ in range(count + 1):
            for i in range(4):
                for j in range(4):
                    total[i, j] += weight[c_] * (part[c_, i] - new_mean[k, i]) * (part[c_, j] - new_mean[k, j])
    return new_mean, new_covariance
