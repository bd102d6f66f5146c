"""What the superfast MNOMP-CFAR detector finds: false alarms, accuracy, resolution, masking, and real captures.

``python benchmarks/accuracy_mnomp.py WHAT [--trials N]`` with WHAT one of

- ``false-alarms``: noise only, L = 1, 4, 8 antennas; measured overall false-alarm probability beside the nominal one;
- ``bound``: mean square error of both frequencies over the Cramer-Rao bound, by signal-to-noise ratio;
- ``pair``: two targets 0.5 m and 0.4 m/s apart in the scene of mnomp-spa-kf, sec. IV, beside 2D-FFT-CFAR;
- ``masked``: a target 30 dB under its neighbour five bins away;
- ``captures --recordings DIR``: what is left of real frames without the lines, beside 2D-FFT-CFAR.

Signal-to-noise ratios are those of an antenna, integrated over the N M samples of a frame. Seeds are fixed; shares come
with their 95 % (Wilson) intervals.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isactrack.processing.fft_cfar import fft_cfar
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import MnompConfig, centred, mnomp_cfar
from isactrack.units import power_to_db

Frame = NDArray[np.complex128]
LOOPS, SAMPLES, ANTENNAS = 64, 128, 8
RANGE_BIN_M, DOPPLER_BIN_MPS = 100.0 / 128, 2.0 * 6.08 / 64


def noise(rng: np.random.Generator, antennas: int, loops: int = LOOPS, samples: int = SAMPLES) -> NDArray[np.complex64]:
    """Return complex noise of unit variance (loops, antennas, samples), single precision."""
    pairs = rng.standard_normal((loops, antennas, samples, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return np.asarray(pairs.view(np.complex64)[..., 0])


def line(range_bin: float, doppler_bin: float, gain: NDArray[np.complex128]) -> Frame:
    """Return a line without noise; frequencies in bins."""
    fast = np.exp(2j * np.pi * range_bin / SAMPLES * np.arange(SAMPLES))
    slow = np.exp(2j * np.pi * doppler_bin / LOOPS * np.arange(LOOPS))
    return np.asarray(slow[:, None, None] * gain[:, None] * fast)


def steering(snr_db: float, azimuth_rad: float, phase: float) -> NDArray[np.complex128]:
    """Return the gains (antennas,) of a target at an azimuth over noise of unit variance."""
    amplitude = np.sqrt(10.0 ** (snr_db / 10.0) / (LOOPS * SAMPLES))
    return np.asarray(amplitude * np.exp(1j * (phase + np.pi * np.arange(ANTENNAS) * np.sin(azimuth_rad))))


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share."""
    z, p = 1.96, hits / trials
    centre = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return centre - half, centre + half


def bins(lines: SpectralLines) -> NDArray[np.float64]:
    """Return the lines (k, 2) in bins (range, Doppler)."""
    return np.stack([lines.range_rad * SAMPLES, lines.doppler_rad * LOOPS], axis=1) / (2.0 * np.pi)


