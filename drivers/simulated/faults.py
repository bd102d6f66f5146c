"""What goes wrong on a simulated board: faults of wires and boards at set times, and of single packets by chance.

Faults at set times are asked for as `isactrack.drivers.simulated.fault_plan` says.

Faults of single packets (loss, doubling, reordering, lateness) are drawn, the same ones for the same seed. `Account`
knows to the packet what became of what the card sent.
"""

import heapq
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642.dca1000 import DATA_HEADER_BYTES, decode_data_header
from isactrack.drivers.simulated.fault_plan import Fault, FaultRule, Rules, parse_plan
from isactrack.errors import ConfigError

GROUP_BYTES: Final = 8
"""Grain of the LVDS lanes, and of a frame's validity mask."""


class FaultKind(StrEnum):
    """Faults that a simulated board can have at a set time."""

    SILENT_CONSOLE = "silent-console"
    SILENT_CARD = "silent-card"
    SLOW_CONSOLE = "slow-console"
    SLOW_CARD = "slow-card"
    UART_GARBAGE = "uart-garbage"
    UNPLUG = "unplug"
    EXCEPTION = "exception"
    RESET = "reset"
    LINK_DOWN = "link-down"
    DDR_FULL = "ddr-full"
    LVDS_FULL = "lvds-full"


RULES: Final[Rules] = {
    FaultKind.SILENT_CONSOLE: FaultRule("the radar prints nothing"),
    FaultKind.SILENT_CARD: FaultRule("the card answers no request; what it streams goes on"),
    FaultKind.SLOW_CONSOLE: FaultRule("the radar prints its replies late"),
    FaultKind.SLOW_CARD: FaultRule("the card answers requests late"),
    FaultKind.UART_GARBAGE: FaultRule("random bytes on the serial line: one burst, or for a duration", duration_s=0.0),
    FaultKind.UNPLUG: FaultRule("the radar's USB cable is out: there is no serial port; radar and stream go on"),
    FaultKind.EXCEPTION: FaultRule(
        "the radar's firmware dies with an exception", duration_s=0.0, needs_start=True, instant=True
    ),
    FaultKind.RESET: FaultRule(
        "the radar resets: banner, no configuration", duration_s=0.0, needs_start=True, instant=True
    ),
    FaultKind.LINK_DOWN: FaultRule("the card's Ethernet link is down: nothing comes through either way"),
    FaultKind.DDR_FULL: FaultRule(
        "the card's memory is full: it reports DDR_FULL and drops samples without counting them",
        duration_s=0.1,
        needs_start=True,
    ),
    FaultKind.LVDS_FULL: FaultRule(
        "the card's input buffer is full: the same with LVDS_BUFFER_FULL", duration_s=0.1, needs_start=True
    ),
}
_MOST_LATE_FRAMES: Final = 1_000_000
INSTANT: Final = tuple(kind for kind, rule in RULES.items() if rule.instant)
"""Faults after which the radar is dead or reset."""


