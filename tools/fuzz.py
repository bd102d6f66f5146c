"""Feed mutated input to every parser: only the errors of isactrack may come out, and each within a second.

    python tools/fuzz.py                      # the nightly run: 100,000 cases a target
    python tools/fuzz.py --cases 500
    python tools/fuzz.py --targets tlv --replay tlv-0-17.bin

Every case follows from the seed, the target and its number. A case that breaks the promise is written to --folder, from
where --replay runs it again. Mutated recordings, which HDF5 parses in C, are the matter of tools/fuzz_recordings.py.
"""

import argparse
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from isactrack.errors import IsacError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from isactrack.fmcw import FmcwSensor
    from isactrack.truth import Truth

LIMIT_S = 1.0
"""Longest time that one case may take."""
HANG_S = 10.0
"""Time after which a case is interrupted."""
MOST_CONSOLE_S = 120.0
"""Longest time that a session on the console may wait, on its own clock."""
CHUNK = 500

Run = Callable[[bytes], None]
TOKENS = (
    b"nan", b"inf", b"-1", b"0", b"1e400", b"99999999999999999999", b"0x7fffffff", b"\x00", b"\xff" * 4, b"%", b"\n",
    b"\r\n", b" ", b"=", b"[", b"]]", b'"""', b"'", b"mmwDemo:/>", b"Error -1", b"Done",
    bytes.fromhex("0201040306050807"),
    b"\x5a\xa5", b"\xaa\xee", b"profileCfg", b"\xe2\x82\xac", b"?", b"&", b"%00", b"1_000",
)  # fmt: skip


@dataclass
class Tally:
    """What came of the cases of a target."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take another tally into this one."""
        self.cases += other.cases
        self.accepted += other.accepted
        self.refused += other.refused
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.faults += other.faults


class HangError(Exception):
    """A case took longer than `HANG_S`."""


# --- mutation --------------------------------------------------------------------------------------------------------


