"""What calibration leaves of a still room, how well it knows delay, phase and level, and what it costs.

``python benchmarks/accuracy_calibration.py WHAT [--trials N]`` with WHAT one of

- ``clutter``: a model of a room written down here (direct path, 12 echoes, one of them 6 dB weaker and 1.3 ns later),
  jitter of 3 ns, a walk of 0.3 ns a block, clocks 1 ppm apart, a random phase in each block; what is left of each block
  less the mean of the 50 before it, over the thermal floor (noise times 1 + 1/50), at 20, 30 and 40 dB a tone;
- ``emulator``: the same in both rooms of the simulated radio, and with all its impairments;
- ``people``: people walk in these rooms, or the direct path is shadowed by 15 dB for a second: errors of the delay, and
  what those of delay, phase and level alone would leave of the still channel;
- ``receiver``: offsets and channel estimates from samples, and false locks;
- ``cost``: processor time a block.

Trials are rooms; seeds are 0, 1, ... Numbers are means, and standard deviations over trials after ``+-``.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.simulated.bistatic.impairments import PRESETS, Impairments, SignalFault, SignalFaultKind
from isactrack.drivers.simulated.bistatic.source import RadioSource
from isactrack.drivers.simulated.scene import make_scene
from isactrack.frame import BlockInfo
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.ofdm_waveform import gate_samples
from isactrack.processing.channel import BlockCalibration, CalibrationStatus
from isactrack.processing.ofdm_config import CALIBRATIONS, CalibrationConfig
from isactrack.processing.ofdm_receiver import OfdmReceiver, csi_sensor
from isactrack.processing.reference_path import make_calibration

Channel = NDArray[np.complex128]
C = 299792458.0
BLOCKS, MEAN_BLOCKS = 300, 50
RADIO = OfdmSensor(
    model="radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=(-1.5, 4.0),
)  # fmt: skip
SAMPLES = gate_samples(RADIO.fft_size, RADIO.cyclic_prefix_samples)
TRUSTED = (CalibrationStatus.LOCKED, CalibrationStatus.HELD)
JITTER = replace(
    PRESETS["none"], random_phase=True, timing_jitter_s=3e-9, timing_walk_s=0.3e-9, clock_drift_ppm=1.0
)  # fmt: skip


@dataclass(frozen=True)
class Received:
    """A block as the radio delivers it, and what was done to it."""

    csi: Channel
    noise_power: float
    gain_db: float
    delay_s: float
    phase_rad: float
    level_db: float


def path(sensor: OfdmSensor, length_m: float, azimuth_rad: float, gain: complex) -> Channel:
    """Return the channel (rows, n_tones) of one path."""
    rows = np.exp(2j * np.pi * np.asarray(sensor.rx_positions) * np.sin(azimuth_rad))
    frequencies = sensor.carrier_frequency_hz + sensor.tone_frequencies_hz
    return np.asarray(gain * rows[:, None] * np.exp(-2j * np.pi * frequencies * length_m / C))


def modelled(seed: int, snr_db: float, blocks: int = BLOCKS) -> tuple[OfdmSensor, Iterator[Received]]:
    """Return the blocks of a room of this benchmark's own model."""
    rng = np.random.default_rng([seed, 1])
    length, azimuth = RADIO.direct_path_m, RADIO.direct_azimuth_rad
    still = path(RADIO, length, azimuth, 1.0)
    still += path(RADIO, length + 1.3e-9 * C, azimuth + 0.05, 0.5 * np.exp(2j * np.pi * rng.random()))
    for _ in range(11):
        gain = 10 ** (-rng.uniform(8, 25) / 20) * np.exp(2j * np.pi * rng.random())
        still += path(RADIO, length + rng.uniform(1, 20), rng.uniform(-1.1, 1.1), gain)
    noise = float(np.mean(np.abs(still) ** 2)) * 10 ** (-snr_db / 10)

    def make() -> Iterator[Received]:
        walk = 0.0
        for m in range(blocks):
            walk += 0.3e-9 * rng.standard_normal()
            delay = walk + 3e-9 * rng.standard_normal() + 1e-6 * RADIO.frame_period_s * m
            phase = rng.uniform(0, 2 * np.pi)
            turned = still * np.exp(1j * phase - 2j * np.pi * RADIO.tone_frequencies_hz * delay)
            pairs = math.sqrt(noise / 2) * rng.standard_normal((*still.shape, 2))
            yield Received(turned + pairs.view(np.complex128)[..., 0], noise, 0.0, delay, phase, 0.0)

    return RADIO, make()


