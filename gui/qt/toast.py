"""Messages over a corner of the window: they hold nobody up."""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from isactrack.gui.models.toasts import Level, Toast, Toasts

_WIDTH = 380
_MARGIN = 12
_MAX_TEXT = 260


class ToastStack(QWidget):
    """Shows `Toasts` in the lower right corner of a widget.

    Parameters
    ----------
    toasts
        The messages.
    covered
        The widget whose corner it covers; must be in the window.
    window
        The window.
    """

    def __init__(self, toasts: Toasts, covered: QWidget, window: QWidget) -> None:
        super().__init__(window)
        self._toasts = toasts
        self._covered = covered
        self._window = window
        self._shown: tuple[tuple[Toast, ...], int] = ((), 0)
        self.cards: list[ToastCard] = []
        self.more = QPushButton()
        self.more.setToolTip("Dismiss all messages (Shift+Backspace)")
        self.more.clicked.connect(self._dismiss_all)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        self._layout.addWidget(self.more, 0, Qt.AlignmentFlag.AlignRight)
        self.setFixedWidth(_WIDTH)
        self.hide()
        for watched in (window, covered):
            watched.installEventFilter(self)

    def refresh(self) -> None:
        """Let go what has been there for long enough, and show what there is."""
        self._toasts.expire()
        state = (self._toasts.shown, self._toasts.waiting)
        if state == self._shown:
            return
        self._shown = state
        focused = QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            self._window.setFocus()  # else the keys would go to whatever comes next
        for card in self.cards:
            self._layout.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.cards = [self._card(toast) for toast in state[0]]
        for card in self.cards:
            self._layout.addWidget(card)
        self.more.setText(f"{state[1]} more · dismiss all")
        self.more.setVisible(state[1] > 0)
        self.setVisible(bool(self.cards))
        self._place()

    def copy_newest(self) -> None:
        """Copy the details of the newest message that has any."""
        for card in reversed(self.cards):
            if card.toast.details:
                card.copy()
                return

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay in the corner."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show):
            self._place()
        return super().eventFilter(watched, event)

    def _card(self, toast: Toast) -> "ToastCard":
        card = ToastCard(toast)
        card.dismissed.connect(self._dismiss)
        return card

    def _dismiss(self, key: int) -> None:
        self._toasts.dismiss(key)
        self.refresh()

    def _dismiss_all(self) -> None:
        self._toasts.dismiss_all()
        self.refresh()

    def _place(self) -> None:
        if not self.cards:
            return
        self._layout.activate()
        height = self._layout.heightForWidth(_WIDTH)
        corner = self._covered.mapTo(self._window, self._covered.rect().bottomRight())
        height = min(height, max(corner.y() - 2 * _MARGIN, 0))
        self.setGeometry(corner.x() - _WIDTH - _MARGIN, corner.y() - height - _MARGIN, _WIDTH, height)
        self.raise_()


class ToastCard(QFrame):
    """One message with its buttons.

    Parameters
    ----------
    toast
        The message.
    """

    dismissed = Signal(int)
    """The user has seen it; the key of the message."""

    def __init__(self, toast: Toast) -> None:
        super().__init__()
        self.setObjectName("toast")
        self.setProperty("level", toast.level.value)
        self.toast = toast
        self.copy_button = QPushButton("Copy details")
        self.copy_button.clicked.connect(self.copy)
        if not toast.details:
            self.copy_button.hide()
        self.dismiss_button = QPushButton("Dismiss")
        self.dismiss_button.clicked.connect(lambda: self.dismissed.emit(toast.key))
        for button in (self.copy_button, self.dismiss_button):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click must not take the keys away from the window
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        if toast.count > 1:
            count = QLabel(f"{toast.count} times")
            count.setObjectName("count")
            buttons.addWidget(count)
        buttons.addStretch(1)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.dismiss_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 9, 10, 9)
        layout.setSpacing(5)
        for text, name in ((toast.what, "title"), (toast.cause, "muted"), (toast.next_step, "text")):
            if text:
                layout.addWidget(_label(text, name))
        layout.addLayout(buttons)
        if toast.level is Level.INFO:
            self.setAccessibleName("Message")
        else:
            self.setAccessibleName("Error")

    def copy(self) -> None:
        """Copy all that a report needs."""
        QApplication.clipboard().setText(self.toast.details)
        self.copy_button.setText("Copied")


def _label(text: str, name: str) -> QLabel:
    """Return a label; a text that is too long for a message is cut, the tool-tip has it whole."""
    label = QLabel(text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…")
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setToolTip(text if len(text) > _MAX_TEXT else "")
    return label
