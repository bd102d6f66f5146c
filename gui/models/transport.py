"""What the transport bar says."""

from dataclasses import dataclass

from isactrack.gui.models.timeline import Mode, Timeline


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
    position, last
        The slider and its end.
    time_text, frame_text, edge_text
        Read-outs: time, frame, and how far behind the live edge or the end.
    gaps
        Places before which the device was lost.
    """

    enabled: bool
    moving: bool
    following: bool
    position: int
    last: int
    time_text: str
    frame_text: str
    edge_text: str
    gaps: tuple[int, ...] = ()


def transport_state(timeline: Timeline) -> TransportState:
    """Return what the bar shows for a timeline."""
    current, newest = timeline.current, timeline.newest
    if current is None or newest is None:
        return TransportState(False, timeline.mode is not Mode.FROZEN, False, 0, 0, "", "", "live")
    following = timeline.live and timeline.mode is Mode.FOLLOWING
    edge = "live" if following else f"{timeline.behind_s:.1f} s behind" if timeline.live else ""
    return TransportState(
        enabled=True,
        moving=timeline.mode is not Mode.FROZEN,
        following=following,
        position=timeline.position,
        last=len(timeline) - 1,
        time_text=f"{timeline.current_time_s:.1f} s / {timeline.newest_time_s:.1f} s",
        frame_text=f"frame {current.frame_counter}",
        edge_text=edge,
        gaps=timeline.gaps,
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
