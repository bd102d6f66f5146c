"""An advisory lock that tells other processes that a file is being recorded.

HDF5's own lock is gone once a file is open for reading along. This one is shared, so that readers of any kind still get
theirs; who would replace the file asks for an exclusive one, which fails while the writer lives. Windows needs no lock:
there a file that is open cannot be replaced.
"""

import os
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from isactrack.errors import RecordingError
from isactrack.recordings.superblock import read_state

if sys.platform != "win32":
    import fcntl


def hold(path: Path, owner: object) -> Callable[[], object]:
    """Lock a file until the returned function is called, or `owner` is gone."""
    file = os.open(path, os.O_RDONLY)
    if sys.platform != "win32":
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_SH)
    return weakref.finalize(owner, os.close, file)


def check_not_recorded(path: Path) -> None:
    """Complain about a file that somebody is recording, to whom it must be left.

    Raises
    ------
    RecordingError
        If a writer has it open.
    """
    if _is_locked(path):
        state = read_state(path)
        # A file that is locked, but was closed, has a reader; one without a superblock is just being made.
        if state.open_for_write or not state.is_hdf5:
            raise RecordingError(
                f"{path} is being recorded by another process", "choose another name, or wait until it has ended"
            )


def _is_locked(path: Path) -> bool:
    if sys.platform == "win32" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # cannot be read, or a file system without locks: then nobody knows
        return False
    return False
