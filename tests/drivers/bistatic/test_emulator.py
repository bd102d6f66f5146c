"""The emulated radio at the wire: what a host sees that speaks its packets, without the driver as a device."""

import contextlib
import errno
import json
import math
import socket
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
import usb.core
import usb.util
from numpy.typing import NDArray

from isactrack import ConfigError, DeviceError, Frame
from isactrack.drivers.bistatic.assembler import BlockAssembler
from isactrack.drivers.bistatic.control import (
    USB_COMMAND_ENDPOINT,
    USB_DATA_ENDPOINT,
    USB_PRODUCT_ID,
    USB_VENDOR_ID,
    Command,
    ControlError,
    Settings,
    encode_command,
    parse_reply,
    sensor_of,
)
from isactrack.drivers.bistatic.conversation import Conversation
from isactrack.drivers.bistatic.framing import Packet, PacketKind, decode
from isactrack.drivers.bistatic.udp_link import UdpLink, open_udp
from isactrack.drivers.bistatic.usb_link import UsbLink, open_usb
from isactrack.drivers.simulated.bistatic import pace as pace_module
from isactrack.drivers.simulated.bistatic import udp_server
from isactrack.drivers.simulated.bistatic.faults import (
    RULES,
    SIGNAL_FAULTS,
    FaultKind,
    RadioAccount,
    RadioFaults,
    describe_faults,
    parse_faults,
    signal_faults,
)
from isactrack.drivers.simulated.bistatic.firmware import (
    FIRMWARE,
    MODEL,
    RATE_HZ,
    SERIAL_NUMBER,
    BlockSource,
    RadioFirmware,
)
from isactrack.drivers.simulated.bistatic.lo_box import SimulatedLoBox
from isactrack.drivers.simulated.bistatic.pace import HostPace
from isactrack.drivers.simulated.bistatic.udp_server import UdpRadio
from isactrack.drivers.simulated.bistatic.usb_backend import ByteFifo, SimulatedUsbBackend, UsbRadio
from isactrack.drivers.simulated.fault_plan import Fault
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.frame import NO_FLAGS, BlockFlag, BlockInfo
from isactrack.ofdm import ArrayModel, Capture, OfdmSensor
from isactrack.truth import Truth

NOBODY = Truth(0.0, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))


