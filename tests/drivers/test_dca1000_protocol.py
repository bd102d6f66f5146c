"""The control port of the DCA1000: golden bytes of a real card, and a client that keeps its head."""

import errno
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError
from isactrack.drivers.awr1642 import dca1000 as dca1000_module
from isactrack.drivers.awr1642.captures import udp_datagrams
from isactrack.drivers.awr1642.dca1000 import (
    SO_RCVBUFFORCE,
    Addresses,
    Command,
    Dca1000,
    Request,
    Response,
    StatusFlag,
    _report_receive_buffer,
    bind_udp,
    decode_data_header,
    describe_event,
    eeprom_config,
    encode_data_packet,
    event_name,
    fpga_config,
    fpga_version,
    packet_config,
    payload_bytes,
)
from isactrack.drivers.simulated import board as board_module
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.dca1000 import Dca1000Fpga, record_completed
from isactrack.drivers.simulated.scene import make_scene


class EepromAddresses(TypedDict):
    host_ip: str
    fpga_ip: str
    mac: str
    config_port: int
    data_port: int


FACTORY: EepromAddresses = {
    "host_ip": "192.168.33.30",
    "fpga_ip": "192.168.33.180",
    "mac": "12:34:56:78:90:12",
    "config_port": 4096,
    "data_port": 4098,
}

Serve = Callable[[socket.socket, bytes, tuple[str, int]], None]

# --- golden bytes ----------------------------------------------------------------------------------------------------


def payload_of(command: int) -> bytes:
    payloads = {
        Command.CONFIG_FPGA_GEN: fpga_config(),
        Command.CONFIG_PACKET_DATA: packet_config(),
        Command.CONFIG_EEPROM: eeprom_config(**FACTORY),
    }
    return payloads.get(Command(command), b"")


@pytest.fixture(scope="module")
def real_replies(recordings_dir: Path) -> list[bytes]:
    return [reply for _, reply in udp_datagrams(recordings_dir / "dca1000-wire" / "test_cmd.pcap", 4096)]


def test_the_requests_of_the_bring_up_are_the_known_bytes() -> None:
    assert fpga_config() == bytes.fromhex("01 02 01 02 03 1e")
    assert packet_config() == struct.pack("<HHH", 0x05BE, 0x0C35, 0)
    assert packet_config(delay_s=5e-6)[2:4] == struct.pack("<H", 625)
    assert Request(Command.SYSTEM_CONNECT).encode() == bytes.fromhex("5a a5 09 00 00 00 aa ee")
    assert Request(Command.CONFIG_FPGA_GEN, fpga_config()).encode() == bytes.fromhex(
        "5a a5 03 00 06 00 01 02 01 02 03 1e aa ee"
    )
    assert fpga_config(lanes=4, bits=12, timer_s=0) == bytes.fromhex("01 01 01 02 01 00")
    assert payload_bytes(1470) == 1456


def test_every_request_is_the_known_bytes() -> None:
    for code, name in enumerate(
        ["RESET_FPGA", "RESET_AR_DEV", "CONFIG_FPGA_GEN", "CONFIG_EEPROM", "RECORD_START", "RECORD_STOP",
         "PLAYBACK_START", "PLAYBACK_STOP", "SYSTEM_CONNECT", "SYSTEM_ERROR", "CONFIG_PACKET_DATA",
         "CONFIG_DATA_MODE_AR_DEV", "INIT_FPGA_PLAYBACK", "READ_FPGA_VERSION"], start=1,
    ):  # fmt: skip
        assert Request(Command[name]).encode() == bytes.fromhex(f"5a a5 {code:02x} 00 00 00 aa ee")
    assert Request(Command.CONFIG_PACKET_DATA, packet_config()).encode() == bytes.fromhex(
        "5a a5 0b 00 06 00 be 05 35 0c 00 00 aa ee"
    )
    assert Request(Command.CONFIG_EEPROM, eeprom_config(**FACTORY)).encode() == bytes.fromhex(
        "5a a5 04 00 12 00 1e 21 a8 c0 b4 21 a8 c0 12 90 78 56 34 12 00 10 02 10 aa ee"
    )


