"""Layouts of the window: those that are built in, and those that the user has saved."""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isactrack.errors import ConfigError, IsacError, RecordingError
from isactrack.gui.models.ui_files import load_document, save_document, take
from isactrack.gui.models.views import Place, ViewEntry

SCHEMA = "isactrack-viewer-layout"
VERSION = 1
_MAX_STATE_BYTES = 100_000
_NAME = re.compile(r"\w[\w ()+.-]{0,39}")
_PREFIX = "layout-"
_COLUMNS = ((Place.TOP_LEFT, Place.BOTTOM_LEFT), (Place.TOP_RIGHT, Place.BOTTOM_RIGHT))


@dataclass(frozen=True, slots=True)
class BuiltInLayout:
    """A layout that follows from the list of views.

    Attributes
    ----------
    name
        Name for people.
    left_share, top_share
        Share of the width that the left column takes, and of the height that the upper cells take.
    health
        Whether the health panel is shown.
    whole
        Whether every view is shown, not only those that name this layout.
    places
        Names of views that stand elsewhere than in the other layouts, and where.
    """

    name: str
    left_share: float
    top_share: float
    health: bool
    whole: bool = False
    places: tuple[tuple[str, Place], ...] = ()

    def shows(self, entry: ViewEntry) -> bool:
        """Return whether a view is shown."""
        return self.whole or self.name in entry.layouts

    def place_of(self, entry: ViewEntry) -> Place:
        """Return where a view stands."""
        return dict(self.places).get(entry.name, entry.place)


BUILT_IN = (
    BuiltInLayout("Capture", 0.44, 0.64, health=True),
    BuiltInLayout(
        "Tracking", 0.64, 0.52, health=False,
        places=(("plan", Place.TOP_LEFT), ("tracks", Place.TOP_RIGHT), ("micro_doppler", Place.BOTTOM_RIGHT)),
    ),
    BuiltInLayout("Debug", 0.45, 0.55, health=True, whole=True),
)  # fmt: skip


def built_in(name: str) -> BuiltInLayout | None:
    """Return the built-in layout of that name, None if there is none."""
    return next((layout for layout in BUILT_IN if layout.name == name), None)


def arrange(entries: Sequence[ViewEntry], layout: BuiltInLayout) -> list[list[list[str]]]:
    """Return columns from left to right, their cells from top to bottom, and in each the names of its tabs."""
    columns = []
    for places in _COLUMNS:
        cells = [[entry.name for entry in entries if layout.place_of(entry) is place] for place in places]
        if any(cells):
            columns.append([cell for cell in cells if cell])
    return columns


@dataclass(frozen=True, slots=True)
class SavedLayout:
    """A layout as the user has left it.

    Attributes
    ----------
    views
        Names of the views that are shown. A view that came later is not in it and stays hidden.
    health
        Whether the health panel is shown.
    state
        Qt's description of docks, sizes and tabs.
    """

    views: tuple[str, ...]
    health: bool
    state: bytes

    def to_document(self) -> dict[str, object]:
        """Return the layout as JSON types."""
        return {
            "views": list(self.views),
            "health": self.health,
            "state": base64.b64encode(self.state).decode("ascii"),
            "crc32": zlib.crc32(self.state),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "SavedLayout":
        """Return the layout of JSON types.

        Raises
        ------
        RecordingError
            If something is missing, of the wrong type or damaged.
        """
        views = take(document, "views", list)
        if not all(isinstance(name, str) for name in views):
            raise RecordingError("'views' is not a list of names")
        try:
            state = base64.b64decode(take(document, "state", str), validate=True)
        except (binascii.Error, ValueError) as error:
            raise RecordingError(f"'state' is not base64: {error}") from error
        # Qt reads the state without much doubt, and crashes on some damaged ones: these must not get there.
        if len(state) > _MAX_STATE_BYTES or zlib.crc32(state) != take(document, "crc32", int):
            raise RecordingError("'state' is damaged: its checksum does not fit")
        return cls(tuple(views), take(document, "health", bool), state)


class LayoutStore:
    """The layouts of the user, one file each; what cannot be read is set aside and reported.

    Parameters
    ----------
    folder
        Folder of the viewer's files; None keeps nothing.
    report
        Called with what went wrong.
    """

    def __init__(self, folder: Path | None, report: Callable[[IsacError], None]) -> None:
        self._folder = folder
        self._report = report

    def names(self) -> list[str]:
        """Return the names of the layouts that were saved, in order."""
        if self._folder is None:
            return []
        stems = [path.stem.removeprefix(_PREFIX) for path in self._folder.glob(f"{_PREFIX}*.json")]
        return sorted(name for name in stems if _NAME.fullmatch(name) and built_in(name) is None)

    def load(self, name: str) -> SavedLayout | None:
        """Return the layout of that name, None if there is none that can be read."""
        return self._load(self._path(name))

    def save(self, name: str, layout: SavedLayout) -> bool:
        """Save a layout under a name that the user chose, over what was there; return whether it worked.

        Raises
        ------
        ConfigError
            If the name cannot be one.
        """
        check_name(name)
        return self._save(self._path(name), layout)

    def delete(self, name: str) -> None:
        """Forget the layout of that name."""
        path = self._path(name)
        try:
            if path is not None:
                path.unlink(missing_ok=True)
        except OSError as error:
            self._report(RecordingError(f"the layout {name!r} cannot be deleted: {error}", "is it write-protected?"))

    def load_last(self) -> SavedLayout | None:
        """Return the layout as the window was left, None if there is none that can be read."""
        return self._load(None if self._folder is None else self._folder / "last.json")

    def save_last(self, layout: SavedLayout) -> None:
        """Keep the layout as the window is left."""
        self._save(None if self._folder is None else self._folder / "last.json", layout)

    def _path(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{_PREFIX}{name}.json"

    def _load(self, path: Path | None) -> SavedLayout | None:
        return load_document(path, SCHEMA, VERSION, SavedLayout.from_document, self._report)

    def _save(self, path: Path | None, layout: SavedLayout) -> bool:
        return save_document(path, SCHEMA, VERSION, layout.to_document(), self._report)


def check_name(name: str) -> None:
    """Complain about a name that a layout of the user cannot have.

    Raises
    ------
    ConfigError
        If it is one of the built-in names or no name for a file.
    """
    if any(name.casefold() == layout.name.casefold() for layout in BUILT_IN):
        raise ConfigError(f"the layout {name!r} is built in", "choose another name")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a layout cannot be called {name!r}", "take up to 40 letters, digits, spaces and - + . ( ), a letter first"
        )
