"""A batch of packets gives what its packets give one after the other."""

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import Frame
from isactrack.drivers.awr1642.assembler import FrameAssembler
from isactrack.drivers.awr1642.dca1000 import encode_data_packet

STRIDE = 1472
Batch = list[bytes]


def rows(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """The batch as the receiver gives it: what lies behind a datagram's end is left over from others."""
    datagrams = np.full((len(batch), STRIDE), 0xEE, np.uint8)
    for row, datagram in zip(datagrams, batch, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram, np.uint8)
    return datagrams, np.array([len(datagram) for datagram in batch], np.uint32)


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, list[Batch]]:
    """A stream cut into batches: mostly as it was sent, with loss, doubles, stragglers, strays, stubs and garbage."""
    frame_bytes = 8 * draw(st.integers(1, 80) | st.sampled_from([182, 364, 1024, 4096]))
    payload = draw(st.sampled_from([8, 48, 56, 128, 1456]))
    data = np.random.default_rng(draw(st.integers(0, 9))).integers(1, 256, 300 * payload, dtype=np.uint8).tobytes()
    most = min(len(data), 300 * frame_bytes)  # each frame is compared, and the smallest would be 50 000
    data = data[: 8 * draw(st.integers(1, most // 8))]
    places = [(float(start), start) for start in range(0, len(data), payload)]
    faults = st.tuples(st.integers(0, len(places) - 1), st.sampled_from(["lose", "double", "delay", "hole", "flip"]))
    for index, fault in draw(st.lists(faults, max_size=6)):
        when, start = places[index]
        reach = draw(st.integers(1, 100))
        if fault == "lose":
            places[index] = (-1.0, -1)
        elif fault == "hole":
            places[index : index + reach] = [(-1.0, -1)] * len(places[index : index + reach])
        elif fault == "double":
            places.append((when + payload * (reach + 0.5), start))
        elif fault == "delay":
            places[index] = (when + payload * (reach + 0.5), start)
        else:
            places[index] = (when, start ^ 1 << draw(st.integers(2, 47)))
    stream = [
        encode_data_packet(1, start, data[start : start + payload] or bytes(payload))
        for _, start in sorted(places)
        if start >= 0
    ]
    for index, garbage in draw(st.lists(st.tuples(st.integers(0, 299), st.binary(max_size=40)), max_size=3)):
        stream.insert(index, garbage)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    bounds = [0, *cuts, len(stream)]
    return frame_bytes, [stream[a:b] for a, b in pairwise(bounds)]


def check_same(one: list[Frame], other: list[Frame]) -> None:
    assert [frame.counter for frame in one] == [frame.counter for frame in other]
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.samples, b.samples)
        assert np.array_equal(a.valid, b.valid)
        assert (a.device_time_s, a.host_monotonic_ns, a.host_utc_ns, a.host_complete_ns) == (
            b.device_time_s,
            b.host_monotonic_ns,
            b.host_utc_ns,
            b.host_complete_ns,
        )


def check_batches(
    frame_bytes: int, stream: list[Batch], late_frames: int, begins_anywhere: bool, flush_at: int
) -> None:
    one, other = (
        FrameAssembler(frame_bytes, 0.1, late_frames=late_frames, begins_anywhere=begins_anywhere) for _ in range(2)
    )
    for turn, batch in enumerate(stream):
        when = 1000 * (turn + 1)
        ages = np.arange(len(batch))[::-1] if turn % 2 else np.zeros(len(batch), np.int64)
        alone = [
            frame
            for datagram, age in zip(batch, ages.tolist(), strict=True)
            for frame in one.push(datagram, when - age, 7 * when - age)
        ]
        datagrams, lengths = rows(batch)
        together = other.push_batch(datagrams, lengths, when, 7 * when, ages.tolist().__getitem__ if turn % 2 else None)
        datagrams[:] = 0  # the frames must not share the receiver's memory
        if turn == flush_at:
            alone, together = alone + one.flush(), together + other.flush()
        check_same(alone, together)
        assert one.position == other.position
        assert asdict(one.stats) == asdict(other.stats)
    check_same(one.flush(), other.flush())
    assert asdict(one.stats) == asdict(other.stats)


@settings(max_examples=60, deadline=None)
@given(batches(), st.integers(0, 3), st.booleans(), st.integers(0, 9))
def test_a_batch_gives_what_its_packets_give(
    case: tuple[int, list[Batch]], late_frames: int, begins_anywhere: bool, flush_at: int
) -> None:
    check_batches(*case, late_frames, begins_anywhere, flush_at)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(batches(), st.integers(0, 3), st.booleans(), st.integers(0, 9))
def test_a_batch_gives_what_its_packets_give_at_length(
    case: tuple[int, list[Batch]], late_frames: int, begins_anywhere: bool, flush_at: int
) -> None:
    check_batches(*case, late_frames, begins_anywhere, flush_at)


def test_an_undisturbed_stream_is_copied_without_a_call_a_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(1).integers(1, 256, 256 * 1456, dtype=np.uint8).tobytes()
    batch = [encode_data_packet(k + 1, 1456 * k, data[1456 * k :][:1456]) for k in range(256)]
    assembler = FrameAssembler(65536, 0.1)
    monkeypatch.setattr(FrameAssembler, "push", None)
    frames = assembler.push_batch(*rows(batch), 5, 6) + assembler.flush()
    assert b"".join(frame.samples.astype("<i2").tobytes() for frame in frames) == data.ljust(6 * 65536, b"\0")
    assert [frame.complete for frame in frames] == [True] * 5 + [False]
    assert assembler.stats.packets == 256


def test_an_empty_batch_gives_nothing() -> None:
    assert FrameAssembler(64, 0.1).push_batch(*rows([]), 0, 0) == []


@dataclass(frozen=True)
class Network:
    """What a network does to packets: shares that get lost, double, change places, or come some packets late."""

    loss: float
    duplication: float
    reordering: float
    lateness: float
    late_by: int


shares = st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.5])
networks = st.builds(Network, shares, shares, shares, shares, st.sampled_from([2, 30, 500]))


