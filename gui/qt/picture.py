"""Pictures of the window."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtWidgets import QFileDialog, QWidget

from isactrack.errors import RecordingError
from isactrack.gui.models.picture_file import write_picture

if TYPE_CHECKING:
    from isactrack.gui.qt.main_window import MainWindow


def picture_of(widget: QWidget) -> bytes:
    """Return a widget as it is now, as a PNG file.

    Raises
    ------
    RecordingError
        If that cannot be done.
    """
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not widget.grab().save(buffer, "PNG"):
        raise RecordingError("the window cannot be turned into a PNG picture", "is there memory left?")
    return bytes(buffer.data().data())


def ask_picture_path(window: QWidget, folder: str) -> Path | None:
    """Ask where to save a picture of the window; None if nowhere."""
    name = Path(folder, f"isactrack-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.png")
    chosen, _ = QFileDialog.getSaveFileName(window, "Save the window", str(name), "PNG (*.png)")
    return Path(chosen) if chosen else None


def save_picture(window: "MainWindow", path: Path | None) -> None:
    """Save a window as PNG, ask for the file if none is given, and say how it went."""
    try:
        picture = window.picture()
        path = path or ask_picture_path(window, window.last_folder)
        if path is None:
            return
        write_picture(path, picture)
    except RecordingError as error:
        window.show_hint(str(error))
        window.report(error)
    else:
        window.tell_saved(path)