class ToySource:
    """Random words, and numbers that differ from block to block."""

    def __init__(self, sensor: OfdmSensor, settings: Settings) -> None:
        self._words = sensor.frame_words
        self._settings = settings
        self.asked: list[tuple[int, bool]] = []

    def make(self, counter: int, *, lo_locked: bool = True) -> tuple[NDArray[np.int16], BlockInfo]:
        self.asked.append((counter, lo_locked))
        return self.words(counter), self.info(counter)

    def words(self, counter: int) -> NDArray[np.int16]:
        return np.random.default_rng(counter).integers(-32768, 32768, self._words).astype(np.int16)

    def info(self, counter: int) -> BlockInfo:
        return BlockInfo(
            tick=self._settings.tick_of(counter) + 4 * (counter // 3),
            gain_db=30.25,
            noise_power=0.5 + counter,
            cfo_hz=-128.0 * counter,
            timing_samples=4.0 * (counter // 3),
            clipped=counter % 2,
            temperature_c=31.25,
        )

    def truth(self, counter: int) -> Truth:
        return replace(NOBODY, time_s=float(counter))


class Bench:
    """A radio, a way to it, and a host at the other end."""

    def __init__(
        self, way: str, *, faults: RadioFaults | None = None, fault: str = "", speed: float = math.inf
    ) -> None:
        self.sources: list[ToySource] = []
        self.firmware = RadioFirmware(self._make_source, speed=speed, faults=faults, plan=parse_faults(fault))
        self.radio: UsbRadio | UdpRadio
        self.link: UsbLink | UdpLink
        if way == "usb":
            self.radio = UsbRadio(self.firmware)
            self.link = open_usb(backend=SimulatedUsbBackend(self.radio))
        else:
            self.radio = UdpRadio(self.firmware)
            self.link = open_udp(*self.radio.address)
        self.radio_talk = Conversation(self.link)
        self.settings = Settings()
        self.events: list[str] = []

    def _make_source(self, sensor: OfdmSensor, start_s: float, plan: tuple[Fault, ...]) -> BlockSource:
        self.sources.append(ToySource(sensor, self.settings))
        return self.sources[-1]

    def start(self, settings: Settings | None = None) -> BlockAssembler:
        self.settings = self.radio_talk.configure(settings or Settings()).settings
        self.firmware.pace.follow()
        self.radio_talk.start()
        return BlockAssembler(self.settings, lambda _kind, text: self.events.append(text))

    def read(self, assembler: BlockAssembler, blocks: int, within_s: float = 20.0) -> list[Frame]:
        """Read frames until one of the counter `blocks - 1` or later has come."""
        frames: list[Frame] = []
        deadline = time.monotonic() + within_s
        while (not frames or frames[-1].counter < blocks - 1) and time.monotonic() < deadline:
            self.firmware.pace.reads()
            for packet in self.link.receive(0.2):
                for frame in assembler.push(packet, time.monotonic_ns(), 0):
                    frames.append(frame)
                    self.firmware.pace.took(frame.counter)
        assert frames and frames[-1].counter >= blocks - 1, f"{len(frames)} frames came"
        return [frame for frame in frames if frame.counter < blocks]

    def close(self) -> None:
        self.link.close()
        self.radio.close()


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench() -> Iterator[MakeBench]:
    with contextlib.ExitStack() as opened:

        def make(*args: object, **options: object) -> Bench:
            made = Bench(*args, **options)  # type: ignore[arg-type]
            opened.callback(made.close)
            return made

        yield make


WAYS = pytest.mark.parametrize("way", ["usb", "udp"])
IQ = Settings(capture=Capture.IQ, rows=3)


# --- what goes over the wire -----------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize(("settings", "blocks"), [(Settings(), 300), (Settings(tones=75, rows=5), 40), (IQ, 12)])
def test_what_the_source_made_arrives_bit_by_bit(way: str, settings: Settings, blocks: int, bench: MakeBench) -> None:
    desk = bench(way)
    frames = desk.read(desk.start(settings), blocks)
    assert [frame.counter for frame in frames] == list(range(blocks))
    source = desk.sources[0]
    for frame in frames:
        assert frame.valid.all()
        assert np.array_equal(frame.samples, source.words(frame.counter))
        clipped = BlockFlag.SATURATED if frame.counter % 2 else NO_FLAGS
        assert frame.block == replace(source.info(frame.counter), flags=clipped)
    assert all(locked for _, locked in source.asked)
    assert [counter for counter, _ in source.asked] == list(range(len(source.asked)))
    assert desk.events == []


@WAYS
def test_a_radio_says_what_it_is_and_how_it_is(way: str, bench: MakeBench) -> None:
    desk = bench(way)
    identity = desk.radio_talk.identify()
    assert (identity.model, identity.serial_number, identity.firmware) == (MODEL, SERIAL_NUMBER, FIRMWARE)
    assert not desk.radio_talk.status().streaming
    assembler = desk.start(Settings(gain_db=20.3))
    assert desk.settings.gain_db == 20.5, "the gain comes in steps"
    desk.read(assembler, 4)
    status = desk.radio_talk.status()
    assert (status.streaming, status.lo_locked, status.gain_db, status.overflows) == (True, True, 30.25, 0)
    assert status.blocks >= 4
    desk.radio_talk.stop()
    assert not desk.radio_talk.status().streaming


@WAYS
def test_each_run_begins_with_block_0(way: str, bench: MakeBench) -> None:
    desk = bench(way)
    for _ in range(3):
        frames = desk.read(desk.start(), 70)
        desk.radio_talk.stop()
        desk.link.discard()
        assert [frame.counter for frame in frames] == list(range(70))
    assert len(desk.sources) == len(desk.firmware.runs) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subcarrier_spacing_hz": 240e3}, "sample rate"),
        ({"carrier_hz": 40e9}, "carrier"),
        ({"rows": 9}, "9 rows"),
        ({"tx_streams": 2}, "2 streams"),
        ({"array": ArrayModel.SWITCHED}, "switched"),
        ({"gain_db": 61.0}, "61 dB"),
        ({"tone_first": -1100}, "exceed an FFT"),
    ],
)
def test_settings_that_the_radio_cannot_run_are_refused(
    change: dict[str, object], message: str, bench: MakeBench
) -> None:
    desk = bench("usb")
    with pytest.raises(ControlError, match=message) as refused:
        desk.radio_talk.configure(replace(Settings(), **change))  # type: ignore[arg-type]
    assert refused.value.hint
    with pytest.raises(ControlError, match="not configured"):
        desk.radio_talk.start()


