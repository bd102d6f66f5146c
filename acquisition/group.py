"""Several devices at once, one session each, on the clock of one host."""

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from isactrack.acquisition.session import Session, new_event
from isactrack.acquisition.snapshot import Health
from isactrack.errors import DeviceStateError, IsacError
from isactrack.events import Event, EventKind

_SLICE_S = 0.1
_START_PATIENCE_S = 10.0


class OnError(StrEnum):
    """What becomes of the others when the session of one device fails."""

    STOP = "stop"
    """They are stopped too."""
    CONTINUE = "continue"
    """They go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStart:
    """When the devices started.

    Attributes
    ----------
    host_monotonic_ns
        When the start of each device was done, on the host's monotonic clock.
    skew_s
        From the first of them to the last.
    """

    host_monotonic_ns: Mapping[str, int]
    skew_s: float


class SessionGroup:
    """Sessions that start together, stop together, and of which one may fail.

    Every device must be configured already, so that starting them is all that is left to do; they are started from one
    thread each, all at once. Whatever happens to one, the recordings of the others end as if they had run alone.

    Parameters
    ----------
    sessions
        The sessions by the names of their devices; the group owns them.
    on_error
        What happens to the others when one fails.
    """

    def __init__(self, sessions: Mapping[str, Session], *, on_error: OnError = OnError.STOP) -> None:
        if not sessions:
            raise ValueError("a group needs at least one session")
        self._sessions = dict(sessions)
        self._on_error = on_error
        self._errors: dict[str, IsacError] = {}
        self._running: list[str] = []

    def start(self) -> GroupStart:
        """Start all devices, as close together as they allow, and return when each did.

        Each recording gets an event that says how much later than the first its device started.

        Raises
        ------
        IsacError
            If a device does not start and `on_error` says stop, or none does; the others are stopped then.
        """
        barrier = threading.Barrier(len(self._sessions))
        started_ns: dict[str, int] = {}
        unexpected: list[BaseException] = []

        def start(name: str, session: Session) -> None:
            try:
                with contextlib.suppress(threading.BrokenBarrierError):
                    barrier.wait(_START_PATIENCE_S)
                session.start()
                started_ns[name] = time.monotonic_ns()
            except IsacError as error:
                self._errors[name] = error
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread that called
                unexpected.append(error)

        threads = [
            threading.Thread(target=start, args=item, name=f"isactrack-start-{item[0]}")
            for item in self._sessions.items()
        ]
        try:
            for thread in threads:
                thread.start()
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._running = [name for name in self._sessions if name in started_ns]
        if unexpected or not started_ns or (self._errors and self._on_error is OnError.STOP):
            self.stop()
            self._join()
            raise unexpected[0] if unexpected else next(iter(self._errors.values()))
        return self._note_start({name: started_ns[name] for name in self._running})

    def stop(self) -> None:
        """Ask all sessions to end and return at once, from any thread."""
        for session in self._sessions.values():
            session.stop()

    def mark(self, text: str) -> Event:
        """Put one marker, of one moment, into the recordings of all devices that still run, and return it.

        Raises
        ------
        DeviceStateError
            If none runs.
        """
        event = new_event(EventKind.MARKER, " ".join(text.split()))
        if not self._add_event(event, self._running):
            raise DeviceStateError("no session of the group runs", "set markers between its start and its end")
        return event

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of all sessions; while one waits, a failure stops the others if it is to.

        Parameters
        ----------
        timeout_s
            Longest wait; None waits for the end.

        Returns
        -------
        bool
            Whether all have ended.

        Raises
        ------
        IsacError
            When all have ended: what ended the first that failed, if `on_error` says stop or all have failed.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while self._running:
            self._collect(_SLICE_S if deadline_s is None else min(_SLICE_S, max(0.0, deadline_s - time.monotonic())))
            if self._running and deadline_s is not None and time.monotonic() >= deadline_s:
                return False
        if self._errors and (self._on_error is OnError.STOP or len(self._errors) == len(self._sessions)):
            raise next(iter(self._errors.values()))
        return True

    def health(self) -> dict[str, Health]:
        """Return counters and rates of each device at this moment."""
        return {name: session.health() for name, session in self._sessions.items()}

    @property
    def errors(self) -> Mapping[str, IsacError]:
        """What ended the sessions that failed, in the order in which they did."""
        return dict(self._errors)

    def close(self) -> None:
        """Stop all, wait for the end, close recorders and devices; may be called again.

        What goes wrong with one does not keep the others from being closed.

        Raises
        ------
        IsacError
            What went wrong first in closing a device.
        """
        self.stop()
        failures = []
        for session in self._sessions.values():
            try:
                session.close()
            except IsacError as error:
                failures.append(error)
        self._join()
        if failures:
            raise failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note_start(self, started_ns: dict[str, int]) -> GroupStart:
        first_ns = min(started_ns.values())
        if len(self._sessions) > 1:
            for name, at_ns in started_ns.items():
                text = f"{name} started {(at_ns - first_ns) * 1e-6:.3f} ms after the first of {len(started_ns)} devices"
                self._add_event(new_event(EventKind.SESSION, text), [name])
        return GroupStart(host_monotonic_ns=started_ns, skew_s=(max(started_ns.values()) - first_ns) * 1e-9)

    def _add_event(self, event: Event, names: Iterable[str]) -> bool:
        added = False
        for name in names:
            with contextlib.suppress(DeviceStateError):  # this one has ended
                self._sessions[name].add_event(event)
                added = True
        return added

    def _collect(self, timeout_s: float) -> None:
        """Take the sessions that have ended off the list, and stop the others if one failed."""
        share_s = timeout_s / len(self._running)
        for name in list(self._running):
            try:
                ended = self._sessions[name].wait(share_s)
            except IsacError as error:
                ended = True
                self._errors[name] = error
                if self._on_error is OnError.STOP:
                    self.stop()
            if ended:
                self._running.remove(name)

    def _join(self) -> None:
        while self._running:
            self._collect(_SLICE_S)
