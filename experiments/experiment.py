"""What an experiment is: trials that can be run apart from each other, and what is said and drawn of their results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Parameters = Mapping[str, Any]
"""Settings of an experiment, plain JSON types: what they are is written into the file of results."""

Result = dict[str, Any]
"""What one trial found, plain JSON types (numpy's numbers and arrays become numbers and lists; NaN is refused)."""


class Verdict(StrEnum):
    """Whether what was found is what the paper says."""

    AGREES = "agrees"
    DIFFERS = "differs"
    OPEN = "open"

    @classmethod
    def of(cls, agrees: bool) -> "Verdict":
        """Return `AGREES` or `DIFFERS`."""
        return cls.AGREES if agrees else cls.DIFFERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity, the paper's statement of it beside ours.

    Attributes
    ----------
    quantity
        What it is, with its unit.
    paper
        What the paper says, in words or numbers; empty where it says nothing.
    ours
        What the trials say.
    interval
        95 % interval of `ours`, None where there is none.
    verdict
        Whether both agree; `OPEN` where there is nothing to agree with.
    """

    quantity: str
    paper: str
    ours: float | str | None
    interval: tuple[float, float] | None = None
    verdict: Verdict = Verdict.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What all trials together say.

    Attributes
    ----------
    rows
        Quantities, in the order in which they are printed.
    notes
        Sentences below the table: choices that the paper leaves open, and how they were made.
    data
        Further numbers for the JSON file, such as the curves of a figure; plain JSON types.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


Trial = Callable[[int, Parameters], Result]
"""Runs one trial from its seed and the parameters: a function of a module, so that another process can import it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A figure or table of a paper, to be run again.

    Attributes
    ----------
    name
        Name in the catalogue, ``paper/figure``.
    title
        What it shows, one line.
    paper_statements
        What the paper says of it, one sentence each.
    default_trials
        Number of trials unless the user asks for another; usually the paper's.
    trial
        ``trial(seed, parameters)`` runs one trial.
    summarise
        ``summarise(results)`` compares; it gets the results of the trials that succeeded, at least one, in order.
    draw
        ``draw(results, path)`` saves the plot; the suffix of the path says the format.
    parameters
        Settings that every trial gets.
    """

    name: str
    title: str
    paper_statements: tuple[str, ...]
    default_trials: int
    trial: Trial
    summarise: Callable[[Sequence[Result]], Summary]
    draw: Callable[[Sequence[Result], Path], None]
    parameters: Parameters = field(default_factory=dict)
