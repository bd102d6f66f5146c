"""Fig. 3 and 5 of mnomp-spa-kf: their trials, what is counted, and the drawings."""

import json
from pathlib import Path

import numpy as np
import pytest

from isactrack.experiments.catalogue import CATALOGUE, load
from isactrack.experiments.experiment import Experiment, Result, Verdict
from isactrack.experiments.mnomp_spa_kf.bounds_figures import (
    FIG3,
    FIG5,
    draw_fig3,
    draw_fig5,
    fig3_summary,
    fig5_summary,
)
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor
from isactrack.experiments.trials import run_trials
from isactrack.geometry import xy_to_polar
from isactrack.processing.bounds import position_crb

PLACES = [[-2.8, 7.5], [3.2, 7.5]]
SNR_DB = [11.0, 15.0, 17.0, 25.0]


def normal_fig3(trials: int, scale: float, seed: int = 0) -> list[Result]:
    """Return results whose estimates have `scale` times the covariance of the bound."""
    rng = np.random.default_rng(seed)
    bounds = position_crb(paper_sensor(), 10.0**1.9, *xy_to_polar(PLACES))
    return [
        {
            "position_m": PLACES,
            "snr_db": 19.0,
            "estimate_m": [rng.multivariate_normal(p, scale * b).tolist() for p, b in zip(PLACES, bounds, strict=True)],
            "covariance_m2": bounds.tolist(),
        }
        for _ in range(trials)
    ]


def normal_fig5(trials: int, excess_db: list[float]) -> list[Result]:
    """Return results whose errors exceed the bound by so much at each SNR."""
    rng = np.random.default_rng(1)
    bound = position_crb(paper_sensor(), 10.0 ** (np.array(SNR_DB) / 10.0), *xy_to_polar(PLACES[0]))[:, [0, 1], [0, 1]]
    deviation = np.sqrt(bound * 10.0 ** (np.array(excess_db)[:, None] / 10.0))
    return [
        {
            "position_m": PLACES[0],
            "snr_db": SNR_DB,
            "bound_m2": bound.tolist(),
            "mnomp_m": (rng.standard_normal((4, 2)) * deviation).tolist(),
            "nomp3d_m": (rng.standard_normal((4, 2)) * np.sqrt(bound)).tolist(),
        }
        for _ in range(trials)
    ]


@pytest.mark.parametrize("experiment", [FIG3, FIG5])
def test_they_are_in_the_catalogue(experiment: Experiment) -> None:
    assert load(experiment.name) is experiment
    assert CATALOGUE[experiment.name].title == experiment.title


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_few_trials_go_the_whole_way(tmp_path: Path) -> None:
    for experiment in (FIG3, FIG5):
        run = run_trials(experiment, trials=3, path=tmp_path / "results.jsonl", resume=False)
        assert run.failures == ()
        summary = experiment.summarise(run.results)
        json.dumps(dict(summary.data), allow_nan=False)
        figure = tmp_path / f"{experiment.name.rpartition('/')[2]}.png"
        experiment.draw(run.results, figure)
        assert figure.read_bytes().startswith(b"\x89PNG")
    at_25_db = np.array([[result["mnomp_m"][-1], result["nomp3d_m"][-1]] for result in run.results])
    assert np.abs(at_25_db).max() < 0.08


def test_estimates_at_the_bound_agree_with_the_paper() -> None:
    rows = fig3_summary(normal_fig3(2000, 1.0)).rows
    assert rows[0].ours == pytest.approx(0.95, abs=0.01)
    assert rows[3].ours == pytest.approx(1.0 - np.exp(-1.2 * np.log(20.0)), abs=0.01)
    assert rows[0].verdict is rows[3].verdict is Verdict.AGREES
    assert rows[6].verdict is Verdict.AGREES, "the circle holds less than it claims"
    assert rows[7].ours == rows[0].ours, "the claimed covariance is the bound's here"


def test_estimates_beside_the_bound_differ_from_the_paper() -> None:
    assert fig3_summary(normal_fig3(500, 2.0)).rows[0].verdict is Verdict.DIFFERS
    assert fig3_summary(normal_fig3(500, 0.5)).rows[0].verdict is Verdict.DIFFERS


def test_a_place_without_a_detection_is_outside(tmp_path: Path) -> None:
    results = normal_fig3(10, 0.01)
    results[0]["estimate_m"][1] = results[0]["covariance_m2"][1] = None
    rows = fig3_summary(results).rows
    assert [row.ours for row in rows[:3]] == [0.95, 1.0, 0.9]
    draw_fig3(results, tmp_path / "fig3.svg")


def test_errors_at_the_bound_agree_from_where_they_are() -> None:
    least, pooled, greatest = fig5_summary(normal_fig5(600, [6.0, 3.0, 0.0, 0.0])).rows[:3]
    assert least.ours == 17.0
    assert least.verdict is pooled.verdict is Verdict.AGREES
    assert pooled.ours == pytest.approx(0.0, abs=0.4)
    assert isinstance(greatest.ours, float)
    assert greatest.ours < 1.0


def test_errors_far_from_the_bound_differ() -> None:
    least, pooled, _ = fig5_summary(normal_fig5(600, [6.0, 6.0, 6.0, 0.0])).rows[:3]
    assert least.ours == 25.0
    assert least.verdict is pooled.verdict is Verdict.DIFFERS
    never = fig5_summary(normal_fig5(600, [6.0, 6.0, 6.0, 6.0])).rows[0]
    assert never.ours is None
    assert never.verdict is Verdict.DIFFERS


@pytest.mark.slow
def test_missed_targets_count_as_far_away(tmp_path: Path) -> None:
    results = normal_fig5(50, [0.0] * 4)
    results[7]["nomp3d_m"][2] = None
    rows = fig5_summary(results).rows
    assert rows[3].ours == 25.0
    assert rows[3].verdict is Verdict.DIFFERS
    draw_fig5(results, tmp_path / "fig5.pdf")
