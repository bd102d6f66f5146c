"""Read a recording: finished, still being written, left behind by a killed process, or cut."""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from isactrack.errors import IsacError, RecordingError
from isactrack.events import Event, EventKind, SidePacket
from isactrack.frame import GROUP_WORDS, BlockInfo, Frame
from isactrack.geometry import Pose, RoomOutline
from isactrack.ofdm import OfdmSensor
from isactrack.recordings import filters, schema
from isactrack.recordings.header import RecordingHeader, get_text, load_header
from isactrack.recordings.superblock import AsClosed, read_state
from isactrack.sensor import Sensor
from isactrack.source import Source
from isactrack.truth import Truth

_READ_ERRORS = (
    OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, IndexError, OverflowError, MemoryError,
)  # fmt: skip
_CHECKED_COLUMNS = tuple(column.name for column in schema.FRAME_COLUMNS if column.name != "crc32")
_BLOCK_COLUMNS = tuple(column.name for column in schema.BLOCK_COLUMNS)
_LIVE_ATTEMPTS = 5
_LIVE_PAUSE_S = 0.02


class Recording:
    """A recording, its frames read on demand.

    A file that was not closed, because its writer was killed or is still at work, opens too: then `closed_cleanly` is
    False and the length counts the frames that are whole. `refresh` looks for more of them.

    Parameters
    ----------
    path
        File that `RecordingWriter` wrote.

    Attributes
    ----------
    header
        What was known before the first frame.
    created_utc, uuid, schema_version, package_version
        ISO date of the start, identity, version of the layout, and version of isactrack that wrote it.
    closed_cleanly
        Whether the writer finished it and nothing is missing at its end.
    stop_reason
        Why it ended; empty if it was not closed.
    repaired_from
        Identity of the damaged recording that this one was saved from; empty for others.
    dataset_lengths
        Rows of each dataset of `/frames`, as the file has them.
    """

    header: RecordingHeader
    created_utc: str
    uuid: str
    schema_version: int
    package_version: str
    closed_cleanly: bool
    stop_reason: str
    repaired_from: str
    dataset_lengths: Mapping[str, int]

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file: h5py.File | None = None
        self._raw: AsClosed | None = None
        self._load()

    def __len__(self) -> int:
        return self._length

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; may be called again."""
        file, raw = self._file, self._raw
        self._file = self._raw = None
        with suppress(*_READ_ERRORS):
            if file is not None:
                file.close()
        if raw is not None:
            raw.close()

    def refresh(self) -> int:
        """Look for frames that were written since the file was opened and return the number of frames now."""
        if not self.closed_cleanly:
            self.close()
            self._load()
        return len(self)

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def sensor(self) -> Sensor:
        """The sensor as it really ran."""
        return self.header.sensor

    @property
    def source(self) -> Source:
        """What delivered the samples when this was recorded."""
        return self.header.source

    @property
    def origin(self) -> Source:
        """Where the samples came from first, never a replay."""
        return self.header.origin

    @property
    def pose(self) -> Pose:
        """Where the sensor stood in the room."""
        return self.header.pose

    @property
    def room(self) -> RoomOutline | None:
        """Walls of the room that it stood in; None if nobody knew them."""
        return self.header.room

    @property
    def profile_text(self) -> str:
        """The profile that was sent to the device, verbatim."""
        return self.header.profile_text

    @property
    def note(self) -> str:
        """Free text of the person who recorded."""
        return self.header.note

    # --- one value a frame -------------------------------------------------------------------------------------------

    @property
    def counters(self) -> NDArray[np.int64]:
        """Device counters (n,) int64."""
        return self._columns["counter"]

    @property
    def device_time_s(self) -> NDArray[np.float64]:
        """Starts of the frames (n,) float64 on the device's clock, seconds."""
        return self._columns["device_time_s"]

    @property
    def host_monotonic_ns(self) -> NDArray[np.int64]:
        """Arrivals (n,) int64 on the host's monotonic clock, nanoseconds."""
        return self._columns["host_monotonic_ns"]

    @property
    def host_utc_ns(self) -> NDArray[np.int64]:
        """Arrivals (n,) int64 in UTC since 1970-01-01, nanoseconds."""
        return self._columns["host_utc_ns"]

    @property
    def frame_lost_bytes(self) -> NDArray[np.int64]:
        """Lost bytes (n,) int64 of each frame."""
        return self._columns["lost_bytes"]

    @property
    def blocks(self) -> NDArray[Any]:
        """What a radio said of each block, a structured array (n,) of `schema.BLOCK_TYPE`; (0,) for a radar.

        The fields are those of `BlockInfo`.
        """
        if not self._has_blocks:
            return np.zeros(0, dtype=schema.BLOCK_TYPE)
        table = np.zeros(len(self), dtype=schema.BLOCK_TYPE)
        for name in _BLOCK_COLUMNS:
            table[name] = self._columns[name]
        return table

    @property
    def truth_frame_rows(self) -> NDArray[np.int64]:
        """Frame (rows,) int64 of each row of the table of true states."""
        return self._truth["frame_row"]

    # --- beside the frames -------------------------------------------------------------------------------------------

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened beside the frames, in the order of recording; none in files of schema version 1.

        Raises
        ------
        RecordingError
            If they are damaged.
        """
        return tuple(self.event(index) for index in range(self.event_frame_rows.size))

    @property
    def event_frame_rows(self) -> NDArray[np.int64]:
        """Frames (n,) int64 that were recorded before each event."""
        return self._events["frame_row"]

    def event(self, index: int) -> Event:
        """Return one of `events`.

        Raises
        ------
        RecordingError
            If it is damaged.
        """
        row = {name: column[index] for name, column in self._events.items()}
        try:
            return Event(
                host_monotonic_ns=int(row["host_monotonic_ns"]),
                host_utc_ns=int(row["host_utc_ns"]),
                kind=EventKind(row["kind"].decode("ascii")),
                text=row["text"].decode("utf-8"),
            )
        except ValueError as error:
            raise self._damaged_item(f"event {index}", str(error)) from error

    @property
    def side_packet_count(self) -> int:
        """Packets that came beside the frames."""
        return int(self._side["offset"].size)

    def side_packets(self) -> Iterator[SidePacket]:
        """Yield the packets that came beside the frames, in the order of recording; none in files of schema version 1.

        Raises
        ------
        RecordingError
            If one is damaged.
        """
        for index in range(self.side_packet_count):
            yield self.side_packet(index)

    def side_packet(self, index: int) -> SidePacket:
        """Return one of `side_packets`.

        Raises
        ------
        RecordingError
            If it is damaged, or the recording was closed.
        """
        self._require_open()
        row = {name: column[index] for name, column in self._side.items()}
        start, length = int(row["offset"]), int(row["length"])
        try:
            if self._side_bytes is None or not 0 <= start <= start + length <= self._side_bytes.shape[0]:
                raise ValueError(f"its bytes {start} to {start + length} are not there")
            data = self._side_bytes[start : start + length].tobytes()
            if zlib.crc32(data) != row["crc32"]:
                raise ValueError("its checksum does not match")
            kind = row["kind"].decode("ascii")
        except _READ_ERRORS as error:
            raise self._damaged_item(f"side packet {index}", str(error)) from error
        return SidePacket(
            host_monotonic_ns=int(row["host_monotonic_ns"]), host_utc_ns=int(row["host_utc_ns"]), kind=kind, data=data
        )

    @property
    def losses(self) -> NDArray[Any]:
        """Holes in frames and runs of missing frames, a structured array (n,) of `schema.LOSS_TYPE`.

        The fields are ``frame_row``, ``counter``, ``missing_frames``, ``first_byte`` and ``lost_bytes``; a hole has 0
        missing frames, a run of missing frames has the row of the frame that follows it. None in schema version 1.
        """
        table = np.zeros(self._losses["frame_row"].size, dtype=schema.LOSS_TYPE)
        for name, column in self._losses.items():
            table[name] = column
        return table

    # --- on the disk -------------------------------------------------------------------------------------------------

    @property
    def compression(self) -> str:
        """What was done to the samples, e.g. ``bitshuffle + fletcher32`` or ``none``."""
        return self._filters

    @property
    def file_bytes(self) -> int:
        """Size of the file when it was opened."""
        return self._file_bytes

    def compression_ratio(self) -> float | None:
        """Return the bytes of samples and masks over the bytes that they take in the file; None without frames.

        Raises
        ------
        RecordingError
            If the file is damaged, or was closed.
        """
        self._require_open()
        try:
            stored = self._samples.id.get_storage_size() + self._mask.id.get_storage_size()
        except _READ_ERRORS as error:
            raise self._damaged(error) from error
        raw = len(self) * (self.sensor.frame_bytes + schema.mask_bytes(self.sensor))
        return raw / stored if raw and stored else None

    # --- totals ------------------------------------------------------------------------------------------------------

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last frame's period, on the device's clock."""
        if not len(self):
            return 0.0
        return float(self.device_time_s[-1] - self.device_time_s[0]) + self.sensor.frame_period_s

    @property
    def missing_frames(self) -> int:
        """Frames that the device counted between the first and the last but that never arrived."""
        jumps = np.diff(self.counters) - 1
        return int(jumps[jumps > 0].sum())

    @property
    def incomplete_frames(self) -> int:
        """Frames with lost bytes."""
        return int(np.count_nonzero(self.frame_lost_bytes))

    @property
    def lost_bytes(self) -> int:
        """Bytes that never arrived, missing frames included."""
        return int(self.frame_lost_bytes.sum()) + self.missing_frames * self.sensor.frame_bytes

    @property
    def lost_share(self) -> float:
        """Lost bytes over all bytes that should have come, 0 to 1."""
        due_bytes = (len(self) + self.missing_frames) * self.sensor.frame_bytes
        return self.lost_bytes / due_bytes if due_bytes else 0.0

    # --- frames ------------------------------------------------------------------------------------------------------

    def frame(self, index: int) -> Frame:
        """Return a frame as it was appended.

        Parameters
        ----------
        index
            Row, 0 to ``len(self) - 1``.

        Raises
        ------
        IndexError
            If there is no such row.
        RecordingError
            If the frame cannot be read, or its checksum does not match.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a recording with {len(self)}")
        self._require_open()
        # A live writer may be changing the chunk's entry in the index at this moment.
        samples, packed = self._read(index, again=self._may_be_live)
        words = samples.reshape(-1).astype(np.int16, copy=False)
        return Frame(
            samples=words,
            valid=np.unpackbits(packed, count=-(-words.size // GROUP_WORDS)).astype(np.bool_),
            counter=int(self.counters[index]),
            device_time_s=float(self.device_time_s[index]),
            host_monotonic_ns=int(self.host_monotonic_ns[index]),
            host_utc_ns=int(self.host_utc_ns[index]),
            block=self._block(index),
        )

    def _block(self, index: int) -> BlockInfo | None:
        if not self._has_blocks:
            return None
        return schema.block_of({name: self._columns[name][index] for name in _BLOCK_COLUMNS})

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield the frames of rows `start` to `stop`, exclusive; None for the length at the time of the call."""
        for index in range(start, len(self) if stop is None else min(stop, len(self))):
            yield self.frame(index)

    def truth(self, index: int) -> Truth | None:
        """Return where the targets really were in a frame; None if it was not recorded.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a recording with {len(self)}")
        time_s = float(self._columns["truth_time_s"][index])
        if np.isnan(time_s):
            return None
        rows = slice(*np.searchsorted(self.truth_frame_rows, (index, index + 1)))
        return Truth(
            time_s=time_s,
            target_id=self._truth["target_id"][rows],
            position_m=self._truth["position_m"][rows],
            velocity_mps=self._truth["velocity_mps"][rows],
        )

    # --- opening -----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Open the file and read everything but the frames; leave nothing open on failure."""
        attempts = _LIVE_ATTEMPTS
        while True:
            try:
                return self._load_once()
            except RecordingError:
                self.close()
                raise
            except _READ_ERRORS as error:
                self.close()
                attempts -= 1
                if not self._may_be_live or not attempts:
                    raise self._damaged(error) from error
            time.sleep(_LIVE_PAUSE_S)  # a writer may have been in the middle of a change

    def _load_once(self) -> None:
        file = self._open()
        self._check_schema(file)
        try:
            self.header = load_header(file)
        except IsacError as error:
            raise self._damaged(error) from error
        self.created_utc = get_text(file.attrs, "created_utc")
        self.uuid = get_text(file.attrs, "uuid")
        self.package_version = get_text(file.attrs, "package_version")
        repaired = schema.REPAIRED_FROM in file.attrs
        self.repaired_from = get_text(file.attrs, schema.REPAIRED_FROM) if repaired else ""
        session = np.asarray(file[schema.SESSION][()], dtype=schema.SESSION_TYPE)
        self.closed_cleanly = self._raw is None and bool(session["closed"])
        self.stop_reason = bytes(session["stop_reason"].item()).decode("utf-8", "ignore") if session["closed"] else ""
        self._open_tables(file)

    def _require_open(self) -> h5py.File:
        if self._file is None:
            raise RecordingError(f"{self._path} is closed", "open it again")
        return self._file

    def _open(self) -> h5py.File:
        try:
            state = read_state(self._path)
        except FileNotFoundError as error:
            raise RecordingError(f"there is no file {self._path}", "check the name and the folder") from error
        except OSError as error:
            reason, hint = error.strerror, "is it a file, and may you read it?"
            raise RecordingError(f"cannot read {self._path}: {reason}", hint) from error
        if not state.is_hdf5:
            raise RecordingError(
                f"{self._path} is not an HDF5 file" if state.actual_bytes else f"{self._path} is empty",
                "a recording of isactrack is an .h5 file; was the copy or the download interrupted?",
            )
        filters.register()
        self._file_bytes = state.actual_bytes
        self._may_be_live, self._cut = state.open_for_write, state.is_cut
        if state.open_for_write or state.is_cut:
            self._raw = AsClosed(self._path)
        self._file = h5py.File(self._raw or self._path, "r")
        return self._file

    def _check_schema(self, file: h5py.File) -> None:
        if "format" not in file.attrs or get_text(file.attrs, "format") != schema.FORMAT:
            raise RecordingError(
                f"{self._path} is an HDF5 file, but no recording of isactrack",
                "only files that isactrack recorded can be opened",
            )
        self.schema_version = version = int(file.attrs["schema_version"])
        if version not in schema.READABLE_VERSIONS:
            raise RecordingError(
                f"{self._path} has schema version {version}, this isactrack reads up to {schema.SCHEMA_VERSION}",
                "update isactrack" if version > schema.SCHEMA_VERSION else "the version is not valid: file damaged?",
            )

    def _open_tables(self, file: h5py.File) -> None:
        frames = file[schema.FRAMES]
        shape, width = self.sensor.word_shape, schema.mask_bytes(self.sensor)
        self._samples = self._dataset(frames, schema.SAMPLES, schema.SAMPLE_TYPE, shape)
        self._mask = self._dataset(frames, schema.VALID, schema.MASK_TYPE, (width,))
        self._filters = filters.describe(self._samples)
        self._has_blocks = isinstance(self.sensor, OfdmSensor)
        columns = self._columns_of(frames, schema.frame_columns(self.sensor))
        self.dataset_lengths = {
            schema.SAMPLES: self._samples.shape[0],
            schema.VALID: self._mask.shape[0],
            **{name: dataset.shape[0] for name, dataset in columns.items()},
        }
        self._columns = _read_marked(columns, "counter", min(self.dataset_lengths.values()), cut=self._cut)
        self._truth = self._table(file, schema.TRUTH, schema.TRUTH_COLUMNS)
        if np.any(np.diff(self.truth_frame_rows) < 0):
            raise RecordingError(
                f"the true states in {self._path} are not in the order of the frames",
                "the file is damaged or was edited",
            )
        self._losses = self._table(file, schema.LOSSES, schema.LOSS_COLUMNS)
        self._events = self._table(file, schema.EVENTS, schema.EVENT_COLUMNS)
        self._side = self._table(file, schema.SIDE, schema.SIDE_COLUMNS)
        self._side_bytes = (
            None if self.schema_version == 1 else self._dataset(file[schema.SIDE], schema.BYTES, schema.MASK_TYPE, ())
        )
        self._length = self.counters.size
        if self._raw is not None:
            self._length = _count_prefix(self._length, self._is_whole)
            self._columns = {name: column[: self._length] for name, column in self._columns.items()}
            known = self._losses["frame_row"] < self._length
            self._losses = {name: column[known] for name, column in self._losses.items()}

    def _table(self, file: h5py.File, name: str, columns: Sequence[schema.Column]) -> dict[str, NDArray[Any]]:
        """Read a table whole; its first column is its commit mark."""
        if self.schema_version == 1 and name != schema.TRUTH:
            return {column.name: np.zeros(0, dtype=column.dtype) for column in columns}
        datasets = self._columns_of(file[name], columns)
        rows = min(dataset.shape[0] for dataset in datasets.values())
        return _read_marked(datasets, columns[0].name, rows, cut=self._cut)

    def _columns_of(self, group: h5py.Group, columns: Sequence[schema.Column]) -> dict[str, h5py.Dataset]:
        return {c.name: self._dataset(group, c.name, np.dtype(c.dtype), c.tail) for c in columns}

    def _dataset(self, group: h5py.Group, name: str, dtype: np.dtype[Any], tail: tuple[int, ...]) -> h5py.Dataset:
        dataset = group[name]
        if dataset.shape[1:] != tail or len(dataset.shape) != len(tail) + 1 or dataset.dtype != dtype:
            raise RecordingError(
                f"{self._path}: {dataset.name} is {dataset.dtype} {dataset.shape}, expected {dtype} (n, {tail})",
                "the samples do not belong to the sensor in the file: it is damaged or was edited",
            )
        filters.check_known(dataset)
        return dataset

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read(self, index: int, *, again: bool) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
        """Return the words and the packed mask of a row; look again with a new view of the file if that may help."""
        try:
            samples, mask = self._samples[index], self._mask[index]
            row = None if self.schema_version == 1 else tuple(self._columns[name][index] for name in _CHECKED_COLUMNS)
            block = tuple(self._columns[name][index] for name in _BLOCK_COLUMNS) if self._has_blocks else None
            whole = schema.checksum(samples, mask, row, block) == self._columns["crc32"][index]
        except _READ_ERRORS as error:
            if not again:
                raise self._damaged_item(f"frame {index}", str(error)) from error
            self.refresh()
            return self._read(index, again=False)
        if not whole:
            raise self._damaged_item(f"frame {index}", "its checksum does not match")
        return samples, mask

    def _is_whole(self, index: int) -> bool:
        try:
            self._read(index, again=False)
        except RecordingError:
            return False
        return True

    def _damaged_item(self, item: str, reason: str) -> RecordingError:
        return RecordingError(
            f"{item} of {self._path} is damaged: {reason}",
            "what is before and after it may be whole; copy the file again from where it was recorded, or repair it",
        )

    def _damaged(self, error: Exception) -> RecordingError:
        if isinstance(error, PermissionError | BlockingIOError):
            return RecordingError(
                f"cannot read {self._path}: {error}",
                "check the permissions; on a network folder without locks set HDF5_USE_FILE_LOCKING=FALSE",
            )
        return RecordingError(
            f"{self._path} is {'cut short' if self._cut else 'damaged or incomplete'}: {error}",
            "was the copy interrupted or the disk full? Copy it again from where it was recorded",
        )


