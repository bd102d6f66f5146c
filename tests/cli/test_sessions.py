"""Sessions with several devices, recordings in segments, and what the other commands make of the folders."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.acquisition.plan import EXAMPLE
from isactrack.cli.main import run
from isactrack.recordings import RecordingFolder, open_recording, validate_folder
from isactrack.recordings.manifest import read_manifest

ISACTRACK = [sys.executable, "-m", "isactrack.cli.entry"]
Capture = pytest.CaptureFixture[str]

PLAN = """\
[session]
name = "two"
note = "hallway"
duration_s = 2.0
segment_s = 0.7
{session}
[[device]]
name = "left"
url = "sim://awr1642?scene=walker&seed=1{options}"
pose = {{ x_m = -1.0, yaw_deg = -20.0 }}
[[device]]
name = "right"
url = "sim://awr1642?scene=walker&seed=2{more}"
"""


def answer(capsys: Capture, *arguments: object, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*map(str, arguments), "--json"]) == code
    data: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    return data


def complaint(capsys: Capture, *arguments: object, code: int) -> str:
    assert run([*map(str, arguments)]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


def failed(path: Path) -> list[str]:
    return [check.name for check in validate_folder(path) if check.passed is False]


def write_plan(folder: Path, session: str = "", options: str = "", more: str = "") -> Path:
    path = folder / "run.toml"
    path.write_text(PLAN.format(session=session, options=options, more=more), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the recording of two simulated radars that ran at once, and what the command said of it."""
    folder = tmp_path_factory.mktemp("two")
    plan = write_plan(folder, "tracks = true")
    done = subprocess.run(
        [*ISACTRACK, "session", str(plan), "-o", str(folder / "run1"), "--json"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return folder / "run1", json.loads(done.stdout)


def test_two_radars_record_together_and_their_frames_line_up(two: tuple[Path, dict[str, Any]]) -> None:
    path, said = two
    assert failed(path) == []
    assert [(one["name"], one["recorded_frames"], one["lost_bytes"]) for one in said["devices"]] == [
        ("left", 20, 0), ("right", 20, 0),
    ]  # fmt: skip
    (offset,) = said["offsets"]
    assert (offset["reference"], offset["stream"]) == ("left", "right")
    with RecordingFolder(path) as folder:
        left, right = (folder.streams[name] for name in ("left", "right"))
        period_s = left.sensor.frame_period_s
        # Both ran at the same time, and the clock that they share agrees with when their frames came.
        arrived_s = {name: one.host_monotonic_ns * 1e-9 for name, one in folder.streams.items()}
        assert max(times[0] for times in arrived_s.values()) < min(times[-1] for times in arrived_s.values())
        begun_s = min(times[0] for times in arrived_s.values())
        for name, times in arrived_s.items():
            late_s = times - begun_s - folder.aligned_time_s(name)
            assert np.abs(np.median(late_s)) < 2 * period_s  # a busy computer takes frames later
        # Frames of the same moment, by that clock, came within one frame period of each other.
        aligned = {name: folder.aligned_time_s(name) for name in folder.streams}
        nearest = np.abs(aligned["left"][:, None] - aligned["right"][None, :]).argmin(axis=1)
        both = np.abs(aligned["left"] - aligned["right"][nearest]) <= period_s / 2.0
        assert both.any()
        apart_s = np.abs(arrived_s["left"] - arrived_s["right"][nearest])[both]
        assert np.median(apart_s) < period_s
        assert left.pose.x_m == -1.0
        assert right.header.stream == "right"
        assert len(left.segments) == 3
        for event in left.events[:1]:
            assert "of 2 devices" in event.text or event.kind != "session"


def test_the_session_file_and_the_start_are_in_the_manifest(two: tuple[Path, dict[str, Any]]) -> None:
    path, said = two
    manifest = read_manifest(path)
    assert manifest.session_text == (path.parent / "run.toml").read_text(encoding="utf-8")
    assert (manifest.name, manifest.note) == ("two", "hallway")
    assert manifest.facts["start_skew_s"] == said["start_skew_s"] < 5.0
    assert list(manifest.facts["start_host_monotonic_ns"]) == ["left", "right"] or set(
        manifest.facts["start_host_monotonic_ns"]
    ) == {"left", "right"}
    for one in said["devices"]:
        with Path(one["tracks"]).open(newline="") as file:
            assert next(csv.reader(file))[:2] == ["time_s", "track_id"]


def test_info_prints_the_offset_and_its_uncertainty(two: tuple[Path, dict[str, Any]], capsys: Capture) -> None:
    path, said = two
    facts = answer(capsys, "info", path)
    assert facts["offsets"] == said["offsets"]
    assert [stream["name"] for stream in facts["streams"]] == ["left", "right"]
    assert all(len(stream["segments"]) == 3 and not stream["problems"] for stream in facts["streams"])
    assert run(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "right to left" in out
    assert "+/-" in out
    assert answer(capsys, "info", path / "left")["frames"] == 20


def test_every_command_takes_one_stream(two: tuple[Path, dict[str, Any]], capsys: Capture, tmp_path: Path) -> None:
    path, _ = two
    left = path / "left"
    assert answer(capsys, "process", left)["frames"] == 20
    assert answer(capsys, "track", left, "-o", tmp_path / "t.csv")["frames"] == 20
    assert answer(capsys, "evaluate", left)["closed_cleanly"] is True
    assert answer(capsys, "replay", left, "--speed", "max")["frames"] == 20
    assert answer(capsys, "validate", left)["valid"] is True
    url = f"file://{path.as_posix()}?stream=right&speed=max"
    assert answer(capsys, "record", "-d", url, "-o", tmp_path / "copy.h5")["frames"] == 20
    with open_recording(tmp_path / "copy.h5") as copy, open_recording(path, "right") as original:
        assert copy.counters.tolist() == original.counters.tolist()
    err = complaint(capsys, "track", path, code=2)
    assert "2 streams: left, right" in err
    assert "no stream 'top'" in complaint(
        capsys, "record", "-d", f"file://{path}?stream=top", "-o", tmp_path / "x.h5", code=2
    )


def test_a_session_tracks_with_the_methods_of_its_file(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        '[session]\nduration_s = 2.5\ntracks = true\n[[device]]\nurl = "sim://awr1642?scene=walker&seed=1&speed=max"\n'
        '[chain]\ndetector = "mnomp"\nmax_azimuth_rad = 1.05\n[chain.mnomp]\nk_max = 20\n'
        '[tracker]\nassociation = "spa"\nfilter = "ekf"\nuse_radial_velocity = true\n',
        encoding="utf-8",
    )
    said = answer(capsys, "session", path, "-o", tmp_path / "run1")
    (device,) = said["devices"]
    assert device["recorded_frames"] == 25
    rows = list(csv.DictReader(Path(device["tracks"]).read_text(encoding="utf-8").splitlines()))
    assert {row["status"] for row in rows} >= {"tentative", "confirmed"}
    assert len({row["track_id"] for row in rows if row["status"] == "confirmed"}) == 1


@pytest.mark.slow
def test_validate_and_repair_of_a_folder(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "run1"
    assert (
        run(
            [
                "record",
                "-d",
                "sim://awr1642?speed=max",
                "-o",
                str(out),
                "--frames",
                "9",
                "--segment-time",
                "400ms",
                "-q",
            ]
        )
        == 0
    )
    assert sorted(path.name for path in (out / "radar").iterdir()) == ["000000.h5", "000001.h5", "000002.h5"]
    assert answer(capsys, "validate", out)["valid"] is True
    assert answer(capsys, "repair", out) == {
        "schema_version": 1, "path": str(out), "repaired": False, "actions": [], "repaired_segments": [],
        "frames": {"radar": 9},
    }  # fmt: skip
    (out / "manifest.json").write_text("{")
    assert answer(capsys, "validate", out, code=5)["valid"] is False
    assert "damaged" in complaint(capsys, "info", out, code=5)
    assert "leave --output out" in complaint(capsys, "repair", out, "-o", "x.h5", code=2)
    assert answer(capsys, "repair", out)["repaired"] is True
    assert answer(capsys, "validate", out)["valid"] is True
    assert answer(capsys, "track", out)["frames"] == 9
    assert "no recording" in complaint(capsys, "info", tmp_path, code=5)


def test_segments_by_size_without_compression(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "run1"
    arguments = ["--frames", "10", "--segment-size", "0.5MB", "--compression", "none", "--note", "small"]
    said = answer(capsys, "record", "-d", "sim://awr1642?speed=max", "-o", out, *arguments)
    assert (said["recorded_frames"], said["path"]) == (10, str(out / "radar"))
    with open_recording(out) as recording:
        assert recording.compression == "none"
        assert recording.note == read_manifest(out).note == "small"
        assert len(list((out / "radar").iterdir())) > 2
    with open_recording(out) as recording:
        assert recording.counters.tolist() == list(range(10))


@pytest.mark.parametrize("size", ["0", "-1MB", "1XB", "MB", "0.1B"])
def test_sizes_that_are_none(capsys: Capture, tmp_path: Path, size: str) -> None:
    arguments = ["record", "-d", "sim://awr1642", "-o", str(tmp_path / "r"), f"--segment-size={size}"]
    assert run(arguments) == 2
    assert "no such" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_folders_are_not_overwritten_by_accident(capsys: Capture, tmp_path: Path) -> None:
    def record(output: Path, *more: str, frames: int = 2) -> list[str]:
        url = "sim://awr1642?speed=max"
        return ["record", "-d", url, "-o", str(output), "--frames", str(frames), "--segment-time", "1s", "-q", *more]

    out = tmp_path / "run1"
    assert run(record(out)) == 0
    assert "exists already" in complaint(capsys, *record(out), code=5)
    assert run(record(out, "--overwrite", frames=3)) == 0
    assert answer(capsys, "info", out)["streams"][0]["frames"] == 3
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("all of it")
    assert "no recording" in complaint(capsys, *record(other, "--overwrite"), code=5)
    assert (other / "thesis.tex").read_text() == "all of it"
    assert "is a folder" in complaint(capsys, *record(tmp_path / "run2.h5"), code=2)
    bad = ["record", "-d", "sim://awr1642?fault=silent-card", "-o", str(out), "--overwrite", "--segment-time", "1s"]
    complaint(capsys, *bad, code=3)
    assert answer(capsys, "info", out)["streams"][0]["frames"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "run1"]


def test_nothing_is_recorded_into_another_recording(two: tuple[Path, dict[str, Any]], capsys: Capture) -> None:
    path, _ = two
    names = sorted(path.rglob("*"))
    for output in (path / "left" / "000009.h5", path / "left" / "more.h5", path / "more.h5"):
        bad = ["record", "-d", "sim://awr1642?speed=max", "-o", str(output), "--frames", "2"]
        assert f"would lie in the recording {path.resolve()}," in complaint(capsys, *bad, code=5)
    bad = ["record", "-d", "sim://awr1642", "-o", str(path / "run2"), "--frames", "2", "--segment-time", "1s"]
    assert "would lie in" in complaint(capsys, *bad, code=5)
    assert sorted(path.rglob("*")) == names


# --- sessions that go wrong -------------------------------------------------------------------------------------------


def test_the_example_is_printed(capsys: Capture) -> None:
    assert run(["session", "--example"]) == 0
    assert capsys.readouterr().out == EXAMPLE


def test_wrong_session_files(capsys: Capture, tmp_path: Path) -> None:
    plan = tmp_path / "run.toml"
    assert "there is no file" in complaint(capsys, "session", plan, code=5)
    plan.write_bytes(b"\xff\xfe")
    assert "UTF-8" in complaint(capsys, "session", plan, code=2)
    plan.write_text('[[device]]\nurl = "sim://awr1642"\n')
    assert "where to record" in complaint(capsys, "session", plan, code=2)
    plan.write_text('[[device]]\nurl = "sim://awr1642"\nprofile = "none.cfg"\n')
    assert "none.cfg" in complaint(capsys, "session", plan, "-o", tmp_path / "run1", code=5)
    plan.write_text('[[device]]\nname = "bad"\nurl = "sim://awr1642?fault=silent-card"\n')
    assert "Error: bad: " in complaint(capsys, "session", plan, "-o", tmp_path / "run1", code=3)
    assert list(tmp_path.iterdir()) == [plan]


@pytest.mark.slow
def test_a_device_that_fails_stops_the_session_and_spoils_nothing(capsys: Capture, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, 'on_error = "stop"', more="&fault=exception@0.45s")
    plan.write_text(plan.read_text().replace("duration_s = 2.0\n", ""))
    assert "Error: right: the radar's firmware crashed" in complaint(
        capsys, "session", plan, "-o", tmp_path / "run1", code=3
    )
    assert failed(tmp_path / "run1") == []
    with RecordingFolder(tmp_path / "run1") as folder:
        assert folder.streams["left"].stop_reason == "stopped"
        assert folder.streams["right"].stop_reason.startswith("error: the radar's firmware crashed")
        assert min(map(len, folder.streams.values())) > 0


def test_a_session_in_which_nothing_came_leaves_nothing(capsys: Capture, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, more="&fault=silent-card")
    assert "Error: right: " in complaint(capsys, "session", plan, "-o", tmp_path / "run1", code=3)
    assert list(tmp_path.iterdir()) == [plan]


def test_a_device_that_fails_lets_the_others_go_on(capsys: Capture, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, 'on_error = "continue"', more="&fault=exception@0.45s")
    said = answer(capsys, "session", plan, "-o", tmp_path / "run1", "--duration", "1s", code=3)
    errors = [one["error"] for one in said["devices"]]
    assert errors[0] is None
    assert errors[1]
    assert said["devices"][0]["recorded_frames"] == 10
    assert failed(tmp_path / "run1") == []


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_ctrl_c_closes_all_recordings(tmp_path: Path) -> None:
    plan = tmp_path / "run.toml"
    text = PLAN.format(session="", options="", more="").replace("duration_s = 2.0\n", "")
    plan.write_text(text.replace("segment_s = 0.7", "segment_s = 0.2"))
    process = subprocess.Popen(
        [*ISACTRACK, "session", str(plan), "-o", str(tmp_path / "run1"), "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 40.0
    while not (tmp_path / "run1" / "right" / "000000.h5").exists():
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert failed(tmp_path / "run1") == []
    assert min(one["recorded_frames"] for one in json.loads(out)["devices"]) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_lines_that_are_typed_become_markers(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*ISACTRACK, "record", "-d", "sim://awr1642", "-o", str(tmp_path / "a.h5"), "--duration", "30s", "-q"],
        stdin=slave, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        deadline = time.monotonic() + 40.0
        while not (tmp_path / "a.h5").exists():
            assert time.monotonic() < deadline, process.poll()
            time.sleep(0.05)
        os.write(master, b"the door opens\n\n  two\npart")
        time.sleep(1.0)
    finally:
        os.close(master)  # the terminal is gone: the recording goes on
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    with open_recording(tmp_path / "a.h5") as recording:
        assert [event.text for event in recording.events if event.kind == "marker"] == ["the door opens", "two"]
        assert recording.closed_cleanly
