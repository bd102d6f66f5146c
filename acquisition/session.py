"""A session: a device feeds a recorder, which loses nothing, and a pipeline and viewers, which may skip.

::

    device --capture thread--+--> lossless queue --recorder thread--> file
                             +--> queue ----------pipeline thread---> subscriptions

Only the capture thread talks to the running device (unless it hangs there when the session is to stop), and only the
recorder thread to the file. Whatever ends the session (the end of the stream, a limit, `Session.stop`, an error
anywhere), the order is the same: the device stops, the recorder writes what waits and closes the file, the pipeline
finishes, the subscriptions end.
"""

import contextlib
import logging
import math
import shutil
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from isactrack.acquisition.counters import Counters
from isactrack.acquisition.pipeline import Pipeline, SettingsChange
from isactrack.acquisition.priority import give_way
from isactrack.acquisition.queues import BoundedQueue, LosslessQueue, QueueClosedError, SkippingQueue
from isactrack.acquisition.recorder_tap import Item, Recorder, RecorderTap, RecordingLimits, unexpected
from isactrack.acquisition.settings_text import event_texts
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.drivers.device import Device, host_clocks
from isactrack.errors import DeviceError, DeviceStateError, IsacError
from isactrack.events import Event, EventKind
from isactrack.frame import Frame
from isactrack.processing.chains import AnyChainConfig
from isactrack.processing.products import Product
from isactrack.sensor import Sensor
from isactrack.source import Source
from isactrack.tracking.config import TrackerConfig

RECORDER_CAPACITY, RECORDER_PATIENCE_S = 64, 2.0
"""Frames, or seconds of fast ones, that may wait for the disk before the device has to."""
PIPELINE_CAPACITY, PIPELINE_PATIENCE_S = 4, 0.2
"""The same for the pipeline before it skips; few, because a live view wants new ones."""
LOSSLESS_PIPELINE_CAPACITY, LOSSLESS_PIPELINE_PATIENCE_S = 64, 10.0
"""The same for a pipeline that must not skip before the device has to wait too."""
MAX_WAITING_BYTES = 64 * 2**20
"""Memory that the seconds of a queue may take; the frames above may wait in any case."""
EVENTS_KEPT = 1000
"""Events that are kept for who watches."""
LATENCY_FRAMES = 100
"""Frames over which latency percentiles are taken."""

STOP_PATIENCE_S = 1.0
"""Time that the capture thread has to come back from the device before the device is stopped under it."""

_log = logging.getLogger(__name__)


class Subscription(SkippingQueue[Snapshot]):
    """Snapshots for one viewer: `drain` takes what is new, `skipped` counts what the viewer was too slow for."""


