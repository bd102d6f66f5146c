"""Profiles of TI's mmw demo: the lines of a ``.cfg`` file, and the sensor that the device makes of them.

The firmware turns physical units into register codes with C casts, so they are cut, not rounded: a slope of 8.012
MHz/us becomes code 165 and runs at 7.966 MHz/us. `parse_profile` returns what really runs.
"""

import difflib
import math
import re
from dataclasses import dataclass
from importlib import resources

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor, IqOrder

FREQUENCY_LSB_HZ = 3.6e9 / 2**26
"""One code of the start frequency of a 77 GHz device (mmWave radar interface control document, profile config)."""
SLOPE_LSB_HZ_PER_S = 3.6e9 * 900.0 / 2**26 * 1e6
"""One code of the frequency slope, 48.28 kHz/us."""
TIME_LSB_S = 10e-9
FRAME_LSB_S = 5e-9

ADC_BUFFER_BYTES = 16 * 1024
L3_BYTES = 768 * 1024
"""Radar cube memory of the AWR1642 (data sheet SWRS203, L3 shared memory)."""
MAX_FRAMES = 65535
MAX_TX_START_US = 40.9
"""Of the transmitter's start, before or after the ramp's (mmWave radar interface control document, profile config)."""
DEFAULT_LINK_BPS = 325e6
"""Net rate of the DCA1000 at its default packet delay of 25 us (user guide SPRUIJ4A)."""

ARGUMENT_COUNTS: dict[str, tuple[int, ...]] = {
    "sensorStop": (0,),
    "sensorStart": (0, 1),
    "flushCfg": (0,),
    "version": (0,),
    "queryDemoStatus": (0,),
    "dfeDataOutputMode": (1,),
    "channelCfg": (3,),
    "adcCfg": (2,),
    "adcbufCfg": (5,),
    "profileCfg": (14,),
    "chirpCfg": (8,),
    "frameCfg": (7,),
    "lowPower": (2,),
    "guiMonitor": (7,),
    "cfarCfg": (8, 9),
    "peakGrouping": (6,),
    "multiObjBeamForming": (3,),
    "calibDcRangeSig": (5,),
    "clutterRemoval": (2,),
    "extendedMaxVelocity": (2,),
    "bpmCfg": (4,),
    "nearFieldCfg": (4,),
    "compRangeBiasAndRxChanPhase": (9, 17, 25),
    "measureRangeBiasAndRxChanPhase": (3,),
    "CQRxSatMonitor": (5,),
    "CQSigImgMonitor": (3,),
    "analogMonitor": (2,),
    "aoaFovCfg": (5,),
    "cfarFovCfg": (4,),
    "calibData": (3,),
    "lvdsStreamCfg": (4,),
    "configDataPort": (2,),
}
"""Commands of the demo and how many arguments each takes; several where SDKs or devices differ."""


@dataclass(frozen=True, slots=True)
class ProfileCommand:
    """One command of a profile: its line in the file (from 1), its name and its arguments."""

    line: int
    name: str
    arguments: tuple[str, ...]

    @property
    def text(self) -> str:
        """The command as it is sent."""
        return " ".join((self.name, *self.arguments))


@dataclass(frozen=True, slots=True)
class ProfileCheck:
    """A physical limit that a profile keeps or breaks.

    Attributes
    ----------
    name
        What is checked.
    passed
        Whether it holds; None if the profile does not tell.
    detail
        One sentence with the numbers.
    """

    name: str
    passed: bool | None
    detail: str


def default_profile() -> str:
    """Return the text of the default profile: Table I of mnomp-spa-kf on one transmitter and four receivers."""
    return resources.files("isactrack.drivers.awr1642").joinpath("default_profile.cfg").read_text(encoding="utf-8")


def profile_commands(text: str) -> list[ProfileCommand]:
    """Split a profile into commands; comments (``%``) and empty lines are passed over.

    Raises
    ------
    ConfigError
        If a line is no command of the demo or has a wrong number of arguments; it names the line.
    """
    commands = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("%"):
            continue
        command = ProfileCommand(number, words[0], tuple(words[1:]))
        _check_shape(command)
        commands.append(command)
    return commands


def parse_profile(text: str, *, enforce_limits: bool = True, model: str | None = None) -> FmcwSensor:
    """Return the sensor that the device really runs when it is given a profile.

    Parameters
    ----------
    text
        Text of a ``.cfg`` file.
    enforce_limits
        Whether to refuse what an AWR1642 cannot run; a capture of another device of the family was run all the same.
    model
        Name of the device; None for what the profile says in a comment ``% Platform:xWR18xx``, as TI's visualizer
        writes it, or else ``AWR1642``.

    Raises
    ------
    ConfigError
        If the profile is incomplete, contradicts itself or breaks a limit of the device; it names the line.
    """
    fields = _Fields(profile_commands(text))
    sensor = _sensor(fields, model or _platform(text))
    for check in _limit_checks(sensor, fields):
        if enforce_limits and check.passed is False:
            raise ConfigError(f"the profile breaks a limit of the AWR1642, {check.name}: {check.detail}", _LIMIT_HINT)
    return sensor