def describe_faults() -> list[tuple[str, str]]:
    """Return each kind of fault and what it does."""
    return [(kind.value, rule.meaning) for kind, rule in RULES.items()]


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults that the option ``fault`` of a URL asks for, see `parse_plan`."""
    return parse_plan(text, RULES)


@dataclass(slots=True, kw_only=True)
class Account:
    """What became of the data of one record of the card, to the packet.

    Attributes
    ----------
    packets
        Packets that the card made.
    arrived_packets
        Packets that reached the host, second copies included.
    lost_packets, doubled_packets, reordered_packets, late_packets
        Packets that never arrived, arrived twice, changed places with the next one, and came after many others.
    lost_ranges
        Where in the stream the lost packets lie, (first byte, byte after the last).
    dropped_bytes
        Samples that the card dropped in overruns without counting them: they are in no packet.
    """

    packets: int = 0
    arrived_packets: int = 0
    lost_packets: int = 0
    doubled_packets: int = 0
    reordered_packets: int = 0
    late_packets: int = 0
    lost_ranges: list[tuple[int, int]] = field(default_factory=list)
    dropped_bytes: int = 0

    def valid(self, frame: int, frame_bytes: int) -> NDArray[np.bool_]:
        """Return what must have arrived of a frame of the record (frame_bytes / 8,) bool, from lost packets alone."""
        valid = np.ones(frame_bytes // GROUP_BYTES, np.bool_)
        first = frame * frame_bytes
        for start, end in self.lost_ranges:
            low, high = max(start - first, 0), min(end - first, frame_bytes)
            if low < high:
                valid[low // GROUP_BYTES : high // GROUP_BYTES] = False
        return valid

    def lost_bytes(self, stream_bytes: int) -> int:
        """Return how many of the first bytes of the stream were lost with packets."""
        return sum(min(end, stream_bytes) - start for start, end in self.lost_ranges if start < stream_bytes)


class Faults:
    """Loses, doubles, delays and reorders packets by chance, the same ones for the same seed.

    Each kind of fault has random numbers of its own, so that one does not change which packets another one hits.

    Parameters
    ----------
    seed
        Seeds the choice of packets.
    loss, dup, reorder, late
        Shares of the packets, 0 to 1, that get lost, that come twice, that change places with the next one, and that
        come later than their turn.
    burst
        Packets that are lost one after the other.
    late_frames
        Frames by which a late packet is late at most.

    Attributes
    ----------
    account
        What became of the packets since `begin`.

    Raises
    ------
    ConfigError
        If a share is not between 0 and 1, or another number makes no sense.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        loss: float = 0.0,
        dup: float = 0.0,
        reorder: float = 0.0,
        late: float = 0.0,
        burst: int = 1,
        late_frames: float = 2.0,
    ) -> None:
        for name, share in (("loss", loss), ("dup", dup), ("reorder", reorder), ("late", late)):
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"{name}={share} is no share of the packets", "use 0 to 1")
        if burst < 1:
            raise ConfigError(f"burst={burst} is no count of packets", "use a whole number from 1")
        if not 0.0 < late_frames <= _MOST_LATE_FRAMES:
            raise ConfigError(
                f"late_frames={late_frames} is no count of frames", f"use a positive number up to {_MOST_LATE_FRAMES}"
            )
        self._dup, self._reorder, self._late, self._late_frames = dup, reorder, late, late_frames
        # A burst begins rarely enough that the share of all packets is what was asked for.
        self._burst, self._burst_begins = burst, loss / (burst * (1.0 - loss) + loss)
        self._burst_left = 0
        self._loss_rng, self._dup_rng, self._reorder_rng, self._late_rng = (
            np.random.default_rng([seed, kind]) for kind in (1, 2, 3, 4)
        )
        self._packets_per_frame = 1
        self.begin()

    def begin(self) -> None:
        """Begin a record and its account; what was still on its way never comes."""
        self.account = Account()
        self._held: list[bytes] = []
        self._delayed: list[tuple[int, int, list[bytes]]] = []  # a heap: when it is due, in packets, and which it is

    def expect(self, packets_per_frame: int) -> None:
        """Say how many packets make a frame, by which lateness is measured."""
        self._packets_per_frame = max(1, packets_per_frame)

    def apply(self, packets: list[bytes], *, link_up: bool = True) -> list[bytes]:
        """Return what arrives now of the packets that are sent now."""
        arriving: list[bytes] = []
        for packet in packets:
            self.account.packets += 1
            if self._loses() or not link_up:
                self._note_loss(packet)
            else:
                arriving += self._pass(packet)
            if link_up:
                arriving += self._overdue(self.account.packets)
        return self._arrived(arriving)

    def release(self) -> list[bytes]:
        """Return the packet that waits for its next one, if there is one: nothing follows it for a while."""
        held, self._held = self._held, []
        return self._arrived(held)

    def drain(self) -> list[bytes]:
        """Return all that is on its way: the record is over."""
        return [*self.release(), *self._arrived(self._overdue(None))]

    def _loses(self) -> bool:
        begins = bool(self._loss_rng.random() < self._burst_begins)
        if self._burst_left == 0 and begins:
            self._burst_left = self._burst
        self._burst_left -= (hit := self._burst_left > 0)
        return hit

    def _pass(self, packet: bytes) -> list[bytes]:
        """Return what arrives now of a packet that is not lost, and of the one before it."""
        copies = [packet] * (1 + int(self._dup_rng.random() < self._dup))
        self.account.doubled_packets += len(copies) - 1
        if self._late_rng.random() < self._late:
            most = max(1, round(self._late_frames * self._packets_per_frame))
            due = self.account.packets + int(self._late_rng.integers(1, most + 1))
            heapq.heappush(self._delayed, (due, self.account.packets, copies))
            self.account.late_packets += 1
            held, self._held = self._held, []
            return held
        if not self._held and self._reorder_rng.random() < self._reorder:
            self._held = copies
            return []
        held, self._held = self._held, []
        self.account.reordered_packets += bool(held)
        return [*copies, *held]

    def _overdue(self, now: int | None) -> list[bytes]:
        """Return the late packets whose time has come; all of them if that is None."""
        due: list[bytes] = []
        while self._delayed and (now is None or self._delayed[0][0] <= now):
            due += heapq.heappop(self._delayed)[2]
        return due

    def _arrived(self, packets: list[bytes]) -> list[bytes]:
        self.account.arrived_packets += len(packets)
        return packets

    def _note_loss(self, packet: bytes) -> None:
        account = self.account
        account.lost_packets += 1
        if len(packet) <= DATA_HEADER_BYTES:
            return
        _, start = decode_data_header(packet)
        end = start + len(packet) - DATA_HEADER_BYTES
        if account.lost_ranges and account.lost_ranges[-1][1] == start:
            start = account.lost_ranges.pop()[0]
        account.lost_ranges.append((start, end))
