"""What the window shows while there is nothing to see: why, and what to do."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from isactrack.errors import IsacError
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.error_box import ErrorBox

_WIDTH, _MIN_WIDTH = 560, 220


class EmptyPage(QFrame):
    """Title and explanation in the middle of the window."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("card")
        self.title = QLabel()
        self.title.setObjectName("headline")
        self.text = QLabel()
        self.text.setObjectName("muted")
        self.error_box = ErrorBox(theme, show_message=False)
        column = QWidget()
        column.setMinimumWidth(_MIN_WIDTH)
        column.setMaximumWidth(_WIDTH)
        layout = QVBoxLayout(column)
        layout.setSpacing(14)
        layout.addStretch(2)
        for label in (self.title, self.text):
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        layout.addSpacing(6)
        layout.addWidget(self.error_box)
        layout.addStretch(3)
        outer = QHBoxLayout(self)
        outer.addStretch(1)
        outer.addWidget(column, 1000)  # as wide as it may be
        outer.addStretch(1)

    def show_text(self, title: str, text: str, error: IsacError | None, url: str) -> None:
        """Show why there is nothing, and the error's hint if there is one."""
        self.title.setText(title)
        self.text.setText(text)
        self.error_box.show_error(error, url)
