"""The commands on the bistatic radio: the same ones, the same files, and options of the other kind refused."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from isactrack.cli._settings import ChainOptions, TrackerOptions
from isactrack.cli.main import run
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.ofdm import OfdmSensor
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.ofdm_config import CalibrationConfig, MusicConfig, OfdmChainConfig
from isactrack.recordings import open_recording, read_tracks_csv
from isactrack.tracking.config import TrackerConfig, bistatic_tracker_config

BLOCKS = 150
SIM = "sim://bistatic?scene=lab-walk&seed=1001&speed=max"
Capture = pytest.CaptureFixture[str]


def answer(capsys: Capture, *arguments: object) -> dict[str, object]:
    """Run a command with ``--json`` and return what it prints."""
    code = run([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    data: dict[str, object] = json.loads(out)
    return data


def complaint(capsys: Capture, *arguments: object) -> str:
    """Run a command that must end with 2 and return what it complains about."""
    assert run([str(argument) for argument in arguments]) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("radio") / "walk.h5"
    assert run(["-q", "record", "-d", SIM, "-o", str(path), "--frames", str(BLOCKS), "--json"]) == 0
    return path


@pytest.fixture(scope="module")
def radio(walk: Path) -> OfdmSensor:
    with open_recording(walk) as recording:
        sensor = recording.sensor
    assert isinstance(sensor, OfdmSensor)
    return sensor


@pytest.fixture(scope="module")
def radar() -> FmcwSensor:
    return parse_profile(default_profile())


def test_process_writes_detections_and_what_calibration_took_off(walk: Path, tmp_path: Path, capsys: Capture) -> None:
    detections, calibration = tmp_path / "detections.csv", tmp_path / "calibration.csv"
    data = answer(capsys, "process", walk, "-o", detections, "--calibration", calibration)
    assert (data["frames"], data["unused_frames"]) == (BLOCKS, 0)
    assert data["intervals"] == len(range(59, BLOCKS, 10))
    assert (data["clutter_filter"], data["calibration_method"]) == ("mean", "reference")
    radio = data["radio"]
    assert isinstance(radio, dict)
    assert radio["blocks"]["acquiring"] + radio["blocks"]["locked"] == BLOCKS
    assert radio["median_quality"] > 0.9
    with detections.open() as file:
        assert sum(1 for _ in csv.DictReader(file)) == data["detections"]
    with calibration.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["counter"]) for row in rows] == list(range(BLOCKS))
    assert list(rows[0]) == ["time_s", "counter", "delay_s", "phase_rad", "gain_db", "quality", "status"]
    assert {row["status"] for row in rows} == {"acquiring", "locked"}
    assert np.ptp([float(row["delay_s"]) for row in rows]) == pytest.approx(radio["delay_spread_s"], rel=0.5)


def test_process_says_in_words_how_the_blocks_fared(walk: Path, capsys: Capture) -> None:
    assert run(["process", str(walk)]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "25 acquiring, 125 locked" in words
    assert "strongest path" in words


def test_track_and_evaluate_agree_and_find_the_walker(walk: Path, tmp_path: Path, capsys: Capture) -> None:
    tracks = tmp_path / "tracks.csv"
    data = answer(capsys, "track", walk, "-o", tracks)
    assert data["rows"] == len(read_tracks_csv(tracks))
    assert data["unused_frames"] == 0
    now = answer(capsys, "evaluate", walk)
    saved = answer(capsys, "evaluate", walk, "--tracks", tracks)
    assert now["truth_targets"] == 1
    # One instant for each step of the tracks, from the first block to the last: not one for each block.
    assert now["frames"] == saved["frames"] == len(range(7, BLOCKS, 10))
    assert now["median_position_error_m"] == saved["median_position_error_m"]
    median = now["median_position_error_m"]
    assert isinstance(median, float)
    assert median < 0.3


@pytest.mark.slow
def test_a_recording_replays_into_the_same_tracks(walk: Path, tmp_path: Path, capsys: Capture) -> None:
    again = tmp_path / "again.h5"
    data = answer(capsys, "record", "-d", f"file://{walk}?speed=max", "-o", again)
    assert (data["frames"], data["flags"], data["unusable_frames"]) == (BLOCKS, {}, 0)
    tables = []
    for recording in (walk, again):
        path = tmp_path / f"{recording.stem}.csv"
        answer(capsys, "track", recording, "-o", path)
        tables.append(path.read_bytes())
    assert tables[0] == tables[1]
    assert answer(capsys, "replay", walk, "--speed", "max")["frames"] == BLOCKS


@pytest.mark.parametrize(
    "options",
    [
        ("--clutter", "difference"),
        pytest.param(("--no-smoothing", "--calibration-method", "off"), marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_settings_change_the_detections(walk: Path, capsys: Capture, options: tuple[str, ...]) -> None:
    plain, changed = answer(capsys, "process", walk), answer(capsys, "process", walk, *options)
    assert plain["radio"] != changed["radio"]


OPTIONS = {
    "detector": None, "coherent_frames": None, "remove_static": None, "p_fa": None, "min_snr_db": None,
    "min_range_m": None, "max_range_m": None, "p_overall": None, "max_azimuth": None, "cluster_distance": None,
    "clutter_filter": None, "mean_blocks": None, "calibration_method": None, "smoothing": None,
}  # fmt: skip
TRACKER = {
    "acceleration_std_mps2": None, "gate_probability": None, "association": None, "filter": None, "gate": None,
    "max_misses": None, "confirm": None,
}  # fmt: skip


def test_options_become_the_settings_of_either_kind(radio: OfdmSensor, radar: FmcwSensor) -> None:
    shared = {"min_snr_db": 15.0, "max_range_m": 4.0, "max_azimuth": 50.0, "cluster_distance": 0.3}
    chain = ChainOptions(OPTIONS | shared)
    assert chain.of(radio) == OfdmChainConfig(
        music=MusicConfig(min_snr_db=15.0), max_range_m=4.0, max_azimuth_rad=math.radians(50.0), cluster_distance_m=0.3
    )
    assert chain.of(radar) == ChainConfig(
        min_snr_db=15.0, max_range_m=4.0, max_azimuth_rad=math.radians(50.0), cluster_distance_m=0.3
    )
    own = {"clutter_filter": "mean", "mean_blocks": 20, "calibration_method": "nearest-bin", "smoothing": False}
    chain = ChainOptions(OPTIONS | own)
    assert chain.of(radio) == OfdmChainConfig(
        mean_blocks=20, calibration=CalibrationConfig(method="nearest-bin"), music=MusicConfig(smoothing=False)
    )
    with pytest.raises(ConfigError, match="--clutter is a setting for radios"):
        chain.of(radar)


def test_the_tracker_of_a_radio_steps_at_the_pace_of_its_estimates(radio: OfdmSensor, radar: FmcwSensor) -> None:
    options = TrackerOptions(TRACKER | {"association": "hungarian", "confirm": "3/5"})
    chain = OfdmChainConfig(hop_blocks=5)
    assert options.of(radio, chain) == bistatic_tracker_config(
        0.02, association="hungarian", confirm_hits=3, confirm_window=5
    )
    assert options.of(radar, ChainConfig()) == TrackerConfig(association="hungarian", confirm_hits=3, confirm_window=5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--p-fa", "1e-5"), "--p-fa is a setting for radars"),
        (("--coherent-frames", "3"), "--coherent-frames is a setting for radars"),
        (("--keep-static",), "--remove-static is a setting for radars"),
        (("--p-fa", "1e-5", "--clutter", "off"), "--p-fa is for radars and --clutter for radios"),
        (("--clutter", "off", "--mean-blocks", "9"), "drop --mean-blocks"),
        (("--cluster-distance", "0"), "cluster_distance_m"),
    ],
)
def test_settings_that_do_not_suit_a_radio_are_refused(
    walk: Path, capsys: Capture, options: tuple[str, ...], words: str
) -> None:
    assert words in complaint(capsys, "track", walk, *options)


@pytest.mark.parametrize("options", [("--gate", "3d"), ("--filter", "ekf")])
def test_radial_velocities_are_not_asked_of_a_radio(walk: Path, capsys: Capture, options: tuple[str, ...]) -> None:
    assert "a radio measures none" in complaint(capsys, "track", walk, *options)


def test_a_calibration_is_refused_where_it_would_replace_something(walk: Path, tmp_path: Path, capsys: Capture) -> None:
    table = tmp_path / "table.csv"
    assert "a .csv file of its own" in complaint(capsys, "process", walk, "-o", table, "--calibration", table)
    assert "a .csv file of its own" in complaint(capsys, "process", walk, "--calibration", tmp_path / "a.parquet")
    assert str(walk) in complaint(capsys, "process", walk, "--calibration", walk)
    with open_recording(walk) as recording:
        assert len(recording) == BLOCKS


def test_flags_are_counted_while_it_records(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "flagged.h5"
    assert run(["-q", "record", "-d", f"{SIM}&fault=lo-unlock@0.1s+0.05s", "-o", str(path), "--frames", "60"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "lo unlocked" in words


@pytest.mark.slow
def test_the_demo_of_the_radio_leaves_the_same_files_as_that_of_the_radar(tmp_path: Path, capsys: Capture) -> None:
    data = answer(capsys, "demo", "--sensor", "bistatic", "-o", tmp_path, "--seed", "1002")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.h5", "demo.png", "tracks.csv"]
    assert data["truth_targets"] == 2
    assert data["lost_share"] == 0.0
    median = data["median_position_error_m"]
    assert isinstance(median, float)
    assert median < 0.15
    with open_recording(tmp_path / "demo.h5") as recording:
        assert recording.duration_s > 4.0


@pytest.mark.slow
def test_a_session_tracks_a_radar_and_a_radio_each_by_its_own_settings(tmp_path: Path, capsys: Capture) -> None:
    plan, folder = tmp_path / "run.toml", tmp_path / "run"
    plan.write_text(
        """
[session]
duration_s = 2.0
tracks = true
[[device]]
name = "radar"
url = "sim://awr1642?scene=lab-walk&seed=1001"
[[device]]
name = "radio"
url = "sim://bistatic?scene=lab-walk&seed=1001"
[chain]
max_range_m = 9.0
[ofdm]
hop_blocks = 20
[ofdm.tracker]
max_misses_tentative = 3
"""
    )
    data = answer(capsys, "session", plan, "-o", folder)
    devices = data["devices"]
    assert isinstance(devices, list)
    assert [device["name"] for device in devices] == ["radar", "radio"]
    steps = {name: np.unique(read_tracks_csv(folder / f"tracks-{name}.csv").time_s) for name in ("radar", "radio")}
    assert np.median(np.diff(steps["radio"])) == pytest.approx(0.08, abs=0.001)
    assert np.median(np.diff(steps["radar"])) == pytest.approx(0.1, abs=0.001)
