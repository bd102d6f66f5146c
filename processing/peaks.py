"""Peaks of a range-Doppler map: where they are between the bins, and which of them are no targets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.units import db_to_power

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

GHOST_MARGIN_DB = 4.0
"""How far a peak must exceed the expected power of a ghost of the clutter map; ghosts fluctuate."""
_OVERSAMPLING = 64


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Cells of a map, and the places between the bins that they stand for.

    Attributes
    ----------
    doppler, range_
        Cells (n,) of the map.
    doppler_bin, range_bin
        Places (n,) in bins of the map; fractions count.
    power
        Power (n,) of the cell.
    """

    doppler: IntArray
    range_: IntArray
    doppler_bin: FloatArray
    range_bin: FloatArray
    power: FloatArray

    def __len__(self) -> int:
        return int(self.power.size)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Peaks":
        """Return the peaks that `index` (positions or a mask) picks."""
        return Peaks(
            self.doppler[index], self.range_[index], self.doppler_bin[index], self.range_bin[index], self.power[index]
        )


class WindowResponse:
    """Spectrum of a window, tabulated between the bins.

    Parameters
    ----------
    window
        Window (n,).
    """

    def __init__(self, window: FloatArray) -> None:
        amplitude = np.abs(np.fft.fft(window, _OVERSAMPLING * window.size)) / np.sum(window)
        fraction = np.arange(_OVERSAMPLING // 2 + 1)
        centre, neighbour = amplitude[fraction], amplitude[_OVERSAMPLING - fraction] if window.size > 1 else 0.0
        self._fraction = fraction / _OVERSAMPLING
        self._ratio = np.maximum.accumulate(neighbour / centre) if window.size > 1 else self._fraction
        half = amplitude[: amplitude.size // 2 + 1]
        self._envelope = np.maximum.accumulate(half[::-1])[::-1] ** 2
        self._bins = window.size

    def offset(self, ratio: FloatArray) -> FloatArray:
        """Return how far (0 to 0.5 bin) a tone is from its cell, from the amplitude of the larger neighbour over it."""
        if self._bins == 1:
            return np.zeros_like(ratio)
        return np.asarray(np.interp(ratio, self._ratio, self._fraction))

    def leakage(self, distance_bins: FloatArray) -> FloatArray:
        """Return the envelope of the power that a unit tone leaks over a (cyclic) distance in bins."""
        distance = np.abs(distance_bins) % self._bins
        distance = np.minimum(distance, self._bins - distance)
        return np.asarray(np.interp(distance * _OVERSAMPLING, np.arange(self._envelope.size), self._envelope))


def local_maxima(power: NDArray[np.floating], mask: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Return the cells (doppler, range) of `mask` that exceed their eight neighbours, cyclic in Doppler.

    Of two equal neighbours the one at the lower index is taken.
    """
    n_doppler, n_range = power.shape
    padded = np.full((n_doppler + 2, n_range + 2), -np.inf)
    padded[1:-1, 1:-1] = power
    if n_doppler > 1:
        padded[0, 1:-1], padded[-1, 1:-1] = power[-1], power[0]
    flat, stride = padded.ravel(), n_range + 2
    doppler, range_ = np.nonzero(mask)
    cell = (doppler + 1) * stride + range_ + 1
    here = flat[cell]
    highest = np.ones(here.shape, dtype=np.bool_)
    for step in (1, stride - 1, stride, stride + 1):
        highest &= (here > flat[cell - step]) & (here >= flat[cell + step])
    return doppler[highest], range_[highest]


def interpolate(
    power: NDArray[np.floating], doppler: IntArray, range_: IntArray, response: tuple[WindowResponse, WindowResponse]
) -> Peaks:
    """Place each peak between the bins, axis by axis, from its larger neighbour.

    The ratio of the two largest amplitudes of a tone depends on its place alone; it is looked up in the response of
    the window (doppler, range), so that there is no bias for any window. For the Hann window this is
    ``(2 a - 1) / (1 + a)``, for the rectangular one ``a / (1 + a)``.
    """
    here = np.asarray(power[doppler, range_], dtype=np.float64)
    n_doppler, n_range = power.shape
    before, after = power[(doppler - 1) % n_doppler, range_], power[(doppler + 1) % n_doppler, range_]
    doppler_bin = doppler + _signed_offset(before, here, after, response[0])
    # Complex sampling makes range cyclic as well.
    before, after = power[doppler, (range_ - 1) % n_range], power[doppler, (range_ + 1) % n_range]
    range_bin = range_ + _signed_offset(before, here, after, response[1])
    return Peaks(doppler, range_, doppler_bin, range_bin, here)


def image_mask(power: NDArray[np.floating], peaks: Peaks, rejection_db: float) -> NDArray[np.bool_]:
    """Return which peaks (n,) are images: more than `rejection_db` below their mirror cell.

    Unequal I and Q channels put a conjugate copy of every echo at minus its range and minus its Doppler bin.
    """
    n_doppler, n_range = power.shape
    zero = n_doppler // 2
    mirror = power[(2 * zero - peaks.doppler) % n_doppler, -peaks.range_ % n_range]
    return np.asarray(peaks.power * db_to_power(rejection_db) < mirror)


def ghost_mask(
    peaks: Peaks, ghost_power: FloatArray, window: FloatArray, response: WindowResponse, looks: int
) -> NDArray[np.bool_]:
    """Return which peaks (n,) may be no more than what a clutter map that is not certain leaves behind.

    Parameters
    ----------
    peaks
        Peaks of a map whose zero Doppler is at ``n_doppler // 2``.
    ghost_power
        Expected power (range,) of the error of the clutter map, see `ClutterMap.ghost_power`.
    window, response
        Doppler window and its response.
    looks
        Antennas summed in the map.
    """
    at_zero = ghost_power[peaks.range_] * looks * window.sum() ** 2 / np.square(window).sum()
    leaked = at_zero * response.leakage(peaks.doppler_bin - window.size // 2)
    return np.asarray(peaks.power <= db_to_power(GHOST_MARGIN_DB) * leaked)


def sidelobe_mask(peaks: Peaks, response: tuple[WindowResponse, WindowResponse], margin_db: float) -> NDArray[np.bool_]:
    """Return which peaks (n,) are less than `margin_db` over what all stronger peaks may leak into their cell.

    The leakage is the envelope of the window's sidelobes (doppler, range) at the distance between the two. Noise and
    the echoes of one body add ripples to the skirts of strong targets, and those are no targets.
    """
    leak = response[0].leakage(peaks.doppler_bin[:, None] - peaks.doppler_bin)
    leak *= response[1].leakage(peaks.range_bin[:, None] - peaks.range_bin)
    stronger = peaks.power[None, :] > peaks.power[:, None]
    leaked = np.sum(leak * peaks.power * stronger, axis=1)
    return np.asarray(peaks.power < leaked * db_to_power(margin_db))


def _signed_offset(
    before: NDArray[np.floating], here: FloatArray, after: NDArray[np.floating], response: WindowResponse
) -> FloatArray:
    larger = np.maximum(before, after)
    offset = response.offset(np.sqrt(np.divide(larger, here, out=np.zeros_like(here), where=here > 0.0)))
    return np.where(after >= before, offset, -offset)
