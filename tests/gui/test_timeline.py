"""The timeline: ring, cursor, playing by the clock."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack.acquisition.snapshot import Snapshot
from isactrack.detections import Detections
from isactrack.gui.models.timeline import Mode, Timeline
from isactrack.processing.spectra import RangeDopplerMap

MAP = RangeDopplerMap(np.ones((4, 8), np.float32), np.arange(4.0), np.arange(8.0))


def light(index: int, time_s: float | None = None) -> Snapshot:
    """Return a snapshot without anything in it, 0.1 s after the one before."""
    at = 0.1 * index if time_s is None else time_s
    return Snapshot(
        index=index, frame_counter=index, time_s=at, complete=True, spectrum=MAP, detections=Detections.empty(at),
        tracks=(),
    )  # fmt: skip


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def filled(n: int, capacity: int = 100, *, live: bool = True, clock: Callable[[], float] | None = None) -> Timeline:
    timeline = Timeline(capacity, live=live, clock=clock or Clock())
    for index in range(n):
        timeline.append(light(index))
    return timeline


def shown(timeline: Timeline) -> int:
    assert timeline.current is not None
    return timeline.current.index


def test_a_live_timeline_follows_and_a_frozen_one_stands_while_it_fills() -> None:
    timeline = filled(10)
    assert (timeline.mode, shown(timeline)) == (Mode.FOLLOWING, 9)
    timeline.toggle()
    for index in range(10, 30):
        timeline.append(light(index))
    assert (timeline.mode, shown(timeline), len(timeline)) == (Mode.FROZEN, 9, 30)
    assert timeline.behind_s == pytest.approx(2.0)
    timeline.toggle()
    assert (timeline.mode, shown(timeline)) == (Mode.FOLLOWING, 29)


def test_what_is_frozen_stays_shown_when_the_ring_has_let_it_go() -> None:
    timeline = filled(10, capacity=10)
    timeline.seek(2)
    for index in range(10, 40):
        timeline.append(light(index))
    assert (shown(timeline), timeline.position, timeline.dropped) == (2, 0, 30)
    assert [s.index for s in timeline.history(5)] == [2]
    timeline.step(1)
    assert shown(timeline) == 31


def test_the_ring_is_bounded_by_bytes_too() -> None:
    timeline = Timeline(1000, max_bytes=10 * MAP.power.nbytes, clock=Clock())
    for index in range(50):
        timeline.append(light(index))
    assert (len(timeline), timeline.dropped) == (10, 40)


@given(st.lists(st.integers(-70, 70), max_size=30), st.integers(1, 60), st.integers(2, 40))
def test_stepping_is_clamped_arithmetic(steps: list[int], n: int, capacity: int) -> None:
    timeline = filled(n, capacity)
    kept = min(n, capacity)
    expected = kept - 1
    for step in steps:
        timeline.step(step)
        expected = min(max(expected + step, 0), kept - 1)
        assert timeline.position == expected
        assert shown(timeline) == n - kept + expected
        assert [s.index for s in timeline.history(3)][-1] == shown(timeline)


def test_a_step_in_time_goes_one_second() -> None:
    timeline = filled(50)
    timeline.step_time(-1.0)
    assert shown(timeline) == 39
    timeline.step_time(-1.0)
    timeline.step_time(1.0)
    assert shown(timeline) == 39
    timeline.step_time(-100.0)
    assert shown(timeline) == 0


def test_a_file_plays_by_device_time_at_any_speed() -> None:
    clock = Clock()
    timeline = filled(50, live=False, clock=clock)
    assert (timeline.mode, shown(timeline)) == (Mode.PLAYING, 0)
    clock.now += 1.05
    timeline.advance()
    assert shown(timeline) == 10
    timeline.set_speed(4.0)
    clock.now += 0.5
    timeline.advance()
    assert shown(timeline) == 30
    timeline.pause()
    clock.now += 10.0
    timeline.advance()
    assert shown(timeline) == 30
    timeline.toggle()
    timeline.advance()
    assert shown(timeline) == 30  # the pause is not caught up with


def test_playing_waits_for_what_is_still_read_and_then_stops_at_the_end() -> None:
    clock = Clock()
    timeline = filled(3, live=False, clock=clock)
    clock.now += 60.0
    timeline.advance()
    assert (timeline.mode, shown(timeline)) == (Mode.PLAYING, 2)
    for index in range(3, 6):
        timeline.append(light(index))
    clock.now += 0.15
    timeline.advance()
    assert shown(timeline) == 3
    timeline.ended = True
    clock.now += 60.0
    timeline.advance()
    assert (timeline.mode, shown(timeline)) == (Mode.FROZEN, 5)
    timeline.play()
    assert shown(timeline) == 0


def test_a_loop_shows_the_last_one_for_its_time_and_begins_again() -> None:
    clock = Clock()
    timeline = filled(5, live=False, clock=clock)
    timeline.ended = timeline.loop = True
    clock.now += 0.45
    timeline.advance()
    assert shown(timeline) == 4
    clock.now += 0.06
    timeline.advance()
    assert (timeline.mode, shown(timeline)) == (Mode.PLAYING, 0)


def test_a_device_clock_that_begins_anew_is_not_rushed_through() -> None:
    clock = Clock()
    timeline = Timeline(100, live=False, clock=clock)
    for index in range(20):
        timeline.append(light(index, time_s=10.0 + 0.1 * index if index < 5 else 0.1 * (index - 5)))
    assert timeline.gaps == (5,)
    clock.now += 0.51
    timeline.advance()
    assert shown(timeline) == 5
    clock.now += 0.2
    timeline.advance()
    assert shown(timeline) == 7
    assert timeline.newest_time_s == pytest.approx(11.9)


def test_jumping_in_a_playing_file_plays_on_from_there() -> None:
    clock = Clock()
    timeline = filled(50, live=False, clock=clock)
    timeline.jump(20)
    clock.now += 0.31
    timeline.advance()
    assert (timeline.mode, shown(timeline)) == (Mode.PLAYING, 23)
    timeline.go_start()
    assert (timeline.mode, shown(timeline)) == (Mode.PLAYING, 0)
    timeline.go_end()
    assert (timeline.mode, shown(timeline)) == (Mode.FROZEN, 49)


def test_an_empty_timeline_takes_every_command() -> None:
    timeline = Timeline(5, clock=Clock())
    for work in (timeline.toggle, timeline.go_start, timeline.go_end, timeline.go_live, timeline.advance,
                 timeline.play, timeline.pause):  # fmt: skip
        work()
    timeline.step(3)
    timeline.step_time(1.0)
    assert (timeline.current, timeline.newest, timeline.history(4), timeline.behind_s) == (None, None, [], 0.0)
    with pytest.raises(ValueError, match="at least 2"):
        Timeline(1)
    with pytest.raises(ValueError, match="positive"):
        timeline.set_speed(0.0)


def test_a_snapshot_is_never_changed(make_snapshot: Callable[..., Snapshot]) -> None:
    timeline = Timeline(3, clock=Clock())
    first = make_snapshot(0)
    timeline.append(first)
    timeline.append(replace(first, index=1))
    assert timeline.history(2)[0] is first
