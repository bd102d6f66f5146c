"""The one list of views: the window's docks, their keys and the layouts are made from it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Place(StrEnum):
    """Where a view stands in the layouts that are built in; views of one place are tabs."""

    TOP_LEFT = "top left"
    BOTTOM_LEFT = "bottom left"
    TOP_RIGHT = "top right"
    BOTTOM_RIGHT = "bottom right"


@dataclass(frozen=True, slots=True)
class ViewEntry:
    """A view that the window can dock.

    Attributes
    ----------
    name
        Name in the program and in saved layouts.
    title
        Name for people.
    factory
        Where the view comes from, as ``"package.module:Class"``; called with the theme, it gives a
        `isactrack.gui.qt.view.View`. It is text so that this list needs no Qt, and so that a view that cannot even be
        imported fails alone.
    place
        Where it stands.
    key
        Key that shows it.
    layouts
        Built-in layouts that show it; ``"Debug"`` shows all.
    """

    name: str
    title: str
    factory: str
    place: Place
    key: str
    layouts: tuple[str, ...] = ()

    def load(self) -> Callable[..., Any]:
        """Return what makes the view; fails with whatever its module raises."""
        module, _, name = self.factory.partition(":")
        made: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return made


VIEWS = (
    ViewEntry("map", "Map", "isactrack.gui.qt.map_view:MapView", Place.TOP_LEFT, "1", ("Capture",)),
    ViewEntry("plan", "Plan", "isactrack.gui.qt.plan_view:PlanView", Place.TOP_RIGHT, "2", ("Capture", "Tracking")),
    ViewEntry(
        "range_azimuth", "Range–azimuth", "isactrack.gui.qt.range_azimuth_view:RangeAzimuthView", Place.TOP_LEFT, "3"
    ),
    ViewEntry(
        "range_time", "Range over time", "isactrack.gui.qt.range_time_view:RangeTimeView", Place.BOTTOM_LEFT, "4",
        ("Capture",),
    ),
    ViewEntry("impulse", "Impulse response", "isactrack.gui.qt.impulse_view:ImpulseView", Place.BOTTOM_LEFT, "5"),
    ViewEntry(
        "micro_doppler", "Micro-Doppler", "isactrack.gui.qt.micro_doppler_view:MicroDopplerView", Place.BOTTOM_LEFT,
        "6", ("Tracking",),
    ),
    ViewEntry(
        "tracks", "Tracks", "isactrack.gui.qt.track_table_view:TrackTableView", Place.BOTTOM_RIGHT, "7", ("Tracking",)
    ),
    ViewEntry(
        "events", "Events", "isactrack.gui.qt.event_log_view:EventLogView", Place.BOTTOM_RIGHT, "8", ("Capture",)
    ),
)  # fmt: skip
