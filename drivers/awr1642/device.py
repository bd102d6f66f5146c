"""The AWR1642 with a DCA1000 as a device.

Order of bring-up, without which byte 0 of the stream lies in the middle of a frame: the capture card is connected,
reset and configured, the radar configured and stopped, the record started, and then the radar.
"""

import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from isactrack.drivers.awr1642.data_port import DataPortOfRuns, DataPortRequest, requested_data_port
from isactrack.drivers.awr1642.dca1000 import (
    DEFAULT_PACKET_BYTES,
    HELD_TAIL_S,
    OVERFLOWS,
    Addresses,
    Command,
    Dca1000,
    event_name,
    payload_bytes,
)
from isactrack.drivers.awr1642.limits import packet_delay_s
from isactrack.drivers.awr1642.options import console_port, parse_options
from isactrack.drivers.awr1642.profile import commands_for, default_profile, frames_in_profile, parse_profile
from isactrack.drivers.awr1642.radar import Radar
from isactrack.drivers.awr1642.receiver import Receiver
from isactrack.drivers.awr1642.runs import RunLedger
from isactrack.drivers.awr1642.spy import WireLog
from isactrack.drivers.awr1642.watch import HELD_UP_S, CardReports, LinkWatch
from isactrack.drivers.device import Device, DeviceInfo, DeviceState, DeviceStats
from isactrack.drivers.journal import Journal
from isactrack.drivers.url import DeviceUrl
from isactrack.errors import DeviceError, DeviceStateError, DeviceTimeoutError, ProtocolError
from isactrack.events import Event, EventKind, SidePacket
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.geometry import Pose
from isactrack.sensor import require_fmcw
from isactrack.source import Source

LOOK_PERIOD_S: Final = 0.5
"""How often console and link are looked at while it streams; the card's reports are with each frame."""
MOST_REALIGNMENTS: Final = 3
REALIGNMENT_PERIOD_S: Final = 60.0
"""If the card overflows more often than `MOST_REALIGNMENTS` in this time, the profile cannot work."""
_PACKET_BYTES: Final = payload_bytes(DEFAULT_PACKET_BYTES)

_log = logging.getLogger(__name__)


def open_url(url: DeviceUrl) -> "Awr1642":
    """Open ``awr1642://PORT``; ``auto`` takes the one board that is connected.

    Options are ``host`` and ``fpga`` (addresses), ``config_port``, ``data_port``, ``fpga_port``, ``pose``, see
    `parse_pose`, ``spy``, see `WireLog`, and ``data``: where the radar's own detections are read, see `DataPortOfRuns`.
    """
    addresses, pose = parse_options(url)
    port = console_port(url)
    data = url.options.get("data", "auto")
    return Awr1642(port, addresses, url=url.text, pose=pose, spy=url.options.get("spy"), data=data)


def read_deadline_s(frame_period_s: float) -> float:
    """Return how long to wait for a frame: the tail that the card holds back, and a few frame periods."""
    return HELD_TAIL_S + 1.0 + 3.0 * frame_period_s


