"""Profiles in physical units: the same sensor for every SDK, defaults, and errors that name table, key and line."""

import math
import time
from dataclasses import fields, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, IqOrder
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.profile import (
    as_cfg,
    check_profile,
    commands_for,
    frames_in_profile,
    parse_profile,
)
from isactrack.drivers.awr1642.waveform import (
    HIGH_PASS_1_KHZ,
    HIGH_PASS_2_KHZ,
    MAX_CHARACTERS,
    Waveform,
    is_toml,
    parse_waveform,
    render,
)

SMALLEST = """\
[chirp]
start_frequency_ghz = 77
slope_mhz_per_us = 8.015
ramp_end_us = 56
samples = 128
sample_rate_ksps = 5000

[frame]
loops = 64
period_ms = 100
"""
FULL = """\
# every key
[chirp]
start_frequency_ghz = 76.25
slope_mhz_per_us = 29.982
idle_time_us = 110.5
adc_start_us = 4
ramp_end_us = 56.7
tx_start_us = -1.5
samples = 256
sample_rate_ksps = 6250
rx_gain_db = 44
high_pass_1_khz = 350
high_pass_2_khz = 2800
low_power_adc = true

[antennas]
tx = [2, 1]
rx = [1, 2, 4]

[frame]
loops = 32
period_ms = 50.5
frames = 7

[data_port]
objects = true
range_profile = true
noise_profile = true
azimuth_heatmap = true
doppler_heatmap = true
statistics = true
threshold_db = 12.5
clutter_removal = true
"""


def complaint(text: str) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_profile(text)
    return str(caught.value), caught.value.hint


# --- what it means ---------------------------------------------------------------------------------------------------


def test_a_small_profile_gets_sensible_defaults() -> None:
    waveform = parse_waveform(SMALLEST)
    assert (waveform.idle_time_us, waveform.adc_start_us, waveform.tx_start_us, waveform.rx_gain_db) == (7, 6, 1, 30)
    assert (waveform.tx, waveform.rx, waveform.frames) == ((1,), (1, 2, 3, 4), 0)
    assert not (waveform.objects or waveform.statistics or waveform.low_power_adc)
    assert all(check.passed is not False for check in check_profile(SMALLEST))
    assert frames_in_profile(SMALLEST) is None


def test_every_key_reaches_the_radar() -> None:
    lines = [command.text for command in commands_for(FULL, Dialect.SDK3)]
    for line in (
        "channelCfg 11 3 0",
        "profileCfg 0 76.25 110.5 4 56.7 0 0 29.982 -1.5 256 6250 2 3 44",
        "chirpCfg 0 0 0 0 0 0 0 2",
        "chirpCfg 1 1 0 0 0 0 0 1",
        "frameCfg 0 1 32 7 50.5 1 0",
        "lowPower 0 1",
        "guiMonitor -1 1 1 1 1 1 1",
        "cfarCfg -1 0 2 8 4 3 0 12.5 1",
        "clutterRemoval -1 1",
    ):
        assert lines.count(line) == 1
    sensor = parse_profile(FULL)
    assert sensor.cube_shape == (32, 2, 3, 256)
    assert sensor.tx_positions == (2.0, 0.0)
    assert sensor.rx_positions == (0.0, 0.5, 1.5)
    assert sensor.frame_period_s == pytest.approx(50.5e-3)
    assert frames_in_profile(FULL) == 7
    # Every key of the text is one of the waveform's, and none is forgotten.
    assert {line.split(" =")[0] for line in FULL.splitlines() if " = " in line} == {f.name for f in fields(Waveform)}


def test_the_threshold_of_the_old_sdks_is_that_of_ti_for_15_db_and_8_elements() -> None:
    two = SMALLEST.replace("samples = 128", "samples = 256") + "[antennas]\ntx = [1, 2]\n"
    lines = [command.text for command in commands_for(two, Dialect.SDK1)]
    assert "cfarCfg -1 0 2 8 4 4 0 5120" in lines
    assert "cfarCfg -1 1 0 8 4 4 0 5120" in lines
    assert "peakGrouping -1 1 0 0 1 224" in lines


