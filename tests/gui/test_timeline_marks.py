"""Markers, events and gaps on the line of time: where they are, what they say, and how they are gone to."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QImage
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QToolTip

from isactrack.acquisition.snapshot import Snapshot
from isactrack.events import Event, EventKind
from isactrack.gui.models import timeline_marks
from isactrack.gui.models.gaps import Gap, run_start
from isactrack.gui.models.theme import DARK, LIGHT
from isactrack.gui.models.timeline import Mode, Timeline
from isactrack.gui.models.timeline_marks import CELL_PX, RANKS, Mark, tip_of
from isactrack.gui.models.transport import transport_state
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.seek_bar import SeekBar
from tests.gui.loops import spin, spin_until
from tests.gui.test_timeline import Clock, light

START_NS = 1_000_000_000_000


def frame(index: int, *, device_s: float | None = None, host_s: float | None = None) -> Snapshot:
    """Return a snapshot that came 0.1 s after the one before, on the host's clock too."""
    at = 0.1 * index if host_s is None else host_s
    return replace(light(index, device_s), host_monotonic_ns=START_NS + round(at * 1e9))


def event(at_s: float, kind: EventKind = EventKind.MARKER, text: str = "here") -> Event:
    """Return an event of a time after the first snapshot."""
    at = START_NS + round(at_s * 1e9)
    return Event(host_monotonic_ns=at, host_utc_ns=at, kind=kind, text=text)


def filled(n: int = 101, capacity: int = 1000, *, live: bool = True, events: Sequence[Event] = ()) -> Timeline:
    timeline = Timeline(capacity, live=live, clock=Clock())
    timeline.take_events(events)
    for index in range(n):
        timeline.append(frame(index))
    timeline.pause()
    return timeline


def reconnected() -> Timeline:
    """Return 2 s of a run, 3 s in which the device was away, and 2 s of the next run."""
    timeline = filled(21)
    timeline.interrupt()
    for index in range(21):
        timeline.append(frame(index, host_s=5.0 + 0.1 * index))
    return timeline


# --- where a moment is -----------------------------------------------------------------------------------------------


def test_a_moment_of_the_host_is_gone_to_although_the_device_counted_its_time_twice() -> None:
    timeline = reconnected()
    for host_s, place in ((0.52, 5), (5.52, 26), (3.0, 20), (4.0, 21), (-9.0, 0), (99.0, 41)):
        timeline.seek_host_ns(START_NS + round(host_s * 1e9))
        assert (timeline.position, timeline.mode) == (place, Mode.FROZEN)
    assert timeline.newest_time_s == pytest.approx(7.0)  # device time went on through the gap, on the host's clock
    assert timeline.zero_host_ns == pytest.approx(START_NS, abs=1000)
    timeline.jump_time(5.5)
    assert timeline.position == 26


def test_snapshots_that_do_not_know_the_hosts_clock_are_not_moved_in() -> None:
    timeline = Timeline(100, clock=Clock())
    timeline.take_events([event(0.5)])
    for index in range(20):
        timeline.append(light(index))
    timeline.seek(7)
    timeline.seek_host_ns(START_NS)
    assert (timeline.position, timeline.zero_host_ns) == (7, None)
    assert timeline.bar(500).markers == ()
    assert timeline.go_marker(1) is None


# --- gaps ------------------------------------------------------------------------------------------------------------


def test_gaps_are_where_the_device_was_away_and_where_frames_are_missing() -> None:
    timeline = Timeline(1000, clock=Clock())
    for index in range(60):
        if index not in (30, 31, 32, 33):
            timeline.append(frame(index))
    timeline.interrupt()
    timeline.append(frame(0, host_s=9.0))
    missing, away = timeline.gap_spans
    assert (missing.start_s, missing.stop_s) == pytest.approx((2.9, 3.4)) and not missing.away
    assert (away.start_s, away.stop_s) == pytest.approx((5.9, 9.0)) and away.away
    assert "away for 3.1 s" in away.text
    assert "no frames for 0.5 s" in missing.text


