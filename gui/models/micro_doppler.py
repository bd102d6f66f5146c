"""How somebody's body and limbs move: the Doppler spectrum at one track over the last seconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.geometry import xy_to_polar
from isactrack.gui.models.gaps import run_start
from isactrack.gui.models.levels import Levels
from isactrack.gui.models.maps import bin_edges
from isactrack.gui.models.waterfall import Column, Waterfall, WaterfallImage, median_power
from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import paths_of
from isactrack.processing.slow_time import SlowTime, doppler_power
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.tracks import Track
from isactrack.units import power_to_db

FloatArray = NDArray[np.float64]

X_LABEL = "Time from the cursor (s)"
RADAR_LABEL = "Radial velocity (m/s)"
RADIO_LABEL = "Half the path rate (m/s)"
SPAN_S: Final = 8.0
HISTORY: Final = 320
"""Snapshots at most: the span at 40 a second."""
BODY_M: Final = 0.3
"""How far from the track's range a radar's cells are taken in: arms and legs are not where the middle is."""
WINDOW_S: Final = 0.26
"""Time that one spectrum of a radio looks at: long enough to tell limbs from body, short against a step."""
MAX_HALF_RATE_MPS: Final = 3.0
"""End of the axis where staggered blocks make it longer than even ones would."""
SWITCH_DB: Final = 6.0
"""By how much another track must be stronger to become the strongest: else the picture would jump."""
FRAMED_MPS: Final = 6.0
"""Radial velocity up to which the axis of a radar is shown at first: nobody's limbs are faster in a room."""
_VELOCITIES: Final = 128
_LOOK_BACK: Final = 32
_LEAST_BLOCKS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class MicroDopplerImage:
    """A spectrogram with its axis of velocities.

    Attributes
    ----------
    track_id
        Whose it is.
    waterfall
        The columns.
    low_mps, high_mps
        Outer edges of the first and last bin.
    y_label
        Name of the axis.
    levels
        Levels that suit it until somebody changes them.
    note
        What it is that is shown, in one line.
    details
        How it was made.
    """

    track_id: int
    waterfall: WaterfallImage
    low_mps: float
    high_mps: float
    y_label: str
    levels: Levels
    note: str
    details: str

    @property
    def framed_mps(self) -> tuple[float, float]:
        """Part of the axis that is shown at first."""
        return max(self.low_mps, -FRAMED_MPS), min(self.high_mps, FRAMED_MPS)

    def readout(self, time_s: float, velocity_mps: float, level_db: float | None) -> str:
        """Return what is at a point."""
        level = "" if level_db is None else f"   {level_db:.1f} dB"
        return f"{time_s:+.2f} s   {velocity_mps:+.2f} m/s{level}"


class MicroDoppler:
    """Makes the spectrogram of a track that is chosen by its id, or of the strongest.

    Attributes
    ----------
    chosen
        Id of the track; None for the strongest confirmed one.
    """

    def __init__(self) -> None:
        self.chosen: int | None = None
        self._shown: int | None = None
        self._first = 0
        self._run_start_s: float | None = None
        self._waterfall = Waterfall(SPAN_S, HISTORY)

    def choose(self, track_id: int | None) -> None:
        """Choose a track by its id, None for the strongest."""
        self.chosen = track_id

    def show(self, history: Sequence[Snapshot]) -> MicroDopplerImage | None:
        """Return the spectrogram up to the last of some snapshots; None if there is none, see `why_empty`."""
        newest = history[-1]
        self._take_run(history)
        track_id = self.chosen if self.chosen is not None else self._strongest(newest)
        if track_id != self._shown:
            self._shown = track_id
            self._waterfall.forget()
        track = None if track_id is None else _track(newest, track_id)
        if track is None:
            return None
        if isinstance(newest.spectrum, RangeDopplerMap):
            return self._of_radar(history, track, newest.spectrum)
        if newest.slow_time is None:
            return None
        return self._of_radio(history, track, newest.slow_time)

    def _take_run(self, history: Sequence[Snapshot]) -> None:
        """Find where the run of the device begins: before that, the track's id was somebody else's."""
        self._first = run_start(history)
        start_s = history[self._first].time_s if self._first else None
        if start_s != self._run_start_s:
            self._run_start_s = start_s
            self._waterfall.forget()

    def why_empty(self, snapshot: Snapshot | None) -> str:
        """Return why a snapshot shows no spectrogram, and what would change that; empty if it does."""
        if snapshot is None:
            return "No frame has come yet."
        if not isinstance(snapshot.spectrum, RangeDopplerMap) and snapshot.slow_time is None:
            return (
                "The blocks of this time were not kept.\n"
                "A radio keeps its channel at the tracks while this view is open. "
                "Newer blocks show it."
            )
        if self.chosen is not None and _track(snapshot, self.chosen) is None:
            return f"There is no track {self.chosen} at this time.\nChoose another one, or the strongest."
        if self.chosen is None and not any(track.is_confirmed for track in snapshot.tracks):
            return "There is no confirmed track at this time.\nThe strongest one is shown as soon as there is one."
        return ""

    def _strongest(self, snapshot: Snapshot) -> int | None:
        """Return the confirmed track with the strongest echo, the same as before if none is clearly stronger."""
        tracks = [track for track in snapshot.tracks if track.is_confirmed]
        if not tracks:
            return None
        level_db = _levels_db(snapshot, tracks)
        best = int(np.argmax(level_db))
        for track, level in zip(tracks, level_db, strict=True):
            if track.track_id == self._shown and level_db[best] - level < SWITCH_DB:
                return self._shown
        return tracks[best].track_id

    def _of_radar(self, history: Sequence[Snapshot], track: Track, spectrum: RangeDopplerMap) -> MicroDopplerImage:
        track_id, first = track.track_id, self._first
        image = self._waterfall.show(
            history, lambda all_of_them, k: _radar_column(all_of_them[k], track_id if k >= first else None)
        )
        range_m = math.hypot(*track.position_m)
        note = f"Track {track_id} at {range_m:.1f} m, ±{BODY_M:g} m, all azimuths"
        details = (
            f"Doppler of each frame, the strongest of the range cells within {BODY_M:g} m of the track, from all "
            "azimuths. Still echoes are removed."
        )
        low, high = bin_edges(spectrum.velocity_axis_mps)
        return MicroDopplerImage(track_id, image, low, high, RADAR_LABEL, Levels(0.0, 50.0), note, details)

    def _of_radio(self, history: Sequence[Snapshot], track: Track, slow_time: SlowTime) -> MicroDopplerImage:
        track_id, sensor = track.track_id, slow_time.sensor
        axis = half_rate_axis_mps(sensor)
        first = self._first
        image = self._waterfall.show(
            history, lambda all_of_them, k: _radio_column(all_of_them, k, first, track_id, axis)
        )
        path_m, azimuth_rad = paths_of(track.position_m, sensor.tx_position_m or (0.0, 0.0))
        blocks = "staggered blocks" if sensor.stagger_s else "even blocks"
        limit = "" if sensor.stagger_s else f", ambiguous beyond ±{axis[-1]:.2f} m/s"
        note = f"Track {track_id}, path {float(path_m):.1f} m, {math.degrees(float(azimuth_rad)):+.0f}°{limit}"
        details = (
            f"Doppler over {WINDOW_S * 1e3:.0f} ms of {blocks}{limit}, at the path length and azimuth of the track. "
            "Still echoes are removed."
        )
        low, high = bin_edges(axis)
        return MicroDopplerImage(track_id, image, low, high, RADIO_LABEL, Levels(0.0, 30.0), note, details)


