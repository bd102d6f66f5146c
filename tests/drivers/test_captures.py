"""Captures of other programs: samples byte for byte, times only where the file has them, faults as errors."""

import struct
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import ConfigError, Frame, IqOrder, RecordingError, Source
from isactrack.drivers.awr1642.assembler import FrameAssembler
from isactrack.drivers.awr1642.captures import open_capture, parse_studio_log, udp_datagrams
from isactrack.drivers.awr1642.dca1000 import encode_data_packet
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.profile import as_cfg, default_profile, parse_profile
from isactrack.drivers.capture_file import CaptureFile
from isactrack.sensor import require_fmcw

SMALL = (
    as_cfg(default_profile(), Dialect.SDK3)
    .replace("profileCfg 0 77 3 6 56 0 0 8.015 1 128", "profileCfg 0 77 3 6 56 0 0 8.015 1 64")
    .replace("frameCfg 0 0 64", "frameCfg 0 0 4")
)
FRAME_BYTES = 4 * 4 * 64 * 4

STUDIO_LOG = """\
02-Jan-2026 17:15:20: API:select_chip_version,AR1642,0,
02-Jan-2026 17:102-Jan-2026 17:15:20: API:select_chip_version,AR1642,0,
02-Jan-2026 17:15:34: API:ChannelConfig,3,15,0,
02-Jan-2026 17:15:34: API:DataFmtConfig,15,2,1,0,1,0,
02-Jan-2026 17:15:49: API:ProfileConfig,0,1,1,1,1,0,0,1,0,2,1,0,0,30,0,
02-Jan-2026 17:15:50: API:ProfileConfig,0,1435384036,10000,600,13000,0,0,621,0,256,10000,0,0,30,0,
02-Jan-2026 17:15:52: API:ChirpConfig,0,0,0,0,0,0,0,1,0,
02-Jan-2026 17:16:05: API:FrameConfig,0,0,1000,1,200000,0,512,0,
"""


def read_all(device: CaptureFile) -> list[Frame]:
    with device:
        device.configure()
        device.start()
        return list(device.frames())


def raw(frames: list[Frame]) -> bytes:
    return b"".join(frame.samples.astype("<i2").tobytes() for frame in frames)


def words(n_bytes: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(1, 256, n_bytes, dtype=np.uint8).tobytes()


# --- mmWave Studio ---------------------------------------------------------------------------------------------------


def test_a_studio_log_gives_the_registers_values() -> None:
    sensor = parse_studio_log(STUDIO_LOG)
    assert sensor.model == "AWR1642"
    assert sensor.start_frequency_hz == pytest.approx(77e9, abs=60.0)
    assert sensor.slope_hz_per_s == pytest.approx(29.982e12, rel=1e-4)
    assert sensor.sample_rate_hz == 10e6
    assert (sensor.idle_time_s, sensor.adc_start_s, sensor.ramp_end_s) == pytest.approx((100e-6, 6e-6, 130e-6))
    assert sensor.frame_period_s == pytest.approx(1e-3)
    assert sensor.cube_shape == (1, 1, 4, 256)
    assert sensor.rx_gain_db == 30.0
    assert sensor.tx_positions == (0.0,)
    assert sensor.iq_order is IqOrder.IIQQ


def test_the_real_studio_log_is_read_like_the_copy(recordings_dir: Path) -> None:
    text = (recordings_dir / "awr1642-vibration" / "mmwave-studio-log.txt").read_text()
    assert parse_studio_log(text) == parse_studio_log(STUDIO_LOG)


@pytest.mark.parametrize("call", ["ProfileConfig", "FrameConfig", "ChannelConfig", "ChirpConfig", "DataFmtConfig"])
def test_a_call_that_is_missing_or_cut_is_named(call: str) -> None:
    with pytest.raises(ConfigError, match=f"no call of {call}"):
        parse_studio_log(STUDIO_LOG.replace(call, "Other"))
    with pytest.raises(ConfigError, match=f"{call} has 1 arguments"):
        parse_studio_log(STUDIO_LOG + f"API:{call},0,\n")
    with pytest.raises(ConfigError, match=f"{call} has an argument that is no whole number"):
        parse_studio_log(STUDIO_LOG + f"API:{call},0,x,\n")
    with pytest.raises(ConfigError, match=f"{call} has an argument that fits no register"):
        parse_studio_log(STUDIO_LOG + f"API:{call},0,{'9' * 400},\n")


@pytest.mark.parametrize(
    ("flags", "model", "place"),
    [("1,0", None, 0.0), ("0,1", None, 2.0), ("1,1", None, 1.0), ("0,1,0", "AWR1843", 1.0), ("0,0,1", None, 2.0)],
)
def test_the_place_of_the_transmitter_is_that_of_the_board(flags: str, model: str | None, place: float) -> None:
    text = STUDIO_LOG + f"API:ChirpConfig,0,0,0,0,0,0,0,{flags},\n"
    assert parse_studio_log(text, model=model).tx_positions == (place,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FrameConfig,0,1,1000,1,200000,0,512,0,", "repeats chirps 0 to 1"),
        ("ChirpConfig,0,0,0,0,0,0,0,0,0,", "no transmitter"),
        ("ChannelConfig,3,0,0,", "no transmitter or no receiver"),
        ("DataFmtConfig,15,2,0,0,1,0,", "not 16-bit, complex"),
        ("DataFmtConfig,15,1,1,0,1,0,", "not 16-bit, complex"),
        ("DataFmtConfig,15,2,1,0,0,0,", "non-interleaved"),
        ("FrameConfig,0,0,1000,0,200000,0,512,0,", "loops_per_frame"),
        ("FrameConfig,0,0,1000,1,0,0,512,0,", "frame_period_s"),
        ("ProfileConfig,0,1435384036,10000,600,13000,0,0,-621,0,256,10000,0,0,30,0,", "slope_hz_per_s"),
    ],
)
def test_a_log_that_describes_no_capture_is_refused(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_studio_log(STUDIO_LOG + f"API:{line}\n")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["ProfileConfig", "FrameConfig", "ChannelConfig", "ChirpConfig", "DataFmtConfig"]),
    st.lists(st.integers(-(2**33), 2**33) | st.text(max_size=3), max_size=16),
)
def test_no_log_raises_anything_but_a_config_error(call: str, values: list[object]) -> None:
    try:
        parse_studio_log(STUDIO_LOG + f"API:{call},{','.join(map(str, values))},\n")
    except ConfigError as error:
        assert str(error)


