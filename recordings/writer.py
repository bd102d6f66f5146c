"""Write a recording so that a crash loses at most the last moments.

The file is in SWMR mode (single writer, multiple readers) from its first frame on: what was flushed stays readable if
the process is killed, and others can read along. Power loss is another matter: only closing waits for the disk.
"""

import errno
import math
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from isactrack.errors import ConfigError, RecordingError
from isactrack.frame import Frame
from isactrack.recordings import locks, schema
from isactrack.recordings.header import RecordingHeader, set_text, store_header
from isactrack.truth import Truth

DISK_RESERVE_BYTES = 16 * 2**20
"""Free space at which a recording ends by itself: a full disk would leave no room to close it."""

# Everything is at least of HDF5 1.10, which SWMR needs, and no newer than necessary, so that other readers keep up.
_LIBVER = ("v110", "latest")
_INT64_MAX = 2**63 - 1
_WRITE_ERRORS = (OSError, RuntimeError, ValueError)


class RecordingWriter:
    """A recording under construction.

    Parameters
    ----------
    path
        File to create, by convention ``*.h5``.
    header
        What is known before the first frame.
    overwrite
        Whether an existing file may be replaced.
    flush_interval_s
        `append` flushes when the last flush is older than this, 0 to 1 s. Who appends nothing for longer calls `flush`.

    Raises
    ------
    RecordingError
        If the file exists, is being recorded by another process, or cannot be created.
    ConfigError
        If the flush interval is out of range.
    """

    def __init__(
        self, path: str | Path, header: RecordingHeader, *, overwrite: bool = False, flush_interval_s: float = 0.5
    ) -> None:
        if not 0.0 <= flush_interval_s <= 1.0:
            raise ConfigError(f"a flush interval of {flush_interval_s} s is not within 0 to 1 s")
        self._path = Path(path)
        self._frame_words = header.sensor.frame_words
        self._flush_interval_s = flush_interval_s
        self._frames = self._incomplete = self._missing = self._lost_bytes = 0
        self._last_counter: int | None = None
        self._last_flush_s = time.monotonic()
        self._closed = False
        self._file = _create(self._path, overwrite)
        try:
            self._create_layout(header)
            self._unlock = locks.hold(self._path, self)
        except _WRITE_ERRORS as error:
            self._closed = True
            with suppress(*_WRITE_ERRORS):
                self._file.close()
            with suppress(OSError):
                self._path.unlink()
            raise self._write_error(error) from error

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def frames_written(self) -> int:
        """Frames appended so far."""
        return self._frames

    @property
    def bytes_written(self) -> int:
        """Bytes of samples appended so far."""
        return self._frames * 2 * self._frame_words

    def append(self, frame: Frame, truth: Truth | None = None) -> None:
        """Add a frame, and where the targets really are if that is known.

        Raises
        ------
        ConfigError
            If the frame does not have the size of the sensor's frames, or its counter is negative.
        RecordingError
            If the disk is full or the file cannot be written; the recording is closed then, and every frame that was
            appended before is readable. Also if the recording was closed.
        """
        self._require_open()
        if frame.samples.size != self._frame_words:
            raise ConfigError(
                f"a frame of {2 * frame.samples.size} bytes does not fit {self._path.name}, "
                f"whose frames have {2 * self._frame_words}",
                "the device was configured anew: start another recording",
            )
        if not 0 <= frame.counter <= _INT64_MAX:
            raise ConfigError(f"a frame counter of {frame.counter} is impossible", "a driver counts frames from 0")
        with self._guard():
            self._store(frame, truth)
        if time.monotonic() - self._last_flush_s >= self._flush_interval_s:
            self.flush()

    def flush(self) -> None:
        """Make every frame so far readable for others and safe from the death of this process.

        Raises
        ------
        RecordingError
            If the file cannot be written, or the disk is nearly full; the recording is closed then.
        """
        self._require_open()
        with self._guard():
            self._commit()
            free = shutil.disk_usage(self._path.parent).free
        if free < DISK_RESERVE_BYTES:
            self._give_up("disk nearly full")
            raise RecordingError(
                f"the disk of {self._path} is nearly full: the recording ended after {self._frames} frames",
                "all of them can be read; free some space or record to another disk",
            )

    def close(self, reason: str = "finished") -> None:
        """Finish the recording and wait until it is on the disk; nothing happens if it is closed.

        Parameters
        ----------
        reason
            Why it ends, for people; at most 200 bytes are kept.

        Raises
        ------
        RecordingError
            If the file cannot be written.
        """
        if self._closed:
            return
        with self._guard():
            self._finish(reason)
            with self._path.open("r+b") as file:  # Windows flushes only what may be written to
                os.fsync(file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.close("interrupted" if issubclass(kind, KeyboardInterrupt) else f"{kind.__name__}: {error}")

    # --- the file ----------------------------------------------------------------------------------------------------

    def _create_layout(self, header: RecordingHeader) -> None:
        store_header(self._file, header)
        shape, width = schema.sample_shape(header.sensor), schema.mask_bytes(header.sensor)
        frames = self._file.create_group(schema.FRAMES)
        self._samples = _create_per_frame(frames, schema.SAMPLES, schema.SAMPLE_TYPE, shape, schema.SAMPLE_AXES)
        self._mask = _create_per_frame(frames, schema.VALID, schema.MASK_TYPE, (width,), schema.MASK_AXES)
        set_text(self._samples.attrs, "units", "ADC count")
        set_text(self._mask.attrs, "units", "1 bit for 4 words, first in the high bit")
        self._rows = _Table(frames, schema.FRAME_COLUMNS)
        self._truth = _Table(self._file.create_group(schema.TRUTH), schema.TRUTH_COLUMNS)
        self._session = self._file.create_dataset(schema.SESSION, data=np.zeros((), dtype=schema.SESSION_TYPE))
        self._file.swmr_mode = True

    def _store(self, frame: Frame, truth: Truth | None) -> None:
        row = self._frames
        # Space in the tables comes first: if the disk is full now, the rows so far still have their place.
        self._rows.reserve(row + 1)
        if truth is not None:
            self._truth.reserve(self._truth.rows + len(truth))
        words = np.ascontiguousarray(frame.samples, dtype=schema.SAMPLE_TYPE)
        mask = np.packbits(frame.valid)
        _write_chunk(self._samples, row, words)
        _write_chunk(self._mask, row, mask)
        lost_bytes = frame.lost_bytes
        values = (
            frame.counter,
            frame.device_time_s,
            frame.host_monotonic_ns,
            frame.host_utc_ns,
            lost_bytes,
            schema.checksum(words, mask),
            math.nan if truth is None else truth.time_s,
        )
        if truth is not None:
            states = zip(truth.target_id, truth.position_m, truth.velocity_mps, strict=True)
            self._truth.extend([(row, truth.time_s, *state) for state in states])
        self._rows.extend([values])
        self._frames += 1
        self._incomplete += lost_bytes > 0
        if self._last_counter is not None:
            self._missing += max(0, frame.counter - self._last_counter - 1)
        self._last_counter = frame.counter
        self._lost_bytes += lost_bytes

    def _commit(self) -> None:
        # The order matters: the mark of a row must not reach the file before what it vouches for.
        self._samples.flush()
        self._mask.flush()
        self._truth.write()
        self._rows.write()
        self._last_flush_s = time.monotonic()

    def _finish(self, reason: str) -> None:
        self._commit()
        record = np.zeros((), dtype=schema.SESSION_TYPE)
        record["closed"] = 1
        record["end_utc_ns"] = time.time_ns()
        record["frames"] = self._frames
        record["incomplete_frames"] = self._incomplete
        record["missing_frames"] = self._missing
        # A counter gone wild must not keep the file from being closed.
        record["lost_bytes"] = min(self._lost_bytes + self._missing * 2 * self._frame_words, _INT64_MAX)
        record["stop_reason"] = reason.encode("utf-8", "replace")
        for dataset in (self._samples, self._mask):
            dataset.resize(self._frames, 0)
        self._rows.trim()
        self._truth.trim()
        self._session[()] = record
        self._closed = True
        self._file.close()
        self._unlock()

    # --- failures ----------------------------------------------------------------------------------------------------

    def _require_open(self) -> None:
        if self._closed:
            raise RecordingError(f"the recording {self._path} is closed", "start a new one to record on")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Close the file and raise a RecordingError if a write fails."""
        try:
            yield
        except _WRITE_ERRORS as error:
            self._give_up(f"write failed: {_reason(error)}")
            raise self._write_error(error) from error

    def _give_up(self, reason: str) -> None:
        """Save what can be saved; the rows so far have their place in the file already."""
        if not self._closed:
            with suppress(*_WRITE_ERRORS):
                self._commit()
            with suppress(*_WRITE_ERRORS):
                self._finish(reason)
        self._closed = True
        with suppress(*_WRITE_ERRORS):
            self._file.close()
        self._unlock()

    def _write_error(self, error: Exception) -> RecordingError:
        return RecordingError(
            f"cannot write {self._path}: {_reason(error)}; the recording ended after {self._frames} frames",
            "is the disk full, unplugged or over its quota? The frames so far can be read: see `isactrack validate`",
        )


class _Table:
    """Columns of equal length that grow in blocks; rows wait in memory for `write`."""

    def __init__(self, group: h5py.Group, columns: Sequence[schema.Column]) -> None:
        self.rows = 0
        self._written = self._capacity = 0
        self._pending: list[tuple[Any, ...]] = []
        self._columns = columns
        self._datasets = [_create_column(group, column) for column in columns]
        self.reserve(1)

    def reserve(self, rows: int) -> None:
        """Allocate room for `rows` rows in the file."""
        if rows <= self._capacity:
            return
        capacity = -(-rows // schema.BLOCK_ROWS) * schema.BLOCK_ROWS
        for column, dataset in zip(self._columns, self._datasets, strict=True):
            dataset.resize(capacity, 0)
            dataset[self._capacity : capacity] = column.fill
            dataset.flush()
        self._capacity = capacity

    def extend(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Append rows, each a value for each column."""
        self._pending.extend(rows)
        self.rows += len(rows)

    def write(self) -> None:
        """Write and flush the waiting rows, the first column last: it is the commit mark."""
        if not self._pending:
            return
        for k in reversed(range(len(self._columns))):
            values = np.array([row[k] for row in self._pending], dtype=self._columns[k].dtype)
            self._datasets[k][self._written : self.rows] = values
            self._datasets[k].flush()
        self._written = self.rows
        self._pending.clear()

    def trim(self) -> None:
        """Give back the room that no row needed."""
        for dataset in self._datasets:
            dataset.resize(self.rows, 0)


def _create(path: Path, overwrite: bool) -> h5py.File:
    if not path.parent.is_dir():
        raise RecordingError(f"cannot create {path}: there is no folder {path.parent}", "create the folder first")
    if path.is_dir():
        raise RecordingError(f"cannot create {path}: it is a folder", "add a file name, e.g. run1.h5")
    try:
        if overwrite:
            locks.check_not_recorded(path)
        # HDF5 can crash on a file that it has no room to begin.
        if shutil.disk_usage(path.parent).free < DISK_RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if overwrite:
            # Not truncated in place: whoever still reads the old file keeps it.
            path.unlink(missing_ok=True)
        return _create_file(path)
    except FileExistsError as error:
        raise RecordingError(f"{path} exists already", "choose another name, or overwrite it on purpose") from error
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"cannot create {path}: {_reason(error)}",
            "check the permissions of the folder and the free space of the disk",
        ) from error


