"""The command line of TI's mmw demo of mmWave SDK 1.2, 2.0 and 3.5, as bytes in and bytes out.

It echoes, prompts, checks and complains like the firmware, with TI's texts to the letter because drivers parse them.
Where SDK 2 is not known to differ it behaves as SDK 1.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from isactrack.drivers.awr1642.dialect import ARGUMENT_COUNTS, NEEDED, Dialect
from isactrack.drivers.awr1642.limits import MAX_BAUD_RATE
from isactrack.drivers.awr1642.profile import check_profile, frames_in_profile, parse_profile
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor

PROMPT: Final = "mmwDemo:/>"
MAX_LINE: Final = 255
DATA_PORT_BAUD: Final = 921600
DATA_PORT_ACKNOWLEDGE: Final = b"\xff" * 16
_BANNER: Final = "*" * 42
_REBOOT_ONLY: Final = ("dfeDataOutputMode", "channelCfg", "adcCfg", "lowPower")
"""Commands that only the first sensorStart after a reset takes: the radar front end is opened with them."""
_SUBFRAME_COMMANDS: Final = frozenset({
    "adcbufCfg", "guiMonitor", "cfarCfg", "peakGrouping", "nearFieldCfg", "multiObjBeamForming", "calibDcRangeSig",
    "clutterRemoval", "extendedMaxVelocity", "bpmCfg", "lvdsStreamCfg", "aoaFovCfg", "cfarFovCfg",
})  # fmt: skip
"""Commands whose first argument is a subframe."""
_MOST_SUBFRAMES: Final = 4
_MODES: Final = MappingProxyType({
    "profileCfg": (("1", "3"), "Frame or Advanced Frame"),
    "chirpCfg": (("1", "3"), "Frame or Advanced Frame"),
    "frameCfg": (("1",), "Chirp"),
    "advFrameCfg": (("3",), "Advanced Frame"),
    "subFrameCfg": (("3",), "Advanced Frame"),
    "contModeCfg": (("2",), "Continuous"),
})  # fmt: skip
"""Output modes in which a command is taken, and what the firmware calls them."""
_PROFILE_ERROR, _CHIRP_ERROR, _FRAME_ERROR = -3108, -3109, -3110
_RF_INIT_NOT_DONE: Final = 118
_RADAR_ERRORS: Final = MappingProxyType({
    "receiver gain": (_PROFILE_ERROR, 52),
    "samples": (_PROFILE_ERROR, 48),
    "sample rate": (_PROFILE_ERROR, 49),
    "idle time": (_PROFILE_ERROR, 38),
    "ramp end": (_PROFILE_ERROR, 41),
    "ADC start": (_PROFILE_ERROR, 41),
    "ADC window": (_PROFILE_ERROR, 41),
    "TX start": (_PROFILE_ERROR, 41),
    "slope": (_PROFILE_ERROR, 46),
    "band": (_PROFILE_ERROR, 46),
    "transmitters": (_CHIRP_ERROR, 41),
    "chirps": (_CHIRP_ERROR, 41),
    "trigger": (_FRAME_ERROR, 72),
    "loops": (_FRAME_ERROR, 72),
    "frame time": (_FRAME_ERROR, 72),
    "duty cycle": (_FRAME_ERROR, 72),
    "radar cube": (_FRAME_ERROR, 72),
    "chirp threshold": (_FRAME_ERROR, 72),
})  # fmt: skip
"""Limits whose breach fails sensorStart: error of the mmWave library and of the radar subsystem. The latter is the one
that the radar is known to report, or else that of the closest quantity."""
_VERSIONS: Final[Mapping[Dialect, str]] = MappingProxyType(
    {Dialect.SDK1: "01.02.00.05", Dialect.SDK2: "02.00.00.04", Dialect.SDK3: "03.05.00.04"}
)


def version_lines(dialect: Dialect) -> list[str]:
    """Return what ``version`` answers."""
    facts = [("Platform", "xWR16xx"), ("mmWave SDK Version", _VERSIONS[dialect])]
    if dialect is Dialect.SDK3:
        facts += [
            ("Device Info", "AWR16XX non-secure ES 02.00"),
            ("RF H/W Version", "02.00"),
            ("RF F/W Version", "06.02.07.02.19.08.23.00"),
            ("RF F/W Patch", "00.00.00.00"),
            ("mmWaveLink Version", "01.02.06.02"),
        ]
    else:
        facts += [
            ("RF H/W Version", "02.00.00.01"),
            ("RF F/W Version", "02.00.00.02.18.04.14"),
            ("mmWaveLink Version", "01.01.00.02.18.04.06"),
        ]
    return [f"{name:<24}: {value}" for name, value in facts]


class MmwDemoFirmware:
    """State of the demo between power-on and power-off.

    Parameters
    ----------
    on_start
        Called with the sensor and the count of frames (None: endless) when frames begin.
    on_stop
        Called when they end by ``sensorStop``.
    dialect
        SDK that the demo belongs to.
    on_data_port
        Called with the baud rate that ``configDataPort`` sets on the data port and the bytes that go out there at once.

    Attributes
    ----------
    data_port_baud
        Baud rate of the data port.
    """

    def __init__(
        self,
        on_start: Callable[[FmcwSensor, int | None], None] = lambda sensor, count: None,
        on_stop: Callable[[], None] = lambda: None,
        *,
        dialect: Dialect = Dialect.SDK3,
        on_data_port: Callable[[int, bytes], None] = lambda baud, data: None,
    ) -> None:
        self._on_start = on_start
        self._on_stop = on_stop
        self._on_data_port = on_data_port
        self.dialect = dialect
        self.reset()

    def reset(self) -> bytes:
        """Power up: forget everything and return the banner."""
        self._line = bytearray()
        self._config: list[str] = []
        self._applied: list[str] = []
        self._opened: dict[str, str] | None = None
        self._pending: list[str] = []
        self._started = False
        self._ever_started = False
        self._wedged = False
        self._dead = False
        self.data_port_baud = DATA_PORT_BAUD
        banner = f"\n{_BANNER}\nxWR16xx MMW Demo {_VERSIONS[self.dialect]}\n{_BANNER}\n\n"
        return (banner.replace("\n", "\n\r") + PROMPT).encode()

    @property
    def gui_monitor(self) -> tuple[int, ...] | None:
        """The arguments of ``guiMonitor`` after the subframe that the demo runs with; None if it was not given.

        In order: detected objects, log magnitude of the range, noise, azimuth heat map, Doppler heat map, statistics.
        """
        given = [line.split()[2:] for line in self._applied if line.startswith("guiMonitor ")]
        return tuple(_integer(word) for word in given[-1]) if given else None

    def crash(self, text: str = "MSS Exception: mss_main.c, line 2341.") -> bytes:
        """Die: return the last words, e.g. ``DSS Chirp Processing Deadline Miss Exception.``; silent until a reset.

        The frames end too: whoever sends them has to see to that, as `on_stop` is not called.
        """
        self._dead = True
        self._started = False
        return f"{text}\n\r".encode()

    def wedge(self) -> None:
        """Let every sensorStart from now on fail, until a reset: what a failed one may do to a real board."""
        self._wedged = True

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the host and return what the board sends back."""
        out = bytearray()
        for byte in data:
            if self._dead:
                break
            if byte in b"\r\n":
                line = bytes(self._line).decode("ascii", errors="replace")
                self._line.clear()
                out += b"\n" + self._run(line)
            elif len(self._line) < MAX_LINE:
                out.append(byte)
                self._line.append(byte)
        return bytes(out)

    def _run(self, line: str) -> bytes:
        words = line.split()
        counts = ARGUMENT_COUNTS[self.dialect]
        if not words:
            replies: list[str] = []
        elif words[0].startswith("%"):
            replies = ["Skipped"]
        elif words[0] not in counts:
            replies = [f"'{words[0]}' is not recognized as a CLI command"]
        elif len(words) - 1 not in counts[words[0]]:
            replies = ["Error: Invalid usage of the CLI command", "Error -1"]
        else:
            replies = self._execute(words)
        if self._dead:
            return "".join(replies).encode()
        return ("".join(f"{reply}\n\r" for reply in replies) + PROMPT).encode()

    def _execute(self, words: list[str]) -> list[str]:
        name = words[0]
        if name == "version":
            return [*version_lines(self.dialect), "Done"]
        if name == "help":
            return ["Help: This will display the usage of the CLI commands", *ARGUMENT_COUNTS[self.dialect], "Done"]
        if name == "queryDemoStatus":
            return [f"Sensor State: {self._state()}", f"Data port baud rate: {self.data_port_baud}", "Done"]
        if name == "configDataPort":
            return self._configure_data_port(_integer(words[1]), _integer(words[2]))
        if name == "sensorStop":
            return self._stop()
        if name == "sensorStart":
            return self._start(words[1:])
        if name == "flushCfg":
            self._config.clear()
            self._pending.clear()
            return ["Done"]
        return self._configure(words)

    def _state(self) -> int:
        if self._started:
            return 2
        return 3 if self._ever_started else int(self._opened is not None)

    def _configure_data_port(self, baud: int, acknowledge: int) -> list[str]:
        if not 0 < baud <= MAX_BAUD_RATE:
            return ["Error: Invalid baud rate", "Error -1"]
        self.data_port_baud = baud
        self._on_data_port(baud, DATA_PORT_ACKNOWLEDGE if acknowledge == 1 else b"")
        return ["Done"]

    def _stop(self) -> list[str]:
        if not self._started:
            ignored = ["Ignored: Sensor is already stopped"] if self.dialect is Dialect.SDK3 else []
            return [*ignored, "Done"]
        self._started = False
        self._on_stop()
        return ["Done"]

    def _configure(self, words: list[str]) -> list[str]:
        refusal = self._refusal(words)
        if refusal is not None:
            return [refusal, "Error -1"]
        line = " ".join(words)
        self._config.append(line)
        self._pending.append(line)
        return ["Done"]

    def _refusal(self, words: list[str]) -> str | None:
        """Return why a command with the right number of arguments is not taken."""
        name = words[0]
        if self._started and self.dialect is Dialect.SDK3:
            return "Error: Invalid mode."
        mode = next((line.split()[1] for line in reversed(self._config) if line.startswith("dfeDataOutputMode ")), None)
        modes, mode_name = _MODES.get(name, ((mode,), ""))
        if mode is not None and mode not in modes:
            return f"Error: Configuration is valid only if the DFE Output Mode is {mode_name}"
        has_subframe = name in _SUBFRAME_COMMANDS and words[0:1] + words[5:] != ["adcbufCfg"]  # 4 arguments have none
        if has_subframe and _integer(words[1]) >= _MOST_SUBFRAMES:
            return "Error: Subframe number is invalid"
        if name == "adcbufCfg" and self.dialect is Dialect.SDK3 and words[3] != "1":
            return "Error: Invalid SampleSwap, only 1 supported"  # the rule is SDK 3's, the words are not known
        return None

    def _start(self, arguments: list[str]) -> list[str]:
        if self.dialect is Dialect.SDK3:
            if self._started:
                return ["Ignored: Sensor is already started", "Done"]
            refusal = self._start_refusal(arguments)
            if refusal is not None:
                return [refusal, "Error -1"]
        elif self._started:
            return ["Done"]  # the firmware before SDK 3 keeps no state of the sensor
        if self._wedged:
            return _failure(_FRAME_ERROR, _RF_INIT_NOT_DONE)
        config = self._applied if arguments[:1] == ["0"] and self._applied else self._config
        fixed = _fixed_lines(config)
        if self._opened is not None and self._opened != fixed:
            if self.dialect is Dialect.SDK3:
                return [self.crash().decode()]
            config = [self._opened.get(line.split()[0], line) for line in config]  # they go on with the old values
        try:
            text = "\n".join(config)
            sensor, count = parse_profile(text, enforce_limits=False, dialect=self.dialect), frames_in_profile(text)
        except ConfigError:
            return _failure(_FRAME_ERROR, 72)
        for check in check_profile(text, dialect=self.dialect):
            if check.passed is False and check.name in _RADAR_ERRORS:
                self._opened = self._opened or fixed
                return _failure(*_RADAR_ERRORS[check.name])
        replies = [] if self._ever_started else ["Debug: Init Calibration Status = 0x1ffe"]
        self._opened = self._opened or fixed
        self._applied = list(config)
        self._ever_started = self._started = True
        self._pending.clear()
        self._on_start(sensor, count)
        return [*replies, "Done"]

    def _start_refusal(self, arguments: list[str]) -> str | None:
        """Return why SDK 3 does not start now."""
        needed = NEEDED[self.dialect]
        full = {line.split()[0] for line in self._config}.issuperset(needed)
        fresh = {line.split()[0] for line in self._pending}.issuperset(needed)
        if arguments and arguments[0] != "0":
            return (
                "Error: Reconfig is not supported, only argument of 0 is\n\r"
                "(do not reconfig, just re-start the sensor) valid"
            )
        if not self._ever_started and not full:
            return "Error: Full configuration must be provided before sensor can be started the first time"
        if self._pending and not fresh:
            return (
                "Error: You have provided partial configuration between stop and this command and partial "
                'configuration cannot be undone.Issue the full configuration and do "sensorStart" '
            )
        if not arguments and not self._pending:
            return (
                'Error: You have provided no configuration, issue "sensorStart 0" OR provide full configuration and '
                'issue "sensorStart"'
            )
        if arguments and self._pending:
            return (
                'Error: You have provided complete new configuration, issue "sensorStart" (without argument) if you '
                "want it to take effect"
            )
        return None


def _fixed_lines(config: list[str]) -> dict[str, str]:
    """Return the last line of each command that is fixed until the next reset."""
    return {name: line for line in config if (name := line.split()[0]) in _REBOOT_ONLY}


def _failure(error: int, subsystem: int) -> list[str]:
    return [f"Error: mmWave configuration failed [Error code {error} Subsystem {subsystem}]", f"Error {error}"]


def _integer(text: str) -> int:
    """Read a number as C's atoi() does."""
    found = re.match(r"[+-]?[0-9]{1,9}", text)
    return int(found[0]) if found else 0
