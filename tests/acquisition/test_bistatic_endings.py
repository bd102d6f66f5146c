"""However a recording of the radio ends, what came is in the file, and the command says why, in words and by code."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isactrack.cli.main import run
from isactrack.events import EventKind
from isactrack.recordings import open_recording, repair_recording, validate_recording

ISACTRACK = [sys.executable, "-m", "isactrack.cli.entry"]
DEVICE_CODE, LOSS_CODE, RECORDING_CODE, INTERRUPTED_CODE = 3, 4, 5, 130


def failed(path: Path) -> list[str]:
    """Return the checks that a file does not pass; the pace of a fast simulation is not the radio's."""
    return [
        check.name
        for check in validate_recording(path, max_loss=1.0)
        if check.passed is False and check.name not in ("rate", "frame rate", "clocks")
    ]


def record(capsys: pytest.CaptureFixture[str], options: str, path: Path, *more: str) -> tuple[int, str]:
    code = run(["record", "-d", f"sim://bistatic?scene=lab-walk&speed=max{options}", "-o", str(path), *more])
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return code, err


def check_blocks(path: Path, least: int, *, closed: bool = True) -> int:
    """The blocks from 0 on are all there, whole; return how many."""
    with open_recording(path) as recording:
        assert recording.closed_cleanly is closed
        assert len(recording) >= least
        assert np.array_equal(recording.counters, np.arange(len(recording)))
        assert all(frame.complete for frame in recording.frames())
        return len(recording)


def test_a_radio_that_is_unplugged_ends_the_recording_with_its_cause(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    code, err = record(capsys, "&link=usb&fault=unplug@500ms", path, "--duration", "5s")
    assert code == DEVICE_CODE
    assert "was unplugged" in err
    assert "check cable and power" in err
    assert check_blocks(path, 120) <= 126
    with open_recording(path) as recording:
        assert recording.stop_reason.startswith("error: the radio on USB")
        assert any(event.kind == EventKind.SESSION and "was unplugged" in event.text for event in recording.events)
    assert failed(path) == []


@pytest.mark.slow
def test_a_link_that_stays_down_ends_the_recording_with_its_cause(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    code, err = record(capsys, "&link=udp&fault=link-down@500ms", path, "--duration", "20s")
    assert code == DEVICE_CODE
    assert "no frame for" in err
    assert "does not answer" in err
    assert check_blocks(path, 120) <= 126
    assert failed(path) == []


def test_more_loss_than_is_allowed_is_told_by_the_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    code, err = record(capsys, "&link=udp&loss=0.1&seed=2", path, "--frames", "100", "--max-loss", "1%")
    assert code == LOSS_CODE
    assert "more than the 1 % allowed" in err
    assert failed(path) == []


def test_a_disk_that_is_nearly_full_ends_the_recording_and_stops_the_radio(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    real, looks = shutil.disk_usage, []

    def usage(folder: Path) -> object:
        looks.append(folder)
        return SimpleNamespace(free=2**20) if path.exists() and len(looks) > 3 else real(folder)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    began_s = time.monotonic()
    code, err = record(capsys, "&link=usb", path, "--duration", "60s")
    assert time.monotonic() - began_s < 30.0
    assert code == RECORDING_CODE
    assert "nearly full" in err
    assert "free some space" in err
    check_blocks(path, 2)
    with open_recording(path) as recording:
        assert recording.stop_reason == "disk nearly full"
    assert failed(path) == []


def start(path: Path) -> "subprocess.Popen[str]":
    """Start recording the radio at the pace of the wall clock, and return when the first blocks are in the file."""
    process = subprocess.Popen(
        [*ISACTRACK, "record", "-d", "sim://bistatic?scene=lab-walk", "-o", str(path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60.0
    while not (path.exists() and path.stat().st_size > 300_000):
        assert time.monotonic() < deadline_s, process.poll()
        time.sleep(0.05)
    time.sleep(1.0)
    return process


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_ctrl_c_ends_a_recording_of_the_radio(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    process = start(path)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED_CODE, err
    assert "Traceback" not in err
    check_blocks(path, 50)
    assert failed(path) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_recording_of_the_radio_is_readable_and_can_be_repaired(tmp_path: Path) -> None:
    path, repaired = tmp_path / "a.h5", tmp_path / "b.h5"
    process = start(path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    count = check_blocks(path, 50, closed=False)
    assert failed(path) == ["closed cleanly"]
    repair_recording(path, repaired)
    assert check_blocks(repaired, 50) == count
    assert failed(repaired) == []
    with open_recording(path) as recording, open_recording(repaired) as whole:
        assert recording.blocks[:count].tobytes() == whole.blocks.tobytes()
