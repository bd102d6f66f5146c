"""What the commands that run a session share: opening the file, watching the session, summing it up."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from isactrack.acquisition.group import SessionGroup
from isactrack.acquisition.header import describe_device
from isactrack.acquisition.recorder_tap import Recorder
from isactrack.acquisition.session import Session
from isactrack.acquisition.snapshot import Health
from isactrack.cli._markers import has_terminal, typed_markers
from isactrack.cli._output import human_share, live_line, note, print_facts, print_json
from isactrack.cli._sources import HDF5_SUFFIXES, is_recording
from isactrack.drivers.device import Device
from isactrack.errors import CaptureLossError, ConfigError, DeviceStateError, RecordingError
from isactrack.geometry import RoomOutline
from isactrack.recordings import RecordingHeader, RecordingWriter, SegmentedWriter, StreamOffset, create_folder
from isactrack.recordings.filters import BITSHUFFLE_LZ4
from isactrack.recordings.folder import check_folder_not_recorded
from isactrack.recordings.locks import check_not_recorded
from isactrack.recordings.manifest import MANIFEST, ManifestFile, is_recording_folder, recording_around
from isactrack.units import bytes_text

_REFRESH_S = 0.25
_PATIENCE_S = 10.0
STOP_HINT = "(Ctrl-C stops)"
_PACKET_COUNTERS = ("packets", "late_packets", "rejected_packets", "overruns", "card_overflows")


def check_target(path: Path, overwrite: bool, *sources: Path | None) -> None:
    """Complain about a recording that cannot be written before a device is disturbed for it.

    Parameters
    ----------
    path
        The file to write.
    overwrite
        Whether it may be replaced.
    sources
        Files that are read for it, and must not be.

    Raises
    ------
    ConfigError
        If the file is one of the sources.
    RecordingError
        If the file exists and must not be overwritten, is being recorded, is no regular file, or its folder does not
        exist.
    """
    _check_other_than(path, *sources)
    _check_regular(path)
    if path.exists() and not overwrite:
        raise RecordingError(f"{path} exists already", "choose another name, or give --overwrite to replace it")
    _check_folder_above(path)
    check_not_recorded(path)


def check_folder_target(path: Path, overwrite: bool, *sources: Path | None) -> None:
    """Complain about a recording that shall be a folder and cannot be written; see `check_target`.

    Raises
    ------
    ConfigError
        If the name is that of a file, or a source lies in the folder.
    RecordingError
        If it exists and must not be overwritten, is no recording or is being recorded, or the folder above it does not
        exist.
    """
    if path.suffix.lower() in HDF5_SUFFIXES:
        raise ConfigError(
            f"{path} is the name of a file, but a recording in segments or of several devices is a folder",
            f"write e.g. {path.with_suffix('')}",
        )
    for source in sources:
        if source is not None and path.exists() and source.resolve().is_relative_to(path.resolve()):
            raise ConfigError(f"{path} would be written over {source}, which is read", "choose another name")
    if path.exists():
        if not overwrite:
            raise RecordingError(f"{path} exists already", "choose another name, or give --overwrite to replace it")
        if not (is_recording_folder(path) and (path / MANIFEST).is_file()):
            raise RecordingError(f"{path} is no recording in a folder, and stays as it is", "choose another name")
        check_folder_not_recorded(path)
    _check_folder_above(path)


def check_table_target(path: Path, recording: Path) -> None:
    """Complain about a table, made of a recording, that would replace a recording; other files it may replace.

    Raises
    ------
    ConfigError
        If the table is the file that it is made of.
    RecordingError
        If it is another recording, or no regular file.
    """
    _check_other_than(path, recording)
    _check_regular(path)
    if path.is_file() and os.access(path, os.R_OK) and is_recording(path):
        raise RecordingError(f"{path} is a recording, and a table would replace it", "choose another name, e.g. *.csv")


def _check_regular(path: Path) -> None:
    if path.is_dir():
        raise RecordingError(f"{path} is a folder", "add a file name")
    if path.exists() and not path.is_file():
        raise RecordingError(f"{path} is no regular file and cannot be replaced", "give the name of a file")


def _check_folder_above(path: Path) -> None:
    path = path.resolve()
    if not path.parent.is_dir():
        raise RecordingError(f"there is no folder {path.parent}", "create it first")
    around = recording_around(path)
    if around is not None:
        raise RecordingError(
            f"{path} would lie in the recording {around}, which holds nothing but its own segments",
            "choose another folder",
        )


def _check_other_than(path: Path, *sources: Path | None) -> None:
    for source in sources:
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise ConfigError(f"{path} would be written over {source}, which is read", "choose another name")


@contextmanager
def set_aside(path: Path) -> Iterator[None]:
    """Move a recording, if there is one, out of the way; it comes back if there is no new one at the end of the block.

    Raises
    ------
    RecordingError
        If it cannot be moved, or is being recorded.
    """
    if path.is_dir():
        check_folder_not_recorded(path)
    else:
        check_not_recorded(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        path.rename(aside)
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise RecordingError(f"cannot replace {path}: {error.strerror}", "is it open elsewhere?") from error
    try:
        yield
    finally:
        if path.exists():
            remove(aside)
        else:
            aside.rename(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Create a folder unless it is there.

    Raises
    ------
    RecordingError
        If it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(f"cannot create the folder {path}: {error.strerror}", "choose another folder") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How a recording is kept.

    Attributes
    ----------
    segment_bytes, segment_s
        Limits of a segment, see `SegmentedWriter`; without one a single device is recorded to one file.
    compression
        See `RecordingWriter`.
    """

    segment_bytes: int | None = None
    segment_s: float | None = None
    compression: str = BITSHUFFLE_LZ4

    @property
    def is_segmented(self) -> bool:
        """Whether there is a limit."""
        return self.segment_bytes is not None or self.segment_s is not None


