"""The direct path from transmitter to receiver: where it lies in delay and angle, and its fit between grid points."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.ofdm import ArrayModel, OfdmSensor
from isactrack.processing.impulse_response import DelayGrid
from isactrack.units import SPEED_OF_LIGHT_MPS

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_EARLIEST: Final = 0.1
"""A path of this power relative to the strongest in its direction, but earlier, is the direct one."""
_EARLIER_S: Final = 40e-9
_MOST_PATHS: Final = 8
_MOST_STEPS: Final = 60
_UNMODELLED: Final = 3e-5
"""Share of the energy that paths need not explain: errors of the rows, phase noise."""


@dataclass(frozen=True, slots=True, eq=False)
class DirectCell:
    """Where the direct path lies in delay and angle.

    Attributes
    ----------
    delay_s
        Its true delay, L_Tx / c.
    beam
        Weights (rows,) that receive it with gain 1; None where the rows have no steering vectors.
    rows, tones
        Orthonormal bases (rows, k) and (n_tones, l) of what paths in the cell can look like.
    """

    delay_s: float
    beam: ComplexArray | None
    rows: ComplexArray
    tones: ComplexArray

    @classmethod
    def of(cls, sensor: OfdmSensor, rows: int, angular: FloatArray) -> "DirectCell | None":
        """Return the cell, from one resolution cell before the direct path to two behind it.

        Parameters
        ----------
        sensor
            The radio.
        rows
            Rows of its channel.
        angular
            Angular frequencies (n_tones,) of its tones, rad/s.

        Returns
        -------
        DirectCell or None
            None if it is not known where the transmitter stands.
        """
        if sensor.tx_position_m is None:
            return None
        delay = sensor.direct_path_m / SPEED_OF_LIGHT_MPS
        delays = delay + np.linspace(-1.0, 2.0, 31) * sensor.delay_resolution_s
        tones = _span(np.exp(-1j * angular[:, None] * delays))
        if sensor.array is not ArrayModel.ULA or rows != sensor.n_rx or rows == 1:
            return cls(delay, None, np.eye(rows, dtype=np.complex128), tones)
        beam = sensor.steering(sensor.direct_azimuth_rad).conj() / rows
        sines = math.sin(sensor.direct_azimuth_rad) + np.linspace(-0.5, 0.5, 11) * sensor.azimuth_resolution_rad
        steering = np.exp(2j * np.pi * np.asarray(sensor.rx_positions)[:, None] * sines)
        return cls(delay, beam, _span(steering), tones)

    @property
    def size(self) -> int:
        """Dimensions of the cell."""
        return int(self.rows.shape[1] * self.tones.shape[1])

    def seen_as(self, channel: ComplexArray, angular: FloatArray) -> "DirectCell":
        """Return the cell with the direct path as the rows see it: their errors, too, belong to it.

        Parameters
        ----------
        channel
            Channel (rows, n_tones) with its direct path at `delay_s`.
        angular
            Angular frequencies (n_tones,) of the tones, rad/s.
        """
        window = np.hanning(channel.shape[1] + 2)[1:-1]
        seen = channel @ (window * np.exp(1j * angular * self.delay_s))
        beside = seen - self.rows @ (self.rows.conj().T @ seen)
        size = float(np.linalg.norm(beside))
        if size <= 1e-3 * float(np.linalg.norm(seen)):
            return self
        return replace(self, rows=np.column_stack([self.rows, beside / size]))

    def coefficients(self, channel: ComplexArray) -> ComplexArray:
        """Return what of a channel (rows, n_tones) is in the cell, in terms of the bases (k, l)."""
        return np.asarray((self.rows.conj().T @ channel) @ self.tones.conj())

    def part(self, channel: ComplexArray) -> ComplexArray:
        """Return what of a channel (rows, n_tones) is in the cell, as a channel."""
        return np.asarray(self.rows @ (self.coefficients(channel) @ self.tones.T))


def _span(vectors: ComplexArray) -> ComplexArray:
    """Return an orthonormal basis of the columns, without directions 60 dB below the strongest."""
    left, values, _ = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(left[:, values > 1e-3 * values[0]])


def fit_direct_path(
    channel: ComplexArray, cell: DirectCell, grid: DelayGrid, near_s: float | None = None
) -> tuple[float, complex]:
    """Fit one path in the direction of the transmitter.

    Parameters
    ----------
    channel
        Channel (rows, n_tones).
    cell
        The direct path.
    grid
        Delays to look at.
    near_s
        Where to climb from; None to look everywhere: the strongest path in that direction, or one shortly before it
        that is at most 10 dB weaker.

    Returns
    -------
    delay_s
        Its delay, between the points of the grid.
    gain
        Its complex gain in the beam, the phase that at the carrier.
    """
    if near_s is None:
        window = np.hanning(channel.shape[1] + 2)[1:-1]
        rows = channel if cell.beam is None else (cell.beam @ channel)[None]
        near_s = _earliest(grid.power(rows * window).sum(axis=0), grid)
    beam = _beamed(channel, cell, grid, near_s)
    delay, total = grid.refine(beam, near_s)
    return delay, total / channel.shape[1]


def resolve_direct_path(channel: ComplexArray, cell: DirectCell, grid: DelayGrid, near_s: float, noise: float) -> float:
    """Tell the direct path from what follows it closer than the resolution, and return its delay.

    An echo 6 dB weaker that comes 1.3 ns later pulls the fit of a single path by up to 0.4 ns, 12 cm. Where the signal
    is far above the noise, as in a mean of blocks, paths are added one by one where most is left over, all of them
    fitted together each time (the gains by linear least squares, the delays by Levenberg and Marquardt's method on what
    these leave, with Kaufman's derivative).

    Parameters
    ----------
    channel
        Channel (rows, n_tones).
    cell
        The direct path.
    grid
        Delays.
    near_s
        Delay that the fit of a single path finds.
    noise
        Variance of the noise in the channel, 0 if not known.

    Returns
    -------
    float
        Delay of the first strong path near that; the one of the single path if no such set of paths is found.
    """
    beam = _beamed(channel, cell, grid, near_s)
    energy = float(np.vdot(beam, beam).real)
    gain = 1.0 if cell.beam is None else float(np.vdot(cell.beam, cell.beam).real)
    floor = max(1.5 * noise * gain * beam.size, _UNMODELLED * energy)
    delays = np.array([near_s])
    for _ in range(_MOST_PATHS):
        delays, gains, rest = _fit_paths(beam, grid, delays)
        if float(np.vdot(rest, rest).real) < floor:
            break
        delays = np.append(delays, grid.strongest(grid.power(rest), near_s, 0.5 * grid.window_s))
    delays = delays[: gains.size]
    reach = 1.0 / (grid.angular[-1] - grid.angular[0]) * 2.0 * math.pi
    near = (np.abs(delays - near_s) < reach) & (np.abs(gains) > math.sqrt(_EARLIEST) * np.abs(gains).max())
    if not near.any() or np.abs(gains).max() > 2.0 * math.sqrt(energy / beam.size):
        return near_s  # paths that all but cancel each other explain anything
    return float(delays[near].min())


def _fit_paths(
    beam: ComplexArray, grid: DelayGrid, delays_s: FloatArray
) -> tuple[FloatArray, ComplexArray, ComplexArray]:
    """Return delays (k,), gains (k,) and what is left (n_tones,) of paths fitted together from given delays."""
    damping = 1e-3
    gains, rest, columns = _gains(beam, grid, delays_s)
    cost = float(np.vdot(rest, rest).real)
    for _ in range(_MOST_STEPS):
        slopes = -1j * grid.angular[:, None] * columns * gains
        basis = np.linalg.qr(columns)[0]
        slopes -= basis @ (basis.conj().T @ slopes)
        normal = (slopes.conj().T @ slopes).real
        right = (slopes.conj().T @ rest).real
        try:
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), right)
        except np.linalg.LinAlgError:
            break
        tried = delays_s + np.clip(step, -grid.step_s, grid.step_s)
        found = _gains(beam, grid, tried)
        better = cost - float(np.vdot(found[1], found[1]).real)
        if better > 0.0:
            delays_s, (gains, rest, columns), damping = tried, found, max(0.2 * damping, 1e-9)
            cost -= better
            if better < 1e-4 * cost:
                break
        elif damping > 1e5:
            break
        else:
            damping *= 10.0
    return delays_s, gains, rest


def _gains(
    beam: ComplexArray, grid: DelayGrid, delays_s: FloatArray
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    columns = np.exp(-1j * grid.angular[:, None] * delays_s)
    gains: ComplexArray = np.linalg.lstsq(columns, beam, rcond=1e-8)[0].astype(np.complex128)
    return gains, beam - columns @ gains, columns


def _beamed(channel: ComplexArray, cell: DirectCell, grid: DelayGrid, delay_s: float) -> ComplexArray:
    """Return what comes from the transmitter's direction (n_tones,)."""
    if cell.beam is not None:
        return np.asarray(cell.beam @ channel)
    # Without steering vectors the rows' own phases at that delay make the beam.
    seen = channel @ np.exp(1j * grid.angular * delay_s)
    return np.asarray(seen.conj() @ channel / max(float(np.linalg.norm(seen)), 1e-300))


def _earliest(power: FloatArray, grid: DelayGrid) -> float:
    """Return the delay of the strongest peak of a power (points,), or of a strong one shortly before it."""
    strongest = int(np.argmax(power))
    before = (strongest - np.arange(int(_EARLIER_S / grid.step_s), 0, -1)) % grid.points
    peak = (power[before] > power[before - 1]) & (power[before] >= power[(before + 1) % grid.points])
    strong = before[peak & (power[before] > _EARLIEST * power[strongest])]
    return float(strong[0] if strong.size else strongest) * grid.step_s
