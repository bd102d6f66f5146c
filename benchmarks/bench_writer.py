"""CPU time and size of recordings with different compressions.

``python benchmarks/bench_writer.py`` writes the same frames, noise as an ADC delivers it, to a file with each filter in
turn, and prints what it took for each 1456 bytes, which is what one packet of the DCA1000 carries. At 60,600 packets/s,
1 us a packet is 6 % of a core.

How a chunk gets into the file:

assign
    ``dataset[row] = frame``: HDF5 runs the filters when its cache of chunks is emptied.
scratch
    The filters run in a scratch file in memory, and the result goes past the cache, as `RecordingWriter` does it.
direct
    No filter; the frame goes past the cache as it is.
isactrack
    `RecordingWriter` as it is, with checksums, tables and masks.

``--radio`` measures what a block of a bistatic radio costs to write and to read instead: channel estimates of 8 rows
and 76 tones, and gates of samples, 250 of them a second.
"""

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from isactrack import BlockInfo, Capture, FmcwSensor, Frame, OfdmSensor, Source
from isactrack.ofdm_waveform import gate_samples
from isactrack.recordings import RecordingHeader, RecordingWriter, filters, open_recording

PAYLOAD = 1456
LOOPS = {64: 16, 256: 64, 768: 192}  # of 4 receivers and 256 samples
CASES = (
    ("none", "direct"), ("none+fletcher32", "assign"), ("lzf", "assign"), ("gzip1", "assign"),
    ("bitshuffle-lz4", "scratch"), ("bitshuffle-lz4+fletcher32", "assign"), ("bitshuffle-lz4+fletcher32", "scratch"),
    *((name, "isactrack") for name in filters.COMPRESSIONS),
)  # fmt: skip
FLUSH_BYTES = 44_000_000  # half a second at 88 MB/s

Words = NDArray[np.int16]


def options_of(name: str) -> dict[str, Any]:
    """Return the keyword arguments of `create_dataset` for a filter by name."""
    compression, _, fletcher = name.partition("+")
    plain: dict[str, dict[str, Any]] = {
        "none": {}, "lzf": {"compression": "lzf"}, "gzip1": {"compression": "gzip", "compression_opts": 1},
        "bitshuffle-lz4": filters.storage_options(filters.BITSHUFFLE_LZ4),
    }  # fmt: skip
    return {**plain[compression], "fletcher32": bool(fletcher)}


