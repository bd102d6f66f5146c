"""Profiles of the radar, a ``.cfg`` of TI's mmw demo or a TOML in physical units, and the sensor that runs.

The firmware turns physical units into register codes with C casts, so they are cut, not rounded: a slope of 8.012
MHz/us becomes code 165 and runs at 7.966 MHz/us. `parse_profile` returns what really runs.
"""

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from isactrack.drivers.awr1642.dialect import ARGUMENT_COUNTS, Dialect
from isactrack.drivers.awr1642.limits import MAX_BAUD_RATE, ProfileCheck, SetUp, labels, limit_checks
from isactrack.drivers.awr1642.waveform import check_size, is_toml, parse_waveform, render
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor, IqOrder

FREQUENCY_LSB_HZ = 3.6e9 / 2**26
"""One code of the start frequency of a 77 GHz device (mmWave radar interface control document, profile config)."""
SLOPE_LSB_HZ_PER_S = 3.6e9 * 900.0 / 2**26 * 1e6
"""One code of the frequency slope, 48.28 kHz/us."""
TIME_LSB_S = 10e-9
FRAME_LSB_S = 5e-9

MAX_FRAMES = 65535


@dataclass(frozen=True, slots=True)
class ProfileCommand:
    """One command of a profile.

    Attributes
    ----------
    line
        Its line in the file, from 1; 0 if the profile is no list of commands but TOML.
    name, arguments
        Its words.
    """

    line: int
    name: str
    arguments: tuple[str, ...]

    @property
    def text(self) -> str:
        """The command as it is sent."""
        return " ".join((self.name, *self.arguments))

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"line {self.line} of the profile" if self.line else "the profile"


def default_profile() -> str:
    """Return the text of the default profile: Table I of mnomp-spa-kf on one transmitter and four receivers."""
    return resources.files("isactrack.drivers.awr1642").joinpath("default_profile.toml").read_text(encoding="utf-8")


def profile_commands(text: str) -> list[ProfileCommand]:
    """Split a ``.cfg`` into commands of any SDK; comments (``%``) and empty lines are passed over.

    Raises
    ------
    ConfigError
        If a line is no command of the demo or has a wrong number of arguments; it names the line.
    """
    check_size(text)
    commands = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("%"):
            continue
        command = ProfileCommand(number, words[0], tuple(words[1:]))
        _check_shape(command)
        commands.append(command)
    return commands


def dialects_of(commands: Sequence[ProfileCommand]) -> tuple[Dialect, ...]:
    """Return the SDKs whose demo on the AWR1642 takes every one of the commands, as they are written."""
    return tuple(dialect for dialect in Dialect if all(_takes(dialect, command) for command in commands))


def commands_for(text: str, dialect: Dialect) -> list[ProfileCommand]:
    """Return the commands of a profile for a firmware of an SDK.

    Parameters
    ----------
    text
        A ``.cfg``, whose lines are taken as they are, or a TOML, of which the commands are made.
    dialect
        SDK of the firmware.

    Raises
    ------
    ConfigError
        If the profile is wrong, or a line of the ``.cfg`` is not for this SDK; it names the line, the SDK that the line
        is for, and what to do.
    """
    if is_toml(text):
        rendered = profile_commands(render(parse_waveform(text), dialect))
        return [ProfileCommand(0, command.name, command.arguments) for command in rendered]
    commands = profile_commands(text)
    for command in commands:
        if not _takes(dialect, command):
            raise _wrong_dialect(command, dialect)
    return commands


def as_cfg(text: str, dialect: Dialect) -> str:
    """Return a profile as a ``.cfg`` for an SDK: a TOML rendered, a ``.cfg`` as it is.

    Raises
    ------
    ConfigError
        If the TOML is wrong.
    """
    return render(parse_waveform(text), dialect) if is_toml(text) else text


