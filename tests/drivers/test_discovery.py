"""Boards on USB, as pyserial shows them on Linux, macOS and Windows."""

import json
import os
from itertools import permutations
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from isactrack.cli.main import run
from isactrack.drivers.awr1642.discovery import (
    CP2105_USB_ID,
    DCA1000_USB_ID,
    XDS110_USB_ID,
    Board,
    BoardKind,
    UsbDevice,
    find_boards,
    find_consoles,
    find_data_port,
    find_usb_devices,
)

CONSOLE_NAME, DATA_NAME = "XDS110 Class Application/User UART", "XDS110 Class Auxiliary Data Port"


def port(
    device: str,
    usb_id: tuple[int, int],
    location: str | None,
    *,
    interface: str | None = None,
    description: str = "n/a",
    serial: str | None = "R1031041",
) -> ListPortInfo:
    info = ListPortInfo(device, skip_link_detection=True)
    info.vid, info.pid = usb_id
    info.location, info.interface, info.serial_number, info.description = location, interface, serial, description
    return info


def xds110_on_linux(console: int, data: int, socket: str, serial: str | None = "R1031041") -> list[ListPortInfo]:
    return [
        port(f"/dev/ttyACM{data}", XDS110_USB_ID, f"{socket}:1.3", interface=DATA_NAME, serial=serial),
        port(f"/dev/ttyACM{console}", XDS110_USB_ID, f"{socket}:1.0", interface=CONSOLE_NAME, serial=serial),
    ]


@pytest.mark.parametrize(("console", "data"), [(0, 1), (1, 0)])
def test_the_numbers_of_ports_on_linux_say_nothing(console: int, data: int) -> None:
    (board,) = find_boards(xds110_on_linux(console, data, "1-2"))
    assert board == Board(
        console_port=f"/dev/ttyACM{console}", data_port=f"/dev/ttyACM{data}", serial_number="R1031041",
        kind=BoardKind.XDS110,
    )  # fmt: skip


def test_a_kernel_that_names_no_interfaces_is_enough() -> None:
    ports = [
        port("/dev/ttyACM4", XDS110_USB_ID, "3-1.4:1.3", description="XDS110 (03.00.00.25) Embed with CMSIS-DAP"),
        port("/dev/ttyACM5", XDS110_USB_ID, "3-1.4:1.0", description="XDS110 (03.00.00.25) Embed with CMSIS-DAP"),
    ]
    (board,) = find_boards(ports)
    assert (board.console_port, board.data_port) == ("/dev/ttyACM5", "/dev/ttyACM4")


def test_ports_on_windows_go_by_interface_number_and_friendly_name() -> None:
    by_number = [
        port("COM12", XDS110_USB_ID, "1-2:x.3", description=f"{DATA_NAME} (COM12)"),
        port("COM4", XDS110_USB_ID, "1-2:x.0", description=f"{CONSOLE_NAME} (COM4)"),
    ]
    by_name = [
        port("COM12", XDS110_USB_ID, None, description=f"{DATA_NAME} (COM12)"),
        port("COM4", XDS110_USB_ID, None, description=f"{CONSOLE_NAME} (COM4)"),
    ]
    for ports in (by_number, by_name):
        (board,) = find_boards(ports)
        assert (board.console_port, board.data_port) == ("COM4", "COM12")


def test_ports_on_macos_go_by_the_last_digit_of_their_name() -> None:
    # pyserial gives both ports of a board the name of its first interface there, and no interface number.
    shown = {"interface": CONSOLE_NAME, "description": f"XDS110 - {CONSOLE_NAME}"}
    ports = [
        port("/dev/cu.usbmodemR10310414", XDS110_USB_ID, "20-2", **shown),
        port("/dev/cu.usbmodemR10310411", XDS110_USB_ID, "20-2", **shown),
    ]
    (board,) = find_boards(ports)
    assert (board.console_port, board.data_port) == ("/dev/cu.usbmodemR10310411", "/dev/cu.usbmodemR10310414")


@pytest.mark.parametrize(
    ("console", "data"),
    [
        (
            port("/dev/ttyUSB1", CP2105_USB_ID, "1-5:1.0", interface="Enhanced Com Port", serial="00C8"),
            port("/dev/ttyUSB0", CP2105_USB_ID, "1-5:1.1", interface="Standard Com Port", serial="00C8"),
        ),
        (
            port("COM9", CP2105_USB_ID, None, description="Silicon Labs Dual CP2105 ...: Enhanced COM Port (COM9)"),
            port("COM8", CP2105_USB_ID, None, description="Silicon Labs Dual CP2105 ...: Standard COM Port (COM8)"),
        ),
        (
            port("/dev/cu.usbserial-00C80", CP2105_USB_ID, "20-1", interface="Enhanced Com Port", serial="00C8"),
            port("/dev/cu.usbserial-00C81", CP2105_USB_ID, "20-1", interface="Enhanced Com Port", serial="00C8"),
        ),
    ],
    ids=["linux", "windows", "macos"],
)
def test_a_cp2105_has_its_console_on_the_enhanced_port(console: ListPortInfo, data: ListPortInfo) -> None:
    (board,) = find_boards([data, console])
    assert (board.kind, board.console_port, board.data_port) == (BoardKind.CP2105, console.device, data.device)