def emulated(
    scene_name: str, seed: int, radio: Impairments, blocks: int = BLOCKS, shadow: tuple[float, float] | None = None,
    capture: Capture = Capture.CSI,
) -> tuple[OfdmSensor, Iterator[Received]]:  # fmt: skip
    """Return the blocks of the simulated radio in a room, and what it did to them."""
    scene = make_scene(scene_name, seed)
    room = scene.room
    assert room is not None
    gate = SAMPLES if capture is Capture.IQ else 0
    x, y = room.transmitter_in(room.receiver)
    sensor = replace(RADIO, tx_position_m=(float(x), float(y)), csi_scale=1e-8, capture=capture, gate_samples=gate)
    plan = [] if shadow is None else [SignalFault(SignalFaultKind.SHADOW, *shadow)]
    source = RadioSource(scene, sensor, pose=room.receiver, seed=seed, impairments=radio, plan=plan)
    receiver = OfdmReceiver(sensor) if capture is Capture.IQ else None

    def make() -> Iterator[Received]:
        for m in range(blocks):
            words, info = source.make(m)
            cube = words.astype(np.float32).view(np.complex64).reshape(sensor.cube_shape)[0]
            if receiver is not None:
                got = receiver(cube, info)
                assert got is not None, "no preamble was found"
                cube, info = got
            delay, phase = source._drawn(m, np.random.default_rng([seed, 41, m]))  # noqa: SLF001
            level = source._gain(m).true_db - info.gain_db  # noqa: SLF001
            yield Received(np.asarray(cube), info.noise_power, info.gain_db, delay, phase, level)

    return csi_sensor(sensor), make()


@dataclass(frozen=True)
class Run:
    """Calibrated blocks of one room beside the truth."""

    csi: Channel
    taken: list[BlockCalibration]
    noise: NDArray[np.float64]
    received: list[Received]
    sensor: OfdmSensor

    @classmethod
    def of(cls, sensor: OfdmSensor, blocks: Iterator[Received], method: str = "reference") -> "Run":
        """Calibrate blocks."""
        calibration = make_calibration(sensor, CalibrationConfig(method=method))
        csi, taken, noise, received = [], [], [], []
        for m, block in enumerate(blocks):
            out, found = calibration(block.csi, m, m * sensor.frame_period_s, block.noise_power, block.gain_db)
            csi.append(out)
            taken.append(found)
            noise.append(block.noise_power * (sensor.csi_scale * 10 ** (-(block.gain_db + found.gain_db) / 20)) ** 2)
            received.append(replace(block, csi=np.zeros(0, dtype=np.complex128)))
        return cls(np.array(csi), taken, np.array(noise), received, sensor)

    def left_db(self, first: int = 100) -> float:
        """Return what a running mean leaves, over the still channel."""
        moved = [self.csi[m] - self.csi[m - MEAN_BLOCKS : m].mean(axis=0) for m in range(first, len(self.csi))]
        return float(10 * np.log10(np.mean(np.abs(moved) ** 2) / np.mean(np.abs(self.csi[first:]) ** 2)))

    def floor_db(self, first: int = 100) -> float:
        """Return the thermal floor under the same, for calibrations that keep the scale."""
        return float(
            10 * np.log10((1 + 1 / MEAN_BLOCKS) * self.noise[first:].mean() / np.mean(np.abs(self.csi[first:]) ** 2))
        )

    @property
    def trusted(self) -> NDArray[np.bool_]:
        """Blocks (n,) that may be used."""
        return np.array([block.status in TRUSTED for block in self.taken])

    def share(self, status: CalibrationStatus) -> float:
        """Return the share of blocks with a status."""
        return float(np.mean([block.status is status for block in self.taken]))

    def delay_errors(self) -> NDArray[np.float64]:
        """Return errors (n,) of the delay, turns of the window taken off."""
        error = np.array([t.delay_s - r.delay_s for t, r in zip(self.taken, self.received, strict=True)])
        window = self.sensor.delay_max_s
        return np.asarray((error + window / 2) % window - window / 2)

    def unsteady_db(self, first: int = 100) -> float:
        """Return what errors of delay, phase and level alone leave of a still channel behind a running mean."""
        error = self.delay_errors()
        turn = np.array([
            10 ** ((r.level_db - t.gain_db) / 20) * np.exp(-1j * (t.phase_rad - r.phase_rad))
            for t, r in zip(self.taken, self.received, strict=True)
        ])  # fmt: skip
        shape = turn[:, None] * np.exp(2j * np.pi * error[:, None] * self.sensor.tone_frequencies_hz)
        good = self.trusted
        left = [
            np.mean(np.abs(shape[m] - shape[m - MEAN_BLOCKS : m].mean(axis=0)) ** 2)
            for m in range(first, len(shape))
            if good[m - MEAN_BLOCKS : m + 1].all()
        ]
        return float(10 * np.log10(np.mean(left)))


