"""Tuned settings in a session file, as `isactrack session` reads it."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

from isactrack.acquisition.plan import NONE, parse_plan
from isactrack.errors import ConfigError
from isactrack.gui.models.tuning import Settings
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.recordings.replacing import replacing
from isactrack.sensor import Sensor
from isactrack.tracking.config import TrackerConfig, bistatic_tracker_config

_WRITTEN: Final = ("remove_static",)
"""Settings that are written even if they have their default: left out they follow from another one."""
_HEADER: Final = re.compile(r"^\s*\[{1,2}\s*([\w-]+)[^\]]*\]{1,2}")


def save_settings(path: Path, settings: Settings, sensor: Sensor, url: str) -> None:
    """Write settings into a session file; of one that exists everything else stays as it is.

    Parameters
    ----------
    path
        The file, which appears when it is complete.
    settings
        The settings; those that are defaults are left out.
    sensor
        The sensor whose settings they are.
    url
        The device, for a file that does not exist.

    Raises
    ------
    ConfigError
        If the file that exists is no session file.
    RecordingError
        If it cannot be written.
    """
    if path.exists():
        former = _read(path)
        parse_plan(former, path.parent)
    else:
        former = f"# Run it with `isactrack session {path.name}`.\n\n[[device]]\nurl = {_toml(url)}\n"
    text = with_settings(former, settings, sensor)
    with replacing(path) as file:
        file.write(text.encode())


def load_settings(path: Path, sensor: Sensor) -> Settings:
    """Return the settings that a session file has for a kind of sensor.

    Raises
    ------
    ConfigError
        If it cannot be read or is no session file; the message names the table and the key.
    """
    plan = parse_plan(_read(path), path.parent)
    return Settings(*plan.settings_of(sensor))


def with_settings(text: str, settings: Settings, sensor: Sensor) -> str:
    """Return the text of a session file with settings in place of those that it has for this kind of sensor.

    Raises
    ------
    ConfigError
        If it is no session file, or so laid out that its settings cannot be told from the rest.
    """
    tables = ("chain", "tracker") if isinstance(settings.chain, ChainConfig) else ("ofdm",)
    new = "\n".join((_without(text, tables).rstrip("\n"), "", *_tables(settings))) + "\n"
    before, after = parse_plan(text, Path()), parse_plan(new, Path())
    same = replace(after, text=before.text, chain=before.chain, tracker=before.tracker, ofdm=before.ofdm,
                   ofdm_tracker=before.ofdm_tracker)  # fmt: skip
    if same != before or Settings(*after.settings_of(sensor)) != settings:
        raise ConfigError(
            "the settings cannot be put into this session file", "choose another name, and copy them by hand"
        )
    return new


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", "check the name and the folder") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no session file: it is no text in UTF-8", "save it as UTF-8") from error


def _without(text: str, tables: tuple[str, ...]) -> str:
    """Return a TOML text without some tables and what is below them."""
    kept, keep = [], True
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header is not None:
            keep = header.group(1) not in tables
        if keep:
            kept.append(line)
    return "\n".join(kept)


def _tables(settings: Settings) -> Iterator[str]:
    if isinstance(settings.chain, ChainConfig):
        yield from _table("chain", settings.chain, ChainConfig())
        yield from _table("tracker", settings.tracker, TrackerConfig())
        return
    chain = settings.chain
    yield from _table("ofdm", chain, OfdmChainConfig())
    # Its defaults follow from how often the chain estimates: written in full, they are what they were.
    yield from _table("ofdm.tracker", settings.tracker, bistatic_tracker_config(), in_full=True)


def _table(name: str, config: Any, default: Any, *, in_full: bool = False) -> Iterator[str]:
    """Yield the lines of a table, and of those below it, with what is not the default."""
    lines, nested = [], []
    for field in fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        if is_dataclass(value):
            nested.append((f"{name}.{field.name}", value, usual))
        elif (in_full and (value, usual) != (None, None)) or value != usual or field.name in _WRITTEN:
            lines.append(f"{field.name} = {_toml(value)}")
    if lines:
        yield from (f"[{name}]", *lines, "")
    for inner in nested:
        yield from _table(*inner)


def _toml(value: Any) -> str:
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)
