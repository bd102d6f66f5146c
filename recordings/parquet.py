"""Detections and tracks as Apache Parquet: the columns of the CSV tables, with units and settings in the file."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.recordings.replacing import replacing
from isactrack.recordings.tables import DETECTION_HEADER, TRACK_HEADER, detection_rows, track_row
from isactrack.tracks import Track

SUFFIX: Final = ".parquet"
SETTINGS_KEY: Final = b"isactrack"
"""Key of the metadata of the file under which its settings stand, as JSON."""
ROW_GROUP_ROWS: Final = 65_536

_UNITS: Final = {
    "time_s": "s", "range_m": "m", "radial_velocity_mps": "m/s", "azimuth_rad": "rad", "x_m": "m", "y_m": "m",
    "snr_db": "dB", "track_id": "", "status": "", "vx_mps": "m/s", "vy_mps": "m/s",
}  # fmt: skip
_TYPES: Final = {"track_id": "int64", "status": "string"}


def require_parquet() -> None:
    """Raise ConfigError if the library for Parquet is not installed, before anything is computed for it."""
    _import_pyarrow()


def write_detections_parquet(
    path: str | Path, detections: Iterable[Detections], settings: Mapping[str, object] | None = None
) -> int:
    """Write detections, one row each, and return the number of rows.

    Parameters
    ----------
    path
        The file, which appears when it is complete.
    detections
        Those of successive intervals.
    settings
        What they were made of and how, kept as JSON in the metadata of the file.

    Raises
    ------
    ConfigError
        If pyarrow is not installed.
    RecordingError
        If the file cannot be written.
    """
    rows = (row for step in detections for row in detection_rows(step))
    return _write(Path(path), "detections", DETECTION_HEADER, rows, settings)


def write_tracks_parquet(
    path: str | Path, steps: Iterable[Sequence[Track]], settings: Mapping[str, object] | None = None
) -> int:
    """Write the tracks of successive steps, one row a track and step; see `write_detections_parquet`."""
    rows = (track_row(track) for tracks in steps for track in tracks)
    return _write(Path(path), "tracks", TRACK_HEADER, rows, settings)


def _write(
    path: Path, kind: str, header: str, rows: Iterable[tuple[Any, ...]], settings: Mapping[str, object] | None
) -> int:
    arrow, parquet = _import_pyarrow()
    names = header.split(",")
    columns = [
        arrow.field(name, _TYPES.get(name, "float64"), nullable=False, metadata={"unit": _UNITS[name]})
        for name in names
    ]
    facts = json.dumps({"table": kind, "frame": "sensor: x right, y along boresight", **(settings or {})}, default=str)
    schema = arrow.schema(columns, metadata={SETTINGS_KEY: facts.encode()})
    count = 0
    with replacing(path) as file, parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            arrays = [
                arrow.array(column, field.type) for column, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def _batches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, ROW_GROUP_ROWS)):
        yield batch


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(
            "pyarrow, which writes Parquet, is not installed", "pip install 'isactrack[parquet]', or write a .csv"
        ) from error
    return pa, pq
