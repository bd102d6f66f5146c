"""A session on a board with faults ends or goes on as documented, and its recording is valid and tells of the loss."""

from pathlib import Path

import numpy as np
import pytest

from isactrack import DeviceError
from isactrack.acquisition.session import Session
from isactrack.drivers.awr1642 import device as driver
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.awr1642.profile import as_cfg, default_profile
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated import board
from isactrack.drivers.simulated.device import SimulatedAwr1642
from isactrack.drivers.simulated.fault_plan import FaultPlan
from isactrack.recordings import RecordingHeader, RecordingWriter, open_recording, validate_recording

PROFILE = as_cfg(default_profile(), Dialect.SDK3).replace("frameCfg 0 0 64 0 100 1 0", "frameCfg 0 0 4 0 40 1 0")
"""Frames of 8192 bytes every 40 ms."""
FRAME_BYTES = 8192


@pytest.fixture(autouse=True)
def attentive_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that looks at console and link more often than the real one, so that the tests are quick."""
    monkeypatch.setattr(driver, "LOOK_PERIOD_S", 0.02)
    monkeypatch.setattr(board, "SLOW_CARD_S", 0.25)


def open_faulty(options: str) -> SimulatedAwr1642:
    device = open_device(f"sim://awr1642?scene=crossing&{options}")
    assert isinstance(device, SimulatedAwr1642)
    device.configure(PROFILE)
    device._driver._configured_card()._timeout_s = 0.15
    return device


def record(device: SimulatedAwr1642, path: Path, frames: int) -> Exception | None:
    """Record and return what ended the session, if that was an error; the device stays open."""
    info = device.info
    header = RecordingHeader(
        sensor=device.sensor, source=info.source, origin=info.origin, device_url=info.url, device_model=info.model
    )
    session = Session(device, recorder=RecordingWriter(path, header), max_frames=frames)
    session.start()
    try:
        session.wait(60.0)
    except DeviceError as error:
        return error
    return None


def check_recording(path: Path, device: SimulatedAwr1642, *, least: int, lossless: bool = False) -> None:
    """The file passes its validation, and frames and masks are those that the board knows."""
    failed = [check for check in validate_recording(path, max_loss=1.0) if check.passed is False]
    # The host's pace is not the radar's in a fast simulation, and what is missing is no fault of the file.
    assert [check for check in failed if check.name not in ("rate", "frame rate", "clocks")] == []
    accounts = device.board.accounts
    with open_recording(path) as recording:
        recorded = [recording.frame(k) for k in range(len(recording))]
    assert len(recorded) >= least
    for frame in recorded:
        if lossless or len(accounts) > 1:
            assert frame.complete
        else:
            assert np.array_equal(frame.valid, accounts[0].valid(frame.counter, FRAME_BYTES))


@pytest.mark.parametrize(
    ("options", "error", "least"),
    [
        ("loss=0.05&burst=3&seed=1", None, 40),
        pytest.param("dup=0.1&reorder=0.1&late=0.1&seed=1", None, 40, marks=pytest.mark.slow),
        pytest.param("fault=link-down@0.4s+0.8s", None, 40, marks=pytest.mark.slow),
        pytest.param("fault=uart-garbage@0.4s+0.4s", None, 40, marks=pytest.mark.slow),
        ("fault=unplug@0.4s+0.4s", None, 40),
        pytest.param("fault=silent-card@0.4s+0.4s", None, 40, marks=pytest.mark.slow),
        pytest.param("fault=slow-card", None, 40, marks=pytest.mark.slow),
        ("fault=ddr-full@0.5s+0.1s", None, 40),
        pytest.param("fault=lvds-full@0.5s+0.1s", None, 40, marks=pytest.mark.slow),
        ("fault=exception@0.805s&loss=0.03", "firmware crashed", 20),
        pytest.param("fault=reset@0.805s&loss=0.03", "was reset while it streamed", 20, marks=pytest.mark.slow),
    ],
)
def test_a_session_survives_every_fault_or_ends_with_its_cause(
    options: str, error: str | None, least: int, tmp_path: Path
) -> None:
    with open_faulty(f"speed=4&{options}") as device:
        path = tmp_path / "faulty.h5"
        ended = record(device, path, 40)
        assert ended is None if error is None else error in str(ended)
        if error is None:
            check_recording(path, device, least=least, lossless="reorder" in options)
        else:
            with open_recording(path) as recording:
                assert [recording.frame(k).counter for k in range(len(recording))] == list(range(21))
            assert not [c for c in validate_recording(path, max_loss=1.0) if c.passed is False and c.name != "rate"]
        stats = device.stats
        assert stats.packets == sum(account.arrived_packets for account in device.board.accounts)
        # The next session is as good as new, and the one before does not show in it.
        device.board._plan = FaultPlan()
        device.board._faults._burst_begins = 0.0
        device.configure(PROFILE)
        again = tmp_path / "again.h5"
        assert record(device, again, 10) is None
        with open_recording(again) as recording:
            assert [recording.frame(k).counter for k in range(10)] == list(range(10))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["silent-card", "silent-console", "unplug", "link-down"])
def test_a_session_on_a_wire_that_dies_for_good_ends_with_a_valid_recording(fault: str, tmp_path: Path) -> None:
    with open_faulty(f"speed=4&fault={fault}@0.805s") as device:
        path = tmp_path / "dead.h5"
        ended = record(device, path, 60)
        assert (ended is not None) == (fault == "link-down")
        check_recording(path, device, least=20)
        console, card = device.board._threads
    assert not console.is_alive()
    assert not card.is_alive()
