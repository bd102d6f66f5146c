"""An AWR1642BOOST with a DCA1000EVM on real wires: a serial line and UDP sockets, behind which the emulators run.

The serial line is a pseudo-terminal, or a TCP socket where there are none (Windows). The sockets use the card's own
ports (4096, 4098, and 1024 for what the FPGA sends) on a pair of loopback addresses; where those cannot be had, ports
that the system chooses on 127.0.0.1. The host's UDP ports have to stay free for the driver, which binds them later: for
its life the board holds the TCP ports of the same numbers, so that no board of another process takes them too.
"""

import contextlib
import errno
import logging
import math
import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642.dca1000 import HELD_TAIL_S, Addresses, Command, Request, StatusFlag
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.tlv import GuiMonitor
from isactrack.drivers.simulated.clock import DeviceClock
from isactrack.drivers.simulated.dca1000 import Dca1000Fpga, record_completed, status_report
from isactrack.drivers.simulated.fault_plan import Fault, FaultPlan
from isactrack.drivers.simulated.faults import GROUP_BYTES, INSTANT, Account, FaultKind, Faults
from isactrack.drivers.simulated.firmware import MmwDemoFirmware, version_lines
from isactrack.drivers.simulated.scene import Scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.drivers.simulated.tlv import demo_packet
from isactrack.drivers.simulated.uart import open_uart
from isactrack.errors import ProtocolError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import GROUP_WORDS, Frame

FPGA_SOURCE_PORT: Final = 1024
BURST_PACKETS: Final = 8
BURST_S: Final = 2e-4
"""Pause after a burst where a simulation is faster than the real card, whose pauses are longer."""
DEAF_S: Final = 0.05
"""For so long after its configuration the card takes no request."""
SLOW_CARD_S: Final = 0.7
"""By this much the replies of a slow card are late; a client that waits 0.5 s for each asks again."""
SLOW_CONSOLE_S: Final = 0.3
"""By this much the replies of a slow console are late."""
CRASH: Final = "MSS Exception: mss_main.c, line 2345."
_GARBAGE_BYTES: Final = 64
_LOOPBACK_PAIRS: Final = 64
_OVERRUNS: Final = {FaultKind.DDR_FULL: StatusFlag.DDR_FULL, FaultKind.LVDS_FULL: StatusFlag.LVDS_BUFFER_FULL}

_log = logging.getLogger(__name__)


