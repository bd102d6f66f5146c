"""What goes wrong in the window: kept apart from what goes on, logged once, and told."""

import logging
from collections.abc import Callable

from isactrack.errors import IsacError
from isactrack.gui.models.feed import as_isac_error
from isactrack.gui.models.toasts import Toasts

_LOG = logging.getLogger(__name__)
_MAX_EXCEPTIONS = 100
"""Exceptions that are kept from one tick to the next."""
_MAX_LOGGED = 100
"""Kinds of faults that are logged with their trace; a fault of each frame would fill the disk in a day."""


class Faults:
    """Takes exceptions from wherever they arise, and says each in words.

    Parameters
    ----------
    toasts
        Where they are told.
    """

    def __init__(self, toasts: Toasts) -> None:
        self._toasts = toasts
        self._logged: set[str] = set()
        self._exceptions: list[Exception] = []

    def report(self, error: IsacError, source: str, cause: str = "") -> None:
        """Tell an error.

        Parameters
        ----------
        error
            What happened.
        source
            What was being watched.
        cause
            Why, if the error does not say so itself.
        """
        self._toasts.error(error, source, cause)

    def take(self, error: Exception) -> None:
        """Take an exception from a callback of Qt, or from another thread, for `deal_with` to look at later."""
        if len(self._exceptions) < _MAX_EXCEPTIONS:
            self._exceptions.append(error)

    def deal_with(self, blame: Callable[[Exception], bool], source: str) -> None:
        """Deal with the exceptions that were taken.

        Parameters
        ----------
        blame
            Stops what an exception arose in, and says whether it was in anything that can be stopped; the rest is told.
        source
            What is being watched.
        """
        exceptions, self._exceptions = self._exceptions, []
        for error in exceptions:
            if not blame(error):
                self._log_once("window", error)
                self.report(as_isac_error(error), source)

    def guard(
        self, name: str, work: Callable[[], object], source: str, ends: Callable[[IsacError], object] | None = None
    ) -> None:
        """Do some work; a failure is logged once and told, and does not stop the rest.

        Parameters
        ----------
        name
            What works, for people.
        work
            The work.
        source
            What is being watched.
        ends
            Called with the failure instead of telling it: nothing more can be shown after it.
        """
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one part's fault must not stop the others
            self._log_once(name, error)
            shown = as_isac_error(error)
            told = IsacError(f"the {name} failed: {shown}", shown.hint)
            told.__cause__ = error
            if ends is None:
                self.report(told, source)
            else:
                ends(told)

    def _log_once(self, name: str, error: Exception) -> None:
        kind = f"{name}: {type(error).__name__}"
        if kind not in self._logged and len(self._logged) < _MAX_LOGGED:
            self._logged.add(kind)
            _LOG.error("the %s failed", name, exc_info=error)


def view_error(title: str, error: Exception) -> IsacError:
    """Return what is told of a view that has stopped because of an exception."""
    shown = as_isac_error(error)
    told = IsacError(
        f"the view {title!r} has stopped", f"press Retry in its place (Ctrl+R); if it stops again: {shown.hint}"
    )
    told.__cause__ = error
    return told
