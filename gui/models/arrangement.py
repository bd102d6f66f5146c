"""How several sensors share the window."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from isactrack.geometry import Pose
from isactrack.gui.models.health_text import Banner, banner
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.streams import APART_S, Streams


class Arrangement(StrEnum):
    """What of several sensors is seen."""

    BESIDE = "beside"
    """Each with its views, beside one another."""
    OVERLAID = "overlaid"
    """All in one plan of the room."""
    BOTH = "both"
    """The plan of the room, and beside it each with its views."""

    @property
    def shows_panes(self) -> bool:
        """Whether the views of the sensors are seen."""
        return self is not Arrangement.OVERLAID

    @property
    def shows_room(self) -> bool:
        """Whether the plan of the room is seen."""
        return self is not Arrangement.BESIDE


TEXTS: Final = {
    Arrangement.BESIDE: "Sensors side by side",
    Arrangement.OVERLAID: "Sensors overlaid in one room",
    Arrangement.BOTH: "The room, and its sensors beside it",
}


@dataclass(frozen=True, slots=True)
class HeadText:
    """What stands over the views of a sensor.

    Attributes
    ----------
    name
        What is opened.
    state
        Why its picture is not of this moment, or that there is none; empty if all is well.
    banner
        What its samples are; None until it is known.
    """

    name: str
    state: str
    banner: Banner | None


def head_text(streams: Streams, stream: Stream) -> HeadText:
    """Return what stands over the views of a sensor."""
    shown = None if stream.health is None else banner(stream.health)
    return HeadText(stream.name, _state(streams, stream), shown)


def _state(streams: Streams, stream: Stream) -> str:
    apart_s = streams.apart_s(stream)
    far = f"{abs(apart_s):.1f} s {'earlier' if apart_s < 0.0 else 'later'} than this moment"
    if stream.lost_text[0]:
        return f"connection lost; {far}" if abs(apart_s) > APART_S else "connection lost"
    if stream.error is not None:
        return f"stopped: {stream.error}"
    if stream.feed is None:
        return "connecting …"
    if stream.timeline.current is None:
        return "no frames yet"
    return far if abs(apart_s) > APART_S else ""


def room_note(streams: Streams) -> str:
    """Return what has to be said of the plan of the room: who was not placed, and how times were brought together."""
    unplaced = [
        stream.name for stream in streams.items if stream.feed is not None and stream.placement.pose == Pose()
    ]  # one at the origin that looks along y is one that nobody has placed
    notes = []
    if unplaced:
        who = " and ".join(unplaced) if len(unplaced) < 3 else f"{len(unplaced)} sensors"
        notes.append(f"no pose is known of {who}: drawn at the origin of the room, looking up")
    if streams.alignment_text:
        notes.append(streams.alignment_text)
    return "   ·   ".join(notes)


def room_empty_text(streams: Streams) -> str:
    """Return why the plan of the room is empty; empty text if it is not."""
    if any(stream.timeline.current is not None for stream in streams.items):
        return ""
    return "No sensor has shown anything yet: the plan begins with the first frame of one of them."
