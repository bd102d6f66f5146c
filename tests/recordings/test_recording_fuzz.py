"""Damaged files: only errors of isactrack, no crash of HDF5 and no hang."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "fuzz_recordings.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_recordings", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="the tool waits for pipes with select")
def test_damaged_files_raise_our_errors_only(fuzz: ModuleType) -> None:
    result = fuzz.run(30, 1)
    assert result.bad == []
    assert set(result.outcomes) == {"whole", "in part", "refused"}
    assert sum(result.outcomes.values()) == 30


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the tool waits for pipes with select")
def test_damaged_files_raise_our_errors_only_at_length(fuzz: ModuleType) -> None:
    assert fuzz.run(600, 2).bad == []


@pytest.mark.skipif(sys.platform == "win32", reason="the tool waits for pipes with select")
def test_what_the_fuzzer_looks_for_is_found(fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that sees no crash, no hang and no other error would pass everything."""
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import json, os, sys, time\n"
        "first, count = int(sys.argv[2]), int(sys.argv[4])\n"
        "for k in range(first, first + count):\n"
        "    print(json.dumps({'begin': k}), flush=True)\n"
        "    if k == 1: os.abort()\n"
        "    if k == 2: time.sleep(60)\n"
        "    outcome = 'OSError: x' if k == 3 else 'whole'\n"
        "    print(json.dumps({'end': k, 'outcome': outcome, 's': 0.1 * k, 'cpu_s': 0.0}), flush=True)\n"
    )
    monkeypatch.setattr(fuzz, "__file__", str(worker))
    monkeypatch.setattr(fuzz, "DEADLINE_S", 4.0)  # an interpreter has to start within it
    result = fuzz.run(5, 0)
    assert [number for number, _ in result.bad] == [1, 2, 3]
    assert ["crash" in result.bad[0][1], result.bad[1][1], result.bad[2][1]] == [True, "hang", "OSError: x"]
    assert result.outcomes["whole"] == 2
