"""What the bistatic chain costs, calibration to tracks, for a block of 4 ms.

Run with ``OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/bench_ofdm_chain.py``. It takes processor time of
one core, so that other work on the machine counts little. Blocks come from the simulated radio and are made before the
clock starts; each figure is the best and the worst of some rounds over all of them.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from isactrack.acquisition.pipeline import default_tracker_config
from isactrack.drivers.registry import open_device
from isactrack.frame import Frame
from isactrack.ofdm import OfdmSensor
from isactrack.processing.ofdm_chain import OfdmChain
from isactrack.processing.ofdm_config import MusicConfig, OfdmChainConfig
from isactrack.sensor import require_ofdm
from isactrack.tracking.tracker import Tracker

BAR_MS = 2.0
"""What a block may cost at most; it lasts 4 ms."""
STEPS = {"calibration": "_calibrate", "clutter": "_clutter", "2D-MUSIC": "_music", "targets": "_targets"}


class Timed:
    """A step of the chain whose calls are timed."""

    def __init__(self, step: Any, total: dict[str, float], name: str) -> None:
        self._step, self._total, self._name = step, total, name

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._step, name)
        return self._timed(value) if name == "push" else value

    def __call__(self, *arguments: Any) -> Any:
        """Run the step."""
        return self._timed(self._step)(*arguments)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begin_s = time.process_time()
            result = function(*arguments)
            self._total[self._name] += time.process_time() - begin_s
            return result

        return run


def blocks(scene: str, seed: int, count: int, capture: str) -> tuple[OfdmSensor, list[Frame]]:
    """Return the radio and blocks of a scene."""
    with open_device(f"sim://bistatic?scene={scene}&seed={seed}&speed=max&capture={capture}") as device:
        sensor = require_ofdm(device.configure())
        device.start()
        frames = []
        for frame in device.frames():
            frames.append(frame)
            if len(frames) == count:
                break
        return sensor, frames


def measure(sensor: OfdmSensor, frames: list[Frame], config: OfdmChainConfig) -> dict[str, float]:
    """Return costs in milliseconds: of a block on the mean, its percentiles, those of an estimate, and of the steps."""
    chain, tracker = OfdmChain(sensor, config), Tracker(default_tracker_config(sensor, config))
    plain: list[float] = []
    with_estimate: list[float] = []
    tracking_s = 0.0
    for frame in frames:
        begin_s = time.process_time()
        output = chain(frame)
        if output is not None:
            middle_s = time.process_time()
            tracker.step(output.detections)
            tracking_s += time.process_time() - middle_s
        (plain if output is None else with_estimate).append(time.process_time() - begin_s)
    every = 1e3 * np.array(plain + with_estimate)
    return {
        "mean of a block": float(every.mean()),
        "p50 of a block": float(np.percentile(every, 50)),
        "p99 of a block": float(np.percentile(every, 99)),
        "block without estimate": 1e3 * float(np.median(plain)),
        "block with estimate": 1e3 * float(np.median(with_estimate)),
        "tracker, a block": 1e3 * tracking_s / len(frames),
    }


def measure_steps(sensor: OfdmSensor, frames: list[Frame], config: OfdmChainConfig) -> dict[str, float]:
    """Return what each step costs a block, milliseconds, in a run of its own, because timing costs too."""
    chain = OfdmChain(sensor, config)
    total = dict.fromkeys(STEPS, 0.0)
    for name, attribute in STEPS.items():
        setattr(chain, attribute, Timed(getattr(chain, attribute), total, name))
    for frame in frames:
        chain(frame)
    return {f"{name}, a block": 1e3 * seconds / len(frames) for name, seconds in total.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", default="lab-crossing")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--blocks", type=int, default=1000)
    parser.add_argument("--capture", choices=("csi", "iq"), default="csi")
    parser.add_argument("--rounds", type=int, default=3, help="the best of them counts")
    parser.add_argument("--no-smoothing", action="store_true")
    options = parser.parse_args()
    config = OfdmChainConfig(music=MusicConfig(smoothing=not options.no_smoothing))
    sensor, frames = blocks(options.scene, options.seed, options.blocks, options.capture)
    measure(sensor, frames[:200], config)  # imports and caches
    runs = [measure(sensor, frames, config) for _ in range(options.rounds)]
    steps = [measure_steps(sensor, frames, config) for _ in range(options.rounds)]
    print(f"{len(frames)} blocks of {options.scene}, seed {options.seed}, capture {options.capture}; ms of one core")
    print(f"{'':24}{'best':>8}{'worst':>8}")
    for of_all in (runs, steps):
        for name in of_all[0]:
            values = [one[name] for one in of_all]
            print(f"{name:24}{min(values):8.3f}{max(values):8.3f}")
    best = min(one["mean of a block"] for one in runs)
    print(f"a block costs {best:.2f} ms of the {1e3 * sensor.frame_period_s:g} ms it lasts; the bar is {BAR_MS:g} ms")


if __name__ == "__main__":
    main()
