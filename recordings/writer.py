"""Write a recording so that a crash loses at most the last moments.

The file is in SWMR mode (single writer, multiple readers) from its first frame on: what was flushed stays readable if
the process is killed, and others can read along. Power loss is another matter: only closing waits for the disk. HDF5
rewrites its indexes in place, so that waiting now and then would not make what was waited for safe; a recording in
segments does that, each of them closed.
"""

import errno
import math
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError, RecordingError
from isactrack.events import Event, SidePacket
from isactrack.frame import BlockInfo, Frame
from isactrack.ofdm import OfdmSensor
from isactrack.recordings import filters, locks, schema
from isactrack.recordings.header import RecordingHeader, set_text, store_header
from isactrack.truth import Truth

DISK_RESERVE_BYTES = 16 * 2**20
"""Free space at which a recording ends by itself: a full disk would leave no room to close it."""

# Everything is at least of HDF5 1.10, which SWMR needs, and no newer than necessary, so that other readers keep up.
_LIBVER = ("v110", "latest")
_CHUNK_CACHE_BYTES = 1 << 16
"""For each dataset. HDF5's 1 MiB would keep the whole of every table in memory for hours of recording."""
_METADATA_CACHE_BYTES = 1 << 20
"""For the indexes of the chunks, of which only the ends are used; HDF5 would let it grow to 32 MiB."""
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
        Whatever is added is flushed when the last flush is older than this, 0 to 1 s. Who adds nothing for longer calls
        `flush`.
    compression
        What is done to the samples, one of `filters.COMPRESSIONS`: ``bitshuffle-lz4``, which is lossless, or ``none``.

    Raises
    ------
    RecordingError
        If the file exists, is being recorded by another process, or cannot be created.
    ConfigError
        If the flush interval is out of range, or the compression is not known.
    """

    def __init__(
        self,
        path: str | Path,
        header: RecordingHeader,
        *,
        overwrite: bool = False,
        flush_interval_s: float = 0.5,
        compression: str = filters.BITSHUFFLE_LZ4,
    ) -> None:
        if not 0.0 <= flush_interval_s <= 1.0:
            raise ConfigError(f"a flush interval of {flush_interval_s} s is not within 0 to 1 s")
        if compression not in filters.COMPRESSIONS:
            raise ConfigError(
                f"there is no compression {compression!r}", f"one of them: {', '.join(filters.COMPRESSIONS)}"
            )
        self._path = Path(path)
        self._compression = compression
        self._frame_words = header.sensor.frame_words
        self._has_blocks = isinstance(header.sensor, OfdmSensor)
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
            If the frame does not have the size of the sensor's frames, its counter is negative, or it does not say of
            its block what a radio's frame has to, and only a radio's.
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
        self._check_block(frame.block)
        with self._guard():
            self._store(frame, truth)
        self._flush_if_due()

    def add_event(self, event: Event) -> None:
        """Add an event; of its text at most 200 bytes are kept.

        Raises
        ------
        ConfigError
            If one of its times is negative.
        RecordingError
            If the file cannot be written; the recording is closed then, and what was added before is readable. Also if
            the recording was closed.
        """
        self._require_open()
        times = _checked_times(event)
        row = (*times, str(event.kind).encode(), self._frames, _cut_text(event.text, schema.TEXT_BYTES))
        with self._guard():
            self._events.reserve(self._events.rows + 1)
            self._events.extend([row])
        self._flush_if_due()

    def add_side_packet(self, packet: SidePacket) -> None:
        """Add a packet that came beside the frames, verbatim.

        Raises
        ------
        ConfigError
            If one of its times is negative, or its kind is not ASCII of at most 32 bytes.
        RecordingError
            If the file cannot be written; the recording is closed then, and what was added before is readable. Also if
            the recording was closed.
        """
        self._require_open()
        times = _checked_times(packet)
        if not packet.kind.isascii() or len(packet.kind) > schema.SIDE_KIND_BYTES:
            raise ConfigError(f"a packet of kind {packet.kind!r} is impossible", "at most 32 bytes of ASCII")
        offset, length = self._side_bytes.length, len(packet.data)
        with self._guard():
            self._side.reserve(self._side.rows + 1)
            self._side_bytes.reserve(offset + length)
            self._side_bytes.extend(packet.data)
            self._side.extend([(*times, packet.kind.encode(), offset, length, zlib.crc32(packet.data))])
        self._flush_if_due()

    def flush(self) -> None:
        """Make everything so far readable for others and safe from the death of this process.

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
                f"the disk of {self._path} is nearly full: the file ended after {self._frames} frames",
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
            _sync(self._path)

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
        shape, width = header.sensor.word_shape, schema.mask_bytes(header.sensor)
        frames = self._file.create_group(schema.FRAMES)
        options = filters.storage_options(self._compression)
        self._samples = _PerFrame(
            frames, schema.SAMPLES, schema.SAMPLE_TYPE, shape, ("frame", *header.sensor.word_axes), options
        )
        self._mask = _PerFrame(frames, schema.VALID, schema.MASK_TYPE, (width,), schema.MASK_AXES, options, alike=True)
        set_text(self._samples.dataset.attrs, "units", schema.sample_units(header.sensor))
        set_text(self._mask.dataset.attrs, "units", "1 bit for 4 words, first in the high bit")
        side = self._file.create_group(schema.SIDE)
        self._rows = _Table(frames, schema.frame_columns(header.sensor))
        self._rows.reserve(1)  # at the front, where a cut leaves it
        self._truth = _Table(self._file.create_group(schema.TRUTH), schema.TRUTH_COLUMNS)
        self._losses = _Table(self._file.create_group(schema.LOSSES), schema.LOSS_COLUMNS)
        self._events = _Table(self._file.create_group(schema.EVENTS), schema.EVENT_COLUMNS)
        self._side = _Table(side, schema.SIDE_COLUMNS)
        self._side_bytes = _Bytes(side)
        self._session = self._file.create_dataset(schema.SESSION, data=np.zeros((), dtype=schema.SESSION_TYPE))
        self._file.swmr_mode = True

    def _store(self, frame: Frame, truth: Truth | None) -> None:
        row = self._frames
        losses = self._loss_rows(row, frame)
        # Space in the tables comes first: if the disk is full now, the rows so far still have their place.
        self._rows.reserve(row + 1)
        self._losses.reserve(self._losses.rows + len(losses))
        if truth is not None:
            self._truth.reserve(self._truth.rows + len(truth))
        words = np.ascontiguousarray(frame.samples, dtype=schema.SAMPLE_TYPE)
        mask = np.packbits(frame.valid)
        self._samples.write(row, words)
        self._mask.write(row, mask)
        lost_bytes = frame.lost_bytes
        truth_time_s = math.nan if truth is None else truth.time_s
        values = (frame.counter, frame.device_time_s, frame.host_monotonic_ns, frame.host_utc_ns, lost_bytes)
        block = None if frame.block is None else schema.block_row(frame.block)
        crc = schema.checksum(words, mask, (*values, truth_time_s), block)
        if truth is not None:
            states = zip(truth.target_id, truth.position_m, truth.velocity_mps, strict=True)
            self._truth.extend([(row, truth.time_s, *state) for state in states])
        self._losses.extend(losses)
        self._rows.extend([(*values, crc, truth_time_s, *(block or ()))])
        self._frames += 1
        self._incomplete += lost_bytes > 0
        self._missing += self._gap(frame)
        self._last_counter = frame.counter
        self._lost_bytes += lost_bytes

    def _check_block(self, block: BlockInfo | None) -> None:
        if (block is not None) != self._has_blocks:
            raise ConfigError(
                "a radio's frame says nothing of its block" if block is None else "a radar's frame speaks of a block",
                "the driver gives `Frame.block` for an OfdmSensor, and for no other",
            )
        if block is not None and not (
            0 <= block.tick <= _INT64_MAX and 0 <= block.clipped <= _INT64_MAX and 0 <= block.flags < 2**32
        ):
            raise ConfigError(
                f"a block of tick {block.tick}, flags {int(block.flags)} and clipped {block.clipped} is impossible",
                "none of them is negative, and flags have 32 bits",
            )

    def _gap(self, frame: Frame) -> int:
        """Return the number of frames that are missing before this one."""
        return 0 if self._last_counter is None else max(0, frame.counter - self._last_counter - 1)

    def _loss_rows(self, row: int, frame: Frame) -> list[tuple[int, ...]]:
        holes = schema.holes(frame.valid, self._frame_words)
        rows: list[tuple[int, ...]] = [(row, frame.counter, 0, *hole) for hole in holes]
        if missing := self._gap(frame):
            # A counter gone wild must not keep the file from being written.
            lost_bytes = min(missing * 2 * self._frame_words, _INT64_MAX)
            rows.insert(0, (row, frame.counter - missing, missing, 0, lost_bytes))
        return rows

    def _commit(self) -> None:
        # The order matters: the mark of a row must not reach the file before what it vouches for.
        self._samples.dataset.flush()
        self._mask.dataset.flush()
        self._truth.write()
        self._losses.write()
        self._rows.write()
        self._events.write()
        self._side_bytes.write()
        self._side.write()
        self._last_flush_s = time.monotonic()

    def _flush_if_due(self) -> None:
        if time.monotonic() - self._last_flush_s >= self._flush_interval_s:
            self.flush()

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
        for frames in (self._samples, self._mask):
            frames.trim(self._frames)
        for table in (self._rows, self._truth, self._losses, self._events, self._side, self._side_bytes):
            table.trim()
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
            f"cannot write {self._path}: {_reason(error)}; the file ended after {self._frames} frames",
            "is the disk full, unplugged or over its quota? The frames so far can be read: see `isactrack validate`",
        )


