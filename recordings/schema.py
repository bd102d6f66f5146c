"""The layout of a recording, in one place.

::

    /                       attributes: format, schema_version, package_version, created_utc, uuid, source, origin,
                            device_url, device_model, serial_number, firmware, host_platform, stream, note
    /sensor                 attributes: `kind`, every field of FmcwSensor or OfdmSensor, and `units`
    /sensor/derived         attributes: resolutions and the like, for readers without isactrack
    /pose                   attributes: the fields of Pose, `units`, and `room_corners_m` where the room is known
    /profile                text of the profile, verbatim
    /session                one record, rewritten when the recording is closed
    /frames/samples         (frame, *sensor.word_shape) int16, the raw words, one chunk a frame
    /frames/valid           (frame, byte) uint8, `Frame.valid` through numpy.packbits, one chunk a frame
    /frames/...             one value a frame: `FRAME_COLUMNS`, of a radio also `BLOCK_COLUMNS`
    /truth/...              one row a target and frame: `TRUTH_COLUMNS`
    /losses/...             one row a hole of a frame and a run of missing frames: `LOSS_COLUMNS`
    /events/...             one row an event: `EVENT_COLUMNS`
    /side/...               one row a packet beside the frames: `SIDE_COLUMNS`
    /side/bytes             (byte) uint8, those packets one behind the other

HDF5 allows no new dataset or attribute once a file is open for SWMR writing, so everything is created at the start. The
tables grow in blocks of `BLOCK_ROWS` rows that hold fill values until they are written; closing trims them. The first
column of a table is its commit mark: it is flushed after all others and its fill value never occurs as a value, so a
row whose mark is not the fill value is whole, even if the writer was killed.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isactrack.fmcw import FmcwSensor
from isactrack.frame import GROUP_WORDS, BlockFlag, BlockInfo
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.sensor import Sensor

FORMAT = "isactrack"
SCHEMA_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)

FRAMES, TRUTH, LOSSES, EVENTS, SIDE = "frames", "truth", "losses", "events", "side"
SENSOR, DERIVED, POSE, PROFILE, SESSION = "sensor", "derived", "pose", "profile", "session"
SAMPLES, VALID, BYTES = "samples", "valid", "bytes"
KIND = "kind"
SENSOR_KINDS: Mapping[str, type[FmcwSensor] | type[OfdmSensor]] = {"fmcw": FmcwSensor, "ofdm": OfdmSensor}
"""What `kind` of `/sensor` says; files before schema version 3 have none, and hold frames of an FMCW radar."""
REPAIRED_FROM, REPAIR_REPORT = "repaired_from", "repair_report"

SAMPLE_TYPE = np.dtype("<i2")
MASK_TYPE = np.dtype("u1")
BLOCK_ROWS = 256
BLOCK_FRAMES = 32
"""Frames by which samples and masks grow: making room for one costs as much as writing a small one."""
BLOCK_BYTES = 2**16
"""Bytes by which `/side/bytes` grows."""
TEXT_BYTES, EVENT_KIND_BYTES, SIDE_KIND_BYTES = 200, 16, 32

MASK_AXES = ("frame", "byte")

SESSION_TYPE = np.dtype(
    [
        ("closed", "u1"),
        ("end_utc_ns", "<i8"),
        ("frames", "<i8"),
        ("incomplete_frames", "<i8"),
        ("missing_frames", "<i8"),
        ("lost_bytes", "<i8"),
        ("stop_reason", "S200"),
    ]
)
"""Record of `/session`; `lost_bytes` includes those of missing frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One dataset of a table, one row a frame or a target.

    Attributes
    ----------
    name, dtype, units, meaning
        As stored.
    fill
        Value of rows that were reserved but not written.
    axes
        Labels of the axes.
    width
        Length of the second axis; None for a column of scalars.
    """

    name: str
    dtype: str
    fill: float | bytes
    units: str
    meaning: str
    axes: tuple[str, ...] = ("row",)
    width: int | None = None

    @property
    def tail(self) -> tuple[int, ...]:
        """Shape of one row."""
        return () if self.width is None else (self.width,)


_NAN = float("nan")
BlockRow = tuple[int, int, float, float, float, float, int, float]

FRAME_COLUMNS = (
    Column(name="counter", dtype="<i8", fill=-1, units="1", axes=("frame",),
           meaning="the device's count of frames; a jump says that frames are missing"),
    Column(name="device_time_s", dtype="<f8", fill=_NAN, units="s", axes=("frame",),
           meaning="start of the frame on the device's clock"),
    Column(name="host_monotonic_ns", dtype="<i8", fill=-1, units="ns", axes=("frame",),
           meaning="arrival of the first byte, monotonic clock of the host"),
    Column(name="host_utc_ns", dtype="<i8", fill=-1, units="ns", axes=("frame",),
           meaning="arrival of the first byte, UTC since 1970-01-01"),
    Column(name="lost_bytes", dtype="<i8", fill=-1, units="byte", axes=("frame",),
           meaning="bytes of the frame that did not arrive"),
    Column(name="crc32", dtype="<u4", fill=0, units="1", axes=("frame",),
           meaning="CRC-32 of the frame's samples, its packed mask and its other values, see checksum()"),
    Column(name="truth_time_s", dtype="<f8", fill=_NAN, units="s", axes=("frame",),
           meaning="device time of the frame's truth; NaN if there is none"),
)  # fmt: skip

BLOCK_COLUMNS = (
    Column(name="tick", dtype="<i8", fill=-1, units="sample", axes=("frame",),
           meaning="sample clock of the radio at the first sample of the reference symbol"),
    Column(name="flags", dtype="<u4", fill=0, units="1", axes=("frame",),
           meaning="what is wrong with the block: " + ", ".join(f"{flag.value} {flag.name}" for flag in BlockFlag)),
    Column(name="gain_db", dtype="<f8", fill=_NAN, units="dB", axes=("frame",),
           meaning="receiver gain that is in the counts"),
    Column(name="noise_power", dtype="<f8", fill=_NAN, units="count^2", axes=("frame",),
           meaning="power of the noise in a channel estimate or sample; NaN if it was not measured"),
    Column(name="cfo_hz", dtype="<f8", fill=_NAN, units="Hz", axes=("frame",),
           meaning="carrier frequency offset that was taken off"),
    Column(name="timing_samples", dtype="<f8", fill=_NAN, units="sample", axes=("frame",),
           meaning="how far the window was moved against the sample clock since the start"),
    Column(name="clipped", dtype="<i8", fill=-1, units="1", axes=("frame",),
           meaning="samples that the converter clipped"),
    Column(name="temperature_c", dtype="<f8", fill=_NAN, units="degC", axes=("frame",),
           meaning="temperature of the front end; NaN if it does not tell"),
)  # fmt: skip
"""What a radio says of each block: the fields of `BlockInfo`, in their order."""
BLOCK_TYPE = np.dtype([(column.name, column.dtype) for column in BLOCK_COLUMNS])
"""Record of `Recording.blocks`."""

TRUTH_COLUMNS = (
    Column(name="frame_row", dtype="<i8", fill=-1, units="1", axes=("row",),
           meaning="row of the frame in /frames"),
    Column(name="time_s", dtype="<f8", fill=_NAN, units="s", axes=("row",),
           meaning="device time of the state"),
    Column(name="target_id", dtype="<i8", fill=-1, units="1", axes=("row",),
           meaning="identity of the target"),
    Column(name="position_m", dtype="<f8", fill=_NAN, units="m", axes=("row", "xy"), width=2,
           meaning="true position in the sensor frame"),
    Column(name="velocity_mps", dtype="<f8", fill=_NAN, units="m/s", axes=("row", "xy"), width=2,
           meaning="true velocity in the sensor frame"),
)  # fmt: skip

LOSS_COLUMNS = (
    Column(name="frame_row", dtype="<i8", fill=-1, units="1", axes=("row",),
           meaning="row in /frames of the frame with the hole, or of the one that follows the missing frames"),
    Column(name="counter", dtype="<i8", fill=-1, units="1", axes=("row",),
           meaning="counter of the frame with the hole, or of the first missing frame"),
    Column(name="missing_frames", dtype="<i8", fill=-1, units="1", axes=("row",),
           meaning="frames that are missing as a whole; 0 for a hole"),
    Column(name="first_byte", dtype="<i8", fill=-1, units="byte", axes=("row",),
           meaning="place of the hole in the frame; 0 for missing frames"),
    Column(name="lost_bytes", dtype="<i8", fill=-1, units="byte", axes=("row",),
           meaning="bytes that did not arrive, of all missing frames of the row"),
)  # fmt: skip
LOSS_TYPE = np.dtype([(column.name, column.dtype) for column in LOSS_COLUMNS])
"""Record of `Recording.losses`."""

_MONOTONIC = Column(name="host_monotonic_ns", dtype="<i8", fill=-1, units="ns", axes=("row",),
                    meaning="when, monotonic clock of the host")  # fmt: skip
_UTC = Column(name="host_utc_ns", dtype="<i8", fill=-1, units="ns", axes=("row",),
              meaning="when, UTC since 1970-01-01")  # fmt: skip

EVENT_COLUMNS = (
    _MONOTONIC,
    _UTC,
    Column(name="kind", dtype=f"S{EVENT_KIND_BYTES}", fill=b"", units="1", axes=("row",),
           meaning="who or what it is about: marker, card, radar, radio, oscillator, link, session"),
    Column(name="frame_row", dtype="<i8", fill=-1, units="1", axes=("row",),
           meaning="frames that were recorded before it"),
    Column(name="text", dtype=f"S{TEXT_BYTES}", fill=b"", units="1", axes=("row",),
           meaning="what happened, UTF-8, cut to its length"),
)  # fmt: skip

SIDE_COLUMNS = (
    _MONOTONIC,
    _UTC,
    Column(name="kind", dtype=f"S{SIDE_KIND_BYTES}", fill=b"", units="1", axes=("row",),
           meaning="language of the packet"),
    Column(name="offset", dtype="<i8", fill=-1, units="byte", axes=("row",),
           meaning="place of its first byte in /side/bytes"),
    Column(name="length", dtype="<i8", fill=-1, units="byte", axes=("row",),
           meaning="its bytes"),
    Column(name="crc32", dtype="<u4", fill=0, units="1", axes=("row",),
           meaning="CRC-32 of its bytes"),
)  # fmt: skip

FMCW_UNITS = {
    "start_frequency_hz": "Hz",
    "slope_hz_per_s": "Hz/s",
    "idle_time_s": "s",
    "adc_start_s": "s",
    "ramp_end_s": "s",
    "sample_rate_hz": "Hz",
    "samples_per_chirp": "1",
    "loops_per_frame": "1",
    "frame_period_s": "s",
    "tx_positions": "wavelength",
    "rx_positions": "wavelength",
    "rx_gain_db": "dB",
    "loop_interval_s": "s, NaN for back-to-back chirps",
}
OFDM_UNITS = {
    "carrier_frequency_hz": "Hz",
    "subcarrier_spacing_hz": "Hz",
    "tones": "subcarrier",
    "frame_period_s": "s",
    "rx_positions": "wavelength",
    "tx_streams": "1",
    "tx_position_m": "m (x, y) in the sensor frame, NaN if it is not known",
    "fft_size": "sample",
    "cyclic_prefix_samples": "sample",
    "gate_samples": "sample",
    "preamble_root": "1",
    "reference_seed": "1",
    "stagger_s": "s",
    "csi_scale": "channel gain of one count at a receiver gain of 0 dB",
    "periodic": "1",
}
SENSOR_UNITS = {"fmcw": FMCW_UNITS, "ofdm": OFDM_UNITS}
"""Units of the fields that are no texts, by the kind of the sensor."""
FMCW_DERIVED_UNITS = {
    "wavelength_m": "m",
    "bandwidth_hz": "Hz",
    "range_resolution_m": "m",
    "range_max_m": "m",
    "velocity_resolution_mps": "m/s",
    "velocity_max_mps": "m/s",
    "azimuth_resolution_rad": "rad",
    "azimuth_max_rad": "rad",
}
OFDM_DERIVED_UNITS = {
    "wavelength_m": "m",
    "bandwidth_hz": "Hz",
    "sample_rate_hz": "Hz",
    "symbol_s": "s",
    "delay_resolution_s": "s",
    "delay_max_s": "s",
    "path_resolution_m": "m",
    "path_max_m": "m",
    "path_rate_max_mps": "m/s",
    "blind_path_rate_mps": "m/s",
    "azimuth_resolution_rad": "rad",
    "azimuth_max_rad": "rad",
    "tone_frequencies_hz": "Hz, relative to the carrier",
}
DERIVED_UNITS = {"fmcw": FMCW_DERIVED_UNITS, "ofdm": OFDM_DERIVED_UNITS}
ROOM_CORNERS = "room_corners_m"
"""Attribute of `/pose`, which only files with a known room have."""
POSE_UNITS = {"x_m": "m", "y_m": "m", "z_m": "m", "yaw_rad": "rad"}


def kind_of(sensor: Sensor) -> str:
    """Return what `kind` of `/sensor` says of a sensor."""
    return next(kind for kind, cls in SENSOR_KINDS.items() if isinstance(sensor, cls))


def frame_columns(sensor: Sensor) -> tuple[Column, ...]:
    """Return the columns of `/frames`: a radio has those of its blocks too."""
    return (*FRAME_COLUMNS, *BLOCK_COLUMNS) if isinstance(sensor, OfdmSensor) else FRAME_COLUMNS


def sample_units(sensor: Sensor) -> str:
    """Return the unit of `/frames/samples`."""
    is_channel = isinstance(sensor, OfdmSensor) and sensor.capture is Capture.CSI
    return "count, see csi_scale of /sensor" if is_channel else "ADC count"


def block_row(block: BlockInfo) -> BlockRow:
    """Return the values of `BLOCK_COLUMNS`."""
    return (
        block.tick, int(block.flags), block.gain_db, block.noise_power, block.cfo_hz, block.timing_samples,
        block.clipped, block.temperature_c,
    )  # fmt: skip


def block_of(row: Any) -> BlockInfo:
    """Return what a row of `BLOCK_COLUMNS`, a mapping or a record of `BLOCK_TYPE`, says."""
    return BlockInfo(
        tick=int(row["tick"]),
        flags=BlockFlag(int(row["flags"])),
        gain_db=float(row["gain_db"]),
        noise_power=float(row["noise_power"]),
        cfo_hz=float(row["cfo_hz"]),
        timing_samples=float(row["timing_samples"]),
        clipped=int(row["clipped"]),
        temperature_c=float(row["temperature_c"]),
    )


def mask_bytes(sensor: Sensor) -> int:
    """Return the bytes of one row of `/frames/valid`."""
    return -(-sensor.frame_words // (8 * GROUP_WORDS))


_ROW = struct.Struct("<qdqqqd")
_BLOCK_ROW = struct.Struct("<qqddddqd")


def checksum(
    samples: NDArray[Any],
    mask: NDArray[np.uint8],
    row: tuple[float, ...] | None,
    block: tuple[float, ...] | None = None,
) -> int:
    """Return the CRC-32 of a frame.

    Parameters
    ----------
    samples
        Its words; they count in the byte order of the file.
    mask
        Its packed mask.
    row
        Its other values as they follow in `FRAME_COLUMNS`, 8 bytes each, little-endian: counter, device time, arrival
        on both clocks, lost bytes, time of its truth. None for schema version 1, which left them out.
    block
        Of a radio: its values of `BLOCK_COLUMNS`, likewise.
    """
    crc = zlib.crc32(mask.data, zlib.crc32(np.ascontiguousarray(samples, dtype=SAMPLE_TYPE).data))
    if row is not None:
        crc = zlib.crc32(_ROW.pack(*row), crc)
    return crc if block is None else zlib.crc32(_BLOCK_ROW.pack(*block), crc)


def holes(valid: NDArray[np.bool_], n_words: int) -> list[tuple[int, int]]:
    """Return first byte and length of each run of lost bytes.

    Parameters
    ----------
    valid
        Flags (groups,) bool of a frame, see `isactrack.Frame`.
    n_words
        int16 words of the frame; the last group may be cut.
    """
    if valid.all():
        return []
    edges = np.flatnonzero(np.diff(valid, prepend=True, append=True)) * (2 * GROUP_WORDS)
    starts, stops = edges[::2], np.minimum(edges[1::2], 2 * n_words)
    return list(zip(starts.tolist(), (stops - starts).tolist(), strict=True))
