"""The data port on a real serial line (a pseudo-terminal) or a socket: packets, garbage, unplugging, closing."""

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from isactrack import ConfigError, DeviceNotFoundError
from isactrack.cli.main import run
from isactrack.drivers.awr1642 import data_port as module
from isactrack.drivers.awr1642 import device as device_module
from isactrack.drivers.awr1642.data_port import (
    DataPort,
    DataPortOfRuns,
    DataPortRequest,
    requested_data_port,
    told_baud_rate,
)
from isactrack.drivers.awr1642.device import Awr1642, open_url
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.profile import ProfileCommand, as_cfg, commands_for, default_profile
from isactrack.drivers.awr1642.tlv import DetectedPoints, RangeProfile, parse_packet
from isactrack.drivers.device import DeviceState
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.device import SimulatedAwr1642
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.tlv import encode_packet
from isactrack.drivers.url import DeviceUrl
from isactrack.events import EventKind, SidePacket
from isactrack.recordings import open_recording


def packet(number: int) -> bytes:
    return encode_packet([RangeProfile(np.arange(64, dtype=np.uint16))], version=(3, 5, 0, 4), frame_number=number)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextlib.contextmanager
def pseudo_terminal() -> Iterator[tuple[int, str]]:
    """Yield the master's descriptor and the name of the port."""
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo-terminals")
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(slave)
        with contextlib.suppress(OSError):
            os.close(master)


def test_packets_come_verbatim_with_the_time_of_their_first_byte() -> None:
    with pseudo_terminal() as (master, name), contextlib.closing(DataPort(name)) as port:
        began = time.monotonic_ns()
        os.write(master, b"garbage" + packet(1) + packet(2)[:50])
        wait_for(lambda: port.packets == 1)
        between, between_utc = time.monotonic_ns(), time.time_ns()
        os.write(master, packet(2)[50:])
        wait_for(lambda: port.packets == 2)
        first, second = port.take()
        assert (first.data, second.data) == (packet(1), packet(2))
        assert first.kind == "mmw-demo-tlv"
        assert began < first.host_monotonic_ns <= second.host_monotonic_ns <= between  # though its end came later
        assert abs(first.host_utc_ns - between_utc) < 20e9
        assert parse_packet(second.data).header.frame_number == 2
        assert (port.bytes_skipped, port.bad_packets, port.dropped_packets) == (len(b"garbage"), 0, 0)
        assert port.take() == []
        assert port.take_events() == []


def test_what_has_arrived_is_read_before_the_port_is_closed() -> None:
    with pseudo_terminal() as (master, name):
        port = DataPort(name)
        for number in range(1, 9):
            os.write(master, packet(number))
        port.close()
        port.close()
        assert [parse_packet(p.data).header.frame_number for p in port.take()] == list(range(1, 9))
        assert not port._thread.is_alive()


def test_beyond_its_room_the_oldest_packets_go_and_are_counted() -> None:
    room = 3 * len(packet(1))
    with pseudo_terminal() as (master, name), contextlib.closing(DataPort(name, max_queued_bytes=room)) as port:
        for number in range(1, 8):
            os.write(master, packet(number))
        wait_for(lambda: port.packets == 7)
        assert [parse_packet(p.data).header.frame_number for p in port.take()] == [5, 6, 7]
        assert port.dropped_packets == 4


def test_times_of_reads_do_not_pile_up_over_garbage() -> None:
    with pseudo_terminal() as (master, name), contextlib.closing(DataPort(name)) as port:
        for k in range(50):
            os.write(master, bytes(100))
            wait_for(lambda k=k: port._received_bytes == 100 * (k + 1))  # type: ignore[misc]
        wait_for(lambda: port.bytes_skipped >= 4990)
        assert len(port._arrivals) <= 1


def test_a_port_that_is_unplugged_is_an_event_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.closing(DataPort(address)) as port:
            with listener.accept()[0] as peer:
                peer.sendall(packet(1) + packet(2)[:60])
                wait_for(lambda: port.packets == 1)
            wait_for(lambda: port._serial is None or len(port._events) > 0)
            # On a busy computer a try to connect may be given up while it is still in the listener's queue.
            while port.packets < 2:
                with listener.accept()[0] as peer, contextlib.suppress(OSError):
                    peer.sendall(packet(3))
                    deadline = time.monotonic() + 2.0
                    while port.packets < 2 and time.monotonic() < deadline:
                        time.sleep(0.005)
            gone, back, *_ = port.take_events()
            assert (gone.kind, back.kind) == (EventKind.LINK, EventKind.LINK)
            assert address in gone.text
            assert "went away" in gone.text
            assert "came back" in back.text
            assert gone.host_monotonic_ns <= back.host_monotonic_ns
            assert [parse_packet(p.data).header.frame_number for p in port.take()] == [1, 3]
            assert (port.bad_packets, port.bytes_skipped) == (1, 60)


