"""Tables of detections and tracks."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack import Detections, RecordingError, Track, TrackStatus
from isactrack.recordings import TrackTable, read_tracks_csv, write_detections_csv, write_tracks_csv

HEADER = "time_s,track_id,status,x_m,y_m,vx_mps,vy_mps\n"


def make_track(track_id: int, time_s: float, state: Sequence[float] = (1.0, 0.5, 2.0, -0.25)) -> Track:
    return Track(track_id, TrackStatus.CONFIRMED, time_s, np.array(state), np.eye(4), 3)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
TRACKS = st.builds(
    lambda k, status, time_s, state: Track(k, status, time_s, np.array(state), np.eye(4), 1),
    st.integers(0, 2**62), st.sampled_from(TrackStatus), FINITE, st.lists(FINITE, min_size=4, max_size=4),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.lists(TRACKS, max_size=3), max_size=5).filter(
        lambda steps: len({(t.time_s, t.track_id) for s in steps for t in s}) == sum(map(len, steps))
    )
)
def test_tracks_read_back_exactly(steps: list[list[Track]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tracks.csv"
        assert write_tracks_csv(path, steps) == sum(map(len, steps))
        assert path.read_bytes().startswith(HEADER.encode())
        table = read_tracks_csv(path)
    want = TrackTable.from_tracks(steps)
    assert len(table) == len(want) == sum(map(len, steps))
    for field in dataclasses.fields(TrackTable):
        got = getattr(table, field.name)
        np.testing.assert_array_equal(got, getattr(want, field.name))
        assert got.dtype.kind == getattr(want, field.name).dtype.kind
    flat = [track for tracks in steps for track in tracks]
    for k, track in enumerate(flat):
        np.testing.assert_array_equal(table.position_m[k], track.position_m)
        np.testing.assert_array_equal(table.velocity_mps[k], track.velocity_mps)


def test_tracks_are_written_as_specified(tmp_path: Path) -> None:
    write_tracks_csv(
        tmp_path / "t.csv", [[make_track(7, 0.1)], [], [make_track(7, 0.2), make_track(8, np.float64(0.2))]]
    )
    assert (tmp_path / "t.csv").read_text() == HEADER + (
        "0.1,7,confirmed,1.0,2.0,0.5,-0.25\n0.2,7,confirmed,1.0,2.0,0.5,-0.25\n0.2,8,confirmed,1.0,2.0,0.5,-0.25\n"
    )


def test_detections_are_written_as_specified(tmp_path: Path) -> None:
    detections = Detections(
        time_s=0.35, position_m=np.array([[1.0, 2.0], [3.0, 4.0]]), covariance_m2=np.zeros((2, 2, 2)),
        radial_velocity_mps=np.array([-0.5, 0.1]), radial_velocity_std_mps=np.ones(2),
        snr_db=np.array([20.0, 13.5]), range_m=np.array([2.5, 5.0]),
        azimuth_rad=np.array([0.25, 1 / 3]),
    )  # fmt: skip
    assert write_detections_csv(tmp_path / "d.csv", [detections, Detections.empty(0.4)]) == 2
    assert (tmp_path / "d.csv").read_text() == (
        "time_s,range_m,radial_velocity_mps,azimuth_rad,x_m,y_m,snr_db\n"
        "0.35,2.5,-0.5,0.25,1.0,2.0,20.0\n"
        "0.35,5.0,0.1,0.3333333333333333,3.0,4.0,13.5\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.1,1,confirmed,1,2,3", "line 3: 6 fields, expected 7"),
        ("", "line 3: 0 fields"),
        ("zero,1,confirmed,1,2,3,4", "line 3: .*'zero'"),
        ("0.1,1.5,confirmed,1,2,3,4", "line 3: .*'1.5'"),
        ("0.1,99999999999999999999,confirmed,1,2,3,4", "line 3: track_id .* out of range"),
        ("0.1,-5,confirmed,1,2,3,4", "line 3: track_id -5 is out of range"),
        ("0.0,1,confirmed,1,2,3,4", "line 3: track 1 is there twice at 0.0 s"),
        ("0.1,1,happy,1,2,3,4", "line 3: 'happy'"),
        ("0.1,1,confirmed,1,nan,3,4", "line 3: y_m is nan"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "0.0,1,confirmed,1,2,3,4\n" + line + "\n0.2,1,confirmed,1,2,3,4\n")
    with pytest.raises(RecordingError, match=message) as caught:
        read_tracks_csv(path)
    assert caught.value.hint


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(RecordingError, match="there is no file"):
        read_tracks_csv(path)
    with pytest.raises(RecordingError, match="cannot read"):
        read_tracks_csv(tmp_path)
    for content in (b"", b"a,b\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="line 1 is"):
            read_tracks_csv(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff\xfe")
    with pytest.raises(RecordingError, match="cannot read"):
        read_tracks_csv(path)
    path.write_bytes(("\ufeff" + HEADER + "0.1,1,coasted,1,2,3,4\n").replace("\n", "\r\n").encode())
    assert len(read_tracks_csv(path)) == 1, "a table that went through a spreadsheet"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_table_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "t.csv"
    write_tracks_csv(path, [[make_track(1, 0.0)]])
    before = path.read_bytes()

    def steps() -> Iterator[list[Track]]:
        yield [make_track(2, 0.0)]
        raise error

    with pytest.raises(error):
        write_tracks_csv(path, steps())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path], "no temporary file stays"


def test_tables_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no folder"):
        write_tracks_csv(tmp_path / "nowhere" / "t.csv", [])
    with pytest.raises(RecordingError, match="cannot write"):
        write_tracks_csv(tmp_path, [])
