"""What the emulated radar writes to its data port: packets of the mmw demo, made of what the emulator knows.

The emulator does not run the demo's detection. Its points are the true positions of the people in the scene, every one
in every frame, without clutter, misses or errors; levels and maps are those of the synthesised samples, computed
without the demo's windows and fixed-point steps; loads are 0. This exercises a parser and a recorder; it says nothing
of what the demo would have detected.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.awr1642.tlv import (
    AZIMUTH_HEATMAP,
    HEADER_BYTES,
    MAGIC,
    NOISE_PROFILE,
    POINTS,
    RANGE_DOPPLER_HEATMAP,
    RANGE_PROFILE,
    SIDE_INFO,
    STATS,
    TEMPERATURE,
    AzimuthHeatmap,
    DetectedPoints,
    GuiMonitor,
    NoiseProfile,
    ProcessingStats,
    RangeDopplerHeatmap,
    RangeProfile,
    RawTlv,
    SideInfo,
    Temperatures,
    Tlv,
)
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import radial_velocity
from isactrack.truth import Truth

Version = tuple[int, int, int, int]

PLATFORM = 0xA1642
POINT_Q = 8
"""Fraction bits of the coordinates before SDK 3: steps of 4 mm up to 128 m."""
_PADDING = 32
_PEAK = 0x1000
"""Value of the map at a point of which only the position is known."""


def encode_packet(
    tlvs: Sequence[Tlv],
    *,
    version: Version,
    frame_number: int,
    platform: int = PLATFORM,
    cpu_cycles: int = 0,
    subframe: int = 0,
) -> bytes:
    """Return a packet of the data port, padded to a multiple of 32 bytes.

    Parameters
    ----------
    tlvs
        What it carries; values that the wire cannot carry are rounded and saturated.
    version
        Version of the SDK: major, minor, bug fix, build; the major one decides how points are written.
    frame_number, platform, cpu_cycles, subframe
        See `TlvHeader`.
    """
    body = b""
    for tlv in tlvs:
        kind, value = _encode(tlv, version[0])
        body += struct.pack("<II", kind, len(value)) + value
    points = sum(len(tlv.position_m) for tlv in tlvs if isinstance(tlv, DetectedPoints))
    total = -(-(HEADER_BYTES + len(body)) // _PADDING) * _PADDING
    header = struct.pack(
        "<8sIIIIIIII",
        MAGIC,
        version[0] << 24 | version[1] << 16 | version[2] << 8 | version[3],
        total,
        platform,
        frame_number & 0xFFFFFFFF,
        cpu_cycles & 0xFFFFFFFF,
        points,
        len(tlvs),
        subframe,
    )
    return (header + body).ljust(total, b"\0")


def demo_packet(
    version: Version,
    frame_number: int,
    cube: NDArray[np.complexfloating],
    truth: Truth,
    monitor: GuiMonitor,
    sensor: FmcwSensor,
) -> bytes:
    """Return what the demo would send for a frame, as far as the emulator knows it; see the module.

    Parameters
    ----------
    version
        Version of the SDK whose demo is emulated.
    frame_number
        Number of the frame since sensorStart, from 1.
    cube
        Samples (loop, tx, rx, sample) of the frame.
    truth
        Where the people are, in the middle of the frame.
    monitor
        What the profile asks for.
    sensor
        What the radar runs.
    """
    tlvs: list[Tlv] = []
    if monitor.points:
        points = _true_points(truth, sensor, with_velocity=version[0] >= 3)
        tlvs.append(points)
        if version[0] >= 3 and monitor.points == 1:
            unknown = np.zeros(len(points.position_m), dtype=np.float32)
            tlvs.append(SideInfo(snr_db=unknown, noise_db=unknown))
    spectra = np.fft.fft(cube, _fft_size(sensor.samples_per_chirp), axis=3)
    if monitor.range_profile:
        tlvs.append(RangeProfile(_log_sum(spectra.sum(axis=0))))
    if monitor.noise_profile:
        signs = (-1.0) ** np.arange(sensor.loops_per_frame)
        tlvs.append(NoiseProfile(_log_sum(np.tensordot(signs, spectra, axes=1))))
    if monitor.azimuth_heatmap:
        antennas = spectra.mean(axis=0).reshape(-1, spectra.shape[3]) / sensor.samples_per_chirp
        tlvs.append(AzimuthHeatmap(antennas.T.ravel().astype(np.complex64)))
    if monitor.range_doppler_heatmap:
        levels = _log_sum(np.fft.fft(spectra, axis=0), antenna_axes=(1, 2))
        tlvs.append(RangeDopplerHeatmap(levels.T.ravel()))
    if monitor.stats:
        tlvs.append(_stats(sensor))
    return encode_packet(tlvs, version=version, frame_number=frame_number)


def _true_points(truth: Truth, sensor: FmcwSensor, *, with_velocity: bool) -> DetectedPoints:
    position = np.zeros((len(truth), 3), dtype=np.float32)
    position[:, :2] = truth.position_m
    velocity = radial_velocity(truth.position_m, truth.velocity_mps)
    if with_velocity:
        return DetectedPoints(position_m=position, velocity_mps=velocity.astype(np.float32))
    bins = _fft_size(sensor.samples_per_chirp)
    range_bin_m = sensor.range_resolution_m * sensor.samples_per_chirp / bins
    range_index = np.rint(np.hypot(truth.position_m[:, 0], truth.position_m[:, 1]) / range_bin_m) % bins
    loops = sensor.loops_per_frame
    doppler_index = (np.rint(velocity / sensor.velocity_resolution_mps) + loops // 2) % loops - loops // 2
    return DetectedPoints(
        position_m=position,
        range_index=range_index.astype(np.uint16),
        doppler_index=doppler_index.astype(np.int16),
        peak=np.full(len(truth), _PEAK, dtype=np.uint16),
    )


def _stats(sensor: FmcwSensor) -> ProcessingStats:
    """Return the margins of a radar that computes in no time."""
    return ProcessingStats(
        interframe_processing_us=0,
        transmit_us=0,
        interframe_margin_us=max(round((sensor.frame_period_s - sensor.coherent_time_s) * 1e6), 0),
        interchirp_margin_us=round(sensor.chirp_interval_s * 1e6),
        active_frame_load_percent=0,
        interframe_load_percent=0,
    )


def _fft_size(samples: int) -> int:
    """Return the length of the demo's range FFT: the next power of two."""
    return 1 << max(samples - 1, 1).bit_length()


