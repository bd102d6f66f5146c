"""Makes what a simulated bistatic radio delivers: words of blocks, and what it says of each.

The receiver at block m with channel ``H[p, n]`` (rows, tones) delivers, in this order: the channel delayed by the
sampling time and turned by the phase of the block, errors of the rows, phase noise within the symbol, the image of the
I/Q imbalance, thermal noise, the gain, the converter.

Block k is the same whatever was made before it: noise and jitter are drawn from the seed and k, what walks is summed
from block 0 on, and channels are computed in batches that begin at multiples of `BATCH_BLOCKS`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.simulated.bistatic.channel import BistaticChannel
from isactrack.drivers.simulated.bistatic.impairments import (
    GAIN_ERROR_DB,
    GAIN_STEP_DB,
    Impairments,
    SignalFaultKind,
    TimedFault,
    planned_db,
    shadow_amplitude,
)
from isactrack.drivers.simulated.scene import Scene
from isactrack.frame import NO_FLAGS, BlockFlag, BlockInfo
from isactrack.geometry import Pose
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.ofdm_waveform import (
    GATE_MARGIN,
    active_subcarriers,
    preamble_spectrum,
    reference_spectrum,
    reference_symbols,
)
from isactrack.truth import Truth

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

BATCH_BLOCKS: Final = 32
"""Channel estimates whose channels are computed together."""
FULL_SCALE: Final = 32767
"""Largest count of I and of Q: where the converter clips, whatever its bits."""
_ROUNDING_POWER: Final = 1.0 / 6.0
"""What rounding I and Q to whole numbers adds."""
_GUARD_TONES: Final = 200
"""Empty subcarriers a row, of which the radio measures the noise."""
_UNLOCKED_DB: Final = 0.0
"""Power between tones while the local oscillator runs free."""


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of a block: what the radio says, what it is, and whether it is another than before."""

    said_db: float
    true_db: float
    changed: bool


