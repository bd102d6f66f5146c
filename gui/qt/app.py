"""Start the viewer. Nothing here loads Qt before it is known to work."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from isactrack.errors import RecordingError
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.theme import DARK, LIGHT
from isactrack.gui.qt.startup import check_display, require_qt

_LOG = logging.getLogger(__name__)
_HARMLESS = "propagateSizeHints"
_INTERRUPTED = 130


def run_viewer(
    open_feed: Callable[[], Feed],
    name: str,
    *,
    light: bool = False,
    screenshot: Path | None = None,
    screenshot_after_s: float = 5.0,
) -> int:
    """Show a window until it is closed.

    Parameters
    ----------
    open_feed
        Opens what is shown, e.g. ``lambda: SessionFeed(session)``. It runs in a thread of its own while the window
        says that it connects; what it raises is shown in the window.
    name
        What is opened, usually the URL.
    light
        Light colours instead of dark ones.
    screenshot
        Save the window here and leave; needs no screen.
    screenshot_after_s
        When.

    Returns
    -------
    int
        0, the exit code of the error that ended the session, or 130 after Ctrl-C.

    Raises
    ------
    ConfigError
        If Qt is missing, does not fit or has no screen.
    RecordingError
        If the screenshot cannot be written.
    """
    if screenshot is not None and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    require_qt()
    check_display()
    from PySide6.QtCore import QEventLoop, QTimer, qInstallMessageHandler
    from PySide6.QtWidgets import QApplication

    from isactrack.gui.qt.main_window import MainWindow
    from isactrack.gui.qt.style import apply_theme

    former_handler = qInstallMessageHandler(_log_qt_message)
    present = QApplication.instance()
    app = present if isinstance(present, QApplication) else QApplication(["isactrack"])
    theme = LIGHT if light else DARK
    apply_theme(app, theme)
    opening = Opening(open_feed, name)
    window = MainWindow(opening, theme)
    opening.start()
    loop = QEventLoop()
    window.closed.connect(loop.quit)
    window.show()
    if screenshot is not None:

        def shoot() -> None:
            window.save_snapshot(screenshot)
            window.close()

        QTimer.singleShot(round(1e3 * screenshot_after_s), window, shoot)
    interrupted = _Interrupt(window.close)
    try:
        loop.exec()
    finally:
        interrupted.restore()
        qInstallMessageHandler(former_handler)
    error = window.error
    window.deleteLater()
    if screenshot is not None and not screenshot.is_file():
        raise RecordingError(f"the screenshot {screenshot} was not written", "check that the folder exists")
    if interrupted.happened:
        return _INTERRUPTED
    return error.exit_code if error is not None else 0


class _Interrupt:
    """Closes the window on Ctrl-C; inside Qt's loop a KeyboardInterrupt would only be printed."""

    def __init__(self, close: Callable[[], object]) -> None:
        self.happened = False
        self._close = close
        self._former = None
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._handle)

    def restore(self) -> None:
        """Give Ctrl-C back to whom it belonged."""
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.happened = True
        self._close()


def _log_qt_message(_kind: object, _context: object, message: str) -> None:
    if _HARMLESS not in message:
        _LOG.warning("Qt: %s", message)
