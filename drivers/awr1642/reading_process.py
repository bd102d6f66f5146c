"""The process that empties the socket of the data port, and the memory that it shares with the driver.

Run as a program of its own, and imported for the layout of the shared memory. It takes whole batches of datagrams from
the socket into blocks of shared memory and announces each on a pipe; the driver gives the blocks back on another pipe.
It knows nothing of frames and imports nothing but the standard library: it starts in some 20 ms, and there is nothing
in it that could hold it up while packets arrive. Linux only.

Messages to the driver are `ANNOUNCEMENT`: a block, how many datagrams it holds, of how many reads they are, and UTC
less the monotonic clock (ns). Block `READY` says that it runs, block `END` that it has finished, with the number of the
error that ended it, or 0, in place of the datagrams. Messages to it are `INSTRUCTION`: a block that is free again, or
`STOP`, after which it takes what still arrives and ends. It also ends when the pipe closes, which is what the death of
the driver's process looks like.
"""

import ctypes
import errno
import gc
import math
import mmap
import os
import select
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

BATCH: Final = 1024
"""Rows of a block, each for a datagram: the most that are taken at once."""
MOST_READS: Final = 128
"""Most reads that fill a block together."""
GATHER_S: Final = 16e-3
"""Time after which a block that is not full is announced: the driver need not wake up more often."""
DATAGRAM_BYTES: Final = 1472
"""Most that an Ethernet frame carries in one UDP datagram, 6 bytes more than the card sends.

A longer datagram is no data packet: it is cut to this, and then rejected because 1462 bytes of data are off the grain.
"""
IDLE_S: Final = 0.05
"""Longest wait for a datagram; the socket must have this receive timeout."""
ANNOUNCEMENT: Final = struct.Struct("=iiiq")
INSTRUCTION: Final = struct.Struct("=i")
READY: Final = -1
END: Final = -2
STOP: Final = -1
NAME_BYTES: Final = 16
"""``struct sockaddr_in``: family, port, address, padding."""

WAIT: Final = 0x10000
"""Flag of a read that waits for the first datagram: MSG_WAITFORONE."""
NO_WAIT: Final = 0x40
"""Flag of one that does not: MSG_DONTWAIT."""

