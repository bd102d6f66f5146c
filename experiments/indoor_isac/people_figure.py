"""Fig. 6 of indoor-multi-person-isac-26ghz: two and three people who walk in two rooms, and the errors of their tracks.

A trial takes six runs through the simulated device, two rooms times the paper's three cases, and follows the people
with the whole chain, calibration to tracks. What it is compared with sees the same blocks, and differs from it in one
thing each. One run more goes through a much worse radio, and one through a room whose walls show people once more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.acquisition.pipeline import Pipeline, default_tracker_config
from isactrack.acquisition.snapshot import Snapshot
from isactrack.detections import Detections
from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.rooms import ROOMS, Room
from isactrack.drivers.simulated.scene import make_scene
from isactrack.experiments.experiment import Experiment, Parameters, Result, Row, Summary, Verdict
from isactrack.experiments.intervals import Interval, share_interval
from isactrack.experiments.plotting import colour, drawing
from isactrack.frame import Frame
from isactrack.processing.ofdm_config import CalibrationConfig, OfdmChainConfig
from isactrack.sensor import Sensor
from isactrack.tracking import Tracker
from isactrack.tracking.metrics_clear_mot import clear_mot
from isactrack.tracking.metrics_sets import LabelledSet
from isactrack.tracks import Track
from isactrack.truth import Truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CASES: Final = {"parallel": "two, not crossing", "crossing": "two, crossing", "crossing3": "three, crossing"}
"""The paper's cases by kind of scene."""
OURS: Final = "as here"
HUNGARIAN: Final = "plain Hungarian"
DIFFERENCE: Final = "consecutive difference"
UNCALIBRATED: Final = "no calibration"
UNDOUBTING: Final = "doubts left out"
METHODS: Final = (OURS, HUNGARIAN, DIFFERENCE, UNCALIBRATED, UNDOUBTING)
"""All that see the same blocks."""

WARM_UP_S: Final = 1.0
"""Start of a run that is left out: reference and mean are found, and people stand before they set out."""
WALKS_MPS: Final = 0.2
"""Who is slower stands: before setting out, and after having arrived while others still walk."""
MATCH_DISTANCE_M: Final = 1.0
TRACKED_SHARE: Final = 0.9
MEDIAN_M: Final = 0.12
P90_M: Final = 0.20
"""What the paper's prototype reaches (sec. IV)."""
KEPT_SHARE: Final = 0.95
SHOWN_ROOM: Final = "lab"
_SHOWN_STEP: Final = 2
_RESAMPLES: Final = 2000

PARAMETERS: Final = {"impairments": "typical", "worse": "harsh", "rooms": list(ROOMS), "cases": list(CASES)}


# --- a trial ---------------------------------------------------------------------------------------------------------


def trial(seed: int, parameters: Parameters) -> Result:
    """Return what each method makes of each room and case, and what ours makes of one of them in worse conditions.

    Without calibration everything moves, which takes as long to look through as all else together: one of them, too.
    """
    scenes = [f"{room}-{case}" for room in parameters["rooms"] for case in parameters["cases"]]
    chosen = scenes[seed % len(scenes)]
    everywhere = tuple(method for method in METHODS if method != UNCALIBRATED)
    runs = {
        scene: _run(scene, seed, parameters["impairments"], METHODS if scene == chosen else everywhere)
        for scene in scenes
    }
    worse = _run(chosen, seed, parameters["worse"], (OURS,))
    mirrored = _run(chosen, seed, parameters["impairments"], (OURS,), ghosts=True)
    return {"runs": runs, "worse": worse["methods"][OURS], "mirrored": mirrored["methods"][OURS]}


def _run(scene: str, seed: int, impairments: str, methods: Sequence[str], *, ghosts: bool = False) -> Result:
    url = f"sim://bistatic?scene={scene}&seed={seed}&speed=max&impairments={impairments}&ghosts={int(ghosts)}"
    with open_device(url) as device:
        sensor = device.configure()
        followers = Followers(sensor, methods)
        last = round(make_scene(scene, seed).duration_s / sensor.frame_period_s) - 1
        device.start()
        for frame in device.frames():
            followers.push(frame, device.truth(frame))
            if frame.counter >= last:
                break
    result: Result = {"methods": {name: score(*followers.seen(name)) for name in methods}}
    if scene.startswith(f"{SHOWN_ROOM}-"):
        result["paths"] = _paths(*followers.seen(OURS))
    return result


