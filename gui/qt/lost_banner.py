"""A strip over the views that says that the device is lost, as long as it is."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout

from isactrack.gui.models.theme import Theme


class LostBanner(QFrame):
    """Says why nothing comes, what is tried, and what to do."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("lost")
        self._title = _label()
        self._hint = _label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 7, 14, 7)
        layout.setSpacing(2)
        layout.addWidget(self._title)
        layout.addWidget(self._hint)
        self.set_theme(theme)
        self.hide()

    @property
    def text(self) -> str:
        """What it says; empty while it is hidden."""
        return "" if self.isHidden() else f"{self._title.text()} {self._hint.text()}".strip()

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self.setStyleSheet(f"QFrame#lost {{ background: {theme.warn}; border-radius: 6px; }}")
        self._title.setStyleSheet(f"color: {theme.window}; font-weight: 700;")
        self._hint.setStyleSheet(f"color: {theme.window};")

    def show_text(self, title: str, hint: str) -> None:
        """Show what happened and what to do; an empty title hides it."""
        if title:
            self._title.setText(title[0].upper() + title[1:])
            self._hint.setText(hint)
            self._hint.setVisible(bool(hint))
        self.setVisible(bool(title))


def _label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
