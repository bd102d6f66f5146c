"""The radio's UDP socket, on loopback: it takes commands, and sends replies and blocks to where they came from."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from isactrack.drivers.bistatic.control import SILENCE_S
from isactrack.drivers.bistatic.framing import HEADER_BYTES, MAX_PAYLOAD_BYTES
from isactrack.drivers.simulated.bistatic.firmware import GARBAGE_BYTES, RadioFirmware

AHEAD_BYTES: Final = 160_000
"""What a receive buffer of the usual 208 KiB holds of small datagrams, each of which is counted as more than it is."""
BURST_BYTES: Final = 64 << 10
"""So much goes out in one go where nobody tells how far the host has come; a small receive buffer takes twice that."""
BURST_S: Final = 1e-3
"""Pause after a burst."""
_POLL_S: Final = 0.02

_log = logging.getLogger(__name__)


class UdpRadio:
    """The radio's end of an Ethernet cable. See `isactrack.drivers.simulated.bistatic.firmware.Outlet`.

    Parameters
    ----------
    firmware
        The radio.
    host
        Address to listen on.
    port
        UDP port; 0 for one that the system chooses.

    Attributes
    ----------
    address
        Address and port it listens on.
    """

    most_bytes = MAX_PAYLOAD_BYTES
    ahead_bytes = AHEAD_BYTES

    def __init__(self, firmware: RadioFirmware, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.firmware = firmware
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
            self._foreign = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_POLL_S)
        name = self._socket.getsockname()
        self.address: tuple[str, int] = (str(name[0]), int(name[1]))
        self._listener: tuple[str, int] | None = None  # where blocks go
        self._heard_s = time.monotonic()
        self._sent_bytes = 0
        self._closing = threading.Event()
        firmware.attach(self)
        self._thread = threading.Thread(target=self._serve, name="simulated-udp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and release the sockets; may be called again."""
        self._closing.set()
        self._thread.join()
        self.firmware.stop()
        self._socket.close()
        self._foreign.close()

    def has_room(self, size: int) -> bool:  # a datagram that finds no room is lost on the way
        """Return True: a network takes everything."""
        return size >= 0

    def put(self, packets: Sequence[bytes]) -> None:
        """Send packets; after a burst pause, so that the host's buffer does not run over."""
        listener = self._listener
        for packet in packets:
            if listener is not None:
                self._send(packet, listener)
            self._sent_bytes += len(packet)
            if self._sent_bytes >= BURST_BYTES:
                self._sent_bytes = 0
                time.sleep(BURST_S)

    def put_garbage(self, rng: np.random.Generator, packet: bytes) -> None:
        """Send three datagrams that are none of this radio's: random bytes, a broken packet, a stranger's packet."""
        listener = self._listener
        if listener is not None:
            self._send(rng.bytes(GARBAGE_BYTES), listener)
            if packet:
                payload = rng.bytes(len(packet) - HEADER_BYTES)
                self._send(packet[:HEADER_BYTES] + payload, listener)
                with contextlib.suppress(OSError):
                    self._foreign.sendto(packet, listener)

    def drain(self, stop: threading.Event) -> None:
        """Return at once: what was sent is on its way."""

    def clear(self) -> None:
        """Do nothing: what was sent is gone."""

    def _send(self, packet: bytes, to: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # Windows tells that the host's port is closed
            self._socket.sendto(packet, to)

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._miss_host()
            try:
                datagram, peer = self._socket.recvfrom(HEADER_BYTES + MAX_PAYLOAD_BYTES + 1)
            except (TimeoutError, OSError):
                continue
            if self.firmware.reachable:
                self._take(datagram, (str(peer[0]), int(peer[1])))

    def _take(self, datagram: bytes, peer: tuple[str, int]) -> None:
        def reply(packet: bytes) -> None:
            self._heard_s = time.monotonic()
            if not self.firmware.streaming:
                self._listener = peer  # before the first block goes
            self._send(packet, peer)

        self.firmware.receive(datagram, reply, peer)

    def _miss_host(self) -> None:
        """Stop streaming to a host that has said nothing for too long."""
        if self.firmware.streaming and time.monotonic() - self._heard_s > SILENCE_S:
            _log.debug("simulated radio: the host is gone")
            self.firmware.stop()
