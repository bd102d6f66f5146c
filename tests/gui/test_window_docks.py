"""The window around its views: docks, faults that stay in their view, layouts, messages, themes and keys."""

import json
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QApplication, QComboBox, QInputDialog, QLabel, QWidget

from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.cli.main import run
from isactrack.errors import DeviceTimeoutError, IsacError
from isactrack.gui.models.feed import Opening
from isactrack.gui.models.layouts import BUILT_IN, LayoutStore, SavedLayout
from isactrack.gui.models.theme import DARK, LIGHT, Theme
from isactrack.gui.models.timeline import Timeline
from isactrack.gui.models.ui_settings import SettingsStore, UiSettings
from isactrack.gui.models.views import VIEWS, Place, ViewEntry
from isactrack.gui.qt.app import _reported_by, run_viewer
from isactrack.gui.qt.docks import DockArea
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.map_view import MapView
from isactrack.gui.qt.plan_view import PlanView
from isactrack.gui.qt.view import View
from isactrack.gui.qt.view_dock import FailurePage, Look
from tests.gui.loops import spin, spin_until

if TYPE_CHECKING:
    from tests.gui.conftest import SyntheticFeed

MakeFeed = Callable[..., "SyntheticFeed"]
MakeWindow = Callable[..., MainWindow]
REACH = (8.0, 9.0)
CAPTURE = {view.name for view in VIEWS if BUILT_IN[0].shows(view)}


@pytest.fixture
def make_window(app: QApplication, make_feed: MakeFeed) -> Iterator[MakeWindow]:
    """Make windows that have drawn something and stand still."""
    windows: list[MainWindow] = []

    def make(
        feed: "SyntheticFeed | None" = None, size: tuple[int, int] | None = (1280, 720), **options: Any
    ) -> MainWindow:
        shown = feed or make_feed(30, per_poll=30, live=False)
        opening = Opening(lambda: shown, "sim://awr1642")
        window = MainWindow(opening, **options)
        if size is not None:
            window.resize(*size)
        windows.append(window)
        opening.start()
        window.show()
        spin_until(lambda: window.shows_frame and window.status_badge.isVisible())
        spin(40)  # the health panel has taken its room
        window.timeline.pause()
        return window

    yield make
    for window in windows:
        window.close()
        window.deleteLater()
    spin(10)


class Probe(View):
    """A view that notes what it is asked for, and fails when it is told to."""

    name = "probe"
    title = "Probe"
    history_length = 7
    fails_to: str = ""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, QWidget())
        self.histories: list[list[int]] = []
        self.asked: list[tuple[str, object]] = []
        if self.fails_to == "start":
            raise ZeroDivisionError("a slip at the start")

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        self.histories.append([snapshot.index for snapshot in history])
        if self.fails_to == "draw":
            raise ZeroDivisionError("a slip in drawing")

    def set_grid(self, visible: bool) -> None:
        self.asked.append(("grid", visible))

    def set_trails(self, visible: bool) -> None:
        self.asked.append(("trails", visible))

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        self.asked.append(("reach", (reach_m, range_max_m)))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        if self.fails_to == "paint":
            raise ZeroDivisionError("a slip in painting")
        super().paintEvent(event)


