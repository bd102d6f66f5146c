"""The contract of a device, as one call.

``check_device(lambda: open_device("sim://awr1642"))`` runs every check on fresh devices and raises AssertionError with
the name of the promise that is broken. Hardware drivers pass it as simulated ones do; it needs no test framework.
"""

import threading
import time
from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np

from isactrack.drivers.device import Device, DeviceState
from isactrack.errors import DeviceStateError, IsacError
from isactrack.events import Event, EventKind, SidePacket
from isactrack.frame import Frame
from isactrack.ofdm import OfdmSensor
from isactrack.sensor import Sensor
from isactrack.source import Source

MakeDevice = Callable[[], Device]


def check_device(make: MakeDevice, *, frames: int = 3) -> None:
    """Check every promise of the device contract.

    Parameters
    ----------
    make
        Opens a fresh device; called several times, one device at a time.
    frames
        Frames that are read from each run; the device must be able to yield that many.

    Raises
    ------
    AssertionError
        If the device breaks a promise.
    """
    for check in (check_lifecycle, check_order_of_calls, check_failed_configure, check_close):
        check(make)
    check_frames(make, frames=frames)
    check_restart(make, frames=frames)
    check_beside_the_frames(make, frames=frames)


def check_lifecycle(make: MakeDevice) -> None:
    """Check that states follow the calls and that the device tells what it is."""
    with make() as device:
        _is(device, DeviceState.OPEN, "a fresh device")
        info = device.info
        assert info.url and info.model, f"the device does not say what it is: {info}"
        assert isinstance(info.source, Source), f"the source {info.source!r} is no Source"
        assert info.origin is not Source.REPLAY, "the origin of samples is never a replay"
        sensor = device.configure()
        _is(device, DeviceState.CONFIGURED, "after configure() the device")
        assert isinstance(sensor, Sensor), "configure() returns the sensor as it really runs"
        assert device.sensor == sensor, "`sensor` is what configure() returned"
        device.start()
        _is(device, DeviceState.STREAMING, "after start() the device")
        device.stop()
        _is(device, DeviceState.CONFIGURED, "after stop() the device")
    _is(device, DeviceState.CLOSED, "after `with` the device")


def check_order_of_calls(make: MakeDevice) -> None:
    """Check that calls in the wrong order are refused and change nothing."""
    with make() as device:
        _refuses(device.start, "start() before configure()")
        _refuses(device.read, "read() before start()")
        _refuses(lambda: next(device.frames()), "frames() before start()")
        _refuses(lambda: device.sensor, "`sensor` before configure()")
        _is(device, DeviceState.OPEN, "after refused calls the device")
        device.stop()
        device.configure()
        _refuses(device.read, "read() before start()")


def check_failed_configure(make: MakeDevice) -> None:
    """Check that a profile that is refused leaves nothing of the one before it, and that a good one then works."""
    with make() as device:
        device.configure()
        try:
            device.configure("this is no profile of any device")
        except IsacError as error:
            assert error.hint, "a profile is refused without a hint"
        else:
            raise AssertionError("a profile that makes no sense was not refused")
        _is(device, DeviceState.OPEN, "after a configure() that failed the device")
        _refuses(lambda: device.sensor, "`sensor` after a configure() that failed")
        _refuses(device.start, "start() after a configure() that failed")
        device.configure()
        _is(device, DeviceState.CONFIGURED, "after configure() the device")


def check_close(make: MakeDevice) -> None:
    """Check that close() releases everything, may be repeated, and ends a running stream."""
    for _ in range(2):  # a second device finds every port and file free again
        device = make()
        device.configure()
        device.start()
        assert device.read(10.0) is not None, "a started device yields frames"
        device.close()
        device.close()
        device.stop()
        _refuses(device.configure, "configure() after close()")
    device = make()
    device.close()


def check_frames(make: MakeDevice, *, frames: int) -> None:
    """Check shape, order, clocks and counters of the frames."""
    with make() as device:
        sensor = device.configure()
        before_ns = time.monotonic_ns()
        device.start()
        taken = list(islice(device.frames(), frames))
        assert len(taken) == frames, f"{len(taken)} frames came instead of {frames}"
        for frame in taken:
            _check_frame(frame, sensor)
        for earlier, later in pairwise(taken):
            assert later.counter > earlier.counter, "counters must grow"
            assert later.device_time_s > earlier.device_time_s, "the device's clock must grow"
            if earlier.block is not None and later.block is not None:
                assert later.block.tick > earlier.block.tick, "the sample clock must grow"
            assert later.host_monotonic_ns >= earlier.host_monotonic_ns, "the host's clock must not go back"
            if isinstance(sensor, OfdmSensor) and not sensor.periodic:
                continue  # packets of a network come when they come
            expected_s = (later.counter - earlier.counter) * sensor.frame_period_s
            error_s = abs(later.device_time_s - earlier.device_time_s - expected_s)
            assert error_s < 0.01 * expected_s + 1e-6, f"the device's clock is {error_s} s off its counter"
        if device.info.source is not Source.REPLAY:
            assert taken[0].host_monotonic_ns >= before_ns, "a live frame arrives after start()"
        stats = device.stats
        assert stats.frames >= frames, f"the statistics count {stats.frames} frames, {frames} were read"
        lost = sum(frame.lost_bytes for frame in taken)
        assert stats.lost_bytes >= lost, f"the statistics count {stats.lost_bytes} lost bytes, the frames {lost}"
        if (truth := device.truth(taken[0])) is not None:
            start_s = taken[0].device_time_s
            assert start_s <= truth.time_s <= start_s + sensor.frame_period_s, "the truth is not that of the frame"


