"""``isactrack validate``: checks of a recording or a profile."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option

if TYPE_CHECKING:
    from isactrack.sensor import Sensor

_Check = tuple[str, bool | None, str]

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
    from isactrack.cli._output import print_checks, print_json
    from isactrack.cli._sources import check_recording, is_recording, read_profile
    from isactrack.errors import ConfigError, IsacError, RecordingError
    from isactrack.recordings import validate_folder, validate_recording

    check_recording(path, "a recording (.h5 or the folder of one) or a radar profile (.cfg or .toml)")
    recording = is_recording(path)
    text = "" if recording else read_profile(path)
    validate = validate_folder if path.is_dir() else validate_recording
    if recording:
        sensor, checks = None, [(check.name, check.passed, check.detail) for check in validate(path)]
    elif _is_radio(text):
        sensor, checks = _check_radio(text)
    else:
        sensor, checks = _sensor(text), _check_profile(text)
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


def _is_radio(text: str) -> bool:
    """Return whether a profile is one of the bistatic radio, good or bad."""
    return re.search(r"^\s*\[\s*radio\s*\]", text, flags=re.MULTILINE) is not None


def _check_radio(text: str) -> "tuple[Sensor | None, list[_Check]]":
    """Return what a radio would run that can run it, and the one check that there is."""
    from isactrack.drivers.bistatic.control import AsRun, sensor_of
    from isactrack.drivers.bistatic.profile import parse_profile
    from isactrack.errors import ConfigError

    try:
        profile = parse_profile(text)
    except ConfigError as error:
        return None, [("profile", False, f"{error} ({error.hint})")]
    sensor = sensor_of("bistatic", AsRun(settings=profile.settings), profile.tx_position_m)
    return sensor, [("profile", True, "its tables and values go together")]


def _check_profile(text: str) -> list[_Check]:
    from isactrack.drivers.awr1642.probes import receive_buffer
    from isactrack.drivers.awr1642.profile import check_profile
    from isactrack.drivers.awr1642.receiver import RECEIVE_BUFFER_BYTES

    found = check_profile(text, receive_limit_bytes=receive_buffer(RECEIVE_BUFFER_BYTES).granted_bytes)
    return [(check.name, check.passed, check.detail) for check in found]


def _sensor(text: str) -> "Sensor | None":
    """Return the sensor of a profile, also of one that the AWR1642 cannot run; None of one that describes none."""
    from isactrack.drivers.awr1642.profile import parse_profile
    from isactrack.errors import ConfigError

    try:
        return parse_profile(text, enforce_limits=False)
    except ConfigError:
        return None


def _derived(sensor: "Sensor | None") -> dict[str, object]:
    from isactrack.cli._waveform import limits

    return {} if sensor is None else {"derived": limits(sensor)}


def _print_waveform(sensor: "Sensor | None") -> None:
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

    if _is_radio(text):
        return "correct the profile; docs/bistatic-wire.md lists its keys"
    if failed == ["receive buffer"]:
        return "the radar can run it, but this computer may lose packets; the details above say what to allow"
    try:
        parse_profile(text, enforce_limits=False)
    except ConfigError as error:
        if error.hint:
            return error.hint
    return "correct the profile; the details above name each limit"
