"""Packets of the bistatic radio: one framing for data, commands and replies, over USB bulk and over UDP.

A packet is a header of `HEADER_BYTES` bytes, little-endian, and a payload. A block is too large for a datagram, so it
comes in fragments, each of which says which rows and samples of the block it holds; a lost one leaves a hole in the
block and nothing else. `docs/bistatic-wire.md` has the layout as a table.
"""

import struct
import zlib
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from isactrack.errors import ProtocolError
from isactrack.frame import NO_FLAGS, BlockFlag

MAGIC: Final = b"ISAB"
VERSION: Final = 1
_LAYOUT: Final = struct.Struct("<4sBBHIQQIIHHIIHHHhIfdfhHII")
HEADER_BYTES: Final = _LAYOUT.size
MAX_PAYLOAD_BYTES: Final = 1392
"""Of a datagram, so that it fits an Ethernet frame without jumbo frames; a whole number of 16-byte groups."""
MAX_USB_PAYLOAD_BYTES: Final = 16320
"""Of a packet on USB."""


class PacketKind(IntEnum):
    """What a packet carries."""

    CSI = 1
    """A part of a block's channel estimate: rows x tones of int16 I and Q."""
    IQ = 2
    """A part of a block's samples: rows x samples of int16 I and Q."""
    EVENT = 3
    """A line of text from the radio, UTF-8."""
    COMMAND = 4
    """JSON from the host, see `isactrack.drivers.bistatic.control`."""
    REPLY = 5
    """JSON from the radio; its sequence is that of the command."""


_KINDS: Final = {kind.value: kind for kind in PacketKind}


class BadPacketError(ProtocolError):
    """Bytes that are no packet of this framing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet.

    Attributes
    ----------
    kind
        What it carries.
    payload
        The bytes behind the header.
    stream
        Number of the stream: 0 is the radio's first.
    sequence
        Counts the packets of a stream from its start, modulo 2^32; a jump says that packets are missing.
    block
        Counts the blocks since the radio was started.
    tick
        Sample clock at the first sample of the block's reference symbol.
    rate_num, rate_den
        The sample clock's rate in hertz, as a fraction.
    row_first, row_count, sample_first, sample_count
        The part of the block (rows of the array; tones or samples) that the payload holds, row by row.
    fragment, fragments
        Which part of the block this is, and how many there are.
    gain_cdb
        Receiver gain, hundredths of a decibel.
    flags
        What is wrong with the block.
    noise_power, cfo_hz, timing_samples, temperature_cc, clipped
        See `isactrack.BlockInfo`; the temperature in hundredths of a degree, -32768 if the radio does not tell.
    """

    kind: PacketKind
    payload: bytes = b""
    stream: int = 0
    sequence: int = 0
    block: int = 0
    tick: int = 0
    rate_num: int = 0
    rate_den: int = 1
    row_first: int = 0
    row_count: int = 0
    sample_first: int = 0
    sample_count: int = 0
    fragment: int = 0
    fragments: int = 1
    gain_cdb: int = 0
    flags: BlockFlag = NO_FLAGS
    noise_power: float = float("nan")
    cfo_hz: float = 0.0
    timing_samples: float = 0.0
    temperature_cc: int = -32768
    clipped: int = 0

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        head = _LAYOUT.pack(
            MAGIC, VERSION, self.kind, self.stream, self.sequence & 0xFFFFFFFF, self.block, self.tick,
            self.rate_num, self.rate_den, self.row_first, self.row_count, self.sample_first, self.sample_count,
            self.fragment, self.fragments, self.flags, self.gain_cdb, self.clipped, self.cfo_hz, self.timing_samples,
            self.noise_power, self.temperature_cc, 0, len(self.payload), 0,
        )[:-4]  # fmt: skip
        crc = zlib.crc32(self.payload, zlib.crc32(head))
        return head + crc.to_bytes(4, "little") + self.payload


