"""DCA1000EVM: the messages of its Ethernet control port, its data packets, and the control client.

All integers are little-endian (DCA1000EVM user guide SPRUIJ4A, chapter 5). The FPGA takes requests on UDP port 4096,
and answers and streams from port 1024 to ports 4096 and 4098 of the host; so its packets are recognised by their source
address, never by port. Replies carry no sequence number: they are matched by command, and status messages that the FPGA
sends on its own may come in between.
"""

import contextlib
import errno
import ipaddress
import logging
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from isactrack.drivers.awr1642.spy import WireLog
from isactrack.errors import ConfigError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError

HEADER: Final = 0xA55A
FOOTER: Final = 0xEEAA
MAX_PAYLOAD: Final = 504
DATA_HEADER_BYTES: Final = 10
DEFAULT_PACKET_BYTES: Final = 1470
"""Packet size that is configured; with it the FPGA sends 1456 bytes of data a packet."""
DELAY_LSB_S: Final = 8e-9
DEFAULT_DELAY_S: Final = 25e-6
MIN_DELAY_S: Final = 5e-6
MAX_DELAY_S: Final = 500e-6
DEFAULT_MAC: Final = "12:34:56:78:90:12"
"""Hardware address that every card is shipped with."""
HELD_TAIL_S: Final = 2.0
"""The card holds the last, partial packet back until so long after the last data."""
SO_RCVBUFFORCE: Final = 33
"""Linux: SO_RCVBUF beyond the system's limit, for whoever has CAP_NET_ADMIN; the socket module does not name it."""
_SMALLEST_RECEIVE_BUFFER: Final = 1 << 16
_ENOUGH_RECEIVE_BUFFER: Final = 1 << 20
"""Receive buffer below which a moment's pause of the computer costs packets."""
_PING_S: Final = 0.05
_PINGS: Final = 60
_EEPROM_S: Final = 10.0
"""Wait for the card's answer to a write of its EEPROM."""
_EEPROM_REPORT_S: Final = 0.5
"""For so long after that answer the card may still report that the write failed."""
_MOST_DATAGRAMS: Final = 4096
"""Datagrams that one wait on the control port looks at, so that a flood of foreign ones cannot hold it."""

_log = logging.getLogger(__name__)


class Command(IntEnum):
    """Commands of the control port."""

    RESET_FPGA = 0x01
    RESET_AR_DEV = 0x02
    CONFIG_FPGA_GEN = 0x03
    CONFIG_EEPROM = 0x04
    RECORD_START = 0x05
    RECORD_STOP = 0x06
    PLAYBACK_START = 0x07
    PLAYBACK_STOP = 0x08
    SYSTEM_CONNECT = 0x09
    SYSTEM_ERROR = 0x0A
    CONFIG_PACKET_DATA = 0x0B
    CONFIG_DATA_MODE_AR_DEV = 0x0C
    INIT_FPGA_PLAYBACK = 0x0D
    READ_FPGA_VERSION = 0x0E


class StatusFlag(IntFlag):
    """Bits of the status that the FPGA sends on its own, as a SYSTEM_ERROR message."""

    NO_LVDS_DATA = 1 << 0
    NO_HEADER = 1 << 1
    EEPROM_FAILURE = 1 << 2
    SD_CARD_DETECTED = 1 << 3
    SD_CARD_REMOVED = 1 << 4
    SD_CARD_FULL = 1 << 5
    MODE_CONFIG_FAILURE = 1 << 6
    DDR_FULL = 1 << 7
    RECORD_COMPLETED = 1 << 8
    LVDS_BUFFER_FULL = 1 << 9
    PLAYBACK_COMPLETED = 1 << 10
    PLAYBACK_OUT_OF_SEQUENCE = 1 << 11


OVERFLOWS: Final = StatusFlag.DDR_FULL | StatusFlag.LVDS_BUFFER_FULL
"""The card dropped samples without counting them."""
NOTICES: Final = (
    StatusFlag.SD_CARD_DETECTED
    | StatusFlag.SD_CARD_REMOVED
    | StatusFlag.RECORD_COMPLETED
    | StatusFlag.PLAYBACK_COMPLETED
)
"""Nothing is wrong."""


def event_name(event: StatusFlag) -> str:
    """Return the names of the bits that are set."""
    return event.name or str(event.value)


