"""The one bar that moves through time, live or in a file."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QFontMetrics
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from isactrack.gui.models.shortcuts import command
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.timeline import SPEEDS
from isactrack.gui.models.transport import TransportState
from isactrack.gui.qt.icons import SIZE, make_icon
from isactrack.gui.qt.seek_bar import SeekBar

_STEPS = ("start", "step_back", "play", "step_forward", "end")


class TransportBar(QFrame):
    """Buttons, line of time and read-outs; it shows a `TransportState` and says what the user wants.

    Parameters
    ----------
    actions
        The window's actions by name; the buttons trigger these.
    """

    seek_requested = Signal(float)
    """Time (s) to show."""
    speed_chosen = Signal(float)
    loop_chosen = Signal(bool)

    def __init__(self, theme: Theme, actions: dict[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._state: TransportState | None = None
        self._buttons = {name: self._button(actions[name]) for name in _STEPS}
        self.play_button = self._buttons["play"]
        self.live_button = self._button(actions["live"])
        self.live_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.slider = SeekBar(theme)
        self.slider.asked.connect(self.seek_requested)
        self.time_label = self._read_out("000.0 s / 000.0 s")
        self.frame_label = self._read_out("frame 00000")
        self.speed_box = QComboBox()
        self.speed_box.addItems([f"{speed:g}x" for speed in SPEEDS])
        self.speed_box.setCurrentIndex(SPEEDS.index(1.0))
        self.speed_box.setToolTip("\n".join(command(name).tool_tip for name in ("slower", "faster")))
        self.speed_box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.speed_box.currentIndexChanged.connect(lambda index: self.speed_chosen.emit(SPEEDS[index]))
        self.loop_button = QToolButton()
        self.loop_button.setIconSize(QSize(SIZE, SIZE))
        self.loop_button.setCheckable(True)
        self.loop_button.setToolTip(command("loop").tool_tip)
        self.loop_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.loop_button.toggled.connect(self.loop_chosen)
        self._lay_out()
        self.set_theme(theme)
        self.set_live(True)

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self._icons = {name: make_icon(name, theme.text, theme.line) for name in (*_STEPS, "pause", "loop")}
        self._live_icons = {
            True: make_icon("live", theme.bad, theme.line),
            False: make_icon("live", theme.muted, theme.line),
        }
        for name, button in self._buttons.items():
            button.setIcon(self._icons[name])
        self.loop_button.setIcon(self._icons["loop"])
        self.slider.set_theme(theme)
        self._show_icons(self._state)

    def set_live(self, live: bool) -> None:
        """Show what a live stream needs, or what a file needs."""
        self.live_button.setVisible(live)
        self.speed_box.setVisible(not live)
        self.loop_button.setVisible(not live)

    def show_state(self, state: TransportState) -> None:
        """Show a state."""
        former, self._state = self._state, state
        self.slider.show_state(state)
        if former == state:
            return
        for button in (*self._buttons.values(), self.live_button):
            button.setEnabled(state.enabled)
        if former is None or (former.moving, former.following) != (state.moving, state.following):
            self._show_icons(state)
        self.live_button.setText(state.edge_text)
        self.time_label.setText(state.time_text)
        self.frame_label.setText(state.frame_text)

    def _show_icons(self, state: TransportState | None) -> None:
        moving, following = state is not None and state.moving, state is not None and state.following
        self.play_button.setIcon(self._icons["pause" if moving else "play"])
        self.live_button.setIcon(self._live_icons[following])

    def _button(self, action: QAction) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(SIZE, SIZE))
        button.setToolTip(command(action.objectName()).tool_tip)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # else Space would press the button that was clicked last
        button.clicked.connect(action.trigger)
        return button

    def _read_out(self, widest: str) -> QLabel:
        label = QLabel()
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setMinimumWidth(QFontMetrics(label.font()).horizontalAdvance(widest))
        return label

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 5, 12, 5)
        layout.setSpacing(2)
        for button in self._buttons.values():
            layout.addWidget(button)
        layout.addSpacing(8)
        layout.addWidget(self.slider, 1)
        layout.addSpacing(8)
        self.frame_label.setObjectName("muted")
        layout.addWidget(self.time_label)
        layout.addWidget(self.frame_label)
        layout.addSpacing(8)
        metrics = QFontMetrics(self.live_button.font())
        self.live_button.setMinimumWidth(metrics.horizontalAdvance("00.0 s behind") + SIZE + 20)
        for widget in (self.live_button, self.speed_box, self.loop_button):
            layout.addWidget(widget)
