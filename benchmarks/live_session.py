"""A whole program for `bench_receiver.py --with-viewer`: session, recording, pipeline and viewer on one stream."""

import ctypes
import gc
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.drivers.awr1642 import receiver as receiver_module
from isactrack.drivers.awr1642.dca1000 import Addresses
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.awr1642.receiver import Receiver, ThreadSource
from isactrack.drivers.device import Device, DeviceInfo, DeviceStats
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.recordings import RecordingHeader, RecordingWriter
from isactrack.source import Source

if TYPE_CHECKING:
    from isactrack.gui.qt.docks import DockArea

LOOK_MS = 20
STALL_EVERY_MS = 1000
RESIZE_MS = 40
LEAST_SIZE, MOST_SIZE = (1280, 720), (1920, 1080)
"""Sizes of the window between which it swings while it is resized."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is tried: who reads the socket, the buffer that is asked for, and how long the interpreter is held.

    In a busy window every view is open, none behind another, and its size changes without a pause.
    """

    form: str
    buffer_bytes: int
    stall_ms: int
    busy_window: bool = False

    @property
    def name(self) -> str:
        """For the table."""
        stall = f", held {self.stall_ms} ms each s" if self.stall_ms else ""
        busy = ", all views, resized" if self.busy_window else ""
        return f"{self.form}, {self.buffer_bytes >> 10} KiB{stall}{busy}"


CASES = (
    Case("process", 64 << 20, 0),
    Case("process", 64 << 20, 0, busy_window=True),
    Case("process", 64 << 20, 300),
    Case("process", 104 << 10, 300),  # the kernel takes it twice: the 208 KiB of an ordinary user
    Case("thread", 64 << 20, 300),
    Case("thread", 104 << 10, 300),
)


def bench_sensor(shape: tuple[int, int, int, int]) -> FmcwSensor:
    """Return the default sensor with frames of another shape."""
    return replace(parse_profile(default_profile()), loops_per_frame=shape[0], samples_per_chirp=shape[3])


def write_scene(path: Path, sensor: FmcwSensor, frames: int) -> None:
    """Write frames of two people who cross, as the card would send them."""
    synthesiser = Synthesiser(sensor, make_scene("crossing"))
    with path.open("wb") as file:
        for index in range(frames):
            file.write(synthesiser.frame(index).astype("<i2").tobytes())


class BenchDevice(Device):
    """The driver's receiver as a device: what the benchmark's sender sends, until it is silent."""

    def __init__(self, addresses: Addresses, sensor: FmcwSensor, ready: Callable[[], object], silence_s: float) -> None:
        super().__init__()
        self._addresses, self._bench_sensor, self._ready, self._silence_s = addresses, sensor, ready, silence_s
        self.receiver: Receiver | None = None

    @property
    def info(self) -> DeviceInfo:
        """See `Device.info`."""
        return DeviceInfo(url="bench", model="AWR1642", source=Source.SIMULATED, origin=Source.SIMULATED)

    @property
    def stats(self) -> DeviceStats:
        """See `Device.stats`."""
        return replace(self.receiver.stats) if self.receiver else DeviceStats()

    def _configure(self, profile: str | None) -> FmcwSensor:
        return self._bench_sensor

    def _start(self) -> None:
        self.receiver = Receiver(self._addresses, self._bench_sensor)
        self._ready()

    def _read(self, timeout_s: float | None) -> Frame | None:
        receiver = self.receiver
        assert receiver is not None
        while (frame := receiver.take(0.1)) is None and not receiver.ended:
            if receiver.position > 0 and time.monotonic() - receiver.heard_s > self._silence_s:
                receiver.close()
        return frame

    def _stop(self) -> None:
        if self.receiver is not None:
            self.receiver.close()

    def _close(self) -> None:
        self._stop()


