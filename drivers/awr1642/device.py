"""The AWR1642 with a DCA1000 as a device.

Order of bring-up, without which byte 0 of the stream lies in the middle of a frame: the capture card is connected,
reset and configured, the radar configured and stopped, the record started, and then the radar.
"""

import contextlib
import ipaddress
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from isactrack.drivers.awr1642.console import Console, find_consoles, raise_on_crash
from isactrack.drivers.awr1642.dca1000 import (
    NOTICES,
    OVERFLOWS,
    Addresses,
    Command,
    Dca1000,
    StatusFlag,
    event_name,
)
from isactrack.drivers.awr1642.profile import default_profile, frames_in_profile, parse_profile, profile_commands
from isactrack.drivers.awr1642.receiver import Receiver
from isactrack.drivers.device import Device, DeviceInfo, DeviceState, DeviceStats
from isactrack.drivers.url import DeviceUrl, parse_pose
from isactrack.errors import ConfigError, DeviceError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.geometry import Pose
from isactrack.source import Source

HELD_TAIL_S: Final = 2.0
"""The card holds the last, partial packet back until 2 s after the last data."""
EVENT_PERIOD_S: Final = 1.0
"""How often the card is asked for its reports while it streams."""
_HANDLED_LINES: Final = {"sensorStart", "sensorStop", "flushCfg", "version", "queryDemoStatus", "configDataPort"}

_log = logging.getLogger(__name__)


def open_url(url: DeviceUrl) -> "Awr1642":
    """Open ``awr1642://PORT``; ``auto`` takes the one board that is connected.

    Options are ``host`` and ``fpga`` (addresses), ``config_port``, ``data_port``, ``fpga_port``, and ``pose``, see
    `parse_pose`.
    """
    d = Addresses()
    o = url.take(
        host=d.host_ip,
        fpga=d.fpga_ip,
        config_port=d.config_port,
        data_port=d.data_port,
        fpga_port=d.fpga_port,
        pose=None,
    )
    addresses = Addresses(
        host_ip=_ip(url, "host", o["host"]),
        fpga_ip=_ip(url, "fpga", o["fpga"]),
        config_port=_udp_port(url, "config_port", o["config_port"]),
        data_port=_udp_port(url, "data_port", o["data_port"]),
        fpga_port=_udp_port(url, "fpga_port", o["fpga_port"]),
    )
    pose = parse_pose(url.text, o["pose"])
    return Awr1642(_auto_port() if url.target in ("", "auto") else url.target, addresses, url=url.text, pose=pose)


def _ip(url: DeviceUrl, name: str, value: object) -> str:
    try:
        return str(ipaddress.IPv4Address(str(value)))
    except ValueError:
        raise ConfigError(f"{name}={value} in {url.text!r} is no IPv4 address", "write e.g. 192.168.33.30") from None