@pytest.mark.parametrize("delay_us", [4.9, 501.0, 0.0, -1.0, float("nan")])
def test_a_pause_that_the_card_does_not_know_is_refused(delay_us: float) -> None:
    with pytest.raises(ConfigError, match="between packets") as caught:
        packet_config(delay_s=delay_us * 1e-6)
    assert "5 to 500 us" in caught.value.hint


@given(st.integers(5, 500))
def test_every_whole_pause_is_taken_in_steps_of_8_ns(delay_us: int) -> None:
    assert packet_config(delay_s=delay_us * 1e-6)[2:4] == struct.pack("<H", 125 * delay_us)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"host_ip": "192.168.33"}, "no IPv4 address"),
        ({"host_ip": "127.0.0.1"}, "host cannot have the address"),
        ({"host_ip": "192.168.33.0"}, "host cannot have the address"),
        ({"fpga_ip": "192.168.33.255"}, "card cannot have the address"),
        ({"fpga_ip": "224.0.0.5"}, "card cannot have the address"),
        ({"fpga_ip": "0.0.0.7"}, "card cannot have the address"),
        ({"fpga_ip": "192.168.33.30"}, "could not talk to the host"),
        ({"fpga_ip": "192.168.34.180"}, "could not talk to the host"),
        ({"mac": "12:34:56:78:90"}, "no hardware address"),
        ({"mac": "12:34:56:78:90:1g"}, "no hardware address"),
        ({"mac": "+1:34:56:78:90:12"}, "no hardware address"),
        ({"mac": "13:34:56:78:90:12"}, "single device"),
        ({"mac": "00:00:00:00:00:00"}, "single device"),
        ({"config_port": 4098}, "UDP ports"),
        ({"data_port": 0}, "UDP ports"),
        ({"data_port": 65536}, "UDP ports"),
    ],
)
def test_addresses_that_would_lose_the_card_are_refused(change: dict[str, str | int], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        eeprom_config(**(dict[str, Any](FACTORY) | change))
    assert caught.value.hint


@given(st.integers(0, 0xFFFF))
def test_every_report_is_described(status: int) -> None:
    meaning, advice = describe_event(StatusFlag(status))
    assert meaning
    assert advice
    known = [flag for flag in StatusFlag if status & flag]
    assert meaning.count("; ") + 1 == len(known) + bool(status >> 12 or not status)


def test_each_report_has_its_own_sentence() -> None:
    texts = [describe_event(flag) for flag in StatusFlag]
    assert len(set(texts)) == len(StatusFlag) == 12
    assert "lvdsStreamCfg" in describe_event(StatusFlag.NO_LVDS_DATA)[1]
    assert "0xf000" in describe_event(StatusFlag(0xF000))[0]
    assert event_name(StatusFlag.DDR_FULL) == "DDR_FULL"


def test_the_replies_of_a_real_card_parse(real_replies: list[bytes]) -> None:
    assert len(real_replies) == 10
    statuses = {Command(r.command): r.status for r in map(Response.decode, real_replies)}
    assert statuses.pop(Command.READ_FPGA_VERSION) == 0x0402
    assert set(statuses) == {Command(code) for code in (1, 2, 3, 4, 5, 6, 9, 10, 11)}
    assert set(statuses.values()) == {0}
    assert fpga_version(0x0402) == "2.8"
    assert fpga_version(0x4402) == "2.8 playback"


def test_the_emulator_answers_with_the_bytes_of_a_real_card(real_replies: list[bytes]) -> None:
    fpga = Dca1000Fpga()
    for golden in real_replies:
        command = Response.decode(golden).command
        assert fpga.handle(Request(command, payload_of(command)).encode()) == [golden]


def test_the_emulator_answers_on_the_wire_as_a_real_card_does(real_replies: list[bytes]) -> None:
    board = SimulatedBoard(make_scene("noise"))
    a = board.addresses
    try:
        with bind_udp(a.host_ip, a.config_port) as host:
            host.settimeout(2.0)
            for golden in real_replies:
                command = Response.decode(golden).command
                host.sendto(Request(command, payload_of(command)).encode(), (a.fpga_ip, a.fpga_port))
                reply, (ip, port) = host.recvfrom(2048)
                if command == Command.CONFIG_FPGA_GEN:
                    time.sleep(2 * board_module.DEAF_S)
                assert (reply, ip) == (golden, a.fpga_ip)
                if a.fpga_port == 4096:  # the loopback pair with the card's own ports was free
                    assert port == 1024
                if command == Command.RECORD_STOP:
                    assert host.recv(2048) == record_completed()
    finally:
        board.close()


def test_the_status_after_a_record_is_that_of_a_real_card(recordings_dir: Path) -> None:
    path = recordings_dir / "dca1000-wire" / "test_one_frame.pcap"
    datagrams = [datagram for _, datagram in udp_datagrams(path, 4096)]
    assert [Response.decode(d).command for d in datagrams[:-1]] == [9, 1, 3, 11, 5]
    assert datagrams[-1] == record_completed()
    assert StatusFlag(Response.decode(datagrams[-1]).status) is StatusFlag.RECORD_COMPLETED


def test_the_emulator_packs_a_frame_as_a_real_card_does(recordings_dir: Path) -> None:
    path = recordings_dir / "dca1000-wire" / "test_one_frame.pcap"
    golden = [datagram for _, datagram in udp_datagrams(path, 4098)]
    samples = b"".join(datagram[10:] for datagram in golden)
    fpga = Dca1000Fpga()
    assert fpga.stream(samples) == []  # nothing before RECORD_START
    for command in (1, 3, 11, 5):
        fpga.handle(Request(command, payload_of(command)).encode())
    packets = [packet for offset in range(0, len(samples), 1000) for packet in fpga.stream(samples[offset:][:1000])]
    assert packets == golden[:11]
    assert fpga.holds_tail
    assert fpga.flush() == golden[11:]
    assert fpga.flush() == []


def test_a_record_start_restarts_sequence_and_byte_count() -> None:
    fpga = Dca1000Fpga()
    fpga.handle(Request(Command.CONFIG_FPGA_GEN, fpga_config()).encode())
    for _ in range(2):
        fpga.handle(Request(Command.RECORD_START).encode())
        assert [decode_data_header(packet) for packet in fpga.stream(bytes(3000))] == [(1, 0), (2, 1456)]


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ("01 02 01 02 03 1e", 0),
        ("02 01 02 01 01 00", 0),
        ("01 02 01 02 03", 1),
        ("01 02 01 02 03 1e 00", 1),
        ("", 1),
        ("00 02 01 02 03 1e", 1),
        ("01 03 01 02 03 1e", 1),
        ("01 02 01 02 04 1e", 1),
    ],
)
def test_the_emulator_streams_only_when_it_was_configured_for_this_radar(payload: str, status: int) -> None:
    fpga = Dca1000Fpga()
    (reply,) = fpga.handle(Request(Command.CONFIG_FPGA_GEN, bytes.fromhex(payload)).encode())
    assert Response.decode(reply).status == status
    fpga.handle(Request(Command.RECORD_START).encode())
    assert bool(fpga.stream(bytes(1456))) == (payload == "01 02 01 02 03 1e")
    fpga.handle(Request(Command.RESET_FPGA).encode())
    fpga.handle(Request(Command.RECORD_START).encode())
    assert fpga.stream(bytes(1456)) == []


