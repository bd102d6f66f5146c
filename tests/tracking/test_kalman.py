"""The batched filter against the textbook, one track and one detection at a time."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are
from scipy.stats import chi2

from isactrack.geometry import polar_covariance_to_xy, polar_to_xy, radial_velocity, xy_to_polar
from isactrack.tracking import kalman, motion
from isactrack.tracking.tracker import birth

FloatArray = NDArray[np.float64]
H = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]])


def _covariances(rng: np.random.Generator, count: int, size: int, scale: float = 1.0) -> FloatArray:
    root = scale * rng.standard_normal((count, size, size))
    return np.asarray(root @ root.transpose(0, 2, 1) + 1e-3 * scale**2 * np.eye(size))


def _scene(seed: int = 0, n: int = 5, m: int = 7) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-2, 2, (n, 4)) + np.array([0, 0, 4, 0])
    position = rng.uniform(-2, 2, (m, 2)) + np.array([0, 4])
    return mean, _covariances(rng, n, 4, 0.5), position, _covariances(rng, m, 2, 0.2)


def test_prediction_is_the_textbooks() -> None:
    mean, P, _, _ = _scene()
    A, Q = motion.transition(0.2), motion.process_noise(0.2, 1.5)
    got_mean, got_P = kalman.predict(mean, P, A, Q)
    for k in range(len(mean)):
        np.testing.assert_allclose(got_mean[k], A @ mean[k])
        np.testing.assert_allclose(got_P[k], A @ P[k] @ A.T + Q)


def test_innovation_and_mahalanobis_are_the_textbooks() -> None:
    mean, P, z, R = _scene()
    residual, spread = kalman.innovation(mean, P, z, R)
    squared, log_det = kalman.mahalanobis(residual, spread)
    for k in range(len(mean)):
        for h in range(len(z)):
            S, e = H @ P[k] @ H.T + R[h], z[h] - H @ mean[k]
            np.testing.assert_allclose(residual[k, h], e)
            np.testing.assert_allclose(spread[k, h], S)
            assert squared[k, h] == pytest.approx(e @ np.linalg.solve(S, e))
            assert log_det[k, h] == pytest.approx(np.linalg.slogdet(S)[1])


def test_update_is_the_textbooks() -> None:
    mean, P, z, R = _scene(n=6, m=6)
    got_mean, got_P = kalman.update(mean, P, z, R)
    for k in range(len(mean)):
        K = P[k] @ H.T @ np.linalg.inv(H @ P[k] @ H.T + R[k])
        np.testing.assert_allclose(got_mean[k], mean[k] + K @ (z[k] - H @ mean[k]))
        np.testing.assert_allclose(got_P[k], (np.eye(4) - K @ H) @ P[k], atol=1e-12)


def test_update_of_no_tracks_is_empty() -> None:
    mean, P = kalman.update(np.zeros((0, 4)), np.zeros((0, 4, 4)), np.zeros((0, 2)), np.zeros((0, 2, 2)))
    assert mean.shape == (0, 4)
    assert P.shape == (0, 4, 4)


def test_steady_state_solves_the_riccati_equation() -> None:
    A, Q, R = motion.transition(0.1), motion.process_noise(0.1, 1.0), np.array([[[0.04, 0.01], [0.01, 0.09]]])
    mean, P = np.zeros((1, 4)), np.eye(4)[None]
    predicted = P
    for _ in range(400):
        mean, predicted = kalman.predict(mean, P, A, Q)
        mean, P = kalman.update(mean, predicted, np.zeros((1, 2)), R)
    np.testing.assert_allclose(predicted[0], solve_discrete_are(A.T, H.T, Q, R[0]), rtol=1e-8)


def test_radial_velocity_is_that_of_the_geometry_and_its_gradient_is_exact() -> None:
    mean, P, _, _ = _scene()
    velocity, variance, cross = kalman.predicted_radial_velocity(mean, P)
    np.testing.assert_allclose(velocity, radial_velocity(mean[:, ::2], mean[:, 1::2]))
    for k, state in enumerate(mean):
        gradient = np.array([
            (kalman.predicted_radial_velocity((state + d)[None], P[:1])[0][0]
             - kalman.predicted_radial_velocity((state - d)[None], P[:1])[0][0]) / 2e-6
            for d in 1e-6 * np.eye(4)
        ])  # fmt: skip
        assert variance[k] == pytest.approx(gradient @ P[k] @ gradient, rel=1e-6)
        np.testing.assert_allclose(cross[k], (P[k] @ gradient)[[0, 2]], rtol=1e-5, atol=1e-9)


def test_radial_velocity_stays_finite_at_the_sensor() -> None:
    velocity, variance, cross = kalman.predicted_radial_velocity(np.zeros((1, 4)), np.eye(4)[None])
    assert np.isfinite([velocity[0], variance[0], *cross[0]]).all()


def test_joint_gate_is_the_three_dimensional_mahalanobis_distance() -> None:
    mean, P, z, R = _scene(seed=3)
    velocity_noise = 0.15**2
    measured = np.random.default_rng(4).uniform(-2, 2, len(z))
    residual, spread = kalman.innovation(mean, P, z, R)
    squared, log_det = kalman.mahalanobis(residual, spread)
    velocity, variance, cross = kalman.predicted_radial_velocity(mean, P)
    more, log_variance = kalman.radial_velocity_terms(
        residual, spread, measured[None] - velocity[:, None], variance[:, None] + velocity_noise, cross
    )
    for k in range(len(mean)):
        for h in range(len(z)):
            S = np.zeros((3, 3))
            S[:2, :2] = H @ P[k] @ H.T + R[h]
            S[:2, 2] = S[2, :2] = cross[k]
            S[2, 2] = variance[k] + velocity_noise
            e = np.append(z[h] - H @ mean[k], measured[h] - velocity[k])
            assert squared[k, h] + more[k, h] == pytest.approx(e @ np.linalg.solve(S, e))
            assert log_det[k, h] + log_variance[k, h] == pytest.approx(np.linalg.slogdet(S)[1])


def _filter_errors(runs: int, steps: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return NEES (steps, runs) and NIS (steps, runs) of filters whose model is true."""
    rng = np.random.default_rng(seed)
    dt, std = 0.1, 1.0
    A, Q, R = motion.transition(dt), motion.process_noise(dt, std), np.array([[0.01, 0.004], [0.004, 0.04]])
    prior = np.diag([0.04, 1.0, 0.04, 1.0])
    mean = np.tile([1.0, 0.5, 3.0, -0.5], (runs, 1))
    truth, P = mean + rng.multivariate_normal(np.zeros(4), prior, runs), np.tile(prior, (runs, 1, 1))
    gamma = np.zeros((4, 2))
    gamma[:2, 0] = gamma[2:, 1] = [0.5 * dt**2, dt]
    nees, nis = np.empty((steps, runs)), np.empty((steps, runs))
    for t in range(steps):
        truth = truth @ A.T + std * rng.standard_normal((runs, 2)) @ gamma.T
        z = truth[:, ::2] + rng.multivariate_normal(np.zeros(2), R, runs)
        noise = np.tile(R, (runs, 1, 1))
        mean, P = kalman.predict(mean, P, A, Q)
        S = kalman.position_covariance(P) + noise
        nis[t] = kalman.mahalanobis(z - mean[:, ::2], S)[0]
        mean, P = kalman.update(mean, P, z, noise)
        error = truth - mean
        nees[t] = np.einsum("ni,ni->n", error, np.linalg.solve(P, error[..., None])[..., 0])
    return nees, nis


