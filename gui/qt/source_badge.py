"""What the samples are, in a badge that is always shown."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from isactrack.gui.models.health_text import Banner
from isactrack.gui.models.theme import Theme


class SourceBadge(QLabel):
    """SIMULATED, REPLAY OF SIMULATED, HARDWARE ...; amber for everything that was never measured."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setVisible(False)

    def show_banner(self, banner: Banner) -> None:
        """Show a banner."""
        if self.text() == banner.text:
            return
        colour = self._theme.simulated if banner.simulated else self._theme.ok
        self.setText(banner.text)
        self.setStyleSheet(
            f"color: {self._theme.window}; background: {colour}; border-radius: 4px; padding: 3px 10px;"
            "font-weight: 700; font-size: 9pt;"
        )
        self.setVisible(True)
