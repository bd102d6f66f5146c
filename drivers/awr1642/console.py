"""The command line of TI's mmw demo on the user UART: 115200 baud, 8N1, with echo and the prompt ``mmwDemo:/>``.

A reply ends with the prompt, which no newline follows. It repeats the command first and ends with ``Done`` or with
``Error <number>`` after a sentence that says why.
"""

import contextlib
import logging
import re
import time
from dataclasses import dataclass
from typing import Final, NoReturn

import serial
from serial.tools import list_ports

from isactrack.errors import DeviceNotFoundError, DeviceTimeoutError, ProtocolError

PROMPT: Final = b"mmwDemo:/>"
BAUD_RATE: Final = 115200
WRITE_TIMEOUT_S: Final = 2.0
XDS110_USB_ID: Final = (0x0451, 0xBEF3)
CP2105_USB_ID: Final = (0x10C4, 0xEA70)

_log = logging.getLogger(__name__)

_EXCEPTION = re.compile(r"(MSS|DSS) (Exception|Chirp Processing Deadline Miss Exception)")
_MAX_REPLY_BYTES = 1 << 16
_MOST_STALE_REPLIES = 50


_PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError)
with contextlib.suppress(ImportError):  # Windows has none
    import termios

    _PORT_ERRORS += (termios.error,)  # pyserial lets it through from tcflush(), and it is no OSError


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port that looks like the console of a radar board."""

    device: str
    description: str
    serial_number: str


def find_consoles() -> list[SerialPort]:
    """Return the ports whose USB interface is the user UART of a TI board, never guessed from their number."""
    found = []
    for port in list_ports.comports():
        usb = (port.vid, port.pid)
        text = f"{port.interface or ''} {port.description or ''} {port.location or ''}"
        is_console = (usb == XDS110_USB_ID and ("User UART" in text or text.rstrip().endswith(".0"))) or (
            usb == CP2105_USB_ID and "Enhanced" in text
        )
        if is_console:
            found.append(SerialPort(port.device, port.description or "", port.serial_number or ""))
    return found


class Console:
    """Talks to the demo over an open serial port.

    Parameters
    ----------
    port
        Name for pyserial: a device, or a URL such as ``socket://`` or ``spy://``.
    timeout_s
        Longest wait for the reply to a command; sensorStart calibrates the RF and gets 10 s.

    Raises
    ------
    DeviceNotFoundError
        If the port does not exist or must not be opened.
    """

    def __init__(self, port: str, *, timeout_s: float = 2.0) -> None:
        self.port_name = port
        self._timeout_s = timeout_s
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
        """Bring the console to a fresh prompt, whatever was typed into it before.

        Raises
        ------
        DeviceTimeoutError
            If no prompt comes.
        """
        received = b""
        for _ in range(attempts):
            self._write(b"\n")
            reply, prompted = self._read_reply(1.0)
            # A stale half-typed line gives its error and a prompt first: wait until nothing more comes.
            for _ in range(_MOST_STALE_REPLIES):
                if not prompted or (more := self._read_reply(0.1)) == (b"", False):
                    break
                reply, prompted = more
            if prompted:
                return
            received += reply
        raise DeviceTimeoutError(
            f"the radar's console on {self.port_name} did not answer ({attempts} attempts of 1 s, "
            f"{len(received)} bytes came)",
            _silence_hint(received),
        )

    def command(self, line: str, timeout_s: float | None = None) -> list[str]:
        """Send one line and return the lines of its reply, without the echo and the final ``Done``.

        Raises
        ------
        ProtocolError
            If the firmware refuses the line or has crashed.
        DeviceTimeoutError
            If no prompt came in time.
        """
        limit_s = timeout_s or (10.0 if line.startswith("sensorStart") else self._timeout_s)
        try:
            self._port.reset_input_buffer()
        except _PORT_ERRORS as error:
            self._raise_unplugged(error)
        _log.debug("to the radar: %s", line)
        self._write(line.encode("ascii", errors="replace") + b"\n")
        reply, prompted = self._read_reply(limit_s)
        lines = reply_lines(reply, line)
        for text in lines:
            _log.debug("from the radar: %s", text)
        raise_on_crash(lines)
        if not prompted:
            raise DeviceTimeoutError(
                f"the radar did not finish {line!r} in {limit_s:g} s; it said {' / '.join(lines) or 'nothing'}",
                "the firmware may hang: press the board's reset button or power-cycle it, then try again",
            )
        _raise_on_error(line, lines)
        return [text for text in lines if text != "Done"]

    def listen(self) -> list[str]:
        """Return what the firmware has printed on its own since the last command."""
        return reply_lines(self._read_waiting(), "")

    def _write(self, data: bytes) -> None:
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
            return bytes(self._port.read(count)) if count else b""
        except _PORT_ERRORS as error:
            self._raise_unplugged(error)

    def _raise_unplugged(self, error: Exception) -> NoReturn:
        raise DeviceNotFoundError(
            f"the serial port {self.port_name} went away: {error}", "check the radar's USB cable and power"
        ) from error

    def _read_reply(self, timeout_s: float) -> tuple[bytes, bool]:
        """Read up to the next prompt; return what came before it and whether it came."""
        deadline = time.monotonic() + timeout_s
        reply = bytearray()
        while time.monotonic() < deadline and len(reply) < _MAX_REPLY_BYTES:
            reply += self._read_waiting(1)
            if reply.endswith(PROMPT):
                return bytes(reply[: -len(PROMPT)]), True
        return bytes(reply), False


def reply_lines(reply: bytes, echo: str) -> list[str]:
    """Return the non-empty lines of a reply, without the echo of the command."""
    text = reply.decode("ascii", errors="replace").replace(PROMPT.decode(), "\n")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return lines[1:] if echo and lines[:1] == [echo.strip()] else lines


def raise_on_crash(lines: list[str]) -> None:
    """Raise ProtocolError if the firmware reports an exception: it is dead until a reset."""
    for line in lines:
        if _EXCEPTION.search(line):
            raise ProtocolError(
                f"the radar's firmware crashed: {line}",
                "power-cycle the radar; a deadline miss means that the profile leaves too little time between frames",
            )


def _raise_on_error(command: str, lines: list[str]) -> None:
    unknown = next((line for line in lines if "is not recognized as a CLI command" in line), None)
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
