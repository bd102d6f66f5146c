"""Every device of the package keeps the contract, and the contract notices one that does not."""

import threading
from pathlib import Path

import numpy as np
import pytest

from isactrack import (
    DeviceStateError,
    Event,
    EventKind,
    FmcwSensor,
    Frame,
    IsacError,
    RecordingError,
    SidePacket,
    Source,
)
from isactrack.drivers.awr1642 import console
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.device import Device
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated import uart
from isactrack.drivers.simulated.device import SimulatedAwr1642
from isactrack.drivers.simulated.scene import make_scene
from isactrack.recordings.header import RecordingHeader
from isactrack.recordings.writer import RecordingWriter
from isactrack.sensor import require_fmcw
from isactrack.testing import check_device
from isactrack.testing.device_contract import (
    check_beside_the_frames,
    check_failed_configure,
    check_frames,
    check_order_of_calls,
    check_restart,
)


@pytest.fixture(autouse=True)
def quick_wires() -> None:
    """The wires as they are, with a process that reads the socket."""


def record(path: Path, url: str, frames: int) -> None:
    with open_device(url) as device:
        sensor = device.configure()
        info = device.info
        header = RecordingHeader(
            sensor=sensor,
            source=info.source,
            origin=info.origin,
            device_url=info.url,
            device_model=info.model,
            profile_text=device.profile_text,
        )
        device.start()
        with RecordingWriter(path, header) as writer:
            for frame in device.frames():
                writer.append(frame, device.truth(frame))
                if writer.frames_written == frames:
                    break


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "walker.h5"
    record(path, "sim://awr1642?scene=walker&speed=4", 8)
    return path


def test_the_simulated_device_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_SETTLE_S", 0.03)
    monkeypatch.setattr(uart, "POLL_S", 0.01)
    check_device(lambda: open_device("sim://awr1642?scene=walker&speed=4"))


def test_the_simulated_device_with_loss_keeps_the_contract() -> None:
    def make() -> Device:
        return open_device("sim://awr1642?scene=noise&speed=4&loss=0.02&seed=5")

    check_frames(make, frames=3)  # the other checks do not depend on what arrives
    check_restart(make, frames=3)


@pytest.mark.parametrize("speed", ["max", "8"])
def test_the_replay_device_keeps_the_contract(recording: Path, speed: str) -> None:
    check_device(lambda: open_device(f"file://{recording}?speed={speed}"))


def test_a_replay_yields_what_was_recorded(recording: Path) -> None:
    with open_device(f"file://{recording}?speed=max&start=2") as device:
        assert device.info.source is Source.REPLAY
        assert device.info.origin is Source.SIMULATED
        device.configure()
        device.start()
        frames = list(device.frames())
        assert [frame.counter for frame in frames] == list(range(2, 8))
        truth = device.truth(frames[-1])
        assert truth is not None
        expected = make_scene("walker").truth(truth.time_s)
        assert truth.position_m == pytest.approx(expected.position_m)
        assert device.read() is None


def test_a_paced_replay_keeps_the_recorded_times(recording: Path) -> None:
    import time

    with open_device(f"file://{recording}?speed=4") as device:
        device.configure()
        began = time.monotonic()
        device.start()
        count = sum(1 for _ in device.frames())
        elapsed = time.monotonic() - began
    assert count == 8
    assert elapsed == pytest.approx(0.7 / 4, abs=0.1)


class BackwardDevice(SimulatedAwr1642):
    """Breaks the contract: every frame carries the same counter."""

    def _read(self, timeout_s: float | None) -> Frame | None:
        frame = super()._read(timeout_s)
        if frame is None:
            return None
        return Frame(frame.samples, frame.valid, 0, 0.0, frame.host_monotonic_ns, frame.host_utc_ns)


class CarelessDevice(SimulatedAwr1642):
    """Breaks the contract: it starts without a configuration."""

    def _require(self, call: str, *states: object) -> None:
        if call != "start":
            super()._require(call, *states)  # type: ignore[arg-type]

    def _start(self) -> None:
        return


def test_the_contract_notices_a_counter_that_stands_still() -> None:
    def make() -> Device:
        return BackwardDevice(make_scene("noise"), speed=8.0)

    with pytest.raises(AssertionError, match="counters must grow"):
        check_frames(make, frames=2)


def test_the_contract_notices_a_start_that_is_not_refused() -> None:
    def make() -> Device:
        return CarelessDevice(make_scene("noise"))

    with pytest.raises(AssertionError, match="start\\(\\) before configure"):
        check_order_of_calls(make)


