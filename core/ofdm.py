"""An OFDM radio that senses, as it really runs: its numerology, its array, its transmitter, and what follows.

The signal model is eq. 1 of indoor-multi-person-isac-26ghz: a path of delay tau that arrives from azimuth a (from
boresight, positive to the right) turns the channel by ``-2 pi f tau`` at frequency f, and by ``+2 pi p sin(a)`` at an
element `p` wavelengths along the array. The paper counts the Doppler shift of a target as if transmitter and receiver
stood together (2 v / lambda); here a path changes by ``d(L)/dt`` metres a second, and its Doppler shift is
``-d(L)/dt / lambda``.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.errors import ConfigError
from isactrack.frame import GROUP_WORDS, Frame
from isactrack.units import SPEED_OF_LIGHT_MPS

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]

_HINT = "check the profile of the radio"


class ArrayModel(StrEnum):
    """What the rows of a channel estimate are."""

    ULA = "ula"
    """Elements of a line, all received at once: one coherent chain each."""
    SWITCHED = "switched"
    """Elements of a line, one after the other through a switch: phases turn between them, and Doppler with it."""
    BEAMSPACE = "beamspace"
    """Beams of an analogue beamformer. They have no element positions, so no steering vector of a line fits them."""
    NONE = "none"
    """Nothing is known of how the rows belong together, e.g. of the antennas of a Wi-Fi card."""


class Capture(StrEnum):
    """What the radio delivers."""

    CSI = "csi"
    """Channel estimates at the sensing tones, made by the radio."""
    IQ = "iq"
    """Samples around the preamble and the reference symbol of each block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfdmSensor:
    """A bistatic OFDM radio: what it really runs.

    Attributes
    ----------
    model
        Name of the device.
    carrier_frequency_hz
        Frequency of subcarrier 0.
    subcarrier_spacing_hz
        From subcarrier to subcarrier, Delta f of eq. 1.
    tones
        Subcarriers that carry the sensing reference, ascending, 0 for the carrier.
    frame_period_s
        From block to block: one reference symbol each, ``delta_t T`` of eq. 1.
    rx_positions
        Array coordinates of the receiver's rows in wavelengths of the carrier.
    array
        What the rows are.
    tx_streams
        Transmit streams whose channels are told apart.
    tx_position_m
        Transmitter (x, y) in the sensor frame, whose origin is the receiver; None if it is not known.
    fft_size, cyclic_prefix_samples
        Samples of a symbol and of its cyclic prefix.
    capture
        Whether a frame holds a channel estimate or samples.
    gate_samples
        Samples a row and block where the capture is IQ; 0 otherwise.
    preamble_root, reference_seed
        Root of the preamble's Zadoff-Chu sequence and seed of the reference symbol, see `isactrack.ofdm_waveform`.
    stagger_s
        By how much the reference symbol of block m comes later than m blocks: element ``m % len(stagger_s)``. Empty
        where blocks are evenly spaced.
    csi_scale
        Channel gain of one count at a receiver gain of 0 dB.
    periodic
        Whether a block begins every `frame_period_s`. Packets of a network do not: then `frame_period_s` is their mean
        interval, and only the times of the frames tell when they came.
    """

    model: str
    carrier_frequency_hz: float
    subcarrier_spacing_hz: float
    tones: tuple[int, ...]
    frame_period_s: float
    rx_positions: tuple[float, ...]
    array: ArrayModel = ArrayModel.ULA
    tx_streams: int = 1
    tx_position_m: tuple[float, float] | None = None
    fft_size: int = 2048
    cyclic_prefix_samples: int = 512
    capture: Capture = Capture.CSI
    gate_samples: int = 0
    preamble_root: int = 25
    reference_seed: int = 1
    stagger_s: tuple[float, ...] = ()
    csi_scale: float = 1.0
    periodic: bool = True

    def __post_init__(self) -> None:
        for name in ("carrier_frequency_hz", "subcarrier_spacing_hz", "frame_period_s", "csi_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} is {value}, it must be positive", _HINT)
        if len(self.tones) < 2 or any(b <= a for a, b in zip(self.tones, self.tones[1:], strict=False)):
            raise ConfigError(f"the {len(self.tones)} sensing tones are not two or more in ascending order", _HINT)
        if self.fft_size < 2 or max(abs(tone) for tone in self.tones) > self.fft_size // 2:
            raise ConfigError(f"tones {self.tones[0]} to {self.tones[-1]} exceed an FFT of {self.fft_size}", _HINT)
        if self.cyclic_prefix_samples < 0 or self.tx_streams < 1 or not self.rx_positions:
            raise ConfigError("the radio has no receiver, no stream or a negative cyclic prefix", _HINT)
        if (self.gate_samples > 0) != (self.capture is Capture.IQ):
            raise ConfigError(f"a gate of {self.gate_samples} samples does not fit a capture of {self.capture}", _HINT)
        if self.tx_position_m is not None and not all(math.isfinite(value) for value in self.tx_position_m):
            raise ConfigError(f"the transmitter at {self.tx_position_m} is nowhere", "give x and y in metres")
        if any(not 0.0 <= offset < self.frame_period_s for offset in self.stagger_s):
            raise ConfigError("a reference symbol cannot be staggered out of its block", _HINT)
        if self.frame_words % 2:
            raise ConfigError("a frame holds half a sample", _HINT)

    # --- shape -------------------------------------------------------------------------------------------------------

    @property
    def n_rx(self) -> int:
        """Rows of the array, P of eq. 1."""
        return len(self.rx_positions)

    @property
    def n_tones(self) -> int:
        """Sensing tones, N."""
        return len(self.tones)

    @property
    def cube_shape(self) -> tuple[int, int, int]:
        """Axes of a decoded frame: stream, rx, tone; or 1, rx, sample where samples are captured."""
        if self.capture is Capture.IQ:
            return 1, self.n_rx, self.gate_samples
        return self.tx_streams, self.n_rx, self.n_tones

    @property
    def word_shape(self) -> tuple[int, ...]:
        """Shape of the words of one frame: that of the cube, and the words I and Q."""
        return *self.cube_shape, 2

    @property
    def word_axes(self) -> tuple[str, ...]:
        """Names of the axes of `word_shape`."""
        return "stream", "rx", "sample" if self.capture is Capture.IQ else "tone", "word"

    @property
    def frame_words(self) -> int:
        """int16 words in a frame."""
        return math.prod(self.word_shape)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame's words."""
        return 2 * self.frame_words

    # --- timing ------------------------------------------------------------------------------------------------------

    @property
    def sample_rate_hz(self) -> float:
        """Complex sampling rate."""
        return self.subcarrier_spacing_hz * self.fft_size

    @property
    def symbol_s(self) -> float:
        """Duration of a symbol with its cyclic prefix, T of eq. 1."""
        return (self.fft_size + self.cyclic_prefix_samples) / self.sample_rate_hz

    @property
    def coherent_time_s(self) -> float:
        """Time that a frame looks at: that of its reference symbol."""
        return self.symbol_s

    @property
    def data_rate_bps(self) -> float:
        """Mean rate of samples, bit/s."""
        return 8.0 * self.frame_bytes / self.frame_period_s

    def stagger_of(self, counter: int) -> float:
        """Return by how much (s) the reference symbol of a block comes later than evenly spaced ones would."""
        return self.stagger_s[counter % len(self.stagger_s)] if self.stagger_s else 0.0

    # --- physics -----------------------------------------------------------------------------------------------------

    @property
    def wavelength_m(self) -> float:
        """Wavelength of the carrier."""
        return SPEED_OF_LIGHT_MPS / self.carrier_frequency_hz

    @property
    def tone_frequencies_hz(self) -> FloatArray:
        """Frequencies (n_tones,) of the sensing tones relative to the carrier."""
        return np.asarray(self.tones, dtype=np.float64) * self.subcarrier_spacing_hz

    @property
    def tone_spacing_hz(self) -> float | None:
        """From tone to tone, ``delta_f Delta f`` of eq. 1; None where they are not evenly spaced."""
        steps = np.diff(self.tones)
        return float(steps[0]) * self.subcarrier_spacing_hz if np.all(steps == steps[0]) else None

    @property
    def bandwidth_hz(self) -> float:
        """Bandwidth that the tones span."""
        return self.subcarrier_spacing_hz * (self.tones[-1] - self.tones[0])

    @property
    def delay_resolution_s(self) -> float:
        """Delay resolution, ``1 / (N delta_f Delta f)`` for even tones."""
        return 1.0 / (self.bandwidth_hz * self.n_tones / (self.n_tones - 1))

    @property
    def delay_max_s(self) -> float:
        """Unambiguous delay: one over the smallest step between tones."""
        return 1.0 / (float(np.diff(self.tones).min()) * self.subcarrier_spacing_hz)

    @property
    def path_resolution_m(self) -> float:
        """Resolution in the length of a path by way of a target."""
        return SPEED_OF_LIGHT_MPS * self.delay_resolution_s

    @property
    def path_max_m(self) -> float:
        """Unambiguous length of a path."""
        return SPEED_OF_LIGHT_MPS * self.delay_max_s

    @property
    def path_rate_max_mps(self) -> float:
        """Largest rate of change of a path's length that evenly spaced blocks tell apart, ``lambda / (2 T)``."""
        return self.wavelength_m / (2.0 * self.frame_period_s)

    @property
    def blind_path_rate_mps(self) -> float:
        """Rate of change of a path's length, and its multiples, at which evenly spaced blocks see no motion."""
        return self.wavelength_m / self.frame_period_s

    @property
    def azimuth_resolution_rad(self) -> float:
        """Azimuth resolution at boresight, ``lambda / (L d)``."""
        positions = np.unique(self.rx_positions)
        if positions.size < 2:
            return math.pi
        return 1.0 / float(positions[-1] - positions[0] + np.diff(positions).min())

    @property
    def azimuth_max_rad(self) -> float:
        """Half the unambiguous field of view, ``asin(lambda / (2 d))``."""
        positions = np.unique(self.rx_positions)
        if positions.size < 2:
            return 0.0
        return math.asin(min(1.0, 1.0 / (2.0 * float(np.diff(positions).min()))))

    @property
    def direct_path_m(self) -> float:
        """Distance from transmitter to receiver, L_Tx of eq. 7.

        Raises
        ------
        ConfigError
            If it is not known where the transmitter stands.
        """
        return float(np.hypot(*self._tx()))

    @property
    def direct_azimuth_rad(self) -> float:
        """Azimuth that the direct path comes from; ConfigError if it is not known where the transmitter stands."""
        x, y = self._tx()
        return math.atan2(x, y)

    def _tx(self) -> tuple[float, float]:
        if self.tx_position_m is None:
            raise ConfigError(
                "it is not known where the transmitter stands", "give its x_m and y_m in the profile of the radio"
            )
        return self.tx_position_m

    def steering(self, azimuth_rad: ArrayLike) -> NDArray[np.complex128]:
        """Return steering vectors (..., n_rx) of azimuths (...) (rad), those of eq. 1.

        Raises
        ------
        ConfigError
            If the rows are not the elements of a line that are received at once: nothing is known of their phases.
        """
        if self.array is not ArrayModel.ULA:
            raise ConfigError(
                f"the rows of this radio are {self.array}: they have no steering vectors",
                'estimates of azimuth need a line of elements that are received at once (array.model = "ula")',
            )
        sine = np.sin(np.asarray(azimuth_rad, dtype=np.float64))
        return np.asarray(np.exp(2j * np.pi * sine[..., None] * np.asarray(self.rx_positions)))

    # --- samples -----------------------------------------------------------------------------------------------------

    def decode(self, frame: Frame) -> ComplexArray:
        """Return the counts of a frame as complex64 of `cube_shape`; lost ones are 0.

        Raises
        ------
        ConfigError
            If the frame does not have the size of this sensor's frames.
        """
        if frame.samples.size != self.frame_words:
            raise ConfigError(
                f"a frame of {frame.samples.size * 2} bytes does not fit this sensor, whose frames have "
                f"{self.frame_bytes}",
                "the recording and the profile do not belong together",
            )
        return frame.samples.astype(np.float32).view(np.complex64).reshape(self.cube_shape)

    def encode_words(self, cube: NDArray[np.complexfloating]) -> NDArray[np.int16]:
        """Quantise counts of `cube_shape` to the int16 words of a frame, saturating as an ADC does."""
        parts = np.ascontiguousarray(cube, dtype=np.complex64).reshape(-1).view(np.float32)
        return np.clip(np.rint(parts), -32768, 32767).astype(np.int16)

    def decode_valid(self, frame: Frame) -> NDArray[np.bool_]:
        """Return which samples of a frame arrived, bool of `cube_shape`."""
        return np.repeat(frame.valid, GROUP_WORDS // 2)[: self.frame_words // 2].reshape(self.cube_shape)