class Followers:
    """All methods over one run; what they have in common is done once.

    Parameters
    ----------
    sensor
        The radio.
    methods
        Which of `METHODS`, ours among them.
    """

    def __init__(self, sensor: Sensor, methods: Sequence[str]) -> None:
        chains = {
            OURS: None,
            DIFFERENCE: OfdmChainConfig(clutter_filter="difference"),
            UNCALIBRATED: OfdmChainConfig(calibration=CalibrationConfig(method="off", balance_iq=False)),
        }
        plain = default_tracker_config(sensor, association="hungarian", distance_shared_m=0.0)
        trackers = {HUNGARIAN: plain, UNDOUBTING: default_tracker_config(sensor)}
        self._pipelines = {name: Pipeline(sensor, chain) for name, chain in chains.items() if name in methods}
        self._trackers = {name: Tracker(config) for name, config in trackers.items() if name in methods}
        self._tracks: dict[str, list[LabelledSet]] = {name: [] for name in methods}
        self._truth: dict[str, list[LabelledSet]] = {name: [] for name in methods}

    def push(self, frame: Frame, truth: Truth | None) -> None:
        """Take in a block."""
        for name, pipeline in self._pipelines.items():
            snapshot = pipeline.push(frame, truth)
            if snapshot is None or snapshot.truth is None:
                continue
            self._keep(name, snapshot, snapshot.tracks)
            if name == OURS:
                for other, tracker in self._trackers.items():
                    self._keep(other, snapshot, tracker.step(_as_seen_by(other, snapshot.detections)))

    def seen(self, name: str) -> tuple[list[LabelledSet], list[LabelledSet]]:
        """Return confirmed tracks and truth at each estimate of a method after the warm-up."""
        return self._tracks[name], self._truth[name]

    def _keep(self, name: str, snapshot: Snapshot, tracks: Iterable[Track]) -> None:
        if snapshot.time_s >= WARM_UP_S and snapshot.truth is not None:
            self._tracks[name].append(LabelledSet.of_tracks(tracks))
            self._truth[name].append(LabelledSet.of_truth(snapshot.truth))


def _as_seen_by(method: str, detections: Detections) -> Detections:
    return replace(detections, doubtful=None) if method == UNDOUBTING else detections


def score(tracks: list[LabelledSet], truth: list[LabelledSet]) -> Result:
    """Return the errors of one run and what else happened in it.

    Everybody is matched with tracks, as CLEAR-MOT does it; errors, misses and the share of time that somebody is
    tracked are of those who walk at the time.

    Returns
    -------
    dict
        ``error_mm`` of all matches of walkers; ``walking`` and ``standing``, points of the truth, and ``missed`` and
        ``standing_missed`` of them; ``estimates``, ``false`` track points, ``switches``; ``kept``, whether everybody
        has one and the same track in 90 % of the time of walking.
    """
    counts = clear_mot(tracks, truth, MATCH_DISTANCE_M)
    walks = [np.hypot(one.state[:, 1], one.state[:, 3]) >= WALKS_MPS for one in truth]
    found = [np.zeros(len(one.label), dtype=np.bool_) for one in truth]
    error_mm = []
    for (instant, row, _), error_m in zip(counts.pairs.tolist(), counts.error_m.tolist(), strict=True):
        found[instant][row] = True
        if walks[instant][row]:
            error_mm.append(round(1e3 * error_m))
    walking, there = np.concatenate(walks), np.concatenate(found)
    label = np.concatenate([one.label for one in truth])
    shares = [float(there[walking & (label == one)].mean()) for one in np.unique(label[walking])]
    return {
        "error_mm": error_mm,
        "walking": int(walking.sum()),
        "missed": int((walking & ~there).sum()),
        "standing": int((~walking).sum()),
        "standing_missed": int((~walking & ~there).sum()),
        "estimates": counts.frames,
        "false": counts.false_positives,
        "switches": counts.switches,
        "kept": counts.switches == 0 and min(shares, default=1.0) >= TRACKED_SHARE,
    }


