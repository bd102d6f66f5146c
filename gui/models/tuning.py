"""Settings of chain and tracker as fields that people change while they look: typed, checked, undone, saved."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from inspect import getdoc
from types import NoneType, UnionType
from typing import Any, Final, Protocol, get_args, get_origin, get_type_hints

from isactrack.acquisition.pipeline import SettingsChange, default_tracker_config
from isactrack.acquisition.session import Session
from isactrack.acquisition.settings_text import flat_settings
from isactrack.errors import ConfigError, IsacError
from isactrack.fmcw import FmcwSensor
from isactrack.gui.models.feed import as_isac_error
from isactrack.processing.chain_config import DETECTORS, ChainConfig
from isactrack.processing.chains import AnyChainConfig
from isactrack.processing.ofdm_config import CALIBRATIONS, CLUTTER_FILTERS, CalibrationConfig, OfdmChainConfig
from isactrack.sensor import Sensor
from isactrack.tracking.associators import ASSOCIATORS
from isactrack.tracking.config import ENGINES, FILTERS, TrackerConfig

FIRST: Final = "Tuned first"
"""Group of the settings that people change first."""
NO_VALUE: Final = "none"
"""What people type where a setting may have no value."""
MAX_UNDO: Final = 200

_FIRST_OF_RADAR: Final = (
    "chain.p_fa", "chain.min_snr_db", "chain.detector", "chain.mnomp.p_overall", "chain.clutter_memory_s",
    "chain.cluster_distance_m",
)  # fmt: skip
_FIRST_OF_RADIO: Final = (
    "chain.music.min_snr_db", "chain.mean_blocks", "chain.music.max_paths", "chain.calibration.gate_s",
    "chain.cluster_distance_m",
)  # fmt: skip
_FIRST_OF_TRACKER: Final = (
    "tracker.gate_probability", "tracker.confirm_hits", "tracker.confirm_window", "tracker.association",
    "tracker.acceleration_std_mps2",
)  # fmt: skip
_CHOICES: Final[dict[tuple[type, str], tuple[str, ...]]] = {
    (ChainConfig, "detector"): DETECTORS,
    (CalibrationConfig, "method"): CALIBRATIONS,
    (OfdmChainConfig, "clutter_filter"): CLUTTER_FILTERS,
    (TrackerConfig, "association"): tuple(ASSOCIATORS),
    (TrackerConfig, "filter"): FILTERS,
    (TrackerConfig, "engine"): ENGINES,
}
_UNITS: Final = {
    "mps2": "m/s²", "mps": "m/s", "m": "m", "s": "s", "hz": "Hz", "db": "dB", "rad": "°", "deg": "°",
    "blocks": "blocks", "rows": "rows", "tones": "tones", "cells": "cells", "points": "points", "paths": "paths",
    "frames": "frames", "estimates": "estimates", "hits": "steps", "window": "steps", "steps": "steps",
    "tentative": "steps", "confirmed": "steps", "rounds": "rounds",
}  # fmt: skip
_MEASURES: Final = ("mps2", "mps", "m", "s", "hz", "db", "rad", "deg")
"""Endings that are no words."""
_COUNTS: Final = ("hits", "window", "tentative", "confirmed")
"""Endings that name a unit only where the setting is a count."""
_SPECIAL: Final = {
    "chain.mean_blocks": "K, mean blocks", "chain.music.max_paths": "Model order, max paths",
    "chain.p_fa": "False-alarm probability", "chain.mnomp.p_overall": "False alarms, all cells",
    "chain.mnomp.p_cell": "False alarms, one cell", "chain.calibration.gate_s": "Gate of direct path",
}  # fmt: skip


class Kind(StrEnum):
    """What a setting holds."""

    FLAG = "flag"
    COUNT = "count"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"
    PAIR = "pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A setting, without its value.

    Attributes
    ----------
    name
        Name in session files after the name of the config, e.g. ``"chain.music.max_paths"``.
    title
        Name for people.
    group
        What it stands under.
    kind
        What it holds.
    optional
        Whether it may have no value, which people write as ``none``.
    default
        Its value if nobody says otherwise.
    choices
        What there is to choose from; empty if it is no choice.
    unit
        Its unit in texts; empty for none. Angles are radians as values and degrees as texts.
    meaning
        What the documentation says of it.
    """

    name: str
    title: str
    group: str
    kind: Kind
    optional: bool
    default: Any
    choices: tuple[str, ...]
    unit: str
    meaning: str

    def matches(self, search: str) -> bool:
        """Return whether every word of a search stands in its name, title, group, or meaning."""
        text = f"{self.name} {self.title} {self.group} {self.meaning}".lower()
        return all(word in text for word in search.lower().split())

    @property
    def is_angle(self) -> bool:
        """Whether it is an angle: radians as a value, degrees as a text."""
        return self.name.endswith("_rad")

    def text(self, value: Any) -> str:
        """Return a value as people write it, for `parse` to read."""
        return f"{math.degrees(value):.12g}" if self.is_angle and value is not None else value_text(value)

    def parse(self, text: str) -> Any:
        """Return the value that a text says.

        Raises
        ------
        ConfigError
            If it says none of this kind.
        """
        text = text.strip()
        if self.optional and text.lower() in ("", NO_VALUE):
            return None
        try:
            value = _PARSERS[self.kind](text)
            return math.radians(value) if self.is_angle else value
        except ValueError as error:
            wanted = _WANTED[self.kind] + (f", or {NO_VALUE}" if self.optional else "")
            raise ConfigError(f"{self.title} is {text!r}", f"give {wanted}") from error


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a chain and of the tracker behind it."""

    chain: AnyChainConfig
    tracker: TrackerConfig

    @classmethod
    def default(cls, sensor: Sensor, chain: AnyChainConfig | None = None) -> "Settings":
        """Return what suits a sensor; with a chain's settings, the tracker that suits it."""
        chain = chain or (ChainConfig() if isinstance(sensor, FmcwSensor) else OfdmChainConfig())
        return cls(chain, default_tracker_config(sensor, chain))

    def flat(self) -> dict[str, Any]:
        """Return all values by their dotted names."""
        return dict((*flat_settings("chain", self.chain), *flat_settings("tracker", self.tracker)))

    def with_value(self, name: str, value: Any) -> "Settings":
        """Return these settings with another value of one.

        Raises
        ------
        ConfigError
            If it cannot work.
        """
        part, *path = name.split(".")
        return replace(self, **{part: _replaced(getattr(self, part), path, value)})


