"""What goes wrong on a simulated bistatic radio, and the account of it.

Faults at set times are asked for as `isactrack.drivers.simulated.fault_plan` says; those of single packets are drawn,
the same ones for the same seed. `RadioAccount` knows to the fragment what became of what the radio made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.bistatic.framing import Packet, PacketKind, decode
from isactrack.drivers.simulated.fault_plan import Fault, FaultRule, Rules, parse_plan
from isactrack.drivers.simulated.faults import GROUP_BYTES, Account, Faults
from isactrack.ofdm import OfdmSensor


class FaultKind(StrEnum):
    """Faults that a simulated radio can have at a set time."""

    OVERFLOW = "overflow"
    LO_UNLOCK = "lo-unlock"
    REF_UNLOCK = "ref-unlock"
    SILENT = "silent"
    UNPLUG = "unplug"
    LINK_DOWN = "link-down"
    GARBAGE = "garbage"
    SILENT_LO = "silent-lo"
    SLOW_LO = "slow-lo"
    SHADOW = "shadow"
    GAIN_STEP = "gain-step"
    GAIN_ERROR = "gain-error"


RULES: Final[Rules] = {
    FaultKind.OVERFLOW: FaultRule(
        "the radio's memory is full: it drops blocks, and says so with the next one", duration_s=0.1, needs_start=True
    ),
    FaultKind.LO_UNLOCK: FaultRule("the local oscillator has no lock: the box says so, and the blocks"),
    FaultKind.REF_UNLOCK: FaultRule("the reference clock has no lock: the box says so, and the blocks"),
    FaultKind.SILENT: FaultRule("the radio neither answers nor streams"),
    FaultKind.UNPLUG: FaultRule("the radio's USB cable is out: it is not on the bus"),
    FaultKind.LINK_DOWN: FaultRule("the radio's Ethernet link is down: nothing comes through either way"),
    FaultKind.GARBAGE: FaultRule(
        "random bytes in the USB stream, or foreign datagrams: once, or before each block for a duration",
        duration_s=0.0,
        needs_start=True,
    ),
    FaultKind.SILENT_LO: FaultRule("the LO box answers nothing"),
    FaultKind.SLOW_LO: FaultRule("the LO box answers late"),
    FaultKind.SHADOW: FaultRule("a person stands in the direct path", duration_s=0.5, needs_start=True),
    FaultKind.GAIN_STEP: FaultRule(
        "the radio changes its gain by 6 dB and says so; back at the end of the duration", needs_start=True
    ),
    FaultKind.GAIN_ERROR: FaultRule(
        "the gain is 3 dB off what the radio says; right again at the end of the duration", needs_start=True
    ),
}
SIGNAL_FAULTS: Final = (FaultKind.SHADOW, FaultKind.GAIN_STEP, FaultKind.GAIN_ERROR)
"""Faults of the signal: they happen in the source, before the wire."""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults that the option ``fault`` of a URL asks for, see `parse_plan`."""
    return parse_plan(text, RULES)


def describe_faults() -> list[tuple[str, str]]:
    """Return each kind of fault and what it does."""
    return [(kind.value, rule.meaning) for kind, rule in RULES.items()]


def signal_faults(plan: Iterable[Fault], origin_s: float) -> tuple[Fault, ...]:
    """Return the faults of the signal of a run, by the run's own time.

    Parameters
    ----------
    plan
        All faults, by the device's clock.
    origin_s
        The device's clock at the start of the run.
    """
    return tuple(
        replace(fault, start_s=fault.start_s - origin_s)
        for fault in plan
        if fault.kind in SIGNAL_FAULTS and fault.end_s > origin_s
    )


@dataclass(slots=True, kw_only=True)
class RadioAccount(Account):
    """What became of the blocks of one run, to the fragment; `lost_ranges` stays empty.

    Attributes
    ----------
    blocks
        Blocks that the radio made, dropped ones included.
    dropped_blocks
        Counters of the blocks that the radio dropped because nobody took them, or in an overflow; in order.
    flagged_overflow
        Counters of the blocks that say that some were dropped before them.
    lost_fragments
        Fragments that were lost on the way: block, first row, rows, first sample, samples.
    """

    blocks: int = 0
    dropped_blocks: list[int] = field(default_factory=list)
    flagged_overflow: list[int] = field(default_factory=list)
    lost_fragments: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def valid_of(self, block: int, sensor: OfdmSensor) -> NDArray[np.bool_]:
        """Return what must have arrived of a block, one flag for each group of 8 bytes, from lost fragments alone."""
        shape = sensor.cube_shape
        arrived = np.ones((shape[0] * shape[1], shape[2], 4), np.bool_)
        for lost, row, rows, first, count in self.lost_fragments:
            if lost == block:
                arrived[row : row + rows, first : first + count] = False
        flat = arrived.reshape(-1)
        padded = np.ones(-(-flat.size // GROUP_BYTES) * GROUP_BYTES, np.bool_)
        padded[: flat.size] = flat
        return np.asarray(padded.reshape(-1, GROUP_BYTES).all(axis=1))


class RadioFaults(Faults):
    """Loses, doubles and reorders packets of blocks by chance; see `Faults`.

    Attributes
    ----------
    account
        What became of the blocks since `begin`.
    """

    account: RadioAccount

    def begin(self) -> None:
        """Begin a run and its account; what was still on its way never comes."""
        super().begin()
        self.account = RadioAccount()

    @property
    def meddles(self) -> bool:
        """Whether anything is ever done to a packet."""
        return bool(self._dup or self._reorder or self._late or self._burst_begins)

    def _note_loss(self, packet: bytes) -> None:
        self.account.lost_packets += 1
        one: Packet = decode(packet)
        if one.kind in (PacketKind.CSI, PacketKind.IQ):
            self.account.lost_fragments.append(
                (one.block, one.row_first, one.row_count, one.sample_first, one.sample_count)
            )
