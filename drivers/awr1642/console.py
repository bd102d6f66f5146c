"""The command line of TI's mmw demo on the user UART: 115200 baud, 8N1, with echo and the prompt ``mmwDemo:/>``.

A reply ends with the prompt, which no newline follows. It repeats the command first and ends with ``Done`` or with
``Error <number>`` after a sentence that says why. The serial line has no check sums, so the echo is the check: a
command whose echo is not what was sent may have been read as another one.
"""

import contextlib
import logging
import re
import time
from collections.abc import Callable
from typing import Final, NoReturn

import serial
from serial.tools import list_ports

from isactrack.drivers.awr1642.spy import WireLog
from isactrack.errors import ConfigError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError

PROMPT: Final = b"mmwDemo:/>"
BAUD_RATE: Final = 115200
MAX_LINE: Final = 255
"""Characters that the firmware takes of a line; it drops the rest."""
WRITE_TIMEOUT_S: Final = 2.0
REPLY_LIMITS_S: Final = {"sensorStart": 10.0, "sensorStop": 3.0}
"""Longest replies: the first start calibrates the RF, and a stop waits for the end of the frame."""

_log = logging.getLogger(__name__)

_EXCEPTION = re.compile(r"(MSS|DSS) (Exception|Chirp Processing Deadline Miss Exception)")
_BANNER = re.compile(r"xWR\d\dxx MMW Demo (\d\d\.\d\d\.\d\d\.\d\d)")
_FOREIGN_PROMPT = re.compile(rb"(?:^|[\r\n])([\x20-\x7e]{1,40}[>$#]) ?$")
_TYPED_ON = re.compile(re.escape(PROMPT) + rb"[^\r\n]*\Z")
_UNKNOWN: Final = "is not recognized as a CLI command"
_APPENDING: Final = {"profileCfg", "chirpCfg"}
"""Commands that add to a list of the firmware: sent twice they count twice, until a flushCfg."""
_MAX_REPLY_BYTES = 1 << 16
_MOST_STALE_REPLIES = 50
_SETTLE_S = 0.1
"""A pause of the firmware after which nothing more is on its way."""
_ATTEMPT_S = 1.0
_MOST_SHOWN = 300


_PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError)
with contextlib.suppress(ImportError):  # Windows has none
    import termios

    _PORT_ERRORS += (termios.error,)  # pyserial lets it through from tcflush(), and it is no OSError


class FirmwareCrashError(ProtocolError):
    """The firmware reported an exception: it is dead until a reset."""


class RadarResetError(ProtocolError):
    """The radar started anew while something was asked of it: its configuration is lost."""


class GarbledReplyError(ProtocolError):
    """The echo or the end of a reply was not as it must be: bytes got lost or were inserted on the serial line."""

    refused = False
    """Whether the firmware says that it did nothing."""


