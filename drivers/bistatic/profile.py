"""Profiles of the bistatic radio: a TOML text, what the radio is asked for by it, and what a radio cannot do.

Everything has a default, see `Settings`; `default_profile` shows most keys. With ``stagger = true`` the reference
symbols begin at `STAGGER_ORDER`: of evenly spaced ones a path that changes by a wavelength a block looks as if it stood
still, and the running mean takes it away with the walls.
"""

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from importlib import resources
from itertools import pairwise
from typing import Any, Final, TypeVar

from isactrack.drivers.bistatic.control import AsRun, Capability, Identity, Settings, sensor_of
from isactrack.drivers.bistatic.lo_box import LoSettings
from isactrack.errors import ConfigError
from isactrack.ofdm import ArrayModel, Capture

STAGGER_ORDER: Final = (
    17, 26, 3, 0, 13, 7, 5, 16, 27, 14, 23, 9, 24, 8, 28, 29,
    25, 11, 18, 15, 2, 20, 21, 10, 30, 1, 31, 4, 6, 19, 22, 12,
)  # fmt: skip
"""With which 32nd part of its block the reference symbol of each of 32 blocks begins.

Each part once, so that a Doppler shift of a whole number of cycles a block averages to nothing over the pattern, in the
order of 30,000 random ones (seed 5310) whose largest Doppler side lobe over 32 blocks is the least, 0.38.
"""
DEFAULT_IF_HZ: Final = 4e9
"""An LO box runs by so much below the carrier if the profile does not say."""
MAX_CHARACTERS: Final = 1 << 16
_TABLES: Final = ("radio", "array", "transmitter", "waveform", "lo")
_WAVEFORM: Final = (
    "fft_size", "cyclic_prefix_samples", "tone_first", "tone_step", "tones", "symbols_per_block", "preamble_root",
    "reference_seed",
)  # fmt: skip
_LARGE: Final = 10**60
_HINT: Final = "docs/bistatic-wire.md lists the keys of a profile"
_ARRAY_CAPABILITY: Final = {
    ArrayModel.ULA: Capability.MULTI_RX,
    ArrayModel.SWITCHED: Capability.SWITCHED_ARRAY,
    ArrayModel.BEAMSPACE: Capability.BEAMSPACE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a profile asks for.

    Attributes
    ----------
    settings
        What the radio shall run; its `lo_hz` is filled in once an LO box runs.
    lo
        What an LO box shall run; None if the profile does not say.
    tx_position_m
        Where the transmitter stands, in the sensor frame; None if it is not known.
    """

    settings: Settings
    lo: LoSettings | None = None
    tx_position_m: tuple[float, float] | None = None


def default_profile() -> str:
    """Return the text of the default profile."""
    return resources.files("isactrack.drivers.bistatic").joinpath("default_profile.toml").read_text(encoding="utf-8")


def parse_profile(text: str) -> Profile:
    """Read a profile.

    Raises
    ------
    ConfigError
        If it is no TOML, or has a table, key or value that no profile can have; the message names table and key.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"the profile has {len(text)} characters, more than {MAX_CHARACTERS}", "is it a profile?")
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # a ValueError also for numbers of thousands of digits
        raise ConfigError(f"the profile is no TOML: {error}", _HINT) from error
    for name in data:
        if name not in _TABLES:
            raise ConfigError(f"the profile has no table [{name}]", _guess(name, _TABLES))
    tables = {name: _Table(name, data.get(name, {})) for name in _TABLES}
    profile = Profile(
        settings=_settings(tables["radio"], tables["array"], tables["waveform"]),
        lo=_lo(tables["lo"]) if "lo" in data else None,
        tx_position_m=_transmitter(tables["transmitter"]) if "transmitter" in data else None,
    )
    for table in tables.values():
        table.refuse_others()
    _check_timing(profile.settings)
    sensor_of("", AsRun(settings=profile.settings))  # a ConfigError where the parts contradict each other
    return profile


