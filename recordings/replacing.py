"""Files that appear when they are complete: whatever interrupts the writing leaves what was there before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from isactrack.errors import RecordingError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file beside `path` that takes its name on success and vanishes on failure.

    Parameters
    ----------
    path
        The file to write or to replace.

    Raises
    ------
    RecordingError
        If the file cannot be written.
    """
    require_folder(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        # The system's words only: the name that goes with them is the temporary one.
        raise RecordingError(
            f"cannot write {path}: {error.strerror or error}", "check the permissions and the free space"
        ) from error
    finally:
        with suppress(OSError):  # where nothing can be written, nothing can be removed
            temporary.unlink(missing_ok=True)


def require_folder(path: Path) -> None:
    """Raise RecordingError if there is no folder for a file."""
    if not path.parent.is_dir():
        raise RecordingError(f"cannot write {path}: there is no folder {path.parent}", "create the folder first")
