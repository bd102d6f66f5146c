"""What a session shows of itself: results frame by frame, and its health."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from isactrack.detections import Detections
from isactrack.errors import IsacError
from isactrack.source import Source
from isactrack.tracks import Track
from isactrack.truth import Truth

if TYPE_CHECKING:
    from isactrack.processing.chains import Spectrum
    from isactrack.processing.products import BlockChannel
    from isactrack.processing.range_azimuth import RangeAzimuthMap
    from isactrack.processing.slow_time import SlowTime


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Snapshot:
    """Everything the pipeline made of one coherent interval.

    Attributes
    ----------
    index
        Position in the stream of results, from 0.
    frame_counter
        Device counter of the interval's last frame.
    time_s
        Device time of the centre of the interval.
    complete
        Whether every byte of it arrived.
    spectrum, detections, tracks
        The map, over range and Doppler of a radar or over path length and azimuth of a radio, the detections and the
        tracks after the step.
    truth
        Where the targets really are, for a simulation.
    tx_position_m
        Where the transmitter of a bistatic radio stands, x and y in the sensor frame; None for a radar, whose
        transmitter is at the origin like its receiver.
    host_monotonic_ns
        Arrival of the first byte of the interval's last frame on the host's monotonic clock, nanoseconds; 0 if it is
        not known. Events have times of this clock.
    host_complete_ns
        Arrival of the packet that made that frame whole, on the same clock; 0 if it is not known or there are holes.
    channel
        The newest block of a radio before and after what stands still was taken off; None for a radar.
    range_azimuth
        A radar's power over range and azimuth, if it was asked for (`Product.RANGE_AZIMUTH`).
    slow_time
        A radio's channel at each of the tracks over the blocks since the last snapshot, if it was asked for
        (`Product.SLOW_TIME`).
    """

    index: int
    frame_counter: int
    time_s: float
    complete: bool
    spectrum: "Spectrum"
    detections: Detections
    tracks: tuple[Track, ...]
    truth: Truth | None = None
    tx_position_m: tuple[float, float] | None = None
    host_monotonic_ns: int = 0
    host_complete_ns: int = 0
    channel: "BlockChannel | None" = None
    range_azimuth: "RangeAzimuthMap | None" = None
    slow_time: "SlowTime | None" = None

    @property
    def nbytes(self) -> int:
        """Memory of the arrays that it keeps for views, the map included once it is made."""
        extras = (self.channel, self.range_azimuth, self.slow_time)
        return self.spectrum.power.nbytes + sum(extra.nbytes for extra in extras if extra is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Counters and rates of a running session.

    Attributes
    ----------
    url, model, source, origin
        The device.
    running
        Whether frames are being taken.
    elapsed_s
        Time since the start.
    frames, frame_rate_hz, nominal_rate_hz
        Frames taken, their rate over the last seconds and the rate that the profile asks for.
    incomplete_frames, missing_frames, lost_bytes, lost_share
        Loss, and lost bytes over all bytes that should have come (0 to 1).
    unusable_frames, flags
        Frames that the device says must not be believed, and how many have each flag of `BlockFlag`, by name.
    packets, late_packets, rejected_packets, overruns, card_overflows
        What the device counts on the way to its frames, see `DeviceStats`; zeros for one that knows no packets.
    recorded_frames, recorded_bytes, recorder_queue, recording_path, disk_free_bytes
        State of the recorder; zeros and None without one.
    recording, recorded_s, recording_error
        Whether a file is being written, time of the device in the last one (s), and what ended it, if that was an error
        which did not end the session.
    pipeline_skipped, viewer_skipped
        Frames that the pipeline, and snapshots that viewers, skipped to keep up.
    left_out
        Estimates of a radio that the pipeline left out to keep up; their blocks were taken in.
    discarded_frames
        Frames that the pipeline dropped because another one of their coherent interval was missing, and blocks of a
        radio that were flagged, had holes or could not be calibrated.
    latency_p50_ms, latency_p99_ms
        From a frame's first byte on the host to its tracks, over the last 100 frames.
    error
        What ended the session, None if nothing did.
    """

    url: str
    model: str
    source: Source
    origin: Source
    running: bool = False
    elapsed_s: float = 0.0
    frames: int = 0
    frame_rate_hz: float = 0.0
    nominal_rate_hz: float = 0.0
    incomplete_frames: int = 0
    missing_frames: int = 0
    unusable_frames: int = 0
    flags: Mapping[str, int] = field(default_factory=dict)
    lost_bytes: int = 0
    lost_share: float = 0.0
    packets: int = 0
    late_packets: int = 0
    rejected_packets: int = 0
    overruns: int = 0
    card_overflows: int = 0
    recorded_frames: int = 0
    recorded_bytes: int = 0
    recorder_queue: int = 0
    recording_path: str | None = None
    disk_free_bytes: int | None = None
    recording: bool = False
    recorded_s: float = 0.0
    recording_error: IsacError | None = None
    pipeline_skipped: int = 0
    viewer_skipped: int = 0
    left_out: int = 0
    discarded_frames: int = 0
    latency_p50_ms: float = 0.0
    latency_p99_ms: float = 0.0
    error: IsacError | None = None
