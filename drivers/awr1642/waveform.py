"""Profiles in physical units: a TOML text, and the commands of each SDK that are made of it.

::

    [chirp]
    start_frequency_ghz = 77
    slope_mhz_per_us = 8.015
    ramp_end_us = 56
    samples = 128
    sample_rate_ksps = 5000

    [frame]
    loops = 64
    period_ms = 100

Everything else has a default, see `Waveform`. Numbers go to the radar as they are written; what its registers make of
them, and whether the device can run it, is checked where the commands are read (`profile.parse_profile`).
"""

import difflib
import re
import tomllib
from dataclasses import dataclass
from typing import Any, Final

from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.errors import ConfigError

HIGH_PASS_1_KHZ: Final = (175, 235, 350, 700)
HIGH_PASS_2_KHZ: Final = (350, 700, 1400, 2800)
"""Corner frequencies of the receivers' two high-pass filters, by code (mmWave radar interface control document)."""
MAX_CHARACTERS: Final = 1 << 16
MAX_LINE: Final = 255
"""Longest line of a profile, comments aside; the firmware reads no longer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """A profile in physical units, as it is written; the names are the keys of the TOML text, in its tables.

    Attributes
    ----------
    start_frequency_ghz, slope_mhz_per_us
        ``[chirp]``: frequency at the start of the ramp, and its slope.
    idle_time_us, adc_start_us, ramp_end_us, tx_start_us
        ``[chirp]``: pause before the ramp; start of sampling, end of the ramp and start of the transmitter, from the
        ramp's start.
    samples, sample_rate_ksps
        ``[chirp]``: complex samples a chirp, and thousands of them a second.
    rx_gain_db
        ``[chirp]``: receiver gain.
    high_pass_1_khz, high_pass_2_khz
        ``[chirp]``: corner frequencies of the high-pass filters, of `HIGH_PASS_1_KHZ` and `HIGH_PASS_2_KHZ`.
    low_power_adc
        ``[chirp]``: whether the ADC runs in its low-power mode.
    tx
        ``[antennas]``: the transmitter of each chirp of a loop, in their order (TDM-MIMO), from 1.
    rx
        ``[antennas]``: receivers that are on, from 1.
    loops, period_ms
        ``[frame]``: repetitions of the chirps in a frame, and the time from frame to frame.
    frames
        ``[frame]``: frames after which the radar stops; 0 for never.
    objects, range_profile, noise_profile, azimuth_heatmap, doppler_heatmap, statistics
        ``[data_port]``: what the demo sends over the data port beside the raw samples.
    threshold_db
        ``[data_port]``: CFAR threshold of the demo's own detection.
    clutter_removal
        ``[data_port]``: whether that detection removes what stands still.
    """

    start_frequency_ghz: float
    slope_mhz_per_us: float
    idle_time_us: float
    adc_start_us: float
    ramp_end_us: float
    tx_start_us: float
    samples: int
    sample_rate_ksps: int
    rx_gain_db: int
    high_pass_1_khz: int
    high_pass_2_khz: int
    low_power_adc: bool
    tx: tuple[int, ...]
    rx: tuple[int, ...]
    loops: int
    period_ms: float
    frames: int
    objects: bool
    range_profile: bool
    noise_profile: bool
    azimuth_heatmap: bool
    doppler_heatmap: bool
    statistics: bool
    threshold_db: float
    clutter_removal: bool


def is_toml(text: str) -> bool:
    """Return whether a profile is meant as TOML: its first line that is no comment is a table or a key with a value.

    What is too large for a profile is none.
    """
    if len(text) > MAX_CHARACTERS:
        return False
    for line in text.removeprefix("\ufeff").splitlines():
        content = line.strip()
        if content and not content.startswith("#"):
            return content.startswith("[") or _KEY_AND_VALUE.match(content) is not None
    return False


def check_size(text: str) -> None:
    """Refuse a text that no profile is as large as, before anything reads it.

    Raises
    ------
    ConfigError
        If the text, or a line of it that is no comment, is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"the profile has {len(text)} characters, more than {MAX_CHARACTERS}", "give the profile, not a recording"
        )
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_LINE and not line.lstrip().startswith(("#", "%")):
            raise ConfigError(
                f"line {number} of the profile has {len(line)} characters, more than {MAX_LINE}", "correct the line"
            )


