"""The figure of the crossing says what the recording and the tracks say."""

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from isactrack import ConfigError, Frame, Source
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.offline import score_tracks, track
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.experiments.crossing import save_figure
from isactrack.recordings import Recording, RecordingHeader, RecordingWriter, TrackTable, open_recording
from isactrack.tracking.metrics import TrackingScore

FRAMES = 30


def write_recording(path: Path, frames: int) -> None:
    """Record the crossing without the wire, which changes no sample."""
    sensor = parse_profile(default_profile())
    scene = make_scene("crossing", seed=4)
    synthesiser = Synthesiser(sensor, scene, seed=4)
    header = RecordingHeader(
        sensor=sensor,
        source=Source.SIMULATED,
        origin=Source.SIMULATED,
        device_url="sim://awr1642",
        device_model="AWR1642",
    )
    with RecordingWriter(path, header) as writer:
        for index in range(frames):
            words = synthesiser.frame(index)
            start_s = index * sensor.frame_period_s
            valid = np.ones(words.size // 4, dtype=np.bool_)
            truth = scene.truth(start_s + sensor.coherent_time_s / 2.0)
            writer.append(Frame(words, valid, index, start_s, index, index), truth)


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crossing") / "crossing.h5"
    write_recording(path, FRAMES)
    return path


def tracked(recording: Recording) -> tuple[TrackTable, TrackingScore]:
    table = TrackTable.from_tracks([snapshot.tracks for snapshot in track(recording)])
    return table, score_tracks(recording, table)


def svg_text(path: Path) -> str:
    """Return what an SVG writes; matplotlib keeps each text in a comment before its outlines."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))


def test_the_figure_names_tracks_axes_origin_and_score(recording_path: Path, tmp_path: Path) -> None:
    with open_recording(recording_path) as recording:
        table, score = tracked(recording)
        save_figure(tmp_path / "figure.svg", recording, table, score)
    text = svg_text(tmp_path / "figure.svg")
    for words in ("simulated", f"{FRAMES} frames", "x (m)", "y (m)", "range (m)", "radial velocity (m/s)", "time (s)"):
        assert words in text
    assert {"track 1", "track 2", "person 1", "person 2", "truth", "detections"} <= set(text.splitlines())
    assert f"median {score.median_position_error_m:.2f} m" in text
    assert f"identity switches: {score.identity_switches}" in text


@pytest.mark.slow
def test_a_png_has_the_size_of_a_two_column_figure_and_colour(recording_path: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    with open_recording(recording_path) as recording:
        save_figure(tmp_path / "figure.png", recording, *tracked(recording))
    image = imread(tmp_path / "figure.png")
    height, width = image.shape[:2]
    assert (width, height) == (round(7.16 * 220), round(3.9 * 220))
    blue = np.array([0x00, 0x72, 0xB2]) / 255.0
    assert np.any(np.all(np.abs(image[..., :3] - blue) < 0.02, axis=-1)), "the first track is drawn in its colour"


@pytest.mark.slow
def test_without_tracks_the_figure_still_shows_the_truth(recording_path: Path, tmp_path: Path) -> None:
    with open_recording(recording_path) as recording:
        _, score = tracked(recording)
        nothing = replace(score, median_position_error_m=None, p90_position_error_m=None)
        save_figure(tmp_path / "empty.svg", recording, TrackTable.from_tracks([]), nothing)
    text = svg_text(tmp_path / "empty.svg")
    assert "person 1" in text
    assert "track 1" not in text


def test_an_empty_recording_is_refused(tmp_path: Path, recording_path: Path) -> None:
    write_recording(tmp_path / "empty.h5", 0)
    with open_recording(recording_path) as recording:
        _, score = tracked(recording)
    with open_recording(tmp_path / "empty.h5") as empty, pytest.raises(ConfigError, match="no frames"):
        save_figure(tmp_path / "figure.png", empty, TrackTable.from_tracks([]), score)


@pytest.mark.slow
def test_the_figure_of_a_radio_shows_its_room_and_its_own_map(tmp_path: Path) -> None:
    path, figure = tmp_path / "radio.h5", tmp_path / "radio.svg"
    with open_device("sim://bistatic?scene=lab-crossing&seed=1003&speed=max") as device:
        device.configure()
        device.start()
        with RecordingWriter(path, describe_device(device)) as writer:
            for frame in islice(device.frames(), 120):
                writer.append(frame, device.truth(frame))
    with open_recording(path) as recording:
        snapshots = list(track(recording))
        table = TrackTable.from_tracks([snapshot.tracks for snapshot in snapshots])
        walls = np.array([[[-3.0, 0.0], [3.0, 0.0]], [[3.0, 0.0], [3.0, 6.0]]])
        score = score_tracks(recording, table)
        save_figure(figure, recording, table, score, snapshots=snapshots, walls_m=walls)
        title = (
            f"{recording.sensor.model}, simulated: 120 blocks at 250 Hz, 76 tones over 486 MHz at 26 GHz, 8 antennas"
        )
    words = svg_text(figure)
    assert title in words
    for text in ("Rx", "Tx", "wall", "truth", "path from Tx over target to Rx (m)", "azimuth (°)", "Plan view"):
        assert text in words
    assert re.search(r"2D-MUSIC at the closest approach \(t = 0\.\d s\)", words)
