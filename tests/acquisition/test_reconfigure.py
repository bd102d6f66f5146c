"""Settings change while frames come: what can go on does, and the recording says what was changed."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.plan import parse_plan
from isactrack.acquisition.session import Session
from isactrack.acquisition.settings_text import EVENT_BYTES, event_texts
from isactrack.detections import Detections
from isactrack.drivers.registry import open_device
from isactrack.errors import ConfigError, DeviceStateError
from isactrack.events import EventKind
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.processing.products import Product
from isactrack.tracking.config import TrackerConfig
from isactrack.tracking.tracker import Tracker
from tests.acquisition import test_offline as offline
from tests.acquisition import test_session as fakes

SENSOR = offline.SENSOR


def walker(count: int) -> list[Any]:
    rng = np.random.default_rng(1)
    return [offline.frame_of(SENSOR, k, rng) for k in range(count)]


def seen(time_s: float, *x_m: float) -> Detections:
    n = len(x_m)
    position = np.array([[x, 3.0] for x in x_m]).reshape(n, 2)
    return Detections(
        time_s=time_s, position_m=position, covariance_m2=np.tile(np.eye(2) * 0.01, (n, 1, 1)),
        radial_velocity_mps=np.zeros(n), radial_velocity_std_mps=np.full(n, 0.1), snr_db=np.full(n, 20.0),
        range_m=np.hypot(*position.T), azimuth_rad=np.arctan2(*position.T),
    )  # fmt: skip


def until(true: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def test_a_tracker_takes_over_tracks_and_identities_whatever_its_window() -> None:
    for window in (3, 6, 9):
        former = Tracker(TrackerConfig(confirm_hits=3, confirm_window=6))
        for k in range(5):
            before = former.step(seen(0.1 * k, 0.0, 2.0))
        tracker = Tracker(TrackerConfig(confirm_hits=3, confirm_window=window, association="spa", engine="numpy"))
        tracker.take_over(former)
        after = tracker.step(seen(0.5, 0.0, 2.0, -2.0))
        assert [track.track_id for track in after] == [*(track.track_id for track in before), 3]
        assert all(track.is_confirmed for track in after[:2])
        assert after[0].age == before[0].age + 1


def test_steps_that_are_not_known_count_as_not_seen() -> None:
    former = Tracker(TrackerConfig(confirm_hits=1, confirm_window=1))
    former.step(seen(0.0))
    tracker = Tracker(TrackerConfig(confirm_hits=3, confirm_window=4))
    tracker.take_over(former)
    confirmed = [any(t.is_confirmed for t in tracker.step(seen(0.1 * k, 0.0))) for k in range(1, 4)]
    assert confirmed == [False, False, True]


def test_another_tracker_goes_on_with_the_tracks_of_the_pipeline() -> None:
    frames = walker(20)
    pipeline = Pipeline(SENSOR)
    snapshots = [pipeline.push(frame) for frame in frames[:14]]
    before = {track.track_id for track in snapshots[-1].tracks if track.is_confirmed}  # type: ignore[union-attr]
    assert before
    change = pipeline.reconfigure(tracker_config=TrackerConfig(gate_probability=0.95, confirm_window=8))
    assert change.changes == ("tracker.gate_probability 0.99 -> 0.95", "tracker.confirm_window 6 -> 8")
    assert "window of confirmation" in change.begins_anew[0]
    assert pipeline.tracker_config.gate_probability == 0.95
    after = pipeline.push(frames[14])
    assert after is not None
    assert before <= {track.track_id for track in after.tracks if track.is_confirmed}
    assert after.index == 14


def test_another_chain_keeps_the_tracks_and_the_counters() -> None:
    frames = walker(24)
    pipeline = Pipeline(SENSOR)
    for frame in frames[:14]:
        last = pipeline.push(frame)
    assert last is not None and last.detections.position_m.size
    known = {track.track_id for track in last.tracks}
    change = pipeline.reconfigure(ChainConfig(min_snr_db=90.0))
    assert change.changes == ("chain.min_snr_db 10.0 -> 90.0",)
    assert "stands still" in change.begins_anew[0]
    blind = pipeline.push(frames[14])
    assert blind is not None
    assert not blind.detections.position_m.size
    assert {track.track_id for track in blind.tracks} <= known and blind.tracks
    pipeline.reconfigure(ChainConfig())
    later = [pipeline.push(frame) for frame in frames[15:]]
    assert any(one is not None and one.detections.position_m.size for one in later)
    assert pipeline.discarded_frames == 0


def test_what_views_want_is_made_by_another_chain_too() -> None:
    frames = walker(6)
    pipeline = Pipeline(offline.SENSOR)
    pipeline.wanted = frozenset({Product.RANGE_AZIMUTH})
    pipeline.push(frames[0])
    pipeline.reconfigure(ChainConfig(min_snr_db=12.0))
    snapshot = pipeline.push(frames[1])
    assert pipeline.wanted == {Product.RANGE_AZIMUTH}
    assert snapshot is not None and snapshot.range_azimuth is not None


@pytest.mark.slow
def test_a_track_of_a_radio_outlives_another_chain() -> None:
    with open_device("sim://bistatic?scene=lab-crossing&seed=1") as device:
        pipeline = Pipeline(device.configure(None))
        device.start()
        ids, times = [], []
        for k in range(260):
            if k == 150:
                former = pipeline.chain_config
                assert isinstance(former, OfdmChainConfig)
                pipeline.reconfigure(replace(former, mean_blocks=40), replace(pipeline.tracker_config, max_doubtful=9))
            frame = device.read()
            assert frame is not None
            snapshot = pipeline.push(frame)
            if snapshot is not None:
                ids.append([track.track_id for track in snapshot.tracks])
                times.append(snapshot.time_s)
    assert 1 in ids[0:9][-1] and 1 in ids[-1]
    assert times == sorted(times) and times[-1] > 0.95


def test_settings_that_cannot_work_change_nothing_and_the_same_ones_neither() -> None:
    pipeline = Pipeline(SENSOR)
    former = pipeline.chain_config
    with pytest.raises(ConfigError):
        pipeline.reconfigure(OfdmChainConfig(), TrackerConfig(confirm_hits=1))
    assert pipeline.chain_config is former
    assert pipeline.tracker_config == TrackerConfig()
    change = pipeline.reconfigure(ChainConfig(), TrackerConfig())
    assert (change.changes, change.begins_anew) == ((), ())


def test_settings_change_from_another_thread_while_frames_are_pushed() -> None:
    pipeline = Pipeline(SENSOR)
    frames, stop, errors = walker(16), threading.Event(), []

    def turn() -> None:
        k = 0
        while not stop.is_set():
            k += 1
            try:
                pipeline.reconfigure(ChainConfig(min_snr_db=10.0 + k % 3), TrackerConfig(confirm_window=4 + k % 5))
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    thread = threading.Thread(target=turn)
    thread.start()
    indices = [snapshot.index for frame in frames if (snapshot := pipeline.push(frame)) is not None]
    stop.set()
    thread.join()
    assert not errors
    assert indices == list(range(len(frames)))


def test_a_session_notes_in_its_recording_what_was_changed() -> None:
    recorder = fakes.FakeRecorder()
    device = fakes.FakeDevice(None, period_s=0.002)
    device.configure()
    pipeline = Pipeline(device.sensor)
    with Session(device, recorder=recorder, pipeline=pipeline) as session:
        with pytest.raises(DeviceStateError, match="does not run"):
            session.reconfigure(ChainConfig())
        session.start()
        session.reconfigure(replace(ChainConfig(), p_fa=1e-4), TrackerConfig(confirm_hits=3))
        until(lambda: bool(recorder.events))
        session.reconfigure(replace(ChainConfig(), p_fa=1e-4))  # no change, no event
        with pytest.raises(ConfigError):
            session.reconfigure(OfdmChainConfig())
        until(lambda: session.health().frames > 20)
    (event, frames_before), *others = recorder.events
    assert event.kind is EventKind.SESSION
    assert event.text == "settings: chain.p_fa 1e-06 -> 0.0001; tracker.confirm_hits 4 -> 3"
    assert frames_before <= session.health().frames
    assert not [one for one, _ in others if one.text.startswith("settings")]


def test_a_session_without_a_pipeline_has_no_settings() -> None:
    device = fakes.FakeDevice(5)
    device.configure()
    with Session(device) as session:
        session.start()
        with pytest.raises(DeviceStateError, match="processes nothing"):
            session.reconfigure(ChainConfig())


def test_many_changes_are_several_events_none_of_which_is_cut() -> None:
    changes = [f"tracker.some_long_name_{k} {k} -> {k + 1}" for k in range(20)]
    texts = event_texts("settings: ", changes)
    assert len(texts) > 1
    assert all(len(text.encode()) <= EVENT_BYTES for text in texts)
    assert "; ".join(text.removeprefix("settings: ") for text in texts) == "; ".join(changes)
    assert event_texts("settings: ", []) == []


def test_none_in_a_session_file_switches_a_limit_off() -> None:
    head = '[[device]]\nurl = "sim://bistatic"\n'
    plan = parse_plan(f'{head}[ofdm]\nmax_excess_m = "none"\n[ofdm.tracker]\nspa_rounds = "none"\n', Path())
    assert plan.ofdm.max_excess_m is None
    assert plan.ofdm_tracker == {"spa_rounds": None}
    with pytest.raises(ConfigError, match="hop_blocks"):
        parse_plan(f'{head}[ofdm]\nhop_blocks = "none"\n', Path())
