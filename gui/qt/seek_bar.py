"""The line of time: where the cursor is, markers and events beside it, gaps on it."""

from typing import Final

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QHelpEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QSlider, QToolTip

from isactrack.events import EventKind
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.timeline_marks import BarPicture, Mark, tip_of
from isactrack.gui.models.transport import TransportState
from isactrack.gui.qt.painting import painted_safely

_PAD: Final = 16
"""Room at both ends: for the handle, and at the start for what says that older frames are gone."""
_HEIGHT: Final = 34
_MIDDLE: Final = 17
_LINE: Final = 4
_GAP_HALF: Final = 5
_HANDLE: Final = 6.0
_MARKER_Y, _OTHER_Y = 5.0, 29.0
_REACH_PX: Final = 6
"""How near the pointer must be to a mark."""


class SeekBar(QSlider):
    """A slider over time, in milliseconds from its start, whose handle goes to where one clicks.

    Markers stand above the line, what else happened below it, each kind with a shape of its own. Where nothing came the
    line is hatched, crosswise where the device was away. Dots before its start say that older frames are gone.

    Parameters
    ----------
    theme
        Colours.
    """

    asked = Signal(float)
    """The user wants to see this time (s)."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._state: TransportState | None = None
        self._picture = BarPicture()
        self._drawn: tuple[object, float, float, int] = (None, 0.0, 0.0, 0)  # what the picture is of
        self._layer: QPixmap | None = None
        self.set_theme(theme)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrow keys belong to the window
        self.setAccessibleName("Time")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.valueChanged.connect(self._on_value_changed)

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self._ground, self._done = QColor(theme.line), QColor(theme.accent)
        self._handle, self._panel = QColor(theme.text), QColor(theme.panel)
        self._missing = QBrush(QColor(theme.muted), Qt.BrushStyle.BDiagPattern)
        self._away = QBrush(QColor(theme.warn), Qt.BrushStyle.DiagCrossPattern)
        self._off = QColor(theme.line)
        colours = {
            EventKind.MARKER: theme.accent, EventKind.LINK: theme.bad, EventKind.CARD: theme.warn,
            EventKind.OSCILLATOR: theme.warn,
        }  # fmt: skip
        self._pens = {kind: QPen(QColor(colours.get(kind, theme.muted)), 1.6) for kind in EventKind}
        self._brushes = {
            kind: QBrush(pen.color()) if kind in _FILLED else QBrush(Qt.BrushStyle.NoBrush)
            for kind, pen in self._pens.items()
        }
        self._layer = None
        self.update()

    def show_state(self, state: TransportState) -> None:
        """Show where the cursor is and what lies on the line; the handle stays with the user who holds it."""
        former, self._state = self._state, state
        if not self.isSliderDown():
            blocked = self.blockSignals(True)  # moved by the clock, not by the user
            self.setEnabled(state.enabled)
            self.setRange(0, max(state.span_ms, 0))
            self.setValue(state.position_ms)
            self.blockSignals(blocked)
        if former is None or former.version != state.version or former.dropped != state.dropped:
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the room that the line and its marks need."""
        return QSize(200, _HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the least room."""
        return QSize(80, _HEIGHT)

    @property
    def picture(self) -> BarPicture:
        """What lies along the line; made anew only if it looks different now."""
        state = self._state
        if state is not None and not self._is_drawn(state):
            self._drawn = state.version, state.start_s, state.start_s + state.span_ms / 1e3, self._width
            self._picture = state.picture_of(self._width)
            self._layer = None
        return self._picture

    def x_at(self, time_s: float) -> int:
        """Return where a time is, pixels."""
        state = self._state
        if state is None or state.span_ms <= 0:
            return _PAD
        return _PAD + round((time_s - state.start_s) * 1e3 / state.span_ms * self._width)

    def tip_at(self, at: QPoint) -> str:
        """Return what the tool-tip says at a point; empty for nothing."""
        state = self._state
        if state is None or not state.enabled:
            return ""
        if at.x() < _PAD:
            return state.dropped_text
        marks, gap = state.near(self._time_at(at.x()), self._reach_s)
        return tip_of(marks, gap)

    def event(self, event: QEvent) -> bool:
        """Show what is under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            text = self.tip_at(event.pos())
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
                event.ignore()
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go there, to a mark if there is one beside the line, then drag on."""
        if event.button() is not Qt.MouseButton.LeftButton or self._state is None:
            event.ignore()
            return
        mark = self._mark_at(event.position())
        if mark is None:
            self.setSliderDown(True)
            self.setSliderPosition(self._value_at(event.position().x()))
        else:
            self.asked.emit(mark.time_s)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Drag, or show that a mark can be clicked."""
        if self.isSliderDown():
            self.setSliderPosition(self._value_at(event.position().x()))
        else:
            over = self._mark_at(event.position()) is not None
            self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Let go."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.setSliderDown(False)

    @painted_safely
    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the line, what lies on it, and the handle above all."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        x = self._handle_x()
        right = _PAD + self._width
        self._draw_line(painter, _PAD, right, self._ground)
        self._draw_line(painter, _PAD, x, self._done if self.isEnabled() else self._off)
        if self._state is not None and self._state.dropped:
            painter.setBrush(self._handle)
            for k in range(3):
                painter.drawEllipse(QPointF(2.5 + 4.5 * k, _MIDDLE), 1.4, 1.4)
        painter.drawPixmap(0, 0, self._marks_layer())
        painter.setBrush(self._handle if self.isEnabled() else self._off)
        painter.drawEllipse(QPointF(x, _MIDDLE), _HANDLE, _HANDLE)
        painter.end()

    def _marks_layer(self) -> QPixmap:
        """Return gaps and marks as a picture: they stand still in most frames, while the handle moves."""
        picture = self.picture
        if self._layer is None or self._layer.deviceIndependentSize().toSize() != self.size():
            ratio = self.devicePixelRatioF()
            self._layer = QPixmap(self.size() * ratio)
            self._layer.setDevicePixelRatio(ratio)
            self._layer.fill(Qt.GlobalColor.transparent)
            painter = QPainter(self._layer)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._draw_gaps(painter, picture)
            self._draw_marks(painter, picture)
            painter.end()
        return self._layer

    def _is_drawn(self, state: TransportState) -> bool:
        """Return whether the picture is of a state, or everything would lie less than half a pixel beside it."""
        version, start_s, stop_s, width = self._drawn
        if version != state.version or width != self._width:
            return False
        half_px_s = 0.5 * state.span_ms / 1e3 / width
        now_s = state.start_s + state.span_ms / 1e3
        return abs(state.start_s - start_s) <= half_px_s and abs(now_s - stop_s) <= half_px_s

    def _draw_line(self, painter: QPainter, left: float, right: float, colour: QColor) -> None:
        painter.setBrush(colour)
        painter.drawRoundedRect(QRect(round(left), _MIDDLE - _LINE // 2, max(0, round(right - left)), _LINE), 2.0, 2.0)

    def _draw_gaps(self, painter: QPainter, picture: BarPicture) -> None:
        for left, right, away in picture.gaps:
            # One in which the device was away is seen even if it is shorter than a pixel.
            wide = max(right - left, 6 if away else 2)
            rect = QRect(_PAD + left, _MIDDLE - _GAP_HALF, wide, 2 * _GAP_HALF)
            painter.fillRect(rect, self._panel)
            painter.fillRect(rect, self._away if away else self._missing)
            if away:
                for edge in (rect.left(), rect.right()):
                    painter.fillRect(QRect(edge, rect.top() - 1, 1, rect.height() + 2), self._away.color())

    def _draw_marks(self, painter: QPainter, picture: BarPicture) -> None:
        for row_y, marks in ((_MARKER_Y, picture.markers), (_OTHER_Y, picture.others)):
            for x, kind in marks:
                painter.setPen(self._pens[kind])
                painter.setBrush(self._brushes[kind])
                painter.drawPath(_SHAPES[kind].translated(_PAD + x, row_y))

    @property
    def _width(self) -> int:
        """Length of the line, pixels."""
        return max(1, self.width() - 2 * _PAD)

    @property
    def _reach_s(self) -> float:
        """Time that the pointer reaches to both sides."""
        return 0.0 if self._state is None else _REACH_PX * self._state.span_ms / 1e3 / self._width

    def _handle_x(self) -> float:
        span = self.maximum() - self.minimum()
        return _PAD + (self._width * self.sliderPosition() / span if span > 0 else 0.0)

    def _value_at(self, x: float) -> int:
        share = min(max((x - _PAD) / self._width, 0.0), 1.0)
        return round(share * self.maximum())

    def _time_at(self, x: float) -> float:
        start_s = 0.0 if self._state is None else self._state.start_s
        return start_s + self._value_at(x) / 1e3

    def _mark_at(self, at: QPointF) -> Mark | None:
        """Return the mark under the pointer, which is beside the line."""
        state = self._state
        if state is None or abs(at.y() - _MIDDLE) <= _HANDLE:
            return None
        marks, _ = state.near(self._time_at(at.x()), self._reach_s)
        above = at.y() < _MIDDLE
        return next((mark for mark in marks if mark.is_marker is above), None)

    def _on_value_changed(self, value: int) -> None:
        if self._state is not None:
            self.asked.emit(self._state.start_s + value / 1e3)


def _polygon(*points: tuple[float, float], closed: bool = True) -> QPainterPath:
    path = QPainterPath(QPointF(*points[0]))
    for point in points[1:]:
        path.lineTo(QPointF(*point))
    if closed:
        path.closeSubpath()
    return path


def _ring(radius: float) -> QPainterPath:
    path = QPainterPath()
    path.addEllipse(QPointF(0.0, 0.0), radius, radius)
    return path


def _shapes() -> dict[EventKind, QPainterPath]:
    """Return a shape for each kind, about (0, 0): colours alone would not tell them apart for everybody."""
    cross = _polygon((-3.0, -3.0), (3.0, 3.0), closed=False)
    cross.moveTo(-3.0, 3.0)
    cross.lineTo(3.0, -3.0)
    return {
        EventKind.MARKER: _polygon((-4.0, -4.0), (4.0, -4.0), (4.0, 0.0), (0.0, 4.0), (-4.0, 0.0)),
        EventKind.LINK: cross,
        EventKind.CARD: _polygon((0.0, -3.6), (3.6, 0.0), (0.0, 3.6), (-3.6, 0.0)),
        EventKind.OSCILLATOR: _polygon((-3.4, 3.0), (0.0, -3.0), (3.4, 3.0)),
        EventKind.RADIO: _ring(2.8),
        EventKind.RADAR: _ring(2.8),
        EventKind.SESSION: _polygon((0.0, -3.4), (0.0, 3.4), closed=False),
    }


_SHAPES: Final = _shapes()
_FILLED: Final = (EventKind.MARKER, EventKind.CARD, EventKind.OSCILLATOR)
