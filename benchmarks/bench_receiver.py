"""Packets lost and time a packet of the receiver, beside a plain `recv_into` loop and xwr's receiver.

``python benchmarks/bench_receiver.py --xwr-python /path/to/venv/bin/python`` sends packets as the DCA1000 does (1466
bytes, one at a time) over loopback, at the card's default rate, at its highest, and beyond it, to one receiver after
the other. Sender and receiver are processes of their own; the sender keeps its pace by waiting busily and catches up
after a pause. All receivers have the same socket buffer and frame size, and their CPU time (user and system) is that of
the whole process from when it is ready until the last packet has been taken. xwr is no dependency of this project:
``pip install xwr`` into an environment of its own.

Receivers:

recv_into
    A loop that calls `recv_into` and looks at nothing; no frames.
recvmmsg
    The least that a batched reader does: the driver's own call, and its pauses, in a process that looks at nothing.
isactrack
    From the socket to frames with their masks, which are dropped. The column "reading" is the share of the process that
    empties the socket, its start included; the rest is the thread that makes the frames, and the loop that takes them.
isactrack+hdf5
    The same, and the frames into a recording.
xwr
    `DCA1000EVM.stream` of xwr, with its C extension if it has one: from the socket to frames, which are dropped.

``--with-viewer`` sends a simulated scene at one rate to a whole program instead: session, recording, pipeline with
tracker, and the viewer, off screen, at its own pace; in one run with every view open, none behind another, while
the window is resized without a pause. "skipped" is what was tracked but not painted, "p50/p99" the time from the last
packet of a frame to its paint as the viewer measures it. Other runs hold the interpreter for 300 ms in each second, as
a long call into an extension does, and collect garbage; with the receive buffer of an ordinary user; and with a thread
in place of the process. ``--only "all views"`` runs those whose name holds that text.
"""

import argparse
import contextlib
import json
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PAYLOAD = 1456
RATES = (27_900, 60_600, 100_000)
LIVE_RATE_HZ = 60_600
SCENE_FRAMES = 64
BURST_S = 0.5e-3
FRAME_SHAPE = (192, 1, 4, 256)  # loops, tx, rx, samples: 768 KiB, the most that the radar's memory holds
FRAME_BYTES = 192 * 4 * 256 * 4
BUFFER_BYTES = 64 << 20
SILENCE_S = 1.0
SO_RCVBUFFORCE = 33
HOST, CARD = "127.0.0.1", "127.0.0.2"


