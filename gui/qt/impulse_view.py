"""The impulse response of a radio's newest block, before and after what stands still was taken off."""

import math
from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtWidgets import QLabel

from isactrack.acquisition.snapshot import Snapshot
from isactrack.gui.models.impulse import (
    HIGHEST_DB,
    LOWEST_DB,
    X_LABEL,
    Y_LABEL,
    Impulse,
    make_impulse,
    why_empty,
)
from isactrack.gui.models.levels import OKABE_ITO
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.explained import Explained
from isactrack.gui.qt.style import SMALL_POINT_SIZE, make_plot, with_opacity
from isactrack.gui.qt.view import View


class ImpulseView(View):
    """Two curves in dB over the length of the path, and a line at the direct one."""

    name = "impulse"
    title = "Impulse response"

    def __init__(self, theme: Theme) -> None:
        before, after = theme.muted, OKABE_ITO["blue" if theme.light else "sky blue"]
        super().__init__(theme, _legend(theme, before, after))
        self._snapshot: Snapshot | None = None
        self.current: Impulse | None = None
        self.framed = QRectF()
        self.widget, self.plot = make_plot(theme, X_LABEL, Y_LABEL)
        self.before = pg.PlotCurveItem(pen=pg.mkPen(before, width=1))
        self.after = pg.PlotCurveItem(pen=pg.mkPen(after, width=1.6))
        self.direct = pg.InfiniteLine(
            angle=90, pen=pg.mkPen(with_opacity(theme.text, 0.7), width=1, style=Qt.PenStyle.DashLine),
            label="direct path", labelOpts={"position": 0.96, "color": theme.text, "anchors": [(0, 0.5), (0, 0.5)]},
        )  # fmt: skip
        font = self.font()
        font.setPointSize(SMALL_POINT_SIZE)
        self.direct.label.setFont(font)
        for item in (self.before, self.after, self.direct):
            self.plot.addItem(item, ignoreBounds=True)
        self.plot.disableAutoRange()
        self.widget.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self.content = Explained(self.widget)
        self.content.explain(self.empty_text())
        self.body.addWidget(self.content, 1)

    def show_snapshots(self, history: Sequence[Snapshot]) -> None:
        """Draw the last of some snapshots."""
        self._snapshot = history[-1]
        self.content.explain(self.empty_text())
        self.current = shown = make_impulse(self._snapshot)
        if shown is None:
            return
        self.before.setData(shown.path_m, shown.before_db)
        self.after.setData(shown.path_m, shown.after_db)
        self.direct.setVisible(shown.direct_path_m is not None)
        if shown.direct_path_m is not None:
            self.direct.setValue(shown.direct_path_m)
        self.plot.setLimits(xMin=0.0, xMax=float(shown.path_m[-1]))
        wanted = QRectF(0.0, LOWEST_DB, shown.longest_m, HIGHEST_DB - LOWEST_DB)
        if wanted != self.framed:
            self.framed = wanted
            self.frame()

    def empty_text(self) -> str:
        """Return why there are no curves."""
        return why_empty(self._snapshot)

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""
        self.plot.showGrid(x=visible, y=visible, alpha=0.22)

    def frame(self) -> None:
        """Show all paths that the chain looks at again."""
        if not self.framed.isEmpty():
            self.plot.setRange(self.framed, padding=0.0)

    def take_over(self, former: View) -> None:
        """Keep what part was shown."""
        if isinstance(former, ImpulseView) and not former.framed.isEmpty():
            self.framed = QRectF(former.framed)
            self.plot.setRange(former.plot.getViewBox().viewRect(), padding=0.0)

    def _on_mouse_moved(self, position: QPointF) -> None:
        if self.current is None or not self.plot.sceneBoundingRect().contains(position):
            return
        at = self.plot.getViewBox().mapSceneToView(position)
        if math.isfinite(at.x()):
            self.pointed.emit(self.current.readout(at.x()))


def _legend(theme: Theme, before: str, after: str) -> QLabel:
    legend = QLabel(
        f'<span style="color:{before}">━</span> before &nbsp; <span style="color:{after}">━</span> '
        "after clutter removal"
    )
    legend.setObjectName("muted")
    legend.setStyleSheet(f"font-size: {SMALL_POINT_SIZE}pt; color: {theme.muted};")
    legend.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return legend
