"""The impulse response of a radio's newest block, before and after what stands still was taken off."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.ofdm import OfdmSensor
from isactrack.processing.impulse_response import impulse_response
from isactrack.processing.music_spectrum import DelayAzimuthMap
from isactrack.units import SPEED_OF_LIGHT_MPS, power_to_db

FloatArray = NDArray[np.float64]

X_LABEL = "Path (m)"
Y_LABEL = "Under direct path (dB)"
LOWEST_DB: Final = -80.0
HIGHEST_DB: Final = 6.0
_PAD: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Impulse:
    """Two curves over the length of the path.

    Attributes
    ----------
    path_m
        Lengths (n,) of paths, ascending from 0.
    before_db, after_db
        Mean power (n,) over the rows before and after what stands still was taken off, in dB over the peak at the
        direct path before.
    direct_path_m
        Length of the direct path; None if it is not known where the transmitter stands.
    longest_m
        Longest path that the chain looks at.
    """

    path_m: FloatArray
    before_db: FloatArray
    after_db: FloatArray
    direct_path_m: float | None
    longest_m: float

    def readout(self, path_m: float) -> str:
        """Return both levels at a path; empty beside the curves."""
        if not self.path_m[0] <= path_m <= self.path_m[-1]:
            return ""
        k = int(np.argmin(np.abs(self.path_m - path_m)))
        return f"path {self.path_m[k]:.2f} m   before {self.before_db[k]:.1f} dB   after {self.after_db[k]:.1f} dB"


def make_impulse(snapshot: Snapshot) -> Impulse | None:
    """Return the curves of a snapshot, None if it has no channel."""
    channel = snapshot.channel
    if channel is None:
        return None
    path_m, before = path_profile(channel.before, channel.sensor, _PAD)
    after = path_profile(channel.after, channel.sensor, _PAD)[1]
    direct = None if snapshot.tx_position_m is None else math.hypot(*snapshot.tx_position_m)
    near = np.abs(path_m - (direct or 0.0)) <= channel.sensor.path_resolution_m
    reference = float(before[near].max()) if direct is not None and near.any() else float(before.max())
    reference_db = power_to_db(reference)
    return Impulse(
        path_m=path_m,
        before_db=power_to_db(before) - reference_db,
        after_db=power_to_db(after) - reference_db,
        direct_path_m=direct,
        longest_m=_longest_m(snapshot, path_m),
    )


def path_profile(channel: NDArray[np.complexfloating], sensor: OfdmSensor, pad: int) -> tuple[FloatArray, FloatArray]:
    """Return the lengths of paths (n,) and the mean power (n,) over the rows of a channel (rows, tones)."""
    delays_s, power = impulse_response(channel, sensor, pad)
    return SPEED_OF_LIGHT_MPS * delays_s, power.mean(axis=0)


def why_empty(snapshot: Snapshot | None) -> str:
    """Return why there are no curves, and what would change that; empty if there are."""
    if snapshot is None:
        return "No block has come yet. The first estimate needs a full window of blocks."
    if snapshot.channel is not None:
        return ""
    if not isinstance(snapshot.spectrum, DelayAzimuthMap):
        return (
            "A radar has no impulse response: this view is for bistatic radios.\n"
            "What a radar sees over range is the view “Range over time”."
        )
    return "The channel of this block was not kept."


def _longest_m(snapshot: Snapshot, path_m: FloatArray) -> float:
    spectrum = snapshot.spectrum
    return float(spectrum.path_axis_m[-1] if isinstance(spectrum, DelayAzimuthMap) else path_m[-1])
