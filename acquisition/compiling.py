"""A word to whoever waits while kernels are compiled."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 3.0
"""Time after which waiting is explained."""

_log = logging.getLogger(__name__)


@contextmanager
def explained_if_slow(patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Warn in the log if the block, which makes chains and trackers, takes longer than this.

    Parameters
    ----------
    patience_s
        Time before the warning, s.
    """
    text = "still loading compiled kernels; the first time on a machine they are compiled, which may take a minute"
    timer = threading.Timer(patience_s, _log.warning, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
