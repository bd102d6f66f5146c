"""Channels of people who walk, for the benchmarks of the bistatic chain: points, or bodies with limbs that swing.

A model of its own, so that what is measured does not lean on the simulated radio: no hardware, no calibration, white
noise. Levels are those of a person over the noise after integration over all tones, rows and `WINDOW` blocks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.ofdm import OfdmSensor
from isactrack.units import SPEED_OF_LIGHT_MPS

WINDOW = 25
SENSOR = OfdmSensor(
    model="benchmark",
    carrier_frequency_hz=26e9,
    subcarrier_spacing_hz=270e3,
    tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3,
    rx_positions=tuple(0.5 * p for p in range(8)),
    tx_position_m=(5.0, 0.0),
)


@dataclass(frozen=True)
class Points:
    """Scatterers over time: positions (n, T, 2) in metres and amplitudes (n,)."""

    position_m: NDArray[np.float64]
    amplitude: NDArray[np.complex128]


def point(position_m: NDArray[np.float64], snr_db: float, rng: np.random.Generator) -> Points:
    """Return a point with the track (T, 2)."""
    return Points(position_m[None], np.array([np.exp(2j * np.pi * rng.uniform())]) * _amplitude(snr_db))


def body(position_m: NDArray[np.float64], time_s: NDArray[np.float64], snr_db: float, rng: np.random.Generator
         ) -> Points:  # fmt: skip
    """Return a walker whose trunk has the track (T, 2): seven points of an ellipse, and four limbs that swing.

    The trunk is 0.44 m by 0.26 m, the limbs are 8 dB weaker and swing 0.25 m ahead and behind, twice in 1.1 s.
    """
    velocity = np.gradient(position_m, time_s, axis=0)
    speed = np.linalg.norm(velocity, axis=1, keepdims=True)
    ahead = velocity / np.maximum(speed, 1e-9)
    side = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
    angle = rng.uniform(0.0, 2.0 * np.pi) + 2.0 * np.pi * np.arange(7) / 7.0
    trunk = [position_m + 0.13 * np.cos(a) * ahead + 0.22 * np.sin(a) * side for a in angle]
    swing = 0.25 * np.minimum(speed, 1.0)
    phase = 2.0 * np.pi * time_s / 1.1 + rng.uniform(0.0, 2.0 * np.pi)
    limbs = [
        position_m + swing * np.sin(phase + turn)[:, None] * ahead + offset * side
        for turn, offset in ((0.0, 0.1), (np.pi, -0.1), (np.pi, 0.25), (0.0, -0.25))
    ]
    share = np.concatenate([np.full(7, 1.0 / 7.0), np.full(4, 10.0**-0.8 / 4.0)])
    share /= share.sum()
    gain = np.sqrt(share) * np.exp(2j * np.pi * rng.uniform(size=11)) * _amplitude(snr_db)
    return Points(np.stack(trunk + limbs), gain)


def channel(points: list[Points], sensor: OfdmSensor = SENSOR) -> NDArray[np.complex128]:
    """Return the channels (T, rows, tones) of all scatterers, without noise."""
    tx = np.asarray(sensor.tx_position_m)
    frequency = sensor.carrier_frequency_hz + sensor.tone_frequencies_hz
    out: NDArray[np.complex128] | None = None
    for group in points:
        path = path_length(group.position_m, tx)
        azimuth = np.arctan2(group.position_m[..., 0], group.position_m[..., 1])
        tones = np.exp(-2j * np.pi / SPEED_OF_LIGHT_MPS * path[..., None] * frequency) * group.amplitude[:, None, None]
        part = np.einsum("ntp,ntk->tpk", sensor.steering(azimuth), tones, optimize=True)
        out = part if out is None else out + part
    assert out is not None
    return np.asarray(out)


def noise(rng: np.random.Generator, blocks: int = WINDOW, sensor: OfdmSensor = SENSOR) -> NDArray[np.complex128]:
    """Return white noise of unit power (blocks, rows, tones)."""
    return rng.standard_normal((blocks, sensor.n_rx, sensor.n_tones, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5)


def path_length(position_m: NDArray[np.float64], tx_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths (...) of paths by way of positions (..., 2)."""
    return np.asarray(np.linalg.norm(position_m, axis=-1) + np.linalg.norm(position_m - tx_m, axis=-1))


def place(path_m: float, azimuth_rad: float, sensor: OfdmSensor = SENSOR) -> NDArray[np.float64]:
    """Return the position (2,) that a path length and an azimuth stand for: an ellipse cut by a ray (eq. 8)."""
    ray = np.array([np.sin(azimuth_rad), np.cos(azimuth_rad)])
    tx = np.asarray(sensor.tx_position_m)
    return np.asarray(ray * (path_m**2 - tx @ tx) / (2.0 * (path_m - ray @ tx)))


def gradient(position_m: NDArray[np.float64], sensor: OfdmSensor = SENSOR) -> NDArray[np.float64]:
    """Return the direction (2,) in which the path length grows, times how fast (2 cos of half the bistatic angle)."""
    tx = np.asarray(sensor.tx_position_m)
    away = position_m - tx
    return np.asarray(position_m / np.linalg.norm(position_m) + away / np.linalg.norm(away))


def _amplitude(snr_db: float) -> float:
    return float(np.sqrt(10.0 ** (snr_db / 10.0) / (SENSOR.n_rx * SENSOR.n_tones * WINDOW)))