def test_filter_is_consistent() -> None:
    runs, steps = 400, 40
    nees, nis = _filter_errors(runs, steps, seed=7)
    # The mean over independent runs is chi-square with 4 (state) or 2 (innovation) degrees of freedom a run.
    low, high = chi2.ppf([0.025, 0.975], 4 * runs) / runs
    assert low <= nees[-1].mean() <= high
    inside = (nees.mean(axis=1) >= low) & (nees.mean(axis=1) <= high)
    assert inside.mean() >= 0.8  # 95 % expected, and neighbouring steps are correlated
    low, high = chi2.ppf([0.025, 0.975], 2 * runs * steps) / (runs * steps)
    assert low <= nis.mean() <= high  # innovations are white, so all of them count


def test_update_survives_a_huge_prior() -> None:
    prior = np.tile(np.diag([1e10, 1e6, 1e10, 1e6]), (1, 1, 1))
    prior[0, 0, 1] = prior[0, 1, 0] = prior[0, 2, 3] = prior[0, 3, 2] = 0.99e8
    mean, P = kalman.update(np.zeros((1, 4)), prior, np.array([[3.0, 4.0]]), 0.01 * np.eye(2)[None])
    np.testing.assert_allclose(mean[0, ::2], [3.0, 4.0], rtol=1e-6)
    np.testing.assert_allclose(P[0, ::2, ::2], 0.01 * np.eye(2), atol=1e-4)
    assert np.linalg.eigvalsh(P[0]).min() > 0.0


# --- what radial velocity adds ---------------------------------------------------------------------------------------


