"""The box with the mmWave local oscillator on TCP: the text protocol of TMYTEK's UDB-0630.

A command is a line that ends with CR LF; the answer is one line, ``0`` where something was set. What else a box answers
where it cannot set something is not documented, so anything but ``0`` counts as a refusal. A frequency is never cut to
what the box can do: it is refused, with what the box is built for and what its licence allows.
"""

import logging
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from isactrack.errors import ConfigError, DeviceError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError

LO_PORT: Final = 5025
ANSWER_S: Final = 1.0
"""Longest wait for an answer, or for a connection."""
MOST_BYTES: Final = 256
"""Longest answer."""
FREQUENCY_TOLERANCE_HZ: Final = 1e6
"""By so much at most the box may round a frequency."""
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,8}|-?[0-9]{1,15}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoSettings:
    """What an LO box shall run.

    Attributes
    ----------
    frequency_hz
        Frequency of the oscillator.
    output
        0: it serves the box alone; 1: it is put out as well; 2: another one is fed in.
    reference
        Reference clock: 0 the box's own; 1, 2 its own, put out at 10 or 100 MHz; 3, 4 fed in at 10 or 100 MHz.
    """

    frequency_hz: float
    output: int = 0
    reference: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoStatus:
    """How an LO box is.

    Attributes
    ----------
    healthy
        Whether the box as a whole reports no error.
    locked, reference_locked
        Whether oscillator and reference clock have lock.
    licence
        State of its licence as the box says it: 0 none, 1 verified, others failed.
    """

    healthy: bool
    locked: bool
    reference_locked: bool
    licence: int

    def __str__(self) -> str:
        words = [] if self.healthy else ["error of the box"]
        words.append(f"LO {'locked' if self.locked else 'not locked'}")
        words.append(f"reference {'locked' if self.reference_locked else 'not locked'}")
        return ", ".join(words)


class LoBox:
    """Talks to an LO box; may be used by several threads, which wait for each other.

    It connects when it is first asked, and again after a failure.

    Parameters
    ----------
    host, port
        Where it listens.
    answer_s
        Longest wait for an answer.
    """

    def __init__(self, host: str, port: int = LO_PORT, *, answer_s: float = ANSWER_S) -> None:
        self.name = f"{host}:{port}"
        self._address = host, port
        self._answer_s = answer_s
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None

    def serial_number(self) -> str:
        """Return its serial number."""
        return self._ask("GET_UDBOX_SN")

    def capability_hz(self) -> tuple[float, float]:
        """Return the lowest and the highest frequency that it is built for."""
        return self._range("GET_LO_CAPABILITY")

    def range_hz(self) -> tuple[float, float]:
        """Return the lowest and the highest frequency that its licence allows."""
        return self._range("GET_LO_RANGE")

    def frequency_hz(self) -> float:
        """Return the frequency that is set."""
        return float(self._numbers("GET_LO_FREQ", 1)[0])

    def status(self) -> LoStatus:
        """Return how it is."""
        system, lo, reference, licence = self._numbers("GET_ALL_STATUS", 4)
        return LoStatus(healthy=system == 0, locked=lo == 0, reference_locked=reference in (0, 1), licence=licence)

    def bring_up(self, settings: LoSettings) -> float:
        """Set everything and return the frequency that runs.

        Raises
        ------
        ConfigError
            If the frequency is beyond what the box, or its licence, allows.
        DeviceError
            If the box does not answer, refuses, or does not run what it was told.
        """
        wanted = round(settings.frequency_hz)
        self._check_range(wanted)
        self._set(f"SET_REF_CONFIG {settings.reference}")
        self._set(f"SET_LO_CONFIG {settings.output}")
        self._set(f"SET_LO_FREQ {wanted}")
        runs = self.frequency_hz()
        if abs(runs - wanted) > FREQUENCY_TOLERANCE_HZ:
            raise ProtocolError(
                f"the LO box on {self.name} was set to {_ghz(wanted)} and runs at {_ghz(runs)}",
                "another program may use the box at the same time",
            )
        _log.info("the LO box on %s runs at %s: %s", self.name, _ghz(runs), self.status())
        return runs

    def close(self) -> None:
        """Disconnect; may be called again."""
        with self._turn:
            self._disconnect()

    def _check_range(self, wanted_hz: int) -> None:
        low, high = self.range_hz()
        if low <= wanted_hz <= high:
            return
        least, most = self.capability_hz()
        hint = (
            f"the box could from {_ghz(least)} to {_ghz(most)}, but its licence does not allow it: it needs another one"
            if least <= wanted_hz <= most
            else f"the box is built for {_ghz(least)} to {_ghz(most)}; choose frequency_hz in [lo] of the profile in it"
        )
        raise ConfigError(
            f"the LO box on {self.name} cannot give {_ghz(wanted_hz)}, its range is {_ghz(low)} to {_ghz(high)}", hint
        )

    def _range(self, command: str) -> tuple[float, float]:
        low, high = self._numbers(command, 2)
        if not 0 < low <= high:
            raise self._nonsense(command, f"{low},{high}")
        return float(low), float(high)

    def _numbers(self, command: str, count: int) -> list[int]:
        answer = self._ask(command)
        words = [word.strip() for word in answer.split(",")]
        if len(words) != count or not all(_NUMBER.fullmatch(word) for word in words):
            raise self._nonsense(command, answer)
        return [int(word, 16) if word[:2] in ("0x", "0X") else int(word) for word in words]

    def _set(self, line: str) -> None:
        answer = self._ask(line)
        if answer != "0":
            raise ProtocolError(
                f"the LO box on {self.name} refuses {line!r}: it answers {answer!r}", "is it a UDB-0630, and licensed?"
            )

    def _nonsense(self, command: str, answer: str) -> ProtocolError:
        return ProtocolError(
            f"the LO box on {self.name} answers {command} with {answer[:60]!r}",
            "is it a UDB-0630, and is the port right?",
        )

    def _ask(self, line: str) -> str:
        """Send a line and return the answer. After a failure the next call connects anew: a late answer is nobody's."""
        with self._turn:
            try:
                return self._exchange(line)
            except BaseException:
                self._disconnect()
                raise

    def _exchange(self, line: str) -> str:
        sock = self._connected()
        answer = b""
        try:
            sock.sendall(f"{line}\r\n".encode("ascii"))
            deadline = time.monotonic() + self._answer_s
            while not answer.endswith(b"\n"):
                sock.settimeout(max(deadline - time.monotonic(), 1e-3))
                part = sock.recv(MOST_BYTES)
                if not part:
                    raise DeviceError(f"the LO box on {self.name} has closed the connection", "is it being restarted?")
                answer += part
                if len(answer) > MOST_BYTES:
                    raise self._nonsense(line, answer.decode("ascii", errors="replace"))
        except TimeoutError as error:
            raise DeviceTimeoutError(
                f"the LO box on {self.name} does not answer {line.split()[0]} within {self._answer_s:g} s",
                "check its power and cable, and that no other program is connected to it",
            ) from error
        except OSError as error:
            raise DeviceError(f"the LO box on {self.name} failed: {error}", "check its power and cable") from error
        return answer.decode("ascii", errors="replace").strip()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = socket.create_connection(self._address, timeout=self._answer_s)
            except OSError as error:
                raise DeviceNotFoundError(
                    f"there is no LO box on {self.name}: {error}",
                    "check its power, cable and address: lo=HOST[:PORT] in the device's URL",
                ) from error
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def _ghz(frequency_hz: float) -> str:
    return f"{frequency_hz / 1e9:.9f}".rstrip("0").rstrip(".") + " GHz"
