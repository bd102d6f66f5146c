"""The one bar that moves through time, live or in a file."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFontMetrics, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSlider, QStyle, QToolButton, QWidget

from isactrack.gui.models.shortcuts import command
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.timeline import SPEEDS
from isactrack.gui.models.transport import TransportState
from isactrack.gui.qt.icons import SIZE, make_icon
from isactrack.gui.qt.painting import painted_safely

_HANDLE = 12
"""Width of the slider's handle, pixels."""


class TransportBar(QFrame):
    """Buttons, slider and read-outs; it shows a `TransportState` and says what the user wants.

    Parameters
    ----------
    actions
        The window's actions by name; the buttons trigger these.
    """

    seek_requested = Signal(int)
    """Place of the snapshot to show."""
    speed_chosen = Signal(float)
    loop_chosen = Signal(bool)

    def __init__(self, theme: Theme, actions: dict[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._theme = theme
        self._icons = {name: make_icon(name, theme.text, theme.line) for name in ("play", "pause")}
        self._live_icons = {
            True: make_icon("live", theme.bad, theme.line),
            False: make_icon("live", theme.muted, theme.line),
        }
        self._buttons = {
            name: self._button(actions[name], name) for name in ("start", "step_back", "play", "step_forward", "end")
        }
        self.play_button = self._buttons["play"]
        self.live_button = self._button(actions["live"], "live")
        self.live_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.slider = SeekSlider(theme)
        self.slider.valueChanged.connect(self._on_value_changed)
        self.time_label = self._read_out("000.0 s / 000.0 s")
        self.frame_label = self._read_out("frame 00000")
        self.speed_box = QComboBox()
        self.speed_box.addItems([f"{speed:g}x" for speed in SPEEDS])
        self.speed_box.setCurrentIndex(SPEEDS.index(1.0))
        self.speed_box.setToolTip("Device seconds played in one second")
        self.speed_box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.speed_box.currentIndexChanged.connect(lambda index: self.speed_chosen.emit(SPEEDS[index]))
        self.loop_button = QToolButton()
        self.loop_button.setIcon(make_icon("loop", theme.text, theme.line))
        self.loop_button.setIconSize(QSize(SIZE, SIZE))
        self.loop_button.setCheckable(True)
        self.loop_button.setToolTip("Begin again at the end")
        self.loop_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.loop_button.toggled.connect(self.loop_chosen)
        self._lay_out()
        self.set_live(True)

    def set_live(self, live: bool) -> None:
        """Show what a live stream needs, or what a file needs."""
        self.live_button.setVisible(live)
        self.speed_box.setVisible(not live)
        self.loop_button.setVisible(not live)

    def show_state(self, state: TransportState) -> None:
        """Show a state."""
        self.play_button.setIcon(self._icons["pause" if state.moving else "play"])
        for button in (*self._buttons.values(), self.live_button):
            button.setEnabled(state.enabled)
        self.live_button.setIcon(self._live_icons[state.following])
        self.live_button.setText(state.edge_text)
        self.time_label.setText(state.time_text)
        self.frame_label.setText(state.frame_text)
        if not self.slider.isSliderDown():
            self.slider.blockSignals(True)  # moved by the clock, not by the user
            self.slider.setEnabled(state.enabled)
            self.slider.setRange(0, max(state.last, 0))
            self.slider.setValue(state.position)
            self.slider.blockSignals(False)
        self.slider.show_gaps(state.gaps)

    def _on_value_changed(self, value: int) -> None:
        self.seek_requested.emit(value)

    def _button(self, action: QAction, icon: str) -> QToolButton:
        button = QToolButton()
        button.setIcon(make_icon(icon, self._theme.text, self._theme.line))
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


class SeekSlider(QSlider):
    """A slider whose handle goes to where one clicks, and which is broken where the device was lost.

    Parameters
    ----------
    theme
        Colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._theme = theme
        self._gaps: tuple[int, ...] = ()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrow keys belong to the window

    def show_gaps(self, gaps: tuple[int, ...]) -> None:
        """Show the places before which there is a gap."""
        if gaps != self._gaps:
            self._gaps = gaps
            self.setToolTip("the device was lost where the line is broken" if gaps else "")
            self.update()

    @painted_safely
    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the gaps over the line, which the handle stays above where it stands on one."""
        super().paintEvent(event)
        if not self._gaps:
            return
        painter = QPainter(self)
        middle, handle = self.height() // 2, self._x(self.value())
        for gap in self._gaps:
            x = self._x(gap)
            if abs(x - handle) > _HANDLE:
                painter.fillRect(x - 3, middle - 3, 6, 6, QColor(self._theme.panel))
                painter.fillRect(x - 4, middle - 6, 2, 12, QColor(self._theme.warn))
                painter.fillRect(x + 2, middle - 6, 2, 12, QColor(self._theme.warn))
        painter.end()

    def _x(self, value: int) -> int:
        """Return where the handle's middle is at a value, pixels."""
        span = self.width() - _HANDLE
        return _HANDLE // 2 + QStyle.sliderPositionFromValue(self.minimum(), self.maximum(), value, span)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go there, then drag on."""
        if event.button() is Qt.MouseButton.LeftButton:
            value = QStyle.sliderValueFromPosition(
                self.minimum(), self.maximum(), round(event.position().x() - _HANDLE / 2), self.width() - _HANDLE
            )
            self.setValue(value)
        super().mousePressEvent(event)