def test_ports_that_nothing_tells_apart_are_not_guessed() -> None:
    shown = {"interface": "Enhanced Com Port", "serial": "00C8"}
    ports = [
        port("/dev/cu.SLAB_USBtoUART", CP2105_USB_ID, "20-1", **shown),
        port("/dev/cu.SLAB_USBtoUART4", CP2105_USB_ID, "20-1", **shown),
    ]
    (board,) = find_boards(ports)
    assert (board.console_port, board.data_port) == (None, None)
    assert board.other_ports == ("/dev/cu.SLAB_USBtoUART", "/dev/cu.SLAB_USBtoUART4")


@pytest.mark.parametrize("serials", [("R1", "R2"), ("00000000", "00000000"), (None, None)])
def test_two_boards_stay_apart_in_any_order_even_with_one_serial_number(serials: tuple[str | None, str | None]) -> None:
    ports = [*xds110_on_linux(3, 0, "1-2", serials[0]), *xds110_on_linux(1, 2, "1-3.1", serials[1])]
    for order in permutations(ports):
        pairs = [(board.console_port, board.data_port) for board in find_boards(order)]
        assert pairs == [("/dev/ttyACM1", "/dev/ttyACM2"), ("/dev/ttyACM3", "/dev/ttyACM0")]


def test_other_adapters_and_serial_ports_without_usb_are_no_boards() -> None:
    plain = ListPortInfo("/dev/ttyS0")
    ftdi = port("/dev/ttyUSB3", (0x0403, 0x6001), "1-1:1.0", interface="User UART")
    assert find_boards([plain, ftdi]) == []


def test_a_board_whose_data_port_is_missing_has_its_console(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = xds110_on_linux(0, 1, "1-2")[1:]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert find_consoles() == ["/dev/ttyACM0"]
    assert find_data_port("/dev/ttyACM0") is None


def test_the_data_port_belongs_to_the_same_board(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [*xds110_on_linux(3, 0, "1-2", "R1"), *xds110_on_linux(1, 2, "1-3", "R2")]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert find_data_port("/dev/ttyACM3") == "/dev/ttyACM0"
    assert find_data_port("/dev/ttyACM1") == "/dev/ttyACM2"
    assert find_data_port("/dev/ttyACM0") is None  # a data port has none
    assert find_data_port("/dev/pts/7") is None


@pytest.mark.skipif(os.name != "posix", reason="links to ports are a matter of Unix")
def test_a_link_to_the_console_is_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console, link = tmp_path / "ttyACM1", tmp_path / "radar-console"
    console.touch()
    link.symlink_to(console)
    ports = [
        port(str(console), XDS110_USB_ID, "1-2:1.0"),
        port("/dev/ttyACM0", XDS110_USB_ID, "1-2:1.3"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert find_data_port(str(link)) == "/dev/ttyACM0"


def test_names_of_windows_do_not_know_case(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [port("COM4", XDS110_USB_ID, "1-2:x.0"), port("COM12", XDS110_USB_ID, "1-2:x.3")]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert find_data_port("com4") == "COM12"


def test_usb_shows_boards_and_cards_that_have_no_serial_port(tmp_path: Path) -> None:
    for name, vendor, product, serial in (
        ("1-2", "0451", "bef3", "R1"), ("1-3", "0451", "fd03", None), ("1-4", "046d", "c31c", "keyboard"),
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        (folder / "idVendor").write_text(vendor + "\n")
        (folder / "idProduct").write_text(product + "\n")
        if serial is not None:
            (folder / "serial").write_text(serial + "\n")
    (tmp_path / "1-2:1.0").mkdir()
    assert find_usb_devices(tmp_path) == [UsbDevice(XDS110_USB_ID, "R1"), UsbDevice(DCA1000_USB_ID, "")]
    assert find_usb_devices(tmp_path / "no such folder") == []


def test_connected_boards_are_listed_with_their_ports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = [*xds110_on_linux(3, 0, "1-2", "R1"), *xds110_on_linux(1, 2, "1-3", "R2")]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert run(["devices", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["devices"]
    keys = ("url", "console_port", "data_port", "serial_number", "source")
    assert [tuple(device[key] for key in keys) for device in found] == [
        ("awr1642:///dev/ttyACM1", "/dev/ttyACM1", "/dev/ttyACM2", "R2", "hardware"),
        ("awr1642:///dev/ttyACM3", "/dev/ttyACM3", "/dev/ttyACM0", "R1", "hardware"),
        ("sim://awr1642", "", "", "", "simulated"),
        ("sim://bistatic", "", "", "", "simulated"),
    ]
    assert run(["devices"]) == 0
    table = capsys.readouterr().out
    assert all(word in table for word in ("/dev/ttyACM0", "/dev/ttyACM2", "R1", "R2"))
