"""The walls of the room: from a file, a device or a recording to the plan."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtWidgets import QApplication

from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.cli.main import run
from isactrack.events import Event
from isactrack.geometry import Pose, RoomOutline
from isactrack.gui.models.feed import Opening, SessionFeed
from isactrack.gui.models.reconnect import ReconnectingFeed, placement_of
from isactrack.gui.models.room import NOT_PLACED, Placement
from isactrack.gui.models.theme import LIGHT
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.plan_view import PlanView
from isactrack.processing.products import Product
from tests.gui.conftest import HEALTHY, snapshot
from tests.gui.loops import spin, spin_until

ROOM = RoomOutline(corners_m=((-4.0, 0.0), (4.0, 0.0), (4.0, 7.0), (-4.0, 7.0)))
PLACED = Placement(Pose(x_m=1.0, y_m=0.5), ROOM)
TOML = "[room]\ncorners_m = [[-4, 0], [4, 0], [4, 7], [-4, 7]]\n"


class Taken:
    """A subscription with one snapshot after the other."""

    skipped = 0

    def __init__(self) -> None:
        self._count = 0

    def drain(self) -> list[Snapshot]:
        self._count += 1
        return [snapshot(self._count)]


class RoomSession:
    """A session that runs."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def stop_recording(self) -> None: ...
    def want(self, products: frozenset[Product]) -> None: ...
    def start_recording(self, recorder: object, limits: object) -> None: ...

    def mark(self, text: str) -> Event:
        raise NotImplementedError

    def events_since(self, seen: int) -> tuple[list[Event], int]:
        return [], seen

    def health(self) -> Health:
        return HEALTHY

    def subscribe(self, capacity: int) -> Taken:
        return Taken()


def placed_feed() -> SessionFeed:
    return SessionFeed(RoomSession(), placement=PLACED)


def walls_of(window: MainWindow) -> list[list[float]]:
    """Return the corners that the plan draws."""
    plan = window.views.docks["plan"].view
    assert isinstance(plan, PlanView)
    x, y = plan.walls
    return np.stack([x, y], axis=-1).tolist() if len(x) else []


def test_walls_are_in_the_frame_of_the_sensor() -> None:
    assert NOT_PLACED.walls_m.shape == (0, 2)
    assert PLACED.walls_m.tolist() == [[-5.0, -0.5], [3.0, -0.5], [3.0, 6.5], [-5.0, 6.5], [-5.0, -0.5]]


def test_a_feed_says_where_its_sensor_stands(make_feed: Callable[..., object]) -> None:
    assert placement_of(None) == NOT_PLACED
    assert placement_of(placed_feed()) == PLACED
    assert placement_of(ReconnectingFeed(placed_feed)) == PLACED


def test_the_plan_draws_the_walls_also_in_other_colours(app: QApplication, make_feed: Callable[..., object]) -> None:
    opening = Opening(placed_feed, "sim://awr1642")
    window = MainWindow(opening)
    try:
        window.resize(1280, 720)
        opening.start()
        window.show()
        spin_until(lambda: window.shows_frame)
        assert walls_of(window) == PLACED.walls_m.tolist()
        window.set_theme("light")
        spin(50)
        assert window.theme is LIGHT
        assert walls_of(window) == PLACED.walls_m.tolist()
        # Another source has a room of its own, or none.
        window.switch(lambda: make_feed(50), "other")  # type: ignore[arg-type, return-value]
        spin_until(lambda: window.feed is not None and window.shows_frame)
        assert walls_of(window) == []
    finally:
        window.close()
        window.deleteLater()
        spin(10)


def test_a_file_with_a_room_is_drawn(app: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, shown = tmp_path / "room.toml", []
    room.write_text(TOML)
    original = MainWindow.picture

    def picture(window: MainWindow) -> bytes:
        shown.append(walls_of(window))
        return original(window)

    monkeypatch.setattr(MainWindow, "picture", picture)
    url = "sim://awr1642?scene=walker&speed=max&pose=1,0.5,0"
    assert run(["view", url, "--room", str(room), "--screenshot", str(tmp_path / "a.png"), "--after", "0.1s"]) == 0
    assert shown == [PLACED.walls_m.tolist()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "room.toml"),
        ("x = ", "no TOML"),
        ("[session]\nname = 'x'\n", "has no [room]"),
        ("[room]\ncorners_m = [[0, 0], [1, 1]]\n", "2 corners"),
        ("[rooms]\n", "no key 'rooms'"),
    ],
)
def test_a_file_without_a_room_is_refused_before_anything_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    room = tmp_path / "room.toml"
    if text is not None:
        room.write_text(text)
    assert run(["view", "sim://awr1642", "--room", str(room), "--screenshot", str(tmp_path / "a.png")]) in (2, 5)
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[0]
    assert "room.toml" in lines[0]
    assert lines[1].startswith("  -> ")
