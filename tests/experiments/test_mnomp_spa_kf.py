"""Fig. 6 to 8 and Experiments I to III of mnomp-spa-kf: scene, methods, short trials, verdicts and drawings."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.experiments.catalogue import CATALOGUE, load
from isactrack.experiments.experiment import Experiment, Result, Row, Summary, Verdict
from isactrack.experiments.mnomp_spa_kf import (
    comparison,
    field_experiments,
    mospa_figure,
    tracks_figure,
    weak_target_figure,
)
from isactrack.experiments.mnomp_spa_kf.comparison import EKF, EXTRA, METHODS, OURS
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor
from isactrack.experiments.results_file import plain
from isactrack.processing.mnomp import MnompConfig
from isactrack.tracking.metrics_sets import LabelledSet

FIELD = (field_experiments.EXPERIMENT_1, field_experiments.EXPERIMENT_2, field_experiments.EXPERIMENT_3)
FIGURES = (mospa_figure.EXPERIMENT, tracks_figure.EXPERIMENT, weak_target_figure.EXPERIMENT)
ALL_NAMES = [method.name for method in (*METHODS, *EXTRA)]
SHORT = 8


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def row(summary: Summary, *words: str) -> Row:
    (found,) = (one for one in summary.rows if all(word in one.quantity for word in words))
    return found


@pytest.mark.parametrize("experiment", [*FIGURES, *FIELD], ids=lambda one: one.name)
def test_they_are_in_the_catalogue(experiment: Experiment) -> None:
    assert load(experiment.name) is experiment
    assert CATALOGUE[experiment.name].title == experiment.title


# --- scene and methods ---------------------------------------------------------------------------------------------


def test_the_close_pair_is_as_far_apart_as_the_radar_sees() -> None:
    for seed in range(50):
        targets = comparison.draw_targets(np.random.default_rng(seed))
        distance = np.linalg.norm(targets.start_m, axis=1)
        away = targets.start_m / distance[:, None]
        radial = np.sum(away * targets.velocity_mps, axis=1)
        assert distance[2] - distance[1] == pytest.approx(0.5)
        assert radial[2] - radial[1] == pytest.approx(0.4)
        np.testing.assert_allclose(away[2], away[1])
        other = [0, 1, 3, 4, 5]
        (x0, y0), (x1, y1) = comparison.START_M
        assert np.all((targets.start_m[other] >= (x0, y0)) & (targets.start_m[other] <= (x1, y1)))
        assert np.all((targets.velocity_mps[other] >= (-3.0, -1.0)) & (targets.velocity_mps[other] <= (3.0, 5.0)))
        np.testing.assert_allclose(targets.at(2.0), targets.start_m + 2.0 * targets.velocity_mps)
        truth = targets.truth(2.0)
        assert truth.label.tolist() == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(truth.state[:, ::2], targets.at(2.0))
        np.testing.assert_allclose(truth.state[:, 1::2], targets.velocity_mps)


def test_clutter_is_as_much_as_said_anywhere_and_at_any_radial_velocity() -> None:
    sensor, rng = paper_sensor(), np.random.default_rng(1)
    drawn = [comparison.draw_clutter(sensor, rng) for _ in range(500)]
    count = np.array([len(position) for position, _ in drawn])
    # Poisson of mean 4: the mean of 500 has a deviation of 0.09, the variance one of about 0.27.
    assert count.mean() == pytest.approx(4.0, abs=0.3)
    assert count.var() == pytest.approx(4.0, abs=0.9)
    position, velocity = (np.concatenate(part) for part in zip(*drawn, strict=True))
    assert np.all((position >= (-30.0, 0.0)) & (position <= (30.0, 60.0)))
    np.testing.assert_allclose(position.mean(axis=0), (0.0, 30.0), atol=1.6)
    np.testing.assert_allclose(position[:, 0] * velocity[:, 1], position[:, 1] * velocity[:, 0], atol=1e-9)
    speed = np.sign(np.sum(position * velocity, axis=1)) * np.linalg.norm(velocity, axis=1)
    assert np.abs(speed).max() <= sensor.velocity_max_mps
    assert np.std(speed) == pytest.approx(sensor.velocity_max_mps / np.sqrt(3.0), rel=0.05)
    assert sensor.velocity_max_mps == pytest.approx(comparison.SPEED_MAX_MPS, abs=0.01)


def test_frames_hold_targets_and_clutter_at_their_snr() -> None:
    sensor = paper_sensor()
    targets = comparison.Targets(np.array([[0.0, 20.0]]), np.array([[0.0, 1.0]]))
    (plain_frame,) = comparison.frames_of(sensor, targets, 19.0, np.random.default_rng(2), frames=1, clutter_mean=0.0)
    assert plain_frame.shape == (64, 8, 128)
    (found,) = comparison.detect("mnomp", sensor, plain_frame, 0.3, MnompConfig()).snr_db
    assert found == pytest.approx(19.0, abs=2.5)
    run = comparison.frames_of(sensor, targets, 19.0, np.random.default_rng(2), frames=4, clutter_mean=30.0)
    counts = [len(comparison.detect("mnomp", sensor, frame, 0.0, MnompConfig())) for frame in run]
    assert len(run) == 4
    assert min(counts) > 10


def test_the_methods_are_the_paper_s_twelve() -> None:
    expected = [
        ("FFT-PDA-subKF", "fft", "pda", "subkf", False),
        ("FFT-PDA-KF", "fft", "pda", "kf", False),
        ("FFT-JPDA-subKF", "fft", "jpda", "subkf", False),
        ("FFT-SPA-subKF", "fft", "spa", "subkf", True),
        ("FFT-SPA-KF", "fft", "spa", "kf", True),
        ("MNOMP-PDA-subKF", "mnomp", "pda", "subkf", False),
        ("MNOMP-PDA-KF", "mnomp", "pda", "kf", False),
        ("MNOMP-JPDA-subKF", "mnomp", "jpda", "subkf", False),
        ("MNOMP-SPA-subKF", "mnomp", "spa", "subkf", True),
        ("MNOMP-SPA-KF (2D gate)", "mnomp", "spa", "kf", False),
        ("MNOMP-SPA-KF (3D gate)", "mnomp", "spa", "kf", True),
        ("3DNOMP-SPA-KF (3D gate)", "nomp3d", "spa", "kf", True),
    ]
    assert [
        (one.name, one.detector, one.tracker.association, one.tracker.filter, one.tracker.use_radial_velocity)
        for one in METHODS
    ] == expected
    for one in METHODS:
        tracker = one.tracker
        assert tracker.gate_probability == 0.95
        assert tracker.spa_rounds == 10
        assert tracker.max_misses_confirmed == 1
        # Clutter per square metre, or per square metre and m/s where the weight has three dimensions.
        volume = 3600.0 * (12.16 if tracker.use_radial_velocity and tracker.weight_radial_velocity else 1.0)
        assert tracker.clutter_density is not None
        assert tracker.clutter_density * volume == pytest.approx(4.0, rel=1e-3)
    assert METHODS[10].name == OURS
    assert (EKF.detector, EKF.tracker.filter, EKF.tracker.use_radial_velocity) == ("mnomp", "ekf", True)
    assert len(set(ALL_NAMES)) == 15


def test_a_peak_on_the_grid_is_as_uncertain_as_its_bin() -> None:
    sensor = paper_sensor()
    targets = comparison.Targets(np.array([[3.0, 20.0]]), np.array([[0.5, 1.0]]))
    (frame,) = comparison.frames_of(sensor, targets, 25.0, np.random.default_rng(3), frames=1, clutter_mean=0.0)
    names = ("mnomp", "fft between bins", "fft")
    found = {name: comparison.detect(name, sensor, frame, 0.3, MnompConfig()) for name in names}
    std = [float(found[name].radial_velocity_std_mps[0]) / sensor.velocity_resolution_mps for name in names]
    assert std[0] < 0.1 < std[1] < 0.2 < std[2]
    assert std[2] == pytest.approx(1.0 / np.sqrt(12.0), abs=0.02)
    for one in found.values():
        assert len(one) == 1
        assert one.time_s == 0.3
        assert np.abs(np.linalg.norm(one.position_m[0]) - np.hypot(3.0, 20.0)) < 0.6 * sensor.range_resolution_m


# --- short trials --------------------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run have few frames."""
    frames_of = partial(comparison.frames_of, frames=SHORT)
    monkeypatch.setattr(comparison, "frames_of", frames_of)
    monkeypatch.setattr(weak_target_figure, "frames_of", frames_of)
    monkeypatch.setattr(weak_target_figure, "FRAMES", SHORT)


