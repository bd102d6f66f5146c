"""Checks before Qt is loaded: what is missing is said in words instead of a crash."""

import importlib.metadata
import os
import sys

from isactrack.errors import ConfigError

_INSTALL = "pip install 'isactrack[gui]'"
_APT = "on Debian and Ubuntu: apt install libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 libxcb-cursor0"


def require_qt() -> None:
    """Check that PySide6 and pyqtgraph are there, fit this Python and can be loaded.

    Raises
    ------
    ConfigError
        If the viewer cannot run; the hint says what to install.
    """
    check_versions(_version("PySide6-Essentials") or _version("PySide6"), sys.version_info[:2])
    try:
        import pyqtgraph  # noqa: F401
        from PySide6 import QtWidgets  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(f"the viewer needs {error.name}, which is not installed", _INSTALL) from error
    except ImportError as error:
        raise ConfigError(f"Qt cannot be loaded: {error}", f"a system library is missing; {_APT}") from error


def check_versions(pyside: str | None, python: tuple[int, int]) -> None:
    """Refuse a PySide6 that would crash.

    Parameters
    ----------
    pyside
        Its version, None if it is not installed.
    python
        Major and minor version of Python.

    Raises
    ------
    ConfigError
        If it is missing or known to abort on this Python.
    """
    if pyside is None:
        raise ConfigError("the viewer needs PySide6, which is not installed", _INSTALL)
    # PySide6 6.12 gives back one reference to None too many in every call that returns nothing, which Python 3.11
    # ends with "none_dealloc"; from 3.12 on None cannot be freed.
    if python < (3, 12) and _numbers(pyside) >= (6, 12):
        raise ConfigError(
            f"PySide6 {pyside} aborts on Python {python[0]}.{python[1]} within seconds",
            "pip install 'PySide6-Essentials>=6.8,<6.11'",
        )


def check_display() -> None:
    """Refuse to start without a screen, where Qt would abort the process.

    Raises
    ------
    ConfigError
        If neither X11 nor Wayland can be reached.
    """
    if not sys.platform.startswith("linux") or "QT_QPA_PLATFORM" in os.environ:
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ConfigError(
            "there is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set",
            "over ssh use `ssh -X`; for a picture only, ask for a screenshot, which needs no screen",
        )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    parts = []
    for part in version.split(".")[:2]:
        digits = "".join(c for c in part if c.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts)
