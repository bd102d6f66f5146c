"""Where the window stands on the screens."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from isactrack.gui.models.ui_settings import Rectangle, UiSettings, can_be_reached

_START_SIZE = QSize(1440, 820)


def put_back(window: QWidget, settings: UiSettings) -> None:
    """Put a window where it was left, if that is still on a screen."""
    window.resize(_START_SIZE)
    geometry = settings.geometry
    screens = [screen.availableGeometry() for screen in QGuiApplication.screens()]
    if geometry is None or not can_be_reached(geometry, [(s.x(), s.y(), s.width(), s.height()) for s in screens]):
        return
    window.setGeometry(*geometry)
    if settings.maximised:
        window.setWindowState(Qt.WindowState.WindowMaximized)


def place_of(window: QWidget) -> Rectangle:
    """Return where a window stands when it is not maximised."""
    place = window.normalGeometry()
    return place.x(), place.y(), place.width(), place.height()
