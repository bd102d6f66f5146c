"""``isactrack info``: what a recording holds."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isactrack.cli._options import add_common_options, add_json_option

if TYPE_CHECKING:
    from isactrack.recordings import Recording

_EPILOG = """\b
Examples:
  isactrack info walk.h5 --json
  isactrack info run1
"""


@click.command("info", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@add_json_option
@add_common_options
def command(recording: Path, as_json: bool) -> None:
    """Show what a recording holds: device, waveform, limits of the axes, losses, events."""
    from isactrack.cli._output import print_json
    from isactrack.cli._sources import check_recording
    from isactrack.recordings import RecordingFolder, open_recording
    from isactrack.recordings.manifest import MANIFEST

    check_recording(recording)
    if (recording / MANIFEST).is_file():
        from isactrack.cli._folder import folder_facts, print_folder

        with RecordingFolder(recording) as folder:
            if as_json:
                print_json(folder_facts(folder))
            else:
                print_folder(folder)
        return
    with open_recording(recording) as opened:
        if as_json:
            print_json(_facts(opened))
        else:
            _print(opened)


def _facts(opened: "Recording") -> dict[str, object]:
    from isactrack.acquisition.waveform_rows import limits
    from isactrack.cli._blocks import block_flags
    from isactrack.recordings.schema import kind_of

    header, sensor = opened.header, opened.sensor
    return {
        "path": str(opened.path),
        "source": opened.source,
        "origin": opened.origin,
        "created_utc": opened.created_utc,
        "uuid": opened.uuid,
        "recording_schema_version": opened.schema_version,
        "package_version": opened.package_version,
        "repaired_from": opened.repaired_from or None,
        "stream": header.stream,
        "device_url": header.device_url,
        "device_model": header.device_model,
        "serial_number": header.serial_number,
        "firmware": header.firmware,
        "note": header.note,
        "profile_text": header.profile_text,
        "pose": {name: getattr(opened.pose, name) for name in ("x_m", "y_m", "z_m", "yaw_rad")},
        "sensor_kind": kind_of(sensor),
        "sensor": {field.name: getattr(sensor, field.name) for field in fields(sensor)},
        "derived": limits(sensor),
        "block_flags": block_flags(opened),
        "frames": len(opened),
        "duration_s": opened.duration_s,
        "closed_cleanly": opened.closed_cleanly,
        "stop_reason": opened.stop_reason,
        "missing_frames": opened.missing_frames,
        "incomplete_frames": opened.incomplete_frames,
        "lost_bytes": opened.lost_bytes,
        "lost_share": opened.lost_share,
        "holes": _holes(opened),
        "missing_runs": opened.losses.size - _holes(opened),
        "file_bytes": opened.file_bytes,
        "compression": opened.compression,
        "compression_ratio": opened.compression_ratio(),
        "events": [asdict(event) for event in opened.events],
        "side_packets": opened.side_packet_count,
        "truth_targets": _targets(opened),
    }


def _print(opened: "Recording") -> None:
    from isactrack.acquisition.waveform_rows import waveform_rows
    from isactrack.cli._blocks import flags_text
    from isactrack.cli._output import human_share, print_facts, print_table
    from isactrack.units import bytes_text

    header, sensor = opened.header, opened.sensor
    source = opened.source if opened.source is opened.origin else f"{opened.source} of {opened.origin}"
    device = " ".join(filter(None, (header.device_model, header.serial_number, header.firmware)))
    survived = "all whole frames can be read" if len(opened) else "no whole frame survived"
    ending = opened.stop_reason if opened.closed_cleanly else f"was not closed; {survived}"
    facts: dict[str, object] = {
        "file": opened.path,
        "source": source,
        "device": f"{device} ({header.device_url})",
        "recorded": f"{opened.created_utc} by isactrack {opened.package_version}",
        "repaired from": opened.repaired_from,
        "stream": header.stream,
        "note": header.note or "-",
        "ended": ending,
        "frames": f"{len(opened)} in {opened.duration_s:.2f} s, {bytes_text(sensor.frame_bytes)} each",
        "lost": f"{human_share(opened.lost_share)}: {opened.missing_frames} frames missing, "
        f"{opened.incomplete_frames} incomplete, {bytes_text(opened.lost_bytes)}",
        "losses": _losses_text(opened),
        "blocks": flags_text(opened),
        "on disk": _disk_text(opened),
        "side packets": opened.side_packet_count or "-",
        "truth": f"{_targets(opened)} targets" if _targets(opened) else "-",
    }
    print_facts({name: value for name, value in facts.items() if value != ""})
    print_table(["waveform", ">value", "limit", ">value"], waveform_rows(sensor))
    if opened.events:
        print_table([">at frame", "UTC", "event", "what happened"], _event_rows(opened))


def _losses_text(opened: "Recording") -> str:
    if opened.schema_version == 1:
        return "not listed in schema version 1"
    return f"{_holes(opened)} holes, {opened.losses.size - _holes(opened)} runs of missing frames"


def _holes(opened: "Recording") -> int:
    return int((opened.losses["missing_frames"] == 0).sum())


def _disk_text(opened: "Recording") -> str:
    from isactrack.units import bytes_text

    ratio = opened.compression_ratio()
    shrunk = "" if ratio is None else f", ratio {ratio:.2f}"
    return f"{bytes_text(opened.file_bytes)}; compression: {opened.compression}{shrunk}"


def _event_rows(opened: "Recording") -> list[tuple[int, str, str, str]]:
    from datetime import UTC, datetime

    return [
        (row, datetime.fromtimestamp(event.host_utc_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3], event.kind, event.text)
        for row, event in zip(opened.event_frame_rows.tolist(), opened.events, strict=True)
    ]


def _targets(opened: "Recording") -> int:
    truths = (opened.truth(index) for index in range(len(opened)))
    return len({int(target) for truth in truths if truth is not None for target in truth.target_id})
