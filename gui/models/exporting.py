"""What is taken out of the viewer, each with a stamp that says what it shows and how it was made.

Every export is a generator that yields the share that is done. Whoever closes it before its end finds no new file, and
an old one as it was.
"""

import hashlib
import json
import re
import struct
import time
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

import isactrack
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError, IsacError, RecordingError
from isactrack.gui.models.feed import as_isac_error
from isactrack.gui.models.picture_file import write_picture
from isactrack.gui.models.tuning import Settings
from isactrack.recordings import open_recording, write_tracks_csv
from isactrack.recordings.cut import cut_steps
from isactrack.recordings.parquet import write_tracks_parquet
from isactrack.recordings.replacing import replacing, require_folder
from isactrack.recordings.superblock import read_state

FILM_RATE_HZ: Final = 25
"""Pictures a second of a film."""
STAMP_SUFFIX: Final = ".stamp.json"
"""What is added to the name of a CSV table for the file with its stamp: the table itself has no place for one."""
SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)

Steps = Generator[float, None, None]
"""An export under way, yielding the share that is done."""
Picture = NDArray[np.uint8]
"""Rows, columns and red, green, blue: (height, width, 3)."""
Pictures = Generator[Picture, None, None]
"""Pictures of a film, one after the other."""


class ExportKind(StrEnum):
    """What can be exported; the value is the ending of the file."""

    PNG = "png"
    SVG = "svg"
    CSV = "csv"
    PARQUET = "parquet"
    MP4 = "mp4"
    CUT = "h5"

    @property
    def label(self) -> str:
        """What it is, for people."""
        return _TITLES[self]

    @property
    def has_span(self) -> bool:
        """Whether it is of a span of time rather than of what is shown now."""
        return self not in (ExportKind.PNG, ExportKind.SVG)

    @property
    def has_view(self) -> bool:
        """Whether it is of a view."""
        return self in (ExportKind.PNG, ExportKind.SVG, ExportKind.MP4)


_TITLES: Final = {
    ExportKind.PNG: "Picture of a view (PNG)",
    ExportKind.SVG: "Drawing of a view (SVG)",
    ExportKind.CSV: "Tracks as a table (CSV)",
    ExportKind.PARQUET: "Tracks as a table (Parquet)",
    ExportKind.MP4: "Film of a view (MP4)",
    ExportKind.CUT: "Part of the recording (HDF5)",
}
_NEEDS: Final = {
    ExportKind.PARQUET: ("pyarrow", "pip install 'isactrack[parquet]', or choose CSV"),
    ExportKind.MP4: ("av", "pip install 'isactrack[video]'"),
}


