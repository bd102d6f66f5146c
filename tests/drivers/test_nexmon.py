"""Wi-Fi captures of nexmon: made ones, whose channel is known, and a real one."""

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack import ArrayModel, BlockFlag, ConfigError, Frame, OfdmSensor, RecordingError, Source
from isactrack.cli.main import run
from isactrack.drivers.nexmon import NexmonFile, carrier_hz, data_subcarriers
from isactrack.recordings import open_recording, validate_recording

pytest.importorskip("csiread", reason="csiread is not installed")

REAL = Path(__file__).parents[3] / "shared" / "recordings" / "csi-ubilocate" / "traces_test_rawperf_trace4.pcap"
MAC, OTHER = bytes.fromhex("001234560003"), bytes.fromhex("aabbccddeeff")
CHANNEL_36_20 = 0xD024
"""Broadcom's bits for channel 36, 20 MHz wide."""
T0_US = 1_700_000_000_000_000

Row = tuple[int, bytes, int, int, int]  # microseconds, transmitter, sequence, core, stream


def counts(row: Row) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return the I and Q (64, 2) of a row, a function of what it is."""
    rng = np.random.default_rng([row[2], row[3], row[4]])
    return rng.integers(-32768, 32768, (64, 2)).astype(np.int16)


def write_pcap(path: Path, rows: list[Row], chan_spec: int = CHANNEL_36_20) -> Path:
    """Write the datagrams of a chip that sends 16-bit integers (43455c0)."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for row in rows:
        time_us, mac, sequence, core, stream = row
        head = struct.pack("<I6sHHHH", 0x11111111, mac, sequence << 4, core | stream << 3, chan_spec, 0)
        payload = head + counts(row).astype("<i2").tobytes()
        udp = struct.pack(">HHHH", 5500, 5500, 8 + len(payload), 0) + payload
        address = bytes([10, 10, 10, 10]), bytes([255] * 4)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, *address) + udp
        packet = bytes(6) + b"NEXMON" + b"\x08\x00" + ip
        data += struct.pack("<IIII", time_us // 10**6, time_us % 10**6, len(packet), len(packet)) + packet
    path.write_bytes(data)
    return path


def packet(sequence: int, time_us: int, *, mac: bytes = MAC) -> list[Row]:
    """Return the rows of a packet that two receivers heard."""
    return [(T0_US + time_us + core, mac, sequence, core, 0) for core in range(2)]


def frames_of(path: Path, **options: Any) -> tuple[OfdmSensor, list[Frame]]:
    with NexmonFile(path, **{"chip": "43455c0", "bandwidth_mhz": 20, **options}) as device:
        device.configure()
        device.start()
        sensor = device.sensor
        assert isinstance(sensor, OfdmSensor)
        return sensor, list(device.frames())


def test_rows_become_packets(tmp_path: Path) -> None:
    """Counters follow the sequence numbers, past their end too; a row that is missing leaves a hole."""
    rows = [*packet(4094, 0), *packet(4095, 1000), *packet(1, 9000)[1:], *packet(2, 11_000)]
    sensor, frames = frames_of(write_pcap(tmp_path / "a.pcap", rows))
    assert sensor.tones == data_subcarriers(20)
    assert sensor.cube_shape == (1, 2, 52)
    assert sensor.array is ArrayModel.NONE
    assert not sensor.periodic
    assert sensor.carrier_frequency_hz == 5180e6
    assert sensor.sample_rate_hz == 20e6
    assert sensor.frame_period_s == pytest.approx(11e-3 / 4)
    assert [frame.counter for frame in frames] == [0, 1, 3, 4]
    assert [frame.device_time_s for frame in frames] == pytest.approx([0.0, 1e-3, 9.001e-3, 11e-3])
    assert [frame.host_utc_ns for frame in frames] == [1000 * (T0_US + us) for us in (0, 1000, 9001, 11_000)]
    assert [frame.lost_bytes for frame in frames] == [0, 0, 52 * 4, 0]
    assert [f.block and f.block.flags for f in frames] == [0, 0, BlockFlag.LOST_FRAGMENT, 0]
    assert [f.block and f.block.tick for f in frames] == [0, 20_000, 180_020, 220_000]
    cube = sensor.decode(frames[3])
    for core, row in enumerate(rows[-2:]):
        i, q = counts(row)[np.array(sensor.tones) % 64].T
        np.testing.assert_array_equal(cube[0, core], i + 1j * q)
    hole = sensor.decode_valid(frames[2])
    assert not hole[0, 0].any()
    assert hole[0, 1].all()


def test_a_packet_that_is_sent_again_is_one_more(tmp_path: Path) -> None:
    rows = [*packet(7, 0), *packet(7, 500), *packet(5, 900), *packet(6, 1300)]
    _, frames = frames_of(write_pcap(tmp_path / "a.pcap", rows))
    assert [frame.counter for frame in frames] == [0, 1, 2, 3]
    assert all(frame.complete for frame in frames)


def test_one_transmitter_is_taken(tmp_path: Path) -> None:
    rows = [*packet(1, 0), *packet(9, 500, mac=OTHER), *packet(2, 1000)]
    path = write_pcap(tmp_path / "a.pcap", rows)
    with pytest.raises(ConfigError, match=r"2 transmitters: 00:12:34:56:00:03 \(4 rows\), aa:bb:cc:dd:ee:ff") as caught:
        frames_of(path)
    assert "--transmitter" in caught.value.hint
    _, frames = frames_of(path, transmitter="00:12:34:56:00:03")
    assert [frame.counter for frame in frames] == [0, 1]
    _, frames = frames_of(path, transmitter="AA:BB:CC:DD:EE:FF")
    assert len(frames) == 1
    with pytest.raises(ConfigError, match="nothing of 00:00"):
        frames_of(path, transmitter="00:00:00:00:00:00")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def empty(path: Path) -> None:
    write_pcap(path, [])


def backwards(path: Path) -> None:
    write_pcap(path, [*packet(1, 5000), *packet(2, 100)])


def hops(path: Path) -> None:
    write_pcap(path, packet(1, 0))
    data = path.read_bytes()
    at = data.rindex(struct.pack("<H", CHANNEL_36_20))
    path.write_bytes(data[:at] + struct.pack("<H", CHANNEL_36_20 + 4) + data[at + 2 :])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(cut, "no pcap"), (empty, "no channel estimates"), (backwards, "not in order"), (hops, "changes its channel")],
)
def test_captures_that_cannot_be_read_say_why(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, packet(1, 0))
    spoil(path)
    with pytest.raises(RecordingError, match=message) as caught:
        frames_of(path)
    assert caught.value.hint