def parse_waveform(text: str) -> Waveform:
    """Return the waveform of a TOML text.

    Raises
    ------
    ConfigError
        If it is no TOML, or a table, key or value is not one that a profile can have; it names them and the line.
    """
    check_size(text)
    tables = _tables(text)
    chirp, antennas, frame, port = (tables[name] for name in ("chirp", "antennas", "frame", "data_port"))
    return Waveform(
        start_frequency_ghz=chirp.number("start_frequency_ghz", 1.0, 100.0),
        slope_mhz_per_us=chirp.number("slope_mhz_per_us", 0.05, 1e3),
        idle_time_us=chirp.number("idle_time_us", 0.0, 1e5, 7.0),
        adc_start_us=chirp.number("adc_start_us", 0.0, 1e5, 6.0),
        ramp_end_us=chirp.number("ramp_end_us", 0.01, 1e5),
        tx_start_us=chirp.number("tx_start_us", -1e3, 1e3, 1.0),
        samples=chirp.whole("samples", 1, 65535),
        sample_rate_ksps=chirp.whole("sample_rate_ksps", 1, 65535),
        rx_gain_db=chirp.whole("rx_gain_db", 0, 100, 30),
        high_pass_1_khz=chirp.choice("high_pass_1_khz", HIGH_PASS_1_KHZ),
        high_pass_2_khz=chirp.choice("high_pass_2_khz", HIGH_PASS_2_KHZ),
        low_power_adc=chirp.flag("low_power_adc"),
        tx=antennas.members("tx", 2, (1,)),
        rx=antennas.members("rx", 4, (1, 2, 3, 4)),
        loops=frame.whole("loops", 1, 65535),
        period_ms=frame.number("period_ms", 0.01, 1e5),
        frames=frame.whole("frames", 0, 65535, 0),
        objects=port.flag("objects"),
        range_profile=port.flag("range_profile"),
        noise_profile=port.flag("noise_profile"),
        azimuth_heatmap=port.flag("azimuth_heatmap"),
        doppler_heatmap=port.flag("doppler_heatmap"),
        statistics=port.flag("statistics"),
        threshold_db=port.number("threshold_db", 0.0, 100.0, 15.0),
        clutter_removal=port.flag("clutter_removal"),
    )


def render(waveform: Waveform, dialect: Dialect) -> str:
    """Return the commands, a line each, with which the demo of an SDK runs a waveform and streams raw samples.

    SDK 3 sends Q before I and cannot otherwise, SDK 1 and 2 are asked for I before Q. What the demo wants to be told
    for its own processing is told as in TI's profiles.
    """
    chirps = range(len(waveform.tx))
    lines = [
        "sensorStop",
        "flushCfg",
        "dfeDataOutputMode 1",
        f"channelCfg {_mask(waveform.rx)} {_mask(waveform.tx)} 0",
        "adcCfg 2 1",
        f"adcbufCfg -1 0 {int(dialect is Dialect.SDK3)} 1 1",
        _profile_line(waveform),
        *(f"chirpCfg {i} {i} 0 0 0 0 0 {_mask(waveform.tx[i : i + 1])}" for i in chirps),
        f"frameCfg 0 {chirps[-1]} {waveform.loops} {waveform.frames} {_digits(waveform.period_ms)} 1 0",
        f"lowPower 0 {waveform.low_power_adc:d}",
        _gui_line(waveform),
        *(_detection_lines(waveform) if dialect is Dialect.SDK3 else _old_detection_lines(waveform)),
        "multiObjBeamForming -1 1 0.5",
        f"clutterRemoval -1 {waveform.clutter_removal:d}",
        "calibDcRangeSig -1 0 -5 8 256",
        "extendedMaxVelocity -1 0",
        "bpmCfg -1 0 0 1",
        "lvdsStreamCfg -1 0 1 0",
        "compRangeBiasAndRxChanPhase 0.0" + 8 * " 1 0",
        "measureRangeBiasAndRxChanPhase 0 1.5 0.2",
        "CQRxSatMonitor 0 3 5 121 0",
        "CQSigImgMonitor 0 127 4",
        "analogMonitor 0 0",
        *(_SDK3_LINES if dialect is Dialect.SDK3 else _OLD_LINES),
        "sensorStart",
    ]
    return "\n".join(lines) + "\n"


