"""A widget that gives way to the reason why it has nothing to show."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedWidget, QVBoxLayout, QWidget


class Explained(QStackedWidget):
    """Shows its content, or a text while there is one.

    Parameters
    ----------
    content
        What is shown while there is something to see.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self._text = QLabel()
        self._text.setObjectName("muted")
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(24, 12, 24, 12)
        layout.addWidget(self._text)
        self._page = page
        self.addWidget(content)
        self.addWidget(page)

    @property
    def text(self) -> str:
        """What is shown in the place of the content; empty if that is shown."""
        return self._text.text() if self.currentWidget() is self._page else ""

    def explain(self, text: str) -> None:
        """Show a text in the place of the content; empty shows the content."""
        if text != self._text.text():
            self._text.setText(text)
        self.setCurrentWidget(self._page if text else self._content)