def test_the_simulated_card_is_deaf_after_its_configuration_and_the_client_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(board_module, "DEAF_S", 0.05)
    board = SimulatedBoard(make_scene("noise"))
    client = Dca1000(board.addresses)
    try:
        client.command(Command.CONFIG_FPGA_GEN, fpga_config())
        with pytest.raises(DeviceTimeoutError):
            client.request(Command.SYSTEM_CONNECT, attempts=1, timeout_s=0.4 * board_module.DEAF_S)
        assert client.bring_up() == "2.8"
    finally:
        client.close()
        board.close()


# --- codec -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 0xFFFF), st.binary(max_size=504))
def test_requests_survive_the_round_trip(command: int, payload: bytes) -> None:
    request = Request(command, payload)
    assert Request.decode(request.encode()) == request


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_responses_survive_the_round_trip(command: int, status: int) -> None:
    response = Response(command, status)
    assert Response.decode(response.encode()) == response


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1), st.binary(max_size=64))
def test_data_headers_survive_the_round_trip(sequence: int, byte_count: int, payload: bytes) -> None:
    packet = encode_data_packet(sequence, byte_count, payload)
    assert decode_data_header(packet) == (sequence, byte_count)
    assert packet[10:] == payload


@given(st.binary(max_size=30))
def test_a_data_packet_has_a_header_or_is_a_protocol_error(datagram: bytes) -> None:
    try:
        sequence, byte_count = decode_data_header(datagram)
    except ProtocolError:
        assert len(datagram) < 10
    else:
        assert encode_data_packet(sequence, byte_count, datagram[10:]) == datagram


