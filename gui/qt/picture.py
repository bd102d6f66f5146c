"""Pictures of the window."""

from datetime import UTC, datetime
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtWidgets import QFileDialog, QWidget

from isactrack.errors import RecordingError


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
