"""The data port's socket, read in batches."""

import socket
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from isactrack import DeviceError, FmcwSensor
from isactrack.drivers.awr1642 import receiver as receiver_module
from isactrack.drivers.awr1642.dca1000 import Addresses, bind_udp, encode_data_packet
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.awr1642.receiver import (
    BATCH,
    DATAGRAM_BYTES,
    DatagramReader,
    MmsgReader,
    PlainReader,
    Receiver,
    address_number,
    open_reader,
)
from isactrack.drivers.registry import open_device

PAYLOAD = 1456
Open = Callable[[socket.socket], DatagramReader]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="recvmmsg is a call of Linux")


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with bind_udp("127.0.0.1", 0, receive_buffer_bytes=4 << 20) as bound:
        yield bound


@pytest.fixture
def sensor() -> FmcwSensor:
    return parse_profile(default_profile())


@pytest.fixture(params=[PlainReader, pytest.param(MmsgReader, marks=ON_LINUX)])
def opener(request: pytest.FixtureRequest) -> Open:
    made: Open = request.param
    return made


def read_all(reader: DatagramReader, count: int) -> list[bytes]:
    """Read until `count` datagrams are there; a batch may end anywhere."""
    got: list[bytes] = []
    deadline = time.monotonic() + 5.0
    while len(got) < count and time.monotonic() < deadline:
        for index in range(reader.read()):
            got.append(reader.datagrams[index, : reader.lengths[index]].tobytes())
            assert reader.senders[index] == address_number("127.0.0.1")
    return got


def test_datagrams_come_in_their_order_with_their_lengths_and_senders(opener: Open, sock: socket.socket) -> None:
    reader = opener(sock)
    rng = np.random.default_rng(1)
    sent = [rng.bytes(int(size)) for size in rng.integers(0, DATAGRAM_BYTES, 3 * BATCH + 17)]
    with bind_udp("127.0.0.1", 0) as sender:
        for datagram in sent:
            sender.sendto(datagram, sock.getsockname())
    assert read_all(reader, len(sent)) == sent
    assert reader.read() == 0


def test_what_has_arrived_is_taken_at_once_up_to_a_batch(opener: Open, sock: socket.socket) -> None:
    reader = opener(sock)
    with bind_udp("127.0.0.1", 0) as sender:
        for _ in range(BATCH + 5):
            sender.sendto(b"x", sock.getsockname())
    assert [reader.read(), reader.read(), reader.read()] == [BATCH, 5, 0]


def test_the_sender_is_told_apart(opener: Open, sock: socket.socket) -> None:
    reader = opener(sock)
    with bind_udp("127.0.0.2", 0) as stranger:
        stranger.sendto(b"x", sock.getsockname())
    assert reader.read() == 1
    assert reader.senders[0] == address_number("127.0.0.2")


def test_a_datagram_that_is_too_long_is_cut_off_the_grain(opener: Open, sock: socket.socket) -> None:
    reader = opener(sock)
    with bind_udp("127.0.0.1", 0) as sender:
        sender.sendto(bytes(DATAGRAM_BYTES + 8), sock.getsockname())
        sender.sendto(b"next", sock.getsockname())
    if sys.platform == "win32":
        return  # refuses to cut one
    assert read_all(reader, 2) == [bytes(DATAGRAM_BYTES), b"next"]
    assert (DATAGRAM_BYTES - 10) % 8  # so the assembler rejects it


def test_an_idle_socket_neither_spins_nor_blocks(opener: Open, sock: socket.socket) -> None:
    reader = opener(sock)
    began, worked = time.monotonic(), time.thread_time()
    assert reader.read() == 0
    assert 0.02 < time.monotonic() - began < 1.0
    assert time.thread_time() - worked < 0.02


def test_a_closed_socket_is_an_error(opener: Open, sock: socket.socket) -> None:
    reader = opener(sock)
    sock.close()
    with pytest.raises(OSError, match="ad file"):
        reader.read()


@ON_LINUX
def test_linux_reads_batches(sock: socket.socket) -> None:
    assert isinstance(open_reader(sock), MmsgReader)


def test_other_systems_read_one_by_one(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(open_reader(sock), PlainReader)


def test_a_stream_among_strangers_arrives_whole(
    opener: Open, sensor: FmcwSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "open_reader", opener)
    with bind_udp("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    receiver = Receiver(Addresses(host_ip="127.0.0.1", fpga_ip="127.0.0.1", data_port=port), sensor)
    data = np.random.default_rng(2).integers(1, 256, 3 * sensor.frame_bytes, dtype=np.uint8).tobytes()
    strange = 0
    with bind_udp("127.0.0.1", 0) as card, bind_udp("127.0.0.3", 0) as stranger:
        for number, start in enumerate(range(0, len(data), PAYLOAD)):
            card.sendto(encode_data_packet(number + 1, start, data[start : start + PAYLOAD]), ("127.0.0.1", port))
            if number % 10 == 3:
                stranger.sendto(encode_data_packet(1, start + PAYLOAD, bytes(PAYLOAD)), ("127.0.0.1", port))
                strange += 1
    receiver.close()
    frames = [frame for _ in range(3) if (frame := receiver.take(0.0)) is not None]
    assert b"".join(frame.samples.astype("<i2").tobytes() for frame in frames) == data
    assert receiver.ended
    assert (receiver.stats.rejected_packets, receiver.stats.lost_bytes) == (strange, 0)


def test_a_socket_that_fails_ends_the_stream_with_its_reason(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_device("sim://awr1642?scene=noise&speed=8") as device:
        device.configure()
        device.start()
        assert device.read() is not None
        monkeypatch.setattr(type(open_reader(sock)), "read", fail)
        with pytest.raises(DeviceError, match="data port of the capture card failed"):
            for _ in range(1000):
                device.read()


def fail(reader: DatagramReader) -> int:
    raise OSError(100, "Network is down")