def mutate(rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    """Return one of the seeds with one to eight random changes."""
    data = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(int(rng.integers(1, 9))):
        _CHANGES[rng.integers(len(_CHANGES))](rng, data, seeds)
    return bytes(data)


def _span(rng: np.random.Generator, data: bytes | bytearray, most: int = 64) -> slice:
    start = int(rng.integers(len(data) + 1))
    return slice(start, start + int(rng.integers(1, most)))


def _flip(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    if data:
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def _replace(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    span = _span(rng, data, 8)
    data[span] = rng.bytes(len(data[span]))


def _insert(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = rng.bytes(int(rng.integers(1, 16)))


def _token(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at : at + int(rng.integers(0, 4))] = TOKENS[rng.integers(len(TOKENS))]


def _delete(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    del data[_span(rng, data)]


def _double(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = bytes(data[_span(rng, data)]) * int(rng.integers(1, 4))


def _cut(rng: np.random.Generator, data: bytearray, _: list[bytes]) -> None:
    del data[int(rng.integers(len(data) + 1)) :]


def _splice(rng: np.random.Generator, data: bytearray, seeds: list[bytes]) -> None:
    other = seeds[rng.integers(len(seeds))]
    data[int(rng.integers(len(data) + 1)) :] = other[int(rng.integers(len(other) + 1)) :]


_CHANGES = (_flip, _flip, _replace, _insert, _token, _token, _delete, _double, _cut, _splice)


# --- targets: bytes in, nothing or an IsacError out ------------------------------------------------------------------


def run_profile(data: bytes) -> None:
    """Parse and check a profile, and turn it into the commands of every SDK."""
    from isactrack.drivers.awr1642.dialect import Dialect
    from isactrack.drivers.awr1642.profile import check_profile, commands_for, frames_in_profile, parse_profile

    text = data.decode("utf-8", "replace")
    for check in check_profile(text):
        if not check.detail:
            raise ValueError(f"the check {check.name} says nothing")
    for dialect in Dialect:
        try:
            commands_for(text, dialect)
        except IsacError:
            continue
    parse_profile(text)
    frames_in_profile(text)


def run_url(data: bytes) -> None:
    """Take a device URL apart."""
    from isactrack.drivers.url import DeviceUrl, parse_pose, parse_speed

    url = DeviceUrl.parse(data.decode("utf-8", "replace"))
    options = url.take(scene="crossing", seed=0, speed=None, loss=0.0, pose=None)
    parse_speed(url.text, options["speed"] if isinstance(options["speed"], str) else None)
    parse_pose(url.text, options["pose"])


def run_control(data: bytes) -> None:
    """Decode messages of the card's control port, and hand them to the emulated FPGA."""
    from isactrack.drivers.awr1642.dca1000 import Response, StatusFlag, describe_event
    from isactrack.drivers.simulated.dca1000 import Dca1000Fpga

    for reply in Dca1000Fpga().handle(data):
        Response.decode(reply)
    response = Response.decode(data)
    describe_event(StatusFlag(response.status))


def run_packets(data: bytes) -> None:
    """Assemble frames of datagrams, each behind its length, one by one and together."""
    from isactrack.drivers.awr1642.assembler import FrameAssembler

    datagrams = list(_datagrams(data))
    one, together = FrameAssembler(4096, 0.1), FrameAssembler(4096, 0.1)
    frames = [frame for datagram in datagrams for frame in one.push(datagram, 0, 0)] + one.flush()
    rows = np.zeros((len(datagrams), 1472), np.uint8)
    for row, datagram in zip(rows, datagrams, strict=True):
        row[: len(datagram)] = np.frombuffer(datagram, np.uint8)
    lengths = np.array([len(datagram) for datagram in datagrams], np.uint32)
    batch = together.push_batch(rows, lengths, 0, 0) + together.flush()
    for a, b in zip(frames, batch, strict=True):
        if a.counter != b.counter or not np.array_equal(a.samples, b.samples) or not np.array_equal(a.valid, b.valid):
            raise ValueError(f"frame {a.counter} depends on how its packets were read")
        if np.any(a.samples.reshape(-1, 4)[~a.valid]):
            raise ValueError(f"frame {a.counter} has samples that never came")


def _datagrams(data: bytes) -> Iterator[bytes]:
    while len(data) >= 2:
        size = min(int.from_bytes(data[:2], "little") % 1473, len(data) - 2)
        yield data[2 : 2 + size]
        data = data[2 + size :]


def run_tlv(data: bytes) -> None:
    """Parse a stream of the data port that arrives in pieces."""
    from isactrack.drivers.awr1642.tlv import TlvStream

    stream = TlvStream()
    step = 1 + sum(data[:8]) % 700
    for start in range(0, len(data), step):
        stream.feed(data[start : start + step])


def run_console(data: bytes) -> None:
    """Hold a session on a console on which the bytes come back, a part of them after each command."""
    from isactrack.drivers.awr1642.console import Console
    from isactrack.drivers.awr1642.dialect import detect_dialect

    port = _Port(data)
    with patch("serial.serial_for_url", lambda *args, **kwargs: port):
        console = Console("/dev/fuzz", clock=lambda: port.now_s)
    try:
        console.synchronise()
        detect_dialect(console.command("version"))
        for line in ("sensorStop", "flushCfg", "channelCfg 15 1 0", "sensorStop"):
            console.command(line)
        console.listen()
    finally:
        console.close()
        if port.now_s > MOST_CONSOLE_S:
            raise ValueError(f"the console waited for {port.now_s:.0f} s")


class _Port:
    """A serial port that answers every line with the next part of what it has to say; silence takes simulated time."""

    def __init__(self, data: bytes) -> None:
        self._parts = data.split(b"\x1e")  # the record separator stands between replies
        self._incoming = b""
        self.now_s = 0.0

    @property
    def in_waiting(self) -> int:
        return len(self._incoming)

    def read(self, count: int) -> bytes:
        data, self._incoming = self._incoming[:count], self._incoming[count:]
        self.now_s += 1e-4 if data else 0.02
        return data

    def write(self, data: bytes) -> int:
        if self._parts:
            self._incoming += self._parts.pop(0)
        return len(data)

    def close(self) -> None:
        """Do nothing."""


def run_session_file(data: bytes) -> None:
    """Parse a session file."""
    from isactrack.acquisition.plan import parse_plan

    parse_plan(data.decode("utf-8", "replace"), Path())


def run_manifest(data: bytes) -> None:
    """Read the manifest of a recording of several files."""
    from isactrack.recordings.manifest import MANIFEST, read_manifest

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST).write_bytes(data)
        read_manifest(Path(folder))


def run_tracks(data: bytes) -> None:
    """Read a table of tracks."""
    from isactrack.recordings import read_tracks_csv

    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "tracks.csv").write_bytes(data)
        read_tracks_csv(path)


def seeds_console() -> list[bytes]:
    """Return what the demo of each SDK says to the lines of `run_console`."""
    from isactrack.drivers.awr1642.dialect import Dialect
    from isactrack.drivers.simulated.firmware import MmwDemoFirmware

    talks = []
    for dialect in Dialect:
        firmware = MmwDemoFirmware(dialect=dialect)
        lines = ("", "version", "sensorStop", "flushCfg", "channelCfg 15 1 0", "sensorStop")
        talks.append(b"\x1e".join(firmware.receive(line.encode() + b"\n") for line in lines))
    banner = MmwDemoFirmware().reset()
    return [*talks, talks[0] + banner, talks[1] + b"\n\rMSS Exception: mss_main.c, line 2413.\n\r"]


def seeds_session_file() -> list[bytes]:
    """Return the example of a session file, and one in which nothing is commented out."""
    from isactrack.acquisition.plan import EXAMPLE

    lines = (
        line.removeprefix("# ") if " = " in line and line[2:3].islower() else line for line in EXAMPLE.splitlines()
    )
    full = (
        "\n".join(lines)
        .replace("max_range_m", "[chain]\nmax_range_m")
        .replace("confirm_hits", "[tracker]\nconfirm_hits")
    )
    return [EXAMPLE.encode(), full.encode()]


def seeds_manifest() -> list[bytes]:
    """Return the manifest of a recording of two segments."""
    from isactrack.recordings.manifest import MANIFEST, Manifest, Segment, Stream, write_manifest

    segments = tuple(Segment(file=f"radar/{k:06}.h5", uuid="u", closed=True, frames=k, first_counter=0) for k in (1, 2))
    stream = Stream(
        name="radar",
        device_model="AWR1642",
        source="simulated",
        origin="simulated",
        closed=True,
        clock={"offset_s": 1.5},
        segments=segments,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder), Manifest(name="walk", streams=(stream,), facts={"skew_s": 0.1}))
        return [(Path(folder) / MANIFEST).read_bytes()]


def seeds_tracks() -> list[bytes]:
    """Return a table of tracks."""
    from isactrack.recordings import write_tracks_csv
    from isactrack.tracks import Track, TrackStatus

    track = Track(1, TrackStatus.CONFIRMED, 0.1, np.arange(4.0), np.eye(4), 3)
    with tempfile.TemporaryDirectory() as folder:
        write_tracks_csv(path := Path(folder) / "tracks.csv", [[track], [replace(track, time_s=0.2)]])
        return [path.read_bytes()]


def seeds_tlv() -> list[bytes]:
    """Return streams of the data port of every SDK, with every TLV, and with garbage between the packets."""
    from isactrack.drivers.awr1642.tlv import GuiMonitor
    from isactrack.drivers.simulated.tlv import demo_packet

    sensor, truth, cube = _small_frame()
    monitor = GuiMonitor(points=1, range_profile=True, noise_profile=True, azimuth_heatmap=True, stats=True)
    streams = []
    for version in ((1, 2, 0, 5), (2, 0, 0, 4), (3, 5, 0, 4)):
        packets = [demo_packet(version, number, cube, truth, monitor, sensor) for number in (1, 2, 3)]
        streams.append(b"\xff".join(packets))
    return streams


def _small_frame() -> "tuple[FmcwSensor, Truth, NDArray[np.complex64]]":
    from isactrack.drivers.awr1642.profile import default_profile, parse_profile
    from isactrack.truth import Truth

    sensor = replace(parse_profile(default_profile()), samples_per_chirp=64, loops_per_frame=4)
    place = np.array([[1.0, 3.0]])
    truth = Truth(time_s=0.05, target_id=np.array([1]), position_m=place, velocity_mps=np.zeros_like(place))
    noise = np.random.default_rng(0).normal(0.0, 100.0, (*sensor.cube_shape, 2)).astype(np.float32)
    return sensor, truth, noise.view(np.complex64)[..., 0]


def seeds_profile() -> list[bytes]:
    """Return the default profile in both forms, for every SDK."""
    from isactrack.drivers.awr1642.dialect import Dialect
    from isactrack.drivers.awr1642.profile import commands_for, default_profile

    text = default_profile()
    rendered = ["\n".join(command.text for command in commands_for(text, dialect)) for dialect in Dialect]
    return [text.encode(), *(one.encode() for one in rendered)]


def seeds_url() -> list[bytes]:
    """Return URLs of every kind."""
    return [
        b"sim://awr1642?scene=crossing&seed=3&speed=max&loss=0.01&pose=1,2,90", b"awr1642:///dev/ttyACM0?host=192.168.33.30",
        b"file://C:/run%201.h5?speed=2&pose=0,0,0", b"spy+awr1642://auto",
    ]  # fmt: skip


def seeds_control() -> list[bytes]:
    """Return requests and replies of the card."""
    from isactrack.drivers.awr1642.dca1000 import Command, Request, Response, fpga_config, packet_config

    payloads = {Command.CONFIG_FPGA_GEN: fpga_config(), Command.CONFIG_PACKET_DATA: packet_config()}
    requests = [Request(command, payloads.get(command, b"")).encode() for command in Command]
    replies = [Response(Command.SYSTEM_ERROR, 0x280), Response(Command.READ_FPGA_VERSION, 0x402)]
    return [*requests, *(reply.encode() for reply in replies)]


def seeds_packets() -> list[bytes]:
    """Return a stream of a few frames in packets of several sizes."""
    from isactrack.drivers.awr1642.dca1000 import encode_data_packet

    streams = []
    for size in (1456, 496, 4096 - 8, 48):
        size = min(size, 1456)
        payload = np.random.default_rng(size).bytes(20 * size)
        packets = [encode_data_packet(k + 1, k * size, payload[k * size : (k + 1) * size]) for k in range(20)]
        streams.append(b"".join(len(packet).to_bytes(2, "little") + packet for packet in packets))
    return streams


@dataclass(frozen=True)
class Target:
    """A parser, and well-formed input to begin with."""

    run: Run
    seeds: Callable[[], list[bytes]]


TARGETS = {
    "profile": Target(run_profile, seeds_profile),
    "url": Target(run_url, seeds_url),
    "control": Target(run_control, seeds_control),
    "packets": Target(run_packets, seeds_packets),
    "tlv": Target(run_tlv, seeds_tlv),
    "console": Target(run_console, seeds_console),
    "session": Target(run_session_file, seeds_session_file),
    "manifest": Target(run_manifest, seeds_manifest),
    "tracks": Target(run_tracks, seeds_tracks),
}


# --- running ---------------------------------------------------------------------------------------------------------


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise HangError in the block once it has run for so long."""

    def hang(_signal: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


def run_case(target: str, data: bytes, tally: Tally, name: str) -> None:
    """Run one case and count what comes of it."""
    began = time.perf_counter()
    fault = ""
    try:
        with interrupted_after(HANG_S):
            TARGETS[target].run(data)
        tally.accepted += 1
    except IsacError:
        tally.refused += 1
    except Exception as error:  # noqa: BLE001 - which ones come is the question
        fault = f"{type(error).__name__}: {error}"
    took_s = time.perf_counter() - began
    tally.cases += 1
    tally.slowest_s = max(tally.slowest_s, took_s)
    if took_s > LIMIT_S and not fault:
        fault = f"took {took_s:.1f} s"
    if fault:
        tally.faults.append(f"{name}: {fault}")


def run_chunk(target: str, seed: int, first: int, count: int, folder: str) -> Tally:
    """Run some cases of a target; keep those that break the promise."""
    logging.disable()  # what the parsers say of each damage
    tally, seeds = Tally(), TARGETS[target].seeds()
    for number in range(first, first + count):
        data = mutate(np.random.default_rng([seed, number]), seeds)
        before = len(tally.faults)
        name = f"{target}-{seed}-{number}.bin"
        run_case(target, data, tally, name)
        if len(tally.faults) > before:
            (Path(folder) / name).write_bytes(data)
    return tally


def run_target(target: str, cases: int, seed: int, workers: int, folder: Path) -> Tally:
    """Run all cases of a target in worker processes."""
    total = Tally()
    with ProcessPoolExecutor(workers) as pool:
        chunks = [
            pool.submit(run_chunk, target, seed, first, min(CHUNK, cases - first), str(folder))
            for first in range(0, cases, CHUNK)
        ]
        for chunk in chunks:
            total.add(chunk.result())
    return total


def main() -> int:
    """Run the targets and print what came of them; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="cases of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where bad cases go")
    parser.add_argument("--replay", type=Path, help="run this one case on the one target that is named")
    args = parser.parse_args()
    if args.replay is not None:
        TARGETS[args.targets[0]].run(args.replay.read_bytes())
        return 0
    print(f"{'target':12} {'cases':>8} {'accepted':>9} {'refused':>8} {'faults':>7} {'slowest':>10}")
    broken = 0
    for target in args.targets:
        tally = run_target(target, args.cases, args.seed, args.workers, args.folder)
        broken += len(tally.faults)
        print(
            f"{target:12} {tally.cases:8} {tally.accepted:9} {tally.refused:8} {len(tally.faults):7} "
            f"{1e3 * tally.slowest_s:7.1f} ms",
            flush=True,
        )
        for fault in tally.faults[:20]:
            print(f"    {fault}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
