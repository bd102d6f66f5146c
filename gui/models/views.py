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
)
