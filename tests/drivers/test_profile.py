"""Profiles: the sensor that the registers make, the limits of the device, and errors that name the line."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, IqOrder
from isactrack.drivers.awr1642.dialect import ARGUMENT_COUNTS, Dialect
from isactrack.drivers.awr1642.profile import (
    FREQUENCY_LSB_HZ,
    SLOPE_LSB_HZ_PER_S,
    _register,
    as_cfg,
    check_profile,
    commands_for,
    default_profile,
    dialects_of,
    frames_in_profile,
    parse_profile,
    profile_commands,
)

CFG = as_cfg(default_profile(), Dialect.SDK3)
PROFILE_LINE = "profileCfg 0 77 3 6 56 0 0 8.015 1 128 5000 0 0 30"
FRAME_LINE = "frameCfg 0 0 64 0 100 1 0"


def with_line(old: str, new: str) -> str:
    text = CFG
    assert text.count(old) == 1
    return text.replace(old, new)


def line_of(text: str, start: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if line.startswith(start))


# --- the sensor ------------------------------------------------------------------------------------------------------


def test_the_default_profile_is_table_1_as_the_device_runs_it() -> None:
    sensor = parse_profile(default_profile())
    assert sensor.cube_shape == (64, 1, 4, 128)
    assert sensor.frame_bytes == 131072
    assert sensor.slope_hz_per_s / 1e12 == pytest.approx(8.0144, abs=1e-4)
    # c / (2 B) and lambda / (4 T_r) by hand; the table's 8.012 MHz/us would give 0.7308 m.
    assert sensor.range_resolution_m == pytest.approx(299792458 / (2 * 8.01444054e12 * 128 / 5e6), rel=1e-6)
    assert sensor.range_resolution_m == pytest.approx(0.7306, abs=5e-5)
    assert sensor.velocity_max_mps == pytest.approx(16.465, abs=1e-3)
    assert sensor.velocity_resolution_mps == pytest.approx(2 * 16.4653 / 64, abs=1e-4)
    assert sensor.range_max_m == pytest.approx(93.52, abs=0.01)
    assert sensor.iq_order is IqOrder.QQII
    assert math.degrees(sensor.azimuth_max_rad) == pytest.approx(90.0)
    assert sensor.azimuth_resolution_rad == pytest.approx(2 / 4)
    assert frames_in_profile(default_profile()) is None
    checks = check_profile(default_profile(), receive_limit_bytes=212_992)
    assert [check.name for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ("value", "lsb", "code"),
    [
        (77e9, FREQUENCY_LSB_HZ, 1435384035),
        (29.982e12, SLOPE_LSB_HZ_PER_S, 621),
        (8.012e12, SLOPE_LSB_HZ_PER_S, 165),
        (8.015e12, SLOPE_LSB_HZ_PER_S, 166),
        (1.2499999999999999e-06, 10e-9, 125),  # the quotient lies just below it in binary
        (0.1, 5e-9, 20_000_000),
    ],
)
def test_registers_are_cut_as_the_firmware_cuts_them(value: float, lsb: float, code: int) -> None:
    assert _register(value, lsb) == pytest.approx(code * lsb, rel=1e-12)


@given(st.integers(1, 2**31 - 1))
def test_a_value_that_is_a_whole_code_keeps_it(code: int) -> None:
    assert round(_register(code * FREQUENCY_LSB_HZ, FREQUENCY_LSB_HZ) / FREQUENCY_LSB_HZ) == code


def test_the_lsbs_are_those_of_the_interface_document() -> None:
    assert pytest.approx(53.644, abs=1e-3) == FREQUENCY_LSB_HZ
    assert pytest.approx(48.2798e9, rel=1e-5) == SLOPE_LSB_HZ_PER_S


@pytest.mark.parametrize(("swap", "order"), [(0, IqOrder.IIQQ), (1, IqOrder.QQII)])
def test_the_order_of_the_words_follows_the_sample_swap(swap: int, order: IqOrder) -> None:
    assert parse_profile(with_line("adcbufCfg -1 0 1 1 1", f"adcbufCfg -1 0 {swap} 1 1")).iq_order is order


def test_two_transmitters_in_turn_make_eight_virtual_elements() -> None:
    text = with_line("channelCfg 15 1 0", "channelCfg 15 3 0")
    text = text.replace("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 0 0 0 0 0 1\nchirpCfg 1 1 0 0 0 0 0 2")
    sensor = parse_profile(text.replace(FRAME_LINE, "frameCfg 0 1 64 0 100 1 0"))
    assert sensor.cube_shape == (64, 2, 4, 128)
    assert sensor.virtual_positions.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    assert sensor.slow_time_interval_s == pytest.approx(118e-6)
    assert sensor.velocity_max_mps == pytest.approx(16.465 / 2, abs=1e-3)


def test_transmitters_that_fire_together_act_at_their_middle() -> None:
    text = with_line("channelCfg 15 1 0", "channelCfg 15 3 0").replace("0 0 0 0 0 0 0 1", "0 0 0 0 0 0 0 3")
    assert parse_profile(text).tx_positions == (1.0,)


def test_a_profile_of_an_xwr18xx_pairs_its_first_and_third_transmitter(recordings_dir: Path) -> None:
    (path,) = (recordings_dir / "dca1000-wire").glob("*.cfg")
    sensor = parse_profile(path.read_text(), enforce_limits=False)
    assert sensor.tx_positions == (0.0, 2.0)
    assert sensor.cube_shape == (16, 2, 4, 256)
    assert np.allclose(np.diff(sensor.virtual_positions), 0.5)
    assert sensor.model == "xWR18xx"  # as its comment says
    with pytest.raises(ConfigError, match="transmitters"):
        parse_profile(path.read_text())


def three_transmitters(model: str | None = None) -> tuple[float, ...]:
    """Return the places of three transmitters in the order 1, 3, 2."""
    text = with_line("channelCfg 15 1 0", "channelCfg 15 7 0").replace(FRAME_LINE, "frameCfg 0 2 64 0 100 1 0")
    text += "\nchirpCfg 1 1 0 0 0 0 0 4\nchirpCfg 2 2 0 0 0 0 0 2"
    return parse_profile(text, enforce_limits=False, model=model).tx_positions


def test_the_elevated_transmitter_of_three_stands_between_the_others() -> None:
    assert three_transmitters() == three_transmitters("AWR1843") == (0.0, 2.0, 1.0)
    second = with_line("channelCfg 15 1 0", "channelCfg 15 2 0").replace("0 0 0 0 0 0 0 1", "0 0 0 0 0 0 0 2")
    assert parse_profile(second).tx_positions == (2.0,)
    assert parse_profile(second, model="IWR6843AOP").tx_positions == (1.0,)


@pytest.mark.parametrize(
    ("comment", "given", "model"),
    [
        ("", None, "AWR1642"),
        ("% Platform:xWR18xx\n", None, "xWR18xx"),
        ("%  Platform : xWR68xx \r\n", None, "xWR68xx"),
        ("% Platform:xWR18xx\n", "AWR1843", "AWR1843"),
        ("% Platform:\n", None, "AWR1642"),
        ("% a Platform:xWR18xx\n", None, "AWR1642"),
    ],
)
def test_the_model_is_the_one_given_or_that_of_the_comment(comment: str, given: str | None, model: str) -> None:
    assert parse_profile(comment + CFG, model=given).model == model


def test_a_receiver_that_is_off_leaves_a_gap_in_the_array() -> None:
    sensor = parse_profile(with_line("channelCfg 15 1 0", "channelCfg 13 1 0"))
    assert sensor.rx_positions == (0.0, 1.0, 1.5)
    assert sensor.frame_bytes == 131072 * 3 // 4


def test_a_profile_may_ask_for_some_frames() -> None:
    assert frames_in_profile(with_line(FRAME_LINE, "frameCfg 0 0 64 25 100 1 0")) == 25


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "profile", "frame"),
    [
        ("ADC start", "0 77 3 45 90 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("TX start", "0 77 3 6 56 0 0 8.015 41 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("TX start", "0 77 3 6 56 0 0 8.015 -90 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("trigger", "0 77 3 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 100 2 0"),
        ("ramp end", "0 77 3 6 5001 0 0 0.1 1 128 5000 0 0 30", "0 0 4 0 1000 1 0"),
        ("receiver gain", "0 77 3 6 56 0 0 8.015 1 128 5000 0 0 31", "0 0 64 0 100 1 0"),
        ("receiver gain", "0 77 3 6 56 0 0 8.015 1 128 5000 0 0 22", "0 0 64 0 100 1 0"),
        ("ADC window", "0 77 3 6 31 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("samples", "0 77 3 6 56 0 0 8.015 1 66 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("samples", "0 77 3 6 56 0 0 8.015 1 60 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("samples", "0 77 20 6 100 0 0 8.015 1 1028 12500 0 0 30", "0 0 16 0 100 1 0"),
        ("sample rate", "0 77 3 6 56 0 0 8.015 1 64 1900 0 0 30", "0 0 64 0 100 1 0"),
        ("sample rate", "0 77 3 6 56 0 0 8.015 1 128 12600 0 0 30", "0 0 64 0 100 1 0"),
        ("band", "0 75 3 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("band", "0 80.9 3 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("band", "0 76 3 6 56 0 0 80 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("slope", "0 77 3 6 35 0 0 101 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("idle time", "0 77 1 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 100 1 0"),
        ("loops", "0 77 3 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 66 0 100 1 0"),
        ("loops", "0 77 3 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 256 0 100 1 0"),
        ("frame time", "0 77 100 6 32 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 8.5 1 0"),
        ("duty cycle", "0 77 3 6 56 0 0 8.015 1 128 5000 0 0 30", "0 0 64 0 7 1 0"),
        ("radar cube", "0 77 3 6 56 0 0 8.015 1 256 10000 0 0 30", "0 0 252 0 100 1 0"),
        ("link rate", "0 77 3 6 56 0 0 8.015 1 512 12500 0 0 30", "0 0 64 0 7.3 1 0"),
        ("LVDS rate", "0 77 2 6 89 0 0 8.015 1 1024 12500 0 0 30", "0 0 24 0 100 1 0"),
    ],
)
def test_each_limit_is_named_when_it_alone_is_broken(name: str, profile: str, frame: str) -> None:
    text = with_line(PROFILE_LINE, f"profileCfg {profile}").replace(FRAME_LINE, f"frameCfg {frame}")
    assert [check.name for check in check_profile(text) if check.passed is False] == [name]
    with pytest.raises(ConfigError, match=f"AWR1642, {name}: ") as caught:
        parse_profile(text)
    assert "isactrack validate" in caught.value.hint
    parse_profile(text, enforce_limits=False)  # what another device ran is read all the same


@pytest.mark.parametrize("threshold", [0, 2, 8])
def test_a_chirp_threshold_other_than_1_does_not_stream(threshold: int) -> None:
    text = with_line("adcbufCfg -1 0 1 1 1", f"adcbufCfg -1 0 1 1 {threshold}")
    assert [check.name for check in check_profile(text) if check.passed is False] == ["chirp threshold"]
    parse_profile(text, enforce_limits=False)


def test_a_third_transmitter_is_beyond_the_awr1642() -> None:
    text = with_line("channelCfg 15 1 0", "channelCfg 15 5 0")
    assert [check.name for check in check_profile(text) if check.passed is False] == ["transmitters"]


# --- SDKs ------------------------------------------------------------------------------------------------------------


def test_a_line_of_another_sdk_is_named_with_the_sdk_that_it_is_for() -> None:
    with pytest.raises(ConfigError) as caught:
        commands_for(CFG, Dialect.SDK1)
    number = line_of(CFG, "cfarCfg")
    assert (
        str(caught.value)
        == f"the radar runs SDK 1; line {number} of the profile, cfarCfg with 9 arguments, is of SDK 3"
    )
    assert caught.value.hint == "use a profile for SDK 1, or a profile in TOML, which suits every SDK"
    old = as_cfg(default_profile(), Dialect.SDK1)
    with pytest.raises(
        ConfigError, match="runs SDK 3; line 12 of the profile, cfarCfg with 8 arguments, is of SDK 1 and SDK 2"
    ):
        parse_profile(old, dialect=Dialect.SDK3)
    without = "\n".join(line for line in old.splitlines() if not line.startswith("cfarCfg"))
    with pytest.raises(ConfigError, match="line 12 of the profile, peakGrouping, is of SDK 1 and SDK 2"):
        commands_for(without, Dialect.SDK3)
    (check,) = check_profile(old, dialect=Dialect.SDK3)
    assert (check.name, check.passed) == ("syntax", False)


def test_a_line_of_another_device_is_of_no_sdk() -> None:
    long = with_line("0.0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0", "0.0" + 12 * " 1 0")
    assert dialects_of(profile_commands(long)) == ()
    with pytest.raises(ConfigError, match="compRangeBiasAndRxChanPhase with 25 arguments, is of another device"):
        commands_for(long, Dialect.SDK3)
    with pytest.raises(ConfigError, match="limit of the AWR1642, SDK: no SDK's demo"):
        parse_profile(long)
    parse_profile(long, enforce_limits=False)


@pytest.mark.parametrize("dialect", Dialect)
def test_a_cfg_suits_the_sdks_that_it_was_made_for(dialect: Dialect) -> None:
    text = as_cfg(default_profile(), dialect)
    expected = (Dialect.SDK3,) if dialect is Dialect.SDK3 else (Dialect.SDK1, Dialect.SDK2)
    assert dialects_of(profile_commands(text)) == expected
    assert commands_for(text, dialect) == profile_commands(text)
    assert [command.text for command in commands_for(default_profile(), dialect)] == text.split("\n")[:-1]
    (check,) = (check for check in check_profile(text) if check.name == "SDK")
    assert all(one.label in check.detail for one in expected)


def test_the_first_sdk_had_no_subframe_in_adcbufcfg() -> None:
    old = as_cfg(default_profile(), Dialect.SDK1)
    text = old.replace("adcbufCfg -1 0 0 1 1", "adcbufCfg 0 1 1 1")
    assert dialects_of(profile_commands(text)) == (Dialect.SDK1,)
    assert parse_profile(text).iq_order is IqOrder.QQII
    with pytest.raises(ConfigError, match="argument 3 of adcbufCfg, '0', does not"):
        parse_profile(text.replace("adcbufCfg 0 1 1 1", "adcbufCfg 0 1 0 1"))
    assert "chirp threshold" in [
        c.name for c in check_profile(text.replace("Cfg 0 1 1 1", "Cfg 0 1 1 2")) if not c.passed
    ]


def test_sdk_1_has_limits_of_its_own() -> None:
    short = default_profile().replace("loops = 64", "loops = 12")
    parse_profile(short)
    parse_profile(short, dialect=Dialect.SDK2)
    with pytest.raises(ConfigError, match="loops: 12 loops a frame; 16 to 255 in steps of 4 on SDK 1"):
        parse_profile(short, dialect=Dialect.SDK1)


def test_commands_made_of_toml_have_no_line() -> None:
    assert {command.line for command in commands_for(default_profile(), Dialect.SDK2)} == {0}
    assert commands_for(default_profile(), Dialect.SDK2)[0].place == "the profile"
    assert profile_commands(CFG)[0].place == "line 1 of the profile"


@pytest.mark.parametrize(
    "line", ["advFrameCfg 1 0 0 1 0", "subFrameCfg 0 0 0 1 64 100 0 1 1 100", "contModeCfg 77 0 0 5000 0 0 30 0 64"]
)
def test_other_modes_than_frames_are_refused(line: str) -> None:
    with pytest.raises(ConfigError, match=rf"line \d+ of the profile: {line.split()[0]} is not for frame mode"):
        parse_profile(with_line(FRAME_LINE, f"{FRAME_LINE}\n{line}"))


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (FRAME_LINE, "framCfg 0 0 64 0 100 1 0", "unknown command 'framCfg'"),
        (FRAME_LINE, "frameCfg 0 0 64", "frameCfg takes 7 arguments, not 3"),
        (PROFILE_LINE, PROFILE_LINE.replace("77", "seventy"), "argument 2 of profileCfg, 'seventy', is not a number"),
        (PROFILE_LINE, PROFILE_LINE.replace("77", "nan"), "argument 2 of profileCfg, 'nan', is not a number"),
        (PROFILE_LINE, PROFILE_LINE.replace("77", "inf"), "argument 2 of profileCfg, 'inf', is not a number"),
        (PROFILE_LINE, PROFILE_LINE.replace("77", "1e300"), "argument 2 of profileCfg, '1e300', is not a number"),
        (PROFILE_LINE, PROFILE_LINE.replace("77", "1e20"), "argument 2 of profileCfg, '1e20', is beyond"),
        (PROFILE_LINE, PROFILE_LINE.replace("128", "128.5"), "argument 10 of profileCfg, '128.5', is not a whole"),
        (PROFILE_LINE, PROFILE_LINE.replace("128", "1_28"), "argument 10 of profileCfg, '1_28', is not a whole"),
        (PROFILE_LINE, PROFILE_LINE.replace("128", "9" * 150), "argument 10 of profileCfg, '999"),
        (FRAME_LINE, "frameCfg 0 0 64 -1 100 1 0", "argument 4 of frameCfg, '-1', is no count of frames"),
        (FRAME_LINE, "frameCfg 0 999999999 64 0 100 1 0", "argument 2 of frameCfg, '999999999', ends a chirp range"),
        (FRAME_LINE, "frameCfg 1 0 64 0 100 1 0", "argument 2 of frameCfg, '0', ends a chirp range"),
        (FRAME_LINE, "frameCfg 0 1 64 0 100 1 0", r"frameCfg repeats chirps 0 to 1, but chirpCfg defines \[0\]"),
        ("chirpCfg 0 0", "chirpCfg 5 2", "argument 2 of chirpCfg, '2', ends a chirp range"),
        ("channelCfg 15 1 0", "channelCfg 0 1 0", "argument 1 of channelCfg, '0', enables no receiver"),
        ("channelCfg 15 1 0", "channelCfg 15 0 0", "argument 2 of channelCfg, '0', enables no transmitter"),
        ("channelCfg 15 1 0", "channelCfg 15 -1 0", "argument 2 of channelCfg, '-1', enables no transmitter"),
        ("dfeDataOutputMode 1", "dfeDataOutputMode 3", "argument 1 of dfeDataOutputMode, '3'"),
        ("adcCfg 2 1", "adcCfg 1 1", "argument 1 of adcCfg, '1'"),
        ("adcCfg 2 1", "adcCfg 2 0", "argument 2 of adcCfg, '0', is not complex"),
        ("adcbufCfg -1 0 1 1 1", "adcbufCfg -1 0 1 0 1", "argument 4 of adcbufCfg, '0'"),
        ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 1 1 0", "argument 2 of lvdsStreamCfg, '1'"),
        ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 0 0", "argument 3 of lvdsStreamCfg, '0'"),
        ("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 1 1", "argument 4 of lvdsStreamCfg, '1'"),
        ("adcbufCfg -1 0 1 1 1", "adcbufCfg -1 1 1 1 1", "argument 2 of adcbufCfg, '1'"),
        ("channelCfg 15 1 0", "channelCfg 15 1 1", "argument 3 of channelCfg, '1'"),
        ("bpmCfg -1 0 0 1", "bpmCfg -1 1 0 1", "argument 2 of bpmCfg, '1', turns on phase modulation"),
        ("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 1 0 0 0 0 1", "argument 3 of chirpCfg, '1', names a profile"),
        ("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 0 0.4 0 0 0 1", "argument 4 of chirpCfg, '0.4', varies"),
        ("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 0 0 1 0 0 1", "argument 5 of chirpCfg, '1', varies"),
        ("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 0 0 0 100 0 1", "argument 6 of chirpCfg, '100', varies"),
        ("chirpCfg 0 0 0 0 0 0 0 1", "chirpCfg 0 0 0 0 0 0 -1 1", "argument 7 of chirpCfg, '-1', varies"),
    ],
)
def test_an_error_names_the_line_and_the_argument(old: str, new: str, message: str) -> None:
    text = with_line(old, new)
    number = next(n for n, (a, b) in enumerate(zip(CFG.splitlines(), text.splitlines(), strict=True), 1) if a != b)
    with pytest.raises(ConfigError, match=f"line {number} of the profile.*{message}") as caught:
        parse_profile(text)
    assert caught.value.hint
    assert any(check.passed is False for check in check_profile(text))


def test_a_mistyped_command_gets_a_guess() -> None:
    with pytest.raises(ConfigError) as caught:
        profile_commands("sensorStop\n\n% comment\nframCfg 1")
    assert str(caught.value).startswith("line 4 ")
    assert caught.value.hint == "did you mean 'frameCfg'?"
    with pytest.raises(ConfigError) as caught:
        profile_commands("xyzzy")
    assert "comment it out" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["profileCfg", "frameCfg", "channelCfg", "adcCfg", "adcbufCfg", "dfeDataOutputMode", "lvdsStreamCfg"]
)
def test_a_line_that_is_missing_is_named(name: str) -> None:
    text = "\n".join(line for line in CFG.splitlines() if not line.startswith(f"{name} "))
    with pytest.raises(ConfigError, match=f"the profile has no {name}"):
        parse_profile(text)


@pytest.mark.parametrize(
    ("chirps", "frame", "message"),
    [
        (["0 0 0 0 0 0 0 2"], "0 0", "transmitters 0b10, channelCfg enables 0b1"),
        (["0 0 0 0 0 0 0 0"], "0 0", "transmitters 0b0"),
        (["0 1 0 0 0 0 0 1"], "0 1", "repeats 2 equal chirps"),
        ([], "0 0", "chirpCfg defines none"),
    ],
)
def test_chirps_that_make_no_frame_are_refused(chirps: list[str], frame: str, message: str) -> None:
    lines = [line for line in CFG.splitlines() if not line.startswith("chirpCfg")]
    text = "\n".join([*lines, *(f"chirpCfg {chirp}" for chirp in chirps)])
    with pytest.raises(ConfigError, match=message):
        parse_profile(text.replace("frameCfg 0 0", f"frameCfg {frame}"))


def test_single_and_joint_transmitters_do_not_mix() -> None:
    text = with_line("channelCfg 15 1 0", "channelCfg 15 3 0").replace(FRAME_LINE, "frameCfg 0 1 64 0 100 1 0")
    with pytest.raises(ConfigError, match="mix"):
        parse_profile(text + "\nchirpCfg 1 1 0 0 0 0 0 3")


@pytest.mark.parametrize(
    "line", ["configDataPort fast 0", "configDataPort 0 0", "configDataPort 4000000 0", "guiMonitor -1 1 x 0 0 0 0"]
)
def test_a_data_port_that_cannot_be_fails_the_checks_of_the_profile(line: str) -> None:
    failed = [check for check in check_profile(f"{CFG}\n{line}") if check.passed is False]
    assert [check.name for check in failed] == ["consistency"]
    assert f"of {line.split()[0]}" in failed[0].detail


def test_two_waveforms_are_refused() -> None:
    with pytest.raises(ConfigError, match="several profileCfg"):
        parse_profile(
            with_line(PROFILE_LINE, PROFILE_LINE + "\n" + PROFILE_LINE.replace("profileCfg 0", "profileCfg 1"))
        )


def test_a_slope_that_does_not_rise_is_a_config_error() -> None:
    for slope in ("0", "-8", "0.01"):
        with pytest.raises(ConfigError, match="slope_hz_per_s"):
            parse_profile(with_line(PROFILE_LINE, PROFILE_LINE.replace("8.015", slope)))


def test_an_editors_byte_order_mark_is_no_part_of_the_first_command() -> None:
    assert profile_commands("\ufeffsensorStop\r\nflushCfg\r\n")[0].name == "sensorStop"


@pytest.mark.parametrize("word", ["\u0663", "\u00e9", "\0", "1\x1b"])
def test_what_the_radar_cannot_read_is_not_sent(word: str) -> None:
    with pytest.raises(ConfigError, match=r"argument 3 of guiMonitor, .* has characters other than ASCII"):
        profile_commands(f"guiMonitor -1 1 {word} 0 0 0 0")


@pytest.mark.parametrize(
    "text", ["flushCfg\n" * 8000, "%" * 70_000, "guiMonitor " + "1" * 300, "a = " + "[" * 250, "x" * 10_000_000]
)
def test_a_text_that_is_too_large_is_refused_at_once(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_profile(text)
    assert check_profile(text)[-1].passed is False


def test_commands_are_sent_in_one_form() -> None:
    (command,) = profile_commands("\t frameCfg  0\t0 64 0   100 1 0 \r\n")
    assert command.text == FRAME_LINE


words = st.sampled_from(
    ["0", "1", "-1", "15", "nan", "-inf", "1e308", "9" * 30, "1e9", "-1e9", "0x1", "", "é", "%", "٣"]
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_checking_a_profile_never_raises(data: st.DataObject) -> None:
    lines = CFG.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        parts = lines[index].split()
        match data.draw(st.sampled_from(["argument", "number", "drop", "delete", "name", "text", "double"])):
            case "argument" if len(parts) > 1:
                parts[data.draw(st.integers(1, len(parts) - 1))] = data.draw(words)
            case "number" if len(parts) > 1:
                parts[data.draw(st.integers(1, len(parts) - 1))] = repr(data.draw(st.floats() | st.integers()))
            case "drop":
                parts = parts[:-1]
            case "delete":
                parts = []
            case "name":
                parts[:1] = [data.draw(st.sampled_from(sorted(ARGUMENT_COUNTS[Dialect.SDK3])))]
            case "text":
                parts = [data.draw(st.text(max_size=30))]
            case "double":
                parts = [*parts, "\n", *parts]
        lines[index] = " ".join(parts)
    text = "\n".join(lines)
    checks = check_profile(text)
    assert checks[0].name == "syntax"
    failed = [check for check in checks if check.passed is False]
    assert all(check.detail for check in checks)
    try:
        sensor = parse_profile(text)
    except ConfigError as error:
        assert failed
        assert str(error)
        return
    assert not failed
    assert sensor.range_resolution_m > 0.0


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_checking_a_profile_never_raises_at_length(data: st.DataObject) -> None:
    test_checking_a_profile_never_raises.hypothesis.inner_test(data)  # type: ignore[attr-defined]