def test_commands_out_of_order_are_refused(bench: MakeBench) -> None:
    desk = bench("usb")
    with pytest.raises(ControlError, match="not configured"):
        desk.radio_talk.start()
    desk.radio_talk.stop()  # in order at any time
    desk.start()
    for ask in (desk.radio_talk.start, lambda: desk.radio_talk.configure(Settings())):
        with pytest.raises(ControlError, match="while the radio streams"):
            ask()
    with pytest.raises(ControlError, match="chooses its gain"):
        desk.radio_talk.set_gain(10.0)
    desk.radio_talk.keep_alive()


def test_a_command_that_is_repeated_is_answered_again_and_not_done_again(bench: MakeBench) -> None:
    desk = bench("usb")
    desk.radio_talk.configure(Settings())
    answers: list[bytes] = []
    start = Packet(kind=PacketKind.COMMAND, sequence=77, payload=encode_command(Command.START)).encode()
    assert desk.firmware.receive(start, answers.append, peer="one") is Command.START
    assert desk.firmware.receive(start, answers.append, peer="one") is None
    assert answers[0] == answers[1]
    assert len(desk.firmware.runs) == 1
    assert desk.firmware.receive(start, answers.append, peer="another") is None, "it streams already"
    with pytest.raises(ControlError, match="while the radio streams"):
        parse_reply(Command.START, decode(answers[2]).payload)


def test_what_is_no_command_is_passed_over_or_refused(bench: MakeBench) -> None:
    desk = bench("usb")
    answers: list[bytes] = []
    for nonsense in (b"", b"ISAB", bytes(200), Packet(kind=PacketKind.REPLY, payload=b"{}").encode()):
        assert desk.firmware.receive(nonsense, answers.append) is None
    assert answers == []
    for payload in (b"\xff", b"[]", b'{"command":"dance"}', b'{"command":"start","now":1}', b'{"command":"set_gain"}'):
        desk.firmware.receive(Packet(kind=PacketKind.COMMAND, payload=payload).encode(), answers.append)
    replies = [json.loads(decode(answer).payload) for answer in answers]
    assert [reply["ok"] for reply in replies] == [False] * 5
    assert all(reply["error"] for reply in replies)


def test_packets_say_where_in_the_stream_they_belong(bench: MakeBench) -> None:
    desk = bench("udp")
    desk.start(IQ)
    packets: list[Packet] = []
    while len(packets) < 80:
        packets += [decode(data) for data in desk.link.receive(1.0)]
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    first = [packet for packet in packets if packet.block == 0]
    assert [packet.fragment for packet in first] == list(range(first[0].fragments))
    covered = np.zeros((3, 5376), int)
    for packet in first:
        rows = slice(packet.row_first, packet.row_first + packet.row_count)
        covered[rows, packet.sample_first : packet.sample_first + packet.sample_count] += 1
    assert (covered == 1).all()
    assert {(packet.rate_num, packet.rate_den) for packet in packets} == {(RATE_HZ, 1)}


# --- USB -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def usb_radio() -> Iterator[UsbRadio]:
    radio = UsbRadio(RadioFirmware(lambda sensor, _start_s, _plan: ToySource(sensor, Settings()), speed=math.inf))
    yield radio
    radio.close()


def test_the_radio_is_found_on_the_bus_like_any_other_device(usb_radio: UsbRadio) -> None:
    bus = SimulatedUsbBackend(usb_radio)
    device = usb.core.find(idVendor=USB_VENDOR_ID, idProduct=USB_PRODUCT_ID, backend=bus)
    assert (device.manufacturer, device.product, device.serial_number) == ("isactrack", MODEL, SERIAL_NUMBER)
    assert usb.core.find(idVendor=USB_VENDOR_ID, idProduct=0xFFFF, backend=bus) is None
    endpoints = [endpoint for config in device for interface in config for endpoint in interface]
    assert sorted(endpoint.bEndpointAddress for endpoint in endpoints) == [0x01, 0x81, 0x82]
    assert {usb.util.endpoint_type(endpoint.bmAttributes) for endpoint in endpoints} == {usb.util.ENDPOINT_TYPE_BULK}
    assert device.parent is None
    usb.util.dispose_resources(device)


