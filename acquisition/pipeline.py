"""From frames to tracks, one frame at a time."""

from collections import deque

from isactrack.acquisition.compiling import explained_if_slow
from isactrack.acquisition.snapshot import Snapshot
from isactrack.frame import Frame
from isactrack.processing.chain import ChainConfig, FmcwChain
from isactrack.sensor import Sensor, require_fmcw
from isactrack.tracking.tracker import Tracker, TrackerConfig
from isactrack.truth import Truth


class Pipeline:
    """A detection chain and a tracker behind each other.

    Parameters
    ----------
    sensor
        The sensor as it really runs.
    chain_config, tracker_config
        Settings of the two; None for their defaults.

    Raises
    ------
    ConfigError
        If the settings do not suit the sensor.
    """

    def __init__(
        self,
        sensor: Sensor,
        chain_config: ChainConfig | None = None,
        tracker_config: TrackerConfig | None = None,
    ) -> None:
        chain_config = chain_config or ChainConfig()
        with explained_if_slow():
            self._chain = FmcwChain(require_fmcw(sensor), chain_config)
            self._tracker = Tracker(tracker_config or TrackerConfig())
        # The frames that the next coherent interval is made of: (complete, truth) of each.
        self._interval: deque[tuple[bool, Truth | None]] = deque(maxlen=chain_config.coherent_frames)
        self._index = 0

    @property
    def discarded_frames(self) -> int:
        """Frames dropped because another frame of their coherent interval was missing."""
        return self._chain.discarded_frames

    def push(self, frame: Frame, truth: Truth | None = None) -> Snapshot | None:
        """Process a frame; return what its coherent interval shows, or None while the interval is not full.

        Parameters
        ----------
        frame
            The next frame, in order of its counter; a jump of the counter starts a new interval.
        truth
            Where the targets really are at the centre of the frame, if that is known.

        Raises
        ------
        ConfigError
            If the frame is not one of this sensor's.
        """
        self._interval.append((frame.complete, truth))
        output = self._chain(frame)
        if output is None:
            return None
        tracks = tuple(self._tracker.step(output.detections))
        snapshot = Snapshot(
            index=self._index,
            frame_counter=frame.counter,
            time_s=output.time_s,
            complete=all(complete for complete, _ in self._interval),
            spectrum=output.spectrum,
            detections=output.detections,
            tracks=tracks,
            truth=self._truth_at(output.time_s),
        )
        self._index += 1
        return snapshot

    def _truth_at(self, time_s: float) -> Truth | None:
        """Return the truth nearest to the centre of the interval."""
        known = [truth for _, truth in self._interval if truth is not None]
        return min(known, key=lambda truth: abs(truth.time_s - time_s), default=None)
