"""Frames, sensors, detections, tracks and errors: what the whole house relies on."""

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isactrack
from isactrack import (
    CaptureLossError,
    ConfigError,
    Detections,
    DeviceError,
    DeviceNotFoundError,
    DeviceStateError,
    DeviceTimeoutError,
    FmcwSensor,
    Frame,
    IqOrder,
    IsacError,
    ProtocolError,
    RecordingError,
    Track,
    TrackStatus,
    Truth,
)
from isactrack.units import db_to_power, power_to_db

SENSOR = FmcwSensor(
    model="AWR1642",
    start_frequency_hz=77e9,
    slope_hz_per_s=30e12,
    idle_time_s=10e-6,
    adc_start_s=6e-6,
    ramp_end_s=40e-6,
    sample_rate_hz=5e6,
    samples_per_chirp=128,
    loops_per_frame=16,
    frame_period_s=0.05,
)


def frame_of(samples: np.ndarray, valid: np.ndarray | None = None) -> Frame:
    if valid is None:
        valid = np.ones(-(-samples.size // 4), np.bool_)
    return Frame(samples, valid, 0, 0.0, 0, 0)


# --- Frame -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 41), st.data())
def test_lost_bytes_count_the_words_of_lost_groups(n_words: int, data: st.DataObject) -> None:
    groups = -(-n_words // 4)
    valid = np.array(data.draw(st.lists(st.booleans(), min_size=groups, max_size=groups)), dtype=np.bool_)
    frame = frame_of(np.zeros(n_words, np.int16), valid)
    assert frame.lost_bytes == sum(2 for word in range(n_words) if not valid[word // 4])
    assert frame.complete == (frame.lost_bytes == 0)


def test_a_frame_holds_int16_words_and_a_flag_for_each_four() -> None:
    with pytest.raises(TypeError, match="float64"):
        frame_of(np.zeros(8))
    with pytest.raises(TypeError, match="uint8"):
        frame_of(np.zeros(8, np.int16), np.ones(2, np.uint8))
    with pytest.raises(ValueError, match="flag"):
        frame_of(np.zeros(8, np.int16), np.ones(3, np.bool_))
    with pytest.raises(ValueError, match="flag"):
        frame_of(np.zeros((2, 4), np.int16), np.ones(2, np.bool_))


# --- FmcwSensor: samples ---------------------------------------------------------------------------------------------

LAYOUT = {IqOrder.IIQQ: [1, 2, 11, 12], IqOrder.QQII: [11, 12, 1, 2], IqOrder.IQIQ: [1, 11, 2, 12]}


@pytest.mark.parametrize("order", list(IqOrder))
def test_the_words_of_two_samples_stand_in_their_order(order: IqOrder) -> None:
    sensor = replace(SENSOR, iq_order=order, samples_per_chirp=2, loops_per_frame=1, rx_positions=(0.0,))
    cube = sensor.decode(frame_of(np.array(LAYOUT[order], np.int16)))
    assert cube.tolist() == [[[[1 + 11j, 2 + 12j]]]]
    assert cube.dtype == np.complex64


@given(
    st.sampled_from(list(IqOrder)), st.integers(1, 4), st.integers(1, 2), st.integers(1, 4), st.integers(1, 8),
    st.integers(0, 99),
)  # fmt: skip
def test_words_survive_the_way_to_samples_and_back(
    order: IqOrder, loops: int, n_tx: int, n_rx: int, half_samples: int, seed: int
) -> None:
    sensor = replace(
        SENSOR, iq_order=order, loops_per_frame=loops, tx_positions=(0.0, 2.0)[:n_tx],
        rx_positions=(0.0, 0.5, 1.0, 1.5)[:n_rx], samples_per_chirp=2 * half_samples,
    )  # fmt: skip
    words = np.random.default_rng(seed).integers(-32768, 32768, sensor.frame_words).astype(np.int16)
    cube = sensor.decode(frame_of(words))
    assert cube.shape == sensor.cube_shape
    assert np.array_equal(sensor.encode_words(cube), words)
    assert sensor.frame_bytes == words.nbytes
    # The receiver's samples are contiguous: the frame is loop by loop, chirp by chirp, receiver by receiver.
    chirp = words.reshape(loops, n_tx, n_rx, -1)[loops - 1, n_tx - 1, n_rx - 1]
    alone = replace(sensor, loops_per_frame=1, tx_positions=(0.0,), rx_positions=(0.0,))
    assert np.array_equal(alone.decode_words(chirp)[0, 0, 0], cube[-1, -1, -1])


def test_samples_saturate_and_round_as_an_adc_does() -> None:
    sensor = replace(SENSOR, samples_per_chirp=2, loops_per_frame=1, rx_positions=(0.0,))
    words = sensor.encode_words(np.array([[[[1e6 - 1e6j, 1.6 - 2.4j]]]]))
    assert words.tolist() == [32767, 2, -32768, -2]


@pytest.mark.parametrize("order", list(IqOrder))
def test_a_lost_group_marks_its_two_samples(order: IqOrder) -> None:
    sensor = replace(SENSOR, iq_order=order)
    words = np.ones(sensor.frame_words, np.int16)
    valid = np.ones(words.size // 4, np.bool_)
    valid[5] = False
    words.reshape(-1, 4)[5] = 0
    frame = frame_of(words, valid)
    mask = sensor.decode_valid(frame)
    assert np.argwhere(~mask).tolist() == [[0, 0, 0, 10], [0, 0, 0, 11]]
    assert np.array_equal(sensor.decode(frame) == 0, ~mask)


def test_a_frame_of_another_sensor_is_refused() -> None:
    with pytest.raises(ConfigError, match="a frame of 16 bytes") as caught:
        SENSOR.decode(frame_of(np.zeros(8, np.int16)))
    assert "belong together" in caught.value.hint


# --- FmcwSensor: axes ------------------------------------------------------------------------------------------------


def test_resolutions_and_limits_are_those_of_the_textbook() -> None:
    c = 299_792_458.0
    bandwidth = 30e12 * 128 / 5e6
    wavelength = c / (77e9 + 30e12 * 6e-6 + bandwidth / 2)
    assert SENSOR.range_resolution_m == pytest.approx(c / 2 / bandwidth)
    assert SENSOR.range_max_m == pytest.approx(c * 5e6 / (2 * 30e12))
    assert SENSOR.wavelength_m == pytest.approx(wavelength)
    assert SENSOR.velocity_max_mps == pytest.approx(wavelength / (4 * 50e-6))
    assert SENSOR.velocity_resolution_mps == pytest.approx(wavelength / (2 * 16 * 50e-6))
    assert SENSOR.coherent_time_s == pytest.approx(800e-6)
    assert SENSOR.data_rate_bps == pytest.approx(8 * 16 * 4 * 128 * 4 / 0.05)


@pytest.mark.parametrize("loops", [1, 2, 15, 16])
@pytest.mark.parametrize("tx", [(0.0,), (0.0, 2.0)])
def test_the_axes_are_those_of_the_transforms(loops: int, tx: tuple[float, ...]) -> None:
    sensor = replace(SENSOR, loops_per_frame=loops, tx_positions=tx)
    interval = 50e-6 * len(tx)
    doppler = np.fft.fftshift(np.fft.fftfreq(loops, interval))
    assert sensor.doppler_axis_hz == pytest.approx(doppler)
    assert sensor.velocity_axis_mps == pytest.approx(doppler * sensor.wavelength_m / 2)
    beat = np.arange(128) * 5e6 / 128
    assert sensor.range_axis_m == pytest.approx(beat * 299_792_458.0 / (2 * 30e12))


def test_the_array_limits_follow_from_its_elements() -> None:
    assert SENSOR.azimuth_resolution_rad == pytest.approx(2 / 4)
    assert SENSOR.azimuth_max_rad == pytest.approx(math.pi / 2)
    eight = replace(SENSOR, tx_positions=(0.0, 2.0))
    assert eight.azimuth_resolution_rad == pytest.approx(2 / 8)
    wide = replace(SENSOR, rx_positions=(0.0, 1.0, 2.0))
    assert wide.azimuth_max_rad == pytest.approx(math.pi / 6)
    one = replace(SENSOR, rx_positions=(0.0,))
    assert (one.azimuth_max_rad, one.azimuth_resolution_rad) == (0.0, math.pi)
    axis = wide.azimuth_axis_rad(11)
    assert np.diff(np.sin(axis)) == pytest.approx(0.1)
    assert (axis[0], axis[5], axis[-1]) == pytest.approx((-math.pi / 6, 0.0, math.pi / 6))


@pytest.mark.parametrize(
    "field", ["start_frequency_hz", "slope_hz_per_s", "ramp_end_s", "sample_rate_hz", "frame_period_s"]
)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_waveform_needs_positive_numbers(field: str, value: float) -> None:
    change: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=field) as caught:
        replace(SENSOR, **change)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"idle_time_s": -1e-6}, "idle_time_s"),
        ({"adc_start_s": math.nan}, "adc_start_s"),
        ({"samples_per_chirp": 0}, "samples_per_chirp"),
        ({"loops_per_frame": -1}, "loops_per_frame"),
        ({"samples_per_chirp": 127}, "127 samples a chirp is odd"),
        ({"tx_positions": ()}, "no transmitter or no receiver"),
        ({"rx_positions": ()}, "no transmitter or no receiver"),
    ],
)
def test_a_sensor_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        replace(SENSOR, **change)
    assert caught.value.hint


# --- FmcwSensor: coherent intervals ----------------------------------------------------------------------------------


def test_frames_of_one_loop_form_one_interval() -> None:
    single = replace(SENSOR, loops_per_frame=1, frame_period_s=1e-3)
    joint = single.coherent(1000)
    assert joint.cube_shape == (1000, 1, 4, 128)
    assert joint.slow_time_interval_s == pytest.approx(1e-3)
    assert joint.frame_period_s == joint.coherent_time_s == pytest.approx(1.0)
    assert joint.velocity_resolution_mps == pytest.approx(single.wavelength_m / 2)
    assert joint.frame_bytes == 1000 * single.frame_bytes
    assert single.coherent(1) is single


def test_loops_that_fill_the_frame_may_be_joined_twice() -> None:
    filled = replace(SENSOR, frame_period_s=16 * 50e-6)
    assert filled.coherent(4).coherent(2) == filled.coherent(8)


def test_loops_with_a_pause_between_frames_do_not_join() -> None:
    with pytest.raises(ConfigError, match="not evenly spaced") as caught:
        SENSOR.coherent(2)
    assert caught.value.hint
    with pytest.raises(ConfigError, match="0 frames"):
        SENSOR.coherent(0)


# --- the rest of the vocabulary --------------------------------------------------------------------------------------


def test_detections_have_one_row_each() -> None:
    empty = Detections.empty(1.5)
    assert len(empty) == 0
    assert empty.covariance_m2.shape == (0, 2, 2)
    three = Detections(
        time_s=0.0, position_m=np.arange(6.0).reshape(3, 2), covariance_m2=np.zeros((3, 2, 2)),
        radial_velocity_mps=np.arange(3.0), radial_velocity_std_mps=np.ones(3), snr_db=np.zeros(3),
        range_m=np.ones(3), azimuth_rad=np.zeros(3),
    )  # fmt: skip
    picked = three.take(np.array([2, 0]))
    assert picked.position_m.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert picked.radial_velocity_mps.tolist() == [2.0, 0.0]
    assert len(three.take(np.array([False, True, False]))) == 1
    with pytest.raises(ValueError, match="snr_db"):
        replace(three, snr_db=np.zeros(2))


def test_a_track_tells_position_and_velocity_apart() -> None:
    covariance = np.arange(16.0).reshape(4, 4)
    track = Track(7, TrackStatus.COASTED, 0.1, np.array([1.0, 2.0, 3.0, 4.0]), covariance, 3)
    assert track.position_m.tolist() == [1.0, 3.0]
    assert track.velocity_mps.tolist() == [2.0, 4.0]
    assert track.position_covariance_m2.tolist() == [[0.0, 2.0], [8.0, 10.0]]
    assert [replace(track, status=status).is_confirmed for status in TrackStatus] == [False, True, True]


def test_truth_has_a_state_for_each_target() -> None:
    assert len(Truth(0.0, np.array([1, 2]), np.zeros((2, 2)), np.zeros((2, 2)))) == 2
    with pytest.raises(ValueError, match="2 targets"):
        Truth(0.0, np.array([1, 2]), np.zeros((3, 2)), np.zeros((2, 2)))


@given(st.floats(-200.0, 200.0))
def test_decibels_survive_the_round_trip(level_db: float) -> None:
    assert float(power_to_db(db_to_power(level_db))) == pytest.approx(level_db)
    assert float(power_to_db(0.0)) == pytest.approx(-300.0)


ERRORS: dict[type[IsacError], int] = {
    IsacError: 1, ConfigError: 2, DeviceError: 3, DeviceNotFoundError: 3, DeviceTimeoutError: 3, ProtocolError: 3,
    DeviceStateError: 3, CaptureLossError: 4, RecordingError: 5,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), ERRORS.items())
def test_errors_carry_their_exit_code_and_hint_even_through_a_pickle(kind: type[IsacError], code: int) -> None:
    error = kind("what happened", "what to do")
    assert (error.exit_code, str(error), error.hint) == (code, "what happened", "what to do")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.hint) == ("what happened", "what to do")
    assert kind("alone").hint == ""


def test_every_error_is_in_the_tree_and_a_late_device_is_a_timeout() -> None:
    public = {value for value in vars(isactrack).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert public == set(ERRORS)
    assert issubclass(DeviceTimeoutError, TimeoutError)
    for kind in (DeviceNotFoundError, DeviceTimeoutError, ProtocolError, DeviceStateError):
        assert issubclass(kind, DeviceError)
    for other in (CaptureLossError, RecordingError, ConfigError):
        assert not issubclass(other, DeviceError)


def test_everything_promised_by_the_package_is_there() -> None:
    assert all(hasattr(isactrack, name) for name in isactrack.__all__)
    assert sorted(isactrack.__all__) == isactrack.__all__