def _polar_state(r: float, azimuth: float, radial: float, cross: float) -> FloatArray:
    sin, cos = np.sin(azimuth), np.cos(azimuth)
    return np.array([r * sin, radial * sin + cross * cos, r * cos, radial * cos - cross * sin])


def test_curvature_of_the_radial_velocity_in_closed_form() -> None:
    """On boresight the Hessian has three entries, and x (across), vx and y (along) are the terms' own axes."""
    r, radial, cross = 5.0, 1.0, -0.5
    P = _covariances(np.random.default_rng(5), 1, 4, 0.3)
    bias, variance = kalman.radial_velocity_second_order(_polar_state(r, 0.0, radial, cross)[None], P)
    B = np.zeros((4, 4))
    B[0, 0], B[0, 1], B[1, 0], B[0, 2], B[2, 0] = -radial / r**2, 1 / r, 1 / r, -cross / r**2, -cross / r**2
    assert bias[0] == pytest.approx(0.5 * np.trace(B @ P[0]))
    assert variance[0] == pytest.approx(0.5 * np.trace(B @ P[0] @ B @ P[0]))


def test_curvature_is_that_of_the_geometry() -> None:
    """Mean and variance of the radial velocities of a cloud of states, whose linear part is taken off."""
    rng = np.random.default_rng(6)
    mean = _polar_state(8.0, 0.6, 0.7, 1.2)
    P = _covariances(rng, 1, 4, 1.0)[0] * np.outer([0.1, 1, 0.1, 1], [0.1, 1, 0.1, 1])
    cloud = rng.multivariate_normal(np.zeros(4), P, 400_000)
    v = kalman.predicted_radial_velocity(mean + cloud, np.broadcast_to(P, (len(cloud), 4, 4)))[0]
    at_mean = kalman.predicted_radial_velocity(mean[None], P[None])[0][0]
    gradient, *_ = np.linalg.lstsq(cloud, v - at_mean, rcond=None)
    rest = v - at_mean - cloud @ gradient
    bias, variance = kalman.radial_velocity_second_order(mean[None], P[None])
    assert rest.mean() == pytest.approx(bias[0], rel=0.03, abs=1e-4)
    assert rest.var() == pytest.approx(variance[0], rel=0.05)


def test_radial_velocity_update_is_the_extended_filter_s() -> None:
    mean, P, _, _ = _scene()
    measured, noise = np.array([0.3, -0.2, 0.1, 0.0, 1.0]), np.full(5, 0.05)
    got_mean, got_P = kalman.update_radial_velocity(mean, P, measured, noise)
    velocity, variance, _ = kalman.predicted_radial_velocity(mean, P)
    bias, second = kalman.radial_velocity_second_order(mean, P)
    for k, state in enumerate(mean):
        g = np.array([
            (kalman.predicted_radial_velocity((state + d)[None], P[:1])[0][0]
             - kalman.predicted_radial_velocity((state - d)[None], P[:1])[0][0]) / 2e-6
            for d in 1e-6 * np.eye(4)
        ])  # fmt: skip
        S = variance[k] + kalman.RECURRENCE * second[k] + noise[k]
        K = P[k] @ g / S
        np.testing.assert_allclose(got_mean[k], state + K * (measured[k] - velocity[k] - bias[k]), rtol=1e-6)
        np.testing.assert_allclose(got_P[k], P[k] - S * np.outer(K, K), rtol=1e-5, atol=1e-8)


