"""The console: conversations with the demo over a fake port, a pseudo-terminal and TCP."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import serial
from serial.tools import list_ports

from isactrack import DeviceError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError
from isactrack.drivers.awr1642 import console as console_module
from isactrack.drivers.awr1642.console import Console, reply_lines
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.discovery import find_consoles
from isactrack.drivers.awr1642.profile import as_cfg, default_profile, profile_commands
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.firmware import MmwDemoFirmware
from isactrack.drivers.simulated.scene import make_scene

DEFAULT = as_cfg(default_profile(), Dialect.SDK3)
PROMPT = b"mmwDemo:/>"
needs_pty = pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")


class FakePort:
    """A serial port whose other end is a function of bytes to bytes."""

    def __init__(self, answer: Callable[[bytes], bytes], waiting: bytes = b"") -> None:
        self.incoming = bytearray(waiting)
        self.written = bytearray()
        self._answer = answer

    @property
    def in_waiting(self) -> int:
        return len(self.incoming)

    def read(self, count: int) -> bytes:
        data = bytes(self.incoming[:count])
        del self.incoming[:count]
        if not data:
            time.sleep(0.002)
        return data

    def write(self, data: bytes) -> int:
        self.written += data
        self.incoming += self._answer(data)
        return len(data)

    def reset_input_buffer(self) -> None:
        self.incoming.clear()

    def close(self) -> None:
        return


def connect(monkeypatch: pytest.MonkeyPatch, port: FakePort, timeout_s: float = 0.2) -> Console:
    monkeypatch.setattr(serial, "serial_for_url", lambda *args, **kwargs: port)
    return Console("/dev/fake", timeout_s=timeout_s)


def talk(firmware: MmwDemoFirmware, line: str) -> str:
    return firmware.receive(line.encode() + b"\n").decode()


def configure(firmware: MmwDemoFirmware, text: str | None = None) -> None:
    for command in profile_commands(text or DEFAULT):
        if command.name not in ("sensorStart", "sensorStop"):
            assert talk(firmware, command.text).endswith("Done\n\rmmwDemo:/>"), command


# --- the emulated firmware, byte for byte ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("sensorStop", "sensorStop\nIgnored: Sensor is already stopped\n\rDone\n\rmmwDemo:/>"),
        ("flushCfg", "flushCfg\nDone\n\rmmwDemo:/>"),
        ("", "\nmmwDemo:/>"),
        ("% a comment", "% a comment\nSkipped\n\rmmwDemo:/>"),
        ("AT", "AT\n'AT' is not recognized as a CLI command\n\rmmwDemo:/>"),
        ("frameCfg 1", "frameCfg 1\nError: Invalid usage of the CLI command\n\rError -1\n\rmmwDemo:/>"),
        ("queryDemoStatus", "queryDemoStatus\nSensor State: 0\n\rData port baud rate: 921600\n\rDone\n\rmmwDemo:/>"),
    ],
)
def test_the_firmware_speaks_as_the_demo_does(line: str, reply: str) -> None:
    assert talk(MmwDemoFirmware(), line) == reply


def test_the_banner_names_platform_and_version() -> None:
    banner = MmwDemoFirmware().reset().decode()
    assert re.search(r"\*{42}\n\rxWR16xx MMW Demo 0\d\.0\d\.0\d\.0\d\n\r\*{42}", banner)
    assert banner.endswith("mmwDemo:/>")


def test_a_line_may_come_in_pieces_and_overlong_ones_are_cut() -> None:
    firmware = MmwDemoFirmware()
    out = b"".join(firmware.receive(bytes([byte])) for byte in b"sensorStop\n")
    assert out == b"sensorStop\nIgnored: Sensor is already stopped\n\rDone\n\rmmwDemo:/>"
    assert len(firmware.receive(b"x" * 5000)) == 255


RECONFIG = (
    "Error: Reconfig is not supported, only argument of 0 is\n\r"
    "(do not reconfig, just re-start the sensor) valid\n\rError -1\n\r"
)
FULL_FIRST = "Error: Full configuration must be provided before sensor can be started the first time\n\rError -1\n\r"
NO_NEW = (
    'Error: You have provided no configuration, issue "sensorStart 0" OR provide full configuration and issue '
    '"sensorStart"\n\rError -1\n\r'
)
COMPLETE_NEW = (
    'Error: You have provided complete new configuration, issue "sensorStart" (without argument) if you want it to '
    "take effect\n\rError -1\n\r"
)
PARTIAL = (
    "Error: You have provided partial configuration between stop and this command and partial configuration cannot be "
    'undone.Issue the full configuration and do "sensorStart" \n\rError -1\n\r'
)
DONE = "Done\n\r"
CALIBRATED = "Debug: Init Calibration Status = 0x1ffe\n\rDone\n\r"
STARTED = "Ignored: Sensor is already started\n\rDone\n\r"


@pytest.mark.parametrize(
    ("steps", "replies"),
    [
        (["sensorStart"], [FULL_FIRST]),
        (["sensorStart 1"], [RECONFIG]),
        (["frame", "sensorStart"], [FULL_FIRST]),
        (["full", "sensorStart"], [CALIBRATED]),
        (["full", "sensorStart 0"], [COMPLETE_NEW]),
        (["full", "sensorStart", "sensorStart"], [CALIBRATED, STARTED]),
        (["full", "sensorStart", "sensorStop", "sensorStart"], [CALIBRATED, DONE, NO_NEW]),
        (["full", "sensorStart", "sensorStop", "sensorStart 0"], [CALIBRATED, DONE, DONE]),
        (["full", "sensorStart", "sensorStop", "sensorStart 1"], [CALIBRATED, DONE, RECONFIG]),
        (["full", "sensorStart", "sensorStop", "frame", "sensorStart"], [CALIBRATED, DONE, PARTIAL]),
        (["full", "sensorStart", "sensorStop", "frame", "sensorStart 0"], [CALIBRATED, DONE, PARTIAL]),
        (["full", "sensorStart", "sensorStop", "full", "sensorStart 0"], [CALIBRATED, DONE, COMPLETE_NEW]),
        (["full", "sensorStart", "sensorStop", "full", "sensorStart"], [CALIBRATED, DONE, DONE]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) and "\n" not in "".join(value) else "",
)
def test_sensor_start_has_the_states_of_sdk_3(steps: list[str], replies: list[str]) -> None:
    running: list[bool] = []
    firmware = MmwDemoFirmware(lambda sensor, count: running.append(True), lambda: running.append(False))
    got = []
    for step in steps:
        if step == "full":
            configure(firmware)
        elif step == "frame":
            assert "Done" in talk(firmware, "frameCfg 0 0 64 0 100 1 0")
        else:
            got.append(talk(firmware, step).removeprefix(f"{step}\n").removesuffix("mmwDemo:/>"))
    assert got == replies
    assert len(running) == sum(reply in (CALIBRATED, DONE) for reply in replies)
    assert running == [index % 2 == 0 for index in range(len(running))]


def test_a_running_sensor_takes_no_configuration() -> None:
    firmware = MmwDemoFirmware()
    configure(firmware)
    talk(firmware, "sensorStart")
    assert "Error: Invalid mode.\n\rError -1" in talk(firmware, "frameCfg 0 0 64 0 100 1 0")


def test_a_start_with_other_values_of_what_is_fixed_until_the_next_reset_kills_the_firmware() -> None:
    firmware = MmwDemoFirmware()
    two = DEFAULT.replace("channelCfg 15 1 0", "channelCfg 15 3 0")
    configure(firmware)
    talk(firmware, "sensorStart")
    talk(firmware, "sensorStop")
    configure(firmware, two)
    assert re.fullmatch(r"sensorStart\nMSS Exception: \S+, line \d+\.\n\r", talk(firmware, "sensorStart"))
    assert talk(firmware, "version") == ""
    firmware.reset()
    configure(firmware, two)
    assert "Done" in talk(firmware, "sensorStart")


def test_a_profile_that_the_radar_cannot_run_is_refused_at_the_start() -> None:
    firmware = MmwDemoFirmware()
    configure(firmware, DEFAULT.replace("frameCfg 0 0 64 0 100", "frameCfg 0 0 64 0 5"))
    assert "Error: mmWave configuration failed" in talk(firmware, "sensorStart")
    assert "Sensor State: 1" in talk(firmware, "queryDemoStatus")


def test_the_firmware_hands_on_how_many_frames_are_wanted() -> None:
    counts: list[int | None] = []
    for frames in (0, 7):
        firmware = MmwDemoFirmware(lambda sensor, count: counts.append(count))
        configure(firmware, DEFAULT.replace("frameCfg 0 0 64 0 100", f"frameCfg 0 0 64 {frames} 100"))
        assert "Done" in talk(firmware, "sensorStart")
    assert counts == [None, 7]


# --- the client over a fake port -------------------------------------------------------------------------------------


def test_a_reply_comes_without_echo_and_done(monkeypatch: pytest.MonkeyPatch) -> None:
    console = connect(monkeypatch, FakePort(MmwDemoFirmware().receive))
    assert console.command("sensorStop") == ["Ignored: Sensor is already stopped"]
    assert console.command("flushCfg") == []
    assert console.command("version")[1] == "mmWave SDK Version      : 03.05.00.04"


@pytest.mark.parametrize(
    "stale", [b"", b"frameCfg 0 0", b"\xff\xfe\x00\x80" * 50, PROMPT, b"Done\n\r" + PROMPT, b"x" * 300]
)
def test_a_console_in_any_state_is_brought_to_its_prompt(monkeypatch: pytest.MonkeyPatch, stale: bytes) -> None:
    firmware = MmwDemoFirmware()
    port = FakePort(firmware.receive, waiting=b"\x00\xff" + stale)
    firmware.receive(stale)  # a line that somebody else has typed half
    console = connect(monkeypatch, port)
    console.synchronise()
    assert console.command("flushCfg") == []


def test_a_console_that_prompts_for_ever_does_not_hold_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Babbler(FakePort):
        @property
        def in_waiting(self) -> int:
            self.incoming[:] = PROMPT
            return len(PROMPT)

    console = connect(monkeypatch, Babbler(lambda data: b""))
    began = time.monotonic()
    console.synchronise()
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("guiMonitr 1", "'guiMonitr' is not recognized as a CLI command"),
        ("frameCfg 1 2", "Error: Invalid usage of the CLI command"),
        ("sensorStart", "Full configuration must be provided"),
        ("sensorStart 1", "Reconfig is not supported, only argument of 0 is (do not reconfig"),
    ],
)
def test_a_refusal_carries_the_firmwares_words(monkeypatch: pytest.MonkeyPatch, line: str, said: str) -> None:
    console = connect(monkeypatch, FakePort(MmwDemoFirmware().receive))
    with pytest.raises(ProtocolError, match=re.escape(said)) as caught:
        console.command(line)
    assert repr(line) in str(caught.value)
    assert caught.value.hint
    assert console.command("flushCfg") == []  # the conversation goes on


@pytest.mark.parametrize(
    "death",
    [
        b"MSS Exception: mss_main.c, line 42.\n",
        b"DSS Exception: x, line 1.",
        b"DSS Chirp Processing Deadline Miss Exception.\n",
    ],
)
def test_a_firmware_that_dies_mid_reply_is_named(monkeypatch: pytest.MonkeyPatch, death: bytes) -> None:
    console = connect(monkeypatch, FakePort(lambda data: data + b"Debug: Init Calibration Status = 0x1ffe\n\r" + death))
    with pytest.raises(ProtocolError, match=re.escape(death.decode().strip())) as caught:
        console.command("sensorStart", timeout_s=0.1)
    assert "power-cycle" in caught.value.hint


def test_a_half_reply_is_told_with_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    console = connect(monkeypatch, FakePort(lambda data: data + b"Debug: Init Cal"))
    with pytest.raises(DeviceTimeoutError, match=r"'flushCfg' in 0\.2 s; it said Debug: Init Cal") as caught:
        console.command("flushCfg")
    assert "reset" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda data: b"", "SOP"),
        (lambda data: data, "SOP"),
        (lambda data: bytes(range(128, 256)) * 4, "data port"),
    ],
    ids=["nothing", "echo", "binary"],
)
def test_a_console_without_a_prompt_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], bytes], hint: str
) -> None:
    monkeypatch.setattr(console_module, "_ATTEMPT_S", 0.2)
    console = connect(monkeypatch, FakePort(answer))
    with pytest.raises(DeviceTimeoutError, match="/dev/fake did not answer") as caught:
        console.synchronise(attempts=1)
    assert hint in caught.value.hint


def test_what_the_firmware_says_on_its_own_can_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    port = FakePort(MmwDemoFirmware().receive)
    console = connect(monkeypatch, port)
    assert console.listen() == []
    port.incoming += b"MSS Exception: f, line 1.\n\r"
    assert console.listen() == ["MSS Exception: f, line 1."]


def test_lines_are_split_at_any_mixture_of_returns() -> None:
    assert reply_lines(b"version\nA\n\rB\r\n\r\nDone\n\r", "version") == ["A", "B", "Done"]
    assert reply_lines(b"\xff\n", "")[0].strip("�") == ""


# --- ports -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (serial.SerialException(2, "could not open port X: No such file or directory"), "isactrack devices"),
        (serial.SerialException(13, "could not open port X: Permission denied"), "usermod -aG dialout"),
        (serial.SerialException("could not open port 'COM4': PermissionError(13, 'Access is denied.')"), "another"),
        (serial.SerialException("Could not exclusively lock port X: Resource unavailable"), "another program"),
        (ValueError("invalid URL, protocol 'foo' not known"), "name of the port"),
    ],
)
def test_a_port_that_cannot_be_opened_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, hint: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(serial, "serial_for_url", fail)
    with pytest.raises(DeviceNotFoundError, match=r"X|COM4|foo") as caught:
        Console("X")
    assert hint in caught.value.hint


def test_a_port_that_is_not_there_lists_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [SimpleNamespace(device="/dev/ttyACM7")])
    with pytest.raises(DeviceNotFoundError) as caught:
        Console("/dev/there-is-no-such-port")
    assert "/dev/ttyACM7" in caught.value.hint


def port_info(device: str, vid: int, pid: int, interface: str | None, description: str, location: str) -> object:
    return SimpleNamespace(
        device=device, vid=vid, pid=pid, interface=interface, description=description, location=location,
        serial_number="R1",
    )  # fmt: skip


def test_consoles_are_found_by_interface_never_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    xds, cp = (0x0451, 0xBEF3), (0x10C4, 0xEA70)
    ports = [
        port_info("/dev/ttyACM0", *xds, "XDS110 Class Auxiliary Data Port", "XDS110", "1-2:1.3"),
        port_info("/dev/ttyACM1", *xds, "XDS110 Class Application/User UART", "XDS110", "1-2:1.0"),
        port_info("/dev/ttyACM2", *xds, None, "XDS110 (03.00.00.25)", "1-3:1.0"),
        port_info("COM9", *xds, None, "XDS110 Class Application/User UART (COM9)", "1-4"),
        port_info("COM8", *xds, None, "XDS110 Class Auxiliary Data Port (COM8)", "1-4"),
        port_info("/dev/ttyUSB0", *cp, "Standard Com Port", "CP2105", "1-5:1.1"),
        port_info("/dev/ttyUSB1", *cp, "Enhanced Com Port", "CP2105", "1-5:1.0"),
        port_info("/dev/ttyUSB2", 0x0403, 0x6001, "User UART", "FT232", "1-6:1.0"),
        SimpleNamespace(
            device="/dev/ttyS0", vid=None, pid=None, interface=None, description="n/a", location=None,
            serial_number=None,
        ),
    ]  # fmt: skip
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert sorted(find_consoles()) == ["/dev/ttyACM1", "/dev/ttyACM2", "/dev/ttyUSB1", "COM9"]


# --- real wires ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[pytest.param(False, marks=needs_pty), True], ids=["pty", "tcp"])
def board(request: pytest.FixtureRequest) -> Iterator[SimulatedBoard]:
    simulated = SimulatedBoard(make_scene("noise"), use_tcp=request.param)
    yield simulated
    simulated.close()


def test_the_conversation_is_the_same_on_a_real_wire(board: SimulatedBoard) -> None:
    console = Console(board.serial_port)
    try:
        console.synchronise()
        assert console.command("sensorStop") == ["Ignored: Sensor is already stopped"]
        with pytest.raises(ProtocolError, match="not recognized"):
            console.command("hello")
        for command in profile_commands(DEFAULT):
            if command.name != "sensorStart":
                console.command(command.text)
        assert console.command("queryDemoStatus") == ["Sensor State: 0", "Data port baud rate: 921600"]
        assert console.command("sensorStart") == ["Debug: Init Calibration Status = 0x1ffe"]
        assert console.command("sensorStop") == []
    finally:
        console.close()


def test_a_second_client_finds_the_console_where_the_first_left_it(board: SimulatedBoard) -> None:
    for _ in range(2):
        console = Console(board.serial_port)
        console.synchronise()
        console.command("flushCfg")
        console.close()
        time.sleep(0.1)  # the socket notices that its peer has gone


@needs_pty
def test_a_port_that_is_in_use_is_refused() -> None:
    board = SimulatedBoard(make_scene("noise"), use_tcp=False)
    first = Console(board.serial_port)
    try:
        with pytest.raises(DeviceNotFoundError) as caught:
            Console(board.serial_port)
        assert "another program" in caught.value.hint
    finally:
        first.close()
        board.close()


@needs_pty
def test_a_host_that_never_reads_does_not_hold_the_board() -> None:
    board = SimulatedBoard(make_scene("noise"), use_tcp=False)
    console = Console(board.serial_port)
    for _ in range(40):
        console._write(b"version\n" * 50)
    console.close()
    began = time.monotonic()
    board.close()
    assert time.monotonic() - began < 2.0


@pytest.fixture
def wire() -> Iterator[tuple[int, Console]]:
    """A pseudo-terminal's other end, and a console on it."""
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo-terminals")
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    console = Console(os.ttyname(slave), timeout_s=1.0)
    os.close(slave)
    yield master, console
    console.close()


def test_a_board_that_is_unplugged_mid_command_is_one_clear_error(wire: tuple[int, Console]) -> None:
    master, console = wire
    unplug = threading.Timer(0.2, os.close, (master,))
    unplug.start()
    with pytest.raises(DeviceNotFoundError, match="went away") as caught:
        console.command("flushCfg", timeout_s=3.0)
    unplug.join()
    assert "USB cable" in caught.value.hint
    for call in (console.listen, console.synchronise, lambda: console.command("version")):
        with pytest.raises(DeviceError):
            call()


def test_a_wedged_port_times_out_on_write(wire: tuple[int, Console]) -> None:
    master, console = wire
    console._port.write_timeout = 0.3
    began = time.monotonic()
    with pytest.raises(DeviceTimeoutError, match="took no bytes") as caught:
        console._write(b"x" * 300_000)
    assert time.monotonic() - began < 2.0
    assert "unplug" in caught.value.hint
    os.close(master)
