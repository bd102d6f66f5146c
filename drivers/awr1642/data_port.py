"""The radar's second serial port, to which the mmw demo writes what it makes of each frame: read beside the frames.

The bytes are kept as they came, one `SidePacket` a packet of the demo; `isactrack.drivers.awr1642.tlv` reads them.
"""

import contextlib
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import serial

from isactrack.drivers.awr1642.discovery import find_data_port
from isactrack.drivers.awr1642.limits import MAX_BAUD_RATE
from isactrack.drivers.awr1642.profile import ProfileCommand
from isactrack.drivers.awr1642.tlv import SIDE_PACKET_KIND, GuiMonitor, TlvPacket, TlvStream
from isactrack.drivers.device import host_clocks
from isactrack.errors import ConfigError, DeviceNotFoundError
from isactrack.events import Event, EventKind, SidePacket

DEFAULT_BAUD_RATE: Final = 921_600
"""Rate of the demo's data port unless ``configDataPort`` says otherwise."""
MAX_QUEUED_BYTES: Final = 16 << 20
"""Packets that wait to be taken: three minutes of the port's default rate."""
_READ_TIMEOUT_S: Final = 0.1
_READ_BYTES: Final = 1 << 16
_COALESCE_S: Final = 0.005
"""Pause after a read, in which more bytes gather: USB brings them 64 at a time."""
_LARGE_READ_BYTES: Final = 2048
"""After a read of so many bytes there is no pause: a system's buffer may be 4096 bytes small."""
_RETRY_S: Final = 1.0
_MOST_EVENTS: Final = 256
_LAST_READ_S: Final = 0.5
"""After the end is asked for, the rest of what has arrived is read for no longer than this."""

_log = logging.getLogger(__name__)

_PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError, ValueError)
with contextlib.suppress(ImportError):  # Windows has none
    import termios

    _PORT_ERRORS += (termios.error,)  # pyserial lets it through, and it is no OSError


@dataclass(frozen=True, slots=True)
class DataPortRequest:
    """What a profile wants of the data port.

    Attributes
    ----------
    wanted
        Whether the radar will write anything to it.
    baud
        The rate at which it will.
    """

    wanted: bool = False
    baud: int = DEFAULT_BAUD_RATE


def requested_data_port(commands: Sequence[ProfileCommand]) -> DataPortRequest:
    """Return what the commands of a profile want of the data port: ``guiMonitor`` and ``configDataPort``.

    Raises
    ------
    ConfigError
        If one of them has arguments that are no numbers, or a rate that the radar does not have.
    """
    wanted, baud = False, DEFAULT_BAUD_RATE
    for command in commands:
        try:
            if command.name == "guiMonitor":
                wanted |= bool(GuiMonitor.from_arguments(command.arguments))
            elif command.name == "configDataPort":
                baud = int(command.arguments[0])
        except (ValueError, IndexError):
            raise ConfigError(
                f"{command.place}: {command.text!r} has arguments that are no whole numbers",
                "e.g. `guiMonitor -1 1 1 0 0 0 1`, `configDataPort 921600 0`",
            ) from None
        if not 0 < baud <= MAX_BAUD_RATE:
            raise ConfigError(
                f"{command.place}: the data port cannot run at {baud} baud",
                f"use up to {MAX_BAUD_RATE}, e.g. {DEFAULT_BAUD_RATE}",
            )
    return DataPortRequest(wanted, baud)


def told_baud_rate(status_lines: Sequence[str]) -> int | None:
    """Return the rate that the reply to ``queryDemoStatus`` of SDK 3 tells; None if it tells none that can be."""
    for line in status_lines:
        match = re.fullmatch(r"Data port baud rate\s*:\s*(\d{1,8})", line.strip())
        if match is not None and 0 < int(match[1]) <= MAX_BAUD_RATE:
            return int(match[1])
    return None