_SDK3_LINES: Final = (
    "aoaFovCfg -1 -90 90 -90 90",
    "cfarFovCfg -1 0 0 90",
    "cfarFovCfg -1 1 -17 17",
    "calibData 0 0 0",
)
_OLD_LINES: Final = ("nearFieldCfg -1 0 0 0",)


def _profile_line(waveform: Waveform) -> str:
    times = (waveform.idle_time_us, waveform.adc_start_us, waveform.ramp_end_us)
    filters = (
        HIGH_PASS_1_KHZ.index(waveform.high_pass_1_khz),
        HIGH_PASS_2_KHZ.index(waveform.high_pass_2_khz),
    )
    words = (
        *("0", _digits(waveform.start_frequency_ghz), *map(_digits, times), "0", "0"),
        *(_digits(waveform.slope_mhz_per_us), _digits(waveform.tx_start_us)),
        *map(str, (waveform.samples, waveform.sample_rate_ksps, *filters, waveform.rx_gain_db)),
    )
    return f"profileCfg {' '.join(words)}"


def _gui_line(waveform: Waveform) -> str:
    wanted = (
        *(waveform.objects, waveform.range_profile, waveform.noise_profile),
        *(waveform.azimuth_heatmap, waveform.doppler_heatmap, waveform.statistics),
    )
    return f"guiMonitor -1 {' '.join(f'{flag:d}' for flag in wanted)}"


def _detection_lines(waveform: Waveform) -> tuple[str, ...]:
    threshold = _digits(waveform.threshold_db)
    return f"cfarCfg -1 0 2 8 4 3 0 {threshold} 1", f"cfarCfg -1 1 0 4 2 3 1 {threshold} 1"


def _old_detection_lines(waveform: Waveform) -> tuple[str, ...]:
    # The demo compares sums of log2 magnitudes (Q8) over the virtual elements: 6 dB are 256 a element.
    threshold = round(256 * len(waveform.tx) * len(waveform.rx) * waveform.threshold_db / 6.0)
    return (
        f"cfarCfg -1 0 2 8 4 4 0 {threshold}",
        f"cfarCfg -1 1 0 8 4 4 0 {threshold}",
        f"peakGrouping -1 1 0 0 1 {max(2, waveform.samples * 7 // 8)}",
    )


def _mask(numbers: tuple[int, ...]) -> int:
    return sum(1 << number - 1 for number in numbers)


def _digits(value: float) -> str:
    """Write a number as the firmware reads it, without exponent; its registers are coarser than twelve decimals."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


# --- TOML ------------------------------------------------------------------------------------------------------------

_KEY_AND_VALUE: Final = re.compile(r"""(?:[A-Za-z0-9_.\s-]|"[^"]*"|'[^']*')+=""")
_PLACE: Final = re.compile(r"\(at line (\d+), column (\d+)\)")
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "chirp": (
        *("start_frequency_ghz", "slope_mhz_per_us", "idle_time_us", "adc_start_us", "ramp_end_us", "tx_start_us"),
        *("samples", "sample_rate_ksps", "rx_gain_db", "high_pass_1_khz", "high_pass_2_khz", "low_power_adc"),
    ),
    "antennas": ("tx", "rx"),
    "frame": ("loops", "period_ms", "frames"),
    "data_port": (
        *("objects", "range_profile", "noise_profile", "azimuth_heatmap", "doppler_heatmap", "statistics"),
        *("threshold_db", "clutter_removal"),
    ),
}
_NEEDED_HINT: Final = "add it; docs/awr1642.md lists the keys of a profile in TOML"