def half_rate_axis_mps(sensor: OfdmSensor) -> FloatArray:
    """Return half the rates of a path that are shown, ascending and even."""
    limit = MAX_HALF_RATE_MPS if sensor.stagger_s else min(MAX_HALF_RATE_MPS, sensor.path_rate_max_mps / 2.0)
    return np.asarray(np.linspace(-limit, limit, _VELOCITIES))


def _track(snapshot: Snapshot, track_id: int) -> Track | None:
    return next((track for track in snapshot.tracks if track.track_id == track_id), None)


def _levels_db(snapshot: Snapshot, tracks: Sequence[Track]) -> FloatArray:
    """Return the level (n,) of the echoes at tracks."""
    spectrum, slow_time = snapshot.spectrum, snapshot.slow_time
    if isinstance(spectrum, RangeDopplerMap):
        range_m, _ = xy_to_polar(np.array([track.position_m for track in tracks]))
        cell = np.clip(np.searchsorted(spectrum.range_axis_m, range_m), 0, spectrum.range_axis_m.size - 1)
        return power_to_db(spectrum.power.max(axis=0)[cell])
    if slow_time is None:
        return np.zeros(len(tracks))
    power = np.mean(np.abs(slow_time.values) ** 2, axis=1)
    of_track = dict(zip(slow_time.track_id.tolist(), power.tolist(), strict=True))
    return power_to_db([of_track.get(track.track_id, 0.0) for track in tracks])


def _radar_column(snapshot: Snapshot, track_id: int | None) -> Column:
    spectrum, track = snapshot.spectrum, None if track_id is None else _track(snapshot, track_id)
    if track is None or not isinstance(spectrum, RangeDopplerMap):
        return snapshot.time_s, None
    range_m = math.hypot(*track.position_m)
    axis = spectrum.range_axis_m
    reach = max(BODY_M, 0.51 * float(axis[1] - axis[0]))
    first, last = np.searchsorted(axis, (range_m - reach, range_m + reach))
    if first == last:
        return snapshot.time_s, None  # beyond the ranges of the map
    power = spectrum.power
    level = power_to_db(power[:, first:last].max(axis=1)) - power_to_db(median_power(power))
    return snapshot.time_s, np.asarray(level)


def _radio_column(history: Sequence[Snapshot], k: int, first: int, track_id: int, axis_mps: FloatArray) -> Column:
    """Return the spectrum over the blocks of the window that ends with a snapshot; none of those before the first."""
    newest = history[k].slow_time
    if newest is None or newest.time_s.size == 0 or k < first:
        return history[k].time_s, None
    end_s = float(newest.time_s[-1])
    times, values = [], []
    for snapshot in history[max(first, k - _LOOK_BACK) : k + 1]:
        seen = snapshot.slow_time
        value = None if seen is None or seen.time_s[-1] < end_s - WINDOW_S else seen.of(track_id)
        if seen is not None and value is not None:
            times.append(seen.time_s)
            values.append(value)
    middle_s = end_s - WINDOW_S / 2.0
    time_s = np.concatenate(times) if times else np.zeros(0)
    within = (time_s > end_s - WINDOW_S) & (time_s <= end_s)
    if np.count_nonzero(within) < _LEAST_BLOCKS:
        return middle_s, None
    frequency_hz = -2.0 * axis_mps / newest.sensor.wavelength_m
    power = doppler_power(time_s[within], np.concatenate(values)[within], frequency_hz)
    level = power_to_db(power)
    return middle_s, np.asarray(level - np.median(level))
