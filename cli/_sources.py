"""What users point at: device URLs, paths of recordings, profiles."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from isactrack.cli._output import note
from isactrack.drivers.device import Device
from isactrack.drivers.registry import open_device
from isactrack.drivers.url import DeviceUrl
from isactrack.errors import ConfigError, RecordingError
from isactrack.geometry import RoomOutline
from isactrack.recordings import Recording, open_recording
from isactrack.recordings.manifest import MANIFEST, is_recording_folder
from isactrack.recordings.superblock import read_state

HDF5_SUFFIXES = (".h5", ".hdf5")


def open_source(text: str, **file_options: str) -> Device:
    """Open a device by URL, or a recording by its plain path, then with `file_options`."""
    return open_device(file_url(Path(text), **file_options) if _is_path(text) else text)


def source_file(text: str) -> Path | None:
    """Return the recording that `open_source` would read, None for another device."""
    if _is_path(text):
        return Path(text)
    url = DeviceUrl.parse(text)
    return Path(url.target).expanduser() if url.scheme == "file" else None


def _is_path(text: str) -> bool:
    return text != "" and "://" not in text and (Path(text).exists() or Path(text).suffix.lower() in HDF5_SUFFIXES)


def file_url(path: Path, **query: str) -> str:
    """Return the URL of a recording as a device."""
    return f"file://{quote(path.as_posix())}" + (f"?{urlencode(query)}" if query else "")


def read_profile(path: Path) -> str:
    """Return the text of a profile, or of a log of mmWave Studio: UTF-8, or Latin-1 as older editors of Windows write.

    Raises
    ------
    ConfigError
        If the file is no text.
    RecordingError
        If it cannot be read.
    """
    check_file(path, "the text file with the radar's commands")
    data = path.read_bytes()
    if b"\0" in data:
        raise ConfigError(f"{path} is no profile: it is no text", "give the text file with the radar's commands")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return data.decode("latin-1").replace("\r\n", "\n")


def read_session_file(path: Path) -> str:
    """Return the text of a session file.

    Raises
    ------
    ConfigError
        If the file is no text in UTF-8.
    RecordingError
        If it cannot be read.
    """
    check_file(path, "a session file; `isactrack session --example` prints one")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no session file: it is no text in UTF-8", "save it as UTF-8") from error


def read_room(path: Path) -> RoomOutline:
    """Return the room of a session file, or of a file with nothing but its table ``[room]``.

    Raises
    ------
    ConfigError
        If there is none in it; the message names file, table and key.
    RecordingError
        If it cannot be read.
    """
    from isactrack.acquisition.plan import parse_room

    text = read_session_file(path)
    try:
        return parse_room(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", error.hint) from error


def check_file(path: Path, wanted: str) -> None:
    """Complain about what is no file, or cannot be read.

    Parameters
    ----------
    path
        What somebody pointed at.
    wanted
        What it should be, for the hint.

    Raises
    ------
    RecordingError
        With what is wrong.
    """
    try:
        if path.is_dir():
            raise RecordingError(f"{path} is a folder", f"give {wanted}")
        if path.exists() and not path.is_file():
            raise RecordingError(f"{path} is no regular file", f"give {wanted}")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise RecordingError(f"there is no file {path}", f"give {wanted}") from error
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}", "check the permissions of the file") from error


def check_recording(path: Path, wanted: str = "a recording (.h5 or the folder of one)") -> None:
    """Complain about what is neither a file nor the folder of a recording, or cannot be read; see `check_file`.

    Raises
    ------
    RecordingError
        With what is wrong.
    """
    if is_recording_folder(path):
        return
    if path.is_dir():
        raise RecordingError(f"{path} is a folder and no recording: there is no {MANIFEST} in it", f"give {wanted}")
    check_file(path, wanted)


def check_capture(path: Path) -> None:
    """Complain about a capture to import that is a recording already: its bytes are no samples.

    Raises
    ------
    RecordingError
        If it is one, or cannot be read.
    """
    check_file(path, "the samples that another program captured (adc_data.bin or *.pcap)")
    if read_state(path).is_hdf5:
        raise RecordingError(f"{path} is already a recording", "use it as it is; `isactrack info` shows what it holds")


@contextmanager
def open_frames(path: Path) -> Iterator[Recording]:
    """Open a recording whose frames are wanted, with a note if it was not closed.

    Raises
    ------
    RecordingError
        If it cannot be opened, or holds no whole frame.
    """
    check_recording(path)
    with open_recording(path) as recording:
        if not len(recording):
            raise RecordingError(
                f"{path} holds no whole frame: cut short or nothing was recorded", "`isactrack validate` shows more"
            )
        if not recording.closed_cleanly:
            note(f"{path} was not closed; {len(recording)} whole frames are readable, see `isactrack validate`")
        yield recording


def is_recording(path: Path) -> bool:
    """Return whether a path is, or was meant to be, a recording: a folder, or by first bytes or by name if it is cut.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """
    if is_recording_folder(path) or path.suffix.lower() in HDF5_SUFFIXES:
        return True
    try:
        return read_state(path).is_hdf5
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}", "check the file's permissions") from error
