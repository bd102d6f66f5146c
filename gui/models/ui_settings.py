"""What the viewer remembers from one day to the next, and where its window may stand."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from isactrack.errors import IsacError, RecordingError
from isactrack.gui.models.layouts import BUILT_IN
from isactrack.gui.models.theme import COLOUR_MAPS, THEMES
from isactrack.gui.models.ui_files import load_document, save_document, take

SCHEMA = "isactrack-viewer-settings"
VERSION = 1
Rectangle = tuple[int, int, int, int]
"""Left, top, width and height, pixels."""
_MIN_WIDTH, _MIN_HEIGHT = 400, 300
_GRIP_WIDTH, _GRIP_HEIGHT = 120, 30
_MAX_TEXT = 1000
_MAX_PIXELS = 100_000


@dataclass(frozen=True, slots=True)
class UiSettings:
    """Settings of the viewer.

    Attributes
    ----------
    theme
        Name of the theme, see `isactrack.gui.models.theme.THEMES`.
    colour_map
        Name of the colour map, see `isactrack.gui.models.theme.COLOUR_MAPS`.
    layout
        Name of the layout that was chosen last.
    last_folder
        Folder of the file that was saved last; empty for none.
    trails, ids, grid, past
        What the views show.
    geometry
        The window when it is not maximised; None if it was never placed.
    maximised
        Whether the window fills the screen.
    """

    theme: str = "dark"
    colour_map: str = COLOUR_MAPS[0].name
    layout: str = BUILT_IN[0].name
    last_folder: str = ""
    trails: bool = True
    ids: bool = True
    grid: bool = True
    geometry: Rectangle | None = None
    maximised: bool = False
    past: bool = False

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "UiSettings":
        """Return the settings of JSON types.

        Raises
        ------
        RecordingError
            If something is missing, unknown, of the wrong type or out of its range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(document) - known - {"schema", "version"}):
            raise RecordingError(f"there is no setting {unknown[0]!r}")
        return cls(
            theme=_one_of(document, "theme", THEMES),
            colour_map=_one_of(document, "colour_map", [entry.name for entry in COLOUR_MAPS]),
            layout=_text(document, "layout"),
            last_folder=_text(document, "last_folder"),
            trails=take(document, "trails", bool),
            ids=take(document, "ids", bool),
            grid=take(document, "grid", bool),
            past="past" in document and take(document, "past", bool),  # files of earlier viewers are without it
            geometry=_geometry(document.get("geometry")),
            maximised=take(document, "maximised", bool),
        )


class SettingsStore:
    """The file of the settings; one that cannot be read is set aside and reported.

    Parameters
    ----------
    folder
        Folder of the viewer's files; None keeps nothing.
    report
        Called with what went wrong.
    """

    def __init__(self, folder: Path | None, report: Callable[[IsacError], None]) -> None:
        self._path = None if folder is None else folder / "settings.json"
        self._report = report

    def load(self) -> UiSettings:
        """Return the settings, those that are built in if none can be read."""
        return load_document(self._path, SCHEMA, VERSION, UiSettings.from_document, self._report) or UiSettings()

    def save(self, settings: UiSettings) -> None:
        """Keep the settings."""
        save_document(self._path, SCHEMA, VERSION, asdict(settings), self._report)


def reset(folder: Path) -> None:
    """Forget settings, window and last layout; layouts that the user has saved stay.

    Raises
    ------
    RecordingError
        If a file cannot be removed.
    """
    for name in ("settings.json", "last.json"):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise RecordingError(
                f"{folder / name} cannot be removed: {error.strerror or error}", "remove it yourself"
            ) from error


def can_be_reached(geometry: Rectangle, screens: Sequence[Rectangle]) -> bool:
    """Return whether enough of the top of a window lies on a screen to be seen and moved.

    Parameters
    ----------
    geometry
        The window.
    screens
        What of each screen is free for windows.
    """
    left, top, width, height = geometry
    if width < _MIN_WIDTH or height < _MIN_HEIGHT:
        return False
    for x, y, screen_width, screen_height in screens:
        across = min(left + width, x + screen_width) - max(left, x)
        if across >= _GRIP_WIDTH and y <= top <= y + screen_height - _GRIP_HEIGHT:
            return True
    return False


def _one_of(document: Mapping[str, object], key: str, known: Collection[str]) -> str:
    value = take(document, key, str)
    if value not in known:
        raise RecordingError(f"there is no {key.replace('_', ' ')} {value[:50]!r}")
    return value


def _text(document: Mapping[str, object], key: str) -> str:
    value = take(document, key, str)
    if len(value) > _MAX_TEXT:
        raise RecordingError(f"{key!r} is longer than {_MAX_TEXT} characters")
    return value


def _geometry(value: object) -> Rectangle | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4:
        raise RecordingError("'geometry' is not four numbers")
    left, top, width, height = value
    for number in value:
        if type(number) is not int or abs(number) > _MAX_PIXELS:
            raise RecordingError("'geometry' is not four whole numbers of pixels")
    return left, top, width, height
