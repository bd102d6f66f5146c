"""A small part of the nightly fuzz run: every parser meets mutated input with our own errors only, and in time."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run_tool(name: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "tools" / name), *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    return run.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a hanging case is interrupted by SIGALRM")
def test_parsers_meet_mutated_input_with_our_own_errors(tmp_path: Path) -> None:
    table = run_tool("fuzz.py", "--cases", "1000", "--folder", str(tmp_path)).splitlines()[1:]
    assert len(table) >= 9
    for row in table:
        target, cases, accepted, refused, faults, *_ = row.split()
        assert (int(cases), int(faults)) == (1000, 0), row
        # Were all refused, or none, the mutations would reach nothing behind the first check.
        assert int(accepted) > 0, f"no mutated {target} was accepted"
        assert int(accepted) + int(refused) == 1000
    assert not list(tmp_path.iterdir())
