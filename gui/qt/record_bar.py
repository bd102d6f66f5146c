"""The bar that records a live device: button, file, time and size, end, and markers."""

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QLabel, QLineEdit, QToolButton, QWidget

from isactrack.acquisition.snapshot import Health
from isactrack.errors import ConfigError, IsacError
from isactrack.gui.models.group_recording import RecordControl
from isactrack.gui.models.recording import State, files_text, parse_limit, recording_status, time_text
from isactrack.gui.models.shortcuts import command
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.health_panel import ElidedLabel
from isactrack.gui.qt.icons import SIZE, make_icon

_LIMIT_WIDTH = 92
_LIMIT_HELP = "When the recording ends by itself: 90s, 5min, 1h, 500MB, 2GB; empty for never"


class RecordBar(QFrame):
    """Starts and stops recordings of a feed and shows how they go; hidden while there is nothing to record.

    Parameters
    ----------
    theme
        Colours.
    actions
        The window's actions by name; the buttons trigger these.
    parent
        The window.
    """

    failed = Signal(object)
    """What could not be done, an `IsacError`."""
    told = Signal(str)
    """What happened, for people."""
    started = Signal(Path)
    """A recording began; its file."""
    marked = Signal(str, str)
    """A marker was set: its name, and when in the recording."""

    def __init__(self, theme: Theme, actions: dict[str, QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._control: RecordControl | None = None
        self._chosen: Path | None = None
        self._recording = False
        self._errors: list[IsacError] = []
        self._elapsed_s = 0.0
        self.record_button = _button(actions["record"])
        self.path_button = _button(actions["record_path"])
        self.path_label = ElidedLabel("")
        self.path_label.setObjectName("muted")
        self.status = QLabel()
        self.warning = QLabel()
        self.limit = _LimitField()
        self.limit.textChanged.connect(self._check_limit)
        self.marker_button = _button(actions["marker"])
        self._lay_out()
        self.set_theme(theme)
        self.set_control(None)

    @property
    def is_recording(self) -> bool:
        """Whether a file is being written, as far as was last told."""
        return self._recording

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self._icons = {on: make_icon("stop" if on else "record", theme.bad, theme.line) for on in (False, True)}
        self.path_button.setIcon(make_icon("folder", theme.text, theme.line))
        self.marker_button.setIcon(make_icon("marker", theme.text, theme.line))
        self.warning.setStyleSheet(f"color: {theme.warn}; font-weight: 600;")
        self._show_state()
        self._check_limit()

    def set_control(self, control: RecordControl | None) -> None:
        """Take another feed to record; None for one that cannot be recorded."""
        self._control, self._chosen, self._recording, self._errors = control, None, False, []
        self.status.clear()
        self.warning.clear()
        self.setVisible(control is not None)
        if control is not None:
            self._show_path(control, control.suggested_path())
        self._show_state()

    def show_health(self, *healths: Health) -> None:
        """Show how the recording of one sensor goes, or of several together; tells when it ended, and why."""
        if self._control is None:
            return
        status = recording_status(*healths)
        on = status.state is State.ON
        ended = self._recording and not on
        self._recording, self._elapsed_s = on, max((health.recorded_s for health in healths), default=0.0)
        self.status.setText(status.text)
        self._show_warning(status.warning)
        errors = [health.recording_error for health in healths if health.recording_error is not None]
        if on:
            self.path_label.set_text(files_text(status.paths))
        elif ended:
            self._chosen = None
            if not errors:
                self.told.emit(f"recorded {files_text(status.paths)}: {status.text}")
        for error in errors:
            if not any(error is known for known in self._errors):
                self.failed.emit(error)
        self._errors = errors
        if not on and self._chosen is None:
            self._show_path(self._control, self._control.suggested_path())
        self._show_state()

    def toggle(self) -> None:
        """Begin a recording, or end it."""
        if self._control is None:
            self.told.emit("only a live device can be recorded")
            return
        try:
            if self._recording:
                self._control.stop()
            else:
                self._start(self._control)
        except IsacError as error:
            self.failed.emit(error)

    def choose_path(self) -> None:
        """Ask for the file of the next recording."""
        if self._control is None or self._recording:
            return
        suggested = str(self._chosen or self._control.suggested_path())
        # A recording never replaces a file, so the dialog need not ask whether it may.
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Record to", suggested, "Recordings (*.h5)", options=QFileDialog.Option.DontConfirmOverwrite
        )
        if chosen:
            path = Path(chosen)
            self._chosen = path if path.suffix else path.with_suffix(".h5")
            self._control.folder = self._chosen.parent
            self._show_path(self._control, self._chosen)

    def mark(self) -> None:
        """Put a marker into the recording, now."""
        if self._control is None or not self._recording:
            self.told.emit("a marker goes into a recording, and nothing is recorded: start one with R")
            return
        try:
            name = self._control.mark()
        except IsacError as error:
            self.failed.emit(error)
        else:
            self.marked.emit(name, time_text(self._elapsed_s))

    def add_note(self, marker: str, note: str) -> None:
        """Put a note on a marker that was set before into the recording."""
        if self._control is None:
            return
        try:
            self._control.add_note(marker, note)
        except IsacError as error:
            self.failed.emit(error)

    def _start(self, control: RecordControl) -> None:
        path = control.start(self._chosen, self.limit.text())
        self._recording, self._chosen, self._errors = True, None, []
        self._show_path(control, path)
        self._show_state()
        self.started.emit(path)

    def _show_path(self, control: RecordControl, path: Path) -> None:
        self.path_label.set_text(files_text(control.files(path)))

    def _check_limit(self) -> None:
        """Say at once how a limit is written that cannot be read."""
        hint = self._limit_hint()
        self.limit.setStyleSheet(f"border: 1px solid {self._theme.bad};" if hint else "")
        self.limit.setToolTip(hint or _LIMIT_HELP)
        self._show_warning("")

    def _show_warning(self, text: str) -> None:
        if not text and not self._recording:
            text = self._limit_hint()
        self.warning.setText(text)
        self.warning.setVisible(bool(text))

    def _limit_hint(self) -> str:
        try:
            parse_limit(self.limit.text())
        except ConfigError as error:
            return error.hint
        return ""

    def _show_state(self) -> None:
        on = self._recording
        self.record_button.setIcon(self._icons[on])
        self.record_button.setText("Stop" if on else "Record")
        self.path_button.setEnabled(not on)
        self.limit.setEnabled(not on)
        self.marker_button.setEnabled(on)

    def _lay_out(self) -> None:
        for button, text in ((self.record_button, "Record"), (self.marker_button, "Marker")):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setText(text)
        self.record_button.setMinimumWidth(self.record_button.sizeHint().width() + 4)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 5, 12, 5)
        layout.setSpacing(8)
        layout.addWidget(self.record_button)
        layout.addWidget(self.path_button)
        layout.addWidget(self.path_label, 1)
        layout.addWidget(self.status)
        layout.addWidget(self.warning)
        # Room for what it will say, so that nothing beside it moves while it counts.
        self.status.setMinimumWidth(self.fontMetrics().horizontalAdvance("00:00   000.0 MB   000.0 GB free"))
        self.status.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label = QLabel("Stop after")
        label.setObjectName("muted")
        label.setToolTip(_LIMIT_HELP)
        layout.addWidget(label)
        layout.addWidget(self.limit)
        layout.addWidget(self.marker_button)


class _LimitField(QLineEdit):
    """A line that gives the keys back to the window with Enter and Escape."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(_LIMIT_WIDTH)
        self.setPlaceholderText("never")
        self.setAccessibleName("Stop after")
        self.setMaxLength(20)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Give the keys back."""
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.window().setFocus()
        else:
            super().keyPressEvent(event)


def _button(action: QAction) -> QToolButton:
    """Return a button that triggers an action and leaves the keys with the window."""
    button = QToolButton()
    button.setIconSize(QSize(SIZE, SIZE))
    button.setToolTip(command(action.objectName()).tool_tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.clicked.connect(action.trigger)
    return button