waveforms = st.builds(
    Waveform,
    start_frequency_ghz=st.floats(76.0, 80.0),
    slope_mhz_per_us=st.floats(0.1, 20.0),
    idle_time_us=st.floats(2.0, 500.0),
    adc_start_us=st.floats(0.0, 40.0),
    ramp_end_us=st.floats(45.0, 100.0),
    tx_start_us=st.floats(-40.0, 40.0),
    samples=st.integers(16, 64).map(lambda n: 4 * n),
    sample_rate_ksps=st.integers(2000, 12500),
    rx_gain_db=st.integers(12, 26).map(lambda n: 2 * n),
    high_pass_1_khz=st.sampled_from(HIGH_PASS_1_KHZ),
    high_pass_2_khz=st.sampled_from(HIGH_PASS_2_KHZ),
    low_power_adc=st.booleans(),
    tx=st.sampled_from([(1,), (2,), (1, 2), (2, 1)]),
    rx=st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True).map(tuple),
    loops=st.integers(1, 63).map(lambda n: 4 * n),
    period_ms=st.floats(1.0, 1000.0),
    frames=st.integers(0, 65535),
    objects=st.booleans(),
    range_profile=st.booleans(),
    noise_profile=st.booleans(),
    azimuth_heatmap=st.booleans(),
    doppler_heatmap=st.booleans(),
    statistics=st.booleans(),
    threshold_db=st.floats(0.0, 100.0),
    clutter_removal=st.booleans(),
)


def as_toml(waveform: Waveform) -> str:
    """Write a waveform, keys in their tables without headers (``chirp.samples = 128``)."""
    tables = {"tx": "antennas", "rx": "antennas", "loops": "frame", "period_ms": "frame", "frames": "frame"}
    tables |= dict.fromkeys([field.name for field in fields(Waveform)][17:], "data_port")
    lines = []
    for field in fields(Waveform):
        value = getattr(waveform, field.name)
        shown = str(value).lower() if isinstance(value, bool) else list(value) if isinstance(value, tuple) else value
        lines.append(f"{tables.get(field.name, 'chirp')}.{field.name} = {shown}")
    return "\n".join(lines)


@settings(max_examples=30, deadline=None)
@given(waveforms)
def test_every_sdk_runs_the_same_sensor(waveform: Waveform) -> None:
    text = as_toml(waveform)
    assert is_toml(text)
    assert parse_waveform(text) == waveform
    one, two, three = (parse_profile(text, enforce_limits=False, dialect=dialect) for dialect in Dialect)
    assert one == two
    assert (one.iq_order, three.iq_order) == (IqOrder.IIQQ, IqOrder.QQII)
    assert replace(one, iq_order=three.iq_order) == three == parse_profile(text, enforce_limits=False)
    # The numbers arrive as they were written: no code is lost beside the one that the registers cut.
    assert abs(three.start_frequency_hz - waveform.start_frequency_ghz * 1e9) <= 54.0
    assert 0.0 <= waveform.ramp_end_us * 1e-6 - three.ramp_end_s + 1e-13 <= 10.1e-9
    assert three.n_tx == len(waveform.tx)
    for dialect in Dialect:
        cfg = as_cfg(text, dialect)
        assert not is_toml(cfg)
        assert as_cfg(cfg, dialect) == cfg == render(waveform, dialect)
        assert parse_profile(cfg, enforce_limits=False, dialect=dialect) == (one if dialect < 3 else three)


