"""What commands show of the recording of a radio."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack import ArrayModel, BlockFlag, BlockInfo, Frame, OfdmSensor, Source
from isactrack.cli.main import run
from isactrack.drivers.bistatic.profile import default_profile
from isactrack.recordings import RecordingHeader, RecordingWriter, SegmentedWriter, create_folder

Capture = pytest.CaptureFixture[str]


def record(path: Path, *, in_folder: bool = False, **changes: Any) -> OfdmSensor:
    """Record 10 blocks: one with an overflow, two with a lost fragment, one of which is saturated too."""
    fields: dict[str, Any] = {
        "model": "toy radio", "carrier_frequency_hz": 26e9, "subcarrier_spacing_hz": 270e3,
        "tones": tuple(range(-900, 901, 24)), "frame_period_s": 0.004, "rx_positions": tuple(0.5 * k for k in range(8)),
        "tx_position_m": (3.0, 4.0), "stagger_s": (0.0, 1e-3),
    }  # fmt: skip
    sensor = OfdmSensor(**{**fields, **changes})
    header = RecordingHeader(
        sensor=sensor,
        source=Source.SIMULATED,
        origin=Source.SIMULATED,
        device_url="sim://toy",
        device_model="toy radio",
        stream="radio" if in_folder else "",
    )
    flags = {3: BlockFlag.OVERFLOW, 5: BlockFlag.LOST_FRAGMENT, 6: BlockFlag.LOST_FRAGMENT | BlockFlag.SATURATED}
    with SegmentedWriter(create_folder(path), header) if in_folder else RecordingWriter(path, header) as writer:
        for k in range(10):
            valid = np.ones(-(-sensor.frame_words // 4), np.bool_)
            valid[:3] = not flags.get(k, BlockFlag(0)) & BlockFlag.LOST_FRAGMENT
            tick = round((k * 0.004 + sensor.stagger_of(k)) * sensor.sample_rate_hz)
            block = BlockInfo(tick=tick, flags=flags.get(k, BlockFlag(0)), gain_db=30.0)
            writer.append(Frame(np.zeros(sensor.frame_words, np.int16), valid, k, k * 0.004, k, k, block))
    return sensor


def test_info_shows_the_radio(tmp_path: Path, capsys: Capture) -> None:
    record(tmp_path / "run.h5")
    assert run(["info", str(tmp_path / "run.h5")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for fact in (
        "26.0000 GHz", "76, 6.48 MHz apart", "486.0 MHz", "250 Hz, every 4 ms, staggered by up to 1 ms", "2.03 ns",
        "46.3 m", "2.883 m/s", "ula, 3.5 wavelengths long", "5.000 m", "1 overflow, 1 saturated, 2 lost fragment",
    ):  # fmt: skip
        assert fact in shown


def test_info_in_json(tmp_path: Path, capsys: Capture) -> None:
    sensor = record(tmp_path / "run.h5")
    assert run(["info", str(tmp_path / "run.h5"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sensor_kind"] == "ofdm"
    assert data["sensor"]["tones"] == list(sensor.tones)
    assert data["sensor"]["tx_position_m"] == [3.0, 4.0]
    assert data["derived"]["direct_path_m"] == 5.0
    assert data["derived"]["blind_path_rate_mps"] == sensor.blind_path_rate_mps
    assert data["block_flags"] == {"overflow": 1, "saturated": 1, "lost_fragment": 2}
    assert data["incomplete_frames"] == 2


def test_info_shows_the_radio_of_a_folder(tmp_path: Path, capsys: Capture) -> None:
    record(tmp_path / "run", in_folder=True)
    assert run(["info", str(tmp_path / "run")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "blocks of radio 1 overflow, 1 saturated, 2 lost fragment" in shown
    assert run(["info", str(tmp_path / "run"), "--json"]) == 0
    (stream,) = json.loads(capsys.readouterr().out)["streams"]
    assert stream["block_flags"] == {"overflow": 1, "saturated": 1, "lost_fragment": 2}


def test_what_does_not_apply_is_left_out(tmp_path: Path, capsys: Capture) -> None:
    record(tmp_path / "run.h5", array=ArrayModel.NONE, tx_position_m=None, periodic=False)
    assert run(["info", str(tmp_path / "run.h5"), "--json"]) == 0
    derived = json.loads(capsys.readouterr().out)["derived"]
    left_out = {name for name, value in derived.items() if value is None}
    assert left_out == {
        "path_rate_max_mps", "blind_path_rate_mps", "azimuth_resolution_rad", "azimuth_max_rad", "direct_path_m",
        "direct_azimuth_rad",
    }  # fmt: skip
    assert run(["info", str(tmp_path / "run.h5")]) == 0
    assert "not known where" in capsys.readouterr().out


def test_validate_and_export_know_radios(tmp_path: Path, capsys: Capture) -> None:
    record(tmp_path / "run.h5")
    assert run(["validate", str(tmp_path / "run.h5"), "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["ticks go with counters"]["passed"] is True
    assert checks["block flags known"]["detail"] == "overflow 1, saturated 1, lost_fragment 2"
    assert run(["export", str(tmp_path / "run.h5"), "-o", str(tmp_path / "run.npz")]) == 0
    assert run(["export", str(tmp_path / "run.h5"), "-o", str(tmp_path / "run.sigmf-meta")]) == 2
    assert "npz" in capsys.readouterr().err


def test_a_radar_has_no_block_flags(tmp_path: Path, capsys: Capture) -> None:
    assert run(["record", "-d", "sim://awr1642?speed=max", "-o", str(tmp_path / "r.h5"), "--frames", "2", "-q"]) == 0
    capsys.readouterr()
    assert run(["info", str(tmp_path / "r.h5"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["sensor_kind"] == "fmcw"
    assert data["block_flags"] is None


def test_validate_shows_what_a_radio_profile_gives(tmp_path: Path, capsys: Capture) -> None:
    good, bad = tmp_path / "radio.toml", tmp_path / "bad.toml"
    good.write_text(default_profile())
    bad.write_text("[radio]\ncarrier_hz = 26e9\nwavelenght = 3\n")
    assert run(["validate", str(good)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "26.0000 GHz" in shown
    assert "76, 6.48 MHz apart" in shown
    assert run(["validate", str(good), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["kind"] == "profile"
    assert data["derived"]["n_tones"] == 76
    assert run(["validate", str(bad)]) == 2
    assert "wavelenght" in capsys.readouterr().out
