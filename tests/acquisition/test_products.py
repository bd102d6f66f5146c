"""What the pipeline hands to views: some of it always, some only while somebody asks for it."""

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.session import Session
from isactrack.drivers.registry import open_device
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.products import Product
from isactrack.sensor import Sensor

if TYPE_CHECKING:
    from isactrack.acquisition.snapshot import Snapshot

RADAR = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=32, frame_period_s=0.1,
)  # fmt: skip
CHAIN = ChainConfig(detector="fft")


def radar_frames(count: int) -> list[Frame]:
    rng = np.random.default_rng(1)
    frames = []
    for counter in range(count):
        words = rng.integers(-200, 200, RADAR.frame_words).astype(np.int16)
        valid = np.ones(words.size // 4, dtype=np.bool_)
        frames.append(Frame(words, valid, counter, 0.1 * counter, 5_000_000_000 + counter * 100_000_000, 0))
    return frames


@pytest.fixture(scope="module")
def radio() -> tuple[Sensor, list[Frame]]:
    """Return the simulated radio and 150 blocks of two people."""
    with open_device("sim://bistatic?scene=crossing&seed=7&speed=max") as device:
        sensor = device.configure()
        device.start()
        frames = []
        for frame in device.frames():
            frames.append(frame)
            if len(frames) == 150:
                break
    return sensor, frames


def test_a_radar_makes_its_azimuth_map_while_it_is_wanted() -> None:
    pipeline = Pipeline(RADAR, CHAIN)
    assert pipeline.wanted == frozenset()
    made: list[Snapshot] = []
    for k, frame in enumerate(radar_frames(6)):
        if k == 2:
            pipeline.wanted = frozenset({Product.RANGE_AZIMUTH, Product.SLOW_TIME})
        if k == 4:
            pipeline.wanted = frozenset()
        snapshot = pipeline.push(frame)
        assert snapshot is not None
        made.append(snapshot)
    assert [snapshot.range_azimuth is not None for snapshot in made] == [False, False, True, True, False, False]
    assert all(snapshot.channel is None and snapshot.slow_time is None for snapshot in made)
    shown = made[2].range_azimuth
    assert shown is not None
    assert made[2].nbytes == made[0].nbytes + shown.nbytes
    assert shown.nbytes <= 64 * 8 * 8  # a few numbers for each range


def test_what_is_wanted_changes_nothing_of_what_is_found() -> None:
    found = []
    for wanted in (frozenset[Product](), frozenset(Product)):
        pipeline = Pipeline(RADAR, CHAIN)
        pipeline.wanted = wanted
        found.append([pipeline.push(frame) for frame in radar_frames(5)])
    for one, other in zip(*found, strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.spectrum.power, other.spectrum.power)
        np.testing.assert_array_equal(one.detections.position_m, other.detections.position_m)


def test_what_is_wanted_can_be_set_while_the_pipeline_runs() -> None:
    pipeline = Pipeline(RADAR, CHAIN)
    stop = threading.Event()

    def switch() -> None:
        while not stop.is_set():
            pipeline.wanted = frozenset({Product.RANGE_AZIMUTH})
            pipeline.wanted = frozenset()

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        made = [pipeline.push(frame) for frame in radar_frames(30)]
    finally:
        stop.set()
        thread.join()
    assert all(snapshot is not None for snapshot in made)


def test_a_session_passes_on_what_is_wanted_also_before_its_start() -> None:
    with open_device("sim://bistatic?speed=max") as device:
        pipeline = Pipeline(device.configure())
        with Session(device, pipeline=pipeline) as session:
            session.want(frozenset({Product.SLOW_TIME}))
            assert pipeline.wanted == {Product.SLOW_TIME}
        Session(device).want(frozenset(Product))  # there is nobody who could


def test_a_snapshot_knows_when_its_last_frame_arrived() -> None:
    made = [Pipeline(RADAR, CHAIN).push(frame) for frame in radar_frames(2)]
    assert [one.host_monotonic_ns for one in made if one is not None] == [5_000_000_000, 5_100_000_000]


@pytest.mark.slow
def test_a_radio_shows_its_newest_block_always_and_its_tracks_on_demand(radio: tuple[Sensor, list[Frame]]) -> None:
    sensor, frames = radio
    quiet, asked = Pipeline(sensor), Pipeline(sensor)
    asked.wanted = frozenset({Product.SLOW_TIME})
    pairs = [(quiet.push(frame), asked.push(frame)) for frame in frames]
    made = [(one, other) for one, other in pairs if one is not None and other is not None]
    assert len(made) > 5
    times: list[float] = []
    for one, other in made:
        assert one.channel is not None
        assert one.slow_time is None
        seen = other.slow_time
        assert seen is not None
        assert seen.track_id.tolist() == [track.track_id for track in other.tracks]
        assert seen.values.shape == (len(other.tracks), seen.time_s.size)
        assert other.nbytes == one.nbytes + seen.nbytes
        times += seen.time_s.tolist()
    assert np.all(np.diff(times) > 0.0)


def test_the_memory_of_a_snapshot_counts_all_that_it_keeps(radio: tuple[Sensor, list[Frame]]) -> None:
    sensor, frames = radio
    pipeline = Pipeline(sensor)
    snapshot = next(one for frame in frames if (one := pipeline.push(frame)) is not None)
    assert snapshot.channel is not None
    assert snapshot.nbytes == snapshot.spectrum.power.nbytes + snapshot.channel.nbytes
    assert replace(snapshot, channel=None).nbytes == snapshot.spectrum.power.nbytes