def write_raw(path: Path, frames: list[Words], count: int, name: str, how: str) -> float:
    """Write `count` frames with h5py and return the ratio."""
    words = frames[0].size
    options = options_of(name)
    with h5py.File(path, "w", libver=("v110", "latest")) as file:
        dataset = file.create_dataset("x", (0, words), "<i2", maxshape=(None, words), chunks=(1, words), **options)
        chunk_filter = filters.ChunkFilter((1, words), np.dtype("<i2"), options) if how == "scratch" else None
        file.swmr_mode = True
        every = max(1, FLUSH_BYTES // (2 * words))
        for row in range(count):
            if row % 32 == 0:
                dataset.resize(row + 32, 0)
            frame = frames[row % len(frames)]
            if how == "assign":
                dataset[row] = frame
            else:
                mask, data = chunk_filter(frame) if chunk_filter else (0, frame.tobytes())
                dataset.id.write_direct_chunk((row, 0), data, mask)
            if row % every == every - 1:
                dataset.flush()
        dataset.flush()
        return count * 2 * words / int(dataset.id.get_storage_size())


def write_recording(path: Path, frames: list[Words], count: int, compression: str) -> float:
    """Write `count` frames as a recording and return the ratio."""
    kib = 2 * frames[0].size // 1024
    sensor = FmcwSensor(
        model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
        ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=256, loops_per_frame=LOOPS[kib], frame_period_s=0.05,
    )  # fmt: skip
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="none", device_model="none"
    )
    valid = np.ones(frames[0].size // 4, dtype=np.bool_)
    with RecordingWriter(path, header, overwrite=True, compression=compression) as writer:
        for k in range(count):
            writer.append(Frame(frames[k % len(frames)], valid, k, 0.05 * k, k, k))
    with open_recording(path) as recording:
        return recording.compression_ratio() or 0.0


def measure(write: Callable[[], float], n_bytes: int, repeats: int) -> tuple[float, float, float]:
    """Return the best CPU time in us for each payload, the best rate in MB/s, and the ratio."""
    cpu_s, wall_s, ratio = float("inf"), float("inf"), 0.0
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        ratio = write()
        cpu_s, wall_s = min(cpu_s, time.process_time() - cpu), min(wall_s, time.perf_counter() - wall)
    return 1e6 * cpu_s / n_bytes * PAYLOAD, n_bytes / wall_s / 1e6, ratio


def measure_radio(path: Path, rng: np.random.Generator, sigma: float, repeats: int) -> None:
    """Print what blocks cost, us each: median and largest of the repeats."""
    channel = OfdmSensor(
        model="radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
        frame_period_s=0.004, rx_positions=tuple(0.5 * k for k in range(8)),
    )  # fmt: skip
    gates = replace(channel, capture=Capture.IQ, gate_samples=gate_samples(2048, 512))
    print("us a block, median (max)")
    print(f"{'block':>8} {'bytes':>7} {'compression':15} {'write CPU':>16} {'write':>16} {'read':>16}")
    for name, sensor, count in (("csi", channel, 5000), ("iq", gates, 400)):
        frames = [rng.normal(0, sigma, sensor.frame_words).astype(np.int16) for _ in range(8)]
        for compression in filters.COMPRESSIONS:
            runs = [_block_costs(path, sensor, frames, count, compression) for _ in range(repeats)]
            columns = [f"{np.median(column):.0f} ({max(column):.0f})" for column in zip(*runs, strict=True)]
            print(f"{name:>8} {sensor.frame_bytes:>7} {compression:15} " + " ".join(f"{text:>16}" for text in columns))


def _block_costs(
    path: Path, sensor: OfdmSensor, frames: list[Words], count: int, compression: str
) -> tuple[float, float, float]:
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="none", device_model="none"
    )
    valid = np.ones(-(-sensor.frame_words // 4), dtype=np.bool_)
    cpu, wall = time.process_time(), time.perf_counter()
    with RecordingWriter(path, header, overwrite=True, compression=compression) as writer:
        for k in range(count):
            block = BlockInfo(tick=k * 2_211_840, gain_db=30.0, noise_power=9.0)
            writer.append(Frame(frames[k % len(frames)], valid, k, 0.004 * k, k, k, block))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    begin = time.perf_counter()
    with open_recording(path) as recording:
        assert sum(frame.complete for frame in recording.frames()) == count
    read = time.perf_counter() - begin
    return 1e6 * cpu / count, 1e6 * wall / count, 1e6 * read / count


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=256, help="samples of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the fastest counts")
    parser.add_argument("--sigma", type=float, default=300.0, help="standard deviation of the noise, ADC counts")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if not given")
    parser.add_argument("--radio", action="store_true", help="measure blocks of a radio instead")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    if arguments.radio:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure_radio(Path(folder) / "bench.h5", rng, arguments.sigma, arguments.repeats)
        return
    block = rng.bytes(768 * 1024)
    cpu, _, _ = measure(lambda: float(sum(zlib.crc32(block) for _ in range(50))), 50 * len(block), arguments.repeats)
    print(f"CRC-32 of a frame: {cpu:.2f} us / 1456 B\n")
    print(f"{'frame':>8} {'filter':24} {'how':10} {'us/1456 B':>9} {'MB/s':>7} {'ratio':>6}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "bench.h5"
        for kib in LOOPS:
            frames = [rng.normal(0, arguments.sigma, kib * 512).astype(np.int16) for _ in range(8)]
            count = max(1, arguments.megabytes * 1024 // kib)
            for name, how in CASES:
                n = max(1, count // 8) if name in ("lzf", "gzip1") else count
                if how == "isactrack":
                    write = partial(write_recording, path, frames, n, name)
                else:
                    write = partial(write_raw, path, frames, n, name, how)
                cpu, rate, ratio = measure(write, n * kib * 1024, arguments.repeats)
                print(f"{kib:>4} KiB {name:24} {how:10} {cpu:9.2f} {rate:7.0f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    filters.register()
    main()