class TuningModel:
    """The settings that are looked at, their history, and what is wrong with what was entered.

    Parameters
    ----------
    settings
        Those in use.
    defaults
        Those that `reset` returns to; None for `settings`.

    Attributes
    ----------
    fields
        All settings in the order of show, those that people tune first before all others.
    """

    def __init__(self, settings: Settings, defaults: Settings | None = None) -> None:
        self._settings = settings
        self._defaults = defaults or settings
        self.fields = tuple(_ordered_fields(self._defaults))
        self._by_name = {field.name: field for field in self.fields}
        self._errors: dict[str, ConfigError] = {}
        self._undo: list[Settings] = []
        self._redo: list[Settings] = []

    @property
    def settings(self) -> Settings:
        """The settings, which can always work as far as they say themselves."""
        return self._settings

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether something was taken back."""
        return bool(self._redo)

    @property
    def is_default(self) -> bool:
        """Whether every setting has its default."""
        return self._settings == self._defaults

    def field(self, name: str) -> Field:
        """Return a setting; KeyError if there is none of that name."""
        return self._by_name[name]

    def value(self, name: str) -> Any:
        """Return the present value of a setting."""
        return _value(self._settings, name)

    def text(self, name: str) -> str:
        """Return the present value as people would write it."""
        return self.field(name).text(self.value(name))

    def error(self, name: str) -> ConfigError | None:
        """Return why what was entered last for a setting cannot work; None if it can."""
        return self._errors.get(name)

    def set(self, name: str, value: Any) -> bool:
        """Enter a value, or a text that says one; return whether it was taken.

        What cannot work is kept out: the setting has its former value, and `error` says why.
        """
        field = self.field(name)
        try:
            parsed = field.parse(value) if isinstance(value, str) else value
            settings = self._settings.with_value(name, parsed)
        except ConfigError as error:
            self._errors[name] = error
            return False
        self._errors.pop(name, None)
        self._go_to(settings)
        return True

    def undo(self) -> bool:
        """Take back the last change; return whether there was one."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        """Make again what was taken back; return whether there was something."""
        return self._step(self._redo, self._undo)

    def reset(self, name: str | None = None) -> bool:
        """Return to the defaults, or to that of one setting; `undo` takes it back.

        Returns
        -------
        bool
            Whether that works: with others as they are, the default of one may not, see `error`.
        """
        if name is not None:
            return self.set(name, self.field(name).default)
        self.replace(self._defaults)
        return True

    def replace(self, settings: Settings) -> None:
        """Take settings as a whole, e.g. those of a file; `undo` takes it back.

        Raises
        ------
        ConfigError
            If they are of another kind of sensor.
        """
        if type(settings.chain) is not type(self._settings.chain):
            raise ConfigError(
                "these settings are for another kind of sensor", "radars and radios have chains of their own"
            )
        self._errors.clear()
        self._go_to(settings)

    def refuse(self, used: Settings, error: ConfigError) -> None:
        """Go back to the settings in use, because the sensor cannot work with those that are shown.

        Parameters
        ----------
        used
            The settings in use.
        error
            Why; it stands beside each setting that differs.
        """
        changed = {name for name, value in self._settings.flat().items() if used.flat()[name] != value}
        if self._undo and self._undo[-1] == used:
            self._undo.pop()
            self._settings = used
        else:
            self._go_to(used)
        self._errors = dict.fromkeys(changed, error)

    def _go_to(self, settings: Settings) -> None:
        if settings == self._settings:
            return
        self._undo = [*self._undo[1 - MAX_UNDO :], self._settings]
        self._redo.clear()
        self._settings = settings

    def _step(self, source: list[Settings], target: list[Settings]) -> bool:
        self._errors.clear()
        if not source:
            return False
        target.append(self._settings)
        self._settings = source.pop()
        return True


class Tunable(Protocol):
    """What runs with settings and can go on with others; `isactrack.acquisition.session.Session` is."""

    def reconfigure(
        self, chain_config: AnyChainConfig | None = None, tracker_config: TrackerConfig | None = None
    ) -> SettingsChange:
        """Go on with other settings; ConfigError if they cannot work, then nothing changes."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of settings that were handed over.

    Attributes
    ----------
    settings
        The settings that are in use now.
    change
        What changed; None if they were refused.
    error
        Why they were refused; None if they were not.
    """

    settings: Settings
    change: SettingsChange | None = None
    error: IsacError | None = None


class Applier:
    """Hands settings to what runs, in a thread of its own: a chain may have to be compiled before it works.

    Parameters
    ----------
    target
        What runs.
    used
        The settings that it runs with.
    """

    def __init__(self, target: Tunable, used: Settings) -> None:
        self._target = target
        self._used = used
        self._lock = threading.Lock()
        self._wanted: Settings | None = None
        self._busy = False
        self._results: list[Applied] = []

    @property
    def used(self) -> Settings:
        """The settings in use."""
        with self._lock:
            return self._used

    @property
    def busy(self) -> bool:
        """Whether settings are on their way."""
        with self._lock:
            return self._busy

    def retarget(self, target: Tunable, used: Settings) -> None:
        """Hand settings to something else from now on: a device that came back has a new session.

        Parameters
        ----------
        target, used
            What runs now, and the settings that it runs with; `submit` brings it to those of before.
        """
        with self._lock:
            self._target, self._used = target, used

    def submit(self, settings: Settings) -> None:
        """Apply settings soon; of several that wait the newest alone."""
        with self._lock:
            self._wanted = settings
            if self._busy:
                return
            self._busy = True
        # A daemon: what hangs in it must not keep a closed viewer alive.
        threading.Thread(target=self._run, name="isactrack-tuning", daemon=True).start()

    def take(self) -> list[Applied]:
        """Return what became of settings since the last call."""
        with self._lock:
            results, self._results = self._results, []
        return results

    def _run(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._busy = False
                    return
            result = self._apply(wanted)
            with self._lock:
                self._used = result.settings
                self._results.append(result)

    def _apply(self, wanted: Settings) -> Applied:
        with self._lock:
            target = self._target
        try:
            return Applied(wanted, target.reconfigure(wanted.chain, wanted.tracker))
        except Exception as error:  # noqa: BLE001 - a thread has no caller; the panel shows it
            return Applied(self.used, error=as_isac_error(error))


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a panel needs; it outlives panels, which come and go with docks and themes.

    Attributes
    ----------
    model
        The settings.
    sensor, url
        The sensor that they are for, and its device: for session files.
    applier
        Hands settings to what runs; None where nothing runs, then they are shown and saved only.
    """

    model: TuningModel
    sensor: Sensor
    url: str
    applier: Applier | None = None

    @classmethod
    def of(cls, session: Session) -> "Tuning | None":
        """Return what tunes a session; None for one that processes nothing."""
        pipeline = session.pipeline
        if pipeline is None:
            return None
        used = Settings(pipeline.chain_config, pipeline.tracker_config)
        model = TuningModel(used, Settings.default(pipeline.sensor))
        return cls(model, pipeline.sensor, session.health().url, Applier(session, used))


