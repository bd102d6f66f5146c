"""A serial port of the simulated board: a pseudo-terminal, or a TCP socket where there are none (Windows)."""

import contextlib
import os
import select
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Final, Protocol

POLL_S: Final = 0.05
"""Longest wait of a read."""
PATIENCE_S: Final = 0.01
"""Longest wait for a host that does not read; then bytes are lost."""


class Uart(Protocol):
    """The board's end of a serial port.

    Attributes
    ----------
    name
        What a host opens, a name for pyserial; the same after the port was unplugged.
    """

    name: str

    def read(self) -> bytes:
        """Return what the host has sent, after a short wait nothing."""

    def write(self, data: bytes) -> None:
        """Send to the host; nobody waits for one that does not read."""

    def unplug(self) -> None:
        """Take the port away from the host; nothing happens if it is away."""

    def plug(self) -> None:
        """Give it back; nothing happens if it is there."""

    def close(self) -> None:
        """Release everything."""


def open_uart(*, use_tcp: bool, keeps_name: bool = False) -> Uart:
    """Return a serial port.

    Parameters
    ----------
    use_tcp
        Whether it is a TCP socket.
    keeps_name
        Whether a pseudo-terminal, whose name is the system's choice, gets a name of its own, by which it is found again
        after it was unplugged.
    """
    return TcpUart() if use_tcp else PtyUart(keeps_name=keeps_name)


class PtyUart:
    """A pseudo-terminal. See `Uart`."""

    def __init__(self, *, keeps_name: bool = False) -> None:
        self._master = self._slave = -1
        self._lock = threading.Lock()  # no write to a port that another thread unplugs
        self._folder = tempfile.TemporaryDirectory(prefix="isactrack-uart-") if keeps_name else None
        self.name = str(Path(self._folder.name) / "ttyACM0") if self._folder is not None else ""
        self.plug()

    def plug(self) -> None:
        """See `Uart.plug`."""
        import tty

        if self._master >= 0:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # a UART changes no byte
        os.set_blocking(self._master, False)  # nor does it wait: what a host does not read is lost
        if self._folder is None:
            self.name = os.ttyname(self._slave)
        else:
            Path(self.name).symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        """See `Uart.unplug`."""
        with self._lock:
            if self._master < 0:
                return
            if self._folder is not None:
                Path(self.name).unlink()
            master, slave, self._master, self._slave = self._master, self._slave, -1, -1
            os.close(master)
            os.close(slave)

    def read(self) -> bytes:
        """See `Uart.read`."""
        if self._master < 0:
            time.sleep(POLL_S)
            return b""
        ready, _, _ = select.select([self._master], [], [], POLL_S)
        return os.read(self._master, 4096) if ready else b""

    def write(self, data: bytes) -> None:
        """See `Uart.write`."""
        with self._lock:
            while data and self._master >= 0 and select.select([], [self._master], [], PATIENCE_S)[1]:
                data = data[os.write(self._master, data) :]

    def close(self) -> None:
        """See `Uart.close`."""
        self.unplug()
        if self._folder is not None:
            self._folder.cleanup()


class TcpUart:
    """A TCP socket that one host at a time connects to. See `Uart`."""

    def __init__(self) -> None:
        self._port = 0
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None
        self.plug()
        self.name = f"socket://127.0.0.1:{self._port}"

    def plug(self) -> None:
        """See `Uart.plug`."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._listener.settimeout(POLL_S)
            self._port = int(self._listener.getsockname()[1])

    def unplug(self) -> None:
        """See `Uart.unplug`."""
        self._hang_up()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def read(self) -> bytes:
        """See `Uart.read`."""
        if self._listener is None:
            time.sleep(POLL_S)
            return b""
        try:
            peer = self._peer or self._accept(self._listener)
            data = peer.recv(4096)
        except TimeoutError:
            return b""
        except ConnectionError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> None:
        """See `Uart.write`."""
        if self._peer is None and self._listener is not None and select.select([self._listener], [], [], 0.0)[0]:
            self._accept(self._listener)
        if self._peer is not None:
            self._peer.sendall(data)

    def close(self) -> None:
        """See `Uart.close`."""
        self.unplug()

    def _accept(self, listener: socket.socket) -> socket.socket:
        self._peer = listener.accept()[0]
        self._peer.settimeout(POLL_S)
        return self._peer

    def _hang_up(self) -> None:
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.close()
            self._peer = None