garbage = st.binary(max_size=40) | st.builds(
    lambda middle, end: b"\x5a\xa5" + middle + end, st.binary(max_size=12), st.sampled_from([b"", b"\xaa\xee"])
)


@given(garbage)
def test_garbage_is_a_protocol_error_and_nothing_else(datagram: bytes) -> None:
    for kind in (Request, Response):
        try:
            decoded = kind.decode(datagram)
        except ProtocolError:
            continue
        assert decoded.encode() == datagram
    replies = Dca1000Fpga().handle(datagram)
    assert all(Response.decode(reply) for reply in replies)


def test_a_payload_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="505 bytes"):
        Request(1, bytes(505)).encode()


@given(st.integers(0, 0xFFFF))
def test_every_status_word_is_a_set_of_flags(status: int) -> None:
    assert int(StatusFlag(status)) == status


# --- client ----------------------------------------------------------------------------------------------------------


class Card:
    """A card on 127.0.0.1 that answers as a test says, and keeps what it was asked."""

    def __init__(self, serve: Serve) -> None:
        self.requests: list[bytes] = []
        self._serve = serve
        self._socket = bind_udp("127.0.0.1", 0)
        self._socket.settimeout(0.01)
        self.port: int = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                datagram, sender = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.requests.append(datagram)
            self._serve(self._socket, datagram, sender)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[[Serve], tuple[Dca1000, Card]]]:
    opened: list[Dca1000 | Card] = []

    def make(serve: Serve) -> tuple[Dca1000, Card]:
        card = Card(serve)
        opened.append(card)
        addresses = Addresses(host_ip="127.0.0.1", fpga_ip="127.0.0.1", fpga_port=card.port, config_port=0)
        client = Dca1000(addresses, timeout_s=0.1)
        opened.append(client)
        return client, card

    yield make
    for thing in reversed(opened):
        thing.close()


Connect = Callable[[Serve], tuple[Dca1000, Card]]


def reply_with(*messages: bytes) -> Serve:
    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        for message in messages:
            sock.sendto(message, sender)

    return serve


