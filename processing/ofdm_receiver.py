"""From samples around preamble and reference symbol to a channel estimate.

In this order: fractional carrier offset from the cyclic prefixes, whole subcarriers of it from the reference symbols,
timing from the preamble, FFT a part of the prefix early, least squares on the sensing tones, response of the hardware,
noise from what is empty. What is taken off is in the `BlockInfo` that comes with the estimate; `undo` puts it back.

**Scale.** A waveform has a mean power of 1 sample squared in a symbol, so counts of samples and counts of channel
estimates share `OfdmSensor.csi_scale`: an estimate is ``sqrt(active) / fft_size`` times the FFT over the symbols, and
takes in ``active / fft_size`` of the noise power of a sample.

A Zadoff-Chu preamble that is shifted by a subcarrier looks like one that comes some samples later, as strong as before.
It cannot tell whole subcarriers of carrier offset from timing, so the reference symbols do: with a wrong number of
subcarriers the estimates of neighbouring tones have nothing to do with each other. At 26 GHz two oscillators 2.5 ppm
off give 130 kHz, close to the 135 kHz that prefixes can tell.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from isactrack.errors import ConfigError
from isactrack.frame import BlockInfo
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.ofdm_waveform import GATE_MARGIN, active_subcarriers, preamble_spectrum, reference_symbols
from isactrack.processing.iq_balance import SampleBalance

ComplexArray = NDArray[np.complex128]
Samples = NDArray[np.complexfloating]
Mask = NDArray[np.bool_]

CFO_CANDIDATES: Final = (0, 1, -1, 2, -2)
"""Whole subcarriers of carrier offset that are tried."""
FALSE_LOCK: Final = 1e-6
"""Probability that something else passes as a preamble."""
CFO_HOLD_HZ: Final = 200.0
"""The offset that is taken off changes when the measured one is this far from it: 200 Hz leave -57 dB between tones."""
MAX_LOST: Final = 0.02
"""Share of the reference symbol's samples that a row may have lost; a row with more is lost altogether."""
_EARLY: Final = 0.25
"""Part of the prefix that the FFT begins early, for what comes before the strongest path."""
_FULL_SCALE: Final = 32767
_EDGE: Final = 8
"""Subcarriers beyond the active ones that are left out of the noise: what a carrier offset leaks lies there."""


def csi_sensor(sensor: OfdmSensor) -> OfdmSensor:
    """Return the radio that delivers the estimates which `OfdmReceiver` makes of the samples of another one."""
    return replace(sensor, capture=Capture.CSI, gate_samples=0)


# --- places in a gate ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class GateLayout:
    """Where things are in a gate that is exactly in time, and the sequences that are sent.

    Attributes
    ----------
    fft_size, prefix
        Samples of a symbol and of its prefix.
    preamble, reference
        First sample of the preamble's and of the reference symbol's prefix.
    preamble_spectrum
        Preamble on each FFT bin (fft_size,).
    symbols
        Reference symbols (n_tones,).
    tones, empty
        FFT bins of the sensing tones, and of what carries nothing.
    scale
        What turns an FFT bin over its symbol into counts of a channel estimate.
    """

    fft_size: int
    prefix: int
    preamble: int
    reference: int
    preamble_spectrum: ComplexArray
    symbols: ComplexArray
    tones: NDArray[np.int64]
    empty: NDArray[np.int64]
    scale: float


@lru_cache(maxsize=8)
def gate_layout(sensor: OfdmSensor) -> GateLayout:
    """Return the layout of a radio's gates, see `isactrack.ofdm_waveform`.

    Raises
    ------
    ConfigError
        If the radio has no gate, or one that is too short or without a prefix.
    """
    size, prefix = sensor.fft_size, sensor.cyclic_prefix_samples
    reference = GATE_MARGIN + size + prefix
    if sensor.capture is not Capture.IQ or sensor.gate_samples < reference + prefix + size + GATE_MARGIN or prefix < 8:
        raise ConfigError(
            f"a gate of {sensor.gate_samples} samples does not hold a preamble and a reference symbol with prefixes",
            'use a profile that captures samples (capture = "iq")',
        )
    active = active_subcarriers(sensor)
    free = np.ones(size, dtype=np.bool_)
    low, high = int(active[0]) - _EDGE, int(active[-1]) + _EDGE
    free[np.arange(low, high + 1)] = False
    free[0] = True
    return GateLayout(
        fft_size=size,
        prefix=prefix,
        preamble=GATE_MARGIN,
        reference=reference,
        preamble_spectrum=preamble_spectrum(sensor),
        symbols=reference_symbols(sensor),
        tones=np.asarray(sensor.tones, dtype=np.int64) % size,
        empty=np.flatnonzero(free),
        scale=math.sqrt(active.size) / size,
    )


# --- steps -----------------------------------------------------------------------------------------------------------


