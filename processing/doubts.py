"""Points that may be nobody: what shadows do to walls, what calibration leaves of them, and side lobes.

A clutter filter takes off what stands still, and points that are left may yet be no people:

- **Shadows.** Who walks takes power from the echoes of walls and furniture behind, seen from the receiver or from the
  transmitter. These echoes change, and each becomes a point where the wall is: more ghosts than people, all the time.
  They are behind a stronger point. Their power says little: a steel cabinet in a shadow is as strong as a person. But
  a shadow changes the strength of an echo and not its phase, so that over a window its amplitudes lie on a line through
  zero, while those of whoever comes nearer or goes away turn, many times a second.
- **Residue.** Calibration divides each block by a reference, and an error of that is a share of every still echo, in
  step with whoever makes the error.
- **Side lobes.** Rows are calibrated to a degree and a tenth of a decibel or so. What that leaves of a strong point is
  at the same path length, in other directions.

None of this says that a point is nobody, only that it might be: somebody who stands behind somebody else looks alike.
So points are marked, not dropped. A track that there is goes on with them, but none begins with them.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import locate
from isactrack.processing.channel import Paths
from isactrack.processing.music_spectrum import Manifold
from isactrack.processing.ofdm_config import DoubtConfig
from isactrack.processing.path_fit import path_amplitudes
from isactrack.units import power_to_db

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

REMEMBERED_BLOCKS: Final = 500
"""Blocks over which the still channel is forgotten: 2 s, so that a shadow, which is over sooner, hardly lowers it."""
_OFFSETS: Final = np.array([-0.4, 0.0, 0.4])
"""Of a cell in path length and in the sine of azimuth: places around a point at which the still echo is looked at. What
is left of two echoes lies somewhere between them."""


# --- what is looked at -----------------------------------------------------------------------------------------------


def behind(position_m: FloatArray, snr_db: FloatArray, tx_position_m: FloatArray, reach_m: float) -> Mask:
    """Return which points (n,) lie behind a stronger one, seen from the receiver at the origin or from the transmitter.

    Parameters
    ----------
    position_m, snr_db
        Points (n, 2) and how strong they are (n,).
    tx_position_m
        The transmitter (2,).
    reach_m
        How far from the line to a point somebody who takes power from it may be, and how far before it at least.
    """
    stronger = snr_db > snr_db[:, None]
    hidden = np.zeros(len(position_m), dtype=np.bool_)
    for end in (np.zeros(2), np.asarray(tx_position_m)):
        offset = position_m - end
        far = np.hypot(offset[:, 0], offset[:, 1])
        way = offset / np.maximum(far, 1e-9)[:, None]
        along = way @ offset.T  # (i, k): of point k along the way to point i
        across = np.abs(way[:, :1] * offset[:, 1] - way[:, 1:] * offset[:, 0])
        before = (along > 0.0) & (along < far[:, None] - reach_m) & (across < reach_m)
        hidden |= np.any(before & stronger, axis=1)
    return hidden


def outshone(path_m: FloatArray, snr_db: FloatArray, resolution_m: float, level_db: float) -> Mask:
    """Return which points (n,) are in the same cell of path length as one that is stronger by more than `level_db`."""
    alike = np.abs(path_m[:, None] - path_m) < resolution_m
    return np.asarray(np.any(alike & (snr_db > snr_db[:, None] + level_db), axis=1))


def straightness(amplitudes: ComplexArray) -> FloatArray:
    """Return ``|sum b^2| / sum |b|^2`` (n,) of amplitudes (n, T): 1 on a line through 0, near 0 if the phase turns.

    It is 0.6 if the phase turns evenly by a quarter turn over the window, which at 26 GHz is by 3 mm of path.
    """
    power = np.sum(amplitudes.real**2 + amplitudes.imag**2, axis=1)
    return np.asarray(np.abs(np.sum(amplitudes**2, axis=1)) / np.maximum(power, np.finfo(np.float64).tiny))


class StillEcho:
    """Knows what stands still, and tells how strong it is at the places of paths.

    A matched filter with windows over tones (Hann) and rows (Hamming), so that the side lobes of the direct path, which
    is a thousand times as strong as a person, stay below.
    """

    def __init__(self, sensor: OfdmSensor) -> None:
        self._manifold = Manifold.of(sensor.rx_positions, sensor.tone_frequencies_hz)
        tones, rows = np.hanning(sensor.n_tones + 2)[1:-1], np.hamming(sensor.n_rx)
        self._tones, self._rows = tones / tones.sum(), rows / rows.sum()
        self._path_m = _OFFSETS * sensor.path_resolution_m
        self._sine = _OFFSETS * sensor.azimuth_resolution_rad
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._mean = np.zeros((self._manifold.rows.size, self._manifold.wavenumbers.size), dtype=np.complex128)
        self._known = 0

    def push(self, channel: ComplexArray) -> None:
        """Take in a calibrated channel (rows, tones): who moves is gone in the mean over blocks."""
        self._known = min(self._known + 1, REMEMBERED_BLOCKS)
        self._mean += (channel - self._mean) / self._known

    def snr_db(self, paths: Paths, noise_power: float, blocks: int) -> FloatArray:
        """Return the power (n,) of the strongest still echo in the cell of each path, as `Paths.snr_db` counts it.

        Parameters
        ----------
        paths
            The paths.
        noise_power
            Noise in a tone of a block that their powers are over.
        blocks
            Blocks of the window that they were found in.
        """
        n, m = len(paths), _OFFSETS.size
        path = (paths.path_m[:, None] + self._path_m).ravel()
        sine = (np.sin(paths.azimuth_rad)[:, None] + self._sine).ravel()
        delayed = (self._mean * self._tones) @ np.conj(self._manifold.along_tones(path)).T  # (rows, n * offsets)
        rows = (np.conj(self._manifold.along_rows(sine)) * self._rows).reshape(n, m, -1)
        value = np.einsum("nap,pnd->nad", rows, delayed.reshape(-1, n, m))
        strongest = np.max(value.real**2 + value.imag**2, axis=(1, 2), initial=0.0)
        return power_to_db(strongest * self._manifold.size * blocks / noise_power)


# --- all together ----------------------------------------------------------------------------------------------------


class Doubts:
    """Marks the paths of an estimate that may be nobody.

    Parameters
    ----------
    sensor
        The radio; its transmitter's place must be known.
    config
        Which doubts there are.
    """

    def __init__(self, sensor: OfdmSensor, config: DoubtConfig) -> None:
        self._config = config
        self._manifold = Manifold.of(sensor.rx_positions, sensor.tone_frequencies_hz)
        self._resolution_m = sensor.path_resolution_m
        self._tx_m = np.asarray(sensor.tx_position_m, dtype=np.float64)
        self._still = StillEcho(sensor)

    def reset(self) -> None:
        """Forget what stands still."""
        self._still.reset()

    def push(self, channel: ComplexArray) -> None:
        """Take in a calibrated channel (rows, tones)."""
        self._still.push(channel)

    def __call__(self, paths: Paths, snapshots: ComplexArray, noise_power: float) -> Mask:
        """Return which paths (n,) may be nobody.

        Parameters
        ----------
        paths
            The paths of an estimate.
        snapshots
            The blocks without clutter (T, rows, tones) that they were found in.
        noise_power
            Noise in a tone of a block that their powers are over.
        """
        config, snr_db = self._config, paths.snr_db
        doubtful = np.zeros(len(paths), dtype=np.bool_)
        if not len(paths):
            return doubtful
        if config.shadows:
            places = np.stack([paths.path_m, np.sin(paths.azimuth_rad)], axis=1)
            straight = straightness(path_amplitudes(snapshots, self._manifold, places)) > config.straightness
            doubtful |= straight & self._behind(paths)
        if config.residue_db is not None:
            doubtful |= snr_db < self._still.snr_db(paths, noise_power, len(snapshots)) - config.residue_db
        if config.sidelobe_db is not None:
            doubtful |= outshone(paths.path_m, snr_db, self._resolution_m, config.sidelobe_db)
        return doubtful

    def _behind(self, paths: Paths) -> Mask:
        """Return which paths (n,) lead to places behind stronger ones."""
        place, _, there = locate(paths.path_m, paths.azimuth_rad, paths.covariance, self._tx_m)
        hidden = np.zeros(len(paths), dtype=np.bool_)
        hidden[there] = behind(place[there], paths.snr_db[there], self._tx_m, self._config.shadow_reach_m)
        return hidden
