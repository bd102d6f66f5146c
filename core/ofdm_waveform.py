"""What the bistatic transmitter sends in each block: a preamble symbol, and behind it the reference symbol.

Transmitter and receiver make the same sequences from the same numbers, so both sides of a test and of the real system
share this module. A gate of captured samples holds, nominally::

    GATE_MARGIN samples | preamble: prefix + symbol | reference: prefix + symbol | GATE_MARGIN samples

The preamble is a Zadoff-Chu sequence over all active subcarriers; the reference symbol has known QPSK on the sensing
tones and somebody's data on the other active subcarriers. Subcarriers beyond the active ones, and the carrier itself,
stay empty: there the noise is measured.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.ofdm import OfdmSensor

ComplexArray = NDArray[np.complex128]

GATE_MARGIN: Final = 128
"""Samples before the preamble and behind the reference symbol of a gate."""


def gate_samples(fft_size: int, cyclic_prefix_samples: int) -> int:
    """Return the samples of a gate, a row."""
    return 2 * (GATE_MARGIN + fft_size + cyclic_prefix_samples)


def active_subcarriers(sensor: OfdmSensor) -> NDArray[np.int64]:
    """Return the subcarriers that carry anything: half a tone spacing beyond the tones on both sides, without 0."""
    half = (sensor.tones[1] - sensor.tones[0]) // 2
    low, high = sensor.tones[0] - half, sensor.tones[-1] + half
    if max(-low, high) >= sensor.fft_size // 2:
        raise ConfigError(
            f"subcarriers {low} to {high} leave no guard in an FFT of {sensor.fft_size}", "use a larger FFT"
        )
    every = np.arange(low, high + 1)
    return np.asarray(every[every != 0])


def preamble_spectrum(sensor: OfdmSensor) -> ComplexArray:
    """Return the preamble on each FFT bin (fft_size,), in the order of `numpy.fft.fft`; 1 in magnitude where active."""
    active = active_subcarriers(sensor)
    n = _prime_from(active.size)  # coprime to every root: then its power is spread evenly over the symbol
    k = np.arange(active.size)
    spectrum = np.zeros(sensor.fft_size, dtype=np.complex128)
    spectrum[active] = np.exp(-1j * np.pi * sensor.preamble_root * k * (k + 1) / n)
    return spectrum


def reference_symbols(sensor: OfdmSensor) -> ComplexArray:
    """Return the QPSK symbols (n_tones,), 1 in magnitude, that the sensing tones carry."""
    return _qpsk(np.random.default_rng([sensor.reference_seed, 17]), sensor.n_tones)


def reference_spectrum(sensor: OfdmSensor, rng: np.random.Generator) -> ComplexArray:
    """Return a reference symbol on each FFT bin (fft_size,): the sensing tones, and data from `rng` around them."""
    active = active_subcarriers(sensor)
    spectrum = np.zeros(sensor.fft_size, dtype=np.complex128)
    spectrum[active] = _qpsk(rng, active.size)
    spectrum[np.asarray(sensor.tones)] = reference_symbols(sensor)
    return spectrum


def _prime_from(least: int) -> int:
    """Return the smallest prime number from `least` on."""
    n = max(least, 2)
    while any(n % divisor == 0 for divisor in range(2, math.isqrt(n) + 1)):
        n += 1
    return n


def _qpsk(rng: np.random.Generator, n: int) -> ComplexArray:
    return np.asarray(np.exp(0.5j * np.pi * (rng.integers(0, 4, n) + 0.5)))
