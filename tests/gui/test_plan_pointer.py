"""What the plan says of the track under the pointer, picks by a click, and shows of detections before."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.theme import DARK
from isactrack.gui.models.track_card import card_text, past_detections, track_at
from isactrack.gui.models.ui_settings import UiSettings
from isactrack.gui.qt.plan_view import PlanView
from isactrack.gui.qt.style import apply_theme

MakeSnapshot = Callable[..., Snapshot]


@pytest.fixture
def plan(app: QApplication) -> Iterator[PlanView]:
    apply_theme(app, DARK)
    plan = PlanView(DARK)
    plan.resize(640, 480)
    plan.show()
    plan.set_reach(8.0, 9.0)
    app.processEvents()
    yield plan
    plan.close()
    plan.deleteLater()


def scene_at(plan: PlanView, x_m: float, y_m: float) -> QPointF:
    return QPointF(plan.plot.getViewBox().mapViewToScene(QPointF(x_m, y_m)))


def point(plan: PlanView, x_m: float, y_m: float) -> None:
    plan.widget.scene().sigMouseMoved.emit(scene_at(plan, x_m, y_m))


def test_the_nearest_track_within_reach_is_told_of(make_snapshot: MakeSnapshot) -> None:
    tracks = make_snapshot(10).tracks
    x, y = tracks[1].position_m
    assert track_at(tracks, x + 0.05, y, 0.2) is tracks[1]
    assert track_at(tracks, x + 5.0, y, 0.2) is None
    assert track_at((), x, y, 0.2) is None
    lost = replace(tracks[1], state=np.full(4, np.nan))
    assert track_at([lost], x, y, 0.2) is None
    told = card_text(replace(tracks[1], state=np.array([3.0, 0.6, 4.0, 0.8]), age=1, existence=0.987))
    assert told.splitlines() == [
        f"Track 5, {tracks[1].status.value}", "1 step old, exists with 98.7 %", "1.00 m/s, radial +1.00 m/s",
    ]  # fmt: skip


def test_the_card_comes_with_the_pointer_follows_the_track_and_goes(
    plan: PlanView, make_snapshot: MakeSnapshot
) -> None:
    shown = make_snapshot(10)
    plan.show_snapshots([shown])
    assert plan.card.isHidden()
    x, y = shown.tracks[0].position_m
    point(plan, x, y)
    assert plan.card.isVisible() and plan.card.text().startswith("Track 4, confirmed\n11 steps old")
    plan.show_snapshots([make_snapshot(11)])
    assert "12 steps old" in plan.card.text()
    assert plan.widget.rect().contains(plan.card.geometry())
    plan.show_snapshots([replace(shown, tracks=())])
    assert plan.card.isHidden()
    plan.show_snapshots([shown])
    assert plan.card.isVisible()
    QApplication.sendEvent(plan.widget.viewport(), QEvent(QEvent.Type.Leave))
    assert plan.card.isHidden()


def test_the_card_stays_in_the_view(plan: PlanView, make_snapshot: MakeSnapshot) -> None:
    (_, right), (low, _) = plan.plot.viewRange()
    corner = replace(make_snapshot(3).tracks[0], state=np.array([right - 0.1, 0.0, low + 0.1, 0.0]))
    plan.show_snapshots([replace(make_snapshot(3), tracks=(corner,))])
    point(plan, right - 0.1, low + 0.1)
    assert plan.card.isVisible() and plan.widget.rect().contains(plan.card.geometry())


def test_a_click_picks_a_track(plan: PlanView, make_snapshot: MakeSnapshot) -> None:
    shown = make_snapshot(10)
    plan.show_snapshots([shown])
    picked = QSignalSpy(plan.track_picked)
    x, y = shown.tracks[2].position_m

    def click(x_m: float, y_m: float, button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
        at: QPoint = plan.widget.mapFromScene(scene_at(plan, x_m, y_m))
        QTest.mouseMove(plan.widget.viewport(), at)
        QTest.mouseClick(plan.widget.viewport(), button, pos=at)

    click(x, y)
    assert [picked.at(k)[0] for k in range(picked.count())] == [shown.tracks[2].track_id]
    np.testing.assert_array_equal(plan.picked, [shown.tracks[2].position_m])
    other = PlanView(DARK)
    other.take_over(plan)
    other.show_snapshots([make_snapshot(11)])
    np.testing.assert_array_equal(other.picked, [make_snapshot(11).tracks[2].position_m])
    other.pick_track(None)
    other.show_snapshots([make_snapshot(11)])
    assert len(other.picked) == 0
    click(x, y + 1.5)  # nobody is there
    assert picked.count() == 1
    assert plan.framed


def test_detections_before_are_shown_on_demand(plan: PlanView, make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(20)]
    plan.show_snapshots(history)
    assert len(plan.past) == 0
    plan.set_past(True)
    plan.show_snapshots(history)
    assert len(plan.past) == 19 * 5
    plan.set_past(False)
    plan.show_snapshots(history)
    assert len(plan.past) == 0
    newest_first = past_detections(history, most=7)
    np.testing.assert_array_equal(newest_first[:5], history[-2].detections.position_m)
    assert newest_first.shape == (7, 2)
    assert past_detections(history[:1]).shape == (0, 2)


def test_settings_of_an_earlier_viewer_are_read() -> None:
    document = asdict(UiSettings(trails=False))
    del document["past"]
    assert UiSettings.from_document(document) == UiSettings(trails=False)
