"""Commands and replies: what is said comes through, what is not allowed is refused with a reason."""

import json
import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ConfigError
from isactrack.drivers.bistatic.control import (
    MAX_CONTROL_BYTES,
    MOST_STAGGER,
    AsRun,
    Capability,
    Command,
    ControlError,
    Identity,
    Nothing,
    RadioStatus,
    SetGain,
    Settings,
    encode_command,
    encode_error,
    encode_reply,
    parse_command,
    parse_reply,
    sensor_of,
)
from isactrack.ofdm import Capture
from isactrack.ofdm_waveform import gate_samples

if TYPE_CHECKING:
    from collections.abc import Callable

IDENTITY = Identity(
    model="ISAB", serial_number="7", firmware="1.2", capabilities=frozenset(Capability), rate_num=552_960_000
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (Command.IDENTIFY, None), (Command.CONFIGURE, Settings(stagger_symbols=(0, 5), agc=True, capture=Capture.IQ)),
        (Command.START, None), (Command.STOP, None), (Command.STATUS, None), (Command.SET_GAIN, SetGain(gain_db=12.5)),
        (Command.KEEPALIVE, None),
    ],
)  # fmt: skip
def test_a_command_arrives_as_it_was_sent(command: Command, body: Settings | SetGain | None) -> None:
    assert parse_command(encode_command(command, body)) == (command, body or Nothing())


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (Command.IDENTIFY, IDENTITY), (Command.CONFIGURE, AsRun(settings=Settings(), csi_scale=3e-6)),
        (Command.STATUS, RadioStatus(streaming=True, lo_locked=False, reference_locked=True, blocks=9)),
        (Command.STATUS, RadioStatus(streaming=True, lo_locked=False, reference_locked=True, temperature_c=41.5)),
        (Command.SET_GAIN, SetGain(gain_db=-3.0)), (Command.START, Nothing()),
    ],
)  # fmt: skip
def test_a_reply_arrives_as_it_was_sent(
    command: Command, body: Identity | AsRun | RadioStatus | SetGain | Nothing
) -> None:
    assert parse_reply(command, encode_reply(body)) == body


def test_the_longest_settings_fit_a_datagram() -> None:
    longest = Settings(
        carrier_hz=123456789012.12345, stagger_symbols=(999_999,) * MOST_STAGGER, spacing_wavelengths=math.pi,
        subcarrier_spacing_hz=270000.12345678901, gain_db=-12.345678901234567, lo_hz=12345678901.234567,
    )  # fmt: skip
    assert len(encode_reply(AsRun(settings=longest, csi_scale=math.pi * 1e-7))) < MAX_CONTROL_BYTES
    assert parse_command(encode_command(Command.CONFIGURE, longest)) == (Command.CONFIGURE, longest)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_that_comes_raises_anything_but_a_control_error(payload: bytes) -> None:
    replies: list[Callable[[bytes], object]] = [partial(parse_reply, command) for command in Command]
    for parse in (parse_command, *replies):
        try:
            parse(payload)
        except ControlError as error:
            assert str(error)


@given(st.sampled_from(sorted(Settings.__dataclass_fields__)), JSON)
def test_any_value_in_any_place_is_taken_or_refused(name: str, value: object) -> None:
    payload = json.dumps({"command": "configure", name: value}).encode()
    try:
        _, body = parse_command(payload)
    except ControlError as error:
        assert name in str(error) or "bytes" in str(error)
        assert error.hint
    else:
        assert isinstance(body, Settings)
        taken = getattr(body, name)
        assert taken == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b'{"command":"explode"}', "explode"), (b'{"command":"start","now":1}', "now"), (b"[]", "no JSON object"),
        (b"{" * 600, "no JSON"), (b"{}" + b" " * 2000, "more than"), (b'{"command":"set_gain"}', "gain_db"),
        (b'{"command":"set_gain","gain_db":true}', "gain_db"), (b'{"command":"set_gain","gain_db":1e999}', "gain_db"),
        (b'{"command":"set_gain","gain_db":NaN}', "gain_db"), (b'{"command":"configure","rows":1e9}', "rows"),
        (b'{"command":"configure","rows":65}', "rows"), (b'{"command":"configure","capture":"video"}', "video"),
        (b'{"command":"configure","stagger_symbols":' + json.dumps([0] * 65).encode() + b"}", "65"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_refused_by_name(payload: bytes, says: str) -> None:
    with pytest.raises(ControlError) as caught:
        parse_command(payload)
    assert says in str(caught.value)
    assert caught.value.hint


def test_a_refusal_comes_with_the_words_of_the_radio() -> None:
    with pytest.raises(ControlError, match="refuses configure: too hot") as caught:
        parse_reply(Command.CONFIGURE, encode_error("too hot", "let it cool down"))
    assert caught.value.hint == "let it cool down"
    assert len(encode_error("x" * 5000, "y" * 5000)) < MAX_CONTROL_BYTES


def test_what_a_newer_radio_tells_is_passed_over() -> None:
    told = json.loads(encode_reply(IDENTITY)) | {"colour": "red"}
    told["capabilities"] += ["teleport", 5]
    assert parse_reply(Command.IDENTIFY, json.dumps(told).encode()) == IDENTITY


def test_the_sensor_is_what_the_radio_runs() -> None:
    settings = Settings(rows=4, spacing_wavelengths=0.6, stagger_symbols=(27, 0), gain_db=10.0)
    sensor = sensor_of("ISAB", AsRun(settings=settings, csi_scale=2e-6), (1.0, 2.0))
    assert (sensor.n_rx, sensor.n_tones, sensor.tones[0], sensor.tones[-1]) == (4, 76, -900, 900)
    assert sensor.frame_period_s == pytest.approx(4e-3, rel=1e-15)
    assert sensor.stagger_s == pytest.approx((27 * 2560 / 552.96e6, 0.0))
    assert (sensor.csi_scale, sensor.tx_position_m, sensor.gate_samples) == (2e-6, (1.0, 2.0), 0)
    assert settings.tick_of(2) == 2 * 864 * 2560 + 27 * 2560
    gated = Settings(capture=Capture.IQ)
    assert sensor_of("x", AsRun(settings=gated)).cube_shape == (1, 8, gate_samples(2048, 512))
    assert gated.block_shape == (8, gate_samples(2048, 512))
    with pytest.raises(ConfigError):
        sensor_of("x", AsRun(settings=Settings(tones=200)))
