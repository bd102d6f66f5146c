"""RMSE and NEES: closed forms, and the coverage of the chi-square interval."""

import math

import numpy as np
import pytest

from isactrack.errors import ConfigError
from isactrack.tracking import nees, rmse
from isactrack.tracking.metrics_consistency import normalised_errors


def test_rmse_of_distances_and_of_vectors() -> None:
    assert rmse([3.0, 4.0]) == pytest.approx(math.sqrt(12.5))
    assert rmse([(3.0, 4.0), (0.0, 5.0)]) == pytest.approx(5.0)
    assert math.isnan(rmse([]))


def test_nees_of_known_errors() -> None:
    covariance = np.array([[4.0, 0.0], [0.0, 9.0]])
    got = nees([(2.0, 3.0), (0.0, 3.0)], [covariance, covariance])
    assert got.mean == pytest.approx(1.5)
    assert (got.dimension, got.samples, got.confidence) == (2, 2, 0.95)
    # Chi-square with 4 degrees of freedom, over 2 errors.
    assert (got.lower, got.upper) == pytest.approx((0.4844 / 2, 11.1433 / 2), rel=1e-4)
    assert got.is_consistent
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = normalised_errors(np.array([(2.0, 3.0)]) @ turn.T, (turn @ covariance @ turn.T)[None])
    assert turned == pytest.approx([2.0])


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_covers_the_mean_of_true_covariances(confidence: float) -> None:
    rng = np.random.default_rng(1)
    A = rng.normal(size=(4, 4))
    P = A @ A.T + np.eye(4)
    errors = rng.multivariate_normal(np.zeros(4), P, (2000, 10))
    inside = np.mean([nees(e, np.broadcast_to(P, (10, 4, 4)), confidence).is_consistent for e in errors])
    assert inside == pytest.approx(confidence, abs=0.015)


def test_a_filter_too_sure_of_itself_is_found_out() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(size=(200, 2))
    assert nees(errors, np.broadcast_to(np.eye(2), (200, 2, 2))).is_consistent
    assert nees(errors, np.broadcast_to(0.5 * np.eye(2), (200, 2, 2))).mean > nees(errors, [np.eye(2)] * 200).upper


def test_nothing_and_wrong_confidence_are_refused() -> None:
    with pytest.raises(ConfigError, match="errors of shape"):
        nees(np.zeros((0, 2)), np.zeros((0, 2, 2)))
    with pytest.raises(ConfigError, match="confidence"):
        nees(np.zeros((1, 2)), np.eye(2)[None], 1.0)
