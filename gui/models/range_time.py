"""What is seen at which range, or at which length of the path, over the last seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.impulse import path_profile
from isactrack.gui.models.levels import Levels
from isactrack.gui.models.maps import bin_edges
from isactrack.gui.models.waterfall import Column, Waterfall, WaterfallImage, median_power
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.units import power_to_db

FloatArray = NDArray[np.float64]

X_LABEL = "Time from the cursor (s)"
SPAN_S: Final = 20.0
HISTORY: Final = 600
"""Snapshots at most: the span at 30 a second."""
_PAD: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class RangeTimeImage:
    """A waterfall with its axis of ranges.

    Attributes
    ----------
    waterfall
        The columns.
    low_m, high_m
        Outer edges of the first and last bin.
    longest_m
        Up to where there is anything of interest on it.
    y_label
        Name of the axis.
    levels
        Levels that suit it until somebody changes them.
    note
        What it is that is shown, in a few words.
    details
        How it was made.
    """

    waterfall: WaterfallImage
    low_m: float
    high_m: float
    longest_m: float
    y_label: str
    levels: Levels
    note: str
    details: str

    def readout(self, time_s: float, at_m: float, level_db: float | None) -> str:
        """Return what is at a point; empty beside the image or in a gap."""
        what = "range" if self.y_label.startswith("Range") else "path"
        place = f"{time_s:+.2f} s   {what} {at_m:.2f} m"
        return place + ("" if level_db is None else f"   {level_db:.1f} dB")


class RangeTime:
    """Makes the waterfall: a radar's strongest Doppler bin at each range, a radio's impulse response after clutter."""

    def __init__(self) -> None:
        self._waterfall = Waterfall(SPAN_S, HISTORY)

    def show(self, history: Sequence[Snapshot]) -> RangeTimeImage | None:
        """Return the waterfall up to the last of some snapshots; None if it has no profile."""
        newest = history[-1]
        spectrum, channel = newest.spectrum, newest.channel
        if isinstance(spectrum, RangeDopplerMap):
            image = self._waterfall.show(history, _radar_column)
            low_m, high_m = bin_edges(spectrum.range_axis_m)
            details = "Strongest Doppler bin at each range, without what stands still, over the median of the map."
            levels = Levels(0.0, 60.0)
            return RangeTimeImage(image, low_m, high_m, high_m, "Range (m)", levels, "strongest Doppler bin", details)
        if channel is None:
            return None
        low_m, high_m = bin_edges(path_profile(channel.after, channel.sensor, _PAD)[0])
        image = self._waterfall.show(history, _radio_column)
        details = "Impulse response of the newest block of each estimate, without what stands still, over its median."
        longest_m = min(high_m, float(spectrum.path_axis_m[-1]))
        levels = Levels(0.0, 40.0)
        return RangeTimeImage(image, low_m, high_m, longest_m, "Path (m)", levels, "newest impulse response", details)


def why_empty(snapshot: Snapshot | None) -> str:
    """Return why there is no waterfall; empty if there is one."""
    if snapshot is None:
        return "No frame has come yet."
    if isinstance(snapshot.spectrum, RangeDopplerMap) or snapshot.channel is not None:
        return ""
    return "The channel of these blocks was not kept, so there is no profile of paths."


def _radar_column(history: Sequence[Snapshot], k: int) -> Column:
    snapshot = history[k]
    spectrum = snapshot.spectrum
    if not isinstance(spectrum, RangeDopplerMap):
        return snapshot.time_s, None
    power = spectrum.power
    return snapshot.time_s, power_to_db(power.max(axis=0)) - power_to_db(median_power(power))


def _radio_column(history: Sequence[Snapshot], k: int) -> Column:
    snapshot = history[k]
    channel = snapshot.channel
    if channel is None:
        return snapshot.time_s, None
    level = power_to_db(path_profile(channel.after, channel.sensor, _PAD)[1])
    return snapshot.time_s, np.asarray(level - np.median(level))