# --- which form it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "toml"),
    [
        ("", False),
        ("# only a comment", False),
        ("% Platform:xWR16xx\nsensorStop", False),
        ("sensorStop\nframeCfg 0 0 64 0 100 1 0", False),
        ("[chirp]", True),
        ("\ufeff\n  # comment\n\n [chirp]\r\n", True),
        ("chirp.samples = 128", True),
        ("'chirp' = {samples = 128}", True),
        ('"chirp".samples=128', True),
        ("# a = b\nsensorStop", False),
    ],
)
def test_the_form_is_told_by_the_first_line_that_is_no_comment(text: str, toml: bool) -> None:
    assert is_toml(text) is toml


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("samples = 128", "sample = 128", "line 5 of the profile: sample of [chirp] is no key", "mean 'samples'?"),
        ("samples = 128", "Q = 1", "line 5 of the profile: Q of [chirp] is no key", "use one of start_frequency_ghz"),
        ("samples = 128", "samples = 128.0", "line 5 of the profile: samples of [chirp] is 128.0, no whole", "64"),
        ("samples = 128", "samples = true", "line 5 of the profile: samples of [chirp] is True, no whole", "64"),
        ("samples = 128", "samples = '128'", "line 5 of the profile: samples of [chirp] is '128', no whole", "64"),
        ("samples = 128", "samples = 0", "line 5 of the profile: samples of [chirp] is 0", "from 1 to 65535"),
        ("samples = 128", "samples = 9" + "9" * 200, "line 5 of the profile: samples of [chirp] is 999", "from 1 to"),
        ("samples = 128\n", "", "the profile has no samples in [chirp]", "add it"),
        ("= 77", "= nan", "line 2 of the profile: start_frequency_ghz of [chirp] is nan, no number", "quotes"),
        ("= 77", "= inf", "line 2 of the profile: start_frequency_ghz of [chirp] is inf", "from 1 to 100"),
        ("= 77", "= 77e9", "line 2 of the profile: start_frequency_ghz of [chirp] is 77000000000.0", "from 1 to 100"),
        ("= 77", "= false", "line 2 of the profile: start_frequency_ghz of [chirp] is False, no number", "quotes"),
        ("= 77", "= 0xf" + "f" * 220, "line 2 of the profile: start_frequency_ghz of [chirp] is", "from 1 to 100"),
        ("= 77", "= 1979-05-27", "line 2 of the profile: start_frequency_ghz of [chirp] is datetime.date", "quotes"),
        ("= 77", "= 1979-99-99", "line 2 of the profile: it is no TOML", "correct the line"),
        ("= 77", "= ", "line 2 of the profile: it is no TOML", "correct the line"),
        ("loops = 64", "loops = 64\nloops = 32", "line 10 of the profile: it is no TOML: Cannot overwrite", "correct"),
        ("[frame]", "[frames]", "line 8 of the profile: frames is no table of a profile", "it belongs into [frame]"),
        ("[frame]", "[fram]", "line 8 of the profile: fram is no table of a profile", "did you mean 'frame'?"),
        ("[frame]", "[[frame]]", "line 8 of the profile: frame is [{", "write [frame] on a line of its own"),
        ("[chirp]", "loops = 3\n[chirp]", "line 1 of the profile: loops is no table", "it belongs into [frame]"),
        ("[chirp]", "frame = 3\n[chirp]", "it is no TOML", "correct the line"),
        ("[chirp]", "antennas = 3\n[chirp]", "line 1 of the profile: antennas is 3, no table", "write [antennas]"),
        ("[chirp]", "[chirp.ramp]\nend = 3\n[chirp]", "ramp of [chirp] is no key", "use one of"),
        ("[chirp]", "'\\u0000' = 1\n[chirp]", "is no table of a profile", "use one of chirp"),
        ("[chirp]", '"\\u0000" = 1\n[chirp]', r"the profile: '\x00' is no table", "use one of chirp"),
        ("[frame]", "high_pass_1_khz = 300\n[frame]", "high_pass_1_khz of [chirp] is 300", "175, 235, 350, 700"),
        ("[frame]", "low_power_adc = 1\n[frame]", "low_power_adc of [chirp] is 1, neither true nor", "true or false"),
        ("[frame]", "[antennas]\ntx = []\n[frame]", "line 9 of the profile: tx of [antennas] is [], no list", "1 to 2"),
        ("[frame]", "[antennas]\ntx = [3]\n[frame]", "line 9 of the profile: tx of [antennas] is [3]", "from 1 to 2"),
        ("[frame]", "[antennas]\ntx = [1, 1]\n[frame]", "tx of [antennas] is [1, 1]", "different numbers"),
        ("[frame]", "[antennas]\ntx = [true]\n[frame]", "tx of [antennas] is [True]", "different numbers"),
        ("[frame]", "[antennas]\ntx = 1\n[frame]", "tx of [antennas] is 1, no list", "e.g. [1]"),
        ("[frame]", "[antennas]\nrx = [[1]]\n[frame]", "rx of [antennas] is [[1]]", "e.g. [1, 2, 3, 4]"),
        ("[frame]", "[antennas]\nrx = [0]\n[frame]", "rx of [antennas] is [0]", "from 1 to 4"),
    ],
)  # fmt: skip
def test_an_error_names_table_key_and_line(old: str, new: str, message: str, hint: str) -> None:
    assert SMALLEST.count(old) == 1
    text = SMALLEST.replace(old, new)
    said, told = complaint(text)
    assert message in said
    assert hint in told
    (check,) = check_profile(text)
    assert (check.name, check.passed, check.detail) == ("syntax", False, said)


