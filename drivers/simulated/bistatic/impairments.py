"""What the hardware of a simulated bistatic radio does to the channel that it sees, and faults of its signal.

Levels in dB are those of powers against the channel that is received, so what phase noise and I/Q imbalance add carries
the random delay and phase of its block, as on a real receiver.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairments:
    """Noise and errors of a radio.

    Attributes
    ----------
    snr_db
        Power of the direct path, without shadows, over the noise in the estimate of one tone.
    timing_jitter_s
        Standard deviation of the sampling time, anew in each block.
    timing_walk_s
        Standard deviation of what the sampling time moves by from block to block, and keeps.
    clock_drift_ppm
        By how much the receiver's sample clock is faster than the transmitter's: 1 ppm is 4 ns a block of 4 ms.
    retiming_samples
        The radio moves its window by so many samples when the drift asks for it, and says so.
    cfo_hz
        Offset of the carrier. It is in samples; from channel estimates the radio takes it off, but for `residual_hz`.
    residual_hz
        Standard deviation of what is left of it, drawn once.
    random_phase
        Whether the oscillators' phase is another one in each block.
    phase_noise_db
        Power between tones by which phases move within a symbol, against the channel (error vector magnitude).
    image_db
        Level of the image that each receiver's I/Q imbalance makes: of tone k at tone -k.
    row_phase_rad, row_gain_db
        Standard deviations of what calibration left of the rows' phases and gains.
    adc_bits, level_db
        The converter, and by how much the direct path is below its full scale at the start.
    agc_step_db, agc_period_s
        Gain that the receiver's control takes off and puts back, in turn, each period; 0 for never.
    gain_error_db
        Standard deviation of the error of the gain that is said, one draw for each setting of the gain.
    """

    snr_db: float = 30.0
    timing_jitter_s: float = 0.0
    timing_walk_s: float = 0.0
    clock_drift_ppm: float = 0.0
    retiming_samples: int = 4
    cfo_hz: float = 0.0
    residual_hz: float = 0.0
    random_phase: bool = False
    phase_noise_db: float = -math.inf
    image_db: float = -math.inf
    row_phase_rad: float = 0.0
    row_gain_db: float = 0.0
    adc_bits: int = 14
    level_db: float = 12.0
    agc_step_db: float = 0.0
    agc_period_s: float = 0.0
    gain_error_db: float = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.adc_bits <= 16 or self.retiming_samples < 1:
            raise ConfigError(
                f"a converter of {self.adc_bits} bits, or a window moved by {self.retiming_samples} samples, is none",
                "use 2 to 16 bits and 1 sample or more",
            )


PRESETS: Final[dict[str, Impairments]] = {
    "none": Impairments(adc_bits=16),
    "typical": Impairments(
        snr_db=30.0,
        timing_jitter_s=2e-9,
        timing_walk_s=0.2e-9,
        clock_drift_ppm=0.5,
        cfo_hz=20e3,
        residual_hz=50.0,
        random_phase=True,
        phase_noise_db=-46.0,
        image_db=-38.0,
        row_phase_rad=math.radians(1.0),
        row_gain_db=0.1,
        adc_bits=12,
        agc_step_db=1.0,
        agc_period_s=2.0,
        gain_error_db=0.1,
    ),
    "harsh": Impairments(
        snr_db=20.0,
        timing_jitter_s=5e-9,
        timing_walk_s=0.5e-9,
        clock_drift_ppm=2.5,
        cfo_hz=160e3,
        residual_hz=300.0,
        random_phase=True,
        phase_noise_db=-35.0,
        image_db=-28.0,
        row_phase_rad=math.radians(3.0),
        row_gain_db=0.3,
        adc_bits=8,
        level_db=9.0,
        agc_step_db=3.0,
        agc_period_s=1.5,
        gain_error_db=0.3,
    ),
}
"""Impairments by name. ``none``: thermal noise alone. ``typical``: two free-running radios of good laboratory grade.
``harsh``: cheap oscillators, uncorrected receivers and a coarse converter."""


class SignalFaultKind(StrEnum):
    """What can happen to the signal at a set time."""

    SHADOW = "shadow"
    """Somebody stands in the direct path."""
    GAIN_STEP = "gain-step"
    """The radio lowers its gain, and says so."""
    GAIN_ERROR = "gain-error"
    """The gain is another one than the radio says."""


class TimedFault(Protocol):
    """A fault that lasts from a time to another, on the device's clock, and is of a `SignalFaultKind`."""

    @property
    def kind(self) -> str:
        """What happens, by name."""

    @property
    def start_s(self) -> float:
        """When it begins."""

    @property
    def end_s(self) -> float:
        """When it is over; infinite if it stays."""


@dataclass(frozen=True, slots=True)
class SignalFault:
    """A `TimedFault`."""

    kind: SignalFaultKind
    start_s: float
    end_s: float = math.inf


SHADOW_DB: Final = 15.0
"""What somebody in the direct path takes."""
GAIN_STEP_DB: Final = -6.0
GAIN_ERROR_DB: Final = 3.0
_EDGE_S: Final = 0.1
"""Time that a shadow takes to come and go: a body of 0.2 m that walks into the first Fresnel zone."""


def shadow_amplitude(plan: Sequence[TimedFault], time_s: FloatArray) -> FloatArray:
    """Return the factors (b,) that planned shadows make of the direct path's amplitude; they come and go smoothly."""
    loss_db = np.zeros_like(time_s)
    for fault in plan:
        if fault.kind == SignalFaultKind.SHADOW:
            inside = np.minimum(time_s - fault.start_s, fault.end_s - time_s) / _EDGE_S
            share = np.clip(inside, 0.0, 1.0)
            loss_db += SHADOW_DB * share**2 * (3.0 - 2.0 * share)
    return np.asarray(10.0 ** (-loss_db / 20.0))


def planned_db(plan: Sequence[TimedFault], kind: SignalFaultKind, step_db: float, time_s: float) -> float:
    """Return the sum of the steps of the faults of a kind that are there at a time."""
    return sum(step_db for fault in plan if fault.kind == kind and fault.start_s <= time_s < fault.end_s)
