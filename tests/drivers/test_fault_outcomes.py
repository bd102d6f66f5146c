"""Every fault of the emulator: how the driver comes out of it, with each packet accounted for, and starts again."""

import contextlib
import json
import math
import re
import socket
import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, DeviceNotFoundError, DeviceStateError, DeviceTimeoutError, Frame, ProtocolError
from isactrack.cli.main import run
from isactrack.drivers.awr1642 import console as console_module
from isactrack.drivers.awr1642 import device as driver
from isactrack.drivers.awr1642 import watch
from isactrack.drivers.awr1642.dca1000 import (
    Addresses,
    Command,
    Dca1000,
    Request,
    Response,
    StatusFlag,
    encode_data_packet,
)
from isactrack.drivers.awr1642.device import Awr1642
from isactrack.drivers.awr1642.runs import RunLedger
from isactrack.drivers.awr1642.tlv import parse_packet
from isactrack.drivers.device import Device, DeviceState, DeviceStats
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated import board as board_module
from isactrack.drivers.simulated import uart as uart_module
from isactrack.drivers.simulated.bistatic.faults import FaultKind as RadioFaultKind
from isactrack.drivers.simulated.bistatic.faults import describe_faults as describe_radio_faults
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.clock import DeviceClock
from isactrack.drivers.simulated.dca1000 import Dca1000Fpga
from isactrack.drivers.simulated.device import SimulatedAwr1642
from isactrack.drivers.simulated.fault_plan import Fault, FaultPlan
from isactrack.drivers.simulated.faults import INSTANT, Account, FaultKind, Faults, describe_faults, parse_faults
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.events import Event, EventKind
from isactrack.sensor import require_fmcw

PAYLOAD = 1456
PROFILE = """
dfeDataOutputMode 1
channelCfg 15 1 0
adcCfg 2 1
adcbufCfg -1 0 1 1 1
profileCfg 0 77 3 6 56 0 0 8.015 1 128 5000 0 0 30
chirpCfg 0 0 0 0 0 0 0 1
frameCfg 0 0 4 0 40 1 0
lowPower 0 0
guiMonitor -1 0 0 0 0 0 0
cfarCfg -1 0 2 8 4 3 0 15 1
cfarCfg -1 1 0 4 2 3 1 15 1
multiObjBeamForming -1 1 0.5
clutterRemoval -1 0
calibDcRangeSig -1 0 -5 8 256
extendedMaxVelocity -1 0
lvdsStreamCfg -1 0 1 0
compRangeBiasAndRxChanPhase 0.0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0
measureRangeBiasAndRxChanPhase 0 1.5 0.2
CQRxSatMonitor 0 3 19 125 0
CQSigImgMonitor 0 127 4
analogMonitor 0 0
aoaFovCfg -1 -90 90 -90 90
cfarFovCfg -1 0 0 8.92
cfarFovCfg -1 1 -1 1
calibData 0 0 0
"""
"""Frames of 8192 bytes every 40 ms."""
FRAME_BYTES = 8192
PERIOD_S = 0.04