def _receiver_error(failure: Exception) -> DeviceError:
    if isinstance(failure, ChildProcessError):
        return DeviceError(str(failure), "something killed it, or the memory was used up: start the capture again")
    hint = "check the network interface to the DCA1000" if isinstance(failure, OSError) else "please report this"
    return DeviceError(f"the data port of the capture card failed: {type(failure).__name__}: {failure}", hint)


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
    time_scale
        Seconds on the device's clock per second on the host's; other than 1 for simulations only.
    spy
        File for a log of everything on the wires, see `WireLog`; None for none.
    data
        Serial port of what the radar detects itself: ``auto``, ``none`` or its name, see `DataPortOfRuns`.
    """

    def __init__(
        self,
        port: str,
        addresses: Addresses | None = None,
        *,
        url: str = "",
        pose: Pose | None = None,
        deadline_s: Callable[[float], float] = read_deadline_s,
        spy: str | None = None,
        time_scale: float = 1.0,
        data: str = "auto",
    ) -> None:
        super().__init__(pose=pose)
        self._url = url or f"awr1642://{port}"
        self._addresses = addresses or Addresses()
        self._firmware = ""
        self._profile_text = ""
        self._receiver: Receiver | None = None
        self._frame_count: int | None = None
        self._deadline_s = deadline_s
        self._journal = Journal()
        self._reports = CardReports(self._journal)
        self._link = LinkWatch(self._journal)
        self._time_scale = time_scale
        self._ledger = RunLedger(1, 1.0)
        self._control = threading.RLock()  # one thread may stop radar and card while another one reads
        self._verdict: DeviceError | None = None  # what ended the stream; raised once its frames are handed out
        self._next_look_s = 0.0
        self._realigned_s: deque[float] = deque(maxlen=MOST_REALIGNMENTS)
        self._card: Dca1000 | None = None
        self._data = DataPortOfRuns(data, port)
        self._data_request = DataPortRequest()
        self._wire_log = WireLog(spy, self._url) if spy is not None else None
        try:
            self._radar = Radar(
                port,
                reset_line=lambda: self._open_card().reset_radar(),
                note=self._journal.note,
                wire_log=self._wire_log,
            )
        except BaseException:
            self._close_wire_log()
            raise
        if self._wire_log is not None:
            self._wire_log.count_packets(lambda: self.stats.packets)

    @property
    def info(self) -> DeviceInfo:
        """What board and card say of themselves; the firmware is known once the device is configured."""
        return DeviceInfo(
            url=self._url, model="AWR1642", source=Source.HARDWARE, origin=Source.HARDWARE, firmware=self._firmware
        )

    @property
    def sensor(self) -> FmcwSensor:
        """The radar as it really runs; DeviceStateError before it is configured."""
        return require_fmcw(super().sensor)

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
        return replace(self._ledger.total(counted), card_overflows=self._reports.overflows)

    def run_time_s(self, frame: Frame) -> float:
        """Return when a frame began, seconds since the radar was started last; an overrun starts it anew."""
        return self._ledger.run_time_s(frame.counter)

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first."""
        return sorted([*self._journal.take(), *self._data.take_events()], key=lambda event: event.host_monotonic_ns)

    def take_side_packets(self) -> list[SidePacket]:
        """Return what the radar has written to its data port since the last call, in the kind `mmw-demo-tlv`."""
        return self._data.take()

    def _configure(self, profile: str | None) -> FmcwSensor:
        text = default_profile() if profile is None else profile
        parse_profile(text, model="AWR1642")
        self._profile_text, self._frame_count = "", None
        radar = self._radar
        versions = radar.wake()
        commands = commands_for(text, radar.dialect)
        sensor = parse_profile(text, model="AWR1642", dialect=radar.dialect)
        self._data_request = requested_data_port(commands)
        radar.halt()
        fpga = self._open_card().bring_up(delay_s=packet_delay_s(sensor))
        self._firmware = "; ".join([*(line for line in versions if "SDK" in line), f"FPGA {fpga}"])
        _log.info("the radar on %s answers: %s", radar.port_name, self._firmware)
        radar.configure(commands)
        self._profile_text, self._frame_count = text, frames_in_profile(text)
        _log.info("the radar is configured: frames of %d bytes", sensor.frame_bytes)
        return sensor

    def _open_card(self) -> Dca1000:
        if self._card is None:
            self._card = Dca1000(self._addresses, wire_log=self._wire_log)
        return self._card

    def _start(self) -> None:
        card = self._configured_card()
        self._radar.reach()
        card.poll_events()  # those of an earlier run say nothing of this one
        self._reports, self._link = CardReports(self._journal), LinkWatch(self._journal)
        if self._wire_log is not None:
            self._wire_log.tell_packets(restart=True)
        self._receiver = None  # its packets are of the run before
        self._ledger = RunLedger(
            self.sensor.frame_bytes,
            self.sensor.frame_period_s,
            time_scale=self._time_scale,
            frame_count=self._frame_count,
        )
        self._verdict = None
        self._realigned_s.clear()
        self._radar.prepare()
        if self._data.is_wanted(self._data_request):
            self._data.open(self._radar.told_baud_rate() or self._data_request.baud)
        try:
            self._begin_run(card)
        except BaseException:
            self._data.close()
            raise
        self._next_look_s = 0.0
        _log.info("the radar streams")

    def _begin_run(self, card: Dca1000) -> None:
        """Start record and radar, and listen to the data before."""
        delay_s = packet_delay_s(self.sensor)
        self._receiver = receiver = Receiver(self._addresses, self.sensor, packet_delay_s=delay_s)
        try:
            self._start_radar(card)
        except BaseException:
            self._abandon_start(card, receiver)
            raise
        receiver.heard_s = time.monotonic()  # the radar calibrates for seconds before it sends

    def _start_radar(self, card: Dca1000) -> None:
        """Start record and radar. A start that fails may wedge the radar, so it is reset and tried once more."""
        card.start_record()
        try:
            self._radar.start()
        except (ProtocolError, DeviceTimeoutError) as error:
            card.command(Command.RECORD_STOP)
            self._radar.recover(error)
            card.start_record()
            self._radar.start()

    def _abandon_start(self, card: Dca1000, receiver: Receiver) -> None:
        """Stop whatever a start that failed, or was interrupted, left running."""
        try:
            self._radar.abandon()
            with contextlib.suppress(DeviceError):
                card.command(Command.RECORD_STOP)
        finally:
            receiver.close()

    def _read(self, timeout_s: float | None) -> Frame | None:
        if self._receiver is None:
            return None
        patience_s = self._deadline_s(self.sensor.frame_period_s)
        limit_s = patience_s if timeout_s is None else timeout_s
        silence_s = max(patience_s, limit_s)
        deadline = time.monotonic() + limit_s
        while self._frame_count is None or self._ledger.next_counter < self._frame_count:
            began = time.monotonic()
            frame = self._take(min(0.1, max(deadline - began, 0.0)))
            if frame is not None:
                return frame
            receiver, now = self._receiver, time.monotonic()
            if receiver.ended:
                self._raise_unless_over(receiver)
                return None
            if now - began > HELD_UP_S:
                deadline += now - began
                continue
            late = now >= deadline
            broke_off = now - receiver.heard_s >= silence_s or (late and limit_s >= patience_s)
            if broke_off or self._bytes_left(receiver) <= 0:
                receiver.close()  # hands out the last frames as far as they arrived
            elif late:
                raise self._silence(limit_s)
        return None

    def _take(self, wait_s: float) -> Frame | None:
        """Take a frame, and look at card, link and console; None if there is none that can be trusted.

        In this order: what the card reported before it sent the last packet of the frame is known by then.
        """
        receiver = self._receiver
        if receiver is None:
            return None
        frame = receiver.take(wait_s)
        with self._control:
            if self.state is DeviceState.STREAMING and self._verdict is None:
                if self._note_reports():
                    self._realign(receiver, frame)
                    return None
                self._look(receiver)
        if frame is None:
            return None
        frame = self._ledger.number(frame)
        over = self._frame_count is not None and frame.counter >= self._frame_count  # begun anew too late
        return None if over else frame

    def _raise_unless_over(self, receiver: Receiver) -> None:
        """Raise why a stream ended, unless it was stopped or has come to its end."""
        if self._verdict is not None:
            raise self._verdict
        if receiver.failure is not None:
            raise _receiver_error(receiver.failure) from receiver.failure
        # What is lost at the very end is a loss like any other, and counted by whoever knows how many frames were due.
        near_end = receiver.position > 0 and self._bytes_left(receiver) < 2 * self.sensor.frame_bytes
        if self.state is DeviceState.STREAMING and not near_end:
            raise self._silence(time.monotonic() - receiver.heard_s)

    def _bytes_left(self, receiver: Receiver) -> float:
        """Return the bytes that a capture of some frames still has to send; infinite for an endless one."""
        if self._frame_count is None:
            return math.inf
        return (self._frame_count - self._ledger.first_counter) * self.sensor.frame_bytes - receiver.position

    # --- what is watched while it streams ----------------------------------------------------------------------------

    def _note_reports(self) -> bool:
        """Take what the card has reported; return whether samples are missing that no byte count shows."""
        return self._reports.note(self._configured_card().poll_events())

    def _look(self, receiver: Receiver) -> None:
        """Look at link and console, but not often."""
        now = time.monotonic()
        if now < self._next_look_s:
            return
        self._next_look_s = now + LOOK_PERIOD_S
        self._link.look(
            now,
            receiver.heard_s,
            patience_s=self._deadline_s(self.sensor.frame_period_s) / 3.0,
            expected=self._bytes_left(receiver) >= _PACKET_BYTES,  # the card keeps its tail for 2 s
        )
        self._verdict = self._radar.listen()
        if self._verdict is not None:
            self._journal.trouble(EventKind.RADAR, f"the stream ends: {self._verdict}")
            self._end_record()
            receiver.close()

    def _silence(self, limit_s: float) -> DeviceError:
        """Say why no frame came, as far as card and firmware tell."""
        with self._control:
            if self.state is not DeviceState.STREAMING:  # another thread was quicker
                return DeviceStateError("the device was stopped while a frame was waited for", "read while it streams")
            self._verdict = self._radar.listen() or self._verdict
            if self._verdict is not None:
                return self._verdict
            card = self._configured_card()
            self._note_reports()
            packets = self.stats.packets
            facts = [f"{packets} packets since the start"]
            facts += [f"the card reports {event_name(self._reports.flags)}"] if self._reports.flags else []
            facts += [f"the serial port {self._radar.port_name} is away"] if self._radar.is_away else []
            try:
                card.request(Command.SYSTEM_CONNECT)
            except DeviceError as error:
                return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)}): {error}", error.hint)
        hint = (
            "the card answers but gets no LVDS data: check the 60-pin cable, `lvdsStreamCfg -1 0 1 0` in the profile, "
            "and that the radar did start"
            if packets == 0
            else "the stream broke off: the radar may have stopped, or the profile leaves no time between frames"
        )
        return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)})", hint)

    # --- overruns of the card ----------------------------------------------------------------------------------------

    def _realign(self, receiver: Receiver, taken: Frame | None) -> None:
        """After an overrun begin record and radar anew: byte 0 is then the beginning of a frame again.

        The card does not say where in the stream samples are missing, so no frame since its report can be trusted, and
        none is handed out: they count as missing.
        """
        self._end_record()
        receiver.close()
        dropped = [] if taken is None else [taken]
        while not receiver.ended:
            frame = receiver.take(0.1)
            dropped += [] if frame is None else [frame]
        self._ledger.end_run(receiver.stats, dropped)
        report = event_name(self._reports.flags & OVERFLOWS)
        now = time.monotonic()
        if len(self._realigned_s) == MOST_REALIGNMENTS and now - self._realigned_s[0] < REALIGNMENT_PERIOD_S:
            self._verdict = ProtocolError(
                f"the capture card reports {report} again and again: samples come faster than it can send them",
                "use fewer samples, loops or receivers, or a longer frame period; `isactrack validate` tells the rate",
            )
            return
        self._realigned_s.append(now)
        try:
            self._radar.halt()
            self._begin_run(self._configured_card())
        except DeviceError as error:
            self._verdict = ProtocolError(
                f"after {report} of the capture card the stream could not be begun anew: {error}", error.hint
            )
            return
        self._ledger.begin_run()
        text = f"the stream was begun anew after {report}: frames before the next are missing"
        self._journal.trouble(EventKind.SESSION, text)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Stop radar and card as far as they answer. What does not is an event and no error: the data are taken."""
        with self._control:
            try:
                self._radar.stop()
                self._end_record()
            finally:
                if self._receiver is not None:
                    self._receiver.close()
                self._data.close()
                _log.info("stopped: %s", self.stats)

    def _end_record(self) -> None:
        """Have the card send what it holds back and end its record."""
        card = self._configured_card()
        try:
            self._note_reports()  # an earlier record's end is not this one's
            card.stop_record(is_quiet=self._is_quiet)
            self._note_reports()
        except DeviceError as error:
            self._journal.trouble(EventKind.CARD, f"the record of the capture card could not be stopped: {error}")

    def _is_quiet(self) -> bool:
        """Whether no data have come for longer than the card holds its last packet back."""
        return self._receiver is None or time.monotonic() - self._receiver.heard_s > HELD_TAIL_S + 0.2

    def _close_wire_log(self) -> None:
        if self._wire_log is not None:
            self._wire_log.close()

    def _close(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
        if self._card is not None:
            self._card.close()
        self._data.close()
        self._radar.close()
        self._close_wire_log()

    def _configured_card(self) -> Dca1000:
        if self._card is None:
            raise ProtocolError("the capture card is not connected", "call configure() first")
        return self._card
