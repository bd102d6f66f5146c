"""Removal of what stands still from calibrated channel estimates: the moving target indicators of sec. III-B.

All filters take one block at a time and give what moves in it, in constant time a block. Blocks that are not usable
give nothing and leave no trace in the state.

Blind speeds. A path whose length changes by a whole number of wavelengths from block to block looks still. With blocks
of 4 ms at 26 GHz that is a path rate of 2.88 m/s, which is 1.44 m/s towards transmitter and receiver at once: a person
who walks. `mean_gain` and `difference_gain` are the gains in closed form, and they show two remedies:

- Any symbol of a block may carry the reference, and nothing behind the filter asks for even spacing. With the stagger
  pattern of the driver (`isactrack.OfdmSensor.stagger_s`) the gain of the running mean stays within 0.6 dB of 0 dB for
  all Doppler shifts from 11 Hz to 1 kHz, first and second blind speed included.
- A radio that cannot stagger still has its bandwidth: the same path rate is another Doppler shift at every tone, 250 Hz
  plus or minus 2.3 Hz over 486 MHz. A mean over K blocks is a notch of about 1 / (K T) to both sides. At K = 50 that
  covers the whole band; at K = 150 it covers a third of it, and the other tones see who moves.

The mean of fewer blocks than K is a wider notch, so the first blocks of a run see slow movement worse. After
`WARM_UP_BLOCKS` it is a better answer than none: its noise is then 0.4 dB more than without clutter.
"""

from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError
from isactrack.units import SPEED_OF_LIGHT_MPS

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

WARM_UP_BLOCKS: Final = 10
"""Blocks that a running mean has to know, or K if that is less, before it is taken off anything."""


class ClutterFilter(Protocol):
    """What takes still echoes off one block after the other."""

    @property
    def noise_gain(self) -> float:
        """Power of the noise in what `push` gave last over that in what it was given."""
        ...

    def push(self, csi: NDArray[np.complexfloating], usable: bool = True) -> ComplexArray | None:
        """Return what moves in a block, or None if that cannot be told (yet).

        Parameters
        ----------
        csi
            Calibrated channel estimates of one block, of any shape that stays the same.
        usable
            Whether to believe them; what is not believed is not remembered either.
        """
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


class MeanFilter:
    """Takes off the mean of the K blocks before (eq. 2); the block itself is not in the mean.

    Parameters
    ----------
    blocks
        K, at least 1.

    Raises
    ------
    ConfigError
        If K is less than 1.
    """

    def __init__(self, blocks: int = 50) -> None:
        if blocks < 1:
            raise ConfigError(f"a mean of {blocks} blocks is none", "use 1 block or more")
        self._blocks = blocks
        self.reset()

    @property
    def noise_gain(self) -> float:
        """``1 + 1 / K``, with fewer blocks than K while there are no more."""
        return self._noise_gain

    def reset(self) -> None:
        """Forget everything."""
        self._ring: ComplexArray | None = None
        self._place = self._known = 0
        self._noise_gain = 1.0

    def push(self, csi: NDArray[np.complexfloating], usable: bool = True) -> ComplexArray | None:
        """Return a block without the mean of those before; None before `WARM_UP_BLOCKS` are known."""
        if not usable:
            return None
        if self._ring is None:
            self._ring = np.zeros((self._blocks, *csi.shape), dtype=np.complex128)
            self._sum = np.zeros(csi.shape, dtype=np.complex128)
            self._fresh = np.zeros(csi.shape, dtype=np.complex128)
        out: ComplexArray | None = None
        if self._known >= min(WARM_UP_BLOCKS, self._blocks):
            out = csi - self._sum / self._known
            self._noise_gain = 1.0 + 1.0 / self._known
        self._remember(csi, self._ring)
        return out

    def _remember(self, csi: NDArray[np.complexfloating], ring: ComplexArray) -> None:
        # A sum that things are added to and taken from for hours drifts. A second one begins anew with every turn of
        # the ring: at its end it holds the same K blocks, without the rounding of those long gone.
        self._sum += csi
        self._fresh += csi
        if self._known == self._blocks:
            self._sum -= ring[self._place]
        ring[self._place] = csi
        self._known = min(self._known + 1, self._blocks)
        self._place += 1
        if self._place == self._blocks:
            self._place = 0
            self._sum[...] = self._fresh
            self._fresh[...] = 0.0