def check_capabilities(settings: Settings, radio: Identity) -> None:
    """Check that a radio can do what it will be asked for, before it is.

    Raises
    ------
    ConfigError
        If it cannot; the message names table and key of the profile.
    """
    has = radio.capabilities
    capture = Capability.GATED_IQ if settings.capture is Capture.IQ else Capability.CSI
    needs = [
        (True, capture, f'[radio] capture = "{settings.capture}"', "take the other capture"),
        (settings.agc, Capability.AGC, "[radio] agc = true", "set gain_db, and agc = false"),
        (bool(settings.stagger_symbols), Capability.STAGGER, "[radio] stagger = true", "set stagger = false"),
        (not settings.lo_hz, Capability.LO_CONTROL, "[radio] carrier_hz without an LO box",
         "name the box that gives the carrier in the device's URL: lo=HOST"),
    ]  # fmt: skip
    model = _ARRAY_CAPABILITY.get(settings.array)
    if model is not None and settings.rows > 1:
        needs.append((True, model, f'[array] model = "{settings.array}"', "name what the radio has"))
    for wanted, capability, key, hint in needs:
        if wanted and capability not in has:
            raise ConfigError(f"{key}: the {radio.model} cannot do that, it lacks {capability}", hint)
    if settings.rows > radio.rows:
        raise ConfigError(f"[array] elements is {settings.rows}, the {radio.model} has {radio.rows}", "ask for fewer")
    _check_limit("[radio] carrier_hz", settings.carrier_hz, radio.carrier_min_hz, radio.carrier_max_hz, radio.model)
    _check_limit("[radio] gain_db", settings.gain_db, radio.gain_min_db, radio.gain_max_db, radio.model)
    if settings.sample_rate_hz * radio.rate_den != radio.rate_num:
        raise ConfigError(
            f"[waveform] subcarrier_spacing_hz times fft_size is {settings.sample_rate_hz:.0f} Hz, the sample clock of "
            f"the {radio.model} runs at {radio.sample_rate_hz:.0f} Hz",
            "choose them so that their product is the sample clock",
        )


def _check_limit(key: str, value: float, low: float, high: float, model: str) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{key} is {value:.12g}, the {model} takes {low:.12g} to {high:.12g}", "choose a value in it")


def _check_timing(settings: Settings) -> None:
    """Check that reference symbols, with the samples around them, do not overlap."""
    gate = settings.gate_samples if settings.capture is Capture.IQ else settings.symbol_samples
    pattern = settings.stagger_symbols or (0,)
    ticks = [settings.tick_of(block) for block in range(len(pattern) + 1)]
    least = min(later - earlier for earlier, later in pairwise(ticks))
    if least < gate:
        raise ConfigError(
            f"[waveform] symbols_per_block is {settings.symbols_per_block}: reference symbols come {least} samples "
            f"apart, and {gate} are taken around each",
            "give more symbols a block, or set stagger = false in [radio]",
        )


def _settings(radio: "_Table", array: "_Table", waveform: "_Table") -> Settings:
    d = Settings()
    symbols = waveform.whole("symbols_per_block", 1, 10**6, d.symbols_per_block)
    whole = {key: waveform.whole(key, *_bounds(key), getattr(d, key)) for key in _WAVEFORM}
    return Settings(
        carrier_hz=radio.number("carrier_hz", *_bounds("carrier_hz"), d.carrier_hz),
        capture=radio.choice("capture", Capture, d.capture),
        gain_db=radio.number("gain_db", *_bounds("gain_db"), d.gain_db),
        agc=radio.flag("agc", d.agc),
        stagger_symbols=stagger_pattern(symbols) if radio.flag("stagger", False) else (),
        array=array.choice("model", ArrayModel, d.array),
        rows=array.whole("elements", *_bounds("rows"), d.rows),
        spacing_wavelengths=array.number("spacing_wavelengths", *_bounds("spacing_wavelengths"), d.spacing_wavelengths),
        tx_streams=radio.whole("tx_streams", *_bounds("tx_streams"), d.tx_streams),
        subcarrier_spacing_hz=waveform.number(
            "subcarrier_spacing_hz", *_bounds("subcarrier_spacing_hz"), d.subcarrier_spacing_hz
        ),
        **whole,
    )