def open_writer(
    device: Device,
    path: Path,
    *,
    note: str = "",
    overwrite: bool = False,
    compression: str = BITSHUFFLE_LZ4,
    room: RoomOutline | None = None,
) -> RecordingWriter:
    """Return a writer whose file describes a configured device."""
    header = describe_device(device, note=note, room=room)
    return RecordingWriter(path, header, overwrite=overwrite, compression=compression)


def open_segments(manifest: ManifestFile, header: RecordingHeader, storage: Storage) -> SegmentedWriter:
    """Return a writer of a stream in a folder."""
    return SegmentedWriter(
        manifest, header,
        segment_bytes=storage.segment_bytes, segment_s=storage.segment_s, compression=storage.compression,
    )  # fmt: skip


class Markers:
    """Puts what is typed into the recordings of a session, or a group of them, and counts it."""

    def __init__(self, session: Session | SessionGroup) -> None:
        self._session = session
        self.count = 0

    def __call__(self, text: str) -> None:
        """Set a marker; one that comes too early or too late is dropped."""
        with suppress(DeviceStateError):
            self._session.mark(text)
            self.count += 1

    def text(self) -> str:
        """Return how many there are, for the live line; empty without any."""
        return f"{self.count} markers  " if self.count else ""


def explain_markers() -> None:
    """Say how to set markers, where somebody can type."""
    if has_terminal():
        note("Type a line and Enter to set a marker.")


def run_session(session: Session, *, markers: bool = False) -> bool:
    """Run a session to its end, showing its health on a terminal; return whether Ctrl-C ended it.

    After Ctrl-C the device is stopped and the file is closed before this returns. With `markers`, typed lines become
    markers in the recording.

    Raises
    ------
    IsacError
        What ended the session, if that was an error.
    """
    mark = Markers(session)
    if markers:
        explain_markers()
    try:
        session.start()
        with live_line() as show, typed_markers(mark) if markers else nullcontext():
            while not session.wait(_REFRESH_S):
                show(f"{health_line(session.health())}\n{mark.text()}{STOP_HINT}")
    except KeyboardInterrupt:
        with further_interrupts_ignored():
            session.stop()
            session.wait()
        return True
    return False


@contextmanager
def further_interrupts_ignored() -> Iterator[None]:
    """Close files in this block: an impatient second Ctrl-C would leave them open; one after `_PATIENCE_S` is heard."""
    deadline_s = time.monotonic() + _PATIENCE_S

    def ignore(_number: int, _frame: object) -> None:
        if time.monotonic() >= deadline_s:
            raise KeyboardInterrupt

    numbers = [one for one in signal.valid_signals() if signal.getsignal(one) is signal.default_int_handler]
    try:
        for number in numbers:
            signal.signal(number, ignore)
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)


def record(
    device: Device,
    output: Path,
    *,
    as_json: bool,
    note: str = "",
    overwrite: bool = False,
    max_frames: int | None = None,
    duration_s: float | None = None,
    storage: Storage | None = None,
) -> Health:
    """Record a configured device to a file, or in segments to a folder, print the summary and return it.

    Whatever ends the recording, the file is closed first. One into which nothing came because of an error or Ctrl-C is
    removed, and the one that it was to replace stays.

    Raises
    ------
    IsacError
        What ended the recording, if that was an error.
    KeyboardInterrupt
        After Ctrl-C.
    """
    interrupted = False
    failure: BaseException | None = None
    with set_aside(output) if overwrite else nullcontext():
        writer = _open_recorder(device, output, note, storage or Storage())
        with Session(device, recorder=writer, max_frames=max_frames, duration_s=duration_s) as session:
            try:
                interrupted = run_session(session, markers=True)
            except BaseException as error:  # noqa: BLE001 - raised below, when the file has been seen to
                failure = error
        health = session.health()
        nothing = health.recorded_frames == 0 and (interrupted or failure is not None)
        if nothing:
            remove(output)
    if not nothing:
        report(health, as_json)
    if failure is not None:
        raise failure
    if interrupted:
        raise KeyboardInterrupt
    return health


