"""Calibration on the reference path: every block's sampling time offset, random phase and gain are found and taken off.

Transmitter and receiver share no clock, so block m arrives as ``H_m = g_m exp(j phi_m) exp(-j w tau_m) (S + targets)``
with the still channel S. What indoor-multi-person-isac-26ghz (sec. II) takes as done is done here, causally, in two
stages:

1. **Direct path.** Beamformed to where the transmitter stands, its delay is fitted between the points of the grid. It
   is the one path whose length is known, so it fixes the absolute delay axis: it begins the template, and holds it.
2. **Template.** Each block is compared with the mean T of the calibrated blocks before it:
   ``(tau, phi) = argmax |sum H conj(T) exp(j w tau)|``, maximum likelihood in white noise. The whole still channel
   takes part, so no interference between a path and its neighbours stands in the way.

A mean of aligned blocks may wander, each step too small to be seen. The fit of the direct path in the template pulls
it back, slowly: a person who stands near the direct path for some seconds does not move it.

Somebody in the line of sight takes the direct path away. The template is kept in two parts, the cell of delay and angle
around the direct path and the rest; their amplitudes in a block are compared, and where the direct one is missing the
block is aligned on the rest alone (held). The echo of a wall then looks like a direct path that comes later; so a delay
far from the expected one is believed only if the whole template fits as well there as it used to, or well enough in
several blocks.
"""

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.errors import ConfigError
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.processing.calibration_baselines import (
    AntennaRatio,
    BalancedCalibration,
    Calibration,
    NearestBin,
    NoCalibration,
)
from isactrack.processing.channel import BlockCalibration, CalibrationStatus
from isactrack.processing.direct_path import DirectCell, fit_direct_path, resolve_direct_path
from isactrack.processing.impulse_response import DelayGrid
from isactrack.processing.iq_balance import IqBalance
from isactrack.processing.ofdm_config import CalibrationConfig
from isactrack.processing.still_template import Block, Fit, StillTemplate

ComplexArray = NDArray[np.complex128]

ACQUIRE_BLOCKS: Final = 25
"""Blocks that must agree before the template is used: it is then 14 dB above the noise of a block."""
CONFIRM_BLOCKS: Final = 3
"""Blocks in a row at an unexpected delay before it is believed although they fit worse than those before."""
RESTART_BLOCKS: Final = 1000
"""Rejected blocks in a row after which the template is given up: the room or the radio is another."""
_FAMILIAR: Final = 0.05
"""A quality at most this much below the usual one is as good as before."""
_SHADOW: Final = 10.0 ** (-3.0 / 20.0)
"""Amplitude of the direct path, relative to that of the rest, below which it counts as shadowed."""
_WEAK: Final = 10.0 ** (-4.0 / 20.0)
"""Level of a block below which it is no error of the gain; either a shadow or the wrong delay."""
_DISAGREE: Final = 0.06
_REST_QUALITY: Final = 0.75
"""Quality that the rest has to reach, relative to that of the whole: people weigh more beside a weaker reference."""
_GATE_GROWTH_S: Final = 0.5e-9
"""Growth of the gate with each block that was not found: the drift is not known better."""
_SLOW: Final = 0.02
_TINY: Final = 1e-300
_FAR: Final = 0.2
"""Error of the axis, in resolutions, that is not pulled back over many blocks but ended at once, by a new template."""
_ANCHOR_EVERY: Final = 10
_ANCHOR_MEMORIES: Final = 4.0
"""Memories of the template over which the direct path pulls it back."""


class DelayTrack:
    """Predicts the delay of the next block: a line through the past ones, with a growing and then a fading memory.

    Parameters
    ----------
    window_s
        Unambiguous delay: what is measured is continued to the nearest turn.
    """

    def __init__(self, window_s: float) -> None:
        self._window = window_s
        self._count = 0
        self._delay = self._rate = 0.0
        self._counter = 0

    def predict(self, counter: int) -> float:
        """Return the delay (s) that is expected in a block."""
        return self._delay + self._rate * (counter - self._counter)

    def continued(self, delay_s: float, expected_s: float) -> float:
        """Return a measured delay on the turn of the window nearest to the expected one."""
        half = 0.5 * self._window
        return expected_s + (delay_s - expected_s + half) % self._window - half

    def update(self, delay_s: float, counter: int) -> None:
        """Take a measured delay in, continued."""
        n = self._count = self._count + 1
        expected = self.predict(counter)
        # Gains of the least-squares line through n points; from the 14th on those of a fading memory.
        alpha = max(2.0 * (2 * n - 1) / (n * (n + 1)), 0.26)
        beta = max(6.0 / (n * (n + 1)), 0.03) if n > 1 else 0.0
        if n > 1:
            self._rate += beta * (delay_s - expected) / max(1, counter - self._counter)
        self._delay = expected + alpha * (delay_s - expected)
        self._counter = counter

    def jump(self, delay_s: float, counter: int) -> None:
        """Go on from another delay; the clocks' drift stays what it was."""
        self._delay, self._counter = delay_s, counter

    def shift(self, delay_s: float) -> None:
        """Take off what the axis was moved by."""
        self._delay -= delay_s