@pytest.mark.usefixtures("short")
def test_a_short_run_of_fig_7_gives_a_distance_a_frame() -> None:
    result = plain(mospa_figure.trial(1, {"three_d_every": 15}))
    assert set(result) == {"confirmed", "all"}
    for counted in result.values():
        assert set(counted) == set(ALL_NAMES) - {METHODS[-1].name}, "3D-NOMP runs in few trials"
        assert all(len(values) == SHORT for values in counted.values())
        assert all(0.0 <= value <= mospa_figure.SETTINGS.cutoff for values in counted.values() for value in values)
    # Nobody is confirmed in the first frame; by the last our method knows most of the six.
    assert result["confirmed"][OURS][0] == pytest.approx(mospa_figure.SETTINGS.cutoff)
    assert result["confirmed"][OURS][-1] < 0.6 * mospa_figure.SETTINGS.cutoff
    assert plain(mospa_figure.trial(1, {"three_d_every": 15})) == result, "a seed is a run"


@pytest.mark.slow
@pytest.mark.usefixtures("short")
@pytest.mark.timeout(600)
def test_short_runs_of_all_methods() -> None:
    result = plain(mospa_figure.trial(0, {"three_d_every": 15}))
    assert set(result["all"]) == set(ALL_NAMES)
    tracks = plain(tracks_figure.trial(0, {}))
    assert set(tracks["methods"]) == {method.name for method in METHODS}
    assert np.shape(tracks["truth"]) == (SHORT, 6, 2)
    best = tracks["methods"][METHODS[-1].name]
    assert best["followed"] <= 6
    assert len(best["paths"]) == best["identities"] >= 4
    assert tracks_figure.summarise([tracks]).rows
    assert mospa_figure.summarise([result]).rows


