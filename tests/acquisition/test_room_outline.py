"""A room that a device knows of, or the user, is in its recording, and a replay knows of it too."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from isactrack.acquisition.header import describe_device
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.rooms import LAB
from isactrack.errors import RecordingError
from isactrack.geometry import RoomOutline
from isactrack.recordings import RecordingWriter, open_recording
from isactrack.recordings.repair import repair_recording

LAB_WALLS = RoomOutline(corners_m=LAB.corners_m)
OTHER = RoomOutline(corners_m=((0.0, 0.0), (3.0, 0.0), (3.0, 2.0)))


def write(url: str, path: Path, room: RoomOutline | None = None) -> None:
    """Record a frame."""
    with open_device(url) as device:
        device.configure()
        with RecordingWriter(path, describe_device(device, room=room)) as writer:
            device.start()
            frame = device.read()
            assert frame is not None
            writer.append(frame)


@pytest.mark.parametrize("device", ["awr1642", "bistatic"])
def test_a_replay_stands_in_the_room_of_the_simulated_device(device: str, tmp_path: Path) -> None:
    url, path = f"sim://{device}?scene=lab-walk&speed=max", tmp_path / "run.h5"
    with open_device(url) as simulated:
        assert simulated.room == LAB_WALLS
        pose = simulated.pose
    write(url, path)
    with open_device(f"file://{path}") as replay:
        assert replay.room == LAB_WALLS
        assert replay.pose == pose


def test_what_the_user_says_of_the_room_wins_and_a_scene_without_a_room_has_none(tmp_path: Path) -> None:
    write("sim://awr1642?scene=walker&speed=max", tmp_path / "none.h5")
    write("sim://awr1642?scene=lab-walk&speed=max", tmp_path / "other.h5", OTHER)
    with open_recording(tmp_path / "none.h5") as none, open_recording(tmp_path / "other.h5") as other:
        assert none.room is None
        assert other.room == OTHER
    with h5py.File(tmp_path / "none.h5") as file:
        assert "room_corners_m" not in file["pose"].attrs
        assert b"room_corners_m" not in file["pose"].attrs["units"]


def test_a_repaired_copy_keeps_the_room_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    write("sim://awr1642?scene=lab-walk&speed=max", tmp_path / "run.h5")
    with open_recording(tmp_path / "run.h5") as recording:
        header = replace(recording.header)
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["session"][()] = np.zeros((), file["session"].dtype)  # as if it had never been closed
    repair_recording(tmp_path / "run.h5", tmp_path / "whole.h5")
    with open_recording(tmp_path / "whole.h5") as whole:
        assert whole.header == header
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        file["pose"].attrs["room_corners_m"] = np.zeros((2, 3))
    with pytest.raises(RecordingError, match=r"run\.h5") as caught:
        open_recording(tmp_path / "run.h5")
    assert caught.value.hint
