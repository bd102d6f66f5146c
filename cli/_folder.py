"""What `isactrack info` shows of a recording that is a folder."""

import math
from dataclasses import asdict
from typing import Any

from isactrack.cli._blocks import block_flags, flags_text
from isactrack.cli._capture import offset_text
from isactrack.cli._output import human_share, print_facts, print_table
from isactrack.recordings import ClockEstimate, RecordingFolder, StreamRecording
from isactrack.units import bytes_text


def folder_facts(folder: RecordingFolder) -> dict[str, object]:
    """Return what a folder holds for `print_json`."""
    manifest = folder.manifest
    return {
        "path": str(folder.path),
        "uuid": manifest.uuid,
        "created_utc": manifest.created_utc,
        "package_version": manifest.package_version,
        "name": manifest.name,
        "note": manifest.note,
        "session_text": manifest.session_text,
        "facts": manifest.facts,
        "streams": [_stream_facts(folder, name) for name in folder.streams],
        "offsets": [asdict(offset) for offset in folder.offsets()],
    }


def _stream_facts(folder: RecordingFolder, name: str) -> dict[str, object]:
    recording, clock = folder.streams[name], folder.clock(name)
    return {
        "name": name,
        "device_url": recording.header.device_url,
        "source": recording.source,
        "origin": recording.origin,
        "pose": asdict(recording.pose),
        "frames": len(recording),
        "duration_s": recording.duration_s,
        "closed_cleanly": recording.closed_cleanly,
        "stop_reason": recording.stop_reason,
        "missing_frames": recording.missing_frames,
        "incomplete_frames": recording.incomplete_frames,
        "lost_bytes": recording.lost_bytes,
        "lost_share": recording.lost_share,
        "block_flags": block_flags(recording),
        "file_bytes": recording.file_bytes,
        "events": len(recording.events),
        "problems": recording.problems,
        "clock": None if clock is None else asdict(clock),
        "segments": [
            {"path": str(segment.path), "frames": segment.frames, "sha256": segment.entry.sha256}
            for segment in recording.segments
        ],
    }


def print_folder(folder: RecordingFolder) -> None:
    """Print what a folder holds for people."""
    manifest = folder.manifest
    skew_s = manifest.facts.get("start_skew_s")
    facts: dict[str, Any] = {
        "folder": folder.path,
        "name": manifest.name,
        "recorded": f"{manifest.created_utc} by isactrack {manifest.package_version}",
        "note": manifest.note,
        "session file": "kept in the manifest" if manifest.session_text else "",
        "started": f"within {1e3 * skew_s:.3f} ms" if isinstance(skew_s, float) and len(folder.streams) > 1 else "",
    }
    print_facts({name: value for name, value in facts.items() if value != ""})
    print_table(
        ["stream", "device", "pose", ">frames", ">length", ">lost", ">segments", ">size", "ended"],
        [_stream_row(name, recording) for name, recording in folder.streams.items()],
    )
    blocks = {f"blocks of {name}": flags_text(recording) for name, recording in folder.streams.items()}
    print_facts({name: text for name, text in blocks.items() if text})
    for name, recording in folder.streams.items():
        for problem in recording.problems:
            print_facts({name: problem})
    clocks = [(name, clock) for name in folder.streams if (clock := folder.clock(name)) is not None]
    print_table(
        ["stream", ">drift to this computer's clock", ">known to"], [_clock_row(name, clock) for name, clock in clocks]
    )
    print_facts({f"{one.stream} to {one.reference}": offset_text(one) for one in folder.offsets()})


def _stream_row(name: str, recording: StreamRecording) -> tuple[object, ...]:
    pose = recording.pose
    return (
        name,
        recording.header.device_url,
        f"{pose.x_m:g}, {pose.y_m:g} m, {math.degrees(pose.yaw_rad):g} deg",
        len(recording),
        f"{recording.duration_s:.2f} s",
        human_share(recording.lost_share),
        len(recording.segments),
        bytes_text(recording.file_bytes),
        recording.stop_reason if recording.closed_cleanly else "was not closed, or is not whole",
    )


def _clock_row(name: str, clock: ClockEstimate) -> tuple[str, str, str]:
    return (
        name,
        f"{clock.drift_ppm:+.2f} +/- {clock.drift_std_ppm:.2f} ppm",
        f"{1e3 * clock.offset_std_s:.3f} ms",
    )