@pytest.mark.usefixtures("short")
def test_a_short_run_of_fig_8(tmp_path: Path) -> None:
    result = plain(weak_target_figure.trial(5, {}))
    assert len(result["detected"]) == len(result["detections"]) == SHORT
    assert result["detector"]["weak_share"] == pytest.approx(np.mean(result["detected"]))
    for name in weak_target_figure.TRACKERS:
        assert len(result[name]["tracks"]) == SHORT
        assert 0.0 <= result[name]["weak_share"] <= 1.0
    # Two at 15.2 dB are seen in each frame.
    assert min(len(found) for found in result["detections"]) >= 2
    assert weak_target_figure.summarise([result, result]).rows
    weak_target_figure.draw([result], tmp_path / "fig8.png")
    assert is_png(tmp_path / "fig8.png")


@pytest.mark.slow
def test_a_field_experiment_goes_through_the_wire(tmp_path: Path) -> None:
    experiment = field_experiments.EXPERIMENT_1
    result = plain(experiment.trial(3, {**experiment.parameters, "frames": 12}))
    truth = np.asarray(result["truth"])
    assert set(truth[:, 0]) == {1.0, 2.0}
    assert set(truth[:, 1]) == set(range(12))
    assert len(result["detections"]) == 12
    assert result["time_share"] > 0.0
    assert set(result["methods"]) == set(field_experiments.METHODS)
    for method in result["methods"].values():
        assert set(method["tracked"]) == {"1", "2"}
        assert all(method["tracked"][key] <= method["covered"][key] <= 1.0 for key in method["tracked"])
        assert len(method["paths"]) == method["identities"]
    ours = result["methods"][field_experiments.OURS]
    assert min(ours["tracked"].values()) > 0.3, "both are confirmed after a few frames, and stay"
    assert ours["rmse_m"] < 0.6
    assert ours["switches"] == 0
    assert experiment.summarise([result]).rows
    experiment.draw([result], tmp_path / "field.png")
    assert is_png(tmp_path / "field.png")


