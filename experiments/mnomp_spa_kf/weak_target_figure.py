"""Fig. 8 of mnomp-spa-kf: a weak target beside two strong ones, by the detector alone and with the tracker."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.experiments.experiment import Experiment, Parameters, Result, Row, Summary, Verdict
from isactrack.experiments.intervals import Interval, mean_interval, paired_interval
from isactrack.experiments.mnomp_spa_kf.comparison import (
    FRAME_S,
    FRAMES,
    START_M,
    VELOCITY_MPS,
    Targets,
    detect,
    frames_of,
    run_method,
)
from isactrack.experiments.mnomp_spa_kf.signal import paper_sensor
from isactrack.experiments.plotting import COLOURS, colour, drawing
from isactrack.processing.mnomp import MnompConfig
from isactrack.tracking.config import TrackerConfig, paper_config
from isactrack.tracking.metrics_sets import LabelledSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

SNR_DB: Final = (15.2, 15.2, 5.2)
"""Integrated SNR of the three targets (sec. IV-D); the last is the weak one."""
P_OVERALL: Final = 0.1
MATCH_DISTANCE_M: Final = 2.0
"""About four standard deviations of the weak target's position at 20 m."""
WEAK: Final = 2

TRACKERS: Final[dict[str, TrackerConfig]] = {
    "paper": paper_config("spa", clutter_density=P_OVERALL / 3600.0),
    "patient": paper_config(
        "spa", extrapolations=6, detection_probability=0.6, confirm_hits=3, confirm_window=6, confirmed_first=False,
        max_misses_tentative=3, clutter_density=P_OVERALL / 3600.0,
    ),
}  # fmt: skip
"""The paper's life of a track (N_ext = 2), and one for targets that are seen in every other frame only."""


def trial(seed: int, _parameters: Parameters) -> Result:
    """Return what detector and trackers know of the weak target in one random run, and what they make up."""
    rng, sensor = np.random.default_rng(seed), paper_sensor()
    targets = Targets(rng.uniform(*START_M, (3, 2)), rng.uniform(*VELOCITY_MPS, (3, 2)))
    config = MnompConfig(p_overall=P_OVERALL)
    frames = frames_of(sensor, targets, np.array(SNR_DB), rng, clutter_mean=0.0)
    detections = [detect("mnomp", sensor, frame, index * FRAME_S, config) for index, frame in enumerate(frames)]
    truth = [targets.at(index * FRAME_S) for index in range(FRAMES)]
    detected = [_near(found.position_m, position[WEAK]) for found, position in zip(detections, truth, strict=True)]
    result: Result = {
        "detector": {
            "weak_share": float(np.mean(detected)),
            "false_per_minute": _false_points(detections, truth) / (FRAMES * FRAME_S / 60.0),
        },
        "detected": detected,
        "truth": np.round(truth, 3).tolist(),
        "detections": [np.round(found.position_m, 3).tolist() for found in detections],
    }
    for name, tracker in TRACKERS.items():
        tracks = run_method(tracker, detections)
        counted = tracks.all if name == "paper" else tracks.confirmed
        result[name] = {
            "weak_share": float(np.mean([
                _near(frame.state[:, ::2], position[WEAK]) for frame, position in zip(counted, truth, strict=True)
            ])),
            "false_per_minute": _false_tracks(counted, truth) / (FRAMES * FRAME_S / 60.0),
            "false_lasting_per_minute": _false_tracks(tracks.all, truth, least_frames=5) / (FRAMES * FRAME_S / 60.0),
            "tracks": [
                [[int(label), round(float(x), 3), round(float(y), 3)] for label, (x, y) in
                 zip(frame.label, frame.state[:, ::2], strict=True)]
                for frame in counted
            ],
        }  # fmt: skip
    return result


def _near(position_m: FloatArray, target_m: FloatArray) -> bool:
    return bool((np.linalg.norm(position_m - target_m, axis=1) <= MATCH_DISTANCE_M).any())


def _false_points(detections: Sequence[Detections], truth: Sequence[FloatArray]) -> int:
    """Count detections that are near no target."""
    return sum(
        int(np.count_nonzero(_apart(found.position_m, position)))
        for found, position in zip(detections, truth, strict=True)
    )


def _false_tracks(frames: Sequence[LabelledSet], truth: Sequence[FloatArray], least_frames: int = 1) -> int:
    """Count tracks of at least some frames that are near no target in more than half of them."""
    away: dict[int, list[bool]] = {}
    for frame, position in zip(frames, truth, strict=True):
        for label, far in zip(frame.label.tolist(), _apart(frame.state[:, ::2], position), strict=True):
            away.setdefault(label, []).append(bool(far))
    return sum(len(far) >= least_frames and float(np.mean(far)) > 0.5 for far in away.values())


def _apart(position_m: FloatArray, targets_m: FloatArray) -> NDArray[np.bool_]:
    distance = np.linalg.norm(position_m[:, None] - targets_m[None], axis=2)
    return np.asarray(distance.min(axis=1, initial=np.inf) > MATCH_DISTANCE_M)


