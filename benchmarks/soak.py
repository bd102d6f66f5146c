r"""Resident memory of a long session: simulated device, recorder, chain and tracker, as `isactrack` runs them.

    python benchmarks/soak.py --minutes 60
    python benchmarks/soak.py --minutes 10 --device "sim://awr1642?scene=noise&speed=4" --folder /data
    python benchmarks/soak.py --minutes 10 --device "sim://bistatic?scene=lab-crossing&speed=max" --lossless
    python benchmarks/soak.py --minutes 10 -- \
        python benchmarks/bench_receiver.py --receivers isactrack+hdf5 --rates 60600 --seconds 600

The last form watches any command, here full rate into a file. The session runs in a process of its own. Every
--period seconds the memory and the threads of that process and of all its children are read from /proc. The first
tenth of the time (--warm-up), and at least a minute, counts as warming up; from then on the table says how far the
memory strays from its median, where a line through all readings goes, and how many threads there were. With
--lossless the device waits for the pipeline, which a simulation that goes as fast as it can would outrun. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

WARM_UP_SHARE = 0.1
LEAST_WARM_UP_S = 60.0


def run_session(url: str, minutes: float, path: Path, lossless: bool) -> None:
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
        device,
        recorder=RecordingWriter(path, header),
        pipeline=Pipeline(sensor),
        duration_s=60.0 * minutes,
        lossless_pipeline=lossless,
    ) as session:
        snapshots = session.subscribe()
        session.start()
        snapshot_count, identities = 0, set[int]()
        while not session.wait(0.05):
            for snapshot in snapshots.drain():
                snapshot_count += 1
                identities |= {one.track_id for one in snapshot.tracks if one.is_confirmed}
        health = session.health()
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
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
                "confirmed tracks seen": len(identities),
                "threads left at the end": len(left),
            }
        )
    )


def resident_bytes(pid: int) -> tuple[int, int]:
    """Return resident memory and threads of a process and all its descendants, 0 if it is gone."""
    total, threads, waiting = 0, 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text(encoding="ascii")
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):
            continue
        facts = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        total += int(facts.get("VmRSS", "0 kB").split()[0]) * 1024
        threads += int(facts["Threads"])
    return total, threads


def watch(process: "subprocess.Popen[str]", period_s: float) -> list[tuple[float, int, int]]:
    """Watch a process until it ends; return times (s), resident bytes and threads."""
    began, readings = time.monotonic(), []
    while process.poll() is None:
        time.sleep(period_s)
        size, threads = resident_bytes(process.pid)
        if size and process.poll() is None:
            readings.append((time.monotonic() - began, size, threads))
            print(f"{readings[-1][0]:8.0f} s {size / 2**20:9.1f} MiB {threads:4} threads", flush=True)
    return readings


def summary(readings: list[tuple[float, int, int]], warm_up: float) -> dict[str, float]:
    """Return the spread of memory and threads once the session is warm."""
    time_s, size, threads = np.array(readings, dtype=np.float64).reshape(-1, 3).T
    warm = time_s > max(warm_up * float(time_s.max(initial=0.0)), LEAST_WARM_UP_S)
    if np.count_nonzero(warm) < 2:
        raise SystemExit("too short to say anything: the session was still warming up")
    time_s, mib, threads = time_s[warm], size[warm] / 2**20, threads[warm]
    median = float(np.median(mib))
    slope, _ = np.polyfit(time_s, mib, 1)
    return {
        "median MiB": median,
        "lowest, % of median": 100.0 * (float(mib.min()) / median - 1.0),
        "highest, % of median": 100.0 * (float(mib.max()) / median - 1.0),
        "line from start to end, % of median": 100.0 * float(slope) * float(time_s[-1] - time_s[0]) / median,
        "line, KiB a minute": 60.0 * 1024.0 * float(slope),
        "threads, least": float(threads.min()),
        "threads, most": float(threads.max()),
    }


def watch_command(command: list[str], period_s: float) -> tuple[str, list[tuple[float, int, int]]]:
    """Run a command and watch it; return what it printed, and what `watch` does."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        readings = watch(process, period_s)
        printed = process.stdout.read() if process.stdout is not None else ""
    if process.returncode:
        raise SystemExit(f"the session ended with {process.returncode}")
    return printed, readings


def main() -> None:
    """Measure and print, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the session on the device's clock")
    parser.add_argument("--device", default="sim://awr1642", help="URL of the device")
    parser.add_argument("--period", type=float, default=10.0, help="seconds between readings")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the recording goes")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SHARE, help="share of the time that does not count")
    parser.add_argument("--lossless", action="store_true", help="let the device wait for the pipeline")
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="*", help="watch this in place of a session")
    args = parser.parse_args()
    if args.record is not None:
        run_session(args.device, args.minutes, args.record, args.lossless)
        return
    counted: dict[str, float] = {}
    if args.command:
        printed, readings = watch_command(args.command, args.period)
        print(printed)
    else:
        with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
            command = [sys.executable, __file__, "--device", args.device, "--minutes", str(args.minutes)]
            command += ["--record", str(Path(scratch) / "soak.h5"), *(["--lossless"] if args.lossless else [])]
            printed, readings = watch_command(command, args.period)
            counted = json.loads(printed)
    for name, value in (counted | summary(readings, args.warm_up)).items():
        print(f"{name:38} {value:12.1f}" if isinstance(value, float) else f"{name:38} {value:12}")


if __name__ == "__main__":
    main()
