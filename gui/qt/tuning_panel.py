"""Settings of chain and tracker, changed while the view shows what that does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from isactrack.errors import ConfigError, IsacError
from isactrack.gui.models.session_file import load_settings, save_settings
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.tuning import Field, Kind, Tuning, value_text

_POLL_MS = 50
_FILTER = "Session file (*.toml)"


class TuningPanel(QFrame):
    """A field for each setting; what was entered is in use when editing is finished.

    Parameters
    ----------
    theme
        Colours.
    tuning
        The settings, and what they are handed to.
    """

    applied = Signal(object)
    """Settings are in use; the `isactrack.gui.models.tuning.Applied`."""
    failed = Signal(object)
    """Something could not be done; the `IsacError`."""

    def __init__(self, theme: Theme, tuning: Tuning) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setMinimumWidth(340)
        self._tuning, self._model, self._applier = tuning, tuning.model, tuning.applier
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search settings")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search settings")
        self.search.textChanged.connect(self._filter)
        self.status = QLabel()
        self.status.setObjectName("muted")
        self.status.setWordWrap(True)
        self.rows = {field.name: SettingRow(field, theme) for field in tuning.model.fields}
        self._sections: dict[str, QLabel] = {}
        for row in self.rows.values():
            row.entered.connect(partial(self._enter, row.field.name))
            row.reset_wanted.connect(partial(self._reset, row.field.name))
        self.undo_button = _button("Undo", "Take back the last change", self.undo)
        self.redo_button = _button("Redo", "Make again what was taken back", self.redo)
        self.reset_button = _button("Reset", "Set everything to its default", self.reset)
        self.save_button = _button("Save…", "Save as a session file", self._ask_and_save)
        self.load_button = _button("Load…", "Load the settings of a session file", self._ask_and_load)
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._show()
        self._tell("" if tuning.applier else "Nothing runs: settings are shown, and can be saved.")

    def undo(self) -> None:
        """Take back the last change."""
        self._model.undo()
        self._use()

    def redo(self) -> None:
        """Make again what was taken back."""
        self._model.redo()
        self._use()

    def reset(self) -> None:
        """Set everything to its default."""
        self._model.reset()
        self._use()

    def save(self, path: Path) -> bool:
        """Save the settings as a session file and return whether that worked; `failed` says why not."""
        try:
            save_settings(path, self._model.settings, self._tuning.sensor, self._tuning.url)
        except IsacError as error:
            self._fail(error)
            return False
        self._tell(f"Saved to {path.name}.")
        return True

    def load(self, path: Path) -> bool:
        """Take the settings of a session file and return whether that worked; `failed` says why not."""
        try:
            self._model.replace(load_settings(path, self._tuning.sensor))
        except IsacError as error:
            self._fail(error)
            return False
        self._use()
        return True

    # --- what the user does ------------------------------------------------------------------------------------------

    def _enter(self, name: str, text: str) -> None:
        if text == self._model.text(name) and self._model.error(name) is None:
            return
        if self._model.set(name, text):
            self._use()
        else:
            self.rows[name].show_error(self._model.error(name))

    def _reset(self, name: str) -> None:
        self._model.reset(name)
        self._use()

    def _ask_and_save(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save the settings", "session.toml", _FILTER, options=QFileDialog.Option.DontConfirmOverwrite
        )  # one that exists keeps all but its settings
        if chosen:
            self.save(Path(chosen))

    def _ask_and_load(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Load settings", "", _FILTER)
        if chosen:
            self.load(Path(chosen))

    # --- what becomes of it ------------------------------------------------------------------------------------------

    def _use(self) -> None:
        self._show()
        if self._applier is not None and (self._applier.busy or self._model.settings != self._applier.used):
            self._applier.submit(self._model.settings)
            self._tell("Applying…")
            self._timer.start()

    def _poll(self) -> None:
        if self._applier is None or self._applier.busy:
            return
        self._timer.stop()
        results = self._applier.take()
        if not results:
            return
        last = results[-1]  # earlier ones were replaced by it
        if last.error is None:
            anew = last.change.begins_anew if last.change else ()
            self._tell("; ".join(("In use", *anew)) + ".")
            self.applied.emit(last)
        else:
            if isinstance(last.error, ConfigError):
                self._model.refuse(last.settings, last.error)
                self._show()
            self._fail(last.error)

    def _fail(self, error: IsacError) -> None:
        self._tell(f"{error}. {error.hint}".strip())
        self.failed.emit(error)

    def _tell(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        for name, row in self.rows.items():
            row.show_value(self._model.text(name), self._model.error(name))
        self.undo_button.setEnabled(self._model.can_undo)
        self.redo_button.setEnabled(self._model.can_redo)
        self.reset_button.setEnabled(not self._model.is_default)

    def _filter(self, search: str) -> None:
        groups = set()
        for row in self.rows.values():
            found = row.field.matches(search)
            row.setVisible(found)
            if found:
                groups.add(row.field.group)
        for group, label in self._sections.items():
            label.setVisible(group in groups)

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("scrolled")
        rows = QVBoxLayout(content)
        rows.setContentsMargins(13, 4, 13, 11)
        rows.setSpacing(5)
        for row in self.rows.values():
            if row.field.group not in self._sections:
                section = self._sections[row.field.group] = QLabel(row.field.group.upper())
                section.setObjectName("section")
                section.setContentsMargins(0, 10, 0, 2)
                rows.addWidget(section)
            rows.addWidget(row)
        rows.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 9, 1, 8)
        layout.setSpacing(6)
        layout.addLayout(_line(self.search))
        layout.addWidget(scroll, 1)
        layout.addLayout(_line(self.status))
        layout.addLayout(_line(self.undo_button, self.redo_button, self.reset_button))
        layout.addLayout(_line(self.save_button, self.load_button))


class SettingRow(QWidget):
    """A setting: its name, an editor that suits what it holds, and what is wrong with what was entered.

    Parameters
    ----------
    field
        The setting.
    theme
        Colours.
    """

    entered = Signal(str)
    """Editing is finished; the text."""
    reset_wanted = Signal()
    """The user wants the default."""

    def __init__(self, field: Field, theme: Theme) -> None:
        super().__init__()
        self.field = field
        self._bad = theme.bad
        self.label = QLabel(field.title)
        self.label.setWordWrap(True)
        self.label.setToolTip(_tool_tip(field))
        self.editor = self._make_editor()
        self.editor.setToolTip(_tool_tip(field))
        self.editor.setAccessibleName(field.title)
        self.label.setBuddy(self.editor)
        self.unit = QLabel(field.unit)
        self.unit.setObjectName("muted")
        self.reset_button = QPushButton("↺")
        self.reset_button.setFixedWidth(26)
        self.reset_button.setStyleSheet("padding: 3px;")
        self.reset_button.setToolTip(f"Back to {field.text(field.default)}")
        self.reset_button.setAccessibleName(f"Default of {field.title}")
        self.reset_button.clicked.connect(self.reset_wanted)
        keep = self.reset_button.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self.reset_button.setSizePolicy(keep)
        self.reason = QLabel()
        self.reason.setWordWrap(True)
        self.reason.setStyleSheet(f"color: {theme.bad};")
        self.reason.hide()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(6)
        layout.setVerticalSpacing(2)
        layout.addWidget(self.label, 0, 0)
        layout.addWidget(self.editor, 0, 1)
        layout.addWidget(self.unit, 0, 2)
        layout.addWidget(self.reset_button, 0, 3)
        layout.addWidget(self.reason, 1, 0, 1, 4)
        layout.setColumnStretch(0, 1)
        self.unit.setFixedWidth(66)
        self.editor.setFixedWidth(98)
        self.label.setMinimumWidth(60)

    def show_value(self, text: str, error: ConfigError | None) -> None:
        """Show the value; with an error, keep what was entered and say what is wrong."""
        if error is None:
            self._set_text(text)
        self.reset_button.setVisible(text != self.field.text(self.field.default) or error is not None)
        self.show_error(error)

    def show_error(self, error: ConfigError | None) -> None:
        """Mark what was entered as impossible and say why; None takes the mark off."""
        self.reason.setVisible(error is not None)
        self.reason.setText("" if error is None else f"{error}: {error.hint}" if error.hint else str(error))
        self.editor.setStyleSheet("" if error is None else f"border: 1px solid {self._bad};")
        if error is not None:
            self.reset_button.show()

    def text(self) -> str:
        """Return what stands in the editor."""
        if isinstance(self.editor, QCheckBox):
            return value_text(self.editor.isChecked())
        return self.editor.currentText() if isinstance(self.editor, QComboBox) else self.editor.text()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Keep the wheel from changing what the pointer happens to be over while the panel scrolls."""
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _make_editor(self) -> "QCheckBox | QComboBox | QLineEdit":
        if self.field.kind is Kind.FLAG:
            check = QCheckBox()
            check.clicked.connect(lambda: self.entered.emit(self.text()))
            return check
        if self.field.kind is Kind.CHOICE:
            combo = QComboBox()
            combo.addItems(self.field.choices)
            combo.activated.connect(lambda: self.entered.emit(self.text()))
            combo.installEventFilter(self)
            return combo
        line = QLineEdit()
        line.setAlignment(Qt.AlignmentFlag.AlignRight)
        line.setPlaceholderText("none" if self.field.optional else "")
        line.editingFinished.connect(lambda: self.entered.emit(self.text()))
        return line

    def _set_text(self, text: str) -> None:
        if isinstance(self.editor, QCheckBox):
            self.editor.setChecked(text == value_text(True))
        elif isinstance(self.editor, QComboBox):
            self.editor.setCurrentText(text)
        elif self.editor.text() != text:
            self.editor.setText(text)


def _tool_tip(field: Field) -> str:
    default = f"{field.text(field.default)} {field.unit}".strip()
    return f"<p>{field.meaning.replace('`', '')}</p><p>Default: {default}</p><p>{field.name}</p>"


def _button(text: str, tool_tip: str, act: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tool_tip)
    button.clicked.connect(act)
    return button


def _line(*widgets: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setContentsMargins(12, 0, 12, 0)
    line.setSpacing(6)
    for widget in widgets:
        line.addWidget(widget, 1)
    return line
