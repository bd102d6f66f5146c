"""Signals that wait while modules are imported."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Let Ctrl-C and the like wait for the end of this block, which raises KeyboardInterrupt then.

    For imports: raised in the middle of one, a KeyboardInterrupt comes out of some compiled modules as an ImportError,
    and some callbacks of the import system print and lose it. Does nothing where signals do not interrupt.
    """
    came: list[int] = []
    numbers = [one for one in signal.valid_signals() if signal.getsignal(one) is signal.default_int_handler]
    held: list[int] = []
    try:
        for number in numbers:
            try:
                signal.signal(number, lambda number, _frame: came.append(number))
            except ValueError:  # not the main thread, which is the one that signals interrupt
                break
            held.append(number)
        yield
    finally:
        for one in held:
            signal.signal(one, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt
