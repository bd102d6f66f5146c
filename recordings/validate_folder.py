"""Check that a recording that is a folder can be trusted: every stream as a recording, and its segments."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

from isactrack.errors import RecordingError
from isactrack.recordings.folder import SegmentFile, StreamRecording
from isactrack.recordings.manifest import Segment, describe_segment, is_stream_folder, read_manifest
from isactrack.recordings.reader import Recording
from isactrack.recordings.segments import hash_file
from isactrack.recordings.validate import Check, check_recording

MANIFEST_CHECK, SEGMENTS_CHECK, HASH_CHECK, ENTRIES_CHECK = (
    "manifest opens", "segments complete", "SHA-256 of the segments", "manifest agrees with the segments",
)  # fmt: skip


def validate_folder(path: str | Path, *, max_loss: float = 0.01) -> list[Check]:
    """Check the folder of a recording, or of one of its streams; what cannot be opened is a failed check.

    The checks of a stream among several carry its name.

    Parameters
    ----------
    path
        The folder.
    max_loss
        Lost bytes over all bytes that should have come, 0 to 1, that still pass; of each stream.
    """
    path = Path(path)
    only = path.absolute().name if is_stream_folder(path) else None
    root = path.absolute().parent if only is not None else path
    try:
        manifest = read_manifest(root)
    except RecordingError as error:
        return [Check(MANIFEST_CHECK, False, _told(error))]
    names = [stream.name for stream in manifest.streams if only in (None, stream.name)]
    listed = ", ".join(names) or "none"
    checks = [Check(MANIFEST_CHECK, bool(names), f"streams: {listed}")]
    for name in names:
        found = list(_validate_stream(root / name, max_loss))
        checks += found if len(names) == 1 else [replace(check, name=f"{name}: {check.name}") for check in found]
    return checks


def _validate_stream(path: Path, max_loss: float) -> Iterator[Check]:
    try:
        recording = StreamRecording(path)
    except RecordingError as error:
        yield Check("opens", False, _told(error))
        return
    with recording:
        problems = recording.problems
        yield Check(
            SEGMENTS_CHECK, not problems, "; ".join(problems) or f"{len(recording.segments)} segments in their order"
        )
        finished = [segment for segment in recording.segments if segment.entry.closed]
        yield _check_each(HASH_CHECK, finished, _hash_fault)
        yield _check_each(ENTRIES_CHECK, finished, _entry_fault)
        yield from check_recording(recording, max_loss=max_loss)


def _check_each(name: str, segments: list[SegmentFile], fault_of: Callable[[SegmentFile], str]) -> Check:
    if not segments:
        return Check(name, None, "the manifest has no segment that was finished")
    faults = [fault for segment in segments if (fault := fault_of(segment))]
    return Check(name, not faults, "; ".join(faults) or f"{len(segments)} segments are as they were finished")


def _hash_fault(segment: SegmentFile) -> str:
    entry = segment.entry
    try:
        if segment.path.stat().st_size != entry.size_bytes:
            return f"{segment.path.name} has {segment.path.stat().st_size} bytes, it had {entry.size_bytes}"
        if hash_file(segment.path) != entry.sha256:
            return f"{segment.path.name} was changed"
    except OSError as error:
        return f"{segment.path.name} cannot be read: {error.strerror}"
    return ""


def _entry_fault(segment: SegmentFile) -> str:
    entry = segment.entry
    try:
        with Recording(segment.path) as recording:
            found = describe_segment(recording, entry.file, sha256=entry.sha256 or "", size=entry.size_bytes or 0)
    except RecordingError as error:
        return str(error)
    wrong = [field.name for field in fields(Segment) if getattr(found, field.name) != getattr(entry, field.name)]
    return f"{segment.path.name} differs in {', '.join(wrong)}" if wrong else ""


def _told(error: RecordingError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)
