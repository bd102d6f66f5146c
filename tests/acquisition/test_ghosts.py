"""A person who is there when the clutter map starts leaves no track where the map learned them."""

import numpy as np
import pytest

from isactrack import Frame
from isactrack.acquisition.pipeline import Pipeline
from isactrack.drivers.awr1642.profile import default_profile, parse_profile
from isactrack.drivers.simulated.scene import make_scene
from isactrack.drivers.simulated.synthesis import Synthesiser


@pytest.mark.parametrize("seed", [0, 1])
def test_a_long_coherent_interval_confirms_no_ghost_of_the_first_frames(seed: int) -> None:
    # 68 ms of slow time: somebody who walks across the line of sight stays in one Doppler bin at zero.
    sensor = parse_profile(default_profile().replace("idle_time_us = 3", "idle_time_us = 1000"))
    synthesiser = Synthesiser(sensor, make_scene("crossing", seed), seed=seed)
    pipeline = Pipeline(sensor)
    confirmed = set()
    for index in range(40):
        words = synthesiser.frame(index)
        frame = Frame(words, np.ones(words.size // 4, dtype=np.bool_), index, index * sensor.frame_period_s, 0, 0)
        snapshot = pipeline.push(frame)
        assert snapshot is not None
        confirmed |= {track.track_id for track in snapshot.tracks if track.is_confirmed}
    assert len(confirmed) == 2
