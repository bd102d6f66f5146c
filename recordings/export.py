"""Recordings as files of other programs: what they have in common, and the door to all of them.

Every export streams, so that it needs no more memory than a few frames, and its files appear when they are complete.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError, RecordingError
from isactrack.frame import Frame
from isactrack.recordings.reader import Recording
from isactrack.recordings.replacing import require_folder

Progress = Callable[[int], None]
"""Called with the number of frames that are done."""


class ExportFormat(StrEnum):
    """Languages that a recording can be written in."""

    BIN = "bin"
    """The words of the wire without headers, as TI's tools write ``adc_data.bin``."""
    NPZ = "npz"
    """Complex samples with their axes, masks, times and the sensor's parameters, for numpy."""
    SIGMF = "sigmf"
    """Interleaved complex int16 with metadata in JSON, see https://sigmf.org."""


class MissingFrames(StrEnum):
    """What becomes of frames that never arrived, where a format cannot say that they are missing."""

    REFUSE = "refuse"
    FILL = "fill"
    """Zeros take their place, so that the position in the file still tells the time."""
    SKIP = "skip"
    """The next frame follows at once."""


_SUFFIXES = {
    ".bin": ExportFormat.BIN,
    ".npz": ExportFormat.NPZ,
    ".sigmf-meta": ExportFormat.SIGMF,
    ".sigmf-data": ExportFormat.SIGMF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written.

    Attributes
    ----------
    paths
        The files.
    frames
        Frames of the recording in them.
    missing_frames
        Frames that never arrived, between the first and the last of them.
    lost_bytes
        Bytes of samples that never arrived, missing frames included.
    sample_bytes
        Bytes of samples that were written.
    """

    paths: tuple[Path, ...]
    frames: int
    missing_frames: int
    lost_bytes: int
    sample_bytes: int


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Rows `start` to `stop`, exclusive, of an open recording."""

    recording: Recording
    start: int
    stop: int
    progress: Progress | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def rows(self) -> slice:
        """The rows, to index a column of the recording."""
        return slice(self.start, self.stop)

    @property
    def counters(self) -> NDArray[np.int64]:
        """Device counters (n,) int64."""
        return self.recording.counters[self.rows]

    @property
    def missing_frames(self) -> int:
        """Frames that the device counted between the first and the last but that never arrived."""
        jumps = np.diff(self.counters) - 1
        return int(jumps[jumps > 0].sum())

    @property
    def lost_bytes(self) -> int:
        """Bytes that never arrived, missing frames included."""
        missing = self.missing_frames * self.recording.sensor.frame_bytes
        return int(self.recording.frame_lost_bytes[self.rows].sum()) + missing

    def frames(self) -> Iterator[Frame]:
        """Yield the frames."""
        for index in range(self.start, self.stop):
            yield self.recording.frame(index)
            if self.progress is not None:
                self.progress(index + 1 - self.start)

    def report(self, paths: tuple[Path, ...], sample_bytes: int) -> ExportReport:
        """Return the report of an export."""
        return ExportReport(
            paths=paths,
            frames=len(self),
            missing_frames=self.missing_frames,
            lost_bytes=self.lost_bytes,
            sample_bytes=sample_bytes,
        )


def format_of(path: Path) -> ExportFormat:
    """Return the format that the name of a file asks for.

    Raises
    ------
    ConfigError
        If it asks for none.
    """
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise ConfigError(
            f"the name {path.name} asks for no format that is known",
            f"end it in {', '.join(_SUFFIXES)}, or give --format",
        )
    return found


def files_of(path: Path, kind: ExportFormat) -> tuple[Path, ...]:
    """Return the files that an export to `path` writes or may write."""
    if kind is ExportFormat.SIGMF:
        base = path.with_suffix("") if path.suffix.lower().startswith(".sigmf") else path
        return base.with_name(base.name + ".sigmf-data"), base.with_name(base.name + ".sigmf-meta")
    if kind is ExportFormat.BIN:
        return path, path.with_name(f"{path.stem}.lost.csv")
    return (path,)


def export_recording(
    recording: Recording,
    path: str | Path,
    kind: ExportFormat | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    missing: MissingFrames = MissingFrames.REFUSE,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportReport:
    """Write a recording in the language of another program.

    Parameters
    ----------
    recording
        An open recording.
    path
        File to write; SigMF makes two of it.
    kind
        The format; None for that which the name asks for.
    start, stop
        Rows of the first frame and of the one after the last; None for the end.
    missing
        What becomes of frames that never arrived in ``adc_data.bin``; the other formats say which they are.
    overwrite
        Whether files that exist may be replaced.
    progress
        Called after each frame.

    Raises
    ------
    ConfigError
        If the range holds no frame, the name asks for no format, or frames are missing that the format cannot mark.
    RecordingError
        If a file exists already or cannot be written, or a frame cannot be read.
    """
    path = Path(path)
    kind = format_of(path) if kind is None else kind
    chosen = _range(recording, start, stop, progress)
    files = files_of(path, kind)
    _check_files(files, recording.path, overwrite)
    if kind is ExportFormat.BIN:
        from isactrack.recordings.export_bin import export_bin

        return export_bin(chosen, *files, missing=missing)
    if kind is ExportFormat.NPZ:
        from isactrack.recordings.export_npz import export_npz

        return export_npz(chosen, *files)
    from isactrack.recordings.export_sigmf import export_sigmf

    return export_sigmf(chosen, *files)


def runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where flags (n,) are set: firsts and lengths (k, 2) int64 of the runs."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return np.stack([edges[::2], edges[1::2] - edges[::2]], axis=1).astype(np.int64)


def _range(recording: Recording, start: int, stop: int | None, progress: Progress | None) -> FrameRange:
    length = len(recording)
    last = length if stop is None else min(stop, length)
    if not 0 <= start < last:
        raise ConfigError(
            f"{recording.path} has {length} frames, and none from {start} to {length if stop is None else stop}",
            "frames are counted from 0, and the last one is left out",
        )
    return FrameRange(recording, start, last, progress)


def _check_files(files: tuple[Path, ...], source: Path, overwrite: bool) -> None:
    for path in files:
        require_folder(path)
        if path.resolve().is_relative_to(source.resolve()):
            raise ConfigError(f"{path} would be written over the recording, or into it", "choose another name")
        if not path.exists():
            continue
        if not path.is_file():
            raise RecordingError(f"{path} is no regular file and cannot be replaced", "give the name of a file")
        if not overwrite:
            raise RecordingError(f"{path} exists already", "choose another name, or give --overwrite to replace it")
