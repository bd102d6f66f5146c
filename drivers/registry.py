"""Opens devices by URL. Drivers are found by entry point and imported only when their scheme is used."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from isactrack.drivers.device import Device
from isactrack.drivers.url import DeviceUrl
from isactrack.errors import ConfigError, DeviceError
from isactrack.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY_POINT_GROUP = "isactrack.drivers"


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that could be opened now.

    Attributes
    ----------
    url
        URL that opens it.
    model, description
        What it is.
    source
        What its samples would be.
    console_port, data_port, serial_number
        Of a board on USB; empty where there is none.
    """

    url: str
    model: str
    description: str
    source: Source
    console_port: str = ""
    data_port: str = ""
    serial_number: str = ""


def schemes() -> list[str]:
    """Return the schemes that have a driver."""
    return sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


def open_device(url: str) -> Device:
    """Open a device; nothing ever falls back to a simulation.

    Parameters
    ----------
    url
        E.g. ``awr1642://auto``, ``awr1642:///dev/ttyACM0``, ``sim://awr1642?scene=crossing&seed=3`` or
        ``file://run.h5?speed=2``.

    Raises
    ------
    ConfigError
        If the URL or one of its options is wrong.
    DeviceNotFoundError
        If there is no such device.
    """
    parsed = DeviceUrl.parse(url)
    points = entry_points(group=ENTRY_POINT_GROUP, name=parsed.scheme)
    if not points:
        raise ConfigError(f"no driver for {parsed.scheme}://", f"drivers: {', '.join(schemes()) or 'none installed'}")
    opener: Callable[[DeviceUrl], Device] = next(iter(points)).load()
    return opener(parsed)


def list_devices() -> list[FoundDevice]:
    """Return the radars and radios that are connected by USB, and the simulated ones, which always are."""
    from isactrack.drivers.awr1642.discovery import find_boards

    found = [
        FoundDevice(
            f"awr1642://{board.console_port}",
            "AWR1642",
            f"radar board behind {board.kind}",
            Source.HARDWARE,
            console_port=board.console_port,
            data_port=board.data_port or "",
            serial_number=board.serial_number,
        )
        for board in find_boards()
        if board.console_port is not None
    ]
    simulated = [
        FoundDevice("sim://awr1642", "AWR1642", "simulated radar and capture card at the wire", Source.SIMULATED),
        FoundDevice("sim://bistatic", "bistatic radio", "simulated radio and LO box at the wire", Source.SIMULATED),
    ]
    return [*found, *_usb_radios(), *simulated]


def _usb_radios() -> list[FoundDevice]:
    """Return the bistatic radios on USB; none where pyusb or libusb is not installed."""
    from isactrack.drivers.bistatic.usb_link import find_radios

    try:
        serials = [serial for serial, _ in find_radios()]
    except (ConfigError, DeviceError):
        return []
    return [
        FoundDevice(
            f"bistatic://usb/{serial}" if serial else "bistatic://usb",
            "bistatic radio",
            "radio on USB",
            Source.HARDWARE,
            serial_number=serial,
        )
        for serial in serials
    ]