def entry(name: str, place: Place, factory: str = "Probe") -> ViewEntry:
    return ViewEntry(name, name.title(), f"{__name__}:{factory}", place, "1", ("Capture",))


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the views be found by name, as those of the package are."""
    module = type(sys)(__name__)
    module.Probe = Probe  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, __name__, module)


@pytest.fixture
def area(app: QApplication, probes: None) -> Iterator[DockArea]:
    """Four views, two of them tabs of one place."""
    places = {"a": Place.TOP_LEFT, "b": Place.TOP_LEFT, "c": Place.TOP_RIGHT, "d": Place.BOTTOM_RIGHT}
    area = DockArea([entry(name, place) for name, place in places.items()], Look())
    area.resize(1000, 600)
    area.apply(BUILT_IN[0])
    area.show()
    spin(20)
    yield area
    area.close()
    area.deleteLater()


@pytest.fixture
def timeline(make_snapshot: Callable[[int], Snapshot]) -> Timeline:
    timeline = Timeline(50)
    for index in range(20):
        timeline.append(make_snapshot(index))
    return timeline


def probe(area: DockArea, name: str) -> Probe:
    view = area.docks[name].view
    assert isinstance(view, Probe)
    return view


# --- docks -----------------------------------------------------------------------------------------------------------


def test_only_views_that_are_seen_are_drawn_with_the_history_that_they_want(area: DockArea, timeline: Timeline) -> None:
    for _ in range(3):
        area.draw(timeline, REACH)
    drawn = {name: probe(area, name).histories for name in area.docks}
    once = [list(range(13, 20))]
    assert drawn == {"a": once, "b": [], "c": once, "d": once}
    assert ("reach", REACH) in probe(area, "a").asked
    area.show_view("b")
    area.docks["d"].close()
    spin(20)
    timeline.step(-1)
    area.draw(timeline, REACH)
    assert [len(probe(area, name).histories) for name in "abcd"] == [1, 1, 2, 1]
    assert probe(area, "b").histories == [list(range(12, 19))]
    assert area.is_ready
    area.show_view("d")
    spin(20)
    area.redraw()
    area.draw(timeline, REACH)
    assert area.is_ready
    assert probe(area, "d").histories[-1][-1] == 18


def test_the_built_in_layouts_share_the_room(area: DockArea) -> None:
    rectangles = {name: dock.geometry() for name, dock in area.docks.items()}
    assert rectangles["a"].width() == pytest.approx(BUILT_IN[0].left_share * 1000, abs=8)
    assert rectangles["c"].left() > rectangles["a"].right()
    assert rectangles["c"].height() == pytest.approx(BUILT_IN[0].top_share * 600, abs=8)
    assert rectangles["d"].top() > rectangles["c"].bottom()
    assert [area.docks[name].is_seen for name in "abcd"] == [True, False, True, True]


def test_views_stand_where_the_layout_says_and_one_that_was_saved_before_is_restored(
    app: QApplication, tmp_path: Path
) -> None:
    area = DockArea(VIEWS, Look())
    area.resize(1264, 560)
    area.show()
    try:
        area.apply(BUILT_IN[1])
        spin(20)
        plan, table, doppler = (area.docks[name].geometry() for name in ("plan", "tracks", "micro_doppler"))
        assert plan.height() > 540 and plan.width() == pytest.approx(0.64 * 1264, abs=8)
        assert table.left() > plan.right() and doppler.top() > table.bottom()
        area.apply(BUILT_IN[2])
        spin(20)
        assert area.docks["plan"].geometry().left() > area.docks["map"].geometry().right()
        assert all(not dock.isHidden() for dock in area.docks.values())
        # A file of an earlier viewer, in whose layout of this name the plan stood at the right, above the table.
        shutil.copy(Path(__file__).parent / "layout-1.json", tmp_path / "layout-old.json")
        told: list[IsacError] = []
        saved = LayoutStore(tmp_path, told.append).load("old")
        assert saved is not None and not told
        area.restore(saved)
        spin(20)
        assert {name for name, dock in area.docks.items() if not dock.isHidden()} == set(saved.views)
        plan, table = (area.docks[name].geometry() for name in ("plan", "tracks"))
        assert table.top() > plan.bottom() and plan.left() > area.docks["micro_doppler"].geometry().right()
    finally:
        area.close()
        area.deleteLater()


@pytest.mark.parametrize("when", ["start", "draw"])
def test_a_view_that_fails_leaves_the_others_alone_and_can_be_tried_again(
    app: QApplication,
    probes: None,
    timeline: Timeline,
    when: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Probe, "fails_to", when)
    area = DockArea([entry("bad", Place.TOP_LEFT), entry("worse", Place.TOP_RIGHT, "NotThere")], Look())
    monkeypatch.setattr(Probe, "fails_to", "")
    area.apply(BUILT_IN[2])
    area.show()
    spin(20)
    monkeypatch.setattr(Probe, "fails_to", when)
    failures: list[tuple[str, Exception]] = []
    area.failed.connect(lambda title, error: failures.append((title, error)))
    for _ in range(3):
        area.draw(timeline, REACH)
    assert {title: type(error) for title, error in area.errors} == {"Bad": ZeroDivisionError, "Worse": AttributeError}
    assert len(failures) == (when == "draw")  # those of the start are asked for
    assert caplog.text.count("the view 'bad' failed") == 1
    page = area.docks["bad"].widget()
    assert isinstance(page, FailurePage)
    assert "a slip" in page.text.text()
    monkeypatch.setattr(Probe, "fails_to", "")
    area.set_look(grid=False, theme=LIGHT)  # what is told meanwhile is not lost
    page.retry_button.click()
    area.draw(timeline, REACH)
    assert probe(area, "bad").histories == [list(range(13, 20))]
    assert probe(area, "bad").theme is LIGHT
    assert ("grid", False) in probe(area, "bad").asked
    area.retry()
    assert [title for title, _ in area.errors] == ["Worse"]
    area.close()
    area.deleteLater()


def test_a_view_that_fails_to_be_asked_fails_alone(area: DockArea) -> None:
    bad = probe(area, "a")

    def frame(view: View) -> None:
        if view is bad:
            raise ValueError("not this one")

    area.ask(frame)
    assert [title for title, _ in area.errors] == ["A"]


# --- faults in the window --------------------------------------------------------------------------------------------


def test_a_fault_in_a_callback_of_qt_stops_the_view_that_it_arose_in(
    area: DockArea, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[bool] = []

    class Window:
        """As much of a window as takes exceptions."""

        def report_exception(self, error: Exception) -> None:
            taken.append(area.blame(error))

    probe(area, "c").fails_to = "paint"
    with _reported_by(cast(MainWindow, Window())):
        probe(area, "c").update()
        spin_until(lambda: bool(taken))
        spin(60)
    assert taken == [True]  # no second time: the view is gone
    assert [title for title, _ in area.errors] == ["C"]
    assert caplog.text.count("the view 'c' failed") == 1
    assert "a slip in painting" in caplog.text


def test_a_fault_of_what_is_drawn_in_a_view_stops_that_view(make_window: MakeWindow) -> None:
    window = make_window()
    plan = window.views.docks["plan"].view
    assert isinstance(plan, PlanView)
    plan._trails._strokes = [cast(Any, None)]
    with _reported_by(window):
        plan.widget.viewport().update()
        spin_until(lambda: bool(window.views.errors))
    assert [title for title, _ in window.views.errors] == ["Plan"]
    assert window.views.docks["map"].error is None
    window.views.retry()
    spin_until(lambda: window.views.docks["plan"].is_ready)
    assert not window.views.errors


def test_what_is_no_fault_of_a_view_is_told_and_logged_once(
    make_window: MakeWindow, caplog: pytest.LogCaptureFixture
) -> None:
    window = make_window()

    def slip() -> None:
        raise ZeroDivisionError("a slip in a menu")

    with _reported_by(window):
        for _ in range(5):
            QTimer.singleShot(0, slip)
        spin(60)
    assert sys.excepthook is sys.__excepthook__ or sys.excepthook.__module__ != "isactrack.gui.qt.app"
    (toast,) = window.toasts.shown
    assert (toast.count, "a slip in a menu" in toast.what) == (5, True)
    assert caplog.text.count("Traceback") == 1
    assert window.fault is None


def test_a_screenshot_of_a_view_that_fails_is_an_error(
    app: QApplication, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(MapView, "show_snapshots", fail)
    with pytest.raises(IsacError, match="'Map' has stopped"):
        run_viewer(make_feed, "x://", screenshot=tmp_path / "e.png", screenshot_after_s=60.0)


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)], ids=str)
def test_messages_lie_in_a_corner_and_nothing_of_them_is_cut(
    make_window: MakeWindow, shots: Path, size: tuple[int, int], app: QApplication
) -> None:
    window = make_window(size=size)
    window.toasts.error(
        DeviceTimeoutError("no answer from /dev/ttyACM0", "check the SOP jumpers " * 6), "sim://x", "why"
    )
    for _ in range(2):
        window.toasts.info("saved somewhere")
    window.tick()
    spin(30)
    stack, covered = window.toast_stack, window.stack
    corner = covered.mapTo(window, covered.rect().bottomRight())
    assert 0 < corner.x() - stack.geometry().right() < 20
    assert 0 < corner.y() - stack.geometry().bottom() < 20
    labels = stack.findChildren(QLabel)
    assert {"no answer from /dev/ttyACM0", "why", "saved somewhere", "2 times"} <= {label.text() for label in labels}
    for label in labels:
        needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
        assert label.height() >= needed, label.text()
    for upper, lower in pairwise(stack.cards):
        assert upper.geometry().bottom() < lower.geometry().top()
    window.save_snapshot(shots / f"viewer-messages-{size[0]}.png")
    stack.cards[0].copy_button.click()
    assert "DeviceTimeoutError: no answer" in app.clipboard().text()
    stack.cards[0].dismiss_button.click()
    assert "no answer from /dev/ttyACM0" not in [toast.what for toast in window.toasts.shown]


def test_messages_are_dismissed_and_copied_by_key(make_window: MakeWindow, app: QApplication) -> None:
    window = make_window()
    for k in range(6):
        window.toasts.error(IsacError(f"error {k}"), "x")
    window.tick()
    assert window.toast_stack.more.text() == "3 more · dismiss all"
    QTest.keyClick(window, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert "error 5" in app.clipboard().text()
    QTest.keyClick(window, Qt.Key.Key_Backspace)
    assert [card.toast.what for card in window.toast_stack.cards] == ["error 2", "error 3", "error 4"]
    QTest.keyClick(window, Qt.Key.Key_Backspace, Qt.KeyboardModifier.ShiftModifier)
    assert not window.toast_stack.isVisible()


def test_an_error_of_the_feed_is_told_once(make_window: MakeWindow, make_feed: MakeFeed, healthy: Health) -> None:
    feed = make_feed(10)
    window = make_window(feed)
    feed.state = replace(healthy, running=False, error=DeviceTimeoutError("it fell silent", "check the cable"))
    spin_until(lambda: window.error is not None)
    spin(600)  # its health is looked at again and again
    (toast,) = window.toasts.shown
    assert (toast.what, toast.next_step, toast.count) == ("it fell silent", "check the cable", 1)
    assert window.health_panel.error_box.isVisible()


# --- layouts and settings --------------------------------------------------------------------------------------------


def seen(window: MainWindow) -> set[str]:
    spin(30)
    return {name for name, dock in window.views.docks.items() if dock.is_seen}


def test_a_layout_is_saved_chosen_reset_and_deleted(
    make_window: MakeWindow, config_folder_of_test: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window(folder=config_folder_of_test)
    window.views.docks["plan"].close()
    QTest.keyClick(window, Qt.Key.Key_H)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args, **_more: (" no plan ", True))
    window._actions["save_layout"].trigger()
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.layouts.current == "Tracking"
    QTest.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert seen(window) == CAPTURE
    assert window.health_panel.isVisible()
    window._made.menus["Layout"].aboutToShow.emit()
    window._made.menus["Layout"].aboutToShow.emit()
    own = [action for action in window._made.menus["Layout"].actions() if action.text() == "Layout: no plan"]
    assert len(own) == 1
    own[0].trigger()
    assert seen(window) == CAPTURE - {"plan"}
    assert not window.health_panel.isVisible()
    assert window.settings.layout == "no plan"
    window._actions["reset_layout"].trigger()
    assert seen(window) == CAPTURE
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_args, **_more: ("no plan", True))
    window._actions["delete_layout"].trigger()
    assert not list(config_folder_of_test.glob("layout-*"))
    assert not window.toasts.shown
    window._actions["delete_layout"].trigger()
    window.layouts.save("Debug")
    window.tick()
    assert ["no saved layout" in toast.what or "built in" in toast.what for toast in window.toasts.shown] == [True] * 2


def test_reset_puts_every_view_back(make_window: MakeWindow) -> None:
    window = make_window()
    before = {name: dock.geometry().left() for name, dock in window.views.docks.items()}
    window.views.tabifyDockWidget(window.views.docks["map"], window.views.docks["plan"])
    assert len(seen(window)) == len(CAPTURE) - 1
    window.views.docks["map"].setFloating(True)
    QTest.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert seen(window) == CAPTURE
    after = {name: dock.geometry().left() for name, dock in window.views.docks.items()}
    assert after == {name: pytest.approx(left, abs=20) for name, left in before.items()}


def test_the_window_opens_as_it_was_left(make_window: MakeWindow, config_folder_of_test: Path) -> None:
    window = make_window(folder=config_folder_of_test, size=(700, 520))
    window.views.docks["plan"].close()
    for key in (Qt.Key.Key_T, Qt.Key.Key_C):
        QTest.keyClick(window, key)
    QTest.keyClick(window, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    window.move(20, 30)
    spin(20)
    window.close()
    again = make_window(folder=config_folder_of_test, size=None)
    assert (again.size(), again.geometry().topLeft()) == (window.size(), window.geometry().topLeft())
    assert seen(again) == CAPTURE - {"plan"}
    assert not again._actions["trails"].isChecked()
    assert (again.settings.theme, again.settings.colour_map) == ("light", "cividis")
    assert again.grab().toImage().pixelColor(2, 200).lightness() > 128
    QTest.keyClick(again, Qt.Key.Key_2)
    assert seen(again) == CAPTURE
    assert again.views.docks["plan"].is_ready


def test_a_window_that_was_on_a_screen_that_is_gone_is_put_where_it_can_be_seen(
    make_window: MakeWindow, config_folder_of_test: Path
) -> None:
    SettingsStore(config_folder_of_test, lambda error: pytest.fail(str(error))).save(
        UiSettings(geometry=(9000, 50, 700, 500))
    )
    window = make_window(folder=config_folder_of_test, size=None)
    assert window.x() < 9000
    assert window.width() == 1440


@pytest.mark.parametrize(
    ("name", "content"), [("last.json", "{"), ("settings.json", "[1]"), ("last.json", "not for this Qt")]
)
def test_files_that_cannot_be_used_are_told_and_the_window_opens_all_the_same(
    make_window: MakeWindow, config_folder_of_test: Path, name: str, content: str
) -> None:
    if content.startswith("not"):
        state = b"of another program"
        LayoutStore(config_folder_of_test, lambda _: None).save_last(SavedLayout(("map",), False, state))
        assert json.loads((config_folder_of_test / name).read_text())["crc32"] == zlib.crc32(state)
    else:
        (config_folder_of_test / name).write_text(content)
    window = make_window(folder=config_folder_of_test)
    assert seen(window) == CAPTURE
    assert window.health_panel.isVisible()
    (toast,) = window.toasts.shown
    assert "cannot be" in toast.what
    window.close()
    assert json.loads((config_folder_of_test / "last.json").read_text())["views"] == [
        "map",
        "plan",
        "range_time",
        "events",
    ]


@pytest.mark.slow
def test_the_viewer_remembers_but_for_screenshots_and_forgets_when_told(
    app: QApplication, make_feed: MakeFeed, config_folder_of_test: Path, tmp_path: Path
) -> None:
    run_viewer(make_feed, "x://", screenshot=tmp_path / "a.png", screenshot_after_s=0.05)
    assert not list(config_folder_of_test.iterdir())
    timer = QTimer()

    def close() -> None:
        for window in app.topLevelWidgets():
            if isinstance(window, MainWindow) and window.isVisible() and window.shows_frame:
                themes.append(window.settings.theme)
                window.close()

    themes: list[str] = []
    timer.timeout.connect(close)
    timer.start(20)
    run_viewer(make_feed, "x://", light=True)  # for this time only
    assert {path.name for path in config_folder_of_test.iterdir()} == {"settings.json", "last.json"}
    SettingsStore(config_folder_of_test, lambda _: None).save(UiSettings(theme="light"))
    run_viewer(make_feed, "x://")
    run_viewer(make_feed, "x://", reset_ui=True)
    assert themes == ["dark", "light", "dark"]
    timer.stop()


@pytest.mark.parametrize("options", [[], ["--reset-ui"]], ids=["as it was left", "reset"])
def test_the_command_can_reset_the_window(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr("isactrack.gui.qt.app.run_viewer", lambda *_args, **more: asked.update(more))
    assert run(["view", "sim://awr1642", *options]) == 0
    assert asked["reset_ui"] is bool(options)


# --- colours and keys ------------------------------------------------------------------------------------------------


def test_colours_change_while_it_runs_and_views_stay_where_they_were(make_window: MakeWindow, shots: Path) -> None:
    window = make_window(theme=DARK)
    QTest.keyClick(window, Qt.Key.Key_A)
    view: Any = window.views.docks["map"].view
    plan: Any = window.views.docks["plan"].view
    plan.plot.getViewBox().scaleBy((0.5, 0.5))
    plan.plot.getViewBox().sigRangeChangedManually.emit([True, True])
    spin(20)
    zoomed, levels = plan.plot.viewRange(), view.map.levels
    bar, place = window.transport, window.transport.geometry()
    modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(window, Qt.Key.Key_T, modifiers)
    assert window.transport is bar and bar.isVisible() and bar.geometry() == place  # it is never away
    spin(60)
    assert window.grab().toImage().pixelColor(2, 200).lightness() > 128
    new_view: Any = window.views.docks["map"].view
    new_plan: Any = window.views.docks["plan"].view
    assert (new_view.theme, new_plan.theme) == (LIGHT, LIGHT)
    assert new_view.map.levels == levels != view_levels_at_start()
    for former, now in zip(zoomed, new_plan.plot.viewRange(), strict=True):
        assert now == pytest.approx(former, rel=0.01)
    assert window.health_panel.badge.text() == window.status_badge.text() == "SIMULATED"
    assert window.status_badge.isVisible()
    assert window.transport.slider.maximum() == 1450
    QTest.keyClick(window, Qt.Key.Key_F1)  # the keys still belong to the window
    assert window.overlay.isVisible()
    spin(20)
    window.grab().save(str(shots / "viewer-keys-light.png"))
    QTest.keyClick(window.overlay, Qt.Key.Key_F1)
    QTest.keyClick(window, Qt.Key.Key_T, modifiers)
    assert window.grab().toImage().pixelColor(2, 200).lightness() < 128


def view_levels_at_start() -> object:
    return MapView(DARK).map.levels


def test_colour_maps_are_chosen_by_key_and_by_menu(make_window: MakeWindow) -> None:
    window = make_window()
    dock: Any = window.views.docks["map"]
    view = dock.view.map
    spin(40)
    pictures = [view.widget.grab().toImage()]
    names = [view.colour_bar.colorMap().name]
    for _ in range(3):
        QTest.keyClick(window, Qt.Key.Key_C)
        spin(20)
        pictures.append(view.widget.grab().toImage())
        names.append(view.colour_bar.colorMap().name)
    assert names == ["viridis", "cividis", "CET-CBL2", "CET-L17"]
    assert all(a != b for a, b in pairwise(pictures))
    assert window._made.colours["CET-L17"].isChecked()
    window._made.colours["viridis"].trigger()
    assert view.colour_bar.colorMap().name == "viridis"


def test_every_control_is_reached_by_tab_or_has_a_key(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = make_window()
    window.toasts.error(IsacError("an error"), "x")
    window.views.docks["plan"].fail(ZeroDivisionError("a slip"))
    window.tick()
    spin(20)
    kinds = (QAbstractButton, QComboBox, QAbstractSlider)
    controls = [child for kind in kinds for child in window.findChildren(kind) if child.isVisible()]
    assert len(controls) > 12
    for control in controls:
        by_tab = bool(control.focusPolicy() & Qt.FocusPolicy.TabFocus)
        by_key = "(" in control.toolTip() and control.toolTip().endswith(")")
        seek = control is window.transport.slider  # the arrow keys, Home and End
        inner = control.metaObject().className() in ("QTabBar", "QScrollBar")
        assert by_tab or by_key or seek or inner, (control, control.toolTip())


def test_space_presses_a_button_that_was_reached_with_tab_and_else_plays(make_window: MakeWindow) -> None:
    window = make_window()
    assert QApplication.focusWidget() is window  # not the first button
    playing = window.timeline.mode
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert window.timeline.mode is not playing
    window.timeline.pause()
    for _ in range(30):
        QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Tab)
        focused = QApplication.focusWidget()
        if isinstance(focused, QAbstractButton) and "Close" in focused.toolTip():
            break
    assert isinstance(focused, QAbstractButton)
    mode = window.timeline.mode
    QTest.keyClick(focused, Qt.Key.Key_Space)
    assert window.timeline.mode is mode
    assert len(seen(window)) == len(CAPTURE) - 1
    QTest.keyClick(QApplication.focusWidget() or window, Qt.Key.Key_Escape)
    assert QApplication.focusWidget() is window


@pytest.mark.slow
def test_speed_and_loop_of_a_file_have_keys(make_window: MakeWindow, make_feed: MakeFeed) -> None:
    window = make_window()
    for key, speed in ((Qt.Key.Key_BracketRight, 2.0), (Qt.Key.Key_BracketRight, 4.0), (Qt.Key.Key_BracketLeft, 2.0)):
        QTest.keyClick(window, key)
        assert window.timeline.speed == speed
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert window.timeline.loop
    assert window.transport.loop_button.isChecked()
    window.set_theme("light")
    assert window.transport.loop_button.isChecked()
    assert window.transport.speed_box.currentText() == "2x"
    window.transport.loop_button.click()
    assert not window.timeline.loop
    live = make_window(make_feed())
    QTest.keyClick(live, Qt.Key.Key_BracketRight)
    assert live.timeline.speed == 1.0
