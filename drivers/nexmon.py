"""Wi-Fi channel estimates that nexmon's firmware took, from a pcap file: a radio for those who have no other.

The firmware sends each pair of a receiver and a stream as a datagram of its own; csiread unpacks them. A capture is
opened as a device, whose frames are packets of the network: one channel estimate each, at the times when they came.

What such an estimate is, and is not:

- The tones are the subcarriers that carry data. Guards, the carrier and its neighbours hold no channel, and on pilots
  several streams are not told apart: nothing was lost there, so these subcarriers are no tones, rather than tones that
  are marked as lost.
- Each row (stream and receiver) was scaled by csiread to 11 bits by itself where the chip counts in floating point
  (4358, 4366c0). Phases are right, and amplitudes along a row; powers of rows and packets cannot be compared.
- Delay, phase and frequency offset are other ones in each packet, and the cyclic shifts between streams (0, -400, -200
  and -600 ns in 802.11ac) are in the channel. Nothing is known of where the antennas are: the array is none.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.capture_file import CaptureFile
from isactrack.errors import ConfigError, RecordingError
from isactrack.frame import GROUP_WORDS, NO_FLAGS, BlockFlag, BlockInfo, Frame
from isactrack.ofdm import ArrayModel, OfdmSensor
from isactrack.units import NS_PER_S

CHIPS: Final = ("4339", "43455c0", "4358", "4366c0")
"""Chips whose packets csiread unpacks."""
SPACING_HZ: Final = 312.5e3
_SEQUENCES: Final = 4096
"""Sequence numbers of 802.11 before they begin anew."""
_PCAP_MAGIC: Final = (0xA1B2C3D4, 0xA1B23C4D)
_PCAP_HEADER_BYTES: Final = 24
_INT16_MAX: Final = 32767
_BANDWIDTH_CODES: Final = {20: 0x1000, 40: 0x1800, 80: 0x2000}
_BANDWIDTH_MASK, _BAND_MASK, _BAND_5_GHZ = 0x3800, 0xC000, 0xC000
# Outermost data subcarrier, half-width of the hole around the carrier, and pilots, of 802.11n and 802.11ac.
_PLANS: Final = {
    20: (28, 0, (7, 21)),
    40: (58, 1, (11, 25, 53)),
    80: (122, 1, (11, 39, 75, 103)),
}


def data_subcarriers(bandwidth_mhz: int) -> tuple[int, ...]:
    """Return the subcarriers that carry data in a channel of 20, 40 or 80 MHz, ascending, 0 for the carrier."""
    outermost, hole, pilots = _PLANS[bandwidth_mhz]
    return tuple(k for k in range(-outermost, outermost + 1) if abs(k) > hole and abs(k) not in pilots)


def carrier_hz(chan_spec: int) -> float:
    """Return the frequency in the middle of a channel from Broadcom's 16 bits for it."""
    number = chan_spec & 0xFF
    if chan_spec & _BAND_MASK == _BAND_5_GHZ:
        return (5000 + 5 * number) * 1e6
    return 2484e6 if number == 14 else (2407 + 5 * number) * 1e6


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What csiread found: one row a datagram, of one transmitter.

    Attributes
    ----------
    time_ns
        Capture (n,) int64, UTC.
    sequence
        Sequence numbers (n,) int64 of the packets of the network.
    stream, core
        Which stream and receiver (n,) int64.
    csi
        Counts (n, bins) complex128, bin 0 the carrier.
    """

    time_ns: NDArray[np.int64]
    sequence: NDArray[np.int64]
    stream: NDArray[np.int64]
    core: NDArray[np.int64]
    csi: NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class _Packet:
    """One packet of the network: its count, its first datagram's time, and its rows."""

    counter: int
    time_ns: int
    rows: Sequence[int]


