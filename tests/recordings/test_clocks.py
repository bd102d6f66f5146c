"""Clocks are estimated as well as they claim, whatever the delays do."""

import numpy as np
import pytest

from isactrack.recordings.clocks import RESOLUTION_S, ClockEstimate, clock_offset, estimate_clock, lower_envelope

PERIOD_S = 0.05
START_NS = 10**15


def arrivals(
    rng: np.random.Generator, count: int, *, offset_s: float = 0.0, drift_ppm: float = 0.0, jitter_s: float = 1e-3,
    stalls: float = 0.05, early: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return device times and arrivals with one-sided delays, of which some are long, and some arrivals too early."""
    time_s = np.arange(count) * PERIOD_S
    delay_s = rng.exponential(jitter_s, count)
    delay_s[rng.random(count) < stalls] += rng.uniform(0.05, 0.5)
    delay_s[rng.random(count) < early] -= 0.1
    host_s = offset_s + time_s * (1.0 + 1e-6 * drift_ppm) + delay_s
    return time_s, START_NS + np.rint(1e9 * host_s).astype(np.int64)


def error_s(clock: ClockEstimate, time_s: float, *, offset_s: float = 0.0, drift_ppm: float = 0.0) -> float:
    return float(clock.host_time_s(time_s)) - START_NS * 1e-9 - offset_s - time_s * (1.0 + 1e-6 * drift_ppm)


@pytest.mark.parametrize("count", [40, 300, 3000])
def test_offset_and_drift_are_within_what_is_claimed(count: int) -> None:
    rng = np.random.default_rng(count)
    offsets, drifts = [], []
    for _ in range(150):
        truth = {"offset_s": rng.uniform(-5, 5), "drift_ppm": rng.uniform(-50, 50)}
        clock = estimate_clock(*arrivals(rng, count, **truth, jitter_s=rng.uniform(1e-4, 5e-3)))
        assert clock is not None
        offsets.append(error_s(clock, clock.reference_s, **truth) / clock.offset_std_s)
        drifts.append((clock.drift_ppm - truth["drift_ppm"]) / clock.drift_std_ppm)
    # The floor of the delays is what cannot be known: the clock is late by the least of them, and says how much.
    assert np.mean(np.abs(offsets) < 3.0) > 0.98
    assert np.mean(np.abs(drifts) < 3.0) > 0.95
    assert np.std(drifts) < 1.3


def test_more_frames_tell_more() -> None:
    rng = np.random.default_rng(3)
    stds = []
    for count in (100, 1000, 10_000):
        clock = estimate_clock(*arrivals(rng, count))
        assert clock is not None
        stds.append((clock.offset_std_s, clock.drift_std_ppm))
    assert stds[0] > stds[1] > stds[2]
    assert stds[2][0] < 50e-6
    assert stds[2][1] < 1.0


def test_stalls_and_early_arrivals_do_not_turn_the_line() -> None:
    rng = np.random.default_rng(7)
    clean = estimate_clock(*arrivals(rng, 2000, drift_ppm=20.0, stalls=0.0))
    foul = estimate_clock(*arrivals(rng, 2000, drift_ppm=20.0, stalls=0.4, early=0.005))
    assert clean is not None
    assert foul is not None
    assert abs(clean.drift_ppm - 20.0) < 3.0
    assert abs(foul.drift_ppm - 20.0) < 10.0
    assert abs(error_s(foul, foul.reference_s, drift_ppm=20.0)) < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_a_host_that_is_overloaded_does_not_make_a_clock_drift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    time_s, host_ns = arrivals(rng, 1500)
    # It falls behind more and more, by most of a second, and is on time now and then; both turn the line.
    behind_s = np.linspace(0.0, 0.8, time_s.size) * (1.0 + np.sin(0.3 * time_s + seed))
    clock = estimate_clock(time_s, host_ns + np.rint(1e9 * behind_s).astype(np.int64))
    assert clock is not None
    assert clock.drift_ppm == 0.0
    assert -1e-3 < error_s(clock, clock.reference_s) < 0.1
    assert clock.offset_std_s > 0.05


def test_a_simulation_that_is_slow_on_a_busy_host_keeps_its_pace() -> None:
    time_s, host_ns = arrivals(np.random.default_rng(8), 600, drift_ppm=1e6, jitter_s=0.05)
    clock = estimate_clock(time_s, host_ns)
    assert clock is not None
    assert clock.drift_ppm == pytest.approx(1e6, rel=0.01)


def test_exact_arrivals_give_the_exact_line() -> None:
    time_s = np.arange(200) * PERIOD_S
    host_ns = START_NS + np.rint(1e9 * (0.25 + time_s * 0.5)).astype(np.int64)  # a simulation at double speed
    clock = estimate_clock(time_s, host_ns)
    assert clock is not None
    assert clock.drift_ppm == pytest.approx(-500_000.0, abs=1e-3)
    assert clock.offset_std_s == RESOLUTION_S
    np.testing.assert_allclose(clock.host_time_s(time_s) - START_NS * 1e-9, 0.25 + 0.5 * time_s, atol=1e-6)


def test_two_streams_of_one_host_are_lined_up() -> None:
    rng = np.random.default_rng(11)
    left = estimate_clock(*arrivals(rng, 1200, offset_s=1.0, drift_ppm=30.0))
    right = estimate_clock(*arrivals(rng, 1000, offset_s=1.0173, drift_ppm=-12.0))
    assert left is not None
    assert right is not None
    offset = clock_offset("left", left, "right", right)
    # At host time h the clocks show (h - 1) / (1 + 30 ppm) and (h - 1.0173) / (1 - 12 ppm).
    host_s = 1.0173 + right.reference_s * (1 - 12e-6)
    expected_s = (host_s - 1.0) / (1 + 30e-6) - right.reference_s
    assert offset.offset_s == pytest.approx(expected_s, abs=3.0 * offset.std_s)
    assert offset.std_s < 1e-3
    assert offset.drift_ppm == pytest.approx(-42.0, abs=5.0)
    assert (offset.reference, offset.stream) == ("left", "right")


def test_the_uncertainty_grows_away_from_the_middle() -> None:
    clock = estimate_clock(*arrivals(np.random.default_rng(2), 400))
    assert clock is not None
    near, far = clock.std_s([clock.reference_s, clock.reference_s + 1000.0])
    assert near == clock.offset_std_s
    assert far == pytest.approx(np.hypot(near, 1e-3 * clock.drift_std_ppm))


@pytest.mark.parametrize("times", [[], [0.0], [0.0, 0.05, 0.1], [1.0] * 20, [float("nan")] * 20])
def test_too_little_is_no_clock(times: list[float]) -> None:
    assert estimate_clock(times, [START_NS + k for k in range(len(times))]) is None


def test_the_envelope_holds_the_earliest_of_each_span() -> None:
    time_s, host_ns = arrivals(np.random.default_rng(5), 1000)
    t, host = lower_envelope(time_s, host_ns, 10)
    late_s = (host_ns - START_NS) * 1e-9 - time_s
    rows = np.searchsorted(time_s, t)
    assert rows.tolist() == [100 * k + int(np.argmin(late_s[100 * k : 100 * k + 100])) for k in range(10)]
    assert host.tolist() == host_ns[rows].tolist()
    assert lower_envelope(time_s[:0], host_ns[:0])[0].size == 0
    assert lower_envelope(time_s[:5], host_ns[:5])[0].size == 5
