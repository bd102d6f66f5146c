"""Options that every command knows, and the kinds of values that several take."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Options:
    """What the common options ask for.

    Attributes
    ----------
    verbosity
        Added by ``-v``: 1 logs what happens, 2 logs everything.
    quiet
        No progress and no messages, only results and errors.
    debug
        Show the stack trace of errors.
    """

    verbosity: int = 0
    quiet: bool = False
    debug: bool = False


def _verbose(ctx: click.Context, _parameter: click.Parameter, count: int) -> None:
    if count:
        from isactrack.cli._logging import log_to_stderr

        options = options_of(ctx)
        options.verbosity += count
        log_to_stderr(ctx, options.verbosity)


def _quiet(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    options_of(ctx).quiet |= value


def _debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    options_of(ctx).debug |= value


def options_of(ctx: click.Context) -> Options:
    """Return the common options of this run."""
    return ctx.ensure_object(Options)


def add_common_options(function: _Command) -> _Command:
    """Add ``-v``, ``-q`` and ``--debug``; they work before and after the subcommand."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, callback=_debug, help="Show the trace of errors."),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_quiet, help="No progress, no notes."),
        click.option(
            "-v", "--verbose", count=True, expose_value=False, callback=_verbose, help="Log more; -vv logs everything."
        ),
    ):
        function = option(function)
    return function


def add_json_option(function: _Command) -> _Command:
    """Add ``--json``, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")(function)


def add_profile_option(function: _Command) -> _Command:
    """Add ``-c``, the profile for the radar, passed as `profile`."""
    return click.option(
        "-c",
        "--config",
        "profile",
        type=click.Path(readable=False, path_type=Path),
        metavar="CFG",
        help="Profile for the radar, .cfg or .toml; its default if left out.",
    )(function)


_DURATION_UNITS_S = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Return the seconds of a time such as ``60s``, ``500ms``, ``5min`` or ``1h``; a bare number counts seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|min|m|h|)\s*", text)
    if match is None or float(match[1]) <= 0.0:
        raise click.BadParameter(f"{text!r} is not a positive time such as 60s, 500ms, 5min or 1h")
    return float(match[1]) * _DURATION_UNITS_S[match[2]]


_SIZE_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4,
               "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``500MB``, ``1.5 GB`` or ``2GiB``; a bare number counts bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)\s*", text)
    unit = None if match is None else _SIZE_UNITS.get(match[2].lower())
    if match is None or unit is None or float(match[1]) * unit < 1.0:
        raise click.BadParameter(f"{text!r} is not a positive size such as 500MB or 1GB")
    return round(float(match[1]) * unit)


def parse_share(text: str) -> float:
    """Return the share (0 to 1) of a text such as ``0.1%``, or 0.001 as a bare number."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", text)
    share = -1.0 if match is None else float(match[1]) * (0.01 if match[2] else 1.0)
    if not 0.0 <= share <= 1.0:
        raise click.BadParameter(f"{text!r} is not a share such as 0.1% (or 0.001)")
    return share


def parse_speed(text: str) -> float:
    """Return a positive factor of real time, infinity for ``max``."""
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not (speed > 0.0 and math.isfinite(speed)):
        raise click.BadParameter(f"{text!r} is neither a positive factor of real time nor 'max'")
    return speed