@dataclass(frozen=True, slots=True)
class Run:
    """One receiver at one rate."""

    receiver: str
    sent_bytes: int
    sent_s: float
    received_bytes: int
    cpu_s: float
    reading_cpu_s: float = 0.0

    @property
    def sent(self) -> int:
        """Packets."""
        return -(-self.sent_bytes // PAYLOAD)

    @property
    def lost(self) -> int:
        """Packets; what xwr loses at the very end of a run counts as its whole last frame."""
        return -(-(self.sent_bytes - self.received_bytes) // PAYLOAD)

    @property
    def rate_hz(self) -> float:
        """Packets a second that the sender reached."""
        return self.sent / self.sent_s

    @property
    def us_per_packet(self) -> float:
        """CPU time of the receiver for each packet that it got, microseconds."""
        return 1e6 * self.cpu_s / max(self.sent - self.lost, 1)

    @property
    def reading_us_per_packet(self) -> float:
        """The part of it that a process of the receiver's own spends on emptying the socket, microseconds."""
        return 1e6 * self.reading_cpu_s / max(self.sent - self.lost, 1)

    @property
    def core_share(self) -> float:
        """CPU time of the receiver over the time of sending."""
        return self.cpu_s / self.sent_s


# --- in the sender's process -----------------------------------------------------------------------------------------


def send(
    port: int, rate_hz: float, seconds: float, content: Path | None = None, burst_s: float = 0.0
) -> dict[str, float]:
    """Send packets at a steady pace, over and over what the file holds, and say how many and how long it took.

    With bursts the sender sleeps for so long (s), then sends what is due: it leaves its core to others, as a card does.
    """
    scene = b"" if content is None else content.read_bytes()
    scene += scene[:PAYLOAD]
    size = int(rate_hz * seconds * PAYLOAD) // FRAME_BYTES * FRAME_BYTES
    packet = bytearray(10) + bytes(1 + k % 255 for k in range(PAYLOAD))
    pack, clock, step = struct.Struct("<IIH").pack_into, time.perf_counter, 1.0 / rate_hz
    target = (HOST, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((CARD, 0))
        began = clock()
        for number, position in enumerate(range(0, size, PAYLOAD)):
            pack(packet, 0, number + 1 & 0xFFFFFFFF, position & 0xFFFFFFFF, position >> 32)
            if scene:
                at = position % (len(scene) - PAYLOAD)
                packet[10:] = scene[at : at + PAYLOAD]
            due = began + number * step
            if burst_s and clock() < due:
                time.sleep(burst_s)
            while clock() < due:
                pass
            sock.sendto(packet[: 10 + size - position] if size - position < PAYLOAD else packet, target)
        return {"sent_bytes": size, "sent_s": clock() - began}


# --- in the receiver's process ---------------------------------------------------------------------------------------


def ready() -> float:
    """Tell the parent that packets may come; return the CPU time so far, seconds."""
    print("ready", flush=True)
    return cpu_s()


def cpu_s(who: int = resource.RUSAGE_SELF) -> float:
    """Return user and system time of this process, or of its children that have ended, seconds."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def enlarge(sock: socket.socket) -> None:
    """Give a socket the buffer that the others have."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)


def receive_plain(port: int, _: Path) -> dict[str, Any]:
    """Take datagrams one by one and count their bytes."""
    buffer = bytearray(2048)
    total = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        enlarge(sock)
        sock.bind((HOST, port))
        began = ready()
        total += sock.recv_into(buffer) - 10
        # Python's own timeout would cost a poll before each call.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(SILENCE_S), 0))
        take = sock.recv_into
        with contextlib.suppress(BlockingIOError):
            while True:
                total += take(buffer) - 10
    return {"received_bytes": total, "cpu_s": cpu_s() - began}


def receive_ours(port: int, folder: Path, *, record: bool = False) -> dict[str, Any]:
    """Take frames from the driver's receiver, and write them to a recording or drop them."""
    from dataclasses import replace

    from isactrack.drivers.awr1642.dca1000 import Addresses
    from isactrack.drivers.awr1642.profile import default_profile, parse_profile
    from isactrack.drivers.awr1642.receiver import Receiver
    from isactrack.recordings import RecordingHeader, RecordingWriter
    from isactrack.source import Source

    loops, _, _, samples = FRAME_SHAPE
    sensor = replace(parse_profile(default_profile()), loops_per_frame=loops, samples_per_chirp=samples)
    assert sensor.frame_bytes == FRAME_BYTES
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="bench", device_model="AWR1642"
    )
    writer = RecordingWriter(folder / "bench.h5", header) if record else None
    receiver = Receiver(Addresses(host_ip=HOST, fpga_ip=CARD, data_port=port), sensor)
    began = ready()
    while receiver.position == 0 or time.monotonic() - receiver.heard_s < SILENCE_S:
        frame = receiver.take(0.5)
        if frame is not None and writer is not None:
            writer.append(frame)
    receiver.close()
    while (frame := receiver.take(0.0)) is not None:
        if writer is not None:
            writer.append(frame)
    if writer is not None:
        writer.close()
    stats = receiver.stats
    received = (stats.frames + stats.missing_frames) * FRAME_BYTES - stats.lost_bytes
    reading_s = cpu_s(resource.RUSAGE_CHILDREN)
    return {"received_bytes": received, "cpu_s": cpu_s() - began + reading_s, "reading_cpu_s": reading_s}


def receive_batches(port: int, _: Path) -> dict[str, Any]:
    """Take datagrams in batches as the driver's reading process does, and count their bytes."""
    from isactrack.drivers.awr1642.receiver import MmsgReader, coalescing_pause_s

    total, last_s = 0, time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        enlarge(sock)
        sock.bind((HOST, port))
        reader, pause_s = MmsgReader(sock), coalescing_pause_s(sock)
        began = ready()
        while total == 0 or time.monotonic() - last_s < SILENCE_S:
            if count := reader.read():
                total += int(reader.lengths[:count].sum()) - 10 * count
                last_s = time.monotonic()
                time.sleep(pause_s)
    return {"received_bytes": total, "cpu_s": cpu_s() - began}


def receive_live(port: int, folder: Path, case: str) -> dict[str, Any]:
    """Run a whole program on what comes."""
    import live_session

    from isactrack.drivers.awr1642.dca1000 import Addresses

    addresses = Addresses(host_ip=HOST, fpga_ip=CARD, data_port=port)
    sensor = live_session.bench_sensor(FRAME_SHAPE)
    return live_session.run_live(
        live_session.Case(**json.loads(case)), addresses, sensor, folder / "bench.h5", ready, SILENCE_S
    )


def receive_recording(port: int, folder: Path) -> dict[str, Any]:
    """Take frames from the driver's receiver and write them to a recording."""
    return receive_ours(port, folder, record=True)


def receive_xwr(port: int, _: Path) -> dict[str, Any]:
    """Take frames from xwr's receiver and drop them."""
    from xwr.capture import DCA1000EVM  # type: ignore[import-not-found]

    card = DCA1000EVM(HOST, CARD, data_port=port, config_port=0, socket_buffer=BUFFER_BYTES)
    card.timeout = 3.0  # its stream ends when nothing has come for so long
    enlarge(card.data_socket)
    lost: list[int] = []
    card._warn_dropped = lost.append  # noqa: SLF001 - how much is missing in a frame it only logs
    loops, tx, rx, samples = FRAME_SHAPE
    received = 0
    began = ready()
    for frame in card.stream([loops, tx, rx, 2 * samples]):
        received += len(frame.data)
    return {"received_bytes": received - sum(lost), "cpu_s": cpu_s() - began}


RECEIVERS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "recv_into": receive_plain,
    "recvmmsg": receive_batches,
    "isactrack": receive_ours,
    "isactrack+hdf5": receive_recording,
    "xwr": receive_xwr,
}


# --- in the parent process -------------------------------------------------------------------------------------------


def run_pair(
    receiver: list[str], sender: list[str], python: str, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a receiver and then a sender for it; return what they say."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        port = str(free.getsockname()[1])
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [python, __file__, *receiver, "--port", port, "--folder", scratch]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"the receiver {' '.join(receiver)} does not start")
            command = [sys.executable, __file__, *sender, "--port", port]
            sent = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
            return sent, json.loads(process.stdout.read())


def measure(receiver: str, python: str, rate_hz: float, seconds: float, folder: Path) -> Run:
    """Run one receiver and a sender for it."""
    sender = ["--send", str(rate_hz), "--seconds", str(seconds)]
    sent, received = run_pair(["--receiver", receiver], sender, python, folder)
    return Run(receiver=receiver, **sent, **received)


def measure_live(rate_hz: float, seconds: float, folder: Path, only: str) -> None:
    """Run whole programs, and print what they lost."""
    import live_session

    head = (
        "program",
        "packets/s",
        "sent",
        "lost",
        "overruns",
        "recorded",
        "tracked",
        "paints/s",
        "pictures/s",
        "skipped",
        "p50/p99 ms",
    )
    print("{:42} {:>10} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10} {:>8} {:>11}".format(*head))
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        scene = Path(scratch) / "scene.bin"
        live_session.write_scene(scene, live_session.bench_sensor(FRAME_SHAPE), SCENE_FRAMES)
        sender = ["--send", str(rate_hz), "--seconds", str(seconds), "--content", str(scene)]
        sender += ["--burst", str(BURST_S)]
        for case in (one for one in live_session.CASES if only in one.name):
            sent, got = run_pair(["--live", json.dumps(asdict(case))], sender, sys.executable, folder)
            packets, seconds_live = -(-sent["sent_bytes"] // PAYLOAD), sent["sent_s"]
            lost = -(-(sent["sent_bytes"] - got["received_bytes"]) // PAYLOAD)
            print(
                f"{case.name:42} {packets / seconds_live:10.0f} {packets:9} {lost:8} {got['overruns']:9} "
                f"{got['recorded']:9} {got['recorded'] - got['skipped']:9} {got['paints'] / got['elapsed_s']:9.1f} "
                f"{got['pictures'] / got['elapsed_s']:10.1f} {got['display_skipped']:8} "
                f"{got['latency_p50_ms']:5.0f}/{got['latency_p99_ms']:.0f}",
                flush=True,
            )


def print_table(runs: list[Run]) -> None:
    """Print the runs at one rate; ratios are those of the CPU time a packet."""
    by_name = {run.receiver: run for run in runs}
    for run in runs:
        ratios = [
            f"{run.us_per_packet / by_name[name].us_per_packet:12.2f}" if name in by_name else f"{'-':>12}"
            for name in ("recv_into", "xwr")
        ]
        print(
            f"{run.receiver:15} {run.rate_hz:10.0f} {run.sent:10} {run.lost:8} {run.us_per_packet:10.2f} "
            f"{run.reading_us_per_packet:10.2f} {100 * run.core_share:8.1f} % {' '.join(ratios)}",
            flush=True,
        )


def main() -> None:
    """Measure and print, or be one of the processes that this takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each run")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="packets a second")
    parser.add_argument("--receivers", nargs="+", choices=RECEIVERS, default=list(RECEIVERS))
    parser.add_argument("--xwr-python", help="interpreter that has xwr; without it xwr is left out")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the recordings go")
    parser.add_argument(
        "--with-viewer",
        action="store_true",
        help="measure a whole program, at 60,600 packets/s or the first of the rates",
    )
    parser.add_argument("--only", default="", help="of --with-viewer, the programs whose name holds this text")
    parser.add_argument("--live", help=argparse.SUPPRESS)
    parser.add_argument("--content", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--receiver", choices=RECEIVERS, help=argparse.SUPPRESS)
    parser.add_argument("--send", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--burst", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.send is not None:
        print(json.dumps(send(args.port, args.send, args.seconds, args.content, args.burst)))
        return
    if args.live is not None:
        print(json.dumps(receive_live(args.port, args.folder, args.live)))
        return
    if args.receiver is not None:
        print(json.dumps(RECEIVERS[args.receiver](args.port, args.folder)))
        return
    if args.with_viewer:
        measure_live(args.rates[0] if args.rates != RATES else LIVE_RATE_HZ, args.seconds, args.folder, args.only)
        return
    pythons = dict.fromkeys(args.receivers, sys.executable) | {"xwr": args.xwr_python}
    head = ("receiver", "packets/s", "sent", "lost", "us/packet", "reading", "of a core", "to recv_into", "to xwr")
    print("{:15} {:>10} {:>10} {:>8} {:>10} {:>10} {:>10} {:>12} {:>12}".format(*head))
    for rate_hz in args.rates:
        print_table(
            [
                measure(name, pythons[name], rate_hz, args.seconds, args.folder)
                for name in args.receivers
                if pythons[name]
            ]
        )


if __name__ == "__main__":
    main()
