"""The first lines of the `isactrack` command: signals are honoured from here on, before anything else is imported."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

EXIT_INTERRUPTED = 130
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments
        Arguments without the program's name; None for those of the process.
    """
    # Matrices here are small, and several threads work already: on a busy machine a library's own threads wait for each
    # other longer than they work, four times as long in the chain of a radio. Numpy reads this when it is imported.
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    # A polite kill, or a terminal that goes away, ends a command like Ctrl-C does: files are closed first. What `nohup`
    # has set to be ignored stays so.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        from isactrack.cli._signals import held_interrupts

        with held_interrupts():
            from isactrack.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:  # during the imports, or between two lines of `run` that handle it
        sys.stderr.write("Interrupted.\n")
        code = EXIT_INTERRUPTED
    if code == EXIT_INTERRUPTED:
        # Everything is closed. A signal that came while Qt was imported may have left the interpreter's own note that
        # nobody handled it, and `sys.exit` would then die of SIGINT in place of the exit code.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