def _open_recorder(device: Device, output: Path, note: str, storage: Storage) -> Recorder:
    if not storage.is_segmented:
        return open_writer(device, output, note=note, compression=storage.compression)
    manifest = create_folder(output, note=note)
    try:
        return open_segments(manifest, describe_device(device, note=note), storage)
    except BaseException:
        remove(output)
        raise


def report(health: Health, as_json: bool, **more: object) -> None:
    """Print the counters of an ended session, for machines with `more` keys."""
    if as_json:
        print_json({**summary(health), **more})
    else:
        print_summary(health)


def summary(health: Health) -> dict[str, object]:
    """Return the counters of an ended session for `print_json`."""
    return {
        "device_url": health.url,
        "source": health.source,
        "origin": health.origin,
        "path": health.recording_path,
        "frames": health.frames,
        "recorded_frames": health.recorded_frames,
        "recorded_bytes": health.recorded_bytes,
        "elapsed_s": health.elapsed_s,
        "nominal_rate_hz": health.nominal_rate_hz,
        "mean_rate_hz": health.frames / health.elapsed_s if health.elapsed_s > 0.0 else 0.0,
        "incomplete_frames": health.incomplete_frames,
        "missing_frames": health.missing_frames,
        "unusable_frames": health.unusable_frames,
        "flags": dict(health.flags),
        "lost_bytes": health.lost_bytes,
        "lost_share": health.lost_share,
        **{name: getattr(health, name) for name in _PACKET_COUNTERS},
    }


def print_summary(health: Health) -> None:
    """Print the counters of an ended session for people."""
    source = health.source if health.source is health.origin else f"{health.source} of {health.origin}"
    facts = {"device": f"{health.url} ({source})"}
    if health.recording_path is not None:
        facts["file"] = f"{health.recording_path}, {bytes_text(health.recorded_bytes)} of samples"
    rate = health.frames / health.elapsed_s if health.elapsed_s > 0.0 else 0.0
    facts["frames"] = (
        f"{health.frames} in {health.elapsed_s:.1f} s, {rate:.1f} Hz ({health.nominal_rate_hz:.1f} nominal)"
    )
    facts["lost"] = (
        f"{human_share(health.lost_share)}: {health.missing_frames} frames missing, "
        f"{health.incomplete_frames} incomplete, {bytes_text(health.lost_bytes)}"
    )
    if health.flags:
        flags = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in health.flags.items())
        facts["flagged"] = f"{health.unusable_frames} frames must not be believed; flags: {flags}"
    if health.packets:
        facts["packets"] = f"{health.packets}, {health.late_packets} late, {health.rejected_packets} rejected"
    if health.overruns:
        facts["overruns"] = f"{health.overruns} frames were lost because this computer took them too slowly"
    if health.card_overflows:
        facts["card overflows"] = f"{health.card_overflows} reported: data are missing that no count above shows"
    print_facts(facts)


def offset_text(offset: StreamOffset) -> str:
    """Return the offset between two streams for people."""
    value, deviation = 1e3 * offset.offset_s, 1e3 * offset.std_s
    return f"clock {value:+.3f} ms behind, +/- {deviation:.3f} ms, drift {offset.drift_ppm:+.2f} ppm"


def check_loss(health: Health, max_loss: float | None) -> None:
    """Complain if more was lost than is allowed.

    Raises
    ------
    CaptureLossError
        With the share that was lost, or because the card lost data of which nobody knows how much.
    """
    if max_loss is not None and health.card_overflows:
        raise CaptureLossError(
            f"the memory of the capture card overflowed {health.card_overflows} times: data of unknown size are lost",
            "the file does not show where; check the Ethernet link of the card, or lower the data rate of the profile",
        )
    if max_loss is not None and health.lost_share > max_loss:
        raise CaptureLossError(
            f"{human_share(health.lost_share)} of the data was lost, more than the {human_share(max_loss)} allowed",
            "the file is complete and marks every gap; look at the network card's buffers, the cable and the disk",
        )


def health_line(health: Health) -> str:
    """Return a session's health in one line."""
    parts = [
        f"{health.elapsed_s:6.1f} s",
        f"{health.frames} frames",
        f"{health.frame_rate_hz:.1f} of {health.nominal_rate_hz:.1f} Hz",
        f"lost {human_share(health.lost_share)}",
    ]
    if health.unusable_frames:
        parts.append(f"{health.unusable_frames} unusable")
    if health.card_overflows:
        parts.append(f"{health.card_overflows} card overflows")
    if health.recording_path is not None:
        parts += [bytes_text(health.recorded_bytes), f"{health.recorder_queue} waiting"]
        if health.disk_free_bytes is not None:
            parts.append(f"{bytes_text(health.disk_free_bytes)} free")
    return "  ".join(parts)
