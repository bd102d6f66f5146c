"""The image that unequal I and Q branches of a receiver make, estimated blindly and taken off.

A branch that is a little stronger or turned makes ``y + b conj(y)`` of a signal y: each subcarrier sees the conjugate
of its mirror, 25 to 40 dB weaker. It does not turn with the block's phase as the channel does, so no calibration of
delay and phase takes it off, and no clutter filter after one.

Both estimators use that a wanted signal is proper while its image is not. In a channel estimate,
``H_k + b q_k conj(H_-k)`` with q from the known symbols, the product of a tone and its mirror is
``A_k exp(2j phi) + b q_k (|H_k|^2 + |H_-k|^2)``: the sampling offset cancels, the random phase phi of the block turns
the first term, and what does not turn is the image. If the phase does not change from block to block there is nothing
to tell the two apart by; that is noticed, and nothing is done.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.ofdm import OfdmSensor
from isactrack.ofdm_waveform import reference_symbols

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

MIN_BLOCKS: Final = 50
"""Blocks before an estimate is used."""
MEMORY_BLOCKS: Final = 1000
"""Blocks over which an estimate forgets: the branches drift with temperature, over minutes."""
_LEAST_SPREAD: Final = 0.3
"""Variance of exp(2j phi), 1 for phases all around, below which phases are too much alike."""
_SOLVE_EVERY: Final = 8
"""Blocks from one solution to the next once the image is known; it changes slowly."""
_TINY: Final = 1e-300


class IqBalance:
    """Takes the image off channel estimates, a coefficient for each row.

    Parameters
    ----------
    sensor
        The radio; its tones must be symmetric about the carrier, or nothing is done. Its image is scrambled by the
        reference symbols that its estimates were divided by, those of `isactrack.ofdm_waveform`.
    """

    def __init__(self, sensor: OfdmSensor) -> None:
        tones = np.asarray(sensor.tones)
        self._possible = bool(np.array_equal(tones, -tones[::-1]))
        symbols = reference_symbols(sensor)
        self._scramble = (symbols * symbols[::-1]).conj()
        self._half = slice(tones.size // 2 + tones.size % 2, None)
        self._unscramble = self._scramble[self._half].conj()
        self.reset()

    def reset(self) -> None:
        """Forget the estimate."""
        self._moments: _Moments | None = None

    @property
    def identifiable(self) -> bool:
        """Whether the blocks' phases differ enough to tell image and channel apart."""
        return self._moments is not None and self._moments.spread > _LEAST_SPREAD

    @property
    def coefficients(self) -> ComplexArray | None:
        """Image coefficients b (rows,); None while they are not known, or cannot be."""
        if self._moments is None or self._moments.blocks < MIN_BLOCKS or not self.identifiable:
            return None
        return self._moments.image

    def __call__(self, csi: NDArray[np.complexfloating]) -> ComplexArray:
        """Learn from a block (rows, n_tones), unless a part of it was lost (0), and return it without its image.

        As long as the image is not known the block comes back as it is.
        """
        block = csi.astype(np.complex128)
        if not self._possible:
            return block
        whole = bool(csi.all())
        if whole:
            self._learn(block)
        b = self.coefficients
        if b is None or b.size != block.shape[0]:
            return block
        mirrored = block[:, ::-1].conj()
        image = b[:, None] * (self._scramble * mirrored)
        if not whole:
            image[(block == 0.0) | (mirrored == 0.0)] = 0.0
        return np.asarray((block - image) * (1.0 / (1.0 - b.real**2 - b.imag**2))[:, None])

    def _learn(self, block: ComplexArray) -> None:
        upper, lower = block[:, self._half], block[:, ::-1][:, self._half]
        power = upper.real**2 + upper.imag**2 + lower.real**2 + lower.imag**2
        level = max(float(power.mean()), _TINY)
        product = upper * lower * (self._unscramble / level)
        if self._moments is None or self._moments.shape != product.shape:
            self._moments = _Moments(product.shape)
        self._moments.add(product, power / level)


