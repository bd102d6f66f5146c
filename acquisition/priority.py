"""Who gives way where there is not enough of the computer for all."""

import os
import sys
import threading

GIVES_WAY = 10
"""By how much a thread that may skip is nicer than one that may not: it gets what the others leave."""


def give_way(by: int = GIVES_WAY) -> bool:
    """Let the calling thread give way to the other threads of the process; return whether the system can do that.

    On Linux each thread has a niceness of its own. Elsewhere there is one for the whole process, which stays as it is.

    Parameters
    ----------
    by
        Niceness to be added, as of nice(1).
    """
    if sys.platform != "linux":
        return False
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + by)
    except OSError:
        return False
    return True
