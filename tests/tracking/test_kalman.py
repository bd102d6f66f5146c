"""The batched filter against the textbook, one track and one detection at a time."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are
from scipy.stats import chi2

from isactrack.geometry import radial_velocity
from isactrack.tracking import kalman, motion

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
