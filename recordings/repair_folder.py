"""Finish a recording that is a folder after its writer was killed, or a segment was lost or damaged."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from isactrack.errors import RecordingError
from isactrack.recordings.clocks import estimate_clock
from isactrack.recordings.folder import check_folder_not_recorded, segment_files
from isactrack.recordings.manifest import (
    MANIFEST,
    PART_SUFFIX,
    Manifest,
    Segment,
    Stream,
    describe_segment,
    is_stream_folder,
    read_manifest,
    write_manifest,
)
from isactrack.recordings.reader import Recording
from isactrack.recordings.repair import RepairReport, repair_recording
from isactrack.recordings.segments import hash_file

ORIGINALS = ".originals"
"""Folder in that of the recording to which a repair moves the segments that it replaced or left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRepairReport:
    """What the repair of a folder found and did.

    Attributes
    ----------
    path
        The folder.
    repaired
        Reports of the segments that were replaced by a repaired copy.
    actions
        Everything that was done, one sentence each; empty if there was nothing to repair.
    frames
        Frames in each stream afterwards.
    """

    path: Path
    repaired: tuple[RepairReport, ...]
    actions: tuple[str, ...]
    frames: dict[str, int]


def repair_folder(path: str | Path) -> FolderRepairReport:
    """Finish the segments that were not closed, replace those that are damaged, and write the manifest anew.

    Segments that are whole stay as they are. What is replaced or left out is moved to `ORIGINALS`, never deleted, but
    for empty segments that were prepared and not used.

    Raises
    ------
    RecordingError
        If it is no folder of a recording, is being recorded, or cannot be written.
    """
    path = Path(path)
    if is_stream_folder(path):
        raise RecordingError(f"{path} is one stream of {path.absolute().parent}", "repair the whole folder")
    check_folder_not_recorded(path)
    job = _Repair(path)
    try:
        return job.run()
    except OSError as error:
        raise RecordingError(
            f"cannot repair {path}: {error.strerror or error}", "check the permissions and the free space"
        ) from error


class _Repair:
    """One repair of one folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._repaired: list[RepairReport] = []
        self._actions: list[str] = []
        self._handled: set[str] = set()  # segments that are gone because this repair says so

    def run(self) -> FolderRepairReport:
        for stale in (*self._path.glob(f".{MANIFEST}.*"), *self._path.glob("*/.*.repaired*")):
            stale.unlink()  # of a recording or a repair that was killed
        old = self._old_manifest()
        names = [stream.name for stream in old.streams]
        names += sorted(
            folder.name for folder in self._path.iterdir() if folder.name not in names and _holds_segments(folder)
        )
        if not names:
            raise RecordingError(f"{self._path} holds no segments", "give the folder of a recording")
        new = old
        for name in names:
            stream = self._repair_stream(name, old.stream(name))
            if stream is not None:
                new = new.with_stream(stream)
        if new != old:
            write_manifest(self._path, new)
            self._actions.append(f"{MANIFEST} was written anew")
        frames = {stream.name: sum(one.frames or 0 for one in stream.segments) for stream in new.streams}
        return FolderRepairReport(
            path=self._path, repaired=tuple(self._repaired), actions=tuple(self._actions), frames=frames
        )

    def _old_manifest(self) -> Manifest:
        try:
            return read_manifest(self._path)
        except RecordingError as error:
            if (self._path / MANIFEST).exists():
                self._set_aside(self._path / MANIFEST, str(error))
            return Manifest()

    def _repair_stream(self, name: str, old: Stream | None) -> Stream | None:
        folder = self._path / name
        found = [item for path in _files(folder) if (item := self._repair_segment(path, old)) is not None]
        order = {entry.uuid: k for k, entry in enumerate(old.segments)} if old is not None else {}
        found.sort(key=lambda item: order.get(item[1], len(order)))
        known = {entry.file for entry in old.segments} if old is not None else set()
        gone = sorted(known - self._handled - {f"{name}/{path.name}" for path in _files(folder)})
        self._actions += [f"{file} is not there and was taken out of the manifest" for file in gone]
        segments, stream, points = [], old, []
        for path, _ in found:
            with Recording(path) as recording:
                stream = stream or Stream.of(recording.header, name)
                points.append((recording.device_time_s, recording.host_monotonic_ns))
                segments.append(
                    describe_segment(recording, f"{name}/{path.name}", sha256=hash_file(path), size=path.stat().st_size)
                )
        if stream is None:
            return None
        if old is not None and old.closed and old.segments == tuple(segments):
            return old
        self._note_changes(old, segments)
        clock = estimate_clock(*(np.concatenate(column) for column in zip(*points, strict=True))) if points else None
        return replace(
            stream,
            closed=True,
            stop_reason=stream.stop_reason if stream.closed else "recovered, it was not closed",
            clock=None if clock is None else asdict(clock),
            segments=tuple(segments),
        )

    def _note_changes(self, old: Stream | None, segments: list[Segment]) -> None:
        hashes = {entry.uuid: entry.sha256 for entry in old.segments if entry.closed} if old is not None else {}
        for segment in segments:
            if hashes.get(segment.uuid, segment.sha256) != segment.sha256:
                self._actions.append(f"{segment.file} was changed after it was finished; its new hash was noted")

    def _repair_segment(self, path: Path, old: Stream | None) -> tuple[Path, str] | None:
        """Make a segment whole under its final name; return it and the identity that the manifest knows it by."""
        try:
            with Recording(path) as recording:
                uuid, frames, origin = recording.uuid, len(recording), recording.repaired_from
        except RecordingError as error:
            self._set_aside(path, str(error))
            return None
        known = {entry.uuid for entry in old.segments} if old is not None else set()
        if known and uuid not in known and origin not in known:
            self._set_aside(path, f"{path.name} is foreign")
            return None
        if not frames and path.suffix == PART_SUFFIX and path != _files(path.parent)[0]:
            path.unlink()
            self._handled.add(self._shown(path).removesuffix(PART_SUFFIX))
            self._actions.append(f"{self._shown(path)}, which was prepared and never used, was removed")
            return None
        final = path.with_name(path.name.removesuffix(PART_SUFFIX))
        copy = path.with_name(f".{final.name}.repaired")
        report = repair_recording(path, copy)
        if report.output is not None:
            self._repaired.append(report)
            self._set_aside(path, f"{self._shown(path)} was repaired: {', '.join(report.reasons)}")
            copy.rename(final)
        elif path != final:
            path.rename(final)
            self._actions.append(f"{self._shown(path)} was closed already and got its name")
        return final, uuid if uuid in known else origin or uuid

    def _set_aside(self, path: Path, why: str) -> None:
        target = self._path / ORIGINALS / path.relative_to(self._path)
        target.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{path.name}.{number}")
        path.rename(target)
        self._handled.add(self._shown(path).removesuffix(PART_SUFFIX))
        self._actions.append(f"{why}; moved to {target.relative_to(self._path)}")

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._path).as_posix()


def _files(folder: Path) -> list[Path]:
    return segment_files(folder) if folder.is_dir() else []


def _holds_segments(folder: Path) -> bool:
    return not folder.name.startswith(".") and folder.is_dir() and bool(segment_files(folder))
