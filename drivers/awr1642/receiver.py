"""The data port of the capture card: from the socket to frames, in a process that nothing else can hold up.

At the card's full rate a packet comes every 16 us, so the cost of a call for each is what loses packets. On Linux one
call takes all that have arrived, and a pause after it lets the next ones gather: fewer wake-ups and fewer calls, and
the socket's buffer holds many times the packets that come during the pause.

Python runs one thread at a time, so a thread that reads the socket waits for whatever else the program does: a picture
that is painted, a garbage collection, a call of HDF5 that waits for the disk. Therefore a process of its own reads the
socket (`isactrack.drivers.awr1642.reading_process`) into memory that both share, and a thread here makes frames of it
when it gets its turn. Where such a process cannot be had, the thread reads the socket itself.
"""

import contextlib
import ctypes
import logging
import math
import mmap
import os
import queue
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642 import reading_process
from isactrack.drivers.awr1642.assembler import FrameAssembler
from isactrack.drivers.awr1642.dca1000 import DEFAULT_DELAY_S, Addresses, bind_udp
from isactrack.drivers.awr1642.limits import KERNEL_BYTES_PER_PACKET, PACKET_DATA_BYTES, PACKET_TIME_S
from isactrack.drivers.awr1642.reading_process import (
    ANNOUNCEMENT,
    BATCH,
    BLOCK_BYTES,
    DATAGRAM_BYTES,
    END,
    HEADERS_AT,
    IDLE_S,
    INSTRUCTION,
    NAME_BYTES,
    NAMES_AT,
    READS_AT,
    READY,
    STOP,
    WAIT,
    Mmsghdr,
    batch_reader,
    block_headers,
    prepare_rows,
)
from isactrack.drivers.device import DeviceStats
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame

RECEIVE_BUFFER_BYTES: Final = 64 << 20
QUEUED_BYTES: Final = 256 << 20
"""Finished frames that wait for a slow reader take at most this much memory; then frames are lost, and counted."""
SHARED_BLOCKS: Final = 128
"""Blocks of packets that wait while this process is held up: two seconds. What is not needed takes no memory."""
DRAIN_S: Final = 1.0
"""Longest time for which a stop takes what still arrives; a radar that does not stop must not hold it up."""
COALESCE_S: Final = 8e-3
"""Longest pause in which packets gather: about 480 at full rate."""
_LINK_INTERVAL_S: Final = 12.3e-6  # 1532 bytes at 1 Gbit/s, gaps and preamble included
START_S: Final = 10.0
"""Longest wait for the process that reads the socket to start."""
PATIENCE_S: Final = 5.0
"""Time beyond `DRAIN_S` that the process has to end."""
_LOOK_S: Final = 0.2

_log = logging.getLogger(__name__)


class DatagramReader(Protocol):
    """Takes datagrams from a socket into memory of its own.

    Attributes
    ----------
    datagrams
        One datagram a row, (BATCH, DATAGRAM_BYTES) uint8.
    lengths
        Bytes of each (BATCH,).
    senders
        IPv4 address of each (BATCH,), see `address_number`.
    """

    datagrams: NDArray[np.uint8]
    lengths: NDArray[np.uint32]
    senders: NDArray[np.uint32]

    def read(self) -> int:
        """Wait for a datagram, but not long, take all that have arrived, and return how many, 0 if none came.

        Raises
        ------
        OSError
            If the socket fails.
        """


def address_number(ip: str) -> int:
    """Return an IPv4 address as the number that its four bytes make in this computer's memory."""
    return int.from_bytes(socket.inet_aton(ip), sys.byteorder)


def open_reader(sock: socket.socket) -> DatagramReader:
    """Return the fastest reader that the system has; the socket is its own from now on."""
    if sys.platform == "linux":
        return MmsgReader(sock)
    return PlainReader(sock)


class PlainReader:
    """Reads with one call a datagram, as every system can. See `DatagramReader`."""

    def __init__(self, sock: socket.socket) -> None:
        self.datagrams = np.zeros((BATCH, DATAGRAM_BYTES), np.uint8)
        self.lengths = np.zeros(BATCH, np.uint32)
        self.senders = np.zeros(BATCH, np.uint32)
        self._rows = [row.data for row in self.datagrams]
        self._socket = sock

    def read(self) -> int:
        """See `DatagramReader.read`."""
        self._socket.settimeout(IDLE_S)
        for index, row in enumerate(self._rows):
            try:
                self.lengths[index], (ip, _) = self._socket.recvfrom_into(row)
            except (TimeoutError, BlockingIOError):
                return index
            self.senders[index] = address_number(ip)
            if index == 0:
                self._socket.settimeout(0.0)
        return BATCH


