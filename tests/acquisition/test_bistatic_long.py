"""A long session with the radio takes no more memory than a short one, loses nothing, and leaves no thread behind.

`benchmarks/soak.py --device sim://bistatic?speed=max --lossless` does the same for as long as one likes.
"""

import gc
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from isactrack.acquisition.header import describe_device
from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.drivers.registry import open_device
from isactrack.recordings import RecordingWriter, open_recording

BLOCKS = 4000
WARM_BLOCKS = 1500
ROOM_MIB = 12.0
"""Growth from then on that is let pass: reading along, HDF5 takes new chunks into its cache and gives up others."""


def resident_mib() -> float:
    gc.collect()
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024.0
    raise AssertionError("/proc has no VmRSS")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("link", ["usb", "udp"])
def test_memory_stays_where_it_was_and_threads_end(link: str, tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    path = tmp_path / "long.h5"
    device = open_device(f"sim://bistatic?scene=lab-crossing&seed=1002&speed=max&link={link}&dup=0.01&reorder=0.01")
    sensor = device.configure()
    session = Session(
        device, recorder=RecordingWriter(path, describe_device(device)), pipeline=Pipeline(sensor), max_frames=BLOCKS,
        lossless_pipeline=True,
    )  # fmt: skip
    readings: list[tuple[int, float]] = []
    with session:
        snapshots = session.subscribe()
        session.start()
        while not session.wait(0.5):
            snapshots.drain()
            readings.append((session.health().recorded_frames, resident_mib()))
        health = session.health()
    assert (health.frames, health.recorded_frames, health.missing_frames, health.lost_bytes) == (BLOCKS, BLOCKS, 0, 0)
    assert health.pipeline_skipped == health.discarded_frames == 0
    assert set(threading.enumerate()) <= threads
    blocks, mib = np.array(readings).T
    warm = blocks > WARM_BLOCKS
    assert np.count_nonzero(warm) > 4
    assert mib[warm].max() - mib[warm][:3].mean() < ROOM_MIB
    with open_recording(path) as recording:
        assert np.array_equal(recording.counters, np.arange(BLOCKS))
        assert recording.closed_cleanly


@pytest.mark.slow
@pytest.mark.parametrize("link", ["usb", "udp"])
def test_starting_and_stopping_often_leaves_nothing_behind(link: str) -> None:
    threads = set(threading.enumerate())
    with open_device(f"sim://bistatic?scene=lab-walk&seed=1002&speed=max&link={link}") as device:
        device.configure()
        running = None
        for turn in range(12):
            device.start()
            counters = [frame.counter for frame, _ in zip(device.frames(), range(10), strict=False)]
            assert counters == list(range(10))
            now = len(threading.enumerate())
            running = now if running is None else running
            assert now <= running, f"start {turn} has {now} threads, the first had {running}"
            device.stop()
    assert set(threading.enumerate()) <= threads
