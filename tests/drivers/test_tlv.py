"""The data port of the mmw demo: what is written comes back, and whatever else comes gives only packets or skips."""

import itertools
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isactrack import ProtocolError
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.awr1642.tlv import (
    HEADER_BYTES,
    MAGIC,
    MAX_PACKET_BYTES,
    MAX_TLVS,
    AzimuthHeatmap,
    DetectedPoints,
    GuiMonitor,
    NoiseProfile,
    ProcessingStats,
    RangeDopplerHeatmap,
    RangeProfile,
    RawTlv,
    SideInfo,
    Temperatures,
    Tlv,
    TlvPacket,
    TlvStream,
    parse_packet,
)
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.drivers.simulated.tlv import POINT_Q, Version, demo_packet, encode_packet
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import radial_velocity

SDK1: Version = (1, 2, 0, 5)
SDK2: Version = (2, 1, 0, 4)
SDK3: Version = (3, 5, 0, 4)

STATS = ProcessingStats(
    interframe_processing_us=1234,
    transmit_us=567,
    interframe_margin_us=80_000,
    interchirp_margin_us=12,
    active_frame_load_percent=7,
    interframe_load_percent=42,
)


# --- golden bytes ----------------------------------------------------------------------------------------------------


def packet(version: int, *tlvs: tuple[int, bytes], objects: int = 0, total: int | None = None) -> bytes:
    """Write a packet as the header's layout says, without the encoder."""
    body = b"".join(struct.pack("<II", kind, len(value)) + value for kind, value in tlvs)
    padded = -(-(40 + len(body)) // 32) * 32
    header = struct.pack(
        "<HHHH8I", 0x0102, 0x0304, 0x0506, 0x0708, version, total or padded, 0xA1642, 7, 99, objects, len(tlvs), 0
    )
    return (header + body).ljust(padded, b"\xaa")


def test_a_packet_of_sdk_3_is_read_field_by_field() -> None:
    points = struct.pack("<8f", 1.0, 2.0, 0.5, -1.5, -3.0, 4.0, 0.0, 2.0)
    data = packet(
        0x03050004,
        (1, points),
        (7, struct.pack("<4h", 153, 21, 87, 22)),
        (2, struct.pack("<3H", 1, 2, 65535)),
        (4, struct.pack("<4h", 10, -20, 30, -40)),
        (6, struct.pack("<6I", 1234, 567, 80_000, 12, 7, 42)),
        (9, struct.pack("<iI10h", 0, 5000, 40, 41, 42, 43, 44, 45, 46, 47, 48, -49)),
        (4711, b"whatever"),
        objects=2,
    )
    (found,) = TlvStream().feed(data)
    assert found.data == data
    header = found.header
    assert (header.version, header.total_bytes, header.platform) == ((3, 5, 0, 4), len(data), 0xA1642)
    assert (header.frame_number, header.cpu_cycles, header.detected_objects) == (7, 99, 2)
    assert (header.tlv_count, header.subframe) == (7, 0)
    detected, info, profile, azimuth, stats, temperatures, raw = found.tlvs
    assert isinstance(detected, DetectedPoints)
    assert detected.position_m.tolist() == [[1.0, 2.0, 0.5], [-3.0, 4.0, 0.0]]
    assert detected.velocity_mps is not None
    assert detected.velocity_mps.tolist() == [-1.5, 2.0]
    assert isinstance(info, SideInfo)
    assert info.snr_db == pytest.approx([15.3, 8.7])
    assert info.noise_db == pytest.approx([2.1, 2.2])
    assert isinstance(profile, RangeProfile)
    assert profile.values.tolist() == [1, 2, 65535]
    assert isinstance(azimuth, AzimuthHeatmap)
    assert azimuth.by_antenna(2).tolist() == [[-20 + 10j, -40 + 30j]]  # the imaginary part comes first
    assert stats == STATS
    assert temperatures == Temperatures(valid=True, time_ms=5000, celsius=(40, 41, 42, 43, 44, 45, 46, 47, 48, -49))
    assert raw == RawTlv(4711, b"whatever")
    assert found.find(ProcessingStats) is stats
    assert found.find(NoiseProfile) is None


@pytest.mark.parametrize("version", [0x01020005, 0x02010004])
def test_points_before_sdk_3_are_fixed_point_with_their_cells(version: int) -> None:
    value = struct.pack("<HH", 2, 7) + struct.pack("<HhHhhh", 12, -3, 900, 128, 256, -64)
    value += struct.pack("<HhHhhh", 13, 5, 901, -32768, 32767, 0)
    (found,) = TlvStream().feed(packet(version, (1, value), objects=2))
    points = found.find(DetectedPoints)
    assert points is not None
    assert points.position_m.tolist() == [[1.0, 2.0, -0.5], [-256.0, 32767 / 128, 0.0]]
    assert points.velocity_mps is None
    assert points.range_index is not None
    assert points.doppler_index is not None
    assert points.peak is not None
    assert points.range_index.tolist() == [12, 13]
    assert points.doppler_index.tolist() == [-3, 5]
    assert points.peak.tolist() == [900, 901]


@pytest.mark.parametrize(
    ("version", "kind", "value"),
    [
        (0x03050004, 1, bytes(15)),
        (0x01020005, 1, bytes(3)),
        (0x01020005, 1, struct.pack("<HH", 2, 7) + bytes(12)),
        (0x01020005, 1, struct.pack("<HH", 1, 16) + bytes(12)),
        (0x03050004, 2, bytes(3)),
        (0x03050004, 3, bytes(1)),
        (0x03050004, 4, bytes(6)),
        (0x03050004, 5, bytes(5)),
        (0x03050004, 6, bytes(20)),
        (0x03050004, 7, bytes(2)),
        (0x03050004, 9, bytes(24)),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_kept_as_bytes(version: int, kind: int, value: bytes) -> None:
    assert parse_packet(packet(version, (kind, value))).tlvs == (RawTlv(kind, value),)


# --- round trip ------------------------------------------------------------------------------------------------------


def words(dtype: str) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(dtype, st.integers(0, 40))


def same_length(*columns: str) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    return st.integers(0, 12).flatmap(lambda n: st.tuples(*(hnp.arrays(column, n) for column in columns)))


tlvs_of_any_sdk = st.one_of(
    words("u2").map(RangeProfile),
    words("u2").map(NoiseProfile),
    words("u2").map(RangeDopplerHeatmap),
    same_length("i2", "i2").map(
        lambda parts: AzimuthHeatmap((parts[0] + 1j * parts[1].astype(np.float32)).astype(np.complex64))
    ),
    same_length("i2", "i2").map(
        lambda parts: SideInfo(
            snr_db=parts[0].astype(np.float32) / np.float32(10.0),
            noise_db=parts[1].astype(np.float32) / np.float32(10.0),
        )
    ),
    st.lists(st.integers(0, 2**32 - 1), min_size=6, max_size=6).map(
        lambda n: ProcessingStats(**dict(zip(ProcessingStats.__slots__, n, strict=True)))
    ),
    st.builds(
        Temperatures,
        valid=st.booleans(),
        time_ms=st.integers(0, 2**32 - 1),
        celsius=st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 10),
    ),
    st.builds(RawTlv, st.integers(10, 2**32 - 1), st.binary(max_size=60)),
)
finite = st.floats(-1000.0, 1000.0, width=32)
sdk3_points = st.lists(st.tuples(finite, finite, finite, finite), max_size=12).map(
    lambda rows: DetectedPoints(
        position_m=np.array(rows, dtype=np.float32).reshape(-1, 4)[:, :3],
        velocity_mps=np.array(rows, dtype=np.float32).reshape(-1, 4)[:, 3],
    )
)
indexed_points = st.integers(0, 12).flatmap(
    lambda n: st.builds(
        lambda xyz, r, d, p: DetectedPoints(
            position_m=xyz.astype(np.float32) / np.float32(1 << POINT_Q), range_index=r, doppler_index=d, peak=p
        ),
        hnp.arrays("i2", (n, 3)),
        hnp.arrays("u2", n),
        hnp.arrays("i2", n),
        hnp.arrays("u2", n),
    )
)


def same(a: object, b: object) -> bool:
    """Return whether two TLVs are equal, arrays included."""
    if type(a) is not type(b):
        return False
    names = type(a).__slots__  # type: ignore[attr-defined]
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


packets = st.one_of(
    st.tuples(st.just(SDK3), st.lists(tlvs_of_any_sdk | sdk3_points, max_size=6)),
    st.tuples(st.sampled_from([SDK1, SDK2]), st.lists(tlvs_of_any_sdk | indexed_points, max_size=6)),
)


@given(packets, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_what_is_encoded_is_parsed(content: tuple[Version, list[Tlv]], number: int) -> None:
    version, tlvs = content
    found = parse_packet(encode_packet(tlvs, version=version, frame_number=number, subframe=2))
    assert len(found.data) % 32 == 0
    assert found.header.version == version
    assert (found.header.frame_number, found.header.subframe, found.header.tlv_count) == (number, 2, len(tlvs))
    assert found.header.detected_objects == sum(len(t.position_m) for t in tlvs if isinstance(t, DetectedPoints))
    assert len(found.tlvs) == len(tlvs)
    assert all(same(a, b) for a, b in zip(found.tlvs, tlvs, strict=True))


# --- streams ---------------------------------------------------------------------------------------------------------


def feed_in_pieces(stream: TlvStream, data: bytes, cuts: list[int]) -> list[TlvPacket]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [p for a, b in itertools.pairwise(places) for p in stream.feed(data[a:b])]


def is_accounted_for(stream: TlvStream, found: list[TlvPacket], data: bytes) -> bool:
    """Return whether each byte is in a packet, was skipped, or waits; and the packets are where they say."""
    places = all(data[p.offset : p.offset + len(p.data)] == p.data for p in found)
    return places and sum(len(p.data) for p in found) + stream.bytes_skipped + stream.pending_bytes == len(data)


EXAMPLE = [
    encode_packet([RangeProfile(np.arange(16, dtype=np.uint16)), STATS], version=SDK3, frame_number=k)
    for k in range(1, 5)
]


@given(
    st.lists(st.binary(max_size=30).filter(lambda b: b[:1] != b"\x02"), min_size=4, max_size=4),
    st.lists(st.integers(0, 10**6), max_size=12),
)
def test_packets_between_garbage_are_found_however_the_reads_are_cut(garbage: list[bytes], cuts: list[int]) -> None:
    data = b"".join(g + p for g, p in zip(garbage, EXAMPLE, strict=True))
    stream = TlvStream()
    found = feed_in_pieces(stream, data, cuts)
    assert [p.data for p in found] == EXAMPLE
    assert stream.bytes_skipped == sum(map(len, garbage))
    assert (stream.bad_packets, stream.pending_bytes) == (0, 0)
    assert is_accounted_for(stream, found, data)


mutation = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "magic", "double"]), st.integers(0, 10**6), st.integers(1, 255)
)


