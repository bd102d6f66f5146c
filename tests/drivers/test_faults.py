"""The whole driver on the simulated board, while things go wrong."""

import contextlib
import threading
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import DeviceTimeoutError, FmcwSensor, Frame, ProtocolError
from isactrack.drivers.awr1642 import console as console_module
from isactrack.drivers.awr1642 import device as driver
from isactrack.drivers.awr1642 import radar as radar_module
from isactrack.drivers.awr1642 import receiver as receiver_module
from isactrack.drivers.awr1642.dca1000 import Addresses, Command, Response, StatusFlag, bind_udp, encode_data_packet
from isactrack.drivers.awr1642.device import Awr1642
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.profile import as_cfg, default_profile, parse_profile
from isactrack.drivers.awr1642.receiver import Receiver
from isactrack.drivers.device import DeviceState
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated import board as board_module
from isactrack.drivers.simulated import uart as uart_module
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.dca1000 import Dca1000Fpga
from isactrack.drivers.simulated.device import SimulatedAwr1642
from isactrack.drivers.simulated.faults import Faults
from isactrack.drivers.simulated.scene import make_scene
from isactrack.events import EventKind

PAYLOAD = 1456
DEFAULT = as_cfg(default_profile(), Dialect.SDK3)
SMALL_FRAME = DEFAULT.replace("frameCfg 0 0 64 0 100 1 0", "frameCfg 0 0 4 0 40 1 0")
"""Frames of 8192 bytes every 40 ms."""


