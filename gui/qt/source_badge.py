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
        self._banner: Banner | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setVisible(False)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        banner, self._theme, self._banner = self._banner, theme, None
        if banner is not None:
            self.show_banner(banner)

    def show_banner(self, banner: Banner | None) -> None:
        """Show a banner; nothing as long as it is not known."""
        if self._banner == banner:
            return
        self._banner = banner
        if banner is None:
            self.hide()
            return
        colour = self._theme.simulated if banner.simulated else self._theme.ok
        self.setText(banner.text)
        self.setStyleSheet(
            f"color: {self._theme.window}; background: {colour}; border-radius: 4px; padding: 3px 10px;"
            "font-weight: 700; font-size: 9pt;"
        )
        self.setVisible(True)
