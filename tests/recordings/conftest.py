"""Small sensors, frames and files for the tests of recordings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isactrack import Event, EventKind, FmcwSensor, Frame, Pose, SidePacket, Source, Truth
from isactrack.recordings import RecordingHeader, RecordingWriter

MakeFrame = Callable[..., Frame]
Record = Callable[..., list[Frame]]


@pytest.fixture(scope="session")
def sensor() -> FmcwSensor:
    """A sensor whose frames have 2048 bytes."""
    return FmcwSensor(
        model="AWR1642", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=1e-5, adc_start_s=6e-6,
        ramp_end_s=6e-5, sample_rate_hz=5e6, samples_per_chirp=16, loops_per_frame=4, frame_period_s=0.05,
        tx_positions=(0.0, 2.0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def header(sensor: FmcwSensor) -> RecordingHeader:
    return RecordingHeader(
        sensor=sensor, source=Source.SIMULATED, origin=Source.SIMULATED, device_url="sim://awr1642?scene=crossing",
        device_model="AWR1642", serial_number="0042", firmware="3.6.2", profile_text="% µ-profile\r\nsensorStart\n",
        pose=Pose(x_m=1.0, y_m=-2.0, z_m=1.5, yaw_rad=0.3), note="two people, Käfer\n",
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_frame(sensor: FmcwSensor) -> MakeFrame:
    """Return a maker of frames, random but a function of the counter."""

    def make(counter: int, *, lost_groups: int = 0) -> Frame:
        rng = np.random.default_rng(counter)
        samples = rng.integers(-32768, 32767, size=sensor.frame_words, dtype=np.int16)
        valid = np.ones(samples.size // 4, dtype=np.bool_)
        valid[:lost_groups] = False
        samples[: 4 * lost_groups] = 0
        time_ns = int(counter * 50_000_000)
        return Frame(samples, valid, counter, counter * 0.05, 7_000_000 + time_ns, 1_700_000_000_000_000_000 + time_ns)

    return make


@pytest.fixture(scope="session")
def record(header: RecordingHeader, make_frame: MakeFrame) -> Record:
    """Return a recorder of `count` frames with two true targets each."""

    def make(path: Path, count: int) -> list[Frame]:
        frames = [make_frame(k) for k in range(count)]
        with RecordingWriter(path, header) as writer:
            for frame in frames:
                writer.append(frame, truth_of(frame))
        return frames

    return make


@pytest.fixture(scope="session")
def full(header: RecordingHeader, make_frame: MakeFrame) -> Record:
    """Return a recorder of `count` frames, some missing, some with holes, with all that is recorded beside them."""

    def make(path: Path, count: int, **options: Any) -> list[Frame]:
        frames = [make_frame(k + (k > 9), lost_groups=2 * (k % 4)) for k in range(count)]
        with RecordingWriter(path, header, **options) as writer:
            for k, frame in enumerate(frames):
                writer.append(frame, truth_of(frame))
                if k % 3 == 0:
                    writer.add_event(event_at(k))
                    writer.add_side_packet(side_packet_at(k))
        return frames

    return make


def event_at(k: int) -> Event:
    return Event(host_monotonic_ns=k, host_utc_ns=10**18 + k, kind=list(EventKind)[k % 5], text=f"Käfer no. {k}")


def side_packet_at(k: int) -> SidePacket:
    return SidePacket(host_monotonic_ns=k, host_utc_ns=10**18 + k, kind="mmw-demo-tlv", data=bytes(range(10 * k)))


def truth_of(frame: Frame) -> Truth:
    position = np.array([[frame.counter, 1.0], [2.0, frame.counter]])
    return Truth(frame.device_time_s + 0.01, np.array([3, 5], dtype=np.int64), position, -position)
