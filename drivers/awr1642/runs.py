"""Frame numbers and counters over several runs of the radar within one start.

After an overrun the card's stream is shifted against the frames by samples that no count shows. Stopping and starting
record and radar makes the next byte 0 the beginning of a frame again. Here the frames of all runs get one counter,
which jumps over what is missing.
"""

import bisect
import math
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Final

from isactrack.drivers.device import DeviceStats
from isactrack.frame import Frame

_NS: Final = 1e-9


class RunLedger:
    """Numbers the frames of one start and adds up its counters.

    Parameters
    ----------
    frame_bytes, frame_period_s
        Size and period of the frames.
    time_scale
        Seconds on the device's clock per second on the host's: 1 for hardware, other values for simulations; infinite
        if the host's clock says nothing about the device's.
    frame_count
        Frames that are due; None if there is no end. A run that begins when the last one is over begins behind it.

    Attributes
    ----------
    next_counter
        One past the counter of the last frame that was handed out.
    """

    def __init__(
        self, frame_bytes: int, frame_period_s: float, *, time_scale: float = 1.0, frame_count: int | None = None
    ) -> None:
        self.next_counter = 0
        self._frame_bytes, self._period_s = frame_bytes, frame_period_s
        self._scale = time_scale
        self._most = math.inf if frame_count is None else frame_count
        self._runs = [0]  # counter of the first frame of each run
        self._settled = DeviceStats()
        self._running = True
        self._new = False  # whether no frame of the present run has come, so that its number is not known
        self._last = -1, time.monotonic_ns()  # counter and arrival of the last frame that was handed out

    @property
    def first_counter(self) -> int:
        """Counter of the first frame of the present run, the least that it can be until a frame has come."""
        return self._runs[-1]

    def number(self, frame: Frame) -> Frame:
        """Return a frame of the present run with its number among those of all runs."""
        if self._new:
            self._new = False
            self._begin_at(frame)
        counter = self.first_counter + frame.counter
        self.next_counter = counter + 1
        self._last = counter, frame.host_monotonic_ns
        if self.first_counter == 0:
            return frame
        return replace(frame, counter=counter, device_time_s=counter * self._period_s)

    def end_run(self, stats: DeviceStats, dropped: Iterable[Frame]) -> None:
        """End the present run.

        Parameters
        ----------
        stats
            What was counted in it.
        dropped
            Frames that were counted in it but are not handed out; they count as missing.
        """
        settled = _sum(self._settled, stats)
        for frame in dropped:
            settled.frames -= 1
            settled.incomplete_frames -= not frame.complete
            settled.missing_frames += 1
            settled.lost_bytes += self._frame_bytes - frame.lost_bytes
        self._settled, self._running = settled, False

    def begin_run(self) -> None:
        """Begin another run; its first frame will say how many frames are missing before it."""
        self._runs.append(self._settled.frames + self._settled.missing_frames)
        self._running = self._new = True

    def total(self, stats: DeviceStats) -> DeviceStats:
        """Return the counters of all runs, those of the present one given."""
        return _sum(self._settled, stats) if self._running else replace(self._settled)

    def run_time_s(self, counter: int) -> float:
        """Return when a frame began, seconds since its run did."""
        first = self._runs[max(bisect.bisect_right(self._runs, counter) - 1, 0)]
        return (counter - first) * self._period_s

    def _begin_at(self, frame: Frame) -> None:
        """Take the first frame of a run for the one that is due when it comes."""
        counter, arrival_ns = self._last
        if not math.isfinite(self._scale):
            return
        passed = round((frame.host_monotonic_ns - arrival_ns) * _NS * self._scale / self._period_s)
        first = min(counter + passed - frame.counter, self._most)
        missing = max(0, int(first) - self.first_counter)
        self._runs[-1] += missing
        self._settled.missing_frames += missing
        self._settled.lost_bytes += missing * self._frame_bytes


def _sum(one: DeviceStats, other: DeviceStats) -> DeviceStats:
    return DeviceStats(**{f.name: getattr(one, f.name) + getattr(other, f.name) for f in fields(DeviceStats)})
