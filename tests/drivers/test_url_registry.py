"""URLs of devices and the drivers that they find."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial.tools import list_ports

from isactrack import ConfigError, DeviceNotFoundError, IsacError, Source
from isactrack.drivers.awr1642 import options
from isactrack.drivers.registry import list_devices, open_device, schemes
from isactrack.drivers.url import DeviceUrl, parse_speed


@pytest.mark.parametrize(
    ("text", "scheme", "target", "options"),
    [
        ("awr1642://auto", "awr1642", "auto", {}),
        ("awr1642:///dev/ttyACM0", "awr1642", "/dev/ttyACM0", {}),
        ("awr1642://COM3", "awr1642", "COM3", {}),
        ("sim://awr1642?scene=crossing&seed=3", "sim", "awr1642", {"scene": "crossing", "seed": "3"}),
        ("file://run.h5?speed=max", "file", "run.h5", {"speed": "max"}),
        ("file:///data/my%20run%231.h5", "file", "/data/my run#1.h5", {}),
        ("file://run#2.h5?start=1", "file", "run#2.h5", {"start": "1"}),
        (r"file://C:\data\run.h5", "file", r"C:\data\run.h5", {}),
        ("SIM://awr1642?fault=", "sim", "awr1642", {"fault": ""}),
    ],
)
def test_a_url_is_taken_apart(text: str, scheme: str, target: str, options: dict[str, str]) -> None:
    url = DeviceUrl.parse(text)
    assert (url.text, url.scheme, url.target, url.options) == (text, scheme, target, options)


@pytest.mark.parametrize("text", ["", "run.h5", "sim:awr1642", "://x", "1sim://x", "sim://[x", "sim://a?seed=1&seed=2"])
def test_what_is_no_url_is_a_config_error_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DeviceUrl.parse(text)
    assert repr(text) in str(caught.value)
    assert caught.value.hint


@given(st.text(max_size=30), st.text(max_size=20))
def test_no_text_raises_anything_but_a_config_error(head: str, tail: str) -> None:
    for text in (head, f"sim://{head}?{tail}"):
        try:
            DeviceUrl.parse(text).take(seed=0, loss=0.0, scene="x", speed=None)
        except ConfigError as error:
            assert error.hint


def test_options_get_the_type_of_their_default() -> None:
    options = DeviceUrl.parse("sim://x?seed=3&loss=0.5&scene=room").take(seed=0, loss=0.0, scene="noise", speed=None)
    assert options == {"seed": 3, "loss": 0.5, "scene": "room", "speed": None}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sim://awr1642?sede=3", "unknown option 'sede'", "sim:// takes burst, clock, dup, fault, late"),
        ("sim://awr1642?seed=three", "seed=three", "seed=0"),
        ("sim://awr1642?seed=1.5", "is not a whole number", ""),
        ("sim://awr1642?seed=-1", "seed=-1", "from 0"),
        ("sim://awr1642?loss=much", "loss=much", "loss=0.0"),
        ("sim://awr1642?loss=1.5", "loss=1.5", "0 to 1"),
        ("sim://awr1642?dup=-0.1", "dup=-0.1", "0 to 1"),
        ("sim://awr1642?reorder=2", "reorder=2", "0 to 1"),
        ("sim://awr1642?loss=nan", "loss=nan", "0 to 1"),
        ("sim://awr1642?speed=0", "speed=0", "positive"),
        ("sim://awr1642?speed=fast", "speed=fast", "positive number or max"),
        ("sim://awr1642?scene=ballroom", "no scene 'ballroom'", "scenes: crossing"),
        ("sim://awr1642?fault=fire", "no fault 'fire'", "silent-console, silent-card"),
        ("sim://iwr6843", "no simulated device 'iwr6843'", "sim://awr1642"),
        ("smi://awr1642", "no driver for smi://", "awr1642, bistatic, file, sim"),
        ("awr1642:///dev/x?data_port=70000", "data_port=70000", "1 to 65535"),
        ("awr1642:///dev/x?config_port=0", "config_port=0", "1 to 65535"),
        ("awr1642:///dev/x?fpga=localhost", "fpga=localhost", "192.168"),
        ("awr1642:///dev/x?host=300.1.1.1", "host=300.1.1.1", "192.168"),
        ("awr1642:///dev/x?baud=9600", "unknown option 'baud'", "config_port, data, data_port, fpga, fpga_port, host"),
        ("file://run.h5?seed=1", "unknown option 'seed'", "file:// takes speed, start"),
    ],
)
def test_a_wrong_option_is_a_config_error_that_says_what_is_right(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_device(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.hint


def test_speeds() -> None:
    assert parse_speed("u", None) == 1.0
    assert parse_speed("u", "2.5") == 2.5
    assert parse_speed("u", "max") == float("inf")
    for text in ("0", "-1", "nan", "", "quick"):
        with pytest.raises(ConfigError, match="is no speed"):
            parse_speed("u", text)


def test_every_scheme_has_its_driver() -> None:
    assert {"awr1642", "sim", "file"} <= set(schemes())


def test_a_port_that_is_not_there_is_not_found_and_nothing_is_simulated() -> None:
    for url in ("awr1642:///dev/there-is-no-such-port", "file://there-is-no-such-file.h5"):
        with pytest.raises(IsacError, match="there-is-no-such") as caught:
            open_device(url)
        assert caught.value.hint


def test_auto_takes_the_one_board_and_refuses_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_consoles", list)
    with pytest.raises(DeviceNotFoundError, match="no radar board") as caught:
        open_device("awr1642://auto")
    assert "sim://awr1642" in caught.value.hint
    monkeypatch.setattr(options, "find_consoles", lambda: ["/dev/a", "/dev/b"])
    with pytest.raises(DeviceNotFoundError, match="/dev/a, /dev/b"):
        open_device("awr1642://auto")
    monkeypatch.setattr(options, "find_consoles", lambda: ["/dev/no-such-a"])
    with pytest.raises(DeviceNotFoundError, match="cannot open the serial port /dev/no-such-a"):
        open_device("awr1642://auto")


def test_the_simulated_radar_is_always_listed_and_the_connected_ones_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    port = SimpleNamespace(
        device="/dev/ttyACM3", vid=0x0451, pid=0xBEF3, interface="XDS110 Class Application/User UART",
        description="XDS110", location="1-1:1.0", serial_number="R42",
    )  # fmt: skip
    monkeypatch.setattr(list_ports, "comports", lambda: [port])
    found = list_devices()
    assert [device.url for device in found] == ["awr1642:///dev/ttyACM3", "sim://awr1642", "sim://bistatic"]
    assert [device.source for device in found] == [Source.HARDWARE, Source.SIMULATED, Source.SIMULATED]
    assert (found[0].console_port, found[0].data_port, found[0].serial_number) == ("/dev/ttyACM3", "", "R42")


def test_a_driver_is_imported_only_when_its_scheme_is_used() -> None:
    code = (
        "import sys\n"
        "from isactrack import IsacError\n"
        "from isactrack.drivers.registry import open_device\n"
        "assert 'isactrack.recordings' not in sys.modules\n"
        "try:\n    open_device('file://there-is-no-such-file.h5')\n"
        "except IsacError as error:\n    print(type(error).__name__)\n"
        "print([name for name in ('serial', 'isactrack.drivers.awr1642', 'isactrack.drivers.simulated') "
        "if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["RecordingError", "[]"]


def test_a_pose_in_the_url_reaches_the_device_and_its_recording(tmp_path: Path) -> None:
    from isactrack.cli.main import run
    from isactrack.recordings import open_recording

    path = tmp_path / "placed.h5"
    url = "sim://awr1642?scene=noise&speed=8&pose=1.5,-0.5,90"
    assert run(["record", "-d", url, "-o", str(path), "--frames", "2", "-q"]) == 0
    with open_recording(path) as recording:
        assert recording.pose.to_room([0.0, 2.0]) == pytest.approx([-0.5, -0.5])
    with open_device(f"file://{path}") as replay:
        assert (replay.pose.x_m, replay.pose.y_m) == (1.5, -0.5)


@pytest.mark.parametrize("pose", ["1,2", "1,2,3,4", "a,b,c", "", "nan,0,0"])
def test_a_pose_that_is_none_is_refused(pose: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_device(f"sim://awr1642?pose={pose}")
    assert caught.value.hint