def test_transfers_that_no_radio_has_fail_as_they_do_on_a_bus(usb_radio: UsbRadio) -> None:
    bus = SimulatedUsbBackend(usb_radio)
    handle = bus.open_device(usb_radio)
    assert bus.get_configuration(handle) == 1
    assert not bus.is_kernel_driver_active(handle, 0)
    failing: list[tuple[Callable[[], object], int]] = [
        (lambda: bus.set_configuration(handle, 2), errno.EINVAL),
        (lambda: bus.bulk_read(handle, USB_COMMAND_ENDPOINT, 0, array("B", bytes(8)), 10), errno.EPIPE),
        (lambda: bus.bulk_write(handle, USB_DATA_ENDPOINT, 0, array("B", bytes(8)), 10), errno.EPIPE),
        (lambda: bus.ctrl_transfer(handle, 0x40, 1, 0, 0, array("B", bytes(8)), 10), errno.EPIPE),
        (lambda: bus.ctrl_transfer(handle, 0x80, 6, 0x0309, 0, array("B", bytes(8)), 10), errno.EPIPE),
        (lambda: bus.intr_read(handle, 0x81, 0, array("B", bytes(8)), 10), errno.EPIPE),
        (lambda: bus.detach_kernel_driver(handle, 0), errno.ENOENT),
    ]
    for call, number in failing:
        with pytest.raises(usb.core.USBError) as failed:
            call()
        assert failed.value.errno == number
    with pytest.raises(IndexError):
        bus.get_configuration_descriptor(usb_radio, 1)
    with pytest.raises(IndexError):
        bus.get_endpoint_descriptor(usb_radio, 3, 0, 0, 0)
    began_s = time.monotonic()
    with pytest.raises(usb.core.USBTimeoutError):
        bus.bulk_read(handle, USB_DATA_ENDPOINT, 0, array("B", bytes(8)), 30)
    assert 0.02 < time.monotonic() - began_s < 1.0
    bus.close_device(handle)
    with pytest.raises(usb.core.USBError) as failed:
        bus.bulk_read(handle, USB_DATA_ENDPOINT, 0, array("B", bytes(8)), 30)
    assert failed.value.errno == errno.ENODEV


def test_one_program_at_a_time_has_the_radio(usb_radio: UsbRadio) -> None:
    bus = SimulatedUsbBackend(usb_radio)
    link = open_usb(backend=bus)
    with pytest.raises(DeviceError, match="taken"):
        open_usb(backend=bus)
    link.close()
    open_usb(SERIAL_NUMBER, backend=bus).close()


def test_an_unplugged_radio_is_not_on_the_bus_and_its_handle_is_gone_for_good() -> None:
    firmware = RadioFirmware(
        lambda sensor, _start_s, _plan: ToySource(sensor, Settings()), plan=[Fault(FaultKind.UNPLUG, duration_s=0.05)]
    )
    radio = UsbRadio(firmware)
    bus = SimulatedUsbBackend(radio)
    assert usb.core.find(backend=bus) is None
    assert not firmware.reachable
    with pytest.raises(usb.core.USBError) as failed:
        bus.open_device(radio)
    assert failed.value.errno == errno.ENODEV
    firmware._clock.begin()  # the fault is over by the radio's clock, which goes on from here
    firmware._clock.reach(0.1, 0.1)
    handle = bus.open_device(radio)
    firmware._plan._faults = (Fault(FaultKind.UNPLUG, 0.1, 0.1),)
    with pytest.raises(usb.core.USBError):
        bus.get_configuration(handle)
    firmware._clock.reach(0.3, 0.3)
    with pytest.raises(usb.core.USBError):
        bus.get_configuration(handle)
    assert bus.get_configuration(bus.open_device(radio)) == 1


def test_what_was_sent_before_a_cable_is_pulled_can_still_be_read(bench: MakeBench) -> None:
    desk = bench("usb", fault="unplug@10ms")
    assembler = desk.start()
    time.sleep(0.05)
    assert not desk.firmware.has(FaultKind.UNPLUG)
    assert [frame.counter for frame in desk.read(assembler, 3)] == [0, 1, 2]
    with pytest.raises(DeviceError, match="unplugged"):
        for _ in range(100):
            desk.link.receive(0.02)


