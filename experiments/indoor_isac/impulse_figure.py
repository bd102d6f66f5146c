"""Fig. 5 of indoor-multi-person-isac-26ghz: the impulse response before and after what stands still is taken off.

A trial looks through the simulated device at two rooms in which two people walk, and at the same rooms while they are
empty: there nothing but noise should be left.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.registry import open_device
from isactrack.drivers.simulated.rooms import ROOMS, Room
from isactrack.errors import IsacError
from isactrack.experiments.experiment import Experiment, Parameters, Result, Row, Summary, Verdict
from isactrack.experiments.intervals import Interval, mean_interval
from isactrack.experiments.plotting import colour, drawing
from isactrack.frame import BlockInfo, Frame
from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import paths_of
from isactrack.processing.channel import CalibrationStatus
from isactrack.processing.impulse_response import impulse_response
from isactrack.processing.mti import MeanFilter
from isactrack.processing.ofdm_config import CalibrationConfig
from isactrack.processing.reference_path import make_calibration
from isactrack.sensor import require_ofdm
from isactrack.truth import Truth
from isactrack.units import SPEED_OF_LIGHT_MPS, db_to_power, power_to_db

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

MEAN_BLOCKS: Final = 50
"""K of the paper."""
WINDOW_BLOCKS: Final = 25
END_S: Final = 3.0
"""By then everybody walks, and nobody has crossed yet."""
SHOWN_M: Final = 22.0
BODY_M: Final = 0.6
"""Half of the path length in which a body, as wide as the resolution makes it, may have its peak."""
FREE_M: Final = 1.5
"""Path lengths farther than this from those by way of people show what is left of what stands still."""

PARAMETERS: Final = {"rooms": list(ROOMS), "impairments": "typical"}


# --- a trial ---------------------------------------------------------------------------------------------------------


def trial(seed: int, parameters: Parameters) -> Result:
    """Return impulse responses of each room with people, and how much is left of each without."""
    impairments = parameters["impairments"]
    return {
        room: {
            "people": _responses(f"{room}-crossing", seed, impairments),
            "empty": _responses(f"{room}-empty", seed, impairments),
        }
        for room in parameters["rooms"]
    }


def _responses(scene: str, seed: int, impairments: str) -> Result:
    """Return powers by path length, dB over the direct path before, in the mean over rows and the last blocks."""
    with open_device(f"sim://bistatic?scene={scene}&seed={seed}&speed=max&impairments={impairments}") as device:
        sensor = require_ofdm(device.configure())
        chain = _UpToClutter(sensor)
        device.start()
        for frame in device.frames():
            chain.push(frame)
            if frame.device_time_s >= END_S:
                break
        truth = device.truth(frame)
    if truth is None or len(chain.still) < WINDOW_BLOCKS:
        raise IsacError(f"no window of {scene} after {END_S:g} s", "look at the calibration of this scene")
    still, moving = np.stack(chain.still[-WINDOW_BLOCKS:]), np.stack(chain.moving[-WINDOW_BLOCKS:])
    delay_s, before = impulse_response(still.reshape(-1, sensor.n_tones), sensor)
    _, after = impulse_response(moving.reshape(-1, sensor.n_tones), sensor)
    return _measured(
        sensor, truth, delay_s * SPEED_OF_LIGHT_MPS, before.mean(axis=0), after.mean(axis=0), chain.noise_power
    )


class _UpToClutter:
    """Calibration and clutter filter of the chain, whose inputs and outputs are kept."""

    def __init__(self, sensor: OfdmSensor) -> None:
        self._sensor = sensor
        self._calibrate = make_calibration(sensor, CalibrationConfig())
        self._clutter = MeanFilter(MEAN_BLOCKS)
        self.still: list[ComplexArray] = []
        self.moving: list[ComplexArray] = []
        self.noise_power = 0.0

    def push(self, frame: Frame) -> None:
        """Take in a block; those that cannot be trusted are left out."""
        sensor, info = self._sensor, frame.block or BlockInfo()
        csi = sensor.decode(frame)[0]
        time_s = frame.device_time_s + sensor.stagger_of(frame.counter)
        channel, found = self._calibrate(csi, frame.counter, time_s, info.noise_power, info.gain_db)
        if found.status is not CalibrationStatus.LOCKED:
            return
        moving = self._clutter.push(channel)
        if moving is not None:
            self.still.append(channel)
            self.moving.append(moving)
            level_db = info.gain_db + found.gain_db
            self.noise_power = info.noise_power * sensor.csi_scale**2 * float(db_to_power(-level_db))


def _measured(
    sensor: OfdmSensor, truth: Truth, path_m: FloatArray, before: FloatArray, after: FloatArray, noise_power: float
) -> Result:
    """Return curves and numbers, dB over the direct path."""
    window = np.hanning(sensor.n_tones + 2)[1:-1]
    floor = noise_power * (1.0 + 1.0 / MEAN_BLOCKS) * float(np.sum(window**2) / np.sum(window) ** 2)
    direct = int(np.argmin(np.abs(path_m - sensor.direct_path_m)))
    reference = before[direct]
    people, _ = paths_of(truth.position_m, np.asarray(sensor.tx_position_m))
    shown = path_m <= SHOWN_M
    away = np.min(np.abs(path_m[:, None] - people), axis=1, initial=np.inf) > FREE_M
    free = shown & away & (path_m >= sensor.direct_path_m - 1.0)
    return {
        "path_m": np.round(path_m[shown], 3).tolist(),
        "before_db": np.round(power_to_db(before[shown] / reference), 2).tolist(),
        "after_db": np.round(power_to_db(after[shown] / reference), 2).tolist(),
        "floor_db": float(power_to_db(floor / reference)),
        "people_m": people.tolist(),
        "direct_m": sensor.direct_path_m,
        "direct_down_db": float(power_to_db(before[direct] / after[direct])),
        "still_down_db": float(power_to_db(before[free].sum() / after[free].sum())),
        "over_floor_db": float(power_to_db(after[free].mean() / floor)),
        "person_before_db": [_peak_over(before, free, path_m, one) for one in people.tolist()],
        "person_after_db": [_peak_over(after, free, path_m, one) for one in people.tolist()],
    }


def _peak_over(power: FloatArray, free: NDArray[np.bool_], path_m: FloatArray, person_m: float) -> float:
    """Return by how much (dB) the strongest response at a person is over the strongest that is nobody's."""
    near = np.abs(path_m - person_m) <= BODY_M
    return float(power_to_db(power[near].max() / power[free].max()))


