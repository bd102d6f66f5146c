"""Scene items that draw many marks at once: what they paint, where, and in which kinds of output."""

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

from PySide6.QtCore import QBuffer, QIODevice, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication, QGraphicsItem, QGraphicsScene, QGraphicsView

from isactrack.gui.models.strokes import Strokes
from isactrack.gui.qt.spots_item import Label, SpotLook, SpotsItem
from isactrack.gui.qt.strokes_item import StrokesItem, bounds_of

RED, GREEN = "#ff0000", "#00ff00"
SIDE = 200
SCALE = 20.0
"""Pixels in a metre; y goes up."""


@pytest.fixture
def view(app: QApplication) -> QGraphicsView:
    scene = QGraphicsScene(QRectF(0.0, 0.0, SIDE / SCALE, SIDE / SCALE))
    view = QGraphicsView(scene)
    view.setFrameStyle(0)
    for set_policy in (view.setHorizontalScrollBarPolicy, view.setVerticalScrollBarPolicy):
        set_policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.resize(SIDE, SIDE)
    view.scale(SCALE, -SCALE)
    scene.setParent(view)  # else nothing keeps it
    return view


def put(view: QGraphicsView, item: QGraphicsItem) -> None:
    view.scene().addItem(item)


def picture(view: QGraphicsView, ratio: float = 1.0) -> QImage:
    image = QImage(round(SIDE * ratio), round(SIDE * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(QColor("black"))
    painter = QPainter(image)
    view.render(painter, QRectF(0, 0, SIDE, SIDE), QRect(0, 0, SIDE, SIDE))
    painter.end()
    return image


def colour(image: QImage, x_m: float, y_m: float) -> QColor:
    """Return the colour at a place in metres."""
    ratio = image.devicePixelRatio()
    return image.pixelColor(round(ratio * SCALE * x_m), round(ratio * (SIDE - SCALE * y_m)))


def svg(view: QGraphicsView) -> str:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    painter = QPainter(generator)
    view.render(painter)
    painter.end()
    return bytes(buffer.data().data()).decode()


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_spots_lie_where_they_belong_in_their_own_looks(view: QGraphicsView, ratio: float) -> None:
    spots = SpotsItem()
    put(view, spots)
    spots.set_spots(
        np.array([[2.0, 3.0], [7.0, 8.0], [np.nan, 1.0]]),
        [SpotLook(12.0, "#ffffff", filling=RED), SpotLook(12.0, GREEN, 2.0), SpotLook(12.0, RED)],
    )
    image = picture(view, ratio)
    assert colour(image, 2.0, 3.0) == QColor(RED)
    assert colour(image, 7.0, 8.0) == QColor("black")  # a ring
    assert colour(image, 7.0 + 6.0 / SCALE, 8.0).green() > 150
    assert colour(image, 2.0, 3.0 + 12.0 / SCALE) == QColor("black")
    assert len(spots.points) == 2


def test_a_label_is_beside_its_spot_and_its_plate_hides_what_is_below(view: QGraphicsView) -> None:
    spots = SpotsItem()
    put(view, spots)
    points = np.array([[5.0, 5.0], [np.inf, 5.0]])
    spots.set_spots(points, SpotLook(6.0, RED), [Label("17", "#ffffff", GREEN), Label("18", "#ffffff", GREEN)])
    image = picture(view)
    assert spots.label_texts == ["17"]
    assert colour(image, 5.0 + 6.0 / SCALE, 5.0 + 7.0 / SCALE) == QColor(GREEN)
    spots.set_spots(points[:1], SpotLook(6.0, RED))
    assert spots.label_texts == []
    assert colour(picture(view), 5.0 + 6.0 / SCALE, 5.0 + 7.0 / SCALE) == QColor("black")


def test_in_a_file_of_vectors_marks_stay_vectors(view: QGraphicsView) -> None:
    spots = SpotsItem()
    put(view, spots)
    spots.set_spots(np.array([[5.0, 5.0]]), SpotLook(6.0, RED), [Label("17", "#ffffff", GREEN)])
    text = svg(view)
    assert "<image" not in text
    assert ">17<" in text
    assert "ff0000" in text


def test_strokes_lie_where_they_belong(view: QGraphicsView) -> None:
    strokes = StrokesItem(lambda number: (RED, GREEN)[number], 3.0)
    put(view, strokes)
    strokes.set_strokes(
        [
            Strokes(0, 1.0, np.array([[1.0, 2.0, 9.0, 2.0]])),
            Strokes(1, 0.5, np.array([[1.0, 6.0, 4.0, 6.0], [6.0, 6.0, 9.0, 6.0]])),
        ]
    )
    image = picture(view)
    assert strokes.piece_count == 3
    assert colour(image, 5.0, 2.0).red() > 200
    assert 100 < colour(image, 2.0, 6.0).green() < 155
    assert colour(image, 5.0, 6.0) == QColor("black")  # between two pieces
    strokes.set_strokes([])
    assert colour(picture(view), 5.0, 2.0) == QColor("black")
    assert strokes.boundingRect().isEmpty()


def test_bounds_hold_every_point(view: QGraphicsView) -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    bounds = bounds_of(points)
    assert all(bounds.contains(QPointF(*point)) for point in points.tolist())
    assert bounds.width() < np.ptp(points[:, 0]) + 0.21
    assert bounds_of(np.zeros((0, 2))).isEmpty()
    # What is drawn beyond a point lies within the bounds of its item, else it would be left behind on the screen.
    spots = SpotsItem()
    put(view, spots)
    spots.set_spots(np.array([[5.0, 5.0]]), SpotLook(12.0, RED), [Label("123456", RED, GREEN)])
    image, outside = picture(view), spots.boundingRect()
    lit = [
        (x / SCALE, (SIDE - y) / SCALE) for x in range(SIDE) for y in range(SIDE) if image.pixel(x, y) & 0xFFFFFF
    ]  # fmt: skip
    assert lit
    assert all(outside.contains(QPointF(*place)) for place in lit)
