"""What the window has to export."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from isactrack.gui.qt.export_dialog import ExportContext, ExportDialog, ExportView
from isactrack.source import Source

if TYPE_CHECKING:
    from isactrack.gui.qt.main_window import MainWindow


def export_dialog(window: "MainWindow") -> ExportDialog:
    """Return a dialog that exports what the window has; it is not shown yet."""
    health, timeline = window.health, window.timeline
    tuning = window.tuning.tuning
    current = timeline.current
    context = ExportContext(
        source=window.opening.name,
        origin="" if health is None else str(health.origin),
        settings=None if tuning is None or tuning.applier is None else tuning.applier.used,
        snapshots=timeline.kept,
        shown_s=0.0 if current is None else current.time_s,
        views=[
            ExportView(view, partial(dock.another, view))
            for dock in window.views.docks.values()
            if dock.is_seen and (view := dock.view) is not None
        ],
        recording=_recording(window),
    )
    dialog = ExportDialog(window.theme, context, window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.exported.connect(lambda path: window.toasts.info(f"exported {path}"))
    dialog.failed.connect(window.report)
    return dialog


def _recording(window: "MainWindow") -> Path | None:
    """Return the file that is played, or recorded to."""
    health = window.health
    if health is None:
        return None
    if health.source is Source.REPLAY:
        return Path(health.url.removeprefix("file://"))
    return None if health.recording_path is None else Path(health.recording_path)
