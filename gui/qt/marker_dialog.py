"""A line for the note of a marker that is set already: it holds nothing up."""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QWidget

_WIDTH = 420
_MARGIN = 12
_MAX_TEXT = 200


class MarkerNote(QFrame):
    """Asks in the lower left corner of a widget what a marker means.

    Enter keeps the note, Escape leaves the marker without one, and so does a further marker that comes before an
    answer; what was typed by then is kept.

    Parameters
    ----------
    covered
        The widget whose corner it covers; must be in the window.
    window
        The window.
    """

    noted = Signal(str, str)
    """The name of the marker and its note."""

    def __init__(self, covered: QWidget, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("toast")
        self._covered = covered
        self._window = window
        self._marker = ""
        self._title = QLabel()
        self._title.setObjectName("title")
        self.line = QLineEdit()
        self.line.setMaxLength(_MAX_TEXT)
        self.line.setPlaceholderText("what happened? Enter keeps it, Escape leaves it out")
        self.line.setAccessibleName("Note of the marker")
        self.line.returnPressed.connect(self.keep)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 10, 8)
        layout.setSpacing(10)
        layout.addWidget(self._title)
        layout.addWidget(self.line, 1)
        self.setFixedWidth(_WIDTH)
        self.hide()
        for watched in (window, covered):
            watched.installEventFilter(self)

    def ask(self, marker: str, when: str) -> None:
        """Ask for the note of a marker.

        Parameters
        ----------
        marker
            Its name.
        when
            When it was set, for people.
        """
        if self.isVisible():
            self.keep()
        self._marker = marker
        self._title.setText(f"{marker} at {when}")
        self.line.clear()
        self._place()
        self.show()
        self.raise_()
        self.line.setFocus()

    def keep(self) -> None:
        """Hand on what was typed, if anything, and go."""
        note = " ".join(self.line.text().split())
        self.leave()
        if note:
            self.noted.emit(self._marker, note)

    def leave(self) -> None:
        """Go."""
        self._window.setFocus()  # else the keys would go to whatever comes next
        self.hide()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Leave with Escape."""
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay in the corner."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show):
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        corner = self._covered.mapTo(self._window, self._covered.rect().bottomLeft())
        height = self.sizeHint().height()
        self.setGeometry(corner.x() + _MARGIN, corner.y() - height - _MARGIN, _WIDTH, height)
