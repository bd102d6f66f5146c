"""The radio on UDP: one socket for commands, replies and data, which go to the port that ``start`` came from."""

import logging
import queue
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final

from isactrack.drivers.bistatic.control import CONTROL_PORT
from isactrack.drivers.bistatic.framing import HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES, PacketKind
from isactrack.errors import DeviceError, DeviceNotFoundError

RECEIVE_BUFFER_BYTES: Final = 8 << 20
"""Of the kernel, for the time in which nobody reads; it is asked for, and what is granted is read back."""
BATCH: Final = 256
"""Datagrams that are taken at once at most."""
QUEUED_PACKETS: Final = 1 << 16
"""Datagrams that wait here at most while only replies are looked for; beyond that the oldest go."""
DATAGRAM_BYTES: Final = HEADER_BYTES + MAX_PAYLOAD_BYTES
_LARGEST_DATAGRAM: Final = 65535
"""A larger one than the buffer is cut by Linux and an error on Windows; none is larger than this."""
DISCARD_S: Final = 0.02
MOST_DISCARDED: Final = 1000
HELD_UP_S: Final = 0.1
"""For so long a busy computer may leave a socket alone."""
_KERNEL_SHARE: Final = 1.7
"""Bytes of the receive buffer that a byte of a full datagram takes."""
_LOOK_S: Final = 0.02
_KIND_AT: Final = 5

_log = logging.getLogger(__name__)


def open_udp(host: str, port: int = CONTROL_PORT) -> "UdpLink":
    """Open the way to a radio; nothing is sent.

    Raises
    ------
    DeviceNotFoundError
        If the host has no address, or there is no route to it.
    """
    try:
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
    except OSError as error:
        raise DeviceNotFoundError(f"{host} has no IPv4 address: {error}", "write bistatic://ADDRESS[:PORT]") from error
    return UdpLink((str(address[0]), int(address[1])))


class UdpLink:
    """A way to a radio on UDP. See `isactrack.drivers.bistatic.link.Link`.

    Parameters
    ----------
    address
        IPv4 address and port of the radio; datagrams from elsewhere are rejected.
    receive_buffer_bytes
        Receive buffer to ask the kernel for.

    Attributes
    ----------
    granted_bytes
        Receive buffer that the kernel granted.
    rejected
        Datagrams from elsewhere, or too short or long for a packet.
    dropped
        Packets that had to make room while only replies were looked for.

    Raises
    ------
    DeviceNotFoundError
        If there is no route to the radio.
    """

    loses_packets = True

    def __init__(self, address: tuple[str, int], *, receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES) -> None:
        self._address = address
        self.name = f"UDP {address[0]}:{address[1]}"
        self.rejected = 0
        self.dropped = 0
        self._reading = threading.Lock()
        self._replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._data: deque[bytes] = deque()
        self._closed = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.granted_bytes = _ask_for_buffer(self._socket, receive_buffer_bytes)
            self._socket.bind((_own_address(address), 0))
        except OSError as error:
            self._socket.close()
            raise DeviceNotFoundError(
                f"there is no way to {self.name}: {error}",
                "connect the radio's cable and give the port an address of its network, e.g. "
                "`sudo ip addr add 192.168.10.1/24 dev eth0`",
            ) from error

    @property
    def local_port(self) -> int:
        """Port that data come to."""
        return int(self._socket.getsockname()[1])

    def send(self, packet: bytes) -> None:
        """See `Link.send`."""
        try:
            self._socket.sendto(packet, self._address)
        except (BlockingIOError, TimeoutError):  # no room: lost, as on the way
            _log.debug("the socket took no packet")
        except OSError as error:
            raise self._error(error) from error

    def prepare(self, bytes_per_s: float) -> None:
        """See `Link.prepare`."""
        needed = round(_KERNEL_SHARE * HELD_UP_S * bytes_per_s)
        if self.granted_bytes < needed:
            _log.warning(
                "the kernel grants a receive buffer of %d bytes, the radio fills it in less than %.2f s: packets get "
                "lost while the computer is busy; allow more with `sudo sysctl net.core.rmem_max=%d`",
                self.granted_bytes,
                HELD_UP_S,
                max(needed, RECEIVE_BUFFER_BYTES),
            )

    def receive_reply(self, timeout_s: float) -> bytes | None:
        """See `Link.receive_reply`."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self._replies.get_nowait()
            except queue.Empty:
                left_s = deadline - time.monotonic()
            if left_s <= 0.0:
                return None
            self._pump(min(left_s, _LOOK_S))

    def receive(self, timeout_s: float) -> list[bytes]:
        """See `Link.receive`."""
        if not self._data:
            self._pump(timeout_s)
        packets: list[bytes] = []
        while self._data and len(packets) < 4 * BATCH:
            packets.append(self._data.popleft())
        return packets

    def discard(self) -> None:
        """See `Link.discard`."""
        for _ in range(MOST_DISCARDED):
            if not self._pump(DISCARD_S):
                break
        self._data.clear()
        while not self._replies.empty():
            self._replies.get_nowait()

    def close(self) -> None:
        """See `Link.close`."""
        self._closed = True
        with self._reading:
            self._socket.close()

    def _pump(self, timeout_s: float) -> int:
        """Take what has come, waiting for the first; return how many datagrams that were.

        Whoever waits for a reply while another thread reads data leaves the reading to that one.
        """
        if not self._reading.acquire(timeout=timeout_s):
            return 0
        try:
            return self._read_batch(timeout_s)
        except (TimeoutError, BlockingIOError):
            return 0
        except OSError as error:
            raise self._error(error) from error
        finally:
            self._reading.release()

    def _read_batch(self, timeout_s: float) -> int:
        if self._closed:
            raise OSError("it was closed")
        sock = self._socket
        sock.settimeout(timeout_s)
        taken = 0
        try:
            while taken < BATCH:
                datagram, source = sock.recvfrom(_LARGEST_DATAGRAM)
                if taken == 0:
                    sock.settimeout(0.0)
                taken += 1
                self._sort(datagram, source)
        except (TimeoutError, BlockingIOError):
            pass
        except ConnectionResetError:  # Windows tells that a command met a closed port: the radio may be starting yet
            _log.debug("no program of the radio listens")
        return taken

    def _sort(self, datagram: bytes, source: tuple[str, int]) -> None:
        whole = HEADER_BYTES <= len(datagram) <= DATAGRAM_BYTES and datagram[: len(MAGIC)] == MAGIC
        if not whole or source != self._address:
            self.rejected += 1
        elif datagram[_KIND_AT] == PacketKind.REPLY:
            self._replies.put(datagram)
        else:
            if len(self._data) >= QUEUED_PACKETS:
                self._data.popleft()
                self.dropped += 1
            self._data.append(datagram)

    def _error(self, error: OSError) -> DeviceError:
        return DeviceError(f"{self.name} failed: {error}", "check the network interface to the radio, and its address")


def _own_address(address: tuple[str, int]) -> str:
    """Return the address of this host from which the radio is reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(address)  # sends nothing; the kernel looks for a route
        return str(probe.getsockname()[0])


def _ask_for_buffer(sock: socket.socket, wanted_bytes: int) -> int:
    """Ask for a receive buffer and return what was granted; the kernel cuts what is beyond its limit without a word."""
    with suppress(OSError):  # macOS refuses what Linux cuts
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted_bytes)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
