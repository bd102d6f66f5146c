"""A row of segments reads as the one recording that it would have been, and says what is wrong with it."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, Event, EventKind, Frame, RecordingError, SidePacket, Truth
from isactrack.recordings import (
    Recording,
    RecordingFolder,
    RecordingHeader,
    RecordingWriter,
    SegmentedWriter,
    StreamRecording,
    create_folder,
    folder,
    open_recording,
)
from isactrack.recordings.manifest import read_manifest

MakeFrame = Callable[..., Frame]
Recorder = RecordingWriter | SegmentedWriter


def fill(writer: Recorder, frames: list[Frame]) -> None:
    """Record frames with truth, an event after each third and a packet after each fourth."""
    for k, frame in enumerate(frames):
        position = np.array([[frame.counter, 1.0], [2.0, frame.counter]])
        writer.append(frame, Truth(frame.device_time_s, np.array([3, 5]), position, -position) if k % 5 else None)
        times = {"host_monotonic_ns": frame.host_monotonic_ns, "host_utc_ns": frame.host_utc_ns}
        if k % 3 == 2:
            writer.add_event(Event(kind=EventKind.MARKER, text=f"after {frame.counter}", **times))
        if k % 4 == 3:
            writer.add_side_packet(SidePacket(kind="test", data=bytes(range(k % 7)), **times))


def segmented(path: Path, header: RecordingHeader, frames: list[Frame], per_segment: int) -> Path:
    """Record frames to a folder and return that of its stream."""
    with SegmentedWriter(create_folder(path), header, segment_s=per_segment * header.sensor.frame_period_s) as writer:
        fill(writer, frames)
    return writer.path


@pytest.fixture
def stream(tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame) -> Path:
    """A stream of 4 segments with 5, 5, 5 and 3 frames."""
    return segmented(tmp_path / "run1", header, [make_frame(k) for k in range(18)], 5)


def same_frame(one: Frame, other: Frame) -> bool:
    scalars = ("counter", "device_time_s", "host_monotonic_ns", "host_utc_ns")
    return (
        np.array_equal(one.samples, other.samples)
        and np.array_equal(one.valid, other.valid)
        and all(getattr(one, name) == getattr(other, name) for name in scalars)
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, Truth):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return bool(one == other)


# Of the file itself, or of the moment.
OWN = {"path", "uuid", "created_utc", "file_bytes", "compression_ratio", "dataset_lengths", "header", "note"}


@pytest.mark.slow
def test_a_row_of_segments_has_every_public_member_of_a_file_with_the_same_value(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    counters = [k + 3 * (k >= 7) + 2 * (k >= 10) for k in range(17)]  # missing at a seam, and within a segment
    frames = [make_frame(c, lost_groups=3 * (c % 4 == 1)) for c in counters]
    with RecordingWriter(tmp_path / "one.h5", header) as writer:
        fill(writer, frames)
    row = segmented(tmp_path / "run1", header, frames, 5)
    with open_recording(tmp_path / "one.h5") as file, open_recording(row) as segments:
        assert isinstance(segments, StreamRecording)
        assert len(segments.segments) > 3
        assert file.missing_frames == segments.missing_frames == 5
        names = {name for name in dir(Recording) if not name.startswith("_")} | set(Recording.__annotations__)
        for name in sorted(names - OWN):
            mine, other = getattr(segments, name), getattr(file, name)
            if not callable(mine):
                assert same(mine, other), name
        assert len(segments) == len(file)
        assert all(same_frame(one, other) for one, other in zip(segments.frames(), file.frames(), strict=True))
        assert all(same(segments.truth(k), file.truth(k)) for k in range(len(file)))
        assert list(segments.side_packets()) == list(file.side_packets())
        assert segments.event(3) == file.event(3)
        assert [same_frame(*pair) for pair in zip(segments.frames(4, 11), frames[4:11], strict=True)] == [True] * 7
        callables = {name for name in names - OWN if callable(getattr(file, name))}
        assert callables == {"close", "event", "frame", "frames", "refresh", "side_packet", "side_packets", "truth"}
        assert segments.file_bytes == sum(path.stat().st_size for path in row.glob("*.h5"))
        assert 0.5 < (segments.compression_ratio() or 0.0) < 2.0
        for index in (-1, len(segments)):
            with pytest.raises(IndexError):
                segments.frame(index)
            with pytest.raises(IndexError):
                segments.event(index if index < 0 else len(segments.events))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(2, 6))
@pytest.mark.slow
def test_no_frame_is_lost_between_segments(
    tmp_path_factory: pytest.TempPathFactory, header: RecordingHeader, make_frame: MakeFrame, steps: list[int], per: int
) -> None:
    frames = [make_frame(int(c)) for c in np.cumsum(steps)]
    row = segmented(tmp_path_factory.mktemp("any") / "run1", header, frames, per)
    with open_recording(row.parent) as recording:
        assert recording.closed_cleanly
        assert all(same_frame(one, other) for one, other in zip(recording.frames(), frames, strict=True))
        spans = [recording.device_time_s[s.first_row : s.first_row + s.frames] for s in recording.segments]  # type: ignore[attr-defined]
        assert all(span[-1] - span[0] < per * header.sensor.frame_period_s - 1e-9 for span in spans)


def test_few_segments_are_open_at_the_same_time(stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAX_OPEN_SEGMENTS", 2)
    with StreamRecording(stream) as recording:
        for index in (0, 17, 6, 12, 1, 16):
            assert recording.frame(index).counter == index
            assert len(recording._opened) <= 2
    with pytest.raises(RecordingError, match="closed"):
        recording.frame(0)


# --- which recording -------------------------------------------------------------------------------------------------


def test_a_folder_opens_by_itself_if_it_has_one_stream(stream: Path, tmp_path: Path) -> None:
    for path, name in ((stream.parent, None), (stream, None), (stream, "radar"), (stream.parent, "radar")):
        with open_recording(path, name) as recording:
            assert len(recording) == 18
            assert recording.header.stream == "radar"
    with pytest.raises(ConfigError, match="no stream 'left'") as caught:
        open_recording(stream.parent, "left")
    assert "radar" in caught.value.hint
    with pytest.raises(ConfigError, match="is one stream"):
        open_recording(stream, "left")
    with pytest.raises(ConfigError, match="is one file"):
        open_recording(stream / "000000.h5", "left")
    with open_recording(stream / "000001.h5") as segment:
        assert segment.counters.tolist() == [5, 6, 7, 8, 9]


def test_of_several_streams_one_must_be_chosen(tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame) -> None:
    manifest = create_folder(tmp_path / "run1", note="two")
    for name, count in (("left", 3), ("right", 4)):
        with SegmentedWriter(manifest, dataclasses.replace(header, stream=name)) as writer:
            fill(writer, [make_frame(k) for k in range(count)])
    with pytest.raises(ConfigError, match="2 streams: left, right") as caught:
        open_recording(tmp_path / "run1")
    assert str(tmp_path / "run1" / "left") in caught.value.hint
    with open_recording(tmp_path / "run1", "right") as recording:
        assert len(recording) == 4
    with RecordingFolder(tmp_path / "run1") as whole:
        assert {name: len(one) for name, one in whole.streams.items()} == {"left": 3, "right": 4}
        assert whole.manifest.note == "two"
    with pytest.raises(RecordingError, match="exists already"):
        SegmentedWriter(manifest, dataclasses.replace(header, stream="left"))


def test_what_is_no_recording_is_told_from_one_that_is_damaged(tmp_path: Path, stream: Path) -> None:
    with pytest.raises(RecordingError, match=r"no manifest\.json"):
        open_recording(tmp_path)
    with pytest.raises(RecordingError, match="no stream"):
        create_folder(tmp_path / "empty")
        open_recording(tmp_path / "empty")
    manifest = stream.parent / "manifest.json"
    good = json.loads(manifest.read_text())
    for change, words in (
        ({"schema_version": 2}, "schema version 2"),
        ({"format": "else"}, "schema version None"),
        ({"streams": [{"name": "../x"}]}, "damaged"),
        ({"streams": 7}, "damaged"),
        ({"streams": [good["streams"][0]] * 2}, "same name"),
        ({"streams": [{**good["streams"][0], "segments": [{"file": "/etc/passwd", "uuid": ""}]}]}, "no segment of"),
    ):
        manifest.write_text(json.dumps({**good, **change}))
        with pytest.raises(RecordingError, match=words):
            open_recording(stream)
    for text in ("", "[", "[]", "null", "\x00"):
        manifest.write_text(text)
        with pytest.raises(RecordingError):
            open_recording(stream)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_mutated_manifest_raises_nothing_but_our_own_errors(stream: Path, data: st.DataObject) -> None:
    manifest = stream.parent / "manifest.json"
    good = manifest.with_suffix(".good")
    if not good.exists():
        shutil.copy(manifest, good)
    text = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"null", b"1"])
        )
    manifest.write_bytes(text)
    try:
        with open_recording(stream.parent) as recording:
            list(recording.frames())
    except (RecordingError, ConfigError):
        pass


# --- segments that are not as they were -------------------------------------------------------------------------------


def test_a_segment_that_is_missing_shows_as_missing_frames(stream: Path) -> None:
    (stream / "000001.h5").unlink()
    with StreamRecording(stream) as recording:
        assert recording.problems == ("000001.h5 is missing",)
        assert not recording.closed_cleanly
        assert recording.counters.tolist() == [*range(5), *range(10, 18)]
        assert recording.missing_frames == 5
        assert recording.losses[["frame_row", "counter", "missing_frames"]].tolist() == [(5, 5, 5)]
        assert [recording.frame(k).counter for k in (4, 5)] == [4, 10]


def test_renamed_segments_come_in_their_order(stream: Path) -> None:
    (stream / "000001.h5").rename(stream / "swap")
    (stream / "000002.h5").rename(stream / "000001.h5")
    (stream / "swap").rename(stream / "000002.h5")
    with StreamRecording(stream) as recording:
        assert len(recording.problems) == 2
        assert "000001.h5 has been renamed to 000002.h5" in recording.problems
        assert [frame.counter for frame in recording.frames()] == list(range(18))


def test_foreign_segments_and_copies_are_left_out(
    stream: Path, tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    other = segmented(tmp_path / "run2", header, [make_frame(k) for k in range(2)], 5)
    shutil.copy(other / "000000.h5", stream / "000009.h5")
    shutil.copy(stream / "000000.h5", stream / "000010.h5")
    with StreamRecording(stream) as recording:
        assert sorted(recording.problems) == [
            "000009.h5 is foreign: it is not in the manifest", "000010.h5 is a copy of 000000.h5",
        ]  # fmt: skip
        assert recording.counters.tolist() == list(range(18))


def test_a_damaged_segment_leaves_the_others(stream: Path) -> None:
    (stream / "000003.h5").write_bytes(b"nothing")
    with StreamRecording(stream) as recording:
        assert recording.counters.tolist() == list(range(15))
        assert [problem.split(":")[0] for problem in recording.problems] == [
            "000003.h5 cannot be read", "000003.h5 is missing",
        ]  # fmt: skip
    for path in stream.glob("*.h5"):
        path.write_bytes(b"")
    with pytest.raises(RecordingError, match="no segment that can be read"):
        StreamRecording(stream)


def test_a_recording_that_is_still_being_made_can_be_read_along(
    tmp_path: Path, header: RecordingHeader, make_frame: MakeFrame
) -> None:
    period_s = header.sensor.frame_period_s
    with SegmentedWriter(create_folder(tmp_path / "run1"), header, segment_s=4 * period_s) as writer:
        fill(writer, [make_frame(k) for k in range(6)])
        writer.flush()
        with open_recording(tmp_path / "run1") as recording:
            assert (len(recording), recording.closed_cleanly) == (6, False)
            assert recording.frame(5).counter == 5
            fill(writer, [make_frame(k) for k in range(6, 11)])
            writer.flush()
            assert recording.frame(0).counter == 0
            assert recording.refresh() == 11
            assert [frame.counter for frame in recording.frames()] == list(range(11))
            writer.close()
            assert recording.frame(9).counter == 9
            recording.refresh()
            assert recording.closed_cleanly
            assert recording.stop_reason == "finished"
    entry = read_manifest(tmp_path / "run1").streams[0].segments[0]
    assert (entry.first_counter, entry.last_counter, entry.frames, entry.closed) == (0, 3, 4, True)