def check_profile(text: str) -> list[ProfileCheck]:
    """Return every check of a profile, its syntax first; never raises."""
    try:
        commands = profile_commands(text)
    except ConfigError as error:
        return [ProfileCheck("syntax", False, str(error))]
    checks = [ProfileCheck("syntax", True, f"{len(commands)} commands, all known, with the right number of arguments")]
    try:
        fields = _Fields(commands)
        sensor = _sensor(fields, _platform(text))
        limits = _limit_checks(sensor, fields)
    except ConfigError as error:
        return [*checks, ProfileCheck("consistency", False, str(error))]
    checks.append(ProfileCheck("consistency", True, "the commands describe one raw capture"))
    return [*checks, *limits]


def frames_in_profile(text: str) -> int | None:
    """Return how many frames the device sends after sensorStart, None if it never stops."""
    return _frame_count(_Fields(profile_commands(text))) or None


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
_LIMIT_HINT = "`isactrack validate PROFILE` shows every limit with its numbers"


def _check_shape(command: ProfileCommand) -> None:
    counts = ARGUMENT_COUNTS.get(command.name)
    if counts is None:
        close = difflib.get_close_matches(command.name, ARGUMENT_COUNTS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "it is no command of TI's mmw demo; comment it out with %"
        raise ConfigError(f"line {command.line} of the profile: unknown command {command.name!r}", hint)
    if len(command.arguments) not in counts:
        raise ConfigError(
            f"line {command.line} of the profile: {command.name} takes {' or '.join(map(str, counts))} arguments, "
            f"not {len(command.arguments)}",
            "the profile may be for another SDK; compare the line with the SDK's user guide",
        )


class _Fields:
    """Typed access to the arguments of a profile's commands."""

    def __init__(self, commands: list[ProfileCommand]) -> None:
        self._commands = commands

    def all(self, name: str) -> list[ProfileCommand]:
        return [command for command in self._commands if command.name == name]

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
        f"line {command.line} of the profile: argument {index + 1} of {command.name}, "
        f"{command.arguments[index]!r}, {fault}",
        hint,
    )


def _platform(text: str) -> str:
    named = _PLATFORM.search(text)
    return named[1] if named else "AWR1642"


def _sensor(fields: _Fields, model: str) -> FmcwSensor:
    """Follow the commands as the firmware does."""
    _check_raw_capture(fields)
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
        iq_order=IqOrder.QQII if fields.integer("adcbufCfg", 2) == 1 else IqOrder.IIQQ,
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


def _check_raw_capture(fields: _Fields) -> None:
    """Refuse what cannot become frames of raw samples on the LVDS lanes."""
    wanted = {
        ("dfeDataOutputMode", 0): (1, "only frame mode (1) is captured"),
        ("adcCfg", 0): (2, "raw capture needs 16-bit samples (2)"),
        ("channelCfg", 2): (0, "one device is captured, no cascade (0)"),
        ("adcbufCfg", 1): (0, "raw capture needs complex samples (0)"),
        ("adcbufCfg", 3): (1, "the DCA1000 path carries non-interleaved receivers (1)"),
        ("lvdsStreamCfg", 1): (0, "headers on the LVDS lanes are not supported (0)"),
        ("lvdsStreamCfg", 2): (1, "without ADC data on the LVDS lanes (1) nothing reaches the DCA1000"),
        ("lvdsStreamCfg", 3): (0, "data of the firmware between the samples would shift them (0)"),
    }
    for (name, index), (value, reason) in wanted.items():
        if fields.integer(name, index) != value:
            raise _bad_value(fields.last(name), index, "does not give a raw capture", reason)
    if fields.integer("adcCfg", 1) not in (1, 2):
        raise _bad_value(fields.last("adcCfg"), 1, "is not complex", "use 1 (complex 1x) or 2 (complex 2x)")
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
            f"line {frame.line} of the profile: frameCfg repeats chirps {first} to {last}, "
            f"but chirpCfg defines {sorted(masks) or 'none'}",
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


def _limit_checks(sensor: FmcwSensor, fields: _Fields) -> list[ProfileCheck]:
    """Return the limits of the AWR1642 and its firmware with the numbers of this sensor."""
    return [*_set_up_checks(sensor, fields), *_ramp_checks(sensor, fields), *_frame_checks(sensor)]


