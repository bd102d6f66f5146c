"""What the viewer says when it cannot start."""

import builtins
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

import pytest

from isactrack.errors import ConfigError
from isactrack.gui.qt import startup


@pytest.mark.parametrize("pyside", ["6.12.0", "6.12", "6.13.1", "7.0.0a1"])
def test_a_pyside_that_aborts_is_refused(pyside: str) -> None:
    with pytest.raises(ConfigError, match="aborts on Python") as caught:
        startup.check_versions(pyside, (3, 11))
    assert "PySide6-Essentials>=6.8,<6.11" in caught.value.hint


@pytest.mark.parametrize(("pyside", "python"), [("6.8.3", (3, 11)), ("6.10.3", (3, 11)), ("6.12.0", (3, 12))])
def test_others_are_taken(pyside: str, python: tuple[int, int]) -> None:
    startup.check_versions(pyside, python)


def test_a_missing_pyside_names_the_extra() -> None:
    with pytest.raises(ConfigError) as caught:
        startup.check_versions(None, (3, 11))
    assert "isactrack[gui]" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (ModuleNotFoundError("No module named 'pyqtgraph'", name="pyqtgraph"), "isactrack[gui]"),
        (ImportError("libEGL.so.1: cannot open shared object file"), "apt install libegl1"),
    ],
)
def test_a_qt_that_does_not_load_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, error: ImportError, hint: str
) -> None:
    real = builtins.__import__

    def fake(
        name: str,
        globals_: Mapping[str, object] | None = None,
        locals_: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if name in ("pyqtgraph", "PySide6"):
            raise error
        return real(name, globals_, locals_, fromlist or (), level)

    monkeypatch.setattr(startup, "_version", lambda _name: "6.10.3")
    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(ConfigError) as caught:
        startup.require_qt()
    monkeypatch.undo()
    assert hint in caught.value.hint


def test_no_screen_is_said_before_qt_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="no screen"):
        startup.check_display()
    monkeypatch.setenv("DISPLAY", ":0")
    startup.check_display()
