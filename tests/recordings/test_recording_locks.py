"""A file that is being recorded is left to its writer, and a full disk leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest

from isactrack.errors import RecordingError
from isactrack.recordings import RecordingHeader, RecordingWriter, open_recording
from isactrack.recordings.locks import check_not_recorded

posix = pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be replaced")


@posix
def test_a_file_that_is_being_recorded_is_not_replaced(
    tmp_path: Path, header: RecordingHeader, make_frame: Any
) -> None:
    path = tmp_path / "run.h5"
    with RecordingWriter(path, header) as writer:
        writer.append(make_frame(0))
        writer.flush()
        with pytest.raises(RecordingError, match="is being recorded by another process"):
            RecordingWriter(path, header, overwrite=True)
        with h5py.File(path, "r", swmr=True) as other_reader:
            assert other_reader["frames/counter"][0] == 0
        writer.append(make_frame(1))
    with open_recording(path) as recording:
        assert len(recording) == 2
        check_not_recorded(path)  # a reader is no writer
    RecordingWriter(path, header, overwrite=True).close()
    with open_recording(path) as recording:
        assert len(recording) == 0


@posix
def test_what_a_killed_writer_left_can_be_replaced(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    path, left = tmp_path / "run.h5", tmp_path / "left.h5"
    with RecordingWriter(path, header) as writer:
        writer.append(make_frame(0))
        writer.flush()
        left.write_bytes(path.read_bytes())
    check_not_recorded(left)
    check_not_recorded(tmp_path / "nothing.h5")
    RecordingWriter(left, header, overwrite=True).close()


@posix
@pytest.mark.parametrize("limit", [0, 3000])
def test_a_file_that_a_full_disk_did_not_let_begin_is_removed(tmp_path: Path, limit: int) -> None:
    code = f"""
import resource
from pathlib import Path
from isactrack import FmcwSensor, Source
from isactrack.errors import RecordingError
from isactrack.recordings import RecordingHeader, RecordingWriter
sensor = FmcwSensor(
    model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
    ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=4, frame_period_s=0.05,
)
header = RecordingHeader(
    sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="x", device_model="y"
)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
try:
    RecordingWriter(Path({str(tmp_path / "run.h5")!r}), header)
except RecordingError:
    print("refused", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "refused" in done.stdout, done.stderr
    assert not list(tmp_path.iterdir())


def test_no_recording_is_begun_on_a_full_disk(
    tmp_path: Path, header: RecordingHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(b"old")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(RecordingError, match="No space left"):
        RecordingWriter(path, header, overwrite=True)
    assert path.read_bytes() == b"old"
