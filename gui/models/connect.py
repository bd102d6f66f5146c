"""What can be opened: devices that are found, recent sources, and what a profile would let them see."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from isactrack.acquisition.profile_check import RECEIVE_BUFFER, check_profile
from isactrack.acquisition.waveform_rows import waveform_rows
from isactrack.drivers.registry import FoundDevice, list_devices, schemes
from isactrack.drivers.url import DeviceUrl
from isactrack.errors import ConfigError, IsacError, RecordingError
from isactrack.fmcw import FmcwSensor
from isactrack.gui.models.feed import Feed, as_isac_error
from isactrack.gui.models.ui_files import load_document, save_document, take
from isactrack.ofdm import Capture
from isactrack.recordings import open_recording
from isactrack.source import Source

SCHEMA: Final = "isactrack-viewer-recent"
VERSION: Final = 1
MAX_RECENT: Final = 8
_MAX_TEXT: Final = 1000


class Kind(StrEnum):
    """What a source is, as far as its URL tells."""

    RADAR = "radar"
    RADIO = "radio"
    FILE = "recording"
    OTHER = "device"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user wants to see.

    Attributes
    ----------
    source
        URL of a device, or path of a recording.
    profile
        File of the profile; None for the device's default.
    """

    source: str
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """How what is chosen is opened.

    Attributes
    ----------
    open
        Returns the feed of a choice; takes its time, and may fail.
    read_profile
        Returns the text of a profile; may fail with an `IsacError`.
    """

    open: Callable[[Choice], Feed]
    read_profile: Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Preview:
    """What is known of a choice before it is opened.

    Attributes
    ----------
    rows
        Rows of a table: a value of the waveform and what it is, a limit that follows and what it is.
    error
        Why it cannot be opened; None if nothing speaks against it.
    note
        What to know all the same; empty for nothing.
    """

    rows: tuple[tuple[str, str, str, str], ...] = ()
    error: IsacError | None = None
    note: str = ""


def simulated_first(devices: Sequence[FoundDevice]) -> list[FoundDevice]:
    """Return devices with the simulated ones first, else in their order."""
    return sorted(devices, key=lambda device: device.source is not Source.SIMULATED)


class DeviceSearch:
    """Looks for devices in a thread of its own: a bus that hangs does not hold up the window.

    Parameters
    ----------
    find
        Returns the devices that are there; None asks all drivers.
    """

    def __init__(self, find: Callable[[], Sequence[FoundDevice]] | None = None) -> None:
        self._find = find or list_devices
        self._lock = threading.Lock()
        self._found: list[FoundDevice] | None = None
        self._error: IsacError | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it still looks."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def error(self) -> IsacError | None:
        """Why the last search failed."""
        with self._lock:
            return self._error

    def start(self) -> None:
        """Look, unless it does already."""
        if not self.running:
            self._thread = threading.Thread(target=self._run, name="isactrack-search", daemon=True)
            self._thread.start()

    def take(self) -> list[FoundDevice] | None:
        """Return what was found, once; None if there is nothing new."""
        with self._lock:
            found, self._found = self._found, None
            return found

    def _run(self) -> None:
        found: list[FoundDevice] = []
        failure: IsacError | None = None
        try:
            found = simulated_first(self._find())
        except Exception as error:  # noqa: BLE001 - it is shown in the dialog
            failure = as_isac_error(error)
        with self._lock:
            self._found, self._error = found, failure


class RecentSources:
    """Sources that were opened before, the last one first; a file that cannot be read is set aside and reported.

    Parameters
    ----------
    folder
        Folder of the viewer's files; None keeps nothing.
    report
        Called with what went wrong.
    """

    def __init__(self, folder: Path | None, report: Callable[[IsacError], None]) -> None:
        self._path = None if folder is None else folder / "recent.json"
        self._report = report
        self.items: tuple[str, ...] = load_document(self._path, SCHEMA, VERSION, _recent, report) or ()

    def add(self, source: str) -> None:
        """Put a source first."""
        self.items = (source, *(item for item in self.items if item != source))[:MAX_RECENT]
        save_document(self._path, SCHEMA, VERSION, {"sources": list(self.items)}, self._report)


