"""A radio keeps the contract of a device, its recording does, and the contract notices one that does not."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isactrack import (
    BlockFlag,
    BlockInfo,
    ConfigError,
    DeviceTimeoutError,
    Frame,
    OfdmSensor,
    RecordingError,
    Source,
    Truth,
)
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.session import Session
from isactrack.drivers.device import Device, DeviceInfo, DeviceStats, host_clocks
from isactrack.drivers.registry import open_device
from isactrack.recordings import RecordingWriter, open_recording, validate_recording
from isactrack.sensor import require_fmcw, require_ofdm
from isactrack.testing import check_device
from isactrack.testing.device_contract import check_frames, check_lifecycle

SENSOR = OfdmSensor(
    model="toy radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=(-24, 0, 24), frame_period_s=0.004,
    rx_positions=(0.0, 0.5, 1.0), tx_position_m=(2.0, 1.0), fft_size=64, stagger_s=(0.0, 5e-4),
)  # fmt: skip
COUNT = 30


class ToyRadio(Device):
    """Thirty blocks, as fast as they are taken: the seventh is missing, every fifth has a hole."""

    def __init__(self, sensor: OfdmSensor = SENSOR) -> None:
        super().__init__()
        self._toy = sensor
        self._next = 0

    @property
    def info(self) -> DeviceInfo:
        return DeviceInfo(url="toy://", model=self._toy.model, source=Source.SIMULATED, origin=Source.SIMULATED)

    @property
    def stats(self) -> DeviceStats:
        missing = int(self._next > 7)
        lost = sum(self.frame(k).lost_bytes for k in range(self._next) if k != 7)
        return DeviceStats(
            frames=self._next - missing,
            missing_frames=missing,
            lost_bytes=lost + missing * self._toy.frame_bytes,
        )

    def truth(self, frame: Frame) -> Truth:
        return Truth(frame.device_time_s + 1e-3, np.array([1]), np.array([[1.0, 2.0]]), np.array([[0.5, 0.0]]))

    def _configure(self, profile: str | None) -> OfdmSensor:
        if profile is not None:
            raise ConfigError("this radio takes no profile", "leave it out")
        return self._toy

    def _start(self) -> None:
        self._next = 0

    def _read(self, timeout_s: float | None) -> Frame | None:
        if self._next == 7:
            self._next += 1
        if self._next >= COUNT:
            return None
        frame = self.frame(self._next)
        self._next += 1
        return frame

    def frame(self, k: int) -> Frame:
        sensor = self._toy
        samples = np.random.default_rng(k).integers(-999, 999, sensor.frame_words).astype(np.int16)
        valid = np.ones(-(-samples.size // 4), np.bool_)
        if k % 5 == 4:
            valid[-1], samples[-2:] = False, 0
        time_s = k * sensor.frame_period_s
        flags = (BlockFlag(0) if valid.all() else BlockFlag.LOST_FRAGMENT) | BlockFlag(16 * (k == 8))
        tick = round((time_s + sensor.stagger_of(k)) * sensor.sample_rate_hz)
        block = BlockInfo(tick=tick, flags=flags, gain_db=30.0, noise_power=2.0 + k, cfo_hz=-float(k), clipped=k)
        return Frame(samples, valid, k, time_s, *host_clocks(), block)

    def _stop(self) -> None:
        return

    def _close(self) -> None:
        return


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("radio") / "toy.h5"
    device = ToyRadio()
    device.configure()
    with Session(device, recorder=RecordingWriter(path, describe_device(device))) as session:
        session.start()
        session.wait(30.0)
        health = session.health()
    assert (health.frames, health.missing_frames, health.incomplete_frames) == (29, 1, 6)
    assert health.nominal_rate_hz == 250.0
    return path


def test_a_radio_keeps_the_contract() -> None:
    check_device(ToyRadio, frames=12)


@pytest.mark.parametrize("speed", ["max", "5"])
def test_its_recording_keeps_the_contract(recording: Path, speed: str) -> None:
    check_device(lambda: open_device(f"file://{recording}?speed={speed}"), frames=12)


def test_a_replay_is_bit_exact_and_records_into_the_same_file(recording: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.h5"
    with open_device(f"file://{recording}") as device:
        device.configure()
        header = describe_device(device)
        device.start()
        with RecordingWriter(again, header) as writer:
            for frame in device.frames():
                writer.append(frame, device.truth(frame))
        assert device.stats.missing_frames == 1
    assert [check.name for check in validate_recording(again, max_loss=1.0) if check.passed is False] == []
    toy = ToyRadio()
    with open_recording(recording) as first, open_recording(again) as second:
        assert first.sensor == second.sensor == SENSOR
        assert second.origin is Source.SIMULATED
        assert len(first) == len(second) == 29
        for one, other in zip(first.frames(), second.frames(), strict=True):
            made = toy.frame(one.counter)
            for frame in (one, other):
                np.testing.assert_array_equal(frame.samples, made.samples)
                np.testing.assert_array_equal(frame.valid, made.valid)
                assert repr(frame.block) == repr(made.block), "NaN is equal here"
            assert (one.device_time_s, one.host_monotonic_ns, one.host_utc_ns) == (
                other.device_time_s, other.host_monotonic_ns, other.host_utc_ns,
            )  # fmt: skip


def without_block(frame: Frame) -> Frame:
    return dataclasses.replace(frame, block=None)


def standing_clock(frame: Frame) -> Frame:
    return dataclasses.replace(frame, block=BlockInfo(tick=5))


def made_up(frame: Frame) -> Frame:
    samples, valid = frame.samples.copy(), frame.valid.copy()
    samples[0], valid[0] = 1, False
    return dataclasses.replace(frame, samples=samples, valid=valid)


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [(without_block, "tells of each block"), (standing_clock, "sample clock must grow"), (made_up, "must be 0")],
)
def test_the_contract_notices_bad_blocks(spoil: Callable[[Frame], Frame], promise: str) -> None:
    class Bad(ToyRadio):
        def frame(self, k: int) -> Frame:
            return spoil(super().frame(k))

    with pytest.raises(AssertionError, match=promise):
        check_frames(Bad, frames=5)


def test_the_contract_wants_a_sensor() -> None:
    class NoSensor(ToyRadio):
        def _configure(self, profile: str | None) -> OfdmSensor:
            return "radio"  # type: ignore[return-value]

    with pytest.raises(AssertionError, match="the sensor as it really runs"):
        check_lifecycle(NoSensor)


def test_packets_that_come_when_they_come_keep_the_contract() -> None:
    class Irregular(ToyRadio):
        def frame(self, k: int) -> Frame:
            frame = super().frame(k)
            return dataclasses.replace(frame, device_time_s=frame.device_time_s + 1e-4 * k * k)

    with pytest.raises(AssertionError, match="off its counter"):
        check_frames(Irregular, frames=5)
    check_frames(lambda: Irregular(dataclasses.replace(SENSOR, periodic=False)), frames=5)


def test_a_paced_replay_of_blocks_has_a_deadline(recording: Path) -> None:
    with open_device(f"file://{recording}?speed=0.01") as device:
        device.configure()
        device.start()
        assert device.read() is not None
        with pytest.raises(DeviceTimeoutError):
            device.read(0.01)


def test_a_start_beyond_the_recording_is_refused(recording: Path) -> None:
    with pytest.raises((ConfigError, RecordingError), match="29 frames"):
        open_device(f"file://{recording}?start=99")


def test_what_works_with_one_kind_of_sensor_says_so() -> None:
    assert require_ofdm(SENSOR) is SENSOR
    with pytest.raises(ConfigError, match="toy radio is an OFDM radio") as caught:
        require_fmcw(SENSOR)
    assert caught.value.hint
