"""Asks what is to be shown: with the dialog, with a file dialog, or by what is dropped on the window."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from isactrack.errors import IsacError
from isactrack.gui.models.connect import Choice, DeviceSearch, RecentSources, Sources
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.connect_dialog import RECORDINGS, ConnectDialog


class SourceChooser(QObject):
    """Asks for a source, remembers recent ones, and says why one could not be opened where it was chosen.

    Parameters
    ----------
    sources
        How what is chosen is opened.
    recent
        Sources that were opened before.
    window
        The window.
    """

    chosen = Signal(object, str)
    """The user wants something else: what opens its feed, and its name."""
    added = Signal(object, str)
    """The user wants something besides: what opens its feed, and its name."""

    def __init__(self, sources: Sources, recent: RecentSources, window: QWidget) -> None:
        super().__init__(window)
        self.sources = sources
        self.recent = recent
        self.search = DeviceSearch()
        self.dialog: ConnectDialog | None = None
        self._window = window
        self._adds = False

    def ask(self, theme: Theme, *, adds: bool = False) -> None:
        """Show the dialog; what is shown goes on meanwhile, and afterwards too if the choice `adds` to it."""
        self.forget()
        self._adds = adds
        self.dialog = ConnectDialog(theme, self.sources, self.recent.items, self.search, self._window)
        self.dialog.chosen.connect(self._choose)
        self.dialog.rejected.connect(self.forget)
        self.dialog.open()

    def ask_file(self, folder: str) -> None:
        """Ask for a recording."""
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a recording", folder, RECORDINGS)
        if chosen:
            self.open_file(Path(chosen))

    def open_file(self, path: Path) -> None:
        """Choose a recording."""
        self.forget()
        self._adds = False
        self._choose(Choice(str(path)))

    def fail(self, error: IsacError) -> None:
        """Show the dialog again with why its choice could not be opened; nothing if it was not chosen there."""
        if self.dialog is not None:
            self.dialog.show_failure(error)
            self.dialog.open()

    def forget(self) -> None:
        """Let the dialog go: what it chose is open, or is no longer wanted."""
        dialog, self.dialog = self.dialog, None
        if dialog is not None:
            dialog.hide()
            dialog.deleteLater()
            self._give_keys_back()

    def _give_keys_back(self) -> None:
        self._window.activateWindow()  # not every platform does so by itself when a dialog goes
        self._window.setFocus()

    def _choose(self, choice: Choice) -> None:
        self._give_keys_back()
        self.recent.add(choice.source)
        (self.added if self._adds else self.chosen).emit(partial(self.sources.open, choice), choice.source)


def dropped_file(mime: QMimeData) -> Path | None:
    """Return the one file that is dragged; None for anything else."""
    urls = mime.urls()
    return Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
