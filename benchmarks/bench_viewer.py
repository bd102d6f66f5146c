r"""Cost of the viewer's paints, view by view, and how often the whole window paints.

    QT_QPA_PLATFORM=offscreen python benchmarks/bench_viewer.py
    QT_QPA_PLATFORM=offscreen python benchmarks/bench_viewer.py --tracks 50 --seconds 30 --skip-views

The first table has the CPU time of one new result in each view, alone in a window of 900 x 600: to take the snapshot
over ("show") and to paint it, milliseconds, each the least of the medians of --rounds rounds. Radar views get a map of
128 ranges and 64 velocities and --tracks tracks with trails; views of the radio what the simulated one gives. The
baseline is what one writes with pyqtgraph at first: an image, a scatter plot, and for each track a curve and a text.

The second table runs windows at the viewer's own pace, where a new result comes for each tick of its clock: paints of
map and plan a second as Qt delivers them, and the CPU time of the whole process, Qt's included, over the time that
passed.

The third table runs the whole program on simulated devices at their own pace: what the viewer measures of itself, from
the arrival of a frame's last packet to the end of the paint that shows it, and what it skipped.

All is drawn in memory, without a screen and without a graphics card.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import viewer_scene

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QEventLoop, QObject, QRectF, Qt, QTimer, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QGraphicsView, QHBoxLayout, QWidget

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.drivers.registry import open_device
from isactrack.gui.models.feed import Opening, SessionFeed
from isactrack.gui.models.levels import track_colour
from isactrack.gui.models.paint_clock import PaintClock, PaintStats
from isactrack.gui.models.strokes import TRAIL_LENGTH
from isactrack.gui.models.theme import DARK
from isactrack.gui.models.views import VIEWS
from isactrack.gui.qt.main_window import TICK_MS, MainWindow
from isactrack.gui.qt.style import apply_theme
from isactrack.gui.qt.view_dock import Look
from isactrack.units import power_to_db

RADIO_VIEWS = ("map", "impulse", "micro_doppler")
SIZE = (900, 600)
FRAMES = 40
MAP_AND_PLAN = "map and plan"


class PaintCounter(QObject):
    """Counts the paint events of what it watches."""

    def __init__(self, *watched: QObject) -> None:
        super().__init__()
        self.counts = dict.fromkeys(watched, 0)
        for one in watched:
            one.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Count."""
        if event.type() is QEvent.Type.Paint and watched in self.counts:
            self.counts[watched] += 1
        return super().eventFilter(watched, event)


class Baseline(QWidget):
    """Map and plan as a competent user of pyqtgraph draws them at first: items for each track."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = pg.PlotWidget(), pg.PlotWidget()
        layout = QHBoxLayout(self)
        for plot in (self.left, self.right):
            layout.addWidget(plot)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setColorMap(pg.colormap.get("viridis"))
        self.left.addItem(self._image)
        self._detections, self._tracks = pg.ScatterPlotItem(size=6), pg.ScatterPlotItem(size=11)
        self.right.setAspectLocked(True)
        for item in (self._detections, self._tracks):
            self.right.addItem(item)
        self._curves: dict[int, Any] = {}
        self._texts: dict[int, Any] = {}

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last one, with trails."""
        snapshot = history[-1]
        spectrum: Any = snapshot.spectrum
        r, v = spectrum.range_axis_m, spectrum.velocity_axis_mps
        self._image.setImage(power_to_db(spectrum.power), autoLevels=False, levels=(-20.0, 20.0))
        self._image.setRect(QRectF(r[0], v[0], r[-1] - r[0], v[-1] - v[0]))
        self._detections.setData(pos=snapshot.detections.position_m)
        self._tracks.setData(pos=np.array([track.position_m for track in snapshot.tracks]))
        for track in snapshot.tracks:
            key = track.track_id
            if key not in self._curves:
                self._curves[key] = self.right.plot(pen=track_colour(key, light=False))
                self._texts[key] = pg.TextItem(str(key))
                self.right.addItem(self._texts[key])
            trail = np.array([before.tracks[key - 1].position_m for before in history])
            self._curves[key].setData(trail)
            self._texts[key].setPos(*track.position_m)