def test_time_between_frames_that_varies_is_no_gap_and_neither_is_a_slow_start() -> None:
    timeline = Timeline(1000, clock=Clock())
    at = 0.0
    for index in range(100):
        at += 1.0 if index == 2 else 0.1 if index % 3 else 0.13
        timeline.append(frame(index, device_s=at, host_s=at))
    assert timeline.gap_spans == ()


def test_gaps_go_with_the_snapshots_before_them_and_are_bounded() -> None:
    timeline = Timeline(50, clock=Clock())
    for run in range(30):
        timeline.interrupt()
        for index in range(10):
            timeline.append(frame(index, host_s=100.0 * run + 0.1 * index))
    assert len(timeline.gap_spans) == len(timeline.gaps) == 4
    assert all(timeline.oldest_time_s <= gap.start_s for gap in timeline.gap_spans)
    assert timeline.bar(400).gaps[-1][1] <= 400


def test_gaps_that_touch_on_the_screen_are_one() -> None:
    gaps = [Gap(1.0, 1.2, False), Gap(1.3, 1.5, True), Gap(5.0, 7.0, False), Gap(9.9, 10.0, False)]
    drawn = timeline_marks.bar_picture(timeline_marks.TimelineMarks(), gaps, 0.0, 10.0, 20)
    assert drawn.gaps == ((2, 4, True), (10, 14, False), (19, 20, False))


def test_history_through_gaps_has_times_that_only_grow_and_says_where_the_run_begins() -> None:
    timeline = reconnected()
    timeline.go_end()
    through = timeline.history(50, through_gaps=True)
    times = [snapshot.time_s for snapshot in through]
    assert len(through) == 42 and times == sorted(times)
    assert run_start(through) == 21
    assert len(timeline.history(50)) == 21
    assert run_start(timeline.history(50)) == 0


# --- marks -----------------------------------------------------------------------------------------------------------


def test_marks_lie_where_they_happened_also_while_the_device_was_away() -> None:
    timeline = reconnected()
    timeline.take_events([event(1.0), event(3.5, EventKind.LINK, "lost"), event(6.0)])
    drawn = timeline.bar(700)
    assert drawn.markers == ((100, EventKind.MARKER), (600, EventKind.MARKER))
    assert drawn.others == ((350, EventKind.LINK),)
    assert drawn.gaps == ((200, 500, True),)


def test_a_mark_waits_until_something_has_come_after_it() -> None:
    timeline = filled(11)
    timeline.take_events([event(1.05)])
    assert timeline.bar(100).markers == ()
    version = timeline.bar_version
    timeline.append(frame(11))
    assert timeline.bar(110).markers == ((105, EventKind.MARKER),)
    assert timeline.bar_version != version


def test_marks_about_the_ends_are_put_there_and_what_is_far_off_is_nowhere() -> None:
    timeline = filled(101, live=False, events=[event(-0.4), event(-50.0), event(10.4), event(99.0)])
    assert timeline.bar(100).markers == ((0, EventKind.MARKER),)
    timeline.ended = True  # nothing more comes that could show where the others belong
    assert timeline.bar(100).markers == ((0, EventKind.MARKER), (100, EventKind.MARKER))


def test_the_note_of_a_marker_goes_to_its_marker() -> None:
    timeline = filled(101, events=[event(2.0, text="marker 1"), event(4.0, text="marker 2")])
    timeline.take_events([event(6.5, text="marker 1: two people enter"), event(7.0, text="door: open")])
    assert [x for x, _ in timeline.bar(100).markers] == [20, 40, 70]
    marks, _ = timeline.near(2.0, 0.1)
    assert tip_of(marks, None) == "2.0 s   marker 1: two people enter"


