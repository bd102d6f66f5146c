"""Frames from data packets, placed by their byte count.

A packet says how many bytes were sent before it, which is all that is needed to place it, whatever was lost, doubled or
reordered on the way. A frame is given out when it is complete, or when the stream is `late_frames` further, so that
late packets can still fill its holes. What never came is marked in the frame's validity mask.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642.dca1000 import DATA_HEADER_BYTES, decode_data_header
from isactrack.frame import GROUP_WORDS, Frame

GROUP_BYTES = 2 * GROUP_WORDS

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class AssemblerStats:
    """Counters of an assembler; their meaning is that of `DeviceStats`."""

    packets: int = 0
    late_packets: int = 0
    duplicate_packets: int = 0
    reordered_packets: int = 0
    rejected_packets: int = 0
    frames: int = 0
    incomplete_frames: int = 0
    missing_frames: int = 0
    lost_bytes: int = 0


@dataclass(slots=True)
class _Partial:
    data: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    missing_groups: int
    monotonic_ns: int
    utc_ns: int


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
        Longest gap that one packet alone may open. A packet further ahead is believed only when a second one
        continues it: one with a flipped bit must not end the capture.
    """

    def __init__(
        self, frame_bytes: int, frame_period_s: float, *, late_frames: int = 2, max_jump_bytes: int = 1 << 26
    ) -> None:
        if frame_bytes <= 0 or frame_bytes % GROUP_BYTES:
            raise ValueError(f"a frame of {frame_bytes} bytes is not a multiple of {GROUP_BYTES}")
        self.stats = AssemblerStats()
        self._frame_bytes = frame_bytes
        self._period_s = frame_period_s
        self._late_frames = late_frames
        self._max_jump = max_jump_bytes
        self._partial: dict[int, _Partial] = {}
        self._next_frame = 0
        self._end = 0  # highest stream position seen
        self._suspect = -1  # where a packet that was too far ahead ended

    @property
    def position(self) -> int:
        """Highest position of the stream that was seen, bytes."""
        return self._end

    def push(self, datagram: bytes | memoryview, monotonic_ns: int, utc_ns: int) -> list[Frame]:
        """Take one datagram of the data port and return the frames that it finishes, often none."""
        payload = memoryview(datagram)[DATA_HEADER_BYTES:]
        if len(payload) == 0 or len(payload) % GROUP_BYTES:
            self.stats.rejected_packets += 1
            return []
        _, start = decode_data_header(datagram)
        end = start + len(payload)
        if not self._plausible(start, end):
            self.stats.rejected_packets += 1
            return []
        self.stats.packets += 1
        if end <= self._next_frame * self._frame_bytes:
            self.stats.late_packets += 1
            return []
        if not self._place(np.frombuffer(payload, dtype=np.uint8), start, monotonic_ns, utc_ns):
            self.stats.duplicate_packets += 1
        elif start < self._end:
            self.stats.reordered_packets += 1
        self._end = max(self._end, end)
        return list(self._finished(self._end // self._frame_bytes - self._late_frames))

    def flush(self) -> list[Frame]:
        """End the stream: return every frame of which anything arrived, complete or not."""
        return list(self._finished(-(-self._end // self._frame_bytes)))

    def _plausible(self, start: int, end: int) -> bool:
        if start % GROUP_BYTES == 0 and (start - self._end <= self._max_jump or start == self._suspect):
            return True
        self._suspect = end
        _log.warning("a data packet at byte %d of the stream, %d ahead, was passed over", start, start - self._end)
        return False

    def _place(self, payload: NDArray[np.uint8], start: int, monotonic_ns: int, utc_ns: int) -> bool:
        """Copy a payload, which may span frames, to its place; return whether any of it was new."""
        fresh = False
        position = start
        while position < start + payload.size:
            index, offset = divmod(position, self._frame_bytes)
            count = min(self._frame_bytes - offset, start + payload.size - position)
            if index >= self._next_frame:
                partial = self._partial.get(index) or self._new_partial(index, monotonic_ns, utc_ns)
                groups = slice(offset // GROUP_BYTES, (offset + count) // GROUP_BYTES)
                new = int(np.count_nonzero(~partial.valid[groups]))
                if new:
                    fresh = True
                    partial.data[offset : offset + count] = payload[position - start : position - start + count]
                    partial.valid[groups] = True
                    partial.missing_groups -= new
            position += count
        return fresh

    def _new_partial(self, index: int, monotonic_ns: int, utc_ns: int) -> _Partial:
        groups = self._frame_bytes // GROUP_BYTES
        partial = _Partial(
            np.zeros(self._frame_bytes, np.uint8), np.zeros(groups, np.bool_), groups, monotonic_ns, utc_ns
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
        return Frame(
            samples=partial.data.view("<i2").astype(np.int16, copy=False),
            valid=partial.valid,
            counter=index,
            device_time_s=index * self._period_s,
            host_monotonic_ns=partial.monotonic_ns,
            host_utc_ns=partial.utc_ns,
        )