@pytest.mark.slow
@pytest.mark.parametrize("experiment", FIELD[1:], ids=lambda one: one.name)
@pytest.mark.timeout(400)
def test_the_other_field_experiments_go_through_the_wire(experiment: Experiment) -> None:
    result = plain(experiment.trial(3, {**experiment.parameters, "frames": 20}))
    assert set(np.asarray(result["truth"])[:, 0]) <= {1.0, 2.0, 3.0}
    assert all(len(method["paths"]) == method["identities"] for method in result["methods"].values())


# --- what is made of results -----------------------------------------------------------------------------------------


def mospa_results(trials: int, levels: dict[str, float], seed: int = 0) -> list[Result]:
    """Return results in which each method has a level of OSPA (m), 4 m unless given, plus what trials share."""
    rng = np.random.default_rng(seed)
    results = []
    for trial in range(trials):
        common = rng.normal(0.0, 0.2, SHORT)
        names = [name for name in ALL_NAMES if name != METHODS[-1].name or trial % 2 == 0]
        each = {name: (levels.get(name, 4.0) + common + rng.normal(0.0, 0.02, SHORT)).tolist() for name in names}
        results.append({"confirmed": each, "all": copy.deepcopy(each)})
    return results


def test_fig_7_agrees_if_ours_is_the_lowest_and_differs_if_not(tmp_path: Path) -> None:
    best = {OURS: 2.0, METHODS[-1].name: 2.0, EKF.name: 1.9}
    results = mospa_results(12, best)
    summary = mospa_figure.summarise(results)
    others = [name for name in ALL_NAMES if name != OURS]
    for counted in ("confirmed tracks", "all tracks"):
        for name in others:
            one = row(summary, counted, f"{name} (") if "gate" not in name else row(summary, counted, name, "minus")
            assert isinstance(one.ours, float)
            assert one.ours == pytest.approx(best.get(name, 4.0) - 2.0, abs=0.05)
            assert one.interval is not None
            assert one.interval[0] <= one.ours <= one.interval[1]
            judged = name not in {METHODS[-1].name} | {method.name for method in EXTRA if method is not EKF}
            assert one.verdict is (Verdict.AGREES if judged else Verdict.OPEN), name
    assert set(summary.data["confirmed"]) == set(ALL_NAMES)
    plain(dict(summary.data))
    mospa_figure.draw(results, tmp_path / "fig7.png")
    assert is_png(tmp_path / "fig7.png")

    worse = mospa_figure.summarise(mospa_results(12, {OURS: 4.5, "FFT-PDA-KF": 5.0}))
    judged_rows = [one for one in worse.rows if one.verdict is not Verdict.OPEN]
    agrees = [one.quantity for one in judged_rows if one.verdict is Verdict.AGREES]
    assert len(judged_rows) == 2 * 11
    assert len(agrees) == 2 * 2
    assert all("FFT-PDA-KF" in quantity or EKF.name in quantity for quantity in agrees)
    ekf_above = mospa_figure.summarise(mospa_results(12, {OURS: 2.0, EKF.name: 2.2}))
    assert row(ekf_above, "all tracks", EKF.name).verdict is Verdict.DIFFERS


def test_fig_7_does_not_take_noise_for_a_difference() -> None:
    """Twelve trials whose difference is 0.01 m with a spread of 0.1 m are no evidence."""
    results = mospa_results(12, {OURS: 4.0})
    for k, result in enumerate(results):
        result["all"]["FFT-PDA-KF"] = [value + 0.01 + 0.1 * (-1) ** k for value in result["all"][OURS]]
    one = row(mospa_figure.summarise(results), "all tracks", "FFT-PDA-KF")
    assert isinstance(one.ours, float)
    assert one.ours > 0.0
    assert one.verdict is Verdict.DIFFERS


def test_fig_7_without_trials_of_3d_nomp(tmp_path: Path) -> None:
    results = mospa_results(4, {OURS: 2.0})[1::2]
    summary = mospa_figure.summarise(results)
    assert not [one for one in summary.rows if "3DNOMP" in one.quantity]
    mospa_figure.draw(results, tmp_path / "fig7.png")


