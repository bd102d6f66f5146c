"""A short report of what a coherent interval shows: its strongest return and what vibrates there."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.fmcw import FmcwSensor
from isactrack.processing.peaks import WindowResponse, interpolate
from isactrack.processing.spectra import RangeDopplerMap, make_window
from isactrack.units import power_to_db

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DopplerLine:
    """A local maximum of the Doppler spectrum at the strongest return.

    Attributes
    ----------
    frequency_hz, velocity_mps
        Doppler frequency and the radial velocity it stands for, at the centre of the bin.
    level_db
        Level over the median Doppler bin.
    """

    frequency_hz: float
    velocity_mps: float
    level_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReport:
    """The strongest return of a coherent interval.

    Attributes
    ----------
    range_m
        Its range, between the bins.
    range_bin
        Its range bin.
    level_db
        Level over the median range bin.
    image_level_db
        Level of its mirror bin, minus its range, relative to it: what the receiver's I/Q imbalance leaves there. It
        says nothing about the order of the words: a wrong one mirrors the whole range axis, so that a range r shows at
        ``range_max_m - r`` and its image where the return should be.
    lines
        Doppler lines at its range, the strongest first.
    """

    range_m: float
    range_bin: int
    level_db: float
    image_level_db: float
    lines: tuple[DopplerLine, ...]


def return_report(
    spectrum: RangeDopplerMap,
    sensor: FmcwSensor,
    *,
    min_frequency_hz: float = 15.0,
    max_lines: int = 8,
    range_window: str = "hann",
    min_range_m: float = 0.0,
    max_range_m: float | None = None,
) -> ReturnReport | None:
    """Describe the strongest return of a map that still holds its static echoes.

    The range profile is the power averaged over Doppler, which is that over chirps, and antennas; a return is a local
    maximum of it, so that the flank of something nearer than the least range is none. The Doppler spectrum is the
    highest of the strongest bin and its two neighbours, which share the main lobe, each over its own median: a line is
    where something vibrates, beside the strong return that does not.

    Parameters
    ----------
    spectrum
        Range-Doppler map.
    sensor
        The sensor of the map.
    min_frequency_hz
        Lines closer to zero Doppler are the static return itself and left out.
    max_lines
        Largest number of lines.
    range_window
        Window that the map was made with.
    min_range_m, max_range_m
        Ranges to look at, None for no upper limit; the transmitter's leakage lies below any target.

    Returns
    -------
    ReturnReport or None
        None if the range profile has no maximum at these ranges.
    """
    profile = np.asarray(np.mean(spectrum.power, axis=0, dtype=np.float64))
    n = profile.size
    maxima = np.flatnonzero((profile > np.roll(profile, 1)) & (profile >= np.roll(profile, -1)))
    response = WindowResponse(make_window(range_window, n))
    place = interpolate(profile[None, :], np.zeros_like(maxima), maxima, (WindowResponse(np.ones(1)), response))
    range_m = place.range_bin * sensor.range_resolution_m
    inside = np.flatnonzero((range_m >= min_range_m) & (range_m <= (math.inf if max_range_m is None else max_range_m)))
    if not inside.size:
        return None
    chosen = inside[np.argmax(profile[maxima[inside]])]
    best = int(maxima[chosen])
    level = np.atleast_1d(power_to_db(profile))
    return ReturnReport(
        range_m=float(range_m[chosen]),
        range_bin=best,
        level_db=float(level[best] - np.median(level)),
        image_level_db=float(level[-best % n] - level[best]),
        lines=_doppler_lines(spectrum, sensor, best, min_frequency_hz)[:max_lines],
    )


def _doppler_lines(
    spectrum: RangeDopplerMap, sensor: FmcwSensor, range_bin: int, min_frequency_hz: float
) -> tuple[DopplerLine, ...]:
    columns = np.arange(range_bin - 1, range_bin + 2) % spectrum.power.shape[1]
    power = power_to_db(spectrum.power[:, columns])
    level = np.max(power - np.median(power, axis=0), axis=1)
    frequency = 2.0 * spectrum.velocity_axis_mps / sensor.wavelength_m
    peak = (level > np.roll(level, 1)) & (level >= np.roll(level, -1)) & (np.abs(frequency) >= min_frequency_hz)
    found = np.flatnonzero(peak)
    return tuple(
        DopplerLine(
            frequency_hz=float(frequency[k]),
            velocity_mps=float(spectrum.velocity_axis_mps[k]),
            level_db=float(level[k]),
        )
        for k in found[np.argsort(-level[found], kind="stable")]
    )
