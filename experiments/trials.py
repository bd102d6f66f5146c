"""Runs the trials of an experiment, in parallel processes if asked, and keeps what is done.

A trial gets a seed of its own, which depends on the seed of the run and the number of the trial alone. So the results
are the same however many processes share the work, in whatever order they finish, and whether the run was interrupted.
"""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Final

from isactrack import __version__
from isactrack.errors import ConfigError, IsacError
from isactrack.experiments.experiment import Experiment, Parameters, Result, Trial
from isactrack.experiments.results_file import ResultsFile, TrialOutcome, plain

Progress = Callable[[int], None]
"""Called with the number of trials that are done."""

_THREAD_LIMITS: Final = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of all trials.

    Attributes
    ----------
    results
        Results of the trials that succeeded, in the order of their numbers.
    failures
        Outcomes of those that did not.
    trials, resumed
        Trials asked for, and how many of them were in the file already.
    elapsed_s
        Wall clock of this run.
    """

    results: tuple[Result, ...]
    failures: tuple[TrialOutcome, ...]
    trials: int
    resumed: int
    elapsed_s: float


def trial_seed(seed: int, trial: int) -> int:
    """Return the seed of a trial: 52 bits, which every reader of JSON keeps, of numpy's hash of both numbers."""
    import numpy as np

    return int(np.random.SeedSequence([seed, trial]).generate_state(1, np.uint64)[0] >> np.uint64(12))


def limit_threads() -> None:
    """Have numerical libraries that are loaded after this, here or in new processes, use one thread each.

    Trials share the cores already, and sums of several threads would differ in their last bits.
    """
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))


def run_trials(
    experiment: Experiment,
    *,
    path: Path | None = None,
    trials: int | None = None,
    seed: int = 0,
    workers: int = 0,
    resume: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Run the trials of an experiment that are not in its file yet.

    Parameters
    ----------
    experiment
        What to run.
    path
        File of results; None keeps them in memory.
    trials
        Number of trials; None for the experiment's own. A file that holds more is not shortened, and the first count.
    seed
        Seed of the run.
    workers
        Processes; 0 and 1 run everything in this one.
    resume
        Whether to keep what the file holds.
    progress
        Called at the start and after each trial.

    Raises
    ------
    ConfigError
        If a number is out of range, or the file is of other parameters.
    RecordingError
        If the file cannot be used.
    IsacError
        If a process dies; what is done is kept.
    """
    trials = experiment.default_trials if trials is None else trials
    for name, value, least in (("trials", trials, 1), ("seed", seed, 0), ("workers", workers, 0)):
        if value < least:
            raise ConfigError(f"{name} is {value}", f"give a whole number, {least} or more")
    start_s = time.monotonic()
    outcomes: dict[int, TrialOutcome] = {}
    file = None if path is None else ResultsFile(path, _header(experiment, seed), resume)
    try:
        known = {} if file is None else file.outcomes
        outcomes |= {k: outcome for k, outcome in known.items() if k < trials and outcome.result is not None}
        resumed = len(outcomes)
        waiting = [k for k in range(trials) if k not in outcomes]
        if progress is not None:
            progress(resumed)
        run = _in_processes if min(workers, len(waiting)) > 1 else _here
        with closing(run(experiment.trial, experiment.parameters, seed, waiting, workers)) as finished:
            for outcome in finished:
                outcomes[outcome.trial] = outcome
                if file is not None:
                    file.append(outcome)
                if progress is not None:
                    progress(len(outcomes))
    finally:
        if file is not None:
            file.close()
    ordered = [outcomes[k] for k in sorted(outcomes)]
    return Run(
        results=tuple(outcome.result for outcome in ordered if outcome.result is not None),
        failures=tuple(outcome for outcome in ordered if outcome.result is None),
        trials=trials,
        resumed=resumed,
        elapsed_s=time.monotonic() - start_s,
    )


def _header(experiment: Experiment, seed: int) -> dict[str, object]:
    """Return what results depend on."""
    return {
        "experiment": experiment.name,
        "parameters": dict(experiment.parameters),
        "seed": seed,
        "version": __version__,
    }


def _run_one(trial: Trial, parameters: Parameters, number: int, seed: int) -> TrialOutcome:
    """Run one trial; whatever it raises becomes its outcome."""
    start_s = time.perf_counter()
    result, error, trace = None, "", ""
    try:
        result = plain(trial(seed, parameters))
    except Exception as raised:  # noqa: BLE001 - one trial of hundreds must not end the others
        error = " ".join(f"{type(raised).__name__}: {raised}".split())
        trace = traceback.format_exc()
    return TrialOutcome(
        trial=number, seed=seed, result=result, error=error, trace=trace, elapsed_s=time.perf_counter() - start_s
    )


def _here(
    trial: Trial, parameters: Parameters, seed: int, waiting: list[int], _workers: int
) -> Generator[TrialOutcome, None, None]:
    for number in waiting:
        yield _run_one(trial, parameters, number, trial_seed(seed, number))


def _in_processes(
    trial: Trial, parameters: Parameters, seed: int, waiting: list[int], workers: int
) -> Generator[TrialOutcome, None, None]:
    """Yield outcomes as they come. New processes are spawned, which starts them alike on every system."""
    before = set(active_children())
    with _limited_threads():
        executor = ProcessPoolExecutor(
            max_workers=min(workers, len(waiting)),
            mp_context=get_context("spawn"),
            initializer=_start_worker,
        )
        done = False
        try:
            futures = [executor.submit(_run_one, trial, parameters, k, trial_seed(seed, k)) for k in waiting]
            for future in as_completed(futures):
                yield future.result()
            done = True
        except BrokenProcessPool as error:
            raise IsacError(
                "a process that ran trials died: killed from outside, or out of memory",
                "run the same command again, with fewer --workers: it goes on with what is missing",
            ) from error
        finally:
            executor.shutdown(wait=done, cancel_futures=True)
            if not done:
                # A trial may take minutes; what it would find is not wanted any more.
                for process in set(active_children()) - before:
                    process.terminate()
                    process.join()


def _start_worker() -> None:
    """Prepare a process: Ctrl-C, which the terminal sends to all, is the first one's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the first process and end too: if that is killed, nobody says so to its workers."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _limited_threads() -> Iterator[None]:
    """Limit the threads of processes that start inside, and leave the environment as it was."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    limit_threads()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