def tracks_result(followed: dict[str, tuple[int, int]], frames: int = 6) -> Result:
    """Return a run in which each method follows so many targets, and so many of the pair; all of them unless given."""
    truth = np.cumsum(np.ones((frames, 6, 2)), axis=0) + np.arange(6)[None, :, None] * 3.0
    methods = {}
    for method in METHODS:
        all_six, pair = followed.get(method.name, (6, 2))
        methods[method.name] = {
            "followed": all_six, "pair_followed": pair, "false_points": 3, "identities": all_six, "switches": 0,
            "paths": truth[:, :all_six].transpose(1, 0, 2).tolist(),
        }  # fmt: skip
    return {"truth": truth.tolist(), "methods": methods}


@pytest.mark.slow
def test_fig_6_agrees_and_differs(tmp_path: Path) -> None:
    fft_loses = {name: (5, 1) for name in ALL_NAMES if name.startswith("FFT-")}
    results = [tracks_result(fft_loses), tracks_result(fft_loses)]
    rows = tracks_figure.summarise(results).rows
    assert [one.quantity.partition(":")[0] for one in rows] == [method.name for method in METHODS]
    assert [one.verdict for one in rows] == [Verdict.AGREES] * 5 + [Verdict.OPEN] * 5 + [Verdict.AGREES] * 2
    assert rows[0].interval == (5.0, 5.0)
    assert tracks_figure.summarise(results[:1]).rows[0].interval is None, "one run has no spread"
    tracks_figure.draw(results, tmp_path / "fig6.png")
    assert is_png(tmp_path / "fig6.png")
    bad = tracks_figure.summarise([tracks_result({OURS: (4, 1)})]).rows
    assert [one.verdict for one in bad] == [Verdict.DIFFERS] * 5 + [Verdict.OPEN] * 5 + [
        Verdict.DIFFERS,
        Verdict.AGREES,
    ]


def test_who_is_followed_is_counted_by_frames() -> None:
    """Target 2 has a track in 8 of 10 frames, target 3 in 7, and one track is at nobody."""
    place = np.array([[0.0, 5.0], [4.0, 9.0], [9.0, 13.0]])
    tracks = []
    for frame in range(10):
        there = [True, frame < 8, frame >= 3]
        position = np.concatenate([place[there] + 0.3, [[-20.0, 40.0]]])
        label = [*np.array([11, 12, 13])[there].tolist(), 14]
        tracks.append(LabelledSet.of(label, position, np.zeros_like(position)))
    truth = [LabelledSet.of([1, 2, 3], place, np.zeros_like(place))] * 10
    result = tracks_figure._of_method(comparison.MethodTracks(tracks, tracks), truth)
    assert (result["followed"], result["pair_followed"]) == (2, 1)
    assert (result["false_points"], result["identities"], result["switches"]) == (10, 4, 0)
    assert [len(path) for path in result["paths"]] == [10, 8, 10, 7]


def weak_result(alone: float, tracker: float, frames: int = 60) -> Result:
    truth = np.stack([np.full((frames, 3), 5.0), 10.0 + np.arange(frames)[:, None] * [0.1, 0.2, 0.3]], axis=2)
    seen = [frame < alone * frames for frame in range(frames)]
    share: dict[str, Any] = {"weak_share": tracker, "false_per_minute": 4.0, "false_lasting_per_minute": 0.5}
    tracks = [[[7, *point.tolist()] for point in truth[frame, :1]] for frame in range(frames)]
    return {
        "detector": {"weak_share": alone, "false_per_minute": 55.0}, "detected": seen, "truth": truth.tolist(),
        "detections": truth.tolist(), "paper": {**share, "tracks": tracks}, "patient": {**share, "tracks": tracks},
    }  # fmt: skip


