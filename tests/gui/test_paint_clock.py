"""The viewer measures itself: from the last packet to the paint, and what the screen skipped."""

from dataclasses import replace

import pytest

from isactrack.gui.models.paint_clock import COLD, WINDOW, PaintClock
from tests.gui.conftest import snapshot

MS = 1_000_000


class Clock:
    """A clock that is set by hand, nanoseconds."""

    now_ns = 10**15

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paints(clock: Clock) -> PaintClock:
    return PaintClock(clock)


def show(paints: PaintClock, clock: Clock, index: int, latency_ms: float) -> None:
    """Let a result come, be drawn, and be painted so long after its last packet."""
    came = replace(snapshot(index), host_complete_ns=clock.now_ns)
    paints.came(1)
    paints.drawn(came)
    clock.now_ns += round(latency_ms * MS)
    paints.painted()


def test_nothing_is_said_before_anything_was_measured(paints: PaintClock) -> None:
    paints.painted()  # of an empty window
    assert (paints.stats().latency_p99_ms, paints.stats().painted, paints.stats().rate_hz) == (0.0, 0, 0.0)


def warm(paints: PaintClock, clock: Clock) -> None:
    """Let as many paints go by as do not count."""
    for k in range(COLD):
        show(paints, clock, k, 1000.0)


def test_latency_is_from_the_last_packet_to_the_paint(paints: PaintClock, clock: Clock) -> None:
    warm(paints, clock)
    assert paints.stats().latency_p99_ms == 0.0  # the first ones are slow: all is drawn for the first time
    for k in range(101):
        show(paints, clock, k, k)
    stats = paints.stats()
    assert stats.latency_p50_ms == pytest.approx(50.0)
    assert stats.latency_p99_ms == pytest.approx(99.0)
    assert (stats.painted, stats.skipped) == (101 + COLD, 0)


def test_a_paint_that_shows_nothing_new_does_not_count(paints: PaintClock, clock: Clock) -> None:
    warm(paints, clock)
    show(paints, clock, 0, 20)
    clock.now_ns += 500 * MS
    paints.painted()
    assert paints.stats().painted == COLD + 1
    assert paints.stats().latency_p99_ms == pytest.approx(20.0)


def test_what_a_newer_result_overtook_is_skipped(paints: PaintClock, clock: Clock) -> None:
    paints.came(3)  # two of them while the window was busy
    paints.drawn(snapshot(2))
    paints.came(1)
    paints.drawn(snapshot(3))  # before the paint
    paints.painted()
    stats = paints.stats()
    assert (stats.painted, stats.skipped) == (1, 3)
    assert stats.latency_p99_ms == 0.0  # nobody noted when their packets came


def test_what_is_drawn_again_is_not_skipped(paints: PaintClock) -> None:
    paints.drawn(snapshot(1))
    paints.drawn(snapshot(1))  # in other colours
    paints.painted()
    assert paints.stats().skipped == 0


def test_rate_and_percentiles_forget(paints: PaintClock, clock: Clock) -> None:
    warm(paints, clock)
    show(paints, clock, 0, 5000.0)
    for k in range(WINDOW):
        show(paints, clock, k, 100.0)
    assert paints.stats().latency_p99_ms == pytest.approx(100.0)
    assert paints.stats().rate_hz == pytest.approx(10.0, abs=0.4)
    clock.now_ns += 4 * 10**9
    assert paints.stats().rate_hz == 0.0