def mutate(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for kind, place, value in changes:
        at = place % max(len(data), 1)
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :] if data else data
        elif kind == "cut":
            data = data[:at] + data[at + value :]
        elif kind == "insert":
            data = data[:at] + bytes([value]) * value + data[at:]
        elif kind == "magic":
            data = data[:at] + MAGIC + data[at:]
        else:
            data = data[:at] + data[at : at + value] + data[at:]
    return data


@given(st.lists(mutation, max_size=8), st.lists(st.integers(0, 10**6), max_size=8))
@settings(max_examples=150)
def test_a_mutated_stream_gives_packets_or_skips_whatever_the_reads(
    changes: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    data = mutate(b"".join(EXAMPLE), changes)
    whole, pieces = TlvStream(), TlvStream()
    at_once, one_by_one = whole.feed(data), feed_in_pieces(pieces, data, cuts)
    assert [p.data for p in at_once] == [p.data for p in one_by_one]
    assert (whole.bytes_skipped, whole.bad_packets) == (pieces.bytes_skipped, pieces.bad_packets)
    assert is_accounted_for(whole, at_once, data)
    assert is_accounted_for(pieces, one_by_one, data)


@pytest.mark.parametrize("lost", [1, 9, 40, 70])
def test_lost_bytes_cost_their_packet_and_no_other(lost: int) -> None:
    place = len(EXAMPLE[0]) + 20
    data = b"".join(EXAMPLE)
    stream = TlvStream()
    found = stream.feed(data[:place] + data[place + lost :])
    assert [p.header.frame_number for p in found] == [1, 3, 4]
    assert (stream.bad_packets, stream.bytes_skipped) == (1, len(EXAMPLE[1]) - lost)


def test_a_packet_whose_end_may_begin_a_magic_word_waits_for_what_follows() -> None:
    data = encode_packet([RawTlv(99, bytes(13) + MAGIC[:3])], version=SDK3, frame_number=1)
    assert data.endswith(MAGIC[:3])
    stream = TlvStream()
    assert stream.feed(data) == []
    assert [p.data for p in stream.feed(EXAMPLE[0])] == [data, EXAMPLE[0]]
    assert stream.feed(data) == []
    assert [p.data for p in stream.flush()] == [data]
    assert stream.flush() == []
    assert parse_packet(data).data == data
    assert [p.data for p in TlvStream().feed(data + EXAMPLE[0][3:])] == [EXAMPLE[0]]
    found = stream.feed(data[:-3] + EXAMPLE[0])
    assert [p.data for p in found] == [EXAMPLE[0]]
    assert stream.bad_packets == 1


def test_a_packet_is_dropped_as_soon_as_the_next_one_shows_that_it_was_cut() -> None:
    """A wrong length must not make the parser wait for half a megabyte."""
    broken = bytearray(EXAMPLE[0])
    struct.pack_into("<I", broken, 12, MAX_PACKET_BYTES)
    stream = TlvStream()
    assert stream.feed(bytes(broken)) == []
    assert [p.header.frame_number for p in stream.feed(EXAMPLE[1])] == [2]
    assert (stream.bad_packets, stream.bytes_skipped) == (1, len(broken))


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (12, MAX_PACKET_BYTES + 1),
        (12, HEADER_BYTES - 1),
        (12, 0),
        (32, MAX_TLVS + 1),
        (32, 20),
        (44, 1 << 31),
        (44, 200),
    ],
)
def test_a_header_or_length_that_cannot_be_costs_one_packet(offset: int, value: int) -> None:
    broken = bytearray(EXAMPLE[0])
    struct.pack_into("<I", broken, offset, value)
    stream = TlvStream()
    found = stream.feed(bytes(broken) + EXAMPLE[1])
    assert [p.header.frame_number for p in found] == [2]
    assert (stream.bad_packets, stream.bytes_skipped) == (1, len(broken))