def decode(data: bytes | memoryview) -> Packet:
    """Return the packet that `data` is, whole.

    Raises
    ------
    BadPacketError
        If it is none, has another length than it says, or its checksum does not match.
    """
    if len(data) < HEADER_BYTES:
        raise BadPacketError(f"{len(data)} bytes are less than a header", "is this the radio's data port?")
    (magic, version, kind, stream, sequence, block, tick, rate_num, rate_den, row_first, row_count, sample_first,
     sample_count, fragment, fragments, flags, gain_cdb, clipped, cfo_hz, timing, noise, temperature, _, length,
     _) = _LAYOUT.unpack_from(data)  # fmt: skip
    if magic != MAGIC or version != VERSION:
        raise BadPacketError(
            f"a packet begins with {bytes(data[:5])!r}, not with {MAGIC!r} and version {VERSION}",
            "something else sends to this port, or the radio's firmware is of another version",
        )
    if length != len(data) - HEADER_BYTES:
        raise BadPacketError(f"a packet of {len(data)} bytes says it has {HEADER_BYTES + length}", "it was cut")
    payload = bytes(data[HEADER_BYTES:])
    if not checksum_matches(data):
        raise BadPacketError("the checksum of a packet does not match", "bits were flipped: cable, hub or memory")
    known = _KINDS.get(kind)
    if known is None:
        raise BadPacketError(f"a packet is of the unknown kind {kind}", "is the firmware newer than this?")
    return Packet(
        kind=known, payload=payload, stream=stream, sequence=sequence, block=block, tick=tick, rate_num=rate_num,
        rate_den=rate_den, row_first=row_first, row_count=row_count, sample_first=sample_first,
        sample_count=sample_count, fragment=fragment, fragments=fragments, gain_cdb=gain_cdb,
        flags=BlockFlag(flags) if flags else NO_FLAGS,
        noise_power=noise, cfo_hz=cfo_hz, timing_samples=timing, temperature_cc=temperature, clipped=clipped,
    )  # fmt: skip


def checksum_matches(data: bytes | memoryview) -> bool:
    """Return whether the checksum in the header of a packet, a header long at least, is that of its bytes."""
    crc = zlib.crc32(data[HEADER_BYTES:], zlib.crc32(data[: HEADER_BYTES - 4]))
    return crc == int.from_bytes(data[HEADER_BYTES - 4 : HEADER_BYTES], "little")


def packet_length(head: bytes | memoryview) -> int:
    """Return the length of the packet that begins with `head`, a whole header, from a stream of bytes.

    Raises
    ------
    BadPacketError
        If no packet begins there.
    """
    if len(head) < HEADER_BYTES or bytes(head[:4]) != MAGIC:
        raise BadPacketError("no packet begins here", "the stream of bytes is out of step")
    length = int.from_bytes(head[HEADER_BYTES - 8 : HEADER_BYTES - 4], "little")
    return HEADER_BYTES + length


def fragments_of(
    packet: Packet, words: bytes, rows: int, samples: int, *, most_bytes: int = MAX_PAYLOAD_BYTES
) -> list[Packet]:
    """Cut a block into packets.

    Parameters
    ----------
    packet
        What all of them have in common; its sequence is that of the first.
    words
        int16 I and Q of the block, row by row.
    rows, samples
        Its shape.
    most_bytes
        Largest payload.

    Returns
    -------
    list of Packet
        Whole rows where several fit, else parts of one row; every part a whole number of 8-byte groups.
    """
    row_bytes = 4 * samples
    parts: list[tuple[int, int, int, int]] = []
    whole = most_bytes // row_bytes
    if whole:
        parts = [(row, min(whole, rows - row), 0, samples) for row in range(0, rows, whole)]
    else:
        step = most_bytes // 16 * 4
        parts = [
            (row, 1, first, min(step, samples - first)) for row in range(rows) for first in range(0, samples, step)
        ]
    made = []
    for index, (row, row_count, first, count) in enumerate(parts):
        begin = row * row_bytes + 4 * first
        made.append(
            replace(
                packet,
                payload=words[begin : begin + 4 * row_count * count],
                sequence=(packet.sequence + index) & 0xFFFFFFFF,
                row_first=row,
                row_count=row_count,
                sample_first=first,
                sample_count=count,
                fragment=index,
                fragments=len(parts),
            )
        )
    return made
