"""An AWR1642BOOST with a DCA1000EVM on real wires: a serial line and UDP sockets, behind which the emulators run.

The serial line is a pseudo-terminal, or a TCP socket where there are none (Windows). The sockets use the card's own
ports (4096, 4098, and 1024 for what the FPGA sends) on a pair of loopback addresses; where those cannot be had, ports
that the system chooses on 127.0.0.1.
"""

import contextlib
import errno
import logging
import math
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from isactrack.drivers.awr1642.dca1000 import Addresses, Command, Request
from isactrack.drivers.simulated.dca1000 import Dca1000Fpga, record_completed
from isactrack.drivers.simulated.faults import Faults
from isactrack.drivers.simulated.firmware import MmwDemoFirmware
from isactrack.drivers.simulated.scene import Scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.errors import ProtocolError
from isactrack.fmcw import FmcwSensor

FPGA_SOURCE_PORT: Final = 1024
HELD_TAIL_S: Final = 2.0
BURST_PACKETS: Final = 8
DEAF_S: Final = 0.05
"""For so long after its configuration the card takes no request."""
_LOOPBACK_PAIRS: Final = 64

_log = logging.getLogger(__name__)


class SimulatedBoard:
    """Radar board and capture card that look at a scene.

    Parameters
    ----------
    scene
        What the radar sees.
    seed
        Seeds the noise.
    speed
        Device seconds a wall-clock second; infinite means as fast as frames can be made.
    faults
        What happens to data packets on the way; None for nothing.
    silent_console, silent_card
        Whether the console, or the capture card, is dead.
    use_tcp
        Whether the console is a TCP socket even where pseudo-terminals exist.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int = 0,
        speed: float = 1.0,
        faults: Faults | None = None,
        silent_console: bool = False,
        silent_card: bool = False,
        use_tcp: bool = not hasattr(os, "openpty"),
    ) -> None:
        self._scene = scene
        self._seed = seed
        self._speed = speed
        self._faults = faults or Faults()
        self._fpga = Dca1000Fpga()
        self._deaf_until_s = -math.inf
        self._fpga_lock = threading.Lock()
        self._firmware = MmwDemoFirmware(self._start_frames, self._stop_frames)
        self._closing = threading.Event()
        self._frames_stop = threading.Event()
        self._frames: threading.Thread | None = None
        self._last_sample_s = math.inf
        self._resources = contextlib.ExitStack()
        self.addresses = self._open_sockets()
        self.serial_port, read, write = self._open_tcp() if use_tcp else self._open_pty()
        self._print: Callable[[bytes], None] = (lambda data: None) if silent_console else write
        loops: list[tuple[str, Callable[[], None]]] = [
            ("console", lambda: self._serve_console(read)),
            ("card", lambda: self._serve_card(silent_card)),
        ]
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

    # --- wires -------------------------------------------------------------------------------------------------------

    def _open_sockets(self) -> Addresses:
        """Bind the FPGA's sockets on the first loopback pair that is free."""
        for pair in range(_LOOPBACK_PAIRS):
            host, fpga = f"127.33.{pair}.30", f"127.33.{pair}.180"
            try:
                _check_free(host, 4096)
                _check_free(host, 4098)
                self._control = self._bind(fpga, 4096)
                self._sender = self._bind(fpga, FPGA_SOURCE_PORT)
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES):
                    break
                continue
            return Addresses(host_ip=host, fpga_ip=fpga)
        local = "127.0.0.1"
        self._control, self._sender = self._bind(local, 0), self._bind(local, 0)
        config_port, data_port = _free_ports(local, 2)
        return Addresses(
            host_ip=local,
            fpga_ip=local,
            fpga_port=self._control.getsockname()[1],
            config_port=config_port,
            data_port=data_port,
        )

    def _bind(self, ip: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind((ip, port))
        except OSError:
            sock.close()
            raise
        return self._resources.enter_context(sock)

    def _open_pty(self) -> tuple[str, Callable[[], bytes], Callable[[bytes], None]]:
        import tty

        master, slave = os.openpty()
        self._resources.callback(os.close, master)
        self._resources.callback(os.close, slave)
        tty.setraw(slave)  # a UART changes no byte
        os.set_blocking(master, False)  # nor does it wait: what a host does not read is lost

        def read() -> bytes:
            ready, _, _ = select.select([master], [], [], 0.05)
            return os.read(master, 4096) if ready else b""

        def write(data: bytes) -> None:
            os.write(master, data)

        return os.ttyname(slave), read, write

    def _open_tcp(self) -> tuple[str, Callable[[], bytes], Callable[[bytes], None]]:
        listener = self._resources.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(0.05)
        peer: list[socket.socket] = []

        def hang_up() -> None:
            for sock in peer:
                sock.close()

        self._resources.callback(hang_up)

        def read() -> bytes:
            try:
                if not peer:
                    peer.append(listener.accept()[0])
                    peer[0].settimeout(0.05)
                data = peer[0].recv(4096)
            except TimeoutError:
                return b""
            except ConnectionError:
                data = b""
            if not data:
                peer.pop().close()
            return data

        def write(data: bytes) -> None:
            if peer:
                peer[0].sendall(data)

        return f"socket://127.0.0.1:{listener.getsockname()[1]}", read, write

    # --- console -----------------------------------------------------------------------------------------------------

    def _serve_console(self, read: Callable[[], bytes]) -> None:
        while not self._closing.is_set():
            try:
                data = read()
                if data:
                    self._print(self._firmware.receive(data))
            except OSError as error:
                _log.debug("simulated console: %s", error)

    # --- capture card ------------------------------------------------------------------------------------------------

    def _serve_card(self, silent: bool) -> None:
        self._control.settimeout(0.02)
        while not self._closing.is_set():
            try:
                datagram, (host, _) = self._control.recvfrom(2048)
            except TimeoutError:
                self._release_tail()
                continue
            except ConnectionError:
                continue  # Windows: the host's port is closed
            if not silent and time.monotonic() >= self._deaf_until_s:
                self._answer(datagram, host)

    def _answer(self, datagram: bytes, host: str) -> None:
        with self._fpga_lock:
            replies = self._fpga.handle(datagram)
            try:
                command = Request.decode(datagram).command
            except ProtocolError:
                return
            for reply in replies:
                self._sender.sendto(reply, (host, self.addresses.config_port))
            if command == Command.RECORD_STOP:
                self._end_record()
            if command == Command.CONFIG_FPGA_GEN:
                self._deaf_until_s = time.monotonic() + DEAF_S
        if command == Command.RESET_AR_DEV:
            self._stop_frames()
            with contextlib.suppress(OSError):  # nobody reads the console
                self._print(self._firmware.reset())

    def _release_tail(self) -> None:
        """Send the partial packet once no sample has come for 2 s, as the card does."""
        with self._fpga_lock:
            if self._fpga.holds_tail and time.monotonic() - self._last_sample_s >= HELD_TAIL_S:
                self._end_record()

    def _end_record(self) -> None:
        self._send([*self._faults.apply(self._fpga.flush()), *self._faults.release()])
        self._sender.sendto(record_completed(), (self.addresses.host_ip, self.addresses.config_port))

    def _send(self, packets: list[bytes]) -> None:
        target = (self.addresses.host_ip, self.addresses.data_port)
        for packet in packets:
            with contextlib.suppress(ConnectionError):
                self._sender.sendto(packet, target)

    # --- frames ------------------------------------------------------------------------------------------------------

    def _start_frames(self, sensor: FmcwSensor, count: int | None) -> None:
        self._frames_stop = threading.Event()
        self._frames = threading.Thread(
            target=self._make_frames, args=(sensor, count, self._frames_stop), name="simulated-frames", daemon=True
        )
        self._frames.start()

    def _stop_frames(self) -> None:
        self._frames_stop.set()
        if self._frames is not None:
            self._frames.join()
            self._frames = None

    def _make_frames(self, sensor: FmcwSensor, count: int | None, stop: threading.Event) -> None:
        """Send frame after frame, each when its last chirp has been sampled."""
        synthesiser = Synthesiser(sensor, self._scene, seed=self._seed)
        start_s = time.monotonic()
        index = 0
        while not stop.is_set() and (count is None or index < count):
            data = synthesiser.frame(index).astype("<i2", copy=False).tobytes()
            due_s = start_s + (index * sensor.frame_period_s + sensor.coherent_time_s) / self._speed
            if stop.wait(max(due_s - time.monotonic(), 0.0)):
                return
            self._stream(data, sensor)
            index += 1

    def _stream(self, data: bytes, sensor: FmcwSensor) -> None:
        """Hand a frame to the card in bursts, so that a small socket buffer is enough, as with the card's delay."""
        chunk = BURST_PACKETS * 1456
        for offset in range(0, len(data), chunk):
            with self._fpga_lock:
                self._send(self._faults.apply(self._fpga.stream(data[offset : offset + chunk])))
                self._last_sample_s = time.monotonic()
            time.sleep(2e-4)
        with self._fpga_lock:
            self._send(self._faults.release())  # until the next frame nothing follows


def _check_free(ip: str, port: int) -> None:
    """Raise OSError if a UDP port of an address is taken or the host has no such address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ip, port))


def _free_ports(ip: str, count: int) -> list[int]:
    """Return different UDP ports that are free on an address."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in sockets:
            sock.bind((ip, 0))
        return [int(sock.getsockname()[1]) for sock in sockets]