class _PerFrame:
    """A dataset with one chunk a frame.

    Parameters
    ----------
    group, name, dtype, shape, axes
        Where it is, and what a frame of it is.
    options
        Its filters, see `filters.storage_options`.
    alike
        Whether frames are mostly alike, as masks are: then what the filters made of the last one is kept. For a small
        frame they are most of the cost, and cost as much for its mask.
    """

    def __init__(
        self,
        group: h5py.Group,
        name: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        axes: Sequence[str],
        options: dict[str, Any],
        *,
        alike: bool = False,
    ) -> None:
        self._alike = alike
        self.dataset = group.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(1, *shape), **options
        )
        _label(self.dataset, axes)
        self._filter = filters.ChunkFilter((1, *shape), dtype, options) if options else None
        self._last: tuple[bytes, tuple[int, bytes]] | None = None
        self._rest = tuple(0 for _ in shape)
        self._capacity = 0

    def write(self, row: int, data: NDArray[Any]) -> None:
        """Write the chunk of a frame past HDF5's chunk cache: it reaches the file now, or fails now."""
        mask, stored = self._stored(data)
        if row >= self._capacity:
            self._capacity = row + schema.BLOCK_FRAMES
            self.dataset.resize(self._capacity, 0)
        self.dataset.id.write_direct_chunk((row, *self._rest), stored, mask)

    def _stored(self, data: NDArray[Any]) -> tuple[int, bytes]:
        if self._filter is None:
            return 0, data.tobytes()
        if not self._alike:
            return self._filter(data)
        raw = data.tobytes()
        if self._last is None or self._last[0] != raw:
            self._last = raw, self._filter(data)
        return self._last[1]

    def trim(self, rows: int) -> None:
        """Give back the room that no frame needed, and the memory of the filter."""
        if self._filter:
            self._filter.close()
        self.dataset.resize(rows, 0)


