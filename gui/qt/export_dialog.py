"""Choose what to export, of which span and to which file, and watch it being written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import ConfigError, IsacError
from isactrack.gui.models.exporting import (
    SPEEDS,
    ExportKind,
    Job,
    Stamp,
    Steps,
    film_rows,
    film_steps,
    in_span,
    picture_steps,
    recording_steps,
    require_library,
    require_replaceable,
    table_steps,
)
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.tuning import Settings
from isactrack.gui.qt.rendering import draw_svg, film_pictures, grab_png
from isactrack.gui.qt.view import View

FILM_SIZES = (QSize(1280, 720), QSize(1920, 1080), QSize(960, 540))
_STEP_MS = 0
"""Steps of an export come between the events of the window."""


@dataclass(frozen=True, slots=True)
class ExportView:
    """A view that can be exported.

    Attributes
    ----------
    widget
        The view on the screen.
    make
        Makes another one of its kind that looks alike, for films.
    """

    widget: View
    make: Callable[[], View]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportContext:
    """What there is to export.

    Attributes
    ----------
    source, origin
        What is looked at, and whether its samples are measured or simulated.
    settings
        The settings in use; None if they are not known.
    snapshots
        What the viewer has, in order.
    shown_s
        Device time of what is shown now.
    views
        The views that are open.
    recording
        The recording that is played, or recorded to; None if there is none.
    stream
        The device in it, where it holds several.
    """

    source: str
    origin: str = ""
    settings: Settings | None = None
    snapshots: Sequence[Snapshot] = ()
    shown_s: float = 0.0
    views: Sequence[ExportView] = ()
    recording: Path | None = None
    stream: str | None = None


class ExportDialog(QDialog):
    """Exports one thing after the other until it is closed; what is under way when it is closed is cancelled.

    Parameters
    ----------
    theme
        Colours.
    context
        What there is.
    parent
        The window.
    """

    exported = Signal(object)
    """A file is there; its `Path`."""
    failed = Signal(object)
    """An export failed; the `IsacError`."""

    def __init__(self, theme: Theme, context: ExportContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumWidth(560)
        self._theme, self._context = theme, context
        self.job: Job | None = None
        self._path: Path | None = None
        self.kind = QComboBox()
        for kind in ExportKind:
            self.kind.addItem(kind.label, kind)
        self.view = QComboBox()
        for entry in context.views:
            self.view.addItem(entry.widget.title)
        self.start, self.stop = _time_box("Start of the span"), _time_box("End of the span")
        self.speed = QComboBox()
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} x", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.size_box = QComboBox()
        for size in FILM_SIZES:
            self.size_box.addItem(f"{size.width()} x {size.height()}", size)
        self.file = QLineEdit()
        self.file.setPlaceholderText("File to write")
        self.browse = QPushButton("Browse…")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        keep = self.progress.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(keep)
        self.progress.hide()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing() + 4)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.export_button = QPushButton("Export")
        self.export_button.setDefault(True)
        self.close_button = QPushButton("Close")
        self._timer = QTimer(self)
        self._timer.setInterval(_STEP_MS)
        self._timer.timeout.connect(self._go_on)
        self._lay_out()
        self.kind.currentIndexChanged.connect(self._kind_changed)
        self.browse.clicked.connect(self._browse)
        self.export_button.clicked.connect(self._ask_and_start)
        self.close_button.clicked.connect(self._close_or_cancel)
        self._show_span()
        self._kind_changed()

    @property
    def chosen(self) -> ExportKind:
        """What is to be exported."""
        return ExportKind(self.kind.currentData())

    def choose(self, kind: ExportKind) -> None:
        """Choose what to export."""
        self.kind.setCurrentIndex(self.kind.findData(kind))

    def start_export(self) -> bool:
        """Begin to export what is chosen, over a file that exists; return whether that was possible."""
        if self.job is not None:
            return False
        try:
            self._path = self._target()
            self.job = Job(self._steps(self._path))
        except IsacError as error:
            self._fail(error)
            return False
        self._tell("Exporting…")
        self._set_running(True)
        self._timer.start()
        return True

    def cancel(self) -> None:
        """Give up what is under way; nothing of its file is left."""
        if self.job is not None:
            self.job.cancel()
            self._end("Cancelled. No file was written.")

    def reject(self) -> None:
        """Close, by Escape too; what is under way is cancelled."""
        self.cancel()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Cancel what is under way."""
        self.cancel()
        super().closeEvent(event)

    # --- what is exported --------------------------------------------------------------------------------------------

    def _steps(self, path: Path) -> Steps:
        context, kind = self._context, self.chosen
        require_library(kind)
        span = (self.start.value(), self.stop.value())
        if not kind.has_span:
            span = (context.shown_s, context.shown_s)
        elif span[1] < span[0]:
            raise ConfigError("the span ends before it starts", "choose a later end")
        if kind is ExportKind.CUT:
            if context.recording is None:
                raise ConfigError("there is no recording to cut", "record first, or open a recording")
            return recording_steps(path, context.recording, span, self._stamp(span), context.stream)
        require_replaceable(path)
        if kind in (ExportKind.CSV, ExportKind.PARQUET):
            chosen = in_span(context.snapshots, *span)
            return table_steps(path, chosen, kind, self._stamp((chosen[0].time_s, chosen[-1].time_s)))
        view = self._view()
        if kind is ExportKind.MP4:
            return self._film(path, view, span)
        picture = grab_png(view.widget) if kind is ExportKind.PNG else draw_svg(view.widget, view.widget.title)
        return picture_steps(path, picture, kind, self._stamp(span))

    def _film(self, path: Path, view: ExportView, span: tuple[float, float]) -> Steps:
        times = [snapshot.time_s for snapshot in self._context.snapshots]
        rows = film_rows(times, span, speed=self.speed.currentData())
        pictures = film_pictures(view.make, self._context.snapshots, rows, self.size_box.currentData())
        return film_steps(path, pictures, len(rows), self._stamp((times[rows[0]], times[rows[-1]])))

    def _view(self) -> ExportView:
        if not self._context.views:
            raise ConfigError("no view is open", "open one in the menu Window")
        return self._context.views[self.view.currentIndex()]

    def _stamp(self, span: tuple[float, float]) -> Stamp:
        return Stamp.of(self._context.source, span, self._context.settings, self._context.origin)

    def _target(self) -> Path:
        text = self.file.text().strip()
        if not text:
            raise ConfigError("no file is chosen", "type a name, or Browse")
        path = Path(text).expanduser()
        suffix = f".{self.chosen.value}"
        return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)

    # --- while it is exported ----------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        job = self.job
        if job is None or not job.step():
            if job is not None:
                self.progress.setValue(round(1000 * job.share))
            return
        if job.error is not None:
            self._end("")
            self._fail(job.error)
        else:
            path = self._path
            self.progress.setValue(1000)
            self._end(f"Written: {path}")
            self.exported.emit(path)

    def _end(self, text: str) -> None:
        self._timer.stop()
        self.job = None
        self._set_running(False)
        self._tell(text)

    def _fail(self, error: IsacError) -> None:
        self.progress.setValue(0)
        self._tell(f"{error}. {error.hint}".strip(), bad=True)
        self.failed.emit(error)

    def _tell(self, text: str, *, bad: bool = False) -> None:
        self.status.setText(text)
        self.status.setStyleSheet(f"color: {self._theme.bad if bad else self._theme.muted};")

    # --- what the user does ------------------------------------------------------------------------------------------

    def _ask_and_start(self) -> None:
        try:
            path = self._target()
        except ConfigError as error:
            self._fail(error)
            return
        if path.exists() and self._unwanted(path):
            return
        self.start_export()

    def _unwanted(self, path: Path) -> bool:
        answer = QMessageBox.question(self, "Export", f"{path.name} exists. Replace it?")
        return answer != QMessageBox.StandardButton.Yes

    def _browse(self) -> None:
        kind = self.chosen
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Export to", self.file.text() or f"export.{kind.value}", f"{kind.label} (*.{kind.value})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )  # fmt: skip
        if chosen:
            self.file.setText(chosen)

    def _close_or_cancel(self) -> None:
        if self.job is not None:
            self.cancel()
        else:
            self.close()

    def _kind_changed(self) -> None:
        kind = self.chosen
        for widget, needed in (
            (self.view, kind.has_view),
            (self.start, kind.has_span),
            (self.stop, kind.has_span),
            (self.speed, kind is ExportKind.MP4),
            (self.size_box, kind is ExportKind.MP4),
        ):
            self._form.setRowVisible(widget, needed)
        text = self.file.text().strip()
        if text and Path(text).suffix.lower().lstrip(".") in set(ExportKind):
            self.file.setText(str(Path(text).with_suffix(f".{kind.value}")))
        self.progress.setValue(0)
        try:
            require_library(kind)
            self._tell("")
        except ConfigError as error:
            self._tell(f"{error}. {error.hint}", bad=True)
        self.adjustSize()

    def _set_running(self, running: bool) -> None:
        for widget in (self.kind, self.view, self.start, self.stop, self.speed, self.size_box, self.file, self.browse):
            widget.setEnabled(not running)
        self.export_button.setEnabled(not running)
        self.close_button.setText("Cancel" if running else "Close")
        self.progress.setVisible(running)

    def _show_span(self) -> None:
        snapshots = self._context.snapshots
        if snapshots:
            # The editors round: what was seen first and last must stay within.
            self.start.setValue(math.floor(1e3 * snapshots[0].time_s) / 1e3)
            self.stop.setValue(math.ceil(1e3 * snapshots[-1].time_s) / 1e3)

    def _lay_out(self) -> None:
        self._form = form = QFormLayout()
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(8)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        target = QHBoxLayout()
        target.addWidget(self.file, 1)
        target.addWidget(self.browse)
        for label, widget in (
            ("What", self.kind),
            ("View", self.view),
            ("From", self.start),
            ("To", self.stop),
            ("Speed", self.speed),
            ("Size", self.size_box),
        ):
            form.addRow(label, widget)
        form.addRow("File", target)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.export_button)
        buttons.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(10)
        layout.addLayout(form)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)
        layout.addLayout(buttons)


def _time_box(name: str) -> QDoubleSpinBox:
    """Return an editor of device times, wide enough for days."""
    box = QDoubleSpinBox()
    box.setAccessibleName(name)
    box.setDecimals(3)
    box.setRange(-1e7, 1e7)
    box.setSuffix(" s")
    return box
