"""What can be found out about this computer, for `isactrack.drivers.awr1642.doctor`.

Each probe looks at one thing, in a bounded time, and returns what it saw without judging it. What the system does not
tell, or only Linux would, is None.
"""

import contextlib
import os
import shutil
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from isactrack.drivers.awr1642.dca1000 import SO_RCVBUFFORCE

PROC: Final = Path("/proc")
SYSFS: Final = Path("/sys")
RULE_FOLDERS: Final = tuple(map(Path, ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d")))
_MOST_PROCESSES: Final = 100_000
_MOST_LINES: Final = 10_000
_FIRST_BLOCK_BYTES: Final = 1 << 20
_LARGEST_BLOCK_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PortAccess:
    """Whether this user may use a serial port.

    Attributes
    ----------
    allowed
        Whether it may be read and written now.
    group
        Group that owns the port, its number where it has no name.
    user
        Name of this user.
    joined
        Whether the list of groups says that the user is in that group, which counts from the next login on.
    """

    allowed: bool
    group: str
    user: str
    joined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has a file or socket open."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to an address; the most specific one counts, and of equal ones that with the lowest metric."""

    interface: str
    direct: bool
    prefix_bits: int
    metric: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """State of a network interface; None for what it does not tell."""

    interface: str
    carrier: bool | None
    speed_mbps: int | None
    mtu: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferGrant:
    """Receive buffer that a socket of this user gets.

    Attributes
    ----------
    granted_bytes
        What the system granted of what was asked for.
    forced
        Whether it did so beyond its limit, as for root.
    limit_bytes
        The limit ``net.core.rmem_max`` of Linux.
    """

    granted_bytes: int
    forced: bool
    limit_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpeed:
    """A trial of writing."""

    written_bytes: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.written_bytes / max(self.elapsed_s, 1e-9)


# --- serial ports and processes --------------------------------------------------------------------------------------


def port_access(port: str) -> PortAccess | None:
    """Return whether this user may use a port; None where the system has no groups, or no such port."""
    try:
        import grp
        import pwd
    except ImportError:  # Windows
        return None
    try:
        owner = Path(port).stat().st_gid
    except OSError:
        return None
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    try:
        entry = grp.getgrgid(owner)
        group, joined = entry.gr_name, user in entry.gr_mem
    except KeyError:
        group, joined = str(owner), False
    return PortAccess(allowed=os.access(port, os.R_OK | os.W_OK), group=group, user=user, joined=joined)


def holders(path: str, proc: Path = PROC) -> list[Holder]:
    """Return the other processes that have a file open, as far as this user may see; only Linux tells."""
    return _holders({os.path.realpath(path)}, proc)


def udp_holders(port: int, proc: Path = PROC) -> list[Holder]:
    """Return the other processes that have a UDP port open, as far as this user may see; only Linux tells."""
    inodes = set()
    for name in ("udp", "udp6"):
        for words in _table(proc / "net" / name):
            # "sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode", addresses as HEX:PORT.
            if len(words) > 9 and words[1].rpartition(":")[2] == f"{port:04X}":
                inodes.add(f"socket:[{words[9]}]")
    return _holders(inodes, proc) if inodes else []


def is_running(names: Iterable[str], proc: Path = PROC) -> list[str]:
    """Return which of some programs run."""
    wanted = set(names)
    return sorted({_text(folder / "comm") for folder in _processes(proc)} & wanted)


def _holders(targets: set[str], proc: Path) -> list[Holder]:
    return [
        Holder(pid=int(folder.name), name=_text(folder / "comm") or "?")
        for folder in _processes(proc)
        if int(folder.name) != os.getpid() and any(target in targets for target in _open_files(folder))
    ]


def _processes(proc: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        names = [name for name in os.listdir(proc) if name.isdecimal()]  # noqa: PTH208 - names, by the thousand
        yield from (proc / name for name in names[:_MOST_PROCESSES])


def _open_files(process: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):  # another user's, or gone by now
        for link in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(link.readlink())


def rules_that_mention(words: Iterable[str], folders: Iterable[Path] = RULE_FOLDERS) -> list[Path]:
    """Return the udev rules that are installed and hold all of some words."""
    wanted = list(words)
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*.rules")):
            text = _text(path).lower()
            if all(word.lower() in text for word in wanted):
                found.append(path)
    return found


# --- network ---------------------------------------------------------------------------------------------------------


def can_bind(ip: str, port: int) -> OSError | None:
    """Return why a UDP port of this computer cannot be had; None if it can. Port 0 tries the address alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((ip, port))
        except OSError as error:
            return error
    return None


def routes_to(ip: str, proc: Path = PROC) -> list[Route] | None:
    """Return the ways to an address, the one that is taken first; None where the system does not tell."""
    lines = list(_table(proc / "net" / "route"))
    if not lines:
        return None
    target = int(IPv4Address(ip))
    found = []
    for words in lines:
        # "Iface Destination Gateway Flags RefCnt Use Metric Mask ...", addresses in the order of the host's bytes.
        with contextlib.suppress(ValueError, IndexError, struct.error):
            destination, gateway, mask = (_address(words[k]) for k in (1, 2, 7))
            if target & mask == destination:
                found.append(
                    Route(interface=words[0], direct=gateway == 0, prefix_bits=mask.bit_count(), metric=int(words[6]))
                )
    return sorted(found, key=lambda route: (-route.prefix_bits, route.metric))


def link_state(interface: str, sysfs: Path = SYSFS) -> Link:
    """Return the state of a network interface."""
    folder = sysfs / "class" / "net" / interface
    speed_mbps, carrier = _number(folder / "speed"), _number(folder / "carrier")
    return Link(
        interface=interface,
        carrier=None if carrier is None else carrier == 1,
        speed_mbps=speed_mbps if speed_mbps is not None and speed_mbps > 0 else None,  # -1: not known
        mtu=_number(folder / "mtu"),
    )


def neighbour(ip: str, proc: Path = PROC) -> str | None:
    """Return the hardware address that answered for an IP address on the cable; empty if none did, None if unknown."""
    for words in _table(proc / "net" / "arp"):
        # "IP-address HW-type Flags HW-address Mask Device"; flag 2 marks an answer.
        if len(words) > 3 and words[0] == ip:
            with contextlib.suppress(ValueError):
                return words[3] if int(words[2], 16) & 2 else ""
    return None


def receive_buffer(wanted_bytes: int, proc: Path = PROC) -> BufferGrant:
    """Return the receive buffer that a UDP socket of this user gets."""
    limit = _number(proc / "sys" / "net" / "core" / "rmem_max")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        forced = False
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, wanted_bytes)
                forced = True
        trial = wanted_bytes
        while not forced and trial >= 4096:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, trial)
                break
            except OSError:  # macOS refuses what is beyond its limit, and does not cut it
                trial //= 2
        granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return BufferGrant(
        granted_bytes=granted // 2 if sys.platform == "linux" else granted, forced=forced, limit_bytes=limit
    )


def network_backlog(proc: Path = PROC) -> tuple[int | None, int]:
    """Return the length of the kernel's queue of packets, and how many it has dropped since the computer started."""
    dropped = 0
    for words in _table(proc / "net" / "softnet_stat", header=False):
        with contextlib.suppress(ValueError, IndexError):
            dropped += int(words[1], 16)
    return _number(proc / "sys" / "net" / "core" / "netdev_max_backlog"), dropped


# --- processor, disk, programs ---------------------------------------------------------------------------------------


def processor(sysfs: Path = SYSFS) -> tuple[int, str, str]:
    """Return the number of processors, and the governor and driver of their clock; empty where there is none."""
    folder = sysfs / "devices" / "system" / "cpu" / "cpu0" / "cpufreq"
    return os.cpu_count() or 1, _text(folder / "scaling_governor"), _text(folder / "scaling_driver")


def disk_speed(folder: Path, *, most_bytes: int = 256 << 20, limit_s: float = 2.0) -> DiskSpeed:
    """Write what cannot be compressed into a folder, down to the disk, and return how fast it went.

    Blocks grow while there is time, so that a slow disk is not kept busy for much longer than `limit_s`.

    Raises
    ------
    OSError
        If the folder cannot be written, or is full.
    """
    block = os.urandom(_LARGEST_BLOCK_BYTES)
    size, written = _FIRST_BLOCK_BYTES, 0
    with TemporaryFile(dir=folder, prefix=".isactrack-", buffering=0) as file:
        began = time.perf_counter()
        while written < most_bytes and time.perf_counter() - began < limit_s:
            written += file.write(block[: min(size, most_bytes - written)]) or 0
            os.fsync(file.fileno())
            size = min(2 * size, _LARGEST_BLOCK_BYTES)
        elapsed_s = time.perf_counter() - began
    return DiskSpeed(written_bytes=written, elapsed_s=elapsed_s)


def free_bytes(folder: Path) -> int:
    """Return the free space where a folder is.

    Raises
    ------
    OSError
        If there is no such folder.
    """
    return shutil.disk_usage(folder).free


def programs() -> dict[str, str]:
    """Return the versions of what matters, empty for what is not installed."""
    versions = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for name, package in (
        ("isactrack", "isactrack"), ("numpy", "numpy"), ("h5py", "h5py"), ("hdf5plugin", "hdf5plugin"),
        ("pyserial", "pyserial"), ("Qt", "PySide6-Essentials"),
    ):  # fmt: skip
        try:
            versions[name] = version(package)
        except PackageNotFoundError:
            versions[name] = ""
    with contextlib.suppress(ImportError):
        import h5py

        versions["HDF5"] = h5py.version.hdf5_version
    return versions


# --- files of the kernel ---------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20).strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _table(path: Path, *, header: bool = True) -> Iterator[list[str]]:
    for line in _text(path).splitlines()[int(header) : _MOST_LINES]:
        yield line.split()


def _address(text: str) -> int:
    """Return an address of ``/proc/net/route`` as the number whose highest byte comes first."""
    return int.from_bytes(struct.pack("=I", int(text, 16)), "big")