class _Bytes:
    """Bytes one behind the other, that grow in blocks; they wait in memory for `write`."""

    def __init__(self, group: h5py.Group) -> None:
        self.length = 0
        self._written = self._capacity = 0
        self._pending: list[bytes] = []
        self._dataset = group.create_dataset(
            schema.BYTES, (0,), schema.MASK_TYPE, maxshape=(None,), chunks=(schema.BLOCK_BYTES,)
        )
        _label(self._dataset, ("byte",))
        set_text(self._dataset.attrs, "units", "1")

    def reserve(self, length: int) -> None:
        """Allocate room for `length` bytes in the file."""
        if length <= self._capacity:
            return
        capacity = -(-length // schema.BLOCK_BYTES) * schema.BLOCK_BYTES
        _fill_blocks(self._dataset, np.zeros(schema.BLOCK_BYTES, schema.MASK_TYPE), self._capacity, capacity)
        self._capacity = capacity

    def extend(self, data: bytes) -> None:
        """Append bytes."""
        self._pending.append(data)
        self.length += len(data)

    def write(self) -> None:
        """Write and flush the waiting bytes."""
        if self._written < self.length:
            self._dataset[self._written : self.length] = np.frombuffer(b"".join(self._pending), schema.MASK_TYPE)
            self._dataset.flush()
            self._written = self.length
        self._pending.clear()

    def trim(self) -> None:
        """Give back the room that no byte needed."""
        self._dataset.resize(self.length, 0)


class _Table:
    """Columns of equal length that grow in blocks; rows wait in memory for `write`."""

    def __init__(self, group: h5py.Group, columns: Sequence[schema.Column]) -> None:
        self.rows = 0
        self._written = self._capacity = 0
        self._pending: list[tuple[Any, ...]] = []
        self._columns = columns
        self._datasets = [_create_column(group, column) for column in columns]

    def reserve(self, rows: int) -> None:
        """Allocate room for `rows` rows in the file."""
        if rows <= self._capacity:
            return
        capacity = -(-rows // schema.BLOCK_ROWS) * schema.BLOCK_ROWS
        for column, dataset in zip(self._columns, self._datasets, strict=True):
            block = np.full((schema.BLOCK_ROWS, *column.tail), column.fill, dtype=dataset.dtype)
            _fill_blocks(dataset, block, self._capacity, capacity)
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
            # The dataset's own type: HDF5 takes no ASCII for UTF-8.
            values = np.array([row[k] for row in self._pending], dtype=self._datasets[k].dtype)
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
    filters.register()
    path.touch(exist_ok=False)  # of two that come at once, one gets the name; what is removed below is its own
    try:
        file = h5py.File(path, "w", libver=_LIBVER, rdcc_nbytes=_CHUNK_CACHE_BYTES)
        caching = file.id.get_mdc_config()
        caching.set_initial_size, caching.initial_size = True, _METADATA_CACHE_BYTES
        caching.min_size = caching.max_size = _METADATA_CACHE_BYTES
        file.id.set_mdc_config(caching)
        return file
    except (OSError, ValueError):
        with suppress(OSError):
            path.unlink()
        raise


def _create_column(group: h5py.Group, column: schema.Column) -> h5py.Dataset:
    dtype = np.dtype(column.dtype)
    dataset = group.create_dataset(
        column.name,
        (0, *column.tail),
        h5py.string_dtype("utf-8", dtype.itemsize) if dtype.kind == "S" else dtype,
        maxshape=(None, *column.tail),
        chunks=(schema.BLOCK_ROWS, *column.tail),
        fillvalue=column.fill,
    )
    _label(dataset, column.axes)
    set_text(dataset.attrs, "units", column.units)
    set_text(dataset.attrs, "meaning", column.meaning)
    return dataset


def _fill_blocks(dataset: h5py.Dataset, block: NDArray[Any], start: int, stop: int) -> None:
    """Grow a dataset with copies of a chunk, which reach the file now, or fail now.

    A chunk that waits in HDF5's cache and finds no room keeps the file from being closed; then HDF5 crashes at exit.
    """
    dataset.resize(stop, 0)
    for row in range(start, stop, len(block)):
        dataset.id.write_direct_chunk((row, *(0 for _ in block.shape[1:])), block.tobytes())
    dataset.flush()


def _label(dataset: h5py.Dataset, axes: Sequence[str]) -> None:
    for k, axis in enumerate(axes):
        dataset.dims[k].label = axis


def _checked_times(item: Event | SidePacket) -> tuple[int, int]:
    """Return the times of an item; a negative one would look like a row that was not written."""
    if not (0 <= item.host_monotonic_ns <= _INT64_MAX and 0 <= item.host_utc_ns <= _INT64_MAX):
        raise ConfigError(
            f"times of {item.host_monotonic_ns} and {item.host_utc_ns} ns are impossible", "clocks count from 0"
        )
    return item.host_monotonic_ns, item.host_utc_ns


def _cut_text(text: str, n_bytes: int) -> bytes:
    """Return the first bytes of a text as UTF-8, cut between two characters."""
    return text.encode("utf-8", "replace")[:n_bytes].decode("utf-8", "ignore").encode()


def _sync(path: Path) -> None:
    """Wait until a file, and its name in the folder, are on the disk."""
    with path.open("r+b") as file:  # Windows flushes only what may be written to
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; nothing happens where folders cannot be waited for."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without
            raise
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    """Return what went wrong in one line: the system's words where there are any, HDF5 adds addresses and sizes."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).partition("\n")[0]
