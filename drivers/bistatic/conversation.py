"""Commands to a radio and its replies, one at a time."""

import secrets
import threading
import time
from typing import Final, TypeVar, cast

from isactrack.drivers.bistatic.control import (
    AsRun,
    Body,
    Command,
    Identity,
    RadioStatus,
    SetGain,
    Settings,
    encode_command,
    parse_reply,
)
from isactrack.drivers.bistatic.framing import BadPacketError, Packet, PacketKind, decode
from isactrack.drivers.bistatic.link import Link
from isactrack.errors import DeviceTimeoutError

REPLY_TIMEOUT_S: Final = 2.0
REPEAT_S: Final = 0.3
"""On a link that loses packets a command is repeated after this time."""

_BodyT = TypeVar("_BodyT", bound=Body)


class Conversation:
    """Asks a radio; may be used by several threads, which wait for each other.

    Parameters
    ----------
    link
        Way to the radio.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turn = threading.Lock()
        # A radio repeats its answer to a sequence that it has answered: that of a program before must not come again.
        self._sequence = secrets.randbits(32)

    def identify(self) -> Identity:
        """Ask who it is."""
        return self._expect(Identity, Command.IDENTIFY)

    def configure(self, settings: Settings) -> AsRun:
        """Have it run settings; returns what it makes of them."""
        return self._expect(AsRun, Command.CONFIGURE, settings)

    def start(self) -> None:
        """Have it stream."""
        self._ask(Command.START)

    def stop(self) -> None:
        """Have it stream no more."""
        self._ask(Command.STOP)

    def status(self, timeout_s: float = REPLY_TIMEOUT_S) -> RadioStatus:
        """Ask how it is."""
        return self._expect(RadioStatus, Command.STATUS, timeout_s=timeout_s)

    def set_gain(self, gain_db: float) -> float:
        """Set its gain; returns what it is now."""
        return self._expect(SetGain, Command.SET_GAIN, SetGain(gain_db=gain_db)).gain_db

    def keep_alive(self, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """Say that the host is there."""
        self._ask(Command.KEEPALIVE, timeout_s=timeout_s)

    def _expect(
        self, kind: type[_BodyT], command: Command, body: Body | None = None, *, timeout_s: float = REPLY_TIMEOUT_S
    ) -> _BodyT:
        return cast("_BodyT", self._ask(command, body, timeout_s=timeout_s))

    def _ask(self, command: Command, body: Body | None = None, *, timeout_s: float = REPLY_TIMEOUT_S) -> Body:
        """Send a command and return its reply.

        Raises
        ------
        DeviceTimeoutError
            If none comes in time.
        ControlError
            If the radio refuses, or its reply cannot be understood.
        DeviceError
            If the way to it is broken.
        """
        with self._turn:
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            packet = Packet(kind=PacketKind.COMMAND, sequence=self._sequence, payload=encode_command(command, body))
            deadline = time.monotonic() + timeout_s
            while (left_s := deadline - time.monotonic()) > 0.0:
                self._link.send(packet.encode())
                wait_s = min(left_s, REPEAT_S) if self._link.loses_packets else left_s
                reply = self._reply(self._sequence, wait_s)
                if reply is not None:
                    return parse_reply(command, reply.payload)
        raise DeviceTimeoutError(
            f"the radio on {self._link.name} does not answer {command} within {timeout_s:g} s",
            "check its power, cable and address; another program may hold it",
        )

    def _reply(self, sequence: int, timeout_s: float) -> Packet | None:
        """Wait for the reply to a command, and pass over those to earlier ones."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0.0:
            data = self._link.receive_reply(left_s)
            if data is None:
                continue
            try:
                packet = decode(data)
            except BadPacketError:
                continue
            if packet.kind is PacketKind.REPLY and packet.sequence == sequence:
                return packet
        return None
