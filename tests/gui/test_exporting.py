"""What leaves the viewer says what it is, is whole, and is gone if somebody changes their mind."""

import json
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError, RecordingError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.gui.models import exporting
from isactrack.gui.models.exporting import ExportKind, Job, Pictures, Stamp, Steps
from isactrack.gui.models.tuning import Settings
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.recordings import Recording, RecordingHeader, RecordingWriter, read_tracks_csv, validate_recording
from isactrack.source import Source
from isactrack.tracking.config import TrackerConfig

SETTINGS = Settings(ChainConfig(p_fa=1e-5), TrackerConfig())
STAMP = Stamp.of("sim://awr1642?scene=<two> & more", (1.0, 2.5), SETTINGS, "simulated")
PNG = b"\x89PNG\r\n\x1a\n" + b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""),
    )
)  # fmt: skip


def done(steps: Steps) -> list[float]:
    return list(steps)


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert int.from_bytes(png[at + 8 + length : at + 12 + length], "big") == zlib.crc32(kind + data)
        found.append((kind, data))
        at += 12 + length
    return found


def test_the_hash_is_of_the_settings_and_nothing_else() -> None:
    assert exporting.settings_hash(SETTINGS) == exporting.settings_hash(
        Settings(ChainConfig(p_fa=1e-5), TrackerConfig())
    )
    others = [
        replace(SETTINGS, chain=ChainConfig()), replace(SETTINGS, tracker=TrackerConfig(confirm_hits=3)),
        replace(SETTINGS, chain=OfdmChainConfig()),
    ]  # fmt: skip
    hashes = {exporting.settings_hash(one) for one in (SETTINGS, *others)}
    assert len(hashes) == 4
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in hashes)


