"""Every state of the window as a picture in both sizes; nothing in it is clipped, overlaps or cannot be read."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QLineEdit, QPushButton, QScrollArea, QWidget

from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import DeviceNotFoundError, DeviceTimeoutError
from isactrack.gui.models.connect import Sources
from isactrack.gui.models.exporting import ExportKind
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.health_text import NOTHING_OPEN
from isactrack.gui.models.reconnect import ReconnectingFeed
from isactrack.gui.models.theme import DARK, LIGHT, Theme
from isactrack.gui.models.tuning import Settings, Tuning, TuningModel
from isactrack.gui.qt.export_dialog import ExportDialog
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.map_view import MapView
from isactrack.gui.qt.style import apply_theme, make_plot
from isactrack.gui.qt.tuning_panel import TuningPanel
from isactrack.source import Source
from tests.gui.conftest import HEALTHY, SyntheticFeed, radio_snapshot
from tests.gui.loops import spin, spin_until
from tests.gui.shots import defects, shoot
from tests.gui.test_connect import BOARD, RADIO, SIMULATED
from tests.gui.test_record_bar import RecordableFeed
from tests.gui.test_tuning_and_export_widgets import RADAR
from tests.gui.test_view_models import with_channel
from tests.gui.test_window_reconnect import Cable

SIZES = (pytest.param((1280, 720), id="1280"), pytest.param((1920, 1080), id="1920", marks=pytest.mark.slow))
CTRL = Qt.KeyboardModifier.ControlModifier
URL = "sim://awr1642?scene=crossing&seed=7"
RADIO_HEALTH = replace(
    HEALTHY, url="sim://bistatic?scene=lab-crossing", model="Bistatic 26 GHz", recording_path=None,
    nominal_rate_hz=250.0, frame_rate_hz=249.6,
)  # fmt: skip


class Stage:
    """A window that stands still at a state, and what it is shown with."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.windows: list[MainWindow] = []

    def window(
        self, open_feed: Callable[[], Feed], name: str = URL, theme: Theme = DARK, sources: Sources | None = None
    ) -> MainWindow:
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        apply_theme(application, theme)
        opening = Opening(open_feed, name)
        window = MainWindow(opening, theme, sources=sources)
        self.windows.append(window)
        window.resize(*self.size)
        if name != NOTHING_OPEN:
            opening.start()
        window.show()
        return window

    def live(self, feed: SyntheticFeed | None = None, *, layout: int = 1, **options: Any) -> MainWindow:
        """Return a window that has shown 40 frames of a live radar."""
        feed = feed or RecordableFeed(per_poll=4)
        window = self.window(lambda: feed, **options)
        spin_until(lambda: window.shows_frame and window.status_badge.isVisible())
        QTest.keyClick(window, getattr(Qt.Key, f"Key_{layout}"), CTRL)
        spin_until(lambda: len(window.timeline) >= 40)
        feed._per_poll = 1
        spin_until(lambda: window.shows_frame)
        return window


