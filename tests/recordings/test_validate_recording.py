"""Each check finds the fault that it is there for, and no other check does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from isactrack.recordings import RecordingHeader, RecordingWriter, validate_recording


def results(path: Path, **options: float) -> dict[str, bool | None]:
    checks = validate_recording(path, **options)
    assert all(check.detail for check in checks)
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check.passed for check in checks}


def failed(path: Path, **options: float) -> list[str]:
    return [name for name, passed in results(path, **options).items() if passed is False]


def test_a_good_recording_passes_everything(tmp_path: Path, record: Any) -> None:
    record(tmp_path / "run.h5", 20)
    assert set(results(tmp_path / "run.h5").values()) == {True}


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


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (repeat_counter, ["counters grow"]),
        (stop_device_clock, ["times grow"]),
        (no_device_time, ["times grow"]),
        (turn_host_clock_back, ["times grow"]),
        (slow_down, ["frame rate"]),
        (hide_loss, ["masks agree with lost bytes"]),
        (change_a_sample, ["frames readable"]),
        (add_a_row, ["dataset lengths agree"]),
        (orphan_truth, ["truth refers to frames"]),
        (timeless_truth, ["truth refers to frames"]),
        (not_closed, ["closed cleanly"]),
    ],
)
def test_each_fault_is_found(
    tmp_path: Path, record: Any, fault: Callable[[h5py.File], None], expected: list[str]
) -> None:
    record(tmp_path / "run.h5", 20)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        fault(file)
    # A repeated counter also leaves a gap behind it: loss is another question here.
    assert failed(tmp_path / "run.h5", max_loss=1.0) == expected


def test_loss_is_measured_against_the_limit(tmp_path: Path, header: RecordingHeader, make_frame: Any) -> None:
    with RecordingWriter(tmp_path / "run.h5", header) as writer:
        for counter in range(20):
            if counter != 9:
                writer.append(make_frame(counter))
    assert failed(tmp_path / "run.h5") == ["loss"]  # 5 %
    assert failed(tmp_path / "run.h5", max_loss=0.05) == []