@pytest.fixture(autouse=True)
def attentive_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that looks at console and link more often than the real one, so that the tests are quick."""
    monkeypatch.setattr(driver, "LOOK_PERIOD_S", 0.02)
    monkeypatch.setattr(console_module, "_SETTLE_S", 0.03)
    monkeypatch.setattr(uart_module, "POLL_S", 0.01)


def open_faulty(options: str, *, patience_s: float | None = None) -> SimulatedAwr1642:
    device = open_device(f"sim://awr1642?scene=noise&{options}")
    assert isinstance(device, SimulatedAwr1642)
    if patience_s is not None:
        limit_s = patience_s
        device._driver._deadline_s = lambda period_s: limit_s
    return device


def take(device: Device, seconds: float, into: list[Frame]) -> list[Frame]:
    """Add frames up to a device time."""
    for frame in device.frames():
        into.append(frame)
        if frame.device_time_s >= seconds - PERIOD_S / 2:
            break
    return into


def told(device: Device, kind: EventKind, text: str) -> list[Event]:
    return [event for event in device.take_events() if event.kind is kind and text in event.text]


def check_account(frames: list[Frame], stats: DeviceStats, accounts: list[Account]) -> None:
    """Compare what the driver counted, in one run of the radar, with what the board knows."""
    account = accounts[-1]
    for frame in frames:
        assert np.array_equal(frame.valid, account.valid(frame.counter, FRAME_BYTES)), frame.counter
    assert stats.packets == account.arrived_packets == account.packets - account.lost_packets + account.doubled_packets
    assert stats.lost_bytes == account.lost_bytes((stats.frames + stats.missing_frames) * FRAME_BYTES)
    assert stats.rejected_packets == 0


def check_starts_again(device: Device, *, configure: bool = True) -> None:
    """The next start after a fault works as the first."""
    if configure:
        device.configure(PROFILE)
    device.start()
    frames = take(device, 5 * PERIOD_S, [])
    assert [frame.counter for frame in frames] == list(range(6))
    assert all(frame.complete for frame in frames)
    device.stop()


# --- how a fault is asked for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ()),
        ("silent-card", (Fault(FaultKind.SILENT_CARD),)),
        ("exception@5s", (Fault(FaultKind.EXCEPTION, 5.0, 0.0),)),
        ("link-down@3s+2s", (Fault(FaultKind.LINK_DOWN, 3.0, 2.0),)),
        ("link-down@3 500ms", (Fault(FaultKind.LINK_DOWN, 3.0, 0.5),)),  # a URL makes a space of the plus
        ("unplug@0.5", (Fault(FaultKind.UNPLUG, 0.5, math.inf),)),
        ("ddr-full@1s", (Fault(FaultKind.DDR_FULL, 1.0, 0.1),)),
        ("reset@1s, slow-card", (Fault(FaultKind.RESET, 1.0, 0.0), Fault(FaultKind.SLOW_CARD))),
    ],
)
def test_faults_are_asked_for_in_one_way(text: str, faults: tuple[Fault, ...]) -> None:
    assert parse_faults(text) == faults


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("link-dwon@3s", "no fault 'link-dwon'", "did you mean link-down?"),
        ("fire", "no fault 'fire'", "faults: silent-console, silent-card"),
        ("reset", "'reset' does not say when", "fault=reset@3s"),
        ("link-down+2s", "'link-down 2s' does not say when", "fault=link-down@3s"),
        ("exception@2s+1s", "has no duration", "fault=exception@3s"),
        ("link-down@soon", "'link-down@soon' is no fault at a time", "link-down@3s\\+500ms"),
        ("reset@1s,,", "no fault ''", "faults:"),
    ],
)
def test_a_fault_that_cannot_be_says_what_can(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_device(f"sim://awr1642?fault={text}")
    assert hint.replace("\\", "") in caught.value.hint


@pytest.mark.parametrize(
    "option", ["loss=1.5", "late=-1", "burst=0", "late_frames=0", "late_frames=inf", "late_frames=1e30", "sdk=4"]
)
def test_shares_and_counts_that_cannot_be_are_refused(option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_device(f"sim://awr1642?{option}")
    assert caught.value.hint


def test_every_fault_is_described_and_documented() -> None:
    names = [name for name, _ in describe_faults()]
    assert names == [kind.value for kind in FaultKind]
    page = (Path(__file__).resolve().parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \| (?!share|packets|frames)", page, flags=re.MULTILINE) == [
        *names,
        *(kind.value for kind in RadioFaultKind),  # the radio's follow
    ]


def test_the_command_line_lists_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--faults", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["faults"]
    assert [(one["kind"], one["meaning"]) for one in listed] == [*describe_faults(), *describe_radio_faults()]
    assert {one["device"] for one in listed} == {"sim://awr1642", "sim://bistatic"}
    assert run(["devices", "--faults"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name, _ in [*describe_faults(), *describe_radio_faults()])
    assert "sim://awr1642?fault=KIND@START+DURATION" in told


def test_a_plan_knows_what_is_there_and_what_has_begun() -> None:
    plan = FaultPlan(parse_faults("silent-card,link-down@3s+2s,reset@1s,exception@4s"))
    assert plan.active(FaultKind.SILENT_CARD, -math.inf)
    assert [plan.active(FaultKind.LINK_DOWN, t) for t in (-math.inf, 2.9, 3.0, 4.9, 5.0)] == [0, 0, 1, 1, 0]
    assert [plan.next_start(INSTANT, t) for t in (0.0, 1.0, 1.1, 4.1)] == [1.0, 1.0, 4.0, math.inf]
    assert [fault.kind for fault in plan.take_begun(-math.inf)] == [FaultKind.SILENT_CARD]
    assert [fault.kind for fault in plan.take_begun(3.5)] == [FaultKind.RESET, FaultKind.LINK_DOWN]
    assert plan.take_begun(3.6) == []


def test_the_clock_of_a_simulation_waits_for_its_frames_and_never_goes_back() -> None:
    clock = DeviceClock(math.inf)
    assert clock.now_s() == -math.inf
    assert clock.begin() == clock.now_s() == 0.0
    clock.reach(7.0, 7.0)
    assert clock.now_s() == 7.0
    clock.reach(7.5, 8.0)
    assert 7.5 <= clock.now_s() <= 8.0
    clock.release()
    assert 7.5 <= (earlier := clock.now_s()) < 9.0
    time.sleep(0.01)
    assert clock.now_s() > earlier


# --- single packets --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 99),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    st.integers(1, 9),
    *(st.sampled_from([0.0, 0.1, 0.7]) for _ in range(3)),
    st.floats(0.2, 3.0),
)
def test_the_account_of_faults_is_right(
    seed: int, loss: float, burst: int, dup: float, reorder: float, late: float, late_frames: float
) -> None:
    per_frame = 7
    faults = Faults(seed=seed, loss=loss, dup=dup, reorder=reorder, late=late, burst=burst, late_frames=late_frames)
    faults.expect(per_frame)
    sent = [encode_data_packet(k + 1, k * PAYLOAD, bytes(PAYLOAD)) for k in range(200)]
    arrived: list[tuple[int, bytes]] = []
    for k, packet in enumerate(sent):
        arrived += [(k, got) for got in faults.apply([packet], link_up=not 50 <= k < 60)]
    arrived += [(len(sent), got) for got in faults.drain()]
    account = faults.account
    survivors = {got for _, got in arrived}
    lost = [k for k, packet in enumerate(sent) if packet not in survivors]
    assert (account.packets, account.arrived_packets, account.lost_packets) == (200, len(arrived), len(lost))
    assert account.arrived_packets - len(survivors) == account.doubled_packets
    assert set(range(50, 60)) <= set(lost)
    missing = np.repeat(~account.valid(0, 200 * PAYLOAD), 8)
    assert sorted({byte // PAYLOAD for byte in np.flatnonzero(missing)}) == lost
    assert account.lost_bytes(200 * PAYLOAD) == len(lost) * PAYLOAD
    places = {packet: k for k, packet in enumerate(sent)}
    most = max(1, round(late_frames * per_frame))
    if loss == 0.0:  # else a packet that changes places may have to wait for its next one
        assert all(k - places[got] <= most + 12 for k, got in arrived)  # 10 packets of the dead link, 2 of a swap
    if loss in (0.0, 1.0):
        assert len(lost) == (10 if loss == 0.0 else 200)


def test_losses_in_bursts_have_the_share_and_the_length_that_were_asked_for() -> None:
    faults = Faults(seed=3, loss=0.1, burst=20)
    packets = [encode_data_packet(k + 1, k * 16, bytes(16)) for k in range(60_000)]
    faults.apply(packets)
    assert faults.account.lost_packets / len(packets) == pytest.approx(0.1, abs=0.02)
    lengths = {(end - start) // 16 for start, end in faults.account.lost_ranges[:-1]}
    assert min(lengths) == 20
    assert all(length % 20 == 0 for length in lengths)


@pytest.mark.parametrize(
    "options",
    ["loss=0.1", "loss=0.1&burst=5", "dup=0.2&loss=0.1", "late=0.1", "loss=0.05&dup=0.1&reorder=0.1&late=0.1&burst=3"],
)
def test_what_happens_to_packets_is_accounted_for_to_the_packet(options: str) -> None:
    with open_faulty(f"speed=8&seed=5&{options}") as device:
        device.configure(PROFILE)
        for _ in range(2):
            device.start()
            frames = take(device, 40 * PERIOD_S, [])
            device.stop()
            check_account(frames, device.stats, device.board.accounts)
        stats, account = device.stats, device.board.accounts[-1]
        # Two frames are not too late; only a second copy may come when its frame is complete and gone.
        assert stats.duplicate_packets + stats.late_packets == account.doubled_packets
        assert account.late_packets > 0 or "late" not in options
        assert stats.incomplete_frames > 0 or "loss" not in options


def test_packets_that_are_too_late_are_counted_as_that_and_their_holes_stay() -> None:
    with open_faulty("speed=8&seed=5&late=0.1&late_frames=8") as device:
        device.configure(PROFILE)
        device.start()
        frames = take(device, 40 * PERIOD_S, [])
        device.stop()
        stats, account = device.stats, device.board.accounts[-1]
    assert stats.packets == account.arrived_packets
    assert 0 < stats.late_packets < account.late_packets
    holes = sum(frame.lost_bytes for frame in frames)
    assert 0 < holes <= stats.lost_bytes
    assert stats.lost_bytes <= (stats.late_packets + stats.reordered_packets) * PAYLOAD  # some end a frame, begin one


# --- the link --------------------------------------------------------------------------------------------------------


def test_a_link_that_goes_down_and_up_leaves_a_hole_that_is_accounted_for() -> None:
    with open_faulty("fault=link-down@0.3s+0.5s", patience_s=1.5) as device:
        device.configure(PROFILE)
        device.start()
        device._driver._deadline_s = lambda period_s: 0.9  # a third of it is noticed
        frames = take(device, 1.2, [])
        device.stop()
        stats = device.stats
        check_account(frames, stats, device.board.accounts)
        assert stats.missing_frames >= 10
        texts = [event.text for event in device.take_events() if event.kind is EventKind.LINK]
        assert len(texts) == 2
        assert "no data from the capture card for 0." in texts[0]
        assert "again" in texts[1]
        check_starts_again(device, configure=False)


@pytest.mark.slow
def test_a_link_that_stays_down_is_an_error_that_names_the_card_after_the_frames() -> None:
    with open_faulty("fault=link-down@0.3s+2s", patience_s=0.5) as device:
        device.configure(PROFILE)
        device._driver._configured_card()._timeout_s = 0.1
        device.start()
        frames: list[Frame] = []
        with pytest.raises(DeviceTimeoutError, match="did not answer SYSTEM_CONNECT") as caught:
            take(device, 9.0, frames)
        assert "Ethernet cable" in caught.value.hint
        assert len(frames) == 8
        device.stop()  # tells nothing new as an error
        assert told(device, EventKind.CARD, "could not be stopped")
        device._driver._configured_card()._timeout_s = 0.5
        while device.board._has(FaultKind.LINK_DOWN):
            time.sleep(0.05)
        check_starts_again(device)


# --- the radar dies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "message"), [("exception", "firmware crashed: MSS Exception"), ("reset", "was reset while it streamed")]
)
@pytest.mark.parametrize("configure", [True, False])
def test_a_radar_that_dies_is_one_error_after_all_that_was_received(fault: str, message: str, configure: bool) -> None:
    with open_faulty(f"speed=4&loss=0.05&seed=2&fault={fault}@1.005s") as device:
        device.configure(PROFILE)
        device.start()
        frames: list[Frame] = []
        began = time.monotonic()
        with pytest.raises(ProtocolError, match=message) as caught:
            take(device, 99.0, frames)
        assert caught.value.hint
        assert time.monotonic() - began < 2.0  # not by a timeout
        assert [frame.counter for frame in frames] == list(range(26))
        stats, account = device.stats, device.board.accounts[-1]
        assert stats.packets == account.arrived_packets
        for frame in frames[:-1]:
            assert np.array_equal(frame.valid, account.valid(frame.counter, FRAME_BYTES))
        device.stop()
        assert device.board._frames is None
        assert not device.board._fpga.recording
        assert any(message in event.text or "reset" in event.text for event in device.take_events())
        device.board._faults._burst_begins = 0.0
        check_starts_again(device, configure=configure)


def test_a_radar_that_died_starts_again_with_its_data_port() -> None:
    with open_faulty("speed=4&fault=exception@0.2s") as device:
        device.configure(PROFILE.replace("guiMonitor -1 0 0", "guiMonitor -1 1 0"))
        device.start()
        with pytest.raises(ProtocolError, match="crashed"):
            take(device, math.inf, [])
        device.stop()
        assert device.take_side_packets()
        check_starts_again(device, configure=False)
        assert len(device.take_side_packets()) >= 5


def test_a_read_that_waits_while_another_thread_closes_the_device_is_our_own_error() -> None:
    with open_faulty("speed=4") as device:
        device.configure(PROFILE)
        device.start()
        device.close()
        assert isinstance(device._driver._silence(1.0), DeviceStateError)


def test_a_program_that_was_held_up_goes_on_and_blames_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the computer had stopped this program, but neither the card nor the process that reads the data port."""
    with open_faulty("speed=4", patience_s=0.6) as device:
        device.configure(PROFILE)
        device.start()
        frames = take(device, 8 * PERIOD_S, [])
        receiver = device._driver._receiver
        assert receiver is not None
        heard_s, waited = receiver.heard_s, receiver.take

        def hold_up(timeout_s: float) -> Frame | None:
            monkeypatch.undo()
            time.sleep(watch.HELD_UP_S + 0.1)
            receiver.heard_s = heard_s
            return None

        monkeypatch.setattr(receiver, "take", hold_up)
        take(device, 16 * PERIOD_S, frames)
        assert receiver.take == waited
        device.stop()
        assert [frame.counter for frame in frames] == list(range(17))
        assert told(device, EventKind.LINK, "") == []


