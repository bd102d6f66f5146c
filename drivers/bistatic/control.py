"""What host and radio say to each other: commands and replies, JSON in packets (`isactrack.drivers.bistatic.framing`).

A command is a packet of the kind ``COMMAND`` whose payload is an object with the key ``command``; the radio answers
with one ``REPLY`` of the same sequence, whose payload has the key ``ok``. On UDP either may be lost, so the host
repeats a command with the same sequence, and a radio that has answered that sequence already repeats its answer and
does nothing else.

The rows of a block in the packets are those of all transmit streams, stream after stream, ``tx_streams * rows``.

Both sides read what came strictly and within bounds: the radio refuses keys it does not know; the host passes over keys
of a reply that it does not know, since a newer radio may tell more.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from isactrack.drivers.bistatic.framing import MAX_PAYLOAD_BYTES
from isactrack.errors import ProtocolError
from isactrack.ofdm import ArrayModel, Capture, OfdmSensor
from isactrack.ofdm_waveform import gate_samples

CONTROL_PORT: Final = 5310
"""UDP port of the radio: it takes commands, and sends replies to where they, and data to where ``start``, came from."""
KEEPALIVE_S: Final = 0.7
"""How often the host says that it is still there, on UDP and while it streams."""
SILENCE_S: Final = 3.0
"""A radio on UDP stops streaming to a host that has said nothing for so long."""
MAX_CONTROL_BYTES: Final = MAX_PAYLOAD_BYTES
"""Longest payload of a command or reply, so that it fits a datagram."""
USB_VENDOR_ID: Final = 0x1209
USB_PRODUCT_ID: Final = 0x0001
"""A test id of pid.codes: a radio that is sold needs one of its own."""
USB_COMMAND_ENDPOINT: Final = 0x01
"""Bulk OUT, packets of commands, one a transfer; interface 0, of the vendor's class."""
USB_REPLY_ENDPOINT: Final = 0x81
"""Bulk IN, packets of replies, one a transfer."""
USB_DATA_ENDPOINT: Final = 0x82
"""Bulk IN, packets of data back to back, wherever transfers begin and end."""
GAIN_STEP_DB: Final = 0.5
"""Receiver gain comes in steps of this size."""
MOST_STAGGER: Final = 64
"""Longest stagger pattern, blocks."""


class ControlError(ProtocolError):
    """A command or reply that cannot be understood, or a command that the radio refuses."""


class Capability(StrEnum):
    """What a radio can do; what it does not list it cannot."""

    CSI = "csi"
    """Makes channel estimates itself."""
    GATED_IQ = "gated-iq"
    """Delivers samples of a gate around each reference symbol."""
    STAGGER = "stagger"
    """Places reference symbols by a pattern instead of evenly."""
    SET_GAIN = "set-gain"
    """Takes another gain while it streams."""
    AGC = "agc"
    """Chooses the gain itself."""
    HW_TIME = "hw-time"
    """Its sample clock counts without a break: a jump of the tick is a loss of samples."""
    LO_CONTROL = "lo-control"
    """Tunes an oscillator of its own. Without it an LO box must give the carrier."""
    MULTI_RX = "multi-rx"
    """Receives with several elements at once."""
    SWITCHED_ARRAY = "switched-array"
    """Receives with one element after the other."""
    BEAMSPACE = "beamspace"
    """Its rows are beams."""
    OVERFLOW_EVENTS = "overflow-events"
    """Says when it had to drop samples."""


class Command(StrEnum):
    """What the host may ask for."""

    IDENTIFY = "identify"
    """Who are you? Answered with `Identity`."""
    CONFIGURE = "configure"
    """Run `Settings`. Answered with `AsRun`; only while nothing streams."""
    START = "start"
    """Stream, from block 0 and tick 0 on."""
    STOP = "stop"
    """Stream no more; in order also where nothing streams."""
    STATUS = "status"
    """How are you? Answered with `RadioStatus`."""
    SET_GAIN = "set_gain"
    """Take `SetGain.gain_db`, rounded; answered with what it is now."""
    KEEPALIVE = "keepalive"
    """I am still here. Answered with nothing but ``ok``."""


