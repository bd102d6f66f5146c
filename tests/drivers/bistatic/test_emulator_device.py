"""The simulated bistatic radio as a device: the whole driver over the emulated wire, while all goes well and not."""

import contextlib
import gc
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack import ConfigError, DeviceError, DeviceTimeoutError, Frame
from isactrack.drivers.bistatic import device as driver
from isactrack.drivers.bistatic import usb_link
from isactrack.drivers.bistatic.profile import default_profile
from isactrack.drivers.device import DeviceState
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.bistatic import device as device_module
from isactrack.drivers.simulated.bistatic import lo_box as lo_box_module
from isactrack.drivers.simulated.bistatic.device import DEFAULT_TX_M, SimulatedBistatic, simulated_profile
from isactrack.drivers.simulated.bistatic.faults import FaultKind
from isactrack.drivers.simulated.bistatic.source import RadioSource
from isactrack.drivers.simulated.fault_plan import Fault
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.drivers.simulated.rooms import ROOMS
from isactrack.drivers.simulated.scene import make_scene
from isactrack.events import EventKind
from isactrack.frame import NO_FLAGS, BlockFlag, BlockInfo
from isactrack.geometry import Pose
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.source import Source
from isactrack.testing import check_device
from isactrack.truth import Truth

LINKS = pytest.mark.parametrize("link", ["usb", "udp"])
FAST = "sim://bistatic?speed=max&stagger=0"


class ToySource:
    """Random words; it remembers what it was told."""

    def __init__(self, sensor: OfdmSensor, start_s: float, plan: tuple[Fault, ...]) -> None:
        self.sensor, self.start_s, self.plan = sensor, start_s, plan
        self.unlocked: list[int] = []

    def make(self, counter: int, *, lo_locked: bool = True) -> tuple[NDArray[np.int16], BlockInfo]:
        self.unlocked += [] if lo_locked else [counter]
        time_s = counter * self.sensor.frame_period_s + self.sensor.stagger_of(counter)
        return self.words(counter), BlockInfo(tick=round(time_s * self.sensor.sample_rate_hz), gain_db=31.0)

    def words(self, counter: int) -> NDArray[np.int16]:
        return np.random.default_rng(counter).integers(-32768, 32768, self.sensor.frame_words).astype(np.int16)

    def truth(self, counter: int) -> Truth:
        return Truth(counter * self.sensor.frame_period_s, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> list[ToySource]:
    """Let radios deliver toys' words; the list gets one a run."""
    made: list[ToySource] = []

    def make(_self: SimulatedBistatic, sensor: OfdmSensor, start_s: float, plan: tuple[Fault, ...]) -> ToySource:
        made.append(ToySource(sensor, start_s, plan))
        return made[-1]

    monkeypatch.setattr(SimulatedBistatic, "_make_source", make)
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, impatient_talk: None) -> None:
    """A driver that waits 0.3 s for frames and replies."""
    monkeypatch.setattr(device_module, "read_deadline_s", lambda _period_s: 0.3)
    monkeypatch.setattr(driver, "_STATUS_S", 0.3)
    monkeypatch.setattr(usb_link, "WRITE_TIMEOUT_S", 0.3)


def opened(url: str) -> SimulatedBistatic:
    device = open_device(url)
    assert isinstance(device, SimulatedBistatic)
    return device


def read_until(device: SimulatedBistatic, block: int) -> list[Frame]:
    """Read frames up to the one of a counter, or the first after it."""
    frames: list[Frame] = []
    for frame in device.frames():
        frames.append(frame)
        if frame.counter >= block:
            break
    return frames


def flags_of(frame: Frame) -> BlockFlag:
    assert frame.block is not None
    return frame.block.flags


def flagged(frames: list[Frame], flag: BlockFlag) -> list[int]:
    return [frame.counter for frame in frames if flag in flags_of(frame)]


def texts(device: SimulatedBistatic, kind: EventKind) -> list[str]:
    return [event.text for event in device.take_events() if event.kind is kind]


# --- the contract ----------------------------------------------------------------------------------------------------


@LINKS
def test_the_device_keeps_the_contract(link: str) -> None:
    check_device(lambda: open_device(f"sim://bistatic?link={link}&seed=1000"))


