"""``isactrack validate``: checks of a recording or a profile."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option

if TYPE_CHECKING:
    from isactrack.drivers.awr1642.limits import ProfileCheck
    from isactrack.fmcw import FmcwSensor

_EPILOG = """\b
Examples:
  isactrack validate walk.h5
  isactrack validate run1
  isactrack validate walk.toml
  isactrack validate walk.cfg --json
"""


@click.command("validate", epilog=_EPILOG)
@click.argument("path", type=click.Path(readable=False, path_type=Path), metavar="REC|PROFILE")
@add_json_option
@add_common_options
def command(path: Path, as_json: bool) -> None:
    """Check a recording, or a radar profile against the limits of the AWR1642, its card and this computer.

    A profile is a .cfg in the language of TI's mmw demo, or a .toml in physical units.

    Exits with 5 if a recording fails a check and with 2 if a profile does.
    """
    from isactrack.cli._output import print_checks, print_json
    from isactrack.cli._sources import check_recording, is_recording, read_profile
    from isactrack.errors import ConfigError, IsacError, RecordingError
    from isactrack.recordings import validate_folder, validate_recording

    check_recording(path, "a recording (.h5 or the folder of one) or a radar profile (.cfg or .toml)")
    recording = is_recording(path)
    text = "" if recording else read_profile(path)
    validate = validate_folder if path.is_dir() else validate_recording
    found = validate(path) if recording else _check_profile(text)
    sensor = None if recording else _sensor(text)
    checks = [(check.name, check.passed, check.detail) for check in found]
    failed = [name for name, passed, _ in checks if passed is False]
    if as_json:
        print_json({
            "path": str(path),
            "kind": "recording" if recording else "profile",
            "valid": not failed,
            "checks": [{"name": name, "passed": passed, "detail": detail} for name, passed, detail in checks],
            **_derived(sensor),
        })  # fmt: skip
    else:
        print_checks(checks)
        _print_waveform(sensor)
    if failed:
        kind: type[IsacError] = RecordingError if recording else ConfigError
        hint = _recording_hint(failed) if recording else _profile_hint(text, failed)
        raise kind(f"{path} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}", hint)


def _check_profile(text: str) -> "list[ProfileCheck]":
    from isactrack.drivers.awr1642.probes import receive_buffer
    from isactrack.drivers.awr1642.profile import check_profile
    from isactrack.drivers.awr1642.receiver import RECEIVE_BUFFER_BYTES

    return check_profile(text, receive_limit_bytes=receive_buffer(RECEIVE_BUFFER_BYTES).granted_bytes)


def _sensor(text: str) -> "FmcwSensor | None":
    """Return the sensor of a profile, also of one that the AWR1642 cannot run; None of one that describes none."""
    from isactrack.drivers.awr1642.profile import parse_profile
    from isactrack.errors import ConfigError

    try:
        return parse_profile(text, enforce_limits=False)
    except ConfigError:
        return None


def _derived(sensor: "FmcwSensor | None") -> dict[str, object]:
    from isactrack.cli._waveform import limits

    return {} if sensor is None else {"derived": limits(sensor)}


def _print_waveform(sensor: "FmcwSensor | None") -> None:
    from isactrack.cli._output import print_table
    from isactrack.cli._waveform import waveform_rows

    if sensor is not None:
        print_table(["waveform", ">value", "limit", ">value"], waveform_rows(sensor))


def _recording_hint(failed: list[str]) -> str:
    if "opens" in failed:
        return "copy it again from where it was recorded, or record anew"
    if failed == ["closed cleanly"]:
        return "its whole frames can be used; if it was cut in copying, copy it again"
    return "the details above say what cannot be trusted; copy it again, or record anew"


def _profile_hint(text: str, failed: list[str]) -> str:
    from isactrack.drivers.awr1642.profile import parse_profile
    from isactrack.errors import ConfigError

    if failed == ["receive buffer"]:
        return "the radar can run it, but this computer may lose packets; the details above say what to allow"
    try:
        parse_profile(text, enforce_limits=False)
    except ConfigError as error:
        if error.hint:
            return error.hint
    return "correct the profile; the details above name each limit"
