"""Where a picture of the window goes: wholly, or not at all."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from isactrack.errors import ConfigError, RecordingError
from isactrack.recordings.superblock import read_state

_HINT = "choose another name or folder"


def check_picture(path: Path, *others: Path | None) -> None:
    """Complain about a picture that cannot be written, before anybody waits for it.

    Parameters
    ----------
    path
        The file; it may exist, but must not be a recording.
    others
        Files of the same run, read or written, that it must not be.

    Raises
    ------
    ConfigError
        If it is one of `others`.
    RecordingError
        If it is a recording, write-protected or no file, or if nothing can be written into its folder.
    """
    for other in others:
        if other is not None and _is_same(path, other):
            raise ConfigError(f"the picture {path} would be written over {other}", "choose another name")
    try:
        _check_existing(path)
        part = _part(path)
        part.touch(exist_ok=False)  # what the system says counts, not what the mode bits promise
        part.unlink()
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_picture(path: Path, png: bytes) -> None:
    """Write a picture beside its place and move it there when it is whole.

    Parameters
    ----------
    path
        The file; replaced if it exists.
    png
        Its content.

    Raises
    ------
    RecordingError
        If it cannot be written; then nothing is left of it, and the file that was there stays.
    """
    part = _part(path)
    try:
        _check_existing(path)
        try:
            with part.open("xb") as file:
                file.write(png)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path.resolve())
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def _check_existing(path: Path) -> None:
    if not path.exists():
        return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise RecordingError(f"{path} is no file that a picture could replace", _HINT)
    # The mode too: the superuser may write to everything, and replacing needs rights to the folder only.
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise RecordingError(f"{path} is write-protected", _HINT)
    if read_state(path).is_hdf5:
        raise RecordingError(
            f"{path} is a recording, and a picture would replace it", "choose another name, e.g. *.png"
        )


def _part(path: Path) -> Path:
    target = path.resolve()
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def _cannot_write(path: Path, error: OSError) -> RecordingError:
    if isinstance(error, FileNotFoundError):
        return RecordingError(f"there is no folder {path.resolve().parent} for the picture", "create it first")
    return RecordingError(f"cannot write the picture {path}: {error.strerror}", _HINT)
