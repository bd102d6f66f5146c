"""What commands print: results on stdout, as a table for people or JSON for machines; everything else on stderr."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from isactrack.cli._options import options_of

SCHEMA_VERSION = 1
"""Version of the keys of every JSON object; it grows when a key changes its meaning or goes."""

_PIPE_WIDTH = 120
"""Width of tables that do not go to a terminal."""
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def print_json(data: Mapping[str, object]) -> None:
    """Print one JSON object on one line; numbers that JSON does not know become null."""
    click.echo(json.dumps(as_plain({"schema_version": SCHEMA_VERSION, **data}), allow_nan=False))


def as_plain(value: Any) -> Any:
    """Return a value as JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy's arrays and scalars, without importing numpy
        return as_plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print a table on stdout; ``>`` before a column's name aligns it to the right; cells may be rich texts."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(_visible(cell)) for cell in row))
    _stdout().print(table)


def print_facts(facts: Mapping[str, object], title: str | None = None) -> None:
    """Print names and values below each other on stdout."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, title=title, title_justify="left", pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in facts.items():
        table.add_row(name, Text(_visible(value)))
    _stdout().print(table)


def human_facts(facts: Mapping[str, object]) -> None:
    """Print what `print_json` would print for people: without what is unknown, and without underscores."""
    print_facts({name.replace("_", " "): value for name, value in facts.items() if value is not None})


def print_checks(checks: Iterable[tuple[str, bool | None, str]]) -> None:
    """Print a table of checks: name, passed (None where it does not apply) and detail."""
    words = {True: "ok", False: "FAILED", None: "-"}
    print_table(["check", "result", "detail"], [(name, words[passed], detail) for name, passed, detail in checks])


def note(text: str) -> None:
    """Write a line to stderr, unless the user asked for quiet."""
    if not options_of(click.get_current_context()).quiet:
        click.echo(text, err=True)


def shows_progress() -> bool:
    """Return whether progress is shown: somebody looks at stderr and did not ask for quiet."""
    return sys.stderr.isatty() and not options_of(click.get_current_context()).quiet


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; yield the function that takes the number of steps done."""
    if not shows_progress():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def live_line() -> Iterator[Callable[[str], None]]:
    """Show one line that changes on a terminal; yield the function that takes its text."""
    if not shows_progress():
        yield lambda _text: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
        yield lambda text: live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)


def human_share(share: float) -> str:
    """Return a share as per cent, e.g. ``0.05 %``."""
    return f"{100.0 * share:.3g} %"


def _visible(value: object) -> str:
    """Return a value as text that cannot steer the terminal: recordings hold what others typed."""
    return str(value).translate(_CONTROLS)


def _stdout() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
