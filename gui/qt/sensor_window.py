"""The part of the window that is about its sensors: opening, polling, showing and closing them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget

from isactrack.errors import DeviceStateError, IsacError
from isactrack.gui.models.arrangement import Arrangement
from isactrack.gui.models.back_off import BackOff
from isactrack.gui.models.connect import RecentSources, Sources
from isactrack.gui.models.faults import Faults, view_error
from isactrack.gui.models.feed import Feed, Opening
from isactrack.gui.models.group_recording import GroupRecording, RecordControl
from isactrack.gui.models.paint_clock import PaintClock
from isactrack.gui.models.stream import PATIENCE_S, Stream
from isactrack.gui.models.streams import Streams
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.timeline import Timeline
from isactrack.gui.models.toasts import Toasts
from isactrack.gui.qt.docks import DockArea
from isactrack.gui.qt.empty_page import EmptyPage
from isactrack.gui.qt.layout_keeper import LayoutKeeper
from isactrack.gui.qt.lost_banner import LostBanner
from isactrack.gui.qt.pane import Pane
from isactrack.gui.qt.sensor_area import SensorArea
from isactrack.gui.qt.source_chooser import SourceChooser, dropped_file
from isactrack.gui.qt.view_dock import Look

if TYPE_CHECKING:
    import threading

    from isactrack.acquisition.snapshot import Health


class SensorWindow(QMainWindow):
    """A window with one sensor or several, one of which is active; a sensor that fails leaves the others going.

    Parameters
    ----------
    opening
        The feed of the first sensor, which is being opened.
    capacity
        Snapshots that a timeline keeps.
    sources
        How other sources are opened, and the folder of the viewer's files; None if there are no others.
    """

    taken = Signal(object)
    """The feed of a sensor is there; its stream."""
    sensors_changed = Signal()
    """Another sensor is active, or one was added, taken out, or put in the place of another."""

    theme: Theme
    """Colours."""
    layouts: LayoutKeeper
    """Arranges the views."""

    def __init__(self, opening: Opening, capacity: int, sources: tuple[Sources, Path | None] | None) -> None:
        super().__init__()
        self.streams = Streams(Stream(opening, capacity))
        self.toasts = Toasts()
        self.back_off = BackOff()
        self._capacity = capacity
        self._faults = Faults(self.toasts)
        self._group = GroupRecording(self._recordable, self.report)
        self._retiring: list[threading.Thread] = []
        self.chooser: SourceChooser | None = None
        if sources is not None:
            self.chooser = SourceChooser(sources[0], RecentSources(sources[1], self.report), self)
            self.chooser.chosen.connect(self.switch)
            self.chooser.added.connect(self.add_sensor)
        self.setAcceptDrops(self.chooser is not None)

    def make_sensors(self, look: Look) -> SensorArea:
        """Make what shows the sensors, and return it."""
        self.sensors = SensorArea(self.streams, look, self._faults)
        self.sensors.told.connect(self.toasts.info)
        self.sensors.chosen.connect(self.activate)
        self.sensors.removed.connect(self.remove_sensor)
        return self.sensors

    # --- what is opened ----------------------------------------------------------------------------------------------

    @property
    def last_folder(self) -> str:
        """Folder in which a file is asked for; empty for none."""
        return ""

    def choose_source(self) -> None:
        """Ask for a device or a recording; what is shown goes on until one is chosen."""
        if self.chooser is not None:
            self.chooser.ask(self.theme)

    def choose_another(self) -> None:
        """Ask for a device or a recording to show beside what is shown."""
        if self.chooser is not None:
            self.chooser.ask(self.theme, adds=True)

    def choose_file(self) -> None:
        """Ask for a recording."""
        if self.chooser is not None:
            self.chooser.ask_file(self.last_folder)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take one file."""
        if dropped_file(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Open the file that is dropped."""
        path = dropped_file(event.mimeData())
        if path is not None and self.chooser is not None:
            event.acceptProposedAction()
            self.chooser.open_file(path)

    # --- the active sensor -------------------------------------------------------------------------------------------

    @property
    def stream(self) -> Stream:
        """The active sensor."""
        return self.streams.active

    @property
    def pane(self) -> Pane:
        """What shows it."""
        return self.sensors.active

    @property
    def opening(self) -> Opening:
        """What is opened."""
        return self.stream.opening

    @property
    def feed(self) -> Feed | None:
        """Where its snapshots come from, None until it is open."""
        return self.stream.feed

    @property
    def timeline(self) -> Timeline:
        """Its snapshots and the cursor, which those of the others follow."""
        return self.stream.timeline

    @property
    def health(self) -> "Health | None":
        """Its counters and rates, None until the feed is open."""
        return self.stream.health

    @property
    def paint_clock(self) -> PaintClock:
        """How long its results take to the screen."""
        return self.stream.paint_clock

    @property
    def error(self) -> IsacError | None:
        """What ended it, None if nothing did."""
        return self.stream.error

    @property
    def views(self) -> DockArea:
        """Its views."""
        return self.pane.views

    @property
    def stack(self) -> QStackedWidget:
        """Its views, or why there is nothing to see."""
        return self.pane.stack

    @property
    def empty(self) -> EmptyPage:
        """Why there is nothing to see."""
        return self.pane.empty

    @property
    def lost_banner(self) -> LostBanner:
        """That its device is lost."""
        return self.pane.lost_banner

    # --- all sensors -------------------------------------------------------------------------------------------------

    @property
    def shows_frame(self) -> bool:
        """Whether a frame of each sensor was drawn."""
        return all(stream.timeline.current is not None for stream in self.streams.items) and self.sensors.is_ready

    @property
    def first_error(self) -> IsacError | None:
        """What ended a sensor, the first of those that have ended so; None if all are well."""
        return next((stream.error for stream in self.streams.items if stream.error is not None), None)

    @property
    def fault(self) -> IsacError | None:
        """What keeps the window from showing everything: an error of a sensor, else one of a view."""
        return self.first_error or next((view_error(*failed) for failed in self.sensors.errors), None)

    def poll_sensors(self) -> None:
        """Take what is new, move the cursors, and draw what changed."""
        self._faults.deal_with(self.sensors.blame, self.stream.name)
        for pane in self.sensors.panes:
            self._take_feed(pane.stream)
            self.guard("feed", pane.poll, ends=pane.stream)
        self.guard("transport", self.streams.advance)
        may_paint = self.back_off.may_paint()
        if may_paint != self.sensors.updatesEnabled():
            self.sensors.setUpdatesEnabled(may_paint)
        if may_paint:
            self.sensors.draw()

    def look_at_healths(self) -> None:
        """Take the health of all sensors as it is now."""
        for stream in self.streams.items:
            self.guard("health", stream.look_at_health, ends=stream)
        self.back_off.look(stream.health for stream in self.streams.items)

    def tell_errors(self) -> None:
        """Tell the errors of the sensors, each once."""
        for stream in self.streams.items:
            if (error := stream.news_of_error()) is not None:
                self._faults.report(error, stream.name)

    def switch(self, open_feed: Callable[[], Feed], name: str) -> None:
        """Close the active sensor, with its recording, and show another source in its place.

        Parameters
        ----------
        open_feed
            Opens it; called in a thread of its own when what was shown is closed, for both may be the same device.
        name
            What is opened.
        """
        self._put_in_place_of(self.stream, open_feed, name)

    def add_sensor(self, open_feed: Callable[[], Feed], name: str) -> None:
        """Show another source beside what is shown; in place of the last one, if that could not be opened.

        Parameters
        ----------
        open_feed
            Opens it; called in a thread of its own.
        name
            What is opened.
        """
        last = self.streams.items[-1]
        if len(self.streams) > 1 and last.feed is None and last.error is not None:
            self._put_in_place_of(last, open_feed, name)
            return
        self.layouts.hold()
        stream = Stream(Opening(open_feed, name), self._capacity)
        try:
            self.streams.add(stream)
        except DeviceStateError as error:
            self.report(error)
            return
        stream.opening.start()
        self.sensors.add(stream)
        self.sensors_changed.emit()

    def remove_sensor(self, stream: Stream) -> None:
        """Take a sensor out, with its recording; the others go on."""
        try:
            self.streams.remove(stream)
        except DeviceStateError as error:
            self.report(error)
            return
        self._retiring.append(stream.retire(self.report_exception))
        self.sensors.remove(stream)
        self.sensors_changed.emit()

    def activate(self, stream: Stream) -> None:
        """Make a sensor the active one."""
        if stream is not self.stream and stream in self.streams.items:
            self.streams.activate(stream)
            self.sensors_changed.emit()

    def arrange(self, arrangement: Arrangement) -> None:
        """Show the sensors beside one another, in one plan of the room, or both."""
        self.sensors.arrange(arrangement)

    def show_view(self, name: str) -> None:
        """Show a view of the active sensor and bring it before the tabs of its place."""
        self.views.show_view(name)

    def frame(self, *, whole: bool) -> None:
        """Show the range in which something is seen, or the whole range of the sensors."""
        self.sensors.frame(whole=whole)

    @property
    def record_control(self) -> RecordControl | None:
        """What records all sensors that can be recorded; None if there are none."""
        found = self._recordable()
        return self._group if len(found) > 1 else found[0].control if found else None

    def _recordable(self) -> list[Stream]:
        return [stream for stream in self.streams.items if stream.control is not None]

    def cancel_openings(self, timeout_s: float) -> None:
        """Wait for what is still being opened, so that no device is left half configured, at most so long (s)."""
        until_s = time.monotonic() + timeout_s
        for stream in self.streams.items:
            stream.opening.cancel(max(until_s - time.monotonic(), 0.0))

    def close_sensors(self) -> None:
        """Close all feeds, and wait for those that were taken out before."""
        for stream in self.streams.items:
            self.guard("closing of the feed", stream.close, ends=stream)
        until_s = time.monotonic() + PATIENCE_S
        for thread in self._retiring:
            thread.join(max(until_s - time.monotonic(), 0.0))
        self._retiring.clear()

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    def report(self, error: IsacError) -> None:
        """Show an error, and go on."""
        self._faults.report(error, self.stream.name)

    def report_exception(self, error: Exception) -> None:
        """Take an exception that arose in a callback of Qt: it stops the view that it arose in, if in any.

        It is dealt with at the next tick: Qt is in the middle of something, perhaps of painting that very view.
        """
        self._faults.take(error)

    def guard(self, name: str, work: Callable[[], object], *, ends: Stream | None = None) -> None:
        """Do some work; a failure is told, or is what a sensor `ends` with, and does not stop the rest."""
        source = self.stream if ends is None else ends
        self._faults.guard(name, work, source.name, None if ends is None else ends.fail)

    def _put_in_place_of(self, former: Stream, open_feed: Callable[[], Feed], name: str) -> None:
        stream = former.successor(open_feed, name, self.report_exception)
        pane = self.sensors.pane_of(former)
        self.streams.replace(former, stream)
        pane.show_stream(stream)
        self.sensors_changed.emit()

    def _take_feed(self, stream: Stream) -> None:
        failed_before = stream.error is not None
        if stream.take():
            views = self.sensors.pane_of(stream).views
            views.ask(lambda view: view.forget_run())
            views.set_look(placement=stream.placement)
            self.taken.emit(stream)
            if self.chooser is not None:
                self.chooser.forget()
        if stream.error is not None and not failed_before and stream.feed is None and self.chooser is not None:
            self.chooser.fail(stream.error)
