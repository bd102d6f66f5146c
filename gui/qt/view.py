"""What the window asks of each view that it docks."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.events import Event
from isactrack.gui.models.room import Placement
from isactrack.gui.models.theme import ColourMap, Theme
from isactrack.gui.qt.card import Card
from isactrack.gui.qt.painting import painted_safely
from isactrack.processing.products import Product


class View(Card):
    """A card that draws snapshots.

    The window hands over the snapshots up to the cursor when it moves; a view does no numerical work of its own beyond
    what its model gives it. What it raises is shown as a toast and disables this view alone.

    Parameters
    ----------
    theme
        Colours.
    legend
        What stands at the right of the title.
    """

    name: ClassVar[str] = ""
    """Name in the program, in layouts and in the list of shortcuts."""
    title: ClassVar[str] = ""
    """Name for people."""
    history_length: ClassVar[int] = 1
    """Snapshots that `show_snapshots` wants at most."""
    through_gaps: ClassVar[bool] = False
    """Whether these may reach back beyond where the device was lost, see `Timeline.history`."""
    products: ClassVar[frozenset[Product]] = frozenset()
    """What the pipeline has to make besides while the view is seen."""

    pointed = Signal(str)
    """What lies under the pointer."""
    track_picked = Signal(object)
    """The user has picked a track: its id, None for none."""
    seek_requested = Signal(object)
    """The user wants to see a moment of the host's monotonic clock (ns)."""

    def __init__(self, theme: Theme, legend: QWidget) -> None:
        super().__init__(self.title, legend)
        self.theme = theme

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        if "paintEvent" in vars(cls):
            cls.paintEvent = painted_safely(cls.paintEvent)  # type: ignore[method-assign]

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last of some snapshots, at least one; those before it are what led there."""
        raise NotImplementedError

    def empty_text(self) -> str:
        """Return why there is nothing to see, and what would change that; empty if there is something."""
        return ""

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""

    def frame(self) -> None:
        """Show again all that is of interest, after the user has zoomed or moved."""

    def set_trails(self, visible: bool) -> None:
        """Show or hide the trails of the tracks."""

    def set_past(self, visible: bool) -> None:
        """Show or hide the detections of former snapshots."""

    def set_ids(self, visible: bool) -> None:
        """Show or hide the ids of the tracks."""

    def set_colour_map(self, colour_map: ColourMap) -> None:
        """Take a colour map, if there is a map."""

    def set_reach(self, reach_m: float, range_max_m: float) -> None:
        """Show what is within a range (m) of the receiver, of all that the sensor can see; called for each snapshot."""

    def set_placement(self, placement: Placement) -> None:
        """Take where the sensor stands, and what is around it."""

    def set_clock(self, zero_host_ns: int | None) -> None:
        """Take where on the host's clock (ns) time 0 of what is shown is, None if unknown; called for each snapshot."""

    def fit_levels(self) -> None:
        """Fit the levels of the colour map to what is shown, once."""

    def pick_track(self, track_id: int | None) -> None:
        """Show that a track was picked in another view, None for none; nothing is emitted."""

    def take_events(self, events: Iterable[Event]) -> None:
        """Take events that are new, also while the view is not seen."""

    def forget_run(self) -> None:
        """Forget everything of the run so far: another source is shown."""

    def take_over(self, former: "View") -> None:
        """Go on as the view of the same kind did that this one replaces: where the user has zoomed, levels."""