class NexmonFile(CaptureFile):
    """A pcap file of nexmon's channel estimates as a device.

    Parameters
    ----------
    path
        The file.
    chip
        The receiver's chip, one of `CHIPS`: it decides how the words are packed.
    bandwidth_mhz
        Of the channel: 20, 40 or 80.
    transmitter
        Address of the transmitter, e.g. ``00:12:34:56:00:03``; None if there is only one.

    Raises
    ------
    ConfigError
        If csiread is not installed, or chip, bandwidth or transmitter are not those of the capture.
    RecordingError
        If the file cannot be read, or holds no channel estimates.
    """

    def __init__(self, path: Path, *, chip: str, bandwidth_mhz: int, transmitter: str | None = None) -> None:
        capture = _load(path, chip, bandwidth_mhz)
        chosen = _of_transmitter(capture.src_addr, transmitter)
        chan_spec = _chan_spec(capture.chan_spec[chosen], bandwidth_mhz)
        self._rows = _rows(capture, chosen)
        self._packets = _packets(self._rows)
        self._radio = _sensor(chip, bandwidth_mhz, chan_spec, self._rows, self._packets)
        self._bins = np.asarray(self._radio.tones) % self._radio.fft_size
        super().__init__(path, self._radio)

    def _read_frames(self) -> Iterator[Frame]:
        first, last_counter = self._packets[0].time_ns, None
        for packet in self._packets:
            frame = self._frame(packet, packet.time_ns - first)
            missing = 0 if last_counter is None else packet.counter - last_counter - 1
            last_counter = packet.counter
            self._stats.frames += 1
            self._stats.packets += len(packet.rows)
            self._stats.missing_frames += missing
            self._stats.incomplete_frames += not frame.complete
            self._stats.lost_bytes += frame.lost_bytes + missing * self._radio.frame_bytes
            yield frame

    def _frame(self, packet: _Packet, since_ns: int) -> Frame:
        sensor, rows = self._radio, self._rows
        cube = np.zeros(sensor.cube_shape, dtype=np.complex64)
        there = np.zeros(sensor.cube_shape[:2], dtype=np.bool_)
        for row in packet.rows:
            place = rows.stream[row], rows.core[row]
            cube[place] = rows.csi[row, self._bins]
            there[place] = True
        groups = 2 * sensor.n_tones // GROUP_WORDS  # of a row: data subcarriers come in pairs
        return Frame(
            samples=sensor.encode_words(cube),
            valid=np.repeat(there.ravel(), groups),
            counter=packet.counter,
            device_time_s=since_ns / NS_PER_S,
            host_monotonic_ns=since_ns,
            host_utc_ns=packet.time_ns,
            block=BlockInfo(
                tick=round(since_ns * sensor.sample_rate_hz / NS_PER_S),
                flags=NO_FLAGS if there.all() else BlockFlag.LOST_FRAGMENT,
            ),
        )


def _load(path: Path, chip: str, bandwidth_mhz: int) -> Any:
    """Return what csiread makes of a file."""
    if chip not in CHIPS:
        raise ConfigError(f"there is no reader for the chip {chip!r}", f"one of them: {', '.join(CHIPS)}")
    if bandwidth_mhz not in _PLANS:
        raise ConfigError(
            f"a bandwidth of {bandwidth_mhz} MHz is not known", f"one of them: {', '.join(map(str, _PLANS))}"
        )
    try:
        import csiread
    except ImportError as error:
        raise ConfigError(
            "nexmon's captures are read with csiread, which is not installed", "pip install 'isactrack[nexmon]'"
        ) from error
    _check_pcap(path)
    capture = csiread.Nexmon(str(path), chip=chip, bw=bandwidth_mhz, if_report=False)
    try:
        capture.read()
    except Exception as error:  # csiread raises Exception itself
        raise RecordingError(f"{path} cannot be read: {error}", "was the capture closed? Copy it again") from error
    if not capture.count:
        raise RecordingError(
            f"{path} holds no channel estimates of nexmon",
            "they go to UDP port 5500; was the right network interface captured (`tcpdump -i wlan0 dst port 5500`)?",
        )
    return capture


def _check_pcap(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(_PCAP_HEADER_BYTES)
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}", "check the path") from error
    if len(head) < _PCAP_HEADER_BYTES or not any(struct.unpack_from(f"{o}I", head)[0] in _PCAP_MAGIC for o in "<>"):
        raise RecordingError(
            f"{path} is no pcap file",
            "a pcapng file can be converted: `editcap -F pcap capture.pcapng capture.pcap`",
        )


def _of_transmitter(addresses: NDArray[np.int64], wanted: str | None) -> NDArray[np.bool_]:
    """Return which rows (n,) are of the wanted transmitter, or of the only one."""
    texts = np.array([":".join(f"{byte:02x}" for byte in address) for address in addresses])
    found, counts = np.unique(texts, return_counts=True)
    if wanted is None:
        if found.size > 1:
            listed = ", ".join(f"{one} ({count} rows)" for one, count in zip(found, counts, strict=True))
            raise ConfigError(
                f"the capture holds channels of {found.size} transmitters: {listed}", "choose one with --transmitter"
            )
        wanted = str(found[0])
    chosen = np.asarray(texts == wanted.lower())
    if not chosen.any():
        raise ConfigError(f"the capture has nothing of {wanted}", f"it has {', '.join(found)}")
    return chosen


