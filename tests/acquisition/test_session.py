"""A session loses nothing that it took, counts what it skips, and ends cleanly whatever happens."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack.acquisition.session import (
    LOSSLESS_PIPELINE_CAPACITY,
    LOSSLESS_PIPELINE_PATIENCE_S,
    MAX_WAITING_BYTES,
    RECORDER_CAPACITY,
    RECORDER_PATIENCE_S,
    Session,
    room,
)
from isactrack.acquisition.snapshot import Snapshot
from isactrack.detections import Detections
from isactrack.drivers.device import Device, DeviceInfo, DeviceState, DeviceStats, host_clocks
from isactrack.errors import DeviceStateError, DeviceTimeoutError, IsacError, ProtocolError, RecordingError
from isactrack.events import Event, SidePacket
from isactrack.fmcw import FmcwSensor
from isactrack.frame import NO_FLAGS, BlockFlag, BlockInfo, Frame
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.source import Source
from isactrack.truth import Truth

SENSOR = FmcwSensor(
    model="fake", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=4, frame_period_s=0.01,
)  # fmt: skip
RECORDER_ROOM = room(SENSOR, RECORDER_CAPACITY, RECORDER_PATIENCE_S)
PIPELINE_ROOM = room(SENSOR, LOSSLESS_PIPELINE_CAPACITY, LOSSLESS_PIPELINE_PATIENCE_S)


class FakeDevice(Device):
    """Yields numbered frames, as fast as they are taken or at `period_s`, with faults where the test wants them."""

    def __init__(
        self,
        count: int | None = 20,
        *,
        period_s: float = 0.0,
        fault_at: dict[int, Exception] | None = None,
        missing: set[int] | None = None,
        torn: set[int] | None = None,
    ) -> None:
        super().__init__()
        self.count = count
        self.period_s = period_s
        self.fault_at = fault_at or {}
        self.missing = missing or set()
        self.torn = torn or set()
        self.next = 0
        self.stops = self.closes = 0
        self.start_error: Exception | None = None
        self.threads: set[str] = set()

    @property
    def info(self) -> DeviceInfo:
        return DeviceInfo(url="fake://", model="fake", source=Source.SIMULATED, origin=Source.SIMULATED)

    @property
    def frame_count(self) -> int | None:
        return self.count

    def truth(self, frame: Frame) -> Truth | None:
        position = np.array([[float(frame.counter), 1.0]])
        return Truth(frame.device_time_s, np.array([7]), position, np.zeros((1, 2)))

    def _configure(self, profile: str | None) -> FmcwSensor:
        return SENSOR

    def _start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def _read(self, timeout_s: float | None) -> Frame | None:
        self.threads.add(threading.current_thread().name)
        time.sleep(self.period_s)
        while self.next in self.missing:
            self.next += 1
        if self.next in self.fault_at:
            raise self.fault_at[self.next]
        if self.count is not None and self.next >= self.count:
            return None
        frame = make_frame(self.next, torn=self.next in self.torn)
        self.next += 1
        return frame

    def _stop(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.stops += 1

    def _close(self) -> None:
        self.closes += 1


def make_frame(counter: int, *, torn: bool = False) -> Frame:
    samples = np.full(SENSOR.frame_words, counter % 1000, dtype=np.int16)
    valid = np.ones(samples.size // 4, dtype=np.bool_)
    if torn:
        valid[:8] = False
        samples[:32] = 0
    return Frame(samples, valid, counter, counter * SENSOR.frame_period_s, *host_clocks())


class FakeRecorder:
    """Keeps what it is given."""

    def __init__(self, *, delay_s: float = 0.0, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.path = Path("fake.h5")
        self.counters: list[int] = []
        self.truths: list[Truth | None] = []
        self.events: list[tuple[Event, int]] = []  # and the frames before it
        self.packets: list[tuple[SidePacket, int]] = []
        self.delay_s = delay_s
        self.fail_at = fail_at
        self.error = error or RecordingError("cannot write fake.h5: No space left on device", "free some space")
        self.reasons: list[str] = []
        self.flushes = 0
        self.gate = threading.Event()
        self.gate.set()

    @property
    def frames_written(self) -> int:
        return len(self.counters)

    @property
    def bytes_written(self) -> int:
        return len(self.counters) * SENSOR.frame_bytes

    def append(self, frame: Frame, truth: Truth | None = None) -> None:
        self.gate.wait(10.0)
        time.sleep(self.delay_s)
        if len(self.counters) == self.fail_at:
            raise self.error
        assert not self.reasons, "append after close"
        self.counters.append(frame.counter)
        self.truths.append(truth)

    def add_event(self, event: Event) -> None:
        assert not self.reasons, "event after close"
        self.events.append((event, len(self.counters)))

    def add_side_packet(self, packet: SidePacket) -> None:
        assert not self.reasons, "packet after close"
        self.packets.append((packet, len(self.counters)))

    def flush(self) -> None:
        self.flushes += 1

    def close(self, reason: str = "") -> None:
        self.reasons = self.reasons or [reason]


class FakePipeline:
    """Makes a snapshot of every frame, slowly if the test wants it."""

    def __init__(self, *, delay_s: float = 0.0, fail_at: int | None = None) -> None:
        self.delay_s = delay_s
        self.fail_at = fail_at
        self.counters: list[int] = []
        self.maps_made_by: list[str] = []
        self.discarded_frames = self.left_out = 0
        self.gate = threading.Event()
        self.gate.set()

    def push(self, frame: Frame, truth: Truth | None = None, *, hurry: bool = False) -> Snapshot | None:
        self.left_out += hurry
        self.gate.wait(10.0)
        time.sleep(self.delay_s)
        if frame.counter == self.fail_at:
            raise ZeroDivisionError("pipeline bug")
        self.counters.append(frame.counter)
        axis = np.zeros(1)
        return Snapshot(
            index=len(self.counters) - 1, frame_counter=frame.counter, time_s=frame.device_time_s,
            complete=frame.complete, spectrum=RangeDopplerMap(self.make_map, axis, axis),
            detections=Detections.empty(frame.device_time_s), tracks=(), truth=truth,
        )  # fmt: skip

    def make_map(self) -> NDArray[np.float32]:
        self.maps_made_by.append(threading.current_thread().name)
        return np.zeros((1, 1), np.float32)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("isactrack-")]
    assert not left


def configured(device: FakeDevice) -> FakeDevice:
    device.configure()
    return device


def session_of(
    device: FakeDevice,
    recorder: FakeRecorder | None = None,
    pipeline: FakePipeline | None = None,
    *,
    max_frames: int | None = None,
    duration_s: float | None = None,
    lossless_pipeline: bool = False,
) -> Session:
    return Session(
        configured(device), recorder=recorder, pipeline=pipeline,  # type: ignore[arg-type] # a Pipeline in all it does
        max_frames=max_frames, duration_s=duration_s, lossless_pipeline=lossless_pipeline,
    )  # fmt: skip


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


@pytest.mark.parametrize("watched", [True, False])
def test_maps_are_made_before_they_wait_for_viewers_and_only_for_them(watched: bool) -> None:
    pipeline = FakePipeline()
    with session_of(configured(FakeDevice(5)), pipeline=pipeline, lossless_pipeline=True) as session:
        subscription = session.subscribe(10) if watched else None
        session.start()
        assert session.wait(10.0)
    assert len(pipeline.counters) == 5
    assert pipeline.maps_made_by == (["isactrack-pipeline"] * 5 if subscription is not None else [])


def test_every_frame_and_its_truth_is_recorded() -> None:
    device, recorder = FakeDevice(50), FakeRecorder()
    with session_of(device, recorder) as session:
        session.start()
        assert session.wait()
        health = session.health()
    assert recorder.counters == list(range(50))
    assert [float(truth.position_m[0, 0]) for truth in recorder.truths if truth] == list(range(50))
    assert recorder.reasons == ["finished"]
    assert (health.frames, health.recorded_frames, health.lost_bytes, health.running) == (50, 50, 0, False)
    assert health.recorded_bytes == 50 * SENSOR.frame_bytes
    assert device.stops == 1


def test_a_slow_recorder_holds_up_the_device_and_loses_nothing() -> None:
    device, recorder = FakeDevice(3 * RECORDER_ROOM), FakeRecorder()
    recorder.gate.clear()
    with session_of(device, recorder) as session:
        session.start()
        until(lambda: session.health().recorder_queue == RECORDER_ROOM)
        time.sleep(0.05)
        # One frame is with the recorder, one waits for room.
        assert device.next == RECORDER_ROOM + 2
        recorder.gate.set()
        session.wait()
    assert recorder.counters == list(range(3 * RECORDER_ROOM))


def test_a_slow_pipeline_skips_the_oldest_and_counts_them() -> None:
    pipeline, recorder = FakePipeline(), FakeRecorder()
    pipeline.gate.clear()
    with session_of(FakeDevice(40), recorder, pipeline) as session:
        session.start()
        until(lambda: len(recorder.counters) == 40)
        pipeline.gate.set()
        session.wait()
        health = session.health()
    assert recorder.counters == list(range(40))
    assert pipeline.counters == sorted(pipeline.counters)
    assert pipeline.counters[-1] == 39
    assert health.pipeline_skipped > 0
    assert len(pipeline.counters) + health.pipeline_skipped == 40
    assert health.left_out == pipeline.left_out > 0  # told that others wait


def test_a_lossless_pipeline_sees_every_frame() -> None:
    pipeline = FakePipeline(delay_s=0.0005)
    count = 2 * PIPELINE_ROOM
    with session_of(FakeDevice(count), None, pipeline, lossless_pipeline=True) as session:
        session.start()
        session.wait()
        assert session.health().pipeline_skipped == 0
    assert pipeline.counters == list(range(count))


@pytest.mark.parametrize(("period_s", "frames"), [(0.1, 64), (0.004, 500), (1e-5, MAX_WAITING_BYTES // 4096)])
def test_a_fast_sensor_gets_room_for_as_much_time_as_a_slow_one_but_not_for_all_memory(
    period_s: float, frames: int
) -> None:
    sensor = replace(SENSOR, frame_period_s=period_s)
    assert sensor.frame_bytes == 4096
    assert room(sensor, 64, 2.0) == frames


def test_viewers_get_the_newest_and_their_skips_are_counted() -> None:
    with session_of(FakeDevice(30), None, FakePipeline(), lossless_pipeline=True) as session:
        slow, patient = session.subscribe(3), session.subscribe(100)
        session.start()
        session.wait()
        assert [snapshot.frame_counter for snapshot in slow.drain()] == [27, 28, 29]
        assert [snapshot.frame_counter for snapshot in patient.drain()] == list(range(30))
        assert (slow.skipped, patient.skipped) == (27, 0)
        assert session.health().viewer_skipped == 27
        assert slow.closed
        assert session.subscribe(1).closed


@pytest.mark.parametrize("limit", ["frames", "duration"])
def test_limits_end_an_endless_device(limit: str) -> None:
    recorder = FakeRecorder()
    limits: dict[str, float] = {"max_frames": 25} if limit == "frames" else {"duration_s": 25 * SENSOR.frame_period_s}
    with session_of(FakeDevice(None), recorder, **limits) as session:  # type: ignore[arg-type] # floats and ints
        session.start()
        session.wait()
    assert recorder.counters == list(range(25))
    assert recorder.reasons == ["finished"]


def test_stop_in_the_middle_records_all_that_was_taken() -> None:
    device, recorder = FakeDevice(None, period_s=0.001), FakeRecorder(delay_s=0.003)
    session = session_of(device, recorder, FakePipeline())
    session.start()
    until(lambda: device.next >= 20)
    session.stop()
    assert session.wait(10.0)
    assert recorder.counters == list(range(device.next))
    assert recorder.reasons == ["stopped"]
    assert device.state is DeviceState.CONFIGURED
    session.close()
    session.close()
    assert (device.stops, device.closes) == (1, 1)
    assert session.health().error is None


@pytest.mark.parametrize(
    "fault", [DeviceTimeoutError("no frame for 3.0 s", "check the cable"), ValueError("driver bug")], ids=type
)
def test_a_device_error_ends_the_session_after_the_recorder_has_drained(fault: Exception) -> None:
    device, recorder = FakeDevice(None, fault_at={10: fault}), FakeRecorder(delay_s=0.002)
    session = session_of(device, recorder, FakePipeline())
    session.start()
    with pytest.raises(IsacError, match=str(fault)) as caught:
        session.wait()
    assert recorder.counters == list(range(10))
    assert recorder.reasons == [f"error: {caught.value}"]
    assert session.health().error is caught.value
    assert caught.value is fault or caught.value.__cause__ is fault
    assert caught.value.hint
    assert device.stops == 1
    session.close()


def test_a_full_disk_ends_the_session_and_frees_a_capture_that_waits() -> None:
    device, recorder = FakeDevice(None), FakeRecorder(fail_at=30)
    session = session_of(device, recorder, FakePipeline())
    session.start()
    with pytest.raises(RecordingError, match="No space left"):
        session.wait(10.0)
    assert recorder.counters == list(range(30))
    assert len(recorder.reasons) == 1
    assert device.stops == 1
    session.close()
    assert device.closes == 1


@pytest.mark.parametrize("lossless", [True, False])
def test_a_pipeline_error_ends_the_session_with_everything_recorded(lossless: bool) -> None:
    device, recorder, pipeline = FakeDevice(None, period_s=0.0005), FakeRecorder(), FakePipeline(fail_at=12)
    session = session_of(device, recorder, pipeline, lossless_pipeline=lossless)
    session.start()
    with pytest.raises(IsacError, match="ZeroDivisionError: pipeline bug"):
        session.wait(10.0)
    assert recorder.counters == list(range(len(recorder.counters)))
    # A frame is handed to the recorder before the pipeline: the one that was taken last is there too.
    assert len(recorder.counters) == device.next
    session.close()


def test_a_device_that_hangs_is_stopped_under_the_capture_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isactrack.acquisition.session.STOP_PATIENCE_S", 0.05)

    class Hanging(FakeDevice):
        released = threading.Event()

        def _read(self, timeout_s: float | None) -> Frame | None:
            if self.next < 5:
                return super()._read(timeout_s)
            if self.released.wait(20.0):
                raise DeviceTimeoutError("no frame, because the device was stopped")
            return None

        def _stop(self) -> None:
            super()._stop()
            self.released.set()

    device, recorder = Hanging(None), FakeRecorder()
    session = session_of(device, recorder)
    session.start()
    until(lambda: len(recorder.counters) == 5)
    started = time.monotonic()
    session.stop()
    assert session.wait()
    assert time.monotonic() - started < 5.0
    assert session.health().error is None
    assert recorder.counters == list(range(5))
    assert recorder.reasons == ["stopped"]
    assert device.stops == 1
    session.close()


def test_an_error_of_the_stop_of_a_hanging_device_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isactrack.acquisition.session.STOP_PATIENCE_S", 0.02)
    released = threading.Event()

    class Unplugged(FakeDevice):
        def _read(self, timeout_s: float | None) -> Frame | None:
            released.wait(20.0)
            return None

        def _stop(self) -> None:
            released.set()
            raise ProtocolError("the console is gone", "plug it in again")

    device, recorder = Unplugged(None), FakeRecorder()
    session = session_of(device, recorder)
    session.start()
    session.stop()
    with pytest.raises(ProtocolError, match="gone"):
        session.wait()
    assert len(recorder.reasons) == 1
    session.close()


def test_a_replay_is_measured_by_its_own_clock() -> None:
    class Replay(FakeDevice):
        @property
        def info(self) -> DeviceInfo:
            return DeviceInfo(url="file://", model="fake", source=Source.REPLAY, origin=Source.SIMULATED)

        def _read(self, timeout_s: float | None) -> Frame | None:
            frame = super()._read(timeout_s)
            # Recorded a long time ago, from the device's frame 1000 on.
            return None if frame is None else replace_clock(frame, frame.counter + 1000, 12345)

    with session_of(Replay(30, period_s=0.001, missing={7}), None, FakePipeline()) as session:
        session.start()
        session.wait()
        health = session.health()
    assert health.missing_frames == 1
    assert 0.0 < health.latency_p99_ms < 1000.0
    assert health.frame_rate_hz > 10.0


def replace_clock(frame: Frame, counter: int, monotonic_ns: int) -> Frame:
    return Frame(frame.samples, frame.valid, counter, frame.device_time_s, monotonic_ns, frame.host_utc_ns)


class Buffered(FakeDevice):
    """Has received `received` frames, of which it dropped those in `missing`, however many were taken."""

    received = 0

    @property
    def stats(self) -> DeviceStats:
        dropped = len([counter for counter in self.missing if counter < self.received])
        return DeviceStats(
            frames=self.received - dropped, missing_frames=dropped, packets=700, late_packets=1, rejected_packets=2,
            overruns=dropped, card_overflows=4,
        )  # fmt: skip


def test_flags_of_blocks_are_counted_and_told() -> None:
    flagged = {3: BlockFlag.OVERFLOW, 5: BlockFlag.OVERFLOW | BlockFlag.GAIN_CHANGED, 6: BlockFlag.GAIN_CHANGED}

    class Radio(FakeDevice):
        def _read(self, timeout_s: float | None) -> Frame | None:
            frame = super()._read(timeout_s)
            if frame is None:
                return None
            return replace(frame, block=BlockInfo(flags=flagged.get(frame.counter, NO_FLAGS)))

    with session_of(Radio(10), FakeRecorder()) as session:
        session.start()
        session.wait()
        health = session.health()
    assert (health.frames, health.unusable_frames) == (10, 2)
    assert health.flags == {"overflow": 2, "gain_changed": 2}


def test_what_the_device_had_received_before_the_stop_is_recorded() -> None:
    received = RECORDER_ROOM + 16
    device, recorder = Buffered(None, missing={60, received - 5}), FakeRecorder()
    recorder.gate.clear()
    with session_of(device, recorder) as session:
        session.start()
        until(lambda: session.health().recorder_queue == RECORDER_ROOM)
        device.received = received
        session.stop()
        device.received = received + 120  # what comes after the stop is nobody's loss
        recorder.gate.set()
        session.wait()
        health = session.health()
    assert recorder.counters == [k for k in range(received) if k not in device.missing]
    assert recorder.reasons == ["stopped"]
    assert (health.frames, health.missing_frames) == (received - 2, 2)


def test_what_a_slow_recorder_leaves_with_the_device_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isactrack.acquisition.session.STOP_PATIENCE_S", 0.05)
    device, recorder = Buffered(None, missing={290}), FakeRecorder()
    recorder.gate.clear()
    session = session_of(device, recorder)
    session.start()
    until(lambda: session.health().recorder_queue == RECORDER_ROOM)
    device.received = 300
    session.stop()
    threading.Timer(0.3, recorder.gate.set).start()  # by then the device has been stopped under the capture thread
    assert session.wait()
    session.close()
    health = session.health()
    taken = RECORDER_ROOM + 2
    assert recorder.counters == list(range(taken))
    assert (health.frames, health.missing_frames) == (taken, 300 - taken)
    assert health.lost_bytes == (300 - taken) * SENSOR.frame_bytes
    assert health.error is None
    assert recorder.reasons == [f"frames missing at the end: {300 - taken}; stopped"]


def test_frames_beyond_a_limit_are_not_missed() -> None:
    device, recorder = Buffered(None), FakeRecorder()
    limit = RECORDER_ROOM + 10
    recorder.gate.clear()
    with session_of(device, recorder, max_frames=limit) as session:
        session.start()
        until(lambda: session.health().recorder_queue == RECORDER_ROOM)
        device.received = 500
        session.stop()  # shortly before the limit would have been reached
        recorder.gate.set()
        session.wait()
        health = session.health()
    assert (health.frames, health.recorded_frames, health.missing_frames) == (limit, limit, 0)
    assert recorder.reasons == ["stopped"]


def test_health_shows_what_the_device_and_the_pipeline_count() -> None:
    device, pipeline = Buffered(3, missing={1}), FakePipeline()
    device.received, pipeline.discarded_frames = 3, 5
    with session_of(device, None, pipeline) as session:
        session.start()
        session.wait()
    health = session.health()  # also once everything is closed
    assert (health.packets, health.late_packets, health.rejected_packets) == (700, 1, 2)
    assert (health.overruns, health.card_overflows, health.discarded_frames) == (1, 4, 5)


def test_a_replay_whose_counter_starts_over_misses_nothing_at_its_end() -> None:
    class Replay(FakeDevice):
        @property
        def info(self) -> DeviceInfo:
            return DeviceInfo(url="file://", model="fake", source=Source.REPLAY, origin=Source.SIMULATED)

        def _read(self, timeout_s: float | None) -> Frame | None:
            frame = super()._read(timeout_s)
            return None if frame is None else replace_clock(frame, frame.counter % 3, 0)

    with session_of(Replay(5)) as session:
        session.start()
        session.wait()
        assert session.health().missing_frames == 0


def test_a_session_logs_its_start_its_limit_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="isactrack")
    with session_of(FakeDevice(None, missing={2}), FakeRecorder(), max_frames=4) as session:
        session.start()
        session.wait()
    assert [record.levelname for record in caplog.records] == ["INFO"] * 3
    assert sorted(caplog.messages) == sorted([
        "started fake:// at 100 Hz, recording to fake.h5",
        "the limit is reached after 4 frames",
        f"ended: 4 frames, 1 missing, 0 incomplete, {SENSOR.frame_bytes} bytes lost",
    ])  # fmt: skip


def test_only_the_first_error_counts() -> None:
    device = FakeDevice(None, fault_at={10: DeviceTimeoutError("late")})
    recorder = FakeRecorder(fail_at=0)
    session = session_of(device, recorder)
    recorder.gate.clear()
    session.start()
    until(lambda: session.health().error is not None)
    recorder.gate.set()
    with pytest.raises(DeviceTimeoutError, match="late"):
        session.wait()
    session.close()


def test_a_device_that_does_not_start_leaves_nothing_open() -> None:
    device, recorder = FakeDevice(), FakeRecorder()
    device.start_error = DeviceTimeoutError("the console does not answer", "power?")
    session = session_of(device, recorder)
    with pytest.raises(DeviceTimeoutError):
        session.start()
    assert recorder.reasons == ["the device did not start"]
    session.close()
    assert recorder.reasons == ["the device did not start"]
    assert device.closes == 1


def test_a_stop_that_fails_too_does_not_hide_why_the_start_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unstoppable(FakeDevice):
        def _stop(self) -> None:
            super()._stop()
            raise ProtocolError("the console is gone")

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    device, recorder = Unstoppable(), FakeRecorder()
    session = session_of(device, recorder)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError, match="new thread"):
            session.start()
    assert recorder.reasons == ["the device did not start"]
    assert device.stops == 1
    session.close()


@pytest.mark.parametrize("interrupted_at", [0, 1, 2])
def test_ctrl_c_while_the_threads_start_leaves_nothing_open(
    interrupted_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, recorder = FakeDevice(None, period_s=0.001), FakeRecorder()
    session = session_of(device, recorder, FakePipeline())
    start = threading.Thread.start
    starts: list[threading.Thread] = []

    def interrupted_start(thread: threading.Thread) -> None:
        if len(starts) == interrupted_at:
            raise KeyboardInterrupt
        starts.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        session.start()
    assert session.wait(5.0)
    assert len(recorder.reasons) == 1
    assert device.stops == 1
    session.close()
    assert device.closes == 1


def test_losses_are_counted_up_to_the_end_of_the_stream() -> None:
    device = FakeDevice(20, missing={0, 5, 6, 18, 19}, torn={3, 9})
    with session_of(device) as session:
        session.start()
        session.wait()
        health = session.health()
    lost = 5 * SENSOR.frame_bytes + 2 * 64
    assert (health.frames, health.missing_frames, health.incomplete_frames) == (15, 5, 2)
    assert health.lost_bytes == lost
    assert health.lost_share == pytest.approx(lost / (20 * SENSOR.frame_bytes))


def test_rates_and_latencies_follow_the_clock() -> None:
    with session_of(FakeDevice(60, period_s=0.01), None, FakePipeline(delay_s=0.002)) as session:
        assert session.health().nominal_rate_hz == pytest.approx(100.0)
        session.start()
        session.wait()
        health = session.health()
        time.sleep(0.05)
        assert session.health() == health
    assert 40.0 < health.frame_rate_hz < 100.0
    assert health.elapsed_s >= 0.6
    assert 2.0 <= health.latency_p50_ms <= health.latency_p99_ms < 1000.0


def test_a_recorder_is_flushed_while_the_device_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isactrack.acquisition.recorder_tap.FLUSH_INTERVAL_S", 0.01)
    recorder = FakeRecorder()
    with session_of(FakeDevice(2, period_s=0.1), recorder) as session:
        session.start()
        session.wait()
    assert recorder.flushes >= 4


def test_the_running_device_is_used_by_one_thread_only() -> None:
    device = FakeDevice(None, period_s=0.001)
    with session_of(device, FakeRecorder()) as session:
        session.start()
        until(lambda: device.next > 3)
    assert device.threads == {"isactrack-capture"}


def test_a_session_runs_once() -> None:
    with session_of(FakeDevice(1)) as session:
        session.start()
        session.wait()
        with pytest.raises(DeviceStateError, match="started before"):
            session.start()


def test_a_session_that_never_started_closes_its_parts() -> None:
    device, recorder = FakeDevice(), FakeRecorder()
    session = session_of(device, recorder)
    subscription = session.subscribe(1)
    assert not session.health().running
    session.close()
    assert subscription.closed
    assert recorder.reasons == ["never started"]
    assert device.closes == 1


def test_waiting_with_a_limit_returns() -> None:
    with session_of(FakeDevice(None, period_s=0.001)) as session:
        session.start()
        assert not session.wait(0.02)
        assert session.health().running
