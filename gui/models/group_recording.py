"""Records several sensors with one button, each to a file of its own."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from isactrack.errors import ConfigError, DeviceStateError, IsacError
from isactrack.gui.models.connect import kind_of
from isactrack.gui.models.recording import RecordingControl, check_target
from isactrack.gui.models.stream import Stream


class RecordControl(Protocol):
    """What the record bar drives: a recording of one sensor, or of several."""

    folder: Path
    """Where files without a folder go."""

    def suggested_path(self) -> Path:
        """Return a path that is not taken."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that a recording to `path` is written to."""

    def start(self, path: Path | None = None, limit: str = "") -> Path:
        """Record from now on and return the path."""

    def stop(self) -> None:
        """End the recording."""

    def mark(self, note: str = "") -> str:
        """Put a marker into the recording and return what it says."""

    def add_note(self, marker: str, note: str) -> None:
        """Put a note on an earlier marker into the recording."""


class GroupRecording:
    """Starts, marks and ends the recordings of several sensors together.

    A sensor that cannot be recorded now does not keep the others from it.

    Parameters
    ----------
    streams
        Returns the sensors that can be recorded, at least one.
    report
        Called with why one of them is not recorded.
    clock
        Returns the time now, UTC.
    """

    def __init__(
        self,
        streams: Callable[[], Sequence[Stream]],
        report: Callable[[IsacError], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._streams = streams
        self._report = report
        self._clock = clock
        self._markers = 0

    @property
    def folder(self) -> Path:
        """Where files without a folder go: that of the first sensor."""
        return next((control.folder for _, control in self._parts()), Path.cwd())

    @folder.setter
    def folder(self, folder: Path) -> None:
        for _, control in self._parts():
            control.folder = folder

    def suggested_path(self) -> Path:
        """Return a path of which none of the files is taken, named after the time."""
        stem = f"sensors-{self._clock():%Y%m%dT%H%M%SZ}"
        path, number = self.folder / f"{stem}.h5", 2
        while any(file.exists() for file in self.files(path)):
            path = self.folder / f"{stem}-{number}.h5"
            number += 1
        return path

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that a recording to `path` is written to, e.g. ``walk-radar.h5`` and ``walk-radio.h5``."""
        return tuple(file_of(path, name) for name, _ in self._parts())

    def start(self, path: Path | None = None, limit: str = "") -> Path:
        """Record each sensor to its file from now on; return the path that they are named after.

        Parameters
        ----------
        path
            What the files are named after, None for `suggested_path`.
        limit
            When each of them ends by itself, see `isactrack.gui.models.recording.parse_limit`.

        Raises
        ------
        ConfigError
            If the limit cannot be read.
        RecordingError
            If a file is there already, or cannot be made; then nothing is recorded.
        DeviceStateError
            If no sensor can be recorded.
        """
        chosen = self.suggested_path() if path is None else path
        for file in self.files(chosen):
            check_target(file)
        self._of_all(lambda name, control: control.start(file_of(chosen, name), limit))
        self.folder = chosen.parent
        self._markers = 0
        return chosen

    def stop(self) -> None:
        """End the recordings."""
        for _, control in self._parts():
            control.stop()

    def mark(self, note: str = "") -> str:
        """Put the same marker into all recordings and return what it says."""
        text = " ".join(note.split()) or f"marker {self._markers + 1}"
        self._of_all(lambda _, control: control.mark(text), recording=True)
        self._markers += 1
        return text

    def add_note(self, marker: str, note: str) -> None:
        """Put a note on an earlier marker into all recordings."""
        self._of_all(lambda _, control: control.add_note(marker, note), recording=True)

    def _parts(self, *, recording: bool = False) -> Iterator[tuple[str, RecordingControl]]:
        """Yield names and controls of the sensors, or only of those that are recorded."""
        streams = self._streams()
        for stream, name in zip(streams, sensor_names([stream.name for stream in streams]), strict=True):
            if stream.control is not None and (not recording or _is_recorded(stream)):
                yield name, stream.control

    def _of_all(self, work: Callable[[str, RecordingControl], object], *, recording: bool = False) -> None:
        """Let all do something; what one cannot is told, and raised if none could."""
        failures: list[IsacError] = []
        done = 0
        for name, control in self._parts(recording=recording):
            try:
                work(name, control)
                done += 1
            except IsacError as error:
                failures.append(error)
        if not done:
            raise failures[0] if failures else DeviceStateError("nothing is recorded", "start a recording first")
        for failure in failures:
            self._report(failure)


def sensor_names(sources: Sequence[str]) -> list[str]:
    """Return a short name for each of some sources, e.g. ``radar``, ``radio``, ``radar-2``."""
    names: list[str] = []
    for source in sources:
        kind = _kind(source)
        name, number = kind, 2
        while name in names:
            name = f"{kind}-{number}"
            number += 1
        names.append(name)
    return names


def _kind(source: str) -> str:
    try:
        return kind_of(source).value
    except ConfigError:
        return "sensor"


def file_of(path: Path, name: str) -> Path:
    """Return the file of one sensor of a recording that is named after `path`."""
    return path.with_name(f"{path.stem}-{name}{path.suffix}")


def _is_recorded(stream: Stream) -> bool:
    return stream.feed is not None and stream.feed.health().recording