class DifferenceFilter:
    """Takes off the block before, which loses who moves slowly: what sec. III-B improves on."""

    noise_gain: Final = 2.0

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._last: ComplexArray | None = None

    def push(self, csi: NDArray[np.complexfloating], usable: bool = True) -> ComplexArray | None:
        """Return a block without the last usable one; None for the first."""
        if not usable:
            return None
        last, self._last = self._last, csi.astype(np.complex128)
        return None if last is None else self._last - last


class NoFilter:
    """Takes nothing off."""

    noise_gain: Final = 1.0

    def reset(self) -> None:
        """Nothing is remembered."""

    def push(self, csi: NDArray[np.complexfloating], usable: bool = True) -> ComplexArray | None:
        """Return the block."""
        return csi.astype(np.complex128) if usable else None


def make_clutter_filter(name: str, mean_blocks: int = 50) -> ClutterFilter:
    """Return the filter of an `OfdmChainConfig.clutter_filter`.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name == "mean":
        return MeanFilter(mean_blocks)
    if name == "difference":
        return DifferenceFilter()
    if name == "off":
        return NoFilter()
    raise ConfigError(f"there is no clutter filter {name!r}", "use mean, difference or off")


def mean_gain(
    doppler_hz: ArrayLike, period_s: float, blocks: int = 50, stagger_s: tuple[float, ...] = ()
) -> FloatArray:
    """Return the power gain (...) of the mean of K blocks at Doppler shifts (...), at every tone alike.

    With even spacing it is that of eq. 3: ``|1 - exp(-j (K + 1) x) sin(K x) / (K sin x)|^2``, ``x = pi f T``. The
    Doppler shift of a path whose length changes by r metres a second is ``-r / lambda``, whatever the geometry; eq. 3
    has ``2 v / lambda``, which is right only where transmitter and receiver stand together. With staggered blocks it is
    the mean over the pattern.

    Parameters
    ----------
    doppler_hz
        Doppler shifts.
    period_s
        From block to block.
    blocks
        K.
    stagger_s
        How much later than evenly the blocks come, in turn, see `isactrack.OfdmSensor`.
    """
    doppler = np.asarray(doppler_hz, dtype=np.float64)
    if not stagger_s:
        turns = doppler * period_s
        # Around the blind speed next to it: there sin x is 0, but sinc is not.
        rest = turns - np.round(turns)
        share = np.sinc(blocks * rest) / np.sinc(rest)
        return np.asarray(np.abs(1.0 - share * np.exp(-1j * np.pi * (blocks + 1) * rest)) ** 2)
    late = np.asarray(stagger_s)
    gain = np.zeros(doppler.shape)
    before = np.arange(1, blocks + 1)
    for m in range(late.size):
        ago_s = before * period_s + late[m] - late[(m - before) % late.size]
        gain += np.abs(1.0 - np.mean(np.exp(-2j * np.pi * doppler[..., None] * ago_s), axis=-1)) ** 2
    return gain / late.size


def difference_gain(doppler_hz: ArrayLike, period_s: float) -> FloatArray:
    """Return the power gain (...) of the difference of blocks `period_s` apart: ``4 sin^2(pi f T)``."""
    return np.asarray(4.0 * np.sin(np.pi * np.asarray(doppler_hz, dtype=np.float64) * period_s) ** 2)


def band_gain(
    path_rate_mps: ArrayLike,
    frequencies_hz: ArrayLike,
    period_s: float,
    blocks: int = 50,
    stagger_s: tuple[float, ...] = (),
) -> FloatArray:
    """Return the gain (...) of the mean for paths that lengthen at a rate (...), over all tones together.

    Parameters
    ----------
    path_rate_mps
        Rate of change of the path's length.
    frequencies_hz
        Frequencies (n,) of the tones, the carrier's included.
    period_s, blocks, stagger_s
        See `mean_gain`.
    """
    doppler = -np.asarray(path_rate_mps, dtype=np.float64)[..., None] * np.asarray(frequencies_hz) / SPEED_OF_LIGHT_MPS
    return np.asarray(np.mean(mean_gain(doppler, period_s, blocks, stagger_s), axis=-1))
