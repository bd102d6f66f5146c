"""A radio and an LO box that do what a test tells them, on real sockets of this computer."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isactrack.drivers.bistatic.control import (
    AsRun,
    Capability,
    Command,
    Identity,
    RadioStatus,
    SetGain,
    Settings,
    encode_error,
    encode_reply,
    parse_command,
)
from isactrack.drivers.bistatic.conversation import Conversation
from isactrack.drivers.bistatic.framing import Packet, PacketKind, decode, fragments_of

RATE = 552_960_000


class ScriptedRadio:
    """Answers commands on UDP; data go out when a test calls `send_blocks`.

    `heard` are the commands in order, `deaf` those that are not answered (each once per entry), `refuses` what is
    refused with which words.
    """

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.02)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.heard: list[Command] = []
        self.executed: list[Command] = []
        self.deaf: list[Command] = []
        self.mute = False
        self.refuses: dict[Command, str] = {}
        self.capabilities = frozenset(Capability)
        self.status = RadioStatus(streaming=True, lo_locked=True, reference_locked=True, blocks=5)
        self.settings = Settings()
        self.host: tuple[str, int] | None = None
        self.sequence = 0
        self.streaming = threading.Event()
        self._answers: dict[int, bytes] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send_blocks(self, first: int, count: int, **fields: Any) -> None:
        assert self.host is not None, "nobody has started the radio"
        rows, samples = self.settings.block_shape
        for block in range(first, first + count):
            words = np.full(2 * rows * samples, block + 1, "<i2").tobytes()
            packet = Packet(
                kind=PacketKind.CSI,
                block=block,
                tick=self.settings.tick_of(block),
                sequence=self.sequence,
                rate_num=RATE,
            )
            parts = fragments_of(replace(packet, **fields), words, rows, samples)
            self.sequence += len(parts)
            for part in parts:
                self.socket.sendto(part.encode(), self.host)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self.socket.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                data, peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            packet = decode(data)
            command, body = parse_command(packet.payload)
            self.heard.append(command)
            if self.mute:
                continue
            if packet.sequence not in self._answers:
                self._answers[packet.sequence] = self._answer(command, body, peer)
            if command in self.deaf:
                self.deaf.remove(command)
                continue
            reply = Packet(kind=PacketKind.REPLY, sequence=packet.sequence, payload=self._answers[packet.sequence])
            self.socket.sendto(reply.encode(), peer)

    def _answer(self, command: Command, body: object, peer: tuple[str, int]) -> bytes:
        if command in self.refuses:
            return encode_error(self.refuses[command], "do something else")
        self.executed.append(command)
        match command:
            case Command.IDENTIFY:
                return encode_reply(
                    Identity(
                        model="ISAB-T", serial_number="T1", firmware="9", capabilities=self.capabilities, rate_num=RATE
                    )
                )
            case Command.CONFIGURE:
                assert isinstance(body, Settings)
                self.settings = replace(body, gain_db=round(2 * body.gain_db) / 2)
                return encode_reply(AsRun(settings=self.settings, csi_scale=2e-6))
            case Command.STATUS:
                return encode_reply(self.status)
            case Command.SET_GAIN:
                assert isinstance(body, SetGain)
                return encode_reply(SetGain(gain_db=round(2 * body.gain_db) / 2))
            case Command.START:
                self.host, self.sequence = peer, 0
                self.streaming.set()
            case Command.STOP:
                self.streaming.clear()
        return encode_reply()


class ScriptedBox:
    """Answers each line by `answers` (name of the command: line, or a function of the argument); None is silence."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.frequency = "8500000000"
        self.answers: dict[str, str | Callable[[str], str | None] | None] = {
            "GET_UDBOX_SN": "UDB-2445031-0630", "GET_LO_CAPABILITY": "6000000000,30000000000",
            "GET_LO_RANGE": "6000000000,24000000000", "GET_LO_FREQ": lambda _: self.frequency,
            "SET_LO_FREQ": self._tune, "SET_LO_CONFIG": "0", "SET_REF_CONFIG": "0", "GET_ALL_STATUS": "0,0,0,1",
        }  # fmt: skip
        self.end = "\r\n"
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()

    def _tune(self, argument: str) -> str:
        self.frequency = argument
        return "0"

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with connection:
                connection.settimeout(0.02)
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        while not self._closing.is_set():
            try:
                part = connection.recv(256)
            except TimeoutError:
                continue
            except OSError:
                return
            if not part:
                return
            buffer += part
            while b"\r\n" in buffer:
                line, _, buffer = buffer.partition(b"\r\n")
                self.lines.append(line.decode())
                name, _, argument = line.decode().partition(" ")
                answer = self.answers.get(name, "-1")
                text = answer(argument) if callable(answer) else answer
                if text is not None:
                    connection.sendall(f"{text}{self.end}".encode())


@pytest.fixture
def radio() -> Iterator[ScriptedRadio]:
    made = ScriptedRadio()
    yield made
    made.close()


@pytest.fixture
def box() -> Iterator[ScriptedBox]:
    made = ScriptedBox()
    yield made
    made.close()


@pytest.fixture
def impatient_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that waits 0.3 s for replies."""
    for ask in (Conversation._ask, Conversation._expect):
        monkeypatch.setitem(ask.__kwdefaults__ or {}, "timeout_s", 0.3)