def check_restart(make: MakeDevice, *, frames: int) -> None:
    """Check that a stopped device starts again, from its first frame, and that stop() ends frames()."""
    with make() as device:
        device.configure()
        first_counters = set()
        for attempt in range(2):
            device.start()
            counters: list[int] = []
            for frame in device.frames():
                counters.append(frame.counter)
                if len(counters) == frames:
                    device.stop()
            assert len(counters) == frames, f"run {attempt + 1}: frames() went on after stop()"
            first_counters.add(counters[0])
        assert len(first_counters) == 1, f"the runs began at different frames: {sorted(first_counters)}"
        device.configure()
        device.start()
        assert device.read(10.0) is not None, "after a second configure() the device yields frames"


def check_beside_the_frames(make: MakeDevice, *, frames: int) -> None:
    """Check that events and side packets can be taken in any state and from another thread, each of them once."""
    device = make()
    stopped, failures = threading.Event(), list[BaseException]()

    def take_meanwhile() -> None:
        try:
            while not stopped.wait(0.001):
                _take(device)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that asked
            failures.append(error)

    with device:
        _take(device)
        device.configure()
        _take(device)
        other = threading.Thread(target=take_meanwhile)
        device.start()
        other.start()
        try:
            taken = list(islice(device.frames(), frames))
        finally:
            stopped.set()
            other.join()
        if failures:
            raise failures[0]
        assert len(taken) == frames, f"{len(taken)} frames came instead of {frames} while events were taken"
        device.stop()
        _take(device)
    _take(device)
    assert _take(device) == 0, "what was taken from a closed device came again"


def _take(device: Device) -> int:
    """Take what came beside the frames, check it, and return how much it was."""
    events, packets = device.take_events(), device.take_side_packets()
    assert isinstance(events, list), f"take_events() returns {type(events).__name__}, it must be a list"
    assert isinstance(packets, list), f"take_side_packets() returns {type(packets).__name__}, it must be a list"
    for event in events:
        assert isinstance(event, Event), f"take_events() holds {event!r}, which is no Event"
        assert isinstance(event.kind, EventKind), f"the kind {event.kind!r} of an event is no EventKind"
        assert event.text and "\n" not in event.text, f"an event says {event.text!r}, it must be one line"
    for packet in packets:
        assert isinstance(packet, SidePacket), f"take_side_packets() holds {packet!r}, which is no SidePacket"
        assert packet.kind.isascii() and 0 < len(packet.kind) <= 32, f"{packet.kind!r} is no kind of a packet"
        assert isinstance(packet.data, bytes), f"the data of a side packet are {type(packet.data).__name__}, not bytes"
    for name, times_ns in (
        ("events", [event.host_monotonic_ns for event in events]),
        ("side packets", [packet.host_monotonic_ns for packet in packets]),
    ):
        assert times_ns == sorted(times_ns), f"{name} come oldest first"
    return len(events) + len(packets)


def _check_frame(frame: Frame, sensor: Sensor) -> None:
    cube = sensor.decode(frame)
    assert cube.shape == sensor.cube_shape, f"a frame decodes to {cube.shape}, the sensor says {sensor.cube_shape}"
    assert np.all(cube[~sensor.decode_valid(frame)] == 0), "lost samples must be 0, never made up"
    if isinstance(sensor, OfdmSensor):
        assert frame.block is not None, "a radio tells of each block what it did to it"
        assert frame.block.tick >= 0, f"the tick {frame.block.tick} is negative"
    else:
        assert frame.block is None, "only a radio has blocks"
    assert frame.counter >= 0, f"the counter {frame.counter} is negative"
    assert frame.host_utc_ns >= 0, f"the UTC {frame.host_utc_ns} is negative"


def _is(device: Device, state: DeviceState, what: str) -> None:
    assert device.state is state, f"{what} is {device.state}, it must be {state}"


def _refuses(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except DeviceStateError as error:
        assert error.hint, f"{what} is refused without a hint"
        return
    raise AssertionError(f"{what} was not refused with a DeviceStateError")
