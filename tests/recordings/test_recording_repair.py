"""Whatever was whole is in the repaired copy, which passes the checks."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isactrack import Frame, RecordingError
from isactrack.recordings import (
    RecordingHeader,
    RecordingWriter,
    open_recording,
    repair_recording,
    validate_recording,
)
from isactrack.recordings.repair import longest_growing


def failed(path: Path) -> list[str]:
    return [check.name for check in validate_recording(path, max_loss=1.0) if check.passed is False]


def flip_chunk(path: Path, *rows: int) -> None:
    """Change a byte of the samples of some frames on the disk."""
    with h5py.File(path) as file:
        places = [file["frames/samples"].id.get_chunk_info(row).byte_offset for row in rows]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place + 500] ^= 1
    path.write_bytes(data)


def test_a_healthy_recording_is_left_alone(tmp_path: Path, full: Any) -> None:
    path = tmp_path / "run.h5"
    full(path, 12)
    report = repair_recording(path)
    assert report.output is None
    assert report.reasons == ()
    assert (report.frames, report.events, report.side_packets) == (12, 4, 4)
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_frames_are_left_out_and_the_rest_is_kept(tmp_path: Path, full: Any, header: RecordingHeader) -> None:
    path = tmp_path / "run.h5"
    frames = full(path, 12)
    flip_chunk(path, 3, 4)
    before = path.read_bytes()
    report = repair_recording(path)
    assert path.read_bytes() == before
    assert report.output == tmp_path / "run-repaired.h5"
    assert report.reasons == ("frames readable",)
    assert (report.frames, report.damaged_frames, report.unordered_frames) == (10, 2, 0)
    assert failed(report.output) == []
    kept = [frame for k, frame in enumerate(frames) if k not in (3, 4)]
    with open_recording(path) as old, open_recording(report.output) as new:
        assert new.header == header
        assert new.created_utc == old.created_utc
        assert new.repaired_from == old.uuid != new.uuid
        assert (new.closed_cleanly, new.stop_reason) == (True, "finished")
        assert new.events == old.events
        assert new.event_frame_rows.tolist() == [1, 3, 5, 8], "the frames before it that are left"
        assert list(new.side_packets()) == list(old.side_packets())
        assert new.missing_frames == old.missing_frames + 2
        runs = new.losses[new.losses["missing_frames"] > 0]
        assert runs[["frame_row", "counter", "missing_frames"]].tolist() == [(3, 3, 2), (8, 10, 1)]
        for k, want in enumerate(kept):
            np.testing.assert_array_equal(new.frame(k).samples, want.samples)
            truth = new.truth(k)
            assert truth is not None
            assert truth.position_m[0, 0] == want.counter
    with h5py.File(report.output) as file:
        assert file.attrs["repair_report"] == b"10 frames kept; rows left out: 3-4"
    assert repair_recording(report.output).output is None, "nothing is left to repair"


def test_damage_at_the_end_is_in_the_reason(tmp_path: Path, full: Any) -> None:
    full(tmp_path / "run.h5", 12)
    flip_chunk(tmp_path / "run.h5", 10, 11)
    report = repair_recording(tmp_path / "run.h5", tmp_path / "whole.h5")
    assert report.output is not None
    with open_recording(report.output) as recording:
        assert recording.stop_reason == "frames missing at the end: 2; finished"
        assert len(recording) == 10
        assert len(recording.events) == 4


def test_an_unclosed_recording(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    path, left = tmp_path / "run.h5", tmp_path / "left.h5"
    with RecordingWriter(path, header) as writer:
        for k in range(9):
            writer.append(make_frame(k))
        writer.flush()
        with pytest.raises(RecordingError, match="is being recorded"):
            repair_recording(path)
        shutil.copy(path, left)
    report = repair_recording(left)
    assert report.output is not None
    assert report.frames == 9
    with open_recording(report.output) as recording:
        assert recording.stop_reason == "recovered, it was not closed"
    assert failed(report.output) == []


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_long_recording_that_was_cut_keeps_its_front(
    tmp_path: Path, header: RecordingHeader, make_frame: Any, share: float
) -> None:
    """Also where whole blocks of the tables are behind the cut."""
    path = tmp_path / "run.h5"
    with RecordingWriter(path, header) as writer:
        for k in range(700):
            writer.append(make_frame(k))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    report = repair_recording(path)
    assert report.output is not None
    assert report.frames >= 700 * (share - 0.15)
    assert failed(report.output) == []
    with open_recording(report.output) as recording:
        assert [frame.counter for frame in recording.frames()] == list(range(report.frames))


def edit(path: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize(
    ("name", "row", "value", "expected"),
    [
        ("events/kind", 1, b"gossip", {"damaged_events": 1}),
        ("events/text", 1, b"\xff\xfe", {"damaged_events": 1}),
        ("side/offset", 2, 10**9, {"damaged_side_packets": 1}),
        ("side/bytes", 40, 255, {"damaged_side_packets": 1}),
        ("losses/counter", 0, 77, {}),
        ("frames/counter", 5, 10**6, {"damaged_frames": 1}),
        ("frames/device_time_s", 5, -1.0, {"damaged_frames": 1}),
        ("truth/frame_row", -1, 99, {}),
    ],
)
def test_each_damage_costs_what_it_touched(
    tmp_path: Path, full: Any, name: str, row: int, value: object, expected: dict[str, int]
) -> None:
    path = tmp_path / "run.h5"
    full(path, 12)

    def change(file: h5py.File) -> None:
        file[name][row] = value

    edit(path, change)
    report = repair_recording(path)
    assert report.output is not None
    for count in ("damaged_frames", "unordered_frames", "damaged_events", "damaged_side_packets"):
        assert getattr(report, count) == expected.get(count, 0), count
    assert (report.frames, report.events, report.side_packets) == (
        12 - report.damaged_frames, 4 - report.damaged_events, 4 - report.damaged_side_packets,
    )  # fmt: skip
    assert failed(report.output) == []


def test_frames_out_of_order_are_left_out(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    """Frames whose checksum is right, but whose counter a faulty device repeated or threw far ahead."""
    path = tmp_path / "run.h5"
    counters = [0, 1, 2, 2**40, 3, 4, 4, 5, 6]
    with RecordingWriter(path, header) as writer:
        for k, counter in enumerate(counters):
            frame = make_frame(counter % 99)
            writer.append(Frame(frame.samples, frame.valid, counter, k * 0.05, k, k))
    report = repair_recording(path)
    assert report.output is not None
    assert (report.frames, report.unordered_frames, report.damaged_frames) == (7, 2, 0)
    with open_recording(report.output) as recording:
        assert recording.counters.tolist() == list(range(7))
    assert [name for name in failed(report.output) if name != "frame rate"] == []


def test_what_cannot_be_done_is_said(tmp_path: Path, full: Any) -> None:
    path = tmp_path / "run.h5"
    full(path, 5)
    flip_chunk(path, 1)
    taken = tmp_path / "taken.h5"
    taken.write_bytes(b"precious")
    with pytest.raises(RecordingError, match="exists already") as caught:
        repair_recording(path, taken)
    assert caught.value.hint
    assert taken.read_bytes() == b"precious"
    with pytest.raises(RecordingError, match="no folder"):
        repair_recording(path, tmp_path / "nowhere" / "run.h5")
    (tmp_path / "nonsense.h5").write_text("nonsense")
    with pytest.raises(RecordingError, match="is not an HDF5 file"):
        repair_recording(tmp_path / "nonsense.h5")
    with pytest.raises(RecordingError, match="no file"):
        repair_recording(tmp_path / "nothing.h5")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["nonsense.h5", "run.h5", "taken.h5"]


@given(values=st.lists(st.integers(0, 12), max_size=9), strictly=st.booleans())
def test_longest_growing_is_longest(values: list[int], strictly: bool) -> None:
    chosen = longest_growing(np.array(values, dtype=np.int64), strictly=strictly).tolist()
    assert chosen == sorted(set(chosen))
    picked = [values[k] for k in chosen]
    assert all(a < b or (a == b and not strictly) for a, b in pairwise(picked))
    longest = [1] * len(values)
    for k in range(len(values)):
        fits = [longest[j] for j in range(k) if values[j] < values[k] or (values[j] == values[k] and not strictly)]
        longest[k] = 1 + max(fits, default=0)
    assert len(picked) == max(longest, default=0)