@pytest.mark.parametrize(
    "data", [b"", EXAMPLE[0][:-1], EXAMPLE[0] + b"x", b"x" + EXAMPLE[0], EXAMPLE[0] * 2, bytes(99)]
)
def test_what_is_not_one_packet_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=f"{len(data)} bytes") as caught:
        parse_packet(data)
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        MAGIC * 125_000,
        (MAGIC + struct.pack("<8I", 0, MAX_PACKET_BYTES, 0, 0, 0, 0, 0, 0)) * 25_000,
        b"\x02" * 1_000_000,
        (MAGIC[:7]) * 140_000,
        (MAGIC + struct.pack("<8I", 0, MAX_PACKET_BYTES, 0, 0, 0, 0, MAX_TLVS, 0) + bytes(460)) * 2_000,
        bytes(1_000_000),
    ],
    ids=["magics", "headers", "first-bytes", "almost-magics", "long-packets", "zeros"],
)
@pytest.mark.parametrize("piece", [1 << 20, 997])
def test_a_hostile_megabyte_is_read_in_linear_time_and_bounded_memory(data: bytes, piece: int) -> None:
    stream = TlvStream()
    began = time.process_time()
    found = []
    for start in range(0, len(data), piece):
        found += stream.feed(data[start : start + piece])
        assert stream.pending_bytes <= MAX_PACKET_BYTES
    assert is_accounted_for(stream, found, data)
    assert time.process_time() - began < 5.0  # a search from the start for each magic word would take minutes