def _set_up_checks(sensor: FmcwSensor, fields: _Fields) -> list[ProfileCheck]:
    tx_mask = fields.integer("channelCfg", 1)
    threshold, trigger = fields.integer("adcbufCfg", 4), fields.integer("frameCfg", 5)
    max_samples = ADC_BUFFER_BYTES // (4 * sensor.n_rx)
    return [
        ProfileCheck("transmitters", tx_mask <= 3, f"channelCfg enables {tx_mask:#b}; the AWR1642 has two, 0b11"),
        ProfileCheck(
            "receiver gain",
            24.0 <= sensor.rx_gain_db <= 52.0 and sensor.rx_gain_db % 2.0 == 0.0,
            f"{sensor.rx_gain_db:g} dB; 24 to 52 dB in steps of 2",
        ),
        ProfileCheck(
            "samples",
            64 <= sensor.samples_per_chirp <= max_samples and sensor.samples_per_chirp % 4 == 0,
            f"{sensor.samples_per_chirp} samples a chirp; 64 to {max_samples} in steps of 4 fit the ADC buffer",
        ),
        ProfileCheck(
            "sample rate",
            2e6 <= sensor.sample_rate_hz <= 12.5e6,
            f"{sensor.sample_rate_hz / 1e6:g} MHz; the AWR1642 samples at 2 to 12.5 MHz",
        ),
        ProfileCheck(
            "chirp threshold",
            threshold == 1,
            f"adcbufCfg collects {threshold} chirps in the ADC buffer; streaming over LVDS needs 1",
        ),
        ProfileCheck(
            "trigger", trigger == 1, f"frameCfg has trigger {trigger}; 1 starts by command, others wait for a signal"
        ),
    ]


def _ramp_checks(sensor: FmcwSensor, fields: _Fields) -> list[ProfileCheck]:
    us = 1e6
    window_end_s = sensor.adc_start_s + sensor.samples_per_chirp / sensor.sample_rate_hz
    sweep_hz = sensor.slope_hz_per_s * sensor.ramp_end_s
    top_hz = sensor.start_frequency_hz + sweep_hz
    tx_start_us = fields.number("profileCfg", 8)
    return [
        ProfileCheck(
            "ADC start",
            0.0 <= sensor.adc_start_s <= 40.95e-6,
            f"sampling starts at {sensor.adc_start_s * us:.2f} us of the ramp; 0 to 40.95 us",
        ),
        ProfileCheck(
            "TX start",
            abs(tx_start_us) <= MAX_TX_START_US,
            f"the transmitter starts at {tx_start_us:g} us; at most {MAX_TX_START_US} us before or after the ramp",
        ),
        ProfileCheck(
            "ramp end", sensor.ramp_end_s <= 5e-3, f"the ramp ends at {sensor.ramp_end_s * us:.2f} us; at most 5 ms"
        ),
        ProfileCheck(
            "ADC window",
            window_end_s <= sensor.ramp_end_s + 1e-12,
            f"sampling ends at {window_end_s * us:.2f} us, the ramp at {sensor.ramp_end_s * us:.2f} us",
        ),
        ProfileCheck(
            "band",
            sensor.start_frequency_hz >= 76e9 - 1e6 and top_hz <= 81e9 and sweep_hz <= 4e9,
            f"the ramp runs from {sensor.start_frequency_hz / 1e9:.3f} to {top_hz / 1e9:.3f} GHz; "
            "76 to 81 GHz and at most 4 GHz are allowed",
        ),
        ProfileCheck(
            "slope",
            0.0 < sensor.slope_hz_per_s <= 100e12,
            f"{sensor.slope_hz_per_s / 1e12:.4f} MHz/us; above 0 and at most 100",
        ),
        ProfileCheck(
            "idle time",
            2e-6 <= sensor.idle_time_s <= 5.24e-3,
            f"{sensor.idle_time_s * us:.2f} us between ramps; 2 us to 5.24 ms",
        ),
    ]


def _frame_checks(sensor: FmcwSensor) -> list[ProfileCheck]:
    chirps = sensor.loops_per_frame * sensor.n_tx
    busy_s = chirps * sensor.chirp_interval_s
    duty = chirps * sensor.ramp_end_s / sensor.frame_period_s
    return [
        ProfileCheck(
            "loops",
            4 <= sensor.loops_per_frame <= 255 and sensor.loops_per_frame % 4 == 0,
            f"{sensor.loops_per_frame} loops a frame; 4 to 255 in steps of 4",
        ),
        ProfileCheck(
            "frame time",
            busy_s < 0.99 * sensor.frame_period_s,
            f"{chirps} chirps take {busy_s * 1e3:.2f} ms of a {sensor.frame_period_s * 1e3:g} ms frame; at most 99 %",
        ),
        ProfileCheck("duty cycle", duty <= 0.5, f"the transmitter is on {100 * duty:.1f} % of the time; at most 50 %"),
        ProfileCheck(
            "radar cube",
            sensor.frame_bytes <= L3_BYTES,
            f"a frame takes {sensor.frame_bytes} bytes of {L3_BYTES} in the L3 memory",
        ),
        ProfileCheck(
            "link rate",
            sensor.data_rate_bps < DEFAULT_LINK_BPS,
            f"{sensor.data_rate_bps / 1e6:.1f} Mbit/s of raw samples; the DCA1000 sends "
            f"{DEFAULT_LINK_BPS / 1e6:.0f} Mbit/s at its default packet delay",
        ),
    ]