# --- one view --------------------------------------------------------------------------------------------------------


def cost_ms(app: QApplication, widget: Any, snapshots: list[Snapshot], length: int, rounds: int) -> tuple[float, float]:
    """Return CPU time to show a snapshot and to paint it, ms: least of the medians of the rounds."""
    widget.resize(*SIZE)
    widget.show()
    shows, paints = [], []
    for turn in range(rounds):
        show_s, paint_s = [], []
        for k in range(FRAMES):
            at = len(snapshots) - (rounds - turn) * FRAMES + k
            history = snapshots[max(0, at - length + 1) : at + 1]
            began = time.process_time()
            widget.show_snapshots(history)
            shown = time.process_time()
            app.processEvents()
            show_s.append(shown - began)
            paint_s.append(time.process_time() - shown)
        shows.append(np.median(show_s))
        paints.append(np.median(paint_s))
    widget.hide()
    return 1e3 * float(min(shows)), 1e3 * float(min(paints))


def print_views(app: QApplication, crowd: list[Snapshot], radio: list[Snapshot], rounds: int) -> None:
    """Print the cost of each view."""
    print(f"{'view':34} {'show ms':>8} {'paint ms':>9} {'both':>7}")
    look = Look(DARK)
    for entry in VIEWS:
        for name, snapshots in (("radar", crowd), ("radio", radio)):
            if (name == "radio" and entry.name not in RADIO_VIEWS) or (name == "radar" and entry.name == "impulse"):
                continue
            view = entry.load()(DARK)
            look.tell(view)
            view.set_reach(12.0, 12.0)
            show, paint = cost_ms(app, view, snapshots, view.history_length, rounds)
            print(f"{entry.title + ', ' + name:34} {show:8.2f} {paint:9.2f} {show + paint:7.2f}", flush=True)
            view.deleteLater()
    baseline = Baseline()
    show, paint = cost_ms(app, baseline, crowd, TRAIL_LENGTH, rounds)
    print(f"{'baseline: map and plan, radar':34} {show:8.2f} {paint:9.2f} {show + paint:7.2f}", flush=True)


# --- a whole window --------------------------------------------------------------------------------------------------


def run(seconds: float, viewports: Sequence[QObject], work: Callable[[], None] | None) -> tuple[list[float], float]:
    """Let Qt run; return paints a second of each viewport, and CPU time over time."""
    loop, timer = QEventLoop(), QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    if work is not None:
        timer.timeout.connect(work)
        timer.start(TICK_MS)
    QTimer.singleShot(2000, loop.quit)  # until caches are warm
    loop.exec()
    counter = PaintCounter(*viewports)
    QTimer.singleShot(round(1e3 * seconds), loop.quit)
    cpu, began = time.process_time(), time.monotonic()
    loop.exec()
    passed = time.monotonic() - began
    return [count / passed for count in counter.counts.values()], (time.process_time() - cpu) / passed


def run_window(
    snapshots: list[Snapshot], layout: str, size: tuple[int, int], seconds: float
) -> tuple[list[float], float]:
    """Run the viewer's window in a layout."""
    feed = viewer_scene.ListFeed(snapshots)
    opening = Opening(lambda: feed, "bench")
    window = MainWindow(opening, DARK)
    window.resize(*size)
    window.layouts.show_layout("Capture" if layout == MAP_AND_PLAN else layout)
    if layout == MAP_AND_PLAN:
        for name, dock in window.views.docks.items():
            dock.setVisible(name in ("map", "plan"))
    opening.start()
    window.show()
    ports = [
        dock.view.findChildren(QGraphicsView)[0].viewport()
        for name in ("map", "plan")
        if (dock := window.views.docks[name]).view is not None and not dock.isHidden()
    ]
    result = run(seconds, ports, None)
    window.close()
    window.deleteLater()
    return result