def prefix_products(samples: Samples, layout: GateLayout) -> ComplexArray:
    """Return ``sum_p conj(y[n]) y[n + fft_size]`` over the rows, of preamble and reference symbol together.

    Parameters
    ----------
    samples
        Gate (rows, gate).
    layout
        Its layout.

    Returns
    -------
    ndarray
        Products (gate - fft_size - (fft_size + prefix),) at each first sample n, complex128.
    """
    size = layout.fft_size
    products = np.einsum("pn,pn->n", samples[:, :-size].conj(), samples[:, size:])
    symbol = size + layout.prefix
    return np.asarray(products[: products.size - symbol] + products[symbol:])


def fractional_cfo(products: ComplexArray, layout: GateLayout, start: int | None = None) -> float:
    """Return the carrier offset in subcarriers, -0.5 to 0.5, from the turn between a prefix and what it repeats.

    Parameters
    ----------
    products
        Those of `prefix_products`.
    layout
        The gate's layout.
    start
        First sample of the preamble's prefix, if it is known: what other paths may blur at its ends is left out then.
        Else the stretch of a prefix's length where the products add up best.
    """
    prefix = layout.prefix
    if start is not None:
        first = max(0, start + prefix // 8)
        total = products[first : max(first + 1, start + prefix - prefix // 16)].sum()
    else:
        sums = np.concatenate([[0.0], np.cumsum(products)])
        stretches = sums[prefix:] - sums[:-prefix]
        total = stretches[np.argmax(np.abs(stretches))]
    return float(np.angle(total)) / (2.0 * math.pi)


def derotation(cfo_hz: float, tick: int, count: int, rate_hz: float) -> ComplexArray:
    """Return the turn (count,) that takes a carrier offset off samples whose first is at `tick` of the sample clock.

    It goes on over blocks as long as the offset stays the same.
    """
    start = math.fmod(cfo_hz * (tick / rate_hz), 1.0)
    return np.asarray(np.exp(-2j * math.pi * (start + (cfo_hz / rate_hz) * np.arange(count))))


def integer_cfo(reference: Samples, layout: GateLayout) -> tuple[int, float]:
    """Find the whole subcarriers of carrier offset.

    Parameters
    ----------
    reference
        Spectra (rows, fft_size) of the reference symbol, from anywhere in its prefix on.
    layout
        The gate's layout.

    Returns
    -------
    subcarriers
        The candidate with which neighbouring tones have most to do with each other.
    coherence
        How much, 0 to 1: ``|sum H[k] conj(H[k-1])| / sum |H|^2``.
    """
    best = 0, -1.0
    for candidate in CFO_CANDIDATES:
        csi = reference[:, (layout.tones + candidate) % layout.fft_size] / layout.symbols
        power = float(np.vdot(csi, csi).real)
        coherence = abs(complex(np.vdot(csi[:, :-1], csi[:, 1:]))) / power if power > 0.0 else 0.0
        if coherence > best[1]:
            best = candidate, coherence
    return best


def find_preamble(spectra: Samples, layout: GateLayout, margin: int) -> tuple[float, float]:
    """Correlate with the preamble, circularly in its FFT window.

    Parameters
    ----------
    spectra
        Spectra (rows, fft_size) of a window that begins in the middle of the preamble's prefix if the gate is in time.
    layout
        The gate's layout.
    margin
        Most samples that the gate may be early or late.

    Returns
    -------
    offset
        By how many samples the strongest path is later than it should be, between samples.
    peak
        Its power over the mean of all delays, the rows added up.
    """
    response = fft.ifft(spectra * layout.preamble_spectrum.conj().astype(spectra.dtype), axis=1)
    power = np.einsum("pn,pn->n", response.real, response.real) + np.einsum("pn,pn->n", response.imag, response.imag)
    middle = layout.prefix // 2
    lags = np.arange(-margin, margin + 1)
    places = (middle + lags) % layout.fft_size
    best = int(np.argmax(power[places]))
    mean = float(power.mean())
    if mean == 0.0:
        return 0.0, 0.0
    place = int(places[best])
    left, centre, right = (math.sqrt(float(power[(place + k) % layout.fft_size])) for k in (-1, 0, 1))
    bend = left - 2.0 * centre + right
    between = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
    return float(lags[best]) + min(0.5, max(-0.5, between)), float(power[place]) / mean


def preamble_threshold(lags: int, probability: float = FALSE_LOCK) -> float:
    """Return the peak over mean that anything but a preamble exceeds in one of `lags` delays with a probability.

    The power at a delay is exponentially distributed where all rows see the same: noise alone is different in each, and
    stays further below, but somebody's data are not.
    """
    return math.log(lags / probability)


def estimate_csi(spectra: Samples, layout: GateLayout, late: int) -> ComplexArray:
    """Return the least-squares estimates (rows, n_tones), counts.

    Parameters
    ----------
    spectra
        Spectra (rows, fft_size) of the reference symbol.
    layout
        The gate's layout.
    late
        By how many samples the FFT window begins after the symbol itself, negative for early; its ramp is taken off.
    """
    signed = np.where(layout.tones > layout.fft_size // 2, layout.tones - layout.fft_size, layout.tones)
    ramp = np.exp(-2j * np.pi * signed * late / layout.fft_size)
    return np.asarray(spectra[:, layout.tones] * (layout.scale * ramp / layout.symbols))


def empty_power(spectra: Samples, layout: GateLayout) -> float:
    """Return the noise power in an estimate, counts squared, from the guard bands and the carrier.

    Bins far above the others are left out: a spur, or the receiver's own leakage at the carrier.
    """
    values = spectra[:, layout.empty]
    power = np.mean(values.real**2 + values.imag**2, axis=0)
    usual = power[power <= 5.0 * np.median(power)]
    return float(usual.mean()) * layout.scale**2


def undo(csi: ComplexArray, info: BlockInfo, sensor: OfdmSensor, before: BlockInfo) -> ComplexArray:
    """Put back what `OfdmReceiver` took off a channel estimate: carrier offset and timing.

    Parameters
    ----------
    csi, info
        What the receiver returned.
    sensor
        The radio.
    before
        The `BlockInfo` that came with the samples.

    Returns
    -------
    ndarray
        Estimates (rows, n_tones) against the gate's own timing, with the phase that the carrier offset has in the
        middle of the reference symbol. What a carrier offset leaks between subcarriers does not come back.
    """
    moved = info.timing_samples - before.timing_samples
    late = np.exp(-2j * np.pi * sensor.tone_frequencies_hz * moved / sensor.sample_rate_hz)
    centre = sensor.cyclic_prefix_samples + moved + 0.5 * (sensor.fft_size - 1)
    turns = math.fmod((info.cfo_hz - before.cfo_hz) * ((before.tick + centre) / sensor.sample_rate_hz), 1.0)
    return np.asarray(csi * late * np.exp(2j * math.pi * turns))


def load_response(path: Path) -> ComplexArray:
    """Return the response of a receiver's hardware from a `.npy` file.

    Raises
    ------
    ConfigError
        If the file cannot be read or holds something else than finite numbers (rows,) or (rows, n_tones), none 0.
    """
    try:
        response = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path} cannot be read as an array: {error}", "save it with numpy.save") from error
    return _checked(response)


def _checked(response: ArrayLike) -> ComplexArray:
    values = np.asarray(response)
    if values.ndim not in (1, 2) or values.dtype.kind not in "iufc" or not np.all(np.isfinite(values)):
        raise ConfigError(
            f"a response of shape {values.shape} and type {values.dtype} is none of rows, or rows and tones",
            "give one complex number for each row, or for each row and tone",
        )
    if not np.all(values):
        raise ConfigError(
            "the response of the hardware is 0 somewhere", "measure it again: nothing can be divided by it"
        )
    values = values.astype(np.complex128)
    return values[:, None] if values.ndim == 1 else values


class OfdmReceiver:
    """Makes channel estimates of gates of samples.

    Parameters
    ----------
    sensor
        The radio, whose capture is IQ.
    response
        Response of the hardware, complex (rows,) or (rows, n_tones), that estimates are divided by.
    balance_iq
        Whether the image of the receivers' I/Q imbalance is estimated and taken off the samples.

    Raises
    ------
    ConfigError
        If the radio does not deliver samples, or the response does not have its rows and tones.
    """

    def __init__(self, sensor: OfdmSensor, response: ArrayLike | None = None, *, balance_iq: bool = True) -> None:
        self._layout = gate_layout(sensor)
        self._sensor = sensor
        self._response = None if response is None else _checked(response)
        if self._response is not None and self._response.shape not in ((sensor.n_rx, 1), (sensor.n_rx, sensor.n_tones)):
            raise ConfigError(
                f"a response of {self._response.shape[0]} rows and {self._response.shape[1]} tones is not one of "
                f"{sensor.n_rx} rows and {sensor.n_tones} tones",
                "measure it with this radio",
            )
        self._balance = SampleBalance() if balance_iq else None
        # Half of the prefix early or late the windows are still inside it; a few samples stay for late paths.
        end = self._layout.reference + self._layout.prefix + self._layout.fft_size
        room = sensor.gate_samples - end + int(_EARLY * self._layout.prefix)
        self._margin = min(room, self._layout.prefix // 2 - 4)
        self._threshold = preamble_threshold(2 * self._margin + 1)
        self.reset()

    def reset(self) -> None:
        """Forget the carrier offset and the image."""
        self._cfo_hz: float | None = None
        if self._balance is not None:
            self._balance.reset()

    def __call__(
        self, samples: NDArray[np.complexfloating], info: BlockInfo | None = None, valid: Mask | None = None
    ) -> tuple[ComplexArray, BlockInfo] | None:
        """Return the channel estimate of a gate.

        Parameters
        ----------
        samples
            Gate (rows, gate) of counts.
        info
            What the radio says of the block; None for a block at tick 0.
        valid
            Which samples arrived, bool (rows, gate); None for all. Others must be 0.

        Returns
        -------
        csi
            Estimates (rows, n_tones), counts, in the sense of `csi_sensor`; 0 in rows that lost too much.
        info
            With the carrier offset and the timing that were taken off, the noise in the estimate, and the number of
            samples that the converter clipped. None instead of both if there is no preamble.

        Raises
        ------
        ConfigError
            If the gate does not have the radio's shape.
        """
        sensor, layout = self._sensor, self._layout
        if samples.shape != (sensor.n_rx, sensor.gate_samples):
            raise ConfigError(
                f"a gate of shape {samples.shape} is not one of {sensor.n_rx} rows and {sensor.gate_samples} samples",
                "the recording and the profile do not belong together",
            )
        info = BlockInfo() if info is None else info
        whole = _whole_rows(valid, layout, sensor.n_rx)
        if not whole.any():
            return None
        # Single precision holds counts of 16 bits with 48 dB to spare, in half the memory.
        gate = samples[whole].astype(np.complex64)
        tick = info.tick - layout.reference
        found = self._synchronise(gate, whole, tick)
        if found is None:
            return None
        offset, cfo_hz = found
        moved = round(offset)
        early = int(_EARLY * layout.prefix)
        spectra = self._spectra(gate, whole, layout.reference + layout.prefix + moved - early, tick, cfo_hz)
        csi = np.zeros((sensor.n_rx, sensor.n_tones), dtype=np.complex128)
        csi[whole] = estimate_csi(spectra, layout, -early)
        if self._response is not None:
            csi /= self._response
        if self._balance is not None and whole.all():
            self._balance.learn(gate[:, layout.reference : layout.reference + layout.prefix + layout.fft_size])
        return csi, replace(
            info,
            cfo_hz=info.cfo_hz + cfo_hz,
            timing_samples=info.timing_samples + moved,
            noise_power=empty_power(spectra, layout),
            clipped=max(info.clipped, clipped_samples(gate)),
        )

    def _spectra(self, gate: Samples, whole: Mask, first: int, tick: int, cfo_hz: float) -> Samples:
        """Return spectra (rows, fft_size) of a window of the gate, without image and carrier offset."""
        size = self._layout.fft_size
        window = gate[:, first : first + size]
        if self._balance is not None:
            window = self._balance.apply(window, whole)
        turn = derotation(cfo_hz, tick + first, size, self._sensor.sample_rate_hz)
        return np.asarray(fft.fft(window * turn.astype(np.complex64), axis=1))

    def _synchronise(self, gate: Samples, whole: Mask, tick: int) -> tuple[float, float] | None:
        """Return the timing (samples, to be added) and the carrier offset (Hz); None if there is no preamble."""
        layout, spacing = self._layout, self._sensor.subcarrier_spacing_hz
        middle = layout.prefix // 2
        products = prefix_products(gate, layout)
        part = fractional_cfo(products, layout)
        reference = self._spectra(gate, whole, layout.reference + middle, tick, part * spacing)
        subcarriers, _ = integer_cfo(reference, layout)
        coarse = subcarriers + part
        preamble = self._spectra(gate, whole, layout.preamble + middle, tick, coarse * spacing)
        offset, peak = find_preamble(preamble, layout, self._margin)
        if peak < self._threshold:
            return None
        fine = fractional_cfo(products, layout, layout.preamble + round(offset))
        # Near half a subcarrier the finer estimate may come out on the other side.
        fine += round(coarse - fine)
        if self._cfo_hz is None or abs(fine * spacing - self._cfo_hz) > CFO_HOLD_HZ:
            self._cfo_hz = fine * spacing
        return offset, self._cfo_hz


def clipped_samples(samples: NDArray[np.complexfloating]) -> int:
    """Return how many samples are at the end of the converter's scale, in I or in Q."""
    return int(np.count_nonzero((np.abs(samples.real) >= _FULL_SCALE) | (np.abs(samples.imag) >= _FULL_SCALE)))


def _whole_rows(valid: Mask | None, layout: GateLayout, rows: int) -> Mask:
    """Return which rows (rows,) lost next to nothing of the reference symbol."""
    if valid is None:
        return np.ones(rows, dtype=np.bool_)
    end = layout.reference + layout.prefix + layout.fft_size
    return np.asarray(valid[:, layout.reference : end].mean(axis=1) >= 1.0 - MAX_LOST)
