"""The driver in docs/writing-a-driver.md, as somebody who reads the page would install and use it."""

import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from isactrack.recordings import open_recording
from isactrack.sensor import require_fmcw

PAGE = Path(__file__).resolve().parents[1] / "docs" / "writing-a-driver.md"
FILES = {"pyproject.toml", "labradar.py", "test_labradar.py"}
MOST_DRIVER_LINES = 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the page."""
    text = PAGE.read_text(encoding="utf-8")
    files = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    assert set(files) == FILES
    root = tmp_path_factory.mktemp("labradar")
    for name, content in files.items():
        (root / name).write_text(content, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the package is installed, as far as Python can tell."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dist = folder / f"{project['name']}-{project['version']}.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (dist / "entry_points.txt").write_text(points)
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def python(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *arguments]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@contextmanager
def simulated_radar(folder: Path, environment: dict[str, str]) -> Iterator[int]:
    """Run the page's simulated radar and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "test_labradar.py", str(port)]
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            deadline = time.monotonic() + 30.0
            while time.monotonic() < deadline and process.poll() is None:
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


@pytest.mark.slow
def test_the_driver_of_the_page_keeps_the_contract(folder: Path, environment: dict[str, str]) -> None:
    result = python(folder, environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_labradar.py")
    assert "1 passed" in result.stdout


@pytest.mark.slow
def test_its_devices_are_opened_by_url_and_recorded(folder: Path, environment: dict[str, str], tmp_path: Path) -> None:
    profile, recorded = tmp_path / "lab.toml", tmp_path / "first.h5"
    profile.write_text("loops_per_frame = 32\nframe_period_s = 0.05\n")
    with simulated_radar(folder, environment) as port:
        arguments = ["-c", str(profile), "-o", str(recorded), "--frames", "5", "-q"]
        python(
            folder, environment, "-m", "isactrack.cli.entry", "record", "-d", f"labradar://127.0.0.1:{port}", *arguments
        )
    with open_recording(recorded) as recording:
        assert len(recording) == 5
        assert recording.sensor.model == "LabRadar"
        assert require_fmcw(recording.sensor).loops_per_frame == 32
        assert recording.profile_text == profile.read_text()
        assert recording.closed_cleanly


def test_a_radar_that_is_not_there_is_an_error_with_a_hint(folder: Path, environment: dict[str, str]) -> None:
    code = (
        "from isactrack import DeviceNotFoundError\n"
        "from isactrack.drivers.registry import open_device\n"
        "device = open_device('labradar://127.0.0.1:1')\n"
        "device.configure()\n"
        "try:\n    device.start()\n"
        "except DeviceNotFoundError as error:\n    print(error.hint)\n"
    )
    assert python(folder, environment, "-c", code).stdout == "is it switched on?\n"


def test_the_driver_is_short(folder: Path) -> None:
    lines = (folder / "labradar.py").read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) <= MOST_DRIVER_LINES


@pytest.mark.slow
def test_the_package_of_the_page_builds_and_installs(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in FILES:
        (source / name).write_bytes((folder / name).read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, timeout=100)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    code = "from isactrack.drivers.registry import schemes; print('labradar' in schemes())"
    assert python(tmp_path, environment, "-c", code).stdout == "True\n"