def test_status_messages_before_the_reply_are_kept_as_events(connect: Connect) -> None:
    ddr_full = Response(Command.SYSTEM_ERROR, StatusFlag.DDR_FULL | StatusFlag.NO_LVDS_DATA).encode()
    other = Response(Command.RECORD_STOP, 1).encode()
    client, _ = connect(
        reply_with(ddr_full, b"garbage", other, Response(Command.RECORD_START, 0).encode(), record_completed())
    )
    assert client.request(Command.RECORD_START) == 0
    assert client.await_event(StatusFlag.RECORD_COMPLETED, 1.0)
    assert client.poll_events() == [StatusFlag.DDR_FULL | StatusFlag.NO_LVDS_DATA, StatusFlag.RECORD_COMPLETED]
    assert client.poll_events() == []


def test_waiting_for_an_event_ends_at_its_deadline(connect: Connect) -> None:
    client, _ = connect(reply_with())
    began = time.monotonic()
    assert not client.await_event(StatusFlag.RECORD_COMPLETED, 0.15)
    assert 0.1 < time.monotonic() - began < 1.0


def test_a_reply_from_another_address_is_not_the_cards(connect: Connect) -> None:
    forged = Response(Command.SYSTEM_CONNECT, 7).encode()

    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        with bind_udp("127.0.0.2", 0) as stranger:
            stranger.sendto(forged, sender)
        sock.sendto(Response(Command.SYSTEM_CONNECT, 0).encode(), sender)

    try:
        bind_udp("127.0.0.2", 0).close()
    except DeviceNotFoundError:
        pytest.skip("this host has one loopback address only")
    client, _ = connect(serve)
    assert client.request(Command.SYSTEM_CONNECT) == 0


def test_a_silent_card_is_asked_three_times_and_named(connect: Connect) -> None:
    client, card = connect(reply_with())
    began = time.monotonic()
    with pytest.raises(DeviceTimeoutError, match="RESET_FPGA") as caught:
        client.command(Command.RESET_FPGA)
    assert time.monotonic() - began == pytest.approx(0.3, abs=0.2)
    assert f"127.0.0.1:{card.port}" in str(caught.value)
    assert "ping 127.0.0.1" in caught.value.hint
    assert card.requests == [Request(Command.RESET_FPGA).encode()] * 3


def test_the_second_attempt_may_succeed(connect: Connect) -> None:
    seen: list[bytes] = []

    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        seen.append(request)
        if len(seen) > 1:
            sock.sendto(Response(Command.SYSTEM_CONNECT, 0).encode(), sender)

    client, _ = connect(serve)
    client.command(Command.SYSTEM_CONNECT)
    assert len(seen) == 2


def test_a_refused_command_is_a_protocol_error_that_names_it(connect: Connect) -> None:
    client, _ = connect(reply_with(Response(Command.RECORD_START, 1).encode()))
    with pytest.raises(ProtocolError, match="refused RECORD_START with status 1") as caught:
        client.command(Command.RECORD_START)
    assert caught.value.hint


def test_a_stale_reply_is_not_taken_for_the_next_answer(connect: Connect) -> None:
    """The card answered twice, e.g. because a request was repeated: the second reply belongs to no later request."""
    calls: list[bytes] = []

    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        calls.append(request)
        if len(calls) == 1:
            for _ in range(2):
                sock.sendto(Response(Command.RECORD_START, 0).encode(), sender)
        else:
            sock.sendto(Response(Command.RECORD_START, 1).encode(), sender)

    client, _ = connect(serve)
    client.command(Command.RECORD_START)
    time.sleep(0.05)
    with pytest.raises(ProtocolError):
        client.command(Command.RECORD_START)


def test_the_bring_up_pings_a_card_that_is_deaf_after_its_configuration(connect: Connect) -> None:
    deaf = 2
    fpga = Dca1000Fpga()

    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        nonlocal deaf
        commands.append(Command(Request.decode(request).command))
        if commands.count(Command.CONFIG_FPGA_GEN) and commands[-1] is Command.SYSTEM_CONNECT and deaf:
            deaf -= 1
            return
        for reply in fpga.handle(request):
            sock.sendto(reply, sender)

    commands: list[Command] = []
    client, _ = connect(serve)
    assert client.bring_up() == "2.8"
    assert [command.value for command in commands] == [0x09, 0x01, 0x03, 0x09, 0x09, 0x09, 0x0B, 0x0E]


