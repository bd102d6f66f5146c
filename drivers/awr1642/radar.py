"""The radar behind its console: waking it, sending it a profile, starting and stopping it, and hearing what it says.

The radar of each SDK keeps some values from its first start until it is reset, and tells more or less of that. A reset
goes through the capture card, whose cable carries the reset line.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from isactrack.drivers.awr1642.console import (
    Console,
    FirmwareCrashError,
    GarbledReplyError,
    RadarResetError,
    raise_on_crash,
    restarted,
)
from isactrack.drivers.awr1642.data_port import told_baud_rate
from isactrack.drivers.awr1642.dialect import Dialect, detect_dialect
from isactrack.drivers.awr1642.profile import ProfileCommand
from isactrack.drivers.awr1642.spy import WireLog
from isactrack.errors import DeviceError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError
from isactrack.events import EventKind

BOOT_S: Final = 2.0
"""Longest time from the reset of the radar to its prompt."""
MOST_GARBLED: Final = 2
"""Times that a configuration is begun anew because a reply was garbled."""
MOST_LINES: Final = 20
"""Lines of the radar that become events each time that the console is looked at."""
_FIXED_UNTIL_RESET: Final = {"dfeDataOutputMode", "channelCfg", "adcCfg", "lowPower"}
"""Commands that the radar takes at its first start only."""
_HANDLED_LINES: Final = {"sensorStart", "sensorStop", "flushCfg", "version", "queryDemoStatus"}
_SENSOR_STARTED: Final = "Sensor State: 2"
_SENSOR_INITIAL: Final = "Sensor State: 0"

_log = logging.getLogger(__name__)


class Radar:
    """A radar that runs TI's mmw demo; not for several threads at a time.

    The order is `wake`, `halt`, `configure`, and for each run `prepare`, `start`, `stop`.

    Parameters
    ----------
    port
        Serial port of its console.
    reset_line
        Pulls the radar's reset line, through the capture card.
    note
        Is told what happens.
    wire_log
        Where every byte is noted; None for nowhere.

    Raises
    ------
    DeviceNotFoundError
        If the port does not exist or must not be opened.
    """

    def __init__(
        self,
        port: str,
        *,
        reset_line: Callable[[], None],
        note: Callable[[EventKind, str], None],
        wire_log: WireLog | None = None,
    ) -> None:
        self._reset_line = reset_line
        self._note = note
        self._wire_log = wire_log
        self._dialect = Dialect.SDK3
        self._commands: list[ProfileCommand] = []
        self._applied = False  # whether the firmware has taken the configuration by a sensorStart
        self._fixed: dict[str, str] | None = None  # what the radar was opened with since its reset; None: unknown
        self._unsure = False  # whether a start failed or a run ended badly, after which the radar must be reset
        self._crash: FirmwareCrashError | None = None  # what was heard of the firmware's death
        self._console = Console(port, wire_log=wire_log)

    @property
    def port_name(self) -> str:
        """Serial port of the console."""
        return self._console.port_name

    @property
    def is_away(self) -> bool:
        """Whether the serial port went away, see `reach`."""
        return self._console.lost

    @property
    def dialect(self) -> Dialect:
        """SDK of its firmware, known once it was woken."""
        return self._dialect

    def close(self) -> None:
        """Release the port."""
        self._console.close()

    def reach(self) -> None:
        """Open a port that went away; DeviceNotFoundError until it is back."""
        if not self._console.lost:
            return
        self._console.close()
        self._console = Console(self.port_name, wire_log=self._wire_log)
        self._trouble(EventKind.RADAR, f"the serial port {self.port_name} is back")

    # --- before a run ------------------------------------------------------------------------------------------------

    def wake(self) -> list[str]:
        """Bring the console to its prompt, if need be by a reset; return what the firmware says of its version.

        Raises
        ------
        DeviceNotFoundError
            If the port is away.
        DeviceTimeoutError, ProtocolError
            If there is no prompt, or another program's.
        """
        self._applied = False
        self.reach()
        try:
            self._console.synchronise(attempts=2)
        except (FirmwareCrashError, DeviceTimeoutError) as error:
            self._reset_after(error)
        version = self._console.command("version")
        self._dialect = detect_dialect(version)
        return version

    def halt(self) -> None:
        """Stop the radar by its console; ProtocolError or DeviceTimeoutError if it does not."""
        self.reach()
        self._console.command("sensorStop")

    def configure(self, commands: Sequence[ProfileCommand]) -> None:
        """Send a configuration, after a reset if the radar may keep values of another one.

        Parameters
        ----------
        commands
            Lines of the profile in the dialect of the firmware.

        Raises
        ------
        ProtocolError
            If the firmware refuses a line; the message names its place.
        """
        self._commands = list(commands)
        self._reset_if_needed()
        self._send_all()

    def told_baud_rate(self) -> int | None:
        """Return the rate of its data port, None if the firmware does not tell; only SDK 3 does."""
        if self._dialect is Dialect.SDK3:
            with contextlib.suppress(GarbledReplyError):
                return told_baud_rate(self._console.command("queryDemoStatus"))
        return None

    # --- a run -------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Have the radar ready to start: after a run that ended badly it is reset and configured anew."""
        if self._unsure:
            self._try_reset("the start before failed")
            self._console.synchronise()
            self._unsure = True  # until it has started: what follows may be interrupted
            self._send_all()

    def start(self) -> None:
        """Start the radar; ProtocolError or DeviceTimeoutError if it does not, see `recover`."""
        try:
            self._start_sensor()
        except (ProtocolError, DeviceTimeoutError):
            self._unsure = True
            raise
        self._unsure, self._applied, self._crash = False, True, None
        self._fixed = _fixed_lines(self._commands)

    def recover(self, error: DeviceError) -> None:
        """Reset and configure the radar after a start that failed with `error`, which may have wedged it.

        Raises
        ------
        DeviceError
            The same error again if the radar cannot be reset.
        """
        self._reset_after(error)
        self._unsure = True  # until it has started
        self._send_all()

    def abandon(self) -> None:
        """Stop what a start that failed, or was interrupted, left running, as far as the radar answers."""
        with contextlib.suppress(DeviceError):
            self._console.synchronise(attempts=1)
            said = self._console.command("sensorStop")
            self._applied = self._applied or not any("already stopped" in line for line in said)
            self._unsure = self._unsure or self._dialect is not Dialect.SDK3  # which does not tell

    def listen(self) -> ProtocolError | None:
        """Note what the radar prints on its own; return why its stream ends, if it says so.

        A port that is away does not matter as long as data come; it is opened again once it is back.
        """
        try:
            if self._console.lost:
                with contextlib.suppress(DeviceNotFoundError):
                    self.reach()
                return None
            lines = self._console.listen()
        except DeviceNotFoundError as error:
            self._trouble(EventKind.RADAR, f"{error}; the capture goes on")
            return None
        self._note_lines(lines)
        verdict = self._judge(lines)
        self._unsure |= verdict is not None  # so that the next start resets and configures it
        return verdict

    def stop(self) -> None:
        """Stop the radar by its console or, if that does not work, by a reset; what fails is an event."""
        reason = str(self._crash)
        if self._crash is None:  # a crashed firmware answers nothing
            try:
                if self._console.lost:
                    self.reach()
                    self._console.synchronise(attempts=1)
                self._console.command("sensorStop")
            except RadarResetError:
                self._unsure = True
                return
            except DeviceError as error:
                reason = str(error)
            else:
                return
        self._unsure, self._applied, self._crash = True, False, None
        try:
            self._reset_line()
        except DeviceError as error:
            self._trouble(EventKind.CARD, f"the radar may still run, for it could not even be reset: {error}")
        else:
            self._trouble(EventKind.RADAR, f"stopped by a reset through the capture card: {reason}")

    # --- how ---------------------------------------------------------------------------------------------------------

    def _reset_if_needed(self) -> None:
        """Reset the radar if it was started, or may have been, with other values of what is fixed until a reset."""
        if not self._unsure and self._fixed != {} and self._is_fresh():
            self._fixed = {}
        wanted, fixed = _fixed_lines(self._commands), self._fixed or {}
        changed = sorted(name for name in _FIXED_UNTIL_RESET if fixed and fixed.get(name) != wanted.get(name))
        if changed:
            self._reset(f"the profile changes {', '.join(changed)}, which only a reset does")
        elif self._unsure:
            self._try_reset("the start before failed")
        elif self._fixed is None and self._dialect is not Dialect.SDK3:  # which tells, at the latest at the start
            self._try_reset(f"a demo of {self._dialect.label} does not tell what it was started with before")

    def _is_fresh(self) -> bool:
        """Whether the radar says that it was not started since its reset; only SDK 3 says so."""
        return self._dialect is Dialect.SDK3 and _SENSOR_INITIAL in self._console.command("queryDemoStatus")

    def _try_reset(self, reason: str) -> None:
        """Reset the radar if its reset line is connected; what follows shows whether it was needed."""
        try:
            self._reset(reason)
        except DeviceTimeoutError as error:
            _log.warning("%s; if the radar ran another profile before, press its reset button", error)

    def _reset_after(self, error: DeviceError) -> None:
        """Reset the radar because of an error, which is raised again if that does not work."""
        try:
            self._reset(str(error))
        except DeviceError as failure:
            _log.info("no reset of the radar through the capture card: %s", failure)
            raise error from failure

    def _reset(self, reason: str) -> None:
        """Reset the radar through the card and wait for its prompt."""
        self._applied = False
        self._reset_line()
        _log.warning("the radar is reset through the capture card: %s", reason)
        self._note(EventKind.RADAR, f"reset through the capture card: {reason}")
        if self._console.await_banner(BOOT_S) is None:
            raise DeviceTimeoutError(
                f"the radar on {self.port_name} did not start within {BOOT_S:g} s of its reset through the "
                "capture card",
                "press the board's reset button and try again; check the 60-pin cable, which carries the reset line",
            )
        self._console.synchronise(attempts=2)
        self._fixed, self._unsure = {}, False

    def _send_all(self) -> None:
        """Send the whole configuration, and again from its beginning if the line garbles a reply."""
        for left in reversed(range(MOST_GARBLED + 1)):
            try:
                self._console.command("flushCfg")
                for command in self._commands:
                    if command.name not in _HANDLED_LINES:
                        self._send(command)
            except GarbledReplyError as error:
                if not left:
                    raise
                self._trouble(EventKind.RADAR, f"{error}; the configuration is sent again")
            else:
                return

    def _send(self, command: ProfileCommand) -> None:
        try:
            self._console.command(command.text)
        except (FirmwareCrashError, GarbledReplyError):
            raise
        except ProtocolError as error:
            raise ProtocolError(f"{command.place}: {error}", error.hint) from error

    def _start_sensor(self) -> None:
        """Start the radar, never twice: byte 0 of the stream must be that of its first frame."""
        line = "sensorStart 0" if self._applied else "sensorStart"
        try:
            said = self._console.command(line)
        except GarbledReplyError as error:
            if self._dialect is Dialect.SDK3:
                state = self._console.command("queryDemoStatus")
                _log.warning("%s; the radar says %s", error, " / ".join(state))
                if _SENSOR_STARTED in state:
                    return
            elif not error.refused:
                raise
            said = self._console.command(line)
        if any("already started" in text for text in said):
            raise ProtocolError("the radar ran already when it was to start", "configure it again")

    def _note_lines(self, lines: list[str]) -> None:
        texts = [line for line in lines if "\ufffd" not in line]
        if len(texts) < len(lines):
            self._trouble(EventKind.RADAR, "from the radar's console: bytes that are no text")
        for line in texts[:MOST_LINES]:
            self._trouble(EventKind.RADAR, f"from the radar's console: {line[:200]!r}")

    def _judge(self, lines: list[str]) -> ProtocolError | None:
        """Return why the stream ends by what the radar has printed, None if it goes on."""
        try:
            raise_on_crash(lines)
        except FirmwareCrashError as error:
            self._crash = error
            return error
        version = restarted(lines)
        if version is None:
            return None
        return RadarResetError(
            f"the radar was reset while it streamed: it greets anew (MMW Demo {version})",
            "if nobody pressed reset, check its power supply (5 V, 2.5 A); the next start configures it again",
        )

    def _trouble(self, kind: EventKind, text: str) -> None:
        """Note and log that something went wrong, or right again."""
        self._note(kind, text)
        _log.warning("%s", text)


def _fixed_lines(commands: Sequence[ProfileCommand]) -> dict[str, str]:
    """Return the last of each command whose values are fixed until the radar is reset."""
    return {command.name: command.text for command in commands if command.name in _FIXED_UNTIL_RESET}