def run_live(
    case: Case, addresses: Addresses, sensor: FmcwSensor, recording: Path, ready: Callable[[], float], silence_s: float
) -> dict[str, Any]:
    """Record, track and paint what comes, and return what became of it."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer, qInstallMessageHandler
    from PySide6.QtWidgets import QApplication, QGraphicsView

    from isactrack.gui.models.feed import Opening, SessionFeed
    from isactrack.gui.models.theme import DARK
    from isactrack.gui.qt.app import quick_switching
    from isactrack.gui.qt.main_window import MainWindow
    from isactrack.gui.qt.style import apply_theme

    class PaintCounter(QObject):
        count = 0

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            self.count += event.type() is QEvent.Type.Paint
            return super().eventFilter(watched, event)

    if case.form == "thread":
        receiver_module.open_source = ThreadSource
    receiver_module.RECEIVE_BUFFER_BYTES = case.buffer_bytes  # type: ignore[misc]
    qInstallMessageHandler(lambda *_: None)  # the platform without a screen says what it cannot do
    app = QApplication(["bench"])
    apply_theme(app, DARK)
    device = BenchDevice(addresses, sensor, ready, silence_s)
    device.configure()
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="bench", device_model="AWR1642"
    )
    writer = RecordingWriter(recording, header)
    session = Session(device, recorder=writer, pipeline=Pipeline(sensor))
    window = MainWindow(Opening(lambda: SessionFeed(session), "bench"), DARK)
    window.resize(*LEAST_SIZE)
    if case.busy_window:
        open_every_view(window.views)
    counter = PaintCounter()
    window.views.docks["map"].view.findChildren(QGraphicsView)[0].viewport().installEventFilter(counter)  # type: ignore[union-attr]
    loop = QEventLoop()
    pictures: set[int] = set()

    def look() -> None:
        if window.timeline.current is not None:
            pictures.add(window.timeline.current.frame_counter)
        if window.health is not None and not window.health.running and window.health.frames:
            loop.quit()

    def stall() -> None:
        gc.collect()
        ctypes.PyDLL(None).usleep(1000 * case.stall_ms)  # keeps the lock, as a long call into an extension does

    def resize() -> None:
        share = 0.5 - 0.5 * math.cos(2.0 * math.pi * time.monotonic() / 4.0)
        sides = (round(a + share * (b - a)) for a, b in zip(LEAST_SIZE, MOST_SIZE, strict=True))
        window.resize(*sides)

    works = [(LOOK_MS, look)]
    if case.stall_ms:
        works.append((STALL_EVERY_MS, stall))
    if case.busy_window:
        works.append((RESIZE_MS, resize))
    for interval_ms, work in works:
        timer = QTimer(window)
        timer.timeout.connect(work)
        timer.start(interval_ms)
    window.opening.start()
    window.show()
    with quick_switching():
        loop.exec()
    health, stats, painted = session.health(), device.stats, window.paint_clock.stats()
    window.close()
    return {
        "received_bytes": (stats.frames + stats.missing_frames) * sensor.frame_bytes - stats.lost_bytes,
        "overruns": stats.overruns,
        "recorded": writer.frames_written,
        "skipped": health.pipeline_skipped,
        "elapsed_s": health.elapsed_s,
        "paints": counter.count,
        "pictures": len(pictures),
        "display_skipped": health.viewer_skipped + painted.skipped,
        "latency_p50_ms": painted.latency_p50_ms,
        "latency_p99_ms": painted.latency_p99_ms,
    }


def open_every_view(area: "DockArea") -> None:
    """Lay all views beside and below one another, so that all of them are drawn."""
    from PySide6.QtCore import Qt

    docks = list(area.docks.values())
    half = -(-len(docks) // 2)
    for dock in docks:
        area.removeDockWidget(dock)
    area.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, docks[0])
    for left, right in pairwise(docks[:half]):
        area.splitDockWidget(left, right, Qt.Orientation.Horizontal)
    for upper, lower in zip(docks[:half], docks[half:], strict=False):
        area.splitDockWidget(upper, lower, Qt.Orientation.Vertical)
    for dock in docks:
        dock.show()