class Console:
    """Talks to the demo over an open serial port.

    Parameters
    ----------
    port
        Name for pyserial: a device, or a URL such as ``socket://``.
    timeout_s
        Longest wait for the reply to a command that `REPLY_LIMITS_S` does not name.
    wire_log
        Where every byte is noted; None for nowhere.
    clock
        Seconds, for the deadlines.

    Attributes
    ----------
    lost
        Whether the port went away; it does not come back, another `Console` has to be opened.

    Raises
    ------
    DeviceNotFoundError
        If the port does not exist or must not be opened.
    """

    def __init__(
        self,
        port: str,
        *,
        timeout_s: float = 2.0,
        wire_log: WireLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port_name = port
        self.lost = False
        self._timeout_s = timeout_s
        self._wire_log = wire_log
        self._clock = clock
        try:
            self._port = serial.serial_for_url(
                port, baudrate=BAUD_RATE, timeout=0.02, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise DeviceNotFoundError(f"cannot open the serial port {port}: {error}", _open_hint(error)) from error

    def close(self) -> None:
        """Release the port."""
        self._port.close()

    def synchronise(self, attempts: int = 3) -> None:
        """Bring the console to a fresh prompt, whatever was typed into it or came out of it before.

        Raises
        ------
        FirmwareCrashError
            If the last that came is a firmware exception.
        ProtocolError
            If another program than the mmw demo prompts.
        DeviceTimeoutError
            If no prompt comes.
        """
        received = b""
        foreign: set[bytes | None] = set()
        for _ in range(attempts):
            self._write(b"\n")
            reply, prompted = self._read_reply(_ATTEMPT_S)
            # A stale half-typed line gives its error and a prompt first: wait until nothing more comes.
            for _ in range(_MOST_STALE_REPLIES):
                if not prompted or (more := self._read_reply(_SETTLE_S)) == (b"", False):
                    break
                reply, prompted = more
            if prompted:
                return
            raise_on_crash(reply_lines(reply, ""))
            received += reply
            found = _FOREIGN_PROMPT.search(reply)
            foreign.add(found[1] if found else None)
        prompt = foreign.pop()
        if prompt is not None and not foreign:
            raise ProtocolError(
                f"the radar's console on {self.port_name} prompts {prompt.decode('ascii')!r}, not {PROMPT.decode()!r}",
                "another program than TI's mmw demo runs on the radar, or this is another device's port: flash the "
                "mmw demo, or name the port of the radar",
            )
        raise DeviceTimeoutError(
            f"the radar's console on {self.port_name} did not answer ({attempts} attempts of {_ATTEMPT_S:g} s, "
            f"{len(received)} bytes came)",
            _silence_hint(received),
        )

    def command(self, line: str, timeout_s: float | None = None) -> list[str]:
        """Send one line and return the lines of its reply, without the echo and the final ``Done``.

        A line whose reply was garbled is sent once more if that is safe: sensorStart never is, nor is a line that
        would then count twice.

        Raises
        ------
        ConfigError
            If the line has more characters than the firmware takes, or others than ASCII.
        ProtocolError
            If the firmware refuses the line (also as its subclasses `FirmwareCrashError`, `RadarResetError` and
            `GarbledReplyError`).
        DeviceTimeoutError
            If no prompt came in time.
        """
        _check_line(line)
        name = line.split(" ", 1)[0]
        limit_s = timeout_s or REPLY_LIMITS_S.get(name, self._timeout_s)
        try:
            return self._ask(line, limit_s)
        except GarbledReplyError as error:
            self.synchronise()
            if name == "sensorStart" or (name in _APPENDING and not error.refused):
                raise
            _log.warning("%s; it is sent once more", error)
        try:
            return self._ask(line, limit_s)
        except GarbledReplyError:
            self.synchronise()
            raise

    def listen(self) -> list[str]:
        """Return what the firmware has printed on its own since the last command."""
        return reply_lines(self._read_waiting(), "")

    def await_banner(self, limit_s: float) -> str | None:
        """Wait until the radar has started anew and prompts; return its version, None if it did not in time."""
        deadline = self._clock() + limit_s
        said = b""
        while (left_s := deadline - self._clock()) > 0.0 and len(said) < _MAX_REPLY_BYTES:
            more, prompted = self._read_reply(left_s)
            said += more
            if prompted and (found := _BANNER.search(said.decode("ascii", errors="replace"))):
                return found[1]
        return None

    def _ask(self, line: str, limit_s: float) -> list[str]:
        """Send a line and judge what comes back."""
        stale = reply_lines(self._read_waiting(), "")
        if stale:
            _raise_on_restart(stale, line)
            raise_on_crash(stale)
            _log.debug("passed over before %r: %s", line, _shown(stale))
        _log.debug("to the radar: %s", line)
        self._write(line.encode("ascii") + b"\n")
        reply, prompted = self._read_answer(line, limit_s)
        lines = reply_lines(reply, "")
        for text in lines:
            _log.debug("from the radar: %s", text)
        _raise_on_restart(lines, line)
        raise_on_crash(lines)
        said = _after_echo(reply, line)
        if not prompted and b"\n" in reply.lstrip():
            raise DeviceTimeoutError(
                f"the radar did not finish {line!r} in {limit_s:g} s; it said {_shown(said or lines)}",
                "the firmware may hang: press the board's reset button or power-cycle it, then try again",
            )
        if not prompted and not lines:
            raise DeviceTimeoutError(
                f"the radar did not answer {line!r} in {limit_s:g} s",
                "check its power and USB cable; press the board's reset button and try again",
            )
        if said is None or not _is_ended(line, said) or _is_of_another(line, said):
            raise _garbled(line, lines)
        _raise_on_error(line, said)
        return [text for text in said if text != "Done"]

    def _write(self, data: bytes) -> None:
        if self._wire_log is not None:
            self._wire_log.sent("radar", data)
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceTimeoutError(
                f"the serial port {self.port_name} took no bytes for {WRITE_TIMEOUT_S:g} s",
                "the port hangs: unplug the radar's USB cable and plug it in again",
            ) from error
        except _PORT_ERRORS as error:
            self._raise_unplugged(error)

    def _read_waiting(self, at_least: int = 0) -> bytes:
        """Read what is there; wait a moment if that is less than `at_least`."""
        try:
            count = max(at_least, self._port.in_waiting)
            data = bytes(self._port.read(count)) if count else b""
        except _PORT_ERRORS as error:
            self._raise_unplugged(error)
        if data and self._wire_log is not None:
            self._wire_log.received("radar", data)
        return data

    def _raise_unplugged(self, error: Exception) -> NoReturn:
        self.lost = True
        raise DeviceNotFoundError(
            f"the serial port {self.port_name} went away: {error}", "check the radar's USB cable and power"
        ) from error

    def _read_answer(self, line: str, limit_s: float) -> tuple[bytes, bool]:
        """Read up to the prompt after the echo of a line: prompts that were under way before it count for nothing."""
        deadline = self._clock() + limit_s
        answer, prompted = self._read_reply(limit_s)
        while prompted and _after_echo(answer, line) is None and len(answer) < _MAX_REPLY_BYTES:
            only_prompts = not reply_lines(answer, "")
            left_s = deadline - self._clock()
            more, again = self._read_reply(left_s if only_prompts else min(left_s, _SETTLE_S))
            if not more and not again:
                return answer, not only_prompts
            answer, prompted = answer + PROMPT + more, again
        return answer, prompted

    def _read_reply(self, timeout_s: float) -> tuple[bytes, bool]:
        """Read up to the next prompt; return what came before it and whether it came. A crash ends the wait.

        If another program types on after the prompt, what it types is returned too, behind the prompt.
        """
        heard_s = self._clock()
        deadline = heard_s + timeout_s
        reply = bytearray()
        while self._clock() < deadline and len(reply) < _MAX_REPLY_BYTES:
            more = self._read_waiting(1)
            reply += more
            if reply.endswith(PROMPT):
                return bytes(reply[: -len(PROMPT)]), True
            if more:
                heard_s = self._clock()
            elif _TYPED_ON.search(reply) and self._clock() - heard_s >= _SETTLE_S:
                return bytes(reply), True
            if more and _EXCEPTION.search(reply[-len(more) - MAX_LINE :].decode("ascii", errors="replace")):
                deadline = min(deadline, self._clock() + _SETTLE_S)  # for the end of its last words
        return bytes(reply), False


def reply_lines(reply: bytes, echo: str) -> list[str]:
    """Return the non-empty lines of a reply, without the echo of the command."""
    text = reply.decode("ascii", errors="replace").replace(PROMPT.decode(), "\n")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[1:] if echo and lines[:1] == [echo.strip()] else lines


def restarted(lines: list[str]) -> str | None:
    """Return the version in the banner that a radar prints when it starts, None if there is none."""
    return next((found[1] for line in lines if (found := _BANNER.search(line))), None)


def raise_on_crash(lines: list[str]) -> None:
    """Raise FirmwareCrashError if the firmware reports an exception: it is dead until a reset."""
    for index, line in enumerate(lines):
        if _EXCEPTION.search(line) and restarted(lines[index:]) is None:
            raise FirmwareCrashError(
                f"the radar's firmware crashed: {line}",
                "power-cycle the radar; a deadline miss means that the profile leaves too little time between frames",
            )


def _raise_on_restart(lines: list[str], command: str) -> None:
    version = restarted(lines)
    if version is not None:
        raise RadarResetError(
            f"the radar was reset before it finished {command!r}: it greets anew (MMW Demo {version})",
            "its configuration is lost: configure it again; if nobody pressed reset, check its power supply "
            "(5 V, 2.5 A)",
        )


def _check_line(line: str) -> None:
    if len(line) > MAX_LINE:
        raise ConfigError(
            f"the line {line[:40]!r}... has {len(line)} characters, the firmware takes {MAX_LINE}", "shorten it"
        )
    if not line.isascii() or not line.isprintable() or not line.strip():
        raise ConfigError(f"the line {line!r} is nothing that the radar's console takes", "use plain ASCII characters")


def _after_echo(reply: bytes, line: str) -> list[str] | None:
    """Return the lines from the echo of a command to the next prompt, None if there is no echo."""
    for part in reversed(reply.split(PROMPT)):
        lines = reply_lines(part, "")
        if line.strip() in lines:
            return lines[lines.index(line.strip()) + 1 :]
    return None


def _is_ended(command: str, said: list[str]) -> bool:
    """Whether a reply has one of the ends that the firmware gives it."""
    if command.startswith("%"):
        return said == ["Skipped"]
    return "Done" in said[-1:] or _is_refusal(said)


def _is_of_another(command: str, said: list[str]) -> bool:
    """Whether the firmware does not know a command that is not this one: something came in between."""
    name = command.split(" ", 1)[0]
    return any(_UNKNOWN in text and not text.startswith(f"'{name}'") for text in said)


def _is_refusal(lines: list[str]) -> bool:
    return any(_UNKNOWN in line or line.startswith("Error") for line in lines)


def _garbled(command: str, lines: list[str]) -> GarbledReplyError:
    error = GarbledReplyError(
        f"the reply to {command!r} is garbled: {_shown(lines)}",
        "bytes get lost or come in between on the serial line: close other programs that have the port (ModemManager, "
        "a terminal), and try another USB cable or hub",
    )
    error.refused = _is_refusal(lines)
    return error


def _shown(lines: list[str]) -> str:
    text = " / ".join(lines) or "nothing"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _raise_on_error(command: str, lines: list[str]) -> None:
    unknown = next((line for line in lines if _UNKNOWN in line), None)
    if unknown is not None:
        raise ProtocolError(
            f"the radar does not know {command!r}: {unknown}",
            "the firmware is another demo or SDK, or another program writes to this port (ModemManager does; "
            "`systemctl stop ModemManager`)",
        )
    errors = [line for line in lines if line.startswith("Error")]
    if errors:
        reasons = [line for line in lines if line != "Done" and not re.fullmatch(r"Error -?\d+", line)]
        raise ProtocolError(
            f"the radar refused {command!r}: {' '.join(reasons) or errors[0]}",
            "`isactrack validate PROFILE` checks the profile; after a failed sensorStart the board may need a reset",
        )


def _silence_hint(received: bytes) -> str:
    if 4 * sum(byte >= 0x7F or (byte < 0x20 and byte not in b"\r\n\t") for byte in received) > len(received):
        return "what came is no text: the port may be the data port (921600 baud); use the board's other port"
    return (
        "check that the board is powered, that SOP is in functional mode (SOP0 closed only), that the mmw demo is "
        "flashed, and that this is the 'Application/User UART' port; press the reset button and try again"
    )


def _open_hint(error: Exception) -> str:
    text = str(error)
    if "Access is denied" in text or "exclusively lock" in text:
        return "another program has the port: close it (a terminal, mmWave Studio, another isactrack)"
    if "Permission" in text:
        return "add yourself to the port's group, e.g. `sudo usermod -aG dialout $USER`, and log in again"
    if "No such file" in text or "could not open port" in text or "FileNotFound" in text:
        names = ", ".join(port.device for port in list_ports.comports()) or "none"
        return f"connect the board's USB cable; serial ports here: {names}; `isactrack devices` lists radars"
    return "check the name of the port; `isactrack devices` lists radars"
