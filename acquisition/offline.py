"""A recording through the chain and the tracker, every frame of it, as fast as it goes."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.acquisition.compiling import explained_if_slow
from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError, RecordingError
from isactrack.fmcw import FmcwSensor
from isactrack.processing.chains import AnyChainConfig, AnyChainOutput, Chain, make_chain
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.recordings import Recording, TrackTable
from isactrack.tracking.metrics import ScoreSettings, TrackingScore, evaluate_tracks
from isactrack.tracking.tracker import TrackerConfig
from isactrack.tracks import TrackStatus

Progress = Callable[[int], None]
"""Called with the number of frames that are done."""


def detect(
    recording: Recording, config: AnyChainConfig | None = None, progress: Progress | None = None
) -> Iterator[AnyChainOutput]:
    """Yield what the chain makes of each coherent interval of a recording.

    Parameters
    ----------
    recording
        An open recording.
    config
        Settings of the chain; None for the defaults.
    progress
        Called after each frame.

    Raises
    ------
    ConfigError
        If the settings do not suit the recorded sensor.
    """
    with explained_if_slow():
        chain = make_chain(recording.sensor, config)
    yield from run_chain(recording, chain, progress)


def run_chain(recording: Recording, chain: Chain, progress: Progress | None = None) -> Iterator[AnyChainOutput]:
    """Yield what a chain of the recorded sensor makes of a recording; see `detect`."""
    for done, frame in enumerate(recording.frames(), start=1):
        output = chain(frame)
        if progress is not None:
            progress(done)
        if output is not None:
            yield output


def track(
    recording: Recording,
    chain_config: AnyChainConfig | None = None,
    tracker_config: TrackerConfig | None = None,
    progress: Progress | None = None,
) -> Iterator[Snapshot]:
    """Yield a snapshot, with its tracks and the truth if the file has it, of each coherent interval of a recording.

    Parameters
    ----------
    recording
        An open recording.
    chain_config, tracker_config
        Settings of the chain and the tracker; None for the defaults.
    progress
        Called after each frame.

    Raises
    ------
    ConfigError
        If the settings do not suit the recorded sensor.
    RecordingError
        If the times in the recording do not grow: nothing can be tracked through them.
    """
    yield from run_pipeline(recording, Pipeline(recording.sensor, chain_config, tracker_config), progress)


def run_pipeline(recording: Recording, pipeline: Pipeline, progress: Progress | None = None) -> Iterator[Snapshot]:
    """Yield a snapshot of each coherent interval of a recording from a pipeline of its sensor; see `track`.

    Raises
    ------
    RecordingError
        If the times in the recording do not grow.
    """
    _require_growing_times(recording)
    for index, frame in enumerate(recording.frames()):
        snapshot = pipeline.push(frame, recording.truth(index))
        if progress is not None:
            progress(index + 1)
        if snapshot is not None:
            yield snapshot


def _scored_frames(recording: Recording, table: TrackTable) -> NDArray[np.intp]:
    """Return the frames, ascending, at which tracks are scored: all of a radar, of a radio those nearest to steps."""
    if isinstance(recording.sensor, FmcwSensor):
        return np.arange(len(recording))
    frame_time_s, step_time_s = recording.device_time_s, np.unique(table.time_s)
    period_s = OfdmChainConfig().hop_blocks * recording.sensor.frame_period_s
    if step_time_s.size > 1:
        period_s = float(np.median(np.diff(step_time_s)))
    origin_s = float(step_time_s[0]) if step_time_s.size else float(frame_time_s[0])
    first = math.ceil((float(frame_time_s[0]) - origin_s) / period_s)
    last = math.floor((float(frame_time_s[-1]) - origin_s) / period_s)
    at_s = origin_s + period_s * np.arange(first, last + 1)
    edges_s = (frame_time_s[1:] + frame_time_s[:-1]) / 2.0
    return np.unique(np.searchsorted(edges_s, at_s))


def _require_common_times(recording: Recording, table: TrackTable) -> None:
    period_s = recording.sensor.frame_period_s
    first_s, last_s = recording.device_time_s[0] - period_s, recording.device_time_s[-1] + period_s
    if len(table) and not np.any((table.time_s >= first_s) & (table.time_s <= last_s)):
        raise RecordingError(
            f"these tracks are not of this recording: they are from {table.time_s.min():.3f} s to "
            f"{table.time_s.max():.3f} s, {recording.path} from {recording.device_time_s[0]:.3f} s to "
            f"{recording.device_time_s[-1]:.3f} s",
            "`isactrack track REC -o tracks.csv` makes the tracks of a recording",
        )


def _require_growing_times(recording: Recording) -> None:
    time_s = recording.device_time_s
    grows = np.isfinite(time_s)
    grows[1:] &= np.diff(time_s) > 0.0
    if not grows.all():
        raise RecordingError(
            f"the device time in {recording.path} does not grow at frame {np.flatnonzero(~grows)[0]}",
            "the file is damaged, or joins several runs: `isactrack validate` shows all that is wrong",
        )


class MapAverage:
    """Mean power of range-Doppler maps of equal axes: what stays the same stands out of the noise."""

    def __init__(self) -> None:
        self._sum: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None
        self._last: RangeDopplerMap | None = None
        self._count = 0

    def add(self, spectrum: RangeDopplerMap) -> None:
        """Take a map into the mean."""
        power = spectrum.power.astype(np.float64)
        self._sum = power if self._sum is None else self._sum + power
        self._last = spectrum
        self._count += 1

    def mean(self) -> RangeDopplerMap | None:
        """Return the mean map, None if there was none."""
        if self._sum is None or self._last is None:
            return None
        power = (self._sum / self._count).astype(np.float32)
        return RangeDopplerMap(power, self._last.velocity_axis_mps, self._last.range_axis_m)


def score_tracks(
    recording: Recording,
    table: TrackTable,
    settings: ScoreSettings | None = None,
    covariance: ArrayLike | None = None,
) -> TrackingScore:
    """Score tracks against the truth in a recording, wherever it is known, also to be nobody.

    A radar is scored at every frame. A radio has many blocks for one step of its tracks, and is scored at the pace of
    the steps, from the first block to the last.

    Parameters
    ----------
    recording
        An open recording of a simulation.
    table
        States of the tracks, in the sensor frame and on the recording's device clock.
    settings
        Parameters of the metrics; None for the defaults.
    covariance
        Covariances (n, 4, 4) of the rows of `table`, which files do not hold; without them there is no NEES.

    Raises
    ------
    ConfigError
        If the recording has no truth.
    RecordingError
        If no state is of a time in the recording.
    """
    truths = [recording.truth(index) for index in _scored_frames(recording, table).tolist()]
    known = [truth for truth in truths if truth is not None]
    if not known:
        raise ConfigError(
            f"{recording.path} has no truth to score tracks against",
            "only recordings of a simulation know it; record one, e.g. with `isactrack demo -o demo`",
        )
    _require_common_times(recording, table)
    return evaluate_tracks(
        track_time_s=table.time_s,
        track_id=table.track_id,
        is_confirmed=table.status != TrackStatus.TENTATIVE.value,
        track_position_m=table.position_m,
        truth_time_s=np.concatenate([np.full(len(truth), truth.time_s) for truth in known]),
        target_id=np.concatenate([truth.target_id for truth in known]),
        truth_position_m=np.concatenate([truth.position_m for truth in known]),
        frame_time_s=[truth.time_s for truth in known],
        track_velocity_mps=table.velocity_mps,
        truth_velocity_mps=np.concatenate([truth.velocity_mps for truth in known]),
        track_covariance=covariance,
        **asdict(settings or ScoreSettings()),
    )
