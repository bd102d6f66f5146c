"""What happens beside the frames: events worth a line in a log, and packets that a device sends on other ways."""

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """Who or what an event is about."""

    MARKER = "marker"
    """Set by the person who records."""
    CARD = "card"
    """The capture card reported it."""
    RADAR = "radar"
    """The radar's firmware printed it."""
    RADIO = "radio"
    """The bistatic radio, or a block of it, said so."""
    OSCILLATOR = "oscillator"
    """The box with the bistatic radio's local oscillator said so, or says nothing any more."""
    LINK = "link"
    """A wire to the device went dead or came back."""
    SESSION = "session"
    """The host noticed it: a recording that had to end, a queue that overflowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at a moment of the host's clocks.

    Attributes
    ----------
    host_monotonic_ns, host_utc_ns
        When, on the host's monotonic clock and in UTC since 1970-01-01, nanoseconds.
    kind
        Who or what it is about.
    text
        What happened, one line for people.
    """

    host_monotonic_ns: int
    host_utc_ns: int
    kind: EventKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePacket:
    """Bytes that a device sends beside its frames, e.g. what the mmw demo writes to its data port, verbatim.

    Attributes
    ----------
    host_monotonic_ns, host_utc_ns
        When its first byte arrived, on the host's monotonic clock and in UTC since 1970-01-01, nanoseconds.
    kind
        Language that it is written in, e.g. ``mmw-demo-tlv``; at most 32 bytes of ASCII.
    data
        The packet.
    """

    host_monotonic_ns: int
    host_utc_ns: int
    kind: str
    data: bytes
