"""The root folders are the packages: what pyproject.toml says of them must be what lies on the disk."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import isactrack

ROOT = Path(__file__).resolve().parents[1]
NOT_PACKAGES = {"tests", "typings", "build", "dist"}
LARGEST_FILE_BYTES = 2_000_000


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rooms(project: dict[str, Any]) -> dict[str, str]:
    """Package of each root folder: ``{"core": "isactrack", "drivers": "isactrack.drivers", ...}``."""
    mapping: dict[str, str] = project["tool"]["setuptools"]["package-dir"]
    return {folder: package for package, folder in mapping.items()}


@pytest.fixture(scope="module")
def tracked_files() -> list[Path]:
    """Files that git knows, or would with the next `git add`; the test skips outside a git checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a git checkout")
    command = [git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [ROOT / name for name in names.split("\0") if name]
    return [path for path in files if path.is_file() and not path.is_symlink()]


def packages_on_disk(rooms: dict[str, str]) -> Iterator[str]:
    for folder in ROOT.iterdir():
        if folder.name in NOT_PACKAGES or folder.name.startswith(".") or not folder.is_dir():
            continue
        for init in folder.rglob("__init__.py"):
            inner = init.parent.relative_to(folder).parts
            yield ".".join((rooms.get(folder.name, f"<{folder.name}/ is in no package-dir>"), *inner))


def test_the_static_package_list_names_every_folder(project: dict[str, Any], rooms: dict[str, str]) -> None:
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(packages_on_disk(rooms))


def test_no_folder_of_modules_lacks_its_init(rooms: dict[str, str]) -> None:
    folders = {module.parent for room in rooms for module in (ROOT / room).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_ruff_bans_every_room_by_its_folder_name(project: dict[str, Any], rooms: dict[str, str]) -> None:
    banned = project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == set(rooms)


@pytest.mark.skipif(
    sys.platform == "win32", reason="a Windows checkout has no symbolic links; only type checkers need them"
)
def test_the_links_of_the_type_checkers_are_complete(rooms: dict[str, str]) -> None:
    links = ROOT / "typings" / "isactrack"
    core = {path.name: path for path in (ROOT / "core").iterdir() if path.suffix == ".py" or path.name == "py.typed"}
    wanted = core | {room: ROOT / room for room in rooms if room != "core"}
    found = {path.name: path.resolve(strict=True) for path in links.iterdir()}
    assert found == wanted
    assert [path.name for path in links.iterdir() if path.readlink().is_absolute()] == []


def test_the_version_is_said_once(project: dict[str, Any]) -> None:
    assert isactrack.__version__ == project["project"]["version"]


@pytest.mark.parametrize("group", ["console_scripts", "isactrack.drivers"])
def test_entry_points_resolve(project: dict[str, Any], group: str) -> None:
    declared = project["project"]
    wanted = declared["scripts"] if group == "console_scripts" else declared["entry-points"][group]
    installed = [e for e in importlib.metadata.distribution("isactrack").entry_points if e.group == group]
    assert {entry.name: entry.value for entry in installed} == wanted
    assert all(callable(entry.load()) for entry in installed)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {
        "PySide6", "csiread", "h5py", "hdf5plugin", "matplotlib", "numba", "pyqtgraph", "scipy", "serial",
        "sklearn", "usb",
    }  # fmt: skip
    code = "import sys; from isactrack import *; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "isactrack.frame" in loaded.split()
    assert heavy & set(loaded.split()) == set()


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(
    project: dict[str, Any], rooms: dict[str, str], tmp_path: Path
) -> None:
    setuptools = pytest.importorskip("setuptools", minversion="77")
    assert setuptools is not None
    # A copy, so that neither an old build/ leaks into the wheel nor this one into the tree.
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "typings", "*.egg-info", "demo")
    shutil.copytree(ROOT, source, ignore=ignore)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())

    modules = {
        "/".join((*rooms[room].split("."), *path.relative_to(ROOT / room).parts))
        for room in rooms
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", ".toml", ".rules"} or path.name == "py.typed"
    }
    dist_info = f"isactrack-{project['project']['version']}.dist-info/"
    assert {name for name in held if not name.startswith(dist_info)} == modules


def test_no_large_file_is_tracked(tracked_files: list[Path]) -> None:
    assert [path.name for path in tracked_files if path.stat().st_size > LARGEST_FILE_BYTES] == []


@pytest.mark.parametrize(
    "pattern",
    [
        # Written so that this file does not match itself.
        pytest.param(r"/(?:work)/(?:main|shared)\b|/(?:tmp)/w/|(?<![\w.])/(?:root|home)/\w", id="paths of one machine"),
        pytest.param(
            r"pypi(?:\.)org|python(?:hosted)\.|deb(?:\.)debian|registry(?:\.)npmjs|-(?:index)-url",
            id="registry addresses",
        ),
    ],
)
def test_no_tracked_file_mentions(tracked_files: list[Path], pattern: str) -> None:
    assert mentions(tracked_files, pattern) == []


def test_only_tests_know_the_folder_of_real_captures(tracked_files: list[Path]) -> None:
    product = [path for path in tracked_files if path.relative_to(ROOT).parts[0] != "tests"]
    assert mentions(product, r"\.\./shared\b|\bshared/(?:recordings|facts|design|papers)") == []


def mentions(files: list[Path], pattern: str) -> list[str]:
    """Return "file:line" of each match in the text files."""
    found = []
    for path in files:
        data = path.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    return found