class RadioSource:
    """Makes the blocks of a scene as a radio would deliver them.

    Parameters
    ----------
    scene
        What is there.
    sensor
        The radio as it runs.
    pose
        Where the receiver stands in the room of a scene that has one.
    seed
        Draws noise, jitter and errors.
    impairments
        What the radio is like.
    plan
        Faults of the signal, at times of the device.
    start_s
        Time of the scene at which the device starts.
    ghosts
        Whether people are also seen by way of walls, see `BistaticChannel`.

    Attributes
    ----------
    channel
        The noise-free channel.
    """

    def __init__(
        self,
        scene: Scene,
        sensor: OfdmSensor,
        *,
        pose: Pose,
        seed: int,
        impairments: Impairments,
        plan: Sequence[TimedFault] = (),
        start_s: float = 0.0,
        ghosts: bool = False,
    ) -> None:
        self._sensor, self._seed, self._radio, self._plan = sensor, seed, impairments, tuple(plan)
        self._scene = scene.seen_from(pose).later(start_s)
        self.channel = BistaticChannel(scene.later(start_s), sensor, pose, ghosts=ghosts)
        rng = np.random.default_rng([seed, 31])
        rows = sensor.n_rx
        self._row_error = 10.0 ** (impairments.row_gain_db * rng.standard_normal(rows) / 20.0) * np.exp(
            1j * impairments.row_phase_rad * rng.standard_normal(rows)
        )
        self._residual_hz = impairments.residual_hz * float(rng.standard_normal())
        spread = np.exp(0.1 * rng.standard_normal(rows) + 2j * np.pi * rng.uniform(size=rows))
        self._image = 10.0 ** (impairments.image_db / 20.0) * spread  # of each receiver
        self._walk = _Walk(np.random.default_rng([seed, 37]))
        self._cache: tuple[int, ComplexArray] | None = None
        self._gain_errors: dict[int, float] = {}  # by gain in hundredths of a decibel
        full = FULL_SCALE * 10.0 ** (-impairments.level_db / 20.0)
        self._gain_db = float(round(20.0 * math.log10(full * sensor.csi_scale / self.channel.direct_amplitude)))
        tones = np.asarray(sensor.tones)
        self._mirror = np.searchsorted(tones, -tones).clip(0, len(tones) - 1)
        self._mirrored = tones[self._mirror] == -tones
        self._filled = active_subcarriers(sensor).size / sensor.fft_size
        symbols = reference_symbols(sensor)
        self._image_turn = np.conj(symbols[self._mirror]) / symbols

    # --- what is asked for -------------------------------------------------------------------------------------------

    def make(self, counter: int, *, lo_locked: bool = True) -> tuple[NDArray[np.int16], BlockInfo]:
        """Return the words (`OfdmSensor.frame_words`,) of a block in the order of the wire, and what the radio says.

        Parameters
        ----------
        counter
            The block, from 0.
        lo_locked
            Whether the local oscillator has lock; without it the phase runs free within the symbol.
        """
        rng = np.random.default_rng([self._seed, 41, counter])
        if self._sensor.capture is Capture.IQ:
            return self._samples(counter, rng, lo_locked)
        return self._estimate(counter, rng, lo_locked)

    def truth(self, counter: int) -> Truth:
        """Return where the people are, in the receiver's frame, when the reference symbol of a block is sent."""
        return self._scene.truth(self.reference_s(counter))

    def reference_s(self, counter: int) -> float:
        """Return the device time of the reference symbol of a block."""
        return counter * self._sensor.frame_period_s + self._sensor.stagger_of(counter)

    def timing_error_s(self, counter: int) -> float:
        """Return by how much later than a path of length 0 should the signal lies in the window, without jitter."""
        late, moved = self._clock(counter)
        return late - moved / self._sensor.sample_rate_hz

    # --- channel estimates -------------------------------------------------------------------------------------------

    def _estimate(self, counter: int, rng: np.random.Generator, lo_locked: bool) -> tuple[NDArray[np.int16], BlockInfo]:
        sensor, radio = self._sensor, self._radio
        late_s, phase = self._drawn(counter, rng)
        delay = np.exp(-2j * np.pi * sensor.tone_frequencies_hz * late_s + 1j * phase)
        received = self._channel(counter) * delay * self._row_error[:, None]
        moving_db = radio.phase_noise_db if lo_locked else _UNLOCKED_DB
        received = received * (1.0 + 10.0 ** (moving_db / 20.0) * _normal(rng, sensor.n_tones))
        image = np.where(self._mirrored, np.conj(received[:, self._mirror]) * self._image_turn, 0.0)
        gain = self._gain(counter)
        counts = (received + self._image[:, None] * image) * 10.0 ** (gain.true_db / 20.0) / sensor.csi_scale
        power = self._noise_power(gain)
        words, clipped = self._convert(counts + math.sqrt(power) * _normal(rng, counts.shape), step=1.0)
        # The radio measures what is in empty subcarriers: an estimate that is good to a few per cent.
        looks = _GUARD_TONES * sensor.n_rx
        return words, replace(
            self._info(counter, gain, clipped, lo_locked),
            noise_power=float((power + _ROUNDING_POWER) * rng.gamma(looks, 1.0 / looks)),
            cfo_hz=radio.cfo_hz - self._residual_hz,
        )

    def _noise_power(self, gain: Gain) -> float:
        """Return the noise in the estimate of a tone, counts squared: thermal, and that of the converter's steps.

        An estimate takes in ``active / fft_size`` of the noise of a sample.
        """
        sensor, radio = self._sensor, self._radio
        thermal = self.channel.direct_amplitude * 10.0 ** ((gain.true_db - radio.snr_db) / 20.0) / sensor.csi_scale
        steps = _ROUNDING_POWER * 4.0 ** (16 - radio.adc_bits) * self._filled
        return float(thermal**2 + (steps if radio.adc_bits < 16 else 0.0))

    def _channel(self, counter: int) -> ComplexArray:
        """Return the channel (rows, tones) of a block; channels are computed in batches, the last of which is kept."""
        batch, index = divmod(counter, BATCH_BLOCKS)
        if self._cache is None or self._cache[0] != batch:
            time_s = self._times(batch * BATCH_BLOCKS, BATCH_BLOCKS)
            self._cache = batch, self.channel.csi(time_s, direct_gain=shadow_amplitude(self._plan, time_s))
        return np.asarray(self._cache[1][index])

    # --- samples -----------------------------------------------------------------------------------------------------

    def _samples(self, counter: int, rng: np.random.Generator, lo_locked: bool) -> tuple[NDArray[np.int16], BlockInfo]:
        """Sample the gate: preamble and reference symbol through the channel.

        The waveform has a mean power of 1 in a symbol, so a channel estimate in counts of `csi_scale` is
        ``sqrt(active subcarriers) / fft_size`` times the FFT of the samples over the symbols.
        """
        sensor, radio = self._sensor, self._radio
        late_s, phase = self._drawn(counter, rng)
        rate = sensor.sample_rate_hz
        whole = round(late_s * rate)
        active = active_subcarriers(sensor)
        time_s = self._times(counter, 1)
        channel = self.channel.spectrum(time_s, active, direct_gain=shadow_amplitude(self._plan, time_s))[0]
        turn = np.exp(-2j * np.pi * active * sensor.subcarrier_spacing_hz * (late_s - whole / rate))
        response = np.zeros((sensor.n_rx, sensor.fft_size), dtype=np.complex128)
        response[:, active] = channel * turn * self._row_error[:, None]
        scale = sensor.fft_size / math.sqrt(active.size)
        spectra = np.stack([preamble_spectrum(sensor), reference_spectrum(sensor, rng)])
        symbols = scale * np.fft.ifft(spectra[:, None] * response, axis=-1)  # (symbol, row, sample)
        prefix = sensor.cyclic_prefix_samples
        sent = np.concatenate([symbols[..., sensor.fft_size - prefix :], symbols], axis=-1)
        received = np.zeros((sensor.n_rx, sensor.gate_samples), dtype=np.complex128)
        _put(received, np.concatenate([sent[0], sent[1]], axis=-1), GATE_MARGIN + whole)
        received *= self._oscillators(counter, rng, phase, lo_locked)
        received += self._image[:, None] * np.conj(received)
        tone_std = self.channel.direct_amplitude * 10.0 ** (-radio.snr_db / 20.0)
        received += tone_std * math.sqrt(sensor.fft_size / active.size) * _normal(rng, received.shape)
        gain = self._gain(counter)
        counts = received * 10.0 ** (gain.true_db / 20.0) / sensor.csi_scale
        words, clipped = self._convert(counts, step=2.0 ** (16 - radio.adc_bits))
        return words, self._info(counter, gain, clipped, lo_locked)

    def _oscillators(self, counter: int, rng: np.random.Generator, phase: float, lo_locked: bool) -> ComplexArray:
        """Return the turn (samples,) that carrier offset and phase noise make; the phase noise is a Wiener process.

        Over a symbol of T seconds a Wiener process of variance c t leaves c T / 6 about its mean: what `phase_noise_db`
        says, so c follows.
        """
        sensor = self._sensor
        n = np.arange(sensor.gate_samples)
        start = self._tick(counter) / sensor.sample_rate_hz
        within_db = self._radio.phase_noise_db if lo_locked else _UNLOCKED_DB
        step_std = math.sqrt(6.0 * 10.0 ** (within_db / 10.0) / sensor.fft_size)
        wander = np.cumsum(step_std * rng.standard_normal(n.size))
        offset = 2.0 * np.pi * self._radio.cfo_hz * (n / sensor.sample_rate_hz) + 2.0 * np.pi * math.fmod(
            self._radio.cfo_hz * start, 1.0
        )
        return np.asarray(np.exp(1j * (offset + wander + phase)))

    # --- clocks, gain, converter -------------------------------------------------------------------------------------

    def _times(self, first: int, count: int) -> FloatArray:
        return np.array([self.reference_s(counter) for counter in range(first, first + count)])

    def _clock(self, counter: int) -> tuple[float, int]:
        """Return by how much the signal is late on the receiver's clock (s), and by how much the window was moved."""
        radio = self._radio
        late_s = radio.clock_drift_ppm * 1e-6 * self.reference_s(counter) + radio.timing_walk_s * self._walk[counter]
        step = radio.retiming_samples
        return late_s, step * round(late_s * self._sensor.sample_rate_hz / step)

    def _drawn(self, counter: int, rng: np.random.Generator) -> tuple[float, float]:
        """Return the sampling time error (s) and the phase (rad) of a block."""
        late_s = self.timing_error_s(counter) + self._radio.timing_jitter_s * float(rng.standard_normal())
        random = float(rng.uniform(0.0, 2.0 * math.pi))
        if self._radio.random_phase:
            return late_s, random
        left_hz = 0.0 if self._sensor.capture is Capture.IQ else self._residual_hz
        return late_s, 2.0 * math.pi * left_hz * self.reference_s(counter)

    def _gain(self, counter: int) -> Gain:
        now, before = (self._gain_state(max(k, 0)) for k in (counter, counter - 1))
        setting = abs(round(100.0 * now))
        if setting not in self._gain_errors:
            drawn = np.random.default_rng([self._seed, 43, setting]).standard_normal()
            self._gain_errors[setting] = self._radio.gain_error_db * float(drawn)
        error_db = self._gain_errors[setting]
        error_db += planned_db(self._plan, SignalFaultKind.GAIN_ERROR, GAIN_ERROR_DB, self.reference_s(counter))
        return Gain(now, now + error_db, now != before)

    def _gain_state(self, counter: int) -> float:
        """Return the gain that is set at a block."""
        radio, time_s = self._radio, self.reference_s(counter)
        lowered = radio.agc_period_s > 0.0 and math.floor(time_s / radio.agc_period_s) % 2 == 1
        planned = planned_db(self._plan, SignalFaultKind.GAIN_STEP, GAIN_STEP_DB, time_s)
        return self._gain_db - radio.agc_step_db * lowered + planned

    def _convert(self, counts: ComplexArray, step: float) -> tuple[NDArray[np.int16], int]:
        """Quantise counts to words; return them and how many samples clipped."""
        parts = np.stack([counts.real, counts.imag], axis=-1).reshape(-1)
        rounded = step * np.rint(parts / step)
        clipped = np.abs(rounded) > FULL_SCALE
        samples = int(np.count_nonzero(clipped.reshape(-1, 2).any(axis=1)))
        return np.clip(rounded, -FULL_SCALE, FULL_SCALE).astype(np.int16), samples

    def _tick(self, counter: int) -> int:
        return round(self.reference_s(counter) * self._sensor.sample_rate_hz) + self._clock(counter)[1]

    def _info(self, counter: int, gain: Gain, clipped: int, lo_locked: bool) -> BlockInfo:
        flags = NO_FLAGS
        if clipped:
            flags |= BlockFlag.SATURATED
        if gain.changed:
            flags |= BlockFlag.GAIN_CHANGED
        if not lo_locked:
            flags |= BlockFlag.LO_UNLOCKED
        return BlockInfo(
            tick=self._tick(counter),
            flags=flags,
            gain_db=gain.said_db,
            timing_samples=float(self._clock(counter)[1]),
            clipped=clipped,
            temperature_c=round(_COLD_C + _WARMTH_C * (1.0 - math.exp(-self.reference_s(counter) / _WARM_UP_S)), 2),
        )