def kind_of(source: str) -> Kind:
    """Return what a source is.

    Raises
    ------
    ConfigError
        If it is empty, no URL, or of a scheme without a driver.
    """
    if not source:
        raise ConfigError("nothing is chosen", "choose a device from the list, or write its URL or the path of a file")
    if "://" not in source:
        return Kind.FILE
    url = DeviceUrl.parse(source)
    if url.scheme not in schemes():
        raise ConfigError(f"no driver for {url.scheme}://", f"drivers: {', '.join(schemes())}")
    if url.scheme == "sim":
        return Kind.RADIO if url.target == "bistatic" else Kind.RADAR
    return {"file": Kind.FILE, "awr1642": Kind.RADAR, "bistatic": Kind.RADIO}.get(url.scheme, Kind.OTHER)


def default_profile(source: str) -> str:
    """Return the profile that a device runs if none is chosen; empty if only its driver knows."""
    kind = kind_of(source)
    if kind is Kind.RADAR:
        from isactrack.drivers.awr1642.profile import default_profile as of_radar

        return of_radar()
    if kind is not Kind.RADIO:
        return ""
    options = DeviceUrl.parse(source).options
    if "capture" in options and source.startswith("sim://") and options["capture"] in set(Capture):
        from isactrack.drivers.simulated.bistatic.device import simulated_profile

        return simulated_profile(Capture(options["capture"]))
    from isactrack.drivers.bistatic.profile import default_profile as of_radio

    return of_radio()


def preview(choice: Choice, read_profile: Callable[[Path], str]) -> Preview:
    """Return what a choice would see, and what speaks against it; never raises.

    Parameters
    ----------
    choice
        The source and its profile.
    read_profile
        See `Sources`.
    """
    try:
        kind = kind_of(choice.source)
        if kind is Kind.FILE:
            return _of_recording(choice)
        text = default_profile(choice.source) if choice.profile is None else read_profile(choice.profile)
        if not text:
            return Preview(note="its driver says what it runs once it is open")
        return _of_profile(kind, text)
    except IsacError as error:
        return Preview(error=error)


def _of_recording(choice: Choice) -> Preview:
    if choice.profile is not None:
        raise ConfigError("a recording takes no profile: it was recorded with one", "choose the default")
    source = choice.source
    path = Path(DeviceUrl.parse(source).target if "://" in source else source).expanduser()
    if not path.exists():
        raise RecordingError(
            f"there is no file {path}", "choose a recording (.h5), or write a URL such as sim://awr1642"
        )
    with open_recording(path) as recording:
        note = "" if recording.closed_cleanly else "it was not closed; its whole frames are shown"
        return Preview(tuple(waveform_rows(recording.sensor)), note=note)


def _of_profile(kind: Kind, text: str) -> Preview:
    report = check_profile(text)
    sensor = report.sensor
    rows = () if sensor is None else tuple(waveform_rows(sensor))
    if sensor is not None and kind is not Kind.OTHER:
        found = Kind.RADAR if isinstance(sensor, FmcwSensor) else Kind.RADIO
        if found is not kind:
            hint = f"choose a profile of a {kind}, or the default"
            return Preview(rows, ConfigError(f"this profile is of a {found}, and the device is a {kind}", hint))
    details = [f"{name}: {detail}" for name, passed, detail in report.checks if passed is False]
    if not details:
        return Preview(rows)
    if report.failed == [RECEIVE_BUFFER]:
        return Preview(rows, note=f"{report.hint}. {details[0]}")
    return Preview(rows, ConfigError("\n".join(details), report.hint))


def _recent(document: Mapping[str, object]) -> tuple[str, ...]:
    sources = take(document, "sources", list)
    if len(sources) > MAX_RECENT or not all(isinstance(one, str) and 0 < len(one) <= _MAX_TEXT for one in sources):
        raise RecordingError("'sources' is not a short list of names")
    return tuple(sources)
