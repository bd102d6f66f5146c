"""``isactrack reproduce``: tables, files, JSON, exit codes, and a run that goes on where it was interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from isactrack.cli.main import run
from isactrack.experiments.catalogue import CATALOGUE, Entry

TOYS = Path(__file__).resolve().parents[1] / "experiments"
Capture = pytest.CaptureFixture[str]
ENTRY = Entry("The mean of normal numbers", "toy_experiment")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put an experiment into the catalogue that runs in milliseconds."""
    monkeypatch.syspath_prepend(str(TOYS))
    monkeypatch.setitem(CATALOGUE, "toy/mean", ENTRY)
    for name in ("OPENBLAS", "OMP", "MKL", "NUMBA"):  # the command sets these for its process, which is ours
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")
    monkeypatch.setenv("VECLIB_MAXIMUM_THREADS", "1")
    return import_module("toy_experiment")


def answer(capsys: Capture, *arguments: object, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["reproduce", *map(str, arguments), "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    data: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)
    return data


def test_without_a_name_it_lists_what_there_is(capsys: Capture) -> None:
    assert run(["reproduce"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in CATALOGUE)
    assert ENTRY.title in out
    assert {"name": "toy/mean", "title": ENTRY.title} in answer(capsys)["experiments"]


def test_it_prints_both_sides_and_writes_trials_numbers_and_plot(tmp_path: Path, capsys: Capture) -> None:
    assert run(["reproduce", "toy/mean", "-o", str(tmp_path / "new" / "out"), "--workers", "0"]) == 0
    captured = capsys.readouterr()
    for word in ("toy/mean", "The mean is 0.", "paper", "95 % interval", "agrees", "A toy.", "8 trials", "simulated"):
        assert word in captured.out
    folder = tmp_path / "new" / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["mean.json", "mean.png", "mean.trials.jsonl"]
    assert all(path.name in captured.err for path in folder.iterdir())
    assert (folder / "mean.png").read_bytes().startswith(b"\x89PNG")
    numbers = json.loads((folder / "mean.json").read_text(encoding="utf-8"))
    low, high = numbers["rows"][0]["interval"]
    assert low <= numbers["rows"][0]["ours"] <= high
    assert len(numbers["data"]["means"]) == 8


def test_json_is_what_is_written(tmp_path: Path, capsys: Capture) -> None:
    data = answer(capsys, "toy/mean", "-o", tmp_path, "--trials", "3", "--seed", "4", "--format", "svg", "--workers", 1)
    assert (data["trials"], data["seed"], data["failed_trials"]) == (3, 4, [])
    assert data["files"] == [str(tmp_path / name) for name in ("mean.trials.jsonl", "mean.json", "mean.svg")]
    written = json.loads((tmp_path / "mean.json").read_text(encoding="utf-8"))
    assert {key: data[key] for key in written} == written


@pytest.mark.slow
def test_the_number_of_workers_changes_no_number(tmp_path: Path, capsys: Capture) -> None:
    one, two = (answer(capsys, "toy/mean", "-o", tmp_path / str(n), "--workers", n) for n in (1, 2))
    assert one["rows"] == two["rows"]
    assert one["data"] == two["data"]


def test_it_goes_on_unless_asked_to_start_anew(tmp_path: Path, capsys: Capture) -> None:
    arguments = ("toy/mean", "-o", tmp_path, "--workers", 0)
    first = answer(capsys, *arguments, "--trials", 3)
    assert answer(capsys, *arguments)["resumed_trials"] == 3
    assert answer(capsys, *arguments, "--trials", 3)["data"] == first["data"]
    assert run(["reproduce", *map(str, arguments), "--seed", "1"]) == 2
    err = capsys.readouterr().err
    assert "another seed" in err
    assert "--fresh" in err
    assert answer(capsys, *arguments, "--seed", 1, "--fresh")["resumed_trials"] == 0


def test_the_default_folder_names_the_paper(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = answer(capsys, "toy/mean", "--trials", 2, "--workers", 0)
    assert data["files"][0] == str(Path("reproduced", "toy", "mean.trials.jsonl"))
    assert (tmp_path / data["files"][1]).is_file()


def test_failing_trials_are_told_with_their_seeds(
    tmp_path: Path, capsys: Capture, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toy.EXPERIMENT.parameters, "failing_share", 0.4)
    data = answer(capsys, "toy/mean", "-o", tmp_path, "--trials", 12, "--workers", 0, code=1)
    failed = data["failed_trials"]
    assert 0 < len(failed) < 12
    assert len(data["data"]["means"]) == 12 - len(failed)
    assert run(["reproduce", "toy/mean", "-o", str(tmp_path), "--trials", "12", "--workers", "0", "--debug"]) == 1
    captured = capsys.readouterr()
    assert all(f"seed {failure['seed']}: ValueError: toy failure" in captured.err for failure in failed)
    assert f"{len(failed)} of 12 trials failed" in captured.err
    assert "in trial" in captured.err  # the trace
    assert "The mean is 0." in captured.out
    monkeypatch.setitem(toy.EXPERIMENT.parameters, "failing_share", 1.0)
    assert run(["reproduce", "toy/mean", "-o", str(tmp_path / "all"), "--workers", "0"]) == 1
    assert "all 8 trials" in capsys.readouterr().err


def test_without_matplotlib_only_the_plot_is_missing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isactrack.cli.reproduce.find_spec", lambda _name: None)
    data = answer(capsys, "toy/mean", "-o", tmp_path, "--workers", 0)
    assert [Path(name).name for name in data["files"]] == ["mean.trials.jsonl", "mean.json"]


def test_an_unknown_figure_and_a_folder_that_cannot_be_are_told(tmp_path: Path, capsys: Capture) -> None:
    assert run(["reproduce", "toy/men"]) == 2
    assert "did you mean toy/mean?" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert run(["reproduce", "toy/mean", "-o", str(tmp_path / "file" / "in"), "--workers", "0"]) == 5
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of a Unix")
@pytest.mark.parametrize(
    ("workers", "number"),
    [
        ("0", signal.SIGINT),
        pytest.param("2", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("2", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_exits_with_130_and_the_same_command_goes_on(
    tmp_path: Path, capsys: Capture, workers: str, number: signal.Signals
) -> None:
    code = (
        "import sys; from isactrack.experiments.catalogue import CATALOGUE, Entry\n"
        "CATALOGUE['toy/mean'] = Entry('The mean of normal numbers', 'toy_experiment')\n"
        "from isactrack.cli.entry import main; main(sys.argv[1:])\n"
    )
    arguments = ["reproduce", "toy/mean", "-o", str(tmp_path), "--trials", "40", "--workers", workers]
    search = os.pathsep.join(filter(None, (str(TOYS), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "TOY_SLEEP_S": "0.2", "PYTHONPATH": search},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    file = tmp_path / "mean.trials.jsonl"
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and not (file.exists() and file.read_bytes().count(b"\n") >= 4):
        time.sleep(0.02)
    os.killpg(process.pid, number) if number is signal.SIGINT else process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Interrupted." in err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):  # no worker is left of its session
        wait_until_gone(process.pid)
    kept = file.read_bytes().count(b"\n") - 1
    assert 3 <= kept < 40
    data = answer(capsys, *arguments[1:-2], "--workers", 0)
    assert (data["resumed_trials"], data["trials"]) == (kept, 40)
    assert data["data"] == answer(capsys, "toy/mean", "--trials", 40, "-o", tmp_path / "b", "--workers", 0)["data"]


def wait_until_gone(group: int) -> None:
    """Raise ProcessLookupError once no process of the group is left; return if some stays."""
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        os.killpg(group, 0)
        time.sleep(0.05)
