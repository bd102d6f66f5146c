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

The template is kept in two parts, the cell of delay and angle around the direct path and the rest, because they are
disturbed apart from each other. Each counts by the inverse of what it had beyond the template lately, so a person
in the line of sight, or people in the room, cost little. Where the direct path is missing the rest alone is used
(held). The echo of a wall then looks like a direct path that comes later; so a delay far from the expected one is
believed only if the whole template fits as well there as it used to, or well enough in several blocks.
"""

import math
from dataclasses import dataclass, replace
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
from isactrack.processing.direct_path import DirectCell, fit_direct_path
from isactrack.processing.impulse_response import DelayGrid
from isactrack.processing.iq_balance import IqBalance
from isactrack.processing.ofdm_config import CalibrationConfig

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Products = tuple[ComplexArray, ComplexArray]

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
_REST_SNR: Final = 200.0
"""Energy over noise that the rest needs to tell an amplitude."""
_DETECTION: Final = 25.0
"""Energy over noise of what counts as found at all."""
_GATE_GROWTH_S: Final = 0.5e-9
"""Growth of the gate with each block that was not found: the drift is not known better."""
_SLOW: Final = 0.02
_RESIDUAL_SHARE: Final = 0.2
_TINY: Final = 1e-300
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


@dataclass(frozen=True, slots=True)
class Fit:
    """A block against the template at one delay.

    Attributes
    ----------
    delay_s, phase_rad
        Of the block against the template.
    level
        Its amplitude relative to the template's.
    quality
        Correlation with the template, the noise taken off, 0 to 1.
    direct, rest
        Amplitudes of the two parts relative to the template's, in phase with the fit.
    rest_quality
        Correlation of the rest alone.
    found
        Whether what fits stands out of the noise.
    residual
        Power in an element beyond the template, in the direct path's cell and in the rest.
    """

    delay_s: float
    phase_rad: float
    level: float
    quality: float
    direct: float
    rest: float
    rest_quality: float
    found: bool
    residual: tuple[float, float]


class StillTemplate:
    """Mean of the calibrated blocks, in two parts, and the comparison of a block with it.

    Parameters
    ----------
    first
        A block (rows, n_tones), aligned.
    noise
        Variance of its noise, 0 if not known.
    cell
        Where the direct path lies; None if it is not known: all is rest.
    grid
        Delays to look at.
    memory_blocks
        Blocks over which the mean forgets; until as many were learned it is that of all.
    """

    def __init__(
        self, first: ComplexArray, noise: float, cell: DirectCell | None, grid: DelayGrid, memory_blocks: int
    ) -> None:
        self.mean = first.copy()
        self.blocks = 1
        self.cell = cell
        self._grid = grid
        self._memory = memory_blocks
        self._noise = noise
        self._residual: FloatArray | None = None
        self._cut()

    def _cut(self) -> None:
        direct = np.zeros_like(self.mean) if self.cell is None else self.cell.part(self.mean)
        self._direct, self._rest = direct.conj(), (self.mean - direct).conj()
        self._energies = _energy(direct), _energy(self._rest)

    @property
    def rest_energy(self) -> float:
        """Energy of the still channel beside the direct path."""
        return self._energies[1] - self._noise * (self.mean.size - self._cell_size)

    @property
    def _cell_size(self) -> int:
        return 0 if self.cell is None else self.cell.size

    def rest_tells(self, noise: float) -> bool:
        """Return whether there is enough beside the direct path to compare it with."""
        energy = self.rest_energy
        return self.cell is not None and energy > max(_REST_SNR * noise, 1e-3 * self._energies[0])

    def learn(self, calibrated: ComplexArray, kept: Mask | None, noise: float, residual: tuple[float, float]) -> None:
        """Take a calibrated block into the mean; where it was lost (not `kept`) the mean stays."""
        self.blocks += 1
        found = np.asarray(residual)
        self._residual = (
            found if self._residual is None else self._residual + _RESIDUAL_SHARE * (found - self._residual)
        )
        share = 1.0 / min(self.blocks, self._memory)
        change = calibrated - self.mean
        self.mean += share * (change if kept is None else change * kept)
        self._noise = (1.0 - share) ** 2 * self._noise + share**2 * noise
        self._cut()

    def turn(self, delay_s: float, gain: complex) -> None:
        """Move the template by a delay and multiply it by a gain."""
        self.mean *= gain * np.exp(-1j * self._grid.angular * delay_s)
        self._cut()

    def products(self, block: ComplexArray) -> Products:
        """Return the products (n_tones,) of a block with both parts of the template, summed over the rows."""
        rest = np.einsum("pn,pn->n", block, self._rest)
        return (np.zeros_like(rest) if self.cell is None else np.einsum("pn,pn->n", block, self._direct)), rest

    @property
    def direct_weight(self) -> float:
        """How much the direct path counts beside the rest: by what each had beyond the template lately."""
        if self._residual is None or self.cell is None:
            return 1.0
        return min(30.0, max(0.03, float(self._residual[1] / self._residual[0])))

    def compare(
        self, block: ComplexArray, kept: Mask | None, noise: float, parts: Products, delay_s: float, weight: float
    ) -> Fit:
        """Compare a block with the template at a delay.

        Parameters
        ----------
        block, kept
            The block (rows, n_tones), and what of it was not lost; None for all.
        noise
            Variance of its noise, 0 if not known.
        parts
            Its `products`.
        delay_s
            Its delay.
        weight
            How much the direct path counts for phase and level, beside 1 for the rest.
        """
        turn = np.exp(1j * self._grid.angular * delay_s)
        energy, sizes = self._present(kept)
        z_direct, z_rest = complex(parts[0] @ turn), complex(parts[1] @ turn)
        both = weight * z_direct + z_rest
        rotation = both.conjugate() / max(abs(both), _TINY)
        direct, rest = (z_direct * rotation).real, (z_rest * rotation).real
        whole = _energy(block)
        in_cell = 0.0 if self.cell is None else _energy(self.cell.coefficients(block * turn))
        in_rest = max(whole - in_cell, 0.0)
        clean = max(whole - noise * (sizes[0] + sizes[1]), 0.05 * whole)
        clean_rest = max(in_rest - noise * sizes[1], 0.05 * in_rest)
        total = energy[0] + energy[1]
        return Fit(
            delay_s=delay_s,
            phase_rad=-math.atan2(rotation.imag, rotation.real),
            level=(weight * direct + rest) / (weight * energy[0] + energy[1]),
            quality=_correlation(direct + rest, total, clean),
            direct=direct / energy[0],
            rest=rest / energy[1],
            rest_quality=_correlation(rest, energy[1], clean_rest),
            found=(direct + rest) > 0.0 and (direct + rest) ** 2 > _DETECTION * noise * total,
            residual=(
                max(in_cell - abs(z_direct) ** 2 / energy[0], _TINY) / max(sizes[0], 1.0),
                max(in_rest - abs(z_rest) ** 2 / energy[1], _TINY) / max(sizes[1], 1.0),
            ),
        )

    def _present(self, kept: Mask | None) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return energies and sizes of both parts, of what was kept, without the noise that is left in the mean."""
        cell = 0 if self.cell is None else self.cell.size
        direct, rest = self._energies
        share = 1.0
        if kept is not None:
            direct, rest = _energy(self._direct * kept), _energy(self._rest * kept)
            share = float(kept.mean())
        sizes = share * cell, share * (self.mean.size - cell)
        return (max(direct - self._noise * sizes[0], _TINY), max(rest - self._noise * sizes[1], _TINY)), sizes


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
        self._locked = False
        self._misses = 0
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
        block = csi.astype(np.complex128) * scale
        noise = noise_power * scale**2 if math.isfinite(noise_power) else 0.0
        kept = None if csi.all() else csi != 0.0
        template = self._template
        if template is None:
            fit, status = self._begin(block, noise), CalibrationStatus.ACQUIRING
        elif block.shape != template.mean.shape:
            raise ConfigError(
                f"a block of {block.shape[0]} rows follows blocks of {template.mean.shape[0]}",
                "make a new calibration for another array",
            )
        elif self._locked:
            fit, status = self._judge(template, block, kept, noise, counter)
        else:
            fit, status = self._acquire(template, block, kept, noise, counter)
        calibrated = block * (np.exp(1j * (self._grid.angular * fit.delay_s - fit.phase_rad)) / fit.level)
        result = BlockCalibration(
            counter=counter,
            time_s=time_s,
            delay_s=fit.delay_s,
            phase_rad=fit.phase_rad,
            gain_db=20.0 * math.log10(fit.level),
            quality=fit.quality,
            status=status,
        )
        self._follow(fit, status, counter)
        self._learn(calibrated, kept, noise, fit, status)
        return calibrated, result

    # --- the template ------------------------------------------------------------------------------------------------

    def _begin(self, block: ComplexArray, noise: float) -> Fit:
        """Align a first block: its direct path, or else its strongest, goes where it belongs."""
        cell = DirectCell.of(self._sensor, block.shape[0], self._grid.angular)
        delay, gain = 0.0, 1.0 + 0.0j
        if cell is not None:
            delay, gain = fit_direct_path(block, cell, self._grid)
            delay -= cell.delay_s
        else:
            delay = float(np.argmax(self._grid.power(block).sum(axis=0))) * self._grid.step_s
        phase = math.atan2(gain.imag, gain.real)
        found = bool(block.any())
        if found:
            aligned = block * np.exp(1j * (self._grid.angular * delay - phase))
            self._template = StillTemplate(aligned, noise, cell, self._grid, self._config.template_blocks)
        return Fit(delay, phase, 1.0, float(found), 1.0, 1.0, 1.0, found, (0.0, 0.0))

    def _learn(
        self, calibrated: ComplexArray, kept: Mask | None, noise: float, fit: Fit, status: CalibrationStatus
    ) -> None:
        """Take a block that fits into the template, and hold the template where it is."""
        template = self._template
        good = fit.found and fit.quality >= self._config.min_quality
        if template is None or fit.residual == (0.0, 0.0):
            return
        if status is CalibrationStatus.LOCKED or (status is CalibrationStatus.ACQUIRING and good):
            template.learn(calibrated, kept, noise / fit.level**2, fit.residual)
            if not self._locked and template.blocks >= ACQUIRE_BLOCKS:
                self._lock(template)
            elif self._anchor is not None and template.blocks % _ANCHOR_EVERY == 0:
                self._pull(template, *self._anchor)

    def _lock(self, template: StillTemplate) -> None:
        """Put the direct path of the template where it belongs, and remember how it is seen there."""
        self._locked = True
        cell = template.cell
        if cell is not None:
            late = fit_direct_path(template.mean, cell, self._grid, cell.delay_s)[0] - cell.delay_s
            template.turn(-late, 1.0)
            self._track.shift(-late)
            self._anchor = fit_direct_path(template.mean, cell, self._grid, cell.delay_s)

    def _pull(self, template: StillTemplate, delay_s: float, gain: complex) -> None:
        """Turn the template a little way back to where its direct path was."""
        if template.cell is None:
            return
        found, seen = fit_direct_path(template.mean, template.cell, self._grid, delay_s)
        if abs(found - delay_s) > self._sensor.delay_resolution_s or seen == 0.0:
            return
        share = min(1.0, _ANCHOR_EVERY / (_ANCHOR_MEMORIES * self._config.template_blocks))
        template.turn(share * (delay_s - found), (gain / seen) ** share)

    # --- a block -----------------------------------------------------------------------------------------------------

    def _fit(
        self, template: StillTemplate, block: ComplexArray, kept: Mask | None, noise: float, parts: Products,
        weight: float, expected_s: float, gate_s: float | None,
    ) -> Fit:  # fmt: skip
        """Return the best fit within a gate around the expected delay, or anywhere."""
        values = parts[1] if weight == 0.0 else weight * parts[0] + parts[1]
        start = self._grid.strongest(self._grid.power(values), expected_s, gate_s)
        delay, _ = self._grid.refine(values, start)
        return template.compare(block, kept, noise, parts, self._track.continued(delay, expected_s), weight)

    def _acquire(
        self, template: StillTemplate, block: ComplexArray, kept: Mask | None, noise: float, counter: int
    ) -> tuple[Fit, CalibrationStatus]:
        """Align a block while the template is still young."""
        expected = self._track.predict(counter)
        fit = self._fit(template, block, kept, noise, template.products(block), 1.0, expected, None)
        return fit, CalibrationStatus.ACQUIRING

    def _judge(
        self, template: StillTemplate, block: ComplexArray, kept: Mask | None, noise: float, counter: int
    ) -> tuple[Fit, CalibrationStatus]:
        """Align a block, and say how far to trust that."""
        expected = self._track.predict(counter)
        gate = min(self._config.gate_s + self._misses * _GATE_GROWTH_S, 2.0 * self._config.gate_s)
        parts = template.products(block)
        weight = template.direct_weight
        near = self._fit(template, block, kept, noise, parts, weight, expected, gate)
        if abs(near.delay_s - expected) <= gate and self._fits(near, template, noise):
            self._candidate = None
            return self._with_gain(near, template, noise), CalibrationStatus.LOCKED
        anywhere = self._fit(template, block, kept, noise, parts, weight, expected, None)
        far = abs(anywhere.delay_s - expected) > gate and self._fits(anywhere, template, noise)
        if far and anywhere.quality >= self._usual_quality - _FAMILIAR:
            self._jump(anywhere.delay_s, counter)
            return self._with_gain(anywhere, template, noise), CalibrationStatus.LOCKED
        held = self._hold(template, block, kept, noise, parts, near, expected, gate)
        if held is not None:
            return held, CalibrationStatus.HELD
        if far and self._confirmed(anywhere.delay_s, counter):
            self._jump(anywhere.delay_s, counter)
            return self._with_gain(anywhere, template, noise), CalibrationStatus.LOCKED
        lost = template.compare(block, kept, noise, parts, expected, weight)
        return replace(lost, level=1.0), CalibrationStatus.REJECTED

    def _fits(self, fit: Fit, template: StillTemplate, noise: float) -> bool:
        """Return whether a fit is the whole still channel, with its direct path, at a level that it can have."""
        if not fit.found or fit.quality < self._config.min_quality:
            return False
        if template.cell is None:
            return True
        if template.rest_tells(noise):
            shadowed = fit.direct < _SHADOW * fit.rest and fit.rest_quality >= self._least_rest_quality
            familiar = fit.quality >= self._usual_quality - _FAMILIAR
            return not shadowed and (familiar or fit.level >= _WEAK * self._usual_level)
        return fit.level >= _WEAK * self._usual_level

    @property
    def _least_rest_quality(self) -> float:
        return _REST_QUALITY * self._config.min_quality

    def _hold(
        self, template: StillTemplate, block: ComplexArray, kept: Mask | None, noise: float, parts: Products,
        near: Fit, expected_s: float, gate_s: float,
    ) -> Fit | None:  # fmt: skip
        """Return the fit of what stands still beside the direct path, if that can be believed."""
        if template.cell is None:
            return None
        if not template.rest_tells(noise):
            # Nothing else is there: a weak direct path is still that path if it is where it should be.
            good = near.found and near.quality >= self._config.min_quality
            return replace(near, level=self._usual_level) if good and abs(near.delay_s - expected_s) <= gate_s else None
        rest = self._fit(template, block, kept, noise, parts, 0.0, expected_s, gate_s)
        good = rest.rest > 0.0 and rest.rest_quality >= self._least_rest_quality
        significant = rest.rest**2 * template.rest_energy > _DETECTION * noise
        if good and significant and abs(rest.delay_s - expected_s) <= gate_s:
            return rest
        return None

    def _with_gain(self, fit: Fit, template: StillTemplate, noise: float) -> Fit:
        """Return a fit with the level of that part which is nearer to the usual, if the two parts do not agree."""
        if not template.rest_tells(noise):
            return fit
        doubt = 5.0 * math.sqrt(noise / (2.0 * template.rest_energy))
        if abs(fit.direct - fit.rest) <= max(_DISAGREE * fit.level, doubt):
            return fit
        either = min((fit.direct, fit.rest), key=lambda level: abs(math.log(max(level, _TINY) / self._usual_level)))
        return replace(fit, level=either)

    def _jump(self, delay_s: float, counter: int) -> None:
        self._track.jump(delay_s, counter)
        self._candidate = None

    def _confirmed(self, delay_s: float, counter: int) -> bool:
        """Return whether blocks in a row were found at this unexpected delay."""
        offset = self._grid.wrap(delay_s - self._track.predict(counter))
        before, count = self._candidate or (offset, 0)
        count = count + 1 if abs(self._grid.wrap(offset - before)) <= self._config.gate_s else 1
        self._candidate = offset, count
        return count >= CONFIRM_BLOCKS

    def _follow(self, fit: Fit, status: CalibrationStatus, counter: int) -> None:
        """Take the delay, level and quality of a block in; give up a template that nothing fits any more."""
        good = fit.found and fit.quality >= self._config.min_quality
        if status is CalibrationStatus.REJECTED or (status is CalibrationStatus.ACQUIRING and not good):
            self._misses += 1
            if self._misses >= (RESTART_BLOCKS if self._locked else ACQUIRE_BLOCKS):
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


def _correlation(product: float, first: float, second: float) -> float:
    """Return a correlation, 0 to 1, from a product and two energies."""
    return min(1.0, max(0.0, product) / math.sqrt(max(first * second, _TINY)))


def _energy(values: ComplexArray) -> float:
    flat = values.reshape(-1)
    return float(np.vdot(flat, flat).real)