class Session:
    """Run a configured device until its stream ends, a limit is reached, `stop` is called or something fails.

    The session owns what it is given: `close` also closes the device and the recorder. With ``with`` the session is
    closed at the end of the block.

    Parameters
    ----------
    device
        A configured device.
    recorder
        Where every frame goes; None records nothing.
    pipeline
        What makes snapshots of frames for the subscriptions; None makes none.
    max_frames
        Frames to take; None for no limit.
    duration_s
        Time to take, on the device's clock; None for no limit.
    lossless_pipeline
        True makes the device wait for the pipeline, for replays in which every frame counts.
    """

    def __init__(
        self,
        device: Device,
        *,
        recorder: Recorder | None = None,
        pipeline: Pipeline | None = None,
        max_frames: int | None = None,
        duration_s: float | None = None,
        lossless_pipeline: bool = False,
    ) -> None:
        self._device = device
        self._pipeline = pipeline
        self._max_frames = max_frames
        self._duration_s = duration_s
        sensor = device.sensor
        self._recorder_room = room(sensor, RECORDER_CAPACITY, RECORDER_PATIENCE_S)
        self._tap: RecorderTap | None = None  # who gets the frames now
        if recorder is not None:
            self._tap = RecorderTap(recorder, self._recorder_room, self._reason)
        self._last_tap = self._tap
        self._own_events: deque[Event] = deque()  # of this session, not yet handed to the recorder
        self._happened: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._events_so_far = 0
        self._pipeline_queue: BoundedQueue[Item] = (
            LosslessQueue(room(sensor, LOSSLESS_PIPELINE_CAPACITY, LOSSLESS_PIPELINE_PATIENCE_S))
            if lossless_pipeline
            else SkippingQueue(room(sensor, PIPELINE_CAPACITY, PIPELINE_PATIENCE_S))
        )
        self._subscriptions: list[Subscription] = []
        self._threads: list[threading.Thread] = []
        self._live_threads = 0
        self._stopping = threading.Event()
        self._stop_deadline_s = math.inf
        self._captured = threading.Event()
        self._device_lock = threading.Lock()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._error: IsacError | None = None
        # A replay keeps the counters and the clock readings of its recording: they say nothing about this run.
        self._is_replay = device.info.source is Source.REPLAY
        self._counters = Counters(device.sensor, first_counter=None if self._is_replay else 0)
        self._latencies_ms: deque[float] = deque(maxlen=LATENCY_FRAMES)
        self._received = 0  # frames that had come, or were known to be missing, when the session was asked to stop

    # --- control -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the device and the threads.

        Raises
        ------
        DeviceStateError
            If the session was started before or the device is not configured.
        DeviceError
            If the device does not start; the recorder is closed then.
        """
        if self._threads or self._ended.is_set():
            raise DeviceStateError("this session was started before", "make a new session for another run")
        jobs: list[tuple[str, Callable[[], None]]] = [("capture", self._capture)]
        if self._tap is not None:
            jobs.append(("recorder", self._recording(self._tap)))
        if self._pipeline is not None:
            jobs.append(("pipeline", self._process))
        try:
            self._device.start()
            self._counters.begin()
            _log.info(
                "started %s at %.4g Hz, recording to %s", self._device.info.url, self._counters.nominal_rate_hz,
                "nothing" if self._tap is None else self._tap.recorder.path,
            )  # fmt: skip
            self._live_threads = len(jobs)
            self._threads = [
                threading.Thread(target=self._run, args=(name, job), name=f"isactrack-{name}") for name, job in jobs
            ]
            for thread in self._threads:
                thread.start()
        except BaseException:
            self._abort_start()
            raise

    def stop(self) -> None:
        """Ask the session to end and return at once, from any thread.

        What was taken is still recorded. So is what the device has received until now, as far as the recorder takes it
        within `STOP_PATIENCE_S`; the rest counts as missing.
        """
        if not self._stopping.is_set():
            if not self._is_replay:  # what a replay does not give out stays in its file
                stats = self._device.stats
                self._received = stats.frames + stats.missing_frames
            self._stop_deadline_s = time.monotonic() + STOP_PATIENCE_S
            self._stopping.set()

    def start_recording(self, recorder: Recorder, limits: RecordingLimits | None = None) -> None:
        """Record from now on, while the session runs; it goes on if this recorder fails (`Health.recording_error`).

        Parameters
        ----------
        recorder
            Where the frames go; it is closed at the end of the recording. It remains the caller's if this raises.
        limits
            When the recording ends by itself; None for no limits.

        Raises
        ------
        DeviceStateError
            If the session does not run, or records already.
        """
        with self._lock:
            if not self._threads or self._captured.is_set():
                raise DeviceStateError("this session does not run", "start it before recording")
            last = self._last_tap
            if self._tap is not None or (last is not None and not last.finished):
                raise DeviceStateError("this session records already", "stop that recording first")
            tap = RecorderTap(recorder, self._recorder_room, self._reason, fatal=False, limits=limits)
            thread = threading.Thread(
                target=self._run, args=("recorder", self._recording(tap)), name="isactrack-recorder"
            )
            self._threads.append(thread)
            self._live_threads += 1
            thread.start()
            self._tap = self._last_tap = tap
        _log.info("recording to %s from now on", recorder.path)

    def stop_recording(self, reason: str = "stopped") -> None:
        """End the recording and return at once; the session goes on, and nothing happens if it does not record.

        What was taken until now is still written, see `Health.recording`.
        """
        with self._lock:
            tap, self._tap = self._tap, None
        if tap is not None:
            events = self._take_own_events()
            self._note_events(events)
            tap.close(reason, events)

    def mark(self, text: str) -> Event:
        """Put a marker of the person who records into the recording, from any thread, and return it.

        It carries the time of this call and reaches the recorder with the next frame, or at the end; this never waits.

        Parameters
        ----------
        text
            What the marker says, one line.

        Raises
        ------
        DeviceStateError
            If the session does not run.
        """
        event = new_event(EventKind.MARKER, " ".join(text.split()))
        self.add_event(event)
        return event

    def add_event(self, event: Event) -> None:
        """Put an event into the recording, as `mark` does; DeviceStateError if the session does not run."""
        with self._lock:
            if not self._threads or self._captured.is_set():
                raise DeviceStateError("this session does not run", "set markers between its start and its end")
            self._own_events.append(event)

    def reconfigure(
        self, chain_config: AnyChainConfig | None = None, tracker_config: TrackerConfig | None = None
    ) -> SettingsChange:
        """Process with other settings from the next frame on, and note them in the recording; from any thread.

        It may take as long as it takes to make a chain, see `Pipeline.reconfigure`. The recording gets events of
        `EventKind.SESSION` that name each setting with its former and its new value.

        Parameters
        ----------
        chain_config, tracker_config
            The settings; None to keep those that there are.

        Raises
        ------
        ConfigError
            If the settings do not suit the sensor; everything goes on as it was.
        DeviceStateError
            If the session does not run, or has no pipeline.
        """
        if self._pipeline is None:
            raise DeviceStateError("this session processes nothing", "its settings are those of a later processing")
        if not self._threads or self._captured.is_set():
            raise DeviceStateError("this session does not run", "open it again with the other settings")
        change = self._pipeline.reconfigure(chain_config, tracker_config)
        with contextlib.suppress(DeviceStateError):  # it may have ended meanwhile
            for text in event_texts("settings: ", change.changes):
                self.add_event(new_event(EventKind.SESSION, text))
        return change

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the session.

        Parameters
        ----------
        timeout_s
            Longest wait; None waits for the end.

        Returns
        -------
        bool
            Whether the session has ended: the file is closed and no thread runs.

        Raises
        ------
        IsacError
            What ended the session, if that was an error.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        # In slices, because a wait without end cannot be interrupted by Ctrl-C on Windows.
        while not self._ended.wait(_slice(deadline)):
            if time.monotonic() >= self._stop_deadline_s and not self._captured.is_set():
                self._stop_deadline_s = math.inf
                self._stop_hanging_device()
            if deadline is not None and time.monotonic() >= deadline:
                return False
        for thread in self._threads:
            thread.join()
        if self._error is not None:
            raise self._error
        return True

    def close(self) -> None:
        """Stop, wait for the end, close recorder and device; may be called again.

        An error that ended the session stays in `health` and is raised by `wait`, not here.
        """
        self.stop()
        if not self._threads:
            self._close_recorder("never started")
            self._end()
        with contextlib.suppress(IsacError):
            self.wait()
        self._device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pipeline(self) -> Pipeline | None:
        """What makes the snapshots; its settings change through `reconfigure`."""
        return self._pipeline

    # --- what viewers see --------------------------------------------------------------------------------------------

    def want(self, products: frozenset[Product]) -> None:
        """Have the pipeline make these for views besides, from the next snapshot on; from any thread, at any time."""
        if self._pipeline is not None:
            self._pipeline.wanted = products

    def events_since(self, seen: int) -> tuple[list[Event], int]:
        """Return what happened since the first `seen` events of this session, and how many there are by now.

        Of more than `EVENTS_KEPT` events the oldest are left out.
        """
        with self._lock:
            count = min(self._events_so_far - seen, len(self._happened))
            return list(self._happened)[len(self._happened) - count :] if count > 0 else [], self._events_so_far

    def subscribe(self, capacity: int = 2) -> Subscription:
        """Return a subscription to the snapshots from now on.

        Parameters
        ----------
        capacity
            Snapshots that may wait; older ones are skipped and counted.
        """
        subscription = Subscription(capacity)
        with self._lock:
            self._subscriptions.append(subscription)
            if self._ended.is_set():
                subscription.close()
        return subscription

    def health(self) -> Health:
        """Return counters and rates of this moment."""
        info, stats = self._device.info, self._device.stats
        counters, tap, pipeline = self._counters, self._last_tap, self._pipeline
        recorder = None if tap is None else tap.recorder
        with self._lock:
            viewer_skipped = sum(s.skipped for s in self._subscriptions)
            latencies = list(self._latencies_ms)
        return Health(
            url=info.url,
            model=info.model,
            source=info.source,
            origin=info.origin,
            running=bool(self._threads) and not self._ended.is_set(),
            elapsed_s=counters.elapsed_s(),
            frames=counters.frames,
            frame_rate_hz=counters.rate_hz(),
            nominal_rate_hz=counters.nominal_rate_hz,
            incomplete_frames=counters.incomplete,
            unusable_frames=counters.unusable,
            flags=counters.flags,
            missing_frames=counters.missing,
            lost_bytes=counters.lost_bytes,
            lost_share=counters.lost_share,
            packets=stats.packets,
            late_packets=stats.late_packets,
            rejected_packets=stats.rejected_packets,
            overruns=stats.overruns,
            card_overflows=stats.card_overflows,
            recorded_frames=recorder.frames_written if recorder else 0,
            recorded_bytes=recorder.bytes_written if recorder else 0,
            recorder_queue=0 if tap is None else tap.waiting,
            recording=tap is not None and not tap.finished,
            recorded_s=0.0 if tap is None else tap.elapsed_s,
            recording_error=None if tap is None else tap.error,
            recording_path=str(recorder.path) if recorder else None,
            disk_free_bytes=_disk_free(recorder.path) if recorder else None,
            pipeline_skipped=self._pipeline_queue.skipped if isinstance(self._pipeline_queue, SkippingQueue) else 0,
            left_out=pipeline.left_out if pipeline else 0,
            viewer_skipped=viewer_skipped,
            discarded_frames=pipeline.discarded_frames if pipeline else 0,
            latency_p50_ms=_percentile(latencies, 50),
            latency_p99_ms=_percentile(latencies, 99),
            error=self._error,
        )

    # --- threads -----------------------------------------------------------------------------------------------------

    def _run(self, name: str, job: Callable[[], None]) -> None:
        """Run a thread's job, keep its error, and end the session with the last thread."""
        try:
            job()
        except Exception as error:  # noqa: BLE001 - a thread has no caller; `wait` raises what is kept here
            self._fail(name, error)
        with self._lock:
            self._live_threads -= 1
            last = self._live_threads == 0
        if last:
            self._end()

    def _capture(self) -> None:
        limited = False
        try:
            limited = self._take_frames()
        except QueueClosedError:
            pass  # the recorder or the pipeline has failed and left; its error is kept
        except DeviceError as error:
            if not self._stopping.is_set():  # else the device was stopped, or silent, while the session ended
                self._fail("capture", error)
        except Exception as error:  # noqa: BLE001 - kept before the recorder closes, which notes why it ended
            self._fail("capture", error)
        finally:
            with self._lock:  # what was marked before this is still handed out below
                self._captured.set()
            self._counters.end()
            if not limited:
                self._counters.expect(self._received)
            try:
                self._stop_device()
            finally:
                with contextlib.suppress(QueueClosedError):
                    self._hand_out_events()
                self._end_recording()
                self._pipeline_queue.close()

    def _take_frames(self) -> bool:
        """Take frames to the end and return whether a limit was that: what comes after it is not missed."""
        while not self._stopping.is_set() or self._counters.due < self._received:
            frame = self._device.read()
            if frame is None:
                if not (self._stopping.is_set() or self._is_replay):
                    self._counters.expect(self._device.frame_count)
                return False
            self._counters.take(frame)
            self._hand_out(frame)
            self._hand_out_events()
            if self._limit_reached(frame):
                _log.info("the limit is reached after %d frames", self._counters.frames)
                return True
        return False

    def _stop_device(self) -> None:
        with self._device_lock:
            self._device.stop()

    def _stop_hanging_device(self) -> None:
        try:
            self._stop_device()
        except DeviceError as error:
            self._fail("capture", error)

    def _hand_out(self, frame: Frame) -> None:
        arrived_ns = time.monotonic_ns() if self._is_replay else frame.host_monotonic_ns
        item = frame, self._device.truth(frame), arrived_ns
        tap = self._tap
        if tap is not None:
            self._record_frame(tap, item)
        if self._pipeline is not None:
            self._pipeline_queue.put(item)

    def _record_frame(self, tap: RecorderTap, item: Item) -> None:
        """Give a frame to the recorder; one that was attached later may fail, or have enough, without ending all."""
        try:
            more = tap.put_frame(item, self._device.sensor)
        except QueueClosedError:
            if tap.fatal:
                raise
            more = False
        if not more:
            tap.close("the limit of the recording is reached")
            self._detach(tap)

    def _detach(self, tap: RecorderTap) -> None:
        with self._lock:
            if self._tap is tap:
                self._tap = None

    def _end_recording(self) -> None:
        with self._lock:
            tap, self._tap = self._tap, None
        if tap is not None:
            tap.close()

    def _hand_out_events(self) -> None:
        """Give the recorder what happened beside the frames since the last call."""
        events = self._device.take_events()
        for event in events:
            _log.info("%s: %s", event.kind, event.text)
        events += self._take_own_events()
        self._note_events(events)
        packets = self._device.take_side_packets()
        tap = self._tap
        if tap is None:
            return
        try:
            for event in events:
                tap.put(event)
            for packet in packets:
                tap.put(packet)
        except QueueClosedError:
            if tap.fatal:
                raise

    def _note_events(self, events: list[Event]) -> None:
        """Keep events for who watches."""
        if events:
            with self._lock:
                self._happened.extend(events)
                self._events_so_far += len(events)

    def _take_own_events(self) -> list[Event]:
        with self._lock:
            events = list(self._own_events)
            self._own_events.clear()
        return events

    def _limit_reached(self, frame: Frame) -> bool:
        if self._max_frames is not None and self._counters.frames >= self._max_frames:
            return True
        if self._duration_s is None:
            return False
        period = self._device.sensor.frame_period_s
        covered = frame.device_time_s - self._counters.first_time_s + period
        return covered > self._duration_s - period / 2

    def _recording(self, tap: RecorderTap) -> Callable[[], None]:
        """Return what the thread of a recorder does."""

        def record() -> None:
            try:
                tap.run()
            except Exception as error:  # noqa: BLE001 - kept before the recorder closes, which notes why it ended
                self._fail("recorder", error)
            finally:
                tap.finish()

        return record

    def _process(self) -> None:
        pipeline = self._pipeline
        if pipeline is None:
            return
        try:
            queue = self._pipeline_queue
            if isinstance(queue, SkippingQueue):
                give_way()
            for frame, truth, arrived_ns in queue:
                hurry = isinstance(queue, SkippingQueue) and 2 * len(queue) > queue.capacity
                snapshot = pipeline.push(frame, truth, hurry=hurry)
                if snapshot is not None:
                    self._show(snapshot, arrived_ns)
        finally:
            self._pipeline_queue.close()

    def _show(self, snapshot: Snapshot, arrived_ns: int) -> None:
        with self._lock:
            self._latencies_ms.append((time.monotonic_ns() - arrived_ns) * 1e-6)
            subscriptions = list(self._subscriptions)
        if subscriptions:
            # Made here, because a map that waits in a viewer's queue to be made holds the samples that it is made of.
            _ = snapshot.spectrum.power
        for subscription in subscriptions:
            subscription.put(snapshot)

    def _abort_start(self) -> None:
        """Undo a start that failed or was interrupted, whichever threads run already."""
        self._stopping.set()
        if self._last_tap is not None:
            self._last_tap.close()
        self._pipeline_queue.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._threads.clear()
        with contextlib.suppress(DeviceError):  # what failed first is what is to be told
            self._stop_device()
        self._close_recorder("the device did not start")
        self._end()

    # --- the end -----------------------------------------------------------------------------------------------------

    def _fail(self, name: str, error: Exception) -> None:
        """Keep the first error and ask everybody to stop."""
        if not isinstance(error, IsacError):
            error = unexpected(name, error)
        with self._lock:
            self._error = self._error or error
            self._own_events.append(new_event(EventKind.SESSION, " ".join(f"{name} failed: {error}".split())))
        self.stop()

    def _reason(self) -> str:
        if self._error is not None:
            reason = f"error: {self._error}"
        else:
            reason = "stopped" if self._stopping.is_set() else "finished"
        missing = self._counters.missing_at_end
        return f"frames missing at the end: {missing}; {reason}" if missing else reason

    def _close_recorder(self, reason: str) -> None:
        if self._last_tap is not None:
            self._last_tap.close(reason)
            self._last_tap.recorder.close(reason=reason)

    def _end(self) -> None:
        counters = self._counters
        _log.info(
            "ended: %d frames, %d missing, %d incomplete, %d bytes lost",
            counters.frames, counters.missing, counters.incomplete, counters.lost_bytes,
        )  # fmt: skip
        with self._lock:
            for subscription in self._subscriptions:
                subscription.close()
            self._ended.set()


def room(sensor: Sensor, frames: int, seconds: float) -> int:
    """Return how many frames of a sensor may wait: at least so many, and of a fast one so many seconds.

    Parameters
    ----------
    sensor
        The sensor that sends them.
    frames, seconds
        The frames that may wait in any case, and the time that may, as far as that stays in `MAX_WAITING_BYTES`.
    """
    in_time = math.ceil(seconds / sensor.frame_period_s - 1e-9)
    return max(frames, min(in_time, MAX_WAITING_BYTES // sensor.frame_bytes))


def new_event(kind: EventKind, text: str) -> Event:
    """Return an event of this moment."""
    monotonic_ns, utc_ns = host_clocks()
    return Event(host_monotonic_ns=monotonic_ns, host_utc_ns=utc_ns, kind=kind, text=text)


def _slice(deadline: float | None) -> float:
    return 0.2 if deadline is None else min(0.2, max(0.0, deadline - time.monotonic()))


def _percentile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _disk_free(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path.resolve().parent).free
    except OSError:
        return None
