"""Writers that are killed, run out of space or are read while they write."""

import errno
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from isactrack import RecordingError
from isactrack.recordings import RecordingHeader, RecordingWriter, open_recording, validate_recording, writer

# Frames are a function of their counter, so that the reader can tell whether what it reads is what was written.
WRITER = """
import sys
import numpy as np
from isactrack import FmcwSensor, Frame, RecordingError, Source, Truth
from isactrack.recordings import RecordingHeader, RecordingWriter

path, count, every, loops, limit = sys.argv[1], *map(int, sys.argv[2:])
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sensor = FmcwSensor(
    model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
    ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=loops, frame_period_s=0.05,
)
header = RecordingHeader(
    sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://", device_model="AWR1642"
)
valid = np.ones(sensor.frame_words // 4, dtype=bool)
writer = RecordingWriter(path, header, flush_interval_s=1.0)
print("created", flush=True)
k = -1
try:
    for k in range(count):
        samples = np.full(sensor.frame_words, k % 30000, dtype=np.int16)
        truth = Truth(k * 0.05, np.array([k]), np.full((1, 2), float(k)), np.zeros((1, 2)))
        writer.append(Frame(samples, valid, k, k * 0.05, k, k), truth)
        if (k + 1) % every == 0:
            writer.flush()
            print(k + 1, flush=True)
    writer.close()
except RecordingError as error:
    print("failed", k, bool(error.hint), flush=True)
"""


def start(path: Path, *, count: int, every: int, loops: int = 4, limit: int = 0) -> "subprocess.Popen[str]":
    arguments = [str(value) for value in (path, count, every, loops, limit)]
    return subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True)


def assert_content(path: Path, at_least: int) -> int:
    with open_recording(path) as recording:
        assert len(recording) >= at_least
        for k, frame in enumerate(recording.frames()):
            assert frame.counter == k
            assert frame.complete
            assert (frame.samples == k % 30000).all()
            truth = recording.truth(k)
            assert truth is not None
            np.testing.assert_array_equal(truth.position_m, [[k, k]])
        return len(recording)


def kill_at_random(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with start(path, count=10**9, every=rng.choice([1, 3, 10, 50]), loops=rng.choice([1, 4, 64])) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "created\n"
        time.sleep(rng.uniform(0.0, 0.7))
        process.kill()
        acknowledged = [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert_content(path, max(acknowledged, default=0))
    checks = {check.name: check.passed for check in validate_recording(path)}
    assert checks["opens"] is True
    assert checks["closed cleanly"] is False
    assert [name for name, passed in checks.items() if passed is False] == ["closed cleanly"]


@pytest.mark.parametrize("seed", range(4))
def test_killed_writer_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path / "run.h5", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_killed_writer_loses_nothing_acknowledged_at_length(tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path / "run.h5", seed)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("limit", [300_000, 600_003, 1_000_000])
def test_file_size_limit_keeps_what_was_appended(tmp_path: Path, limit: int) -> None:
    """The write that does not fit fails with one error; all before it, flushed or not, can be read."""
    path = tmp_path / "run.h5"
    with start(path, count=2000, every=10**6, limit=limit) as process:
        output = process.communicate(timeout=30)[0].split()
    assert process.returncode == 0
    created, failed, frames, hint = output
    assert (created, failed, hint) == ("created", "failed", "True")
    assert int(frames) > 50
    assert assert_content(path, int(frames)) == int(frames)


def test_reading_along(tmp_path: Path) -> None:
    """A reader in another process sees whole frames only, and more and more of them."""
    path = tmp_path / "run.h5"
    with start(path, count=600, every=5) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "created\n"
        lengths = []
        with open_recording(path) as recording, h5py.File(path, "r", swmr=True) as other:
            while not recording.closed_cleanly:
                length = recording.refresh()
                lengths.append(length)
                for k in {0, length // 2, length - 1} if length else set():
                    assert (recording.frame(k).samples == k).all()
            counters = other["frames/counter"]
            counters.refresh()
            assert counters[599] == 599
        process.communicate()
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 5, "it grew while it was read"
    assert lengths[-1] == 600


def test_a_failed_write_ends_the_recording(
    tmp_path: Path, header: RecordingHeader, make_frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.h5"
    write, calls = writer._write_chunk, 0

    def fail_late(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 13:  # samples of the seventh frame are written, its mask is not
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(writer, "_write_chunk", fail_late)
    recorder = RecordingWriter(path, header, flush_interval_s=1.0)
    with pytest.raises(RecordingError, match="No space left on device") as caught, recorder:
        for k in range(10):
            recorder.append(make_frame(k))
    assert "disk full" in caught.value.hint
    with pytest.raises(RecordingError, match="is closed"):
        recorder.append(make_frame(7))
    with open_recording(path) as recording:
        assert [frame.counter for frame in recording.frames()] == list(range(6))
        assert recording.closed_cleanly
        assert recording.stop_reason.startswith("write failed")
    assert all(check.passed is not False for check in validate_recording(path))


def test_a_nearly_full_disk_ends_the_recording(
    tmp_path: Path, header: RecordingHeader, make_frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.h5"
    recorder = RecordingWriter(path, header, flush_interval_s=0.0)
    recorder.append(make_frame(0))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    with pytest.raises(RecordingError, match="nearly full: the recording ended after 2 frames") as caught:
        recorder.append(make_frame(1))
    assert "free some space" in caught.value.hint
    with open_recording(path) as recording:
        assert len(list(recording.frames())) == 2
        assert recording.stop_reason == "disk nearly full"
