"""Small files of the viewer in the user's config folder: read with doubt, written whole or not at all."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from isactrack.errors import ConfigError, IsacError, RecordingError

FOLDER_VARIABLE = "ISACTRACK_CONFIG_DIR"
"""Environment variable that names another folder."""
_MAX_BYTES = 1_000_000
_Shape = TypeVar("_Shape")
_Result = TypeVar("_Result")


def config_folder() -> Path:
    """Return the folder of the viewer's files; it need not exist.

    Raises
    ------
    ConfigError
        If nobody can say where settings belong on this system.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    try:
        import platformdirs  # part of the extra `gui`: nothing else needs it
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the viewer needs platformdirs, which is not installed", "pip install 'isactrack[gui]'"
        ) from error

    return platformdirs.user_config_path("isactrack", appauthor=False) / "viewer"


def take(document: Mapping[str, object], key: str, kind: type[_Shape]) -> _Shape:
    """Return a value of a document.

    Raises
    ------
    RecordingError
        If it is missing or of another type; a truth value is no number.
    """
    value = document.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecordingError(f"{key!r} is missing or no {kind.__name__}")
    return value


def load_document(
    path: Path | None,
    schema: str,
    version: int,
    build: Callable[[Mapping[str, Any]], _Result],
    report: Callable[[IsacError], None],
) -> _Result | None:
    """Return what a file holds; one that is broken or not ours is renamed to ``*.broken`` and reported.

    Parameters
    ----------
    path
        The file; None if nothing is kept.
    schema, version
        What it must be.
    build
        Makes the result of the document; raises `RecordingError` if it cannot be trusted.
    report
        Called with what went wrong.

    Returns
    -------
    Result or None
        None if there is no such file, or none that can be used.
    """
    if path is None:
        return None
    try:
        return build(_read(path, schema, version))
    except FileNotFoundError:
        return None
    except OSError as error:
        report(RecordingError(f"{path} cannot be read: {error.strerror or error}", "the viewer goes on without it"))
    except RecordingError as error:
        report(_set_aside(path, error))
    return None


def save_document(
    path: Path | None, schema: str, version: int, document: Mapping[str, object], report: Callable[[IsacError], None]
) -> bool:
    """Write a file beside its place and move it there; return whether it is there.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    schema, version
        What it is.
    document
        Its content, of JSON types.
    report
        Called with what went wrong.
    """
    if path is None:
        return False
    text = json.dumps({"schema": schema, "version": version, **document}, indent=1)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        report(
            RecordingError(
                f"{path} cannot be written: {error.strerror or error}",
                f"what you changed is lost at the end; make the folder writable or name another in {FOLDER_VARIABLE}",
            )
        )
        return False
    return True


def _read(path: Path, schema: str, version: int) -> Mapping[str, Any]:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise RecordingError(f"it is larger than {_MAX_BYTES} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON
        raise RecordingError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise RecordingError(f"it is no {schema!r}")
    if take(document, "version", int) != version:
        raise RecordingError(f"it is of version {document['version']}, not {version}")
    return document


def _set_aside(path: Path, error: RecordingError) -> RecordingError:
    broken = path.with_name(f"{path.name}.broken")
    try:
        path.replace(broken)
    except OSError as failure:
        outcome = f"it is left alone, for it cannot be renamed: {failure.strerror or failure}"
    else:
        outcome = f"it is now {broken.name}; the viewer goes on with what is built in"
    told = RecordingError(f"{path} cannot be used: {error}", outcome)
    told.__cause__ = error
    return told