def test_a_port_that_stays_away_is_one_event_and_closes() -> None:
    with pseudo_terminal() as (master, name), contextlib.closing(DataPort(name)) as port:
        os.close(master)
        wait_for(lambda: port._serial is None)
        assert [event.kind for event in port.take_events()] == [EventKind.LINK]
    assert port.take_events() == []


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceNotFoundError, match="/dev/no-such-port") as caught:
        DataPort("/dev/no-such-port")
    assert "data=none" in caught.value.hint


def test_a_side_packet_is_a_record_of_the_project() -> None:
    with pseudo_terminal() as (master, name), contextlib.closing(DataPort(name)) as port:
        os.write(master, packet(1))
        wait_for(lambda: port.packets == 1)
        (taken,) = port.take()
        assert isinstance(taken, SidePacket)
        assert len(taken.kind.encode("ascii")) <= 32


# --- what the profile wants ------------------------------------------------------------------------------------------


def commands(*lines: str) -> list[ProfileCommand]:
    return [ProfileCommand(n, line.split()[0], tuple(line.split()[1:])) for n, line in enumerate(lines, start=1)]


def test_the_default_profile_wants_nothing_of_the_data_port() -> None:
    for dialect in Dialect:
        assert requested_data_port(commands_for(default_profile(), dialect)) == DataPortRequest(False, 921_600)


def test_a_profile_that_monitors_wants_the_port_at_its_rate() -> None:
    assert requested_data_port(commands("guiMonitor -1 1 1 0 0 0 1")) == DataPortRequest(True, 921_600)
    both = commands("configDataPort 3125000 1", "guiMonitor 0 0 0 0 0 0 0", "guiMonitor 1 0 0 0 0 0 1")
    assert requested_data_port(both) == DataPortRequest(True, 3_125_000)


@pytest.mark.parametrize(
    "line", ["configDataPort 3125001 0", "configDataPort 0 0", "configDataPort fast 0", "guiMonitor -1 x 0 0 0 0 0"]
)
def test_a_line_that_cannot_be_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match="line 2 of the profile") as caught:
        requested_data_port(commands("guiMonitor -1 1 0 0 0 0 0", line))
    assert caught.value.hint


def test_the_firmware_tells_its_rate() -> None:
    assert told_baud_rate(["Sensor State: 0", "Data port baud rate: 1250000"]) == 1_250_000
    for lines in ([], ["Sensor State: 2"], ["Data port baud rate: 99999999"], ["Data port baud rate: 0"]):
        assert told_baud_rate(lines) is None


# --- over the runs of a radar ----------------------------------------------------------------------------------------


def test_runs_share_a_queue_and_no_packet_is_left_behind() -> None:
    with pseudo_terminal() as (master, name):
        runs = DataPortOfRuns(name, "/dev/console")
        for number in (1, 2):
            runs.open(921_600)
            os.write(master, packet(number))
            runs.close()
        runs.close()
        assert [parse_packet(p.data).header.frame_number for p in runs.take()] == [1, 2]
        assert runs.take() == []
        runs.open(921_600)
        os.write(master, packet(3))
        wait_for(lambda: runs._port is not None and runs._port.packets == 1)
        assert parse_packet(runs.take()[0].data).header.frame_number == 3
        runs.close()
        assert runs.take_events() == []


def test_runs_whose_packets_nobody_takes_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 2 * len(packet(1)))
    with pseudo_terminal() as (master, name):
        runs = DataPortOfRuns(name, "/dev/console")
        for number in range(1, 6):
            runs.open(921_600)
            os.write(master, packet(number))
            runs.close()
        assert [parse_packet(p.data).header.frame_number for p in runs.take()] == [4, 5]


def test_auto_takes_the_other_port_of_the_same_board(monkeypatch: pytest.MonkeyPatch) -> None:
    with pseudo_terminal() as (master, name):
        monkeypatch.setattr(module, "find_data_port", {"/dev/console": name}.get)
        runs = DataPortOfRuns("auto", "/dev/console")
        runs.open(921_600)
        os.write(master, packet(7))
        runs.close()
        assert len(runs.take()) == 1


