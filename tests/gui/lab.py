"""A viewer at a simulator, as a user has it: real sources, and hands that press keys and click."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget

from isactrack.cli._settings import ChainOptions, TrackerOptions
from isactrack.cli._sources import read_profile
from isactrack.cli.view import _Opener, command
from isactrack.gui.models.connect import Sources
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.health_text import NOTHING_OPEN
from isactrack.gui.qt.app import _open_nothing, _reported_by
from isactrack.gui.qt.connect_dialog import ConnectDialog
from isactrack.gui.qt.export_dialog import ExportDialog
from isactrack.gui.qt.main_window import MainWindow
from isactrack.recordings import open_recording
from tests.gui.loops import spin, spin_until

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier
PATIENCE_S = 40.0
"""How long something may take on a busy computer."""


class Lab:
    """A window of ``isactrack view --choose`` and what a user does to it.

    Parameters
    ----------
    folder
        Folder of the viewer's settings.
    options
        For the window.
    """

    def __init__(self, folder: Path | None = None, size: tuple[int, int] = (1280, 720), **options: Any) -> None:
        unset: dict[str, Any] = {str(parameter.name): None for parameter in command.params}
        opener = _Opener(ChainOptions(unset), TrackerOptions(unset), comes_back=True)
        sources = Sources(opener.choose, read_profile)
        self.window = MainWindow(Opening(_open_nothing, NOTHING_OPEN), folder=folder, sources=sources, **options)
        self.window.resize(*size)
        self.window.show()
        self.window.activateWindow()
        spin(10)

    # --- hands -------------------------------------------------------------------------------------------------------

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
        """Press a key in the window, or in a dialog that holds it up."""
        dialog = QApplication.activeModalWidget()
        if dialog is None and not self.window.isActiveWindow():
            self.window.activateWindow()  # as every platform with a screen does when a dialog goes
            spin_until(self.window.isActiveWindow)
        QTest.keyClick(dialog or self.window, key, modifier)

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Click something that can be seen and is not switched off."""
        assert widget.isVisible() and widget.isEnabled(), f"{widget} cannot be clicked"
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, NONE, at or widget.rect().center())

    def enter(self, line: QWidget, text: str) -> None:
        """Type a text in place of what stands in a line, and finish with Enter."""
        self.type_in(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)

    def type_in(self, line: QWidget, text: str) -> None:
        """Type a text in place of what stands in a line."""
        assert line.isVisible() and line.isEnabled()
        line.setFocus()
        if isinstance(line, QLineEdit | QAbstractSpinBox):
            line.selectAll()
        QTest.keyClicks(line, text)

    def pick(self, box: QComboBox, text: str) -> None:
        """Choose an entry of a list with the arrow keys."""
        assert box.isVisible() and box.isEnabled() and box.findText(text) >= 0, text
        box.setFocus()
        while box.currentIndex() != (wanted := box.findText(text)):
            QTest.keyClick(box, Qt.Key.Key_Down if box.currentIndex() < wanted else Qt.Key.Key_Up)

    # --- eyes --------------------------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until something is so."""
        spin_until(condition, timeout_s)

    @property
    def dialog(self) -> ConnectDialog:
        """The dialog that asks for a device."""
        assert self.window.chooser is not None and self.window.chooser.dialog is not None
        return self.window.chooser.dialog

    @property
    def recorded_frames(self) -> int:
        """Frames in the file that is recorded, as the session counts them now."""
        feed = self.window.feed
        return 0 if feed is None else feed.health().recorded_frames

    @property
    def shown(self) -> int:
        """Index of the snapshot that is drawn."""
        assert self.window.timeline.current is not None
        return self.window.timeline.current.index

    @property
    def messages(self) -> list[str]:
        """What the toasts say."""
        return [toast.what for toast in self.window.toasts.shown]

    # --- what belongs together ---------------------------------------------------------------------------------------

    def connect(self, source: str, frames: int = 5) -> Feed:
        """Open a source with the dialog and wait until some frames were shown."""
        self.press(Qt.Key.Key_N, CTRL)
        dialog = self.dialog
        self.enter_source(dialog, source)
        self.until(lambda: dialog.start_button.isEnabled())
        self.click(dialog.start_button)
        self.until(lambda: self.window.shows_frame and len(self.window.timeline) >= frames)
        assert self.window.feed is not None
        return self.window.feed

    def enter_source(self, dialog: ConnectDialog, source: str) -> None:
        """Type a URL or the path of a file into the dialog."""
        line = dialog.source.lineEdit()
        assert line is not None
        self.until(lambda: dialog.table.rowCount() > 0)
        self.type_in(line, source)
        self.until(lambda: dialog.preview.error is None and dialog.limits.rowCount() > 0)

    def record(self) -> Path:
        """Start a recording with its button; return its file."""
        bar = self.window.record_bar
        self.click(bar.record_button)
        assert bar.is_recording
        return Path(bar.path_label.toolTip())

    def stop_recording(self) -> None:
        """Stop the recording with its button."""
        bar = self.window.record_bar
        self.click(bar.record_button)
        self.until(lambda: not bar.is_recording)

    def export_dialog(self) -> ExportDialog:
        """Ask for the export."""
        self.press(Qt.Key.Key_E, CTRL)
        dialogs = [dialog for dialog in self.window.findChildren(ExportDialog) if dialog.isVisible()]
        assert len(dialogs) == 1
        return dialogs[0]

    def reported(self) -> AbstractContextManager[None]:
        """Let the window take exceptions of Qt's callbacks, as it does while the command runs."""
        return _reported_by(self.window)

    def close(self) -> None:
        """Close the window."""
        self.window.close()
        self.window.opening.cancel(PATIENCE_S)
        self.window.deleteLater()
        spin(10)


@contextmanager
def lab(folder: Path | None = None, **options: Any) -> Iterator[Lab]:
    """Open a window for as long as it is needed, which takes exceptions of Qt's callbacks as the command has it."""
    opened = Lab(folder, **options)
    with opened.reported():
        try:
            yield opened
        finally:
            opened.close()


def check_complete(path: Path, at_least: int) -> None:
    """Check that a recording was closed, holds so many frames and misses none between its first and its last."""
    with open_recording(path) as recording:
        assert recording.closed_cleanly
        assert len(recording) >= at_least
        assert recording.missing_frames == 0 and recording.incomplete_frames == 0