def test_a_picture_carries_its_stamp_in_text_chunks(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    assert done(exporting.picture_steps(path, PNG, ExportKind.PNG, STAMP)) == [1.0]
    kinds = chunks(path.read_bytes())
    assert [kind for kind, _ in kinds] == [b"IHDR", *[b"iTXt"] * len(STAMP.texts()), b"IDAT", b"IEND"]
    texts = dict(data.split(b"\0\0\0\0\0", 1) for kind, data in kinds if kind == b"iTXt")
    assert texts[b"isactrack source"].decode() == STAMP.source
    assert texts[b"isactrack span"] == b"1.000000 s to 2.500000 s"
    assert texts[b"isactrack settings_hash"].decode() == exporting.settings_hash(SETTINGS)
    assert json.loads(texts[b"isactrack settings"])["chain.p_fa"] == 1e-5
    assert texts[b"isactrack version"].startswith(b"isactrack ")
    with pytest.raises(RecordingError, match="no PNG"):
        exporting.stamped_png(b"GIF89a", STAMP)


def test_a_drawing_carries_its_stamp_in_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    svg = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9"><g/></svg>'
    done(exporting.picture_steps(path, svg, ExportKind.SVG, STAMP))
    metadata = ET.fromstring(path.read_bytes()).find("{http://www.w3.org/2000/svg}metadata")
    assert metadata is not None and metadata.text is not None
    assert json.loads(metadata.text) == STAMP.texts()
    with pytest.raises(RecordingError, match="no SVG"):
        exporting.stamped_svg(b"<html>", STAMP)


def test_tables_have_the_tracks_of_the_span_and_the_stamp(
    tmp_path: Path, make_snapshot: Callable[[int], Snapshot]
) -> None:
    snapshots = [make_snapshot(k) for k in range(30)]
    chosen = exporting.in_span(snapshots, 0.5, 1.0)
    assert [one.index for one in chosen] == list(range(10, 21))
    path = tmp_path / "tracks.csv"
    done(exporting.table_steps(path, chosen, ExportKind.CSV, STAMP))
    table = read_tracks_csv(path)
    assert len(table) == sum(len(one.tracks) for one in chosen)
    assert (table.time_s.min(), table.time_s.max()) == (0.5, 1.0)
    assert json.loads((tmp_path / "tracks.csv.stamp.json").read_text()) == STAMP.texts()
    with pytest.raises(ConfigError, match="nothing was seen"):
        exporting.in_span(snapshots, 50.0, 60.0)


def test_parquet_has_the_stamp_in_its_metadata(tmp_path: Path, make_snapshot: Callable[[int], Snapshot]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "tracks.parquet"
    done(exporting.table_steps(path, [make_snapshot(3)], ExportKind.PARQUET, STAMP))
    facts = json.loads(parquet.read_schema(path).metadata[b"isactrack"])
    assert facts["settings_hash"] == STAMP.settings_hash
    assert facts["source"] == STAMP.source
    assert parquet.read_table(path).num_rows == 3


def test_no_export_takes_the_place_of_a_recording(tmp_path: Path, make_snapshot: Callable[[int], Snapshot]) -> None:
    path = record(tmp_path / "walk.h5", 4)
    before = path.read_bytes()
    for steps in (
        exporting.table_steps(path, [make_snapshot(0)], ExportKind.CSV, STAMP),
        exporting.picture_steps(path, PNG, ExportKind.PNG, STAMP),
    ):
        with pytest.raises(RecordingError, match="is a recording"):
            done(steps)
    assert path.read_bytes() == before
    with pytest.raises(RecordingError, match="no folder"):
        exporting.require_replaceable(tmp_path / "none" / "x.csv")


def record(path: Path, count: int) -> Path:
    sensor = FmcwSensor(
        model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
        ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=4, frame_period_s=0.05,
    )  # fmt: skip
    header = RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://x", device_model="AWR1642"
    )
    with RecordingWriter(path, header) as writer:
        for k in range(count):
            valid = np.ones(sensor.frame_words // 4, dtype=np.bool_)
            writer.append(Frame(np.zeros(sensor.frame_words, np.int16), valid, k, k * 0.05, k, k))
    return path


def test_a_part_of_a_recording_is_valid_and_stamped(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    source, path = record(tmp_path / "walk.h5", 20), tmp_path / "part.h5"
    shares = done(exporting.recording_steps(path, source, (0.25, 0.5), STAMP))
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert not [check for check in validate_recording(path) if check.passed is False]
    with Recording(path) as part:
        assert part.counters.tolist() == [5, 6, 7, 8, 9, 10]
    with h5py.File(path) as file:
        assert file.attrs["stamp_settings_hash"].decode() == STAMP.settings_hash
        assert file.attrs["stamp_source"].decode() == STAMP.source


# --- films -----------------------------------------------------------------------------------------------------------


def test_a_film_shows_at_each_moment_the_newest_snapshot() -> None:
    times = [0.0, 0.1, 0.2, 0.6, 0.7]
    assert exporting.film_rows(times, (0.0, 1.0), rate_hz=10) == [0, 1, 2, 2, 2, 2, 3, 4]
    assert exporting.film_rows(times, (0.05, 0.65), rate_hz=10) == [1, 2, 2, 2, 2, 3]
    assert exporting.film_rows(times, (0.0, 1.0), rate_hz=10, speed=2.0) == [0, 2, 2, 3]
    assert len(exporting.film_rows(times, (0.0, 1.0), rate_hz=10, speed=0.5)) == 15
    with pytest.raises(ConfigError, match="nothing was seen"):
        exporting.film_rows(times, (0.8, 0.9))
    with pytest.raises(ConfigError, match="speed"):
        exporting.film_rows(times, (0.0, 1.0), speed=0.0)


def pictures(count: int, fail_at: int = -1) -> Pictures:
    for k in range(count):
        if k == fail_at:
            raise RecordingError("no picture", "try again")
        picture = np.zeros((49, 65, 3), np.uint8)
        picture[:, : k + 1] = 200
        yield picture


def test_a_film_plays_and_carries_its_stamp(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "walk.mp4"
    shares = done(exporting.film_steps(path, pictures(12), 12, STAMP))
    assert shares[0] == pytest.approx(1 / 12) and shares[-1] == 1.0
    with av.open(str(path)) as film:
        assert json.loads(film.metadata["comment"]) == STAMP.texts()
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert float(film.streams.video[0].average_rate) == exporting.FILM_RATE_HZ
    assert len(frames) == 12
    assert frames[0].shape == (48, 64, 3)
    assert frames[11][20, 4, 0] > 150 and frames[0][20, 40, 0] < 50


def test_a_film_that_fails_or_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "walk.mp4"
    path.write_bytes(b"before")
    job = Job(exporting.film_steps(path, pictures(9, fail_at=4), 9, STAMP))
    while not job.step(0.0):
        pass
    assert isinstance(job.error, RecordingError)
    assert not job.succeeded
    job = Job(exporting.film_steps(path, pictures(200), 200, STAMP))
    while len(list(tmp_path.iterdir())) < 2:  # the encoder looks ahead before it writes
        assert not job.step(0.0)
    job.cancel()
    assert [one.name for one in tmp_path.iterdir()] == ["walk.mp4"]
    assert path.read_bytes() == b"before"


def test_without_the_library_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda _name: None)
    job = Job(exporting.film_steps(tmp_path / "x.mp4", pictures(3), 3, STAMP))
    job.step()
    assert isinstance(job.error, ConfigError)
    assert "isactrack[video]" in job.error.hint
    with pytest.raises(ConfigError, match="pyarrow"):
        exporting.require_library(ExportKind.PARQUET)
    exporting.require_library(ExportKind.PNG)
    assert list(tmp_path.iterdir()) == []


# --- jobs ------------------------------------------------------------------------------------------------------------


def test_a_job_ends_well_badly_or_because_somebody_gives_up() -> None:
    def steps(result: list[str]) -> Steps:
        try:
            yield 0.25
            yield 0.5
        finally:
            result.append("closed")

    told: list[str] = []
    job = Job(steps(told))
    assert not job.step(0.0) and job.share == 0.25
    job.cancel()
    assert told == ["closed"] and job.cancelled and not job.succeeded and job.error is None
    assert job.step()
    job = Job(steps(told))
    assert job.step(1.0) and job.succeeded and job.share == 1.0
    job.cancel()
    assert not job.cancelled

    def broken() -> Any:
        yield 0.1
        raise ZeroDivisionError

    job = Job(broken())
    assert job.step(1.0) and job.error is not None and not job.succeeded
    assert "ZeroDivisionError" in str(job.error)