# --- what all trials say ---------------------------------------------------------------------------------------------


def summarise(results: Sequence[Result]) -> Summary:
    """Say how much is left of what stands still, and how people stand out of that before and after."""
    rows: list[Row] = []
    for room in results[0]:
        people, empty = [one[room]["people"] for one in results], [one[room]["empty"] for one in results]
        rows += [
            _row(f"{room}, empty: direct path down by (dB)", "", [one["direct_down_db"] for one in empty]),
            _row(f"{room}, empty: all that stands still down by (dB)", "", [one["still_down_db"] for one in empty]),
            _row(f"{room}, empty: left over the thermal floor (dB)", "", [one["over_floor_db"] for one in empty]),
            _row(f"{room}, two walk: direct path down by (dB)", "suppressed", [one["direct_down_db"] for one in people],
                 least=20.0),
            _row(f"{room}, two walk: a person over the strongest still echo before (dB)", "hidden",
                 [value for one in people for value in one["person_before_db"]], most=0.0),
            _row(f"{room}, two walk: a person over the strongest that is left after (dB)", "clearly preserved",
                 [value for one in people for value in one["person_after_db"]], least=0.0),
        ]  # fmt: skip
    return Summary(
        rows=tuple(rows),
        notes=(
            f"Mean of {MEAN_BLOCKS} blocks taken off, impairments typical, Hann window, mean over 8 rows and "
            f"{WINDOW_BLOCKS} blocks. The paper's words are those of sec. IV; it prints no numbers.",
            "With people, what is left where nobody is are walls and furniture that they shadow, and the "
            f"mean that holds their echoes of the last 0.2 s; {FREE_M:g} m of path about each person do not count.",
        ),
    )


