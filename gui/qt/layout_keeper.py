"""What the user does with layouts: choose, save, delete, reset; and the one that is found again the next day."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from isactrack.errors import ConfigError, IsacError, RecordingError
from isactrack.gui.models.layouts import BUILT_IN, BuiltInLayout, LayoutStore, SavedLayout, built_in
from isactrack.gui.qt.docks import DockArea


class LayoutKeeper(QObject):
    """Arranges the docks.

    Parameters
    ----------
    areas
        Returns the docks of each sensor, those of the active one first.
    health
        Switch of the health panel, which is part of a layout.
    store
        Layouts that were saved.
    report
        Called with what went wrong.
    chosen
        Called with the name of a layout that is shown from now on.
    window
        Parent of the dialogs.
    """

    def __init__(
        self,
        areas: Callable[[], Sequence[DockArea]],
        health: QAction,
        store: LayoutStore,
        report: Callable[[IsacError], None],
        chosen: Callable[[str], None],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._areas = areas
        self._alone: SavedLayout | None = None
        self._health = health
        self._store = store
        self._report = report
        self._chosen = chosen
        self._window = window
        self.current = BUILT_IN[0].name

    def start(self, name: str) -> None:
        """Show the layout as the window was left, else the one of that name, else the first that is built in."""
        last = self._store.load_last()
        if last is not None and self._restore(last):
            self.current = name
        else:
            self.show_layout(name)

    def show_layout(self, name: str) -> None:
        """Show a layout, built in or saved; the first that is built in if there is no such."""
        layout = built_in(name)
        saved = None if layout is not None else self._store.load(name)
        if saved is None or not self._restore(saved):
            layout = layout or BUILT_IN[0]
            self._apply(layout)
            self._health.setChecked(layout.health)
            name = layout.name
        self.current = name
        self._chosen(name)

    def hold(self) -> None:
        """Remember how the views of one sensor stand, before another one takes half of their room."""
        if len(self._areas()) == 1:
            # What was never shown has no sizes yet that could be remembered.
            known = self._areas()[0].isVisible() or built_in(self.current) is None
            self._alone = self._now() if known else None

    def share_room(self) -> None:
        """Put the views of several sensors below one another, and those of one as they were before."""
        health, alone = self._health.isChecked(), self._alone
        if len(self._areas()) > 1 or alone is None:
            self._apply(built_in(self.current) or BUILT_IN[0])
        else:
            self._alone = None
            self._restore(alone)
            self._health.setChecked(health)

    def reset(self) -> None:
        """Show the layout as it was before anything was moved, if it is built in, else the first one."""
        self.show_layout(self.current if built_in(self.current) is not None else BUILT_IN[0].name)

    def save_as(self) -> None:
        """Ask for a name and save the layout."""
        own = "" if built_in(self.current) is not None else self.current
        name, wanted = QInputDialog.getText(self._window, "Save the layout", "Name of the layout", text=own)
        if wanted:
            self.save(name.strip())

    def save(self, name: str) -> None:
        """Save the layout under a name; what is wrong with it is reported."""
        try:
            saved = self._store.save(name, self._now())
        except ConfigError as error:
            self._report(error)
            return
        if saved:
            self.current = name
            self._chosen(name)

    def delete_one(self) -> None:
        """Ask which layout and delete it."""
        names = self._store.names()
        if not names:
            self._report(ConfigError("there is no saved layout to delete", "those that are built in stay"))
            return
        name, wanted = QInputDialog.getItem(self._window, "Delete a layout", "Layout", names, 0, editable=False)
        if wanted:
            self._store.delete(name)

    def keep(self) -> None:
        """Keep the layout for the next time."""
        self._store.save_last(self._alone or self._now())

    def fill(self, menu: QMenu, former: list[QAction]) -> list[QAction]:
        """Put the saved layouts at the end of a menu, in place of former ones; return their actions."""
        for action in former:
            menu.removeAction(action)
            action.deleteLater()
        made = []
        for name in self._store.names():
            action = QAction(f"Layout: {name}", menu)
            action.setCheckable(True)
            action.setChecked(name == self.current)
            action.triggered.connect(lambda _on, name=name: self.show_layout(name))
            menu.addAction(action)
            made.append(action)
        return made

    def _now(self) -> SavedLayout:
        return self._areas()[0].save(health=self._health.isChecked())

    def _apply(self, layout: BuiltInLayout) -> None:
        areas = self._areas()
        for area in areas:
            area.apply(layout, stacked=len(areas) > 1)

    def _restore(self, saved: SavedLayout) -> bool:
        try:
            for area in self._areas():
                area.restore(saved)
        except RecordingError as error:
            self._report(error)
            return False
        self._health.setChecked(saved.health)
        return True
