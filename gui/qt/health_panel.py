"""The health of the session."""

import html
import re
from pathlib import PurePath

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from isactrack.acquisition.snapshot import Health
from isactrack.errors import IsacError
from isactrack.gui.models.health_text import Banner, Row, Status, Worry, banner, rows, worries
from isactrack.gui.models.paint_clock import PaintStats
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.error_box import ErrorBox
from isactrack.gui.qt.source_badge import SourceBadge

_MOST_WORRIES = 3
_CODE, _BOLD = re.compile("`([^`]+)`"), r"<b>\1</b>"
_MARKS = {Status.WARN: "▲", Status.BAD: "■"}
"""Amber and red told apart by shape too."""


class HealthPanel(QFrame):
    """Source, counters and rates, recording, and the error if there is one."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setFixedWidth(316)
        self._theme = theme
        self._values: dict[str, QLabel] = {}
        self._shown: dict[str, Row] = {}
        self.badge = SourceBadge(theme)
        self._model = QLabel("")
        self._model.setObjectName("title")
        self._url = ElidedLabel(name)
        self._url.setObjectName("muted")
        self.error_box = ErrorBox(theme)
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(1, 1)
        content = QWidget()
        content.setObjectName("scrolled")
        layout = QVBoxLayout(content)
        layout.setContentsMargins(13, 11, 13, 11)
        layout.setSpacing(6)
        self._worries = QLabel()
        self._worries.setWordWrap(True)
        self._worries.setTextFormat(Qt.TextFormat.RichText)
        self._worries.hide()
        for widget in (self.badge, self._model, self._url, self.error_box, self._worries):
            layout.addWidget(widget)
        layout.addLayout(self._grid)
        layout.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 1, 1, 1)
        outer.addWidget(scroll)

    def show_health(self, health: Health, error: IsacError | None, paint: PaintStats | None = None) -> Banner:
        """Show health and what went wrong, in the session or the viewer; return the banner for others to show."""
        source = banner(health)
        self.badge.show_banner(source)
        self._model.setText(health.model)
        self._url.set_text(health.url)
        shown = rows(health, paint)
        self._show_worries(worries(shown))
        for row in shown:
            if row.label not in self._values:
                self._add_row(row)
            if self._shown.get(row.label) != row:
                self._show_row(row)
        self.error_box.show_error(error, health.url)
        return source

    @property
    def worry_text(self) -> str:
        """Why it is amber or red, as it is shown; empty if it is not."""
        return "" if self._worries.isHidden() else self._worries.text()

    def _show_worries(self, found: list[Worry]) -> None:
        colours = {Status.WARN: self._theme.warn, Status.BAD: self._theme.bad}
        lines = [
            f'<p style="margin: 4px 0"><span style="color: {colours[one.status]}">{_MARKS[one.status]}</span> '
            f"{_CODE.sub(_BOLD, html.escape(one.text))}</p>"
            for one in found[:_MOST_WORRIES]
        ]
        if len(found) > _MOST_WORRIES:
            lines.append(f"<p>and {len(found) - _MOST_WORRIES} more, in colour below</p>")
        text = "".join(lines)
        if text != self._worries.text():
            self._worries.setText(text)
        self._worries.setVisible(bool(lines))

    def value(self, label: str) -> str:
        """Return the value that is shown beside a label."""
        return self._values[label].text()

    def _add_row(self, row: Row) -> None:
        line = self._grid.rowCount()
        if row.section not in {shown.section for shown in self._shown.values()}:
            section = QLabel(row.section.upper())
            section.setObjectName("section")
            section.setContentsMargins(0, 10, 0, 2)
            self._grid.addWidget(section, line, 0, 1, 2)
            line += 1
        label = QLabel(row.label)
        label.setObjectName("muted")
        label.setToolTip(row.meaning)
        value = ElidedLabel("") if row.label == "File" else QLabel()
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(label, line, 0)
        self._grid.addWidget(value, line, 1)
        self._values[row.label] = value

    def _show_row(self, row: Row) -> None:
        value = self._values[row.label]
        self._shown[row.label] = row
        if isinstance(value, ElidedLabel):
            value.set_text(PurePath(row.value).name)
        else:
            value.setText(row.value)
        value.setToolTip(row.meaning)
        colour = {Status.WARN: self._theme.warn, Status.BAD: self._theme.bad}.get(row.status, self._theme.text)
        weight = 400 if row.status in (Status.PLAIN, Status.OK) else 600
        value.setStyleSheet(f"color: {colour}; font-weight: {weight};")


class ElidedLabel(QLabel):
    """One line that is cut in the middle where it has no room; the tool-tip has it whole."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._whole = ""
        self.setMinimumWidth(40)
        self.set_text(text)

    def set_text(self, text: str) -> None:
        """Show a text."""
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Cut anew."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width()))
