"""Fixtures that every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("patient", settings(), deadline=None)  # on a busy computer any example may take long
settings.load_profile("patient")

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recordings_dir() -> Path:
    """Folder of the real captures; the test skips where it is absent."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"the real captures are not here: no folder {RECORDINGS.parent.name}/{RECORDINGS.name}")
    return RECORDINGS
