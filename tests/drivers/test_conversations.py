"""Conversations with the demo of each SDK, word for word, and what is left of them on a bad line."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from unittest.mock import MagicMock, patch

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, DeviceTimeoutError, FmcwSensor, IsacError, ProtocolError
from isactrack.drivers.awr1642 import console as console_module
from isactrack.drivers.awr1642 import device as driver
from isactrack.drivers.awr1642.console import Console, FirmwareCrashError, GarbledReplyError, RadarResetError
from isactrack.drivers.awr1642.dca1000 import Command, Dca1000
from isactrack.drivers.awr1642.device import Awr1642
from isactrack.drivers.awr1642.dialect import ARGUMENT_COUNTS, Dialect
from isactrack.drivers.awr1642.spy import WireLog, conversation
from isactrack.drivers.device import DeviceState
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.firmware import MmwDemoFirmware, version_lines
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.url import DeviceUrl
from isactrack.events import EventKind
from isactrack.sensor import require_fmcw

P = b"mmwDemo:/>"
Script = Sequence[tuple[bytes, bytes]]

SDK1 = """
dfeDataOutputMode 1
channelCfg 15 3 0
adcCfg 2 1
adcbufCfg -1 0 0 1 1
profileCfg 0 77 7 7 58 0 0 68 1 256 5500 0 0 30
chirpCfg 0 0 0 0 0 0 0 1
chirpCfg 1 1 0 0 0 0 0 2
frameCfg 0 1 16 0 40 1 0
lowPower 0 0
guiMonitor -1 0 0 0 0 0 0
cfarCfg -1 0 2 8 4 4 0 5120
cfarCfg -1 1 0 8 4 4 0 5120
peakGrouping -1 1 0 0 1 224
multiObjBeamForming -1 1 0.5
clutterRemoval -1 0
calibDcRangeSig -1 0 -5 8 256
extendedMaxVelocity -1 0
bpmCfg -1 0 0 1
lvdsStreamCfg -1 0 1 0
nearFieldCfg -1 0 0 0
compRangeBiasAndRxChanPhase 0.0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1 0
measureRangeBiasAndRxChanPhase 0 1.5 0.2
CQRxSatMonitor 0 3 5 123 0
CQSigImgMonitor 0 127 6
analogMonitor 0 0
"""
SDK3 = (
    SDK1.replace("adcbufCfg -1 0 0 1 1", "adcbufCfg -1 0 1 1 1")
    .replace("cfarCfg -1 0 2 8 4 4 0 5120", "cfarCfg -1 0 2 8 4 3 0 15 1")
    .replace("cfarCfg -1 1 0 8 4 4 0 5120", "cfarCfg -1 1 0 4 2 3 1 15 1")
    .replace("peakGrouping -1 1 0 0 1 224\n", "aoaFovCfg -1 -90 90 -90 90\ncfarFovCfg -1 0 0 8.92\n")
    .replace("nearFieldCfg -1 0 0 0\n", "cfarFovCfg -1 1 -1 1.00\ncalibData 0 0 0\n")
)
PROFILES = {Dialect.SDK1: SDK1, Dialect.SDK2: SDK1, Dialect.SDK3: SDK3}
BANNER = {d: MmwDemoFirmware(dialect=d).reset() for d in Dialect}
DIALECTS = pytest.mark.parametrize("dialect", list(Dialect), ids=lambda d: d.label)


# --- the kit ---------------------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass while a port has nothing to say."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Port:
    """A serial port whose other end is a function; `chunk` bytes come at a time, and time passes only in silence."""

    def __init__(self, answer: Callable[[bytes], bytes], *, waiting: bytes = b"", chunk: int = 4096) -> None:
        self.answer = answer
        self.incoming = bytearray(waiting)
        self.chunk = chunk
        self.clock = Clock()
        self.lines: list[str] = []

    @property
    def in_waiting(self) -> int:
        return min(len(self.incoming), self.chunk)

    def read(self, count: int) -> bytes:
        data = bytes(self.incoming[: min(count, self.chunk)])
        del self.incoming[: len(data)]
        self.clock.now_s += 1e-4 if data else 0.02
        return data

    def write(self, data: bytes) -> int:
        self.lines.append(data.decode("latin-1").rstrip("\n"))
        self.incoming += self.answer(data)
        return len(data)

    def close(self) -> None:
        return

    def console(self, timeout_s: float = 2.0, wire_log: WireLog | None = None) -> Console:
        with patch.object(serial, "serial_for_url", lambda *args, **kwargs: self):
            return Console("/dev/fake", timeout_s=timeout_s, wire_log=wire_log, clock=self.clock)


class Player:
    """Answers by a script, and complains of anything that the script does not expect."""

    def __init__(self, script: Script) -> None:
        self.left = list(script)

    def __call__(self, data: bytes) -> bytes:
        assert self.left, f"the script is over, but {data!r} was sent"
        expected, reply = self.left.pop(0)
        assert data == expected, f"the script expects {expected!r}, but {data!r} was sent"
        return reply


def said(line: str, *replies: str) -> tuple[bytes, bytes]:
    """One exchange as the firmware has it, replies with the returns it adds."""
    return line.encode() + b"\n", line.encode() + b"\n" + "".join(f"{r}\n\r" for r in replies).encode() + P


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def talk(firmware: MmwDemoFirmware, line: str) -> str:
    return firmware.receive(line.encode() + b"\n").decode().removeprefix(f"{line}\n").removesuffix(P.decode())


def configured(dialect: Dialect, text: str | None = None) -> MmwDemoFirmware:
    firmware = MmwDemoFirmware(dialect=dialect)
    for line in lines_of(text or PROFILES[dialect]):
        assert talk(firmware, line) == "Done\n\r", line
    return firmware


# --- the emulated firmware of each SDK -------------------------------------------------------------------------------


@DIALECTS
def test_each_firmware_greets_with_its_version_and_tells_it(dialect: Dialect) -> None:
    version = {1: "01.02.00.05", 2: "02.00.00.04", 3: "03.05.00.04"}[dialect]
    banner = MmwDemoFirmware(dialect=dialect).reset()
    stars = b"*" * 42
    assert banner == b"\n\r" + stars + f"\n\rxWR16xx MMW Demo {version}\n\r".encode() + stars + b"\n\r\n\r" + P
    assert f"mmWave SDK Version      : {version}" in version_lines(dialect)


@DIALECTS
def test_each_firmware_takes_its_own_commands_with_their_counts(dialect: Dialect) -> None:
    firmware = MmwDemoFirmware(dialect=dialect)
    for name in {name for counts in ARGUMENT_COUNTS.values() for name in counts} - {"sensorStart", "contModeCfg"}:
        for count in range(12):
            reply = talk(firmware, " ".join([name, *["1"] * count]))
            known = ARGUMENT_COUNTS[dialect].get(name)
            if known is None:
                assert reply == f"'{name}' is not recognized as a CLI command\n\r"
            else:
                assert (reply == "Error: Invalid usage of the CLI command\n\rError -1\n\r") == (count not in known)


@pytest.mark.parametrize(
    ("line", "dialects"),
    [
        ("queryDemoStatus", {3}), ("configDataPort 921600 0", {3}), ("peakGrouping -1 1 0 0 1 224", {1, 2}),
        ("nearFieldCfg -1 0 0 0", {1, 2}), ("aoaFovCfg -1 -90 90 -90 90", {3}), ("calibData 0 0 0", {3}),
        ("cfarCfg -1 0 2 8 4 4 0 5120", {1, 2}), ("cfarCfg -1 0 2 8 4 3 0 15 1", {3}), ("adcbufCfg 0 0 1 1", {1}),
        ("adcbufCfg -1 0 0 1 1", {1, 2}), ("adcbufCfg -1 0 1 1 1", {1, 2, 3}),
    ],
)  # fmt: skip
def test_the_dialects_differ_where_they_do(line: str, dialects: set[int]) -> None:
    assert {d for d in Dialect if talk(MmwDemoFirmware(dialect=d), line).endswith("Done\n\r")} == dialects


@pytest.mark.parametrize("dialect", [Dialect.SDK1, Dialect.SDK2])
def test_before_sdk_3_a_start_is_always_accepted(dialect: Dialect) -> None:
    running: list[bool] = []
    firmware = MmwDemoFirmware(lambda *_: running.append(True), lambda: running.append(False), dialect=dialect)
    assert talk(firmware, "sensorStop") == "Done\n\r"
    for line in lines_of(SDK1):
        talk(firmware, line)
    assert talk(firmware, "sensorStart") == "Debug: Init Calibration Status = 0x1ffe\n\rDone\n\r"
    assert talk(firmware, "sensorStart") == "Done\n\r"
    assert talk(firmware, "sensorStop") == "Done\n\r"
    for argument in ("", " 0", " 1"):
        assert talk(firmware, f"sensorStart{argument}") == "Done\n\r"
        assert talk(firmware, "sensorStop") == "Done\n\r"
    assert running == [True, False] * 4


@pytest.mark.parametrize("dialect", [Dialect.SDK1, Dialect.SDK2])
def test_before_sdk_3_what_is_fixed_stays_as_it_was_without_a_word(dialect: Dialect) -> None:
    antennas: list[int] = []
    firmware = MmwDemoFirmware(lambda sensor, count: antennas.append(sensor.n_rx), dialect=dialect)
    for text in (SDK1, SDK1.replace("channelCfg 15 3 0", "channelCfg 3 3 0")):
        talk(firmware, "flushCfg")
        for line in lines_of(text):
            assert talk(firmware, line) == "Done\n\r"
        assert "Done" in talk(firmware, "sensorStart")
        talk(firmware, "sensorStop")
    assert antennas == [4, 4]


@DIALECTS
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (" 256 5500 0 0 30", " 32 5500 0 0 30", "-3108 Subsystem 48"),
        (" 256 5500 0 0 30", " 256 15000 0 0 30", "-3108 Subsystem 49"),
        (" 256 5500 0 0 30", " 256 5500 0 0 60", "-3108 Subsystem 52"),
        ("profileCfg 0 77 7 7 58", "profileCfg 0 77 1 7 58", "-3108 Subsystem 38"),
        ("profileCfg 0 77 7 7 58", "profileCfg 0 77 7 7 40", "-3108 Subsystem 41"),
        ("frameCfg 0 1 16 0 40", "frameCfg 0 1 16 0 1", "-3110 Subsystem 72"),
        ("adcbufCfg -1 0 1 1 1", "adcbufCfg -1 0 1 1 8", "-3110 Subsystem 72"),
    ],
)
def test_what_the_radar_cannot_run_fails_at_the_start_with_its_code(
    dialect: Dialect, old: str, new: str, error: str
) -> None:
    text = PROFILES[dialect].replace("adcbufCfg -1 0 0 1 1", "adcbufCfg -1 0 1 1 1")
    assert old in text
    firmware = configured(dialect, text.replace(old, new))
    code = error.split()[0]
    reply = f"Error: mmWave configuration failed [Error code {error}]\n\rError {code}\n\r"
    assert talk(firmware, "sensorStart") == reply


@DIALECTS
def test_frame_mode_refuses_the_commands_of_other_modes(dialect: Dialect) -> None:
    firmware = MmwDemoFirmware(dialect=dialect)
    only = "Error: Configuration is valid only if the DFE Output Mode is"
    talk(firmware, "dfeDataOutputMode 1")
    assert talk(firmware, "advFrameCfg 1 0 0 1 0") == f"{only} Advanced Frame\n\rError -1\n\r"
    assert talk(firmware, "subFrameCfg 0 0 0 1 16 100 0 1 1 100").startswith(f"{only} Advanced Frame")
    talk(firmware, "dfeDataOutputMode 3")
    assert talk(firmware, "frameCfg 0 1 16 0 40 1 0") == f"{only} Chirp\n\rError -1\n\r"
    talk(firmware, "dfeDataOutputMode 2")
    assert talk(firmware, "chirpCfg 0 0 0 0 0 0 0 1") == f"{only} Frame or Advanced Frame\n\rError -1\n\r"
    assert talk(firmware, "guiMonitor 4 0 0 0 0 0 0") == "Error: Subframe number is invalid\n\rError -1\n\r"
    if dialect is Dialect.SDK3:
        assert "only 1 supported" in talk(firmware, "adcbufCfg -1 0 0 1 1")


def test_the_data_port_is_set_and_acknowledges_at_its_new_rate() -> None:
    heard: list[tuple[int, bytes]] = []
    firmware = MmwDemoFirmware(on_data_port=lambda baud, data: heard.append((baud, data)))
    assert talk(firmware, "configDataPort 1250000 1") == "Done\n\r"
    assert talk(firmware, "configDataPort 460800 0") == "Done\n\r"
    assert talk(firmware, "configDataPort 3125001 0").endswith("Error -1\n\r")
    assert heard == [(1250000, b"\xff" * 16), (460800, b"")]
    assert "Data port baud rate: 460800" in talk(firmware, "queryDemoStatus")
    firmware.reset()
    assert firmware.data_port_baud == 921600


def test_what_the_data_port_is_to_send_is_known_when_the_frames_begin() -> None:
    wanted: list[tuple[int, ...] | None] = []
    firmware = MmwDemoFirmware(lambda *_: wanted.append(firmware.gui_monitor))
    assert firmware.gui_monitor is None
    for line in lines_of(SDK3.replace("guiMonitor -1 0 0 0 0 0 0", "guiMonitor -1 1 1 0 0 0 1")):
        talk(firmware, line)
    assert firmware.gui_monitor is None
    talk(firmware, "sensorStart")
    assert wanted == [(1, 1, 0, 0, 0, 1)]


@DIALECTS
def test_a_dead_firmware_is_silent_until_its_reset(dialect: Dialect) -> None:
    firmware = configured(dialect)
    assert firmware.crash("DSS Chirp Processing Deadline Miss Exception.") == (
        b"DSS Chirp Processing Deadline Miss Exception.\n\r"
    )
    assert firmware.receive(b"version\n") == b""
    assert firmware.reset() == BANNER[dialect]
    assert talk(firmware, "flushCfg") == "Done\n\r"


@DIALECTS
def test_a_wedged_board_starts_only_after_a_reset(dialect: Dialect) -> None:
    firmware = configured(dialect)
    firmware.wedge()
    for _ in range(2):
        assert talk(firmware, "sensorStart").endswith("Subsystem 118]\n\rError -3110\n\r")
    firmware.reset()
    for line in lines_of(PROFILES[dialect]):
        talk(firmware, line)
    assert talk(firmware, "sensorStart").endswith("Done\n\r")


# --- one exchange, word for word -------------------------------------------------------------------------------------

GOLDEN: list[tuple[bytes, bytes, list[str] | str]] = [
    (*said("sensorStop", "Ignored: Sensor is already stopped", "Done"), ["Ignored: Sensor is already stopped"]),
    (*said("sensorStop", "Done"), []),
    (*said("flushCfg", "Done"), []),
    (*said("% by hand", "Skipped"), ["Skipped"]),
    (*said("AT+CGMI", "'AT+CGMI' is not recognized as a CLI command"), "does not know 'AT\\+CGMI'"),
    (*said("frameCfg 1", "Error: Invalid usage of the CLI command", "Error -1"), "Invalid usage of the CLI command$"),
    (*said("adcCfg 2 1", "Error: Invalid mode.", "Error -1"), "refused 'adcCfg 2 1': Error: Invalid mode.$"),
    (
        *said("sensorStart", "Debug: Init Calibration Status = 0x7fe", "Done"),
        ["Debug: Init Calibration Status = 0x7fe"],
    ),
    (*said("sensorStart", "Ignored: Sensor is already started", "Done"), ["Ignored: Sensor is already started"]),
    (
        *said(
            "sensorStart 1", "Error: Reconfig is not supported, only argument of 0 is",
            "(do not reconfig, just re-start the sensor) valid", "Error -1",
        ),
        r"only argument of 0 is \(do not reconfig, just re-start the sensor\) valid$",
    ),
    (*said("profileCfg 0", "Error: x", "Error -3108"), "refused 'profileCfg 0': Error: x$"),
    (b"flushCfg\n", P + b"flushCfg\nDone\n\r" + P, []),
    (b"flushCfg\n", P + P + b"\r\n" + P + b"flushCfg\r\nDone\r\n" + P, []),
    (b"flushCfg\n", b"flushCfg\nDone\n\r" + P + b"AT\n'AT' is not recognized as a CLI command\n\r" + P, []),
    (b"flushCfg\n", b"flushCfg\nDone\n\r" + P + b"AT+C", []),
    (b"flushCfg\n", b"\x00\xfe garbage\r\nflushCfg\nDone\n\r" + P, []),
]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 4096])
@pytest.mark.parametrize(("line", "reply", "outcome"), GOLDEN)
def test_an_exchange_is_understood_however_it_is_cut(
    line: bytes, reply: bytes, outcome: list[str] | str, chunk: int
) -> None:
    port = Port(Player([(line, reply)]), chunk=chunk)
    began = port.clock()
    if isinstance(outcome, list):
        assert port.console().command(line.decode().strip()) == outcome
    else:
        with pytest.raises(ProtocolError, match=outcome):
            port.console().command(line.decode().strip())
    assert port.clock() - began < 0.5


def test_a_prompt_that_was_under_way_does_not_end_a_slow_start() -> None:
    class SlowPort(Port):
        def read(self, count: int) -> bytes:
            if self.lines and self.clock.now_s > 105.0 and len(self.lines) == 1:
                self.lines.append("")
                self.incoming += b"Debug: Init Calibration Status = 0x1ffe\n\rDone\n\r" + P
            return super().read(count)

    port = SlowPort(lambda data: P + data)
    assert port.console().command("sensorStart") == ["Debug: Init Calibration Status = 0x1ffe"]


@pytest.mark.parametrize("line", ["x" * 256, "a\nb", "gr\u00fcn 1", "", " "])
def test_what_the_console_cannot_take_is_not_sent(line: str) -> None:
    port = Port(Player([]))
    with pytest.raises(ConfigError):
        port.console().command(line)


@pytest.mark.parametrize(
    ("line", "limit_s"), [("sensorStart", 10.0), ("sensorStart 0", 10.0), ("sensorStop", 3.0), ("flushCfg", 2.0)]
)
def test_each_command_has_its_deadline_and_the_error_tells_it(line: str, limit_s: float) -> None:
    port = Port(lambda data: data + b"Debug: Init")
    began = port.clock()
    with pytest.raises(DeviceTimeoutError, match=f"'{line}' in {limit_s:g} s; it said Debug: Init$"):
        port.console().command(line)
    assert port.clock() - began == pytest.approx(limit_s, abs=0.1)


@pytest.mark.parametrize("chunk", [1, 7, 4096])
@pytest.mark.parametrize(
    "words",
    [
        "MSS Exception: mss_main.c, line 42.",
        "DSS Exception: x, line 1.",
        "DSS Chirp Processing Deadline Miss Exception.",
    ],
)
def test_a_crash_ends_the_wait_at_once(words: str, chunk: int) -> None:
    port = Port(lambda data: data + b"Debug: Init Calibration Status = 0x1ffe\n\r" + words.encode(), chunk=chunk)
    began = port.clock()
    with pytest.raises(FirmwareCrashError, match=re.escape(words)) as caught:
        port.console().command("sensorStart")
    assert port.clock() - began < 0.3
    assert "power-cycle" in caught.value.hint


def test_a_crash_while_nobody_asked_is_told_at_the_next_command() -> None:
    port = Port(Player([]), waiting=b"MSS Exception: a.c, line 1.\n\r")
    with pytest.raises(FirmwareCrashError, match=r"a\.c"):
        port.console().command("sensorStop")


@DIALECTS
@pytest.mark.parametrize("before", [b"", b"frameCfg 0 1 16", b"frameCfg 0 1 16 0 40 1 0\nDone\n\r"])
def test_a_reset_during_a_command_is_told(dialect: Dialect, before: bytes) -> None:
    port = Port(Player([(b"frameCfg 0 1 16 0 40 1 0\n", before + BANNER[dialect])]))
    with pytest.raises(RadarResetError, match="reset before it finished 'frameCfg") as caught:
        port.console().command("frameCfg 0 1 16 0 40 1 0")
    assert "configure it again" in caught.value.hint


def test_a_reset_between_commands_is_told_at_the_next_one_but_not_after_a_synchronisation() -> None:
    port = Port(Player([]), waiting=BANNER[Dialect.SDK2])
    with pytest.raises(RadarResetError, match=r"02\.00\.00\.04"):
        port.console().command("sensorStop")
    port = Port(Player([(b"\n", b"\n" + P), said("sensorStop", "Done")]), waiting=BANNER[Dialect.SDK2])
    console = port.console()
    console.synchronise()
    assert console.command("sensorStop") == []


@pytest.mark.parametrize(
    ("stale", "typed"),
    [
        (b"\x02\x01\x04\x03\xff" * 200, b""),
        (b"", b"AT+CGMI\rAT\rAT"),
        (b"Done\n\r" + P, b"profileCfg 0 77 7"),
        (P * 400, b""),
        (BANNER[Dialect.SDK3], b""),
        (BANNER[Dialect.SDK1][:60], b"x" * 600),
        (b"MSS Exception: a.c, line 1.\n\r" + BANNER[Dialect.SDK3], b""),
    ],
    ids=["binary", "modem manager", "half a line", "prompts", "banner", "half a banner", "died and came back"],
)
@pytest.mark.parametrize("chunk", [3, 4096])
def test_the_prompt_is_found_again_after_anything(stale: bytes, typed: bytes, chunk: int) -> None:
    firmware = MmwDemoFirmware()
    firmware.receive(typed)
    port = Port(firmware.receive, waiting=stale, chunk=chunk)
    console = port.console()
    console.synchronise()
    assert console.command("flushCfg") == []


@pytest.mark.parametrize("prompt", ["vitalSigns:/>", "rtosDemo:/>", "root@host:~#", "->"])
def test_another_programs_prompt_is_named(prompt: str) -> None:
    port = Port(lambda data: b"\n\r" + prompt.encode())
    with pytest.raises(ProtocolError, match=re.escape(repr(prompt))) as caught:
        port.console().synchronise()
    assert "flash" in caught.value.hint


# --- a bad line ------------------------------------------------------------------------------------------------------

SYNC = (b"\n", b"\n" + P)


@pytest.mark.parametrize(
    "reply",
    [
        b"frmeCfg 0 1 16 0 40 1 0\n'frmeCfg' is not recognized as a CLI command\n\r" + P,
        b"frameCfg 0 1 16 0 4\xff 1 0\nDone\n\r" + P,
        b"frameCfg 0 1 16 0 40 1 0\nDo" + P,
        b"frameCfg 0 1 16 0 40 1 0",  # the end of the line got lost, so it is still being typed
        b"frameCfg 0 1 16AT\n'AT' is not recognized as a CLI command\n\r" + P,
        b"Done\n\r" + P,
        b"frameCfg 0 1 16 0 40 1 0\n'ATframeCfg' is not recognized as a CLI command\n\r" + P,
    ],
)
def test_a_line_whose_reply_is_garbled_is_sent_once_more(reply: bytes, caplog: pytest.LogCaptureFixture) -> None:
    line = "frameCfg 0 1 16 0 40 1 0"
    script = Player([(line.encode() + b"\n", reply), SYNC, said(line, "Done")])
    with caplog.at_level("WARNING"):
        assert Port(script).console().command(line) == []
    assert not script.left
    assert "garbled" in caplog.text


def test_a_line_that_is_garbled_twice_is_an_error_that_names_the_cable() -> None:
    bad = (b"flushCfg\n", b"flshCfg\nDone\n\r" + P)
    with pytest.raises(GarbledReplyError, match="'flushCfg' is garbled: flshCfg / Done") as caught:
        Port(Player([bad, SYNC, bad, SYNC])).console().command("flushCfg")
    assert "USB cable" in caught.value.hint


@pytest.mark.parametrize("line", ["profileCfg 0 77 7", "chirpCfg 0 0 0", "sensorStart", "sensorStart 0"])
def test_what_would_count_twice_is_not_repeated(line: str) -> None:
    script = Player([(line.encode() + b"\n", b"?" + line.encode() + b"\nDone\n\r" + P), SYNC])
    with pytest.raises(GarbledReplyError):
        Port(script).console().command(line)
    assert not script.left


def test_a_chirp_that_the_firmware_refused_is_repeated() -> None:
    bad = (b"chirpCfg 0 0\n", b"chrpCfg 0 0\n'chrpCfg' is not recognized as a CLI command\n\r" + P)
    assert Port(Player([bad, SYNC, said("chirpCfg 0 0", "Done")])).console().command("chirpCfg 0 0") == []


# --- the device's part of the conversation ---------------------------------------------------------------------------


class Bench:
    """The driver at a scripted or emulated console, with a card that does as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], bytes]) -> None:
        self.port = Port(answer)
        self.card = MagicMock(spec=Dca1000)
        self.card.bring_up.return_value = "2.8"
        self.card.poll_events.return_value = []
        self.at_reset: Callable[[], bytes] = lambda: b""
        self.card.reset_radar.side_effect = self._reset
        receiver = MagicMock(heard_s=0.0)
        monkeypatch.setattr(serial, "serial_for_url", lambda *args, **kwargs: self.port)
        monkeypatch.setattr(driver, "Dca1000", lambda *args, **kwargs: self.card)
        monkeypatch.setattr(driver, "Receiver", lambda *args, **kwargs: receiver)
        self.device = Awr1642("/dev/fake")
        self.device._radar._console._clock = self.port.clock

    def _reset(self) -> None:
        self.port.incoming += self.at_reset()

    @property
    def done(self) -> list[str]:
        """What the card was told, without the arguments."""
        names = {"bring_up", "start_record", "reset_radar"}
        return [name for name, _, _ in self.card.method_calls if name in names]

    def events(self) -> list[str]:
        return [event.text for event in self.device.take_events() if event.kind is EventKind.RADAR]