@pytest.mark.slow
@LINKS
def test_the_device_keeps_the_contract_with_samples_too(link: str) -> None:
    check_device(lambda: open_device(f"sim://bistatic?link={link}&capture=iq&speed=0.02&seed=1000"))


def test_the_device_says_that_it_is_a_simulation() -> None:
    with opened(FAST) as device:
        info = device.info
        assert (info.source, info.origin) == (Source.SIMULATED, Source.SIMULATED)
        assert info.url == FAST
        assert info.model and info.serial_number and info.firmware


@LINKS
def test_what_the_source_makes_is_what_the_driver_delivers(link: str) -> None:
    with opened(f"sim://bistatic?link={link}&speed=max&seed=1001") as device:
        device.configure()
        device.start()
        frames = list(islice(device.frames(), 40))
        run = device.firmware.runs[0]
        again = device._make_source(run.sensor, 0.0, ())
        for frame in frames:
            words, info = again.make(frame.counter)
            assert np.array_equal(frame.samples, words)
            assert frame.valid.all()
            assert frame.block is not None
            noise_power, cfo_hz = (float(np.float32(value)) for value in (info.noise_power, info.cfo_hz))
            assert frame.block == replace(info, noise_power=noise_power, cfo_hz=cfo_hz)
            truth = device.truth(frame)
            assert truth is not None
            assert truth.time_s == frame.device_time_s + run.sensor.stagger_of(frame.counter)
            assert np.array_equal(truth.position_m, again.truth(frame.counter).position_m)
        assert truth is not None
        assert len(truth) == 2


