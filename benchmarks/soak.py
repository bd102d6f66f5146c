r"""Resident memory of a long session: simulated device, recorder, chain and tracker, as `isactrack` runs them.

    python benchmarks/soak.py --minutes 60
    python benchmarks/soak.py --minutes 10 --device "sim://awr1642?scene=noise&speed=4" --folder /data
    python benchmarks/soak.py --minutes 10 -- \
        python benchmarks/bench_receiver.py --receivers isactrack+hdf5 --rates 60600 --seconds 600

The last form watches any command, here full rate into a file. The session runs in a process of its own. Every --period
seconds the memory of that process and of all its children is read from /proc. The first tenth of the time, and at least
a minute, counts as warming up; from then on the table says how far the memory strays from its median, and where a line
through all readings goes. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WARM_UP_SHARE = 0.1
LEAST_WARM_UP_S = 60.0


def run_session(url: str, minutes: float, path: Path) -> None:
    """Record and track, and print what was counted."""
    from isactrack.acquisition.pipeline import Pipeline
    from isactrack.acquisition.session import Session
    from isactrack.drivers.registry import open_device
    from isactrack.recordings import RecordingHeader, RecordingWriter

    device = open_device(url)
    sensor = device.configure()
    header = RecordingHeader(
        sensor=sensor,
        source=device.info.source,
        origin=device.info.origin,
        device_url=device.info.url,
        device_model=device.info.model,
        profile_text=device.profile_text,
    )
    with Session(
        device, recorder=RecordingWriter(path, header), pipeline=Pipeline(sensor), duration_s=60.0 * minutes
    ) as session:
        snapshots = session.subscribe()
        session.start()
        snapshot_count = 0
        while not session.wait(0.05):
            snapshot_count += len(snapshots.drain())
        health = session.health()
    print(
        json.dumps(
            {
                "frames": health.frames,
                "missing frames": health.missing_frames,
                "incomplete frames": health.incomplete_frames,
                "lost bytes": health.lost_bytes,
                "recorded frames": health.recorded_frames,
                "frames the pipeline skipped": health.pipeline_skipped,
                "snapshots seen": snapshot_count,
            }
        )
    )


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants, 0 if it is gone."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text(encoding="ascii")
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
    return total


def watch(process: "subprocess.Popen[str]", period_s: float) -> tuple[list[float], list[int]]:
    """Read the memory of a process until it ends; return times (s) and resident bytes."""
    began, times, sizes = time.monotonic(), [], []
    while process.poll() is None:
        time.sleep(period_s)
        size = resident_bytes(process.pid)
        if size and process.poll() is None:
            times.append(time.monotonic() - began)
            sizes.append(size)
            print(f"{times[-1]:8.0f} s {size / 2**20:9.1f} MiB", flush=True)
    return times, sizes


def summary(times: list[float], sizes: list[int], minutes: float) -> dict[str, float]:
    """Return the spread of the memory once the session is warm."""
    time_s, mib = np.array(times), np.array(sizes) / 2**20
    warm = (time_s > max(WARM_UP_SHARE * 60.0 * minutes, LEAST_WARM_UP_S)) & (time_s < 60.0 * minutes)
    if np.count_nonzero(warm) < 2:
        raise SystemExit("too short to say anything: the session was still warming up")
    time_s, mib = time_s[warm], mib[warm]
    median = float(np.median(mib))
    slope, _ = np.polyfit(time_s, mib, 1)
    return {
        "median MiB": median,
        "lowest, % of median": 100.0 * (float(mib.min()) / median - 1.0),
        "highest, % of median": 100.0 * (float(mib.max()) / median - 1.0),
        "line from start to end, % of median": 100.0 * float(slope) * float(time_s[-1] - time_s[0]) / median,
    }


def watch_command(command: list[str], period_s: float) -> tuple[str, list[float], list[int]]:
    """Run a command and watch it; return what it printed, times (s) and resident bytes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        times, sizes = watch(process, period_s)
        printed = process.stdout.read() if process.stdout is not None else ""
    if process.returncode:
        raise SystemExit(f"the session ended with {process.returncode}")
    return printed, times, sizes


def main() -> None:
    """Measure and print, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the session on the device's clock")
    parser.add_argument("--device", default="sim://awr1642", help="URL of the device")
    parser.add_argument("--period", type=float, default=10.0, help="seconds between readings")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the recording goes")
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="*", help="watch this in place of a session")
    args = parser.parse_args()
    if args.record is not None:
        run_session(args.device, args.minutes, args.record)
        return
    counted: dict[str, float] = {}
    if args.command:
        printed, times, sizes = watch_command(args.command, args.period)
        print(printed)
    else:
        with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
            command = [sys.executable, __file__, "--device", args.device, "--minutes", str(args.minutes)]
            command += ["--record", str(Path(scratch) / "soak.h5")]
            printed, times, sizes = watch_command(command, args.period)
            counted = json.loads(printed)
    for name, value in (counted | summary(times, sizes, args.minutes)).items():
        print(f"{name:38} {value:12.1f}" if isinstance(value, float) else f"{name:38} {value:12}")


if __name__ == "__main__":
    main()