CALIBRATION = "Debug: Init Calibration Status = 0x1ffe"
STATE = "Data port baud rate: 921600"


def opening(dialect: Dialect) -> list[tuple[bytes, bytes]]:
    ignored = ["Ignored: Sensor is already stopped"] if dialect is Dialect.SDK3 else []
    return [SYNC, said("version", *version_lines(dialect), "Done"), said("sensorStop", *ignored, "Done")]


def whole_profile(dialect: Dialect) -> list[tuple[bytes, bytes]]:
    return [said("flushCfg", "Done"), *(said(line, "Done") for line in lines_of(PROFILES[dialect]))]


def test_the_first_run_on_sdk_3_word_for_word(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Player([
        *opening(Dialect.SDK3), said("queryDemoStatus", "Sensor State: 0", STATE, "Done"),
        *whole_profile(Dialect.SDK3), said("sensorStart", CALIBRATION, "Done"),
    ])  # fmt: skip
    bench = Bench(monkeypatch, script)
    sensor = bench.device.configure(SDK3)
    bench.device.start()
    assert not script.left
    assert (sensor.n_rx, require_fmcw(sensor).n_tx) == (4, 2)
    assert bench.done == ["bring_up", "start_record"]
    assert bench.events() == []
    assert "03.05.00.04" in bench.device.info.firmware


@pytest.mark.parametrize("dialect", [Dialect.SDK1, Dialect.SDK2])
def test_the_first_run_before_sdk_3_word_for_word(monkeypatch: pytest.MonkeyPatch, dialect: Dialect) -> None:
    # These firmwares keep silently what they were opened with before, so the radar is reset first.
    script = Player([
        *opening(dialect), SYNC, *whole_profile(dialect), said("sensorStart", CALIBRATION, "Done"),
    ])  # fmt: skip
    bench = Bench(monkeypatch, script)
    bench.at_reset = lambda: BANNER[dialect]
    bench.device.configure(SDK1)
    bench.device.start()
    assert not script.left
    assert bench.done == ["bring_up", "reset_radar", "start_record"]
    assert len(bench.events()) == 1


def test_a_profile_of_another_sdk_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Player(opening(Dialect.SDK2)[:2])
    with pytest.raises(ConfigError, match="the radar runs SDK 2"):
        Bench(monkeypatch, script).device.configure(SDK3)


def test_a_firmware_that_is_none_of_the_three_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Player([SYNC, said("version", "Platform : xWR16xx", "mmWave SDK Version : 05.01.00.00", "Done")])
    with pytest.raises(ProtocolError, match=r"05\.01"):
        Bench(monkeypatch, script).device.configure(SDK3)


def test_a_start_that_fails_is_tried_once_more_after_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ["Error: mmWave configuration failed [Error code -3110 Subsystem 118]", "Error -3110"]
    script = Player([
        *opening(Dialect.SDK3), said("queryDemoStatus", "Sensor State: 3", STATE, "Done"),
        *whole_profile(Dialect.SDK3), said("sensorStart", *failure),
        SYNC, *whole_profile(Dialect.SDK3), said("sensorStart", CALIBRATION, "Done"),
    ])  # fmt: skip
    bench = Bench(monkeypatch, script)
    bench.at_reset = lambda: BANNER[Dialect.SDK3]
    bench.device.configure(SDK3)
    bench.device.start()
    assert not script.left
    assert bench.done == ["bring_up", "start_record", "reset_radar", "start_record"]
    assert ["Subsystem 118" in text for text in bench.events()] == [True]


def test_a_start_that_fails_twice_is_the_error_and_the_next_one_begins_with_a_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    firmware = MmwDemoFirmware()
    bench = Bench(monkeypatch, firmware.receive)

    def come_back_wedged() -> bytes:
        banner = firmware.reset()
        firmware.wedge()
        return banner

    bench.at_reset = come_back_wedged
    firmware.wedge()
    bench.device.configure(SDK3)
    with pytest.raises(ProtocolError, match="Subsystem 118"):
        bench.device.start()
    assert bench.done == ["bring_up", "start_record", "reset_radar", "start_record"]
    bench.at_reset = firmware.reset
    bench.device.start()
    assert bench.done[4:] == ["reset_radar", "start_record"]
    assert firmware._started


def test_a_radar_that_no_reset_brings_back_leaves_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = MmwDemoFirmware()
    bench = Bench(monkeypatch, firmware.receive)
    bench.device.configure(SDK3)
    firmware.wedge()
    with pytest.raises(ProtocolError, match="Subsystem 118"):
        bench.device.start()
    assert bench.card.command.call_args.args == (Command.RECORD_STOP,)


def note_sensor(sensors: list[FmcwSensor], sensor: FmcwSensor, count: int | None) -> None:
    sensors.append(sensor)


def note_antennas(antennas: list[int], sensor: FmcwSensor, count: int | None) -> None:
    antennas.append(sensor.n_rx)


def test_a_change_of_what_is_fixed_resets_the_radar_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for dialect in Dialect:
        antennas: list[int] = []
        firmware = MmwDemoFirmware(partial(note_antennas, antennas), dialect=dialect)
        bench = Bench(monkeypatch, firmware.receive)
        bench.at_reset = firmware.reset
        text = PROFILES[dialect]
        for profile in (text, text, text.replace("channelCfg 15 3 0", "channelCfg 3 3 0")):
            bench.device.configure(profile)
            bench.device.start()
            firmware.receive(b"sensorStop\n")
            bench.device._state = DeviceState.CONFIGURED
        assert antennas == [4, 4, 2]
        resets = ["channelCfg" in event for event in bench.events()]
        assert resets == ([True] if dialect is Dialect.SDK3 else [False, True])


def test_what_another_program_started_is_found_out_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = configured(Dialect.SDK3, SDK3.replace("channelCfg 15 3 0", "channelCfg 1 3 0"))
    talk(firmware, "sensorStart")
    bench = Bench(monkeypatch, firmware.receive)
    bench.at_reset = firmware.reset
    bench.device.configure(SDK3)
    bench.device.start()  # the firmware dies, is reset, and starts
    assert firmware._started
    assert ["MSS Exception" in event for event in bench.events()] == [True]


def test_a_dead_firmware_is_woken_by_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = MmwDemoFirmware()
    firmware.crash()
    bench = Bench(monkeypatch, firmware.receive)
    bench.at_reset = firmware.reset
    bench.device.configure(SDK3)
    bench.device.start()
    assert firmware._started
    assert ["did not answer" in event for event in bench.events()] == [True]


@pytest.mark.parametrize("state", [2, 0])
def test_a_garbled_start_is_never_sent_twice_to_a_running_radar(monkeypatch: pytest.MonkeyPatch, state: int) -> None:
    again = [] if state == 2 else [said("sensorStart", "Done")]
    script = Player([
        *opening(Dialect.SDK3), said("queryDemoStatus", "Sensor State: 0", STATE, "Done"), *whole_profile(Dialect.SDK3),
        (b"sensorStart\n", b"sens\xffrStart\nDone\n\r" + P), SYNC,
        said("queryDemoStatus", f"Sensor State: {state}", STATE, "Done"), *again,
    ])  # fmt: skip
    bench = Bench(monkeypatch, script)
    bench.device.configure(SDK3)
    bench.device.start()
    assert not script.left
    assert bench.done == ["bring_up", "start_record"]


def test_a_garbled_start_before_sdk_3_is_repeated_only_if_it_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    head = [*opening(Dialect.SDK1), SYNC, *whole_profile(Dialect.SDK1)]
    refused = (b"sensorStart\n", b"snsorStart\n'snsorStart' is not recognized as a CLI command\n\r" + P)
    taken = (b"sensorStart\n", b"snsorStart\nDone\n\r" + P)
    started = said("sensorStart", CALIBRATION, "Done")
    for script, resets in (
        (Player([*head, refused, SYNC, started]), 1),
        (Player([*head, taken, SYNC, SYNC, *whole_profile(Dialect.SDK1), started]), 2),
    ):
        bench = Bench(monkeypatch, script)
        bench.at_reset = lambda: BANNER[Dialect.SDK1]
        bench.device.configure(SDK1)
        bench.device.start()
        assert not script.left
        assert bench.done.count("reset_radar") == resets


def test_a_configuration_whose_chirp_is_garbled_is_sent_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = MmwDemoFirmware()
    left = [2]

    def noisy(data: bytes) -> bytes:
        reply = firmware.receive(data)
        if data.startswith(b"profileCfg") and left[0]:
            left[0] -= 1
            return b"?" + reply
        return reply

    bench = Bench(monkeypatch, noisy)
    bench.device.configure(SDK3)
    bench.device.start()
    assert sum(line == "flushCfg" for line in bench.port.lines) == 3
    assert sum(line.startswith("profileCfg") for line in firmware._applied) == 1
    assert ["sent again" in event for event in bench.events()] == [True, True]


# --- mutated transcripts ---------------------------------------------------------------------------------------------

MUTATION = st.tuples(
    st.sampled_from(["digit", "flip", "drop", "insert", "cut", "repeat"]),
    st.integers(0, 1500),
    st.binary(min_size=1, max_size=6),
)


def mutate(data: bytes, mutations: Sequence[tuple[str, int, bytes]], offset: int) -> bytes:
    """Damage a stretch of a stream where the places, counted over the whole stream, lie in it."""
    out = bytearray(data)
    for kind, place, noise in mutations:
        at = place - offset
        if not 0 <= at < len(out):
            continue
        if kind == "digit":
            at = next((i for i in range(at, len(out)) if chr(out[i]).isdigit()), at)
            out[at] = ord("0") + noise[0] % 10
        elif kind == "flip":
            out[at] ^= noise[0] or 1
        elif kind == "drop":
            del out[at : at + len(noise)]
        elif kind == "insert":
            out[at:at] = noise
        elif kind == "cut":
            del out[at:]
        else:
            out[at:at] = out[max(0, at - 40) : at]
    return bytes(out)


class DamagedLine:
    """A firmware behind a serial line on which bytes change, get lost and come in between."""

    def __init__(
        self,
        firmware: MmwDemoFirmware,
        to_radar: Sequence[tuple[str, int, bytes]],
        to_host: Sequence[tuple[str, int, bytes]],
    ) -> None:
        self.firmware, self.to_radar, self.to_host = firmware, to_radar, to_host
        self.sent = self.received = 0

    def __call__(self, data: bytes) -> bytes:
        reply = self.firmware.receive(mutate(data, self.to_radar, self.sent))
        self.sent += len(data)
        heard = mutate(reply, self.to_host, self.received)
        self.received += len(reply)
        return heard


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(Dialect),
    st.lists(MUTATION, max_size=6),
    st.lists(MUTATION, max_size=6),
    st.sampled_from([1, 5, 64]),
)
def test_damage_on_the_line_is_our_own_error_before_the_deadline(
    dialect: Dialect, to_radar: list[tuple[str, int, bytes]], to_host: list[tuple[str, int, bytes]], chunk: int
) -> None:
    firmware = MmwDemoFirmware(dialect=dialect)
    port = Port(DamagedLine(firmware, to_radar, to_host), chunk=chunk)
    console = port.console()
    commands = ["version", "sensorStop", "flushCfg", *lines_of(PROFILES[dialect]), "sensorStart", "sensorStop"]
    with contextlib.suppress(IsacError):
        console.synchronise()
    for command in commands:
        began = port.clock()
        try:
            reply = console.command(command)
        except IsacError as error:
            assert str(error) and error.hint
        else:
            assert "Done" not in reply
        assert port.clock() - began < (10.0 if command == "sensorStart" else 3.0) + 2 * 4.0 + 3.0
    if not to_radar and not to_host:
        assert firmware._ever_started


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Dialect), st.lists(MUTATION, max_size=5), st.lists(MUTATION, max_size=5))
def test_on_a_damaged_line_the_radar_runs_what_was_asked_or_there_is_an_error(
    dialect: Dialect, to_radar: list[tuple[str, int, bytes]], to_host: list[tuple[str, int, bytes]]
) -> None:
    running: list[FmcwSensor] = []
    firmware = MmwDemoFirmware(lambda sensor, count: running.append(sensor), dialect=dialect)
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench = Bench(monkeypatch, DamagedLine(firmware, to_radar, to_host))
        bench.at_reset = firmware.reset
        began = bench.port.clock()
        try:
            sensor = bench.device.configure(PROFILES[dialect])
            bench.device.start()
        except IsacError as error:
            assert str(error)
            assert error.hint
        else:
            assert firmware._started
            assert running[-1] == sensor
            assert bench.done[-1] == "start_record"
        assert bench.port.clock() - began < 120.0