def test_where_marks_share_a_place_the_one_that_matters_most_is_there() -> None:
    kinds = [EventKind.SESSION, EventKind.RADAR, EventKind.CARD, EventKind.LINK]
    timeline = filled(101, events=[event(5.0 + 0.001 * k, kind) for k, kind in enumerate(kinds)])
    assert timeline.bar(CELL_PX * 100).others == ((400, EventKind.LINK),)
    marks, _ = timeline.near(5.0, 0.1)
    assert len(marks) == 4  # the tool-tip has all
    assert set(RANKS) == set(EventKind)


def test_marks_are_bounded_and_a_device_that_talks_pushes_no_marker_out() -> None:
    timeline = filled(11, events=[event(0.5, text="kept")])
    timeline.take_events([event(0.6, EventKind.RADAR, f"line {k}") for k in range(5000)])
    assert timeline.bar(100).markers == ((50, EventKind.MARKER),)
    assert timeline.bar(100).others == ((60, EventKind.RADAR),)
    timeline.take_events([event(1e6, EventKind.RADAR, "never placed") for _ in range(5000)])
    timeline.append(frame(11))
    assert timeline.bar(110).markers == ((50, EventKind.MARKER),)
    assert len(timeline._marks) <= timeline_marks.MARKERS + timeline_marks.OTHERS


def test_marks_go_with_the_snapshots_around_them() -> None:
    timeline = Timeline(50, clock=Clock())
    timeline.take_events([event(1.0, text="old"), event(7.0, text="new")])
    for index in range(101):
        timeline.append(frame(index))
    timeline.bar(100)
    assert [mark.text for mark in timeline._marks.markers] == ["new"]


def test_the_markers_before_and_after_the_cursor_are_gone_to() -> None:
    timeline = filled(101, events=[event(2.0, text="a"), event(4.04, text="b"), event(8.0, text="c")])
    timeline.seek(50)

    def went(direction: int) -> str | None:
        mark = timeline.go_marker(direction)
        return None if mark is None else mark.text

    assert [went(-1), went(-1), went(-1)] == ["b", "a", None]
    assert timeline.position == 20
    assert [went(1), went(1), went(1)] == ["b", "c", None]
    assert (timeline.position, timeline.mode) == (80, Mode.FROZEN)


def test_in_a_file_that_plays_the_marker_before_is_not_always_the_same_one() -> None:
    timeline = filled(101, live=False, events=[event(2.0, text="a"), event(4.0, text="b")])
    timeline.jump(43)
    timeline.play()
    mark = timeline.go_marker(-1)
    assert mark is not None and mark.text == "a"  # b was a moment ago
    assert timeline.mode is Mode.PLAYING


def test_the_tip_names_kinds_markers_first_and_does_not_grow_without_end() -> None:
    marks = [Mark(0, EventKind.LINK, f"lost {k}", 1.0 + 0.01 * k) for k in range(20)]
    lines = tip_of(marks, Gap(1.0, 2.5, True)).splitlines()
    assert lines[0] == "1.0 s   link: lost 0"
    assert lines[-2] == "and 14 more: the view Events has all"
    assert lines[-1] == "1.0 s   the device was away for 1.5 s"
    timeline = filled(101, events=[event(5.0, EventKind.CARD, "full"), event(5.05, text="mine")])
    assert [mark.text for mark in timeline.near(5.0, 0.2)[0]] == ["mine", "full"]


def test_the_picture_of_a_busy_line_is_made_in_a_moment() -> None:
    timeline = Timeline(6000, clock=Clock())
    kinds = list(EventKind)
    timeline.take_events([event(0.05 * k, kinds[k % 7], f"event {k}") for k in range(12000)])
    for index in range(6000):
        timeline.append(frame(index if index % 50 else index + 20))
    timeline.bar(1000)
    took = []
    for index in range(6000, 6030):
        timeline.append(frame(index))
        began = time.process_time()
        timeline.bar(1000)
        took.append(time.process_time() - began)
    assert min(took) < 10e-3  # 0.5 ms; 60 ms if all events were looked at again


