"""Time of 2D-MUSIC: the spectrum beside its literal and its dense form, and the steps of a whole estimate.

``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_music.py [--repeats N]``

P = 8 rows, N = 76 tones, T = 25 snapshots, a grid of 256 x 181 points, three paths. All forms are measured in one
process of one thread, and the least processor time of each counts, as other work on the machine only ever adds to it.
The literal form is measured twice only. The dense form gets its 450 MB of steering vectors for free.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from walkers import SENSOR, WINDOW, channel, noise, place, point

from isactrack.processing.music import Music2d
from isactrack.processing.music_baselines import dense_share, dense_steering, literal_share
from isactrack.processing.music_spectrum import Manifold, SpectrumGrid, gram_eigen, principal_snapshots, signal_subspace
from isactrack.processing.ofdm_config import MusicConfig
from isactrack.processing.path_fit import fit_paths, refine_peaks
from isactrack.processing.smoothing import smoothed_subspace

ORDER = 3


def best_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the best processor time of a call, ms."""
    best = np.inf
    for _ in range(repeats):
        begin = time.process_time()
        call()
        best = min(best, 1e3 * (time.process_time() - begin))
    return best


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    time_s = (np.arange(WINDOW) - WINDOW // 2) * SENSOR.frame_period_s
    people = ((9.0, 0.2, 0.4, 0.7), (12.5, -0.4, -0.9, 0.1), (10.5, 0.6, 0.1, -1.1))
    tracks = [place(path, azimuth) + time_s[:, None] * np.array([vx, vy]) for path, azimuth, vx, vy in people]
    blocks = channel([point(track, 32.0, rng) for track in tracks]) + noise(rng)
    data = blocks.reshape(WINDOW, -1)
    manifold = Manifold.of(SENSOR.rx_positions, SENSOR.tone_frequencies_hz)
    azimuth, path = np.radians(np.linspace(-70.0, 70.0, 181)), np.linspace(5.0, 30.0, 256)
    rows, tones = manifold.along_rows(np.sin(azimuth)), manifold.along_tones(path)
    grid = SpectrumGrid(manifold, azimuth, path)
    steering = dense_steering(rows, tones)

    def ours() -> np.ndarray:
        return grid.share(signal_subspace(data, ORDER).reshape(ORDER, SENSOR.n_rx, SENSOR.n_tones))

    literal = best_ms(partial(literal_share, data, ORDER, rows, tones), 2)
    dense = best_ms(partial(dense_share, data, ORDER, steering), max(options.repeats // 15, 3))
    fast = best_ms(ours, options.repeats)
    expected = literal_share(data, ORDER, rows, tones)
    print("snapshots to spectrum: P = 8, N = 76, T = 25, 256 x 181 points, L = 3, one core")
    print(f"  literal            {literal:9.2f} ms   {literal / fast:7.0f} times ours")
    print(f"  dense subspace     {dense:9.2f} ms   {dense / fast:7.0f} times ours")
    difference = abs(ours() - expected).max()
    print(f"  ours               {fast:9.2f} ms   largest difference from the literal one {difference:.1e}")
    cell = np.array([SENSOR.path_resolution_m, SENSOR.azimuth_resolution_rad])
    principal = principal_snapshots(data, gram_eigen(data)[1][:, :ORDER]).reshape(ORDER, SENSOR.n_rx, SENSOR.n_tones)
    sub = Manifold.of(SENSOR.rx_positions[:6], SENSOR.tone_frequencies_hz[:50])
    subspace = smoothed_subspace(principal, 6, 50, 6)[1][:ORDER]
    peaks = np.array([[9.05, 0.2], [12.45, -0.38], [10.55, 0.57]])
    steps: dict[str, Callable[[], object]] = {
        "Gram and its eigenvectors": partial(gram_eigen, data),
        "smoothed subspace": partial(smoothed_subspace, principal, 6, 50, 6),
        "spectrum": partial(SpectrumGrid(sub, azimuth, path).share, subspace),
        "Newton": partial(refine_peaks, subspace, sub, peaks, cell),
        "joint fit": partial(fit_paths, principal, manifold, peaks, cell),
    }
    print("an estimate, best ms")
    for name, call in steps.items():
        print(f"  {name:<28} {best_ms(call, options.repeats):7.2f}")
    configs = {"all": MusicConfig(), "all, without weak paths": MusicConfig(weak_paths=False),
               "all, not smoothed either": MusicConfig(smoothing=False, weak_paths=False)}  # fmt: skip
    for name, config in configs.items():
        music = Music2d(SENSOR, config, max_path_m=30.0)
        found = len(music(blocks, 0.0, 1.0).paths)
        print(f"  {name:<28} {best_ms(partial(music, blocks, 0.0, 1.0), options.repeats):7.2f}   {found} paths found")


if __name__ == "__main__":
    main()
