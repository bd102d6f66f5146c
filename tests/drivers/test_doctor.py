"""Each line of the doctor from what a probe saw, the probes on a fake system, and the command."""

import errno
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from isactrack.cli.main import run
from isactrack.drivers.awr1642 import console as console_module
from isactrack.drivers.awr1642 import doctor, probes
from isactrack.drivers.awr1642.dca1000 import Addresses
from isactrack.drivers.awr1642.discovery import DCA1000_USB_ID, XDS110_USB_ID, Board, BoardKind, UsbDevice
from isactrack.drivers.awr1642.doctor import Diagnosis, Target, Verdict
from isactrack.drivers.awr1642.probes import BufferGrant, DiskSpeed, Holder, Link, PortAccess, Route
from isactrack.drivers.bistatic import control
from isactrack.errors import DeviceError, DeviceNotFoundError, DeviceTimeoutError

BOARD = Board(console_port="/dev/ttyACM1", data_port="/dev/ttyACM0", serial_number="R1", kind=BoardKind.XDS110)
OK, WARN, FAIL, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
Capture = pytest.CaptureFixture[str]


def expect(diagnosis: Diagnosis, verdict: Verdict, *words: str) -> None:
    """Check the verdict, that the line says what to do, and what it speaks of."""
    text = f"{diagnosis.found} -> {diagnosis.advice}"
    assert diagnosis.verdict is verdict, text
    assert diagnosis.name and diagnosis.found and diagnosis.advice
    assert verdict is OK or diagnosis.advice != "nothing to do"
    assert [word for word in words if word not in text] == [], text


# --- checks ----------------------------------------------------------------------------------------------------------


def test_boards() -> None:
    xds110 = UsbDevice(XDS110_USB_ID, "R1")
    expect(doctor.check_boards([BOARD], [xds110]), OK, "XDS110 R1", "/dev/ttyACM1", "/dev/ttyACM0")
    expect(doctor.check_boards([], []), FAIL, "sim://awr1642")
    expect(doctor.check_boards([], [xds110]), FAIL, "cdc_acm")
    lame = Board(console_port="COM3", data_port=None, serial_number="", kind=BoardKind.CP2105)
    expect(doctor.check_boards([lame], []), WARN, "CP2105: console COM3", "not found")
    blind = Board(console_port=None, data_port=None, serial_number="", kind=BoardKind.CP2105, other_ports=("a", "b"))
    expect(doctor.check_boards([blind], []), FAIL, "a, b", "try each")
    expect(doctor.check_boards([BOARD, BOARD], []), OK, "refuses to choose")
    expect(doctor.check_card_usb([UsbDevice(DCA1000_USB_ID, "")]), OK, "on USB too")
    expect(doctor.check_card_usb([]), OK, "Ethernet")


def test_serial_ports() -> None:
    access = PortAccess(allowed=True, group="dialout", user="ada", joined=False)
    expect(doctor.check_permission("/dev/a", access), OK, "ada")
    out = PortAccess(allowed=False, group="dialout", user="ada", joined=False)
    expect(doctor.check_permission("/dev/a", out), FAIL, "usermod -aG dialout ada")
    later = PortAccess(allowed=False, group="dialout", user="ada", joined=True)
    expect(doctor.check_permission("/dev/a", later), FAIL, "log in again")
    expect(doctor.check_permission("/dev/a", None), FAIL, "no port /dev/a")
    expect(doctor.check_port_free("/dev/a", []), OK)
    expect(doctor.check_port_free("/dev/a", [Holder(pid=7, name="minicom")]), FAIL, "minicom (process 7)")
    rule = Path("/etc/udev/rules.d/70-isactrack.rules")
    expect(doctor.check_modem_manager(True, []), WARN, "--udev-rule", str(rule))
    expect(doctor.check_modem_manager(True, [rule]), OK, str(rule))
    expect(doctor.check_modem_manager(False, []), OK, "optional")