# --- what the profile asks for ---------------------------------------------------------------------------------------


def test_the_gui_monitor_is_read_with_and_without_its_subframe() -> None:
    asked = GuiMonitor(points=2, noise_profile=True, stats=True)
    assert GuiMonitor.from_arguments(["-1", "2", "0", "1", "0", "0", "1"]) == asked
    assert GuiMonitor.from_arguments(["2", "0", "1", "0", "0", "1"]) == asked
    assert asked
    assert not GuiMonitor.from_arguments(["-1", "0", "0", "0", "0", "0", "0"])
    assert GuiMonitor.from_arguments(["-1", "0", "0", "0", "1", "0", "0"]) == GuiMonitor(azimuth_heatmap=True)
    assert GuiMonitor.from_arguments(["-1", "0", "0", "0", "0", "1", "0"]) == GuiMonitor(range_doppler_heatmap=True)
    assert GuiMonitor.from_arguments(["-1", "0", "1", "0", "0", "0", "0"]) == GuiMonitor(range_profile=True)
    for wrong in ("1 2 3", "a b c d e f", "1 2 3 4 5 6 7 8"):
        with pytest.raises(ValueError, match=r"guiMonitor|invalid literal"):
            GuiMonitor.from_arguments(wrong.split())


# --- the emulated demo -----------------------------------------------------------------------------------------------