class StubbornDevice(SimulatedAwr1642):
    """Breaks the contract: after a profile that was refused it goes on with the one before it."""

    def configure(self, profile: str | None = None) -> FmcwSensor:
        state, sensor = self._state, self._sensor
        try:
            return require_fmcw(super().configure(profile))
        except IsacError:
            self._state, self._sensor = state, sensor
            raise


def test_the_contract_notices_what_a_refused_profile_leaves() -> None:
    def make() -> Device:
        return StubbornDevice(make_scene("noise"))

    with pytest.raises(AssertionError, match="after a configure\\(\\) that failed"):
        check_failed_configure(make)


def note(text: str, time_ns: int = 1) -> Event:
    return Event(host_monotonic_ns=time_ns, host_utc_ns=time_ns, kind=EventKind.CARD, text=text)


def side_packet(kind: str) -> SidePacket:
    return SidePacket(host_monotonic_ns=1, host_utc_ns=1, kind=kind, data=b"x")


@pytest.mark.parametrize(
    ("events", "packets", "message"),
    [
        ((note("fine"),), (), "came again"),
        (("a text",), (), "which is no Event"),
        ((note("two\nlines"),), (), "must be one line"),
        ((note("late", 2), note("early", 1)), (), "oldest first"),
        ((), (side_packet("k" * 33),), "no kind of a packet"),
        ((), (b"bytes",), "which is no SidePacket"),
        (None, (), "must be a list"),
    ],
)
def test_the_contract_notices_events_and_packets_that_are_none(
    events: tuple[object, ...] | None, packets: tuple[object, ...], message: str
) -> None:
    class Chatty(SimulatedAwr1642):
        def take_events(self) -> list[Event]:
            return None if events is None else list(events)  # type: ignore[return-value, arg-type]

        def take_side_packets(self) -> list[SidePacket]:
            return list(packets)  # type: ignore[arg-type]

    with pytest.raises(AssertionError, match=message):
        check_beside_the_frames(lambda: Chatty(make_scene("noise"), speed=8.0), frames=2)


def test_the_contract_notices_events_that_only_one_thread_may_take() -> None:
    class Shy(SimulatedAwr1642):
        def take_events(self) -> list[Event]:
            if threading.current_thread() is not threading.main_thread():
                raise RuntimeError("not from this thread")
            return []

    with pytest.raises(RuntimeError, match="not from this thread"):
        check_beside_the_frames(lambda: Shy(make_scene("noise"), speed=8.0), frames=2)


@pytest.mark.parametrize(
    ("counters", "times", "message"),
    [
        ((0, 1, 2, 0, 1), (0.0, 0.1, 0.2, 0.0, 0.1), "the counter goes from 2 to 0 at frame 3"),
        ((0, 1, 2, 2, 3), (0.0, 0.1, 0.2, 0.3, 0.4), "the counter goes from 2 to 2 at frame 3"),
        ((0, 1, 2, 3, 4), (0.0, 0.1, 0.2, 0.1, 0.2), "the device time goes from 0.2 to 0.1 at frame 3"),
    ],
)
def test_a_recording_that_goes_back_is_no_device_but_its_end_may_be(
    tmp_path: Path, counters: tuple[int, ...], times: tuple[float, ...], message: str
) -> None:
    path = tmp_path / "back.h5"
    sensor = parse_profile(default_profile())
    header = RecordingHeader(
        sensor=sensor, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="x", device_model="AWR1642"
    )
    samples, valid = np.zeros(sensor.frame_words, np.int16), np.ones(sensor.frame_words // 4, np.bool_)
    with RecordingWriter(path, header) as writer:
        for arrival, (counter, time_s) in enumerate(zip(counters, times, strict=True)):
            writer.append(Frame(samples, valid, counter, time_s, arrival, 0))
    with pytest.raises(RecordingError, match=message) as caught:
        open_device(f"file://{path}?speed=max")
    assert "start=3" in caught.value.hint
    with open_device(f"file://{path}?speed=max&start=3") as device:
        device.configure()
        device.start()
        assert [frame.counter for frame in device.frames()] == list(counters[3:])
        assert device.stats.frames == 2
        assert device.stats.missing_frames == 0


def test_a_device_that_is_not_configured_says_what_to_do() -> None:
    with open_device("sim://awr1642") as device, pytest.raises(DeviceStateError) as caught:
        device.start()
    assert "configure()" in caught.value.hint