def test_a_digit_that_changed_on_its_way_is_noticed_and_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = "\nversion\nsensorStop\nqueryDemoStatus\nflushCfg\n" + "".join(f"{line}\n" for line in lines_of(SDK3))
    first, last = sent.index("channelCfg"), sent.index("lowPower")
    places = [place for place in range(first, last) if sent[place].isdigit()]
    assert len(places) > 50
    for place in places:
        running: list[FmcwSensor] = []
        firmware = MmwDemoFirmware(partial(note_sensor, running))
        other = bytes([(int(sent[place]) + 1) % 10])
        bench = Bench(monkeypatch, DamagedLine(firmware, [("digit", place, other)], []))
        sensor = bench.device.configure(SDK3)
        bench.device.start()
        assert running == [sensor]
        assert len(bench.port.lines) > sent.count("\n") + 1  # something was sent once more


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["version", "sensorStart", "frameCfg 0 1 16 0 40 1 0"]))
def test_any_bytes_for_a_reply_are_our_own_error(noise: bytes, line: str) -> None:
    port = Port(lambda data: noise)
    began = port.clock()
    with contextlib.suppress(IsacError):
        port.console(timeout_s=0.5).command(line, 0.5)
    with contextlib.suppress(IsacError):
        port.console().synchronise()
    assert port.clock() - began < 12.0


