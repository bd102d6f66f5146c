"""An error with its hint and a way to report it."""

from PySide6.QtWidgets import QApplication, QFrame, QLabel, QPushButton, QVBoxLayout

from isactrack.errors import IsacError
from isactrack.gui.models.health_text import error_details
from isactrack.gui.models.theme import Theme


class ErrorBox(QFrame):
    """What happened, what to do next, and a button that copies the details."""

    def __init__(self, theme: Theme, *, show_message: bool = True) -> None:
        super().__init__()
        self.setObjectName("error")
        self.setStyleSheet(f"QFrame#error {{ border: 1px solid {theme.bad}; border-radius: 6px; }}")
        self._details = ""
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setStyleSheet(f"color: {theme.bad}; font-weight: 600;")
        if not show_message:
            self._message.hide()  # to show it before it has a parent would open a window of its own
        self._hint = QLabel()
        self._hint.setWordWrap(True)
        self.copy_button = QPushButton("Copy details")
        self.copy_button.clicked.connect(self._copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addWidget(self._message)
        layout.addWidget(self._hint)
        layout.addWidget(self.copy_button)
        self.setVisible(False)

    def show_error(self, error: IsacError | None, url: str) -> None:
        """Show an error; None hides the box."""
        self.setVisible(error is not None)
        if error is not None:
            self._message.setText(str(error))
            self._hint.setText(error.hint)
            self._hint.setVisible(bool(error.hint))
            self._details = error_details(error, url)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self._details)
        self.copy_button.setText("Copied")
