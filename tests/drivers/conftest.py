"""What makes the tests of the drivers quick."""

import pytest

from isactrack.drivers.awr1642 import receiver
from isactrack.drivers.simulated import board


@pytest.fixture(autouse=True)
def quick_wires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the socket in a thread, which starts and ends sooner than a process, and with a card that is never deaf.

    A module that is about the process has a fixture of this name that does nothing.
    """
    monkeypatch.setattr(receiver, "open_source", receiver.ThreadSource)
    monkeypatch.setattr(receiver, "IDLE_S", 0.01)
    monkeypatch.setattr(board, "DEAF_S", 0.0)
