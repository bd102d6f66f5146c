"""A few muted words that say what is shown; the tool-tip has them whole."""

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy

from isactrack.gui.qt.painting import painted_safely
from isactrack.gui.qt.style import SMALL_POINT_SIZE

_MARGIN = 12
_FULLNESS = 0.9


class Note(QLabel):
    """Text that never asks for more room than it was given: one line is cut at its end, several are wrapped.

    Parameters
    ----------
    lines
        Lines that there is room for; a single one stands at the right, as in a header.
    """

    def __init__(self, lines: int = 1) -> None:
        super().__init__()
        self._lines = lines
        self.setObjectName("muted")
        font = QFont(self.font())
        font.setPointSize(SMALL_POINT_SIZE)
        self.setFont(font)
        self.setTextFormat(Qt.TextFormat.PlainText)
        # The size does not depend on the text, so that no layout moves when a number in it changes.
        self.setFixedHeight(lines * QFontMetrics(font).lineSpacing() + 4)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show a text."""
        if text != self.text():
            super().setText(text)
            self.setToolTip(text)

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
        if self._lines == 1:
            text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        else:
            room = QRect(_MARGIN, 2, self.width() - 2 * _MARGIN, self._lines * self.fontMetrics().lineSpacing())
            # Lines break at words and are not quite full.
            length = round(_FULLNESS * self._lines * room.width())
            text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, length)
            painter.drawText(room, Qt.TextFlag.TextWordWrap, text)
        painter.end()