def test_samples_arrive_bit_by_bit_too(toys: list[ToySource]) -> None:
    for link in ("usb", "udp"):
        with opened(f"{FAST}&link={link}&capture=iq") as device:
            sensor = device.configure()
            assert isinstance(sensor, OfdmSensor)
            assert (sensor.capture, sensor.frame_words) == (Capture.IQ, 8 * 5376 * 2)
            device.start()
            frames = list(islice(device.frames(), 5))
            assert [frame.counter for frame in frames] == list(range(5))
            assert all(np.array_equal(frame.samples, toys[-1].words(frame.counter)) for frame in frames)


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        "scene=nowhere", "link=serial", "seed=-1", "speed=0", "impairments=none-at-all", "clock=mine", "stagger=2",
        "ghosts=some", "capture=video", "loss=2", "burst=0", "snr=loud", "pose=1", "fault=sleep@1s", "fault=overflow",
        "late=0.1", "link=udp&fault=unplug@1s", "link=usb&fault=link-down@1s",
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused_with_a_hint(options: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_device(f"sim://bistatic?{options}")
    assert refused.value.hint


def test_options_change_the_default_profile_and_nothing_else() -> None:
    assert simulated_profile() == default_profile()
    changed = simulated_profile(Capture.IQ, stagger=False)
    assert [
        (before.partition("=")[2].split()[0], after.partition("=")[2].split()[0])
        for before, after in zip(default_profile().splitlines(), changed.splitlines(), strict=True)
        if before != after
    ] == [('"csi"', '"iq"'), ("true", "false")]


def test_walls_show_people_again_for_whoever_asks_for_ghosts() -> None:
    firsts = []
    for ghosts in "01":
        with opened(f"{FAST}&scene=lab-walk&impairments=none&snr=90&ghosts={ghosts}") as device:
            sensor = device.configure()
            assert isinstance(sensor, OfdmSensor)
            device.start()
            firsts.append(sensor.decode(next(device.frames())))
    share = np.mean(np.abs(firsts[1] - firsts[0]) ** 2) / np.mean(np.abs(firsts[0]) ** 2)
    assert -40.0 < 10.0 * np.log10(share) < -15.0


def test_the_room_says_where_radio_and_transmitter_stand_if_the_user_does_not(toys: list[ToySource]) -> None:
    room = ROOMS["lab"]
    with opened(f"{FAST}&scene=lab-walk") as device:
        sensor = device.configure()
        assert isinstance(sensor, OfdmSensor)
        assert device.pose == room.receiver
        assert sensor.tx_position_m == room.transmitter_in(room.receiver)
        sensor = device.configure(device.profile_text + "\n[transmitter]\nx_m = -1.0\ny_m = 2.0\n")
        assert isinstance(sensor, OfdmSensor)
        assert sensor.tx_position_m == (-1.0, 2.0), "what the user believes"
    with opened(f"{FAST}&scene=lab-walk&pose=0.5,0.5,10") as device:
        sensor = device.configure()
        assert isinstance(sensor, OfdmSensor)
        pose = Pose(x_m=0.5, y_m=0.5, yaw_rad=math.radians(10.0))
        assert (device.pose, sensor.tx_position_m) == (pose, room.transmitter_in(pose))


def test_a_scene_without_a_room_takes_the_transmitter_of_the_profile() -> None:
    with opened(f"{FAST}&scene=crossing") as device:
        sensor = device.configure()
        assert isinstance(sensor, OfdmSensor)
        assert sensor.tx_position_m == DEFAULT_TX_M
        device.configure(default_profile() + "\n[transmitter]\nx_m = -3.0\ny_m = 3.0\n")
        device.start()
        assert device.read(10.0) is not None
        source = device.firmware.runs[0].source
        assert isinstance(source, RadioSource)
        assert source.channel.tx_m.tolist() == [-3.0, 3.0]


def test_a_run_is_paced_by_the_wall_clock_unless_it_is_asked_not_to_be(toys: list[ToySource]) -> None:
    with opened("sim://bistatic?stagger=0&speed=2") as device:
        device.configure()
        began_s = time.monotonic()
        device.start()
        read_until(device, 199)
        assert 0.4 <= time.monotonic() - began_s < 3.0


# --- faults of packets -----------------------------------------------------------------------------------------------


@LINKS
@pytest.mark.parametrize("capture", ["csi", pytest.param("iq", marks=pytest.mark.slow)])
def test_masks_are_those_of_what_was_lost(link: str, capture: str, toys: list[ToySource]) -> None:
    last = 299 if capture == "csi" else 15
    with opened(f"{FAST}&link={link}&capture={capture}&loss=0.1&burst=3&dup=0.05&seed=1002") as device:
        device.configure()
        device.start()
        frames = {frame.counter: frame for frame in read_until(device, last)}
        device.stop()
        account, toy, stats = device.accounts[0], toys[0], device.stats
        words = toy.sensor.frame_words
        assert {block for block, *_ in account.lost_fragments}
        assert account.lost_packets + account.arrived_packets == account.packets + account.doubled_packets
        for block in range(last):
            valid = account.valid_of(block, toy.sensor)
            if block in frames:
                frame = frames[block]
                assert np.array_equal(frame.valid, valid)
                assert np.array_equal(frame.samples, np.where(np.repeat(valid, 4)[:words], toy.words(block), 0))
                assert (BlockFlag.LOST_FRAGMENT in flags_of(frame)) == (not valid.all())
            else:
                assert not valid.any()
        assert stats.duplicate_packets + stats.late_packets > 0


# --- faults at set times ---------------------------------------------------------------------------------------------


@LINKS
def test_an_overflow_leaves_out_its_blocks_and_flags_the_next(link: str, toys: list[ToySource]) -> None:
    with opened(f"{FAST}&link={link}&fault=overflow@202ms%2B100ms") as device:
        device.configure()
        device.start()
        frames = read_until(device, 120)
        assert [frame.counter for frame in frames] == [*range(51), *range(76, 121)]
        assert flagged(frames, BlockFlag.OVERFLOW) == flagged(frames, BlockFlag.DISCONTINUITY) == [76]
        assert [frame.counter for frame in frames if not frame.usable] == [76]
        assert all(np.array_equal(frame.samples, toys[0].words(frame.counter)) for frame in frames)
        stats = device.stats
        assert (stats.missing_frames, stats.incomplete_frames, stats.card_overflows) == (25, 0, 0)
        assert stats.lost_bytes == 25 * toys[0].sensor.frame_bytes
        assert device.accounts[0].dropped_blocks == list(range(51, 76))
        told = texts(device, EventKind.RADIO)
        assert "overflow: 25 blocks were dropped before block 76" in told
        assert "blocks 51 to 75 were left out by the radio" in told


@LINKS
@pytest.mark.parametrize(
    ("kind", "flag"),
    [("lo-unlock", BlockFlag.LO_UNLOCKED), ("ref-unlock", BlockFlag.REFERENCE_UNLOCKED)],
)
def test_blocks_without_lock_are_flagged(link: str, kind: str, flag: BlockFlag, toys: list[ToySource]) -> None:
    with opened(f"{FAST}&link={link}&fault={kind}@102ms%2B49ms") as device:
        device.configure()
        device.start()
        frames = read_until(device, 80)
        assert [frame.counter for frame in frames] == list(range(81))
        assert flagged(frames, flag) == list(range(26, 38))
        assert all(flags_of(frame) in (NO_FLAGS, flag) for frame in frames)
        lo = flag is BlockFlag.LO_UNLOCKED
        assert [frame.counter for frame in frames if not frame.usable] == (list(range(26, 38)) if lo else [])
        assert toys[0].unlocked == (list(range(26, 38)) if lo else [])
        assert len(texts(device, EventKind.RADIO)) == 2, "lost, and found again"


@pytest.mark.parametrize("kind", ["lo-unlock", "ref-unlock", "silent-lo"])
def test_what_the_lo_box_tells_or_does_not_tell_is_an_event(
    kind: str, toys: list[ToySource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LO_PERIOD_S", 0.03)
    with opened(f"sim://bistatic?stagger=0&fault={kind}@60ms%2B250ms") as device:
        device.configure()
        device.start()
        if kind == "silent-lo":  # else a busy computer's answers would count as none
            device._driver._lo._answer_s = 0.06  # type: ignore[union-attr]
        frames = read_until(device, 120)
        told = texts(device, EventKind.OSCILLATOR)
        assert len(frames) == 121
        assert len(told) == 2
        before, after = {
            "lo-unlock": ("LO not locked", "LO locked"),
            "ref-unlock": ("reference not locked", "reference locked"),
            "silent-lo": ("is not known", "answers again"),
        }[kind]
        assert before in told[0]
        assert after in told[1]


def test_a_box_that_is_silent_or_too_slow_before_the_start_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lo_box_module, "SLOW_LO_S", 0.3)
    for kind in ("silent-lo", "slow-lo"):
        with opened(f"{FAST}&fault={kind}") as device:
            device._driver._lo._answer_s = 0.15  # type: ignore[union-attr]
            with pytest.raises(DeviceTimeoutError, match="LO box on 127") as silent:
                device.configure()
            assert silent.value.hint
            assert device.state is DeviceState.OPEN


def test_a_slow_box_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lo_box_module, "SLOW_LO_S", 0.1)
    with opened(f"{FAST}&fault=slow-lo") as device:
        began_s = time.monotonic()
        device.configure()
        assert time.monotonic() - began_s >= 0.5, "five questions"
        assert device.lo_box.frequency_hz == 22_000_000_000


@LINKS
def test_a_silent_radio_is_a_timeout_that_says_so(link: str, toys: list[ToySource], impatient: None) -> None:
    with opened(f"{FAST}&link={link}&fault=silent@202ms") as device:
        device.configure()
        device.start()
        frames = read_until(device, 50)
        assert [frame.counter for frame in frames] == list(range(51))
        with pytest.raises(DeviceTimeoutError, match=r"no frame for 0\.3 s") as silent:
            device.read()
        assert silent.value.hint
        device.stop()
        assert any("could not be stopped" in text for text in texts(device, EventKind.RADIO))


@pytest.mark.parametrize(("link", "kind"), [("usb", "silent"), ("udp", "silent"), ("udp", "link-down")])
def test_what_is_lost_while_nothing_comes_through_is_missing(link: str, kind: str, toys: list[ToySource]) -> None:
    with opened(f"{FAST}&link={link}&fault={kind}@202ms%2B100ms") as device:
        device.configure()
        device.start()
        frames = read_until(device, 120)
        assert [frame.counter for frame in frames] == [*range(51), *range(76, 121)]
        assert flagged(frames, BlockFlag.DISCONTINUITY) == [76]
        assert flagged(frames, BlockFlag.OVERFLOW) == []
        account = device.accounts[0]
        assert sorted({block for block, *_ in account.lost_fragments}) == list(range(51, 76))
        assert account.dropped_blocks == []
        assert device.stats.missing_frames == 25
        assert "blocks 51 to 75 were lost on the way" in texts(device, EventKind.LINK)


def test_a_link_that_stays_down_is_a_timeout(toys: list[ToySource], impatient: None) -> None:
    with opened(f"{FAST}&link=udp&fault=link-down@202ms") as device:
        device.configure()
        device.start()
        assert len(read_until(device, 50)) == 51
        with pytest.raises(DeviceTimeoutError) as down:
            device.read()
        assert down.value.hint


@pytest.mark.parametrize("speed", ["max", "4"])
def test_a_radio_that_is_unplugged_while_it_is_read_is_an_error_that_says_so(speed: str, toys: list[ToySource]) -> None:
    with opened(f"sim://bistatic?stagger=0&speed={speed}&fault=unplug@202ms") as device:
        device.configure()
        device.start()
        frames: list[Frame] = []
        with pytest.raises(DeviceError, match="unplugged") as gone:
            frames.extend(device.frames())  # ends by an error, after all that came before
        assert gone.value.hint
        device.stop()
        with pytest.raises(DeviceError):
            device.configure()
    with opened(f"sim://bistatic?stagger=0&speed={speed}&fault=unplug@202ms") as device:
        device.configure()
        device.start()
        assert [frame.counter for frame in islice(device.frames(), 51)] == list(range(51))
        with pytest.raises(DeviceError, match="unplugged"):
            device.read()


def test_a_radio_that_is_not_plugged_in_is_not_found() -> None:
    with pytest.raises(DeviceError, match="no bistatic radio") as missing:
        open_device(f"{FAST}&fault=unplug")
    assert missing.value.hint


@pytest.mark.parametrize(
    ("link", "fault", "rejected"),
    [("usb", "202ms", 1), ("usb", "202ms%2B20ms", 5), ("udp", "202ms", 3), ("udp", "202ms%2B20ms", 15)],
)
def test_what_is_no_packet_of_this_radio_changes_nothing(
    link: str, fault: str, rejected: int, toys: list[ToySource]
) -> None:
    with opened(f"{FAST}&link={link}&fault=garbage@{fault}") as device:
        device.configure()
        device.start()
        frames = read_until(device, 100)
        assert [frame.counter for frame in frames] == list(range(101))
        assert all(np.array_equal(frame.samples, toys[0].words(frame.counter)) for frame in frames)
        assert {flags_of(frame) for frame in frames} == {NO_FLAGS}
        assert device.stats.rejected_packets == rejected


def test_faults_of_the_signal_are_the_sources() -> None:
    quiet = "sim://bistatic?speed=max&stagger=0&impairments=none&snr=60&scene=lab-empty"
    with opened(f"{quiet}&fault=gain-step@202ms%2B100ms,gain-error@402ms%2B100ms,shadow@602ms%2B300ms") as device:
        sensor = device.configure()
        assert isinstance(sensor, OfdmSensor)
        device.start()
        frames = read_until(device, 250)
        gain = np.array([frame.block.gain_db for frame in frames if frame.block is not None])
        stepped = np.zeros(251, bool)
        stepped[51:76] = True
        assert np.array_equal(gain - gain[0], np.where(stepped, -6.0, 0.0))
        assert flagged(frames, BlockFlag.GAIN_CHANGED) == [51, 76]
        level_db = 10.0 * np.log10([np.mean(np.abs(sensor.decode(frame)) ** 2) for frame in frames]) - gain
        change_db = level_db - level_db[0]
        assert np.abs(change_db[51:76]).max() < 0.05, "the radio says what it does to the gain"
        assert np.abs(change_db[101:126] - 3.0).max() < 0.05, "and here it does not"
        assert change_db[175:200].max() < -2.0
        rest = np.ones(251, bool)
        rest[101:126] = rest[150:227] = False
        assert np.abs(change_db[rest]).max() < 0.05


def test_faults_go_by_the_clock_of_the_device_and_not_of_the_run(toys: list[ToySource]) -> None:
    with opened(f"{FAST}&fault=shadow@1s%2B500ms,gain-step@1000s") as device:
        device.configure()
        for _ in range(2):
            device.start()
            read_until(device, 50)
            device.stop()
        first, second = device.firmware.runs
        assert (first.origin_s, toys[0].plan[0].start_s) == (0.0, 1.0)
        assert second.origin_s > 0.2
        assert toys[1].plan[-1].start_s == 1000.0 - second.origin_s


# --- threads and other devices ---------------------------------------------------------------------------------------


@LINKS
def test_another_thread_may_stop_a_device_that_is_read(link: str, toys: list[ToySource]) -> None:
    with opened(f"sim://bistatic?link={link}&speed=0.001") as device:  # a block every 4 s
        device.configure()
        device.start()
        stopper = threading.Timer(0.2, device.stop)
        stopper.start()
        began_s = time.monotonic()
        assert list(device.frames()) == []
        assert time.monotonic() - began_s < 3.0
        stopper.join()
        assert device.state is DeviceState.CONFIGURED
        assert not device.firmware.streaming


def test_devices_do_not_disturb_each_other(toys: list[ToySource]) -> None:
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(opened(f"{FAST}&link={link}")) for link in ("usb", "usb", "udp", "udp")]
        for device in devices:
            device.configure()
        for device in devices:
            device.start()
        for device, toy in zip(devices, toys, strict=True):
            frames = read_until(device, 200)
            assert [frame.counter for frame in frames] == list(range(201))
            assert all(np.array_equal(frame.samples, toy.words(frame.counter)) for frame in frames)