@pytest.mark.parametrize("found", [None, "/dev/no-such-port"])
def test_auto_goes_on_without_a_port_and_says_so(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    monkeypatch.setattr(module, "find_data_port", lambda console: found)
    runs = DataPortOfRuns("auto", "/dev/console")
    runs.open(921_600)
    (event,) = runs.take_events()
    assert event.kind is EventKind.LINK
    assert "not recorded" in event.text
    assert runs.take() == []
    runs.close()


def test_a_port_that_was_named_must_be_there() -> None:
    with pytest.raises(DeviceNotFoundError):
        DataPortOfRuns("/dev/no-such-port", "/dev/console").open(921_600)


def test_none_wants_no_port() -> None:
    assert not DataPortOfRuns("none", "/dev/console").is_wanted(DataPortRequest(True))
    assert DataPortOfRuns("auto", "/dev/console").is_wanted(DataPortRequest(True))
    assert not DataPortOfRuns("auto", "/dev/console").is_wanted(DataPortRequest(False))


# --- beside the frames -----------------------------------------------------------------------------------------------


def profile(*more: str) -> str:
    """Return the default profile as a ``.cfg`` of SDK 3 that asks for points and a range profile."""
    lines = as_cfg(default_profile(), Dialect.SDK3).splitlines()
    assert "guiMonitor -1 0 0 0 0 0 0" in lines
    return "\n".join(
        [*(line for line in lines if not line.startswith("guiMonitor")), "guiMonitor -1 1 1 0 0 0 0", *more]
    )


@pytest.fixture
def board() -> Iterator[SimulatedBoard]:
    board = SimulatedBoard(make_scene("noise"), speed=math.inf)
    try:
        yield board
    finally:
        board.close()


@pytest.mark.parametrize(("text", "baud"), [(profile(), 921_600), (profile("configDataPort 1250000 0"), 1_250_000)])
def test_the_driver_reads_the_data_port_while_the_radar_runs(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch, text: str, baud: int
) -> None:
    opened: list[int] = []

    def open_port(name: str, rate: int) -> DataPort:
        opened.append(rate)
        return DataPort(name, rate)

    monkeypatch.setattr(module, "DataPort", open_port)
    with pseudo_terminal() as (master, name), Awr1642(board.serial_port, board.addresses, data=name) as device:
        device.configure(text)
        assert opened == []
        for run in (1, 2):
            device.start()
            assert opened == [baud] * run
            os.write(master, packet(run))
            assert device.read(20.0) is not None
            device.stop()
            (side,) = device.take_side_packets()
            assert parse_packet(side.data).header.frame_number == run
        assert device.take_side_packets() == []


@pytest.mark.parametrize(("text", "data"), [(default_profile(), "/dev/no-such-port"), (profile(), "none")])
def test_a_port_that_is_not_wanted_is_not_opened(board: SimulatedBoard, text: str, data: str) -> None:
    with Awr1642(board.serial_port, board.addresses, data=data) as device:
        device.configure(text)
        device.start()
        assert device.read(20.0) is not None
        assert device.take_side_packets() == []
        assert [event for event in device.take_events() if event.kind is EventKind.LINK] == []


def test_a_named_port_that_is_not_there_ends_the_start_before_the_radar_runs(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses, data="/dev/no-such-port") as device:
        device.configure(profile())
        with pytest.raises(DeviceNotFoundError, match="/dev/no-such-port"):
            device.start()
        assert device.state is DeviceState.CONFIGURED
        assert device.stats.packets == 0


def test_auto_without_a_known_board_is_an_event_and_frames_come(board: SimulatedBoard) -> None:
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(profile())
        device.start()
        assert device.read(20.0) is not None
        assert ["is not known" in event.text for event in device.take_events() if event.kind is EventKind.LINK] == [
            True
        ]


def test_the_url_names_the_port(monkeypatch: pytest.MonkeyPatch, board: SimulatedBoard) -> None:
    made: list[str] = []

    class Noting(DataPortOfRuns):
        def __init__(self, choice: str, console_port: str) -> None:
            made.append(choice)
            super().__init__(choice, console_port)

    monkeypatch.setattr(device_module, "DataPortOfRuns", Noting)
    for option in ("", "?data=none", "?data=/dev/ttyACM1"):
        open_url(DeviceUrl.parse(f"awr1642://{board.serial_port}{option}")).close()
    assert made == ["auto", "none", "/dev/ttyACM1"]


@pytest.mark.parametrize("dialect", [Dialect.SDK1, Dialect.SDK3])
def test_the_simulated_radar_tells_where_its_people_are(dialect: Dialect) -> None:
    text = as_cfg(default_profile(), dialect).replace("guiMonitor -1 0 0 0 0 0 0", "guiMonitor -1 1 1 0 0 0 1")
    with SimulatedAwr1642(make_scene("crossing", 0), speed=8.0, dialect=dialect) as device:
        device.configure(text)
        device.start()
        frames = [frame for frame, _ in zip(device.frames(), range(5), strict=False)]
        truths = [device.truth(frame) for frame in frames]
        device.stop()
        found = [parse_packet(side.data) for side in device.take_side_packets()]
    assert [p.header.frame_number for p in found[:5]] == [1, 2, 3, 4, 5]
    for one, truth in zip(found, truths, strict=False):
        assert Dialect(one.header.version[0]) is dialect
        points = one.find(DetectedPoints)
        assert points is not None
        assert points.position_m[:, :2] == pytest.approx(truth.position_m, abs=0.005)
        assert one.find(RangeProfile) is not None


def test_what_the_radar_detects_is_recorded_beside_the_frames(tmp_path: Path) -> None:
    (tmp_path / "points.cfg").write_text(profile())
    arguments = ["record", "-d", "sim://awr1642?speed=8", "-c", str(tmp_path / "points.cfg"), "--frames", "5", "-q"]
    assert run([*arguments, "-o", str(tmp_path / "run.h5")]) == 0
    with open_recording(tmp_path / "run.h5") as recording:
        sides = list(recording.side_packets())
        first_ns = int(recording.host_monotonic_ns[0])
    assert len(sides) >= 4
    assert [parse_packet(side.data).header.frame_number for side in sides] == list(range(1, len(sides) + 1))
    assert all(first_ns < side.host_monotonic_ns for side in sides)
