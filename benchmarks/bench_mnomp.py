"""Time of a frame of the superfast MNOMP-CFAR detector beside the bare two-dimensional FFTs and the original algorithm.

``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_mnomp.py [--repeats N] [--no-original]``

Each row is a scene; all columns are measured in turn in this one process, and the best time of each counts, as other
work on the machine only ever adds to one. "FFT" is ``scipy.fft.fft2`` of the same frame with one worker. The scene is
that of the paper's size, targets of 19 dB (integrated, an antenna) at random places, with seeds.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from isactrack.processing.mnomp import Engine, MnompConfig, mnomp_cfar
from isactrack.processing.mnomp_original import mnomp_original

LOOPS, SAMPLES, SNR_DB = 64, 128, 19.0


def scene(antennas: int, targets: int) -> NDArray[np.complex128]:
    """Return a frame of targets over noise of unit variance."""
    rng = np.random.default_rng(1000 * antennas + targets)
    frame = rng.standard_normal((LOOPS, antennas, SAMPLES, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)
    amplitude = np.sqrt(10.0 ** (SNR_DB / 10.0) / (LOOPS * SAMPLES))
    for _ in range(targets):
        x, y = rng.uniform(0, 2 * np.pi), rng.uniform(-np.pi, np.pi)
        steering = np.exp(1j * (rng.uniform(0, 6.28) + np.pi * np.arange(antennas) * rng.uniform(-1, 1)))
        slow, fast = np.exp(1j * y * np.arange(LOOPS)), np.exp(1j * x * np.arange(SAMPLES))
        frame += amplitude * slow[:, None, None] * steering[:, None] * fast
    return frame


def best_ms(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the best time of each call, ms, measured in turn."""
    best = [np.inf] * len(calls)
    for _ in range(repeats):
        for i, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[i] = min(best[i], 1e3 * (time.perf_counter() - begin))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--no-original", action="store_true")
    options = parser.parse_args()
    single, cyclic = MnompConfig(cyclic_rounds=0), MnompConfig(cyclic_rounds=1)
    print("best ms a frame of 64 loops x L antennas x 128 samples; in brackets: times the FFT of the same precision")
    print("  L   K found      FFT128   numpy R_c=0        numba R_c=0        numba R_c=1         FFT64   numba64 R_c=1")
    for antennas, targets in ((8, 8), (8, 10), (4, 8), (4, 20), (4, 30)):
        frame = scene(antennas, targets)
        short = frame.astype(np.complex64)

        def detect(data: NDArray[np.complexfloating], config: MnompConfig, engine: Engine) -> Callable[[], object]:
            return partial(mnomp_cfar, data, config, engine=engine)

        slow = min(best_ms([detect(frame, single, "numpy")], max(options.repeats // 20, 2)))
        full, one, more, half, light = best_ms(
            [
                partial(fft.fft2, frame, axes=(0, 2), workers=1),
                detect(frame, single, "numba"),
                detect(frame, cyclic, "numba"),
                partial(fft.fft2, short, axes=(0, 2), workers=1),
                detect(short, cyclic, "numba"),
            ],
            options.repeats,
        )
        found = len(mnomp_cfar(frame, single))
        print(
            f"{antennas:3d} {targets:3d} {found:5d}   {full:9.3f}   {slow:7.2f} ({slow / full:6.1f})"
            f"   {one:7.2f} ({one / full:5.2f})    {more:7.2f} ({more / full:5.2f})"
            f"   {half:9.3f}   {light:7.2f} ({light / half:5.2f})",
            flush=True,
        )
    if options.no_original:
        return
    print(
        "the original, forward and backward (4 x 4 oversampled FFTs a candidate), of the scene with 8 targets, L = 8;"
    )
    print("it collects K_max candidates whatever they are; in brackets: its time over ours, which numpy alone runs too")
    frame = scene(8, 8)
    few = MnompConfig(cyclic_rounds=1, k_max=12)
    for name, config in (("R_c=0", single), ("R_c=1", cyclic), ("R_c=1, K_max=12", few)):
        begin = time.perf_counter()
        lines = mnomp_original(frame, config)
        original = 1e3 * (time.perf_counter() - begin)
        numba = best_ms([partial(mnomp_cfar, frame, config, engine="numba")], options.repeats)[0]
        plain = best_ms([partial(mnomp_cfar, frame, config, engine="numpy")], max(options.repeats // 20, 2))[0]
        print(
            f"{name:<16} original {original:8.1f} ms, {len(lines)} lines of {config.k_max} candidates;"
            f" ours {numba:6.2f} ms ({original / numba:.0f}), numpy {plain:6.2f} ms ({original / plain:.0f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
