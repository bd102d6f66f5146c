"""TI's test vectors of its group tracker: our tracks beside TI's."""

from pathlib import Path

import numpy as np
import pytest

from isactrack.errors import RecordingError
from isactrack.experiments.gtracker import FRAME_S, detections, frame_interval_s, read_gtracker, score, table

TEXT = """1
2
NUM=2
2.0,0.5,-1.0
2.1,0.5,-1.0
1
1.0,1.7,-0.5,-0.8
NUM=1
5.0,-0.5,1.0
1
0.8,1.38,-0.5,-0.8
"""


def test_format(tmp_path: Path) -> None:
    path = tmp_path / "gtracker_testdata.dat"
    path.write_text(TEXT)
    ((first, second),) = read_gtracker(path)
    np.testing.assert_array_equal(first.points, [[2.0, 0.5, -1.0], [2.1, 0.5, -1.0]])
    np.testing.assert_array_equal(second.tracks, [[0.8, 1.38, -0.5, -0.8]])
    assert frame_interval_s([first, second]) == pytest.approx(0.4, abs=0.01)
    body = detections(first, 3.0)
    assert (len(body), body.time_s) == (1, 3.0)
    np.testing.assert_allclose(body.position_m, [[2.05 * np.sin(0.5), 2.05 * np.cos(0.5)]])


@pytest.mark.parametrize("text", ["", "1\n2\n", TEXT[:40], TEXT.replace("NUM", "SUM"), TEXT.replace("5.0,", "")])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gtracker_testdata.dat"
    path.write_text(text)
    with pytest.raises(RecordingError) as error:
        read_gtracker(path)
    assert error.value.hint


def test_every_track_of_ti_is_found(recordings_dir: Path) -> None:
    tests = read_gtracker(recordings_dir / "ti-reference" / "gtracker_testdata.dat")
    assert [len(frames) for frames in tests] == [40] * 6
    for frames in tests:
        assert frame_interval_s(frames) == pytest.approx(FRAME_S, abs=0.015)
        # TI's tracks are the centres of its points, so the azimuth is that of boresight.
        found = score(frames)
        assert found.confirmed_tracks == found.truth_targets == len(frames[0].tracks)
        assert found.identity_switches == 0
        assert found.missed_share == pytest.approx(1 / 40)  # confirmed at the second frame
        assert found.false_share == 0.0
        assert found.rmse_m is not None
        assert found.rmse_m < 0.15
    assert table(tests).count("\n") == 6
