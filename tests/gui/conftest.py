"""A synthetic stream for the viewer: two people who cross, with noise, clutter, and truth."""

import functools
import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything imports Qt

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Health, Snapshot
from isactrack.detections import Detections
from isactrack.events import Event
from isactrack.geometry import radial_velocity, xy_to_polar
from isactrack.processing.music_spectrum import DelayAzimuthMap
from isactrack.processing.products import Product
from isactrack.processing.spectra import RangeDopplerMap
from isactrack.source import Source
from isactrack.tracks import Track, TrackStatus
from isactrack.truth import Truth

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

# No test, nor a process that it starts, touches the settings of who runs it.
_CONFIG = tempfile.TemporaryDirectory(prefix="isactrack-config-")
os.environ["ISACTRACK_CONFIG_DIR"] = _CONFIG.name

RATE_HZ = 20.0
RANGE_AXIS_M: NDArray[np.float64] = np.asarray(np.arange(192) * 0.047, np.float64)
VELOCITY_AXIS_MPS: NDArray[np.float64] = np.asarray((np.arange(64) - 32) * 0.11, np.float64)
SHOTS = Path(os.environ["ISACTRACK_SHOTS"]).absolute() if "ISACTRACK_SHOTS" in os.environ else None


def _targets(time_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions and velocities (3, 2) of two people who cross and one who walks a circle."""
    phase = 0.25 * time_s
    sweep = 1.9 * np.cos(phase)
    speed = -1.9 * 0.25 * np.sin(phase)
    turn = 0.8 * time_s
    position = np.array([[sweep, 3.2 + 0.5 * sweep], [-sweep, 3.4 + 0.6 * sweep], [1.2 * np.cos(turn), 6.2]])
    velocity = np.array([[speed, 0.5 * speed], [-speed, 0.6 * speed], [-0.96 * np.sin(turn), 0.0]])
    position[2, 1] += 1.0 * np.sin(turn)
    velocity[2, 1] += 0.8 * np.cos(turn)
    return position, velocity


def _spectrum(r: NDArray[np.float64], v: NDArray[np.float64], rng: np.random.Generator) -> RangeDopplerMap:
    """Return exponential noise of mean 1, static clutter, and a peak of 35 dB for each target."""
    power = rng.exponential(1.0, (VELOCITY_AXIS_MPS.size, RANGE_AXIS_M.size))
    for clutter_m in (1.4, 5.2, 7.9):
        power += 3e3 * np.outer(
            np.exp(-0.5 * (VELOCITY_AXIS_MPS / 0.06) ** 2), np.exp(-0.5 * ((RANGE_AXIS_M - clutter_m) / 0.05) ** 2)
        )
    for rk, vk in zip(r, v, strict=True):
        power += 3e3 * np.outer(
            np.exp(-0.5 * ((VELOCITY_AXIS_MPS - vk) / 0.13) ** 2), np.exp(-0.5 * ((RANGE_AXIS_M - rk) / 0.06) ** 2)
        )
    return RangeDopplerMap(power.astype(np.float32), VELOCITY_AXIS_MPS, RANGE_AXIS_M)


@functools.lru_cache(maxsize=400)
def snapshot(index: int, *, truth: bool = True) -> Snapshot:
    """Return snapshot `index` of the scene; the same index gives the same snapshot."""
    rng = np.random.default_rng(index)
    time_s = index / RATE_HZ
    position, velocity = _targets(time_s)
    r, azimuth = xy_to_polar(position)
    v = radial_velocity(position, velocity)
    seen = np.vstack([position + rng.normal(0.0, 0.06, position.shape), rng.uniform([-3, 1], [3, 8], (2, 2))])
    seen_r, seen_azimuth = xy_to_polar(seen)
    detections = Detections(
        time_s=time_s,
        position_m=seen,
        covariance_m2=np.tile(np.eye(2) * 0.01, (len(seen), 1, 1)),
        radial_velocity_mps=np.concatenate([v, rng.uniform(-2, 2, 2)]),
        radial_velocity_std_mps=np.full(len(seen), 0.1),
        snr_db=np.full(len(seen), 20.0),
        range_m=seen_r,
        azimuth_rad=seen_azimuth,
    )
    return Snapshot(
        index=index,
        frame_counter=1000 + index,
        time_s=time_s,
        complete=True,
        spectrum=_spectrum(r, v, rng),
        detections=detections,
        tracks=_tracks(index, time_s, position, velocity, azimuth, rng),
        truth=Truth(time_s, np.arange(3), position, velocity) if truth else None,
    )


def _tracks(
    index: int,
    time_s: float,
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    azimuth: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Track, ...]:
    tracks = []
    statuses = (TrackStatus.CONFIRMED, TrackStatus.COASTED if index % 80 > 60 else TrackStatus.CONFIRMED,
                TrackStatus.TENTATIVE)  # fmt: skip
    for k, status in enumerate(statuses):
        across = np.array([np.cos(azimuth[k]), -np.sin(azimuth[k])])
        along = np.array([np.sin(azimuth[k]), np.cos(azimuth[k])])
        spread = 0.12 if status is TrackStatus.CONFIRMED else 0.25
        p = spread**2 * np.outer(across, across) + 0.06**2 * np.outer(along, along)
        covariance = np.asarray(np.kron(p, np.diag([1.0, 2.0])), np.float64)
        mean = position[k] + rng.normal(0.0, 0.03, 2)
        state = np.array([mean[0], velocity[k, 0], mean[1], velocity[k, 1]])
        tracks.append(Track(4 + k, status, time_s, state, covariance, index + 1))
    return tuple(tracks)


TX_M = (3.4, 2.6)
PATH_AXIS_M: NDArray[np.float64] = np.asarray(np.linspace(np.hypot(*TX_M), 25.0, 128), np.float64)
AZIMUTH_AXIS_RAD: NDArray[np.float64] = np.asarray(np.radians(np.linspace(-70.0, 70.0, 141)), np.float64)


def radio_snapshot(index: int) -> Snapshot:
    """Return snapshot `index` of the same scene, as a bistatic radio sees it."""
    radar = snapshot(index)
    assert radar.truth is not None
    position = radar.truth.position_m
    path = np.hypot(*position.T) + np.hypot(*(position - TX_M).T)
    azimuth = np.arctan2(*position.T)
    power = np.ones((AZIMUTH_AXIS_RAD.size, PATH_AXIS_M.size))
    for length, angle in zip(path, azimuth, strict=True):
        power += 300.0 * np.outer(
            np.exp(-0.5 * ((AZIMUTH_AXIS_RAD - angle) / 0.05) ** 2), np.exp(-0.5 * ((PATH_AXIS_M - length) / 0.2) ** 2)
        )
    return replace(
        radar,
        spectrum=DelayAzimuthMap(power.astype(np.float32), PATH_AXIS_M, AZIMUTH_AXIS_RAD),
        tx_position_m=TX_M,
    )


HEALTHY = Health(
    url="sim://awr1642?scene=crossing&seed=7",
    model="AWR1642",
    source=Source.SIMULATED,
    origin=Source.SIMULATED,
    running=True,
    elapsed_s=64.2,
    frames=1284,
    frame_rate_hz=19.9,
    nominal_rate_hz=20.0,
    recorded_frames=1284,
    recorded_bytes=336_592_896,
    recorder_queue=1,
    recording_path="/data/2026-05/crossing-run-003.h5",
    disk_free_bytes=412_000_000_000,
    latency_p50_ms=31.0,
    latency_p99_ms=58.0,
)


class SyntheticFeed:
    """Hands out `per_poll` snapshots a call until `count` are out."""

    def __init__(
        self,
        count: int = 10**9,
        *,
        live: bool = True,
        per_poll: int = 1,
        health: Health = HEALTHY,
        make: Callable[[int], Snapshot] = snapshot,
    ) -> None:
        self.live = live
        self._make = make
        self.note = ""
        self.state = health
        self.given = 0
        self.closed = 0
        self.wanted: frozenset[Product] = frozenset()
        self._count = count
        self._per_poll = per_poll

    def poll(self) -> list[Snapshot]:
        stop = min(self.given + self._per_poll, self._count)
        new = [self._make(index) for index in range(self.given, stop)]
        self.given = stop
        return new

    def health(self) -> Health:
        return replace(self.state, running=self.state.running and self.given < self._count, frames=self.given)

    def take_events(self) -> list[Event]:
        """Nothing happens."""
        return []

    def want(self, products: frozenset[Product]) -> None:
        self.wanted = products

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def config_folder_of_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the viewer's settings, an empty one for each test."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("ISACTRACK_CONFIG_DIR", str(folder))
    return folder


@pytest.fixture
def make_snapshot() -> Callable[..., Snapshot]:
    return snapshot


@pytest.fixture
def make_radio_snapshot() -> Callable[[int], Snapshot]:
    return radio_snapshot


@pytest.fixture
def healthy() -> Health:
    return HEALTHY


@pytest.fixture
def make_feed() -> Callable[..., SyntheticFeed]:
    return SyntheticFeed


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something that happens in another thread, without Qt."""

    def wait(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)

    return wait


@pytest.fixture
def shots(tmp_path: Path) -> Iterator[Path]:
    """Folder for screenshots; set ISACTRACK_SHOTS to keep them."""
    folder = SHOTS or tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


@pytest.fixture(scope="session")
def app(qapp: "QApplication") -> "QApplication":
    """The one Qt application; pytest-qt fails the tests in which Qt complains or a callback of Qt raises."""
    pytest.importorskip("pyqtgraph")
    return qapp