class _Table:
    """Typed access to the keys of a table, whose errors name table, key and line."""

    def __init__(self, text: str, name: str, values: dict[str, Any]) -> None:
        self._text = text
        self._name = name
        self._values = values
        for key in values:
            if key not in _KEYS[name]:
                raise self._error(key, "is no key of a profile", _guess(key, _KEYS[name]))

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            raise self._error(key, f"is {_shown(value)}, no number", "write a number without quotes, e.g. 77.0")
        self._check_range(key, value, low, high)
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._error(key, f"is {_shown(value)}, no whole number", "write a whole number, e.g. 64")
        self._check_range(key, value, low, high)
        return value

    def flag(self, key: str) -> bool:
        value = self._value(key, False)
        if not isinstance(value, bool):
            raise self._error(key, f"is {_shown(value)}, neither true nor false", "write true or false")
        return value

    def choice(self, key: str, choices: tuple[int, ...]) -> int:
        value = self._value(key, choices[0])
        if isinstance(value, bool) or value not in choices:
            raise self._error(key, f"is {_shown(value)}", f"use one of {', '.join(map(str, choices))}")
        return int(value)

    def members(self, key: str, count: int, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self._value(key, default)
        hint = f"write a list of different numbers from 1 to {count}, e.g. {list(default)}"
        if not isinstance(value, (list, tuple)) or not 0 < len(value) <= count:
            raise self._error(key, f"is {_shown(value)}, no list of 1 to {count} numbers", hint)
        if any(type(item) is not int or not 1 <= item <= count for item in value) or len(set(value)) < len(value):
            raise self._error(key, f"is {_shown(value)}", hint)
        return tuple(value)

    def _value(self, key: str, default: Any) -> Any:
        if key in self._values:
            return self._values[key]
        if default is None:
            raise ConfigError(f"the profile has no {key} in [{self._name}]", _NEEDED_HINT)
        return default

    def _check_range(self, key: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise self._error(key, f"is {_shown(value)}", f"it must be from {low:g} to {high:g}")

    def _error(self, key: str, fault: str, hint: str) -> ConfigError:
        line = _line_of(self._text, self._name, key)
        return ConfigError(f"{_of_the_profile(line)}{_shown_key(key)} of [{self._name}] {fault}", hint)


def _tables(text: str) -> dict[str, _Table]:
    """Return every table that a profile may have, the missing ones empty."""
    document = _document(text)
    for name, values in document.items():
        if name not in _KEYS:
            home = next((f"it belongs into [{table}]" for table, keys in _KEYS.items() if name in keys), "")
            raise ConfigError(
                f"{_of_the_profile(_line_of(text, name, None))}{_shown_key(name)} is no table of a profile",
                home or _guess(name, tuple(_KEYS)),
            )
        if not isinstance(values, dict):
            raise ConfigError(
                f"{_of_the_profile(_line_of(text, name, None))}{name} is {_shown(values)}, no table",
                f"write [{name}] on a line of its own, and its keys below",
            )
    return {name: _Table(text, name, document.get(name, {})) for name in _KEYS}


def _document(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ConfigError("the profile nests lists or tables too deeply", "no key of a profile needs that") from None
    except ValueError as error:  # TOMLDecodeError, and what Python's own readers of numbers and dates complain of
        place = _PLACE.search(str(error))
        message = _PLACE.sub("", str(error)).strip()
        line = int(place[1]) if place else None
        raise ConfigError(
            f"{_of_the_profile(line)}it is no TOML: {message[:200]}",
            "correct the line; a profile in TI's language has no line with = or [",
        ) from None


def _line_of(text: str, table: str, key: str | None) -> int | None:
    """Return the line, from 1, in which a key of a table is set, or the table itself begins; None if it is hidden."""
    name = re.escape(table)
    header = re.compile(rf"""\s*\[\[?\s*["']?{name}\b""")
    current = ""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        found = _HEADER.match(line)
        if found:
            current = found[1]
        if key is None:
            if header.match(line) or (not current and re.match(rf"""\s*["']?{name}["']?\s*[.=]""", line)):
                return number
        elif _sets(line, key) if current == table else _sets(line, key, f"{name}\\s*\\.\\s*"):
            return number
    return None


_HEADER: Final = re.compile(r"""\s*\[\s*["']?([A-Za-z0-9_-]+)["']?\s*\]""")


def _sets(line: str, key: str, prefix: str = "") -> bool:
    return re.match(rf"""\s*{prefix}["']?{re.escape(key)}["']?\s*[.=]""", line) is not None


def _of_the_profile(line: int | None) -> str:
    return f"line {line} of the profile: " if line is not None else "the profile: "


def _guess(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known)}"


def _shown(value: object) -> str:
    return _cut(repr(value))


def _shown_key(key: str) -> str:
    return _cut(key if key.isprintable() and key.strip() else repr(key))


def _cut(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[:length]}..."
