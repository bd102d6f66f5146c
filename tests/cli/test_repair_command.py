"""`isactrack repair`, and what `isactrack info` says of events, losses and compression."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from isactrack import Event, EventKind, FmcwSensor, Frame, SidePacket, Source
from isactrack.cli.main import run
from isactrack.recordings import RecordingHeader, RecordingWriter

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of 8 frames, one missing, one with a hole."""
    sensor = FmcwSensor(
        model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
        ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=64, loops_per_frame=16, frame_period_s=0.05,
    )  # fmt: skip
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://", device_model="AWR1642",
        stream="left",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    path = tmp_path / "walk.h5"
    with RecordingWriter(path, header) as writer:
        for k in range(8):
            samples = rng.normal(0, 100, sensor.frame_words).astype(np.int16)
            valid = np.ones(samples.size // 4, dtype=np.bool_)
            valid[:2] = k != 3
            counter = k + (k > 5)
            writer.append(Frame(samples, valid, counter, counter * 0.05, k, k))
            if k == 2:
                at = {"host_monotonic_ns": 5, "host_utc_ns": 1_700_000_000_123_000_000}
                writer.add_event(Event(**at, kind=EventKind.MARKER, text="door opens"))
                writer.add_side_packet(SidePacket(**at, kind="mmw-demo-tlv", data=b"abc"))
    return path


def damage(path: Path, row: int) -> None:
    with h5py.File(path) as file:
        place = file["frames/samples"].id.get_chunk_info(row).byte_offset
    data = bytearray(path.read_bytes())
    data[place + 500] ^= 1
    path.write_bytes(data)


def answer(capsys: Capture, *arguments: str | Path) -> dict[str, Any]:
    assert run([*map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_damaged_recording_is_repaired(recording: Path, capsys: Capture) -> None:
    damage(recording, 4)
    assert run(["validate", str(recording), "-q"]) == 5
    capsys.readouterr()
    output = recording.with_name("whole.h5")
    data = answer(capsys, "repair", recording, "-o", output)
    assert data["repaired"] is True
    assert data["output"] == str(output)
    assert (data["frames"], data["damaged_frames"], data["events"], data["side_packets"]) == (7, 1, 1, 1)
    assert data["failed_checks"] == ["frames readable"]
    info = answer(capsys, "info", output)
    assert info["repaired_from"] == answer(capsys, "info", recording)["uuid"]
    assert info["missing_frames"] == 2
    again = answer(capsys, "repair", output)
    assert (again["repaired"], again["output"], again["failed_checks"]) == (False, None, [])


def test_repair_for_people(recording: Path, capsys: Capture) -> None:
    assert run(["repair", str(recording)]) == 0
    assert "nothing to repair" in capsys.readouterr().err
    damage(recording, 0)
    assert run(["repair", str(recording)]) == 0
    out = capsys.readouterr().out
    assert "walk-repaired.h5" in out
    assert "frames readable" in out
    assert run(["repair", str(recording)]) == 5
    assert "exists already" in capsys.readouterr().err
    assert run(["repair", str(recording.with_name("nothing.h5"))]) == 5


def test_info_tells_losses_events_and_size(recording: Path, capsys: Capture) -> None:
    data = answer(capsys, "info", recording)
    assert (data["holes"], data["missing_runs"], data["missing_frames"], data["side_packets"]) == (1, 1, 1, 1)
    assert data["stream"] == "left"
    assert data["repaired_from"] is None
    assert data["file_bytes"] == recording.stat().st_size
    assert data["compression"] == "bitshuffle + fletcher32"
    assert data["compression_ratio"] > 1.3
    (event,) = data["events"]
    assert event == {
        "host_monotonic_ns": 5, "host_utc_ns": 1_700_000_000_123_000_000, "kind": "marker", "text": "door opens",
    }  # fmt: skip
    assert run(["info", str(recording)]) == 0
    out = capsys.readouterr().out
    for text in ("1 holes, 1 runs of missing frames", "bitshuffle + fletcher32", "door opens", "22:13:20.123"):
        assert text in out, text
