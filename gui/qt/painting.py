"""Painting that may fail."""

import sys
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pyqtgraph as pg

_Item = TypeVar("_Item")
_Arguments = ParamSpec("_Arguments")


def painted_safely(
    paint: Callable[Concatenate[_Item, _Arguments], None],
) -> Callable[Concatenate[_Item, _Arguments], None]:
    """Let the ``paint`` of a scene item, or the ``paintEvent`` of a widget, fail without ending the process.

    PySide crashes (6.8 to 6.10, Python 3.11) when an exception that was raised in C, as that of ``int("x")``, leaves
    what paints while a function of Qt that Python had called is under way: the ``paintEvent`` of a view in pyqtgraph,
    an ``event`` that a window overrides, ``grab``. The exception goes where those of Qt's other callbacks go:
    `sys.excepthook`.
    """

    @wraps(paint)
    def safely(item: _Item, /, *arguments: _Arguments.args, **more: _Arguments.kwargs) -> None:
        try:
            paint(item, *arguments, **more)
        except Exception as error:  # noqa: BLE001 - the window stops the view that it arose in
            sys.excepthook(type(error), error, error.__traceback__)

    return safely


@cache
def guard_library() -> None:
    """Let the scene items of pyqtgraph fail in painting without ending the process, as `painted_safely` says."""
    for kind in _kinds_of(pg.GraphicsItem):
        if "paint" in vars(kind) and kind.__module__.startswith("pyqtgraph."):
            kind.paint = painted_safely(kind.paint)


def _kinds_of(kind: Any) -> Iterator[Any]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds_of(below)
