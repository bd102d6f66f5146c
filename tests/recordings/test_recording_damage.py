"""Whatever happens to a file, it opens or says in one error why not."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from isactrack import RecordingError
from isactrack.recordings import Recording, RecordingHeader, RecordingWriter, open_recording, reader, validate_recording
from isactrack.recordings.superblock import AsClosed, lookup3, read_state

FRAMES = 40


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes to these files, so there is nothing to wait for."""
    monkeypatch.setattr(reader, "_LIVE_PAUSE_S", 0.0)


@pytest.fixture(scope="module")
def originals(
    tmp_path_factory: pytest.TempPathFactory, header: RecordingHeader, record: Any, make_frame: Any
) -> dict[str, bytes]:
    """Bytes of a finished file, and of one whose writer was killed."""
    folder = tmp_path_factory.mktemp("originals")
    record(folder / "finished.h5", FRAMES)
    with RecordingWriter(folder / "open.h5", header) as writer:
        for k in range(FRAMES):
            writer.append(make_frame(k))
        writer.flush()
        shutil.copy(folder / "open.h5", folder / "killed.h5")
    return {name: (folder / f"{name}.h5").read_bytes() for name in ("finished", "killed")}


def outcome(path: Path, make_frame: Any) -> str:
    """Open and read everything there is; anything but a RecordingError comes through and fails the test."""
    try:
        with open_recording(path) as recording:
            count = 0
            for index in range(len(recording)):
                recording.truth(index)
                try:
                    frame = recording.frame(index)
                except RecordingError as error:
                    assert str(path) in str(error)
                    assert error.hint
                    continue
                np.testing.assert_array_equal(frame.samples, make_frame(index).samples)
                count += 1
    except RecordingError as error:
        assert str(path) in str(error)
        assert error.hint
        return "error"
    return "all" if count == FRAMES else "fewer"


@pytest.mark.parametrize("kind", ["finished", "killed"])
def test_a_file_cut_anywhere(tmp_path: Path, originals: dict[str, bytes], make_frame: Any, kind: str) -> None:
    data = originals[kind]
    rng = random.Random(5)
    cuts = [0, 1, 8, 47, 48, len(data) - 1, *(rng.randrange(len(data)) for _ in range(36))]
    outcomes = Counter[str]()
    for k, cut in enumerate(cuts):
        (tmp_path / "cut.h5").write_bytes(data[:cut])
        result = outcome(tmp_path / "cut.h5", make_frame)
        outcomes[result] += 1
        if k % 6 == 0:
            assert validate_recording(tmp_path / "cut.h5")[0].passed is (result != "error")
    assert outcomes["fewer"] > 12, "most of a cut recording is recovered"
    assert outcomes["error"] > 5


@pytest.mark.parametrize("kind", ["finished", "killed"])
def test_flipped_bits(tmp_path: Path, originals: dict[str, bytes], make_frame: Any, kind: str) -> None:
    """Damaged metadata give an error, damaged samples are found by the checksum: no wrong word ever comes back."""
    rng = random.Random(6)
    outcomes = Counter[str]()
    for k in range(40):
        data = bytearray(originals[kind])
        data[rng.randrange(len(data) if k % 2 else 20_000)] ^= 1 << rng.randrange(8)
        (tmp_path / "flip.h5").write_bytes(data)
        outcomes[outcome(tmp_path / "flip.h5", make_frame)] += 1
    assert outcomes["fewer"] > 4
    assert outcomes["all"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_cuts_and_zeroed_blocks_at_length(
    tmp_path: Path, originals: dict[str, bytes], make_frame: Any, seed: int
) -> None:
    """A file after a power cut: blocks of it never reached the disk, and its end neither."""
    rng = random.Random(seed)
    path = tmp_path / "damaged.h5"
    for _ in range(400):
        data = bytearray(originals[rng.choice(["finished", "killed"])])
        for _ in range(rng.randrange(3)):
            start = rng.randrange(0, len(data), 512)
            data[start : start + 4096] = bytes(len(data[start : start + 4096]))
        path.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.5 else data)
        outcome(path, make_frame)
        validate_recording(path)


def test_a_killed_file_gives_back_every_frame(tmp_path: Path, originals: dict[str, bytes], make_frame: Any) -> None:
    path = tmp_path / "killed.h5"
    path.write_bytes(originals["killed"])
    with open_recording(path) as recording:
        assert not recording.closed_cleanly
        assert [frame.counter for frame in recording.frames()] == list(range(FRAMES))
    assert path.read_bytes() == originals["killed"], "reading changes nothing"