def test_the_error_of_a_radar_that_died_is_what_the_caller_sees_in_the_end() -> None:
    with pytest.raises(ProtocolError, match="firmware crashed"), open_faulty("speed=8&fault=exception@0.5s") as device:
        device.configure(PROFILE)
        device.start()
        take(device, 99.0, [])
    assert device.state is DeviceState.CLOSED


# --- the console -----------------------------------------------------------------------------------------------------


def test_an_unplugged_console_does_not_end_a_capture_and_comes_back() -> None:
    with open_faulty("speed=4&fault=unplug@0.4s+1s") as device:
        device.configure(PROFILE)
        device.start()
        frames = take(device, 2.4, [])
        device.stop()
        check_account(frames, device.stats, device.board.accounts)
        assert device.stats.lost_bytes == 0
        texts = [event.text for event in device.take_events() if event.kind is EventKind.RADAR]
        assert "went away" in texts[0]
        assert "the capture goes on" in texts[0]
        assert "is back" in texts[1]
        assert len(texts) == 2  # it was stopped by its console
        check_starts_again(device, configure=False)


@pytest.mark.slow
def test_a_radar_whose_console_is_gone_is_stopped_by_a_reset_and_missed_until_it_is_back() -> None:
    with open_faulty("speed=1&fault=unplug@0.2s+1.5s") as device:
        device.configure(PROFILE)
        device.start()
        frames = take(device, 0.6, [])
        device.stop()
        check_account(frames, device.stats, device.board.accounts)
        assert device.board._frames is None
        assert not device.board._fpga.recording
        assert told(device, EventKind.RADAR, "stopped by a reset")
        with pytest.raises(DeviceNotFoundError):
            device.start()
        with pytest.raises(DeviceNotFoundError):
            device.configure(PROFILE)
        while device.board._has(FaultKind.UNPLUG):
            time.sleep(0.05)
        time.sleep(0.1)
        check_starts_again(device)