class MmsgReader:
    """Reads with one call of recvmmsg(2) for all datagrams that have arrived. See `DatagramReader`."""

    def __init__(self, sock: socket.socket) -> None:
        memory = mmap.mmap(-1, BLOCK_BYTES)
        (self.datagrams,), (self.lengths,), (self.senders,) = _block_views(memory)
        self._headers = block_headers(memory, 0)
        prepare_rows(self._headers, range(BATCH))
        _limit_wait(sock)
        self._socket = sock
        self._read = batch_reader(sock.fileno)

    def read(self) -> int:
        """See `DatagramReader.read`."""
        return self._read(self._headers, 0, WAIT)


def _block_views(memory: mmap.mmap) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the datagrams (blocks, BATCH, DATAGRAM_BYTES), their lengths and their senders (blocks, BATCH)."""
    n = len(memory) // BLOCK_BYTES
    row, header = DATAGRAM_BYTES, ctypes.sizeof(Mmsghdr)
    return (
        np.ndarray((n, BATCH, row), np.uint8, memory, 0, (BLOCK_BYTES, row, 1)),
        np.ndarray((n, BATCH), np.uint32, memory, HEADERS_AT + Mmsghdr.length.offset, (BLOCK_BYTES, header)),
        np.ndarray((n, BATCH), np.uint32, memory, NAMES_AT + 4, (BLOCK_BYTES, NAME_BYTES)),
    )


def _limit_wait(sock: socket.socket) -> None:
    """Give a socket the kernel's own receive timeout; Python's would make it a non-blocking one."""
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, round(IDLE_S * 1e6)))


def coalescing_pause_s(sock: socket.socket) -> float:
    """Return for how long packets may gather: a link at its limit fills a quarter of the socket's buffer in it."""
    packets = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) / KERNEL_BYTES_PER_PACKET
    return min(COALESCE_S, packets * _LINK_INTERVAL_S / 4.0)


class Batch(NamedTuple):
    """Datagrams that were taken from the socket together, in one read or in some; see `DatagramReader` for the arrays.

    `reads` says of each read how many datagrams there were after it, when the read before it returned and when it did
    (host monotonic clock, ns); `utc_ns` is the UTC of the last one.
    """

    datagrams: NDArray[np.uint8]
    lengths: NDArray[np.uint32]
    senders: NDArray[np.uint32]
    reads: list[list[int]]
    utc_ns: int


def arrival_age_ns(reads: list[list[int]], interval_ns: int, row: int) -> int:
    """Return how long before the last read a datagram came, nanoseconds.

    It came as many intervals before the read that took it as datagrams were read after it, but after the read before.

    Parameters
    ----------
    reads
        See `Batch`.
    interval_ns
        Time from packet to packet.
    row
        Which one of the batch it is.
    """
    end, before_ns, now_ns = next(read for read in reads if read[0] > row)
    return min((end - 1 - row) * interval_ns, now_ns - before_ns) + reads[-1][2] - now_ns


class PacketSource(Protocol):
    """Where batches come from."""

    def batches(self) -> Iterator[Batch]:
        """Yield batches, each good until the next is asked for, until `stop` was called and nothing more comes.

        Raises
        ------
        OSError
            If the socket, or who reads it, fails.
        """

    def stop(self) -> None:
        """Take what has arrived, and end; from any thread."""

    def close(self) -> None:
        """Release everything, once no batch is used any more."""


class ThreadSource:
    """Reads the socket in the thread that asks for the batches. See `PacketSource`."""

    def __init__(self, sock: socket.socket) -> None:
        self._pause_s = coalescing_pause_s(sock)
        self._reader = open_reader(sock)
        self._stopping = threading.Event()
        self._end_s = math.inf

    def batches(self) -> Iterator[Batch]:
        """See `PacketSource.batches`."""
        reader, before_ns = self._reader, time.monotonic_ns()
        while time.monotonic() < self._end_s:
            count = reader.read()
            now_ns = time.monotonic_ns()
            if count:
                rows = reader.datagrams[:count], reader.lengths[:count], reader.senders[:count]
                yield Batch(*rows, [[count, before_ns, now_ns]], time.time_ns())
            elif self._stopping.is_set():
                return
            before_ns = now_ns
            if 0 < count < BATCH:
                time.sleep(self._pause_s)

    def stop(self) -> None:
        """See `PacketSource.stop`."""
        self._end_s = time.monotonic() + DRAIN_S
        self._stopping.set()

    def close(self) -> None:
        """Nothing is to be released."""


