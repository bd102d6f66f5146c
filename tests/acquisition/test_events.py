"""What happens beside the frames reaches the recording, in its place, from whoever noticed it."""

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from isactrack.acquisition.session import Session
from isactrack.drivers.device import Device, DeviceInfo, host_clocks
from isactrack.errors import DeviceStateError, ProtocolError, RecordingError
from isactrack.events import Event, EventKind, SidePacket
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.recordings import RecordingHeader, RecordingWriter, SegmentedWriter, create_folder, open_recording
from isactrack.source import Source

SENSOR = FmcwSensor(
    model="fake", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=16, loops_per_frame=2, frame_period_s=0.01,
)  # fmt: skip


class TalkingDevice(Device):
    """Yields frames, with an event and a packet after each, and one more event when it stops."""

    def __init__(self, count: int, *, error: Exception | None = None) -> None:
        super().__init__()
        self.count = count
        self.error = error
        self.next = 0
        self.events: list[Event] = []
        self.packets: list[SidePacket] = []
        self.gate = threading.Event()  # closed: the device is silent after `count` frames
        self.gate.set()

    @property
    def info(self) -> DeviceInfo:
        return DeviceInfo(url="fake://", model="fake", source=Source.SIMULATED, origin=Source.SIMULATED)

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken

    def take_side_packets(self) -> list[SidePacket]:
        taken, self.packets = self.packets, []
        return taken

    def say(self, text: str) -> None:
        monotonic_ns, utc_ns = host_clocks()
        times = {"host_monotonic_ns": monotonic_ns, "host_utc_ns": utc_ns}
        self.events.append(Event(kind=EventKind.CARD, text=text, **times))
        self.packets.append(SidePacket(kind="test", data=text.encode(), **times))

    def _configure(self, profile: str | None) -> FmcwSensor:
        return SENSOR

    def _start(self) -> None:
        self.say("started")

    def _read(self, timeout_s: float | None) -> Frame | None:
        if self.next >= self.count:
            self.gate.wait(10.0)
            if self.error is not None:
                raise self.error
            return None
        valid = np.ones(SENSOR.frame_words // 4, dtype=np.bool_)
        frame = Frame(np.zeros(SENSOR.frame_words, np.int16), valid, self.next, self.next * 0.01, *host_clocks())
        self.say(f"frame {self.next}")
        self.next += 1
        return frame

    def _stop(self) -> None:
        self.say("stopped")
        self.gate.set()

    def _close(self) -> None:
        pass


def header_of(device: TalkingDevice) -> RecordingHeader:
    return RecordingHeader(
        sensor=device.configure(), source=Source.SIMULATED, origin=Source.SIMULATED, device_url="fake://",
        device_model="fake",
    )  # fmt: skip


def session_of(device: TalkingDevice, path: Path) -> Session:
    return Session(device, recorder=RecordingWriter(path, header_of(device)))


def test_events_and_packets_of_a_device_are_recorded_in_their_place(tmp_path: Path) -> None:
    with session_of(TalkingDevice(3), tmp_path / "a.h5") as session:
        session.start()
        session.wait()
    with open_recording(tmp_path / "a.h5") as recording:
        texts = ["started", "frame 0", "frame 1", "frame 2", "stopped"]
        assert [event.text for event in recording.events] == texts
        assert [packet.data.decode() for packet in recording.side_packets()] == texts
        assert recording.event_frame_rows.tolist() == [1, 1, 2, 3, 3]


def test_markers_are_recorded_even_of_a_silent_device(tmp_path: Path) -> None:
    device = TalkingDevice(2)
    device.gate.clear()
    with session_of(device, tmp_path / "a.h5") as session:
        with pytest.raises(DeviceStateError, match="does not run"):
            session.mark("too early")
        session.start()
        marks = [session.mark(" the door\nopens "), session.mark("the door closes")]
        device.gate.set()
        session.wait()
        with pytest.raises(DeviceStateError, match="does not run"):
            session.mark("too late")
    with open_recording(tmp_path / "a.h5") as recording:
        markers = [event for event in recording.events if event.kind is EventKind.MARKER]
        assert markers == marks
        assert [event.text for event in markers] == ["the door opens", "the door closes"]


def test_what_ended_a_session_is_an_event(tmp_path: Path) -> None:
    with session_of(TalkingDevice(2, error=ProtocolError("the firmware is gone")), tmp_path / "a.h5") as session:
        session.start()
        with pytest.raises(ProtocolError):
            session.wait()
    with open_recording(tmp_path / "a.h5") as recording:
        last = recording.events[-1]
        assert (last.kind, last.text) == (EventKind.SESSION, "capture failed: the firmware is gone")
        assert recording.stop_reason == "error: the firmware is gone"
        assert recording.closed_cleanly


def test_a_stream_that_could_not_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = TalkingDevice(5)
    recorder = SegmentedWriter(create_folder(tmp_path / "run1"), header_of(device), flush_interval_s=0.0)
    with Session(device, recorder=recorder) as session:
        full = SimpleNamespace(free=0)
        monkeypatch.setattr("isactrack.recordings.writer.shutil.disk_usage", lambda _path: full)
        session.start()
        with pytest.raises(RecordingError, match="nearly full"):
            session.wait()
    with open_recording(tmp_path / "run1") as recording:
        assert recording.closed_cleanly
        assert recording.stop_reason.startswith("error: the disk of ")


def test_without_a_recorder_events_are_taken_off_the_device_all_the_same() -> None:
    device = TalkingDevice(5)
    device.configure()
    device.gate.clear()
    with Session(device) as session:
        session.start()
        session.mark("seen by nobody")
        device.gate.set()
        session.wait()
    assert (device.events, device.packets) == ([], [])
