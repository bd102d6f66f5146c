"""The data port of TI's mmw demo: packets of TLVs (type, length, value) that the radar makes of each frame.

A packet starts with a magic word and a header of 40 bytes in all, its TLVs follow, and it is filled up to a multiple of
32 bytes. All integers are little-endian; nothing protects them but the magic word and the lengths (mmw demo of the
mmWave SDK 1.2, 2.x and 3.x for xWR16xx and xWR18xx). The major number of the version field decides how detected points
are written.

The parser takes any bytes: what is no packet is skipped and counted.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ProtocolError

MAGIC: Final = bytes.fromhex("0201040306050807")
HEADER_BYTES: Final = 40
MAX_PACKET_BYTES: Final = 1 << 19
"""More than any packet of the demo has: a range-Doppler map of the whole radar cube's memory takes 384 KiB."""
MAX_TLVS: Final = 32
SIDE_PACKET_KIND: Final = "mmw-demo-tlv"
"""Kind of the `SidePacket` that carries such a packet verbatim."""

POINTS: Final = 1
RANGE_PROFILE: Final = 2
NOISE_PROFILE: Final = 3
AZIMUTH_HEATMAP: Final = 4
RANGE_DOPPLER_HEATMAP: Final = 5
STATS: Final = 6
SIDE_INFO: Final = 7
TEMPERATURE: Final = 9

_HEADER: Final = struct.Struct("<8sIIIIIIII")
_TLV_HEADER: Final = struct.Struct("<II")
_STATS: Final = struct.Struct("<6I")
_TEMPERATURE: Final = struct.Struct("<iI10h")
_MAX_Q: Final = 15
"""Fraction bits that an int16 coordinate can have."""
_INDEXED_POINT: Final = np.dtype([("range", "<u2"), ("doppler", "<i2"), ("peak", "<u2"), ("xyz", "<i2", (3,))])
_FLOAT_POINT: Final = np.dtype([("xyz", "<f4", (3,)), ("velocity", "<f4")])


@dataclass(frozen=True, slots=True, kw_only=True)
class TlvHeader:
    """Header of a packet.

    Attributes
    ----------
    version
        Version of the SDK: major, minor, bug fix, build.
    total_bytes
        Bytes of the packet, header and padding included.
    platform
        The chip, e.g. 0xA1642.
    frame_number
        Counts the frames since sensorStart, from 1.
    cpu_cycles
        Cycle counter of the radar's DSP when the packet was made.
    detected_objects
        Number of detected points.
    tlv_count
        Number of TLVs.
    subframe
        Subframe that it belongs to, 0 without advanced frames.
    """

    version: tuple[int, int, int, int]
    total_bytes: int
    platform: int
    frame_number: int
    cpu_cycles: int
    detected_objects: int
    tlv_count: int
    subframe: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectedPoints:
    """The points that the radar itself detected (type 1).

    SDK 3 tells position and velocity; SDK 1 and 2 position and the cells of the range-Doppler map.

    Attributes
    ----------
    position_m
        Positions (n, 3) float32 in metres: x to the right, y along boresight, z up.
    velocity_mps
        Radial velocities (n,) float32 in m/s, positive away; None before SDK 3.
    range_index, doppler_index, peak
        Range bins (n,) uint16, signed Doppler bins (n,) int16 and values of the map (n,) uint16; None from SDK 3 on.
    """

    position_m: NDArray[np.float32]
    velocity_mps: NDArray[np.float32] | None = None
    range_index: NDArray[np.uint16] | None = None
    doppler_index: NDArray[np.int16] | None = None
    peak: NDArray[np.uint16] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RangeProfile:
    """Log magnitude of each range bin at Doppler 0 (type 2).

    Attributes
    ----------
    values
        Levels (bins,) uint16. In the demo of the xWR16xx, SDK 1 and 2, the sum over the virtual antennas of
        ``256 log2 |.|``.
    """

    values: NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class NoiseProfile:
    """Log magnitude of each range bin at the highest Doppler (type 3).

    Attributes
    ----------
    values
        Levels (bins,) uint16, scaled as those of `RangeProfile`.
    """

    values: NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class AzimuthHeatmap:
    """Range spectra of the virtual antennas at Doppler 0, from which a range-azimuth map is made (type 4).

    Attributes
    ----------
    values
        Spectra (bins * antennas,) complex64, the antennas of a range bin beside each other.
    """

    values: NDArray[np.complex64]

    def by_antenna(self, antennas: int = 8) -> NDArray[np.complex64]:
        """Return the spectra (bins, antennas); ValueError if they do not divide by the number of antennas."""
        return self.values.reshape(-1, antennas)