def spread(values: list[float], digits: int = 2) -> str:
    """Return mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} +- {np.std(values):.{digits}f}"


def clutter(trials: int) -> None:
    """Print what is left over the thermal floor in rooms of this benchmark's model."""
    print(f"left after the mean of {MEAN_BLOCKS} blocks, dB over the still channel, {trials} rooms")
    print("SNR dB | floor | " + " | ".join(CALIBRATIONS) + " | reference over floor | delay ps (bound) | bias ps")
    for snr_db in (20.0, 30.0, 40.0):
        left: dict[str, list[float]] = {method: [] for method in CALIBRATIONS}
        floor, over, jitter, bias = [], [], [], []
        for seed in range(trials):
            for method in CALIBRATIONS:
                run = Run.of(*modelled(seed, snr_db), method)
                left[method].append(run.left_db())
                if method == "reference":
                    floor.append(run.floor_db())
                    over.append(left[method][-1] - floor[-1])
                    jitter.append(float(run.delay_errors()[60:].std()) * 1e12)
                    bias.append(float(run.delay_errors()[60:].mean()) * 1e12)
        angular = 2 * np.pi * RADIO.tone_frequencies_hz
        bound = 1e12 / math.sqrt(2 * 8 * 10 ** (snr_db / 10) * np.sum(angular**2))
        print(
            f"{snr_db:.0f} | {np.mean(floor):.2f} | "
            + " | ".join(spread(left[method]) for method in CALIBRATIONS)
            + f" | {spread(over)}, worst {max(over):.2f} | {spread(jitter)} ({bound:.2f}) | {spread(bias, 1)}"
        )


def emulator(trials: int) -> None:
    """Print the same in the rooms of the simulated radio."""
    cases = [(f"{snr:.0f} dB", replace(JITTER, snr_db=snr)) for snr in (20.0, 30.0, 40.0)]
    cases += [(name, PRESETS[name]) for name in ("typical", "harsh")]
    print(f"left over the still channel, dB, {trials} rooms; with impairments the floor is the thermal noise alone")
    print("room | radio | floor | " + " | ".join(CALIBRATIONS) + " | reference over floor")
    for room in ("lab", "office"):
        for name, radio in cases:
            left: dict[str, list[float]] = {method: [] for method in CALIBRATIONS}
            floor, over = [], []
            for seed in range(trials):
                for method in CALIBRATIONS:
                    run = Run.of(*emulated(f"{room}-empty", seed, radio), method)
                    left[method].append(run.left_db())
                    if method == "reference":
                        floor.append(run.floor_db())
                        over.append(left[method][-1] - floor[-1])
            print(
                f"{room} | {name} | {np.mean(floor):.2f} | "
                + " | ".join(spread(left[method]) for method in CALIBRATIONS)
                + f" | {spread(over)}, worst {max(over):.2f}"
            )


