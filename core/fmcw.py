"""An FMCW radar as it really runs: its waveform, its array, and the axes and limits that follow.

The signal model is eq. 1 of mnomp-spa-kf: a target at range r, radial velocity v (positive away) and azimuth a
(positive to the right) turns the beat signal by ``4 pi mu T_s r / c`` a sample, by ``4 pi f_c T_r v / c`` a chirp of
the same transmitter, and by ``2 pi p sin(a)`` at an element `p` wavelengths along the array.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.frame import GROUP_WORDS, Frame
from isactrack.units import SPEED_OF_LIGHT_MPS

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]


class IqOrder(StrEnum):
    """Order of the four int16 words that carry samples k and k+1 of one receiver (2 lanes, non-interleaved).

    The wrong order conjugates the signal and mirrors the range axis, so it is data, never a guess.
    """

    IIQQ = "I0 I1 Q0 Q1"
    """SampleSwap 0, mmWave Studio's default; real AWR1642 files look like this."""
    QQII = "Q0 Q1 I0 I1"
    """SampleSwap 1, required by the SDK 3 demo."""
    IQIQ = "I0 Q0 I1 Q1"
    """Files that TI's command-line tool wrote with its reorder option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FmcwSensor:
    """What the device really runs: values after the rounding to its registers, not the wish.

    Attributes
    ----------
    model
        Name of the device, e.g. ``"AWR1642"``.
    start_frequency_hz, slope_hz_per_s
        Frequency at the start of the ramp and its slope.
    idle_time_s, adc_start_s, ramp_end_s
        Pause before the ramp, start of sampling and end of the ramp, both from the ramp's start.
    sample_rate_hz, samples_per_chirp
        Complex sampling rate and count.
    loops_per_frame
        Times the chirp sequence is repeated in a frame: the length of slow time.
    frame_period_s
        From frame to frame.
    tx_positions, rx_positions
        Array coordinates, in wavelengths, of the transmitter of each chirp of the sequence and of the receivers. A
        virtual element sits at their sum.
    iq_order
        Order of the words on the wire.
    rx_gain_db
        Receiver gain.
    loop_interval_s
        From one chirp of a transmitter to its next; None for back-to-back chirps.
    """

    model: str
    start_frequency_hz: float
    slope_hz_per_s: float
    idle_time_s: float
    adc_start_s: float
    ramp_end_s: float
    sample_rate_hz: float
    samples_per_chirp: int
    loops_per_frame: int
    frame_period_s: float
    tx_positions: tuple[float, ...] = (0.0,)
    rx_positions: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    iq_order: IqOrder = IqOrder.IIQQ
    rx_gain_db: float = 30.0
    loop_interval_s: float | None = None

    def __post_init__(self) -> None:
        positive = ("start_frequency_hz", "slope_hz_per_s", "ramp_end_s", "sample_rate_hz", "frame_period_s")
        for name in positive:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} is {value}, it must be positive", "check the profile of the sensor")
        for name in ("idle_time_s", "adc_start_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ConfigError(f"{name} is {value}, it must not be negative", "check the profile of the sensor")
        for name in ("samples_per_chirp", "loops_per_frame"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, it must be at least 1", "check the profile of the sensor"
                )
        if not self.tx_positions or not self.rx_positions:
            raise ConfigError("the sensor has no transmitter or no receiver", "check the masks of channelCfg")
        if self.samples_per_chirp % 2:
            raise ConfigError(
                f"{self.samples_per_chirp} samples a chirp is odd",
                "the lanes carry samples in pairs: use an even count",
            )

    # --- shape -------------------------------------------------------------------------------------------------------

    @property
    def n_tx(self) -> int:
        """Chirps in a sequence, one transmitter each."""
        return len(self.tx_positions)

    @property
    def n_rx(self) -> int:
        """Receivers."""
        return len(self.rx_positions)

    @property
    def cube_shape(self) -> tuple[int, int, int, int]:
        """Axes of a decoded frame: loop, tx, rx, sample."""
        return self.loops_per_frame, self.n_tx, self.n_rx, self.samples_per_chirp

    @property
    def word_shape(self) -> tuple[int, ...]:
        """Shape of the words of one frame: loop, tx, rx, sample pair, word."""
        return *self.cube_shape[:3], self.samples_per_chirp // 2, GROUP_WORDS

    @property
    def word_axes(self) -> tuple[str, ...]:
        """Names of the axes of `word_shape`."""
        return "loop", "tx", "rx", "sample_pair", "word"

    @property
    def frame_words(self) -> int:
        """int16 words in a frame."""
        return 2 * math.prod(self.cube_shape)

    @property
    def frame_bytes(self) -> int:
        """Bytes in a frame on the wire."""
        return 2 * self.frame_words

    # --- timing ------------------------------------------------------------------------------------------------------

    @property
    def chirp_interval_s(self) -> float:
        """From the start of a chirp to the start of the next."""
        return self.idle_time_s + self.ramp_end_s

    @property
    def slow_time_interval_s(self) -> float:
        """From a chirp of a transmitter to its next, T_r of eq. 1."""
        return self.loop_interval_s if self.loop_interval_s is not None else self.n_tx * self.chirp_interval_s

    @property
    def coherent_time_s(self) -> float:
        """Length of the coherent interval."""
        return self.loops_per_frame * self.slow_time_interval_s

    @property
    def data_rate_bps(self) -> float:
        """Mean rate of raw samples, bit/s."""
        return 8.0 * self.frame_bytes / self.frame_period_s

    # --- physics -----------------------------------------------------------------------------------------------------

    @property
    def bandwidth_hz(self) -> float:
        """Bandwidth swept while sampling; it, not the whole ramp, sets the range resolution."""
        return self.slope_hz_per_s * self.samples_per_chirp / self.sample_rate_hz

    @property
    def centre_frequency_hz(self) -> float:
        """Frequency in the middle of the sampled part of the ramp: the one that Doppler sees."""
        return self.start_frequency_hz + self.slope_hz_per_s * self.adc_start_s + self.bandwidth_hz / 2.0

    @property
    def wavelength_m(self) -> float:
        """Wavelength at the centre frequency."""
        return SPEED_OF_LIGHT_MPS / self.centre_frequency_hz

    @property
    def range_resolution_m(self) -> float:
        """Range of one FFT bin, ``c / (2 B)``."""
        return SPEED_OF_LIGHT_MPS / (2.0 * self.bandwidth_hz)

    @property
    def range_max_m(self) -> float:
        """Unambiguous range of complex sampling, ``c F_s / (2 mu)``."""
        return self.range_resolution_m * self.samples_per_chirp

    @property
    def velocity_resolution_mps(self) -> float:
        """Velocity of one Doppler bin, ``lambda / (2 M T_r)``."""
        return self.wavelength_m / (2.0 * self.coherent_time_s)

    @property
    def velocity_max_mps(self) -> float:
        """Largest unambiguous speed, ``lambda / (4 T_r)``."""
        return self.wavelength_m / (4.0 * self.slow_time_interval_s)

    @property
    def virtual_positions(self) -> FloatArray:
        """Array coordinates (n_tx * n_rx,) of the virtual elements in wavelengths, transmitter by transmitter."""
        tx, rx = np.asarray(self.tx_positions, np.float64), np.asarray(self.rx_positions, np.float64)
        return (tx[:, None] + rx[None, :]).ravel()

    @property
    def azimuth_resolution_rad(self) -> float:
        """Azimuth resolution at boresight, ``lambda / (L d)`` (2/L for half-wavelength spacing)."""
        positions = np.unique(self.virtual_positions)
        if positions.size < 2:
            return math.pi
        return 1.0 / float(positions[-1] - positions[0] + np.diff(positions).min())

    @property
    def azimuth_max_rad(self) -> float:
        """Half the unambiguous field of view, ``asin(lambda / (2 d))``."""
        positions = np.unique(self.virtual_positions)
        if positions.size < 2:
            return 0.0
        return math.asin(min(1.0, 1.0 / (2.0 * float(np.diff(positions).min()))))

    @property
    def range_axis_m(self) -> FloatArray:
        """Ranges (samples_per_chirp,) of the bins of a range FFT of the natural length."""
        return np.asarray(np.arange(self.samples_per_chirp) * self.range_resolution_m, dtype=np.float64)

    @property
    def velocity_axis_mps(self) -> FloatArray:
        """Radial velocities (loops_per_frame,) of the bins of a shifted Doppler FFT; ascending, 0 at ``M // 2``."""
        bins = np.arange(self.loops_per_frame) - self.loops_per_frame // 2
        return np.asarray(bins * self.velocity_resolution_mps, dtype=np.float64)

    @property
    def doppler_axis_hz(self) -> FloatArray:
        """Doppler frequencies (loops_per_frame,) of the same bins."""
        bins = np.arange(self.loops_per_frame) - self.loops_per_frame // 2
        return np.asarray(bins / self.coherent_time_s, dtype=np.float64)

    def azimuth_axis_rad(self, n: int = 181) -> FloatArray:
        """Return `n` azimuths, evenly spaced in ``sin(azimuth)`` over the unambiguous field of view."""
        limit = math.sin(self.azimuth_max_rad)
        return np.asarray(np.arcsin(np.linspace(-limit, limit, n)), dtype=np.float64)

    # --- samples -----------------------------------------------------------------------------------------------------

    def decode(self, frame: Frame) -> ComplexArray:
        """Return the samples of a frame as complex64 (loop, tx, rx, sample); lost ones are 0.

        Raises
        ------
        ConfigError
            If the frame does not have the size of this sensor's frames.
        """
        return self.decode_words(frame.samples)

    def decode_words(self, words: NDArray[np.int16]) -> ComplexArray:
        """Return int16 words of the wire as complex64 (loop, tx, rx, sample); see `decode`."""
        if words.size != self.frame_words:
            raise ConfigError(
                f"a frame of {words.size * 2} bytes does not fit this sensor, whose frames have {self.frame_bytes}",
                "the recording and the profile do not belong together",
            )
        groups = words.reshape(-1, GROUP_WORDS)
        parts = np.empty(groups.shape, dtype=np.float32)
        i, q = (range(GROUP_WORDS)[columns] for columns in _IQ_COLUMNS[self.iq_order])
        # Column by column: one copy of a plane with two strides takes four times as long.
        for part, column in enumerate((i[0], q[0], i[1], q[1])):
            parts[:, part] = groups[:, column]
        return parts.view(np.complex64).reshape(self.cube_shape)

    def encode_words(self, cube: NDArray[np.complexfloating]) -> NDArray[np.int16]:
        """Quantise a cube (loop, tx, rx, sample) to the int16 words of the wire, saturating as an ADC does."""
        pairs = np.asarray(cube).reshape(-1, 2)
        groups = np.empty((pairs.shape[0], GROUP_WORDS), dtype=np.int16)
        i, q = _IQ_COLUMNS[self.iq_order]
        groups[:, i] = np.clip(np.rint(pairs.real), -32768, 32767).astype(np.int16)
        groups[:, q] = np.clip(np.rint(pairs.imag), -32768, 32767).astype(np.int16)
        return groups.reshape(-1)

    def decode_valid(self, frame: Frame) -> NDArray[np.bool_]:
        """Return which samples of a frame arrived, bool (loop, tx, rx, sample)."""
        return np.repeat(frame.valid, 2).reshape(self.cube_shape)

    def coherent(self, frames: int) -> "FmcwSensor":
        """Return the sensor whose frame is `frames` consecutive frames of this one, as one coherent interval.

        Slow time must stay uniform: either each frame holds one loop, or the loops fill the frame period.

        Raises
        ------
        ConfigError
            If the loops of consecutive frames are not evenly spaced.
        """
        if frames == 1:
            return self
        if frames < 1:
            raise ConfigError(f"{frames} frames cannot form a coherent interval", "use 1 or more")
        interval = self.frame_period_s if self.loops_per_frame == 1 else self.slow_time_interval_s
        if not math.isclose(self.loops_per_frame * interval, self.frame_period_s, rel_tol=1e-6):
            raise ConfigError(
                f"frames every {self.frame_period_s * 1e3:g} ms hold {self.loops_per_frame} loops "
                f"{interval * 1e6:g} us apart: together they are not evenly spaced in slow time",
                "only frames of one loop, or loops that fill the frame period, can form one coherent interval",
            )
        return replace(
            self,
            loops_per_frame=frames * self.loops_per_frame,
            loop_interval_s=interval,
            frame_period_s=frames * self.frame_period_s,
        )


_IQ_COLUMNS = {
    IqOrder.IIQQ: (slice(0, 2), slice(2, 4)),
    IqOrder.QQII: (slice(2, 4), slice(0, 2)),
    IqOrder.IQIQ: (slice(0, 4, 2), slice(1, 4, 2)),
}
