"""What is a target among paths, and where it stands: walkers, false points, the edges of the view."""

import builtins
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import paths_of
from isactrack.processing.channel import Paths
from isactrack.processing.dbscan_targets import TargetFinder, body_of_each
from isactrack.processing.ofdm_config import MusicConfig, OfdmChainConfig

pytest.importorskip("sklearn")

FloatArray = NDArray[np.float64]
TX = (4.0, 0.0)
PERIOD_S = 0.04
CONFIG = OfdmChainConfig(body_radius_m=0.0)


def _sensor(tx: tuple[float, float] | None = TX) -> OfdmSensor:
    return OfdmSensor(
        model="test",
        carrier_frequency_hz=26e9,
        subcarrier_spacing_hz=270e3,
        tones=tuple(range(-900, 901, 24)),
        frame_period_s=0.004,
        rx_positions=tuple(0.5 * p for p in range(8)),
        tx_position_m=tx,
    )


def _paths(step: int, points: ArrayLike, snr_db: ArrayLike = 20.0, std: tuple[float, float] = (0.03, 0.01)) -> Paths:
    position = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    path, azimuth = paths_of(position, TX)
    return Paths(
        time_s=step * PERIOD_S,
        path_m=path,
        azimuth_rad=azimuth,
        covariance=np.tile(np.diag(np.square(std)), (len(path), 1, 1)),
        snr_db=np.broadcast_to(np.asarray(snr_db, dtype=np.float64), path.shape).copy(),
    )


def _after(config: OfdmChainConfig, points: ArrayLike, steps: int = 6, **more: Any) -> Detections:
    finder = TargetFinder(_sensor(), config)
    for step in range(steps):
        found = finder(_paths(step, points, **more))
    return found


def test_a_target_needs_points_of_some_estimates_and_stands_where_the_newest_is() -> None:
    finder = TargetFinder(_sensor(), CONFIG)
    counts = [len(finder(_paths(step, [(0.05 * step, 4.0)]))) for step in range(4)]
    assert counts == [0, 0, 1, 1]
    found = finder(_paths(4, [(0.2, 4.0)]))
    np.testing.assert_allclose(found.position_m, [[0.2, 4.0]], atol=1e-9)
    assert found.time_s == 4 * PERIOD_S
    assert found.range_m == pytest.approx(np.hypot(0.2, 4.0))
    assert found.azimuth_rad == pytest.approx(math.atan2(0.2, 4.0))
    assert found.radial_velocity_mps.tolist() == [0.0]
    assert found.radial_velocity_std_mps[0] >= 1.0, "Doppler is ambiguous, nothing is measured"
    assert len(finder(_paths(5, []))) == 0, "what this estimate does not see is not reported"


def test_isolated_points_are_false() -> None:
    """Points that jump about, and one that lasts for two estimates only, beside a person who stays."""
    rng = np.random.default_rng(1)
    finder = TargetFinder(_sensor(), CONFIG)
    false = 0
    for step in range(200):
        flash = [(-2.0, 3.0)] if step % 20 in (0, 1) else []
        jumping = rng.uniform((-3.0, 5.0), (3.0, 9.0), (1, 2))
        found = finder(_paths(step, [(0.5, 3.0), *flash, *jumping]))
        false += int(np.sum(np.linalg.norm(found.position_m - (0.5, 3.0), axis=1) > 0.5))
        if step >= 3:
            assert np.linalg.norm(found.position_m - (0.5, 3.0), axis=1).min() < 1e-9
    assert false <= 2


def test_old_points_count_no_more() -> None:
    finder = TargetFinder(_sensor(), CONFIG)
    for step in (0, 1, 2):
        finder(_paths(step, [(0.0, 4.0)]))
    assert len(finder(_paths(6, [(0.0, 4.0)]))) == 0, "of the last five estimates, two have a point: 2 and 6"
    for step in (7, 8):
        found = finder(_paths(step, [(0.0, 4.0)]))
    assert len(found) == 1
    assert len(finder(_paths(3, [(0.0, 4.0)]))) == 0, "time has started anew"
    finder.reset()
    assert len(finder(_paths(9, [(0.0, 4.0)]))) == 0


def test_limbs_are_of_the_body_by_their_power() -> None:
    points = [(0.0, 4.0), (0.25, 4.1), (-0.2, 3.8)]
    found = _after(CONFIG, points, snr_db=[20.0, 10.0, 10.0])
    assert len(found) == 1
    assert found.snr_db == pytest.approx([20.0])
    np.testing.assert_allclose(found.position_m[0], np.average(points, axis=0, weights=[10.0, 1.0, 1.0]), atol=1e-9)


def test_two_people_half_a_metre_apart_stay_two_though_their_trails_touch() -> None:
    """One walks behind the other: each trail of 0.2 m ends where the next one begins, as near as neighbours are."""
    finder = TargetFinder(_sensor(), CONFIG)
    for step in range(20):
        x = -0.4 + 0.048 * step
        found = finder(_paths(step, [(x, 4.0), (x + 0.5, 4.0)], snr_db=[20.0, 17.0]))
    np.testing.assert_allclose(found.position_m, [(x, 4.0), (x + 0.5, 4.0)], atol=1e-9)
    assert found.snr_db.tolist() == [20.0, 17.0]