class SimulatedBoard:
    """Radar board and capture card that look at a scene.

    Parameters
    ----------
    scene
        What the radar sees.
    seed
        Seeds the noise, and the bytes of faults.
    speed
        Device seconds a wall-clock second; infinite means as fast as frames can be made.
    faults
        What happens to data packets on the way; None for nothing.
    plan
        Faults at set times.
    dialect
        SDK that the radar's firmware belongs to.
    begins
        Asked at each start for the scene's time, seconds, at which the radar begins; None for 0.
    use_tcp
        Whether the console is a TCP socket even where pseudo-terminals exist.

    Attributes
    ----------
    addresses
        Where host and card talk.
    serial_port, data_port
        Names of the serial ports of the console and of what the demo makes of each frame.
    accounts
        What became of the packets of each record of the card, oldest first.
    running_scene
        The scene by the time of the run: at 0 the radar was started.
    """

    _control: socket.socket
    _sender: socket.socket

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int = 0,
        speed: float = 1.0,
        faults: Faults | None = None,
        plan: Sequence[Fault] = (),
        dialect: Dialect = Dialect.SDK3,
        begins: Callable[[], float] | None = None,
        use_tcp: bool = not hasattr(os, "openpty"),
    ) -> None:
        self._scene = self.running_scene = scene
        self._begins = begins
        self._seed = seed
        self._speed = speed
        self._faults = faults or Faults()
        self._plan = FaultPlan(plan)
        self._rng = np.random.default_rng([seed, 5])
        self._clock = DeviceClock(speed)
        self._fpga = Dca1000Fpga()
        self._deaf_until_s = -math.inf
        self._fpga_lock = threading.Lock()
        self._radar_lock = threading.RLock()  # the card resets the radar while the console talks to it
        self._firmware = MmwDemoFirmware(
            self._start_frames, self._stop_frames, dialect=dialect, on_data_port=lambda baud, data: self._tell(data)
        )
        self._closing = threading.Event()
        self._frames_stop = threading.Event()
        self._frames: threading.Thread | None = None
        self._last_sample_s = math.inf
        self._overrun: FaultKind | None = None
        self._replies: deque[tuple[float, bytes, str]] = deque()  # when, what and to whom a slow card answers
        self.accounts: list[Account] = []
        self._resources = contextlib.ExitStack()
        self.addresses = self._open_sockets()
        keeps_name = self._plan.asks_for(FaultKind.UNPLUG)
        self._uart, self._data_uart = (open_uart(use_tcp=use_tcp, keeps_name=keeps_name) for _ in range(2))
        self._resources.callback(self._uart.close)
        self._resources.callback(self._data_uart.close)
        self.serial_port, self.data_port = self._uart.name, self._data_uart.name
        self._meet_faults()  # a port that is away from the start is never seen
        loops: list[tuple[str, Callable[[], None]]] = [("console", self._serve_console), ("card", self._serve_card)]
        self._threads = [threading.Thread(target=loop, name=f"simulated-{name}", daemon=True) for name, loop in loops]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Switch the board off; may be called again."""
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._stop_frames()  # last, because the console starts them
        self._resources.close()

    def power_cycle(self) -> None:
        """Switch the board off and on again: the card then uses the addresses in its EEPROM.

        Raises
        ------
        OSError
            If the computer does not have them; the card is then unreachable.
        """
        self._reset_radar()
        with self._fpga_lock:
            self._fpga.power_up()
            stored = self._fpga.eeprom
            if stored is not None:
                self._control.close()
                self._sender.close()
                self.addresses = stored
                self._control = self._bind(stored.fpga_ip, stored.fpga_port)
                self._sender = self._bind(stored.fpga_ip, FPGA_SOURCE_PORT)

    # --- wires -------------------------------------------------------------------------------------------------------

    def _open_sockets(self) -> Addresses:
        """Bind the FPGA's sockets on the first loopback pair that is free."""
        for pair in range(_LOOPBACK_PAIRS):
            host, fpga = f"127.33.{pair}.30", f"127.33.{pair}.180"
            with contextlib.ExitStack() as taken:
                try:
                    taken.enter_context(_guard(host, 4096))  # before all else: not even a look may disturb its owner
                    _check_free(host, 4096)
                    _check_free(host, 4098)
                    self._control = taken.enter_context(_bound(fpga, 4096))
                    self._sender = taken.enter_context(_bound(fpga, FPGA_SOURCE_PORT))
                except OSError as error:
                    if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES):
                        break
                    continue
                self._resources.push(taken.pop_all())
            return Addresses(host_ip=host, fpga_ip=fpga)
        local = "127.0.0.1"
        self._control, self._sender = self._bind(local, 0), self._bind(local, 0)
        config_port, data_port = (self._reserve_port(local) for _ in range(2))
        return Addresses(
            host_ip=local,
            fpga_ip=local,
            fpga_port=self._control.getsockname()[1],
            config_port=config_port,
            data_port=data_port,
        )

    def _bind(self, ip: str, port: int) -> socket.socket:
        return self._resources.enter_context(_bound(ip, port))

    def _reserve_port(self, ip: str) -> int:
        """Return a UDP port of an address that is free and that no other board has reserved."""
        while True:
            port = _free_port(ip)
            with contextlib.suppress(OSError):
                self._resources.enter_context(_guard(ip, port))
                return port

    # --- console -----------------------------------------------------------------------------------------------------

    def _serve_console(self) -> None:
        while not self._closing.is_set():
            self._meet_faults()
            try:
                data = self._uart.read()
            except OSError as error:
                _log.debug("simulated console: %s", error)
                continue
            if data:
                with self._radar_lock:
                    reply = self._firmware.receive(data)
                if self._has(FaultKind.SLOW_CONSOLE):
                    self._closing.wait(SLOW_CONSOLE_S)
                self._print(reply)

    def _print(self, text: bytes) -> None:
        """Send to the console's port; what nobody reads is lost."""
        if not self._has(FaultKind.SILENT_CONSOLE):
            with contextlib.suppress(OSError):
                self._uart.write(text)

    def _tell(self, data: bytes) -> None:
        """Send to the data port."""
        with contextlib.suppress(OSError):
            self._data_uart.write(data)

    def _has(self, kind: FaultKind) -> bool:
        """Whether there is a fault now."""
        return self._plan.active(kind, self._clock.now_s())

    def _meet_faults(self) -> None:
        """Do what the faults of radar and console ask for now."""
        for fault in self._plan.take_begun(self._clock.now_s()):
            if fault.kind is FaultKind.EXCEPTION:
                with self._radar_lock:
                    self._stop_frames()
                    self._print(self._firmware.crash(CRASH))
            elif fault.kind is FaultKind.RESET:
                self._reset_radar()
            elif fault.kind is FaultKind.UART_GARBAGE:
                self._print(self._rng.bytes(_GARBAGE_BYTES))
        if self._has(FaultKind.UART_GARBAGE):
            self._print(self._rng.bytes(_GARBAGE_BYTES))
        for uart in (self._uart, self._data_uart):  # one cable
            if self._has(FaultKind.UNPLUG):
                uart.unplug()
            else:
                uart.plug()

    def _reset_radar(self) -> None:
        with self._radar_lock:
            self._stop_frames()
            self._print(self._firmware.reset())

    # --- capture card ------------------------------------------------------------------------------------------------

    def _serve_card(self) -> None:
        while not self._closing.is_set():
            self._send_late_replies()
            try:
                self._control.settimeout(0.02)
                datagram, (host, _) = self._control.recvfrom(2048)
            except TimeoutError:
                self._release_tail()
                continue
            except OSError:
                continue  # the power is off; or Windows tells that the host's port is closed
            deaf = time.monotonic() < self._deaf_until_s or self._has(FaultKind.SILENT_CARD)
            if not deaf and not self._has(FaultKind.LINK_DOWN):
                self._answer(datagram, host)

    def _answer(self, datagram: bytes, host: str) -> None:
        with self._fpga_lock:
            replies = self._fpga.handle(datagram)
            try:
                command = Request.decode(datagram).command
            except ProtocolError:
                return
            due_s = time.monotonic() + (SLOW_CARD_S if self._has(FaultKind.SLOW_CARD) else 0.0)
            self._replies += [(due_s, reply, host) for reply in replies]
            self._send_late_replies()
            if command == Command.RECORD_START:
                self._begin_record()
            if command == Command.RECORD_STOP:
                self._end_record()
            if command == Command.CONFIG_FPGA_GEN:
                self._deaf_until_s = time.monotonic() + DEAF_S
        if command == Command.RESET_AR_DEV:
            self._reset_radar()

    def _send_late_replies(self) -> None:
        while self._replies and self._replies[0][0] <= time.monotonic():
            _, reply, host = self._replies.popleft()
            self._send_control(reply, host)

    def _send_control(self, message: bytes, host: str) -> None:
        if not self._has(FaultKind.LINK_DOWN):
            with contextlib.suppress(ConnectionError):
                self._sender.sendto(message, (host, self.addresses.config_port))

    def _release_tail(self) -> None:
        """Send the partial packet once no sample has come for 2 s, as the card does."""
        with self._fpga_lock:
            if self._fpga.holds_tail and time.monotonic() - self._last_sample_s >= HELD_TAIL_S:
                self._end_record()

    def _begin_record(self) -> None:
        self._faults.begin()
        self.accounts.append(self._faults.account)
        self._last_sample_s = math.inf

    def _end_record(self) -> None:
        link_up = not self._has(FaultKind.LINK_DOWN)
        self._send([*self._faults.apply(self._fpga.flush(), link_up=link_up), *self._faults.drain()])
        self._send_control(record_completed(), self.addresses.host_ip)

    def _send(self, packets: list[bytes]) -> None:
        target = (self.addresses.host_ip, self.addresses.data_port)
        for packet in packets:
            with contextlib.suppress(ConnectionError):
                self._sender.sendto(packet, target)

    # --- frames ------------------------------------------------------------------------------------------------------

    def _start_frames(self, sensor: FmcwSensor, count: int | None) -> None:
        origin_s, began_s = self._clock.begin(), time.monotonic()
        if self._begins is not None:
            self.running_scene = self._scene.later(self._begins())
        self._faults.expect(sensor.frame_bytes // self._fpga.payload_bytes)
        self._frames_stop = threading.Event()
        self._frames = threading.Thread(
            target=self._make_frames,
            args=(sensor, count, origin_s, began_s, self._frames_stop),
            name="simulated-frames",
            daemon=True,
        )
        self._frames.start()

    def _stop_frames(self) -> None:
        self._frames_stop.set()
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.join()

    def _make_frames(
        self, sensor: FmcwSensor, count: int | None, origin_s: float, began_s: float, stop: threading.Event
    ) -> None:
        """Send frame after frame, each when its last chirp has been sampled, until the radar stops or dies.

        The pace is that of the wall clock since `began_s`, when the scene began too: what it takes to make ready for
        the first frame delays that frame, not the radar's clock.
        """
        synthesiser = Synthesiser(sensor, self.running_scene, seed=self._seed)
        asked = self._firmware.gui_monitor
        monitor = GuiMonitor() if asked is None else GuiMonitor.from_arguments([str(value) for value in asked])
        halt_s = self._plan.next_start(INSTANT, origin_s)
        index = 0
        try:
            while not stop.is_set() and (count is None or index < count):
                samples = synthesiser.frame(index)
                data = samples.astype("<i2", copy=False).tobytes()
                frame_s = index * sensor.frame_period_s
                due_s = began_s + (frame_s + sensor.coherent_time_s) / self._speed
                if stop.wait(max(due_s - time.monotonic(), 0.0)):
                    return
                if not self._stream(data, sensor, origin_s + frame_s, halt_s):
                    return
                if monitor:
                    self._tell(self._detections(index, samples, sensor, monitor))
                index += 1
        finally:
            self._clock.release()

    def _detections(self, index: int, samples: NDArray[np.int16], sensor: FmcwSensor, monitor: GuiMonitor) -> bytes:
        """Return what the demo writes to its data port about a frame."""
        frame = Frame(samples, np.ones(samples.size // GROUP_WORDS, np.bool_), index, 0.0, 0, 0)
        truth = self.running_scene.truth(index * sensor.frame_period_s + sensor.coherent_time_s / 2.0)
        version = sdk_version(self._firmware.dialect)
        return demo_packet(version, index + 1, sensor.decode(frame), truth, monitor, sensor)

    def _stream(self, data: bytes, sensor: FmcwSensor, start_s: float, halt_s: float) -> bool:
        """Hand a frame to the card in bursts, at the pace that its pauses allow; return whether the radar lives on.

        Faults strike by the time at which a burst was sampled, so that they hit the same samples at any speed.
        """
        chunk = BURST_PACKETS * self._fpga.payload_bytes
        pause_s = BURST_PACKETS * self._fpga.packet_s / self._speed if self._speed <= 1.0 else BURST_S
        sampled_s = start_s
        for offset in range(0, len(data), chunk):
            sampled_s = start_s + sensor.coherent_time_s * offset / len(data)
            self._clock.reach(min(sampled_s, halt_s), sampled_s)
            if sampled_s >= halt_s:
                return False
            with self._fpga_lock:
                samples = self._overflow(data[offset : offset + chunk], sampled_s)
                link_up = not self._plan.active(FaultKind.LINK_DOWN, sampled_s)
                self._send(self._faults.apply(self._fpga.stream(samples), link_up=link_up))
                self._last_sample_s = time.monotonic()
            time.sleep(pause_s)
        with self._fpga_lock:
            if not self._plan.active(FaultKind.LINK_DOWN, sampled_s):
                self._send(self._faults.release())  # until the next frame nothing follows
        self._clock.reach(sampled_s, start_s + sensor.frame_period_s)
        return True

    def _overflow(self, samples: bytes, now_s: float) -> bytes:
        """Return the samples that the card takes: while its memory is full it drops them, and reports that once."""
        before = self._overrun
        self._overrun = next((kind for kind in _OVERRUNS if self._plan.active(kind, now_s)), None)
        if before is self._overrun:
            taken = samples if before is None else b""
        else:
            # An overrun begins and ends anywhere, so what comes after it is shifted against the frames.
            cut = GROUP_BYTES * int(self._rng.integers(1, max(2, len(samples) // GROUP_BYTES)))
            taken = samples[:cut] if before is None else samples[cut:] if self._overrun is None else b""
        if self._overrun is not None and self._overrun is not before:
            self._send_control(status_report(_OVERRUNS[self._overrun]), self.addresses.host_ip)
        if self._fpga.recording:
            self._faults.account.dropped_bytes += len(samples) - len(taken)
        return taken


def sdk_version(dialect: Dialect) -> tuple[int, int, int, int]:
    """Return the version of the SDK that a simulated firmware says it is of."""
    major, minor, fix, build = (
        int(word) for word in re.findall(r"(\d+)", next(line for line in version_lines(dialect) if "SDK" in line))
    )
    return major, minor, fix, build


def _check_free(ip: str, port: int) -> None:
    """Raise OSError if a UDP port of an address is taken or the host has no such address."""
    _bound(ip, port).close()


def _free_port(ip: str) -> int:
    """Return a UDP port that is free on an address."""
    with _bound(ip, 0) as sock:
        return int(sock.getsockname()[1])


def _bound(ip: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    """Return a socket that has a port of an address; OSError if it is taken or the host has no such address."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.bind((ip, port))
    except OSError:
        sock.close()
        raise
    return sock


def _guard(ip: str, port: int) -> socket.socket:
    """Take the TCP port that stands for the UDP port of the same number; OSError if another board has it."""
    return _bound(ip, port, socket.SOCK_STREAM)
