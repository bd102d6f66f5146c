"""How far ahead of its host a radio may be that has no clock: a simulation that goes as fast as it can."""

import math
import threading
import time
from typing import Final

AHEAD_BLOCKS: Final = 256
"""Blocks that a fast radio may be ahead of the host at most."""
STARVED_S: Final = 0.005
"""A host that waits for so long gets more blocks: those that it waits for were lost on the way."""
QUIET_S: Final = 0.25
"""A radio is quiet no longer than this while there is room: its driver would take that for a dead wire."""


class HostPace:
    """What the host has taken, told by whoever hands it the frames; without anybody who tells, nobody waits.

    A fast radio would fill every queue of its host in no time, and blocks would be lost that no real radio would lose.
    So when it is as far ahead as it may be, it waits until the host has come half the way, or for `QUIET_S`, and then
    makes all the blocks that it may: two threads that took turns block by block would spend their time in taking turns.
    """

    def __init__(self) -> None:
        self._ahead = AHEAD_BLOCKS
        self._moved = threading.Condition()
        self._wanted: float = math.inf  # block from which on somebody waits
        self._taken = -1
        self._told = False
        self._reading_since_s = math.inf

    def follow(self) -> None:
        """Let the radio wait from now on: somebody tells."""
        self._told = True

    def begin(self, ahead: int = AHEAD_BLOCKS) -> None:
        """Begin a run: nothing is taken, and the radio may be ahead by `ahead` blocks, at most `AHEAD_BLOCKS`."""
        with self._moved:
            self._ahead = max(1, min(ahead, AHEAD_BLOCKS))
            self._taken, self._reading_since_s = -1, math.inf

    def reads(self) -> None:
        """Note that the host waits for a block."""
        self._reading_since_s = time.monotonic()

    def took(self, block: int | None) -> None:
        """Note that the host waits no more: it has taken a block, or given up."""
        self._reading_since_s = math.inf
        if block is not None and block > self._taken:
            self._taken = block
            if block >= self._wanted:
                self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        with self._moved:
            self._moved.notify_all()

    def may_send(self, block: int) -> bool:
        """Whether a block may be sent now."""
        return not self._told or block <= self._taken + self._ahead

    def wait(self, block: int, stop: threading.Event) -> bool:
        """Wait until a block may be sent; return False once the radio is stopped."""
        if not self.may_send(block):
            with self._moved:
                self._wanted = wanted = block - self._ahead + self._ahead // 2
                quiet_until_s = time.monotonic() + QUIET_S
                while self._taken < wanted and not stop.is_set():
                    if self._starved():
                        self._taken = wanted
                    if time.monotonic() > quiet_until_s and self.may_send(block):
                        break
                    self._moved.wait(STARVED_S)
                self._wanted = math.inf
        return not stop.is_set()

    def _starved(self) -> bool:
        return time.monotonic() - self._reading_since_s > STARVED_S