def test_garbage_on_the_console_does_not_touch_a_capture() -> None:
    with open_faulty("speed=4&seed=3&fault=uart-garbage@0.2s+0.8s") as device:
        device.configure(PROFILE)
        device.start()
        frames = take(device, 1.6, [])
        device.stop()
        check_account(frames, device.stats, device.board.accounts)
        assert device.stats.lost_bytes == 0
        assert told(device, EventKind.RADAR, "bytes that are no text")
        check_starts_again(device)


def test_a_slow_console_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "_SETTLE_S", 0.1)
    monkeypatch.setattr(board_module, "SLOW_CONSOLE_S", 0.03)
    with open_faulty("speed=8&fault=slow-console") as device:
        check_starts_again(device)


@pytest.mark.slow
def test_a_console_that_falls_silent_while_it_streams_does_not_end_the_capture() -> None:
    with open_faulty("speed=4&fault=silent-console@0.2s+4s") as device:
        device.configure(PROFILE)
        device.start()
        frames = take(device, 1.0, [])
        device._driver._radar._console._timeout_s = 0.2
        device.stop()
        check_account(frames, device.stats, device.board.accounts)
        assert device.board._frames is None
        while device.board._has(FaultKind.SILENT_CONSOLE):
            time.sleep(0.05)
        check_starts_again(device)


