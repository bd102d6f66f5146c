"""What the transport bar says."""

from collections.abc import Callable
from dataclasses import dataclass, field

from isactrack.gui.models.gaps import Gap
from isactrack.gui.models.timeline import Mode, Timeline
from isactrack.gui.models.timeline_marks import BarPicture, Mark

NearOf = Callable[[float, float], tuple[list[Mark], Gap | None]]
"""Returns the marks about a time (s), within a tolerance (s), and a gap there."""


@dataclass(frozen=True, slots=True)
class TransportState:
    """State of the transport bar.

    Attributes
    ----------
    enabled
        Whether there is anything to move in.
    moving
        Whether the display moves by itself: the button then says pause.
    following
        Whether it shows the live edge.
    start_s
        Time where the line begins.
    position_ms, span_ms
        The slider and its end, from `start_s` on.
    time_text, frame_text, edge_text
        Read-outs: time, frame, and how far behind the live edge or the end.
    dropped
        Older frames that are no longer kept.
    picture_of
        Returns what is drawn along the line, of a width in pixels.
    near
        Returns what lies about a time.
    version
        What differs if what lies on the line does.
    """

    enabled: bool
    moving: bool
    following: bool
    start_s: float
    position_ms: int
    span_ms: int
    time_text: str
    frame_text: str
    edge_text: str
    dropped: int = 0
    picture_of: Callable[[int], BarPicture] = field(default=lambda _width: BarPicture(), compare=False)
    near: NearOf = field(default=lambda _time_s, _tolerance_s: ([], None), compare=False)
    version: object = None

    @property
    def dropped_text(self) -> str:
        """What is no longer there; empty if everything is."""
        return f"{self.dropped} older frames are no longer kept in memory" if self.dropped else ""


def transport_state(timeline: Timeline) -> TransportState:
    """Return what the bar shows for a timeline."""
    current, newest = timeline.current, timeline.newest
    if current is None or newest is None:
        return TransportState(False, timeline.mode is not Mode.FROZEN, False, 0.0, 0, 0, "", "", "live")
    following = timeline.live and timeline.mode is Mode.FOLLOWING
    edge = "live" if following else f"{timeline.behind_s:.1f} s behind" if timeline.live else ""
    return TransportState(
        enabled=True,
        moving=timeline.mode is not Mode.FROZEN,
        following=following,
        start_s=timeline.oldest_time_s,
        position_ms=max(0, round(1e3 * (timeline.current_time_s - timeline.oldest_time_s))),
        span_ms=round(1e3 * (timeline.newest_time_s - timeline.oldest_time_s)),
        time_text=f"{timeline.current_time_s:.1f} s / {timeline.newest_time_s:.1f} s",
        frame_text=f"frame {current.frame_counter}",
        edge_text=edge,
        dropped=timeline.dropped,
        picture_of=timeline.bar,
        near=timeline.near,
        version=timeline.bar_version,
    )


def status_text(timeline: Timeline, url: str) -> str:
    """Return the status line: what is shown, and what is no longer kept."""
    current = timeline.current
    if current is None:
        return url
    states = {
        Mode.FOLLOWING: "Following live",
        Mode.FROZEN: "Display frozen, the session goes on" if timeline.live and not timeline.ended else "Paused",
        Mode.PLAYING: f"Playing at {timeline.speed:g}x",
    }
    parts = [states[timeline.mode]]
    if timeline.live and timeline.ended:
        parts = ["The session has ended"]
    confirmed = sum(track.is_confirmed for track in current.tracks)
    parts.append(f"{len(current.detections)} detections, {confirmed} of {len(current.tracks)} tracks confirmed")
    if not current.complete:
        parts.append("this frame is incomplete")
    if timeline.dropped:
        parts.append(f"{timeline.dropped} older frames are no longer kept in memory")
    return "   ·   ".join(parts)
