"""Views as pictures: what the screen shows, drawings of it, and films."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QIODevice, QPoint, QSize, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsItem, QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import RecordingError
from isactrack.gui.models.exporting import Picture, Pictures
from isactrack.gui.models.maps import make_map
from isactrack.gui.models.reach import Reach
from isactrack.gui.qt.view import View


def grab_png(widget: QWidget) -> bytes:
    """Return what a widget shows as PNG; RecordingError if there is no memory for it."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not widget.grab().save(buffer, "PNG"):
        raise RecordingError("the view cannot be turned into a PNG picture", "is there memory left?")
    return bytes(buffer.data().data())


def draw_svg(widget: QWidget, title: str) -> bytes:
    """Return what a widget shows as SVG: lines and texts stay lines and texts, maps are pictures in it."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(widget.size())
    generator.setViewBox(widget.rect())
    generator.setTitle(title)
    with _as_vectors(widget):
        painter = QPainter(generator)
        try:
            widget.render(painter, QPoint())
        finally:
            painter.end()
    return bytes(buffer.data().data())


def pixels(widget: QWidget) -> Picture:
    """Return what a widget shows as red, green and blue (height, width, 3) uint8."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def film_pictures(
    make: Callable[[], View], snapshots: Sequence[Snapshot], rows: Sequence[int], size: QSize
) -> Pictures:
    """Draw snapshots with a view of its own, beside the screen, and yield a picture for each row.

    Parameters
    ----------
    make
        Makes the view, looking as it should; it is deleted at the end. What it reaches grows as it does on the screen.
    snapshots
        All snapshots: those before a row are what led there.
    rows
        Which are shown; rows that are alike in sequence are drawn once.
    size
        Size of the pictures.
    """
    view = make()
    view.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    view.resize(size)
    view.show()
    try:
        shown, picture, reach = -1, None, Reach()
        for row in rows:
            if picture is None or row != shown:
                view.set_reach(reach.take(snapshots[row]), make_map(snapshots[row]).range_max_m)
                view.show_snapshots(snapshots[max(0, row + 1 - view.history_length) : row + 1])
                shown, picture = row, pixels(view)
            yield picture
    finally:
        view.hide()
        view.deleteLater()


@contextmanager
def _as_vectors(widget: QWidget) -> Iterator[None]:
    """Have all plots paint lines and texts, where they paint pixels that they keep to be quick."""
    items = [item for plot in widget.findChildren(pg.GraphicsView) for item in plot.scene().items()]
    caches = [(item, item.cacheMode()) for item in items]
    exported = [item for item in items if isinstance(item, pg.GraphicsItem)]
    for item in items:
        item.setCacheMode(QGraphicsItem.CacheMode.NoCache)
    for item in exported:
        item.setExportMode(True, {"antialias": True})
    try:
        yield
    finally:
        for item in exported:
            item.setExportMode(False)
        for item, mode in caches:
            item.setCacheMode(mode)