# --- the card --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_slow_card_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "SLOW_CARD_S", 0.15)
    with open_faulty("speed=8&fault=slow-card") as device:
        device.configure(PROFILE)
        device._driver._configured_card()._timeout_s = 0.1
        check_starts_again(device)
        check_starts_again(device, configure=False)


def test_a_card_that_answers_no_more_does_not_end_a_capture_as_long_as_data_come() -> None:
    with open_faulty("speed=4&fault=silent-card@0.2s") as device:
        device.configure(PROFILE)
        device._driver._configured_card()._timeout_s = 0.1
        device.start()
        frames = take(device, 1.2, [])
        device.stop()
        account = device.board.accounts[-1]
        assert all(frame.complete for frame in frames)
        assert account.packets - device.stats.packets in (0, 1)  # the tail comes 2 s later, unless it is stopped
        assert told(device, EventKind.CARD, "could not be stopped")
        with pytest.raises(DeviceTimeoutError, match="did not answer RECORD_START"):
            device.start()
        device.board._plan = FaultPlan()
        device._driver._configured_card()._timeout_s = 0.5
        check_starts_again(device)


@pytest.mark.parametrize(("fault", "flag"), [("ddr-full", "DDR_FULL"), ("lvds-full", "LVDS_BUFFER_FULL")])
def test_after_an_overrun_the_stream_is_begun_anew_and_no_shifted_frame_is_handed_out(fault: str, flag: str) -> None:
    with open_faulty(f"speed=4&seed=6&fault={fault}@0.42s+0.1s") as device:
        sensor = device.configure(PROFILE)
        device.start()
        frames = take(device, 2.0, [])
        truth = device.truth(frames[-1])
        device.stop()
        stats, accounts = device.stats, device.board.accounts
        events = device.take_events()
    assert accounts[0].dropped_bytes > 0
    assert accounts[0].dropped_bytes % FRAME_BYTES != 0
    assert len(accounts) == 2
    assert stats.packets == sum(account.arrived_packets for account in accounts)
    assert stats.card_overflows == 1
    counters = [frame.counter for frame in frames]
    jump = next(k for k, counter in enumerate(counters) if counter != k)
    assert jump <= 10  # the eleventh frame is the first with a hole
    assert counters[jump:] == list(range(counters[jump], counters[jump] + len(frames) - jump))
    assert stats.missing_frames == counters[jump] - jump
    assert stats.lost_bytes == stats.missing_frames * FRAME_BYTES
    assert stats.frames + stats.missing_frames >= counters[-1] + 1
    # Every frame that is handed out is one that the radar made, to the sample.
    made = Synthesiser(require_fmcw(sensor), make_scene("noise", 6), seed=6)
    for k, frame in enumerate(frames):
        assert frame.complete
        assert frame.device_time_s == pytest.approx(frame.counter * PERIOD_S)
        assert np.array_equal(frame.samples, made.frame(k if k < jump else k - jump))
    assert frames[-1].device_time_s <= truth.time_s <= frames[-1].device_time_s + PERIOD_S
    assert [event.text.split(":")[0] for event in events if event.kind is EventKind.CARD] == [flag]
    assert any(event.kind is EventKind.SESSION and flag in event.text for event in events)


