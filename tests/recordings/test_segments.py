"""Segments: nothing is lost between them, whatever happens to the writer, and what was changed is found."""

import dataclasses
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isactrack import ConfigError, Frame, RecordingError
from isactrack.recordings import (
    Recording,
    RecordingHeader,
    RecordingWriter,
    SegmentedWriter,
    create_folder,
    open_recording,
    repair_folder,
    segments,
    validate_folder,
    writer,
)
from isactrack.recordings.folder import check_folder_not_recorded
from isactrack.recordings.manifest import MANIFEST, read_manifest

MakeFrame = Callable[..., Frame]

WRITER = """
import sys
import numpy as np
from isactrack import FmcwSensor, Frame, Source
from isactrack.recordings import RecordingHeader, SegmentedWriter, create_folder
from pathlib import Path

sensor = FmcwSensor(
    model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
    ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=4, frame_period_s=0.05,
)
header = RecordingHeader(
    sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://", device_model="AWR1642"
)
valid = np.ones(sensor.frame_words // 4, dtype=bool)
writer = SegmentedWriter(create_folder(Path(sys.argv[1])), header, segment_s=7 * 0.05)
print("created", flush=True)
for k in range(100_000):
    samples = np.full(sensor.frame_words, k % 30_000, dtype=np.int16)
    writer.append(Frame(samples, valid, k, 0.05 * k, 7 + k, 7 + k))
    if k % 3 == 2:
        writer.flush()
        print(k + 1, flush=True)
"""


def failed(path: Path) -> dict[str, str]:
    return {check.name: check.detail for check in validate_folder(path) if check.passed is False}


def write(path: Path, header: RecordingHeader, frames: list[Frame], per_segment: int = 5) -> Path:
    length_s = per_segment * header.sensor.frame_period_s
    with SegmentedWriter(create_folder(path), header, segment_s=length_s) as recorder:
        for frame in frames:
            recorder.append(frame)
    return path


@pytest.fixture
def run1(tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame) -> Path:
    """A recording of 3 segments with 5, 5 and 2 frames."""
    return write(tmp_path / "run1", header, [make_frame(k) for k in range(12)])


def test_each_segment_is_a_complete_recording_and_in_the_manifest(run1: Path) -> None:
    manifest = read_manifest(run1)
    (stream,) = manifest.streams
    assert (stream.name, stream.closed, stream.stop_reason) == ("radar", True, "finished")
    assert [entry.file for entry in stream.segments] == [f"radar/{k:06d}.h5" for k in range(3)]
    assert sorted(path.name for path in (run1 / "radar").iterdir()) == ["000000.h5", "000001.h5", "000002.h5"]
    counted = 0
    for entry, reason in zip(
        stream.segments, ("continued in 000001.h5", "continued in 000002.h5", "finished"), strict=True
    ):
        path = run1 / entry.file
        with Recording(path) as recording:
            assert (recording.closed_cleanly, recording.stop_reason) == (True, reason)
            assert (recording.uuid, len(recording)) == (entry.uuid, entry.frames)
            assert (recording.counters[0], recording.counters[-1]) == (entry.first_counter, entry.last_counter)
            assert (recording.header.stream, recording.header.note) == ("radar", "two people, Käfer\n")
            counted += len(recording)
        assert (entry.size_bytes, entry.sha256) == (path.stat().st_size, segments.hash_file(path))
    assert counted == 12
    assert stream.clock is not None
    assert failed(run1) == {}