def parse_profile(
    text: str, *, enforce_limits: bool = True, model: str | None = None, dialect: Dialect | None = None
) -> FmcwSensor:
    """Return the sensor that the device really runs when it is given a profile.

    Parameters
    ----------
    text
        Text of a ``.cfg``, or of a TOML in physical units.
    enforce_limits
        Whether to refuse what an AWR1642 cannot run; a capture of another device of the family was run all the same.
    model
        Name of the device; None for what the profile says in a comment ``% Platform:xWR18xx``, as TI's visualizer
        writes it, or else ``AWR1642``.
    dialect
        SDK of the firmware; None if it is unknown: then a ``.cfg`` may be of any, and a TOML is run as by SDK 3.

    Raises
    ------
    ConfigError
        If the profile is incomplete, contradicts itself, is for another SDK or breaks a limit of the device; it names
        the line.
    """
    fields = _Fields(_commands(text, dialect))
    sensor = _sensor(fields, model or _platform(text))
    for check in limit_checks(sensor, _set_up(fields, text, dialect)):
        if enforce_limits and check.passed is False:
            raise ConfigError(f"the profile breaks a limit of the AWR1642, {check.name}: {check.detail}", _LIMIT_HINT)
    return sensor


def check_profile(
    text: str, *, dialect: Dialect | None = None, receive_limit_bytes: int | None = None
) -> list[ProfileCheck]:
    """Return every check of a profile, its syntax first; never raises.

    Parameters
    ----------
    text, dialect
        As for `parse_profile`.
    receive_limit_bytes
        Largest receive buffer that this computer grants (``net.core.rmem_max``); None if unknown.
    """
    try:
        commands = _commands(text, dialect)
    except ConfigError as error:
        return [ProfileCheck("syntax", False, str(error))]
    told = "TOML, all keys known" if is_toml(text) else f"{len(commands)} commands, all known"
    number = "all values of the right kind" if is_toml(text) else "with the right number of arguments"
    checks = [ProfileCheck("syntax", True, f"{told}, {number}")]
    try:
        fields = _Fields(commands)
        sensor = _sensor(fields, _platform(text))
        limits = limit_checks(sensor, _set_up(fields, text, dialect), receive_limit_bytes=receive_limit_bytes)
    except ConfigError as error:
        return [*checks, ProfileCheck("consistency", False, str(error))]
    checks.append(ProfileCheck("consistency", True, "the commands describe one raw capture"))
    return [*checks, *limits]


def frames_in_profile(text: str) -> int | None:
    """Return how many frames the device sends after sensorStart, None if it never stops.

    Raises
    ------
    ConfigError
        If the profile is wrong.
    """
    return _frame_count(_Fields(_commands(text, None))) or None


def has_three_transmitters(model: str) -> bool:
    """Return whether a model is of those with three transmitters: xWR14xx, xWR18xx and xWR68xx."""
    return _THREE_TX.search(model) is not None


def tx_position(mask: int, *, of_three: bool) -> float:
    """Return where along the array of TI's evaluation board the transmitters of a mask act, in wavelengths.

    The AWR1642BOOST has two, 2 wavelengths apart. Boards with three have the azimuth pair in TX1 and TX3, and TX2
    between them and half a wavelength higher: its place counts for targets in the plane of the array, its height is
    not described. Transmitters that fire together act at their middle.
    """
    places = (0.0, 1.0, 2.0) if of_three else (0.0, 2.0)
    on = [place for bit, place in enumerate(places) if mask >> bit & 1]
    return sum(on) / len(on)


_PLATFORM = re.compile(r"^[ \t]*%[ \t]*Platform[ \t]*:[ \t]*(\w+)", re.MULTILINE)
_THREE_TX = re.compile(r"WR(14|18|68)")
_NAMES = sorted({name for commands in ARGUMENT_COUNTS.values() for name in commands})
_COUNTS_ELSEWHERE = {"compRangeBiasAndRxChanPhase": {9, 25}}
"""On devices with one and three transmitters."""
_SENDABLE = re.compile(r"[!-~]+")
_LIMIT_HINT = "`isactrack validate PROFILE` shows every limit with its numbers"