def test_after_an_overrun_a_capture_of_some_frames_still_ends_with_the_last_one() -> None:
    with open_faulty("speed=4&seed=6&fault=ddr-full@0.42s+0.1s") as device:
        device.configure(PROFILE.replace("frameCfg 0 0 4 0", "frameCfg 0 0 4 100"))
        device.start()
        counters = [frame.counter for frame in device.frames()]
        assert device.read() is None
        device.stop()
        check_starts_again(device)
    assert counters == sorted(set(counters))
    assert counters[-1] == 99 or counters[-1] <= 10  # the latter if a busy computer begins anew when all is over


def test_a_card_that_overflows_again_and_again_is_an_error() -> None:
    plan = ",".join(f"ddr-full@{start / 10:g}s+0.05s" for start in range(4, 400, 8))
    with open_faulty(f"speed=4&fault={plan}") as device:
        device.configure(PROFILE)
        device.start()
        frames: list[Frame] = []
        with pytest.raises(ProtocolError, match="DDR_FULL again and again") as caught:
            take(device, 99.0, frames)
        assert "fewer samples" in caught.value.hint
        assert all(frame.complete for frame in frames)
        assert device.stats.card_overflows >= driver.MOST_REALIGNMENTS + 1  # more while it was begun anew
        device.stop()
        assert device.board._frames is None
        assert not device.board._fpga.recording
        device.board._plan = FaultPlan()
        check_starts_again(device, configure=False)