EVERYTHING = GuiMonitor(
    points=1, range_profile=True, noise_profile=True, azimuth_heatmap=True, range_doppler_heatmap=True, stats=True
)


@pytest.fixture(scope="module")
def sensor() -> FmcwSensor:
    return parse_profile(default_profile(), model="AWR1642")


@pytest.mark.parametrize("version", [SDK1, SDK3])
def test_the_emulated_demo_sends_the_truth_and_the_maps_of_the_samples(sensor: FmcwSensor, version: Version) -> None:
    scene = make_scene("crossing", 0)
    cube = sensor.decode_words(Synthesiser(sensor, scene, seed=1).frame(3))
    truth = scene.truth(3 * sensor.frame_period_s + sensor.coherent_time_s / 2.0)
    found = parse_packet(demo_packet(version, 4, cube, truth, EVERYTHING, sensor))
    assert (found.header.version, found.header.frame_number) == (version, 4)
    points = found.find(DetectedPoints)
    assert points is not None
    assert len(truth) == found.header.detected_objects > 0
    assert points.position_m[:, :2] == pytest.approx(truth.position_m, abs=1.0 / (1 << POINT_Q))
    velocity = radial_velocity(truth.position_m, truth.velocity_mps)
    if version is SDK3:
        assert points.velocity_mps == pytest.approx(velocity, abs=1e-5)
    else:
        assert points.doppler_index is not None
        assert points.doppler_index * sensor.velocity_resolution_mps == pytest.approx(
            velocity, abs=0.51 * sensor.velocity_resolution_mps
        )
    assert (found.find(SideInfo) is not None) == (version is SDK3)
    profile, noise = found.find(RangeProfile), found.find(NoiseProfile)
    azimuth, doppler = found.find(AzimuthHeatmap), found.find(RangeDopplerHeatmap)
    assert profile is not None
    assert noise is not None
    assert azimuth is not None
    assert doppler is not None
    bins = profile.values.size
    assert noise.values.size == bins == 1 << (sensor.samples_per_chirp - 1).bit_length()
    level = np.log2(np.abs(np.fft.fft(cube.sum(axis=0), bins, axis=2))).sum(axis=(0, 1))
    assert profile.values == pytest.approx(256.0 * level, abs=1.0)
    by_doppler = doppler.by_doppler(sensor.loops_per_frame)
    assert by_doppler.shape[0] == bins
    assert by_doppler[:, 0] == pytest.approx(profile.values, abs=1.0)
    assert by_doppler[:, sensor.loops_per_frame // 2] == pytest.approx(noise.values, abs=1.0)
    antennas = azimuth.by_antenna(sensor.n_tx * sensor.n_rx)
    strongest = np.fft.fft(cube.mean(axis=0).reshape(-1, sensor.samples_per_chirp), bins, axis=1)
    assert antennas == pytest.approx(strongest.T / sensor.samples_per_chirp, abs=1.0)
    assert found.find(ProcessingStats) is not None


def test_the_emulated_demo_sends_only_what_is_asked_for(sensor: FmcwSensor) -> None:
    scene = make_scene("noise", 0)
    cube = sensor.decode_words(Synthesiser(sensor, scene).frame(0))
    found = parse_packet(demo_packet(SDK3, 1, cube, scene.truth(0.0), GuiMonitor(points=2), sensor))
    assert [type(tlv) for tlv in found.tlvs] == [DetectedPoints]
    assert found.header.detected_objects == 0