class ReferencePath:
    """Calibration of one radio's blocks, streaming.

    Parameters
    ----------
    sensor
        The radio. Without `tx_position_m` there is no direct path to find: delays are relative to the strongest path
        of the first block, and a block that does not fit is rejected, never held.
    config
        Settings; only `template_blocks`, `gate_s` and `min_quality` matter here.
    """

    def __init__(self, sensor: OfdmSensor, config: CalibrationConfig) -> None:
        self._sensor = sensor
        self._config = config
        self._grid = DelayGrid.of(sensor)
        self.reset()

    def reset(self) -> None:
        """Forget the template and the delay."""
        self._template: StillTemplate | None = None
        self._track = DelayTrack(self._grid.window_s)
        self._anchor: tuple[float, complex] | None = None
        self._locked = self._settled = False
        self._misses = self._elsewhere = 0
        self._usual_quality, self._usual_level = 1.0, 1.0
        self._candidate: tuple[float, int] | None = None

    @property
    def template(self) -> ComplexArray | None:
        """The still channel (rows, n_tones) on the absolute delay axis; None before the first block."""
        return None if self._template is None else self._template.mean.copy()

    def __call__(
        self,
        csi: NDArray[np.complexfloating],
        counter: int,
        time_s: float,
        noise_power: float = math.nan,
        gain_db: float = 0.0,
    ) -> tuple[ComplexArray, BlockCalibration]:
        """Calibrate a block.

        Parameters
        ----------
        csi
            Counts (rows, n_tones); those that are exactly 0 are taken as lost.
        counter, time_s
            The block, and its device time (s).
        noise_power
            Power of the noise in a count, counts squared; NaN if it is not known.
        gain_db
            Receiver gain in the counts.

        Returns
        -------
        csi
            Channel (rows, n_tones), ``csi * csi_scale * 10^(-(gain_db + calibration.gain_db) / 20)`` with its delay
            and phase taken off. A block that must not be used comes as well as it could be aligned.
        calibration
            What was taken off.

        Raises
        ------
        ConfigError
            If the block does not have the radio's tones, or other rows than the blocks before.
        """
        if csi.ndim != 2 or csi.shape[1] != self._grid.angular.size:
            raise ConfigError(
                f"a block of shape {csi.shape} does not have the radio's {self._grid.angular.size} tones",
                "hand over rows x tones of one block",
            )
        scale = self._sensor.csi_scale * 10.0 ** (-gain_db / 20.0)
        noise = noise_power * scale**2 if math.isfinite(noise_power) else 0.0
        block = Block(csi.astype(np.complex128) * scale, None if csi.all() else csi != 0.0, noise)
        template = self._template
        if template is None:
            return self._begin(block, counter, time_s)
        if csi.shape != template.mean.shape:
            raise ConfigError(
                f"a block of {csi.shape[0]} rows follows blocks of {template.mean.shape[0]}",
                "make a new calibration for another array",
            )
        if self._locked:
            fit, status = self._judge(template, block, counter)
        else:
            fit, status = self._best(template, block, self._track.predict(counter)), CalibrationStatus.ACQUIRING
        good = fit.found and fit.quality >= self._config.min_quality
        self._follow(fit, status, counter, good)
        # A direct path that is stronger than it ever was had been shadowed when the template began.
        held = status is CalibrationStatus.HELD and template.rest_tells(noise)
        returned = held and fit.direct_power * _SHADOW**2 > fit.rest**2
        if status is CalibrationStatus.LOCKED or returned or (status is CalibrationStatus.ACQUIRING and good):
            self._learn(template, fit, block)
        result = _taken(counter, time_s, fit.delay_s, fit.phase_rad, fit.level, fit.quality, status)
        return fit.aligned / fit.level, result

    # --- the template ------------------------------------------------------------------------------------------------

    def _begin(self, block: Block, counter: int, time_s: float) -> tuple[ComplexArray, BlockCalibration]:
        """Align a first block: its direct path, or else its strongest, goes where it belongs."""
        if not block.channel.any():
            return block.channel, _taken(counter, time_s, 0.0, 0.0, 1.0, 0.0, CalibrationStatus.ACQUIRING)
        cell = DirectCell.of(self._sensor, block.channel.shape[0], self._grid.angular)
        if cell is None:
            delay, phase = self._grid.wrap(self._grid.strongest(self._grid.power(block.channel).sum(axis=0))), 0.0
        else:
            found, gain = fit_direct_path(block.channel, cell, self._grid)
            delay, phase = self._grid.wrap(found - cell.delay_s), math.atan2(gain.imag, gain.real)
        aligned = block.channel * np.exp(1j * (self._grid.angular * delay - phase))
        first = replace(block, channel=aligned)
        self._template = StillTemplate(first, cell, self._grid, self._config.template_blocks)
        self._track.update(delay, counter)
        return aligned, _taken(counter, time_s, delay, phase, 1.0, 1.0, CalibrationStatus.ACQUIRING)

    def _learn(self, template: StillTemplate, fit: Fit, block: Block) -> None:
        """Take a block that fits into the template, and hold the template where it is."""
        template.learn(fit, block)
        if not self._locked and template.blocks >= ACQUIRE_BLOCKS:
            self._lock(template)
        elif template.cell is not None and self._anchor is not None and template.blocks % _ANCHOR_EVERY == 0:
            self._pull(template, template.cell, self._anchor)

    def _lock(self, template: StillTemplate) -> None:
        """Put the direct path of the template where it belongs, and remember how it is seen there."""
        self._locked = True
        cell = template.cell
        if cell is not None:
            late = self._late(template, cell)[1]
            template.turn(-late, 0.0)
            self._track.shift(-late)
            template.watch(cell.seen_as(template.mean, self._grid.angular))
            self._anchor = fit_direct_path(template.mean, cell, self._grid, cell.delay_s)

    def _late(self, template: StillTemplate, cell: DirectCell) -> tuple[float, float]:
        """Return the delay of the fit of a single path, and by how much the direct path is later than it should be."""
        found, _ = fit_direct_path(template.mean, cell, self._grid, cell.delay_s)
        return found, resolve_direct_path(template.mean, cell, self._grid, found, template.noise) - cell.delay_s

    def _pull(self, template: StillTemplate, cell: DirectCell, anchor: tuple[float, complex]) -> None:
        """Turn the template a little way back to where its direct path was; give it up if that is somewhere else."""
        delay, gain = anchor
        far = _FAR * self._sensor.delay_resolution_s
        found, seen = fit_direct_path(template.mean, cell, self._grid, delay)
        anywhere, _ = fit_direct_path(template.mean, cell, self._grid)
        self._elsewhere = self._elsewhere + 1 if abs(self._grid.wrap(anywhere - found)) > far else 0
        if self._elsewhere >= CONFIRM_BLOCKS:
            self.reset()
            return
        changed = abs(found - delay) > far or not _SHADOW < abs(seen) / max(abs(gain), _TINY) < 1.0 / _SHADOW
        if changed or (not self._settled and template.blocks >= self._config.template_blocks):
            # People who were there in the first moments have moved on: the mean tells better now.
            self._settled = True
            found, late = self._late(template, cell)
            if abs(late) > far:
                self.reset()
                return
            delay, gain = self._anchor = found - late, seen
        if abs(found - delay) < self._sensor.delay_resolution_s:
            share = min(1.0, _ANCHOR_EVERY / (_ANCHOR_MEMORIES * self._config.template_blocks))
            apart = gain / seen if seen else 1.0 + 0.0j
            template.turn(share * (delay - found), share * math.atan2(apart.imag, apart.real))

    # --- a block -----------------------------------------------------------------------------------------------------

    def _best(
        self,
        template: StillTemplate,
        block: Block,
        expected_s: float,
        gate_s: float | None = None,
        *,
        rest_only: bool = False,
    ) -> Fit:
        """Return the best fit within a gate around the expected delay, or anywhere, on the nearest turn."""
        products = template.products(block, rest_only=rest_only)
        start = self._grid.strongest(self._grid.power(products), expected_s, gate_s)
        return template.fit(block, products, self._track.continued(start, expected_s), rest_only=rest_only)

    def _judge(self, template: StillTemplate, block: Block, counter: int) -> tuple[Fit, CalibrationStatus]:
        """Align a block, and say how far to trust that."""
        expected = self._track.predict(counter)
        gate = min(self._config.gate_s + self._misses * _GATE_GROWTH_S, 2.0 * self._config.gate_s)
        near = self._best(template, block, expected, gate)
        if abs(near.delay_s - expected) <= gate and self._fits(near, template, block.noise):
            self._candidate = None
            return self._with_gain(near, template, block.noise), CalibrationStatus.LOCKED
        anywhere = self._best(template, block, expected)
        far = abs(anywhere.delay_s - expected) > gate and self._fits(anywhere, template, block.noise)
        if far and anywhere.quality >= self._usual_quality - _FAMILIAR:
            return self._jump(anywhere, template, block, counter)
        held = self._held(template, block, near, expected, gate)
        if held is not None:
            return held, CalibrationStatus.HELD
        if far and self._confirmed(anywhere.delay_s, counter):
            return self._jump(anywhere, template, block, counter)
        return replace(template.at(block, expected), level=1.0), CalibrationStatus.REJECTED

    def _fits(self, fit: Fit, template: StillTemplate, noise: float) -> bool:
        """Return whether a fit is the whole still channel, with its direct path, at a level that it can have."""
        if not fit.found or fit.quality < self._config.min_quality:
            return False
        if template.cell is None:
            return True
        strong = fit.level >= _WEAK * self._usual_level
        if not template.rest_tells(noise):
            return strong
        shadowed = fit.direct < _SHADOW * fit.rest and fit.rest_quality >= self._least_rest_quality
        return not shadowed and (strong or fit.quality >= self._usual_quality - _FAMILIAR)

    @property
    def _least_rest_quality(self) -> float:
        return _REST_QUALITY * self._config.min_quality

    def _held(self, template: StillTemplate, block: Block, near: Fit, expected_s: float, gate_s: float) -> Fit | None:
        """Return the fit of what stands still beside the direct path, if that can be believed."""
        if template.cell is None:
            return None
        if template.rest_tells(block.noise):
            held = self._best(template, block, expected_s, gate_s, rest_only=True)
            good = held.rest_found and held.rest_quality >= self._least_rest_quality
        else:
            # Nothing else is there: a weak direct path is still that path if it is where it should be.
            held = replace(near, level=self._usual_level)
            good = near.found and near.quality >= self._config.min_quality
        return held if good and abs(held.delay_s - expected_s) <= gate_s else None

    def _with_gain(self, fit: Fit, template: StillTemplate, noise: float) -> Fit:
        """Return a fit with the level of that part which is nearer to the usual, if the two parts do not agree."""
        if not template.rest_tells(noise):
            return fit
        doubt = 5.0 * math.sqrt(noise / (2.0 * template.rest_energy))
        if abs(fit.direct - fit.rest) <= max(_DISAGREE * fit.level, doubt):
            return fit
        either = min((fit.direct, fit.rest), key=lambda level: abs(math.log(max(level, _TINY) / self._usual_level)))
        return replace(fit, level=max(either, _TINY))

    def _jump(self, fit: Fit, template: StillTemplate, block: Block, counter: int) -> tuple[Fit, CalibrationStatus]:
        """Go on from another delay."""
        self._track.jump(fit.delay_s, counter)
        self._candidate = None
        return self._with_gain(fit, template, block.noise), CalibrationStatus.LOCKED

    def _confirmed(self, delay_s: float, counter: int) -> bool:
        """Return whether blocks in a row were found at this unexpected delay."""
        offset = self._grid.wrap(delay_s - self._track.predict(counter))
        before, count = self._candidate or (offset, 0)
        count = count + 1 if abs(self._grid.wrap(offset - before)) <= self._config.gate_s else 1
        self._candidate = offset, count
        return count >= CONFIRM_BLOCKS

    def _follow(self, fit: Fit, status: CalibrationStatus, counter: int, good: bool) -> None:
        """Take the delay, level and quality of a block in; give up a template that nothing fits any more."""
        if status is CalibrationStatus.REJECTED or (status is CalibrationStatus.ACQUIRING and not good):
            self._misses += 1
            learned = 0 if self._template is None else self._template.blocks
            if self._misses >= (RESTART_BLOCKS if self._locked else max(CONFIRM_BLOCKS, learned)):
                self.reset()
            return
        self._misses = 0
        self._track.update(fit.delay_s, counter)
        if status is CalibrationStatus.LOCKED:
            self._usual_quality += _SLOW * (fit.quality - self._usual_quality)
            self._usual_level += _SLOW * (fit.level - self._usual_level)


def make_calibration(sensor: OfdmSensor, config: CalibrationConfig) -> Calibration:
    """Return the calibration that the settings name; all but ``"off"`` take the I/Q image off first if they say so.

    Of an IQ capture it takes channel estimates too, whose image is taken off the samples by the receiver.
    """
    calibration: Calibration
    match config.method:
        case "off":
            return NoCalibration(sensor)
        case "nearest-bin":
            calibration = NearestBin(sensor)
        case "antenna-ratio":
            calibration = AntennaRatio(sensor)
        case _:
            calibration = ReferencePath(sensor, config)
    if config.balance_iq and sensor.capture is Capture.CSI:
        return BalancedCalibration(calibration, IqBalance(sensor))
    return calibration


def _taken(
    counter: int, time_s: float, delay_s: float, phase_rad: float, level: float, quality: float,
    status: CalibrationStatus,
) -> BlockCalibration:  # fmt: skip
    return BlockCalibration(
        counter=counter,
        time_s=time_s,
        delay_s=delay_s,
        phase_rad=phase_rad,
        gain_db=20.0 * math.log10(level),
        quality=quality,
        status=status,
    )