@pytest.mark.parametrize("fault", ["link-down@2s+1s", "ddr-full@2s+0.2s", "exception@2.005s", "loss"])
def test_a_simulation_flat_out_meets_its_faults_at_the_same_frames(fault: str) -> None:
    options = "loss=0.05&burst=4&seed=8" if fault == "loss" else f"fault={fault}"
    runs: list[list[tuple[int, bytes]]] = []
    for speed in ("max", "16"):
        with open_faulty(f"speed={speed}&{options}") as device:
            device.configure(PROFILE)
            device.start()
            frames: list[Frame] = []
            with contextlib.suppress(ProtocolError):
                take(device, 4.0, frames)
            # What comes after an overrun depends on when the driver hears of it. So do the frames that are dropped with
            # it on their way: those of some 16 ms of the host's time, which flat out are many.
            limit = 20 if "full" in fault else 70
            runs.append([(frame.counter, frame.valid.tobytes()) for frame in frames if frame.counter < limit])
    assert runs[0] == runs[1]
    assert len(runs[0]) >= min(limit, 41)


# --- numbers over several runs ---------------------------------------------------------------------------------------


def frame_at(counter: int, arrival_s: float, *, torn: bool = False) -> Frame:
    valid = np.ones(4, np.bool_)
    valid[0] = not torn
    return Frame(np.zeros(16, np.int16), valid, counter, counter * 0.1, round(arrival_s * 1e9), 0)


def test_frames_of_a_second_run_are_numbered_by_when_they_come() -> None:
    ledger = RunLedger(32, 0.1)
    assert [ledger.number(frame_at(k, 10.0 + k / 10)).counter for k in range(3)] == [0, 1, 2]
    counted = DeviceStats(frames=5, incomplete_frames=2, lost_bytes=16, packets=9)
    ledger.end_run(counted, [frame_at(3, 10.3, torn=True), frame_at(4, 10.4)])
    ended = ledger.total(DeviceStats(packets=100))
    assert (ended.frames, ended.incomplete_frames, ended.missing_frames, ended.packets) == (3, 1, 2, 9)
    assert ended.lost_bytes == 8 + 2 * 32
    ledger.begin_run()
    assert ledger.first_counter == 5
    second = ledger.number(frame_at(1, 11.32))  # its frame 0 is missing
    assert second.counter == 13
    assert second.device_time_s == pytest.approx(1.3)
    assert ledger.run_time_s(13) == pytest.approx(0.1)
    assert ledger.run_time_s(2) == pytest.approx(0.2)
    total = ledger.total(DeviceStats(frames=1, missing_frames=1, lost_bytes=32))
    assert total.frames + total.missing_frames == ledger.next_counter == 14
    assert total.lost_bytes == 8 + (14 - 4) * 32
    assert replace(total, packets=0) == ledger.total(DeviceStats(frames=1, missing_frames=1, lost_bytes=32, packets=-9))