def _read_marked(datasets: Mapping[str, h5py.Dataset], mark: str, rows: int, *, cut: bool) -> dict[str, NDArray[Any]]:
    """Read the rows whose commit mark is set, up to the first that is not, or that was cut off with the file."""
    if cut:
        blocks = _count_prefix(-(-rows // schema.BLOCK_ROWS), lambda block: _has_block(datasets.values(), block))
        rows = min(rows, blocks * schema.BLOCK_ROWS)
    marks = np.asarray(datasets[mark][:rows])
    unset = np.flatnonzero(marks == -1)
    count = int(unset[0]) if unset.size else rows
    table = {name: np.asarray(dataset[:count]) for name, dataset in datasets.items()}
    for column in table.values():
        column.setflags(write=False)
    return table


def _has_block(datasets: Iterable[h5py.Dataset], block: int) -> bool:
    try:
        for dataset in datasets:
            dataset[block * schema.BLOCK_ROWS : (block + 1) * schema.BLOCK_ROWS]
    except _READ_ERRORS:
        return False
    return True


def _count_prefix(count: int, is_whole: Callable[[int], bool]) -> int:
    """Return how many of the first `count` items are whole, where a cut leaves a prefix of them."""
    if not count or is_whole(count - 1):
        return count
    low, high = 0, count - 1  # all below `low` are whole, `high` is not
    while low < high:
        middle = (low + high) // 2
        if is_whole(middle):
            low = middle + 1
        else:
            high = middle
    return low