def test_consoles() -> None:
    version = ["Platform                : xWR16xx", "mmWave SDK Version      : 03.05.00.04"]
    expect(doctor.check_console("/dev/a", version), OK, "mmWave SDK Version : 03.05.00.04")
    expect(doctor.check_console("/dev/a", ["MRR 1.2"]), FAIL, "MRR 1.2", "flash")
    expect(doctor.check_console("/dev/a", ["mmWave SDK Version : 04.01.00.00"]), FAIL, "SDK 04.01.00.00", "flash")
    silent = DeviceTimeoutError("did not answer", "check that SOP is in functional mode")
    expect(doctor.check_console("/dev/a", silent), FAIL, "did not answer", "SOP")
    expect(doctor.check_console("/dev/a", DeviceError("odd")), FAIL, "press reset")


def route(interface: str, *, direct: bool = True, bits: int = 24, metric: int = 0) -> Route:
    return Route(interface=interface, direct=direct, prefix_bits=bits, metric=metric)


def test_network() -> None:
    expect(doctor.check_host_address("192.168.33.30", None, "192.168.33.180", None), OK)
    expect(doctor.check_host_address("192.168.33.30", None, "192.168.33.180", route("eth7")), OK, "eth7")
    missing = OSError(errno.EADDRNOTAVAIL, "no such address")
    line = doctor.check_host_address("192.168.33.30", missing, "192.168.33.180", route("enp3s0"))
    expect(line, FAIL, "ip addr add 192.168.33.30/24 dev enp3s0")
    gateway = route("wlan0", direct=False, bits=0)
    expect(doctor.check_host_address("10.0.0.1", missing, "10.0.0.2", gateway), FAIL, "dev eth0")

    expect(doctor.check_routes("10.0.0.2", None), UNKNOWN, "ping 10.0.0.2")
    expect(doctor.check_routes("10.0.0.2", []), FAIL, "no way")
    expect(doctor.check_routes("10.0.0.2", [gateway]), FAIL, "gateway")
    expect(doctor.check_routes("10.0.0.2", [route("eth0"), gateway]), OK, "eth0 alone")
    expect(doctor.check_routes("10.0.0.2", [route("eth0"), route("eth1")]), FAIL, "eth0, eth1")
    expect(doctor.check_routes("10.0.0.2", [route("eth0"), route("eth1", metric=9)]), WARN, "eth0 is used")

    def link(carrier: bool | None = True, speed: int | None = 1000, mtu: int | None = 1500) -> Link:
        return Link(interface="eth0", carrier=carrier, speed_mbps=speed, mtu=mtu)

    expect(doctor.check_link(link(), 1e6), OK, "1000 Mbit/s")
    expect(doctor.check_link(link(carrier=False), 1e6), FAIL, "no link")
    expect(doctor.check_link(link(mtu=1280), 1e6), FAIL, "mtu 1500")
    expect(doctor.check_link(link(speed=None), 1e6), UNKNOWN)
    expect(doctor.check_link(link(speed=100), 1e6), WARN, "1 Gbit/s")
    expect(doctor.check_link(link(speed=100), 12.5e6), FAIL, "1 Gbit/s")


def test_udp_ports_card_and_firewall() -> None:
    taken, away = OSError(errno.EADDRINUSE, "in use"), OSError(errno.EADDRNOTAVAIL, "no such address")
    expect(doctor.check_udp_ports({4096: None, 4098: None}, {}), OK, "4096 and 4098")
    line = doctor.check_udp_ports({4096: None, 4098: taken}, {4098: [Holder(pid=9, name="studio")]})
    expect(line, FAIL, "4098 (studio (process 9))")
    expect(doctor.check_udp_ports({4096: taken}, {}), FAIL, "not to be seen")
    expect(doctor.check_udp_ports({4096: away, 4098: away}, {}), UNKNOWN, "no such address")

    addresses = Addresses()
    expect(doctor.check_card(addresses, "2.8 record", None), OK, "FPGA 2.8", addresses.fpga_ip)
    expect(doctor.check_card(addresses, DeviceNotFoundError("no address", "add it"), None), UNKNOWN, "add it")
    mute = DeviceTimeoutError("did not answer")
    expect(doctor.check_card(addresses, mute, "12:34:56:78:90:12"), FAIL, "12:34:56:78:90:12", "firewall", "4098")
    expect(doctor.check_card(addresses, mute, ""), FAIL, "SW2.6")

    expect(doctor.check_firewall(["ufw"], True), OK, "ufw")
    expect(doctor.check_firewall(["ufw"], False), WARN, "4096")