_EVENT_TEXTS: Final = {
    StatusFlag.NO_LVDS_DATA: (
        "for the set time no samples came from the radar",
        "check that the radar runs, the 60-pin cable, and `lvdsStreamCfg -1 0 1 0` in the profile",
    ),
    StatusFlag.NO_HEADER: (
        "the samples lack the headers that the multi-stream mode sorts them by",
        "another program has set up the card: start the capture anew, which configures it for raw samples",
    ),
    StatusFlag.EEPROM_FAILURE: (
        "the card could not read or write its EEPROM",
        "power-cycle it and try again; switch SW2.6 makes it use the built-in addresses",
    ),
    StatusFlag.SD_CARD_DETECTED: ("an SD card was put in", "nothing: raw samples go over Ethernet"),
    StatusFlag.SD_CARD_REMOVED: ("the SD card was taken out", "nothing: raw samples go over Ethernet"),
    StatusFlag.SD_CARD_FULL: (
        "the SD card is full",
        "the card records to its SD card, not over Ethernet: start the capture anew, which configures it",
    ),
    StatusFlag.MODE_CONFIG_FAILURE: (
        "the radar sends another kind of data than the card is configured for",
        "use an AWR1642 or another device with 2 lanes, 16-bit samples and `lvdsStreamCfg -1 0 1 0`, and reset both",
    ),
    StatusFlag.DDR_FULL: (
        "its memory is full: samples came faster than Ethernet takes them, and were dropped without being counted",
        "fewer samples, loops or receivers, or a longer frame period; do not use frames from then on",
    ),
    StatusFlag.RECORD_COMPLETED: ("a record has ended and all of it was sent", "nothing: all is well"),
    StatusFlag.LVDS_BUFFER_FULL: (
        "its input buffer is full: samples came faster than its memory takes them, and were dropped uncounted",
        "a lower sample rate or fewer receivers; do not use frames from then on",
    ),
    StatusFlag.PLAYBACK_COMPLETED: ("a playback has ended", "nothing: isactrack starts none"),
    StatusFlag.PLAYBACK_OUT_OF_SEQUENCE: (
        "packets of a playback came out of order",
        "another program plays samples back through the card: close it",
    ),
}


def describe_event(event: StatusFlag) -> tuple[str, str]:
    """Return what a report of the card means and what to do about it, a sentence or more each.

    Parameters
    ----------
    event
        The bits that are set; unknown ones are named by their value.
    """
    texts = [_EVENT_TEXTS[flag] for flag in StatusFlag if event & flag]
    unknown = int(event) & ~sum(StatusFlag)
    if unknown or not texts:
        texts.append((f"an unknown report, {unknown:#06x}", "look it up in the notes on the card's FPGA image"))
    return "; ".join(meaning for meaning, _ in texts), "; ".join(advice for _, advice in texts)


