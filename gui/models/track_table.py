"""Tracks as a table: what each cell says, which cells have changed, and in which order the rows stand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.geometry import radial_velocity, xy_to_polar
from isactrack.tracks import Track, TrackStatus

IntArray = NDArray[np.int64]

STATES: Final = (TrackStatus.CONFIRMED, TrackStatus.COASTED, TrackStatus.TENTATIVE)
"""In the order in which they are sorted."""
_UNKNOWN: Final = np.iinfo(np.int64).min
_LARGEST: Final = 1e9


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column.

    Attributes
    ----------
    title
        Name with its unit.
    meaning
        What it is.
    decimals
        Digits behind the point; None for no number.
    signed
        Whether a positive number has a sign too.
    widest
        About the widest thing that it shows.
    rank
        Columns with a high one are left out first where there is no room.
    """

    title: str
    meaning: str
    decimals: int | None = 0
    signed: bool = False
    widest: str = "+00.00"
    rank: int = 0


COLUMNS: Final = (
    TableColumn("Id", "Never used again within a run", widest="00000"),
    TableColumn("State", "Confirmed and seen, coasted over misses, or tentative", None, widest="confirmed"),
    TableColumn("x (m)", "To the right of the sensor", 2, signed=True, rank=3),
    TableColumn("y (m)", "Along boresight", 2, signed=True, rank=3),
    TableColumn("Range (m)", "From the receiver", 2, rank=1),
    TableColumn("Azimuth (°)", "From boresight, positive to the right", 1, signed=True, rank=2),
    TableColumn("Speed (m/s)", "Over ground", 2, rank=4),
    TableColumn("Radial (m/s)", "Rate of change of the range, positive away", 2, signed=True, rank=7),
    TableColumn("Age", "Steps since birth", widest="00000", rank=5),
    TableColumn("σ (m)", "Standard deviation of the position along its larger axis", 2, rank=6),
)
ID_COLUMN: Final = 0
STATE_COLUMN: Final = 1
_SCALE: Final = np.array([10.0 ** (column.decimals or 0) for column in COLUMNS])


@dataclass(frozen=True, slots=True)
class TableChange:
    """What an update did.

    Attributes
    ----------
    rows_before, rows
        Number of rows.
    cells
        Column, first and last row of what has changed among the rows that were and are there.
    """

    rows_before: int
    rows: int
    cells: tuple[tuple[int, int, int], ...]


def columns_that_fit(widths: Sequence[int], room: int, wanted: Sequence[bool]) -> list[bool]:
    """Return which columns are shown: those that are wanted, as far as there is room, what matters most first.

    Columns of one rank are shown together or not at all; those of the first are shown in any case.

    Parameters
    ----------
    widths
        Widths that the columns need.
    room
        Width that there is.
    wanted
        Which ones the user wants to see.
    """
    shown = [False] * len(widths)
    for rank in sorted({column.rank for column in COLUMNS}):
        group = [k for k, column in enumerate(COLUMNS) if column.rank == rank and wanted[k]]
        needed = sum(widths[k] for k in group)
        if needed <= room or rank == 0:
            room -= needed
            for k in group:
                shown[k] = True
    return shown


class TrackTable:
    """Rows of numbers that are rounded as they are shown, so that what did not change visibly is not drawn again.

    Ids order rows that are otherwise equal, so that the order does not depend on what came before.
    """

    def __init__(self) -> None:
        self._cells: IntArray = np.zeros((0, len(COLUMNS)), dtype=np.int64)
        self._sort_column = ID_COLUMN
        self._descending = False

    def __len__(self) -> int:
        return len(self._cells)

    def update(self, tracks: Sequence[Track]) -> TableChange:
        """Take the tracks of a snapshot."""
        return self._replace(self._sorted(_cells_of(tracks)))

    def sort(self, column: int, *, descending: bool) -> TableChange:
        """Order the rows by a column from now on."""
        self._sort_column, self._descending = column, descending
        return self._replace(self._sorted(self._cells))

    def text(self, row: int, column: int) -> str:
        """Return what a cell says."""
        value, kind = int(self._cells[row, column]), COLUMNS[column]
        if column == STATE_COLUMN:
            return STATES[value].value
        if value == _UNKNOWN:
            return "–"
        if not kind.decimals:
            return str(value)
        sign = "+" if kind.signed else ""
        return f"{value / _SCALE[column]:{sign}.{kind.decimals}f}"

    def is_seen(self, row: int) -> bool:
        """Return whether the track of a row is confirmed and was seen in this step."""
        return int(self._cells[row, STATE_COLUMN]) == 0

    def id_at(self, row: int) -> int:
        """Return the track of a row."""
        return int(self._cells[row, ID_COLUMN])

    def row_of(self, track_id: int) -> int | None:
        """Return the row of a track, None if it is not there."""
        rows = np.flatnonzero(self._cells[:, ID_COLUMN] == track_id)
        return int(rows[0]) if rows.size else None

    def _sorted(self, cells: IntArray) -> IntArray:
        keys = cells[:, self._sort_column]
        order = np.lexsort((cells[:, ID_COLUMN], -keys if self._descending else keys))
        return cells[order]

    def _replace(self, cells: IntArray) -> TableChange:
        before, self._cells = self._cells, cells
        common = min(len(before), len(cells))
        changed = before[:common] != cells[:common]
        spans = []
        for column in np.flatnonzero(changed.any(axis=0)).tolist():
            rows = np.flatnonzero(changed[:, column])
            spans.append((column, int(rows[0]), int(rows[-1])))
        return TableChange(len(before), len(cells), tuple(spans))


def _cells_of(tracks: Sequence[Track]) -> IntArray:
    """Return the numbers (n, columns) of tracks, times ten for each digit that is shown, rounded."""
    if not tracks:
        return np.zeros((0, len(COLUMNS)), dtype=np.int64)
    state = np.array([track.state for track in tracks])
    covariance = np.array([track.covariance for track in tracks])
    position, velocity = state[:, [0, 2]], state[:, [1, 3]]
    range_m, azimuth_rad = xy_to_polar(position)
    values = np.stack(
        [
            np.array([track.track_id for track in tracks], dtype=np.float64),
            np.array([STATES.index(track.status) for track in tracks], dtype=np.float64),
            position[:, 0],
            position[:, 1],
            range_m,
            np.degrees(azimuth_rad),
            np.hypot(velocity[:, 0], velocity[:, 1]),
            radial_velocity(position, velocity),
            np.array([track.age for track in tracks], dtype=np.float64),
            _largest_std(covariance[:, 0, 0], covariance[:, 0, 2], covariance[:, 2, 2]),
        ],
        axis=-1,
    )
    scaled = values * _SCALE
    known = np.isfinite(scaled) & (np.abs(scaled) < _LARGEST)
    known[:, ID_COLUMN] = True
    return np.where(known, np.rint(np.where(known, scaled, 0.0)).astype(np.int64), _UNKNOWN)


def _largest_std(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square roots (n,) of the larger eigenvalues of ``[[a, b], [b, c]]``; NaN where there is none."""
    if not (np.isfinite(a) & np.isfinite(b) & np.isfinite(c)).all():
        a, b, c = (np.where(np.isfinite(part), part, math.nan) for part in (a, b, c))
    largest = 0.5 * (a + c) + np.hypot(0.5 * (a - c), b)
    return np.sqrt(np.where(largest >= 0.0, largest, math.nan))
