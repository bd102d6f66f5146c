"""A recording of the radio replays into the very tracks of the session that made it: bit by bit, whatever was lost."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from isactrack.acquisition import offline
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Snapshot
from isactrack.drivers.device import Device
from isactrack.drivers.registry import open_device
from isactrack.recordings import RecordingWriter, open_recording
from isactrack.source import Source

MANY = 100_000

CLEAN = ""
HARMED = "&loss=0.02&burst=2&dup=0.01&reorder=0.01&fault=overflow@300ms+20ms,lo-unlock@360ms+30ms,gain-step@430ms+100ms"
"""What the driver masks, flags and leaves out."""


def run(device: Device, path: Path | None, frames: int | None) -> list[Snapshot]:
    """Run a session in which everything is taken in, recorded or not, and return what its viewers are shown."""
    sensor = device.configure()
    recorder = None if path is None else RecordingWriter(path, describe_device(device))
    session = Session(device, recorder=recorder, pipeline=Pipeline(sensor), max_frames=frames, lossless_pipeline=True)
    with session:
        snapshots = session.subscribe(MANY)
        session.start()
        assert session.wait(250.0)
        health = session.health()
        assert health.pipeline_skipped == health.viewer_skipped == health.left_out == 0
        return snapshots.drain()


def assert_same(steps: Sequence[Snapshot], others: Sequence[Snapshot]) -> None:
    """Every number of every step is the same, to the last bit."""
    assert len(steps) == len(others) > 0
    for one, other in zip(steps, others, strict=True):
        assert (one.index, one.frame_counter, one.time_s, one.complete) == (
            other.index, other.frame_counter, other.time_s, other.complete,
        )  # fmt: skip
        for field in fields(one.detections):
            value, twin_value = (getattr(each.detections, field.name) for each in (one, other))
            assert np.array_equal(value, twin_value, equal_nan=True)
        assert [(track.track_id, track.status, track.age, track.existence) for track in one.tracks] == [
            (track.track_id, track.status, track.age, track.existence) for track in other.tracks
        ]
        for track, twin in zip(one.tracks, other.tracks, strict=True):
            assert np.array_equal(track.state, twin.state)
            assert np.array_equal(track.covariance, twin.covariance)
        assert one.truth is not None
        assert other.truth is not None
        assert one.truth.time_s == other.truth.time_s
        assert np.array_equal(one.truth.position_m, other.truth.position_m)


def check(url: str, tmp_path: Path, frames: int) -> list[Snapshot]:
    """Record a session live, and have three ways through its file show what it showed."""
    path, copy = tmp_path / "live.h5", tmp_path / "copy.h5"
    live = run(open_device(url), path, frames)
    with open_recording(path) as recording:
        assert len(recording) == frames
        assert_same(live, list(offline.track(recording)))
    with open_device(f"file://{path}") as player:
        assert player.info.source is Source.REPLAY
        assert player.info.origin is Source.SIMULATED
        assert_same(live, run(player, copy, None))
    # A recording of the replay is as good as the one that was played.
    with open_recording(path) as recording, open_recording(copy) as again:
        assert recording.blocks.tobytes() == again.blocks.tobytes()
        assert recording.losses.tobytes() == again.losses.tobytes()
        assert len(recording) == len(again)
        for one, other in zip(recording.frames(), again.frames(), strict=True):
            assert one.samples.tobytes() == other.samples.tobytes()
            assert np.array_equal(one.valid, other.valid)
    return live


@pytest.mark.parametrize(
    ("link", "harm"),
    [
        pytest.param("usb", CLEAN, id="usb"),
        pytest.param("udp", HARMED, id="udp-harmed", marks=pytest.mark.slow),
    ],
)
def test_a_recording_replays_into_the_same_tracks(link: str, harm: str, tmp_path: Path) -> None:
    live = check(f"sim://bistatic?scene=lab-walk&seed=3&speed=max&link={link}{harm}", tmp_path, 160)
    assert any(step.tracks for step in live)


@pytest.mark.slow
@pytest.mark.parametrize(("link", "harm"), [("usb", HARMED), ("udp", CLEAN)], ids=["usb-harmed", "udp"])
def test_a_long_recording_replays_into_the_same_tracks(link: str, harm: str, tmp_path: Path) -> None:
    live = check(f"sim://bistatic?scene=lab-crossing&seed=4&speed=max&link={link}{harm}", tmp_path, 1200)
    assert len({track.track_id for step in live for track in step.tracks if track.is_confirmed}) >= 2


@pytest.mark.slow
def test_a_recording_of_samples_replays_into_the_same_tracks(tmp_path: Path) -> None:
    live = check("sim://bistatic?scene=lab-walk&seed=5&speed=max&link=usb&capture=iq", tmp_path, 350)
    assert any(step.tracks for step in live)
