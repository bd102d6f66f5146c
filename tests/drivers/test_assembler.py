"""Frames from packets: whatever the network does, a byte is right or marked as lost."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import Frame
from isactrack.drivers.awr1642.assembler import FrameAssembler
from isactrack.drivers.awr1642.captures import udp_datagrams
from isactrack.drivers.awr1642.dca1000 import encode_data_packet
from isactrack.drivers.awr1642.profile import parse_profile

Packet = tuple[int, bytes]  # position in the stream and data


def stream(n_bytes: int, seed: int = 1) -> bytes:
    """Random bytes without zeros, so that a lost byte cannot pass for a right one."""
    return np.random.default_rng(seed).integers(1, 256, n_bytes, dtype=np.uint8).tobytes()


def cut(data: bytes, payload: int) -> list[Packet]:
    return [(start, data[start : start + payload]) for start in range(0, len(data), payload)]


def push(assembler: FrameAssembler, packet: Packet, when_ns: int = 0) -> list[Frame]:
    start, data = packet
    return assembler.push(encode_data_packet(1, start, data), when_ns, 0)


def counters(frames: list[Frame]) -> list[int]:
    return [frame.counter for frame in frames]


# --- real packets ----------------------------------------------------------------------------------------------------


def test_a_real_frame_waits_for_the_tail_that_the_card_holds_back(recordings_dir: Path) -> None:
    wire = recordings_dir / "dca1000-wire"
    cfg = (wire / "xwr18xx_profile_2023_01_01T00_00_00_000.cfg").read_text()
    sensor = replace(parse_profile(cfg, enforce_limits=False), loops_per_frame=2)
    assembler = FrameAssembler(sensor.frame_bytes, sensor.frame_period_s)
    packets = [datagram for _, datagram in udp_datagrams(wire / "test_one_frame.pcap", 4098)]
    assert len(packets) == 12
    for number, packet in enumerate(packets[:11]):
        assert assembler.push(packet, 1000 + number, 7) == []
    (frame,) = assembler.push(packets[11], 2_000_000_000, 8)
    assert frame.complete
    assert frame.samples.nbytes == sensor.frame_bytes == 16384
    assert frame.samples.astype("<i2").tobytes() == b"".join(packet[10:] for packet in packets)
    assert (frame.counter, frame.device_time_s) == (0, 0.0)
    assert (frame.host_monotonic_ns, frame.host_utc_ns) == (1000, 7)  # of the first byte, not of the last
    assert frame.host_complete_ns == 2_000_000_000
    cube = sensor.decode(frame)
    power = (np.abs(np.fft.fft(cube * np.hanning(256), axis=3)) ** 2).sum(axis=(0, 1, 2))
    # Bins 39 and 59 are the two reflectors; the near field and the mirrored half hold nothing that competes.
    peaks = [b for b in range(20, 236) if power[b] == power[b - 3 : b + 4].max()]
    assert sorted(sorted(peaks, key=lambda b: -power[b])[:2]) == [39, 59]
    assert assembler.flush() == []
    assert assembler.stats.packets == 12
    assert assembler.stats.lost_bytes == 0


# --- properties ------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    frame_bytes: int
    data: bytes
    packets: list[Packet]


@st.composite
def deliveries(draw: st.DrawFn) -> Case:
    """A stream of packets with loss, duplicates, reordering within a window and stragglers."""
    frame_bytes = 8 * draw(st.integers(1, 60))
    payload = draw(st.sampled_from([8, 16, 48, 56, 128, 1456]))
    data = stream(8 * draw(st.integers(1, 400)), seed=draw(st.integers(0, 9)))
    packets = cut(data, payload)
    places: list[tuple[float, Packet]] = []
    for index, packet in enumerate(packets):
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 2]))):
            delay = draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3, 20]))
            places.append((index + delay * 1.01, packet))
    places.sort(key=lambda place: place[0])
    return Case(frame_bytes, data, [packet for _, packet in places])


def check_frames(case: Case, frames: list[Frame]) -> None:
    """Every byte is right or marked, and 0 where it is marked."""
    size = case.frame_bytes
    padded = np.frombuffer(case.data.ljust(-(-len(case.data) // size) * size, b"\0"), dtype=np.uint8)
    for frame in frames:
        got = frame.samples.astype("<i2").view(np.uint8).reshape(-1, 8)
        want = padded[frame.counter * size : (frame.counter + 1) * size].reshape(-1, 8)
        assert np.array_equal(got[frame.valid], want[frame.valid])
        assert not got[~frame.valid].any()
        beyond = np.arange(frame.counter * size, (frame.counter + 1) * size, 8) >= len(case.data)
        assert not frame.valid[beyond].any()


@settings(max_examples=100, deadline=None)
@given(deliveries())
def test_every_byte_is_right_or_marked_and_everything_is_accounted_for(case: Case) -> None:
    assembler = FrameAssembler(case.frame_bytes, 0.1)
    frames: list[Frame] = []
    for packet in case.packets:
        frames += push(assembler, packet)
    frames += assembler.flush()
    check_frames(case, frames)
    got = counters(frames)
    assert got == sorted(set(got))

    stats = assembler.stats
    end = max((start + len(data) for start, data in case.packets), default=0)
    whole = -(-end // case.frame_bytes)  # frames of which the stream gave a sign
    assert stats.packets == len(case.packets)
    assert stats.rejected_packets == 0
    assert stats.frames == len(frames)
    assert stats.frames + stats.missing_frames == whole
    assert stats.incomplete_frames == sum(not frame.complete for frame in frames)
    valid_bytes = 8 * sum(int(frame.valid.sum()) for frame in frames)
    assert stats.lost_bytes == whole * case.frame_bytes - valid_bytes
    assert stats.lost_bytes == sum(f.lost_bytes for f in frames) + stats.missing_frames * case.frame_bytes
    assert stats.late_packets + stats.duplicate_packets + stats.reordered_packets <= stats.packets


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(11)), st.sampled_from([16, 48, 1456]))
def test_reordering_within_the_window_loses_nothing(order: list[int], payload: int) -> None:
    """The stream never gets two whole frames past the first, so any order is as good as the right one."""
    data = stream(11 * payload)
    assembler = FrameAssembler(4 * payload, 0.1)
    packets = cut(data, payload)
    frames = [frame for index in order for frame in push(assembler, packets[index])] + assembler.flush()
    assert b"".join(frame.samples.astype("<i2").tobytes() for frame in frames) == data + bytes(payload)
    assert [frame.lost_bytes for frame in frames] == [0, 0, payload]
    highest = np.maximum.accumulate([-1, *order])[:-1]
    assert assembler.stats.reordered_packets == int(np.count_nonzero(np.asarray(order) < highest))
    assert assembler.stats.late_packets == assembler.stats.duplicate_packets == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 23), min_size=24, max_size=80))
def test_duplicates_are_counted_as_brute_force_does(order: list[int]) -> None:
    data = stream(24 * 16)
    packets = cut(data, 16)
    assembler = FrameAssembler(24 * 16, 0.1)  # one frame: nothing can be late before it is complete
    complete_at = None
    seen: Counter[int] = Counter()
    duplicates = late = 0
    for index in order:
        frames = push(assembler, packets[index])
        if complete_at is not None:
            late += 1
        elif seen[index]:
            duplicates += 1
        seen[index] += 1
        if len(seen) == 24 and complete_at is None:
            complete_at = index
            assert counters(frames) == [0]
        else:
            assert frames == []
    assert assembler.stats.duplicate_packets == duplicates
    assert assembler.stats.late_packets == late


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(deliveries())
def test_every_byte_is_right_or_marked_at_length(case: Case) -> None:
    test_every_byte_is_right_or_marked_and_everything_is_accounted_for.hypothesis.inner_test(case)  # type: ignore[attr-defined]


# --- single stories --------------------------------------------------------------------------------------------------


def test_a_late_packet_fills_its_hole_within_two_frames() -> None:
    data = stream(4 * 64)
    packets = cut(data, 32)
    assembler = FrameAssembler(64, 0.1)
    frames = [f for packet in [packets[0], *packets[2:4]] for f in push(assembler, packet)]
    assert frames == []
    assert push(assembler, packets[4]) == []  # two frames ahead begins only with the last byte of frame 2
    filled = push(assembler, packets[1])
    assert counters(filled) == [0, 1]
    assert all(frame.complete for frame in filled)
    assert assembler.stats.reordered_packets == 1
    assert assembler.stats.lost_bytes == 0


def test_a_packet_that_comes_too_late_is_counted_and_its_frame_marked() -> None:
    packets = cut(stream(6 * 64), 32)
    assembler = FrameAssembler(64, 0.25)
    frames = [f for index in (0, 2, 3, 4, 5) for f in push(assembler, packets[index])]
    assert counters(frames) == [0, 1, 2]
    assert frames[0].valid.tolist() == [True] * 4 + [False] * 4
    assert frames[0].lost_bytes == 32
    assert [frame.device_time_s for frame in frames] == [0.0, 0.25, 0.5]
    assert push(assembler, packets[1]) == []
    assert assembler.stats.late_packets == 1
    assert assembler.stats.lost_bytes == 32


def test_a_late_packet_that_straddles_frames_still_fills_the_one_that_waits() -> None:
    data = stream(4 * 64)
    packets = cut(data, 48)
    assembler = FrameAssembler(64, 0.1)
    frames = [f for index in (0, 2, 3) for f in push(assembler, packets[index])]
    assert counters(frames) == [0]  # given up, for the stream has reached the end of frame 2
    frames = push(assembler, packets[1])
    assert counters(frames) == [1, 2]
    assert b"".join(frame.samples.astype("<i2").tobytes() for frame in frames) == data[64:192]
    assert assembler.stats.late_packets == 0


def test_whole_frames_that_are_missing_show_as_a_jump_of_the_counter() -> None:
    packets = cut(stream(20 * 64), 32)
    assembler = FrameAssembler(64, 0.1)
    frames = [f for packet in packets[:4] + packets[20:] for f in push(assembler, packet)] + assembler.flush()
    assert counters(frames) == [0, 1, *range(10, 20)]
    assert assembler.stats.missing_frames == 8
    assert assembler.stats.lost_bytes == 8 * 64


def test_a_flush_gives_out_the_rest() -> None:
    packets = cut(stream(5 * 64), 32)
    assembler = FrameAssembler(64, 0.1)
    frames = [f for packet in [*packets[:3], *packets[6:9]] for f in push(assembler, packet)]
    assert counters(frames) == [0, 1]
    rest = assembler.flush()
    assert counters(rest) == [3, 4]
    assert [frame.lost_bytes for frame in rest] == [0, 32]
    assert assembler.stats.missing_frames == 1
    assert assembler.flush() == []


@pytest.mark.parametrize("bit", [20, 25, 40, 47])
def test_a_flipped_bit_in_a_byte_count_costs_its_own_packet_only(bit: int) -> None:
    size = 131072
    packets = cut(stream(12 * size), 1456)
    packets[300] = (packets[300][0] ^ 1 << bit, packets[300][1])
    assembler = FrameAssembler(size, 0.1)
    frames = [f for packet in packets for f in push(assembler, packet)] + assembler.flush()
    assert counters(frames) == list(range(12))
    assert sum(frame.lost_bytes for frame in frames) == assembler.stats.lost_bytes == 1456
    assert (assembler.stats.rejected_packets, assembler.stats.late_packets) == (1, 0)


def test_a_packet_off_the_grain_is_rejected() -> None:
    assembler = FrameAssembler(64, 0.1)
    assert push(assembler, (4, bytes(32))) == []
    assert push(assembler, (36, bytes(32))) == []  # not even if another one continues it
    assert assembler.stats.rejected_packets == 2
    assert assembler.flush() == []


@pytest.mark.parametrize("second", [1, 3])
def test_a_true_long_gap_is_believed_at_the_second_packet_and_the_first_is_kept(second: int) -> None:
    far = 1 << 30
    assembler = FrameAssembler(64, 0.1)
    push(assembler, (0, bytes(64)))
    buffer = bytearray(encode_data_packet(1, far, b"\x07" * 32))
    assert assembler.push(memoryview(buffer), 5, 50) == []
    buffer[:] = bytes(len(buffer))  # the next datagram lands in the same place
    frames = [f for k in range(second, 8) for f in push(assembler, (far + 32 * k, bytes([k]) * 32), 100 + k)]
    assert counters(frames)[:2] == [far // 64, far // 64 + 1]
    assert frames[0].samples[:16].tolist() == [0x0707] * 16
    assert (frames[0].host_monotonic_ns, frames[0].host_utc_ns) == (5, 50)
    assert assembler.stats.missing_frames == far // 64 - 1
    assert assembler.stats.rejected_packets == 0


def test_a_packet_ahead_that_nothing_follows_is_rejected_as_soon_as_the_stream_goes_on() -> None:
    assembler = FrameAssembler(64, 0.1)
    push(assembler, (0, bytes(64)))
    push(assembler, (1 << 30, bytes(32)))
    assert assembler.stats.rejected_packets == 0
    push(assembler, (0, bytes(64)))  # a double says nothing of how the stream goes on
    assert assembler.stats.rejected_packets == 0
    push(assembler, (64, bytes(64)))
    assert assembler.stats.rejected_packets == 1
    push(assembler, (1 << 30, bytes(32)))
    push(assembler, (1 << 35, bytes(32)))
    assert assembler.stats.rejected_packets == 2
    assert assembler.flush() == []
    assert assembler.stats.rejected_packets == 3


def test_a_stream_that_may_begin_anywhere_counts_from_its_first_frame() -> None:
    data = stream(6 * 64)
    packets = [(1000 * 64 + start, payload) for start, payload in cut(data, 32)]
    assembler = FrameAssembler(64, 0.1, begins_anywhere=True)
    frames = [f for packet in [packets[1], packets[0], *packets[2:]] for f in push(assembler, packet)]
    assert counters(frames) == [0, 1, 2, 3, 4, 5]
    assert b"".join(frame.samples.astype("<i2").tobytes() for frame in frames) == data
    assert (assembler.stats.lost_bytes, assembler.stats.missing_frames) == (0, 0)
    assert push(assembler, (999 * 64, bytes(32))) == []  # from before the beginning
    assert assembler.stats.late_packets == 1
    late = FrameAssembler(64, 0.1, begins_anywhere=True)
    assert push(late, packets[1]) == []
    (partial,) = late.flush()
    assert (partial.counter, partial.lost_bytes, late.stats.lost_bytes) == (0, 32, 32)


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(12)))
def test_the_hosts_clock_never_runs_back_from_frame_to_frame(order: list[int]) -> None:
    packets = cut(stream(12 * 32), 32)
    assembler = FrameAssembler(64, 0.1)
    frames = [f for when, index in enumerate(order) for f in push(assembler, packets[index], when)] + assembler.flush()
    clock = [frame.host_monotonic_ns for frame in frames]
    assert clock == sorted(clock)
    came = {index: when for when, index in enumerate(order)}
    for frame in frames:
        last = max(came[2 * frame.counter], came[2 * frame.counter + 1])
        assert frame.host_complete_ns == (last if frame.complete else 0)


@pytest.mark.parametrize("datagram", [b"", b"\x01", bytes(9), bytes(10), bytes(11), bytes(10 + 1455), bytes(10 + 4)])
def test_malformed_datagrams_are_rejected_and_counted(datagram: bytes) -> None:
    assembler = FrameAssembler(64, 0.1)
    assert assembler.push(datagram, 0, 0) == []
    assert assembler.stats.rejected_packets == 1
    assert assembler.stats.packets == 0


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=30))
def test_no_bytes_from_the_network_break_the_assembler(datagrams: list[bytes]) -> None:
    assembler = FrameAssembler(64, 0.1)
    for datagram in datagrams:
        assembler.push(datagram, 0, 0)
    assembler.flush()
    assert assembler.stats.packets + assembler.stats.rejected_packets == len(datagrams)


def test_the_frame_does_not_share_the_receive_buffer() -> None:
    buffer = bytearray(encode_data_packet(1, 0, b"\x01" * 64))
    (frame,) = FrameAssembler(64, 0.1).push(memoryview(buffer), 0, 0)
    buffer[:] = bytes(len(buffer))
    assert np.all(frame.samples == 0x0101)


@pytest.mark.parametrize("size", [0, -8, 12])
def test_a_frame_size_off_the_grain_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        FrameAssembler(size, 0.1)