def _paths(tracks: list[LabelledSet], truth: list[LabelledSet]) -> Result:
    """Return the ways of tracks and people (n, 2), m, to draw them."""
    return {"tracks": _ways(tracks[::_SHOWN_STEP]), "truth": _ways(truth[::_SHOWN_STEP])}


def _ways(sets: list[LabelledSet]) -> list[list[list[float]]]:
    ways: dict[int, list[list[float]]] = {}
    for one in sets:
        for label, (x, y) in zip(one.label.tolist(), one.points("position").tolist(), strict=True):
            ways.setdefault(label, []).append([round(x, 3), round(y, 3)])
    return list(ways.values())


# --- what all trials say ---------------------------------------------------------------------------------------------


def summarise(results: Sequence[Result]) -> Summary:
    """Compare with the paper's prototype, and with what leaves a part of the chain out."""
    scenes = list(results[0]["runs"])
    everything = _of(results, scenes, OURS)
    rows = [
        _quantile_row("all cases", everything, 0.5, MEDIAN_M),
        _quantile_row("all cases", everything, 0.9, P90_M),
        _unswitched_row("all cases", everything),
        _kept_row("all cases", everything),
        _ratio_row("all cases: walkers without a track (%)", everything, "missed", "walking", 100.0),
        _ratio_row("all cases: standing people without a track (%)", everything, "standing_missed", "standing", 100.0),
        _ratio_row("all cases: false tracks an estimate", everything, "false", "estimates", 1.0),
    ]
    for scene in scenes:
        of_scene, name = _of(results, [scene], OURS), _name(scene)
        rows += [_quantile_row(name, of_scene, 0.5, MEDIAN_M), _quantile_row(name, of_scene, 0.9, P90_M),
                 _kept_row(name, of_scene)]  # fmt: skip
    for method in METHODS[1:]:
        other = _of(results, scenes, method)
        rows += [_compared_row(method, everything, other), _numbers_row(method, other)]
    rows.append(_numbers_row("as here, impairments harsh", [[one["worse"]] for one in results]))
    rows.append(_numbers_row("as here, echoes of people by way of walls", [[one["mirrored"]] for one in results]))
    return Summary(
        rows=tuple(rows),
        notes=(
            "Simulated rooms and radio; impairments typical: sampling jitter, walk and drift, carrier offset, random "
            "phase, phase noise, I/Q images, row errors, 12 bits, gain steps, shadows (docs/scenes.md).",
            f"From {WARM_UP_S:g} s on. Errors are distances to the centres of people who walk faster than "
            f"{WALKS_MPS:g} m/s, of CLEAR-MOT matches within {MATCH_DISTANCE_M:g} m; who stands is matched too.",
            "No identity changes if nobody's track is another one from the first match to the end; all are kept "
            f"if everybody has that track for {100 * TRACKED_SHARE:.0f} % of the walk besides. Intervals: bootstrap "
            "over trials; shares exact.",
        ),
        data={
            "cdf_m": {scene: _cdf(_of(results, [scene], OURS)).tolist() for scene in scenes},
            "methods_cdf_m": {method: _cdf(_of(results, scenes, method)).tolist() for method in METHODS},
        },
    )


Runs = list[list[Result]]
"""Runs by trial."""


def _of(results: Sequence[Result], scenes: Sequence[str], method: str) -> Runs:
    runs = [[one["runs"][scene]["methods"] for scene in scenes] for one in results]
    return [[methods[method] for methods in trial_runs if method in methods] for trial_runs in runs]


def _name(scene: str) -> str:
    room, _, case = scene.partition("-")
    return f"{room}, {CASES.get(case, case)}"


def _histograms(trials: Runs) -> IntArray:
    """Return how many errors of each trial (trials, mm) are of so many millimetres."""
    size = round(1e3 * MATCH_DISTANCE_M) + 1
    counts = np.zeros((len(trials), size), dtype=np.int64)
    for row, runs in zip(counts, trials, strict=True):
        for run in runs:
            np.add.at(row, run["error_mm"], 1)
    return counts