@LINKS
def test_nothing_is_left_behind(link: str, toys: list[ToySource]) -> None:
    def used() -> tuple[set[str], int]:
        gc.collect()
        folder = Path("/proc/self/fd")
        threads = {thread.name for thread in threading.enumerate()}
        return threads, len(list(folder.iterdir())) if folder.is_dir() else 0

    before = used()
    for ending in ("close", "error", "unstarted"):
        device = opened(f"{FAST}&link={link}")
        with contextlib.suppress(ConfigError):
            device.configure("nonsense" if ending == "error" else None)
        if ending == "close":
            device.start()
            read_until(device, 10)
        device.close()
    assert used() == before


# --- the clock of a room ---------------------------------------------------------------------------------------------


@pytest.fixture
def room_time_s(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Let the room's clock show, one after the other, these times."""
    times: list[float] = []
    monkeypatch.setattr(RoomClock, "offset_s", lambda _self, _speed=1.0: times.pop(0))
    yield times
    assert times == []


def test_devices_on_the_clock_of_a_room_see_it_at_one_time(room_time_s: list[float]) -> None:
    room_time_s += [0.0, 1.25]
    room = make_scene("lab-crossing", 1003)
    url = "sim://bistatic?speed=max&seed=1003&clock=room"
    with opened(url) as early, opened(f"{url}&link=udp&pose=1,0.5,0") as late:
        for device, offset_s in ((early, 0.0), (late, 1.25)):
            device.configure()
            device.start()
            (frame,) = islice(device.frames(), 1)
            truth = device.truth(frame)
            assert truth is not None
            expected = room.truth(offset_s + truth.time_s)
            assert truth.target_id.tolist() == expected.target_id.tolist()
            np.testing.assert_allclose(device.pose.to_room(truth.position_m), expected.position_m, atol=1e-9)


def test_a_device_on_its_own_clock_begins_anew_with_each_start(toys: list[ToySource]) -> None:
    with opened(FAST) as device:
        device.configure()
        for _ in range(2):
            device.start()
            device.stop()
        assert [toy.start_s for toy in toys] == [0.0, 0.0]


@LINKS
def test_a_source_that_refuses_is_a_start_that_is_refused(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> ToySource:
        raise ConfigError("nothing to see here", "look elsewhere")

    monkeypatch.setattr(SimulatedBistatic, "_make_source", refuse)
    with opened(f"{FAST}&link={link}") as device:
        device.configure()
        with pytest.raises(DeviceError, match="nothing to see here") as refused:
            device.start()
        assert refused.value.hint == "look elsewhere"
        assert device.state is DeviceState.CONFIGURED
        assert not device.firmware.streaming


def test_no_fault_is_without_a_test() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in FaultKind if f"{kind}@" not in tested and f'"{kind}"' not in tested] == []
