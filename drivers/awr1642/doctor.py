"""Says what keeps this computer, a board and a capture card from capturing, and what to do about it.

A check turns what a probe saw (`isactrack.drivers.awr1642.probes`) into a line; `examine` puts them in the order in
which one would look. Nothing is changed: the radar is asked for its version only, the card whether it is there.
"""

import errno
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final, TypeVar

from isactrack.drivers.awr1642 import probes
from isactrack.drivers.awr1642.console import Console
from isactrack.drivers.awr1642.dca1000 import Addresses, Command, Dca1000, fpga_version
from isactrack.drivers.awr1642.dialect import detect_dialect
from isactrack.drivers.awr1642.discovery import (
    DCA1000_USB_ID,
    XDS110_USB_ID,
    Board,
    UsbDevice,
    find_boards,
    find_usb_devices,
)
from isactrack.drivers.awr1642.limits import KERNEL_BYTES_PER_PACKET
from isactrack.drivers.awr1642.receiver import RECEIVE_BUFFER_BYTES
from isactrack.errors import DeviceError, DeviceNotFoundError, ProtocolError
from isactrack.units import bytes_text

RULES_NAME: Final = "70-isactrack.rules"
"""Name of the udev rules; the number must stay below 73 for `uaccess` to work."""
FULL_RATE: Final = 88.2e6
"""Bytes of samples a second at the card's highest rate, 60.6 thousand packets of 1456 bytes."""
_FULL_PACKETS_PER_S: Final = 60_600
_SHORT_PAUSE_S: Final = 0.015
_LONG_PAUSE_S: Final = 0.1
"""Pauses of a busy computer: one that happens all the time, and one that hardly ever does."""
_PACKET_MTU: Final = 1494
"""Bytes of the card's IP packets: 1466 of data and 28 of headers."""
_MANY_MINUTES: Final = 10.0
_SHORT_BACKLOG: Final = 1000
_NOTHING: Final = "nothing to do"
_Seen = TypeVar("_Seen")


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARN = "warn"
    """It may work, or work worse than it could."""
    FAIL = "fail"
    """It will not work."""
    UNKNOWN = "unknown"
    """It could not be found out."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the doctor.

    Attributes
    ----------
    name
        What was looked at.
    verdict
        What it came to.
    found
        What was seen.
    advice
        What to do.
    """

    name: str
    verdict: Verdict
    found: str
    advice: str = _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is examined.

    Attributes
    ----------
    console_port
        Serial port of the radar's console; None for those of all boards on USB.
    addresses
        Where host and capture card talk.
    folder
        Where recordings shall go.
    rate
        Bytes a second that the profile makes.
    simulated
        Whether board and card are emulated, so that neither USB nor the network card is looked at.
    """

    console_port: str | None
    addresses: Addresses
    folder: Path
    rate: float
    simulated: bool = False


def udev_rules() -> str:
    """Return the udev rules for radar boards on Linux."""
    return resources.files("isactrack.drivers.awr1642").joinpath(RULES_NAME).read_text(encoding="utf-8")


def examine(target: Target) -> Iterator[Diagnosis]:
    """Look at everything that a capture needs, and yield a line for each thing as soon as it is known."""
    if target.simulated:
        yield from _examine_console(target.console_port or "")
    else:
        yield from _examine_usb(target)
        yield from _examine_network(target.addresses, target.rate)
    yield from _examine_card(target)
    yield from _examine_computer(target)


def guarded(name: str, check: Callable[[], Diagnosis], deadline_s: float = 3.0) -> Diagnosis:
    """Return what a check says, or that it took too long or failed; a check that hangs is left behind.

    Parameters
    ----------
    name
        Name of the line.
    check
        Probes and judges.
    deadline_s
        Longest wait.
    """
    answer: queue.SimpleQueue[Diagnosis] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put(check())
        except Exception as error:  # noqa: BLE001 - one thing that cannot be looked at must not hide the others
            found = f"could not be looked at: {type(error).__name__}: {error}"
            answer.put(Diagnosis(name, Verdict.UNKNOWN, found, "check it by hand"))

    threading.Thread(target=run, name=f"doctor: {name}", daemon=True).start()
    try:
        return answer.get(timeout=deadline_s)
    except queue.Empty:
        return Diagnosis(name, Verdict.UNKNOWN, f"no answer within {deadline_s:g} s", "check it by hand; does it hang?")


# --- board on USB ----------------------------------------------------------------------------------------------------


def check_boards(boards: Sequence[Board], on_usb: Sequence[UsbDevice]) -> Diagnosis:
    """Judge the boards that were found by their serial ports, beside what hangs on USB at all."""
    name = "radar board"
    if not boards:
        if any(device.usb_id == XDS110_USB_ID for device in on_usb):
            return Diagnosis(
                name, Verdict.FAIL, "an XDS110 is on USB, but the system made no serial ports of it",
                "load the driver, `sudo modprobe cdc_acm`; in a container or virtual machine hand the ports through",
            )  # fmt: skip
        return Diagnosis(
            name, Verdict.FAIL, "no XDS110 or CP2105 is on USB",
            "connect the AWR1642BOOST by USB and power it; without hardware use --device sim://awr1642",
        )  # fmt: skip
    found = "; ".join(_board_text(board) for board in boards)
    if any(board.console_port is None for board in boards):
        advice = "the system does not tell the ports apart: try each, --device awr1642://PORT"
        return Diagnosis(name, Verdict.FAIL, found, advice)
    if any(board.data_port is None for board in boards):
        return Diagnosis(name, Verdict.WARN, found, "raw capture needs no data port; for detections plug in again")
    if len(boards) > 1:
        return Diagnosis(name, Verdict.OK, found, "name the one you mean: awr1642://auto refuses to choose")
    return Diagnosis(name, Verdict.OK, found)


def check_card_usb(on_usb: Sequence[UsbDevice]) -> Diagnosis:
    """Say whether the capture card hangs on USB, which it need not."""
    count = sum(device.usb_id == DCA1000_USB_ID for device in on_usb)
    found = "on USB too" if count else "not on USB, which is not needed: it is controlled over Ethernet"
    return Diagnosis("capture card USB", Verdict.OK, found)


def check_permission(port: str, access: probes.PortAccess | None) -> Diagnosis:
    """Judge whether this user may use a serial port."""
    name = "serial permission"
    if access is None:
        return Diagnosis(name, Verdict.FAIL, f"there is no port {port}", "plug the board in; `isactrack devices`")
    if access.allowed:
        return Diagnosis(name, Verdict.OK, f"{access.user} may use {port}")
    found = f"{access.user} must not use {port}, which is for the group {access.group}"
    if access.joined:
        return Diagnosis(name, Verdict.FAIL, found, f"you are in {access.group} from the next login on: log in again")
    return Diagnosis(name, Verdict.FAIL, found, f"`sudo usermod -aG {access.group} {access.user}` and log in again")


def check_port_free(port: str, holders: Sequence[probes.Holder]) -> Diagnosis:
    """Judge whether another program has a serial port open."""
    if not holders:
        return Diagnosis("serial port", Verdict.OK, f"no program that can be seen from here has {port} open")
    names = ", ".join(map(str, holders))
    return Diagnosis("serial port", Verdict.FAIL, f"{port} is open in {names}", "close that program")


def check_modem_manager(running: bool, rules: Sequence[Path]) -> Diagnosis:
    """Judge whether ModemManager would type into the console."""
    name = "ModemManager"
    to = f"/etc/udev/rules.d/{RULES_NAME}"
    install = f"`isactrack doctor --udev-rule | sudo tee {to}`, `sudo udevadm control --reload`"
    if rules:
        state = "runs" if running else "does not run"
        return Diagnosis(name, Verdict.OK, f"{state}; kept off the boards by {rules[0]}")
    if running:
        return Diagnosis(name, Verdict.WARN, "runs and takes the boards for modems", f"{install}, and plug in again")
    return Diagnosis(name, Verdict.OK, "does not run; no udev rule keeps it off the boards", f"{install} is optional")


def check_console(port: str, answer: Sequence[str] | DeviceError) -> Diagnosis:
    """Judge what the console said to ``version``."""
    name = "radar console"
    if isinstance(answer, DeviceError):
        # Silence on a board that is there: it did not boot into the demo (SOP, flash, power). The hint says so.
        return Diagnosis(name, Verdict.FAIL, str(answer), answer.hint or "press reset and try again")
    try:
        detect_dialect(answer)
    except ProtocolError as error:
        return Diagnosis(name, Verdict.FAIL, f"{port} has a prompt, but {error}", error.hint)
    told = [" ".join(line.split()) for line in answer if "SDK" in line or "Platform" in line]
    return Diagnosis(name, Verdict.OK, f"{port} answers: {'; '.join(told)}")


def ask_console(port: str) -> list[str] | DeviceError:
    """Return what the firmware says to ``version``, or why it does not."""
    try:
        console = Console(port)
    except DeviceError as error:
        return error
    try:
        console.synchronise()
        return list(console.command("version"))
    except DeviceError as error:
        return error
    finally:
        console.close()


# --- network ---------------------------------------------------------------------------------------------------------


def check_host_address(ip: str, error: OSError | None, fpga_ip: str, route: probes.Route | None) -> Diagnosis:
    """Judge whether this computer has the address to which the card sends."""
    if error is None:
        where = f", beside the card on {route.interface}" if route is not None and route.direct else ""
        return Diagnosis("host address", Verdict.OK, f"this computer has {ip}{where}")
    interface = route.interface if route is not None and route.direct else "eth0"
    return Diagnosis(
        "host address", Verdict.FAIL, f"this computer has no address {ip}, to which the card at {fpga_ip} sends",
        f"`sudo ip addr add {ip}/24 dev {interface}`, with the name of the port that the card hangs on (`ip link`)",
    )  # fmt: skip


def check_routes(fpga_ip: str, routes: Sequence[probes.Route] | None) -> Diagnosis:
    """Judge the ways to the card: one, and straight."""
    name = "route"
    if routes is None:
        return Diagnosis(name, Verdict.UNKNOWN, "this system does not tell", f"`ping {fpga_ip}`")
    direct = [route for route in routes if route.direct]
    if not routes or not routes[0].direct:
        found = f"{fpga_ip} is reached through a gateway" if routes else f"there is no way to {fpga_ip}"
        return Diagnosis(name, Verdict.FAIL, found, "give the card's network port an address of its network, /24")
    best = [r for r in direct if (r.prefix_bits, r.metric) == (direct[0].prefix_bits, direct[0].metric)]
    names = sorted({route.interface for route in direct})
    if len(names) > 1:
        verdict = Verdict.FAIL if len({route.interface for route in best}) > 1 else Verdict.WARN
        advice = f"take the network of {fpga_ip} away from the others; {direct[0].interface} is used now"
        return Diagnosis(name, verdict, f"{fpga_ip} is reached through {', '.join(names)}", advice)
    return Diagnosis(name, Verdict.OK, f"{fpga_ip} is reached through {names[0]} alone")


def check_link(link: probes.Link, rate: float) -> Diagnosis:
    """Judge the network port that the card hangs on."""
    name = "Ethernet link"
    if link.carrier is False:
        return Diagnosis(
            name, Verdict.FAIL, f"{link.interface} has no link", "plug the cable into card and computer; power the card"
        )
    if link.mtu is not None and link.mtu < _PACKET_MTU:
        return Diagnosis(
            name, Verdict.FAIL, f"{link.interface} takes packets of {link.mtu} bytes, the card's have {_PACKET_MTU}",
            f"`sudo ip link set {link.interface} mtu 1500`",
        )  # fmt: skip
    if link.speed_mbps is None:
        return Diagnosis(
            name, Verdict.UNKNOWN, f"{link.interface} does not tell its speed", "it must be 1 Gbit/s: `ethtool`"
        )
    found = f"{link.interface} runs at {link.speed_mbps} Mbit/s"
    if link.speed_mbps < 1000:
        # 8 bits a byte, and headers of 62 bytes and a gap of 20 to each 1456.
        too_slow = rate * 8.0 * 1.06 > link.speed_mbps * 1e6
        advice = "the card needs 1 Gbit/s: another cable (all eight wires) or network port, no dock"
        return Diagnosis(name, Verdict.FAIL if too_slow else Verdict.WARN, found, advice)
    return Diagnosis(name, Verdict.OK, found)


def check_udp_ports(errors: Mapping[int, OSError | None], holders: Mapping[int, Sequence[probes.Holder]]) -> Diagnosis:
    """Judge whether the UDP ports of card and samples are free."""
    taken = [port for port, error in errors.items() if error is not None and error.errno == errno.EADDRINUSE]
    if taken:
        unseen = "by whom is not to be seen"
        who = [f"{port} ({', '.join(map(str, holders.get(port, ()))) or unseen})" for port in taken]
        return Diagnosis(
            "UDP ports", Verdict.FAIL, f"taken: {', '.join(who)}", "close mmWave Studio or the other capture program"
        )
    failed = [f"{port}: {error.strerror}" for port, error in errors.items() if error is not None]
    if failed:
        return Diagnosis("UDP ports", Verdict.UNKNOWN, "; ".join(failed), "see the line of the host address first")
    return Diagnosis("UDP ports", Verdict.OK, f"{' and '.join(map(str, errors))} are free")


def check_card(addresses: Addresses, answer: str | DeviceError, hardware_address: str | None) -> Diagnosis:
    """Judge whether the card answers on its control port."""
    name = "capture card"
    if isinstance(answer, str):
        return Diagnosis(name, Verdict.OK, f"{addresses.fpga_ip} answers, FPGA {answer}")
    if isinstance(answer, DeviceNotFoundError):
        return Diagnosis(name, Verdict.UNKNOWN, f"could not be asked: {answer}", answer.hint or "see the lines above")
    if hardware_address:
        return Diagnosis(
            name, Verdict.FAIL, f"{addresses.fpga_ip} is on the cable ({hardware_address}), but does not answer",
            f"let UDP {addresses.config_port} and {addresses.data_port} through the firewall; "
            "power-cycle the card; SW2.6 for its factory ports",
        )  # fmt: skip
    return Diagnosis(
        name, Verdict.FAIL, f"nothing answers at {addresses.fpga_ip}",
        "power the card, check its Ethernet cable, set SW2.6 for the factory address, press its reset",
    )  # fmt: skip


def ask_card(addresses: Addresses) -> str | DeviceError:
    """Return the version of the card's FPGA, or why it does not answer."""
    try:
        card = Dca1000(addresses, timeout_s=0.3)
    except DeviceError as error:
        return error
    try:
        card.request(Command.SYSTEM_CONNECT)
        return fpga_version(card.request(Command.READ_FPGA_VERSION))
    except DeviceError as error:
        return error
    finally:
        card.close()


