"""Finds radar boards by what their USB interfaces are, never by the number of a port.

A board has two serial ports. The AWR1642BOOST carries an XDS110, whose USB interface 0 is the console
("Application/User UART") and 3 the data port ("Auxiliary Data Port"); boards with a CP2105 have the console on
interface 0 ("Enhanced") and the data port on 1 ("Standard"). Which of them is ttyACM0 or COM3 is a matter of chance.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from serial.tools import list_ports

XDS110_USB_ID: Final = (0x0451, 0xBEF3)
CP2105_USB_ID: Final = (0x10C4, 0xEA70)
DCA1000_USB_ID: Final = (0x0451, 0xFD03)
"""The capture card's FT4232H, which only mmWave Studio needs: the card is controlled over Ethernet."""
_SYSFS_USB: Final = Path("/sys/bus/usb/devices")
_MOST_USB_DEVICES: Final = 1024


class BoardKind(StrEnum):
    """The USB bridge of a board."""

    XDS110 = "XDS110"
    CP2105 = "CP2105"


class _Role(StrEnum):
    CONSOLE = "console"
    DATA = "data"


_KINDS: Final = {XDS110_USB_ID: BoardKind.XDS110, CP2105_USB_ID: BoardKind.CP2105}
_INTERFACES: Final = {
    BoardKind.XDS110: {0: _Role.CONSOLE, 3: _Role.DATA},
    BoardKind.CP2105: {0: _Role.CONSOLE, 1: _Role.DATA},
}
_WORDS: Final = {
    BoardKind.XDS110: {"User UART": _Role.CONSOLE, "Auxiliary Data": _Role.DATA},
    BoardKind.CP2105: {"Enhanced": _Role.CONSOLE, "Standard": _Role.DATA},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A radar board on USB.

    Attributes
    ----------
    console_port
        Serial port that takes commands; None if it was not found.
    data_port
        Serial port of what the firmware detects; None if it was not found.
    serial_number
        Serial number of the USB bridge; empty if it has none.
    kind
        The USB bridge.
    other_ports
        Ports of the board whose role the system does not tell.
    """

    console_port: str | None
    data_port: str | None
    serial_number: str
    kind: BoardKind
    other_ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A device on USB, whether or not the system made a serial port of it."""

    usb_id: tuple[int, int]
    serial_number: str


def find_boards(ports: Iterable[Any] | None = None) -> list[Board]:
    """Return the radar boards that are connected, in the order of their console ports.

    Parameters
    ----------
    ports
        What pyserial says of each serial port (`ListPortInfo`); None to ask it.
    """
    groups: dict[tuple[BoardKind, str, str], list[tuple[_Role | None, str]]] = {}
    for port in list_ports.comports() if ports is None else ports:
        kind = _KINDS.get((port.vid, port.pid))
        if kind is not None:
            # Boards may share a serial number (or have none), but not a socket.
            socket = (port.location or "").partition(":")[0]
            group = groups.setdefault((kind, port.serial_number or "", socket), [])
            group.append((_role(port, kind), port.device))
    boards = [_board(kind, serial_number, found) for (kind, serial_number, _), found in groups.items()]
    return sorted(boards, key=lambda board: _natural(board.console_port or board.data_port or ""))


def find_consoles() -> list[str]:
    """Return the ports that are the console of a radar board."""
    return [board.console_port for board in find_boards() if board.console_port is not None]


def find_data_port(console_port: str) -> str | None:
    """Return the data port of the board whose console is `console_port`; None if there is none.

    Parameters
    ----------
    console_port
        Name of the port, or a link to it such as those in ``/dev/serial/by-id``.
    """
    wanted = _same(console_port)
    for board in find_boards():
        if board.console_port is not None and _same(board.console_port) == wanted:
            return board.data_port
    return None


def find_usb_devices(root: Path = _SYSFS_USB) -> list[UsbDevice]:
    """Return the boards and capture cards on USB, with or without serial ports; empty where the system is not Linux.

    Parameters
    ----------
    root
        Folder in which Linux shows the USB devices.
    """
    known = {*_KINDS, DCA1000_USB_ID}
    found = []
    for folder in sorted(root.glob("*"))[:_MOST_USB_DEVICES]:
        vendor, product = _line(folder / "idVendor"), _line(folder / "idProduct")
        try:
            usb_id = int(vendor, 16), int(product, 16)
        except ValueError:
            continue  # an interface, not a device
        if usb_id in known:
            found.append(UsbDevice(usb_id, _line(folder / "serial")))
    return found


def _board(kind: BoardKind, serial_number: str, found: list[tuple[_Role | None, str]]) -> Board:
    ports = sorted((device for _, device in found), key=_natural)
    roles = dict(reversed(found))  # the first port of a role counts
    named = {roles.get(_Role.CONSOLE), roles.get(_Role.DATA)}
    return Board(
        console_port=roles.get(_Role.CONSOLE),
        data_port=roles.get(_Role.DATA),
        serial_number=serial_number,
        kind=kind,
        other_ports=tuple(device for device in ports if device not in named),
    )


def _role(port: Any, kind: BoardKind) -> _Role | None:
    """Return what a port is for, from the number of its USB interface or else from its name."""
    number = _interface_number(port, kind)
    if number in _INTERFACES[kind]:
        return _INTERFACES[kind][number]
    if port.device.startswith("/dev/cu."):
        return None  # macOS: pyserial gives all ports of a device the name of its first interface
    text = f"{port.interface or ''} {port.description or ''}"
    return next((role for word, role in _WORDS[kind].items() if word in text), None)


def _interface_number(port: Any, kind: BoardKind) -> int | None:
    match = re.search(r":\w+\.(\d+)$", port.location or "")  # Linux 1-2:1.3, Windows 1-2:x.3
    if match is not None:
        return int(match[1])
    if port.device.startswith("/dev/cu.usbmodem"):
        # macOS ends the name with the number of the CDC data interface, which follows that of the control interface,
        # counted from 1: /dev/cu.usbmodemR10310411 and ...4.
        last = port.device[-1]
        return int(last) - 1 if last.isdecimal() else None
    if kind is BoardKind.CP2105 and port.serial_number:
        match = re.search(re.escape(port.serial_number) + r"(\d)$", port.device)
        return None if match is None else int(match[1])
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts COM9 before COM10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _same(port: str) -> str:
    return os.path.realpath(port) if port.startswith("/") else port.upper()


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