def _chan_spec(chan_specs: NDArray[np.int64], bandwidth_mhz: int) -> int:
    found = np.unique(chan_specs)
    if found.size > 1:
        raise RecordingError(
            f"the capture changes its channel: {', '.join(f'{one:#x}' for one in found)}", "split it and import each"
        )
    chan_spec = int(found[0])
    if chan_spec & _BANDWIDTH_MASK != _BANDWIDTH_CODES[bandwidth_mhz]:
        meant = next((mhz for mhz, code in _BANDWIDTH_CODES.items() if code == chan_spec & _BANDWIDTH_MASK), None)
        raise ConfigError(
            f"the capture says that its channel ({chan_spec:#x}) is not {bandwidth_mhz} MHz wide",
            "give the right bandwidth" if meant is None else f"give --bandwidth {meant}",
        )
    return chan_spec


def _rows(capture: Any, chosen: NDArray[np.bool_]) -> _Rows:
    fraction_ns = 1 if capture.nano else 1000
    time_ns = capture.sec.astype(np.int64) * NS_PER_S + capture.usec.astype(np.int64) * fraction_ns
    core, stream = capture.core.astype(np.int64)[chosen], capture.spatial.astype(np.int64)[chosen]
    if core.max() > 3:
        # No such chip has more than four receivers. This firmware counts densely instead, stream by stream of each
        # receiver: in a real capture the cyclic shifts of 802.11ac's four streams repeat with a period of four.
        code = 8 * stream + core
        core, stream = code // 4, code % 4
    csi = np.asarray(capture.csi[chosen], dtype=np.complex128)
    if max(np.abs(csi.real).max(), np.abs(csi.imag).max()) > _INT16_MAX:
        raise RecordingError("the counts of the capture do not fit 16 bits", "is the chip another one? See --chip")
    # The low four bits count fragments of a packet of the network.
    return _Rows(time_ns[chosen], capture.seq.astype(np.int64)[chosen] >> 4, stream, core, csi)


def _packets(rows: _Rows) -> list[_Packet]:
    """Return the packets of the network: rows that follow each other, with one sequence number and each pair once."""
    packets: list[_Packet] = []
    members: list[int] = []
    seen: set[tuple[int, int]] = set()
    counter = 0
    sequence = int(rows.sequence[0])
    for row in range(rows.time_ns.size):
        pair, own = (int(rows.stream[row]), int(rows.core[row])), int(rows.sequence[row])
        if members and (own != sequence or pair in seen):
            packets.append(_Packet(counter, int(rows.time_ns[members[0]]), tuple(members)))
            step = (own - sequence) % _SEQUENCES
            # One that is sent again, or comes late, is a packet all the same: it counts on from the one before it.
            counter += step if 0 < step < _SEQUENCES // 2 else 1
            members, seen = [], set()
        sequence = own
        members.append(row)
        seen.add(pair)
    packets.append(_Packet(counter, int(rows.time_ns[members[0]]), tuple(members)))
    times = np.array([packet.time_ns for packet in packets])
    if np.any(np.diff(times) <= 0):
        raise RecordingError(
            f"the packets of the capture are not in order of time after no. {int(np.argmax(np.diff(times) <= 0))}",
            "sort them: `reordercap capture.pcap sorted.pcap`",
        )
    return packets


def _sensor(chip: str, bandwidth_mhz: int, chan_spec: int, rows: _Rows, packets: list[_Packet]) -> OfdmSensor:
    first, last = packets[0], packets[-1]
    # One packet alone has no interval; no time is made of this one.
    period_s = (last.time_ns - first.time_ns) / NS_PER_S / (last.counter - first.counter) if len(packets) > 1 else 1.0
    fft_size = round(bandwidth_mhz * 1e6 / SPACING_HZ)
    return OfdmSensor(
        model=f"BCM{chip.upper()}",
        carrier_frequency_hz=carrier_hz(chan_spec),
        subcarrier_spacing_hz=SPACING_HZ,
        tones=data_subcarriers(bandwidth_mhz),
        frame_period_s=period_s,
        rx_positions=(0.0,) * (int(rows.core.max()) + 1),
        array=ArrayModel.NONE,
        tx_streams=int(rows.stream.max()) + 1,
        fft_size=fft_size,
        cyclic_prefix_samples=fft_size // 4,
        periodic=False,
    )
