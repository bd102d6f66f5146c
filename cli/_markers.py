"""Markers that a person types while a recording runs: a line and Enter."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_POLL_S = 0.2
_MAX_LINE_BYTES = 4096

Mark = Callable[[str], object]


@contextmanager
def typed_markers(mark: Mark) -> Iterator[None]:
    """Call `mark` with each line that is typed in the block, from a thread; nothing happens without a terminal.

    Neither the end of the input nor a process in the background disturbs the block.
    """
    descriptor = _terminal()
    if descriptor is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_read_lines, args=(descriptor, mark, stop), name="isactrack-markers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2.0 * _POLL_S)  # it may hang in a terminal that is gone; then it ends with the process


def has_terminal() -> bool:
    """Return whether somebody can type."""
    return _terminal() is not None


def _terminal() -> int | None:
    with suppress(OSError, ValueError, AttributeError):  # closed, or replaced by something that is no file
        if sys.stdin.isatty():
            return sys.stdin.fileno()
    return None


def _read_lines(descriptor: int, mark: Mark, stop: threading.Event) -> None:
    text = b""
    while not stop.is_set():
        typed = _read(descriptor, stop)
        if typed is None:
            return
        *lines, text = (text + typed).split(b"\n")
        text = text[-_MAX_LINE_BYTES:]
        for line in lines:
            words = line.decode("utf-8", "replace").strip()
            if words:
                mark(words)


if sys.platform == "win32":
    import msvcrt

    def _read(descriptor: int, stop: threading.Event) -> bytes | None:
        """Return what was typed, which may be nothing yet."""
        stop.wait(_POLL_S)
        typed = ""
        while msvcrt.kbhit():
            typed += msvcrt.getwche()
        return typed.replace("\r", "\n").encode("utf-8", "replace")

else:
    import select

    def _read(descriptor: int, stop: threading.Event) -> bytes | None:
        """Return what was typed, which may be nothing yet; None at the end of the input."""
        # A process in the background that reads from its terminal is stopped, and the recording with it, unless the
        # signal is blocked: then it gets an error.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTIN})
        try:
            if not select.select([descriptor], [], [], _POLL_S)[0]:
                return b""
            return os.read(descriptor, _MAX_LINE_BYTES) or None
        except OSError:
            stop.wait(_POLL_S)
            return b""
