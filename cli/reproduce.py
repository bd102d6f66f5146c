"""``isactrack reproduce``: a paper's figures, run again."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isactrack.cli._options import add_common_options, add_json_option, options_of

if TYPE_CHECKING:
    from isactrack.experiments.experiment import Experiment, Row, Summary
    from isactrack.experiments.trials import Run

_EPILOG = """\b
Examples:
  isactrack reproduce
  isactrack reproduce mnomp-spa-kf/fig5
  isactrack reproduce mnomp-spa-kf/fig5 --trials 20 --workers 2 -o quick

An interrupted run goes on where it ended: give the same command again.
"""


@click.command("reproduce", epilog=_EPILOG)
@click.argument("name", required=False, metavar="[FIGURE]")
@click.option("--trials", type=click.IntRange(min=1), metavar="N", help="Monte Carlo trials.  [default: the figure's]")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Processes; 0 or 1 stay in this one.  [default: one for each core]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of all trials."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for trials, numbers and plot; it is created.  [default: reproduced/PAPER]",
)
@click.option(
    "--resume/--fresh", default=True, show_default=True, help="Go on with the trials in the folder, or start anew."
)
@click.option(
    "--format",
    "picture",
    type=click.Choice(["png", "pdf", "svg"]),
    default="png",
    show_default=True,
    help="Format of the plot.",
)
@add_json_option
@add_common_options
def command(
    name: str | None, trials: int | None, workers: int | None, seed: int, output: Path | None, resume: bool,
    picture: str, as_json: bool,
) -> None:  # fmt: skip
    """Run a figure of a paper again and print what the paper says beside what comes out; without a name, list all.

    Everything is simulated. Trials are kept as they finish, one line each, in FIGURE.trials.jsonl.
    """
    from isactrack.experiments.trials import limit_threads

    limit_threads()  # before numpy loads
    from isactrack.cli._output import note, print_json, progress
    from isactrack.errors import IsacError
    from isactrack.experiments.catalogue import load
    from isactrack.experiments.trials import run_trials

    if name is None:
        _list(as_json)
        return
    experiment = load(name)
    paper, _, figure = name.rpartition("/")
    folder = Path("reproduced", paper) if output is None else output
    file = folder / f"{figure}.trials.jsonl"
    count = experiment.default_trials if trials is None else trials
    try:
        with progress(name, count) as done:
            run = run_trials(
                experiment, path=file, trials=count, seed=seed, workers=_cores() if workers is None else workers,
                resume=resume, progress=done,
            )  # fmt: skip
    except KeyboardInterrupt:
        note(f"What is done is kept in {file}; the same command goes on from there (without --fresh).")
        raise
    for failure in run.failures:
        note(f"trial {failure.trial} failed, seed {failure.seed}: {failure.error}")
        if options_of(click.get_current_context()).debug:
            click.echo(failure.trace, err=True)
    if not run.results:
        raise IsacError(
            f"all {run.trials} trials of {name} failed, the first with {run.failures[0].error}",
            "run with --workers 0 --debug for the trace",
        )
    summary = experiment.summarise(run.results)
    files = [str(file)]
    numbers = _numbers(experiment, run, summary, seed)
    _write_numbers(folder / f"{figure}.json", numbers)
    files.append(str(folder / f"{figure}.json"))
    if find_spec("matplotlib") is not None:
        experiment.draw(run.results, folder / f"{figure}.{picture}")
        files.append(str(folder / f"{figure}.{picture}"))
    else:
        note("the plot is left out, because matplotlib is not installed: pip install 'isactrack[plot]'")
    if as_json:
        print_json({**numbers, "files": files})
    else:
        _print(experiment, run, summary)
        note(f"Wrote {', '.join(files)}.")
    if run.failures:
        raise IsacError(
            f"{len(run.failures)} of {run.trials} trials failed; the numbers are of the others",
            "the same command runs the failed ones again; --debug shows their traces",
        )


def _list(as_json: bool) -> None:
    from isactrack.cli._output import print_json, print_table
    from isactrack.experiments.catalogue import CATALOGUE

    if as_json:
        rows = [{"name": name, "title": entry.title} for name, entry in CATALOGUE.items()]
        print_json({"experiments": rows})
    else:
        print_table(["figure", "shows"], [(name, entry.title) for name, entry in CATALOGUE.items()])


def _numbers(experiment: "Experiment", run: "Run", summary: "Summary", seed: int) -> dict[str, Any]:
    """Return what is written and printed as JSON."""
    from isactrack import __version__

    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "version": __version__,
        "paper_statements": list(experiment.paper_statements),
        "parameters": dict(experiment.parameters),
        "seed": seed,
        "trials": run.trials,
        "resumed_trials": run.resumed,
        "failed_trials": [{"trial": f.trial, "seed": f.seed, "error": f.error} for f in run.failures],
        "elapsed_s": run.elapsed_s,
        "rows": [
            {
                "quantity": row.quantity,
                "paper": row.paper,
                "ours": row.ours,
                "interval": None if row.interval is None else list(row.interval),
                "verdict": row.verdict.value,
            }
            for row in summary.rows
        ],
        "notes": list(summary.notes),
        "data": dict(summary.data),
    }


def _write_numbers(path: Path, numbers: dict[str, Any]) -> None:
    import json

    from isactrack.cli._output import as_plain
    from isactrack.recordings.replacing import replacing

    with replacing(path) as file:
        file.write(json.dumps(as_plain(numbers), allow_nan=False, indent=1).encode() + b"\n")


def _print(experiment: "Experiment", run: "Run", summary: "Summary") -> None:
    from isactrack.cli._output import print_table

    click.echo(f"{experiment.name}: {experiment.title}")
    for statement in experiment.paper_statements:
        click.echo(f"  paper: {statement}")
    print_table(["quantity", "paper", ">here", ">95 % interval", "verdict"], [_cells(row) for row in summary.rows])
    for sentence in summary.notes:
        click.echo(f"  {sentence}")
    again = f", {run.resumed} of them from before" if run.resumed else ""
    click.echo(f"  {len(run.results)} trials{again}, {run.elapsed_s:.1f} s; simulated")


def _cells(row: "Row") -> tuple[str, ...]:
    ours = "-" if row.ours is None else row.ours if isinstance(row.ours, str) else f"{row.ours:.4g}"
    interval = "" if row.interval is None else f"{row.interval[0]:.4g} to {row.interval[1]:.4g}"
    return row.quantity, row.paper, ours, interval, row.verdict.value


def _cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