def stagger_pattern(symbols_per_block: int) -> tuple[int, ...]:
    """Return by how many symbols the reference symbol of each block is late.

    Raises
    ------
    ConfigError
        If a block has fewer symbols than the pattern has parts.
    """
    step = symbols_per_block // len(STAGGER_ORDER)
    if step == 0:
        raise ConfigError(
            f"[radio] stagger = true needs {len(STAGGER_ORDER)} symbols a block, [waveform] symbols_per_block is "
            f"{symbols_per_block}",
            "give more symbols a block, or set stagger = false",
        )
    return tuple(part * step for part in STAGGER_ORDER)


def _lo(table: "_Table") -> LoSettings:
    return LoSettings(
        frequency_hz=table.number("frequency_hz", 1e6, 1e12, 0.0),
        output=table.whole("output", 0, 2, 0),
        reference=table.whole("reference", 0, 4, 0),
    )


def lo_settings(profile: Profile) -> LoSettings:
    """Return what an LO box shall run, where the profile leaves the frequency to the default or says nothing."""
    lo = profile.lo or LoSettings(frequency_hz=0.0)
    frequency_hz = lo.frequency_hz or profile.settings.carrier_hz - DEFAULT_IF_HZ
    return LoSettings(frequency_hz=frequency_hz, output=lo.output, reference=lo.reference)


def _transmitter(table: "_Table") -> tuple[float, float]:
    return table.needed("x_m"), table.needed("y_m")


def _bounds(name: str) -> tuple[Any, Any]:
    """Return the limits that the radio's commands have for a setting."""
    bounds = Settings.__dataclass_fields__[name].metadata
    return bounds["low"], bounds["high"]


_Choice = TypeVar("_Choice", bound=StrEnum)


class _Table:
    """Typed access to the keys of a table, whose errors name table and key."""

    def __init__(self, name: str, values: object) -> None:
        if not isinstance(values, dict):
            raise ConfigError(f"[{name}] of the profile is no table", f"write [{name}] and its keys below it")
        self._name = name
        self._values: dict[str, Any] = values
        self._known: list[str] = []

    def number(self, key: str, low: float, high: float, default: float) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(key, value, "give a number without quotes, e.g. 26e9")
        if key in self._values:
            self._check(key, value, low, high)
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._error(key, value, "give a whole number, e.g. 8")
        self._check(key, value, low, high)
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._error(key, value, "give true or false")
        return value

    def choice(self, key: str, choices: type[_Choice], default: _Choice) -> _Choice:
        value = self._get(key, default)
        try:
            return choices(value)
        except ValueError:
            raise self._error(key, value, f"give {' or '.join(map(repr, map(str, choices)))}") from None

    def needed(self, key: str) -> float:
        if key not in self._values:
            raise ConfigError(f"[{self._name}] of the profile has no {key}", "give both x_m and y_m, in metres")
        return self.number(key, -1e6, 1e6, 0.0)

    def refuse_others(self) -> None:
        """Refuse keys that nobody has asked for."""
        for key in self._values:
            if key not in self._known:
                raise ConfigError(f"[{self._name}] of the profile has no key {key!r}", _guess(key, self._known))

    def _get(self, key: str, default: object) -> Any:
        self._known.append(key)
        return self._values.get(key, default)

    def _check(self, key: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:  # also NaN, and whole numbers that are too large for a float
            raise self._error(key, value, f"give {low:g} to {high:g}")

    def _error(self, key: str, value: object, hint: str) -> ConfigError:
        # Python writes no whole number of thousands of digits in decimal, which a profile may have in hexadecimal.
        text = hex(value) if isinstance(value, int) and abs(value) >= _LARGE else str(value)
        return ConfigError(f"[{self._name}] {key} of the profile is {text[:60]!r}", hint)


def _guess(word: str, known: "list[str] | tuple[str, ...]") -> str:
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
