"""The theme as Qt's palette, style sheet and plot settings."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QGraphicsItem

from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.painting import guard_library

POINT_SIZE = 10
SMALL_POINT_SIZE = 9


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Give the application the theme, the same on every platform; nothing happens if it has it already.

    Each of Qt's calls looks at every widget there is again, which takes longer than to make a window.
    """
    sheet = _sheet(theme)
    if app.styleSheet() == sheet:
        return
    app.setStyleSheet("")  # else all that follows would be done through the former one
    if app.style().name() != "fusion":
        app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    font = QFont(app.font())
    font.setPointSize(POINT_SIZE)
    app.setFont(font)
    app.setStyleSheet(sheet)


def make_plot(theme: Theme, x_label: str, y_label: str) -> tuple[Any, Any]:
    """Return a plot widget and its plot item with labelled axes, no menus and no buttons."""
    guard_library()
    widget = pg.PlotWidget(background=theme.plot)
    widget.setAcceptDrops(False)  # what is dropped on it is for the window
    widget.viewport().setAcceptDrops(False)
    plot = widget.getPlotItem()
    plot.setMenuEnabled(False)
    plot.hideButtons()
    small = QFont(QApplication.font())
    small.setPointSize(SMALL_POINT_SIZE)
    for side, label in (("bottom", x_label), ("left", y_label)):
        axis = plot.getAxis(side)
        axis.enableAutoSIPrefix(False)
        axis.setLabel(label, color=theme.muted)
        axis.setPen(theme.muted)
        axis.setTextPen(theme.muted)
        axis.setTickFont(small)
        axis.setZValue(1)  # grid lines lie over an image, not under it
        # Ticks and grid rarely change, but what moves under the grid would have them drawn anew each time.
        axis.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        axis.setStyle(tickLength=4, tickTextOffset=6)
    plot.getAxis("left").setWidth(52)
    plot.getAxis("bottom").setHeight(44)
    plot.setContentsMargins(4, 8, 10, 2)
    return widget, plot


def with_opacity(colour: str, opacity: float) -> QColor:
    """Return a colour (``"#rrggbb"``) that lets through what is behind it."""
    result = QColor(colour)
    result.setAlphaF(opacity)
    return result


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    colours = {
        role.Window: theme.window, role.WindowText: theme.text, role.Base: theme.panel,
        role.AlternateBase: theme.raised, role.Text: theme.text, role.Button: theme.raised,
        role.ButtonText: theme.text, role.BrightText: theme.bad, role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.text, role.PlaceholderText: theme.muted, role.Highlight: theme.accent,
        role.HighlightedText: theme.window, role.Link: theme.accent, role.Light: theme.raised,
        role.Mid: theme.line, role.Dark: theme.line,
    }  # fmt: skip
    for key, colour in colours.items():
        palette.setColor(key, QColor(colour))
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, QColor(theme.muted))
    return palette


def _sheet(t: Theme) -> str:
    return f"""
    QMenuBar {{ background: {t.window}; padding: 2px 4px; }}
    QMenuBar::item {{ padding: 4px 9px; border-radius: 4px; background: transparent; }}
    QMenuBar::item:selected {{ background: {t.raised}; }}
    QMenu {{ background: {t.panel}; border: 1px solid {t.line}; padding: 4px; }}
    QMenu::item {{ padding: 5px 26px 5px 22px; border-radius: 3px; }}
    QMenu::item:selected {{ background: {t.raised}; }}
    QSplitter::handle {{ background: {t.window}; }}
    QStatusBar {{ background: {t.window}; color: {t.muted}; }}
    QStatusBar::item {{ border: none; }}
    QStatusBar QLabel {{ color: {t.muted}; padding: 1px 6px; }}
    QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.line}; padding: 4px; }}
    QMainWindow::separator {{ background: {t.window}; width: 6px; height: 6px; }}
    QMainWindow::separator:hover {{ background: {t.line}; }}
    QWidget#dock_title {{ background: {t.panel}; border: 1px solid {t.line}; border-bottom: none;
                          border-top-left-radius: 6px; border-top-right-radius: 6px; }}
    QDockWidget > QFrame#card {{ border-top: none; border-top-left-radius: 0; border-top-right-radius: 0; }}
    QMainWindow QTabBar {{ background: {t.window}; qproperty-drawBase: 0; }}
    QMainWindow QTabBar::tab {{ background: {t.window}; color: {t.muted}; border: 1px solid {t.line};
                                border-bottom: none; padding: 4px 11px; margin-right: 2px;
                                border-top-left-radius: 5px; border-top-right-radius: 5px; }}
    QMainWindow QTabBar::tab:selected {{ background: {t.panel}; color: {t.text}; }}
    QMainWindow QTabBar::tab:hover {{ color: {t.text}; }}
    QFrame#toast {{ background: {t.raised}; border: 1px solid {t.line}; border-left: 4px solid {t.accent};
                    border-radius: 5px; }}
    QFrame#toast[level="error"] {{ border-left-color: {t.bad}; }}
    QFrame#toast QLabel#title {{ font-weight: 600; }}
    QLabel#count {{ color: {t.muted}; font-weight: 600; }}
    QFrame#card {{ background: {t.panel}; border: 1px solid {t.line}; border-radius: 6px; }}
    QLabel#title {{ color: {t.text}; font-weight: 600; }}
    QLabel#section {{ color: {t.muted}; font-weight: 600; font-size: {SMALL_POINT_SIZE}pt; }}
    QLabel#muted {{ color: {t.muted}; }}
    QLabel#headline {{ color: {t.text}; font-size: 17pt; font-weight: 600; }}
    QLabel#key {{ color: {t.text}; background: {t.raised}; border: 1px solid {t.line}; border-radius: 4px;
                  padding: 1px 7px; font-size: {SMALL_POINT_SIZE}pt; }}
    QToolButton {{ border: none; border-radius: 5px; padding: 5px; background: transparent; color: {t.text}; }}
    QToolButton:hover {{ background: {t.raised}; }}
    QToolButton:pressed, QToolButton:checked {{ background: {t.line}; }}
    QToolButton:focus, QPushButton:focus {{ background: {t.line}; border: 1px solid {t.accent}; }}
    QToolButton#small {{ padding: 3px; margin-top: 5px; }}
    QPushButton {{ background: {t.raised}; border: 1px solid {t.line}; border-radius: 5px; padding: 5px 14px; }}
    QPushButton:hover {{ border-color: {t.accent}; }}
    QScrollArea, QWidget#scrolled {{ background: transparent; border: none; }}
    QScrollBar:vertical {{ background: transparent; width: 8px; }}
    QScrollBar::handle:vertical {{ background: {t.line}; border-radius: 4px; min-height: 24px; }}
    QScrollBar:horizontal {{ background: transparent; height: 8px; }}
    QScrollBar::handle:horizontal {{ background: {t.line}; border-radius: 4px; min-width: 24px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
    QHeaderView {{ background: {t.panel}; }}
    QHeaderView::section {{ background: {t.panel}; color: {t.muted}; border: none; border-bottom: 1px solid {t.line};
                            padding: 3px 5px; }}
    QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {t.raised}; }}
    QSlider::sub-page:horizontal {{ height: 4px; border-radius: 2px; background: {t.accent}; }}
    QSlider::handle:horizontal {{ width: 12px; height: 12px; margin: -4px 0; border-radius: 6px;
                                   background: {t.text}; }}
    QSlider::handle:horizontal:disabled, QSlider::sub-page:horizontal:disabled {{ background: {t.line}; }}
    """
