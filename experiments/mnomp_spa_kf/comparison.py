"""The scene of sec. IV-C of mnomp-spa-kf, and the methods that the paper compares on it.

Six point targets at 19 dB in white noise, two of them 0.5 m and 0.4 m/s apart at first, and in each frame a Poisson
number of further echoes that last for that frame only, anywhere in the region of interest and at any radial velocity:
the clutter. Targets and clutter are in the samples, so that each detector sees the same frame; the paper does not say
whether its clutter passed through the detector.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor, simulate_frame
from isactrack.fmcw import FmcwSensor
from isactrack.processing.fft_cfar import fft_cfar
from isactrack.processing.line_detections import line_detections
from isactrack.processing.mnomp import MnompConfig, mnomp_cfar
from isactrack.processing.nomp3d import nomp3d_cfar
from isactrack.tracking.config import TrackerConfig, paper_config
from isactrack.tracking.metrics_sets import LabelledSet
from isactrack.tracking.tracker import Tracker

FloatArray = NDArray[np.float64]

FRAMES: Final = 60
FRAME_S: Final = 0.1
SNR_DB: Final = 19.0
CLUTTER_MEAN: Final = 4.0
KAPPA: Final = 1.2
INTERPOLATION_STD_BINS: Final = 0.1
"""What other targets and noise move an interpolated peak of an FFT by, besides the bound."""
REGION_M: Final = ((-30.0, 0.0), (30.0, 60.0))
START_M: Final = ((-10.0, 6.0), (10.0, 24.0))
VELOCITY_MPS: Final = ((-3.0, -1.0), (3.0, 5.0))
PAIR_DISTANCE_M: Final = 0.5
PAIR_VELOCITY_MPS: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way from samples to tracks.

    Attributes
    ----------
    name
        Name as in the paper: detector, association, filter.
    detector
        ``"fft"``, ``"fft between bins"``, ``"mnomp"`` or ``"nomp3d"``.
    tracker
        Settings of the tracker.
    """

    name: str
    detector: str
    tracker: TrackerConfig


SPEED_MAX_MPS: Final = 6.08
CLUTTER_PER_M2: Final = CLUTTER_MEAN / 3600.0
BIRTH_VELOCITY_STD_MPS: Final = 3.0
"""Velocity of a new track across the line of sight: the velocities of sec. IV-A reach 3 to 5 m/s."""
CONFIRM_HITS: Final = 3
CONFIRM_WINDOW: Final = 4


def _method(name: str, detector: str, association: str, kalman: str, gate_dimensions: int) -> Method:
    # Births and deaths are those of the paper. Beside them a track counts as confirmed once it was seen in three of
    # four frames, which changes nothing for the tracker and lets figures count with and without what clutter starts.
    settings: dict[str, Any] = {"clutter_density": CLUTTER_PER_M2}
    if gate_dimensions == 3:
        settings = {"weight_radial_velocity": True, "clutter_density": CLUTTER_PER_M2 / (2.0 * SPEED_MAX_MPS)}
    tracker = paper_config(
        association,
        filter=kalman,
        gate_dimensions=gate_dimensions,
        confirm_hits=CONFIRM_HITS,
        confirm_window=CONFIRM_WINDOW,
        confirmed_first=False,
        birth_velocity_std_mps=BIRTH_VELOCITY_STD_MPS,
        **settings,
    )
    return Method(name=name, detector=detector, tracker=tracker)


