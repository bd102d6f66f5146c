"""Modules of compiled kernels, where compiled code cannot be kept."""

import subprocess
import sys

import pytest

pytest.importorskip("numba")

MODULES = (
    "isactrack.processing.mnomp_numba", "isactrack.tracking.association_numba", "isactrack.tracking.step_numba",
)  # fmt: skip

NOWHERE = """
import tempfile
def refuse(*_, **__): raise OSError(30, "Read-only file system")
tempfile.TemporaryFile = refuse  # with which numba tries the folders of its cache
import {module} as kernels
assert kernels._compiled(lambda value: 0.5 * value)(3.0) == 1.5
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_kernels_work_where_no_folder_takes_them(module: str) -> None:
    """A file system that is read-only, and a user without a home: each process compiles anew then."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NOWHERE.format(module=module)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
