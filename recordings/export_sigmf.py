"""SigMF (https://sigmf.org): interleaved complex int16, and a JSON file that says what they are.

The receivers become SigMF's channels, interleaved sample by sample, and the words of each sample I and Q in this order,
whatever they were on the wire. A frame is a capture segment. Time between chirps and frames is not in the file: samples
follow each other at the sampling rate within a chirp, or the gate of a radio, only. A channel estimate is no stream of
samples, and SigMF has no type for it.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import BlockInfo, Frame
from isactrack.ofdm import Capture
from isactrack.recordings.export import ExportReport, FrameRange, runs
from isactrack.recordings.replacing import replacing
from isactrack.recordings.schema import block_of
from isactrack.sensor import Sensor
from isactrack.units import NS_PER_S

SIGMF_VERSION = "1.2.0"
EXTENSION = {"name": "isactrack", "version": "1.0.0", "optional": True}
"""Namespace of what SigMF has no words for: waveform, array, losses."""


def export_sigmf(frames: FrameRange, data_path: Path, meta_path: Path) -> ExportReport:
    """Write samples and metadata; see `export_recording`.

    Parameters
    ----------
    frames
        What to write.
    data_path, meta_path
        The file of samples, ci16_le (frame, loop, tx, sample, rx) or (frame, stream, sample, rx), and that of metadata.

    Raises
    ------
    ConfigError
        If the frames are channel estimates.
    """
    sensor = frames.recording.sensor
    if not isinstance(sensor, FmcwSensor) and sensor.capture is Capture.CSI:
        raise ConfigError(
            "the frames are channel estimates, and SigMF describes streams of samples",
            'export to *.npz; a radio whose profile says capture = "iq" records what SigMF can hold',
        )
    digest, written = hashlib.sha512(), 0
    lost: list[dict[str, object]] = []
    with replacing(meta_path) as meta:
        with replacing(data_path) as file:
            for row, frame in enumerate(frames.frames()):
                data = channel_words(frame, sensor).tobytes()
                file.write(data)
                digest.update(data)
                written += len(data)
                if not frame.complete:
                    lost += _loss_annotations(frame, sensor, row * samples_per_frame(sensor))
        _write_meta(meta, frames, digest.hexdigest(), lost)
    return frames.report((data_path, meta_path), written)


def samples_per_frame(sensor: Sensor) -> int:
    """Return the samples of one receiver in a frame."""
    return math.prod(sensor.cube_shape) // sensor.n_rx


def channel_words(frame: Frame, sensor: Sensor) -> NDArray[np.int16]:
    """Return the samples of a frame as int16 (..., sample, rx, 2), I before Q; lost ones are 0."""
    by_sample = np.swapaxes(sensor.decode(frame), -1, -2)  # int16 values are exact in complex64
    return np.stack([by_sample.real, by_sample.imag], axis=-1).astype("<i2")


def _loss_annotations(frame: Frame, sensor: Sensor, first_sample: int) -> Iterator[dict[str, object]]:
    lost = ~sensor.decode_valid(frame)  # (..., rx, sample)
    by_sample = np.swapaxes(lost, -1, -2).reshape(-1, sensor.n_rx)
    for start, count in runs(np.asarray(by_sample.any(axis=1))):
        receivers = np.flatnonzero(by_sample[start : start + count].any(axis=0)).tolist()
        yield {
            "core:sample_start": first_sample + int(start),
            "core:sample_count": int(count),
            "core:label": "lost",
            "core:comment": "never arrived, and 0, on one or all of the receivers in isactrack:receivers",
            "isactrack:receivers": receivers,
        }


def _write_meta(file: BinaryIO, frames: FrameRange, sha512: str, lost: Iterable[dict[str, object]]) -> None:
    """Write the JSON item by item: a long recording has many capture segments."""
    annotations = sorted([*lost, *_event_annotations(frames)], key=lambda item: _start(item))
    file.write(b'{\n"global": ' + _json(_global(frames, sha512)) + b',\n"captures": [\n')
    _write_items(file, _captures(frames))
    file.write(b'],\n"annotations": [\n')
    _write_items(file, annotations)
    file.write(b"]\n}\n")


def _write_items(file: BinaryIO, items: Iterable[dict[str, object]]) -> None:
    for index, item in enumerate(items):
        file.write((b",\n" if index else b"") + _json(item))
    file.write(b"\n")


def _json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode("ascii")


def _start(item: dict[str, object]) -> int:
    return int(str(item["core:sample_start"]))


def _global(frames: FrameRange, sha512: str) -> dict[str, object]:
    recording = frames.recording
    sensor, header = recording.sensor, recording.header
    waveform: dict[str, Any] = asdict(sensor)
    axes = ["frame", "stream", "sample", "rx"]
    if isinstance(sensor, FmcwSensor):
        waveform["iq_order"] = sensor.iq_order.name
        axes = ["frame", "loop", "tx", "sample", "rx"]
    *outer, rx, sample = sensor.cube_shape
    hardware = " ".join(filter(None, (header.device_model, header.serial_number, header.firmware)))
    return {
        "core:datatype": "ci16_le",
        "core:version": SIGMF_VERSION,
        "core:sample_rate": sensor.sample_rate_hz,
        "core:num_channels": sensor.n_rx,
        "core:sha512": sha512,
        "core:hw": hardware,
        "core:recorder": f"isactrack {recording.package_version}",
        "core:description": header.note,
        "core:extensions": [EXTENSION],
        "isactrack:source": str(recording.source),
        "isactrack:origin": str(recording.origin),
        "isactrack:created_utc": recording.created_utc,
        "isactrack:uuid": recording.uuid,
        "isactrack:device_url": header.device_url,
        "isactrack:profile_text": header.profile_text,
        "isactrack:pose": asdict(recording.pose),
        "isactrack:sensor": waveform,
        "isactrack:axes": axes,
        "isactrack:shape": [len(frames), *outer, sample, rx],
        "isactrack:missing_frames": frames.missing_frames,
        "isactrack:lost_bytes": frames.lost_bytes,
    }


def _captures(frames: FrameRange) -> Iterator[dict[str, object]]:
    recording, size = frames.recording, samples_per_frame(frames.recording.sensor)
    sensor, blocks = recording.sensor, recording.blocks
    frequency_hz = sensor.centre_frequency_hz if isinstance(sensor, FmcwSensor) else sensor.carrier_frequency_hz
    first = int(frames.counters[0])
    for row, index in enumerate(range(frames.start, frames.stop)):
        counter, utc_ns = int(recording.counters[index]), int(recording.host_utc_ns[index])
        capture: dict[str, object] = {
            "core:sample_start": row * size,
            # Counts on over frames that are missing here.
            "core:global_index": max(counter - first, 0) * size,
            "core:frequency": frequency_hz,
            "isactrack:counter": counter,
            "isactrack:device_time_s": float(recording.device_time_s[index]),
            "isactrack:host_monotonic_ns": int(recording.host_monotonic_ns[index]),
        }
        if utc_ns > 0:
            capture["core:datetime"] = utc_text(utc_ns)
        if blocks.size:
            capture["isactrack:block"] = _block(block_of(blocks[index]))
        yield capture


def _event_annotations(frames: FrameRange) -> Iterator[dict[str, object]]:
    """Yield what happened beside the frames, each at the frame that was next."""
    recording, size = frames.recording, samples_per_frame(frames.recording.sensor)
    for row, event in zip(recording.event_frame_rows, recording.events, strict=True):
        if frames.start <= row < frames.stop or (row == frames.stop == len(recording)):
            yield {
                "core:sample_start": (min(int(row), frames.stop - 1) - frames.start) * size,
                "core:sample_count": size,
                "core:label": str(event.kind),
                "core:comment": event.text,
                "isactrack:host_monotonic_ns": event.host_monotonic_ns,
                "isactrack:host_utc_ns": event.host_utc_ns,
            }


def _block(block: BlockInfo) -> dict[str, object]:
    """Return what a radio said of a block; JSON has neither NaN nor infinity, so what is no number is null."""
    known = {name: value if math.isfinite(value) else None for name, value in asdict(block).items()}
    return {**known, "flags": int(block.flags)}


def utc_text(utc_ns: int) -> str:
    """Return a time in UTC (ns since 1970-01-01) as ISO 8601 with nanoseconds."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=utc_ns // NS_PER_S)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{utc_ns % NS_PER_S:09d}Z"
