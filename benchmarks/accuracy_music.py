"""What 2D-MUSIC finds: two walkers whose Doppler shifts are alike, one walker by level, and what noise alone gives.

``OPENBLAS_NUM_THREADS=1 python benchmarks/accuracy_music.py WHAT [--seeds N]`` with WHAT one of

- ``coherent``: two walkers 1.2 m apart in path and 10 degrees in azimuth, 30 dB each, Doppler shifts 0.5, 2, 5 and
  20 Hz apart; points, and bodies with limbs. Resolved: a path within 0.4 m and 4 degrees of each centre.
- ``single``: one walker of 14 to 50 dB, point and body: share found, paths, paths elsewhere, error of position, and
  squared error over the covariance (1 if that is right; bodies are no points and exceed it).
- ``order``: false alarms of noise alone, and of the model orders; right orders of one to three points.

Signals are those of ``walkers.py``; levels are integrated over tones, rows and the window. Shares come with their 95 %
(Wilson) intervals.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from walkers import SENSOR, WINDOW, body, channel, gradient, noise, place, point

from isactrack.processing.channel import Paths
from isactrack.processing.model_order import edge_order, mdl_order
from isactrack.processing.music import Music2d
from isactrack.processing.music_spectrum import gram_eigen
from isactrack.processing.ofdm_config import MusicConfig

Float = NDArray[np.float64]
TIME_S = (np.arange(WINDOW) - WINDOW // 2) * SENSOR.frame_period_s
CONFIGS = {
    "as it is": MusicConfig(),
    "no weak paths": MusicConfig(weak_paths=False),
    "no smoothing": MusicConfig(smoothing=False),
    "neither": MusicConfig(smoothing=False, weak_paths=False),
}


def wilson(hits: int, trials: int) -> str:
    """Return a share and its 95 % interval, %."""
    z, p = 1.96, hits / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return f"{100 * p:5.1f} ({100 * (centre - half):.0f}-{100 * (centre + half):.0f})"


def walkers(
    rng: np.random.Generator, kind: str, snr_db: float, offsets: list[tuple[float, float, float]]
) -> tuple[NDArray[np.complex128], Float]:
    """Return channels with noise and the true (path_m, azimuth_rad) (n, 2) at the window's centre.

    One walker stands for each offset in path (m), azimuth (rad) and Doppler shift (Hz) from one that is drawn.
    """
    path, azimuth, rate = rng.uniform(8.0, 12.0), rng.uniform(-0.6, 0.4), rng.uniform(-2.0, 2.0)
    groups, truth = [], []
    for further, aside, doppler_hz in offsets:
        here = place(path + further, azimuth + aside)
        slope = gradient(here)
        velocity = (rate - doppler_hz * SENSOR.wavelength_m) * slope / (slope @ slope)
        track = here + TIME_S[:, None] * velocity
        groups.append(point(track, snr_db, rng) if kind == "point" else body(track, TIME_S + 5.0, snr_db, rng))
        truth.append((path + further, azimuth + aside))
    return channel(groups) + noise(rng), np.array(truth)


def near(paths: Paths, truth: Float, path_m: float, azimuth_deg: float) -> NDArray[np.bool_]:
    """Return which paths (n, m) are near which truths."""
    return (abs(paths.path_m[:, None] - truth[:, 0]) < path_m) & (
        abs(paths.azimuth_rad[:, None] - truth[:, 1]) < np.radians(azimuth_deg)
    )


def coherent(seeds: int) -> None:
    """Print how often two walkers are resolved."""
    print(f"{seeds} seeds; resolved, %, and paths a window of which are elsewhere (more than 0.8 m or 10 degrees)")
    print("kind   Hz apart" + "".join(f"{name:>30}" for name in CONFIGS))
    for kind in ("point", "body"):
        for apart_hz in (0.5, 2.0, 5.0, 20.0):
            cells = ""
            for config in CONFIGS.values():
                music = Music2d(SENSOR, config, max_path_m=30.0)
                both = elsewhere = 0
                for seed in range(seeds):
                    offsets = [(0.0, 0.0, 0.0), (1.2, np.radians(10.0), apart_hz)]
                    data, truth = walkers(np.random.default_rng([seed, 3]), kind, 30.0, offsets)
                    paths = music(data, 0.0, 1.0).paths
                    both += bool(near(paths, truth, 0.4, 4.0).any(axis=0).all())
                    elsewhere += int(np.sum(~near(paths, truth, 0.8, 10.0).any(axis=1)))
                cells += f"{wilson(both, seeds):>23} {elsewhere / seeds:6.3f}"
            print(f"{kind:<6} {apart_hz:8.1f}{cells}", flush=True)


def single(seeds: int) -> None:
    """Print how often, and how well, one walker is found."""
    music = {name: Music2d(SENSOR, CONFIGS[name], max_path_m=30.0) for name in ("as it is", "no weak paths")}
    print(f"{seeds} seeds; found, %; of 'as it is': paths, paths elsewhere, median error, squared error / covariance")
    for kind in ("point", "body"):
        for snr_db in (14.0, 16.0, 18.0, 20.0, 22.0, 25.0, 30.0, 40.0, 50.0):
            hits, count, elsewhere = dict.fromkeys(music, 0), 0, 0
            errors, squares = [], []
            for seed in range(seeds):
                data, truth = walkers(np.random.default_rng([seed, 4]), kind, snr_db, [(0.0, 0.0, 0.0)])
                for name, find in music.items():
                    paths = find(data, 0.0, 1.0).paths
                    close = near(paths, truth, 0.6, 8.0)[:, 0]
                    hits[name] += bool(close.any())
                    if name != "as it is":
                        continue
                    count, elsewhere = count + len(paths), elsewhere + int(np.sum(~close))
                    for i in np.flatnonzero(close)[:1]:
                        here = place(paths.path_m[i], paths.azimuth_rad[i])
                        errors.append(float(np.linalg.norm(here - place(*truth[0]))))
                        delta = np.array([paths.path_m[i], paths.azimuth_rad[i]]) - truth[0]
                        squares.append(float(delta @ np.linalg.solve(paths.covariance[i], delta)) / 2.0)
            line = f"{kind:<6}{snr_db:5.0f} dB" + "".join(
                f"  {name} {wilson(n, seeds):>15}" for name, n in hits.items()
            )
            if errors:
                line += f"  {count / seeds:5.2f} {elsewhere / seeds:6.3f} {100 * np.median(errors):6.1f} cm"
                line += f" {np.mean(squares):8.2f}"
            print(line, flush=True)


def order(seeds: int) -> None:
    """Print how often noise gives paths and orders, and how often orders are right."""
    size = SENSOR.n_rx * SENSOR.n_tones
    for name, config in CONFIGS.items():
        music = Music2d(SENSOR, config, max_path_m=30.0)
        hits = sum(bool(len(music(noise(np.random.default_rng([s, 5])), 0.0, 1.0).paths)) for s in range(seeds))
        print(f"noise alone, {name:<14} windows with a path {wilson(hits, seeds)} %")
    methods = {
        "edge": lambda values: edge_order(values, size, 1.0), "mdl": lambda values: mdl_order(values, size)
    }  # fmt: skip
    for snr_db in (24.0, 26.0, 28.0, 32.0):
        for count in range(4):
            right = dict.fromkeys(methods, 0)
            for seed in range(seeds):
                offsets = [(2.0 * i, 0.25 * i, 23.0 * i) for i in range(count)]
                rng = np.random.default_rng([seed, 6])
                data = walkers(rng, "point", snr_db, offsets)[0] if count else noise(rng)
                values = gram_eigen(data.reshape(WINDOW, -1))[0]
                for name, method in methods.items():
                    right[name] += method(values) == count
            shares = ", ".join(f"{name} {wilson(n, seeds)} %" for name, n in right.items())
            print(f"{count} points of {snr_db:.0f} dB, order right: {shares}", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("coherent", "single", "order"))
    parser.add_argument("--seeds", type=int, default=100)
    options = parser.parse_args()
    {"coherent": coherent, "single": single, "order": order}[options.what](options.seeds)


if __name__ == "__main__":
    main()
