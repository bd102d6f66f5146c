"""A radio's channel at a place, block by block, and its Doppler spectrum: what shows how somebody moves their limbs.

All phases are counted from the middle of the array and of the band. A place that moves on, or a track that jumps a
little, then costs gain and turns no phase: from block to block the phase turns by the Doppler shift alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import paths_of
from isactrack.processing.music_spectrum import Manifold
from isactrack.processing.products import MovingBlocks

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SlowTime:
    """The channel at each track over some blocks, without what stands still.

    Attributes
    ----------
    time_s
        Device times (blocks,) of the blocks; where the radio staggers them they are not even.
    track_id
        The tracks (n,) int64.
    values
        Mean of the channel over rows and tones towards each track (n, blocks) complex64.
    sensor
        The radio.
    """

    time_s: FloatArray
    track_id: NDArray[np.int64]
    values: NDArray[np.complex64]
    sensor: OfdmSensor

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.time_s.nbytes + self.track_id.nbytes + self.values.nbytes

    def of(self, track_id: int) -> NDArray[np.complex64] | None:
        """Return the values (blocks,) of a track; None if it was not there."""
        rows = np.flatnonzero(self.track_id == track_id)
        return self.values[rows[0]] if rows.size else None


def slow_time(blocks: MovingBlocks, track_id: ArrayLike, position_m: ArrayLike) -> SlowTime:
    """Look from the radio towards places through some blocks.

    Parameters
    ----------
    blocks
        The blocks.
    track_id, position_m
        The tracks (n,) and where they stand (n, 2), m.

    Raises
    ------
    ConfigError
        If it is not known where the transmitter stands.
    """
    sensor = blocks.sensor
    _ = sensor.direct_path_m  # refuses a radio without a transmitter
    position = np.asarray(position_m, dtype=np.float64).reshape(-1, 2)
    path_m, azimuth_rad = paths_of(position, sensor.tx_position_m or (0.0, 0.0))
    manifold = Manifold.of(sensor.rx_positions, sensor.tone_frequencies_hz)
    rows = np.conj(manifold.along_rows(np.sin(azimuth_rad)))
    tones = np.conj(manifold.along_tones(path_m))
    values = np.einsum("np,npb->nb", rows, np.einsum("bpt,nt->npb", blocks.channel, tones, optimize=True))
    return SlowTime(
        time_s=blocks.time_s,
        track_id=np.asarray(track_id, dtype=np.int64).reshape(-1),
        values=(values / manifold.size).astype(np.complex64),
        sensor=sensor,
    )


def doppler_power(time_s: ArrayLike, values: ArrayLike, frequency_hz: ArrayLike) -> FloatArray:
    """Return the power of a signal at frequencies (n,), at times that need not be even.

    Parameters
    ----------
    time_s, values
        Times and values (samples,); they are tapered by a Hann window over the time that they span.
    frequency_hz
        Frequencies (n,).

    Returns
    -------
    ndarray
        Power (n,): a tone of amplitude A shows ``A^2``.
    """
    t = np.asarray(time_s, dtype=np.float64)
    at = t - t.mean()
    span = float(at[-1] - at[0]) * (1.0 + 1.0 / max(t.size - 1, 1)) or 1.0
    taper = 0.5 + 0.5 * np.cos(2.0 * np.pi * (at - 0.5 * (at[0] + at[-1])) / span)
    weighted = np.asarray(values) * (taper / taper.sum())
    turn = np.exp(-2j * np.pi * np.asarray(frequency_hz, dtype=np.float64)[:, None] * at)
    return np.asarray(np.abs(turn @ weighted) ** 2)