def test_a_segment_ends_before_its_file_is_too_large(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    limit = 400_000
    recorder = SegmentedWriter(create_folder(tmp_path / "run1"), header, segment_bytes=limit)
    for k in range(400):
        recorder.append(make_frame(k))
    assert recorder.frames_written == 400
    assert recorder.bytes_written == 400 * header.sensor.frame_bytes
    recorder.close()
    sizes = [path.stat().st_size for path in sorted(recorder.path.iterdir())]
    assert len(sizes) > 2
    assert max(sizes) < 1.1 * limit
    assert min(sizes[:-1]) > 0.8 * limit
    with open_recording(tmp_path / "run1") as recording:
        assert recording.counters.tolist() == list(range(400))


def test_a_segment_has_one_frame_at_least(tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame) -> None:
    with SegmentedWriter(create_folder(tmp_path / "run1"), header, segment_bytes=1) as recorder:
        for k in range(3):
            recorder.append(make_frame(k))
    assert [entry.frames for entry in read_manifest(tmp_path / "run1").streams[0].segments] == [1, 1, 1]
    with SegmentedWriter(create_folder(tmp_path / "run2"), header) as recorder:
        pass
    with open_recording(tmp_path / "run2") as recording:
        assert (len(recording), recording.closed_cleanly) == (0, True)


def test_hashing_holds_up_nobody(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, hashed = threading.Event(), []

    def slow_hash(path: Path) -> str:
        assert gate.wait(10.0)
        hashed.append(path.name)
        return "0" * 64

    monkeypatch.setattr(segments, "hash_file", slow_hash)
    recorder = SegmentedWriter(create_folder(tmp_path / "run1"), header, segment_s=5 * header.sensor.frame_period_s)
    recorder._next.result()
    for k in range(9):  # into the second segment, the first of which cannot be hashed yet
        recorder.append(make_frame(k))
    recorder.flush()
    assert (hashed, recorder.frames_written) == ([], 9)
    gate.set()
    recorder.close()
    assert hashed == ["000000.h5", "000001.h5"]


@pytest.mark.parametrize("name", ["../x", "", ".x", "a/b", "x.h5", "a" * 64, "x.part", "ä"])
def test_a_stream_is_the_name_of_a_folder(tmp_path: Path, header: RecordingHeader, name: str) -> None:
    manifest = create_folder(tmp_path / "run1")
    if name:
        with pytest.raises(ConfigError, match="name of a folder"):
            SegmentedWriter(manifest, dataclasses.replace(header, stream=name))
    assert [path.name for path in (tmp_path / "run1").iterdir()] == [MANIFEST]
    for limit in ({"segment_bytes": 0}, {"segment_s": -1.0}, {"segment_s": float("nan")}, {"compression": "zip"}):
        with pytest.raises(ConfigError):
            SegmentedWriter(manifest, header, **limit)
    with pytest.raises(RecordingError, match="exists already"):
        create_folder(tmp_path / "run1")
    with pytest.raises(RecordingError, match="cannot create"):
        create_folder(tmp_path / "no" / "run1")


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_recording_ends_cleanly_when_there_is_no_room_for_the_next_segment(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = SegmentedWriter(create_folder(tmp_path / "run1"), header, segment_s=4 * header.sensor.frame_period_s)
    recorder._next.result()
    free = SimpleNamespace(free=writer.DISK_RESERVE_BYTES - 1)
    for k in range(5):
        recorder.append(make_frame(k))
    recorder._segment.writer._flush_interval_s = 1e9
    monkeypatch.setattr("isactrack.recordings.writer.shutil.disk_usage", lambda _path: free)
    with pytest.raises(RecordingError, match="nearly full"):
        for k in range(5, 20):
            recorder.append(make_frame(k))
    recorder.close("error: disk nearly full")
    monkeypatch.undo()
    with open_recording(tmp_path / "run1") as recording:
        assert recording.closed_cleanly
        assert recording.counters.tolist() == list(range(8))
        assert recording.stop_reason == "error: disk nearly full"
    assert failed(tmp_path / "run1") == {}


def test_a_segment_that_cannot_be_finished_ends_the_recording_with_an_error(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = SegmentedWriter(create_folder(tmp_path / "run1"), header, segment_s=2 * header.sensor.frame_period_s)

    def broken(path: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(segments, "hash_file", broken)
    with pytest.raises(RecordingError, match=r"cannot finish a segment.*Input/output error"):
        for k in range(1000):
            recorder.append(make_frame(k))
    with pytest.raises(RecordingError, match="cannot finish a segment"):
        recorder.close()
    recorder.close()
    with pytest.raises(RecordingError, match="is closed"):
        recorder.append(make_frame(1000))
    monkeypatch.undo()
    repair_folder(tmp_path / "run1")
    assert failed(tmp_path / "run1") == {}
    with open_recording(tmp_path / "run1") as recording:
        assert recording.counters.tolist() == list(range(recorder.frames_written))


def test_a_folder_that_is_being_recorded_is_left_alone(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    with SegmentedWriter(create_folder(tmp_path / "run1"), header) as recorder:
        recorder.append(make_frame(0))
        recorder.flush()
        with pytest.raises(RecordingError, match="is being recorded"):
            check_folder_not_recorded(tmp_path / "run1")
        with pytest.raises(RecordingError, match="is being recorded"):
            repair_folder(tmp_path / "run1")
    check_folder_not_recorded(tmp_path / "run1")


def kill_while_writing(path: Path, moment: random.Random) -> int:
    """Record in a process that is killed, and return the frames that it had acknowledged."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "created\n"
    lines = [process.stdout.readline() for _ in range(moment.randint(1, 12))]
    time.sleep(moment.uniform(0.0, 0.03))
    process.kill()
    rest = process.stdout.read().splitlines()
    process.wait()
    process.stdout.close()
    return int([line for line in [*lines, *rest] if line.strip()][-1])


def check_killed(path: Path, acknowledged: int) -> None:
    with open_recording(path) as recording:
        assert not recording.closed_cleanly
        assert len(recording) >= acknowledged
        assert recording.counters.tolist() == list(range(len(recording)))
        assert all(int(frame.samples[0]) == frame.counter for frame in recording.frames())
        count = len(recording)
    report = repair_folder(path)
    assert report.actions
    assert report.frames == {"radar": count}
    assert failed(path) == {}
    with open_recording(path) as recording:
        assert recording.closed_cleanly
        assert recording.counters.tolist() == list(range(count))
    assert repair_folder(path).actions == ()
    assert not list((path / "radar").glob("*.part"))


@pytest.mark.slow
def test_a_killed_recording_is_read_and_repaired(tmp_path: Path) -> None:
    path = tmp_path / "run1"
    check_killed(path, kill_while_writing(path, random.Random(1)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_9_at_any_moment_loses_no_acknowledged_frame(tmp_path: Path) -> None:
    moment = random.Random(2)
    for k in range(15):
        path = tmp_path / f"run{k}"
        check_killed(path, kill_while_writing(path, moment))
        shutil.rmtree(path)


# --- what was changed afterwards -------------------------------------------------------------------------------------


def test_validate_finds_a_segment_that_was_changed(run1: Path) -> None:
    path = run1 / "radar" / "000001.h5"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert "000001.h5 was changed" in failed(run1)["SHA-256 of the segments"]
    path.write_bytes(data + b"x")
    assert "it had" in failed(run1)["SHA-256 of the segments"]


def test_validate_finds_a_segment_that_was_exchanged(
    run1: Path, tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    with RecordingWriter(tmp_path / "other.h5", header) as other:
        other.append(make_frame(7))
    shutil.copy(tmp_path / "other.h5", run1 / "radar" / "000001.h5")
    found = failed(run1)
    assert "000001.h5 is missing; 000001.h5 is foreign" in found["segments complete"]
    assert "closed cleanly" in found
    assert "loss" in found


def test_validate_finds_a_manifest_that_disagrees(run1: Path) -> None:
    path = run1 / MANIFEST
    data: dict[str, Any] = json.loads(path.read_text())
    data["streams"][0]["segments"][1]["last_counter"] = 77
    path.write_text(json.dumps(data))
    assert failed(run1) == {"manifest agrees with the segments": "000001.h5 differs in last_counter"}
    path.write_text("{")
    assert list(failed(run1)) == ["manifest opens"]


def test_checks_of_several_streams_carry_their_names(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    manifest = create_folder(tmp_path / "run1")
    for name in ("left", "right"):
        with SegmentedWriter(manifest, dataclasses.replace(header, stream=name)) as recorder:
            recorder.append(make_frame(0))
    (tmp_path / "run1" / "right" / "000000.h5").unlink()
    found = failed(tmp_path / "run1")
    assert list(found) == ["right: opens"]
    assert "no segment that can be read: 000000.h5 is missing" in found["right: opens"]
    assert failed(tmp_path / "run1" / "left") == {}


def test_repair_writes_a_lost_manifest_anew(run1: Path, make_frame: MakeFrame) -> None:
    old = read_manifest(run1)
    (run1 / MANIFEST).write_text("{")
    report = repair_folder(run1)
    assert any(MANIFEST in action for action in report.actions)
    assert (run1 / ".originals" / MANIFEST).read_text() == "{"
    new = read_manifest(run1)
    assert new.streams[0].segments == old.streams[0].segments
    assert failed(run1) == {}


def test_repair_replaces_damaged_segments_and_keeps_them(
    run1: Path, tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    bad = run1 / "radar" / "000001.h5"
    with Recording(bad) as recording:
        offset = recording._samples.id.get_chunk_info(2).byte_offset
    data = bytearray(bad.read_bytes())
    data[offset + 20] ^= 0xFF
    bad.write_bytes(data)
    (run1 / "radar" / "000002.h5").unlink()
    other = write(tmp_path / "run2", header, [make_frame(k) for k in range(2)])
    shutil.copy(other / "radar" / "000000.h5", run1 / "radar" / "000009.h5")
    report = repair_folder(run1)
    assert len(report.repaired) == 1
    assert report.repaired[0].damaged_frames == 1
    text = "\n".join(report.actions)
    assert "radar/000002.h5 is not there" in text
    assert "000009.h5 is foreign" in text
    assert (run1 / ".originals" / "radar" / "000001.h5").read_bytes() == bytes(data)
    with open_recording(run1) as recording:
        assert recording.counters.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9]
        assert recording.closed_cleanly
    assert set(failed(run1)) <= {"loss"}
    assert repair_folder(run1).actions == ()