def check_firewall(active: Sequence[str], card_answers: bool) -> Diagnosis:
    """Judge whether a firewall may keep the card's packets away."""
    name = "firewall"
    advice = "let UDP to ports 4096 and 4098 from the card through, e.g. `sudo ufw allow from 192.168.33.180`"
    if card_answers:
        # The card answers from another port than it was asked on, so what lets that through lets the samples through.
        state = f"{', '.join(active)} active, but lets" if active else "lets"
        return Diagnosis(name, Verdict.OK, f"{state} the card's answers through")
    if active:
        return Diagnosis(name, Verdict.WARN, f"{', '.join(active)} active, and the card does not answer", advice)
    if sys.platform != "linux":
        return Diagnosis(name, Verdict.UNKNOWN, "not looked at on this system", "let Python take UDP 4096 and 4098")
    return Diagnosis(name, Verdict.OK, "neither ufw nor firewalld is active")


# --- computer --------------------------------------------------------------------------------------------------------


def check_receive_buffer(grant: probes.BufferGrant) -> Diagnosis:
    """Judge for how long the receive buffer holds the card's highest rate while this computer is busy elsewhere."""
    name = "receive buffer"
    pause_s = 2.0 * grant.granted_bytes / KERNEL_BYTES_PER_PACKET / _FULL_PACKETS_PER_S
    found = f"{bytes_text(grant.granted_bytes)}, {1e3 * pause_s:.0f} ms of the card's highest rate"
    found += "; forced beyond the limit" if grant.forced else "; not forced: that needs CAP_NET_ADMIN"
    found += "" if grant.limit_bytes is None else f" (net.core.rmem_max {grant.limit_bytes})"
    if pause_s >= _LONG_PAUSE_S:
        return Diagnosis(name, Verdict.OK, found)
    advice = f"`sudo sysctl -w net.core.rmem_max={RECEIVE_BUFFER_BYTES}`, and in /etc/sysctl.d for every boot"
    if grant.limit_bytes is None:
        advice = "allow larger receive buffers; on macOS `sudo sysctl -w kern.ipc.maxsockbuf=16777216`"
    return Diagnosis(name, Verdict.FAIL if pause_s < _SHORT_PAUSE_S else Verdict.WARN, found, advice)


