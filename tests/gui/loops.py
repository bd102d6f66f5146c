"""Qt's loop, run by tests for as long as they need it."""

import time
from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer


def spin(ms: int) -> None:
    """Let Qt work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


def spin_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Let Qt work until something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        spin(20)
