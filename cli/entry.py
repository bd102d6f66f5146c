"""The first lines of the `isactrack` command: signals are honoured from here on, before anything else is imported."""

import signal
import sys
from collections.abc import Sequence

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    arguments
        Arguments without the program's name; None for those of the process.
    """
    # A polite kill, or a terminal that goes away, ends a command like Ctrl-C does: files are closed first. What `nohup`
    # has set to be ignored stays so.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        from isactrack.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:  # during the imports, or between two lines of `run` that handle it
        sys.stderr.write("Interrupted.\n")
        code = EXIT_INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
