"""The record button: where the file goes, what it says while it is written, and when it ends by itself."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.snapshot import Health
from isactrack.errors import ConfigError, RecordingError
from isactrack.gui.models.feed import Feed
from isactrack.units import bytes_text

LOW_DISK_S: Final = 600.0
"""A disk that is full in less time than this is worth a warning."""
_UNITS: Final = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_TIMES: Final = ("", "s", "min", "h")


@runtime_checkable
class Recordable(Protocol):
    """What records on demand: a feed of a live device."""

    def start_recording(self, path: Path, limits: RecordingLimits) -> None:
        """Record to a new file from now on."""

    def stop_recording(self) -> None:
        """End the recording; returns at once."""

    def mark(self, text: str) -> None:
        """Put a marker into the recording."""


class State(StrEnum):
    """What the record button shows."""

    OFF = "off"
    """Nothing is recorded."""
    ON = "on"
    """Frames go to the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatus:
    """What is shown of the recording.

    Attributes
    ----------
    state
        Whether it runs.
    paths
        The files, or the last ones; empty before the first.
    text
        Elapsed time, size, free disk, and how long that will last; empty if nothing was recorded.
    warning
        What to worry about; empty for nothing.
    """

    state: State
    paths: tuple[Path, ...]
    text: str
    warning: str


class RecordingControl:
    """Starts and stops recordings of a feed.

    Parameters
    ----------
    target
        What records.
    folder
        Where files without a folder go.
    model
        Name of the device, for the names of files.
    clock
        Returns the time now, UTC.
    """

    def __init__(
        self,
        target: Recordable,
        folder: Path,
        model: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._target = target
        self._clock = clock
        self._model = re.sub(r"[^A-Za-z0-9]+", "-", model).strip("-").lower() or "device"
        self.folder = folder
        self.markers = 0

    def suggested_path(self) -> Path:
        """Return a path that is not taken, named after the device and the time."""
        stem = f"{self._model}-{self._clock():%Y%m%dT%H%M%SZ}"
        path = self.folder / f"{stem}.h5"
        number = 2
        while path.exists():
            path = self.folder / f"{stem}-{number}.h5"
            number += 1
        return path

    def start(self, path: Path | None = None, limit: str = "") -> Path:
        """Record to a file from now on and return it.

        Parameters
        ----------
        path
            The file, None for `suggested_path`.
        limit
            When it ends by itself, see `parse_limit`.

        Raises
        ------
        ConfigError
            If the limit cannot be read.
        RecordingError
            If the file is there already, or cannot be made.
        DeviceStateError
            If the device does not run, or is recorded already.
        """
        limits = parse_limit(limit)
        chosen = self.suggested_path() if path is None else path
        check_target(chosen)
        self._target.start_recording(chosen, limits)
        self.folder = chosen.parent
        self.markers = 0
        return chosen

    def stop(self) -> None:
        """End the recording."""
        self._target.stop_recording()

    def mark(self, note: str = "") -> str:
        """Put a marker into the recording and return what it says."""
        text = " ".join(note.split()) or f"marker {self.markers + 1}"
        self._target.mark(text)
        self.markers += 1
        return text

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that a recording to `path` is written to."""
        return (path,)

    def add_note(self, marker: str, note: str) -> None:
        """Put a note on an earlier marker into the recording; the time of the marker stays its own."""
        self._target.mark(f"{marker}: {' '.join(note.split())}")


def control_of(feed: Feed, folder: str, health: Health | None) -> RecordingControl | None:
    """Return what records a feed; None for a file, or one that cannot be recorded.

    Parameters
    ----------
    feed
        The feed.
    folder
        Where files go, if there is still such a folder; else they go to the present one.
    health
        What names the device.
    """
    if not feed.live or not isinstance(feed, Recordable):
        return None
    kept = Path(folder)
    where = kept if folder and kept.is_dir() else Path.cwd()
    return RecordingControl(feed, where, "" if health is None else health.model)


def recording_status(*healths: Health) -> RecordingStatus:
    """Return what is shown of the recording of a session, or of sessions that are recorded together."""
    recorded = [health for health in healths if health.recording_path is not None]
    on = [health for health in recorded if health.recording]
    shown = on or recorded
    paths = tuple(Path(health.recording_path) for health in shown if health.recording_path is not None)
    if not shown:
        return RecordingStatus(state=State.OFF, paths=(), text="", warning="")
    size = sum(health.recorded_bytes for health in shown)
    parts = [time_text(max(health.recorded_s for health in shown)), bytes_text(size)]
    warning = next((str(health.recording_error) for health in recorded if health.recording_error is not None), "")
    free = [health.disk_free_bytes for health in on if health.disk_free_bytes is not None]
    if free:
        parts.append(f"{bytes_text(min(free))} free")
        left_s = _time_to_full_s(on)
        if left_s is not None and left_s < LOW_DISK_S:
            warning = f"the disk is full in {time_text(left_s)}"
    return RecordingStatus(state=State.ON if on else State.OFF, paths=paths, text="   ".join(parts), warning=warning)


def files_text(paths: Sequence[Path]) -> str:
    """Return files as text: the first with its folder, the others by name."""
    return ", ".join([str(paths[0]), *(path.name for path in paths[1:])]) if paths else ""


def _time_to_full_s(healths: Sequence[Health]) -> float | None:
    """Return how long the disk lasts if all write to the same one; the worst case."""
    alone_s = [left for health in healths if (left := time_to_full_s(health)) is not None]
    return 1.0 / sum(1.0 / max(left_s, 1e-3) for left_s in alone_s) if alone_s else None


def time_to_full_s(health: Health) -> float | None:
    """Return how long the disk lasts at the pace of the recording so far, seconds; None if that cannot be told yet."""
    if health.disk_free_bytes is None or health.recorded_s < 1.0 or health.recorded_bytes <= 0:
        return None
    return health.disk_free_bytes * health.recorded_s / health.recorded_bytes


def time_text(seconds: float) -> str:
    """Return a time as ``mm:ss``, or ``h:mm:ss`` from an hour on."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}"
    return minutes if whole < 3600 else f"{whole // 3600}:{minutes}"


def parse_limit(text: str) -> RecordingLimits:
    """Return the limits that a text asks for: ``90s``, ``5 min``, ``1h``, ``500 MB``, ``2GB``; empty for none.

    Raises
    ------
    ConfigError
        If it is neither a time nor a size.
    """
    if not text.strip():
        return RecordingLimits()
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-zA-Z]*)\s*", text)
    unit = None if match is None else match[2].lower()
    if match is None or unit not in _UNITS:
        raise ConfigError(f"{text.strip()!r} is neither a time nor a size", "write it as 90s, 5min, 1h, 500MB or 2GB")
    value = float(match[1]) * _UNITS[unit]
    return RecordingLimits(duration_s=value) if unit in _TIMES else RecordingLimits(max_bytes=int(value))


def check_target(path: Path) -> None:
    """Raise a RecordingError if a file cannot be made, before a device is asked for frames."""
    if path.exists():
        raise RecordingError(f"{path} is there already", "give another name: recordings are not overwritten here")
    folder = path.parent
    if not folder.is_dir():
        raise RecordingError(f"there is no folder {folder}", "make it, or choose another one")
    if not os.access(folder, os.W_OK):
        raise RecordingError(f"the folder {folder} cannot be written to", "choose another folder")
