"""``isactrack repair``: save what is whole of a damaged recording."""

from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Examples:
  isactrack repair walk.h5
  isactrack repair walk.h5 -o whole.h5 --json
"""


@click.command("repair", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="Recording to make; must not exist.  [default: REC-repaired.h5]",
)  # fmt: skip
@add_json_option
@add_common_options
def command(recording: Path, output: Path | None, as_json: bool) -> None:
    """Copy what is whole of a recording that was cut, damaged or never closed.

    The copy passes `isactrack validate`, but for what was lost. The original is not touched, and one without damage is
    not copied. A folder is repaired in its place: what is replaced or left out is moved to .originals in it.
    """
    from isactrack.cli._output import human_facts, note, print_json
    from isactrack.cli._sources import check_recording
    from isactrack.recordings import repair_recording

    check_recording(recording)
    if recording.is_dir():
        _repair_folder(recording, output, as_json)
        return
    report = repair_recording(recording, output)
    if report.output is None:
        note(f"{recording} has nothing to repair; no copy was made")
    facts: dict[str, object] = {
        "path": str(report.path),
        "output": None if report.output is None else str(report.output),
        "repaired": report.output is not None,
        "frames": report.frames,
        "damaged_frames": report.damaged_frames,
        "unordered_frames": report.unordered_frames,
        "events": report.events,
        "damaged_events": report.damaged_events,
        "side_packets": report.side_packets,
        "damaged_side_packets": report.damaged_side_packets,
    }
    if as_json:
        print_json({**facts, "failed_checks": report.reasons})
    else:
        human_facts({**facts, "failed_checks": ", ".join(report.reasons) or None})


def _repair_folder(folder: Path, output: Path | None, as_json: bool) -> None:
    from isactrack.cli._output import note, print_facts, print_json
    from isactrack.errors import ConfigError
    from isactrack.recordings import repair_folder

    if output is not None:
        raise ConfigError("a folder is repaired in its place", "leave --output out")
    report = repair_folder(folder)
    if not report.actions:
        note(f"{folder} has nothing to repair")
    if as_json:
        print_json({
            "path": str(report.path),
            "repaired": bool(report.actions),
            "actions": report.actions,
            "repaired_segments": [str(one.path) for one in report.repaired],
            "frames": report.frames,
        })  # fmt: skip
        return
    for action in report.actions:
        print_facts({"done": action})
    print_facts({f"frames of {name}": frames for name, frames in report.frames.items()})