def check_backlog(length: int | None, dropped: int) -> Diagnosis:
    """Judge the kernel's queue between network card and sockets."""
    name = "network queue"
    if length is None:
        return Diagnosis(name, Verdict.UNKNOWN, "this system does not tell", _NOTHING)
    found = f"{length} packets; {dropped} dropped since the computer started"
    if dropped or length < _SHORT_BACKLOG:
        return Diagnosis(name, Verdict.WARN, found, "`sudo sysctl -w net.core.netdev_max_backlog=5000`")
    return Diagnosis(name, Verdict.OK, found)


def check_processor(count: int, governor: str, driver: str) -> Diagnosis:
    """Judge number and clock of the processors."""
    found = f"{count} processors" + (f", clock governed by {governor}" if governor else "")
    if count < 2:
        return Diagnosis("processor", Verdict.WARN, found, "do not view while recording: everything shares it")
    # The drivers of newer processors call their normal, quick mode powersave.
    if governor == "powersave" and "pstate" not in driver:
        return Diagnosis("processor", Verdict.WARN, found, "`sudo cpupower frequency-set -g performance`")
    return Diagnosis("processor", Verdict.OK, found)


def check_disk_speed(folder: Path, speed: probes.DiskSpeed | OSError, rate: float) -> Diagnosis:
    """Judge whether the disk takes what the profile makes, and what the card can send at most."""
    name = "disk speed"
    if isinstance(speed, OSError):
        return Diagnosis(
            name, Verdict.FAIL, f"cannot write to {folder}: {speed.strerror or speed}", "give another --folder"
        )
    found = f"{bytes_text(speed.rate)}/s in {folder}; the profile makes {bytes_text(rate)}/s"
    if speed.rate < rate:
        return Diagnosis(name, Verdict.FAIL, found, "record to another disk (--folder), or a slower profile")
    if speed.rate < FULL_RATE:
        advice = f"enough for this profile, too slow for the card's highest rate of {bytes_text(FULL_RATE)}/s"
        return Diagnosis(name, Verdict.WARN, found, advice)
    return Diagnosis(name, Verdict.OK, found)


