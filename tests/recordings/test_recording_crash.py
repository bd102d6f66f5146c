"""Writers that are killed, run out of space or are read while they write."""

import errno
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from isactrack import RecordingError
from isactrack.recordings import (
    RecordingHeader,
    RecordingWriter,
    open_recording,
    repair_recording,
    validate_recording,
    writer,
)

# Frames are a function of their counter, so that the reader can tell whether what it reads is what was written.
WRITER = """
import sys
import numpy as np
from isactrack import Event, EventKind, FmcwSensor, Frame, RecordingError, SidePacket, Source, Truth
from isactrack.recordings import RecordingHeader, RecordingWriter

path, compression, count, every, loops, limit = *sys.argv[1:3], *map(int, sys.argv[3:])
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
writer = RecordingWriter(path, header, flush_interval_s=1.0, compression=compression)
print("created", flush=True)
k = -1
try:
    for k in range(count):
        samples = np.full(sensor.frame_words, k % 30000, dtype=np.int16)
        truth = Truth(k * 0.05, np.array([k]), np.full((1, 2), float(k)), np.zeros((1, 2)))
        writer.append(Frame(samples, valid, k, k * 0.05, k, k), truth)
        writer.add_event(Event(host_monotonic_ns=k, host_utc_ns=k, kind=EventKind.MARKER, text=f"after {k}"))
        data = bytes([k % 251]) * (k % 100)
        writer.add_side_packet(SidePacket(host_monotonic_ns=k, host_utc_ns=k, kind="test", data=data))
        if (k + 1) % every == 0:
            writer.flush()
            print(k + 1, flush=True)
    writer.close()
except RecordingError as error:
    print("failed", writer.frames_written, bool(error.hint), flush=True)
"""


def start(
    path: Path, *, count: int, every: int, loops: int = 4, limit: int = 0, compression: str = "bitshuffle-lz4"
) -> "subprocess.Popen[str]":
    arguments = [str(value) for value in (path, compression, count, every, loops, limit)]
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
        assert len(recording.events) >= at_least
        assert [event.text for event in recording.events] == [f"after {k}" for k in range(len(recording.events))]
        packets = list(recording.side_packets())
        assert len(packets) >= at_least
        assert all(packet.data == bytes([k % 251]) * (k % 100) for k, packet in enumerate(packets))
        return len(recording)


def assert_repaired(path: Path, at_least: int) -> None:
    """What was acknowledged is in the repaired copy, which passes every check."""
    report = repair_recording(path)
    assert report.output is not None
    assert report.reasons == ("closed cleanly",)
    assert report.damaged_frames == report.unordered_frames == report.damaged_events == 0
    assert assert_content(report.output, at_least) == report.frames
    assert [check.name for check in validate_recording(report.output) if check.passed is False] == []


def kill_at_random(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with start(
        path, count=10**9, every=rng.choice([1, 3, 10, 50]), loops=rng.choice([4, 64, 192]),
        compression=rng.choice(["bitshuffle-lz4", "none"]),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "created\n"
        time.sleep(rng.uniform(0.0, 0.25))
        process.kill()
        acknowledged = [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    safe = max(acknowledged, default=0)
    assert_content(path, safe)
    assert_repaired(path, safe)


@pytest.mark.parametrize("seed", range(2))
def test_killed_writer_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path / "run.h5", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_killed_writer_loses_nothing_acknowledged_at_length(tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path / "run.h5", seed)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize(
    ("limit", "compression"), [(300_000, "bitshuffle-lz4"), (450_000, "none"), (600_003, "bitshuffle-lz4")]
)
def test_file_size_limit_keeps_what_was_appended(tmp_path: Path, limit: int, compression: str) -> None:
    """The write that does not fit fails with one error; all before it, flushed or not, can be read."""
    path = tmp_path / "run.h5"
    with start(path, count=9000, every=10**6, limit=limit, compression=compression) as process:
        output = process.communicate(timeout=30)[0].split()
    assert process.returncode == 0
    created, failed, frames, hint = output
    assert (created, failed, hint) == ("created", "failed", "True")
    assert int(frames) > 50
    # The event of the last frame may be what did not fit.
    assert assert_content(path, int(frames) - 1) == int(frames)


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
    write, calls = writer._PerFrame.write, 0

    def fail_late(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 13:  # samples of the seventh frame are written, its mask is not
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(writer._PerFrame, "write", fail_late)
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
    with pytest.raises(RecordingError, match="nearly full: the file ended after 2 frames") as caught:
        recorder.append(make_frame(1))
    assert "free some space" in caught.value.hint
    with open_recording(path) as recording:
        assert len(list(recording.frames())) == 2
        assert recording.stop_reason == "disk nearly full"


FILL_UP = """
import sys
from pathlib import Path
import numpy as np
from isactrack import Event, EventKind, FmcwSensor, Frame, RecordingError, SidePacket, Source
from isactrack.recordings import RecordingHeader, RecordingWriter

folder, what = Path(sys.argv[1]), sys.argv[2]
sensor = FmcwSensor(
    model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
    ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=64, loops_per_frame=16, frame_period_s=0.05,
)
header = RecordingHeader(
    sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://", device_model="AWR1642"
)
rng = np.random.default_rng(1)
writer = RecordingWriter(folder / "run.h5", header, flush_interval_s=1.0)
k = 0
def append():
    global k
    words = rng.integers(-30000, 30000, sensor.frame_words).astype(np.int16)
    writer.append(Frame(words, np.ones(words.size // 4, bool), k, k * 0.05, k, k))
    k += 1
try:
    for _ in range(37):
        append()
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            print("full", flush=True)
    while k < 1000:
        if what == "frames":
            append()
        elif what == "events":
            writer.add_event(Event(host_monotonic_ns=1, host_utc_ns=1, kind=EventKind.CARD, text="x"))
        else:
            writer.add_side_packet(SidePacket(host_monotonic_ns=1, host_utc_ns=1, kind="x", data=bytes(5000)))
except RecordingError as error:
    print("failed", k, "disk full" in error.hint, flush=True)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux to mount a small disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=20m", "none", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a small disk: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("what", ["frames", "events", "side packets"])
def test_a_disk_that_others_fill_up(small_disk: Path, what: str) -> None:
    """The disk is full between two looks at the free space: the recording ends, all that was added is in it."""
    command = [sys.executable, "-c", FILL_UP, str(small_disk), what]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    full, failed, frames, hint = done.stdout.split()
    assert (full, failed, hint) == ("full", "failed", "True")
    with open_recording(small_disk / "run.h5") as recording:
        assert len(recording) == int(frames) >= 37
        assert recording.closed_cleanly
        assert recording.stop_reason.startswith("write failed: No space left")
        assert [frame.counter for frame in recording.frames()] == list(range(len(recording)))
    assert [check.name for check in validate_recording(small_disk / "run.h5") if check.passed is False] == []


def test_a_writer_that_comes_second_leaves_the_file_of_the_first(
    tmp_path: Path, header: RecordingHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    with RecordingWriter(path, header):
        with monkeypatch.context() as both_looked_before:
            both_looked_before.setattr(Path, "exists", lambda _self: False)
            with pytest.raises(RecordingError, match="exists already"):
                RecordingWriter(path, header)
        assert path.exists()
    with open_recording(path) as recording:
        assert recording.closed_cleanly