def with_frames(text: str, count: int) -> str:
    return text.replace("frameCfg 0 0 64 0", f"frameCfg 0 0 64 {count}").replace(
        "frameCfg 0 0 4 0", f"frameCfg 0 0 4 {count}"
    )


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses of console and board, so that the tests are quick."""
    monkeypatch.setattr(console_module, "_SETTLE_S", 0.03)
    monkeypatch.setattr(uart_module, "POLL_S", 0.01)


def open_files() -> set[str]:
    """Open descriptors and what they are; empty where the system does not tell."""
    folder = Path("/proc/self/fd")
    names = set()
    for link in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            names.add(f"{link.name} {link.readlink()}")
    return names


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    simulated = SimulatedBoard(make_scene("noise"), speed=8.0)
    yield simulated
    simulated.close()


# --- silence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        ("silent-console", "console on .* did not answer", "functional mode"),
        ("silent-card", r"DCA1000 at .*:\d+ did not answer SYSTEM_CONNECT", "ping 127"),
    ],
)
def test_a_dead_wire_is_one_clear_error_within_seconds(
    fault: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience_s = 2 * console_module._ATTEMPT_S + radar_module.BOOT_S
    assert patience_s < 4.5
    monkeypatch.setattr(console_module, "_ATTEMPT_S", 0.2)
    monkeypatch.setattr(radar_module, "BOOT_S", 0.2)
    threads, files = set(threading.enumerate()), open_files()
    began = time.monotonic()
    with open_device(f"sim://awr1642?fault={fault}") as device:
        with pytest.raises(DeviceTimeoutError, match=message) as caught:
            device.configure()
        assert device.state is DeviceState.OPEN
    assert hint in caught.value.hint
    assert time.monotonic() - began < 5.0 - patience_s + 2.0
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files


def test_a_radar_that_sends_nothing_points_to_the_lvds_cable(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board._firmware, "_on_start", lambda sensor, count: None)
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        device.start()
        with pytest.raises(DeviceTimeoutError, match=r"no frame for 0\.3 s \(0 packets") as caught:
            device.read(0.3)
        assert "60-pin cable" in caught.value.hint


def test_a_stream_that_breaks_off_says_how_far_it_came(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        device.start()
        assert device.read() is not None
        board._stop_frames()
        with pytest.raises(DeviceTimeoutError, match="packets since the start") as caught:
            while device.read(0.4):
                pass
        assert "broke off" in caught.value.hint
        device.stop()
        device.start()
        frame = device.read()
        assert frame is not None
        assert frame.counter == 0


def test_the_frames_before_a_break_are_handed_out_as_far_as_they_arrived(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses, deadline_s=lambda period_s: 0.5) as device:
        device.configure(SMALL_FRAME)
        device.start()
        frames = list(islice(device.frames(), 3))
        board._stop_frames()  # the end of the last frame waits in the card for its packet to fill
        for _ in range(2):  # nor is it forgotten that the stream broke off
            with pytest.raises(DeviceTimeoutError, match="packets since the start") as caught:
                frames.extend(device.frames())
            assert "broke off" in caught.value.hint
        assert [frame.counter for frame in frames] == list(range(len(frames)))
        assert [frame.complete for frame in frames] == [True] * (len(frames) - 1) + [False]
        assert device.stats.frames == len(frames)


def test_polls_that_find_nothing_do_not_end_the_stream(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(with_frames(SMALL_FRAME.replace(" 40 1 0", " 400 1 0"), 4))
        device.start()
        counters: list[int] = []
        silent = 0
        while len(counters) < 3:
            try:
                frame = device.read(0.002)
            except DeviceTimeoutError:
                silent += 1
                continue
            assert frame is not None
            counters.append(frame.counter)
        assert counters == [0, 1, 2]
        assert silent > 10


def drop_after(board: SimulatedBoard, count: int) -> None:
    """Let so many data packets through and no more."""
    send = board._send
    left = [count]

    def limited(packets: list[bytes]) -> None:
        send(packets[: left[0]])
        left[0] = max(0, left[0] - len(packets))

    board._send = limited  # type: ignore[method-assign]


def test_a_capture_whose_last_frame_never_came_ends_with_the_frames_that_did(board: SimulatedBoard) -> None:
    drop_after(board, 22)  # of 29 for 5 frames: 3 frames and all but the end of the fourth
    with Awr1642(board.serial_port, board.addresses, deadline_s=lambda period_s: 0.5) as device:
        device.configure(with_frames(SMALL_FRAME, 5))
        device.start()
        frames = list(device.frames())
        assert [frame.counter for frame in frames] == [0, 1, 2, 3]
        assert [frame.lost_bytes for frame in frames] == [0, 0, 0, 4 * 8192 - 22 * PAYLOAD]
        assert device.read() is None


def test_a_capture_that_breaks_off_long_before_its_end_is_an_error_after_its_frames(board: SimulatedBoard) -> None:
    drop_after(board, 8)
    with Awr1642(board.serial_port, board.addresses, deadline_s=lambda period_s: 0.5) as device:
        device.configure(with_frames(SMALL_FRAME, 5))
        device.start()
        frames: list[Frame] = []
        with pytest.raises(DeviceTimeoutError, match="8 packets since the start"):
            frames.extend(device.frames())
        assert [frame.lost_bytes for frame in frames] == [0, 2 * 8192 - 8 * PAYLOAD]


def report(board: SimulatedBoard, event: StatusFlag) -> None:
    a = board.addresses
    board._sender.sendto(Response(Command.SYSTEM_ERROR, event).encode(), (a.host_ip, a.config_port))


def test_what_the_card_reports_is_told_and_counted_while_it_streams(
    board: SimulatedBoard, caplog: pytest.LogCaptureFixture
) -> None:
    with Awr1642(board.serial_port, board.addresses, time_scale=8.0) as device:
        device.configure(SMALL_FRAME)
        device.start()
        assert device.read() is not None
        report(board, StatusFlag.DDR_FULL | StatusFlag.LVDS_BUFFER_FULL)
        report(board, StatusFlag.NO_LVDS_DATA)
        while device.stats.card_overflows == 0:
            assert device.read() is not None
        report(board, StatusFlag.LVDS_BUFFER_FULL)
        device.stop()
        assert device.stats.card_overflows == 2
        told = [record.getMessage() for record in caplog.records if "the capture card reports" in record.getMessage()]
        assert [message.split(":")[0] for message in told] == [
            "the capture card reports DDR_FULL|LVDS_BUFFER_FULL",
            "the capture card reports NO_LVDS_DATA",
            "the capture card reports LVDS_BUFFER_FULL",
        ]
        texts = [event.text.split(":")[0] for event in device.take_events() if event.kind is EventKind.CARD]
        assert texts == [
            "DDR_FULL|LVDS_BUFFER_FULL",
            "NO_LVDS_DATA",
            "LVDS_BUFFER_FULL",
        ]
        device.start()
        assert device.stats.card_overflows == 0


def test_an_interrupted_start_leaves_neither_radar_nor_card_running(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set(threading.enumerate())
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        command = device._radar._console.command

        def interrupted(line: str, timeout_s: float | None = None) -> list[str]:
            reply = command(line, timeout_s)
            if line.startswith("sensorStart"):
                raise KeyboardInterrupt
            return reply

        monkeypatch.setattr(device._radar._console, "command", interrupted)
        with pytest.raises(KeyboardInterrupt):
            device.start()
        assert "Sensor State: 3" in command("queryDemoStatus")
        assert not board._fpga.recording
        assert device.state is DeviceState.CONFIGURED
        assert not any(thread.name == "dca1000-receiver" for thread in set(threading.enumerate()) - threads)
        monkeypatch.undo()
        device.start()  # the radar has taken the configuration, and is told so
        assert device.read() is not None


def test_a_start_that_the_radar_refuses_stops_the_card(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        monkeypatch.setattr(board._firmware, "_start", lambda arguments: ["Error: not today", "Error -1"])
        with pytest.raises(ProtocolError, match="not today"):
            device.start()
        assert not board._fpga.recording


def test_a_verbose_log_tells_the_story_and_a_debug_log_every_line(
    board: SimulatedBoard, caplog: pytest.LogCaptureFixture
) -> None:
    def run() -> list[str]:
        caplog.clear()
        with Awr1642(board.serial_port, board.addresses) as device:
            device.configure(SMALL_FRAME)
            device.start()
            device.read()
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level("INFO"):
        story = "\n".join(run())
    for fact in ("FPGA 2.8", "SDK Version", "frames of 8192 bytes", "receive buffer: ", "streams", "stopped: "):
        assert fact in story
    assert "flushCfg" not in story
    with caplog.at_level("DEBUG"):
        lines = run()
    for line in ("to the radar: flushCfg", "from the radar: Done", "to the card: CONFIG_FPGA_GEN 01 02 01 02 03 1e"):
        assert line in lines
    assert "from the card: READ_FPGA_VERSION, status 0x402" in lines
    assert "the card reports RECORD_COMPLETED" in lines


def test_a_reset_of_the_radar_prints_its_banner(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        device._configured_card().command(Command.RESET_AR_DEV)
        time.sleep(0.1)
        assert "xWR16xx MMW Demo 03.05.00.04" in device._radar._console.listen()


def test_a_card_that_dies_while_streaming_is_named(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        device.start()
        assert device.read() is not None
        board._stop_frames()
        monkeypatch.setattr(board, "_answer", lambda datagram, host: None)
        device._configured_card()._timeout_s = 0.1
        with pytest.raises(DeviceTimeoutError, match="did not answer SYSTEM_CONNECT"):
            while device.read(0.4):
                pass
        monkeypatch.undo()


def test_a_report_of_the_card_stands_in_the_error_that_no_frame_came(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(SMALL_FRAME)
        device.start()
        board._stop_frames()
        report(board, StatusFlag.NO_LVDS_DATA)
        with pytest.raises(DeviceTimeoutError, match="the card reports NO_LVDS_DATA"):
            while device.read(0.3):
                pass


def test_a_line_that_the_firmware_refuses_is_named_with_its_number(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = board._firmware._configure

    def picky(words: list[str]) -> list[str]:
        return ["Error: no", "Error -1"] if words[0] == "channelCfg" else configure(words)

    monkeypatch.setattr(board._firmware, "_configure", picky)
    number = SMALL_FRAME.splitlines().index("channelCfg 15 1 0") + 1
    refusal = f"line {number} of the profile: the radar refused 'channelCfg 15 1 0'"
    with Awr1642(board.serial_port, board.addresses) as device, pytest.raises(ProtocolError, match=refusal):
        device.configure(SMALL_FRAME)


# --- loss ------------------------------------------------------------------------------------------------------------


def test_exactly_the_packets_that_the_board_dropped_are_marked() -> None:
    seed, loss = 7, 0.05
    with open_device(f"sim://awr1642?scene=noise&speed=8&loss={loss}&seed={seed}") as device:
        sensor = device.configure()
        device.start()
        frames = list(islice(device.frames(), 12))
        device.stop()
        stats = device.stats
    size = sensor.frame_bytes
    draws = np.random.default_rng([seed, 1]).random(100 * 91)
    for frame in frames:
        byte = np.arange(frame.counter * size, (frame.counter + 1) * size, 8)
        # Groups of 8 bytes never straddle packets, for 1456 is a multiple of 8.
        assert np.array_equal(frame.valid, draws[byte // PAYLOAD] >= loss)
        assert not sensor.decode(frame)[~sensor.decode_valid(frame)].any()
    assert stats.incomplete_frames > 0
    assert stats.missing_frames == 0
    sent = -(-stats.frames * size // PAYLOAD)
    dropped = np.flatnonzero(draws[:sent] < loss)
    assert stats.packets == sent - dropped.size
    tail = stats.frames * size - (sent - 1) * PAYLOAD
    assert stats.lost_bytes == sum(tail if k == sent - 1 else PAYLOAD for k in dropped)


def test_doubled_and_reordered_packets_are_put_right_and_counted() -> None:
    with open_device("sim://awr1642?scene=noise&speed=8&dup=0.1&reorder=0.1&seed=4") as device:
        device.configure()
        device.start()
        faulty = list(islice(device.frames(), 8))
        device.stop()
        stats = device.stats
    with open_device("sim://awr1642?scene=noise&speed=8&seed=4") as device:
        device.configure()
        device.start()
        clean = list(islice(device.frames(), 8))
    for one, other in zip(faulty, clean, strict=True):
        assert one.complete
        assert np.array_equal(one.samples, other.samples)
    assert stats.lost_bytes == 0
    doubled, reordered = stats.duplicate_packets + stats.late_packets, stats.reordered_packets
    assert doubled / stats.packets == pytest.approx(0.09, abs=0.04)
    assert reordered / stats.packets == pytest.approx(0.09, abs=0.04)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), *(st.sampled_from([0.0, 0.1, 0.5, 1.0]) for _ in range(3)), st.integers(1, 12))
def test_faults_do_to_packets_what_they_are_asked_for(
    seed: int, loss: float, dup: float, reorder: float, burst: int
) -> None:
    sent = [bytes([k]) for k in range(120)]

    def deliver(reorder: float) -> list[bytes]:
        faults = Faults(seed=seed, loss=loss, dup=dup, reorder=reorder)
        bursts = [sent[k : k + burst] for k in range(0, len(sent), burst)]
        return [p for b in bursts for p in faults.apply(b)] + faults.release()

    arrived = deliver(reorder)
    assert arrived == deliver(reorder)
    assert sorted(arrived) == deliver(0.0)  # reordering changes neither which are lost nor which come twice
    once = list(dict.fromkeys(arrived))
    survivors = sorted(once)
    assert all(abs(survivors.index(packet) - place) <= 1 for place, packet in enumerate(once))
    if loss in (0.0, 1.0):
        assert len(once) == (120 if loss == 0.0 else 0)
    if dup in (0.0, 1.0):
        assert len(arrived) == len(once) * (1 + int(dup))
    if reorder == 1.0 and len(once) > 1:
        assert once[:2] == [survivors[1], survivors[0]]


@pytest.fixture
def impatient_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that holds its last packet back for less than the real 2 s."""
    monkeypatch.setattr(board_module, "HELD_TAIL_S", 0.2)