def test_computer(tmp_path: Path) -> None:
    def grant(granted: int, limit: int | None = 212_992) -> BufferGrant:
        return BufferGrant(granted_bytes=granted, forced=False, limit_bytes=limit)

    # 2304 bytes a packet and 60.6 thousand packets a second: 4 MiB hold 60 ms (the kernel doubles what it grants).
    expect(doctor.check_receive_buffer(grant(212_992)), FAIL, "3 ms", "rmem_max=67108864")
    expect(doctor.check_receive_buffer(grant(4 << 20)), WARN, "60 ms")
    expect(doctor.check_receive_buffer(grant(64 << 20)), OK, "961 ms")
    expect(doctor.check_receive_buffer(grant(1 << 20, limit=None)), WARN, "maxsockbuf")
    forced = BufferGrant(granted_bytes=64 << 20, forced=True, limit_bytes=1)
    expect(doctor.check_receive_buffer(forced), OK, "; forced beyond", "rmem_max 1")

    expect(doctor.check_backlog(1000, 0), OK)
    expect(doctor.check_backlog(1000, 3), WARN, "3 dropped", "netdev_max_backlog")
    expect(doctor.check_backlog(300, 0), WARN)
    expect(doctor.check_processor(8, "powersave", "intel_pstate"), OK)
    expect(doctor.check_processor(8, "powersave", "acpi-cpufreq"), WARN, "performance")
    expect(doctor.check_processor(1, "", ""), WARN)

    def speed(rate: float) -> DiskSpeed:
        return DiskSpeed(written_bytes=round(2 * rate), elapsed_s=2.0)

    expect(doctor.check_disk_speed(tmp_path, speed(200e6), 10e6), OK, "200 MB/s", "10.0 MB/s")
    expect(doctor.check_disk_speed(tmp_path, speed(50e6), 10e6), WARN, "88.2 MB/s")
    expect(doctor.check_disk_speed(tmp_path, speed(5e6), 10e6), FAIL)
    expect(doctor.check_disk_speed(tmp_path, OSError(errno.EROFS, "read-only"), 10e6), FAIL, "read-only")
    expect(doctor.check_free_space(tmp_path, 60 * 10**9, 10e6), OK, "100.0 min")
    expect(doctor.check_free_space(tmp_path, 3 * 10**9, 10e6), WARN, "5.0 min")
    expect(doctor.check_free_space(tmp_path, 10**8, 10e6), FAIL)
    expect(doctor.check_free_space(tmp_path, OSError(errno.ENOENT, "no such folder"), 10e6), FAIL, "no such folder")

    installed = {"Python": "3.11", "hdf5plugin": "4", "Qt": "6.8"}
    expect(doctor.check_programs(installed), OK, "Python 3.11", "Qt 6.8")
    expect(doctor.check_programs({**installed, "Qt": ""}), OK, "[gui]")
    expect(doctor.check_programs({**installed, "hdf5plugin": ""}), WARN, "hdf5plugin")


def test_a_check_that_hangs_or_breaks_is_a_line_and_not_the_end() -> None:
    def hang() -> Diagnosis:
        time.sleep(2.0)
        return Diagnosis("disk", OK, "late")

    def fail() -> Diagnosis:
        raise RuntimeError("boom")

    began = time.monotonic()
    expect(doctor.guarded("disk", hang, 0.05), UNKNOWN, "0.05 s")
    assert time.monotonic() - began < 1.5
    expect(doctor.guarded("disk", fail), UNKNOWN, "RuntimeError: boom")