def test_a_radio_that_nobody_reads_drops_blocks_and_says_so() -> None:
    firmware = RadioFirmware(lambda sensor, _start_s, _plan: ToySource(sensor, Settings()), speed=20.0)
    radio = UsbRadio(firmware, fifo_bytes=40_000)
    link = open_usb(backend=SimulatedUsbBackend(radio))
    talk, events = Conversation(link), list[str]()
    settings = talk.configure(Settings()).settings
    talk.start()
    account = firmware.runs[0].account
    deadline = time.monotonic() + 5.0
    while len(account.dropped_blocks) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assembler = BlockAssembler(settings, lambda _kind, text: events.append(text))
    frames: list[Frame] = []
    while not frames or frames[-1].counter <= account.dropped_blocks[-1]:
        for packet in link.receive(1.0):
            frames += assembler.push(packet, time.monotonic_ns(), 0)
    talk.stop()
    link.close()
    radio.close()
    counters = [frame.counter for frame in frames]
    dropped = {block for block in account.dropped_blocks if block < counters[-1]}
    assert 14 <= account.dropped_blocks[0] <= 16, "40 kB hold 14 blocks of 2.4 kB and their headers"
    assert counters == [block for block in range(counters[-1] + 1) if block not in dropped]
    flagged = [frame.counter for frame in frames if frame.block is not None and frame.block.flags & BlockFlag.OVERFLOW]
    assert flagged == [block for block in account.flagged_overflow if block <= counters[-1]]
    assert flagged == [after for before, after in pairwise(counters) if after != before + 1]
    assert assembler.stats.missing_frames == len(dropped)
    assert any("left out by the radio" in text for text in events)
    assert not any("lost on the way" in text for text in events)
    first, gap = flagged[0], flagged[0] - counters[counters.index(flagged[0]) - 1] - 1
    assert f"overflow: {gap} blocks were dropped before block {first}" in events


def test_a_fifo_gives_its_bytes_in_order_whatever_the_reads() -> None:
    fifo, rng = ByteFifo(1000), np.random.default_rng(1000)
    put, taken = bytearray(), bytearray()
    for _ in range(300):
        chunk = rng.bytes(int(rng.integers(0, 40)))
        if fifo.has_room(len(chunk)):
            fifo.put([chunk])
            put += chunk
        buffer = bytearray(int(rng.integers(1, 50)))
        got = fifo.take(memoryview(buffer), 0.0)
        taken += buffer[:got]
    while got := fifo.take(memoryview(buffer), 0.0):
        taken += buffer[:got]
    assert taken == put
    assert fifo.empty
    assert not fifo.has_room(1001)


# --- UDP -------------------------------------------------------------------------------------------------------------


def test_a_radio_on_udp_stops_for_a_host_that_says_nothing(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_server, "SILENCE_S", 0.3)
    desk = bench("udp", speed=1.0)
    desk.start()
    for _ in range(4):
        time.sleep(0.15)
        desk.radio_talk.keep_alive()
        assert desk.firmware.streaming
    deadline = time.monotonic() + 3.0
    while desk.firmware.streaming and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not desk.firmware.streaming


def test_blocks_go_to_the_port_that_start_came_from(bench: MakeBench) -> None:
    desk = bench("udp")
    with contextlib.closing(open_udp(*desk.radio.address)) as stranger:  # type: ignore[union-attr]
        assembler = desk.start()
        Conversation(stranger).status()
        desk.read(assembler, 50)
        assert stranger.receive(0.05) == []


# --- faults of packets -----------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("settings", [Settings(), IQ])
@pytest.mark.parametrize("burst", [1, 5])
def test_masks_are_those_of_what_was_lost_byte_by_byte(
    way: str, settings: Settings, burst: int, bench: MakeBench
) -> None:
    blocks = 250 if settings.capture is Capture.CSI else 30
    desk = bench(way, faults=RadioFaults(seed=1001, loss=0.15, burst=burst))
    assembler = desk.start(settings)
    frames = {frame.counter: frame for frame in desk.read(assembler, blocks)}
    desk.radio_talk.stop()
    run, source = desk.firmware.runs[0], desk.sources[0]
    lost = {block for block, *_ in run.account.lost_fragments}
    assert len(lost) > 3
    for block in range(max(frames) + 1):
        valid = run.account.valid_of(block, run.sensor)
        if block not in frames:
            assert not valid.any(), f"block {block} is missing although something of it was sent"
            continue
        assert np.array_equal(frames[block].valid, valid)
        words = np.where(np.repeat(valid, 4)[: run.sensor.frame_words], source.words(block), 0)
        assert np.array_equal(frames[block].samples, words)
        info = frames[block].block
        assert info is not None
        assert bool(info.flags & BlockFlag.LOST_FRAGMENT) == (not valid.all())