def deliver(network: Network, n_packets: int, rng: np.random.Generator) -> np.ndarray:
    """Return which packet comes at each turn."""
    due = np.arange(n_packets, dtype=np.float64)
    due += 1.5 * (rng.random(n_packets) < network.reordering)
    due += network.late_by * (rng.random(n_packets) < network.lateness)
    came = np.flatnonzero(rng.random(n_packets) >= network.loss)
    twice = came[rng.random(came.size) < network.duplication]
    order = np.concatenate([due[came], due[twice] + rng.integers(0, 40, twice.size)])
    return np.concatenate([came, twice])[np.argsort(order, kind="stable")]


def check_network(network: Network, groups_per_frame: int, payload: int, seed: int, batch_size: int) -> None:
    rng = np.random.default_rng(seed)
    frame_bytes = 8 * groups_per_frame
    n_packets = min(int(rng.integers(1, 1500)), 1 + 300 * frame_bytes // payload)
    data = rng.integers(1, 256, n_packets * payload, dtype=np.uint8)
    order = deliver(network, n_packets, rng)
    assembler = FrameAssembler(frame_bytes, 0.1)
    frames: list[Frame] = []
    for first in range(0, order.size, batch_size):
        numbers = order[first : first + batch_size].tolist()
        batch = [
            encode_data_packet(k + 1, k * payload, data[k * payload : (k + 1) * payload].tobytes()) for k in numbers
        ]
        frames += assembler.push_batch(*rows(batch), 0, 0)
    frames += assembler.flush()
    stats = assembler.stats
    assert stats.packets + stats.rejected_packets == order.size
    padded = np.pad(data, (0, -data.size % frame_bytes)).reshape(-1, groups_per_frame, 8)
    came = np.pad(np.repeat(np.isin(np.arange(n_packets), order), payload // 8), (0, -data.size % frame_bytes // 8))
    valid_bytes = 0
    for frame in frames:
        got = frame.samples.astype("<i2").view(np.uint8).reshape(-1, 8)
        assert np.array_equal(got[frame.valid], padded[frame.counter][frame.valid])
        assert not got[~frame.valid].any()
        assert not (frame.valid & ~came.reshape(-1, groups_per_frame)[frame.counter]).any()
        valid_bytes += 8 * int(frame.valid.sum())
    assert stats.lost_bytes == (stats.frames + stats.missing_frames) * frame_bytes - valid_bytes
    if network.loss == network.lateness == 0.0 and 2 * frame_bytes >= 4 * payload:
        assert valid_bytes == data.size  # doubles and neighbours that change places cost nothing


@settings(max_examples=30, deadline=None)
@given(networks, st.integers(1, 700), st.sampled_from([8, 48, 728, 1456]), st.integers(0, 99), st.integers(1, 300))
def test_whatever_the_network_does_every_byte_is_right_or_marked(
    network: Network, groups_per_frame: int, payload: int, seed: int, batch_size: int
) -> None:
    check_network(network, groups_per_frame, payload, seed, batch_size)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(networks, st.integers(1, 5000), st.sampled_from([8, 48, 728, 1456]), st.integers(0, 9999), st.integers(1, 1024))
def test_whatever_the_network_does_every_byte_is_right_or_marked_at_length(
    network: Network, groups_per_frame: int, payload: int, seed: int, batch_size: int
) -> None:
    check_network(network, groups_per_frame, payload, seed, batch_size)