def test_the_place_of_a_walker_does_not_lag() -> None:
    """1.2 m/s and noise of 5 cm: the centroid of the trail would be 9 cm behind."""
    finder = TargetFinder(_sensor(), CONFIG)
    rng = np.random.default_rng(2)
    ahead = []
    for step in range(120):
        where = np.array([-2.8 + 1.2 * PERIOD_S * step, 4.0])
        found = finder(_paths(step, where + rng.normal(0.0, 0.05, 2)))
        ahead += [float(p[0] - where[0]) for p in found.position_m]
    assert len(ahead) >= 110
    assert abs(np.mean(ahead)) < 0.02


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"max_range_m": 5.0}, (0.0, 5.2)),
        ({"max_azimuth_rad": math.radians(40.0)}, (4.0, 4.0)),
        ({"min_excess_m": 1.0}, (2.0, 1.5)),
        ({"max_position_std_m": 0.05}, (0.0, 8.0)),
    ],
)
def test_who_is_out_of_view_is_left_out(settings: dict[str, Any], place: tuple[float, float]) -> None:
    assert len(_after(replace(CONFIG, max_position_std_m=2.0), place)) == 1
    config = replace(CONFIG, **{"max_position_std_m": 2.0} | settings)
    assert len(_after(config, place)) == 0
    assert len(_after(config, [(0.0, 3.0), place])) == 1


def test_what_has_no_place_is_no_target() -> None:
    finder = TargetFinder(_sensor(), CONFIG)
    bad = np.array([3.9, 4.0, np.nan, 6.0])
    for step in range(6):
        found = finder(
            Paths(
                time_s=step * PERIOD_S,
                path_m=bad,
                azimuth_rad=np.array([0.1, math.pi / 2, 0.0, np.nan]),
                covariance=np.tile(1e-4 * np.eye(2), (4, 1, 1)),
                snr_db=np.full(4, 20.0),
            )
        )
        assert len(found) == 0


def test_a_body_is_behind_what_reflects() -> None:
    at_surface = _after(CONFIG, [(0.0, 4.0)]).position_m[0]
    centre = _after(replace(CONFIG, body_radius_m=0.2), [(0.0, 4.0)]).position_m[0]
    assert np.linalg.norm(centre - at_surface) == pytest.approx(0.2)
    assert centre[1] > at_surface[1]
    assert centre[0] < at_surface[0], "away from the transmitter too, which stands to the right"


def test_the_covariance_has_a_floor_and_counts_each_block_once() -> None:
    """Windows of 25 blocks at a hop of 10 share blocks: an estimate tells as much as 10 of its 25."""
    every = replace(CONFIG, music=MusicConfig(window_blocks=10), position_floor_m=0.0)
    shared = replace(CONFIG, music=MusicConfig(window_blocks=25), position_floor_m=0.0)
    one, other = (_after(config, [(0.0, 4.0)]).covariance_m2[0] for config in (every, shared))
    np.testing.assert_allclose(other, 2.5 * one)
    with_floor = _after(replace(every, position_floor_m=0.3), [(0.0, 4.0)]).covariance_m2[0]
    np.testing.assert_allclose(with_floor, one + 0.09 * np.eye(2))


@pytest.mark.slow
def test_errors_are_as_large_as_the_covariance_says() -> None:
    """Normalised errors of single points at two places: chi-square with two degrees of freedom, 2 in the mean."""
    config = replace(CONFIG, music=MusicConfig(window_blocks=10), position_floor_m=0.0, cluster_points=1)
    finder, rng, std = TargetFinder(_sensor(), config), np.random.default_rng(3), (0.03, 0.01)
    squared = []
    for step in range(600):
        place = np.array([(0.0, 4.0), (-2.0, 3.0)][step % 2])
        clean = _paths(step, place, std=std)
        noisy = replace(
            clean,
            path_m=clean.path_m + rng.normal(0.0, std[0], 1),
            azimuth_rad=clean.azimuth_rad + rng.normal(0.0, std[1], 1),
        )
        found = finder(noisy)
        error = found.position_m[0] - place
        squared.append(error @ np.linalg.solve(found.covariance_m2[0], error))
    assert np.mean(squared) == pytest.approx(2.0, abs=0.3)


def test_bodies_do_not_chain() -> None:
    row = np.array([(0.0, 4.0), (0.3, 4.0), (0.6, 4.0), (0.9, 4.0)])
    assert body_of_each(row, np.array([20.0, 19.0, 18.0, 17.0]), 0.4).tolist() == [0, 0, 2, 2]
    assert body_of_each(row, np.array([17.0, 20.0, 18.0, 19.0]), 0.4).tolist() == [1, 1, 1, 3]
    assert body_of_each(np.zeros((0, 2)), np.zeros(0), 0.4).tolist() == []


def test_a_radio_whose_transmitter_is_nowhere_is_refused() -> None:
    with pytest.raises(ConfigError, match="where the transmitter stands"):
        TargetFinder(_sensor(None), CONFIG)


def test_without_scikit_learn_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "sklearn":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match="not installed") as refused:
        TargetFinder(_sensor(), CONFIG)
    assert "isactrack[bistatic]" in refused.value.hint


@pytest.mark.slow
def test_a_call_takes_a_millisecond() -> None:
    finder, rng = TargetFinder(_sensor(), CONFIG), np.random.default_rng(4)
    times = []
    for step in range(300):
        paths = _paths(step, rng.uniform((-2.0, 2.0), (2.0, 7.0), (6, 2)))
        start = time.process_time()
        finder(paths)
        times.append(time.process_time() - start)
    assert np.median(times) < 3e-3, "three times what it takes, for machines that are busy"