# The SPA of the paper has the three-dimensional gate wherever it does not say otherwise, PDA and JPDA the plain one.
# With that gate the weights have three dimensions here too: the paper's stay in two (eq. 29-31), which gives away what
# the radial velocity says about who is who.
METHODS: Final = (
    _method("FFT-PDA-subKF", "fft", "pda", "subkf", 2),
    _method("FFT-PDA-KF", "fft", "pda", "kf", 2),
    _method("FFT-JPDA-subKF", "fft", "jpda", "subkf", 2),
    _method("FFT-SPA-subKF", "fft", "spa", "subkf", 3),
    _method("FFT-SPA-KF", "fft", "spa", "kf", 3),
    _method("MNOMP-PDA-subKF", "mnomp", "pda", "subkf", 2),
    _method("MNOMP-PDA-KF", "mnomp", "pda", "kf", 2),
    _method("MNOMP-JPDA-subKF", "mnomp", "jpda", "subkf", 2),
    _method("MNOMP-SPA-subKF", "mnomp", "spa", "subkf", 3),
    _method("MNOMP-SPA-KF (2D gate)", "mnomp", "spa", "kf", 2),
    _method("MNOMP-SPA-KF (3D gate)", "mnomp", "spa", "kf", 3),
    _method("3DNOMP-SPA-KF (3D gate)", "nomp3d", "spa", "kf", 3),
)
"""The twelve combinations of the paper."""
OURS: Final = "MNOMP-SPA-KF (3D gate)"
EKF: Final = _method("MNOMP-SPA-EKF (3D gate)", "mnomp", "spa", "ekf", 3)
"""The paper's future work: the radial velocity in the update."""
FFT_BETWEEN_BINS: Final = _method("FFT between bins-SPA-KF", "fft between bins", "spa", "kf", 3)
"""What is left of the advantage if the peaks of the FFT are interpolated, which the paper does not do."""
WEIGHT_2D: Final = Method(
    name="MNOMP-SPA-KF (3D gate, 2D weight)",
    detector="mnomp",
    tracker=replace(EKF.tracker, filter="kf", weight_radial_velocity=False, clutter_density=CLUTTER_PER_M2),
)
"""The weights of eq. 29-31 to the letter."""
EXTRA: Final = (EKF, FFT_BETWEEN_BINS, WEIGHT_2D)
"""Methods beside those of the paper."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Point targets that move straight: positions (k, 2) m at time 0 and velocities (k, 2) m/s."""

    start_m: FloatArray
    velocity_mps: FloatArray

    def at(self, time_s: float) -> FloatArray:
        """Return the positions (k, 2) at a time."""
        return self.start_m + time_s * self.velocity_mps

    def truth(self, time_s: float) -> LabelledSet:
        """Return the labelled true states at a time; labels count from 1."""
        return LabelledSet.of(np.arange(1, len(self.start_m) + 1), self.at(time_s), self.velocity_mps)


def draw_targets(rng: np.random.Generator) -> Targets:
    """Draw the six targets of sec. IV-C: start and velocity as in sec. IV-A, targets 2 and 3 close at first.

    The paper gives no coordinates. It compares the distance of the pair with the resolutions of range and velocity, so
    target 3 starts 0.5 m behind target 2 as the radar sees it, and is 0.4 m/s faster away from it.
    """
    start, velocity = rng.uniform(*START_M, (6, 2)), rng.uniform(*VELOCITY_MPS, (6, 2))
    away = start[1] / np.linalg.norm(start[1])
    start[2] = start[1] + PAIR_DISTANCE_M * away
    velocity[2] = velocity[1] + PAIR_VELOCITY_MPS * away
    return Targets(start, velocity)


def draw_clutter(
    sensor: FmcwSensor, rng: np.random.Generator, mean: float = CLUTTER_MEAN
) -> tuple[FloatArray, FloatArray]:
    """Return positions and velocities (c, 2) of the clutter of one frame: uniform in the region, radial, any speed."""
    count = rng.poisson(mean)
    position = rng.uniform(*REGION_M, (count, 2))
    speed = rng.uniform(-sensor.velocity_max_mps, sensor.velocity_max_mps, count)
    range_m = np.linalg.norm(position, axis=1)
    return position, speed[:, None] * position / np.maximum(range_m, 1e-9)[:, None]