def _commands(text: str, dialect: Dialect | None) -> list[ProfileCommand]:
    """Return the commands of a profile of either form."""
    if dialect is not None or is_toml(text):
        return commands_for(text, dialect or Dialect.SDK3)
    return profile_commands(text)


def _set_up(fields: "_Fields", text: str, dialect: Dialect | None) -> SetUp:
    dialects = (dialect,) if dialect is not None else tuple(Dialect) if is_toml(text) else dialects_of(fields.commands)
    return SetUp(
        tx_mask=fields.integer("channelCfg", 1),
        chirp_threshold=fields.integer("adcbufCfg", -1),
        trigger=fields.integer("frameCfg", 5),
        tx_start_us=fields.number("profileCfg", 8),
        dialects=dialects,
    )


def _counts(name: str) -> list[int]:
    """Return how many arguments a command may have on any SDK and device of the family; none if there is no such."""
    counts = {count for commands in ARGUMENT_COUNTS.values() for count in commands.get(name, ())}
    return sorted(counts | _COUNTS_ELSEWHERE.get(name, set()))


def _takes(dialect: Dialect, command: ProfileCommand) -> bool:
    return len(command.arguments) in ARGUMENT_COUNTS[dialect].get(command.name, ())


def _wrong_dialect(command: ProfileCommand, dialect: Dialect) -> ConfigError:
    counts = ARGUMENT_COUNTS[dialect].get(command.name)
    what = command.name if counts is None else f"{command.name} with {len(command.arguments)} arguments"
    home = dialects_of([command])
    return ConfigError(
        f"the radar runs {dialect.label}; {command.place}, {what}, is of "
        f"{labels(home) if home else 'another device of the family'}",
        f"use a profile for {dialect.label}, or a profile in TOML, which suits every SDK",
    )


