"""``isactrack validate``: checks of a recording or a profile."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option

if TYPE_CHECKING:
    from isactrack.sensor import Sensor

_EPILOG = """\b
Examples:
  isactrack validate walk.h5
  isactrack validate run1
  isactrack validate walk.toml
  isactrack validate walk.cfg --json
  isactrack validate radio.toml
"""


@click.command("validate", epilog=_EPILOG)
@click.argument("path", type=click.Path(readable=False, path_type=Path), metavar="REC|PROFILE")
@add_json_option
@add_common_options
def command(path: Path, as_json: bool) -> None:
    """Check a recording, a radar profile against the limits of the AWR1642, its card and this computer, or a radio's.

    A radar's profile is a .cfg in the language of TI's mmw demo, or a .toml in physical units. A .toml with a table
    [radio] is one of the bistatic radio; what a certain radio cannot do, that radio says when it is configured.

    Exits with 5 if a recording fails a check and with 2 if a profile does.
    """
    from isactrack.acquisition.profile_check import ProfileReport, check_profile
    from isactrack.cli._output import print_checks, print_json
    from isactrack.cli._sources import check_recording, is_recording, read_profile
    from isactrack.errors import ConfigError, IsacError, RecordingError
    from isactrack.recordings import validate_folder, validate_recording

    check_recording(path, "a recording (.h5 or the folder of one) or a radar profile (.cfg or .toml)")
    recording = is_recording(path)
    if recording:
        validate = validate_folder if path.is_dir() else validate_recording
        report = ProfileReport(None, tuple((check.name, check.passed, check.detail) for check in validate(path)), "")
    else:
        report = check_profile(read_profile(path))
    sensor, checks, failed = report.sensor, report.checks, report.failed
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
        hint = _recording_hint(failed) if recording else report.hint
        raise kind(f"{path} fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}", hint)


def _derived(sensor: "Sensor | None") -> dict[str, object]:
    from isactrack.acquisition.waveform_rows import limits

    return {} if sensor is None else {"derived": limits(sensor)}


def _print_waveform(sensor: "Sensor | None") -> None:
    from isactrack.acquisition.waveform_rows import waveform_rows
    from isactrack.cli._output import print_table

    if sensor is not None:
        print_table(["waveform", ">value", "limit", ">value"], waveform_rows(sensor))


def _recording_hint(failed: list[str]) -> str:
    if "opens" in failed:
        return "copy it again from where it was recorded, or record anew"
    if failed == ["closed cleanly"]:
        return "its whole frames can be used; if it was cut in copying, copy it again"
    return "the details above say what cannot be trusted; copy it again, or record anew"
