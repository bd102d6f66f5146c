"""Ctrl-C and a polite kill end the viewer at any moment, with everything closed; each in a process of its own."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")
if sys.platform == "win32":
    pytest.skip("Windows has no such signals", allow_module_level=True)

from isactrack.recordings import open_recording

ENVIRONMENT = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
VIEW = [sys.executable, "-m", "isactrack.cli.entry", "view", "sim://awr1642?scene=noise"]
SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup pytest` passes it on
    SIGNALS.append(signal.SIGHUP)

# Many windows in one process, each hit at another moment of its life: in a paint, in the clock, while it opens. The
# second signal comes while the feed is being closed, as from somebody who is in a hurry.
_MANY = """
import importlib.util, os, random, signal, sys, threading
from pathlib import Path
spec = importlib.util.spec_from_file_location("scene", sys.argv[1])
scene = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scene)
from isactrack.gui.qt.app import run_viewer

def kill():
    os.kill(os.getpid(), number)

class Feed(scene.SyntheticFeed):
    def close(self):
        kill()
        super().close()

random.seed(4)
signal.signal(signal.SIGTERM, signal.default_int_handler)
for k in range(int(sys.argv[2])):
    number = (signal.SIGINT, signal.SIGTERM)[k % 2]
    feed = Feed(per_poll=3)
    def open_feed():
        threading.Timer(random.uniform(0.0, 0.4), kill).start()
        return feed
    try:
        run_viewer(open_feed, "x://", screenshot=Path("x.png") if k % 3 else None, screenshot_after_s=60.0)
    except KeyboardInterrupt:
        pass
    else:
        sys.exit(f"{k}: not interrupted")
    if feed.closed != 1:
        sys.exit(f"{k}: closed {feed.closed} times")
    if {signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)} != {signal.default_int_handler}:
        sys.exit(f"{k}: the handlers were not given back")
print("all interrupted")
"""

# A dialog runs an event loop of its own, inside that of the window.
_DIALOG = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("scene", sys.argv[1])
scene = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scene)
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QFileDialog
from isactrack.gui.qt.app import run_viewer
from isactrack.gui.qt.main_window import MainWindow

app = QApplication([])
def ask():
    window = next(w for w in app.topLevelWidgets() if isinstance(w, MainWindow))
    QTimer.singleShot(400, kill)
    window.save_snapshot()
def kill():
    assert isinstance(app.activeModalWidget(), QFileDialog)
    os.kill(os.getpid(), signal.SIGINT)
QTimer.singleShot(300, ask)
try:
    run_viewer(scene.SyntheticFeed, "x://")
except KeyboardInterrupt:
    print("interrupted")
"""


def run_script(script: str, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    scene = Path(__file__).with_name("conftest.py")
    return subprocess.run(
        [sys.executable, "-c", script, str(scene), *map(str, arguments)],
        env=ENVIRONMENT, cwd=folder, capture_output=True, text=True, timeout=90.0, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("count", [4, pytest.param(16, marks=pytest.mark.slow)])
def test_a_signal_at_any_moment_closes_the_feed_once(count: int, tmp_path: Path) -> None:
    done = run_script(_MANY, count, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all interrupted\n", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_signal_closes_an_open_dialog_too(tmp_path: Path) -> None:
    done = run_script(_DIALOG, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def interrupt_view(number: signal.Signals, delay_s: float, *options: str, folder: Path) -> None:
    """Kill ``view`` some time after its first frame was recorded and look at what it leaves."""
    recording, errors = folder / "v.h5", folder / "stderr"
    with errors.open("w") as stderr:
        viewer = subprocess.Popen([*VIEW, "-o", str(recording), *options], env=ENVIRONMENT, cwd=folder, stderr=stderr)
    try:
        deadline_s = time.monotonic() + 30.0
        while not recording.is_file() or recording.stat().st_size < 200_000:
            assert viewer.poll() is None, errors.read_text()
            assert time.monotonic() < deadline_s, "nothing was recorded"
            time.sleep(0.02)
        time.sleep(delay_s)
        viewer.send_signal(number)
        assert viewer.wait(timeout=20.0) == 130, errors.read_text()
    finally:
        viewer.kill()
        viewer.wait()
    assert errors.read_text().strip() == "Interrupted."
    assert sorted(path.name for path in folder.iterdir()) == ["stderr", "v.h5"]
    with open_recording(recording) as left:
        assert left.closed_cleanly
        assert len(left) > 0


@pytest.mark.slow
def test_a_polite_kill_while_a_screenshot_is_pending_closes_the_recording(tmp_path: Path) -> None:
    interrupt_view(signal.SIGTERM, 0.1, "--screenshot", "x.png", "--after", "60s", folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("options", [(), ("--screenshot", "x.png", "--after", "60s")], ids=["window", "screenshot"])
@pytest.mark.parametrize("seed", range(3))
def test_signals_close_the_recording(
    number: signal.Signals, options: tuple[str, ...], seed: int, tmp_path: Path
) -> None:
    interrupt_view(number, random.Random(seed).uniform(0.0, 1.5), *options, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("delay_s", [0.8, 1.2, 1.6, 2.0, 2.4, 2.8])
def test_signals_during_the_start_end_the_viewer(number: signal.Signals, delay_s: float, tmp_path: Path) -> None:
    viewer = subprocess.Popen([*VIEW, "-o", "v.h5"], env=ENVIRONMENT, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    time.sleep(delay_s)
    viewer.send_signal(number)
    try:
        _, said = viewer.communicate(timeout=20.0)
    finally:
        viewer.kill()
        viewer.wait()
    assert (viewer.returncode, said.strip()) == (130, "Interrupted.")
    if (tmp_path / "v.h5").exists():
        with open_recording(tmp_path / "v.h5") as left:
            assert left.closed_cleanly
            assert len(left) > 0