@dataclass(frozen=True, slots=True)
class Request:
    """A message to the FPGA."""

    command: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the datagram."""
        if len(self.payload) > MAX_PAYLOAD:
            raise ValueError(f"a payload of {len(self.payload)} bytes is longer than {MAX_PAYLOAD}")
        return struct.pack("<HHH", HEADER, self.command, len(self.payload)) + self.payload + struct.pack("<H", FOOTER)

    @classmethod
    def decode(cls, datagram: bytes) -> "Request":
        """Return the request in a datagram; ProtocolError if it is none."""
        if len(datagram) < 8:
            raise ProtocolError(f"a request of {len(datagram)} bytes is too short: {datagram.hex(' ')}")
        header, command, length = struct.unpack_from("<HHH", datagram)
        (footer,) = struct.unpack_from("<H", datagram, len(datagram) - 2)
        if header != HEADER or footer != FOOTER or length != len(datagram) - 8:
            raise ProtocolError(f"not a DCA1000 request: {datagram.hex(' ')}")
        return cls(command, datagram[6:-2])


@dataclass(frozen=True, slots=True)
class Response:
    """A message from the FPGA: the answer to a request, or a status it sends on its own (command SYSTEM_ERROR)."""

    command: int
    status: int

    def encode(self) -> bytes:
        """Return the datagram."""
        return struct.pack("<HHHH", HEADER, self.command, self.status, FOOTER)

    @classmethod
    def decode(cls, datagram: bytes) -> "Response":
        """Return the response in a datagram; ProtocolError if it is none."""
        if len(datagram) != 8:
            raise ProtocolError(f"a response of {len(datagram)} bytes instead of 8: {datagram[:32].hex(' ')}")
        header, command, status, footer = struct.unpack("<HHHH", datagram)
        if header != HEADER or footer != FOOTER:
            raise ProtocolError(f"not a DCA1000 response: {datagram.hex(' ')}")
        return cls(command, status)


def fpga_config(*, lanes: int = 2, bits: int = 16, timer_s: int = 30) -> bytes:
    """Return the payload of CONFIG_FPGA_GEN: raw mode, LVDS capture to Ethernet.

    Parameters
    ----------
    lanes
        LVDS lanes: 2 for xWR16xx, xWR18xx and xWR68xx, 4 for xWR12xx and xWR14xx.
    bits
        Bits a sample: 12, 14 or 16.
    timer_s
        Seconds without LVDS data after which the FPGA reports it, 0 to 255.
    """
    return bytes((1, {4: 1, 2: 2}[lanes], 1, 2, {12: 1, 14: 2, 16: 3}[bits], timer_s))


def packet_config(*, packet_bytes: int = DEFAULT_PACKET_BYTES, delay_s: float = DEFAULT_DELAY_S) -> bytes:
    """Return the payload of CONFIG_PACKET_DATA.

    Parameters
    ----------
    packet_bytes
        Bytes of a datagram's data including its header; the FPGA rounds the data down to a multiple of 16.
    delay_s
        Pause between packets, 5 to 500 us.

    Raises
    ------
    ConfigError
        If the pause is not in that range.
    """
    if not MIN_DELAY_S * 0.999 <= delay_s <= MAX_DELAY_S * 1.001:
        raise ConfigError(
            f"the DCA1000 cannot pause {delay_s * 1e6:g} us between packets",
            f"use {MIN_DELAY_S * 1e6:g} to {MAX_DELAY_S * 1e6:g} us",
        )
    return struct.pack("<HHH", packet_bytes, round(delay_s / DELAY_LSB_S), 0)


def eeprom_config(*, host_ip: str, fpga_ip: str, mac: str, config_port: int, data_port: int) -> bytes:
    """Return the payload of CONFIG_EEPROM (18,): the addresses backwards, then the ports.

    Parameters
    ----------
    host_ip, fpga_ip
        IPv4 addresses of the computer and of the card, in one network of 256 addresses.
    mac
        Hardware address of the card, six pairs of hexadecimal digits.
    config_port, data_port
        UDP ports for control and for data.

    Raises
    ------
    ConfigError
        If with these addresses the card could not be reached again.
    """
    host, fpga = _station(host_ip, "host"), _station(fpga_ip, "card")
    if host == fpga or host.packed[:3] != fpga.packed[:3]:
        raise ConfigError(
            f"the card at {fpga} could not talk to the host at {host}",
            "give them different addresses of one network, e.g. 192.168.33.30 and 192.168.33.180",
        )
    octets = mac.replace("-", ":").split(":")
    if len(octets) != 6 or any(re.fullmatch("[0-9A-Fa-f]{2}", octet) is None for octet in octets):
        raise ConfigError(f"{mac!r} is no hardware address", f"write e.g. {DEFAULT_MAC}")
    address = bytes(int(octet, 16) for octet in octets)
    if address[0] & 1 or not any(address):
        raise ConfigError(f"{mac} is no address of a single device", f"the first pair is even, as in {DEFAULT_MAC}")
    if config_port == data_port or not all(0 < port < 65536 for port in (config_port, data_port)):
        raise ConfigError(
            f"the UDP ports {config_port} and {data_port} cannot be used", "use two different ones of 1 to 65535"
        )
    return host.packed[::-1] + fpga.packed[::-1] + address[::-1] + struct.pack("<HH", config_port, data_port)


def _station(text: str, whose: str) -> ipaddress.IPv4Address:
    """Return an address that a single station in a network of 256 addresses can have."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no IPv4 address", "write e.g. 192.168.33.30") from None
    odd = address.is_multicast or address.is_loopback or address.is_unspecified or address.is_reserved
    if odd or address.packed[3] in (0, 255) or address.packed[0] == 0:
        raise ConfigError(f"the {whose} cannot have the address {address}", "use one such as 192.168.33.30")
    return address


def payload_bytes(packet_bytes: int) -> int:
    """Return the data bytes of a full packet for a configured packet size."""
    return (packet_bytes - DATA_HEADER_BYTES) // 16 * 16


