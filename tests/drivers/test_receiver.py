"""The data port's socket, read in batches."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isactrack import DeviceError, FmcwSensor, Frame
from isactrack.drivers.awr1642 import receiver as receiver_module
from isactrack.drivers.awr1642.dca1000 import Addresses, bind_udp, encode_data_packet
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.awr1642.reading_process import BATCH, BLOCK_BYTES, DATAGRAM_BYTES
from isactrack.drivers.awr1642.receiver import (
    COALESCE_S,
    SHARED_BLOCKS,
    Batch,
    DatagramReader,
    MmsgReader,
    PacketSource,
    PlainReader,
    ProcessSource,
    Receiver,
    ThreadSource,
    address_number,
    arrival_age_ns,
    coalescing_pause_s,
    open_reader,
    open_source,
)
from isactrack.drivers.registry import open_device

PAYLOAD = 1456
Open = Callable[[socket.socket], DatagramReader]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="recvmmsg is a call of Linux")


@pytest.fixture(autouse=True)
def quick_wires() -> None:
    """The wires as they are, with a process that reads the socket."""


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


# --- whole receivers -------------------------------------------------------------------------------------------------


def plain_source(sock: socket.socket) -> PacketSource:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiver_module, "open_reader", PlainReader)
        return ThreadSource(sock)


FORMS = [
    pytest.param(plain_source, id="plain-thread"),
    pytest.param(ThreadSource, id="thread", marks=ON_LINUX),
    pytest.param(ProcessSource, id="process", marks=ON_LINUX),
]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each form of reading the socket in turn."""
    monkeypatch.setattr(receiver_module, "open_source", request.param)


@pytest.fixture
def small() -> FmcwSensor:
    """Frames of 8 KiB."""
    sensor = replace(parse_profile(default_profile()), loops_per_frame=4)
    assert sensor.frame_bytes == 8192
    return sensor