class _Moments:
    """Running means for the regression ``product = channel * turn + image``, turn being exp(2j phi) of each block.

    Parameters
    ----------
    shape
        Rows, and pairs of tones.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.blocks = 0
        self._product = np.zeros(shape, dtype=np.complex128)
        self._turned = np.zeros(shape, dtype=np.complex128)  # of the product times the conjugate of the turn
        self._power = np.zeros(shape)
        self._turn = 0.0j
        self._channel = self._turned
        self._beside = 0.0j  # product of channel and image
        self.image = np.zeros(shape[0], dtype=np.complex128)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and pairs of tones."""
        return self._power.shape

    @property
    def spread(self) -> float:
        """Variance of the turn, 1 for phases all around."""
        return 1.0 - abs(self._turn) ** 2

    def add(self, product: ComplexArray, power: FloatArray) -> None:
        """Take products and powers (rows, pairs) of a block in."""
        self.blocks += 1
        turn = 1.0 + 0.0j
        if self.blocks > 1:
            overlap = complex(np.vdot(self._channel, product)) - self._beside
            turn = overlap / max(abs(overlap), _TINY)
        share = 1.0 / min(self.blocks, MEMORY_BLOCKS)
        self._product += share * (product - self._product)
        self._turned += share * (product * turn.conjugate() - self._turned)
        self._power += share * (power - self._power)
        self._turn += share * (turn - self._turn)
        if self.blocks <= MIN_BLOCKS or self.blocks % _SOLVE_EVERY == 0:
            self._solve()

    def _solve(self) -> None:
        """Solve for what turns, and for what does not as one coefficient a row of the power."""
        if self.spread <= _LEAST_SPREAD:
            self._channel, self._beside = self._turned.copy(), 0.0j
            return
        self._channel = (self._turned - self._turn.conjugate() * self._product) / self.spread
        still = self._product - self._turn * self._channel
        self.image = (still * self._power).sum(axis=1) / np.maximum((self._power**2).sum(axis=1), _TINY)
        self._beside = complex(np.vdot(self._channel, self.image[:, None] * self._power))


class SampleBalance:
    """Takes the image off samples, a coefficient for each row.

    Before a carrier frequency offset is taken off, the image lies at the mirrored frequency exactly; afterwards it does
    not, and no longer falls on the mirrored tone. So where there are samples it is taken off these. OFDM with random
    data is proper whatever the phase: the mean of its square is 0, and that of ``y + b conj(y)`` is ``2 b`` times the
    power.

    Parameters
    ----------
    memory_blocks
        Blocks over which the estimate forgets.
    """

    def __init__(self, memory_blocks: int = MEMORY_BLOCKS) -> None:
        self._memory = memory_blocks
        self.reset()

    def reset(self) -> None:
        """Forget the estimate."""
        self._blocks = 0
        self._ratio: ComplexArray | None = None

    @property
    def coefficients(self) -> ComplexArray | None:
        """Image coefficients b (rows,); None while they are not known."""
        if self._ratio is None or self._blocks < MIN_BLOCKS:
            return None
        # The ratio r of square and power is 2 b / (1 + |b|^2); b is small, so one step of its inverse does.
        half = 0.5 * self._ratio
        return np.asarray(half * (1.0 + half.real**2 + half.imag**2))

    def learn(self, samples: NDArray[np.complexfloating]) -> None:
        """Take samples (rows, n) of random data in."""
        power = np.sum(samples.real**2 + samples.imag**2, axis=1)
        ratio = np.einsum("pn,pn->p", samples, samples) / np.maximum(power, _TINY)
        if self._ratio is None or self._ratio.shape != ratio.shape:
            self._ratio, self._blocks = np.zeros_like(ratio), 0
        self._blocks += 1
        self._ratio += (ratio - self._ratio) / min(self._blocks, self._memory)

    def apply(
        self, samples: NDArray[np.complexfloating], rows: NDArray[np.bool_] | None = None
    ) -> NDArray[np.complexfloating]:
        """Return samples (rows, n) without their image, as they are while it is not known.

        Parameters
        ----------
        samples
            Samples of all rows, or of some.
        rows
            Which rows these are, bool (all rows,); None for all.
        """
        b = self.coefficients
        if b is None:
            return samples
        b = b if rows is None else b[rows]
        own = (1.0 / (1.0 - b.real**2 - b.imag**2)).astype(samples.real.dtype)
        clean = samples.conj()
        clean *= (-b * own).astype(samples.dtype)[:, None]
        clean += own[:, None] * samples
        return clean