class ProcessSource:
    """Has the socket read by a process of its own, and gives out what that announces. See `PacketSource`.

    Raises
    ------
    OSError
        If the process does not start.
    """

    def __init__(self, sock: socket.socket) -> None:
        _limit_wait(sock)
        with contextlib.ExitStack() as opened:
            memory_fd = os.memfd_create("isactrack-packets")
            opened.callback(os.close, memory_fd)
            os.ftruncate(memory_fd, SHARED_BLOCKS * BLOCK_BYTES)
            self._memory = mmap.mmap(memory_fd, 0)
            self._datagrams, self._lengths, self._senders = _block_views(self._memory)
            self._announcements, announce_fd = os.pipe()
            opened.callback(os.close, announce_fd)
            instructions_fd, self._instructions = os.pipe()
            opened.callback(os.close, instructions_fd)
            fds = sock.fileno(), memory_fd, announce_fd, instructions_fd
            arguments = *fds, coalescing_pause_s(sock), DRAIN_S
            try:
                # Isolated and without site-packages: it needs neither, and starts three times as fast.
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", reading_process.__file__, *map(str, arguments)],
                    pass_fds=fds,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C in a terminal goes to all processes of a session
                )
            except BaseException:
                self._close_pipes()
                raise
        self._poll = select.poll()
        self._poll.register(self._announcements, select.POLLIN)
        self._kill_s = math.inf
        try:
            said = self._hear(START_S, 1)
            if not said or ANNOUNCEMENT.unpack(said)[0] != READY:
                raise ChildProcessError("the process that reads the data port does not start")
        except BaseException:
            self.close()
            raise

    def _hear(self, timeout_s: float, most: int) -> bytes | None:
        """Return what the process announces, empty if it has ended, None if it says nothing in time."""
        return os.read(self._announcements, most * ANNOUNCEMENT.size) if self._poll.poll(1e3 * timeout_s) else None

    def batches(self) -> Iterator[Batch]:
        """See `PacketSource.batches`."""
        while (said := self._hear(_LOOK_S, 64)) != b"":
            if said is None:
                if time.monotonic() >= self._kill_s:
                    self._process.kill()
                continue
            for block, count, n_reads, utc_offset_ns in ANNOUNCEMENT.iter_unpack(said):
                if block == END:
                    if count:
                        raise OSError(count, os.strerror(count))
                    return
                at = block * BLOCK_BYTES + READS_AT
                reads = np.frombuffer(self._memory, np.int64, 3 * n_reads, at).reshape(n_reads, 3).tolist()
                rows = self._datagrams[block, :count], self._lengths[block, :count], self._senders[block, :count]
                yield Batch(*rows, reads, reads[-1][2] + utc_offset_ns)
                self._instruct(block)
        raise ChildProcessError(f"the process that reads the data port ended, exit code {self._process.wait()}")

    def stop(self) -> None:
        """See `PacketSource.stop`."""
        self._kill_s = time.monotonic() + DRAIN_S + PATIENCE_S
        self._instruct(STOP)

    def close(self) -> None:
        """See `PacketSource.close`."""
        del self._datagrams, self._lengths, self._senders, self._memory  # and with the last one its file
        self._close_pipes()  # which ends the process, should it still run
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _instruct(self, word: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended, which its announcements say
            os.write(self._instructions, INSTRUCTION.pack(word))

    def _close_pipes(self) -> None:
        os.close(self._instructions)
        os.close(self._announcements)


def open_source(sock: socket.socket) -> PacketSource:
    """Return a source with a process of its own if the system can, else one in a thread; the socket stays open."""
    if sys.platform == "linux" and sys.executable and not getattr(sys, "frozen", False):
        try:
            return ProcessSource(sock)
        except OSError as error:
            _log.warning("%s; the data port is read by a thread, and what else runs may cost packets", error)
    return ThreadSource(sock)


class Receiver:
    """Reads the data port so that nothing else that runs costs a packet, and makes frames of what came.

    A frame's host time is the arrival of its first packet, which is reckoned from when it was read, how many were read
    after it, and the time from packet to packet. It is off by a pause (`COALESCE_S`) at most, and by less than 1 ms if
    packets come as fast as the sensor and the card's delay say.

    Parameters
    ----------
    addresses
        Where the card sends from and to.
    sensor
        What the radar runs, for the size of a frame.
    packet_delay_s
        For how long the card waits after each packet, seconds.

    Attributes
    ----------
    heard_s
        When the last data came, on the host's monotonic clock, seconds.
    failure
        What ended the reading before its time: an OSError of the socket, a ChildProcessError if the process that reads
        it died, or whatever else went wrong.
    """

    def __init__(self, addresses: Addresses, sensor: FmcwSensor, *, packet_delay_s: float = DEFAULT_DELAY_S) -> None:
        self._fpga = address_number(addresses.fpga_ip)
        self._assembler = FrameAssembler(sensor.frame_bytes, sensor.frame_period_s)
        self._frames: queue.Queue[Frame] = queue.Queue(maxsize=max(4, QUEUED_BYTES // sensor.frame_bytes))
        radar_interval_s = sensor.coherent_time_s * PACKET_DATA_BYTES / sensor.frame_bytes
        self._interval_ns = round(max(radar_interval_s, packet_delay_s + PACKET_TIME_S) * 1e9)
        self.heard_s = time.monotonic()
        self.failure: Exception | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._socket = bind_udp(addresses.host_ip, addresses.data_port, receive_buffer_bytes=RECEIVE_BUFFER_BYTES)
        try:
            self._source = open_source(self._socket)
        except BaseException:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._run, name="dca1000-receiver", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return not self._thread.is_alive() and self._frames.empty()

    @property
    def position(self) -> int:
        """Highest position of the stream that was seen, bytes."""
        return self._assembler.position

    def take(self, timeout_s: float) -> Frame | None:
        """Return the next frame, None if none comes in time."""
        try:
            return self._frames.get(timeout=timeout_s) if timeout_s > 0.0 else self._frames.get_nowait()
        except queue.Empty:
            return None

    @property
    def stats(self) -> DeviceStats:
        """Counters of receiver and assembler, which go on counting."""
        return self._assembler.stats

    def close(self) -> None:
        """Take what has arrived, give out the rest and end; may be called again, from any thread."""
        with self._closing:
            if self._closed:
                return
            self._source.stop()
            self._thread.join()
            self._closed = True  # not before: a Ctrl-C while it waits leaves the rest to the next call
            self._source.close()
            self._socket.close()

    def _run(self) -> None:
        try:
            for batch in self._source.batches():
                self._take_batch(batch)
        except Exception as error:  # noqa: BLE001 - a thread has no caller; who takes the frames asks for it
            self.failure = error
        self._give(self._assembler.flush())

    def _take_batch(self, batch: Batch) -> None:
        datagrams, lengths, now_ns = batch.datagrams, batch.lengths, batch.reads[-1][2]
        rows: Sequence[int] | NDArray[np.intp] = range(len(lengths))
        if batch.senders.tolist().count(self._fpga) < len(lengths):
            rows = np.flatnonzero(batch.senders == self._fpga)
            self.stats.rejected_packets += len(lengths) - len(rows)
            datagrams, lengths = datagrams[rows], lengths[rows]

        def age_ns(row: int) -> int:
            return arrival_age_ns(batch.reads, self._interval_ns, int(rows[row]))

        packets = self.stats.packets
        self._give(self._assembler.push_batch(datagrams, lengths, now_ns, batch.utc_ns, age_ns))
        if self.stats.packets > packets:
            self.heard_s = now_ns / 1e9

    def _give(self, frames: list[Frame]) -> None:
        for frame in frames:
            try:
                self._frames.put_nowait(frame)
            except queue.Full:
                self._drop(frame)

    def _drop(self, frame: Frame) -> None:
        """Count a frame for which there is no room as one that never came."""
        stats = self.stats
        stats.overruns += 1
        stats.frames -= 1
        stats.incomplete_frames -= not frame.complete
        stats.missing_frames += 1
        stats.lost_bytes += frame.samples.nbytes - frame.lost_bytes
