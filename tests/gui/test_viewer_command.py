"""``isactrack view`` as a command: what it refuses, and what it says and leaves when there is nothing to see."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtWidgets import QApplication

from isactrack.cli.main import run
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.frame import Frame
from isactrack.gui.qt.main_window import MainWindow
from isactrack.recordings import RecordingHeader, RecordingWriter
from isactrack.source import Source

Capture = pytest.CaptureFixture[str]


def write_recording(path: Path, frames: int, *, close: bool = True) -> RecordingWriter:
    """Write a recording of noise; return its writer, which the caller keeps alive if it is not closed."""
    sensor = parse_profile(default_profile())
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://x", device_model="AWR1642"
    )
    rng = np.random.default_rng(5)
    writer = RecordingWriter(path, header)
    for k in range(frames):
        samples = rng.integers(-50, 50, sensor.frame_words).astype(np.int16)
        writer.append(Frame(samples, np.ones(samples.size // 4, np.bool_), k, k * sensor.frame_period_s, k, k))
    writer.flush()
    if close:
        writer.close()
    return writer


def complaint(capsys: Capture, *arguments: object, code: int) -> str:
    """Run ``view``, which fails, and return its error: one line, and one with the next step."""
    assert run(["view", *map(str, arguments)]) == code
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Error: ")
    assert lines[1].startswith("  -> ")
    assert len(lines) == 2
    return lines[0]


def test_a_picture_never_replaces_data(app: QApplication, tmp_path: Path, capsys: Capture) -> None:
    source, other, profile = tmp_path / "a.h5", tmp_path / "b.png", tmp_path / "walk.cfg"
    write_recording(source, 2)
    write_recording(other, 1)
    profile.write_text(default_profile())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert "over" in complaint(capsys, source, "--screenshot", source, code=2)
    assert "over" in complaint(capsys, "sim://awr1642", "-c", profile, "--screenshot", profile, code=2)
    new = tmp_path / "new.h5"
    assert "over" in complaint(capsys, source, "-o", new, "--screenshot", new, code=2)
    assert "is a recording" in complaint(capsys, source, "--screenshot", other, code=5)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_recording_without_frames_is_an_error_and_leaves_nothing(
    app: QApplication, tmp_path: Path, capsys: Capture
) -> None:
    source = tmp_path / "a.h5"
    write_recording(source, 0)
    said = complaint(capsys, source, "-o", tmp_path / "b.h5", "--screenshot", tmp_path / "a.png", code=5)
    assert "without a single frame" in said
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("close", [True, False])
def test_a_recording_that_was_not_closed_is_marked_as_recovered(
    app: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, close: bool
) -> None:
    writer = write_recording(tmp_path / "a.h5", 4, close=close)
    texts: list[str] = []
    original = MainWindow.picture

    def picture(window: MainWindow) -> bytes:
        texts.append(window._status.text())
        return original(window)

    monkeypatch.setattr(MainWindow, "picture", picture)
    command = ["view", str(tmp_path / "a.h5"), "--screenshot", str(tmp_path / "a.png"), "--after", "0.3s"]
    assert run(command) == 0
    assert ["recovered" in text for text in texts] == [not close]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["silent-console", "silent-card"])
def test_a_dead_device_is_told_although_the_picture_was_due_before(
    app: QApplication, tmp_path: Path, capsys: Capture, fault: str
) -> None:
    said = complaint(
        capsys, f"sim://awr1642?fault={fault}", "-o", tmp_path / "v.h5", "--screenshot", tmp_path / "s.png",
        "--after", "0.5s", code=3,
    )  # fmt: skip
    assert "did not answer" in said
    assert not list(tmp_path.iterdir())