# --- the log of everything on the wires ------------------------------------------------------------------------------


def test_a_wire_log_becomes_the_script_of_its_conversation(tmp_path: Path) -> None:
    path = tmp_path / "wires.log"
    firmware = MmwDemoFirmware(dialect=Dialect.SDK2)
    log = WireLog(str(path), "a test")

    def hold(console: Console) -> list[object]:
        outcomes: list[object] = []
        console.synchronise()
        for line in ("version", "sensorStop", "nonsense", "adcCfg 2", *lines_of(SDK1), "sensorStart"):
            try:
                outcomes.append(console.command(line))
            except IsacError as error:
                outcomes.append(str(error))
        return outcomes

    before = hold(Port(firmware.receive, waiting=b"\xff\x00'\n", chunk=9).console(wire_log=log))
    log.sent("card", bytes.fromhex("5aa509000000aaee"), "SYSTEM_CONNECT")
    log.close()
    log.sent("radar", b"after the end")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# isactrack wire log 1, a test\n")
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z card > 5aa509000000aaee SYSTEM_CONNECT$", text, re.M)
    assert "after the end" not in text
    script = conversation(text)
    assert hold(Port(Player(script)).console()) == before


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=20)), max_size=10))
@settings(max_examples=50, deadline=None)
def test_every_byte_of_the_console_is_in_its_log(pieces: list[tuple[bool, bytes]]) -> None:
    lines = "\n".join(f"2026-01-01T00:00:00.000000Z radar {'>' if out else '<'} {data!r}" for out, data in pieces)
    script = conversation(lines)
    assert b"".join(sent for sent, _ in script) == b"".join(data for out, data in pieces if out)
    assert b"".join(reply for _, reply in script) == b"".join(data for out, data in pieces if not out)


