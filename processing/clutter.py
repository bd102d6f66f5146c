"""Removal of what stands still: a clutter map that learns while it runs.

The echo of walls and furniture is the same in every frame, in phase too; a person's is not, because even at a radial
velocity of a few millimetres per second the phase turns by half a wavelength from frame to frame. The map keeps, for
each antenna and range bin, the complex mean of the past frames and takes it off every chirp. Unlike the mean of the
frame itself, which is a notch at zero Doppler, it leaves a person who crosses the line of sight.

A plain mean takes a share of every passer-by along and shows it as a still ghost where the person was. Frames are
therefore weighted, in each range bin, by the inverse of the amplitude in them that was not still, which makes the mean
a running geometric median (Weiszfeld's weights): while somebody is in the bin the map hardly learns, when nobody is it
learns in full, and if somebody always is all frames count about the same. The inverse of the power would learn even
less from passers-by, but holds on to whatever it learned first: with somebody always in the bin its error is twice that
of the amplitude's.

What is left of passers-by is known in size: an estimate from few frames, or from frames with somebody in the bin, is
uncertain by their power, and `ClutterMap.ghost_power` says by how much. A still echo below that is no evidence of a
target; this matters in the first frames, while the map is cold.

Blind speeds remain: an echo whose range changes by an exact multiple of half a wavelength from frame to frame looks
still.
"""

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError

ComplexArray = NDArray[np.complex64]

_WEIGHT_RANGE = 1e3


class ClutterMap:
    """Weighted, exponentially forgetting complex mean of range profiles.

    Parameters
    ----------
    memory_frames
        Frames after which the weight of a frame has fallen to 1/e, at least 1. Until as many have passed the mean is
        that of all of them.
    """

    def __init__(self, memory_frames: float) -> None:
        if not memory_frames >= 1.0:
            raise ConfigError(f"a clutter map cannot forget within {memory_frames} frames", "use 1 frame or more")
        self._keep = float(np.exp(-1.0 / memory_frames))
        self._sum: NDArray[np.complex128] | None = None
        self._weight = np.zeros(0)
        self._spread = np.zeros(0)

    def reset(self) -> None:
        """Forget everything."""
        self._sum = None

    @property
    def ghost_power(self) -> NDArray[np.float64]:
        """Expected power (range,) of the error of the map, mean over the antennas.

        Frames add to it what they bring along besides the still echo, as independent errors do: the sum of squared
        weights times powers, over the squared sum of weights.
        """
        total = np.square(self._weight.mean(axis=(0, 1)))
        return np.asarray(np.divide(self._spread, total, out=np.zeros_like(total), where=total > 0.0))

    def remove(self, profiles: ComplexArray, valid: NDArray[np.bool_] | None = None) -> ComplexArray:
        """Learn from the profiles of a frame and return them without what stands still.

        The frame itself is in the mean: walls are gone from the first frame on, which pays with its zero Doppler bin.

        Parameters
        ----------
        profiles
            Range spectra (loop, tx, rx, range) complex64.
        valid
            Which chirps arrived whole, bool (loop, tx, rx); None if all did. Others are neither learned from nor
            returned: they are 0 in the result.

        Returns
        -------
        ndarray
            Profiles (loop, tx, rx, range) complex64.
        """
        mean = chirp_mean(profiles, valid)
        if self._sum is None:
            self._sum, self._weight = np.zeros(mean.shape, dtype=np.complex128), np.zeros(mean.shape)
            self._spread = np.zeros(mean.shape[-1])
        still = self._still(self._sum)
        power = _power(_without(profiles, still, valid))
        median = float(np.median(power))
        # Limits, lest a piece of furniture that was moved keeps its old place for many times the memory; a frame
        # without noise comes from no receiver and teaches nothing.
        if median > 0.0:
            weight = 1.0 / np.sqrt(np.clip(power, median / _WEIGHT_RANGE, median * _WEIGHT_RANGE))
        else:
            weight = np.zeros_like(power)
        share = np.ones(mean.shape[:2]) if valid is None else valid.mean(axis=0)
        weight = weight * share[..., None]
        self._sum = self._keep * self._sum + weight * mean
        self._weight = self._keep * self._weight + weight
        brought = np.mean(np.square(np.abs(mean - still)), axis=(0, 1), dtype=np.float64)
        self._spread = self._keep**2 * self._spread + np.square(weight.mean(axis=(0, 1))) * brought
        return _without(profiles, self._still(self._sum), valid)

    def _still(self, total: NDArray[np.complex128]) -> ComplexArray:
        """Return the present estimate (tx, rx, range)."""
        still = np.divide(total, self._weight, out=np.zeros(self._weight.shape, complex), where=self._weight > 0.0)
        return np.asarray(still.astype(np.complex64))


def _without(profiles: ComplexArray, still: ComplexArray, valid: NDArray[np.bool_] | None) -> ComplexArray:
    moving = profiles - still
    return np.asarray(moving if valid is None else np.where(valid[..., None], moving, np.complex64(0)))


def _power(profiles: ComplexArray) -> NDArray[np.float64]:
    """Return the mean power (range,) over chirps and antennas."""
    squares = np.square(profiles.reshape(-1, profiles.shape[-1]).view(np.float32))
    # A product with ones sums columns faster than a sum does; all terms are positive, so single precision is enough.
    total = np.ones(len(squares), dtype=np.float32) @ squares
    return np.asarray(total.reshape(-1, 2).sum(axis=1, dtype=np.float64) / len(squares))


def chirp_mean(profiles: ComplexArray, valid: NDArray[np.bool_] | None = None) -> ComplexArray:
    """Return the mean (tx, rx, range) complex64 over the valid chirps of profiles (loop, tx, rx, range); 0 if none."""
    if valid is None:
        return np.asarray(profiles.mean(axis=0))
    total = np.einsum("ltrn,ltr->trn", profiles, valid.astype(np.float32))
    return np.asarray((total / np.maximum(valid.sum(axis=0), 1)[..., None]).astype(np.complex64))


def fill_lost_chirps(profiles: ComplexArray, valid: NDArray[np.bool_]) -> ComplexArray:
    """Put the mean of the valid chirps in the place of those that were lost.

    A hole in slow time would spread every static echo over all Doppler bins. With the mean in its place only what moves
    has a hole; nothing that moves is made up.
    """
    return np.where(valid[..., None], profiles, chirp_mean(profiles, valid))
