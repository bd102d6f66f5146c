"""Pictures of the window, and what can be found wrong in them without looking at them."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QCheckBox,
    QComboBox,
    QDockWidget,
    QGraphicsView,
    QLabel,
    QLayout,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QStackedLayout,
    QTabBar,
    QTableView,
    QToolButton,
    QWidget,
)

from isactrack.gui.qt.health_panel import ElidedLabel
from tests.gui.loops import spin

TextWidget = QLabel | QPushButton | QToolButton | QCheckBox
_TEXT_MARGIN = 5
"""Pixels around a text in a scene that nothing is drawn in."""
_SLACK = 1
"""Pixels that sizes may be rounded by."""


def shoot(widget: QWidget, folder: Path, name: str) -> None:
    """Save a picture of a window or a dialog, and fail if something in it is clipped, covered or cut off."""
    spin(30)
    assert widget.grab().save(str(folder / f"{name}.png"))
    found = defects(widget)
    assert not found, f"{name}:\n  " + "\n  ".join(found)


def defects(root: QWidget) -> list[str]:
    """Return what is clipped, overlaps or leaves its parent in a window, each in a line."""
    widgets = list(_seen(root))
    return [
        *(f"clipped: {_name(widget)}: {why}" for widget in widgets if (why := _clipped(widget))),
        *(line for widget in widgets for line in _overlaps(widget)),
        *(f"cut off: what scrolls in {_name(widget)}" for widget in widgets if _hides_a_part(widget)),
        *(line for widget in widgets for line in _cut_labels(widget)),
        *(f"outside of {_name(widget.parentWidget())}: {_name(widget)}" for widget in widgets if _is_outside(widget)),
    ]


def _seen(root: QWidget) -> Iterator[QWidget]:
    """Yield a widget and all below it that can be seen; not what Qt makes for itself."""
    yield root
    for child in root.children():
        if not isinstance(child, QWidget) or child.isWindow() or not child.isVisible():
            continue
        # Docks behind other tabs, and tabs that are not needed, are put where nobody sees them.
        if isinstance(child, QDockWidget | QTabBar) and child.visibleRegion().isEmpty():
            continue
        if child.objectName().startswith("qt_"):
            continue
        if not isinstance(root, QTabBar | QComboBox | QTableView):
            yield from _seen(child)


def _clipped(widget: QWidget) -> str:
    """Return how much room the text of a widget lacks; empty if it lacks none."""
    if isinstance(widget, QComboBox):
        needed = widget.minimumSizeHint().width()
        return f"{widget.width()} of {needed} pixels wide" if widget.width() + _SLACK < needed else ""
    if not isinstance(widget, TextWidget) or isinstance(widget, ElidedLabel) or not widget.text():
        return ""
    width, height = widget.sizeHint().width(), widget.sizeHint().height()
    if isinstance(widget, QLabel) and widget.wordWrap():
        margins = widget.contentsMargins()
        words = max(QFontMetrics(widget.font()).horizontalAdvance(word) for word in widget.text().split() or [""])
        width = words + margins.left() + margins.right()
        height = widget.heightForWidth(widget.width())
    # Some of a scrolled content is out of sight, but none of it may lack room.
    if widget.width() + _SLACK < width:
        return f"{widget.width()} of {width} pixels wide"
    if widget.height() + _SLACK < height:
        return f"{widget.height()} of {height} pixels high"
    return ""


def _overlaps(widget: QWidget) -> Iterator[str]:
    """Yield which widgets of one layout lie over each other."""
    layout = widget.layout()
    if layout is None or isinstance(widget, QMainWindow | QTabBar):
        return
    placed = [child for child in _placed(layout) if child.isVisible()]
    for one, other in combinations(placed, 2):
        common = one.geometry().intersected(other.geometry())
        if common.width() > _SLACK and common.height() > _SLACK:
            yield f"overlap in {_name(widget)}: {_name(one)} and {_name(other)}"


def _placed(layout: QLayout) -> Iterator[QWidget]:
    """Yield the widgets that a layout and those in it place, but for those that share a place on purpose."""
    if isinstance(layout, QStackedLayout):
        return
    for index in range(layout.count()):
        item = layout.itemAt(index)
        below, inner = (None, None) if item is None else (item.widget(), item.layout())
        if below is not None:
            yield below
        elif inner is not None:
            yield from _placed(inner)


def _is_outside(widget: QWidget) -> bool:
    """Return whether some of a widget lies beyond its parent, which would cut it off."""
    parent = widget.parentWidget()
    if parent is None or widget.isWindow() or isinstance(parent.parentWidget(), QAbstractScrollArea):
        return False  # what is scrolled may be larger
    if isinstance(parent, QAbstractScrollArea | QTabBar):
        return False
    room = parent.rect().adjusted(-_SLACK, -_SLACK, _SLACK, _SLACK)
    return not room.contains(QRect(widget.pos(), widget.size()))


def _cut_labels(widget: QWidget) -> Iterator[str]:
    """Yield the labels of axes that have no room in their plot."""
    if not isinstance(widget, QGraphicsView):
        return
    room = QRectF(widget.viewport().rect()).adjusted(-_TEXT_MARGIN, -_TEXT_MARGIN, _TEXT_MARGIN, _TEXT_MARGIN)
    for item in widget.scene().items():
        if isinstance(item, pg.AxisItem) and item.isVisible() and item.label.isVisible():
            where = widget.mapFromScene(item.label.sceneBoundingRect()).boundingRect()
            if not room.contains(QRectF(where)):
                yield f"cut off: the label {item.labelText!r} of an axis in {_name(widget)}"


def _hides_a_part(widget: QWidget) -> bool:
    """Return whether something scrolls up and down only, and is wider than the room that it has."""
    if not isinstance(widget, QScrollArea):
        return False
    content = widget.widget()
    fixed = widget.horizontalScrollBarPolicy() is Qt.ScrollBarPolicy.ScrollBarAlwaysOff
    return fixed and content is not None and content.width() > widget.viewport().width() + _SLACK


def _name(widget: QWidget | None) -> str:
    """Return how to find a widget: its class, the names and texts on the way to it."""
    if widget is None:
        return "nothing"
    text = widget.text() if isinstance(widget, TextWidget) else ""
    parent = widget.parentWidget()
    above = "" if parent is None or widget.isWindow() else f"{type(parent).__name__}({parent.objectName()})/"
    at = widget.mapTo(widget.window(), QPoint())
    return f"{above}{type(widget).__name__}({widget.objectName()}) {text!r} at {at.x()},{at.y()}"
