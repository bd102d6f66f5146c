"""``adc_data.bin``: the words of the wire without headers, frame after frame, as TI's own tools write them.

The file cannot say what it holds or what is missing. As with TI's command-line tool, lost bytes are zeros in it, and a
table beside it lists where; what was lost at the very end is left out, so that an imported file comes out as it was.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import GROUP_WORDS, Frame
from isactrack.recordings.export import ExportReport, FrameRange, MissingFrames, runs
from isactrack.recordings.replacing import replacing

LOST_HEADER = ("first_byte", "lost_bytes", "counter", "reason")
GROUP_BYTES = 2 * GROUP_WORDS
_ZEROS = bytes(1 << 20)

_Lost = tuple[int, int, int, str]


def export_bin(frames: FrameRange, path: Path, table_path: Path, *, missing: MissingFrames) -> ExportReport:
    """Write the raw words, and beside them a table of the lost bytes if there are any; see `export_recording`.

    Parameters
    ----------
    frames
        What to write.
    path
        File for the words, little-endian int16 in the order of the recording.
    table_path
        File for the table: first byte in the file, number of bytes, frame counter, and why.
    missing
        What becomes of frames that never arrived.

    Raises
    ------
    ConfigError
        If frames are missing and `missing` says to refuse them, or the frames are those of a radio.
    """
    if not isinstance(frames.recording.sensor, FmcwSensor):
        raise ConfigError(
            "adc_data.bin is how TI's tools keep the samples of a radar, and this is a recording of a radio",
            "export to *.npz, or to *.sigmf-meta if the radio captured samples",
        )
    if frames.missing_frames and missing is MissingFrames.REFUSE:
        raise ConfigError(
            f"{frames.missing_frames} frames are missing, and adc_data.bin cannot say so",
            "choose --missing fill (zeros take their place) or skip (the next frame follows at once)",
        )
    lost: list[_Lost] = []
    with replacing(path) as file:
        written = _write(frames, file, missing is MissingFrames.FILL, lost)
    if not lost:
        table_path.unlink(missing_ok=True)  # of an earlier export
        return frames.report((path,), written)
    with replacing(table_path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(LOST_HEADER)
        table.writerows(lost)
        text.detach()
    return frames.report((path, table_path), written)


def _write(frames: FrameRange, file: BinaryIO, fill: bool, lost: list[_Lost]) -> int:
    """Write the frames, note what is lost, and return the number of bytes."""
    frame_bytes = frames.recording.sensor.frame_bytes
    position, next_counter = 0, None
    for done, frame in enumerate(frames.frames(), start=1):
        if fill and next_counter is not None and frame.counter > next_counter:
            size = (frame.counter - next_counter) * frame_bytes
            lost.append((position, size, next_counter, "missing frames"))
            _write_zeros(file, size)
            position += size
        data = frame.samples.astype("<i2", copy=False).tobytes()
        end = frame_bytes
        for first, size in _holes(frame):
            at_end = done == len(frames) and first + size == frame_bytes
            lost.append((position + first, size, frame.counter, "left out at the end" if at_end else "hole"))
            end = first if at_end else end
        file.write(data[:end])
        position, next_counter = position + end, frame.counter + 1
    return position


def _holes(frame: Frame) -> Iterator[tuple[int, int]]:
    """Yield first byte and size of the holes in a frame."""
    if frame.complete:
        return
    size = frame.samples.size * 2
    for first, length in runs(~frame.valid):
        begin, end = int(first) * GROUP_BYTES, min(int(first + length) * GROUP_BYTES, size)
        yield begin, end - begin


def _write_zeros(file: BinaryIO, size: int) -> None:
    while size:
        size -= file.write(_ZEROS[: min(size, len(_ZEROS))])