def _within(low: float, high: float) -> dict[str, float]:
    return {"low": low, "high": high}


def _at_most(length: int) -> dict[str, float]:
    return {"length": length}


_COUNT: Final = _within(0, 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a radio is.

    Attributes
    ----------
    model, serial_number, firmware
        For people.
    capabilities
        What it can do.
    rate_num, rate_den
        Its sample clock, Hz, as a fraction.
    rows
        Most rows that it receives.
    carrier_min_hz, carrier_max_hz
        Range of the carrier.
    gain_min_db, gain_max_db
        Range of the receiver gain.
    """

    model: str = field(metadata=_at_most(64))
    serial_number: str = field(metadata=_at_most(64))
    firmware: str = field(metadata=_at_most(64))
    capabilities: frozenset[Capability] = field(metadata=_at_most(32))
    rate_num: int = field(metadata=_within(1, 2**32 - 1))
    rate_den: int = field(default=1, metadata=_within(1, 2**32 - 1))
    rows: int = field(default=8, metadata=_within(1, 64))
    carrier_min_hz: float = field(default=24e9, metadata=_within(1e6, 1e12))
    carrier_max_hz: float = field(default=30e9, metadata=_within(1e6, 1e12))
    gain_min_db: float = field(default=0.0, metadata=_within(-100.0, 200.0))
    gain_max_db: float = field(default=60.0, metadata=_within(-100.0, 200.0))

    @property
    def sample_rate_hz(self) -> float:
        """Rate of the sample clock."""
        return self.rate_num / self.rate_den


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a radio shall run, and in `AsRun` what it runs.

    Attributes
    ----------
    carrier_hz
        Frequency of subcarrier 0; with an LO box the radio rounds what is left of it to 1 Hz.
    lo_hz
        What the LO box gives; 0 where the radio's own oscillator serves.
    capture
        Channel estimates or samples.
    gain_db
        Receiver gain, in steps of `GAIN_STEP_DB`; with `agc` the one to begin with.
    agc
        Whether the radio chooses the gain.
    array, rows, spacing_wavelengths
        What the rows are, how many, and the distance of neighbours in wavelengths of the carrier.
    tx_streams
        Transmit streams whose channels are told apart.
    subcarrier_spacing_hz, fft_size, cyclic_prefix_samples
        The OFDM symbol. Spacing and size multiply to the sample rate.
    tone_first, tone_step, tones
        Subcarrier of the first sensing tone, the step from one to the next, and how many there are.
    symbols_per_block
        Symbols, each with its prefix, from block to block.
    stagger_symbols
        By how many symbols the reference symbol of block m comes later than m blocks: element ``m % len``. Empty for
        evenly spaced ones.
    preamble_root, reference_seed
        See `isactrack.OfdmSensor`.
    """

    carrier_hz: float = field(default=26e9, metadata=_within(1e6, 1e12))
    lo_hz: float = field(default=0.0, metadata=_within(0.0, 1e12))
    capture: Capture = Capture.CSI
    gain_db: float = field(default=30.0, metadata=_within(-100.0, 200.0))
    agc: bool = False
    array: ArrayModel = ArrayModel.ULA
    rows: int = field(default=8, metadata=_within(1, 64))
    spacing_wavelengths: float = field(default=0.5, metadata=_within(0.01, 100.0))
    tx_streams: int = field(default=1, metadata=_within(1, 8))
    subcarrier_spacing_hz: float = field(default=270e3, metadata=_within(1.0, 1e8))
    fft_size: int = field(default=2048, metadata=_within(16, 65536))
    cyclic_prefix_samples: int = field(default=512, metadata=_within(0, 65536))
    tone_first: int = field(default=-900, metadata=_within(-32768, 32767))
    tone_step: int = field(default=24, metadata=_within(1, 32767))
    tones: int = field(default=76, metadata=_within(2, 4096))
    symbols_per_block: int = field(default=864, metadata=_within(1, 10**6))
    stagger_symbols: tuple[int, ...] = field(default=(), metadata={**_within(0, 10**6), **_at_most(MOST_STAGGER)})
    preamble_root: int = field(default=25, metadata=_within(1, 65535))
    reference_seed: int = field(default=1, metadata=_within(0, 2**31 - 1))

    @property
    def tone_list(self) -> tuple[int, ...]:
        """Subcarriers of the sensing tones, ascending."""
        return tuple(range(self.tone_first, self.tone_first + self.tones * self.tone_step, self.tone_step))

    @property
    def sample_rate_hz(self) -> float:
        """Rate of the sample clock."""
        return self.subcarrier_spacing_hz * self.fft_size

    @property
    def symbol_samples(self) -> int:
        """Samples of a symbol with its prefix."""
        return self.fft_size + self.cyclic_prefix_samples

    @property
    def block_samples(self) -> int:
        """Samples from block to block."""
        return self.symbols_per_block * self.symbol_samples

    @property
    def gate_samples(self) -> int:
        """Samples of a row and block where samples are captured."""
        return gate_samples(self.fft_size, self.cyclic_prefix_samples)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows of a block, stream after stream, and tones or samples of a row."""
        return self.tx_streams * self.rows, self.tones if self.capture is Capture.CSI else self.gate_samples

    def tick_of(self, block: int) -> int:
        """Return the sample clock at the first sample of the reference symbol of a block."""
        pattern = self.stagger_symbols
        late = pattern[block % len(pattern)] if pattern else 0
        return block * self.block_samples + late * self.symbol_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRun:
    """What a radio makes of the settings.

    Attributes
    ----------
    settings
        What it runs, after all rounding.
    csi_scale
        Channel gain of one count at a receiver gain of 0 dB.
    """

    settings: Settings
    csi_scale: float = field(default=1.0, metadata=_within(1e-30, 1e30))


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioStatus:
    """How a radio is.

    Attributes
    ----------
    streaming
        Whether it streams.
    lo_locked, reference_locked
        Whether local oscillator and reference clock have lock.
    temperature_c
        Of the front end; None if the radio does not tell.
    gain_db
        Receiver gain now.
    overflows
        How often it dropped samples since the start.
    blocks
        Blocks sent since the start.
    """

    streaming: bool
    lo_locked: bool
    reference_locked: bool
    temperature_c: float | None = field(default=None, metadata=_within(-273.15, 1000.0))
    gain_db: float = field(default=0.0, metadata=_within(-100.0, 200.0))
    overflows: int = field(default=0, metadata=_COUNT)
    blocks: int = field(default=0, metadata=_COUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGain:
    """A receiver gain: as wanted in a command, as set in its reply."""

    gain_db: float = field(metadata=_within(-100.0, 200.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A command, or a reply, that says no more than its name."""


Body = Identity | Settings | AsRun | RadioStatus | SetGain | Nothing
_BodyT = TypeVar("_BodyT", bound=Body)
_ASKED: Final[dict[Command, type[Body]]] = {Command.CONFIGURE: Settings, Command.SET_GAIN: SetGain}
_ANSWERED: Final[dict[Command, type[Body]]] = {
    Command.IDENTIFY: Identity,
    Command.CONFIGURE: AsRun,
    Command.STATUS: RadioStatus,
    Command.SET_GAIN: SetGain,
}


# --- for the host ----------------------------------------------------------------------------------------------------


def encode_command(command: Command, body: Body | None = None) -> bytes:
    """Return the payload of a command; `body` is what it takes: `Settings`, `SetGain`, else None."""
    return _encode({"command": command.value, **(_plain(body) if body is not None else {})})


def parse_reply(command: Command, payload: bytes) -> Body:
    """Return what a radio answered to a command: see `Command`, `Nothing` where it says no more than that it did it.

    Raises
    ------
    ControlError
        If the radio refused, with its words and its hint, or the reply cannot be understood.
    """
    data = _object(payload, "the radio's reply")
    ok = data.pop("ok", None)
    if ok is False:
        error, hint = (str(data.get(key, ""))[:300] for key in ("error", "hint"))
        raise ControlError(f"the radio refuses {command}: {error or 'it does not say why'}", hint)
    if ok is not True:
        raise ControlError(f"the radio's reply to {command} does not say whether it is ok", _FIRMWARE_HINT)
    return _read(_ANSWERED.get(command, Nothing), data, f"the radio's reply to {command}", strict=False)


# --- for the radio ---------------------------------------------------------------------------------------------------


def parse_command(payload: bytes) -> tuple[Command, Body]:
    """Return a command and what it takes: `Settings`, `SetGain` or `Nothing`.

    Raises
    ------
    ControlError
        If it cannot be understood; `encode_error` makes the reply.
    """
    data = _object(payload, "the command")
    name = data.pop("command", None)
    try:
        command = Command(name)
    except ValueError:
        raise ControlError(
            f"there is no command {str(name)[:60]!r}",
            f"commands are {', '.join(Command)}; is the radio's firmware old?",
        ) from None
    return command, _read(_ASKED.get(command, Nothing), data, f"the command {command}", strict=True)


def encode_reply(body: Body | None = None) -> bytes:
    """Return the payload of a reply that says that a command was done, and what it answers."""
    return _encode({"ok": True, **(_plain(body) if body is not None else {})})


def encode_error(error: str, hint: str = "") -> bytes:
    """Return the payload of a reply that refuses; long texts are cut."""
    return _encode({"ok": False, "error": error[:300], "hint": hint[:300]})


# --- what both sides run ---------------------------------------------------------------------------------------------


def sensor_of(model: str, as_run: AsRun, tx_position_m: tuple[float, float] | None = None) -> OfdmSensor:
    """Return the sensor that a radio runs.

    Parameters
    ----------
    model
        Name of the radio.
    as_run
        What it answered to ``configure``.
    tx_position_m
        Where the transmitter stands, in the sensor frame; None if it is not known.

    Raises
    ------
    ConfigError
        If no radio can run that.
    """
    s = as_run.settings
    rate = s.sample_rate_hz
    return OfdmSensor(
        model=model,
        carrier_frequency_hz=s.carrier_hz,
        subcarrier_spacing_hz=s.subcarrier_spacing_hz,
        tones=s.tone_list,
        frame_period_s=s.block_samples / rate,
        rx_positions=tuple(row * s.spacing_wavelengths for row in range(s.rows)),
        array=s.array,
        tx_streams=s.tx_streams,
        tx_position_m=tx_position_m,
        fft_size=s.fft_size,
        cyclic_prefix_samples=s.cyclic_prefix_samples,
        capture=s.capture,
        gate_samples=s.gate_samples if s.capture is Capture.IQ else 0,
        preamble_root=s.preamble_root,
        reference_seed=s.reference_seed,
        stagger_s=tuple(late * s.symbol_samples / rate for late in s.stagger_symbols),
        csi_scale=as_run.csi_scale,
    )


# --- JSON ------------------------------------------------------------------------------------------------------------

_FIRMWARE_HINT: Final = "is the firmware of the radio of another version?"


def _encode(data: dict[str, Any]) -> bytes:
    payload = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=True).encode()
    if len(payload) > MAX_CONTROL_BYTES:
        raise ControlError(
            f"a command or reply of {len(payload)} bytes does not fit a packet of {MAX_CONTROL_BYTES}",
            "shorten what is in it",
        )
    return payload


