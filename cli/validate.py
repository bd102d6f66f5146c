"""``isactrack validate``: checks of a recording or a profile."""

from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Examples:
  isactrack validate walk.h5
  isactrack validate walk.cfg --json
"""


@click.command("validate", epilog=_EPILOG)
@click.argument("path", type=click.Path(path_type=Path), metavar="REC|CFG")
@add_json_option
@add_common_options
def command(path: Path, as_json: bool) -> None:
    """Check a recording, or a radar profile against the limits of the AWR1642.

    Exits with 5 if a recording fails a check and with 2 if a profile does.
    """
    from isactrack.cli._output import print_checks, print_json
    from isactrack.cli._sources import is_recording, read_profile
    from isactrack.drivers.awr1642.profile import check_profile
    from isactrack.errors import ConfigError, IsacError, RecordingError
    from isactrack.recordings import validate_recording

    if not path.is_file():
        raise RecordingError(f"there is no file {path}", "give a recording (.h5) or a radar profile (.cfg)")
    recording = is_recording(path)
    found = validate_recording(path) if recording else check_profile(read_profile(path))
    checks = [(check.name, check.passed, check.detail) for check in found]
    failed = [name for name, passed, _ in checks if passed is False]
    if as_json:
        print_json({
            "path": str(path),
            "kind": "recording" if recording else "profile",
            "valid": not failed,
            "checks": [{"name": name, "passed": passed, "detail": detail} for name, passed, detail in checks],
        })  # fmt: skip
    else:
        print_checks(checks)
    if failed:
        kind: type[IsacError] = RecordingError if recording else ConfigError
        raise kind(f"{path} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}")
