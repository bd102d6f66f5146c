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
@click.argument("path", type=click.Path(readable=False, path_type=Path), metavar="REC|CFG")
@add_json_option
@add_common_options
def command(path: Path, as_json: bool) -> None:
    """Check a recording, or a radar profile against the limits of the AWR1642.

    Exits with 5 if a recording fails a check and with 2 if a profile does.
    """
    from isactrack.cli._output import print_checks, print_json
    from isactrack.cli._sources import check_file, is_recording, read_profile
    from isactrack.drivers.awr1642.profile import check_profile
    from isactrack.errors import ConfigError, IsacError, RecordingError
    from isactrack.recordings import validate_recording

    check_file(path, "a recording (.h5) or a radar profile (.cfg)")
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
        hint = _recording_hint(failed) if recording else _profile_hint(read_profile(path))
        raise kind(f"{path} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}", hint)


def _recording_hint(failed: list[str]) -> str:
    if "opens" in failed:
        return "copy it again from where it was recorded, or record anew"
    if failed == ["closed cleanly"]:
        return "its whole frames can be used; if it was cut in copying, copy it again"
    return "the details above say what cannot be trusted; copy it again, or record anew"


def _profile_hint(text: str) -> str:
    from isactrack.drivers.awr1642.profile import parse_profile
    from isactrack.errors import ConfigError

    try:
        parse_profile(text, enforce_limits=False)
    except ConfigError as error:
        if error.hint:
            return error.hint
    return "correct the profile; the details above name each limit"