@dataclass(frozen=True, slots=True, eq=False)
class RangeDopplerHeatmap:
    """Log magnitude over range and Doppler, summed over the virtual antennas (type 5).

    Attributes
    ----------
    values
        Levels (bins * loops,) uint16, the Doppler bins of a range bin beside each other, from Doppler 0 on, negative
        ones last.
    """

    values: NDArray[np.uint16]

    def by_doppler(self, doppler_bins: int) -> NDArray[np.uint16]:
        """Return the map (range bins, Doppler bins); ValueError if it does not divide by their number."""
        return self.values.reshape(-1, doppler_bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingStats:
    """How busy the radar is (type 6).

    Attributes
    ----------
    interframe_processing_us, transmit_us
        Time for the processing after a frame and for sending the packet.
    interframe_margin_us, interchirp_margin_us
        Time left before the next frame and before the next chirp.
    active_frame_load_percent, interframe_load_percent
        Load of the processor while chirps are sampled and between frames.
    """

    interframe_processing_us: int
    transmit_us: int
    interframe_margin_us: int
    interchirp_margin_us: int
    active_frame_load_percent: int
    interframe_load_percent: int


@dataclass(frozen=True, slots=True, eq=False)
class SideInfo:
    """Levels of the detected points, in their order (type 7).

    Attributes
    ----------
    snr_db, noise_db
        Signal-to-noise ratio and noise (n,) float32 in dB, in steps of 0.1 dB.
    """

    snr_db: NDArray[np.float32]
    noise_db: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperatures:
    """Temperatures inside the chip (type 9).

    Attributes
    ----------
    valid
        Whether the report is valid.
    time_ms
        Time of the report since the chip was powered.
    celsius
        Degrees Celsius near receivers 0 to 3, transmitters 0 to 2, the power management and the two digital sensors.
    """

    valid: bool
    time_ms: int
    celsius: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RawTlv:
    """A TLV of a type that is not known here, or whose value does not fit its type.

    Attributes
    ----------
    type
        Type.
    value
        Bytes after the type and the length.
    """

    type: int
    value: bytes


Tlv = (
    DetectedPoints
    | RangeProfile
    | NoiseProfile
    | AzimuthHeatmap
    | RangeDopplerHeatmap
    | ProcessingStats
    | SideInfo
    | Temperatures
    | RawTlv
)
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TlvPacket:
    """A packet of the data port.

    Attributes
    ----------
    header
        Its header.
    tlvs
        Its TLVs, in their order.
    data
        The packet verbatim.
    offset
        Place of its first byte in the stream that it was found in.
    """

    header: TlvHeader
    tlvs: tuple[Tlv, ...]
    data: bytes
    offset: int = 0

    def find(self, kind: type[_Kind]) -> _Kind | None:
        """Return the first TLV of a kind, e.g. ``packet.find(RangeProfile)``; None if there is none."""
        return next((tlv for tlv in self.tlvs if isinstance(tlv, kind)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuiMonitor:
    """What the profile's ``guiMonitor`` asks the radar to send each frame.

    Attributes
    ----------
    points
        0 none, 1 detected points (SDK 3: and their side info), 2 the points alone.
    range_profile, noise_profile, azimuth_heatmap, range_doppler_heatmap, stats
        Whether these are sent.
    """

    points: int = 0
    range_profile: bool = False
    noise_profile: bool = False
    azimuth_heatmap: bool = False
    range_doppler_heatmap: bool = False
    stats: bool = False

    def __bool__(self) -> bool:
        return any(
            (
                self.points,
                self.range_profile,
                self.noise_profile,
                self.azimuth_heatmap,
                self.range_doppler_heatmap,
                self.stats,
            )
        )

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> "GuiMonitor":
        """Return what the arguments of a ``guiMonitor`` line mean: subframe (not in SDK 1.0) and six choices.

        Raises
        ------
        ValueError
            If they are not six or seven whole numbers.
        """
        if len(arguments) not in (6, 7):
            raise ValueError(f"guiMonitor with {len(arguments)} arguments")
        points, *rest = (int(argument) for argument in arguments[-6:])
        return cls(
            points=points,
            range_profile=rest[0] != 0,
            noise_profile=rest[1] != 0,
            azimuth_heatmap=rest[2] != 0,
            range_doppler_heatmap=rest[3] != 0,
            stats=rest[4] != 0,
        )


def parse_packet(data: bytes) -> TlvPacket:
    """Return the packet that `data` is, e.g. that of a recorded `SidePacket`.

    Raises
    ------
    ProtocolError
        If it is not one whole packet.
    """
    stream = TlvStream()
    packets = [*stream.feed(data), *stream.flush()]
    if len(packets) != 1 or len(packets[0].data) != len(data):
        raise ProtocolError(
            f"{len(data)} bytes that are not one packet of the mmw demo: {data[:16].hex(' ')}",
            "the packet was cut, or comes from another demo",
        )
    return packets[0]


class TlvStream:
    """Finds the packets in the bytes of a data port, however these are cut into reads.

    Whatever comes, it keeps no more than one packet's bytes (`MAX_PACKET_BYTES`), looks at each byte a fixed number of
    times, and raises nothing. A magic word that begins inside a packet says that bytes of it got lost: it is dropped,
    and the one that begins there is taken.

    Attributes
    ----------
    bytes_skipped
        Bytes that belong to no packet.
    bad_packets
        Magic words that no packet followed: lengths that cannot be, or bytes that got lost.
    """

    def __init__(self) -> None:
        self.bytes_skipped = 0
        self.bad_packets = 0
        self._buffer = bytearray()
        self._offset = 0  # place of the buffer's first byte in the stream
        self._searched = 0  # up to here the buffer holds no magic word but that at its start

    @property
    def pending_bytes(self) -> int:
        """Bytes that wait for the rest of their packet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[TlvPacket]:
        """Take the next bytes of the stream and return the packets that are complete with them."""
        packets = []
        for start in range(0, len(data), MAX_PACKET_BYTES):
            self._buffer += data[start : start + MAX_PACKET_BYTES]
            while (packet := self._next()) is not None:
                packets.append(packet)
        return packets

    def flush(self) -> list[TlvPacket]:
        """Return the packet that waits only because its last bytes may begin a magic word: nothing more will come."""
        packet = self._next(at_end=True)
        return [] if packet is None else [packet]

    def _next(self, at_end: bool = False) -> TlvPacket | None:
        """Return the packet at the front of the buffer, after skipping what is none; None if more bytes are needed."""
        while self._find_magic() and len(self._buffer) >= HEADER_BYTES:
            header = _decode_header(self._buffer)
            if not _is_plausible(header):
                self._reject(len(MAGIC))
                continue
            end = header.total_bytes
            inside = self._buffer.find(MAGIC, max(len(MAGIC), self._searched), end + len(MAGIC) - 1)
            if inside >= 0:
                self._reject(inside)
                continue
            if len(self._buffer) < end:
                self._searched = max(len(self._buffer) - len(MAGIC) + 1, 0)
                return None
            if not at_end and self._may_be_cut(end):
                return None
            data = bytes(self._buffer[:end])
            values = _split(data, header.tlv_count)
            if values is None:
                self._reject(end)
                continue
            packet = TlvPacket(
                header=header,
                tlvs=tuple(_decode(kind, value, header.version[0]) for kind, value in values),
                data=data,
                offset=self._offset,
            )
            self._discard(end)
            return packet
        return None

    def _may_be_cut(self, end: int) -> bool:
        """Return whether the last bytes of a packet and what is there of the next are the beginning of a magic word."""
        for place in range(end - len(MAGIC) + 1, end):
            there = self._buffer[place : place + len(MAGIC)]
            if len(there) < len(MAGIC) and MAGIC.startswith(there):
                return True
        return False

    def _find_magic(self) -> bool:
        """Skip what stands before the next magic word; return whether there is one."""
        place = self._buffer.find(MAGIC)
        if place < 0:
            self._skip(max(len(self._buffer) - len(MAGIC) + 1, 0))  # the rest may be the beginning of one
            return False
        self._skip(place)
        return True

    def _reject(self, count: int) -> None:
        self.bad_packets += 1
        self._skip(count)

    def _skip(self, count: int) -> None:
        self.bytes_skipped += count
        self._discard(count)

    def _discard(self, count: int) -> None:
        if count:
            del self._buffer[:count]
            self._offset += count
            self._searched = 0


def _decode_header(data: bytes | bytearray) -> TlvHeader:
    _, version, total, platform, frame, cycles, objects, tlvs, subframe = _HEADER.unpack_from(data)
    return TlvHeader(
        version=(version >> 24, version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF),
        total_bytes=total,
        platform=platform,
        frame_number=frame,
        cpu_cycles=cycles,
        detected_objects=objects,
        tlv_count=tlvs,
        subframe=subframe,
    )


def _is_plausible(header: TlvHeader) -> bool:
    room = header.total_bytes - HEADER_BYTES
    return (
        header.total_bytes <= MAX_PACKET_BYTES
        and header.tlv_count <= MAX_TLVS
        and header.tlv_count * _TLV_HEADER.size <= room
    )


def _split(data: bytes, count: int) -> list[tuple[int, bytes]] | None:
    """Return types and values of a packet's TLVs; None if one does not fit into the packet."""
    values = []
    place = HEADER_BYTES
    for _ in range(count):
        start = place + _TLV_HEADER.size
        if start > len(data):
            return None
        kind, length = _TLV_HEADER.unpack_from(data, place)
        place = start + length
        if place > len(data):
            return None
        values.append((kind, data[start:place]))
    return values


def _decode(kind: int, value: bytes, major: int) -> Tlv:
    decode = (_decode_points if major >= 3 else _decode_indexed_points) if kind == POINTS else _DECODERS.get(kind)
    tlv = decode(value) if decode is not None else None
    return RawTlv(kind, value) if tlv is None else tlv


def _decode_points(value: bytes) -> DetectedPoints | None:
    if len(value) % _FLOAT_POINT.itemsize:
        return None
    points = np.frombuffer(value, _FLOAT_POINT)
    return DetectedPoints(
        position_m=points["xyz"].astype(np.float32), velocity_mps=points["velocity"].astype(np.float32)
    )


def _decode_indexed_points(value: bytes) -> DetectedPoints | None:
    if len(value) < 4:
        return None
    count, q = struct.unpack_from("<HH", value)
    if q > _MAX_Q or len(value) != 4 + count * _INDEXED_POINT.itemsize:
        return None
    points = np.frombuffer(value, _INDEXED_POINT, offset=4)
    return DetectedPoints(
        position_m=points["xyz"].astype(np.float32) / np.float32(1 << q),
        range_index=points["range"].astype(np.uint16),
        doppler_index=points["doppler"].astype(np.int16),
        peak=points["peak"].astype(np.uint16),
    )


def _words(value: bytes) -> NDArray[np.uint16] | None:
    return None if len(value) % 2 else np.frombuffer(value, "<u2").astype(np.uint16)


def _decode_range_profile(value: bytes) -> RangeProfile | None:
    words = _words(value)
    return None if words is None else RangeProfile(words)


def _decode_noise_profile(value: bytes) -> NoiseProfile | None:
    words = _words(value)
    return None if words is None else NoiseProfile(words)


def _decode_range_doppler(value: bytes) -> RangeDopplerHeatmap | None:
    words = _words(value)
    return None if words is None else RangeDopplerHeatmap(words)


def _decode_azimuth(value: bytes) -> AzimuthHeatmap | None:
    if len(value) % 4:
        return None
    pairs = np.frombuffer(value, "<i2").reshape(-1, 2)  # the imaginary part comes first
    values = np.empty(pairs.shape[0], dtype=np.complex64)
    values.imag, values.real = pairs[:, 0], pairs[:, 1]
    return AzimuthHeatmap(values)


def _decode_stats(value: bytes) -> ProcessingStats | None:
    if len(value) != _STATS.size:
        return None
    processing, transmit, frame_margin, chirp_margin, active_load, frame_load = _STATS.unpack(value)
    return ProcessingStats(
        interframe_processing_us=processing,
        transmit_us=transmit,
        interframe_margin_us=frame_margin,
        interchirp_margin_us=chirp_margin,
        active_frame_load_percent=active_load,
        interframe_load_percent=frame_load,
    )


def _decode_side_info(value: bytes) -> SideInfo | None:
    if len(value) % 4:
        return None
    tenths = np.frombuffer(value, "<i2").reshape(-1, 2) / np.float32(10.0)
    return SideInfo(snr_db=tenths[:, 0].astype(np.float32), noise_db=tenths[:, 1].astype(np.float32))


def _decode_temperatures(value: bytes) -> Temperatures | None:
    if len(value) != _TEMPERATURE.size:
        return None
    failure, time_ms, *celsius = _TEMPERATURE.unpack(value)
    return Temperatures(valid=failure == 0, time_ms=time_ms, celsius=tuple(celsius))


_DECODERS: Final[dict[int, Callable[[bytes], Tlv | None]]] = {
    RANGE_PROFILE: _decode_range_profile,
    NOISE_PROFILE: _decode_noise_profile,
    AZIMUTH_HEATMAP: _decode_azimuth,
    RANGE_DOPPLER_HEATMAP: _decode_range_doppler,
    STATS: _decode_stats,
    SIDE_INFO: _decode_side_info,
    TEMPERATURE: _decode_temperatures,
}