@pytest.fixture(params=SIZES)
def stage(request: pytest.FixtureRequest, app: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    target = "isactrack.gui.models.recording."
    monkeypatch.setattr(f"{target}RecordingControl.suggested_path", lambda _self: Path("/srv/lab/walk-003.h5"))
    monkeypatch.setattr(f"{target}check_target", lambda _path: None)
    monkeypatch.setattr("isactrack.gui.models.connect.list_devices", lambda: [BOARD, SIMULATED])
    stage = Stage(request.param)
    yield stage
    for window in stage.windows:
        window.close()
        window.deleteLater()
    spin(10)


@pytest.fixture
def shot(stage: Stage, shots: Path) -> Callable[..., None]:
    """Take a picture named after the state and the size."""

    def take(widget: QWidget, state: str) -> None:
        shoot(widget, shots, f"state-{state}-{stage.size[0]}")
        window = stage.windows[-1]
        assert (window.width(), window.height()) == stage.size  # nothing forces it larger

    return take


Shot = Callable[[QWidget, str], None]


@pytest.mark.parametrize(("key", "layout"), [(1, "capture"), (2, "tracking"), (3, "debug")])
def test_live(stage: Stage, shot: Shot, key: int, layout: str) -> None:
    shot(stage.live(layout=key), f"live-{layout}")


def test_light(stage: Stage, shot: Shot) -> None:
    shot(stage.live(layout=3, theme=LIGHT), "light")


@pytest.mark.parametrize(("key", "layout"), [(1, "capture"), (3, "debug")])
def test_radio(stage: Stage, shot: Shot, key: int, layout: str) -> None:
    feed = SyntheticFeed(health=RADIO_HEALTH, make=lambda k: with_channel(radio_snapshot(k)), per_poll=4)
    window = stage.live(feed, layout=key, name=RADIO_HEALTH.url)
    if layout == "debug":
        QTest.keyClick(window, Qt.Key.Key_5)
        spin(60)
    shot(window, f"radio-{layout}")


@pytest.mark.parametrize(("key", "name"), [(1, "beside"), (2, "overlaid"), (3, "combined")])
def test_two_sensors(stage: Stage, shot: Shot, key: int, name: str) -> None:
    window = stage.live()
    radio = SyntheticFeed(health=RADIO_HEALTH, make=lambda k: with_channel(radio_snapshot(k)))
    window.add_sensor(lambda: radio, RADIO_HEALTH.url)
    spin_until(lambda: window.shows_frame and all(pane.head.badge.isVisible() for pane in window.sensors.panes))
    QTest.keyClick(window, getattr(Qt.Key, f"Key_{key}"), Qt.KeyboardModifier.AltModifier)
    spin(200)
    shot(window, f"two-{name}")


def test_recording_marker_and_pause(stage: Stage, shot: Shot) -> None:
    window = stage.live()
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: "free" in window.record_bar.status.text())
    shot(window, "recording")
    QTest.keyClick(window, Qt.Key.Key_M)
    QTest.keyClicks(window.marker_note.line, "someone opens the door")
    shot(window, "marker")
    QTest.keyClick(window.marker_note.line, Qt.Key.Key_Return)
    QTest.keyClick(window, Qt.Key.Key_Space)
    spin_until(lambda: "behind" in window.transport.live_button.text())
    shot(window, "paused")


def test_file_and_export(stage: Stage, shot: Shot) -> None:
    health = replace(HEALTHY, url="walk.h5", source=Source.REPLAY, recording_path=None)
    feed = SyntheticFeed(60, live=False, per_poll=60, health=health)
    window = stage.window(lambda: feed, name="walk.h5")
    spin_until(lambda: window.shows_frame and window.timeline.ended)
    QTest.keyClick(window, Qt.Key.Key_Space)
    window.transport.seek_requested.emit(42)
    shot(window, "file")
    QTest.keyClick(window, Qt.Key.Key_E, CTRL)
    dialog = window.findChild(ExportDialog)
    assert isinstance(dialog, ExportDialog)
    dialog.choose(ExportKind.MP4)
    dialog.file.setText("walk.mp4")
    shot(dialog, "export")
    dialog.close()


def test_tuning(stage: Stage, shot: Shot) -> None:
    window = stage.live()
    QTest.keyClick(window, Qt.Key.Key_U)
    shot(window, "tuning-nothing")
    window.timer.stop()  # it would find that nothing behind this feed can be tuned
    model = TuningModel(Settings.default(RADAR))
    window.tuning.tuning = Tuning(model, RADAR, URL, None)
    window.tuning.set_theme(window.theme)
    panel = window.tuning.panel
    assert isinstance(panel, TuningPanel)
    spin(30)
    editor = panel.rows["chain.p_fa"].editor
    assert isinstance(editor, QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "7")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert panel.rows["chain.p_fa"].reason.isVisible()
    shot(window, "tuning")


def test_messages(stage: Stage, shot: Shot) -> None:
    window = stage.live()
    window.toasts.info("exported /srv/lab/tracks.csv")
    window.report(
        DeviceTimeoutError(
            "the capture card did not answer within 2 s",
            "check that its address is 192.168.33.180, and the network cable: isactrack doctor",
        )
    )
    spin_until(lambda: len(window.toast_stack.cards) == 2)
    shot(window, "message")


def test_worried(stage: Stage, shot: Shot) -> None:
    feed = RecordableFeed(per_poll=4)
    window = stage.live(feed)
    feed.start_recording(Path("/srv/lab/awr1642-20260504T093012Z.h5"), RecordingLimits())
    feed.state = replace(
        feed.state, latency_p50_ms=1234.0, latency_p99_ms=23456.0, lost_bytes=123_456_789, lost_share=0.1234,
        incomplete_frames=12345, recorder_queue=123, disk_free_bytes=77_600_000_000, frame_rate_hz=12.3,
    )  # fmt: skip
    spin_until(lambda: bool(window.health_panel.worry_text) and "free" in window.record_bar.status.text())
    shot(window, "worried")


