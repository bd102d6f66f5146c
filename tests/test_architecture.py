"""The floors of the house hold, and every public thing says what it is."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = {folder: package for package, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.skipif(sys.platform == "win32", reason="the contract is read through symbolic links")
def test_the_import_contract_holds() -> None:
    lint = shutil.which("lint-imports", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if lint is None:
        pytest.skip("import-linter is not installed")
    run = subprocess.run(
        [lint, "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "typings", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", run.stdout)


def test_the_contract_names_every_room_and_every_word_of_core() -> None:
    floors = next(c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    named = [name.strip() for layer in floors["layers"] for name in re.split(r"[|:]", layer)]
    core = {f"isactrack.{path.stem}" for path in (ROOT / "core").glob("*.py") if path.stem != "__init__"}
    # The test kit stands beside the house: nothing imports it, which a contract of its own says.
    rooms = set(ROOMS.values()) - {"isactrack", "isactrack.testing"}
    assert sorted(named) == sorted(core | rooms)


def public_things(path: Path) -> Iterator[tuple[str, Documented]]:
    """Yield the module and its public classes, functions and methods, nested classes included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield "module", tree
    waiting: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    while waiting:
        prefix, parent = waiting.pop()
        for node in parent.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                waiting.append((f"{prefix}{node.name}.", node))


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_every_public_thing_has_a_docstring(room: str) -> None:
    silent = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for name, node in public_things(path)
        if not is_overload_or_setter(node) and not ast.get_docstring(node)
    ]
    assert silent == []


def is_overload_or_setter(node: Documented) -> bool:
    """Tell the forms whose description stands at the thing itself; an override says so with its decorator."""
    if isinstance(node, ast.Module | ast.ClassDef):
        return False
    names = {d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in node.decorator_list}
    return bool(names & {"overload", "override", "setter"})
