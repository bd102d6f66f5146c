"""Recordings of radios: what is appended comes back, with what the radio said of each block."""

import dataclasses
import gzip
import json
import math
import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import (
    ArrayModel,
    BlockFlag,
    BlockInfo,
    Capture,
    ConfigError,
    Frame,
    IqOrder,
    OfdmSensor,
    Pose,
    RecordingError,
    Source,
    Truth,
)
from isactrack.recordings import (
    RecordingHeader,
    RecordingWriter,
    SegmentedWriter,
    create_folder,
    export_recording,
    open_recording,
    repair_recording,
    schema,
    validate_folder,
    validate_recording,
)

# --- a toy radio -----------------------------------------------------------------------------------------------------


def radio(**changes: Any) -> OfdmSensor:
    """Return a radio of 3 rows and 5 tones, so that the last group of 8 bytes is cut."""
    fields: dict[str, Any] = {
        "model": "toy radio", "carrier_frequency_hz": 26e9, "subcarrier_spacing_hz": 270e3,
        "tones": (-20, -10, -1, 10, 20), "frame_period_s": 0.004, "rx_positions": (0.0, 0.5, 1.0),
        "tx_position_m": (3.0, 4.0), "fft_size": 64, "cyclic_prefix_samples": 16,
        "stagger_s": (0.0, 1e-3, 0.25e-3), "csi_scale": 1e-6,
    }  # fmt: skip
    return OfdmSensor(**{**fields, **changes})


def iq_radio() -> OfdmSensor:
    """Return a radio that captures 10 samples a row."""
    return radio(capture=Capture.IQ, gate_samples=10)


def header_of(sensor: OfdmSensor) -> RecordingHeader:
    return RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://toy",
        device_model=sensor.model, profile_text="carrier_hz = 26e9\n", pose=Pose(x_m=1.0, yaw_rad=0.5), note="Käfer",
    )  # fmt: skip


def tick_of(sensor: OfdmSensor, counter: int) -> int:
    time_s = counter * sensor.frame_period_s + sensor.stagger_of(counter)
    return 100 + round(time_s * sensor.sample_rate_hz)