def test_fig_8_agrees_if_the_tracker_gains_and_differs_if_not(tmp_path: Path) -> None:
    results = [weak_result(0.5 + 0.01 * k, 0.7 + 0.012 * k) for k in range(5)]
    summary = weak_target_figure.summarise(results)
    gains = [one for one in summary.rows if "gain" in one.quantity]
    assert [one.verdict for one in gains] == [Verdict.AGREES, Verdict.AGREES]
    assert gains[0].ours == pytest.approx(0.204)
    assert row(summary, "false detections").ours == pytest.approx(55.0)
    assert row(summary, "false detections").paper.startswith("60")
    weak_target_figure.draw(results, tmp_path / "fig8.png")
    assert is_png(tmp_path / "fig8.png")
    for tracker in (0.4, 0.51):  # less, and no more than chance
        worse = [weak_result(0.5 + 0.02 * (k % 2), tracker) for k in range(5)]
        gains = [one for one in weak_target_figure.summarise(worse).rows if "gain" in one.quantity]
        assert [one.verdict for one in gains] == [Verdict.DIFFERS] * 2


def test_what_is_near_no_target_is_false() -> None:
    truth = [np.array([[0.0, 10.0], [0.0, 20.0], [8.0, 20.0]])] * 6
    frames = []
    for frame in range(6):
        # Track 1 is at a target; 2 is far away and lives for five frames; 3 is far away for two of its four.
        label, position = [1], [[0.0, 11.0]]
        if frame < 5:
            label, position = [*label, 2], [*position, [-9.0, 40.0]]
        if frame >= 2:
            label, position = [*label, 3], [*position, [8.0, 21.0 if frame < 4 else 30.0]]
        frames.append(LabelledSet.of(label, np.array(position), np.zeros((len(label), 2))))
    assert weak_target_figure._false_tracks(frames, truth) == 1
    assert weak_target_figure._false_tracks(frames, truth, least_frames=6) == 0
    assert weak_target_figure._near(np.array([[8.0, 21.9]]), truth[0][2])
    assert not weak_target_figure._near(np.array([[8.0, 22.1]]), truth[0][2])
    assert not weak_target_figure._near(np.zeros((0, 2)), truth[0][2])


def field_result(tracked: float, time_share: float, targets: int = 3) -> Result:
    each: Result = {
        "tracked": {str(k + 1): tracked for k in range(targets)}, "covered": {str(k + 1): 1.0 for k in range(targets)},
        "rmse_m": 0.2, "outline_rmse_m": 0.1, "false_points": 4, "identities": targets, "switches": 0, "mota": 0.9,
        "paths": [[[k, 5.0], [k + 1.0, 6.0]] for k in range(targets)],
    }  # fmt: skip
    return {
        "time_share": time_share, "detections_per_frame": 3.5,
        "methods": dict.fromkeys(field_experiments.METHODS, each),
        "truth": [[k + 1, frame, float(k + frame), 5.0 + frame] for k in range(targets) for frame in range(2)],
        "detections": [[[0.0, 5.0]], []],
    }  # fmt: skip


def test_field_experiments_agree_and_differ(tmp_path: Path) -> None:
    experiment = field_experiments.EXPERIMENT_2
    results = [field_result(0.95, 0.03), field_result(0.9, 0.04), field_result(0.9, 0.08)]
    rows = experiment.summarise(results).rows
    assert [one.verdict for one in rows[:4]] == [Verdict.AGREES] * 4
    assert rows[2].quantity.startswith("cyclist")
    assert rows[3].ours == 0.04
    assert rows[3].interval == (0.03, 0.08)
    lucky = experiment.summarise([field_result(0.95, share) for share in (0.03, 0.06, 0.06)]).rows
    assert lucky[3].verdict is Verdict.DIFFERS, "one recording that went fast does not make the typical one fast"
    assert len(rows) == 4 + len(field_experiments.METHODS)
    assert str(rows[4].ours).startswith("3.00;")
    experiment.draw(results, tmp_path / "field.png")
    assert is_png(tmp_path / "field.png")
    worse = experiment.summarise([field_result(0.6, 0.06)] * 2).rows
    assert [one.verdict for one in worse[:4]] == [Verdict.DIFFERS] * 4
    assert str(worse[4].ours).startswith("0.00;")


def test_a_field_experiment_without_a_match_has_no_error_and_is_no_crash() -> None:
    result = field_result(0.0, 0.03)
    result["methods"] = {
        name: {**one, "rmse_m": None, "outline_rmse_m": None} for name, one in result["methods"].items()
    }
    rows = field_experiments.EXPERIMENT_3.summarise([result]).rows
    assert "RMSE nan / nan m" in str(rows[-1].ours)