def _object(payload: bytes, what: str) -> dict[str, Any]:
    if len(payload) > MAX_CONTROL_BYTES:
        raise ControlError(f"{what} has {len(payload)} bytes, more than {MAX_CONTROL_BYTES}", _FIRMWARE_HINT)
    try:
        data = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ControlError(f"{what} is no JSON: {str(error)[:100]}", _FIRMWARE_HINT) from None
    if not isinstance(data, dict):
        raise ControlError(f"{what} is no JSON object", _FIRMWARE_HINT)
    return data


def _plain(body: Body) -> dict[str, Any]:
    """Return a body as what JSON can hold."""
    return {one.name: _plain_value(getattr(body, one.name)) for one in dataclasses.fields(body)}


def _plain_value(value: object) -> object:
    if isinstance(value, Settings):
        return _plain(value)
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _read(kind: type[_BodyT], data: dict[str, Any], what: str, *, strict: bool) -> _BodyT:
    """Make a body of a JSON object, each value checked against its type and bounds."""
    members = {one.name: one for one in dataclasses.fields(kind)}
    unknown = sorted(set(data) - set(members))
    if strict and unknown:
        raise ControlError(f"{what} does not take {unknown[0][:60]!r}", f"it takes {', '.join(members) or 'nothing'}")
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, one in members.items():
        if name in data:
            values[name] = _value(types[name], data[name], one.metadata, f"{name} of {what}", strict=strict)
        elif one.default is dataclasses.MISSING:
            raise ControlError(f"{what} lacks {name!r}", _FIRMWARE_HINT)
    return kind(**values)