def apart(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences of bins (..., 2), on the circle."""
    size = np.array([SAMPLES, LOOPS])
    return np.asarray((found - truth + size / 2) % size - size / 2)


def matched(found: NDArray[np.float64], truth: NDArray[np.float64], limit: NDArray[np.float64]) -> bool:
    """Return whether each target has a line of its own within `limit` bins (range, Doppler)."""
    if len(found) < len(truth):
        return False
    near = np.all(np.abs(apart(found[None], truth[:, None])) < limit, axis=2)
    first, second = np.flatnonzero(near[0]), np.flatnonzero(near[1])
    return bool(first.size and second.size and np.union1d(first, second).size >= 2)


def false_alarms(trials: int) -> None:
    """Print measured and nominal overall false-alarm probabilities."""
    print("  L   nominal   frames   alarms   measured   95 % interval        inside   rounds   ms/frame")
    for antennas in (1, 4, 8):
        configs = [MnompConfig(p_overall=p) for p in (0.01, 0.1)]
        alarms, begin = [0, 0], time.perf_counter()
        rng = np.random.default_rng(100 + antennas)
        for _ in range(trials):
            frame = noise(rng, antennas)
            for i, config in enumerate(configs):
                alarms[i] += len(mnomp_cfar(frame, config)) > 0
        took = (time.perf_counter() - begin) / trials / 2 * 1e3
        for config, count in zip(configs, alarms, strict=True):
            low, high = wilson(count, trials)
            print(
                f"{antennas:3d}   {config.p_overall:7.3f}   {trials:6d}   {count:6d}   {count / trials:8.4f}"
                f"   {low:.4f} .. {high:.4f}   {low <= config.p_overall <= high!s:>6}   {config.cyclic_rounds:6d}"
                f"   {took:8.2f}",
                flush=True,
            )


def bound(trials: int) -> None:
    """Print mean square errors over the bound of a single line (eq. 59 and after of mnomp-spa-kf)."""
    print("SNR dB   found   MSE/CRB range   MSE/CRB Doppler   bias/std range, Doppler   +-95 %")
    for snr_db in (9.0, 11.0, 13.0, 15.0, 17.0, 19.0, 25.0, 40.0):
        rng = np.random.default_rng(200)
        errors = []
        for _ in range(trials):
            truth = rng.uniform([0, -LOOPS / 2], [SAMPLES, LOOPS / 2])
            gain = steering(snr_db, rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi))
            lines = mnomp_cfar(noise(rng, ANTENNAS) + line(*truth, gain))
            error = apart(bins(lines), truth)
            error = error[np.all(np.abs(error) < 1.5, axis=1)]
            if len(error):
                errors.append(error[0])
        if not errors:
            continue
        power = ANTENNAS * 10.0 ** (snr_db / 10.0)
        crb = 1.0 / (2.0 * power * np.array([np.mean(centred(n) ** 2) for n in (SAMPLES, LOOPS)]))
        crb *= (np.array([SAMPLES, LOOPS]) / (2.0 * np.pi)) ** 2
        scaled = np.array(errors) / np.sqrt(crb)
        ratio, bias = np.mean(scaled**2, axis=0), np.mean(scaled, axis=0)
        print(
            f"{snr_db:6.1f}   {len(errors) / trials:5.3f}   {ratio[0]:13.3f}   {ratio[1]:15.3f}"
            f"   {bias[0]:+.3f}, {bias[1]:+.3f}            {1.96 * np.sqrt(2 / len(errors)):6.3f}",
            flush=True,
        )


def pair(trials: int) -> None:
    """Print how often two close targets are separated."""
    distance = np.array([0.5 / RANGE_BIN_M, 0.4 / DOPPLER_BIN_MPS])
    print(
        f"targets {distance[0]:.2f} range bins and {distance[1]:.2f} Doppler bins apart, 19 dB; separated: a line each"
    )
    print("within half the distance in both axes. share [95 %], mean number of lines")
    print("detector                 same azimuth                      azimuths of their own")
    detectors = {
        "MNOMP R_c=0": lambda x: mnomp_cfar(x, MnompConfig(cyclic_rounds=0)),
        "MNOMP R_c=1": lambda x: mnomp_cfar(x, MnompConfig(cyclic_rounds=1)),
        "MNOMP R_c=3": lambda x: mnomp_cfar(x, MnompConfig(cyclic_rounds=3)),
        "2D-FFT-CFAR": fft_cfar,
        "2D-FFT-CFAR, between bins": lambda x: fft_cfar(x, between_bins=True),
    }
    for name, detect in detectors.items():
        texts = []
        for same in (True, False):
            rng = np.random.default_rng(300)
            hits, count = 0, 0
            for _ in range(trials):
                first = rng.uniform([0, -LOOPS / 2], [SAMPLES, LOOPS / 2])
                truth = np.stack([first, first + distance])
                azimuth = rng.uniform(-1, 1, 2)
                azimuth[1] = azimuth[0] if same else azimuth[1]
                frame = noise(rng, ANTENNAS).astype(np.complex128)
                for position, angle in zip(truth, azimuth, strict=True):
                    frame += line(*position, steering(19.0, angle, rng.uniform(0, 2 * np.pi)))
                lines = detect(frame)
                count += len(lines)
                hits += matched(bins(lines), truth, distance / 2)
            low, high = wilson(hits, trials)
            texts.append(f"{hits / trials:.3f} [{low:.3f} .. {high:.3f}]  {count / trials:5.2f}")
        print(f"{name:25s}{texts[0]:34s}{texts[1]}", flush=True)


def masked(trials: int) -> None:
    """Print how often a weak target beside a strong one is found, and what else is."""
    print("weak target 19 dB, neighbour 49 dB, five bins away; found: a line within half a bin in both axes")
    print("detector      apart in            share [95 %]               lines a frame   residual / noise dB")
    detectors = {
        "MNOMP R_c=0": lambda x: mnomp_cfar(x, MnompConfig(cyclic_rounds=0)),
        "MNOMP R_c=1": mnomp_cfar,
        "2D-FFT-CFAR": fft_cfar,
    }
    for name, detect in detectors.items():
        for axis, step in (("range", [5.0, 0.0]), ("Doppler", [0.0, 5.0]), ("both", [5.0, 5.0])):
            rng = np.random.default_rng(400)
            hits, count, residual = 0, 0, 0.0
            for _ in range(trials):
                strong = rng.uniform([0, -LOOPS / 2], [SAMPLES, LOOPS / 2])
                weak = strong + np.array(step) * rng.choice([-1, 1], 2)
                frame = noise(rng, ANTENNAS).astype(np.complex128)
                for position, snr_db in ((strong, 49.0), (weak, 19.0)):
                    frame += line(*position, steering(snr_db, rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi)))
                lines = detect(frame)
                count += len(lines)
                residual += lines.residual_power
                hits += bool(np.any(np.all(np.abs(apart(bins(lines), weak)) < 0.5, axis=1)))
            low, high = wilson(hits, trials)
            print(
                f"{name:13s} {axis:8s}   {hits / trials:.3f} [{low:.3f} .. {high:.3f}]   {count / trials:13.2f}"
                f"   {power_to_db(residual / trials):+.2f}",
                flush=True,
            )


def captures(folder: Path) -> None:
    """Print what detectors leave of real frames."""
    words = np.fromfile(folder / "awr1642-vibration" / "fan-on.bin", dtype="<i2").astype(np.float32)
    pairs = words.reshape(1000, 4, 128, 4)  # chirps of four antennas, samples in twos: I, I, Q, Q
    fan = (pairs[..., :2] + 1j * pairs[..., 2:]).reshape(1000, 4, 256).astype(np.complex64)
    words = np.load(folder / "xwr-tdm-mimo" / "doppler_example_1.npy")
    parts = [part.astype(np.uint16).view(np.int16) for part in (words.real, words.imag)]
    moving = (parts[0] + 1j * parts[1]).astype(np.complex64).reshape(128, -1, 128)
    print(
        "Power after removing the lines over that before, dB: of the frame, and of the highest cell. Then what 2D-FFT-"
    )
    print("CFAR finds (local maxima over the threshold, many of them side lobes): how many have a line of their own in")
    print("1.5 bins, how many without one are gone with the lines (10 dB less in their cell), how many stay.")
    print(
        "capture             detector                lines   frame dB   highest dB   own line   gone   stay        ms"
    )
    for name, frame in (("fan-on", fan), ("doppler_example_1", moving)):
        classic = fft_cfar(frame)
        size = np.array([frame.shape[2], frame.shape[0]])
        theirs = np.stack([classic.range_rad, classic.doppler_rad], 1) * size / (2 * np.pi)
        column, row = (np.rint(theirs).astype(int) % size).T
        before = cell_power(frame)
        for label, detect in (
            ("2D-FFT-CFAR", fft_cfar),
            ("MNOMP, k_max 30", mnomp_cfar),
            ("MNOMP, k_max 100", lambda x: mnomp_cfar(x, MnompConfig(k_max=100))),
            ("MNOMP, k_max 200", lambda x: mnomp_cfar(x, MnompConfig(k_max=200))),
        ):
            detect(frame)
            begin = time.perf_counter()
            lines = detect(frame)
            took = 1e3 * (time.perf_counter() - begin)
            rest = frame - explicit(lines, frame.shape)
            after = cell_power(rest)
            ours = np.stack([lines.range_rad, lines.doppler_rad], 1) * size / (2 * np.pi)
            difference = (theirs[:, None] - ours + size / 2) % size - size / 2
            own = np.any(np.all(np.abs(difference) < 1.5, axis=2), axis=1)
            gone = ~own & (after[row, column] < 0.1 * before[row, column])
            print(
                f"{name:19s} {label:22s} {len(lines):6d}   {power_to_db(mean_power(rest) / mean_power(frame)):8.2f}"
                f"   {power_to_db(after.max() / before.max()):10.2f}   {np.sum(own):8d}   {np.sum(gone):4d}"
                f"   {np.sum(~own & ~gone):4d}   {took:7.1f}"
            )


def explicit(lines: SpectralLines, shape: tuple[int, ...]) -> Frame:
    """Return the frame that lines make up (eq. 8)."""
    slow = np.exp(1j * lines.doppler_rad[:, None] * np.arange(shape[0]))
    fast = np.exp(1j * lines.range_rad[:, None] * np.arange(shape[2]))
    return np.asarray(np.einsum("km,kl,kn->mln", slow, lines.gain, fast, optimize=True))


def mean_power(frame: NDArray[np.complexfloating]) -> float:
    """Return the mean power of a sample."""
    return float(np.mean(np.abs(frame) ** 2))


def cell_power(frame: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Return the range-Doppler map (doppler, range)."""
    return np.asarray(np.sum(np.abs(np.fft.fft2(frame, axes=(0, 2))) ** 2, axis=1))


def main() -> None:
    """Run one of the tables."""
    parser = argparse.ArgumentParser()
    tables = {"false-alarms": false_alarms, "bound": bound, "pair": pair, "masked": masked}
    parser.add_argument("what", choices=[*tables, "captures"])
    parser.add_argument("--trials", type=int)
    parser.add_argument("--recordings", type=Path)
    options = parser.parse_args()
    if options.what == "captures":
        captures(options.recordings)
    else:
        tables[options.what](options.trials or (10_000 if options.what == "false-alarms" else 300))


if __name__ == "__main__":
    main()
