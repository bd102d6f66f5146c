"""How well a peak can be located: the Cramer-Rao bounds of mnomp-spa-kf (eq. 17, 59-63) for windowed spectra."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

AZIMUTH_STD_LIMIT_RAD = np.pi / 2.0
"""Where the bound of an azimuth is held: it diverges, but no azimuth is less certain than a quarter turn."""


def frequency_std_bins(window: FloatArray, snr: FloatArray, looks: int) -> FloatArray:
    """Return the standard deviation (n,) of the place of a spectral peak, in bins.

    To first order the peak of a windowed spectrum scatters with the variance
    ``sum w^2 k^2 (sum w)^2 / (2 L snr sum w^2 (sum w k^2)^2)`` rad^2, k counted from the window's centre. For
    the rectangular window this is the bound ``6 / (L snr (N^2 - 1))`` that eq. 17 contains.

    Parameters
    ----------
    window
        Window (N,), N > 1, of the axis.
    snr
        Linear ratio (n,) of signal to noise in the cell of an antenna, after both transforms.
    looks
        Antennas, L.
    """
    k = np.arange(window.size) - np.sum(np.arange(window.size) * window) / np.sum(window)
    shape = np.sum(window**2 * k**2) * np.sum(window) ** 2 / (np.sum(window**2) * np.sum(window * k**2) ** 2)
    return np.asarray(np.sqrt(shape / (2.0 * looks * snr)) * window.size / (2.0 * np.pi))


def azimuth_std_rad(positions: FloatArray, azimuth_rad: FloatArray, snr: FloatArray) -> FloatArray:
    """Return the bound (n,) on the standard deviation of an azimuth.

    ``var(sin a) = 1 / (8 pi^2 snr sum (p - mean p)^2)``, which for L elements half a wavelength apart is
    ``6 / (pi^2 snr L (L^2 - 1))`` (eq. 17). It diverges at endfire, where it is held at a quarter turn; so is the
    azimuth of an array without an aperture.

    Parameters
    ----------
    positions
        Element positions (L,) in wavelengths.
    azimuth_rad
        Azimuths (n,).
    snr
        Linear ratio (n,) of signal to noise of an antenna.
    """
    spread = np.sum((positions - np.mean(positions)) ** 2)
    variance = 8.0 * np.pi**2 * snr * spread * np.cos(azimuth_rad) ** 2
    return np.asarray(1.0 / np.sqrt(np.maximum(variance, 1.0 / AZIMUTH_STD_LIMIT_RAD**2)))