def _value(kind: Any, value: object, bounds: Any, what: str, *, strict: bool) -> Any:
    if kind is Settings:
        return _read(Settings, _as(dict, value, what, "an object"), what, strict=strict)
    if kind == (float | None):
        return None if value is None else _value(float, value, bounds, what, strict=strict)
    if get_origin(kind) in (tuple, frozenset):
        items = _as(list, value, what, "a list")
        if len(items) > bounds["length"]:
            raise ControlError(f"{what} has {len(items)} elements, more than {bounds['length']}", _FIRMWARE_HINT)
        element = get_args(kind)[0]
        if element is Capability:  # a newer radio may have more of them
            known = {one.value for one in Capability}
            return frozenset(Capability(item) for item in items if isinstance(item, str) and item in known)
        return tuple(_value(element, item, bounds, what, strict=strict) for item in items)
    if kind is bool:
        return _as(bool, value, what, "true or false")
    if kind is str:
        text = str(_as(str, value, what, "a text"))
        if len(text) > bounds["length"]:
            raise ControlError(f"{what} has {len(text)} characters, more than {bounds['length']}", _FIRMWARE_HINT)
        return text
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(_as(str, value, what, "a text"))
        except ValueError:
            raise ControlError(f"{what} is {value!r}", f"it can be {', '.join(kind)}") from None
    return _number(kind, value, bounds, what)


def _number(kind: type[int] | type[float], value: object, bounds: Any, what: str) -> float:
    right = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not right or not isinstance(value, int | float):
        raise ControlError(f"{what} is {str(value)[:40]!r}, no {'whole ' * (kind is int)}number", _FIRMWARE_HINT)
    if not (math.isfinite(value) if isinstance(value, float) else True) or not bounds["low"] <= value <= bounds["high"]:
        raise ControlError(
            f"{what} is {str(value)[:40]}, it must be {bounds['low']:g} to {bounds['high']:g}", "correct the profile"
        )
    return kind(value)


_T = TypeVar("_T")


def _as(kind: type[_T], value: object, what: str, wanted: str) -> _T:
    if not isinstance(value, kind):
        raise ControlError(f"{what} is {str(value)[:40]!r}, not {wanted}", _FIRMWARE_HINT)
    return value
