"""Views as pictures: what the screen shows, drawings of it, and films."""

from collections.abc import Callable, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QIODevice, QPoint, QSize, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsItem, QWidget

from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import RecordingError
from isactrack.gui.models.exporting import Picture, Pictures
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
    caches = _without_caches(widget)
    painter = QPainter(generator)
    try:
        widget.render(painter, QPoint())
    finally:
        painter.end()
        for item, mode in caches:
            item.setCacheMode(mode)
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
        Makes the view; it is deleted at the end.
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
        shown, picture = -1, None
        for row in rows:
            if picture is None or row != shown:
                view.show_snapshots(snapshots[max(0, row + 1 - view.history_length) : row + 1])
                shown, picture = row, pixels(view)
            yield picture
    finally:
        view.hide()
        view.deleteLater()


def _without_caches(widget: QWidget) -> list[tuple[QGraphicsItem, QGraphicsItem.CacheMode]]:
    """Switch caches off, which would put pixels in place of axes; return what they were."""
    changed = []
    for plot in widget.findChildren(pg.GraphicsView):
        for item in plot.scene().items():
            if item.cacheMode() != QGraphicsItem.CacheMode.NoCache:
                changed.append((item, item.cacheMode()))
                item.setCacheMode(QGraphicsItem.CacheMode.NoCache)
    return changed
