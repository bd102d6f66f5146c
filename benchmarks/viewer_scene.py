"""Results for the viewer's benchmarks: a radar's map with a crowd of tracks, and what a simulated radio gives."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.pipeline import Pipeline
from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.detections import Detections
from isactrack.drivers.registry import open_device
from isactrack.events import Event
from isactrack.geometry import xy_to_polar
from isactrack.processing.products import Product
from isactrack.processing.range_azimuth import RangeAzimuthMap
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.source import Source
from isactrack.tracks import Track, TrackStatus

FloatArray = NDArray[np.float64]

RANGE_BINS, DOPPLER_BINS = 128, 64
PERIOD_S = 1 / 30
_SPECTRA = 16
_LAGS = np.arange(4) * 0.5


def crowd(count: int, tracks: int, seed: int = 0) -> list[Snapshot]:
    """Return snapshots of a radar with a map of 128 ranges and 64 velocities and so many people who walk in circles.

    One track in ten is tentative and one in ten coasts; half of them are detected.
    """
    rng = np.random.default_rng(seed)
    range_axis_m = np.linspace(0.1, 12.0, RANGE_BINS)
    velocity_axis_mps = (np.arange(DOPPLER_BINS) - DOPPLER_BINS // 2) * 0.12
    azimuth_axis_rad = np.radians(np.linspace(-80.0, 80.0, 91))
    spectra = [
        RangeDopplerMap(rng.exponential(1.0, (DOPPLER_BINS, RANGE_BINS)).astype(np.float32), velocity_axis_mps,
                        range_axis_m)
        for _ in range(_SPECTRA)
    ]  # fmt: skip
    beams = [
        RangeAzimuthMap(_correlation(rng), _LAGS, range_axis_m, azimuth_axis_rad) for _ in range(_SPECTRA)
    ]  # fmt: skip
    centre = np.column_stack([rng.uniform(-5, 5, tracks), rng.uniform(2, 10, tracks)])
    radius, turn, start = rng.uniform(0.3, 1.5, tracks), rng.uniform(-1, 1, tracks), rng.uniform(0, 6.3, tracks)
    covariance = np.kron(np.array([[0.02, 0.005], [0.005, 0.01]]), np.diag([1.0, 2.0]))
    statuses = [_status(k) for k in range(tracks)]
    snapshots = []
    for index in range(count):
        time_s = index * PERIOD_S
        phase = start + turn * time_s
        position = centre + radius[:, None] * np.column_stack([np.cos(phase), np.sin(phase)])
        velocity = (radius * turn)[:, None] * np.column_stack([-np.sin(phase), np.cos(phase)])
        state = np.column_stack([position[:, 0], velocity[:, 0], position[:, 1], velocity[:, 1]])
        snapshots.append(
            Snapshot(
                index=index,
                frame_counter=index,
                time_s=time_s,
                complete=True,
                spectrum=spectra[index % _SPECTRA],
                detections=_detections(time_s, position[::2] + rng.normal(0.0, 0.1, position[::2].shape)),
                tracks=tuple(Track(k + 1, statuses[k], time_s, state[k], covariance, index + 1) for k in range(tracks)),
                range_azimuth=beams[index % _SPECTRA],
            )
        )
    return snapshots


def radio(count: int, seed: int = 0) -> list[Snapshot]:
    """Return snapshots of the simulated bistatic radio, over and over what two people do in its first seconds."""
    with open_device(f"sim://bistatic?scene=lab-crossing&seed={seed}&speed=max") as device:
        pipeline = Pipeline(device.configure())
        pipeline.wanted = frozenset(Product)
        device.start()
        made: list[Snapshot] = []
        for frame in device.frames():
            snapshot = pipeline.push(frame)
            if snapshot is not None:
                made.append(snapshot)
            if len(made) == 60:
                break
    made = made[20:]  # what stands still is learnt by then
    step_s = (made[-1].time_s - made[0].time_s) / (len(made) - 1)
    return [replace(made[k % len(made)], index=k, frame_counter=k, time_s=k * step_s) for k in range(count)]


class ListFeed:
    """Gives one snapshot of a list at each poll, over and over, as if a device had sent them.

    Parameters
    ----------
    snapshots
        What is given.
    """

    live = True
    note = ""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self._snapshots = snapshots
        self.given = 0

    def want(self, products: frozenset[Product]) -> None:
        """Everything is there."""

    def poll(self) -> list[Snapshot]:
        """Return the next one."""
        snapshot = self._snapshots[self.given % len(self._snapshots)]
        self.given += 1
        return [snapshot]

    def take_events(self) -> list[Event]:
        """Return none."""
        return []

    def health(self) -> Health:
        """Return the health of a device that is well."""
        return Health(
            url="bench", model="bench", source=Source.SIMULATED, origin=Source.SIMULATED, running=True,
            elapsed_s=self.given * PERIOD_S, frames=self.given, frame_rate_hz=30.0, nominal_rate_hz=30.0,
        )  # fmt: skip

    def close(self) -> None:
        """Do nothing."""


def _status(k: int) -> TrackStatus:
    return {0: TrackStatus.TENTATIVE, 1: TrackStatus.COASTED}.get(k % 10, TrackStatus.CONFIRMED)


def _correlation(rng: np.random.Generator) -> NDArray[np.complex64]:
    shape = (RANGE_BINS, _LAGS.size)
    correlation = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    correlation[:, 0] = 8.0
    return correlation.astype(np.complex64)


def _detections(time_s: float, position: FloatArray) -> Detections:
    r, azimuth = xy_to_polar(position)
    n = len(position)
    return Detections(
        time_s=time_s,
        position_m=position,
        covariance_m2=np.tile(np.eye(2) * 0.01, (n, 1, 1)),
        radial_velocity_mps=np.zeros(n),
        radial_velocity_std_mps=np.full(n, 0.1),
        snr_db=np.full(n, 20.0),
        range_m=r,
        azimuth_rad=azimuth,
    )