def test_a_run_that_begins_when_all_frames_were_due_counts_no_more_than_those_as_missing() -> None:
    ledger = RunLedger(32, 0.1, frame_count=8)
    ledger.number(frame_at(0, 10.0))
    ledger.end_run(DeviceStats(frames=2), [frame_at(1, 10.1)])
    ledger.begin_run()
    assert ledger.number(frame_at(0, 15.0)).counter == 8
    total = ledger.total(DeviceStats())
    assert (total.frames, total.missing_frames, total.lost_bytes) == (1, 7, 7 * 32)


def test_where_the_host_clock_says_nothing_only_what_was_seen_is_missing() -> None:
    ledger = RunLedger(32, 0.1, time_scale=math.inf)
    ledger.number(frame_at(0, 0.0))
    ledger.end_run(DeviceStats(frames=2), [frame_at(1, 0.0)])
    ledger.begin_run()
    assert ledger.number(frame_at(0, 1e6)).counter == 2


# --- addresses in the EEPROM ------------------------------------------------------------------------------------------


def test_addresses_in_the_eeprom_are_used_from_the_next_power_on() -> None:
    board = SimulatedBoard(make_scene("noise"), speed=8.0)
    try:
        old = board.addresses
        if old.fpga_ip == old.host_ip:
            pytest.skip("this computer has one loopback address")
        new = Addresses(
            host_ip=old.host_ip.replace(".30", ".31"),
            fpga_ip=old.fpga_ip.replace(".180", ".181"),
            fpga_port=5096,
            config_port=5096,
            data_port=5098,
        )
        stations = socket.inet_aton(new.host_ip)[::-1] + socket.inet_aton(new.fpga_ip)[::-1]
        with contextlib.closing(Dca1000(old)) as card:
            card.command(Command.CONFIG_EEPROM, stations + bytes(6) + struct.pack("<HH", 5096, 5098))
            card.ping()  # not yet
        board.power_cycle()
        with contextlib.closing(Dca1000(old, timeout_s=0.05)) as card, pytest.raises(DeviceTimeoutError):
            card.ping()
        assert board.addresses == new
        with Awr1642(board.serial_port, board.addresses) as device:
            check_starts_again(device)
    finally:
        board.close()


def test_an_eeprom_payload_that_cannot_be_fails_and_is_reported() -> None:
    fpga = Dca1000Fpga()
    for payload in (b"", bytes(18), bytes(17)):
        reply, report = (Response.decode(m) for m in fpga.handle(Request(Command.CONFIG_EEPROM, payload).encode()))
        assert (reply.command, reply.status) == (Command.CONFIG_EEPROM, 1)
        assert (report.command, report.status) == (Command.SYSTEM_ERROR, StatusFlag.EEPROM_FAILURE)
    assert fpga.eeprom is None


# --- the data port ---------------------------------------------------------------------------------------------------


def test_what_the_demo_makes_of_each_frame_comes_beside_the_frames() -> None:
    profile = PROFILE.replace("guiMonitor -1 0 0 0 0 0 0", "guiMonitor -1 1 1 0 0 0 1")
    with open_device("sim://awr1642?scene=crossing&speed=2") as device:
        device.configure(profile)
        device.start()
        take(device, 10 * PERIOD_S, [])
        device.stop()
        packets = [parse_packet(packet.data) for packet in device.take_side_packets()]
    numbers = [packet.header.frame_number for packet in packets]
    assert len(numbers) >= 8
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.slow
def test_a_simulated_firmware_of_each_sdk_streams() -> None:
    for sdk in (1, 2, 3):
        with open_faulty(f"speed=8&sdk={sdk}") as device:
            device.configure()
            device.start()
            frame = device.read()
            assert frame is not None
            assert frame.complete
            assert f"0{sdk}." in device.info.firmware