@contextmanager
def receiving(sensor: FmcwSensor) -> Iterator[tuple[Receiver, tuple[str, int]]]:
    """A receiver on a free port of loopback, and that port."""
    with bind_udp("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    receiver = Receiver(Addresses(host_ip="127.0.0.1", fpga_ip="127.0.0.1", data_port=port), sensor)
    try:
        yield receiver, ("127.0.0.1", port)
    finally:
        receiver.close()


def make_stream(n_bytes: int) -> bytes:
    return np.random.default_rng(2).integers(1, 256, n_bytes, dtype=np.uint8).tobytes()


def packets_of(data: bytes) -> list[bytes]:
    starts = range(0, len(data), PAYLOAD)
    return [encode_data_packet(k + 1, start, data[start : start + PAYLOAD]) for k, start in enumerate(starts)]


def send(data: bytes, target: tuple[str, int]) -> None:
    with bind_udp("127.0.0.1", 0) as card:
        for packet in packets_of(data):
            card.sendto(packet, target)


def take_rest(receiver: Receiver) -> list[Frame]:
    receiver.close()
    frames = []
    while (frame := receiver.take(0.0)) is not None:
        frames.append(frame)
    assert receiver.ended
    return frames


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def samples_of(frames: list[Frame]) -> bytes:
    return b"".join(frame.samples.astype("<i2").tobytes() for frame in frames)


def reading_process(receiver: Receiver) -> "subprocess.Popen[bytes]":
    source = receiver._source
    assert isinstance(source, ProcessSource)
    return source._process


@pytest.mark.usefixtures("form")
def test_a_stream_among_strangers_arrives_whole(sensor: FmcwSensor) -> None:
    data = make_stream(3 * sensor.frame_bytes)
    strange = 0
    with receiving(sensor) as (receiver, target):
        with bind_udp("127.0.0.1", 0) as card, bind_udp("127.0.0.3", 0) as stranger:
            for number, packet in enumerate(packets_of(data)):
                card.sendto(packet, target)
                if number % 10 == 3:
                    stranger.sendto(encode_data_packet(1, (number + 1) * PAYLOAD, bytes(PAYLOAD)), target)
                    strange += 1
        assert samples_of(take_rest(receiver)) == data
        assert (receiver.stats.rejected_packets, receiver.stats.lost_bytes) == (strange, 0)
        assert receiver.failure is None


@pytest.mark.usefixtures("form")
def test_what_nobody_takes_is_dropped_and_counted(small: FmcwSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "QUEUED_BYTES", 4 * 8192)
    with receiving(small) as (receiver, target):
        send(make_stream(20 * 8192), target)
        wait_for(lambda: receiver.position == 20 * 8192)
        frames = take_rest(receiver)
        stats = receiver.stats
    assert [frame.counter for frame in frames] == [0, 1, 2, 3]
    assert (stats.frames, stats.missing_frames, stats.overruns) == (4, 16, 16)
    assert stats.lost_bytes == 16 * 8192


@pytest.mark.usefixtures("form")
def test_two_receivers_do_not_disturb_each_other_and_may_start_again(small: FmcwSensor) -> None:
    data = [make_stream(8192 * count) for count in (5, 9)]
    for _ in range(2):
        with receiving(small) as (one, to_one), receiving(small) as (other, to_other):
            send(data[0], to_one)
            send(data[1], to_other)
            assert samples_of(take_rest(one)) == data[0]
            assert samples_of(take_rest(other)) == data[1]
            one.close()


@pytest.mark.usefixtures("form")
def test_the_port_is_free_after_the_end(small: FmcwSensor) -> None:
    with receiving(small) as (receiver, target):
        receiver.close()
        bind_udp(*target).close()


STALL = """
import sys, time, socket
from isactrack.drivers.awr1642.dca1000 import encode_data_packet
target = ("127.0.0.1", int(sys.argv[1]))
card = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(512):
    card.sendto(encode_data_packet(number + 1, number * 128, bytes([7]) * 128), target)
    time.sleep(0.001)
"""


@ON_LINUX
@pytest.mark.parametrize(("source", "survives"), [(ProcessSource, True), (ThreadSource, False)])
def test_a_held_interpreter_costs_a_thread_its_packets_and_a_process_none(
    small: FmcwSensor, monkeypatch: pytest.MonkeyPatch, source: Callable[[socket.socket], PacketSource], survives: bool
) -> None:
    """With the buffer that an ordinary user gets, for 130 or so small packets, and four times as many."""
    monkeypatch.setattr(receiver_module, "open_source", source)
    monkeypatch.setattr(receiver_module, "RECEIVE_BUFFER_BYTES", 53248)
    with receiving(small) as (receiver, target):
        with subprocess.Popen([sys.executable, "-c", STALL, str(target[1])]) as sender:
            while sender.poll() is None:  # a call into C that keeps the lock, as some extensions' long ones do
                ctypes.PyDLL(None).usleep(500_000)
        wait_for(lambda: receiver.position > 0)
        frames = take_rest(receiver)
    valid = 8 * sum(int(frame.valid.sum()) for frame in frames)
    assert valid == 512 * 128 if survives else 0 < valid < 400 * 128


@ON_LINUX
def test_what_the_shared_memory_has_no_room_for_waits_in_the_socket(
    sensor: FmcwSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "SHARED_BLOCKS", 2)
    monkeypatch.setattr(receiver_module, "RECEIVE_BUFFER_BYTES", 16 << 20)
    held, release = threading.Event(), threading.Event()
    take_batch = Receiver._take_batch

    def hold(receiver: Receiver, batch: Batch) -> None:
        held.set()
        assert release.wait(20.0)
        take_batch(receiver, batch)

    monkeypatch.setattr(Receiver, "_take_batch", hold)
    data = make_stream(24 * sensor.frame_bytes)  # 2161 packets, of which 2048 fit
    with receiving(sensor) as (receiver, target):
        with bind_udp("127.0.0.1", 0) as card:
            for number, packet in enumerate(packets_of(data)):
                card.sendto(packet, target)
                if number % 100 == 0:
                    time.sleep(0.001)
        assert held.wait(20.0)
        release.set()
        assert samples_of(take_rest(receiver)) == data


@ON_LINUX
def test_memory_is_used_again(sensor: FmcwSensor) -> None:
    data = make_stream(60 * sensor.frame_bytes)
    with receiving(sensor) as (receiver, target):
        process = reading_process(receiver)
        with bind_udp("127.0.0.1", 0) as card:
            for number, packet in enumerate(packets_of(data)):
                card.sendto(packet, target)
                if number % 200 == 199:
                    wait_for(lambda: receiver.position >= (number + 1) * PAYLOAD)  # noqa: B023 - called before it changes
        fds = Path(f"/proc/{process.pid}/fd")
        memory = next(fd for fd in fds.iterdir() if "isactrack-packets" in str(fd.readlink()))
        assert memory.stat().st_size == SHARED_BLOCKS * BLOCK_BYTES > 2 * len(data)
        assert memory.stat().st_blocks * 512 <= 3 * BLOCK_BYTES
        assert samples_of(take_rest(receiver)) == data


@ON_LINUX
def test_a_killed_reading_process_ends_the_stream_with_its_reason(small: FmcwSensor) -> None:
    with receiving(small) as (receiver, target):
        send(make_stream(3 * 8192), target)
        wait_for(lambda: receiver.position == 3 * 8192)
        reading_process(receiver).kill()
        wait_for(lambda: not receiver._thread.is_alive())
        assert [frame.counter for frame in take_rest(receiver)] == [0, 1, 2]
        assert isinstance(receiver.failure, ChildProcessError)
        assert "exit code -9" in str(receiver.failure)


@ON_LINUX
def test_a_close_that_ctrl_c_interrupts_is_carried_on_by_the_next(
    small: FmcwSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with receiving(small) as (receiver, _):
        process = reading_process(receiver)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(receiver._thread, "join", interrupted)
            receiver.close()
        receiver.close()
        assert process.returncode == 0
        assert receiver._socket.fileno() == -1


@ON_LINUX
def test_a_reading_process_that_hangs_does_not_hold_up_the_end(
    small: FmcwSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "PATIENCE_S", 0.2)
    monkeypatch.setattr(receiver_module, "DRAIN_S", 0.1)
    with receiving(small) as (receiver, _):
        reading_process(receiver).send_signal(signal.SIGSTOP)
        receiver.close()
        assert receiver.ended
        assert reading_process(receiver).returncode == -signal.SIGKILL


@ON_LINUX
def test_the_death_of_the_program_ends_the_reading_process() -> None:
    program = """
import sys, time
from isactrack.drivers.awr1642.dca1000 import Addresses
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.awr1642.receiver import Receiver
receiver = Receiver(Addresses(host_ip="127.0.0.1", fpga_ip="127.0.0.1", data_port=int(sys.argv[1])),
                    parse_profile(default_profile()))
print(receiver._source._process.pid, flush=True)
time.sleep(60)
"""
    with bind_udp("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", program, str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reading = int(process.stdout.readline())
        assert os.getsid(reading) != os.getsid(process.pid)  # Ctrl-C does not reach it
        process.kill()
    wait_for(lambda: not _runs(reading))


def _runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(") ")[2][0] != "Z"  # in a container nobody may wait for it


@ON_LINUX
@pytest.mark.parametrize("executable", ["/bin/false", "/nowhere/python"])
def test_without_a_process_a_thread_reads(
    small: FmcwSensor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with receiving(small) as (receiver, target):
        assert isinstance(receiver._source, ThreadSource)
        assert "is read by a thread" in caplog.text
        data = make_stream(2 * 8192)
        send(data, target)
        assert samples_of(take_rest(receiver)) == data


def test_a_frozen_program_is_not_started_again(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert isinstance(open_source(sock), ThreadSource)


def test_a_socket_that_fails_ends_the_stream_with_its_reason(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "open_source", ThreadSource)
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


class NoSocket:
    """What a socket becomes to the kernel that is none."""

    def __init__(self) -> None:
        self._file = Path(os.devnull).open("rb")  # noqa: SIM115 - closed by the test

    def settimeout(self, _: None) -> None: ...

    def setsockopt(self, *_: object) -> None: ...

    def getsockopt(self, *_: object) -> int:
        return 1 << 20

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


@ON_LINUX
def test_a_socket_that_fails_in_the_reading_process_is_an_error_here() -> None:
    broken = NoSocket()
    source = ProcessSource(broken)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="Socket operation on non-socket"):
        next(source.batches())
    source.close()
    broken.close()


# --- arrival times ---------------------------------------------------------------------------------------------------


def test_packets_of_a_read_came_one_interval_after_the_other_but_not_before_the_read_before() -> None:
    reads = [[3, 1000, 2000], [5, 2000, 2250]]
    ages = {step: [arrival_age_ns(reads, step, row) for row in range(5)] for step in (100, 400, 5000)}
    assert ages[100] == [200 + 250, 100 + 250, 250, 100, 0]
    assert ages[400] == [800 + 250, 400 + 250, 250, 250, 0]
    assert ages[5000] == [1000 + 250, 1000 + 250, 250, 250, 0]


@ON_LINUX
def test_a_small_buffer_shortens_the_pause() -> None:
    with bind_udp("127.0.0.1", 0, receive_buffer_bytes=106496) as sock:  # the kernel takes it twice: 92 packets
        assert coalescing_pause_s(sock) == pytest.approx(92 * 12.3e-6 / 4, rel=0.01)
    with bind_udp("127.0.0.1", 0, receive_buffer_bytes=4 << 20) as sock:
        assert coalescing_pause_s(sock) == COALESCE_S


@pytest.mark.usefixtures("form")
def test_a_frame_bears_the_time_at_which_its_first_packet_came(small: FmcwSensor) -> None:
    sent_ns = []
    data = make_stream(20 * 8192)
    with receiving(small) as (receiver, target):
        with bind_udp("127.0.0.1", 0) as card:
            for number in range(20):
                time.sleep(0.03)
                sent_ns.append(time.monotonic_ns())
                for start in range(0, 8192, 1024):
                    at = number * 8192 + start
                    card.sendto(encode_data_packet(at // 1024 + 1, at, data[at : at + 1024]), target)
        frames = take_rest(receiver)
    assert len(frames) == 20
    late_ns = np.array([frame.host_monotonic_ns for frame in frames]) - sent_ns
    assert -1e6 < np.median(late_ns) < 12e6  # a busy machine delays, and a pause may be between
    utc = np.array([frame.host_utc_ns - frame.host_monotonic_ns for frame in frames])
    assert np.abs(utc - (time.time_ns() - time.monotonic_ns())).max() < 5e6
