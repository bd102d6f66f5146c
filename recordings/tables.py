"""Detections, tracks and calibrations as CSV: one row each, units in the header, floats that read back exactly."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import RecordingError
from isactrack.recordings.replacing import replacing
from isactrack.tracks import Track, TrackStatus

DETECTION_HEADER = "time_s,range_m,radial_velocity_mps,azimuth_rad,x_m,y_m,snr_db"
TRACK_HEADER = "time_s,track_id,status,x_m,y_m,vx_mps,vy_mps"
ROOM_TRACK_HEADER = f"device,{TRACK_HEADER}"
CALIBRATION_HEADER = "time_s,counter,delay_s,phase_rad,gain_db,quality,status"


class CalibratedBlock(Protocol):
    """What was taken off a block of a radio; `isactrack.processing.channel.BlockCalibration` says what each is."""

    @property
    def counter(self) -> int:
        """The block."""

    @property
    def time_s(self) -> float:
        """Its device time."""

    @property
    def delay_s(self) -> float:
        """Its delay."""

    @property
    def phase_rad(self) -> float:
        """Its phase."""

    @property
    def gain_db(self) -> float:
        """Its level."""

    @property
    def quality(self) -> float:
        """How well it fits the reference."""

    @property
    def status(self) -> str:
        """Whether to trust it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrackTable:
    """States of tracks, one row a track and frame, in the sensor frame unless it is said that they are in the room's.

    Attributes
    ----------
    time_s
        Times (n,) float64, of the device unless it is said that they are the host's.
    track_id
        Identities (n,) int64.
    status
        Values of `TrackStatus` (n,) str.
    position_m, velocity_mps
        Positions and velocities (n, 2) float64, x and y.
    """

    time_s: NDArray[np.float64]
    track_id: NDArray[np.int64]
    status: NDArray[np.str_]
    position_m: NDArray[np.float64]
    velocity_mps: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.time_s.size)

    @classmethod
    def from_tracks(cls, steps: Iterable[Sequence[Track]]) -> "TrackTable":
        """Gather the tracks of successive steps."""
        return _table([track_row(track) for tracks in steps for track in tracks])


_TrackRow = tuple[float, int, str, float, float, float, float]


def write_detections_csv(path: str | Path, detections: Iterable[Detections]) -> int:
    """Write detections, one row each, and return the number of rows.

    The file appears when it is complete; whatever interrupts the writing leaves what was there before.

    Raises
    ------
    RecordingError
        If the file cannot be written.
    """
    return _write_csv(Path(path), DETECTION_HEADER, (row for step in detections for row in detection_rows(step)))


def write_tracks_csv(path: str | Path, steps: Iterable[Sequence[Track]]) -> int:
    """Write the tracks of successive steps, one row a track and step, and return the number of rows.

    The file appears when it is complete; whatever interrupts the writing leaves what was there before.

    Raises
    ------
    RecordingError
        If the file cannot be written.
    """
    return _write_csv(Path(path), TRACK_HEADER, (track_row(track) for tracks in steps for track in tracks))


def write_room_tracks_csv(path: str | Path, tables: Mapping[str, TrackTable]) -> int:
    """Write the tracks of several devices, in one frame and on one clock, and return the number of rows.

    The columns are those of `write_tracks_csv` with the name of the device before them. The file appears when it is
    complete; whatever interrupts the writing leaves what was there before.

    Raises
    ------
    RecordingError
        If the file cannot be written.
    """
    rows = (
        (name, time_s, track_id, status, *position_m, *velocity_mps)
        for name, table in tables.items()
        for time_s, track_id, status, position_m, velocity_mps in zip(
            table.time_s.tolist(), table.track_id.tolist(), table.status.tolist(), table.position_m.tolist(),
            table.velocity_mps.tolist(), strict=True,
        )
    )  # fmt: skip
    return _write_csv(Path(path), ROOM_TRACK_HEADER, rows)


