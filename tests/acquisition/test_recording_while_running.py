"""A session that runs can be recorded for a while, without ending when that recording does."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.acquisition.header import describe_device
from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.session import Session
from isactrack.drivers.registry import open_device
from isactrack.errors import ConfigError, DeviceStateError, RecordingError
from isactrack.recordings import RecordingWriter, open_recording, validate_recording
from tests.acquisition.test_session import SENSOR, FakeDevice, FakeRecorder


def running() -> Session:
    device = FakeDevice(None, period_s=0.002)
    device.configure()
    return Session(device)


def until(true: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def test_a_part_of_a_session_is_recorded_and_the_session_goes_on() -> None:
    recorder = FakeRecorder()
    with running() as session:
        with pytest.raises(DeviceStateError):
            session.start_recording(recorder)
        session.start()
        until(lambda: session.health().frames > 5)
        assert not session.health().recording
        session.start_recording(recorder)
        until(lambda: session.health().recorded_frames > 5)
        health = session.health()
        assert health.recording
        assert health.recorded_s == pytest.approx(health.recorded_frames * 0.01, abs=0.1)
        session.mark("here")
        until(lambda: len(recorder.events) == 1)
        with pytest.raises(DeviceStateError, match="records already"):
            session.start_recording(FakeRecorder())
        session.stop_recording("enough")
        until(lambda: not session.health().recording)
        taken = len(recorder.counters)
        until(lambda: session.health().frames > recorder.counters[-1] + 10)
        assert session.health().running
        assert len(recorder.counters) == taken
    assert recorder.reasons[0] == "enough"
    assert recorder.counters == list(range(recorder.counters[0], recorder.counters[-1] + 1))


def test_one_recording_after_another() -> None:
    first, second = FakeRecorder(), FakeRecorder()
    with running() as session:
        session.start()
        for recorder in (first, second):
            session.start_recording(recorder)
            until(lambda recorder=recorder: len(recorder.counters) > 3)  # type: ignore[misc]
            session.stop_recording()
            until(lambda: not session.health().recording)
    assert second.counters[0] > first.counters[-1]


def test_what_is_recorded_when_the_session_ends_is_closed() -> None:
    recorder = FakeRecorder()
    session = running()
    session.start()
    session.start_recording(recorder)
    until(lambda: len(recorder.counters) > 3)
    session.close()
    assert recorder.reasons and "stopped" in recorder.reasons[0]
    with pytest.raises(DeviceStateError):
        session.start_recording(FakeRecorder())


def test_a_recorder_that_fails_ends_its_recording_and_not_the_session() -> None:
    recorder = FakeRecorder(fail_at=3)
    with running() as session:
        session.start()
        session.start_recording(recorder)
        until(lambda: not session.health().recording)
        error = session.health().recording_error
        assert isinstance(error, RecordingError)
        frames = session.health().frames
        until(lambda: session.health().frames > frames + 10)
        assert session.health().error is None
        session.start_recording(FakeRecorder())
        assert session.health().recording_error is None
    assert "error" in recorder.reasons[0]


@pytest.mark.parametrize(
    "limits", [RecordingLimits(duration_s=0.07), RecordingLimits(max_bytes=7 * 2 * SENSOR.frame_words)]
)
def test_a_recording_ends_at_its_limit(limits: RecordingLimits) -> None:
    recorder = FakeRecorder()
    with running() as session:
        session.start()
        session.start_recording(recorder, limits)
        until(lambda: not session.health().recording)
        assert len(recorder.counters) == 7
        assert session.health().running
    assert "limit" in recorder.reasons[0]


@pytest.mark.parametrize("limits", [{"duration_s": 0.0}, {"max_bytes": 0}, {"duration_s": float("nan")}])
def test_limits_that_leave_nothing_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RecordingLimits(**limits)


def test_a_file_that_begins_amid_a_session_is_a_recording_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "part.h5"
    with open_device("sim://awr1642?scene=crossing&seed=1&speed=4") as device:
        device.configure()
        with Session(device) as session:
            session.start()
            until(lambda: session.health().frames > 4, 20.0)
            session.start_recording(RecordingWriter(path, describe_device(device)))
            until(lambda: session.health().recorded_frames > 9, 20.0)
            session.mark("note")
            session.stop_recording()
            until(lambda: not session.health().recording)
    with open_recording(path) as recording:
        counters = recording.counters
        assert counters[0] > 3
        assert np.array_equal(counters, np.arange(counters[0], counters[0] + counters.size))
        assert [event.text for event in recording.events if event.text == "note"] == ["note"]
        assert recording.closed_cleanly
    assert [check.name for check in validate_recording(path) if check.passed is False] == []