@WAYS
def test_packets_that_come_twice_or_out_of_turn_change_nothing(way: str, bench: MakeBench) -> None:
    desk = bench(way, faults=RadioFaults(seed=1002, dup=0.2, reorder=0.2))
    assembler = desk.start()
    frames = desk.read(assembler, 300)
    assert [frame.counter for frame in frames] == list(range(300))
    assert all(np.array_equal(frame.samples, desk.sources[0].words(frame.counter)) for frame in frames)
    assert assembler.stats.duplicate_packets + assembler.stats.late_packets > 20
    assert assembler.stats.reordered_packets > 20
    assert not any(frame.block is not None and frame.block.flags & BlockFlag.LOST_FRAGMENT for frame in frames)


def test_the_same_seed_loses_the_same_fragments(bench: MakeBench) -> None:
    lost = []
    for seed in (1003, 1003, 1004):
        desk = bench("usb", faults=RadioFaults(seed=seed, loss=0.1))
        desk.read(desk.start(), 200)
        desk.radio_talk.stop()
        lost.append([fragment for fragment in desk.firmware.runs[0].account.lost_fragments if fragment[0] < 200])
    assert lost[0] == lost[1] != lost[2]


def test_an_account_of_lost_fragments_marks_the_groups_that_they_touch() -> None:
    sensor = sensor_of("radio", RadioFirmware(lambda *_: None)._configure(Settings(rows=3, tones=75)))  # type: ignore[arg-type]
    account = RadioAccount(lost_fragments=[(4, 1, 2, 0, 75), (5, 0, 1, 3, 2), (6, 2, 1, 74, 1)])
    assert account.valid_of(3, sensor).all()
    word_valid = np.ones((3, 75, 2), bool)
    word_valid[1:] = False
    flat = np.append(word_valid.reshape(-1), [True] * (-word_valid.size % 4))
    assert np.array_equal(account.valid_of(4, sensor), flat.reshape(-1, 4).all(axis=1))
    assert np.flatnonzero(~account.valid_of(5, sensor)).tolist() == [1, 2]
    assert np.flatnonzero(~account.valid_of(6, sensor)).tolist() == [112], "the last group is half a group"


# --- faults at set times ---------------------------------------------------------------------------------------------


def test_every_kind_of_fault_has_a_rule_and_a_meaning() -> None:
    assert set(RULES) == set(FaultKind)
    assert [kind for kind, _ in describe_faults()] == [kind.value for kind in FaultKind]
    assert len({meaning for _, meaning in describe_faults()}) == len(FaultKind)


@pytest.mark.parametrize("text", ["overflow", "overfow@1s", "shadow", "unplug+1s", "garbage@1x"])
def test_faults_that_make_no_sense_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_faults(text)
    assert refused.value.hint


def test_faults_of_the_signal_are_told_by_the_time_of_the_run() -> None:
    plan = parse_faults("shadow@1s+500ms,gain-step@3s,overflow@2s,gain-error@200ms+100ms")
    told = signal_faults(plan, 1.2)
    assert [fault.kind for fault in told] == [FaultKind.SHADOW, FaultKind.GAIN_STEP]
    assert [time_s for fault in told for time_s in (fault.start_s, fault.end_s)] == pytest.approx(
        [-0.2, 0.3, 1.8, math.inf]
    )
    assert {fault.kind for fault in signal_faults(plan, 0.0)} == set(SIGNAL_FAULTS)


# --- the LO box ------------------------------------------------------------------------------------------------------


@pytest.fixture
def faults_now() -> set[FaultKind]:
    return set()


@pytest.fixture
def lo_box(faults_now: set[FaultKind]) -> Iterator[SimulatedLoBox]:
    box = SimulatedLoBox(lambda kind: kind in faults_now, range_hz=(6_000_000_000, 24_000_000_000))
    yield box
    box.close()


def exchange(box: SimulatedLoBox, lines: bytes, answers: int) -> bytes:
    with socket.create_connection(box.address, timeout=2.0) as client:
        client.sendall(lines)
        received = b""
        while received.count(b"\r\n") < answers:
            received += client.recv(4096)
        return received