# --- probes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return a /proc with two other processes, of which one holds a port and a socket."""
    root = tmp_path / "proc"
    for pid, name in ((4242, "minicom"), (4243, "ModemManager")):
        (root / str(pid) / "fd").mkdir(parents=True)
        (root / str(pid) / "comm").write_text(name + "\n")
    (root / "4242" / "fd" / "3").symlink_to("/dev/ttyACM9")
    (root / "4242" / "fd" / "4").symlink_to("socket:[777]")
    (root / "net").mkdir()
    (root / "net" / "udp").write_text(
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "  109: 1E21A8C0:1002 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 777 2 0 0\n"
    )
    return root


needs_proc = pytest.mark.skipif(os.name != "posix", reason="a fake /proc needs links to what is not there")


@needs_proc
def test_who_has_a_port_open(proc: Path) -> None:
    assert probes.holders("/dev/ttyACM9", proc) == [Holder(pid=4242, name="minicom")]
    assert probes.holders("/dev/ttyACM8", proc) == []
    assert probes.udp_holders(4098, proc) == [Holder(pid=4242, name="minicom")]
    assert probes.udp_holders(4096, proc) == []
    assert probes.is_running(["ModemManager", "firewalld"], proc) == ["ModemManager"]
    assert probes.holders("/dev/ttyACM9", proc / "no such folder") == []


@needs_proc
def test_the_ways_to_the_card_are_read_from_the_kernels_table(proc: Path) -> None:
    (proc / "net" / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "eth1\t0021A8C0\t00000000\t0001\t0\t0\t200\t00FFFFFF\t0\t0\t0\n"
        "eth0\t0021A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "broken line\n"
    )
    found = probes.routes_to("192.168.33.180", proc)
    assert found == [
        route("eth0", metric=100), route("eth1", metric=200), route("wlan0", direct=False, bits=0, metric=600),
    ]  # fmt: skip
    assert probes.routes_to("192.168.33.180", proc / "no such folder") is None


@needs_proc
def test_the_neighbours_on_the_cable(proc: Path) -> None:
    (proc / "net" / "arp").write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.168.33.180   0x1         0x2         12:34:56:78:90:12     *        eth0\n"
        "192.168.33.181   0x1         0x0         00:00:00:00:00:00     *        eth0\n"
    )
    assert probes.neighbour("192.168.33.180", proc) == "12:34:56:78:90:12"
    assert probes.neighbour("192.168.33.181", proc) == ""
    assert probes.neighbour("192.168.33.182", proc) is None


def test_links_queues_and_processors(tmp_path: Path) -> None:
    folder = tmp_path / "class" / "net" / "eth0"
    folder.mkdir(parents=True)
    for name, text in (("speed", "1000"), ("carrier", "1"), ("mtu", "1500")):
        (folder / name).write_text(text + "\n")
    assert probes.link_state("eth0", tmp_path) == Link(interface="eth0", carrier=True, speed_mbps=1000, mtu=1500)
    (folder / "speed").write_text("-1\n")
    assert probes.link_state("eth0", tmp_path).speed_mbps is None
    assert probes.link_state("eth9", tmp_path) == Link(interface="eth9", carrier=None, speed_mbps=None, mtu=None)

    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "softnet_stat").write_text("0000a1b2 00000002 00000000\n0000a1b2 00000010 00000000\n")
    core = tmp_path / "sys" / "net" / "core"
    core.mkdir(parents=True)
    (core / "netdev_max_backlog").write_text("1000\n")
    assert probes.network_backlog(tmp_path) == (1000, 18)
    assert probes.network_backlog(tmp_path / "no such folder") == (None, 0)

    frequency = tmp_path / "devices" / "system" / "cpu" / "cpu0" / "cpufreq"
    frequency.mkdir(parents=True)
    (frequency / "scaling_governor").write_text("schedutil\n")
    (frequency / "scaling_driver").write_text("acpi-cpufreq\n")
    assert probes.processor(tmp_path)[1:] == ("schedutil", "acpi-cpufreq")


