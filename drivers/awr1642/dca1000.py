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
import socket
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from isactrack.errors import DeviceNotFoundError, DeviceTimeoutError, ProtocolError

HEADER: Final = 0xA55A
FOOTER: Final = 0xEEAA
MAX_PAYLOAD: Final = 504
DATA_HEADER_BYTES: Final = 10
DEFAULT_PACKET_BYTES: Final = 1470
"""Packet size that is configured; with it the FPGA sends 1456 bytes of data a packet."""
DELAY_LSB_S: Final = 8e-9
DEFAULT_DELAY_S: Final = 25e-6
_SO_RCVBUFFORCE: Final = 33
"""Linux: SO_RCVBUF beyond the system's limit, for whoever has CAP_NET_ADMIN; the socket module does not name it."""
_SMALLEST_RECEIVE_BUFFER: Final = 1 << 16
_ENOUGH_RECEIVE_BUFFER: Final = 1 << 20
"""Receive buffer below which a moment's pause of the computer costs packets."""
_PING_S: Final = 0.05
_PINGS: Final = 60
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
    """
    return struct.pack("<HHH", packet_bytes, round(delay_s / DELAY_LSB_S), 0)


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
    """Return sequence number and byte count of a data packet of at least 10 bytes."""
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
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted_bytes)
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
    """

    def __init__(self, addresses: Addresses, *, timeout_s: float = 0.5) -> None:
        self._addresses = addresses
        self._timeout_s = timeout_s
        self._socket = bind_udp(addresses.host_ip, addresses.config_port)
        self._lock = threading.Lock()  # a reply must not be read by a thread that waits for something else
        self.events: deque[StatusFlag] = deque(maxlen=64)

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

    def bring_up(self) -> str:
        """Reset and configure the FPGA for raw capture; return its version.

        After CONFIG_FPGA_GEN the FPGA is deaf for a moment, so it is pinged until it answers.
        """
        self.command(Command.SYSTEM_CONNECT)
        self.command(Command.RESET_FPGA)
        self.command(Command.CONFIG_FPGA_GEN, fpga_config())
        self.request(Command.SYSTEM_CONNECT, attempts=_PINGS, timeout_s=_PING_S)
        self.command(Command.CONFIG_PACKET_DATA, packet_config())
        version = fpga_version(self.request(Command.READ_FPGA_VERSION))
        _log.info("the DCA1000 at %s is configured, FPGA %s", self._addresses.fpga_ip, version)
        return version

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
        while not any(event & flag for event in self.events):
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            with self._lock:
                self._await(None, min(left, 0.05))
        return True

    def _send(self, datagram: bytes) -> None:
        a = self._addresses
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
        return None