_ROWS_AHEAD: Final = 64
_PRIORITY: Final = 1
_NICENESS: Final = -10


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    """``struct msghdr`` of Linux."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Mmsghdr(ctypes.Structure):
    """``struct mmsghdr``: where to put a datagram, and the length that was received."""

    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint32))


HEADERS_AT: Final = BATCH * DATAGRAM_BYTES
NAMES_AT: Final = HEADERS_AT + BATCH * ctypes.sizeof(Mmsghdr)
READS_AT: Final = NAMES_AT + BATCH * NAME_BYTES
READ: Final = struct.Struct("=qqq")
"""What is noted of each read: rows that are filled after it, and when the read before it and it returned (ns)."""
_IOVECS_AT: Final = READS_AT + MOST_READS * READ.size
BLOCK_BYTES: Final = -(-(_IOVECS_AT + BATCH * ctypes.sizeof(_Iovec)) // mmap.PAGESIZE) * mmap.PAGESIZE
"""A block: datagrams one a row, their ``struct mmsghdr``, the addresses of their senders, the reads, and pointers."""

Headers = ctypes.Array[Mmsghdr]


def block_headers(memory: mmap.mmap, offset: int) -> Headers:
    """Return the headers of the block that begins at `offset`; its rows are to be prepared before it is filled."""
    return (Mmsghdr * BATCH).from_buffer(memory, offset + HEADERS_AT)


def prepare_rows(headers: Headers, rows: range) -> None:
    """Say in the headers of a block where its rows lie."""
    block = ctypes.addressof(headers) - HEADERS_AT
    iovecs = (_Iovec * BATCH).from_address(block + _IOVECS_AT)
    for index in rows:
        iovecs[index] = _Iovec(block + index * DATAGRAM_BYTES, DATAGRAM_BYTES)
        header = headers[index].header
        header.name, header.name_size = block + NAMES_AT + index * NAME_BYTES, NAME_BYTES
        header.iov, header.iov_count = block + _IOVECS_AT + index * ctypes.sizeof(_Iovec), 1


def batch_reader(fileno: Callable[[], int]) -> Callable[[Headers, int, int], int]:
    """Return a function that fills a block from a row on with the datagrams that have arrived and returns how many.

    With `WAIT` it waits for the first one until the receive timeout of the socket ends. It returns 0 if none came, and
    raises OSError if the socket fails.
    """
    recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
    size = ctypes.sizeof(Mmsghdr)

    def read(headers: Headers, row: int, flags: int) -> int:
        count = int(recvmmsg(fileno(), ctypes.byref(headers, row * size), BATCH - row, flags, None))
        if count >= 0:
            return count
        error = ctypes.get_errno()
        if error in (errno.EAGAIN, errno.EINTR):
            return 0
        raise OSError(error, os.strerror(error))

    return read


class Reading:
    """Fills blocks and announces them; of the free ones it takes that which came back last, so that few are touched.

    Parameters
    ----------
    socket_fd
        Socket, with a receive timeout of `IDLE_S`.
    memory_fd
        The shared memory, some blocks.
    announcements_fd, instructions_fd
        Pipes to and from the driver.
    pause_s
        Time for which packets gather between reads.
    drain_s
        Longest time to go on after `STOP`.
    """

    def __init__(
        self,
        socket_fd: int,
        memory_fd: int,
        announcements_fd: int,
        instructions_fd: int,
        pause_s: float,
        drain_s: float,
    ) -> None:
        self._memory = mmap.mmap(memory_fd, 0)
        self._announcements_fd, self._instructions_fd = announcements_fd, instructions_fd
        self._pause_s, self._drain_s = pause_s, drain_s
        self._read = batch_reader(lambda: socket_fd)
        self._before_ns = time.monotonic_ns()
        self._headers: list[Headers] = []  # of the blocks that were used so far
        self._free: list[int] = []
        self._spare: Headers | None = None  # of the next block, which is prepared bit by bit
        self._spare_rows = 0
        self._end_s = math.inf
        self._orphaned = False
        self._arrival, self._instruction = select.poll(), select.poll()
        self._arrival.register(socket_fd, select.POLLIN)
        self._instruction.register(instructions_fd, select.POLLIN)
        os.set_blocking(instructions_fd, False)

    def run(self) -> None:
        """Read until told to stop, and then as long as packets come, but not for long."""
        self._announce(READY)
        failure = 0
        try:
            while self._fill_one():
                pass
        except OSError as error:
            failure = error.errno or errno.EIO
        if not self._orphaned:
            self._announce(END, failure)

    def _fill_one(self) -> bool:
        """Fill a block as far as it goes, announce it, and return whether to go on."""
        block = self._next_block()
        if self._orphaned or time.monotonic() >= self._end_s:
            return False
        if block is None:
            return True
        rows = reads = 0
        try:
            rows, reads = self._fill(block)
        finally:
            if rows:
                self._announce(block, rows, reads)
            else:
                self._free.append(block)
        if 0 < rows < BATCH:
            time.sleep(self._pause_s)
        return rows > 0 or self._end_s == math.inf

    def _fill(self, block: int) -> tuple[int, int]:
        """Read into a block until it is full or old enough; return the rows and the reads, 0 if nothing came at all."""
        headers, note_at = self._headers[block], block * BLOCK_BYTES + READS_AT
        rows = reads = old_ns = 0
        while True:
            count = self._read(headers, rows, NO_WAIT if reads else WAIT)
            before_ns, self._before_ns = self._before_ns, time.monotonic_ns()
            if count:
                rows += count
                READ.pack_into(self._memory, note_at + reads * READ.size, rows, before_ns, self._before_ns)
                reads += 1
                old_ns = old_ns or self._before_ns + round((GATHER_S - self._pause_s) * 1e9)
            left_ns = old_ns - self._before_ns
            if rows == BATCH or reads == MOST_READS or left_ns <= 0:
                return rows, reads
            self._prepare_ahead()
            if count:
                time.sleep(self._pause_s)
            else:
                self._arrival.poll(left_ns / 1e6)

    def _next_block(self) -> int | None:
        """Return a block, None if the driver has not given any back."""
        self._listen()
        if self._free:
            return self._free.pop()
        new = len(self._headers)
        if new * BLOCK_BYTES < len(self._memory):
            while self._spare is None or self._spare_rows < BATCH:
                self._prepare_ahead()
            self._headers.append(self._spare)
            self._spare = None
            return new
        self._instruction.poll(1e3 * IDLE_S)
        return None

    def _prepare_ahead(self) -> None:
        """Prepare a part of the block that is needed if none comes back: all of it would hold up the reading."""
        at = len(self._headers) * BLOCK_BYTES
        if self._spare is None and at < len(self._memory):
            self._spare, self._spare_rows = block_headers(self._memory, at), 0
        if self._spare is not None and self._spare_rows < BATCH:
            prepare_rows(self._spare, range(self._spare_rows, self._spare_rows + _ROWS_AHEAD))
            self._spare_rows += _ROWS_AHEAD

    def _listen(self) -> None:
        try:
            said = os.read(self._instructions_fd, 4096)
        except BlockingIOError:
            return
        self._orphaned = not said
        for (word,) in INSTRUCTION.iter_unpack(said):
            if word == STOP:
                self._end_s = min(self._end_s, time.monotonic() + self._drain_s)
            else:
                self._free.append(word)

    def _announce(self, block: int, rows: int = 0, reads: int = 0) -> None:
        os.write(self._announcements_fd, ANNOUNCEMENT.pack(block, rows, reads, time.time_ns() - time.monotonic_ns()))


def _come_first() -> None:
    """Ask for precedence over whatever computes; only root, or who has CAP_SYS_NICE, gets it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
        except OSError:
            return


def main(arguments: list[str]) -> None:
    """Run with the arguments of the command line, which are those of `Reading`."""
    gc.disable()
    _come_first()
    try:
        Reading(*map(int, arguments[:4]), *map(float, arguments[4:])).run()
    except BrokenPipeError:
        return  # the driver is gone


if __name__ == "__main__":
    main(sys.argv[1:])
