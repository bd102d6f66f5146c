"""USB and UDP: what goes wrong on them, and what is said about it."""

import errno
import logging
import socket
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from isactrack import ConfigError, DeviceError, DeviceNotFoundError, DeviceTimeoutError
from isactrack.drivers.bistatic import usb_link
from isactrack.drivers.bistatic.control import ControlError
from isactrack.drivers.bistatic.conversation import Conversation
from isactrack.drivers.bistatic.framing import Packet, PacketKind
from isactrack.drivers.bistatic.udp_link import UdpLink, open_udp
from isactrack.drivers.bistatic.usb_link import UsbLink, find_radios, open_usb
from isactrack.drivers.registry import list_devices

usb_core = pytest.importorskip("usb.core")


def data_packet(sequence: int, size: int = 100) -> bytes:
    return Packet(kind=PacketKind.CSI, sequence=sequence, payload=bytes(size)).encode()


# --- UDP -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Any:
    """A link, and the socket of the radio that it talks to."""
    radio = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    radio.bind(("127.0.0.1", 0))
    radio.settimeout(2.0)
    link = UdpLink(radio.getsockname())
    yield link, radio
    link.close()
    radio.close()


def test_data_and_replies_are_sorted_and_foreign_datagrams_rejected(pair: Any) -> None:
    link, radio = pair
    reply = Packet(kind=PacketKind.REPLY, payload=b"{}").encode()
    host = ("127.0.0.1", link.local_port)
    for datagram in (data_packet(1), reply, b"hello", data_packet(2), data_packet(3, 1400)):
        radio.sendto(datagram, host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(data_packet(4), host)
    time.sleep(0.05)
    assert link.receive(1.0) == [data_packet(1), data_packet(2)]
    assert link.receive_reply(1.0) == reply
    assert link.rejected == 3  # no packet, a stranger's, and one that is too long
    assert link.receive(0.02) == []
    assert link.receive_reply(0.02) is None


def test_a_reply_is_found_while_another_thread_reads_data(pair: Any) -> None:
    link, radio = pair
    got: list[bytes] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            got.extend(link.receive(0.05))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for k in range(20):
            reply = Packet(kind=PacketKind.REPLY, sequence=k).encode()
            radio.sendto(data_packet(k), ("127.0.0.1", link.local_port))
            radio.sendto(reply, ("127.0.0.1", link.local_port))
            assert link.receive_reply(1.0) == reply
    finally:
        stop.set()
        reader.join()
    assert got + link.receive(0.05) == [data_packet(k) for k in range(20)]


def test_a_closed_port_of_the_radio_is_silence_also_where_the_system_tells(
    monkeypatch: pytest.MonkeyPatch, pair: Any
) -> None:
    link, radio = pair
    radio.sendto(data_packet(7), ("127.0.0.1", link.local_port))
    real, told = link._socket, iter([True, False, False])

    def receive(size: int) -> Any:
        if next(told):
            raise ConnectionResetError(10054, "forcibly closed by the remote host")
        return real.recvfrom(size)

    told_by_windows = SimpleNamespace(settimeout=real.settimeout, recvfrom=receive, close=real.close)
    monkeypatch.setattr(link, "_socket", told_by_windows)
    assert link.receive(0.5) == []
    assert link.receive(0.5) == [data_packet(7)]


def test_what_is_old_is_thrown_away(pair: Any) -> None:
    link, radio = pair
    for k in range(300):
        radio.sendto(data_packet(k), ("127.0.0.1", link.local_port))
    link.discard()
    assert link.receive(0.02) == []


def test_a_clamped_receive_buffer_is_told_when_it_matters(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pair: Any
) -> None:
    link, _ = pair
    assert link.granted_bytes > 0
    monkeypatch.setattr(link, "granted_bytes", 400_000)
    with caplog.at_level(logging.WARNING):
        link.prepare(0.61e6)
        assert not caplog.records
        link.prepare(43e6)
    assert "400000 bytes" in caplog.text
    assert "net.core.rmem_max" in caplog.text


def test_a_closed_link_and_an_address_that_is_none_are_errors() -> None:
    link = open_udp("127.0.0.1", 9)
    link.close()
    link.close()
    for call in (lambda: link.send(b"x"), lambda: link.receive(0.1), lambda: link.receive_reply(0.1)):
        with pytest.raises(DeviceError) as caught:
            call()
        assert caught.value.hint
    with pytest.raises(DeviceNotFoundError, match="no IPv4 address"):
        open_udp("there-is-no-such-host.invalid")


# --- commands --------------------------------------------------------------------------------------------------------


def test_a_lost_reply_is_asked_for_again_and_the_command_done_once(radio: Any) -> None:
    link = UdpLink(radio.address)
    radio.deaf = ["stop", "stop"]
    Conversation(link).stop()
    assert radio.heard == ["stop"] * 3
    assert radio.executed == ["stop"]
    link.close()


def test_the_reply_to_an_earlier_command_is_passed_over(radio: Any) -> None:
    link = UdpLink(radio.address)
    talk = Conversation(link)
    radio.socket.sendto(
        Packet(kind=PacketKind.REPLY, sequence=5, payload=b'{"ok":false,"error":"old"}').encode(),
        ("127.0.0.1", link.local_port),
    )
    assert talk.identify().model == "ISAB-T"
    assert talk.set_gain(3.2) == 3.0
    radio.refuses = {"stop": "not now"}
    with pytest.raises(ControlError, match="not now"):
        talk.stop()
    link.close()


def test_silence_is_a_timeout(radio: Any) -> None:
    link = UdpLink(radio.address)
    radio.mute = True
    began = time.monotonic()
    with pytest.raises(DeviceTimeoutError, match="does not answer status") as caught:
        Conversation(link).status(0.4)
    assert 0.35 < time.monotonic() - began < 1.5
    assert caught.value.hint
    link.close()


# --- USB -------------------------------------------------------------------------------------------------------------


class FakeUsbDevice:
    """What `UsbLink` asks of pyusb's device; `reads` are bytes or errors, in order, for each endpoint."""

    def __init__(self, serial_number: str = "S1", *, opening: Exception | None = None) -> None:
        self.serial_number = serial_number
        self.opening = opening
        self.reads: dict[int, list[bytes | Exception]] = {0x81: [], 0x82: []}
        self.written: list[bytes] = []
        self.sizes: list[int] = []
        self.timeouts: list[int] = []
        self.write_error: Exception | None = None

    def is_kernel_driver_active(self, interface: int) -> bool:
        raise NotImplementedError

    def set_configuration(self) -> None:
        if self.opening:
            raise self.opening

    def write(self, endpoint: int, data: bytes, timeout: int) -> int:
        assert (endpoint, timeout > 0) == (0x01, True)
        if self.write_error:
            raise self.write_error
        self.written.append(data)
        return len(data)

    def read(self, endpoint: int, size: int, timeout: int) -> bytes:
        self.sizes.append(size)
        self.timeouts.append(timeout)
        if not self.reads[endpoint]:
            raise usb_core.USBTimeoutError("timed out")
        item = self.reads[endpoint].pop(0)
        if isinstance(item, Exception):
            raise item
        return item


@pytest.fixture
def fake_usb(monkeypatch: pytest.MonkeyPatch) -> list[FakeUsbDevice]:
    devices = [FakeUsbDevice()]
    monkeypatch.setattr(usb_core, "find", lambda **_: iter(devices))
    util = SimpleNamespace(claim_interface=lambda *_: None, dispose_resources=lambda _: None)
    monkeypatch.setattr(usb_link, "_usb_util", lambda: util)
    return devices


def test_data_on_usb_are_cut_into_packets_and_every_read_has_a_deadline(fake_usb: list[FakeUsbDevice]) -> None:
    link = open_usb()
    device = fake_usb[0]
    stream = data_packet(1) + data_packet(2, 5000) + data_packet(3)
    device.reads[0x82] = [stream[:150], stream[150:6000], stream[6000:]]
    got = [packet for _ in range(4) for packet in link.receive(0.0)]
    assert got == [data_packet(1), data_packet(2, 5000), data_packet(3)]
    assert min(device.sizes) >= 1 << 16
    assert min(device.timeouts) >= 1  # 0 would be for ever
    assert link.name == "USB S1"
    device.reads = {0x81: [b"old"], 0x82: [b"ISAB old", b"old"]}
    link.discard()
    device.reads[0x82] = [data_packet(4)]
    assert link.receive(0.01) == [data_packet(4)]
    link.send(b"command")
    assert device.written == [b"command"]


def test_a_cable_that_is_pulled_is_told(fake_usb: list[FakeUsbDevice]) -> None:
    link = open_usb()
    gone = usb_core.USBError("No such device", errno=errno.ENODEV)
    fake_usb[0].reads = {0x81: [gone], 0x82: [gone]}
    fake_usb[0].write_error = gone
    for call in (lambda: link.receive(0.1), lambda: link.receive_reply(0.1), lambda: link.send(b"x")):
        with pytest.raises(DeviceError, match="was unplugged") as caught:
            call()
        assert "cable" in caught.value.hint
    fake_usb[0].write_error = usb_core.USBTimeoutError("timed out")
    with pytest.raises(DeviceTimeoutError, match="takes no commands"):
        link.send(b"x")
    link.close()
    with pytest.raises(DeviceError, match="closed"):
        link.receive(0.1)


@pytest.mark.parametrize(
    ("number", "says", "hint"),
    [(errno.EACCES, "may not open", "doctor --udev-rule"), (errno.EBUSY, "is taken", "other program"),
     (errno.EIO, "cannot be opened", "cable")],
)  # fmt: skip
def test_why_a_radio_cannot_be_opened_is_told(fake_usb: list[FakeUsbDevice], number: int, says: str, hint: str) -> None:
    fake_usb[0].opening = usb_core.USBError("refused", errno=number)
    with pytest.raises(DeviceNotFoundError, match=says) as caught:
        open_usb()
    assert hint in caught.value.hint


def test_which_radio_is_meant(fake_usb: list[FakeUsbDevice]) -> None:
    fake_usb.append(FakeUsbDevice("S2"))
    with pytest.raises(DeviceNotFoundError, match="S1, S2") as caught:
        open_usb()
    assert "bistatic://usb/S1" in caught.value.hint
    assert open_usb("S2").name == "USB S2"
    with pytest.raises(DeviceNotFoundError, match="serial number S3 is on USB; connected: S1, S2"):
        open_usb("S3")
    assert [device.url for device in list_devices() if device.url.startswith("bistatic")] == [
        "bistatic://usb/S1", "bistatic://usb/S2",
    ]  # fmt: skip
    fake_usb.clear()
    with pytest.raises(DeviceNotFoundError, match="no bistatic radio is on USB") as caught:
        open_usb()
    assert "sim://bistatic" in caught.value.hint


def test_without_pyusb_or_libusb_there_is_a_hint_and_the_list_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_backend(**_: object) -> None:
        raise usb_core.NoBackendError("No backend available")

    monkeypatch.setattr(usb_core, "find", no_backend)
    with pytest.raises(ConfigError, match="libusb") as caught:
        find_radios()
    assert "libusb" in caught.value.hint
    assert "sim://bistatic" in [device.url for device in list_devices()]
    monkeypatch.setitem(sys.modules, "usb.core", None)
    with pytest.raises(ConfigError, match="pyusb is not installed") as caught:
        find_radios()
    assert "isactrack[bistatic]" in caught.value.hint
    assert "sim://bistatic" in [device.url for device in list_devices()]
    with pytest.raises(ConfigError):
        UsbLink(FakeUsbDevice())
