"""The command line of TI's mmw demo (SDK 3), as bytes in and bytes out.

It echoes, prompts, checks and complains like the firmware, with TI's texts to the letter because drivers parse them.
"""

from collections.abc import Callable
from typing import Final

from isactrack.drivers.awr1642.profile import ARGUMENT_COUNTS, frames_in_profile, parse_profile, profile_commands
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor

PROMPT: Final = "mmwDemo:/>"
MAX_LINE: Final = 255
_BANNER: Final = "*" * 42
_SDK: Final = "03.05.00.04"
_REBOOT_ONLY: Final = ("dfeDataOutputMode", "channelCfg", "adcCfg", "lowPower")
"""Commands whose values are fixed until the next reset."""
_NEEDED: Final = (
    "dfeDataOutputMode",
    "channelCfg",
    "adcCfg",
    "adcbufCfg",
    "profileCfg",
    "chirpCfg",
    "frameCfg",
    "lowPower",
    "guiMonitor",
    "cfarCfg",
    "multiObjBeamForming",
    "calibDcRangeSig",
    "clutterRemoval",
    "compRangeBiasAndRxChanPhase",
    "measureRangeBiasAndRxChanPhase",
    "aoaFovCfg",
    "cfarFovCfg",
    "extendedMaxVelocity",
    "CQRxSatMonitor",
    "CQSigImgMonitor",
    "analogMonitor",
    "lvdsStreamCfg",
    "calibData",
)
"""Commands without which SDK 3 does not start the first time."""
_VERSION: Final = (
    "Platform                : xWR16xx",
    "mmWave SDK Version      : " + _SDK,
    "Device Info             : AWR16XX non-secure ES 02.00",
    "RF H/W Version          : 02.00",
    "RF F/W Version          : 06.02.07.02.19.08.23.00",
    "RF F/W Patch            : 00.00.00.00",
    "mmWaveLink Version      : 01.02.06.02",
)


class MmwDemoFirmware:
    """State of the demo between power-on and power-off.

    Parameters
    ----------
    on_start
        Called with the sensor and the count of frames (None: endless) when frames begin.
    on_stop
        Called when they end.
    """

    def __init__(
        self,
        on_start: Callable[[FmcwSensor, int | None], None] = lambda sensor, count: None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_start = on_start
        self._on_stop = on_stop
        self.reset()

    def reset(self) -> bytes:
        """Power up: forget everything and return the banner."""
        self._line = bytearray()
        self._config: list[str] = []
        self._fixed: dict[str, str] = {}
        self._pending: list[str] = []
        self._started = False
        self._ever_started = False
        self._calibrated = False
        banner = f"\r\n{_BANNER}\r\nxWR16xx MMW Demo {_SDK}\r\n{_BANNER}\r\n\r\n{PROMPT}"
        return banner.encode()

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the host and return what the board sends back."""
        out = bytearray()
        for byte in data:
            if byte in b"\r\n":
                out += b"\n" + self._run(bytes(self._line).decode("ascii", errors="replace"))
                self._line.clear()
            elif len(self._line) < MAX_LINE:
                out.append(byte)
                self._line.append(byte)
        return bytes(out)

    def _run(self, line: str) -> bytes:
        words = line.split()
        if not words:
            replies: list[str] = []
        elif words[0].startswith("%"):
            replies = ["Skipped"]
        elif words[0] not in ARGUMENT_COUNTS:
            replies = [f"'{words[0]}' is not recognized as a CLI command"]
        elif len(words) - 1 not in ARGUMENT_COUNTS[words[0]]:
            replies = ["Error: Invalid usage of the CLI command", "Error -1"]
        else:
            replies = self._execute(words)
        return ("".join(f"{reply}\n\r" for reply in replies) + PROMPT).encode()

    def _execute(self, words: list[str]) -> list[str]:
        name, line = words[0], " ".join(words)
        if name == "version":
            return [*_VERSION, "Done"]
        if name == "queryDemoStatus":
            return [f"Sensor State: {self._state()}", "Data port baud rate: 921600", "Done"]
        if name == "sensorStop":
            return self._stop()
        if name == "sensorStart":
            return self._start(words[1:])
        if name == "flushCfg":
            self._config.clear()
            self._pending.clear()
            return ["Done"]
        return self._configure(name, line)

    def _state(self) -> int:
        if self._started:
            return 2
        return 3 if self._ever_started else int(bool(self._config))

    def _stop(self) -> list[str]:
        if not self._started:
            return ["Ignored: Sensor is already stopped", "Done"]
        self._started = False
        self._on_stop()
        return ["Done"]

    def _configure(self, name: str, line: str) -> list[str]:
        if self._started:
            return ["Error: Invalid mode.", "Error -1"]
        if name in _REBOOT_ONLY:
            if self._calibrated and self._fixed.get(name, line) != line:
                return [f"Error: {name} cannot be changed before the next reset", "Error -1"]
            self._fixed[name] = line
        self._config.append(line)
        self._pending.append(line)
        return ["Done"]

    def _start(self, arguments: list[str]) -> list[str]:
        if self._started:
            return ["Ignored: Sensor is already started", "Done"]
        refusal = self._start_refusal(arguments)
        if refusal is not None:
            return [refusal, "Error -1"]
        try:
            text = "\n".join(self._config)
            sensor, count = parse_profile(text), frames_in_profile(text)
        except ConfigError:
            return ["Error: mmWave configuration failed [Error code -3110 Subsystem 72]", "Error -1"]
        replies = [] if self._calibrated else ["Debug: Init Calibration Status = 0x1ffe"]
        self._calibrated = self._ever_started = self._started = True
        self._pending.clear()
        self._on_start(sensor, count)
        return [*replies, "Done"]

    def _start_refusal(self, arguments: list[str]) -> str | None:
        """Return why SDK 3 does not start now."""
        given = {command.name for command in profile_commands("\n".join(self._config))}
        pending = {command.name for command in profile_commands("\n".join(self._pending))}
        full = given.issuperset(_NEEDED)
        fresh = pending.issuperset(_NEEDED)
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
