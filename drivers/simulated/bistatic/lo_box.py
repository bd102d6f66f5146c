"""The box with the local oscillator, on a real TCP port: the text protocol of TMYTEK's UDB-0630.

A command is a line, a name and perhaps a value behind a space; the answer is a line with the value read, or 0 for a
value that was set. The vendor's page says nothing of refusals; here they are -1. The states of `GET_ALL_STATUS` are
written in decimal, so the page's 0x11 reads 17.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

from isactrack.drivers.simulated.bistatic.faults import FaultKind

SERIAL_NUMBER: Final = "UDB-SIM0001-0630"
CAPABILITY_HZ: Final = (6_000_000_000, 30_000_000_000)
"""Frequencies that the box is built for."""
SLOW_LO_S: Final = 0.7
"""By this much the answers of a slow box are late."""
REFUSED: Final = "-1"
_POLL_S: Final = 0.02
_LONGEST_LINE: Final = 1024
_REFERENCE_UNLOCKED: Final = 0x11
_LICENSED: Final = 0x01


class SimulatedLoBox:
    """An LO box that listens on 127.0.0.1.

    Parameters
    ----------
    has
        Tells whether there is a fault now.
    range_hz
        Frequencies that the licence allows; none beyond `CAPABILITY_HZ`.
    port
        TCP port; 0 for one that the system chooses.

    Attributes
    ----------
    address
        Host and port it listens on.
    frequency_hz, lo_config, reference_config
        What it was told last.
    """

    def __init__(
        self,
        has: Callable[[FaultKind], bool] = lambda _: False,
        *,
        range_hz: tuple[int, int] = CAPABILITY_HZ,
        port: int = 0,
    ) -> None:
        self._has = has
        self._range_hz = range_hz
        self.frequency_hz, self.lo_config, self.reference_config = range_hz[0], 0, 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(_POLL_S)
        host, number = self._listener.getsockname()[:2]
        self.address: tuple[str, int] = (str(host), int(number))
        self._closing = threading.Event()
        self._clients: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="simulated-lo-box", daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Switch the box off; may be called again."""
        self._closing.set()
        self._acceptor.join()  # first: it makes the others
        for thread in self._clients:
            thread.join()
        self._listener.close()

    @property
    def lo_locked(self) -> bool:
        """Whether the oscillator has lock."""
        return not self._has(FaultKind.LO_UNLOCK)

    @property
    def reference_locked(self) -> bool:
        """Whether the reference clock has lock."""
        return not self._has(FaultKind.REF_UNLOCK)

    def answer(self, line: str) -> str:
        """Return the answer to a line, both without their ends."""
        name, _, value = line.strip().partition(" ")
        readings: dict[str, Callable[[], str]] = {
            "GET_UDBOX_SN": lambda: SERIAL_NUMBER,
            "GET_MODULE_SN": lambda: SERIAL_NUMBER,
            "GET_HW_VER": lambda: "2.1.5.0",
            "GET_FW_VER": lambda: "1.0.1.0",
            "GET_LO_CAPABILITY": lambda: "{},{}".format(*CAPABILITY_HZ),
            "GET_LO_RANGE": lambda: "{},{}".format(*self._range_hz),
            "GET_LO_FREQ": lambda: str(self.frequency_hz),
            "GET_LO_CONFIG": lambda: str(self.lo_config),
            "GET_REF_CONFIG": lambda: str(self.reference_config),
            "GET_STATIC_IP": lambda: self.address[0],
            "GET_ALL_STATUS": self._status,
        }
        if name in readings:
            return readings[name]()
        limits = {"SET_LO_FREQ": self._range_hz, "SET_LO_CONFIG": (0, 2), "SET_REF_CONFIG": (0, 4)}
        low, high = limits.get(name, (0, -1))
        number = _whole(value)
        if number is None or not low <= number <= high:
            return REFUSED
        setattr(self, _MEMBERS[name], number)
        return "0"

    def _status(self) -> str:
        reference = int(self.reference_config >= 3) if self.reference_locked else _REFERENCE_UNLOCKED
        return f"0,{int(not self.lo_locked)},{reference},{_LICENSED}"

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:
                continue
            peer.settimeout(_POLL_S)
            self._clients = [thread for thread in self._clients if thread.is_alive()]
            self._clients.append(
                threading.Thread(target=self._serve, args=(peer,), name="simulated-lo-client", daemon=True)
            )
            self._clients[-1].start()

    def _serve(self, peer: socket.socket) -> None:
        """Answer one client, line by line, until it hangs up."""
        received = b""
        with peer, contextlib.suppress(OSError):
            while not self._closing.is_set() and len(received) < _LONGEST_LINE:
                try:
                    data = peer.recv(4096)
                except TimeoutError:
                    continue
                if not data:
                    return
                *lines, received = (received + data).split(b"\n")
                for line in lines:
                    self._reply(peer, line)

    def _reply(self, peer: socket.socket, line: bytes) -> None:
        answer = self.answer(line.decode("ascii", "replace"))
        if self._has(FaultKind.SLOW_LO):
            self._closing.wait(SLOW_LO_S)
        if not self._has(FaultKind.SILENT_LO):
            peer.sendall(f"{answer}\r\n".encode())


_MEMBERS: Final = {
    "SET_LO_FREQ": "frequency_hz",
    "SET_LO_CONFIG": "lo_config",
    "SET_REF_CONFIG": "reference_config",
}


def _whole(text: str) -> int | None:
    """Return the whole number that a text is, None if it is none."""
    return int(text) if text.isascii() and text.isdigit() else None
