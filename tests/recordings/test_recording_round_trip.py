"""What is appended comes back."""

import dataclasses
import errno
import json
import os
import stat
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, FmcwSensor, Frame, IqOrder, Pose, RecordingError, RoomOutline, Source, Truth
from isactrack.recordings import RecordingHeader, RecordingWriter, open_recording


def assert_same_frame(got: Frame, want: Frame) -> None:
    for field in dataclasses.fields(Frame):
        np.testing.assert_array_equal(getattr(got, field.name), getattr(want, field.name), err_msg=field.name)
    assert got.samples.dtype == np.int16
    assert got.valid.dtype == np.bool_
    assert got.lost_bytes == want.lost_bytes


TEXT = st.text(st.characters(exclude_characters="\0"), max_size=30)
POSITIONS = st.lists(st.floats(-10, 10), min_size=1, max_size=3).map(tuple)


@st.composite
def sensors(draw: st.DrawFn) -> FmcwSensor:
    return FmcwSensor(
        model=draw(TEXT), start_frequency_hz=77e9, slope_hz_per_s=draw(st.floats(1e12, 1e14)), idle_time_s=1e-5,
        adc_start_s=6e-6, ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=2 * draw(st.integers(1, 9)),
        loops_per_frame=draw(st.integers(1, 5)), frame_period_s=draw(st.floats(1e-3, 1.0)),
        tx_positions=draw(POSITIONS), rx_positions=draw(POSITIONS), iq_order=draw(st.sampled_from(IqOrder)),
        rx_gain_db=draw(st.floats(0, 60)), loop_interval_s=draw(st.none() | st.floats(1e-5, 1e-2)),
    )  # fmt: skip


