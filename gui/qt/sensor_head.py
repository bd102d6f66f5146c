"""The line over the views of a sensor: its mark and name, what is wrong with its picture, and what its samples are."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton

from isactrack.gui.models.arrangement import HeadText
from isactrack.gui.models.room_overlay import SensorStyle
from isactrack.gui.models.shortcuts import command
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.health_panel import ElidedLabel
from isactrack.gui.qt.icons import make_icon
from isactrack.gui.qt.sensor_mark import SensorMark
from isactrack.gui.qt.source_badge import SourceBadge


class SensorHead(QFrame):
    """Names a sensor; a click makes it the active one.

    Parameters
    ----------
    style
        How its marks look in the plan of the room.
    theme
        Colours.
    """

    chosen = Signal()
    """The user wants it to be the active one."""
    removed = Signal()
    """The user wants to take it out."""

    def __init__(self, style: SensorStyle, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("sensor_head")
        self._theme = theme
        self._active: bool | None = None
        self._short = False
        self.mark = SensorMark(style, theme)
        self.name = ElidedLabel("")
        self.active = QLabel("active")
        self.active.setToolTip(f"Health, settings and export are of this sensor ({command('next_sensor').keys[0]})")
        self.state = ElidedLabel("")
        self.state.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.badge = SourceBadge(theme)
        self.remove_button = QToolButton()
        self.remove_button.setIconSize(QSize(14, 14))
        self.remove_button.setToolTip("Take this sensor out")
        self.remove_button.setAccessibleName("Take this sensor out")
        self.remove_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.remove_button.clicked.connect(self.removed)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(8, 3, 4, 3)
        self._layout.setSpacing(8)
        self._layout.addWidget(self.mark)
        self._layout.addWidget(self.active)
        self._layout.addWidget(self.name, 3)
        self._layout.addWidget(self.state, 2)
        self._layout.addWidget(self.badge)
        self._layout.addWidget(self.remove_button)
        self.set_theme(theme)

    def show_text(self, text: HeadText) -> None:
        """Show what is known of the sensor."""
        if self.name.toolTip() != text.name:
            self.name.set_text(text.name)
        if self.state.toolTip() != text.state:
            self.state.set_text(text.state)
        self.state.setVisible(bool(text.state))
        if text.banner is not None and not self._short:
            self.badge.show_banner(text.banner)

    def set_active(self, *, on: bool) -> None:
        """Show whether it is the active one."""
        if on is self._active:
            return
        self._active = on
        self.active.setVisible(on)
        line = self._theme.accent if on else self._theme.line
        self.setStyleSheet(
            f"QFrame#sensor_head {{ background: {self._theme.panel}; border: 1px solid {line};"
            f" border-left: {4 if on else 1}px solid {line}; border-radius: 5px; }}"
        )

    def set_short(self, *, on: bool) -> None:
        """Leave out what stands in another head of this sensor too, so that its name has room."""
        self._short = on
        self.badge.setVisible(not on and bool(self.badge.text()))

    def set_style(self, style: SensorStyle) -> None:
        """Mark the sensor otherwise."""
        self.mark.set_style(style)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.mark.set_theme(theme)
        self.badge.set_theme(theme)
        self.active.setStyleSheet(f"color: {theme.accent}; font-weight: 700;")
        self.state.setStyleSheet(f"color: {theme.warn}; font-weight: 600;")
        self.remove_button.setIcon(make_icon("close", theme.muted, theme.line))
        on, self._active = bool(self._active), None
        self.set_active(on=on)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Make it the active one."""
        self.chosen.emit()
        event.accept()
