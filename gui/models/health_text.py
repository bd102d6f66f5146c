"""The health of a session in words, with thresholds that say when to worry."""

import platform
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import isactrack
from isactrack.acquisition.snapshot import Health
from isactrack.errors import IsacError
from isactrack.gui.models.paint_clock import PaintStats
from isactrack.source import Source
from isactrack.units import bytes_text

RATE_WARN, RATE_BAD = 0.95, 0.80
"""Rate over nominal rate below which it is shown."""
LOST_BAD = 0.01
"""Share lost above which tracks can no longer be trusted; any loss is a warning."""
LATENCY_WARN_MS, LATENCY_BAD_MS = 100.0, 300.0
PAINT_WARN_MS, PAINT_BAD_MS = 80.0, 300.0
"""From the last packet to the paint: at 10 Hz nobody sees less than the first."""
JUDGED_PAINTS = 100
"""Paints from which on there is a 99th percentile; of fewer it is the worst."""
QUEUE_WARN_S, QUEUE_BAD_S = 1.0, 3.0
"""Seconds of frames that wait for the disk."""
DISK_WARN_BYTES, DISK_BAD_BYTES = 10 * 10**9, 2 * 10**9
_SETTLE_S = 3.0
_NONE = "–"


class Status(StrEnum):
    """How a value is to be taken."""

    PLAIN = "plain"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the health panel."""

    section: str
    label: str
    value: str
    status: Status
    meaning: str


@dataclass(frozen=True, slots=True)
class Worry:
    """Why the health panel is amber or red, in a sentence with what to do."""

    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Banner:
    """What the samples are: shown at all times, so that nobody takes a simulation for a measurement."""

    text: str
    simulated: bool


def banner(health: Health) -> Banner:
    """Return what the samples are."""
    simulated = health.origin is Source.SIMULATED
    if health.source is Source.REPLAY:
        return Banner(f"REPLAY OF {health.origin.value.upper()}", simulated)
    return Banner(health.source.value.upper(), simulated)


def rows(health: Health, paint: PaintStats | None = None) -> list[Row]:
    """Return the lines of the health panel: always the same labels in the same order.

    Parameters
    ----------
    health
        Health of the session.
    paint
        What the viewer has measured of itself; None before it has.
    """
    display = _display_rows(health, paint or PaintStats())
    return [*_capture_rows(health), *_processing_rows(health), *display, *_recording_rows(health)]


def worries(shown: Iterable[Row]) -> list[Worry]:
    """Return why rows are amber or red, the worst first."""
    bad = [row for row in shown if row.status is Status.BAD]
    warn = [row for row in shown if row.status is Status.WARN]
    return [Worry(row.status, f"{row.label} {row.value}: {_REASONS[row.label]}") for row in bad + warn]


def duration_text(seconds: float) -> str:
    """Return a duration as minutes and seconds, or hours and minutes."""
    whole = int(max(0.0, seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60}:{whole % 60:02d} min"


def error_details(error: IsacError, url: str) -> str:
    """Return all that a report about `error` needs, as text to paste."""
    parts = [f"{type(error).__name__}: {error}"]
    if error.hint:
        parts.append(f"hint: {error.hint}")
    parts.append(f"device: {url}")
    parts.append(f"isactrack {isactrack.__version__}, Python {platform.python_version()}, {platform.platform()}")
    parts.append("".join(traceback.format_exception(error)).rstrip())
    return "\n".join(parts)


NOTHING_OPEN = "nothing is open"
"""Name of what is shown before anything was chosen."""


def empty_text(name: str, health: Health | None, error: IsacError | None) -> tuple[str, str]:
    """Return a title and a sentence that say why there is nothing to see yet.

    Parameters
    ----------
    name
        What was opened.
    health
        Health of the session, None while it is being opened.
    error
        What went wrong, None if nothing did.
    """
    if error is None and name == NOTHING_OPEN:
        text = "Press Ctrl+N for a device or a simulation, Ctrl+O for a recording, or drop a recording here."
        return "Nothing is open", text
    if error is not None:
        title = "Cannot open the source" if health is None else "Stopped before the first result"
        return title, f"{name}: {error}"
    if health is None:
        return "Connecting …", f"Looking for {name} and configuring it."
    if not health.running:
        if health.frames:
            return "No results", f"{health.frames} frames were read, but no coherent interval was complete."
        return "No frames", f"{name} ended without a single frame."
    if health.frames:
        return "No results yet", f"{health.frames} frames came; the first coherent interval is not complete yet."
    wait = f" for {health.elapsed_s:.0f} s" if health.elapsed_s >= 1.0 else ""
    return "No frames yet", f"{name} was started and has sent nothing{wait}."


def _capture_rows(health: Health) -> list[Row]:
    state = "running" if health.running else "ended"
    return [
        Row("Capture", "State", f"{state}, {duration_text(health.elapsed_s)}", Status.PLAIN, "Since the start."),
        Row("Capture", "Frames", f"{health.frames}", Status.PLAIN, "Frames taken."),
        _rate_row(health),
        Row("Capture", "Lost", f"{100.0 * health.lost_share:.2f} %", _loss_status(health.lost_share),
            f"Lost bytes over all that should have come; red above {100 * LOST_BAD:g} %."),
        _count_row("Incomplete", health.incomplete_frames, health.frames, "Frames with holes; marked, never made up."),
        _count_row("Missing", health.missing_frames, health.frames, "Frames of which nothing came."),
        _flag_row(health),
        *_packet_rows(health),
    ]  # fmt: skip


def _flag_row(health: Health) -> Row:
    names = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in health.flags.items())
    return Row(
        "Capture",
        "Unusable",
        f"{health.unusable_frames}",
        _loss_status(health.unusable_frames / max(health.frames, 1)),
        f"Frames that the device says must not be believed. Flags: {names or 'none'}.",
    )


def _packet_rows(health: Health) -> list[Row]:
    stray = Status.WARN if health.late_packets or health.rejected_packets else Status.OK
    return [
        Row("Capture", "Packets", f"{health.packets}" if health.packets else _NONE, Status.PLAIN,
            "Data packets of the device."),
        Row("Capture", "Late / rejected", f"{health.late_packets} / {health.rejected_packets}", stray,
            "Packets that came after their frame was given out, and those that are no data of this device."),
        Row("Capture", "Overruns", f"{health.overruns}", Status.BAD if health.overruns else Status.OK,
            "Frames lost because this computer took them too slowly; they count as missing too."),
        Row("Capture", "Card overflows", f"{health.card_overflows}",
            Status.BAD if health.card_overflows else Status.OK,
            "Reports of the capture card that its memory overflowed: holes that no other count shows."),
    ]  # fmt: skip


def _processing_rows(health: Health) -> list[Row]:
    p50, p99 = health.latency_p50_ms, health.latency_p99_ms
    live = health.source is not Source.REPLAY
    period_ms = 1e3 / health.nominal_rate_hz if health.nominal_rate_hz > 0.0 else 0.0
    slow = _above(p99, max(LATENCY_WARN_MS, 2 * period_ms), max(LATENCY_BAD_MS, 5 * period_ms))
    value = f"{p50:.0f} / {p99:.0f} ms" if p99 > 0.0 else _NONE
    skipped = Status.WARN if health.pipeline_skipped or health.left_out else Status.OK
    left_out = f" + {health.left_out}" if health.left_out else ""
    return [
        Row("Processing", "Latency p50 / p99", value, slow if live else Status.PLAIN,
            "From a frame's first byte to its tracks, over the last 100 frames."),
        Row("Processing", "Pipeline skipped", f"{health.pipeline_skipped}{left_out}", skipped,
            "Frames that were recorded but not processed, to keep up, and estimates of a radio that were left out."),
        Row("Processing", "Discarded", f"{health.discarded_frames}",
            Status.WARN if health.discarded_frames else Status.OK,
            "Frames not processed because another one of their coherent interval was missing; blocks of a radio that "
            "were flagged, had holes or could not be calibrated."),
    ]  # fmt: skip


def _display_rows(health: Health, paint: PaintStats) -> list[Row]:
    live = health.source is not Source.REPLAY
    skipped = health.viewer_skipped + paint.skipped if live else 0
    p99 = paint.latency_p99_ms
    measured = live and p99 > 0.0
    judged = measured and paint.painted >= JUDGED_PAINTS
    return [
        Row("Display", "Last packet to paint", f"{paint.latency_p50_ms:.0f} / {p99:.0f} ms" if measured else _NONE,
            _above(p99, PAINT_WARN_MS, PAINT_BAD_MS) if judged else Status.PLAIN,
            "From the arrival of a frame's last packet to the end of the paint that shows it, p50 and p99 of the last "
            "600 paints; of a live device."),
        Row("Display", "Paints", f"{paint.rate_hz:.1f} Hz" if live else _NONE, Status.PLAIN,
            "Paints a second that show something new; at most 30."),
        Row("Display", "Skipped", f"{skipped}", Status.PLAIN,
            "Results that were not drawn because a newer one was there; they are processed and recorded all the same."),
    ]  # fmt: skip


def _recording_rows(health: Health) -> list[Row]:
    path = health.recording_path
    if path is None:
        values, queue, disk = ("off", _NONE, _NONE, _NONE), Status.PLAIN, Status.PLAIN
    else:
        rate = health.nominal_rate_hz or 1.0
        queue = _above(health.recorder_queue / rate, QUEUE_WARN_S, QUEUE_BAD_S)
        disk = _disk_status(health.disk_free_bytes)
        written = bytes_text(health.recorded_bytes)
        values = (path, written, f"{health.recorder_queue} waiting", _disk_text(health))
    return [
        Row("Recording", "File", values[0], Status.PLAIN, path or "Nothing is written to disk."),
        Row(
            "Recording",
            "Written",
            values[1],
            Status.PLAIN,
            f"{health.recorded_frames} frames; the recorder never drops one.",
        ),
        Row("Recording", "Queue", values[2], queue, "Frames that wait for the disk."),
        Row("Recording", "Disk free", values[3], disk, "Free space where the file is, and how long it lasts."),
    ]


def _rate_row(health: Health) -> Row:
    rate, nominal = health.frame_rate_hz, health.nominal_rate_hz
    if health.source is Source.REPLAY:
        return Row("Capture", "Rate", f"{rate:.1f} Hz", Status.PLAIN, "A file is read as fast as possible.")
    settled = health.running and health.elapsed_s > _SETTLE_S and nominal > 0.0
    status = _below(rate / nominal, RATE_WARN, RATE_BAD) if settled else Status.PLAIN
    return Row("Capture", "Rate", f"{rate:.1f} of {nominal:.1f} Hz", status, "Measured rate and the profile's.")


def _count_row(label: str, count: int, frames: int, meaning: str) -> Row:
    return Row("Capture", label, f"{count}", _loss_status(count / max(frames, count, 1)), meaning)


def _disk_text(health: Health) -> str:
    free = health.disk_free_bytes
    if free is None:
        return _NONE
    recorded_s = health.recorded_s or health.elapsed_s
    if recorded_s <= _SETTLE_S or not health.recorded_bytes:
        return bytes_text(free)
    left_s = free * recorded_s / health.recorded_bytes
    hours = left_s / 3600
    # Minutes of many hours tell nobody anything, and the panel has no room for them.
    left = "> 99 h" if hours > 99 else f"{hours:.0f} h" if hours >= 10 else duration_text(left_s)
    return f"{bytes_text(free)}, {left}"


def _disk_status(free: int | None) -> Status:
    return Status.PLAIN if free is None else _below(free, DISK_WARN_BYTES, DISK_BAD_BYTES)


def _loss_status(share: float) -> Status:
    return _above(share, 0.0, LOST_BAD)


_REASONS = {
    "Rate": "fewer frames come than the profile asks for; look at the device's power, wire and messages.",
    "Lost": "data does not arrive whole; the holes are marked. `isactrack doctor` looks for the cause.",
    "Incomplete": "frames have holes, which are marked; `isactrack doctor` looks for the cause.",
    "Missing": "whole frames did not come; tracks coast over them.",
    "Unusable": "the device says that these frames must not be believed; the row's tip names its flags.",
    "Late / rejected": "packets came too late or are no data of this device; does something else send to this port?",
    "Overruns": "this computer takes frames too slowly; close other programs or views.",
    "Card overflows": "the capture card's memory overflowed; lower the data rate of the profile or mend the link.",
    "Latency p50 / p99": "results are late; a shorter model order, a smaller map or fewer views make them faster.",
    "Pipeline skipped": "the chain is slower than the frames come; they are recorded, and can be processed afterwards.",
    "Discarded": "their interval had a gap, or a block could not be used.",
    "Last packet to paint": "the screen lags behind the device; close views or make the window smaller.",
    "Queue": "the disk is slower than the frames come; record to another one.",
    "Disk free": "the recording ends by itself when the disk is full; record to another one.",
}
"""What an amber or red row means for people, by its label."""


def _above(value: float, warn: float, bad: float) -> Status:
    return Status.BAD if value > bad else Status.WARN if value > warn else Status.OK


def _below(value: float, warn: float, bad: float) -> Status:
    return Status.BAD if value < bad else Status.WARN if value < warn else Status.OK