# --- the bar ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def bar(app: QApplication) -> Iterator[SeekBar]:
    bar = SeekBar(DARK)
    bar.resize(732, 34)
    bar.show()
    yield bar
    bar.close()
    bar.deleteLater()


def image(bar: SeekBar) -> QImage:
    return bar.grab().toImage()


def column(picture: QImage, x: int, rows: range) -> list[str]:
    return [picture.pixelColor(x, y).name() for y in rows]


def test_the_bar_draws_marks_gaps_and_that_older_frames_are_gone(bar: SeekBar) -> None:
    timeline = reconnected()
    timeline.seek(0)
    bar.show_state(transport_state(timeline))
    plain = image(bar)
    timeline.take_events([event(1.0), event(6.0, EventKind.CARD, "full")])
    timeline.bar(700)
    bar.show_state(transport_state(timeline))
    drawn = image(bar)
    x = bar.x_at(1.0)
    assert x == 116
    assert DARK.accent in column(drawn, x, range(10)) and DARK.accent not in column(plain, x, range(10))
    assert DARK.warn in column(drawn, bar.x_at(6.0), range(24, 34))
    away = {name for x in range(bar.x_at(2.5), bar.x_at(4.5)) for name in column(drawn, x, range(13, 21))}
    assert {DARK.warn, DARK.panel} <= away  # hatched: both are seen
    assert DARK.text not in column(drawn, 7, range(34))
    small = filled(101, capacity=50)
    small.seek(30)
    bar.show_state(transport_state(small))
    assert DARK.text in column(image(bar), 7, range(34))
    assert bar.tip_at(QPoint(7, 17)) == "51 older frames are no longer kept in memory"


def test_kinds_have_shapes_of_their_own(bar: SeekBar) -> None:
    def drawn(events: list[Event]) -> QImage:
        timeline = filled(101, events=events)
        timeline.seek(0)
        bar.show_state(transport_state(timeline))
        return image(bar)

    plain = drawn([])

    def ink(kind: EventKind) -> frozenset[tuple[int, int]]:
        picture, x = drawn([event(5.0, kind)]), bar.x_at(5.0)
        return frozenset(
            (dx, y)
            for dx in range(-6, 7)
            for y in range(34)
            if picture.pixelColor(x + dx, y) != plain.pixelColor(x + dx, y)
        )

    shapes = {kind: ink(kind) for kind in EventKind}
    assert all(shapes.values())
    assert shapes[EventKind.RADIO] == shapes[EventKind.RADAR]  # what the sensor says; there is never more than one
    assert len(set(shapes.values())) == len(EventKind) - 1


def test_a_click_goes_to_a_mark_or_to_a_time(bar: SeekBar) -> None:
    timeline = filled(101, events=[event(5.0), event(8.0, EventKind.LINK, "lost")])
    bar.show_state(transport_state(timeline))
    asked = QSignalSpy(bar.asked)

    def click(x: int, y: int) -> float:
        QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
        return float(asked.at(asked.count() - 1)[0])

    assert click(bar.x_at(5.0) + 4, 4) == pytest.approx(5.0)
    assert click(bar.x_at(8.0) - 3, 30) == pytest.approx(8.0)
    assert click(bar.x_at(5.0) + 4, 17) == pytest.approx(5.0571, abs=1e-3)  # on the line it is the time itself
    assert click(bar.x_at(8.0) - 3, 4) == pytest.approx(7.957, abs=1e-3)  # above it there is none of the others
    assert not bar.isSliderDown()
    count = asked.count()
    QTest.mouseClick(bar, Qt.MouseButton.RightButton, pos=QPoint(50, 17))
    assert asked.count() == count


