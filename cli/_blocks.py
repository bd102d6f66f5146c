"""What commands show of the flags of a radio's blocks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isactrack.recordings import Recording


def block_flags(recording: "Recording") -> dict[str, int] | None:
    """Return how many blocks of a recording, or of a stream of one, have each flag; None for a radar."""
    from isactrack.ofdm import OfdmSensor
    from isactrack.recordings.validate import count_flags

    return count_flags(recording.blocks["flags"]) if isinstance(recording.sensor, OfdmSensor) else None


def flags_text(recording: "Recording") -> str:
    """Return `block_flags` in words, e.g. ``1 overflow, 2 lost fragment``; empty for a radar."""
    flags = block_flags(recording)
    if flags is None:
        return ""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in flags.items()) or "none is flagged"