def write_calibration_csv(path: str | Path, blocks: Iterable[CalibratedBlock]) -> int:
    """Write what calibration took off each block of a radio, and return the number of rows.

    The file appears when it is complete; whatever interrupts the writing leaves what was there before.

    Raises
    ------
    RecordingError
        If the file cannot be written.
    """
    rows = (
        (one.time_s, one.counter, one.delay_s, one.phase_rad, one.gain_db, one.quality, str(one.status))
        for one in blocks
    )
    return _write_csv(Path(path), CALIBRATION_HEADER, rows)


def read_tracks_csv(path: str | Path) -> TrackTable:
    """Read a file of `write_tracks_csv`.

    Raises
    ------
    RecordingError
        If the file cannot be read or has another header, or a row is not valid; the message names the line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _table(list(_read_track_rows(path, file)))
    except FileNotFoundError as error:
        raise RecordingError(f"there is no file {path}", "check the name and the folder") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecordingError(f"cannot read {path}: {reason}", "is it a CSV table that isactrack wrote?") from error


def detection_rows(step: Detections) -> Iterator[tuple[float, ...]]:
    """Yield the values of `DETECTION_HEADER` of each detection."""
    columns = (step.range_m, step.radial_velocity_mps, step.azimuth_rad, *step.position_m.T, step.snr_db)
    for row in zip(*columns, strict=True):
        yield step.time_s, *row


def track_row(track: Track) -> _TrackRow:
    """Return the values of `TRACK_HEADER` of a track."""
    x, vx, y, vy = (float(value) for value in track.state)
    return track.time_s, track.track_id, track.status.value, x, y, vx, vy


def _table(rows: Sequence[_TrackRow]) -> TrackTable:
    states = np.array([row[3:] for row in rows], dtype=np.float64).reshape(-1, 4)
    table = TrackTable(
        time_s=np.array([row[0] for row in rows], dtype=np.float64),
        track_id=np.array([row[1] for row in rows], dtype=np.int64),
        status=np.array([row[2] for row in rows], dtype=np.str_),
        position_m=states[:, :2].copy(),
        velocity_mps=states[:, 2:].copy(),
    )
    for array in (table.time_s, table.track_id, table.status, table.position_m, table.velocity_mps):
        array.setflags(write=False)
    return table


def _read_track_rows(path: Path, file: TextIO) -> Iterator[_TrackRow]:
    reader = csv.reader(file)
    header = next(reader, [])
    if ",".join(header) != TRACK_HEADER:
        raise RecordingError(
            f"{path}: line 1 is {','.join(header)!r}, expected {TRACK_HEADER!r}",
            "only tables of tracks that isactrack wrote can be read",
        )
    known: set[tuple[float, int]] = set()
    for row in reader:
        try:
            parsed = _parse_track_row(row)
            if parsed[:2] in known:
                raise ValueError(f"track {parsed[1]} is there twice at {parsed[0]} s")
            known.add(parsed[:2])
            yield parsed
        except ValueError as error:
            raise RecordingError(
                f"{path}: line {reader.line_num}: {error}", "correct or remove the line; was the file cut or edited?"
            ) from error


def _parse_track_row(row: Sequence[str]) -> _TrackRow:
    """Parse one row; ValueError if it is not valid."""
    columns = TRACK_HEADER.split(",")
    if len(row) != len(columns):
        raise ValueError(f"{len(row)} fields, expected {len(columns)}")
    time_s, x, y, vx, vy = (_parse_float(columns[k], row[k]) for k in (0, 3, 4, 5, 6))
    track_id = int(row[1])
    if not 0 <= track_id < 2**63:
        raise ValueError(f"track_id {row[1]} is out of range")
    return time_s, track_id, TrackStatus(row[2]).value, x, y, vx, vy


def _parse_float(name: str, text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text}, it must be finite")
    return value


def _write_csv(path: Path, header: str, rows: Iterable[tuple[float | str, ...]]) -> int:
    count = 0
    with replacing(path) as raw:
        file = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        file.write(header + "\n")
        for row in rows:
            file.write(",".join(value if isinstance(value, str) else _format(value) for value in row) + "\n")
            count += 1
        file.detach()
    return count


def _format(value: float) -> str:
    # The shortest text that reads back as the same number; numpy's scalars would add their type.
    return repr(value) if isinstance(value, int) else repr(float(value))