def fpga_version(status: int) -> str:
    """Return the version that the status of READ_FPGA_VERSION encodes, e.g. ``"2.8"``; playback images say so."""
    major, minor = status & 0x7F, status >> 7 & 0x7F
    return f"{major}.{minor}" + (" playback" if status >> 14 & 1 else "")


def encode_data_packet(sequence: int, byte_count: int, payload: bytes) -> bytes:
    """Return a data packet: sequence number from 1, bytes sent before it, data."""
    return struct.pack("<IIH", sequence & 0xFFFFFFFF, byte_count & 0xFFFFFFFF, byte_count >> 32 & 0xFFFF) + payload


def decode_data_header(datagram: bytes | memoryview) -> tuple[int, int]:
    """Return sequence number and byte count of a data packet; ProtocolError if it is shorter than its header."""
    if len(datagram) < DATA_HEADER_BYTES:
        raise ProtocolError(f"a data packet of {len(datagram)} bytes is shorter than its header")
    sequence, low, high = struct.unpack_from("<IIH", datagram)
    return sequence, high << 32 | low


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where host and FPGA talk; the defaults are those of the card's factory setting."""

    host_ip: str = "192.168.33.30"
    fpga_ip: str = "192.168.33.180"
    fpga_port: int = 4096
    config_port: int = 4096
    data_port: int = 4098


