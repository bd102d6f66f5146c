"""The one list of what can be done by key: menus, tool-tips, the help overlay and the docs are made from it."""

from dataclasses import dataclass
from itertools import combinations, pairwise

from isactrack.gui.models.arrangement import TEXTS, Arrangement
from isactrack.gui.models.layouts import BUILT_IN
from isactrack.gui.models.views import VIEWS


@dataclass(frozen=True, slots=True)
class Command:
    """Something the user can do.

    Attributes
    ----------
    name
        Name in the program.
    menu
        Menu and section of the help overlay.
    text
        What it does, for people.
    keys
        Key sequences in Qt's portable text.
    checkable
        Whether it switches something on and off.
    """

    name: str
    menu: str
    text: str
    keys: tuple[str, ...]
    checkable: bool = False

    @property
    def tool_tip(self) -> str:
        """What it does, and its keys."""
        return f"{self.text} ({', '.join(self.keys)})"


COMMANDS = (
    Command("connect", "File", "Open a device, or a URL", ("Ctrl+N",)),
    Command("open", "File", "Open a recording", ("Ctrl+O",)),
    Command("snapshot", "File", "Save the window as PNG", ("Ctrl+S",)),
    Command("export", "File", "Export pictures, tracks, a film or a part", ("Ctrl+E",)),
    Command("quit", "File", "Close the viewer", ("Ctrl+Q",)),
    Command("play", "Playback", "Play or pause; live: freeze the display, never the recording", ("Space",)),
    Command("step_back", "Playback", "One frame back", ("Left",)),
    Command("step_forward", "Playback", "One frame forward", ("Right",)),
    Command("second_back", "Playback", "One second back", ("Shift+Left",)),
    Command("second_forward", "Playback", "One second forward", ("Shift+Right",)),
    Command("previous_marker", "Playback", "To the marker before", (",",)),
    Command("next_marker", "Playback", "To the next marker", (".",)),
    Command("start", "Playback", "To the start", ("Home",)),
    Command("end", "Playback", "To the end, or the live edge", ("End",)),
    Command("live", "Playback", "Follow the newest frame", ("L",)),
    Command("loop", "Playback", "Begin a file again at its end", ("Ctrl+L",), checkable=True),
    Command("slower", "Playback", "Play a file more slowly", ("[",)),
    Command("faster", "Playback", "Play a file faster", ("]",)),
    Command("record", "Record", "Start or stop the recording of a device", ("R",)),
    Command("marker", "Record", "Marker into the recording, then its note", ("M",)),
    Command("record_path", "Record", "File of the next recording", ("Shift+R",)),
    Command("auto_levels", "View", "Fit the colour levels to this frame, once", ("A",)),
    Command("fit", "View", "Show the range in which something is seen", ("F",)),
    Command("whole", "View", "Show the whole range of the sensor", ("Ctrl+0",)),
    Command("trails", "View", "Trails", ("T",), checkable=True),
    Command("ids", "View", "Track ids", ("I",), checkable=True),
    Command("grid", "View", "Grid and range rings", ("G",), checkable=True),
    Command("past", "View", "Detections of the last seconds", ("D",), checkable=True),
    Command("health", "View", "Health panel", ("H",), checkable=True),
    Command("tuning", "View", "Settings of chain and tracker", ("U",), checkable=True),
    Command("colour_map", "View", "Next colour map", ("C",)),
    Command("theme", "View", "Dark or light colours", ("Ctrl+Shift+T",)),
    Command("full_screen", "View", "Full screen", ("F11",), checkable=True),
    Command("add_sensor", "Sensors", "Add a sensor beside what is shown", ("Ctrl+Shift+N",)),
    Command("remove_sensor", "Sensors", "Take the active sensor out", ("Ctrl+Shift+W",)),
    Command("next_sensor", "Sensors", "Make the next sensor the active one", ("N",)),
    *(
        Command(f"arrange_{arrangement.value}", "Sensors", TEXTS[arrangement], (f"Alt+{number}",), checkable=True)
        for number, arrangement in enumerate(Arrangement, start=1)
    ),
    *(Command(f"view_{view.name}", "Window", f"View: {view.title}", (view.key,)) for view in VIEWS),
    Command("retry", "Window", "Retry the views that have failed", ("Ctrl+R",)),
    *(
        Command(f"layout_{layout.name}", "Layout", f"Layout: {layout.name}", (f"Ctrl+{number}",))
        for number, layout in enumerate(BUILT_IN, start=1)
    ),
    Command("save_layout", "Layout", "Save the layout under a name", ("Ctrl+Shift+S",)),
    Command("delete_layout", "Layout", "Delete a saved layout", ("Ctrl+Shift+D",)),
    Command("reset_layout", "Layout", "Reset the layout", ("Ctrl+Shift+R",)),
    Command("help", "Help", "Show the keys", ("F1", "?")),
    Command("dismiss", "Help", "Dismiss the newest message", ("Backspace",)),
    Command("dismiss_all", "Help", "Dismiss all messages", ("Shift+Backspace",)),
    Command("copy_details", "Help", "Copy the newest error's details", ("Ctrl+Shift+C",)),
)


def command(name: str) -> Command:
    """Return the command of that name."""
    return next(c for c in COMMANDS if c.name == name)


def by_menu() -> dict[str, list[Command]]:
    """Return the commands menu by menu, in order."""
    menus: dict[str, list[Command]] = {}
    for entry in COMMANDS:
        menus.setdefault(entry.menu, []).append(entry)
    return menus


def in_columns(count: int) -> list[list[str]]:
    """Return the names of the menus, in order, in so many columns that the longest is as short as can be."""
    menus = by_menu()
    names, heights = list(menus), [len(commands) + 1 for commands in menus.values()]

    def cut(ends: tuple[int, ...]) -> list[tuple[int, int]]:
        return list(pairwise((0, *ends, len(names))))

    every = (cut(ends) for ends in combinations(range(1, len(names)), count - 1))
    best = min(every, key=lambda spans: max(sum(heights[low:high]) for low, high in spans))
    return [names[low:high] for low, high in best]


def markdown_table() -> str:
    """Return the commands as the table of the docs: menu, keys, and what they do."""
    lines = ["| menu | keys | what it does |", "|---|---|---|"]
    for menu, commands in by_menu().items():
        for place, entry in enumerate(commands):
            keys = ", ".join(f"`{key}`" for key in entry.keys)
            lines.append(f"| {menu if place == 0 else ''} | {keys} | {entry.text} |")
    return "\n".join(lines)