def frames_of(
    sensor: FmcwSensor,
    targets: Targets,
    snr_db: FloatArray | float,
    rng: np.random.Generator,
    *,
    frames: int = FRAMES,
    clutter_mean: float = CLUTTER_MEAN,
) -> list[NDArray[np.complex128]]:
    """Return the samples (M, L, N) of each frame of a run; clutter has the SNR of the first target."""
    snr = np.broadcast_to(np.asarray(snr_db, dtype=np.float64), len(targets.start_m))
    run = []
    for frame in range(frames):
        position, velocity = draw_clutter(sensor, rng, clutter_mean)
        levels = np.concatenate([snr, np.full(len(position), snr[0])])
        everything = np.concatenate([targets.at(frame * FRAME_S), position])
        moving = np.concatenate([targets.velocity_mps, velocity])
        run.append(simulate_frame(sensor, everything, moving, levels, rng))
    return run


def detect(
    detector: str, sensor: FmcwSensor, frame: NDArray[np.complex128], time_s: float, config: MnompConfig
) -> Detections:
    """Return the detections that a detector of `METHODS` makes of a frame; kappa is 1.2 (sec. IV-A).

    Peaks on the grid of an FFT are as uncertain as its bins are wide, whatever their SNR: they get the variance of a
    place that is uniform in the bin on top of the bound, without which no filter could follow them.
    """
    if detector == "mnomp":
        return line_detections(mnomp_cfar(frame, config), sensor, time_s, inflation=KAPPA)
    if detector == "nomp3d":
        return line_detections(nomp3d_cfar(frame, config)[0], sensor, time_s, inflation=KAPPA)
    between = detector == "fft between bins"
    floor = INTERPOLATION_STD_BINS if between else 1.0 / math.sqrt(12.0)
    lines = fft_cfar(frame, config, between_bins=between)
    range_floor_m = floor * sensor.range_resolution_m
    found = line_detections(lines, sensor, time_s, inflation=KAPPA, range_floor_m=range_floor_m)
    velocity_std = np.hypot(found.radial_velocity_std_mps, floor * sensor.velocity_resolution_mps)
    return replace(found, radial_velocity_std_mps=velocity_std)


@dataclass(frozen=True, slots=True, eq=False)
class MethodTracks:
    """Tracks of each frame by one method: all of them, and those that are confirmed."""

    all: list[LabelledSet]
    confirmed: list[LabelledSet]


def run_method(tracker: TrackerConfig, detections: Sequence[Detections]) -> MethodTracks:
    """Return the tracks that a tracker makes of the detections of successive frames."""
    state = Tracker(tracker)
    steps = [state.step(found) for found in detections]
    return MethodTracks(
        [LabelledSet.of_tracks(step, confirmed_only=False) for step in steps],
        [LabelledSet.of_tracks(step) for step in steps],
    )


@dataclass(frozen=True, slots=True, eq=False)
class SceneRun:
    """One random run of the scene: targets, detections of each frame by detector, tracks by method."""

    targets: Targets
    detections: Mapping[str, list[Detections]]
    tracks: Mapping[str, MethodTracks]

    def truth(self) -> list[LabelledSet]:
        """Return the true states of each frame."""
        frames = len(next(iter(self.detections.values())))
        return [self.targets.truth(frame * FRAME_S) for frame in range(frames)]


def run_scene(methods: Sequence[Method], seed: int, config: MnompConfig | None = None) -> SceneRun:
    """Run methods on one random run of the scene.

    Parameters
    ----------
    methods
        The methods; detectors that none of them needs do not run.
    seed
        Seed of scene, clutter and noise.
    config
        Settings of the detectors; None for those of the paper.
    """
    rng, sensor = np.random.default_rng(seed), paper_sensor()
    config = config or MnompConfig()
    targets = draw_targets(rng)
    frames = frames_of(sensor, targets, SNR_DB, rng)
    detections = {
        name: [detect(name, sensor, frame, index * FRAME_S, config) for index, frame in enumerate(frames)]
        for name in dict.fromkeys(method.detector for method in methods)
    }
    tracks = {method.name: run_method(method.tracker, detections[method.detector]) for method in methods}
    return SceneRun(targets, detections, tracks)
