"""The motion model against its closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack.tracking import motion


def test_prediction_is_position_plus_velocity_times_time() -> None:
    state = np.array([1.0, 0.5, -2.0, 2.0])
    np.testing.assert_allclose(motion.transition(0.4) @ state, [1.2, 0.5, -1.2, 2.0])


@given(a=st.floats(0.0, 10.0), b=st.floats(0.0, 10.0))
def test_transitions_compose(a: float, b: float) -> None:
    np.testing.assert_allclose(motion.transition(a) @ motion.transition(b), motion.transition(a + b), atol=1e-12)


def test_process_noise_is_that_of_a_constant_random_acceleration() -> None:
    rng = np.random.default_rng(1)
    dt, std = 0.3, 1.7
    acceleration = std * rng.standard_normal((2, 200_000))
    moved = np.stack([0.5 * dt**2 * acceleration[0], dt * acceleration[0], 0.5 * dt**2 * acceleration[1],
                      dt * acceleration[1]])  # fmt: skip
    np.testing.assert_allclose(motion.process_noise(dt, std), np.cov(moved), atol=5e-3)


def test_process_noise_keeps_the_axes_apart() -> None:
    Q = motion.process_noise(0.1, 2.0)
    assert not Q[:2, 2:].any()
    np.testing.assert_array_equal(Q[:2, :2], Q[2:, 2:])
    assert Q[1, 1] == pytest.approx((2.0 * 0.1) ** 2)


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_one_long_step_is_at_least_as_uncertain_as_many_short_ones(steps: int) -> None:
    dt, A, Q = 0.1, motion.transition(0.1), motion.process_noise(0.1, 1.0)
    P = np.zeros((4, 4))
    for _ in range(steps):
        P = A @ P @ A.T + Q
    excess = motion.process_noise(steps * dt, 1.0) - P
    assert np.diag(excess).min() > 0.0
