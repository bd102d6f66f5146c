"""Colours of the viewer, dark for long days and light for papers, and of its maps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as ``"#rrggbb"``: surfaces, text, lines, and what needs attention."""

    light: bool
    window: str
    panel: str
    plot: str
    raised: str
    text: str
    muted: str
    line: str
    grid: str
    accent: str
    wedge: str
    ok: str
    warn: str
    bad: str
    simulated: str


DARK = Theme(
    light=False, window="#171a1e", panel="#1d2126", plot="#111417", raised="#282d34", text="#d9dee4", muted="#8b949e",
    line="#2d333a", grid="#3a424b", accent="#4c9fd1", wedge="#1a2026", ok="#69b98a", warn="#e3aa3c", bad="#ed6d61",
    simulated="#e3aa3c",
)  # fmt: skip
LIGHT = Theme(
    light=True, window="#f3f4f6", panel="#ffffff", plot="#ffffff", raised="#e7eaed", text="#1f252b", muted="#5f6973",
    line="#d3d8dd", grid="#c3c9cf", accent="#1d6aa1", wedge="#f3f6f9", ok="#1f7341", warn="#8e5a00", bad="#bd3325",
    simulated="#8e5a00",
)  # fmt: skip

THEMES = {"dark": DARK, "light": LIGHT}
"""Themes by their names in the settings."""


def other_theme(theme: Theme) -> str:
    """Return the name of the theme that this one is not."""
    return "dark" if theme.light else "light"


@dataclass(frozen=True, slots=True)
class ColourMap:
    """A colour map whose lightness rises or falls evenly, so that it can be read with any colour vision.

    Attributes
    ----------
    name
        Name in pyqtgraph.
    title
        Name for people.
    light_ground
        Whether low levels are light: what is marked on it must be dark.
    """

    name: str
    title: str
    light_ground: bool = False


COLOUR_MAPS = (
    ColourMap("viridis", "Viridis"),
    ColourMap("cividis", "Cividis"),
    ColourMap("CET-CBL2", "CET-CBL2, black to yellow"),
    ColourMap("CET-L17", "CET-L17, white to blue", light_ground=True),
)


def colour_map(name: str) -> ColourMap:
    """Return the colour map of that name."""
    return next(entry for entry in COLOUR_MAPS if entry.name == name)


def next_colour_map(name: str) -> str:
    """Return the name of the colour map after that one; after the last comes the first."""
    names = [entry.name for entry in COLOUR_MAPS]
    return names[(names.index(name) + 1) % len(names)]