def test_the_lo_box_speaks_lines_of_text(lo_box: SimulatedLoBox) -> None:
    dialogue = [
        (b"GET_UDBOX_SN", b"UDB-SIM0001-0630"),
        (b"GET_LO_CAPABILITY", b"6000000000,30000000000"),
        (b"GET_LO_RANGE", b"6000000000,24000000000"),
        (b"SET_LO_FREQ 22000000000", b"0"),
        (b"GET_LO_FREQ", b"22000000000"),
        (b"SET_LO_FREQ 26000000000", b"-1"),
        (b"SET_LO_FREQ 2.2e10", b"-1"),
        (b"GET_LO_FREQ", b"22000000000"),
        (b"SET_LO_CONFIG 1", b"0"),
        (b"GET_LO_CONFIG", b"1"),
        (b"SET_LO_CONFIG 3", b"-1"),
        (b"GET_ALL_STATUS", b"0,0,0,1"),
        (b"SET_REF_CONFIG 4", b"0"),
        (b"GET_REF_CONFIG", b"4"),
        (b"GET_ALL_STATUS", b"0,0,1,1"),
        (b"SET_REF_CONFIG", b"-1"),
        (b"DANCE", b"-1"),
    ]
    sent = b"".join(line + b"\r\n" for line, _ in dialogue)
    assert exchange(lo_box, sent, len(dialogue)) == b"".join(answer + b"\r\n" for _, answer in dialogue)


def test_the_lo_box_tells_what_has_lost_lock(lo_box: SimulatedLoBox, faults_now: set[FaultKind]) -> None:
    faults_now.add(FaultKind.LO_UNLOCK)
    assert exchange(lo_box, b"GET_ALL_STATUS\r\n", 1) == b"0,1,0,1\r\n"
    faults_now.add(FaultKind.REF_UNLOCK)
    assert exchange(lo_box, b"GET_ALL_STATUS\r\n", 1) == b"0,1,17,1\r\n"
    faults_now.add(FaultKind.SILENT_LO)
    with socket.create_connection(lo_box.address, timeout=0.2) as client, pytest.raises(TimeoutError):
        client.sendall(b"GET_ALL_STATUS\r\n")
        client.recv(100)


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_the_first_device_of_a_room_starts_at_0_and_the_next_later() -> None:
    clock = RoomClock()
    assert clock.offset_s() == 0.0
    time.sleep(0.02)
    later = clock.offset_s()
    assert 0.02 <= later < 1.0
    assert clock.offset_s(speed=10.0) >= 10.0 * later
    assert clock.offset_s(speed=math.inf) == 0.0


def test_devices_of_a_process_share_a_room_until_it_is_reset() -> None:
    RoomClock.reset()
    shared = RoomClock.shared()
    assert shared is RoomClock.shared()
    RoomClock.reset()
    assert shared is not RoomClock.shared()
    RoomClock.reset()


def test_a_fast_radio_is_not_quiet_for_long_before_a_slow_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "QUIET_S", 0.05)
    pace, stop = HostPace(), threading.Event()
    pace.follow()
    pace.begin(100)
    waited = threading.Thread(target=pace.wait, args=(100, stop))
    began_s = time.monotonic()
    waited.start()
    time.sleep(0.1)
    assert waited.is_alive(), "there is no room"
    pace.took(0)  # one block: far from half the way
    waited.join(5.0)
    assert not waited.is_alive()
    assert time.monotonic() - began_s < 4.0


def test_a_fast_radio_waits_for_its_host() -> None:
    pace, stop, sent = HostPace(), threading.Event(), []
    pace.follow()
    pace.begin(8)

    def send() -> None:
        for block in count():
            if not pace.wait(block, stop):
                return
            sent.append(block)

    radio = threading.Thread(target=send)
    radio.start()
    time.sleep(0.05)
    assert sent == list(range(8)), "8 blocks ahead of a host that has taken none"
    for block in range(200):
        deadline = time.monotonic() + 2.0
        while len(sent) <= block and time.monotonic() < deadline:
            time.sleep(1e-4)
        assert sent[-1] <= block + 8
        pace.took(block)
    pace.reads()  # and now waits for a block that never comes
    time.sleep(0.1)
    assert len(sent) > 208
    stop.set()
    pace.wake()
    radio.join(2.0)
    assert not radio.is_alive()
