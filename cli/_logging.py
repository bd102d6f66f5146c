"""The log of isactrack on stderr, for ``-v``."""

import logging
import sys

import click

_LOGGER = logging.getLogger("isactrack")


class _StderrHandler(logging.Handler):
    """Writes to what stderr is at the moment: a progress line that is being shown puts itself in between."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        sys.stderr.write(self.format(record) + "\n")


def log_to_stderr(ctx: click.Context, verbosity: int) -> None:
    """Log isactrack, and no other package, until the command has ended: INFO, and from verbosity 2 on DEBUG.

    Without it Python itself writes warnings to stderr.
    """
    _LOGGER.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    if any(isinstance(handler, _StderrHandler) for handler in _LOGGER.handlers):
        return
    handler = _StderrHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    _LOGGER.addHandler(handler)

    def end() -> None:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(logging.NOTSET)

    ctx.find_root().call_on_close(end)
