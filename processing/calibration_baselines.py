"""What a calibration of blocks does, and simple ones that the reference path is compared with."""

import math
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.ofdm import OfdmSensor
from isactrack.processing.channel import BlockCalibration, CalibrationStatus
from isactrack.processing.direct_path import DirectCell
from isactrack.processing.impulse_response import DelayGrid
from isactrack.processing.iq_balance import IqBalance

ComplexArray = NDArray[np.complex128]

PAD: Final = 4
"""Points of the impulse response for each tone, whose bins `NearestBin` aligns to."""


class Calibration(Protocol):
    """Takes the random delay, phase and gain off one block after the other."""

    def reset(self) -> None:
        """Forget what was learned."""

    def __call__(
        self,
        csi: NDArray[np.complexfloating],
        counter: int,
        time_s: float,
        noise_power: float = math.nan,
        gain_db: float = 0.0,
    ) -> tuple[ComplexArray, BlockCalibration]:
        """Return the calibrated channel (rows, n_tones) of a block's counts, and what was taken off.

        See `isactrack.processing.reference_path.ReferencePath`, whose parameters and units are those of all.
        """


class BalancedCalibration:
    """A calibration of blocks whose I/Q image is taken off first.

    Parameters
    ----------
    calibration
        What follows.
    balance
        What takes the image off.
    """

    def __init__(self, calibration: Calibration, balance: IqBalance) -> None:
        self.calibration = calibration
        self.balance = balance

    def reset(self) -> None:
        """Forget image and calibration."""
        self.calibration.reset()
        self.balance.reset()

    def __call__(
        self,
        csi: NDArray[np.complexfloating],
        counter: int,
        time_s: float,
        noise_power: float = math.nan,
        gain_db: float = 0.0,
    ) -> tuple[ComplexArray, BlockCalibration]:
        """Take the image off a block and calibrate it, see `Calibration`."""
        return self.calibration(self.balance(csi), counter, time_s, noise_power, gain_db)


class NearestBin:
    """Aligns the direct path to the nearest bin of a padded impulse response.

    Half a bin of error, 0.25 ns with the default tones, is left in every block: clutter stays 17 dB down at best.

    Parameters
    ----------
    sensor
        The radio. Without `tx_position_m` the strongest path of all goes to delay 0.
    """

    def __init__(self, sensor: OfdmSensor) -> None:
        self._sensor = sensor
        self._grid = DelayGrid.of(sensor, PAD)

    def reset(self) -> None:
        """Do nothing: nothing is remembered."""

    def __call__(
        self,
        csi: NDArray[np.complexfloating],
        counter: int,
        time_s: float,
        noise_power: float = math.nan,
        gain_db: float = 0.0,
    ) -> tuple[ComplexArray, BlockCalibration]:
        """Align a block, see `Calibration`; its quality is the share of the amplitude that the bin holds."""
        del noise_power
        block = _channel(csi, self._sensor, gain_db)
        cell = DirectCell.of(self._sensor, block.shape[0], self._grid.angular)
        beam = None if cell is None else cell.beam
        values = block if beam is None else (beam @ block)[None]
        power = self._grid.power(values).sum(axis=0)
        found = float(np.argmax(power)) * self._grid.step_s
        total = values @ np.exp(1j * self._grid.angular * found)
        phase = float(np.angle(total[np.argmax(np.abs(total))]))
        delay = found - (0.0 if cell is None else cell.delay_s)
        whole = float(np.vdot(values, values).real) * block.shape[1]
        quality = math.sqrt(float(power.max()) / whole) if whole > 0.0 else 0.0
        calibrated = block * np.exp(1j * (self._grid.angular * delay - phase))
        return calibrated, _taken(counter, time_s, delay, phase, min(1.0, quality))


class AntennaRatio:
    """Divides every row by the first: delay, phase and gain cancel, and so does linearity.

    Parameters
    ----------
    sensor
        The radio.
    """

    def __init__(self, sensor: OfdmSensor) -> None:
        self._sensor = sensor

    def reset(self) -> None:
        """Do nothing: nothing is remembered."""

    def __call__(
        self,
        csi: NDArray[np.complexfloating],
        counter: int,
        time_s: float,
        noise_power: float = math.nan,
        gain_db: float = 0.0,
    ) -> tuple[ComplexArray, BlockCalibration]:
        """Divide a block by its first row, see `Calibration`; tones that fade there come out as 0."""
        del noise_power
        block = _channel(csi, self._sensor, gain_db)
        first = np.broadcast_to(block[:1], block.shape)
        ratio = np.divide(block, first, out=np.zeros_like(block), where=first != 0.0)
        return ratio, _taken(counter, time_s, 0.0, 0.0, 1.0)


class NoCalibration:
    """Leaves blocks as they are.

    Parameters
    ----------
    sensor
        The radio.
    """

    def __init__(self, sensor: OfdmSensor) -> None:
        self._sensor = sensor

    def reset(self) -> None:
        """Do nothing: nothing is remembered."""

    def __call__(
        self,
        csi: NDArray[np.complexfloating],
        counter: int,
        time_s: float,
        noise_power: float = math.nan,
        gain_db: float = 0.0,
    ) -> tuple[ComplexArray, BlockCalibration]:
        """Return the channel of a block, see `Calibration`."""
        del noise_power
        return _channel(csi, self._sensor, gain_db), _taken(counter, time_s, 0.0, 0.0, 1.0)


def _channel(csi: NDArray[np.complexfloating], sensor: OfdmSensor, gain_db: float) -> ComplexArray:
    return np.asarray(csi.astype(np.complex128) * (sensor.csi_scale * 10.0 ** (-gain_db / 20.0)))


def _taken(counter: int, time_s: float, delay_s: float, phase_rad: float, quality: float) -> BlockCalibration:
    """Return what was taken off by a method that never doubts."""
    return BlockCalibration(
        counter=counter, time_s=time_s, delay_s=delay_s, phase_rad=phase_rad, gain_db=0.0, quality=quality,
        status=CalibrationStatus.LOCKED,
    )  # fmt: skip
