"""The views of azimuth, time, impulse response, Doppler, tracks and events, drawn without a screen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QEvent, QModelIndex, QPoint, QPointF, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QGridLayout, QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.events import Event, EventKind
from isactrack.gui.models.theme import DARK, LIGHT, Theme
from isactrack.gui.qt.event_log_view import EventLogView
from isactrack.gui.qt.impulse_view import ImpulseView
from isactrack.gui.qt.micro_doppler_view import MicroDopplerView
from isactrack.gui.qt.range_azimuth_view import RangeAzimuthView
from isactrack.gui.qt.range_time_view import RangeTimeView
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.track_table_view import TrackTableView
from isactrack.processing.products import BlockChannel, Product
from isactrack.processing.range_azimuth import RangeAzimuthMap
from isactrack.processing.slow_time import SlowTime
from isactrack.tracks import Track, TrackStatus
from tests.gui.test_view_models import RADIO, path_channel, track

if TYPE_CHECKING:
    from isactrack.gui.qt.view import View

MakeSnapshot = Callable[..., Snapshot]
Show = Callable[..., Any]

ALL = (RangeAzimuthView, RangeTimeView, ImpulseView, MicroDopplerView, TrackTableView, EventLogView)


@pytest.fixture
def show(app: QApplication) -> Iterator[Show]:
    """Return a function that makes a view, or several in a grid, and shows it."""
    widgets: list[QWidget] = []

    def make(*kinds: type["View"], theme: Theme = DARK, size: tuple[int, int] = (640, 420)) -> Any:
        apply_theme(app, theme)
        views = [kind(theme) for kind in kinds]  # type: ignore[call-arg]
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(8, 8, 8, 8)
        grid.setSpacing(6)
        for k, view in enumerate(views):
            grid.addWidget(view, k % 2, k // 2)
            grid.setColumnStretch(k // 2, 1)
            grid.setRowStretch(k % 2, 1)
        page.resize(*size)
        page.show()
        app.processEvents()
        widgets.append(page)
        return views[0] if len(views) == 1 else (page, views)

    yield make
    for widget in widgets:
        widget.close()
        widget.deleteLater()
    app.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def with_azimuth(snapshot: Snapshot) -> Snapshot:
    """Add a map of the people over azimuth and range."""
    rng = np.random.default_rng(snapshot.index)
    lags = np.linspace(0.0, 3.5, 8)
    correlation = (0.05 * rng.normal(size=(192, 8, 2)) @ np.array([1.0, 1j])).astype(np.complex64)
    correlation[:, 0] = 8.0
    for person in snapshot.tracks:
        x, y = person.position_m
        near = 3e3 * np.exp(-0.5 * ((np.arange(192) * 0.047 - np.hypot(x, y)) / 0.06) ** 2)
        correlation += (near[:, None] * (8 - np.arange(8)) * np.exp(2j * np.pi * lags * x / np.hypot(x, y))).astype(
            np.complex64
        )
    made = RangeAzimuthMap(correlation, lags, np.linspace(0.0, 191 * 0.047, 192), np.linspace(-1.4, 1.4, 91))
    return replace(snapshot, range_azimuth=made)


def radio(snapshot: Snapshot) -> Snapshot:
    """Add a channel and what it is at the tracks."""
    direct, moving = path_channel(4.28, 0.9, 1.0), path_channel(8.0, -0.2, 0.03)
    rng = np.random.default_rng(snapshot.index)
    noise = (2e-3 * rng.normal(size=(*direct.shape, 2)) @ np.array([1.0, 1j])).astype(np.complex64)
    after = moving + noise
    channel = BlockChannel(
        counter=snapshot.index, time_s=snapshot.time_s, before=direct + after, after=after, sensor=RADIO
    )
    time_s = snapshot.time_s + np.linspace(0.0, 0.044, 12)
    values = np.exp(2j * np.pi * 40.0 * np.sin(time_s) * time_s)[None].repeat(len(snapshot.tracks), axis=0)
    seen = SlowTime(
        time_s=time_s,
        track_id=np.array([one.track_id for one in snapshot.tracks]),
        values=values.astype(np.complex64),
        sensor=RADIO,
    )
    return replace(snapshot, channel=channel, slow_time=seen)


def events() -> list[Event]:
    told = [
        (0.4, EventKind.SESSION, "the recording began"),
        (1.2, EventKind.MARKER, "two people enter"),
        (2.9, EventKind.LINK, "no data from the capture card for 1.1 s"),
        (3.3, EventKind.CARD, "the card has dropped packets: its buffer was full"),
    ]
    return [
        Event(host_monotonic_ns=int((100.0 + at) * 1e9), host_utc_ns=int((1.8e9 + at) * 1e9), kind=kind, text=text)
        for at, kind, text in told
    ]


def pixel(view: Any, x: float, y: float) -> str:
    image = view.map.widget.grab().toImage()
    at: QPointF = view.map.plot.getViewBox().mapViewToScene(QPointF(x, y))
    return str(image.pixelColor(QPoint(round(at.x()), round(at.y()))).name())


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)], ids=["1280", "1920"])
@pytest.mark.parametrize("sensor", ["radar", "radio"])
def test_all_views_are_drawn(
    show: Show,
    make_snapshot: MakeSnapshot,
    make_radio_snapshot: MakeSnapshot,
    shots: Path,
    sensor: str,
    size: tuple[int, int],
) -> None:
    theme = DARK if size[0] == 1280 else LIGHT
    if sensor == "radar":
        history = [with_azimuth(make_snapshot(k)) for k in range(80) if not 30 <= k < 40]
    else:
        history = [radio(make_radio_snapshot(k)) for k in range(80) if not 30 <= k < 40]
    history = [replace(one, host_monotonic_ns=int((100.0 + one.time_s) * 1e9)) for one in history]
    page, views = show(*ALL, theme=theme, size=size)
    views[5].take_events(events())
    for view in views:
        view.set_grid(True)
        view.show_snapshots(history[-view.history_length :])
    views[4].pick_track(5)
    QApplication.processEvents()
    page.grab().save(str(shots / f"views-{sensor}-{size[0]}.png"))
    empty = {view.name for view in views if view.empty_text()}
    assert empty == ({"impulse"} if sensor == "radar" else {"range_azimuth"})
    for view in views:
        assert view.content.text == view.empty_text()
    assert (page.width(), page.height()) == size  # nothing forces it larger


def test_every_view_explains_itself_before_the_first_frame(show: Show) -> None:
    _, views = show(*ALL)
    for view in views:
        assert len(view.empty_text()) > 10
        assert view.content.text == view.empty_text()
        assert view.title
    assert len({view.name for view in views}) == len(ALL)
    assert {product for view in views for product in view.products} == set(Product)


def test_the_azimuth_map_comes_and_goes_with_its_data(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(RangeAzimuthView)
    view.set_reach(6.0, 9.0)
    view.show_snapshots([make_snapshot(3)])
    assert "while this view is open" in view.content.text
    view.show_snapshots([with_azimuth(make_snapshot(3))])
    assert view.content.text == ""
    (left, right), (_, high) = view.map.plot.viewRange()
    assert [left, right] == pytest.approx([-81.1, 81.1], abs=0.1)
    assert high == pytest.approx(6.0)
    view.set_reach(9.0, 9.0)
    view.show_snapshots([with_azimuth(make_snapshot(4))])
    assert view.map.plot.viewRange()[1][1] == pytest.approx(191.5 * 0.047)
    before = view.map.levels
    view.fit_levels()
    assert view.map.levels != before
    moved = QSignalSpy(view.pointed)
    box = view.map.plot.getViewBox()
    view.map.widget.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(10.0, 3.0)))
    assert moved.count() == 1
    assert moved.at(0)[0].startswith("azimuth +10.0°   range 3.00 m")
    assert moved.at(0)[0].endswith("dB")


def test_a_gap_is_hatched_and_what_was_before_the_first_frame_is_not(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(RangeTimeView)
    view.show_snapshots([make_snapshot(k) for k in range(120) if not 40 <= k < 80])
    ((start, end),) = view.map.gaps
    assert (start, end) == (pytest.approx(39.5 / 20 - 119 / 20), pytest.approx(79.5 / 20 - 119 / 20))
    view.set_grid(False)
    colours = {pixel(view, 0.5 * (start + end) + 0.03 * k, 4.0) for k in range(20)}
    assert DARK.plot in colours
    assert len(colours) > 1  # hatches on the ground
    assert {pixel(view, -15.0 + 0.03 * k, 4.0) for k in range(20)} == {DARK.plot}
    assert pixel(view, -0.5, 4.0) not in colours
    assert view.map.level_at(0.5 * (start + end), 4.0) is None


def test_a_zoom_stays_until_all_is_asked_for_again(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(RangeTimeView)
    view.show_snapshots([make_snapshot(k) for k in range(30)])
    view.map.plot.setRange(xRange=(-1.0, 0.0), yRange=(2.0, 4.0), padding=0.0)
    view.show_snapshots([make_snapshot(k) for k in range(31)])
    assert view.map.plot.viewRange()[1] == [pytest.approx(2.0), pytest.approx(4.0)]
    other = RangeTimeView(LIGHT)
    other.take_over(view)
    other.show_snapshots([make_snapshot(k) for k in range(31)])
    assert other.map.plot.viewRange()[0][0] == pytest.approx(-1.0, abs=0.2)
    view.frame()
    assert view.map.plot.viewRange()[0] == [pytest.approx(-20.0), pytest.approx(0.0)]


def test_the_impulse_response_marks_the_direct_path(show: Show, make_radio_snapshot: MakeSnapshot) -> None:
    view = show(ImpulseView)
    view.show_snapshots([radio(make_radio_snapshot(2))])
    assert view.direct.isVisible()
    assert view.direct.value() == pytest.approx(np.hypot(3.4, 2.6))
    assert np.nanmax(view.before.getData()[1]) == pytest.approx(0.0)
    assert np.nanmax(view.after.getData()[1]) < -25.0
    (left, right), (low, high) = view.plot.viewRange()
    assert (left, right, low, high) == (0.0, pytest.approx(25.0), -80.0, 6.0)
    view.show_snapshots([replace(radio(make_radio_snapshot(3)), tx_position_m=None)])
    assert not view.direct.isVisible()


def test_a_track_is_chosen_by_its_id_or_the_strongest_is_taken(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(MicroDopplerView)
    history = [make_snapshot(k) for k in range(30)]
    view.show_snapshots(history)
    assert view.track_id in (4, 5)  # the third is tentative
    assert [view.box.itemText(k) for k in range(4)] == ["Strongest track", "Track 4", "Track 5", "Track 6"]
    told = QSignalSpy(view.track_picked)
    view.box.setCurrentIndex(3)
    view.box.activated.emit(3)
    assert view.track_id == 6
    assert told.at(0)[0] == 6
    assert view.note.text().startswith("Track 6 at ")
    view.pick_track(77)
    assert view.track_id is None
    assert "no track 77" in view.content.text
    assert view.box.currentText() == "Track 77"
    view.fit_levels()
    mine = view.map.levels
    view.pick_track(None)
    assert view.content.text == ""
    assert view.box.currentText() == "Strongest track"
    assert view.map.levels == mine  # they stay while nobody is there, and for another track


# --- the table of tracks ---------------------------------------------------------------------------------------------


def shown_ids(view: TrackTableView) -> list[int]:
    return [view.model.table.id_at(row) for row in range(view.model.rowCount())]


def test_the_picked_track_keeps_its_row_wherever_it_is_sorted_to(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(TrackTableView)
    base = make_snapshot(0)
    view.show_snapshots([replace(base, tracks=(track(1, (0.0, 2.0)), track(2, (0.0, 3.0)), track(3, (0.0, 4.0))))])
    told = QSignalSpy(view.track_picked)
    QTest.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=_middle(view, 1))
    assert (told.count(), told.at(0)[0], view.track_id) == (1, 2, 2)
    view.table.sortByColumn(4, Qt.SortOrder.DescendingOrder)
    assert shown_ids(view) == [3, 2, 1]
    view.show_snapshots([replace(base, tracks=(track(1, (0.0, 2.0)), track(2, (0.0, 1.0)), track(3, (0.0, 4.0))))])
    assert shown_ids(view) == [3, 1, 2]
    assert _selected(view) == 2
    view.show_snapshots([replace(base, tracks=(track(3, (0.0, 4.0)),))])
    assert (_selected(view), view.track_id) == (None, 2)
    view.show_snapshots([replace(base, tracks=(track(2, (0.0, 9.0)), track(3, (0.0, 4.0))))])
    assert _selected(view) == 2
    assert told.count() == 1  # only the user picks
    QTest.keyClick(view.table, Qt.Key.Key_Down)
    assert told.at(1)[0] == 3
    view.pick_track(None)
    assert _selected(view) is None


def test_columns_without_room_are_left_out_the_least_important_first(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(TrackTableView, size=(1100, 300))
    view.show_snapshots([make_snapshot(3)])
    assert len(view.shown_columns) == 10 and not view.table.horizontalHeader().toolTip()
    for width, least in ((520, 6), (400, 4), (260, 2)):
        view.window().resize(width, 300)
        QApplication.processEvents()
        shown = view.shown_columns
        assert len(shown) >= least and shown[:2] == ["Id", "State"] and "Radial (m/s)" not in shown
        assert view.table.horizontalHeader().length() <= view.table.viewport().width()
        assert not view.table.horizontalScrollBar().isVisible()
        assert "Radial (m/s)" in view.table.horizontalHeader().toolTip()
    picture = view.table.viewport().grab().toImage()
    assert not picture.isNull()  # columns that are hidden are not drawn


def test_columns_are_chosen_and_the_choice_survives_a_new_view(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(TrackTableView, size=(520, 300))
    view.show_snapshots([make_snapshot(3)])
    assert "σ (m)" not in view.shown_columns
    menu = view.column_menu()
    actions = {action.text(): action for action in menu.actions()}
    assert not actions["Id"].isEnabled() and actions["σ (m), no room"].isChecked()
    for title in ("x (m)", "y (m)", "Azimuth (°)"):
        actions[title].trigger()
    menu.close()
    assert "σ (m)" in view.shown_columns and "x (m)" not in view.shown_columns
    other = TrackTableView(LIGHT)
    other.take_over(view)
    other.resize(1100, 300)
    other.show()
    QApplication.processEvents()
    assert "x (m)" not in other.shown_columns and "Age" in other.shown_columns
    other.close()


def test_only_what_changed_is_drawn_again(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(TrackTableView)
    base = make_snapshot(0)
    people = [track(k, (0.1 * k, 2.0 + 0.02 * k)) for k in range(200)]
    view.show_snapshots([replace(base, tracks=tuple(people))])
    assert view.summary.text() == "0 tentative   200 confirmed   0 coasted"
    changed = QSignalSpy(view.model.dataChanged)
    view.show_snapshots([replace(base, tracks=tuple(people))])
    assert changed.count() == 0
    people[7] = Track(7, TrackStatus.CONFIRMED, 0.0, people[7].state, people[7].covariance, 6)
    view.show_snapshots([replace(base, tracks=tuple(people))])
    assert changed.count() == 1
    first, last = changed.at(0)[0], changed.at(0)[1]
    assert (first.row(), last.row(), first.column(), last.column()) == (7, 7, 8, 8)


def test_rows_come_and_go(show: Show, make_snapshot: MakeSnapshot) -> None:
    view = show(TrackTableView)
    rng = np.random.default_rng(5)
    for _ in range(40):
        ids = rng.choice(30, rng.integers(0, 30), replace=False)
        view.show_snapshots([replace(make_snapshot(0), tracks=tuple(track(int(k), (0.1 * k, 3.0)) for k in ids))])
        view.grab()
        assert view.model.rowCount() == len(ids)
        assert shown_ids(view) == sorted(ids.tolist())
        assert (view.content.text != "") is (len(ids) == 0)


def _middle(view: TrackTableView, row: int) -> QPoint:
    return view.table.visualRect(view.model.index(row, 1)).center()


def _selected(view: TrackTableView) -> int | None:
    rows: list[QModelIndex] = view.table.selectionModel().selectedRows()
    return view.model.table.id_at(rows[0].row()) if rows else None


# --- events ----------------------------------------------------------------------------------------------------------


def test_a_click_asks_for_the_time_of_a_line(show: Show) -> None:
    view = show(EventLogView)
    view.take_events(events())
    asked = QSignalSpy(view.seek_requested)
    at = view.table.visualRect(view.model.index(1, 2)).center()
    QTest.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert asked.at(0)[0] == events()[1].host_monotonic_ns
    view.set_clock(100_000_000_000)
    assert view.model.data(view.model.index(1, 0)).strip() == "1.2 s"


def test_kinds_are_filtered_and_the_filter_survives_a_new_view(show: Show) -> None:
    view = show(EventLogView)
    view.take_events(events())
    assert view.summary.text() == "4"
    for kind, action in view.kinds.items():
        action.setChecked(kind is EventKind.MARKER)
    assert view.model.rowCount() == 1
    assert view.summary.text() == "1 of 4"
    assert view.filter_button.text().startswith("1 of 7 kinds")
    other = EventLogView(LIGHT)
    other.take_over(view)
    assert other.model.rowCount() == 1
    other.kinds[EventKind.MARKER].setChecked(False)
    assert "Switch kinds on" in other.content.text
    other.forget_run()
    assert "Nothing has happened" in other.content.text


def test_the_log_follows_its_end_only_if_that_is_seen(show: Show) -> None:
    view = show(EventLogView)
    many = [replace(events()[0], host_monotonic_ns=k * 10**9, text=f"event {k}") for k in range(200)]
    view.take_events(many)
    bar = view.table.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    bar.setValue(10)
    view.take_events([replace(events()[0], host_monotonic_ns=999 * 10**9)])
    assert bar.value() == 10
