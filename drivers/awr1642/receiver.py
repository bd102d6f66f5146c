"""The data port of the capture card: from the socket to frames, on a thread of its own.

At the card's full rate a packet comes every 16 us, so the cost of a call for each is what loses packets. On Linux one
call takes all that have arrived, and a pause after it lets the next ones gather: fewer wake-ups and fewer calls, and
the socket's buffer holds hundreds of times the packets that come during the pause.
"""

import ctypes
import errno
import math
import os
import queue
import socket
import struct
import sys
import threading
import time
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642.assembler import FrameAssembler
from isactrack.drivers.awr1642.dca1000 import Addresses, bind_udp
from isactrack.drivers.device import DeviceStats, host_clocks
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame

RECEIVE_BUFFER_BYTES: Final = 64 << 20
QUEUED_BYTES: Final = 256 << 20
"""Finished frames that wait for a slow reader take at most this much memory; then frames are lost, and counted."""
DRAIN_S: Final = 1.0
"""Longest time for which a stop takes what still arrives; a radar that does not stop must not hold it up."""
COALESCE_S: Final = 1e-3
"""Pause in which packets gather: about 60 at full rate."""
BATCH: Final = 256
DATAGRAM_BYTES: Final = 1472
"""Most that an Ethernet frame carries in one UDP datagram, 6 bytes more than the card sends.

A longer datagram is no data packet: it is cut to this, and then rejected because 1462 bytes of data are off the grain.
"""
_IDLE_S: Final = 0.05
_MSG_WAITFORONE: Final = 0x10000


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
        self._socket.settimeout(_IDLE_S)
        for index, row in enumerate(self._rows):
            try:
                self.lengths[index], (ip, _) = self._socket.recvfrom_into(row)
            except (TimeoutError, BlockingIOError):
                return index
            self.senders[index] = address_number(ip)
            if index == 0:
                self._socket.settimeout(0.0)
        return BATCH


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    """``struct msghdr`` of Linux."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iov_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    """``struct mmsghdr``: where to put a datagram, and the length that was received."""

    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint32))


class MmsgReader:
    """Reads with one call of recvmmsg(2) for all datagrams that have arrived. See `DatagramReader`."""

    _NAME_BYTES: Final = 16  # struct sockaddr_in: family, port, address, padding

    def __init__(self, sock: socket.socket) -> None:
        self.datagrams = np.zeros((BATCH, DATAGRAM_BYTES), np.uint8)
        self._names = np.zeros((BATCH, self._NAME_BYTES), np.uint8)
        self._iovecs = (_Iovec * BATCH)()
        memory = np.zeros(BATCH * ctypes.sizeof(_Mmsghdr), np.uint8)
        self._headers = (_Mmsghdr * BATCH).from_buffer(memory.data)
        for index in range(BATCH):
            self._iovecs[index] = _Iovec(self.datagrams[index].ctypes.data, DATAGRAM_BYTES)
            header = self._headers[index].header
            header.name, header.name_size = self._names[index].ctypes.data, self._NAME_BYTES
            header.iov, header.iov_count = ctypes.pointer(self._iovecs[index]), 1
        self.lengths: NDArray[np.uint32] = np.ndarray(
            BATCH, np.uint32, memory, _Mmsghdr.length.offset, (ctypes.sizeof(_Mmsghdr),)
        )
        self.senders: NDArray[np.uint32] = self._names.view(np.uint32)[:, 1]
        # The kernel's own timeout, not Python's, which would make the socket a non-blocking one.
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, round(_IDLE_S * 1e6)))
        self._socket = sock
        self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg

    def read(self) -> int:
        """See `DatagramReader.read`."""
        count = int(self._recvmmsg(self._socket.fileno(), self._headers, BATCH, _MSG_WAITFORONE, None))
        if count >= 0:
            return count
        error = ctypes.get_errno()
        if error in (errno.EAGAIN, errno.EINTR):
            return 0
        raise OSError(error, os.strerror(error))


class Receiver:
    """Reads the data port on a thread of its own, so that nothing else that runs costs a packet.

    Frames bear the time at which the batch with their first packet was taken, up to `COALESCE_S` after its arrival.

    Parameters
    ----------
    addresses
        Where the card sends from and to.
    sensor
        What the radar runs, for the size of a frame.

    Attributes
    ----------
    next_counter
        One past the counter of the last frame that was taken.
    heard_s
        When the last data came, on the host's monotonic clock, seconds.
    failure
        What ended the reading, if that was an error of the socket.
    """

    def __init__(self, addresses: Addresses, sensor: FmcwSensor) -> None:
        self._fpga = address_number(addresses.fpga_ip)
        self._socket = bind_udp(addresses.host_ip, addresses.data_port, receive_buffer_bytes=RECEIVE_BUFFER_BYTES)
        self._reader = open_reader(self._socket)
        self._assembler = FrameAssembler(sensor.frame_bytes, sensor.frame_period_s)
        self._frames: queue.Queue[Frame] = queue.Queue(maxsize=max(4, QUEUED_BYTES // sensor.frame_bytes))
        self._drain_until = math.inf
        self.next_counter = 0
        self.heard_s = time.monotonic()
        self.failure: OSError | None = None
        self._stopping = threading.Event()
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
            frame = self._frames.get(timeout=timeout_s) if timeout_s > 0.0 else self._frames.get_nowait()
        except queue.Empty:
            return None
        self.next_counter = frame.counter + 1
        return frame

    @property
    def stats(self) -> DeviceStats:
        """Counters of receiver and assembler, which go on counting."""
        return self._assembler.stats

    def close(self) -> None:
        """Take what has arrived, give out the rest and end."""
        self._drain_until = time.monotonic() + DRAIN_S
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while time.monotonic() < self._drain_until:
            try:
                count = self._reader.read()
            except OSError as error:
                self.failure = error
                break
            if count:
                self._take_batch(count)
            elif self._stopping.is_set():
                break
            if 0 < count < BATCH:
                time.sleep(COALESCE_S)
        self._give(self._assembler.flush())

    def _take_batch(self, count: int) -> None:
        reader = self._reader
        datagrams, lengths = reader.datagrams[:count], reader.lengths[:count]
        ours = reader.senders[:count] == self._fpga
        if not ours.all():
            self.stats.rejected_packets += count - int(np.count_nonzero(ours))
            datagrams, lengths = datagrams[ours], lengths[ours]
        packets = self.stats.packets
        self._give(self._assembler.push_batch(datagrams, lengths, *host_clocks()))
        if self.stats.packets > packets:
            self.heard_s = time.monotonic()

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
