"""The manifest of a recording that is a folder: which streams it has, and of which segments they are made.

::

    run1/manifest.json
    run1/left/000000.h5         closed, its SHA-256 is in the manifest
    run1/left/000001.h5.part    being written

A segment is in the manifest before its first frame is written. So one that is not named there is foreign, and one that
is named but not there has been lost.
"""

import json
import os
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import isactrack
from isactrack.errors import ConfigError, RecordingError
from isactrack.recordings.header import RecordingHeader
from isactrack.recordings.reader import Recording
from isactrack.recordings.writer import sync_folder
from isactrack.source import Source

MANIFEST = "manifest.json"
FORMAT = "isactrack-folder"
SCHEMA_VERSION = 1
DEFAULT_STREAM = "radar"
"""Name of the stream of a device that nobody named."""
PART_SUFFIX = ".part"
"""What follows the name of a segment until it is finished."""

_STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_MAX_MANIFEST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a stream.

    Attributes
    ----------
    file
        Path in the folder, with ``/`` and without ``.part``.
    uuid
        Identity of the recording in it.
    closed
        Whether it was finished; what follows is only known then.
    sha256, size_bytes
        Hash and size of the file.
    frames, incomplete_frames, missing_frames, lost_bytes
        Of the segment by itself: frames that are missing between two segments are in neither.
    first_counter, last_counter, first_device_time_s, last_device_time_s, first_host_monotonic_ns,
    last_host_monotonic_ns, first_host_utc_ns, last_host_utc_ns
        Of the first and the last frame; None without frames.
    """

    file: str
    uuid: str
    closed: bool = False
    sha256: str | None = None
    size_bytes: int | None = None
    frames: int | None = None
    incomplete_frames: int | None = None
    missing_frames: int | None = None
    lost_bytes: int | None = None
    first_counter: int | None = None
    last_counter: int | None = None
    first_device_time_s: float | None = None
    last_device_time_s: float | None = None
    first_host_monotonic_ns: int | None = None
    last_host_monotonic_ns: int | None = None
    first_host_utc_ns: int | None = None
    last_host_utc_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One device's row of segments.

    Attributes
    ----------
    name
        Name, also of its folder.
    device_url, device_model, serial_number, firmware, source, origin
        The device, see `RecordingHeader`.
    closed, stop_reason
        Whether the stream was ended on purpose, and why it ended.
    clock
        Its clock against the host's, the fields of `ClockEstimate`; None while that is not known.
    segments
        Its files, in order.
    """

    name: str
    device_url: str = ""
    device_model: str = ""
    serial_number: str = ""
    firmware: str = ""
    source: str = ""
    origin: str = ""
    closed: bool = False
    stop_reason: str = ""
    clock: Mapping[str, Any] | None = None
    segments: tuple[Segment, ...] = ()

    @classmethod
    def of(cls, header: RecordingHeader, name: str) -> "Stream":
        """Return the stream of a device, without segments."""
        return cls(
            name=name, device_url=header.device_url, device_model=header.device_model,
            serial_number=header.serial_number, firmware=header.firmware,
            source=str(header.source), origin=str(header.origin),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder holds.

    Attributes
    ----------
    uuid, created_utc, package_version
        Identity, ISO date of the start, and the version of isactrack that wrote it.
    name, note
        Free texts of the person who recorded.
    session_text
        The session file that asked for the recording, verbatim; empty if there was none.
    facts
        What else the session noted, e.g. when each device started; plain JSON.
    streams
        The streams, in the order of the devices.
    """

    uuid: str = field(default_factory=lambda: str(uuid4()))
    created_utc: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    package_version: str = isactrack.__version__
    name: str = ""
    note: str = ""
    session_text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()

    def stream(self, name: str) -> Stream | None:
        """Return a stream by its name, None if there is none."""
        return next((stream for stream in self.streams if stream.name == name), None)

    def with_stream(self, stream: Stream) -> "Manifest":
        """Return the manifest with a stream in the place of the one of that name, or at the end."""
        if self.stream(stream.name) is None:
            return replace(self, streams=(*self.streams, stream))
        return replace(self, streams=tuple(stream if old.name == stream.name else old for old in self.streams))


class ManifestFile:
    """The manifest of a folder that is being recorded; several streams may change it at once.

    Parameters
    ----------
    folder
        The folder, which is there.
    manifest
        What to begin with; it is written at once.

    Raises
    ------
    RecordingError
        If it cannot be written.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        self._lock = threading.Lock()
        write_manifest(folder, manifest)

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def manifest(self) -> Manifest:
        """What it says now."""
        return self._manifest

    def set_stream(self, stream: Stream) -> None:
        """Put a stream in, or in the place of the one of its name; RecordingError if that cannot be written."""
        with self._lock:
            self._write(self._manifest.with_stream(stream))

    def add_facts(self, **facts: object) -> None:
        """Note facts of the session, plain JSON; RecordingError if that cannot be written."""
        with self._lock:
            self._write(replace(self._manifest, facts={**self._manifest.facts, **facts}))

    def _write(self, manifest: Manifest) -> None:
        write_manifest(self._folder, manifest)
        self._manifest = manifest


def create_folder(path: Path, *, name: str = "", note: str = "", session_text: str = "") -> ManifestFile:
    """Create the folder of a recording, with a manifest without streams.

    Raises
    ------
    RecordingError
        If there is something of that name already, or the folder cannot be created.
    """
    try:
        path.mkdir()
    except FileExistsError as error:
        raise RecordingError(f"{path} exists already", "choose another name, or overwrite it on purpose") from error
    except OSError as error:
        raise RecordingError(f"cannot create the folder {path}: {error.strerror}", "choose another folder") from error
    return ManifestFile(path, Manifest(name=name, note=note, session_text=session_text))


def check_stream_name(name: str) -> None:
    """Complain about a name that makes no folder.

    Raises
    ------
    ConfigError
        If it is anything but letters, digits, ``_``, ``-`` and ``.``, or begins with one of the last three.
    """
    if not _STREAM_NAME.fullmatch(name) or name.lower().endswith((".h5", PART_SUFFIX)):
        raise ConfigError(
            f"{name!r} cannot be the name of a device: it becomes the name of a folder",
            "use up to 63 letters, digits, '_' and '-', e.g. left",
        )


def segment_name(number: int) -> str:
    """Return the name of a segment that is finished, from 0."""
    return f"{number:06d}.h5"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a folder so that a crash leaves the old one or the new one, whole.

    Raises
    ------
    RecordingError
        If it cannot be written.
    """
    data = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **asdict(manifest)}
    path = folder / MANIFEST
    aside = folder / f".{MANIFEST}.{os.getpid()}"
    try:
        try:
            with aside.open("w", encoding="utf-8") as file:
                json.dump(data, file, indent=1, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise
        sync_folder(folder)
    except OSError as error:
        raise RecordingError(
            f"cannot write {path}: {error.strerror}", "is the disk full or unplugged? `isactrack repair` writes it anew"
        ) from error


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises
    ------
    RecordingError
        If there is none, it cannot be read, or it is of another schema version.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_MANIFEST_BYTES)
    except FileNotFoundError as error:
        raise RecordingError(
            f"{folder} is no recording: there is no {MANIFEST} in it", "give a recording (.h5), or the folder of one"
        ) from error
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}", "check the permissions") from error
    try:
        data = json.loads(text)
        version = data["schema_version"] if data["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    if version != SCHEMA_VERSION:
        raise RecordingError(
            f"{path} has schema version {version}, this isactrack reads {SCHEMA_VERSION}", "update isactrack"
        )
    try:
        return _manifest_of(data)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(path, error) from error


def is_recording_folder(path: Path) -> bool:
    """Return whether a path is the folder of a recording, or one of its streams."""
    return path.is_dir() and ((path / MANIFEST).is_file() or is_stream_folder(path))


def is_stream_folder(path: Path) -> bool:
    """Return whether a path is the folder of one stream of a recording."""
    path = path.absolute()
    return path.is_dir() and not (path / MANIFEST).is_file() and (path.parent / MANIFEST).is_file()


def recording_around(path: Path) -> Path | None:
    """Return the folder of the recording in which a path lies, None if it lies in none."""
    for folder in path.absolute().parents:
        with suppress(RecordingError):  # other programs have files of that name too
            read_manifest(folder)
            return folder
    return None


def describe_segment(recording: Recording, file: str, *, sha256: str, size: int) -> Segment:
    """Return the entry of a finished segment.

    Parameters
    ----------
    recording
        The segment.
    file
        Its path in the folder.
    sha256, size
        Of the file.
    """
    ends: dict[str, Any] = {}
    if len(recording):
        for name, column in (
            ("counter", recording.counters),
            ("device_time_s", recording.device_time_s),
            ("host_monotonic_ns", recording.host_monotonic_ns),
            ("host_utc_ns", recording.host_utc_ns),
        ):
            ends[f"first_{name}"], ends[f"last_{name}"] = column[0].item(), column[-1].item()
    return Segment(
        file=file,
        uuid=recording.uuid,
        closed=recording.closed_cleanly,
        sha256=sha256,
        size_bytes=size,
        frames=len(recording),
        incomplete_frames=recording.incomplete_frames,
        missing_frames=recording.missing_frames,
        lost_bytes=recording.lost_bytes,
        **ends,
    )


def _manifest_of(data: Mapping[str, Any]) -> Manifest:
    streams = tuple(_stream_of(stream) for stream in data["streams"])
    names = [stream.name for stream in streams]
    if len(set(names)) < len(names):
        raise ValueError("two streams have the same name")
    texts = ("uuid", "created_utc", "package_version", "name", "note", "session_text")
    return Manifest(streams=streams, facts=dict(data["facts"]), **{name: _text(data[name]) for name in texts})


def _stream_of(data: Mapping[str, Any]) -> Stream:
    name = _text(data["name"])
    if not _STREAM_NAME.fullmatch(name):  # it is joined to a path
        raise ValueError(f"{name!r} cannot be a stream")
    for source in ("source", "origin"):
        Source(data[source])
    clock = data["clock"]
    texts = ("device_url", "device_model", "serial_number", "firmware", "source", "origin", "stop_reason")
    return Stream(
        name=name,
        closed=bool(data["closed"]),
        clock=None if clock is None else dict(clock),
        segments=tuple(_segment_of(segment, name) for segment in data["segments"]),
        **{key: _text(data[key]) for key in texts},
    )


def _segment_of(data: Mapping[str, Any], stream: str) -> Segment:
    known: dict[str, Any] = {one.name: data.get(one.name) for one in fields(Segment)}
    if not re.fullmatch(re.escape(stream) + r"/\d{6,}\.h5", _text(known["file"])):
        raise ValueError(f"{known['file']!r} is no segment of {stream}")
    _text(known["uuid"])
    for name, value in known.items():
        wanted: tuple[type, ...] = (int, float) if name.endswith("_s") else (int,)
        if name not in ("file", "uuid", "sha256") and not (value is None or isinstance(value, wanted)):
            raise TypeError(f"{name} is {value!r}")
    return Segment(**known)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _damaged(path: Path, error: Exception) -> RecordingError:
    return RecordingError(
        f"{path} is damaged: {type(error).__name__}: {error}",
        "`isactrack repair` writes it anew from the segments beside it",
    )
