"""A part of a recording is a valid recording with all that belongs to those frames, or there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from isactrack import Event, EventKind, FmcwSensor, Frame, OfdmSensor, SidePacket, Source, Truth
from isactrack.errors import ConfigError, RecordingError
from isactrack.frame import BlockFlag, BlockInfo
from isactrack.recordings import (
    Recording,
    RecordingHeader,
    RecordingWriter,
    SegmentedWriter,
    create_folder,
    cut_recording,
    open_recording,
    validate_recording,
)
from isactrack.recordings.cut import CUT_FROM, CUT_REPORT, cut_steps


def beside(k: int) -> tuple[Event, SidePacket]:
    """Return what happens just after frame k of the fixtures arrives."""
    at_ns = 7_000_000 + k * 50_000_000 + 1
    return (
        Event(host_monotonic_ns=at_ns, host_utc_ns=10**18 + k, kind=EventKind.MARKER, text=f"after {k}"),
        SidePacket(host_monotonic_ns=at_ns, host_utc_ns=10**18 + k, kind="mmw-demo-tlv", data=bytes([k])),
    )


def write(path: Path, header: RecordingHeader, frames: list[Frame], reason: str = "finished") -> Path:
    with RecordingWriter(path, header) as writer:
        for frame in frames:
            writer.append(frame, truth(frame) if frame.counter % 2 else None)
            event, packet = beside(frame.counter)
            writer.add_event(event)
            writer.add_side_packet(packet)
        writer.close(reason)
    return path


def truth(frame: Frame) -> Truth:
    position = np.array([[frame.counter, 1.0], [2.0, frame.counter]])
    return Truth(frame.device_time_s + 0.01, np.array([3, 5], dtype=np.int64), position, -position)


def failed(path: Path, max_loss: float = 1.0) -> list[str]:
    return [f"{c.name}: {c.detail}" for c in validate_recording(path, max_loss=max_loss) if c.passed is False]


def assert_same(got: Frame, want: Frame) -> None:
    np.testing.assert_array_equal(got.samples, want.samples)
    np.testing.assert_array_equal(got.valid, want.valid)
    assert (got.counter, got.device_time_s, got.host_monotonic_ns, got.host_utc_ns, got.block) == (
        want.counter, want.device_time_s, want.host_monotonic_ns, want.host_utc_ns, want.block,
    )  # fmt: skip


@pytest.mark.parametrize(("start_s", "stop_s", "rows"), [(0.5, 1.0, (10, 20)), (-9, 0.3, (0, 6)), (1.2, 99, (24, 30))])
def test_a_cut_is_valid_and_has_all_that_belongs_to_its_frames(
    tmp_path: Path, header: RecordingHeader, make_frame: Any, start_s: float, stop_s: float, rows: tuple[int, int]
) -> None:
    frames = [make_frame(k, lost_groups=2 * (k % 3 == 0)) for k in range(30)]
    source, path = write(tmp_path / "all.h5", header, frames), tmp_path / "part.h5"
    with Recording(source) as recording:
        report = cut_recording(recording, path, start_s, stop_s, stamp={"settings": "abc"})
        uuid = recording.uuid
    assert (report.start, report.stop) == rows
    assert (report.frames, report.events, report.side_packets) == (rows[1] - rows[0],) * 3
    assert failed(path) == []
    with Recording(path) as part:
        wanted = range(*rows)
        for k, row in enumerate(wanted):
            assert_same(part.frame(k), frames[row])
            known, expected = part.truth(k), truth(frames[row]) if row % 2 else None
            assert (known is None) == (expected is None)
            if known is not None and expected is not None:
                assert known.time_s == expected.time_s
                np.testing.assert_array_equal(known.position_m, expected.position_m)
        assert [event.text for event in part.events] == [f"after {row}" for row in wanted]
        assert part.event_frame_rows.tolist() == list(range(1, len(wanted) + 1))
        assert [packet.data for packet in part.side_packets()] == [bytes([row]) for row in wanted]
        assert part.header == header
        assert part.uuid != uuid
        assert part.stop_reason == ("finished" if rows[1] == 30 else "cut")
    with h5py.File(path) as file:
        assert file.attrs[CUT_FROM].decode() == uuid
        assert file.attrs[CUT_REPORT].decode().startswith(f"frames {rows[0]} to {rows[1] - 1} of 30")
        assert file.attrs["stamp_settings"] == b"abc"
        assert file.attrs["created_utc"].decode().startswith("2023-11-14")  # of its first frame
    assert sorted(tmp_path.iterdir()) == [source, path]


def test_missing_frames_inside_are_missing_and_those_at_the_edges_are_not(
    tmp_path: Path, header: RecordingHeader, make_frame: Any
) -> None:
    frames = [make_frame(k) for k in range(30) if k not in (9, 15, 20)]
    source, path = write(tmp_path / "all.h5", header, frames), tmp_path / "part.h5"
    with Recording(source) as recording:
        cut_recording(recording, path, 0.5, 1.0)
    assert failed(path) == []
    with Recording(path) as part:
        assert part.missing_frames == 1
        assert part.counters.tolist() == [k for k in range(10, 20) if k != 15]


def test_the_blocks_of_a_radio_come_with_it(tmp_path: Path) -> None:
    sensor = OfdmSensor(
        model="radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-20, 21)),
        frame_period_s=4e-3, rx_positions=(0.0, 0.5), tx_position_m=(4.0, 1.0),
    )  # fmt: skip
    header = RecordingHeader(
        sensor=sensor,
        source=Source.SIMULATED,
        origin=Source.SIMULATED,
        device_url="sim://bistatic",
        device_model="radio",
    )
    rng, frames = np.random.default_rng(1), []
    for k in range(40):
        words = rng.integers(-99, 99, sensor.frame_words, dtype=np.int16)
        tick = round((k * sensor.frame_period_s + sensor.stagger_of(k)) * sensor.sample_rate_hz)
        block = BlockInfo(
            tick=tick, flags=BlockFlag(0), gain_db=30.0 + k, noise_power=2.0, cfo_hz=k, timing_samples=0.0, clipped=k,
            temperature_c=40.0,
        )  # fmt: skip
        valid = np.ones(-(-words.size // 4), dtype=np.bool_)
        frames.append(Frame(words, valid, k, k * 4e-3, k * 4_000_000, 10**18 + k * 4_000_000, block))
    with RecordingWriter(tmp_path / "all.h5", header) as writer:
        for frame in frames:
            writer.append(frame)
    with Recording(tmp_path / "all.h5") as recording:
        cut_recording(recording, tmp_path / "part.h5", 0.0399, 0.0801)
    assert failed(tmp_path / "part.h5") == []
    with Recording(tmp_path / "part.h5") as part:
        assert [one.block for one in part.frames()] == [one.block for one in frames[10:21]]


def test_what_stops_a_cut_leaves_nothing_of_it_and_what_was_there(tmp_path: Path, record: Any) -> None:
    source, path = tmp_path / "all.h5", tmp_path / "part.h5"
    record(source, 12)
    path.write_bytes(b"before")
    with Recording(source) as recording:
        steps = cut_steps(recording, path, 0.0, 9.0, overwrite=True)
        shares = [next(steps) for _ in range(5)]
        assert shares == sorted(shares) and 0.0 < shares[0] < shares[-1] < 1.0
        assert len(list(tmp_path.iterdir())) == 3
        steps.close()
        assert sorted(tmp_path.iterdir()) == [source, path]
        assert path.read_bytes() == b"before"
        with pytest.raises(RecordingError, match="exists already"):
            cut_recording(recording, path, 0.0, 9.0)
        with pytest.raises(ConfigError, match="no frame"):
            cut_recording(recording, tmp_path / "x.h5", 50.0, 60.0)
        with pytest.raises(ConfigError, match="over the recording"):
            cut_recording(recording, source, 0.0, 9.0, overwrite=True)
        with pytest.raises(RecordingError, match="no folder"):
            cut_recording(recording, tmp_path / "none" / "x.h5", 0.0, 9.0)
        cut_recording(recording, path, 0.0, 9.0, overwrite=True)
    assert failed(path) == []


def test_a_damaged_frame_ends_the_cut_and_leaves_no_file(tmp_path: Path, record: Any) -> None:
    source = tmp_path / "all.h5"
    record(source, 12)
    with h5py.File(source, "r+") as file:
        file["frames/crc32"][6] = 1
    with Recording(source) as recording:
        with pytest.raises(RecordingError, match="frame 6"):
            cut_recording(recording, tmp_path / "part.h5", 0.0, 9.0)
        cut_recording(recording, tmp_path / "early.h5", 0.0, 0.25)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.h5", "early.h5"]


@pytest.mark.slow
def test_a_stream_of_a_folder_is_cut_across_its_segments(
    tmp_path: Path, header: RecordingHeader, make_frame: Any
) -> None:
    frames = [make_frame(k) for k in range(20)]
    manifest = create_folder(tmp_path / "run")
    with SegmentedWriter(manifest, replace(header, stream="left"), segment_bytes=6 * 2048) as writer:
        for frame in frames:
            writer.append(frame)
    with open_recording(tmp_path / "run") as recording:
        cut_recording(recording, tmp_path / "part.h5", 0.2, 0.7)
    assert failed(tmp_path / "part.h5") == []
    with Recording(tmp_path / "part.h5") as part:
        assert part.counters.tolist() == list(range(4, 14))
        assert isinstance(part.sensor, FmcwSensor)
