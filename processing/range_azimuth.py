"""Power over range and azimuth of a radar: the Bartlett beam in every range bin, of everything that moves there.

The power of a beam is ``a^H R a`` with the correlation R of the virtual elements. In it a pair of elements counts by
its distance alone, so for each range bin the sums of R over the pairs of equal distance, the lags, say all that any
beam can ask: four numbers for four elements in a line, whatever the number of azimuths and of chirps. That is what a
map keeps; the beams are formed when somebody looks.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.fmcw import FmcwSensor
from isactrack.processing.azimuth import tdm_phase
from isactrack.processing.spectra import doppler_spectrum, make_window
from isactrack.units import power_to_db

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]

AZIMUTHS: Final = 91
"""Azimuths of a map."""
MAX_AZIMUTH_RAD: Final = math.radians(80.0)
"""Beyond it the beams of a line of elements are wider than what is shown."""


class RangeAzimuthMap:
    """Power over range and azimuth.

    Parameters
    ----------
    correlation
        Sums (range, lags) complex64 over the pairs of elements that are a lag apart, the first for the lag 0.
    lags
        Distances (lags,) in wavelengths, ascending from 0.
    range_axis_m, azimuth_axis_rad
        Centres of the bins, ascending.
    """

    __slots__ = ("_correlation", "_lags", "azimuth_axis_rad", "range_axis_m")

    def __init__(
        self, correlation: ComplexArray, lags: FloatArray, range_axis_m: FloatArray, azimuth_axis_rad: FloatArray
    ) -> None:
        self._correlation, self._lags = correlation, lags
        self.range_axis_m, self.azimuth_axis_rad = range_axis_m, azimuth_axis_rad

    @property
    def nbytes(self) -> int:
        """Memory of what the map keeps."""
        return self._correlation.nbytes

    def power(self) -> NDArray[np.float32]:
        """Return the power (range, azimuth) float32, linear, arbitrary but fixed scale; it is not kept."""
        turn = 2.0 * np.pi * np.sin(self.azimuth_axis_rad)[:, None] * self._lags
        twice = np.where(self._lags > 0.0, 2.0, 1.0)
        c = self._correlation
        power = c.real @ (twice * np.cos(turn)).T.astype(np.float32)
        power += c.imag @ (twice * np.sin(turn)).T.astype(np.float32)
        return np.maximum(power, 0.0)  # rounding

    def level_db(self) -> FloatArray:
        """Return the level (range, azimuth) in dB over the median of the map."""
        level = power_to_db(self.power())
        return np.asarray(level - np.median(level))


class RangeAzimuth:
    """Makes the maps of one sensor.

    Parameters
    ----------
    sensor
        The sensor whose frame is the coherent interval. One with a single element has no azimuth, and no maps.
    windowed
        Whether the range profiles that come are windowed already; others get the Hann window here.
    slow_time_window
        Window of the Doppler transform, where the elements need one.
    """

    def __init__(self, sensor: FmcwSensor, *, windowed: bool, slow_time_window: str) -> None:
        self._sensor = sensor
        self._windowed = windowed
        self._slow_time = make_window(slow_time_window, sensor.loops_per_frame)
        positions = sensor.virtual_positions
        distance = np.round(positions[:, None] - positions[None, :], 6).ravel()
        self._lags, group = np.unique(np.maximum(distance, 0.0), return_inverse=True)
        # Pairs the other way round are the conjugates: they are left out and count twice in the beam.
        self._group = ((group[:, None] == np.arange(self._lags.size)) & (distance >= 0.0)[:, None]).astype(np.complex64)
        limit = min(sensor.azimuth_max_rad, MAX_AZIMUTH_RAD)
        self._azimuth_axis_rad = np.linspace(-limit, limit, AZIMUTHS)
        bins = np.arange(sensor.loops_per_frame) - sensor.loops_per_frame // 2
        self._undo_tdm = tdm_phase(sensor, bins.astype(np.float64)).astype(np.complex64)

    def __call__(self, profiles: ComplexArray) -> RangeAzimuthMap | None:
        """Return the map of range profiles (loop, tx, rx, range), None if the sensor has no azimuth."""
        sensor = self._sensor
        if self._lags.size < 2:
            return None
        data = profiles if self._windowed else _hann(profiles)
        if sensor.n_tx > 1:  # what moves turns from transmitter to transmitter, Doppler bin by Doppler bin
            data = doppler_spectrum(data, self._slow_time) * self._undo_tdm[:, :, None, None]
        elements = np.ascontiguousarray(data.reshape(data.shape[0], -1, data.shape[3]).transpose(2, 1, 0))
        pairs = elements @ np.conj(elements.transpose(0, 2, 1))  # R[i, j] = sum s_i conj(s_j), lag p_i - p_j
        correlation = pairs.reshape(pairs.shape[0], -1) @ self._group
        return RangeAzimuthMap(correlation, self._lags, sensor.range_axis_m, self._azimuth_axis_rad)


def _hann(profiles: ComplexArray) -> ComplexArray:
    """Return profiles as if their samples had had a periodic Hann window: it mixes each bin with its neighbours."""
    neighbours = np.roll(profiles, 1, axis=3)
    neighbours += np.roll(profiles, -1, axis=3)
    neighbours *= np.float32(-0.5)
    neighbours += profiles
    return neighbours