def test_lost(stage: Stage, shot: Shot) -> None:
    cable = Cable()
    window = stage.window(lambda: ReconnectingFeed(cable.open, (5.0,)), "awr1642://auto")
    spin_until(lambda: window.shows_frame and len(window.timeline) > 20)
    QTest.keyClick(window, Qt.Key.Key_R)
    spin_until(lambda: window.record_bar.is_recording and "free" in window.record_bar.status.text())
    cable.pull()
    spin_until(lambda: "goes on in a file" in window.lost_banner.text)
    shot(window, "lost")


def test_failed_view(stage: Stage, shot: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    window = stage.live()

    def fail(_view: MapView, _history: list[Snapshot]) -> None:
        raise ValueError("operands could not be broadcast together with shapes (64,128) (64,64)")

    monkeypatch.setattr(MapView, "show_snapshots", fail)
    spin_until(lambda: bool(window.views.errors) and bool(window.toast_stack.cards))
    shot(window, "failed-view")


def test_help(stage: Stage, shot: Shot) -> None:
    window = stage.live()
    QTest.keyClick(window, Qt.Key.Key_F1)
    shot(window, "help")


def test_nothing_open_and_the_dialog(stage: Stage, shot: Shot) -> None:
    window = stage.window(SyntheticFeed, NOTHING_OPEN, sources=Sources(lambda _choice: SyntheticFeed(), Path.read_text))
    shot(window, "empty")
    QTest.keyClick(window, Qt.Key.Key_N, CTRL)
    assert window.chooser is not None
    dialog = window.chooser.dialog
    assert dialog is not None
    spin_until(lambda: dialog.start_button.isEnabled())
    shot(dialog, "connect")
    dialog.set_profile(RADIO)
    dialog.profile_label.set_text("/srv/lab/radio.toml")
    shot(dialog, "connect-refused")
    dialog.reject()


def test_connecting_and_refused(stage: Stage, shot: Shot) -> None:
    answers: list[bool] = []

    def open_feed() -> Feed:
        while not answers:
            time.sleep(0.01)
        raise DeviceNotFoundError(
            "there is no radar board on USB",
            "plug in its USB cable and its power; isactrack devices lists what is there",
        )

    window = stage.window(open_feed, "awr1642://auto")
    spin(60)
    shot(window, "connecting")
    answers.append(True)
    spin_until(lambda: window.error is not None)
    spin_until(lambda: window.empty.error_box.isVisible())
    shot(window, "refused")


# --- what the check finds --------------------------------------------------------------------------------------------


@pytest.fixture
def box(app: QApplication) -> Iterator[QWidget]:
    box = QWidget()
    box.resize(300, 100)
    yield box
    box.close()
    box.deleteLater()


def test_the_check_finds_what_is_clipped_overlaps_and_is_cut_off(box: QWidget) -> None:
    row = QHBoxLayout(box)
    label, button = QLabel("a text that is far too long for its room"), QPushButton("Press")
    row.addWidget(label)
    row.addWidget(button)
    box.show()
    spin(20)
    assert defects(box) == []
    label.setFixedWidth(60)
    spin(20)
    assert [line.split(":")[0] for line in defects(box)] == ["clipped"]
    label.setText("short")
    button.move(label.x() + 10, label.y())
    assert [line.split(" ")[0] for line in defects(box)] == ["overlap"]
    button.move(280, 20)
    assert [line.split(" ")[0] for line in defects(box)] == ["outside"]


def test_the_check_finds_labels_of_axes_and_scrolled_contents_that_lack_room(box: QWidget) -> None:
    row = QHBoxLayout(box)
    plot, _ = make_plot(DARK, "x (m)", "Level under direct path (dB)")
    row.addWidget(plot)
    box.resize(300, 300)
    box.show()
    spin(20)
    assert defects(box) == []
    box.resize(300, 140)
    box.grab()  # where labels stand is found out when they are drawn
    assert [line for line in defects(box) if "'Level under" in line]
    area = QScrollArea()
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    wide = QLabel("wide")
    wide.setMinimumWidth(600)
    area.setWidget(wide)
    row.addWidget(area)
    spin(20)
    assert any("what scrolls" in line for line in defects(box))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_all_texts_stand_out_from_what_is_behind_them(theme: Theme) -> None:
    texts = ("text", "muted", "warn", "bad", "ok", "accent", "simulated")
    for text, ground in product(texts, ("window", "panel", "plot", "raised")):
        assert contrast(getattr(theme, text), getattr(theme, ground)) >= 4.5, f"{text} on {ground}"
    assert contrast(theme.window, theme.warn) >= 4.5  # the banner of a lost device


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
