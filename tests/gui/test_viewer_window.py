"""The window, drawn without a screen."""

import gc
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.errors import DeviceError, DeviceTimeoutError, IsacError, RecordingError
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.field import FRAMED_HALF_WIDTH_RAD
from isactrack.gui.models.theme import DARK, LIGHT, Theme
from isactrack.gui.models.timeline import Mode
from isactrack.gui.qt.app import run_viewer
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.map_view import MapView
from isactrack.gui.qt.plan_view import PlanView
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.view_dock import FailurePage
from isactrack.recordings.superblock import SIGNATURE
from isactrack.source import Source
from tests.gui.conftest import snapshot as make_snapshot
from tests.gui.loops import spin, spin_until

if TYPE_CHECKING:
    from tests.gui.conftest import SyntheticFeed

MakeFeed = Callable[..., "SyntheticFeed"]
MakeWindow = Callable[..., MainWindow]
CloseWhen = Callable[[Callable[[MainWindow], bool]], None]


class PaintCounter(QObject):
    """Counts the paint events of a widget."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        self.count += event.type() is QEvent.Type.Paint
        return super().eventFilter(watched, event)


@pytest.fixture
def make_window(app: QApplication) -> Iterator[MakeWindow]:
    windows: list[MainWindow] = []

    def make(
        open_feed: Callable[[], Feed], theme: Theme = DARK, size: tuple[int, int] = (1100, 700), **options: Any
    ) -> MainWindow:
        apply_theme(app, theme)
        opening = Opening(open_feed, "sim://awr1642")
        window = MainWindow(opening, theme, **options)
        window.resize(*size)
        windows.append(window)
        opening.start()
        window.show()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    spin(10)


def map_of(window: MainWindow) -> MapView:
    view = window.views.docks["map"].view
    assert isinstance(view, MapView)
    return view


def plan_of(window: MainWindow) -> PlanView:
    view = window.views.docks["plan"].view
    assert isinstance(view, PlanView)
    return view


def shown(window: MainWindow) -> int:
    assert window.timeline.current is not None
    return window.timeline.current.index


def running(make_window: MakeWindow, feed: "SyntheticFeed", frames: int = 5, **options: Any) -> MainWindow:
    """Return a window that has shown some frames."""
    window = make_window(lambda: feed, **options)
    spin_until(lambda: len(window.timeline) >= frames)
    return window


def pixel(window: MainWindow, view: Any, x: float, y: float) -> QColor:
    """Return the colour at a point of a plot, in its own coordinates."""
    image = view.widget.grab().toImage()
    at: QPointF = view.plot.getViewBox().mapViewToScene(QPointF(x, y))
    colour: QColor = image.pixelColor(QPoint(round(at.x()), round(at.y())))
    return colour


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("size", [(1440, 820), (1100, 700)], ids=["large", "small"])
def test_the_window_fits_its_size_and_can_be_saved(
    make_window: MakeWindow, make_feed: MakeFeed, shots: Path, theme: Theme, size: tuple[int, int]
) -> None:
    window = running(make_window, make_feed(per_poll=3), 40, theme=theme, size=size)
    path = shots / f"viewer-{'light' if theme.light else 'dark'}-{size[0]}.png"
    window.save_snapshot(path)
    assert path.stat().st_size > 30_000
    assert (window.width(), window.height()) == size  # nothing forces the window larger
    corner = window.grab().toImage().pixelColor(2, 200)
    assert (corner.lightness() > 128) is theme.light
    for plot in (map_of(window).map.plot, plan_of(window).plot):
        assert plot.getViewBox().width() > 150


def test_the_window_measures_itself_from_the_last_packet_to_the_paint(
    make_window: MakeWindow, make_feed: MakeFeed, healthy: Health
) -> None:
    came: list[int] = []

    def made(index: int) -> Snapshot:
        came.append(time.monotonic_ns() - 40_000_000)  # its last packet came 40 ms ago
        return replace(make_snapshot(index), host_complete_ns=came[-1])

    window = running(make_window, make_feed(per_poll=2, make=made), 12)
    spin_until(lambda: window.paint_clock.stats().latency_p50_ms > 0.0)
    window.timer.stop()
    spin(20)  # what was drawn last is painted
    stats = window.paint_clock.stats()
    assert 40.0 < stats.latency_p50_ms < 40.0 + (time.monotonic_ns() - came[0]) / 1e6
    assert stats.latency_p50_ms <= stats.latency_p99_ms
    assert stats.skipped >= stats.painted > 2  # two came at a time, one of them is shown
    window._ticks = 0
    window.timeline.pause()
    for _ in range(5):
        window.tick()
        spin(5)
    frozen = window.paint_clock.stats()
    assert (frozen.painted, frozen.skipped) == (stats.painted, stats.skipped)  # a frozen display skips nothing
    assert window.health_panel.value("Last packet to paint").endswith(f" / {frozen.latency_p99_ms:.0f} ms")
    assert window.health_panel.worry_text == "" or "Last packet" in window.health_panel.worry_text
    assert window.feed is not None
    window.feed.state = replace(healthy, lost_share=0.2)  # type: ignore[attr-defined]
    window._ticks = 0
    window.tick()
    assert "Lost 20.00 %" in window.health_panel.worry_text


def test_axes_are_physical_and_labelled(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    range_doppler, plan = map_of(window).map.plot, plan_of(window).plot
    labels = {plot: [plot.getAxis(side).labelText for side in ("bottom", "left")] for plot in (range_doppler, plan)}
    assert labels[range_doppler] == ["Range (m)", "Radial velocity (m/s)"]
    assert labels[plan] == ["x, to the right (m)", "y, along boresight (m)"]
    assert map_of(window).map.colour_bar.getAxis("right").labelText == "Level over median (dB)"
    QTest.keyClick(window, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    spin(20)
    (left, right), (low, high) = range_doppler.viewRange()
    # Bins are centred on their values: the first reaches half a bin below 0 m.
    assert (left, right) == (pytest.approx(-0.047 / 2), pytest.approx(191.5 * 0.047))
    assert (low, high) == (pytest.approx(-32.5 * 0.11), pytest.approx(31.5 * 0.11))
    (left, right), (low, high) = plan.viewRange()
    assert left == pytest.approx(-right)
    assert right > 191 * 0.047 * np.sin(FRAMED_HALF_WIDTH_RAD)
    assert low < 0.0 < 191 * 0.047 < high
    box = plan.getViewBox()
    assert box.width() / (right - left) == pytest.approx(box.height() / (high - low), rel=0.01)


def test_a_target_is_bright_on_the_map_and_where_the_axes_say(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    window.timeline.pause()
    spin(50)
    bright = pixel(window, map_of(window).map, 30 * 0.047, 0.0)  # static clutter at 1.4 m
    mirrored = pixel(window, map_of(window).map, 161 * 0.047, 0.0)
    dark = pixel(window, map_of(window).map, 30 * 0.047, 2.9)
    assert bright.green() > 130 > 100 > max(dark.green(), mirrored.green())


def test_a_radio_is_shown_with_its_own_map_and_both_of_its_ends(
    make_window: MakeWindow, make_feed: MakeFeed, make_radio_snapshot: Callable[[int], Snapshot], shots: Path
) -> None:
    window = running(make_window, make_feed(make=make_radio_snapshot))
    window.timeline.pause()
    spin(50)
    window.save_snapshot(shots / "viewer-radio.png")
    snapshot = make_radio_snapshot(shown(window))
    x_m, y_m = snapshot.tx_position_m or (0.0, 0.0)
    shown_map = map_of(window).map.plot
    labels = [shown_map.getAxis(side).labelText for side in ("bottom", "left")]
    assert labels == ["Path by way of the target (m)", "Azimuth (°)"]
    (left, right), (low, high) = shown_map.viewRange()
    step = float(np.diff(snapshot.spectrum.path_axis_m[:2])[0])  # type: ignore[union-attr]
    assert left == pytest.approx(math.hypot(x_m, y_m) - step / 2.0)
    assert right == pytest.approx(8.0 + math.hypot(x_m, 8.0 - y_m) + 1.0)  # as far as 8 m ahead, and a little more
    assert (low, high) == (pytest.approx(-70.5), pytest.approx(70.5))
    assert snapshot.truth is not None
    x, y = snapshot.truth.position_m[2]
    path = math.hypot(x, y) + math.dist((x, y), (x_m, y_m))
    bright = pixel(window, map_of(window).map, path, math.degrees(math.atan2(x, y)) + 6.0)  # beside the marks
    assert bright.green() > pixel(window, map_of(window).map, path, -65.0).green() + 50
    white = plan_of(window).palette().text().color().name()
    assert [pixel(window, plan_of(window), *place).name() for place in ((0.0, 0.05), (x_m, y_m))] == [white, white]
    box = plan_of(window).plot.getViewBox()
    assert box.viewRect().contains(QPointF(x_m, y_m))


def test_a_confirmed_track_is_drawn_in_its_colour_with_its_id(
    make_window: MakeWindow, make_feed: MakeFeed, make_snapshot: Callable[..., Snapshot]
) -> None:
    window = running(make_window, make_feed())
    window.timeline.pause()
    spin(50)
    assert sorted(plan_of(window).label_texts) == ["4", "5", "6"]
    track = make_snapshot(shown(window)).tracks[0]
    colour = pixel(window, plan_of(window), *track.position_m)
    assert colour.name().lower() == "#f0e442"  # 4 of six colours on dark: yellow


def test_it_draws_frame_by_frame_and_freezing_stops_only_the_display(
    make_window: MakeWindow, make_feed: MakeFeed
) -> None:
    feed = make_feed()
    window = running(make_window, feed)
    first = shown(window)
    spin_until(lambda: shown(window) > first + 3)
    QTest.keyClick(window, Qt.Key.Key_Space)
    frozen, count = shown(window), len(window.timeline)
    picture = plan_of(window).widget.grab().toImage()
    spin_until(lambda: len(window.timeline) > count + 5)
    assert shown(window) == frozen
    assert plan_of(window).widget.grab().toImage() == picture
    assert "behind" in window.transport.live_button.text()
    QTest.keyClick(window, Qt.Key.Key_L)
    spin_until(lambda: shown(window) > frozen + 5)
    assert window.transport.live_button.text() == "live"


def test_paints_keep_up_with_the_timer(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    drawn: list[int] = []
    painted = PaintCounter()
    plan_of(window).widget.viewport().installEventFilter(painted)
    original = plan_of(window).show_snapshots

    def counted(history: Sequence[Snapshot]) -> None:
        drawn.append(history[-1].index)
        original(history)

    plan_of(window).show_snapshots = counted  # type: ignore[method-assign]
    began_s = time.monotonic()
    spin_until(lambda: painted.count >= 5)
    spin(200)
    assert drawn == sorted(set(drawn))  # never the same one twice
    assert len(drawn) <= (time.monotonic() - began_s) / 0.033 + 3


def test_keys(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed(60, per_poll=30, live=False), 60)
    QTest.keyClick(window, Qt.Key.Key_Home)
    QTest.keyClick(window, Qt.Key.Key_Space)
    start = shown(window)
    assert window.timeline.mode is Mode.FROZEN
    assert start < 3
    for key, modifier, expected in [
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, start + 1),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier, start + 21),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, start + 20),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, start),
        (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, 59),
    ]:
        QTest.keyClick(window, key, modifier)
        assert shown(window) == expected
    QTest.keyClick(window, Qt.Key.Key_I)
    assert plan_of(window).label_texts == []
    QTest.keyClick(window, Qt.Key.Key_I)
    assert len(plan_of(window).label_texts) == 3
    before = plan_of(window).widget.grab().toImage()
    QTest.keyClick(window, Qt.Key.Key_T)
    without_trails = plan_of(window).widget.grab().toImage()
    QTest.keyClick(window, Qt.Key.Key_G)
    without_grid = plan_of(window).widget.grab().toImage()
    assert before != without_trails != without_grid
    QTest.keyClick(window, Qt.Key.Key_H)
    assert not window.health_panel.isVisible()
    assert window.status_badge.isVisible()  # the source is never hidden


def test_levels_stay_until_a_is_pressed(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed(), 10)
    assert (map_of(window).map.levels.low_db, map_of(window).map.levels.high_db) == (0.0, 60.0)
    QTest.keyClick(window, Qt.Key.Key_A)
    fitted = map_of(window).map.levels
    assert (fitted.low_db, fitted.high_db) == (0.0, 40.0)
    spin(100)
    assert map_of(window).map.levels == fitted
    assert tuple(map_of(window).map.image.levels) == (0.0, 40.0)


def test_the_views_reach_as_far_as_something_is_seen(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    window.timeline.pause()
    near = plan_of(window).plot.viewRange()[1][1]
    QTest.keyClick(window, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
    spin(20)
    assert map_of(window).map.plot.viewRange()[0][1] == pytest.approx(191.5 * 0.047)
    assert plan_of(window).plot.viewRange()[1][1] > near
    QTest.keyClick(window, Qt.Key.Key_F)
    spin(20)
    assert map_of(window).map.plot.viewRange()[0][1] == pytest.approx(8.0)  # the third walks 7.2 m away at most
    assert plan_of(window).plot.viewRange()[1][1] == pytest.approx(near)


def test_the_plan_stays_where_the_user_moved_it(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    box = plan_of(window).plot.getViewBox()
    whole = float(np.ptp(plan_of(window).plot.viewRange()[0]))
    box.scaleBy((0.5, 0.5))
    box.sigRangeChangedManually.emit([True, True])
    window.resize(1300, 760)
    spin(60)
    assert np.ptp(plan_of(window).plot.viewRange()[0]) < 0.8 * whole
    QTest.keyClick(window, Qt.Key.Key_F)
    spin(20)
    assert np.ptp(plan_of(window).plot.viewRange()[0]) > 0.95 * whole


def test_the_slider_seeks(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed(100, per_poll=50, live=False), 100)
    window.timeline.pause()
    spin(50)
    slider = window.transport.slider
    assert (slider.minimum(), slider.maximum()) == (0, 4950)  # milliseconds
    QTest.mouseClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 2, slider.height() // 2))
    assert 45 <= shown(window) <= 55
    assert window.timeline.mode is Mode.FROZEN
    slider.setValue(360)
    assert shown(window) == 7
    assert window.transport.frame_label.text() == "frame 1007"
    assert window.transport.time_label.text().endswith(" / 5.0 s")


def test_a_file_plays_at_the_chosen_speed_and_loops(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed(20, per_poll=20, live=False), 20)
    assert window.transport.speed_box.isVisible()
    assert not window.transport.live_button.isVisible()
    window.transport.speed_box.setCurrentText("8x")
    assert window.timeline.speed == 8.0
    spin_until(lambda: window.timeline.mode is Mode.FROZEN)
    assert shown(window) == 19
    window.transport.loop_button.click()
    QTest.mouseClick(window.transport.play_button, Qt.MouseButton.LeftButton)
    spin_until(lambda: shown(window) > 15)
    spin_until(lambda: shown(window) < 5)
    assert window.timeline.mode is Mode.PLAYING


def test_the_health_panel_shows_source_values_and_alarm(
    make_window: MakeWindow, make_feed: MakeFeed, healthy: Health
) -> None:
    feed = make_feed(health=replace(healthy, source=Source.REPLAY))
    window = running(make_window, feed)
    assert window.health_panel.badge.text() == window.status_badge.text() == "REPLAY OF SIMULATED"
    assert window.health_panel.value("Lost") == "0.00 %"
    feed.state = replace(feed.state, lost_share=0.05)
    spin_until(lambda: window.health_panel.value("Lost") == "5.00 %")
    assert DARK.bad in window.health_panel._values["Lost"].styleSheet()
    assert "crossing-run-003.h5" in window.health_panel.value("File")


def test_an_opening_that_fails_explains_itself(make_window: MakeWindow, app: QApplication, shots: Path) -> None:
    def open_feed() -> Feed:
        raise DeviceTimeoutError("no answer from /dev/ttyACM0", "check the SOP jumpers")

    window = make_window(open_feed)
    assert window.empty.title.text() == "Connecting …"
    spin_until(lambda: window.error is not None)
    spin(50)
    assert window.stack.currentWidget() is window.empty
    assert "no answer from /dev/ttyACM0" in window.empty.text.text()
    assert window.empty.error_box._hint.text() == "check the SOP jumpers"
    assert window.empty.error_box.isVisible()
    window.empty.error_box.copy_button.click()
    assert "DeviceTimeoutError: no answer" in app.clipboard().text()
    window.save_snapshot(shots / "viewer-error.png")


def test_an_error_during_the_session_leaves_the_last_picture(
    make_window: MakeWindow, make_feed: MakeFeed, healthy: Health
) -> None:
    feed = make_feed(10)
    window = running(make_window, feed, 10)
    feed.state = replace(healthy, running=False, error=DeviceTimeoutError("it fell silent", "check the cable"))
    spin_until(lambda: window.error is not None)
    assert window.stack.currentWidget() is window.views
    assert window.health_panel.error_box.isVisible()
    assert window.health_panel.error_box._hint.text() == "check the cable"


def test_a_started_session_without_frames_says_so(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = make_window(lambda: make_feed(per_poll=0))
    spin_until(lambda: window.empty.title.text() == "No frames yet")
    assert "has sent nothing for 64 s" in window.empty.text.text()


def test_a_view_that_fails_does_not_stop_the_others(
    make_window: MakeWindow, make_feed: MakeFeed, caplog: pytest.LogCaptureFixture
) -> None:
    window = running(make_window, make_feed())
    drawn = []

    def fail(history: Sequence[Snapshot]) -> None:
        raise ZeroDivisionError(f"a slip in {history[-1].index}")

    map_of(window).show_snapshots = fail  # type: ignore[method-assign]
    original = plan_of(window).show_snapshots

    def counted(history: Sequence[Snapshot]) -> None:
        drawn.append(history[-1].index)
        original(history)

    plan_of(window).show_snapshots = counted  # type: ignore[method-assign]
    spin_until(lambda: len(drawn) > 3)
    assert caplog.text.count("the view 'map' failed") == 1  # said once, not 30 times a second
    assert "Traceback" in caplog.text
    assert window.error is None  # the session is well
    assert window.fault is not None
    dock = window.views.docks["map"]
    page = dock.widget()
    assert isinstance(page, FailurePage)
    assert "a slip" in page.text.text()
    (toast,) = window.toasts.shown
    assert "Map" in toast.what
    assert "a slip" in toast.cause
    assert "Ctrl+R" in toast.next_step
    page.retry_button.click()
    spin_until(lambda: dock.is_ready)
    assert window.fault is None
    assert map_of(window).map.image.image is not None


def test_help_covers_the_window_and_any_key_closes_it(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    QTest.keyClick(window, Qt.Key.Key_F1)
    assert window.overlay.isVisible()
    assert window.overlay.size() == window.size()
    window.resize(1200, 760)
    spin(20)
    assert window.overlay.size() == window.size()
    QTest.keyClick(window.overlay, Qt.Key.Key_Escape)
    assert not window.overlay.isVisible()


def test_the_pointer_reads_out_coordinates(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = running(make_window, make_feed())
    box = plan_of(window).plot.getViewBox()
    plan_of(window).widget.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(1.0, 2.0)))
    assert window._pointer.text().startswith("x +1.00 m   y 2.00 m")
    box = map_of(window).map.plot.getViewBox()
    map_of(window).map.widget.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(1.41, 0.0)))
    assert window._pointer.text().startswith("range 1.41 m   velocity +0.00 m/s")


def test_closing_stops_clock_feed_and_threads(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    before = threading.active_count()
    feed = make_feed()
    window = running(make_window, feed)
    window.close()
    assert feed.closed == 1
    assert not window.timer.isActive()
    given = feed.given
    spin(120)
    assert feed.given == given
    assert threading.active_count() == before
    window.close()
    assert feed.closed == 1


@pytest.mark.parametrize("updates", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_nothing_grows(make_window: MakeWindow, make_feed: MakeFeed, updates: int) -> None:
    """Scene items and memory stay the same; the ring is full long before the count starts."""
    window = make_window(lambda: make_feed(), capacity=50)
    window.timer.stop()
    spin(50)
    for _ in range(80):
        window.tick()
    spin(20)

    def items() -> int:
        return len(plan_of(window).widget.scene().items()) + len(map_of(window).map.widget.scene().items())

    gc.collect()
    count, size = items(), _resident_bytes()
    for k in range(updates):
        window.tick()
        if k % 50 == 0:
            spin(1)
    gc.collect()
    assert items() == count
    assert _resident_bytes() - size < 25e6
    assert len(window.timeline) == 50


def _resident_bytes() -> int:
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        pytest.skip("memory is read from /proc")
    return int(statm.read_text().split()[1]) * 4096


def test_run_viewer_saves_a_screenshot_and_returns(app: QApplication, make_feed: MakeFeed, tmp_path: Path) -> None:
    feed = make_feed()
    path = tmp_path / "shot.png"
    path.write_bytes(b"an older one")
    run_viewer(lambda: feed, "sim://x", screenshot=path, screenshot_after_s=0.4)
    assert QImage(str(path)).width() == 1440
    assert feed.closed == 1
    assert list(tmp_path.iterdir()) == [path]


def no_answer() -> Feed:
    time.sleep(0.5)
    raise DeviceTimeoutError("no answer", "plug it in")


@pytest.mark.parametrize("after_s", [0.05, 60.0], ids=["due before the error", "due long after it"])
def test_an_error_ends_the_wait_for_a_screenshot(app: QApplication, tmp_path: Path, after_s: float) -> None:
    began_s = time.monotonic()
    with pytest.raises(DeviceTimeoutError, match="no answer") as caught:
        run_viewer(no_answer, "x://", light=True, screenshot=tmp_path / "e.png", screenshot_after_s=after_s)
    assert caught.value.hint == "plug it in"
    assert time.monotonic() - began_s < 50.0  # it took 0.5 s and a window to make; the picture was due at 60 s at most
    assert not list(tmp_path.iterdir())


def test_an_error_during_the_session_ends_the_wait_for_a_screenshot(
    app: QApplication, make_feed: MakeFeed, healthy: Health, tmp_path: Path
) -> None:
    feed = make_feed(5, health=replace(healthy, running=False, error=DeviceTimeoutError("it fell silent")))
    with pytest.raises(DeviceTimeoutError, match="silent"):
        run_viewer(lambda: feed, "x://", screenshot=tmp_path / "e.png", screenshot_after_s=60.0)
    assert feed.closed == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_screenshot_waits_for_the_first_frame_but_not_for_ever(
    app: QApplication, make_feed: MakeFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> Feed:
        time.sleep(0.6)
        return make_feed()

    run_viewer(slow, "x://", screenshot=tmp_path / "late.png", screenshot_after_s=0.05)
    assert QImage(str(tmp_path / "late.png")).width() == 1440
    monkeypatch.setattr("isactrack.gui.qt.app._LATE_S", 0.3)
    with pytest.raises(DeviceTimeoutError, match="no frame"):
        run_viewer(lambda: make_feed(per_poll=0), "x://", screenshot=tmp_path / "never.png", screenshot_after_s=0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["late.png"]


def test_a_screenshot_that_cannot_be_written_is_refused_before_anything_is_opened(
    app: QApplication, tmp_path: Path
) -> None:
    def open_feed() -> Feed:
        pytest.fail("it was opened")

    with pytest.raises(RecordingError, match="no folder"):
        run_viewer(open_feed, "x://", screenshot=tmp_path / "no" / "e.png")


def test_a_picture_that_qt_cannot_make_is_an_error(
    app: QApplication, make_feed: MakeFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MainWindow, "grab", lambda _window: QPixmap())
    with pytest.raises(RecordingError, match="PNG"):
        run_viewer(make_feed, "x://", screenshot=tmp_path / "e.png", screenshot_after_s=0.05)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def close_when(app: QApplication) -> Iterator[CloseWhen]:
    """Close the window, as its user would, as soon as something is so."""
    timer = QTimer()

    def close_when(condition: Callable[[MainWindow], bool]) -> None:
        def look() -> None:
            for window in app.topLevelWidgets():
                if isinstance(window, MainWindow) and window.isVisible() and condition(window):
                    window.close()

        timer.timeout.connect(look)
        timer.start(20)

    yield close_when
    timer.stop()


def test_closing_the_window_before_the_screenshot_is_an_error(
    close_when: CloseWhen, make_feed: MakeFeed, tmp_path: Path
) -> None:
    close_when(lambda window: window.shows_frame)
    with pytest.raises(RecordingError, match="was closed before the picture"):
        run_viewer(make_feed, "x://", screenshot=tmp_path / "e.png", screenshot_after_s=60.0)


def test_an_error_stays_in_the_window_until_that_is_closed(close_when: CloseWhen) -> None:
    looks: list[bool] = []

    def seen_for_a_while(window: MainWindow) -> bool:
        looks.extend([True] if window.empty.error_box.isVisible() else [])
        return len(looks) > 10

    close_when(seen_for_a_while)
    with pytest.raises(DeviceTimeoutError, match="no answer"):
        run_viewer(no_answer, "x://")
    assert len(looks) > 10


def test_an_error_that_comes_with_the_closing_is_told(
    close_when: CloseWhen, make_feed: MakeFeed, healthy: Health
) -> None:
    feed = make_feed()

    def close() -> None:
        feed.state = replace(healthy, running=False, error=RecordingError("the disk is full"))

    feed.close = close  # type: ignore[method-assign]
    close_when(lambda window: window.shows_frame)
    with pytest.raises(RecordingError, match="disk is full"):
        run_viewer(lambda: feed, "x://")


@pytest.mark.parametrize(
    ("source", "kind", "code"), [(Source.REPLAY, RecordingError, 5), (Source.SIMULATED, DeviceError, 3)]
)
def test_a_source_that_ends_without_a_frame_is_an_error(
    make_window: MakeWindow, make_feed: MakeFeed, healthy: Health, source: Source, kind: type[IsacError], code: int
) -> None:
    window = make_window(lambda: make_feed(0, live=False, health=replace(healthy, source=source)))
    spin_until(lambda: window.error is not None)
    assert isinstance(window.error, kind)
    assert window.error.exit_code == code
    assert "without a single frame" in str(window.error)
    spin_until(lambda: "without a single frame" in window.empty.text.text())


def test_the_status_line_keeps_the_note_of_the_feed(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    feed = make_feed()
    feed.note = "recovered: not closed"
    window = running(make_window, feed)
    assert window._status.text().endswith("recovered: not closed")
    assert "detections" in window._status.text()


def test_a_snapshot_that_cannot_be_saved_says_why(make_window: MakeWindow, make_feed: MakeFeed, tmp_path: Path) -> None:
    window = running(make_window, make_feed())
    recording = tmp_path / "walk.png"
    recording.write_bytes(SIGNATURE + bytes(100))
    window.save_snapshot(recording)
    assert "is a recording" in window._pointer.text()
    assert recording.read_bytes() == SIGNATURE + bytes(100)
    window.save_snapshot(tmp_path / "no" / "e.png")
    assert "there is no folder" in window._pointer.text()
    window.save_snapshot(tmp_path / "e.png")
    assert window._pointer.text() == f"saved {tmp_path / 'e.png'}"