def test_the_wrong_bandwidth_is_noticed(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "a.pcap", packet(1, 0))
    with pytest.raises(ConfigError, match="not 80 MHz wide") as caught:
        frames_of(path, bandwidth_mhz=80)
    assert caught.value.hint == "give --bandwidth 20"
    with pytest.raises(ConfigError, match="no reader for the chip"):
        frames_of(path, chip="9999")
    with pytest.raises(ConfigError, match="160 MHz"):
        frames_of(path, bandwidth_mhz=160)


def test_without_csiread_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_pcap(tmp_path / "a.pcap", packet(1, 0))
    monkeypatch.setitem(sys.modules, "csiread", None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        frames_of(path)
    assert "isactrack[nexmon]" in caught.value.hint


@pytest.mark.parametrize(("bandwidth", "count"), [(20, 52), (40, 108), (80, 234)])
def test_tones_are_the_data_subcarriers_of_the_standard(bandwidth: int, count: int) -> None:
    tones = data_subcarriers(bandwidth)
    assert len(tones) == count
    assert tones == tuple(-tone for tone in reversed(tones))
    assert 0 not in tones


@pytest.mark.parametrize(
    ("chan_spec", "mhz"), [(0xD024, 5180), (0xE29B, 5775), (0x1001, 2412), (0x100E, 2484), (0x1806, 2437)]
)
def test_channels(chan_spec: int, mhz: int) -> None:
    assert carrier_hz(chan_spec) == mhz * 1e6


def test_the_command_imports_and_wants_the_right_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row for k in range(5) for row in packet(k, 1000 * k * k)]
    path, out = write_pcap(tmp_path / "a.pcap", rows), tmp_path / "a.h5"
    chosen = ["--nexmon", "--chip", "43455c0", "--bandwidth", "20"]
    assert run(["import", str(path), *chosen, "-o", str(out), "--json"]) == 0
    assert [check.name for check in validate_recording(out) if check.passed is False] == []
    with open_recording(out) as recording:
        assert recording.origin is Source.HARDWARE
        assert len(recording) == 5
    for wrong in (["--nexmon", "--chip", "43455c0"], [*chosen, "--loops", "3"], ["--chip", "4358", "--cfg", "x.cfg"]):
        assert run(["import", str(path), *wrong, "-o", str(tmp_path / "b.h5")]) == 2
    assert not (tmp_path / "b.h5").exists()
    capsys.readouterr()


@pytest.mark.skipif(not REAL.exists(), reason="the real captures are not beside this checkout")
def test_a_real_capture(tmp_path: Path) -> None:
    sensor, frames = frames_of(REAL, chip="4366c0", bandwidth_mhz=80)
    assert len(frames) == 99
    assert frames[-1].counter == 99, "the sequence numbers say that one packet is missing"
    assert sensor.cube_shape == (4, 4, 234)
    assert sensor.carrier_frequency_hz == 5775e6
    assert all(frame.complete for frame in frames)
    channel = np.array([sensor.decode(frame) for frame in frames[1:]])  # the first is of another kind
    assert np.abs(channel).mean(axis=(0, 1, 2)).min() > 100.0, "no tone is an empty subcarrier"

    # 802.11ac shifts its streams cyclically by 0, -400, -200 and -600 ns: rows are streams where the delays say so.
    delays_s = np.arange(-1000e-9, 1000e-9, 10e-9)
    steering = np.exp(2j * np.pi * delays_s[:, None] * sensor.tone_frequencies_hz)
    found = delays_s[np.abs(channel @ steering.T).argmax(axis=-1)]  # (packet, stream, rx)
    shift = np.median(found - found[:, :1], axis=(0, 2))
    np.testing.assert_allclose(shift, [0.0, -400e-9, -200e-9, -600e-9], atol=35e-9)

    # Delay and phase are other ones in each packet; taken off, what is left is one channel.
    reference = channel[4]
    delays_s = np.arange(-200e-9, 200e-9, 2e-9)
    steering = np.exp(2j * np.pi * delays_s[:, None] * sensor.tone_frequencies_hz)
    norm = np.linalg.norm(reference) * np.sqrt((np.abs(channel) ** 2).sum(axis=(1, 2, 3)))
    products = (channel * reference.conj()).sum(axis=(1, 2))
    assert np.median(np.abs(products.sum(axis=-1)) / norm) < 0.5
    assert np.median(np.abs(products @ steering.T).max(axis=-1) / norm) > 0.97
