"""Packets: their bytes, what damage does to them, how blocks are cut, and how a stream of bytes is."""

import dataclasses
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.drivers.bistatic import framing
from isactrack.drivers.bistatic.framing import (
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_USB_PAYLOAD_BYTES,
    BadPacketError,
    Packet,
    PacketKind,
    decode,
    fragments_of,
)
from isactrack.drivers.bistatic.link import PacketStream
from isactrack.frame import BlockFlag

_U16, _U32, _U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
_I16 = st.integers(-(2**15), 2**15 - 1)
_F32 = st.floats(width=32, allow_nan=False)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    return Packet(
        kind=draw(st.sampled_from(PacketKind)), payload=draw(st.binary(max_size=64)), stream=draw(_U16),
        sequence=draw(_U32), block=draw(_U64), tick=draw(_U64), rate_num=draw(_U32), rate_den=draw(_U32),
        row_first=draw(_U16), row_count=draw(_U16), sample_first=draw(_U32), sample_count=draw(_U32),
        fragment=draw(_U16), fragments=draw(_U16), gain_cdb=draw(_I16), flags=BlockFlag(draw(st.integers(0, 127))),
        noise_power=draw(_F32), cfo_hz=draw(_F32), timing_samples=draw(st.floats(allow_nan=False)),
        temperature_cc=draw(_I16), clipped=draw(_U32),
    )  # fmt: skip


GOLDEN = Packet(
    kind=PacketKind.CSI, payload=b"\x01\x00\xfe\xff", stream=0, sequence=7, block=0x0102, tick=0x030405,
    rate_num=552960000, rate_den=1, row_first=2, row_count=1, sample_first=5, sample_count=1, fragment=1, fragments=2,
    flags=BlockFlag.OVERFLOW | BlockFlag.SATURATED, gain_cdb=-150, clipped=3, cfo_hz=1.0, timing_samples=-2.0,
    noise_power=0.5, temperature_cc=4125,
)  # fmt: skip
GOLDEN_HEADER = bytes.fromhex(
    "49534142" "01" "01" "0000" "07000000"  # magic, version, kind, stream, sequence
    "0201000000000000" "0504030000000000" "0080f520" "01000000"  # block, tick, rate
    "0200" "0100" "05000000" "01000000" "0100" "0200"  # rows, samples, fragment of fragments
    "0900" "6aff" "03000000" "0000803f" "00000000000000c0" "0000003f" "1d10" "0000"  # flags ... temperature, spare
    "04000000"  # bytes of payload
)  # fmt: skip


def test_the_bytes_of_a_packet_are_those_of_the_document() -> None:
    body = b"\x01\x00\xfe\xff"
    crc = zlib.crc32(GOLDEN_HEADER + body).to_bytes(4, "little")
    assert GOLDEN.encode() == GOLDEN_HEADER + crc + body
    assert decode(GOLDEN_HEADER + crc + body) == GOLDEN
    assert HEADER_BYTES == 88


@given(packets())
def test_what_is_encoded_is_decoded_again(packet: Packet) -> None:
    assert decode(packet.encode()) == packet


@given(packets(), st.data())
def test_any_flipped_bit_is_noticed(packet: Packet, data: st.DataObject) -> None:
    raw = bytearray(packet.encode())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadPacketError) as caught:
        decode(bytes(raw))
    assert caught.value.hint


@given(st.binary(max_size=200))
def test_bytes_that_are_no_packet_are_refused(data: bytes) -> None:
    with pytest.raises(BadPacketError):
        decode(data)


def test_a_packet_that_was_cut_or_has_an_unknown_kind_is_refused() -> None:
    raw = GOLDEN.encode()
    for wrong in (raw[:-1], raw + b"\x00", raw[:HEADER_BYTES]):
        with pytest.raises(BadPacketError, match="says it has"):
            decode(wrong)
    strange = bytearray(raw)
    strange[5] = 99
    strange[84:88] = zlib.crc32(bytes(strange[88:]), zlib.crc32(bytes(strange[:84]))).to_bytes(4, "little")
    with pytest.raises(BadPacketError, match="kind 99"):
        decode(bytes(strange))


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 900), st.sampled_from([64, MAX_PAYLOAD_BYTES, MAX_USB_PAYLOAD_BYTES]))
def test_fragments_tile_a_block_exactly_once(rows: int, samples: int, most: int) -> None:
    words = np.random.default_rng(rows * samples).integers(0, 256, 4 * rows * samples, dtype=np.uint8)
    parts = fragments_of(
        Packet(kind=PacketKind.IQ, sequence=2**32 - 2), words.tobytes(), rows, samples, most_bytes=most
    )
    seen = np.zeros((rows, samples), int)
    built = np.zeros((rows, samples, 4), np.uint8)
    for index, part in enumerate(parts):
        assert (part.fragment, part.fragments) == (index, len(parts))
        assert part.sequence == (2**32 - 2 + index) % 2**32
        assert len(part.payload) <= most
        at = (
            slice(part.row_first, part.row_first + part.row_count),
            slice(part.sample_first, part.sample_first + part.sample_count),
        )
        seen[at] += 1
        built[at] = np.frombuffer(part.payload, np.uint8).reshape(part.row_count, part.sample_count, 4)
    assert np.all(seen == 1)
    assert built.tobytes() == words.tobytes()


# --- a stream of bytes -----------------------------------------------------------------------------------------------


def _numbered(count: int) -> list[bytes]:
    rng = np.random.default_rng(4)
    return [
        Packet(kind=PacketKind.CSI, sequence=k, payload=rng.bytes(int(rng.integers(0, 200)))).encode()
        for k in range(count)
    ]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_a_stream_is_cut_into_packets_wherever_transfers_end(sizes: list[int]) -> None:
    sent = _numbered(20)
    stream, data, got, at = PacketStream(), b"".join(sent), [], 0
    for size in [*sizes, len(data)]:
        got += stream.feed(data[at : at + size])
        at += size
    assert got == sent
    assert stream.garbage == 0


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=150), min_size=21, max_size=21), st.integers(1, 500))
def test_a_stream_finds_into_step_again_after_garbage(between: list[bytes], size: int) -> None:
    sent = _numbered(20)
    data = b"".join(junk + packet for junk, packet in zip(between, sent, strict=False)) + bytes(20_000)
    stream, got = PacketStream(), []
    for at in range(0, len(data), size):
        got += stream.feed(data[at : at + size])
    assert got == sent
    assert stream.garbage == 21


def test_a_flipped_length_hides_no_packet_behind_it() -> None:
    sent = _numbered(6)
    broken = bytearray(sent[2])
    broken[81] ^= 0x10  # 4096 bytes longer
    magic_inside = Packet(kind=PacketKind.CSI, sequence=99, payload=b"ISAB" * 40).encode()
    stream = PacketStream()
    got = stream.feed(b"".join([*sent[:2], bytes(broken), *sent[3:], magic_inside]) + bytes(20_000))
    assert got == [*sent[:2], *sent[3:], magic_inside]


def test_the_table_of_the_document_is_the_layout() -> None:
    text = (Path(__file__).parents[3] / "docs" / "bistatic-wire.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\w+) \|", text, re.MULTILINE)
    codes, at = "<", 0
    for offset, code, _ in rows:
        assert int(offset) == at
        codes += code
        at = struct.calcsize(codes)
    assert at == HEADER_BYTES
    assert codes == framing._LAYOUT.format
    named = [name for _, _, name in rows if name not in ("magic", "version", "length", "crc", "reserved")]
    assert set(named) == {one.name for one in dataclasses.fields(Packet)} - {"payload"}