def check_free_space(folder: Path, free: int | OSError, rate: float) -> Diagnosis:
    """Judge for how long the profile can be recorded."""
    name = "free space"
    if isinstance(free, OSError):
        return Diagnosis(
            name, Verdict.FAIL, f"cannot look at {folder}: {free.strerror or free}", "give another --folder"
        )
    minutes = free / max(rate, 1.0) / 60.0
    found = f"{bytes_text(free)} in {folder}: {_minutes_text(minutes)} of this profile"
    if minutes < _MANY_MINUTES:
        verdict = Verdict.FAIL if minutes < 1.0 else Verdict.WARN
        return Diagnosis(name, verdict, found, "free some space, or record to another disk (--folder)")
    return Diagnosis(name, Verdict.OK, found)


def check_programs(versions: Mapping[str, str]) -> Diagnosis:
    """Say which versions are installed."""
    found = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    if not versions.get("hdf5plugin"):
        return Diagnosis(
            "programs", Verdict.WARN, f"{found}; no hdf5plugin", "`pip install hdf5plugin` for compressed recordings"
        )
    if not versions.get("Qt"):
        return Diagnosis("programs", Verdict.OK, f"{found}; no Qt", "`pip install 'isactrack[gui]'` for the viewer")
    return Diagnosis("programs", Verdict.OK, found)


