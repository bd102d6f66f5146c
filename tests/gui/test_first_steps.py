"""The page for first-time users, read and done word by word: its commands, its keys, its pictures."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtGui import QImage, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QDialog, QLineEdit, QWidget

from isactrack.cli.main import run
from isactrack.gui.models.recording import RecordingControl
from isactrack.gui.models.timeline import Mode
from isactrack.gui.models.toasts import Toasts
from isactrack.gui.qt.export_dialog import ExportDialog
from isactrack.gui.qt.health_panel import ElidedLabel
from isactrack.recordings import open_recording, read_tracks_csv
from tests.gui.lab import Lab, lab
from tests.gui.loops import spin
from tests.gui.shots import shoot

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-steps.md"
SHOWN_FOLDER = "/srv/lab"
"""What pictures show instead of the folder of the test."""
_DONE = re.compile(r"\*\*([^*]+)\*\*|type `([^`]+)`")
_PICTURE = re.compile(r"!\[[^\]]+\]\(images/([\w-]+)\.png\)")


@dataclass
class Section:
    """A heading, and what is to be done below it, in order."""

    title: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    """Kinds (command, key, type, picture) and what."""


def read_page() -> list[Section]:
    """Return the sections of the page."""
    sections: list[Section] = []
    inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside:
            sections[-1].steps.append(("command", line))
        elif line.startswith("## "):
            sections.append(Section(line.removeprefix("## ")))
        elif sections and (picture := _PICTURE.match(line)):
            sections[-1].steps.append(("picture", picture[1]))
        elif sections:
            sections[-1].steps += [("press", bold) if bold else ("type", typed) for bold, typed in _DONE.findall(line)]
    return sections


SECTIONS = {section.title: section for section in read_page()}


class Reader:
    """Does what the page says."""

    def __init__(self, folder: Path, shots: Path) -> None:
        self.folder = folder
        self.shots = shots
        self.lab: Lab | None = None
        self.pictures: list[str] = []
        self._leave: Callable[[], object] = lambda: None

    def do(self, title: str) -> None:
        """Do all steps of a section."""
        for kind, what in SECTIONS[title].steps:
            {"command": self.command, "press": self.press, "type": self.type, "picture": self.picture}[kind](what)

    def command(self, line: str) -> None:
        """Run a command; one that opens a window opens it here, in place of the one before."""
        program, name, *arguments = shlex.split(line, comments=True)
        assert program == "isactrack"
        if name != "view" or "--screenshot" in arguments:
            assert run([name, *arguments]) == 0, line
            return
        self.close()
        (source,) = arguments
        context = lab(self.folder / "settings")
        self.lab = context.__enter__()
        self._leave = partial(context.__exit__, None, None, None)
        self.lab.connect(source, frames=25)

    def press(self, token: str) -> None:
        """Press a button that has this text in the dialog, else keys."""
        assert self.lab is not None, f"there is no window to press {token} in"
        dialog = self._dialog()
        buttons = [] if dialog is None else dialog.findChildren(QAbstractButton)
        named = [button for button in buttons if button.text().replace("&", "") == token]
        if named:
            self.lab.click(named[0])
            self.lab.until(lambda: dialog is None or not isinstance(dialog, ExportDialog) or dialog.job is None)
            return
        keys = QKeySequence("Return" if token == "Enter" else token)
        assert keys.count() == 1, f"{token} is neither a key nor a button"
        target = QApplication.focusWidget() if self._is_writing() else None
        if target is None and not self.lab.window.isActiveWindow():
            self.lab.window.activateWindow()
            self.lab.until(self.lab.window.isActiveWindow)
        QTest.keySequence(target or self._overlay() or self.lab.window, keys)
        spin(100)  # that long people look before they press the next one

    def type(self, text: str) -> None:
        """Type where the page says so: into the dialog, or the line that asks."""
        assert self.lab is not None
        dialog = self._dialog()
        line = dialog.file if isinstance(dialog, ExportDialog) else QApplication.focusWidget()
        assert isinstance(line, QLineEdit)
        self.lab.type_in(line, text)

    def picture(self, name: str) -> None:
        """Take a picture of what is seen now."""
        assert self.lab is not None
        spin(300)
        shoot(self._dialog() or self.lab.window, self.shots, name)
        self.pictures.append(name)

    def close(self) -> None:
        """Close the window, if there is one."""
        self._leave()
        self._leave = lambda: None
        self.lab = None

    def _dialog(self) -> QDialog | None:
        assert self.lab is not None
        return next((dialog for dialog in self.lab.window.findChildren(QDialog) if dialog.isVisible()), None)

    def _is_writing(self) -> bool:
        return isinstance(QApplication.focusWidget(), QLineEdit)

    def _overlay(self) -> QWidget | None:
        assert self.lab is not None
        return self.lab.window.overlay if self.lab.window.overlay.isVisible() else None


@pytest.fixture
def reader(app: QApplication, tmp_path: Path, shots: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    show, inform = ElidedLabel.set_text, Toasts.info
    monkeypatch.setattr(
        ElidedLabel, "set_text", lambda label, text: show(label, text.replace(str(tmp_path), SHOWN_FOLDER))
    )
    monkeypatch.setattr(Toasts, "info", lambda self, text: inform(self, text.replace(str(tmp_path), SHOWN_FOLDER)))
    monkeypatch.setattr(RecordingControl, "suggested_path", lambda _self: tmp_path / "awr1642-20260504T093012Z.h5")
    reader = Reader(tmp_path, shots)
    yield reader
    reader.close()


def test_the_page_is_done_from_the_simulator_to_the_export(reader: Reader, tmp_path: Path) -> None:
    reader.do("2. Watch a simulated radar")
    assert reader.lab is not None and reader.lab.window.timeline.live
    reader.do("3. Record")
    with open_recording(tmp_path / "awr1642-20260504T093012Z.h5") as recording:
        assert recording.closed_cleanly and len(recording) > 5
        assert "marker 1: someone opens the door" in {event.text for event in recording.events}
    with open_recording(tmp_path / "walk.h5") as recording:
        assert recording.closed_cleanly and recording.duration_s == pytest.approx(5.0, abs=0.5)
    reader.do("4. Play it back")
    window = reader.lab.window
    assert not window.timeline.live and window.timeline.mode is Mode.FROZEN
    assert window.timeline.current_time_s - window.timeline.kept[0].time_s == pytest.approx(3.0, abs=0.1)
    assert not window.tuning.isVisible()
    reader.do("5. Export")
    assert QImage("map.png").text("isactrack source") == "walk.h5"
    assert len(read_tracks_csv(Path("tracks.csv")).time_s) > 20
    assert Path("walk.npz").stat().st_size > 10_000
    assert QImage("walk.png").width() > 1000
    assert reader.pictures == ["first-live", "first-record", "first-replay", "first-export"]
    assert window.error is None


def test_the_commands_for_who_sees_nothing_run(reader: Reader) -> None:
    assert run(["record", "-d", "sim://awr1642?speed=max", "-o", "walk.h5", "--frames", "10"]) == 0
    for kind, what in SECTIONS["I see nothing"].steps:
        if kind == "command":
            reader.command(what)


def test_the_page_installs_as_the_readme_does() -> None:
    first, second = [what for kind, what in SECTIONS["1. Install"].steps if kind == "command"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```\n{first}\n```" in readme and f"`{second}`" in readme
    assert (ROOT / first.removeprefix("bash ")).is_file()
    assert "docs/first-steps.md" in readme