def value_text(value: Any) -> str:
    """Return a value in its own unit as people write it."""
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)


# --- fields of the dataclasses ---------------------------------------------------------------------------------------


def _ordered_fields(defaults: Settings) -> Iterator[Field]:
    of_radar = isinstance(defaults.chain, ChainConfig)
    first = (_FIRST_OF_RADAR if of_radar else _FIRST_OF_RADIO) + _FIRST_OF_TRACKER
    known = {
        field.name: field
        for field in (
            *_fields_of(defaults.chain, "chain", "Chain"),
            *_fields_of(defaults.tracker, "tracker", "Tracker"),
        )
    }
    for name in first:
        yield replace(known.pop(name), group=FIRST)
    yield from known.values()


def _fields_of(config: Any, prefix: str, group: str) -> Iterator[Field]:
    """Yield the fields of a config: its own, and then those of what it holds."""
    hints, meanings = get_type_hints(type(config)), _attribute_docs(type(config))
    nested = []
    for field in fields(config):
        value, name = getattr(config, field.name), f"{prefix}.{field.name}"
        if is_dataclass(value):
            nested.append((value, name, f"{group}: {field.name}"))
            continue
        choices = _CHOICES.get((type(config), field.name), ())
        kind, optional = _kind_of(hints[field.name], choices)
        yield Field(
            name=name,
            title=_SPECIAL.get(name, _title_of(field.name)),
            group=group,
            kind=kind,
            optional=optional,
            default=value,
            choices=choices,
            unit=_unit_of(field.name, kind),
            meaning=meanings.get(field.name, ""),
        )
    for value, name, title in nested:
        yield from _fields_of(value, name, title)


