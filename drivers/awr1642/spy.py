r"""A log of all that goes over the wires to a radar and its capture card: ``spy+awr1642://`` and ``spy+sim://``.

The file is text, one line an exchange, flushed line by line, so that it is whole up to the moment of a failure::

    # isactrack wire log 1, spy+sim://awr1642
    2026-11-21T02:05:34.123456Z radar > b'version\n'
    2026-11-21T02:05:34.130021Z radar < b'version\nPlatform                : xWR16xx\n\r...'
    2026-11-21T02:05:34.201377Z card > 5aa509000000aaee SYSTEM_CONNECT
    2026-11-21T02:05:34.201502Z card < 5aa509000000aaee SYSTEM_CONNECT
    2026-11-21T02:05:35.500012Z data = 2791 packets

``>`` goes to the device, ``<`` comes from it. Times are UTC. Bytes of the console stand as a Python literal, in the
pieces in which they were written and read; messages of the card in hexadecimal, with their name. Data packets are only
counted: a line a second in which some came, with how many. Lines that begin with ``#`` are remarks.
"""

import ast
import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from isactrack.errors import ConfigError

COUNT_PERIOD_S: Final = 1.0
_MOST_NAMES: Final = 1000

_log = logging.getLogger(__name__)


class WireLog:
    """Writes a wire log; may be used by several threads. A disk that fails ends the log, never the capture.

    Parameters
    ----------
    path
        File to append to; empty for a new one in the working directory, ``isactrack-spy-<UTC>.log``.
    title
        What is listened to, e.g. the URL of the device.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """

    def __init__(self, path: str, title: str) -> None:
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._counting: threading.Thread | None = None
        self._count_lock = threading.Lock()
        self._packets: Callable[[], int] = int
        self._told = 0
        try:
            self._file: TextIO | None = _open_file(path)
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot write the wire log {path!r}: {error}", "take another file: spy=FILE") from error
        self.path = Path(self._file.name)
        self._write(f"# isactrack wire log 1, {title}")
        _log.info("everything on the wires goes to %s", self.path)

    def sent(self, wire: str, data: bytes, name: str = "") -> None:
        """Note bytes to the device; `name` says what a message of the card is."""
        self._exchange(wire, ">", data, name)

    def received(self, wire: str, data: bytes, name: str = "") -> None:
        """Note bytes from the device."""
        self._exchange(wire, "<", data, name)

    def count_packets(self, packets: Callable[[], int]) -> None:
        """Write once a second how many data packets have come since the last time; `packets` counts them all."""
        self._packets = packets
        self._counting = threading.Thread(target=self._count, name="wire-log", daemon=True)
        self._counting.start()

    def tell_packets(self, *, restart: bool = False) -> None:
        """Write how many data packets have come since the last time; `restart`: from now on they count from 0."""
        with self._count_lock:
            now = self._packets()
            new = now - self._told
            self._told = 0 if restart else now
        if new > 0:
            self._write(f"{_timestamp()} data = {new} packets")

    def close(self) -> None:
        """End the log; may be called again."""
        self._closing.set()
        if self._counting is not None:
            self._counting.join()
            self._counting = None
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _count(self) -> None:
        ended = False
        while not ended:
            ended = self._closing.wait(COUNT_PERIOD_S)
            self.tell_packets()

    def _exchange(self, wire: str, direction: str, data: bytes, name: str) -> None:
        text = f"{data.hex()} {name}".rstrip() if wire == "card" else repr(bytes(data))
        self._write(f"{_timestamp()} {wire} {direction} {text}")

    def _write(self, line: str) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(line + "\n")
                self._file.flush()
            except OSError as error:
                _log.warning("the wire log %s ends here: %s", self.path, error)
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None


def conversation(text: str) -> list[tuple[bytes, bytes]]:
    """Return the console's part of a wire log as a script: what was sent, and everything that came until the next.

    What came before anything was sent answers ``b""``. The card's messages are left out.

    Raises
    ------
    ConfigError
        If a line of the console is damaged.
    """
    script: list[tuple[bytes, bytes]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split(" ", 3)
        if line.startswith("#") or len(words) != 4 or words[1] != "radar":
            continue
        data = _literal(words[3], number)
        if words[2] == ">":
            script.append((data, b""))
        elif script:
            script[-1] = (script[-1][0], script[-1][1] + data)
        else:
            script.append((b"", data))
    return script


def _literal(text: str, number: int) -> bytes:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, bytes):
        raise ConfigError(f"line {number} of the wire log holds no bytes: {text[:60]!r}", "cut the log before it")
    return value


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _open_file(path: str) -> TextIO:
    """Open a log to append to; one without a name gets one that was not there, also for two devices in a second."""
    if path:
        return Path(path).open("a", encoding="utf-8")
    stem = datetime.now(UTC).strftime("isactrack-spy-%Y%m%dT%H%M%SZ")
    for index in range(1, _MOST_NAMES):
        with contextlib.suppress(FileExistsError):
            return Path(f"{stem}.log" if index == 1 else f"{stem}-{index}.log").open("x", encoding="utf-8")
    raise FileExistsError(f"{stem}.log and the names after it exist")