def summarise(results: Sequence[Result]) -> Summary:
    """Compare the share of frames in which the weak target is known, and count what is false."""
    alone = [one["detector"]["weak_share"] for one in results]
    rows = [_level("weak target, detector alone: share of frames", "missed at times", mean_interval(alone))]
    words = {"paper": "tracker of the paper (N_ext = 2), all tracks", "patient": "N_ext = 6, confirmed 3 of 6"}
    for name, text in words.items():
        with_tracker = [one[name]["weak_share"] for one in results]
        gain = paired_interval(with_tracker, alone)
        rows.append(_level(f"weak target, {text}: share of frames", "higher", mean_interval(with_tracker)))
        rows.append(
            Row(
                quantity="  gain over the detector, trial by trial", paper="above 0", ours=gain.estimate,
                interval=gain.bounds, verdict=Verdict.of(gain.low > 0.0),
            )
        )  # fmt: skip
    false = [one["detector"]["false_per_minute"] for one in results]
    expected = P_OVERALL / FRAME_S * 60.0
    rows.append(_level("false detections per minute", f"{expected:.0f} nominal", mean_interval(false)))
    for name, text in words.items():
        rows.append(
            _level(f"false tracks per minute, {text}", "suppressed",
                   mean_interval([one[name]["false_per_minute"] for one in results]))
        )  # fmt: skip
    kept = mean_interval([one["paper"]["false_lasting_per_minute"] for one in results])
    rows.append(
        _level("false tracks per minute of the paper's tracker that live 5 frames or longer", "suppressed", kept)
    )
    return Summary(
        rows=tuple(rows),
        notes=(
            f"Known is what is within {MATCH_DISTANCE_M:g} m. Starts and velocities are drawn as in sec. IV-A.",
            "A false detection starts a track by the paper's rule, which lives for two frames: so false tracks are as "
            "many as false detections unless tracks are confirmed first.",
        ),
    )


def _level(quantity: str, paper: str, interval: Interval) -> Row:
    return Row(quantity=quantity, paper=paper, ours=interval.estimate, interval=interval.bounds)


def typical(results: Sequence[Result]) -> Result:
    """Return the run in which the detector alone sees the weak target as often as in the median run."""
    shares = np.array([one["detector"]["weak_share"] for one in results])
    return results[int(np.argmin(np.abs(shares - np.median(shares))))]


def draw(results: Sequence[Result], path: Path) -> None:
    """Save the detections and the tracks of a typical run, as range over time."""
    first = typical(results)
    time_s = FRAME_S * np.arange(FRAMES)
    truth = np.linalg.norm(np.asarray(first["truth"]), axis=2)
    with drawing(path, height_in=3.1) as figure:
        panels = figure.subplots(1, 1 + len(TRACKERS), sharex=True, sharey=True)
        for axes in panels:
            for target in range(truth.shape[1]):
                label = "weak target" if target == WEAK else "strong targets" if target == 0 else "_nolegend_"
                axes.plot(
                    time_s, truth[:, target], "-", lw=2.6, color="#f0c090" if target == WEAK else "0.82", label=label
                )
            axes.grid(True, lw=0.3, color="0.9")
            axes.set_axisbelow(True)
            axes.set_xlabel("time (s)")
        points = [(t, np.hypot(x, y)) for t, found in zip(time_s, first["detections"], strict=True) for x, y in found]
        panels[0].plot(*np.reshape(points, (-1, 2)).T, ".", ms=2.2, color=COLOURS[0], label="detection")
        missed = ~np.asarray(first["detected"])
        panels[0].plot(
            time_s[missed], truth[missed, WEAK], "o", ms=4, mfc="none", mec="red", mew=0.7, label="weak target missed"
        )
        panels[0].set(title="(a) 2D-MNOMP alone", ylabel="range (m)", ylim=(0.0, float(truth.max()) * 1.15))
        for axes, name in zip(panels[1:], TRACKERS, strict=True):
            _draw_tracks(axes, first[name]["tracks"])
        panels[1].set_title("(b) paper's tracker, all tracks")
        panels[2].set_title(r"(c) $N_\mathrm{ext}$ = 6, confirmed tracks")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _draw_tracks(axes: "Axes", frames: Sequence[Sequence[tuple[int, float, float]]]) -> None:
    """Draw each track in a colour of its own; one of a single frame is a dot."""
    paths: dict[int, list[tuple[float, float]]] = {}
    for index, frame in enumerate(frames):
        for label, x, y in frame:
            paths.setdefault(label, []).append((FRAME_S * index, float(np.hypot(x, y))))
    for index, way in enumerate(paths.values()):
        axes.plot(*np.asarray(way).T, "-" if len(way) > 1 else ".", lw=1.1, ms=2.2, color=colour(index))


EXPERIMENT: Final = Experiment(
    name="mnomp-spa-kf/fig8",
    title="A weak target at 5.2 dB beside two at 15.2 dB: the detector alone, and with the tracker",
    paper_statements=(
        "The detector alone misses the weak target at times; the tracker keeps its track, which raises the probability "
        "of detection, and suppresses false alarms (sec. IV-D).",
    ),
    default_trials=300,
    trial=trial,
    summarise=summarise,
    draw=draw,
)
"""Fig. 8, to be run again."""
