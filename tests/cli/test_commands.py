"""Each command on real files: results, JSON keys, exit codes, and files that survive what goes wrong."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import pytest

from isactrack.acquisition.session import Session
from isactrack.cli import _capture
from isactrack.cli._options import Options
from isactrack.cli._output import shows_progress
from isactrack.cli.main import root, run
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.probes import BufferGrant
from isactrack.drivers.awr1642.profile import as_cfg, default_profile, parse_profile
from isactrack.drivers.device import DeviceStats
from isactrack.errors import RecordingError
from isactrack.frame import Frame
from isactrack.recordings import RecordingHeader, RecordingWriter, open_recording, validate_recording
from isactrack.sensor import require_fmcw
from isactrack.source import Source

ISACTRACK = [sys.executable, "-m", "isactrack.cli.entry"]
SIM = "sim://awr1642?scene=crossing&seed=3"
FRAMES = 40

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of the simulated crossing."""
    path = tmp_path_factory.mktemp("crossing") / "crossing.h5"
    assert run(["record", "-d", f"{SIM}&speed=max", "-o", str(path), "--frames", str(FRAMES), "-q"]) == 0
    return path


@pytest.fixture
def hardware(tmp_path: Path) -> Path:
    """Return a recording of noise that claims to be hardware, and so knows no truth."""
    sensor = parse_profile(default_profile())
    header = RecordingHeader(
        sensor=sensor, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="awr1642://x", device_model="AWR1642"
    )
    rng = np.random.default_rng(5)
    path = tmp_path / "hardware.h5"
    with RecordingWriter(path, header) as writer:
        for k in range(3):
            samples = rng.integers(-50, 50, sensor.frame_words).astype(np.int16)
            writer.append(Frame(samples, np.ones(samples.size // 4, np.bool_), k, k * sensor.frame_period_s, k, k))
    return path


def answer(capsys: Capture, *arguments: object, code: int = 0) -> dict[str, Any]:
    """Run a command with ``--json`` and return its only line of output."""
    assert run([*map(str, arguments), "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    data: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)
    assert data["schema_version"] == 1
    return data


def complaint(capsys: Capture, *arguments: object, code: int) -> str:
    """Run a command that fails and return its error: one line, and one with the next step."""
    assert run([*map(str, arguments)]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    lines = err.splitlines()
    assert lines[0].startswith("Error: ")
    assert len(lines) == 2, err
    assert lines[1].startswith("  -> ")
    return err


# --- record --------------------------------------------------------------------------------------------------------


def test_record_writes_what_the_device_sends(crossing: Path, capsys: Capture) -> None:
    with open_recording(crossing) as recording:
        assert len(recording) == FRAMES
        assert recording.counters.tolist() == list(range(FRAMES))
        assert recording.closed_cleanly
        assert recording.stop_reason == "finished"
        assert (recording.source, recording.origin) == (Source.SIMULATED, Source.SIMULATED)
        assert recording.profile_text == default_profile()
        assert recording.header.device_url == f"{SIM}&speed=max"
        truth = recording.truth(7)
        assert truth is not None
        assert len(truth) == 2


def test_record_reports_its_counters_and_keeps_the_note(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "r.h5"
    data = answer(capsys, "record", "-d", f"{SIM}&speed=max", "-o", path, "--duration", "1s", "--note", "take 1")
    assert (data["frames"], data["recorded_frames"], data["lost_share"]) == (10, 10, 0.0)
    assert data["recorded_bytes"] == 10 * parse_profile(default_profile()).frame_bytes
    assert (data["source"], data["path"]) == ("simulated", str(path))
    with open_recording(path) as recording:
        assert len(recording) == 10
        assert recording.note == "take 1"


def test_record_exits_with_4_if_too_much_is_lost_and_the_file_is_complete(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "lossy.h5"
    arguments = ["record", "-d", f"{SIM}&speed=max&loss=0.02", "-o", path, "--frames", 20]
    data = answer(capsys, *arguments, "--max-loss", "0.1%", code=4)
    assert data["lost_share"] == pytest.approx(0.02, abs=0.015)
    with open_recording(path) as recording:
        assert recording.closed_cleanly
        assert len(recording) + recording.missing_frames == pytest.approx(20, abs=2)
        assert recording.lost_bytes == data["lost_bytes"]
    assert "allowed" in complaint(capsys, *arguments, "--max-loss", "0.1%", "--overwrite", "-q", code=4)
    assert answer(capsys, *arguments, "--overwrite", "--max-loss", "50%")["frames"] == len_of(path)


def len_of(path: Path) -> int:
    with open_recording(path) as recording:
        return len(recording)


def test_record_does_not_replace_a_file_unless_told(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "kept.h5"
    shutil.copy(crossing, path)
    assert "exists" in complaint(capsys, "record", "-d", SIM, "-o", path, "--frames", 1, code=5)
    assert len_of(path) == FRAMES
    assert answer(capsys, "record", "-d", SIM, "-o", path, "--frames", 1, "--overwrite")["frames"] == 1
    assert len_of(path) == 1


@pytest.mark.parametrize("fault", ["silent-card", "never-sends", "interrupted", "cannot-be-begun"])
def test_a_run_that_records_nothing_leaves_the_old_file(
    fault: str, crossing: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.h5"
    shutil.copy(crossing, path)
    device, code = f"{SIM}&speed=max", 3
    if fault == "silent-card":
        device += f"&fault={fault}"
    elif fault == "never-sends":
        device += "&loss=1.0"
        monkeypatch.setattr("isactrack.drivers.simulated.device.read_deadline_s", lambda _period_s: 0.3)
    elif fault == "interrupted":
        code = 130

        def interrupted(session: Session, *, markers: bool) -> bool:
            assert markers
            session.stop()
            return True

        monkeypatch.setattr(_capture, "run_session", interrupted)
    else:
        code = 5

        def full_disk(*_arguments: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("isactrack.recordings.writer.store_header", full_disk)
    assert run(["record", "-d", device, "-o", str(path), "--frames", "2", "--overwrite"]) == code
    assert len_of(path) == FRAMES
    assert [other.name for other in tmp_path.iterdir()] == ["kept.h5"]


def test_a_new_recording_leaves_nothing_of_the_old_one(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "replaced.h5"
    shutil.copy(crossing, path)
    answer(capsys, "record", "-d", f"{SIM}&speed=max", "-o", path, "--frames", 2, "--overwrite")
    assert len_of(path) == 2
    assert [other.name for other in tmp_path.iterdir()] == ["replaced.h5"]


def test_nothing_is_written_over_what_it_is_made_of(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    recording, profile, capture = tmp_path / "r.h5", tmp_path / "p.cfg", tmp_path / "x.bin"
    shutil.copy(crossing, recording)
    profile.write_text(default_profile(), encoding="utf-8")
    capture.write_bytes(bytes(parse_profile(default_profile()).frame_bytes))
    link = tmp_path / "link.bin"
    os.link(capture, link)
    before = {path: path.read_bytes() for path in (recording, profile, capture)}
    importing = ["import", capture, "--cfg", profile, "--overwrite", "-o"]
    for arguments in (
        [*importing, capture], [*importing, link], [*importing, profile],
        ["record", "-d", f"file://{recording}?speed=max", "-o", recording, "--overwrite"],
        ["record", "-d", recording, "-o", recording, "--overwrite"],
        ["record", "-d", SIM, "-c", profile, "-o", profile, "--overwrite"],
        ["process", recording, "-o", recording], ["track", recording, "-o", recording],
    ):  # fmt: skip
        assert "which is read" in complaint(capsys, *arguments, code=2)
    assert {path: path.read_bytes() for path in before} == before


def test_the_viewer_does_not_record_over_what_it_shows(crossing: Path, capsys: Capture) -> None:
    pytest.importorskip("PySide6", reason="the viewer is not installed")
    assert "which is read" in complaint(capsys, "view", crossing, "-o", crossing, code=2)
    assert len_of(crossing) == FRAMES


@pytest.mark.parametrize("command", ["process", "track"])
def test_a_table_does_not_replace_a_recording(command: str, crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    other = tmp_path / "other.csv"  # whatever its name
    shutil.copy(crossing, other)
    assert "is a recording" in complaint(capsys, command, crossing, "-o", other, code=5)
    assert len_of(other) == FRAMES
    other.write_text("an old table\n")
    answer(capsys, command, crossing, "-o", other)
    assert other.read_text().startswith("time_s,")


def test_what_the_device_counts_is_told(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from isactrack.drivers.simulated.device import SimulatedAwr1642

    arguments = ["record", "-d", f"{SIM}&speed=max", "-o", tmp_path / "r.h5", "--frames", 3, "--overwrite"]
    data = answer(capsys, *arguments)
    assert data["packets"] >= 3 * parse_profile(default_profile()).frame_bytes // 1456
    assert data["late_packets"] == data["rejected_packets"] == data["overruns"] == data["card_overflows"] == 0
    stats = DeviceStats(packets=9, late_packets=1, rejected_packets=2, overruns=3, card_overflows=4)
    monkeypatch.setattr(SimulatedAwr1642, "stats", stats)
    assert run([*map(str, arguments)]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "9, 1 late, 2 rejected" in words
    assert "overruns 3 frames" in words
    assert "card overflows 4 reported" in words
    # What is lost has no size: no limit can say that it is small enough.
    assert "overflowed 4 times" in complaint(capsys, *arguments, "--max-loss", "50%", "-q", code=4)


@pytest.mark.parametrize(
    ("device", "code", "words"),
    [
        (f"{SIM}&fault=silent-console", 3, "did not answer"),
        (f"{SIM}&fault=silent-card", 3, "DCA1000"),
        ("awr1642:///dev/no-such-port", 3, "serial port"),
        ("sim://nothing", 2, "nothing"),
        ("sim://awr1642?sede=3", 2, "sede"),
        ("nothing", 2, "no device URL"),
        ("abc://x", 2, "abc"),
        ("missing.h5", 5, "missing.h5"),
    ],
)
def test_a_device_that_is_not_there_is_one_clear_error_and_leaves_no_file(
    device: str, code: int, words: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "none.h5"
    assert words in complaint(capsys, "record", "-d", device, "-o", path, "--frames", 2, code=code)
    assert not path.exists()


def test_a_wrong_line_of_a_profile_is_named(tmp_path: Path, capsys: Capture) -> None:
    profile = tmp_path / "bad.cfg"
    profile.write_text(as_cfg(default_profile(), Dialect.SDK3).replace("profileCfg 0", "profilCfg 0"), encoding="utf-8")
    line = next(k for k, text in enumerate(profile.read_text().splitlines(), 1) if "profilCfg" in text)
    err = complaint(capsys, "record", "-d", SIM, "-c", profile, "-o", tmp_path / "x.h5", code=2)
    assert f"line {line} " in err
    assert "profileCfg" in err.splitlines()[1]
    assert not (tmp_path / "x.h5").exists()


def test_a_profile_is_sent_and_recorded(tmp_path: Path, capsys: Capture) -> None:
    profile = tmp_path / "fast.toml"
    text = default_profile().replace("loops = 64", "loops = 32").replace("period_ms = 100", "period_ms = 50")
    profile.write_text(text, encoding="utf-8")
    answer(capsys, "record", "-d", f"{SIM}&speed=max", "-c", profile, "-o", tmp_path / "fast.h5", "--frames", 3)
    with open_recording(tmp_path / "fast.h5") as recording:
        assert (require_fmcw(recording.sensor).loops_per_frame, recording.sensor.frame_period_s) == (32, 0.05)
        assert recording.profile_text == profile.read_text()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_closes_the_file_first(tmp_path: Path) -> None:
    path = tmp_path / "stopped.h5"
    process = subprocess.Popen(
        [*ISACTRACK, "record", "-d", SIM, "-o", str(path), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60.0
        while not (path.exists() and path.stat().st_size > 400_000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30.0)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert json.loads(out)["recorded_frames"] == len_of(path)
    assert all(check.passed is not False for check in validate_recording(path))
    with open_recording(path) as recording:
        assert recording.closed_cleanly
        assert recording.stop_reason == "stopped"


def test_a_second_ctrl_c_does_not_keep_the_file_from_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = 0
    closed = []

    class Impatient:
        start = stop = health = lambda self: None

        def wait(self, timeout_s: float | None = None) -> bool:
            nonlocal waits
            waits += 1
            signal.raise_signal(signal.SIGINT)
            closed.append(timeout_s)
            return True

    with click.Context(root, obj=Options()):
        assert _capture.run_session(cast("Session", Impatient()))
    assert (waits, closed) == (2, [None])  # the first was the one that ended it
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.setattr(_capture, "_PATIENCE_S", 0.0)
    with pytest.raises(KeyboardInterrupt), _capture.further_interrupts_ignored():
        signal.raise_signal(signal.SIGINT)


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_recording_cut_anywhere_is_read_or_refused_in_words(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    data = crossing.read_bytes()
    path = tmp_path / "cut.h5"
    read = 0
    for share in (0.0, 1e-6, 1e-4, 0.005, 0.02, 0.1, 0.5, 0.9, 0.999, 1.0 - 1e-7):
        path.write_bytes(data[: int(share * len(data))])
        code = run(["info", str(path)])
        captured = capsys.readouterr()
        assert code in (0, 5)
        if code == 0:
            read += 1
            assert "was not closed" in captured.out
        else:
            assert captured.err.startswith("Error: ")
            assert len(captured.err.splitlines()) == 2
        assert run(["validate", str(path), "-q"]) == 5
        assert "Traceback" not in capsys.readouterr().err
    assert read


@pytest.mark.parametrize("command", ["info", "replay", "process", "track", "evaluate", "validate"])
def test_a_file_that_is_not_there_or_no_recording_exits_with_5(command: str, tmp_path: Path, capsys: Capture) -> None:
    assert "nothing.h5" in complaint(capsys, command, tmp_path / "nothing.h5", code=5)
    text = tmp_path / "text.h5"
    text.write_text("this is no recording\n" * 100)
    assert run([command, str(text)]) == 5
    assert "text.h5" in capsys.readouterr().err


def test_info_tells_device_waveform_and_losses(crossing: Path, capsys: Capture) -> None:
    data = answer(capsys, "info", crossing)
    sensor = parse_profile(default_profile())
    assert (data["frames"], data["truth_targets"], data["closed_cleanly"]) == (FRAMES, 2, True)
    assert data["sensor"]["slope_hz_per_s"] == sensor.slope_hz_per_s
    assert data["sensor"]["rx_positions"] == list(sensor.rx_positions)
    assert data["derived"]["range_resolution_m"] == sensor.range_resolution_m
    assert (data["missing_frames"], data["incomplete_frames"], data["lost_share"]) == (0, 0, 0.0)
    assert run(["info", str(crossing)]) == 0
    table = capsys.readouterr().out
    assert "simulated" in table
    assert f"{sensor.range_resolution_m:.4f} m" in table


def test_validate_shows_every_check(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    data = answer(capsys, "validate", crossing)
    assert data["valid"]
    assert data["kind"] == "recording"
    assert [check["name"] for check in data["checks"]] == [check.name for check in validate_recording(crossing)]
    profile = tmp_path / "good.cfg"
    profile.write_text(default_profile(), encoding="utf-8")
    assert answer(capsys, "validate", profile)["kind"] == "profile"
    profile.write_text(default_profile().replace("8.015", "80.15"), encoding="utf-8")
    data = answer(capsys, "validate", profile, code=2)
    assert not data["valid"]
    assert [check["name"] for check in data["checks"] if check["passed"] is False]
    profile.write_bytes(bytes(range(128, 256)))
    assert "good.cfg" in complaint(capsys, "validate", profile, code=2)


# --- process, track, evaluate --------------------------------------------------------------------------------------


def test_process_writes_a_row_a_detection(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "detections.csv"
    data = answer(capsys, "process", crossing, "-o", path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["time_s", "range_m", "radial_velocity_mps", "azimuth_rad", "x_m", "y_m", "snr_db"]
    assert len(rows) == data["detections"] > FRAMES
    assert data["intervals"] == FRAMES
    assert data["strongest_return"] is None
    for row in rows:
        r, azimuth = float(row["range_m"]), float(row["azimuth_rad"])
        assert float(row["x_m"]) == pytest.approx(r * np.sin(azimuth), abs=1e-6)
        assert float(row["y_m"]) == pytest.approx(r * np.cos(azimuth), abs=1e-6)


def test_options_reach_the_chain(crossing: Path, capsys: Capture) -> None:
    def detections(*options: str) -> int:
        return int(answer(capsys, "process", crossing, *options)["detections"])

    assert detections("--max-range", "0.5") == 0
    assert detections("--min-snr", "90") == 0
    assert detections("--keep-static") > detections()
    kept = answer(capsys, "process", crossing, "--keep-static")
    assert not kept["remove_static"]
    assert kept["strongest_return"]["level_db"] > 20.0
    # The transmitter's leakage, in the first bins, is no target.
    assert kept["strongest_return"]["range_m"] > 0.3
    assert kept["strongest_return"]["image_level_db"] < -15.0


LINES = ("--detector", "mnomp", "--association", "spa", "--filter", "ekf", "--gate", "3d", "--max-azimuth", "60")


@pytest.mark.slow
def test_track_takes_detector_association_filter_gate_and_field_of_view(
    crossing: Path, tmp_path: Path, capsys: Capture
) -> None:
    table = tmp_path / "tracks.csv"
    data = answer(capsys, "track", crossing, "-o", table, *LINES)
    assert (data["frames"], data["intervals"]) == (FRAMES, FRAMES)
    assert data["confirmed_tracks"] == 2
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == data["rows"] > FRAMES
    with open_recording(crossing) as recording:
        truths = [recording.truth(index) for index in range(FRAMES)]
    last = {row["track_id"]: (float(row["x_m"]), float(row["y_m"])) for row in rows if row["status"] == "confirmed"}
    truth = truths[-1]
    assert truth is not None
    for place in truth.position_m:
        assert min(np.hypot(*(np.array(one) - place)) for one in last.values()) < 0.8
    for name, value in (("--gate", "2d"), ("--association", "jpda"), ("--filter", "subkf"), ("--p-overall", "0.1")):
        assert answer(capsys, "track", crossing, *LINES, name, value)["confirmed_tracks"] >= 1
    open_field, narrow = (
        answer(capsys, "process", crossing, *LINES[:2], "--max-azimuth", limit)["detections"] for limit in ("90", "5")
    )
    assert 0 < narrow < 0.7 * open_field


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "music"], "'music' is not one of 'fft', 'mnomp'"),
        (["--association", "mht"], "'mht' is not one of"),
        (["--filter", "ukf"], "'ukf' is not one of"),
        (["--gate", "4d"], "'4d' is not one of '2d', '3d'"),
        (["--max-azimuth", "0"], "--max-azimuth"),
        (["--max-azimuth", "91"], "--max-azimuth"),
        (["--p-overall", "0", "--detector", "mnomp"], "p_overall"),
        (["--p-overall", "0.1"], "--p-overall is of the detector mnomp"),
        (["--p-fa", "1e-5", "--detector", "mnomp"], "--p-fa is of the detector fft"),
    ],
)
def test_wrong_names_of_methods_are_refused(options: list[str], message: str, crossing: Path, capsys: Capture) -> None:
    assert run(["track", str(crossing), *options]) == 2
    assert message in capsys.readouterr().err


def test_frames_of_no_whole_interval_are_told(tmp_path: Path, capsys: Capture) -> None:
    sensor = replace(parse_profile(default_profile()), loops_per_frame=1, frame_period_s=1e-3)
    header = RecordingHeader(
        sensor=sensor, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="awr1642://x", device_model="AWR1642"
    )
    path = tmp_path / "gap.h5"
    with RecordingWriter(path, header) as writer:
        for k in (*range(12), *range(13, 20)):
            samples = np.ones(sensor.frame_words, np.int16)
            writer.append(Frame(samples, np.ones(samples.size // 4, np.bool_), k, k * 1e-3, k, k))
    for command in ("process", "track"):
        data = answer(capsys, command, path, "--coherent-frames", "5")
        # 0 to 4, 5 to 9, then 10 and 11 before the gap, 13 to 17, and two at the end.
        assert (data["intervals"], data["unused_frames"]) == (3, 4)


def test_settings_that_cannot_work_exit_with_2(crossing: Path, capsys: Capture) -> None:
    assert "p_fa" in complaint(capsys, "process", crossing, "--p-fa", "2", code=2)
    assert "gate_probability" in complaint(capsys, "track", crossing, "--gate-probability", "1.5", code=2)
    assert "evenly spaced" in complaint(capsys, "track", crossing, "--coherent-frames", "2", code=2)
    assert f"{FRAMES} frames" in complaint(capsys, "process", crossing, "--coherent-frames", "1000", code=2)
    assert run(["track", str(crossing), "--confirm", "4of6"]) == 2
    assert "M/N" in capsys.readouterr().err


def test_track_writes_a_row_a_track_and_frame(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "tracks.csv"
    data = answer(capsys, "track", crossing, "-o", path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["time_s", "track_id", "status", "x_m", "y_m", "vx_mps", "vy_mps"]
    assert len(rows) == data["rows"]
    confirmed = {row["track_id"] for row in rows if row["status"] != "tentative"}
    assert len(confirmed) == data["confirmed_tracks"] == 2


def test_evaluate_scores_a_recording_or_its_table_alike(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    data = answer(capsys, "evaluate", crossing)
    stable = [
        "source", "confirmed_tracks", "truth_targets", "identity_switches", "median_position_error_m",
        "p90_position_error_m", "mean_ospa_m",
    ]  # fmt: skip
    assert [key for key in data if key in stable] == stable
    assert data["source"] == "simulated"
    assert (data["truth_targets"], data["confirmed_tracks"]) == (2, 2)
    assert 0.0 < data["median_position_error_m"] < 0.3
    assert data["median_position_error_m"] <= data["p90_position_error_m"] < 1.0
    answer(capsys, "track", crossing, "-o", tmp_path / "tracks.csv")
    # A table holds no covariance, so the one thing that it cannot tell is whether the filter claimed too much.
    table = answer(capsys, "evaluate", crossing, "--tracks", tmp_path / "tracks.csv")
    assert {key: value for key, value in data.items() if not key.startswith("nees")} == {
        key: value for key, value in table.items() if not key.startswith("nees")
    }
    assert data["nees_samples"] == data["matches"] > 0
    assert data["nees_mean"] > 0.0
    assert table["nees_mean"] is table["nees_samples"] is None
    assert run(["evaluate", str(crossing)]) == 0
    out = capsys.readouterr().out
    assert "simulated" in out
    assert "alpha = 1" in out
    assert "NEES" in out


@pytest.mark.slow
def test_evaluate_takes_the_parameters_of_its_metrics(crossing: Path, capsys: Capture) -> None:
    plain = answer(capsys, "evaluate", crossing)
    assert plain["mota"] == pytest.approx(1 - (plain["misses"] + plain["false_positives"]) / (2 * FRAMES))
    assert plain["motp_m"] <= plain["rmse_m"]
    assert plain["mean_ospa_m"] <= plain["mean_labelled_ospa_m"]
    assert (plain["label_penalty_m"], plain["trajectory_gospa_m"]) == (1.0, None)
    data = answer(
        capsys, "evaluate", crossing, "--ospa-order", "1", "--ospa-cutoff", "5", "--label-penalty", "0",
        "--switch-penalty", "1", "--match-distance", "0.5", "--metric-base", "state", "--label-order", "1",
    )  # fmt: skip
    assert (data["ospa_order"], data["ospa_cutoff_m"], data["match_distance_m"]) == (1.0, 5.0, 0.5)
    assert data["mean_ospa_m"] == data["mean_labelled_ospa_m"]
    assert data["mean_gospa_m"] == pytest.approx(
        data["mean_gospa_localisation"] + data["mean_gospa_missed"] + data["mean_gospa_false"]
    )
    assert data["trajectory_gospa_m"] >= FRAMES * data["mean_gospa_m"] - 1e-6
    assert data["trajectory_gospa_switching"] == pytest.approx(data["trajectory_switches"])
    infinite = answer(capsys, "evaluate", crossing, "--ospa-order", "inf")
    assert infinite["mean_gospa_m"] is None
    assert infinite["mean_ospa_m"] >= plain["mean_ospa_m"]
    assert "order" in complaint(capsys, "evaluate", crossing, "--ospa-order", "0.5", code=2)
    assert "penalty" in complaint(capsys, "evaluate", crossing, "--label-penalty", "3", code=2)


def test_evaluate_without_truth_or_with_a_broken_table_says_so(
    hardware: Path, crossing: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert "no truth" in complaint(capsys, "evaluate", hardware, code=2)
    table = tmp_path / "broken.csv"
    table.write_text("time_s,track_id,status,x_m,y_m,vx_mps,vy_mps\n0.0,1,confirmed,a,0,0,0\n")
    assert "line 2" in complaint(capsys, "evaluate", crossing, "--tracks", table, code=5)


def test_a_table_that_cannot_be_written_exits_with_5(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "no" / "folder.csv"
    assert "folder" in complaint(capsys, "track", crossing, "-o", target, code=5)
    assert "folder" in complaint(capsys, "process", crossing, "-o", target, code=5)


# --- replay and import ---------------------------------------------------------------------------------------------


def test_replay_plays_every_frame_at_the_asked_pace(crossing: Path, capsys: Capture) -> None:
    data = answer(capsys, "replay", crossing, "--speed", "max")
    assert (data["frames"], data["source"], data["origin"]) == (FRAMES, "replay", "simulated")
    assert data["elapsed_s"] < 0.1 * FRAMES
    data = answer(capsys, "replay", crossing, "--speed", "4")
    assert data["elapsed_s"] == pytest.approx(0.1 * (FRAMES - 1) / 4, abs=0.5)
    assert run(["replay", str(crossing), "--speed", "max"]) == 0
    assert "replay of simulated" in capsys.readouterr().out


def test_replay_finds_files_with_odd_names(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "take #1 50%?[x] ü.h5"
    shutil.copy(crossing, path)
    assert answer(capsys, "replay", path, "--speed", "max")["frames"] == FRAMES


def test_a_recording_can_be_recorded_again(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "again.h5"
    url = f"file://{crossing}?speed=max"
    assert answer(capsys, "record", "-d", url, "-o", path)["frames"] == FRAMES
    with open_recording(crossing) as first, open_recording(path) as second:
        assert (second.source, second.origin) == (Source.REPLAY, Source.SIMULATED)
        for k in (0, FRAMES - 1):
            assert np.array_equal(first.frame(k).samples, second.frame(k).samples)
        truths = first.truth(5), second.truth(5)
        assert truths[0] is not None
        assert truths[1] is not None
        assert np.array_equal(truths[0].position_m, truths[1].position_m)
    assert answer(capsys, "evaluate", path)["source"] == "simulated"


def test_a_looping_replay_goes_round_until_ctrl_c(
    crossing: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []
    run_session = _capture.run_session

    def interrupted_in_the_third(session: Session) -> bool:
        rounds.append(run_session(session))
        return len(rounds) == 3

    monkeypatch.setattr(_capture, "run_session", interrupted_in_the_third)
    data = answer(capsys, "replay", crossing, "--speed", "max", "--loop", code=130)
    assert (data["loops"], data["frames"]) == (3, FRAMES)


def test_import_keeps_every_sample(tmp_path: Path, capsys: Capture) -> None:
    profile, capture, path = (tmp_path / name for name in ("p.cfg", "adc_data.bin", "imported.h5"))
    profile.write_text(default_profile(), encoding="utf-8")
    sensor = parse_profile(default_profile())
    words = np.random.default_rng(1).integers(-2000, 2000, 4 * sensor.frame_words).astype("<i2")
    capture.write_bytes(words.tobytes())
    data = answer(capsys, "import", capture, "--cfg", profile, "-o", path, "--note", "bench")
    assert (data["frames"], data["source"]) == (4, "hardware")
    with open_recording(path) as recording:
        assert np.array_equal(np.concatenate([frame.samples for frame in recording.frames()]), words)
        assert recording.profile_text == default_profile()
        assert recording.origin is Source.HARDWARE
    data = answer(capsys, "import", capture, "--cfg", profile, "-o", path, "--overwrite", "--loops", "32",
                  "--iq-order", "iiqq")  # fmt: skip
    assert data["frames"] == 8
    info = answer(capsys, "info", path)
    assert info["sensor"]["iq_order"] == "I0 I1 Q0 Q1"
    answer(capsys, "import", capture, "--cfg", profile, "-o", path, "--overwrite", "--model", "AWR1843")
    assert answer(capsys, "info", path)["device_model"] == "AWR1843"


def test_import_needs_a_profile_and_a_file(tmp_path: Path, capsys: Capture) -> None:
    profile = tmp_path / "p.cfg"
    profile.write_text(default_profile(), encoding="utf-8")
    assert run(["import", "x.bin", "-o", str(tmp_path / "x.h5")]) == 2
    assert "--cfg" in capsys.readouterr().err
    complaint(capsys, "import", tmp_path / "x.bin", "--cfg", profile, "-o", tmp_path / "x.h5", code=5)
    (tmp_path / "short.bin").write_bytes(bytes(100))
    complaint(capsys, "import", tmp_path / "short.bin", "--cfg", profile, "-o", tmp_path / "x.h5", code=5)
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(("take", "lines_hz"), [("fan-on", {64.0, 128.0}), ("pipe-vibration-0", {158.0, 316.0})])
def test_a_real_take_shows_its_return_and_its_vibration(
    take: str, lines_hz: set[float], recordings_dir: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder, path = recordings_dir / "awr1642-vibration", tmp_path / "take.h5"
    answer(capsys, "import", folder / f"{take}.bin", "--studio-log", folder / "mmwave-studio-log.txt", "-o", path)
    found = answer(capsys, "process", path, "--coherent-frames", "1000")
    assert found["source"] == "hardware"
    strongest = found["strongest_return"]
    assert strongest["range_bin"] in (10, 11)
    assert strongest["image_level_db"] < -35.0
    frequencies = {abs(round(line["frequency_hz"])) for line in strongest["lines"]}
    assert all(min(abs(f - wanted) for f in frequencies) <= 2 for wanted in lines_hz), frequencies


# --- the terminal --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_progress_is_shown_on_a_terminal_only(crossing: Path, capsys: Capture) -> None:
    import pty

    ours, theirs = pty.openpty()
    try:
        command = [*ISACTRACK, "track", str(crossing), "--json"]
        environment = {**os.environ, "TERM": "xterm"}  # a dumb terminal would get no progress
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, env=environment)
        json.loads(done.stdout)
        assert b"tracking" in os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert run(["track", str(crossing)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "\x1b" not in captured.out


@pytest.mark.parametrize(
    ("quiet", "terminal", "shown"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_progress_needs_somebody_who_wants_to_look(
    quiet: bool, terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with click.Context(root, obj=Options(quiet=quiet)):
        assert shows_progress() is shown


# --- view and demo -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can lack a screen like this")
def test_view_without_a_screen_says_so(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PySide6", reason="the viewer is not installed")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert "screen" in complaint(capsys, "view", code=2)


@pytest.mark.slow
def test_view_saves_a_picture_of_a_recording(crossing: Path, tmp_path: Path) -> None:
    pytest.importorskip("PySide6", reason="the viewer is not installed")
    picture, again = tmp_path / "view.png", tmp_path / "again.h5"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = ["view", str(crossing), "-o", str(again), "--light", "--screenshot", str(picture), "--after", "4s"]
    subprocess.run([*ISACTRACK, *command], env=environment, check=True, timeout=60.0)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len_of(again) == FRAMES


def test_the_demo_without_matplotlib_leaves_out_the_picture_only(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isactrack.cli.demo.FRAMES", 8)
    monkeypatch.setattr("isactrack.cli.demo.find_spec", lambda _name: None)
    assert run(["demo", "-o", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "2 true" in captured.out
    assert "matplotlib is not installed" in captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.h5", "tracks.csv"]
    assert len_of(tmp_path / "demo.h5") == 8


@pytest.mark.slow
def test_the_demo_leaves_a_recording_tracks_and_a_picture_that_belong_together(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    folder = tmp_path / "new" / "demo"
    data = answer(capsys, "demo", "-o", folder, "--seed", "3")
    assert data["elapsed_s"] == pytest.approx(6.4, abs=1.5)
    assert (data["frames"], data["source"], data["lost_bytes"]) == (64, "simulated", 0)
    assert (folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    score = answer(capsys, "evaluate", folder / "demo.h5", "--tracks", folder / "tracks.csv")
    assert score["closed_cleanly"] is True
    assert all(data[key] == value for key, value in score.items() if key != "closed_cleanly")
    # What was tracked live is what tracking the file gives, and that has covariances too.
    again = answer(capsys, "evaluate", folder / "demo.h5")
    assert all(again[key] == value for key, value in score.items() if not key.startswith("nees"))
    assert data["identity_switches"] == 0


# --- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.fixture
def cut(crossing: Path, tmp_path: Path) -> Path:
    """Return a recording whose end is missing."""
    path = tmp_path / "cut.h5"
    data = crossing.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return a recording that was closed before its first frame."""
    path = tmp_path / "empty.h5"
    header = RecordingHeader(
        sensor=parse_profile(default_profile()), source=Source.SIMULATED, origin=Source.SIMULATED,
        device_url=SIM, device_model="AWR1642",
    )  # fmt: skip
    RecordingWriter(path, header).close()
    return path


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be replaced")
def test_a_file_that_is_being_recorded_is_left_to_its_writer(tmp_path: Path, hardware: Path, capsys: Capture) -> None:
    path = tmp_path / "busy.h5"
    with open_recording(hardware) as recording, RecordingWriter(path, recording.header) as writer:
        writer.append(recording.frame(0))
        err = complaint(capsys, "record", "-d", SIM, "-o", path, "--frames", 1, "--overwrite", code=5)
        assert "is being recorded by another process" in err
        with pytest.raises(RecordingError, match="is being recorded"), _capture.set_aside(path):
            pass
    assert len_of(path) == 1


def test_a_recording_is_not_imported_as_samples(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    profile, raw = tmp_path / "p.cfg", tmp_path / "adc_data.bin"
    profile.write_text(default_profile(), encoding="utf-8")
    shutil.copy(crossing, raw)
    err = complaint(capsys, "import", raw, "--cfg", profile, "-o", tmp_path / "x.h5", code=5)
    assert "is already a recording" in err
    assert not (tmp_path / "x.h5").exists()


def test_import_tells_of_a_partial_frame(tmp_path: Path, capsys: Capture) -> None:
    profile, raw, path = tmp_path / "p.cfg", tmp_path / "adc_data.bin", tmp_path / "x.h5"
    profile.write_text(default_profile(), encoding="utf-8")
    frame_bytes = parse_profile(default_profile()).frame_bytes
    for size, told in ((2 * frame_bytes, False), (2 * frame_bytes + 800, True)):
        raw.write_bytes(bytes(size))
        assert run(["import", str(raw), "--cfg", str(profile), "-o", str(path), "--overwrite"]) == 0
        assert ("is no whole number of frames" in capsys.readouterr().err) == told


@pytest.mark.parametrize("command", ["track", "process", "evaluate", "replay"])
def test_a_recording_that_was_not_closed_is_used_with_a_note(
    command: str, cut: Path, crossing: Path, capsys: Capture
) -> None:
    arguments = ["--speed", "max"] if command == "replay" else []
    assert run([command, str(cut), "--json", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert f"was not closed; {len_of(cut)} whole frames are readable" in captured.err
    assert json.loads(captured.out)["closed_cleanly"] is False
    assert answer(capsys, command, crossing, *arguments)["closed_cleanly"] is True


@pytest.mark.parametrize("command", ["track", "process", "evaluate", "replay"])
def test_a_recording_without_a_frame_is_refused(command: str, empty: Path, capsys: Capture) -> None:
    assert "holds no whole frame" in complaint(capsys, command, empty, code=5)


def test_info_says_that_no_frame_survived(tmp_path: Path, hardware: Path, capsys: Capture) -> None:
    path, left = tmp_path / "run.h5", tmp_path / "left.h5"
    with open_recording(hardware) as recording, RecordingWriter(path, recording.header) as writer:
        writer.flush()
        left.write_bytes(path.read_bytes())
    assert run(["info", str(left)]) == 0
    assert "no whole frame survived" in capsys.readouterr().out


def test_a_failed_check_ends_with_the_next_step(cut: Path, tmp_path: Path, capsys: Capture) -> None:
    def last_line(path: Path, code: int) -> str:
        assert run(["validate", str(path)]) == code
        return capsys.readouterr().err.splitlines()[-1]

    profile = tmp_path / "p.cfg"
    profile.write_text(as_cfg(default_profile(), Dialect.SDK3).replace("profileCfg 0", "profilCfg 0"), encoding="utf-8")
    assert last_line(profile, 2) == "  -> did you mean 'profileCfg'?"
    profile.write_text(default_profile().replace("8.015", "80.15"), encoding="utf-8")
    assert last_line(profile, 2).startswith("  -> correct the profile")
    assert last_line(cut, 5).startswith("  -> its whole frames can be used")
    cut.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert last_line(cut, 5).startswith("  -> copy it again")


def test_a_profile_in_physical_units_is_checked_with_what_it_gives(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text(default_profile(), encoding="utf-8")
    data = answer(capsys, "validate", profile)
    assert data["valid"]
    assert data["derived"]["velocity_max_mps"] == parse_profile(default_profile()).velocity_max_mps
    assert run(["validate", str(profile)]) == 0
    assert "16.465 m/s" in capsys.readouterr().out
    grant = BufferGrant(granted_bytes=100_000, forced=False, limit_bytes=100_000)
    monkeypatch.setattr("isactrack.acquisition.profile_check.receive_buffer", lambda wanted_bytes: grant)
    data = answer(capsys, "validate", profile, code=2)
    assert [check["name"] for check in data["checks"] if not check["passed"]] == ["receive buffer"]
    assert "this computer may lose packets" in complaint(capsys, "validate", profile, code=2)
    profile.write_text(default_profile().replace("loops", "lops"), encoding="utf-8")
    err = complaint(capsys, "validate", profile, code=2)
    assert "did you mean 'loops'?" in err
    assert "derived" not in answer(capsys, "validate", profile, code=2)


def test_a_profile_of_an_older_editor_is_read(tmp_path: Path, capsys: Capture) -> None:
    profile = tmp_path / "p.cfg"
    profile.write_bytes(("% Prüfstand, 20 °C\r\n" + as_cfg(default_profile(), Dialect.SDK3)).encode("latin-1"))
    assert answer(capsys, "validate", profile)["valid"]
    answer(capsys, "record", "-d", f"{SIM}&speed=max", "-c", profile, "-o", tmp_path / "x.h5", "--frames", 1)
    assert answer(capsys, "info", tmp_path / "x.h5")["profile_text"].startswith("% Prüfstand, 20 °C\n")
    profile.write_bytes(b"\0\1\2")
    assert "no text" in complaint(capsys, "validate", profile, code=2)


def test_an_empty_device_url_exits_with_2(tmp_path: Path, capsys: Capture) -> None:
    assert "no device URL" in complaint(capsys, "record", "-d", "", "-o", tmp_path / "x.h5", code=2)


def test_folders_and_special_files_are_named(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    folder, profile = tmp_path / "folder", tmp_path / "p.cfg"
    folder.mkdir()
    profile.write_text(default_profile(), encoding="utf-8")
    for arguments in (
        ["info", folder], ["track", folder], ["validate", folder], ["evaluate", crossing, "--tracks", folder],
        ["record", "-d", SIM, "-o", folder, "--overwrite"], ["record", "-d", SIM, "-c", folder, "-o", "x.h5"],
        ["import", folder, "--cfg", profile, "-o", tmp_path / "x.h5"], ["process", crossing, "-o", folder],
    ):  # fmt: skip
        assert f"{folder} is a folder" in complaint(capsys, *arguments, code=5)
    if os.name != "nt":
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        for arguments in (["info", pipe], ["track", crossing, "-o", pipe], ["record", "-d", SIM, "-o", pipe]):
            assert "no regular file" in complaint(capsys, *arguments, code=5)
        assert pipe.is_fifo()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_exit_with_5(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    secret = tmp_path / "secret.h5"
    shutil.copy(crossing, secret)
    secret.chmod(0)
    for arguments in (["info", secret], ["record", "-d", SIM, "-c", secret, "-o", tmp_path / "x.h5"]):
        assert "Permission denied" in complaint(capsys, *arguments, code=5)


def test_tracks_of_another_recording_are_not_scored(crossing: Path, tmp_path: Path, capsys: Capture) -> None:
    table = tmp_path / "t.csv"
    table.write_text("time_s,track_id,status,x_m,y_m,vx_mps,vy_mps\n1000.0,1,confirmed,1,1,0,0\n")
    err = complaint(capsys, "evaluate", crossing, "--tracks", table, code=5)
    assert "not of this recording" in err


@pytest.mark.parametrize("command", ["track", "process"])
def test_a_table_on_a_read_only_disk_names_its_target(
    command: str, crossing: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path, *_arguments: object, **_options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", read_only)
    monkeypatch.setattr(Path, "replace", read_only)
    err = complaint(capsys, command, crossing, "-o", tmp_path / "t.csv", code=5)
    assert f"cannot write {tmp_path / 't.csv'}: Read-only file system" in err
    assert ".tmp" not in err


def test_a_bug_while_recording_leaves_no_empty_file(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: Session) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(_capture, "run_session", fail)
    assert run(["record", "-d", f"{SIM}&speed=max", "-o", str(tmp_path / "x.h5")]) == 1
    assert not list(tmp_path.iterdir())


def test_a_demo_that_is_interrupted_at_once_leaves_no_recording(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_capture, "run_session", lambda _session: True)
    assert run(["demo", "-o", str(tmp_path)]) == 130
    assert not list(tmp_path.iterdir())
