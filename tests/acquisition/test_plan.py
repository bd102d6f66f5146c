"""A session file is understood, or refused with the table and the key that are wrong."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.acquisition.group import OnError
from isactrack.acquisition.plan import EXAMPLE, DevicePlan, parse_plan, parse_room
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import Pose, RoomOutline
from isactrack.ofdm import OfdmSensor
from isactrack.processing.chain import ChainConfig
from isactrack.processing.mnomp import MnompConfig
from isactrack.processing.ofdm_config import MusicConfig, OfdmChainConfig
from isactrack.tracking.config import bistatic_tracker_config
from isactrack.tracking.tracker import TrackerConfig

RADAR = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=32, frame_period_s=0.1,
)  # fmt: skip
RADIO = OfdmSensor(
    model="synthetic", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=(4.0, 1.0),
)  # fmt: skip
ONE = '[[device]]\nurl = "sim://awr1642"\n'


def test_the_example_works_as_it_is_and_with_every_comment_taken_off() -> None:
    plan = parse_plan(EXAMPLE, Path("folder"))
    assert [device.name for device in plan.devices] == ["left", "right"]
    assert plan.devices[0].pose == Pose(x_m=-1.0, z_m=1.2, yaw_rad=math.radians(-20.0))
    assert plan.room == RoomOutline(corners_m=((-4.0, 0.0), (4.0, 0.0), (4.0, 7.0), (-4.0, 7.0))) == parse_room(EXAMPLE)
    assert plan.output == Path("run1")
    assert plan.text == EXAMPLE
    everything = re.sub(r"^# (?=\w+ = |\[)", "", EXAMPLE, flags=re.MULTILINE)
    full = parse_plan(everything, Path("folder"))
    assert everything.count("\n# ") == 4
    assert (full.duration_s, full.segment_s, full.segment_bytes) == (60.0, 600.0, 1_000_000_000)
    assert (full.compression, full.on_error, full.tracks) == ("bitshuffle-lz4", OnError.STOP, False)
    assert full.devices[0].profile == Path("folder/walk.cfg")
    assert full.chain == ChainConfig(max_range_m=10.0, detector="mnomp", mnomp=MnompConfig(p_overall=0.01))
    assert full.tracker == TrackerConfig(confirm_hits=4, association="spa")
    assert [device.name for device in full.devices] == ["left", "right", "radio"]
    assert full.ofdm == OfdmChainConfig(max_range_m=8.0)
    assert full.ofdm_tracker == {"association": "penalty"}


def test_one_device_needs_no_more_than_its_url() -> None:
    plan = parse_plan(ONE, Path())
    assert plan.devices == (DevicePlan(name="radar", url="sim://awr1642"),)
    assert (plan.output, plan.duration_s, plan.segment_s, plan.on_error) == (None, None, None, OnError.STOP)
    assert (plan.chain, plan.tracker, plan.room) == (ChainConfig(), TrackerConfig(), None)


def test_a_file_may_hold_a_room_and_nothing_else() -> None:
    room = parse_room("[room]\ncorners_m = [[0, 0], [4, 0.5], [4, 3]]\n")
    assert room == RoomOutline(corners_m=((0.0, 0.0), (4.0, 0.5), (4.0, 3.0)))
    with pytest.raises(ConfigError, match=r"has no \[room\]") as caught:
        parse_room(ONE)
    assert "corners_m" in caught.value.hint


def test_settings_of_the_line_detector_are_a_table_of_their_own() -> None:
    plan = parse_plan(ONE + '[chain]\ndetector = "mnomp"\n[chain.mnomp]\nk_max = 20\np_overall = 0.1\n', Path())
    assert plan.chain.mnomp == MnompConfig(k_max=20, p_overall=0.1)
    with pytest.raises(ConfigError, match=r"\[chain.mnomp\] has no key 'k_maks'") as error:
        parse_plan(ONE + "[chain.mnomp]\nk_maks = 20\n", Path())
    assert "k_max" in error.value.hint
    with pytest.raises(ConfigError, match="mnomp is 3"):
        parse_plan(ONE + "[chain]\nmnomp = 3\n", Path())
    with pytest.raises(ConfigError, match=r"\[chain.mnomp\].*p_overall"):
        parse_plan(ONE + "[chain.mnomp]\np_overall = 2.0\n", Path())
    with pytest.raises(ConfigError, match="no detector 'esprit'"):
        parse_plan(ONE + '[chain]\ndetector = "esprit"\n', Path())


def test_each_kind_of_sensor_gets_its_own_settings() -> None:
    text = "[ofdm]\nhop_blocks = 5\n[ofdm.music]\nsmoothing = false\n[ofdm.tracker]\nmax_misses_tentative = 3\n"
    plan = parse_plan(ONE + "[tracker]\nconfirm_hits = 5\n" + text, Path())
    ofdm = OfdmChainConfig(hop_blocks=5, music=MusicConfig(smoothing=False))
    assert plan.settings_of(RADAR) == (ChainConfig(), TrackerConfig(confirm_hits=5))
    assert plan.settings_of(RADIO) == (ofdm, bistatic_tracker_config(0.02, max_misses_tentative=3))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[ofdm]\nclutter_filter = "median"\n', r"\[ofdm\] there is no clutter filter 'median'"),
        ("[ofdm]\nmean_bloks = 3\n", r"\[ofdm\] has no key 'mean_bloks'"),
        ("[ofdm.calibration]\nbalance_iq = 1\n", r"\[ofdm.calibration\] balance_iq is 1"),
        ("[ofdm.music]\nmax_paths = 0\n", r"\[ofdm.music\] max_paths is 0"),
        ("[ofdm]\nmusic = 3\n", r"\[ofdm\] music is 3"),
        ("[ofdm]\ntracker = 3\n", r"\[ofdm\] tracker is 3"),
        ("[ofdm.tracker]\nconfirm_hits = 0\n", r"\[ofdm.tracker\] confirm_hits is 0"),
    ],
)
def test_what_is_wrong_with_the_settings_of_radios_is_named(table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_plan(ONE + table, Path())


def test_settings_are_those_of_the_chain_and_the_tracker() -> None:
    text = ONE + "[chain]\ncoherent_frames = 4\ncluster_distance_m = 0\ntraining_cells = [9, 7]\np_fa = 1e-5\n"
    plan = parse_plan(text + "[tracker]\nuse_radial_velocity = false\nmerge_distance_m = 1\n", Path())
    # One long interval is its own static scene, and 0 joins none, as with the options of the command line.
    assert plan.chain == ChainConfig(
        coherent_frames=4, remove_static=False, cluster_distance_m=None, training_cells=(9, 7), p_fa=1e-5
    )
    assert plan.tracker == TrackerConfig(use_radial_velocity=False, merge_distance_m=1.0)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[session", "no TOML", "--example"),
        ("", r"no \[\[device\]\]", "name at least one"),
        ('device = "x"', r"no \[\[device\]\]", ""),
        ("device = [1]", r"no \[\[device\]\]", ""),
        ("[sesion]\n" + ONE, "no key 'sesion'", "'session'"),
        ("[session]\noutptu = 'x'\n" + ONE, r"\[session\] has no key 'outptu'", "'output'"),
        ("session = 1\n" + ONE, "'session' is no table", ""),
        ("[session]\nname = 1\n" + ONE, r"\[session\] name is 1", "text"),
        ("[session]\nduration_s = '60s'\n" + ONE, r"\[session\] duration_s is '60s'", "number"),
        ("[session]\nduration_s = true\n" + ONE, r"\[session\] duration_s is True", "number"),
        ("[session]\nsegment_mb = 0\n" + ONE, r"\[session\] segment_mb is 0", "positive"),
        ("[session]\nsegment_s = inf\n" + ONE, r"\[session\] segment_s is inf", "finite"),
        ("[session]\ntracks = 1\n" + ONE, r"\[session\] tracks is 1", "true or false"),
        ("[session]\non_error = 'ignore'\n" + ONE, r"\[session\] on_error is 'ignore'", "'stop' or 'continue'"),
        ("[session]\ncompression = 'zip'\n" + ONE, r"\[session\] compression is 'zip'", "bitshuffle"),
        (ONE + "profil = 'x'\n", r"\[\[device\]\] 1 has no key 'profil'", "'profile'"),
        ("[[device]]\nname = 'a'\n", r'\[\[device\]\] "a" has no url', "awr1642://auto"),
        (ONE + ONE, r"\[\[device\]\] 1 has no name", "several"),
        (ONE + "name = 'a'\n" + ONE + "name = 'A'\n", r"\[\[device\]\] 2: the name 'A' is taken", ""),
        (ONE + "name = '../a'\n", r"\[\[device\]\] 1: '../a' cannot be the name", "letters"),
        (ONE + "pose = 1\n", r'\[\[device\]\] "radar" pose is 1', "x_m"),
        (ONE + "pose = { x = 1 }\n", r'\[\[device\]\] "radar" pose has no key \'x\'', "x_m"),
        (ONE + "pose = { x_m = nan }\n", "pose x_m is nan", "finite"),
        ("[room]\ncorners = []\n" + ONE, r"\[room\] has no key 'corners'", "'corners_m'"),
        ("[room]\n" + ONE, r"\[room\] corners_m is None", "corners_m = [["),
        ("[room]\ncorners_m = [1.0, 2.0, 3.0]\n" + ONE, r"corners_m is \[1.0, 2.0, 3.0\]", "pairs of numbers"),
        ("[room]\ncorners_m = [[1, 2], [3, true], [3, 4]]\n" + ONE, r"corners_m is .*True", "pairs of numbers"),
        ("[room]\ncorners_m = [[1, 2], [3, 4]]\n" + ONE, r"\[room\] corners_m: .* has 2 corners", "3 to 1000"),
        ("[room]\ncorners_m = [[1, 2], [3, nan], [3, 4]]\n" + ONE, r"\[room\] corners_m: .* not finite", "metres"),
        ("[room]\ncorners_m = 'x'\n" + ONE, r"corners_m is 'x'", "pairs of numbers"),
        ("room = 1\n" + ONE, "'room' is no table", ""),
        (ONE + "[chain]\nmin_snr = 3\n", r"\[chain\] has no key 'min_snr'", "'min_snr_db'"),
        (ONE + "[chain]\np_fa = 'a'\n", r"\[chain\] p_fa is 'a'", "number"),
        (ONE + "[chain]\np_fa = 2\n", r"\[chain\] p_fa is 2", "1e-6"),
        (ONE + "[chain]\ntraining_cells = [1]\n", r"\[chain\] training_cells is \[1\]", "two whole numbers"),
        (ONE + "[chain]\nremove_static = 1\n", r"\[chain\] remove_static is 1", "true or false"),
        (ONE + "[tracker]\nconfirm_hits = 4.5\n", r"\[tracker\] confirm_hits is 4.5", "whole number"),
        (ONE + "[tracker]\nconfirm_hits = 9\n", r"\[tracker\] confirm_hits is 9", "confirm_window"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_plan(text, Path())
    assert hint in caught.value.hint
    assert caught.value.hint


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_mutated_file_raises_nothing_but_our_own_errors(data: st.DataObject) -> None:
    text = re.sub(r"^# (?=\w+ = |\[)", "", EXAMPLE, flags=re.MULTILINE)
    lines = text.splitlines()
    for _ in range(data.draw(st.integers(1, 5))):
        row = data.draw(st.integers(0, len(lines) - 1))
        key, equals, value = lines[row].partition(" = ")
        wild = data.draw(st.sampled_from(["", "1", "-1", "nan", "''", "[]", "{}", "true", "1e400", "'\\u0000'", value]))
        lines[row] = data.draw(st.sampled_from([f"{key}{equals}{wild}", wild, f"x{key}{equals}{value}"]))
    try:
        parse_plan("\n".join(lines), Path())
    except ConfigError as error:
        assert str(error)