def quantile_interval(histograms: IntArray, quantile: float, seed: int = 0) -> Interval | None:
    """Return a quantile (m) of all errors and its 95 % interval by bootstrap over trials; None without errors.

    Parameters
    ----------
    histograms
        Counts (trials, bins) of errors of so many millimetres.
    quantile
        Which quantile, 0 to 1.
    seed
        Draws the trials of each resample.
    """
    total = histograms.sum(axis=0)
    if not total.any():
        return None
    n = len(histograms)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=_RESAMPLES)
    resampled = weights @ histograms
    resampled = resampled[resampled.any(axis=1)]
    low, high = np.quantile(_quantiles(resampled, quantile), [0.025, 0.975])
    return Interval(float(_quantiles(total[None], quantile)[0]), float(low), float(high))


def _quantiles(histograms: IntArray, quantile: float) -> FloatArray:
    """Return the quantile (k,), m, of each of k histograms."""
    cumulative = np.cumsum(histograms, axis=1)
    return np.asarray(1e-3 * np.argmax(cumulative >= quantile * cumulative[:, -1:], axis=1))


def ratio_interval(trials: Runs, parts: Sequence[str], wholes: Sequence[str], seed: int = 0) -> Interval:
    """Return a share of sums over all runs and its 95 % interval by bootstrap over trials.

    Parameters
    ----------
    trials
        Results of runs by trial.
    parts, wholes
        Numbers of a run that are added up above and below the line.
    seed
        Draws the trials of each resample.
    """
    above, below = (np.array([sum(run[key] for run in runs for key in keys) for runs in trials], dtype=np.float64)
                    for keys in (parts, wholes))  # fmt: skip
    n = len(trials)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=_RESAMPLES)
    low, high = np.quantile(weights @ above / np.maximum(weights @ below, 1.0), [0.025, 0.975])
    return Interval(float(above.sum() / max(below.sum(), 1.0)), float(low), float(high))


def _cdf(trials: Runs) -> FloatArray:
    """Return which share of walkers has a track within 0, 1, 2, ... cm; who has none is never reached."""
    walking = sum(run["walking"] for runs in trials for run in runs)
    return np.asarray(np.cumsum(_histograms(trials).sum(axis=0))[::10] / max(walking, 1))


def _missed(trials: Runs) -> float:
    return ratio_interval(trials, ("missed",), ("walking",)).estimate


def _standing(trials: Runs) -> float:
    return ratio_interval(trials, ("standing_missed",), ("standing",)).estimate


def _false(trials: Runs) -> float:
    return ratio_interval(trials, ("false",), ("estimates",)).estimate


def _kept(trials: Runs) -> Interval:
    kept = [run["kept"] for runs in trials for run in runs]
    return share_interval(sum(kept), len(kept))


def _quantile_row(name: str, trials: Runs, quantile: float, paper_m: float) -> Row:
    found = quantile_interval(_histograms(trials), quantile)
    what = "median error (m)" if quantile == 0.5 else f"{100 * quantile:.0f} % of errors below (m)"
    if found is None:
        return Row(quantity=f"{name}: {what}", paper=f"< {paper_m:.2f}", ours=None, verdict=Verdict.DIFFERS)
    verdict = Verdict.of(found.estimate < paper_m)
    return Row(quantity=f"{name}: {what}", paper=f"< {paper_m:.2f}", ours=found.estimate, interval=found.bounds,
               verdict=verdict)  # fmt: skip


def _ratio_row(quantity: str, trials: Runs, part: str, whole: str, times: float) -> Row:
    found = ratio_interval(trials, (part,), (whole,))
    bounds = (times * found.low, times * found.high)
    return Row(quantity=quantity, paper="", ours=times * found.estimate, interval=bounds)


def _unswitched(trials: Runs) -> Interval:
    unswitched = [run["switches"] == 0 for runs in trials for run in runs]
    return share_interval(sum(unswitched), len(unswitched))


def _unswitched_row(name: str, trials: Runs) -> Row:
    kept = _unswitched(trials)
    return Row(
        quantity=f"{name}: runs without a change of identity (%)",
        paper="all that are shown",
        ours=100.0 * kept.estimate,
        interval=(100.0 * kept.low, 100.0 * kept.high),
        verdict=Verdict.of(kept.estimate >= KEPT_SHARE),
    )