@pytest.mark.parametrize("damaged", ["b'", "text", "[1]", "(" * 300])
def test_a_damaged_wire_log_is_told_with_its_line(damaged: str) -> None:
    with pytest.raises(ConfigError, match="line 2"):
        conversation(f"# x\n2026-01-01T00:00:00.000000Z radar > {damaged}")


def test_a_spied_device_logs_console_card_and_the_count_of_packets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_device("spy+sim://awr1642?scene=noise&speed=8") as device:
        device.configure()
        device.start()
        list(islice(device.frames(), 2))
        device.stop()
        packets = device.stats.packets
    (path,) = tmp_path.glob("isactrack-spy-*Z.log")
    text = path.read_text(encoding="utf-8")
    assert sum(int(count) for count in re.findall(r" data = (\d+) packets", text)) == packets
    for words in ("card > 5aa505000000aaee RECORD_START", "card < 5aa50e000204aaee READ_FPGA_VERSION"):
        assert words in text
    script = conversation(text)
    assert (b"sensorStart\n", b"sensorStart\nDebug: Init Calibration Status = 0x1ffe\n\rDone\n\r" + P) in script
    with open_device(f"sim://awr1642?spy={tmp_path / 'other.log'}") as device:
        assert device.info.url.startswith("sim://")
    assert (tmp_path / "other.log").exists()


