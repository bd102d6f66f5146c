"""People, a cyclist and a car as extended targets: one measurement and one track each, through chain and tracker."""

from collections.abc import Iterator

import numpy as np
import pytest

from isactrack import Frame
from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.snapshot import Snapshot
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.simulated.scene import Scene, make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser
from isactrack.tracking.tracker import TrackerConfig

STREET = TrackerConfig(
    association="spa", filter="ekf", acceleration_std_mps2=6.0, radial_velocity_std_mps=0.5, merge_distance_m=1.0,
    merge_velocity_mps=1.0, max_misses_confirmed=5,
)  # fmt: skip


def snapshots(scene: Scene, seed: int, frames: range) -> Iterator[Snapshot]:
    sensor = parse_profile(default_profile())
    synthesiser = Synthesiser(sensor, scene, seed=seed)
    pipeline = Pipeline(sensor, tracker_config=STREET)
    for index in frames:
        words = synthesiser.frame(index)
        start_s = index * sensor.frame_period_s
        frame = Frame(words, np.ones(words.size // 4, dtype=np.bool_), index, start_s, 0, 0)
        snapshot = pipeline.push(frame, scene.truth(start_s + sensor.coherent_time_s / 2.0))
        assert snapshot is not None
        yield snapshot


@pytest.mark.parametrize(("name", "begin", "most"), [("experiment2", 8, 1.25), ("experiment3", 55, 1.4)])
def test_a_vehicle_gives_about_one_measurement_and_people_one(name: str, begin: int, most: float) -> None:
    scene = make_scene(name, 0)
    counts = []
    for snapshot in snapshots(scene, 0, range(begin, begin + 25)):
        gap = scene.extents(snapshot.time_s).distance_m(snapshot.detections.position_m)
        owner = np.where(gap.min(axis=1) < 1.5, gap.argmin(axis=1), -1)
        counts.append([np.count_nonzero(owner == k) for k in range(3)])
    mean = np.mean(counts, axis=0)
    assert mean[2] == pytest.approx(1.0, abs=most - 1.0)
    assert mean[:2] == pytest.approx(1.0, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["experiment2", "experiment3"])
@pytest.mark.parametrize("seed", [0, 1])
def test_everybody_is_tracked_under_one_identity(name: str, seed: int) -> None:
    scene = make_scene(name, seed)
    followed: dict[int, list[int]] = {1: [], 2: [], 3: []}
    seen = dict.fromkeys(followed, 0)
    for snapshot in snapshots(scene, seed, range(100)):
        extents = scene.extents(snapshot.time_s)
        tracks = [track for track in snapshot.tracks if track.is_confirmed]
        if not tracks:
            continue
        gap = extents.distance_m(np.array([track.position_m for track in tracks]))
        for k, target_id in enumerate(extents.target_id.tolist()):
            nearest = int(np.argmin(gap[:, k]))
            seen[target_id] += 1
            if gap[nearest, k] < 1.0:
                followed[target_id].append(tracks[nearest].track_id)
    for target_id, identities in followed.items():
        assert len(identities) > 0.95 * seen[target_id]
        values, counts = np.unique(identities, return_counts=True)
        assert counts.max() >= 0.95 * len(identities), (target_id, values, counts)
