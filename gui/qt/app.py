"""Start the viewer. Nothing here loads Qt before it is known to work."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from isactrack.errors import DeviceStateError, DeviceTimeoutError, IsacError, RecordingError
from isactrack.gui.models.arrangement import Arrangement
from isactrack.gui.models.connect import Sources
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.health_text import NOTHING_OPEN
from isactrack.gui.models.picture_file import check_picture, write_picture
from isactrack.gui.models.theme import LIGHT
from isactrack.gui.models.ui_files import config_folder
from isactrack.gui.models.ui_settings import reset
from isactrack.gui.qt.startup import check_display, require_qt

if TYPE_CHECKING:
    from isactrack.gui.qt.main_window import MainWindow

_LOG = logging.getLogger(__name__)
_HARMLESS = ("propagateSizeHints", "does not support raise()")
"""What Qt says where there is no screen."""
_WATCH_MS = 50
_SWITCH_S = 2e-4
_LATE_S = 180.0
"""How long a picture that is due waits for the first frame: longer than a dead device takes to be called dead, and
than a busy machine takes to compile the kernels of all methods, which it does once."""
_PATIENCE_S = 10.0
"""How long a closed viewer waits for a device that is still being opened, so that it is not left half configured."""


def run_viewer(
    open_feed: Callable[[], Feed] | None,
    name: str,
    *,
    more: Sequence[tuple[Callable[[], Feed], str]] = (),
    arrangement: Arrangement = Arrangement.BESIDE,
    light: bool = False,
    screenshot: Path | None = None,
    screenshot_after_s: float = 5.0,
    reset_ui: bool = False,
    sources: Sources | None = None,
) -> None:
    """Show a window until it is closed, which a signal to interrupt or to terminate the process does too.

    Parameters
    ----------
    open_feed
        Opens what is shown, e.g. ``lambda: SessionFeed(session)``. It runs in a thread of its own while the window
        says that it connects; what it raises is shown in the window. None lets the user choose first.
    name
        What is opened, usually the URL.
    more
        What else is opened, to be shown beside it, and its names.
    arrangement
        How several sensors share the window.
    light
        Light colours, whatever was chosen before.
    screenshot
        Save the window here and leave; needs no screen. Then the first error closes the window, and settings and
        layout are those that are built in.
    screenshot_after_s
        When; if nothing is shown by then, as soon as something is.
    reset_ui
        Forget settings, window and last layout before; layouts that were saved under a name stay.
    sources
        How another source is opened, which the user may then choose in the window; None if there is only this one.

    Raises
    ------
    ConfigError
        If Qt is missing, does not fit or has no screen.
    RecordingError
        If the screenshot cannot be written, or the window was closed before it, or the settings cannot be forgotten.
    IsacError
        What ended the session, if that was an error; raised when the window is closed.
    KeyboardInterrupt
        After SIGINT (Ctrl-C), SIGTERM or the like, when the feed is closed.
    """
    if screenshot is not None:
        check_picture(screenshot)
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with _Interrupt() as interrupt:
        require_qt()
        check_display()
        folder = config_folder()
        if reset_ui:
            reset(folder)
        if screenshot is None:
            watch = _show(open_feed, name, more, arrangement, light, folder, None, interrupt, sources)
        else:
            watch = _show(open_feed, name, more, arrangement, light, None, screenshot_after_s, interrupt, None)
    if watch.error is not None:
        raise watch.error
    if interrupt.happened:
        raise KeyboardInterrupt
    if screenshot is not None:
        if watch.picture is None:
            raise RecordingError(f"the window was closed before the picture {screenshot}", "leave it open until then")
        write_picture(screenshot, watch.picture)


def _show(
    open_feed: Callable[[], Feed] | None,
    name: str,
    more: Sequence[tuple[Callable[[], Feed], str]],
    arrangement: Arrangement,
    light: bool,
    folder: Path | None,
    shoot_after_s: float | None,
    interrupt: "_Interrupt",
    sources: Sources | None,
) -> "_Watch":
    """Show the window until it is closed and its feed with it; return what the watch saw."""
    from PySide6.QtCore import QEventLoop, QTimer, qInstallMessageHandler
    from PySide6.QtWidgets import QApplication

    from isactrack.gui.qt.main_window import MainWindow

    former_handler = qInstallMessageHandler(_log_qt_message)
    try:
        present = QApplication.instance()
        _app = present if isinstance(present, QApplication) else QApplication(["isactrack"])
        opening = Opening(_open_nothing, NOTHING_OPEN) if open_feed is None else Opening(open_feed, name)
        window = MainWindow(opening, LIGHT if light else None, folder=folder, sources=sources)
        window.arrange(arrangement)
        loop = QEventLoop()
        window.closed.connect(loop.quit)
        watch = _Watch(window, name, shoot_after_s, interrupt)
        timer = QTimer(window)
        timer.timeout.connect(watch.look)
        timer.start(_WATCH_MS)
        if not interrupt.happened and open_feed is not None:
            opening.start()
            for open_another, another in more:
                window.add_sensor(open_another, another)
        with _reported_by(window), quick_switching():
            window.show()
            if open_feed is None:
                window.choose_source()
            loop.exec()
        timer.stop()
        window.cancel_openings(_PATIENCE_S)
        watch.error = window.first_error or watch.error
        window.deleteLater()
        return watch
    finally:
        qInstallMessageHandler(former_handler)


def _open_nothing() -> Feed:
    raise DeviceStateError("nothing is chosen", "choose a device or a recording first")


class _Watch:
    """Looks after the window from outside: closes it after a signal, and when its picture is taken or cannot be.

    Parameters
    ----------
    window
        The window.
    name
        What it shows.
    shoot_after_s
        Time from now to the picture; None takes none.
    interrupt
        The signals.
    """

    def __init__(self, window: "MainWindow", name: str, shoot_after_s: float | None, interrupt: "_Interrupt") -> None:
        self.picture: bytes | None = None
        self.error: IsacError | None = None
        self._window = window
        self._name = name
        self._interrupt = interrupt
        self._began_s = time.monotonic()
        self._shoot_after_s = shoot_after_s
        self._done = False

    def look(self) -> None:
        """Do what is due; called by a timer of the window's thread."""
        if self._done:
            return
        if self._interrupt.happened:
            self._close()
        elif self._shoot_after_s is not None:
            self._look_for_picture(time.monotonic() - self._began_s - self._shoot_after_s)

    def _look_for_picture(self, late_s: float) -> None:
        if (fault := self._window.fault) is not None:
            self.error = fault
            self._close()
        elif late_s >= 0.0 and self._window.shows_frame:
            try:
                self.picture = self._window.picture()
            except IsacError as error:
                self.error = error
            self._close()
        elif late_s >= _LATE_S:
            self.error = DeviceTimeoutError(
                f"{self._name} has shown no frame within {time.monotonic() - self._began_s:.0f} s",
                "look at it without --screenshot: the window says what it waits for",
            )
            self._close()

    def _close(self) -> None:
        from PySide6.QtWidgets import QApplication

        self._done = True
        # A dialog runs a loop of its own, inside that of the window.
        while (dialog := QApplication.activeModalWidget()) is not None and dialog.close():
            pass
        self._window.close()