def _row(
    quantity: str, paper: str, values: Sequence[float], *, least: float | None = None, most: float | None = None
) -> Row:
    found: Interval = mean_interval(values)
    verdict = Verdict.OPEN
    if least is not None or most is not None:
        verdict = Verdict.of((least is None or found.estimate >= least) and (most is None or found.estimate <= most))
    bounds = found.bounds if len(values) > 1 else None
    return Row(quantity=quantity, paper=paper, ours=found.estimate, interval=bounds, verdict=verdict)


# --- plot ------------------------------------------------------------------------------------------------------------


def draw(results: Sequence[Result], path: Path) -> None:
    """Save a panel for each room, of the first trial."""
    rooms = list(results[0])
    with drawing(path, height_in=2.9) as figure:
        panels = np.ravel(figure.subplots(1, len(rooms), sharey=True, squeeze=False))
        for room, axes in zip(rooms, panels, strict=True):
            _draw_room(axes, results[0][room]["people"], ROOMS.get(room))
            axes.set_title(f"{room}: two people walk")
        panels[0].set_ylabel("power over the direct path (dB)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def _draw_room(axes: "Axes", one: Result, room: Room | None) -> None:
    path_m = np.asarray(one["path_m"])
    for wall_m in wall_paths(room) if room is not None else []:
        axes.axvline(wall_m, lw=0.7, ls=":", color="0.55", zorder=0)
    for person_m in one["people_m"]:
        axes.axvspan(person_m - 0.3, person_m + 0.3, color=colour(2), alpha=0.18, lw=0, zorder=0)
    axes.plot(path_m, one["before_db"], lw=1.2, color="0.45", label="before")
    axes.plot(path_m, one["after_db"], lw=1.3, color=colour(0), label="after")
    axes.axhline(one["floor_db"], lw=0.9, ls="--", color=colour(1), label="thermal floor after")
    axes.axvspan(np.nan, np.nan, color=colour(2), alpha=0.18, lw=0, label="person")
    axes.plot([], [], lw=0.7, ls=":", color="0.55", label="mirror of a wall")
    axes.annotate(
        "direct path", (one["direct_m"], 0.0), xytext=(-9, -2), textcoords="offset points", fontsize=6.5, ha="right"
    )
    axes.set(xlabel="path from transmitter to receiver (m)", xlim=(path_m[0], path_m[-1]),
             ylim=(one["floor_db"] - 8.0, 5.0))  # fmt: skip
    axes.grid(True, lw=0.3, color="0.9")


def wall_paths(room: Room) -> list[float]:
    """Return the lengths (m) of the paths by way of the mirrors of a room's walls."""
    receiver = np.array([room.receiver.x_m, room.receiver.y_m])
    lengths = []
    for begin, end in room.walls_m:
        along = (end - begin) / np.linalg.norm(end - begin)
        normal = np.array([-along[1], along[0]])
        image = np.asarray(room.transmitter_m) - 2.0 * float((room.transmitter_m - begin) @ normal) * normal
        lengths.append(float(np.linalg.norm(image - receiver)))
    return lengths


EXPERIMENT: Final = Experiment(
    name="indoor-isac/fig5",
    title="Impulse response before and after the modified MTI",
    paper_statements=(
        "Before, strong reflections of walls and furniture dominate the echoes of people (sec. IV, Fig. 5).",
        "After, what stands still is effectively suppressed and the echoes of people are clearly preserved.",
    ),
    default_trials=10,
    trial=trial,
    summarise=summarise,
    draw=draw,
    parameters=PARAMETERS,
)
"""Fig. 5, to be run again."""
