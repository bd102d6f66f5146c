"""Painting of scene items that may fail."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

_Item = TypeVar("_Item")
_Arguments = ParamSpec("_Arguments")


def painted_safely(
    paint: Callable[Concatenate[_Item, _Arguments], None],
) -> Callable[Concatenate[_Item, _Arguments], None]:
    """Let the ``paint`` of a scene item fail without ending the process.

    PySide crashes (seen with 6.10) when an exception leaves the ``paint`` of an item in a view whose ``paintEvent`` is
    written in Python, as pyqtgraph's is. The exception goes where those of Qt's other callbacks go: `sys.excepthook`.
    """

    @wraps(paint)
    def safely(item: _Item, /, *arguments: _Arguments.args, **more: _Arguments.kwargs) -> None:
        try:
            paint(item, *arguments, **more)
        except Exception as error:  # noqa: BLE001 - the window stops the view that it arose in
            sys.excepthook(type(error), error, error.__traceback__)

    return safely
