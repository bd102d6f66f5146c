"""What fails while it paints is told and does not end the process, although PySide would let it."""

import importlib
import pkgutil
import sys
from typing import Any

import pytest

pytest.importorskip("PySide6.QtWidgets")
pytest.importorskip("pyqtgraph")

import pyqtgraph as pg
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication, QGraphicsItem, QWidget

import isactrack.gui.qt
from isactrack.gui.models.theme import DARK, Theme
from isactrack.gui.qt.plan_view import PlanView
from isactrack.gui.qt.view import View


@pytest.fixture
def told(app: QApplication, monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """Kinds of the exceptions that the viewer would take."""
    kinds: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, _error, _trace: kinds.append(kind))
    return kinds


def raised_in_c(*_: object) -> Any:
    return int("no number")


def test_a_fault_in_an_item_of_the_plot_library_is_told(
    told: list[type[BaseException]], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = PlanView(DARK)
    view.resize(400, 300)
    view.show()
    monkeypatch.setattr(pg.AxisItem, "generateDrawSpecs", raised_in_c)
    view.plot.getAxis("left").picture = None
    view.grab()  # painted while Python waits for Qt: then PySide crashes with what is raised in C
    assert ValueError in told
    view.close()
    view.deleteLater()


def test_a_fault_in_the_painting_of_a_view_is_told(told: list[type[BaseException]]) -> None:
    class Bad(View):
        def __init__(self, theme: Theme) -> None:
            super().__init__(theme, QWidget())

        def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
            raised_in_c(event)

    view = Bad(DARK)
    view.grab()
    assert told == [ValueError]
    view.deleteLater()


def test_whatever_paints_here_is_guarded() -> None:
    found, bare = 0, []
    for module in pkgutil.iter_modules(isactrack.gui.qt.__path__):
        for kind in vars(importlib.import_module(f"isactrack.gui.qt.{module.name}")).values():
            if not isinstance(kind, type) or not kind.__module__.startswith("isactrack."):
                continue
            for name in ("paint",) * issubclass(kind, QGraphicsItem) + ("paintEvent",) * issubclass(kind, QWidget):
                if name in vars(kind):
                    found += 1
                    bare += [] if hasattr(vars(kind)[name], "__wrapped__") else [f"{kind.__name__}.{name}"]
    assert found >= 5 and bare == []
