"""The layout of a recording, in one place.

::

    /                       attributes: format, schema_version, package_version, created_utc, uuid, source, origin,
                            device_url, device_model, serial_number, firmware, host_platform, note
    /sensor                 attributes: every field of FmcwSensor, and `units`
    /sensor/derived         attributes: range resolution and the like, for readers without isactrack
    /pose                   attributes: the fields of Pose, and `units`
    /profile                text of the profile, verbatim
    /session                one record, rewritten when the recording is closed
    /frames/samples         (frame, loop, tx, rx, sample pair, word) int16, the raw words, one chunk a frame
    /frames/valid           (frame, byte) uint8, `Frame.valid` through numpy.packbits, one chunk a frame
    /frames/...             one value a frame: `FRAME_COLUMNS`
    /truth/...              one row a target and frame: `TRUTH_COLUMNS`

HDF5 allows no new dataset or attribute once a file is open for SWMR writing, so everything is created at the start. The
tables grow in blocks of `BLOCK_ROWS` rows that hold fill values until they are written; closing trims them. The first
column of a table is its commit mark: it is flushed after all others and its fill value never occurs as a value, so a
row whose mark is not the fill value is whole, even if the writer was killed.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isactrack.fmcw import FmcwSensor
from isactrack.frame import GROUP_WORDS

FORMAT = "isactrack"
SCHEMA_VERSION = 1

FRAMES, TRUTH, SENSOR, DERIVED, POSE, PROFILE, SESSION = (
    "frames", "truth", "sensor", "derived", "pose", "profile", "session",
)  # fmt: skip
SAMPLES, VALID = "samples", "valid"

SAMPLE_TYPE = np.dtype("<i2")
MASK_TYPE = np.dtype("u1")
BLOCK_ROWS = 256

SAMPLE_AXES = ("frame", "loop", "tx", "rx", "sample_pair", "word")
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
    fill: float
    units: str
    meaning: str
    axes: tuple[str, ...] = ("row",)
    width: int | None = None

    @property
    def tail(self) -> tuple[int, ...]:
        """Shape of one row."""
        return () if self.width is None else (self.width,)


_NAN = float("nan")

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
           meaning="CRC-32 of the frame's samples followed by its packed mask"),
    Column(name="truth_time_s", dtype="<f8", fill=_NAN, units="s", axes=("frame",),
           meaning="device time of the frame's truth; NaN if there is none"),
)  # fmt: skip

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

SENSOR_UNITS = {
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
DERIVED_UNITS = {
    "wavelength_m": "m",
    "bandwidth_hz": "Hz",
    "range_resolution_m": "m",
    "range_max_m": "m",
    "velocity_resolution_mps": "m/s",
    "velocity_max_mps": "m/s",
    "azimuth_resolution_rad": "rad",
    "azimuth_max_rad": "rad",
}
POSE_UNITS = {"x_m": "m", "y_m": "m", "z_m": "m", "yaw_rad": "rad"}


def sample_shape(sensor: FmcwSensor) -> tuple[int, int, int, int, int]:
    """Return the shape of one frame of `/frames/samples`: loop, tx, rx, sample pair, word."""
    loop, tx, rx, sample = sensor.cube_shape
    return loop, tx, rx, sample // 2, GROUP_WORDS


def mask_bytes(sensor: FmcwSensor) -> int:
    """Return the bytes of one row of `/frames/valid`."""
    return -(-sensor.frame_words // (8 * GROUP_WORDS))


def checksum(samples: NDArray[Any], mask: NDArray[np.uint8]) -> int:
    """Return the CRC-32 of a frame's words, in the byte order of the file, followed by its packed mask."""
    return zlib.crc32(mask.data, zlib.crc32(np.ascontiguousarray(samples, dtype=SAMPLE_TYPE).data))