def _kind_of(hint: Any, choices: tuple[str, ...]) -> tuple[Kind, bool]:
    """Return what a type of a dataclass holds, and whether it may be None."""
    args = get_args(hint)
    optional = get_origin(hint) is UnionType and NoneType in args
    plain = next(arg for arg in args if arg is not NoneType) if optional else hint
    if choices:
        return Kind.CHOICE, optional
    return _KINDS[plain], optional


_KINDS: Final[dict[Any, Kind]] = {
    bool: Kind.FLAG, int: Kind.COUNT, float: Kind.NUMBER, str: Kind.TEXT, tuple[int, int]: Kind.PAIR,
}  # fmt: skip


def _title_of(name: str) -> str:
    """Return a name for people, without the unit that stands behind the value."""
    start, _, ending = name.rpartition("_")
    return (start if start and ending in _MEASURES else name).replace("_", " ").capitalize().replace("snr", "SNR")


def _unit_of(name: str, kind: Kind) -> str:
    ending = name.rpartition("_")[2]
    if kind not in (Kind.NUMBER, Kind.COUNT, Kind.PAIR) or (ending in _COUNTS and kind is not Kind.COUNT):
        return ""
    return _UNITS.get(ending, "")


def _attribute_docs(cls: type) -> dict[str, str]:
    """Return what the section ``Attributes`` of a docstring says of each name."""
    _, _, section = (getdoc(cls) or "").partition("Attributes\n----------\n")
    meanings: dict[str, str] = {}
    names: list[str] = []
    lines = section.splitlines()
    for k, line in enumerate(lines):
        if line and not line.startswith(" "):
            if k + 1 < len(lines) and lines[k + 1].startswith("---"):
                break  # the next section
            names = [name.strip() for name in line.split(",")]
        elif line.strip():
            for name in names:
                meanings[name] = f"{meanings.get(name, '')} {line.strip()}".strip()
    return meanings


def _value(settings: Settings, name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _replaced(config: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    return replace(config, **{name: _replaced(getattr(config, name), rest, value) if rest else value})


# --- values of texts -------------------------------------------------------------------------------------------------


_FLAGS: Final = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def _as_flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text.lower()]


def _as_number(text: str) -> float:
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _as_pair(text: str) -> tuple[int, int]:
    first, second = (int(part) for part in text.strip("()[] ").split(","))
    return first, second


_PARSERS: Final[dict[Kind, Callable[[str], Any]]] = {
    Kind.FLAG: _as_flag, Kind.COUNT: int, Kind.NUMBER: _as_number, Kind.CHOICE: str, Kind.TEXT: str,
    Kind.PAIR: _as_pair,
}  # fmt: skip
_WANTED: Final = {
    Kind.FLAG: "yes or no", Kind.COUNT: "a whole number", Kind.NUMBER: "a number", Kind.CHOICE: "one of the choices",
    Kind.TEXT: "a text", Kind.PAIR: "two whole numbers, e.g. 8, 6",
}  # fmt: skip
