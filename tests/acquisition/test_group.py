"""Several devices start together, end together, and do not spoil each other's recordings."""

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from isactrack.acquisition.group import OnError, SessionGroup
from isactrack.acquisition.session import Session
from isactrack.drivers.device import Device, DeviceInfo, host_clocks
from isactrack.errors import DeviceError, DeviceStateError, DeviceTimeoutError, IsacError, ProtocolError
from isactrack.events import EventKind
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.recordings import (
    RecordingFolder,
    RecordingHeader,
    SegmentedWriter,
    create_folder,
    open_recording,
    validate_folder,
)
from isactrack.source import Source

SENSOR = FmcwSensor(
    model="fake", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=16, loops_per_frame=2, frame_period_s=0.01,
)  # fmt: skip


class Ticker(Device):
    """Yields a frame each period, until it is stopped or fails."""

    def __init__(
        self,
        *,
        count: int | None = None,
        fail_at: int | None = None,
        start_error: IsacError | None = None,
        close_error: IsacError | None = None,
    ) -> None:
        super().__init__()
        self.count = count
        self.fail_at = fail_at
        self.start_error = start_error
        self.close_error = close_error
        self.next = 0
        self.closes = 0
        self.halted = threading.Event()

    @property
    def info(self) -> DeviceInfo:
        return DeviceInfo(url="fake://", model="fake", source=Source.SIMULATED, origin=Source.SIMULATED)

    def _configure(self, profile: str | None) -> FmcwSensor:
        return SENSOR

    def _start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def _read(self, timeout_s: float | None) -> Frame | None:
        if self.halted.wait(0.002) or self.next == self.count:
            return None
        if self.next == self.fail_at:
            raise DeviceTimeoutError("no frame came", "is it on?")
        valid = np.ones(SENSOR.frame_words // 4, dtype=np.bool_)
        frame = Frame(np.zeros(SENSOR.frame_words, np.int16), valid, self.next, self.next * 0.01, *host_clocks())
        self.next += 1
        return frame

    def _stop(self) -> None:
        self.halted.set()

    def _close(self) -> None:
        self.closes += 1
        if self.close_error is not None:
            raise self.close_error


def group_of(folder: Path, on_error: OnError = OnError.STOP, **devices: Ticker) -> SessionGroup:
    """Return a group that records devices to a folder."""
    manifest = create_folder(folder)
    sessions = {}
    for name, device in devices.items():
        header = RecordingHeader(
            sensor=device.configure(), source=Source.SIMULATED, origin=Source.SIMULATED, device_url=f"fake://{name}",
            device_model="fake", stream=name,
        )  # fmt: skip
        sessions[name] = Session(device, recorder=SegmentedWriter(manifest, header))
    return SessionGroup(sessions, on_error=on_error)


def failed(path: Path) -> list[str]:
    return [check.name for check in validate_folder(path) if check.passed is False]


def test_devices_start_together_and_end_together(tmp_path: Path) -> None:
    left, right = Ticker(), Ticker()
    with group_of(tmp_path / "run1", left=left, right=right) as group:
        start = group.start()
        assert set(start.host_monotonic_ns) == {"left", "right"}
        times = start.host_monotonic_ns.values()
        assert start.skew_s == pytest.approx((max(times) - min(times)) * 1e-9)
        while min(left.next, right.next) < 20:
            assert not group.wait(0.01)
        marker = group.mark("both see this")
        group.stop()
        assert group.wait(10.0)
        health = group.health()
    with pytest.raises(DeviceStateError):
        group.mark("too late")
    assert failed(tmp_path / "run1") == []
    assert (left.closes, right.closes) == (1, 1)
    with RecordingFolder(tmp_path / "run1") as folder:
        for name, recording in folder.streams.items():
            assert len(recording) == health[name].recorded_frames >= 20
            assert [event for event in recording.events if event.kind is EventKind.MARKER] == [marker]
            (started,) = [event.text for event in recording.events if event.kind is EventKind.SESSION]
            assert started.startswith(f"{name} started ")
        assert len(folder.offsets()) == 1


def test_one_that_ends_leaves_the_others_running(tmp_path: Path) -> None:
    left, right = Ticker(count=3), Ticker()
    with group_of(tmp_path / "run1", left=left, right=right) as group:
        group.start()
        while right.next < 30:
            assert not group.wait(0.01)
        group.mark("only right hears this")
        group.stop()
        assert group.wait()
    with RecordingFolder(tmp_path / "run1") as folder:
        assert len(folder.streams["left"]) == 3
        kinds = {name: [event.kind for event in one.events] for name, one in folder.streams.items()}
        assert EventKind.MARKER not in kinds["left"]
        assert EventKind.MARKER in kinds["right"]


def test_a_failure_stops_the_others(tmp_path: Path) -> None:
    with group_of(tmp_path / "run1", left=Ticker(fail_at=5), right=Ticker()) as group:
        group.start()
        with pytest.raises(DeviceTimeoutError, match="no frame came"):
            group.wait(10.0)
        assert list(group.errors) == ["left"]
    assert failed(tmp_path / "run1") == []
    with open_recording(tmp_path / "run1" / "right") as recording:
        assert recording.stop_reason == "stopped"
        assert len(recording)


def test_a_failure_lets_the_others_go_on_if_it_may(tmp_path: Path) -> None:
    right = Ticker()
    with group_of(tmp_path / "run1", OnError.CONTINUE, left=Ticker(fail_at=5), right=right) as group:
        group.start()
        while "left" not in group.errors:
            assert not group.wait(0.01)
        seen = right.next
        while right.next < seen + 20:
            assert not group.wait(0.01)
        group.stop()
        assert group.wait(10.0)
    assert failed(tmp_path / "run1") == []
    with open_recording(tmp_path / "run1" / "left") as recording:
        assert recording.stop_reason == "error: no frame came"


def test_when_all_fail_it_is_an_error(tmp_path: Path) -> None:
    devices = {"left": Ticker(fail_at=2), "right": Ticker(fail_at=4)}
    with group_of(tmp_path / "run1", OnError.CONTINUE, **devices) as group:
        group.start()
        with pytest.raises(DeviceTimeoutError):
            group.wait(10.0)
        assert set(group.errors) == {"left", "right"}


@pytest.mark.parametrize("on_error", list(OnError))
def test_a_device_that_does_not_start(tmp_path: Path, on_error: OnError) -> None:
    left, right = Ticker(start_error=ProtocolError("no answer")), Ticker()
    with group_of(tmp_path / "run1", on_error, left=left, right=right) as group:
        if on_error is OnError.STOP:
            with pytest.raises(ProtocolError, match="no answer"):
                group.start()
            assert right.halted.is_set()
        else:
            assert list(group.start().host_monotonic_ns) == ["right"]
            group.stop()
            assert group.wait(10.0)
    assert (left.closes, right.closes) == (1, 1)
    assert failed(tmp_path / "run1") == []


def test_closing_closes_every_device(tmp_path: Path) -> None:
    left, right = Ticker(close_error=DeviceError("stuck")), Ticker()
    group = group_of(tmp_path / "run1", left=left, right=right)
    group.start()
    time.sleep(0.02)
    with pytest.raises(DeviceError, match="stuck"):
        group.close()
    assert (left.closes, right.closes) == (1, 1)
    assert failed(tmp_path / "run1") == []
    assert group.wait(1.0)


def test_a_group_needs_a_session() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SessionGroup({})


def test_frames_line_up_on_the_clock_of_the_host(tmp_path: Path) -> None:
    """Two streams whose clocks start at other times and drift are put on one time axis."""
    rng = np.random.default_rng(4)
    manifest = create_folder(tmp_path / "run1")
    start_s, drift = {"left": 100.0, "right": 100.0134}, {"left": 0.0, "right": 40e-6}
    for name, begin_s in start_s.items():
        header = RecordingHeader(
            sensor=SENSOR, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="fake://", device_model="fake",
            stream=name,
        )  # fmt: skip
        with SegmentedWriter(manifest, dataclasses.replace(header), segment_s=1.0) as recorder:
            for k in range(300):
                host_s = begin_s + k * 0.01 * (1.0 + drift[name]) + rng.exponential(2e-4)
                valid = np.ones(SENSOR.frame_words // 4, dtype=np.bool_)
                samples = np.zeros(SENSOR.frame_words, np.int16)
                recorder.append(Frame(samples, valid, k, k * 0.01, round(1e9 * host_s), 0))
    with RecordingFolder(tmp_path / "run1") as folder:
        left, right = folder.aligned_time_s("left"), folder.aligned_time_s("right")
        assert left[0] == 0.0
        np.testing.assert_allclose(right - left, 0.0134 + np.arange(300) * 0.01 * 40e-6, atol=3e-4)
        (offset,) = folder.offsets()
        assert offset.offset_s == pytest.approx(0.0134, abs=3.0 * offset.std_s + 1e-4)
        assert 0.0 < offset.std_s < 1e-3
