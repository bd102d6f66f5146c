"""Events, side packets and the table of losses come back, and older files have none."""

import dataclasses
import json
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, Event, EventKind, FmcwSensor, Frame, RecordingError, SidePacket
from isactrack.recordings import RecordingHeader, RecordingWriter, filters, open_recording, schema, validate_recording

TIMES = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=120)
EVENTS = st.builds(Event, host_monotonic_ns=TIMES, host_utc_ns=TIMES, kind=st.sampled_from(EventKind), text=TEXT)
PACKETS = st.builds(
    SidePacket, host_monotonic_ns=TIMES, host_utc_ns=TIMES, kind=st.sampled_from(["", "mmw-demo-tlv", "k" * 32]),
    data=st.binary(max_size=300) | st.just(b"x" * 70_000),
)  # fmt: skip


def kept(event: Event) -> Event:
    """An event as it is after recording: its text may be cut, but between two characters."""
    text = event.text
    while len(text.encode()) > 200:
        text = text[:-1]
    return dataclasses.replace(event, text=text)


@settings(max_examples=15, deadline=None)
@given(items=st.lists(EVENTS | PACKETS, max_size=12), repeats=st.sampled_from([1, 40]))
def test_events_and_side_packets_come_back(
    header: RecordingHeader, make_frame: Any, items: list[Event | SidePacket], repeats: int
) -> None:
    frames = 0
    rows = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        with RecordingWriter(path, header, flush_interval_s=1.0) as writer:
            for k, item in enumerate(items * repeats):  # more than a block of rows
                if isinstance(item, Event):
                    writer.add_event(item)
                    rows.append(frames)
                else:
                    writer.add_side_packet(item)
                if k % 50 == 0:
                    writer.append(make_frame(frames))
                    frames += 1
        with open_recording(path) as recording:
            events = [kept(item) for item in items * repeats if isinstance(item, Event)]
            assert list(recording.events) == events
            assert recording.event_frame_rows.tolist() == rows
            assert list(recording.side_packets()) == [item for item in items * repeats if isinstance(item, SidePacket)]
            assert len(recording) == frames


def test_events_alone_are_flushed(tmp_path: Path, header: RecordingHeader) -> None:
    event = Event(host_monotonic_ns=1, host_utc_ns=2, kind=EventKind.LINK, text="cable out")
    with RecordingWriter(tmp_path / "run.h5", header, flush_interval_s=0.02) as writer:
        writer.add_event(event)
        time.sleep(0.03)
        writer.add_side_packet(SidePacket(host_monotonic_ns=3, host_utc_ns=4, kind="x", data=b"ab"))
        with open_recording(tmp_path / "run.h5") as recording:
            assert recording.events == (event,)
            assert [packet.data for packet in recording.side_packets()] == [b"ab"]
            assert len(recording) == 0


def test_impossible_events_and_packets_are_refused(tmp_path: Path, header: RecordingHeader) -> None:
    event = Event(host_monotonic_ns=0, host_utc_ns=0, kind=EventKind.MARKER, text="")
    packet = SidePacket(host_monotonic_ns=0, host_utc_ns=0, kind="x", data=b"")
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for wrong in (dataclasses.replace(event, host_monotonic_ns=-1), dataclasses.replace(event, host_utc_ns=2**63)):
            with pytest.raises(ConfigError, match="impossible"):
                writer.add_event(wrong)
        for kind in ("ä", "k" * 33):
            with pytest.raises(ConfigError, match="impossible"):
                writer.add_side_packet(dataclasses.replace(packet, kind=kind))
        writer.add_event(event)
        writer.add_side_packet(packet)
    with pytest.raises(RecordingError, match="is closed"):
        writer.add_event(event)
    with pytest.raises(RecordingError, match="is closed"):
        writer.add_side_packet(packet)
    with open_recording(tmp_path / "run.h5") as recording:
        assert recording.events == (event,)
        assert list(recording.side_packets()) == [packet]
    with pytest.raises(RecordingError, match="closed"):
        recording.side_packet(0)


