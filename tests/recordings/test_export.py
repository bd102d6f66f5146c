"""Recordings for other programs: every sample where the format says, losses told, and nothing half written."""

import csv
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from hypothesis import given
from hypothesis import strategies as st

from isactrack import ConfigError, Event, EventKind, FmcwSensor, Frame, IqOrder, RecordingError, Source
from isactrack.cli.main import run
from isactrack.recordings import RecordingHeader, RecordingWriter, SegmentedWriter, create_folder, open_recording
from isactrack.recordings.export import (
    ExportFormat,
    ExportReport,
    MissingFrames,
    export_recording,
    format_of,
    runs,
)
from isactrack.recordings.export_sigmf import channel_words, utc_text

SENSOR = FmcwSensor(
    model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=6e-6,
    ramp_end_s=60e-6, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=4, frame_period_s=0.05,
    tx_positions=(0.0, 2.0), rx_positions=(0.0, 0.5, 1.0), iq_order=IqOrder.QQII,
)  # fmt: skip
FIRST_UTC_NS = 1_700_000_000_123_456_789
Capture = pytest.CaptureFixture[str]


def make_frame(counter: int, sensor: FmcwSensor = SENSOR, lost: Sequence[slice] = ()) -> Frame:
    samples = np.random.default_rng(counter).integers(-32768, 32768, sensor.frame_words).astype(np.int16)
    valid = np.ones(samples.size // 4, dtype=np.bool_)
    for groups in lost:
        valid[groups] = False
    samples[~np.repeat(valid, 4)] = 0
    time_s = counter * sensor.frame_period_s
    return Frame(samples, valid, counter, time_s, 1000 + round(time_s * 1e9), FIRST_UTC_NS + round(time_s * 1e9))


def record(path: Path, frames: Sequence[Frame], sensor: FmcwSensor = SENSOR, note: str = "") -> Path:
    header = RecordingHeader(
        sensor=sensor, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="awr1642://x",
        device_model="AWR1642", serial_number="R1", profile_text="% a profile\n", note=note,
    )  # fmt: skip
    with RecordingWriter(path, header) as writer:
        for frame in frames:
            writer.append(frame)
    return path


def export(source: Path, target: Path, kind: ExportFormat | None = None, **options: Any) -> ExportReport:
    with open_recording(source) as recording:
        return export_recording(recording, target, kind, **options)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return record(tmp_path / "whole.h5", [make_frame(k) for k in range(6)])


# --- adc_data.bin ----------------------------------------------------------------------------------------------------


def test_the_words_of_the_wire_come_out_in_their_order(whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "adc_data.bin"
    report = export(whole, target)
    assert target.read_bytes() == b"".join(make_frame(k).samples.astype("<i2").tobytes() for k in range(6))
    assert report.paths == (target,)
    assert (report.frames, report.sample_bytes, report.lost_bytes) == (6, 6 * SENSOR.frame_bytes, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adc_data.bin", "whole.h5"]


def test_lost_bytes_are_zeros_and_listed(tmp_path: Path) -> None:
    frames = [make_frame(0, lost=[slice(2, 5), slice(90, 96)]), make_frame(1)]
    source = record(tmp_path / "lossy.h5", frames)
    report = export(source, tmp_path / "adc_data.bin")
    words = np.fromfile(tmp_path / "adc_data.bin", dtype="<i2")
    assert np.array_equal(words, np.concatenate([frame.samples for frame in frames]))
    assert not words[8:20].any()
    assert report.paths == (tmp_path / "adc_data.bin", tmp_path / "adc_data.lost.csv")
    assert rows_of(tmp_path / "adc_data.lost.csv") == [
        ["first_byte", "lost_bytes", "counter", "reason"], ["16", "24", "0", "hole"], ["720", "48", "0", "hole"],
    ]  # fmt: skip
    assert report.lost_bytes == 72


def test_missing_frames_are_refused_filled_or_skipped(tmp_path: Path) -> None:
    source = record(tmp_path / "gap.h5", [make_frame(k) for k in (3, 4, 7)])
    target, size = tmp_path / "adc_data.bin", SENSOR.frame_bytes
    with pytest.raises(ConfigError, match="2 frames are missing") as caught:
        export(source, target)
    assert "--missing fill" in caught.value.hint
    assert not target.exists()
    filled = export(source, target, missing=MissingFrames.FILL)
    data = target.read_bytes()
    assert len(data) == filled.sample_bytes == 5 * size
    assert not any(data[2 * size : 4 * size])
    assert data[4 * size :] == make_frame(7).samples.astype("<i2").tobytes()
    assert rows_of(filled.paths[1])[1:] == [[str(2 * size), str(2 * size), "5", "missing frames"]]
    assert (filled.frames, filled.missing_frames, filled.lost_bytes) == (3, 2, 2 * size)
    skipped = export(source, target, missing=MissingFrames.SKIP, overwrite=True)
    assert target.read_bytes() == b"".join(make_frame(k).samples.astype("<i2").tobytes() for k in (3, 4, 7))
    # The table of the earlier export would tell of holes that this file does not have.
    assert skipped.paths == (target,)
    assert not filled.paths[1].exists()


@pytest.mark.parametrize("name", ["fan-on", "fan-off", "pipe-vibration-0", "pipe-no-vibration-0"])
def test_a_real_capture_comes_out_as_it_went_in(name: str, recordings_dir: Path, tmp_path: Path) -> None:
    folder = recordings_dir / "awr1642-vibration"
    source, recorded, out = folder / f"{name}.bin", tmp_path / "take.h5", tmp_path / "adc_data.bin"
    log = folder / "mmwave-studio-log.txt"
    assert run(["import", str(source), "--studio-log", str(log), "--loops", "1", "-o", str(recorded), "-q"]) == 0
    assert run(["export", str(recorded), "-o", str(out), "-q"]) == 0
    assert out.read_bytes() == source.read_bytes()
    assert not (tmp_path / "adc_data.lost.csv").exists()


@pytest.mark.parametrize("cut", [0, 8, 760])
def test_a_file_that_ends_within_a_frame_comes_out_as_it_went_in(cut: int, tmp_path: Path) -> None:
    data = np.random.default_rng(9).integers(-500, 500, 3 * SENSOR.frame_words).astype("<i2").tobytes()
    data = data[: len(data) - cut]
    frames = []
    for k in range(3):
        part = np.frombuffer(data[k * SENSOR.frame_bytes : (k + 1) * SENSOR.frame_bytes], dtype="<i2").astype(np.int16)
        samples = np.zeros(SENSOR.frame_words, np.int16)
        samples[: part.size] = part
        frames.append(Frame(samples, np.arange(samples.size // 4) < part.size // 4, k, k * 0.05, k, 0))
    report = export(record(tmp_path / "cut.h5", frames), tmp_path / "adc_data.bin")
    assert (tmp_path / "adc_data.bin").read_bytes() == data
    assert report.sample_bytes == len(data)
    if cut:
        assert rows_of(report.paths[1])[1:] == [[str(len(data)), str(cut), "2", "left out at the end"]]


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_flags(flags: list[bool]) -> None:
    array = np.array(flags, dtype=np.bool_)
    again = np.zeros_like(array)
    found = runs(array)
    for first, length in found:
        assert length > 0
        again[first : first + length] = True
    assert np.array_equal(again, array)
    assert all(found[k + 1, 0] > found[k].sum() for k in range(len(found) - 1))  # no two touch


# --- npz -------------------------------------------------------------------------------------------------------------


def test_npz_holds_samples_masks_times_and_sensor(tmp_path: Path) -> None:
    frames = [make_frame(0), make_frame(1, lost=[slice(3, 7)]), make_frame(4)]
    source = record(tmp_path / "a.h5", frames, note="first walk, ä")
    report = export(source, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert data["samples"].dtype == np.complex64
        assert np.array_equal(data["samples"], np.stack([SENSOR.decode(frame) for frame in frames]))
        assert np.array_equal(data["valid"], np.stack([SENSOR.decode_valid(frame) for frame in frames]))
        assert not data["samples"][~data["valid"]].any()
        assert data["counters"].tolist() == [0, 1, 4]
        assert data["device_time_s"].tolist() == [frame.device_time_s for frame in frames]
        assert data["host_utc_ns"].tolist() == [frame.host_utc_ns for frame in frames]
        assert data["frame_lost_bytes"].tolist() == [0, 32, 0]
        assert np.array_equal(data["range_axis_m"], SENSOR.range_axis_m)
        assert np.array_equal(data["velocity_axis_mps"], SENSOR.velocity_axis_mps)
        assert {f"sensor_{field.name}" for field in fields(SENSOR)} <= set(data)
        assert data["sensor_tx_positions"].tolist() == [0.0, 2.0]
        assert float(data["sensor_slope_hz_per_s"]) == SENSOR.slope_hz_per_s
        assert str(data["sensor_iq_order"]) == "Q0 Q1 I0 I1"
        assert np.isnan(data["sensor_loop_interval_s"])
        assert str(data["note"]) == "first walk, ä"
        assert str(data["profile_text"]) == "% a profile\n"
        assert str(data["source"]) == "hardware"
    assert (report.frames, report.missing_frames) == (3, 2)


def test_the_same_recording_makes_the_same_npz(whole: Path, tmp_path: Path) -> None:
    export(whole, tmp_path / "a.npz")
    export(whole, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


# --- SigMF -----------------------------------------------------------------------------------------------------------


def read_sigmf(path: Path) -> tuple[sigmf.SigMFFile, dict[str, Any]]:
    """Validate the files with the reference implementation, its checksum included."""
    found = sigmf.sigmffile.fromfile(str(path), skip_checksum=False, autoscale=False)
    found.validate()
    return found, json.loads(path.read_text(encoding="ascii"))


@pytest.mark.parametrize("order", list(IqOrder))
def test_sigmf_holds_i_and_q_of_each_receiver_whatever_the_wire(order: IqOrder, tmp_path: Path) -> None:
    sensor = replace(SENSOR, iq_order=order)
    frames = [make_frame(k, sensor) for k in range(3)]
    source = record(tmp_path / "a.h5", frames, sensor, note="walk")
    report = export(source, tmp_path / "a.sigmf-meta")
    assert [path.name for path in report.paths] == ["a.sigmf-data", "a.sigmf-meta"]
    found, meta = read_sigmf(tmp_path / "a.sigmf-meta")
    samples = np.moveaxis(np.stack([sensor.decode(frame) for frame in frames]), 3, 4)  # ..., sample, rx
    expected = samples.reshape(-1, sensor.n_rx)
    assert np.array_equal(found.read_samples(), expected)
    words = np.fromfile(report.paths[0], dtype="<i2").reshape(-1, sensor.n_rx, 2)
    assert np.array_equal(words[..., 0], expected.real)
    assert np.array_equal(words[..., 1], expected.imag)
    assert meta["global"]["core:num_channels"] == 3
    assert meta["global"]["core:sample_rate"] == 5e6
    assert meta["global"]["core:description"] == "walk"
    assert meta["global"]["isactrack:sensor"]["slope_hz_per_s"] == sensor.slope_hz_per_s
    assert meta["global"]["isactrack:shape"] == [3, 4, 2, 16, 3]


def test_sigmf_tells_times_gaps_losses_and_markers(tmp_path: Path) -> None:
    # Group 25 of a frame: chirp 1 (tx 1 of loop 0) has groups 24..47, of which rx 0 has 24..31: its samples 2 and 3.
    frames = [make_frame(2), make_frame(3, lost=[slice(25, 26)]), make_frame(6)]
    header = RecordingHeader(
        sensor=SENSOR, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://x", device_model="AWR1642"
    )
    with RecordingWriter(tmp_path / "a.h5", header) as writer:
        for frame in frames:
            writer.append(frame)
            if frame.counter == 2:
                writer.add_event(Event(host_monotonic_ns=5, host_utc_ns=6, kind=EventKind.MARKER, text="door opens"))
    export(tmp_path / "a.h5", tmp_path / "a.sigmf-data")
    _, meta = read_sigmf(tmp_path / "a.sigmf-meta")
    size = 4 * 2 * 16
    captures = meta["captures"]
    assert [one["core:sample_start"] for one in captures] == [0, size, 2 * size]
    assert [one["core:global_index"] for one in captures] == [0, size, 4 * size]
    assert [one["isactrack:counter"] for one in captures] == [2, 3, 6]
    assert captures[0]["core:datetime"] == "2023-11-14T22:13:20.223456789Z"
    assert captures[0]["core:frequency"] == SENSOR.centre_frequency_hz
    (lost,) = (one for one in meta["annotations"] if one["core:label"] == "lost")
    assert (lost["core:sample_start"], lost["core:sample_count"]) == (size + 16 + 2, 2)
    assert lost["isactrack:receivers"] == [0]
    markers = [one for one in meta["annotations"] if one["core:label"] == "marker"]
    assert [(one["core:sample_start"], one["core:comment"]) for one in markers] == [(size, "door opens")]
    assert meta["global"]["isactrack:missing_frames"] == 2
    starts = [one["core:sample_start"] for one in meta["annotations"]]
    assert starts == sorted(starts)


def test_without_utc_no_time_is_made_up(tmp_path: Path) -> None:
    source = record(tmp_path / "a.h5", [replace_utc(make_frame(0), 0)])
    export(source, tmp_path / "a.sigmf-meta")
    _, meta = read_sigmf(tmp_path / "a.sigmf-meta")
    assert "core:datetime" not in meta["captures"][0]


def replace_utc(frame: Frame, utc_ns: int) -> Frame:
    return Frame(frame.samples, frame.valid, frame.counter, frame.device_time_s, frame.host_monotonic_ns, utc_ns)


def test_extreme_words_are_exact() -> None:
    words = np.tile(np.array([-32768, 32767, -1, 0], dtype=np.int16), SENSOR.frame_words // 4)
    frame = Frame(words, np.ones(words.size // 4, np.bool_), 0, 0.0, 0, 0)
    out = channel_words(frame, SENSOR)
    assert out.dtype == np.dtype("<i2")
    assert np.array_equal(out[..., 0, 0].reshape(-1)[:2], [-1, 0])  # Q0 Q1 I0 I1
    assert np.array_equal(out[..., 0, 1].reshape(-1)[:2], [-32768, 32767])


def test_utc_has_nanoseconds() -> None:
    assert utc_text(0) == "1970-01-01T00:00:00.000000000Z"
    assert utc_text(1_700_000_000_000_000_007) == "2023-11-14T22:13:20.000000007Z"


# --- all of them -----------------------------------------------------------------------------------------------------

TARGETS = ["adc_data.bin", "a.npz", "a.sigmf-meta"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_range_of_frames(name: str, whole: Path, tmp_path: Path) -> None:
    done: list[int] = []
    report = export(whole, tmp_path / name, start=2, stop=4, progress=done.append)
    assert report.frames == 2
    assert done == [1, 2]
    expected = np.stack([SENSOR.decode(make_frame(k)) for k in (2, 3)])
    if name.endswith(".bin"):
        words = np.fromfile(tmp_path / name, dtype="<i2").astype(np.int16).reshape(2, -1)
        assert np.array_equal(np.stack([SENSOR.decode_words(row) for row in words]), expected)
    elif name.endswith(".npz"):
        with np.load(tmp_path / name) as data:
            assert np.array_equal(data["samples"], expected)
            assert data["counters"].tolist() == [2, 3]
    else:
        _, meta = read_sigmf(tmp_path / name)
        assert [one["isactrack:counter"] for one in meta["captures"]] == [2, 3]


@pytest.mark.parametrize(("start", "stop"), [(6, None), (3, 3), (4, 2), (-1, 2)])
def test_a_range_without_frames_is_refused(start: int, stop: int | None, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 6 frames"):
        export(whole, tmp_path / "a.npz", start=start, stop=stop)


@pytest.mark.parametrize("name", TARGETS)
def test_what_exists_is_replaced_only_if_asked(name: str, whole: Path, tmp_path: Path) -> None:
    target = tmp_path / name
    target.write_bytes(b"precious")
    with pytest.raises(RecordingError, match="exists already"):
        export(whole, target)
    assert target.read_bytes() == b"precious"
    export(whole, target, overwrite=True)
    assert target.read_bytes() != b"precious"


@pytest.mark.parametrize("name", TARGETS)
def test_what_interrupts_an_export_leaves_nothing_behind(name: str, whole: Path, tmp_path: Path) -> None:
    def stop_at(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(whole, tmp_path / name, progress=stop_at)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_folder_that_is_not_there_is_an_error_with_a_hint(name: str, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no folder") as caught:
        export(whole, tmp_path / "nowhere" / name)
    assert caught.value.hint


def test_the_recording_itself_is_never_replaced(whole: Path) -> None:
    before = whole.read_bytes()
    with pytest.raises(ConfigError, match="over the recording"):
        export(whole, whole, ExportFormat.NPZ, overwrite=True)
    assert whole.read_bytes() == before


@pytest.fixture
def two_streams(tmp_path: Path) -> Path:
    """Return a recording of two devices, each in segments of two frames."""
    manifest = create_folder(tmp_path / "run")
    for name, first in (("left", 0), ("right", 100)):
        header = RecordingHeader(
            sensor=SENSOR, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="awr1642://x",
            device_model="AWR1642", stream=name,
        )  # fmt: skip
        with SegmentedWriter(manifest, header, segment_s=0.1) as writer:
            for k in range(5):
                writer.append(make_frame(first + k))
    return tmp_path / "run"


def test_a_stream_of_a_folder_is_exported_across_its_segments(two_streams: Path, tmp_path: Path) -> None:
    out = tmp_path / "right.bin"
    assert len(list((two_streams / "right").glob("*.h5"))) > 1
    assert run(["export", str(two_streams), "-o", str(out), "-q"]) == 2  # which of them?
    assert run(["export", str(two_streams), "-o", str(out), "--stream", "right", "-q"]) == 0
    assert out.read_bytes() == b"".join(make_frame(100 + k).samples.astype("<i2").tobytes() for k in range(5))
    assert run(["export", str(two_streams / "left"), "-o", str(tmp_path / "left.sigmf-meta"), "-q"]) == 0
    _, meta = read_sigmf(tmp_path / "left.sigmf-meta")
    assert [one["isactrack:counter"] for one in meta["captures"]] == [0, 1, 2, 3, 4]


def test_nothing_is_written_into_a_recording(two_streams: Path) -> None:
    (segment, *_) = sorted((two_streams / "left").glob("*.h5"))
    before = segment.read_bytes()
    for target in (segment, two_streams / "left" / "a.npz"):
        with (
            pytest.raises(ConfigError, match="or into it"),
            open_recording(two_streams, "left") as recording,
        ):
            export_recording(recording, target, ExportFormat.NPZ, overwrite=True)
    assert segment.read_bytes() == before


@pytest.mark.parametrize("name", TARGETS)
def test_an_export_needs_the_memory_of_a_few_frames(name: str, tmp_path: Path) -> None:
    sensor = replace(SENSOR, samples_per_chirp=256, loops_per_frame=16)
    lossy = [make_frame(k, sensor, lost=[slice(5, 9)]) for k in range(24)]
    source = record(tmp_path / "long.h5", lossy, sensor)
    with open_recording(source) as recording:
        recording.frame(0)
        tracemalloc.start()
        try:
            export_recording(recording, tmp_path / name)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # A frame is 4 bytes a sample; complex64, its mask, and a copy or two on the way are the rest.
    assert peak_bytes < 12 * sensor.frame_bytes


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as Unix does")
@pytest.mark.parametrize("name", TARGETS)
def test_a_full_disk_is_one_error_and_leaves_nothing(name: str, whole: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from isactrack.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "export", str(whole), "-o", str(tmp_path / name)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 5, result.stderr
    assert "cannot write" in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]


def test_names_ask_for_formats() -> None:
    assert format_of(Path("adc_data.BIN")) is ExportFormat.BIN
    assert format_of(Path("x.sigmf-data")) is ExportFormat.SIGMF
    with pytest.raises(ConfigError, match=r"x\.mat") as caught:
        format_of(Path("x.mat"))
    assert "--format" in caught.value.hint


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote(whole: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "walk"
    arguments = ["export", str(whole), "-o", str(out), "--format", "sigmf", "--start", "1", "--json"]
    assert run(arguments) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["frames"] == 5
    assert data["format"] == "sigmf"
    assert data["outputs"] == [f"{out}.sigmf-data", f"{out}.sigmf-meta"]
    read_sigmf(tmp_path / "walk.sigmf-meta")
    assert run(arguments) == 5
    assert "exists already" in capsys.readouterr().err
    assert run([*arguments, "--overwrite"]) == 0


def test_the_command_refuses_what_cannot_be(whole: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["export", str(whole), "-o", str(tmp_path / "x.mat")]) == 2
    assert run(["export", str(tmp_path / "none.h5"), "-o", str(tmp_path / "x.npz")]) == 5
    assert run(["export", str(whole), "-o", str(tmp_path / "x.npz"), "--stream", "left"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["whole.h5"]