def test_a_real_take_of_studio_is_read_byte_for_byte(recordings_dir: Path) -> None:
    folder = recordings_dir / "awr1642-vibration"
    device = open_capture(folder / "fan-on.bin", studio_log_text=(folder / "mmwave-studio-log.txt").read_text())
    assert device.frame_count == 1000
    frames = read_all(device)
    assert raw(frames) == (folder / "fan-on.bin").read_bytes()
    assert device.stats.frames == 1000
    assert device.stats.lost_bytes == 0
    assert frames[999].device_time_s == pytest.approx(0.999)
    power = sum(
        (np.abs(np.fft.fft(device.sensor.decode(frame) * np.hanning(256), axis=3)) ** 2).sum(axis=(0, 1, 2))
        for frame in frames[::50]
    )
    # The wall at 2 m lies at bin 10 or 11; the wrong order of the words would mirror it to bin 245 or 246.
    assert int(np.argmax(power)) in (10, 11)


# --- adc_data.bin ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [0, 8, 1456, FRAME_BYTES - 8, 5, 1461])
def test_a_file_without_headers_is_read_byte_for_byte(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "adc_data.bin"
    data = words(3 * FRAME_BYTES + tail)
    path.write_bytes(data)
    device = open_capture(path, cfg_text=SMALL)
    assert device.info.source is device.info.origin is Source.HARDWARE
    assert device.profile_text == SMALL
    frames = read_all(device)
    assert len(frames) == device.frame_count == (4 if tail else 3)
    whole = tail // 8 * 8
    padded = data[: 3 * FRAME_BYTES + whole].ljust(len(frames) * FRAME_BYTES, b"\0")
    assert raw(frames) == padded
    assert [frame.complete for frame in frames[:3]] == [True] * 3
    if tail:
        assert int(frames[3].valid.sum()) * 8 == whole
        assert frames[3].valid[: whole // 8].all()
        assert device.stats.lost_bytes == FRAME_BYTES - whole
        assert device.stats.incomplete_frames == 1
    assert [frame.counter for frame in frames] == list(range(len(frames)))
    assert {frame.host_utc_ns for frame in frames} == {0}  # the file does not know, so nothing is made up
    assert all(later.host_monotonic_ns > earlier.host_monotonic_ns for earlier, later in pairwise(frames))


def test_a_capture_can_be_read_again_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "adc_data.bin"
    path.write_bytes(words(3 * FRAME_BYTES))
    with open_capture(path, cfg_text=SMALL) as device:
        device.configure()
        for _ in range(2):
            device.start()
            first = device.read()
            assert first is not None
            assert first.counter == 0
            device.stop()
            assert device.stats.frames == 1


def test_a_file_shorter_than_a_frame_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "adc_data.bin"
    path.write_bytes(bytes(FRAME_BYTES - 8))
    with pytest.raises(RecordingError, match=f"less than one frame of {FRAME_BYTES}") as caught:
        read_all(open_capture(path, cfg_text=SMALL))
    assert "does not belong" in caught.value.hint


def test_loops_and_order_can_be_given_where_the_profile_is_another(tmp_path: Path) -> None:
    path = tmp_path / "adc_data.bin"
    path.write_bytes(words(FRAME_BYTES))
    device = open_capture(path, cfg_text=SMALL, loops=1, iq_order=IqOrder.IQIQ)
    assert len(read_all(device)) == 4
    assert require_fmcw(device.sensor).iq_order is IqOrder.IQIQ


# --- profiles --------------------------------------------------------------------------------------------------------


def test_a_capture_needs_exactly_one_profile(tmp_path: Path) -> None:
    path = tmp_path / "adc_data.bin"
    path.write_bytes(bytes(FRAME_BYTES))
    wrong: list[dict[str, Any]] = [{}, {"cfg_text": SMALL, "studio_log_text": STUDIO_LOG}]
    for texts in wrong:
        with pytest.raises(ConfigError, match="does not say what the radar ran") as caught:
            open_capture(path, **texts)
        assert "--studio-log" in caught.value.hint
    with pytest.raises(ConfigError, match="line 1"):
        open_capture(path, cfg_text="nonsense")
    with pytest.raises(ConfigError, match="loops_per_frame"):
        open_capture(path, cfg_text=SMALL, loops=0)
    with open_capture(path, cfg_text=SMALL) as device, pytest.raises(ConfigError, match="another profile"):
        device.configure(SMALL)


def test_a_file_that_is_not_there_is_a_recording_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.bin", tmp_path):
        with pytest.raises(RecordingError, match="cannot read"):
            open_capture(path, cfg_text=SMALL)


# --- pcap ------------------------------------------------------------------------------------------------------------


@dataclass
class Pcap:
    """Writes classic pcap files."""

    order: str = "<"
    magic: int = 0xA1B2C3D4
    link: int = 1
    began: int = 1_700_000_000

    def file(self, packets: list[bytes]) -> bytes:
        out = struct.pack(self.order + "IHHiIII", self.magic, 2, 4, 0, 0, 65535, self.link)
        for index, packet in enumerate(packets):
            length = len(packet)
            out += struct.pack(self.order + "IIII", self.began, 1000 + index, length, length) + packet
        return out


def ip_packet(
    payload: bytes, *, port: int = 4098, protocol: int = 17, fragment: int = 0, options: bytes = b""
) -> bytes:
    udp = struct.pack(">HHHH", 1024, port, 8 + len(payload), 0) + payload
    header = struct.pack(
        ">BBHHHBBHII", 0x45 + len(options) // 4, 0, 20 + len(options) + len(udp), 0, fragment, 255, protocol, 0,
        0xC0A821B4, 0xC0A8211E,
    )  # fmt: skip
    return header + options + udp


def ethernet(ip: bytes, kind: bytes = b"\x08\x00") -> bytes:
    return b"\x02" * 6 + b"\x12\x34\x56\x78\x90\x12" + kind + ip


def data_datagrams(data: bytes) -> list[bytes]:
    return [encode_data_packet(k + 1, k * 1456, data[k * 1456 :][:1456]) for k in range(-(-len(data) // 1456))]


DATA = words(3 * FRAME_BYTES)
PACKETS = [ethernet(ip_packet(datagram)) for datagram in data_datagrams(DATA)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "tick_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_a_pcap_gives_the_frames_and_their_times(tmp_path: Path, order: str, magic: int, tick_ns: int) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(Pcap(order=order, magic=magic).file(PACKETS))
    device = open_capture(path, cfg_text=SMALL)
    frames = read_all(device)
    assert raw(frames) == DATA
    assert device.stats.packets == len(PACKETS)
    assert device.stats.frames == 3
    began = 1_700_000_000 * 10**9 + 1000 * tick_ns
    first_packets = [k * FRAME_BYTES // 1456 for k in range(3)]
    assert [frame.host_utc_ns for frame in frames] == [began + k * tick_ns for k in first_packets]
    assert [frame.host_monotonic_ns for frame in frames] == [k * tick_ns for k in first_packets]


@pytest.mark.parametrize(
    ("link", "wrap"),
    [(101, lambda ip: ip), (113, lambda ip: bytes(14) + b"\x08\x00" + ip), (1, ethernet)],
    ids=["raw", "cooked", "ethernet"],
)
def test_the_link_types_of_tcpdump_are_read(tmp_path: Path, link: int, wrap: type[bytes]) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(Pcap(link=link).file([wrap(ip_packet(datagram)) for datagram in data_datagrams(DATA)]))
    assert raw(read_all(open_capture(path, cfg_text=SMALL))) == DATA


def test_other_traffic_is_passed_over(tmp_path: Path) -> None:
    evil = encode_data_packet(1, 0, b"\xee" * 1456)
    # A VLAN tag of priority 2 looks like the first byte of an IPv4 header to one who does not check the type.
    tagged = ethernet(b"\x45\x00\x08\x00" + ip_packet(evil), kind=b"\x81\x00")
    others = [
        tagged,
        ethernet(ip_packet(evil), kind=b"\x86\xdd"),
        ethernet(bytes(28), kind=b"\x08\x06"),
        ethernet(ip_packet(evil, port=4096)),
        ethernet(ip_packet(evil, protocol=6)),
        ethernet(ip_packet(evil, fragment=0x2000)),
        ethernet(ip_packet(evil, fragment=0x0001)),
        ethernet(ip_packet(evil)[:-1]),  # cut by the snapshot length
        b"",
        b"\x01",
        ethernet(b"\x45"),
    ]
    mixed = [*others, *(p for packet in PACKETS for p in (packet, others[3]))]
    path = tmp_path / "capture.pcap"
    path.write_bytes(Pcap().file(mixed))
    assert raw(read_all(open_capture(path, cfg_text=SMALL))) == DATA


def test_a_padded_frame_and_ip_options_do_not_shift_the_payload(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    packets = [ethernet(ip_packet(d, options=bytes(8))) + bytes(18) for d in data_datagrams(DATA)]
    path.write_bytes(Pcap().file(packets))
    assert raw(read_all(open_capture(path, cfg_text=SMALL))) == DATA


@settings(max_examples=80, deadline=None)
@given(st.integers(4, len(Pcap().file(PACKETS)) - 1))
def test_a_cut_pcap_gives_fewer_frames_or_a_recording_error(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.pcap"
    path.write_bytes(Pcap().file(PACKETS)[:cut])
    frames: list[Frame] = []
    error = None
    with open_capture(path, cfg_text=SMALL) as device:
        device.configure()
        device.start()
        try:
            frames.extend(device.frames())
        except RecordingError as caught:
            error = caught
    assert error is None or error.hint
    assert error is not None or (cut - 24) % (16 + len(PACKETS[0])) == 0
    for frame in frames:
        start = frame.counter * FRAME_BYTES
        got = frame.samples.astype("<i2").view(np.uint8).reshape(-1, 8)
        want = np.frombuffer(DATA[start : start + FRAME_BYTES], dtype=np.uint8).reshape(-1, 8)
        assert np.array_equal(got[frame.valid], want[frame.valid])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([0xA1B2C3D4, 0xA1B23C4D]))
def test_no_bytes_in_a_pcap_raise_anything_but_a_recording_error(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, magic: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.pcap"
    path.write_bytes(Pcap(magic=magic).file([])[:24] + body)
    try:
        list(udp_datagrams(path, 4098))
    except RecordingError as error:
        assert error.hint


def record_packets(data: bytes, *, first: int = 0, sequence: int = 1) -> list[bytes]:
    """Return Ethernet packets of a record whose first byte count is `first`."""
    return [
        ethernet(ip_packet(encode_data_packet(sequence + k, first + k * 1456, data[k * 1456 :][:1456])))
        for k in range(-(-len(data) // 1456))
    ]


def test_a_capture_that_began_late_counts_from_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    packets = record_packets(DATA, first=1000 * FRAME_BYTES, sequence=2814)
    path.write_bytes(Pcap().file(packets))
    device = open_capture(path, cfg_text=SMALL)
    frames = read_all(device)
    assert [frame.counter for frame in frames] == [0, 1, 2]
    assert frames[0].device_time_s == 0.0
    assert raw(frames) == DATA
    assert (device.stats.missing_frames, device.stats.lost_bytes) == (0, 0)
    path.write_bytes(Pcap().file(packets[2:]))  # begun in the middle of a frame
    device = open_capture(path, cfg_text=SMALL)
    assert [frame.lost_bytes for frame in read_all(device)] == [2 * 1456, 0, 0]
    assert device.stats.lost_bytes == 2 * 1456


@pytest.mark.parametrize(("frames", "pause_s"), [(3, 1), (30, 0)], ids=["pause", "far"])
@pytest.mark.parametrize("lost", [0, 1], ids=["whole", "first-packet-lost"])
def test_a_second_record_in_a_capture_is_told_with_its_time(
    tmp_path: Path, frames: int, pause_s: int, lost: int
) -> None:
    path = tmp_path / "capture.pcap"
    packets = record_packets(words(frames * FRAME_BYTES))
    pcap = Pcap()
    second = Pcap(began=pcap.began + pause_s).file(packets[lost:])[24:]
    path.write_bytes(pcap.file(packets) + second)
    with pytest.raises(RecordingError, match="more than one record") as caught:
        read_all(open_capture(path, cfg_text=SMALL))
    assert f"2023-11-14T22:13:{20 + pause_s}.001000000Z" in str(caught.value)
    assert "editcap" in caught.value.hint


def test_doubled_and_reordered_packets_are_no_second_record(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    doubled = [packet for packet in PACKETS for _ in range(2)]
    doubled[1], doubled[4] = doubled[4], doubled[1]
    path.write_bytes(Pcap().file(doubled))
    device = open_capture(path, cfg_text=SMALL)
    assert raw(read_all(device)) == DATA
    assert device.stats.duplicate_packets + device.stats.late_packets == len(PACKETS)


def test_a_flipped_bit_in_a_capture_costs_one_packet(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    datagrams = data_datagrams(DATA)
    datagrams[7] = encode_data_packet(8, 7 * 1456 ^ 1 << 40, datagrams[7][10:])
    path.write_bytes(Pcap().file([ethernet(ip_packet(datagram)) for datagram in datagrams]))
    device = open_capture(path, cfg_text=SMALL)
    assert len(read_all(device)) == 3
    assert (device.stats.lost_bytes, device.stats.rejected_packets) == (1456, 1)


def test_the_model_of_a_capture_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "adc_data.bin"
    path.write_bytes(words(FRAME_BYTES))
    assert open_capture(path, cfg_text=SMALL).info.model == "AWR1642"
    assert open_capture(path, cfg_text="% Platform:xWR18xx\n" + SMALL).info.model == "xWR18xx"
    assert open_capture(path, cfg_text="% Platform:xWR18xx\n" + SMALL, model="IWR6843").info.model == "IWR6843"
    assert open_capture(path, studio_log_text=STUDIO_LOG, model="AWR1843").info.model == "AWR1843"


def test_a_pcapng_says_how_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(b"\x0a\x0d\x0d\x0a" + bytes(100))
    with pytest.raises(RecordingError, match="pcapng") as caught:
        open_capture(path, cfg_text=SMALL)
    assert "editcap -F pcap" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Pcap(link=127).file(PACKETS), "link type 127"),
        (Pcap().file([]), "no data packets"),
        (Pcap().file([ethernet(ip_packet(b"x" * 20, port=53))]), "no data packets"),
        (Pcap().file([])[:20], "too short"),
    ],
)
def test_a_pcap_without_samples_says_why(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message) as caught:
        read_all(open_capture(path, cfg_text=SMALL))
    assert caught.value.hint


def test_an_empty_file_is_no_pcap(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.touch()
    with pytest.raises(RecordingError, match="too short"):
        list(udp_datagrams(path, 4098))


def test_a_real_pcap_gives_what_the_live_assembler_gives(recordings_dir: Path) -> None:
    wire = recordings_dir / "dca1000-wire"
    cfg = (wire / "xwr18xx_profile_2023_01_01T00_00_00_000.cfg").read_text()
    device = open_capture(wire / "test_one_frame.pcap", cfg_text=cfg, loops=2)
    frames = read_all(device)
    sensor = device.sensor
    assert sensor == replace(parse_profile(cfg, enforce_limits=False), loops_per_frame=2)
    assembler = FrameAssembler(sensor.frame_bytes, sensor.frame_period_s)
    packets = list(udp_datagrams(wire / "test_one_frame.pcap", 4098))
    direct = [frame for t, packet in packets for frame in assembler.push(packet, t - packets[0][0], t)]
    assert len(frames) == len(direct) == 1
    assert np.array_equal(frames[0].samples, direct[0].samples)
    assert frames[0].host_utc_ns == direct[0].host_utc_ns == 1685137893_899989_000
    assert frames[0].host_monotonic_ns == direct[0].host_monotonic_ns == 0
