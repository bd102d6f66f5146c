"""Capture files of other programs as devices: ``adc_data.bin`` and pcap files of DCA1000 traffic.

Reading TI's bytes is the driver's knowledge, so a capture is opened as a device, whose frames come as fast as they are
read. What the file does not hold is not invented: the profile comes from the ``.cfg`` or from mmWave Studio's log, and
times of arrival come from a pcap alone.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from isactrack.drivers.awr1642.assembler import GROUP_BYTES, FrameAssembler
from isactrack.drivers.awr1642.dca1000 import DATA_HEADER_BYTES, decode_data_header
from isactrack.drivers.awr1642.profile import (
    FRAME_LSB_S,
    FREQUENCY_LSB_HZ,
    SLOPE_LSB_HZ_PER_S,
    TIME_LSB_S,
    has_three_transmitters,
    parse_profile,
    tx_position,
)
from isactrack.drivers.capture_file import CaptureFile
from isactrack.errors import ConfigError, RecordingError
from isactrack.fmcw import FmcwSensor, IqOrder
from isactrack.frame import Frame
from isactrack.units import NS_PER_S

DATA_PORT: Final = 4098
_RECORD_PAUSE_NS: Final = 10_000_000
"""Between two records the radar is stopped and started over its serial line, which takes longer than this."""
_REORDERED_PACKETS: Final = 64
_PCAP_MAGIC: Final = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
_PCAP_HEADER_BYTES: Final = 24
_IPV4: Final = b"\x08\x00"
_LINK_ETHERNET: Final = 1
_LINK_RAW: Final = 101
_LINK_SLL: Final = 113


def open_capture(
    path: Path,
    *,
    cfg_text: str | None = None,
    studio_log_text: str | None = None,
    loops: int | None = None,
    iq_order: IqOrder | None = None,
    model: str | None = None,
) -> CaptureFile:
    """Open a capture of another program as a device.

    Parameters
    ----------
    path
        ``adc_data.bin`` without headers, or a pcap of DCA1000 traffic; told apart by content.
    cfg_text, studio_log_text
        The profile: a ``.cfg`` of the mmw demo, or mmWave Studio's API log. Exactly one is needed.
    loops
        Loops a frame, where they are not those of the profile.
    iq_order
        Order of the words, where it is not that of the profile.
    model
        Name of the radar, where profile or log do not tell; see `parse_profile`.

    Raises
    ------
    ConfigError
        If the profile is missing, wrong, or does not fit the file.
    RecordingError
        If the file cannot be read or holds no samples.
    """
    if (cfg_text is None) == (studio_log_text is None):
        raise ConfigError(
            "a capture file does not say what the radar ran", "give either --cfg PROFILE.cfg or --studio-log LOG.txt"
        )
    if cfg_text is not None:
        sensor, text = parse_profile(cfg_text, enforce_limits=False, model=model), cfg_text
    else:
        text = studio_log_text or ""
        sensor = parse_studio_log(text, model=model)
    if loops is not None:
        sensor = replace(sensor, loops_per_frame=loops)
    if iq_order is not None:
        sensor = replace(sensor, iq_order=iq_order)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}", "check the path") from error
    if magic == b"\x0a\x0d\x0d\x0a":
        raise RecordingError(
            f"{path} is a pcapng file",
            "convert it: `editcap -F pcap capture.pcapng capture.pcap` or `tcpdump -r A -w B`",
        )
    if _pcap_byte_order(magic):
        return PcapFile(path, sensor, text)
    return AdcDataFile(path, sensor, text)


class AdcDataFile(CaptureFile):
    """``adc_data.bin``: samples without headers, frame after frame.

    The file says nothing about time: its frames have UTC 0, and their monotonic clock counts from the first one.
    """

    @property
    def frame_count(self) -> int:
        """Whole and partial frames in the file."""
        return -(-self._path.stat().st_size // self._capture_sensor.frame_bytes)

    def _read_frames(self) -> Iterator[Frame]:
        size = self._path.stat().st_size
        frame_bytes, period_s = self._capture_sensor.frame_bytes, self._capture_sensor.frame_period_s
        if size < frame_bytes:
            raise RecordingError(
                f"{self._path} has {size} bytes, less than one frame of {frame_bytes}",
                "the profile does not belong to this file, or the capture was cut",
            )
        with self._path.open("rb") as file:
            for index in range(self.frame_count):
                data = file.read(frame_bytes)
                groups = len(data) // GROUP_BYTES
                samples = np.zeros(frame_bytes // 2, dtype=np.int16)
                samples[: 4 * groups] = np.frombuffer(data[: groups * GROUP_BYTES], dtype="<i2")
                valid = np.arange(frame_bytes // GROUP_BYTES) < groups
                frame = Frame(samples, valid, index, index * period_s, round(index * period_s * NS_PER_S), 0)
                self._stats.frames += 1
                self._stats.incomplete_frames += not frame.complete
                self._stats.lost_bytes += frame.lost_bytes
                yield frame


class PcapFile(CaptureFile):
    """A pcap of DCA1000 traffic, put through the assembler of the live driver.

    A capture that was begun late has no trace of what went before it: its frames count from the one of its first
    packet, and of that frame what is missing counts as lost. A file must hold one record.
    """

    def _read_frames(self) -> Iterator[Frame]:
        sensor = self._capture_sensor
        assembler = FrameAssembler(sensor.frame_bytes, sensor.frame_period_s, begins_anywhere=True)
        self._stats = assembler.stats
        record = _RecordWatch(self._path)
        first_ns = None
        for time_ns, datagram in udp_datagrams(self._path, DATA_PORT):
            first_ns = time_ns if first_ns is None else first_ns
            record.check(time_ns, datagram)
            yield from assembler.push(datagram, time_ns - first_ns, time_ns)
        yield from assembler.flush()
        if assembler.stats.packets == 0:
            raise RecordingError(
                f"{self._path} holds no data packets of a DCA1000",
                f"they go to UDP port {DATA_PORT}; was the right network interface captured?",
            )


class _RecordWatch:
    """Notices that the card began another record, whose byte counts start again at 0 and seem to come late.

    Packets that are doubled or reordered on the way go back too, but neither far nor after a pause.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sequence = self._byte_count = -1  # the highest so far
        self._time_ns = 0

    def check(self, time_ns: int, datagram: bytes) -> None:
        """Raise RecordingError if a datagram belongs to another record than those before it."""
        if len(datagram) <= DATA_HEADER_BYTES:
            return
        sequence, byte_count = decode_data_header(datagram)
        # Both have to go back: a flipped bit in one of them begins no record.
        if sequence <= self._sequence and byte_count <= self._byte_count:
            far = self._sequence - sequence >= _REORDERED_PACKETS
            if far or time_ns - self._time_ns >= _RECORD_PAUSE_NS:
                raise self._second_record(time_ns)
        self._sequence, self._byte_count = max(self._sequence, sequence), max(self._byte_count, byte_count)
        self._time_ns = time_ns

    def _second_record(self, time_ns: int) -> RecordingError:
        when = f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%S}.{time_ns % NS_PER_S:09d}Z"
        return RecordingError(
            f"{self._path} holds more than one record of the card: another one begins at {when}",
            f"split it and import each part: `editcap -B {when} {self._path} first.pcap`, then `editcap -A ...`",
        )


