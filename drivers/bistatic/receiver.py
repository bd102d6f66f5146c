"""Reads a radio's data in a thread of its own, and makes frames of them."""

import queue
import threading
import time
from dataclasses import replace
from typing import Final

from isactrack.drivers.bistatic.assembler import BlockAssembler
from isactrack.drivers.bistatic.control import Settings
from isactrack.drivers.bistatic.link import Link
from isactrack.drivers.device import DeviceStats, host_clocks
from isactrack.drivers.journal import Journal
from isactrack.frame import Frame

READ_S: Final = 0.05
"""Longest wait for data; a receiver that is closed ends within it."""
QUEUED_BYTES: Final = 256 << 20
MOST_QUEUED: Final = 8192
"""Frames that wait to be taken take up at most so much, and are at most so many; what comes then is an overrun."""


class Receiver:
    """Frames from the packets that come over a link, from now on.

    Parameters
    ----------
    link
        Way to the radio.
    settings
        What the radio runs.
    journal
        Takes what happens.

    Attributes
    ----------
    heard_s
        When the last data came, on the host's monotonic clock, seconds.
    failure
        What ended the reading before its time: a DeviceError of the link or of the stream, or whatever else went wrong.
    """

    def __init__(self, link: Link, settings: Settings, journal: Journal) -> None:
        self._link = link
        self._assembler = BlockAssembler(settings, journal.note)
        rows, samples = settings.block_shape
        room = min(max(4, QUEUED_BYTES // (4 * rows * samples)), MOST_QUEUED)
        self._frames: queue.Queue[Frame] = queue.Queue(maxsize=room)
        self._rejected_before = link.rejected
        self._closing = threading.Event()
        self.heard_s = time.monotonic()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="bistatic-receiver", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return not self._thread.is_alive() and self._frames.empty()

    @property
    def stats(self) -> DeviceStats:
        """A copy of the counters."""
        counted = self._assembler.stats
        foreign = self._link.rejected - self._rejected_before
        return replace(counted, rejected_packets=counted.rejected_packets + foreign)

    @property
    def behind(self) -> bool:
        """Whether frames wait to be taken."""
        return not self._frames.empty()

    def take(self, timeout_s: float) -> Frame | None:
        """Return the next frame, None if none comes in time."""
        try:
            return self._frames.get(timeout=timeout_s) if timeout_s > 0.0 else self._frames.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End; may be called again, from any thread."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._take(self._link.receive(READ_S))
        except Exception as error:  # noqa: BLE001 - a thread has no caller; who takes the frames asks for it
            self.failure = error
            # Only then: of a stream that was stopped, the block that is not whole is no loss.
            for frame in self._assembler.flush():
                self._give(frame)

    def _take(self, packets: list[bytes]) -> None:
        if not packets:
            return
        monotonic_ns, utc_ns = host_clocks()
        counted = self._assembler.stats.packets
        for packet in packets:
            for frame in self._assembler.push(packet, monotonic_ns, utc_ns):
                self._give(frame)
        if self._assembler.stats.packets > counted:
            self.heard_s = monotonic_ns / 1e9

    def _give(self, frame: Frame) -> None:
        try:
            self._frames.put_nowait(frame)
        except queue.Full:
            self._count_dropped(frame)

    def _count_dropped(self, frame: Frame) -> None:
        """Count a frame for which there is no room as one that never came."""
        stats = self._assembler.stats
        stats.overruns += 1
        stats.frames -= 1
        stats.incomplete_frames -= not frame.complete
        stats.missing_frames += 1
        stats.lost_bytes += frame.samples.nbytes - frame.lost_bytes
