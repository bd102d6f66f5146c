"""From frames to tracks, one frame at a time."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from isactrack.acquisition.compiling import explained_if_slow
from isactrack.acquisition.settings_text import changed_settings
from isactrack.acquisition.snapshot import Snapshot
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.chains import AnyChainConfig, Chain, make_chain
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.processing.products import Product
from isactrack.sensor import Sensor
from isactrack.tracking.config import TrackerConfig, bistatic_tracker_config
from isactrack.tracking.tracker import Tracker
from isactrack.tracks import Track
from isactrack.truth import Truth

if TYPE_CHECKING:
    from isactrack.processing.products import MovingBlocks
    from isactrack.processing.slow_time import SlowTime


def default_tracker_config(
    sensor: Sensor, chain_config: AnyChainConfig | None = None, **settings: Any
) -> TrackerConfig:
    """Return the settings of a tracker that suit a sensor and its chain.

    Parameters
    ----------
    sensor
        The sensor.
    chain_config
        Settings of its chain, which say how often a radio is estimated from; None for their defaults.
    **settings
        Any field of `TrackerConfig` that is to differ.

    Raises
    ------
    ConfigError
        If a setting cannot work.
    """
    if isinstance(sensor, FmcwSensor):
        return TrackerConfig(**settings)
    ofdm = chain_config if isinstance(chain_config, OfdmChainConfig) else OfdmChainConfig()
    return bistatic_tracker_config(ofdm.hop_blocks * sensor.frame_period_s, **settings)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """What other settings of a running pipeline bring.

    Attributes
    ----------
    changes
        Each setting that is another one now, e.g. ``"chain.p_fa 1e-06 -> 1e-08"``; none if nothing changes.
    begins_anew
        What cannot go on as it was, for people.
    """

    changes: tuple[str, ...] = ()
    begins_anew: tuple[str, ...] = ()


class Pipeline:
    """A detection chain and a tracker behind each other.

    Parameters
    ----------
    sensor
        The sensor as it really runs.
    chain_config, tracker_config
        Settings of the two; None for the defaults of the kind of sensor.

    Raises
    ------
    ConfigError
        If the settings do not suit the sensor.
    """

    def __init__(
        self,
        sensor: Sensor,
        chain_config: AnyChainConfig | None = None,
        tracker_config: TrackerConfig | None = None,
    ) -> None:
        self._sensor = sensor
        self._chain_config = chain_config or (ChainConfig() if isinstance(sensor, FmcwSensor) else OfdmChainConfig())
        self._tracker_config = tracker_config or default_tracker_config(sensor, chain_config)
        with explained_if_slow():
            self._chain = make_chain(sensor, self._chain_config)
            self._tracker = Tracker(self._tracker_config)
        self._reconfiguring = threading.Lock()  # one caller at a time; making a chain may take long
        self._next_lock = threading.Lock()  # never held for long: the pipeline's thread takes it with each frame
        self._next_chain: Chain | None = None
        self._next_tracker: Tracker | None = None
        self._former_discarded = self._former_left_out = 0
        self._tx_position_m = None if isinstance(sensor, FmcwSensor) else sensor.tx_position_m
        # The frames that the next output is made of: counter, whether it is complete, and truth of each.
        self._interval: deque[tuple[int, bool, Truth | None]] = deque(maxlen=self._chain.interval_frames)
        self._index = 0

    @property
    def wanted(self) -> frozenset[Product]:
        """What is made for views besides; nothing at first, so that what nobody looks at costs nothing.

        It may be set from any thread, and counts from the next snapshot on. What a sensor does not have is left out.
        """
        return self._chain.wanted

    @wanted.setter
    def wanted(self, products: Iterable[Product]) -> None:
        with self._next_lock:  # else it might be set on a chain that is just being replaced
            self._chain.wanted = frozenset(products)

    @property
    def discarded_frames(self) -> int:
        """Frames that came and were of no use to the chain."""
        return self._former_discarded + self._chain.discarded_frames

    @property
    def left_out(self) -> int:
        """Outputs that were left out in a hurry."""
        return self._former_left_out + self._chain.left_out

    @property
    def sensor(self) -> Sensor:
        """The sensor whose frames are taken."""
        return self._sensor

    @property
    def chain_config(self) -> AnyChainConfig:
        """Settings of the chain; after `reconfigure` the new ones, though the next frame is the first with them."""
        return self._chain_config

    @property
    def tracker_config(self) -> TrackerConfig:
        """Settings of the tracker, likewise."""
        return self._tracker_config

    def reconfigure(
        self, chain_config: AnyChainConfig | None = None, tracker_config: TrackerConfig | None = None
    ) -> SettingsChange:
        """Go on with other settings from the next frame on; from any thread, while `push` runs in another.

        A chain with other settings begins anew: what it has learned of what stands still is learned again, and tracks
        coast meanwhile. A tracker with other settings goes on with all tracks and their identities
        (`Tracker.take_over`). What does not change is not touched.

        Parameters
        ----------
        chain_config, tracker_config
            The settings; None to keep those that there are.

        Raises
        ------
        ConfigError
            If the settings do not suit the sensor; everything goes on as it was.
        """
        with self._reconfiguring:
            chain_config = self._chain_config if chain_config is None else chain_config
            tracker_config = self._tracker_config if tracker_config is None else tracker_config
            chain, tracker = None, None
            with explained_if_slow():
                if chain_config != self._chain_config:
                    chain = make_chain(self._sensor, chain_config)
                if tracker_config != self._tracker_config:
                    tracker = Tracker(tracker_config)
            changes = (
                *changed_settings("chain", self._chain_config, chain_config),
                *changed_settings("tracker", self._tracker_config, tracker_config),
            )
            shorter = tracker_config.confirm_window != self._tracker_config.confirm_window
            with self._next_lock:
                self._next_chain, self._next_tracker = chain or self._next_chain, tracker or self._next_tracker
            self._chain_config, self._tracker_config = chain_config, tracker_config
        return SettingsChange(changes, _begins_anew(chain is not None, shorter))

    def push(self, frame: Frame, truth: Truth | None = None, *, hurry: bool = False) -> Snapshot | None:
        """Process a frame; return what its coherent interval shows, or None while the interval is not full.

        Parameters
        ----------
        frame
            The next frame, in order of its counter; a jump of the counter starts a new interval.
        truth
            Where the targets really are at the centre of the frame, if that is known.
        hurry
            Whether others wait behind it, see `Chain`.

        Raises
        ------
        ConfigError
            If the frame is not one of this sensor's.
        """
        self._take_settings()
        self._interval.append((frame.counter, frame.complete, truth))
        output = self._chain(frame, hurry=hurry)
        if output is None:
            return None
        tracks = tuple(self._tracker.step(output.detections))
        snapshot = Snapshot(
            index=self._index,
            frame_counter=frame.counter,
            time_s=output.time_s,
            complete=self._is_complete(),
            spectrum=output.spectrum,
            detections=output.detections,
            tracks=tracks,
            truth=self._truth_at(output.time_s),
            tx_position_m=self._tx_position_m,
            host_monotonic_ns=frame.host_monotonic_ns,
            host_complete_ns=frame.host_complete_ns,
            channel=output.products.channel,
            range_azimuth=output.products.range_azimuth,
            slow_time=_slow_time(output.products.blocks, tracks),
        )
        self._index += 1
        return snapshot

    def _take_settings(self) -> None:
        """Take what `reconfigure` has made; in the thread of `push`, between two frames."""
        with self._next_lock:
            chain, tracker = self._next_chain, self._next_tracker
            self._next_chain = self._next_tracker = None
            if chain is not None:
                self._former_discarded += self._chain.discarded_frames
                self._former_left_out += self._chain.left_out
                chain.wanted = self._chain.wanted
                self._chain = chain
        if chain is not None:
            self._interval = deque(maxlen=chain.interval_frames)
        if tracker is not None:
            tracker.take_over(self._tracker)
            self._tracker = tracker

    def _is_complete(self) -> bool:
        """Return whether every byte of the interval arrived, and no frame of it is missing."""
        whole = all(complete for _, complete, _ in self._interval)
        return whole and all(later == counter + 1 for (counter, *_), (later, *_) in pairwise(self._interval))

    def _truth_at(self, time_s: float) -> Truth | None:
        """Return the truth nearest to the centre of the interval."""
        known = [truth for *_, truth in self._interval if truth is not None]
        return min(known, key=lambda truth: abs(truth.time_s - time_s), default=None)


def _begins_anew(chain: bool, window: bool) -> tuple[str, ...]:
    """Return what other settings cannot keep: of a chain, and of a tracker whose window of confirmation changed."""
    told = []
    if chain:
        told.append("the chain learns again what stands still; tracks coast until it has")
    if window:
        told.append("steps that the new window of confirmation does not know count as not seen")
    return tuple(told)


def _slow_time(blocks: "MovingBlocks | None", tracks: tuple[Track, ...]) -> "SlowTime | None":
    """Return what the blocks show at the tracks."""
    if blocks is None:
        return None
    from isactrack.processing.slow_time import slow_time  # what a radar does not need

    return slow_time(blocks, [track.track_id for track in tracks], [track.position_m for track in tracks])