_WALK_PART: Final = 1024
_COLD_C: Final = 31.0
_WARMTH_C: Final = 12.0
_WARM_UP_S: Final = 300.0


class _Walk:
    """A random walk of unit steps from 0: element k is the same however it is come by."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._parts: list[FloatArray] = []  # of element 1 on; none is ever moved, in however many hours

    def __getitem__(self, index: int) -> float:
        if index <= 0:
            return 0.0
        part, place = divmod(index - 1, _WALK_PART)
        while part >= len(self._parts):
            last = self._parts[-1][-1] if self._parts else 0.0
            self._parts.append(last + np.cumsum(self._rng.standard_normal(_WALK_PART)))
        return float(self._parts[part][place])


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> ComplexArray:
    """Draw circular normal numbers of variance 1."""
    size = (shape,) if isinstance(shape, int) else shape
    parts = rng.standard_normal((*size, 2))
    return np.asarray(math.sqrt(0.5) * parts.view(np.complex128)[..., 0])


def _put(into: ComplexArray, what: ComplexArray, first: int) -> None:
    """Add samples (rows, n) from a place on, as far as they are inside."""
    begin, end = max(first, 0), min(first + what.shape[-1], into.shape[-1])
    if begin < end:
        into[:, begin:end] += what[:, begin - first : end - first]