def test_the_bring_up_sets_the_pause_between_packets(connect: Connect) -> None:
    fpga = Dca1000Fpga()

    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        for reply in fpga.handle(request):
            sock.sendto(reply, sender)

    client, card = connect(serve)
    client.bring_up(delay_s=5e-6)
    assert bytes.fromhex("5a a5 0b 00 06 00 be 05 71 02 00 00 aa ee") in card.requests
    asked = len(card.requests)
    with pytest.raises(ConfigError):
        client.bring_up(delay_s=1e-3)
    assert len(card.requests) == asked  # nothing was sent of what could not be finished


def answer_all(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
    sock.sendto(Response(Request.decode(request).command, 0).encode(), sender)


def test_stopping_a_record_waits_until_the_card_has_sent_all(connect: Connect) -> None:
    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        answer_all(sock, request, sender)
        if Request.decode(request).command == Command.RECORD_STOP:
            time.sleep(0.1)
            sock.sendto(record_completed(), sender)

    client, _ = connect(serve)
    client.start_record()
    assert client.stop_record(timeout_s=20.0)
    assert client.poll_events() == [StatusFlag.RECORD_COMPLETED]


def test_a_record_that_ended_by_itself_is_not_waited_for(connect: Connect) -> None:
    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        answer_all(sock, request, sender)
        if Request.decode(request).command == Command.RECORD_START:
            sock.sendto(record_completed(), sender)

    client, _ = connect(serve)
    client.start_record()
    assert client.await_event(StatusFlag.RECORD_COMPLETED, 20.0)
    client.poll_events()  # whoever takes the report does not make the client forget it
    assert client.stop_record(timeout_s=3600.0)


def test_the_end_of_an_earlier_record_is_not_that_of_the_next(connect: Connect) -> None:
    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        if Request.decode(request).command == Command.RECORD_START:
            sock.sendto(record_completed(), sender)
        answer_all(sock, request, sender)

    client, _ = connect(serve)
    client.start_record()
    assert not client.stop_record(timeout_s=0.1)


def test_stopping_a_record_ends_when_the_stream_is_quiet(connect: Connect) -> None:
    client, card = connect(answer_all)
    client.start_record()
    asked: list[int] = []

    def is_quiet() -> bool:
        asked.append(len(card.requests))
        return len(asked) == 3

    assert not client.stop_record(timeout_s=3600.0, is_quiet=is_quiet)
    assert asked == [2, 2, 2]  # the stop had been sent


def test_the_radar_is_reset_through_the_card(connect: Connect) -> None:
    client, card = connect(answer_all)
    client.reset_radar()
    client.reset()
    client.ping()
    assert [Request.decode(request).command for request in card.requests] == [0x02, 0x01, 0x09, 0x09]


def test_other_addresses_are_written_to_the_emulated_card(connect: Connect) -> None:
    fpga = Dca1000Fpga()

    def serve(sock: socket.socket, request: bytes, sender: tuple[str, int]) -> None:
        for reply in fpga.handle(request):
            sock.sendto(reply, sender)

    client, card = connect(serve)
    client.write_eeprom(**(dict[str, Any](FACTORY) | {"fpga_ip": "192.168.33.181", "config_port": 5000}))
    assert len(card.requests) == 1
    assert card.requests[0][6:-2] == bytes.fromhex("1e 21 a8 c0 b5 21 a8 c0 12 90 78 56 34 12 88 13 02 10")
    assert fpga.eeprom == Addresses(
        host_ip="192.168.33.30", fpga_ip="192.168.33.181", fpga_port=5000, config_port=5000, data_port=4098
    )


@pytest.mark.parametrize(
    "replies",
    [
        [Response(Command.CONFIG_EEPROM, 1)],
        [Response(Command.CONFIG_EEPROM, 0), Response(Command.SYSTEM_ERROR, StatusFlag.EEPROM_FAILURE)],
    ],
)
def test_an_eeprom_that_was_not_written_is_an_error_with_the_way_back(
    connect: Connect, replies: list[Response]
) -> None:
    client, _ = connect(reply_with(*(reply.encode() for reply in replies)))
    with pytest.raises(ProtocolError, match="EEPROM") as caught:
        client.write_eeprom(**FACTORY)
    assert "SW2.6" in caught.value.hint


def test_an_unanswered_write_of_the_eeprom_is_not_repeated(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dca1000_module, "_EEPROM_S", 0.1)
    client, card = connect(reply_with())
    with pytest.raises(DeviceTimeoutError, match="CONFIG_EEPROM"):
        client.write_eeprom(**FACTORY)
    assert len(card.requests) == 1


@given(
    st.lists(
        st.binary(max_size=24)
        | st.integers(0, 0xFFFF).map(lambda status: Response(Command.SYSTEM_ERROR, status).encode()),
        max_size=20,
    ),
    st.integers(0, 7),
    st.integers(0, 255),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_messages_before_the_reply_do_not_disturb_the_client(
    connect: Connect, before: list[bytes], place: int, value: int
) -> None:
    reply = Response(Command.RECORD_START, 0).encode()
    mutated = reply[:place] + bytes([value]) + reply[place + 1 :]
    taken = value == reply[place] or place in (4, 5) or (place in (2, 3) and mutated == reply)
    client, card = connect(reply_with(*(b for b in before if b[:4] != reply[:4]), mutated, reply))
    status = client.request(Command.RECORD_START, timeout_s=20.0)
    assert status == (Response.decode(mutated).status if taken else 0)
    for thing in (client, card):
        thing.close()


# --- sockets ---------------------------------------------------------------------------------------------------------


def test_a_host_without_the_address_is_told_how_to_get_it() -> None:
    with pytest.raises(DeviceNotFoundError, match="192\\.0\\.2\\.30") as caught:
        bind_udp("192.0.2.30", 0)
    assert "ip addr add 192.0.2.30/24" in caught.value.hint


def test_a_taken_port_is_named() -> None:
    with bind_udp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeviceNotFoundError, match=f"{port} of 127.0.0.1 is taken") as caught:
            bind_udp("127.0.0.1", port)
    assert "mmWave Studio" in caught.value.hint


def test_a_system_that_refuses_the_buffer_gets_a_smaller_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Limited(socket.socket):
        def setsockopt(self, level: int, option: int, value: int) -> None:  # type: ignore[override]
            if option == SO_RCVBUFFORCE:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            asked.append(value)
            if value > 1 << 22:
                raise OSError(errno.ENOBUFS, "No buffer space available")
            super().setsockopt(level, option, value)

    monkeypatch.setattr(socket, "socket", Limited)
    bind_udp("127.0.0.1", 0, receive_buffer_bytes=16 << 20).close()
    assert asked == [16 << 20, 8 << 20, 4 << 20]


@pytest.mark.parametrize(
    ("granted", "ip", "warned"),
    [(106496, "192.168.33.30", True), (1 << 20, "192.168.33.30", False), (106496, "127.33.0.30", False)],
)
def test_a_receive_buffer_that_is_too_small_is_told_with_the_remedy(
    granted: int, ip: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        _report_receive_buffer(granted, 16 << 20, ip)
    assert f"receive buffer: {granted} of 16777216 bytes" in caplog.text
    assert ("sysctl -w net.core.rmem_max=16777216" in caplog.text) == warned


def test_the_size_that_is_told_is_the_one_that_was_granted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        bind_udp("127.0.0.1", 0, receive_buffer_bytes=1 << 16).close()
        bind_udp("127.0.0.1", 0).close()
    assert [record.getMessage() for record in caplog.records] == ["receive buffer: 65536 of 65536 bytes"]
