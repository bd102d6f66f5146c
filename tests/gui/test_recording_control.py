"""The record button: names, limits, what it says, and a real session behind it."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isactrack.acquisition.header import describe_device
from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Health
from isactrack.drivers.registry import open_device
from isactrack.errors import ConfigError, DeviceStateError, RecordingError
from isactrack.gui.models.feed import SessionFeed
from isactrack.gui.models.recording import (
    RecordingControl,
    State,
    parse_limit,
    recording_status,
    time_text,
    time_to_full_s,
)
from isactrack.recordings import RecordingWriter, open_recording

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Target:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        self.calls.append((path.name, limits))
        path.touch()

    def stop_recording(self) -> None:
        self.calls.append("stop")

    def mark(self, text: str) -> None:
        self.calls.append(text)


def control(folder: Path, target: Target | None = None) -> RecordingControl:
    return RecordingControl(target or Target(), folder, "AWR1642 (simulated)", clock=lambda: NOW)


def test_files_are_named_after_device_and_time_and_none_is_overwritten(tmp_path: Path) -> None:
    target = Target()
    button = control(tmp_path, target)
    assert [button.start().name for _ in range(3)] == [
        "awr1642-simulated-20260304T050607Z.h5",
        "awr1642-simulated-20260304T050607Z-2.h5",
        "awr1642-simulated-20260304T050607Z-3.h5",
    ]
    with pytest.raises(RecordingError, match="is there already"):
        button.start(tmp_path / "awr1642-simulated-20260304T050607Z.h5")
    with pytest.raises(RecordingError, match="no folder"):
        button.start(tmp_path / "nowhere" / "a.h5")
    assert len(target.calls) == 3


def test_markers_count_and_their_notes_are_one_line(tmp_path: Path) -> None:
    target = Target()
    button = control(tmp_path, target)
    button.start(limit="90s")
    assert [button.mark(), button.mark(" two\nlines "), button.mark()] == ["marker 1", "two lines", "marker 3"]
    button.stop()
    assert target.calls[1:] == ["marker 1", "two lines", "marker 3", "stop"]


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", RecordingLimits()), ("  ", RecordingLimits()), ("90", RecordingLimits(duration_s=90.0)),
        ("1.5 min", RecordingLimits(duration_s=90.0)), ("2h", RecordingLimits(duration_s=7200.0)),
        ("500 MB", RecordingLimits(max_bytes=500_000_000)), ("2gb", RecordingLimits(max_bytes=2_000_000_000)),
    ],
)  # fmt: skip
def test_limits_are_times_or_sizes(text: str, limits: RecordingLimits) -> None:
    assert parse_limit(text) == limits


@pytest.mark.parametrize("text", ["soon", "5 parsecs", "-3s", "0s", "1e400h", "s"])
def test_a_limit_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_limit(text)
    assert caught.value.hint


def test_the_status_says_how_long_how_large_and_how_much_room(healthy: Health) -> None:
    off = replace(healthy, recording_path=None)
    assert recording_status(off).state is State.OFF and recording_status(off).text == ""
    on = replace(
        healthy, recording_path="/data/a.h5", recording=True, recorded_s=75.0, recorded_bytes=300_000_000,
        disk_free_bytes=400_000_000_000, recording_error=None,
    )  # fmt: skip
    status = recording_status(on)
    assert (status.state, status.text, status.warning) == (State.ON, "01:15   300 MB   400 GB free", "")
    nearly_full = replace(on, disk_free_bytes=400_000_000)
    assert time_to_full_s(nearly_full) == pytest.approx(100.0)
    assert recording_status(nearly_full).warning == "the disk is full in 01:40"
    broken = replace(on, recording=False, recording_error=RecordingError("no space", "free some"))
    assert (recording_status(broken).state, recording_status(broken).warning) == (State.OFF, "no space")


def test_times_are_read_as_clocks() -> None:
    assert [time_text(s) for s in (0.0, 59.99, 61.0, 3600.0, 36061.0)] == [
        "00:00",
        "00:59",
        "01:01",
        "1:00:00",
        "10:01:01",
    ]


def until(true: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_part_of_a_live_session_is_recorded(tmp_path: Path) -> None:
    device = open_device("sim://awr1642?speed=4")
    device.configure()
    feed = SessionFeed(Session(device), make_recorder=lambda path: RecordingWriter(path, describe_device(device)))
    button = RecordingControl(feed, tmp_path, "awr1642")
    path = button.start(limit="0.5s")
    with pytest.raises(DeviceStateError):
        button.start(tmp_path / "second.h5")
    assert not (tmp_path / "second.h5").exists()
    until(lambda: not feed.health().recording)
    assert feed.health().running
    feed.close()
    with pytest.raises(DeviceStateError):
        button.start(tmp_path / "late.h5")
    assert not (tmp_path / "late.h5").exists()
    with open_recording(path) as recording:
        assert len(recording) * recording.sensor.frame_period_s == pytest.approx(0.5, abs=0.03)
        assert recording.closed_cleanly