def test_the_handle_stays_with_the_user_who_holds_it(bar: SeekBar) -> None:
    timeline = filled(101)
    timeline.seek(100)
    bar.show_state(transport_state(timeline))
    asked = QSignalSpy(bar.asked)
    QTest.mousePress(bar, Qt.MouseButton.LeftButton, pos=QPoint(bar.x_at(3.0), 17))
    bar.show_state(transport_state(timeline))
    assert bar.value() == 3000
    QTest.mouseMove(bar, QPoint(bar.x_at(6.0), 40))
    assert asked.at(asked.count() - 1)[0] == pytest.approx(6.0)
    QTest.mouseRelease(bar, Qt.MouseButton.LeftButton, pos=QPoint(bar.x_at(6.0), 40))
    bar.show_state(transport_state(timeline))
    assert bar.value() == 10_000


def test_the_tip_is_of_what_is_under_the_pointer(bar: SeekBar) -> None:
    timeline = filled(101, events=[event(5.0, text="the door")])
    bar.show_state(transport_state(timeline))
    assert bar.tip_at(QPoint(bar.x_at(5.0) + 3, 4)) == "5.0 s   the door"
    assert bar.tip_at(QPoint(bar.x_at(7.0), 4)) == ""
    at = QPoint(bar.x_at(5.0), 4)
    QApplication.sendEvent(bar, QHelpEvent(QEvent.Type.ToolTip, at, bar.mapToGlobal(at)))
    assert QToolTip.text() == "5.0 s   the door"
    QToolTip.hideText()


def test_nothing_is_painted_or_made_again_while_nothing_changes(bar: SeekBar) -> None:
    timeline = filled(101, events=[event(5.0)])
    timeline.bar(10)
    state = transport_state(timeline)
    bar.show_state(state)
    image(bar)
    made = bar.picture
    assert transport_state(timeline) == state
    bar.show_state(transport_state(timeline))
    assert bar.picture is made
    timeline.take_events([event(6.0)])
    bar.show_state(transport_state(timeline))
    assert bar.picture is not made


def test_other_colours_keep_what_is_shown(bar: SeekBar) -> None:
    timeline = filled(101, events=[event(5.0)])
    bar.show_state(transport_state(timeline))
    value = bar.value()
    bar.set_theme(LIGHT)
    assert bar.value() == value
    assert LIGHT.accent in column(image(bar), bar.x_at(5.0), range(10))


def test_keys_and_clicks_reach_the_window(app: QApplication, make_feed: Callable[..., object]) -> None:
    from isactrack.gui.models.feed import Opening
    from tests.gui.conftest import snapshot

    def placed(index: int) -> Snapshot:
        return replace(snapshot(index), host_monotonic_ns=START_NS + 50_000_000 * index)

    feed = make_feed(100, per_poll=50, live=False, make=placed)
    told = [event(1.0, text="one"), event(3.0, text="two")]
    feed.take_events = lambda: [told.pop()] if told else []  # type: ignore[attr-defined]
    opening = Opening(lambda: feed, "walk.h5")  # type: ignore[arg-type, return-value]
    window = MainWindow(opening)
    try:
        window.resize(1280, 720)
        opening.start()
        window.show()
        spin_until(lambda: len(window.timeline) == 100 and not told)
        window.timeline.seek(50)
        QTest.keyClick(window, Qt.Key.Key_Comma)
        assert window.timeline.current_time_s == pytest.approx(1.0)
        QTest.keyClick(window, Qt.Key.Key_Period)
        assert window.timeline.current_time_s == pytest.approx(3.0)
        slider = window.transport.slider
        QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.x_at(1.0), 4))
        assert window.timeline.current_time_s == pytest.approx(1.0)
        window.views.docks["events"].seek_requested.emit(START_NS + 2_000_000_000)
        assert window.timeline.current_time_s == pytest.approx(2.0)
    finally:
        window.close()
        window.deleteLater()
        spin(10)
