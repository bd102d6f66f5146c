"""The pipeline on single frames and on recordings: the same results, the right truth, the right flags."""

from pathlib import Path

import numpy as np
import pytest

from isactrack.acquisition.offline import MapAverage, detect, score_tracks, track
from isactrack.acquisition.pipeline import Pipeline
from isactrack.errors import ConfigError, RecordingError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.processing.chain import ChainConfig
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.recordings import Recording, RecordingHeader, RecordingWriter, TrackTable, open_recording
from isactrack.source import Source
from isactrack.truth import Truth

SENSOR = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=32, frame_period_s=0.1,
)  # fmt: skip
CHIRP_PER_FRAME = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=1, frame_period_s=1e-3,
)  # fmt: skip
START_M = np.array([1.0, 4.0])
VELOCITY_MPS = np.array([0.3, 1.0])


def position_at(time_s: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return START_M + VELOCITY_MPS * time_s


def frame_of(sensor: FmcwSensor, counter: int, rng: np.random.Generator, *, torn: bool = False) -> Frame:
    """Return a frame with one walker in noise, after eq. 1 of the signal model."""
    start_s = counter * sensor.frame_period_s
    x, y = position_at(start_s + sensor.coherent_time_s / 2.0)
    r, azimuth = np.hypot(x, y), np.arctan2(x, y)
    v = (x * VELOCITY_MPS[0] + y * VELOCITY_MPS[1]) / r
    loop, sample = np.arange(sensor.loops_per_frame), np.arange(sensor.samples_per_chirp)
    beat = 2.0 * r * sensor.slope_hz_per_s / 299_792_458.0 / sensor.sample_rate_hz
    doppler = 2.0 * v * sensor.slow_time_interval_s / sensor.wavelength_m
    element = sensor.virtual_positions.reshape(sensor.n_tx, sensor.n_rx)
    phase = (
        doppler * loop[:, None, None, None] + element[None, :, :, None] * np.sin(azimuth) + beat * sample
    )  # fmt: skip
    noise = rng.normal(size=(*sensor.cube_shape, 2)) @ np.array([1.0, 1j])
    words = sensor.encode_words(200.0 * np.exp(2j * np.pi * phase) + 20.0 * noise)
    valid = np.ones(words.size // 4, dtype=np.bool_)
    if torn:
        valid[:4] = False
        words[:16] = 0
    return Frame(words, valid, counter, start_s, counter, counter)


def truth_of(sensor: FmcwSensor, frame: Frame) -> Truth:
    time_s = frame.device_time_s + sensor.coherent_time_s / 2.0
    return Truth(time_s, np.array([4]), position_at(time_s)[None], VELOCITY_MPS[None])


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("walk") / "walk.h5"
    header = RecordingHeader(
        sensor=SENSOR, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="test://", device_model="synthetic"
    )
    rng = np.random.default_rng(11)
    with RecordingWriter(path, header) as writer:
        for k in range(25):
            frame = frame_of(SENSOR, k, rng)
            writer.append(frame, truth_of(SENSOR, frame))
    return path


def test_a_walker_becomes_one_confirmed_track_close_to_the_truth(walk: Path) -> None:
    done: list[int] = []
    with open_recording(walk) as recording:
        snapshots = list(track(recording, progress=done.append))
        table = TrackTable.from_tracks([snapshot.tracks for snapshot in snapshots])
        score = score_tracks(recording, table)
    assert done == list(range(1, 26))
    assert [snapshot.index for snapshot in snapshots] == [snapshot.frame_counter for snapshot in snapshots]
    assert (score.truth_targets, score.confirmed_tracks, score.identity_switches) == (1, 1, 0)
    assert score.median_position_error_m is not None
    assert score.median_position_error_m < 0.3
    assert score.frames == 25


def test_the_pipeline_frame_by_frame_gives_what_offline_tracking_gives(walk: Path) -> None:
    with open_recording(walk) as recording:
        pipeline = Pipeline(recording.sensor)
        live = [pipeline.push(frame) for frame in recording.frames()]
        offline = list(track(recording))
        detections = [output.detections for output in detect(recording)]
    for one, other, found in zip(live, offline, detections, strict=True):
        assert one is not None
        assert [t.track_id for t in one.tracks] == [t.track_id for t in other.tracks]
        assert np.array_equal(one.detections.position_m, other.detections.position_m)
        assert np.array_equal(found.position_m, other.detections.position_m)
        assert one.truth is None
        assert other.truth is not None
        assert other.truth.time_s == pytest.approx(other.time_s)


def test_an_interval_of_several_frames_is_complete_if_all_are_and_has_the_truth_of_its_middle() -> None:
    pipeline = Pipeline(CHIRP_PER_FRAME, ChainConfig(coherent_frames=5, remove_static=False))
    rng = np.random.default_rng(2)
    snapshots = []
    # Frame 7 is torn, and frame 12 is missing: its interval starts over at 13.
    for counter in [*range(12), *range(13, 18)]:
        frame = frame_of(CHIRP_PER_FRAME, counter, rng, torn=counter == 7)
        snapshot = pipeline.push(frame, truth_of(CHIRP_PER_FRAME, frame))
        if snapshot is not None:
            snapshots.append(snapshot)
    assert [snapshot.frame_counter for snapshot in snapshots] == [4, 9, 17]
    assert [snapshot.complete for snapshot in snapshots] == [True, False, True]
    assert [snapshot.index for snapshot in snapshots] == [0, 1, 2]
    for snapshot in snapshots:
        assert snapshot.truth is not None
        assert abs(snapshot.truth.time_s - snapshot.time_s) <= 0.51e-3


def test_settings_that_do_not_suit_the_sensor_are_refused(walk: Path) -> None:
    with open_recording(walk) as recording, pytest.raises(ConfigError, match="evenly spaced"):
        next(detect(recording, ChainConfig(coherent_frames=2)))


def test_tracks_cannot_be_scored_without_truth(tmp_path: Path) -> None:
    path = tmp_path / "empty.h5"
    header = RecordingHeader(
        sensor=SENSOR, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="x", device_model="y"
    )
    with RecordingWriter(path, header) as writer:
        writer.append(frame_of(SENSOR, 0, np.random.default_rng(0)))
    recording: Recording
    with open_recording(path) as recording, pytest.raises(ConfigError, match="no truth"):
        score_tracks(recording, TrackTable.from_tracks([]))


def test_frames_in_which_nobody_is_there_count_in_the_score(tmp_path: Path) -> None:
    path = tmp_path / "leaves.h5"
    header = RecordingHeader(
        sensor=SENSOR, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="x", device_model="y"
    )
    rng = np.random.default_rng(0)
    with RecordingWriter(path, header) as writer:
        for k in range(10):
            frame = frame_of(SENSOR, k, rng)
            whole = truth_of(SENSOR, frame)
            nobody = Truth(whole.time_s, np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))
            writer.append(frame, whole if k < 4 else nobody)
    with open_recording(path) as recording:
        score = score_tracks(recording, TrackTable.from_tracks([]))
    assert (score.frames, score.missed_share) == (10, 1.0)
    assert score.mean_ospa_m == pytest.approx(0.4 * score.settings.ospa_cutoff_m)


@pytest.mark.parametrize("time_s", [0.05, float("nan")], ids=["back", "nan"])
def test_a_recording_whose_times_do_not_grow_cannot_be_tracked(tmp_path: Path, time_s: float) -> None:
    path = tmp_path / "back.h5"
    header = RecordingHeader(
        sensor=SENSOR, source=Source.HARDWARE, origin=Source.HARDWARE, device_url="x", device_model="y"
    )
    rng = np.random.default_rng(0)
    with RecordingWriter(path, header) as writer:
        for k in range(3):
            frame = frame_of(SENSOR, k, rng)
            time = time_s if k == 2 else frame.device_time_s
            writer.append(Frame(frame.samples, frame.valid, k, time, k, k))
    with open_recording(path) as recording:
        with pytest.raises(RecordingError, match="does not grow at frame 2") as caught:
            next(track(recording))
        assert "validate" in caught.value.hint
        assert len(list(detect(recording))) == 3


def test_the_average_of_maps_is_their_mean() -> None:
    rng = np.random.default_rng(3)
    powers = rng.exponential(size=(7, 4, 5)).astype(np.float32)
    average = MapAverage()
    assert average.mean() is None
    for power in powers:
        average.add(RangeDopplerMap(power, np.arange(4.0), np.arange(5.0)))
    mean = average.mean()
    assert mean is not None
    assert mean.power.dtype == np.float32
    np.testing.assert_allclose(mean.power, powers.mean(axis=0), rtol=1e-6)
    assert mean.range_axis_m.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