def _log_sum(spectra: NDArray[np.complexfloating], antenna_axes: tuple[int, int] = (0, 1)) -> NDArray[np.uint16]:
    """Return the sum over the antennas of ``256 log2 |.|``, saturated to uint16."""
    levels = np.log2(np.maximum(np.abs(spectra), 1.0)).sum(axis=antenna_axes)
    return np.asarray(np.minimum(np.rint(256.0 * levels), 65535.0), dtype=np.uint16)


def _encode(tlv: Tlv, major: int) -> tuple[int, bytes]:
    """Return type and value of a TLV."""
    match tlv:
        case DetectedPoints():
            return POINTS, _encode_points(tlv) if major >= 3 else _encode_indexed_points(tlv)
        case RangeProfile():
            return RANGE_PROFILE, tlv.values.astype("<u2").tobytes()
        case NoiseProfile():
            return NOISE_PROFILE, tlv.values.astype("<u2").tobytes()
        case AzimuthHeatmap():
            return AZIMUTH_HEATMAP, _int16(np.stack([tlv.values.imag, tlv.values.real], axis=1))
        case RangeDopplerHeatmap():
            return RANGE_DOPPLER_HEATMAP, tlv.values.astype("<u2").tobytes()
        case ProcessingStats():
            return STATS, struct.pack(
                "<6I",
                tlv.interframe_processing_us,
                tlv.transmit_us,
                tlv.interframe_margin_us,
                tlv.interchirp_margin_us,
                tlv.active_frame_load_percent,
                tlv.interframe_load_percent,
            )
        case SideInfo():
            return SIDE_INFO, _int16(10.0 * np.stack([tlv.snr_db, tlv.noise_db], axis=1))
        case Temperatures():
            return TEMPERATURE, struct.pack("<iI10h", 0 if tlv.valid else -1, tlv.time_ms, *tlv.celsius)
        case RawTlv():
            return tlv.type, tlv.value


def _encode_points(points: DetectedPoints) -> bytes:
    velocity = points.velocity_mps
    columns = np.zeros((len(points.position_m), 4), dtype="<f4")
    columns[:, :3] = points.position_m
    columns[:, 3] = 0.0 if velocity is None else velocity
    return columns.tobytes()


def _encode_indexed_points(points: DetectedPoints) -> bytes:
    count = len(points.position_m)
    rows = np.zeros(count, dtype=[("range", "<u2"), ("doppler", "<i2"), ("peak", "<u2"), ("xyz", "<i2", (3,))])
    for name, values in (("range", points.range_index), ("doppler", points.doppler_index), ("peak", points.peak)):
        if values is not None:
            rows[name] = values
    rows["xyz"] = _saturated(points.position_m * float(1 << POINT_Q))
    return struct.pack("<HH", count, POINT_Q) + rows.tobytes()


def _saturated(values: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.asarray(np.clip(np.rint(values), -32768, 32767), dtype=np.int16)


def _int16(values: NDArray[np.floating]) -> bytes:
    return _saturated(values).astype("<i2").tobytes()
