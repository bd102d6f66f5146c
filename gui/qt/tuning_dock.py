"""The settings of what runs, in a dock at the side of the window."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QLabel, QWidget

from isactrack.gui.models.feed import Feed
from isactrack.gui.models.reconnect import session_of
from isactrack.gui.models.theme import Theme
from isactrack.gui.models.tuning import Settings, Tuning
from isactrack.gui.qt.tuning_panel import TuningPanel

if TYPE_CHECKING:
    from isactrack.acquisition.session import Session
    from isactrack.gui.qt.main_window import MainWindow

_NOTHING = "Nothing that can be tuned is running.\n\nOpen a device or a recording: its settings are shown here."


class TuningDock(QDockWidget):
    """The settings of what runs, at the side; they stay when a lost device comes back, or the theme changes."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__("Tuning", window)
        self.setObjectName("dock-tuning")
        self.setAllowedAreas(Qt.DockWidgetArea.RightDockWidgetArea | Qt.DockWidgetArea.LeftDockWidgetArea)
        self.tuning: Tuning | None = None
        self.panel: TuningPanel | None = None
        self._window = window
        self._feed: Feed | None = None
        self._session: Session | None = None
        self._aside: WeakKeyDictionary[Feed, tuple[Session | None, Tuning | None]] = WeakKeyDictionary()
        self.set_theme(window.theme)
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self)
        self.hide()

    def follow(self, feed: Feed | None) -> None:
        """Tune what a feed comes from; called again and again, it finds out when that is another session."""
        if feed is not self._feed and feed in self._aside:
            self._take_up(feed)
        session = session_of(feed)
        if session is None and feed is self._feed:
            return  # lost for a while
        if session is self._session and feed is self._feed:
            return
        self._put_aside()
        same, self._feed, self._session = feed is self._feed, feed, session
        tuning = self.tuning
        pipeline = None if session is None else session.pipeline
        if same and tuning is not None and tuning.applier is not None and session is not None and pipeline is not None:
            tuning.applier.retarget(session, Settings(pipeline.chain_config, pipeline.tracker_config))
            tuning.applier.submit(tuning.model.settings)
            return
        self.tuning = None if session is None else Tuning.of(session)
        self.set_theme(self._window.theme)

    def _put_aside(self) -> None:
        """Keep what was entered for a sensor, for when it is the active one again."""
        if self._feed is not None:
            self._aside[self._feed] = self._session, self.tuning

    def _take_up(self, feed: Feed | None) -> None:
        """Show again what was entered for a sensor."""
        self._put_aside()
        if feed is not None:
            self._feed = feed
            self._session, self.tuning = self._aside[feed]
            self.set_theme(self._window.theme)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours; what was entered stays."""
        former = self.widget()
        content: QWidget
        if self.tuning is None:
            self.panel = None
            content = QLabel(_NOTHING)
            content.setWordWrap(True)
            content.setMargin(16)
            content.setMinimumWidth(340)
            content.setAlignment(Qt.AlignmentFlag.AlignTop)
        else:
            self.panel = content = TuningPanel(theme, self.tuning)
            self.panel.failed.connect(self._window.report)
        self.setWidget(content)
        if former is not None:
            former.deleteLater()