def block_frame(sensor: OfdmSensor, counter: int, *, lost_groups: int = 0, flags: BlockFlag | None = None) -> Frame:
    """Return a frame that is a function of its counter."""
    rng = np.random.default_rng(counter)
    samples = rng.integers(-32768, 32767, sensor.frame_words, dtype=np.int16)
    valid = np.ones(-(-sensor.frame_words // 4), dtype=np.bool_)
    valid[:lost_groups] = False
    samples[: 4 * lost_groups] = 0
    if flags is None:
        flags = BlockFlag.LOST_FRAGMENT if lost_groups else BlockFlag(0)
    block = BlockInfo(
        tick=tick_of(sensor, counter), flags=flags, gain_db=20.0 + counter % 3, noise_power=float(rng.random()),
        cfo_hz=float(rng.normal()), timing_samples=0.25 * counter, clipped=counter % 2, temperature_c=40.5,
    )  # fmt: skip
    time_ns = counter * 4_000_000
    return Frame(samples, valid, counter, counter * sensor.frame_period_s, 7_000_000 + time_ns, 10**18 + time_ns, block)


def record_radio(path: Path, count: int = 20, sensor: OfdmSensor | None = None) -> list[Frame]:
    """Record blocks, one of them missing and some with holes, with a true target each."""
    sensor = sensor or radio()
    frames = [block_frame(sensor, k + (k > 9), lost_groups=2 if k % 4 == 3 else 0) for k in range(count)]
    with RecordingWriter(path, header_of(sensor)) as writer:
        for frame in frames:
            position = np.array([[frame.counter, 2.0]])
            writer.append(frame, Truth(frame.device_time_s + 1e-3, np.array([3]), position, -position))
    return frames


# --- what comes back -------------------------------------------------------------------------------------------------

POSITIVE = st.floats(1e-9, 1e12)
MAYBE = st.floats(-1e6, 1e6) | st.just(math.nan)


@st.composite
def radios(draw: st.DrawFn) -> OfdmSensor:
    tones = sorted(draw(st.sets(st.integers(-32, 32), min_size=2, max_size=7)))
    capture = draw(st.sampled_from(Capture))
    period_s = draw(st.floats(1e-3, 1.0))
    pair = st.tuples(st.floats(-50, 50), st.floats(-50, 50))
    return OfdmSensor(
        model=draw(st.text(st.characters(exclude_characters="\0"), max_size=20)), carrier_frequency_hz=draw(POSITIVE),
        subcarrier_spacing_hz=draw(POSITIVE), tones=tuple(tones), frame_period_s=period_s,
        rx_positions=tuple(draw(st.lists(st.floats(-9, 9), min_size=1, max_size=3))),
        array=draw(st.sampled_from(ArrayModel)), tx_streams=draw(st.integers(1, 2)),
        tx_position_m=draw(st.none() | pair), fft_size=64, cyclic_prefix_samples=draw(st.integers(0, 64)),
        capture=capture, gate_samples=draw(st.integers(1, 9)) if capture is Capture.IQ else 0,
        preamble_root=draw(st.integers(1, 50)), reference_seed=draw(st.integers(0, 2**31)),
        stagger_s=tuple(draw(st.lists(st.floats(0, 0.99).map(lambda part: part * period_s), max_size=3))),
        csi_scale=draw(POSITIVE), periodic=draw(st.booleans()),
    )  # fmt: skip


BLOCKS = st.builds(
    BlockInfo, tick=st.integers(0, 2**63 - 1), flags=st.integers(0, 127).map(BlockFlag), gain_db=st.floats(-99, 99),
    noise_power=MAYBE, cfo_hz=st.floats(-1e9, 1e9), timing_samples=st.floats(-1e9, 1e9),
    clipped=st.integers(0, 2**40), temperature_c=MAYBE,
)  # fmt: skip


@st.composite
def frames_of(draw: st.DrawFn, sensor: OfdmSensor) -> list[Frame]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lost = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return [
        Frame(
            samples=rng.integers(-32768, 32768, sensor.frame_words).astype(np.int16),
            valid=rng.random(-(-sensor.frame_words // 4)) >= lost,
            counter=counter,
            device_time_s=draw(st.floats(0, 1e6)),
            host_monotonic_ns=draw(st.integers(0, 2**63 - 1)),
            host_utc_ns=draw(st.integers(0, 2**63 - 1)),
            block=draw(BLOCKS),
        )
        for counter in sorted(draw(st.sets(st.integers(0, 2**62), max_size=5)))
    ]


def assert_same_block(got: BlockInfo | None, want: BlockInfo | None) -> None:
    """Compare bit by bit, so that NaN is NaN and 0.0 is not -0.0."""
    assert got is not None
    assert want is not None
    for field in dataclasses.fields(BlockInfo):
        one, other = getattr(got, field.name), getattr(want, field.name)
        assert type(one) is type(other), field.name
        same = struct.pack("<d", one) == struct.pack("<d", other) if isinstance(one, float) else one == other
        assert same, (field.name, one, other)


def assert_same_frame(got: Frame, want: Frame) -> None:
    for field in dataclasses.fields(Frame):
        if field.name != "block":
            np.testing.assert_array_equal(getattr(got, field.name), getattr(want, field.name), err_msg=field.name)
    assert got.lost_bytes == want.lost_bytes
    assert_same_block(got.block, want.block)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), sensor=radios())
def test_radios_come_back_with_their_blocks(data: st.DataObject, sensor: OfdmSensor) -> None:
    frames = data.draw(frames_of(sensor))
    header = header_of(sensor)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        with RecordingWriter(path, header) as writer:
            for frame in frames:
                writer.append(frame)
        with open_recording(path) as recording:
            assert recording.header == header
            assert recording.sensor == sensor
            assert type(recording.sensor.tones) is tuple
            assert len(recording) == len(frames)
            for got, want in zip(recording.frames(), frames, strict=True):
                assert_same_frame(got, want)
            assert recording.blocks["tick"].tolist() == [frame.block.tick for frame in frames if frame.block]


def test_a_radio_file_describes_itself(tmp_path: Path) -> None:
    record_radio(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        attrs = file["sensor"].attrs
        assert attrs["kind"] == b"ofdm"
        assert attrs["tones"].tolist() == list(radio().tones)
        units = json.loads(attrs["units"])
        named = {f.name for f in dataclasses.fields(OfdmSensor)} - {"model", "array", "capture"}
        assert set(units) == named
        derived = file["sensor/derived"].attrs
        assert derived["path_resolution_m"] == radio().path_resolution_m
        np.testing.assert_array_equal(derived["tone_frequencies_hz"], radio().tone_frequencies_hz)
        samples = file["frames/samples"]
        assert samples.shape == (20, 1, 3, 5, 2)
        assert [dim.label for dim in samples.dims] == ["frame", "stream", "rx", "tone", "word"]
        for column in schema.BLOCK_COLUMNS:
            dataset = file["frames"][column.name]
            assert dataset.shape == (20,)
            assert dataset.attrs["units"] and dataset.attrs["meaning"]
        assert "32 LOST_FRAGMENT" in file["frames/flags"].attrs["meaning"].decode()


def test_a_radar_file_has_no_blocks(tmp_path: Path, record: Any) -> None:
    record(tmp_path / "run.h5", 2)
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["sensor"].attrs["kind"] == b"fmcw"
        assert not {column.name for column in schema.BLOCK_COLUMNS} & set(file["frames"])
    with open_recording(tmp_path / "run.h5") as recording:
        assert recording.blocks.size == 0
        assert recording.frame(0).block is None


def test_a_transmitter_nobody_placed_stays_unknown(tmp_path: Path) -> None:
    sensor = radio(tx_position_m=None, stagger_s=())
    record_radio(tmp_path / "run.h5", 2, sensor)
    with open_recording(tmp_path / "run.h5") as recording:
        assert recording.sensor == sensor


def test_a_wide_radio_fits_the_header(tmp_path: Path) -> None:
    """20,000 tones are more than the 64 KiB that HDF5 keeps of an attribute beside its group."""
    sensor = radio(tones=tuple(range(-10_000, 10_000)), fft_size=32768, stagger_s=())
    record_radio(tmp_path / "run.h5", 2, sensor)
    with open_recording(tmp_path / "run.h5") as recording:
        assert recording.sensor == sensor
        assert len(list(recording.frames())) == 2


def test_frames_of_the_other_kind_are_refused(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    sensor = radio()
    good = block_frame(sensor, 0)
    assert good.block is not None
    with RecordingWriter(tmp_path / "radio.h5", header_of(sensor)) as writer:
        with pytest.raises(ConfigError, match="says nothing of its block"):
            writer.append(dataclasses.replace(good, block=None))
        for wrong in ({"tick": -1}, {"tick": 2**63}, {"clipped": -1}, {"flags": BlockFlag(2**32)}):
            with pytest.raises(ConfigError, match="impossible"):
                writer.append(dataclasses.replace(good, block=dataclasses.replace(good.block, **wrong)))
        writer.append(good)
    with (
        RecordingWriter(tmp_path / "radar.h5", header) as writer,
        pytest.raises(ConfigError, match="speaks of a block"),
    ):
        writer.append(dataclasses.replace(make_frame(0), block=BlockInfo()))
    with open_recording(tmp_path / "radio.h5") as recording:
        assert len(recording) == 1


def test_recordings_of_schema_version_2_are_read(tmp_path: Path) -> None:
    """The file is of isactrack 0.2.0 before it knew radios, byte for byte."""
    path = tmp_path / "old.h5"
    path.write_bytes(gzip.decompress((Path(__file__).parent / "schema-2.h5.gz").read_bytes()))
    with open_recording(path) as recording:
        assert recording.schema_version == 2
        assert recording.header.stream == "left"
        assert recording.sensor.model == "AWR1642"
        assert recording.sensor.iq_order is IqOrder.QQII  # type: ignore[union-attr]
        assert recording.counters.tolist() == [0, 1, 4]
        frames = list(recording.frames())
        expected = (np.arange(64) * 7 + 4).astype(np.int16)
        np.testing.assert_array_equal(frames[2].samples, expected)
        assert [frame.lost_bytes for frame in frames] == [0, 16, 0]
        assert frames[2].block is None
        assert recording.events[0].text == "the door opens"
        assert next(recording.side_packets()).data == b"abc"
        assert recording.losses["missing_frames"].tolist() == [0, 2]
        truth = recording.truth(1)
        assert truth is not None
        np.testing.assert_array_equal(truth.position_m, [[1.0, 2.0]])
    failed = [check.name for check in validate_recording(path, max_loss=1.0) if check.passed is False]
    assert failed == []


# --- damage ----------------------------------------------------------------------------------------------------------


def edit_tick(file: h5py.File) -> None:
    file["frames/tick"][5] += 1000


def repeat_tick(file: h5py.File) -> None:
    file["frames/tick"][5] = file["frames/tick"][4]


def unknown_flag(file: h5py.File) -> None:
    file["frames/flags"][6] = 1 << 20


def infinite_gain(file: h5py.File) -> None:
    file["frames/gain_db"][6] = np.inf


def negative_noise(file: h5py.File) -> None:
    file["frames/noise_power"][6] = -1.0


def forget_fragment(file: h5py.File) -> None:
    file["frames/flags"][3] = 0


def move_window(file: h5py.File) -> None:
    file["frames/timing_samples"][4] += 1.0


def move_windows_beyond_all(file: h5py.File) -> None:
    file["frames/timing_samples"][4:6] = np.inf


def cool_down(file: h5py.File) -> None:
    file["frames/temperature_c"][4] = 12.0


def lengthen_column(file: h5py.File) -> None:
    file["frames/cfo_hz"].resize(21, 0)


READABLE = "frames readable"
FAULTS: list[tuple[Callable[[h5py.File], None], list[str]]] = [
    (edit_tick, ["ticks go with counters", READABLE]),
    (repeat_tick, ["ticks go with counters", READABLE]),
    (unknown_flag, ["block flags known", READABLE]),
    (infinite_gain, ["block values possible", READABLE]),
    (negative_noise, ["block values possible", READABLE]),
    (forget_fragment, ["holes flagged", READABLE]),
    (move_window, [READABLE]),
    (move_windows_beyond_all, ["ticks go with counters", "block values possible", READABLE]),
    (cool_down, [READABLE]),
    (lengthen_column, ["dataset lengths agree"]),
]


def failed(path: Path) -> list[str]:
    return [check.name for check in validate_recording(path, max_loss=1.0) if check.passed is False]


@pytest.mark.parametrize(("damage", "found"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_damage_of_the_block_table_is_found(
    tmp_path: Path, damage: Callable[[h5py.File], None], found: list[str]
) -> None:
    path = tmp_path / "run.h5"
    record_radio(path)
    assert failed(path) == []
    with h5py.File(path, "r+") as file:
        damage(file)
    assert failed(path) == found


def written(path: Path, frames: list[Frame], sensor: OfdmSensor) -> Path:
    with RecordingWriter(path, header_of(sensor)) as writer:
        for frame in frames:
            writer.append(frame)
    return path


def jumped(sensor: OfdmSensor, flags: BlockFlag) -> list[Frame]:
    """Return frames whose sample clock jumps back before the fifth."""
    frames = [block_frame(sensor, k) for k in range(9)]
    for k in range(5, 9):
        block = frames[k].block
        assert block is not None
        moved = dataclasses.replace(block, tick=block.tick - 70_000, flags=flags if k == 5 else block.flags)
        frames[k] = dataclasses.replace(frames[k], block=moved)
    return frames


def test_a_jump_of_the_sample_clock_has_to_be_flagged(tmp_path: Path) -> None:
    sensor = radio()
    assert failed(written(tmp_path / "told.h5", jumped(sensor, BlockFlag.DISCONTINUITY), sensor)) == []
    untold = written(tmp_path / "untold.h5", jumped(sensor, BlockFlag(0)), sensor)
    assert failed(untold) == ["ticks go with counters"]


def test_a_repaired_copy_may_lack_the_block_that_told_of_a_jump(tmp_path: Path) -> None:
    sensor = radio()
    path = written(tmp_path / "run.h5", jumped(sensor, BlockFlag.DISCONTINUITY), sensor)
    with h5py.File(path, "r+") as file:
        file["frames/samples"][5] = 0
    report = repair_recording(path)
    assert report.output is not None
    assert report.frames == 8
    assert failed(report.output) == []


def test_what_the_radio_did_wrong_is_no_reason_to_repair(tmp_path: Path) -> None:
    sensor = radio()
    path = written(tmp_path / "run.h5", jumped(sensor, BlockFlag(0)), sensor)
    assert repair_recording(path).output is None


def test_clocks_may_be_as_far_apart_as_crystals_are(tmp_path: Path) -> None:
    sensor = radio()

    def drifting(by: float) -> list[Frame]:
        frames = [block_frame(sensor, k) for k in range(9)]
        blocks = [dataclasses.replace(f.block or BlockInfo(), timing_samples=0.0) for f in frames]
        return [
            dataclasses.replace(f, block=dataclasses.replace(b, tick=round(b.tick * (1.0 + by))))
            for f, b in zip(frames, blocks, strict=True)
        ]

    assert failed(written(tmp_path / "near.h5", drifting(40e-6), sensor)) == []
    assert failed(written(tmp_path / "far.h5", drifting(400e-6), sensor)) == ["ticks go with counters"]


def test_packets_that_come_when_they_come_have_no_rate(tmp_path: Path) -> None:
    sensor = radio(periodic=False, stagger_s=())
    frames, tick = [], 0
    for k, step in enumerate([1, 300, 2, 70, 9]):
        tick += step
        frame = block_frame(sensor, k)
        block = dataclasses.replace(frame.block or BlockInfo(), tick=tick)
        frames.append(dataclasses.replace(frame, device_time_s=tick * 1e-3, block=block))
    checks = {check.name: check.passed for check in validate_recording(written(tmp_path / "run.h5", frames, sensor))}
    assert False not in checks.values()
    assert checks["frame rate"] is None
    assert checks["ticks go with counters"] is True


def test_damaged_blocks_are_left_out_by_repair(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    frames = record_radio(path)
    with h5py.File(path, "r+") as file:
        edit_tick(file)
    with open_recording(path) as recording, pytest.raises(RecordingError, match=r"frame 5 .* checksum"):
        recording.frame(5)
    report = repair_recording(path)
    assert report.output is not None
    assert (report.frames, report.damaged_frames) == (19, 1)
    assert failed(report.output) == []
    with open_recording(report.output) as repaired:
        for got, want in zip(repaired.frames(), frames[:5] + frames[6:], strict=True):
            assert_same_frame(got, want)


def test_segments_keep_blocks(tmp_path: Path) -> None:
    sensor = radio()
    frames = [block_frame(sensor, k, lost_groups=k % 5 == 2) for k in range(25)]
    header = dataclasses.replace(header_of(sensor), stream="radio")
    with SegmentedWriter(create_folder(tmp_path / "run"), header, segment_s=0.028) as writer:
        for frame in frames:
            writer.append(frame)
    with open_recording(tmp_path / "run") as recording:
        assert recording.blocks.size == len(recording) == 25
        assert recording.blocks["tick"].tolist() == [frame.block.tick for frame in frames if frame.block]
        for got, want in zip(recording.frames(), frames, strict=True):
            assert_same_frame(got, want)
    assert [check.name for check in validate_folder(tmp_path / "run", max_loss=1.0) if check.passed is False] == []


# --- crashes ---------------------------------------------------------------------------------------------------------

KILLED = """
import importlib.util, sys
from isactrack.recordings import RecordingWriter

spec = importlib.util.spec_from_file_location("radios", sys.argv[3])
radios = importlib.util.module_from_spec(spec)
spec.loader.exec_module(radios)
sensor = radios.radio()
writer = RecordingWriter(sys.argv[1], radios.header_of(sensor), flush_interval_s=1.0)
print("created", flush=True)
for k in range(10**9):
    writer.append(radios.block_frame(sensor, k, lost_groups=k % 3))
    if (k + 1) % int(sys.argv[2]) == 0:
        writer.flush()
        print(k + 1, flush=True)
"""


def kill_at_random(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    arguments = [sys.executable, "-c", KILLED, str(path), str(rng.choice([1, 3, 20, 100])), __file__]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "created\n"
        time.sleep(rng.uniform(0.05, 0.3))
        process.kill()
        lines = process.stdout.read().splitlines(keepends=True)
    acknowledged = max((int(line) for line in lines if line.endswith("\n")), default=0)
    sensor = radio()
    with open_recording(path) as recording:
        assert not recording.closed_cleanly
        assert len(recording) >= acknowledged
        for k, frame in enumerate(recording.frames()):
            assert_same_frame(frame, block_frame(sensor, k, lost_groups=k % 3))
    report = repair_recording(path)
    assert report.output is not None
    assert report.damaged_frames == report.unordered_frames == 0
    assert failed(report.output) == []
    with open_recording(report.output) as repaired:
        assert len(repaired) >= acknowledged


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_recording_of_a_radio_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path / "run.h5", seed)


@pytest.mark.slow
def test_many_killed_recordings_of_a_radio(tmp_path: Path) -> None:
    for seed in range(100, 130):
        kill_at_random(tmp_path / f"{seed}.h5", seed)


def test_who_reads_along_sees_blocks_as_they_are_flushed(tmp_path: Path) -> None:
    sensor = radio()
    with RecordingWriter(tmp_path / "run.h5", header_of(sensor), flush_interval_s=1.0) as writer:
        for k in range(300):  # more than a block of rows
            writer.append(block_frame(sensor, k))
        with open_recording(tmp_path / "run.h5") as recording:
            before = len(recording)
            writer.flush()
            assert before < recording.refresh() == 300
            assert_same_frame(recording.frame(299), block_frame(sensor, 299))


# --- exports ---------------------------------------------------------------------------------------------------------


def test_channel_estimates_are_exported_to_npz(tmp_path: Path) -> None:
    sensor = radio()
    frames = record_radio(tmp_path / "run.h5")
    with open_recording(tmp_path / "run.h5") as recording:
        export_recording(recording, tmp_path / "run.npz", start=2, stop=15)
    with np.load(tmp_path / "run.npz") as data:
        assert data["axes"].tolist() == ["frame", "stream", "rx", "tone"]
        assert data["samples"].shape == (13, 1, 3, 5)
        for k, frame in enumerate(frames[2:15]):
            np.testing.assert_array_equal(data["samples"][k], sensor.decode(frame))
            np.testing.assert_array_equal(data["valid"][k], sensor.decode_valid(frame))
        assert not data["valid"].all()
        np.testing.assert_array_equal(data["tone_frequencies_hz"], sensor.tone_frequencies_hz)
        assert data["block_tick"].tolist() == [frame.block.tick for frame in frames[2:15] if frame.block]
        assert data["block_flags"][1] == BlockFlag.LOST_FRAGMENT
        assert data["sensor_csi_scale"] == sensor.csi_scale
        assert data["sensor_tones"].tolist() == list(sensor.tones)
        assert str(data["sensor_array"]) == "ula"


@pytest.mark.parametrize(("name", "hint"), [("adc_data.bin", "npz"), ("run.sigmf-meta", "npz")])
def test_formats_that_cannot_hold_channel_estimates_say_so(tmp_path: Path, name: str, hint: str) -> None:
    record_radio(tmp_path / "run.h5")
    with open_recording(tmp_path / "run.h5") as recording, pytest.raises(ConfigError) as caught:
        export_recording(recording, tmp_path / name)
    assert hint in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.h5"]


def test_captured_samples_are_exported_to_sigmf(tmp_path: Path) -> None:
    sigmf = pytest.importorskip("sigmf")
    sensor = iq_radio()
    frames = record_radio(tmp_path / "run.h5", sensor=sensor)
    with open_recording(tmp_path / "run.h5") as recording:
        export_recording(recording, tmp_path / "run.sigmf-meta")
    opened = sigmf.sigmffile.fromfile(str(tmp_path / "run.sigmf-meta"))
    opened.validate()
    words = np.fromfile(tmp_path / "run.sigmf-data", "<i2").reshape(20, 1, 10, 3, 2)
    for k, frame in enumerate(frames):
        cube = sensor.decode(frame).swapaxes(1, 2)
        np.testing.assert_array_equal(words[k], np.stack([cube.real, cube.imag], axis=-1))
    meta = json.loads((tmp_path / "run.sigmf-meta").read_text())
    assert meta["global"]["core:num_channels"] == 3
    assert meta["global"]["core:sample_rate"] == sensor.sample_rate_hz
    assert meta["global"]["isactrack:shape"] == [20, 1, 10, 3]
    assert meta["captures"][3]["core:frequency"] == sensor.carrier_frequency_hz
    block = frames[3].block
    assert block is not None
    assert meta["captures"][3]["isactrack:block"]["tick"] == block.tick
    assert meta["captures"][3]["isactrack:block"]["flags"] == int(BlockFlag.LOST_FRAGMENT)
    lost = [one for one in meta["annotations"] if one["core:label"] == "lost"]
    assert lost[0]["core:sample_start"] == 3 * 10
    assert lost[0]["core:sample_count"] == 4  # two groups: four samples of the first row
    assert lost[0]["isactrack:receivers"] == [0]