@st.composite
def frames_of(draw: st.DrawFn, sensor: FmcwSensor) -> list[Frame]:
    counters = sorted(draw(st.sets(st.integers(0, 2**62), max_size=6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lost = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return [
        Frame(
            samples=rng.integers(-32768, 32768, size=sensor.frame_words).astype(np.int16),
            valid=rng.random(sensor.frame_words // 4) >= lost,
            counter=counter,
            device_time_s=draw(st.floats(0, 1e6)),
            host_monotonic_ns=draw(st.integers(0, 2**63 - 1)),
            host_utc_ns=draw(st.integers(0, 2**63 - 1)),
        )
        for counter in counters
    ]


@settings(max_examples=15, deadline=None)
@given(data=st.data(), sensor=sensors(), note=TEXT, profile=TEXT, interval_s=st.sampled_from([0.0, 0.5]))
def test_everything_comes_back(
    data: st.DataObject, sensor: FmcwSensor, note: str, profile: str, interval_s: float
) -> None:
    pose = Pose(x_m=data.draw(st.floats(-9, 9)), yaw_rad=data.draw(st.floats(-3, 3)))
    corners = data.draw(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=3, max_size=9))
    room = data.draw(st.sampled_from([None, RoomOutline(corners_m=tuple(corners))]))
    header = RecordingHeader(
        sensor=sensor, source=Source.REPLAY, origin=Source.HARDWARE, device_url="file://ä.h5",
        device_model=sensor.model, profile_text=profile, pose=pose, room=room, note=note,
    )  # fmt: skip
    frames = data.draw(frames_of(sensor))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        with RecordingWriter(path, header, flush_interval_s=interval_s) as writer:
            for frame in frames:
                writer.append(frame)
            assert writer.frames_written == len(frames)
            assert writer.bytes_written == len(frames) * sensor.frame_bytes
        with open_recording(path) as recording:
            assert recording.header == header
            assert recording.closed_cleanly
            assert recording.stop_reason == "finished"
            assert len(recording) == len(frames)
            for got, want in zip(recording.frames(), frames, strict=True):
                assert_same_frame(got, want)
            assert all(recording.truth(k) is None for k in range(len(frames)))
            gaps = np.diff([frame.counter for frame in frames]) - 1
            assert recording.missing_frames == gaps.sum()
            assert recording.incomplete_frames == sum(not frame.complete for frame in frames)


def test_truth_comes_back_with_frames_that_have_none(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    none = Truth(9.5, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))
    rng = np.random.default_rng(1)
    truths = [
        None if k % 5 == 0 else none if k % 5 == 1 else
        Truth(k / 7, np.arange(k % 5, dtype=np.int64), rng.normal(size=(k % 5, 2)), rng.normal(size=(k % 5, 2)))
        for k in range(300)
    ]  # fmt: skip
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for k, truth in enumerate(truths):
            writer.append(make_frame(k), truth)
    with open_recording(tmp_path / "run.h5") as recording:
        assert len(recording) == 300  # more than a block of rows
        for k, want in enumerate(truths):
            got = recording.truth(k)
            assert (got is None) == (want is None), k
            if got is not None and want is not None:
                for field in dataclasses.fields(Truth):
                    np.testing.assert_array_equal(getattr(got, field.name), getattr(want, field.name))


def test_totals_count_missing_frames_as_lost(
    tmp_path: Path, header: RecordingHeader, make_frame: Any, sensor: FmcwSensor
) -> None:
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for counter in (10, 11, 15, 16):  # 12, 13, 14 are missing; what came before the recording is not
            writer.append(make_frame(counter, lost_groups=3 if counter == 15 else 0))
        writer.close("enough")
    with open_recording(tmp_path / "run.h5") as recording:
        assert recording.missing_frames == 3
        assert recording.incomplete_frames == 1
        assert recording.lost_bytes == 3 * sensor.frame_bytes + 3 * 8
        assert recording.lost_share == pytest.approx(recording.lost_bytes / (7 * sensor.frame_bytes))
        assert recording.duration_s == pytest.approx(7 * 0.05)
        assert recording.stop_reason == "enough"
        assert [frame.counter for frame in recording.frames(1, 3)] == [11, 15]
        assert [frame.counter for frame in recording.frames(3, 99)] == [16]
    with h5py.File(tmp_path / "run.h5") as file:
        session = file["session"][()]
        assert session["closed"] == 1
        assert (session["frames"], session["missing_frames"], session["incomplete_frames"]) == (4, 3, 1)
        assert session["lost_bytes"] == 3 * sensor.frame_bytes + 24


def test_a_file_describes_itself(tmp_path: Path, header: RecordingHeader, record: Any, sensor: FmcwSensor) -> None:
    record(tmp_path / "run.h5", 3)
    with h5py.File(tmp_path / "run.h5") as file:
        samples = file["frames/samples"]
        assert samples.shape == (3, 4, 2, 4, 8, 4)
        assert samples.chunks == (1, 4, 2, 4, 8, 4)
        assert [dim.label for dim in samples.dims] == ["frame", "loop", "tx", "rx", "sample_pair", "word"]
        for group in ("frames", "truth", "losses", "events", "side"):
            for dataset in file[group].values():
                assert dataset.attrs["units"], dataset.name
                assert all(dim.label for dim in dataset.dims), dataset.name
        units = json.loads(file["sensor"].attrs["units"])
        floats = [f.name for f in dataclasses.fields(FmcwSensor) if not isinstance(getattr(sensor, f.name), str)]
        assert sorted(units) == sorted(floats)
        assert file["sensor/derived"].attrs["range_resolution_m"] == sensor.range_resolution_m
        assert file["profile"][()].decode() == header.profile_text
        for name in ("format", "created_utc", "uuid", "host_platform", "package_version"):
            assert file.attrs[name], name
        assert file.attrs["schema_version"] == 3


def test_words_in_the_file_follow_the_sensor(tmp_path: Path, header: RecordingHeader, sensor: FmcwSensor) -> None:
    """The axes of the dataset are those of the decoded cube."""
    rng = np.random.default_rng(3)
    cube = rng.integers(-999, 999, sensor.cube_shape) + 1j * rng.integers(-999, 999, sensor.cube_shape)
    words = sensor.encode_words(cube)
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        writer.append(Frame(words, np.ones(words.size // 4, np.bool_), 0, 0.0, 0, 0))
    with h5py.File(tmp_path / "run.h5") as file:
        stored = file["frames/samples"][0, 2, 1, 3, 5]
    np.testing.assert_array_equal(stored, [*cube[2, 1, 3, 10:12].real, *cube[2, 1, 3, 10:12].imag])


def test_an_existing_file_is_kept_unless_asked(tmp_path: Path, header: RecordingHeader, record: Any) -> None:
    path = tmp_path / "run.h5"
    record(path, 2)
    with pytest.raises(RecordingError, match="exists already") as caught:
        RecordingWriter(path, header)
    assert caught.value.hint
    with open_recording(path) as old, RecordingWriter(path, header, overwrite=True):
        assert len(list(old.frames())) == 2  # who reads the old file keeps it
    with open_recording(path) as new:
        assert len(new) == 0
        assert new.uuid != old.uuid
        assert new.duration_s == 0.0


def test_wrong_uses_are_refused(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    with pytest.raises(RecordingError, match="no folder"):
        RecordingWriter(tmp_path / "nowhere" / "run.h5", header)
    with pytest.raises(RecordingError, match="is a folder"):
        RecordingWriter(tmp_path, header)
    with pytest.raises(ConfigError, match="flush interval"):
        RecordingWriter(tmp_path / "a.h5", header, flush_interval_s=2.0)
    with pytest.raises(ConfigError, match="origin"):
        dataclasses.replace(header, origin=Source.REPLAY)
    writer = RecordingWriter(tmp_path / "run.h5", header)
    short = Frame(np.zeros(8, np.int16), np.ones(2, np.bool_), 0, 0.0, 0, 0)
    with pytest.raises(ConfigError, match=r"16 bytes does not fit run\.h5"):
        writer.append(short)
    with pytest.raises(ConfigError, match="impossible"):
        writer.append(dataclasses.replace(make_frame(1), counter=-1))
    writer.append(make_frame(0))
    writer.close()
    writer.close()
    with pytest.raises(RecordingError, match="closed"):
        writer.append(make_frame(1))
    with open_recording(tmp_path / "run.h5") as recording:
        assert len(recording) == 1
        for index in (-1, 1):
            with pytest.raises(IndexError):
                recording.frame(index)
            with pytest.raises(IndexError):
                recording.truth(index)
    recording.close()
    with pytest.raises(RecordingError, match="closed"):
        recording.frame(0)


def test_the_reason_of_an_error_is_kept(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    for error, reason in ((KeyboardInterrupt(), "interrupted"), (ValueError("ü" * 150), "ValueError: " + "ü" * 94)):
        path = tmp_path / f"{type(error).__name__}.h5"
        with pytest.raises(type(error)), RecordingWriter(path, header) as writer:
            writer.append(make_frame(0))
            raise error
        with open_recording(path) as recording:
            assert recording.stop_reason == reason
            assert len(recording) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="only POSIX tells how a file was opened")
def test_closing_waits_for_the_disk_as_windows_wants_it(
    tmp_path: Path, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    synced: list[bool] = []

    def fsync(descriptor: int) -> None:
        # Windows refuses to flush what was opened for reading only.
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not folder and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        synced.append(folder)

    monkeypatch.setattr(os, "fsync", fsync)
    record(tmp_path / "run.h5", 2)
    assert synced == [False, True], "the file, then its name in the folder"


def test_a_file_that_could_not_be_begun_is_removed(
    tmp_path: Path, header: RecordingHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("isactrack.recordings.writer.store_header", fail)
    with pytest.raises(RecordingError, match="No space left"):
        RecordingWriter(tmp_path / "run.h5", header)
    assert not list(tmp_path.iterdir())


def test_frames_are_flushed_by_time(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    with RecordingWriter(tmp_path / "run.h5", header, flush_interval_s=0.05) as writer:
        writer.append(make_frame(0))
        time.sleep(0.06)
        writer.append(make_frame(1))
        writer.append(make_frame(2))
        with open_recording(tmp_path / "run.h5") as recording:
            assert len(recording) >= 2
            writer.flush()
            assert recording.refresh() == 3
            assert not recording.closed_cleanly
            assert recording.stop_reason == ""
            assert_same_frame(recording.frame(2), make_frame(2))
            writer.close()
            recording.refresh()
            assert recording.closed_cleanly


def test_a_wild_counter_does_not_keep_the_file_open(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        writer.append(make_frame(0))
        writer.append(dataclasses.replace(make_frame(1), counter=2**62))
    with open_recording(tmp_path / "run.h5") as recording:
        assert recording.closed_cleanly
        assert recording.missing_frames == 2**62 - 1
