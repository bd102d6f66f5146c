"""The `isactrack` command: finds the subcommand, and turns errors into one line, a hint and an exit code."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

import click

from isactrack.cli._options import Options, add_common_options
from isactrack.cli._signals import held_interrupts
from isactrack.cli.entry import EXIT_INTERRUPTED
from isactrack.errors import IsacError, RecordingError

EXIT_UNEXPECTED = 1
_DISK_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT}
_PATH_ERRORS = {errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS}

# Help texts stand here so that `--help` imports no command, and with it neither h5py nor scipy.
COMMANDS = {
    "demo": "Run a simulated crossing in real time: recording, tracks, picture.",
    "devices": "List the devices that can be opened.",
    "doctor": "Find what keeps this computer and its hardware from capturing.",
    "card": "Look after the DCA1000 capture card.",
    "record": "Record a device to a file.",
    "session": "Record several devices together, as a session file says.",
    "replay": "Play a recording back at its own pace.",
    "process": "Detect targets in a recording.",
    "track": "Track targets through a recording.",
    "evaluate": "Score tracks against the truth in a recording.",
    "reproduce": "Run a paper's figures again.",
    "view": "Watch a device or a recording.",
    "info": "Show what a recording holds.",
    "validate": "Check a recording or a radar profile.",
    "repair": "Save what is whole of a damaged recording.",
    "export": "Write a recording for other programs.",
    "import": "Turn captured samples of other tools into a recording.",
}
_MODULES = {"import": "import_"}

_EPILOG = """\
Devices are named by URL: awr1642://auto, sim://awr1642?scene=crossing, file://run.h5?speed=2.

Exit codes: 0 ok, 1 unexpected error, 2 wrong usage or invalid configuration, 3 device not found or no answer, 4 more
was lost than --max-loss allows, 5 file unreadable or invalid, 130 interrupted.
"""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of a first day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        with held_interrupts():
            module = import_module(f"isactrack.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments ask for, suggesting one if a name is mistyped."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            close = get_close_matches(name, COMMANDS, n=1)
            suggestion = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{suggestion}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from isactrack import __version__

        click.echo(f"isactrack {__version__}")
        ctx.exit()


@click.command(
    cls=LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@add_common_options
def root() -> None:
    """From a mmWave radar on the bench to named tracks on the screen and in a file.

    Without hardware, start with:  isactrack demo -o demo
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        Arguments without the program's name; None for those of the process.
    """
    _replace_missing_streams()
    options = Options()
    try:
        result = root.main(
            args=None if arguments is None else list(arguments),
            prog_name="isactrack", standalone_mode=False, obj=options,
        )  # fmt: skip
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_output()  # its reader has left (`isactrack ... | head`)
        return EXIT_UNEXPECTED
    except IsacError as error:
        _say(f"Error: {error}", error.hint)
        _show_trace(options, error)
        return error.exit_code
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            _discard_output()
            _say(f"Error: cannot write the output: {error.strerror}", "free some space, or write elsewhere")
        elif error.errno in _PATH_ERRORS and error.filename is not None:
            _say(f"Error: cannot use {error.filename}: {error.strerror}", "check the name and the permissions")
        else:
            return _unexpected(options, error)
        _show_trace(options, error)
        return RecordingError.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line instead of a stack trace
        if _was_interrupted(error):
            _say("Interrupted.")
            return EXIT_INTERRUPTED
        return _unexpected(options, error)
    # Without standalone mode click returns the code of `--help` and the like, and the value of the command.
    return result if isinstance(result, int) else 0


def _replace_missing_streams() -> None:
    """Give the process streams where it was started without (`>&-`): libraries expect them."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for the whole run


def _discard_output() -> None:
    """Keep Python from complaining at exit about what it cannot write to stdout."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _was_interrupted(error: BaseException) -> bool:
    """Tell whether an error was made of a KeyboardInterrupt: compiled modules raise an ImportError from it."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, KeyboardInterrupt):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False


def _unexpected(options: Options, error: Exception) -> int:
    _say(
        f"Unexpected error: {type(error).__name__}: {error}",
        "" if options.debug else "run with --debug for the trace",
    )
    _show_trace(options, error)
    return EXIT_UNEXPECTED


def _say(message: str, hint: str = "") -> None:
    """Write an error and its hint to stderr; both stay one line each."""
    click.echo(" ".join(message.split("\n")), err=True)
    if hint:
        click.echo(f"  -> {hint}", err=True)


def _show_trace(options: Options, error: BaseException) -> None:
    if options.debug:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
