"""``.npz``: a recording for numpy, with its axes decoded; `numpy.load` reads it, also array by array."""

import zipfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from isactrack.fmcw import FmcwSensor
from isactrack.recordings.export import ExportReport, FrameRange
from isactrack.recordings.replacing import replacing

COLUMNS = ("counters", "device_time_s", "host_monotonic_ns", "host_utc_ns", "frame_lost_bytes")
"""One value a frame, named as in `Recording`."""


def export_npz(frames: FrameRange, path: Path) -> ExportReport:
    """Write samples, masks, times and parameters; see `export_recording`.

    ``samples`` are complex64 (frame, *cube), lost ones 0; ``valid`` bool of the same shape; ``axes`` the names of those
    axes; the columns of `COLUMNS` (frame,); the fields of the sensor as ``sensor_NAME``, the pose as ``pose_NAME``, and
    where the recording came from as texts. Frames that never arrived show as jumps of ``counters``.

    A radar's cube is (loop, tx, rx, sample), with ``range_axis_m`` (sample,) and ``velocity_axis_mps`` (loop,). A
    radio's is (stream, rx, tone), or (1, rx, sample) where it captures samples, with ``tone_frequencies_hz`` (tone,)
    and what it said of each block as ``block_NAME`` (frame,). They are counts: the channel is ``samples *
    sensor_csi_scale * 10 ** (-block_gain_db / 20)``.

    Parameters
    ----------
    frames
        What to write.
    path
        The file.
    """
    sensor = frames.recording.sensor
    shape = (len(frames), *sensor.cube_shape)
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, value in _facts(frames).items():
            _write_array(archive, name, np.dtype(value.dtype), value.shape, [value])
        cubes = (sensor.decode(frame) for frame in frames.frames())
        _write_array(archive, "samples", np.dtype("<c8"), shape, cubes)
        _write_array(archive, "valid", np.dtype(np.bool_), shape, _masks(frames), compressed=True)
    sample_bytes = len(frames) * sensor.frame_words // 2 * np.dtype("<c8").itemsize
    return frames.report((path,), sample_bytes)


def _masks(frames: FrameRange) -> Iterable[np.ndarray[Any, np.dtype[np.bool_]]]:
    """Yield the mask of each frame; those with no loss are not read a second time."""
    recording = frames.recording
    whole = np.ones(recording.sensor.cube_shape, dtype=np.bool_)
    for index in range(frames.start, frames.stop):
        if recording.frame_lost_bytes[index]:
            yield recording.sensor.decode_valid(recording.frame(index))
        else:
            yield whole


def _facts(frames: FrameRange) -> dict[str, np.ndarray[Any, Any]]:
    recording = frames.recording
    sensor, header = recording.sensor, recording.header
    facts: dict[str, Any] = {name: getattr(recording, name)[frames.rows] for name in COLUMNS}
    if isinstance(sensor, FmcwSensor):
        facts["axes"] = ("frame", "loop", "tx", "rx", "sample")
        facts["range_axis_m"], facts["velocity_axis_mps"] = sensor.range_axis_m, sensor.velocity_axis_mps
    else:
        facts["axes"] = ("frame", *sensor.word_axes[:-1])
        facts["tone_frequencies_hz"] = sensor.tone_frequencies_hz
        blocks = recording.blocks[frames.rows]
        facts |= {f"block_{name}": blocks[name] for name in blocks.dtype.names or ()}
    for field in fields(sensor):
        value = getattr(sensor, field.name)
        facts[f"sensor_{field.name}"] = np.nan if value is None else value
    facts |= {f"pose_{field.name}": getattr(recording.pose, field.name) for field in fields(recording.pose)}
    for name in ("device_url", "device_model", "serial_number", "firmware", "profile_text", "note"):
        facts[name] = getattr(header, name)
    for name in ("source", "origin", "created_utc", "uuid", "package_version"):
        facts[name] = str(getattr(recording, name))
    return {name: np.asarray(str(value) if isinstance(value, str) else value) for name, value in facts.items()}


def _write_array(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    parts: Iterable[np.ndarray[Any, Any]],
    *,
    compressed: bool = False,
) -> None:
    """Write an array that comes in parts along its first axis, as a member of an ``.npz`` file."""
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))  # the same recording, the same file
    entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(entry, "w", force_zip64=True) as member:
        _write_header(member, description)
        for part in parts:
            member.write(np.ascontiguousarray(part, dtype=dtype).tobytes())


def _write_header(member: Any, description: dict[str, Any]) -> None:
    stream: BinaryIO = member
    np.lib.format.write_array_header_2_0(stream, description)
