"""Frames from data packets, placed by their byte count.

A packet says how many bytes were sent before it, which is all that is needed to place it, whatever was lost, doubled or
reordered on the way. A frame is given out when it is complete, or when the stream is `late_frames` further, so that
late packets can still fill its holes. What never came is marked in the frame's validity mask.

numpy gives up the interpreter's lock in each operation on more than 500 elements, and a thread that computes may keep
it for 5 ms then. So on the way of an undisturbed stream lists and memory views do what they can as fast.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642.dca1000 import DATA_HEADER_BYTES, decode_data_header
from isactrack.drivers.device import DeviceStats
from isactrack.frame import GROUP_WORDS, Frame

GROUP_BYTES: Final = 2 * GROUP_WORDS
LEAST_JUMP_BYTES: Final = 1 << 16

_log = logging.getLogger(__name__)


class _Packet(NamedTuple):
    """Data of a packet and where in the stream it belongs, bytes from the start of frame 0."""

    start: int
    data: NDArray[np.uint8]
    monotonic_ns: int
    utc_ns: int

    @property
    def end(self) -> int:
        return self.start + self.data.size


@dataclass(slots=True)
class _Partial:
    data: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    missing_groups: int
    monotonic_ns: int
    utc_ns: int
    complete_ns: int = 0


class FrameAssembler:
    """Turns data packets of one recording, from RECORD_START on, into frames in order of their counter.

    Parameters
    ----------
    frame_bytes
        Size of a frame, a multiple of 8.
    frame_period_s
        Period of the frames on the device's clock.
    late_frames
        Frames by which the stream may be ahead before an incomplete frame is given out.
    max_jump_bytes
        Longest gap that one packet alone may open; None for a frame, or 64 KiB if a frame is less. A packet further
        ahead waits until another one bears it out by following it: one with a flipped bit must not make everything
        that comes after it late.
    begins_anywhere
        Whether the first packets may be missing, as in a capture that was begun late. The frame of the first packet,
        which may be a partial one, is then frame 0. Otherwise frame 0 begins at the stream's byte 0.

    Attributes
    ----------
    stats
        The counters, which go on counting; `isactrack.drivers.device.DeviceStats` says what they mean.
    """

    def __init__(
        self,
        frame_bytes: int,
        frame_period_s: float,
        *,
        late_frames: int = 2,
        max_jump_bytes: int | None = None,
        begins_anywhere: bool = False,
    ) -> None:
        if frame_bytes <= 0 or frame_bytes % GROUP_BYTES:
            raise ValueError(f"a frame of {frame_bytes} bytes is not a multiple of {GROUP_BYTES}")
        self.stats = DeviceStats()
        self._frame_bytes = frame_bytes
        self._period_s = frame_period_s
        self._late_frames = late_frames
        self._max_jump = max(frame_bytes, LEAST_JUMP_BYTES) if max_jump_bytes is None else max_jump_bytes
        self._origin = None if begins_anywhere else 0  # byte count at which frame 0 begins
        self._partial: dict[int, _Partial] = {}
        self._next_frame = 0
        self._end = 0  # highest stream position seen
        self._doubtful: _Packet | None = None  # a packet too far ahead to be believed alone

    @property
    def position(self) -> int:
        """Highest position of the stream that was seen, bytes from the start of frame 0."""
        return self._end

    def push(self, datagram: bytes | memoryview, monotonic_ns: int, utc_ns: int) -> list[Frame]:
        """Take one datagram of the data port and return the frames that it finishes, often none."""
        payload = memoryview(datagram)[DATA_HEADER_BYTES:]
        if len(payload) == 0 or len(payload) % GROUP_BYTES:
            self.stats.rejected_packets += 1
            return []
        _, byte_count = decode_data_header(datagram)
        if byte_count % GROUP_BYTES:
            self.stats.rejected_packets += 1
            return []
        if self._origin is None:
            self._origin = byte_count // self._frame_bytes * self._frame_bytes
        packet = _Packet(byte_count - self._origin, np.frombuffer(payload, dtype=np.uint8), monotonic_ns, utc_ns)
        believed = self._believed(packet)
        for item in believed:
            self._take(item)
        return list(self._finished(self._end // self._frame_bytes - self._late_frames)) if believed else []

    def push_batch(
        self,
        datagrams: NDArray[np.uint8],
        lengths: NDArray[np.integer],
        monotonic_ns: int,
        utc_ns: int,
        age_ns: Callable[[int], int] | None = None,
    ) -> list[Frame]:
        """Take datagrams that were received together; the same as `push` of one after the other, but faster.

        Packets that carry the stream on without a break are copied together. Any other one goes through `push`.

        Parameters
        ----------
        datagrams
            One datagram a row, (n, stride) uint8, with a stride of at least 10 bytes; may be used again afterwards.
        lengths
            Bytes of each datagram (n,), at most the stride.
        monotonic_ns, utc_ns
            When they were received, on both clocks of the host.
        age_ns
            Returns how long before that a datagram had arrived, given its row; None for at that time.

        Returns
        -------
        list of Frame
            The frames that they finish, often none.
        """
        frames: list[Frame] = []
        age_of = age_ns or (lambda _: 0)
        counts = _byte_counts(datagrams)
        for first, stop in pairwise(_run_bounds(counts, lengths)):
            at, size = first, int(lengths[first]) - DATA_HEADER_BYTES
            while at < stop and not self._carries_on(int(counts[at]), size):
                age = age_of(at)
                frames += self.push(datagrams[at].data[: int(lengths[at])], monotonic_ns - age, utc_ns - age)
                at += 1
            if at < stop:
                rows = datagrams[at:stop, DATA_HEADER_BYTES : DATA_HEADER_BYTES + size]
                frames += self._push_run(int(counts[at]), rows, monotonic_ns, utc_ns, age_of, at)
        return frames

    def _carries_on(self, byte_count: int, size: int) -> bool:
        """Whether a packet, and with it all that follow it seamlessly, holds new data only and is believed at once."""
        if self._origin is None or size <= 0 or size % GROUP_BYTES or byte_count % GROUP_BYTES:
            return False
        start = byte_count - self._origin
        # After a flush, frames that the stream has not reached yet may have been given out already.
        return max(self._end, self._next_frame * self._frame_bytes) <= start <= self._end + self._max_jump

    def _push_run(
        self,
        byte_count: int,
        rows: NDArray[np.uint8],
        monotonic_ns: int,
        utc_ns: int,
        age_of: Callable[[int], int],
        first_row: int,
    ) -> list[Frame]:
        """Take packets that carry the stream on: data (n, size), each packet's where the one before it ends."""
        self._reject_doubtful()
        start = position = byte_count - (self._origin or 0)
        end = start + rows.size
        while position < end:
            index, offset = divmod(position, self._frame_bytes)
            count = min(self._frame_bytes - offset, end - position)
            partial = self._partial.get(index)
            if partial is None:
                age = age_of(first_row + (position - start) // rows.shape[1])
                partial = self._new_partial(index, monotonic_ns - age, utc_ns - age)
            _copy_rows(rows, position - start, partial.data[offset : offset + count])
            _mark(partial.valid, offset // GROUP_BYTES, count // GROUP_BYTES)
            partial.missing_groups -= count // GROUP_BYTES
            position += count
            if not partial.missing_groups:
                partial.complete_ns = monotonic_ns - age_of(first_row + (position - start - 1) // rows.shape[1])
        self.stats.packets += len(rows)
        self._end = end
        return list(self._finished(self._end // self._frame_bytes - self._late_frames))

    def _believed(self, packet: _Packet) -> list[_Packet]:
        """Return the packets that can be placed now: usually this one; one that is far ahead waits for its next."""
        doubtful = self._doubtful
        if packet.start - self._end <= self._max_jump:
            if packet.end > self._end:
                self._reject_doubtful()  # the stream goes on where it was
            return [packet]
        if doubtful is not None and 0 <= packet.start - doubtful.end <= self._max_jump:
            self._doubtful = None
            return [doubtful, packet]
        self._reject_doubtful()
        self._doubtful = packet._replace(data=packet.data.copy())  # the caller may use its buffer again
        return []

    def _reject_doubtful(self) -> None:
        if self._doubtful is not None:
            ahead = self._doubtful.start - self._end
            _log.warning("a data packet %d bytes ahead of the stream, which no other one followed, is ignored", ahead)
            self.stats.rejected_packets += 1
            self._doubtful = None

    def _take(self, packet: _Packet) -> None:
        self.stats.packets += 1
        if packet.end <= self._next_frame * self._frame_bytes:
            self.stats.late_packets += 1
            return
        if not self._place(packet):
            self.stats.duplicate_packets += 1
        elif packet.start < self._end:
            self.stats.reordered_packets += 1
        self._end = max(self._end, packet.end)

    def flush(self) -> list[Frame]:
        """End the stream: return every frame of which anything arrived, complete or not."""
        self._reject_doubtful()
        return list(self._finished(-(-self._end // self._frame_bytes)))

    def _place(self, packet: _Packet) -> bool:
        """Copy a payload, which may span frames, to its place; return whether any of it was new."""
        fresh = False
        position = packet.start
        while position < packet.end:
            index, offset = divmod(position, self._frame_bytes)
            count = min(self._frame_bytes - offset, packet.end - position)
            if index >= self._next_frame:
                partial = self._partial.get(index) or self._new_partial(index, packet.monotonic_ns, packet.utc_ns)
                groups = slice(offset // GROUP_BYTES, (offset + count) // GROUP_BYTES)
                new = int(np.count_nonzero(~partial.valid[groups]))
                if new:
                    fresh = True
                    first = position - packet.start
                    partial.data[offset : offset + count] = packet.data[first : first + count]
                    partial.valid[groups] = True
                    partial.missing_groups -= new
                    if not partial.missing_groups:
                        partial.complete_ns = packet.monotonic_ns
            position += count
        return fresh

    def _new_partial(self, index: int, monotonic_ns: int, utc_ns: int) -> _Partial:
        groups = self._frame_bytes // GROUP_BYTES
        # A late packet may begin its frame after the following ones have begun; the clock must not run back over them.
        later = [partial for i, partial in self._partial.items() if i > index]
        partial = _Partial(
            np.empty(self._frame_bytes, np.uint8),
            np.zeros(groups, np.bool_),
            groups,
            min([monotonic_ns, *(partial.monotonic_ns for partial in later)]),
            min([utc_ns, *(partial.utc_ns for partial in later)]),
        )
        self._partial[index] = partial
        return partial

    def _finished(self, give_up_below: int) -> Iterator[Frame]:
        """Yield frames from the next one on while they are complete or lie below `give_up_below`."""
        while True:
            partial = self._partial.get(self._next_frame)
            if (partial is None or partial.missing_groups) and self._next_frame >= give_up_below:
                return
            if partial is None:
                # A hole may be long: go straight to the next frame of which anything is there.
                following = min((i for i in self._partial if i < give_up_below), default=give_up_below)
                self.stats.missing_frames += following - self._next_frame
                self.stats.lost_bytes += (following - self._next_frame) * self._frame_bytes
                self._next_frame = following
                continue
            yield self._frame(self._next_frame, self._partial.pop(self._next_frame))
            self._next_frame += 1

    def _frame(self, index: int, partial: _Partial) -> Frame:
        self.stats.frames += 1
        self.stats.incomplete_frames += partial.missing_groups > 0
        self.stats.lost_bytes += partial.missing_groups * GROUP_BYTES
        if partial.missing_groups:
            partial.data.reshape(-1, GROUP_BYTES)[~partial.valid] = 0
        return Frame(
            samples=partial.data.view("<i2").astype(np.int16, copy=False),
            valid=partial.valid,
            counter=index,
            device_time_s=index * self._period_s,
            host_monotonic_ns=partial.monotonic_ns,
            host_utc_ns=partial.utc_ns,
            host_complete_ns=partial.complete_ns,
        )


def _byte_counts(datagrams: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the byte count of each datagram; of one that is too short it means nothing."""
    wide = datagrams[:, DATA_HEADER_BYTES - 8 : DATA_HEADER_BYTES].view("<u8")[:, 0]
    return wide >> np.uint64(16)


def _run_bounds(counts: NDArray[np.uint64], lengths: NDArray[np.integer]) -> list[int]:
    """Return where runs of packets of one size, each of which begins where the one before it ends, begin and end."""
    n = len(counts)
    if n == 0:
        return []
    length, listed = int(lengths[0]), counts.tolist()
    size = length - DATA_HEADER_BYTES
    whole = size > 0 and lengths.tolist().count(length) == n
    if whole and listed == list(range(listed[0], listed[0] + n * size, size)):
        return [0, n]
    steps = counts[1:] - counts[:-1]
    breaks = (steps + DATA_HEADER_BYTES != lengths[:-1]) | (lengths[1:] != lengths[:-1])
    return [0, *(np.flatnonzero(breaks) + 1).tolist(), len(counts)]


def _copy_rows(rows: NDArray[np.uint8], first: int, out: NDArray[np.uint8]) -> None:
    """Copy the bytes from `first` on of all rows, one after the other, to `out` (n_bytes,)."""
    size = rows.shape[1]
    row, column = divmod(first, size)
    if column:
        head = min(size - column, out.size)
        out.data[:head] = rows[row, column : column + head].data
        row, out = row + 1, out[head:]
    whole, rest = divmod(out.size, size)
    out[: whole * size].reshape(whole, size)[...] = rows[row : row + whole]
    if rest:
        out.data[whole * size :] = rows[row + whole, :rest].data


def _mark(valid: NDArray[np.bool_], first: int, count: int) -> None:
    """Set flags."""
    valid.view(np.uint8).data[first : first + count] = b"\1" * count
