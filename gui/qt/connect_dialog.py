"""The dialog that chooses what is shown: a device that was found, a URL, or a recording, and its profile."""

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from isactrack.drivers.registry import FoundDevice
from isactrack.errors import IsacError
from isactrack.gui.models.connect import Choice, DeviceSearch, Preview, Sources, preview
from isactrack.gui.models.theme import Theme
from isactrack.gui.qt.error_box import ErrorBox
from isactrack.gui.qt.health_panel import ElidedLabel
from isactrack.source import Source

RECORDINGS = "Recordings (*.h5 *.hdf5);;All files (*)"
_PROFILES = "Profiles (*.cfg *.toml);;All files (*)"
_SIZE = QSize(900, 640)
_COLUMNS = ("Device", "What it is", "Serial number", "Port", "URL")
_LOOK_MS = 100
_PREVIEW_MS = 200
"""A profile is looked at when nobody has typed for so long."""


class ConnectDialog(QDialog):
    """Lists what can be opened, and shows what a profile would let it see before anything is started.

    Parameters
    ----------
    theme
        Colours.
    sources
        How choices are opened and profiles read.
    recent
        Sources that were opened before, the last one first.
    search
        Looks for devices.
    parent
        The window.
    """

    chosen = Signal(object)
    """The user's `Choice`."""

    def __init__(
        self, theme: Theme, sources: Sources, recent: tuple[str, ...], search: DeviceSearch, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open a device or a recording")
        self._theme = theme
        self._sources = sources
        self._search = search
        self._devices: list[FoundDevice] = []
        self._profile: Path | None = None
        self.preview = Preview()
        self._make_widgets(recent)
        self._lay_out()
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(button is self.start_button)
        self.resize(_SIZE.boundedTo(parent.size() - QSize(40, 40)))
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.timeout.connect(self.refresh)
        self._search_timer = QTimer(self)
        self._search_timer.timeout.connect(self._take_found)
        self.table.setFocus()
        self.look()

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        return Choice(self.source.currentText().strip(), self._profile)

    def look(self) -> None:
        """Look for devices again."""
        self._search.start()
        self.find_button.setEnabled(False)
        self.searching.setText("looking for devices …")
        self._search_timer.start(_LOOK_MS)

    def set_profile(self, path: Path | None) -> None:
        """Take a profile; None for the device's default."""
        self._profile = path
        self.profile_label.set_text("the device's default" if path is None else str(path))
        self.default_button.setEnabled(path is not None)
        self.refresh()

    def refresh(self) -> None:
        """Show what is known of the choice."""
        self._preview_timer.stop()
        self.preview = preview(self.choice, self._sources.read_profile)
        self._show_rows(self.preview.rows)
        self.note.setText(self.preview.note)
        self.note.setVisible(bool(self.preview.note))
        # An empty field is no mistake yet.
        self.error_box.show_error(self.preview.error if self.choice.source else None, self.choice.source)
        self.start_button.setEnabled(self.preview.error is None)

    def show_failure(self, error: IsacError) -> None:
        """Show why what was chosen could not be opened; it can be tried again as it is."""
        self.error_box.show_error(error, self.choice.source)

    def accept(self) -> None:
        """Hand on the choice if nothing speaks against it."""
        self.refresh()
        if self.preview.error is None:
            super().accept()
            self.chosen.emit(self.choice)

    def _take_found(self) -> None:
        found = self._search.take()
        if found is None:
            return
        self._search_timer.stop()
        self.find_button.setEnabled(True)
        error = self._search.error
        real = sum(device.source is not Source.SIMULATED for device in found)
        found_text = f"{real} found beside the simulated ones" if real else "no hardware found"
        self.searching.setText(f"the search failed: {error}" if error else found_text)
        self._show_devices(found)

    def _show_devices(self, found: list[FoundDevice]) -> None:
        former = self.choice.source
        self._devices = found
        self.table.blockSignals(True)
        self.table.setRowCount(len(found))
        for line, device in enumerate(found):
            ports = ", ".join(filter(None, (device.console_port, device.data_port)))
            texts = (device.model, device.description, device.serial_number or "–", ports or "–", device.url)
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(line, column, item)
        urls = [device.url for device in found]
        if former in urls:
            self.table.selectRow(urls.index(former))
        self.table.blockSignals(False)
        if not former and found:
            self.table.selectRow(0)

    def _on_selected(self) -> None:
        line = self.table.currentRow()
        if 0 <= line < len(self._devices):
            self.source.setEditText(self._devices[line].url)
            self.refresh()

    def _on_typed(self) -> None:
        self._preview_timer.start(_PREVIEW_MS)

    def _ask_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a recording", "", RECORDINGS)
        if chosen:
            self.source.setEditText(chosen)
            self.set_profile(None)

    def _ask_profile(self) -> None:
        folder = "" if self._profile is None else str(self._profile.parent)
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a profile", folder, _PROFILES)
        if chosen:
            self.set_profile(Path(chosen))

    def _show_rows(self, rows: tuple[tuple[str, str, str, str], ...]) -> None:
        self.limits.setRowCount(len(rows))
        for line, row in enumerate(rows):
            for column, text in enumerate(row):
                self.limits.setItem(line, column, QTableWidgetItem(text))

    def _make_widgets(self, recent: tuple[str, ...]) -> None:
        self.table = _table(_COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.table.doubleClicked.connect(self.accept)
        self.table.setAccessibleName("Devices")
        self.searching = QLabel()
        self.searching.setObjectName("muted")
        self.find_button = QPushButton("&Look again")
        self.find_button.clicked.connect(self.look)
        self.source = QComboBox()
        self.source.setEditable(True)
        self.source.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.source.addItems(list(recent))
        self.source.setEditText("")
        self.source.setAccessibleName("URL or file")
        self.source.setToolTip("A URL such as sim://awr1642?scene=crossing, or a recording; the list has recent ones")
        self.source.editTextChanged.connect(self._on_typed)
        self.file_button = QPushButton("Open a &recording …")
        self.file_button.clicked.connect(self._ask_file)
        self.profile_label = ElidedLabel("the device's default")
        self.profile_button = QPushButton("Choose a &profile …")
        self.profile_button.clicked.connect(self._ask_profile)
        self.default_button = QPushButton("&Default")
        self.default_button.setEnabled(False)
        self.default_button.clicked.connect(lambda: self.set_profile(None))
        self.limits = _table(("Waveform", "Value", "Limit", "Value"))
        self.limits.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.limits.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.limits.setAccessibleName("Limits")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setStyleSheet(f"color: {self._theme.warn};")
        self.note.hide()
        self.error_box = ErrorBox(self._theme)
        self.start_button = QPushButton("&Start")
        self.start_button.setDefault(True)
        self.start_button.setEnabled(False)
        self.start_button.clicked.connect(self.accept)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.reject)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(_section("Devices"))
        top.addWidget(self.searching, 1)
        top.addWidget(self.find_button)
        form = QGridLayout()
        form.setColumnStretch(1, 1)
        form.setHorizontalSpacing(10)
        form.addWidget(QLabel("URL or file"), 0, 0)
        form.addWidget(self.source, 0, 1, 1, 2)
        form.addWidget(self.file_button, 0, 3)
        form.addWidget(QLabel("Profile"), 1, 0)
        form.addWidget(self.profile_label, 1, 1)
        form.addWidget(self.default_button, 1, 2)
        form.addWidget(self.profile_button, 1, 3)
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(self.cancel_button)
        bottom.addWidget(self.start_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(9)
        layout.addLayout(top)
        layout.addWidget(self.table, 2)
        layout.addLayout(form)
        layout.addWidget(_section("What it will see"))
        layout.addWidget(self.limits, 3)
        layout.addWidget(self.note)
        layout.addWidget(self.error_box)
        layout.addLayout(bottom)


def _section(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("title")
    return label


def _table(titles: tuple[str, ...]) -> QTableWidget:
    """Return a table that is only looked at; its last column takes what room there is."""
    table = QTableWidget(0, len(titles))
    table.setHorizontalHeaderLabels(list(titles))
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(24)
    table.setShowGrid(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setTabKeyNavigation(False)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setStretchLastSection(True)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setHighlightSections(False)
    # The outline of the cell that has the keys pales it so much that its text cannot be read.
    table.setStyleSheet("QTableWidget { outline: 0; } QTableWidget::item { padding: 0 8px 0 2px; border: none; }")
    return table
