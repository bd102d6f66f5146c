"""Blocks from packets: against the truth under loss, duplicates, disorder and damage, and what is said about gaps."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isactrack import ProtocolError
from isactrack.drivers.bistatic.assembler import BlockAssembler
from isactrack.drivers.bistatic.control import AsRun, Settings, sensor_of
from isactrack.drivers.bistatic.framing import Packet, PacketKind, fragments_of
from isactrack.drivers.bistatic.profile import stagger_pattern
from isactrack.events import EventKind
from isactrack.frame import BlockFlag, Frame
from isactrack.ofdm import Capture

SETTINGS = Settings(rows=4, tones=75, tone_first=-900, stagger_symbols=stagger_pattern(864))
"""An odd number of tones: groups of 8 bytes then span rows, and fragments cut them."""
RATE = 552_960_000


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[EventKind, str]] = []

    def __call__(self, kind: EventKind, text: str) -> None:
        self.lines.append((kind, text))

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.lines)


def words_of(block: int, settings: Settings = SETTINGS) -> np.ndarray:
    rows, samples = settings.block_shape
    return np.random.default_rng(block).integers(-999, 999, (rows, samples, 2)).astype("<i2")


def block_packets(
    block: int, sequence: int, settings: Settings = SETTINGS, *, most: int = 320, **fields: Any
) -> list[Packet]:
    kind = PacketKind.IQ if settings.capture is Capture.IQ else PacketKind.CSI
    common = Packet(
        kind=kind, block=block, tick=settings.tick_of(block), sequence=sequence, rate_num=RATE, gain_cdb=3050
    )
    return fragments_of(
        replace(common, **fields), words_of(block, settings).tobytes(), *settings.block_shape, most_bytes=most
    )


def stream_of(blocks: int, settings: Settings = SETTINGS) -> list[Packet]:
    made: list[Packet] = []
    for block in range(blocks):
        made += block_packets(block, len(made), settings)
    return made


def feed(assembler: BlockAssembler, packets: Sequence[Packet | bytes], *, flush: bool = True) -> list[Frame]:
    frames: list[Frame] = []
    for k, packet in enumerate(packets):
        raw = packet if isinstance(packet, bytes) else packet.encode()
        frames += assembler.push(raw, 1000 + k, 5000 + k)
    return frames + (assembler.flush() if flush else [])


def test_an_undisturbed_stream_comes_out_as_it_was_sent() -> None:
    log = Log()
    assembler = BlockAssembler(SETTINGS, log)
    frames = feed(assembler, stream_of(100))
    sensor = sensor_of("x", AsRun(settings=SETTINGS))
    for block, frame in enumerate(frames):
        assert frame.samples.tobytes() == words_of(block).tobytes()
        assert sensor.decode(frame).shape == (1, 4, 75)
        assert frame.complete
        assert frame.counter == block
        last = 1000 + (block + 1) * stream_of(1)[0].fragments - 1
        assert frame.host_complete_ns == last  # of its last packet
        assert frame.device_time_s == block * sensor.frame_period_s
        assert frame.block is not None
        expected_s = frame.device_time_s + sensor.stagger_of(block)
        assert frame.block.tick / sensor.sample_rate_hz == pytest.approx(expected_s, abs=1e-12)
        assert (frame.block.flags, frame.block.gain_db) == (BlockFlag(0), 30.5)
        assert math.isnan(frame.block.temperature_c)
    assert len(frames) == 100
    assert log.lines == []
    assert assembler.stats.packets == len(stream_of(100))


@pytest.mark.parametrize("seed", range(1000, 1012))
def test_whatever_happens_on_the_way_only_what_arrived_in_time_is_valid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sent = stream_of(120)
    each = sent[0].fragments
    fate = rng.choice(
        ["ok", "lost", "twice", "swapped", "late", "flipped"], len(sent), p=[0.76, 0.06, 0.06, 0.06, 0.03, 0.03]
    )
    fate[-8 * each :] = "ok"  # what is late must come late, not at the end
    arrivals: list[tuple[float, bytes]] = []
    for k, (packet, how) in enumerate(zip(sent, fate, strict=True)):
        raw = packet.encode()
        if how in ("ok", "twice", "swapped"):
            # a fragment may come up to a block and a half later and is still in time
            arrivals.append((k + (rng.uniform(0, 1.5 * each) if how == "swapped" else 0.0), raw))
        if how == "twice":
            arrivals.append((k + rng.uniform(0.1, 1.5 * each), raw))
        if how == "late":
            arrivals.append((k + rng.uniform(4.5 * each, 6 * each), raw))
        if how == "flipped":
            damaged = bytearray(raw)
            damaged[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
            arrivals.append((k, bytes(damaged)))
        if rng.random() < 0.02:
            arrivals.append((k + 0.5, rng.bytes(int(rng.integers(0, 300)))))
    arrivals.sort(key=lambda arrival: arrival[0])

    rows, samples = SETTINGS.block_shape
    have = np.zeros((120, rows, samples), bool)
    for packet, how in zip(sent, fate, strict=True):
        if how in ("ok", "twice", "swapped"):
            have[packet.block, packet.row_first : packet.row_first + packet.row_count,
                 packet.sample_first : packet.sample_first + packet.sample_count] = True  # fmt: skip

    assembler = BlockAssembler(SETTINGS)
    frames = {frame.counter: frame for frame in feed(assembler, [raw for _, raw in arrivals])}
    assert sorted(frames) == [block for block in range(120) if have[block].any()]
    lost_bytes = 0
    for block in range(120):
        groups = have[block].reshape(-1, 2).all(axis=1)
        if block not in frames:
            lost_bytes += 4 * rows * samples
            continue
        frame = frames[block]
        assert frame.block is not None
        assert np.array_equal(frame.valid, groups)
        sure = np.repeat(groups, 4)
        assert np.array_equal(frame.samples[sure], words_of(block).reshape(-1)[sure])
        assert not frame.samples[~sure].any()
        assert (BlockFlag.LOST_FRAGMENT in frame.block.flags) == (not groups.all())
        lost_bytes += frame.lost_bytes
    stats = assembler.stats
    assert stats.frames == len(frames)
    assert stats.missing_frames == 120 - len(frames)
    assert stats.incomplete_frames == sum(not frame.complete for frame in frames.values())
    assert stats.lost_bytes == lost_bytes
    assert stats.rejected_packets == sum(how == "flipped" for how in fate) + sum(at % 1 == 0.5 for at, _ in arrivals)
    arrived = sum(how in ("ok", "swapped", "late") for how in fate) + 2 * sum(how == "twice" for how in fate)
    assert stats.packets == arrived
    assert stats.late_packets >= sum(how == "late" for how in fate)
    assert stats.late_packets + stats.duplicate_packets == sum(how in ("late", "twice") for how in fate)
    assert stats.reordered_packets > 0


def test_host_times_are_those_of_the_first_packet_and_never_go_back() -> None:
    sent = stream_of(4)
    each = sent[0].fragments
    order = [*sent[:each], *sent[2 * each : 2 * each + 1], *sent[each : 2 * each], *sent[2 * each + 1 :]]
    times = [frame.host_monotonic_ns for frame in feed(BlockAssembler(SETTINGS), order)]
    assert times == sorted(times)
    assert times[:3] == [1000, 1000 + each, 1000 + each]


# --- what is said about gaps -----------------------------------------------------------------------------------------


def flags_of(frames: list[Frame]) -> dict[int, BlockFlag]:
    return {frame.counter: frame.block.flags for frame in frames if frame.block is not None}


def test_blocks_lost_on_the_way_and_blocks_left_out_are_told_apart() -> None:
    sent = stream_of(20)
    log = Log()
    frames = feed(BlockAssembler(SETTINGS, log), [packet for packet in sent if packet.block not in (5, 6, 7)])
    assert flags_of(frames)[8] == BlockFlag.DISCONTINUITY
    assert log.lines == [(EventKind.LINK, "blocks 5 to 7 were lost on the way")]

    left_out: list[Packet] = []
    for block in (*range(5), *range(8, 20)):
        left_out += block_packets(block, len(left_out), flags=BlockFlag.OVERFLOW if block == 8 else BlockFlag(0))
    log = Log()
    assembler = BlockAssembler(SETTINGS, log)
    frames = feed(assembler, left_out)
    assert flags_of(frames)[8] == BlockFlag.DISCONTINUITY | BlockFlag.OVERFLOW
    assert (EventKind.RADIO, "blocks 5 to 7 were left out by the radio") in log.lines
    assert assembler.stats.missing_frames == 3
    assert assembler.stats.card_overflows == 0  # nothing is missing that is not counted


def test_the_first_block_may_be_missing() -> None:
    log = Log()
    frames = feed(BlockAssembler(SETTINGS, log), [packet for packet in stream_of(5) if packet.block > 0])
    assert [frame.counter for frame in frames] == [1, 2, 3, 4]
    assert log.text == "block 0 was lost on the way"


def test_a_jump_of_the_sample_clock_is_a_discontinuity_once() -> None:
    sent = [replace(packet, tick=packet.tick + (777 if packet.block >= 6 else 0)) for packet in stream_of(12)]
    log = Log()
    frames = feed(BlockAssembler(SETTINGS, log), sent)
    assert [block for block, flags in flags_of(frames).items() if flags] == [6]
    assert log.text == "the sample clock jumped by 777 before block 6"
    assert [frame.device_time_s for frame in frames] == [block * 0.004 for block in range(12)]


def test_states_of_the_radio_are_events_when_they_begin_and_end() -> None:
    sent = [
        replace(packet, flags=BlockFlag.LO_UNLOCKED if 4 <= packet.block < 9 else BlockFlag(0))
        for packet in stream_of(12)
    ]
    log = Log()
    frames = feed(BlockAssembler(SETTINGS, log), sent)
    assert [frame.usable for frame in frames] == [not 4 <= block < 9 for block in range(12)]
    assert [text.rpartition(" block ")[2] for _, text in log.lines] == ["4 on", "9 on"]
    assert all("local oscillator" in text for _, text in log.lines)


def test_an_event_of_the_radio_is_one_line_and_breaks_no_sequence() -> None:
    sent = stream_of(3)
    each = sent[0].fragments
    event = Packet(kind=PacketKind.EVENT, sequence=each, payload=b"fan\nfailed \xff")
    later = [replace(packet, sequence=packet.sequence + 1) for packet in sent[each:]]
    log = Log()
    assembler = BlockAssembler(SETTINGS, log)
    assert len(feed(assembler, [*sent[:each], event, *later])) == 3
    assert log.lines == [(EventKind.RADIO, "fan failed \ufffd")]
    assert assembler.stats.reordered_packets == 0


# --- what does not belong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": PacketKind.IQ}, {"stream": 1}, {"rate_num": RATE + 1}, {"row_first": 4}, {"sample_first": 76},
        {"row_count": 0}, {"sample_count": 74}, {"fragment": 9, "fragments": 9}, {"kind": PacketKind.COMMAND},
        {"timing_samples": math.nan}, {"timing_samples": math.inf}, {"cfo_hz": math.nan}, {"tick": 2**63},
        {"block": 2**63},
    ],
)  # fmt: skip
def test_foreign_packets_are_counted_and_change_nothing(wrong: dict[str, Any]) -> None:
    sent = stream_of(3)
    assembler = BlockAssembler(SETTINGS)
    frames = feed(assembler, [sent[0], replace(sent[1], **wrong), *sent[1:]])
    assert [frame.complete for frame in frames] == [True] * 3
    assert assembler.stats.rejected_packets == 1


@pytest.mark.parametrize("blocks_before", [9, 40])
def test_a_radio_that_begins_to_count_anew_ends_the_stream_with_an_error(blocks_before: int) -> None:
    assembler = BlockAssembler(SETTINGS)
    before = feed(assembler, stream_of(blocks_before), flush=False)
    after: list[Frame] = []
    with pytest.raises(ProtocolError, match="began to count anew") as caught:
        for packet in stream_of(60):
            after += assembler.push(packet.encode(), 1, 1)
    assert caught.value.hint
    assert [frame.counter for frame in before + after] == list(range(blocks_before))  # nothing of the new run


def test_a_burst_of_late_packets_is_no_restart() -> None:
    sent = stream_of(60)
    each = sent[0].fragments
    held, rest = sent[10 * each : 15 * each], [*sent[: 10 * each], *sent[15 * each :]]
    assembler = BlockAssembler(SETTINGS)
    feed(assembler, [*rest[: 30 * each], *held, *rest[30 * each :]])
    assert assembler.stats.late_packets == len(held)
    assert assembler.stats.missing_frames == 5


def test_samples_of_a_gate_are_assembled_like_estimates() -> None:
    iq = Settings(
        rows=2, fft_size=64, cyclic_prefix_samples=16, tone_first=-24, tone_step=2, tones=20, capture=Capture.IQ,
        subcarrier_spacing_hz=RATE / 64,
    )  # fmt: skip
    frames = feed(BlockAssembler(iq), stream_of(4, iq))
    assert [frame.samples.tobytes() for frame in frames] == [words_of(block, iq).tobytes() for block in range(4)]


@pytest.mark.parametrize("into_block", [0, 1, 3])
def test_sequences_may_wrap_between_blocks_and_within_one(into_block: int) -> None:
    sent = stream_of(8)
    first = 2**32 - 2 * sent[0].fragments - into_block
    wrapped = [replace(packet, sequence=(packet.sequence + first) % 2**32) for packet in sent]
    assembler = BlockAssembler(SETTINGS)
    assembler._sequence = first
    assert [frame.complete for frame in feed(assembler, wrapped)] == [True] * 8
    assert (assembler.stats.reordered_packets, assembler.stats.rejected_packets) == (0, 0)