def run_baseline(snapshots: list[Snapshot], size: tuple[int, int], seconds: float) -> tuple[list[float], float]:
    """Run the baseline at the same pace."""
    baseline = Baseline()
    baseline.resize(*size)
    baseline.show()
    at = TRAIL_LENGTH

    def show() -> None:
        nonlocal at
        at = at + 1 if at + 1 < len(snapshots) else TRAIL_LENGTH
        baseline.show_snapshots(snapshots[at - TRAIL_LENGTH + 1 : at + 1])

    result = run(seconds, [plot.viewport() for plot in (baseline.left, baseline.right)], show)
    baseline.close()
    return result


def print_windows(crowd: list[Snapshot], radio: list[Snapshot], seconds: float) -> None:
    """Print what whole windows cost."""
    print(f"\n{'window':44} {'paints/s':>14} {'CPU, % of a core':>17}")
    cases = [
        (f"{layout}, {name}, {size[0]} x {size[1]}", snapshots, layout, size)
        for size in ((1280, 720), (1920, 1080))
        for layout, name, snapshots in (
            (MAP_AND_PLAN, "radar", crowd), ("Capture", "radar", crowd), ("Debug", "radar", crowd),
            ("Debug", "radio", radio),
        )
    ]  # fmt: skip
    for title, snapshots, layout, size in cases:
        print_run(title, *run_window(snapshots, layout, size, seconds))
        if layout == MAP_AND_PLAN:
            print_run(f"baseline, map and plan, {size[0]} x {size[1]}", *run_baseline(crowd, size, seconds))


# --- a whole program -------------------------------------------------------------------------------------------------


def run_program(url: str, layout: str, seconds: float) -> tuple[PaintStats, Health]:
    """Show a device; return what the viewer measured of itself, and the session's health."""
    device = open_device(url)
    session = Session(device, pipeline=Pipeline(device.configure()))
    window = MainWindow(Opening(lambda: SessionFeed(session), url), DARK)
    window.resize(1280, 720)
    window.layouts.show_layout(layout)
    window.opening.start()
    window.show()
    loop = QEventLoop()
    # What came while caches were cold is measured too, but not counted.
    QTimer.singleShot(5000, lambda: setattr(window.stream, "paint_clock", PaintClock()))
    QTimer.singleShot(5000 + round(1e3 * seconds), loop.quit)
    loop.exec()
    result = window.paint_clock.stats(), session.health()
    window.close()
    window.deleteLater()
    return result


def print_latencies(seconds: float) -> None:
    """Print from the last packet to the paint."""
    head = ("last packet to paint, 1280 x 720", "frames/s", "paints/s", "p50 ms", "p99 ms", "skipped")
    print("\n{:58} {:>9} {:>9} {:>7} {:>7} {:>8}".format(*head))
    for url in ("sim://awr1642?scene=crossing&seed=0", "sim://bistatic?scene=lab-crossing&seed=0"):
        for layout in ("Capture", "Debug"):
            paint, health = run_program(url, layout, seconds)
            measured = (health.frame_rate_hz, paint.rate_hz, paint.latency_p50_ms, paint.latency_p99_ms, paint.skipped)
            row = "{:58} {:9.1f} {:9.1f} {:7.1f} {:7.1f} {:8}"
            print(row.format(f"{url}, {layout}", *measured), flush=True)


def print_run(title: str, paints_hz: list[float], core: float) -> None:
    """Print one row."""
    print(f"{title:44} {' / '.join(f'{one:.1f}' for one in paints_hz):>14} {100 * core:17.1f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run of a window")
    parser.add_argument("--skip-views", action="store_true", help="not the first table")
    parser.add_argument("--skip-windows", action="store_true", help="not the second table")
    args = parser.parse_args()
    qInstallMessageHandler(lambda *_: None)  # the platform without a screen says what it cannot do
    app = QApplication(["bench"])
    apply_theme(app, DARK)
    crowd, radio = viewer_scene.crowd(600, args.tracks), viewer_scene.radio(600)
    print(f"{args.tracks} tracks with trails of {TRAIL_LENGTH}, map of 128 x 64; without a screen")
    if not args.skip_views:
        print_views(app, crowd, radio, args.rounds)
    if not args.skip_windows:
        print_windows(crowd, radio, args.seconds)
    print_latencies(args.seconds)


if __name__ == "__main__":
    main()