def _check_shape(command: ProfileCommand) -> None:
    counts = _counts(command.name)
    if not counts:
        close = difflib.get_close_matches(command.name, _NAMES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "it is no command of TI's mmw demo; comment it out with %"
        raise ConfigError(f"{command.place}: unknown command {command.name!r}", hint)
    if len(command.arguments) not in counts:
        raise ConfigError(
            f"{command.place}: {command.name} takes {' or '.join(map(str, counts))} arguments, "
            f"not {len(command.arguments)}",
            "the profile may be for another SDK; compare the line with the SDK's user guide",
        )
    for index, argument in enumerate(command.arguments):
        if _SENDABLE.fullmatch(argument) is None:
            raise _bad_value(command, index, "has characters other than ASCII, which the radar does not read")


class _Fields:
    """Typed access to the arguments of a profile's commands."""

    def __init__(self, commands: list[ProfileCommand]) -> None:
        self.commands = commands

    def all(self, name: str) -> list[ProfileCommand]:
        return [command for command in self.commands if command.name == name]

    def last(self, name: str) -> ProfileCommand:
        found = self.all(name)
        if not found:
            raise ConfigError(f"the profile has no {name}", f"add a {name} line; a capture needs it")
        return found[-1]

    def integer(self, name: str, index: int) -> int:
        return _integer(self.last(name), index)

    def number(self, name: str, index: int) -> float:
        return _number(self.last(name), index)


_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
_LARGEST = 1e9


def _integer(command: ProfileCommand, index: int) -> int:
    if _WHOLE_NUMBER.fullmatch(command.arguments[index]) is None:
        raise _bad_value(command, index, "is not a whole number of at most 9 digits")
    return int(command.arguments[index])


def _number(command: ProfileCommand, index: int) -> float:
    # What C's atof() reads, without its "nan" and "inf" and without Python's "1_000".
    if _NUMBER.fullmatch(command.arguments[index]) is None:
        raise _bad_value(command, index, "is not a number")
    value = float(command.arguments[index])
    if abs(value) > _LARGEST:
        raise _bad_value(command, index, f"is beyond {_LARGEST:g}")
    return value


def _bad_value(command: ProfileCommand, index: int, fault: str, hint: str = "correct the line") -> ConfigError:
    return ConfigError(
        f"{command.place}: argument {index % len(command.arguments) + 1} of {command.name}, "
        f"{command.arguments[index]!r}, {fault}",
        hint,
    )


def _platform(text: str) -> str:
    named = _PLATFORM.search(text)
    return named[1] if named else "AWR1642"


def _sensor(fields: _Fields, model: str) -> FmcwSensor:
    """Follow the commands as the firmware does."""
    _check_raw_capture(fields)
    _check_data_port(fields)
    profile = fields.last("profileCfg")
    _frame_count(fields)
    masks = _chirp_masks(fields)
    of_three = has_three_transmitters(model) or fields.integer("channelCfg", 1) > 3
    period_s = _register(fields.number("frameCfg", 4) * 1e-3, FRAME_LSB_S)
    return FmcwSensor(
        model=model,
        start_frequency_hz=_register(_number(profile, 1) * 1e9, FREQUENCY_LSB_HZ),
        idle_time_s=_register(_number(profile, 2) * 1e-6, TIME_LSB_S),
        adc_start_s=_register(_number(profile, 3) * 1e-6, TIME_LSB_S),
        ramp_end_s=_register(_number(profile, 4) * 1e-6, TIME_LSB_S),
        slope_hz_per_s=_register(_number(profile, 7) * 1e12, SLOPE_LSB_HZ_PER_S),
        samples_per_chirp=_integer(profile, 9),
        sample_rate_hz=_integer(profile, 10) * 1e3,
        rx_gain_db=_number(profile, 13),
        loops_per_frame=fields.integer("frameCfg", 2),
        frame_period_s=period_s,
        tx_positions=tuple(tx_position(mask, of_three=of_three) for mask in masks),
        rx_positions=_rx_positions(fields),
        iq_order=IqOrder.QQII if fields.integer("adcbufCfg", -3) == 1 else IqOrder.IIQQ,
    )


def _frame_count(fields: _Fields) -> int:
    """Return the frames after which the radar stops, 0 for never."""
    count = fields.integer("frameCfg", 3)
    if not 0 <= count <= MAX_FRAMES:
        raise _bad_value(fields.last("frameCfg"), 3, f"is no count of frames from 0 (endless) to {MAX_FRAMES}")
    return count


def _register(value: float, lsb: float) -> float:
    """Cut a value to its register as the firmware's cast does; the tiny part forgives binary fractions."""
    return math.trunc(value / lsb + 1e-6) * lsb


def _check_data_port(fields: _Fields) -> None:
    """Refuse what the radar cannot write to its data port, or not at that rate."""
    for command in fields.all("guiMonitor") + fields.all("configDataPort"):
        for index in range(len(command.arguments)):
            _integer(command, index)
    for command in fields.all("configDataPort"):
        if not 0 < _integer(command, 0) <= MAX_BAUD_RATE:
            raise _bad_value(command, 0, "is no rate of the data port", f"use up to {MAX_BAUD_RATE} baud, e.g. 921600")


def _check_raw_capture(fields: _Fields) -> None:
    """Refuse what cannot become frames of raw samples on the LVDS lanes."""
    # The arguments of adcbufCfg count from its end: the first SDK had no index of a subframe before them.
    wanted = {
        ("dfeDataOutputMode", 0): (1, "only frame mode (1) is captured"),
        ("adcCfg", 0): (2, "raw capture needs 16-bit samples (2)"),
        ("channelCfg", 2): (0, "one device is captured, no cascade (0)"),
        ("adcbufCfg", -4): (0, "raw capture needs complex samples (0)"),
        ("adcbufCfg", -2): (1, "the DCA1000 path carries non-interleaved receivers (1)"),
        ("lvdsStreamCfg", 1): (0, "headers on the LVDS lanes are not supported (0)"),
        ("lvdsStreamCfg", 2): (1, "without ADC data on the LVDS lanes (1) nothing reaches the DCA1000"),
        ("lvdsStreamCfg", 3): (0, "data of the firmware between the samples would shift them (0)"),
    }
    for (name, index), (value, reason) in wanted.items():
        if fields.integer(name, index) != value:
            raise _bad_value(fields.last(name), index, "does not give a raw capture", reason)
    if fields.integer("adcCfg", 1) not in (1, 2):
        raise _bad_value(fields.last("adcCfg"), 1, "is not complex", "use 1 (complex 1x) or 2 (complex 2x)")
    for name in ("advFrameCfg", "subFrameCfg", "contModeCfg"):
        for command in fields.all(name):
            raise ConfigError(
                f"{command.place}: {name} is not for frame mode", "only frame mode is captured: use frameCfg"
            )
    for command in fields.all("bpmCfg"):
        if _integer(command, 1) != 0:
            raise _bad_value(command, 1, "turns on phase modulation of the transmitters", "it is not decoded: use 0")
    if len(fields.all("profileCfg")) > 1:
        raise ConfigError(
            "the profile has several profileCfg lines", "frames of one waveform can be captured: keep one"
        )


def _check_waveform(chirp: ProfileCommand, fields: _Fields) -> None:
    """Refuse a chirp of another waveform than that of the profile, from which all axes follow."""
    if _integer(chirp, 2) != fields.integer("profileCfg", 0):
        raise _bad_value(
            chirp, 2, "names a profile that profileCfg does not define", f"use {fields.last('profileCfg').arguments[0]}"
        )
    for index in range(3, 7):
        if _number(chirp, index) != 0.0:
            raise _bad_value(chirp, index, "varies the waveform from chirp to chirp", "all chirps must be equal: use 0")


def _chirp_masks(fields: _Fields) -> list[int]:
    """Return the transmitter mask of each chirp that frameCfg repeats."""
    masks: dict[int, int] = {}
    for chirp in fields.all("chirpCfg"):
        first, last = _integer(chirp, 0), _integer(chirp, 1)
        if not 0 <= first <= last < 512:
            raise _bad_value(chirp, 1, "ends a chirp range that is not within 0..511")
        _check_waveform(chirp, fields)
        masks.update(dict.fromkeys(range(first, last + 1), _integer(chirp, 7)))
    frame = fields.last("frameCfg")
    first, last = _integer(frame, 0), _integer(frame, 1)
    if not 0 <= first <= last < 512:
        raise _bad_value(frame, 1, "ends a chirp range that is not within 0..511")
    missing = [index for index in range(first, last + 1) if index not in masks]
    if missing:
        raise ConfigError(
            f"{frame.place}: frameCfg repeats chirps {first} to {last}, but chirpCfg defines {sorted(masks) or 'none'}",
            "define every chirp of the frame with chirpCfg",
        )
    used = [masks[index] for index in range(first, last + 1)]
    enabled = fields.integer("channelCfg", 1)
    if not 0 < enabled < 8:
        raise _bad_value(
            fields.last("channelCfg"), 1, "enables no transmitter of the three of the family", "use 1 or 3"
        )
    for mask in used:
        if mask == 0 or mask & ~enabled:
            raise ConfigError(
                f"a chirp uses transmitters {mask:#b}, channelCfg enables {enabled:#b}",
                "every chirp needs at least one transmitter that channelCfg enables",
            )
    if len(set(used)) == 1:
        # The same transmitters in every chirp are one (virtual) transmitter fired in each.
        if len(used) > 1:
            raise ConfigError(
                f"frameCfg repeats {len(used)} equal chirps", "repeat one chirp and raise the number of loops instead"
            )
    elif any(mask.bit_count() != 1 for mask in used):
        raise ConfigError("the chirps mix single and joint transmitters", "use one transmitter a chirp for TDM-MIMO")
    return used


def _rx_positions(fields: _Fields) -> tuple[float, ...]:
    mask = fields.integer("channelCfg", 0)
    if not 0 < mask < 16:
        raise _bad_value(fields.last("channelCfg"), 0, "enables no receiver of the four", "use 15 for all")
    return tuple(0.5 * bit for bit in range(4) if mask >> bit & 1)