def _kept_row(name: str, trials: Runs) -> Row:
    kept = _kept(trials)
    return Row(
        quantity=f"{name}: runs with all identities kept, each for 90 % of the walk (%)",
        paper="all that are shown",
        ours=100.0 * kept.estimate,
        interval=(100.0 * kept.low, 100.0 * kept.high),
        verdict=Verdict.of(kept.estimate >= KEPT_SHARE),
    )


def _compared_row(method: str, ours: Runs, other: Runs) -> Row:
    """Return what a method is worse at, which is what the part that it leaves out is there for."""
    if method == HUNGARIAN:
        kept = _unswitched(other)
        return Row(quantity=f"{method}: runs without a change of identity (%)", paper="fewer",
                   ours=100.0 * kept.estimate, interval=(100.0 * kept.low, 100.0 * kept.high),
                   verdict=Verdict.of(kept.high < _unswitched(ours).low))  # fmt: skip
    if method == UNCALIBRATED:
        found = quantile_interval(_histograms(other), 0.9)
        limit = quantile_interval(_histograms(ours), 0.9)
        worse = found is None or (limit is not None and found.low > limit.high)
        return Row(quantity=f"{method}: 90 % of errors below (m)", paper="more",
                   ours="no track" if found is None else found.estimate,
                   interval=None if found is None else found.bounds, verdict=Verdict.of(worse))  # fmt: skip
    if method == DIFFERENCE:
        lost = ratio_interval(other, ("missed", "standing_missed"), ("walking", "standing"))
        here = ratio_interval(ours, ("missed", "standing_missed"), ("walking", "standing"))
        return Row(quantity=f"{method}: people without a track (%)", paper="more", ours=100.0 * lost.estimate,
                   interval=(100.0 * lost.low, 100.0 * lost.high),
                   verdict=Verdict.of(lost.low > here.high))  # fmt: skip
    false = ratio_interval(other, ("false",), ("estimates",))
    return Row(quantity=f"{method}: false tracks an estimate", paper="", ours=false.estimate, interval=false.bounds)


def _numbers_row(name: str, trials: Runs) -> Row:
    histograms = _histograms(trials)
    median, p90 = (quantile_interval(histograms, quantile) for quantile in (0.5, 0.9))
    errors = "no track" if median is None or p90 is None else f"{median.estimate:.3f}, {p90.estimate:.3f} m"
    identities = f"{100.0 * _unswitched(trials).estimate:.3g}, {100.0 * _kept(trials).estimate:.3g} %"
    shares = f"{100.0 * _missed(trials):.1f}, {100.0 * _standing(trials):.1f} %"
    return Row(
        quantity=f"{name}: median, 90 %; no change, kept; walking, standing missed; false",
        paper="",
        ours=f"{errors}; {identities}; {shares}; {_false(trials):.2f}",
    )


# --- plot ------------------------------------------------------------------------------------------------------------


def draw(results: Sequence[Result], path: Path) -> None:
    """Save (a) to (c), a typical run of each case in the plan, and (d), the errors of all."""
    with drawing(path, height_in=5.9) as figure:
        grid = figure.add_gridspec(2, 1, height_ratios=[1.0, 1.0])
        above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        plans = above.subplots(1, 3, sharey=True)
        for letter, case, axes in zip("abc", CASES, plans, strict=True):
            runs = [one["runs"].get(f"{SHOWN_ROOM}-{case}") for one in results]
            run = typical([run for run in runs if run is not None])
            _draw_plan(axes, run)
            axes.set_title(f"({letter}) {CASES[case]}{_errors_text(run)}")
        plans[0].set_ylabel("y (m)")
        handles, labels = plans[-1].get_legend_handles_labels()
        above.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        cases, methods = below.subplots(1, 2, sharey=True)
        _draw_cases(cases, results)
        _draw_methods(methods, results)