@pytest.mark.usefixtures("impatient_card")
def test_a_capture_of_some_frames_ends_by_itself() -> None:
    with open_device("sim://awr1642?scene=noise&speed=8") as device:
        device.configure(with_frames(SMALL_FRAME, 5))
        assert device.frame_count == 5
        device.start()
        assert [frame.counter for frame in device.frames()] == [0, 1, 2, 3, 4]
        assert device.read() is None


@pytest.mark.usefixtures("impatient_card")
def test_a_capture_of_some_frames_ends_although_packets_of_the_last_are_lost() -> None:
    with open_device("sim://awr1642?scene=noise&speed=8&loss=0.2&seed=2") as device:
        device.configure(with_frames(DEFAULT, 4))
        device.start()
        frames = list(device.frames())
        assert [frame.counter for frame in frames] == [0, 1, 2, 3]
        assert not frames[-1].complete
        assert device.read() is None
        assert device.stats.frames == 4


@pytest.mark.usefixtures("impatient_card")
def test_a_capture_of_some_frames_ends_although_its_tail_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "HELD_TAIL_S", -0.5)  # do not wait the real time for the tail
    monkeypatch.setattr(Dca1000Fpga, "flush", lambda fpga: [])
    with open_device("sim://awr1642?scene=noise&speed=8") as device:
        device.configure(with_frames(SMALL_FRAME, 4))
        device.start()
        frames = list(device.frames())
        assert [frame.counter for frame in frames] == [0, 1, 2, 3]
        assert frames[-1].lost_bytes == 4 * 8192 % PAYLOAD