def _udp_port(url: DeviceUrl, name: str, value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigError(f"{name}={value} in {url.text!r} is no UDP port", "use 1 to 65535")
    return value


def read_deadline_s(frame_period_s: float) -> float:
    """Return how long to wait for a frame: the tail that the card holds back, and a few frame periods."""
    return HELD_TAIL_S + 1.0 + 3.0 * frame_period_s


def _auto_port() -> str:
    ports = find_consoles()
    if len(ports) == 1:
        return ports[0].device
    if not ports:
        raise DeviceNotFoundError(
            "no radar board is connected: no USB port is the user UART of an XDS110 or CP2105",
            "connect the AWR1642BOOST by USB and power it; without hardware use sim://awr1642",
        )
    names = ", ".join(port.device for port in ports)
    raise DeviceNotFoundError(f"several radar boards are connected: {names}", "name one, e.g. awr1642:///dev/ttyACM0")


class Awr1642(Device):
    """An AWR1642BOOST whose raw samples come through a DCA1000EVM.

    Parameters
    ----------
    port
        Serial port of the board's console.
    addresses
        Where host and capture card talk.
    url
        URL to report; made from the port if empty.
    pose
        Where the radar stands in the room.
    deadline_s
        Function of the frame period (s) that says for how long the stream may be silent (s).
    """

    def __init__(
        self,
        port: str,
        addresses: Addresses | None = None,
        *,
        url: str = "",
        pose: Pose | None = None,
        deadline_s: Callable[[float], float] = read_deadline_s,
    ) -> None:
        super().__init__(pose=pose)
        self._url = url or f"awr1642://{port}"
        self._addresses = addresses or Addresses()
        self._firmware = ""
        self._profile_text = ""
        self._applied = False  # whether the firmware has taken the configuration by a sensorStart
        self._receiver: Receiver | None = None
        self._frame_count: int | None = None
        self._deadline_s = deadline_s
        self._reports = StatusFlag(0)  # what the card has reported since the start
        self._overflows = 0
        self._next_poll_s = 0.0
        self._console = Console(port)
        self._card: Dca1000 | None = None

    @property
    def info(self) -> DeviceInfo:
        """What board and card say of themselves; the firmware is known once the device is configured."""
        return DeviceInfo(
            url=self._url, model="AWR1642", source=Source.HARDWARE, origin=Source.HARDWARE, firmware=self._firmware
        )

    @property
    def profile_text(self) -> str:
        """The profile that was sent, verbatim."""
        return self._profile_text

    @property
    def frame_count(self) -> int | None:
        """Frames that the profile asks for, None if it never stops."""
        return self._frame_count

    @property
    def stats(self) -> DeviceStats:
        """Counters since the last start."""
        counted = self._receiver.stats if self._receiver is not None else DeviceStats()
        return replace(counted, card_overflows=self._overflows)

    def _configure(self, profile: str | None) -> FmcwSensor:
        text = default_profile() if profile is None else profile
        sensor = parse_profile(text, model="AWR1642")
        self._profile_text, self._frame_count, self._applied = "", None, False
        self._console.synchronise()
        versions = self._console.command("version")
        self._console.command("sensorStop")
        if self._card is None:
            self._card = Dca1000(self._addresses)
        fpga = self._card.bring_up()
        self._firmware = "; ".join([*(line for line in versions if "SDK" in line), f"FPGA {fpga}"])
        _log.info("the radar on %s answers: %s", self._console.port_name, self._firmware)
        self._console.command("flushCfg")
        for command in profile_commands(text):
            if command.name not in _HANDLED_LINES:
                self._send(command.text, command.line)
        self._profile_text, self._frame_count = text, frames_in_profile(text)
        _log.info("the radar is configured: frames of %d bytes", sensor.frame_bytes)
        return sensor

    def _send(self, line: str, number: int) -> None:
        try:
            self._console.command(line)
        except ProtocolError as error:
            raise ProtocolError(f"line {number} of the profile: {error}", error.hint) from error

    def _start(self) -> None:
        card = self._configured_card()
        card.poll_events()  # those of an earlier run say nothing of this one
        self._reports, self._overflows = StatusFlag(0), 0
        self._receiver = Receiver(self._addresses, self.sensor)
        try:
            card.command(Command.RECORD_START)
            self._console.command("sensorStart 0" if self._applied else "sensorStart")
        except BaseException:
            self._abandon_start(card, self._receiver)
            raise
        self._applied = True
        self._receiver.heard_s = time.monotonic()  # the radar calibrates for seconds before it sends
        self._next_poll_s = 0.0
        _log.info("the radar streams")

    def _abandon_start(self, card: Dca1000, receiver: Receiver) -> None:
        """Stop whatever a start that failed, or was interrupted, left running."""
        try:
            with contextlib.suppress(DeviceError):
                self._console.synchronise()
                said = self._console.command("sensorStop")
                self._applied = self._applied or not any("already stopped" in line for line in said)
            with contextlib.suppress(DeviceError):
                card.command(Command.RECORD_STOP)
        finally:
            receiver.close()

    def _read(self, timeout_s: float | None) -> Frame | None:
        receiver = self._receiver
        if receiver is None:
            return None
        patience_s = self._deadline_s(self.sensor.frame_period_s)
        limit_s = patience_s if timeout_s is None else timeout_s
        silence_s = max(patience_s, limit_s)
        deadline = time.monotonic() + limit_s
        while self._frame_count is None or receiver.next_counter < self._frame_count:
            self._poll_card()
            frame = receiver.take(min(0.1, max(deadline - time.monotonic(), 0.0)))
            if frame is not None:
                return frame
            now = time.monotonic()
            if receiver.ended:
                self._raise_unless_over(receiver)
                return None
            late = now >= deadline
            broke_off = now - receiver.heard_s >= silence_s or (late and limit_s >= patience_s)
            if broke_off or self._bytes_left(receiver) <= 0:
                receiver.close()  # hands out the last frames as far as they arrived
            elif late:
                raise self._silence(limit_s)
        return None

    def _raise_unless_over(self, receiver: Receiver) -> None:
        """Raise why a stream ended, unless it was stopped or has come to its end."""
        if receiver.failure is not None:
            raise DeviceError(
                f"the data port of the capture card failed: {receiver.failure}",
                "check the network interface to the DCA1000",
            ) from receiver.failure
        # What is lost at the very end is a loss like any other, and counted by whoever knows how many frames were due.
        near_end = receiver.position > 0 and self._bytes_left(receiver) < 2 * self.sensor.frame_bytes
        if self.state is DeviceState.STREAMING and not near_end:
            raise self._silence(time.monotonic() - receiver.heard_s)

    def _bytes_left(self, receiver: Receiver) -> float:
        """Return the bytes that a capture of some frames still has to send; infinite for an endless one."""
        due = math.inf if self._frame_count is None else self._frame_count * self.sensor.frame_bytes
        return due - receiver.position

    def _poll_card(self) -> None:
        now = time.monotonic()
        if now >= self._next_poll_s and self.state is DeviceState.STREAMING:
            self._next_poll_s = now + EVENT_PERIOD_S
            self._note_events()

    def _note_events(self) -> None:
        """Take what the card has reported, and warn of all but notices."""
        for event in self._configured_card().poll_events():
            self._reports |= event
            if event & OVERFLOWS:
                self._overflows += 1
                _log.warning("the capture card reports %s: samples are missing and not marked", event_name(event))
            elif event & ~NOTICES:
                _log.warning("the capture card reports %s", event_name(event))

    def _silence(self, limit_s: float) -> DeviceTimeoutError:
        """Say why no frame came, as far as card and firmware tell."""
        raise_on_crash(said := self._console.listen())
        card = self._configured_card()
        self._note_events()
        packets = self.stats.packets
        facts = [f"{packets} packets since the start"]
        facts += [f"the card reports {event_name(self._reports)}"] if self._reports else []
        facts += [f"the radar says {' / '.join(said)}"] if said else []
        try:
            card.request(Command.SYSTEM_CONNECT)
        except DeviceTimeoutError as error:
            return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)}): {error}", error.hint)
        hint = (
            "the card answers but gets no LVDS data: check the 60-pin cable, `lvdsStreamCfg -1 0 1 0` in the profile, "
            "and that the radar did start"
            if packets == 0
            else "the stream broke off: the radar may have stopped, or the profile leaves no time between frames"
        )
        return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)})", hint)

    def _stop(self) -> None:
        receiver = self._receiver
        try:
            self._console.command("sensorStop")
        finally:
            try:
                card = self._configured_card()
                self._note_events()  # an earlier record's end is not this one's
                card.command(Command.RECORD_STOP)
                card.await_event(StatusFlag.RECORD_COMPLETED, 0.5)
                self._note_events()
            finally:
                if receiver is not None:
                    receiver.close()
                _log.info("stopped: %s", self.stats)

    def _close(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
        if self._card is not None:
            self._card.close()
        self._console.close()

    def _configured_card(self) -> Dca1000:
        if self._card is None:
            raise ProtocolError("the capture card is not connected", "call configure() first")
        return self._card
