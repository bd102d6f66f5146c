"""Range and Doppler spectra of an FMCW frame.

Axes follow the sensor: a cube is (loop, tx, rx, sample), its spectrum (doppler, tx, rx, range). Range bins are not
shifted, because complex sampling makes all of them ranges (0 .. N-1); Doppler bins are, so that they fall on
`FmcwSensor.velocity_axis_mps`.

Windows have unit noise gain (``sum w^2 = 1``): noise of variance s^2 a sample has a mean power of s^2 in every cell and
antenna, whatever the window and its length, and a tone of amplitude A reaches ``A^2 N / ENBW`` an axis. Levels over
noise can therefore be compared between windows and between profiles.
"""

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import windows

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.units import power_to_db

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]


class RangeDopplerMap:
    """Power over range and radial velocity.

    Parameters
    ----------
    power
        The power, or a function that computes it when it is first asked for: a detector that needs no map leaves it to
        whoever looks.
    velocity_axis_mps, range_axis_m
        Centres of the bins, (doppler,) ascending and (range,).
    """

    __slots__ = ("_power", "range_axis_m", "velocity_axis_mps")

    def __init__(
        self,
        power: NDArray[np.float32] | Callable[[], NDArray[np.float32]],
        velocity_axis_mps: FloatArray,
        range_axis_m: FloatArray,
    ) -> None:
        self._power = power
        self.velocity_axis_mps = velocity_axis_mps
        self.range_axis_m = range_axis_m

    @property
    def power(self) -> NDArray[np.float32]:
        """Power (doppler, range) float32, summed over the virtual antennas, linear, arbitrary but fixed scale."""
        power = self._power
        if callable(power):
            self._power = power = power()
        return power

    def level_db(self) -> NDArray[np.float64]:
        """Return the level (doppler, range) in dB over the median of the map, which is close to the noise."""
        level = power_to_db(self.power)
        return np.asarray(level - np.median(level))


def make_window(name: str, n: int) -> FloatArray:
    """Return a window (n,) float64 of unit noise gain.

    Parameters
    ----------
    name
        A name that `scipy.signal.windows.get_window` knows and that needs no parameter, such as ``"hann"``,
        ``"boxcar"``, ``"hamming"`` or ``"blackman"``; ``"rectangular"`` is taken for ``"boxcar"``.
    n
        Length.

    Raises
    ------
    ConfigError
        If there is no such window.
    """
    try:
        raw = windows.get_window("boxcar" if name == "rectangular" else name, n, fftbins=True)
    except ValueError as error:
        raise ConfigError(
            f"there is no window {name!r}", "use hann, rectangular, hamming, blackman or another window of SciPy"
        ) from error
    window = np.asarray(raw, dtype=np.float64)
    return np.asarray(window / np.sqrt(np.sum(window**2)))


def range_spectrum(cube: ComplexArray, window: FloatArray) -> ComplexArray:
    """Transform fast time: (loop, tx, rx, sample) to (loop, tx, rx, range), complex64."""
    return np.asarray(scipy.fft.fft(cube * window.astype(np.float32), axis=3, overwrite_x=True, workers=1))


def doppler_spectrum(profiles: ComplexArray, window: FloatArray) -> ComplexArray:
    """Transform slow time: (loop, tx, rx, range) to (doppler, tx, rx, range), complex64, zero Doppler at ``M // 2``."""
    tapered = profiles * window.astype(np.float32)[:, None, None, None]
    return np.asarray(np.fft.fftshift(scipy.fft.fft(tapered, axis=0, overwrite_x=True, workers=1), axes=0))


def range_doppler_spectrum(
    cube: ComplexArray, range_window: str = "hann", doppler_window: str = "hann"
) -> ComplexArray:
    """Return the spectrum (doppler, tx, rx, range) complex64 of a cube (loop, tx, rx, sample)."""
    profiles = range_spectrum(cube, make_window(range_window, cube.shape[3]))
    return doppler_spectrum(profiles, make_window(doppler_window, cube.shape[0]))


def antenna_power(spectrum: ComplexArray) -> NDArray[np.float32]:
    """Return the power (doppler, range) float32 of a spectrum (doppler, tx, rx, range), summed over the antennas.

    The sum needs no phase between the antennas, so it neither favours a direction nor suffers from the phase that
    motion leaves between transmitters; its cost is the multi-look statistics that `cfar_multiplier` accounts for.
    """
    power: NDArray[np.float32] = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return np.asarray(power.sum(axis=(1, 2)))


def range_doppler_map(spectrum: ComplexArray, sensor: FmcwSensor) -> RangeDopplerMap:
    """Return the power of a spectrum (doppler, tx, rx, range) with the axes of the sensor it came from."""
    return RangeDopplerMap(antenna_power(spectrum), sensor.velocity_axis_mps, sensor.range_axis_m)