def test_errors_name_the_cause(tmp_path: Path, record: Any) -> None:
    path = tmp_path / "run.h5"
    with pytest.raises(RecordingError, match="there is no file"):
        open_recording(path)
    with pytest.raises(RecordingError, match="cannot read"):
        Recording(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(RecordingError, match="is empty"):
        open_recording(path)
    path.write_bytes(b"time_s,range_m\n" * 9)
    with pytest.raises(RecordingError, match="is not an HDF5 file"):
        open_recording(path)
    with h5py.File(path, "w") as file:
        file["iq"] = np.zeros(3)
    with pytest.raises(RecordingError, match="no recording of isactrack"):
        open_recording(path)


def test_edited_files_are_refused(tmp_path: Path, record: Any) -> None:
    def newer(file: h5py.File) -> None:
        file.attrs["schema_version"] = 7

    def no_counter(file: h5py.File) -> None:
        del file["frames/counter"]

    def no_field(file: h5py.File) -> None:
        del file["sensor"].attrs["slope_hz_per_s"]

    def impossible_sensor(file: h5py.File) -> None:
        file["sensor"].attrs["slope_hz_per_s"] = -1.0

    def other_sensor(file: h5py.File) -> None:
        file["sensor"].attrs["samples_per_chirp"] = 32

    def no_source(file: h5py.File) -> None:
        file.attrs["source"] = "a friend"

    def group_for_dataset(file: h5py.File) -> None:
        del file["frames/samples"]
        file.create_group("frames/samples")

    def unsorted_truth(file: h5py.File) -> None:
        file["truth/frame_row"][0] = 2

    said = {
        newer: "schema version 7, this isactrack reads up to 3", no_counter: "counter", no_field: "slope_hz_per_s",
        impossible_sensor: "must be positive", other_sensor: "expected int16", no_source: "a friend",
        group_for_dataset: "damaged", unsorted_truth: "not in the order of the frames",
    }  # fmt: skip
    for edit, message in said.items():
        path = tmp_path / f"{edit.__name__}.h5"
        record(path, 3)
        with h5py.File(path, "r+") as file:
            edit(file)
        with pytest.raises(RecordingError, match=message) as caught:
            open_recording(path)
        assert caught.value.hint, message
        assert str(path) in str(caught.value)
        checks = validate_recording(path)
        assert checks[0].passed is False
        assert {check.passed for check in checks[1:]} == {None}


def test_frames_behind_a_damaged_one_are_readable(tmp_path: Path, record: Any) -> None:
    path = tmp_path / "run.h5"
    frames = record(path, 5)
    with h5py.File(path, "r+") as file:
        file["frames/samples"][2, 0, 0, 0, 0, 0] ^= 1
    with open_recording(path) as recording:
        with pytest.raises(RecordingError, match=r"frame 2 of .* checksum"):
            recording.frame(2)
        np.testing.assert_array_equal(recording.frame(3).samples, frames[3].samples)


def test_rewritten_by_other_tools(tmp_path: Path, record: Any) -> None:
    """A copy with other chunks and compression, as h5repack makes it, is the same recording."""
    frames = record(tmp_path / "run.h5", 5)
    with h5py.File(tmp_path / "run.h5") as source, h5py.File(tmp_path / "copy.h5", "w") as copy:
        for name in source:
            source.copy(name, copy)
        copy.attrs.update(source.attrs)
        samples = copy["frames/samples"][()]
        del copy["frames/samples"]
        copy["frames"].create_dataset("samples", data=samples, chunks=(2, 4, 2, 4, 8, 4), compression="gzip")
    with open_recording(tmp_path / "copy.h5") as recording:
        for got, want in zip(recording.frames(), frames, strict=True):
            np.testing.assert_array_equal(got.samples, want.samples)


def test_lookup3_known_values() -> None:
    """Values of the author's own test driver."""
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def test_the_patched_superblock_is_valid(tmp_path: Path, originals: dict[str, bytes]) -> None:
    path = tmp_path / "finished.h5"
    path.write_bytes(originals["finished"])
    state = read_state(path)
    assert state.stored_bytes == state.actual_bytes
    assert not state.open_for_write
    with AsClosed(path) as view:
        assert view.read() == originals["finished"], "nothing to patch in a finished file, checksum included"
        assert view.read(1) == b""
    path.write_bytes(originals["finished"][:-1])
    assert read_state(path).is_cut
    path.write_bytes(originals["killed"])
    assert read_state(path).open_for_write