def _create_file(path: Path) -> h5py.File:
    existed = path.exists()
    try:
        return h5py.File(path, "x", libver=_LIBVER)
    except (OSError, ValueError):
        if not existed:  # on a full disk HDF5 leaves an empty file
            with suppress(OSError):
                path.unlink()
        raise


def _create_per_frame(
    group: h5py.Group, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], axes: Sequence[str]
) -> h5py.Dataset:
    dataset = group.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *shape))
    _label(dataset, axes)
    return dataset


def _create_column(group: h5py.Group, column: schema.Column) -> h5py.Dataset:
    dataset = group.create_dataset(
        column.name,
        (0, *column.tail),
        column.dtype,
        maxshape=(None, *column.tail),
        chunks=(schema.BLOCK_ROWS, *column.tail),
        fillvalue=column.fill,
    )
    _label(dataset, column.axes)
    set_text(dataset.attrs, "units", column.units)
    set_text(dataset.attrs, "meaning", column.meaning)
    return dataset


def _label(dataset: h5py.Dataset, axes: Sequence[str]) -> None:
    for k, axis in enumerate(axes):
        dataset.dims[k].label = axis


def _write_chunk(dataset: h5py.Dataset, row: int, data: np.ndarray[Any, Any]) -> None:
    """Write one frame's chunk past HDF5's chunk cache, which would copy it twice."""
    if dataset.shape[0] <= row:
        dataset.resize(row + 1, 0)
    dataset.id.write_direct_chunk((row, *(0 for _ in dataset.shape[1:])), data.tobytes())


def _reason(error: Exception) -> str:
    """Return what went wrong in one line: the system's words where there are any, HDF5 adds addresses and sizes."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).partition("\n")[0]
