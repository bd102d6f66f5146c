"""Delays seen through sensing tones: a grid of delays, the impulse response on it, and maxima between its points.

Tones need not be evenly spaced: they are put on the coarsest even comb that holds all of them, whose spacing sets the
unambiguous delay.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from isactrack.ofdm import OfdmSensor

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DelayGrid:
    """Delays at which a padded inverse FFT looks, and what is needed to go between them.

    Attributes
    ----------
    angular
        Angular frequencies (n_tones,) of the tones relative to the carrier, rad/s.
    comb
        Places (n_tones,) of the tones on the even comb.
    points
        Delays of the grid: length of the inverse FFT.
    window_s
        Unambiguous delay, one over the spacing of the comb.
    moments
        Rows 1, j w and -w^2 (3, n_tones) with w the angular frequency from the middle of the tones: what turns
        products into a sum and its first two derivatives by delay.
    """

    angular: FloatArray
    comb: NDArray[np.int64]
    points: int
    window_s: float
    moments: ComplexArray

    @classmethod
    def of(cls, sensor: OfdmSensor, pad: int = 4) -> Self:
        """Return the grid of a radio's tones, at least `pad` points for each place on the comb."""
        tones = np.asarray(sensor.tones, dtype=np.int64)
        step = math.gcd(*(int(value) for value in np.diff(tones)))
        comb = (tones - tones[0]) // step
        angular = 2.0 * np.pi * sensor.tone_frequencies_hz
        centred = angular - angular.mean()
        moments = np.stack([np.ones_like(centred) + 0j, 1j * centred, -(centred**2) + 0j])
        points = int(fft.next_fast_len(pad * (int(comb[-1]) + 1)))
        return cls(angular, comb, points, 1.0 / (step * sensor.subcarrier_spacing_hz), moments)

    @property
    def step_s(self) -> float:
        """From point to point."""
        return self.window_s / self.points

    @property
    def delays_s(self) -> FloatArray:
        """Delays (points,) from 0."""
        return np.asarray(np.arange(self.points) * self.step_s, dtype=np.float64)

    def power(self, values: ComplexArray) -> FloatArray:
        """Return ``|sum_n values[n] exp(j w_n tau)|^2`` (..., points) of values (..., n_tones) on the grid."""
        if self.comb[-1] + 1 != self.comb.size:
            even = np.zeros((*values.shape[:-1], int(self.comb[-1]) + 1), dtype=np.complex128)
            even[..., self.comb] = values
            values = even
        response = fft.ifft(values, self.points, norm="forward")
        return np.asarray(response.real**2 + response.imag**2)

    def strongest(self, power: FloatArray, near_s: float = 0.0, gate_s: float | None = None) -> float:
        """Return the delay of the largest power (points,), within a gate around a delay or anywhere."""
        if gate_s is None or 2.0 * gate_s >= self.window_s:
            return float(np.argmax(power)) * self.step_s
        first = math.floor((near_s - gate_s) / self.step_s)
        last = math.ceil((near_s + gate_s) / self.step_s)
        index = np.arange(first, last + 1)
        return float(index[np.argmax(power[index % self.points])]) * self.step_s

    def refine(self, values: ComplexArray, delay_s: float, iterations: int = 3) -> tuple[float, complex]:
        """Climb to the maximum over delay of ``|sum_n values[n] exp(j w_n tau)|`` by Newton's method.

        Parameters
        ----------
        values
            Products (n_tones,), e.g. of a channel and the conjugate of what it is compared with.
        delay_s
            Where to begin, a point of the grid or better.
        iterations
            Steps, none of them longer than a point of the grid.

        Returns
        -------
        delay_s
            The maximum.
        sum
            The sum there; its angle is the phase of the channel at the carrier.
        """
        limit = self.step_s
        for _ in range(iterations):
            s, s1, s2 = (complex(value) for value in self.moments @ (values * np.exp(1j * self.angular * delay_s)))
            slope = s.real * s1.real + s.imag * s1.imag
            curvature = abs(s1) ** 2 + s.real * s2.real + s.imag * s2.imag
            step = -slope / curvature if curvature < 0.0 else math.copysign(limit, slope)
            delay_s += min(limit, max(-limit, step))
        return delay_s, complex(values @ np.exp(1j * self.angular * delay_s))

    def wrap(self, delay_s: float) -> float:
        """Return a delay within plus or minus half the window."""
        half = 0.5 * self.window_s
        return (delay_s + half) % self.window_s - half


def impulse_response(
    csi: NDArray[np.complexfloating], sensor: OfdmSensor, pad: int = 8
) -> tuple[FloatArray, FloatArray]:
    """Return the power of a channel by delay, for the eye: Hann window, padded.

    Parameters
    ----------
    csi
        Channel (..., n_tones).
    sensor
        The radio.
    pad
        Points for each place on the comb of tones.

    Returns
    -------
    delays_s
        Delays (points,), from 0 to the unambiguous one. What comes before 0 shows at the end.
    power
        Power (..., points); a single path of gain b shows ``|b|^2`` at its delay.
    """
    grid, window = _windowed(sensor, pad)
    return grid.delays_s, grid.power(np.asarray(csi, dtype=np.complex128) * window)


@lru_cache(maxsize=8)
def _windowed(sensor: OfdmSensor, pad: int) -> tuple[DelayGrid, FloatArray]:
    """Return the grid of a radio and the Hann window (n_tones,) of its tones, which sums to 1."""
    grid = DelayGrid.of(sensor, pad)
    window = np.hanning(int(grid.comb[-1]) + 3)[1:-1][grid.comb]
    return grid, np.asarray(window / window.sum())