def people(trials: int) -> None:
    """Print errors while people walk, and while the direct path is shadowed."""
    print(f"{trials} rooms each, 900 blocks")
    print("scene | radio | unsteadiness dB | delay ps: spread, bias, worst | locked | held | rejected %")
    dark = (1.5, 2.5)
    for scene, name, shadow in (
        ("lab-crossing", "typical", None), ("lab-crossing3", "typical", None), ("lab-crossing3", "harsh", None),
        ("office-crossing", "typical", None), ("office-crossing3", "harsh", None),
        ("lab-empty", "typical", dark), ("office-empty", "typical", dark),
        ("lab-crossing", "typical", dark), ("office-crossing", "typical", dark),
    ):  # fmt: skip
        steady, jitter, bias, worst = [], [], [], []
        shares: dict[CalibrationStatus, list[float]] = {status: [] for status in CalibrationStatus}
        for seed in range(trials):
            run = Run.of(*emulated(scene, seed, PRESETS[name], 900, shadow))
            error = 1e12 * run.delay_errors()[run.trusted]
            steady.append(run.unsteady_db())
            jitter.append(float(error.std()))
            bias.append(float(error.mean()))
            worst.append(float(np.abs(error).max()))
            for status, values in shares.items():
                values.append(100 * run.share(status))
        told = " | ".join(
            spread(shares[status], 1)
            for status in (CalibrationStatus.LOCKED, CalibrationStatus.HELD, CalibrationStatus.REJECTED)
        )
        print(
            f"{scene}{', shadowed' if shadow else ''} | {name} | {spread(steady, 1)} | {spread(jitter, 1)}, "
            f"{spread(bias, 1)}, {max(worst):.0f} | {told}"
        )


def receiver(trials: int) -> None:
    """Print what the receiver makes of samples, and how often noise passes as a preamble."""
    print(f"{trials} rooms of 160 gates: left after calibration over the thermal floor")
    for name in ("typical", "harsh"):
        over = []
        for seed in range(trials):
            run = Run.of(*emulated("lab-empty", seed, PRESETS[name], 160, capture=Capture.IQ))
            over.append(run.left_db() - run.floor_db())
        print(f"lab, {name}: {spread(over)} dB, worst {max(over):.2f}")
    sensor = replace(RADIO, capture=Capture.IQ, gate_samples=SAMPLES)
    rng = np.random.default_rng(0)
    gates = 100 * trials
    locks = sum(
        OfdmReceiver(sensor)(rng.standard_normal((8, SAMPLES, 2)).view(np.complex128)[..., 0]) is not None
        for _ in range(gates)
    )
    print(f"noise alone: {locks} false locks in {gates} gates")


def cost(trials: int) -> None:
    """Print the processor time a block, the least and the median."""
    sensor, blocks = modelled(0, 20.0, 500 * trials)
    calibration = make_calibration(sensor, CalibrationConfig())
    times = []
    for m, block in enumerate(blocks):
        begun = time.thread_time()
        calibration(block.csi, m, 0.0, block.noise_power)
        times.append(1e6 * (time.thread_time() - begun))
    print(f"calibration with I/Q image: {min(times[100:]):.0f} us at least, median {np.median(times[100:]):.0f} us")
    samples = replace(RADIO, capture=Capture.IQ, gate_samples=SAMPLES)
    source = RadioSource(
        make_scene("lab-empty"), samples, pose=make_scene("lab-empty").room.receiver, seed=0,  # type: ignore[union-attr]
        impairments=PRESETS["typical"],
    )  # fmt: skip
    gate = source.make(0)[0].astype(np.float32).view(np.complex64).reshape(samples.cube_shape)[0]
    to_csi, times = OfdmReceiver(samples), []
    for _ in range(100 * trials):
        begun = time.thread_time()
        to_csi(gate, BlockInfo())
        times.append(1e3 * (time.thread_time() - begun))
    print(f"receiver: {min(times):.2f} ms at least, median {np.median(times):.2f} ms")


def main() -> None:
    """Run what the command line names."""
    parts = {"clutter": clutter, "emulator": emulator, "people": people, "receiver": receiver, "cost": cost}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=parts)
    parser.add_argument("--trials", type=int, default=5)
    options = parser.parse_args()
    parts[options.what](options.trials)


if __name__ == "__main__":
    main()