def _radar_errors(
    runs: int, steps: int, seed: int, angle_std: float, use_velocity: bool, detected: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Return NEES (steps, runs) and position errors of new tracks, measured in polar coordinates, Doppler to 3 mm/s."""
    rng = np.random.default_rng(seed)
    range_std, velocity_std, cross_std, dt = 0.012, 0.003, 2.0, 0.1
    r, azimuth = rng.uniform(8.0, 24.0, runs), rng.uniform(-0.9, 0.9, runs)
    truth = np.stack([_polar_state(*row) for row in zip(
        r, azimuth, rng.uniform(-2.0, 2.0, runs), rng.normal(0.0, cross_std, runs), strict=True)])  # fmt: skip

    def measure() -> tuple[FloatArray, FloatArray, FloatArray]:
        r, azimuth = xy_to_polar(truth[:, ::2])
        r, azimuth = r + range_std * rng.standard_normal(runs), azimuth + angle_std * rng.standard_normal(runs)
        v = radial_velocity(truth[:, ::2], truth[:, 1::2]) + velocity_std * rng.standard_normal(runs)
        return polar_to_xy(r, azimuth), polar_covariance_to_xy(r, azimuth, range_std, angle_std), v

    z, R, v = measure()
    along = np.sqrt(velocity_std**2 + kalman.angle_variance(z, R) * cross_std**2)
    mean, P = birth(z, R, v, along, cross_std)
    A, Q = motion.transition(dt), motion.process_noise(dt, 1e-3)
    nees, off = np.empty((steps, runs)), np.empty((steps, runs))
    for t in range(steps):
        error = truth - mean
        nees[t] = np.einsum("ni,ni->n", error, np.linalg.solve(P, error[..., None])[..., 0])
        off[t] = np.hypot(error[:, 0], error[:, 2])
        truth = truth @ A.T + rng.multivariate_normal(np.zeros(4), Q, runs)
        z, R, v = measure()
        mean, P = kalman.predict(mean, P, A, Q)
        new_mean, new_P = kalman.update(mean, P, z, R)
        if use_velocity:
            new_mean, new_P = kalman.update_radial_velocity(new_mean, new_P, v, np.full(runs, velocity_std**2))
        seen = rng.random(runs) < detected
        mean, P = np.where(seen[:, None], new_mean, mean), np.where(seen[:, None, None], new_P, P)
    return nees, off


@pytest.mark.parametrize("use_velocity", [False, True])
@pytest.mark.parametrize("detected", [1.0, 0.7])
def test_tracks_are_consistent_from_birth_on(use_velocity: bool, detected: float) -> None:
    runs = 600
    nees, _ = _radar_errors(runs, 60, 8, 0.004, use_velocity, detected)
    low, high = chi2.ppf([5e-5, 1 - 5e-5], 4 * runs) / runs  # 60 steps are to be inside
    mean = nees.mean(axis=1)
    assert mean.max() <= high  # never too sure
    assert low <= mean[-20:].mean()
    # For a second after birth the curvature is counted with a margin, so the extended filter may be a little too wary.
    assert mean.min() >= (3.0 if use_velocity else low)


def test_radial_velocity_makes_tracks_more_accurate() -> None:
    without, with_it = (np.sqrt((_radar_errors(600, 30, 9, 0.004, use)[1] ** 2).mean(axis=1)) for use in (False, True))
    assert (with_it[3:] < 0.9 * without[3:]).all()


def test_a_coarse_angle_does_not_make_the_extended_filter_diverge() -> None:
    """At 15 mrad the way from polar coordinates into the plane makes either filter too sure, this one no more."""
    nees, off = _radar_errors(600, 60, 10, 0.015, True)
    plain_nees, plain = _radar_errors(600, 60, 10, 0.015, False)
    assert nees.mean(axis=1).max() < plain_nees.mean(axis=1).max() + 0.3 < 7.0
    assert np.sqrt((off**2).mean(axis=1))[-1] < np.sqrt((plain**2).mean(axis=1))[-1]


# --- noise and mixtures ----------------------------------------------------------------------------------------------


def test_floor_is_that_of_the_eigenvalues() -> None:
    covariance = np.concatenate([_covariances(np.random.default_rng(11), 40, 2, 0.1), 0.01 * np.eye(2)[None]])
    values, vectors = np.linalg.eigh(covariance)
    expected = (vectors * np.maximum(values, 0.08**2)[:, None, :]) @ vectors.transpose(0, 2, 1)
    np.testing.assert_allclose(kalman.with_floor(covariance, 0.08), expected, atol=1e-15)


def test_circle_is_as_wide_as_the_half_axes_in_the_mean() -> None:
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    ellipse = turn @ np.diag([0.3**2, 0.1**2]) @ turn.T
    np.testing.assert_allclose(kalman.circle(ellipse[None]), 0.2**2 * np.eye(2)[None])


def test_angle_variance_is_the_inverse_of_the_way_into_the_plane() -> None:
    r, azimuth = np.array([2.0, 9.0]), np.array([-0.7, 0.4])
    covariance = polar_covariance_to_xy(r, azimuth, 0.05, 0.03)
    np.testing.assert_allclose(kalman.angle_variance(polar_to_xy(r, azimuth), covariance), 0.03**2)


def test_mixture_has_the_moments_of_its_samples() -> None:
    rng = np.random.default_rng(12)
    mean, P, weight = rng.normal(size=(3, 4)), _covariances(rng, 3, 4), np.array([0.2, 0.5, 0.3])
    got_mean, got_P = kalman.mixture(weight, mean, P, np.zeros(3, dtype=np.intp), 1)
    which = rng.choice(3, 400_000, p=weight)
    root = np.linalg.cholesky(P)
    samples = mean[which] + np.einsum("nij,nj->ni", root[which], rng.standard_normal((which.size, 4)))
    np.testing.assert_allclose(got_mean[0], samples.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(got_P[0], np.cov(samples.T), atol=0.05 * np.abs(got_P).max())
