"""What users point at: device URLs, paths of recordings, profiles."""

from pathlib import Path
from urllib.parse import quote, urlencode

from isactrack.drivers.device import Device
from isactrack.drivers.registry import open_device
from isactrack.errors import ConfigError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
HDF5_SUFFIXES = (".h5", ".hdf5")


def open_source(text: str, **file_options: str) -> Device:
    """Open a device by URL, or a recording by its plain path, then with `file_options`."""
    path = Path(text)
    is_path = "://" not in text and (path.exists() or path.suffix.lower() in HDF5_SUFFIXES)
    return open_device(file_url(path, **file_options) if is_path else text)


def file_url(path: Path, **query: str) -> str:
    """Return the URL of a recording as a device."""
    return f"file://{quote(path.as_posix())}" + (f"?{urlencode(query)}" if query else "")


def read_profile(path: Path) -> str:
    """Return the text of a profile.

    Raises
    ------
    ConfigError
        If the file is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no profile: {error}", "give the text file with the radar's commands") from error


def is_recording(path: Path) -> bool:
    """Return whether a file is, or was meant to be, a recording: by its first bytes, or its name if it is cut."""
    if path.suffix.lower() in HDF5_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