def test_spying_is_part_of_the_url_and_only_where_there_are_wires(tmp_path: Path) -> None:
    url = DeviceUrl.parse("spy+sim://awr1642?seed=1")
    assert (url.scheme, url.target, url.options) == ("sim", "awr1642", {"seed": "1", "spy": ""})
    assert DeviceUrl.parse("SPY+awr1642:///dev/x?spy=a.log").options == {"spy": "a.log"}
    with pytest.raises(ConfigError, match="no wires") as caught:
        open_device("spy+file://x.h5")
    assert "spy+" in caught.value.hint
    with pytest.raises(ConfigError, match="cannot write the wire log"):
        open_device(f"sim://awr1642?spy={tmp_path / 'no-such-folder' / 'x.log'}")
    with pytest.raises(ConfigError, match="cannot write the wire log"):
        open_device(f"awr1642:///dev/x?spy={tmp_path}")


# --- the whole driver on an emulated board of each SDK ---------------------------------------------------------------


@pytest.fixture
def board(request: pytest.FixtureRequest) -> Iterator[SimulatedBoard]:
    simulated = SimulatedBoard(make_scene("noise"), speed=8.0, dialect=request.param)
    yield simulated
    simulated.close()


@pytest.mark.parametrize("board", list(Dialect), indirect=True, ids=lambda d: d.label)
def test_each_sdk_is_configured_started_stopped_and_configured_again(board: SimulatedBoard) -> None:
    profile = PROFILES[board._firmware.dialect]
    with Awr1642(board.serial_port, board.addresses) as device:
        for text, n_rx in ((profile, 4), (profile, 4), (profile.replace("channelCfg 15", "channelCfg 5"), 2)):
            assert device.configure(text).n_rx == n_rx
            for _ in range(2):
                device.start()
                frames = list(islice(device.frames(), 3))
                assert [frame.counter for frame in frames] == [0, 1, 2]
                assert all(frame.complete for frame in frames)
                assert frames[0].samples.size == device.sensor.frame_words
                device.stop()
        texts = [event.text for event in device.take_events() if event.kind is EventKind.RADAR]
        assert sum("channelCfg" in text for text in texts) == 1


@pytest.mark.parametrize("board", [Dialect.SDK1, Dialect.SDK3], indirect=True, ids=lambda d: d.label)
def test_a_radar_that_died_or_is_wedged_runs_again(board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "_ATTEMPT_S", 0.2)
    profile = PROFILES[board._firmware.dialect]
    board._firmware.crash()
    with Awr1642(board.serial_port, board.addresses) as device:
        device.configure(profile)
        board._firmware.wedge()
        began = time.monotonic()
        device.start()
        assert device.read() is not None
        assert time.monotonic() - began < 8.0
        device.stop()
        assert [event for event in device.take_events() if "Subsystem 118" in event.text]


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda d: d.label)
def test_the_default_profile_runs_on_every_sdk(dialect: Dialect) -> None:
    with open_device(f"sim://awr1642?scene=noise&speed=8&sdk={dialect.value}") as device:
        device.configure()
        device.start()
        assert device.read() is not None
        assert f"0{dialect.value}.0" in device.info.firmware