class DataPort:
    """Reads the data port in a thread of its own, from construction to `close`.

    A port that goes away is opened again once a second; garbage is skipped and counted.

    Parameters
    ----------
    port
        Name for pyserial: a device, or a URL such as ``socket://``.
    baud
        Rate.
    max_queued_bytes
        Bytes of packets that wait to be taken; beyond them the oldest are dropped and counted.

    Raises
    ------
    DeviceNotFoundError
        If the port does not exist or must not be opened.

    Attributes
    ----------
    packets
        Packets found.
    dropped_packets
        Those of them that nobody took in time.
    """

    def __init__(self, port: str, baud: int = DEFAULT_BAUD_RATE, *, max_queued_bytes: int = MAX_QUEUED_BYTES) -> None:
        self.port_name = port
        self.baud = baud
        self.packets = 0
        self.dropped_packets = 0
        self._max_queued_bytes = max_queued_bytes
        self._queue: deque[SidePacket] = deque()
        self._queued_bytes = 0
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._lock = threading.Lock()
        self._stream = TlvStream()
        self._arrivals: deque[tuple[int, tuple[int, int]]] = deque()  # where each read ended, and when it came
        self._received_bytes = 0
        self._closing = threading.Event()
        try:
            self._serial: serial.SerialBase | None = self._open()
        except _PORT_ERRORS as error:
            raise DeviceNotFoundError(
                f"cannot open the radar's data port {port}: {error}",
                "close the program that has it, or record without it: `data=none` in the device's URL",
            ) from error
        self._thread = threading.Thread(target=self._run, name="radar-data-port", daemon=True)
        self._thread.start()

    @property
    def bytes_skipped(self) -> int:
        """Bytes that belong to no packet."""
        return self._stream.bytes_skipped

    @property
    def bad_packets(self) -> int:
        """Packets that were broken on the way."""
        return self._stream.bad_packets

    def take(self) -> list[SidePacket]:
        """Return the packets that have come since the last call, oldest first; also after `close`."""
        with self._lock:
            packets, self._queue = list(self._queue), deque()
            self._queued_bytes = 0
        return packets

    def take_events(self) -> list[Event]:
        """Return when the port went away and came back since the last call, oldest first; also after `close`."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
        return events

    def close(self) -> None:
        """Read what has arrived, and release the port; may be called again."""
        self._closing.set()
        self._thread.join()

    def _open(self) -> serial.SerialBase:
        return serial.serial_for_url(self.port_name, baudrate=self.baud, timeout=_READ_TIMEOUT_S, exclusive=True)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                if self._serial is None:
                    self._closing.wait(_RETRY_S)
                    self._reopen()
                else:
                    self._receive(self._serial)
            self._drain()
        finally:
            self._release()
            _log.info(
                "data port %s: %d packets, %d broken, %d dropped, %d bytes skipped",
                self.port_name,
                self.packets,
                self.bad_packets,
                self.dropped_packets,
                self.bytes_skipped,
            )

    def _drain(self) -> None:
        """Take the rest of what has arrived."""
        deadline = time.monotonic() + _LAST_READ_S
        while self._serial is not None and self._receive(self._serial) and time.monotonic() < deadline:
            pass
        self._queue_packets(self._stream.flush())

    def _receive(self, port: serial.SerialBase) -> bool:
        """Wait a moment for bytes and take them; return whether some came."""
        try:
            # A socket, which stands in for the port on Windows, does not tell how much waits; then a read times out.
            waiting = _READ_BYTES if "://" in self.port_name else port.in_waiting
            data = bytes(port.read(max(1, min(waiting, _READ_BYTES))))
        except _PORT_ERRORS as error:
            self._release()
            self._report(f"the radar's data port {self.port_name} went away: {error}")
            return False
        if data:
            self._received_bytes += len(data)
            self._arrivals.append((self._received_bytes, host_clocks()))
            self._queue_packets(self._stream.feed(data))
            # What no packet can begin in any more needs no time.
            self._forget_arrivals(self._received_bytes - self._stream.pending_bytes)
            if len(data) < _LARGE_READ_BYTES:
                time.sleep(_COALESCE_S)
        return bool(data)

    def _queue_packets(self, found: list[TlvPacket]) -> None:
        for packet in found:
            self._forget_arrivals(packet.offset)
            monotonic_ns, utc_ns = self._arrivals[0][1] if self._arrivals else host_clocks()
            self._queue_packet(
                SidePacket(host_monotonic_ns=monotonic_ns, host_utc_ns=utc_ns, kind=SIDE_PACKET_KIND, data=packet.data)
            )

    def _queue_packet(self, packet: SidePacket) -> None:
        with self._lock:
            self.packets += 1
            self._queue.append(packet)
            self._queued_bytes += len(packet.data)
            while self._queued_bytes > self._max_queued_bytes:
                self._queued_bytes -= len(self._queue.popleft().data)
                self.dropped_packets += 1

    def _forget_arrivals(self, offset: int) -> None:
        """Drop the times of reads that ended before a place in the stream."""
        while self._arrivals and self._arrivals[0][0] <= offset:
            self._arrivals.popleft()

    def _reopen(self) -> None:
        try:
            self._serial = self._open()
        except _PORT_ERRORS as error:
            _log.debug("the data port %s is still away: %s", self.port_name, error)
        else:
            self._report(f"the radar's data port {self.port_name} came back")

    def _release(self) -> None:
        if self._serial is not None:
            with contextlib.suppress(*_PORT_ERRORS):
                self._serial.close()
            self._serial = None

    def _report(self, text: str) -> None:
        event = _link_event(text)
        with self._lock:
            self._events.append(event)


class DataPortOfRuns:
    """The data port of one radar over all its runs: open while the radar runs and writes to it.

    Parameters
    ----------
    choice
        ``auto`` for the other port of the board that `console_port` is on, ``none`` for never, or the name of the port.
    console_port
        Port of the radar's console.
    """

    def __init__(self, choice: str, console_port: str) -> None:
        self._choice = choice
        self._console_port = console_port
        self._lock = threading.Lock()
        self._port: DataPort | None = None
        self._packets: list[SidePacket] = []  # of runs that have ended
        self._events: deque[Event] = deque(maxlen=_MOST_EVENTS)

    def is_wanted(self, request: DataPortRequest) -> bool:
        """Return whether the port is to be opened for a profile."""
        return request.wanted and self._choice != "none"

    def open(self, baud: int) -> None:
        """Open the port; a port that is not found, or taken, is an event, unless the user named it.

        Raises
        ------
        DeviceNotFoundError
            If the port that the user named cannot be opened.
        """
        self.close()
        name = find_data_port(self._console_port) if self._choice == "auto" else self._choice
        if name is None:
            self._report(
                f"the profile has the radar send data, but the data port of the board on {self._console_port} is not "
                "known: they are not recorded (name it by data=PORT in the device's URL)"
            )
            return
        try:
            port = DataPort(name, baud)
        except DeviceNotFoundError as error:
            if self._choice != "auto":
                raise
            self._report(f"{error}: what the radar sends there is not recorded")
            return
        _log.info("the data port is %s, at %d baud", name, baud)
        with self._lock:
            self._port = port

    def close(self) -> None:
        """Read what has arrived, and release the port; may be called again."""
        with self._lock:
            port, self._port = self._port, None
        if port is None:
            return
        port.close()
        with self._lock:
            self._packets = _newest(self._packets + port.take(), MAX_QUEUED_BYTES)
            self._events += port.take_events()

    def take(self) -> list[SidePacket]:
        """Return the packets of all runs that have come since the last call, oldest first."""
        with self._lock:
            packets, self._packets = self._packets, []
            return packets if self._port is None else [*packets, *self._port.take()]

    def take_events(self) -> list[Event]:
        """Return what happened to the port since the last call, oldest first."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            return events if self._port is None else [*events, *self._port.take_events()]

    def _report(self, text: str) -> None:
        event = _link_event(text)
        with self._lock:
            self._events.append(event)


def _newest(packets: list[SidePacket], max_bytes: int) -> list[SidePacket]:
    """Return the last of the packets that have no more than so many bytes together."""
    first, left = len(packets), max_bytes
    while first > 0 and len(packets[first - 1].data) <= left:
        first -= 1
        left -= len(packets[first].data)
    return packets[first:]


def _link_event(text: str) -> Event:
    """Return an event of now about the wire, and log it."""
    _log.warning("%s", text)
    monotonic_ns, utc_ns = host_clocks()
    return Event(host_monotonic_ns=monotonic_ns, host_utc_ns=utc_ns, kind=EventKind.LINK, text=text)