class _Interrupt:
    """Notes signals while it is entered: every one that would raise KeyboardInterrupt.

    A KeyboardInterrupt inside one of Qt's callbacks would be printed and lost, or end in a crash; and whatever the
    handler itself did could meet locks that the interrupted code holds. So it only takes a note.
    """

    def __init__(self) -> None:
        self.happened = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            raising = {number for number in signal.valid_signals() if _raises(number)}
            for number in raising | {signal.SIGINT, signal.SIGTERM}:
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        # A late signal must not find one handler given back and interrupt giving back the others.
        block = getattr(signal, "pthread_sigmask", None)
        mask = None if block is None else block(signal.SIG_BLOCK, self._former)
        try:
            for number, handler in self._former.items():
                if handler is not None:  # None: it was not installed from Python and cannot be given back
                    signal.signal(number, handler)
        finally:
            if block is not None:
                block(signal.SIG_SETMASK, mask)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.happened = True


@contextmanager
def quick_switching() -> Iterator[None]:
    """Let threads take turns more often: one that paints may hold up those that receive and record for so long.

    With Python's own 5 ms more frames were lost at full rate, on two cores, while a window full of views was resized.
    """
    former = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(former)


@contextmanager
def _reported_by(window: "MainWindow") -> Iterator[None]:
    """Let the window take exceptions from Qt's callbacks, which nobody can catch and Qt would print."""

    def take(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            window.report_exception(error.with_traceback(trace))
        else:
            former(kind, error, trace)

    former, sys.excepthook = sys.excepthook, take
    try:
        yield
    finally:
        sys.excepthook = former


def _raises(number: int) -> bool:
    return signal.getsignal(number) is signal.default_int_handler


def _log_qt_message(_kind: object, _context: object, message: str) -> None:
    if not any(text in message for text in _HARMLESS):
        _LOG.warning("Qt: %s", message)