def test_the_line_is_that_of_the_table_in_which_the_key_is_wrong() -> None:
    said, _ = complaint(FULL.replace("loops = 32", "loops = 0"))
    assert said.startswith(f"line {FULL.splitlines().index('loops = 32') + 1} of the profile: loops of [frame]")
    said, _ = complaint("frame.loops = 1\nchirp.loops = 2")
    assert said.startswith("line 2 of the profile: loops of [chirp] is no key")
    said, _ = complaint("chirp = {loops = 1}")
    assert said.startswith("the profile: loops of [chirp] is no key")


def test_a_limit_that_a_toml_breaks_is_named_with_its_numbers() -> None:
    text = SMALLEST.replace("loops = 64", "loops = 66")
    assert [check.name for check in check_profile(text) if check.passed is False] == ["loops"]
    with pytest.raises(ConfigError, match="a limit of the AWR1642, loops: 66 loops a frame; 4 to 255 in steps of 4"):
        parse_profile(text)


# --- hostile texts ---------------------------------------------------------------------------------------------------

KEY_PATH = "a." * 100 + "a"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a = " + "[" * 240, id="one line of brackets"),
        pytest.param("a = " + "\n".join(["[" * 200] * 200), id="lists in lists"),
        pytest.param("a = " + "\n".join(["[" * 200] * 100 + ["]" * 200] * 100), id="closed lists in lists"),
        pytest.param("a = " + "[\n" * 200 + "]\n" * 200, id="lists that Python still reads"),
        pytest.param("a = " + "{a=" * 80 + "1" + "}" * 80, id="tables in tables"),
        pytest.param("\n".join(f"{KEY_PATH}{k} = 1" for k in range(250)), id="long keys"),
        pytest.param("\n".join(f"[{KEY_PATH}{k}]\n{KEY_PATH}={k}" for k in range(125)), id="long tables"),
        pytest.param("[chirp]\n" + KEY_PATH.replace("a", "samples") + " = 1", id="a key of many parts"),
        pytest.param("[chirp]\nsamples = 1" + "0" * 5000, id="a long number"),
        pytest.param("[chirp]\nsamples = \u0661\u0662\u0668", id="digits of another script"),
        pytest.param("[chirp]\nsamples = 128\0", id="NUL"),
        pytest.param("[chirp]\n# \0", id="NUL in a comment"),
        pytest.param("[chirp]\n" * 9000, id="many tables"),
        pytest.param("[chirp]\n" + "x" * 10_000_000, id="ten megabytes in a line"),
        pytest.param("[chirp]\n" + "#\n" * 5_000_000, id="ten megabytes of comments"),
        pytest.param("=" * 10_000_000, id="ten megabytes without a meaning"),
        pytest.param("'" * 10_000_000, id="ten megabytes of quotes"),
        pytest.param('"""' + "\n" * (MAX_CHARACTERS - 10), id="a string without an end"),
    ],
)
def test_a_hostile_text_is_refused_soon(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        parse_profile(text)
    assert len(str(caught.value)) < 500
    assert caught.value.hint
    assert [check.passed for check in check_profile(text)][-1] is False
    assert time.process_time() - started < 2.0


TOKENS = st.sampled_from([
    "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "'", '"', '"""', "#", "\n", "\0", "nan", "-inf", "1e400", "0x",
    "1_0", "9" * 40, "true", "[chirp]", "[antennas]", "tx = [2, 1]", "chirp.samples = 64", "\u0663", "\ufeff", "\x85",
])  # fmt: skip


@settings(max_examples=80, deadline=None)
@example([(0, 0, "\ufeff")])
@given(st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 12), TOKENS | st.text(max_size=6)), max_size=6))
def test_mutated_texts_raise_config_errors_only(changes: list[tuple[int, int, str]]) -> None:
    text = FULL
    for at, length, new in changes:
        text = text[:at] + new + text[at + length :]
    checks = check_profile(text)
    failed = [check for check in checks if check.passed is False]
    assert all(check.detail for check in checks)
    for dialect in (None, *Dialect):
        try:
            sensor = parse_profile(text, dialect=dialect)
        except ConfigError as error:
            assert str(error)
            assert error.hint
            if dialect is None:
                assert failed
        else:
            assert math.isfinite(sensor.range_max_m)