def bind_udp(ip: str, port: int, *, receive_buffer_bytes: int = 0) -> socket.socket:
    """Return a UDP socket on an address of this host.

    Raises
    ------
    DeviceNotFoundError
        If the host does not have the address or the port is taken; the hint says what to do.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        _enlarge_receive_buffer(sock, receive_buffer_bytes)
        sock.bind((ip, port))
        if receive_buffer_bytes:
            _report_receive_buffer(_granted_receive_buffer(sock), receive_buffer_bytes, ip)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise DeviceNotFoundError(
                f"this host has no network address {ip}, to which the DCA1000 sends",
                f"connect the card's Ethernet cable and give the port that address, e.g. "
                f"`sudo ip addr add {ip}/24 dev eth0`",
            ) from error
        if error.errno == errno.EADDRINUSE:
            raise DeviceNotFoundError(
                f"UDP port {port} of {ip} is taken by another program",
                "close the other capture program (mmWave Studio, DCA1000EVM_CLI, another isactrack)",
            ) from error
        raise DeviceNotFoundError(f"cannot open UDP {ip}:{port}: {error}", "check the host address") from error
    return sock


def _enlarge_receive_buffer(sock: socket.socket, wanted_bytes: int) -> None:
    """Ask for a receive buffer; Linux cuts the wish of all but root to its limit, macOS refuses one beyond it."""
    if wanted_bytes and sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, wanted_bytes)
            return
    while wanted_bytes >= _SMALLEST_RECEIVE_BUFFER:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted_bytes)
        except OSError:
            wanted_bytes //= 2
        else:
            return


def _granted_receive_buffer(sock: socket.socket) -> int:
    """Return the bytes of the receive buffer that the system granted; Linux reports the double, for its own needs."""
    granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return granted // 2 if sys.platform == "linux" else granted


def _report_receive_buffer(granted_bytes: int, wanted_bytes: int, ip: str) -> None:
    """Log the size of the receive buffer, as a warning if it is too small for a network card that hears the card."""
    _log.info("receive buffer: %d of %d bytes", granted_bytes, wanted_bytes)
    if granted_bytes < min(wanted_bytes, _ENOUGH_RECEIVE_BUFFER) and not ipaddress.ip_address(ip).is_loopback:
        _log.warning(
            "the receive buffer has %d bytes only, so packets may get lost; allow more: "
            "`sudo sysctl -w net.core.rmem_max=%d`",
            granted_bytes,
            wanted_bytes,
        )


class Dca1000:
    """Client of the control port; may be used by several threads.

    Parameters
    ----------
    addresses
        Where host and FPGA talk.
    timeout_s
        Wait for a reply; a request is sent up to three times.
    wire_log
        Where every message is noted; None for nowhere.
    """

    def __init__(self, addresses: Addresses, *, timeout_s: float = 0.5, wire_log: WireLog | None = None) -> None:
        self._addresses = addresses
        self._wire_log = wire_log
        self._timeout_s = timeout_s
        self._socket = bind_udp(addresses.host_ip, addresses.config_port)
        self._lock = threading.Lock()  # a reply must not be read by a thread that waits for something else
        self.events: deque[StatusFlag] = deque(maxlen=64)
        self._completed = False  # whether the record that was started last has ended

    def close(self) -> None:
        """Release the port."""
        self._socket.close()

    def request(
        self, command: Command, payload: bytes = b"", *, attempts: int = 3, timeout_s: float | None = None
    ) -> int:
        """Send a command and return the status of its reply.

        Parameters
        ----------
        command, payload
            The request.
        attempts, timeout_s
            Times that it is sent, and the wait for a reply to each; None for that of the client.

        Raises
        ------
        DeviceTimeoutError
            If no reply came to any attempt.
        """
        datagram = Request(command, payload).encode()
        wait_s = self._timeout_s if timeout_s is None else timeout_s
        with self._lock:
            self._await(None, 0.0)  # a late reply to an earlier attempt must not be taken for this one's
            for _ in range(attempts):
                _log.debug("to the card: %s %s", command.name, payload.hex(" "))
                self._send(datagram)
                status = self._await(command, wait_s)
                if status is not None:
                    return status
        a = self._addresses
        raise DeviceTimeoutError(
            f"the DCA1000 at {a.fpga_ip}:{a.fpga_port} did not answer {command.name} "
            f"({attempts} attempts of {wait_s:g} s)",
            f"check its power and Ethernet cable, `ping {a.fpga_ip}`, that the host is {a.host_ip} on that port, that "
            "no firewall drops UDP 4096 and 4098, and switch SW2.6 for the factory address",
        )

    def command(self, command: Command, payload: bytes = b"") -> None:
        """Send a command whose reply must say success.

        Raises
        ------
        ProtocolError
            If the FPGA says that it failed.
        """
        status = self.request(command, payload)
        if status != 0:
            raise ProtocolError(
                f"the DCA1000 refused {command.name} with status {status}",
                "power-cycle the card; if it stays, its FPGA image may not match the command",
            )

    def ping(self, *, attempts: int = 3, timeout_s: float | None = None) -> None:
        """Ask whether the FPGA is there; DeviceTimeoutError if it does not answer."""
        self.request(Command.SYSTEM_CONNECT, attempts=attempts, timeout_s=timeout_s)

    def version(self) -> str:
        """Return the version of the FPGA image, see `fpga_version`."""
        return fpga_version(self.request(Command.READ_FPGA_VERSION))

    def reset(self) -> None:
        """Reset the FPGA, which forgets its configuration, and wait until it answers again."""
        self.command(Command.RESET_FPGA)
        self.ping(attempts=_PINGS, timeout_s=_PING_S)

    def reset_radar(self) -> None:
        """Reset the radar through its NRST line: it boots anew, says so on its console, and forgets its profile."""
        self.command(Command.RESET_AR_DEV)

    def bring_up(self, *, delay_s: float = DEFAULT_DELAY_S) -> str:
        """Reset and configure the FPGA for raw capture; return its version.

        After CONFIG_FPGA_GEN the FPGA is deaf for a moment, so it is pinged until it answers.

        Parameters
        ----------
        delay_s
            Pause between packets, 5 to 500 us: the shorter, the higher the rate.
        """
        packets = packet_config(delay_s=delay_s)
        self.command(Command.SYSTEM_CONNECT)
        self.command(Command.RESET_FPGA)
        self.command(Command.CONFIG_FPGA_GEN, fpga_config())
        self.ping(attempts=_PINGS, timeout_s=_PING_S)
        self.command(Command.CONFIG_PACKET_DATA, packets)
        version = self.version()
        _log.info(
            "the DCA1000 at %s is configured, FPGA %s, %g us between packets",
            self._addresses.fpga_ip,
            version,
            delay_s * 1e6,
        )
        return version

    def start_record(self) -> None:
        """Start to send what the radar samples; sequence number and byte count start anew."""
        self.command(Command.RECORD_START)
        self._completed = False  # what came before the reply was the end of an earlier one

    def stop_record(
        self, *, timeout_s: float = HELD_TAIL_S + 0.5, is_quiet: Callable[[], bool] = lambda: False
    ) -> bool:
        """Stop sending, and wait until the card says that it has sent all; return whether it did.

        A card that has already said so since `start_record`, because samples stopped coming for 2 s, says it no more.

        Parameters
        ----------
        timeout_s
            Longest wait. The last, partial packet comes at the latest 2 s after the last sample.
        is_quiet
            Tells that there is nothing to wait for, e.g. since no packet has come for longer than the held tail.

        Raises
        ------
        DeviceTimeoutError, ProtocolError
            If the card does not take the command.
        """
        self.command(Command.RECORD_STOP)
        deadline = time.monotonic() + timeout_s
        while not self._completed and not is_quiet():
            left_s = deadline - time.monotonic()
            if left_s <= 0.0:
                return False
            with self._lock:
                self._await(None, min(left_s, 0.05))
        return self._completed

    def write_eeprom(self, *, host_ip: str, fpga_ip: str, mac: str, config_port: int, data_port: int) -> None:
        """Store other addresses in the card, which it uses from its next power-on.

        Wrong ones make it unreachable, until switch SW2.6 selects the built-in addresses. It is sent once only.

        Parameters
        ----------
        host_ip, fpga_ip, mac, config_port, data_port
            See `eeprom_config`.

        Raises
        ------
        ConfigError
            If with these addresses the card could not be reached again.
        ProtocolError
            If the card says that it failed.
        DeviceTimeoutError
            If it does not answer: what it has stored is not known.
        """
        payload = eeprom_config(host_ip=host_ip, fpga_ip=fpga_ip, mac=mac, config_port=config_port, data_port=data_port)
        self.poll_events()  # an earlier failure is not this one's
        status = self.request(Command.CONFIG_EEPROM, payload, attempts=1, timeout_s=_EEPROM_S)
        if status != 0 or self.await_event(StatusFlag.EEPROM_FAILURE, _EEPROM_REPORT_S):
            raise ProtocolError(
                "the DCA1000 could not write its EEPROM",
                "what it has stored is not known: set switch SW2.6 to the built-in addresses, power-cycle, try again",
            )

    def poll_events(self) -> list[StatusFlag]:
        """Take the status messages that have arrived since the last call."""
        with self._lock:
            self._await(None, 0.0)
            events = list(self.events)
            self.events.clear()
        return events

    def await_event(self, flag: StatusFlag, timeout_s: float) -> bool:
        """Wait until the FPGA reports `flag`; return whether it did."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            with self._lock:
                if any(event & flag for event in self.events):
                    return True
                if left_s <= 0.0:
                    return False
                self._await(None, min(left_s, 0.05))

    def _send(self, datagram: bytes) -> None:
        a = self._addresses
        if self._wire_log is not None:
            self._wire_log.sent("card", datagram, _command_name(datagram))
        try:
            self._socket.sendto(datagram, (a.fpga_ip, a.fpga_port))
        except OSError as error:
            raise DeviceNotFoundError(
                f"cannot send to the DCA1000 at {a.fpga_ip}: {error}",
                f"check the route to it, `ip route get {a.fpga_ip}`",
            ) from error

    def _await(self, command: Command | None, timeout_s: float) -> int | None:
        """Read until the reply to `command` comes; everything else that is valid is an event."""
        deadline = time.monotonic() + timeout_s
        for _ in range(_MOST_DATAGRAMS):
            self._socket.settimeout(max(deadline - time.monotonic(), 0.0))
            try:
                datagram, (ip, _) = self._socket.recvfrom(2048)
            except (TimeoutError, BlockingIOError):
                return None
            except ConnectionError:
                continue  # Windows reports an ICMP "port unreachable" for an earlier send here
            if ip != self._addresses.fpga_ip:
                continue
            if self._wire_log is not None:
                self._wire_log.received("card", datagram, _command_name(datagram))
            try:
                response = Response.decode(datagram)
            except ProtocolError:
                continue
            if response.command == command:
                _log.debug("from the card: %s, status %#x", command.name, response.status)
                return response.status
            if response.command == Command.SYSTEM_ERROR:
                event = StatusFlag(response.status)
                _log.debug("the card reports %s", event_name(event))
                self.events.append(event)
                self._completed |= bool(event & StatusFlag.RECORD_COMPLETED)
        return None


def _command_name(datagram: bytes) -> str:
    """Return the name of the command in a message of either direction, empty if it is none."""
    code = int.from_bytes(datagram[2:4], "little")
    return Command(code).name if code in Command.__members__.values() else ""
