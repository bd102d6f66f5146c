"""The bistatic radio as a device."""

from isactrack.drivers.device import Device
from isactrack.drivers.url import DeviceUrl


def open_url(url: DeviceUrl) -> Device:
    """Open ``bistatic://usb`` or ``bistatic://HOST``."""
    raise NotImplementedError(url.text)