# --- readers ---------------------------------------------------------------------------------------------------------


def test_a_slow_reader_loses_nothing() -> None:
    with open_device("sim://awr1642?scene=noise&speed=4") as device:
        device.configure()
        device.start()
        time.sleep(0.5)
        frames = list(islice(device.frames(), 24))
        assert [frame.counter for frame in frames] == list(range(24))
        assert all(frame.complete for frame in frames)
        assert device.stats.overruns == device.stats.lost_bytes == 0
        # The stamps are those of arrival, not of reading.
        gaps_s = np.diff([frame.host_monotonic_ns for frame in frames]) / 1e9
        assert float(np.median(gaps_s)) == pytest.approx(0.025, abs=0.01)


def test_a_reader_that_is_too_slow_for_the_memory_loses_frames_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "QUEUED_BYTES", 4 * 8192)
    with open_device("sim://awr1642?scene=noise&speed=8") as device:
        device.configure(SMALL_FRAME)
        device.start()
        time.sleep(0.3)
        counters = [frame.counter for frame in islice(device.frames(), 8)]
        device.stop()
        stats = device.stats
    assert counters[:4] == [0, 1, 2, 3]
    assert counters[4] > 4
    assert counters == sorted(set(counters))
    assert stats.overruns >= counters[4] - 4
    assert stats.missing_frames == stats.overruns
    assert stats.lost_bytes == stats.overruns * 8192


