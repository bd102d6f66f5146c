"""What every line-spectrum detector returns: two-dimensional lines with a gain for each antenna."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpectralLines:
    """Lines of the model of eq. 8 of mnomp-spa-kf that a detector found in one frame, the strongest first.

    The frame has the axes of this project, ``data[m, l, n]`` (loop, antenna, sample), and a line adds
    ``gain[l] exp(j (range_rad n + doppler_rad m))`` to it, n and m counted from 0.

    Attributes
    ----------
    range_rad
        Angular frequencies (k,) in fast time, omega_x of eq. 10a, in [0, 2 pi).
    doppler_rad
        Angular frequencies (k,) in slow time, omega_y of eq. 10b, in [-pi, pi).
    gain
        Complex amplitudes (k, antennas) complex128 of one sample.
    noise_power
        Noise variance (k,) of one sample, sigma_b^2 of eq. 1, estimated from the training cells of the line.
    residual_power
        Mean power of a sample of the frame without the lines.
    """

    range_rad: FloatArray
    doppler_rad: FloatArray
    gain: NDArray[np.complex128]
    noise_power: FloatArray
    residual_power: float

    def __len__(self) -> int:
        return int(self.range_rad.size)

    def snr(self, samples: int) -> FloatArray:
        """Return the linear signal-to-noise ratio (k,) of an antenna after coherent integration of `samples` samples.

        `samples` is N M; the ratio is the mean over the antennas of ``N M |gain|^2 / noise_power``.
        """
        return np.asarray(samples * np.mean(np.abs(self.gain) ** 2, axis=1) / self.noise_power)

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "SpectralLines":
        """Return the lines that `index` (positions or a mask) picks, in its order; the residual is that of all."""
        return SpectralLines(
            range_rad=self.range_rad[index],
            doppler_rad=self.doppler_rad[index],
            gain=self.gain[index],
            noise_power=self.noise_power[index],
            residual_power=self.residual_power,
        )
