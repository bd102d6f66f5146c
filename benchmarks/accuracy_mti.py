"""Who is lost with what stands still: detection by radial speed for each clutter filter, and of people who stand.

``OPENBLAS_NUM_THREADS=1 python benchmarks/accuracy_mti.py [--seeds 40] [--snr-db 32] [--csv FILE]``

A body (see ``walkers.py``) walks away along the gradient of the path length between static paths that are 20 to 40 dB
stronger; it is found if 2D-MUSIC has a path within 0.6 m and 8 degrees of its centre. Radial speed is half the rate
of change of the path's length, which is what a radar at one place would see. "loss" is the share of runs in which a
body is lost that is found without clutter and filter; all columns see the same bodies. Standing, the front of the body
moves by 5 mm to and fro in four seconds and the rest does not.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from walkers import SENSOR, WINDOW, Points, body, channel, gradient, noise, path_length, place, point

from isactrack.drivers.bistatic.profile import stagger_pattern
from isactrack.processing.mti import band_gain, make_clutter_filter
from isactrack.processing.music import Music2d
from isactrack.units import power_to_db

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

LONGEST = 250
STAGGER = tuple(late * SENSOR.symbol_s for late in stagger_pattern(864))
FILTERS = {
    "difference": ("difference", 1, ()),
    "mean 50": ("mean", 50, ()),
    "mean 100": ("mean", 100, ()),
    "mean 150": ("mean", 150, ()),
    "mean 250": ("mean", 250, ()),
    "mean 50 staggered": ("mean", 50, STAGGER),
}
BLIND = SENSOR.blind_path_rate_mps / 2.0
SPEEDS = np.sort(
    np.concatenate([
        [0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 0.8, 1.1, 1.8, 2.4, 2.7, 3.0],
        BLIND + np.array([-0.1, -0.03, -0.01, 0.0, 0.01, 0.03, 0.1]),
        2.0 * BLIND + np.array([-0.03, 0.0, 0.03]),
    ])
)  # fmt: skip


def clutter(rng: np.random.Generator, snr_db: float) -> Complex:
    """Return the channel (rows, tones) of eight paths that stand still, 20 to 40 dB stronger than a person."""
    static = []
    for _ in range(8):
        where = place(rng.uniform(6.0, 20.0), rng.uniform(-1.0, 1.0))
        static.append(point(where[None], snr_db + rng.uniform(20.0, 40.0), rng))
    return channel(static)[0]


def instants(stagger: tuple[float, ...]) -> Float:
    """Return the times of the blocks (LONGEST + WINDOW + 1,), 0 in the middle of the window at the end."""
    index = np.arange(LONGEST + WINDOW + 1)
    late = np.asarray(stagger)[index % len(stagger)] if stagger else 0.0
    return np.asarray((index - index[-1] + WINDOW // 2) * SENSOR.frame_period_s + late)


def walker(rng: np.random.Generator, time_s: Float, speed_mps: float, snr_db: float) -> tuple[Points, Float]:
    """Return a body that walks away at a radial speed, and where it is at time 0."""
    here = place(rng.uniform(8.0, 12.0), rng.uniform(-0.7, 0.7))
    slope = gradient(here)
    velocity = 2.0 * speed_mps * slope / (slope @ slope)
    return body(here + time_s[:, None] * velocity, time_s + 10.0, snr_db, rng), here


def breather(rng: np.random.Generator, time_s: Float, snr_db: float) -> tuple[Points, Float]:
    """Return a body that stands and breathes, and where it is."""
    here = place(rng.uniform(8.0, 12.0), rng.uniform(-0.7, 0.7))
    toward = -gradient(here) / np.linalg.norm(gradient(here))
    side = np.array([toward[1], -toward[0]])
    angle = 2.0 * np.pi * (np.arange(7) + rng.uniform()) / 7.0
    chest = 0.005 * np.sin(2.0 * np.pi * (time_s / 4.0 + rng.uniform()))
    still = here + 0.13 * np.cos(angle)[:, None] * toward + 0.22 * np.sin(angle)[:, None] * side
    moves = np.maximum(np.cos(angle), 0.0)[:, None, None] * chest[:, None] * toward
    gain = np.exp(2j * np.pi * rng.uniform(size=7)) * point(here[None], snr_db, rng).amplitude[0] / np.sqrt(7.0)
    return Points(still[:, None] + moves, gain), here


def error_m(window: Complex, times_s: Float, music: Music2d, where: Float, noise_power: float) -> float:
    """Return how far from a position the strongest path near it is; NaN if there is none near it."""
    paths = music(window, 0.0, noise_power, times_s).paths
    path, azimuth = path_length(where, np.asarray(SENSOR.tx_position_m)), np.arctan2(where[0], where[1])
    near = np.flatnonzero((abs(paths.path_m - path) < 0.6) & (abs(paths.azimuth_rad - azimuth) < np.radians(8.0)))
    if not near.size:
        return np.nan
    return float(np.linalg.norm(place(paths.path_m[near[0]], paths.azimuth_rad[near[0]]) - where))


def run(person: dict[bool, Complex], static: Complex, white: Complex, music: Music2d, where: Float) -> list[float]:
    """Return the error without clutter and filter, and that with each filter; NaN where a person is not found."""
    even, uneven = instants(())[-WINDOW:], instants(STAGGER)[-WINDOW:]
    out = [error_m(person[False][-WINDOW:] + white[-WINDOW:], even, music, where, 1.0)]
    for kind, blocks, stagger in FILTERS.values():
        filter_ = make_clutter_filter(kind, blocks)
        moving = [filter_.push(block) for block in person[bool(stagger)] + static + white]
        window = np.stack([block for block in moving[-WINDOW:] if block is not None])
        out.append(error_m(window, uneven if stagger else even, music, where, filter_.noise_gain))
    return out


def bodies(speed_mps: float | None, seeds: range, snr_db: float, music: Music2d) -> Float:
    """Return the errors (seed, 1 + filter) of bodies at a radial speed, or of those that stand."""
    out = []
    for seed in seeds:
        person = {}
        for stagger in ((), STAGGER):
            rng, time_s = np.random.default_rng([seed, 1]), instants(stagger)
            if speed_mps is None:
                points, where = breather(rng, time_s, snr_db)
            else:
                points, where = walker(rng, time_s, speed_mps, snr_db)
            person[bool(stagger)] = channel([points])
        rng = np.random.default_rng([seed, 2])
        static = clutter(rng, snr_db)
        out.append(run(person, static, noise(rng, LONGEST + WINDOW + 1), music, where))
    return np.array(out)


def main() -> None:
    """Print the table and save the curve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--snr-db", type=float, default=32.0)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    music = Music2d(SENSOR, max_path_m=30.0)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows: list[list[float | str]] = []
    print(f"{options.seeds} bodies of {options.snr_db:g} dB: share lost of those found without clutter and filter, %,")
    print("and the median error of position of those found, cm")
    print("m/s      reference" + "".join(f"{name:>21}" for name in FILTERS), flush=True)
    for speed in [*SPEEDS, None]:
        error = bodies(speed, seeds, options.snr_db, music)
        seen = np.isfinite(error[:, 0])
        lost = 100.0 * np.mean(~np.isfinite(error[seen, 1:]), axis=0)
        middle = [100.0 * float(np.median(e[np.isfinite(e)])) if np.isfinite(e).any() else np.nan for e in error.T]
        label = "stands" if speed is None else f"{speed:.3f}"
        cells = "".join(f"{share:13.1f} {cm:7.1f}" for share, cm in zip(lost, middle[1:], strict=True))
        print(f"{label:<8}{np.mean(seen) * 100:4.0f} {middle[0]:5.1f}{cells}", flush=True)
        rows.append([label, *lost])
    frequency = SENSOR.carrier_frequency_hz + SENSOR.tone_frequencies_hz
    rate = np.arange(0.6, 6.0, 0.002)
    for name, (kind, blocks, stagger) in FILTERS.items():
        if kind == "mean":
            gain = power_to_db(band_gain(rate, frequency, SENSOR.frame_period_s, blocks, stagger))
            print(f"{name}: gain over all tones from 0.3 m/s on at least {gain.min():.2f} dB")
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([["radial_speed_mps", *(f"lost %, {name}" for name in FILTERS)], *rows])


if __name__ == "__main__":
    main()
