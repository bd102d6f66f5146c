#!/usr/bin/env python3
"""Damage recordings in many ways and read them: only errors of isactrack may come, within a second.

``python tools/fuzz_recordings.py --count 10000 --seed 1`` is the size of a nightly run. Files are read in processes of
their own, so that a crash or a hang of the HDF5 library is found, counted and does not end the run. The exit code is 1
if there was one; `--keep FOLDER` saves the files that caused it.
"""

import argparse
import dataclasses
import json
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 20.0
"""Silence of a worker that counts as a hang; how long each file took is reported beside it."""
BATCH = 250
FRAMES = 24


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return a damaged copy of a file."""
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        # The front holds most of the metadata.
        place = rng.randrange(len(damaged) if rng.random() < 0.5 else min(len(damaged), 40_000))
        rng.choice([_flip, _flip, _randomise, _extreme, _zero, _copy_block])(damaged, place, rng)
    if rng.random() < 0.25:
        del damaged[rng.randrange(len(damaged)) :]
    return bytes(damaged)


def _flip(data: bytearray, place: int, rng: random.Random) -> None:
    data[place] ^= 1 << rng.randrange(8)


def _randomise(data: bytearray, place: int, rng: random.Random) -> None:
    size = min(rng.choice([1, 4, 32]), len(data) - place)
    data[place : place + size] = rng.randbytes(size)


def _extreme(data: bytearray, place: int, rng: random.Random) -> None:
    size = min(rng.choice([2, 4, 8]), len(data) - place)
    value = rng.choice([b"\xff" * 8, b"\0" * 8, b"\0" * 7 + b"\x80", b"\xff" * 7 + b"\x7f"])
    data[place : place + size] = value[8 - size :]


def _zero(data: bytearray, place: int, rng: random.Random) -> None:
    start = place // 512 * 512
    size = min(rng.choice([512, 4096]), len(data) - start)
    data[start : start + size] = bytes(size)


def _copy_block(data: bytearray, place: int, rng: random.Random) -> None:
    source = rng.randrange(len(data))
    size = min(rng.choice([8, 64, 2048]), len(data) - place, len(data) - source)
    data[place : place + size] = data[source : source + size]


def make_originals(folder: Path) -> list[bytes]:
    """Return recordings, finished and killed, compressed and not, with everything that a recording can hold."""
    import numpy as np

    from isactrack import BlockInfo, Event, EventKind, FmcwSensor, Frame, OfdmSensor, SidePacket, Source, Truth
    from isactrack.recordings import RecordingHeader, RecordingWriter

    radar = FmcwSensor(
        model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
        ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=4, frame_period_s=0.05,
    )  # fmt: skip
    radio = OfdmSensor(
        model="radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-50, 51, 2)),
        frame_period_s=0.05, rx_positions=(0.0, 0.5, 1.0), fft_size=128,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    originals = []
    for sensor, compression in ((radar, "bitshuffle-lz4"), (radar, "none"), (radio, "bitshuffle-lz4")):
        header = RecordingHeader(
            sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://",
            device_model=sensor.model, profile_text="sensorStart\n",
        )  # fmt: skip
        path, killed = folder / "original.h5", folder / "killed.h5"
        with RecordingWriter(path, header, overwrite=True, compression=compression) as writer:
            for k in range(FRAMES):
                samples = rng.normal(0, 300, sensor.frame_words).astype(np.int16)
                valid = rng.random(-(-samples.size // 4)) > 0.05 * (k % 3)
                tick = round(0.1 * k * sensor.sample_rate_hz)
                block = BlockInfo(tick=tick, gain_db=30.0) if sensor is radio else None
                truth = Truth(k * 0.05, np.arange(2), np.ones((2, 2)), np.zeros((2, 2)))
                writer.append(Frame(samples, valid, 2 * k, k * 0.1, k, k, block), truth)
                writer.add_event(Event(host_monotonic_ns=k, host_utc_ns=k, kind=EventKind.MARKER, text=f"mark {k}"))
                writer.add_side_packet(
                    SidePacket(host_monotonic_ns=k, host_utc_ns=k, kind="mmw-demo-tlv", data=rng.bytes(64))
                )
            writer.flush()
            shutil.copy(path, killed)
        originals += [path.read_bytes(), killed.read_bytes()]
    return originals


def read_everything(path: Path, *, deep: bool) -> str:
    """Read a file with all that there is to read it with; only IsacError is caught."""
    from isactrack.errors import IsacError
    from isactrack.recordings import open_recording, repair_recording, validate_recording
    from isactrack.recordings.validate import AS_DELIVERED

    outcome = "whole"
    try:
        with open_recording(path) as recording:
            readers: list[Callable[[], object]] = [
                *(lambda k=k: (recording.frame(k), recording.truth(k)) for k in range(len(recording))),
                *(lambda k=k: recording.side_packet(k) for k in range(recording.side_packet_count)),
                lambda: recording.events, lambda: recording.losses, lambda: recording.lost_share,
                recording.compression_ratio, lambda: recording.blocks,
            ]  # fmt: skip
            for reader in readers:
                try:
                    reader()
                except IsacError:
                    outcome = "in part"
        if deep:
            validate_recording(path)
            output = path.with_name("repaired.h5")
            output.unlink(missing_ok=True)
            if repair_recording(path, output).output is not None:
                failed = [c.name for c in validate_recording(output, max_loss=1.0) if c.passed is False]
                if not set(failed) <= set(AS_DELIVERED):
                    raise RuntimeError(f"the repaired file fails {failed}")
    except IsacError:
        outcome = "refused" if outcome == "whole" else outcome
    return outcome


def work(first: int, count: int, seed: int, folder: Path) -> None:
    """Read damaged files one after the other, and print a line before and after each."""
    originals = make_originals(folder)
    from isactrack.recordings import reader

    reader._LIVE_PAUSE_S = 0.0  # noqa: SLF001 - nobody writes to these files
    path = folder / "damaged.h5"
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        path.write_bytes(mutate(rng.choice(originals), rng))
        print(json.dumps({"begin": number}), flush=True)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        try:
            outcome = read_everything(path, deep=number % 5 == 0)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            outcome = f"{type(error).__name__}: {error}"
        took = {"s": time.perf_counter() - began_s, "cpu_s": time.process_time() - began_cpu_s}
        print(json.dumps({"end": number, "outcome": outcome, **took}), flush=True)


@dataclasses.dataclass(slots=True)
class Result:
    """What a run found; `bad` has the number of each file that was not read as it should be, and why.

    How long a file took counts on a quiet machine only: every fifth one is also checked, repaired and checked again.
    """

    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    bad: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    longest_s: float = 0.0
    longest_cpu_s: float = 0.0
    over_a_second: list[tuple[int, float]] = dataclasses.field(default_factory=list)


def run(count: int, seed: int, keep: Path | None = None) -> Result:
    """Read `count` damaged files, in processes that may crash."""
    result = Result()
    first = 0
    with tempfile.TemporaryDirectory() as folder:
        while first < count:
            first = _run_batch(first, min(BATCH, count - first), seed, Path(folder), result, keep)
    return result


def _run_batch(first: int, count: int, seed: int, folder: Path, result: Result, keep: Path | None) -> int:
    command = [sys.executable, __file__, "--worker", str(first), "--count", str(count), "--seed", str(seed)]
    begun = ended = first - 1
    with subprocess.Popen(
        [*command, "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as worker:
        assert worker.stdout is not None  # noqa: S101
        while select.select([worker.stdout], [], [], DEADLINE_S)[0] and (line := worker.stdout.readline()):
            report = json.loads(line)
            if "begin" in report:
                begun = report["begin"]
                continue
            ended, outcome = report["end"], report["outcome"]
            result.longest_s = max(result.longest_s, report["s"])
            result.longest_cpu_s = max(result.longest_cpu_s, report["cpu_s"])
            if report["s"] > 1.0:
                result.over_a_second.append((ended, round(report["s"], 3)))
            known = outcome in ("whole", "in part", "refused")
            result.outcomes[outcome if known else "other error"] += 1
            if not known:
                _note(result, begun, outcome, folder, keep)
        hung = worker.poll() is None and ended < first + count - 1 and not select.select([worker.stdout], [], [], 0)[0]
        if hung:
            worker.kill()
    if ended == first + count - 1:
        return first + count
    if begun == ended:
        raise RuntimeError(f"a worker ended with {worker.returncode} before it read a file")
    reason = "hang" if hung else f"crash, exit code {worker.returncode}"
    result.outcomes[reason] += 1
    _note(result, begun, reason, folder, keep)
    return begun + 1


def _note(result: Result, number: int, reason: str, folder: Path, keep: Path | None) -> None:
    result.bad.append((number, reason))
    if keep is not None:
        shutil.copy(folder / "damaged.h5", keep / f"damaged-{number}.h5")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that were not read as they should be")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        work(arguments.worker, arguments.count, arguments.seed, arguments.folder)
        return 0
    result = run(arguments.count, arguments.seed, arguments.keep)
    print(json.dumps({
        "files": sum(result.outcomes.values()), "outcomes": result.outcomes, "longest_s": round(result.longest_s, 3),
        "longest_cpu_s": round(result.longest_cpu_s, 3), "over_a_second": result.over_a_second, "bad": result.bad,
    }))  # fmt: skip
    return 1 if result.bad else 0


if __name__ == "__main__":
    sys.exit(main())