# --- order of things -------------------------------------------------------------------------------------------------


def _examine_usb(target: Target) -> Iterator[Diagnosis]:
    if target.console_port is not None:
        ports = [target.console_port]
    else:
        boards, on_usb = find_boards(), find_usb_devices()
        yield guarded("radar board", lambda: check_boards(boards, on_usb))
        yield guarded("capture card USB", lambda: check_card_usb(on_usb))
        ports = [board.console_port for board in boards if board.console_port is not None]
    if sys.platform == "linux":
        yield guarded("ModemManager", lambda: check_modem_manager(
            bool(probes.is_running(["ModemManager"])), probes.rules_that_mention(["ID_MM_DEVICE_IGNORE", "bef3"])
        ))  # fmt: skip
    for port in ports:
        yield from _examine_port(port)


def _examine_port(port: str) -> Iterator[Diagnosis]:
    usable = True
    if os.name == "posix" and port.startswith("/"):
        permission = guarded("serial permission", lambda: check_permission(port, probes.port_access(port)))
        yield permission
        free = guarded("serial port", lambda: check_port_free(port, probes.holders(port)))
        yield free
        usable = Verdict.FAIL not in (permission.verdict, free.verdict)
    if usable:
        yield from _examine_console(port)
    else:
        yield Diagnosis("radar console", Verdict.UNKNOWN, f"{port} was not asked", "see the lines above first")


