"""Settings of chain and tracker by their names, as a session file has them."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Final

EVENT_BYTES: Final = 200
"""What a recording keeps of the text of an event."""


def flat_settings(prefix: str, config: object) -> Iterator[tuple[str, object]]:
    """Yield dotted names and values of all settings, those of what a config holds too.

    Parameters
    ----------
    prefix
        What the names begin with.
    config
        A dataclass of settings.

    Examples
    --------
    >>> from isactrack.processing.ofdm_config import OfdmChainConfig
    >>> dict(flat_settings("chain", OfdmChainConfig()))["chain.music.max_paths"]
    8
    """
    if not is_dataclass(config):
        raise TypeError(f"{config!r} holds no settings")
    for field in fields(config):
        name, value = f"{prefix}.{field.name}", getattr(config, field.name)
        if is_dataclass(value):
            yield from flat_settings(name, value)
        else:
            yield name, value


def changed_settings(prefix: str, former: object, new: object) -> tuple[str, ...]:
    """Return each setting that differs between two configs of a kind, e.g. ``"chain.p_fa 1e-06 -> 1e-08"``."""
    before, after = dict(flat_settings(prefix, former)), dict(flat_settings(prefix, new))
    return tuple(f"{name} {before.get(name)} -> {value}" for name, value in after.items() if before.get(name) != value)


def event_texts(start: str, changes: Sequence[str]) -> list[str]:
    """Return changes as texts of as few events as hold them whole, each with `start` before it."""
    texts: list[str] = []
    for change in changes:
        joined = f"{texts[-1]}; {change}" if texts else ""
        if joined and len(joined.encode()) <= EVENT_BYTES:
            texts[-1] = joined
        else:
            texts.append(start + change)
    return texts
