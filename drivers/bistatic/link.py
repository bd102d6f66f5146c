"""What USB and UDP have in common for the driver, and the cutting of a stream of bytes into packets."""

from typing import Final, Protocol

from isactrack.drivers.bistatic.framing import (
    HEADER_BYTES,
    MAGIC,
    MAX_USB_PAYLOAD_BYTES,
    BadPacketError,
    checksum_matches,
    packet_length,
)


class Link(Protocol):
    """A way to a radio. One thread may read data while another one sends commands and waits for replies."""

    @property
    def name(self) -> str:
        """What it is, for messages, e.g. ``UDP 192.168.10.2:5310``."""

    @property
    def loses_packets(self) -> bool:
        """Whether packets may be lost: then commands are repeated, and the radio wants to hear from the host."""

    @property
    def rejected(self) -> int:
        """Pieces of data that were no packets of this radio, so far."""

    def send(self, packet: bytes) -> None:
        """Send a packet with a command; DeviceError if the way is closed or broken."""

    def receive_reply(self, timeout_s: float) -> bytes | None:
        """Return the next packet that is a reply, None if none comes in time; DeviceError if the way is broken."""

    def receive(self, timeout_s: float) -> list[bytes]:
        """Return the packets of data that have come, none if none comes in time; DeviceError if the way is broken."""

    def prepare(self, bytes_per_s: float) -> None:
        """Get ready for so much data; warn if they are too much."""

    def discard(self) -> None:
        """Throw away replies and data of a time before."""

    def close(self) -> None:
        """Release it; may be called again."""


MAX_PACKET_BYTES: Final = HEADER_BYTES + MAX_USB_PAYLOAD_BYTES


class PacketStream:
    """Cuts a stream of bytes into packets, and finds into step again after bytes that are none.

    Attributes
    ----------
    garbage
        Runs of bytes that belonged to no packet, so far.
    """

    def __init__(self) -> None:
        self.garbage = 0
        self._buffer = bytearray()
        self._in_step = True

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Take bytes and return the packets that they finish. Their checksums match."""
        buffer = self._buffer
        buffer += data
        packets: list[bytes] = []
        at = 0
        while len(buffer) - at >= HEADER_BYTES:
            length = _length_at(buffer, at)
            if length is None:
                at = self._search(at)
                continue
            if len(buffer) - at < length:
                break
            packet = bytes(memoryview(buffer)[at : at + length])
            if not checksum_matches(packet):  # its length may be what is wrong, and hide packets behind it
                at = self._search(at)
                continue
            packets.append(packet)
            self._in_step = True
            at += length
        del buffer[:at]
        return packets

    def clear(self) -> None:
        """Forget the beginning of a packet."""
        self._buffer.clear()
        self._in_step = True

    def _search(self, at: int) -> int:
        """Return where behind `at` a packet may begin next."""
        self.garbage += self._in_step
        self._in_step = False
        found = self._buffer.find(MAGIC, at + 1)
        if found >= 0:
            return found
        return max(at + 1, len(self._buffer) - len(MAGIC) + 1)  # the magic may have come in part


def _length_at(buffer: bytearray, at: int) -> int | None:
    """Return the length of the packet that begins at a place, None if none can."""
    try:
        length = packet_length(memoryview(buffer)[at : at + HEADER_BYTES])
    except BadPacketError:
        return None
    return length if length <= MAX_PACKET_BYTES else None