def typical(runs: Sequence[Result]) -> Result | None:
    """Return the run whose median error is the median of those of all runs."""
    with_errors = [run for run in runs if run["methods"][OURS]["error_mm"]]
    order = sorted(with_errors, key=lambda run: float(np.median(run["methods"][OURS]["error_mm"])))
    return order[(len(order) - 1) // 2] if order else None


def _draw_plan(axes: "Axes", run: Result | None) -> None:
    """Draw walls, transmitter, receiver, where people walked and the tracks, in the frame of the room."""
    room = ROOMS[SHOWN_ROOM]
    corners = np.asarray([*room.corners_m, room.corners_m[0]])
    axes.plot(*corners.T, lw=2.2, color="0.6", label="wall", zorder=1)
    _draw_furniture(axes, room)
    axes.plot(room.receiver.x_m, room.receiver.y_m, "^", ms=6, color="0.15", ls="none", label="receiver", zorder=5)
    axes.plot(*room.transmitter_m, "s", ms=5, color="0.15", ls="none", label="transmitter", zorder=5)
    if run is not None:
        for index, way in enumerate(run["paths"]["truth"]):
            points = room.receiver.to_room(way)
            axes.plot(*points.T, lw=5.0, color="0.8", solid_capstyle="round", zorder=2,
                      label="truth" if index == 0 else None)  # fmt: skip
        for index, way in enumerate(run["paths"]["tracks"]):
            points = room.receiver.to_room(way)
            axes.plot(*points.T, lw=1.3, color=colour(index), zorder=3, label=f"track {index + 1}")
            axes.plot(*points[0], "o", ms=4, color=colour(index), zorder=4)
    axes.set(xlabel="x (m)", aspect="equal")


def _errors_text(run: Result | None) -> str:
    if run is None:
        return ""
    errors = 1e-3 * np.asarray(run["methods"][OURS]["error_mm"])
    return f"\nmedian {np.median(errors):.2f} m, 90 % below {np.quantile(errors, 0.9):.2f} m"


def _draw_furniture(axes: "Axes", room: Room) -> None:
    from matplotlib.patches import Rectangle

    for index, piece in enumerate(room.furniture):
        size = np.asarray(piece.size_m)
        corner = np.asarray(piece.center_m) - 0.5 * size
        label = "furniture" if index == 0 else None
        axes.add_patch(Rectangle((corner[0], corner[1]), *size, fc="0.93", ec="0.75", lw=0.6, label=label, zorder=0))


def _draw_cases(axes: "Axes", results: Sequence[Result]) -> None:
    """Draw the errors of each case and room."""
    cases = list(CASES)
    for scene in results[0]["runs"]:
        room, _, case = scene.partition("-")
        shares = _cdf(_of(results, [scene], OURS))
        axes.plot(np.arange(len(shares)), 100.0 * shares, "-" if room == SHOWN_ROOM else "--", lw=1.2,
                  color=colour(cases.index(case)), label=_name(scene))  # fmt: skip
    _finish(axes, "(d) cases and rooms")


def _draw_methods(axes: "Axes", results: Sequence[Result]) -> None:
    """Draw the errors of what the chain is compared with, over all cases."""
    scenes = list(results[0]["runs"])
    for index, method in enumerate(METHODS):
        shares = _cdf(_of(results, scenes, method))
        axes.plot(np.arange(len(shares)), 100.0 * shares, lw=1.8 if method == OURS else 1.1,
                  color=colour(index), label=method, ls="--" if method == UNDOUBTING else "-")  # fmt: skip
    _finish(axes, "(d) what is left out, all cases")
    axes.set_ylabel("")


def _finish(axes: "Axes", title: str) -> None:
    axes.plot([100.0 * MEDIAN_M, 100.0 * P90_M], [50.0, 90.0], "k+", ms=7, ls="none", label="the paper: 50 %, 90 %")
    axes.set(xlabel="error (cm)", ylabel="walkers with a track within (%)", xlim=(0.0, 50.0), ylim=(0.0, 101.0),
             title=title)  # fmt: skip
    axes.grid(True, lw=0.3, color="0.88")
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.42))


EXPERIMENT: Final = Experiment(
    name="indoor-isac/fig6",
    title="Two and three people who walk in two rooms: tracks, and their errors",
    paper_statements=(
        "The median error is below 12 cm, and 90 % of the errors are below 20 cm, in all cases (sec. IV, Fig. 6 d).",
        "Trajectories stay continuous and keep their identities, also through crossings (Fig. 6 a to c).",
    ),
    default_trials=20,
    trial=trial,
    summarise=summarise,
    draw=draw,
    parameters=PARAMETERS,
)
"""Fig. 6, to be run again."""
