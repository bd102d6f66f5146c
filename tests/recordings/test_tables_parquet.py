"""Detections and tracks as Parquet: the same values as in CSV, with units and settings."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from isactrack import ConfigError, Detections, RecordingError, Track, TrackStatus
from isactrack.cli.main import run
from isactrack.recordings import read_tracks_csv
from isactrack.recordings.parquet import SETTINGS_KEY, write_detections_parquet, write_tracks_parquet
from isactrack.recordings.tables import DETECTION_HEADER, TRACK_HEADER

pq = pytest.importorskip("pyarrow.parquet")


def make_track(track_id: int, time_s: float, status: TrackStatus = TrackStatus.CONFIRMED) -> Track:
    rng = np.random.default_rng(track_id)
    return Track(track_id, status, time_s, rng.normal(size=4), np.eye(4), 3)


def make_detections(time_s: float, count: int) -> Detections:
    rng = np.random.default_rng(count)
    return Detections(
        time_s=time_s,
        position_m=rng.normal(size=(count, 2)),
        covariance_m2=np.tile(np.eye(2), (count, 1, 1)),
        radial_velocity_mps=rng.normal(size=count),
        radial_velocity_std_mps=np.ones(count),
        snr_db=rng.normal(size=count),
        range_m=rng.normal(size=count),
        azimuth_rad=rng.normal(size=count),
    )


def test_tracks_keep_every_value_and_their_types(tmp_path: Path) -> None:
    steps = [[make_track(1, 0.1), make_track(7, 0.1, TrackStatus.TENTATIVE)], [], [make_track(1, 0.2)]]
    assert write_tracks_parquet(tmp_path / "t.parquet", steps, {"source": "simulated"}) == 3
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column_names == TRACK_HEADER.split(",")
    assert [str(table.schema.field(name).type) for name in ("time_s", "track_id", "status")] == [
        "double", "int64", "string",
    ]  # fmt: skip
    assert table["track_id"].to_pylist() == [1, 7, 1]
    assert table["status"].to_pylist() == ["confirmed", "tentative", "confirmed"]
    assert table["x_m"].to_pylist() == [float(track.state[0]) for tracks in steps for track in tracks]
    assert table["vy_mps"].to_pylist() == [float(track.state[3]) for tracks in steps for track in tracks]
    assert table.schema.field("vx_mps").metadata == {b"unit": b"m/s"}
    settings = json.loads(table.schema.metadata[SETTINGS_KEY])
    assert settings["table"] == "tracks"
    assert settings["source"] == "simulated"


def test_detections_keep_every_value(tmp_path: Path) -> None:
    steps = [make_detections(0.0, 2), Detections.empty(0.1), make_detections(0.2, 3)]
    assert write_detections_parquet(tmp_path / "d.parquet", steps) == 5
    table = pq.read_table(tmp_path / "d.parquet")
    assert table.column_names == DETECTION_HEADER.split(",")
    assert table["time_s"].to_pylist() == [0.0, 0.0, 0.2, 0.2, 0.2]
    assert table["azimuth_rad"].to_pylist() == [float(v) for step in steps for v in step.azimuth_rad]
    assert table["y_m"].to_pylist() == [float(v) for step in steps for v in step.position_m[:, 1]]


def test_a_long_table_is_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isactrack.recordings.parquet.ROW_GROUP_ROWS", 10)
    assert write_tracks_parquet(tmp_path / "t.parquet", ([make_track(k, float(k))] for k in range(25))) == 25
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert file.num_row_groups == 3
    assert file.read()["track_id"].to_pylist() == list(range(25))
    file.close()


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    assert write_tracks_parquet(tmp_path / "t.parquet", []) == 0
    assert pq.read_table(tmp_path / "t.parquet").column_names == TRACK_HEADER.split(",")


def test_what_interrupts_the_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"before")

    def steps() -> Iterator[list[Track]]:
        yield [make_track(1, 0.0)]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tracks_parquet(path, steps())
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(RecordingError, match="no folder"):
        write_tracks_parquet(tmp_path / "nowhere" / "t.parquet", [])


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="pyarrow") as caught:
        write_tracks_parquet(tmp_path / "t.parquet", [])
    assert "isactrack[parquet]" in caught.value.hint


def test_process_and_track_write_parquet_by_name(tmp_path: Path) -> None:
    recorded = tmp_path / "walk.h5"
    url = "sim://awr1642?scene=walker&seed=2&speed=max"
    assert run(["record", "-d", url, "-o", str(recorded), "--frames", "12", "-q"]) == 0
    for command, table in (("track", "tracks"), ("process", "detections")):
        for suffix in ("csv", "parquet"):
            out = tmp_path / f"{table}.{suffix}"
            assert run([command, str(recorded), "-o", str(out), "--json", "-q"]) == 0
    tracks, text = pq.read_table(tmp_path / "tracks.parquet"), read_tracks_csv(tmp_path / "tracks.csv")
    assert len(text) > 0
    assert tracks["time_s"].to_pylist() == text.time_s.tolist()
    assert tracks["x_m"].to_pylist() == text.position_m[:, 0].tolist()
    settings = json.loads(tracks.schema.metadata[SETTINGS_KEY])
    assert {"chain", "tracker", "sensor", "recording", "origin"} <= set(settings)
    assert settings["sensor"]["model"] == "AWR1642"
    detections = pq.read_table(tmp_path / "detections.parquet")
    lines = (tmp_path / "detections.csv").read_text().splitlines()
    assert detections.num_rows == len(lines) - 1 > 0
    assert json.loads(detections.schema.metadata[SETTINGS_KEY])["table"] == "detections"