@settings(max_examples=60, deadline=None)
@given(flags=st.lists(st.booleans(), min_size=1, max_size=40), cut=st.integers(0, 3))
def test_holes_are_the_runs_of_lost_bytes(flags: list[bool], cut: int) -> None:
    valid = np.array(flags)
    words = 4 * valid.size - cut
    lost = np.repeat(~valid, 8)[: 2 * words]
    found = np.zeros_like(lost)
    runs = schema.holes(valid, words)
    for first, length in runs:
        assert length > 0
        assert not found[max(0, first - 1) : first + length].any(), "runs neither touch nor overlap"
        found[first : first + length] = True
    np.testing.assert_array_equal(found, lost)
    assert runs == sorted(runs)


def test_losses_are_listed(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    size = header.sensor.frame_bytes
    frames = [make_frame(5), make_frame(9, lost_groups=3), make_frame(10)]
    valid = frames[2].valid.copy()
    valid[[2, 3, 7]] = False
    frames[2] = dataclasses.replace(frames[2], valid=valid, samples=np.where(np.repeat(valid, 4), frames[2].samples, 0))
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for frame in frames:
            writer.append(frame)
    with open_recording(tmp_path / "run.h5") as recording:
        losses = recording.losses
        assert losses.dtype.names == ("frame_row", "counter", "missing_frames", "first_byte", "lost_bytes")
        assert losses.tolist() == [(1, 6, 3, 0, 3 * size), (1, 9, 0, 0, 24), (2, 10, 0, 16, 16), (2, 10, 0, 56, 8)]
        assert losses["lost_bytes"].sum() == recording.lost_bytes


@pytest.mark.parametrize("compression", filters.COMPRESSIONS)
def test_both_compressions_are_lossless(tmp_path: Path, full: Any, compression: str) -> None:
    frames = full(tmp_path / "run.h5", 20, compression=compression)
    with open_recording(tmp_path / "run.h5") as recording:
        for got, want in zip(recording.frames(), frames, strict=True):
            np.testing.assert_array_equal(got.samples, want.samples)
            np.testing.assert_array_equal(got.valid, want.valid)
        ratio = recording.compression_ratio()
        assert ratio is not None
        if compression == "none":
            assert recording.compression == "none"
            assert ratio == 1.0
        else:
            assert recording.compression == "bitshuffle + fletcher32"
            assert 0.9 < ratio < 1.1, "random words cannot shrink"
    with h5py.File(tmp_path / "run.h5") as file:
        wanted = () if compression == "none" else (32008, h5py.h5z.FILTER_FLETCHER32)
        assert filters.pipeline(file["frames/samples"]) == filters.pipeline(file["frames/valid"]) == wanted


def test_samples_of_few_bits_shrink(tmp_path: Path, header: RecordingHeader) -> None:
    rng = np.random.default_rng(2)
    words = rng.normal(0, 300, header.sensor.frame_words).astype(np.int16)
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for k in range(5):
            writer.append(Frame(words, np.ones(words.size // 4, np.bool_), k, k * 0.05, k, k))
    with open_recording(tmp_path / "run.h5") as recording:
        assert (recording.compression_ratio() or 0.0) > 1.2


def test_an_unknown_compression_is_refused(tmp_path: Path, header: RecordingHeader) -> None:
    with pytest.raises(ConfigError, match="no compression 'zip'") as caught:
        RecordingWriter(tmp_path / "run.h5", header, compression="zip")
    assert "bitshuffle-lz4" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_filters_that_are_not_ours_are_not_run(tmp_path: Path, record: Any) -> None:
    """A file may ask for any code that is installed; only what is known is run."""
    path = tmp_path / "run.h5"
    record(path, 3)
    with h5py.File(path, "r+") as file:
        samples = file["frames/samples"][()]
        del file["frames/samples"]
        file["frames"].create_dataset("samples", data=samples, chunks=(1, 4, 2, 4, 8, 4), compression=32001)  # Blosc
    with pytest.raises(RecordingError, match="filter 32001, which isactrack does not read"):
        open_recording(path)


def test_damage_of_a_compressed_frame_is_damage_of_that_frame(tmp_path: Path, record: Any) -> None:
    path = tmp_path / "run.h5"
    frames = record(path, 5)
    with h5py.File(path) as file:
        place = file["frames/samples"].id.get_chunk_info(2).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 300] ^= 4
    path.write_bytes(data)
    with open_recording(path) as recording:
        with pytest.raises(RecordingError, match=r"frame 2 of .* is damaged") as caught:
            recording.frame(2)
        assert "repair" in caught.value.hint
        np.testing.assert_array_equal(recording.frame(3).samples, frames[3].samples)
    assert [check.name for check in validate_recording(path) if check.passed is False] == ["frames readable"]


def to_version_1(path: Path) -> None:
    """Turn a recording into one of schema version 1, as isactrack 0.1 wrote it before it was released."""
    with h5py.File(path, "r+") as file:
        for name in ("losses", "events", "side"):
            del file[name]
        del file.attrs["stream"]
        file.attrs["schema_version"] = 1
        for name in ("samples", "valid"):
            data, chunks = file["frames"][name][()], file["frames"][name].chunks
            del file["frames"][name]
            file["frames"].create_dataset(name, data=data, chunks=chunks, maxshape=(None, *data.shape[1:]))
        for k in range(len(file["frames/samples"])):
            words, mask = file["frames/samples"][k], file["frames/valid"][k]
            file["frames/crc32"][k] = zlib.crc32(mask.tobytes(), zlib.crc32(words.tobytes()))


def test_recordings_of_schema_version_1_are_read(tmp_path: Path, full: Any) -> None:
    path = tmp_path / "old.h5"
    frames = full(path, 12)
    to_version_1(path)
    with open_recording(path) as recording:
        assert recording.schema_version == 1
        assert recording.header.stream == ""
        assert recording.events == ()
        assert list(recording.side_packets()) == []
        assert recording.losses.size == 0
        assert recording.compression == "none"
        assert recording.missing_frames == 1
        for k, want in enumerate(frames):
            np.testing.assert_array_equal(recording.frame(k).samples, want.samples)
            assert recording.truth(k) is not None
    checks = {check.name: check.passed for check in validate_recording(path, max_loss=1.0)}
    assert {name for name, passed in checks.items() if passed is None} == {
        "events in order", "side packets readable", "missing frames listed", "holes listed",
    }  # fmt: skip
    assert False not in checks.values()
    with h5py.File(path, "r+") as file:
        file["frames/samples"][4, 0, 0, 0, 0, 0] ^= 1
    with open_recording(path) as recording, pytest.raises(RecordingError, match="frame 4"):
        recording.frame(4)


def test_importing_recordings_loads_no_compression() -> None:
    code = "import sys, isactrack.recordings; print('hdf5plugin' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_the_example_without_isactrack_reads_everything(tmp_path: Path, full: Any, sensor: FmcwSensor) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "recording-format.md"
    marked = re.search(r"<!-- example: runs in the tests -->\n```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert marked is not None
    frames = full(tmp_path / "walk.h5", 20)
    lines = ["import json", marked[1]]
    lines.append(
        "print(json.dumps([cube.real.tolist(), cube.imag.tolist(), valid.tolist(), time_s.tolist(), "
        "[[int(row), text] for row, text in marks], losses.tolist(), [packet.hex() for packet in packets]]))"
    )
    command = [sys.executable, "-I", "-c", "\n".join(lines)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    real, imag, valid, times, marks, losses, packets = json.loads(printed)
    cube = sensor.decode(frames[0])
    np.testing.assert_array_equal(real, cube.real)
    np.testing.assert_array_equal(imag, cube.imag)
    assert valid == frames[0].valid.tolist()
    assert times == [frame.device_time_s for frame in frames]
    with open_recording(tmp_path / "walk.h5") as recording:
        known = zip(recording.event_frame_rows.tolist(), recording.events, strict=True)
        assert marks == [[row, event.text] for row, event in known if event.kind is EventKind.MARKER]
        assert len(marks) == 2
        names = ["counter", "missing_frames", "first_byte", "lost_bytes"]
        assert losses == [list(row) for row in recording.losses[names].tolist()]
        assert packets == [packet.data.hex() for packet in recording.side_packets()]
