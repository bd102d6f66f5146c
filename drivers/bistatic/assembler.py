"""Blocks from the packets of a radio, and everything that is missing between them.

A fragment says which part of which block it holds, so it is placed whatever was lost, doubled or reordered on the way.
A block is given out when it is complete, or when the stream is `late_blocks` further. What never came is marked, never
made up, and a block of which nothing came is a jump of the counter.

Three counts tell what happened, independently of what the radio says of itself: where the counter of the blocks jumps
and the sequence of the packets does not, the radio left blocks out; where both jump, they were lost on the way; and
where the sample clock is not what counter and stagger pattern say, the radio lost samples.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.bistatic.control import Settings
from isactrack.drivers.bistatic.framing import BadPacketError, Packet, PacketKind, decode
from isactrack.drivers.device import DeviceStats
from isactrack.errors import ProtocolError
from isactrack.events import EventKind
from isactrack.frame import GROUP_WORDS, NO_FLAGS, BlockFlag, BlockInfo, Frame
from isactrack.ofdm import Capture

SAMPLE_BYTES: Final = 4
"""int16 I and Q."""
GROUP_SAMPLES: Final = GROUP_WORDS // 2
NO_TEMPERATURE_CC: Final = -32768
RESTART_BLOCKS: Final = 8
"""If packets of the past carry each other on over so many blocks, the radio has begun anew."""
MOST_COUNT: Final = 2**63 - 1
"""Largest tick and counter of blocks: what fits a signed word, as frames and recordings have it."""

Note = Callable[[EventKind, str], None]

_STATES: Final = {
    BlockFlag.OVERFLOW: ("the radio drops samples", "the radio drops no samples any more"),
    BlockFlag.LO_UNLOCKED: (
        "blocks have no lock of the local oscillator",
        "blocks have lock of the local oscillator again",
    ),
    BlockFlag.REFERENCE_UNLOCKED: (
        "blocks have no lock of the reference clock",
        "blocks have lock of the reference again",
    ),
}
"""Flags whose coming and going is an event."""


@dataclass(slots=True)
class _Partial:
    """A block of which something has come."""

    first: Packet
    words: NDArray[np.uint8]  # (rows, bytes of a row)
    have: NDArray[np.bool_]  # (rows, samples of a row)
    missing: int
    flags: BlockFlag
    monotonic_ns: int
    utc_ns: int
    complete_ns: int = 0


class BlockAssembler:
    """Turns the packets of one run, from ``start`` on, into frames in the order of their counter.

    Parameters
    ----------
    settings
        What the radio runs.
    note
        Takes what happened, a line each; see `isactrack.events.Event`.
    late_blocks
        Blocks by which the stream may be ahead before an incomplete one is given out.

    Attributes
    ----------
    stats
        The counters, which go on counting. What a radio leaves out its block counter tells: `missing_frames`.
    """

    def __init__(self, settings: Settings, note: Note = lambda _kind, _text: None, *, late_blocks: int = 2) -> None:
        self.stats = DeviceStats()
        self._settings = settings
        self._note = note
        self._late_blocks = late_blocks
        self._rows, self._samples = settings.block_shape
        self._kind = PacketKind.IQ if settings.capture is Capture.IQ else PacketKind.CSI
        self._period_s = settings.block_samples / settings.sample_rate_hz
        self._partial: dict[int, _Partial] = {}
        self._next = 0  # the block that is given out next
        self._newest = -1
        self._sequence = 0  # behind the highest that was seen
        self._last: Packet | None = None  # first packet seen of the block that was given out last, as fragment 0
        self._tick_offset = 0  # sample clock against what the counter says
        self._states = NO_FLAGS
        self._past: tuple[int, int] | None = None  # sequence behind, and first block, of a row of packets of the past

    def push(self, data: bytes | memoryview, monotonic_ns: int, utc_ns: int) -> list[Frame]:
        """Take one packet and return the frames that it finishes, often none.

        Parameters
        ----------
        data
            The packet, header and all.
        monotonic_ns, utc_ns
            When it came, on both clocks of the host.

        Raises
        ------
        ProtocolError
            If the radio has begun to count anew, after which nothing that it sends can be placed.
        """
        try:
            packet = decode(data)
        except BadPacketError:
            self.stats.rejected_packets += 1
            return []
        if packet.kind is PacketKind.EVENT and packet.stream == 0:
            self.stats.packets += 1
            self._follow(packet)
            self._note(EventKind.RADIO, _one_line(packet.payload))
            return []
        if not self._fits(packet):
            self.stats.rejected_packets += 1
            return []
        if packet.block < self._next:
            self._take_late(packet)
            return []
        self._past = None
        partial = self._partial.get(packet.block)
        if partial is None:
            partial = self._begin(packet, monotonic_ns, utc_ns)
        elif packet.tick != partial.first.tick or _base(packet) != _base(partial.first):
            self._check_restart(packet, partial.first)
            self.stats.rejected_packets += 1
            return []
        self.stats.packets += 1
        self._place(packet, partial)
        if not partial.missing and not partial.complete_ns:
            partial.complete_ns = monotonic_ns
        give_up_below = self._newest - self._late_blocks
        if partial.missing and self._next >= give_up_below:
            return []
        return list(self._finished(give_up_below))

    def flush(self) -> list[Frame]:
        """End the stream: return every block of which anything came, complete or not."""
        return list(self._finished(self._newest + 1))

    # --- one packet --------------------------------------------------------------------------------------------------

    def _fits(self, packet: Packet) -> bool:
        """Whether a packet belongs to this stream: its kind, its clock, a part that a block has, possible numbers."""
        return (
            packet.kind is self._kind
            and packet.stream == 0
            and packet.rate_num == self._settings.sample_rate_hz * packet.rate_den
            and packet.row_count > 0
            and packet.sample_count > 0
            and packet.row_first + packet.row_count <= self._rows
            and packet.sample_first + packet.sample_count <= self._samples
            and packet.fragment < packet.fragments
            and len(packet.payload) == SAMPLE_BYTES * packet.row_count * packet.sample_count
            and max(packet.block, packet.tick) <= MOST_COUNT
            and math.isfinite(packet.timing_samples)
            and math.isfinite(packet.cfo_hz)
        )

    def _follow(self, packet: Packet) -> bool:
        """Follow the sequence; return whether the packet is older than one that came before."""
        ahead = _signed(packet.sequence - self._sequence)
        if ahead >= 0:
            self._sequence = (packet.sequence + 1) & 0xFFFFFFFF
        return ahead < 0

    def _begin(self, packet: Packet, monotonic_ns: int, utc_ns: int) -> _Partial:
        # A late packet may begin its block after the following ones have begun; the clock must not run back over them.
        later = [partial for block, partial in self._partial.items() if block > packet.block]
        partial = _Partial(
            first=packet,
            words=np.zeros((self._rows, SAMPLE_BYTES * self._samples), np.uint8),
            have=np.zeros((self._rows, self._samples), np.bool_),
            missing=self._rows * self._samples,
            flags=NO_FLAGS,
            monotonic_ns=min([monotonic_ns, *(partial.monotonic_ns for partial in later)]),
            utc_ns=min([utc_ns, *(partial.utc_ns for partial in later)]),
        )
        self._partial[packet.block] = partial
        self._newest = max(self._newest, packet.block)
        return partial

    def _place(self, packet: Packet, partial: _Partial) -> None:
        old = self._follow(packet)
        rows = slice(packet.row_first, packet.row_first + packet.row_count)
        samples = slice(packet.sample_first, packet.sample_first + packet.sample_count)
        have = partial.have[rows, samples]
        new = have.size - int(np.count_nonzero(have))
        if packet.flags:
            partial.flags |= packet.flags
        if not new:
            self.stats.duplicate_packets += 1
            return
        self.stats.reordered_packets += old
        wide = slice(SAMPLE_BYTES * samples.start, SAMPLE_BYTES * samples.stop)
        partial.words[rows, wide] = np.frombuffer(packet.payload, np.uint8).reshape(packet.row_count, -1)
        have[...] = True
        partial.missing -= new

    def _take_late(self, packet: Packet) -> None:
        """Count a packet of a block that was given out already, unless it says that the radio began anew."""
        self.stats.packets += 1
        self.stats.late_packets += 1
        if self._past is None or packet.sequence != self._past[0]:
            self._past = packet.sequence, packet.block
        self._past = (packet.sequence + 1) & 0xFFFFFFFF, self._past[1]
        if packet.block - self._past[1] >= RESTART_BLOCKS:
            raise self._restarted(packet)

    def _check_restart(self, packet: Packet, first: Packet) -> None:
        if packet.tick < first.tick or _signed(_base(packet) - _base(first)) < 0:
            raise self._restarted(packet)

    def _restarted(self, packet: Packet) -> ProtocolError:
        return ProtocolError(
            f"the radio began to count anew: block {packet.block} with sequence {packet.sequence} and tick "
            f"{packet.tick} came after block {self._newest}",
            "it was restarted, by a lack of power or another program: stop, configure and start it again",
        )

    # --- whole blocks ------------------------------------------------------------------------------------------------

    def _finished(self, give_up_below: int) -> Iterator[Frame]:
        """Yield blocks from the next one on while they are complete or lie below `give_up_below`."""
        while True:
            partial = self._partial.get(self._next)
            if (partial is None or partial.missing) and self._next >= give_up_below:
                return
            if partial is None:
                following = min((block for block in self._partial if block < give_up_below), default=give_up_below)
                self.stats.missing_frames += following - self._next
                self.stats.lost_bytes += (following - self._next) * SAMPLE_BYTES * self._rows * self._samples
                self._next = following
                continue
            yield self._frame(self._next, self._partial.pop(self._next))
            self._next += 1

    def _frame(self, block: int, partial: _Partial) -> Frame:
        first = partial.first
        flags = partial.flags | self._discontinuity(block, first)
        valid = np.ones(-(-self._rows * self._samples // GROUP_SAMPLES), np.bool_)
        if partial.missing:
            flags |= BlockFlag.LOST_FRAGMENT
            valid = _valid_groups(partial)
        self._note_states(block, flags)
        frame = Frame(
            samples=partial.words.reshape(-1).view("<i2").astype(np.int16, copy=False),
            valid=valid,
            counter=block,
            device_time_s=block * self._period_s,
            host_monotonic_ns=partial.monotonic_ns,
            host_utc_ns=partial.utc_ns,
            host_complete_ns=partial.complete_ns,
            block=BlockInfo(
                tick=first.tick,
                flags=flags,
                gain_db=first.gain_cdb / 100.0,
                noise_power=first.noise_power,
                cfo_hz=first.cfo_hz,
                timing_samples=first.timing_samples,
                clipped=first.clipped,
                temperature_c=math.nan if first.temperature_cc == NO_TEMPERATURE_CC else first.temperature_cc / 100.0,
            ),
        )
        stats = self.stats
        stats.frames += 1
        stats.incomplete_frames += partial.missing > 0
        stats.lost_bytes += frame.lost_bytes if partial.missing else 0
        return frame

    def _discontinuity(self, block: int, first: Packet) -> BlockFlag:
        """Return the flag of a block before which counter or sample clock jumped, and note why."""
        last, self._last = self._last, first
        if last is not None and _signed(_base(first) - _base(last)) < last.fragments:
            raise self._restarted(first)
        flag = NO_FLAGS
        skipped = block - (last.block + 1 if last is not None else 0)
        if skipped:
            between = _signed(_base(first) - (_base(last) + last.fragments if last is not None else 0))
            how = "lost on the way" if between >= skipped else "left out by the radio"
            self._note(EventKind.LINK if between >= skipped else EventKind.RADIO, f"{_blocks(block, skipped)} {how}")
            flag = BlockFlag.DISCONTINUITY
        offset = first.tick - round(first.timing_samples) - self._settings.tick_of(block)  # the window may be moved
        if offset != self._tick_offset:
            jump, self._tick_offset = offset - self._tick_offset, offset
            self._note(EventKind.RADIO, f"the sample clock jumped by {jump} before block {block}")
            flag = BlockFlag.DISCONTINUITY
        return flag

    def _note_states(self, block: int, flags: BlockFlag) -> None:
        """Note which of the states that last have begun or ended with a block."""
        changed = flags ^ self._states
        self._states = flags
        for flag, (begun, ended) in _STATES.items():
            if flag & changed:
                self._note(EventKind.RADIO, f"{begun if flag & flags else ended}, from block {block} on")


def _base(packet: Packet) -> int:
    """Return the sequence of the first fragment of a packet's block, modulo 2^32."""
    return (packet.sequence - packet.fragment) & 0xFFFFFFFF


def _signed(difference: int) -> int:
    """Return a difference of sequences, modulo 2^32, as the smallest in magnitude."""
    return (difference + 0x80000000) % 0x100000000 - 0x80000000


def _valid_groups(partial: _Partial) -> NDArray[np.bool_]:
    """Return which groups of a block arrived whole; clear what arrived of the others."""
    have = partial.have.reshape(-1)
    if have.size % GROUP_SAMPLES:
        have = np.append(have, True)
    valid = np.asarray(have.reshape(-1, GROUP_SAMPLES).all(axis=1))
    lost = ~np.repeat(valid, GROUP_SAMPLES)[: partial.have.size]
    partial.words.reshape(-1, SAMPLE_BYTES)[lost] = 0
    return valid


def _blocks(block: int, skipped: int) -> str:
    return f"block {block - 1} was" if skipped == 1 else f"blocks {block - skipped} to {block - 1} were"


def _one_line(payload: bytes) -> str:
    """Return the text of an event, one line, at most 200 characters."""
    text = " ".join(payload.decode("utf-8", errors="replace").split())
    return text[:200] or "the radio reports an event without a text"
