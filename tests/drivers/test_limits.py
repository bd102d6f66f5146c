"""Link, packet delay, receive buffer and the other limits that are sums."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.limits import (
    ProfileCheck,
    SetUp,
    labels,
    limit_checks,
    link_bps,
    packet_delay_s,
    receive_buffer_bytes,
)
from isactrack.drivers.awr1642.profile import check_profile, default_profile, parse_profile
from isactrack.drivers.awr1642.waveform import Waveform
from isactrack.fmcw import FmcwSensor

SENSOR = parse_profile(default_profile())
SET_UP = SetUp(tx_mask=1, chirp_threshold=1, trigger=1, tx_start_us=1.0, dialects=tuple(Dialect))


def at_rate(mbps: float) -> FmcwSensor:
    """Return a sensor whose samples come at a rate."""
    return replace(SENSOR, frame_period_s=8 * SENSOR.frame_bytes / (mbps * 1e6))


def check(name: str, sensor: FmcwSensor = SENSOR, set_up: SetUp = SET_UP, limit: int | None = None) -> ProfileCheck:
    (found,) = (one for one in limit_checks(sensor, set_up, receive_limit_bytes=limit) if one.name == name)
    return found


@pytest.mark.parametrize(("delay_us", "mbps"), [(5, 706), (10, 545), (25, 325), (50, 193)])
def test_the_link_is_as_fast_as_the_cards_user_guide_says(delay_us: int, mbps: float) -> None:
    # Its table counts the header of each packet, 10 of 1466 bytes, and is rounded.
    assert link_bps(delay_us * 1e-6) * 1466 / 1456 == pytest.approx(mbps * 1e6, rel=0.02)


@pytest.mark.parametrize(
    ("mbps", "delay_us"),
    # 11648 bit / (11.728 us + delay) is 317.14, 325.9, 696.3 Mbit/s at 25, 24 and 5 us; four fifths of it may be used.
    [(1.0, 25), (253.6, 25), (253.8, 24), (400.0, 11), (556.9, 5), (557.2, 5), (5000.0, 5)],
)
def test_the_packet_delay_leaves_a_reserve_of_a_quarter(mbps: float, delay_us: int) -> None:
    assert packet_delay_s(at_rate(mbps)) == pytest.approx(delay_us * 1e-6)
    assert check("link rate", at_rate(mbps)).passed is (mbps < 557.0)
    assert check("packet delay", at_rate(mbps)).passed is (True if mbps < 557.0 else None)


@given(st.floats(0.1, 600.0))
def test_the_packet_delay_is_the_longest_that_is_quick_enough(mbps: float) -> None:
    delay_s = packet_delay_s(at_rate(mbps))
    assert round(delay_s * 1e6) in range(5, 26)
    needed_bps = 1.25 * at_rate(mbps).data_rate_bps
    assert link_bps(delay_s) >= needed_bps or delay_s == 5e-6
    assert delay_s == 25e-6 or link_bps(delay_s + 1e-6) < needed_bps


@settings(deadline=None)
@given(st.floats(0.002, 2.0), st.integers(1, 63))
def test_the_receive_buffer_holds_the_worst_100_ms(period_s: float, quarter_loops: int) -> None:
    sensor = replace(SENSOR, frame_period_s=period_s, loops_per_frame=4 * quarter_loops)
    rate = link_bps(packet_delay_s(sensor)) / 8
    if sensor.frame_bytes / rate > period_s:
        return
    # Brute force: bytes that arrive in a window of 100 ms, wherever it begins, frames in bursts.
    burst_s = sensor.frame_bytes / rate

    def arrived(until_s: float) -> float:
        whole, rest_s = divmod(until_s, period_s)
        return whole * sensor.frame_bytes + rate * min(rest_s, burst_s)

    worst = max(arrived(k / 50 * period_s + 0.1) - arrived(k / 50 * period_s) for k in range(50))
    assert receive_buffer_bytes(sensor) * 2 / 2304 == pytest.approx(worst / 1456, rel=1e-6, abs=1.01)


def test_the_receive_buffer_is_compared_with_what_the_computer_grants() -> None:
    needed = receive_buffer_bytes(SENSOR)
    assert needed == 91 * 2304 // 2  # one frame of 131072 bytes
    assert check("receive buffer").passed is None
    assert check("receive buffer", limit=needed).passed is True
    short = check("receive buffer", limit=needed - 1)
    assert short.passed is False
    assert f"net.core.rmem_max={needed}" in short.detail


def test_the_lanes_carry_a_chirp_before_the_next_one_comes() -> None:
    # 1024 samples x 4 receivers x 32 bit at 1.2 Gbit/s are 109.2 us.
    sensor = replace(SENSOR, samples_per_chirp=1024, sample_rate_hz=12.5e6, ramp_end_s=100e-6)
    assert check("LVDS rate", replace(sensor, idle_time_s=9.2e-6)).passed is False
    assert check("LVDS rate", replace(sensor, idle_time_s=9.3e-6)).passed is True


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("loops", {"loops_per_frame": 12}),
        ("radar cube", {"loops_per_frame": 176, "samples_per_chirp": 256}),
        ("chirps", {"tx_positions": (0.0, 2.0) * 17, "loops_per_frame": 16, "samples_per_chirp": 64}),
    ],
)
def test_sdk_1_takes_less(name: str, change: dict[str, object]) -> None:
    sensor = replace(SENSOR, **change)  # type: ignore[arg-type]
    assert check(name, sensor).passed is True
    assert check(name, sensor, replace(SET_UP, dialects=(Dialect.SDK1,))).passed is False


def test_a_profile_that_no_sdk_takes_fails() -> None:
    assert check("SDK").detail == "the demo of SDK 1, SDK 2 and SDK 3 takes every command"
    assert check("SDK", set_up=replace(SET_UP, dialects=())).passed is False
    assert labels([Dialect.SDK2]) == "SDK 2"


def test_every_check_has_a_name_of_its_own_and_numbers() -> None:
    checks = limit_checks(SENSOR, SET_UP, receive_limit_bytes=1 << 20)
    assert len({one.name for one in checks}) == len(checks)
    assert all(one.passed is True and any(c.isdigit() for c in one.detail) for one in checks)


def test_the_documentation_lists_every_check_and_every_key() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "awr1642.md").read_text(encoding="utf-8")
    rows = {
        line.split("|")[1].strip() for line in page.partition("### Checks of a profile")[2].splitlines() if "|" in line
    }
    assert [one.name for one in check_profile(default_profile()) if one.name not in rows] == []
    keys = page.partition("### In physical units")[2].partition("### TI's language")[0]
    assert [field.name for field in fields(Waveform) if f"`{field.name}`" not in keys] == []
    example = keys.partition("```toml\n")[2].partition("```")[0]
    assert parse_profile(example).n_tx == 2
