"""Fig. 5 and Fig. 6 of indoor-multi-person-isac-26ghz: what is counted, what is said of it and what is drawn."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.drivers.simulated.rooms import LAB, ROOMS
from isactrack.experiments.experiment import Result, Row, Verdict
from isactrack.experiments.indoor_isac import impulse_figure, people_figure
from isactrack.experiments.indoor_isac.people_figure import METHODS, OURS, quantile_interval, score, typical
from isactrack.tracking.metrics_sets import LabelledSet

STEPS = 100


def person(label: int, speed_mps: float, step: int) -> tuple[int, list[float], list[float]]:
    return label, [0.04 * speed_mps * step, 3.0 * label], [speed_mps, 0.0]


def sets(points: list[list[tuple[int, list[float], list[float]]]]) -> list[LabelledSet]:
    return [
        LabelledSet.of(
            [label for label, *_ in instant],
            np.array([place for _, place, _ in instant]).reshape(-1, 2),
            np.array([velocity for *_, velocity in instant]).reshape(-1, 2),
        )
        for instant in points
    ]


def moved(
    point: tuple[int, list[float], list[float]], label: int, off_m: float
) -> tuple[int, list[float], list[float]]:
    _, (x, y), velocity = point
    return label, [x, y + off_m], velocity


# --- Fig. 6: a run ---------------------------------------------------------------------------------------------------


def test_errors_are_of_walkers_and_whoever_stands_is_no_false_track() -> None:
    truth = [[person(1, 1.0, k), person(2, 0.05, k)] for k in range(STEPS)]
    tracks = [[moved(one[0], 7, 0.1), moved(one[1], 8, 0.5)] for one in truth]
    found = score(sets(tracks), sets(truth))
    assert found["error_mm"] == [100] * STEPS
    assert (found["walking"], found["missed"], found["standing"], found["standing_missed"]) == (STEPS, 0, STEPS, 0)
    assert (found["false"], found["switches"], found["kept"]) == (0, 0, True)


@pytest.mark.parametrize(("seen", "kept"), [(91, True), (89, False)])
def test_an_identity_is_kept_if_one_track_follows_for_nine_tenths_of_the_walk(seen: int, kept: bool) -> None:
    truth = [[person(1, 1.0, k)] for k in range(STEPS)]
    tracks = [[moved(one[0], 7, 0.1)] if k < seen else [] for k, one in enumerate(truth)]
    found = score(sets(tracks), sets(truth))
    assert found["missed"] == STEPS - seen and found["kept"] is kept


def test_another_track_is_another_identity_and_what_follows_nobody_is_false() -> None:
    truth = [[person(1, 1.0, k)] for k in range(STEPS)]
    tracks = [[moved(one[0], 7 if k < 50 else 8, 0.1), moved(one[0], 9, 2.0)] for k, one in enumerate(truth)]
    found = score(sets(tracks), sets(truth))
    assert (found["switches"], found["kept"], found["false"], found["missed"]) == (1, False, STEPS, 0)


# --- Fig. 6: all runs ------------------------------------------------------------------------------------------------


def test_a_quantile_is_that_of_all_errors_and_its_interval_is_that_of_trials() -> None:
    rng = np.random.default_rng(1)
    errors = [rng.integers(0, 300, 400) for _ in range(30)]
    histograms = np.stack([np.bincount(each, minlength=1001) for each in errors])
    for quantile in (0.5, 0.9):
        found = quantile_interval(histograms, quantile)
        assert found is not None
        expected = 1e-3 * float(np.quantile(np.concatenate(errors), quantile, method="inverted_cdf"))
        assert found.estimate == pytest.approx(expected, abs=1e-9)
        assert found.low <= found.estimate <= found.high and found.high - found.low < 0.02
    alike = quantile_interval(np.stack([histograms[0]] * 5), 0.5)
    assert alike is not None and alike.low == alike.high == alike.estimate
    assert quantile_interval(np.zeros((3, 1001), dtype=np.int64), 0.5) is None


def test_the_interval_of_a_quantile_knows_that_trials_differ() -> None:
    rng = np.random.default_rng(2)
    centre = rng.uniform(50, 150, 20)
    histograms = np.stack([np.bincount(rng.integers(int(c) - 5, int(c) + 5, 500), minlength=1001) for c in centre])
    found = quantile_interval(histograms, 0.5)
    assert found is not None
    alone = 1e-3 * float(np.std(np.median(rng.choice(centre, (2000, 20)), axis=1)))
    assert 2.0 * alone < found.high - found.low < 6.0 * alone


def test_a_share_is_of_sums_and_its_interval_is_that_of_trials() -> None:
    runs = [[{"part": 10 * k, "whole": 100}] for k in range(5)]
    found = people_figure.ratio_interval(runs, ("part",), ("whole",))
    assert found.estimate == pytest.approx(0.2)
    assert 0.05 < found.low < 0.12 and 0.28 < found.high < 0.35
    both = people_figure.ratio_interval(runs, ("part", "part"), ("whole", "whole"))
    assert both == found


def one_run(error_mm: list[int], *, missed: int = 0, kept: bool = True, false: int = 0, switches: int = 0) -> Result:
    return {
        "error_mm": error_mm, "walking": len(error_mm) + missed, "missed": missed, "standing": 10,
        "standing_missed": 1, "estimates": 150, "false": false, "switches": switches, "kept": kept,
    }  # fmt: skip


def made_results(trials: int = 4) -> list[dict[str, Any]]:
    scenes = [f"{room}-{case}" for room in ROOMS for case in people_figure.CASES]
    rng = np.random.default_rng(3)
    results = []
    for _ in range(trials):
        runs: dict[str, Any] = {}
        for scene in scenes:
            runs[scene] = {"methods": {method: one_run(rng.integers(20, 130, 200).tolist()) for method in METHODS}}
            runs[scene]["methods"][people_figure.HUNGARIAN] = one_run(
                [90] * 100, missed=100, kept=False, false=300, switches=1
            )
            runs[scene]["methods"][people_figure.UNCALIBRATED] = one_run([], missed=200, kept=False)
            way = np.cumsum(rng.uniform(0.0, 0.05, (40, 2)), axis=0) + np.array([0.0, 3.0])
            runs[scene]["paths"] = {"truth": [way.tolist()], "tracks": [(way + 0.05).tolist()]}
        del runs[scenes[0]]["methods"][people_figure.UNCALIBRATED]  # it is in one scene of each trial only
        results.append({"runs": runs, "worse": one_run([80] * 50, false=10), "mirrored": one_run([70] * 50, false=90)})
    return results


def rows_of(results: list[dict[str, Any]]) -> dict[str, Row]:
    return {row.quantity: row for row in people_figure.summarise(results).rows}


def test_the_table_compares_with_the_paper_and_with_what_leaves_a_part_out() -> None:
    rows = rows_of(made_results())
    median = rows["all cases: median error (m)"]
    assert isinstance(median.ours, float) and 0.06 < median.ours < 0.09 and median.verdict is Verdict.AGREES
    assert rows["all cases: 90 % of errors below (m)"].verdict is Verdict.AGREES
    unswitched = rows["all cases: runs without a change of identity (%)"]
    assert unswitched.ours == 100.0 and unswitched.verdict is Verdict.AGREES
    kept = rows["all cases: runs with all identities kept, each for 90 % of the walk (%)"]
    assert kept.ours == 100.0 and kept.verdict is Verdict.AGREES and kept.interval is not None
    assert kept.interval[0] == pytest.approx(100.0 * 0.025 ** (1.0 / 24.0))
    assert rows["all cases: walkers without a track (%)"].ours == 0.0
    assert rows["all cases: standing people without a track (%)"].ours == pytest.approx(10.0)
    hungarian = rows["plain Hungarian: runs without a change of identity (%)"]
    assert hungarian.ours == 0.0 and hungarian.verdict is Verdict.AGREES
    numbers = rows["plain Hungarian: median, 90 %; no change, kept; walking, standing missed; false"]
    assert numbers.ours == "0.090, 0.090 m; 0, 0 %; 50.0, 10.0 %; 2.00" and numbers.verdict is Verdict.OPEN
    lost = rows["no calibration: 90 % of errors below (m)"]
    assert lost.ours == "no track" and lost.verdict is Verdict.AGREES
    alike = rows["consecutive difference: people without a track (%)"]
    assert alike.ours == pytest.approx(100.0 / 210.0) and alike.verdict is Verdict.DIFFERS
    assert len([name for name in rows if name.startswith("office, three, crossing")]) == 3


def test_errors_and_identities_that_miss_the_paper_are_said_to_differ() -> None:
    results = made_results()
    for result in results:
        for run in result["runs"].values():
            run["methods"][OURS] = one_run([130] * 80 + [400] * 20, kept=False, switches=2)
    rows = rows_of(results)
    for name in (
        "median error (m)", "90 % of errors below (m)", "runs without a change of identity (%)",
        "runs with all identities kept, each for 90 % of the walk (%)",
    ):  # fmt: skip
        assert rows[f"all cases: {name}"].verdict is Verdict.DIFFERS


def test_curves_end_at_the_share_of_walkers_with_a_track() -> None:
    data = people_figure.summarise(made_results()).data
    curve = np.asarray(data["methods_cdf_m"][people_figure.HUNGARIAN])
    assert curve[-1] == pytest.approx(0.5) and curve[8] == 0.0 and curve[9] == pytest.approx(0.5)
    assert np.asarray(data["cdf_m"]["lab-parallel"])[-1] == pytest.approx(1.0)
    assert not np.any(data["methods_cdf_m"][people_figure.UNCALIBRATED])


def test_the_run_that_is_drawn_is_the_median_one() -> None:
    runs = [{"methods": {OURS: one_run([mm] * 9)}} for mm in (90, 30, 60, 120, 70)]
    assert typical(runs) is runs[4]
    assert typical([{"methods": {OURS: one_run([])}}]) is None


def test_panels_have_tracks_truth_walls_and_all_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "fig6.svg"
    people_figure.draw(made_results(2), path)
    text = path.read_text(encoding="utf-8")
    for words in ("wall", "truth", "track 1", "receiver", "transmitter", "(a)", "(d)", OURS, people_figure.HUNGARIAN):
        assert words in text


@pytest.mark.slow
def test_a_trial_follows_two_people_and_loses_them_without_calibration() -> None:
    parameters = people_figure.PARAMETERS | {"rooms": ["lab"], "cases": ["crossing"]}
    result = people_figure.trial(1002, parameters)
    (run,) = result["runs"].values()
    ours = run["methods"][OURS]
    assert np.median(ours["error_mm"]) < 120 and np.quantile(ours["error_mm"], 0.9) < 200 and ours["kept"]
    assert ours["missed"] < 0.1 * ours["walking"] and ours["false"] < 0.1 * ours["estimates"]
    without = run["methods"][people_figure.UNCALIBRATED]
    assert without["missed"] > 0.3 * without["walking"] and not without["kept"]


# --- Fig. 5 ----------------------------------------------------------------------------------------------------------


def test_mirrors_of_walls_are_as_far_as_the_images_of_the_transmitter() -> None:
    (x, y), receiver = LAB.transmitter_m, LAB.receiver
    images = [(x, -y), (8.0 - x, y), (x, 14.0 - y), (-8.0 - x, y)]
    expected = [math.hypot(a - receiver.x_m, b - receiver.y_m) for a, b in images]
    np.testing.assert_allclose(impulse_figure.wall_paths(LAB), expected)


def made_responses(people: list[float]) -> Result:
    path = np.arange(0.0, 20.0, 0.1)
    return {
        "path_m": path.tolist(), "before_db": (-2.0 * np.abs(path - 5.0)).tolist(),
        "after_db": np.maximum(-47.0, -20.0 - 4.0 * np.abs(path - 8.0)).tolist(), "floor_db": -47.0,
        "people_m": people, "direct_m": 5.0, "direct_down_db": 47.0, "still_down_db": 34.0, "over_floor_db": 0.1,
        "person_before_db": [-15.0] * len(people), "person_after_db": [20.0] * len(people),
    }  # fmt: skip


def test_the_table_of_suppression_and_the_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    results = [{room: {"people": made_responses([8.0, 9.0]), "empty": made_responses([])} for room in ROOMS}] * 2
    rows = {row.quantity: row for row in impulse_figure.summarise(results).rows}
    assert rows["lab, empty: left over the thermal floor (dB)"].ours == pytest.approx(0.1)
    assert rows["lab, two walk: direct path down by (dB)"].verdict is Verdict.AGREES
    assert rows["office, two walk: a person over the strongest still echo before (dB)"].verdict is Verdict.AGREES
    impulse_figure.draw(results, tmp_path / "fig5.svg")
    text = (tmp_path / "fig5.svg").read_text(encoding="utf-8")
    for words in ("before", "after", "thermal floor", "person", "mirror of a wall", "direct path"):
        assert words in text


@pytest.mark.slow
def test_an_empty_room_is_suppressed_to_the_thermal_floor() -> None:
    result = impulse_figure.trial(1001, {"rooms": ["lab"], "impairments": "typical"})["lab"]
    assert result["empty"]["direct_down_db"] > 40.0 and abs(result["empty"]["over_floor_db"]) < 1.0
    assert min(result["people"]["person_after_db"]) > 0.0 > max(result["people"]["person_before_db"])
