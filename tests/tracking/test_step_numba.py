"""The compiled kernels against the plain ones, on random scenes and over whole runs."""

import sys
from dataclasses import replace
from types import ModuleType
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy, radial_velocity, xy_to_polar
from isactrack.tracking import Tracker, TrackerConfig, paper_config, step_numpy
from isactrack.tracking.step_numpy import Measured, Weighing

pytest.importorskip("numba")

from isactrack.tracking import step_numba

FloatArray = NDArray[np.float64]


def _assert_same(got: FloatArray, expected: FloatArray) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def _covariances(rng: np.random.Generator, count: int, size: int, scale: float) -> FloatArray:
    root = scale * rng.standard_normal((count, size, size))
    return np.asarray(root @ root.transpose(0, 2, 1) + 1e-3 * scale**2 * np.eye(size))


def _scene(seed: int, n: int, m: int) -> tuple[FloatArray, FloatArray, Measured]:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-2.0, 2.0, (n, 4)) + np.array([0.0, 0.0, 3.0, 0.0])
    position = rng.uniform(-2.0, 2.0, (m, 2)) + np.array([0.0, 3.0])
    measured = Measured(
        position, _covariances(rng, m, 2, 0.3), rng.uniform(-2.0, 2.0, m), rng.uniform(0.003, 0.5, m) ** 2
    )
    return mean, _covariances(rng, n, 4, 0.5), measured


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 9),
    m=st.integers(0, 12),
    gate=st.sampled_from([6.0, 11.3, 500.0]),
    dimensions=st.sampled_from([(False, False), (True, False), (True, True)]),
    log_odds=st.sampled_from([float("nan"), 4.0]),
    use_velocity=st.booleans(),
)
def test_kernels_agree(
    seed: int, n: int, m: int, gate: float, dimensions: tuple[bool, bool], log_odds: float, use_velocity: bool
) -> None:
    mean, covariance, measured = _scene(seed, n, m)
    weighing = Weighing(gate, *dimensions, log_odds)
    plain = step_numpy.predict(mean, covariance, 0.13, 1.7)
    for got, expected in zip(step_numba.predict(mean, covariance, 0.13, 1.7), plain, strict=True):
        _assert_same(got, expected)
    ratio = step_numpy.likelihood_ratios(*plain, measured, weighing)
    np.testing.assert_allclose(step_numba.likelihood_ratios(*plain, measured, weighing), ratio, rtol=1e-9)
    probability = ratio / (1.0 + ratio.sum(axis=1, keepdims=True))
    expected_states = step_numpy.update(*plain, measured, probability, use_velocity)
    got_states = step_numba.update(*plain, measured, probability, use_velocity)
    for got, expected in zip(got_states, expected_states, strict=True):
        _assert_same(got, expected)


def test_a_state_at_the_sensor_agrees_too() -> None:
    _, covariance, measured = _scene(1, 1, 3)
    mean = np.array([[0.01, 1.0, 0.02, -2.0]])
    weighing = Weighing(500.0, True, True, float("nan"))
    ratio = step_numpy.likelihood_ratios(mean, covariance, measured, weighing)
    assert np.isfinite(ratio).all()
    np.testing.assert_allclose(step_numba.likelihood_ratios(mean, covariance, measured, weighing), ratio, rtol=1e-9)


def test_views_and_single_precision_are_taken_as_they_come() -> None:
    mean, covariance, measured = _scene(2, 3, 8)
    every_other = Measured(*(array[::2] for array in measured))
    single = Measured(*(cast("FloatArray", array[::2].astype(np.float32)) for array in measured))
    weighing = Weighing(50.0, True, True, 2.0)
    expected = step_numpy.likelihood_ratios(mean, covariance, every_other, weighing)
    np.testing.assert_allclose(step_numba.likelihood_ratios(mean, covariance, every_other, weighing), expected)
    got = step_numba.likelihood_ratios(mean, covariance, single, weighing)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)


def _run_of(seed: int, frames: int = 40) -> list[Detections]:
    """Return what is seen of four targets that cross, among clutter, with noise that differs from one to the next."""
    rng = np.random.default_rng(seed)
    start, velocity = rng.uniform([-4, 4], [4, 10], (4, 2)), rng.uniform(-1.5, 1.5, (4, 2))
    seen = []
    for frame in range(frames):
        position = (start + velocity * 0.1 * frame)[rng.random(4) < 0.9]
        v = radial_velocity(position, velocity[: len(position)])
        false = rng.uniform([-5, 3], [5, 11], (rng.poisson(6.0), 2))
        r, azimuth = xy_to_polar(np.concatenate([position, false]))
        std = rng.uniform(0.02, 0.1, r.size)
        r, azimuth = r + std * rng.standard_normal(r.size), azimuth + 0.02 * rng.standard_normal(r.size)
        seen.append(
            Detections(
                time_s=0.1 * frame,
                position_m=polar_to_xy(r, azimuth),
                covariance_m2=polar_covariance_to_xy(r, azimuth, std, 0.02),
                radial_velocity_mps=np.concatenate([v, rng.uniform(-2, 2, len(false))]),
                radial_velocity_std_mps=rng.uniform(0.01, 0.2, r.size),
                snr_db=rng.uniform(12, 25, r.size),
                range_m=r,
                azimuth_rad=azimuth,
            )
        )
    return seen


@pytest.mark.parametrize("association", ["gnn", "pda", "jpda", "spa", "penalty"])
@pytest.mark.parametrize("filter_name", ["kf", "subkf", "ekf"])
@pytest.mark.parametrize("paper", [True, False])
def test_whole_runs_agree(association: str, filter_name: str, paper: bool) -> None:
    config = (
        paper_config(association, filter=filter_name)
        if paper
        else TrackerConfig(association=association, filter=filter_name)
    )
    plain, compiled = (Tracker(replace(config, engine=engine)) for engine in ("numpy", "numba"))
    alive = 0
    for detections in _run_of(5):
        expected, got = plain.step(detections), compiled.step(detections)
        alive = max(alive, len(expected))
        assert [(t.track_id, t.status, t.age) for t in got] == [(t.track_id, t.status, t.age) for t in expected]
        for one, other in zip(got, expected, strict=True):
            _assert_same(one.state, other.state)
            _assert_same(one.covariance, other.covariance)
            assert one.existence == pytest.approx(other.existence, abs=1e-9)
    assert alive >= 4


@pytest.mark.parametrize(
    ("engine", "association", "module"),
    [
        ("auto", "spa", step_numba),
        ("auto", "pda", step_numba),
        ("auto", "gnn", step_numpy),
        ("numba", "gnn", step_numba),
        ("numpy", "spa", step_numpy),
    ],
)
def test_engine_is_what_was_asked_for(engine: str, association: str, module: ModuleType) -> None:
    assert Tracker(TrackerConfig(engine=engine, association=association))._kernels is module


def test_without_numba_it_is_numpy_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "isactrack.tracking.step_numba")
    monkeypatch.delattr("isactrack.tracking.step_numba")
    assert Tracker(TrackerConfig(association="pda"))._kernels is step_numpy
    with pytest.raises(ConfigError, match="numba") as error:
        Tracker(TrackerConfig(association="pda", engine="numba"))
    assert error.value.hint