def test_a_stop_from_another_thread_ends_the_frames() -> None:
    with open_device("sim://awr1642?scene=noise&speed=4") as device:
        device.configure()
        device.start()
        stopper = threading.Timer(0.3, device.stop)
        stopper.start()
        began = time.monotonic()
        counters = [frame.counter for frame in device.frames()]
        stopper.join()
        assert time.monotonic() - began < 2.0
        assert counters == list(range(len(counters)))
        assert device.state is DeviceState.CONFIGURED


def test_a_reader_that_gives_up_in_the_middle_leaves_the_device_usable() -> None:
    with open_device("sim://awr1642?scene=noise&speed=8") as device:
        device.configure(SMALL_FRAME)
        for _ in range(3):
            device.start()
            first = device.read()
            assert first is not None
            assert first.counter == 0
            device.stop()
            device.stop()


def test_slow_simulations_do_not_time_out() -> None:
    assert driver.read_deadline_s(0.1) == pytest.approx(3.3)
    with open_device("sim://awr1642?scene=noise&speed=0.1") as device:
        assert isinstance(device, SimulatedAwr1642)
        assert device._driver._deadline_s(1.0) == pytest.approx(33.0)


# --- side by side, and tidy ------------------------------------------------------------------------------------------


def test_two_boards_work_side_by_side() -> None:
    def take(url: str, into: list[Frame]) -> None:
        with open_device(url) as device:
            device.configure()
            device.start()
            into.extend(islice(device.frames(), 8))

    urls = [f"sim://awr1642?scene=crossing&speed=4&seed={seed}" for seed in (1, 2)]
    together: list[list[Frame]] = [[], []]
    threads = [threading.Thread(target=take, args=pair) for pair in zip(urls, together, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone: list[Frame] = []
    take(urls[0], alone)
    for frames in together:
        assert [frame.counter for frame in frames] == list(range(8))
        assert all(frame.complete for frame in frames)
    for one, other in zip(together[0], alone, strict=True):
        assert np.array_equal(one.samples, other.samples)  # neither the neighbour nor the clock shows in the samples
    assert not np.array_equal(together[0][0].samples, together[1][0].samples)


def test_a_closed_device_leaves_no_thread_and_no_port() -> None:
    threads, files = set(threading.enumerate()), open_files()
    for _ in range(3):
        device = open_device("sim://awr1642?scene=noise&speed=8")
        device.configure(SMALL_FRAME)
        device.start()
        assert device.read() is not None
        device.close()
        assert set(threading.enumerate()) <= threads
    assert open_files() <= files


def test_no_board_even_looks_at_the_ports_of_another_one(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its driver may bind them at this very moment, and would find them taken.
    looks: list[str] = []
    check = board_module._check_free

    def look(ip: str, port: int) -> None:
        looks.append(ip)
        check(ip, port)

    monkeypatch.setattr(board_module, "_check_free", look)
    with contextlib.closing(SimulatedBoard(make_scene("noise"))) as other:
        if other.addresses.host_ip == other.addresses.fpga_ip:
            pytest.skip("this computer has one loopback address")
        assert other.addresses.host_ip in looks
        assert board.addresses.host_ip not in looks


def test_boards_on_one_address_reserve_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "_LOOPBACK_PAIRS", 0)
    free = board_module._free_port
    with contextlib.closing(SimulatedBoard(make_scene("noise"))) as board:
        reserved = [board.addresses.config_port, board.addresses.data_port]
        offers = iter([*reserved, free("127.0.0.1"), reserved[0], free("127.0.0.1")])
        monkeypatch.setattr(board_module, "_free_port", lambda ip: next(offers))
        with contextlib.closing(SimulatedBoard(make_scene("noise"))) as other:
            assert len({other.addresses.config_port, other.addresses.data_port, *reserved}) == 4


def test_a_host_without_a_second_loopback_address_and_without_ptys_has_the_board_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(board_module, "_LOOPBACK_PAIRS", 0)
    boards = [SimulatedBoard(make_scene("noise"), speed=8.0, use_tcp=True) for _ in range(2)]
    try:
        for board in boards:
            assert board.addresses.host_ip == board.addresses.fpga_ip == "127.0.0.1"
            with Awr1642(board.serial_port, board.addresses) as device:
                device.configure(SMALL_FRAME)
                device.start()
                assert [frame.counter for frame in islice(device.frames(), 4)] == [0, 1, 2, 3]
                assert device.stats.lost_bytes == 0
    finally:
        for board in boards:
            board.close()


# --- receiver --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small() -> FmcwSensor:
    return parse_profile(SMALL_FRAME)


def receiver_on_loopback(sensor: FmcwSensor, fpga_ip: str = "127.0.0.1") -> tuple[Receiver, tuple[str, int]]:
    with bind_udp("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    addresses = Addresses(host_ip="127.0.0.1", fpga_ip=fpga_ip, data_port=port)
    return Receiver(addresses, sensor), ("127.0.0.1", port)


def test_a_radar_that_does_not_stop_does_not_hold_the_stop(small: FmcwSensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "DRAIN_S", 0.3)
    receiver, target = receiver_on_loopback(small)
    done = threading.Event()

    def flood() -> None:
        with bind_udp("127.0.0.1", 0) as sock:
            position = 0
            while not done.wait(0.002):
                sock.sendto(encode_data_packet(1, position, bytes(PAYLOAD)), target)
                position += PAYLOAD

    sender = threading.Thread(target=flood)
    sender.start()
    time.sleep(0.1)
    began = time.monotonic()
    receiver.close()
    elapsed = time.monotonic() - began
    done.set()
    sender.join()
    assert 0.2 < elapsed < 1.0


def test_packets_of_strangers_and_stubs_are_rejected_and_counted(small: FmcwSensor) -> None:
    receiver, target = receiver_on_loopback(small, fpga_ip="127.0.0.9")
    with bind_udp("127.0.0.1", 0) as sock:
        for _ in range(3):
            sock.sendto(encode_data_packet(1, 0, bytes(PAYLOAD)), target)
    receiver.close()
    assert (receiver.stats.packets, receiver.stats.rejected_packets) == (0, 3)
    receiver, target = receiver_on_loopback(small)
    with bind_udp("127.0.0.1", 0) as sock:
        for datagram in (b"", b"x", bytes(10), bytes(15), encode_data_packet(1, 0, bytes(PAYLOAD))):
            sock.sendto(datagram, target)
    receiver.close()
    assert (receiver.stats.packets, receiver.stats.rejected_packets) == (1, 4)
    frame = receiver.take(0.0)
    assert frame is not None
    assert int(frame.valid.sum()) * 8 == PAYLOAD
    assert receiver.ended


@pytest.mark.slow
def test_flat_out_nothing_is_lost_that_is_not_accounted_for() -> None:
    with open_device("sim://awr1642?scene=crossing&speed=max") as device:
        sensor = device.configure()
        device.start()
        frames = list(islice(device.frames(), 60))
        device.stop()
        stats = device.stats
    assert all(later.counter > earlier.counter for earlier, later in pairwise(frames))
    assert stats.late_packets == stats.duplicate_packets == 0
    arrived = (stats.frames + stats.missing_frames) * sensor.frame_bytes - stats.lost_bytes
    assert (stats.packets - 1) * PAYLOAD < arrived <= stats.packets * PAYLOAD  # the last packet is a partial one
