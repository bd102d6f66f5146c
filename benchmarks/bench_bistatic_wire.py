"""What the emulated wire costs a block: from the radio's words to the driver's frame, and with the scene before it.

    python benchmarks/bench_bistatic_wire.py [--blocks 3000]

Times are those of the whole process divided by blocks, the least of three passes; wall time counts what two threads
do at once only once, and everything that other programs do to the machine.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.bistatic.device import SimulatedBistatic
from isactrack.drivers.simulated.fault_plan import Fault
from isactrack.frame import BlockInfo
from isactrack.ofdm import OfdmSensor
from isactrack.truth import Truth

PASSES = 3


class NullSource:
    """The same words in each block."""

    def __init__(self, sensor: OfdmSensor) -> None:
        self._sensor = sensor
        self._words = np.arange(sensor.frame_words).astype(np.int16)

    def make(self, counter: int, *, lo_locked: bool = True) -> tuple[NDArray[np.int16], BlockInfo]:
        """See `BlockSource.make`."""
        time_s = counter * self._sensor.frame_period_s + self._sensor.stagger_of(counter)
        return self._words, BlockInfo(tick=round(time_s * self._sensor.sample_rate_hz))

    def truth(self, counter: int) -> Truth:
        """Return that nobody is there."""
        return Truth(float(counter), np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))


@contextmanager
def null_sources() -> Iterator[None]:
    """Let radios deliver the same words in each block."""

    def make(_self: SimulatedBistatic, sensor: OfdmSensor, _start_s: float, _plan: tuple[Fault, ...]) -> NullSource:
        return NullSource(sensor)

    before = SimulatedBistatic._make_source  # noqa: SLF001 - a benchmark looks inside
    SimulatedBistatic._make_source = make  # type: ignore[assignment, method-assign]  # noqa: SLF001
    try:
        yield
    finally:
        SimulatedBistatic._make_source = before  # type: ignore[method-assign]  # noqa: SLF001


def measure(url: str, blocks: int) -> str:
    """Return wall and processor time a block, as text."""
    wall_s, cpu_s = [], []
    with open_device(url) as device:
        device.configure()
        device.start()
        for _ in islice(device.frames(), blocks // 10):
            pass
        for _ in range(PASSES):
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            taken = sum(1 for _ in islice(device.frames(), blocks))
            wall_s.append((time.perf_counter() - began_s) / taken)
            cpu_s.append((time.process_time() - began_cpu_s) / taken)
        assert device.stats.missing_frames == device.stats.incomplete_frames == 0
    return f"{1e3 * min(wall_s):7.3f} ms wall, {1e3 * min(cpu_s):7.3f} ms processor, {1.0 / min(wall_s):6.0f} blocks/s"


def main() -> None:
    """Print a line for each link and capture, without and with a scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=3000)
    blocks = parser.parse_args().blocks
    for capture, count in (("csi", blocks), ("iq", max(blocks // 30, 10))):
        for link in ("usb", "udp"):
            url = f"sim://bistatic?speed=max&link={link}&capture={capture}&seed=1000"
            with null_sources():
                print(f"{capture} {link}, wire and driver alone: {measure(url, count)}")
            print(f"{capture} {link}, with lab-crossing:       {measure(url, max(count // 5, 10))}")


if __name__ == "__main__":
    main()