def udp_datagrams(path: Path, port: int) -> Iterator[tuple[int, bytes]]:
    """Yield time (UTC, ns) and payload of every IPv4 UDP datagram to a port in a classic pcap file.

    Raises
    ------
    RecordingError
        If the file is no pcap, is cut, or has a link type other than Ethernet, Linux cooked or raw IP.
    """
    if path.stat().st_size < _PCAP_HEADER_BYTES:
        raise RecordingError(f"{path} is too short for a pcap file", "the capture was not closed; copy it again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        order = _pcap_byte_order(data[:4])
        if not order:
            raise RecordingError(f"{path} is no pcap file", "capture with `tcpdump -w FILE udp port 4098`")
        (magic,) = struct.unpack_from(order + "I", data)
        tick_ns = _PCAP_MAGIC[magic]
        (link,) = struct.unpack_from(order + "I", data, 20)
        ip_offset = {_LINK_ETHERNET: 14, _LINK_RAW: 0, _LINK_SLL: 16}.get(link & 0xFFFF)
        if ip_offset is None:
            raise RecordingError(f"{path} was captured on link type {link}", "capture on an Ethernet interface")
        position = _PCAP_HEADER_BYTES
        while position < len(data):
            if position + 16 > len(data):
                raise _cut(path, position)
            seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", data, position)
            packet = data[position + 16 : position + 16 + captured]
            if len(packet) < captured:
                raise _cut(path, position)
            position += 16 + captured
            # Ethernet and Linux cooked headers end with the protocol; a VLAN tag or IPv6 shows there.
            ipv4 = ip_offset == 0 or packet[ip_offset - 2 : ip_offset] == _IPV4
            payload = _udp_payload(packet[ip_offset:], port) if ipv4 else None
            if payload is not None:
                yield seconds * NS_PER_S + fraction * tick_ns, payload


def _cut(path: Path, position: int) -> RecordingError:
    return RecordingError(
        f"{path} is cut in the middle of a packet at byte {position}", "the capture was not closed; copy it again"
    )


def _pcap_byte_order(magic: bytes) -> str:
    for order in "<>":
        if len(magic) == 4 and struct.unpack(order + "I", magic)[0] in _PCAP_MAGIC:
            return order
    return ""


def _udp_payload(packet: bytes, port: int) -> bytes | None:
    """Return the payload of an IPv4 packet if it is an unfragmented UDP datagram to `port`."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != 17:
        return None
    (fragment,) = struct.unpack_from(">H", packet, 6)
    start = 4 * (packet[0] & 0xF)
    if fragment & 0x3FFF or len(packet) < start + 8:
        return None
    _, destination, length, _ = struct.unpack_from(">HHHH", packet, start)
    if destination != port or length < 8 or len(packet) < start + length:
        return None
    return packet[start + 8 : start + length]


def parse_studio_log(text: str, *, model: str | None = None) -> FmcwSensor:
    """Return the sensor that mmWave Studio's API log describes.

    Parameters
    ----------
    text
        Text of the log, whose lines are ``date time: API:Call,argument,...``; the last call of a kind counts.
    model
        Name of the radar; None for that of the log.

    Raises
    ------
    ConfigError
        If a call is missing or cannot be used; it names the call.
    """
    calls = {m[1]: m[2].split(",") for m in re.finditer(r"API:(\w+),([^\r\n]*)", text)}
    profile, frame = _studio_call(calls, "ProfileConfig", 14), _studio_call(calls, "FrameConfig", 6)
    channels, chirp = _studio_call(calls, "ChannelConfig", 2), _studio_call(calls, "ChirpConfig", 8)
    format_ = _studio_call(calls, "DataFmtConfig", 5)
    if format_[1] != 2 or format_[2] not in (1, 2) or format_[4] != 1:
        raise ConfigError(
            f"the log's DataFmtConfig {format_} is not 16-bit, complex and non-interleaved",
            "only such captures are read",
        )
    rx_mask, first, last = channels[1], frame[0], frame[1]
    if first != last:
        raise ConfigError(
            f"the log's FrameConfig repeats chirps {first} to {last}", "only logs of a single chirp a loop are read"
        )
    model = model or _studio_model(calls)
    return FmcwSensor(
        model=model,
        start_frequency_hz=profile[1] * FREQUENCY_LSB_HZ,
        idle_time_s=profile[2] * TIME_LSB_S,
        adc_start_s=profile[3] * TIME_LSB_S,
        ramp_end_s=profile[4] * TIME_LSB_S,
        slope_hz_per_s=profile[7] * SLOPE_LSB_HZ_PER_S,
        samples_per_chirp=profile[9],
        sample_rate_hz=profile[10] * 1e3,
        rx_gain_db=float(profile[13]),
        loops_per_frame=frame[3],
        frame_period_s=frame[4] * FRAME_LSB_S,
        tx_positions=(_studio_tx_position(chirp[7:10], model),),
        rx_positions=tuple(0.5 * bit for bit in range(4) if rx_mask >> bit & 1),
        iq_order=IqOrder.QQII if format_[3] == 1 else IqOrder.IIQQ,
    )


def _studio_call(calls: dict[str, list[str]], name: str, needed: int) -> list[int]:
    """Return the whole-number arguments of a call; the trailing comma of a line leaves an empty one."""
    if name not in calls:
        raise ConfigError(
            f"the log has no call of {name}", "it must hold the configuration that the capture was made with"
        )
    try:
        values = [int(word) for word in calls[name] if word.strip()]
    except ValueError:
        raise ConfigError(
            f"the log's {name} has an argument that is no whole number: {calls[name]}", "the log may be damaged"
        ) from None
    if any(abs(value) >= 1 << 32 for value in values):
        raise ConfigError(f"the log's {name} has an argument that fits no register: {values}", "the log may be damaged")
    if len(values) < needed:
        raise ConfigError(f"the log's {name} has {len(values)} arguments, {needed} are needed", "the log may be cut")
    return values


def _studio_tx_position(enabled: list[int], model: str) -> float:
    """Return the place of the transmitters that fire together, from one flag each; see `tx_position`."""
    mask = sum(1 << bit for bit, flag in enumerate(enabled) if flag)
    if not mask:
        raise ConfigError("the log's ChirpConfig enables no transmitter", "the log may be cut")
    return tx_position(mask, of_three=mask > 3 or has_three_transmitters(model))


def _studio_model(calls: dict[str, list[str]]) -> str:
    chip = calls.get("select_chip_version", ["AR1642"])[0]
    return chip.replace("AR", "AWR", 1) if chip.startswith("AR") else chip
