"""Notices in which of some widgets the user clicks, whatever in it takes the click."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtWidgets import QWidget


class ClickWatch(QObject):
    """Looks at all clicks of the application while it is switched on.

    Parameters
    ----------
    parts
        Returns the widgets.
    clicked
        Called with the one in which the user has clicked.
    parent
        Owner.
    """

    def __init__(
        self, parts: Callable[[], Sequence[QWidget]], clicked: Callable[[QWidget], object], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._parts = parts
        self._clicked = clicked
        self._on = False

    def switch(self, *, on: bool) -> None:
        """Look from now on, or no longer: all events of the application pass here while it does."""
        app = QCoreApplication.instance()
        if app is None or on is self._on:
            return
        self._on = on
        if on:
            app.installEventFilter(self)
        else:
            app.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Look at an event and let it pass."""
        if event.type() is QEvent.Type.MouseButtonPress and isinstance(watched, QWidget):
            for part in self._parts():
                if part is watched or part.isAncestorOf(watched):
                    self._clicked(part)
                    break
        return False
