"""A few muted words that say what is shown; the tool-tip has them whole, or says more."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy

from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.style import SMALL_POINT_SIZE

_MARGIN = 12


class Note(QLabel):
    """One line that never asks for more room than it was given: it is cut at its end.

    Parameters
    ----------
    left
        Whether it stands at the left, as below a plot, not at the right, as in a header.
    """

    def __init__(self, *, left: bool = False) -> None:
        super().__init__()
        self._side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        self._margin = _MARGIN if left else 0
        self.setObjectName("muted")
        font = QFont(self.font())
        font.setPointSize(SMALL_POINT_SIZE)
        self.setFont(font)
        self.setTextFormat(Qt.TextFormat.PlainText)
        # The size does not depend on the text, so that no layout moves when a number in it changes.
        self.setFixedHeight(QFontMetrics(font).lineSpacing() + 4)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show a text."""
        self.show_text(text, text)

    def show_text(self, text: str, details: str) -> None:
        """Show a text, and what the tool-tip says."""
        if text != self.text():
            super().setText(text)
        if details != self.toolTip():
            self.setToolTip(details)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return that a few letters are enough."""
        return QSize(20, self.height())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the same."""
        return self.minimumSizeHint()

    @painted_safely
    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw what there is room for."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        room = self.rect().adjusted(self._margin, 0, -self._margin, 0)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, self._side | Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()