def test_the_receive_buffer_is_what_a_socket_gets() -> None:
    grant = probes.receive_buffer(1 << 16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        assert grant.granted_bytes in (sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2, 1 << 16)


def test_a_udp_port_that_is_taken_is_seen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        error = probes.can_bind("127.0.0.1", sock.getsockname()[1])
        assert error is not None
        assert error.errno == errno.EADDRINUSE
    assert probes.can_bind("127.0.0.1", 0) is None


def test_the_disk_trial_writes_no_more_than_it_should_and_leaves_nothing(tmp_path: Path) -> None:
    trial = probes.disk_speed(tmp_path, most_bytes=5 << 20)
    assert trial.written_bytes == 5 << 20
    assert trial.rate > 0.0
    assert probes.disk_speed(tmp_path, limit_s=0.0).written_bytes == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="no such folder"):
        probes.disk_speed(tmp_path / "no such folder")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no groups of ports")
def test_permissions_of_a_port(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    port.touch(0o600)
    access = probes.port_access(str(port))
    assert access is not None
    assert access.allowed
    assert access.user
    assert probes.port_access(str(tmp_path / "none")) is None
    if os.geteuid() != 0:
        port.chmod(0)
        blocked = probes.port_access(str(port))
        assert blocked is not None
        assert not blocked.allowed


# --- udev rules ------------------------------------------------------------------------------------------------------


def test_the_udev_rules_are_found_where_they_are_installed(tmp_path: Path) -> None:
    words = ["ID_MM_DEVICE_IGNORE", "BEF3"]
    assert probes.rules_that_mention(words, [tmp_path, tmp_path / "none"]) == []
    (tmp_path / "10-other.rules").write_text('ATTRS{idVendor}=="0451"\n')
    (tmp_path / doctor.RULES_NAME).write_text(doctor.udev_rules())
    assert probes.rules_that_mention(words, [tmp_path]) == [tmp_path / doctor.RULES_NAME]


def test_the_udev_rules_are_made_of_valid_lines(tmp_path: Path) -> None:
    import re

    rules = doctor.udev_rules()
    lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
    pair = r'[A-Z]+(\{\w+\})?(==|!=|\+=|=)"[^"]*"'
    assert [line for line in lines if re.fullmatch(rf"{pair}(, {pair})*", line) is None] == []
    assert rules.isascii()
    radio = f"{control.USB_VENDOR_ID:04x}", f"{control.USB_PRODUCT_ID:04x}"
    for usb in ("0451", "bef3", "10c4", "ea70", *radio):
        assert f'=="{usb}"' in rules
    labels, jumps = set(re.findall(r'LABEL="(\w+)"', rules)), set(re.findall(r'GOTO="(\w+)"', rules))
    assert labels == jumps
    assert int(doctor.RULES_NAME.split("-")[0]) < 73  # uaccess is granted by 73-seat-late.rules
    udevadm = shutil.which("udevadm")
    if udevadm is None:
        return
    path = tmp_path / doctor.RULES_NAME
    path.write_text(rules)
    result = subprocess.run([udevadm, "verify", "--no-style", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0 or "Unknown command" in result.stderr, result.stdout + result.stderr


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(list_ports, "comports", list)
    monkeypatch.setattr(doctor, "find_usb_devices", list)
    monkeypatch.setattr(probes, "disk_speed", lambda folder: DiskSpeed(written_bytes=10**9, elapsed_s=1.0))
    yield


def lines(capsys: Capture, *arguments: object, code: int) -> dict[str, dict[str, str]]:
    assert run(["doctor", *map(str, arguments), "--json"]) == code
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    checks = data["checks"]
    assert data["failed"] == sum(check["verdict"] == "fail" for check in checks)
    assert all(check["found"] and check["advice"] for check in checks)
    return {check["name"]: check for check in checks}


@pytest.mark.usefixtures("nothing_connected")
def test_with_nothing_connected_the_doctor_is_quick_and_says_so(tmp_path: Path, capsys: Capture) -> None:
    began = time.monotonic()
    url = "awr1642://auto?host=203.0.113.30&fpga=203.0.113.180"  # addresses for documentation: nobody has them
    found = lines(capsys, "--folder", tmp_path, "-d", url, code=3)
    assert time.monotonic() - began < 15.0
    assert found["radar board"]["verdict"] == "fail"
    assert found["host address"]["verdict"] == "fail"
    assert found["UDP ports"]["verdict"] == found["capture card"]["verdict"] == "unknown"
    assert found["disk speed"]["verdict"] == "ok"
    assert "radar console" not in found


@pytest.mark.usefixtures("nothing_connected")
def test_a_port_that_is_named_but_not_there(tmp_path: Path, capsys: Capture) -> None:
    url = f"awr1642://{tmp_path}/ttyACM0?host=203.0.113.30&fpga=203.0.113.180"
    found = lines(capsys, "--folder", tmp_path, "-d", url, code=3)
    assert "radar board" not in found
    if os.name == "posix":
        assert found["serial permission"]["verdict"] == "fail"
        assert found["radar console"]["verdict"] == "unknown"


def simulated(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, url: str, code: int) -> Any:
    monkeypatch.setattr(probes, "disk_speed", lambda folder: DiskSpeed(written_bytes=10**9, elapsed_s=1.0))
    monkeypatch.setattr(
        probes, "receive_buffer", lambda wanted: BufferGrant(granted_bytes=wanted, forced=False, limit_bytes=wanted)
    )
    return lines(capsys, "--folder", tmp_path, "-d", url, code=code)


def test_the_simulated_board_and_card_get_a_clean_bill(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = simulated(tmp_path, capsys, monkeypatch, "sim://awr1642", 0)
    assert [found[name]["verdict"] for name in ("radar console", "UDP ports", "capture card")] == ["ok"] * 3
    assert "SDK" in found["radar console"]["found"]
    assert "FPGA 2.8" in found["capture card"]["found"]


@pytest.mark.parametrize(
    ("fault", "name", "word"), [("silent-console", "radar console", "SOP"), ("silent-card", "capture card", "SW2.6")]
)
def test_a_dead_wire_is_found(
    fault: str, name: str, word: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "_ATTEMPT_S", 0.2)
    found = simulated(tmp_path, capsys, monkeypatch, f"sim://awr1642?fault={fault}", 3)
    assert [line["name"] for line in found.values() if line["verdict"] == "fail"] == [name]
    assert word in found[name]["advice"]


def test_a_board_that_is_found_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name != "posix":
        pytest.skip("needs a port that is a file")
    console = tmp_path / "ttyACM1"
    console.touch()
    info = ListPortInfo(str(console))
    info.vid, info.pid = XDS110_USB_ID
    info.location, info.serial_number = "1-2:1.0", "R77"
    asked: list[str] = []

    def ask(port: str) -> list[str]:
        asked.append(port)
        return ["mmWave SDK Version : 02.01.00.04"]

    monkeypatch.setattr(list_ports, "comports", lambda: [info])
    monkeypatch.setattr(doctor, "ask_console", ask)
    monkeypatch.setattr(doctor, "ask_card", lambda addresses: "2.8 record")
    monkeypatch.setattr(probes, "disk_speed", lambda folder: DiskSpeed(written_bytes=10**9, elapsed_s=1.0))
    target = Target(console_port=None, addresses=Addresses(), folder=tmp_path, rate=1e6)
    found = {line.name: line for line in doctor.examine(target)}
    assert asked == [str(console)]
    assert "R77" in found["radar board"].found
    expect(found["radar console"], OK, "02.01")
    expect(found["capture card"], OK)
    expect(found["firewall"], OK)


def test_the_rules_come_out_as_they_are_installed(capsys: Capture) -> None:
    assert run(["doctor", "--udev-rule"]) == 0
    assert capsys.readouterr().out == doctor.udev_rules()


def test_other_devices_have_no_doctor(capsys: Capture) -> None:
    for url in ("file://run.h5", "sim://bistatic", "bistatic://usb"):
        assert run(["doctor", "-d", url]) == 2
        told = capsys.readouterr().err
        assert f"not at what '{url}' names" in told
        assert "record -d URL" in told


def test_the_table_has_a_row_for_each_line(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "disk_speed", lambda folder: DiskSpeed(written_bytes=10**9, elapsed_s=1.0))
    run(["doctor", "-d", "sim://awr1642", "--folder", str(tmp_path)])
    out = capsys.readouterr().out
    assert all(word in out for word in ("radar console", "capture card", "disk speed", "free space", "what to do"))