def _examine_console(port: str) -> Iterator[Diagnosis]:
    yield guarded("radar console", lambda: check_console(port, ask_console(port)), 10.0)


def _examine_network(addresses: Addresses, rate: float) -> Iterator[Diagnosis]:
    fpga_ip = addresses.fpga_ip
    routes = probes.routes_to(fpga_ip)
    first = routes[0] if routes else None
    missing = probes.can_bind(addresses.host_ip, 0)
    yield guarded("host address", lambda: check_host_address(addresses.host_ip, missing, fpga_ip, first))
    yield guarded("route", lambda: check_routes(fpga_ip, routes))
    if first is not None and first.direct and first.interface != "lo":
        yield guarded("Ethernet link", lambda: check_link(probes.link_state(first.interface), rate))


def _examine_card(target: Target) -> Iterator[Diagnosis]:
    addresses = target.addresses
    ports = addresses.config_port, addresses.data_port

    def udp_ports() -> Diagnosis:
        errors = {port: probes.can_bind(addresses.host_ip, port) for port in ports}
        return check_udp_ports(errors, {port: probes.udp_holders(port) for port in ports})

    def card() -> Diagnosis:
        answer = ask_card(addresses)  # asking makes the kernel look for the card's hardware address
        return check_card(addresses, answer, probes.neighbour(addresses.fpga_ip))

    yield guarded("UDP ports", udp_ports)
    found = guarded("capture card", card, 5.0)
    yield found
    if not target.simulated:
        yield guarded("firewall", lambda: check_firewall(_active_firewalls(), found.verdict is Verdict.OK))


def _active_firewalls() -> list[str]:
    running = set(probes.is_running(["firewalld"]))
    ufw = Path("/etc/ufw/ufw.conf")
    try:
        enabled = "enabled=yes" in ufw.read_text(encoding="utf-8", errors="replace").lower().split()
    except OSError:
        enabled = False
    return sorted(running | ({"ufw"} if enabled else set()))


def _examine_computer(target: Target) -> Iterator[Diagnosis]:
    folder, rate = target.folder, target.rate
    yield guarded("receive buffer", lambda: check_receive_buffer(probes.receive_buffer(RECEIVE_BUFFER_BYTES)))
    if sys.platform == "linux":
        yield guarded("network queue", lambda: check_backlog(*probes.network_backlog()))
    yield guarded("processor", lambda: check_processor(*probes.processor()))
    yield guarded("disk speed", lambda: check_disk_speed(folder, _try(probes.disk_speed, folder), rate), 6.0)
    yield guarded("free space", lambda: check_free_space(folder, _try(probes.free_bytes, folder), rate))
    yield guarded("programs", lambda: check_programs(probes.programs()))


def _try(probe: Callable[[Path], _Seen], folder: Path) -> _Seen | OSError:
    try:
        return probe(folder)
    except OSError as error:
        return error


def _board_text(board: Board) -> str:
    ports = f"console {board.console_port or 'not found'}, data port {board.data_port or 'not found'}"
    ports += f", or {', '.join(board.other_ports)}" if board.other_ports else ""
    return f"{board.kind} {board.serial_number}".rstrip() + f": {ports}"


def _minutes_text(minutes: float) -> str:
    return f"{minutes:.1f} min" if minutes < 120.0 else f"{minutes / 60.0:.0f} h"
