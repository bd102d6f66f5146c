"""A small experiment in a file of its own, because other processes import it."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isactrack.experiments.experiment import Experiment, Parameters, Result, Row, Summary, Verdict
from isactrack.experiments.intervals import mean_interval
from isactrack.experiments.plotting import drawing


def trial(seed: int, parameters: Parameters) -> Result:
    # Not of the parameters, so that slow and quick runs share a file.
    time.sleep(float(os.environ.get("TOY_SLEEP_S", "0")))
    rng = np.random.default_rng(seed)
    if rng.random() < parameters["failing_share"]:
        raise ValueError("toy failure\nin two lines")
    return {"mean": np.mean(rng.normal(size=parameters["size"])), "none": None, "draws": rng.integers(0, 9, 3)}


def threads(seed: int, parameters: Parameters) -> Result:
    return {"threads": os.environ.get("OPENBLAS_NUM_THREADS"), "pid": os.getpid()}


def die(seed: int, parameters: Parameters) -> Result:
    os._exit(7)


def summarise(results: Sequence[Result]) -> Summary:
    estimate = mean_interval([result["mean"] for result in results])
    row = Row(
        quantity="mean",
        paper="0",
        ours=estimate.estimate,
        interval=estimate.bounds,
        verdict=Verdict.of(0.0 in estimate),
    )
    return Summary(
        rows=(row, Row(quantity="trials", paper="", ours=f"{len(results)}")),
        notes=("A toy.",),
        data={"means": [result["mean"] for result in results]},
    )


def draw(results: Sequence[Result], path: Path) -> None:
    with drawing(path, 3.5, 2.5) as figure:
        figure.add_subplot().plot([result["mean"] for result in results])


EXPERIMENT = Experiment(
    name="toy/mean",
    title="The mean of normal numbers",
    paper_statements=("The mean is 0.",),
    default_trials=8,
    trial=trial,
    summarise=summarise,
    draw=draw,
    parameters={"size": 50, "failing_share": 0.0},
)
