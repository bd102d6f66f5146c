"""The radio as a device, on a radio and an LO box that do what the test tells them."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from isactrack import BlockFlag, ConfigError, DeviceError, DeviceStateError, DeviceTimeoutError, OfdmSensor, Source
from isactrack.drivers.bistatic import control, watch
from isactrack.drivers.bistatic import device as module
from isactrack.drivers.bistatic.control import Capability, Command
from isactrack.drivers.bistatic.device import BistaticRadio
from isactrack.drivers.bistatic.framing import Packet, PacketKind, fragments_of
from isactrack.drivers.bistatic.lo_box import LoBox
from isactrack.drivers.bistatic.udp_link import UdpLink
from isactrack.drivers.device import DeviceState
from isactrack.drivers.registry import open_device
from isactrack.drivers.url import DeviceUrl
from isactrack.events import Event, EventKind


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KEEPALIVE_S", 0.05)
    monkeypatch.setattr(watch, "LOOK_PERIOD_S", 0.02)
    monkeypatch.setattr(module, "LOOK_PERIOD_S", 0.02)
    monkeypatch.setattr(module, "LO_PERIOD_S", 0.03)
    monkeypatch.setattr(module, "_STATUS_S", 0.3)


def make(radio: Any, lo: LoBox | None = None, **options: Any) -> BistaticRadio:
    return BistaticRadio(UdpLink(radio.address), lo, deadline_s=lambda _: 0.3, **options)


def waited_for(events: Callable[[], list[Event]], text: str) -> Event:
    """Return the first event that says something, within 3 s."""
    seen: list[str] = []
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        for event in events():
            seen.append(event.text)
            if text in event.text:
                return event
        time.sleep(0.01)
    raise AssertionError(f"no event says {text!r}: {seen}")


def test_what_the_radio_is_and_runs(radio: Any) -> None:
    with make(radio, tx_position_m=(1.0, 2.0)) as device:
        info = device.info
        assert (info.model, info.serial_number, info.firmware) == ("ISAB-T", "T1", "9")
        assert info.source is Source.HARDWARE
        assert info.url == f"bistatic://udp/127.0.0.1:{radio.address[1]}"
        sensor = device.configure("[radio]\ngain_db = 12.3\n")
        assert isinstance(sensor, OfdmSensor)
        assert (sensor.model, sensor.csi_scale, sensor.tx_position_m) == ("ISAB-T", 2e-6, (1.0, 2.0))
        assert device.profile_text == "[radio]\ngain_db = 12.3\n"
        assert radio.settings.gain_db == 12.5
        placed = device.configure("[transmitter]\nx_m = -3\ny_m = 4\n")
        assert isinstance(placed, OfdmSensor)
        assert placed.tx_position_m == (-3.0, 4.0)
        assert device.set_gain(20.2) == 20.0
        assert device.status() == radio.status


def test_frames_come_and_are_those_that_were_sent(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        radio.send_blocks(0, 5, flags=BlockFlag.SATURATED, gain_cdb=1000, temperature_cc=4150)
        for counter in range(5):
            frame = device.read(2.0)
            assert frame is not None
            assert frame.counter == counter
            assert set(frame.samples.tolist()) == {counter + 1}
            assert frame.block is not None
            assert (frame.block.gain_db, frame.block.temperature_c) == (10.0, 41.5)
            assert frame.block.flags == BlockFlag.SATURATED
        assert device.stats.frames == 5
        device.stop()
        assert radio.executed[-1] is Command.STOP
        device.start()
        assert device.stats.frames == 0
        radio.send_blocks(0, 1)
        frame = device.read(2.0)
        assert frame is not None
        assert frame.counter == 0


def test_what_was_on_its_way_when_it_was_stopped_is_not_of_the_next_run(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        radio.send_blocks(0, 3)
        assert device.read(2.0) is not None
        device.stop()
        radio.send_blocks(900, 5)
        device.start()
        radio.send_blocks(0, 2)
        frames = [device.read(2.0), device.read(2.0)]
        assert [frame.counter for frame in frames if frame is not None] == [0, 1]


def test_a_block_that_is_not_whole_when_it_is_stopped_is_no_loss(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        radio.send_blocks(0, 3)
        half = Packet(kind=PacketKind.CSI, block=3, tick=radio.settings.tick_of(3), sequence=6, rate_num=552_960_000)
        words = bytes(4 * 8 * 76)
        radio.socket.sendto(fragments_of(half, words, 8, 76)[0].encode(), radio.host)
        assert [device.read(2.0) is not None for _ in range(3)] == [True] * 3
        device.stop()
        stats = device.stats
        assert (stats.frames, stats.incomplete_frames, stats.lost_bytes) == (3, 0, 0)


@pytest.mark.usefixtures("impatient_talk")
def test_a_radio_that_does_not_answer_cannot_be_opened(radio: Any) -> None:
    radio.mute = True
    link = UdpLink(radio.address)
    with pytest.raises(DeviceTimeoutError, match="does not answer identify"):
        BistaticRadio(link)
    with pytest.raises(DeviceError):  # and the link is closed
        link.receive(0.01)


def test_a_profile_that_the_radio_cannot_run_is_not_sent(radio: Any) -> None:
    radio.capabilities = frozenset({Capability.CSI, Capability.MULTI_RX, Capability.LO_CONTROL})
    with make(radio) as device:
        with pytest.raises(ConfigError, match="stagger"):
            device.configure()
        with pytest.raises(ConfigError, match="gain of its profile"):
            device.set_gain(3.0)
        with pytest.raises(ConfigError, match="LO box"):
            device.configure("[lo]\nfrequency_hz = 22e9\n")
        assert Command.CONFIGURE not in radio.heard
        assert device.state is DeviceState.OPEN
        radio.refuses = {Command.CONFIGURE: "the PLL does not lock"}
        with pytest.raises(DeviceError, match="the PLL does not lock") as caught:
            device.configure("[radio]\n")
        assert caught.value.hint == "do something else"


def test_the_host_says_that_it_is_there(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        deadline = time.monotonic() + 3.0
        while radio.heard.count(Command.KEEPALIVE) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        device.stop()
        assert radio.heard.count(Command.KEEPALIVE) >= 3
        before = radio.heard.count(Command.KEEPALIVE)
        time.sleep(0.15)
        assert radio.heard.count(Command.KEEPALIVE) == before
    assert 3 * control.KEEPALIVE_S < control.SILENCE_S


@pytest.mark.parametrize(
    ("status", "sent", "says", "hint"),
    [
        ({}, 0, "the radio streams", "firewall"), ({"streaming": False}, 0, "does not stream", "start it again"),
        ({"lo_locked": False}, 3, "its LO is not locked", "broke off"),
    ],
)  # fmt: skip
def test_silence_says_what_the_radio_says(radio: Any, status: dict[str, bool], sent: int, says: str, hint: str) -> None:
    radio.status = replace(radio.status, **status)
    with make(radio) as device:
        device.configure()
        device.start()
        radio.send_blocks(0, sent)
        with pytest.raises(DeviceTimeoutError) as caught:
            for _ in range(sent + 1):
                device.read()
        assert says in str(caught.value)
        assert f"{2 * sent} packets" in str(caught.value)
        assert hint in caught.value.hint
        assert waited_for(device.take_events, "no data from the radio").kind is EventKind.LINK
        radio.send_blocks(sent, 1)
        assert device.read(2.0) is not None
        waited_for(device.take_events, "data from the radio again")


def test_a_radio_whose_frames_are_not_taken_is_not_silent(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        radio.send_blocks(0, 3)
        time.sleep(1.2)
        assert [event for event in device.take_events() if event.kind is EventKind.LINK] == []
        frames = [device.read(1.0) for _ in range(3)]
        assert [frame.counter for frame in frames if frame is not None] == [0, 1, 2]
        waited_for(device.take_events, "no data from the radio")


@pytest.mark.usefixtures("impatient_talk")
def test_a_radio_that_falls_silent_altogether_is_told_and_can_still_be_stopped(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        radio.mute = True
        with pytest.raises(DeviceTimeoutError, match="does not answer status"):
            device.read()
        with pytest.raises(DeviceTimeoutError, match=r"no frame for 0\.0 s"):
            device.read(0.01)
        device.stop()
        assert waited_for(device.take_events, "could not be stopped").kind is EventKind.RADIO


def test_a_radio_that_begins_anew_ends_the_stream(radio: Any) -> None:
    with make(radio) as device:
        device.configure()
        device.start()
        radio.send_blocks(0, 20)
        radio.sequence = 0
        radio.send_blocks(0, 20)
        with pytest.raises(DeviceError, match="count anew"):
            for _ in range(21):
                assert device.read(2.0) is not None
        assert device.stats.frames == 20


@pytest.mark.parametrize("end", ["stop", "close"])
def test_another_thread_may_stop_while_a_frame_is_waited_for(radio: Any, end: str) -> None:
    device = BistaticRadio(UdpLink(radio.address), deadline_s=lambda _: 30.0)
    device.configure()
    device.start()
    radio.send_blocks(0, 2)
    taken: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            taken.extend(frame.counter for frame in device.frames())
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.2)
    getattr(device, end)()
    reader.join(3.0)
    assert not reader.is_alive()
    assert (taken, failures) == ([0, 1], [])
    device.close()


# --- the LO box ------------------------------------------------------------------------------------------------------


def test_the_lo_box_runs_before_the_radio_is_told_what_it_gives(radio: Any, box: Any) -> None:
    radio.capabilities -= {Capability.LO_CONTROL}
    with make(radio, LoBox(*box.address)) as device:
        device.configure()
        assert "SET_LO_FREQ 22000000000" in box.lines
        assert radio.settings.lo_hz == 22e9
        box.answers["GET_LO_RANGE"] = "6000000000,10000000000"
        with pytest.raises(ConfigError, match="LO box") as caught:
            device.configure()
        assert "licence" in caught.value.hint
        assert device.state is DeviceState.OPEN


def test_lost_lock_and_a_silent_box_are_events_and_the_capture_goes_on(radio: Any, box: Any) -> None:
    with make(radio, LoBox(*box.address, answer_s=0.1)) as device:
        device.configure()
        device.start()
        box.answers["GET_ALL_STATUS"] = "0,1,0,1"
        assert waited_for(device.take_events, "LO not locked").kind is EventKind.OSCILLATOR
        box.answers["GET_ALL_STATUS"] = None
        waited_for(device.take_events, "does not answer GET_ALL_STATUS")
        radio.send_blocks(0, 1)
        assert device.read(2.0) is not None
        box.answers["GET_ALL_STATUS"] = "0,0,0,1"
        waited_for(device.take_events, "answers again: LO locked")
        time.sleep(0.1)
        assert not [event for event in device.take_events() if event.kind is EventKind.OSCILLATOR]
        box.answers["GET_ALL_STATUS"] = "0,0,17,1"
        waited_for(device.take_events, "reference not locked")
        with pytest.raises(DeviceTimeoutError, match="reference not locked"):
            device.read()


# --- URLs ------------------------------------------------------------------------------------------------------------


def test_a_url_opens_the_radio(radio: Any, box: Any) -> None:
    url = f"bistatic://127.0.0.1:{radio.address[1]}?lo=127.0.0.1:{box.address[1]}&pose=1,2,90&tx=-2,3.5"
    with open_device(url) as device:
        assert device.info.url == url
        assert device.pose.x_m == 1.0
        sensor = device.configure()
        assert isinstance(sensor, OfdmSensor)
        assert sensor.tx_position_m == (-2.0, 3.5)
        assert "SET_LO_FREQ 22000000000" in box.lines
        with pytest.raises(DeviceStateError):
            device.read()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bistatic://host:0", "HOST[:PORT]"), ("bistatic://host:99999", "HOST[:PORT]"),
        ("bistatic://a/b", "HOST[:PORT]"),
        ("bistatic://usb?lo=", "HOST[:PORT]"), ("bistatic://usb?lo=host:x", "HOST[:PORT]"),
        ("bistatic://usb?tx=1", "tx=1"), ("bistatic://usb?tx=nan,1", "tx=nan,1"), ("bistatic://usb?speed=2", "speed"),
        ("bistatic://usb?pose=1", "pose=1"),
    ],
)  # fmt: skip
def test_a_wrong_url_is_refused_before_anything_is_opened(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        module.open_url(DeviceUrl.parse(text))
    assert says in str(caught.value)
    assert caught.value.hint
