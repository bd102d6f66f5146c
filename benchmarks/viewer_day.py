r"""A day at the viewer, compressed: a simulated radar at --speed, all views, and somebody who uses them.

    python benchmarks/soak.py --period 20 --warm-up 0.35 -- python benchmarks/viewer_day.py --hours 8

`soak.py` watches memory; the window's own grows until its line of time is full, which takes 6000 results. The device
sends frames of --loops chirps and --samples samples, one each --period-ms of its clock, through the wire, driver,
session, chain and tracker to the window, which draws all its views, none behind another, --paints times a second.
Every ten minutes of the device, one is recorded, with a marker; every five minutes the display is paused, moved back
and let go; every twenty minutes the theme, the layout or the colour map changes. What was counted is printed as JSON
at the end.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import live_session
from PySide6.QtCore import QEventLoop, QTimer, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from isactrack.acquisition.header import describe_device
from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.session import Session
from isactrack.drivers.awr1642.profile import default_profile
from isactrack.drivers.registry import open_device
from isactrack.gui.models.feed import Opening, SessionFeed
from isactrack.gui.models.theme import DARK
from isactrack.gui.qt.main_window import MainWindow
from isactrack.gui.qt.style import apply_theme
from isactrack.recordings import RecordingWriter

LOOK_MS = 200


class User:
    """Uses the window, by the device's clock.

    Parameters
    ----------
    window
        The window.
    feed
        Its feed.
    folder
        Where recordings go; each is deleted when the next one begins.
    """

    def __init__(self, window: MainWindow, feed: SessionFeed, folder: Path) -> None:
        self.recordings, self.recorded_frames, self.told = 0, 0, 0
        self._window, self._feed, self._folder = window, feed, folder
        self._due_min = {"record": 1.0, "look back": 2.0, "change": 3.0}
        self._changes = itertools.cycle(("theme", "colour_map", "layout"))
        self._paused_s: float | None = None

    def look(self, minute: float) -> None:
        """Do what is due at a minute of the device."""
        if self._paused_s is not None:
            if time.monotonic() - self._paused_s > 1.0:
                self._window.timeline.go_live()
                self._paused_s = None
            return
        for name, every_min, work in (
            ("record", 10.0, self._record), ("look back", 5.0, self._look_back), ("change", 20.0, self._change)
        ):  # fmt: skip
            if minute >= self._due_min[name]:
                self._due_min[name] = minute + every_min
                work()

    def _record(self) -> None:
        health = self._feed.health()
        if health.recording:
            return
        self.recorded_frames += health.recorded_frames
        for former in self._folder.glob("*.h5"):
            former.unlink()
        self.recordings += 1
        self._feed.start_recording(self._folder / f"day-{self.recordings}.h5", RecordingLimits(duration_s=60.0))
        self._feed.mark(f"recording {self.recordings}")

    def _look_back(self) -> None:
        self._window.timeline.pause()
        self._window.timeline.step(-100)
        self._paused_s = time.monotonic()

    def _change(self) -> None:
        what = next(self._changes)
        if what == "theme":
            self._window.set_theme("light" if not self._window.theme.light else "dark")
        elif what == "colour_map":
            self._window.set_colour_map("cividis" if self._window.settings.colour_map == "viridis" else "viridis")
        else:
            self._window.layouts.show_layout("Tracking")
            live_session.open_every_view(self._window.views)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=8.0, help="on the device's clock")
    parser.add_argument("--speed", type=float, default=20.0, help="of the device's clock against the one on the wall")
    parser.add_argument("--scene", default="crossing")
    parser.add_argument("--paints", type=float, default=4.0, help="paints a second, by the clock on the wall")
    parser.add_argument("--period-ms", type=int, default=100, help="period of the frames on the device's clock")
    parser.add_argument("--loops", type=int, default=16)
    parser.add_argument("--samples", type=int, default=64)
    args = parser.parse_args()
    qInstallMessageHandler(lambda *_: None)
    app = QApplication(["day"])
    apply_theme(app, DARK)
    device = open_device(f"sim://awr1642?scene={args.scene}&speed={args.speed:g}")
    profile = default_profile().replace("samples = 128", f"samples = {args.samples}")
    profile = profile.replace("period_ms = 100", f"period_ms = {args.period_ms}")
    sensor = device.configure(profile.replace("loops = 64", f"loops = {args.loops}"))
    session = Session(
        device, pipeline=Pipeline(sensor), duration_s=3600.0 * args.hours
    )  # fmt: skip
    feed = SessionFeed(session, make_recorder=lambda path: RecordingWriter(path, describe_device(device)))
    window = MainWindow(Opening(lambda: feed, "day"), DARK)
    window.resize(1280, 720)
    window.timer.setInterval(round(1e3 / args.paints))
    live_session.open_every_view(window.views)
    loop, began_s = QEventLoop(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        user = User(window, feed, Path(folder))

        def look() -> None:
            health = session.health()
            user.look(health.frames * sensor.frame_period_s / 60.0)
            if health.frames and not health.running:
                loop.quit()

        timer = QTimer(window)
        timer.timeout.connect(look)
        timer.start(LOOK_MS)
        window.opening.start()
        window.show()
        loop.exec()
        health, painted = session.health(), window.paint_clock.stats()
        window.close()
    print(
        json.dumps(
            {
                "device hours": round(health.frames * sensor.frame_period_s / 3600.0, 3),
                "wall hours": round((time.monotonic() - began_s) / 3600.0, 3),
                "frames": health.frames,
                "missing or incomplete frames": health.missing_frames + health.incomplete_frames,
                "frames the pipeline skipped": health.pipeline_skipped,
                "new results painted": painted.painted,
                "skipped by the display": painted.skipped + health.viewer_skipped,
                "recordings": user.recordings,
                "frames recorded": user.recorded_frames + health.recorded_frames,
                "messages": len(window.toasts.shown),
                "views that failed": len(window.views.errors),
            }
        )
    )


if __name__ == "__main__":
    main()
