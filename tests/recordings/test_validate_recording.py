"""Each check finds the fault that it is there for, and no other check does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from isactrack import Frame
from isactrack.recordings import RecordingHeader, RecordingWriter, validate_recording


def results(path: Path, **options: float) -> dict[str, bool | None]:
    checks = validate_recording(path, **options)
    assert all(check.detail for check in checks)
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check.passed for check in checks}


def failed(path: Path, **options: float) -> list[str]:
    return [name for name, passed in results(path, **options).items() if passed is False]


def test_a_good_recording_passes_everything(tmp_path: Path, full: Any) -> None:
    full(tmp_path / "run.h5", 20)
    assert set(results(tmp_path / "run.h5", max_loss=1.0).values()) == {True}


def test_an_empty_recording_fails_nothing(tmp_path: Path, header: RecordingHeader) -> None:
    RecordingWriter(tmp_path / "run.h5", header).close()
    found = results(tmp_path / "run.h5")
    assert False not in found.values()
    assert found["loss"] is None
    assert found["frame rate"] is None


def test_what_is_no_recording_fails_to_open(tmp_path: Path, record: Any) -> None:
    (tmp_path / "run.h5").write_text("nonsense")
    record(tmp_path / "good.h5", 1)
    bad, good = results(tmp_path / "run.h5"), results(tmp_path / "good.h5")
    assert bad["opens"] is False
    assert list(bad) == list(good), "the same questions, in the same order"
    assert failed(tmp_path / "missing.h5") == ["opens"]


def repeat_counter(file: h5py.File) -> None:
    file["frames/counter"][5] = 4


def stop_device_clock(file: h5py.File) -> None:
    file["frames/device_time_s"][7] = file["frames/device_time_s"][6]


def no_device_time(file: h5py.File) -> None:
    file["frames/device_time_s"][7] = float("nan")


def turn_host_clock_back(file: h5py.File) -> None:
    file["frames/host_monotonic_ns"][7] = 0


def slow_down(file: h5py.File) -> None:
    times = file["frames/device_time_s"]
    times[:] = times[:] * 1.05


def hide_loss(file: h5py.File) -> None:
    file["frames/lost_bytes"][3] = 8


def change_a_sample(file: h5py.File) -> None:
    file["frames/samples"][3, 0, 0, 0, 0, 0] ^= 64


def add_a_row(file: h5py.File) -> None:
    file["frames/lost_bytes"].resize(21, 0)


def orphan_truth(file: h5py.File) -> None:
    file["truth/frame_row"][-1] = 20


def timeless_truth(file: h5py.File) -> None:
    file["frames/truth_time_s"][4] = float("nan")


def not_closed(file: h5py.File) -> None:
    session = file["session"][()]
    session["closed"] = 0
    file["session"][()] = session


def misplace_a_hole(file: h5py.File) -> None:
    rows = np.flatnonzero(file["losses/missing_frames"][:] == 0)
    file["losses/first_byte"][rows[0]] += 8


def forget_missing_frames(file: h5py.File) -> None:
    rows = np.flatnonzero(file["losses/missing_frames"][:])
    file["losses/missing_frames"][rows[0]] += 1


def loss_of_no_frame(file: h5py.File) -> None:
    rows = np.flatnonzero(file["losses/missing_frames"][:] == 0)
    file["losses/frame_row"][rows[-1]] = 20


def event_of_the_past(file: h5py.File) -> None:
    file["events/frame_row"][3] = 1


def event_of_the_future(file: h5py.File) -> None:
    file["events/frame_row"][-1] = 21


def unknown_event(file: h5py.File) -> None:
    file["events/kind"][2] = b"gossip"


def side_packet_nowhere(file: h5py.File) -> None:
    file["side/offset"][2] = 10**9


def change_a_side_packet(file: h5py.File) -> None:
    file["side/bytes"][70] ^= 1


READABLE, MASKS, HOLES, MISSING = (
    "frames readable", "masks agree with lost bytes", "holes listed", "missing frames listed",
)  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        # The checksum of a frame covers its values, too.
        (repeat_counter, ["counters grow", MISSING, READABLE]),
        (stop_device_clock, ["times grow", READABLE]),
        (no_device_time, ["times grow", READABLE]),
        (turn_host_clock_back, ["times grow", READABLE]),
        (slow_down, ["frame rate", READABLE]),
        (hide_loss, [READABLE]),
        (change_a_sample, [READABLE]),
        (add_a_row, ["dataset lengths agree"]),
        (orphan_truth, ["truth refers to frames"]),
        (timeless_truth, ["truth refers to frames", READABLE]),
        (not_closed, ["closed cleanly"]),
        (misplace_a_hole, [HOLES]),
        (loss_of_no_frame, [HOLES]),
        (forget_missing_frames, [MISSING]),
        (event_of_the_past, ["events in order"]),
        (event_of_the_future, ["events in order"]),
        (unknown_event, ["events in order"]),
        (side_packet_nowhere, ["side packets readable"]),
        (change_a_side_packet, ["side packets readable"]),
    ],
)
def test_each_fault_is_found(
    tmp_path: Path, full: Any, fault: Callable[[h5py.File], None], expected: list[str]
) -> None:
    full(tmp_path / "run.h5", 20)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        fault(file)
    assert failed(tmp_path / "run.h5", max_loss=1.0) == expected


def test_a_mask_that_contradicts_its_frame_is_found(tmp_path: Path, full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a faulty writer would leave: the checksum matches."""
    monkeypatch.setattr(Frame, "lost_bytes", property(lambda _frame: 8))
    full(tmp_path / "run.h5", 20)
    monkeypatch.undo()
    assert failed(tmp_path / "run.h5", max_loss=1.0) == [MASKS]


def test_loss_is_measured_against_the_limit(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for counter in range(20):
            if counter != 9:
                writer.append(make_frame(counter))
    assert failed(tmp_path / "run.h5") == ["loss"]  # 5 %
    assert failed(tmp_path / "run.h5", max_loss=0.05) == []