def require_library(kind: ExportKind) -> None:
    """Raise ConfigError, with how to install it, if what an export needs is not installed."""
    name, hint = _NEEDS.get(kind, ("", ""))
    if name and find_spec(name) is None:
        raise ConfigError(f"{name}, which writes {kind.value.upper()} files, is not installed", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What an export shows and how it was made.

    Attributes
    ----------
    source
        URL of the device, or file.
    origin
        Whether the samples are measured or simulated; empty if that is not known.
    start_s, stop_s
        Device times of its first and its last moment.
    settings_hash
        See `settings_hash`; empty if the settings are not known.
    settings
        The settings themselves, by their dotted names.
    version
        Version of isactrack.
    created_utc
        When, ISO.
    """

    source: str
    start_s: float
    stop_s: float
    origin: str = ""
    settings_hash: str = ""
    settings: Mapping[str, object]
    version: str = isactrack.__version__
    created_utc: str

    @classmethod
    def of(cls, source: str, span_s: tuple[float, float], settings: Settings | None, origin: str = "") -> "Stamp":
        """Return the stamp of an export of this moment."""
        return cls(
            source=source,
            origin=origin,
            start_s=span_s[0],
            stop_s=span_s[1],
            settings_hash="" if settings is None else settings_hash(settings),
            settings={} if settings is None else settings.flat(),
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def texts(self) -> dict[str, str]:
        """Return everything as texts by their names."""
        return {
            "source": self.source,
            "origin": self.origin,
            "span": f"{self.start_s:.6f} s to {self.stop_s:.6f} s",
            "version": f"isactrack {self.version}",
            "settings_hash": self.settings_hash,
            "settings": json.dumps(self.settings, default=str),
            "created_utc": self.created_utc,
        }

    def line(self) -> str:
        """Return the whole as one JSON text."""
        return json.dumps(self.texts(), ensure_ascii=False)


def settings_hash(settings: Settings) -> str:
    """Return 16 hexadecimal digits that are alike for equal settings, whatever machine and session they are from."""
    kinds = {"kind": type(settings.chain).__name__}
    text = json.dumps(kinds | settings.flat(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def require_replaceable(path: Path) -> None:
    """Raise RecordingError if a file of another kind would take the place of a recording, or of no file."""
    require_folder(path)
    if not path.exists():
        return
    if not path.is_file():
        raise RecordingError(f"{path} is no regular file and cannot be replaced", "give the name of a file")
    if read_state(path).is_hdf5:
        raise RecordingError(f"{path} is a recording, and would be replaced", "choose another name")


# --- pictures --------------------------------------------------------------------------------------------------------

_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_SVG_START: Final = re.compile(rb"<svg\b[^>]*>")


def stamped_png(png: bytes, stamp: Stamp) -> bytes:
    """Return a PNG picture with the stamp in text chunks, whose keys begin with ``isactrack``.

    Raises
    ------
    RecordingError
        If it is no PNG.
    """
    if not png.startswith(_PNG_START) or png[12:16] != b"IHDR":
        raise RecordingError("the picture is no PNG", "is there memory left?")
    after_header = len(_PNG_START) + 12 + int.from_bytes(png[8:12], "big")
    chunks = b"".join(_text_chunk(f"isactrack {name}", text) for name, text in stamp.texts().items())
    return png[:after_header] + chunks + png[after_header:]


def stamped_svg(svg: bytes, stamp: Stamp) -> bytes:
    """Return an SVG drawing with the stamp, as JSON, in its metadata.

    Raises
    ------
    RecordingError
        If it is no SVG.
    """
    start = _SVG_START.search(svg)
    if start is None:
        raise RecordingError("the drawing is no SVG", "is there memory left?")
    metadata = f'\n<metadata id="isactrack">{escape(stamp.line())}</metadata>'.encode()
    return svg[: start.end()] + metadata + svg[start.end() :]


def _text_chunk(key: str, text: str) -> bytes:
    """Return a chunk iTXt: it takes UTF-8, which tEXt does not."""
    data = key.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    return struct.pack(">I", len(data)) + b"iTXt" + data + struct.pack(">I", zlib.crc32(b"iTXt" + data))


def picture_steps(path: Path, picture: bytes, kind: ExportKind, stamp: Stamp) -> Steps:
    """Write a picture or drawing with its stamp; see `stamped_png`, `stamped_svg` and `write_picture`."""
    write_picture(path, stamped_png(picture, stamp) if kind is ExportKind.PNG else stamped_svg(picture, stamp))
    yield 1.0


# --- tables ----------------------------------------------------------------------------------------------------------


def in_span(snapshots: Iterable[Snapshot], start_s: float, stop_s: float) -> list[Snapshot]:
    """Return the snapshots from one device time to another, both included.

    Raises
    ------
    ConfigError
        If there are none.
    """
    chosen = [snapshot for snapshot in snapshots if start_s <= snapshot.time_s <= stop_s]
    if not chosen:
        raise ConfigError(f"nothing was seen from {start_s:.3f} s to {stop_s:.3f} s", "choose a longer span")
    return chosen


def table_steps(path: Path, snapshots: Sequence[Snapshot], kind: ExportKind, stamp: Stamp) -> Steps:
    """Write the tracks of snapshots as a table.

    A Parquet file has its stamp in its metadata; beside a CSV file it lies in a file of its own, see `STAMP_SUFFIX`.

    Parameters
    ----------
    path
        The file, replaced if it exists.
    snapshots
        What was seen, in order.
    kind
        `ExportKind.CSV` or `ExportKind.PARQUET`.
    stamp
        The stamp.

    Raises
    ------
    ConfigError
        If what Parquet needs is not installed.
    RecordingError
        If the file cannot be written.
    """
    require_replaceable(path)
    steps = [snapshot.tracks for snapshot in snapshots]
    if kind is ExportKind.PARQUET:
        require_library(kind)
        write_tracks_parquet(path, steps, stamp.texts())
    else:
        write_tracks_csv(path, steps)
        with replacing(path.with_name(path.name + STAMP_SUFFIX)) as file:
            file.write(json.dumps(stamp.texts(), indent=2, ensure_ascii=False).encode())
    yield 1.0


# --- part of a recording ---------------------------------------------------------------------------------------------


def recording_steps(
    path: Path, recording: Path, span_s: tuple[float, float], stamp: Stamp, stream: str | None = None
) -> Steps:
    """Cut a part out of a recording, see `isactrack.recordings.cut.cut_steps`.

    Parameters
    ----------
    path
        The new file, replaced if it exists.
    recording
        The recording, a file or a folder.
    span_s
        Device times; the first is in it, and so are frames that start at the second.
    stamp
        The stamp, of which the file gets attributes.
    stream
        The device, where the recording holds several.
    """
    with open_recording(recording, stream) as opened:
        stop_s = float(np.nextafter(span_s[1], np.inf))
        yield from cut_steps(opened, path, span_s[0], stop_s, stamp=stamp.texts(), overwrite=True)


# --- films -----------------------------------------------------------------------------------------------------------


def film_rows(
    times_s: Sequence[float], span_s: tuple[float, float], *, speed: float = 1.0, rate_hz: int = FILM_RATE_HZ
) -> list[int]:
    """Return which snapshot each picture of a film shows: the newest at its moment.

    Parameters
    ----------
    times_s
        Device times of the snapshots, ascending.
    span_s
        Device times of the film's beginning and end.
    speed
        Seconds of the device in a second of the film.
    rate_hz
        Pictures a second of the film.

    Raises
    ------
    ConfigError
        If there is no snapshot in the span, or the speed is not positive.
    """
    if not speed > 0.0:
        raise ConfigError(f"a film cannot run at speed {speed:g}", "give a positive speed")
    times = np.asarray(times_s, dtype=np.float64)
    inside = np.flatnonzero((times >= span_s[0]) & (times <= span_s[1]))
    if not inside.size:
        raise ConfigError(f"nothing was seen from {span_s[0]:.3f} s to {span_s[1]:.3f} s", "choose a longer span")
    first_s, last_s = float(times[inside[0]]), float(times[inside[-1]])
    count = int((last_s - first_s) / speed * rate_hz + 1e-6) + 1
    at_s = first_s + np.arange(count) * (speed / rate_hz)
    return [int(row) for row in np.searchsorted(times, at_s + 1e-9, side="right") - 1]


def film_steps(path: Path, pictures: Pictures, count: int, stamp: Stamp, rate_hz: int = FILM_RATE_HZ) -> Steps:
    """Write pictures as a film, H.264 in MP4 with the stamp as its comment.

    Parameters
    ----------
    path
        The file, replaced if it exists.
    pictures
        The pictures, all of one size; a column or row that makes an odd number is cut off.
    count
        How many there are.
    stamp
        The stamp.
    rate_hz
        Pictures a second.

    Raises
    ------
    ConfigError
        If what films need is not installed.
    RecordingError
        If the file cannot be written.
    """
    require_library(ExportKind.MP4)
    require_replaceable(path)
    part = path.with_name(f".{path.name}.part")
    try:
        # Closed here, and not some time later: a file that is open cannot be removed everywhere.
        with closing(pictures), closing(_encoded(part, pictures, stamp, rate_hz)) as encoded:
            for done, _ in enumerate(encoded, start=1):
                yield min(done / count, 1.0)
        part.replace(path)
    except OSError as error:
        raise RecordingError(
            f"cannot write the film {path}: {error.strerror or error}", "check the permissions and the free space"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encoded(path: Path, pictures: Pictures, stamp: Stamp, rate_hz: int) -> Generator[None, None, None]:
    """Encode one picture after the other, and yield after each."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = stamp.line()
        container.metadata["title"] = stamp.source
        stream: Any = None
        for picture in pictures:
            even = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
            if stream is None:
                stream = container.add_stream("h264", rate=Fraction(rate_hz), options={"crf": "20"})
                stream.height, stream.width = even.shape[:2]
                stream.pix_fmt = "yuv420p"  # what every player takes
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            yield
        if stream is not None:
            container.mux(stream.encode(None))


# --- running one -----------------------------------------------------------------------------------------------------


class Job:
    """An export under way, driven a little at a time by whoever has other things to do.

    Parameters
    ----------
    steps
        The export.

    Attributes
    ----------
    share
        What is done of it, 0 to 1.
    error
        Why it failed; None if it did not.
    finished
        Whether it has ended, well, badly or because it was cancelled.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.share = 0.0
        self.error: IsacError | None = None
        self.finished = self.cancelled = False

    @property
    def succeeded(self) -> bool:
        """Whether the file is there."""
        return self.finished and self.error is None and not self.cancelled

    def step(self, budget_s: float = 0.02) -> bool:
        """Go on for about this time; return whether it has ended."""
        deadline = time.monotonic() + budget_s
        while not self.finished:
            try:
                self.share = next(self._steps)
            except StopIteration:
                self.finished, self.share = True, 1.0
            except Exception as error:  # noqa: BLE001 - whoever drives it shows it
                self.finished, self.error = True, as_isac_error(error)
            if time.monotonic() >= deadline:
                break
        return self.finished

    def cancel(self) -> None:
        """Give up; nothing of the file is left. Nothing happens if it has ended."""
        if not self.finished:
            self.finished = self.cancelled = True
            self._steps.close()
