"""Trials give the same results however they are run, interrupted or shared out, and what fails is told apart."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.errors import ConfigError, IsacError, RecordingError
from isactrack.experiments.catalogue import CATALOGUE, load
from isactrack.experiments.experiment import Experiment, Verdict
from isactrack.experiments.intervals import mean_interval, paired_interval, share_interval
from isactrack.experiments.plotting import drawing
from isactrack.experiments.results_file import ResultsFile, TrialOutcome, plain
from isactrack.experiments.trials import run_trials, trial_seed

FOLDER = Path(__file__).parent


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module with an experiment that other processes can import."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module("toy_experiment")


def with_parameters(experiment: Experiment, **parameters: object) -> Experiment:
    return replace(experiment, parameters={**experiment.parameters, **parameters})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- the same results ----------------------------------------------------------------------------------------------


def test_results_do_not_depend_on_the_number_of_processes(toy: Any, tmp_path: Path) -> None:
    alone = run_trials(toy.EXPERIMENT, seed=5)
    shared = run_trials(toy.EXPERIMENT, seed=5, workers=2, path=tmp_path / "shared.jsonl")
    assert len(alone.results) == 8
    assert shared.results == alone.results
    assert alone.results[3] == plain(toy.trial(trial_seed(5, 3), toy.EXPERIMENT.parameters))
    assert run_trials(toy.EXPERIMENT, seed=6).results != alone.results


def test_processes_use_one_thread_each_and_leave_the_environment_alone(
    toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run = run_trials(replace(toy.EXPERIMENT, trial=toy.threads), trials=4, workers=2)
    assert {result["threads"] for result in run.results} == {"1"}
    assert os.getpid() not in {result["pid"] for result in run.results}
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in os.environ


def test_seeds_depend_on_the_run_and_the_trial_and_survive_json() -> None:
    seeds = {trial_seed(run, trial) for run in range(30) for trial in range(100)}
    assert len(seeds) == 3000
    assert all(0 <= seed < 2**52 for seed in seeds)
    assert trial_seed(0, 0) == trial_seed(0, 0)
    # The numbers that a seed and a trial give today are those of files that are resumed tomorrow.
    assert (trial_seed(0, 0), trial_seed(7, 299)) == (3855770357272391, 2345866969880175)


def test_more_trials_are_added_and_fewer_are_the_first(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    first = run_trials(toy.EXPERIMENT, path=path, trials=3)
    more = run_trials(toy.EXPERIMENT, path=path, trials=7)
    assert (first.resumed, more.resumed) == (0, 3)
    assert more.results == run_trials(toy.EXPERIMENT, trials=7).results
    assert more.results[:3] == first.results
    fewer = run_trials(toy.EXPERIMENT, path=path, trials=2)
    assert (fewer.results, fewer.resumed) == (first.results[:2], 2)
    assert len(lines(path)) == 1 + 7


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_cut_last_line_is_dropped_and_its_trial_run_again(toy: Any, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "toy.jsonl"
    whole = run_trials(toy.EXPERIMENT, path=path)
    path.write_bytes(path.read_bytes()[:-cut])
    again = run_trials(toy.EXPERIMENT, path=path)
    assert (again.results, again.resumed) == (whole.results, 7)
    assert [line["trial"] for line in lines(path)[1:]] == list(range(8))


def test_a_file_cut_in_its_header_starts_anew(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    whole = run_trials(toy.EXPERIMENT, path=path)
    path.write_bytes(path.read_bytes()[:20])
    assert run_trials(toy.EXPERIMENT, path=path).results == whole.results
    path.write_bytes(b"")
    assert run_trials(toy.EXPERIMENT, path=path).resumed == 0


@pytest.mark.skipif(os.name == "nt", reason="kills like an operator of a Unix")
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_was_killed_goes_on_to_the_same_results(toy: Any, tmp_path: Path, workers: int) -> None:
    path = tmp_path / "toy.jsonl"
    script = tmp_path / "run_toy.py"
    script.write_text(
        "import sys; from pathlib import Path; import toy_experiment as toy\n"
        "from isactrack.experiments.trials import run_trials\n"
        "if __name__ == '__main__':\n"
        "    run_trials(toy.EXPERIMENT, path=Path(sys.argv[1]), trials=12, workers=int(sys.argv[2]))\n",
        encoding="utf-8",
    )
    search = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, str(script), str(path), str(workers)],
        env={**os.environ, "TOY_SLEEP_S": "0.15", "PYTHONPATH": search},
        start_new_session=True,
    )
    wait_for_lines(path, 4)
    process.kill()
    process.wait(10)
    wait_until_gone(process.pid)
    kept = len([line for line in path.read_bytes().splitlines(keepends=True)[1:] if line.endswith(b"\n")])
    assert 3 <= kept < 12
    run = run_trials(toy.EXPERIMENT, path=path, trials=12, workers=workers)
    assert run.resumed == kept
    assert run.results == run_trials(toy.EXPERIMENT, trials=12).results


def wait_for_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"no {count} lines in {path}")


def wait_until_gone(group: int) -> None:
    """Wait until no process of a group is left: nobody tells workers that the first process was killed."""
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("workers outlive the process that started them")


def test_an_interrupt_leaves_what_is_done_and_ends_the_processes(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "toy.jsonl"
    monkeypatch.setenv("TOY_SLEEP_S", "0.2")

    def interrupt(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    start_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_trials(toy.EXPERIMENT, path=path, trials=200, workers=2, progress=interrupt)
    # The pool's own thread may be the one that learned of the end of a process, and strikes it off a moment later.
    while active_children() and time.monotonic() - start_s < 30.0:
        time.sleep(0.01)
    assert time.monotonic() - start_s < 30.0
    assert active_children() == []
    monkeypatch.delenv("TOY_SLEEP_S")
    done = [line["trial"] for line in lines(path)[1:]]
    again = run_trials(toy.EXPERIMENT, path=path, trials=max(done) + 1)
    assert again.resumed == len(done) == 3
    assert again.results == run_trials(toy.EXPERIMENT, trials=max(done) + 1).results


# --- what is refused -----------------------------------------------------------------------------------------------


def test_a_file_of_other_parameters_is_refused_and_kept(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    run_trials(toy.EXPERIMENT, path=path)
    before = path.read_bytes()
    for other, seed, word in (
        (with_parameters(toy.EXPERIMENT, size=51), 0, "parameters"),
        (toy.EXPERIMENT, 1, "seed"),
        (replace(toy.EXPERIMENT, name="toy/other"), 0, "experiment"),
    ):
        with pytest.raises(ConfigError, match=f"another {word}") as caught:
            run_trials(other, path=path, seed=seed)
        assert "--fresh" in caught.value.hint
        assert path.read_bytes() == before
    fresh = run_trials(toy.EXPERIMENT, path=path, seed=1, resume=False)
    assert (fresh.resumed, lines(path)[0]["seed"]) == (0, 1)
    assert fresh.results == run_trials(toy.EXPERIMENT, seed=1).results


def test_results_of_another_version_are_refused(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "toy.jsonl"
    run_trials(toy.EXPERIMENT, path=path)
    monkeypatch.setattr("isactrack.experiments.trials.__version__", "99.0")
    with pytest.raises(ConfigError, match="version"):
        run_trials(toy.EXPERIMENT, path=path)


def test_files_that_are_not_results_are_refused_and_kept(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("chapter 1\n", encoding="utf-8")
    with pytest.raises(RecordingError, match="line 1"):
        run_trials(toy.EXPERIMENT, path=path)
    path.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(RecordingError, match="no file of results"):
        run_trials(toy.EXPERIMENT, path=path)
    assert path.read_text(encoding="utf-8") == '{"a": 1}\n'
    with pytest.raises(RecordingError, match="cannot write"):
        run_trials(toy.EXPERIMENT, path=tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="files are locked on Unix only")
def test_two_runs_cannot_write_one_file(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"

    def second(done: int) -> None:
        if done == 2:
            with pytest.raises(ConfigError, match="another run"):
                run_trials(toy.EXPERIMENT, path=path, resume=False)

    first = run_trials(toy.EXPERIMENT, path=path, progress=second)
    assert run_trials(toy.EXPERIMENT, path=path).results == first.results


def test_damage_before_the_end_is_named(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    run_trials(toy.EXPERIMENT, path=path)
    damaged = path.read_bytes().splitlines(keepends=True)
    damaged[3] = b'{"trial": 2}\n'
    path.write_bytes(b"".join(damaged))
    with pytest.raises(RecordingError, match="line 4"):
        run_trials(toy.EXPERIMENT, path=path)


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"seed": -1}, {"workers": -1}])
def test_numbers_out_of_range_are_refused(toy: Any, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        run_trials(toy.EXPERIMENT, **wrong)  # type: ignore[arg-type]


# --- what fails ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_a_trial_that_fails_is_told_with_its_seed_and_the_others_are_kept(
    toy: Any, tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "toy.jsonl"
    failing = with_parameters(toy.EXPERIMENT, failing_share=0.4)
    run = run_trials(failing, path=path, trials=12, workers=workers)
    assert 0 < len(run.failures) < 12
    assert len(run.results) + len(run.failures) == 12
    for failure in run.failures:
        assert failure.seed == trial_seed(0, failure.trial)
        assert failure.error == "ValueError: toy failure in two lines"
        assert "in trial" in failure.trace
        with pytest.raises(ValueError, match="toy failure"):
            toy.trial(failure.seed, failing.parameters)
    # They are run again, and only they.
    again = run_trials(failing, path=path, trials=12)
    assert again.resumed == len(run.results)
    assert [f.trial for f in again.failures] == [f.trial for f in run.failures]


def test_a_process_that_dies_is_told_and_what_is_done_is_kept(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    with pytest.raises(IsacError, match="died") as caught:
        run_trials(replace(toy.EXPERIMENT, trial=toy.die), path=path, workers=2)
    assert "--workers" in caught.value.hint
    assert run_trials(toy.EXPERIMENT, path=path, workers=0).results == run_trials(toy.EXPERIMENT).results


def test_results_are_plain_json() -> None:
    assert plain({"a": np.float64(1.5), "b": np.arange(2), "c": (1, None)}) == {"a": 1.5, "b": [0, 1], "c": [1, None]}
    for wrong in ({"a": float("nan")}, {"a": np.array([np.inf])}, {"a": {1}}, [1]):
        with pytest.raises((ValueError, TypeError)):
            plain(wrong)


def test_progress_starts_with_what_is_there(toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    run_trials(toy.EXPERIMENT, path=path, trials=2)
    seen: list[int] = []
    run_trials(toy.EXPERIMENT, path=path, trials=5, progress=seen.append)
    assert seen == [2, 3, 4, 5]


def test_the_last_outcome_of_a_trial_counts(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    with ResultsFile(path, {"seed": 0}) as file:
        file.append(TrialOutcome(trial=0, seed=1, result=None, error="E"))
        file.append(TrialOutcome(trial=0, seed=1, result={"a": 1}))
    with ResultsFile(path, {"seed": 0}) as file:
        assert file.outcomes[0].result == {"a": 1}


# --- intervals, figures, catalogue ---------------------------------------------------------------------------------


def test_intervals_cover_what_they_are_of() -> None:
    rng = np.random.default_rng(3)
    means = [2.0 in mean_interval(rng.normal(2.0, 3.0, 6)) for _ in range(2000)]
    assert np.mean(means) == pytest.approx(0.95, abs=0.015)
    shares = [0.9 in share_interval(int(rng.binomial(30, 0.9)), 30) for _ in range(2000)]
    assert np.mean(shares) >= 0.945  # an exact interval covers at least what it says
    a, b = rng.normal(0, 5, 40), rng.normal(0, 0.1, 40)
    assert paired_interval(a + 0.2 + b, a).low > 0.1


def test_intervals_of_few_trials() -> None:
    assert share_interval(0, 10)[:2] == (0.0, 0.0)
    assert share_interval(0, 10).high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert share_interval(10, 10).low == pytest.approx(0.025 ** (1 / 10))
    assert share_interval(10, 10).high == 1.0
    assert mean_interval([3.0]).bounds == (-np.inf, np.inf)
    for wrong in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ConfigError):
            share_interval(*wrong)
    with pytest.raises(ConfigError):
        mean_interval([])


def test_a_figure_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    with pytest.raises(ConfigError, match="xyz"), drawing(tmp_path / "figure.xyz"):
        pytest.fail("the block must not run")
    with drawing(tmp_path / "figure.pdf", 3.5, 2.0) as figure:
        figure.add_subplot().plot([1, 2])
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", CATALOGUE)
def test_experiments_are_what_the_catalogue_says(name: str) -> None:
    experiment = load(name)
    assert (experiment.name, experiment.title) == (name, CATALOGUE[name].title)
    assert experiment.default_trials >= 1
    assert experiment.paper_statements
    assert plain(dict(experiment.parameters)) == json.loads(json.dumps(dict(experiment.parameters)))
    module = import_module(experiment.trial.__module__)
    assert getattr(module, experiment.trial.__name__) is experiment.trial, "another process must find the trial"


def test_an_unknown_experiment_is_told_with_a_near_one(monkeypatch: pytest.MonkeyPatch, toy: Any) -> None:
    from isactrack.experiments.catalogue import Entry

    monkeypatch.setitem(CATALOGUE, "toy/mean", Entry("The mean of normal numbers", "toy_experiment"))
    assert load("toy/mean") is toy.EXPERIMENT
    with pytest.raises(ConfigError) as caught:
        load("toy/meen")
    assert "toy/mean" in caught.value.hint
    assert Verdict.of(True) is Verdict.AGREES
    assert Verdict.of(False) is Verdict.DIFFERS
