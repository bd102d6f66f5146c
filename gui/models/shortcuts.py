"""The one list of what can be done by key: menus, tool-tips and the help overlay are made from it."""

from dataclasses import dataclass


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
    Command("snapshot", "File", "Save the window as PNG", ("Ctrl+S",)),
    Command("quit", "File", "Close the viewer", ("Ctrl+Q",)),
    Command("play", "Playback", "Play or pause; live: freeze the display, never the recording", ("Space",)),
    Command("step_back", "Playback", "One frame back", ("Left",)),
    Command("step_forward", "Playback", "One frame forward", ("Right",)),
    Command("second_back", "Playback", "One second back", ("Shift+Left",)),
    Command("second_forward", "Playback", "One second forward", ("Shift+Right",)),
    Command("start", "Playback", "To the start", ("Home",)),
    Command("end", "Playback", "To the end, or the live edge", ("End",)),
    Command("live", "Playback", "Follow the newest frame", ("L",)),
    Command("auto_levels", "View", "Fit the colour levels to this frame, once", ("A",)),
    Command("fit", "View", "Show the range in which something is seen", ("F",)),
    Command("whole", "View", "Show the whole range of the sensor", ("Ctrl+0",)),
    Command("trails", "View", "Trails", ("T",), checkable=True),
    Command("ids", "View", "Track ids", ("I",), checkable=True),
    Command("grid", "View", "Grid and range rings", ("G",), checkable=True),
    Command("health", "View", "Health panel", ("H",), checkable=True),
    Command("full_screen", "View", "Full screen", ("F11",), checkable=True),
    Command("help", "Help", "Show the keys", ("F1", "?")),
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
