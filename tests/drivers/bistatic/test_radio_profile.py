"""Profiles of the radio: what they ask for, what is refused, and by which name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ConfigError
from isactrack.drivers.bistatic.control import Capability, Identity, Settings
from isactrack.drivers.bistatic.lo_box import LoSettings
from isactrack.drivers.bistatic.profile import (
    STAGGER_ORDER,
    check_capabilities,
    default_profile,
    lo_settings,
    parse_profile,
    stagger_pattern,
)
from isactrack.ofdm import ArrayModel, Capture

RADIO = Identity(
    model="ISAB", serial_number="7", firmware="1", capabilities=frozenset(Capability), rate_num=552_960_000
)


def test_the_default_profile_is_the_paper_s_numerology_with_staggered_symbols() -> None:
    profile = parse_profile(default_profile())
    assert profile.settings == Settings(stagger_symbols=stagger_pattern(864))
    assert profile.tx_position_m is None
    assert profile.lo is None
    assert lo_settings(profile) == LoSettings(frequency_hz=22e9)
    check_capabilities(profile.settings, RADIO)


def test_every_commented_key_of_the_default_profile_is_a_key() -> None:
    text = default_profile().replace("# [", "[")
    lines = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    profile = parse_profile("\n".join(lines))
    assert profile.tx_position_m == (-2.0, 3.0)
    assert profile.lo == LoSettings(frequency_hz=22e9)


def test_a_profile_says_everything() -> None:
    profile = parse_profile(
        """
        [radio]
        carrier_hz = 27e9
        capture = "iq"
        gain_db = 12
        agc = true
        [array]
        model = "switched"
        elements = 4
        spacing_wavelengths = 0.7
        [transmitter]
        x_m = -1
        y_m = 2.5
        [waveform]
        symbols_per_block = 432
        tones = 38
        tone_step = 48
        [lo]
        frequency_hz = 23e9
        output = 1
        reference = 3
        """
    )
    assert profile.settings == Settings(
        carrier_hz=27e9, capture=Capture.IQ, gain_db=12.0, agc=True, array=ArrayModel.SWITCHED, rows=4,
        spacing_wavelengths=0.7, symbols_per_block=432, tones=38, tone_step=48,
    )  # fmt: skip
    assert profile.tx_position_m == (-1.0, 2.5)
    assert lo_settings(profile) == LoSettings(frequency_hz=23e9, output=1, reference=3)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("[radoi]", "[radoi]", "'radio'"), ("radio = 3", "[radio]", "[radio]"), ("this is nothing", "no TOML", "docs/"),
        ("[radio]\ncarier_hz = 1e9", "[radio] of the profile has no key 'carier_hz'", "'carrier_hz'"),
        ('[radio]\ngain_db = "high"', "[radio] gain_db", "number"),
        ("[radio]\nagc = 1", "[radio] agc", "true or false"),
        ('[radio]\ncapture = "video"', "[radio] capture", "'csi' or 'iq'"),
        ("[radio]\ncarrier_hz = inf", "[radio] carrier_hz", "1e+12"),
        ("[array]\nelements = 2.5", "[array] elements", "whole"),
        ("[array]\nelements = 0", "[array] elements", "1 to 64"), ("[array]\nmodel = 'ring'", "[array] model", "'ula'"),
        ("[transmitter]\nx_m = 1", "[transmitter] of the profile has no y_m", "metres"),
        ("[waveform]\ntone_first = -2000", "tones -2000", "profile"),
        ("[lo]\nreference = 5", "[lo] reference", "0 to 4"),
        ("[waveform]\nsymbols_per_block = 20\n[radio]\nstagger = true", "[radio] stagger", "stagger = false"),
        ("[waveform]\nsymbols_per_block = 1\n[radio]\ncapture = 'iq'", "[waveform] symbols_per_block", "symbols"),
        ("#" * 70_000, "characters", "profile"), ("[radio]\nx = " + "[" * 5000, "no TOML", "docs/"),
        ("[radio]\ncarrier_hz = " + "1" * 400, "[radio] carrier_hz", "1e+12"),
        ("[radio]\ncarrier_hz = nan", "[radio] carrier_hz", "1e+12"),
        ("[array]\nelements = 0x" + "f" * 6000, "[array] elements", "1 to 64"),
        ("[array]\nelements = " + "1" * 5000, "no TOML", "docs/"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_table_and_key(text: str, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_profile(text)
    assert says in str(caught.value)
    assert hint in caught.value.hint


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    for attempt in (text, f"[radio]\ngain_db = {text}", f"[array]\n{text}"):
        try:
            parse_profile(attempt)
        except ConfigError as error:
            assert error.hint


@pytest.mark.parametrize(
    ("lacks", "settings", "says"),
    [
        (Capability.GATED_IQ, Settings(capture=Capture.IQ), '[radio] capture = "iq"'),
        (Capability.CSI, Settings(), '[radio] capture = "csi"'), (Capability.AGC, Settings(agc=True), "[radio] agc"),
        (Capability.STAGGER, Settings(stagger_symbols=(0, 1)), "[radio] stagger"),
        (Capability.MULTI_RX, Settings(), '[array] model = "ula"'),
        (Capability.SWITCHED_ARRAY, Settings(array=ArrayModel.SWITCHED), '[array] model = "switched"'),
        (Capability.BEAMSPACE, Settings(array=ArrayModel.BEAMSPACE), '[array] model = "beamspace"'),
        (Capability.LO_CONTROL, Settings(), "[radio] carrier_hz without an LO box"),
    ],
)  # fmt: skip
def test_a_radio_is_not_asked_for_what_it_cannot_do(lacks: Capability, settings: Settings, says: str) -> None:
    check_capabilities(settings, RADIO)
    with pytest.raises(ConfigError) as caught:
        check_capabilities(settings, replace(RADIO, capabilities=RADIO.capabilities - {lacks}))
    assert says in str(caught.value)
    assert str(lacks) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(rows=9), "[array] elements"), (Settings(carrier_hz=60e9), "[radio] carrier_hz"),
        (Settings(gain_db=99.0), "[radio] gain_db"), (Settings(fft_size=1024), "[waveform] subcarrier_spacing_hz"),
    ],
)  # fmt: skip
def test_the_limits_of_the_radio_are_checked(settings: Settings, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_capabilities(settings, RADIO)
    assert says in str(caught.value)


def test_a_path_that_changes_by_a_wavelength_a_block_shows_in_staggered_blocks_and_not_in_even_ones() -> None:
    settings = Settings(stagger_symbols=stagger_pattern(864))
    assert sorted(STAGGER_ORDER) == list(range(32))
    for pattern, least_db in ((settings.stagger_symbols, -1.0), ((), -200.0)):
        ticks = np.array([replace(settings, stagger_symbols=pattern).tick_of(block) for block in range(200)])
        for doppler_hz in (250.0, 500.0, 1000.0):
            phasor = np.exp(2j * np.pi * doppler_hz * ticks / settings.sample_rate_hz)
            rest = [phasor[m] - phasor[m - 50 : m].mean() for m in range(60, 200)]  # eq. 2, K = 50
            worst_db = 20 * np.log10(np.abs(rest).min() + 1e-12)
            assert (worst_db > least_db) if pattern else (worst_db < -100.0)
